// Package attack sends a schedule of subjects and tells a ledger what came of each request.
//
// The sender is vegeta as a library. What is added to it is what makes one request a subject: it is due at a time that the
// schedule fixed, it carries the key by which the ledger knows it (Idempotency-Key), and its answer goes straight into the
// ledger, with the subject's id when the API told it.
//
// # Promises
//
//   - Each subject is sent at most once, in the order of the schedule; requests are never repeated, also when their connection
//     breaks, and redirects not followed.
//   - A subject is due by the ledger's clock, whatever was sent before it. What is sent late is sent as soon as possible, and its
//     latency counts from when it was due: [ledger.Record.EndToEnd]. How late it was is [ledger.Record.Slip].
//   - Run returns when all requests have been answered or given up. After the end of its context nothing more is sent, and
//     what is under way has [Grace] to end.
//   - Nothing that a server answers ends an attack. What a ledger refuses of an answer is counted ([Report.Faults]), and the
//     rest of it is kept.
//
// # Design
//
// One attack carries the whole profile, with one pool of connections. Workers are capped: without a cap vegeta starts another
// one whenever all are busy, and a server that stands still for a moment is met by tens of thousands of connections when it
// goes on. With a cap the sender waits, and catches up; what that hides from latencies that count from the sending is not
// hidden from ours. `go test -bench CoordinatedOmission` shows both.
//
// The pacer waits by itself. vegeta's own wait is a sleep that nothing interrupts, so a pause of a minute in the profile
// would hold up an interrupted run for a minute.
package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/schedule"
)

// Defaults and limits.
const (
	DefaultWorkers    = 8
	DefaultMaxWorkers = 64
	DefaultTimeout    = 10 * time.Second
	MaxAnswer         = 4 << 10         // bytes of an answer that are read; the rest is thrown away
	Grace             = 1 * time.Second // for requests under way when the context ends
)

// A Request is how to ask for a subject.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        func(key string) ([]byte, error) // nil for none; key is the subject's Idempotency-Key
	Transport   http.RoundTripper                // signs if that is necessary; nil for one with a pool of its own
	// Subject reads the subject and its trace from an answer; it is told status and body. Nil tells neither.
	Subject func(code int, body []byte) (subject, traceID string)
}

// Config is an attack.
type Config struct {
	Schedule   *schedule.Schedule
	Ledger     *ledger.Ledger // of this schedule; the attack begins when it began
	Request    Request
	Workers    int           // to begin with; 0 for DefaultWorkers
	MaxWorkers int           // requests at a time; 0 for DefaultMaxWorkers
	Timeout    time.Duration // of a request; 0 for DefaultTimeout
	Live       *Live         // nil for none
}

// Live is what an attack has done so far. Any goroutine may read it.
type Live struct {
	Sent     atomic.Int64 // requests that were begun
	Answered atomic.Int64 // with any status
	Accepted atomic.Int64 // with 2xx
	Slip     atomic.Int64 // nanoseconds by which the latest request was late
}

// Report is what an attack was like.
type Report struct {
	Sent     uint64
	Elapsed  time.Duration
	CPUCores float64  // used by this process, on the average; 0 where the system does not tell
	Busy     bool     // all workers were waiting for answers at some time, and requests had to wait for them
	Faults   int      // answers of which the ledger refused something
	Fault    string   // the first of them
	Errors   []string // of requests that could not be made, at most one
}

