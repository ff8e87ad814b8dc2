package experiment_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/results"
)

// A pretended system is an API, a queue and the slots that empty it, as theory has them. It runs in fake time, and does on
// request what real systems do by accident.
type pretended struct {
	// Times of the parts.
	accept, bus, overhead, store time.Duration
	ahead                        time.Duration // of the servers' clock
	parallelism                  int
	lag                          time.Duration // of an invocation, after its subjects are answered
	slower                       float64       // work takes so many times what was asked for; 0 for 1
	throttle                     float64       // requests per second that the API takes; 0 for any number

	// What it does wrong.
	loses   func(key string) bool                   // after it has answered 202
	twice   func(key string) bool                   // puts the message into the queue two times
	ignores bool                                    // settings are taken and not used
	frozen  func(since time.Duration) time.Duration // until when it stands still
	unknown bool                                    // the tables cannot be read
	silent  bool                                    // the tables do not answer at all
	buried  bool                                    // the dead-letter queues cannot be read
	old     bool                                    // the tables do not tell now how many items they have
	tardy   time.Duration                           // that the depths of queues are old when they are told

	mu        sync.Mutex
	began     time.Time
	setup     results.Setup
	original  results.Setup
	enabled   bool
	route     string
	reserved  int // 0: none
	visible   []*message
	received  map[*message]bool
	flying    int // messages in flight
	answers   int // on their way back
	busy      int
	subjects  map[string]*subject // by key
	dead      []string
	died      error
	version   int
	allowed   float64 // of the throttle, at
	at        time.Time
	restored  int
	applied   []string
	inJourney sync.WaitGroup
}

type message struct {
	key      string
	work     time.Duration
	receives int
	receipt  int
	deleted  bool
}

type subject struct {
	name string
	o    ledger.Observation
}

// newPretended returns a system like the local stack.
func newPretended() *pretended {
	const ms = time.Millisecond
	p := &pretended{
		accept: 3 * ms, bus: 2 * ms, overhead: 4 * ms, store: 2 * ms,
		parallelism: 10, loses: never, twice: never, frozen: func(time.Duration) time.Duration { return 0 },
		began: time.Now(), enabled: true, route: experiment.RouteQueue, subjects: map[string]*subject{}, received: map[*message]bool{},
		setup: results.Setup{Concurrency: 10, Batch: 10, Parallelism: 10, VisibilityS: 180, FunctionTimeoutS: 30, ResponsesConc: 10, ResponsesBatch: 10, AccountConc: 1000, MaxReceiveCount: 5, HandlerFunction: "handler", RequestsMappingID: "mapping"},
	}
	p.original = p.setup
	return p
}

func never(string) bool { return false }

func (p *pretended) now() time.Time { return time.Now().Add(p.ahead).Truncate(time.Millisecond) }

// spend waits as the parts of the system do: longer when it stands still.
func (p *pretended) spend(d time.Duration) {
	time.Sleep(d)
	if until := p.frozen(time.Since(p.began)); until > 0 {
		time.Sleep(time.Until(p.began.Add(until)))
	}
}

func (p *pretended) gone() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.died
}

func (p *pretended) die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.died = fmt.Errorf("dial tcp 127.0.0.1:1: %w", syscall.ECONNREFUSED)
}

// RoundTrip is the API, and the one of Lambda.
func (p *pretended) RoundTrip(r *http.Request) (*http.Response, error) {
	p.spend(p.accept)
	if err := p.gone(); err != nil {
		return nil, err
	}
	key := r.Header.Get("Idempotency-Key")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var in struct {
		SleepMs int `json:"sleep_ms"`
	}
	if err := json.Unmarshal(body, &in); err != nil || key == "" {
		return reply(r, 400, "{}")
	}
	m := &message{key: key, work: time.Duration(in.SleepMs) * time.Millisecond}
	if p.slower > 0 {
		m.work = time.Duration(float64(m.work) * p.slower)
	}
	if r.URL.Path == "/invoke" {
		return p.invoked(r, m)
	}
	if p.refuse() {
		return reply(r, 429, `{"message":"Too Many Requests"}`)
	}
	p.mu.Lock()
	p.subjects[key] = &subject{name: "s-" + key, o: ledger.Observation{Subject: "s-" + key, Accepted: p.now()}}
	p.mu.Unlock()
	if !p.loses(key) {
		p.put(m)
		if p.twice(key) {
			p.put(&message{key: key, work: m.work})
		}
	}
	return reply(r, 202, `{"subject":"s-`+key+`"}`)
}

