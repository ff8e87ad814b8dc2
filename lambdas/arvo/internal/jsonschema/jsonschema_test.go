package jsonschema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	referee "github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

func compile(t interface {
	Helper()
	Fatal(...any)
}, doc string) *Schema {
	t.Helper()
	s, err := Compile([]byte(doc))
	if err != nil {
		t.Fatal(doc, err)
	}
	return s
}

// told is what a schema says about a text: one line for each issue.
func told(s *Schema, text string) string {
	_, issues, err := s.Apply([]byte(text), Check)
	if err != nil {
		return "syntax: " + err.Error()
	}
	var lines []string
	for _, i := range issues {
		lines = append(lines, fmt.Sprintf("%s %s: %s", strings.Join(i.Path, "."), i.Code, i.Message))
	}
	return strings.Join(lines, "\n")
}

func TestKeywords(t *testing.T) {
	for _, c := range []struct{ name, doc, text, want string }{
		{"a type", `{"type":"string"}`, `1`, " invalid_type: Expected string, received number"},
		{"one of several types", `{"type":["string","null"]}`, `true`, " invalid_type: Expected string or null, received boolean"},
		{"an integer written as a fraction", `{"type":"integer"}`, `1.0`, ""},
		{"a fraction for an integer", `{"type":"integer"}`, `1.5`, " invalid_type: Expected integer, received number"},
		{"a number for integer or number", `{"type":["integer","number"]}`, `1.5`, ""},
		{"a number beyond float64", `{"type":"number"}`, `1e400`, " invalid_type: Expected a finite number"},
		{"an exponent written large", `{"type":"number"}`, `1E400`, " invalid_type: Expected a finite number"},
		{"more digits than float64 has", `{"type":"number"}`, strings.Repeat("9", 310), " invalid_type: Expected a finite number"},
		{"many digits", `{"type":"number"}`, strings.Repeat("9", 305), ""},
		{"enum", `{"enum":["a",1,null,{"x":[1]}]}`, `{"x":[1.0]}`, ""},
		{"not in enum", `{"enum":["a",1]}`, `"b"`, ` invalid_enum_value: Expected one of "a", 1`},
		{"const", `{"const":{"a":1,"b":2}}`, `{"b":2,"a":1}`, ""},
		{"minLength counts code points", `{"minLength":2}`, `"😀"`, " too_small: must have at least 2 characters"},
		{"maxLength counts escapes once", `{"maxLength":1}`, `"\u00e9"`, ""},
		{"maxLength", `{"maxLength":1}`, `"ab"`, " too_big: must have at most 1 characters"},
		{"pattern is not anchored", `{"pattern":"b+"}`, `"abc"`, ""},
		{"pattern", `{"pattern":"^b"}`, `"abc"`, " invalid_string: must match ^b"},
		{"minimum", `{"minimum":0}`, `-0.5`, " too_small: must be at least 0"},
		{"exclusiveMinimum", `{"exclusiveMinimum":0}`, `0`, " too_small: must be greater than 0"},
		{"maximum", `{"maximum":10}`, `1e2`, " too_big: must be at most 10"},
		{"exclusiveMaximum", `{"exclusiveMaximum":10}`, `10`, " too_big: must be less than 10"},
		{"multipleOf in decimal", `{"multipleOf":0.1}`, `0.3`, ""},
		{"multipleOf", `{"multipleOf":2}`, `3`, " not_multiple_of: must be a multiple of 2"},
		{"multipleOf of a number with a huge exponent", `{"multipleOf":2}`, `1e300`, ""},
		{"items", `{"items":{"type":"number"}}`, `[1,"x",2,true]`,
			"1 invalid_type: Expected number, received string\n3 invalid_type: Expected number, received boolean"},
		{"prefixItems", `{"prefixItems":[{"type":"number"}],"items":{"type":"string"}}`, `[1,"x",2]`,
			"2 invalid_type: Expected string, received number"},
		{"minItems", `{"minItems":1}`, `[]`, " too_small: must have at least 1 items"},
		{"maxItems", `{"maxItems":1}`, `[1,2]`, " too_big: must have at most 1 items"},
		{"uniqueItems", `{"uniqueItems":true}`, `[{"a":1,"b":2},{"b":2.0,"a":1}]`, "1 custom: appears twice"},
		{"required", `{"properties":{"a":{}},"required":["a"]}`, `{}`, "a invalid_type: Required"},
		{"required without a property", `{"required":["a","b"]}`, `{"b":1}`, "a invalid_type: Required"},
		{"a nested path", `{"properties":{"a":{"items":{"properties":{"b":{"type":"null"}}}}}}`, `{"a":[{},{"b":1}]}`,
			"a.1.b invalid_type: Expected null, received number"},
		{"an unlisted member is no failure", `{"properties":{},"additionalProperties":false}`, `{"a":1}`, ""},
		{"a listed member twice", `{"properties":{"a":{}}}`, `{"a":1,"a":2}`, "a custom: appears twice"},
		{"an escaped key is the key", `{"properties":{"a":{"type":"string"}}}`, `{"\u0061":1}`, "a invalid_type: Expected string, received number"},
		{"additionalProperties", `{"additionalProperties":{"type":"number"}}`, `{"a":1,"b":"x"}`, "b invalid_type: Expected number, received string"},
		{"minProperties", `{"minProperties":2}`, `{"a":1}`, " too_small: must have at least 2 members"},
		{"maxProperties", `{"maxProperties":1}`, `{"a":1,"b":2}`, " too_big: must have at most 1 members"},
		{"a nullable string tells what is wrong with the string", `{"anyOf":[{"type":"string","minLength":1},{"type":"null"}]}`, `""`,
			" too_small: must have at least 1 characters"},
		{"a nullable string of another type", `{"anyOf":[{"type":"string"},{"type":"null"}]}`, `5`, " invalid_type: Expected string or null, received number"},
		{"no alternative", `{"anyOf":[{"type":"object","required":["a"]},{"type":"object","required":["b"]}]}`, `{}`,
			" invalid_union: fits none of the alternatives"},
		{"oneOf", `{"oneOf":[{"type":"number"},{"minimum":5}]}`, `3`, ""},
		{"two of oneOf", `{"oneOf":[{"type":"number"},{"minimum":5}]}`, `7`, " invalid_union: fits more than one alternative"},
		{"allOf", `{"allOf":[{"minimum":1},{"maximum":2}]}`, `3`, " too_big: must be at most 2"},
		{"not", `{"not":{"type":"string"}}`, `"x"`, " custom: is of a form that is excluded"},
		{"if then", `{"if":{"type":"number"},"then":{"minimum":1},"else":{"minLength":1}}`, `0`, " too_small: must be at least 1"},
		{"if else", `{"if":{"type":"number"},"then":{"minimum":1},"else":{"minLength":1}}`, `""`, " too_small: must have at least 1 characters"},
		{"$ref", `{"$ref":"#/$defs/a~1b","$defs":{"a/b":{"type":"null"}}}`, `1`, " invalid_type: Expected null, received number"},
		{"a recursive $ref", `{"properties":{"v":{"type":"number"},"next":{"$ref":"#"}}}`, `{"next":{"next":{"v":"x"}}}`,
			"next.next.v invalid_type: Expected number, received string"},
		{"the schema false", `{"properties":{"a":false}}`, `{"a":1}`, "a custom: must not be there"},
		{"the schema true", `true`, `[1]`, ""},
		{"no JSON", `{"properties":{"a":{}}}`, `{"a":}`, "syntax: '}' where a value is expected at byte 5"},
		{"what follows", `{}`, `{} {}`, "syntax: '{' where the end of the text is expected at byte 3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(compile(t, c.doc), c.text); got != c.want {
				t.Errorf("%s against %s:\n got %q\nwant %q", c.text, c.doc, got, c.want)
			}
		})
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct{ name, doc, text, want string }{
		{"nothing to do", `{"properties":{"a":{}}}`, `{ "a" : 1 }`, `{ "a" : 1 }`},
		{"the first member", `{"properties":{"a":{}}}`, `{"x":1,"a":2}`, `{"a":2}`},
		{"the first members", `{"properties":{"a":{}}}`, `{"x":1, "y":{"a":1}, "a":2}`, `{"a":2}`},
		{"the last member", `{"properties":{"a":{}}}`, `{"a":2,"x":1}`, `{"a":2}`},
		{"members in between", `{"properties":{"a":{},"b":{}}}`, `{"a":1,"x":[1],"y":2,"b":3,"z":4}`, `{"a":1,"b":3}`},
		{"every member", `{"properties":{"a":{}}}`, `{"x":1,"y":2}`, `{}`},
		{"every member of a schema without any", `{"properties":{},"additionalProperties":false}`, `{"x":1}`, `{}`},
		{"inside what follows a dropped member", `{"properties":{"a":{"properties":{"b":{}}}}}`, `{"x":1,"a":{"y":2,"b":3}}`, `{"a":{"b":3}}`},
		{"inside items", `{"items":{"properties":{"a":{}}}}`, `[{"a":1,"x":2},{"x":2}]`, `[{"a":1},{}]`},
		{"a default into an empty object", `{"properties":{"a":{"default":7}}}`, `{}`, `{"a":7}`},
		{"a default behind a member", `{"properties":{"a":{"default":7},"b":{}}}`, `{"b":1}`, `{"b":1,"a":7}`},
		{"a default in place of dropped members", `{"properties":{"a":{"default":{"k":[1]}}}}`, `{"x":1,"y":2}`, `{"a":{"k":[1]}}`},
		{"two defaults", `{"properties":{"a":{"default":1},"b":{"default":2}}}`, `{ }`, `{ "a":1,"b":2}`},
		{"no default for what is there", `{"properties":{"a":{"default":7}}}`, `{"a":null}`, `{"a":null}`},
		{"open objects keep all", `{"properties":{"a":{"default":7}},"additionalProperties":true}`, `{"x":1}`, `{"x":1,"a":7}`},
		{"maps keep all", `{"additionalProperties":{"properties":{"a":{}}}}`, `{"x":{"a":1,"y":2}}`, `{"x":{"a":1}}`},
		{"objects without properties keep all", `{"type":"object"}`, `{"x":1}`, `{"x":1}`},
		{"through $ref", `{"$ref":"#/$defs/d","$defs":{"d":{"properties":{"a":{"default":1}}}}}`, `{"x":1}`, `{"a":1}`},
		{"through the alternative that fits",
			`{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"type":"object","properties":{"b":{"default":1}}}]}`,
			`{"a":2,"x":3}`, `{"b":1}`},
		{"not beneath allOf", `{"allOf":[{"properties":{"a":{"default":1}}}]}`, `{"x":1}`, `{"x":1}`},
		{"not beside allOf, except for defaults", `{"properties":{"a":{"default":1}},"allOf":[{"required":["x"]}]}`, `{"x":1}`, `{"x":1,"a":1}`},
		{"not beneath not", `{"not":{"properties":{"a":{"type":"string","default":""}},"required":["b"]}}`, `{"x":1}`, `{"x":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, issues, err := compile(t, c.doc).Apply([]byte(c.text), Clean)
			if err != nil || issues != nil || string(got) != c.want {
				t.Errorf("%s under %s:\n got %s %v %v\nwant %s", c.text, c.doc, got, issues, err, c.want)
			}
		})
	}
}

func TestCompileNamesWhatItCannotDo(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"no JSON", `{`, "schema is not JSON"},
		{"no schema", `{"properties":{"a":1}}`, `schema at "/properties/a": Expected object or boolean, received number`},
		{"an unknown keyword", `{"items":{"contains":{}}}`, `schema at "/items/contains": keyword "contains" is not supported`},
		{"a tuple of draft-07", `{"items":[{}]}`, `schema at "/items": must be one schema; write a tuple with prefixItems`},
		{"an unknown type", `{"type":"text"}`, `schema at "/type": unknown type "text"`},
		{"a boolean exclusiveMinimum of draft-04", `{"exclusiveMinimum":true}`, `schema at "/exclusiveMinimum": true is not a number`},
		{"a pattern that RE2 lacks", `{"pattern":"(?=x)"}`, `schema at "/pattern": error parsing regexp`},
		{"a count that is none", `{"minLength":-1}`, `schema at "/minLength": -1 is not a count`},
		{"a reference elsewhere", `{"$ref":"http://a/b"}`, `schema at "/$ref": "http://a/b" is not in this document`},
		{"a reference to nothing", `{"$ref":"#/$defs/a"}`, `schema has nothing at "/$defs/a"`},
		{"a reference to itself", `{"$ref":"#"}`, `schema at "" refers to itself for the same value`},
		{"a circle of references", `{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"}]},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}`, `refers to itself`},
		{"a default that does not fit", `{"properties":{"a":{"type":"string","default":1}}}`,
			`schema at "/properties/a": the default does not fit: Expected string, received number`},
		{"an empty enum", `{"enum":[]}`, `schema at "/enum": must not be empty`},
		{"multipleOf zero", `{"multipleOf":0}`, `schema at "/multipleOf": must be above zero`},
		{"no alternatives", `{"anyOf":[]}`, `schema at "/anyOf": must be an array that is not empty`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Compile([]byte(c.doc)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestHostileTextIsBounded(t *testing.T) {
	list := compile(t, `{"items":{"type":"string"}}`)
	_, issues, err := list.Apply([]byte("["+strings.Repeat("1,", 100_000)+"1]"), Check)
	if err != nil || len(issues) != maxIssues {
		t.Errorf("%d issues, %v", len(issues), err)
	}
	// Each level would be tried twice for each way to try the level above.
	tree := compile(t, `{"anyOf":[{"type":"array","items":{"$ref":"#"},"minItems":1},{"type":"array","items":{"$ref":"#"},"maxItems":9},{"type":"null"}]}`)
	_, issues, err = tree.Apply([]byte(strings.Repeat("[", 100)+"1"+strings.Repeat("]", 100)), Check)
	if err != nil || len(issues) == 0 {
		t.Errorf("%v, %v", issues, err)
	}
	if _, _, err = tree.Apply([]byte(strings.Repeat("[", 100_000)), Check); err == nil {
		t.Error("unbounded nesting is accepted")
	}
	// What is long is tried less often.
	long := strings.Repeat("[", 12) + `1,"` + strings.Repeat("a", 200_000) + `"` + strings.Repeat("]", 12)
	if got, want := told(tree, long), " custom: "+errSteps.Error(); got != want {
		t.Errorf("a long text: got %.200s, want %s", got, want)
	}
	both := compile(t, `{"$defs":{"n":{"properties":{"next":{"allOf":[{"$ref":"#/$defs/n"},{"$ref":"#/$defs/n"}]}}}},"$ref":"#/$defs/n"}`)
	if got, want := told(both, strings.Repeat(`{"next":`, 20)+`{}`+strings.Repeat("}", 20)), " custom: "+errSteps.Error(); got != want {
		t.Errorf("allOf: got %.200s, want %s", got, want)
	}
}

// The one alternative of its type is looked into for the issues, once: were it at each level, a list of twenty would be
// tried a million times.
func TestTheEndOfALongListIsToldByItsPlace(t *testing.T) {
	list := compile(t, `{"type":"object","properties":{"v":{"type":"string"},"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}}`)
	const depth = 60
	got := told(list, strings.Repeat(`{"v":"a","next":`, depth)+`{"v":1}`+strings.Repeat("}", depth))
	if want := strings.Repeat("next.", depth) + "v invalid_type: Expected string, received number"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// schemas draws documents of the keywords whose meaning is the referee's; objects are left open there.
func schemas(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		doc := map[string]any{}
		sub := func(label string) any { return schemas(depth-1).Draw(t, label) }
		some := func(n int, label string) bool { return rapid.IntRange(0, n).Draw(t, label) == 0 }
		small := rapid.IntRange(-2, 4)
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			doc["type"] = rapid.SampledFrom([]any{"string", "number", "integer", "boolean", "null", []string{"string", "null"}}).Draw(t, "type")
		case 1:
			doc["minLength"], doc["maxLength"] = max(0, small.Draw(t, "min")), max(0, small.Draw(t, "max"))
			doc["pattern"] = rapid.SampledFrom([]string{"a", "^b*$", "é|x"}).Draw(t, "pattern")
		case 2:
			doc[rapid.SampledFrom([]string{"minimum", "exclusiveMinimum"}).Draw(t, "k")] = small.Draw(t, "low")
			doc[rapid.SampledFrom([]string{"maximum", "exclusiveMaximum"}).Draw(t, "k")] = small.Draw(t, "high")
			doc["multipleOf"] = rapid.SampledFrom([]float64{1, 0.5, 2}).Draw(t, "of")
		case 3:
			doc["enum"] = rapid.SliceOfN(values(1), 1, 3).Draw(t, "enum")
		case 4:
			if depth == 0 {
				break
			}
			doc["items"] = sub("items")
			doc["maxItems"] = max(0, small.Draw(t, "max"))
			doc["uniqueItems"] = rapid.Bool().Draw(t, "unique")
			if some(2, "prefix") {
				doc["prefixItems"] = []any{sub("first")}
			}
		case 5:
			if depth == 0 {
				break
			}
			doc["properties"] = map[string]any{"a": sub("a"), "b": sub("b")}
			doc["required"] = rapid.SampledFrom([][]string{{}, {"a"}, {"b", "c"}}).Draw(t, "required")
			if some(1, "more") {
				doc["additionalProperties"] = sub("more")
			}
			doc["maxProperties"] = max(0, small.Draw(t, "max"))
		case 6:
			if depth == 0 {
				break
			}
			switch rapid.IntRange(0, 4).Draw(t, "applicator") {
			case 0:
				doc["anyOf"] = []any{sub("x"), sub("y")}
			case 1:
				doc["oneOf"] = []any{sub("x"), sub("y")}
			case 2:
				doc["allOf"] = []any{sub("x"), sub("y")}
			case 3:
				doc["not"] = sub("x")
			case 4:
				doc["if"], doc["then"], doc["else"] = sub("if"), sub("then"), sub("else")
			}
		}
		return doc
	})
}

func values(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		n := 5
		if depth > 0 {
			n = 7
		}
		switch rapid.IntRange(0, n).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2, 3:
			return rapid.SampledFrom([]float64{-2, -1, 0, 0.5, 1, 2, 3, 1.25}).Draw(t, "number")
		case 4, 5:
			return rapid.StringOfN(rapid.SampledFrom([]rune("abx\"é")), 0, 4, -1).Draw(t, "string")
		case 6:
			return rapid.SliceOfN(values(depth-1), 0, 3).Draw(t, "list")
		default:
			return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), values(depth-1), 0, 3).Draw(t, "object")
		}
	})
}

