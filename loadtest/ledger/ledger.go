// Package ledger keeps one record for each subject that a load test schedules, so that every subject is accounted for.
//
//	schedule ──▶ due        Intended
//	sender   ──▶ asked      Sent, Acked, Code, Subject       [Ledger.Answer]
//	tables   ──▶ ended      Accepted ... Stored, Status      [Ledger.Observe]
//	DLQs     ──▶ given up   DeadLettered                     [Ledger.DeadLetter]
//	deadline ──▶ lost       Expired                          [Ledger.Close]
//
// What came of it is read from the same records: [Ledger.Count] sums up what became of all, [Ledger.Timeline] has rates
// and the backlog at any moment, [Record.EndToEnd] and [Record.Waits] tell where the time of one subject went, and [Writer]
// writes all of it down for other software.
//
// # Promises
//
//   - Each scheduled subject is in exactly one [Fate], at any time, in whatever order things become known.
//   - Latency counts from the intended time. What the sender made of it is kept beside it, not instead.
//   - The backlog is counted, not sampled: subjects accepted by then less subjects ended by then.
//   - Nothing is guessed: what is not known is zero in a record, empty in the file, and left out of what needs it.
//   - Memory is bounded: at most MaxRecords records of some 250 bytes, and MaxIDs bytes of subjects and trace ids, which are
//     checked as they come: they are what a server under test has said.
//
// # Clocks
//
// A client's clock says when a subject was due, sent and acknowledged, the servers' clocks when it was accepted, received,
// answered, delivered and stored. [Ledger.Clock] estimates by how much the servers' are ahead, with the error of the
// estimate. Times in records are as they were told; what compares both clocks takes a [Clock].
//
// # Design
//
// A subject is known by its place in the schedule: the sender chooses the key of each request ([Ledger.Key]), so a
// subject whose 202 was lost is found by it all the same, and a 202 that names another's subject is found out
// ([Observation].ByKey). A record is written to by place, not appended, so nothing depends on the
// order in which answers, completions and dead letters arrive, and a duplicate changes nothing.
//
// What was rejected: a log of events to be replayed for each question (the same numbers for four times the memory), and
// polling the API under test for completions (it would be part of the load).
package ledger

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"example.com/arvo/loadtest/schedule"
)

// Limits of a ledger.
const (
	MaxRecords = 2_000_000
	MaxIDs     = 512 << 20           // bytes of subjects and trace ids together
	MaxID      = 1000                // bytes of one
	Patience   = 31 * 24 * time.Hour // how long after the beginning a time is believed
)

// An Instant is microseconds since 1970, UTC. Zero is "never", or "not known".
type Instant int64

// At returns the instant of t, rounded down, and never for the zero time.
func At(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMicro())
}

// Time returns i as a time, and the zero time for never.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(i))
}

// Sub returns the time from j to i.
func (i Instant) Sub(j Instant) time.Duration { return time.Duration(i-j) * time.Microsecond }

// Add returns the instant d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d.Microseconds()) }

// A Record is what is known of a subject.
type Record struct {
	Seq   uint64 // its place in the schedule
	Stage string // of the schedule

	// By the client's clock.
	Intended Instant // when it was due
	Sent     Instant // when its request was begun
	Acked    Instant // when the request's answer was complete, or given up
	Code     int     // HTTP status of that answer; 0 for none
	Error    string  // why there was none: timeout, refused, ...

	Subject string
	TraceID string

	// By the servers' clocks.
	Accepted  Instant // stored by the API, before it was put on the bus
	Received  Instant // taken from the requests queue by the handler
	Answered  Instant // the answer was made
	Delivered Instant // taken from the responses queue by the sink
	Stored    Instant // the answer was stored: the subject has ended

	Status     Status
	Deliveries int // of answers to the sink, duplicates included
	Events     int // distinct answers that the sink has kept

	DeadLettered bool // found in a dead-letter queue
	Expired      bool // open when the ledger was closed
	ByKey        bool // the servers have Subject by the record's key; else it is what the client was told
}

// A Status is how a subject ended.
type Status string

const (
	Pending   Status = ""
	Completed Status = "completed"
	Failed    Status = "failed" // its answer is a system error; it is an answer, and nothing is lost
)

