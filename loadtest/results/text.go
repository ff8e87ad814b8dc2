package results

import (
	"strconv"
	"strings"
)

// number formats a number without exponent, with at most six decimals.
func number(f float64) string {
	f, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', 6, 64), 64)
	if err != nil {
		return "NaN" // only what is none is not read back
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// Short formats a number with three significant digits, without exponent: as part of a name.
func Short(f float64) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 3, 64), 64)
	if err != nil {
		return "NaN"
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// List joins with commas and a last "and".
func List(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}
