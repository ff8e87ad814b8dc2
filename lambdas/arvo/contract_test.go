package arvo_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden holds got, JSON, against a file of testdata.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	var tree any
	if err := json.Unmarshal(got, &tree); err != nil {
		t.Fatal(err)
	}
	pretty, err := json.MarshalIndent(json.RawMessage(got), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	pretty = append(pretty, '\n')
	path := "testdata/" + file
	if *update {
		if err := os.WriteFile(path, pretty, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(pretty)); diff != "" {
		t.Error(diff)
	}
}

type greet struct {
	Name string   `json:"name"`
	Age  *float64 `json:"age,omitempty" default:"7"`
	Mode string   `json:"mode,omitempty"`
}

type greeting struct {
	Greeting string `json:"greeting"`
}

type audit struct {
	Message string `json:"message"`
	Level   string `json:"level,omitempty" default:"info"`
}

type greet2 struct {
	FullName string `json:"fullname"`
}

type greeting2 struct {
	Greeting string `json:"greeting"`
	Lang     string `json:"lang"`
}

var greetContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI: "#/test/user/greet", Type: "com.user.greet", Domain: "greet.domain",
	Versions: map[string]arvo.VersionSpec{
		"1.0.0": {
			Accepts: arvo.SchemaFor[greet](),
			Emits: map[string]arvo.Schema{
				"evt.user.greet.success": arvo.SchemaFor[greeting](),
				"evt.user.greet.audit":   arvo.SchemaFor[audit](),
			},
			Progress: []string{"evt.user.greet.audit"},
		},
		"2.0.0": {
			Accepts: arvo.SchemaFor[greet2](),
			Emits:   map[string]arvo.Schema{"evt.user.greet.success": arvo.SchemaFor[greeting2]()},
		},
	},
}))

var orderContract = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
	URI: "#/test/orc/order", Name: "order", Description: "Leads an order.",
	Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {
		Init: arvo.SchemaFor[struct {
			Order  string  `json:"order"`
			Amount float64 `json:"amount" minimum:"0"`
		}](),
		Complete: arvo.SchemaFor[struct {
			OK      bool    `json:"ok"`
			Receipt *string `json:"receipt"`
		}](),
	}},
}))

