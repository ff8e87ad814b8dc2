package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
)

// A bus is a client of EventBridge whose answers a test decides.
type bus struct {
	mu       sync.Mutex
	calls    []int // entries of each call
	accepted []string
	last     *eventbridge.PutEventsInput
	refuse   func(detail string) string // the code of a refusal; "" accepts
	fail     error
	takes    time.Duration
}

func (b *bus) PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	if b.takes > 0 {
		select {
		case <-time.After(b.takes):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls, b.last = append(b.calls, len(in.Entries)), in
	if b.fail != nil {
		return nil, b.fail
	}
	out := new(eventbridge.PutEventsOutput)
	for i, e := range in.Entries {
		if b.refuse != nil {
			if code := b.refuse(*e.Detail); code != "" {
				out.FailedEntryCount++
				out.Entries = append(out.Entries, types.PutEventsResultEntry{ErrorCode: &code, ErrorMessage: aws.String("no")})
				continue
			}
		}
		b.accepted = append(b.accepted, *e.Detail)
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: aws.String(fmt.Sprint("envelope-", i))})
	}
	return out, nil
}

func newEvents(t testing.TB, n int) []arvo.Event {
	evs := make([]arvo.Event, n)
	for i := range evs {
		evs[i] = newEvent(t, fmt.Sprintf("e%02d", i), "s")
	}
	return evs
}

func TestAnEventBecomesAnEntry(t *testing.T) {
	b := new(bus)
	p := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "arvo-bus"})
	if err := p.Publish(t.Context(), newEvent(t, "e1", "order-1")); err != nil {
		t.Fatal(err)
	}
	got := b.last.Entries[0]
	want := types.PutEventsRequestEntry{
		EventBusName: aws.String("arvo-bus"), Source: aws.String("api.thin.lambda"), DetailType: aws.String("com.payment.charge"),
		Detail:      aws.String(string(eventJSON("e1", "order-1", "x"))),
		TraceHeader: aws.String("Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1"),
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
}

func TestCallsHoldTenEntriesAndOneMegabyte(t *testing.T) {
	for _, c := range []struct {
		name  string
		event func(i int) []byte
		n     int
		want  []int
	}{
		{"eleven small events are two calls", func(i int) []byte { return eventJSON(fmt.Sprint(i), "s", "x") }, 11, []int{10, 1}},
		{"five events of 240 KB are two calls", func(i int) []byte { return eventJSON(fmt.Sprint(i), "s", strings.Repeat("x", 240_000)) }, 5, []int{4, 1}},
		{"no event is no call", nil, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var evs []arvo.Event
			for i := range c.n {
				ev, err := arvo.Parse(c.event(i))
				if err != nil {
					t.Fatal(err)
				}
				evs = append(evs, ev)
			}
			b := new(bus)
			if err := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b"}).Publish(t.Context(), evs...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, b.calls); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestARefusalThatPassesIsSentAgainAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := 2
		b := &bus{refuse: func(detail string) string {
			if strings.Contains(detail, `"e03"`) && refusals > 0 {
				refusals--
				return "ThrottlingException"
			}
			return ""
		}}
		if err := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b"}).Publish(t.Context(), newEvents(t, 5)...); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int{5, 1, 1}, b.calls); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARefusalThatLastsIsATypedError(t *testing.T) {
	b := &bus{refuse: func(detail string) string {
		if strings.Contains(detail, `"e03"`) {
			return "MalformedDetail"
		}
		return ""
	}}
	err := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b"}).Publish(t.Context(), newEvents(t, 5)...)
	var refused *broker.RefusedError
	if !errors.As(err, &refused) || !errors.Is(err, broker.ErrRefused) {
		t.Fatalf("got %v", err)
	}
	want := []broker.Refusal{{EventID: "e03", EventType: "com.payment.charge", Code: "MalformedDetail", Message: "no"}}
	if diff := cmp.Diff(want, refused.Refusals); diff != "" {
		t.Error(diff)
	}
	if len(b.calls) != 1 || len(b.accepted) != 4 {
		t.Errorf("%d calls, %d accepted", len(b.calls), len(b.accepted))
	}
}

func TestRetriesEndBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{refuse: func(string) string { return "InternalFailure" }}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		err := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b", Jitter: func() float64 { return 1 }}).Publish(ctx, newEvents(t, 1)...)
		if !errors.Is(err, broker.ErrRefused) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < 8*time.Second || took > 9*time.Second {
			t.Errorf("gave up after %v; 8 of 10 s are to be used", took)
		}
	})
}

func TestEventsThatArriveDuringACallLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{takes: time.Second}
		p := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b"})
		var wg sync.WaitGroup
		for i, ev := range newEvents(t, 10) {
			wg.Go(func() {
				if i > 0 {
					<-time.After(10 * time.Millisecond) // fake time: after the first call has begun
				}
				if err := p.Publish(t.Context(), ev); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if diff := cmp.Diff([]int{1, 9}, b.calls); diff != "" {
			t.Error(diff)
		}
	})
}

// waiting publishes ev in a goroutine of its own and returns when it waits for a call that is under way.
func waiting(p *broker.Publisher, ctx context.Context, ev arvo.Event) <-chan error {
	result := make(chan error, 1)
	go func() { result <- p.Publish(ctx, ev) }()
	synctest.Wait()
	return result
}

func TestTheContextOfOneEventDoesNotEndAnother(t *testing.T) {
	soon := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	cancelledAfter := func(d time.Duration) func(*testing.T) context.Context {
		return func(t *testing.T) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(d, cancel)
			return ctx
		}
	}
	for _, c := range []struct {
		name  string
		first func(*testing.T) context.Context
		want  error // of the first event
		sent  int   // how often the first event was
		calls []int // that were answered
	}{
		{"one whose deadline passes while it waits is not sent", soon, context.DeadlineExceeded, 0, []int{1, 1}},
		{"one that is cancelled while it waits is not sent", cancelledAfter(500 * time.Millisecond), context.Canceled, 0, []int{1, 1}},
		{"one that is cancelled during the call leaves the others to another", cancelledAfter(1500 * time.Millisecond), context.Canceled, 1, []int{1, 1}},
		{"one with another deadline has a call of its own", func(t *testing.T) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			t.Cleanup(cancel)
			return ctx
		}, nil, 1, []int{1, 1, 1}},
		{"one with the same deadline shares a call", func(t *testing.T) context.Context { return context.WithoutCancel(t.Context()) }, nil, 1, []int{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, o := &bus{takes: time.Second}, new(observer)
				p := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b", Observer: o})
				evs := newEvents(t, 3)
				inFlight := waiting(p, t.Context(), evs[0])
				first := waiting(p, c.first(t), evs[1])
				second := waiting(p, t.Context(), evs[2])
				if err := <-inFlight; err != nil {
					t.Error(err)
				}
				if err := <-first; !errors.Is(err, c.want) {
					t.Errorf("the first: %v, want %v", err, c.want)
				}
				if err := <-second; err != nil {
					t.Errorf("the second: %v", err)
				}
				if diff := cmp.Diff(c.calls, b.calls); diff != "" {
					t.Error(diff)
				}
				if !slices.ContainsFunc(o.entries, func(s string) bool { return strings.HasPrefix(s, fmt.Sprintf("e01 attempts=%d ", c.sent)) }) {
					t.Errorf("the first was not sent %d times: %q", c.sent, o.entries)
				}
			})
		})
	}
}

// Who publishes first sends for the others, but only as long as its own events are among them.
func TestASteadyStreamDoesNotHoldTheFirstPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bus{takes: time.Second}
		p := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b"})
		evs := newEvents(t, 12)
		began := time.Now()
		var wg sync.WaitGroup
		for i, ev := range evs[1:] { // one in the middle of each second: something is always pending
			wg.Go(func() {
				<-time.After(time.Duration(i)*time.Second + 500*time.Millisecond)
				if err := p.Publish(t.Context(), ev); err != nil {
					t.Error(err)
				}
			})
		}
		if err := p.Publish(t.Context(), evs[0]); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the first was back after %v, want 1s", took)
		}
		wg.Wait()
	})
}

// A bus that panics at the entries whose detail holds at.
type panicking struct {
	bus
	at    string
	value any
}

func (b *panicking) PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, o ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	out, err := b.bus.PutEvents(ctx, in, o...)
	for _, e := range in.Entries {
		if strings.Contains(*e.Detail, b.at) {
			panic(b.value)
		}
	}
	return out, err
}

// A witness notes outcomes and panics at that of one event, or at its announcement.
type witness struct {
	observer
	at, announcement string
}

func (w *witness) Publishing(ctx context.Context, events []arvo.Event) {
	w.observer.Publishing(ctx, events)
	if events[0].ID == w.announcement {
		panic("secret")
	}
}

func (w *witness) Published(ctx context.Context, e broker.Entry) {
	w.observer.Published(ctx, e)
	if e.Event.ID == w.at {
		panic("secret")
	}
}

