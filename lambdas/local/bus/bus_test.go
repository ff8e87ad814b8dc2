package bus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/bus"
	"example.com/arvo/lambdas/local/wire"
)

const (
	queueARN = "arn:aws:sqs:us-east-1:000000000000:queue"
	deadARN  = "arn:aws:sqs:us-east-1:000000000000:dead"
)

type message struct {
	Body, TraceHeader string
	Attributes        map[string]string
}

// A fakeQueue is a target that remembers, and fails as often as it is told.
type fakeQueue struct {
	mu       sync.Mutex
	messages []message
	attempts []time.Time
	errs     []error       // of the next attempts
	always   error         // of all after them
	block    chan struct{} // if not nil, attempts wait for it or for the end of their context
}

func (q *fakeQueue) Deliver(ctx context.Context, body []byte, traceHeader string, attributes map[string]string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.attempts = append(q.attempts, time.Now())
	if q.block != nil {
		select {
		case <-q.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if len(q.errs) > 0 {
		err := q.errs[0]
		q.errs = q.errs[1:]
		if err != nil {
			return err
		}
	} else if q.always != nil {
		return q.always
	}
	q.messages = append(q.messages, message{string(body), traceHeader, maps.Clone(attributes)})
	return nil
}

func (q *fakeQueue) received() []message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.messages)
}

func (q *fakeQueue) tries() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.attempts)
}

// find is Options.Target over a map.
func find(queues map[string]*fakeQueue) func(string) (bus.Target, bool) {
	return func(arn string) (bus.Target, bool) {
		q, ok := queues[arn]
		return q, ok
	}
}

func newService(t *testing.T, opt bus.Options, rules ...bus.Rule) *bus.Service {
	t.Helper()
	opt.Region, opt.Account = "us-east-1", "000000000000"
	opt.Random = rand.NewPCG(1, 2)
	s := bus.New(opt)
	for _, r := range rules {
		if err := s.CreateRule(r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func closeService(t *testing.T, s *bus.Service) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// everything is a rule that sends all events from "shop" to the queue.
func everything(change func(*bus.TargetConfig)) bus.Rule {
	target := bus.TargetConfig{ID: "queue", ARN: queueARN, DeadLetterARN: deadARN}
	if change != nil {
		change(&target)
	}
	return bus.Rule{Name: "everything", Pattern: []byte(`{"source": ["shop"]}`), Enabled: true, Targets: []bus.TargetConfig{target}}
}

func sold(n int) bus.Entry {
	return bus.Entry{Source: "shop", DetailType: "sold", Detail: fmt.Appendf(nil, `{"n": %d}`, n)}
}

func put(t *testing.T, s *bus.Service, entries ...bus.Entry) []bus.Result {
	t.Helper()
	return s.Put(t.Context(), entries)
}

func TestTheEnvelope(t *testing.T) {
	q := &fakeQueue{}
	s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(nil))
	defer closeService(t, s)
	results := put(t, s, bus.Entry{
		Time:        time.Date(2026, 11, 23, 8, 0, 0, 999e6, time.FixedZone("", 3600)),
		Source:      "shop",
		DetailType:  "it \"sold\" \n for 5 €",
		Detail:      []byte(" {\n \"b\": 1.50, \"a\": [ ], \"b\": \"\\u00e9 <&>\" } "),
		Resources:   []string{"arn:a", `b"c`},
		TraceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
	})
	if len(results) != 1 || results[0].ErrorCode != "" {
		t.Fatalf("results: %+v", results)
	}
	want := []message{{
		Body: `{"version":"0","id":"` + results[0].EventID + `","detail-type":"it \"sold\" \n for 5 €","source":"shop","account":"000000000000",` +
			`"time":"2026-11-23T07:00:00Z","region":"us-east-1","resources":["arn:a","b\"c"],"detail":{"b":1.50,"a":[],"b":"\u00e9 <&>"}}`,
		TraceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
	}}
	if diff := cmp.Diff(want, q.received()); diff != "" {
		t.Error(diff)
	}
	var parts [5]string
	copy(parts[:], strings.Split(results[0].EventID, "-"))
	if len(results[0].EventID) != 36 || len(parts[0]) != 8 || parts[2][0] != '4' {
		t.Errorf("the event id %s is no UUID of version 4", results[0].EventID)
	}
}

func TestAnEventWithoutTimeGetsThatOfAcceptance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01T00:00:00Z
		q := &fakeQueue{}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(nil))
		defer closeService(t, s)
		time.Sleep(90*time.Second + 999*time.Millisecond)
		put(t, s, sold(1))
		var envelope struct{ Time string }
		if err := json.Unmarshal([]byte(q.received()[0].Body), &envelope); err != nil {
			t.Fatal(err)
		}
		if want := "2000-01-01T00:01:30Z"; envelope.Time != want {
			t.Errorf("time is %s, want %s", envelope.Time, want)
		}
	})
}

