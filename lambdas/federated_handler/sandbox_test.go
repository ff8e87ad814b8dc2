package main

import (
	"errors"
	"testing"

	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/inventory/inventorytest"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/payment/paymenttest"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/shipping/shippingtest"
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
