package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Effects records what services have done to the world. It may be used by many goroutines.
type Effects struct {
	client API
	table  string
	now    func() time.Time
}

// NewEffects returns Effects on the given table.
func NewEffects(client API, table string, now func() time.Time) *Effects {
	return &Effects{client: client, table: table, now: now}
}

// An Effect names something that is done once: an operation such as "payment.charge" and the key under which it is
// done, which may be any text.
type Effect struct{ Operation, Key string }

// pk is <operation>#<key>. Where that is longer than a partition key may be, a hash stands for the key, and no other effect's
// begins likewise: an operation has no slash.
func (e Effect) pk() string {
	if pk := e.Operation + "#" + e.Key; len(pk) <= maxPartitionKey {
		return pk
	}
	sum := sha256.Sum256([]byte(e.Key))
	return e.Operation + "/sha256#" + hex.EncodeToString(sum[:])
}

// maxPartitionKey is how long a partition key may be, in bytes.
const maxPartitionKey = 2048

// A ForbiddenError says that a recorded effect forbids another.
type ForbiddenError struct{ Effect, By Effect }

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("store: %s is forbidden by %s", e.Effect.pk(), e.By.pk())
}

// Once records the result of an effect, unless it has one or another effect forbids it, and returns what is recorded:
// result, or the one of the first time. first tells which. A zero unless forbids nothing; one that is recorded gives
// a [*ForbiddenError], but only when the effect itself is not recorded: what has happened has happened.
func (e *Effects) Once(ctx context.Context, effect Effect, result []byte, unless Effect) (recorded []byte, first bool, err error) {
	put := types.Put{
		TableName: &e.table, ConditionExpression: aws.String("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		Item: item{
			"pk": text(effect.pk()), "result": text(string(result)), "at": number(e.now().UnixMilli()),
			"expiresAt": number(e.now().Add(Retention).Unix()),
		},
	}
	var old item
	if unless == (Effect{}) {
		old, err = e.put(ctx, put)
	} else {
		old, err = e.putUnless(ctx, put, effect, unless)
	}
	switch {
	case err != nil:
		var forbidden *ForbiddenError
		if errors.As(err, &forbidden) {
			return nil, false, err
		}
		return nil, false, fmt.Errorf("store: effect %s: %w", effect.pk(), err)
	case old != nil:
		return []byte(old.text("result")), false, nil
	}
	return result, true, nil
}

func (e *Effects) put(ctx context.Context, put types.Put) (old item, err error) {
	err = retryContention(ctx, func() error {
		_, err := e.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression,
			ReturnValuesOnConditionCheckFailure: put.ReturnValuesOnConditionCheckFailure,
		})
		var exists *types.ConditionalCheckFailedException
		if errors.As(err, &exists) {
			old = exists.Item
			return nil
		}
		return err
	})
	return old, err
}

func (e *Effects) putUnless(ctx context.Context, put types.Put, effect, unless Effect) (old item, err error) {
	check := types.ConditionCheck{
		TableName: &e.table, Key: item{"pk": text(unless.pk())}, ConditionExpression: aws.String("attribute_not_exists(pk)"),
	}
	err = retryContention(ctx, func() error {
		_, err := e.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
			TransactItems: []types.TransactWriteItem{{Put: &put}, {ConditionCheck: &check}},
		})
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) || len(cancelled.CancellationReasons) != 2 {
			return err
		}
		switch reasons := cancelled.CancellationReasons; {
		case aws.ToString(reasons[0].Code) == conditionFailed:
			old = reasons[0].Item
			return nil
		case aws.ToString(reasons[0].Code) == reasonNone && aws.ToString(reasons[1].Code) == conditionFailed:
			return &ForbiddenError{Effect: effect, By: unless}
		}
		// Where something else kept DynamoDB from looking at the effect, nobody has said that it is not recorded.
		return err
	})
	return old, err
}

// Recorded returns the result of an effect, read consistently; ok is false when it has not happened.
func (e *Effects) Recorded(ctx context.Context, effect Effect) (result []byte, ok bool, err error) {
	out, err := e.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &e.table, Key: item{"pk": text(effect.pk())}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, false, fmt.Errorf("store: effect %s: %w", effect.pk(), err)
	}
	if out.Item == nil {
		return nil, false, nil
	}
	return []byte(item(out.Item).text("result")), true, nil
}
