package queue

import (
	"context"
	"fmt"
	"time"
)

const (
	// MaxInFlight is how many messages of a queue may be received and not yet deleted.
	MaxInFlight = 120_000

	// poisonReceives is the number of receives without a delete after which a message is no longer counted in the age
	// of the oldest message.
	poisonReceives = 3

	// shuffleReach is how many places a message may overtake with Options.Shuffle.
	shuffleReach = 32

	// maxReceive bounds one receive in process; over the wire it is 10.
	maxReceive = 10_000

	// duplicateDelay is the longest time after which the copy of a deleted message comes back.
	duplicateDelay = time.Second

	// senderID is the one caller that exists locally, in the shape of an IAM principal's id.
	senderID = "AIDAARVOLOCALCALLER00"
)

// A Queue is one standard queue.
type Queue struct {
	s       *Service
	name    string
	arn     string
	url     string
	created time.Time
	tag     uint64 // tells the receipt handles of this queue from those of others

	// Guarded by s.mu from here on.

	cfg      Config
	modified time.Time
	purged   time.Time // when the last purge was
	gone     bool      // deleted

	ready    list      // visible messages, the next to be received first
	age      list      // messages that count for the age, in order of arrival
	due      deadlines // arriving, delayed and in-flight messages by the end of that
	expiry   deadlines // all messages by when they were sent first
	receipts receipts  // messages that were received
	in       [states]int
	total    Counts // the counters; levels are filled in by Counts

	waiting []*waiter // receivers without a message and without a signal, the longest first
	timer   *time.Timer
	timerAt time.Time // when timer fires; zero when it is not set
}

// A waiter is a receive that waits for messages.
type waiter struct {
	signal chan struct{} // capacity 1; the sender has taken the waiter off the queue's list
}

func newQueue(s *Service, cfg Config, now time.Time) *Queue {
	return &Queue{
		s: s, name: cfg.Name, arn: s.arn(cfg.Name), url: s.opts.BaseURL + "/" + s.opts.Account + "/" + cfg.Name,
		created: now, modified: now, tag: s.opts.Rand.Uint64(), cfg: cfg,
		ready:  list{at: func(m *stored) *link { return &m.ready }},
		age:    list{at: func(m *stored) *link { return &m.age }},
		due:    deadlines{when: func(m *stored) time.Time { return m.due }, index: func(m *stored) *int { return &m.dueIndex }},
		expiry: deadlines{when: func(m *stored) time.Time { return m.sent }, index: func(m *stored) *int { return &m.expiryIndex }},
	}
}

// Name returns the queue's name.
func (q *Queue) Name() string { return q.name }

// ARN returns arn:aws:sqs:<region>:<account>:<name>.
func (q *Queue) ARN() string { return q.arn }

// URL returns the queue's address on the wire.
func (q *Queue) URL() string { return q.url }

// Config returns a copy of the queue's present configuration.
func (q *Queue) Config() Config {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return q.cfg.clone()
}

// configure changes the queue's configuration: all that change does or, on an error, nothing. Retention counts for the
// messages in the queue too, all else for what comes later.
func (q *Queue) configure(change func(*Config) error) error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if err := q.usable(); err != nil {
		return err
	}
	cfg := q.cfg.clone()
	if err := change(&cfg); err != nil {
		return err
	}
	if cfg.DeadLetter != q.cfg.DeadLetter {
		if err := q.s.checkDeadLetter(&cfg); err != nil {
			return err
		}
	}
	q.cfg, q.modified = cfg, time.Now()
	return nil
}

// Counts are a queue's levels and its counters since it was created. At every moment
//
//	Sent + MovedIn + Duplicated = Deleted + DeadLettered + MovedOut + Expired + Purged + Visible + InFlight + Delayed
type Counts struct {
	Visible  int // ApproximateNumberOfMessages, exact here
	InFlight int // ApproximateNumberOfMessagesNotVisible
	Delayed  int // ApproximateNumberOfMessagesDelayed

	Sent          uint64 // accepted from producers; redrives are not among them, as in CloudWatch
	SentBytes     uint64
	Received      uint64 // deliveries
	EmptyReceives uint64 // receives that ended without a message
	Deleted       uint64 // messages taken away by a delete; deletes without effect are not counted
	DeadLettered  uint64 // left for the dead-letter queue
	MovedIn       uint64 // came from another queue, by redrive or by a move task
	MovedOut      uint64 // left by a move task
	Expired       uint64 // left because the retention period ended
	Purged        uint64 // left by a purge, or with the queue itself
	Duplicated    uint64 // copies of deleted messages made by Options.Duplicate
}

