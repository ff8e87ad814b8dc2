package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/services"
)

func TestContractsTellsWhatIsHosted(t *testing.T) {
	var got struct {
		Contracts []struct {
			URI      string
			Versions []struct {
				Version string
				Accepts struct {
					Type   string
					Schema map[string]any
				}
				Emits []struct{ Type string }
			}
		}
	}
	deploy(t).get(t, "/contracts").into(t, http.StatusOK, &got)
	var types, want []string
	for _, c := range got.Contracts {
		for _, v := range c.Versions {
			types = append(types, v.Accepts.Type)
			if v.Accepts.Schema["type"] != "object" || len(v.Emits) == 0 || c.URI == "" {
				t.Errorf("%+v", c)
			}
		}
	}
	for _, c := range services.Contracts() {
		want = append(want, slices.Repeat([]string{c.Type()}, len(c.Versions()))...)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, types); diff != "" {
		t.Error(diff)
	}
}

// What an OpenAPI 3.1 object may have, of those that the document uses.
// Source: https://spec.openapis.org/oas/v3.1.1.html
var openAPIMembers = map[string][]string{
	"document":    {"openapi", "info", "servers", "paths", "components"},
	"info":        {"title", "version", "description"},
	"server":      {"url"},
	"components":  {"schemas"},
	"path":        {"get", "post"},
	"operation":   {"summary", "parameters", "requestBody", "responses"},
	"parameter":   {"name", "in", "required", "schema", "description"},
	"requestBody": {"required", "content"},
	"response":    {"description", "headers", "content"},
	"header":      {"schema"},
	"media":       {"schema"},
}

func TestOpenAPIIsOpenAPI(t *testing.T) {
	d := deploy(t)
	var doc map[string]any
	d.get(t, "/openapi.json").into(t, http.StatusOK, &doc)
	only := func(kind, where string, v any) map[string]any {
		o, ok := v.(map[string]any)
		if !ok {
			t.Fatalf("%s is no object: %v", where, v)
		}
		for name := range o {
			if !slices.Contains(openAPIMembers[kind], name) {
				t.Errorf("%s: a %s has no %q", where, kind, name)
			}
		}
		return o
	}
	media := func(where string, content any) {
		for name, m := range content.(map[string]any) {
			if !regexp.MustCompile(`^application/(problem\+)?json$`).MatchString(name) || only("media", where, m)["schema"] == nil {
				t.Errorf("%s: %s", where, name)
			}
		}
	}
	only("document", "the document", doc)
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", doc["openapi"])
	}
	only("info", "info", doc["info"])
	if url := only("server", "servers", doc["servers"].([]any)[0])["url"]; url != "/live" {
		t.Errorf("the server is %v, not the stage", url)
	}
	operations := 0
	for path, p := range doc["paths"].(map[string]any) {
		for method, o := range only("path", path, p) {
			operations++
			where := strings.ToUpper(method) + " " + path
			operation := only("operation", where, o)
			if body, ok := operation["requestBody"]; ok {
				media(where, only("requestBody", where, body)["content"])
			}
			inPath := 0
			if parameters, ok := operation["parameters"]; ok {
				for _, p := range parameters.([]any) {
					parameter := only("parameter", where, p)
					if in := parameter["in"]; in == "path" {
						inPath++
						if parameter["required"] != true || !strings.Contains(path, "{"+parameter["name"].(string)+"}") {
							t.Errorf("%s: %v", where, parameter)
						}
					}
				}
			}
			if inPath != strings.Count(path, "{") {
				t.Errorf("%s: %d parameters are in the path", where, inPath)
			}
			responses := operation["responses"].(map[string]any)
			for status, r := range responses {
				response := only("response", where+" "+status, r)
				if !regexp.MustCompile(`^[2-5]\d\d$`).MatchString(status) || response["description"] == nil {
					t.Errorf("%s: response %s %v", where, status, r)
				}
				if content, ok := response["content"]; ok {
					media(where, content)
				}
				if headers, ok := response["headers"]; ok {
					for name, h := range headers.(map[string]any) {
						only("header", where+" "+name, h)
					}
				}
			}
			// It is there: not the answer to an unknown path.
			if a := d.do(t, at(t, strings.ToUpper(method)+" "+strings.ReplaceAll(path, "{subject}", "x"))); a.StatusCode == 405 || strings.Contains(a.Body, "unknown-path") {
				t.Errorf("%s: %d", where, a.StatusCode)
			}
		}
	}
	if routes := len(newAPI(api{}).routes); operations != routes {
		t.Errorf("%d operations for %d routes", operations, routes)
	}
	// Every reference leads to a component, and every component is referred to.
	schemas := only("components", "components", doc["components"])["schemas"].(map[string]any)
	used := map[string]bool{}
	var walk func(where string, v any)
	walk = func(where string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				if ref, ok := member.(string); ok && name == "$ref" {
					target, ok := strings.CutPrefix(ref, "#/components/schemas/")
					if _, there := schemas[target]; !ok || !there {
						t.Errorf("%s: $ref %q leads nowhere", where, ref)
					}
					used[target] = true
				}
				walk(where+"/"+name, member)
			}
		case []any:
			for _, element := range v {
				walk(where, element)
			}
		case nil:
			t.Errorf("%s is null", where)
		}
	}
	walk("", doc)
	for name := range schemas {
		if !used[name] || !regexp.MustCompile(`^[a-zA-Z0-9._-]+$`).MatchString(name) {
			t.Errorf("component %s: used %v", name, used[name])
		}
	}
	request := schemas["com.payment.charge.1.0.0"].(map[string]any)["properties"].(map[string]any)
	want := `{"const":"com.payment.charge"}`
	if got, err := json.Marshal(request["type"]); err != nil || string(got) != want {
		t.Errorf("type is %s, want %s", got, want)
	}
	if got := request["accesscontrol"].(map[string]any)["maxLength"]; got != float64(maxAccessControl) {
		t.Errorf("an access control may have %v bytes, and the document says %v", maxAccessControl, got)
	}
}
