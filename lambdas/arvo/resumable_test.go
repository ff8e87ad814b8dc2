package arvo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

// The contracts of the tests: a purchase reserves goods and charges for them, a basket is a workflow that purchases.

type stockReserve struct {
	Order string `json:"order"`
	SKU   string `json:"sku" default:"any"`
}

type stockReserved struct {
	Reserved bool `json:"reserved"`
}

type stockPacking struct {
	Percent int `json:"percent"`
}

var stockContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI: "#/test/stock/reserve", Type: "com.stock.reserve", Domain: "warehouse",
	Versions: map[string]arvo.VersionSpec{"1.0.0": {
		Accepts: arvo.SchemaFor[stockReserve](),
		Emits: map[string]arvo.Schema{
			"evt.stock.reserve.success": arvo.SchemaFor[stockReserved](),
			"evt.stock.reserve.packing": arvo.SchemaFor[stockPacking](),
		},
		Progress: []string{"evt.stock.reserve.packing"},
	}},
}))

type purchase struct {
	Order  string  `json:"order"`
	Amount float64 `json:"amount"`
	Mode   string  `json:"mode,omitempty"`
}

type purchased struct {
	OK   bool   `json:"ok"`
	Note string `json:"note"`
}

var purchaseContract = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
	URI: "#/test/orc/purchase", Name: "purchase",
	Versions: map[string]arvo.OrchestratorVersion{
		"1.0.0": {Init: arvo.SchemaFor[purchase](), Complete: arvo.SchemaFor[purchased]()},
		"2.0.0": {Init: arvo.SchemaFor[purchase](), Complete: arvo.SchemaFor[purchased]()},
	},
}))

type basket struct {
	Purchases []purchase `json:"purchases"`
}

type emptied struct {
	Done []string `json:"done"`
}

var basketContract = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
	URI: "#/test/orc/basket", Name: "basket",
	Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {Init: arvo.SchemaFor[basket](), Complete: arvo.SchemaFor[emptied]()}},
}))

// purchasing is the state of a purchase.
type purchasing struct {
	Purchase purchase       `json:"purchase"`
	Steps    []string       `json:"steps"`
	IDs      []string       `json:"ids"`
	Any      any            `json:"any,omitempty"`
	Number   float64        `json:"number"`
	Lost     map[string]int `json:"lost,omitempty"`
}

type purchaseStep = arvo.Step[purchasing, purchase]

var theTime = time.Date(2025, 1, 2, 3, 4, 5, 6_700_000, time.UTC)

const theTimeText = "2025-01-02T03:04:05.006+00:00"

// lead is the ordinary purchase: reserve, then charge, then done; a system error of either ends it.
func lead(_ context.Context, s *purchaseStep) error {
	s.State.Steps = append(s.State.Steps, s.Event.Type)
	switch s.Event.Type {
	case "arvo.orc.purchase":
		s.State.Purchase = *s.Init
		s.State.IDs = append(s.State.IDs, s.Call(arvo.Call{
			Type: "com.stock.reserve", Timeout: time.Minute, Data: stockReserve{Order: s.Init.Order, SKU: "sku-1"},
		}))
	case "evt.stock.reserve.success":
		s.State.IDs = append(s.State.IDs, s.Call(arvo.Call{
			Type: "com.payment.charge", Data: Charge{s.State.Purchase.Order, s.State.Purchase.Amount},
		}))
	case "evt.payment.charge.success":
		var charged Charged
		if err := s.Data(&charged); err != nil {
			return err
		}
		s.Complete(arvo.Completion{Data: purchased{true, charged.Receipt}})
	case "evt.stock.reserve.packing":
	default:
		var failure struct {
			Name    string `json:"errorName"`
			Message string `json:"errorMessage"`
		}
		if err := s.Data(&failure); err != nil {
			return err
		}
		s.Complete(arvo.Completion{Data: purchased{false, failure.Name + ": " + failure.Message}})
	}
	return nil
}