// A Fate is what became of a subject. Each subject has exactly one.
type Fate string

const (
	Unsent     Fate = "unsent"        // the sender has not come to it, or has not told
	Rejected   Fate = "rejected"      // answered with 4xx or 503: the API has promised not to do it
	Unanswered Fate = "unanswered"    // no answer, or one that promises nothing; nothing is known of it on the servers
	Open       Fate = "open"          // accepted, and on its way
	Lost       Fate = "lost"          // accepted, and still open when the ledger was closed
	Dead       Fate = "dead-lettered" // accepted, and given up into a dead-letter queue
	Done       Fate = "completed"     // accepted and completed
	Errored    Fate = "failed"        // accepted and answered with a system error
)

// Fates lists all fates in the order in which reports show them.
var Fates = []Fate{Unsent, Rejected, Unanswered, Open, Lost, Dead, Errored, Done}

// Fate returns what became of the subject.
func (r *Record) Fate() Fate {
	switch {
	case r.Status == Completed:
		return Done
	case r.Status == Failed:
		return Errored
	case r.DeadLettered:
		return Dead
	case r.Acknowledged() || r.Accepted != 0 && !r.refused():
		if r.Expired {
			return Lost
		}
		return Open
	case r.refused():
		return Rejected
	case r.Sent != 0:
		return Unanswered
	}
	return Unsent
}

// Acknowledged reports whether the client was told that the subject is accepted.
func (r *Record) Acknowledged() bool { return r.Code >= 200 && r.Code < 300 }

// refused reports whether the client was told that the subject will not be done.
func (r *Record) refused() bool { return r.Code >= 400 && r.Code < 500 || r.Code == 503 }

// Ended reports whether the subject has its answer.
func (r *Record) Ended() bool { return r.Status != Pending }

// Late reports whether the subject was done although the client was never told that it was accepted: its
// acknowledgement was lost, or came after the client had given up.
func (r *Record) Late() bool { return r.Ended() && !r.Acknowledged() }

// Duplicates returns how many answers were delivered again. They show work that was done again: a handler that is
// given a message twice answers twice, with the same ids.
func (r *Record) Duplicates() int { return max(0, r.Deliveries-r.Events) }

// A Ledger holds the records of one run. It may be used by many goroutines.
type Ledger struct {
	run   string
	began Instant

	mu        sync.Mutex
	records   []Record
	bySubject map[string]uint64
	ids       int // bytes
}

// New returns the ledger of a schedule that began at a time of the client's clock. The run is what keys begin with; it has 1 to
// 100 letters, digits, '.', '_' or '-'.
func New(run string, began time.Time, s *schedule.Schedule) (*Ledger, error) {
	if !validRun(run) {
		return nil, fmt.Errorf("ledger: run %q: 1 to 100 letters, digits, '.', '_' or '-'", run)
	}
	if began.IsZero() || began.UnixMicro() <= 0 {
		return nil, fmt.Errorf("ledger: began at %v: after 1970", began)
	}
	if s.Total() > MaxRecords {
		return nil, fmt.Errorf("ledger: %d subjects: at most %d in a run", s.Total(), MaxRecords)
	}
	l := &Ledger{run: run, began: At(began), records: make([]Record, s.Total()), bySubject: map[string]uint64{}}
	for i, stage := range s.Stages() {
		for first, end := s.Range(i); first < end; first++ {
			l.records[first] = Record{Seq: first, Stage: stage.Name, Intended: At(began.Add(s.At(first)))}
		}
	}
	return l, nil
}

