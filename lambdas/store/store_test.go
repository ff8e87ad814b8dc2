package store_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openResponses(t testing.TB) (*store.Responses, *dynamodb.Client, *clock) {
	client, c := storetest.Open(t, storetest.ResponseTable), &clock{at: time.Now()}
	return store.NewResponses(client, storetest.ResponseTable, c.now), client, c
}

// A clock stands still unless it is moved: not in the past, or the table would expire what is written.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// subject is as long as the ones that requests get.
var subject = strings.Repeat("eJxtj0FuwzAMBP/CcyW=", 11)

func newEvent(t testing.TB, typ, source, id string, extra string) arvo.Event {
	t.Helper()
	ev, err := arvo.Parse(fmt.Appendf(nil, `{"id":%q,"source":%q,"specversion":"1.0","type":%q,"subject":%q,"datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo","dataschema":"#/services/payment/charge/1.0.0","data":{"order_id":"o-1","amount":1999,"currency":"EUR"},"time":"2026-11-23T07:00:00.123+00:00","to":"api.thin.lambda","accesscontrol":null,"redirectto":null,"executionunits":0.5,"traceparent":"00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01","tracestate":null,"parentid":null,"domain":null%s}`, id, source, typ, subject, extra))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

func request(t testing.TB) arvo.Event {
	return newEvent(t, "com.payment.charge", "api.thin.lambda", "9f6b8d4e-3b4d-4f39-9c1b-2f9f0a7d5a11", "")
}

func charged(t testing.TB, id string) arvo.Event {
	return newEvent(t, "evt.payment.charge.success", "com.payment.charge", id, "")
}

func completes(ev arvo.Event) store.Response {
	return store.Response{Event: ev, ReceivedAt: time.Now(), Outcome: store.Completed, RequestType: "com.payment.charge"}
}

func accept(t testing.TB, r *store.Responses, req store.Request) store.Head {
	t.Helper()
	head, err := r.Accept(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func head(t testing.TB, r *store.Responses) store.Head {
	t.Helper()
	h, err := r.Head(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func record(t testing.TB, r *store.Responses, resp store.Response) (duplicate bool) {
	t.Helper()
	recording, err := r.Record(t.Context(), resp)
	if err != nil {
		t.Fatal(err)
	}
	return recording.Duplicate
}

func TestARequestAndItsResponse(t *testing.T) {
	r, _, clock := openResponses(t)
	if _, err := r.Head(t.Context(), subject); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("before: %v", err)
	}
	accepted := accept(t, r, store.Request{Event: request(t), TraceID: "1-65647c1a-2b3c4d5e6f708192a3b4c5d6"})
	if h := head(t, r); h.Status != store.Pending || !h.AcceptedAt.Equal(accepted.AcceptedAt) || h.TraceID != "1-65647c1a-2b3c4d5e6f708192a3b4c5d6" || !h.CompletedAt.IsZero() || same(t, *h.Request) != same(t, request(t)) {
		t.Errorf("accepted: %+v", h)
	}
	clock.advance(time.Second)
	if record(t, r, completes(charged(t, "e1"))) {
		t.Error("the first delivery is no duplicate")
	}
	if h := head(t, r); h.Status != store.Completed || h.CompletedAt.Sub(h.AcceptedAt) != time.Second || h.Deliveries != 1 || h.Events != 1 || h.ExecutionUnits != 0.5 {
		t.Errorf("completed: %+v", h)
	}
	evs, next, err := r.Events(t.Context(), subject, "")
	if err != nil || next != "" || len(evs) != 1 || same(t, evs[0]) != same(t, charged(t, "e1")) {
		t.Errorf("%v, %q, %v", evs, next, err)
	}
}

// same is an event as text, for comparison.
func same(t testing.TB, ev arvo.Event) string {
	t.Helper()
	b, err := ev.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAResponseIsKeptOnce(t *testing.T) {
	r, _, clock := openResponses(t)
	accept(t, r, store.Request{Event: request(t)})
	record(t, r, completes(charged(t, "e1")))
	first := head(t, r)
	clock.advance(time.Minute)
	other := newEvent(t, "evt.payment.charge.success", "com.payment.charge", "e1", `,"attempt":2`)
	if !record(t, r, completes(other)) {
		t.Error("the second delivery is a duplicate")
	}
	h := head(t, r)
	if h.Deliveries != 2 || h.Events != 1 || h.ExecutionUnits != 0.5 || !h.CompletedAt.Equal(first.CompletedAt) {
		t.Errorf("%+v", h)
	}
	evs, _, err := r.Events(t.Context(), subject, "")
	if err != nil || len(evs) != 1 {
		t.Fatal(evs, err)
	}
	if _, ok := evs[0].Extension("attempt"); ok {
		t.Error("a delivery that says otherwise must not replace the first")
	}
}

func TestResponsesAreToldApart(t *testing.T) {
	r, _, _ := openResponses(t)
	long := strings.Repeat("i", 1024)
	for _, ev := range []arvo.Event{
		newEvent(t, "evt.payment.charge.success", "com.a#b", "c", ""), newEvent(t, "evt.payment.charge.success", "com.a", "b#c", ""),
		newEvent(t, "evt.payment.charge.success", "com.a", long+"1", ""), newEvent(t, "evt.payment.charge.success", "com.a", long+"2", ""),
	} {
		if record(t, r, completes(ev)) {
			t.Errorf("%s of %s is no duplicate", ev.ID, ev.Source)
		}
	}
	evs, _, err := r.Events(t.Context(), subject, "")
	if err != nil || len(evs) != 4 || head(t, r).Events != 4 {
		t.Errorf("%d events are kept, and %+v counts others: %v", len(evs), head(t, r), err)
	}
}

func TestExecutionUnitsAreSummedUp(t *testing.T) {
	for _, test := range []struct {
		name  string
		units []float64
		want  float64
	}{
		{"whole ones and parts", []float64{1, 0.25, 1e-12}, 1.250000000001},
		{"below zero", []float64{-2, 0.5}, -1.5},
		{"more than a number of DynamoDB holds", []float64{math.MaxFloat64, 1}, 1e18 + 1},
		{"finer than a number of DynamoDB holds, beside a large one", []float64{5e-324, 1e17}, 1e17},
		{"far below zero", []float64{-math.MaxFloat64, 1e-9}, -1e18 + 1e-9},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _, _ := openResponses(t)
			for i, units := range test.units {
				ev := charged(t, fmt.Sprint("e", i))
				ev.ExecutionUnits = &units
				record(t, r, completes(ev))
			}
			if got := head(t, r).ExecutionUnits; got != test.want {
				t.Errorf("the sum is %v, want %v", got, test.want)
			}
			evs, _, err := r.Events(t.Context(), subject, "")
			if err != nil || len(evs) != len(test.units) || *evs[0].ExecutionUnits != test.units[0] {
				t.Errorf("%v, %v", evs, err)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	progress := func(id string) store.Response {
		return store.Response{Event: charged(t, id), Outcome: store.Pending, RequestType: "com.payment.charge"}
	}
	failed := func(id string) store.Response {
		return store.Response{Event: charged(t, id), Outcome: store.Failed, RequestType: "com.payment.charge"}
	}
	foreign := func(id string) store.Response {
		return store.Response{Event: charged(t, id), Outcome: store.Completed, RequestType: "com.shipping.book"}
	}
	unknown := func(id string) store.Response {
		return store.Response{Event: charged(t, id), Outcome: store.Completed}
	}
	for _, c := range []struct {
		name      string
		accepted  bool
		responses []store.Response
		want      store.Status
	}{
		{"progress completes nothing", true, []store.Response{progress("1"), progress("2")}, store.Pending},
		{"the first answer that is no progress completes", true, []store.Response{progress("1"), completes(charged(t, "2"))}, store.Completed},
		{"a system error fails", true, []store.Response{failed("1")}, store.Failed},
		{"what is completed does not fail", true, []store.Response{completes(charged(t, "1")), failed("2")}, store.Completed},
		{"what has failed is not completed", true, []store.Response{failed("1"), completes(charged(t, "2"))}, store.Failed},
		{"an answer to another type of request completes nothing", true, []store.Response{foreign("1")}, store.Pending},
		{"an answer of nobody known completes nothing that was asked for here", true, []store.Response{unknown("1")}, store.Pending},
		{"a subject that nobody asked for here is created by its answer", false, []store.Response{completes(charged(t, "1"))}, store.Completed},
		{"and by progress", false, []store.Response{progress("1")}, store.Pending},
		{"and by an answer of nobody known", false, []store.Response{unknown("1")}, store.Completed},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _, _ := openResponses(t)
			if c.accepted {
				accept(t, r, store.Request{Event: request(t)})
			}
			for _, resp := range c.responses {
				record(t, r, resp)
			}
			h := head(t, r)
			if h.Status != c.want || h.Events != len(c.responses) || h.Deliveries != len(c.responses) {
				t.Errorf("%+v, want %s", h, c.want)
			}
			if h.CompletedAt.IsZero() != (c.want == store.Pending) {
				t.Errorf("%s, completed at %v", h.Status, h.CompletedAt)
			}
		})
	}
}

// failAfter is a client that is cut off after n calls, as an invocation that is killed.
type failAfter struct {
	*dynamodb.Client
	n int
}

var errKilled = errors.New("killed")

func (f *failAfter) PutItem(ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if f.n--; f.n < 0 {
		return nil, errKilled
	}
	return f.Client.PutItem(ctx, in, o...)
}

func (f *failAfter) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if f.n--; f.n < 0 {
		return nil, errKilled
	}
	return f.Client.UpdateItem(ctx, in, o...)
}

func TestASinkThatIsKilledBetweenItsWritesHeals(t *testing.T) {
	for calls := range 2 {
		t.Run(fmt.Sprintf("after %d writes", calls), func(t *testing.T) {
			r, client, clock := openResponses(t)
			accept(t, r, store.Request{Event: request(t)})
			dying := store.NewResponses(&failAfter{client, calls}, storetest.ResponseTable, clock.now)
			if _, err := dying.Record(t.Context(), completes(charged(t, "e1"))); !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
			record(t, r, completes(charged(t, "e1")))
			if h := head(t, r); h.Status != store.Completed || h.Events != 1 || h.ExecutionUnits != 0.5 {
				t.Errorf("%+v", h)
			}
		})
	}
}

func TestConcurrentDeliveriesCountOnce(t *testing.T) {
	r, _, _ := openResponses(t)
	accept(t, r, store.Request{Event: request(t)})
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if _, err := r.Record(t.Context(), completes(charged(t, fmt.Sprint("e", i%20)))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if h := head(t, r); h.Status != store.Completed || h.Events != 20 || h.Deliveries != 60 || h.ExecutionUnits != 10 {
		t.Errorf("%+v", h)
	}
}

func TestIdempotencyKey(t *testing.T) {
	first := func(t *testing.T) store.Request {
		return store.Request{Event: request(t), Key: "key-1", BodyHash: "hash", Flight: 15 * time.Second}
	}
	second := func(t *testing.T) store.Request {
		req := first(t)
		req.Event.ID, req.Event.Subject = "other", "other"
		return req
	}
	t.Run("a retry while the first is in flight is told so", func(t *testing.T) {
		r, _, _ := openResponses(t)
		accept(t, r, first(t))
		if _, err := r.Accept(t.Context(), second(t)); !errors.Is(err, store.ErrInFlight) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a retry after the first has landed gets its subject and its event", func(t *testing.T) {
		r, _, _ := openResponses(t)
		accept(t, r, first(t))
		if err := r.Landed(t.Context(), "key-1"); err != nil {
			t.Fatal(err)
		}
		if h := accept(t, r, second(t)); h.Subject != subject || h.Status != store.Pending || same(t, *h.Request) != same(t, request(t)) {
			t.Errorf("%+v", h)
		}
		if _, err := r.Head(t.Context(), "other"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the retry's own subject: %v", err)
		}
	})
	t.Run("a retry after the first has died gets them when the flight is over", func(t *testing.T) {
		r, _, clock := openResponses(t)
		accept(t, r, first(t))
		clock.advance(16 * time.Second)
		if h := accept(t, r, second(t)); h.Subject != subject {
			t.Errorf("%+v", h)
		}
	})
	t.Run("a retry sees that its request is completed", func(t *testing.T) {
		r, _, clock := openResponses(t)
		accept(t, r, first(t))
		record(t, r, completes(charged(t, "e1")))
		clock.advance(16 * time.Second)
		if h := accept(t, r, second(t)); h.Status != store.Completed {
			t.Errorf("%+v", h)
		}
	})
	t.Run("another body is refused, in flight or not", func(t *testing.T) {
		r, _, clock := openResponses(t)
		accept(t, r, first(t))
		req := second(t)
		req.BodyHash = "other"
		for range 2 {
			if _, err := r.Accept(t.Context(), req); !errors.Is(err, store.ErrKeyReused) {
				t.Errorf("got %v", err)
			}
			clock.advance(time.Hour)
		}
	})
	t.Run("of many at once one is the first", func(t *testing.T) {
		r, _, _ := openResponses(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		outcomes := map[string]int{}
		for i := range 20 {
			wg.Go(func() {
				req := first(t)
				req.Event.Subject = fmt.Sprint("s", i)
				_, err := r.Accept(t.Context(), req)
				mu.Lock()
				defer mu.Unlock()
				outcomes[fmt.Sprint(err)]++
			})
		}
		wg.Wait()
		if outcomes["<nil>"] != 1 || outcomes[store.ErrInFlight.Error()] != 19 {
			t.Errorf("%v", outcomes)
		}
	})
}

func TestAPlainRequestCostsThreeWriteUnits(t *testing.T) {
	client := storetest.Open(t, storetest.ResponseTable)
	units := &counting{Client: client}
	r := store.NewResponses(units, storetest.ResponseTable, time.Now)
	accept(t, r, store.Request{Event: request(t), TraceID: "1-65647c1a-2b3c4d5e6f708192a3b4c5d6"})
	record(t, r, completes(charged(t, "5b1f9f0a-3b4d-8f39-9c1b-2f9f0a7d5a11")))
	if units.writes != 3 {
		t.Errorf("%v write units", units.writes)
	}
}

// counting asks for the capacity that writes consume.
type counting struct {
	*dynamodb.Client
	writes float64
}

func (c *counting) PutItem(ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := c.Client.PutItem(ctx, in, o...)
	if err == nil {
		c.writes += *out.ConsumedCapacity.CapacityUnits
	}
	return out, err
}

func (c *counting) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := c.Client.UpdateItem(ctx, in, o...)
	if err == nil {
		c.writes += *out.ConsumedCapacity.CapacityUnits
	}
	return out, err
}

func TestEventsComeInPages(t *testing.T) {
	t.Parallel()
	r, _, clock := openResponses(t)
	pad := strings.Repeat("x", 200_000)
	const n = 45 // 9 MB
	for i := range n {
		ev := newEvent(t, "evt.payment.charge.success", "com.payment.charge", fmt.Sprintf("e%02d", i), fmt.Sprintf(`,"pad":%q`, pad))
		record(t, r, completes(ev))
		clock.advance(time.Second)
	}
	var ids []string
	pages, after := 0, ""
	for {
		evs, next, err := r.Events(t.Context(), subject, after)
		if err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, ev := range evs {
			ids = append(ids, ev.ID)
			size += len(same(t, ev))
		}
		if size > 5<<20 {
			t.Errorf("a page of %d bytes", size)
		}
		pages++
		if after = next; after == "" {
			break
		}
	}
	if len(ids) != n || pages < 2 {
		t.Errorf("%d events in %d pages", len(ids), pages)
	}
	for i, id := range ids {
		if id != fmt.Sprintf("e%02d", i) {
			t.Fatalf("event %d is %s", i, id)
		}
	}
	for _, after := range []string{"nonsense", "SEVBRA"} { // SEVBRA is base64url of HEAD
		if _, _, err := r.Events(t.Context(), subject, after); !errors.Is(err, store.ErrCursor) {
			t.Errorf("after=%s: %v", after, err)
		}
	}
}

func TestEventsComeInTheOrderInWhichTheyWereStored(t *testing.T) {
	r, _, clock := openResponses(t)
	for _, id := range []string{"z", "a", "m"} {
		record(t, r, completes(charged(t, id)))
		clock.advance(time.Second)
	}
	evs, _, err := r.Events(t.Context(), subject, "")
	if err != nil || len(evs) != 3 || evs[0].ID+evs[1].ID+evs[2].ID != "zam" {
		t.Errorf("%v %v", evs, err)
	}
}

func TestWhatHasExpiredIsNotThere(t *testing.T) {
	r, _, clock := openResponses(t)
	accept(t, r, store.Request{Event: request(t)})
	clock.advance(store.Retention + time.Second)
	if _, err := r.Head(t.Context(), subject); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestEffectsHappenOnce(t *testing.T) {
	client := storetest.Open(t, storetest.EffectTable)
	effects := store.NewEffects(client, storetest.EffectTable, time.Now)
	charge, refund := store.Effect{Operation: "payment.charge", Key: "k"}, store.Effect{Operation: "payment.refund", Key: "k"}
	once := func(e store.Effect, result string, unless store.Effect) (string, bool, error) {
		got, first, err := effects.Once(t.Context(), e, []byte(result), unless)
		return string(got), first, err
	}
	if got, first, err := once(charge, "one", refund); got != "one" || !first || err != nil {
		t.Errorf("first: %q %v %v", got, first, err)
	}
	if got, first, err := once(charge, "two", refund); got != "one" || first || err != nil {
		t.Errorf("again: %q %v %v", got, first, err)
	}
	if got, first, err := once(refund, "back", store.Effect{}); got != "back" || !first || err != nil {
		t.Errorf("refund: %q %v %v", got, first, err)
	}
	if got, first, err := once(charge, "three", refund); got != "one" || first || err != nil {
		t.Errorf("what has happened has happened: %q %v %v", got, first, err)
	}
	late := store.Effect{Operation: "payment.charge", Key: "late"}
	void := store.Effect{Operation: "payment.refund", Key: "late"}
	if _, _, err := once(void, "nothing", late); err != nil {
		t.Fatal(err)
	}
	var forbidden *store.ForbiddenError
	if _, _, err := once(late, "one", void); !errors.As(err, &forbidden) || forbidden.By != void {
		t.Errorf("a forbidden effect: %v", err)
	}
	if _, ok, err := effects.Recorded(t.Context(), late); ok || err != nil {
		t.Errorf("a forbidden effect was recorded: %v %v", ok, err)
	}
}

// inconsistent answers reads that do not ask for more with what was there a while ago: nothing.
type inconsistent struct{ *dynamodb.Client }

func (c inconsistent) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if !aws.ToBool(in.ConsistentRead) {
		return new(dynamodb.GetItemOutput), nil
	}
	return c.Client.GetItem(ctx, in, o...)
}

func (c inconsistent) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	if !aws.ToBool(in.ConsistentRead) {
		return new(dynamodb.QueryOutput), nil
	}
	return c.Client.Query(ctx, in, o...)
}

func TestWhatWasWrittenIsReadAtOnce(t *testing.T) {
	t.Run("an effect", func(t *testing.T) {
		effects := store.NewEffects(inconsistent{storetest.Open(t, storetest.EffectTable)}, storetest.EffectTable, time.Now)
		charge := store.Effect{Operation: "payment.charge", Key: "k"}
		if _, _, err := effects.Once(t.Context(), charge, []byte("one"), store.Effect{}); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := effects.Recorded(t.Context(), charge); string(got) != "one" || !ok || err != nil {
			t.Errorf("%q %v %v", got, ok, err)
		}
	})
	t.Run("a response", func(t *testing.T) {
		r := store.NewResponses(inconsistent{storetest.Open(t, storetest.ResponseTable)}, storetest.ResponseTable, time.Now)
		accept(t, r, store.Request{Event: request(t)})
		record(t, r, completes(charged(t, "e1")))
		if h := head(t, r); h.Status != store.Completed {
			t.Errorf("%+v", h)
		}
		if evs, _, err := r.Events(t.Context(), subject, ""); len(evs) != 1 || err != nil {
			t.Errorf("%v %v", evs, err)
		}
	})
	t.Run("a workflow", func(t *testing.T) {
		workflows := store.NewWorkflows(inconsistent{storetest.Open(t, storetest.WorkflowTable)}, storetest.WorkflowTable, time.Now)
		w, r := aStep(t, 1, time.Time{})
		commit(t, workflows, w, r)
		if _, got, err := workflows.Recall(t.Context(), subject, r.Input.Key()); got == nil || err != nil {
			t.Errorf("%v %v", got, err)
		}
		if got, err := workflows.History(t.Context(), subject); len(got) != 1 || err != nil {
			t.Errorf("%v %v", got, err)
		}
	})
}

func TestOfAnEffectAndItsUndoingOneComesFirst(t *testing.T) {
	client := storetest.Open(t, storetest.EffectTable)
	effects := store.NewEffects(client, storetest.EffectTable, time.Now)
	for i := range 50 {
		do, undo := store.Effect{Operation: "do", Key: fmt.Sprint(i)}, store.Effect{Operation: "undo", Key: fmt.Sprint(i)}
		var errs [2]error
		var wg sync.WaitGroup
		wg.Go(func() { _, _, errs[0] = effects.Once(t.Context(), do, []byte("{}"), undo) })
		wg.Go(func() { _, _, errs[1] = effects.Once(t.Context(), undo, []byte("{}"), do) })
		wg.Wait()
		var f *store.ForbiddenError
		if (errs[0] == nil) == (errs[1] == nil) || !errors.As(errors.Join(errs[:]...), &f) {
			t.Fatalf("both or neither: %v", errs)
		}
	}
}

// colliding refuses transactions as DynamoDB does when another one touches the same item.
type colliding struct {
	store.API
	times int
}

func (c *colliding) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if c.times--; c.times >= 0 {
		return nil, &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{Code: aws.String("TransactionConflict")}, {Code: aws.String("None")}}}
	}
	return c.API.TransactWriteItems(ctx, in, o...)
}

func TestACollisionIsTriedAgainInside(t *testing.T) {
	client := storetest.Open(t, storetest.EffectTable)
	charge, refund := store.Effect{Operation: "payment.charge", Key: "k"}, store.Effect{Operation: "payment.refund", Key: "k"}
	effects := store.NewEffects(&colliding{client, 3}, storetest.EffectTable, time.Now)
	if _, first, err := effects.Once(t.Context(), charge, []byte("one"), refund); !first || err != nil {
		t.Errorf("%v %v", first, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	hopeless := store.NewEffects(&colliding{client, 1 << 30}, storetest.EffectTable, time.Now)
	_, _, err := hopeless.Once(ctx, charge, []byte("one"), refund)
	var c interface{ Contended() bool }
	if !errors.As(err, &c) || !c.Contended() {
		t.Errorf("got %v", err)
	}
}

// met is an endpoint at which another transaction is at the effect's item when what forbids it is found.
type met struct {
	store.API
	code string // of the effect's item, once
}

func (m *met) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	if code := m.code; code != "" {
		m.code = ""
		return nil, &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{Code: &code}, {Code: aws.String("ConditionalCheckFailed")}}}
	}
	return m.API.TransactWriteItems(ctx, in, o...)
}

