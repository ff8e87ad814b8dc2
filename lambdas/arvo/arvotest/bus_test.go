package arvotest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

// event is one to begin with.
func event(t testing.TB, id, to string) arvo.Event {
	t.Helper()
	e, err := arvo.New(arvo.Draft{ID: id, Source: "api.thin.lambda", Type: "com.test.event", Subject: "order/1", To: to, Data: map[string]string{}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// relay is a handler that sends an event to each of some addresses.
func relay(source string, to ...string) arvo.HandlerFunc {
	return func(_ context.Context, in arvo.Event) ([]arvo.Event, error) {
		var out []arvo.Event
		for i, address := range to {
			e := in
			e.ID = arvo.DeriveID(in.Subject, in.Source, in.ID, source, strconv.Itoa(i), "")
			e.Source, e.To, e.ParentID = source, address, in.ID
			out = append(out, e)
		}
		return out, nil
	}
}

func run(t testing.TB, b *arvotest.Bus) {
	t.Helper()
	if err := b.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// route is the addresses of all deliveries, in order.
func route(b *arvotest.Bus) string {
	var to []string
	for _, d := range b.Deliveries() {
		to = append(to, d.Event.To)
	}
	return strings.Join(to, " ")
}

func ids(events []arvo.Event) []string {
	var list []string
	for _, e := range events {
		list = append(list, e.ID)
	}
	return list
}

func TestABusDeliversInOrderUntilItIsQuiet(t *testing.T) {
	b := &arvotest.Bus{}
	b.Handle("a", relay("a", "b", "c"))
	b.Handle("b", relay("b", "c", "client"))
	b.Handle("c", relay("c"))
	b.Publish(event(t, "1", "a"), event(t, "2", "c"))
	run(t, b)
	if got, want := route(b), "a c b c c client"; got != want {
		t.Errorf("delivered to %s, want %s", got, want)
	}
	if got := b.At("client"); len(got) != 1 || got[0].Source != "b" {
		t.Errorf("at the client: %v", got)
	}
	if got := len(b.Published()); got != 6 {
		t.Errorf("%d events were published, want 6", got)
	}
	if more, err := b.Step(t.Context()); more || err != nil {
		t.Errorf("a step of a quiet bus: %v, %v", more, err)
	}
}

func TestABusDeliversCopies(t *testing.T) {
	b := &arvotest.Bus{Copies: 2}
	b.Handle("a", relay("a", "client"))
	b.Publish(event(t, "1", "a"))
	run(t, b)
	// The second copy of the input publishes the answer again: two copies, and one for that.
	if got, want := route(b), "a a client client client"; got != want {
		t.Errorf("delivered to %s, want %s", got, want)
	}
	if got := b.At("client"); len(got) != 1 {
		t.Errorf("the client has %q, want one event once", ids(got))
	}
	if got := b.Published(); len(got) != 2 {
		t.Errorf("published %q, want two events, each once", ids(got))
	}
}

func TestABusDuplicatesAsOftenAsItIsTold(t *testing.T) {
	b := &arvotest.Bus{Duplicate: 0.25}
	for i := range 1000 {
		b.Publish(event(t, strconv.Itoa(i), "client"))
	}
	run(t, b)
	if got := len(b.Deliveries()); got < 1200 || got > 1300 {
		t.Errorf("1000 events were delivered %d times, want some 1250", got)
	}
	if got := len(b.At("client")); got != 1000 {
		t.Errorf("the client has %d events, want 1000", got)
	}
}

func TestABusKillsBetweenHandlingAndPublishing(t *testing.T) {
	b := &arvotest.Bus{Seed: 1, Kill: 0.5}
	b.Handle("a", relay("a", "b"))
	b.Handle("b", relay("b", "client"))
	for i := range 50 {
		b.Publish(event(t, strconv.Itoa(i), "a"))
	}
	run(t, b)
	killed, taken := 0, make(map[string]int)
	for _, d := range b.Deliveries() {
		if !d.Handled {
			continue
		}
		taken[d.Event.ID]++
		if d.Killed {
			killed++
			taken[d.Event.ID]--
			if len(d.Produced) != 1 {
				t.Errorf("the handler of %s was killed before it returned", d.Event.ID)
			}
		}
	}
	if killed < 50 || killed > 200 {
		t.Errorf("%d of 100 inputs were killed, want about as many", killed)
	}
	for id, n := range taken {
		if n != 1 {
			t.Errorf("what %s produced was published %d times, want once", id, n)
		}
	}
	if got := len(b.At("client")); got != 50 {
		t.Errorf("the client has %d events, want 50", got)
	}
}

func TestABusRepeatsItself(t *testing.T) {
	deliver := func(seed uint64) string {
		b := &arvotest.Bus{Seed: seed, Shuffle: true, Copies: 2, Duplicate: 0.5, Kill: 0.3}
		b.Handle("a", relay("a", "b", "b", "client"))
		b.Handle("b", relay("b", "c"))
		b.Publish(event(t, "1", "a"), event(t, "2", "a"))
		run(t, b)
		_, list, _ := strings.Cut(b.String(), "\n")
		return list
	}
	seen := make(map[string]bool)
	for seed := range uint64(20) {
		first := deliver(seed)
		if diff := cmp.Diff(first, deliver(seed)); diff != "" {
			t.Fatalf("seed %d, run twice:\n%s", seed, diff)
		}
		seen[first] = true
	}
	if len(seen) < 20 {
		t.Errorf("20 seeds give only %d runs", len(seen))
	}
}

func TestAShuffledBusFindsEveryOrder(t *testing.T) {
	seen := make(map[string]int)
	for seed := range uint64(300) {
		b := &arvotest.Bus{Seed: seed, Shuffle: true}
		b.Publish(event(t, "1", "x"), event(t, "2", "y"), event(t, "3", "z"))
		run(t, b)
		seen[route(b)]++
	}
	if len(seen) != 6 {
		t.Errorf("three events came in %d orders, want 6: %v", len(seen), seen)
	}
}

func TestABusWithholds(t *testing.T) {
	b := &arvotest.Bus{Withhold: func(e arvo.Event) bool { return e.Source == "b" }}
	b.Handle("a", relay("a", "b", "client"))
	b.Handle("b", relay("b", "a"))
	b.Publish(event(t, "1", "b"))
	run(t, b)
	if got, want := route(b), "b"; got != want {
		t.Errorf("delivered to %s, want %s", got, want)
	}
	if got := b.Withheld(); len(got) != 1 || got[0].Source != "b" {
		t.Errorf("withheld is %v, want the answer of b", got)
	}
	if got := b.Release(); got != 1 {
		t.Errorf("%d events were released, want 1", got)
	}
	run(t, b) // b answers again: that is withheld as well
	if got, want := route(b), "b a b client"; got != want {
		t.Errorf("delivered to %s, want %s", got, want)
	}
	if got := len(b.Withheld()); got != 1 {
		t.Errorf("%d events are withheld, want 1", got)
	}
}

func TestAnEventThatIsRefusedComesAgainAndEndsAsADeadLetter(t *testing.T) {
	b := &arvotest.Bus{MaxReceives: 3}
	var tries int
	b.Handle("a", arvo.HandlerFunc(func(ctx context.Context, in arvo.Event) ([]arvo.Event, error) {
		tries++
		if in.ID == "heals" && tries > 3 {
			return relay("a", "client")(ctx, in)
		}
		return nil, &arvo.Violation{Kind: arvo.KindTransaction, Message: "try " + strconv.Itoa(tries)}
	}))
	b.Publish(event(t, "heals", "a"), event(t, "fails", "a"))
	run(t, b)
	dead := b.DeadLetters()
	if len(dead) != 1 || dead[0].Event.ID != "fails" || !errors.Is(dead[0].Err, arvo.ErrTransaction) || !strings.Contains(dead[0].Err.Error(), "try 6") {
		t.Errorf("the dead letters are %v, want the event fails with the error of try 6", dead)
	}
	if got := len(b.At("client")); got != 1 {
		t.Errorf("the client has %d events, want the one that healed", got)
	}
	if got := len(b.Deliveries()); got != 7 {
		t.Errorf("there were %d deliveries, want 3 of each event and one answer", got)
	}
}

func TestABusGivesUp(t *testing.T) {
	b := &arvotest.Bus{Seed: 7, MaxDeliveries: 10}
	b.Handle("a", relay("a", "b"))
	b.Handle("b", relay("b", "a"))
	b.Publish(event(t, "1", "a"))
	err := b.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not quiet after 10 deliveries (seed 7)") {
		t.Errorf("events go in circles: got error %v", err)
	}
	if got := len(b.Deliveries()); got != 10 {
		t.Errorf("there were %d deliveries, want 10", got)
	}
	b.MaxDeliveries = 12
	if err := b.Run(t.Context()); err == nil || len(b.Deliveries()) != 12 {
		t.Errorf("got error %v after %d deliveries: the event that was next is lost", err, len(b.Deliveries()))
	}
}

func TestABusStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := &arvotest.Bus{}
	b.Handle("a", arvo.HandlerFunc(func(context.Context, arvo.Event) ([]arvo.Event, error) { cancel(); return nil, nil }))
	b.Publish(event(t, "1", "a"), event(t, "2", "a"))
	if err := b.Run(ctx); !errors.Is(err, context.Canceled) || len(b.Deliveries()) != 1 {
		t.Errorf("got error %v after %d deliveries, want context.Canceled after 1", err, len(b.Deliveries()))
	}
}

func TestAnAddressHasOneHandler(t *testing.T) {
	b := &arvotest.Bus{}
	b.Handle("a", relay("a"))
	b.Handle("a", relay("b"))
	if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("got error %v, want one that names the address", err)
	}
}

func TestAnEventWithADomainLeavesTheBus(t *testing.T) {
	b := &arvotest.Bus{Copies: 2}
	b.Handle("a", relay("a", "client"))
	local, human := event(t, "1", "a"), event(t, "1", "a")
	human.Domain = "human.desk"
	b.Publish(local, human)
	run(t, b)
	if got := b.At("human.desk"); len(got) != 1 || got[0].Domain != "human.desk" {
		t.Errorf("at the human desk: %v, want the event of that domain once", got)
	}
	if got := len(b.Deliveries()); got != 7 {
		t.Errorf("there were %d deliveries, want two of each of the three events, and one for what was published twice", got)
	}
	if got := b.At("client"); len(got) != 1 {
		t.Errorf("%d events at the client, want 1: that the other copy has a domain is not its matter", len(got))
	}
}

func TestAHandlerMayPublish(t *testing.T) {
	b := &arvotest.Bus{}
	b.Handle("a", arvo.HandlerFunc(func(ctx context.Context, in arvo.Event) ([]arvo.Event, error) {
		out, err := relay("a", "client")(ctx, in)
		b.Publish(out...)
		return nil, err
	}))
	b.Publish(event(t, "1", "a"))
	run(t, b)
	if got := len(b.At("client")); got != 1 {
		t.Errorf("%d events at the client, want 1", got)
	}
}

func TestABusTellsWhatItHasDone(t *testing.T) {
	b := &arvotest.Bus{Seed: 4, Kill: 0.4, MaxReceives: 2, Withhold: func(e arvo.Event) bool { return e.ID == "later" }}
	b.Handle("a", arvo.HandlerFunc(func(_ context.Context, in arvo.Event) ([]arvo.Event, error) {
		switch in.ID {
		case "bad":
			return nil, &arvo.Violation{Kind: arvo.KindContract, Message: "no"}
		case "silent":
			return nil, nil
		}
		out := in
		out.ID, out.Source, out.To = "answer-to-"+in.ID, "a", "client"
		return []arvo.Event{out}, nil
	}))
	human := event(t, "seen", "a")
	human.Domain = "human.desk"
	b.Publish(event(t, "1", "a"), event(t, "bad", "a"), event(t, "later", "a"), event(t, "silent", "a"), human)
	run(t, b)
	want := `seed 4, 7 deliveries:
   1 com.test.event 1 from api.thin.lambda to a: killed before it published com.test.event
   2 com.test.event bad from api.thin.lambda to a: ViolationError<Contract> no
   3 com.test.event silent from api.thin.lambda to a: published nothing
   4 com.test.event seen from api.thin.lambda to a: arrived in the domain human.desk
   5 com.test.event 1 from api.thin.lambda to a: published com.test.event
   6 com.test.event bad from api.thin.lambda to a: ViolationError<Contract> no
   7 com.test.event answer-to-1 from a to client: arrived
     com.test.event later from api.thin.lambda to a: withheld
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

// What a handler panicked with is in the line of each delivery; where, is printed once for the event.
func TestABusTellsWhereAHandlerPanicked(t *testing.T) {
	b := &arvotest.Bus{}
	b.Host(arvo.MustService(arvo.NewService(reserveContract, arvo.Implement("1.0.0",
		func(context.Context, arvo.Input[reserve]) ([]arvo.Output, error) { panic("at the disco") }))))
	e, err := version(reserveContract).Accepts(arvo.Draft{Source: "api.thin.lambda", Data: reserve{"o"}})
	if err != nil {
		t.Fatal(err)
	}
	b.Publish(e)
	run(t, b)
	got := b.String()
	if n := strings.Count(got, "ViolationError<Execution> panic in com.inventory.reserve"); n != 6 {
		t.Errorf("the panic is told %d times, want 5 deliveries and a dead letter:\n%s", n, got)
	}
	if n := strings.Count(got, "TestABusTellsWhereAHandlerPanicked.func1("); n != 1 {
		t.Errorf("the place is told %d times:\n%s", n, got)
	}
}

// watched is a test whose end can be seen.
type watched struct {
	failed  bool
	cleanup []func()
	log     []string
}

func (w *watched) Cleanup(f func())             { w.cleanup = append(w.cleanup, f) }
func (w *watched) Failed() bool                 { return w.failed }
func (w *watched) Logf(format string, a ...any) { w.log = append(w.log, fmt.Sprintf(format, a...)) }
func (w *watched) end() []string {
	for _, f := range w.cleanup {
		f()
	}
	return w.log
}

func TestABusExplainsAFailedTest(t *testing.T) {
	for _, failed := range []bool{false, true} {
		test := &watched{}
		b := &arvotest.Bus{Seed: 42}
		b.Explain(test)
		b.Publish(event(t, "1", "client"))
		run(t, b)
		test.failed = failed
		log := test.end()
		if !failed && log != nil || failed && !slices.Equal(log, []string{b.String()}) {
			t.Errorf("failed: %v; printed %q", failed, log)
		}
	}
}

// A workflow that has forgotten a case does not fail: it is idle, and a failed test says so.
func TestAWorkflowThatNothingWakesIsSeen(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps func(*arvo.Step[orderState, orderPlaced])
		idle  bool
		after string
	}{
		{"no case for the answer", func(s *arvo.Step[orderState, orderPlaced]) {
			if s.Init != nil {
				s.Call(arvo.Call{Type: reserveContract.Type(), Data: reserve{"o"}, Timeout: time.Minute})
			}
		}, true, "evt.inventory.reserve.success"},
		{"nothing done at all", func(*arvo.Step[orderState, orderPlaced]) {}, true, orderContract.Type()},
		{"a call of a type that no contract of Calls accepts", func(s *arvo.Step[orderState, orderPlaced]) {
			s.Call(arvo.Call{Type: "com.inventory.resreve", Data: reserve{"o"}})
		}, true, orderContract.Type()},
		{"completed", func(s *arvo.Step[orderState, orderPlaced]) {
			s.Complete(arvo.Completion{Data: orderDone{"free"}})
		}, false, ""},
		{"an answer is still to come", func(s *arvo.Step[orderState, orderPlaced]) {
			s.Call(arvo.Call{Type: reserveContract.Type(), Data: reserve{"o"}, To: "com.nobody.home"})
		}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			test := &watched{failed: true}
			b, memory := &arvotest.Bus{}, arvotest.NewMemory()
			b.Explain(test, memory)
			b.Host(arvo.MustResumable(arvo.NewResumable(orderContract, memory, arvo.Calls(version(reserveContract)),
				arvo.Resume("1.0.0", func(_ context.Context, s *arvo.Step[orderState, orderPlaced]) error { c.steps(s); return nil }))))
			b.Host((&shop{}).services()[0])
			b.Publish(placed(t))
			run(t, b)
			var want []string
			if c.idle {
				want = []string{orderSubject}
			}
			if diff := cmp.Diff(want, memory.Idle()); diff != "" {
				t.Error(diff)
			}
			said := "arvo.orc.order 1.0.0 is active and awaits nothing: after " + c.after
			if log := test.end(); len(log) != 1 || strings.Contains(log[0], "awaits nothing") != c.idle || c.idle && !strings.Contains(log[0], said) {
				t.Errorf("printed %q", log)
			}
		})
	}
}
