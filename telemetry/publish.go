package telemetry

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/telemetry/segment"
)

// Create stamps an event with the span that is to send it, before anything is kept of the event: traceparent names the
// span, whose id is derived ([CreationID]), and tracestate its parent. The trace is that of the event's own traceparent, if it
// has one, and else that of ctx. An event that has been stamped, and one without a trace, stays as it is.
//
// The parent is what the work in ctx hangs on: the span that Lambda has made, or the creation of the event that is being
// handled. These are reported whatever becomes of this process. Of an event in another trace it is the span that its
// traceparent named before.
func (t *Telemetry) Create(ctx context.Context, ev arvo.Event) arvo.Event {
	sc := trace.SpanContextFromContext(ctx)
	anchor, state := sc.SpanID(), sc.TraceState().String()
	s := scopeOf(ctx)
	if s != nil && s.root != nil {
		anchor = s.root.anchor
	}
	own, ok := parseTraceparent(ev.Traceparent)
	switch {
	case ok && own.SpanID() == CreationID(own.TraceID(), ev.ID):
		return ev
	case ok && own.TraceID() != sc.TraceID():
		sc, anchor = own, own.SpanID()
	case !sc.IsValid():
		return ev
	}
	if ev.Tracestate != "" {
		state = ev.Tracestate
	} else if s != nil && s.message != nil && state == "" {
		state = s.message.tracestate
	}
	return ev.WithTrace(traceparent(sc, CreationID(sc.TraceID(), ev.ID)), withAnchor(anchor, state))
}

var _ broker.Observer = (*Telemetry)(nil)

// Published implements [broker.Observer]: an entry is a subsegment "Events" with the id that its event names, in the trace
// of its event. In that of the current work it is embedded there; for another trace, as when a request is repeated or a
// timeout published, it leaves by itself.
func (t *Telemetry) Published(ctx context.Context, e broker.Entry) {
	if e.Attempts > 1 {
		t.metrics.retried(scopeOf(ctx), e)
	}
	sc, ok := parseTraceparent(e.Event.Traceparent)
	s := new(scope)
	if outer := scopeOf(ctx); outer != nil {
		s.invocation, s.root = outer.invocation, outer.root
		if inv := outer.invocation; outer.message == nil && inv != nil && inv.recording != nil { // a request: by now it has a subject
			inv.recording.SetAttributes(semconv.CloudEventsEventType(clip(e.Event.Type, maxText)))
			if ok && sc.TraceID() != inv.span.TraceID() { // it came before: the subject has its trace, and this is not it
				inv.link(ctx, sc)
			} else {
				inv.recording.SetAttributes(semconv.CloudEventsEventSubject(clip(e.Event.Subject, segment.MaxAnnotationValue)))
			}
		}
	}
	if !ok || !t.records(sc) {
		return
	}
	if id := CreationID(sc.TraceID(), e.Event.ID); sc.SpanID() == id {
		s.spanID = id
	}
	if parent, here := s.root.parentIn(sc.TraceID()); here {
		ctx = trace.ContextWithSpanContext(ctx, parent)
	} else {
		anchor, known := anchorOf(e.Event.Tracestate)
		if !known || !s.spanID.IsValid() { // created by somebody who reports it, or not, by other means
			return
		}
		s.root = &root{shape: shapeDetached, invocation: s.invocation}
		ctx = trace.ContextWithSpanContext(ctx, sc.WithSpanID(anchor))
	}
	bus := t.bus
	if bus == "" {
		bus = "bus"
	}
	_, span := t.tracer.Start(context.WithValue(ctx, scopeKey{}, s), "send "+bus, trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(e.Started))
	span.SetAttributes(
		keyAWSService.String("Events"), semconv.RPCSystemNameKey.String("aws-api"), semconv.RPCMethod("EventBridge/PutEvents"), semconv.CloudRegion(t.function.region),
		messagingEventBridge, semconv.MessagingOperationTypeSend, semconv.MessagingOperationName("send"), semconv.MessagingDestinationName(t.bus),
		semconv.CloudEventsEventID(clip(e.Event.ID, maxText)), semconv.CloudEventsEventType(clip(e.Event.Type, maxText)), semconv.CloudEventsEventSource(clip(e.Event.Source, maxText)),
	)
	if e.EnvelopeID != "" {
		span.SetAttributes(keyEnvelopeID.String(e.EnvelopeID))
	}
	if e.Attempts > 1 {
		span.SetAttributes(semconv.HTTPRequestResendCount(e.Attempts - 1))
	}
	if e.Err != nil {
		failure := failureFault
		var api smithy.APIError
		if errors.As(e.Err, &api) && throttling(api.ErrorCode()) || strings.HasPrefix(e.Err.Error(), "Throttling") {
			failure = failureThrottle
		}
		failWith(span, failure, errorType(e.Err), e.Err.Error())
	}
	span.End(trace.WithTimestamp(e.Ended))
}

// WasPublished reports the span that published an event, and publishes nothing. It is for a request that is repeated after
// it was answered, and whose first process has died after it had published it and before it could say so. at is about when that was.
func (t *Telemetry) WasPublished(ctx context.Context, ev arvo.Event, at time.Time) {
	t.Published(ctx, broker.Entry{Event: ev, Attempts: 1, Started: at, Ended: at})
}

// parentIn is the root's span, if it is in the trace and takes spans.
func (r *root) parentIn(traceID trace.TraceID) (trace.SpanContext, bool) {
	if r == nil {
		return trace.SpanContext{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.span == nil || r.ended || r.span.SpanContext().TraceID() != traceID {
		return trace.SpanContext{}, false
	}
	return r.span.SpanContext(), true
}
