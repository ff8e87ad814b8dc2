package bus

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

// Waiting before attempt n is retryBase * 2^(n-1), at most retryCap, of which half is random.
const (
	retryBase = time.Second
	retryCap  = 10 * time.Minute
)

// A delivery is one event on its way to one target.
type delivery struct {
	rule     *route
	target   *target
	event    *event
	deadline time.Time         // after which it is not tried again
	attempts int               // retries so far
	dead     map[string]string // attributes of the dead letter it has become, or nil
}

// deliveries keeps those that wait: each has a timer.
type deliveries struct {
	ctx    context.Context // of Target.Deliver
	cancel context.CancelFunc

	backlog atomic.Int64 // deliveries that wait or are tried again
	bytes   atomic.Int64 // of their events
	busy    atomic.Int64 // those and calls of Put
	closed  atomic.Bool  // no new events are taken
	mu      sync.Mutex
	timers  map[*delivery]*time.Timer
	idle    chan struct{} // closed when closed is set and nothing is under way
}

func (d *deliveries) init() {
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.timers = map[*delivery]*time.Timer{}
	d.idle = make(chan struct{})
}

// after runs f later, unless the bus is closed for good before.
func (d *deliveries) after(wait time.Duration, del *delivery, f func(*delivery)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return // given up: close has counted it
	}
	d.timers[del] = time.AfterFunc(wait, func() {
		d.mu.Lock()
		delete(d.timers, del)
		d.mu.Unlock()
		f(del)
	})
}

// closing tells whether close has been called.
func (d *deliveries) closing() bool { return d.closed.Load() }

// enter and leave bracket a call of Put, begin and end a delivery that does not succeed at once.
func (d *deliveries) enter() { d.busy.Add(1) }

func (d *deliveries) leave() {
	if d.busy.Add(-1) == 0 && d.closed.Load() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.signal()
	}
}

func (d *deliveries) begin(del *delivery) {
	d.backlog.Add(1)
	d.bytes.Add(int64(len(del.event.body)))
	d.enter()
}

func (d *deliveries) end(del *delivery) {
	d.backlog.Add(-1)
	d.bytes.Add(-int64(len(del.event.body)))
	d.leave()
}

// signal tells close when nothing is under way. The caller holds mu.
func (d *deliveries) signal() {
	if d.closed.Load() && d.busy.Load() == 0 {
		select {
		case <-d.idle:
		default:
			close(d.idle)
		}
	}
}

