package draw

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

// A Plot has two axes, and lines, points and areas over them.
type Plot struct {
	Frame
	X, Y     Axis
	Series   []Series
	Areas    []Area // behind the lines
	Marks    []Mark
	Notes    []Note
	Diagonal string // what the line y = x says; empty for no line. Both axes then have the same values, and are both logarithmic or both not, else there is none
}

// A Series is a line, or points. X and Y belong together by their index; what one has more than the other is left out.
type Series struct {
	Name   string
	X, Y   []float64
	Lo, Hi []float64 // intervals of Y; empty for none
	Kind   Kind
	Color  int  // 1, 2 ... for a colour and marker that it shares with others; 0 for that of its place
	Dashed bool // not measured: predicted, a bound
	Label  Label
}

// A Kind is how a series is drawn.
type Kind int

const (
	Line   Kind = iota // a line, with markers while there are few points
	Points             // markers only
)

// A Label is where a series has its name.
type Label int

const (
	AtEnd  Label = iota // beside its last point
	AtPeak              // beside its greatest one
	None                // nowhere: it belongs to another
)

// An Area is filled between Lo and Hi.
type Area struct {
	Name   string // written into it where it is highest; empty for none
	X      []float64
	Lo, Hi []float64
	Color  int // as in Series
}

// A Mark is a vertical line: something happened at X.
type Mark struct {
	X    float64
	Text string
}

// A Note says something of a point.
type Note struct {
	X, Y float64
	Text string
}

const (
	markersUpTo = 60 // points of a line that each have a marker, if they are not too close
	strips      = 48 // of a plot whose lines have more: their tooltips
	gap         = 8.0
)

// SVG draws the plot.
func (c Plot) SVG(size Size) string {
	size = size.bounded()
	l := layout{Plot: c, w: float64(size.Width), h: float64(size.Height)}
	l.limit()
	l.measure()
	p := open(c.Frame, l.w, l.h)
	l.axes(p)
	l.areas(p)
	l.marks(p)
	l.diagonal(p)
	for i := range l.Series {
		l.series(p, i)
	}
	l.tooltips(p)
	l.notes(p)
	l.labels(p)
	return p.close()
}

// layout is a plot that has been given its places.
type layout struct {
	Plot
	w, h                     float64
	left, right, top, bottom float64 // of the plot's area
	x, y                     scale
	xs, ys                   []tick
	empty                    bool
	omitted                  []string

	direct bool      // names are beside lines, not in a legend
	ends   []float64 // where they are, of series with AtEnd
	legend []legendRow
	rows   [][]placed // of the texts of marks
}

type placed struct {
	x, at  float64
	anchor string
	text   string
}

func (l *layout) limit() {
	if l.X.Log != l.Y.Log {
		l.Diagonal = "" // y = x is no straight line
	}
	if k := len(l.Series) - MaxSeries; k > 0 {
		l.Series = l.Series[:MaxSeries]
		l.omitted = append(l.omitted, fmt.Sprintf("%d more series", k))
	}
	if k := len(l.Areas) - MaxSeries; k > 0 {
		l.Areas = l.Areas[:MaxSeries]
		l.omitted = append(l.omitted, fmt.Sprintf("%d more areas", k))
	}
	if k := len(l.Marks) - MaxMarks; k > 0 {
		l.Marks = l.Marks[:MaxMarks]
		l.omitted = append(l.omitted, fmt.Sprintf("%d more marks", k))
	}
	if k := len(l.Notes) - MaxMarks; k > 0 {
		l.Notes = l.Notes[:MaxMarks]
		l.omitted = append(l.omitted, fmt.Sprintf("%d more notes", k))
	}
}

// look returns the colour of a series or area: its own, or that of its place.
func look(own, place int) int {
	if own > 0 {
		return own - 1
	}
	return place
}

// dense reports whether a series is a line with more points than can each have a marker.
func (l *layout) dense(i int) bool {
	s := l.Series[i]
	n, from, to := 0, l.right, l.left
	for _, r := range runs(s.X, s.Y, l.x, l.y) {
		n, from, to = n+len(r), min(from, r[0].x), max(to, r[len(r)-1].x)
	}
	return s.Kind == Line && (n > markersUpTo || n > 2 && (to-from)/float64(n-1) < 10)
}

