package telemetry

import (
	"context"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A shape is what a local root becomes in X-Ray.
type shape int

const (
	shapeSegment    shape = iota // a segment of the function
	shapeInvocation              // a subsegment of the segment that Lambda makes of the invocation
	shapeDetached                // a subsegment of a segment that another invocation has sent
	shapeHop                     // nothing: the bus or queue that an event has crossed is reported without a span
)

// Limits of what is kept of spans that have not ended.
const (
	maxSpans = 1000   // of one local root; what is more is not recorded
	maxOpen  = 10_000 // of the process
)

// A root is a local root, that is a span without a parent in this process, and the spans beneath it: what leaves as one document.
type root struct {
	shape      shape
	invocation *invocation // nil outside of one
	anchor     trace.SpanID

	mu         sync.Mutex
	span       sdktrace.ReadOnlySpan // live until it has ended
	open       []sdktrace.ReadWriteSpan
	done       []sdktrace.ReadOnlySpan
	dropped    int
	ended      bool
	refused    bool           // there was no room for it, and so for none beneath it
	inProgress bool           // has been sent so
	apart      []trace.SpanID // of events that were announced after that, each by itself
}

// roots is the SpanProcessor: it puts the spans of each local root together and sends them when that ends.
type roots struct {
	send func(r *root, spans []sdktrace.ReadOnlySpan) // called with r.mu held, r.span ended or live

	mu   sync.Mutex
	byID map[trace.SpanID]*root // of each span that has not ended
}

// OnStart implements sdktrace.SpanProcessor.
func (p *roots) OnStart(ctx context.Context, s sdktrace.ReadWriteSpan) {
	parent, id := s.Parent(), s.SpanContext().SpanID()
	local := parent.IsValid() && !parent.IsRemote() // its parent is a span of this process
	scope := scopeOf(ctx)
	var r *root
	if scope != nil && scope.root != nil && scope.root.takes(parent.TraceID(), local) {
		r = scope.root
	}
	p.mu.Lock()
	if r == nil && local { // a span of somebody who knows nothing of scopes
		r = p.byID[parent.SpanID()]
	}
	if r == nil {
		r = &root{shape: shapeSegment}
		if scope != nil {
			r.invocation = scope.invocation
		}
	}
	full := len(p.byID) >= maxOpen
	if !full {
		p.byID[id] = r
	}
	p.mu.Unlock()

	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case full:
		r.dropped++
		r.refused = r.refused || r.span == nil
	case r.refused: // its parent would be nobody's
		p.forget(id)
	case r.span == nil:
		r.span = s
		if r.invocation != nil {
			r.invocation.enter(r)
		}
	case len(r.open)+len(r.done) >= maxSpans:
		r.dropped++
		p.forget(id)
	default:
		r.open = append(r.open, s)
	}
}

// takes tells whether a span that is about to start is this root or beneath it.
func (r *root) takes(parent trace.TraceID, local bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.span == nil || r.refused || local && r.span.SpanContext().TraceID() == parent
}

func (p *roots) forget(id trace.SpanID) *root {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.byID[id]
	delete(p.byID, id)
	return r
}

// OnEnd implements sdktrace.SpanProcessor.
func (p *roots) OnEnd(s sdktrace.ReadOnlySpan) {
	id := s.SpanContext().SpanID()
	r := p.forget(id)
	if r == nil { // it was one too many
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.span != nil && r.span.SpanContext().SpanID() == id {
		r.span, r.ended = s, true
		if r.invocation != nil {
			r.invocation.leave(r)
		}
		p.send(r, r.spans())
		r.done = nil
		return
	}
	for i, open := range r.open {
		if open.SpanContext().SpanID() == id {
			last := len(r.open) - 1
			r.open[i] = r.open[last]
			r.open[last] = nil
			r.open = r.open[:last]
			break
		}
	}
	if !r.ended {
		r.done = append(r.done, s)
		return
	}
	// Its root has left without it, as in progress. This one overwrites that.
	late := &root{shape: shapeDetached, span: s, ended: true, invocation: r.invocation}
	p.send(late, nil)
}

// spans are those beneath the root, ended or not.
func (r *root) spans() []sdktrace.ReadOnlySpan {
	spans := r.done
	for _, s := range r.open {
		spans = append(spans, s)
	}
	return spans
}

// sendInProgress sends the root as it is by now; it is sent once more when it has ended.
func (p *roots) sendInProgress(r *root) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || r.inProgress || r.span == nil {
		return
	}
	r.inProgress = true
	p.send(r, append([]sdktrace.ReadOnlySpan(nil), r.spans()...))
}

// Shutdown implements sdktrace.SpanProcessor.
func (p *roots) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor. There is nothing to flush: a root leaves when it ends.
func (p *roots) ForceFlush(context.Context) error { return nil }
