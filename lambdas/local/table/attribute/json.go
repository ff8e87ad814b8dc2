package attribute

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/lambdas/local/wire"
)

// ParseMap reads an item or a key from its JSON on the wire: {"pk":{"S":"a"},"n":{"N":"1"}}.
//
// What is no JSON, or has a member of the wrong JSON type, is a SerializationException; a value that DynamoDB does not
// take is a ValidationException.
func ParseMap(text string) (Map, error) {
	p := parser{text: text}
	m, err := p.fields(0)
	if err != nil {
		return nil, err
	}
	return m, p.end()
}

// MustParse reads an item that [Map.AppendJSON] wrote, without checking it again. It panics if something else did.
func MustParse(text string) Map {
	p := parser{text: text, trusted: true}
	m, err := p.fields(0)
	if err == nil {
		err = p.end()
	}
	if err != nil {
		panic("attribute: not an encoded item: " + err.Error())
	}
	return m
}

// parser reads JSON. Strings without escapes are slices of text.
type parser struct {
	text    string
	pos     int
	trusted bool // the text is AppendJSON's
}

func (p *parser) malformed() error {
	return wire.Errorf("SerializationException", "the JSON of an attribute value is malformed at byte %d", p.pos)
}

// peek returns the next byte that is no space, 0 at the end.
func (p *parser) peek() byte {
	p.pos = jsontext.Space(p.text, p.pos)
	if p.pos == len(p.text) {
		return 0
	}
	return p.text[p.pos]
}

func (p *parser) accept(c byte) bool {
	if p.peek() == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) end() error {
	if p.pos = jsontext.Space(p.text, p.pos); p.pos != len(p.text) {
		return p.malformed()
	}
	return nil
}

// mismatch names the JSON value at hand as the SerializationException of AWS does.
func (p *parser) mismatch(wanted string) error {
	found := ""
	switch c := p.peek(); {
	case c == '"':
		found = "STRING_VALUE"
	case c == 't':
		found = "TRUE_VALUE"
	case c == 'f':
		found = "FALSE_VALUE"
	case c == '-' || c >= '0' && c <= '9':
		found = "NUMBER_VALUE"
	case c == '{':
		return wire.Errorf("SerializationException", "Start of structure or map found where not expected")
	case c == '[':
		return wire.Errorf("SerializationException", "Start of list found where not expected")
	case c == 'n':
		return wire.Errorf("SerializationException", "null found where not expected")
	default:
		return p.malformed()
	}
	return wire.Errorf("SerializationException", "%s cannot be converted to %s", found, wanted)
}

// object calls member for each member of the object at hand, the position being on the member's value.
func (p *parser) object(member func(name string) error) error {
	if !p.accept('{') {
		return p.mismatch("Map")
	}
	if p.accept('}') {
		return nil
	}
	for {
		if p.peek() != '"' {
			return p.malformed()
		}
		name, err := p.str()
		if err != nil {
			return err
		}
		if !p.accept(':') {
			return p.malformed()
		}
		if err := member(name); err != nil {
			return err
		}
		if p.accept('}') {
			return nil
		}
		if !p.accept(',') {
			return p.malformed()
		}
	}
}

// array calls element for each element of the array at hand.
func (p *parser) array(element func() error) error {
	if !p.accept('[') {
		return p.mismatch("List")
	}
	if p.accept(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if p.accept(']') {
			return nil
		}
		if !p.accept(',') {
			return p.malformed()
		}
	}
}

