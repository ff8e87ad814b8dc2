package main

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAsk(t *testing.T) {
	const trace = "1-386d4380-000000000000000000000001"
	own, none, broken := subjectOn("com.payment.charge", trace), subjectOn("com.payment.charge", ""), subjectOn("com.payment.charge", "no trace id")
	path := func(subject string) string {
		return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(subject), "=")
	}
	for _, test := range []struct {
		name, argument string
		trace          string
		subjects       []string
	}{
		{"a trace id of X-Ray", trace, trace, nil},
		{"a trace id of W3C", strings.ReplaceAll(trace, "-", "")[1:], trace, nil},
		{"a trace id in capitals", strings.ToUpper(trace), trace, nil},
		{"the header X-Amzn-Trace-Id", "Root=" + trace + ";Parent=53995c3f42cd8ad8;Sampled=1", trace, nil},
		{"the header with its name", "X-Amzn-Trace-Id: Self=1-00000000-000000000000000000000009;Root=" + trace, trace, nil},
		{"a traceparent", "00-386d4380000000000000000000000001-53995c3f42cd8ad8-01", trace, nil},
		{"a traceparent with its name", "traceparent: 00-386d4380000000000000000000000001-53995c3f42cd8ad8-00", trace, nil},
		{"white space around it", "  " + trace + "\n", trace, nil},
		{"a subject that names its trace", own, trace, []string{own}},
		{"a subject without padding, in the other alphabet", path(own), trace, []string{own, path(own)}},
		{"a subject that names no trace", none, "", []string{none}},
		{"a subject that names what is no trace", broken, "", []string{broken}},
		{"a link as the API answers", "https://x.execute-api.us-east-1.amazonaws.com/live/subjects/" + path(own), trace,
			[]string{own, path(own), "https://x.execute-api.us-east-1.amazonaws.com/live/subjects/" + path(own)}},
		{"a path as Location has it, with a query", "/subjects/" + path(own) + "?wait=3", trace, []string{own, path(own), "/subjects/" + path(own) + "?wait=3"}},
		{"a link with the subject as a query", "/subjects?subject=" + url.QueryEscape(own), trace, []string{own, "/subjects?subject=" + url.QueryEscape(own)}},
		{"a query that was not escaped", "/subjects?subject=" + own, trace, []string{own, "/subjects?subject=" + own}},
		{"a link to a foreign subject", "http://127.0.0.1:3000/subjects/order%201", "", []string{"order 1", "http://127.0.0.1:3000/subjects/order%201"}},
		{"a link to the console", "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#xray:traces/" + trace, trace, nil},
		{"any other text", "order-1", "", []string{"order-1"}},
		{"an address that is a subject", "https://example.com/orders/1", "", []string{"https://example.com/orders/1"}},
		{"base64 of something else", base64.StdEncoding.EncodeToString([]byte("hello")), "", []string{"aGVsbG8="}},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, err := ask(test.argument)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if !q.trace.IsZero() {
				got = q.trace.String()
			}
			if got != test.trace {
				t.Errorf("trace %q, want %q", got, test.trace)
			}
			if diff := cmp.Diff(test.subjects, q.subjects); diff != "" {
				t.Errorf("subjects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRubbishIsRefused(t *testing.T) {
	own := subjectOn("com.payment.charge", "")
	for _, test := range []struct{ name, argument, want string }{
		{"nothing", "", "the subject is empty"},
		{"white space", " \n", "the subject is empty"},
		{"no letter and no digit", "***", `"***" is neither a subject nor a trace id`},
		{"bytes that are no text", "a\xff", "is neither a subject nor a trace id"},
		{"a short trace id", "1-386d4380-0000", "names no trace: a trace id is 1-8 hexadecimal digits-24"},
		{"a trace id of zeros", "00000000000000000000000000000000", "a trace id is not all zeros"},
		{"a header without a root", "Root=;Parent=53995c3f42cd8ad8", "names no trace: Root=1-8 hexadecimal digits"},
		{"a traceparent of zeros", "00-00000000000000000000000000000000-53995c3f42cd8ad8-01", "names no trace: a traceparent is"},
		{"half of a subject", own[:len(own)/2], "looks like a subject of which a part is missing"},
		{"a link with half of a subject", "http://127.0.0.1:3000/subjects/" + own[:20], "looks like a subject of which a part is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, err := ask(test.argument)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; it asks for %q", err, q.subjects)
			}
		})
	}
}

func FuzzAsk(f *testing.F) {
	f.Add(subjectOn("com.payment.charge", "1-386d4380-000000000000000000000001"))
	f.Add("/subjects/%zz?")
	f.Add("#xray:traces/1-")
	f.Fuzz(func(t *testing.T, argument string) {
		q, err := ask(argument)
		if err != nil {
			return
		}
		if q.trace.IsZero() && q.subject() == "" {
			t.Fatalf("%q asks for nothing", argument)
		}
		if e := q.expression(); strings.ContainsFunc(e, hidden) && strings.ContainsAny(e, "\n\r\x00") {
			t.Fatalf("%q makes the expression %q", argument, e)
		}
	})
}
