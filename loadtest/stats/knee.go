package stats

import (
	"fmt"
	"math"
)

// A Knee is a curve of two straight lines, y = min(Slope·x, Ceiling): throughput over offered load, or over concurrency. It
// bends at x = At. These are the asymptotic bounds of a system with a hard limit (Denning and Buzen 1978).
type Knee struct {
	Slope   float64
	Ceiling float64 // +Inf when no point is on the flat part
	At      float64 // Ceiling/Slope; +Inf without a ceiling
	// Residual is the root of the mean square of the relative errors: 0.01 means that points are 1 % off.
	Residual float64
}

// FitKnee fits the two lines to points with positive coordinates, in any order, by least squares of relative errors. Each way to
// call the leftmost k points sloped and the others flat is tried, and the best is taken. It needs three points.
func FitKnee(x, y []float64) (Knee, error) {
	if len(x) != len(y) {
		return Knee{}, fmt.Errorf("stats: knee: %d values of x and %d of y", len(x), len(y))
	}
	if len(x) < 3 {
		return Knee{}, fmt.Errorf("stats: knee: %d points: two lines take three", len(x))
	}
	for i := range x {
		if !(x[i] > 0 && y[i] > 0) || math.IsInf(x[i], 1) || math.IsInf(y[i], 1) {
			return Knee{}, fmt.Errorf("stats: knee: point (%v, %v): both are positive and finite", x[i], y[i])
		}
	}
	best := Knee{Residual: math.Inf(1)}
	for _, limit := range x { // points up to limit are on the slope
		var xy, xxyy, iy, iyy float64
		flat := 0
		for i := range x {
			if x[i] <= limit {
				xy += x[i] / y[i]
				xxyy += x[i] / y[i] * x[i] / y[i]
			} else {
				iy += 1 / y[i]
				iyy += 1 / y[i] / y[i]
				flat++
			}
		}
		// The least of Σ(1-βx/y)² is at β = Σ(x/y) / Σ(x/y)², and so for the ceiling with x = 1.
		k := Knee{Slope: xy / xxyy, Ceiling: math.Inf(1), At: math.Inf(1)}
		if flat > 0 {
			k.Ceiling = iy / iyy
			k.At = k.Ceiling / k.Slope
		}
		var squares float64
		for i := range x {
			e := 1 - min(k.Slope*x[i], k.Ceiling)/y[i]
			squares += e * e
		}
		k.Residual = math.Sqrt(squares / float64(len(x)))
		if k.Residual < best.Residual {
			best = k
		}
	}
	return best, nil
}
