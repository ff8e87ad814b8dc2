package pattern_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/pattern"
)

// The reference: Ruler's algorithm, as plainly as possible. An event is a list of leaves, each with its name and the
// index of each array that it lies in. A branch matches if there is a leaf for each of its names, in their order, such
// that no two of them have different indexes in one array.

type leaf struct {
	name   string
	json   string
	arrays map[int]int
}

func leaves(event any) []leaf {
	var all []leaf
	arrays := 0
	var walk func(value any, name string, in map[int]int)
	walk = func(value any, name string, in map[int]int) {
		switch value := value.(type) {
		case map[string]any:
			for key, member := range value {
				if name != "" {
					key = name + "." + key
				}
				walk(member, key, in)
			}
		case []any:
			id := arrays
			arrays++
			for i, element := range value {
				inside := in
				switch element.(type) {
				case map[string]any, []any:
					inside = maps.Clone(in)
					inside[id] = i
				}
				walk(element, name, inside)
			}
		default:
			text, err := json.Marshal(value)
			if err != nil {
				panic(err)
			}
			all = append(all, leaf{name, string(text), in})
		}
	}
	walk(event, "", map[int]int{})
	return all
}

func consistent(a, b map[int]int) bool {
	for array, i := range a {
		if j, ok := b[array]; ok && i != j {
			return false
		}
	}
	return true
}

// A want is what a field of a generated pattern asks for.
type want struct {
	Literals []string // JSON
	Absent   bool
	AnyBut   string // JSON of a string or number, or ""
}

func (w want) fits(l leaf) bool {
	return slices.Contains(w.Literals, l.json) || w.AnyBut != "" && l.json != w.AnyBut
}

func reference(fields map[string]want, all []leaf) bool {
	names := slices.Sorted(maps.Keys(fields))
	var try func(i int, so map[int]int) bool
	try = func(i int, so map[int]int) bool {
		if i == len(names) {
			return true
		}
		w := fields[names[i]]
		present := false
		for _, l := range all {
			if l.name != names[i] || !consistent(so, l.arrays) {
				continue
			}
			present = true
			if w.fits(l) {
				next := maps.Clone(so)
				maps.Copy(next, l.arrays)
				if try(i+1, next) {
					return true
				}
			}
		}
		return w.Absent && !present && try(i+1, so)
	}
	return try(0, map[int]int{})
}

var (
	genName   = rapid.SampledFrom([]string{"a", "b", "c"})
	genScalar = rapid.SampledFrom([]string{`"x"`, `"y"`, `"10.0.0.1"`, `1`, `2`, `true`, `null`})
)

// genEvent draws JSON without members of the same name, which Go's maps cannot hold.
func genEvent() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		var value func(depth int) string
		object := func(depth int) string {
			names := rapid.SliceOfNDistinct(genName, 0, 3, rapid.ID[string]).Draw(t, "names")
			members := make([]string, len(names))
			for i, name := range names {
				members[i] = fmt.Sprintf(`"%s": %s`, name, value(depth-1))
			}
			return "{" + strings.Join(members, ", ") + "}"
		}
		value = func(depth int) string {
			kind := 2
			if depth > 0 {
				kind = rapid.IntRange(0, 4).Draw(t, "kind")
			}
			switch kind {
			case 0, 1:
				return object(depth)
			case 3, 4:
				elements := make([]string, rapid.IntRange(0, 3).Draw(t, "elements"))
				for i := range elements {
					elements[i] = value(depth - 1)
				}
				return "[" + strings.Join(elements, ",") + "]"
			}
			return genScalar.Draw(t, "scalar")
		}
		return object(5)
	})
}

func genFields() *rapid.Generator[map[string]want] {
	path := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(genName, 1, 3).Draw(t, "path"), ".")
	})
	ask := rapid.Custom(func(t *rapid.T) want {
		w := want{Literals: rapid.SliceOfN(genScalar, 0, 3).Draw(t, "literals"), Absent: rapid.IntRange(0, 3).Draw(t, "absent") == 0}
		if rapid.IntRange(0, 3).Draw(t, "but") == 0 || len(w.Literals) == 0 && !w.Absent {
			w.AnyBut = rapid.SampledFrom([]string{`"x"`, `1`}).Draw(t, "anything-but")
		}
		return w
	})
	return rapid.MapOfN(path, ask, 1, 4)
}