// Run sends the schedule. It fails when the configuration is not complete, and never because of answers.
func Run(ctx context.Context, c Config) (Report, error) {
	switch {
	case c.Schedule == nil || c.Ledger == nil:
		return Report{}, errors.New("attack: a schedule and its ledger are needed")
	case uint64(c.Ledger.Len()) != c.Schedule.Total():
		return Report{}, fmt.Errorf("attack: the ledger has %d subjects, the schedule %d", c.Ledger.Len(), c.Schedule.Total())
	case c.Request.Method == "" || c.Request.URL == "":
		return Report{}, errors.New("attack: a request has a method and a URL")
	case c.Workers < 0 || c.MaxWorkers < 0 || c.Timeout < 0:
		return Report{}, fmt.Errorf("attack: %d workers of at most %d, time-out %v: none is negative", c.Workers, c.MaxWorkers, c.Timeout)
	}
	if c.MaxWorkers == 0 {
		c.MaxWorkers = DefaultMaxWorkers
	}
	if c.Workers == 0 {
		c.Workers = DefaultWorkers
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Live == nil {
		c.Live = new(Live)
	}
	transport := c.Request.Transport
	if transport == nil {
		own := Transport(c.MaxWorkers)
		defer own.CloseIdleConnections()
		transport = own
	}

	abort, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	go func() { // what is under way when ctx ends has Grace to end
		select {
		case <-over:
			return
		case <-ctx.Done():
		}
		grace := time.NewTimer(Grace)
		defer grace.Stop()
		select {
		case <-over:
		case <-grace.C:
			cancel()
		}
	}()

	// Times are told by the monotonic clock from here on, so that a step of the wall clock moves nothing.
	now := time.Now()
	began := now.Add(c.Ledger.Began().Time().Sub(now))
	s := &sender{Config: c, transport: transport, ctx: ctx, abort: abort, began: began}
	p := &pacer{ctx: ctx, began: began, schedule: c.Schedule, live: c.Live, limit: int64(c.MaxWorkers)}
	client := &http.Client{
		Transport:     s, // which knows of the time-out
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	attacker := vegeta.NewAttacker(vegeta.Client(client), vegeta.Workers(uint64(min(c.Workers, c.MaxWorkers))), vegeta.MaxWorkers(uint64(c.MaxWorkers)), vegeta.MaxBody(MaxAnswer))
	target := vegeta.NewStaticTargeter(vegeta.Target{Method: c.Request.Method, URL: c.Request.URL, Header: c.Request.Header})

	var r Report
	cpu := cpuTime()
	for hit := range attacker.Attack(target, p, 0, "") {
		if _, ok := s.withheld.Load(hit.Seq); ok {
			continue // for the ledger it is unsent, as it is
		}
		r.Sent++
		sent := began.Add(hit.Timestamp.Sub(began))
		c.Live.Answered.Add(1)
		if hit.Code >= 200 && hit.Code < 300 {
			c.Live.Accepted.Add(1)
		}
		a := ledger.Answer{Sent: sent, Acked: sent.Add(hit.Latency), Code: int(hit.Code)}
		if a.Code > 0 && a.Code < 100 { // package http takes what HTTP does not have
			a.Code, a.Error = 0, "no status"
		} else if a.Code == 0 {
			a.Error = reason(hit.Error)
			if a.Error == badRequest && len(r.Errors) == 0 {
				r.Errors = append(r.Errors, hit.Error)
			}
		} else if c.Request.Subject != nil {
			a.Subject, a.TraceID = c.Request.Subject(a.Code, hit.Body)
		}
		if err := c.Ledger.Answer(hit.Seq, a); err != nil {
			a.Subject, a.TraceID = "", "" // it may be what the server said; that there was an answer is true all the same
			r.fault(errors.Join(err, c.Ledger.Answer(hit.Seq, a)))
		}
	}
	r.Elapsed = time.Since(now)
	r.Busy = p.busy
	if cpu >= 0 && r.Elapsed > 0 {
		r.CPUCores = (cpuTime() - cpu).Seconds() / r.Elapsed.Seconds()
	}
	return r, nil
}

func (r *Report) fault(err error) {
	r.Faults++
	if r.Fault == "" {
		r.Fault = err.Error()
	}
}

// Transport returns a transport that keeps a connection for each of so many requests at a time.
func Transport(connections int) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone() // the type is documented
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, connections
	t.DisableCompression = true
	t.WriteBufferSize, t.ReadBufferSize = 8<<10, 8<<10
	return t
}

// A pacer holds each hit back until it is due, and stops when its context ends.
type pacer struct {
	ctx      context.Context
	began    time.Time
	schedule *schedule.Schedule
	live     *Live
	limit    int64
	busy     bool
	timer    *time.Timer
}

var _ vegeta.Pacer = (*pacer)(nil)

// Pace returns when the next hit is due. vegeta calls it from one goroutine.
func (p *pacer) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	if hits >= p.schedule.Total() || p.ctx.Err() != nil {
		return 0, true
	}
	wait := time.Until(p.began.Add(p.schedule.At(hits)))
	if wait <= 0 {
		if wait < -time.Millisecond && p.live.Sent.Load()-p.live.Answered.Load() >= p.limit {
			p.busy = true
		}
		return 0, false
	}
	if p.timer == nil {
		p.timer = time.NewTimer(wait)
	} else {
		p.timer.Reset(wait)
	}
	select {
	case <-p.timer.C:
		return 0, false
	case <-p.ctx.Done():
		p.timer.Stop()
		return 0, true
	}
}