func validRun(run string) bool {
	for _, c := range run {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return len(run) >= 1 && len(run) <= 100
}

// Run returns what keys begin with.
func (l *Ledger) Run() string { return l.run }

// Began returns when the schedule began.
func (l *Ledger) Began() Instant { return l.began }

// Len returns how many subjects are scheduled.
func (l *Ledger) Len() int { return len(l.records) }

// Key returns the key by which a subject's request is known to the servers: its Idempotency-Key.
func (l *Ledger) Key(seq uint64) string { return l.run + "-" + strconv.FormatUint(seq, 10) }

// Seq returns whose key it is.
func (l *Ledger) Seq(key string) (seq uint64, ok bool) {
	digits, ok := strings.CutPrefix(key, l.run+"-")
	if !ok {
		return 0, false
	}
	seq, err := strconv.ParseUint(digits, 10, 64)
	return seq, err == nil && seq < uint64(len(l.records)) && l.Key(seq) == key
}

// An Answer is what the client saw of a request.
type Answer struct {
	Sent, Acked time.Time
	Code        int    // HTTP status; 0 for none
	Error       string // why there was none, in a word or two
	Subject     string // empty when not told
	TraceID     string
}

// Answer records what the client saw of a subject's request.
func (l *Ledger) Answer(seq uint64, a Answer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.record(seq)
	if err != nil {
		return err
	}
	if a.Sent.IsZero() || a.Acked.Before(a.Sent) {
		return fmt.Errorf("ledger: subject %d: sent at %v, answered at %v", seq, a.Sent, a.Acked)
	}
	for _, t := range []time.Time{a.Sent, a.Acked} {
		if err := l.believable(seq, At(t)); err != nil {
			return err
		}
	}
	if a.Code != 0 && (a.Code < 100 || a.Code > 999) {
		return fmt.Errorf("ledger: subject %d: HTTP status %d", seq, a.Code)
	}
	if len(a.Error) > 100 || !printable(a.Error) {
		return fmt.Errorf("ledger: subject %d: the error has %d bytes, or is not printable: at most 100", seq, len(a.Error))
	}
	if err := l.name(r, a.Subject, a.TraceID); err != nil {
		return err
	}
	r.Sent, r.Acked, r.Code, r.Error = At(a.Sent), At(a.Acked), a.Code, a.Error
	return nil
}

// An Observation is what the servers have on a subject. Times are zero when not known; so are Deliveries and Events.
type Observation struct {
	Subject, TraceID                                string
	ByKey                                           bool // Subject is what the servers have by the record's key, "" for nothing
	Accepted, Received, Answered, Delivered, Stored time.Time
	Status                                          Status
	Deliveries, Events                              int
}

// Observe records what the servers have on a subject. A later observation adds to an earlier one; what has ended stays ended.
//
// One by key that contradicts what the client was told is refused, with this effect: the key is right, and all that was known
// under the other name is forgotten, as it is another subject's.
func (l *Ledger) Observe(seq uint64, o Observation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.record(seq)
	if err != nil {
		return err
	}
	switch o.Status {
	case Pending, Completed, Failed:
	default:
		return fmt.Errorf("ledger: subject %d: status %q", seq, o.Status)
	}
	if o.Status != Pending && o.Stored.IsZero() {
		return fmt.Errorf("ledger: subject %d is %s, without a time", seq, o.Status)
	}
	if o.Deliveries < 0 || o.Events < 0 || o.Deliveries > 1<<30 || o.Events > 1<<30 {
		return fmt.Errorf("ledger: subject %d: %d deliveries of %d answers", seq, o.Deliveries, o.Events)
	}
	times := [...]struct {
		to *Instant
		at Instant
	}{{&r.Accepted, At(o.Accepted)}, {&r.Received, At(o.Received)}, {&r.Answered, At(o.Answered)}, {&r.Delivered, At(o.Delivered)}, {&r.Stored, At(o.Stored)}}
	for _, t := range times {
		if err := l.believable(seq, t.at); err != nil {
			return err
		}
	}
	if told := r.Subject; o.ByKey && !r.ByKey && told != "" && told != o.Subject {
		l.forget(r)
		err := fmt.Errorf("ledger: subject %d: the client was told %.40q, and the servers have %.40q by its key", seq, told, o.Subject)
		if o.Subject == "" {
			err = fmt.Errorf("ledger: subject %d: the client was told %.40q, and the servers do not know its key", seq, told)
		}
		nameErr := l.name(r, o.Subject, "")
		r.ByKey = r.Subject != ""
		return errors.Join(err, nameErr)
	}
	if err := l.name(r, o.Subject, o.TraceID); err != nil {
		return err
	}
	r.ByKey = r.ByKey || o.ByKey && o.Subject != ""
	for _, t := range times {
		if *t.to == 0 {
			*t.to = t.at
		}
	}
	if r.Status == Pending {
		r.Status = o.Status
	}
	r.Deliveries, r.Events = max(r.Deliveries, o.Deliveries), max(r.Events, o.Events)
	return nil
}

// DeadLetter records that a message of the subject is in a dead-letter queue, and reports whether the subject is of this
// run. A subject that has ended all the same stays ended.
func (l *Ledger) DeadLetter(subject string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq, ok := l.bySubject[subject]
	if ok {
		l.records[seq].DeadLettered = true
	}
	return ok
}

// Close declares that the deadline is over: subjects that are open now are lost. One that ends even later is not.
func (l *Ledger) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.records {
		if r := &l.records[i]; r.Fate() == Open {
			r.Expired = true
		}
	}
}