func judge(t *rapid.T, doc map[string]any) *referee.Schema {
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := referee.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := referee.NewCompiler()
	if err := c.AddResource("schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheRefereeAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		doc := schemas(3).Draw(t, "schema")
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := compile(t, string(text)), judge(t, doc)
		for range 8 {
			v := values(3).Draw(t, "value")
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			instance, err := referee.UnmarshalJSON(strings.NewReader(string(data)))
			if err != nil {
				t.Fatal(err)
			}
			want := theirs.Validate(instance)
			if got := told(ours, string(data)); (got == "") != (want == nil) {
				t.Fatalf("%s against %s: we say %q, the referee %v", data, text, got, want)
			}
		}
	})
}

// strict is doc with additionalProperties: false wherever properties stand and nothing else is said.
func strict(doc map[string]any) map[string]any {
	out := maps.Clone(doc)
	for k, v := range doc {
		if sub, ok := v.(map[string]any); ok && k == "items" {
			out[k] = strict(sub)
		}
	}
	if properties, ok := doc["properties"].(map[string]any); ok {
		closed := map[string]any{}
		for name, p := range properties {
			closed[name] = strict(p.(map[string]any))
		}
		out["properties"] = closed
		if _, ok := doc["additionalProperties"]; !ok {
			out["additionalProperties"] = false
		}
	}
	return out
}

