package watch

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/gateway"
	"example.com/arvo/lambdas/local/watch/daemon"
	"example.com/arvo/lambdas/local/watch/logs"
	"example.com/arvo/lambdas/local/watch/native"
	"example.com/arvo/lambdas/local/watch/sampling"
	"example.com/arvo/lambdas/local/watch/traces"
	"example.com/arvo/lambdas/local/watch/xray"
	"example.com/arvo/lambdas/local/wire"
	"example.com/arvo/telemetry/segment"
)

// Options configure a [Service]. The zero value works.
type Options struct {
	Region  string // default us-east-1
	Account string // twelve digits; default 000000000000
	Daemon  string // address of the X-Ray daemon, on loopback; default 127.0.0.1:2000
	Memory  int64  // bytes for traces; see [traces.Options]

	Rules  []sampling.Rule // of the template; the default rule stands behind them
	Groups []xray.Group

	Random *rand.Rand   // draws for sampling; default a random seed
	Log    *slog.Logger // default slog.Default()
}

// A Service is X-Ray and CloudWatch Logs on this machine. Start one with [Start]; it is safe for concurrent use.
type Service struct {
	options Options
	traces  *traces.Store
	sampler *sampling.Sampler
	xray    *xray.API
	native  native.Environment
	daemon  *daemon.Daemon
}

// Start opens the daemon's ports and begins to take documents. The context bounds the start only; [Service.Close] ends what
// was started.
func Start(ctx context.Context, o Options) (*Service, error) {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	if o.Random == nil {
		o.Random = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Service{options: o, traces: traces.New(traces.Options{Memory: o.Memory}), native: native.Environment{Region: o.Region, Account: o.Account}}
	var err error
	if s.sampler, err = sampling.New(o.Region, o.Account, o.Rules, o.Random); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if s.xray, err = xray.New(xray.Options{Store: s.traces, Sampler: s.sampler, Groups: o.Groups, Account: o.Account}); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if s.daemon, err = daemon.Listen(ctx, daemon.Options{Address: o.Daemon, Sink: s.traces.Put, Proxy: s.xray, Log: o.Log}); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	if d := s.daemon.Stats(); d.Buffer > 0 && d.Buffer < daemon.ReadBuffer {
		o.Log.Warn("the kernel gives the X-Ray daemon a small read buffer; a burst may lose segments", "bytes", d.Buffer, "wanted", daemon.ReadBuffer, "raise", "net.core.rmem_max")
	}
	return s, nil
}

// Register adds the APIs of X-Ray and of CloudWatch Logs to an endpoint. Log groups are those of source.
func (s *Service) Register(mux *wire.Mux, source logs.Source) {
	for _, path := range xray.Paths {
		mux.HandlePath(path, s.xray)
	}
	mux.Handle(logs.New(logs.Options{Source: source, Region: s.options.Region, Account: s.options.Account}).Wire())
}

// DaemonAddress is what functions get as AWS_XRAY_DAEMON_ADDRESS.
func (s *Service) DaemonAddress() string { return s.daemon.Addr() }

// Sample decides about the trace of a request that comes without a decision.
func (s *Service) Sample(r sampling.Request) bool { return s.sampler.Decide(r) }

// Stage records a request of an API.
func (s *Service) Stage(api native.API, r gateway.AccessRecord) {
	if d, ok := s.native.Stage(api, r); ok {
		s.add(&d)
	}
}

// Invocation records an invocation of a function.
func (s *Service) Invocation(i function.Invocation) {
	for _, d := range s.native.Invocation(i) {
		s.add(&d)
	}
}

// add keeps a document that was made here. It can be refused for nothing but the size of its trace, which the trace tells.
func (s *Service) add(d *segment.Document) {
	if err := s.traces.Add(d); err != nil {
		s.options.Log.Debug("a segment was not kept", "name", d.Name, "error", err)
	}
}

// Stats are the counters now.
type Stats struct {
	Daemon daemon.Stats
	Traces traces.Stats
}

// Stats are the counters of what arrived and of what is held.
func (s *Service) Stats() Stats { return Stats{s.daemon.Stats(), s.traces.Stats()} }

// Close stops the daemon. What it had received can still be read.
func (s *Service) Close(ctx context.Context) error { return s.daemon.Close(ctx) }
