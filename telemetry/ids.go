package telemetry

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/telemetry/segment"
)

// CreationID is [segment.CreationID] in OpenTelemetry's types.
func CreationID(traceID trace.TraceID, eventID string) trace.SpanID {
	return trace.SpanID(segment.CreationID(segment.TraceID(traceID), eventID))
}

// ids makes the ids of traces and spans. A trace id begins with the second in which it was made, as X-Ray's own do: tools
// read the age of a trace from it. The rest is random. A span whose scope names an id gets that one.
type ids struct {
	random io.Reader

	mu   sync.Mutex
	left []byte // random bytes, not used yet
	room [512]byte
}

// NewIDs implements sdktrace.IDGenerator.
func (g *ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	var t trace.TraceID
	g.read(t[4:])
	binary.BigEndian.PutUint32(t[:4], uint32(time.Now().Unix()))
	return t, g.NewSpanID(ctx, t)
}

// NewSpanID implements sdktrace.IDGenerator.
func (g *ids) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if s := scopeOf(ctx); s != nil && s.spanID.IsValid() {
		return s.spanID
	}
	var id trace.SpanID
	for !id.IsValid() {
		g.read(id[:])
	}
	return id
}

// read fills b, which is short. Random bytes are fetched in stock: one fetch costs as much as a span.
func (g *ids) read(b []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.left) < len(b) {
		g.left = g.room[:]
		if _, err := io.ReadFull(g.random, g.left); err != nil {
			// A trace with guessable ids is better than none; crypto/rand never gets here.
			for i := 0; i < len(g.left); i += 8 {
				binary.LittleEndian.PutUint64(g.left[i:], rand.Uint64())
			}
		}
	}
	g.left = g.left[copy(b, g.left):]
}
