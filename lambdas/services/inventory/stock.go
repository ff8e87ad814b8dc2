package inventory

import "context"

// Stock keeps count of the goods. Package inventorytest has one in memory, and the tests that each implementation has
// to pass.
//
// An error that a retry may heal (out of reach, throttled) matches [arvo.ErrExecution], or is ctx's. An implementation
// returns when ctx ends.
type Stock interface {
	// Reserve sets all items aside, or none of them. Each SKU is listed once. The first call with a key decides: each
	// later one gets the same reservation or the same *[RejectedError], whatever it asks for and however many come at
	// once. The reservation's id is the key. If it has been released before it was ever made, nothing is set aside and
	// the answer is a *[RejectedError] with [ReasonReleased].
	Reserve(ctx context.Context, key string, r Reserve) (Reservation, error)

	// Release puts the reservation's items back, once; each later call gets the same answer. If nothing is set aside,
	// it answers with Released false and makes sure that nothing will be: a reservation with that key is rejected from
	// then on. Of a reservation and its release at the same time one comes first; what was set aside is always put back.
	Release(ctx context.Context, reservationID string) (Released, error)
}

// Why a reservation is rejected that no stock could satisfy.
const (
	ReasonReleased    = "released"     // its release has come first
	ReasonListedTwice = "listed twice" // one SKU is in two items, so that the quantity is in doubt
)

// A RejectedError is the stock's no: a decision, not a failure. The reservation answers with the event
// evt.inventory.reserve.rejected.
type RejectedError struct {
	Reason string // for the buyer to read: "out of stock"
	SKU    string // the first item that falls short; empty if it is not about one item
}

func (e *RejectedError) Error() string {
	if e.SKU == "" {
		return "reservation rejected: " + e.Reason
	}
	return "reservation rejected: " + e.SKU + ": " + e.Reason
}
