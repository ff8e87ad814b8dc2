package store_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

func TestWorkflowsAreAMemory(t *testing.T) {
	t.Parallel()
	arvotest.TestMemory(t, func(t *testing.T) arvo.Memory {
		return store.NewWorkflows(storetest.Open(t, storetest.WorkflowTable), storetest.WorkflowTable, time.Now)
	})
}

// ARVO_WORKFLOW_TABLE names a table on AWS, made as template.yaml makes WorkflowTable; credentials and region come as for
// any of AWS's tools. What the test writes expires like all else.
func TestWorkflowsAreAMemoryOnAWS(t *testing.T) {
	name := os.Getenv("ARVO_WORKFLOW_TABLE")
	if name == "" {
		t.Skip("ARVO_WORKFLOW_TABLE names no table")
	}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	workflows := store.NewWorkflows(dynamodb.NewFromConfig(cfg), name, time.Now)
	arvotest.TestMemory(t, func(*testing.T) arvo.Memory { return workflows })
}

// anEvent is an event of a workflow, with the attributes and the data that a call of arvo.orc.fulfilment has.
func anEvent(t testing.TB, id string, data string) arvo.Event {
	t.Helper()
	ev, err := arvo.New(arvo.Draft{
		ID: id, Source: "arvo.orc.fulfilment", Type: "com.payment.charge", Subject: subject, To: "com.payment.charge", RedirectTo: "arvo.orc.fulfilment",
		DataSchema: "#/services/payment/charge/1.0.0", Data: json.RawMessage(data), Time: "2026-11-23T07:00:00.123+00:00",
		ParentID: "9f6b8d4e-3b4d-4f39-9c1b-2f9f0a7d5a11", Traceparent: "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01",
	})
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

const chargeData = `{"order_id":"o-1","amount":1999,"currency":"EUR","method":"pm_ok"}`

// aStep is a step of a workflow that sends one event, and awaits the answer until due; the zero time for ever.
func aStep(t testing.TB, revision int64, due time.Time) (arvo.Workflow, arvo.Record) {
	t.Helper()
	in, out := anEvent(t, fmt.Sprint("5b1f9f0a-3b4d-8f39-9c1b-2f9f0a7d5a1", revision), chargeData), anEvent(t, fmt.Sprint("6c2f9f0a-3b4d-8f39-9c1b-2f9f0a7d5a1", revision), chargeData)
	w := arvo.Workflow{
		Revision: revision, Status: arvo.StatusActive, InitID: "9f6b8d4e-3b4d-4f39-9c1b-2f9f0a7d5a11",
		State: json.RawMessage(`{"order":` + chargeData + `,"charge":{"id":"6c2f9f0a-3b4d-8f39-9c1b-2f9f0a7d5a11"}}`),
		Awaited: []arvo.Awaited{{
			ID: out.ID, Type: out.Type, To: out.To, URI: "#/services/payment/charge", Due: due, Traceparent: out.Traceparent,
		}},
	}
	return w, arvo.Record{Revision: revision, Input: in, Produced: []arvo.Event{out}, At: time.Now()}
}

func commit(t testing.TB, m arvo.Memory, w arvo.Workflow, r arvo.Record) {
	t.Helper()
	if err := m.Commit(t.Context(), subject, w, r); err != nil {
		t.Fatal(err)
	}
}

// metered counts the calls of a client, and the units that they consume.
type metered struct {
	*dynamodb.Client
	mu            sync.Mutex
	calls         []string
	reads, writes float64
}

func (m *metered) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.GetItem(ctx, in, o...)
	if err == nil {
		m.count("GetItem", &m.reads, *out.ConsumedCapacity)
	}
	return out, err
}

func (m *metered) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.Query(ctx, in, o...)
	if err == nil {
		m.count("Query", &m.reads, *out.ConsumedCapacity)
	}
	return out, err
}

func (m *metered) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.UpdateItem(ctx, in, o...)
	if err == nil {
		m.count("UpdateItem", &m.writes, *out.ConsumedCapacity)
	}
	return out, err
}

func (m *metered) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.TransactWriteItems(ctx, in, o...)
	if err == nil {
		m.count("TransactWriteItems", &m.writes, out.ConsumedCapacity...)
	}
	return out, err
}

