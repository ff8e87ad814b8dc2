package mapping

import (
	"context"
	"errors"
	"sync"
	"time"

	"example.com/arvo/lambdas/local/queue"
)

// A State is where a mapping stands.
type State string

// The states in which a mapping can be found. Those in between, Creating, Enabling and Updating, take no time here;
// they only occur in answers to updates.
const (
	Enabled   State = "Enabled"
	Disabling State = "Disabling" // receives no more; invocations are running still
	Disabled  State = "Disabled"
)

const (
	// longPoll is how long a poller waits for a first message, SQS's longest wait.
	longPoll = 20 * time.Second

	// basePollers receive from a queue that is in use, when there is no ramp that says otherwise.
	basePollers = 5

	// idlePollers receive from a quiet queue, without MaxConcurrency.
	idlePollers = 2

	// defaultMax is the number of pollers that a mapping has at most without MaxConcurrency and ramp.
	defaultMax = 1250

	// A throttled invocation is tried again after up to firstBackoff, then up to twice as long each time, up to
	// maxBackoff. AWS publishes no numbers.
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// Counts are a mapping's counters since it was created, in records. CloudWatch's metrics of the same meaning have the
// names of the fields with EventCount behind.
type Counts struct {
	Polled       uint64 // received from the queue
	FilteredOut  uint64 // not passed by the filter, and deleted
	Invoked      uint64 // passed to the function, which ran
	FailedInvoke uint64 // of those passed, or tried to: failed, and left in the queue
	Deleted      uint64 // deleted after the function had succeeded with them
	Dropped      uint64 // given up, and left in the queue, because the function was throttled until their visibility timeout
}

// A Mapping passes a queue's messages to a function.
type Mapping struct {
	s *Service

	mu       sync.Mutex
	cfg      Config
	filter   filter
	modified time.Time
	state    State
	counts   Counts
	enabled  context.Context // ends when the mapping is disabled
	disabled context.CancelFunc
	polling  context.Context // of receives that have got nothing yet; ends when the mapping is disabled or changed
	changed  context.CancelFunc

	pollers   int  // running
	receiving int  // pollers that wait for messages, or for their batch to become full
	throttled int  // pollers whose function is being throttled
	limit     int  // pollers that may run now
	growing   bool // a step of the ramp is due, because the limit holds the mapping back
}

// Config returns the mapping's present configuration.
func (m *Mapping) Config() Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cfg
}

// State returns where the mapping stands.
func (m *Mapping) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// Counts returns the mapping's counters.
func (m *Mapping) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counts
}

// Pollers returns how many pollers are running, which bounds the concurrent invocations.
func (m *Mapping) Pollers() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pollers
}

// max is the number of pollers that the limit can grow to. m is locked, here and below.
func (m *Mapping) max() int {
	most := defaultMax
	if m.s.ramp.Max > 0 {
		most = m.s.ramp.Max
	}
	if c := m.cfg.MaxConcurrency; c > 0 {
		most = min(most, c)
	}
	return most
}

// initial is the limit of a mapping that has been quiet.
func (m *Mapping) initial() int {
	if m.s.ramp.Initial > 0 {
		return min(m.s.ramp.Initial, m.max())
	}
	return m.max()
}

// base is the number of pollers that a queue in use has at least.
func (m *Mapping) base() int {
	if m.s.ramp.Initial > 0 {
		return m.initial()
	}
	return min(basePollers, m.max())
}

// enable begins to poll.
func (m *Mapping) enable() {
	m.state = Enabled
	m.enabled, m.disabled = context.WithCancel(m.s.invoking)
	m.polling, m.changed = context.WithCancel(m.enabled)
	m.limit = m.initial()
	for range m.base() {
		m.start()
	}
}

// disable ends the receives; the last poller to end makes the mapping Disabled.
func (m *Mapping) disable() {
	m.state = Disabling
	m.disabled()
}

// change lets what an update has changed take effect: who waits for a first message begins anew, with the batch size and the
// filter of now, or ends when there are more pollers than may be. When all are busy, one more begins to wait if there may
// be one, for else nobody would before one of them is done.
func (m *Mapping) change() {
	m.limit = max(min(m.limit, m.max()), m.initial())
	m.changed()
	m.polling, m.changed = context.WithCancel(m.enabled)
	if m.receiving == 0 {
		m.grow()
	}
}