// measure finds the values of the axes, then the margins, which depend on how wide ticks and names are.
func (l *layout) measure() {
	ex, ey := extent{log: l.X.Log}, extent{log: l.Y.Log}
	some := false
	for _, s := range l.Series {
		for i := range min(len(s.X), len(s.Y)) {
			if !drawable(s.X[i]) || !drawable(s.Y[i]) || l.X.Log && s.X[i] <= 0 {
				continue
			}
			ex.add(s.X[i])
			ey.add(s.Y[i])
			some = some || !l.Y.Log || s.Y[i] > 0
			if i < len(s.Lo) && i < len(s.Hi) {
				ey.add(s.Lo[i], s.Hi[i])
			}
		}
	}
	for _, a := range l.Areas {
		for i := range min(len(a.X), len(a.Lo), len(a.Hi)) {
			ex.add(a.X[i])
			ey.add(a.Lo[i], a.Hi[i])
			some = some || drawable(a.X[i]) && drawable(a.Lo[i]) && drawable(a.Hi[i])
		}
	}
	l.empty = !some
	for _, m := range l.Marks {
		ex.add(m.X)
	}
	for _, m := range l.Notes {
		ex.add(m.X)
		ey.add(m.Y)
	}
	if l.X.Min != 0 || l.X.Max != 0 {
		ex.add(l.X.Min, l.X.Max)
	}
	if l.Y.Min != 0 || l.Y.Max != 0 {
		ey.add(l.Y.Min, l.Y.Max)
	}
	if l.Diagonal != "" {
		ex.add(ey.lo, ey.hi)
		ey = ex
		ey.log = l.Y.Log
	}

	// From top to bottom: title, legend, the label of the y axis, texts of marks, the plot, ticks, the label of the x axis.
	l.right, l.bottom = l.w-12, l.h-6
	if l.X.Label != "" {
		l.bottom -= lineHeight
	}
	if len(l.omitted) > 0 {
		l.bottom -= lineHeight
	}
	l.bottom -= lineHeight + 3
	l.top = 6
	if l.Headed {
		l.top += 24
	}
	if l.Y.Label != "" {
		l.top += lineHeight + 4
	}
	l.y, l.ys = axis(l.Y, ey, int((l.bottom-l.top)/44), false)
	l.left = 14
	for _, t := range l.ys {
		l.left = max(l.left, widthOf(t.label)+14)
	}
	l.left = min(l.left, l.w/3)

	// Names beside the lines, if there is room for them.
	l.direct = slices.ContainsFunc(l.Series, func(s Series) bool { return s.Kind == Line })
	widest := 0.0
	for _, s := range l.Series {
		w := widthOf(strings.TrimSpace(clean(s.Name, maxText))) + 22
		switch {
		case s.Name == "" || s.Label == None:
		case s.Label == AtPeak:
			l.direct = l.direct && w < .6*l.w && l.w >= 480
		default:
			widest = max(widest, w)
		}
	}
	if widest > .3*l.w || widest > 70 && l.w < 480 {
		l.direct = false
	}
	if l.direct && widest > 0 {
		l.right -= widest
	}
	l.scales(ex, ey)
	if l.direct {
		var wanted []float64
		for i := range l.Series {
			if _, last, ok := l.placeOf(i); ok && l.Series[i].Label == AtEnd && l.Series[i].Name != "" {
				wanted = append(wanted, last.y)
			}
		}
		if ends, ok := spread(wanted, lineHeight, l.top-lineHeight/2, l.bottom+lineHeight/2); ok {
			l.ends = ends
		} else {
			l.direct = false
			l.right = l.w - 12
		}
	}
	if !l.direct {
		for i, s := range l.Series {
			if s.Name != "" && s.Label != None {
				l.legend = addItem(l.legend, legendItem{look: look(s.Color, i), name: s.Name, kind: s.Kind, dashed: s.Dashed}, l.w-20)
			}
		}
		rows := float64(len(l.legend))*(lineHeight+2) + 3
		l.top, l.bottom, l.h = l.top+rows, l.bottom+rows, l.h+rows
		l.scales(ex, ey)
	}
	l.markRows()
	l.top += float64(len(l.rows)) * lineHeight
	l.scales(ex, ey)
}