func (m *metered) count(call string, units *float64, consumed ...types.ConsumedCapacity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, call)
	for _, c := range consumed {
		*units += *c.CapacityUnits
	}
}

// since returns the calls, and what they consumed, since it was called last.
func (m *metered) since() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := slices.Clone(m.calls)
	slices.Sort(calls)
	s := fmt.Sprintf("%s: %v read, %v write units", strings.Join(calls, " "), m.reads, m.writes)
	m.calls, m.reads, m.writes = nil, 0, 0
	return s
}

func openWorkflows(t testing.TB) (*store.Workflows, *metered) {
	m := &metered{Client: storetest.Open(t, storetest.WorkflowTable)}
	return store.NewWorkflows(m, storetest.WorkflowTable, time.Now), m
}

// What a step costs: a transaction's units count twice, those of the index included when an entry comes, changes or goes.
func TestWhatAStepCosts(t *testing.T) {
	workflows, client := openWorkflows(t)
	recall := func(input arvo.Key) {
		t.Helper()
		if _, _, err := workflows.Recall(t.Context(), subject, input); err != nil {
			t.Fatal(err)
		}
	}
	w1, r1 := aStep(t, 1, time.Time{})
	w2, r2 := aStep(t, 2, time.Now().Add(time.Minute))
	w3, r3 := aStep(t, 3, time.Time{})
	for _, c := range []struct {
		name string
		do   func()
		want string
	}{
		{"a new workflow is recalled", func() { recall(r1.Input.Key()) }, "GetItem: 1 read, 0 write units"},
		{"a step without deadlines is kept", func() { commit(t, workflows, w1, r1) }, "TransactWriteItems: 0 read, 6 write units"},
		{"an input that is new is recalled", func() { recall(r2.Input.Key()) }, "GetItem: 1 read, 0 write units"},
		{"a step with a deadline is kept", func() { commit(t, workflows, w2, r2) }, "TransactWriteItems: 0 read, 8 write units"},
		{"an input that was taken is recalled", func() { recall(r2.Input.Key()) }, "GetItem GetItem: 2 read, 0 write units"},
		{"a step that is rid of its deadline is kept", func() { commit(t, workflows, w3, r3) }, "TransactWriteItems: 0 read, 8 write units"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do()
			if got := client.since(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A step that died at any line leaves a memory that its second delivery heals: before DynamoDB took the transaction
// nothing is kept, after that all is, whether or not anybody heard.
func TestAStepThatIsKilled(t *testing.T) {
	for _, c := range []struct {
		name string
		dies string // the call that the invocation does not survive
		done bool   // whether DynamoDB has done the call nevertheless
		kept bool
	}{
		{"before it was recalled", "GetItem", false, false},
		{"after it was recalled", "GetItem", true, false},
		{"before it was kept", "TransactWriteItems", false, false},
		{"after it was kept", "TransactWriteItems", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			workflows, client := openWorkflows(t)
			w1, r1 := aStep(t, 1, time.Time{})
			commit(t, workflows, w1, r1)
			w2, r2 := aStep(t, 2, time.Now().Add(time.Minute))
			dying := store.NewWorkflows(&mortal{API: client, dies: c.dies, done: c.done}, storetest.WorkflowTable, time.Now)
			_, _, err := dying.Recall(t.Context(), subject, r2.Input.Key())
			if err == nil {
				err = dying.Commit(t.Context(), subject, w2, r2)
			}
			if !errors.Is(err, errKilled) || errors.Is(err, arvo.ErrRevision) {
				t.Fatalf("got %v", err)
			}
			w, r, err := workflows.Recall(t.Context(), subject, r2.Input.Key())
			if err != nil {
				t.Fatal(err)
			}
			if c.kept {
				if w.Revision != 2 || r == nil || len(r.Produced) != 1 || same(t, r.Produced[0]) != same(t, r2.Produced[0]) {
					t.Fatalf("%+v %+v", w, r)
				}
				return
			}
			if w.Revision != 1 || r != nil {
				t.Fatalf("%+v %+v", w, r)
			}
			commit(t, workflows, w2, r2)
		})
	}
}

// mortal is a client that is cut off at a call, before DynamoDB has done it or after.
type mortal struct {
	store.API
	dies string
	done bool
}

func (m *mortal) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if m.dies == "GetItem" && !m.done {
		return nil, errKilled
	}
	out, err := m.API.GetItem(ctx, in, o...)
	if m.dies == "GetItem" {
		return nil, errKilled
	}
	return out, err
}

func (m *mortal) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if m.dies == "TransactWriteItems" && !m.done {
		return nil, errKilled
	}
	out, err := m.API.TransactWriteItems(ctx, in, o...)
	if err == nil && m.dies == "TransactWriteItems" {
		return nil, errKilled
	}
	return out, err
}

// refusing answers transactions with an error of DynamoDB's.
type refusing struct {
	store.API
	err error
}

func (r refusing) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return nil, r.err
}