// workflow makes the purchase with f as the implementation of version 1.0.0.
func workflow(t testing.TB, memory arvo.Memory, f func(context.Context, *purchaseStep) error, options ...arvo.ResumableOption) *arvo.Resumable {
	t.Helper()
	r, err := arvo.NewResumable(purchaseContract, memory, append([]arvo.ResumableOption{
		arvo.Calls(version(t, stockContract, "1.0.0"), version(t, payment, "1.0.0")),
		arvo.ExecutionUnits(1), arvo.Clock(func() time.Time { return theTime }),
		arvo.Resume("1.0.0", f), arvo.Resume("2.0.0", lead),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var theSubject = func() string {
	s, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: "arvo.orc.purchase", Version: "1.0.0", Initiator: "api.thin.lambda", ID: "run-1"})
	if err != nil {
		panic(err)
	}
	return s
}()

func subjectOf(t testing.TB, edit func(*arvo.SubjectSpec)) string {
	t.Helper()
	spec := arvo.SubjectSpec{Orchestrator: "arvo.orc.purchase", Version: "1.0.0", Initiator: "api.thin.lambda", ID: "run-2"}
	edit(&spec)
	s, err := arvo.NewSubject(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begin is the event that begins a purchase.
func begin(edits ...func(*arvo.Event)) arvo.Event {
	e := arvo.Event{
		ID: "init-1", Source: "api.thin.lambda", SpecVersion: "1.0", Type: "arvo.orc.purchase", Subject: theSubject,
		DataContentType: arvo.DataContentType, DataSchema: "#/test/orc/purchase/1.0.0",
		Data: json.RawMessage(`{"parentSubject$$":null,"order":"o1","amount":10}`), Time: "2025-01-01T00:00Z", To: "arvo.orc.purchase",
	}
	for _, edit := range edits {
		edit(&e)
	}
	return e
}

// reply is what a service answers to a call.
func reply(to arvo.Event, eventType, data string, edits ...func(*arvo.Event)) arvo.Event {
	e := arvo.Event{
		ID: "reply-" + eventType, Source: to.To, SpecVersion: "1.0", Type: eventType, Subject: to.Subject,
		DataContentType: arvo.DataContentType, DataSchema: to.DataSchema, Data: json.RawMessage(data), Time: "2025-01-01T00:01Z",
		To: to.RedirectTo, ParentID: to.ID,
	}
	for _, edit := range edits {
		edit(&e)
	}
	return e
}

func reserved(to arvo.Event, edits ...func(*arvo.Event)) arvo.Event {
	return reply(to, "evt.stock.reserve.success", `{"reserved":true}`, edits...)
}

func charged(to arvo.Event, edits ...func(*arvo.Event)) arvo.Event {
	return reply(to, "evt.payment.charge.success", `{"receipt":"r-1"}`, edits...)
}

func notReserved(to arvo.Event, edits ...func(*arvo.Event)) arvo.Event {
	return reply(to, "sys.com.stock.reserve.error", `{"errorName":"OutOfStock","errorMessage":"none left","errorStack":null}`,
		append([]func(*arvo.Event){func(e *arvo.Event) { e.DataSchema = "#/test/stock/reserve/0.0.0" }}, edits...)...)
}

// take hands an event to a workflow that must take it.
func take(t testing.TB, r arvo.Handler, in arvo.Event) []arvo.Event {
	t.Helper()
	out, err := r.Handle(context.Background(), in)
	if err != nil {
		t.Fatalf("%s: %v", in.Type, err)
	}
	for _, e := range out {
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", e.Type, err)
		}
	}
	return out
}

// recall is what the memory holds of a subject.
func recall(t testing.TB, memory arvo.Memory, subject string) (*arvo.Workflow, []arvo.Record) {
	t.Helper()
	w, _, err := memory.Recall(context.Background(), subject, arvo.Key{})
	if err != nil {
		t.Fatal(err)
	}
	records, err := memory.History(context.Background(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return w, records
}

// stateOf is the state of a purchase.
func stateOf(t testing.TB, w *arvo.Workflow) (s purchasing) {
	t.Helper()
	if err := json.Unmarshal(w.State, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAWorkflowCallsAndCompletes(t *testing.T) {
	memory := arvotest.NewMemory()
	r := workflow(t, memory, lead)
	in := begin(func(e *arvo.Event) {
		e.AccessControl, e.RedirectTo, e.Traceparent, e.Tracestate = "role:x", "com.ignored.x", "00-tp", "ts"
		e.ExecutionUnits = new(7.0)
	})
	derived := func(in arvo.Event, index string) string {
		return arvo.DeriveID(theSubject, in.Source, in.ID, "arvo.orc.purchase", index, "")
	}

	first := take(t, r, in)
	want := arvo.Event{
		ID: derived(in, "0"), Source: "arvo.orc.purchase", SpecVersion: "1.0", Type: "com.stock.reserve", Subject: theSubject,
		DataContentType: arvo.DataContentType, DataSchema: "#/test/stock/reserve/1.0.0", Data: json.RawMessage(`{"order":"o1","sku":"sku-1"}`),
		Time: theTimeText, To: "com.stock.reserve", AccessControl: "role:x", RedirectTo: "arvo.orc.purchase", ExecutionUnits: new(1.0),
		Traceparent: "00-tp", Tracestate: "ts", ParentID: "init-1",
	}
	if diff := cmp.Diff([]arvo.Event{want}, first); diff != "" {
		t.Error(diff)
	}
	w, records := recall(t, memory, theSubject)
	awaited := arvo.Awaited{
		ID: want.ID, Type: "com.stock.reserve", To: "com.stock.reserve", URI: "#/test/stock/reserve",
		Due: theTime.Add(time.Minute).Truncate(time.Millisecond), Traceparent: "00-tp", Tracestate: "ts",
	}
	wantState := `{"purchase":{"order":"o1","amount":10},"steps":["arvo.orc.purchase"],"ids":["` + want.ID + `"],"number":0}`
	if diff := cmp.Diff(&arvo.Workflow{
		Revision: 1, Status: arvo.StatusActive, InitID: "init-1", AccessControl: "role:x", State: json.RawMessage(wantState), Awaited: []arvo.Awaited{awaited},
	}, w); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]arvo.Record{{Revision: 1, Input: in, Produced: first, At: theTime}}, records); diff != "" {
		t.Error(diff)
	}

	answer := reserved(first[0], func(e *arvo.Event) { e.AccessControl = "role:y" })
	second := take(t, r, answer)
	want.ID, want.ParentID, want.AccessControl, want.Traceparent, want.Tracestate = derived(answer, "0"), answer.ID, "role:y", "", ""
	want.Type, want.To, want.DataSchema, want.Data = "com.payment.charge", "com.payment.charge", "#/services/payment/charge/1.0.0", json.RawMessage(`{"order":"o1","amount":10}`)
	if diff := cmp.Diff([]arvo.Event{want}, second); diff != "" {
		t.Error(diff)
	}
	if w, _ = recall(t, memory, theSubject); w.Revision != 2 || len(w.Awaited) != 1 || w.Awaited[0].ID != want.ID || !w.Awaited[0].Due.IsZero() || w.AccessControl != "role:x" || w.Awaited[0].AccessControl != "role:y" {
		t.Errorf("after the answer the workflow awaits %+v", w)
	}

	answer = charged(second[0])
	third := take(t, r, answer)
	want.ID, want.ParentID, want.AccessControl = derived(answer, "0"), "init-1", ""
	want.Type, want.To, want.DataSchema, want.Data = "arvo.orc.purchase.done", "api.thin.lambda", "#/test/orc/purchase/1.0.0", json.RawMessage(`{"ok":true,"note":"r-1"}`)
	if diff := cmp.Diff([]arvo.Event{want}, third); diff != "" {
		t.Error(diff)
	}
	w, records = recall(t, memory, theSubject)
	if w.Revision != 3 || w.Status != arvo.StatusDone || w.Awaited != nil || w.Failure != nil || len(records) != 3 {
		t.Errorf("in the end: %+v", w)
	}
	if got := stateOf(t, w).Steps; len(got) != 3 {
		t.Errorf("the steps were %v", got)
	}
}

// script makes a workflow do what a step of a table says.
func script(onInit func(s *purchaseStep), onReply func(s *purchaseStep)) func(context.Context, *purchaseStep) error {
	return func(_ context.Context, s *purchaseStep) error {
		if s.Init != nil {
			onInit(s)
		} else if onReply != nil {
			onReply(s)
		}
		return nil
	}
}

func reserveCall() arvo.Call {
	return arvo.Call{Type: "com.stock.reserve", Data: stockReserve{Order: "o1", SKU: "s"}}
}

// TestWhatAWorkflowSends: each case is the first step of a workflow; told is what is special about its events.
func TestWhatAWorkflowSends(t *testing.T) {
	type attributes = map[string]string
	zero := 0.0
	parent := subjectOf(t, func(s *arvo.SubjectSpec) {
		s.Orchestrator, s.Version, s.ID, s.Domain = "arvo.orc.basket", "1.0.0", "parent-1", "home.town"
	})
	on := func(subject string) func(*arvo.Event) { return func(e *arvo.Event) { e.Subject = subject } }
	for _, c := range []struct {
		name    string
		in      func(*arvo.Event)
		step    func(s *purchaseStep)
		options []arvo.ResumableOption
		want    []attributes
	}{
		{"nothing, when nothing is asked for", nil, func(*purchaseStep) {}, nil, nil},
		{"calls in their order, and the completion after them", nil, func(s *purchaseStep) {
			s.Complete(arvo.Completion{Data: purchased{true, ""}})
			s.Call(reserveCall())
			s.Call(arvo.Call{Type: "com.payment.charge", Data: Charge{"o", 1}})
		}, nil, []attributes{
			{"type": "com.stock.reserve", "index": "0", "parentid": "init-1"}, {"type": "com.payment.charge", "index": "1"},
			{"type": "arvo.orc.purchase.done", "index": "2", "to": "api.thin.lambda", "redirectto": "arvo.orc.purchase", "parentid": "init-1"},
		}},
		{"data as it was when the call was made, without what the contract does not list, with its defaults", nil, func(s *purchaseStep) {
			data := map[string]any{"order": "o", "more": 1}
			s.Call(arvo.Call{Type: "com.stock.reserve", Data: data})
			data["order"] = "changed"
		}, nil, []attributes{{"data": `{"order":"o","sku":"any"}`}}},
		{"a call with all that its author says", nil, func(s *purchaseStep) {
			s.Call(arvo.Call{
				Type: "com.stock.reserve", Data: stockReserve{"o", "s"}, To: "com.special dest", RedirectTo: "com.reply.here", AccessControl: "mine",
				ExecutionUnits: &zero, ID: " my-id ", Time: "2024-01-01T00:00Z", Extensions: []arvo.Extension{{Name: "x", Value: json.RawMessage("1")}},
			})
		}, nil, []attributes{{
			"to": "com.special%20dest", "redirectto": "com.reply.here", "accesscontrol": "mine", "executionunits": "0", "id": "my-id",
			"time": "2024-01-01T00:00Z", "x": "1", "domain": "",
		}}},
		{"a completion with all that its author says", nil, func(s *purchaseStep) {
			s.Complete(arvo.Completion{Data: purchased{}, ID: "end", ExecutionUnits: &zero, AccessControl: "mine", Domains: []string{"far.away"}})
		}, nil, []attributes{{"id": "end", "executionunits": "0", "accesscontrol": "mine", "domain": "far.away"}}},
		{"a completion to the redirectto of the subject", on(subjectOf(t, func(s *arvo.SubjectSpec) { s.Meta = map[string]string{"redirectto": "com.reply.here"} })),
			func(s *purchaseStep) { s.Complete(arvo.Completion{Data: purchased{}}) }, nil, []attributes{{"to": "com.reply.here"}}},
		{"a type without a contract as it is", nil, func(s *purchaseStep) {
			s.Call(arvo.Call{Type: "com.unknown.service", Data: map[string]bool{"anything": true}})
		}, nil, []attributes{{"type": "com.unknown.service", "data": `{"anything":true}`, "dataschema": "", "to": "com.unknown.service", "redirectto": "arvo.orc.purchase"}}},
		{"a call once for each distinct domain", func(e *arvo.Event) { e.Domain = "t.t" }, func(s *purchaseStep) {
			c := reserveCall()
			c.Domains = []string{arvo.DomainFromEventContract, arvo.DomainLocal, "warehouse", arvo.DomainFromTriggeringEvent}
			s.Call(c)
		}, nil, []attributes{{"domain": "warehouse", "index": "0"}, {"domain": "", "index": "0"}, {"domain": "t.t", "index": "0"}}},
		{"a completion back to where the process lives", func(e *arvo.Event) {
			e.Domain, e.Subject = "t.t", subjectOf(t, func(s *arvo.SubjectSpec) { s.Domain = "home.town" })
		}, func(s *purchaseStep) {
			s.Complete(arvo.Completion{Data: purchased{}})
		}, nil, []attributes{{"domain": "home.town"}}},
		{"a completion to the parent's domain, on its subject", func(e *arvo.Event) {
			e.Data = json.RawMessage(`{"parentSubject$$":"` + parent + `","order":"o","amount":1}`)
		}, func(s *purchaseStep) {
			s.Complete(arvo.Completion{Data: purchased{}})
		}, nil, []attributes{{"domain": "home.town", "subject": parent}}},
		{"a completion to the domains of the workflow", nil, func(s *purchaseStep) {
			s.Complete(arvo.Completion{Data: purchased{}})
		}, []arvo.ResumableOption{arvo.EmitDomains("d.one", "d.two")}, []attributes{{"domain": "d.one"}, {"domain": "d.two"}}},
		{"what the host stamps", nil, func(s *purchaseStep) { s.Call(reserveCall()) }, []arvo.ResumableOption{
			arvo.Stamp(func(_ context.Context, cause, out arvo.Event) arvo.Event { return out.WithTrace("of "+cause.ID, "") }),
		}, []attributes{{"traceparent": "of init-1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := begin()
			if c.in != nil {
				c.in(&in)
			}
			out := take(t, workflow(t, arvotest.NewMemory(), script(c.step, nil), c.options...), in)
			if len(out) != len(c.want) {
				t.Fatalf("got %d events, want %d", len(out), len(c.want))
			}
			for i, want := range c.want {
				e := out[i]
				got := attributes{
					"type": e.Type, "parentid": e.ParentID, "to": e.To, "redirectto": e.RedirectTo, "data": string(e.Data), "accesscontrol": e.AccessControl,
					"id": e.ID, "time": e.Time, "domain": e.Domain, "dataschema": e.DataSchema, "executionunits": fmt.Sprint(*e.ExecutionUnits),
					"subject": e.Subject, "traceparent": e.Traceparent,
				}
				for _, x := range e.Extensions {
					got[x.Name] = string(x.Value)
				}
				if index, ok := want["index"]; ok {
					got["index"] = index
					if id := arvo.DeriveID(in.Subject, in.Source, in.ID, "arvo.orc.purchase", index, e.Domain); e.ID != id {
						t.Errorf("event %d has the id %s, want %s", i, e.ID, id)
					}
				}
				for k, v := range want {
					if got[k] != v {
						t.Errorf("event %d: %s is %q, want %q", i, k, got[k], v)
					}
				}
			}
		})
	}
}

// TestWhatIsNotForAWorkflow: each event is late, early or somebody else's. Nothing comes of it and nothing is written.
func TestWhatIsNotForAWorkflow(t *testing.T) {
	for _, c := range []struct {
		name string
		in   func(call, charge, done arvo.Event) arvo.Event
		upTo int // steps taken before: 1 reserve is called, 2 charge is called, 3 it is done
	}{
		{"the subject of another orchestrator", func(_, _, _ arvo.Event) arvo.Event {
			return begin(func(e *arvo.Event) {
				e.Subject = subjectOf(t, func(s *arvo.SubjectSpec) { s.Orchestrator = "arvo.orc.other" })
			})
		}, 0},
		{"an answer without a workflow", func(_, _, _ arvo.Event) arvo.Event { return reserved(begin()) }, 0},
		{"a second init", func(_, _, _ arvo.Event) arvo.Event { return begin(func(e *arvo.Event) { e.ID = "init-2" }) }, 1},
		{"a second init of another source", func(_, _, _ arvo.Event) arvo.Event {
			return begin(func(e *arvo.Event) { e.Source = "api.other.lambda" })
		}, 1},
		{"an event after completion", func(_, charge, _ arvo.Event) arvo.Event {
			return charged(charge, func(e *arvo.Event) { e.ID = "another" })
		}, 3},
		{"an init after completion", func(_, _, _ arvo.Event) arvo.Event { return begin(func(e *arvo.Event) { e.ID = "init-2" }) }, 3},
		{"an event that is not even valid after completion", func(_, charge, _ arvo.Event) arvo.Event {
			return charged(charge, func(e *arvo.Event) { e.ID, e.Data = "another", json.RawMessage(`{}`) })
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			r := workflow(t, memory, lead)
			var call, charge, done arvo.Event
			for n, next := range []func(){
				func() { call = take(t, r, begin())[0] },
				func() { charge = take(t, r, reserved(call))[0] },
				func() { done = take(t, r, charged(charge))[0] },
			} {
				if n < c.upTo {
					next()
				}
			}
			in := c.in(call, charge, done)
			w, records := recall(t, memory, in.Subject)
			if out := take(t, r, in); out != nil {
				t.Errorf("it sends %v", out)
			}
			w2, records2 := recall(t, memory, in.Subject)
			if diff := cmp.Diff(w, w2) + cmp.Diff(records, records2); diff != "" {
				t.Errorf("it writes: %s", diff)
			}
		})
	}
}

func TestTheMemoryIsNotAskedAboutOthersSubjects(t *testing.T) {
	memory := arvotest.NewMemory()
	memory.Before = func(_ context.Context, call arvotest.Call) error { return fmt.Errorf("%s was called", call.Operation) }
	take(t, workflow(t, memory, lead), begin(func(e *arvo.Event) {
		e.Subject = subjectOf(t, func(s *arvo.SubjectSpec) { s.Orchestrator = "arvo.orc.other" })
	}))
}

// TestWhatAWorkflowRefuses: each event causes a violation, and the workflow stays as it was.
func TestWhatAWorkflowRefuses(t *testing.T) {
	type cyclic struct{ Self any }
	cycle := &cyclic{}
	cycle.Self = cycle
	for _, c := range []struct {
		name string
		in   func(*arvo.Event)
		step func(ctx context.Context, s *purchaseStep) error
		kind error
		want string
	}{
		{"a subject that is not an orchestration's", func(e *arvo.Event) { e.Subject = "plain" }, nil, arvo.ErrExecution, "the subject of the event (id=init-1)"},
		{"a version that there is not", func(e *arvo.Event) { e.Subject = subjectOf(t, func(s *arvo.SubjectSpec) { s.Version = "9.0.0" }) }, nil,
			arvo.ErrConfig, "Invalid contract version: 9.0.0. Available versions: 1.0.0, 2.0.0"},
		{"the wildcard for a version", func(e *arvo.Event) { e.Subject = subjectOf(t, func(s *arvo.SubjectSpec) { s.Version = "" }) }, nil,
			arvo.ErrConfig, "Invalid contract version: 0.0.0"},
		{"no dataschema", func(e *arvo.Event) { e.DataSchema = "" }, nil, arvo.ErrContract, "is not <uri>/<version>"},
		{"the dataschema of another contract", func(e *arvo.Event) { e.DataSchema = "#/test/orc/xxx/1.0.0" }, nil, arvo.ErrContract, "Contract URI mismatch"},
		{"a dataschema without a URI", func(e *arvo.Event) { e.DataSchema = "1.0.0" }, nil, arvo.ErrContract, "Contract URI mismatch"},
		{"the dataschema of another version than the subject's", func(e *arvo.Event) { e.DataSchema = "#/test/orc/purchase/2.0.0" }, nil,
			arvo.ErrContract, "Contract version mismatch"},
		{"the dataschema of a version that there is not", func(e *arvo.Event) { e.DataSchema = "#/test/orc/purchase/3.0.0" }, nil,
			arvo.ErrContract, "Contract version mismatch"},
		{"data that breaks the contract", func(e *arvo.Event) { e.Data = json.RawMessage(`{"parentSubject$$":null,"order":"o","amount":"ten"}`) }, nil,
			arvo.ErrContract, "Input event payload validation failed: amount: Expected number, received string"},
		{"data without the parent's subject", func(e *arvo.Event) { e.Data = json.RawMessage(`{"order":"o","amount":1}`) }, nil, arvo.ErrContract, "parentSubject$$"},
		{"a parent's subject that is none", func(e *arvo.Event) { e.Data = json.RawMessage(`{"parentSubject$$":"x","order":"o","amount":1}`) }, nil,
			arvo.ErrContract, "parentSubject$$: arvo: cannot parse subject"},
		{"a parent's subject with a space", func(e *arvo.Event) {
			e.Data = json.RawMessage(`{"parentSubject$$":" ` + theSubject + `","order":"o","amount":1}`)
		}, nil,
			arvo.ErrContract, "parentSubject$$: it is not URI-encoded"},
		{"two parents", func(e *arvo.Event) {
			e.Data = json.RawMessage(`{"parentSubject$$":null,"order":"o","amount":1,"parentSubject$$":"` + theSubject + `"}`)
		}, nil, arvo.ErrContract, "parentSubject$$: appears twice"},
		{"a type that nobody emits", func(e *arvo.Event) { e.Type, e.ID = "evt.unknown.event.x", "x" }, nil, arvo.ErrConfig, "no contract that arvo.orc.purchase calls emits 'evt.unknown.event.x'"},
		{"an answer of another version", func(e *arvo.Event) {
			*e = reserved(*e, func(e *arvo.Event) { e.DataSchema = "#/test/stock/reserve/2.0.0" })
		}, nil, arvo.ErrContract, "Contract version mismatch: 'evt.stock.reserve.success' is spoken in version 1.0.0"},
		{"an answer that breaks the contract", func(e *arvo.Event) {
			*e = reserved(*e, func(e *arvo.Event) {
				e.DataSchema, e.Data = "#/test/stock/reserve/1.0.0", json.RawMessage(`{"reserved":"yes"}`)
			})
		}, nil, arvo.ErrContract, "reserved: Expected boolean, received string"},

		{"a violation of the author's", nil, func(context.Context, *purchaseStep) error {
			return fmt.Errorf("wrapped: %w", &arvo.Violation{Kind: "RATE_LIMIT", Message: "slow down"})
		}, arvo.ErrViolation, "wrapped: ViolationError<RATE_LIMIT> slow down"},
		{"a panic", nil, func(context.Context, *purchaseStep) error { panic("secret") }, arvo.ErrExecution, "panic in arvo.orc.purchase 1.0.0: string"},
		{"a panic in the data of a call", nil, func(_ context.Context, s *purchaseStep) error {
			s.Call(arvo.Call{Type: "com.stock.reserve", Data: bomb{}})
			return nil
		}, arvo.ErrExecution, "panic in arvo.orc.purchase 1.0.0: string"},
		{"a call that breaks its contract", nil, func(_ context.Context, s *purchaseStep) error {
			if id := s.Call(arvo.Call{Type: "com.stock.reserve", Data: map[string]int{"order": 5}}); id != "" {
				t.Errorf("it has the id %q", id)
			}
			if id := s.Call(reserveCall()); id != "" {
				t.Errorf("the next has the id %q", id)
			}
			return nil
		}, arvo.ErrContract, "Accept Event data validation failed: order: Expected string, received number"},
		{"a call without data", nil, call(arvo.Call{Type: "com.stock.reserve"}), arvo.ErrContract, "Expected object, received null"},
		{"a call whose data has no JSON form", nil, call(arvo.Call{Type: "com.stock.reserve", Data: math.NaN()}), arvo.ErrContract, "data has no JSON form"},
		{"a call without a contract whose data has no JSON form", nil, call(arvo.Call{Type: "com.unknown.x", Data: math.NaN()}), arvo.ErrContract, "data has no JSON form"},
		{"a call without a contract whose data is no object", nil, call(arvo.Call{Type: "com.unknown.x", Data: 5}), arvo.ErrContract, "Expected object, received number"},
		{"a call to no name", nil, call(arvo.Call{Type: "com.stock.reserve", Data: stockReserve{}, To: "\xff"}), arvo.ErrContract, "to: URI malformed"},
		{"a call with its answer to no name", nil, call(arvo.Call{Type: "com.stock.reserve", Data: stockReserve{}, RedirectTo: "\xff"}), arvo.ErrContract, "redirectto: URI malformed"},
		{"a call to itself", nil, call(arvo.Call{Type: "arvo.orc.purchase", Data: purchase{}}), arvo.ErrConfig, "the workflow arvo.orc.purchase calls itself"},
		{"a negative timeout", nil, call(arvo.Call{Type: "com.stock.reserve", Data: stockReserve{}, Timeout: -1}), arvo.ErrContract, "negative timeout"},
		{"a timeout of a call that nobody answers", nil, call(arvo.Call{Type: "com.stock.resreve", Data: stockReserve{}, Timeout: 1}), arvo.ErrContract,
			"the call com.stock.resreve has a timeout, but nobody answers: it is the type of no contract in Calls (com.payment.charge, com.stock.reserve)"},
		{"a timeout of a call that is answered elsewhere", nil, call(arvo.Call{Type: "com.stock.reserve", Data: stockReserve{}, RedirectTo: "com.reply.here", Timeout: 1}),
			arvo.ErrContract, "its answer does not come to this workflow: RedirectTo sends it to com.reply.here"},
		{"two calls of one id", nil, func(_ context.Context, s *purchaseStep) error {
			c := reserveCall()
			c.ID = "mine"
			s.Call(c)
			s.Call(c)
			return nil
		}, arvo.ErrContract, "the call com.stock.reserve has the id of another, mine"},
		{"a completion that breaks the contract", nil, func(_ context.Context, s *purchaseStep) error {
			s.Complete(arvo.Completion{Data: map[string]any{"ok": 1}})
			return nil
		}, arvo.ErrContract, "Emit Event data validation failed: ok: Expected boolean"},
		{"two completions", nil, func(_ context.Context, s *purchaseStep) error {
			s.Complete(arvo.Completion{Data: purchased{}})
			s.Complete(arvo.Completion{Data: purchased{}})
			return nil
		}, arvo.ErrExecution, "completed twice"},
		{"a state without a JSON form", nil, func(_ context.Context, s *purchaseStep) error {
			s.State.Number = math.Inf(1)
			return nil
		}, arvo.ErrExecution, "the state has no JSON form"},
		{"a state that holds itself", nil, func(_ context.Context, s *purchaseStep) error {
			s.State.Any = cycle
			return nil
		}, arvo.ErrExecution, "the state has no JSON form"},
		{"data that is read into nothing", nil, func(_ context.Context, s *purchaseStep) error { return s.Data(nil) }, arvo.ErrExecution, "needs a pointer that is not nil, not <nil>"},
		{"data that is read into a value", nil, func(_ context.Context, s *purchaseStep) error { return s.Data(purchase{}) }, arvo.ErrExecution, "not arvo_test.purchase"},
		{"data that is read into what cannot be", nil, func(_ context.Context, s *purchaseStep) error { return s.Data(new(chan int)) }, arvo.ErrExecution, "cannot be read from JSON"},
		{"data that does not fit the Go type", nil, func(_ context.Context, s *purchaseStep) error { return s.Data(new(struct{ Order int })) }, nil, ""},
		{"data of another Go type", nil, func(_ context.Context, s *purchaseStep) error {
			return s.Data(new(struct {
				Order int `json:"order"`
			}))
		}, arvo.ErrContract, "the data fits the contract but not the type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			step := c.step
			if step == nil {
				step = lead
			}
			r := workflow(t, memory, step)
			in := begin()
			if c.in != nil {
				c.in(&in)
			}
			if in.Type != "arvo.orc.purchase" {
				take(t, r, begin())
			}
			before, _ := recall(t, memory, in.Subject)
			out, err := r.Handle(context.Background(), in)
			if c.kind == nil {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if !errors.Is(err, c.kind) || !arvo.IsViolation(err) || !strings.Contains(err.Error(), c.want) || out != nil {
				t.Errorf("got %v, %v", out, err)
			}
			if after, _ := recall(t, memory, in.Subject); cmp.Diff(before, after) != "" {
				t.Errorf("the workflow has become %+v", after)
			}
		})
	}
}

// call is a step that makes one call.
func call(c arvo.Call) func(context.Context, *purchaseStep) error {
	return func(_ context.Context, s *purchaseStep) error {
		s.Call(c)
		return nil
	}
}

// bomb panics when it is written.
type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error) { panic("bomb") }

func TestTheWildcardIsAVersionOfEvents(t *testing.T) {
	r := workflow(t, arvotest.NewMemory(), lead)
	out := take(t, r, begin(func(e *arvo.Event) { e.DataSchema = "#/test/orc/purchase/0.0.0" }))
	if len(out) != 1 || out[0].Type != "com.stock.reserve" {
		t.Errorf("the init gives %v", out)
	}
	out = take(t, r, reserved(out[0], func(e *arvo.Event) { e.DataSchema = "#/test/stock/reserve/0.0.0" }))
	if len(out) != 1 || out[0].Type != "com.payment.charge" {
		t.Errorf("the answer gives %v", out)
	}
}

func TestTheVersionIsTheSubjects(t *testing.T) {
	r := workflow(t, arvotest.NewMemory(), func(context.Context, *purchaseStep) error { panic("version 1.0.0") })
	subject := subjectOf(t, func(s *arvo.SubjectSpec) { s.Version = "2.0.0" })
	out := take(t, r, begin(func(e *arvo.Event) { e.Subject, e.DataSchema = subject, "#/test/orc/purchase/2.0.0" }))
	if len(out) != 1 || out[0].Type != "com.stock.reserve" {
		t.Errorf("got %v", out)
	}
}

// TestTheEndOfTheContextIsNoAnswer: a host that stops is nothing that the initiator should hear of.
func TestTheEndOfTheContextIsNoAnswer(t *testing.T) {
	memory := arvotest.NewMemory()
	ctx, cancel := context.WithCancelCause(context.Background())
	r := workflow(t, memory, func(ctx context.Context, _ *purchaseStep) error {
		cancel(errors.New("draining"))
		return fmt.Errorf("waiting: %w", ctx.Err())
	})
	if out, err := r.Handle(ctx, begin()); !errors.Is(err, arvo.ErrExecution) || !errors.Is(err, context.Canceled) || out != nil {
		t.Errorf("got %v, %v", out, err)
	}
	if w, _ := recall(t, memory, theSubject); w != nil {
		t.Errorf("kept is %+v", w)
	}
}

// TestAFailureIsKeptAndTold: an error of the implementation ends the workflow, in its first step and in a later one.
func TestAFailureIsKeptAndTold(t *testing.T) {
	parent := subjectOf(t, func(s *arvo.SubjectSpec) { s.Orchestrator, s.Version, s.ID = "arvo.orc.basket", "1.0.0", "parent-1" })
	subject := subjectOf(t, func(s *arvo.SubjectSpec) {
		s.Initiator, s.Meta = "arvo.orc.basket", map[string]string{"redirectto": "com.reply.here"}
	})
	large := strings.Repeat("x", arvo.MaxEvent)
	boom := func(_ context.Context, s *purchaseStep) error {
		s.State.Steps = append(s.State.Steps, "changed in vain")
		s.Call(reserveCall())
		s.Complete(arvo.Completion{Data: purchased{}})
		return namedError{"OutOfLuck", "boom"}
	}
	for _, c := range []struct {
		name string
		fail func(context.Context, *purchaseStep) error
		want string
	}{
		{"with the error's name and message, and nothing of what was asked for", boom, `{"errorName":"OutOfLuck","errorMessage":"boom","errorStack":null}`},
		{"with a call too large", call(arvo.Call{Type: "com.stock.reserve", Data: stockReserve{Order: large}}),
			`{"errorName":"EventTooLarge","errorMessage":"the event com.stock.reserve is 262`},
		{"with a completion too large", func(_ context.Context, s *purchaseStep) error {
			s.Complete(arvo.Completion{Data: purchased{Note: large}})
			return nil
		}, `{"errorName":"EventTooLarge","errorMessage":"the event arvo.orc.purchase.done is 262`},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, in its first step: %v", c.name, first), func(t *testing.T) {
				memory := arvotest.NewMemory()
				r := workflow(t, memory, func(ctx context.Context, s *purchaseStep) error {
					if first == (s.Init != nil) {
						return c.fail(ctx, s)
					}
					return lead(ctx, s)
				})
				in := begin(func(e *arvo.Event) {
					e.Subject, e.Source, e.AccessControl = subject, "arvo.orc.basket", "ac"
					e.Data = json.RawMessage(`{"parentSubject$$":"` + parent + `","order":"o","amount":1}`)
				})
				var state json.RawMessage
				if !first {
					in = reserved(take(t, r, in)[0])
					before, _ := recall(t, memory, subject)
					state = before.State
				}
				out := take(t, r, in)
				if len(out) != 1 {
					t.Fatalf("got %v", out)
				}
				if !strings.HasPrefix(string(out[0].Data), c.want) {
					t.Errorf("got %.200s", out[0].Data)
				}
				want := arvo.Event{
					ID: arvo.DeriveID(subject, in.Source, in.ID, "arvo.orc.purchase", "error", ""), Source: "arvo.orc.purchase", SpecVersion: "1.0",
					Type: "sys.arvo.orc.purchase.error", Subject: parent, DataContentType: arvo.DataContentType, DataSchema: "#/test/orc/purchase/0.0.0",
					Data: out[0].Data, Time: theTimeText, To: "arvo.orc.basket", AccessControl: in.AccessControl, ExecutionUnits: new(1.0), ParentID: "init-1",
				}
				if diff := cmp.Diff(want, out[0]); diff != "" {
					t.Error(diff)
				}
				w, records := recall(t, memory, subject)
				last := records[len(records)-1]
				if w.Status != arvo.StatusFailed || w.Failure == nil || w.Awaited != nil || string(w.State) != string(state) || w.Revision != last.Revision {
					t.Errorf("kept is %+v", w)
				}
				if diff := cmp.Diff(out, last.Produced); diff != "" {
					t.Error(diff)
				}
				if again := take(t, r, in); cmp.Diff(out, again) != "" {
					t.Errorf("when the event comes again: %v", again)
				}
				for _, late := range []arvo.Event{reserved(in, func(e *arvo.Event) { e.ID = "late" }), begin(func(e *arvo.Event) { e.ID, e.Subject = "init-2", subject })} {
					if out := take(t, r, late); out != nil {
						t.Errorf("it goes on after its failure: %v", out)
					}
				}
			})
		}
	}
}

// A memory leaves a workflow the room to fail in, 4 KiB, whatever the failure has to say: the system error says the rest.
func TestALongFailureIsCutOff(t *testing.T) {
	memory := arvotest.NewMemory()
	r := workflow(t, memory, func(context.Context, *purchaseStep) error {
		return namedError{strings.Repeat("\x01", 10_000), strings.Repeat("\x01", arvo.MaxEvent)}
	})
	in := begin()
	if out := take(t, r, in); len(out) != 1 || len(out[0].Data) < 32<<10 {
		t.Errorf("got %d events", len(out))
	}
	w, _ := recall(t, memory, in.Subject)
	text, err := json.Marshal(w.Failure)
	if err != nil || len(text) < 3<<10 || len(text) > 4<<10-128 {
		t.Errorf("%d bytes of failure are kept, %v", len(text), err)
	}
}

// TestAStepTooLargeForTheMemory ends the workflow, and whoever began it hears of that: a retry would be as large.
func TestAStepTooLargeForTheMemory(t *testing.T) {
	for _, c := range []struct {
		name string
		all  bool   // is refused
		want string // the type of the event that is sent, "" for a violation
	}{
		{"a step that goes on", false, "sys.arvo.orc.purchase.error"},
		{"any step, so that nothing can be told", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			small := &refusing{memory, c.all}
			out, err := workflow(t, small, lead).Handle(context.Background(), begin())
			if c.want == "" {
				wantContended(t, err, arvo.WriteFailed, false)
				return
			}
			if err != nil || len(out) != 1 || out[0].Type != c.want ||
				string(out[0].Data) != `{"errorName":"StepTooLarge","errorMessage":"1 byte: the step is too large to be kept","errorStack":null}` {
				t.Errorf("got %v, %v", out, err)
			}
			if w, records := recall(t, memory, theSubject); w.Status != arvo.StatusFailed || w.Awaited != nil || w.State != nil || len(records[0].Produced) != 1 {
				t.Errorf("kept is %+v", w)
			}
		})
	}
}

// refusing keeps failures only, or nothing.
type refusing struct {
	arvo.Memory
	all bool
}

func (r *refusing) Commit(ctx context.Context, subject string, w arvo.Workflow, record arvo.Record) error {
	if r.all || w.Status != arvo.StatusFailed {
		return fmt.Errorf("1 byte: %w", arvo.ErrTooLarge)
	}
	return r.Memory.Commit(ctx, subject, w, record)
}

func TestFailuresGoToTheirDomains(t *testing.T) {
	r := workflow(t, arvotest.NewMemory(), func(context.Context, *purchaseStep) error { return errors.New("boom") },
		arvo.ErrorDomains("d.one", arvo.DomainLocal))
	out := take(t, r, begin())
	if len(out) != 2 || out[0].Domain != "d.one" || out[1].Domain != "" || out[0].ID == out[1].ID {
		t.Errorf("got %v", out)
	}
}

// TestAwaited: what is an answer to which call.
func TestAwaited(t *testing.T) {
	progress := func(to arvo.Event) arvo.Event { return reply(to, "evt.stock.reserve.packing", `{"percent":50}`) }
	for _, c := range []struct {
		name  string
		calls []arvo.Call
		in    func(calls []arvo.Event) arvo.Event
		want  int // calls that are awaited during the step and after it
	}{
		{"an answer is one call less", []arvo.Call{reserveCall(), reserveCall()}, func(c []arvo.Event) arvo.Event { return reserved(c[0]) }, 1},
		{"so is a system error", []arvo.Call{reserveCall(), reserveCall()}, func(c []arvo.Event) arvo.Event { return notReserved(c[0]) }, 1},
		{"progress is no answer", []arvo.Call{reserveCall()}, func(c []arvo.Event) arvo.Event { return progress(c[0]) }, 1},
		{"what names no parent answers nothing", []arvo.Call{reserveCall()}, func(c []arvo.Event) arvo.Event {
			return reserved(c[0], func(e *arvo.Event) { e.ParentID = "" })
		}, 1},
		{"what names another's call answers nothing", []arvo.Call{reserveCall()}, func(c []arvo.Event) arvo.Event {
			return reserved(c[0], func(e *arvo.Event) { e.ParentID = "xyz" })
		}, 1},
		{"what another contract says answers nothing", []arvo.Call{reserveCall()}, func(c []arvo.Event) arvo.Event {
			return charged(c[0], func(e *arvo.Event) { e.DataSchema = "#/services/payment/charge/1.0.0" })
		}, 1},
		{"a call without a contract is not awaited", []arvo.Call{{Type: "com.unknown.x", Data: stockReserve{}}}, func(c []arvo.Event) arvo.Event {
			return reserved(c[0], func(e *arvo.Event) { e.DataSchema = "#/test/stock/reserve/1.0.0" })
		}, 0},
		{"a call that is answered elsewhere is not awaited", []arvo.Call{{Type: "com.stock.reserve", Data: stockReserve{}, RedirectTo: "com.reply.here"}},
			func(c []arvo.Event) arvo.Event { return reserved(c[0]) }, 0},
		{"a call is awaited for each of its domains", []arvo.Call{{Type: "com.stock.reserve", Data: stockReserve{}, Domains: []string{"d.one", "d.two", ""}}},
			func(c []arvo.Event) arvo.Event { return reserved(c[1]) }, 2},
		{"but once if all have one id", []arvo.Call{{Type: "com.stock.reserve", Data: stockReserve{}, ID: "mine", Domains: []string{"d.one", "d.two"}}},
			func(c []arvo.Event) arvo.Event { return reserved(c[1]) }, 0},
		{"an id that the callee has encoded is still that id", []arvo.Call{{Type: "com.stock.reserve", Data: stockReserve{}, ID: "mine é"}},
			func(c []arvo.Event) arvo.Event {
				return reserved(c[0], func(e *arvo.Event) { e.ParentID = "mine%20%C3%A9" })
			}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			r := workflow(t, memory, script(func(s *purchaseStep) {
				for _, one := range c.calls {
					s.Call(one)
				}
				if s.Awaited() != 0 {
					t.Errorf("the first step awaits %d", s.Awaited())
				}
			}, func(s *purchaseStep) {
				if s.Awaited() != c.want {
					t.Errorf("during the step %d are awaited, want %d", s.Awaited(), c.want)
				}
			}))
			take(t, r, c.in(take(t, r, begin())))
			if w, _ := recall(t, memory, theSubject); w.Revision != 2 || len(w.Awaited) != c.want {
				t.Errorf("after the step %+v are awaited, want %d", w.Awaited, c.want)
			}
		})
	}
}

