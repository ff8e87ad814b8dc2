package native_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/gateway"
	"example.com/arvo/lambdas/local/watch/native"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	env = native.Environment{Region: "us-east-1", Account: "000000000000"}
	api = native.API{ID: "abc123", URL: "http://127.0.0.1:3000"}
	at  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

const root = "1-69230000-0123456789abcdef01234567"

func record(change func(*gateway.AccessRecord)) gateway.AccessRecord {
	r := gateway.AccessRecord{
		Time: at, API: "arvo", Stage: "live", RequestID: "11111111-2222-3333-4444-555555555555", ExtendedRequestID: "J0GBkHklIAMF8qA=",
		Method: "POST", Path: "/events", SourceIP: "127.0.0.1", UserAgent: "curl/8", Status: 202, ResponseLength: 155,
		Latency: 12.5, IntegrationLatency: 10, Function: "arvo-api_lambda", TraceID: root, SegmentID: "23a449852a482e1d", Sampled: true,
	}
	if change != nil {
		change(&r)
	}
	return r
}

func invocation(change func(*function.Invocation)) function.Invocation {
	i := function.Invocation{
		Function: "arvo-api_lambda", ARN: "arn:aws:lambda:us-east-1:000000000000:function:arvo-api_lambda", RequestID: "63ea79ab-e338-4c12-a534-91a2dc43e2b0",
		Root: root, Parent: "23a449852a482e1d", SegmentID: "4174aefb49d05470", FunctionSegmentID: "5640de914527757d", Sampled: true,
		Arrived: at.Add(time.Millisecond), Started: at.Add(2 * time.Millisecond), Duration: 8 * time.Millisecond,
	}
	if change != nil {
		change(&i)
	}
	return i
}

// What AWS adds, as documents. The shapes follow documents that X-Ray returned for the real services.
func TestDocuments(t *testing.T) {
	stage := func(change func(*gateway.AccessRecord)) []segment.Document {
		d, ok := env.Stage(api, record(change))
		if !ok {
			return nil
		}
		return []segment.Document{d}
	}
	invoked := func(change func(*function.Invocation)) []segment.Document { return env.Invocation(invocation(change)) }
	for _, c := range []struct {
		name string
		docs []segment.Document
	}{
		{"stage", stage(nil)},
		{"stage refused by itself", stage(func(r *gateway.AccessRecord) {
			r.Status, r.Function, r.IntegrationLatency, r.Error = 403, "", 0, "MissingAuthenticationTokenException"
		})},
		{"stage throttled", stage(func(r *gateway.AccessRecord) {
			r.Status, r.IntegrationLatency, r.Error = 429, 0, "TooManyRequestsException"
		})},
		{"stage timed out", stage(func(r *gateway.AccessRecord) { r.Status, r.Error = 504, "InternalServerErrorException" })},
		{"stage with a client's parent and a long address", stage(func(r *gateway.AccessRecord) {
			r.ParentID, r.Path = "53995c3f42cd8ad8", "/subjects/"+string(bytes.Repeat([]byte("x"), 300))
		})},
		{"invocation", invoked(func(i *function.Invocation) { i.Responded = at.Add(9 * time.Millisecond) })},
		{"invocation cold", invoked(func(i *function.Invocation) {
			i.Cold, i.InitStarted, i.InitDuration = true, at.Add(-60*time.Millisecond), 50*time.Millisecond
		})},
		{"invocation failed", invoked(func(i *function.Invocation) { i.FunctionError, i.ErrorType = "Unhandled", "Runtime.ExitError" })},
		{"invocation throttled", invoked(func(i *function.Invocation) {
			i.ThrottleCause, i.Started, i.Duration = "ConcurrentInvocationLimitExceeded", time.Time{}, 0
		})},
		{"invocation of a batch", invoked(func(i *function.Invocation) {
			i.Parent = ""
			i.Messages = []string{
				"Root=1-69230001-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1",
				"Root=1-69230001-0123456789abcdef01234567;Parent=53995c3f42cd8ad9;Sampled=1",
				"rubbish", "Root=1-69230002-0123456789abcdef01234567", "",
				"Root=1-69230003-0123456789abcdef01234567;Parent=53995c3f42cd8ad0;Sampled=0;Lineage=a:0",
			}
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got bytes.Buffer
			for _, d := range c.docs {
				if err := d.Validate(); err != nil {
					t.Error(err)
				}
				if err := json.Indent(&got, d.AppendJSON(nil), "", "  "); err != nil {
					t.Fatal(err)
				}
				got.WriteByte('\n')
			}
			golden := filepath.Join("testdata", c.name+".json")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", &got, want)
			}
		})
	}
}

func TestNothingIsRecorded(t *testing.T) {
	for name, change := range map[string]func(*gateway.AccessRecord){
		"of a trace that is not": func(r *gateway.AccessRecord) { r.Sampled = false },
		"without a trace":        func(r *gateway.AccessRecord) { r.TraceID = "" },
		"without an id":          func(r *gateway.AccessRecord) { r.SegmentID = "" },
	} {
		if d, ok := env.Stage(api, record(change)); ok {
			t.Errorf("%s: %+v", name, d)
		}
	}
	for name, change := range map[string]func(*function.Invocation){
		"of a trace that is not": func(i *function.Invocation) { i.Sampled = false },
		"without active tracing": func(i *function.Invocation) { i.SegmentID, i.FunctionSegmentID = "", "" },
		"without a trace":        func(i *function.Invocation) { i.Root = "" },
	} {
		if docs := env.Invocation(invocation(change)); docs != nil {
			t.Errorf("%s: %+v", name, docs)
		}
	}
}

// Stage, Lambda and function make one tree, in which what a function sends beneath its Parent finds its place.
func TestOneTree(t *testing.T) {
	stage, _ := env.Stage(api, record(nil))
	docs := append(env.Invocation(invocation(nil)), stage, segment.Document{
		TraceID: stage.TraceID, ID: segment.ID{1}, ParentID: segment.ID{0x56, 0x40, 0xde, 0x91, 0x45, 0x27, 0x75, 0x7d}, Type: segment.TypeSubsegment,
		Name: "POST /events", Start: stage.Start, End: stage.End,
	})
	tree := tracetree.Build(docs)
	if len(tree.Roots) != 1 {
		t.Fatalf("%d roots", len(tree.Roots))
	}
	var path []string
	for s := tree.Find(stage.TraceID, segment.ID{1}); s != nil; s = s.Parent {
		path = append(path, s.Origin+"/"+s.Name)
	}
	want := []string{"/POST /events", "/Invocation", "AWS::Lambda::Function/arvo-api_lambda", "AWS::Lambda/arvo-api_lambda", "/Lambda", "AWS::ApiGateway::Stage/arvo/live"}
	if !slices.Equal(path, want) {
		t.Errorf("%q\nwant %q", path, want)
	}
}
