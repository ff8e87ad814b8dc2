package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/telemetry/segment"
)

// lastCall is how long before the deadline of an invocation everything that is still open is sent as it is.
const lastCall = 200 * time.Millisecond

// An invocation is what is known of one call of the function.
type invocation struct {
	span            trace.SpanContext
	recording       trace.Span   // nil when nothing is sampled
	resource        *segment.AWS // of its segments: the function, with the id of the request; nil when no document is made
	queue, queueARN string       // that the batch came from; "" for another trigger
	links           int          // of the invocation's span to messages
	cold            bool         // the first of its process

	mu    sync.Mutex
	open  map[*root]struct{}
	lines []byte // of metrics, to be written together
	over  bool
}

func (inv *invocation) enter(r *root) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	inv.open[r] = struct{}{}
}

func (inv *invocation) leave(r *root) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	delete(inv.open, r)
}

// Lambda decorates the function; it belongs outermost. Each invocation is a span in the trace that Lambda has made of it.
// Before it returns, everything has left: documents, metrics and what goes to a collector. The same holds when h panics,
// which is passed on, and 200 ms before the deadline, when all that is open leaves as it is.
func (t *Telemetry) Lambda(h lambda.Handler) lambda.Handler { return &tracedLambda{t, h} }

type tracedLambda struct {
	t    *Telemetry
	next lambda.Handler
}

// Invoke implements [lambda.Handler].
func (l *tracedLambda) Invoke(ctx context.Context, payload []byte) (out []byte, err error) {
	t := l.t
	inv := &invocation{open: make(map[*root]struct{})}
	var messages int
	if inv.queueARN, messages = batchOf(payload); messages > 0 {
		inv.queue = lastPart(inv.queueARN, ':')
	}
	inv.cold = t.warm.CompareAndSwap(false, true)
	t.metrics.invocation(inv, messages, inv.cold)

	requestID := ""
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		requestID = lc.AwsRequestID
		t.function.invoked(lc.InvokedFunctionArn)
	}
	if t.daemon != nil { // once for all messages, of which any may be sampled
		inv.resource = t.function.resourceOf(requestID)
	}
	s := &scope{invocation: inv}
	parent, ok := t.facade(ctx)
	if ok {
		ctx = trace.ContextWithSpanContext(ctx, parent)
	}
	var span trace.Span
	if ok && !t.records(parent) { // those within find the trace all the same
		ctx = context.WithValue(ctx, scopeKey{}, s)
		span = noSpan
		inv.span = parent
	} else {
		s.root = &root{invocation: inv, anchor: parent.SpanID()}
		if ok {
			s.root.shape = shapeInvocation
		}
		name := t.function.name
		if inv.queue != "" {
			name = "batch " + inv.queue
		}
		ctx, span = t.tracer.Start(context.WithValue(ctx, scopeKey{}, s), name, trace.WithSpanKind(trace.SpanKindServer))
		inv.span = span.SpanContext()
		if !ok {
			s.root.anchor = inv.span.SpanID()
		}
		if span.IsRecording() {
			inv.recording = span
			span.SetAttributes(semconv.FaaSInvocationID(requestID), semconv.FaaSColdstart(inv.cold), triggerOf(messages))
			if messages > 0 {
				span.SetAttributes(semconv.MessagingBatchMessageCount(messages))
			}
		}
	}

	early := func() {} // ends what the timer has begun
	if deadline, ok := ctx.Deadline(); ok {
		flushed := make(chan struct{})
		timer := time.AfterFunc(time.Until(deadline)-lastCall, func() {
			defer close(flushed)
			t.flush(ctx, inv)
		})
		early = func() {
			if !timer.Stop() { // what it holds would be frozen with the function
				<-flushed
			}
		}
	}
	defer func() {
		early()
		p := recover()
		switch {
		case p != nil:
			failWith(span, failureFault, fmt.Sprintf("%T", p), panicText(p))
			span.SetAttributes(semconv.ExceptionStacktrace(string(debug.Stack())))
		case err != nil:
			failWith(span, failureFault, fmt.Sprintf("%T", err), err.Error())
		}
		span.End()
		t.finish(ctx, inv)
		if p != nil {
			// aws-lambda-go reports a panic and ends the process. The stack is still that of the panic.
			panic(p)
		}
	}()
	return l.next.Invoke(ctx, payload)
}