// What a service was asked only that service can answer: its source is the type that was called, or the address.
func TestAnAnswerIsOfWhomWasCalled(t *testing.T) {
	timeout := func(c arvo.Event, edits ...func(*arvo.Event)) arvo.Event {
		return notReserved(c, append([]func(*arvo.Event){func(e *arvo.Event) {
			e.ID = arvo.DeriveID(theSubject, "arvo.orc.purchase", c.ID, "com.stranger", "timeout", "")
		}}, edits...)...)
	}
	from := func(source string) func(*arvo.Event) { return func(e *arvo.Event) { e.Source = source } }
	for _, c := range []struct {
		name string
		to   string // of the call
		in   func(call arvo.Event) arvo.Event
		want string // of the violation; "" for none
	}{
		{"the service", "", func(c arvo.Event) arvo.Event { return reserved(c, from("com.stock.reserve")) }, ""},
		{"the service, called at another address", "com.elsewhere", func(c arvo.Event) arvo.Event { return reserved(c, from("com.stock.reserve")) }, ""},
		{"the other address", "com.elsewhere", func(c arvo.Event) arvo.Event { return reserved(c, from("com.elsewhere")) }, ""},
		{"a stranger", "", func(c arvo.Event) arvo.Event { return reserved(c, from("com.stranger")) },
			"the call 'com.stock.reserve' (id=%s) went to 'com.stock.reserve' but the event (id=reply-evt.stock.reserve.success) that answers it is of 'com.stranger'"},
		{"a stranger, at another address", "com.elsewhere", func(c arvo.Event) arvo.Event { return reserved(c, from("com.stranger")) }, "went to 'com.elsewhere' but"},
		{"another service that is called", "", func(c arvo.Event) arvo.Event { return reserved(c, from("com.payment.charge")) }, "is of 'com.payment.charge'"},
		{"a stranger with a system error", "", func(c arvo.Event) arvo.Event { return notReserved(c, from("com.stranger")) }, "is of 'com.stranger'"},
		{"a stranger with a timeout", "", func(c arvo.Event) arvo.Event { return timeout(c, from("com.stranger")) }, "is of 'com.stranger'"},
		{"a stranger with progress", "", func(c arvo.Event) arvo.Event {
			return reply(c, "evt.stock.reserve.packing", `{"percent":50}`, from("com.stranger"))
		}, "is of 'com.stranger'"},
		{"the workflow itself", "", func(c arvo.Event) arvo.Event { return reserved(c, from("arvo.orc.purchase")) }, "is of 'arvo.orc.purchase'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			r := workflow(t, memory, script(func(s *purchaseStep) {
				call := reserveCall()
				call.To = c.to
				s.Call(call)
			}, func(*purchaseStep) {}))
			call := take(t, r, begin())[0]
			_, err := r.Handle(context.Background(), c.in(call))
			w, _ := recall(t, memory, theSubject)
			if c.want == "" {
				if err != nil || len(w.Awaited) != 0 {
					t.Errorf("%v; %+v are awaited", err, w.Awaited)
				}
				return
			}
			want := strings.Replace(c.want, "%s", call.ID, 1)
			if !errors.Is(err, arvo.ErrContract) || !strings.Contains(err.Error(), want) || w.Revision != 1 || len(w.Awaited) != 1 {
				t.Errorf("got %v, want %s; the workflow is %+v", err, want, w)
			}
		})
	}
}