// Rate returns the hits per second at a time of the attack.
func (p *pacer) Rate(elapsed time.Duration) float64 { return p.schedule.Rate(elapsed) }

// A sender makes a request the one of its subject.
type sender struct {
	Config
	transport http.RoundTripper
	ctx       context.Context // of the attack: nothing is sent after its end
	abort     context.Context // of requests under way, which may take Grace longer
	began     time.Time       // by the monotonic clock
	withheld  sync.Map        // seq of hits that were never sent: a worker became free for them after the end of ctx
}

// What vegeta says of itself with each request. The system is not told: it might treat a load test differently.
const seqHeader = "X-Vegeta-Seq"

// RoundTrip sends the request of the subject that vegeta's header names.
func (s *sender) RoundTrip(r *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(r.Header.Get(seqHeader), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s: no place in the schedule: %w", badRequest, err)
	}
	if err := s.ctx.Err(); err != nil {
		s.withheld.Store(seq, true)
		return nil, err
	}
	s.Live.Sent.Add(1)
	s.Live.Slip.Store(int64(time.Since(s.began.Add(s.Schedule.At(seq)))))
	ctx, cancel := context.WithTimeout(s.abort, s.Timeout)
	defer cancel()
	r = r.WithContext(ctx) // a copy but for the headers, which vegeta made for this request alone
	r.Header.Del(seqHeader)
	key := s.Ledger.Key(seq)
	r.Header.Set("Idempotency-Key", key)
	var body []byte
	if s.Request.Body != nil {
		if body, err = s.Request.Body(key); err != nil {
			return nil, fmt.Errorf("%s: %w", badRequest, err)
		}
	}
	// A body that cannot be had again, be it an empty one: when a connection breaks, package http sends other requests that have an
	// Idempotency-Key a second time, without a word.
	r.Body, r.ContentLength, r.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	answer, err := s.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	// The body is read here, while ctx can still cut it off. When it breaks off, the status was told all the same.
	whole := answer.Body
	defer func() { _ = whole.Close() }() // it was read: there is nothing to lose
	body, err = io.ReadAll(io.LimitReader(whole, MaxAnswer))
	if err == nil {
		// What is left is read so that the connection can be used again; if that fails, it cannot.
		_, _ = io.CopyN(io.Discard, whole, 1<<20)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// badRequest is the reason of requests that were never sent, because they could not be made.
const badRequest = "bad request"

// reason puts an error of a request into a word or two that can be counted.
func reason(text string) string {
	for _, known := range []struct{ part, reason string }{
		{badRequest, badRequest},
		{"Client.Timeout", "timeout"}, {context.DeadlineExceeded.Error(), "timeout"}, {"i/o timeout", "timeout"},
		{context.Canceled.Error(), "interrupted"},
		{syscall.ECONNREFUSED.Error(), "connection refused"}, {syscall.ECONNRESET.Error(), "connection reset"}, {syscall.EPIPE.Error(), "connection reset"},
		{"EOF", "connection closed"}, {"server closed", "connection closed"}, {net.ErrClosed.Error(), "connection closed"},
		{"no such host", "no such host"}, {"tls:", "TLS"}, {"x509:", "TLS"},
		{"too many open files", "too many open files"}, {"assign requested address", "no free port"},
	} {
		if strings.Contains(text, known.part) {
			return known.reason
		}
	}
	return "other"
}
