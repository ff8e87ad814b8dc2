package attribute

import (
	"cmp"
	"math/big"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/local/wire"
)

// Limits of a number:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
const (
	maxDigits    = 38
	maxMagnitude = 125  // 9.99…E+125 is the largest
	minMagnitude = -130 // 1E-130 is the smallest
)

// A decimal is sign × 0.d₁d₂d₃… × 10^exp, where digits has neither leading nor trailing zeros. Zero has no digits.
type decimal struct {
	negative bool
	digits   string
	exp      int
}

// Number returns the N of a text such as "-1.50E3" in canonical notation: "-1500".
func Number(text string) (Value, error) {
	if plainInteger(text) {
		return Value{Type: N, Text: text}, nil
	}
	d, ok := parseDecimal(text)
	if !ok {
		if text == "" {
			return Value{}, invalid("The parameter cannot be converted to a numeric value")
		}
		return Value{}, invalid("The parameter cannot be converted to a numeric value: %s", text)
	}
	if err := d.check(); err != nil {
		return Value{}, err
	}
	return Value{Type: N, Text: d.String()}, nil
}

func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException", format, args...)
}

func (d decimal) check() error {
	switch {
	case d.digits == "":
		return nil
	case d.exp-1 > maxMagnitude:
		return invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case d.exp-1 < minMagnitude:
		return invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(d.digits) > maxDigits:
		return invalid("Attempting to store more than 38 significant digits in a Number")
	}
	return nil
}

// plainInteger reports whether the text is a canonical integer within every limit: the common case, and cheap to see.
func plainInteger(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > maxDigits || digits[0] == '0' {
		return text == "0"
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

func parseDecimal(text string) (decimal, bool) {
	var d decimal
	rest := text
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		d.negative = rest[0] == '-'
		rest = rest[1:]
	}
	mantissa, exponent, hasExponent := rest, "", false
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		mantissa, exponent, hasExponent = rest[:i], rest[i+1:], true
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole == "" && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return d, false
	}
	exp := 0
	if hasExponent {
		magnitude := strings.TrimLeft(exponent, "+-")
		if len(exponent)-len(magnitude) > 1 || magnitude == "" || !allDigits(magnitude) {
			return d, false
		}
		// Beyond any limit it does not matter how far beyond.
		if magnitude = strings.TrimLeft(magnitude, "0"); len(magnitude) > 8 {
			magnitude = "99999999"
		}
		exp, _ = strconv.Atoi("0" + magnitude) // digits only, at most nine of them: no error is possible
		if exponent[0] == '-' {
			exp = -exp
		}
	}
	digits := whole + fraction
	d.exp = len(whole) + exp
	trimmed := strings.TrimLeft(digits, "0")
	d.exp -= len(digits) - len(trimmed)
	if d.digits = strings.TrimRight(trimmed, "0"); d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// mustDecimal reads a canonical number.
func mustDecimal(text string) decimal {
	d, ok := parseDecimal(text)
	if !ok {
		panic("attribute: not a canonical number: " + strconv.Quote(text))
	}
	return d
}

// String returns plain notation: DynamoDB answers 1E+10 as 10000000000.
func (d decimal) String() string {
	if d.digits == "" {
		return "0"
	}
	var b strings.Builder
	if d.negative {
		b.WriteByte('-')
	}
	switch {
	case d.exp <= 0:
		b.WriteString("0.")
		b.WriteString(strings.Repeat("0", -d.exp))
		b.WriteString(d.digits)
	case d.exp >= len(d.digits):
		b.WriteString(d.digits)
		b.WriteString(strings.Repeat("0", d.exp-len(d.digits)))
	default:
		b.WriteString(d.digits[:d.exp])
		b.WriteByte('.')
		b.WriteString(d.digits[d.exp:])
	}
	return b.String()
}

func compareNumbers(a, b string) int {
	if a == b {
		return 0
	}
	x, y := mustDecimal(a), mustDecimal(b)
	switch sx, sy := x.sign(), y.sign(); {
	case sx != sy:
		return cmp.Compare(sx, sy)
	case sx < 0:
		x, y = y, x
	}
	if x.exp != y.exp {
		return cmp.Compare(x.exp, y.exp)
	}
	return strings.Compare(x.digits, y.digits)
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// Add returns a + b of two canonical numbers, exactly. A sum of more than 38 digits or out of range is an error: DynamoDB
// does not round.
func Add(a, b Value) (Value, error) { return sum(a.Text, b.Text, false) }

// Subtract returns a - b, like [Add].
func Subtract(a, b Value) (Value, error) { return sum(a.Text, b.Text, true) }

func sum(a, b string, subtract bool) (Value, error) {
	const short = 18 // digits whose sum cannot overflow an int64
	if len(a) <= short && len(b) <= short {
		x, errX := strconv.ParseInt(a, 10, 64)
		y, errY := strconv.ParseInt(b, 10, 64)
		if errX == nil && errY == nil {
			if subtract {
				y = -y
			}
			return Value{Type: N, Text: strconv.FormatInt(x+y, 10)}, nil
		}
	}
	x, y := mustDecimal(a), mustDecimal(b)
	if subtract {
		y.negative = !y.negative
	}
	// Both become integers in units of the smaller one's last digit. Exponents are bounded, so these stay below 300 digits.
	unit := min(x.exp-len(x.digits), y.exp-len(y.digits))
	total := new(big.Int).Add(x.integer(unit), y.integer(unit))
	text := total.String()
	d := decimal{negative: total.Sign() < 0, digits: strings.TrimPrefix(text, "-")}
	d.exp = len(d.digits) + unit
	if d.digits = strings.TrimRight(d.digits, "0"); d.digits == "" {
		d = decimal{}
	}
	if err := d.check(); err != nil {
		return Value{}, err
	}
	return Value{Type: N, Text: d.String()}, nil
}

// integer returns d in units of 10^unit.
func (d decimal) integer(unit int) *big.Int {
	n := new(big.Int)
	if d.digits == "" {
		return n
	}
	n.SetString(d.digits+strings.Repeat("0", d.exp-len(d.digits)-unit), 10)
	if d.negative {
		n.Neg(n)
	}
	return n
}

// numberSize counts a byte per two significant digits, one for the exponent, and one for a minus sign.
func numberSize(text string) int {
	d := mustDecimal(text)
	size := (len(d.digits)+1)/2 + 1
	if d.negative {
		size++
	}
	return size
}