func TestMoreAnswersToOneCallAreAllHeard(t *testing.T) {
	memory := arvotest.NewMemory()
	heard := 0
	r := workflow(t, memory, script(func(s *purchaseStep) { s.Call(reserveCall()) }, func(*purchaseStep) { heard++ }))
	call := take(t, r, begin())[0]
	take(t, r, reserved(call))
	take(t, r, reserved(call, func(e *arvo.Event) { e.ID = "second" }))
	if w, _ := recall(t, memory, theSubject); heard != 2 || w.Revision != 3 {
		t.Errorf("heard %d, %+v", heard, w)
	}
}

// TestRepliesAreRemembered, whatever has been sent in between: also those to the first of two batches.
func TestRepliesAreRemembered(t *testing.T) {
	memory := arvotest.NewMemory()
	var got []string
	r := workflow(t, memory, func(ctx context.Context, s *purchaseStep) error {
		replies, err := s.Replies(ctx)
		if err != nil {
			return err
		}
		got = nil
		for _, e := range replies {
			got = append(got, e.ID)
		}
		s.Call(reserveCall())
		return nil
	})
	first := take(t, r, begin())[0]
	if got != nil {
		t.Errorf("before any: %v", got)
	}
	second := take(t, r, reserved(first, func(e *arvo.Event) { e.ID = "a" }))[0]
	take(t, r, reserved(second, func(e *arvo.Event) { e.ID = "b" }))
	take(t, r, reserved(first, func(e *arvo.Event) { e.ID = "c" }))
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %v", got)
	}
	memory.Before = func(_ context.Context, call arvotest.Call) error {
		if call.Operation == arvotest.OpHistory {
			return errors.New("no table")
		}
		return nil
	}
	_, err := r.Handle(context.Background(), reserved(first, func(e *arvo.Event) { e.ID = "d" }))
	if !errors.Is(err, arvo.ErrTransaction) || !strings.Contains(err.Error(), "[READ_MACHINE_MEMORY_FAILURE] no table") {
		t.Errorf("without a history: %v", err)
	}
	memory.Before = nil
	_, err = workflow(t, forgetful{memory}, func(ctx context.Context, s *purchaseStep) error {
		_, err := s.Replies(ctx)
		return err
	}).Handle(context.Background(), reserved(first, func(e *arvo.Event) { e.ID = "d" }))
	if !errors.Is(err, arvo.ErrTransaction) || !strings.Contains(err.Error(), "[READ_MACHINE_MEMORY_FAILURE] the history has 3 of 4 steps") {
		t.Errorf("with a part of the history: %v", err)
	}
}