// stop is disable for those who do not know whether the mapping is enabled.
func (m *Mapping) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == Enabled {
		m.disable()
	}
}

// start starts one more poller.
func (m *Mapping) start() {
	m.pollers++
	m.s.pollers.Go(m.poll)
}

// grow starts a poller, if the limit allows, because all others are busy. If it does not, and the ramp has not reached
// its end, the limit grows by one poller when the ramp's next step is due, and so on as long as messages are waiting.
// While the function is throttled more pollers would only receive what cannot be invoked.
func (m *Mapping) grow() {
	switch {
	case m.state != Enabled || m.throttled > 0:
	case m.pollers < m.limit:
		m.start()
	case m.limit < m.max() && !m.growing && m.s.ramp.PerMinute > 0:
		m.growing = true
		time.AfterFunc(time.Minute/time.Duration(m.s.ramp.PerMinute), m.step)
	}
}

// step is the ramp's next step: one poller more if messages are waiting.
func (m *Mapping) step() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.growing = false
	switch {
	case m.state != Enabled || m.limit >= m.max() || m.throttled > 0:
	case m.cfg.Queue.Counts().Visible > 0:
		m.limit++
		m.grow()
	case m.receiving == 0:
		m.grow() // look again at the next step: nobody else would notice a message
	}
}

// poll is one poller: it receives a batch, invokes the function with it, and receives the next. So it never receives
// what it could not invoke at once, and the pollers are the mapping's concurrency.
func (m *Mapping) poll() {
	for m.mayReceive() {
		cfg, batch, quiet := m.collect()
		if !m.received(len(batch) > 0, quiet) {
			return
		}
		for len(batch) > 0 {
			batch = m.invoke(cfg, batch)
		}
	}
}

// mayReceive tells a poller whether to go on, and counts it as receiving if so, as ended if not. One that ends because there
// are too many leaves the ramp to look after the messages that come while the others are busy.
func (m *Mapping) mayReceive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != Enabled || m.pollers > m.limit {
		m.ended()
		if m.receiving == 0 {
			m.grow()
		}
		return false
	}
	m.receiving++
	return true
}

// received counts a poller as no longer receiving and tells it whether to go on. When it has got a batch, another
// poller takes its place if there is none. When nothing at all has come in a long poll, the queue is quiet: the ramp
// begins anew, and the poller ends if there are more than a quiet queue has. The only one that is not busy stays, for else
// a message would wait for an invocation to end.
func (m *Mapping) received(batch, quiet bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.receiving--
	if batch && m.receiving == 0 {
		m.grow()
	}
	if !quiet || m.state != Enabled {
		return true
	}
	m.limit = m.initial()
	least := m.base()
	if m.cfg.MaxConcurrency == 0 {
		least = min(least, idlePollers)
	}
	if m.pollers > least && m.receiving > 0 {
		m.ended()
		return false
	}
	return true
}

// ended counts a poller that ends.
func (m *Mapping) ended() {
	m.pollers--
	if m.pollers == 0 && m.state == Disabling {
		m.state = Disabled
	}
}

// collect receives a batch: what there is or, with a window, what comes until the window has passed, the batch is full
// or its event is as large as can be. The batch is empty if nothing came, or nothing that the filter lets pass, or if the
// mapping has been changed meanwhile; quiet tells that a whole long poll has brought nothing. cfg is what the batch began
// with, and by which it is invoked.
func (m *Mapping) collect() (cfg Config, batch []record, quiet bool) {
	m.mu.Lock()
	cfg = m.cfg
	filter, enabled, ctx := m.filter, m.enabled, m.polling
	m.mu.Unlock()
	var end time.Time
	size, any := 0, false
	for wait := longPoll; wait > 0 && len(batch) < cfg.BatchSize; {
		messages, err := cfg.Queue.Receive(ctx, queue.ReceiveRequest{Max: cfg.BatchSize - len(batch), Wait: min(wait, longPoll)})
		if err != nil {
			if ctx.Err() == nil { // the queue is gone or shuts down; polling it on is no use
				m.s.log.Warn("event source mapping stops polling", "mapping", cfg.ID, "queue", cfg.Queue.Name(), "error", err)
				m.stop()
			}
			return cfg, batch, false
		}
		if len(messages) > 0 {
			if !any {
				any = true
				end = time.Now().Add(cfg.Window)
				ctx = enabled // a batch that has begun ends as it has begun
				m.inUse()
			}
			passed := m.admit(messages, cfg, filter)
			for _, r := range passed {
				size += len(r.json) + 1
			}
			batch = append(batch, passed...)
		}
		if !any || size >= maxPayload {
			break
		}
		wait = time.Until(end)
	}
	return cfg, batch, !any
}