func TestWhatARefusalMeans(t *testing.T) {
	cancelled := func(codes ...string) error {
		e := &types.TransactionCanceledException{Message: aws.String("Transaction cancelled, please refer cancellation reasons for specific reasons")}
		for _, code := range codes {
			reason := types.CancellationReason{Code: aws.String(code)}
			if code != "None" {
				reason.Message = aws.String("because of " + code)
			}
			e.CancellationReasons = append(e.CancellationReasons, reason)
		}
		return e
	}
	for _, c := range []struct {
		name                string
		refusal             error
		overtaken, contends bool
		says                string
	}{
		{"the revision is taken", cancelled("ConditionalCheckFailed", "None"), true, false, ""},
		{"the input is taken", cancelled("None", "ConditionalCheckFailed"), true, false, ""},
		{"both are", cancelled("ConditionalCheckFailed", "ConditionalCheckFailed"), true, false, ""},
		{"the revision is taken, and another is at the input", cancelled("ConditionalCheckFailed", "TransactionConflict"), true, false, ""},
		{"another is always at the state", cancelled("TransactionConflict", "None"), false, true, "lost every race"},
		{"something is invalid", cancelled("ValidationError", "None"), false, false, "because of ValidationError"},
		{"there is no throughput left", cancelled("None", "ThrottlingError"), false, false, "because of ThrottlingError"},
		{"there is no such table", &types.ResourceNotFoundException{Message: aws.String("no table")}, false, false, "no table"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				workflows := store.NewWorkflows(refusing{err: c.refusal}, storetest.WorkflowTable, time.Now)
				w, r := aStep(t, 1, time.Time{})
				err := workflows.Commit(t.Context(), subject, w, r)
				var contention interface{ Contended() bool }
				if errors.Is(err, arvo.ErrRevision) != c.overtaken || errors.As(err, &contention) != c.contends {
					t.Errorf("got %v", err)
				}
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v does not say %q", err, c.says)
				}
			})
		})
	}
}

// What is measured here and what DynamoDB measures may differ by some bytes: it has the last word.
func TestWhatDynamoDBFindsTooLarge(t *testing.T) {
	for _, message := range []string{"Item size to update has exceeded the maximum allowed size", "Item size has exceeded the maximum allowed size"} {
		workflows := store.NewWorkflows(refusing{err: &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{
			{Code: aws.String("None")}, {Code: aws.String("ValidationError"), Message: aws.String(message)},
		}}}, storetest.WorkflowTable, time.Now)
		w, r := aStep(t, 1, time.Time{})
		err := workflows.Commit(t.Context(), subject, w, r)
		large, ok := errors.AsType[*store.TooLargeError](err)
		if !ok || large.Limit != 400<<10 || !errors.Is(err, arvo.ErrTooLarge) || errors.Is(err, arvo.ErrRevision) || !strings.Contains(err.Error(), message) {
			t.Errorf("got %v", err)
		}
	}
}

func TestACommitThatCollidesOnceIsKept(t *testing.T) {
	client := storetest.Open(t, storetest.WorkflowTable)
	workflows := store.NewWorkflows(&colliding{client, 2}, storetest.WorkflowTable, time.Now)
	w, r := aStep(t, 1, time.Time{})
	commit(t, workflows, w, r)
}

