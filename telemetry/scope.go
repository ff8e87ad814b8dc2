package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// A scope is what the decorators leave in a context for those within them: one value, because a look-up in a context
// takes longer the more there are.
type scope struct {
	invocation *invocation  // nil outside of Lambda's
	root       *root        // the local root that spans belong to; nil: none, or not sampled
	message    *message     // nil outside of a delivery
	spanID     trace.SpanID // of the span that is started with this scope; not valid: any

	subject, eventID string // for logs
}

type scopeKey struct{}

func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}
