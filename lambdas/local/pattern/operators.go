package pattern

import (
	"bytes"
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A test is the array of a field: what its value may be.
type test struct {
	absent  bool                // {"exists": false}
	any     bool                // {"exists": true}
	strings map[string]struct{} // literals, nearly all there is
	others  []predicate
}

// A predicate says whether a leaf of an event fits.
type predicate func(v *value) bool

func (t *test) fits(v *value) bool {
	if t.any {
		return true
	}
	if v.kind == stringValue {
		if _, ok := t.strings[string(v.text)]; ok {
			return true
		}
	}
	for _, p := range t.others {
		if p(v) {
			return true
		}
	}
	return false
}

// field reads the array of a field, whose bracket is read.
func (c *compiler) field() (test, error) {
	var t test
	for empty := true; ; empty = false {
		tok, err := c.next()
		if err != nil {
			return t, err
		}
		switch tok := tok.(type) {
		case string:
			if addr, ok := parseAddr(tok); ok {
				t.others = append(t.others, isAddr(netip.PrefixFrom(addr, addr.BitLen())))
			}
			if t.strings == nil {
				t.strings = map[string]struct{}{}
			}
			t.strings[tok] = struct{}{}
		case json.Number:
			t.others = append(t.others, isNumber(string(tok)))
		case bool:
			t.others = append(t.others, isLiteral(strconv.FormatBool(tok)))
		case nil:
			t.others = append(t.others, isLiteral("null"))
		case json.Delim:
			switch {
			case tok == ']' && empty:
				return t, c.errorf("Empty arrays are not allowed")
			case tok == ']':
				return t, nil
			case tok == '{':
				if err := c.operator(&t); err != nil {
					return t, err
				}
			default:
				return t, c.errorf("Match value must be String, number, true, false, or null")
			}
		}
	}
}

// operator reads {"operator": operand}, whose brace is read.
func (c *compiler) operator(t *test) error {
	name, err := c.operatorName("Match")
	if err != nil {
		return err
	}
	operand, err := c.next()
	if err != nil {
		return err
	}
	text, isString := operand.(string)
	var p predicate
	switch name {
	case "exactly":
		if !isString {
			return c.errorf("exact match pattern must be a string")
		}
		p = func(v *value) bool { return v.kind == stringValue && string(v.text) == text }
	case "prefix", "suffix":
		switch {
		case isString && name == "prefix":
			p = hasPrefix(text)
		case isString:
			p = hasSuffix(text)
		case operand == json.Delim('{'):
			if p, err = c.affixIgnoringCase(name); err != nil {
				return err
			}
		default:
			return c.errorf("%s match pattern must be a string", name)
		}
	case "equals-ignore-case":
		if !isString {
			return c.errorf("equals-ignore-case match pattern must be a string")
		}
		p = equalsIgnoringCase(text)
	case "wildcard":
		if !isString {
			return c.errorf("wildcard match pattern must be a string")
		}
		if p, err = c.matchesWildcard(text); err != nil {
			return err
		}
	case "cidr":
		if !isString {
			return c.errorf("cidr match pattern must be a string")
		}
		if p, err = c.inBlock(text); err != nil {
			return err
		}
	case "numeric":
		if operand != json.Delim('[') {
			return c.errorf("Value of numeric must be an array.")
		}
		if p, err = c.numeric(); err != nil {
			return err
		}
	case "anything-but":
		if p, err = c.anythingBut(operand); err != nil {
			return err
		}
	case "exists":
		switch operand {
		case true:
			t.any = true
		case false:
			t.absent = true
		default:
			return c.errorf("exists match pattern must be either true or false.")
		}
	default:
		return c.errorf("Unrecognized match type %s", name)
	}
	if p != nil {
		t.others = append(t.others, p)
	}
	return c.close()
}

// operatorName reads the only name of an object, whose brace is read.
func (c *compiler) operatorName(kind string) (string, error) {
	tok, err := c.next()
	if err != nil {
		return "", err
	}
	name, ok := tok.(string)
	if !ok {
		return "", c.errorf("%s expression name not found", kind)
	}
	return name, nil
}

// close reads the brace after the only member of an object.
func (c *compiler) close() error {
	tok, err := c.next()
	if err != nil {
		return err
	}
	if tok != json.Delim('}') {
		return c.errorf("Only one key allowed in match expression")
	}
	return nil
}

// affixIgnoringCase reads {"equals-ignore-case": "x"}, whose brace is read.
func (c *compiler) affixIgnoringCase(affix string) (predicate, error) {
	name, err := c.operatorName(strings.ToUpper(affix[:1]) + affix[1:])
	if err != nil {
		return nil, err
	}
	if name != "equals-ignore-case" {
		return nil, c.errorf("Unsupported %s pattern: %s", affix, name)
	}
	tok, err := c.next()
	if err != nil {
		return nil, err
	}
	text, ok := tok.(string)
	if !ok {
		return nil, c.errorf("equals-ignore-case match pattern must be a string")
	}
	folded := fold(text)
	p := func(v *value) bool {
		if v.kind != stringValue {
			return false
		}
		_, ok := folded.cutPrefix(v.text)
		return ok
	}
	if affix == "suffix" {
		p = func(v *value) bool {
			if v.kind != stringValue {
				return false
			}
			_, ok := folded.cutSuffix(v.text)
			return ok
		}
	}
	return p, c.close()
}

// anythingBut reads what a value must not be; its first token is read.
func (c *compiler) anythingBut(operand json.Token) (predicate, error) {
	if operand != json.Delim('{') {
		return c.notIn(operand)
	}
	name, err := c.operatorName("Anything-But")
	if err != nil {
		return nil, err
	}
	var one func(string) (predicate, error)
	reason := "prefix/suffix match pattern must be a string"
	switch name {
	case "prefix", "suffix":
		one = func(text string) (predicate, error) {
			switch {
			case text == "":
				return nil, c.errorf("Null prefix/suffix not allowed")
			case name == "prefix":
				return hasPrefix(text), nil
			}
			return hasSuffix(text), nil
		}
	case "equals-ignore-case":
		reason = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
		one = func(text string) (predicate, error) { return equalsIgnoringCase(text), nil }
	case "wildcard":
		reason = "wildcard match pattern must be a string"
		one = c.matchesWildcard
	default:
		return nil, c.errorf("Unsupported anything-but pattern: %s", name)
	}

	if operand, err = c.next(); err != nil {
		return nil, err
	}
	var unwanted []predicate
	add := func(tok json.Token) error {
		text, ok := tok.(string)
		if !ok {
			return c.errorf("%s", reason)
		}
		p, err := one(text)
		unwanted = append(unwanted, p)
		return err
	}
	switch operand := operand.(type) {
	case string, json.Number:
		if err := add(operand); err != nil {
			return nil, err
		}
	default:
		if operand != json.Delim('[') {
			return nil, c.errorf("Value of anything-but must be an array or single string/number value.")
		}
		for {
			tok, err := c.next()
			if err != nil {
				return nil, err
			}
			if tok == json.Delim(']') {
				break
			}
			if err := add(tok); err != nil {
				return nil, err
			}
		}
	}
	return none(unwanted), c.close()
}

// notIn reads a value, or an array of values of one kind; its first token is read.
func (c *compiler) notIn(operand json.Token) (predicate, error) {
	var unwanted []predicate
	var hasString, hasNumber bool
	add := func(tok json.Token) error {
		switch tok := tok.(type) {
		case string:
			hasString = true
			unwanted = append(unwanted, func(v *value) bool { return v.kind == stringValue && string(v.text) == tok })
		case json.Number:
			hasNumber = true
			if _, err := c.decimal(tok); err != nil {
				return err
			}
			unwanted = append(unwanted, isNumber(string(tok)))
		default:
			return c.errorf("Inside anything but list, start|null|boolean is not supported.")
		}
		return nil
	}
	switch operand := operand.(type) {
	case string, json.Number:
		if err := add(operand); err != nil {
			return nil, err
		}
		return none(unwanted), nil
	}
	if operand != json.Delim('[') {
		return nil, c.errorf("Value of anything-but must be an array or single string/number value.")
	}
	for {
		tok, err := c.next()
		if err != nil {
			return nil, err
		}
		if tok == json.Delim(']') {
			break
		}
		if err := add(tok); err != nil {
			return nil, err
		}
	}
	if hasString == hasNumber {
		return nil, c.errorf("Inside anything but list, either all values are number or string, mixed type is not supported")
	}
	return none(unwanted), nil
}

func none(unwanted []predicate) predicate {
	return func(v *value) bool {
		for _, p := range unwanted {
			if p(v) {
				return false
			}
		}
		return true
	}
}

// numeric reads a comparison or a range, whose bracket is read.
func (c *compiler) numeric() (predicate, error) {
	tok, err := c.next()
	if err != nil {
		return nil, err
	}
	op, ok := tok.(string)
	if !ok {
		return nil, c.errorf("Invalid member in numeric match: %v", tok)
	}
	label := op
	switch op {
	case "=":
		label = "equals"
	case "<", "<=", ">", ">=":
	default:
		return nil, c.errorf("Unrecognized numeric range operator: %s", op)
	}
	n, err := c.bound(label)
	if err != nil {
		return nil, err
	}
	low, high := int64(math.MinInt64), int64(math.MaxInt64) // inclusive
	restrict := func(op string, n int64) {
		switch op {
		case "=":
			low, high = n, n
		case "<":
			high = n - 1 // the next smaller number: they are counted in millionths
		case "<=":
			high = n
		case ">":
			low = n + 1
		case ">=":
			low = n
		}
	}
	restrict(op, n)

	if tok, err = c.next(); err != nil {
		return nil, err
	}
	if tok != json.Delim(']') {
		if op != ">" && op != ">=" {
			return nil, c.errorf("Too many elements in numeric expression")
		}
		op2, ok := tok.(string)
		if !ok {
			return nil, c.errorf("Bad value in numeric range: %v", tok)
		}
		if op2 != "<" && op2 != "<=" {
			return nil, c.errorf("Bad numeric range operator: %s", op2)
		}
		top, err := c.bound(op2)
		if err != nil {
			return nil, err
		}
		if top <= n {
			return nil, c.errorf("Bottom must be less than top")
		}
		restrict(op2, top)
		if tok, err = c.next(); err != nil {
			return nil, err
		}
		if tok != json.Delim(']') {
			return nil, c.errorf("Too many terms in numeric range expression")
		}
	}
	return func(v *value) bool {
		if v.kind != numberValue {
			return false
		}
		n, ok := parseDecimal(v.text)
		return ok && low <= n && n <= high
	}, nil
}

// bound reads a number to compare with.
func (c *compiler) bound(op string) (int64, error) {
	tok, err := c.next()
	if err != nil {
		return 0, err
	}
	number, ok := tok.(json.Number)
	if !ok {
		return 0, c.errorf("Value of %s must be numeric", op)
	}
	return c.decimal(number)
}

func (c *compiler) decimal(number json.Number) (int64, error) {
	n, ok := parseDecimal([]byte(number))
	if !ok {
		return 0, c.errorf("Value must be between -5.0E9 and 5.0E9, inclusive, with at most 6 decimals: %s", number)
	}
	return n, nil
}

// millionths and maxDecimal: numbers are compared as integers, in millionths.
const (
	millionths = 1_000_000
	maxDecimal = 5_000_000_000 * millionths
)

// parseDecimal reads a JSON number as millionths. It is not ok outside of ±5e9 or with more than six decimals.
func parseDecimal(text []byte) (n int64, ok bool) {
	i, negative := 0, false
	if len(text) > 0 && text[0] == '-' {
		i, negative = 1, true
	}
	// The number is n * 10^exp; digits after the first sixteen can only be zeros, or it is out of range.
	var digits, exp int
	seenPoint, seenDigit := false, false
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.' && !seenPoint:
			seenPoint = true
			continue
		case '0' <= c && c <= '9':
			seenDigit = true
			switch {
			case digits < 17:
				n = n*10 + int64(c-'0')
				if n > 0 {
					digits++
				}
				if seenPoint {
					exp--
				}
			case c != '0':
				return 0, false
			case !seenPoint:
				exp++
			}
			continue
		}
		break
	}
	if !seenDigit {
		return 0, false
	}
	if i < len(text) {
		if text[i] != 'e' && text[i] != 'E' {
			return 0, false
		}
		e, err := strconv.Atoi(string(text[i+1:]))
		if err != nil || e < -1000 || e > 1000 {
			return 0, n == 0 && err == nil
		}
		exp += e
	}
	if n == 0 {
		return 0, true
	}
	for exp += 6; exp > 0; exp-- {
		if n > maxDecimal/10 {
			return 0, false
		}
		n *= 10
	}
	for ; exp < 0; exp++ {
		if n%10 != 0 {
			return 0, false
		}
		n /= 10
	}
	if negative {
		n = -n
	}
	return n, -maxDecimal <= n && n <= maxDecimal
}