// scales makes both axes for the area as it is known by now.
func (l *layout) scales(ex, ey extent) {
	l.bottom = max(l.bottom, l.top+40)
	l.right = max(l.right, l.left+60)
	l.y, l.ys = axis(l.Y, ey, int((l.bottom-l.top)/44), false)
	l.y.from, l.y.to = l.bottom, l.top
	for want := max(2, int((l.right-l.left)/40)); ; want-- {
		l.x, l.xs = axis(l.X, ex, want, l.Diagonal == "")
		if l.Diagonal != "" { // the same values, and its own ticks
			l.x.lo, l.x.hi = l.y.lo, l.y.hi
			l.xs = slices.DeleteFunc(l.xs, func(t tick) bool {
				v := t.at
				if l.x.log {
					v = math.Log10(v)
				}
				return v > l.x.hi+1e-9*math.Abs(l.x.hi) || v < l.x.lo-1e-9*math.Abs(l.x.lo)
			})
		}
		l.x.from, l.x.to = l.left, l.right
		if want <= 2 || l.apart() {
			break
		}
	}
	// The last resort: leave out labels that would touch.
	end := math.Inf(-1)
	for i, t := range l.xs {
		x := l.x.must(t.at)
		if w := widthOf(t.label) / 2; t.label != "" && x-w < end+2 {
			l.xs[i].label = ""
		} else if t.label != "" {
			end = x + w
		}
	}
}

// apart reports whether the labels of the x axis have room between them.
func (l *layout) apart() bool {
	end := math.Inf(-1)
	for _, t := range l.xs {
		if t.label == "" {
			continue
		}
		x, w := l.x.must(t.at), widthOf(t.label)/2
		if x-w < end+gap {
			return false
		}
		end = x + w
	}
	return true
}

// placeOf returns the places of the greatest and the last value of a series.
func (l *layout) placeOf(i int) (peak, last point, ok bool) {
	for _, r := range runs(l.Series[i].X, l.Series[i].Y, l.x, l.y) {
		for _, p := range r {
			if !ok || p.y < peak.y {
				peak = p
			}
			last, ok = p, true
		}
	}
	return peak, last, ok
}

func (l *layout) axes(p *picture) {
	y := 6.0
	if l.Headed {
		p.text(10, y+13, left, l.w-20, `font-size="15" font-weight="600"`, l.Title)
		y += 24
	}
	y = writeLegend(p, l.legend, y)
	if len(l.legend) > 0 {
		y += 3
	}
	if l.Y.Label != "" {
		p.text(10, y+11, left, l.w-20, `opacity=".8"`, l.Y.Label)
	}
	if l.empty {
		l.xs, l.ys = nil, nil
	}
	for _, t := range l.ys {
		at := l.y.must(t.at)
		opacity := ".15"
		if t.at == 0 && !l.Y.Log {
			opacity = ".6"
		} else if t.label == "" {
			opacity = ".07"
		}
		p.line(l.left, at, l.right, at, `stroke="currentColor" stroke-opacity="`+opacity+`"`)
		p.text(l.left-6, at+4, right, l.left-6, `opacity=".8"`, t.label)
	}
	for _, t := range l.xs {
		at := l.x.must(t.at)
		if t.label == "" {
			p.line(at, l.bottom, at, l.bottom+3, `stroke="currentColor" stroke-opacity=".3"`)
			continue
		}
		p.line(at, l.bottom, at, l.bottom+5, `stroke="currentColor" stroke-opacity=".6"`)
		anchor := middle
		if at+widthOf(t.label)/2 > l.w-2 {
			anchor, at = right, l.w-2
		}
		p.text(at, l.bottom+17, anchor, l.w/2, `opacity=".8"`, t.label)
	}
	p.line(l.left, l.bottom, l.right, l.bottom, `stroke="currentColor" stroke-opacity=".6"`)
	below := l.bottom + 17
	if l.X.Label != "" {
		below += lineHeight
		p.text(l.right, below, right, l.w-20, `opacity=".8"`, l.X.Label)
	}
	if len(l.omitted) > 0 {
		below += lineHeight
		p.text(l.right, below, right, l.w-20, `font-style="italic"`, "not drawn: "+strings.Join(l.omitted, ", "))
	}
	if l.empty {
		p.text((l.left+l.right)/2, (l.top+l.bottom)/2, middle, l.right-l.left, `font-style="italic"`, "no data")
	}
}

