package function

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Asynchronous invocation, as documented under "Error handling for asynchronous invocation": a function error is tried
// twice more, after one and two minutes; a throttle is tried again from 1 s, doubling to 5 minutes, for six hours, where
// half of each wait is random: how AWS spreads them is not published. All attempts have one request id, and one trace.
// There are no destinations and no dead-letter queue: an event that fails for good is counted, logged and gone.
const (
	asyncLimit    = 10000    // events waiting; each costs a goroutine
	asyncBytes    = 64 << 20 // of the payloads of all that wait
	asyncMaxAge   = 6 * time.Hour
	asyncMaxDelay = 5 * time.Minute
)

var asyncRetries = []time.Duration{time.Minute, 2 * time.Minute}

// asyncQueue is the queue behind asynchronous invocation, which nobody can look into but by [Stats]; Service.mu guards it.
type asyncQueue struct {
	events, bytes int
}

// InvokeAsync accepts an event for a function and returns at once; the function runs later, at least once unless the
// event is dropped. An accepted event does not survive [Service.Close]. When 10,000 events are waiting, or 64 MB of them,
// no more are accepted: TooManyRequestsException ([Throttled]).
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
	case s.async.events >= asyncLimit || s.async.bytes+len(req.Payload) > asyncBytes:
		return throttled("CallerRateLimitExceeded")
	}
	s.async.events++
	s.async.bytes += len(req.Payload)
	f.stats.AsyncEvents++
	f.stats.AsyncQueued++
	set := f.settings
	s.work.Go(func() {
		if req.id == "" {
			req.id = newUUID(s.options.Random)
		}
		req.TraceHeader = s.decide(set, req.TraceHeader).String()
		reason, message := s.runAsync(f, req)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.async.events--
		s.async.bytes -= len(req.Payload)
		f.stats.AsyncQueued--
		if reason != "" {
			f.stats.AsyncDropped++
			if s.closed {
				f.asyncCut++ // Close tells of all of them together
				return
			}
			told := []any{"function", req.Function, "reason", reason}
			if message != "" {
				told = append(told, "message", message)
			}
			s.options.Logger.Warn("asynchronous event dropped", told...)
		}
	})
	return nil
}

// runAsync invokes until the function succeeds; otherwise it says why it gave up, and what the
// function said of its last failure.
func (s *Service) runAsync(f *function, req Request) (dropped, message string) {
	accepted, backoff, failures := time.Now(), time.Second, 0
	for {
		res, err := s.Invoke(s.stop, req)
		var wait time.Duration
		switch {
		case err == nil && res.FunctionError == "":
			return "", ""
		case err == nil && failures == len(asyncRetries):
			return res.ErrorType, errorMessage(res.Payload)
		case err == nil:
			wait = asyncRetries[failures]
			failures++
		case Throttled(err):
			wait = backoff/2 + time.Duration(s.options.Random()%uint64(backoff/2+1)) // else those throttled together come back together
			backoff = min(2*backoff, asyncMaxDelay)
		default:
			return err.Error(), ""
		}
		if time.Since(accepted)+wait > asyncMaxAge {
			return "EventAgeExceeded", ""
		}
		s.asyncWaits(f, 1)
		woke := sleep(s.stop, wait)
		s.asyncWaits(f, -1)
		if !woke {
			return errClosing.Message, ""
		}
	}
}

// errorMessage is the beginning of what a function's error says.
func errorMessage(payload []byte) string {
	const most = 200 // bytes
	var e struct {
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		return "" // a function may fail with any JSON
	}
	if len(e.Message) > most {
		return strings.ToValidUTF8(e.Message[:most], "") + "…"
	}
	return e.Message
}

func (s *Service) asyncWaits(f *function, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.stats.AsyncWaiting += n
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
