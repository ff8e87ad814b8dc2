package mapping

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"example.com/arvo/lambdas/local/queue"
)

// FuzzFailures reads hostile answers of functions: what is read as partial failures names messages of the batch only.
func FuzzFailures(f *testing.F) {
	for _, s := range []string{
		`{"batchItemFailures":[{"itemIdentifier":"a"}]}`, `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}`,
		`null`, ``, `[]`, `{"batchItemFailures":{}}`, `{"batchItemFailures":[null]}`, `{"BATCHITEMFAILURES":[{"itemIdentifier":"a"}]}`,
	} {
		f.Add([]byte(s))
	}
	batch := []record{{message: queue.Received{ID: "a"}}, {message: queue.Received{ID: "b"}}}
	f.Fuzz(func(t *testing.T, answer []byte) {
		ids, ok := failures(answer, batch)
		if !ok && ids != nil {
			t.Fatalf("%q fails the batch and names %v", answer, ids)
		}
		for id := range ids {
			if id != "a" && id != "b" {
				t.Fatalf("%q names %q", answer, id)
			}
		}
	})
}

// FuzzFilter compiles hostile filters and matches hostile bodies.
func FuzzFilter(f *testing.F) {
	f.Add(`{"body":{"a":[1]}}`, `{"a":1}`)
	f.Add(`{"$or":[{"body":["x"]},{"body":[{"prefix":"y"}]}]}`, `y`)
	f.Add(`{"body.a":[{"exists":false}]}`, `[`)
	f.Add(`{}`, ``)
	f.Fuzz(func(t *testing.T, pattern, body string) {
		flt, err := compileFilter([]string{pattern})
		if err != nil {
			return
		}
		if p := flt[0]; p.form != "" && p.form != formJSON && p.form != formText {
			t.Fatalf("%q is about %q", pattern, p.form)
		}
		flt.passes(body)
	})
}

// FuzzRecord makes records of whatever a message can hold, and reads them back.
func FuzzRecord(f *testing.F) {
	f.Add("body <&>\u2028", "name", "value", "Root=1-0-0")
	f.Fuzz(func(t *testing.T, body, name, value, trace string) {
		for _, s := range []string{body, name, value, trace} {
			if !utf8.ValidString(s) {
				t.Skip("a queue has no such text")
			}
		}
		m := queue.Received{ID: "id", Body: body, TraceHeader: trace, Sent: time.UnixMilli(1), FirstReceived: time.UnixMilli(2), ReceiveCount: 3,
			MessageAttributes: map[string]queue.Attribute{name: {DataType: "String", StringValue: value}}}
		r := newRecord(m, time.Time{}, "arn", "us-east-1")
		var got struct {
			Body              string                    `json:"body"`
			Attributes        map[string]string         `json:"attributes"`
			MessageAttributes map[string]map[string]any `json:"messageAttributes"`
		}
		if err := json.Unmarshal(r.json, &got); err != nil {
			t.Fatalf("%s: %v", r.json, err)
		}
		if got.Body != body || got.Attributes["AWSTraceHeader"] != trace || got.MessageAttributes[name]["stringValue"] != value {
			t.Fatalf("%s", r.json)
		}
		if len(got.Attributes) != 4 && trace == "" {
			t.Fatalf("attributes %v", got.Attributes)
		}
	})
}
