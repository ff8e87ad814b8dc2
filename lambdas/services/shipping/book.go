package shipping

import (
	"context"
	"errors"
	"fmt"

	"example.com/arvo/lambdas/arvo"
)

// What a booking answers.
const (
	BookSuccess  = "evt.shipping.book.success"  // data: [Booking]
	BookRejected = "evt.shipping.book.rejected" // data: [Rejected]
)

// BookContract is what com.shipping.book accepts and emits.
var BookContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI:         "#/services/shipping/book",
	Type:        "com.shipping.book",
	Description: "Books the collection of an order's parcels with a carrier, once for each event id.",
	Versions: map[string]arvo.VersionSpec{
		"1.0.0": {
			Accepts: arvo.SchemaFor[Book](),
			Emits: map[string]arvo.Schema{
				BookSuccess:  arvo.SchemaFor[Booking](),
				BookRejected: arvo.SchemaFor[Rejected](),
			},
		},
	},
}))

// Book asks for an order to be collected and delivered.
type Book struct {
	OrderID string  `json:"order_id"`
	Address Address `json:"address"`
	Parcels int     `json:"parcels,omitempty"`
}

// An Address is where parcels go.
type Address struct {
	Name     string `json:"name"`
	Street   string `json:"street"`
	City     string `json:"city"`
	Postcode string `json:"postcode"`
	Country  string `json:"country"`
}

// A Booking is a collection that the carrier has agreed to.
type Booking struct {
	BookingID string `json:"booking_id"`
	OrderID   string `json:"order_id"`
	Carrier   string `json:"carrier"`
	Tracking  string `json:"tracking"`
}

// Rejected says that nothing is booked, and why.
type Rejected struct {
	OrderID string `json:"order_id"`
	Reason  string `json:"reason"`
}

// NewBook returns the service com.shipping.book on the carrier.
func NewBook(carrier Carrier) (*arvo.Service, error) {
	return arvo.NewService(BookContract, arvo.Implement("1.0.0", book(carrier)))
}

func book(carrier Carrier) func(context.Context, arvo.Input[Book]) ([]arvo.Output, error) {
	return func(ctx context.Context, in arvo.Input[Book]) ([]arvo.Output, error) {
		order := in.Data
		booking, err := carrier.Book(ctx, in.Event.ID, order)
		var rejected *RejectedError
		if errors.As(err, &rejected) {
			return []arvo.Output{{Type: BookRejected, Data: Rejected{OrderID: order.OrderID, Reason: rejected.Reason}}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("book order %q: %w", order.OrderID, err)
		}
		// An id is unique to its producer only. Two producers that chose the same one must not share a booking.
		if booking.OrderID != order.OrderID {
			return nil, fmt.Errorf("book order %q: event id %q has booked something else", order.OrderID, in.Event.ID)
		}
		return []arvo.Output{{Type: BookSuccess, Data: booking}}, nil
	}
}