func reply(r *http.Request, code int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// refuse reports whether the throttle refuses a request: a bucket of a hundredth of a second.
func (p *pretended) refuse() bool {
	if p.throttle == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.allowed = min(max(1, p.throttle/100), p.allowed+now.Sub(p.at).Seconds()*p.throttle)
	p.at = now
	if p.allowed < 1 {
		return true
	}
	p.allowed--
	return false
}

// put brings a message to where the rule sends it.
func (p *pretended) put(m *message) {
	p.mu.Lock()
	p.answers++ // on the bus; it is somewhere
	p.mu.Unlock()
	p.inJourney.Go(func() {
		p.spend(p.bus)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.answers--
		if p.route == experiment.RouteHidden {
			p.inJourney.Go(func() { p.invokeLater(m) })
			return
		}
		p.visible = append(p.visible, m)
		p.dispatch()
	})
}

// invokeLater is Lambda's own queue: it tries again after 1, 2, 4, ... seconds.
func (p *pretended) invokeLater(m *message) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		if p.take() {
			p.handle([]*message{m}, nil)
			return
		}
		time.Sleep(wait)
	}
}

// take occupies a slot of the function.
func (p *pretended) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reserved > 0 && p.busy >= p.reserved {
		return false
	}
	p.busy++
	return true
}

func (p *pretended) invoked(r *http.Request, m *message) (*http.Response, error) {
	if !p.take() {
		return reply(r, 429, `{"message":"Rate Exceeded."}`)
	}
	p.mu.Lock()
	p.subjects[m.key] = &subject{name: "s-" + m.key, o: ledger.Observation{Subject: "s-" + m.key}}
	p.mu.Unlock()
	p.handle([]*message{m}, nil)
	return reply(r, 200, `{"subject":"s-`+m.key+`"}`)
}

// dispatch gives visible messages to free slots. The caller holds the lock.
func (p *pretended) dispatch() {
	for p.enabled && p.died == nil && len(p.visible) > 0 && p.busy < p.setup.Concurrency && (p.reserved == 0 || p.busy < p.reserved) {
		n := min(p.setup.Batch, len(p.visible))
		batch := append([]*message(nil), p.visible[:n]...)
		p.visible = p.visible[n:]
		p.busy++
		receipts := make([]int, n)
		for i, m := range batch {
			m.receives++
			m.receipt++
			receipts[i] = m.receipt
			p.flying++
			p.received[m] = true
			time.AfterFunc(time.Duration(p.setup.VisibilityS*1e9), func() { p.appear(m, receipts[i]) })
		}
		p.inJourney.Go(func() { p.handle(batch, receipts) })
	}
}

// appear makes a message visible again, unless it was deleted, or received again, meanwhile.
func (p *pretended) appear(m *message, receipt int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.deleted || m.receipt != receipt {
		return
	}
	p.flying--
	delete(p.received, m)
	if m.receives >= p.setup.MaxReceiveCount {
		m.deleted = true
		p.dead = append(p.dead, "s-"+m.key)
		return
	}
	p.visible = append(p.visible, m)
	p.dispatch()
}

// handle is an invocation, in a slot that is taken.
func (p *pretended) handle(batch []*message, receipts []int) {
	received := p.now()
	p.spend(p.overhead / 2)
	for side := range slices.Chunk(batch, p.parallelism) {
		p.spend(side[0].work)
		for _, m := range side {
			p.mu.Lock()
			p.answers++
			p.mu.Unlock()
			answered := p.now()
			p.inJourney.Go(func() { p.answer(m.key, received, answered) })
		}
	}
	p.spend(p.overhead - p.overhead/2 + p.lag)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	for i, m := range batch {
		if receipts != nil && m.receipt == receipts[i] && !m.deleted {
			m.deleted = true
			if i := slices.Index(p.visible, m); i >= 0 { // again, and not yet received again
				p.visible = slices.Delete(p.visible, i, i+1)
			} else {
				p.flying--
				delete(p.received, m)
			}
		}
	}
	p.dispatch()
}

// answer is the way back: bus, queue and sink.
func (p *pretended) answer(key string, received, answered time.Time) {
	p.spend(p.bus)
	delivered := p.now()
	p.spend(p.store)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers--
	if p.died != nil {
		return
	}
	o := &p.subjects[key].o
	if o.Status == ledger.Pending {
		o.Received, o.Answered, o.Delivered, o.Stored = received, answered, delivered, p.now()
		o.Status, o.Events = ledger.Completed, 1
		o.TraceID = "1-" + key
	}
	o.Deliveries++
}