func version(t testing.TB, c *arvo.Contract, number string) *arvo.Version {
	t.Helper()
	v, err := c.Version(number)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestContractsAreExported(t *testing.T) {
	golden(t, "greet.json", greetContract.JSONSchema())
	golden(t, "order.json", orderContract.JSONSchema())
}

func TestContractsDescribeThemselves(t *testing.T) {
	c := greetContract
	got := []any{c.URI(), c.Type(), c.Domain(), c.Description(), c.SystemErrorType(), c.Versions(), c.IsOrchestrator(),
		c.IsProgress("evt.user.greet.audit"), c.IsProgress("evt.user.greet.success")}
	want := []any{"#/test/user/greet", "com.user.greet", "greet.domain", "", "sys.com.user.greet.error", []string{"1.0.0", "2.0.0"}, false, true, false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, number := range map[string]string{"latest": "2.0.0", "any": "2.0.0", "oldest": "1.0.0", "1.0.0": "1.0.0"} {
		if v := version(t, c, name); v.Number() != number || v.DataSchema() != "#/test/user/greet/"+number || v.Contract() != c {
			t.Errorf("%s is %s", name, v.DataSchema())
		}
	}
	for _, number := range []string{"9.9.9", "0.0.0", "", "1"} {
		if _, err := c.Version(number); err == nil || !strings.Contains(err.Error(), "does not have version="+number) {
			t.Errorf("version %q: %v", number, err)
		}
	}
	v := version(t, c, "oldest")
	if diff := cmp.Diff([]string{"evt.user.greet.audit", "evt.user.greet.success"}, v.EmitTypes()); diff != "" {
		t.Error(diff)
	}
	for typ, known := range map[string]bool{"com.user.greet": true, "evt.user.greet.audit": true, "sys.com.user.greet.error": true, "evt.user.greet.x": false} {
		if s, ok := v.Schema(typ); ok != known || ok && s.Err() != nil {
			t.Errorf("the schema of %s: %v, %v", typ, ok, s.Err())
		}
	}
	m := orderContract.Metadata()
	if diff := cmp.Diff(map[string]any{
		"contractType": "ArvoOrchestratorContract", "rootType": "order", "initEventType": "arvo.orc.order", "completeEventType": "arvo.orc.order.done",
	}, m); diff != "" {
		t.Error(diff)
	}
	if m["rootType"] = "changed"; orderContract.Metadata()["rootType"] != "order" {
		t.Error("metadata is shared")
	}
}

func TestContractsAreChecked(t *testing.T) {
	o := arvo.SchemaFor[struct{}]()
	spec := func(edit func(*arvo.ContractSpec)) arvo.ContractSpec {
		s := arvo.ContractSpec{URI: "#/a/b", Type: "com.a.b", Versions: map[string]arvo.VersionSpec{"1.0.0": {Accepts: o}}}
		if edit != nil {
			edit(&s)
		}
		return s
	}
	only := func(number string, v arvo.VersionSpec) func(*arvo.ContractSpec) {
		return func(s *arvo.ContractSpec) { s.Versions = map[string]arvo.VersionSpec{number: v} }
	}
	emits := func(typ string) arvo.VersionSpec {
		return arvo.VersionSpec{Accepts: o, Emits: map[string]arvo.Schema{typ: o}}
	}
	if _, err := arvo.NewContract(spec(nil)); err != nil {
		t.Errorf("a version that emits nothing: %v", err)
	}
	for _, c := range []struct {
		name string
		edit func(*arvo.ContractSpec)
		want string
	}{
		{"no URI", func(s *arvo.ContractSpec) { s.URI = "" }, "the URI is empty"},
		{"a URI with a space", func(s *arvo.ContractSpec) { s.URI = "#/a b" }, "the URI is not URI-encoded"},
		{"a type of two segments", func(s *arvo.ContractSpec) { s.Type = "user.validate" }, `type "user.validate" is not`},
		{"an orchestrator's type", func(s *arvo.ContractSpec) { s.Type = "arvo.orchestra.a" }, "reserved for orchestrators"},
		{"an emitted type that is an orchestrator's", only("1.0.0", emits("arvo.orc.x")), "reserved for orchestrators"},
		{"an emitted type of two segments", only("1.0.0", emits("x.y")), `version 1.0.0: emitted type "x.y" is not`},
		{"no version", func(s *arvo.ContractSpec) { s.Versions = nil }, "there is no version"},
		{"the wildcard version", only("0.0.0", arvo.VersionSpec{Accepts: o}), "version 0.0.0 is reserved"},
		{"the wildcard version in disguise", only("00.0.0", arvo.VersionSpec{Accepts: o}), "version 00.0.0 is reserved"},
		{"a version of two numbers", only("1.0", arvo.VersionSpec{Accepts: o}), `version "1.0" is not`},
		{"a domain with capitals", func(s *arvo.ContractSpec) { s.Domain = "A B" }, `domain "A B" has`},
		{"no schema", only("1.0.0", arvo.VersionSpec{}), "version 1.0.0: accepts: no schema was given"},
		{"a schema that is wrong", only("1.0.0", arvo.VersionSpec{Accepts: arvo.SchemaJSON([]byte(`{"type":"x"}`))}), `version 1.0.0: accepts: schema at "/type": unknown type "x"`},
		{"a type without a schema", only("1.0.0", arvo.VersionSpec{Accepts: o, Emits: map[string]arvo.Schema{"a.b.c": arvo.SchemaFor[chan int]()}}), "emits a.b.c: chan int: chan int has no JSON form"},
		{"data that is a number", only("1.0.0", arvo.VersionSpec{Accepts: arvo.SchemaFor[int]()}), "version 1.0.0: accepts: the data of an event is an object: Expected number, received object"},
		{"data that is a list or nothing", only("1.0.0", arvo.VersionSpec{Accepts: arvo.SchemaJSON([]byte(`{"$ref":"#/$defs/a","$defs":{"a":{"type":["array","null"]}}}`))}), "the data of an event is an object"},
		{"an emitted text", only("1.0.0", arvo.VersionSpec{Accepts: o, Emits: map[string]arvo.Schema{"a.b.c": arvo.SchemaFor[string]()}}), "version 1.0.0: emits a.b.c: the data of an event is an object"},
		{"progress that is not emitted", only("1.0.0", arvo.VersionSpec{Accepts: o, Progress: []string{"a.b.c"}}), `progress "a.b.c" is not emitted`},
		{"metadata without a JSON form", func(s *arvo.ContractSpec) { s.Metadata = map[string]any{"c": make(chan int)} }, "metadata"},
	} {
		if _, err := arvo.NewContract(spec(c.edit)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for given, want := range map[string]string{
		"com.payment.charge": `type "com.payment.charge": com. is put before it here; the type is "payment.charge"`,
		"evt.payment.charge": `type "evt.payment.charge": evt. is put before it here; the type is "payment.charge"`,
		"community.charge":   "", "com": "reverse-DNS name",
	} {
		_, err := arvo.NewSimpleContract(arvo.SimpleSpec{URI: "#/a", Type: given, Versions: map[string]arvo.SimpleVersion{"1.0.0": {o, o}}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("the type %s: %v", given, err)
		}
	}
	if _, err := arvo.NewSimpleContract(arvo.SimpleSpec{URI: "#/a", Type: "single", Versions: map[string]arvo.SimpleVersion{"1.0.0": {o, o}}}); err == nil {
		t.Error("a simple contract of one segment is accepted")
	}
	for name, schema := range map[string]arvo.Schema{
		"with a member":    arvo.SchemaFor[greet](),
		"of any keys":      arvo.SchemaFor[map[string]int](),
		"or null":          arvo.SchemaFor[*greet](),
		"or one of two":    arvo.SchemaJSON([]byte(`{"oneOf":[{"type":"object","required":["a"]},{"type":"object","required":["b"]}]}`)),
		"or anything":      arvo.SchemaJSON([]byte(`true`)),
		"with two or more": arvo.SchemaJSON([]byte(`{"type":"object","minProperties":2}`)),
	} {
		if _, err := arvo.NewContract(spec(only("1.0.0", arvo.VersionSpec{Accepts: schema}))); err != nil {
			t.Errorf("an object %s: %v", name, err)
		}
	}
	for name, init := range map[string]arvo.Schema{"a list": arvo.SchemaFor[[]int](), "nothing": {}} {
		_, err := arvo.NewOrchestratorContract(arvo.OrchestratorSpec{URI: "#/a", Name: "a", Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {init, o}}})
		if err == nil || !strings.Contains(err.Error(), "version 1.0.0: init:") {
			t.Errorf("an orchestrator of %s: %v", name, err)
		}
	}
	if _, err := arvo.NewOrchestratorContract(arvo.OrchestratorSpec{URI: "#/a", Name: "a-b", Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {o, o}}}); err == nil {
		t.Error("an orchestrator called a-b is accepted")
	}
}

func TestAContractIsItsOwn(t *testing.T) {
	doc := []byte(`{"type":"object","properties":{"a":{"type":"string","default":"one"}}}`)
	spec := arvo.ContractSpec{URI: "#/test", Type: "com.test.own", Metadata: map[string]any{"k": 1}, Versions: map[string]arvo.VersionSpec{"1.0.0": {
		Accepts: arvo.SchemaJSON(doc), Emits: map[string]arvo.Schema{"evt.test.own.progress": arvo.SchemaJSON(doc)}, Progress: []string{"evt.test.own.progress"},
	}}}
	c := arvo.MustContract(arvo.NewContract(spec))
	before := string(c.JSONSchema())
	copy(doc, bytes.ReplaceAll(doc, []byte("one"), []byte("two")))
	spec.Versions["1.0.0"].Progress[0] = "evt.test.own.other"
	delete(spec.Versions["1.0.0"].Emits, "evt.test.own.progress")
	delete(spec.Versions, "1.0.0")
	delete(spec.Metadata, "k")
	if after := string(c.JSONSchema()); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if e, err := version(t, c, "1.0.0").Accepts(arvo.Draft{Source: "api.thin.lambda", Data: json.RawMessage(`{}`)}); err != nil || string(e.Data) != `{"a":"one"}` {
		t.Errorf("the default is %s, %v", e.Data, err)
	}
}

func TestMustPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"MustContract": func() { arvo.MustContract(arvo.NewContract(arvo.ContractSpec{})) },
		"MustService":  func() { arvo.MustService(arvo.NewService(nil)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error(name, "does not")
				}
			}()
			f()
		}()
	}
}