// Counts returns the queue's levels and counters, all of the same moment.
func (q *Queue) Counts() Counts {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.settle(time.Now())
	c := q.total
	c.Visible = q.in[visible] + q.in[arriving]
	c.InFlight = q.in[inFlight]
	c.Delayed = q.in[delayed]
	return c
}

// OldestAge returns CloudWatch's ApproximateAgeOfOldestMessage: how long the oldest message has been in this queue. A
// message that was received three times without being deleted no longer counts, and in a dead-letter queue the age
// begins with the move. 0 without such a message.
func (q *Queue) OldestAge() time.Duration {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	now := time.Now()
	q.settle(now)
	if q.age.first == nil {
		return 0
	}
	return now.Sub(q.age.first.arrived)
}

// Send puts a message into the queue and returns its id. The message's attributes belong to the queue afterwards.
func (q *Queue) Send(ctx context.Context, m Message) (id string, err error) {
	st, err := q.prepare(m)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := q.store(st)[0]; err != nil {
		return "", err
	}
	return st.id, nil
}

// prepare checks a message and computes what does not need the lock.
func (q *Queue) prepare(m Message) (*stored, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	st := &stored{Message: m, size: m.size(), bodyMD5: md5Hex(m.Body), attrsMD5: md5OfAttributes(m.Attributes), dueIndex: -1, expiryIndex: -1}
	if st.size > maxMessageSize {
		return nil, errTooLong(maxMessageSize)
	}
	return st, nil
}

// store puts prepared messages into the queue and returns the outcome of each.
func (q *Queue) store(messages ...*stored) []error {
	errs := make([]error, len(messages))
	latency := make([]time.Duration, len(messages))
	if q.s.opts.Latency != nil {
		for i := range latency {
			latency[i] = q.s.opts.Latency()
		}
	}
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	now := time.Now()
	q.settle(now)
	for i, m := range messages {
		if errs[i] = q.usable(); errs[i] != nil {
			continue
		}
		if m.size > q.cfg.MaximumMessageSize {
			errs[i] = errTooLong(q.cfg.MaximumMessageSize)
			continue
		}
		m.id, m.sent = q.s.newID(), now
		q.total.Sent++
		q.total.SentBytes += uint64(m.size)
		delay := q.cfg.Delay
		if m.Delay != nil {
			delay = *m.Delay
		}
		switch {
		case delay > 0:
			q.admit(m, delayed, now, delay)
		case latency[i] > 0:
			q.admit(m, arriving, now, latency[i])
		default:
			q.admit(m, visible, now, 0)
		}
	}
	q.wake(now)
	return errs
}

// usable reports whether calls on the queue make sense still.
func (q *Queue) usable() error {
	if q.s.isClosed {
		return errClosed()
	}
	if q.gone {
		return errNoQueue()
	}
	return nil
}

// admit takes a message in that is new to this queue. Its sent time is set.
func (q *Queue) admit(m *stored, to state, now time.Time, wait time.Duration) {
	q.s.sequence++
	m.sequence, m.arrived = q.s.sequence, now
	q.age.insertBefore(m, nil)
	q.expiry.add(m)
	q.in[to]++
	m.state = to
	q.enter(m, now.Add(wait))
}

// enter puts a message into the structure of its state.
func (q *Queue) enter(m *stored, due time.Time) {
	if m.state != visible {
		m.due = due
		q.due.add(m)
		return
	}
	var next *stored
	if q.s.opts.Shuffle {
		prev := q.ready.last
		for range q.s.opts.Rand.IntN(shuffleReach) {
			if prev == nil {
				break
			}
			next, prev = prev, prev.ready.prev
		}
	}
	q.ready.insertBefore(m, next)
}

