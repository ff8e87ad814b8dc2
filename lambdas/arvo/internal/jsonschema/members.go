package jsonschema

// Members lists the properties of an object schema, in its order. ok is false for a schema that may let other members
// through as well, or that is not told by its properties alone: one without properties, one whose additionalProperties are
// true or a schema, one with a $ref or an anyOf at its top.
func (s *Schema) Members() (names []string, ok bool) {
	n := s.root
	if n.open || n.never || n.inPlace() {
		return nil, false
	}
	for _, p := range n.properties {
		names = append(names, p.name)
	}
	return names, true
}