func isNumber(text string) predicate {
	n, comparable := parseDecimal([]byte(text))
	return func(v *value) bool {
		if v.kind != numberValue {
			return false
		}
		if string(v.text) == text {
			return true
		}
		if !comparable {
			return false
		}
		m, ok := parseDecimal(v.text)
		return ok && m == n
	}
}

func isLiteral(text string) predicate {
	return func(v *value) bool { return v.kind == literalValue && string(v.text) == text }
}

func hasPrefix(text string) predicate {
	prefix := []byte(text)
	return func(v *value) bool { return v.kind == stringValue && bytes.HasPrefix(v.text, prefix) }
}

func hasSuffix(text string) predicate {
	suffix := []byte(text)
	return func(v *value) bool { return v.kind == stringValue && bytes.HasSuffix(v.text, suffix) }
}

// folded is a string of which every letter may have either case.
type folded [][2]string

func fold(text string) folded {
	f := make(folded, 0, len(text))
	for _, r := range text {
		f = append(f, [2]string{string(unicode.ToLower(r)), string(unicode.ToUpper(r))})
	}
	return f
}

func (f folded) cutPrefix(text []byte) (rest []byte, ok bool) {
	for _, cases := range f {
		switch {
		case hasBytes(text, cases[0]):
			text = text[len(cases[0]):]
		case hasBytes(text, cases[1]):
			text = text[len(cases[1]):]
		default:
			return nil, false
		}
	}
	return text, true
}