// write spells the fields as a pattern with dotted names.
func write(fields map[string]want) string {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		w := fields[name]
		options := slices.Clone(w.Literals)
		if w.Absent {
			options = append(options, `{"exists": false}`)
		}
		if w.AnyBut != "" {
			options = append(options, `{"anything-but": `+w.AnyBut+`}`)
		}
		members = append(members, fmt.Sprintf(`"%s": [%s]`, name, strings.Join(options, ", ")))
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func TestMatchAgreesWithTheReference(t *testing.T) {
	matches := 0
	rapid.Check(t, func(t *rapid.T) {
		src := genEvent().Draw(t, "event")
		fields := genFields().Draw(t, "fields")
		var event any
		if err := json.Unmarshal([]byte(src), &event); err != nil {
			t.Fatal(err)
		}
		p, err := pattern.Compile([]byte(write(fields)))
		if err != nil {
			t.Fatal(err)
		}
		got, want := p.Match([]byte(src)), reference(fields, leaves(event))
		if got != want {
			t.Fatalf("%s on %s is %t, the reference says %t", write(fields), src, got, want)
		}
		if got {
			matches++
		}
	})
	if matches == 0 {
		t.Error("nothing matched, so this showed nothing")
	}
}

func TestSetAgreesWithItsPatterns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := []byte(genEvent().Draw(t, "event"))
		var patterns []*pattern.Pattern
		var want []int
		for i, fields := range rapid.SliceOfN(genFields(), 0, 5).Draw(t, "patterns") {
			p, err := pattern.Compile([]byte(write(fields)))
			if err != nil {
				t.Fatal(err)
			}
			patterns = append(patterns, p)
			if p.Match(src) {
				want = append(want, i)
			}
		}
		if got := pattern.NewSet(patterns...).Match(src, nil); !slices.Equal(got, want) {
			t.Fatalf("the set matches %v, its patterns %v", got, want)
		}
	})
}

// literal makes the pattern that asks for every leaf of an event outside of arrays, and for one leaf of each array.
func literal(event any) any {
	object, ok := event.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]any{}
	for name, value := range object {
		if name == "$or" {
			continue
		}
		switch value := value.(type) {
		case map[string]any:
			if inner := literal(value); inner != nil {
				out[name] = inner
			}
		case []any:
			for _, element := range value {
				switch element.(type) {
				case map[string]any, []any:
				default:
					out[name] = []any{element}
				}
			}
		default:
			out[name] = []any{value}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func FuzzLiteralPatternMatchesItsEvent(f *testing.F) {
	for _, group := range matching {
		for _, event := range group.yes {
			f.Add([]byte(event))
		}
	}
	f.Add([]byte(`{"a": 1e400, "b": -0, "c": "\ud800", "d.e": {"f": [[], "x"]}}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		dec := json.NewDecoder(bytes.NewReader(event))
		dec.UseNumber()
		var decoded any
		if err := dec.Decode(&decoded); err != nil || dec.More() {
			return
		}
		// What encoding/json makes of it, so that names are unique and strings are valid UTF-8.
		event, err := json.Marshal(decoded)
		if err != nil {
			return
		}
		src, err := json.Marshal(literal(decoded))
		if err != nil || string(src) == "null" || len(src) > pattern.MaxSize {
			return
		}
		// The same name spelled with and without dots is one field of the pattern, whose last value counts.
		if bytes.IndexByte(src, '.') >= 0 {
			return
		}
		p, err := pattern.Compile(src)
		if err != nil {
			t.Fatalf("pattern %s: %v", src, err)
		}
		if !p.Match(event) {
			t.Fatalf("%s does not match %s", src, event)
		}
	})
}

func FuzzCompile(f *testing.F) {
	for _, group := range matching {
		f.Add([]byte(group.pattern))
	}
	f.Add([]byte(`{"$or": [{"a": [{"numeric": [">", 1, "<", 2]}]}, {"b": [{"wildcard": "*a*"}]}]}`))
	event := []byte(`{"a": [1, "x", {"b": null}], "b": {"c": "::1"}, "v": "abc"}`)
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := pattern.Compile(src)
		if err != nil {
			return
		}
		if !json.Valid(src) {
			t.Errorf("%q is accepted and is no JSON", src)
		}
		p.Match(event)
	})
}

func FuzzMatch(f *testing.F) {
	var patterns []*pattern.Pattern
	for _, group := range matching {
		patterns = append(patterns, compile(f, group.pattern))
		for _, event := range group.yes {
			f.Add([]byte(event))
		}
		for _, event := range group.no {
			f.Add([]byte(event))
		}
	}
	set := pattern.NewSet(patterns...)
	f.Fuzz(func(t *testing.T, event []byte) {
		matched := set.Match(event, nil)
		if !json.Valid(event) {
			return // the answer means nothing
		}
		var want []int
		for i, p := range patterns {
			if p.Match(event) {
				want = append(want, i)
			}
		}
		if !slices.Equal(matched, want) {
			t.Errorf("the set matches %v, its patterns %v", matched, want)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, event); err != nil {
			t.Fatal(err)
		}
		if got := set.Match(compact.Bytes(), nil); !slices.Equal(matched, got) {
			t.Errorf("%s matches %v, without white space %v", event, matched, got)
		}
	})
}