func (d *deliveries) close(ctx context.Context) (lost int64) {
	d.mu.Lock()
	d.closed.Store(true)
	d.signal()
	d.mu.Unlock()
	select {
	case <-d.idle:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	lost = d.backlog.Load()
	d.cancel()
	for del, t := range d.timers {
		t.Stop()
		delete(d.timers, del)
	}
	return lost
}

// deliver sends an event to a target, now or after the simulated latency.
func (s *Service) deliver(rule *route, t *target, ev *event) {
	var wait time.Duration
	if s.opt.DeliveryLatency != nil {
		wait = s.opt.DeliveryLatency()
	}
	if wait <= 0 {
		err := s.attempt(rule, t, ev)
		if err == nil {
			rule.stats.invocations.Add(1)
			return
		}
		d := &delivery{rule: rule, target: t, event: ev, deadline: ev.ingested.Add(t.maxAge)}
		s.deliveries.begin(d)
		s.failed(d, err)
		return
	}
	d := &delivery{rule: rule, target: t, event: ev, deadline: ev.ingested.Add(t.maxAge)}
	s.deliveries.begin(d)
	s.deliveries.after(wait, d, s.try)
}

// attempt is one try.
func (s *Service) attempt(rule *route, t *target, ev *event) error {
	dest, ok := s.opt.Target(t.ARN)
	if !ok {
		return &noTarget{t.ARN}
	}
	body := ev.body
	if t.input != nil {
		var err error
		if body, err = t.input.render(ev, rule); err != nil {
			return err
		}
	}
	return dest.Deliver(s.deliveries.ctx, body, ev.traceHeader, nil)
}

// try makes another attempt at a delivery that has begun.
func (s *Service) try(d *delivery) {
	if d.dead != nil {
		s.bury(d)
		return
	}
	if err := s.attempt(d.rule, d.target, d.event); err != nil {
		s.failed(d, err)
		return
	}
	d.rule.stats.invocations.Add(1)
	s.deliveries.end(d)
}

// failed decides what becomes of a delivery after an error.
func (s *Service) failed(d *delivery, err error) {
	exhausted := ""
	if retriable(err) {
		wait := s.backoff(d.attempts + 1)
		switch {
		case d.attempts >= d.target.maxAttempts:
			exhausted = "MaximumRetryAttempts"
		case time.Now().Add(wait).After(d.deadline):
			exhausted = "MaximumEventAgeInSeconds"
		default:
			d.attempts++
			d.rule.stats.retries.Add(1)
			s.deliveries.after(wait, d, s.try)
			return
		}
	}
	d.rule.stats.invocations.Add(1)
	d.rule.stats.failed.Add(1)
	code := errorCode(err)
	if d.target.DeadLetterARN == "" {
		d.rule.stats.dropped.Add(1)
		s.opt.Log.Error("an event could not be delivered and is lost: its target has no dead-letter queue",
			"rule", d.rule.arn, "target", d.target.ARN, "event", d.event.id, "code", code, "error", err)
		s.deliveries.end(d)
		return
	}
	d.dead = map[string]string{
		"RULE_ARN":       d.rule.arn,
		"TARGET_ARN":     d.target.ARN,
		"ERROR_CODE":     code,
		"ERROR_MESSAGE":  clip(err.Error()),
		"RETRY_ATTEMPTS": strconv.Itoa(d.attempts),
	}
	if exhausted != "" {
		d.dead["EXHAUSTED_RETRY_CONDITION"] = exhausted
	}
	d.attempts, d.deadline = 0, time.Now().Add(d.target.maxAge)
	s.bury(d)
}

// bury sends the event itself, whatever the target would have got, to the dead-letter queue.
func (s *Service) bury(d *delivery) {
	var err error = &noTarget{d.target.DeadLetterARN}
	if queue, ok := s.opt.Target(d.target.DeadLetterARN); ok {
		err = queue.Deliver(s.deliveries.ctx, d.event.body, d.event.traceHeader, d.dead)
	}
	if err == nil {
		d.rule.stats.dead.Add(1)
		s.deliveries.end(d)
		return
	}
	wait := s.backoff(d.attempts + 1)
	if retriable(err) && time.Now().Add(wait).Before(d.deadline) {
		d.attempts++
		s.deliveries.after(wait, d, s.try)
		return
	}
	d.rule.stats.deadFailed.Add(1)
	s.opt.Log.Error("an event could not be delivered and is lost: its dead-letter queue refused it",
		"rule", d.rule.arn, "target", d.target.ARN, "queue", d.target.DeadLetterARN, "event", d.event.id, "error", err)
	s.deliveries.end(d)
}

func (s *Service) backoff(attempt int) time.Duration {
	wait := retryCap
	if attempt <= 10 {
		wait = min(retryCap, retryBase<<(attempt-1))
	}
	return wait/2 + time.Duration(s.ids.float()*float64(wait/2))
}

// full tells that too many deliveries are under way for one more event.
func (s *Service) full() bool {
	return s.deliveries.backlog.Load() >= int64(s.opt.MaxBacklog) || s.deliveries.bytes.Load() >= int64(s.opt.MaxBacklogBytes)
}

// noTarget means that an ARN names nothing here.
type noTarget struct{ arn string }

func (e *noTarget) Error() string { return "there is no " + e.arn }

func retriable(err error) bool {
	var says interface{ Retriable() bool }
	if errors.As(err, &says) {
		return says.Retriable()
	}
	var w *wire.Error
	return errors.As(err, &w) && (w.Status >= 500 || strings.Contains(w.Code, "Throttl") || w.Code == "TooManyRequestsException")
}

// errorCode is the ERROR_CODE of a dead letter.
func errorCode(err error) string {
	var none *noTarget
	var path *missingPath
	var w *wire.Error
	switch {
	case errors.As(err, &none):
		return "NO_RESOURCE"
	case errors.As(err, &path):
		return "INVALID_INPUT"
	case errors.As(err, &w):
		return w.Code
	}
	return "INTERNAL_ERROR"
}