// turn changes a message's state; due is when the new state ends, unless it is visible.
func (q *Queue) turn(m *stored, to state, due time.Time) {
	q.ready.remove(m)
	q.due.remove(m)
	q.in[m.state]--
	q.in[to]++
	m.state = to
	q.enter(m, due)
}

// drop takes a message out of the queue altogether.
func (q *Queue) drop(m *stored) {
	q.ready.remove(m)
	q.due.remove(m)
	q.expiry.remove(m)
	q.age.remove(m)
	q.receipts.remove(m)
	q.in[m.state]--
}

// settle does what the passing of time has brought about since the last call: delays and visibility timeouts that have
// ended, messages that have outlived the retention period. Every operation begins with it, so time needs no goroutine.
func (q *Queue) settle(now time.Time) {
	for m := q.due.first(); m != nil && !m.due.After(now); m = q.due.first() {
		q.turn(m, visible, time.Time{})
	}
	for m := q.expiry.first(); m != nil && now.Sub(m.sent) >= q.cfg.Retention; m = q.expiry.first() {
		q.drop(m)
		q.total.Expired++
	}
}

// wake signals one waiting receiver when there is a message for it, and sets the timer for those that go on waiting.
// The receiver that takes messages and leaves some wakes the next one.
func (q *Queue) wake(now time.Time) {
	if len(q.waiting) > 0 && q.ready.len > 0 && q.in[inFlight] < MaxInFlight {
		w := q.waiting[0]
		q.waiting[0] = nil
		q.waiting = q.waiting[1:]
		w.signal <- struct{}{} // never blocks: one signal for one stay in the list
	}
	if len(q.waiting) == 0 {
		return
	}
	if m := q.due.first(); m != nil && (q.timerAt.IsZero() || m.due.Before(q.timerAt)) {
		q.timerAt = m.due
		if wait := m.due.Sub(now); q.timer == nil {
			q.timer = time.AfterFunc(wait, q.tick)
		} else {
			q.timer.Reset(wait)
		}
	}
}

func (q *Queue) tick() {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	q.timerAt = time.Time{}
	if q.usable() != nil {
		return
	}
	now := time.Now()
	q.settle(now)
	q.wake(now)
}

func (q *Queue) stopTimer() {
	if q.timer != nil {
		q.timer.Stop()
		q.timerAt = time.Time{}
	}
}

// A ReceiveRequest says what to receive.
type ReceiveRequest struct {
	Max        int            // at most this many messages, 1 to 10,000; 0 means 1. The wire allows 10
	Wait       time.Duration  // how long to wait for the first message, at most 20 s; 0 is a short poll
	Visibility *time.Duration // how long the messages are hidden; nil means the queue's visibility timeout
}

