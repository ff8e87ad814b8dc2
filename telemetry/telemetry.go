package telemetry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/arvo"
)

// Config is what [Setup] needs of the world. The zero value is that of a Lambda.
type Config struct {
	Getenv func(string) string // nil: os.Getenv
	Out    io.Writer           // of metrics, one line each; nil: os.Stdout. One call of Write holds whole lines.
	Random io.Reader           // of ids; nil: crypto/rand

	// Contracts are those whose types may be told apart in metrics; each is paid for. Other types count as "other".
	Contracts []*arvo.Contract
}

// Telemetry makes the spans, segments, metrics and attributes of log lines of one function. It may be used by many
// goroutines.
type Telemetry struct {
	getenv    func(string) string
	function  *function
	provider  *sdktrace.TracerProvider
	tracer    trace.Tracer
	spans     *roots
	daemon    *daemon // nil: no segments
	collector *collector
	metrics   *metrics
	bus       string
	hops      bool
	warm      atomic.Bool
}

// Setup reads the environment, see the package comment, and opens a socket to the X-Ray daemon. It contacts nobody.
func Setup(ctx context.Context, c Config) (*Telemetry, error) {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.Out == nil {
		c.Out = os.Stdout
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	t := &Telemetry{getenv: c.Getenv, function: newFunction(c.Getenv), bus: lastPart(c.Getenv("BUS_NAME"), '/'), hops: true}
	switch hops := c.Getenv("ARVO_TRACE_HOPS"); hops {
	case "", "segments":
	case "off":
		t.hops = false
	default:
		return nil, fmt.Errorf("telemetry: ARVO_TRACE_HOPS is %q; segments or off is due", hops)
	}
	var err error
	if t.collector, err = newCollector(c.Getenv, t.function); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	// Last of what can fail: nobody would close it.
	if address := c.Getenv("AWS_XRAY_DAEMON_ADDRESS"); address != "" {
		if t.daemon, err = dialDaemon(ctx, address); err != nil {
			return nil, fmt.Errorf("telemetry: %w", err)
		}
	}
	t.metrics = newMetrics(c.Out, t.function.service, c.Contracts)
	// Nobody reads what goes nowhere. With somebody to read it, whoever began the trace decides, and we if nobody did.
	sampler := sdktrace.NeverSample()
	if t.daemon != nil || t.collector != nil {
		sampler = sdktrace.ParentBased(sdktrace.AlwaysSample())
	}
	t.spans = &roots{send: t.send, byID: make(map[trace.SpanID]*root)}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sampler),
		sdktrace.WithIDGenerator(&ids{random: c.Random}),
		sdktrace.WithResource(t.function.otel),
		sdktrace.WithSpanProcessor(t.spans),
	)
	t.tracer = t.provider.Tracer(scopeName, trace.WithInstrumentationVersion(scopeVersion))
	return t, nil
}

// The instrumentation scope, under the name that other Arvo implementations give it.
const scopeName, scopeVersion = "arvo-instrumentation", "1.0.0"

// TracerProvider makes tracers whose spans go the same way as those of this package. It is for libraries that take one;
// it is not registered globally.
func (t *Telemetry) TracerProvider() trace.TracerProvider { return t.provider }

// Shutdown sends what waits for a collector, and closes what Setup has opened. A Lambda does not need it: it is frozen and killed,
// never asked.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	err := t.provider.Shutdown(ctx)
	if t.collector != nil {
		t.collector.flush(ctx)
	}
	if t.daemon != nil {
		err = errors.Join(err, t.daemon.close())
	}
	return err
}

// send sends a local root and the spans beneath it.
func (t *Telemetry) send(r *root, spans []sdktrace.ReadOnlySpan) {
	if t.daemon != nil && r.shape != shapeHop {
		d := t.function.document(r, spans)
		t.daemon.send(&d)
	}
	if t.collector != nil {
		t.collector.add(r, spans)
	}
}
