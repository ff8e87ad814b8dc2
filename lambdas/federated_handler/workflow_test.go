package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/lambdas/services/fulfilment"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/store/storetest"
	"example.com/arvo/telemetry"
)

// order is the request of a fulfilment as api_lambda puts it on the bus.
func order(t testing.TB, version string) arvo.Event {
	t.Helper()
	subject, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: fulfilment.Contract.Type(), Version: version, Initiator: thinAPI})
	if err != nil {
		t.Fatal(err)
	}
	ev := request(t, fulfilment.Contract.Type(), "order", `{"parentSubject$$":null,"order_id":"o-1","items":[{"sku":"lamp","quantity":2}],"amount":1999,"currency":"EUR","method":"pm_ok",`+
		`"address":{"name":"A","street":"S 1","city":"C","postcode":"1","country":"DE"}}`)
	ev.Subject, ev.DataSchema = subject, "#/orchestrators/fulfilment/"+version
	return ev
}

// run delivers events until none is left for a service, each as often as copies says, and returns those for the client.
func (d deployment) run(t testing.TB, copies int, evs ...arvo.Event) (answers []arvo.Event) {
	t.Helper()
	for len(evs) > 0 {
		var next []arvo.Event
		for _, ev := range evs {
			if ev.To == thinAPI {
				answers = append(answers, ev)
				continue
			}
			var first string
			for i := range copies {
				out, failed := d.deliver(t, ev)
				if failed {
					t.Fatalf("%s failed:\n%s", ev.Type, d.log)
				}
				if i == 0 {
					first, next = lines(t, out), append(next, out...)
				} else if ev.Source != thinAPI && ev.To == fulfilment.Contract.Type() && lines(t, out) != first {
					t.Errorf("delivery %d of %s to the workflow gave\n%swhere the first one gave\n%s", i+1, ev.Type, lines(t, out), first)
				}
			}
		}
		evs = next
	}
	return answers
}

// lines are events to the byte.
func lines(t testing.TB, evs []arvo.Event) string {
	t.Helper()
	var b []byte
	for _, ev := range evs {
		var err error
		if b, err = ev.AppendJSON(b); err != nil {
			t.Fatal(err)
		}
		b = append(b, '\n')
	}
	return string(b)
}

// sameTrace reports whether an event is in the trace of all requests of these tests.
func sameTrace(ev arvo.Event) bool {
	return strings.HasPrefix(ev.Traceparent, traceparent[:36]) && strings.HasSuffix(ev.Traceparent, "-01")
}

// creation is the traceparent of an event that has been stamped, in the trace of all requests of these tests.
func creation(t testing.TB, ev arvo.Event) string {
	t.Helper()
	id, err := trace.TraceIDFromHex(traceparent[3:35])
	if err != nil {
		t.Fatal(err)
	}
	return traceparent[:36] + telemetry.CreationID(id, ev.ID).String() + "-01"
}

func TestAWorkflowIsHosted(t *testing.T) {
	for _, version := range fulfilment.Contract.Versions() {
		for copies := 1; copies <= 3; copies++ {
			t.Run(fmt.Sprintf("%s, each message delivered %d times", version, copies), func(t *testing.T) {
				d := deploy(t, nil)
				answers := d.run(t, copies, order(t, version))
				if len(answers) != 1 || !strings.Contains(string(answers[0].Data), `"status":"fulfilled"`) {
					t.Fatalf("%v\n%s", answers, d.log)
				}
				if _, ok := answers[0].Extension("receivedat"); !ok || !sameTrace(answers[0]) {
					t.Errorf("not stamped: %+v", answers[0])
				}
			})
		}
	}
}

