package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/arvo/lambdas/local/function/traceheader"
	"example.com/arvo/lambdas/local/wire"
)

// A Request asks for one synchronous invocation.
type Request struct {
	Function      string   // a name
	Payload       []byte   // JSON, at most [MaxPayload] bytes; it must not change any more: Invoke may return first. Empty means {}
	TraceHeader   string   // X-Amzn-Trace-Id of the caller; empty or malformed: the function's tracing mode decides
	ClientContext string   // JSON for the function's context, without line breaks; empty: none
	Messages      []string // trace headers of a batch's messages, for whoever observes: the invocation does not continue them
	Tail          bool     // return the last 4 KB of the invocation's log

	id string // of an asynchronous event, whose attempts share it; empty: the invocation gets one of its own
}

// A Response is what an invocation came to.
type Response struct {
	RequestID     string
	Payload       []byte // the function's answer, or {"errorMessage","errorType"} of a function error
	FunctionError string // empty, or Unhandled: the function reported an error, crashed or timed out
	ErrorType     string // of a function error, such as Runtime.ExitError or Sandbox.Timedout
	LogTail       []byte // with Request.Tail
}

// An Invocation is a finished or throttled invocation as an observer sees it: enough to draw Lambda's own X-Ray segments
// and to count its metrics.
type Invocation struct {
	Function  string
	ARN       string
	RequestID string
	Stream    string // log stream of the environment

	// The trace. SegmentID is the id of the AWS::Lambda segment, FunctionSegmentID that of the AWS::Lambda::Function
	// segment under it, which the function was given as Parent. Without active tracing both are empty and the function was
	// given Parent as it came.
	Root, Parent                 string
	SegmentID, FunctionSegmentID string
	Sampled                      bool
	Messages                     []string // Request.Messages

	Arrived      time.Time
	Started      time.Time // hand-over to the process
	Responded    time.Time // zero if it gave no answer
	Duration     time.Duration
	Billed       time.Duration // Duration and INIT, in whole milliseconds
	InitStarted  time.Time     // zero unless Cold
	InitDuration time.Duration // of a cold start
	Cold         bool
	MemoryMB     int
	MaxMemoryMB  int

	FunctionError string
	ErrorType     string
	ThrottleCause string // empty, or the Reason of a throttle: then nothing ran
	Concurrent    int    // invocations of the function at the time it began, itself included
}

// invocation is one on its way. Until it is handed over its cold start owns it, then the environment's lock guards it.
type invocation struct {
	id            string
	function      *function
	settings      *settings
	payload       []byte
	clientContext string
	messages      []string
	parent        traceheader.Header // as it came
	trace         traceheader.Header // as the function gets it
	segmentID     string
	tail          *tail
	arrived       time.Time
	started       time.Time
	stream        string
	concurrent    int
	pooled        bool   // counts against the account's unreserved concurrency
	group         *group // its log, from START on

	cold         bool
	initStarted  time.Time
	initDuration time.Duration

	timer, killer *time.Timer
	doomed        bool // its process is killed before its response counts
	responded     bool
	answered      time.Time // when it was
	result        Response
	err           error
	done          chan struct{}
}

func (inv *invocation) deadline() time.Time { return inv.started.Add(inv.settings.Timeout) }

var errClosing = &wire.Error{Code: "ServiceException", Message: "the local Lambda is shutting down", Status: http.StatusServiceUnavailable}

const (
	reasonReserved = "ReservedFunctionConcurrentInvocationLimitExceeded"
	reasonAccount  = "ConcurrentInvocationLimitExceeded"
)

// Throttled tells whether err is Lambda's refusal to run an invocation now: TooManyRequestsException, status 429.
func Throttled(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && e.Code == "TooManyRequestsException"
}

func throttled(reason string) *wire.Error {
	return &wire.Error{
		Code: "TooManyRequestsException", Message: "Rate Exceeded.", Status: http.StatusTooManyRequests,
		Members: map[string]any{"Reason": reason},
	}
}

// Invoke runs a function once and returns when it has answered and asked for its next event. A function that fails is
// no error: FunctionError says so. Errors are [*wire.Error]: ResourceNotFoundException, RequestTooLargeException,
// TooManyRequestsException ([Throttled]), ServiceException while closing; or ctx's, and then the invocation goes on
// without anyone waiting for it, as on AWS.
func (s *Service) Invoke(ctx context.Context, req Request) (Response, error) {
	if len(req.Payload) > MaxPayload {
		return Response{}, tooLarge(len(req.Payload), "RequestResponse", MaxPayload)
	}
	inv, err := s.admit(req)
	if err != nil {
		return Response{}, err
	}
	s.dispatch(inv)
	select {
	case <-inv.done:
		return inv.result, inv.err
	case <-ctx.Done():
		return Response{}, context.Cause(ctx)
	}
}

