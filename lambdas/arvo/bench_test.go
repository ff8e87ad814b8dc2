package arvo_test

import (
	"context"
	"encoding/json"
	"testing"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

// The benchmarks do what the original's do, with its payload and its contract, so the figures compare.

type benchItem struct {
	SKU string  `json:"sku"`
	Qty float64 `json:"qty"`
}

type benchOrder struct {
	Order  string      `json:"order"`
	Amount float64     `json:"amount" minimum:"0"`
	Items  []benchItem `json:"items"`
	Note   string      `json:"note"`
	Tags   struct {
		Region string `json:"region"`
		VIP    bool   `json:"vip"`
	} `json:"tags"`
}

type benchDone struct {
	ID    string  `json:"id"`
	Total float64 `json:"total"`
}

const benchPayload = `{"order":"order-123","amount":42.5,"items":[{"sku":"a-1","qty":2},{"sku":"b-2","qty":1}],` +
	`"note":"please ring the bell twice","tags":{"region":"eu","vip":true}}`

var benchSubject = arvo.Subject{
	Orchestrator: arvo.Orchestrator{Name: "arvo.orc.order", Version: "1.0.0"},
	Execution:    arvo.Execution{ID: "exec-1", Initiator: "api.thin.lambda"},
}

func benchDraft(b *testing.B) arvo.Draft {
	b.Helper()
	subject, err := benchSubject.Encode()
	if err != nil {
		b.Fatal(err)
	}
	return arvo.Draft{
		Source: "api.thin.lambda", Type: "com.order.create", Subject: subject, To: "com.order.create",
		DataSchema: "#/test/order/create/1.0.0", Data: json.RawMessage(benchPayload),
	}
}

func benchService(b *testing.B) *arvo.Service {
	b.Helper()
	contract, err := arvo.NewContract(arvo.ContractSpec{
		URI: "#/test/order/create", Type: "com.order.create",
		Versions: map[string]arvo.VersionSpec{"1.0.0": {
			Accepts: arvo.SchemaFor[benchOrder](),
			Emits:   map[string]arvo.Schema{"evt.order.create.success": arvo.SchemaFor[benchDone]()},
		}},
	})
	if err != nil {
		b.Fatal(err)
	}
	service, err := arvo.NewService(contract, arvo.ExecutionUnits(1),
		arvo.Implement("1.0.0", func(_ context.Context, in arvo.Input[benchOrder]) ([]arvo.Output, error) {
			return []arvo.Output{{Type: "evt.order.create.success", Data: benchDone{in.Data.Order, in.Data.Amount}}}, nil
		}))
	if err != nil {
		b.Fatal(err)
	}
	return service
}

func benchEvent(b *testing.B) (arvo.Event, []byte) {
	b.Helper()
	event, err := arvo.New(benchDraft(b))
	if err != nil {
		b.Fatal(err)
	}
	text, err := event.AppendJSON(nil)
	if err != nil {
		b.Fatal(err)
	}
	return event, text
}

func BenchmarkEventRoundTrip(b *testing.B) {
	draft := benchDraft(b)
	b.ReportAllocs()
	for b.Loop() {
		event, err := arvo.New(draft)
		if err != nil {
			b.Fatal(err)
		}
		text, err := event.MarshalJSON()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := arvo.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventParse(b *testing.B) {
	_, text := benchEvent(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := arvo.Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandlerExecute(b *testing.B) {
	service := benchService(b)
	event, _ := benchEvent(b)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if out, err := service.Handle(ctx, event); err != nil || len(out) != 1 {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkHop(b *testing.B) {
	service := benchService(b)
	_, text := benchEvent(b)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		event, err := arvo.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		out, err := service.Handle(ctx, event)
		if err != nil || len(out) != 1 {
			b.Fatal(out, err)
		}
		if _, err := out[0].MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubjectCreate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := benchSubject.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubjectParse(b *testing.B) {
	subject, err := benchSubject.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := arvo.ParseSubject(subject); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWorkflow is a workflow of two steps around a service: init -> call -> answer -> completion. Everything that
// comes in and goes out is held against its contract, and kept in a memory that is new each time.
func BenchmarkWorkflow(b *testing.B) {
	service := benchService(b)
	create, err := service.Contract().Version("1.0.0")
	if err != nil {
		b.Fatal(err)
	}
	type begun struct {
		Order string `json:"order"`
	}
	type ended struct {
		ID string `json:"id"`
	}
	contract, err := arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
		URI: "#/test/orc/order", Name: "order",
		Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {Init: arvo.SchemaFor[begun](), Complete: arvo.SchemaFor[ended]()}},
	})
	if err != nil {
		b.Fatal(err)
	}
	type state struct {
		A int `json:"a"`
	}
	var order benchOrder
	if err := json.Unmarshal([]byte(benchPayload), &order); err != nil {
		b.Fatal(err)
	}
	implementation := func(_ context.Context, s *arvo.Step[state, begun]) error {
		if s.Init != nil {
			s.State.A = 1
			s.Call(arvo.Call{Type: "com.order.create", Data: &order})
		} else {
			s.Complete(arvo.Completion{Data: ended{"x"}})
		}
		return nil
	}
	subject, err := benchSubject.Encode()
	if err != nil {
		b.Fatal(err)
	}
	init, err := arvo.New(arvo.Draft{
		Source: "api.thin.lambda", Type: "arvo.orc.order", Subject: subject, DataSchema: "#/test/orc/order/1.0.0",
		Data: json.RawMessage(`{"parentSubject$$":null,"order":"o"}`),
	})
	if err != nil {
		b.Fatal(err)
	}
	var memory struct{ arvo.Memory }
	workflow, err := arvo.NewResumable(contract, &memory, arvo.Calls(create), arvo.ExecutionUnits(1), arvo.Resume("1.0.0", implementation))
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		memory.Memory = arvotest.NewMemory()
		call, err := workflow.Handle(ctx, init)
		if err != nil || len(call) != 1 {
			b.Fatal(call, err)
		}
		answer, err := service.Handle(ctx, call[0])
		if err != nil || len(answer) != 1 {
			b.Fatal(answer, err)
		}
		done, err := workflow.Handle(ctx, answer[0])
		if err != nil || len(done) != 1 || done[0].Type != "arvo.orc.order.done" {
			b.Fatal(done, err)
		}
	}
}