// A workflow that cannot be kept would fail and undo nothing. What a request carries along for the services, however long
// it is and whatever it is made of, must not come between an order and its undoing.
func TestALongAccessControlKeepsNoOrderFromBeingUndone(t *testing.T) {
	for _, version := range fulfilment.Contract.Versions() {
		t.Run(version, func(t *testing.T) {
			d := deploy(t, nil)
			init := order(t, version)
			init.Data = bytes.Replace(init.Data, []byte(`"DE"`), []byte(`"AQ"`), 1)
			init.AccessControl = strings.Repeat("<", 40_000)
			sent := make(map[string]int)
			for evs := []arvo.Event{init}; len(evs) > 0; evs = evs[1:] {
				sent[evs[0].Type]++
				if evs[0].To == thinAPI {
					if want := `"status":"rejected","reason":"country not served"`; !strings.Contains(string(evs[0].Data), want) {
						t.Errorf("the answer is %s %s, want %s", evs[0].Type, evs[0].Data, want)
					}
					continue
				}
				out, failed := d.deliver(t, evs[0])
				if failed {
					t.Fatalf("%s failed:\n%s", evs[0].Type, d.log)
				}
				evs = append(evs, out...)
			}
			for _, once := range []string{"com.payment.charge", "com.payment.refund", "com.inventory.reserve", "com.inventory.release", "arvo.orc.fulfilment.done"} {
				if sent[once] != 1 {
					t.Errorf("%d events %s, want 1", sent[once], once)
				}
			}
		})
	}
}

// A workflow whose author has forgotten a case stops there, and nobody would ever ask why: the log says it, without data.
func TestAWorkflowThatNothingWakesIsInTheLog(t *testing.T) {
	v, err := inventory.ReserveContract.Version("1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		step   func(*arvo.Step[struct{}, fulfilment.Order])
		warned bool
	}{
		{"it has neither made a call nor completed", func(*arvo.Step[struct{}, fulfilment.Order]) {}, true},
		{"it awaits an answer", func(s *arvo.Step[struct{}, fulfilment.Order]) {
			s.Call(arvo.Call{Type: "com.inventory.reserve", Data: inventory.Reserve{OrderID: "o", Items: s.Init.Items}})
		}, false},
		{"it has completed", func(s *arvo.Step[struct{}, fulfilment.Order]) {
			s.Complete(arvo.Completion{Data: fulfilment.Outcome{
				OrderID: "o", Status: "failed", Reservation: fulfilment.Reservation{Status: "none"},
				Payment: fulfilment.Payment{Status: "none"}, Shipment: fulfilment.Shipment{Status: "unknown"},
			}})
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log strings.Builder
			step := func(_ context.Context, s *arvo.Step[struct{}, fulfilment.Order]) error { c.step(s); return nil }
			made := workflow(func(memory arvo.Memory, options ...arvo.ResumableOption) (*arvo.Resumable, error) {
				hosted := memory.(watched)
				hosted.log = slog.New(slog.NewTextHandler(&log, nil))
				return arvo.NewResumable(fulfilment.Contract, hosted,
					append(options, arvo.Calls(v), arvo.Resume("1.0.0", step), arvo.Resume("2.0.0", step))...)
			})
			workflow := arvo.MustResumable(made.on(arvotest.NewMemory(), silent(t).Create))
			init := order(t, "1.0.0")
			if _, err := workflow.Handle(t.Context(), init); err != nil {
				t.Fatal(err)
			}
			said := log.String()
			if strings.Contains(said, "awaits nothing") != c.warned || c.warned && !strings.Contains(said, "level=WARN") || strings.Contains(said, "lamp") {
				t.Errorf("the log says %q", said)
			}
			if again := len(said); c.warned { // the step is not taken a second time
				if _, err := workflow.Handle(t.Context(), init); err != nil || log.Len() != again {
					t.Errorf("a copy of the event: %v, the log says %q", err, log.String())
				}
			}
		})
	}
}

// A mortal table is one on which the invocation dies at its n-th call, before the call is done or after.
type mortalTable struct {
	*dynamodb.Client
	mu    sync.Mutex
	dies  int // at this call; 0: never
	done  bool
	calls []string
	units float64 // of writes
}

var errKilled = errors.New("killed")

func (m *mortalTable) at(call string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, call)
	dies := len(m.calls) == m.dies
	if dies && !m.done {
		return errKilled
	}
	if err := do(); err != nil || !dies {
		return err
	}
	return errKilled
}

func (m *mortalTable) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (out *dynamodb.GetItemOutput, err error) {
	err = m.at("GetItem", func() (err error) { out, err = m.Client.GetItem(ctx, in, o...); return err })
	return out, err
}

func (m *mortalTable) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (out *dynamodb.TransactWriteItemsOutput, err error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	err = m.at("TransactWriteItems", func() (err error) {
		if out, err = m.Client.TransactWriteItems(ctx, in, o...); err == nil {
			for _, c := range out.ConsumedCapacity {
				m.units += *c.CapacityUnits
			}
		}
		return err
	})
	return out, err
}

