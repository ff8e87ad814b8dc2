// Package paymenttest helps to test what uses a [payment.Gateway]: [Gateway] is one in memory, and [TestGateway] holds
// any implementation to the promises of the port, this one among them.
package paymenttest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"example.com/arvo/lambdas/services/payment"
)

// A Gateway keeps its payments in memory. The zero value accepts every charge. It is safe for concurrent use.
type Gateway struct {
	// Decide, if set, is asked before a charge takes place. A [*payment.DeclinedError] is recorded as the charge's
	// answer; any other error is returned and not recorded, like that of a gateway that is out of reach.
	Decide func(key string, c payment.Charge) error

	mu       sync.Mutex
	payments map[string]record // by payment id
	moved    []payment.Payment
}

// A record is what a payment id has come to.
type record struct {
	payment  payment.Payment
	declined *payment.DeclinedError
	refunded bool
}

var _ payment.Gateway = (*Gateway)(nil)

// Charge implements [payment.Gateway].
func (g *Gateway) Charge(ctx context.Context, key string, c payment.Charge) (payment.Payment, error) {
	if err := ctx.Err(); err != nil {
		return payment.Payment{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.payments[key]; ok {
		return known.answer()
	}
	made := record{payment: payment.Payment{PaymentID: key, OrderID: c.OrderID, Amount: c.Amount, Currency: c.Currency}}
	if g.Decide != nil {
		err := g.Decide(key, c)
		if declined := (*payment.DeclinedError)(nil); errors.As(err, &declined) {
			made = record{declined: declined}
		} else if err != nil {
			return payment.Payment{}, err
		}
	}
	g.put(key, made)
	if made.declined == nil {
		g.moved = append(g.moved, made.payment)
	}
	return made.answer()
}

// Refund implements [payment.Gateway].
func (g *Gateway) Refund(ctx context.Context, paymentID string, _ payment.Refund) (payment.Refunded, error) {
	if err := ctx.Err(); err != nil {
		return payment.Refunded{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	known, ok := g.payments[paymentID]
	if !ok {
		known.declined = &payment.DeclinedError{Reason: payment.ReasonRefunded}
		g.put(paymentID, known)
	}
	if known.declined != nil {
		return payment.Refunded{PaymentID: paymentID}, nil
	}
	if !known.refunded {
		known.refunded = true
		g.put(paymentID, known)
		back := known.payment
		back.Amount = -back.Amount
		g.moved = append(g.moved, back)
	}
	return payment.Refunded{PaymentID: paymentID, Amount: known.payment.Amount, Currency: known.payment.Currency, Refunded: true}, nil
}

// Moved returns each movement of money in its order; what was given back has a negative amount.
func (g *Gateway) Moved() []payment.Payment {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.moved)
}

func (g *Gateway) put(id string, r record) {
	if g.payments == nil {
		g.payments = make(map[string]record)
	}
	g.payments[id] = r
}

func (r record) answer() (payment.Payment, error) {
	if r.declined != nil {
		return payment.Payment{}, r.declined
	}
	return r.payment, nil
}
