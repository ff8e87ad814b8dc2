package telemetry

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/telemetry/segment"
)

// A message is a delivery that is being handled.
type message struct {
	span       trace.Span // of the consumer; does not record when nothing is sampled
	tracestate string     // of the event

	// What a Handler says of the call.
	handler bool
	handled time.Duration
	outcome string
}

// Delivery decorates the handling of a message ([broker.ConsumerConfig].Around). In the trace of the event it reports how the event
// came here, the bus and the queue, and the message as a segment of the function. Whether anything is reported is up to the event's
// traceparent.
//
// An event that comes straight from a rule has crossed the bus and no queue: the time that Lambda kept it for is the bus's. A message that
// is refused fails in the trace that it names, if it names one, and else in that of the invocation.
func (t *Telemetry) Delivery(next broker.Handle) broker.Handle {
	return func(ctx context.Context, d broker.Delivery) (err error) {
		received := time.Now()
		outer := scopeOf(ctx)
		s := &scope{message: new(message), subject: d.Event.Subject, eventID: d.Event.ID}
		if outer != nil {
			s.invocation, s.root = outer.invocation, outer.root // the latter if the message has no trace of its own
		}
		queue := ""
		if s.invocation != nil {
			queue = s.invocation.queue
		}
		byBus := uuid.Validate(d.Envelope.ID) == nil // a bus gives its envelopes UUIDs
		direct := queue == "" && d.MessageID == "" && byBus
		creation, traced := parseTraceparent(d.Event.Traceparent)
		if traced { // without one that is valid, W3C has nobody look at the tracestate
			s.message.tracestate = clip(d.Event.Tracestate, 4*maxTracestate)
		}
		if !traced && !direct { // the header of an invocation names what is in ctx already
			creation, traced = parseTraceHeader(d.TraceHeader)
		}
		hops := t.hops && t.bus != "" && (queue != "" || direct)
		begun := false
		if !traced && hops && !direct && byBus && d.Event.ID != "" {
			creation, begun = begin(d, s.invocation.span.TraceFlags()), true
			traced = begun
		}
		parent := ctx
		if traced {
			s.root = nil
			parent = trace.ContextWithSpanContext(ctx, creation)
			if t.records(creation) {
				anchor := creation.SpanID()
				if hops {
					sender := segment.ID(anchor)
					if begun {
						sender = segment.ID{} // nobody reports it
					}
					parent = t.crossed(parent, s, creation, sender, d)
				}
				if begun {
					anchor = trace.SpanContextFromContext(parent).SpanID()
				}
				s.root = &root{shape: shapeSegment, invocation: s.invocation, anchor: anchor}
			}
		}
		if inv := s.invocation; direct && inv != nil && inv.recording != nil {
			inv.recording.SetAttributes(semconv.FaaSTriggerPubSub)
		}
		span := trace.SpanFromContext(parent)
		ctx = context.WithValue(parent, scopeKey{}, s)
		if sc := span.SpanContext(); !sc.IsValid() || t.records(sc) {
			ctx, span = t.consume(ctx, s, d, queue)
		} else {
			span = noSpan
		}
		s.message.span = span
		defer func() {
			outcome, p := outcomeOf(err), recover()
			if p != nil {
				outcome = outcomeFailed
				failWith(span, failureFault, fmt.Sprintf("%T", p), panicText(p))
			}
			if err != nil {
				failWith(span, blame(err), errorType(err), err.Error())
			}
			if s.message.handler && err == nil && p == nil { // which tells an answer from a system error
				outcome = s.message.outcome
			}
			span.SetAttributes(keyOutcome.String(outcome))
			span.End()
			t.metrics.message(s, d, queue, outcome, received)
			if p != nil {
				panic(p)
			}
		}()
		return next(ctx, d)
	}
}

