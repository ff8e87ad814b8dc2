package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// TestVectors holds the spans of handlers, as a collector is sent them, against those that the original Arvo has recorded.
// See package vectors for where the recordings are found and what the lines say.
//
// What a recording has and we do not, on purpose, is in [unlike] with the reason, and told with -v for each case that has
// it. A case has passed when all that we do make agrees: name, kind, parent, status, each attribute. It is a deviation when there is
// nothing of ours in it, or under other names.
func TestVectors(t *testing.T) {
	files, err := vectors.Files(os.Getenv(vectors.Env))
	if err != nil {
		t.Fatalf("%s: %v", vectors.Env, err)
	}
	for _, f := range files {
		if f.Name != "otel.json" {
			continue // package vectors runs it
		}
		t.Run(f.Path, func(t *testing.T) {
			if err := f.Known(); err != nil {
				t.Fatal(err)
			}
			cases, err := f.Cases("cases")
			if err != nil {
				t.Fatal(err)
			}
			count := &vectors.Count{File: &f}
			for _, c := range cases {
				without, err := compareCase(t, f.Flavor, c)
				count.Add(c.Name, err)
				for _, why := range without {
					t.Logf("%s: without: %s", c.Name, why)
				}
			}
			fmt.Println(count)
			for _, d := range count.Deviations {
				t.Log("deviation: ", d)
			}
			for _, failure := range count.Failures {
				t.Error(failure)
			}
		})
	}
}

// unlike are the ways in which we differ, each with the reason.
var unlike = struct{ factory, logs, subject, v2, creation string }{
	factory:  "making an event makes no span (it takes nanoseconds): the span that sends the event tells of it",
	logs:     "what is logged is no event of a span but a line of the log, with the span's id",
	subject:  "a subject that is no orchestration's is no error: the original records one, also when all went well",
	v2:       "the names are those of v3",
	creation: "traceparent names the span that sends the event, beneath the handler's message, and tracestate its parent: the handler's span is not what the next hop follows",
}

// A recordedSpan is a span as the recorder wrote it down.
type recordedSpan struct {
	Name, Kind      string
	TraceID, SpanID string
	ParentSpanID    *string
	Tracer          struct{ Name, Version string }
	Status          struct{ Code, Message string }
	Attributes      map[string]any
	Events          []struct {
		Name       string
		Attributes map[string]any
	}
}

type recordedCase struct {
	Name     string
	Spans    []recordedSpan
	Output   []map[string]any
	Subjects map[string]any
}

func compareCase(t *testing.T, flavor string, c vectors.Case) (without []string, err error) {
	var k recordedCase
	if err := c.Decode(&k); err != nil {
		return nil, err
	}
	receiver, url := newReceiver(t)
	w := newWorld(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url})
	in, handler, err := caseOf(w, k.Name, flavor)
	if err != nil {
		return nil, err
	}
	out, outer, err := run(t, w, k.Name, in, handler)
	if err != nil {
		return nil, err
	}
	miss := func(why string) {
		if !slices.Contains(without, why) {
			without = append(without, why)
		}
	}
	var recorded *recordedSpan
	for i, s := range k.Spans {
		switch name, _, _ := strings.Cut(s.Name, "<"); {
		case name == "createArvoEvent", strings.Contains(name, "EventFactory"):
			miss(unlike.factory)
		case name == "Handler", name == "ArvoEventHandler", name == "Resumable":
			recorded = &k.Spans[i]
		case s.Name == "outer":
		default:
			return nil, fmt.Errorf("the span %s is not known", s.Name)
		}
	}
	if recorded == nil { // a factory by itself
		if len(receiver.spans) > 0 {
			return nil, fmt.Errorf("%d spans were made", len(receiver.spans))
		}
		return nil, vectors.Deviation(unlike.factory)
	}
	var got *span
	for i, s := range receiver.spans {
		if strings.HasPrefix(s.Name, "Handler<") || strings.HasPrefix(s.Name, "Resumable<") {
			got = &receiver.spans[i]
		}
	}
	if got == nil {
		return nil, errors.New("no span of the handler was made")
	}
	if err := compareSpan(recorded, got, flavor, outer, miss); err != nil {
		return nil, err
	}
	if err := compareOutput(k.Output, out); err != nil {
		return nil, err
	}
	if len(out) > 0 {
		miss(unlike.creation)
	}
	if flavor == "v2" {
		return without, vectors.Deviation(unlike.v2)
	}
	return without, nil
}