func TestVersionsAreOrderedByNumber(t *testing.T) {
	spec := arvo.ContractSpec{URI: "#/a/b", Type: "com.a.b", Versions: map[string]arvo.VersionSpec{}}
	for _, v := range []string{"1.0.0", "2.0.0", "10.0.0", "2.10.0", "2.9.0", "2.9.99999999999999999999"} {
		spec.Versions[v] = arvo.VersionSpec{Accepts: arvo.SchemaFor[struct{}]()}
	}
	c, err := arvo.NewContract(spec)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1.0.0", "2.0.0", "2.9.0", "2.9.99999999999999999999", "2.10.0", "10.0.0"}, c.Versions()); diff != "" {
		t.Error(diff)
	}
	if arvo.CompareVersions("01.0.0", "1.0.0") != 0 {
		t.Error("leading zeros count")
	}
	for s, ok := range map[string]bool{"1.0.0": true, "0.0.0": true, "00.01.0": true, "1.0": false, "1.0.0.0": false, "a.b.c": false, "1.0.0\n": false, "1..0": false, ".0.0": false, "": false} {
		if arvo.IsVersion(s) != ok {
			t.Errorf("IsVersion(%q) is %v", s, !ok)
		}
	}
}

func TestParseDataSchema(t *testing.T) {
	for _, c := range []struct {
		s, uri, version string
		ok              bool
	}{
		{"#/a/b/1.0.0", "#/a/b", "1.0.0", true},
		{"https://h/p?q/1.2.3", "https://h/p?q", "1.2.3", true},
		{"1.0.0", "", "1.0.0", true},
		{"/1.0.0", "", "1.0.0", true},
		{"#/a/b", "", "", false},
		{"#/a/1.0.0/", "", "", false},
		{"#/a/1.0.0-rc", "", "", false},
		{"", "", "", false},
	} {
		if uri, version, ok := arvo.ParseDataSchema(c.s); uri != c.uri || version != c.version || ok != c.ok {
			t.Errorf("%q: got %q %q %v", c.s, uri, version, ok)
		}
	}
}