// What one item has no room for goes on in others, and comes back as one.
func TestALargeStepIsDivided(t *testing.T) {
	t.Parallel()
	workflows, client := openWorkflows(t)
	big := func(id string) arvo.Event { return anEvent(t, id, `{"pad":"`+strings.Repeat("x", 250<<10)+`"}`) }
	w1, r1 := aStep(t, 1, time.Time{})
	r1.Input, r1.Produced = big("in"), nil
	for i := range 6 { // 1.5 MB
		r1.Produced = append(r1.Produced, big(fmt.Sprint("out-", i)), anEvent(t, fmt.Sprint("small-", i), chargeData))
	}
	commit(t, workflows, w1, r1)
	w2, r2 := aStep(t, 2, time.Time{})
	commit(t, workflows, w2, r2)

	_, again, err := workflows.Recall(t.Context(), subject, r1.Input.Key())
	if err != nil {
		t.Fatal(err)
	}
	history, err := workflows.History(t.Context(), subject)
	if err != nil || len(history) != 2 || len(history[1].Produced) != 1 {
		t.Fatalf("%d records, %v", len(history), err)
	}
	for _, got := range []arvo.Record{*again, history[0]} {
		if len(got.Produced) != len(r1.Produced) || same(t, got.Input) != same(t, r1.Input) {
			t.Fatalf("%d events", len(got.Produced))
		}
		for i, ev := range got.Produced {
			if same(t, ev) != same(t, r1.Produced[i]) {
				t.Errorf("event %d is %s", i, ev.ID)
			}
		}
	}

	t.Run("a record that has lost a part is not passed off as whole", func(t *testing.T) {
		_, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(storetest.WorkflowTable), Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: subject}, "sk": &types.AttributeValueMemberS{Value: "OUT#1#03"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := workflows.Recall(t.Context(), subject, r1.Input.Key()); err == nil || !strings.Contains(err.Error(), "of 6 items") {
			t.Errorf("got %v", err)
		}
	})
}

// Wherever the limit of an item falls, DynamoDB takes what was divided.
func TestAStepFillsItsItemsToTheBrim(t *testing.T) {
	t.Parallel()
	workflows, client := openWorkflows(t)
	var divided []bool
	for more := range 10 {
		w, r := aStep(t, 1, time.Time{})
		r.Input.Data = json.RawMessage(`{"pad":"` + strings.Repeat("x", 200<<10) + `"}`)
		r.Produced = []arvo.Event{anEvent(t, "out", `{"pad":"`+strings.Repeat("x", 200<<10-1310+more)+`"}`)}
		name := fmt.Sprintf("brim-%02d", more)
		r.Input.Subject, r.Produced[0].Subject = name, name
		if err := workflows.Commit(t.Context(), name, w, r); err != nil {
			t.Fatal(more, err)
		}
		out, err := client.Client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(storetest.WorkflowTable), Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: name}, "sk": &types.AttributeValueMemberS{Value: "OUT#1#01"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		divided = append(divided, out.Item != nil)
	}
	if divided[0] || !divided[9] {
		t.Errorf("the limit is not among what was tried: %v", divided)
	}
}

// A list takes a byte for each of its elements: many small events fill an item before their texts do.
func TestManySmallEventsFillAnItemToTheBrim(t *testing.T) {
	t.Parallel()
	workflows, _ := openWorkflows(t)
	at := time.Now()
	var produced []arvo.Event
	for i := range 300 {
		produced = append(produced, anEvent(t, fmt.Sprintf("small-%03d", i), chargeData))
	}
	step := func(name string, pad int) (arvo.Workflow, arvo.Record) {
		w, r := aStep(t, 1, time.Time{})
		r.At, r.Produced = at, slices.Clone(produced)
		r.Input.Data = json.RawMessage(`{"pad":"` + strings.Repeat("x", pad) + `"}`)
		r.Input.Subject = name
		for i := range r.Produced {
			r.Produced[i].Subject = name
		}
		return w, r
	}
	most := sort.Search(400<<10, func(pad int) bool {
		var sent weighing
		w, r := step("brim-0", pad)
		err := store.NewWorkflows(&sent, storetest.WorkflowTable, time.Now).Commit(t.Context(), "brim-0", w, r)
		return err != nil || sent.writes > 2
	}) - 1
	for i := range 2 {
		name := fmt.Sprint("brim-", i)
		w, r := step(name, most+i)
		if err := workflows.Commit(t.Context(), name, w, r); err != nil {
			t.Errorf("%d bytes more than fit one item: %v", i, err)
		}
	}
}

// A weighing client keeps nothing but the number of writes in a transaction.
type weighing struct {
	store.API
	writes int
}

