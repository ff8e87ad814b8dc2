package telemetry

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/telemetry/segment"
)

// Logs decorates a handler of log records: each that is written with a context gets the context's trace_id, xray_trace_id (the same in
// X-Ray's form), span_id, subject and event_id, at the top level of the record. Callers give the context and need none of these;
// what a record says itself is left to it. A record that names another trace than its context's, by an attribute xray_trace_id,
// is about that one, and gets its trace_id alone: so it is with what is said of a message by whoever handles its batch.
//
//	slog.SetDefault(slog.New(telemetry.Logs(slog.NewJSONHandler(os.Stdout, nil))))
func Logs(next slog.Handler) slog.Handler { return &logs{next: next} }

type logs struct {
	next   slog.Handler
	groups []func(slog.Handler) slog.Handler // what was asked for since the first group; it must not swallow ours
}

// Enabled implements [slog.Handler].
func (l *logs) Enabled(ctx context.Context, level slog.Level) bool { return l.next.Enabled(ctx, level) }

// WithAttrs implements [slog.Handler].
func (l *logs) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(l.groups) == 0 {
		return &logs{next: l.next.WithAttrs(attrs)}
	}
	return l.later(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (l *logs) WithGroup(name string) slog.Handler {
	if name == "" {
		return l
	}
	return l.later(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (l *logs) later(f func(slog.Handler) slog.Handler) slog.Handler {
	return &logs{next: l.next, groups: append(l.groups[:len(l.groups):len(l.groups)], f)}
}

// Handle implements [slog.Handler].
func (l *logs) Handle(ctx context.Context, record slog.Record) error {
	var room [5]slog.Attr
	attrs := attrsOf(ctx, room[:0])
	if own, ok := traceOf(record); ok && own != segment.TraceID(trace.SpanContextFromContext(ctx).TraceID()) {
		attrs = append(room[:0], slog.String("trace_id", own.W3C()))
	}
	if len(l.groups) == 0 && len(attrs) > 0 {
		record.Attrs(func(a slog.Attr) bool { // a key stands once
			attrs = slices.DeleteFunc(attrs, func(ours slog.Attr) bool { return ours.Key == a.Key })
			return true
		})
	}
	if len(l.groups) == 0 {
		record = record.Clone() // another handler may have the same one
		record.AddAttrs(attrs...)
		return l.next.Handle(ctx, record)
	}
	h := l.next.WithAttrs(attrs)
	for _, f := range l.groups {
		h = f(h)
	}
	return h.Handle(ctx, record)
}

// traceOf is the trace that a record names itself.
func traceOf(record slog.Record) (id segment.TraceID, ok bool) {
	record.Attrs(func(a slog.Attr) bool {
		if a.Key != "xray_trace_id" {
			return true
		}
		var err error
		id, err = segment.ParseTraceID(a.Value.String())
		ok = err == nil
		return false
	})
	return id, ok
}

func attrsOf(ctx context.Context, attrs []slog.Attr) []slog.Attr {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		attrs = append(attrs,
			slog.String("trace_id", sc.TraceID().String()),
			slog.String("xray_trace_id", segment.TraceID(sc.TraceID()).String()),
			slog.String("span_id", sc.SpanID().String()))
	}
	if s := scopeOf(ctx); s != nil && s.subject != "" {
		attrs = append(attrs, slog.String("subject", clip(s.subject, maxText)), slog.String("event_id", clip(s.eventID, maxText)))
	}
	return attrs
}