func TestEntriesFailOneByOne(t *testing.T) {
	q := &fakeQueue{}
	s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(nil))
	defer closeService(t, s)
	results := put(t, s,
		sold(1),
		bus.Entry{DetailType: "sold", Detail: []byte(`{}`)},
		bus.Entry{Source: "shop", Detail: []byte(`{}`)},
		bus.Entry{Source: "shop", DetailType: "sold"},
		bus.Entry{Source: "shop", DetailType: "sold", Detail: []byte(`[1]`)},
		bus.Entry{Source: "shop", DetailType: "sold", Detail: []byte(`{"a": }`)},
		bus.Entry{Source: "aws.ec2", DetailType: "sold", Detail: []byte(`{}`)},
		bus.Entry{Source: "shop", DetailType: "sold", Detail: []byte(`{}`), TraceHeader: strings.Repeat("x", 501)},
		bus.Entry{Source: "shop", DetailType: "sold", Detail: []byte(`{}`), TraceHeader: "Root=1\x01"},
		bus.Entry{Source: "shop", DetailType: "sold", Detail: []byte(`{}`), TraceHeader: strings.Repeat("x", 500)},
		sold(2),
	)
	want := []bus.Result{
		{EventID: "some"},
		{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter Source is not valid. Reason: Source is a required argument."},
		{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter DetailType is not valid. Reason: DetailType is a required argument."},
		{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter Detail is not valid. Reason: Detail is a required argument."},
		{ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."},
		{ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."},
		{ErrorCode: "NotAuthorizedForSource", ErrorMessage: "Not authorized for the source."},
		{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter TraceHeader is not valid. Reason: it must be at most 500 printable characters of ASCII."},
		{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter TraceHeader is not valid. Reason: it must be at most 500 printable characters of ASCII."},
		{EventID: "some"},
		{EventID: "some"},
	}
	for i := range results {
		if results[i].EventID != "" {
			results[i].EventID = "some"
		}
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Error(diff)
	}
	if got := len(q.received()); got != 3 {
		t.Errorf("%d events were delivered, want 3", got)
	}
	if st := s.Stats(); st.PutEventsEntries != 11 || st.PutEventsFailedEntries != 8 {
		t.Errorf("stats: %+v", st)
	}
}

func TestAnEventGoesToEveryTargetOfEveryRuleThatMatches(t *testing.T) {
	queues := map[string]*fakeQueue{}
	arn := func(name string) string { return "arn:aws:sqs:us-east-1:000000000000:" + name }
	for _, name := range []string{"a", "b", "c", "d"} {
		queues[arn(name)] = &fakeQueue{}
	}
	rule := func(name, busName, pattern string, enabled bool, targets ...string) bus.Rule {
		r := bus.Rule{Name: name, Bus: busName, Pattern: []byte(pattern), Enabled: enabled}
		for _, target := range targets {
			r.Targets = append(r.Targets, bus.TargetConfig{ID: target, ARN: arn(target)})
		}
		return r
	}
	s := newService(t, bus.Options{Target: find(queues)})
	defer closeService(t, s)
	if err := s.CreateBus("other"); err != nil {
		t.Fatal(err)
	}
	for _, r := range []bus.Rule{
		rule("two-targets", "", `{"detail-type": ["sold"]}`, true, "a", "b"),
		rule("one-target", "default", `{"detail": {"n": [{"numeric": [">", 1]}]}}`, true, "a"),
		rule("disabled", "", `{"source": ["shop"]}`, false, "c"),
		rule("no-match", "", `{"source": ["bank"]}`, true, "c"),
		rule("other-bus", "other", `{"source": ["shop"]}`, true, "d"),
	} {
		if err := s.CreateRule(r); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := sold(3)
	elsewhere.Bus = "arn:aws:events:us-east-1:000000000000:event-bus/other"
	results := put(t, s, sold(1), sold(2), elsewhere)
	for name, want := range map[string][]int{"a": {0, 1, 1}, "b": {0, 1}, "c": nil, "d": {2}} {
		var got []int
		for _, m := range queues[arn(name)].received() {
			got = append(got, slices.IndexFunc(results, func(r bus.Result) bool { return strings.Contains(m.Body, r.EventID) }))
		}
		if !slices.Equal(got, want) {
			t.Errorf("queue %s has the entries %v, want %v", name, got, want)
		}
	}
}

func TestUnknownBusesAreNamedOnceAndInShort(t *testing.T) {
	var log bytes.Buffer
	s := newService(t, bus.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer closeService(t, s)
	for _, name := range []string{"nowhere", "nowhere", strings.Repeat("n", 1<<20), strings.Repeat("n", 1<<20) + "o"} {
		e := sold(1)
		e.Bus = name
		put(t, s, e)
	}
	if n := strings.Count(log.String(), "does not exist"); n != 2 || log.Len() > 1000 {
		t.Errorf("said %d times, in %d bytes", n, log.Len())
	}
}

func TestAnUnknownBusAcceptsAndDrops(t *testing.T) {
	s := newService(t, bus.Options{})
	defer closeService(t, s)
	e := sold(1)
	e.Bus = "nowhere"
	if r := put(t, s, e)[0]; r.EventID == "" || r.ErrorCode != "" {
		t.Errorf("result: %+v", r)
	}
	if got := s.Stats().UnknownBus; got != 1 {
		t.Errorf("%d events were counted, want 1", got)
	}
}

// passing is an error that may pass.
type passing struct{ error }

func (passing) Retriable() bool { return true }

var errBusy = passing{fmt.Errorf("busy")}

func TestRetriableErrorsAreTriedAgain(t *testing.T) {
	for name, errs := range map[string][]error{
		"by their own word":         {errBusy, errBusy, errBusy},
		"by their status":           {&wire.Error{Code: "InternalFailure", Status: 500}},
		"by the code of throttling": {wire.Errorf("ThrottlingException", "slow down"), fmt.Errorf("queue: %w", errBusy)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &fakeQueue{errs: slices.Clone(errs)}
				s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(nil))
				r := put(t, s, sold(1))[0]
				if r.EventID == "" || len(q.received()) != 0 || s.Backlog() != 1 {
					t.Fatalf("result %+v, %d received, backlog %d", r, len(q.received()), s.Backlog())
				}
				closeService(t, s) // waits
				if got := q.received(); len(got) != 1 || got[0].Attributes != nil || !strings.Contains(got[0].Body, r.EventID) {
					t.Errorf("received %+v", got)
				}
				for i := range q.attempts[1:] {
					wait := q.attempts[i+1].Sub(q.attempts[i])
					if low := time.Second << i / 2; wait < low || wait > 2*low {
						t.Errorf("wait %d was %s, want %s to %s", i+1, wait, low, 2*low)
					}
				}
				if st := s.Stats().Rules[0]; st.RetryInvocations != int64(len(errs)) || st.Invocations != 1 || st.FailedInvocations != 0 {
					t.Errorf("stats: %+v", st)
				}
			})
		})
	}
}

func TestDeadLetters(t *testing.T) {
	attempts := func(n int) func(*bus.TargetConfig) {
		return func(c *bus.TargetConfig) { c.Retry.MaximumRetryAttempts = &n }
	}
	for name, c := range map[string]struct {
		target     func(*bus.TargetConfig)
		queue      *fakeQueue
		tries      int
		attributes map[string]string
	}{
		"an error that will not pass": {
			queue: &fakeQueue{always: wire.Errorf("AccessDenied", "not you")}, tries: 1,
			attributes: map[string]string{"ERROR_CODE": "AccessDenied", "ERROR_MESSAGE": "AccessDenied: not you", "RETRY_ATTEMPTS": "0"},
		},
		"an error of no kind": {
			queue: &fakeQueue{always: fmt.Errorf("odd")}, tries: 1,
			attributes: map[string]string{"ERROR_CODE": "INTERNAL_ERROR", "ERROR_MESSAGE": "odd", "RETRY_ATTEMPTS": "0"},
		},
		"no such target": {
			target: func(c *bus.TargetConfig) { c.ARN = "arn:aws:sqs:us-east-1:000000000000:gone" },
			queue:  &fakeQueue{},
			attributes: map[string]string{
				"TARGET_ARN": "arn:aws:sqs:us-east-1:000000000000:gone", "ERROR_CODE": "NO_RESOURCE",
				"ERROR_MESSAGE": "there is no arn:aws:sqs:us-east-1:000000000000:gone", "RETRY_ATTEMPTS": "0",
			},
		},
		"an InputPath that leads nowhere": {
			target: func(c *bus.TargetConfig) { c.InputPath = "$.detail.x" },
			queue:  &fakeQueue{},
			attributes: map[string]string{
				"ERROR_CODE": "INVALID_INPUT", "ERROR_MESSAGE": "InputPath $.detail.x leads nowhere in the event", "RETRY_ATTEMPTS": "0",
			},
		},
		"an error message that is cut": {
			target: func(c *bus.TargetConfig) {
				c.ARN = "arn:aws:sqs:us-east-1:000000000000:" + strings.Repeat("ü", 200)
			},
			queue: &fakeQueue{},
			attributes: map[string]string{
				"TARGET_ARN": "arn:aws:sqs:us-east-1:000000000000:" + strings.Repeat("ü", 200), "ERROR_CODE": "NO_RESOURCE",
				"ERROR_MESSAGE": "there is no arn:aws:sqs:us-east-1:000000000000:" + strings.Repeat("ü", 104) + "…", "RETRY_ATTEMPTS": "0",
			},
		},
		"all attempts used up": {
			target: attempts(2), queue: &fakeQueue{always: errBusy}, tries: 3,
			attributes: map[string]string{
				"ERROR_CODE": "INTERNAL_ERROR", "ERROR_MESSAGE": "busy", "RETRY_ATTEMPTS": "2", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
			},
		},
		"no attempts allowed": {
			target: attempts(0), queue: &fakeQueue{always: errBusy}, tries: 1,
			attributes: map[string]string{
				"ERROR_CODE": "INTERNAL_ERROR", "ERROR_MESSAGE": "busy", "RETRY_ATTEMPTS": "0", "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
			},
		},
		"too old": {
			target: func(c *bus.TargetConfig) { c.Retry.MaximumEventAge = time.Minute }, queue: &fakeQueue{always: errBusy}, tries: 7,
			attributes: map[string]string{
				"ERROR_CODE": "INTERNAL_ERROR", "ERROR_MESSAGE": "busy", "RETRY_ATTEMPTS": "6", "EXHAUSTED_RETRY_CONDITION": "MaximumEventAgeInSeconds",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dead := &fakeQueue{}
				s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: c.queue, deadARN: dead})}, everything(c.target))
				e := sold(1)
				e.TraceHeader = "Root=1"
				r := put(t, s, e)[0]
				closeService(t, s)
				if c.queue.tries() != c.tries || len(c.queue.received()) != 0 {
					t.Errorf("%d tries, %d received; want %d and none", c.queue.tries(), len(c.queue.received()), c.tries)
				}
				got := dead.received()
				if len(got) != 1 {
					t.Fatalf("%d dead letters", len(got))
				}
				want := map[string]string{"RULE_ARN": "arn:aws:events:us-east-1:000000000000:rule/everything", "TARGET_ARN": queueARN}
				maps.Copy(want, c.attributes)
				if diff := cmp.Diff(want, got[0].Attributes); diff != "" {
					t.Error(diff)
				}
				if !strings.Contains(got[0].Body, r.EventID) || !strings.HasPrefix(got[0].Body, `{"version":"0"`) || got[0].TraceHeader != "Root=1" {
					t.Errorf("the dead letter is %+v, not the event", got[0])
				}
				if st := s.Stats().Rules[0]; st.FailedInvocations != 1 || st.SentToDLQ != 1 || st.DroppedWithoutDLQ != 0 {
					t.Errorf("stats: %+v", st)
				}
			})
		})
	}
}

func TestADefaultRetryPolicyEndsAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, dead := &fakeQueue{always: errBusy}, &fakeQueue{}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q, deadARN: dead})}, everything(nil))
		start := time.Now()
		put(t, s, sold(1))
		closeService(t, s)
		if lasted := time.Since(start); lasted < 20*time.Hour || lasted > 24*time.Hour {
			t.Errorf("it lasted %s", lasted)
		}
		if q.tries() > 186 || len(dead.received()) != 1 {
			t.Errorf("%d tries, %d dead letters", q.tries(), len(dead.received()))
		}
	})
}

func TestWithoutDeadLetterQueueAFailureIsCountedAndTold(t *testing.T) {
	var log bytes.Buffer
	s := newService(t, bus.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, everything(func(c *bus.TargetConfig) { c.DeadLetterARN = "" }))
	put(t, s, sold(1))
	closeService(t, s)
	if st := s.Stats().Rules[0]; st.FailedInvocations != 1 || st.DroppedWithoutDLQ != 1 {
		t.Errorf("stats: %+v", st)
	}
	if !strings.Contains(log.String(), "an event could not be delivered and is lost") {
		t.Errorf("the log: %s", &log)
	}
}

func TestADeadLetterQueueThatIsBusyIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &fakeQueue{errs: []error{errBusy, errBusy}}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{deadARN: dead})}, everything(nil))
		put(t, s, sold(1))
		closeService(t, s)
		if got := len(dead.received()); got != 1 {
			t.Errorf("%d dead letters", got)
		}
	})
}

func TestADeadLetterHasTimeOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &fakeQueue{errs: []error{errBusy, errBusy, errBusy, errBusy, errBusy}}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: {always: errBusy}, deadARN: dead}), Random: rand.NewPCG(1, 2)},
			everything(func(c *bus.TargetConfig) { c.Retry.MaximumEventAge = time.Minute }))
		put(t, s, sold(1))
		closeService(t, s)
		if got := dead.received(); len(got) != 1 || got[0].Attributes["EXHAUSTED_RETRY_CONDITION"] != "MaximumEventAgeInSeconds" {
			t.Errorf("dead letters: %+v", got)
		}
	})
}

func TestADeadLetterQueueThatRefusesIsCounted(t *testing.T) {
	dead := &fakeQueue{always: wire.Errorf("AccessDenied", "not you")}
	s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{deadARN: dead})}, everything(nil))
	put(t, s, sold(1))
	closeService(t, s)
	if st := s.Stats().Rules[0]; st.FailedToBeSentDLQ != 1 || st.SentToDLQ != 0 {
		t.Errorf("stats: %+v", st)
	}
}

func TestDeliveryLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{errs: []error{nil, errBusy}}
		s := newService(t, bus.Options{
			Target:          find(map[string]*fakeQueue{queueARN: q}),
			DeliveryLatency: func() time.Duration { return 500 * time.Millisecond },
		}, everything(nil))
		put(t, s, sold(1), sold(2))
		time.Sleep(499 * time.Millisecond)
		synctest.Wait()
		if got := len(q.received()); got != 0 || s.Backlog() != 2 {
			t.Fatalf("%d delivered, backlog %d before the latency is over", got, s.Backlog())
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := len(q.received()); got != 1 || s.Backlog() != 1 {
			t.Fatalf("%d delivered, backlog %d after the latency", got, s.Backlog())
		}
		closeService(t, s)
		if got := len(q.received()); got != 2 || s.Backlog() != 0 {
			t.Fatalf("%d delivered, backlog %d in the end", got, s.Backlog())
		}
	})
}

func TestPutLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{}
		s := newService(t, bus.Options{
			Target:     find(map[string]*fakeQueue{queueARN: q}),
			PutLatency: func() time.Duration { return 30 * time.Millisecond },
		}, everything(nil))
		defer closeService(t, s)
		start := time.Now()
		put(t, s, sold(1))
		if took := time.Since(start); took != 30*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if r := s.Put(ctx, []bus.Entry{sold(2)})[0]; r.ErrorCode != "InternalFailure" {
			t.Errorf("a call that is given up has the result %+v", r)
		}
		if got := len(q.received()); got != 1 {
			t.Errorf("%d delivered", got)
		}
	})
}

func TestInjectedFaults(t *testing.T) {
	q := &fakeQueue{}
	n := 0
	s := newService(t, bus.Options{
		Target:    find(map[string]*fakeQueue{queueARN: q}),
		FailEntry: func() (string, bool) { n++; return "ThrottlingException", n%2 == 0 },
	}, everything(nil))
	defer closeService(t, s)
	results := put(t, s, sold(1), sold(2), sold(3))
	if results[0].EventID == "" || results[1].ErrorCode != "ThrottlingException" || results[1].EventID != "" || results[2].EventID == "" {
		t.Errorf("results: %+v", results)
	}
	if got := len(q.received()); got != 2 {
		t.Errorf("%d delivered, want 2", got)
	}
}

func TestAFullBacklogThrottles(t *testing.T) {
	q := &fakeQueue{}
	s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(nil))
	put(t, s, sold(1))
	closeService(t, s)
	size := len(q.received()[0].Body)
	for _, c := range []struct {
		name           string
		most, mostSize int
	}{
		{"of three deliveries", 3, 0},
		{"of the bytes of two deliveries and one more", 0, 2*size + 1},
		{"of the bytes of three deliveries", 0, 3 * size},
	} {
		t.Run(c.name, func(t *testing.T) { fullBacklog(t, c.most, c.mostSize) })
	}
}

func fullBacklog(t *testing.T, most, mostSize int) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{}
		s := newService(t, bus.Options{
			Target:          find(map[string]*fakeQueue{queueARN: q}),
			DeliveryLatency: func() time.Duration { return time.Second },
			MaxBacklog:      most, MaxBacklogBytes: mostSize,
		}, everything(nil))
		other := sold(9)
		other.Source = "bank"
		accepted := 0
		for _, r := range put(t, s, sold(1), sold(2), sold(3), sold(4), other) {
			if r.ErrorCode == "" {
				accepted++
			} else if r.ErrorCode != "ThrottlingException" {
				t.Errorf("result: %+v", r)
			}
		}
		if accepted != 4 { // three that match, and the one that goes nowhere
			t.Errorf("%d accepted", accepted)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if r := put(t, s, sold(5))[0]; r.ErrorCode != "" {
			t.Errorf("after the backlog is gone: %+v", r)
		}
		closeService(t, s)
		if got := len(q.received()); got != 4 {
			t.Errorf("%d delivered, want 4", got)
		}
	})
}

func TestCloseGivesUpWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{always: errBusy}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(nil))
		put(t, s, sold(1), sold(2))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := s.Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "2 deliveries were still under way") {
			t.Errorf("Close: %v", err)
		}
		tries := q.tries()
		time.Sleep(time.Hour)
		synctest.Wait()
		if q.tries() != tries {
			t.Error("a delivery goes on after Close")
		}
		if r := put(t, s, sold(3))[0]; r.ErrorCode != "InternalFailure" {
			t.Errorf("an entry after Close has the result %+v", r)
		}
	})
}

func TestCloseEndsTheContextOfDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{block: make(chan struct{})}
		s := newService(t, bus.Options{
			Target:          find(map[string]*fakeQueue{queueARN: q}),
			DeliveryLatency: func() time.Duration { return time.Millisecond },
		}, everything(func(c *bus.TargetConfig) { c.DeadLetterARN = "" }))
		put(t, s, sold(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Close(ctx); err == nil {
			t.Error("Close says that nothing was under way")
		}
		synctest.Wait() // and the bubble ends only if the delivery has
	})
}

// stuck is a target that is busy until the bus gives it up.
type stuck struct{ tries atomic.Int32 }

func (s *stuck) Deliver(ctx context.Context, _ []byte, _ string, _ map[string]string) error {
	s.tries.Add(1)
	<-ctx.Done()
	return errBusy
}

func TestNothingIsTriedAgainAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &stuck{}
		s := newService(t, bus.Options{
			Target:          func(string) (bus.Target, bool) { return q, true },
			DeliveryLatency: func() time.Duration { return time.Millisecond },
		}, everything(nil))
		put(t, s, sold(1))
		time.Sleep(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Close(ctx); err == nil {
			t.Error("Close says that nothing was under way")
		}
		time.Sleep(time.Hour)
		if n := q.tries.Load(); n != 1 {
			t.Errorf("%d tries", n)
		}
	})
}

func TestPagesEndWithTheList(t *testing.T) {
	s := newService(t, bus.Options{}, everything(nil))
	for _, limit := range []int{1, 2} {
		body := fmt.Appendf(nil, `{"Limit":%d}`, limit)
		out, err := s.Wire().Operations["ListRules"](t.Context(), body)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), "NextToken") {
			t.Errorf("one rule, at most %d: %s", limit, raw)
		}
	}
}