// begin is the trace of an event that came without one, put on the bus by somebody who knows nothing of traces: nobody
// reports the span, and the trace begins with the bus. The id is derived, so that each delivery is in the same trace, and is
// none of its batch's.
func begin(d broker.Delivery, flags trace.TraceFlags) trace.SpanContext {
	at := d.SentAt
	if at.IsZero() {
		at = d.ReceivedAt
	}
	hash := sha256.New()
	for _, s := range []string{"begin", d.Envelope.ID, d.Event.Source, d.Event.ID} {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s)))) // a hash never fails
		hash.Write([]byte(s))
	}
	var id trace.TraceID
	binary.BigEndian.PutUint32(id[:4], uint32(at.Unix())) // X-Ray's ids begin with the time
	copy(id[4:], hash.Sum(nil))
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: CreationID(id, d.Event.ID), TraceFlags: flags, Remote: true})
}

// consume starts the span of a message.
func (t *Telemetry) consume(ctx context.Context, s *scope, d broker.Delivery, queue string) (context.Context, trace.Span) {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer)}
	if inv := s.invocation; inv != nil && inv.span.IsSampled() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: inv.span}))
	}
	name := "process"
	if queue != "" {
		name += " " + queue
	}
	ctx, span := t.tracer.Start(ctx, name, options...)
	if span.IsRecording() {
		if d.MessageID == "" { // straight from the bus
			span.SetAttributes(messagingEventBridge)
		} else {
			span.SetAttributes(semconv.MessagingSystemAWSSQS, semconv.MessagingMessageID(clip(d.MessageID, maxText)))
		}
		span.SetAttributes(
			semconv.MessagingOperationTypeProcess, semconv.MessagingOperationName("process"), semconv.MessagingDestinationName(queue),
			semconv.CloudEventsEventSubject(clip(d.Event.Subject, segment.MaxAnnotationValue)), semconv.CloudEventsEventType(clip(d.Event.Type, maxText)),
			semconv.CloudEventsEventID(clip(d.Event.ID, maxText)), semconv.CloudEventsEventSource(clip(d.Event.Source, maxText)),
			keyReceives.Int(d.Receives), keyEnvelopeID.String(clip(d.ID, maxText)),
		)
	}
	if inv := s.invocation; inv != nil && span.IsRecording() {
		if inv.cold { // Lambda may have held the message until the function had started
			span.SetAttributes(semconv.FaaSColdstart(true))
		}
		inv.link(span.SpanContext())
	}
	return ctx, span
}

// link points from the invocation to a message, as many times as X-Ray takes.
func (inv *invocation) link(message trace.SpanContext) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	if inv.recording != nil && inv.links < segment.MaxLinks && !inv.over {
		inv.links++
		inv.recording.AddLink(trace.Link{SpanContext: message})
	}
}

// crossed reports the bus, beneath the sender's span if there is one, and the queue that a message came by, if there is one, and
// returns the context of the last one's span. No such hop reports itself: whoever receives does, under ids that are derived, so that a second
// delivery overwrites the first one's. The queue tells how often it has given the message out, if more than once, and when it first did, if
// that was not when the function took it: the function had to start, or it was a delivery before this one.
func (t *Telemetry) crossed(ctx context.Context, s *scope, creation trace.SpanContext, sender segment.ID, d broker.Delivery) context.Context {
	sent := d.SentAt
	if sent.IsZero() || sent.After(d.ReceivedAt) {
		sent = d.ReceivedAt
	}
	published, known := publishedAt(d, sent)
	traceID := segment.TraceID(creation.TraceID())
	bus := segment.Document{
		TraceID: traceID, ParentID: sender, Name: t.bus, Origin: segment.OriginEvents, Start: segment.At(published), End: segment.At(sent),
	}
	bus.ID = segment.HopID(traceID, bus.ParentID, bus.Origin, bus.Name)
	if !known {
		addMetadata(&bus, string(keyBeginUnknown), segment.Bool(true))
	}
	last := &bus
	if t.daemon != nil {
		t.daemon.send(&bus)
	}
	if t.collector != nil {
		ctx = t.hop(ctx, s, &bus, messagingEventBridge, keyEnvelopeID.String(clip(d.ID, maxText)), keyBeginUnknown.Bool(!known))
	}
	if s.invocation != nil && s.invocation.queue != "" {
		queue := segment.Document{
			TraceID: traceID, ParentID: bus.ID, Name: s.invocation.queue, Origin: segment.OriginQueue, Start: bus.End, End: segment.At(d.ReceivedAt),
			ResourceARN: s.invocation.queueARN,
		}
		queue.ID = segment.HopID(traceID, queue.ParentID, queue.Origin, queue.Name)
		if d.Receives > 1 || s.invocation.cold {
			addMetadata(&queue, string(keyReceives), segment.Int(int64(d.Receives)))
			addMetadata(&queue, string(semconv.MessagingMessageIDKey), segment.String(clip(d.MessageID, maxText)))
			if !d.FirstReceivedAt.IsZero() {
				addMetadata(&queue, string(keyFirstReceived), segment.String(d.FirstReceivedAt.UTC().Format(time.RFC3339Nano)))
			}
		}
		last = &queue
		if t.daemon != nil {
			t.daemon.send(&queue)
		}
		if t.collector != nil {
			t.hop(ctx, s, &queue, semconv.MessagingSystemAWSSQS, keyQueueARN.String(s.invocation.queueARN), keyReceives.Int(d.Receives))
		}
	}
	return trace.ContextWithSpanContext(ctx, creation.WithSpanID(trace.SpanID(last.ID)))
}

