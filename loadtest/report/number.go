package report

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"example.com/arvo/dashboards/draw"
	"example.com/arvo/loadtest/results"
)

// Numbers are written as package draw writes them: three significant digits, thin separators, "–" for what is not known.
// Counts are exact.

func number(v float64) string { return draw.Number.Format(v) }

func perSecond(v float64) string { return with(draw.Number.Format(v), "/s") }

func milliseconds(ms float64) string { return draw.Seconds.Format(ms / 1000) }

func seconds(s float64) string { return draw.Seconds.Format(s) }

// setting writes a time that somebody chose: exactly.
func setting(s float64) string {
	unit := "\u202Fs"
	if s > 0 && s < 1 {
		s, unit = s*1000, "\u202Fms"
	}
	return draw.Separate(strconv.FormatFloat(math.Round(s*1e6)/1e6, 'f', -1, 64)) + unit
}

// duration writes a time that somebody chose and that may be long.
func duration(s float64) string {
	if s >= 60 && math.Mod(s, 60) == 0 {
		return setting(s / 60)[:len(setting(s/60))-1] + "min"
	}
	return setting(s)
}

// whole writes a count that is kept as a float64.
func whole(v float64) string { return draw.Count.Format(v) }

func count[T int | int64](n T) string { return draw.Separate(strconv.FormatInt(int64(n), 10)) }

func dollars(v float64) string {
	if !finite(v) {
		return draw.Unknown
	}
	if v == 0 || math.Abs(v) >= 1 {
		return "$" + draw.Separate(strconv.FormatFloat(v, 'f', 2, 64))
	}
	return "$" + draw.Number.Format(v)
}

// with adds a unit to a number that is known.
func with(text, unit string) string {
	if text == draw.Unknown {
		return text
	}
	return text + unit
}

// maybe writes what is not nil.
func maybe(v *float64, write func(float64) string) string {
	if v == nil {
		return draw.Unknown
	}
	return write(*v)
}

// interval writes the bounds of an interval, or nothing when it is infinite.
func interval(i results.Interval, write func(float64) string) string {
	return bounds(i.Lo, i.Hi, write)
}

func bounds(lo, hi *float64, write func(float64) string) string {
	if lo == nil || hi == nil || !finite(*lo) || !finite(*hi) {
		return ""
	}
	return fmt.Sprintf("[%s, %s]", write(*lo), write(*hi))
}

func of(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// ratio writes a over b.
func ratio(a, b float64) string {
	if !finite(a) || !finite(b) || b == 0 {
		return draw.Unknown
	}
	return strconv.FormatFloat(a/b, 'f', 3, 64)
}

// moment writes a time to the second.
func moment(t time.Time) string {
	if t.IsZero() {
		return draw.Unknown
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// plural writes a count with its noun.
func plural[T int | int64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
