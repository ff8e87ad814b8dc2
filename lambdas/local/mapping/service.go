package mapping

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// ErrThrottled is what an [Invoker]'s error wraps when the function had no concurrency left for the invocation.
var ErrThrottled = errors.New("throttled")

// An Invoker runs a function and waits for its result. It returns soon after ctx has ended.
type Invoker interface {
	// Invoke passes payload to the function, by its name or ARN. The invocation begins a trace of its own, even of a single
	// message; traces are the AWSTraceHeader of the messages that have one, which Lambda links it to. An error means that
	// the function did not run to its end.
	Invoke(ctx context.Context, function string, payload []byte, traces []string) (Result, error)
}

// A Result is how a function ended.
type Result struct {
	Payload       []byte // what it returned, JSON
	FunctionError string // "Unhandled" or "Handled" when it failed, else empty
}

// A Ramp is how fast concurrency grows while a queue has messages. The zero value means at once.
type Ramp struct {
	Initial   int // concurrent batches at first, and again when the queue has been quiet
	PerMinute int // more of them in each minute, evenly
	Max       int // never more of them
}

// Options configure a [Service].
type Options struct {
	Invoker Invoker
	Ramp    Ramp

	// Timeout is that of a function, by its name, whenever a mapping to it is created or changed: it must not be longer than
	// the queue's visibility timeout then. Nil, or 0 for a function, means Lambda's default of 3 s.
	Timeout func(function string) time.Duration

	Rand *rand.Rand   // for the jitter of retries; the Service guards it. Nil means a random seed
	Log  *slog.Logger // default slog.Default()
}

// A Service is the set of event source mappings. Its methods may be called by several goroutines at once.
type Service struct {
	invoker   Invoker
	ramp      Ramp
	timeoutOf func(string) time.Duration
	log       *slog.Logger

	invoking context.Context // of all invocations; ends when a Stop runs out of time
	abandon  context.CancelFunc
	pollers  sync.WaitGroup

	mu       sync.Mutex
	rand     *rand.Rand
	mappings map[string]*Mapping // by lower-case id
	stopped  bool
}

// New returns a Service without mappings.
func New(opts Options) *Service {
	if opts.Rand == nil {
		var seed [32]byte
		cryptorand.Read(seed[:]) // never fails, by its documentation
		opts.Rand = rand.New(rand.NewChaCha8(seed))
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	s := &Service{invoker: opts.Invoker, ramp: opts.Ramp, timeoutOf: opts.Timeout, log: opts.Log, rand: opts.Rand, mappings: map[string]*Mapping{}}
	s.invoking, s.abandon = context.WithCancel(context.Background())
	return s
}

// Create adds a mapping, which begins to poll at once unless it is Disabled. An error is a [*wire.Error] as Lambda
// would give it.
func (s *Service) Create(cfg Config) (*Mapping, error) {
	if err := cfg.normalize(s.timeout(cfg.Function)); err != nil {
		return nil, err
	}
	filter, err := compileFilter(cfg.Filters)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, errors.New("mapping: the service is stopped")
	}
	key := strings.ToLower(cfg.ID)
	if _, ok := s.mappings[key]; ok {
		return nil, conflict("An event source mapping with the UUID %s exists already.", cfg.ID)
	}
	for _, m := range s.mappings {
		if have := m.Config(); have.Queue == cfg.Queue && functionName(have.Function) == functionName(cfg.Function) {
			return nil, conflict("An event source mapping with SQS arn (%q) and function (%q) already exists. Please update or delete the existing mapping with UUID %s", cfg.Queue.ARN(), functionName(cfg.Function), have.ID)
		}
	}
	m := &Mapping{s: s, cfg: cfg, filter: filter, modified: time.Now(), state: Disabled}
	s.mappings[key] = m
	if !cfg.Disabled {
		m.mu.Lock()
		m.enable()
		m.mu.Unlock()
	}
	return m, nil
}

// timeout is that of a function, by its name or ARN.
func (s *Service) timeout(function string) time.Duration {
	if s.timeoutOf != nil {
		if d := s.timeoutOf(functionName(function)); d > 0 {
			return d
		}
	}
	return defaultTimeout
}

// Lookup finds a mapping by its id.
func (s *Service) Lookup(id string) (*Mapping, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.mappings[strings.ToLower(id)]
	return m, ok
}

// Mappings returns all mappings in the order of their ids.
func (s *Service) Mappings() []*Mapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Mapping, 0, len(s.mappings))
	for _, m := range s.mappings {
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *Mapping) int { return strings.Compare(a.cfg.ID, b.cfg.ID) })
	return out
}

// Stop drains: nothing more is received, what was received is invoked still, and when the running invocations have
// ended and their messages are deleted, it returns nil. When ctx ends before, the invocations are cancelled and the
// error says so; their messages stay in their queues.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	for _, m := range s.Mappings() {
		m.stop()
	}
	done := make(chan struct{})
	go func() {
		s.pollers.Wait()
		close(done)
	}()
	defer s.abandon()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mapping: invocations cancelled while draining: %w", ctx.Err())
	}
}

// jitter draws a duration between 0 and most.
func (s *Service) jitter(most time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.rand.Int64N(int64(most) + 1))
}