// inUse brings the pollers of a quiet queue to the number of one in use.
func (m *Mapping) inUse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.state == Enabled && m.throttled == 0 && m.pollers < min(m.base(), m.limit) {
		m.start()
	}
}

// admit makes records of the messages that pass the filter and deletes the others.
func (m *Mapping) admit(messages []queue.Received, cfg Config, f filter) []record {
	records := make([]record, 0, len(messages))
	var unwanted []string
	now := time.Now()
	for _, message := range messages {
		if f.passes(message.Body) {
			records = append(records, newRecord(message, now, cfg.Queue.ARN(), cfg.region()))
		} else {
			unwanted = append(unwanted, message.ReceiptHandle)
		}
	}
	m.delete(cfg, unwanted)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.Polled += uint64(len(messages))
	m.counts.FilteredOut += uint64(len(unwanted))
	return records
}

func (m *Mapping) delete(cfg Config, handles []string) {
	if len(handles) == 0 {
		return
	}
	if err := cfg.Queue.Delete(handles...); err != nil {
		m.s.log.Warn("event source mapping could not delete messages", "mapping", cfg.ID, "queue", cfg.Queue.Name(), "error", err)
	}
}

// invoke passes as many records of a batch to the function as fit into an event, deletes those that it succeeded with,
// and returns the others that did not fit.
func (m *Mapping) invoke(cfg Config, batch []record) (rest []record) {
	payload, fit, rest := event(batch)
	n := uint64(len(fit))
	result, err := m.tryInvoke(cfg, payload, fit)
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if errors.Is(err, ErrThrottled) {
			m.counts.Dropped += n
		} else {
			m.counts.FailedInvoke += n
		}
		return rest
	}
	failed, ok := map[string]bool(nil), result.FunctionError == ""
	if ok && cfg.ReportBatchItemFailures {
		failed, ok = failures(result.Payload, fit)
	}
	handles := make([]string, 0, len(fit))
	for _, r := range fit {
		if ok && !failed[r.message.ID] {
			handles = append(handles, r.message.ReceiptHandle)
		}
	}
	m.delete(cfg, handles)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts.Invoked += n
	m.counts.Deleted += uint64(len(handles))
	m.counts.FailedInvoke += n - uint64(len(handles))
	return rest
}

// tryInvoke invokes the function, again and again while it is throttled, until the messages' visibility timeout has
// passed or the mapping stops. The error wraps ErrThrottled if that was all that happened.
func (m *Mapping) tryInvoke(cfg Config, payload []byte, batch []record) (Result, error) {
	deadline := batch[0].at.Add(*cfg.Queue.Config().VisibilityTimeout)
	backoff := firstBackoff
	var traces []string
	for _, r := range batch {
		if r.message.TraceHeader != "" {
			traces = append(traces, r.message.TraceHeader)
		}
	}
	for {
		result, err := m.s.invoker.Invoke(m.s.invoking, cfg.Function, payload, traces)
		switch {
		case err == nil:
			return result, nil
		case !errors.Is(err, ErrThrottled):
			m.s.log.Warn("event source mapping could not invoke the function", "mapping", cfg.ID, "function", cfg.Function, "records", len(batch), "error", err)
			return Result{}, err
		}
		wait := m.s.jitter(backoff)
		if !time.Now().Add(wait).Before(deadline) || !m.backOff(wait) {
			return Result{}, err
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// backOff waits before a throttled invocation is tried again; false means that the mapping stops.
func (m *Mapping) backOff(wait time.Duration) bool {
	m.mu.Lock()
	m.throttled++
	enabled := m.enabled
	m.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	defer func() {
		m.mu.Lock()
		m.throttled--
		m.mu.Unlock()
	}()
	select {
	case <-timer.C:
		return true
	case <-enabled.Done():
		return false
	}
}
