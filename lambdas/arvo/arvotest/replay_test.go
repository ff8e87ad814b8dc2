package arvotest_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

var update = flag.Bool("update", false, "write the golden files")

// record runs a shop and returns the history of its workflow, as it comes back from a table. The ledger then has what the
// services have done, and does no more.
func (s *shop) record(t testing.TB, b *arvotest.Bus) []arvo.Record {
	t.Helper()
	memory := s.open(t, b)
	b.Publish(placed(t))
	run(t, b)
	if n, err := b.Timeouts(t.Context(), memory, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	} else if n > 0 {
		run(t, b)
	}
	s.ledger.closed = true
	history, err := memory.History(t.Context(), orderSubject)
	if err != nil {
		t.Fatal(err)
	}
	if len(history) < 2 || len(b.DeadLetters()) > 0 {
		t.Fatalf("the history has %d records\n%v", len(history), b)
	}
	return history
}

func (s *shop) replay() *arvotest.Replay {
	return &arvotest.Replay{Workflow: s.workflow, Services: s.services()}
}

func silent(e arvo.Event) bool { return e.Type == "evt.payment.charge.success" }

func TestCodeThatHasNotChangedReplays(t *testing.T) {
	for _, test := range []struct {
		name string
		shop shop
		bus  arvotest.Bus
		only []string // the services that are replayed; nil: all
		want arvotest.Report
	}{
		{
			name: "an order that was paid",
			want: arvotest.Report{Steps: 3, Answers: 2, Outside: 1},
		},
		{
			name: "the same with every event twice, in another order and with deaths of the host",
			bus:  arvotest.Bus{Seed: 5, Shuffle: true, Copies: 2, Kill: 0.3},
			want: arvotest.Report{Steps: 3, Answers: 2, Outside: 1},
		},
		{
			name: "an order that was refused by a system error",
			shop: shop{amount: func(n int) int { return 5 * n }},
			want: arvotest.Report{Steps: 4, Answers: 3, Outside: 1},
		},
		{
			name: "a charge that was not answered in time: what the service says now was not heard then",
			bus:  arvotest.Bus{Withhold: silent},
			want: arvotest.Report{Steps: 4, Answers: 2, Timeouts: 1, Outside: 1, Unheard: 1},
		},
		{
			name: "without the services their answers are taken as they are",
			only: []string{},
			want: arvotest.Report{Steps: 3, Outside: 3},
		},
		{
			name: "with one of the services",
			only: []string{"com.payment.charge"},
			want: arvotest.Report{Steps: 3, Answers: 1, Outside: 2},
		},
		{
			name: "a call that nobody serves",
			shop: shop{after: []arvo.Call{{Type: "com.audit.note", Data: map[string]int{"n": 1}}}},
			want: arvotest.Report{Steps: 3, Answers: 2, Outside: 1},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &test.shop
			s.options = []arvo.ResumableOption{arvo.Clock(func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) })}
			history := s.record(t, &test.bus)
			s.options = nil // what is replayed has its own time
			replay := s.replay()
			if test.only != nil {
				replay.Services = slices.DeleteFunc(replay.Services, func(h arvo.Hosted) bool { return !slices.Contains(test.only, h.Source()) })
			}
			report, err := replay.Run(t.Context(), history)
			if err != nil {
				t.Fatal(err)
			}
			if report != test.want {
				t.Errorf("got  %v\nwant %v", report, test.want)
			}
		})
	}
}

