package telemetry

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/arvo"
)

// Handler decorates a hosted service or workflow. Each call is a span, on the trace map a node of the service's name. Its
// parent is the span in ctx; without one, the event's traceparent.
//
// An output without a traceparent is stamped, see [Telemetry.Create]. Those of a workflow have one: it keeps them, so it is for
// [arvo.Stamp] to stamp them before.
//
// The span's name, kind and attributes are those that other Arvo implementations write. The attributes of the events, in
// and out, are recorded if a collector is there to read them; segments have the few by which they are found.
func (t *Telemetry) Handler(next arvo.Handler) arvo.Handler {
	h := &tracedHandler{t: t, next: next, kind: trace.SpanKindConsumer, name: "Handler", execution: "handler", spanKind: "handler.simple"}
	if _, ok := next.(*arvo.Resumable); ok {
		h.kind, h.name, h.execution, h.spanKind = trace.SpanKindProducer, "Resumable", "resumable", "handler.orchestrator.imperative"
	}
	if c, ok := next.(interface{ Contract() *arvo.Contract }); ok {
		h.source, h.uri = c.Contract().Type(), c.Contract().URI()
	}
	h.name += "<" + h.uri + ">"
	h.attributes = trace.WithAttributes(
		keySpanKind.String(h.spanKind), keyOpenInference.String("CHAIN"), keyHandlerSource.String(h.source),
		keyContractURI.String(h.uri), keyExecutionType.String(h.execution),
	)
	return h
}

type tracedHandler struct {
	t                         *Telemetry
	next                      arvo.Handler
	kind                      trace.SpanKind
	source, uri               string // "" when the handler does not tell
	name, execution, spanKind string
	attributes                trace.SpanStartEventOption
}

// Source is the handler's, if it has one.
func (h *tracedHandler) Source() string { return h.source }

// Handle implements [arvo.Handler].
func (h *tracedHandler) Handle(ctx context.Context, in arvo.Event) (out []arvo.Event, err error) {
	begun := time.Now()
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		if remote, ok := parseTraceparent(in.Traceparent); ok {
			sc = remote
			ctx = trace.ContextWithSpanContext(ctx, sc)
		}
	}
	var span trace.Span = noSpan
	if h.t.records(sc) || !sc.IsValid() {
		ctx, span = h.start(ctx, in)
	}
	failed := true // until it returns
	defer func() {
		if failed {
			failWith(span, failureFault, "panic", "the handler panicked")
		}
		h.measure(ctx, in, out, err, failed, begun)
		span.End()
	}()
	out, err = h.next.Handle(ctx, in)
	failed = false
	for i := range out {
		if out[i].Traceparent == "" {
			out[i] = h.stamp(ctx, &in, out[i])
		}
	}
	if span.IsRecording() {
		h.record(span, out, err)
	}
	return out, err
}

// stamp is Create with the tracestate of the input, which goes on where its trace does.
func (h *tracedHandler) stamp(ctx context.Context, in *arvo.Event, out arvo.Event) arvo.Event {
	if sc := trace.SpanContextFromContext(ctx); in.Tracestate != "" && out.Tracestate == "" {
		if cause, ok := parseTraceparent(in.Traceparent); ok && cause.TraceID() == sc.TraceID() {
			out.Tracestate = in.Tracestate
		}
	}
	return h.t.Create(ctx, out)
}

func (h *tracedHandler) start(ctx context.Context, in arvo.Event) (context.Context, trace.Span) {
	name := h.name
	if h.workflow() {
		name += "@<" + clip(in.Type, 200) + ">"
	}
	ctx, span := h.t.tracer.Start(ctx, name, trace.WithSpanKind(h.kind), h.attributes)
	if h.t.collector != nil && span.IsRecording() {
		span.SetAttributes(eventAttributes(make([]attribute.KeyValue, 0, 16), prefixConsumed+"0.", &in)...)
		if h.workflow() {
			if subject, err := arvo.ParseSubject(in.Subject); err == nil {
				span.SetAttributes(keySubjectName.String(subject.Orchestrator.Name), keySubjectVersion.String(subject.Orchestrator.Version))
			}
		}
	}
	return ctx, span
}