func TestPutAndChangesOfRulesGoTogether(t *testing.T) {
	q := &fakeQueue{}
	s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(nil))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				s.Put(context.Background(), []bus.Entry{sold(i)})
			}
		})
	}
	wg.Go(func() {
		for i := range 100 {
			r := everything(nil)
			r.Name = fmt.Sprint("rule-", i%3)
			if err := s.CreateRule(r); err != nil {
				t.Error(err)
			}
			s.Stats()
		}
	})
	wg.Wait()
	closeService(t, s)
	if got := len(q.received()); got < 800 {
		t.Errorf("%d delivered, want at least 800", got)
	}
}

func TestInputs(t *testing.T) {
	detail := `{"command": "update", "n": 5, "tags": ["a", {"b": "c"}], "odd.name": true, "quote": "say \"hi\"", "null": null}`
	transformer := func(template string, paths ...string) func(*bus.TargetConfig) {
		m := map[string]string{}
		for i := 0; i < len(paths); i += 2 {
			m[paths[i]] = paths[i+1]
		}
		return func(c *bus.TargetConfig) { c.InputTransformer = &bus.InputTransformer{PathsMap: m, Template: template} }
	}
	path := func(p string) func(*bus.TargetConfig) { return func(c *bus.TargetConfig) { c.InputPath = p } }
	for name, c := range map[string]struct {
		target func(*bus.TargetConfig)
		want   string
	}{
		"a constant":                  {func(c *bus.TargetConfig) { c.Input = `{"a": 1}` }, `{"a": 1}`},
		"a path to the detail":        {path("$.detail"), `{"command":"update","n":5,"tags":["a",{"b":"c"}],"odd.name":true,"quote":"say \"hi\"","null":null}`},
		"a path to a string":          {path("$.detail.command"), `"update"`},
		"a path to a name with dash":  {path("$.detail-type"), `"sold"`},
		"a path to an element":        {path("$.detail.tags[0]"), `"a"`},
		"a path into an element":      {path("$.detail.tags[1].b"), `"c"`},
		"a path with a quoted name":   {path("$.detail['odd.name']"), `true`},
		"a path to all elements":      {path("$.detail.tags[*]"), `["a",{"b":"c"}]`},
		"a path to a member of all":   {path("$.detail.tags[*].b"), `["c"]`},
		"a path to all members":       {path("$.detail.tags[1].*"), `["c"]`},
		"a path that many could fit":  {transformer(`{"all": <x>, "text": "<x>"}`, "x", "$.detail.tags[*].nothing"), `{"all": "", "text": ""}`},
		"a path to null":              {path("$.detail.null"), `null`},
		"a template that is a string": {transformer(`"it is <type>, at <when>: <c>"`, "type", "$.detail-type", "when", "$.time", "c", "$.detail.command"), `"it is sold, at 2026-11-23T07:00:00Z: update"`},
		"a template that is JSON":     {transformer(`{"t": <type>, "n": <n>, "tags": <tags>}`, "type", "$.detail-type", "n", "$.detail.n", "tags", "$.detail.tags"), `{"t": "sold", "n": 5, "tags": ["a",{"b":"c"}]}`},
		"a template that is text":     {transformer(`<c> is <n> < 6`, "c", "$.detail.command", "n", "$.detail.n"), `"update" is 5 < 6`},
		"a part that is missing":      {transformer(`{"a": <x>, "b": "<x>!"}`, "x", "$.detail.nothing"), `{"a": "", "b": "!"}`},
		"quotes inside a string":      {transformer(`{"a": "<q>", "b": <q>}`, "q", "$.detail.quote"), `{"a": "say \"hi\"", "b": "say \"hi\""}`},
		"JSON inside a string":        {transformer(`"<t>"`, "t", "$.detail.tags"), `"[\"a\",{\"b\":\"c\"}]"`},
		"quotes escaped in a string":  {transformer(`"\"<c>\" <n>"`, "c", "$.detail.command", "n", "$.detail.n"), `"\"update\" 5"`},
		"the rule":                    {transformer(`{"r": <aws.events.rule-name>, "arn": "<aws.events.rule-arn>"}`), `{"r": "everything", "arn": "arn:aws:events:us-east-1:000000000000:rule/everything"}`},
		"the time of acceptance":      {transformer(`<aws.events.event.ingestion-time>`), `"2000-01-01T00:00:00Z"`},
		"the event without detail":    {transformer(`{"e": <aws.events.event>}`), `{"e": {"version":"0","id":"ID","detailType":"sold","source":"shop","account":"000000000000","time":"2026-11-23T07:00:00Z","region":"us-east-1","resources":[]}}`},
		"the event":                   {transformer(`<aws.events.event.json>`), `{"version":"0","id":"ID","detail-type":"sold","source":"shop","account":"000000000000","time":"2026-11-23T07:00:00Z","region":"us-east-1","resources":[],"detail":{"command":"update","n":5,"tags":["a",{"b":"c"}],"odd.name":true,"quote":"say \"hi\"","null":null}}`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &fakeQueue{}
				s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(c.target))
				r := put(t, s, bus.Entry{Source: "shop", DetailType: "sold", Detail: []byte(detail), Time: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)})[0]
				closeService(t, s)
				got := q.received()
				if len(got) != 1 {
					t.Fatalf("%d received; stats %+v", len(got), s.Stats())
				}
				if body := strings.ReplaceAll(got[0].Body, r.EventID, "ID"); body != c.want {
					t.Errorf("got  %s\nwant %s", body, c.want)
				}
			})
		})
	}
}