// A charge and its refund have happened, and the charge is delivered twice at once.
func TestWhatHasHappenedIsNotForbiddenUnseen(t *testing.T) {
	client := storetest.Open(t, storetest.EffectTable)
	charge, refund := store.Effect{Operation: "payment.charge", Key: "k"}, store.Effect{Operation: "payment.refund", Key: "k"}
	effects := store.NewEffects(client, storetest.EffectTable, time.Now)
	for _, e := range []store.Effect{charge, refund} {
		if _, _, err := effects.Once(t.Context(), e, []byte("one"), store.Effect{}); err != nil {
			t.Fatal(err)
		}
	}
	collides := store.NewEffects(&met{client, "TransactionConflict"}, storetest.EffectTable, time.Now)
	if got, first, err := collides.Once(t.Context(), charge, []byte("two"), refund); string(got) != "one" || first || err != nil {
		t.Errorf("a collision: got %q, %v, %v", got, first, err)
	}
	throttled := store.NewEffects(&met{client, "ThrottlingError"}, storetest.EffectTable, time.Now)
	var forbidden *store.ForbiddenError
	if _, _, err := throttled.Once(t.Context(), charge, []byte("two"), refund); err == nil || errors.As(err, &forbidden) {
		t.Errorf("throttled: got %v", err)
	}
}