func TestAPanicIsAnErrorOfWhatItHit(t *testing.T) {
	for _, c := range []struct {
		name     string
		client   *panicking
		observer *witness
		want     string // in the error of e01
		together error  // whether e02, which shares the call with e01, fails
		outcomes int    // that the observer is told of
	}{
		{"of the client", &panicking{at: `"e01"`, value: "secret"}, &witness{}, "the client of the bus panicked with a string", arvo.ErrExecution, 4},
		{"of the observer", &panicking{at: "nothing"}, &witness{at: "e01"}, "the observer of publications panicked with a string", nil, 4},
		{"of the observer, before anything is sent", &panicking{at: "nothing"}, &witness{announcement: "e01"}, "the observer of publications panicked with a string", nil, 3}, // e01 was never sent
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.client.takes = time.Second
				p := broker.NewPublisher(broker.PublisherConfig{Client: c.client, Bus: "b", Observer: c.observer})
				evs := newEvents(t, 4)
				inFlight := waiting(p, t.Context(), evs[0])
				hit := waiting(p, t.Context(), evs[1])
				with := waiting(p, t.Context(), evs[2])
				if err := <-inFlight; err != nil {
					t.Error(err)
				}
				var v *arvo.Violation
				if err := <-hit; !errors.As(err, &v) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %v, want %q", err, c.want)
				} else if stack, ok := v.Metadata["stack"].(string); !ok || !strings.Contains(stack, "publisher_test.go") {
					t.Errorf("the stack is %v", v.Metadata["stack"])
				}
				if err := <-with; !errors.Is(err, c.together) {
					t.Errorf("the event of the same call: %v", err)
				}
				c.client.at, c.observer.at = "nothing", ""
				if err := p.Publish(t.Context(), evs[3]); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				if len(c.observer.entries) != c.outcomes {
					t.Errorf("the observer was told %q", c.observer.entries)
				}
			})
		})
	}
	t.Run("of the client in the goroutine of Publish", func(t *testing.T) {
		cause := errors.New("secret")
		p := broker.NewPublisher(broker.PublisherConfig{Client: &panicking{at: `"e00"`, value: cause}, Bus: "b"})
		for range 2 { // it is not stuck after the first
			if err := p.Publish(t.Context(), newEvents(t, 1)...); !errors.Is(err, arvo.ErrExecution) || !errors.Is(err, cause) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		}
	})
}

// A panic after some entries were accepted does not take that back.
func TestWhatWasAcceptedBeforeAPanicStaysAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, o := 0, new(observer)
		b := &bus{refuse: func(detail string) string {
			if !strings.Contains(detail, `"e01"`) {
				return ""
			}
			if calls++; calls == 2 {
				panic("again")
			}
			return "InternalFailure"
		}}
		err := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b", Observer: o}).Publish(t.Context(), newEvents(t, 2)...)
		if !errors.Is(err, arvo.ErrExecution) {
			t.Errorf("got %v", err)
		}
		want := []string{
			`e00 attempts=1 envelope="envelope-0" err=<nil>`,
			`e01 attempts=2 envelope="" err=ViolationError<Execution> the client of the bus panicked with a string`,
		}
		if diff := cmp.Diff(want, o.entries); diff != "" {
			t.Error(diff)
		}
	})
}

// An untidy bus answers for one entry more or fewer than it was given.
type untidy struct{ more int }

func (b untidy) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	out := new(eventbridge.PutEventsOutput)
	for range len(in.Entries) + b.more {
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: aws.String("envelope")})
	}
	return out, nil
}

func TestAnAnswerForAnotherNumberOfEntriesIsAnError(t *testing.T) {
	for _, c := range []struct {
		name string
		more int
		want string
	}{{"one too few", -1, "2 entries were sent, 1 answered"}, {"one too many", 1, "2 entries were sent, 3 answered"}} {
		t.Run(c.name, func(t *testing.T) {
			err := broker.NewPublisher(broker.PublisherConfig{Client: untidy{c.more}, Bus: "b"}).Publish(t.Context(), newEvents(t, 2)...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// invalid is how the SDK tells that the bus refuses a call for what is in it.
type invalid struct{}

func (invalid) Error() string {
	return "ValidationException: Total size of the entries in the request is over the limit."
}
func (invalid) ErrorCode() string { return "ValidationException" }

// A picky bus refuses a call as a whole if it holds a certain event, or too many.
type picky struct {
	bus
	at   string
	most int
}

func (b *picky) PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, o ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	b.fail = nil
	if len(in.Entries) > b.most || slices.ContainsFunc(in.Entries, func(e types.PutEventsRequestEntry) bool { return strings.Contains(*e.Detail, b.at) }) {
		b.fail = invalid{}
	}
	return b.bus.PutEvents(ctx, in, o...)
}

func TestAnEventThatTheBusWillNotHaveTakesNoOtherWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, o := &picky{bus: bus{takes: time.Second}, at: `"e02"`, most: 10}, new(observer)
		p := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b", Observer: o})
		evs := newEvents(t, 6)
		inFlight := waiting(p, t.Context(), evs[0])
		var others []<-chan error
		for _, ev := range evs[1:] { // they share a call
			others = append(others, waiting(p, t.Context(), ev))
		}
		if err := <-inFlight; err != nil {
			t.Error(err)
		}
		for i, other := range others {
			if err := <-other; (err != nil) != (i == 1) || err != nil && !errors.Is(err, invalid{}) {
				t.Errorf("e0%d: %v", i+1, err)
			}
		}
		if len(b.accepted) != 5 || len(o.entries) != 6 {
			t.Errorf("%d are accepted; the observer was told %q", len(b.accepted), o.entries)
		}
	})
}

func TestACallThatIsTooLargeIsMadeInParts(t *testing.T) {
	b := &picky{at: "nothing", most: 3}
	if err := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b"}).Publish(t.Context(), newEvents(t, 10)...); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]int{10, 5, 2, 3, 5, 2, 3}, b.calls); diff != "" || len(b.accepted) != 10 {
		t.Errorf("%d are accepted in the calls %s", len(b.accepted), diff)
	}
}

