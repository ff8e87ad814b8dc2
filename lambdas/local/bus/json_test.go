package bus

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/jsontext"
)

func TestAppendObject(t *testing.T) {
	for name, c := range map[string]struct{ in, out string }{
		"white space goes":                 {" {\n\t\"a\" :\r [ 1 , { } , [ ] ] } ", `{"a":[1,{},[]]}`},
		"white space in strings stays":     {`{"a b": " c \t "}`, `{"a b":" c \t "}`},
		"numbers stay as they are written": {`{"a": -0.10e+05, "b": 12345678901234567890}`, `{"a":-0.10e+05,"b":12345678901234567890}`},
		"escapes stay as they are written": {`{"\u0061": "\u00e9\/\""}`, `{"\u0061":"\u00e9\/\""}`},
		"duplicates and order stay":        {`{"b": 1, "a": 2, "b": 3}`, `{"b":1,"a":2,"b":3}`},
		"literals stay":                    {`{"a": [true, false, null]}`, `{"a":[true,false,null]}`},
		"an empty object stays":            {`{ }`, `{}`},
	} {
		got, ok := appendObject([]byte("<"), []byte(c.in))
		if !ok || string(got) != "<"+c.out {
			t.Errorf("%s: %s becomes %s, %t; want %s", name, c.in, got, ok, c.out)
		}
	}
	for name, in := range map[string]string{
		"nothing":                      ``,
		"white space":                  ` `,
		"an array":                     `[]`,
		"a string":                     `"a"`,
		"a number":                     `1`,
		"an open object":               `{"a": 1`,
		"an open key":                  `{"a`,
		"an open string":               `{"a": "b}`,
		"two objects":                  `{} {}`,
		"a comma at the end":           `{"a": 1,}`,
		"a comma at the end of arrays": `{"a": [1,]}`,
		"a comma for a value":          `{"a": ,}`,
		"no colon":                     `{"a" 1}`,
		"no comma":                     `{"a": 1 "b": 2}`,
		"a key that is no string":      `{a: 1}`,
		"brackets that do not match":   `{"a": [1}]`,
		"an unknown literal":           `{"a": nil}`,
		"a literal with a tail":        `{"a": nullx}`,
		"a control character":          "{\"a\": \"\x01\"}",
		"an unknown escape":            `{"a": "\x"}`,
		"half an escape":               `{"a": "\u12"}`,
		"a number with a zero first":   `{"a": 01}`,
		"a number without digits":      `{"a": -}`,
		"a number without decimals":    `{"a": 1.}`,
		"a number without exponent":    `{"a": 1e}`,
		"too many levels":              `{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
	} {
		if got, ok := appendObject(nil, []byte(in)); ok {
			t.Errorf("%s: %s is accepted as %s", name, in, got)
		}
	}
	deep := `{"a":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`
	if got, ok := appendObject(nil, []byte(deep)); !ok || string(got) != deep {
		t.Error("1000 levels should be fine")
	}
}

func FuzzAppendObject(f *testing.F) {
	f.Add([]byte(`{"a": [1, {"b": "c\"\u00e9"}], "d": -1.5e3}`))
	f.Add([]byte(` {"a":[[],{},true,null]} `))
	f.Add([]byte(`{"a":01}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		got, ok := appendObject(nil, src)
		trimmed := bytes.TrimLeft(src, " \t\r\n")
		valid := json.Valid(src) && trimmed[0] == '{'
		if ok != valid {
			if valid && bytes.Count(src, []byte("["))+bytes.Count(src, []byte("{")) > maxDepth {
				return
			}
			t.Fatalf("%q: ok is %t", src, ok)
		}
		if !ok {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, src); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q becomes %q, want %q", src, got, want.Bytes())
		}
	})
}

// slowEntry is what encoding/json needs to read an entry, for comparison.
type slowEntry struct {
	Time                                                  *json.Number
	Source, DetailType, Detail, EventBusName, TraceHeader *string
	Resources                                             []*string
}

func (e slowEntry) entry(t *testing.T) Entry {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	out := Entry{
		Source: text(e.Source), DetailType: text(e.DetailType), Bus: text(e.EventBusName), TraceHeader: text(e.TraceHeader),
		Detail: []byte(text(e.Detail)),
	}
	for _, r := range e.Resources {
		out.Resources = append(out.Resources, text(r))
	}
	if e.Time != nil {
		d := decoder{src: []byte(*e.Time)}
		out.Time = d.time()
		if d.err != nil {
			t.Skip("a time out of range")
		}
	}
	return out
}

func FuzzDecodeEntries(f *testing.F) {
	for _, body := range []string{
		`{}`,
		`{"Entries": null}`,
		`{"Entries": [{"Source": "a", "DetailType": "b", "Detail": "{\"c\": \"\\\"\\u00e9\\ud83d\\ude8b\"}"}], "EndpointId": {"x": [1, "]"]}}`,
		`{"Entries": [{"Time": 1.5e9, "Resources": ["r", null], "TraceHeader": "t\ud800", "EventBusName": null}, {}]}`,
		`{"Entries": [{"Time": "2026"}]}`,
		`{"Entries": [`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeEntries(body)
		var want struct{ Entries []slowEntry }
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		slow := json.Unmarshal(body, &want)
		if err == nil && !json.Valid(body) {
			t.Fatalf("%q is accepted and is no JSON", body)
		}
		if err != nil || slow != nil {
			return // the two differ in what they say of wrong types
		}
		if len(got) != min(len(want.Entries), maxEntries+1) || caseDiffers(body) {
			if caseDiffers(body) {
				return
			}
			t.Fatalf("%q has %d entries, want %d", body, len(got), len(want.Entries))
		}
		for i := range got {
			if w := want.Entries[i].entry(t); !sameEntry(got[i], w) {
				t.Fatalf("%q: entry %d is %+v, want %+v", body, i, got[i], w)
			}
		}
	})
}