// Objects, arrays and scalars without in-place applicators: for these, what Clean makes is right in the eyes of a
// validator that refuses unlisted members.
func TestWhatIsCleanFitsTheClosedSchema(t *testing.T) {
	var plain func(depth int) *rapid.Generator[map[string]any]
	plain = func(depth int) *rapid.Generator[map[string]any] {
		return rapid.Custom(func(t *rapid.T) map[string]any {
			kind := rapid.IntRange(0, 2).Draw(t, "kind")
			if depth == 0 || kind == 0 {
				if rapid.Bool().Draw(t, "default") {
					return map[string]any{"type": "string", "default": "d"}
				}
				return map[string]any{}
			}
			if kind == 1 {
				return map[string]any{"items": plain(depth-1).Draw(t, "items")}
			}
			return map[string]any{"properties": map[string]any{"a": plain(depth-1).Draw(t, "a"), "b": plain(depth-1).Draw(t, "b")}}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		doc := plain(3).Draw(t, "schema")
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		ours := compile(t, string(text))
		data, err := json.Marshal(values(4).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		clean, issues, err := ours.Apply(data, Clean)
		if err != nil {
			t.Fatal(err)
		}
		if issues != nil {
			return
		}
		instance, err := referee.UnmarshalJSON(strings.NewReader(string(clean)))
		if err != nil {
			t.Fatalf("%s became %s: %v", data, clean, err)
		}
		if err := judge(t, strict(doc)).Validate(instance); err != nil {
			t.Fatalf("%s under %s became %s: %v", data, text, clean, err)
		}
		again, _, _ := ours.Apply(clean, Clean)
		if !slices.Equal(again, clean) {
			t.Fatalf("%s became %s at the second time", clean, again)
		}
	})
}

// FuzzApply looks for texts that break the walk: whatever comes, the result is JSON and clean.
func FuzzApply(f *testing.F) {
	s := compile(f, `{"type":"object","properties":{"a":{"type":"string","default":"x"},"b":{"items":{"properties":{"c":{"type":"number"}}}},
		"n":{"anyOf":[{"type":"object","properties":{"v":{"const":1}},"required":["v"]},{"type":"null"}]}},"required":["b"]}`)
	for _, text := range []string{`{"b":[]}`, `{"x":1,"b":[{"c":1,"y":2}],"z":3}`, `{"a":"\u0061","b":[{}],"n":{"v":1,"w":2}}`, `{"b":[{"c":`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		clean, issues, err := s.Apply(text, Clean)
		if err != nil || issues != nil {
			return
		}
		if !json.Valid(clean) {
			t.Fatalf("%q became %q", text, clean)
		}
		again, issues, err := s.Apply(clean, Clean)
		if err != nil || issues != nil || string(again) != string(clean) {
			t.Fatalf("%q became %q and then %q %v %v", text, clean, again, issues, err)
		}
	})
}
