package arvo

import "context"

// A Handler turns one event into the events it causes. A nil slice is "nothing to say". An error is either a violation
// (see [Violation]), which the host retries and finally dead-letters, or a fault of the host itself.
//
// Handle may be called from several goroutines at once. The events it returns belong to the caller.
type Handler interface {
	Handle(ctx context.Context, in Event) ([]Event, error)
}

// A Hosted is a Handler that knows the address it is reached under: a [Service] or a [Resumable]. Who hosts several routes by
// it.
type Hosted interface {
	Handler
	Source() string
}

var (
	_ Hosted = (*Service)(nil)
	_ Hosted = (*Resumable)(nil)
)

// HandlerFunc adapts a function to a Handler.
type HandlerFunc func(ctx context.Context, in Event) ([]Event, error)

// Handle calls f(ctx, in).
func (f HandlerFunc) Handle(ctx context.Context, in Event) ([]Event, error) { return f(ctx, in) }

// A Middleware decorates a Handler.
type Middleware func(Handler) Handler

// Chain wraps h so that the first middleware listed runs outermost.
func Chain(h Handler, mw ...Middleware) Handler {
	for i := len(mw) - 1; i >= 0; i-- {
		h = mw[i](h)
	}
	return h
}