// forgetful is a memory that has lost the record of the last step.
type forgetful struct{ arvo.Memory }

func (f forgetful) History(ctx context.Context, subject string) ([]arvo.Record, error) {
	records, err := f.Memory.History(ctx, subject)
	return records[:max(0, len(records)-1)], err
}

// TestRepliesOfLaterStepsAreNotSeen: a step that is overtaken may read the history of those who overtook it.
func TestRepliesOfLaterStepsAreNotSeen(t *testing.T) {
	memory := arvotest.NewMemory()
	var lengths []int
	var r *arvo.Resumable
	var calls []arvo.Event
	r = workflow(t, memory, func(ctx context.Context, s *purchaseStep) error {
		if s.Init != nil {
			s.Call(reserveCall())
			s.Call(reserveCall())
			return nil
		}
		if s.Event.ID == "slow" && len(lengths) == 0 {
			lengths = append(lengths, 0)
			take(t, r, reserved(calls[1], func(e *arvo.Event) { e.ID = "fast" }))
		}
		replies, err := s.Replies(ctx)
		lengths = append(lengths, len(replies))
		return err
	}, arvo.Jitter(func() float64 { return 0 }))
	calls = take(t, r, begin())
	take(t, r, reserved(calls[0], func(e *arvo.Event) { e.ID = "slow" }))
	if !slices.Equal(lengths, []int{0, 1, 1, 2}) { // fast, slow with the fast one already kept, slow again
		t.Errorf("the replies were %v", lengths)
	}
}

