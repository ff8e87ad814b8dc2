package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/broker"
	"example.com/arvo/telemetry"
	"example.com/arvo/telemetry/segment"
)

// Spans of libraries that know nothing of this package go where they belong.
func TestSpansOfOthersAreEmbedded(t *testing.T) {
	w := newWorld(t, nil)
	library := w.TracerProvider().Tracer("library")
	f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		outer, call := library.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("server.address", "rates.example.com")))
		_, inner := library.Start(outer, "decode|(json)", trace.WithAttributes(attribute.Int("n", 1), attribute.Bool("b", true), attribute.Float64("f", 0.5), attribute.StringSlice("s", []string{"x", "y"})))
		inner.End()
		call.RecordError(errors.New("no route"))
		call.SetStatus(codes.Error, "no route")
		call.End()
		return nil, nil
	}))
	if _, err := f.Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	d := one(t, w.sent(), "arvo-federated_handler")
	call := one(t, d.Subsegments, "rates.example.com")
	if call.Namespace != segment.NamespaceRemote || flags(call) != "--f" || causeOf(call) != "no route" || call.Cause.Exceptions[0].Type != "*errors.errorString" {
		t.Errorf("the call is %s %s %+v", call.Namespace, flags(call), call.Cause)
	}
	inner := one(t, call.Subsegments, "decodejson")
	if got := string(segmentJSON(inner.Metadata)); got != `n=1 b=true f=0.5 s=["x","y"] ` {
		t.Errorf("metadata %s", got)
	}
}

func segmentJSON(list []segment.Namespace) (b []byte) {
	for _, n := range list {
		for _, a := range n.Attributes {
			b = fmt.Appendf(b, "%s=%s ", a.Key, a.Value.String())
		}
	}
	return b
}

// A span outside of any invocation, as of a start-up, is a trace of its own.
func TestASpanOutsideOfAnInvocationIsASegment(t *testing.T) {
	w := newWorld(t, nil)
	ctx, outer := w.TracerProvider().Tracer("library").Start(context.Background(), "start-up")
	_, inner := w.TracerProvider().Tracer("library").Start(ctx, "load")
	inner.End()
	outer.End()
	docs := w.sent()
	if got := outline(docs); got != "arvo-federated_handler (AWS::Lambda::Function)[load ()]" {
		t.Errorf("sent: %s", got)
	}
	if epoch := docs[0].TraceID.Epoch(); time.Since(time.Unix(epoch, 0)).Abs() > time.Minute {
		t.Errorf("the trace id names the second %d", epoch)
	}
}

func TestWhatEndsAfterItsRootLeavesByItself(t *testing.T) {
	w := newWorld(t, nil)
	var late trace.Span
	f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		_, late = w.TracerProvider().Tracer("library").Start(ctx, "late")
		return nil, nil
	}))
	if _, err := f.Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	d := one(t, w.sent(), "arvo-federated_handler")
	if d.InProgress || !d.Subsegments[0].InProgress {
		t.Errorf("sent: %+v", d)
	}
	late.End()
	if again := one(t, w.sent(), "late"); again.InProgress || again.ID != d.Subsegments[0].ID || again.ParentID != d.ID || !again.IsSubsegment() {
		t.Errorf("and then %+v", again)
	}
}

