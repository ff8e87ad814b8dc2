package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/gateway"
	"example.com/arvo/lambdas/local/watch"
	"example.com/arvo/lambdas/local/watch/native"
	"example.com/arvo/lambdas/local/watch/sampling"
	"example.com/arvo/lambdas/local/watch/xray"
	"example.com/arvo/lambdas/local/wire"
	"example.com/arvo/telemetry/segment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// groups are log groups for tests.
type groups map[string][]function.Line

func (g groups) LogGroups() []string {
	var names []string
	for name := range g {
		names = append(names, name)
	}
	return names
}

func (g groups) Logs(name string, since time.Time, yield func(function.Line) bool) {
	for _, line := range g[name] {
		if !line.Time.Before(since) && !yield(line) {
			return
		}
	}
}

// start runs a Service and an endpoint with its APIs.
func start(t testing.TB, o watch.Options, source groups) (*watch.Service, string) {
	t.Helper()
	if o.Daemon == "" {
		o.Daemon = "127.0.0.1:0"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := watch.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	mux := new(wire.Mux)
	s.Register(mux, source)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s, server.URL
}

// send leaves documents at the daemon's UDP port.
func send(t testing.TB, s *watch.Service, docs ...string) {
	t.Helper()
	conn, err := net.Dial("udp", s.DaemonAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, doc := range docs {
		if _, err := conn.Write([]byte(segment.Header + doc)); err != nil {
			t.Fatal(err)
		}
	}
}

// call asks an operation of X-Ray's API and decodes the answer. It uses no connection twice: each test leaves none behind.
func call(t testing.TB, url, path, body string, into any) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Post(url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v: %s", path, err, text)
	}
	return res.StatusCode
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to be that %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func doc(trace, id, parent, name, more string) string {
	p := ""
	if parent != "" {
		p = fmt.Sprintf(`"parent_id":%q,`, parent)
	}
	return fmt.Sprintf(`{"trace_id":%q,"id":%q,%s"name":%q,"start_time":1700000000.5,"end_time":1700000001.25%s}`, trace, id, p, name, more)
}

const trace = "1-65000000-000000000000000000000001"

// What a function leaves at the daemon's port is in the next answers: documents, search, map.
func TestFromDatagramToAnswer(t *testing.T) {
	s, url := start(t, watch.Options{}, nil)
	send(t, s,
		doc(trace, "0000000000000001", "", "api_lambda", `,"origin":"AWS::Lambda::Function","annotations":{"subject":"s-1"},"subsegments":[{"id":"0000000000000002","name":"DynamoDB","namespace":"aws","start_time":1700000000.6,"end_time":1700000000.7,"aws":{"table_name":"orders"}}]`),
		"not a document", doc("rubbish", "1", "", "x", ""))
	eventually(t, "three datagrams are looked at", func() bool { st := s.Stats(); return st.Traces.Documents+st.Daemon.Rejected == 3 })
	if st := s.Stats(); st.Traces.Documents != 1 || st.Daemon.Rejected != 2 || st.Daemon.Lost() != 0 {
		t.Errorf("%+v", st)
	}
	var summaries struct {
		TraceSummaries []struct {
			ID string `json:"Id"`
		}
	}
	if status := call(t, url, "/TraceSummaries", `{"StartTime":1699999999,"EndTime":1700000009,"FilterExpression":"annotation.subject = \"s-1\" AND service(\"orders\")"}`, &summaries); status != 200 || len(summaries.TraceSummaries) != 1 || summaries.TraceSummaries[0].ID != trace {
		t.Errorf("%d %+v", status, summaries)
	}
	var graph struct{ Services []struct{ Name, Type string } }
	call(t, url, "/TraceGraph", fmt.Sprintf(`{"TraceIds":[%q]}`, trace), &graph)
	if got, want := fmt.Sprint(graph), "{[{orders AWS::DynamoDB::Table} {api_lambda AWS::Lambda::Function} {api_lambda client}]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// SDKs ask the daemon for sampling rules, at its TCP port.
	var rules struct{ SamplingRuleRecords []any }
	if status := call(t, "http://"+s.DaemonAddress(), "/GetSamplingRules", `{}`, &rules); status != 200 || len(rules.SamplingRuleRecords) != 1 {
		t.Errorf("%d %+v", status, rules)
	}
}

// A request through a stage and a function: what they tell of it becomes one trace with what the function sent.
func TestAWSsOwnSegments(t *testing.T) {
	s, url := start(t, watch.Options{}, nil)
	at := time.Unix(1700000000, 0)
	s.Stage(native.API{ID: "x", URL: "http://127.0.0.1:3000"}, gateway.AccessRecord{
		Time: at, API: "arvo", Stage: "live", Method: "POST", Path: "/events", Status: 202, Latency: 20, IntegrationLatency: 15,
		Function: "api_lambda", TraceID: trace, SegmentID: "00000000000000a2", Sampled: true,
	})
	s.Invocation(function.Invocation{
		Function: "api_lambda", ARN: "arn:aws:lambda:us-east-1:000000000000:function:api_lambda", Root: trace, Parent: "00000000000000a2",
		SegmentID: "00000000000000b1", FunctionSegmentID: "00000000000000c1", Sampled: true, Arrived: at, Started: at, Duration: 10 * time.Millisecond,
	})
	send(t, s, doc(trace, "00000000000000d1", "00000000000000c1", "accept", `,"type":"subsegment"`))
	eventually(t, "four documents are kept", func() bool { return s.Stats().Traces.Documents == 4 })
	var graph struct {
		Services []struct {
			Name, Type string
			Edges      []any
		}
	}
	call(t, url, "/ServiceGraph", `{"StartTime":1699999999,"EndTime":1700000009}`, &graph)
	var got []string
	for _, n := range graph.Services {
		got = append(got, fmt.Sprintf("%s %s %d", n.Type, n.Name, len(n.Edges)))
	}
	want := []string{"AWS::ApiGateway::Stage arvo/live 1", "AWS::Lambda api_lambda 1", "AWS::Lambda::Function api_lambda 0", "client arvo/live 1"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestStart(t *testing.T) {
	for want, o := range map[string]watch.Options{
		"not one of loopback":     {Daemon: "0.0.0.0:0"},
		"group bad: filter":       {Daemon: "127.0.0.1:0", Groups: []xray.Group{{Name: "bad", Expression: "("}}},
		"rule bad: a rate of -1 ": {Daemon: "127.0.0.1:0", Rules: []sampling.Rule{{Name: "bad", FixedRate: -1}}},
	} {
		if _, err := watch.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// The figures of the project: no document is lost at 1,000 subjects a second of eight documents each.
func BenchmarkSubjects(b *testing.B) {
	s, _ := start(b, watch.Options{}, nil)
	conn, err := net.Dial("udp", s.DaemonAddress())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	more := fmt.Sprintf(`,"origin":"AWS::Lambda::Function","aws":{"function_arn":"arn:aws:lambda:us-east-1:000000000000:function:x","account_id":"000000000000"},"annotations":{"subject":"s","event_type":"com.payment.charge"},"metadata":{"x":{"y":%q}}`, strings.Repeat("y", 300))
	begun := time.Now()
	subject := func(n int) {
		for i := range 8 {
			if _, err := conn.Write([]byte(segment.Header + doc(fmt.Sprintf("1-65000000-%024x", n+1), fmt.Sprintf("%016x", i+1), "", "n", more))); err != nil {
				b.Fatal(err)
			}
		}
	}
	sent := 0
	for b.Loop() {
		// 1,000 a second, in clumps of 20 milliseconds: what is late is made up for at once.
		for due := int(time.Since(begun).Seconds() * 1000); sent >= due; due = int(time.Since(begun).Seconds() * 1000) {
			time.Sleep(20 * time.Millisecond)
		}
		subject(sent)
		sent++
	}
	eventually(b, "all have been read", func() bool {
		st := s.Stats()
		return st.Traces.Documents+st.Daemon.Rejected+st.Daemon.Lost() >= uint64(8*sent)
	})
	b.ReportMetric(float64(s.Stats().Daemon.Lost()), "lost")
	b.ReportMetric(float64(sent)/time.Since(begun).Seconds(), "subjects/s")
}

func ExampleService() {
	s, err := watch.Start(context.Background(), watch.Options{Daemon: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := new(wire.Mux)
	s.Register(mux, groups{})
	s.Invocation(function.Invocation{
		Function: "orders", Root: trace, SegmentID: "00000000000000b1", FunctionSegmentID: "00000000000000c1", Sampled: true,
		Arrived: time.Unix(1700000000, 0), Started: time.Unix(1700000000, 0), Duration: 40 * time.Millisecond, FunctionError: "Unhandled", ErrorType: "Runtime.ExitError",
	})

	ask := httptest.NewRequest("POST", "/TraceSummaries", strings.NewReader(`{"StartTime":1700000000,"EndTime":1700000060,"FilterExpression":"service(\"orders\") { fault AND responsetime < 1 }"}`))
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, ask)
	var answer struct {
		TraceSummaries []struct {
			ID       string `json:"Id"`
			Duration float64
			HasFault bool
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		fmt.Println(err)
	}
	fmt.Println(answer)
	fmt.Println(s.Close(context.Background()))
	// Output:
	// {[{1-65000000-000000000000000000000001 0.04 true}]}
	// <nil>
}
