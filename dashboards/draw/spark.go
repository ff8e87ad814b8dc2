package draw

import (
	"fmt"
	"math"
	"strings"
)

// A Spark is a line without axes, as large as a word. It begins at zero, and tells its greatest value in its tooltip.
type Spark struct {
	Title  string // what it is to somebody who cannot see it: "backlog"
	Unit   Unit
	Values []float64 // at equal distances
}

const sparkWidth, sparkHeight = 96.0, 22.0

// SVG draws the line. It has the width and height of a word in a line of text, as attributes, so it needs no place of its own.
func (s Spark) SVG() string {
	var e extent
	e.add(0)
	some := false
	last := math.NaN()
	for _, v := range s.Values {
		e.add(v)
		if drawable(v) {
			some, last = true, v
		}
	}
	p := &picture{}
	tip := clean(s.Title, maxText) + ": no data"
	if some {
		tip = fmt.Sprintf("%s: at most %s, at the end %s", clean(s.Title, maxText), s.Unit.Format(e.hi), s.Unit.Format(last))
	}
	p.f(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img"><title>%s</title>`,
		n(sparkWidth), n(sparkHeight), n(sparkWidth), n(sparkHeight), escape(tip))
	if !some {
		p.line(2, sparkHeight-3, sparkWidth-2, sparkHeight-3, `stroke="currentColor" stroke-opacity=".4" stroke-dasharray="2 3"`)
		return p.close()
	}
	if e.hi-e.lo < 1e-100 {
		e.hi = e.lo + 1
	}
	xs := make([]float64, len(s.Values))
	for i := range xs {
		xs[i] = float64(i)
	}
	x := scale{lo: 0, hi: math.Max(1, float64(len(xs)-1)), from: 2, to: sparkWidth - 4}
	y := scale{lo: e.lo, hi: e.hi, from: sparkHeight - 3, to: 3}
	var d strings.Builder
	all := reduce(runs(xs, s.Values, x, y), sparkWidth)
	for _, r := range all {
		path(&d, r, "M")
		if len(r) == 1 {
			d.WriteString("h.1")
		}
	}
	end := all[len(all)-1]
	p.f(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round"/>`, d.String(), colour(0))
	p.f(`<circle cx="%s" cy="%s" r="2" fill="%s"/>`, n(end[len(end)-1].x), n(end[len(end)-1].y), colour(0))
	return p.close()
}
