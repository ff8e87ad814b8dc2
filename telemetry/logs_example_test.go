package telemetry_test

import (
	"context"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/telemetry"
)

func ExampleLogs() {
	untimed := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(telemetry.Logs(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: untimed})))
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x6a, 0x0f, 15: 1}, SpanID: trace.SpanID{7: 2},
	}))
	log.InfoContext(ctx, "stored")
	// Output: level=INFO msg=stored trace_id=6a0f0000000000000000000000000001 xray_trace_id=1-6a0f0000-000000000000000000000001 span_id=0000000000000002
}