func (p *parser) fields(depth int) (Map, error) {
	m := make(Map, 0, 8)
	err := p.object(func(name string) error {
		v, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		m = append(m, Field{name, v})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !p.trusted {
		m = m.normalise()
	}
	return m, nil
}

// value reads {"<type>": …}. Depth counts the lists and maps around it, the item being none.
func (p *parser) value(depth int) (Value, error) {
	var v Value
	types := 0
	err := p.object(func(name string) error {
		// Unknown members are ignored by AWS's own parser, so they end as "is empty" below.
		t, known := ParseType(name)
		if !known {
			return p.skip(0)
		}
		// A null member counts as absent.
		if p.peek() == 'n' {
			return p.skip(0)
		}
		types++
		var err error
		v, err = p.content(t, depth)
		return err
	})
	switch {
	case err != nil:
		return Value{}, err
	case types == 0:
		return Value{}, invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	case types > 1:
		return Value{}, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	return v, nil
}

func (p *parser) content(t Type, depth int) (Value, error) {
	v := Value{Type: t}
	switch t {
	case S, N, B:
		return p.scalar(t)
	case BOOL, NULL:
		b, err := p.boolean()
		if err != nil {
			return v, err
		}
		if v.Bool = b; t == NULL && !b {
			return v, invalid("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
		return v, nil
	case M:
		if depth > MaxDepth {
			return v, tooDeep()
		}
		var err error
		v.Map, err = p.fields(depth)
		return v, err
	case L:
		if depth > MaxDepth {
			return v, tooDeep()
		}
		v.List = []Value{}
		err := p.array(func() error {
			e, err := p.value(depth + 1)
			v.List = append(v.List, e)
			return err
		})
		return v, err
	default:
		err := p.array(func() error {
			e, err := p.scalar(t.Element())
			v.List = append(v.List, e)
			return err
		})
		if err != nil || p.trusted {
			return v, err
		}
		return v, checkSet(v)
	}
}

func tooDeep() error {
	return invalid("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")
}

// checkSet sorts a set and refuses an empty one or duplicates.
func checkSet(v Value) error {
	if len(v.List) == 0 {
		switch v.Type {
		case SS:
			return invalid("One or more parameter values were invalid: An string set  may not be empty")
		case NS:
			return invalid("One or more parameter values were invalid: An number set  may not be empty")
		}
		return invalid("One or more parameter values were invalid: Binary sets should not be empty")
	}
	var given []Value
	if v.Type != NS {
		given = append(given, v.List...)
	}
	sortSet(v.List)
	for i := 1; i < len(v.List); i++ {
		if v.List[i-1].Text != v.List[i].Text {
			continue
		}
		switch v.Type {
		case NS:
			return invalid("Input collection contains duplicates")
		case SS:
			return invalid("One or more parameter values were invalid: Input collection %s contains duplicates.", listing(given))
		}
		return invalid("One or more parameter values were invalid: Input collection %sof type BS contains duplicates.", listing(given))
	}
	return nil
}

// listing shows the elements of a set as AWS's messages do: [a, b].
func listing(set []Value) string {
	b := []byte{'['}
	for i, e := range set {
		if i > 0 {
			b = append(b, ", "...)
		}
		if e.Type == B {
			b = base64.StdEncoding.AppendEncode(b, []byte(e.Text))
		} else {
			b = append(b, e.Text...)
		}
	}
	return string(append(b, ']'))
}

func (p *parser) scalar(t Type) (Value, error) {
	if p.peek() != '"' {
		return Value{}, p.mismatch("String")
	}
	text, err := p.str()
	if err != nil {
		return Value{}, err
	}
	switch {
	case t == N && !p.trusted:
		return Number(text)
	case t == B:
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return Value{}, wire.Errorf("SerializationException", "a binary value is not valid base64: %v", err)
		}
		text = string(b)
	}
	return Value{Type: t, Text: text}, nil
}

func (p *parser) boolean() (bool, error) {
	switch p.peek() {
	case 't':
		return true, p.word("true")
	case 'f':
		return false, p.word("false")
	}
	return false, p.mismatch("Boolean")
}

func (p *parser) word(w string) error {
	if len(p.text)-p.pos < len(w) || p.text[p.pos:p.pos+len(w)] != w {
		return p.malformed()
	}
	p.pos += len(w)
	return nil
}

// skip passes over any JSON value.
func (p *parser) skip(depth int) error {
	const maxSkipped = 1000
	if depth > maxSkipped {
		return p.malformed()
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(func(string) error { return p.skip(depth + 1) })
	case c == '[':
		return p.array(func() error { return p.skip(depth + 1) })
	case c == '"':
		_, err := p.str()
		return err
	case c == 't':
		return p.word("true")
	case c == 'f':
		return p.word("false")
	case c == 'n':
		return p.word("null")
	case c == '-' || c >= '0' && c <= '9':
		start := p.pos
		for p.pos < len(p.text) {
			if c := p.text[p.pos]; (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
				break
			}
			p.pos++
		}
		if !json.Valid([]byte(p.text[start:p.pos])) {
			return p.malformed()
		}
		return nil
	}
	return p.malformed()
}

// str reads the string whose opening quote is at hand.
func (p *parser) str() (string, error) {
	text, end, err := jsontext.Text(p.text, p.pos)
	p.pos = end
	if err != nil {
		return "", p.malformed()
	}
	if !p.trusted && !utf8.ValidString(text) {
		return string([]rune(text)), nil // as encoding/json: what is no UTF-8 becomes U+FFFD
	}
	return text, nil
}

// AppendJSON appends the item as it goes over the wire, compact and in the order of names.
func (m Map) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range m {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendAWSString(dst, m[i].Name)
		dst = append(dst, ':')
		dst = m[i].Value.AppendJSON(dst)
	}
	return append(dst, '}')
}

// AppendJSON appends the value as it goes over the wire.
func (v Value) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{', '"')
	dst = append(dst, v.Type.String()...)
	dst = append(dst, '"', ':')
	switch v.Type {
	case BOOL, NULL:
		dst = strconv.AppendBool(dst, v.Bool)
	case M:
		dst = v.Map.AppendJSON(dst)
	case L:
		dst = append(dst, '[')
		for i := range v.List {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.List[i].AppendJSON(dst)
		}
		dst = append(dst, ']')
	case SS, NS, BS:
		dst = append(dst, '[')
		for i := range v.List {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.List[i].appendText(dst)
		}
		dst = append(dst, ']')
	default:
		dst = v.appendText(dst)
	}
	return append(dst, '}')
}

func (v Value) appendText(dst []byte) []byte {
	switch v.Type {
	case B:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, []byte(v.Text))
		return append(dst, '"')
	case N: // as [Number] makes it: nothing in it needs an escape
		dst = append(dst, '"')
		dst = append(dst, v.Text...)
		return append(dst, '"')
	}
	return jsontext.AppendAWSString(dst, v.Text)
}
