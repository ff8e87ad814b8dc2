package paymenttest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/payment"
)

// TestGateway holds an implementation to what [payment.Gateway] promises. open returns a gateway without any payment
// that accepts charge; it is called once for each promise.
func TestGateway(t *testing.T, open func(t *testing.T) payment.Gateway) {
	charge := payment.Charge{OrderID: "order-1", Amount: 1999, Currency: "EUR", Method: "pm_ok"}
	taken := payment.Payment{PaymentID: "key-1", OrderID: "order-1", Amount: 1999, Currency: "EUR"}
	given := payment.Refunded{PaymentID: "key-1", Amount: 1999, Currency: "EUR", Refunded: true}
	nothing := payment.Refunded{PaymentID: "key-1"}

	for _, test := range []struct {
		promise string
		hold    func(t *testing.T, s session)
	}{
		{"a payment has the id of its key", func(t *testing.T, s session) {
			s.charges("key-1", charge, taken)
		}},
		{"a charge that is repeated answers as the first one did", func(t *testing.T, s session) {
			s.charges("key-1", charge, taken)
			s.charges("key-1", charge, taken)
		}},
		{"a key that has charged keeps its payment, whatever is asked of it later", func(t *testing.T, s session) {
			s.charges("key-1", charge, taken)
			s.charges("key-1", payment.Charge{OrderID: "order-2", Amount: 5, Currency: "USD", Method: "pm_ok"}, taken)
		}},
		{"two keys are two payments, even of one order", func(t *testing.T, s session) {
			s.charges("key-1", charge, taken)
			second := taken
			second.PaymentID = "key-2"
			s.charges("key-2", charge, second)
		}},
		{"a refund gives back what the charge has taken", func(t *testing.T, s session) {
			s.charges("key-1", charge, taken)
			s.refunds("key-1", given)
		}},
		{"a refund that is repeated answers as the first one did", func(t *testing.T, s session) {
			s.charges("key-1", charge, taken)
			s.refunds("key-1", given)
			s.refunds("key-1", given)
		}},
		{"a refund of nothing gives nothing back", func(t *testing.T, s session) {
			s.refunds("key-1", nothing)
			s.refunds("key-1", nothing)
		}},
		{"a charge that comes after its refund is declined", func(t *testing.T, s session) {
			s.refunds("key-1", nothing)
			s.declines("key-1", charge, payment.ReasonRefunded)
			s.declines("key-1", charge, payment.ReasonRefunded)
			s.refunds("key-1", nothing)
		}},
		{"a refund touches no other payment", func(t *testing.T, s session) {
			s.refunds("key-0", payment.Refunded{PaymentID: "key-0"})
			s.charges("key-1", charge, taken)
		}},
		{"a charge that is redelivered after its refund answers as it first did and takes nothing", func(t *testing.T, s session) {
			s.charges("key-1", charge, taken)
			s.refunds("key-1", given)
			s.charges("key-1", charge, taken)
			s.refunds("key-1", given)
		}},
		{"a call without time left asks to be repeated and leaves nothing behind", func(t *testing.T, s session) {
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.gateway.Charge(ended, "key-1", charge); !heals(err) {
				t.Errorf("charge: got error %v, want one that a retry may heal", err)
			}
			if _, err := s.gateway.Refund(ended, "key-1", payment.Refund{PaymentID: "key-1"}); !heals(err) {
				t.Errorf("refund: got error %v, want one that a retry may heal", err)
			}
			s.charges("key-1", charge, taken)
		}},
		{"of charges and refunds at the same time one comes first, and taken money is given back", func(t *testing.T, s session) {
			type answer struct {
				payment  payment.Payment
				declined bool
				refunded payment.Refunded
				err      error
			}
			answers := make([]answer, 8)
			var all sync.WaitGroup
			for i := range answers {
				all.Go(func() {
					a := &answers[i]
					if i%2 == 0 {
						a.payment, a.err = s.gateway.Charge(t.Context(), "key-1", charge)
						if declined := (*payment.DeclinedError)(nil); errors.As(a.err, &declined) {
							a.declined, a.err = true, nil
						}
					} else {
						a.refunded, a.err = s.gateway.Refund(t.Context(), "key-1", payment.Refund{PaymentID: "key-1"})
					}
				})
			}
			all.Wait()

			wantCharge, wantRefund := answer{payment: taken}, answer{refunded: given}
			if answers[0].declined {
				wantCharge, wantRefund = answer{declined: true}, answer{refunded: nothing}
			}
			for i, got := range answers {
				want := wantCharge
				if i%2 == 1 {
					want = wantRefund
				}
				if got != want {
					t.Errorf("call %d: got %+v, want %+v, as the first charge was answered", i, got, want)
				}
			}
		}},
	} {
		t.Run(test.promise, func(t *testing.T) { test.hold(t, session{t, open(t)}) })
	}
}

// A session puts calls to one gateway and checks the answers.
type session struct {
	t       *testing.T
	gateway payment.Gateway
}

func (s session) charges(key string, c payment.Charge, want payment.Payment) {
	s.t.Helper()
	if got, err := s.gateway.Charge(s.t.Context(), key, c); err != nil || got != want {
		s.t.Errorf("charge %s: got %+v, %v; want %+v", key, got, err, want)
	}
}

func (s session) declines(key string, c payment.Charge, reason string) {
	s.t.Helper()
	got, err := s.gateway.Charge(s.t.Context(), key, c)
	if declined := (*payment.DeclinedError)(nil); !errors.As(err, &declined) || declined.Reason != reason {
		s.t.Errorf("charge %s: got %+v, %v; want a DeclinedError with reason %q", key, got, err, reason)
	}
}

func (s session) refunds(paymentID string, want payment.Refunded) {
	s.t.Helper()
	got, err := s.gateway.Refund(s.t.Context(), paymentID, payment.Refund{PaymentID: paymentID})
	if err != nil || got != want {
		s.t.Errorf("refund %s: got %+v, %v; want %+v", paymentID, got, err, want)
	}
}

// heals tells whether the service lets the queue retry after err.
func heals(err error) bool {
	return errors.Is(err, arvo.ErrExecution) || errors.Is(err, context.Canceled)
}
