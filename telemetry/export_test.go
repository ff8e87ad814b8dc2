package telemetry

import (
	"context"
	"io"
	"net"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
)

// BenchmarkExport is what it takes to send one local root that has ended, a message with a service and an entry within it:
// document, encoding and one datagram, to a socket that nobody reads.
func BenchmarkExport(b *testing.B) {
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = socket.Close() }() // nothing was written to it
	env := map[string]string{"AWS_XRAY_DAEMON_ADDRESS": socket.LocalAddr().String(), "AWS_LAMBDA_FUNCTION_NAME": "f", "BUS_NAME": "bus"}
	t, err := Setup(b.Context(), Config{Getenv: func(name string) string { return env[name] }, Out: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	var r *root
	var spans []sdktrace.ReadOnlySpan
	t.spans.send = func(ended *root, within []sdktrace.ReadOnlySpan) { r, spans = ended, within }
	parent, _ := parseTraceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	ev := arvo.Event{ID: "e-1", Source: "api.thin.lambda", Type: "com.payment.charge", Subject: "order-1", Traceparent: traceparent(parent, parent.SpanID())}
	service := t.Handler(arvo.HandlerFunc(func(context.Context, arvo.Event) ([]arvo.Event, error) { return []arvo.Event{ev}, nil }))
	deliver := t.Delivery(func(ctx context.Context, d broker.Delivery) error {
		out, err := service.Handle(ctx, d.Event)
		t.Published(ctx, broker.Entry{Event: t.Create(ctx, out[0]), Attempts: 1})
		return err
	})
	if err := deliver(trace.ContextWithSpanContext(b.Context(), parent), broker.Delivery{Envelope: broker.Envelope{Event: ev}}); err != nil || len(spans) != 2 {
		b.Fatalf("%d spans, %v", len(spans), err)
	}
	b.ReportAllocs()
	for b.Loop() {
		t.send(r, spans)
	}
}