func (l *layout) areas(p *picture) {
	for k, a := range l.Areas {
		his, los := runs(a.X, gapsOf(a.Hi, a.Lo, l.y), l.x, l.y), runs(a.X, gapsOf(a.Lo, a.Hi, l.y), l.x, l.y)
		upper, lower := reduce(his, l.right-l.left), reduce(los, l.right-l.left)
		for r := range min(len(upper), len(lower)) { // as many, as both have the gaps of both
			var d strings.Builder
			path(&d, upper[r], "M")
			back := slices.Clone(lower[r])
			slices.Reverse(back)
			path(&d, back, "L")
			p.shape("path", fmt.Sprintf(`d="%sZ" fill="%s" fill-opacity=".2"`, d.String(), colour(look(a.Color, k))), a.Name)
		}
		l.nameArea(p, a.Name, his, los)
	}
}

// nameArea writes the name of an area where it has most room above and below for the whole of it.
func (l *layout) nameArea(p *picture, name string, his, los [][]point) {
	w := widthOf(shorten(clean(name, maxText), l.right-l.left)) + 8
	if name == "" || w > l.right-l.left {
		return
	}
	// top and bottom are the area's in each column.
	n := int(l.right-l.left) + 1
	top, bottom := make([]float64, n), make([]float64, n)
	fill := func(all [][]point, columns []float64) {
		for i := range columns {
			columns[i] = math.NaN()
		}
		for _, r := range all {
			for i, q := range r {
				from := r[max(0, i-1)]
				for x := max(0, math.Ceil(from.x-l.left)); x <= q.x-l.left && x < float64(n); x++ {
					share := 1.0
					if q.x > from.x {
						share = (x + l.left - from.x) / (q.x - from.x)
					}
					columns[int(x)] = from.y + share*(q.y-from.y)
				}
			}
		}
	}
	fill(his, top)
	fill(los, bottom)
	room, x, y := 0.0, 0.0, 0.0
	for i := 0; i+int(w) < n; i += 4 {
		hi, lo := math.Inf(-1), math.Inf(1)
		for j := i; j <= i+int(w); j++ { // NaN wins: it has no room
			hi, lo = max(hi, top[j]), min(lo, bottom[j])
		}
		if lo-hi > room {
			room, x, y = lo-hi, l.left+float64(i)+w/2, (lo+hi)/2
		}
	}
	if room >= lineHeight+4 {
		p.text(x, y+4, middle, w+1, `font-weight="600" `+halo, name)
	}
}

// gapsOf returns values with the gaps that others have on an axis, too.
func gapsOf(values, others []float64, axis scale) []float64 {
	out := slices.Clone(values[:min(len(values), len(others))])
	for i := range out {
		if _, ok := axis.at(others[i]); !ok {
			out[i] = math.NaN()
		}
	}
	return out
}

// path writes points as a path that begins with an M or an L.
func path(d *strings.Builder, points []point, first string) {
	for i, p := range points {
		if i == 0 {
			d.WriteString(first)
		} else {
			d.WriteByte('L')
		}
		d.WriteString(n(p.x))
		d.WriteByte(' ')
		d.WriteString(n(p.y))
	}
}

// markRows gives the texts of marks their places above the plot, in as many rows as they need, at most three.
func (l *layout) markRows() {
	marks := slices.Clone(l.Marks)
	sort.SliceStable(marks, func(i, j int) bool { return marks[i].X < marks[j].X })
	for _, m := range marks {
		x, ok := l.x.at(m.X)
		text := shorten(clean(m.Text, maxText), l.w/2)
		if !ok || text == "" {
			continue
		}
		w := widthOf(text)
		t := placed{x: x + 4, at: x, anchor: left, text: m.Text}
		from := x
		if x+w > l.right { // right of the plot there are names of lines
			t.x, t.anchor, from = x-4, right, x-w-8
		}
		row := 0
		for row < len(l.rows) {
			last := l.rows[row][len(l.rows[row])-1]
			end := last.x
			if last.anchor == left {
				end += min(widthOf(shorten(clean(last.text, maxText), l.w/2)), l.w/2)
			}
			if end+gap <= from {
				break
			}
			row++
		}
		if row == len(l.rows) {
			if len(l.rows) == 3 {
				continue // the line has it as its tooltip
			}
			l.rows = append(l.rows, nil)
		}
		l.rows[row] = append(l.rows[row], t)
	}
}

func (l *layout) marks(p *picture) {
	row := map[float64]int{}
	for i, r := range l.rows {
		y := l.top - float64(i)*lineHeight - 4
		for _, t := range r {
			p.text(t.x, y, t.anchor, l.w/2, "", t.text)
			row[t.at] = max(row[t.at], i+1)
		}
	}
	for _, m := range l.Marks {
		if x, ok := l.x.at(m.X); ok {
			p.shape("path", fmt.Sprintf(`d="M%s %sV%s" stroke="currentColor" stroke-opacity=".7" stroke-dasharray="2 3"`, n(x), n(l.top-float64(row[x])*lineHeight+4), n(l.bottom)), m.Text)
		}
	}
}

