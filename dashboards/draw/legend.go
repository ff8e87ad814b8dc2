package draw

// legendRow is names side by side.
type legendRow struct {
	items []legendItem
	end   float64
}

type legendItem struct {
	x      float64
	look   int
	name   string
	kind   Kind
	dashed bool
	bar    string // the fill of a bar; empty for the marker of a line
	room   float64
}

// addItem adds a name to the last row, or to a new one.
func addItem(rows []legendRow, item legendItem, room float64) []legendRow {
	const sample = 24
	w := min(widthOf(shorten(clean(item.name, maxText), room-sample)), room-sample)
	if len(rows) == 0 || rows[len(rows)-1].end+sample+w > room {
		rows = append(rows, legendRow{})
	}
	r := &rows[len(rows)-1]
	item.x, item.room = r.end+10, w+1
	r.items = append(r.items, item)
	r.end += sample + w + 14
	return rows
}

// writeLegend writes the rows from y on, and returns where they end.
func writeLegend(p *picture, rows []legendRow, y float64) float64 {
	for _, r := range rows {
		for _, i := range r.items {
			at := y + 8
			switch {
			case i.bar != "":
				p.f(`<rect x="%s" y="%s" width="18" height="11" fill="%s" stroke="currentColor" stroke-opacity=".5" stroke-width=".6"/>`, n(i.x), n(at-6), i.bar)
			case i.kind == Points:
				p.marker(i.look, i.x+9, at, 4, "")
			default:
				dash := ""
				if i.dashed {
					dash = ` stroke-dasharray="6 4"`
				}
				p.line(i.x, at, i.x+18, at, `stroke="`+colour(i.look)+`" stroke-width="2"`+dash)
				if !i.dashed {
					p.marker(i.look, i.x+9, at, 3.6, "")
				}
			}
			p.text(i.x+23, at+4, left, i.room, "", i.name)
		}
		y += lineHeight + 2
	}
	return y
}