// compareSpan compares all that the recording says of a span.
func compareSpan(recorded *recordedSpan, got *span, flavor string, outer trace.SpanContext, miss func(string)) error {
	want := maps.Clone(recorded.Attributes)
	name := recorded.Name
	if flavor == "v2" {
		name, want = inV3(name, want)
	}
	labels := vectors.NewLabels()
	text, err := json.Marshal(got.values())
	if err != nil {
		return err
	}
	labelled, err := labels.JSON(text)
	if err != nil {
		return err
	}
	have, ok := labelled.(map[string]any)
	if !ok {
		return fmt.Errorf("the attributes are %T", labelled)
	}
	for _, own := range []string{"error.type", "arvo.failure"} { // the conventions' and X-Ray's way to say what failed
		delete(have, own)
	}
	if flavor == "v2" { // which has none of these
		for key := range have {
			if strings.HasPrefix(key, "arvo.handler.execution.") || strings.HasSuffix(key, "event_parentid") || strings.HasSuffix(key, "event_domain") {
				delete(have, key)
			}
		}
	}
	if message, ok := want["exception.message"].(string); ok && strings.HasPrefix(message, "Unable to parse the provided subject") {
		miss(unlike.subject)
		// Ours is of the failure, or there is none.
		for _, key := range []string{"exception.type", "exception.message"} {
			if _, is := have[key]; is != (recorded.Status.Code == "ERROR") {
				return fmt.Errorf("%s: is there %v, status %s", key, is, recorded.Status.Code)
			}
			delete(want, key)
			delete(have, key)
		}
	}
	for _, e := range recorded.Events {
		if e.Name == "log" {
			miss(unlike.logs)
		}
	}
	parent := ""
	switch {
	case recorded.ParentSpanID == nil:
	case strings.HasPrefix(*recorded.ParentSpanID, "<"):
		parent = outer.SpanID().String()
	default:
		parent = *recorded.ParentSpanID
	}
	traceID := recorded.TraceID
	if strings.HasPrefix(traceID, "<") {
		traceID = got.TraceID
		if outer.IsValid() {
			traceID = outer.TraceID().String()
		}
	}
	kinds := map[string]int{"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
	codes := map[string]int{"UNSET": 0, "OK": 1, "ERROR": 2}
	type facts struct {
		Name, Trace, Parent string
		Kind, Status        int
		Message             string
		Attributes          map[string]any
	}
	if diff := cmp.Diff(
		facts{name, traceID, parent, kinds[recorded.Kind], codes[recorded.Status.Code], recorded.Status.Message, want},
		facts{got.Name, got.TraceID, got.ParentSpanID, got.Kind, got.Status.Code, got.Status.Message, have},
	); diff != "" {
		return fmt.Errorf("the span differs (-recorded +got):\n%s", diff)
	}
	return nil
}

// inV3 are a span's name and attributes of the line v2 as v3 would call them.
func inV3(name string, attributes map[string]any) (string, map[string]any) {
	out := make(map[string]any)
	for key, v := range attributes {
		key = strings.Replace(strings.Replace(key, "to_process.", "consumable.", 1), "to_emit.", "emittables.", 1)
		if v == "EVENT_HANDLER" {
			v = "handler.simple"
		}
		out[key] = v
	}
	return strings.Replace(name, "ArvoEventHandler", "Handler", 1), out
}

// compareOutput holds the trace context of outputs against the recorded one: the same trace and decision, another span.
func compareOutput(recorded []map[string]any, out []arvo.Event) error {
	if len(recorded) != len(out) {
		return fmt.Errorf("%d events, recorded: %d", len(out), len(recorded))
	}
	for i, ev := range out {
		want, _ := recorded[i]["traceparent"].(string)
		part, got := strings.Split(want, "-"), strings.Split(ev.Traceparent, "-")
		if len(part) != 4 || len(got) != 4 || part[0] != got[0] || part[3] != got[3] || part[1] != got[1] && !strings.HasPrefix(part[1], "<") {
			return fmt.Errorf("traceparent %q, recorded: %q", ev.Traceparent, want)
		}
		state, _ := recorded[i]["tracestate"].(string)
		if _, rest, _ := strings.Cut(ev.Tracestate, ","); !strings.HasPrefix(ev.Tracestate, "arvo=") || rest != state {
			return fmt.Errorf("tracestate %q, recorded: %q", ev.Tracestate, state)
		}
	}
	return nil
}

// run has the event handled, in the way that the case is called after.
func run(t *testing.T, w *world, name string, in arvo.Event, handler arvo.Handler) (out []arvo.Event, outer trace.SpanContext, err error) {
	function := w.Lambda(handlerFunc(func(context.Context, []byte) ([]byte, error) {
		if handler == nil {
			return nil, nil
		}
		ctx := context.Background()
		if strings.Contains(name, "inheritFrom CONTEXT") {
			var s trace.Span
			ctx, s = w.TracerProvider().Tracer("t").Start(ctx, "outer")
			outer = s.SpanContext()
			defer s.End()
		}
		var handled error
		out, handled = w.Handler(handler).Handle(ctx, in)
		var violation *arvo.Violation
		if handled != nil && !errors.As(handled, &violation) {
			return nil, handled
		}
		return nil, nil
	}))
	ctx := invocationContext(t, strings.Replace(batchHeader, "Sampled=1", "Sampled=0", 1), 60_000_000_000)
	_, err = function.Invoke(ctx, nil)
	return out, outer, err
}

const recordedParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// caseOf is what a case handles, as its name says, and by whom; nobody if it is a factory's.
func caseOf(w *world, name, flavor string) (arvo.Event, arvo.Handler, error) {
	event := func(mode, traceparent string) arvo.Event {
		data := `{"name":"Ada","age":36}`
		if mode != "" {
			data = `{"name":"Ada","age":36,"mode":"` + mode + `"}`
		}
		ev, err := arvo.New(arvo.Draft{
			ID: "evt-in", Time: "2025-01-01T00:00:00.000Z", Source: "api.thin.lambda", Type: "com.user.greet", Subject: "order/1",
			DataSchema: "#/test/user/greet/1.0.0", Data: json.RawMessage(data), Traceparent: traceparent,
		})
		if err != nil {
			panic(err) // it is a constant
		}
		if traceparent != "" {
			ev.Tracestate = "k=v"
		}
		return ev
	}
	handler := greeter(flavor)
	switch name {
	case "createArvoEvent":
		return event("", ""), nil, nil
	case "factory accepts":
		v, err := handler.Contract().Version("1.0.0")
		if err != nil {
			return arvo.Event{}, nil, err
		}
		ev, err := v.Accepts(arvo.Draft{Source: "api.thin.lambda", Subject: "s", Data: map[string]any{"name": "A"}})
		return ev, nil, err
	case "handler success, parent from event headers", "handler success, inheritFrom CONTEXT inside an active span":
		return event("", recordedParent), handler, nil
	case "handler success, no headers":
		return event("", ""), handler, nil
	case "handler error":
		return event("throw", recordedParent), handler, nil
	case "handler violation":
		return event("violation", recordedParent), handler, nil
	case "handler multi output":
		return event("multi", recordedParent), handler, nil
	case "resumable init":
		return orderInit(w)
	}
	return arvo.Event{}, nil, errors.New("the case is not known")
}

// The recorder's service and workflow, as far as the cases go.

type greetInput struct {
	Name string   `json:"name"`
	Age  *float64 `json:"age,omitempty" default:"7"`
	Mode string   `json:"mode,omitempty"`
}

type typeError struct{ error }

func (typeError) ErrorName() string { return "TypeError" }

func greeter(flavor string) *arvo.Service {
	domain := "greet.domain"
	if flavor == "v2" {
		domain = arvo.DomainLocal
	}
	contract := arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
		URI: "#/test/user/greet", Type: "com.user.greet", Domain: domain,
		Versions: map[string]arvo.VersionSpec{"1.0.0": {Accepts: arvo.SchemaFor[greetInput](), Emits: map[string]arvo.Schema{
			"evt.user.greet.success": arvo.SchemaFor[struct {
				Greeting string `json:"greeting"`
			}](),
			"evt.user.greet.audit": arvo.SchemaFor[struct {
				Message string `json:"message"`
				Level   string `json:"level,omitempty" default:"info"`
			}](),
		}}},
	}))
	return arvo.MustService(arvo.NewService(contract, arvo.ExecutionUnits(3), arvo.Implement("1.0.0", func(_ context.Context, in arvo.Input[greetInput]) ([]arvo.Output, error) {
		ok := arvo.Output{Type: "evt.user.greet.success", Data: map[string]string{"greeting": fmt.Sprint("Hello ", in.Data.Name)}}
		switch in.Data.Mode {
		case "throw":
			return nil, typeError{errors.New("boom")}
		case "violation":
			return nil, &arvo.Violation{Kind: "RATE_LIMIT", Message: "slow down"}
		case "multi":
			return []arvo.Output{ok, {Type: "evt.user.greet.audit", Data: map[string]string{"message": "x"}}}, nil
		}
		return []arvo.Output{ok}, nil
	})))
}

