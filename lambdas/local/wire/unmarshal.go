package wire

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"example.com/arvo/lambdas/jsontext"
)

// Unmarshal is [json.Unmarshal] as AWS reads JSON: a member has one name, in one case, and "queueurl" is not QueueUrl.
// Members that v does not have are ignored.
func Unmarshal(body []byte, v any) error { return unmarshal(body, v, false) }

// UnmarshalStrict is [Unmarshal] where ignoring a member would be a setting without effect: one that v does not have is an
// [*UnknownMemberError].
func UnmarshalStrict(body []byte, v any) error { return unmarshal(body, v, true) }

// An UnknownMemberError names a member of a request that is not known here.
type UnknownMemberError struct{ Name string }

func (e *UnknownMemberError) Error() string { return fmt.Sprintf("%.256q is not known here", e.Name) }

// encoding/json takes a member for a field whose name is the same but for the case if there is no better one, and cannot be
// told not to. So the names for which there is no field are struck out before it reads. That costs one pass over the text,
// which does not look into values whose Go type has no names; see BenchmarkUnmarshal.
func unmarshal(body []byte, v any, strict bool) error {
	r := reader{src: body, strict: strict}
	r.value(namesOf(reflect.TypeOf(v)))
	if r.unknown != nil {
		return r.unknown
	}
	if err := json.Unmarshal(r.src, v); err != nil {
		return err
	}
	if r.broken { // cannot be, as it is read
		return errors.New("the text is not valid JSON")
	}
	return nil
}

// names are the names that a Go type has for the members of JSON, and those of the types below it. Nil stands for a type
// that has none, neither itself nor below.
type names struct {
	members map[string]*names // of a struct
	values  *names            // of what is in a slice, an array or a map
}

var knownNames sync.Map // reflect.Type to *names

func namesOf(t reflect.Type) *names {
	if known, ok := knownNames.Load(t); ok {
		return known.(*names)
	}
	n := makeNames(t, 0)
	knownNames.Store(t, n)
	return n
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func makeNames(t reflect.Type, depth int) *names {
	if depth > 20 {
		panic(fmt.Sprintf("wire: %v holds itself, so that a request could nest without end", t))
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); p.Implements(unmarshaler) || p.Implements(textUnmarshaler) {
		return nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		if values := makeNames(t.Elem(), depth+1); values != nil {
			return &names{values: values}
		}
	case reflect.Struct:
		n := &names{members: map[string]*names{}}
		n.add(t, depth)
		return n
	}
	return nil
}

// add takes in the fields of a struct, with those of the structs that it embeds, as encoding/json does.
func (n *names) add(t reflect.Type, depth int) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			n.add(f.Type, depth)
		case !f.IsExported() || tag == "-":
		case name == "":
			n.members[f.Name] = makeNames(f.Type, depth+1)
		default:
			n.members[name] = makeNames(f.Type, depth+1)
		}
	}
}

// A reader goes over a text from front to back and strikes out the names that are not known. It does not check syntax:
// encoding/json does. Where it cannot go on the text is broken.
type reader struct {
	src     []byte
	i       int
	copied  bool // src is ours to write to
	strict  bool
	broken  bool
	unknown error
}

// next returns the next byte that is not white space, and stays there; 0 at the end.
func (r *reader) next() byte {
	if r.i = jsontext.Space(r.src, r.i); r.i < len(r.src) {
		return r.src[r.i]
	}
	r.broken = true
	return 0
}

// take goes over the next byte if it is c.
func (r *reader) take(c byte) bool {
	if r.next() != c {
		return false
	}
	r.i++
	return true
}

// value reads a value whose type has these names.
func (r *reader) value(n *names) {
	switch c := r.next(); {
	case n == nil:
		r.skip()
	case c == '{':
		r.i++
		for first := true; !r.take('}'); first = false {
			if r.broken || !first && !r.take(',') {
				r.broken = true
				return
			}
			below := r.name(n)
			if r.broken || r.unknown != nil || !r.take(':') {
				r.broken = true
				return
			}
			if r.value(below); r.broken {
				return
			}
		}
	case c == '[':
		r.i++
		for first := true; !r.take(']'); first = false {
			if r.broken || !first && !r.take(',') {
				r.broken = true
				return
			}
			if r.value(n.values); r.broken {
				return
			}
		}
	default:
		r.skip() // of another type, which encoding/json says
	}
}

// name reads the name of a member and returns the names below it.
func (r *reader) name(n *names) (below *names) {
	if r.next() != '"' {
		r.broken = true
		return nil
	}
	start := r.i
	text, end, err := jsontext.Text(r.src, start)
	if err != nil {
		r.broken = true
		return nil
	}
	r.i = end
	if n.members == nil {
		return n.values // of a map: any name will do
	}
	below, known := n.members[string(text)]
	switch {
	case known:
	case r.strict:
		r.unknown = &UnknownMemberError{string(text)}
	default:
		if !r.copied {
			r.src, r.copied = bytes.Clone(r.src), true
		}
		for i := start + 1; i < end-1; i++ {
			r.src[i] = struckOut
		}
	}
	return below
}

// struckOut is what names are overwritten with: a character of JSON strings of which no field's name is made.
const struckOut = '\x7f'

// skip goes over a value. What it is does not matter.
func (r *reader) skip() {
	for depth := 0; ; {
		switch r.next() {
		case '{', '[':
			depth++
			r.i++
		case '}', ']':
			depth--
			r.i++
		case ',', ':':
			r.i++
			continue
		default:
			end, err := jsontext.Value(r.src, r.i, 0)
			if err != nil {
				r.broken = true
				return
			}
			r.i = end
		}
		if depth <= 0 {
			return
		}
	}
}