func TestACallThatFailsIsNoRefusal(t *testing.T) {
	down := errors.New("connection refused")
	err := broker.NewPublisher(broker.PublisherConfig{Client: &bus{fail: down}, Bus: "arvo-bus"}).Publish(t.Context(), newEvents(t, 2)...)
	if !errors.Is(err, down) || errors.Is(err, broker.ErrRefused) || !strings.Contains(err.Error(), "arvo-bus") {
		t.Errorf("got %v", err)
	}
}

type observer struct {
	mu        sync.Mutex
	announced []string
	entries   []string
}

func (o *observer) Publishing(_ context.Context, events []arvo.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, ev := range events {
		o.announced = append(o.announced, ev.ID)
	}
}

func (o *observer) Published(_ context.Context, e broker.Entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = append(o.entries, fmt.Sprintf("%s attempts=%d envelope=%q err=%v", e.Event.ID, e.Attempts, e.EnvelopeID, e.Err))
}

func TestTheObserverIsToldEachOutcome(t *testing.T) {
	o := new(observer)
	b := &bus{refuse: func(detail string) string {
		if len(o.announced) != 2 {
			t.Errorf("before the call, these were announced: %v", o.announced)
		}
		if strings.Contains(detail, `"e01"`) {
			return "MalformedDetail"
		}
		return ""
	}}
	err := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b", Observer: o}).Publish(t.Context(), newEvents(t, 2)...)
	if !errors.Is(err, broker.ErrRefused) {
		t.Fatal(err)
	}
	if !slices.Equal(o.announced, []string{"e00", "e01"}) {
		t.Errorf("announced: %v", o.announced)
	}
	want := []string{`e00 attempts=1 envelope="envelope-0" err=<nil>`, `e01 attempts=1 envelope="" err=MalformedDetail: no`}
	if diff := cmp.Diff(want, o.entries); diff != "" {
		t.Error(diff)
	}
}

// Whatever the bus refuses, each event is either accepted once or listed as refused.
func TestNothingIsLostBetweenAcceptedAndRefused(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 35).Draw(rt, "events")
		lasting := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, n, rapid.ID).Draw(rt, "refused for good")
		passing := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, n, rapid.ID).Draw(rt, "refused once")
		synctest.Test(t, func(t *testing.T) {
			code := map[string]string{}
			for _, i := range passing {
				code[fmt.Sprintf(`"e%02d"`, i)] = "InternalFailure"
			}
			for _, i := range lasting {
				code[fmt.Sprintf(`"e%02d"`, i)] = "InvalidArgument"
			}
			b := &bus{refuse: func(detail string) string {
				for id, c := range code {
					if strings.Contains(detail, id) {
						if c == "InternalFailure" {
							delete(code, id)
						}
						return c
					}
				}
				return ""
			}}
			err := broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "b"}).Publish(t.Context(), newEvents(t, n)...)
			var refused *broker.RefusedError
			if errors.As(err, &refused) != (len(lasting) > 0) {
				rt.Fatalf("got %v with %d lasting refusals", err, len(lasting))
			}
			listed := 0
			if refused != nil {
				listed = len(refused.Refusals)
			}
			if listed != len(lasting) || len(b.accepted) != n-listed {
				rt.Fatalf("%d events: %d accepted, %d refused", n, len(b.accepted), listed)
			}
		})
	})
}
