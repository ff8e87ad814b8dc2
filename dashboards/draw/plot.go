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
	Diagonal string // what the line y = x says; empty for no line. Both axes then have the same values
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
	markersUpTo = 60 // points of a line that each have a marker
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
	l.direct = true
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
				l.legend = addLegend(l.legend, look(s.Color, i), s.Name, s.Dashed, l.w-20)
			}
		}
		l.top += float64(min(len(l.legend), legendRows)) * (lineHeight + 2)
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
	for want := max(2, int((l.right-l.left)/48)); ; want-- {
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
	if l.Y.Label != "" {
		p.text(10, y+11, left, l.w-20, `opacity=".8"`, l.Y.Label)
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
		upper := reduce(runs(a.X, gapsOf(a.Hi, a.Lo), l.x, l.y), l.right-l.left)
		lower := reduce(runs(a.X, gapsOf(a.Lo, a.Hi), l.x, l.y), l.right-l.left)
		if len(upper) != len(lower) {
			continue // not reached: both have the gaps of both
		}
		c := colour(look(a.Color, k))
		var widest float64
		var at point
		for r := range upper {
			var d strings.Builder
			path(&d, upper[r], "M")
			back := slices.Clone(lower[r])
			slices.Reverse(back)
			path(&d, back, "L")
			p.shape("path", fmt.Sprintf(`d="%sZ" fill="%s" fill-opacity=".2"`, d.String(), c), a.Name)
			for _, u := range upper[r] {
				low, _ := l.y.at(a.Lo[u.i])
				if low-u.y > widest {
					widest, at = low-u.y, point{x: u.x, y: (u.y + low) / 2}
				}
			}
		}
		if a.Name != "" && widest > lineHeight {
			w := min(widthOf(a.Name)/2, (l.right-l.left)/2)
			p.text(min(max(at.x, l.left+w+4), l.right-w-4), at.y+4, middle, l.right-l.left, `font-weight="600" `+halo, a.Name)
		}
	}
}

// gapsOf returns values with the gaps of others, too.
func gapsOf(values, others []float64) []float64 {
	out := slices.Clone(values[:min(len(values), len(others))])
	for i := range out {
		if !drawable(others[i]) {
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
		if x+w+4 > l.w-4 {
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
	case total <= markersUpTo:
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
		if s.Kind == Line && min(len(s.X), len(s.Y)) > markersUpTo {
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
		ys = append(ys, y-2)
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

// write writes texts at heights of their own. With series, each has the marker of one.
func (l *layout) write(p *picture, at []placed, ys []float64, series []int) {
	apart, ok := spread(ys, lineHeight, l.top-lineHeight, l.bottom)
	if !ok {
		apart = ys
	}
	for i, t := range at {
		room := l.w - 4 - t.x
		if t.anchor == right {
			room = t.x
		}
		x := t.x
		if series != nil {
			s := l.Series[series[i]]
			k := look(s.Color, series[i])
			if t.anchor == right {
				p.marker(k, t.x-2, apart[i], 3.6, "")
				x -= 10
			} else {
				p.marker(k, t.x+2, apart[i], 3.6, "")
				x += 10
			}
			room -= 10
		}
		p.text(x, apart[i]+4, t.anchor, room, halo, t.text)
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
			peaks, ys, which = append(peaks, l.beside(peak.x, s.Name)), append(ys, peak.y), append(which, i)
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
