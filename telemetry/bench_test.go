package telemetry_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
)

// cpu is the processor time of this process so far. On a machine with neighbours it says what a clock cannot.
func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkHandler is one call of a service: as it is; decorated and not sampled; decorated and sampled, its documents
// written to a socket on the loopback that nobody
// reads. "message" is the whole way of a message: bus, queue, consumer and service. "answered" is a message whose answer is
// published: it is announced, and told of when it was sent.
func BenchmarkHandler(b *testing.B) {
	b.Setenv("_X_AMZN_TRACE_ID", "")
	nothing := arvo.HandlerFunc(func(context.Context, arvo.Event) ([]arvo.Event, error) { return nil, nil })
	for _, c := range []struct {
		name    string
		sampled bool
		wrap    func(*world, arvo.Handler) arvo.Handler
	}{
		{"bare", true, func(_ *world, h arvo.Handler) arvo.Handler { return h }},
		{"unsampled", false, func(w *world, h arvo.Handler) arvo.Handler { return w.Handler(h) }},
		{"sampled", true, func(w *world, h arvo.Handler) arvo.Handler { return w.Handler(h) }},
		{"message/unsampled", false, message},
		{"message/sampled", true, message},
		{"answered/unsampled", false, answered},
		{"answered/sampled", true, answered},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, nil)
			w.out.discard = true
			h := c.wrap(w, nothing)
			ev := request(b, "e-1", `{"amount":1}`, c.sampled)
			var all func(context.Context, []byte) ([]byte, error) = func(ctx context.Context, _ []byte) ([]byte, error) {
				b.ReportAllocs()
				before := cpu(b)
				defer func() { b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op") }()
				for b.Loop() {
					if _, err := h.Handle(ctx, ev); err != nil {
						b.Fatal(err)
					}
				}
				return nil, nil
			}
			if !strings.Contains(c.name, "/") {
				_, err := all(context.Background(), nil)
				if err != nil {
					b.Fatal(err)
				}
				return
			}
			// In one invocation of a batch, so that queue and bus are known.
			ctx := invocationContext(b, batchHeader, time.Hour)
			if _, err := w.Lambda(handlerFunc(all)).Invoke(ctx, batch(b, record(b, "m", ev))); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func message(w *world, h arvo.Handler) arvo.Handler {
	return delivery(w, w.Handler(h).Handle)
}

// answered creates an answer and publishes it on a bus that takes no time.
func answered(w *world, h arvo.Handler) arvo.Handler {
	service := w.Handler(h)
	return delivery(w, func(ctx context.Context, ev arvo.Event) ([]arvo.Event, error) {
		if _, err := service.Handle(ctx, ev); err != nil {
			return nil, err
		}
		answer := ev
		answer.ID, answer.Type = "answer", "evt.payment.charge.success"
		now := time.Now()
		w.tell(ctx, broker.Entry{Event: w.Create(ctx, answer.WithTrace("", "")), Attempts: 1, EnvelopeID: "v", Started: now, Ended: now})
		return nil, nil
	})
}

// delivery is the way of a message to what handles it.
func delivery(w *world, handle arvo.HandlerFunc) arvo.Handler {
	deliver := w.Delivery(func(ctx context.Context, d broker.Delivery) error {
		_, err := handle(ctx, d.Event)
		return err
	})
	return arvo.HandlerFunc(func(ctx context.Context, ev arvo.Event) ([]arvo.Event, error) {
		now := time.Now()
		return nil, deliver(ctx, broker.Delivery{Envelope: broker.Envelope{ID: "envelope", Time: now.Truncate(time.Second), Event: ev}, MessageID: "m", SentAt: now, ReceivedAt: now, Receives: 1})
	})
}
