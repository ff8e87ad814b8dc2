package draw

import (
	"math"
	"slices"
)

// point is a value in its place on the canvas; v is where it came from.
type point struct {
	x, y float64
	i    int // of the series' values
}

// runs returns the places of a series from left to right, cut where a value has none.
func runs(xs, ys []float64, sx, sy scale) [][]point {
	var all [][]point
	var run []point
	cut := func() {
		if len(run) > 0 {
			all = append(all, run)
			run = nil
		}
	}
	for _, i := range order(xs) {
		if i >= len(ys) {
			continue
		}
		x, okX := sx.at(xs[i])
		y, okY := sy.at(ys[i])
		if !okX {
			continue // nowhere: it cannot interrupt anything
		}
		if !okY {
			cut()
			continue
		}
		run = append(run, point{x, y, i})
	}
	cut()
	return all
}

// order returns the indices of xs by their values; NaN comes first.
func order(xs []float64) []int {
	o := make([]int, len(xs))
	for i := range o {
		o[i] = i
	}
	compare := func(a, b int) int {
		switch {
		case xs[a] < xs[b] || math.IsNaN(xs[a]) && !math.IsNaN(xs[b]):
			return -1
		case xs[a] > xs[b] || math.IsNaN(xs[b]) && !math.IsNaN(xs[a]):
			return 1
		}
		return 0
	}
	if !slices.IsSortedFunc(o, compare) {
		slices.SortStableFunc(o, compare)
	}
	return o
}

// reduce leaves of the points in each column, one unit wide, the first, least, greatest and last (M4), in their order.
// Runs that lie in one column are gaps narrower than a pixel, and are joined. So a line has at most four points a column.
func reduce(all [][]point, columns float64) [][]point {
	total := 0
	for _, r := range all {
		total += len(r)
	}
	if float64(total) <= 2*columns {
		return all
	}
	var out [][]point
	var column []point // of the column that is open
	cut := true        // a gap is before the next column
	flush := func() {
		if len(column) == 0 {
			return
		}
		keep := []int{0, 0, 0, len(column) - 1}
		for i, p := range column {
			if p.y < column[keep[1]].y {
				keep[1] = i
			}
			if p.y > column[keep[2]].y {
				keep[2] = i
			}
		}
		slices.Sort(keep)
		if cut || len(out) == 0 {
			out = append(out, nil)
			cut = false
		}
		last := &out[len(out)-1]
		for _, i := range slices.Compact(keep) {
			*last = append(*last, column[i])
		}
		column = column[:0]
	}
	for k, r := range all {
		for i, p := range r {
			if len(column) > 0 && math.Floor(p.x) != math.Floor(column[0].x) {
				flush()
				cut = i == 0 && k > 0
			}
			column = append(column, p)
		}
	}
	flush()
	return out
}

// thinned returns the points that are drawn one by one: one for each square of two units, and at most MaxPoints.
func thinned(all [][]point) []point {
	type square struct{ x, y int }
	seen := map[square]bool{}
	var out []point
	for _, r := range all {
		for _, p := range r {
			s := square{int(math.Floor(p.x / 2)), int(math.Floor(p.y / 2))}
			if !seen[s] {
				seen[s] = true
				out = append(out, p)
			}
		}
	}
	if len(out) <= MaxPoints {
		return out
	}
	k := (len(out) + MaxPoints - 1) / MaxPoints
	var some []point
	for i := 0; i < len(out); i += k {
		some = append(some, out[i])
	}
	return some
}

// spread moves centres apart until each has height for itself, as little as possible, within from ... to. They stay in their
// order. It reports false when there is no room for all.
func spread(centres []float64, height, from, to float64) ([]float64, bool) {
	if float64(len(centres))*height > to-from+1e-9 {
		return nil, false
	}
	o := order(centres)
	// Neighbours that overlap form a block around the mean of what they wanted; blocks that overlap become one.
	type block struct {
		sum   float64 // of where each member wants the block's top
		count int
		top   float64
	}
	place := func(b *block) {
		b.top = min(max(b.sum/float64(b.count), from), to-float64(b.count)*height)
	}
	var blocks []block
	for _, i := range o {
		b := block{sum: centres[i] - height/2, count: 1}
		place(&b)
		for len(blocks) > 0 {
			previous := blocks[len(blocks)-1]
			if previous.top+float64(previous.count)*height <= b.top+1e-9 {
				break
			}
			blocks = blocks[:len(blocks)-1]
			b.sum = previous.sum + b.sum - float64(b.count*previous.count)*height
			b.count += previous.count
			place(&b)
		}
		blocks = append(blocks, b)
	}
	out := make([]float64, len(centres))
	k := 0
	for _, b := range blocks {
		for j := range b.count {
			out[o[k]] = b.top + (float64(j)+.5)*height
			k++
		}
	}
	return out, true
}