// TestARedeliveryAfterACrash: the host dies between Commit and publishing; what comes again gives what was lost, to the byte.
func TestARedeliveryAfterACrash(t *testing.T) {
	memory := arvotest.NewMemory()
	runs := 0
	clock := theTime
	stamped := 0
	r := workflow(t, memory, func(ctx context.Context, s *purchaseStep) error {
		runs++
		return lead(ctx, s)
	}, arvo.Clock(func() time.Time { clock = clock.Add(time.Hour); return clock }),
		arvo.Stamp(func(_ context.Context, _, out arvo.Event) arvo.Event {
			stamped++
			return out.WithTrace(fmt.Sprintf("span %d", stamped), "")
		}))
	in := begin()
	for range 3 {
		for range 3 {
			lost := take(t, r, in)
			lost[0].ID = "the host's own business"
			again := take(t, r, in)
			if again[0].Traceparent != lost[0].Traceparent || again[0].Time != lost[0].Time || again[0].ID == lost[0].ID {
				t.Errorf("%+v is not %+v", again[0], lost[0])
			}
		}
		out := take(t, r, in)[0]
		switch out.Type {
		case "com.stock.reserve":
			in = reserved(out)
		case "com.payment.charge":
			in = charged(out)
		}
	}
	if w, records := recall(t, memory, theSubject); runs != 3 || stamped != 3 || w.Revision != 3 || len(records) != 3 {
		t.Errorf("%d runs, %d stamps, %d records", runs, stamped, len(records))
	}
}

// TestACommitWhoseAnswerIsLost has taken place: the event that comes again is answered from the record.
func TestACommitWhoseAnswerIsLost(t *testing.T) {
	for _, c := range []struct {
		name string
		lost error
		want bool // the step is answered at once
	}{
		{"a failure", errors.New("timeout"), false},
		{"a refusal, as of a client that has tried twice", fmt.Errorf("conditional check: %w", arvo.ErrRevision), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			lose := true
			memory.After = func(_ context.Context, call arvotest.Call) error {
				if call.Operation == arvotest.OpCommit && lose {
					lose = false
					return c.lost
				}
				return nil
			}
			r := workflow(t, memory, lead, arvo.Jitter(func() float64 { return 0 }))
			out, err := r.Handle(context.Background(), begin())
			if (err == nil) != c.want {
				t.Errorf("got %v", err)
			}
			again := take(t, r, begin())
			if len(again) != 1 || c.want && cmp.Diff(out, again) != "" {
				t.Errorf("got %v and %v", out, again)
			}
			if w, _ := recall(t, memory, theSubject); w.Revision != 1 {
				t.Errorf("kept is %+v", w)
			}
		})
	}
}

