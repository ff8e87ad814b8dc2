package draw

import (
	"fmt"
	"math"
)

// Bars are horizontal: a row, or several, for each group. Stacked, the parts of a group are one after the other, as the
// stages that a subject goes through; otherwise they are beneath each other.
//
// The height follows from the number of groups. A value that is negative or not drawable is missing.
type Bars struct {
	Frame
	Axis    Axis // its Log is not looked at
	Groups  []string
	Parts   []Part
	Stacked bool
}

// A Part has a value in each group.
type Part struct {
	Name   string
	Values []float64 // one for each group; those that are missing are not drawn
}

const barHeight = 18.0

func (b Bars) value(part, group int) (float64, bool) {
	v := b.Parts[part].Values
	if group >= len(v) || !drawable(v[group]) || v[group] < 0 {
		return 0, false
	}
	return v[group], true
}

// total returns the sum of a group's parts, and false when it has none.
func (b Bars) total(group int) (float64, bool) {
	sum, some := 0.0, false
	for part := range b.Parts {
		if v, ok := b.value(part, group); ok {
			sum, some = sum+v, true
		}
	}
	return sum, some
}

// SVG draws the bars. The height of the size is not looked at.
func (b Bars) SVG(size Size) string {
	w := float64(size.bounded().Width)
	var omitted string
	if k := len(b.Groups) - MaxGroups; k > 0 {
		b.Groups = b.Groups[:MaxGroups]
		omitted = fmt.Sprintf("not drawn: %d more groups", k)
	}
	if k := len(b.Parts) - MaxSeries; k > 0 {
		b.Parts = b.Parts[:MaxSeries]
		if omitted == "" {
			omitted = "not drawn:"
		} else {
			omitted += ","
		}
		omitted += fmt.Sprintf(" %d more parts", k)
	}

	// Names of groups are beside the bars, or above them where that leaves too little room.
	names := 0.0
	for _, g := range b.Groups {
		names = max(names, widthOf(clean(g, maxText)))
	}
	above := names > .28*w
	x0 := 10.0
	if !above {
		x0 += names + 8
	}
	rows := 1
	if !b.Stacked {
		rows = max(1, len(b.Parts))
	}
	var e extent
	e.add(b.Axis.Min, b.Axis.Max)
	values := 0.0 // how wide the texts at the ends of bars are
	some := false
	for g := range b.Groups {
		for part := range b.Parts {
			if v, ok := b.value(part, g); ok {
				some = true
				if !b.Stacked {
					e.add(v)
					values = max(values, widthOf(b.Axis.Unit.Format(v)))
				}
			}
		}
		if v, ok := b.total(g); ok && b.Stacked {
			e.add(v)
			values = max(values, widthOf(b.Axis.Unit.Format(v)))
		}
	}
	x1 := max(w-12-values-6, x0+60)

	var legend []legendRow
	id := identifier(b.ID) + fmt.Sprintf("-%g", w)
	if len(b.Parts) > 1 {
		for i, p := range b.Parts {
			legend = addItem(legend, legendItem{look: i, name: p.Name, bar: fill(id, i)}, w-20)
		}
	}
	y0 := 6.0
	if b.Headed {
		y0 += 24
	}
	y0 += float64(len(legend))*(lineHeight+2) + 4
	group := float64(rows)*barHeight + 10
	if above {
		group += lineHeight
	}
	y1 := y0 + max(1, float64(len(b.Groups)))*group
	height := y1 + lineHeight + 9
	if b.Axis.Label != "" {
		height += lineHeight
	}
	if omitted != "" {
		height += lineHeight
	}
	b.Axis.Log = false
	var s scale
	var ticks []tick
	for want := max(2, int((x1-x0)/40)); ; want-- {
		s, ticks = axis(b.Axis, e, want, true)
		s.from, s.to = x0, x1
		end, apart := math.Inf(-1), true
		for _, t := range ticks {
			half := widthOf(t.label) / 2
			apart = apart && s.must(t.at)-half >= end+gap
			end = s.must(t.at) + half
		}
		if apart || want <= 2 {
			break
		}
	}

	if !some {
		ticks = nil
	}
	p := open(b.Frame, w, height)
	if len(b.Parts) > 0 {
		p.f("<defs>")
		for i := range b.Parts {
			p.pattern(i)
		}
		p.f("</defs>")
	}
	y := 6.0
	if b.Headed {
		p.text(10, y+13, left, w-20, `font-size="15" font-weight="600"`, b.Title)
		y += 24
	}
	writeLegend(p, legend, y)
	for _, t := range ticks {
		x := s.must(t.at)
		opacity := ".15"
		if t.at == 0 {
			opacity = ".6"
		}
		p.line(x, y0, x, y1, `stroke="currentColor" stroke-opacity="`+opacity+`"`)
		anchor := middle
		if x+widthOf(t.label)/2 > w-2 {
			anchor, x = right, w-2
		}
		p.text(x, y1+14, anchor, w/2, `opacity=".8"`, t.label)
	}
	for g, name := range b.Groups {
		y := y0 + float64(g)*group + 5
		if above {
			p.text(x0, y+11, left, w-x0-10, "", name)
			y += lineHeight
		} else {
			p.text(x0-8, y+float64(rows)*barHeight/2+4, right, names+4, "", name)
		}
		at := 0.0
		for part := range b.Parts {
			v, ok := b.value(part, g)
			if !b.Stacked {
				at = 0
			}
			if from, to := s.must(at), s.must(at+v); ok && to-from > .05 {
				tip := clean(b.Parts[part].Name, maxText) + ": " + b.Axis.Unit.Format(v)
				edge := ` stroke="Canvas" stroke-width=".8"`
				if to-from < 3 {
					edge = "" // it would cover the bar
				}
				p.shape("rect", fmt.Sprintf(`x="%s" y="%s" width="%s" height="%s" fill="%s"%s`, n(from), n(y), n(max(to-from, .1)), n(barHeight-2), fill(id, part), edge), tip)
			}
			if !b.Stacked {
				text := Unknown
				if ok {
					text = b.Axis.Unit.Format(v)
				}
				p.text(s.must(v)+5, y+12, left, w, "", text)
				y += barHeight
			}
			at += v
		}
		if b.Stacked {
			text := Unknown
			if sum, ok := b.total(g); ok {
				text = b.Axis.Unit.Format(sum)
			}
			p.text(s.must(at)+5, y+12, left, w, "", text)
		}
	}
	below := y1 + 14
	if b.Axis.Label != "" {
		below += lineHeight
		p.text(x1, below, right, w-20, `opacity=".8"`, b.Axis.Label)
	}
	if omitted != "" {
		below += lineHeight
		p.text(x1, below, right, w-20, `font-style="italic"`, omitted)
	}
	if !some {
		p.text((x0+x1)/2, (y0+y1)/2+4, middle, x1-x0, `font-style="italic" `+halo, "no data")
	}
	return p.close()
}

// hatches are what is drawn over the colour of a part, in squares of eight.
var hatches = [...]string{
	"",
	"M-2 2L2 -2M0 8L8 0M6 10L10 6", // rising
	"M2 2h2v2h-2zM6 6h2v2h-2z",     // dots
	"M-2 6L2 10M0 0L8 8M6 -2L10 2", // falling
	"M0 2H8M0 6H8",                 // level
	"M2 0V8M6 0V8",                 // upright
	"M0 8L8 0M0 0L8 8",             // crossed
}

func fill(id string, part int) string { return fmt.Sprintf("url(#%s-h%d)", id, part) }

// pattern defines the fill of a part.
func (p *picture) pattern(part int) {
	c := colour(part)
	p.f(`<pattern id="%s-h%d" width="8" height="8" patternUnits="userSpaceOnUse"><rect width="8" height="8" fill="%s"/>`, p.id, part, c)
	if h := hatches[part%len(hatches)]; h != "" {
		p.f(`<path d="%s" fill="none" stroke="Canvas" stroke-opacity=".65" stroke-width="1.3"/>`, h)
	}
	p.f("</pattern>")
}