func (c *weighing) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	c.writes = len(in.TransactItems)
	return new(dynamodb.TransactWriteItemsOutput), nil
}

// Wherever the limit falls, what is not refused here is taken by DynamoDB: the marks of all inputs that were taken count. And
// a workflow that goes on can still fail.
func TestAStateFillsItsItemToTheBrim(t *testing.T) {
	t.Parallel()
	offline := store.NewWorkflows(refusing{err: errKilled}, storetest.WorkflowTable, time.Now)
	for _, status := range []arvo.Status{arvo.StatusActive, arvo.StatusDone} {
		t.Run(string(status), func(t *testing.T) {
			workflows, _ := openWorkflows(t)
			const steps = 100
			due := time.Now().Truncate(time.Second) // in JSON it is always as long
			for revision := range int64(steps) {
				w, r := aStep(t, revision+1, time.Time{})
				commit(t, workflows, w, r)
			}
			padded := func(n int) (arvo.Workflow, arvo.Record) {
				w, r := aStep(t, steps+1, due)
				w.Status, w.State = status, json.RawMessage(`{"pad":"`+strings.Repeat("x", n)+`"}`)
				return w, r
			}
			most := sort.Search(400<<10, func(n int) bool {
				w, r := padded(n)
				return errors.Is(offline.Commit(t.Context(), subject, w, r), arvo.ErrTooLarge)
			}) - 1
			if most < 390<<10 {
				t.Errorf("more than %d bytes are refused", most)
			}
			w, r := padded(most)
			commit(t, workflows, w, r)
			if status != arvo.StatusActive {
				return
			}
			failed, record := aStep(t, steps+2, time.Time{})
			failed.Status, failed.State, failed.Awaited = arvo.StatusFailed, w.State, nil
			failed.Failure = &arvo.Failure{Name: "StepTooLarge", Message: strings.Repeat("x", 1<<10)}
			commit(t, workflows, failed, record)
		})
	}
}

func TestWhatIsTooLargeIsRefusedBeforeItIsSent(t *testing.T) {
	pad := func(n int) string { return `{"pad":"` + strings.Repeat("x", n) + `"}` }
	for _, c := range []struct {
		name  string
		spoil func(*arvo.Workflow, *arvo.Record)
		what  string
		limit int
	}{
		{"a state", func(w *arvo.Workflow, _ *arvo.Record) { w.State = json.RawMessage(pad(400 << 10)) }, "the state of a workflow", 400 << 10},
		{"an input", func(_ *arvo.Workflow, r *arvo.Record) { r.Input.Data = json.RawMessage(pad(400 << 10)) }, "the input", 400 << 10},
		{"an event that is sent", func(_ *arvo.Workflow, r *arvo.Record) { r.Produced[0].Data = json.RawMessage(pad(400 << 10)) }, "the event 6c2f9f0a", 400 << 10},
		{"all events together", func(_ *arvo.Workflow, r *arvo.Record) {
			for range 17 {
				r.Produced = append(r.Produced, anEvent(t, "out", pad(250<<10)))
			}
		}, "a step with all that it sends", 4 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			workflows := store.NewWorkflows(nil, storetest.WorkflowTable, time.Now) // a call would panic
			w, r := aStep(t, 1, time.Time{})
			c.spoil(&w, &r)
			err := workflows.Commit(t.Context(), subject, w, r)
			var large *store.TooLargeError
			if !errors.As(err, &large) || !strings.HasPrefix(large.What, c.what) || large.Limit != c.limit || large.Size <= c.limit {
				t.Errorf("got %v", err)
			}
			if errors.Is(err, arvo.ErrRevision) || !errors.Is(err, arvo.ErrTooLarge) {
				t.Errorf("to take the step again would not help: %v", err)
			}
		})
	}
}

// A client chooses what an access control says: a byte of it is a byte of STATE, whichever byte it is.
func TestNothingThatIsKeptGrowsByEscapes(t *testing.T) {
	workflows, _ := openWorkflows(t)
	w, r := aStep(t, 1, time.Time{})
	w.Awaited[0].AccessControl = strings.Repeat("<&>", 100<<10)
	commit(t, workflows, w, r)
	got, _, err := workflows.Recall(t.Context(), subject, arvo.Key{})
	if err != nil || got.Awaited[0].AccessControl != w.Awaited[0].AccessControl {
		t.Errorf("%v", err)
	}
}