func TestCreateRuleRefuses(t *testing.T) {
	n := func(n int) *int { return &n }
	for name, c := range map[string]struct {
		change  func(*bus.Rule)
		code    string
		message string
	}{
		"no name":                  {func(r *bus.Rule) { r.Name = "" }, "ValidationException", "at 'name' failed to satisfy constraint: Member must not be null"},
		"a bad name":               {func(r *bus.Rule) { r.Name = "a/b" }, "ValidationException", `Value 'a/b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\.\-_A-Za-z0-9]+`},
		"a long name":              {func(r *bus.Rule) { r.Name = strings.Repeat("a", 65) }, "ValidationException", "Member must have length less than or equal to 64"},
		"a long description":       {func(r *bus.Rule) { r.Description = strings.Repeat("a", 513) }, "ValidationException", "'description'"},
		"an unknown bus":           {func(r *bus.Rule) { r.Bus = "nowhere" }, "ResourceNotFoundException", "Event bus nowhere does not exist."},
		"a bus of another account": {func(r *bus.Rule) { r.Bus = "arn:aws:events:us-east-1:111111111111:event-bus/default" }, "ResourceNotFoundException", "does not exist"},
		"a bad pattern":            {func(r *bus.Rule) { r.Pattern = []byte(`{"int": 42}`) }, "InvalidEventPatternException", "Event pattern is not valid. Reason: \"int\" must be an object or an array\n at [Source: (String)\"{\"int\": 42}\"; line: 1, column: 11]"},
		"a long pattern":           {func(r *bus.Rule) { r.Pattern = []byte(`{"a": ["` + strings.Repeat("x", 2048) + `"]}`) }, "InvalidEventPatternException", "more than 2048"},
		"a complex pattern":        {func(r *bus.Rule) { r.Pattern = []byte(`{"a": [{"wildcard": "*:*:*:*:*:x/*"}]}`) }, "InvalidEventPatternException", "Reason: Rule is too complex"},
		"six targets": {func(r *bus.Rule) {
			r.Targets = nil
			for i := range 6 {
				r.Targets = append(r.Targets, bus.TargetConfig{ID: fmt.Sprint(i), ARN: queueARN})
			}
		}, "LimitExceededException", "The requested resource exceeds the maximum number allowed."},
		"a bad target id":               {func(r *bus.Rule) { r.Targets[0].ID = "!@#" }, "ValidationException", "Value '!@#' at 'targets.1.member.id' failed to satisfy constraint: Member must satisfy regular expression pattern"},
		"a long target id":              {func(r *bus.Rule) { r.Targets[0].ID = strings.Repeat("a", 65) }, "ValidationException", "Member must have length less than or equal to 64"},
		"no target ARN":                 {func(r *bus.Rule) { r.Targets[0].ARN = "" }, "ValidationException", "Value null at 'targets.1.member.arn'"},
		"a bad target ARN":              {func(r *bus.Rule) { r.Targets[0].ARN = "queue" }, "ValidationException", "Parameter queue is not valid. Reason: Provided Arn is not in correct format."},
		"a target of another kind":      {func(r *bus.Rule) { r.Targets[0].ARN = "arn:aws:sns:us-east-1:000000000000:topic" }, "ValidationException", "target queue is neither an SQS queue nor a Lambda function"},
		"an ARN of Lambda, no function": {func(r *bus.Rule) { r.Targets[0].ARN = "arn:aws:lambda:us-east-1:000000000000:layer:code" }, "ValidationException", "target queue is neither an SQS queue nor a Lambda function"},
		"a bad dead-letter queue":       {func(r *bus.Rule) { r.Targets[0].DeadLetterARN = "arn:aws:sns:us-east-1:000000000000:topic" }, "ValidationException", "is not the ARN of an SQS queue"},
		"too many attempts":             {func(r *bus.Rule) { r.Targets[0].Retry.MaximumRetryAttempts = n(186) }, "ValidationException", "between 0 and 185, not 186"},
		"too short an age":              {func(r *bus.Rule) { r.Targets[0].Retry.MaximumEventAge = time.Second }, "ValidationException", "between 60 and 86400."},
		"two kinds of input":            {func(r *bus.Rule) { r.Targets[0].Input, r.Targets[0].InputPath = "{}", "$.detail" }, "ValidationException", "Only one of Input, InputPath, or InputTransformer must be provided for target queue."},
		"an input that is no JSON":      {func(r *bus.Rule) { r.Targets[0].Input = "{" }, "ValidationException", "JSON syntax error in input for target queue."},
		"a path without root":           {func(r *bus.Rule) { r.Targets[0].InputPath = "detail" }, "ValidationException", "InputPath for target queue is invalid: detail."},
		"a path with an empty name":     {func(r *bus.Rule) { r.Targets[0].InputPath = "$..a" }, "ValidationException", "InputPath for target queue is invalid"},
		"a path with a bad index":       {func(r *bus.Rule) { r.Targets[0].InputPath = "$.a[-1]" }, "ValidationException", "InputPath for target queue is invalid"},
		"a path that is not closed":     {func(r *bus.Rule) { r.Targets[0].InputPath = "$['a" }, "ValidationException", "InputPath for target queue is invalid"},
		"an unknown variable": {func(r *bus.Rule) {
			r.Targets[0].InputTransformer = &bus.InputTransformer{Template: "<what>"}
		}, "ValidationException", "InputTemplate for target queue contains invalid placeholder what."},
		"no template": {func(r *bus.Rule) {
			r.Targets[0].InputTransformer = &bus.InputTransformer{}
		}, "ValidationException", "InputTemplate for target queue must have 1 to 8192 characters."},
		"a reserved variable": {func(r *bus.Rule) {
			r.Targets[0].InputTransformer = &bus.InputTransformer{PathsMap: map[string]string{"aws.x": "$.id"}, Template: "x"}
		}, "ValidationException", "must not have variables that begin with AWS"},
		"a bad path of a variable": {func(r *bus.Rule) {
			r.Targets[0].InputTransformer = &bus.InputTransformer{PathsMap: map[string]string{"x": "id"}, Template: "x"}
		}, "ValidationException", "InputPath for target queue is invalid: id."},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, bus.Options{})
			r := everything(nil)
			c.change(&r)
			err := s.CreateRule(r)
			w, ok := err.(*wire.Error)
			if !ok {
				t.Fatalf("the error is %v, no *wire.Error", err)
			}
			if w.Code != c.code || !strings.Contains(w.Message, c.message) {
				t.Errorf("got %v, want %s: %s", err, c.code, c.message)
			}
		})
	}
}

