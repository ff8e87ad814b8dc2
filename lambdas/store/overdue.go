package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"example.com/arvo/lambdas/arvo"
)

// dueIndex is the sparse index of the workflows that await a call with a deadline, by dueShard and dueAt.
const dueIndex = "deadlines"

// shards is among how many keys the index is divided. One key takes 1,000 writes a second, and as dueAt only grows,
// DynamoDB cannot divide a key that is hot; a table that writes more than its index takes is throttled itself. Eight make
// room for thousands of steps a second, and cost eight queries a minute that find nothing. The number is in the items: who
// lowers it looks at the old shards until they are empty.
const shards = 8

func shardOf(subject string) string {
	h := fnv.New32a()
	h.Write([]byte(subject)) // never fails
	return strconv.Itoa(int(h.Sum32() % shards))
}

// A workflow that was handled is overdue again after as long as it has been overdue, within these limits. It usually moves
// on within a second; what keeps failing is asked again ever less often, until its items expire.
const (
	minPostponed = 5 * time.Minute
	maxPostponed = 24 * time.Hour
)

// Overdue calls handle for each active workflow with a call whose time is up at now, as its STATE, read consistently,
// says, several at a time and the most overdue of each shard first. Of a workflow for which handle returned nil, Overdue
// keeps quiet for a while: 5 minutes, or as long as it was overdue, but a day at most, and not beyond the deadline of another
// of its calls. What makes it move on is a step of its own.
//
// After four fifths of the time to the deadline Overdue starts no more and returns: what is left is as overdue at the next
// call. Callers at the same time may handle the same workflow. The error joins what went wrong; it keeps no other workflow
// from being handled.
func (w *Workflows) Overdue(ctx context.Context, now time.Time, handle func(ctx context.Context, subject string, workflow arvo.Workflow) error) error {
	giveUp, limited := ctx.Deadline()
	if limited {
		giveUp = time.Now().Add(time.Until(giveUp) * 4 / 5)
	}
	faults := make([]error, shards)
	var wg sync.WaitGroup
	for shard := range shards {
		wg.Go(func() {
			faults[shard] = w.overdueIn(ctx, strconv.Itoa(shard), now, handle, func() bool {
				return ctx.Err() != nil || limited && time.Now().After(giveUp)
			})
		})
	}
	wg.Wait()
	return errors.Join(faults...)
}

// overdueIn goes through one shard. Of many faults it returns the first: they tend to be alike.
func (w *Workflows) overdueIn(ctx context.Context, shard string, now time.Time, handle func(context.Context, string, arvo.Workflow) error, late func() bool) (fault error) {
	in := &dynamodb.QueryInput{
		TableName: &w.table, IndexName: aws.String(dueIndex), Limit: aws.Int32(20),
		KeyConditionExpression:    aws.String("dueShard = :shard AND dueAt <= :now"),
		ExpressionAttributeValues: item{":shard": text(shard), ":now": number(now.UnixMilli())},
	}
	for !late() {
		out, err := w.client.Query(ctx, in)
		if err != nil {
			return cmp.Or(fault, fmt.Errorf("store: overdue workflows: %w", err))
		}
		for _, key := range out.Items {
			if late() {
				return fault
			}
			subject := item(key).text("pk")
			if err := w.overdue(ctx, subject, now, handle); err != nil && fault == nil {
				fault = fmt.Errorf("store: overdue workflow %s: %w", subject, err)
			}
		}
		if out.LastEvaluatedKey == nil {
			return fault
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	return fault
}

// overdue handles one workflow that the index lists. The index lags behind: STATE decides.
func (w *Workflows) overdue(ctx context.Context, subject string, now time.Time, handle func(context.Context, string, arvo.Workflow) error) error {
	state, err := w.get(ctx, subject, stateKey)
	if err != nil {
		return err
	}
	at := state.number("dueAt")
	if at == 0 || at > now.UnixMilli() {
		return nil
	}
	workflow, err := workflowOf(state)
	if err != nil { // it will not be read next time either
		return errors.Join(err, w.postpone(ctx, subject, state, postponed(now, state.time("dueAt"))))
	}
	if err := handle(ctx, subject, *workflow); err != nil {
		return err
	}
	since, _ := workflow.Due()
	until := postponed(now, since)
	for _, awaited := range workflow.Awaited { // the deadline of another call is not the later for it
		if awaited.Due.After(now) && awaited.Due.Before(until) {
			until = awaited.Due
		}
	}
	return w.postpone(ctx, subject, state, until)
}

// postponed is until when a workflow is left alone that has been overdue since then.
func postponed(now, since time.Time) time.Time {
	return now.Add(min(max(now.Sub(since), minPostponed), maxPostponed))
}

// postpone moves a workflow back in the index, unless it has moved on or is moving on.
func (w *Workflows) postpone(ctx context.Context, subject string, state item, until time.Time) error {
	_, err := w.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &w.table, Key: item{"pk": text(subject), "sk": text(stateKey)},
		UpdateExpression: aws.String("SET dueAt = :until"), ConditionExpression: aws.String("rev = :rev"),
		ExpressionAttributeValues: item{":until": number(millisecondsUp(until)), ":rev": state["rev"]},
	})
	var moved *types.ConditionalCheckFailedException
	if errors.As(err, &moved) || collided(err) {
		return nil
	}
	return err
}