// TestTwoStepsOfOneRevision: while one is taken another is kept. The first is taken again, on what the other has left.
func TestTwoStepsOfOneRevision(t *testing.T) {
	memory := arvotest.NewMemory()
	var seen []string
	collect := func(_ context.Context, s *purchaseStep) error {
		if s.Init != nil {
			s.Call(reserveCall())
			s.Call(reserveCall())
			return nil
		}
		seen = append(seen, fmt.Sprint(s.Event.ID, s.State.Steps))
		s.State.Steps = append(s.State.Steps, s.Event.ID)
		if s.Awaited() == 0 {
			s.Complete(arvo.Completion{Data: purchased{true, strings.Join(s.State.Steps, "+")}})
		}
		return nil
	}
	other := workflow(t, memory, collect)
	r := workflow(t, memory, collect, arvo.Jitter(func() float64 { return 0 }))
	calls := take(t, r, begin())
	raced := false
	memory.Before = func(_ context.Context, call arvotest.Call) error {
		if call.Operation == arvotest.OpCommit && !raced {
			raced = true
			if out := take(t, other, reserved(calls[1], func(e *arvo.Event) { e.ID = "b" })); len(out) != 0 {
				t.Errorf("the first answer completes: %v", out)
			}
		}
		return nil
	}
	out := take(t, r, reserved(calls[0], func(e *arvo.Event) { e.ID = "a" }))
	if len(out) != 1 || string(out[0].Data) != `{"ok":true,"note":"b+a"}` {
		t.Errorf("got %v", out)
	}
	// What the overtaken run did to its state is gone.
	if want := []string{"a[]", "b[]", "a[b]"}; !slices.Equal(seen, want) {
		t.Errorf("the runs were %q, want %q", seen, want)
	}
	if w, _ := recall(t, memory, theSubject); w.Revision != 3 || w.Status != arvo.StatusDone {
		t.Errorf("in the end: %+v", w)
	}
}

// TestContention: a step that is overtaken over and over gives up in time, and says that it was only contention.
func TestContention(t *testing.T) {
	for _, c := range []struct {
		name         string
		deadline     time.Duration // 0: none
		least, most  time.Duration
		minAttempts  int
		maxAttempts  int
		jitter       float64
		contextError bool
	}{
		{"without a deadline, after five seconds", 0, 4 * time.Second, 5 * time.Second, 12, 16, 1, false},
		{"with a deadline, at four fifths of it", 2 * time.Second, time.Second, 1600 * time.Millisecond, 7, 9, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := arvotest.NewMemory()
				attempts := 0
				memory.Before = func(_ context.Context, call arvotest.Call) error {
					if call.Operation == arvotest.OpCommit {
						attempts++
						return fmt.Errorf("taken: %w", arvo.ErrRevision)
					}
					return nil
				}
				ctx := context.Background()
				if c.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				begun := time.Now()
				out, err := workflow(t, memory, lead, arvo.Jitter(func() float64 { return c.jitter })).Handle(ctx, begin())
				took := time.Since(begun)
				if took < c.least || took > c.most || attempts < c.minAttempts || attempts > c.maxAttempts || out != nil {
					t.Errorf("it gave up after %v and %d attempts", took, attempts)
				}
				wantContended(t, err, arvo.WriteFailed, true)
				if !errors.Is(err, arvo.ErrRevision) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	t.Run("when the context ends in a pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			memory := arvotest.NewMemory()
			memory.Before = func(_ context.Context, call arvotest.Call) error {
				if call.Operation == arvotest.OpCommit {
					return arvo.ErrRevision
				}
				return nil
			}
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(100*time.Millisecond, cancel)
			begun := time.Now()
			_, err := workflow(t, memory, lead, arvo.Jitter(func() float64 { return 1 })).Handle(ctx, begin())
			wantContended(t, err, arvo.WriteFailed, true)
			if took := time.Since(begun); took != 100*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		})
	})
}

type contention struct{}

func (contention) Error() string   { return "transaction conflict" }
func (contention) Contended() bool { return true }

// wantContended checks a Transaction violation as the broker looks at it.
func wantContended(t *testing.T, err error, failed string, want bool) {
	t.Helper()
	var memory *arvo.MemoryError
	if !errors.Is(err, arvo.ErrTransaction) || !errors.As(err, &memory) || memory.Failed != failed || !strings.Contains(err.Error(), "["+failed+"] ") {
		t.Errorf("got %v, want [%s]", err, failed)
	}
	var contended interface{ Contended() bool }
	if !errors.As(err, &contended) || contended.Contended() != want {
		t.Errorf("contended: want %v of %v", want, err)
	}
}

