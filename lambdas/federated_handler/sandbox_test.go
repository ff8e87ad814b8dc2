package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/inventory/inventorytest"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/payment/paymenttest"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/shipping/shippingtest"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

func TestSandboxIsAGateway(t *testing.T) {
	paymenttest.TestGateway(t, func(t *testing.T) payment.Gateway { return sandbox{openEffects(t)} })
}

func TestSandboxIsAStock(t *testing.T) {
	inventorytest.TestStock(t, func(t *testing.T) inventory.Stock { return sandbox{openEffects(t)} })
}

func TestSandboxIsACarrier(t *testing.T) {
	shippingtest.TestCarrier(t, func(t *testing.T) shipping.Carrier { return sandbox{openEffects(t)} })
}

// A refusal is recorded like a success: it stays one, whatever is asked under the key later, and leaves nothing to undo.
func TestSandboxRefuses(t *testing.T) {
	s := sandbox{openEffects(t)}
	good := payment.Charge{OrderID: "o", Amount: largestAmount, Currency: "EUR", Method: "pm_ok"}
	declined, dear := good, good
	declined.Method, dear.Amount = "pm_declined_always", largestAmount+1
	for _, c := range []struct {
		name, key, want string
		ask             payment.Charge
	}{
		{"the largest amount is taken", "k1", "", good},
		{"a method that is declined", "k2", "card declined", declined},
		{"an amount over the limit", "k3", "over the limit", dear},
		{"what was declined stays declined", "k2", "card declined", good},
		{"what was taken stays taken", "k1", "", declined},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Charge(t.Context(), c.key, c.ask)
			var refused *payment.DeclinedError
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &refused) || refused.Reason != c.want):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if got, err := s.Refund(t.Context(), "k2", payment.Refund{}); err != nil || got.Refunded {
		t.Errorf("a declined charge was refunded: %+v, %v", got, err)
	}

	var rejected *inventory.RejectedError
	items := []inventory.Item{{SKU: "a", Quantity: 1}, {SKU: "sold-out-b", Quantity: 1}, {SKU: "sold-out-c", Quantity: 1}}
	if _, err := s.Reserve(t.Context(), "k1", inventory.Reserve{OrderID: "o", Items: items}); !errors.As(err, &rejected) || rejected.SKU != "sold-out-b" || rejected.Reason != "out of stock" {
		t.Errorf("got %v", err)
	}
	if got, err := s.Release(t.Context(), "k1"); err != nil || got.Released {
		t.Errorf("a rejected reservation was released: %+v, %v", got, err)
	}

	var unserved *shipping.RejectedError
	if _, err := s.Book(t.Context(), "k1", shipping.Book{OrderID: "o", Address: shipping.Address{Country: "AQ"}}); !errors.As(err, &unserved) || unserved.Reason != "country not served" {
		t.Errorf("got %v", err)
	}
}

// A brokenTable fails: every read with read, every write with write.
type brokenTable struct {
	store.API
	read, write error
}

func (b brokenTable) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if b.read != nil {
		return nil, b.read
	}
	return new(dynamodb.GetItemOutput), nil
}

func (b brokenTable) PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return nil, b.write
}

func (b brokenTable) TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return nil, b.write
}

// A table that fails is no answer of the world: the queue is to deliver the event again, soon if it was contention.
func TestAFailureOfTheTableIsAViolation(t *testing.T) {
	down := errors.New("connection refused")
	for _, table := range []struct {
		name      string
		api       brokenTable
		contended bool
	}{
		{"nothing can be read or written", brokenTable{read: down, write: down}, false},
		{"nothing can be written", brokenTable{write: down}, false},
		{"every race for an item is lost", brokenTable{write: new(types.TransactionConflictException)}, true},
	} {
		for _, c := range []struct {
			name string
			ask  func(context.Context, sandbox) error
		}{
			{"charge", func(ctx context.Context, s sandbox) error {
				_, err := s.Charge(ctx, "k", payment.Charge{OrderID: "o", Amount: 1, Currency: "EUR", Method: "pm"})
				return err
			}},
			{"refund", func(ctx context.Context, s sandbox) error { _, err := s.Refund(ctx, "k", payment.Refund{}); return err }},
			{"reserve", func(ctx context.Context, s sandbox) error {
				_, err := s.Reserve(ctx, "k", inventory.Reserve{OrderID: "o"})
				return err
			}},
			{"release", func(ctx context.Context, s sandbox) error { _, err := s.Release(ctx, "k"); return err }},
			{"book", func(ctx context.Context, s sandbox) error {
				_, err := s.Book(ctx, "k", shipping.Book{OrderID: "o"})
				return err
			}},
		} {
			t.Run(table.name+", "+c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // fake time
					defer cancel()
					err := c.ask(ctx, sandbox{store.NewEffects(table.api, storetest.EffectTable, time.Now)})
					if !errors.Is(err, arvo.ErrExecution) {
						t.Errorf("got %v, want an Execution violation", err)
					}
					if !table.contended && !errors.Is(err, down) {
						t.Errorf("%v does not lead to its cause", err)
					}
					var contention interface{ Contended() bool }
					if got := errors.As(err, &contention) && contention.Contended(); got != table.contended {
						t.Errorf("contended is %v", got)
					}
				})
			})
		}
	}
}

// A racingTable lets race happen once, right after the first read has found nothing.
type racingTable struct {
	*dynamodb.Client
	race func()
}

func (r *racingTable) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	out, err := r.Client.GetItem(ctx, in, o...)
	if race := r.race; race != nil {
		r.race = nil
		race()
	}
	return out, err
}

func TestWhatIsDoneWhileItsUndoingLooksIsUndone(t *testing.T) {
	client := storetest.Open(t, storetest.EffectTable)
	other := sandbox{store.NewEffects(client, storetest.EffectTable, time.Now)}
	t.Run("a charge is refunded in full", func(t *testing.T) {
		s := sandbox{store.NewEffects(&racingTable{client, func() {
			if _, err := other.Charge(t.Context(), "p1", payment.Charge{OrderID: "o", Amount: 1999, Currency: "EUR", Method: "pm"}); err != nil {
				t.Error(err)
			}
		}}, storetest.EffectTable, time.Now)}
		want := payment.Refunded{PaymentID: "p1", Amount: 1999, Currency: "EUR", Refunded: true}
		for range 2 { // it is recorded so
			got, err := s.Refund(t.Context(), "p1", payment.Refund{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
	})
	t.Run("a reservation is released", func(t *testing.T) {
		s := sandbox{store.NewEffects(&racingTable{client, func() {
			if _, err := other.Reserve(t.Context(), "r1", inventory.Reserve{OrderID: "o", Items: []inventory.Item{{SKU: "a", Quantity: 1}}}); err != nil {
				t.Error(err)
			}
		}}, storetest.EffectTable, time.Now)}
		got, err := s.Release(t.Context(), "r1")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(inventory.Released{ReservationID: "r1", Released: true}, got); diff != "" {
			t.Error(diff)
		}
	})
}