// Over the wire 0 is a number like others, and a number can be larger than any duration.
func TestPutTargetsRefusesAges(t *testing.T) {
	s := newService(t, bus.Options{}, everything(nil))
	for age, code := range map[string]string{
		"0": "ValidationException", "-1": "ValidationException", "59": "ValidationException", "86401": "ValidationException",
		"18446744174": "SerializationException", // 100 s, in nanoseconds modulo 2^64
	} {
		body := fmt.Sprintf(`{"Rule":"everything","Targets":[{"Id":"a","Arn":%q,"RetryPolicy":{"MaximumEventAgeInSeconds":%s}}]}`, queueARN, age)
		_, err := s.Wire().Operations["PutTargets"](t.Context(), []byte(body))
		if w, ok := err.(*wire.Error); !ok || w.Code != code {
			t.Errorf("%s s: %v, want %s", age, err, code)
		}
	}
}

func TestQuotasOfABus(t *testing.T) {
	s := newService(t, bus.Options{})
	wildcard := []byte(`{"a": [{"wildcard": "x*"}]}`)
	for i := range 300 {
		r := bus.Rule{Name: fmt.Sprint("rule-", i), Pattern: []byte(`{"a": [1]}`)}
		if i < 30 {
			r.Pattern = wildcard
		}
		if err := s.CreateRule(r); err != nil {
			t.Fatal(err)
		}
	}
	for name, pattern := range map[string][]byte{"rule-30": wildcard, "rule-300": []byte(`{"a": [1]}`)} { // one wildcard rule, one rule too many
		err := s.CreateRule(bus.Rule{Name: name, Pattern: pattern})
		if w, ok := err.(*wire.Error); !ok || w.Code != "LimitExceededException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.CreateRule(bus.Rule{Name: "rule-0", Pattern: wildcard}); err != nil {
		t.Errorf("a rule that replaces another: %v", err)
	}
	for i := range 99 {
		if err := s.CreateBus(fmt.Sprint("bus-", i)); err != nil {
			t.Fatal(err)
		}
	}
	if w, ok := s.CreateBus("bus-99").(*wire.Error); !ok || w.Code != "LimitExceededException" {
		t.Errorf("bus 101: %v", w)
	}
}

func TestTheTraceHeaderOfARequestGoesWithItsEvents(t *testing.T) {
	q := &fakeQueue{}
	s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, everything(nil))
	defer closeService(t, s)
	mux := &wire.Mux{}
	mux.Handle(s.Wire())
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"Entries": [
		{"Source": "shop", "DetailType": "sold", "Detail": "{}"},
		{"Source": "shop", "DetailType": "sold", "Detail": "{}", "TraceHeader": "Root=1-own"}]}`))
	r.Header.Set("X-Amz-Target", "AWSEvents.PutEvents")
	r.Header.Set("X-Amzn-Trace-Id", "Root=1-request")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	var got []string
	for _, m := range q.received() {
		got = append(got, m.TraceHeader)
	}
	if want := []string{"Root=1-request", "Root=1-own"}; !slices.Equal(got, want) {
		t.Errorf("trace headers %q, want %q", got, want)
	}
}