// Receive returns messages and hides them from other receivers. It returns as soon as there is one message, with as
// many as there are, up to Max. After Wait it returns none and no error. When ctx ends it returns the error of ctx;
// no message is lost to a receiver that has gone.
func (q *Queue) Receive(ctx context.Context, r ReceiveRequest) ([]Received, error) {
	if r.Max == 0 {
		r.Max = 1
	}
	if r.Max < 1 || r.Max > maxReceive {
		return nil, invalidParameter("Value %d for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and %d, if provided.", r.Max, maxReceive)
	}
	if r.Wait < 0 || r.Wait > maxWait {
		return nil, invalidParameter("Value %v for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.", r.Wait.Seconds())
	}
	if v := r.Visibility; v != nil && (*v < 0 || *v > maxVisibility) {
		return nil, invalidParameter("Value %v for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", v.Seconds())
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, w, err := q.take(r, nil)
	if w == nil {
		return out, err
	}
	timeout := time.NewTimer(r.Wait)
	defer timeout.Stop()
	for {
		select {
		case <-w.signal:
			if out, w, err = q.take(r, w); w == nil {
				return out, err
			}
		case <-timeout.C:
			return nil, q.leave(w)
		case <-ctx.Done():
			if err := q.leave(w); err != nil {
				return nil, err
			}
			return nil, ctx.Err()
		case <-q.s.closed:
			return nil, errClosed()
		}
	}
}

// take receives what there is. When there is nothing and r allows waiting, the receiver is put into the waiting list:
// at the end, or, when it has waited already as w, at the front.
func (q *Queue) take(r ReceiveRequest, w *waiter) ([]Received, *waiter, error) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if err := q.usable(); err != nil {
		return nil, nil, err
	}
	now := time.Now()
	q.settle(now)
	visibility := *q.cfg.VisibilityTimeout
	if r.Visibility != nil {
		visibility = *r.Visibility
	}
	var out []Received
	for len(out) < r.Max && q.ready.len > 0 {
		if q.in[inFlight] >= MaxInFlight {
			if len(out) == 0 && r.Wait == 0 {
				return nil, nil, errOverLimit()
			}
			break
		}
		m := q.ready.first
		if q.deadLetter(m, now) {
			continue
		}
		if out == nil {
			out = make([]Received, 0, min(r.Max, q.ready.len))
		}
		out = append(out, q.deliver(m, now, visibility))
	}
	q.total.Received += uint64(len(out))
	switch {
	case len(out) > 0:
		q.wake(now)
		return out, nil, nil
	case r.Wait == 0:
		q.total.EmptyReceives++
		return nil, nil, nil
	case w == nil:
		w = &waiter{signal: make(chan struct{}, 1)}
		q.waiting = append(q.waiting, w)
	default:
		q.waiting = append([]*waiter{w}, q.waiting...)
	}
	q.wake(now)
	return nil, w, nil
}

// deliver hands a visible message out.
func (q *Queue) deliver(m *stored, now time.Time, visibility time.Duration) Received {
	m.receives++
	m.here++
	m.received = now
	if m.firstReceived.IsZero() {
		m.firstReceived = now
	}
	if m.here >= poisonReceives {
		q.age.remove(m)
	}
	q.turn(m, inFlight, now.Add(visibility))
	q.receipts.add(m)
	return Received{
		ID: m.id, ReceiptHandle: receipt{q.tag, m.sequence, m.here}.handle(),
		Body: m.Body, MD5OfBody: m.bodyMD5, MD5OfAttributes: m.attrsMD5,
		SenderID: senderID, Sent: m.sent, FirstReceived: m.firstReceived, ReceiveCount: m.receives,
		TraceHeader: m.TraceHeader, GroupID: m.GroupID, DeadLetterSource: m.source,
		MessageAttributes: m.Attributes,
	}
}

// deadLetter moves a message that would be received too often to the dead-letter queue and reports whether it did. A
// dead-letter queue that was deleted takes nothing, and the message is received on.
func (q *Queue) deadLetter(m *stored, now time.Time) bool {
	d := q.cfg.DeadLetter
	if d == nil || int(m.here) < d.MaxReceiveCount {
		return false
	}
	target := q.s.byARN(d.TargetARN)
	if target == nil {
		return false
	}
	q.drop(m)
	q.total.DeadLettered++
	m.source = q.arn
	target.adopt(m, now)
	return true
}

// adopt takes a message in that has left another queue. What is known of it stays; its age and what counts towards
// this queue's own redrive policy begin anew.
func (q *Queue) adopt(m *stored, now time.Time) {
	q.settle(now)
	q.total.MovedIn++
	m.here = 0
	q.admit(m, visible, now, 0)
	q.wake(now)
}

// leave ends a wait without messages. A signal that has come in the meantime goes on to the next.
func (q *Queue) leave(w *waiter) error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if err := q.usable(); err != nil {
		return err
	}
	for i := range q.waiting {
		if q.waiting[i] == w {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			break
		}
	}
	q.total.EmptyReceives++
	now := time.Now()
	q.settle(now)
	q.wake(now)
	return nil
}

// Delete deletes messages by receipt handles of theirs. A handle of a message that is gone, or that was received again
// since, is no error and has no effect. The error names the first handle that is none of this queue's; the other
// messages are deleted nevertheless.
func (q *Queue) Delete(receiptHandles ...string) error {
	for i, err := range q.delete(receiptHandles) {
		if err != nil {
			return fmt.Errorf("receipt handle %d of %d: %w", i+1, len(receiptHandles), err)
		}
	}
	return nil
}