// DynamoDB deletes what has expired within a few days only; a key must not be refused for as long.
func TestAKeyThatHasExpiredIsFree(t *testing.T) {
	r, _, c := openResponses(t)
	req := store.Request{Event: request(t), Key: "k", BodyHash: "h1"}
	accept(t, r, req)
	c.advance(store.Retention + time.Second)
	req.Event.Subject, req.BodyHash = "another", "h2"
	if got := accept(t, r, req); got.Subject != "another" {
		t.Errorf("accepted on %s", got.Subject)
	}
}

func TestASubjectIsAcceptedOnce(t *testing.T) {
	r, _, _ := openResponses(t)
	accept(t, r, store.Request{Event: request(t)})
	again := request(t)
	again.ID = "another"
	if _, err := r.Accept(t.Context(), store.Request{Event: again}); err == nil {
		t.Error("the subject was accepted a second time")
	}
	if h := head(t, r); same(t, *h.Request) != same(t, request(t)) {
		t.Errorf("the first request was replaced: %+v", h)
	}
}

// An id may have any length and hold anything, and a partition key may not.
func TestEffectsOfLongKeysAreToldApart(t *testing.T) {
	effects := store.NewEffects(storetest.Open(t, storetest.EffectTable), storetest.EffectTable, time.Now)
	long := strings.Repeat("é", 2500)
	for i, e := range []store.Effect{
		{Operation: "do", Key: long}, {Operation: "do", Key: long + "x"}, {Operation: "undo", Key: long}, {Operation: "do", Key: strings.Repeat("k", 2045)}, {Operation: "do", Key: strings.Repeat("k", 2046)},
	} {
		for n := range 2 {
			got, first, err := effects.Once(t.Context(), e, fmt.Appendf(nil, "%d", i), store.Effect{Operation: "forbid", Key: e.Key})
			if err != nil || string(got) != fmt.Sprint(i) || first != (n == 0) {
				t.Errorf("effect %d: got %q, %v, %v", i, got, first, err)
			}
		}
	}
}

