package bus

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/arvo/lambdas/local/pattern"
)

// A Target is what a rule sends events to, such as a queue.
type Target interface {
	// Deliver hands over one message. The body is shared with other targets and must not be changed. traceHeader is
	// the event's X-Ray trace header or empty. attributes are those of a dead letter, nil on ordinary deliveries.
	//
	// Deliver returns soon: it runs inside PutEvents. ctx ends when the bus is closed. An error with a method
	// Retriable() bool that returns true is tried again under the target's retry policy, as are *wire.Error values
	// with a status of 500 and more or a code of throttling; others go to the dead-letter queue at once.
	Deliver(ctx context.Context, body []byte, traceHeader string, attributes map[string]string) error
}

// Options configure a [Service]. Region and Account are needed; Target too if rules have targets. The rest may be zero.
type Options struct {
	Region, Account string

	// Target finds the target, or dead-letter queue, of an ARN at the moment of delivery.
	Target func(arn string) (Target, bool)

	PutLatency      func() time.Duration                 // how long PutEvents takes; nil means no time
	DeliveryLatency func() time.Duration                 // between acceptance and a delivery; nil or 0 delivers inside PutEvents
	FailEntry       func() (errorCode string, fail bool) // refuses an entry that is otherwise good; nil refuses none
	MaxBacklog      int                                  // deliveries under way at most; 0 means 100,000
	MaxBacklogBytes int                                  // of their events; 0 means 256 MiB. The last entry to be accepted may go beyond it
	Log             *slog.Logger                         // of events that are lost; default slog.Default()
	Random          rand.Source                          // of jitter and event ids; used under a lock; nil means one with a seed of its own
}

// A Service is the event buses of one account in one region. It has the bus "default" from the start.
type Service struct {
	opt Options
	ids idSource

	mu      sync.Mutex // guards buses and all below them
	buses   map[string]*eventBus
	stopped bool // no clock is wound any more
	// routes is what PutEvents needs of buses, made anew by each change, so that it takes no lock.
	routes atomic.Pointer[map[string]*routes]

	deliveries deliveries
	stats      counters
	unknown    sync.Map // names of buses that events were put to and that do not exist, said once each
	unknowns   atomic.Int32
}

// routes are the enabled rules of a bus, ready to match.
type routes struct {
	set   *pattern.Set
	rules []*route
}

// A route is one enabled rule with its targets.
type route struct {
	name, arn string
	targets   []*target
	stats     *ruleCounters
}

// New returns a service with the bus "default".
func New(opt Options) *Service {
	if opt.Target == nil {
		opt.Target = func(string) (Target, bool) { return nil, false }
	}
	if opt.MaxBacklog == 0 {
		opt.MaxBacklog = 100_000
	}
	if opt.MaxBacklogBytes == 0 {
		opt.MaxBacklogBytes = 256 << 20
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	s := &Service{opt: opt, buses: map[string]*eventBus{}}
	s.ids.init(opt.Random)
	s.deliveries.init()
	now := time.Now()
	s.buses[defaultBus] = &eventBus{name: defaultBus, created: now, modified: now, rules: map[string]*rule{}}
	s.publish()
	return s
}

// Close stops the schedules, waits until all deliveries under way have ended, then refuses new ones. When ctx ends first,
// it gives up those that are left and tells how many there were.
func (s *Service) Close(ctx context.Context) error {
	s.stopClocks()
	if lost := s.deliveries.close(ctx); lost > 0 {
		return fmt.Errorf("bus: %d deliveries were still under way when it was closed", lost)
	}
	return nil
}

// Backlog returns how many deliveries are delayed or waiting to be tried again.
func (s *Service) Backlog() int { return int(s.deliveries.backlog.Load()) }

// publish makes routes from buses. The caller holds mu, except in New.
func (s *Service) publish() {
	all := make(map[string]*routes, len(s.buses))
	for name, b := range s.buses {
		r := &routes{}
		var patterns []*pattern.Pattern
		for _, rule := range sorted(b.rules) {
			if !rule.enabled || len(rule.targets) == 0 || rule.pattern == nil {
				continue
			}
			patterns = append(patterns, rule.pattern)
			r.rules = append(r.rules, s.route(name, rule))
		}
		r.set = pattern.NewSet(patterns...)
		all[name] = r
	}
	s.routes.Store(&all)
}

func (s *Service) route(bus string, r *rule) *route {
	return &route{name: r.name, arn: s.ruleARN(bus, r.name), targets: sorted(r.targets), stats: &r.stats}
}

// warnUnknown says once per name that events go nowhere, since PutEvents does not.
func (s *Service) warnUnknown(bus string) {
	if s.unknowns.Load() > 100 { // names are the clients' to make up
		return
	}
	name := clip(bus) // a long one is not kept
	if _, said := s.unknown.LoadOrStore(name, true); !said {
		s.unknowns.Add(1)
		s.opt.Log.Warn("events put to an event bus that does not exist are dropped", "bus", name)
	}
}

// clip bounds what an error message repeats of a request. It cuts no character in two: queues take UTF-8 only.
func clip(s string) string {
	if len(s) > 256 {
		return strings.ToValidUTF8(s[:256], "") + "…"
	}
	return s
}
