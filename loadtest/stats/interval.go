package stats

import (
	"fmt"
	"math"
)

// An Interval is a mean with its 95 % confidence interval.
type Interval struct {
	Mean, Lo, Hi float64
	N            int // independent observations; below 2 the interval is infinite
}

// String formats the interval as "79.2 [78.4, 80.1]".
func (i Interval) String() string { return fmt.Sprintf("%.4g [%.4g, %.4g]", i.Mean, i.Lo, i.Hi) }

// Mean returns the mean of independent observations, with the interval of Student's t.
func Mean(x []float64) Interval {
	n := len(x)
	if n == 0 {
		return Interval{Lo: math.Inf(-1), Hi: math.Inf(1)}
	}
	var mean float64
	for _, v := range x {
		mean += v / float64(n)
	}
	if n == 1 {
		return Interval{Mean: mean, Lo: math.Inf(-1), Hi: math.Inf(1), N: 1}
	}
	var squares float64
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	half := student(n-1) * math.Sqrt(squares/float64(n-1)/float64(n))
	return Interval{Mean: mean, Lo: mean - half, Hi: mean + half, N: n}
}

// Blocks is the customary number of blocks for BatchMeans and Growth.
const Blocks = 10

// BatchMeans returns the mean of a series of dependent observations, such as the completions of each second: the series is
// cut into blocks of equal length, whose means count as independent. What does not fill a block at the end is left out.
// A series shorter than blocks gives as many blocks as it has values.
func BatchMeans(x []float64, blocks int) Interval {
	blocks = min(max(blocks, 1), len(x))
	if blocks == 0 {
		return Mean(nil)
	}
	size := len(x) / blocks
	means := make([]float64, blocks)
	for i := range means {
		for _, v := range x[i*size : (i+1)*size] {
			means[i] += v / float64(size)
		}
	}
	return Mean(means)
}

// student returns the 97.5 % quantile of Student's t: the half-width of a 95 % interval in standard errors. Above 30
// degrees of freedom it is the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5), good to four digits there.
func student(freedom int) float64 {
	table := [...]float64{
		12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
		2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
		2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
	}
	if freedom <= len(table) {
		return table[freedom-1]
	}
	const z = 1.959964
	n := float64(freedom)
	return z + (z*z*z+z)/(4*n) + (5*z*z*z*z*z+16*z*z*z+3*z)/(96*n*n)
}