// record says how the call ended.
func (h *tracedHandler) record(span trace.Span, out []arvo.Event, err error) {
	status, said := "normal", "Event processing failed: "
	if h.workflow() {
		said = ""
	}
	if err != nil {
		status = "failure"
		failWith(span, blame(err), errorType(err), err.Error())
		span.SetStatus(codes.Error, said+clip(err.Error(), maxText))
	} else if e, ok := systemErrorOf(out); ok {
		status = "failure"
		failWith(span, failureFault, e.Name, e.Message)
		span.SetStatus(codes.Error, said+clip(e.Message, maxText))
	} else {
		span.SetStatus(codes.Ok, "")
	}
	if h.workflow() && status == "normal" {
		now := "active"
		if slices.ContainsFunc(out, func(e arvo.Event) bool { return e.Type == h.source+".done" }) {
			now = "done"
		}
		span.SetAttributes(keyWorkflowStatus.String(now))
	}
	span.SetAttributes(keyExecutionState.String(status))
	if h.t.collector != nil {
		attributes := make([]attribute.KeyValue, 0, 14*len(out))
		for i := range out[:min(len(out), maxProduced)] {
			attributes = eventAttributes(attributes, prefixProduced+strconv.Itoa(i)+".", &out[i])
		}
		span.SetAttributes(attributes...)
	}
}

// workflow tells whether the handler is one: other Arvo implementations describe it otherwise than a service.
func (h *tracedHandler) workflow() bool { return h.kind == trace.SpanKindProducer }

// maxProduced bounds how many outputs of one call are described, as the SDK's limit of 128 attributes would.
const maxProduced = 7

// measure leaves the duration with the message, or writes a line of its own where there is none.
func (h *tracedHandler) measure(ctx context.Context, in arvo.Event, out []arvo.Event, err error, panicked bool, begun time.Time) {
	outcome := outcomeOf(err)
	if panicked {
		outcome = outcomeFailed
	} else if _, ok := systemErrorOf(out); ok && err == nil {
		outcome = outcomeError
	}
	s := scopeOf(ctx)
	if s == nil || s.message == nil {
		h.t.metrics.handled(s, in, outcome, time.Since(begun))
		return
	}
	s.message.handler, s.message.handled, s.message.outcome = true, time.Since(begun), outcome
	if s.message.span.IsRecording() {
		s.message.span.SetAttributes(keyMessageHandler.String(h.sourceOr(in)))
	}
}

func (h *tracedHandler) sourceOr(in arvo.Event) string {
	if h.source != "" {
		return h.source
	}
	return clip(in.To, maxText)
}

// A systemError is the data of a sys.<type>.error event.
type systemError struct {
	Name    string `json:"errorName"`
	Message string `json:"errorMessage"`
}

// systemErrorOf is the failure that a handler has answered with, if it has.
func systemErrorOf(out []arvo.Event) (e systemError, ok bool) {
	for i := range out {
		if strings.HasPrefix(out[i].Type, "sys.") && strings.HasSuffix(out[i].Type, ".error") {
			if json.Unmarshal(out[i].Data, &e) != nil { // not of a service of ours
				e = systemError{}
			}
			return e, true
		}
	}
	return e, false
}

// eventAttributes appends what other Arvo implementations say of an event: its attributes, without data and access
// control. What is null is "N/A".
func eventAttributes(list []attribute.KeyValue, prefix string, e *arvo.Event) []attribute.KeyValue {
	text := func(name, value string) {
		if value == "" {
			value = "N/A"
		}
		list = append(list, attribute.String(prefix+name, clip(value, maxText)))
	}
	text("cloudevents.event_id", e.ID)
	text("cloudevents.event_source", e.Source)
	text("cloudevents.event_spec_version", e.SpecVersion)
	text("cloudevents.event_subject", e.Subject)
	text("cloudevents.event_type", e.Type)
	text("cloudevents.event_time", e.Time)
	text("cloudevents.event_datacontenttype", e.DataContentType)
	text("cloudevents.event_dataschema", e.DataSchema)
	text("cloudevents.arvo.event_redirectto", e.RedirectTo)
	text("cloudevents.arvo.event_to", e.To)
	if u := e.ExecutionUnits; u != nil {
		list = append(list, attribute.Float64(prefix+"cloudevents.arvo.event_executionunits", *u))
	} else {
		text("cloudevents.arvo.event_executionunits", "")
	}
	text("cloudevents.arvo.event_parentid", e.ParentID)
	text("cloudevents.arvo.event_domain", e.Domain)
	return list
}