// publishedAt is when the bus took the event in. That is not told to whoever receives it, but for the second. An event that claims to have
// been made within that second, or after it, was published as soon as it was made, as nearly all are; known is
// true. One that is older was kept for a while before it was published, one from the future was made by another clock: then the
// time is the latest that it can have been, so that nobody takes for the bus's what was another's.
func publishedAt(d broker.Delivery, arrived time.Time) (at time.Time, known bool) {
	if made, err := time.Parse(time.RFC3339Nano, d.Event.Time); err == nil && !made.Before(d.Time) && !made.After(arrived) {
		return made, true
	}
	if at = d.Time.Add(time.Second); d.Time.IsZero() || at.After(arrived) {
		at = arrived
	}
	return at, false
}

// hop is the span of a hop's document, for a collector, and returns a context to which the span is remote: what follows is a
// local root of its own.
func (t *Telemetry) hop(ctx context.Context, s *scope, d *segment.Document, attributes ...attribute.KeyValue) context.Context {
	own := &scope{invocation: s.invocation, root: &root{shape: shapeHop, invocation: s.invocation}, spanID: trace.SpanID(d.ID)}
	_, span := t.tracer.Start(context.WithValue(ctx, scopeKey{}, own), d.Name, trace.WithTimestamp(d.Start.Time()), trace.WithAttributes(attributes...))
	span.End(trace.WithTimestamp(d.End.Time()))
	return trace.ContextWithSpanContext(ctx, span.SpanContext().WithRemote(true))
}

// Outcomes of messages and handlers, the values of the dimension Outcome.
const (
	outcomeOK        = "ok"
	outcomeError     = "error"     // answered with a system error
	outcomeContended = "contended" // comes back, nobody is to blame
	outcomeFailed    = "failed"    // comes back, or goes to the dead-letter queue
)

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return outcomeOK
	case contended(err):
		return outcomeContended
	}
	return outcomeFailed
}

// contended is what package broker understands by contention.
func contended(err error) bool {
	var c interface{ Contended() bool }
	return errors.As(err, &c) && c.Contended()
}

// blame says in X-Ray's terms whose failure an error is.
func blame(err error) string {
	switch {
	case contended(err):
		return failureThrottle
	case errors.Is(err, arvo.ErrContract), errors.Is(err, arvo.ErrConfig):
		return failureError
	}
	return failureFault
}

// errorType is the exception's type: the kind of a violation as other Arvo implementations spell it, else Go's.
func errorType(err error) string {
	var v *arvo.Violation
	if errors.As(err, &v) {
		return "ViolationError<" + v.Kind + ">"
	}
	return fmt.Sprintf("%T", err)
}