// The function may die at any line of a step: before or after a call of the table, before or after the bus has taken the
// events. The next delivery publishes what the first would have, to the byte once the step was kept.
func TestAStepThatDiesIsTakenOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		dies int
		done bool
		bus  bool // it is the bus that is not reached
		kept bool
	}{
		{"before the workflow is recalled", 1, false, false, false},
		{"after the workflow is recalled", 1, true, false, false},
		{"before the step is kept", 2, false, false, false},
		{"after the step is kept", 2, true, false, true},
		{"before the events are on the bus", 0, false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := &mortalTable{Client: storetest.Open(t, storetest.WorkflowTable), dies: c.dies, done: c.done}
			d := deployOn(t, table, nil, time.Now)
			if c.bus {
				d.bus.fail = errKilled
			}
			init := order(t, "2.0.0")
			if out, failed := d.deliver(t, init); !failed || len(out) > 0 {
				t.Fatalf("failed %v, %d events", failed, len(out))
			}
			d.bus.fail, table.dies = nil, 0
			history, err := d.workflows.History(t.Context(), init.Subject)
			if err != nil || (len(history) == 1) != c.kept {
				t.Fatalf("%d steps are kept, %v", len(history), err)
			}
			again, failed := d.deliver(t, init)
			if failed || len(again) != 2 {
				t.Fatalf("failed %v, %d events", failed, len(again))
			}
			if c.kept && lines(t, again) != lines(t, history[0].Produced) {
				t.Errorf("published\n%swhere this was kept\n%s", lines(t, again), lines(t, history[0].Produced))
			}
			third, _ := d.deliver(t, init)
			if diff := cmp.Diff(lines(t, again), lines(t, third)); diff != "" {
				t.Errorf("the third delivery gave other events:\n%s", diff)
			}
			if answers := d.run(t, 2, again...); len(answers) != 1 || !strings.Contains(string(answers[0].Data), `"status":"fulfilled"`) {
				t.Errorf("%v", answers)
			}
		})
	}
}

// What an order costs on WorkflowTable: one read and one transaction for each step.
func TestWhatAFulfilmentCosts(t *testing.T) {
	table := &mortalTable{Client: storetest.Open(t, storetest.WorkflowTable)}
	d := deployOn(t, table, nil, time.Now)
	d.run(t, 1, order(t, "1.0.0"))
	const steps = 4 // the order and the answers to reserve, charge and book
	if want := slices.Repeat([]string{"GetItem", "TransactWriteItems"}, steps); !slices.Equal(table.calls, want) {
		t.Errorf("the calls are %q", table.calls)
	}
	if table.units > 10*steps {
		t.Errorf("%v write units for %d steps", table.units, steps)
	}
	t.Logf("%v write units for %d steps", table.units, steps)
}

