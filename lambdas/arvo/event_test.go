package arvo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"example.com/arvo/lambdas/arvo"
)

// draft is a small one that is right.
func draft() arvo.Draft {
	return arvo.Draft{
		ID: "evt-1", Time: "2025-01-01T00:00:00.000Z", Source: "com.test.source", Type: "com.test.event", Subject: "order/1",
		Data: json.RawMessage(`{"a":1}`),
	}
}

// wire is draft on the wire.
const wire = `{"id":"evt-1","source":"com.test.source","specversion":"1.0","type":"com.test.event","subject":"order/1",` +
	`"datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo","dataschema":null,"data":{"a":1},` +
	`"time":"2025-01-01T00:00:00.000Z","to":"com.test.event","accesscontrol":null,"redirectto":null,"executionunits":null,` +
	`"traceparent":null,"tracestate":null,"parentid":null,"domain":null}`

func text(t testing.TB, e arvo.Event) string {
	t.Helper()
	b, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// issues is path and code of each issue of err.
func issues(t testing.TB, err error) []string {
	t.Helper()
	var invalid *arvo.ValidationError
	if err != nil && !errors.As(err, &invalid) {
		t.Fatalf("%v is no ValidationError", err)
	}
	var list []string
	if invalid != nil {
		for _, i := range invalid.Issues {
			list = append(list, i.Pointer()+" "+i.Code)
		}
	}
	return list
}

func TestNewWritesTheWire(t *testing.T) {
	e, err := arvo.New(draft())
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, e); got != wire {
		t.Errorf("got  %s\nwant %s", got, wire)
	}
}

func TestNewFillsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := arvo.New(arvo.Draft{Source: "a b", Type: "com.test.event", Subject: "s p", Data: struct{}{}})
		if err != nil {
			t.Fatal(err)
		}
		if uuid.Validate(e.ID) != nil {
			t.Errorf("id %q is no UUID", e.ID)
		}
		e.ID = ""
		want := arvo.Event{
			Source: "a%20b", SpecVersion: "1.0", Type: "com.test.event", Subject: "s%20p", DataContentType: arvo.DataContentType,
			Data: json.RawMessage("{}"), Time: "2000-01-01T00:00:00.000+00:00", To: "com.test.event",
		}
		if diff := cmp.Diff(want, e); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNewEncodesWhatNamesSomething(t *testing.T) {
	for plain, encoded := range map[string]string{
		"my service/ä":               "my%20service/%C3%A4",
		"my%20source":                "my%2520source",
		"http://[::1]/":              "http://%5B::1%5D/",
		"日":                          "%E6%97%A5",
		"a^|\\\"<>{}`b":              "a%5E%7C%5C%22%3C%3E%7B%7D%60b",
		"x?a=b&c=d#f;,:@+$!*'()~-_.": "x?a=b&c=d#f;,:@+$!*'()~-_.",
	} {
		d := draft()
		d.Source, d.Subject, d.To, d.RedirectTo, d.DataSchema, d.ParentID = plain, plain, plain, plain, plain, plain
		e, err := arvo.New(d)
		if err != nil {
			t.Errorf("%q: %v", plain, err)
			continue
		}
		for name, got := range map[string]string{
			"source": e.Source, "subject": e.Subject, "to": e.To, "redirectto": e.RedirectTo, "dataschema": e.DataSchema, "parentid": e.ParentID,
		} {
			if got != encoded {
				t.Errorf("%s %q: got %q, want %q", name, plain, got, encoded)
			}
		}
	}
}

// nested is objects within objects, so many levels.
func nested(levels int) json.RawMessage {
	return json.RawMessage(strings.Repeat(`{"a":`, levels-1) + "{}" + strings.Repeat("}", levels-1))
}