func tooLarge(size int, kind string, limit int) error {
	return &wire.Error{
		Code: "RequestTooLargeException", Status: http.StatusRequestEntityTooLarge,
		Message: fmt.Sprintf("%d byte payload is too large for the %s invocation type (limit %d bytes)", size, kind, limit),
	}
}

// admit takes a place in the concurrency pools for an invocation, or refuses it.
func (s *Service) admit(req Request) (*invocation, error) {
	inv := &invocation{
		id:            req.id,
		payload:       req.Payload,
		clientContext: req.ClientContext,
		messages:      req.Messages,
		arrived:       time.Now(),
		done:          make(chan struct{}),
	}
	if inv.id == "" {
		inv.id = newUUID(s.options.Random)
	}
	if len(inv.payload) == 0 {
		inv.payload = []byte("{}")
	}
	if req.Tail {
		inv.tail = &tail{}
	}
	faulty := s.options.Throttle != nil && s.options.Throttle()

	s.mu.Lock()
	f, ok := s.functions[req.Function]
	if !ok {
		s.mu.Unlock()
		return nil, s.notFound(req.Function)
	}
	if s.closed {
		s.mu.Unlock()
		return nil, errClosing
	}
	inv.function, inv.settings = f, f.settings
	cause := ""
	switch {
	case f.reserved != nil && (f.running >= *f.reserved || faulty):
		cause = reasonReserved
	case f.reserved == nil && (s.unreserved >= s.unreservedLimit() || faulty):
		cause = reasonAccount
	case s.running >= s.options.AccountConcurrency: // by a change of reservations that those that run do not fit yet
		cause = reasonAccount
	}
	if cause != "" {
		f.stats.Throttles++
		inv.concurrent = f.running
		s.mu.Unlock()
		s.route(inv, req.TraceHeader)
		s.observe(inv, 0, 0, cause)
		return nil, throttled(cause)
	}
	f.running++
	s.running++
	if f.reserved == nil {
		s.unreserved++
		inv.pooled = true
	}
	f.stats.Invocations++
	f.stats.MaxConcurrent = max(f.stats.MaxConcurrent, f.running)
	inv.concurrent = f.running
	s.mu.Unlock()
	s.route(inv, req.TraceHeader)
	return inv, nil
}

// route decides the trace of an invocation. With active tracing Lambda adds its two segments. Without it a header passes as
// it came.
func (s *Service) route(inv *invocation, header string) {
	random := s.options.Random
	h := s.decide(inv.settings, header)
	inv.parent, inv.trace = h, h
	switch {
	case inv.settings.Tracing == "Active":
		inv.segmentID = traceheader.NewID(random)
		inv.trace.Parent = traceheader.NewID(random)
	case h.Parent == "":
		inv.trace.Parent = traceheader.NewID(random)
	}
}

// decide completes the header of a request: a trace begins here if there is none, and with active tracing Lambda decides
// whether it is recorded if nobody has.
func (s *Service) decide(set *settings, header string) traceheader.Header {
	h, ok := traceheader.Parse(header)
	if !ok {
		h = traceheader.Header{Root: traceheader.NewRoot(time.Now(), s.options.Random)}
	}
	if h.Decision == traceheader.Undecided {
		h.Decision = traceheader.NotSampled
		if set.Tracing == "Active" && (s.options.Sample == nil || s.options.Sample()) {
			h.Decision = traceheader.Sampled
		}
	}
	return h
}

// dispatch gives an invocation to the most recently used idle environment, or starts one.
func (s *Service) dispatch(inv *invocation) {
	for {
		e, err := s.take(inv)
		if err != nil {
			inv.err = err
			s.complete(inv, nil, false)
			return
		}
		if e == nil || e.begin(inv) {
			return
		}
		// The process died while idle and was not yet found dead: try another.
	}
}

// take pops an idle environment; with none, it sends the invocation to a cold start and returns nil.
func (s *Service) take(inv *invocation) (*environment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop.Err() != nil { // under the lock, so that Close sees every cold start or it does not happen
		return nil, errClosing
	}
	f := inv.function
	inv.settings = f.settings
	if n := len(f.idle); n > 0 {
		e := f.idle[n-1]
		f.idle[n-1] = nil
		f.idle = f.idle[:n-1]
		e.reclaim.Stop() // one that has just fired finds the environment not idle
		return e, nil
	}
	f.stats.ColdStarts++
	inv.cold = true
	s.work.Go(func() { s.coldStart(inv) })
	return nil, nil
}

