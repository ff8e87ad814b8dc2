package mapping_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/mapping"
	"example.com/arvo/lambdas/local/queue"
)

// idler is a function that does nothing.
type idler struct{ invocations atomic.Int64 }

func (f *idler) Invoke(context.Context, string, []byte, []string) (mapping.Result, error) {
	f.invocations.Add(1)
	return mapping.Result{}, nil
}

// BenchmarkMapping is what a mapping takes for a message by itself, in batches of ten.
func BenchmarkMapping(b *testing.B) {
	queues := queue.New(queue.Options{})
	defer queues.Close()
	q, err := queues.Create(queue.Config{Name: "orders"})
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat("x", 700)
	for range b.N {
		if _, err := q.Send(b.Context(), queue.Message{Body: body}); err != nil {
			b.Fatal(err)
		}
	}
	s := mapping.New(mapping.Options{Invoker: &idler{}})
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := s.Create(mapping.Config{ID: id, Queue: q, Function: "handler", MaxConcurrency: 10}); err != nil {
		b.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); q.Counts().Deleted < uint64(b.N); {
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d", q.Counts().Deleted, b.N)
		}
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	if err := s.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}
