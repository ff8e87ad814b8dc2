package segment

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIDs(t *testing.T) {
	id := mustTrace("1-5759E988-bd862e3fe1be46a994272793")
	if got := id.String(); got != "1-5759e988-bd862e3fe1be46a994272793" {
		t.Errorf("X-Ray's form: %s", got)
	}
	if got := id.W3C(); got != "5759e988bd862e3fe1be46a994272793" || mustTrace(got) != id {
		t.Errorf("W3C's form: %s", got)
	}
	if got := time.Unix(id.Epoch(), 0).UTC().Format(time.DateOnly); got != "2016-06-09" {
		t.Errorf("epoch: %s", got)
	}
	for _, wrong := range []string{"", "1-5759e988-bd862e3fe1be46a99427279", "2-5759e988-bd862e3fe1be46a994272793", "1-5759e988-bd862e3fe1be46a99427279g",
		"1-00000000-000000000000000000000000", "00000000000000000000000000000000", "1_5759e988_bd862e3fe1be46a994272793", "5759e988bd862e3fe1be46a99427279é"} {
		if _, err := ParseTraceID(wrong); err == nil {
			t.Errorf("%q is accepted as a trace id", wrong)
		}
	}
	for _, wrong := range []string{"", "53995c3f42cd8ad", "53995c3f42cd8adg", "0000000000000000", "53995c3f42cd8ad88"} {
		if _, err := ParseID(wrong); err == nil {
			t.Errorf("%q is accepted as an id", wrong)
		}
	}
}

// TestDerivedIDs holds the derivations: other programs and stored traces depend on them.
func TestDerivedIDs(t *testing.T) {
	trace, parent := mustTrace("1-5759e988-bd862e3fe1be46a994272793"), mustID("53995c3f42cd8ad8")
	bus := HopID(trace, parent, OriginEvents, "arvo-bus")
	for what, got := range map[string][2]string{
		"bus":      {bus.String(), "54ee4705754d16e9"},
		"queue":    {HopID(trace, bus, OriginQueue, "arvo-requests").String(), "dd2eeb4f141286fa"},
		"inferred": {InferredID(trace, parent).String(), "5d8c0a48bb36bf28"},
		"creation": {CreationID(trace, "e-1").String(), "e47a2d55bd04667a"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %s, want %s", what, got[0], got[1])
		}
	}
	seen := make(map[ID]string)
	for what, id := range map[string]ID{
		"bus": bus, "another trace": HopID(mustTrace("1-5759e988-bd862e3fe1be46a994272794"), parent, OriginEvents, "arvo-bus"), "another parent": HopID(trace, bus, OriginEvents, "arvo-bus"),
		"another name": HopID(trace, parent, OriginEvents, "arvo-bus2"), "a queue of that name": HopID(trace, parent, OriginQueue, "arvo-bus"),
		"the border moved": HopID(trace, parent, OriginEvents+"a", "rvo-bus"), "inferred": InferredID(trace, parent),
	} {
		if other, taken := seen[id]; taken {
			t.Errorf("%s and %s have one id", what, other)
		}
		seen[id] = what
	}
}