func TestAnEffectExpires(t *testing.T) {
	client := storetest.Open(t, storetest.EffectTable)
	now := time.Now()
	effects := store.NewEffects(client, storetest.EffectTable, func() time.Time { return now })
	if _, _, err := effects.Once(t.Context(), store.Effect{Operation: "o", Key: "k"}, []byte("{}"), store.Effect{}); err != nil {
		t.Fatal(err)
	}
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(storetest.EffectTable), Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "o#k"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(now.Add(store.Retention).Unix())
	if got, ok := out.Item["expiresAt"].(*types.AttributeValueMemberN); !ok || got.Value != want {
		t.Errorf("expiresAt is %v, want %s", out.Item["expiresAt"], want)
	}
}

func TestCollisionsAreTriedForFourFifthsOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		effects := store.NewEffects(&colliding{times: 1 << 30}, storetest.EffectTable, time.Now)
		began := time.Now()
		_, _, err := effects.Once(ctx, store.Effect{Operation: "do", Key: "k"}, []byte("{}"), store.Effect{Operation: "undo", Key: "k"})
		var c interface{ Contended() bool }
		if !errors.As(err, &c) || !c.Contended() {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took < 8*time.Second || took > 9*time.Second {
			t.Errorf("gave up after %v of 10 s", took)
		}
	})
}