// Open returns up to limit records of subjects that may end, the earliest first, from the place after on: accepted ones, and
// those of which no answer has come.
func (l *Ledger) Open(after uint64, limit int) []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []Record
	for seq := after; seq < uint64(len(l.records)) && len(open) < limit; seq++ {
		switch l.records[seq].Fate() {
		case Open, Lost, Unanswered:
			open = append(open, l.records[seq])
		}
	}
	return open
}

// All returns the records in the order of the schedule, each as it is when its turn comes.
func (l *Ledger) All() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for i := range l.records {
			l.mu.Lock()
			r := l.records[i]
			l.mu.Unlock()
			if !yield(r) {
				return
			}
		}
	}
}

// Subject returns the record of a subject.
func (l *Ledger) Subject(subject string) (Record, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq, ok := l.bySubject[subject]
	if !ok {
		return Record{}, false
	}
	return l.records[seq], true
}

func (l *Ledger) record(seq uint64) (*Record, error) {
	if seq >= uint64(len(l.records)) {
		return nil, fmt.Errorf("ledger: there is no subject %d: %d are scheduled", seq, len(l.records))
	}
	return &l.records[seq], nil
}

// believable refuses times that would make a timeline of nothing but nothing.
func (l *Ledger) believable(seq uint64, at Instant) error {
	if at != 0 && (at < l.began.Add(-time.Hour) || at > l.began.Add(Patience)) {
		return fmt.Errorf("ledger: subject %d: %v is not within %v of the beginning, %v", seq, at.Time().UTC(), Patience, l.began.Time().UTC())
	}
	return nil
}

// name gives a record its ids.
func (l *Ledger) name(r *Record, subject, traceID string) error {
	for _, id := range []string{subject, traceID} {
		if len(id) > MaxID || !printable(id) {
			return fmt.Errorf("ledger: subject %d: an id of %d bytes, or not printable: at most %d", r.Seq, len(id), MaxID)
		}
	}
	if r.Subject != "" && subject != "" && subject != r.Subject {
		return fmt.Errorf("ledger: subject %d is both %q and %q", r.Seq, r.Subject, subject)
	}
	if other, ok := l.bySubject[subject]; ok && subject != "" && other != r.Seq {
		return fmt.Errorf("ledger: %q is both subject %d and subject %d", subject, other, r.Seq)
	}
	grown := l.ids
	if r.Subject == "" {
		grown += len(subject)
	}
	if r.TraceID == "" {
		grown += len(traceID)
	}
	if grown > MaxIDs {
		return errors.New("ledger: subjects and trace ids take more than " + strconv.Itoa(MaxIDs) + " bytes")
	}
	l.ids = grown
	if r.Subject == "" && subject != "" {
		r.Subject = strings.Clone(subject) // not the whole answer that it was cut from
		l.bySubject[r.Subject] = r.Seq
	}
	if r.TraceID == "" {
		r.TraceID = strings.Clone(traceID)
	}
	return nil
}

// forget leaves of a record what does not depend on the name of its subject.
func (l *Ledger) forget(r *Record) {
	delete(l.bySubject, r.Subject)
	l.ids -= len(r.Subject) + len(r.TraceID)
	*r = Record{Seq: r.Seq, Stage: r.Stage, Intended: r.Intended, Sent: r.Sent, Acked: r.Acked, Code: r.Code, Error: r.Error, Expired: r.Expired}
}

// printable reports whether s is valid UTF-8 without control characters, so that a line of the file is a record.
func printable(s string) bool {
	for _, c := range s {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}
