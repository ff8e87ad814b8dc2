package results

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the schema and the golden files anew")

const schemaFile = "results.v1.schema.json"

// enums are the members that have one of a few values.
var enums = map[string][]string{
	"Cell.validity":   {"valid", "generator-limited", "target-limited", "contaminated", "interrupted"},
	"Cell.role":       {"measured", "calibration", "control"},
	"Run.target":      {"local", "endpoint", "aws", "sim"},
	"Params.queue":    {"sqs", "hidden", "none"},
	"Results.schema":  {Schema},
	"Backlog.verdict": {"stable", "unstable", "inconclusive"},
}

// TestSchemaIsWhatTheTypesSay makes the schema of the types and their comments, and compares it with the committed one.
func TestSchemaIsWhatTheTypesSay(t *testing.T) {
	want := generate(t)
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return // the embedded one is still the old one
	}
	if !bytes.Equal(JSONSchema(), want) {
		t.Errorf("%s is not what the types say: run go test ./loadtest/results -update, and look at what changes. Within version 1 members are only added", schemaFile)
	}
}

// generate returns the schema of Results.
func generate(t *testing.T) []byte {
	g := generator{comments: comments(t), defs: map[string]any{}, used: map[string]bool{}}
	root := g.object(reflect.TypeFor[Results]())
	whole := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", Schema},
		{"title", "What a load test has found"},
	}
	whole = append(whole, root...)
	whole = append(whole, entry{"$defs", g.defs})
	for name := range enums {
		if !g.used[name] {
			t.Errorf("there is no member %s that could have one of a few values", name)
		}
	}
	src, err := json.MarshalIndent(whole, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(src, '\n')
}

// A generator makes schemas of types; defs are those of structs.
type generator struct {
	comments map[string]string
	defs     map[string]any
	used     map[string]bool
}

// object returns the schema of a struct, whose members may have any order, and more members beside them.
func (g *generator) object(t reflect.Type) object {
	var properties object
	var required []string
	for i := range t.NumField() {
		f := t.Field(i)
		m := memberOf(f)
		s := g.schema(f.Type, m.optional)
		if values := enums[t.Name()+"."+m.name]; values != nil {
			g.used[t.Name()+"."+m.name] = true
			s = append(s, entry{"enum", values})
		}
		if text := g.comments[t.Name()+"."+f.Name]; text != "" {
			s = append(object{{"description", text}}, s...)
		}
		properties = append(properties, entry{m.name, s})
		if !m.optional {
			required = append(required, m.name)
		}
	}
	o := object{{"type", "object"}}
	if text := g.comments[t.Name()]; text != "" {
		o = append(object{{"description", text}}, o...)
	}
	if len(required) > 0 {
		o = append(o, entry{"required", required})
	}
	return append(o, entry{"properties", properties})
}

func (g *generator) schema(t reflect.Type, optional bool) object {
	switch t.Kind() {
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return object{{"type", "string"}, {"format", "date-time"}}
		}
		if g.defs[t.Name()] == nil {
			g.defs[t.Name()] = "being made" // against circles
			g.defs[t.Name()] = g.object(t)
		}
		return object{{"$ref", "#/$defs/" + t.Name()}}
	case reflect.Pointer:
		of := g.schema(t.Elem(), false)
		if optional {
			return of // absent, never null
		}
		if of[0].key == "type" {
			return object{{"type", []string{of[0].value.(string), "null"}}}
		}
		return object{{"anyOf", []object{of, {{"type", "null"}}}}}
	case reflect.Slice:
		return object{{"type", "array"}, {"items", g.schema(t.Elem(), false)}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", g.schema(t.Elem(), false)}}
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Int, reflect.Int64:
		return object{{"type", "integer"}}
	case reflect.Uint64:
		return object{{"type", "integer"}, {"minimum", 0}}
	}
	panic("no schema for " + t.String())
}

// comments reads the comments of types ("Cell") and their fields ("Cell.ID") in results.go.
func comments(t *testing.T) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "results.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, d := range file.Decls {
		decl, ok := d.(*ast.GenDecl)
		if !ok || decl.Tok != token.TYPE {
			continue
		}
		for _, s := range decl.Specs {
			spec := s.(*ast.TypeSpec)
			found[spec.Name.Name] = words(decl.Doc)
			if fields, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range fields.Fields.List {
					for _, name := range f.Names {
						found[spec.Name.Name+"."+name.Name] = words(f.Comment)
					}
				}
			}
		}
	}
	return found
}

// words returns a comment as one line.
func words(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// An object is JSON with its members in order.
type object []entry

type entry struct {
	key   string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(e.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(e.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