// The reports are long and to be read: they stand in testdata/replay.
func TestCodeThatHasChangedIsToldWhere(t *testing.T) {
	type change func(t *testing.T, s *shop, r *arvotest.Replay, history []arvo.Record)
	with := func(f func(s *shop)) change {
		return func(_ *testing.T, s *shop, _ *arvotest.Replay, _ []arvo.Record) { f(s) }
	}
	// altered changes the record instead of the code: for what no code would do on purpose.
	altered := func(f func(history []arvo.Record)) change {
		return func(_ *testing.T, _ *shop, _ *arvotest.Replay, history []arvo.Record) { f(history) }
	}
	// instead puts another handler in the place of the workflow.
	instead := func(f func(h arvo.Handler) arvo.HandlerFunc) change {
		return func(_ *testing.T, s *shop, r *arvotest.Replay, _ []arvo.Record) {
			r.Workflow = func(m arvo.Memory) (arvo.Handler, error) {
				h, err := s.workflow(m)
				return f(h), err
			}
		}
	}
	var reports []string
	for _, test := range []struct {
		name   string
		shop   shop
		bus    arvotest.Bus
		change change
	}{
		{name: "the workflow sends other data", change: with(func(s *shop) { s.amount = func(n int) int { return n + 1 } })},
		{name: "the workflow gives a call another id", change: with(func(s *shop) { s.call.ID = "charge-order-7" })},
		{name: "the workflow makes one more call at the end", change: with(func(s *shop) {
			s.after = []arvo.Call{{Type: "com.audit.note", Data: map[string]int{"n": 1}}}
		})},
		{name: "the workflow makes one more call at the start", change: with(func(s *shop) {
			s.before = []arvo.Call{{Type: "com.audit.note", Data: map[string]int{"n": 1}}}
		})},
		{
			name:   "the workflow makes one call less",
			shop:   shop{after: []arvo.Call{{Type: "com.audit.note", Data: map[string]int{"n": 1}}}},
			change: with(func(s *shop) { s.after = nil }),
		},
		{name: "the workflow completes instead of calling", change: with(func(s *shop) { s.free = true })},
		{name: "the workflow fails", change: instead(func(h arvo.Handler) arvo.HandlerFunc {
			return func(ctx context.Context, in arvo.Event) ([]arvo.Event, error) {
				if in.Type == "evt.payment.charge.success" {
					return nil, &arvo.Violation{Kind: arvo.KindContract, Message: "data: receipt: Required"}
				}
				return h.Handle(ctx, in)
			}
		})},
		{name: "the workflow ignores an answer", change: instead(func(h arvo.Handler) arvo.HandlerFunc {
			return func(ctx context.Context, in arvo.Event) ([]arvo.Event, error) {
				if in.Type == "evt.payment.charge.success" {
					return nil, nil
				}
				return h.Handle(ctx, in)
			}
		})},
		{name: "the call costs something", change: with(func(s *shop) { n := 2.5; s.call.ExecutionUnits = &n })},
		{name: "the access control is another", change: with(func(s *shop) { s.call.AccessControl = "user:secret" })},
		{name: "an extension is new", change: with(func(s *shop) {
			s.call.Extensions = []arvo.Extension{{Name: "priority", Value: json.RawMessage(`"high"`)}}
		})},
		{
			name:   "the call may take for ever that has timed out",
			bus:    arvotest.Bus{Withhold: silent},
			change: with(func(s *shop) { s.forever = true }),
		},
		{name: "the service answers with other data", change: with(func(s *shop) { s.receipt = "receipt " })},
		{
			name: "the service answers with other data in a long text",
			shop: shop{receipt: strings.Repeat("é", 300) + "and then 1" + strings.Repeat(" and more", 50)},
			change: with(func(s *shop) {
				s.receipt = strings.Repeat("é", 300) + "and then 2" + strings.Repeat(" and more", 50)
			}),
		},
		{
			name:   "the service does what it has not done",
			change: func(_ *testing.T, s *shop, _ *arvotest.Replay, _ []arvo.Record) { clear(s.ledger.effects) },
		},
		{name: "the service refuses the call", change: func(t *testing.T, _ *shop, r *arvotest.Replay, _ []arvo.Record) {
			r.Services[2] = arvo.MustService(arvo.NewService(chargeContract, arvo.Implement("1.0.0",
				func(context.Context, arvo.Input[charge]) ([]arvo.Output, error) {
					return nil, &arvo.Violation{Kind: "RATE_LIMIT", Message: "patience"}
				})))
		}},
		{name: "the service says nothing", change: func(t *testing.T, _ *shop, r *arvotest.Replay, _ []arvo.Record) {
			r.Services[2] = arvo.MustService(arvo.NewService(chargeContract, arvo.Implement("1.0.0",
				func(context.Context, arvo.Input[charge]) ([]arvo.Output, error) { return nil, nil })))
		}},
		{name: "the service gives its answer another id", change: func(t *testing.T, _ *shop, r *arvotest.Replay, _ []arvo.Record) {
			r.Services[2] = arvo.MustService(arvo.NewService(chargeContract, arvo.Implement("1.0.0",
				func(context.Context, arvo.Input[charge]) ([]arvo.Output, error) {
					return []arvo.Output{{ID: "receipt-1", Type: "evt.payment.charge.success", Data: charged{"number 1"}}}, nil
				})))
		}},
		{name: "the record was altered", change: altered(func(history []arvo.Record) {
			history[2].Input.Data = json.RawMessage(`{"Receipt":"number 2"}`)
		})},
		{
			name:   "a timeout is of another contract",
			bus:    arvotest.Bus{Withhold: silent},
			change: altered(func(history []arvo.Record) { history[2].Input.DataSchema = "#/services/bank/charge/0.0.0" }),
		},
		{
			name:   "an array deep in the data is longer",
			shop:   shop{after: []arvo.Call{{Type: "com.audit.note", Data: json.RawMessage(`{"a/b~":[{"c":[1,2,{"d":"<&>"}]}]}`)}}},
			change: with(func(s *shop) { s.after[0].Data = json.RawMessage(`{"a/b~":[{"c":[1,2]}]}`) }),
		},
	} {
		s := &test.shop
		history := s.record(t, &test.bus)
		replay := s.replay()
		test.change(t, s, replay, history)
		report, err := replay.Run(t.Context(), history)
		var difference *arvotest.Difference
		if !errors.As(err, &difference) {
			t.Errorf("%s: got error %v, want a *Difference", test.name, err)
			continue
		}
		reports = append(reports, fmt.Sprintf("%s\n\n%v\n%v\n", test.name, err, report))
	}
	golden(t, "replay/differences.txt", strings.Join(reports, "\n\n"))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", filepath.FromSlash(name))
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", path, diff)
	}
}