func (l *layout) diagonal(p *picture) {
	if l.Diagonal == "" {
		return
	}
	p.line(l.x.from, l.y.from, l.x.to, l.y.to, `stroke="currentColor" stroke-opacity=".6" stroke-dasharray="5 4"`)
	// Its text lies on it, at its middle.
	dx, dy := l.x.to-l.x.from, l.y.to-l.y.from
	p.f(`<g transform="translate(%s %s) rotate(%s)">`, n(l.x.from+dx*.3), n(l.y.from+dy*.3), n(math.Atan2(dy, dx)*180/math.Pi))
	p.text(0, -5, middle, math.Hypot(dx, dy)*.55, `opacity=".8" `+halo, l.Diagonal)
	p.f("</g>")
}

func (l *layout) series(p *picture, i int) {
	s := l.Series[i]
	k := look(s.Color, i)
	all := runs(s.X, s.Y, l.x, l.y)
	total := 0
	for _, r := range all {
		total += len(r)
	}
	for _, r := range all {
		for _, q := range r {
			if total > MaxPoints || q.i >= len(s.Lo) || q.i >= len(s.Hi) {
				break
			}
			lo, okLo := l.y.at(s.Lo[q.i])
			hi, okHi := l.y.at(s.Hi[q.i])
			if okLo && okHi && lo-hi > 1 {
				p.f(`<path d="M%s %sV%sM%s %sH%sM%s %sH%s" fill="none" stroke="%s" stroke-width="1.2"/>`,
					n(q.x), n(lo), n(hi), n(q.x-3), n(lo), n(q.x+3), n(q.x-3), n(hi), n(q.x+3), colour(k))
			}
		}
	}
	if s.Kind == Line {
		var d strings.Builder
		for _, r := range reduce(all, l.right-l.left) {
			path(&d, r, "M")
			if len(r) == 1 {
				d.WriteString("h.1") // a single point is seen by its round cap
			}
		}
		if d.Len() > 0 {
			dash := ""
			if s.Dashed {
				dash = ` stroke-dasharray="6 4"`
			}
			p.f(`<path d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"%s/>`, d.String(), colour(k), dash)
		}
	}
	switch {
	case s.Kind == Points:
		for _, q := range thinned(all) {
			p.marker(k, q.x, q.y, 4, l.tip(s, q.i))
		}
	case s.Dashed: // what was not measured has no points
	case !l.dense(i):
		for _, r := range all {
			for _, q := range r {
				p.marker(k, q.x, q.y, 3.2, l.tip(s, q.i))
			}
		}
	default: // some markers, at other places than those of its neighbours
		next := l.left + 20 + float64(i%5)*22
		for _, r := range all {
			for _, q := range r {
				if q.x >= next {
					p.marker(k, q.x, q.y, 3.2, "")
					next = q.x + 110
				}
			}
		}
	}
}

// tip is the tooltip of a value.
func (l *layout) tip(s Series, i int) string {
	t := fmt.Sprintf("%s: %s at %s", clean(s.Name, maxText), l.Y.Unit.Format(s.Y[i]), l.X.Unit.Format(s.X[i]))
	if i < len(s.Lo) && i < len(s.Hi) && drawable(s.Lo[i]) && drawable(s.Hi[i]) {
		t += fmt.Sprintf(" (%s to %s)", l.Y.Unit.Format(s.Lo[i]), l.Y.Unit.Format(s.Hi[i]))
	}
	return t
}