func (f folded) cutSuffix(text []byte) (rest []byte, ok bool) {
	for i := len(f) - 1; i >= 0; i-- {
		_, size := utf8.DecodeLastRune(text)
		last := string(text[len(text)-size:])
		if last != f[i][0] && last != f[i][1] {
			return nil, false
		}
		text = text[:len(text)-size]
	}
	return text, true
}

func hasBytes(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && string(text[:len(prefix)]) == prefix
}

func equalsIgnoringCase(text string) predicate {
	f := fold(text)
	return func(v *value) bool {
		if v.kind != stringValue {
			return false
		}
		rest, ok := f.cutPrefix(v.text)
		return ok && len(rest) == 0
	}
}

// parseAddr reads an IP address; one that is an IPv4 address in IPv6 clothes becomes the former.
func parseAddr(text string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

func isAddr(block netip.Prefix) predicate {
	return func(v *value) bool {
		if v.kind != stringValue || len(v.text) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
			return false
		}
		addr, ok := parseAddr(string(v.text))
		return ok && block.Contains(addr)
	}
}

// inBlock compiles a CIDR block.
func (c *compiler) inBlock(text string) (predicate, error) {
	ip, mask, ok := strings.Cut(text, "/")
	if !ok || strings.Contains(mask, "/") {
		return nil, c.errorf("Malformed CIDR, one '/' required")
	}
	bits, err := strconv.Atoi(mask)
	if err != nil {
		return nil, c.errorf("Malformed CIDR, mask bits must be an integer")
	}
	if bits < 0 {
		return nil, c.errorf("Malformed CIDR, mask bits must not be negative")
	}
	addr, ok := parseAddr(ip)
	if !ok {
		return nil, c.errorf("Nonstandard IP address: %s", ip)
	}
	if bits >= addr.BitLen() {
		version := 6
		if addr.Is4() {
			version = 4
		}
		return nil, c.errorf("IPv%d mask bits must be < %d", version, addr.BitLen())
	}
	return isAddr(netip.PrefixFrom(addr, bits).Masked()), nil
}