// others asks for ten subjects a second, for three seconds.
func (p *pretended) others() {
	for i := range 30 {
		key := fmt.Sprint("other-", i)
		p.mu.Lock()
		p.subjects[key] = &subject{name: key}
		p.mu.Unlock()
		p.put(&message{key: key, work: 50 * time.Millisecond})
		time.Sleep(100 * time.Millisecond)
	}
}

// What an experiment asks of it.

var _ experiment.System = (*pretended)(nil)

func (p *pretended) Setup(context.Context) (results.Setup, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.setup
	s.Parallelism = p.parallelism
	if p.reserved > 0 {
		n := p.reserved
		s.ReservedConc = &n
	}
	return s, p.died
}

func (p *pretended) Apply(_ context.Context, s experiment.Settings) error {
	time.Sleep(10 * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = append(p.applied, s.String())
	if p.died != nil || p.ignores {
		return p.died
	}
	if s.Concurrency != nil {
		p.setup.Concurrency = *s.Concurrency
	}
	if s.Batch != nil {
		p.setup.Batch = *s.Batch
	}
	if s.Visibility != nil {
		p.setup.VisibilityS = s.Visibility.Seconds()
	}
	if s.Enabled != nil {
		p.enabled = *s.Enabled
		p.version++ // who asks later sees that it was changed, if not by whom
	}
	if s.Reserved != nil {
		p.reserved = max(0, *s.Reserved)
	}
	if s.Route != nil {
		p.route = *s.Route
	}
	p.dispatch()
	return nil
}

func (p *pretended) Restore(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restored++
	if p.died != nil || ctx.Err() != nil {
		return errors.Join(p.died, ctx.Err())
	}
	p.setup, p.enabled, p.route, p.reserved = p.original, true, experiment.RouteQueue, 0
	p.dispatch()
	return nil
}

func (p *pretended) Depths(context.Context) (experiment.Depths, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { // after which the lock is let go of
		if p.tardy > 0 {
			p.mu.Unlock()
			time.Sleep(p.tardy)
			p.mu.Lock()
		}
	}()
	return experiment.Depths{Requests: len(p.visible), RequestsInFlight: p.flying, Responses: p.answers, RequestsDead: len(p.dead)}, p.died
}

func (p *pretended) Items(context.Context) (int, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unknown && p.died == nil {
		return 0, false, errors.New("ProvisionedThroughputExceededException")
	}
	n := 0
	for _, s := range p.subjects {
		n += 2 + s.o.Events
	}
	return n, !p.old, p.died
}

func (p *pretended) Purge(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.visible = nil
	for m := range p.received { // in flight or not: all are gone
		if !m.deleted {
			m.deleted = true
			p.flying--
		}
	}
	clear(p.received)
	return p.died
}

func (p *pretended) Request(via string, work time.Duration) (experiment.Request, error) {
	body := fmt.Appendf(nil, `{"sleep_ms":%d}`, work.Milliseconds())
	url := "http://in.process/events"
	if via == experiment.ViaFunction {
		url = "http://in.process/invoke"
	}
	return experiment.Request{
		Method: "POST", URL: url, Transport: p,
		Body: func(string) ([]byte, error) { return body, nil },
		Subject: func(code int, body []byte) (string, string) {
			var out struct{ Subject string }
			if code/100 != 2 || json.Unmarshal(body, &out) != nil {
				return "", ""
			}
			return out.Subject, ""
		},
	}, nil
}

func (p *pretended) Observe(ctx context.Context, l *ledger.Ledger, records []ledger.Record, tell func(uint64, ledger.Observation) error) error {
	time.Sleep(2 * time.Millisecond)
	p.mu.Lock()
	silent := p.silent
	p.mu.Unlock()
	if silent {
		<-ctx.Done()
		return ctx.Err()
	}
	type told struct {
		seq uint64
		o   ledger.Observation
	}
	p.mu.Lock()
	var all []told
	if p.unknown && p.died == nil {
		p.mu.Unlock()
		return errors.New("ProvisionedThroughputExceededException")
	}
	for _, r := range records {
		if s, ok := p.subjects[l.Key(r.Seq)]; ok {
			all = append(all, told{r.Seq, s.o})
		}
	}
	died := p.died
	p.mu.Unlock()
	if died != nil {
		return died
	}
	for _, t := range all {
		if err := tell(t.seq, t.o); err != nil {
			return err
		}
	}
	return nil
}

func (p *pretended) DeadLetters(_ context.Context, tell func(string)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buried {
		return errors.New("AccessDenied")
	}
	for _, s := range p.dead {
		tell(s)
	}
	return p.died
}

func (p *pretended) TraceLink(trace, _ string) string { return "http://traces/" + trace }

func (p *pretended) Incarnation(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint("version ", p.version), p.died
}
