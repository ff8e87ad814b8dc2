package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/jsontext"
)

// DynamoDB's limits on what is written at once:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const (
	maxItem        = 400 << 10
	maxTransaction = 4 << 20 // and 100 items, which half as many bytes cannot fill
)

// roomToFail is what the STATE of a workflow that goes on leaves free: whatever the next step is, that the workflow has failed
// at it can be kept.
const roomToFail = 4 << 10

// Workflows is an [arvo.Memory]. It may be used by many goroutines.
type Workflows struct {
	client API
	table  string
	now    func() time.Time
}

var _ arvo.Memory = (*Workflows)(nil)

// NewWorkflows returns the workflows on the given table.
func NewWorkflows(client API, table string, now func() time.Time) *Workflows {
	return &Workflows{client: client, table: table, now: now}
}

// A TooLargeError says that a step cannot be kept, now or ever: What has Size bytes, and DynamoDB takes Limit. Size is 0 if it
// is DynamoDB that has measured, which does not say.
type TooLargeError struct {
	What        string
	Size, Limit int
}

func (e *TooLargeError) Error() string {
	if e.Size == 0 {
		return fmt.Sprintf("store: %s is over DynamoDB's limit of %d bytes", e.What, e.Limit)
	}
	return fmt.Sprintf("store: %s has %d bytes, over DynamoDB's limit of %d", e.What, e.Size, e.Limit)
}

// Unwrap returns [arvo.ErrTooLarge]: the workflow fails, for another try would end alike.
func (e *TooLargeError) Unwrap() error { return arvo.ErrTooLarge }

// Recall implements [arvo.Memory]. It reads STATE, and IN only if STATE says that the input may have been taken: an input
// that is new costs one call, and in this order an old one cannot be missed.
func (w *Workflows) Recall(ctx context.Context, subject string, input arvo.Key) (*arvo.Workflow, *arvo.Record, error) {
	state, err := w.get(ctx, subject, stateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("store: recall: %w", err)
	}
	if state == nil {
		return nil, nil, nil
	}
	workflow, err := workflowOf(state)
	if err != nil {
		return nil, nil, fmt.Errorf("store: recall: %w", err)
	}
	mark := markOf(input)
	if !slices.ContainsFunc(state.blobs("taken"), func(b []byte) bool { return bytes.Equal(b, mark) }) {
		return workflow, nil, nil
	}
	in, err := w.get(ctx, subject, inputKey(input))
	if err != nil {
		return nil, nil, fmt.Errorf("store: recall: %w", err)
	}
	if in == nil {
		// Another input has the same mark; or this one was taken so long ago that its record has expired, and is taken as new.
		return workflow, nil, nil
	}
	record, err := w.record(ctx, subject, in)
	if err != nil {
		return nil, nil, fmt.Errorf("store: recall: %w", err)
	}
	return workflow, &record, nil
}

