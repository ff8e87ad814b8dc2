package shippingtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/shipping"
)

// TestCarrier holds an implementation to what [shipping.Carrier] promises. open returns a carrier without any booking
// that serves Sweden; it is called once for each promise.
func TestCarrier(t *testing.T, open func(t *testing.T) shipping.Carrier) {
	order := shipping.Book{
		OrderID: "order-1",
		Address: shipping.Address{Name: "A. Lindgren", Street: "Dalagatan 46", City: "Stockholm", Postcode: "113 24", Country: "SE"},
		Parcels: 2,
	}
	book := func(t *testing.T, c shipping.Carrier, key string, b shipping.Book) shipping.Booking {
		t.Helper()
		booking, err := c.Book(t.Context(), key, b)
		if err != nil {
			t.Fatalf("book %s: %v", key, err)
		}
		return booking
	}

	for _, test := range []struct {
		promise string
		hold    func(t *testing.T, c shipping.Carrier)
	}{
		{"a booking has the id of its key and names its order, a carrier and a tracking number", func(t *testing.T, c shipping.Carrier) {
			got := book(t, c, "key-1", order)
			if got.BookingID != "key-1" || got.OrderID != "order-1" || got.Carrier == "" || got.Tracking == "" {
				t.Errorf("got %+v", got)
			}
		}},
		{"a booking that is repeated answers as the first one did", func(t *testing.T, c shipping.Carrier) {
			first := book(t, c, "key-1", order)
			if again := book(t, c, "key-1", order); again != first {
				t.Errorf("got %+v, the first time %+v", again, first)
			}
		}},
		{"a key that has booked keeps its booking, whatever is asked of it later", func(t *testing.T, c shipping.Carrier) {
			first := book(t, c, "key-1", order)
			other := order
			other.OrderID = "order-2"
			if again := book(t, c, "key-1", other); again != first {
				t.Errorf("got %+v, the first time %+v", again, first)
			}
		}},
		{"two keys are two bookings with tracking numbers of their own", func(t *testing.T, c shipping.Carrier) {
			one, two := book(t, c, "key-1", order), book(t, c, "key-2", order)
			if two.BookingID != "key-2" || one.Tracking == two.Tracking {
				t.Errorf("got %+v and %+v", one, two)
			}
		}},
		{"a call without time left asks to be repeated and leaves nothing behind", func(t *testing.T, c shipping.Carrier) {
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := c.Book(ended, "key-1", order); !heals(err) {
				t.Errorf("got error %v, want one that a retry may heal", err)
			}
			other := order
			other.OrderID = "order-2"
			if got := book(t, c, "key-1", other); got.OrderID != "order-2" {
				t.Errorf("got %+v, want a booking of order-2", got)
			}
		}},
		{"bookings of one key at the same time are one booking", func(t *testing.T, c shipping.Carrier) {
			bookings := make([]shipping.Booking, 8)
			errs := make([]error, len(bookings))
			var all sync.WaitGroup
			for i := range bookings {
				all.Go(func() { bookings[i], errs[i] = c.Book(t.Context(), "key-1", order) })
			}
			all.Wait()
			for i, got := range bookings {
				if errs[i] != nil || got != bookings[0] {
					t.Errorf("call %d: got %+v, %v; call 0 got %+v", i, got, errs[i], bookings[0])
				}
			}
		}},
	} {
		t.Run(test.promise, func(t *testing.T) { test.hold(t, open(t)) })
	}
}

// heals tells whether the service lets the queue retry after err.
func heals(err error) bool {
	return errors.Is(err, arvo.ErrExecution) || errors.Is(err, context.Canceled)
}
