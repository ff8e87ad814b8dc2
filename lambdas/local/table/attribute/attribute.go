// Package attribute is DynamoDB's data model: the ten types of values, items as sorted maps of them, their JSON on the
// wire, their sizes, their order and their numbers.
//
// # Promises
//
// Every [Value] that [ParseMap] returns is valid and canonical: numbers are checked against 38 digits
// and the range of magnitudes and written in plain decimal notation without superfluous zeros, sets have no duplicates
// and are sorted, names in a [Map] are unique and sorted, and documents nest at most [MaxDepth] levels. So equal values
// have equal representations, and JSON made from them is the same for the same item, however it was written.
// Errors are of [*wire.Error], worded as DynamoDB words them.
//
// # Design
//
// A Value is a struct, not an interface: a decoded item costs one allocation for its fields and one per document or
// set; strings are slices of the JSON they came from. A Map is a sorted slice, because items have few attributes and are
// decoded, looked at and encoded far more often than they are searched. encoding/json takes three times the time for the
// same item before any of the checks (see the benchmarks), which is why the decoder is our own; a fuzz target holds it
// against encoding/json.
package attribute

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// MaxDepth is how many levels of lists and maps may nest in an attribute.
const MaxDepth = 32

// A Type is one of DynamoDB's data types. The zero Type stands for no value at all.
type Type uint8

// The data types, named as on the wire.
const (
	None Type = iota
	S
	N
	B
	BOOL
	NULL
	M
	L
	SS
	NS
	BS
)

var typeNames = [...]string{None: "", S: "S", N: "N", B: "B", BOOL: "BOOL", NULL: "NULL", M: "M", L: "L", SS: "SS", NS: "NS", BS: "BS"}

// String returns the type's name on the wire, such as "SS".
func (t Type) String() string { return typeNames[t] }

// ParseType is the inverse of [Type.String].
func ParseType(name string) (Type, bool) {
	for t := S; t <= BS; t++ {
		if typeNames[t] == name {
			return t, true
		}
	}
	return None, false
}

// Set reports whether the type is one of the set types.
func (t Type) Set() bool { return t >= SS }

// Element is the type of a set's elements.
func (t Type) Element() Type {
	switch t {
	case SS:
		return S
	case NS:
		return N
	case BS:
		return B
	}
	return None
}

// A Value is one attribute value. Which fields count depends on Type. The zero Value means that there is none.
type Value struct {
	Type Type
	Bool bool    // of BOOL
	Text string  // of S; of N in canonical notation; of B the bytes themselves, not base64
	List []Value // of L; of SS, NS, BS the elements, sorted
	Map  Map     // of M
}

// String returns an S.
func String(s string) Value { return Value{Type: S, Text: s} }

// Exists reports whether there is a value.
func (v Value) Exists() bool { return v.Type != None }

// A Map is an item or a nested document: fields sorted by name, each name once.
type Map []Field

// A Field is a named value of a [Map].
type Field struct {
	Name  string
	Value Value
}

func (m Map) search(name string) (int, bool) {
	// Small items are the rule, and a loop beats a search by halves on them.
	if len(m) <= 8 {
		for i := range m {
			if m[i].Name >= name {
				return i, m[i].Name == name
			}
		}
		return len(m), false
	}
	i := sort.Search(len(m), func(i int) bool { return m[i].Name >= name })
	return i, i < len(m) && m[i].Name == name
}

// Get returns the value of that name, or the zero Value.
func (m Map) Get(name string) Value {
	if i, ok := m.search(name); ok {
		return m[i].Value
	}
	return Value{}
}

// Ref returns a pointer to the value of that name for changing it in place, or nil.
func (m Map) Ref(name string) *Value {
	if i, ok := m.search(name); ok {
		return &m[i].Value
	}
	return nil
}

// Set puts a value under a name.
func (m *Map) Set(name string, v Value) {
	i, ok := m.search(name)
	if ok {
		(*m)[i].Value = v
		return
	}
	*m = slices.Insert(*m, i, Field{name, v})
}

// Delete removes a name, if it is there.
func (m *Map) Delete(name string) {
	if i, ok := m.search(name); ok {
		*m = slices.Delete(*m, i, i+1)
	}
}

