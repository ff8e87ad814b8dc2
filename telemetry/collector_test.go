package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/telemetry"
	"example.com/arvo/telemetry/segment"
)

// A span is what a collector is sent of one.
type span struct {
	TraceID      string `json:"traceId"`
	SpanID       string `json:"spanId"`
	ParentSpanID string `json:"parentSpanId"`
	Name         string `json:"name"`
	Kind         int    `json:"kind"`
	Start        string `json:"startTimeUnixNano"`
	End          string `json:"endTimeUnixNano"`
	Flags        int    `json:"flags"`
	Attributes   []struct {
		Key   string
		Value struct {
			StringValue *string
			BoolValue   *bool
			IntValue    *string
			DoubleValue *float64
			ArrayValue  *struct {
				Values []struct{ StringValue string }
			}
		}
	} `json:"attributes"`
	Links  []struct{ TraceID, SpanID string } `json:"links"`
	Status struct {
		Code    int
		Message string
	} `json:"status"`
}

// values are the attributes as JSON has them.
func (s span) values() map[string]any {
	m := make(map[string]any)
	for _, a := range s.Attributes {
		v := a.Value
		switch {
		case v.StringValue != nil:
			m[a.Key] = *v.StringValue
		case v.BoolValue != nil:
			m[a.Key] = *v.BoolValue
		case v.IntValue != nil:
			m[a.Key] = json.Number(*v.IntValue)
		case v.DoubleValue != nil:
			m[a.Key] = *v.DoubleValue
		case v.ArrayValue != nil:
			var list []any
			for _, x := range v.ArrayValue.Values {
				list = append(list, x.StringValue)
			}
			m[a.Key] = list
		}
	}
	return m
}

// A receiver is a collector that keeps what it is sent.
type receiver struct {
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	spans    []span
	resource map[string]any
	status   int
}

func newReceiver(t testing.TB) (*receiver, string) {
	r := &receiver{status: http.StatusOK}
	s := httptest.NewServer(r)
	t.Cleanup(func() {
		s.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return r, s.URL
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	b, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var in struct {
		ResourceSpans []struct {
			Resource   span
			ScopeSpans []struct {
				Scope struct{ Name, Version string }
				Spans []span
			}
		}
	}
	if err := json.Unmarshal(b, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.bodies = append(r.requests, request), append(r.bodies, string(b))
	for _, rs := range in.ResourceSpans {
		r.resource = rs.Resource.values()
		for _, ss := range rs.ScopeSpans {
			r.spans = append(r.spans, ss.Spans...)
		}
	}
	w.WriteHeader(r.status)
}

func (r *receiver) named(t *testing.T, name string) span {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, s := range r.spans {
		if s.Name == name {
			return s
		}
		names = append(names, s.Name)
	}
	t.Fatalf("there is no span %s; there are %q", name, names)
	return span{}
}

func TestACollectorHearsOfAllOnceAnInvocation(t *testing.T) {
	r, url := newReceiver(t)
	h := &host{world: newWorld(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": url + "/", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, tenant = one", "OTEL_EXPORTER_OTLP_TIMEOUT": "5000", "OTEL_SERVICE_NAME": "federated",
	})}
	h.service = h.Handler(newCharge(nil))
	if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, true)))); err != nil {
		t.Fatal(err)
	}
	for _, d := range h.sent() {
		if b := string(d.AppendJSON(nil)); strings.Contains(b, "consumable") || strings.Contains(b, "emittables") {
			t.Errorf("a document has what is for a collector: %s", b)
		}
	}
	if len(r.requests) != 1 || r.requests[0].URL.Path != "/v1/traces" || r.requests[0].Header.Get("Api-Key") != "a b" || r.requests[0].Header.Get("Tenant") != "one" || r.requests[0].Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d requests", len(r.requests))
	}
	if strings.Contains(r.bodies[0], "secret") {
		t.Error("access control has left")
	}
	bus, queue, message := r.named(t, "arvo-bus"), r.named(t, "arvo-requests"), r.named(t, "process arvo-requests")
	service, invocation, send := r.named(t, "Handler<#/payment/charge>"), r.named(t, "batch arvo-requests"), r.named(t, "send arvo-bus")
	if len(r.spans) != 6 {
		t.Errorf("%d spans", len(r.spans))
	}
	for child, parent := range map[*span]span{&queue: bus, &message: queue, &service: message, &send: message} {
		if child.ParentSpanID != parent.SpanID || child.TraceID != theTrace {
			t.Errorf("%s is beneath %s in %s, not %s", child.Name, child.ParentSpanID, child.TraceID, parent.Name)
		}
	}
	if message.Kind != 5 || service.Kind != 5 || send.Kind != 4 || invocation.Kind != 2 || len(message.Start) != 19 || message.Start > message.End {
		t.Errorf("kinds %d %d %d %d, from %s to %s", message.Kind, service.Kind, send.Kind, invocation.Kind, message.Start, message.End)
	}
	if len(message.Links) != 1 || message.Links[0].SpanID != invocation.SpanID {
		t.Errorf("links %v", message.Links)
	}
	if r.resource["service.name"] != "federated" || r.resource["faas.name"] != "arvo-federated_handler" || r.resource["cloud.platform"] != "aws_lambda" || r.resource["faas.max_memory"] != json.Number("268435456") {
		t.Errorf("resource %v", r.resource)
	}
}