// noSpan records nothing.
var noSpan = trace.SpanFromContext(context.Background())

// records tells whether spans beneath sc are for somebody to read.
func (t *Telemetry) records(sc trace.SpanContext) bool {
	return sc.IsSampled() && (t.daemon != nil || t.collector != nil)
}

func triggerOf(messages int) attribute.KeyValue {
	if messages > 0 {
		return semconv.FaaSTriggerPubSub
	}
	return semconv.FaaSTriggerHTTP
}

// batchOf tells the queue of a batch and how many messages it has; none for another payload. It looks for the names only: inside of a
// message's body their quotes are escaped, and what an attribute of a message that has such a name is followed by is no string.
func batchOf(payload []byte) (queueARN string, messages int) {
	// A request of the REST API may hold any names. It begins with its resource; a batch is nothing but records.
	if rest, ok := bytes.CutPrefix(bytes.TrimLeft(payload, " \t\r\n"), []byte("{")); !ok || !bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"Records"`)) {
		return "", 0
	}
	for rest := payload; rest != nil; {
		if _, rest = textAfter(rest, `"receiptHandle":`); rest != nil {
			messages++
		}
	}
	if messages == 0 {
		return "", 0
	}
	arn, _ := textAfter(payload, `"eventSourceARN":`)
	if end := bytes.IndexByte(arn[:min(len(arn), 512)], '"'); end > 0 {
		queueARN = string(arn[:end])
	}
	return queueARN, messages
}

// textAfter is what follows the opening quote of the first string after the name, and what follows the name; nil if there is none.
func textAfter(b []byte, name string) (text, rest []byte) {
	for {
		_, after, found := bytes.Cut(b, []byte(name))
		if !found {
			return nil, nil
		}
		if text, found = bytes.CutPrefix(bytes.TrimLeft(after, " \t\r\n"), []byte(`"`)); found {
			return text, after
		}
		b = after
	}
}

// flush sends what there is by now.
func (t *Telemetry) flush(ctx context.Context, inv *invocation) {
	inv.mu.Lock()
	open := make([]*root, 0, len(inv.open))
	for r := range inv.open {
		open = append(open, r)
	}
	inv.mu.Unlock()
	for _, r := range open {
		t.spans.sendInProgress(r)
	}
	t.metrics.flush(inv)
	if t.collector != nil {
		t.collector.flush(ctx)
	}
}

// finish sends what there is, and the rest as soon as it comes: messages that outlive their invocation.
func (t *Telemetry) finish(ctx context.Context, inv *invocation) {
	inv.mu.Lock()
	inv.over = true
	inv.mu.Unlock()
	t.flush(ctx, inv)
}

// failWith marks a span as failed.
func failWith(span trace.Span, failure, errorType, message string) {
	if !span.IsRecording() {
		return
	}
	message = clip(message, maxText)
	span.SetStatus(codes.Error, message)
	span.SetAttributes(keyFailure.String(failure), semconv.ErrorTypeKey.String(clip(errorType, maxText)), semconv.ExceptionType(clip(errorType, maxText)), semconv.ExceptionMessage(message))
}

// panicText tells of a value that somebody panicked with no more than its type, unless the runtime has thrown it: it may be
// somebody's data.
func panicText(p any) string {
	if err, ok := p.(error); ok {
		var fault runtime.Error
		if errors.As(err, &fault) {
			return fault.Error()
		}
	}
	return fmt.Sprintf("panic with a %T", p)
}