// tooltips puts strips over lines that have too many points for tooltips of their own; each tells the values in its middle.
func (l *layout) tooltips(p *picture) {
	var dense []int
	for i, s := range l.Series {
		if l.dense(i) && !s.Dashed {
			dense = append(dense, i)
		}
	}
	if len(dense) == 0 || l.x.log {
		return
	}
	orders := make([][]int, len(l.Series))
	for _, i := range dense {
		orders[i] = order(l.Series[i].X[:min(len(l.Series[i].X), len(l.Series[i].Y))])
	}
	w := (l.right - l.left) / strips
	p.f(`<g fill="currentColor" fill-opacity="0">`)
	for k := range strips {
		x := l.x.lo + (float64(k)+.5)/strips*(l.x.hi-l.x.lo)
		lines := []string{l.X.Unit.Format(x)}
		for _, i := range dense[:min(len(dense), 8)] {
			s, o := l.Series[i], orders[i]
			at := sort.Search(len(o), func(j int) bool { return s.X[o[j]] >= x })
			if at == len(o) || at > 0 && x-s.X[o[at-1]] < s.X[o[at]]-x {
				at--
			}
			if math.Abs(s.X[o[at]]-x) > (l.x.hi-l.x.lo)/strips {
				continue // it has nothing here
			}
			lines = append(lines, clean(s.Name, 60)+": "+l.Y.Unit.Format(s.Y[o[at]]))
		}
		if len(lines) > 1 {
			p.shape("rect", fmt.Sprintf(`x="%s" y="%s" width="%s" height="%s"`, n(l.left+float64(k)*w), n(l.top), n(w), n(l.bottom-l.top)), strings.Join(lines, "\n"))
		}
	}
	p.f("</g>")
}

func (l *layout) notes(p *picture) {
	var at []placed
	var ys []float64
	for _, m := range l.Notes {
		x, okX := l.x.at(m.X)
		y, okY := l.y.at(m.Y)
		if !okX || !okY {
			continue
		}
		p.f(`<circle cx="%s" cy="%s" r="4" fill="none" stroke="currentColor" stroke-width="1.5"/>`, n(x), n(y))
		at = append(at, l.beside(x, m.Text))
		ys = append(ys, y-10)
	}
	l.write(p, at, ys, nil)
}

// beside places a text right of x, or left of it if there is no room.
func (l *layout) beside(x float64, text string) placed {
	w := widthOf(shorten(clean(text, maxText), l.w*.6)) + 9
	if x+w > l.w-4 && x-w > l.left {
		return placed{x: x - 9, anchor: right, text: text}
	}
	return placed{x: x + 9, anchor: left, text: text}
}

// write writes texts near heights of their own, none over another. With series, each has the marker of one.
func (l *layout) write(p *picture, at []placed, ys []float64, series []int) {
	type box struct{ from, to, y float64 }
	var taken []box
	for i, t := range at {
		x, sign := t.x, 1.0
		if t.anchor == right {
			sign = -1
		}
		if series != nil {
			x += sign * 10
		}
		room := l.w - 4 - x
		if t.anchor == right {
			room = x
		}
		b := box{from: x, to: x + sign*widthOf(shorten(clean(t.text, maxText), room))}
		if b.from > b.to {
			b.from, b.to = b.to, b.from
		}
		// The first free place at, above or below where it wants to be; if there is none, where it wants to be.
		y := min(max(ys[i], l.top-lineHeight), l.bottom-6)
		for k := range 24 {
			b.y = y + float64((k+1)/2)*lineHeight*float64(1-k%2*2)
			if b.y < l.top-lineHeight || b.y > l.bottom-2 {
				continue
			}
			if !slices.ContainsFunc(taken, func(o box) bool {
				return b.from < o.to+4 && o.from < b.to+4 && math.Abs(b.y-o.y) < lineHeight-.5
			}) {
				y = b.y
				break
			}
		}
		b.y = y
		taken = append(taken, b)
		if series != nil {
			p.marker(look(l.Series[series[i]].Color, series[i]), t.x+sign*2, y, 3.6, "")
		}
		p.text(x, y+4, t.anchor, room, halo, t.text)
	}
}

// labels writes the names of series beside them.
func (l *layout) labels(p *picture) {
	if !l.direct {
		return
	}
	k := 0
	var peaks []placed
	var ys []float64
	var which []int
	for i, s := range l.Series {
		peak, last, ok := l.placeOf(i)
		if !ok || s.Name == "" || s.Label == None {
			continue
		}
		if s.Label == AtPeak {
			peaks, ys, which = append(peaks, l.beside(peak.x, s.Name)), append(ys, peak.y-6), append(which, i)
			continue
		}
		y := l.ends[k]
		k++
		if x := l.right + 6; math.Abs(y-last.y) > 3 || last.x < l.right-6 {
			p.line(last.x+4, last.y, x, y, `stroke="currentColor" stroke-opacity=".4" stroke-dasharray="1 3"`)
		}
		p.marker(look(s.Color, i), l.right+11, y, 3.6, "")
		p.text(l.right+19, y+4, left, l.w-l.right-20, "", s.Name)
	}
	l.write(p, peaks, ys, which)
}
