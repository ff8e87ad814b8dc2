package arvo

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"example.com/arvo/lambdas/arvo/internal/jsonbind"
)

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// related says what is wrong with reading data of a schema into a type: the type is a struct with members, and the schema
// lists none of them, so that all data would be valid and nothing of it would arrive. One member in common will do: an author
// need not read all, and one type may serve several schemas.
func related(t reflect.Type, s Schema) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	p := reflect.PointerTo(t)
	if s.compiled == nil || t.Kind() != reflect.Struct || t.NumField() == 0 || p.Implements(jsonUnmarshaler) || p.Implements(textUnmarshaler) {
		return nil
	}
	lists, ok := s.compiled.Members()
	if !ok {
		return nil
	}
	fields, err := jsonbind.Fields(t)
	if err != nil {
		return err
	}
	var members []string
	for _, f := range fields {
		if slices.Contains(lists, f.Name) {
			return nil
		}
		members = append(members, f.Name)
	}
	return fmt.Errorf("the members of %s are (%s), and the contract lists none of them: it lists (%s)",
		t, strings.Join(members, ", "), strings.Join(lists, ", "))
}
