package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Codes of a cancelled transaction's reasons.
const (
	conditionFailed     = "ConditionalCheckFailed"
	transactionConflict = "TransactionConflict"
	reasonNone          = "None" // nothing was wrong with this item
)

// errContended is the failure of a call that kept losing races.
var errContended = contended{}

type contended struct{}

func (contended) Error() string   { return "lost every race for the item until time ran short" }
func (contended) Contended() bool { return true }

// retryContention calls f until it fails for another reason than a collision with a concurrent transaction, waiting
// between the calls under full jitter, for four fifths of the time to the deadline (5 s where there is none).
func retryContention(ctx context.Context, f func() error) error {
	giveUp := time.Now().Add(5 * time.Second)
	if deadline, ok := ctx.Deadline(); ok {
		giveUp = time.Now().Add(time.Until(deadline) * 4 / 5)
	}
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := f()
		if !collided(err) {
			return err
		}
		if time.Now().After(giveUp) {
			return errors.Join(errContended, err)
		}
		timer := time.NewTimer(time.Duration(rand.Float64() * float64(wait)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(errContended, ctx.Err())
		}
	}
}

func collided(err error) bool {
	var conflict *types.TransactionConflictException
	var running *types.TransactionInProgressException
	if errors.As(err, &conflict) || errors.As(err, &running) {
		return true
	}
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return false
	}
	for _, reason := range cancelled.CancellationReasons {
		if aws.ToString(reason.Code) == transactionConflict {
			return true
		}
	}
	return false
}