// caseDiffers tells whether a body has members in other case, which encoding/json takes and AWS does not, or twice.
func caseDiffers(body []byte) bool {
	for _, name := range []string{"Entries", "Time", "Source", "DetailType", "Detail", "EventBusName", "TraceHeader", "Resources"} {
		if n := bytes.Count(bytes.ToLower(body), []byte(`"`+strings.ToLower(name)+`"`)); n > 1 || n != bytes.Count(body, []byte(`"`+name+`"`)) {
			return true
		}
	}
	return bytes.Contains(body, []byte(`\u`)) || !bytes.ContainsAny(body, "{") || len(bytes.ToValidUTF8(body, nil)) != len(body) || bytes.ContainsAny(body, "ſK")
}

func sameEntry(a, b Entry) bool {
	if string(a.Detail) != string(b.Detail) || !a.Time.Equal(b.Time) {
		return false
	}
	a.Detail, b.Detail, a.Time, b.Time = nil, nil, time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}

func TestDecodeEntries(t *testing.T) {
	got, err := decodeEntries([]byte(`{"EndpointId": "x", "Entries": [{"Time": 1795417200.75, "Source": "shop\u00e9", "Resources": ["r1", "r\"2"],
		"DetailType": "sold", "Detail": "{\"a\": \"\\u00e9 \ud83d\ude8b \\\"\"}", "EventBusName": "b", "TraceHeader": "Root=1", "Other": [{}, "]"]}, {}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{{
		Time: time.Unix(1795417200, 750_000_000), Source: "shopé", Resources: []string{"r1", `r"2`}, DetailType: "sold",
		Detail: []byte(`{"a": "\u00e9 🚋 \""}`), Bus: "b", TraceHeader: "Root=1",
	}, {}}
	if len(got) != 2 || !sameEntry(got[0], want[0]) || !sameEntry(got[1], want[1]) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for name, c := range map[string]struct{ body, message string }{
		"no JSON":                     {`Entries`, "not valid JSON at byte 0"},
		"an array":                    {`[]`, "not valid JSON at byte 0"},
		"text after the object":       {`{"Entries": []} x`, "not valid JSON at byte 16"},
		"an open array":               {`{"Entries": [{}`, "not valid JSON"},
		"an unknown member that ends": {`{"x": [1, }`, "not valid JSON"},
		"no value":                    {`{"x": }`, "not valid JSON"},
		"invalid UTF-8":               {"{\"\xff\": 1}", "not valid UTF-8"},
		"entries that are no array":   {`{"Entries": {}}`, "Entries at byte 12 must be an array"},
		"a source that is no string":  {`{"Entries": [{"Source": 1}]}`, "Source at byte 24 must be a string"},
		"a detail that is no string":  {`{"Entries": [{"Detail": {}}]}`, "Detail at byte 24 must be a string"},
		"a time that is a string":     {`{"Entries": [{"Time": "now"}]}`, "Time at byte 22 must be a number of seconds"},
		"a time beyond the calendar":  {`{"Entries": [{"Time": 1e300}]}`, "must be a time between the years 1 and 9999"},
		"a time in the year 10000":    {`{"Entries": [{"Time": 253402300800}]}`, "must be a time between the years 1 and 9999"},
		"a time before the year 1":    {`{"Entries": [{"Time": -62135596801}]}`, "must be a time between the years 1 and 9999"},
	} {
		if _, err := decodeEntries([]byte(c.body)); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: %s gives %v, want %q", name, c.body, err, c.message)
		}
	}
}

func BenchmarkDecodeEntries(b *testing.B) {
	detail := []byte(`{"id":"6f1f3c52","type":"com.payment.charge","subject":"` + strings.Repeat("c3ViamVjdA", 30) + `","data":{"note":"the \"back\" door","lines":[{"sku":"A-1","n":2},{"sku":"B-7","n":1}]}}`)
	quoted := jsontext.AppendAWSString(nil, string(detail))
	body := []byte(`{"Entries":[`)
	for i := range 10 {
		body = append(body, "[,"[min(i, 1)])
		if i == 0 {
			body = body[:len(body)-1]
		}
		body = append(body, `{"Source":"com.example.shop","DetailType":"com.payment.charge","EventBusName":"bus","Detail":`...)
		body = append(append(body, quoted...), '}')
	}
	body = append(body, "]}"...)
	b.Run("by hand", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			entries, err := decodeEntries(body)
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range entries {
				if _, ok := appendObject(make([]byte, 0, len(e.Detail)), e.Detail); !ok {
					b.Fatal("malformed")
				}
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			var in struct {
				Entries []struct{ Source, DetailType, EventBusName, Detail string }
			}
			if err := json.Unmarshal(body, &in); err != nil {
				b.Fatal(err)
			}
			for _, e := range in.Entries {
				var out bytes.Buffer
				if err := json.Compact(&out, []byte(e.Detail)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