// get reads one item consistently; nil if there is none.
func (w *Workflows) get(ctx context.Context, subject, key string) (item, error) {
	out, err := w.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &w.table, Key: item{"pk": text(subject), "sk": text(key)}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// Commit implements [arvo.Memory]. What DynamoDB cannot hold gives a [*TooLargeError].
func (w *Workflows) Commit(ctx context.Context, subject string, workflow arvo.Workflow, r arvo.Record) error {
	if workflow.Revision != r.Revision {
		return fmt.Errorf("store: commit: the workflow is of revision %d and its record of %d", workflow.Revision, r.Revision)
	}
	writes, err := w.writes(subject, workflow, r)
	if err != nil {
		return err
	}
	err = retryContention(ctx, func() error {
		_, err := w.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
		return err
	})
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		for _, reason := range cancelled.CancellationReasons {
			switch code := aws.ToString(reason.Code); {
			case code == conditionFailed:
				return fmt.Errorf("store: commit of revision %d: %w", r.Revision, arvo.ErrRevision)
			case code == "ValidationError" && strings.HasPrefix(aws.ToString(reason.Message), "Item size "):
				large := &TooLargeError{What: "an item of revision " + strconv.FormatInt(r.Revision, 10), Limit: maxItem}
				return fmt.Errorf("%w: %s", large, *reason.Message)
			case code != reasonNone && reason.Message != nil: // the exception itself names codes only
				err = fmt.Errorf("%w: %s", err, *reason.Message)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("store: commit of revision %d: %w", r.Revision, err)
	}
	return nil
}

// writes is the transaction that keeps a step: STATE, IN, and OUT items for the events that IN has no room for.
func (w *Workflows) writes(subject string, workflow arvo.Workflow, r arvo.Record) ([]types.TransactWriteItem, error) {
	state, err := w.stateUpdate(subject, workflow, markOf(r.Input.Key()))
	if err != nil {
		return nil, err
	}
	expires := number(w.expiry(workflow).Unix())
	input, err := eventText(r.Input, subject)
	if err != nil {
		return nil, err
	}
	in := item{
		"pk": text(subject), "sk": text(inputKey(r.Input.Key())), "rev": number(r.Revision), "at": number(r.At.UnixMilli()),
		"input": text(input), "expiresAt": expires,
	}
	items := []item{in}
	var produced []types.AttributeValue // of the last item
	const list = len("produced") + perList
	room := maxItem - sizeOf(in) - sizeOf(item{"more": number(0)}) - list
	for _, ev := range r.Produced {
		s, err := eventText(ev, subject)
		if err != nil {
			return nil, err
		}
		need := len(s) + perElement
		if need > room {
			items[len(items)-1]["produced"] = &types.AttributeValueMemberL{Value: produced}
			out := item{"pk": text(subject), "sk": text(outputKey(r.Revision, len(items))), "expiresAt": expires}
			items, produced, room = append(items, out), nil, maxItem-sizeOf(out)-list
		}
		if need > room {
			return nil, &TooLargeError{"the event " + ev.ID + " that a step sends", len(s), maxItem}
		}
		produced, room = append(produced, text(s)), room-need
	}
	items[len(items)-1]["produced"] = &types.AttributeValueMemberL{Value: produced}
	if len(items) > 1 {
		in["more"] = number(int64(len(items) - 1))
	}
	if size := sizeOf(in); size > maxItem {
		return nil, &TooLargeError{"the input " + r.Input.ID + " of a step", size, maxItem}
	}

	actions := []types.TransactWriteItem{{Update: state}}
	total := sizeOf(state.Key) + sizeOf(state.ExpressionAttributeValues)
	for _, it := range items {
		actions = append(actions, types.TransactWriteItem{Put: &types.Put{
			TableName: &w.table, Item: it, ConditionExpression: aws.String("attribute_not_exists(pk)"),
		}})
		total += sizeOf(it)
	}
	if total > maxTransaction {
		return nil, &TooLargeError{"a step with all that it sends", total, maxTransaction}
	}
	return actions, nil
}

// stateUpdate is an update and no put: what DynamoDB knows of the inputs that were taken is added to.
func (w *Workflows) stateUpdate(subject string, workflow arvo.Workflow, mark []byte) (*types.Update, error) {
	state := workflow.State
	workflow.State = nil                    // it has an attribute of its own, in which no byte of it changes
	rest, err := jsontext.Marshal(workflow) // encoding/json would make six bytes of one <
	if err != nil {
		return nil, fmt.Errorf("store: commit: %w", err)
	}
	values := item{
		":rev": number(workflow.Revision), ":workflow": text(string(rest)), ":state": text(string(state)),
		":expiresAt": number(w.expiry(workflow).Unix()), ":taken": &types.AttributeValueMemberBS{Value: [][]byte{mark}},
	}
	update := "SET rev = :rev, workflow = :workflow, #state = :state, expiresAt = :expiresAt"
	if due, ok := workflow.Due(); ok && workflow.Status == arvo.StatusActive {
		update += ", dueShard = :dueShard, dueAt = :dueAt"
		values[":dueShard"], values[":dueAt"] = text(shardOf(subject)), number(millisecondsUp(due))
	} else {
		update += " REMOVE dueShard, dueAt"
	}
	condition := "attribute_not_exists(pk)"
	if workflow.Revision > 1 {
		condition = "rev = :before"
		values[":before"] = number(workflow.Revision - 1)
	}
	key := item{"pk": text(subject), "sk": text(stateKey)}
	size := sizeOf(key) + sizeOf(values) + len(mark)*int(workflow.Revision-1) // each step before has left its mark
	if workflow.Status == arvo.StatusActive {
		size += roomToFail
	}
	if size > maxItem {
		return nil, &TooLargeError{"the state of a workflow, with the calls that it awaits, the marks of its inputs and room to fail,", size, maxItem}
	}
	return &types.Update{
		TableName: &w.table, Key: key,
		UpdateExpression: aws.String(update + " ADD taken :taken"), ConditionExpression: &condition,
		ExpressionAttributeNames: map[string]string{"#state": "state"}, ExpressionAttributeValues: values,
	}, nil
}

// expiry is when DynamoDB may forget a workflow: Retention after its last step, or after the last deadline that it awaits.
func (w *Workflows) expiry(workflow arvo.Workflow) time.Time {
	last := w.now()
	for _, awaited := range workflow.Awaited {
		if awaited.Due.After(last) {
			last = awaited.Due
		}
	}
	return last.Add(Retention)
}

// History implements [arvo.Memory]. Where the record of a step has expired before its workflow, it is an error that names the
// step: what is left is not the history.
func (w *Workflows) History(ctx context.Context, subject string) ([]arvo.Record, error) {
	ins, err := w.query(ctx, subject, inputPrefix)
	if err != nil {
		return nil, fmt.Errorf("store: history: %w", err)
	}
	records := make([]arvo.Record, len(ins))
	for i, in := range ins {
		if records[i], err = w.record(ctx, subject, in); err != nil {
			return nil, fmt.Errorf("store: history: %w", err)
		}
	}
	slices.SortFunc(records, func(a, b arvo.Record) int { return cmp.Compare(a.Revision, b.Revision) })
	for i, r := range records {
		if want := int64(i) + 1; r.Revision != want {
			return nil, fmt.Errorf("store: history: step %d is gone: a record is kept for %v", want, Retention)
		}
	}
	return records, nil
}

// query reads all items of a subject whose sort keys begin alike, consistently and in their order.
func (w *Workflows) query(ctx context.Context, subject, prefix string) (items []item, err error) {
	in := &dynamodb.QueryInput{
		TableName: &w.table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(sk, :prefix)"),
		ExpressionAttributeValues: item{":pk": text(subject), ":prefix": text(prefix)},
	}
	for {
		out, err := w.client.Query(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, it := range out.Items {
			items = append(items, it)
		}
		if out.LastEvaluatedKey == nil {
			return items, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// record reads the record of an IN item, and its OUT items if it has any.
func (w *Workflows) record(ctx context.Context, subject string, in item) (arvo.Record, error) {
	fault := func(err error) (arvo.Record, error) {
		return arvo.Record{}, fmt.Errorf("item %s: %w", in.text("sk"), err)
	}
	r := arvo.Record{Revision: in.number("rev"), At: time.UnixMilli(in.number("at"))}
	var err error
	if r.Input, err = restore(in.text("input"), subject); err != nil {
		return fault(err)
	}
	items := []item{in}
	if more := int(in.number("more")); more > 0 {
		outs, err := w.query(ctx, subject, outputPrefix(r.Revision))
		if err != nil {
			return fault(err)
		}
		if len(outs) != more {
			return fault(fmt.Errorf("%d of %d items with events that were sent", len(outs), more))
		}
		items = append(items, outs...)
	}
	for _, it := range items {
		for _, s := range it.list("produced") {
			ev, err := restore(s, subject)
			if err != nil {
				return fault(err)
			}
			r.Produced = append(r.Produced, ev)
		}
	}
	return r, nil
}

func workflowOf(state item) (*arvo.Workflow, error) {
	var w arvo.Workflow
	if err := json.Unmarshal([]byte(state.text("workflow")), &w); err != nil {
		return nil, fmt.Errorf("item %s: %w", stateKey, err)
	}
	if s := state.text("state"); s != "" {
		w.State = json.RawMessage(s)
	}
	return &w, nil
}

const (
	stateKey    = "STATE"
	inputPrefix = "IN#"
)

// inputKey is IN#<source>#<id>.
func inputKey(k arvo.Key) string { return sortKey(inputPrefix, k) }

// outputPrefix begins the keys of the OUT items of a step, which are in the order of the step's events.
func outputPrefix(revision int64) string { return "OUT#" + strconv.FormatInt(revision, 10) + "#" }

func outputKey(revision int64, n int) string { return fmt.Sprintf("%s%02d", outputPrefix(revision), n) }

// markOf is by what STATE tells that an input may have been taken. Two inputs with one mark cost a read more, and that is
// all: four bytes are enough.
func markOf(k arvo.Key) []byte {
	sum := sumOf(k)
	return sum[:4]
}

// eventText is an event as the items of a subject keep it: [elide] spares them their own subject.
func eventText(ev arvo.Event, subject string) (string, error) {
	if ev.Subject == subject {
		return elide(ev)
	}
	b, err := ev.MarshalJSON()
	if err != nil {
		return "", fmt.Errorf("store: event %s: %w", ev.ID, err)
	}
	return string(b), nil
}

func millisecondsUp(t time.Time) int64 { return t.Add(time.Millisecond - 1).UnixMilli() }
