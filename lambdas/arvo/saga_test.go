package arvo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

// Workflows among services and each other, delivered by a bus in process.

// world is a bus with the services of the tests and a memory.
type world struct {
	*arvotest.Bus
	memory *arvotest.Memory
	done   map[string]int // what the services have done, by the id of the call
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Bus: &arvotest.Bus{}, memory: arvotest.NewMemory(), done: make(map[string]int)}
	stock, err := arvo.NewService(stockContract, arvo.Implement("1.0.0", func(_ context.Context, in arvo.Input[stockReserve]) ([]arvo.Output, error) {
		w.done[in.Event.ID]++
		if in.Data.SKU == "none" {
			return nil, namedError{"OutOfStock", "none left"}
		}
		return []arvo.Output{{Type: "evt.stock.reserve.packing", Data: stockPacking{50}}, {Type: "evt.stock.reserve.success", Data: stockReserved{true}}}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	charging, err := arvo.NewService(payment, arvo.Implement("1.0.0", func(ctx context.Context, in arvo.Input[Charge]) ([]arvo.Output, error) {
		w.done[in.Event.ID]++
		return charge(ctx, in)
	}))
	if err != nil {
		t.Fatal(err)
	}
	w.Host(stock, charging, workflow(t, w.memory, lead), baskets(t, w.memory))
	return w
}

func (w *world) run(t testing.TB) {
	t.Helper()
	if err := w.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if dead := w.DeadLetters(); len(dead) > 0 {
		t.Fatalf("dead letters: %v", dead)
	}
}

// answers are the events for the client, in the order of their ids, each once.
func (w *world) answers() []arvo.Event {
	answers := w.At("api.thin.lambda")
	slices.SortFunc(answers, func(a, b arvo.Event) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(answers, func(a, b arvo.Event) bool { return a.ID == b.ID })
}

// baskets is a workflow that begins a purchase for each item, and tells what has become of them.
func baskets(t testing.TB, memory arvo.Memory) *arvo.Resumable {
	t.Helper()
	r, err := arvo.NewResumable(basketContract, memory, arvo.Calls(version(t, purchaseContract, "1.0.0")),
		arvo.Clock(func() time.Time { return theTime }),
		arvo.Resume("1.0.0", func(ctx context.Context, s *arvo.Step[struct{}, basket]) error {
			if s.Init != nil {
				for _, p := range s.Init.Purchases {
					s.Call(arvo.Call{Type: "arvo.orc.purchase", Data: p, Timeout: time.Hour})
				}
				return nil
			}
			if s.Awaited() > 0 {
				return nil
			}
			replies, err := s.Replies(ctx)
			if err != nil {
				return err
			}
			var done []string
			for _, e := range replies {
				done = append(done, e.Type+string(e.Data))
			}
			slices.Sort(done)
			s.Complete(arvo.Completion{Data: emptied{done}})
			return nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func basketOf(t testing.TB, purchases ...purchase) arvo.Event {
	t.Helper()
	v := version(t, basketContract, "1.0.0")
	e, err := v.Init(arvo.Draft{
		ID: "init-b", Source: "api.thin.lambda", Time: "2025-01-01T00:00Z",
		Subject: subjectOf(t, func(s *arvo.SubjectSpec) {
			s.Orchestrator, s.ID, s.Meta = "arvo.orc.basket", "run-b", map[string]string{"trace": "1-2-3"}
		}),
		Data: map[string]any{arvo.ParentSubject: nil, "purchases": append([]purchase{}, purchases...)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestWorkflowsBeginWorkflows(t *testing.T) {
	w := newWorld(t)
	in := basketOf(t, purchase{Order: "a", Amount: 1}, purchase{Order: "b", Amount: 5000})
	w.Publish(in)
	w.run(t)
	answers := w.answers()
	if len(answers) != 1 || answers[0].Type != "arvo.orc.basket.done" || answers[0].Subject != in.Subject || answers[0].ParentID != "init-b" {
		t.Fatalf("the answers are %v", answers)
	}
	want := `{"done":["arvo.orc.purchase.done{\"ok\":false,\"note\":\"Error: the card was declined\"}","arvo.orc.purchase.done{\"ok\":true,\"note\":\"receipt for a\"}"]}`
	if string(answers[0].Data) != want {
		t.Errorf("got %s", answers[0].Data)
	}
	children := 0
	for _, e := range w.Published() {
		switch e.Type {
		case "arvo.orc.purchase":
			children++
			s, err := arvo.ParseSubject(e.Subject)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]string{"redirectto": "arvo.orc.basket", "trace": "1-2-3"}, s.Meta); diff != "" {
				t.Error(diff)
			}
			if s.Execution.Initiator != "arvo.orc.basket" || s.Execution.ID != arvo.DeriveID(in.Subject, in.Source, in.ID, in.Type, fmt.Sprint("execution ", children-1), "") || s.Orchestrator != (arvo.Orchestrator{Name: "arvo.orc.purchase", Version: "1.0.0"}) {
				t.Errorf("the child's subject is %+v", s)
			}
			if !strings.HasPrefix(string(e.Data), `{"parentSubject$$":"`+in.Subject+`","order":`) {
				t.Errorf("the child begins with %s", e.Data)
			}
		case "arvo.orc.purchase.done":
			if e.Subject != in.Subject || e.To != "arvo.orc.basket" {
				t.Errorf("the child answers to %s on %s", e.To, e.Subject)
			}
		}
	}
	if children != 2 {
		t.Errorf("%d purchases were begun", children)
	}
	if kept, _ := recall(t, w.memory, in.Subject); kept.Status != arvo.StatusDone || kept.Revision != 3 {
		t.Errorf("the basket is %+v", kept)
	}
}

func TestTheFailureOfAChildReachesItsParent(t *testing.T) {
	memory := arvotest.NewMemory()
	bus := &arvotest.Bus{}
	bus.Host(baskets(t, memory), workflow(t, memory, func(context.Context, *purchaseStep) error { return namedError{"OutOfLuck", "boom"} }))
	in := basketOf(t, purchase{Order: "a"})
	bus.Publish(in)
	if err := bus.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	answers := bus.At("api.thin.lambda")
	want := `{"done":["sys.arvo.orc.purchase.error{\"errorName\":\"OutOfLuck\",\"errorMessage\":\"boom\",\"errorStack\":null}"]}`
	if len(answers) != 1 || answers[0].Type != "arvo.orc.basket.done" || string(answers[0].Data) != want {
		t.Errorf("the answers are %v", answers)
	}
}

// TestHowAChildIsCalled: what the data of a call to another workflow says of its parent.
func TestHowAChildIsCalled(t *testing.T) {
	elsewhere := subjectOf(t, func(s *arvo.SubjectSpec) {
		s.Orchestrator, s.ID, s.Meta, s.Domain = "arvo.orc.elsewhere", "run-e", map[string]string{"k": "v"}, "home.town"
	})
	long := subjectOf(t, func(s *arvo.SubjectSpec) {
		s.Orchestrator, s.Meta = "arvo.orc.basket", map[string]string{"k": incompressible(1110)}
	})
	for _, c := range []struct {
		name    string
		subject string
		call    arvo.Call
		data    string // of the call
		child   arvo.Subject
		awaited int
		kind    error
		failure string
	}{
		{"as ours, if it says nothing", "", arvo.Call{Data: purchase{Order: "o"}}, `{"parentSubject$$":"OURS","order":"o","amount":0}`,
			arvo.Subject{Execution: arvo.Execution{Initiator: "arvo.orc.basket"}, Meta: map[string]string{"redirectto": "arvo.orc.basket", "ours": "x"}}, 1, nil, ""},
		{"as ours, with data of which all is the parent", "", arvo.Call{Data: json.RawMessage(`{}`)}, "", arvo.Subject{}, 0, arvo.ErrContract, "order: Required"},
		{"as nobody's, whose answer is not ours", "", arvo.Call{Data: json.RawMessage(`{"order":"o","amount":0,"parentSubject$$":null}`)}, `{"order":"o","amount":0,"parentSubject$$":null}`,
			arvo.Subject{Execution: arvo.Execution{Initiator: "arvo.orc.basket"}, Meta: map[string]string{"redirectto": "arvo.orc.basket"}}, 0, nil, ""},
		{"as another's, whose answer is that one's", "", arvo.Call{Data: json.RawMessage(`{"order":"o","amount":0,"parentSubject$$":"` + elsewhere + `"}`)},
			`{"order":"o","amount":0,"parentSubject$$":"` + elsewhere + `"}`,
			arvo.Subject{Execution: arvo.Execution{Initiator: "arvo.orc.elsewhere", Domain: "home.town"}, Meta: map[string]string{"redirectto": "arvo.orc.basket", "k": "v"}}, 0, nil, ""},
		{"with another to answer to", "", arvo.Call{Data: purchase{Order: "o"}, RedirectTo: "com.reply.here"}, `{"parentSubject$$":"OURS","order":"o","amount":0}`,
			arvo.Subject{Execution: arvo.Execution{Initiator: "arvo.orc.basket"}, Meta: map[string]string{"redirectto": "com.reply.here", "ours": "x"}}, 0, nil, ""},
		{"in a domain", "", arvo.Call{Data: purchase{Order: "o"}, Domains: []string{"far.away"}}, `{"parentSubject$$":"OURS","order":"o","amount":0}`,
			arvo.Subject{Execution: arvo.Execution{Initiator: "arvo.orc.basket", Domain: "far.away"}, Meta: map[string]string{"redirectto": "arvo.orc.basket", "ours": "x"}}, 1, nil, ""},
		{"on behalf of what is no subject", "", arvo.Call{Data: json.RawMessage(`{"order":"o","amount":0,"parentSubject$$":"x"}`)}, "", arvo.Subject{}, 0,
			arvo.ErrExecution, "no subject for the call arvo.orc.purchase: parentSubject$$"},
		{"on behalf of what is no text", "", arvo.Call{Data: json.RawMessage(`{"order":"o","amount":0,"parentSubject$$":5}`)}, "", arvo.Subject{}, 0,
			arvo.ErrContract, "parentSubject$$: "},
		{"on behalf of two", "", arvo.Call{Data: json.RawMessage(`{"order":"o","amount":0,"parentSubject$$":null,"parentSubject$$":null}`)}, "", arvo.Subject{}, 0,
			arvo.ErrContract, "parentSubject$$: appears twice"},
		{"on behalf of a broken text", "", arvo.Call{Data: json.RawMessage(`{"order":"o","amount":0,"parentSubject$$":"\ud800"}`)}, "", arvo.Subject{}, 0,
			arvo.ErrContract, "parentSubject$$: "},
		{"with what is no object", "", arvo.Call{Data: 5}, "", arvo.Subject{}, 0, arvo.ErrContract, "Expected object, received number"},
		{"with what has no JSON form", "", arvo.Call{Data: make(chan int)}, "", arvo.Subject{}, 0, arvo.ErrContract, "data has no JSON form"},
		{"with a subject too long", long, arvo.Call{Data: purchase{Order: "o"}}, "", arvo.Subject{}, 0, nil, `{"errorName":"SubjectTooLarge","errorMessage":"arvo: cannot create subject: 1`},
		{"with a timeout that nobody would hear of", "", arvo.Call{Timeout: 1, Data: json.RawMessage(`{"order":"o","amount":0,"parentSubject$$":null}`)}, "", arvo.Subject{}, 0,
			arvo.ErrContract, "its answer does not come to this workflow: the parentSubject$$ in its data names another or null"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			c.call.Type = "arvo.orc.purchase"
			r, err := arvo.NewResumable(basketContract, memory, arvo.Calls(version(t, purchaseContract, "1.0.0")),
				arvo.Resume("1.0.0", func(_ context.Context, s *arvo.Step[struct{}, basket]) error {
					s.Call(c.call)
					return nil
				}))
			if err != nil {
				t.Fatal(err)
			}
			in := basketOf(t)
			in.Subject = subjectOf(t, func(s *arvo.SubjectSpec) {
				s.Orchestrator, s.Meta = "arvo.orc.basket", map[string]string{"ours": "x"}
			})
			if c.subject != "" {
				in.Subject = c.subject
			}
			out, err := r.Handle(context.Background(), in)
			if c.kind != nil {
				if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.failure) {
					t.Errorf("got %v, %v", out, err)
				}
				return
			}
			if err != nil || len(out) != 1 {
				t.Fatal(out, err)
			}
			if c.failure != "" {
				if out[0].Type != "sys.arvo.orc.basket.error" || !strings.HasPrefix(string(out[0].Data), c.failure) {
					t.Errorf("got %s", out[0].Data)
				}
				return
			}
			got, err := arvo.ParseSubject(out[0].Subject)
			if err != nil {
				t.Fatal(err)
			}
			c.child.Orchestrator = arvo.Orchestrator{Name: "arvo.orc.purchase", Version: "1.0.0"}
			c.child.Execution.ID, c.child.Content = arvo.DeriveID(in.Subject, in.Source, in.ID, "arvo.orc.basket", "execution 0", out[0].Domain), got.Content
			if diff := cmp.Diff(c.child, got); diff != "" {
				t.Error(diff)
			}
			if got, want := string(out[0].Data), strings.ReplaceAll(c.data, "OURS", in.Subject); got != want {
				t.Errorf("the data is %s, want %s", got, want)
			}
			if w, _ := recall(t, memory, in.Subject); len(w.Awaited) != c.awaited {
				t.Errorf("awaited are %v", w.Awaited)
			}
		})
	}
}

// incompressible is a text of n hexadecimal digits that deflate cannot make much of.
func incompressible(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(strings.ReplaceAll(arvo.DeriveID("", "", "", "", fmt.Sprint(i), ""), "-", ""))
	}
	return b.String()[:n]
}

// TestTimeouts: what is overdue is answered in the callee's place.
func TestTimeouts(t *testing.T) {
	due := theTime.Add(time.Minute).Truncate(time.Millisecond)
	awaited := arvo.Awaited{
		ID: "call-1", Type: "com.stock.reserve", To: "com.special.dest", URI: "#/test/stock/reserve", Due: due,
		AccessControl: "role:x", Traceparent: "tp", Tracestate: "ts",
	}
	want := arvo.Event{
		ID: arvo.DeriveID(theSubject, "arvo.orc.purchase", "call-1", "com.special.dest", "timeout", ""), Source: "com.special.dest", SpecVersion: "1.0",
		Type: "sys.com.stock.reserve.error", Subject: theSubject, DataContentType: arvo.DataContentType, DataSchema: "#/test/stock/reserve/0.0.0",
		Data: json.RawMessage(`{"errorName":"Timeout","errorMessage":"com.special.dest has not answered com.stock.reserve by 2025-01-02T03:05:05.006+00:00","errorStack":null}`),
		Time: "2025-01-02T03:05:05.006+00:00", To: "arvo.orc.purchase", AccessControl: "role:x", Traceparent: "tp", Tracestate: "ts", ParentID: "call-1",
	}
	later := awaited
	later.ID, later.Due = "call-2", due.Add(time.Second)
	never := awaited
	never.ID, never.Due = "call-0", time.Time{}
	at := subjectOf(t, func(s *arvo.SubjectSpec) { s.Domain = "home.town" })
	for _, c := range []struct {
		name    string
		subject string
		w       arvo.Workflow
		now     time.Time
		want    []arvo.Event
	}{
		{"nothing before its time", theSubject, arvo.Workflow{Status: arvo.StatusActive, Awaited: []arvo.Awaited{awaited}}, due.Add(-1), nil},
		{"what is due", theSubject, arvo.Workflow{Status: arvo.StatusActive, Awaited: []arvo.Awaited{never, awaited, later}}, due, []arvo.Event{want}},
		{"all that is overdue, in the order of the calls", theSubject, arvo.Workflow{Status: arvo.StatusActive, Awaited: []arvo.Awaited{later, awaited}}, due.Add(time.Hour), []arvo.Event{
			with(want, func(e *arvo.Event) {
				e.ID, e.ParentID, e.Time = arvo.DeriveID(theSubject, "arvo.orc.purchase", "call-2", "com.special.dest", "timeout", ""), "call-2", "2025-01-02T04:05:05.006+00:00"
				e.Data = bytes.Replace(e.Data, []byte("05:05.006"), []byte("05:06.006"), 1)
			}),
			with(want, func(e *arvo.Event) { e.Time = "2025-01-02T04:05:05.006+00:00" }),
		}},
		{"with the access control of the workflow where the call has none of its own", theSubject, arvo.Workflow{
			Status: arvo.StatusActive, AccessControl: "role:w", Awaited: []arvo.Awaited{awaited, func() arvo.Awaited { a := awaited; a.AccessControl = ""; return a }()},
		}, due, []arvo.Event{want, with(want, func(e *arvo.Event) { e.AccessControl = "role:w" })}},
		{"nothing of a workflow that awaits nothing", theSubject, arvo.Workflow{Status: arvo.StatusActive}, due, nil},
		{"nothing of a workflow that is done", theSubject, arvo.Workflow{Status: arvo.StatusDone, Awaited: []arvo.Awaited{awaited}}, due, nil},
		{"nothing of a workflow that has failed", theSubject, arvo.Workflow{Status: arvo.StatusFailed, Awaited: []arvo.Awaited{awaited}}, due, nil},
		{"back to where the process lives, from elsewhere", at, arvo.Workflow{Status: arvo.StatusActive, Awaited: []arvo.Awaited{
			func() arvo.Awaited { a := awaited; a.Domain = "far.away"; return a }(),
		}}, due, []arvo.Event{with(want, func(e *arvo.Event) {
			e.Subject, e.Domain = at, "home.town"
			e.ID = arvo.DeriveID(at, "arvo.orc.purchase", "call-1", "com.special.dest", "timeout", "home.town")
		})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := arvo.Timeouts(c.subject, c.w, c.now)
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
			for _, e := range got {
				if err := e.Validate(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	overdue := arvo.Workflow{Status: arvo.StatusActive, Awaited: []arvo.Awaited{awaited}}
	if _, err := arvo.Timeouts("plain", overdue, due); err == nil {
		t.Error("a subject that is none has timeouts")
	}
	overdue.Awaited[0].Type = "no type"
	if _, err := arvo.Timeouts(theSubject, overdue, due); err == nil || !strings.Contains(err.Error(), "timeout of the call call-1") {
		t.Errorf("a call that is none: %v", err)
	}
}

// overdue are the timeouts of a subject's workflow an hour after theTime.
func overdue(t testing.TB, memory arvo.Memory, subject string) []arvo.Event {
	t.Helper()
	w, _ := recall(t, memory, subject)
	if w == nil {
		return nil
	}
	events, err := arvo.Timeouts(subject, *w, theTime.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// TestAnAnswerAndItsTimeout: the workflow takes the one that comes first, and the other changes nothing.
func TestAnAnswerAndItsTimeout(t *testing.T) {
	heard := func(memory arvo.Memory) string {
		w, _ := recall(t, memory, theSubject)
		return strings.Join(stateOf(t, w).Steps, " ")
	}
	record := func(ctx context.Context, s *purchaseStep) error {
		s.State.Steps = append(s.State.Steps, s.Event.Type)
		if s.Init != nil {
			c := reserveCall()
			c.Timeout = time.Minute
			s.Call(c)
		}
		return nil
	}
	for _, c := range []struct {
		name   string
		events func(call, timeout arvo.Event) []arvo.Event
		want   string
	}{
		{"the timeout, and then all that the callee says", func(call, timeout arvo.Event) []arvo.Event {
			return []arvo.Event{timeout, reserved(call), notReserved(call), reply(call, "evt.stock.reserve.packing", `{"percent":50}`), timeout}
		}, "arvo.orc.purchase sys.com.stock.reserve.error"},
		{"the answer, and then the timeout", func(call, timeout arvo.Event) []arvo.Event { return []arvo.Event{reserved(call), timeout} },
			"arvo.orc.purchase evt.stock.reserve.success"},
		{"the callee's own system error, and then the timeout", func(call, timeout arvo.Event) []arvo.Event {
			return []arvo.Event{notReserved(call), timeout}
		}, "arvo.orc.purchase sys.com.stock.reserve.error"},
		{"the callee's own system error twice, which is no timeout", func(call, _ arvo.Event) []arvo.Event {
			return []arvo.Event{notReserved(call), notReserved(call, func(e *arvo.Event) { e.ID = "again" })}
		}, "arvo.orc.purchase sys.com.stock.reserve.error sys.com.stock.reserve.error"},
		{"progress, and then the timeout", func(call, timeout arvo.Event) []arvo.Event {
			return []arvo.Event{reply(call, "evt.stock.reserve.packing", `{"percent":50}`), timeout, reserved(call)}
		}, "arvo.orc.purchase evt.stock.reserve.packing sys.com.stock.reserve.error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			r := workflow(t, memory, record)
			call := take(t, r, begin())[0]
			timeouts := overdue(t, memory, theSubject)
			if len(timeouts) != 1 {
				t.Fatalf("the timeouts are %v", timeouts)
			}
			for _, e := range c.events(call, timeouts[0]) {
				take(t, r, e)
			}
			if got := heard(memory); got != c.want {
				t.Errorf("it has heard %s", got)
			}
			if again := overdue(t, memory, theSubject); len(again) != 0 {
				t.Errorf("the timeouts are still %v", again)
			}
		})
	}
	t.Run("a call that has timed out keeps its id", func(t *testing.T) {
		memory := arvotest.NewMemory()
		r := workflow(t, memory, script(func(s *purchaseStep) {
			c := reserveCall()
			c.ID, c.Timeout = "mine", time.Minute
			s.Call(c)
		}, func(s *purchaseStep) {
			c := reserveCall()
			c.ID = "mine"
			s.Call(c)
		}))
		take(t, r, begin())
		if _, err := r.Handle(context.Background(), overdue(t, memory, theSubject)[0]); !errors.Is(err, arvo.ErrContract) || !strings.Contains(err.Error(), "has the id of another") {
			t.Errorf("got %v", err)
		}
	})
}

// TestAServiceThatNeverAnswers: the workflow hears of it in its place, and ends by its ordinary path.
func TestAServiceThatNeverAnswers(t *testing.T) {
	w := newWorld(t)
	w.Withhold = func(e arvo.Event) bool { return e.Source == "com.stock.reserve" }
	w.Publish(begin())
	w.run(t)
	if len(w.answers()) != 0 {
		t.Fatal("it does not wait")
	}
	w.Withhold = nil
	w.Publish(overdue(t, w.memory, theSubject)...)
	w.run(t)
	w.Release()
	w.run(t)
	answers := w.answers()
	want := `{"ok":false,"note":"Timeout: com.stock.reserve has not answered com.stock.reserve by 2025-01-02T03:05:05.006+00:00"}`
	if len(answers) != 1 || string(answers[0].Data) != want {
		t.Errorf("the answers are %v", answers)
	}
}

// TestAnyOrderAndMultiplicity: copies, any order, deaths between Commit and publishing, and timeouts that come again and
// again, early and late, give one completion for each workflow, and the events of any one run.
func TestAnyOrderAndMultiplicity(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.Seed, w.Shuffle = rapid.Uint64().Draw(rt, "seed"), true
		w.Copies = rapid.IntRange(1, 3).Draw(rt, "copies")
		w.Kill = rapid.SampledFrom([]float64{0, 0.2, 0.5}).Draw(rt, "kill")
		orders := rapid.IntRange(0, 3).Draw(rt, "orders")
		var purchases []purchase
		for n := range orders {
			purchases = append(purchases, purchase{Order: fmt.Sprint("order-", n), Amount: rapid.SampledFrom([]float64{1, 5000}).Draw(rt, "amount")})
		}
		tick := rapid.SampledFrom([]int{0, 7, 23}).Draw(rt, "tick") // deliveries between two ticks, 0 for none
		single := begin()
		in := basketOf(t, purchases...)
		w.Publish(single)
		if orders > 0 {
			w.Publish(in)
		}
		for n := 1; ; n++ {
			more, err := w.Step(context.Background())
			if err != nil {
				rt.Fatal(err)
			}
			if !more {
				break
			}
			if tick > 0 && n%tick == 0 {
				for _, subject := range w.memory.Subjects() {
					w.Publish(overdue(t, w.memory, subject)...)
				}
			}
		}
		if dead := w.DeadLetters(); len(dead) > 0 {
			rt.Fatalf("dead letters: %v\n%s", dead, w.Bus)
		}
		completions := make(map[string]map[string]bool)
		seen := make(map[string]arvo.Event)
		for _, e := range w.Published() {
			if strings.HasSuffix(e.Type, ".done") {
				if completions[e.ParentID] == nil {
					completions[e.ParentID] = make(map[string]bool)
				}
				completions[e.ParentID][e.ID] = true
			}
			// An event that is sent again is the same to the byte, if a workflow sends it: it is kept.
			key := e.Subject + e.Source + e.ID
			if first, ok := seen[key]; ok && strings.HasPrefix(e.Source, "arvo.orc.") && cmp.Diff(first, e) != "" {
				rt.Errorf("%s differs: %s", e.Type, cmp.Diff(first, e))
			}
			seen[key] = e
		}
		if len(w.answers()) != 1+min(orders, 1) || len(completions) != 1+min(orders, 1)+orders {
			rt.Errorf("%d answers, %d workflows completed", len(w.answers()), len(completions))
		}
		for parent, ids := range completions {
			if len(ids) != 1 {
				rt.Errorf("%s is completed %d times", parent, len(ids))
			}
		}
		for _, subject := range w.memory.Subjects() {
			kept, records := recall(t, w.memory, subject)
			if kept.Status != arvo.StatusDone || kept.Revision != int64(len(records)) {
				rt.Errorf("in the end: %+v", kept)
			}
		}
		// Where nothing times out it does not matter what comes when: the events are those of a run without faults.
		if tick > 0 {
			return
		}
		calm := newWorld(t)
		calm.Publish(single)
		if orders > 0 {
			calm.Publish(in)
		}
		calm.run(t)
		if diff := cmp.Diff(identities(calm.Published()), identities(w.Published())); diff != "" {
			rt.Errorf("the events differ: %s", diff)
		}
	})
}

// identities are the distinct (subject, source, id) of events, sorted, but for completions of several answers: which of
// these comes last is chance, and so is the id that the completion derives from it.
func identities(events []arvo.Event) []string {
	var ids []string
	for _, e := range events {
		id := e.ID
		if e.Type == "arvo.orc.basket.done" {
			id = "of " + e.ParentID
		}
		ids = append(ids, e.Subject+" "+e.Source+" "+id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
