package pattern

import (
	"bytes"
	"encoding/json"
	"strings"
)

// MaxDepth is how deep arrays in an event may nest; an event with more does not match.
const MaxDepth = 1000

// A name is a node in the tree of the names that patterns use.
type name struct {
	text     string
	slot     int // where values go, or -1 if no pattern asks for the name itself
	children []*name
}

// child returns the child of that text, or nil. There are few, so looking at each beats hashing.
func (n *name) child(text []byte) *name {
	for _, c := range n.children {
		if c.text == string(text) {
			return c
		}
	}
	return nil
}

// descend follows a key of an event, which may contain dots. It returns nil if no pattern goes there.
func (n *name) descend(key []byte) *name {
	if bytes.IndexByte(key, '.') < 0 {
		return n.child(key)
	}
	for n != nil {
		text, rest, dotted := bytes.Cut(key, []byte("."))
		n = n.child(text)
		if !dotted {
			return n
		}
		key = rest
	}
	return nil
}

// insert returns the node of a name joined by dots, made if need be; a new one gets the slot.
func (n *name) insert(dotted string, slot int) *name {
	for text := range strings.SplitSeq(dotted, ".") {
		c := n.child([]byte(text))
		if c == nil {
			c = &name{text: text, slot: -1}
			n.children = append(n.children, c)
		}
		n = c
	}
	if n.slot < 0 {
		n.slot = slot
	}
	return n
}

type kind uint8

const (
	stringValue  kind = iota
	numberValue       // text as written
	literalValue      // true, false, null
)

// A value is a leaf of an event.
type value struct {
	kind    kind
	text    []byte // of strings without quotes and escapes
	element int32  // the innermost array element around it
}

// An element is an element of an array of an event that is itself an object or an array. Elements form a tree, whose
// root, 0, stands for the event.
type element struct {
	parent, array, depth int32
}

// A scanner walks over an event once and collects the values of a tree of names.
type scanner struct {
	data     []byte
	pos      int
	values   [][]value // by slot
	elements []element
	arrays   int32
}

func (s *scanner) reset(slots int) {
	s.pos, s.arrays = 0, 0
	s.elements = append(s.elements[:0], element{})
	if s.values == nil {
		s.values = make([][]value, slots)
	}
	for i := range s.values {
		s.values[i] = s.values[i][:0]
	}
}

// event reads an event. It is false if that is no object, as far as one looks.
func (s *scanner) event(root *name) bool {
	s.space()
	return s.pos < len(s.data) && s.data[s.pos] == '{' && s.object(root, 0, 0)
}

func (s *scanner) space() {
	for s.pos < len(s.data) && (s.data[s.pos] == ' ' || s.data[s.pos] == '\n' || s.data[s.pos] == '\t' || s.data[s.pos] == '\r') {
		s.pos++
	}
}

// value reads the value at the current position, not a space, as a value of n.
func (s *scanner) value(n *name, in int32, depth int) bool {
	if s.pos >= len(s.data) {
		return false
	}
	switch s.data[s.pos] {
	case '{':
		if len(n.children) == 0 {
			return s.skip()
		}
		return s.object(n, in, depth)
	case '[':
		return s.array(n, in, depth)
	}
	return s.scalar(n, in)
}

func (s *scanner) scalar(n *name, in int32) bool {
	if n.slot < 0 {
		return s.skip()
	}
	v := value{element: in}
	if s.data[s.pos] == '"' {
		var ok bool
		if v.text, ok = s.string(); !ok {
			return false
		}
	} else {
		start := s.pos
		s.word()
		if v.text = s.data[start:s.pos]; len(v.text) == 0 {
			return false
		}
		v.kind = literalValue
		if c := v.text[0]; c == '-' || '0' <= c && c <= '9' {
			v.kind = numberValue
		}
	}
	s.values[n.slot] = append(s.values[n.slot], v)
	return true
}

func (s *scanner) object(n *name, in int32, depth int) bool {
	if depth > MaxDepth {
		return false
	}
	s.pos++ // the brace
	for {
		s.space()
		if s.pos >= len(s.data) {
			return false
		}
		switch s.data[s.pos] {
		case '}':
			s.pos++
			return true
		case ',':
			s.pos++
			s.space()
		}
		if s.pos >= len(s.data) || s.data[s.pos] != '"' {
			return false
		}
		key, ok := s.string()
		if !ok {
			return false
		}
		s.space()
		if s.pos >= len(s.data) || s.data[s.pos] != ':' {
			return false
		}
		s.pos++
		s.space()
		if child := n.descend(key); child != nil {
			ok = s.value(child, in, depth+1)
		} else {
			ok = s.skip()
		}
		if !ok {
			return false
		}
	}
}

func (s *scanner) array(n *name, in int32, depth int) bool {
	if depth > MaxDepth {
		return false
	}
	id := s.arrays
	s.arrays++
	s.pos++ // the bracket
	for {
		s.space()
		if s.pos >= len(s.data) {
			return false
		}
		switch s.data[s.pos] {
		case ']':
			s.pos++
			return true
		case ',':
			s.pos++
			continue
		case '{', '[':
			s.elements = append(s.elements, element{parent: in, array: id, depth: s.elements[in].depth + 1})
			if !s.value(n, int32(len(s.elements)-1), depth+1) {
				return false
			}
		default:
			if !s.scalar(n, in) {
				return false
			}
		}
	}
}

// string reads a string. Its text is a part of the data, unless it has escapes.
func (s *scanner) string() ([]byte, bool) {
	start := s.pos
	plain, ok := s.skipString()
	if !ok {
		return nil, false
	}
	if plain {
		return s.data[start+1 : s.pos-1], true
	}
	var text string
	if err := json.Unmarshal(s.data[start:s.pos], &text); err != nil {
		return nil, false
	}
	return []byte(text), true
}

// skipString moves behind a string and tells whether it was plain, without escapes.
func (s *scanner) skipString() (plain, ok bool) {
	plain = true
	for i := s.pos + 1; ; {
		n := bytes.IndexByte(s.data[i:], '"')
		if n < 0 {
			return false, false
		}
		end := i + n
		escapes := 0
		for s.data[end-1-escapes] == '\\' {
			escapes++
		}
		if plain && bytes.IndexByte(s.data[i:end], '\\') >= 0 {
			plain = false
		}
		i = end + 1
		if escapes%2 == 0 {
			s.pos = i
			return plain, true
		}
	}
}

// word moves behind a number or literal.
func (s *scanner) word() {
	for ; s.pos < len(s.data); s.pos++ {
		switch s.data[s.pos] {
		case ',', '}', ']', ' ', '\n', '\t', '\r', ':', '"', '{', '[':
			return
		}
	}
}

// skip moves behind a value of any kind.
func (s *scanner) skip() bool {
	for depth := 0; s.pos < len(s.data); {
		switch s.data[s.pos] {
		case '"':
			if _, ok := s.skipString(); !ok {
				return false
			}
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			depth--
			s.pos++
		case ',', ':', ' ', '\n', '\t', '\r':
			s.pos++
			continue // the value is not over, or has not begun
		default:
			s.word()
		}
		if depth <= 0 {
			return depth == 0
		}
	}
	return false
}
