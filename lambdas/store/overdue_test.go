package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

// overdue returns the subjects that are overdue at now, sorted; each is handled without an error.
func overdue(t testing.TB, workflows *store.Workflows, now time.Time) []string {
	t.Helper()
	var mu sync.Mutex
	var subjects []string
	err := workflows.Overdue(t.Context(), now, func(_ context.Context, subject string, w arvo.Workflow) error {
		mu.Lock()
		defer mu.Unlock()
		if due, ok := w.Due(); !ok || due.After(now) || w.Status != arvo.StatusActive {
			t.Errorf("%s: due %v (%v), %s", subject, due, ok, w.Status)
		}
		subjects = append(subjects, subject)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(subjects)
	return subjects
}

// begin commits the first step of a workflow that awaits an answer until due.
func begin(t testing.TB, workflows *store.Workflows, subject string, due time.Time) arvo.Workflow {
	t.Helper()
	w, r := aStep(t, 1, due)
	if err := workflows.Commit(t.Context(), subject, w, r); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestOverdue(t *testing.T) {
	workflows, _ := openWorkflows(t)
	now := time.Now().Truncate(time.Millisecond)
	var want []string
	for i := range 200 { // in all shards, more than a page in some
		subject := fmt.Sprint("late-", i)
		begin(t, workflows, subject, now.Add(-time.Duration(i)*time.Second))
		want = append(want, subject)
	}
	begin(t, workflows, "in time", now.Add(time.Millisecond))
	begin(t, workflows, "by a microsecond", now.Add(time.Microsecond))
	begin(t, workflows, "waits for ever", time.Time{})
	begin(t, workflows, "over", now.Add(-time.Hour))
	w, r := aStep(t, 2, now.Add(-time.Hour))
	w.Status = arvo.StatusDone // what it had awaited does not matter any more
	if err := workflows.Commit(t.Context(), "over", w, r); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if got := overdue(t, workflows, now); !slices.Equal(got, want) {
		t.Errorf("got %d of %d: %q", len(got), len(want), got)
	}
	if got := overdue(t, workflows, now.Add(time.Second)); !slices.Equal(got, []string{"by a microsecond", "in time"}) {
		t.Errorf("a second later: %q", got)
	}
}

// A workflow that was handled is left alone for a while, ever longer, so that one that cannot move on is no flood.
func TestAnOverdueWorkflowIsPostponed(t *testing.T) {
	workflows, _ := openWorkflows(t)
	due := time.Now().Truncate(time.Millisecond)
	begin(t, workflows, subject, due)
	const m, h = time.Minute, time.Hour
	for _, after := range []time.Duration{0, 5 * m, 10 * m, 20 * m, 40 * m, 80 * m, 160 * m, 320 * m, 640 * m, 1280 * m, 2560 * m, 2560*m + 24*h, 2560*m + 48*h} {
		if got := overdue(t, workflows, due.Add(after-time.Millisecond)); len(got) > 0 {
			t.Errorf("handled before %v", after)
		}
		if got := overdue(t, workflows, due.Add(after)); len(got) != 1 {
			t.Errorf("not handled after %v", after)
		}
	}

	// A step sets the deadline that the workflow has.
	w, r := aStep(t, 2, due.Add(time.Hour))
	commit(t, workflows, w, r)
	if got := overdue(t, workflows, due.Add(59*time.Minute)); len(got) > 0 {
		t.Error("before the new deadline")
	}
	if got := overdue(t, workflows, due.Add(time.Hour)); len(got) != 1 {
		t.Error("not at the new deadline")
	}
}

// That a workflow was told of one call does not keep it from hearing of the next in time.
func TestNoDeadlineIsPostponedWithAnother(t *testing.T) {
	workflows, _ := openWorkflows(t)
	now := time.Now().Truncate(time.Millisecond)
	w, r := aStep(t, 1, now)
	for _, after := range []time.Duration{2 * time.Hour, 30*time.Second + time.Microsecond, 10 * time.Minute} {
		another := w.Awaited[0]
		another.ID, another.Due = fmt.Sprint("due after ", after), now.Add(after)
		w.Awaited = append(w.Awaited, another)
	}
	forever := w.Awaited[0]
	forever.ID, forever.Due = "for ever", time.Time{}
	w.Awaited = append(w.Awaited, forever)
	commit(t, workflows, w, r)
	const next = 30*time.Second + time.Millisecond // the first millisecond at which that call is overdue
	for _, after := range []time.Duration{0, next, next + 5*time.Minute, 10 * time.Minute, 20 * time.Minute} {
		if got := overdue(t, workflows, now.Add(after-time.Millisecond)); len(got) > 0 {
			t.Errorf("handled before %v", after)
		}
		if got := overdue(t, workflows, now.Add(after)); len(got) != 1 {
			t.Errorf("not handled after %v", after)
		}
	}
}

func TestAWorkflowThatMovesOnIsNotPostponed(t *testing.T) {
	workflows, _ := openWorkflows(t)
	now := time.Now().Truncate(time.Millisecond)
	begin(t, workflows, subject, now)
	err := workflows.Overdue(t.Context(), now, func(context.Context, string, arvo.Workflow) error {
		w, r := aStep(t, 2, now.Add(time.Second))
		return workflows.Commit(t.Context(), subject, w, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := overdue(t, workflows, now.Add(time.Second)); len(got) != 1 {
		t.Error("its new deadline is lost")
	}
}

func TestTicksAtOnceAreHarmless(t *testing.T) {
	workflows, _ := openWorkflows(t)
	now := time.Now()
	for i := range 40 {
		begin(t, workflows, fmt.Sprint("late-", i), now.Add(-time.Second))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 4 {
		wg.Go(func() {
			for _, subject := range overdue(t, workflows, now) {
				mu.Lock()
				seen[subject] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 40 {
		t.Errorf("%d of 40 were handled", len(seen))
	}
	if got := overdue(t, workflows, now.Add(time.Minute)); len(got) > 0 {
		t.Errorf("again a minute later: %q", got)
	}
}

func TestOneFailureKeepsNoOtherWorkflowWaiting(t *testing.T) {
	workflows, client := openWorkflows(t)
	now := time.Now()
	for i := range 30 {
		begin(t, workflows, fmt.Sprint("late-", i), now.Add(-time.Second))
	}
	spoilt := "late-3"
	_, err := client.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(storetest.WorkflowTable), UpdateExpression: aws.String("SET workflow = :w"),
		Key:                       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: spoilt}, "sk": &types.AttributeValueMemberS{Value: "STATE"}},
		ExpressionAttributeValues: map[string]types.AttributeValue{":w": &types.AttributeValueMemberS{Value: "{"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	handled := map[string]int{}
	refused := errors.New("the bus is down")
	tick := func() error {
		return workflows.Overdue(t.Context(), now, func(_ context.Context, subject string, _ arvo.Workflow) error {
			mu.Lock()
			defer mu.Unlock()
			if handled[subject]++; subject == "late-7" && handled[subject] == 1 {
				return refused
			}
			return nil
		})
	}
	if err := tick(); !errors.Is(err, refused) || !strings.Contains(err.Error(), "late-7") || !strings.Contains(err.Error(), spoilt) || len(handled) != 29 {
		t.Errorf("%d were handled, %v", len(handled), err)
	}
	// The next time only the failure is handled again: what cannot be read has been put off like the others.
	if err := tick(); err != nil || handled["late-7"] != 2 || handled["late-8"] != 1 {
		t.Errorf("%v, %v", handled, err)
	}
}

// A stale client answers queries of the index with what was there when it was made, as AWS may for a while.
type staleIndex struct {
	store.API
	items []map[string]types.AttributeValue
}

func (s staleIndex) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	if *in.IndexName != "deadlines" || in.ConsistentRead != nil {
		return nil, errors.New("another query than that of the index")
	}
	out := new(dynamodb.QueryOutput)
	for _, it := range s.items {
		if it["dueShard"].(*types.AttributeValueMemberS).Value == in.ExpressionAttributeValues[":shard"].(*types.AttributeValueMemberS).Value {
			out.Items = append(out.Items, it)
		}
	}
	return out, nil
}

func TestTheIndexMayLagBehind(t *testing.T) {
	workflows, client := openWorkflows(t)
	now := time.Now()
	for _, subject := range []string{"late", "moved on", "over", "forgotten"} {
		begin(t, workflows, subject, now.Add(-time.Second))
	}
	scan, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String(storetest.WorkflowTable), IndexName: aws.String("deadlines")})
	if err != nil || len(scan.Items) != 4 {
		t.Fatal(len(scan.Items), err)
	}
	w, r := aStep(t, 2, now.Add(time.Hour))
	if err := workflows.Commit(t.Context(), "moved on", w, r); err != nil {
		t.Fatal(err)
	}
	w.Status = arvo.StatusDone
	if err := workflows.Commit(t.Context(), "over", w, r); err != nil {
		t.Fatal(err)
	}
	_, err = client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(storetest.WorkflowTable), Key: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "forgotten"}, "sk": &types.AttributeValueMemberS{Value: "STATE"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	stale := store.NewWorkflows(staleIndex{client, scan.Items}, storetest.WorkflowTable, time.Now)
	if got := overdue(t, stale, now); !slices.Equal(got, []string{"late"}) {
		t.Errorf("got %q", got)
	}
	if got := overdue(t, stale, now); len(got) > 0 {
		t.Errorf("the index does not know that it was put off: %q", got)
	}
}

// A busy client is one whose every single write collides with a transaction.
type busy struct{ store.API }

func (busy) UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return nil, &types.TransactionConflictException{Message: aws.String("Transaction is ongoing for the item")}
}

func TestAWorkflowWhoseStepIsBeingKeptIsNotPostponed(t *testing.T) {
	workflows, client := openWorkflows(t)
	now := time.Now()
	begin(t, workflows, subject, now.Add(-time.Second))
	if got := overdue(t, store.NewWorkflows(busy{client}, storetest.WorkflowTable, time.Now), now); len(got) != 1 { // and no error
		t.Errorf("got %q", got)
	}
}

// endless is a table on which more workflows are overdue than can ever be handled.
type endless struct{ store.API }

func (endless) Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "late"}}
	return &dynamodb.QueryOutput{Items: []map[string]types.AttributeValue{key}, LastEvaluatedKey: key}, nil
}

func (endless) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{Item: map[string]types.AttributeValue{
		"rev": &types.AttributeValueMemberN{Value: "1"}, "dueAt": &types.AttributeValueMemberN{Value: "1"},
		"workflow": &types.AttributeValueMemberS{Value: `{"revision":1,"status":"active"}`},
	}}, nil
}

func (endless) UpdateItem(ctx context.Context, _ *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return new(dynamodb.UpdateItemOutput), ctx.Err()
}

func TestOverdueEndsBeforeItsTimeDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		var handled atomic.Int64
		err := store.NewWorkflows(endless{}, storetest.WorkflowTable, time.Now).Overdue(ctx, time.Now(), func(context.Context, string, arvo.Workflow) error {
			handled.Add(1)
			return sleep(ctx, 100*time.Millisecond)
		})
		if took := time.Since(began); err != nil || took < 24*time.Second || took > 25*time.Second {
			t.Errorf("%v after %v of 30 s", err, took)
		}
		if n := handled.Load(); n < 1000 {
			t.Errorf("%d handled: shards do not go side by side", n)
		}
	})
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestATickThatFindsNothingCostsAQueryForEachShard(t *testing.T) {
	workflows, client := openWorkflows(t)
	begin(t, workflows, subject, time.Now().Add(time.Hour))
	client.since()
	overdue(t, workflows, time.Now())
	if got := client.since(); got != strings.Repeat("Query ", 7)+"Query: 4 read, 0 write units" {
		t.Error(got)
	}
}