// delete returns the outcome for each handle.
func (q *Queue) delete(handles []string) []error {
	errs := make([]error, len(handles))
	parsed := make([]receipt, len(handles))
	for i, h := range handles {
		r, ok := parseReceipt(h)
		if !ok || r.queue != q.tag {
			errs[i] = errBadHandle(h)
		}
		parsed[i] = r
	}
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if err := q.usable(); err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	now := time.Now()
	q.settle(now)
	for i, r := range parsed {
		if errs[i] != nil {
			continue
		}
		m := q.receipts.get(r.sequence)
		if m == nil || m.here != r.delivery {
			continue
		}
		q.drop(m)
		q.total.Deleted++
		if !m.duplicate && q.s.opts.Duplicate != nil && q.s.opts.Duplicate() {
			q.duplicate(m, now)
		}
	}
	q.wake(now)
	return errs
}

// duplicate brings a deleted message back, as when one of SQS's hosts was away during its receive and its delete: the
// copy knows nothing of the last receive, and of no receipt handle.
func (q *Queue) duplicate(m *stored, now time.Time) {
	c := *m
	c.duplicate = true
	c.receives--
	c.here--
	c.ready, c.age, c.dueIndex, c.expiryIndex = link{}, link{}, -1, -1
	q.total.Duplicated++
	q.s.sequence++
	c.sequence, c.state = q.s.sequence, inFlight
	if c.here < poisonReceives {
		q.age.insertBefore(&c, q.olderThan(&c))
	}
	q.expiry.add(&c)
	q.in[inFlight]++
	q.enter(&c, now.Add(time.Duration(1+q.s.opts.Rand.Int64N(int64(duplicateDelay)))))
}

// olderThan returns the first message in the age list that arrived after m.
func (q *Queue) olderThan(m *stored) *stored {
	next := q.age.first
	for next != nil && !next.arrived.After(m.arrived) {
		next = next.age.next
	}
	return next
}

// ChangeVisibility hides a message that was received for d from now on; 0 makes it visible at once. A message whose
// visibility timeout has passed is hidden again, as long as nobody else has received it. The whole time from its
// receive cannot exceed 12 hours.
func (q *Queue) ChangeVisibility(receiptHandle string, d time.Duration) error {
	if d < 0 || d > maxVisibility {
		return invalidParameter("Value %v for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and 43200, if provided.", d.Seconds())
	}
	r, ok := parseReceipt(receiptHandle)
	if !ok || r.queue != q.tag {
		return errBadHandle(receiptHandle)
	}
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if err := q.usable(); err != nil {
		return err
	}
	now := time.Now()
	q.settle(now)
	m := q.receipts.get(r.sequence)
	if m == nil {
		return invalidParameter("Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.", receiptHandle)
	}
	if m.here != r.delivery {
		return fail("MessageNotInflight", legacy+"MessageNotInflight", "The message was received again since; this receive of it is not in flight.")
	}
	if now.Add(d).Sub(m.received) > maxVisibility {
		return invalidParameter("Value %v for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].", d.Seconds())
	}
	switch {
	case d > 0:
		q.turn(m, inFlight, now.Add(d))
	case m.state == inFlight:
		q.turn(m, visible, time.Time{})
	}
	q.wake(now)
	return nil
}

// purgeInterval is how often a queue can be purged.
const purgeInterval = time.Minute

// Purge deletes all messages, those in flight and delayed included. It fails with PurgeQueueInProgress within a minute
// of the last one.
func (q *Queue) Purge() error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if err := q.usable(); err != nil {
		return err
	}
	now := time.Now()
	if !q.purged.IsZero() && now.Sub(q.purged) < purgeInterval {
		return errPurging(q.name)
	}
	q.settle(now)
	q.purged = now
	q.clear()
	return nil
}

// clear drops all messages.
func (q *Queue) clear() {
	for m := q.expiry.first(); m != nil; m = q.expiry.first() {
		q.drop(m)
		q.total.Purged++
	}
}
