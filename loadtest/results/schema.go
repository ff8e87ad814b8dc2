package results

import (
	_ "embed"
	"reflect"
	"strings"
)

//go:embed results.v1.schema.json
var schema []byte

// JSONSchema returns the JSON schema (draft 2020-12) of results.json. It is made of the types of this package and their
// comments by `go test ./loadtest/results -update`, and says nothing that they do not.
func JSONSchema() []byte { return append([]byte(nil), schema...) }

// A member is what the form makes of a struct's field.
type member struct {
	name     string
	optional bool // it may be absent
}

func memberOf(f reflect.StructField) member {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	return member{name, options == "omitempty"}
}