// park makes an environment available. With outdated settings, or after Close, it ends instead.
func (s *Service) park(e *environment) {
	s.mu.Lock()
	f := e.function
	if _, alive := f.live[e]; !alive {
		s.mu.Unlock()
		return
	}
	if e.settings != f.settings || s.stop.Err() != nil {
		s.mu.Unlock()
		e.shutdown("spindown")
		return
	}
	e.idleSince = time.Now()
	if e.reclaim == nil {
		e.reclaim = time.AfterFunc(s.options.IdleAfter, func() { s.reclaim(e) })
	} else {
		e.reclaim.Reset(s.options.IdleAfter)
	}
	f.idle = append(f.idle, e)
	s.mu.Unlock()
}

// reclaim ends an environment that has been idle for long enough.
func (s *Service) reclaim(e *environment) {
	s.mu.Lock()
	expired := time.Since(e.idleSince) >= s.options.IdleAfter && s.unpark(e)
	s.mu.Unlock()
	if expired {
		e.shutdown("spindown")
	}
}

// unpark takes an environment from among the idle ones and reports whether it was there; s.mu is held.
func (s *Service) unpark(e *environment) bool {
	f := e.function
	for i, idle := range f.idle {
		if idle == e {
			f.idle = append(f.idle[:i], f.idle[i+1:]...)
			e.reclaim.Stop()
			return true
		}
	}
	return false
}

// coldStart runs INIT for an invocation: up to 10 s, and when that fails once more within the invocation's own time.
func (s *Service) coldStart(inv *invocation) {
	inv.initStarted = time.Now()
	stream := s.newStream()
	e, failed := s.initialise(inv.function, inv.settings, stream, initLimit, "init")
	if e != nil {
		inv.initDuration = time.Since(inv.initStarted)
	} else if s.stop.Err() == nil {
		inv.started, inv.stream = time.Now(), stream
		s.logStart(s.logs.create(inv.settings.LogGroup), inv)
		e, failed = s.initialise(inv.function, inv.settings, stream, inv.settings.Timeout, "invoke")
	}
	switch {
	case e == nil && s.stop.Err() != nil:
		inv.err = errClosing
	case e == nil && failed.timedOut:
		inv.result = timeout(inv)
	case e == nil:
		inv.result = failed.response(inv.id)
	case e.begin(inv):
		return
	default:
		<-e.gone
		inv.result = e.crash(inv.id)
	}
	s.complete(inv, nil, false)
}

// initFailure says why an INIT phase failed.
type initFailure struct {
	timedOut  bool
	errorType string
	message   string // without the request id
	payload   []byte // of POST init/error
}

func (f initFailure) response(requestID string) Response {
	if f.payload != nil {
		return Response{Payload: f.payload, FunctionError: "Unhandled", ErrorType: f.errorType}
	}
	return failure(f.errorType, "RequestId: "+requestID+" Error: "+f.message)
}

// initialise starts an environment and waits until its runtime asks for the first event. The environment it returns is
// parked and not yet available to others.
func (s *Service) initialise(f *function, set *settings, stream string, limit time.Duration, phase string) (*environment, initFailure) {
	begun := time.Now()
	if delay := s.options.ColdStart; delay != nil && phase == "init" {
		timer := time.NewTimer(delay())
		select {
		case <-timer.C:
		case <-s.stop.Done():
			timer.Stop()
			return nil, initFailure{errorType: "Runtime.Unknown", message: errClosing.Message}
		}
	}
	failed := initFailure{errorType: "Runtime.InvalidEntrypoint"}
	e, err := s.start(f, set, stream)
	if err != nil {
		failed.message = err.Error()
		s.reportInit(s.logs.create(set.LogGroup), set, stream, time.Since(begun), phase, failed)
		return nil, failed
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-e.initialised:
		return e, initFailure{}
	case <-e.gone:
	case <-e.initFailed:
		e.kill()
		<-e.gone
	case <-timer.C:
		e.kill()
		<-e.gone
		failed = initFailure{timedOut: true, errorType: "Sandbox.Timedout", message: fmt.Sprintf("INIT timed out after %.2f seconds", limit.Seconds())}
	case <-s.stop.Done():
		e.kill()
		<-e.gone
		return nil, initFailure{errorType: "Runtime.Unknown", message: errClosing.Message}
	}
	if !failed.timedOut {
		failed = e.initFailure()
	}
	s.reportInit(e.group, set, stream, time.Since(begun), phase, failed)
	return nil, failed
}