// TestAnnotationText holds what is written to what is searched for.
func TestAnnotationText(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"stays", "order-1 ü 漢", "order-1 ü 漢"},
		{"loses what nobody can type", "a\x00b\nc\x7f", "abc"},
		{"is cut between characters", "x" + strings.Repeat("ü", 600), "x" + strings.Repeat("ü", 499)},
		{"is cut before it loses anything", "\n" + strings.Repeat("x", 1000), strings.Repeat("x", 999)},
	} {
		if got := AnnotationText(test.text); got != test.want {
			t.Errorf("what %s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestTimes(t *testing.T) {
	for _, test := range []struct {
		at   Time
		want string
	}{
		{1699480919909589, "1699480919.909589"},
		{1699480919000001, "1699480919.000001"},
		{1699480919500000, "1699480919.5"},
		{1699480919000000, "1699480919"},
		{1, "0.000001"},
		{-1500000, "-1.5"},
	} {
		if got := string(test.at.AppendSeconds(nil)); got != test.want {
			t.Errorf("%d: %s, want %s", test.at, got, test.want)
		}
	}
	now := time.Date(2026, 11, 23, 1, 2, 3, 456789999, time.UTC)
	if got := At(now).Time(); !got.Equal(now.Truncate(time.Microsecond)) {
		t.Errorf("%v becomes %v", now, got)
	}
	if got := At(now).Add(time.Second).Sub(At(now)); got != time.Second {
		t.Errorf("a second later is %v later", got)
	}
	for text, want := range map[string]Time{
		`1.692291184114E9`: 1692291184114000, `1480615200.010`: 1480615200010000, `1699480919.9095895`: 1699480919909590, `1480615200`: 1480615200000000,
	} {
		d, err := Decode([]byte(`{"start_time":` + text + `}`))
		if err != nil || d.Start != want {
			t.Errorf("%s: %d, %v, want %d", text, d.Start, err, want)
		}
	}
	// Whatever a program with 64-bit floats reads and writes, the microseconds stay.
	rapid.Check(t, func(t *rapid.T) {
		at := Time(rapid.Int64Range(1, maxSeconds*1e6-1).Draw(t, "at"))
		f, err := strconv.ParseFloat(string(at.AppendSeconds(nil)), 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []byte{'f', 'e'} {
			d, err := Decode([]byte(`{"start_time":` + strconv.FormatFloat(f, format, -1, 64) + `}`))
			if err != nil || d.Start != at {
				t.Fatalf("%d became %d, %v", at, d.Start, err)
			}
		}
	})
}

func TestValues(t *testing.T) {
	for _, test := range []struct {
		value      Value
		json, text string
		number     float64
		scalar     bool
	}{
		{Value{}, `null`, `null`, 0, false},
		{String(`a"b`), `"a\"b"`, `a"b`, 0, true},
		{Bool(true), `true`, `true`, 0, true},
		{Int(-5), `-5`, `-5`, -5, true},
		{Float(0.05), `0.05`, `0.05`, 0.05, true},
		{Float(3), `3`, `3`, 3, true},
		{Float(1e300), `1e+300`, `1e+300`, 1e300, true},
		{Float(math.NaN()), `"NaN"`, `NaN`, 0, true},
		{JSON([]byte(` { "a" : [ 1 ] } `)), `{"a":[1]}`, `{"a":[1]}`, 0, false},
		{JSON([]byte(`"x"`)), `"x"`, `x`, 0, true},
		{JSON([]byte(`{`)), `null`, `null`, 0, false},
	} {
		if got := string(test.value.AppendJSON(nil)); got != test.json {
			t.Errorf("%s: JSON %s", test.json, got)
		}
		if got := test.value.String(); got != test.text {
			t.Errorf("%s: text %s", test.json, got)
		}
		if test.value.Number() != test.number || test.value.Scalar() != test.scalar {
			t.Errorf("%s: number %v, scalar %v", test.json, test.value.Number(), test.value.Scalar())
		}
	}
	if Float(3) != Int(3) {
		t.Error("3.0 is not 3")
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"federated_handler":                   "federated_handler",
		"":                                    Unnamed,
		"(|)":                                 Unnamed,
		"GET /subjects/{s}?wait=1":            "GET /subjects/swait=1",
		"東京 façade":                           "東京 façade",
		"a\tb\nc\\d\x00\xff":                  "abcd",
		strings.Repeat("é", 300):              strings.Repeat("é", 200),
		strings.Repeat("(", 500) + "x":        "x",
		"_.:/%&#=+-@ azAZ09":                  "_.:/%&#=+-@ azAZ09",
		strings.Repeat("a", 200):              strings.Repeat("a", 200),
		strings.Repeat("a", 150) + "é" + "(ü": strings.Repeat("a", 150) + "éü",
	} {
		if got := Name(in); got != want {
			t.Errorf("%.40q: %.40q, want %.40q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"event_type": "event_type", "cloudevents.event-id": "cloudevents_event_id", "é": "_", "": "", strings.Repeat("a", 600): strings.Repeat("a", 500),
		"a\x80b": "a_b",
	} {
		if got := AnnotationKey(in); got != want {
			t.Errorf("%.40q: %.40q, want %.40q", in, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	d := Document{
		Name: "a?", User: strings.Repeat("u", 300),
		HTTP:        &HTTP{Request: Request{URL: strings.Repeat("é", 300)}},
		Annotations: []Attribute{{"a.b", String("first")}, {"a-b", String("last")}, {"list", JSON([]byte("[1]"))}, {"null", Value{}}, {"", Int(1)}, {"long", String(strings.Repeat("x", 2000))}},
		Subsegments: []Document{{Name: "("}},
		Links:       make([]Link, 30),
		Cause:       &Cause{Exceptions: []Exception{{Message: strings.Repeat("m", 1<<20), Type: strings.Repeat("t", 300)}}},
	}
	for i := range 100 {
		d.Annotations = append(d.Annotations, Attribute{fmt.Sprint("k", i), Int(int64(i))})
	}
	d.Clean()
	if d.Name != "a" || d.Subsegments[0].Name != Unnamed || len(d.User) != 250 || d.HTTP.Request.URL != strings.Repeat("é", 250) || len(d.Links) != MaxLinks || len(d.Annotations) != MaxAnnotations {
		t.Errorf("%+v", d)
	}
	if e := d.Cause.Exceptions[0]; len(e.Message) != MaxMessage || len(e.Type) != MaxString {
		t.Errorf("exception of %d and %d characters", len(e.Type), len(e.Message))
	}
	if v, ok := d.Annotation("a_b"); !ok || v != String("last") {
		t.Errorf("of two annotations with one key, %v stays", v)
	}
	if v, _ := d.Annotation("long"); len(v.String()) != MaxAnnotationValue {
		t.Errorf("a long annotation has %d characters", len(v.String()))
	}
	for _, key := range []string{"list", "null", ""} {
		if v, ok := d.Annotation(key); ok {
			t.Errorf("annotation %q: %v", key, v)
		}
	}
	d.Annotate("a_b", Int(5))
	d.Annotate("new", Int(6))
	if v, _ := d.Annotation("a_b"); v != Int(5) || len(d.Annotations) != MaxAnnotations+1 {
		t.Errorf("Annotate: %v, %d annotations", v, len(d.Annotations))
	}
}

func TestDatagrams(t *testing.T) {
	d := consumer()
	datagram := AppendDatagram(nil, &d)
	if !strings.HasPrefix(string(datagram), "{\"format\": \"json\", \"version\": 1}\n{\"trace_id\"") {
		t.Errorf("%.60s", datagram)
	}
	body, err := ParseDatagram(datagram)
	if err != nil || string(body) != string(d.AppendJSON(nil)) {
		t.Errorf("%v: %s", err, body)
	}
	for text, want := range map[string]string{
		"{\"version\":1,\"format\":\"json\"}\r\n{}":        "{}", // other SDKs write it their way
		"{\"format\": \"json\", \"version\": 1}\nanything": "anything",
		"{\"format\": \"json\", \"version\": 1}\n{\n}":     "{\n}",
	} {
		if body, err := ParseDatagram([]byte(text)); err != nil || string(body) != want {
			t.Errorf("%q: %q, %v", text, body, err)
		}
	}
	for text, want := range map[string]string{
		"":   "no header line",
		"{}": "no header line",
		"{\"format\": \"json\", \"version\": 1}\n \n": "no document",
		"{}\n{}": "header: format \"\", version 0",
		"{\"format\": \"json\", \"version\": 2}\n{}": "header: format \"json\", version 2",
		"{\"format\": \"xml\", \"version\": 1}\n{}":  "header: format \"xml\"",
		"\n{}":                      "header: the text ends",
		"[]\n{}":                    "header: no JSON object",
		"GET / HTTP/1.1\r\nHost: x": "header: 'G'",
	} {
		if body, err := ParseDatagram([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %s", text, body, err, want)
		}
	}
}

func TestFit(t *testing.T) {
	stack := make([]Frame, 400)
	for i := range stack {
		stack[i] = Frame{Path: "lambdas/services/fulfilment/fulfilment.go", Line: i + 1, Label: "Workflow.Step"}
	}
	fat := func(metadata, frames, calls int) Document {
		d := consumer()
		d.Metadata = []Namespace{{"default", []Attribute{{"blob", String(strings.Repeat("m", metadata))}}}}
		d.Cause = &Cause{Exceptions: []Exception{{ID: mustID("aaaaaaaaaaaaaaab"), Message: "boom", Stack: stack[:frames]}}}
		for i := range calls {
			d.Subsegments = append(d.Subsegments, Document{ID: ID{1, byte(i >> 8), byte(i)}, Name: "Events", Namespace: NamespaceAWS, Start: d.Start, End: d.End,
				AWS: &AWS{Operation: "PutEvents", ResourceNames: []string{strings.Repeat("b", 100)}}})
		}
		return d
	}
	for _, test := range []struct {
		name                 string
		doc                  Document
		metadata, stack, one bool // what stays
	}{
		{"a document that fits stays as it is", fat(100, 10, 0), true, true, true},
		{"metadata goes first", fat(SafeSize, 10, 0), false, true, true},
		{"then stacks", fat(SafeSize, 400, 100), false, false, true},
		{"then subsegments go by themselves", fat(SafeSize, 400, 900), false, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := string(test.doc.AppendJSON(nil))
			docs, err := test.doc.Fit(SafeSize)
			if err != nil {
				t.Fatal(err)
			}
			if before != string(test.doc.AppendJSON(nil)) {
				t.Error("Fit has changed the document")
			}
			head := docs[0]
			if got := len(head.Metadata) == 1 && head.Metadata[0].Name == "default"; got != test.metadata {
				t.Errorf("metadata %v", head.Metadata)
			}
			if e := head.Cause.Exceptions[0]; (len(e.Stack) > 0) != test.stack || len(e.Stack)+e.Truncated != len(test.doc.Cause.Exceptions[0].Stack) {
				t.Errorf("%d frames, %d truncated", len(e.Stack), e.Truncated)
			}
			if (len(docs) == 1) != test.one {
				t.Errorf("%d documents", len(docs))
			}
			var ids []ID
			for i, doc := range docs {
				if n := len(doc.AppendJSON(nil)); n > SafeSize {
					t.Errorf("document %d has %d bytes", i, n)
				}
				if err := doc.Validate(); err != nil {
					t.Error(err)
				}
				if i > 0 {
					ids = append(ids, doc.ID)
					if doc.ParentID != head.ID || doc.TraceID != head.TraceID || !doc.IsSubsegment() {
						t.Errorf("document %d is not of its segment: %+v", i, doc)
					}
				}
			}
			for i := len(head.Subsegments) - 1; i >= 0; i-- {
				ids = append([]ID{head.Subsegments[i].ID}, ids...)
			}
			if len(ids) != len(test.doc.Subsegments) {
				t.Fatalf("%d subsegments of %d", len(ids), len(test.doc.Subsegments))
			}
			for i := range ids {
				if ids[i] != test.doc.Subsegments[i].ID {
					t.Fatalf("subsegment %d is out of order", i)
				}
			}
		})
	}
	large := fat(0, 0, 0)
	large.Cause.Exceptions[0].Message = strings.Repeat("x", MaxSize)
	if docs, err := large.Fit(SafeSize); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a message of 64 kB: %d documents, %v", len(docs), err)
	}
}

func BenchmarkParseDatagram(b *testing.B) {
	d := consumer()
	datagram := AppendDatagram(nil, &d)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseDatagram(datagram); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHopID(b *testing.B) {
	trace, parent := mustTrace("1-5759e988-bd862e3fe1be46a994272793"), mustID("53995c3f42cd8ad8")
	b.ReportAllocs()
	for b.Loop() {
		HopID(trace, parent, OriginQueue, "arvo-requests")
	}
}
