package shipping

import "context"

// A Carrier collects parcels and delivers them. Package shippingtest has one in memory, and the tests that each
// implementation has to pass.
//
// An error that a retry may heal (out of reach, throttled) matches [arvo.ErrExecution], or is ctx's. An implementation
// returns when ctx ends, and keeps the address out of its errors.
type Carrier interface {
	// Book orders the collection of all parcels. The first call with a key decides: each later one gets the same
	// booking or the same *[RejectedError], whatever it asks for and however many come at once. The booking's id is
	// the key.
	Book(ctx context.Context, key string, b Book) (Booking, error)
}

// A RejectedError is the carrier's no: a decision, not a failure. The booking answers with the event
// evt.shipping.book.rejected.
type RejectedError struct {
	Reason string // for the sender to read: "country not served"
}

func (e *RejectedError) Error() string { return "booking rejected: " + e.Reason }
