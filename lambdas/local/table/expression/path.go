package expression

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/local/table/attribute"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// A Path leads to an attribute or into a document: a name, then names of map entries and indexes of list elements.
type Path []Step

// A Step is a name, or an index if Name is empty.
type Step struct {
	Name  string
	Index int
}

func (s Step) isIndex() bool { return s.Name == "" }

// String shows the path as DynamoDB's messages do: [a, b, [0]].
func (p Path) String() string {
	steps := make([]string, len(p))
	for i, s := range p {
		if steps[i] = s.Name; s.isIndex() {
			steps[i] = "[" + strconv.Itoa(s.Index) + "]"
		}
	}
	return "[" + strings.Join(steps, ", ") + "]"
}

// get follows the path into an item. The result is the zero Value if it leads nowhere.
func (p Path) get(item attribute.Map) attribute.Value {
	if v := p.ref(item); v != nil {
		return *v
	}
	return attribute.Value{}
}

// ref is get for changing the value in place; nil if the path leads nowhere.
func (p Path) ref(item attribute.Map) *attribute.Value {
	v := item.Ref(p[0].Name)
	for _, s := range p[1:] {
		switch {
		case v == nil:
			return nil
		case s.isIndex() && v.Type == attribute.L && s.Index < len(v.List):
			v = &v.List[s.Index]
		case !s.isIndex() && v.Type == attribute.M:
			v = v.Map.Ref(s.Name)
		default:
			return nil
		}
	}
	return v
}

// compare orders paths so that elements of one list follow each other by their indexes.
func (p Path) compare(q Path) int {
	return slices.CompareFunc(p, q, func(a, b Step) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.Index, b.Index))
	})
}

// clash tells why two paths may not stand in one expression: one contains the other, or they take the same place for a
// map and for a list.
func (p Path) clash(q Path) (overlap, conflict bool) {
	for i := range min(len(p), len(q)) {
		if p[i].isIndex() != q[i].isIndex() {
			return false, true
		}
		if p[i] != q[i] {
			return false, false
		}
	}
	return true, false
}

// A Selection is a set of paths that picks parts of items: a parsed projection, or what an update has touched.
type Selection []Path

// Apply returns the parts of the item that the paths lead to, at their places; of lists the chosen elements without gaps.
// It shares values with the item.
func (s Selection) Apply(item attribute.Map) attribute.Map {
	return s.fields(item, 0)
}

func (s Selection) fields(from attribute.Map, depth int) attribute.Map {
	chosen := attribute.Map{}
	for _, f := range from {
		if v := s.at(Step{Name: f.Name}, depth).value(f.Value, depth+1); v.Exists() {
			chosen = append(chosen, attribute.Field{Name: f.Name, Value: v})
		}
	}
	return chosen
}

// at keeps the paths that have that step at that depth.
func (s Selection) at(step Step, depth int) Selection {
	var kept Selection
	for _, p := range s {
		if p[depth] == step {
			kept = append(kept, p)
		}
	}
	return kept
}

func (s Selection) value(v attribute.Value, depth int) attribute.Value {
	if len(s) == 0 {
		return attribute.Value{}
	}
	for _, p := range s {
		if len(p) == depth {
			return v
		}
	}
	switch v.Type {
	case attribute.M:
		if fields := s.fields(v.Map, depth); len(fields) > 0 {
			return attribute.Value{Type: attribute.M, Map: fields}
		}
	case attribute.L:
		var list []attribute.Value
		for i, e := range v.List {
			if chosen := s.at(Step{Index: i}, depth).value(e, depth+1); chosen.Exists() {
				list = append(list, chosen)
			}
		}
		if len(list) > 0 {
			return attribute.Value{Type: attribute.L, List: list}
		}
	}
	return attribute.Value{}
}
