package payment

import "context"

// A Gateway moves the money: a payment provider behind an idempotency key. Package paymenttest has one in memory, and
// the tests that each implementation has to pass.
//
// An error that a retry may heal matches [arvo.ErrExecution], or is ctx's; see Errors in the package comment. An
// implementation returns when ctx ends, and keeps the payment method out of its errors.
type Gateway interface {
	// Charge takes the amount. The first call with a key decides: each later one gets the same payment or the same
	// *[DeclinedError], whatever it asks for and however many come at once. The payment's id is the key. If the
	// payment has been refunded before it was ever charged, nothing is taken and the answer is a *[DeclinedError] with
	// [ReasonRefunded].
	Charge(ctx context.Context, key string, c Charge) (Payment, error)

	// Refund gives the payment's amount back, once; each later call gets the same answer. If nothing has been taken,
	// it answers with Refunded false and makes sure that nothing will be: a charge with that key is declined from then
	// on. Of a charge and a refund at the same time one comes first; money that was taken is always given back.
	Refund(ctx context.Context, paymentID string, r Refund) (Refunded, error)
}

// ReasonRefunded is why a charge is declined whose refund has come first.
const ReasonRefunded = "refunded"

// A DeclinedError is a gateway's no: a decision, not a failure. The charge answers with the event
// evt.payment.charge.declined.
type DeclinedError struct {
	Reason string // for the payer to read: "insufficient funds"
}

func (e *DeclinedError) Error() string { return "charge declined: " + e.Reason }