// tickMessage is the message that the rule of template.yaml has the queue hand out.
func tickMessage(t testing.TB) events.SQSMessage {
	t.Helper()
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := template.Parse("template.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	stack, err := parsed.Resolve(template.Inputs{StackName: "arvo"})
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range stack.Rules {
		if rule.Schedule != "rate(1 minute)" {
			continue
		}
		if len(rule.Targets) != 1 || !strings.HasSuffix(rule.Targets[0].ARN, ":arvo-requests") || !json.Valid([]byte(rule.Targets[0].Input)) {
			t.Fatalf("the rule for ticks is %+v", rule)
		}
		m := message(t, "tick", charge(t, "any"))
		m.Body = rule.Targets[0].Input
		return m
	}
	t.Fatal("template.yaml has no rule for ticks")
	return events.SQSMessage{}
}

func TestATickMakesCallsTimeOut(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	d := deployOn(t, storetest.Open(t, storetest.WorkflowTable), nil, clock)
	tick := func() []arvo.Event {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		out, err := d.Batch(ctx, events.SQSEvent{Records: []events.SQSMessage{tickMessage(t)}})
		if err != nil || len(out.BatchItemFailures) > 0 {
			t.Fatalf("%v %v\n%s", out, err, d.log)
		}
		return d.bus.take()
	}
	init := order(t, "2.0.0")
	calls, failed := d.deliver(t, init)
	if failed || len(calls) != 2 {
		t.Fatalf("failed %v, %d events\n%s", failed, len(calls), d.log)
	}
	if got := tick(); len(got) > 0 {
		t.Fatalf("before the time is up: %v", got)
	}
	now = now.Add(fulfilment.ReversibleTimeout + time.Second)
	missing := tick()
	if len(missing) != 2 {
		t.Fatalf("%d events\n%s", len(missing), d.log)
	}
	for i, ev := range missing {
		if ev.Type != "sys."+calls[i].Type+".error" || ev.To != fulfilment.Contract.Type() || ev.ParentID != calls[i].ID || ev.Subject != init.Subject || !strings.Contains(string(ev.Data), `"Timeout"`) {
			t.Errorf("%s", lines(t, missing[i:i+1]))
		}
		if want := creation(t, ev); ev.Traceparent != want || ev.Tracestate == "" {
			t.Errorf("the timeout names the span %s as its sender, want %s", ev.Traceparent, want)
		}
	}
	// They are delivered, twice, and the workflow undoes what may have been done; the answers that come late change nothing.
	answers := d.run(t, 2, missing...)
	if len(answers) != 1 || !strings.Contains(string(answers[0].Data), `"status":"failed"`) {
		t.Fatalf("%v\n%s", answers, d.log)
	}
	if late := d.run(t, 1, calls...); len(late) > 0 {
		t.Errorf("a late answer led to\n%s", lines(t, late))
	}
	now = now.Add(time.Hour)
	if got := tick(); len(got) > 0 {
		t.Errorf("the workflow is over, and a tick gives\n%s", lines(t, got))
	}
}

func TestATickFindsTheBusDown(t *testing.T) {
	now := time.Now()
	d := deployOn(t, storetest.Open(t, storetest.WorkflowTable), nil, func() time.Time { return now })
	if _, failed := d.deliver(t, order(t, "1.0.0")); failed {
		t.Fatal(d.log)
	}
	now = now.Add(time.Hour)
	d.bus.fail = errors.New("the bus is down")
	deliver := func() bool {
		out, err := d.Batch(t.Context(), events.SQSEvent{Records: []events.SQSMessage{tickMessage(t)}})
		return err == nil && len(out.BatchItemFailures) == 0
	}
	if deliver() || !strings.Contains(d.log.String(), "the bus is down") {
		t.Errorf("the tick went well:\n%s", d.log)
	}
	d.bus.fail = nil
	if !deliver() || len(d.bus.take()) != 1 {
		t.Errorf("the next delivery of the tick does not make up for it:\n%s", d.log)
	}
}

// A workflow whose memory is wrong is reported, and is in nobody's way.
func TestATickPassesByWhatCannotTimeOut(t *testing.T) {
	now := time.Now()
	d := deployOn(t, storetest.Open(t, storetest.WorkflowTable), nil, func() time.Time { return now })
	err := d.workflows.Commit(t.Context(), "no subject of an orchestration", arvo.Workflow{
		Revision: 1, Status: arvo.StatusActive, InitID: "e1", Awaited: []arvo.Awaited{{ID: "c1", Type: "com.payment.charge", Due: now.Add(-time.Second)}},
	}, arvo.Record{Revision: 1, Input: charge(t, "e1")})
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Batch(t.Context(), events.SQSEvent{Records: []events.SQSMessage{tickMessage(t)}})
	if err != nil || len(out.BatchItemFailures) > 0 || len(d.bus.take()) > 0 {
		t.Errorf("%v %v\n%s", out, err, d.log)
	}
}

func TestStamping(t *testing.T) {
	cause := charge(t, "cause")
	out := request(t, "evt.payment.charge.success", "out", "{}")
	out.To, out.Traceparent, out.Tracestate = thinAPI, "", ""
	ctx := context.WithValue(t.Context(), receivedAt{}, time.UnixMilli(1795417200250))
	once := create(silent(t).Create).stamp(ctx, cause, out)
	if at, ok := once.Extension("receivedat"); !ok || string(at) != "1795417200250" || once.Traceparent != traceparent || once.Tracestate != "vendor=1" {
		t.Errorf("%+v", once)
	}
	later := context.WithValue(t.Context(), receivedAt{}, time.UnixMilli(1795417299999))
	if twice := create(silent(t).Create).stamp(later, cause, once); lines(t, []arvo.Event{twice}) != lines(t, []arvo.Event{once}) {
		t.Errorf("a second stamp changed the first: %+v", twice)
	}
	if bare := create(silent(t).Create).stamp(t.Context(), cause, out); len(bare.Extensions) > 0 {
		t.Errorf("a time that nobody knows: %+v", bare)
	}
}