// complete settles an invocation: its log, its place in the pools, its environment, its caller.
func (s *Service) complete(inv *invocation, e *environment, reuse bool) {
	if inv.timer != nil {
		inv.timer.Stop()
	}
	if inv.killer != nil {
		inv.killer.Stop()
	}
	duration, memory := time.Duration(0), 0
	if e != nil {
		e.out.drain()
		e.out.attribute(nil)
		memory = e.peak()
	}
	if !inv.started.IsZero() {
		duration = time.Since(inv.started)
	}
	inv.result.RequestID = inv.id
	if inv.err == nil {
		s.logEnd(inv, duration, memory)
	}
	if inv.tail != nil {
		inv.result.LogTail = inv.tail.bytes()
	}

	s.mu.Lock()
	f := inv.function
	f.running--
	s.running--
	if inv.pooled {
		s.unreserved--
	}
	if inv.result.FunctionError != "" || inv.err != nil {
		f.stats.Errors++
	}
	if s.closed && s.running == 0 {
		close(s.drained)
	}
	s.mu.Unlock()
	if reuse {
		s.park(e)
	}
	s.observe(inv, duration, memory, "")
	close(inv.done)
}

func (s *Service) observe(inv *invocation, duration time.Duration, memory int, cause string) {
	if s.options.Observe == nil {
		return
	}
	o := Invocation{
		Function: inv.settings.Name, ARN: inv.settings.arn, RequestID: inv.id, Stream: inv.stream,
		Root: inv.trace.Root, Parent: inv.parent.Parent, SegmentID: inv.segmentID, Sampled: inv.trace.Decision == traceheader.Sampled,
		Messages: inv.messages,
		Arrived:  inv.arrived, Started: inv.started, Responded: inv.answered, Duration: duration, Billed: billed(inv, duration),
		InitDuration: inv.initDuration, Cold: inv.cold,
		MemoryMB: inv.settings.MemoryMB, MaxMemoryMB: memory,
		FunctionError: inv.result.FunctionError, ErrorType: inv.result.ErrorType,
		ThrottleCause: cause, Concurrent: inv.concurrent,
	}
	if inv.segmentID != "" {
		o.FunctionSegmentID = inv.trace.Parent
	}
	if inv.cold {
		o.InitStarted = inv.initStarted
	}
	s.options.Observe(o)
}

// Prewarm sees to it that at least n environments of a function are idle and returns when they are. An INIT phase that
// fails is an error, with what the function said last.
func (s *Service) Prewarm(ctx context.Context, name string, n int) error {
	s.mu.Lock()
	f, ok := s.functions[name]
	if !ok {
		s.mu.Unlock()
		return s.notFound(name)
	}
	if s.closed {
		s.mu.Unlock()
		return errClosing
	}
	missing := n - len(f.idle)
	set := f.settings
	if missing <= 0 {
		s.mu.Unlock()
		return nil
	}
	results := make(chan error, missing)
	for range missing {
		s.work.Go(func() {
			stream := s.newStream()
			e, failed := s.initialise(f, set, stream, initLimit, "init")
			if e != nil {
				s.park(e)
				results <- nil
				return
			}
			results <- fmt.Errorf("prewarm %s: %w", name, s.initError(set, stream, failed))
		})
	}
	s.mu.Unlock()
	var errs []error
	for range missing {
		select {
		case err := <-results:
			errs = append(errs, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for _, err := range errs {
		if err != nil {
			return err // they all say the same
		}
	}
	return nil
}

// initError is why the INIT phase of a stream's environment failed.
func (s *Service) initError(set *settings, stream string, failed initFailure) error {
	return fmt.Errorf("%s: %s%s", failed.errorType, failed.message, s.lastWords(set.LogGroup, stream))
}

// lastWords is the last line that an environment's process wrote, for an error message.
func (s *Service) lastWords(group, stream string) string {
	last := ""
	s.Logs(group, time.Time{}, func(l Line) bool {
		if l.Stream == stream && !l.Platform {
			last = l.Message
		}
		return true
	})
	if last == "" {
		return ""
	}
	if len(last) > 1000 {
		last = last[:1000] + "…"
	}
	return "; its last words: " + last
}

// failure is a function error in Lambda's own form.
func failure(typ, message string) Response {
	payload, err := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{typ, message})
	if err != nil {
		payload = []byte(`{"errorType":"Runtime.Unknown"}`) // two strings always encode
	}
	return Response{Payload: payload, FunctionError: "Unhandled", ErrorType: typ}
}

func timeout(inv *invocation) Response {
	return failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, inv.settings.Timeout.Seconds()))
}

// billed is what the invocation would be charged for: duration and INIT, rounded up to a millisecond.
func billed(inv *invocation, duration time.Duration) time.Duration {
	if inv.started.IsZero() {
		return 0
	}
	return (duration + inv.initDuration + time.Millisecond - 1).Truncate(time.Millisecond)
}
