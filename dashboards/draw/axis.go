package draw

import (
	"math"
	"strconv"
	"strings"
)

// An Axis is a direction of a [Plot] or the values of [Bars].
type Axis struct {
	Label string // with its unit: "offered (subjects/s)"
	Unit  Unit   // of the values, for ticks and tooltips
	Log   bool   // logarithmic; values that are not positive are not drawn. Bars have none

	// Min and Max widen the axis: it reaches from Min to Max at least. Both zero is what the data has.
	Min, Max float64
}

// A Unit says what a value is, and how it is written.
type Unit int

const (
	Number  Unit = iota // 12 300, 79.2, 0.012
	Seconds             // 56.0 ms, 12.3 s, 20.5 min
	Percent             // of 1: 0.125 is 12.5 %
	Count               // 1230, 12 300: whole, and exact
)

const thin = "\u202F" // narrow no-break space

// Unknown is how a value is written that is not known.
const Unknown = "–"

// Format writes a value with three significant digits, thin separators and its unit: "12 300", "56.0 ms", "12.5 %".
// NaN and infinite ones are [Unknown].
func (u Unit) Format(v float64) string {
	if !drawable(v) {
		return Unknown
	}
	switch u {
	case Seconds:
		a := math.Abs(v)
		switch {
		case a == 0:
			return "0" + thin + "s"
		case a < 0.9995e-3:
			return digits(v*1e6, 3) + thin + "µs"
		case a < 0.9995:
			return digits(v*1e3, 3) + thin + "ms"
		case a < 599.5:
			return digits(v, 3) + thin + "s"
		case a < 7170:
			return digits(v/60, 3) + thin + "min"
		default:
			return digits(v/3600, 3) + thin + "h"
		}
	case Percent:
		return digits(v*100, 3) + thin + "%"
	case Count:
		if math.Abs(v) < 1e15 {
			return Separate(strconv.FormatFloat(v, 'f', 0, 64))
		}
		return digits(v, 3)
	default:
		return digits(v, 3)
	}
}

// digits writes v with so many significant digits, and thin separators.
func digits(v float64, significant int) string {
	a := math.Abs(v)
	if a == 0 {
		return "0"
	}
	if a < 1e-4 || a >= 1e15 {
		return strconv.FormatFloat(v, 'e', significant-1, 64)
	}
	// Rounding may make a digit more: 99.96 is 100, not 100.0.
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', significant-1, 64), 64)
	if err != nil {
		return Unknown
	}
	decimals := significant - 1 - int(math.Floor(math.Log10(math.Abs(rounded))+1e-12))
	return Separate(strconv.FormatFloat(rounded, 'f', max(0, decimals), 64))
}

// Separate puts thin spaces between the thousands of a decimal number of five digits and more: as is usual, 1234 has none.
func Separate(number string) string {
	sign := ""
	if strings.HasPrefix(number, "-") {
		sign, number = "−", number[1:]
	}
	whole, fraction, has := strings.Cut(number, ".")
	if len(whole) >= 5 {
		var b strings.Builder
		for i, r := range whole {
			if i > 0 && (len(whole)-i)%3 == 0 {
				b.WriteString(thin)
			}
			b.WriteRune(r)
		}
		whole = b.String()
	}
	if has {
		whole += "." + fraction
	}
	return sign + whole
}

// tick is a place on an axis. One without a label is a line only.
type tick struct {
	at    float64
	label string
}

// scale maps values to places.
type scale struct {
	lo, hi   float64 // of the values; of their logarithms when log
	from, to float64
	log      bool
}

func (s scale) at(v float64) (float64, bool) {
	if !drawable(v) {
		return 0, false
	}
	if s.log {
		if v < 1e-100 {
			return 0, false
		}
		v = math.Log10(v)
	}
	return s.from + (v-s.lo)/(s.hi-s.lo)*(s.to-s.from), true
}

// must is at for values that are on the axis because it was made for them.
func (s scale) must(v float64) float64 {
	x, _ := s.at(v)
	return x
}

// extent collects the values that an axis has to have.
type extent struct {
	lo, hi float64
	some   bool
	log    bool
}

func (e *extent) add(values ...float64) {
	for _, v := range values {
		if !drawable(v) || e.log && v < 1e-100 {
			continue
		}
		if !e.some {
			e.lo, e.hi, e.some = v, v, true
		}
		e.lo, e.hi = min(e.lo, v), max(e.hi, v)
	}
}