func FuzzParseDataSchema(f *testing.F) {
	for _, s := range []string{"#/a/b/1.0.0", "1.0.0", "/", "", "a/01.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uri, version, ok := arvo.ParseDataSchema(s)
		if !ok {
			if uri != "" || version != "" {
				t.Fatalf("%q: not ok but %q %q", s, uri, version)
			}
			return
		}
		if !arvo.IsVersion(version) || s != uri+"/"+version && s != version {
			t.Fatalf("%q: got %q %q", s, uri, version)
		}
		if arvo.CompareVersions(version, version) != 0 {
			t.Fatalf("%q is not itself", version)
		}
	})
}

type rich struct {
	Text    string            `json:"text" minLength:"1" maxLength:"9" pattern:"^[a-z]+$" jsonschema:"what it says"`
	Kind    string            `json:"kind" enum:"a,b" default:"a"`
	Maybe   *string           `json:"maybe" enum:"x"`
	Count   int               `json:"count" minimum:"1" maximum:"5" multipleOf:"1"`
	Size    uint8             `json:"size"`
	Ratio   float64           `json:"ratio,omitempty" exclusiveMinimum:"0" exclusiveMaximum:"1"`
	When    time.Time         `json:"when"`
	Blob    []byte            `json:"blob,omitempty"`
	Items   []item            `json:"items" minItems:"1" maxItems:"3" uniqueItems:"true"`
	Pair    [2]bool           `json:"pair"`
	Labels  map[string]string `json:"labels,omitzero"`
	Parent  *item             `json:"parent" jsonschema:"null at the top"`
	Option  *item             `json:"option,omitempty"`
	Free    any               `json:"free,omitempty"`
	Raw     json.RawMessage   `json:"raw,omitempty"`
	Skipped chan int          `json:"-"`
	item
}

