package telemetry

import (
	"cmp"
	"context"
	"errors"
	"slices"
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
		sc, anchor, state = own, own.SpanID(), "" // that of ctx is of another trace
	case !sc.IsValid():
		return ev
	case s != nil && s.message != nil && state == "":
		state = s.message.tracestate
	}
	if ev.Tracestate != "" {
		state = ev.Tracestate
	}
	return ev.WithTrace(traceparent(sc, CreationID(sc.TraceID(), ev.ID)), withAnchor(anchor, state))
}

var _ broker.Observer = (*Telemetry)(nil)

// Publishing implements [broker.Observer]. Before an event is on its way, the span that sends it is reported as in progress:
// whoever receives the event hangs on that span, also when this process dies before it can say more and nobody repeats its
// work. The local root leaves with it, as it is by now; an event of another trace, as when a request is repeated or a
// timeout published, leaves by itself. Either is overwritten when it ends.
//
// X-Ray takes one document in progress, and then the whole one, which overwrites it. So of a root that publishes again,
// or that was sent before, the further events leave by themselves, in progress and whole alike.
//
// Source: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html, "in_progress".
func (t *Telemetry) Publishing(ctx context.Context, events []arvo.Event) {
	outer := scopeOf(ctx)
	if outer == nil {
		outer = new(scope)
	}
	var room [4]segment.Document
	within := room[:0]
	for i := range events {
		ev := &events[i]
		sc, ok := parseTraceparent(ev.Traceparent)
		if inv := outer.invocation; outer.message == nil && inv != nil && inv.recording != nil { // a request: by now it has a subject
			inv.recording.SetAttributes(semconv.CloudEventsEventType(clip(ev.Type, maxText)))
			if ok && sc.TraceID() != inv.span.TraceID() { // it came before: the subject has its trace, and this is not it
				inv.link(sc)
			} else {
				inv.recording.SetAttributes(semconv.CloudEventsEventSubject(clip(ev.Subject, segment.MaxAnnotationValue)))
			}
		}
		if !ok || t.daemon == nil || !t.records(sc) || sc.SpanID() != CreationID(sc.TraceID(), ev.ID) {
			continue
		}
		d := segment.Document{
			ID: segment.ID(sc.SpanID()), Name: eventsName, Namespace: segment.NamespaceAWS, Start: segment.At(time.Now()), InProgress: true,
			AWS: &segment.AWS{Operation: putEvents, Region: t.function.region},
		}
		if t.bus != "" {
			d.AWS.ResourceNames = []string{t.bus}
		}
		if _, here := outer.root.parentIn(sc.TraceID()); here {
			within = append(within, d)
		} else if anchor, known := anchorOf(ev.Tracestate); known {
			d.Type, d.TraceID, d.ParentID = segment.TypeSubsegment, segment.TraceID(sc.TraceID()), segment.ID(anchor)
			t.daemon.send(&d)
		}
	}
	if len(within) > 0 {
		t.announce(outer.root, within)
	}
}

// Repeated links the trace of a request that has been made before to that of its subject, whose first event is request. Only who
// publishes nothing need call it: [Telemetry.Publishing] sees by itself that an event is of another trace.
func (t *Telemetry) Repeated(ctx context.Context, request arvo.Event) {
	s := scopeOf(ctx)
	if s == nil || s.invocation == nil || s.invocation.recording == nil {
		return
	}
	if sc, ok := parseTraceparent(request.Traceparent); ok && sc.TraceID() != s.invocation.span.TraceID() {
		s.invocation.link(sc)
	}
}

// announce reports spans directly beneath the root, which are in progress.
func (t *Telemetry) announce(r *root, within []segment.Document) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.inProgress && !r.ended {
		r.inProgress = true
		d := t.function.document(r, r.spans())
		d.Subsegments = append(within, d.Subsegments...) // in front: of a document that is too large the last ones go by themselves
		t.daemon.send(&d)
		return
	}
	sc := r.span.SpanContext()
	for i := range within {
		d := &within[i]
		d.Type, d.TraceID, d.ParentID = segment.TypeSubsegment, segment.TraceID(sc.TraceID()), segment.ID(sc.SpanID())
		t.daemon.send(d)
		r.apart = append(r.apart, trace.SpanID(d.ID))
	}
}

// Published implements [broker.Observer]: an entry is a subsegment "Events" with the id that its event names, in the trace
// of its event. In that of the current work it is embedded there; for another trace it leaves by itself, see
// [Telemetry.Publishing].
func (t *Telemetry) Published(ctx context.Context, e broker.Entry) {
	if e.Attempts > 1 {
		t.metrics.retried(scopeOf(ctx), e)
	}
	sc, ok := parseTraceparent(e.Event.Traceparent)
	if !ok || !t.records(sc) {
		return
	}
	s := new(scope)
	if outer := scopeOf(ctx); outer != nil {
		s.invocation, s.root = outer.invocation, outer.root
	}
	if id := CreationID(sc.TraceID(), e.Event.ID); sc.SpanID() == id {
		s.spanID = id
	}
	if parent, here := s.root.parentIn(sc.TraceID()); here {
		ctx = trace.ContextWithSpanContext(ctx, parent)
		if s.root.isApart(s.spanID) {
			s.root = &root{shape: shapeDetached, invocation: s.invocation}
		}
	} else {
		anchor, known := anchorOf(e.Event.Tracestate)
		if !known || !s.spanID.IsValid() { // created by somebody who reports it, or not, by other means
			return
		}
		s.root = &root{shape: shapeDetached, invocation: s.invocation}
		ctx = trace.ContextWithSpanContext(ctx, sc.WithSpanID(anchor))
	}
	_, span := t.tracer.Start(context.WithValue(ctx, scopeKey{}, s), "send "+cmp.Or(t.bus, "bus"), trace.WithSpanKind(trace.SpanKindProducer), trace.WithTimestamp(e.Started))
	span.SetAttributes(
		keyAWSService.String(eventsName), semconv.RPCSystemNameKey.String("aws-api"), semconv.RPCMethod("EventBridge/"+putEvents), semconv.CloudRegion(t.function.region),
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

// What a subsegment that sends an event is called. X-Ray draws a bus for this name.
const eventsName, putEvents = "Events", "PutEvents"

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

// isApart tells whether the span was announced by itself, and so is not to be embedded.
func (r *root) isApart(id trace.SpanID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.apart, id)
}