// normalise sorts the fields; of equal names the last wins.
func (m Map) normalise() Map {
	sorted := true
	for i := 1; i < len(m) && sorted; i++ {
		sorted = m[i-1].Name < m[i].Name
	}
	if sorted {
		return m
	}
	slices.SortStableFunc(m, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	kept := m[:0]
	for i, f := range m {
		if i+1 < len(m) && m[i+1].Name == f.Name {
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

// Clone returns a copy that shares nothing mutable with v.
func (v Value) Clone() Value {
	if v.List != nil {
		list := make([]Value, len(v.List))
		for i, e := range v.List {
			list[i] = e.Clone()
		}
		v.List = list
	}
	v.Map = v.Map.Clone()
	return v
}

// Clone returns a copy that shares nothing mutable with m.
func (m Map) Clone() Map {
	if m == nil {
		return nil
	}
	c := make(Map, len(m))
	for i, f := range m {
		c[i] = Field{f.Name, f.Value.Clone()}
	}
	return c
}

// Equal reports whether two values have the same type and content. Sets are equal whatever their order was.
func Equal(a, b Value) bool {
	if a.Type != b.Type || a.Bool != b.Bool || a.Text != b.Text || len(a.List) != len(b.List) || len(a.Map) != len(b.Map) {
		return false
	}
	for i := range a.List {
		if !Equal(a.List[i], b.List[i]) {
			return false
		}
	}
	for i := range a.Map {
		if a.Map[i].Name != b.Map[i].Name || !Equal(a.Map[i].Value, b.Map[i].Value) {
			return false
		}
	}
	return true
}

// Compare orders two values of one scalar type: numbers by value, strings and binaries by their bytes. The second
// result is false when the types differ or have no order.
func Compare(a, b Value) (int, bool) {
	if a.Type != b.Type {
		return 0, false
	}
	switch a.Type {
	case S, B:
		return strings.Compare(a.Text, b.Text), true
	case N:
		return compareNumbers(a.Text, b.Text), true
	}
	return 0, false
}

// sortSet sorts a set's elements.
func sortSet(set []Value) {
	slices.SortFunc(set, func(a, b Value) int { c, _ := Compare(a, b); return c })
}

// Union returns the set with the elements of both, which are of one set type.
func Union(a, b Value) Value {
	list := slices.Clone(a.List)
	for _, e := range b.List {
		if !Contains(a, e) {
			list = append(list, e)
		}
	}
	sortSet(list)
	return Value{Type: a.Type, List: list}
}

// Difference returns the elements of a that b does not have. It may be an empty set, which is no valid value.
func Difference(a, b Value) Value {
	var list []Value
	for _, e := range a.List {
		if !Contains(b, e) {
			list = append(list, e)
		}
	}
	return Value{Type: a.Type, List: list}
}

// Contains reports whether a list or set has the element e.
func Contains(v, e Value) bool {
	if v.Type.Set() {
		_, found := slices.BinarySearchFunc(v.List, e, func(a, b Value) int {
			if c, ok := Compare(a, b); ok {
				return c
			}
			return cmp.Compare(a.Type, b.Type)
		})
		return found
	}
	return slices.ContainsFunc(v.List, func(x Value) bool { return Equal(x, e) })
}

// Size is what the item counts in bytes towards the 400 KB limit, the 1 MB page and capacity units, by the arithmetic of
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html: the UTF-8 bytes of
// names, and of each value its content.
func (m Map) Size() int {
	size := 0
	for i := range m {
		size += len(m[i].Name) + m[i].Value.Size()
	}
	return size
}

// Size is the part of a value in [Map.Size]: bytes of strings and binaries, a byte per two significant digits of a
// number and one more, one for BOOL and NULL; for lists and maps 3, one per element, and the elements.
func (v Value) Size() int {
	switch v.Type {
	case S, B:
		return len(v.Text)
	case N:
		return numberSize(v.Text)
	case BOOL, NULL:
		return 1
	case M:
		return 3 + len(v.Map) + v.Map.Size()
	case L:
		size := 3 + len(v.List)
		for i := range v.List {
			size += v.List[i].Size()
		}
		return size
	default:
		size := 0
		for i := range v.List {
			size += v.List[i].Size()
		}
		return size
	}
}

// Depth is how many levels of lists and maps nest in the item, 0 if it has only scalars and sets.
func (m Map) Depth() int {
	depth := 0
	for i := range m {
		depth = max(depth, m[i].Value.depth())
	}
	return depth
}

func (v Value) depth() int {
	switch v.Type {
	case M:
		return 1 + v.Map.Depth()
	case L:
		depth := 0
		for i := range v.List {
			depth = max(depth, v.List[i].depth())
		}
		return 1 + depth
	}
	return 0
}
