// Package shippingtest helps to test what uses a [shipping.Carrier]: [Carrier] is one in memory, and [TestCarrier]
// holds any implementation to the promises of the port, this one among them.
package shippingtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"example.com/arvo/lambdas/services/shipping"
)

// A Carrier keeps its bookings in memory. The zero value takes every parcel. It is safe for concurrent use.
type Carrier struct {
	// Decide, if set, is asked before a booking is made. A [*shipping.RejectedError] is recorded as the booking's
	// answer; any other error is returned and not recorded, like that of a carrier that is out of reach.
	Decide func(key string, b shipping.Book) error

	mu       sync.Mutex
	bookings map[string]record // by booking id
	parcels  int
}

// A record is what a booking id has come to.
type record struct {
	booking  shipping.Booking
	rejected *shipping.RejectedError
}

var _ shipping.Carrier = (*Carrier)(nil)

// Book implements [shipping.Carrier]. Tracking numbers count up from TEST-1.
func (c *Carrier) Book(ctx context.Context, key string, b shipping.Book) (shipping.Booking, error) {
	if err := ctx.Err(); err != nil {
		return shipping.Booking{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.bookings[key]
	if !ok {
		if c.Decide != nil {
			err := c.Decide(key, b)
			if !errors.As(err, &known.rejected) && err != nil {
				return shipping.Booking{}, err
			}
		}
		if known.rejected == nil {
			c.parcels += b.Parcels
			known.booking = shipping.Booking{BookingID: key, OrderID: b.OrderID, Carrier: "test", Tracking: fmt.Sprintf("TEST-%d", len(c.bookings)+1)}
		}
		if c.bookings == nil {
			c.bookings = make(map[string]record)
		}
		c.bookings[key] = known
	}
	if known.rejected != nil {
		return shipping.Booking{}, known.rejected
	}
	return known.booking, nil
}

// Parcels returns how many parcels are booked.
func (c *Carrier) Parcels() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parcels
}