func TestACollectorThatFailsFailsNothing(t *testing.T) {
	r, url := newReceiver(t)
	r.status = http.StatusServiceUnavailable
	for _, endpoint := range []string{url, "http://127.0.0.1:1"} {
		w := newWorld(t, map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint})
		f := w.Lambda(handlerFunc(func(context.Context, []byte) ([]byte, error) { return []byte("done"), nil }))
		if out, err := f.Invoke(invocationContext(t, theHeader, time.Minute), nil); string(out) != "done" || err != nil {
			t.Errorf("%s: %s, %v", endpoint, out, err)
		}
	}
	if len(r.requests) != 1 || r.requests[0].URL.Path != "/" { // an endpoint of traces is taken as it is
		t.Errorf("%d requests", len(r.requests))
	}
}

func TestAnEnvironmentThatCannotBeIsAnError(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"ARVO_TRACE_HOPS", "yes", `telemetry: ARVO_TRACE_HOPS is "yes"; segments or off is due`},
		{"AWS_XRAY_DAEMON_ADDRESS", "nowhere", `telemetry: AWS_XRAY_DAEMON_ADDRESS "nowhere"`},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "127.0.0.1:4318", `telemetry: OTEL_EXPORTER_OTLP_ENDPOINT is "127.0.0.1:4318"`},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://x", `telemetry: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is "ftp://x"`},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "soon", `telemetry: OTEL_EXPORTER_OTLP_TIMEOUT is "soon"`},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", `telemetry: OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"`},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=b,the-key", `telemetry: OTEL_EXPORTER_OTLP_HEADERS: header 2 of the list is not`},
	} {
		env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", c.name: c.value}
		_, err := telemetry.Setup(t.Context(), telemetry.Config{Getenv: func(name string) string { return env[name] }, Out: io.Discard})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s=%s: %v", c.name, c.value, err)
		}
	}
}

// A redirect is not followed: it would take the key along.
func TestACollectorThatSendsElsewhereIsNotFollowed(t *testing.T) {
	elsewhere, url := newReceiver(t)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect} {
		moved := httptest.NewServer(http.RedirectHandler(url, status))
		w := newWorld(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": moved.URL, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=k"})
		f := w.Lambda(handlerFunc(func(context.Context, []byte) ([]byte, error) { return nil, nil }))
		if _, err := f.Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
			t.Error(err)
		}
		moved.Close()
	}
	if n := len(elsewhere.requests); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// What waits for a collector has a bound, whatever a library writes into its spans; that spans were dropped is told.
func TestWhatWaitsForACollectorIsBounded(t *testing.T) {
	r, url := newReceiver(t)
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	w := newWorld(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url})
	library, large := w.TracerProvider().Tracer("library"), strings.Repeat("x", 512<<10)
	f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		for range 20 {
			_, s := library.Start(ctx, "large", trace.WithAttributes(attribute.String("text", large)))
			s.End()
		}
		return nil, nil
	}))
	if _, err := f.Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	w.sent()
	if n, most := len(r.bodies[0]), 4<<20+len(large)+10_000; len(r.bodies) != 1 || n < 4<<20 || n > most {
		t.Errorf("%d requests, the first has %d bytes, at most %d", len(r.bodies), n, most)
	}
	if dropped := 21 - len(r.spans); dropped < 10 || !strings.Contains(log.String(), fmt.Sprintf("%d spans were too many to keep", dropped)) {
		t.Errorf("of 21 spans, %d have arrived; the log has %s", len(r.spans), log.String())
	}
}

// An invocation is linked to as many messages as X-Ray takes, and each message to its invocation.
func TestAnInvocationHasABoundedNumberOfLinks(t *testing.T) {
	r, url := newReceiver(t)
	h := &host{world: newWorld(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url})}
	h.service = h.Handler(newCharge(nil))
	var messages []events.SQSMessage
	for i := range segment.MaxLinks + 10 {
		messages = append(messages, record(t, fmt.Sprint("m-", i), request(t, fmt.Sprint("e-", i), `{"amount":1}`, true)))
	}
	if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, messages...)); err != nil {
		t.Fatal(err)
	}
	h.sent()
	linked := 0
	for _, s := range r.spans {
		if s.Name == "process arvo-requests" && len(s.Links) == 1 {
			linked++
		}
	}
	if n := len(r.named(t, "batch arvo-requests").Links); n != segment.MaxLinks || linked != len(messages) {
		t.Errorf("the invocation has %d links, and %d of %d messages one to it", n, linked, len(messages))
	}
}

// Spans of no invocation, as of a start-up, wait for the next one, or for the end.
func TestShutdownSendsWhatWaits(t *testing.T) {
	r, url := newReceiver(t)
	env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url}
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Getenv: func(name string) string { return env[name] }, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	_, s := tel.TracerProvider().Tracer("library").Start(t.Context(), "start-up")
	s.End()
	if len(r.requests) != 0 {
		t.Fatal("it did not wait")
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.named(t, "start-up")
}
