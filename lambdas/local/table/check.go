package table

import (
	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/table/expression"
)

// Limits on items and keys:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxItem = 400 << 10
	maxHash = 2048
	maxSort = 1024
)

// checkItem refuses an item whose keys do not fit the schema. Its values are valid in themselves.
func (t *table) checkItem(item attribute.Map) error {
	for _, name := range t.schema.Key.attributes() {
		v, want := item.Get(name), t.schema.keyType(name)
		switch {
		case !v.Exists():
			return parameter("Missing the key %s in the item", name)
		case v.Type != want:
			return parameter("Type mismatch for key %s expected: %s actual: %s", name, want, v.Type)
		}
		if err := t.checkKeyValue(name, v); err != nil {
			return err
		}
	}
	return t.checkIndexKeys(item)
}

// checkIndexKeys refuses an item with an attribute that an index has as a key, but of another type.
func (t *table) checkIndexKeys(item attribute.Map) error {
	for _, i := range t.indexes {
		for _, name := range i.Key.attributes() {
			v, want := item.Get(name), t.schema.keyType(name)
			switch {
			case !v.Exists() || t.schema.Key.has(name):
			case v.Type != want:
				return parameter("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", name, want, v.Type, i.Name)
			case v.Text == "":
				return invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s",
					emptyKind(v), i.Name, name)
			default:
				if err := checkKeySize(v, name == i.Key.Hash); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func emptyKind(v attribute.Value) string {
	if v.Type == attribute.B {
		return "binary"
	}
	return "string"
}

func (t *table) checkKeyValue(name string, v attribute.Value) error {
	if v.Text == "" {
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", emptyKind(v), name)
	}
	return checkKeySize(v, name == t.schema.Key.Hash)
}

func checkKeySize(v attribute.Value, hash bool) error {
	switch {
	case v.Type == attribute.N:
	case hash && len(v.Text) > maxHash:
		return parameter("Size of hashkey has exceeded the maximum size limit of%d bytes", maxHash) // AWS has no space here
	case !hash && len(v.Text) > maxSort:
		return parameter("Aggregated size of all range keys has exceeded the size limit of %d bytes", maxSort)
	}
	return nil
}

// checkKey refuses a key that is not exactly the primary key.
func (t *table) checkKey(key attribute.Map) error {
	names := t.schema.Key.attributes()
	if len(key) != len(names) {
		return invalid("The provided key element does not match the schema")
	}
	for _, name := range names {
		v := key.Get(name)
		if v.Type != t.schema.keyType(name) {
			return invalid("The provided key element does not match the schema")
		}
		if err := t.checkKeyValue(name, v); err != nil {
			return err
		}
	}
	return nil
}

// checkPaths refuses paths into key attributes, which are scalars.
func (t *table) checkPaths(paths []expression.Path) error {
	for _, path := range paths {
		if len(path) == 1 {
			continue
		}
		name := path[0].Name
		if t.schema.Key.has(name) {
			return invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", name)
		}
		for _, i := range t.indexes {
			if i.Key.has(name) {
				return invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: %s", name)
			}
		}
	}
	return nil
}