// TestTheMemoryFails: what goes wrong with it is a Transaction violation that says what it was.
func TestTheMemoryFails(t *testing.T) {
	for _, c := range []struct {
		name      string
		operation arvotest.Operation
		err       error
		failed    string // "": it does not matter
		contended bool
		calls     string
	}{
		{"when it is locked", arvotest.OpLock, errors.New("net"), arvo.LockFailed, false, "Lock"},
		{"when it is read", arvotest.OpRecall, errors.New("net"), arvo.ReadFailed, false, "Lock Recall Unlock"},
		{"when it is written", arvotest.OpCommit, errors.New("net"), arvo.WriteFailed, false, "Lock Recall Commit Unlock"},
		{"when it is unlocked, which matters to nobody", arvotest.OpUnlock, errors.New("net"), "", false, "Lock Recall Commit Unlock"},
		{"when it meets others as it is read", arvotest.OpRecall, contention{}, arvo.ReadFailed, true, "Lock Recall Unlock"},
		{"when it meets others as it is written", arvotest.OpCommit, contention{}, arvo.WriteFailed, true, "Lock Recall Commit Unlock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewLockingMemory()
			var calls []string
			memory.Before = func(_ context.Context, call arvotest.Call) error {
				calls = append(calls, string(call.Operation))
				if call.Operation == c.operation {
					return c.err
				}
				return nil
			}
			out, err := workflow(t, memory, lead).Handle(context.Background(), begin())
			if got := strings.Join(calls, " "); got != c.calls {
				t.Errorf("the calls were %s, want %s", got, c.calls)
			}
			if c.failed == "" {
				if err != nil || len(out) != 1 {
					t.Errorf("got %v, %v", out, err)
				}
				return
			}
			wantContended(t, err, c.failed, c.contended)
			if !errors.Is(err, c.err) || out != nil {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
}

func TestLocks(t *testing.T) {
	memory := arvotest.NewLockingMemory()
	if ok, err := memory.Lock(context.Background(), theSubject); !ok || err != nil {
		t.Fatal(ok, err)
	}
	_, err := workflow(t, memory, lead).Handle(context.Background(), begin())
	wantContended(t, err, arvo.LockUnacquired, true)
	if out := take(t, workflow(t, memory, lead, arvo.Locking(false)), begin()); len(out) != 1 {
		t.Errorf("without locking: %v", out)
	}
	single, err := arvo.NewResumable(purchaseContract, memory, arvo.Calls(version(t, stockContract, "1.0.0")), arvo.Resume("1.0.0", lead), arvo.Resume("2.0.0", lead))
	if err != nil {
		t.Fatal(err)
	}
	take(t, single, begin()) // one service: it does not lock
	locking, err := arvo.NewResumable(purchaseContract, memory, arvo.Locking(true), arvo.Resume("1.0.0", lead), arvo.Resume("2.0.0", lead))
	if err != nil {
		t.Fatal(err)
	}
	_, err = locking.Handle(context.Background(), begin())
	wantContended(t, err, arvo.LockUnacquired, true)
}

// TestALockIsGivenBack whatever happened, even when the context has ended.
func TestALockIsGivenBack(t *testing.T) {
	memory := arvotest.NewLockingMemory()
	ctx, cancel := context.WithCancel(context.Background())
	r := workflow(t, memory, func(context.Context, *purchaseStep) error {
		cancel()
		panic("and that")
	})
	if _, err := r.Handle(ctx, begin()); !errors.Is(err, arvo.ErrExecution) {
		t.Fatal(err)
	}
	if ok, err := memory.Lock(context.Background(), theSubject); !ok || err != nil {
		t.Errorf("it is held: %v, %v", ok, err)
	}
}

func TestAStateOfAnotherReleaseMayNotFit(t *testing.T) {
	memory := arvotest.NewMemory()
	call := take(t, workflow(t, memory, lead), begin())[0]
	type newer struct {
		Steps int `json:"steps"`
	}
	r, err := arvo.NewResumable(purchaseContract, memory, arvo.Calls(version(t, stockContract, "1.0.0")), arvo.Resume("2.0.0", lead),
		arvo.Resume("1.0.0", func(context.Context, *arvo.Step[newer, purchase]) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Handle(context.Background(), reserved(call)); !errors.Is(err, arvo.ErrExecution) || !strings.Contains(err.Error(), "the state that is kept does not fit the type arvo_test.newer") {
		t.Errorf("got %v", err)
	}
}

// mute cannot be written, and says too much about it.
type mute struct{}

func (mute) MarshalJSON() ([]byte, error) { return nil, errors.New("not even " + secret) }

const secret = "4111111111111111"

func resume[S, I any](f func(*arvo.Step[S, I]) error) arvo.ResumableOption {
	return arvo.Resume("1.0.0", func(_ context.Context, s *arvo.Step[S, I]) error { return f(s) })
}

// What a text says that does not fit its Go type is said by no error: errors are logged. The cause has it.
func TestErrorsHoldNoData(t *testing.T) {
	call := arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
		URI: "#/test/orc/secret", Name: "secret",
		Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {
			Init:     arvo.SchemaJSON([]byte(`{"type":"object","properties":{"card":{"type":"integer"},"at":{"type":"string"}}}`)),
			Complete: arvo.SchemaJSON([]byte(`{"type":"object","properties":{}}`)),
		}},
	}))
	begun := begin(func(e *arvo.Event) {
		e.Type, e.To, e.DataSchema = call.Type(), call.Type(), "#/test/orc/secret/1.0.0"
		e.Subject = subjectOf(t, func(s *arvo.SubjectSpec) { s.Orchestrator = call.Type() })
		e.Data = json.RawMessage(`{"parentSubject$$":null,"card":` + secret + `,"at":"` + secret + `"}`)
	})
	type init struct{}
	for _, c := range []struct {
		name   string
		option arvo.ResumableOption
		kind   error
		want   string // the end of the message
	}{
		{"an init with a number that its field does not hold", resume(func(s *arvo.Step[struct{}, struct {
			Card int32 `json:"card"`
		}]) error {
			return nil
		}), arvo.ErrContract, "card: the number is no int32"},
		{"an init with a text that its field does not take", resume(func(s *arvo.Step[struct{}, struct {
			At time.Time `json:"at"`
		}]) error {
			return nil
		}), arvo.ErrContract, "at: is no time.Time"},
		{"data that is read by a step", resume(func(s *arvo.Step[struct{}, init]) error {
			return s.Data(new(map[string]time.Time))
		}), arvo.ErrContract, "the type map[string]time.Time: card: is no time.Time"},
		{"a state that does not write itself", resume(func(s *arvo.Step[any, init]) error {
			*s.State = []any{mute{}}
			return nil
		}), arvo.ErrExecution, "the state has no JSON form: a arvo_test.mute in it fails to write itself"},
		{"a state with what is no number", resume(func(s *arvo.Step[any, init]) error {
			*s.State = json.Number("x" + secret)
			return nil
		}), arvo.ErrExecution, "the state has no JSON form"},
		{"a completion that does not write itself", resume(func(s *arvo.Step[any, init]) error {
			s.Complete(arvo.Completion{Data: mute{}})
			return nil
		}), arvo.ErrContract, "data has no JSON form: a arvo_test.mute in it fails to write itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := arvo.NewResumable(call, arvotest.NewMemory(), c.option)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.Handle(context.Background(), begun)
			if !errors.Is(err, c.kind) || !strings.HasSuffix(err.Error(), c.want) || strings.Contains(err.Error(), secret[:4]) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAStateThatDoesNotFitIsNotQuoted(t *testing.T) {
	type kept struct {
		Card string `json:"card"`
		Held []any  `json:"held"`
	}
	wrote := resume(func(s *arvo.Step[kept, purchase]) error {
		s.State.Card, s.State.Held = secret, []any{4111111111111111}
		s.Call(reserveCall())
		return nil
	})
	for _, c := range []struct {
		name   string
		option arvo.ResumableOption
		want   string // the end of the message
	}{
		{"a number", resume(func(*arvo.Step[struct{ Held []int32 }, purchase]) error { return nil }), "struct { Held []int32 }: Held is no int32"},
		{"a text that a type reads itself", resume(func(*arvo.Step[struct{ Card time.Time }, purchase]) error { return nil }), "struct { Card time.Time }"},
		{"the whole of it", resume(func(*arvo.Step[[]string, purchase]) error { return nil }), "[]string: it is no []string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			memory := arvotest.NewMemory()
			made := func(option arvo.ResumableOption) *arvo.Resumable {
				r, err := arvo.NewResumable(purchaseContract, memory, arvo.Calls(version(t, stockContract, "1.0.0")), arvo.Resume("2.0.0", lead), option)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			call := take(t, made(wrote), begin())[0]
			_, err := made(c.option).Handle(context.Background(), reserved(call))
			if !errors.Is(err, arvo.ErrExecution) || !strings.HasSuffix(err.Error(), "the state that is kept does not fit the type "+c.want) || strings.Contains(err.Error(), secret[:4]) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAnInitThatDoesNotFitItsGoType(t *testing.T) {
	type other struct {
		Order int `json:"order"`
	}
	r, err := arvo.NewResumable(purchaseContract, arvotest.NewMemory(), arvo.Resume("2.0.0", lead),
		arvo.Resume("1.0.0", func(context.Context, *arvo.Step[struct{}, other]) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Handle(context.Background(), begin()); !errors.Is(err, arvo.ErrContract) || !strings.Contains(err.Error(), "but not the type arvo_test.other: order:") {
		t.Errorf("got %v", err)
	}
}

func TestNewResumableRefuses(t *testing.T) {
	one, two := arvo.Resume("1.0.0", lead), arvo.Resume("2.0.0", lead)
	contract := func(uri, typ, emits string) *arvo.Version {
		return version(t, arvo.MustContract(arvo.NewContract(arvo.ContractSpec{URI: uri, Type: typ, Versions: map[string]arvo.VersionSpec{
			"1.0.0": {Accepts: arvo.SchemaFor[purchase](), Emits: map[string]arvo.Schema{emits: arvo.SchemaFor[purchase]()}},
		}})), "1.0.0")
	}
	memory := arvotest.NewMemory()
	stock := version(t, stockContract, "1.0.0")
	for _, c := range []struct {
		name     string
		contract *arvo.Contract
		memory   arvo.Memory
		options  []arvo.ResumableOption
		kind     error
		want     string
	}{
		{"no contract", nil, memory, nil, nil, "workflow without a contract"},
		{"no memory", purchaseContract, nil, nil, nil, "arvo: workflow arvo.orc.purchase: there is no memory"},
		{"the contract of a service", stockContract, memory, nil, nil, "the contract #/test/stock/reserve is not of an orchestrator"},
		{"a version without an implementation", purchaseContract, memory, []arvo.ResumableOption{one}, nil, "requires handler implementation for version 2.0.0"},
		{"an implementation without a version", purchaseContract, memory, []arvo.ResumableOption{one, two, arvo.Resume("3.0.0", lead)}, nil, "has no version 3.0.0"},
		{"two implementations", purchaseContract, memory, []arvo.ResumableOption{one, one}, arvo.ErrConfig, "version 1.0.0 has two implementations"},
		{"an implementation that is nil", purchaseContract, memory, []arvo.ResumableOption{arvo.Resume[int, purchase]("1.0.0", nil)}, nil, "version 1.0.0: the implementation is nil"},
		{"an init that cannot be read", purchaseContract, memory, []arvo.ResumableOption{
			arvo.Resume("1.0.0", func(context.Context, *arvo.Step[int, chan int]) error { return nil }),
		}, nil, "version 1.0.0: init: chan int: chan int cannot be read from JSON"},
		{"an init that has nothing to do with the contract", purchaseContract, memory, []arvo.ResumableOption{
			arvo.Resume("1.0.0", func(context.Context, *arvo.Step[int, greeting]) error { return nil }),
		}, nil, "version 1.0.0: init: the members of arvo_test.greeting are (greeting), and the contract lists none of them: it lists (parentSubject$$, order, amount, mode)"},
		{"a state that cannot be written", purchaseContract, memory, []arvo.ResumableOption{
			arvo.Resume("1.0.0", func(context.Context, *arvo.Step[struct{ C chan int }, purchase]) error { return nil }),
		}, nil, "version 1.0.0: state: json: unsupported type: chan int"},
		{"a service that is nil", purchaseContract, memory, []arvo.ResumableOption{arvo.Calls(nil)}, nil, "Calls: a version is nil"},
		{"two services with one URI", purchaseContract, memory, []arvo.ResumableOption{arvo.Calls(stock, stock)}, arvo.ErrConfig, "the contract #/test/stock/reserve is there twice"},
		{"two services with one URI in two options", purchaseContract, memory, []arvo.ResumableOption{arvo.Calls(stock), arvo.Calls(stock)}, arvo.ErrConfig, "is there twice"},
		{"two services that accept one type", purchaseContract, memory, []arvo.ResumableOption{
			arvo.Calls(contract("#/a", "com.a.a", "evt.a.a"), contract("#/b", "com.a.a", "evt.b.b")),
		}, arvo.ErrConfig, "#/a and #/b both accept com.a.a"},
		{"two services that emit one type", purchaseContract, memory, []arvo.ResumableOption{
			arvo.Calls(contract("#/a", "com.a.a", "evt.a.a"), contract("#/b", "com.b.b", "evt.a.a")),
		}, arvo.ErrConfig, "#/a and #/b both emit evt.a.a"},
		{"itself as a service", purchaseContract, memory, []arvo.ResumableOption{arvo.Calls(version(t, purchaseContract, "2.0.0"))}, arvo.ErrConfig, "is the workflow's own contract"},
		{"a stamp that is nil", purchaseContract, memory, []arvo.ResumableOption{arvo.Stamp(nil)}, nil, "Stamp is nil"},
		{"a jitter that is nil", purchaseContract, memory, []arvo.ResumableOption{arvo.Jitter(nil)}, nil, "Jitter is nil"},
		{"no domains", purchaseContract, memory, []arvo.ResumableOption{arvo.EmitDomains()}, nil, "EmitDomains is empty"},
		{"locks of a memory that has none", purchaseContract, memory, []arvo.ResumableOption{one, two, arvo.Locking(true)}, nil, "Locking: the memory *arvotest.Memory is no Locker"},
	} {
		r, err := arvo.NewResumable(c.contract, c.memory, c.options...)
		if err == nil || r != nil || !strings.Contains(err.Error(), c.want) || c.kind != nil && !errors.Is(err, c.kind) || c.kind == nil && arvo.IsViolation(err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	r := arvo.MustResumable(arvo.NewResumable(purchaseContract, memory, one, two))
	if r.Contract() != purchaseContract || r.Source() != "arvo.orc.purchase" {
		t.Errorf("got %v, %v", r.Contract(), r.Source())
	}
	defer func() {
		if recover() == nil {
			t.Error("MustResumable does not panic")
		}
	}()
	arvo.MustResumable(arvo.NewResumable(nil, nil))
}