// What a run adds is not the code's: time and trace context always, and what the host says it adds.
func TestWhatTheRunAddsIsNotCompared(t *testing.T) {
	s := &shop{options: []arvo.ResumableOption{
		arvo.Clock(func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }),
		arvo.Stamp(func(_ context.Context, _, out arvo.Event) arvo.Event {
			out, err := out.WithTrace("00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01", "a=b").WithExtension("receivedat", 1732345678901)
			if err != nil {
				t.Fatal(err)
			}
			return out
		}),
	}}
	history := s.record(t, &arvotest.Bus{})
	s.options = nil
	replay := s.replay()
	var difference *arvotest.Difference
	if _, err := replay.Run(t.Context(), history); !errors.As(err, &difference) || difference.Field != "/receivedat" {
		t.Errorf("got error %v, want a difference in /receivedat", err)
	}
	replay.Ignore = []string{"receivedat"}
	if _, err := replay.Run(t.Context(), history); err != nil {
		t.Error(err)
	}
}

func TestDataIsComparedAsJSON(t *testing.T) {
	for _, test := range []struct {
		name, recorded string
		same           bool
	}{
		{"white space, escapes and the order of members are no difference", ` { "text":"\u003c\/b>" , "nested":{"b":[1,2],"a":null},"Amount":1999 }`, true},
		{"the way a number is written is none", `{"Amount":1.999e3,"nested":{"a":null,"b":[1.0,2]},"text":"</b>"}`, true},
		{"large integers differ in their last digit", `{"Amount":1999,"large":9007199254740993}`, false},
		{"null and nothing differ", `{"Amount":1999,"nested":{"b":[1,2]},"text":"</b>"}`, false},
		{"a string and a number differ", `{"Amount":"1999","nested":{"a":null,"b":[1,2]},"text":"</b>"}`, false},
		{"an array and an object differ", `{"Amount":1999,"nested":{"a":null,"b":{"0":1,"1":2}},"text":"</b>"}`, false},
		{"the order of elements is one", `{"Amount":1999,"nested":{"a":null,"b":[2,1]},"text":"</b>"}`, false},
		{"a shorter array is one", `{"Amount":1999,"nested":{"a":null,"b":[1]},"text":"</b>"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := `{"Amount":1999,"nested":{"a":null,"b":[1,2]},"text":"</b>"}`
			if strings.Contains(test.recorded, "large") {
				now = `{"Amount":1999,"large":9007199254740992}`
			}
			s := &shop{after: []arvo.Call{{Type: "com.audit.note", Data: json.RawMessage(now)}}}
			history := s.record(t, &arvotest.Bus{})
			history[1].Produced[1].Data = json.RawMessage(test.recorded)
			_, err := s.replay().Run(t.Context(), history)
			if same := err == nil; same != test.same {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// A call that has left by a domain is answered by somebody else, though it may be in the name of a service.
func TestACallWithADomainIsAnsweredFromOutside(t *testing.T) {
	s := &shop{call: arvo.Call{Domains: []string{"human.desk"}}}
	b := &arvotest.Bus{}
	memory := s.open(t, b)
	b.Publish(placed(t))
	run(t, b)
	desk := b.At("human.desk")
	if len(desk) != 1 {
		t.Fatalf("%d calls at the human desk, want 1\n%v", len(desk), b)
	}
	answers, err := s.services()[2].Handle(t.Context(), desk[0])
	if err != nil {
		t.Fatal(err)
	}
	b.Publish(answers...)
	run(t, b)
	s.ledger.closed = true
	history, err := memory.History(t.Context(), orderSubject)
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.replay().Run(t.Context(), history)
	if want := (arvotest.Report{Steps: 3, Answers: 1, Outside: 2}); err != nil || report != want {
		t.Errorf("got  %v, error %v\nwant %v", report, err, want)
	}
}

func TestAReplayWhoseTimeRunsOutIsNoDifference(t *testing.T) {
	s := &shop{}
	history := s.record(t, &arvotest.Bus{})
	ctx, cancel := context.WithCancel(t.Context())
	replay := s.replay()
	replay.Workflow = func(m arvo.Memory) (arvo.Handler, error) {
		h, err := s.workflow(m)
		return arvo.HandlerFunc(func(ctx context.Context, in arvo.Event) ([]arvo.Event, error) {
			cancel()
			return h.Handle(ctx, in)
		}), err
	}
	var difference *arvotest.Difference
	if _, err := replay.Run(ctx, history); !errors.Is(err, context.Canceled) || errors.As(err, &difference) {
		t.Errorf("got error %v, want context.Canceled and no Difference", err)
	}
}

func TestWhatCannotBeReplayedSaysWhy(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name  string
		ctx   context.Context
		spoil func(r *arvotest.Replay, history []arvo.Record) []arvo.Record
		want  string
	}{
		{"an empty history", nil, func(*arvotest.Replay, []arvo.Record) []arvo.Record { return nil }, "no history"},
		{"a record that is missing", nil, func(_ *arvotest.Replay, h []arvo.Record) []arvo.Record { return slices.Delete(h, 1, 2) },
			"record 2 of the history is of revision 3"},
		{"records of two subjects", nil, func(_ *arvotest.Replay, h []arvo.Record) []arvo.Record {
			h[1].Input.Subject = "order/2"
			return h
		}, "record 2 is of another subject than record 1: order/2"},
		{"a subject of no workflow", nil, func(_ *arvotest.Replay, h []arvo.Record) []arvo.Record {
			for i := range h {
				h[i].Input.Subject = "order/2"
			}
			return h
		}, "record 1: "},
		{"a workflow that cannot be built", nil, func(r *arvotest.Replay, h []arvo.Record) []arvo.Record {
			r.Workflow = func(arvo.Memory) (arvo.Handler, error) { return nil, errors.New("no contract") }
			return h
		}, "no workflow arvo.orc.order to replay with: no contract"},
		{"a workflow with a memory of its own", nil, func(r *arvotest.Replay, h []arvo.Record) []arvo.Record {
			build := r.Workflow
			r.Workflow = func(arvo.Memory) (arvo.Handler, error) { return build(arvotest.NewMemory()) }
			return h
		}, "arvo.orc.order has not kept record 1 in the memory"},
		{"no workflow", nil, func(r *arvotest.Replay, h []arvo.Record) []arvo.Record {
			r.Workflow = nil
			return h
		}, "Replay.Workflow is nil"},
		{"two services with one address", nil, func(r *arvotest.Replay, h []arvo.Record) []arvo.Record {
			r.Services = append(r.Services, r.Services[0])
			return h
		}, `two handlers have the address "com.inventory.reserve"`},
		{"the workflow among its services", nil, func(r *arvotest.Replay, h []arvo.Record) []arvo.Record {
			r.Services = append(r.Services, arvo.MustResumable(arvo.NewResumable(orderContract, arvotest.NewMemory(),
				arvo.Resume("1.0.0", func(context.Context, *arvo.Step[struct{}, orderPlaced]) error { return nil }))))
			return h
		}, "arvo.orc.order is the workflow that is replayed"},
		{"no time left", ended, func(_ *arvotest.Replay, h []arvo.Record) []arvo.Record { return h }, "context canceled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &shop{}
			history := s.record(t, &arvotest.Bus{})
			replay := s.replay()
			history = test.spoil(replay, history)
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			_, err := replay.Run(ctx, history)
			var difference *arvotest.Difference
			if err == nil || errors.As(err, &difference) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one that says %q and is no Difference", err, test.want)
			}
		})
	}
}