// axis makes scale and ticks for values, for about want ticks. A tight one ends with the values, not with a tick.
func axis(a Axis, e extent, want int, tight bool) (scale, []tick) {
	want = max(want, 2)
	if a.Log {
		if !e.some {
			e.lo, e.hi = 1, 10
		}
		return logarithmic(a.Unit, e.lo, e.hi, want, tight)
	}
	lo, hi := min(e.lo, 0), max(e.hi, 0)
	if hi-lo < 1e-100 {
		hi = lo + 1
	}
	step := stepOf(a.Unit, (hi-lo)/float64(want))
	first, last := math.Ceil(lo/step-1e-9), math.Floor(hi/step+1e-9)
	if !tight {
		first, last = math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
		lo, hi = min(lo, first*step), max(hi, last*step)
	}
	var ticks []tick
	for i := first; i <= last && len(ticks) < 100; i++ {
		ticks = append(ticks, tick{i * step, tickLabel(a.Unit, i*step, step, max(math.Abs(lo), hi))})
	}
	return scale{lo: lo, hi: hi}, ticks
}

// stepOf returns the least good step that is not below raw.
func stepOf(u Unit, raw float64) float64 {
	if u == Count {
		raw = max(raw, 1)
	}
	if u == Seconds && raw > 5 {
		for _, s := range []float64{10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400} {
			if s >= raw {
				return s
			}
		}
		return 86400 * stepOf(Number, raw/86400)
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func logarithmic(u Unit, lo, hi float64, want int, tight bool) (scale, []tick) {
	first, last := math.Floor(math.Log10(lo)+1e-9), math.Ceil(math.Log10(hi)-1e-9)
	if last <= first {
		last = first + 1
	}
	stride := math.Ceil((last - first) / float64(want))
	s := scale{lo: first, hi: last, log: true}
	if tight { // to the next of 1, 2 and 5
		for _, m := range []float64{2, 5} {
			if lo >= m*math.Pow(10, first)*(1-1e-9) {
				s.lo = first + math.Log10(m)
			}
		}
		for _, m := range []float64{5, 2} {
			if hi <= m*math.Pow(10, last-1)*(1+1e-9) && last-1+math.Log10(m) > s.lo {
				s.hi = last - 1 + math.Log10(m)
			}
		}
	}
	var ticks []tick
	for e := first; e <= last && len(ticks) < 400; e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow(10, e)
			if l := math.Log10(v); l < s.lo-1e-9 || l > s.hi+1e-9 {
				continue
			}
			t := tick{at: v}
			switch {
			case m == 1 && math.Mod(e-first, stride) == 0, m != 1 && 3*(s.hi-s.lo) <= float64(want):
				t.label = tickLabel(u, v, v, v)
			case m != 1 && s.hi-s.lo > 4, m == 1 && stride > 4:
				continue
			}
			ticks = append(ticks, t)
		}
	}
	return s, ticks
}

// tickLabel writes the value of a tick; step and most say how exact it has to be, and in which unit.
func tickLabel(u Unit, v, step, most float64) string {
	if v == 0 {
		return "0"
	}
	trim := func(v float64, decimalsFor float64) string {
		decimals := max(0, int(math.Ceil(-math.Log10(decimalsFor)-1e-9)))
		if decimals > 12 {
			return digits(v, 2)
		}
		return Separate(strconv.FormatFloat(v, 'f', decimals, 64))
	}
	switch u {
	case Seconds:
		switch {
		case most < 1e-3:
			return trim(v*1e6, step*1e6) + thin + "µs"
		case most < 1:
			return trim(v*1e3, step*1e3) + thin + "ms"
		case step < 60 && most < 600 || step == most && most <= 1e6: // equal on a logarithmic axis
			return trim(v, step) + thin + "s"
		case most < 3*3600 && math.Mod(step, 60) != 0 || step < 3600:
			return trim(v/60, oneOrHalf(v/60, step/60)) + thin + "min"
		case most < 3*86400:
			return trim(v/3600, oneOrHalf(v/3600, step/3600)) + thin + "h"
		default:
			return trim(v/86400, oneOrHalf(v/86400, step/86400)) + thin + "d"
		}
	case Percent:
		return trim(v*100, step*100) + thin + "%"
	}
	a := max(math.Abs(v), math.Abs(most))
	for _, si := range []struct {
		factor float64
		prefix string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if a >= 10*si.factor || a >= si.factor && si.factor > 1e3 {
			if a >= 1e16 {
				break
			}
			return trim(v/si.factor, step/si.factor) + si.prefix
		}
	}
	if a >= 1e16 || step < 1e-6 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return trim(v, step)
}

// oneOrHalf says how exact a time has to be that is written in a larger unit than its step.
func oneOrHalf(v, step float64) float64 {
	if step >= 1 && math.Mod(v, 1) == 0 {
		return 1
	}
	if math.Mod(v*2, 1) == 0 {
		return .5
	}
	return .25
}