// A message that is not finished in time: the consumer gives it back, and its handler goes on when the instance thaws.
func TestAMessageThatOutlivesItsInvocation(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	release, done := make(chan struct{}), make(chan struct{})
	h.service = h.Handler(newCharge(func(context.Context, charge) error { <-release; return nil }))
	deliver := h.Delivery(h.handle)
	ev := request(t, "e-1", `{"amount":1}`, true)
	f := h.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		started := make(chan struct{})
		go func() {
			defer close(done)
			close(started)
			_ = deliver(ctx, broker.Delivery{Envelope: broker.Envelope{Event: ev}, ReceivedAt: time.Now()})
		}()
		<-started
		for len(h.seen) < 2 { // bus and queue leave on receipt
			h.seen = append(h.seen, h.sent()...)
		}
		return nil, nil
	}))
	if _, err := f.Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m", ev))); err != nil {
		t.Fatal(err)
	}
	h.lines()
	for _, d := range h.sent() {
		if d.Origin == segment.OriginFunction && !d.InProgress {
			t.Errorf("the message has left as %+v", d)
		}
	}
	close(release)
	<-done
	if d := one(t, h.sent(), "arvo-federated_handler"); d.InProgress || annotations(d)["outcome"] != "ok" {
		t.Errorf("and then %+v", d)
	}
	if lines := h.lines(); len(lines) != 1 || lines[0][telemetry.MetricHandlerDuration] == nil {
		t.Errorf("metrics %v", lines)
	}
}

func TestARootHasABound(t *testing.T) {
	w := newWorld(t, nil)
	f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		for i := range 1500 {
			_, s := w.TracerProvider().Tracer("library").Start(ctx, fmt.Sprint("call ", i))
			s.End()
		}
		return nil, nil
	}))
	if _, err := f.Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	docs := w.sent() // fails if any is too large
	spans := 0
	for _, d := range docs {
		spans += 1 + len(d.Subsegments)
	}
	if spans != 1001 {
		t.Errorf("%d spans in %d documents", spans, len(docs))
	}
}

// Where nobody takes spans, there are none, and the trace goes on with the decision that came in.
func TestWithoutADaemonTheTraceGoesOn(t *testing.T) {
	h := &host{world: newWorld(t, map[string]string{"AWS_XRAY_DAEMON_ADDRESS": ""})}
	h.service = h.Handler(newCharge(nil))
	if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, true)))); err != nil {
		t.Fatal(err)
	}
	if docs := h.sent(); len(docs) > 0 {
		t.Errorf("sent: %s", outline(docs))
	}
	if got := h.published[0].Traceparent; got[:35] != "00-"+theTrace || got[52:] != "-01" {
		t.Errorf("it goes on as %s", got)
	}
	if len(h.lines()) == 0 {
		t.Error("the metrics are lost")
	}
}

// Where there is no room for a span there is none for what is beneath it: a document whose parent nobody reports would break
// the trace.
func TestWithoutRoomNothingDangles(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(newCharge(nil))
	tracer := h.TracerProvider().Tracer("somebody who ends nothing")
	var open []trace.Span
	for range 10_000 {
		_, span := tracer.Start(context.Background(), "open")
		open = append(open, span)
	}
	ctx := invocationContext(t, batchHeader, time.Minute)
	message := batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, true)))
	leave := handlerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		out, err := h.consumer(discard).Invoke(ctx, payload)
		open[0].End() // there is room again, for a child of what had none
		_, late := tracer.Start(ctx, "late")
		late.End()
		return out, err
	})
	if _, err := h.Lambda(leave).Invoke(ctx, message); err != nil {
		t.Fatal(err)
	}
	// The event that was sent is told of by itself: whoever receives it hangs on that. The last one is the span that ended.
	docs := h.sent()
	if got, want := outline(docs), "arvo-bus (AWS::Events) arvo-requests (AWS::SQS::Queue) Events (aws) arvo-federated_handler (AWS::Lambda::Function)"; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	if !docs[3].ParentID.IsZero() || docs[2].ParentID != docs[0].ParentID {
		t.Errorf("%+v\n%+v", docs[2], docs[3])
	}
	for _, span := range open {
		span.End()
	}
	h.sent()
	if _, err := h.function().Invoke(ctx, message); err != nil {
		t.Fatal(err)
	}
	if got := outline(h.sent()); !strings.Contains(got, "arvo-federated_handler (AWS::Lambda::Function)[com.payment.charge (remote) Events (aws)]") {
		t.Errorf("with room again: %s", got)
	}
}
