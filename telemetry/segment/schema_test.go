package segment

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A referee checks documents against X-Ray's schema.
type referee struct{ schema *jsonschema.Schema }

func xraySchema(t *testing.T) referee {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return referee{s}
}

func (r referee) check(text []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return r.schema.Validate(v)
}

func TestDocumentsPassXRaysSchema(t *testing.T) {
	schema := xraySchema(t)
	for name, doc := range documents() {
		if err := schema.check(doc.AppendJSON(nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The referee itself: what it must not let pass.
	for _, wrong := range []string{
		`{}`,
		`{"name":"a","id":"53995c3f42cd8ad8","trace_id":"1-5759e988-bd862e3fe1be46a994272793","start_time":1}`,
		`{"name":"a(b)","id":"53995c3f42cd8ad8","trace_id":"1-5759e988-bd862e3fe1be46a994272793","start_time":1,"end_time":2}`,
		`{"name":"a","id":"53995c3f42cd8ad8","trace_id":"1-5759e988-bd862e3fe1be46a994272793","start_time":1,"end_time":2,"metadata":{"flat":1}}`,
		`{"name":"a","id":"53995c3f42cd8ad8","trace_id":"1-5759e988-bd862e3fe1be46a994272793","start_time":1,"end_time":2,"type":"subsegment"}`,
	} {
		if schema.check([]byte(wrong)) == nil {
			t.Errorf("the schema accepts %s", wrong)
		}
	}
}

// unknownToSDK are the members that real documents or the developer guide have and the SDK for Go knows nothing of.
var unknownToSDK = map[string]bool{"Segment.links": true, "Segment.inferred": true, "exception.Exception.truncated": true, "exception.Exception.skipped": true, "exception.Exception.cause": true}

// TestDocumentsAreTheSDKsShape reads the SDK's own types, xray.Segment and those that it is made of, from its source, and
// holds each member of our documents to them: its name and its JSON type. Importing the package would do the same and bring
// twenty modules with it.
func TestDocumentsAreTheSDKsShape(t *testing.T) {
	types := sdkTypes(t, "github.com/aws/aws-xray-sdk-go/xray", "segment_model.go")
	for name, fields := range sdkTypes(t, "github.com/aws/aws-xray-sdk-go/strategy/exception", "default_exception_formatting_strategy.go") {
		types["exception."+name] = fields
	}
	for _, known := range []string{"Segment", "HTTPData", "CauseData", "exception.Exception"} {
		if len(types[known]) == 0 {
			t.Fatalf("the SDK has no type %s", known)
		}
	}
	for name, doc := range documents() {
		var v map[string]any
		if err := json.Unmarshal(doc.AppendJSON(nil), &v); err != nil {
			t.Fatal(err)
		}
		checkShape(t, types, name, "Segment", v)
	}
}

func checkShape(t *testing.T, types map[string]map[string]string, path, typeName string, v map[string]any) {
	for member, value := range v {
		at := path + "." + member
		want, ok := types[typeName][member]
		switch {
		case !ok && unknownToSDK[typeName+"."+member]:
			continue
		case !ok:
			t.Errorf("%s: the SDK's %s has no such member", at, typeName)
			continue
		case member == "subsegments": // raw messages in the SDK
			for _, sub := range value.([]any) {
				checkShape(t, types, at, "Segment", sub.(map[string]any))
			}
			continue
		case member == "cause" && reflect.TypeOf(value).Kind() == reflect.String:
			continue // the SDK writes the other form only
		}
		var kind string
		switch value := value.(type) {
		case string:
			kind = "string"
		case bool:
			kind = "bool"
		case float64:
			kind = "number"
		case []any:
			kind = "[]"
			for _, element := range value {
				if o, ok := element.(map[string]any); ok {
					checkShape(t, types, at, qualified(typeName, strings.TrimPrefix(want, "[]")), o)
				}
			}
		case map[string]any:
			kind = "map"
			if _, isStruct := types[qualified(typeName, want)]; isStruct {
				kind = want
				checkShape(t, types, at, qualified(typeName, want), value)
			}
		}
		if !strings.HasPrefix(want, kind) {
			t.Errorf("%s: %s, the SDK has %s", at, kind, want)
		}
	}
}

// qualified is the name of a type as a type of the same package names it.
func qualified(from, name string) string {
	if pkg, _, ok := strings.Cut(from, "."); ok && !strings.Contains(name, ".") {
		return pkg + "." + name
	}
	return name
}

// sdkTypes returns the JSON members of the structs in one file of a package: type name, member name, type.
func sdkTypes(t *testing.T, pkg, file string) map[string]map[string]string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-find", "-f", "{{.Dir}}", pkg)
	dir, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v", list, err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), file), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	types := make(map[string]map[string]string)
	for _, decl := range parsed.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			def, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			s, ok := def.Type.(*ast.StructType)
			if !ok {
				continue
			}
			members := make(map[string]string)
			for _, field := range s.Fields.List {
				if field.Tag == nil {
					continue
				}
				member, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
				members[member] = typeText(field.Type)
			}
			types[def.Name.Name] = members
		}
	}
	return types
}

func typeText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		switch e.Name {
		case "int", "int64", "float64":
			return "number"
		}
		return e.Name
	case *ast.StarExpr:
		return typeText(e.X)
	case *ast.ArrayType:
		return "[]" + typeText(e.Elt)
	case *ast.MapType:
		return "map"
	case *ast.SelectorExpr:
		return typeText(e.X) + "." + e.Sel.Name
	}
	return "?"
}