// STATE marks inputs with four bytes; two inputs with one mark are two inputs all the same.
func TestTwoInputsWithOneMark(t *testing.T) {
	marks := map[string]string{}
	var a, b string
	for i := 0; b == ""; i++ {
		id := fmt.Sprint(i)
		sum := sha256.Sum256([]byte("19#arvo.orc.fulfilment#" + id)) // as markOf does
		if a = marks[string(sum[:4])]; a != "" {
			b = id
		}
		marks[string(sum[:4])] = id
	}
	workflows, client := openWorkflows(t)
	w1, r1 := aStep(t, 1, time.Time{})
	r1.Input.ID = a
	commit(t, workflows, w1, r1)
	client.since()
	w2, r2 := aStep(t, 2, time.Time{})
	r2.Input.ID = b
	w, r, err := workflows.Recall(t.Context(), subject, r2.Input.Key())
	if err != nil || w == nil || r != nil {
		t.Fatalf("%v %v %v", w, r, err)
	}
	if got := client.since(); !strings.HasPrefix(got, "GetItem GetItem:") {
		t.Fatalf("%q and %q do not have one mark: %s", a, b, got)
	}
	commit(t, workflows, w2, r2)
	if _, r, err := workflows.Recall(t.Context(), subject, r2.Input.Key()); err != nil || r == nil || r.Revision != 2 {
		t.Errorf("%v %v", r, err)
	}
}

// Records expire one by one, in any order, and the workflow may live on. What is left of them is not its history.
func TestAHistoryWithoutOneOfItsStepsIsNone(t *testing.T) {
	for _, c := range []struct {
		name string
		gone int64
	}{{"the first", 1}, {"one in between", 2}} {
		t.Run(c.name, func(t *testing.T) {
			workflows, client := openWorkflows(t)
			for revision := range int64(3) {
				w, r := aStep(t, revision+1, time.Time{})
				commit(t, workflows, w, r)
			}
			_, gone := aStep(t, c.gone, time.Time{})
			_, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(storetest.WorkflowTable), Key: map[string]types.AttributeValue{
				"pk": &types.AttributeValueMemberS{Value: subject}, "sk": &types.AttributeValueMemberS{Value: "IN#" + gone.Input.Source + "#" + gone.Input.ID},
			}})
			if err != nil {
				t.Fatal(err)
			}
			history, err := workflows.History(t.Context(), subject)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("step %d is gone", c.gone)) {
				t.Errorf("%d records, %v", len(history), err)
			}
			if w, r, err := workflows.Recall(t.Context(), subject, gone.Input.Key()); err != nil || w == nil || r != nil {
				t.Errorf("its input is not taken as new: %v %v %v", w, r, err)
			}
		})
	}
}

func TestAWorkflowExpires(t *testing.T) {
	client := storetest.Open(t, storetest.WorkflowTable)
	now := time.Now()
	workflows := store.NewWorkflows(client, storetest.WorkflowTable, func() time.Time { return now })
	for i, c := range []struct {
		name string
		due  time.Time
		want time.Time
	}{
		{"a while after its last step", time.Time{}, now.Add(store.Retention)},
		{"a while after a deadline that is far away", now.Add(100 * 24 * time.Hour), now.Add(100*24*time.Hour + store.Retention)},
		{"a while after its last step when its deadline has passed", now.Add(-time.Hour), now.Add(store.Retention)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, r := aStep(t, int64(i)+1, c.due)
			commit(t, workflows, w, r)
			for _, key := range []string{"STATE", "IN#arvo.orc.fulfilment#" + r.Input.ID} {
				out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(storetest.WorkflowTable), Key: map[string]types.AttributeValue{
					"pk": &types.AttributeValueMemberS{Value: subject}, "sk": &types.AttributeValueMemberS{Value: key},
				}})
				if err != nil {
					t.Fatal(err)
				}
				if got, ok := out.Item["expiresAt"].(*types.AttributeValueMemberN); !ok || got.Value != fmt.Sprint(c.want.Unix()) {
					t.Errorf("%s: expiresAt is %v, want %d", key, out.Item["expiresAt"], c.want.Unix())
				}
			}
		})
	}
}