type (
	orderInput struct {
		Order  string  `json:"order"`
		Amount float64 `json:"amount"`
		SKU    string  `json:"sku"`
		Mode   string  `json:"mode,omitempty"`
	}
	orderDone struct {
		OK      bool    `json:"ok"`
		Receipt *string `json:"receipt"`
	}
)

func orderInit(w *world) (arvo.Event, arvo.Handler, error) {
	order := arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
		URI: "#/test/orc/order", Name: "order", Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {Init: arvo.SchemaFor[orderInput](), Complete: arvo.SchemaFor[orderDone]()}},
	}))
	charge := arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
		URI: "#/test/payment/charge", Type: "payment.charge", Versions: map[string]arvo.SimpleVersion{"1.0.0": {
			Accepts: arvo.SchemaFor[struct {
				Order  string  `json:"order"`
				Amount float64 `json:"amount" minimum:"0"`
			}](),
			Emits: arvo.SchemaFor[struct {
				Receipt string `json:"receipt"`
			}](),
		}},
	}))
	callee, err := charge.Version("1.0.0")
	if err != nil {
		return arvo.Event{}, nil, err
	}
	workflow, err := arvo.NewResumable(order, arvotest.NewMemory(), arvo.ExecutionUnits(1), arvo.Calls(callee),
		arvo.Stamp(func(ctx context.Context, cause, out arvo.Event) arvo.Event {
			return w.Create(ctx, out.WithTrace("", cause.Tracestate))
		}),
		arvo.Resume("1.0.0", func(_ context.Context, s *arvo.Step[struct{}, orderInput]) error {
			s.Call(arvo.Call{Type: "com.payment.charge", Data: map[string]any{"order": "o", "amount": 1}})
			return nil
		}))
	if err != nil {
		return arvo.Event{}, nil, err
	}
	subject, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: "arvo.orc.order", Version: "1.0.0", ID: "exec-1", Initiator: "api.thin.lambda"})
	if err != nil {
		return arvo.Event{}, nil, err
	}
	ev, err := arvo.New(arvo.Draft{
		ID: "init-1", Time: "2025-01-01T00:00:00.000Z", Source: "api.thin.lambda", Type: "arvo.orc.order", Subject: subject, DataSchema: "#/test/orc/order/1.0.0",
		Data: json.RawMessage(`{"parentSubject$$":null,"order":"o","amount":1,"sku":"s"}`), Traceparent: recordedParent, Tracestate: "k=v",
	})
	return ev, workflow, err
}