type item struct {
	SKU string `json:"sku"`
}

func TestSchemaFor(t *testing.T) {
	s := arvo.SchemaFor[rich]()
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	golden(t, "rich.json", s.JSON())
	good := rich{Text: "abc", Kind: "b", Count: 3, When: time.Unix(0, 0).UTC(), Items: []item{{"1"}}, item: item{"2"}}
	data, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(data); err != nil {
		t.Errorf("%s: %v", data, err)
	}
	bad := rich{Text: "ABC", Kind: "c", Maybe: new("y"), Count: 9, Ratio: 1}
	if data, err = json.Marshal(bad); err != nil {
		t.Fatal(err)
	}
	want := []string{"/text invalid_string", "/kind invalid_enum_value", "/maybe invalid_enum_value", "/count too_big", "/ratio too_big", "/items invalid_type"}
	if diff := cmp.Diff(want, issues(t, s.Validate(data))); diff != "" {
		t.Error(diff)
	}
}

type holder struct{ Next *holder }

func TestSchemaForRefuses(t *testing.T) {
	for want, s := range map[string]arvo.Schema{
		"arvo_test.holder.Next: arvo_test.holder holds itself": arvo.SchemaFor[holder](),
		"minLength does not apply": arvo.SchemaFor[struct {
			N int `minLength:"1"`
		}](),
		`minimum:"low"`: arvo.SchemaFor[struct {
			N int `minimum:"low"`
		}](),
		"the default does not fit": arvo.SchemaFor[struct {
			N int `default:"1.5"`
		}](),
		"marshals itself": arvo.SchemaFor[struct{ E arvo.Event }](),
		"the keys of":     arvo.SchemaFor[map[int]string](),
		".N.A: the tag minLenght means nothing; minLength does": arvo.SchemaFor[struct {
			N struct {
				A string `minLenght:"1"`
			}
		}](),
		"func() has no JSON form": arvo.SchemaFor[struct {
			F []map[string]func()
		}](),
	} {
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if s.JSON() != nil || s.Validate([]byte("{}")) == nil {
			t.Errorf("%s: the schema works", want)
		}
	}
}

func TestSchemasCleanData(t *testing.T) {
	s := arvo.SchemaFor[greet]()
	got, err := s.Clean([]byte(`{"zzz":1,"name":"A"}`))
	if err != nil || string(got) != `{"name":"A","age":7}` {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := s.Clean([]byte(`{"name":1}`)); err == nil || err.Error() != "invalid data: name: Expected string, received number" {
		t.Errorf("got %v", err)
	}
	if err := s.Validate([]byte(`{"name"`)); err == nil || !strings.Contains(err.Error(), "not JSON") {
		t.Errorf("got %v", err)
	}
}