func TestDataMayBeAsDeepAsParseReadsIt(t *testing.T) {
	d := draft()
	d.Data = nested(127)
	e, err := arvo.New(d)
	if err != nil {
		t.Fatal(err)
	}
	text, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := arvo.Parse(text); err != nil {
		t.Error(err)
	}
	e.Data = nested(128)
	if err := e.Validate(); err == nil {
		t.Error("Validate accepts what Parse would not read")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*arvo.Draft)
		want []string
	}{
		{"an empty source", func(d *arvo.Draft) { d.Source = "" }, []string{"/source too_small"}},
		{"a source that is not UTF-8", func(d *arvo.Draft) { d.Source = "x\xff" }, []string{"/source custom"}},
		{"an empty type, for two reasons", func(d *arvo.Draft) { d.Type, d.To = "", "x" }, []string{"/type too_small", "/type invalid_string"}},
		{"a type of two segments", func(d *arvo.Draft) { d.Type = "com.test" }, []string{"/type invalid_string"}},
		{"a type with a capital", func(d *arvo.Draft) { d.Type = "com.Test.event" }, []string{"/type invalid_string"}},
		{"a type with a line end", func(d *arvo.Draft) { d.Type = "com.test.event\n" }, []string{"/type invalid_string"}},
		{"a type with an empty segment", func(d *arvo.Draft) { d.Type = "com..test.event" }, []string{"/type invalid_string"}},
		{"another specversion", func(d *arvo.Draft) { d.SpecVersion = "0.3" }, []string{"/specversion custom"}},
		{"another content type", func(d *arvo.Draft) { d.DataContentType = "text/xml" }, []string{"/datacontenttype custom"}},
		{"no data", func(d *arvo.Draft) { d.Data = nil }, []string{" invalid_type"}},
		{"data that is a list", func(d *arvo.Draft) { d.Data = []int{1} }, []string{" invalid_type"}},
		{"data without a JSON form", func(d *arvo.Draft) { d.Data = map[string]any{"a": math.NaN()} }, []string{" custom"}},
		{"data that is broken", func(d *arvo.Draft) { d.Data = json.RawMessage(`{"a":}`) }, []string{" custom"}},
		{"data that writes itself in no UTF-8", func(d *arvo.Draft) { d.Data = map[string]any{"a": json.RawMessage("\"\xff\"")} }, []string{" custom"}},
		{"data one level deeper than Parse reads an event", func(d *arvo.Draft) { d.Data = nested(128) }, []string{" custom"}},
		{"data of maps that is too deep", func(d *arvo.Draft) { d.Data = map[string]any{"a": nested(300)} }, []string{" custom"}},
		{"an id that is not UTF-8", func(d *arvo.Draft) { d.ID = "x\xff" }, []string{"/id invalid_string"}},
		{"a content type that is not UTF-8", func(d *arvo.Draft) { d.DataContentType = "application/json\xff" }, []string{"/datacontenttype invalid_string"}},
		{"an access control that is not UTF-8", func(d *arvo.Draft) { d.AccessControl = "\xff" }, []string{"/accesscontrol invalid_string"}},
		{"a trace context that is not UTF-8", func(d *arvo.Draft) { d.Traceparent, d.Tracestate = "\xff", "\xff" }, []string{"/traceparent invalid_string", "/tracestate invalid_string"}},
		{"infinite units", func(d *arvo.Draft) { d.ExecutionUnits = new(math.Inf(1)) }, []string{"/executionunits invalid_type"}},
		{"units that are no number", func(d *arvo.Draft) { d.ExecutionUnits = new(math.NaN()) }, []string{"/executionunits invalid_type"}},
		{"a domain with a capital", func(d *arvo.Draft) { d.Domain = "External" }, []string{"/domain invalid_string"}},
		{"an extension with a dash", func(d *arvo.Draft) { d.Extensions = []arvo.Extension{{"a-b", json.RawMessage("1")}} }, []string{"/a-b invalid_string"}},
		{"an extension that is a list", func(d *arvo.Draft) { d.Extensions = []arvo.Extension{{"a", json.RawMessage("[1]")}} }, []string{"/a invalid_union"}},
		{"an extension that is an object behind white space", func(d *arvo.Draft) { d.Extensions = []arvo.Extension{{"a", json.RawMessage(" {}")}} }, []string{"/a invalid_union"}},
		{"an extension that is not JSON", func(d *arvo.Draft) { d.Extensions = []arvo.Extension{{"a", json.RawMessage(`1,"b":2`)}} }, []string{"/a invalid_union"}},
		{"an extension called like an attribute", func(d *arvo.Draft) { d.Extensions = []arvo.Extension{{"source", json.RawMessage(`"evil"`)}} }, []string{"/source custom"}},
		{"an extension twice", func(d *arvo.Draft) {
			d.Extensions = []arvo.Extension{{"a", json.RawMessage("1")}, {"a", json.RawMessage("2")}}
		}, []string{"/a custom"}},
		{"too many extensions", func(d *arvo.Draft) { d.Extensions = make([]arvo.Extension, 65) }, []string{" too_big"}},
		{"two attributes of a group, in their order", func(d *arvo.Draft) { d.Type, d.SpecVersion = "x", "2" }, []string{"/specversion custom", "/type invalid_string"}},
		{"two groups, telling of the first", func(d *arvo.Draft) { d.Type, d.Domain = "x", "-" }, []string{"/type invalid_string"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := draft()
			c.edit(&d)
			_, err := arvo.New(d)
			if diff := cmp.Diff(c.want, issues(t, err)); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	for s, ok := range map[string]bool{
		"2025-01-01T00:00:00.000Z": true, "2025-01-01T00:00:00+05:30": true, "2025-01-01T00:00:00+0530": true,
		"2025-01-01T00:00Z": true, "2025-01-01T00:00:00.123456789123Z": true, "2024-02-29T23:59:59Z": true,
		"2000-02-29T00:00:00Z": true, "2025-01-01T00:00:00+24:00": true,
		"2025-01-01": false, "2025-01-01T00:00:00": false, "2025-01-01t00:00:00z": false, "2025-02-29T00:00:00Z": false,
		"1900-02-29T00:00:00Z": false, "2025-04-31T00:00:00Z": false, "2025-13-01T00:00:00Z": false, "2025-00-01T00:00:00Z": false,
		"2025-01-00T00:00:00Z": false, "2025-01-01T24:00:00Z": false, "2025-01-01T23:60:00Z": false, "2025-01-01T23:59:60Z": false,
		"2025-01-01T00:00:00.Z": false, "2025-01-01T00:00:00Z ": false, "2025-01-01T00:00:00+1": false, "2025-01-01T00:00:0Z": false,
		"25-01-01T00:00:00Z": false, "2025-1-01T00:00:00Z": false, "2025-01-01 00:00:00Z": false, "2025-01-01T00:00:00+05:3": false,
		"x": false,
	} {
		d := draft()
		d.Time = s
		if _, err := arvo.New(d); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestParseIsStrictAboutEncoding(t *testing.T) {
	for s, ok := range map[string]bool{
		"a%20b": true, "%C3%A9": true, "%5Bx%5D": true, "a%25b": true, "eJyr+/=": true, "%F0%9F%98%80": true, "%00": true,
		"a b": false, "é": false, "[x]": false, `a\"b`: false, "^|": false, "100%": false, "%4": false, "%41": false, "%5G": false, "%G5": false, "%c3%a9": false,
		"a%2Fb": false, "a%23b": false, "%FF": false, "%C3": false, "%C3%41": false, "%ED%A0%80": false, "%C0%AF": false, "%E6%97": false,
	} {
		_, err := arvo.Parse([]byte(strings.Replace(wire, "com.test.source", s, 1)))
		if got := issues(t, err); ok && err != nil || !ok && !slices.Equal(got, []string{"/source custom"}) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestParse(t *testing.T) {
	edit := strings.NewReplacer
	for _, c := range []struct {
		name, text string
		want       []string // issues
	}{
		{"what was written", wire, nil},
		{"white space", " " + edit(",", " ,\n\t", ":", " : ").Replace(`{"id":"1","source":"s","specversion":"1.0","type":"a.b.c","subject":"s","data":{},"time":"`) +
			`2025-01-01T00:00Z","to":"x" } `, nil},
		{"an older writer, without parentid and domain", edit(`,"parentid":null,"domain":null`, "").Replace(wire), nil},
		{"no content type", edit(`"datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo",`, "").Replace(wire), nil},
		{"another content type and no destination", edit(`cloudevents+json;charset=UTF-8;profile=arvo`, "json", `"to":"com.test.event"`, `"to":null`).Replace(wire), nil},
		{"no destination", edit(`"to":"com.test.event"`, `"to":null`).Replace(wire), []string{"/to custom"}},
		{"an empty destination", edit(`"to":"com.test.event"`, `"to":""`).Replace(wire), []string{"/to too_small"}},
		{"nothing", `{}`, []string{"/id invalid_type", "/time invalid_type", "/source invalid_type", "/specversion invalid_type", "/type invalid_type", "/subject invalid_type"}},
		{"an id that is a number", edit(`"evt-1"`, `5`).Replace(wire), []string{"/id invalid_type"}},
		{"an id that is null", edit(`"evt-1"`, `null`).Replace(wire), []string{"/id invalid_type"}},
		{"an empty content type, for two reasons", edit("application/cloudevents+json;charset=UTF-8;profile=arvo", "").Replace(wire),
			[]string{"/datacontenttype too_small", "/datacontenttype custom"}},
		{"units that are a string", edit(`"executionunits":null`, `"executionunits":"5"`).Replace(wire), []string{"/executionunits invalid_type"}},
		{"units beyond float64", edit(`"executionunits":null`, `"executionunits":1e999`).Replace(wire), []string{"/executionunits invalid_type"}},
		{"an empty accesscontrol", edit(`"accesscontrol":null`, `"accesscontrol":""`).Replace(wire), []string{"/accesscontrol too_small"}},
		{"an empty domain, for two reasons", edit(`"domain":null`, `"domain":""`).Replace(wire), []string{"/domain too_small", "/domain invalid_string"}},
		{"an empty traceparent", edit(`"traceparent":null`, `"traceparent":""`).Replace(wire), []string{"/traceparent too_small"}},
		{"a traceparent of any form", edit(`"traceparent":null`, `"traceparent":"garbage"`).Replace(wire), nil},
		{"an attribute twice", edit(`{"id"`, `{"id":"evt-0","id"`).Replace(wire), []string{"/id custom"}},
		{"an attribute twice, once in disguise", edit(`{"id"`, `{"\u0069d":"evt-0","id"`).Replace(wire), []string{"/id custom"}},
		{"an attribute in capitals is an extension, and no good one", edit(`{"id"`, `{"ID":"evt-0","id"`).Replace(wire), []string{"/ID invalid_string"}},
		{"a lone surrogate", edit(`"evt-1"`, `"\ud800"`).Replace(wire), []string{"/id invalid_string"}},
		{"an extension that is an object", edit(`"to":`, `"x":{},"to":`).Replace(wire), []string{"/x invalid_union"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := arvo.Parse([]byte(c.text))
			if diff := cmp.Diff(c.want, issues(t, err)); diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestParseStrictWantsEveryAttribute(t *testing.T) {
	if _, err := arvo.ParseStrict([]byte(wire)); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ drop, want string }{
		{`"dataschema":null,`, "/dataschema invalid_type"},
		{`"to":"com.test.event",`, "/to invalid_type"},
		{`"executionunits":null,`, "/executionunits invalid_type"},
		{`"traceparent":null,`, "/traceparent invalid_type"},
		{`,"domain":null`, "/domain invalid_type"},
	} {
		_, err := arvo.ParseStrict([]byte(strings.Replace(wire, c.drop, "", 1)))
		if diff := cmp.Diff([]string{c.want}, issues(t, err)); diff != "" {
			t.Errorf("without %s: %v", c.drop, err)
		}
	}
	if _, err := arvo.ParseStrict([]byte(strings.Replace(wire, `"datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo",`, "", 1))); err != nil {
		t.Errorf("without datacontenttype: %v", err)
	}
}

func TestParseTellsTextFromEvent(t *testing.T) {
	for name, src := range map[string]string{
		"nothing": "", "a list": "[]", "half an event": wire[:100], "two events": wire + wire, "broken UTF-8": strings.Replace(wire, "evt-1", "\xff", 1),
		"nesting beyond measure": strings.Replace(wire, `{"a":1}`, strings.Repeat(`{"a":`, 1000)+"1"+strings.Repeat("}", 1000), 1),
		"a text beyond measure":  strings.Replace(wire, "evt-1", strings.Repeat("x", 1<<20), 1),
	} {
		if _, err := arvo.Parse([]byte(src)); !errors.Is(err, arvo.ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := arvo.Parse([]byte(strings.Replace(wire, `"time"`, strings.Repeat(`"x":1,`, 1000)+`"time"`, 1))); err == nil || errors.Is(err, arvo.ErrSyntax) {
		t.Errorf("a thousand extensions: %v", err)
	}
}

func TestParseKeepsWhatItReads(t *testing.T) {
	for name, replaced := range map[string][2]string{
		"extensions in their order":        {`"to":`, `"zeta":"x","alpha":-1.50,"beta":false,"gamma":null,"to":`},
		"integer-like extensions in front": {`{"id"`, `{"2":"x","10":"y","id"`},
		"data as it was written":           {`{"a":1}`, `{ "b":1e400, "a":[9007199254740993,1.0,-0], "k":"\u00e9\ud800/\/ <&>` + "\u2028" + `" }`},
		"escapes where they are needed":    {"evt-1", `a\"b\\c\n\u0001` + "\u2028é😀"},
		"units as numbers":                 {`"executionunits":null`, `"executionunits":1e-7`},
	} {
		want := strings.Replace(wire, replaced[0], replaced[1], 1)
		e, err := arvo.Parse([]byte(want))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := text(t, e); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseDoesNotHoldOnToItsInput(t *testing.T) {
	src := []byte(strings.Replace(wire, `"to":`, `"x":"y","to":`, 1))
	want := string(src)
	e, err := arvo.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	clear(src)
	if got := text(t, e); got != want {
		t.Errorf("the event changed with the buffer: %s", got)
	}
}

func TestUnitsAreWrittenLikeJavaScript(t *testing.T) {
	for want, units := range map[string]float64{"0": math.Copysign(0, -1), "1e-7": 1e-7, "-5": -5, "0.000001": 1e-6, "1e+21": 1e21} {
		d := draft()
		d.ExecutionUnits = &units
		e, err := arvo.New(d)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, e); !strings.Contains(got, `"executionunits":`+want+`,`) {
			t.Errorf("%g: got %s", units, got)
		}
	}
}

func TestDataIsWrittenLikeJavaScript(t *testing.T) {
	d := draft()
	d.Data = map[string]any{"a": "<&>\u2028é😀", "b": 1e21, "c": 1e-7}
	e, err := arvo.New(d)
	if want := "{\"a\":\"<&>\u2028é😀\",\"b\":1e+21,\"c\":1e-7}"; err != nil || string(e.Data) != want {
		t.Errorf("got %s, %v", e.Data, err)
	}
	d.Data = json.RawMessage(" { \"a\" : 1.50 }\n")
	if e, err = arvo.New(d); err != nil || string(e.Data) != `{"a":1.50}` {
		t.Errorf("got %s, %v", e.Data, err)
	}
}

func TestEventsOfNobodysMakingAreNotWritten(t *testing.T) {
	for name, e := range map[string]arvo.Event{
		"no data":      {},
		"not a number": {Data: json.RawMessage("{}"), ExecutionUnits: new(math.NaN())},
	} {
		if b, err := e.AppendJSON(nil); err == nil {
			t.Errorf("%s: %s", name, b)
		}
		if err := e.Validate(); err == nil {
			t.Errorf("%s is valid", name)
		}
	}
	e, err := arvo.New(draft())
	if err != nil {
		t.Fatal(err)
	}
	if e.Data = json.RawMessage(`{"a":}`); e.Validate() == nil {
		t.Error("broken data is valid")
	}
}

func TestWithDoesNotChangeTheOriginal(t *testing.T) {
	d := draft()
	d.Extensions = []arvo.Extension{{"first", json.RawMessage(`1`)}, {"second", json.RawMessage(`2`)}}
	e, err := arvo.New(d)
	if err != nil {
		t.Fatal(err)
	}
	before := text(t, e)
	traced := e.WithTrace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "k=v")
	if got := text(t, traced); !strings.Contains(got, `"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","tracestate":"k=v"`) {
		t.Error(got)
	}
	changed, err := traced.WithExtension("first", "other")
	if err != nil {
		t.Fatal(err)
	}
	if changed, err = changed.WithExtension("third", true); err != nil {
		t.Fatal(err)
	}
	if got := text(t, changed); !strings.Contains(got, `"first":"other","second":2,"third":true,"to"`) {
		t.Error(got)
	}
	if v, ok := changed.Extension("third"); !ok || string(v) != "true" {
		t.Errorf("third is %s, %v", v, ok)
	}
	if _, ok := e.Extension("third"); ok || text(t, e) != before {
		t.Error("the original changed")
	}
	for name, v := range map[string]any{"data": 1, "Upper": 1, "list": []int{1}, "none": make(chan int)} {
		if _, err := e.WithExtension(name, v); err == nil {
			t.Errorf("extension %s is accepted", name)
		}
	}
}

func TestMarshalAndUnmarshalAreParseAndAppend(t *testing.T) {
	var e arvo.Event
	if err := json.Unmarshal([]byte(wire), &e); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(struct{ Event arvo.Event }{e})
	if err != nil || string(b) != `{"Event":`+wire+`}` {
		t.Errorf("got %s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"id":1}`), &e); err == nil || e.ID != "evt-1" {
		t.Errorf("a failure left %+v, %v", e, err)
	}
}

// drafts draws drafts that New accepts.
func drafts() *rapid.Generator[arvo.Draft] {
	return rapid.Custom(func(t *rapid.T) arvo.Draft {
		name := rapid.StringMatching(`[a-z0-9]{1,4}(\.[a-z0-9]{1,4}){2,4}`)
		any := rapid.String()
		some := rapid.StringN(1, 20, -1)
		d := arvo.Draft{
			ID: any.Draw(t, "id"), Source: some.Draw(t, "source"), Type: name.Draw(t, "type"), Subject: some.Draw(t, "subject"),
			DataSchema: any.Draw(t, "dataschema"), Data: rapid.MapOf(any, any).Draw(t, "data"),
			To: any.Draw(t, "to"), AccessControl: any.Draw(t, "accesscontrol"), RedirectTo: any.Draw(t, "redirectto"),
			Traceparent: any.Draw(t, "traceparent"), Tracestate: any.Draw(t, "tracestate"), ParentID: any.Draw(t, "parentid"),
			Domain: rapid.StringMatching(`[a-z0-9.]{0,5}`).Draw(t, "domain"),
		}
		if rapid.Bool().Draw(t, "costs") {
			d.ExecutionUnits = new(rapid.Float64Range(-1e25, 1e25).Draw(t, "units"))
		}
		for _, n := range rapid.SliceOfNDistinct(rapid.StringMatching(`[xy0-9]{1,3}`), 0, 4, rapid.ID).Draw(t, "extensions") {
			v, err := json.Marshal(any.Draw(t, n))
			if err != nil {
				t.Fatal(err)
			}
			d.Extensions = append(d.Extensions, arvo.Extension{Name: n, Value: v})
		}
		return d
	})
}

func TestWhatIsCreatedIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		created, err := arvo.New(drafts().Draw(t, "draft"))
		if err != nil {
			t.Fatal(err)
		}
		if err := created.Validate(); err != nil {
			t.Fatal(err)
		}
		first, err := created.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := arvo.ParseStrict(first)
		if err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		second, err := parsed.MarshalJSON()
		if err != nil || string(first) != string(second) {
			t.Fatalf("%s\nbecame\n%s, %v", first, second, err)
		}
		byName := func(x, y arvo.Extension) int { return strings.Compare(x.Name, y.Name) }
		slices.SortFunc(created.Extensions, byName) // integers have moved to the front
		slices.SortFunc(parsed.Extensions, byName)
		if created.Extensions == nil {
			parsed.Extensions = nil
		}
		if diff := cmp.Diff(created, parsed); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestTheOrderOfKeysIsFixed(t *testing.T) {
	core := []string{"id", "source", "specversion", "type", "subject", "datacontenttype", "dataschema", "data", "time"}
	rest := []string{"to", "accesscontrol", "redirectto", "executionunits", "traceparent", "tracestate", "parentid", "domain"}
	rapid.Check(t, func(t *rapid.T) {
		e, err := arvo.New(drafts().Draw(t, "draft"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(strings.NewReader(string(b)))
		var keys []string
		for depth := 0; ; {
			token, err := d.Token()
			if err != nil {
				break
			}
			if delim, ok := token.(json.Delim); ok {
				depth += map[json.Delim]int{'{': 1, '}': -1}[delim]
				continue
			}
			if depth == 1 { // a key; its value is read over
				keys = append(keys, token.(string))
				var value json.RawMessage
				if err := d.Decode(&value); err != nil {
					t.Fatal(err)
				}
			}
		}
		at := slices.Index(keys, "id")
		for i, k := range keys[:at] {
			if strings.Trim(k, "0123456789") != "" || i > 0 && (len(k) < len(keys[i-1]) || len(k) == len(keys[i-1]) && k < keys[i-1]) {
				t.Fatalf("%v precede id", keys[:at])
			}
		}
		if !slices.Equal(keys[at:at+len(core)], core) || !slices.Equal(keys[len(keys)-len(rest):], rest) || len(keys) != len(core)+len(rest)+len(e.Extensions) {
			t.Fatalf("the keys are %v", keys)
		}
	})
}

// FuzzParseEvent: whatever is accepted is written as a text that reads back as the same event, and stays so.
func FuzzParseEvent(f *testing.F) {
	f.Add([]byte(wire))
	f.Add([]byte(strings.Replace(wire, `"to":`, `"x":"\u00e9","1":null,"to":`, 1)))
	f.Add([]byte(strings.Replace(wire, `"executionunits":null`, `"executionunits":-1e-7`, 1)))
	f.Add([]byte(`{"id":"\ud83d\ude00"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		e, err := arvo.Parse(src)
		if err != nil {
			return
		}
		first, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatalf("%q cannot be written: %v", src, err)
		}
		if !json.Valid(first) {
			t.Fatalf("%q became %q", src, first)
		}
		again, err := arvo.ParseStrict(first)
		if err != nil {
			t.Fatalf("%q became %q: %v", src, first, err)
		}
		if second, err := again.AppendJSON(nil); err != nil || string(second) != string(first) {
			t.Fatalf("%q became %q, %v", first, second, err)
		}
	})
}

// A test shows an event, and a log names it; neither tells the access control.
func TestWhatIsShownOfAnEvent(t *testing.T) {
	units := 1.5
	e := arvo.Event{
		ID: "e-1", Source: "com.payment.charge", Type: "evt.payment.charge.success", Subject: "order-7", To: "arvo.orc.purchase",
		Data: json.RawMessage(`{"receipt":"r-1"}`), AccessControl: "secret", ExecutionUnits: &units, ParentID: "c-1",
		Extensions: []arvo.Extension{{Name: "receivedat", Value: json.RawMessage("5")}},
	}
	const want = `evt.payment.charge.success e-1 from com.payment.charge to arvo.orc.purchase subject=order-7 parentid=c-1 executionunits=1.5 receivedat=5 accesscontrol=(not shown) data={"receipt":"r-1"}`
	for _, format := range []string{"%v", "%+v", "%s"} {
		if got := fmt.Sprintf(format, e); got != want {
			t.Errorf("%s is %s", format, got)
		}
	}
	if got := fmt.Sprintf("%+v", struct{ Input []arvo.Event }{[]arvo.Event{e}}); got != "{Input:["+want+"]}" {
		t.Errorf("within something else it is %s", got)
	}
	if got := (arvo.Event{}).String(); got != "  from  to  data=" {
		t.Errorf("nothing is %q", got)
	}
	for _, handler := range []func(io.Writer, *slog.HandlerOptions) slog.Handler{
		func(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(w, o) },
		func(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) },
	} {
		var log strings.Builder
		slog.New(handler(&log, nil)).Info("handled", "event", e)
		if said := log.String(); !strings.Contains(said, "e-1") || !strings.Contains(said, "order-7") || strings.Contains(said, "r-1") || strings.Contains(said, "secret") {
			t.Errorf("the log says %s", said)
		}
	}
}
