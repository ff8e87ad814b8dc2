package function

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

// Asynchronous invocation, as documented under "Error handling for asynchronous invocation": a function error is tried
// twice more, after one and two minutes; a throttle is tried again from 1 s, doubling to 5 minutes, for six hours.
// There are no destinations and no dead-letter queue: an event that fails for good is counted, logged and gone.
const (
	asyncLimit    = 10000 // events waiting; each costs a goroutine and its payload
	asyncMaxAge   = 6 * time.Hour
	asyncMaxDelay = 5 * time.Minute
)

var asyncRetries = []time.Duration{time.Minute, 2 * time.Minute}

// InvokeAsync accepts an event for a function and returns at once; the function runs later, at least once unless the
// event is dropped. An accepted event does not survive [Service.Close].
func (s *Service) InvokeAsync(req Request) error {
	if len(req.Payload) > MaxAsyncPayload {
		return tooLarge(len(req.Payload), "Event", MaxAsyncPayload)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.functions[req.Function]
	switch {
	case !ok:
		return s.notFound(req.Function)
	case s.closed:
		return errClosing
	case s.asyncQueue >= asyncLimit:
		return &wire.Error{Code: "TooManyRequestsException", Message: "Rate Exceeded.", Status: http.StatusTooManyRequests, Members: map[string]any{"Reason": "CallerRateLimitExceeded"}}
	}
	s.asyncQueue++
	s.work.Go(func() {
		reason := s.runAsync(req)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asyncQueue--
		if reason != "" {
			f.stats.AsyncDropped++
			slog.Warn("asynchronous event dropped", "function", req.Function, "reason", reason)
		}
	})
	return nil
}

// runAsync invokes until the function succeeds; otherwise it says why it gave up.
func (s *Service) runAsync(req Request) (dropped string) {
	accepted, backoff, failures := time.Now(), time.Second, 0
	for {
		res, err := s.Invoke(s.stop, req)
		var wait time.Duration
		switch {
		case err == nil && res.FunctionError == "":
			return ""
		case err == nil && failures == len(asyncRetries):
			return res.ErrorType
		case err == nil:
			wait = asyncRetries[failures]
			failures++
		case Throttled(err):
			wait = backoff
			backoff = min(2*backoff, asyncMaxDelay)
		default:
			return err.Error()
		}
		if time.Since(accepted)+wait > asyncMaxAge {
			return "EventAgeExceeded"
		}
		if !sleep(s.stop, wait) {
			return errClosing.Message
		}
	}
}

// sleep waits; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
