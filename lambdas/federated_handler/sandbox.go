package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/store"
)

// A sandbox stands in for the world behind the services' ports. What it is asked to do succeeds and is recorded, but:
//
//   - a payment method that begins with "pm_declined" is declined ("card declined"), and so is an amount above
//     1,000,000 ("over the limit");
//   - a SKU that begins with "sold-out" is out of stock;
//   - a country "AQ" is not served by the carrier.
type sandbox struct{ effects *store.Effects }

var (
	_ payment.Gateway  = sandbox{}
	_ inventory.Stock  = sandbox{}
	_ shipping.Carrier = sandbox{}
)

// The operations on EffectTable.
const (
	opCharge  = "payment.charge"
	opRefund  = "payment.refund"
	opReserve = "inventory.reserve"
	opRelease = "inventory.release"
	opBook    = "shipping.book"
)

const largestAmount = 1_000_000

// An outcome is what is recorded of an effect: what was done, or why it was refused.
type outcome[T any] struct {
	Done    *T     `json:"done,omitempty"`
	Refused string `json:"refused,omitempty"`
	About   string `json:"about,omitempty"` // what the refusal is about, such as a SKU
}

// Charge implements [payment.Gateway].
func (s sandbox) Charge(ctx context.Context, key string, c payment.Charge) (payment.Payment, error) {
	ask := outcome[payment.Payment]{Done: &payment.Payment{PaymentID: key, OrderID: c.OrderID, Amount: c.Amount, Currency: c.Currency}}
	switch {
	case strings.HasPrefix(c.Method, "pm_declined"):
		ask = outcome[payment.Payment]{Refused: "card declined"}
	case c.Amount > largestAmount:
		ask = outcome[payment.Payment]{Refused: "over the limit"}
	}
	got, err := do(ctx, s.effects, store.Effect{Operation: opCharge, Key: key}, ask, store.Effect{Operation: opRefund, Key: key})
	switch {
	case forbidden(err):
		return payment.Payment{}, &payment.DeclinedError{Reason: payment.ReasonRefunded}
	case err != nil:
		return payment.Payment{}, err
	case got.Done == nil:
		return payment.Payment{}, &payment.DeclinedError{Reason: got.Refused}
	}
	return *got.Done, nil
}

// Refund implements [payment.Gateway].
func (s sandbox) Refund(ctx context.Context, paymentID string, _ payment.Refund) (payment.Refunded, error) {
	return undo(ctx, s.effects, paymentID, opCharge, opRefund, func(charged *payment.Payment) payment.Refunded {
		if charged == nil {
			return payment.Refunded{PaymentID: paymentID}
		}
		return payment.Refunded{PaymentID: paymentID, Amount: charged.Amount, Currency: charged.Currency, Refunded: true}
	})
}

// Reserve implements [inventory.Stock].
func (s sandbox) Reserve(ctx context.Context, key string, r inventory.Reserve) (inventory.Reservation, error) {
	ask := outcome[inventory.Reservation]{Done: &inventory.Reservation{ReservationID: key, OrderID: r.OrderID, Items: r.Items}}
	for _, item := range r.Items {
		if strings.HasPrefix(item.SKU, "sold-out") {
			ask = outcome[inventory.Reservation]{Refused: "out of stock", About: item.SKU}
			break
		}
	}
	got, err := do(ctx, s.effects, store.Effect{Operation: opReserve, Key: key}, ask, store.Effect{Operation: opRelease, Key: key})
	switch {
	case forbidden(err):
		return inventory.Reservation{}, &inventory.RejectedError{Reason: inventory.ReasonReleased}
	case err != nil:
		return inventory.Reservation{}, err
	case got.Done == nil:
		return inventory.Reservation{}, &inventory.RejectedError{Reason: got.Refused, SKU: got.About}
	}
	return *got.Done, nil
}

// Release implements [inventory.Stock].
func (s sandbox) Release(ctx context.Context, reservationID string) (inventory.Released, error) {
	return undo(ctx, s.effects, reservationID, opReserve, opRelease, func(reserved *inventory.Reservation) inventory.Released {
		return inventory.Released{ReservationID: reservationID, Released: reserved != nil}
	})
}

// Book implements [shipping.Carrier].
func (s sandbox) Book(ctx context.Context, key string, b shipping.Book) (shipping.Booking, error) {
	ask := outcome[shipping.Booking]{Done: &shipping.Booking{
		BookingID: key, OrderID: b.OrderID, Carrier: "Sandbox Parcels", Tracking: fmt.Sprintf("SP%08X", crc32.ChecksumIEEE([]byte(key))),
	}}
	if b.Address.Country == "AQ" {
		ask = outcome[shipping.Booking]{Refused: "country not served"}
	}
	got, err := do(ctx, s.effects, store.Effect{Operation: opBook, Key: key}, ask, store.Effect{})
	switch {
	case err != nil:
		return shipping.Booking{}, err
	case got.Done == nil:
		return shipping.Booking{}, &shipping.RejectedError{Reason: got.Refused}
	}
	return *got.Done, nil
}

// do records the outcome of an effect, unless one is recorded or the effect's undoing has come first.
func do[T any](ctx context.Context, effects *store.Effects, effect store.Effect, ask outcome[T], undoing store.Effect) (outcome[T], error) {
	result, err := json.Marshal(ask)
	if err != nil {
		return outcome[T]{}, err
	}
	recorded, _, err := effects.Once(ctx, effect, result, undoing)
	if err != nil {
		return outcome[T]{}, passing(err)
	}
	var got outcome[T]
	if err := json.Unmarshal(recorded, &got); err != nil {
		return outcome[T]{}, fmt.Errorf("the record of %s %s: %w", effect.Operation, effect.Key, err)
	}
	return got, nil
}

// undo records the undoing of what was done under a key. What is undone is read first; if nothing was done, the
// undoing is recorded only while that is so, and from then on forbids it.
func undo[T, U any](ctx context.Context, effects *store.Effects, key, operation, undoing string, result func(done *T) U) (U, error) {
	var zero U
	what, how := store.Effect{Operation: operation, Key: key}, store.Effect{Operation: undoing, Key: key}
	for { // at most twice: what has been done stays done
		recorded, happened, err := effects.Recorded(ctx, what)
		if err != nil {
			return zero, passing(err)
		}
		var done outcome[T]
		unless := what
		if happened {
			unless = store.Effect{}
			if err := json.Unmarshal(recorded, &done); err != nil {
				return zero, fmt.Errorf("the record of %s %s: %w", operation, key, err)
			}
		}
		ask := result(done.Done)
		got, err := do(ctx, effects, how, outcome[U]{Done: &ask}, unless)
		if forbidden(err) {
			continue
		}
		if err != nil {
			return zero, err
		}
		return *got.Done, nil
	}
}

func forbidden(err error) bool {
	var f *store.ForbiddenError
	return errors.As(err, &f)
}

// passing marks a failure of the table as one that another delivery may not meet.
func passing(err error) error {
	if forbidden(err) {
		return err
	}
	return &arvo.Violation{Kind: arvo.KindExecution, Message: "the effect could not be recorded", Cause: err}
}
