package shipping

import (
	"cmp"
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
	OrderID string  `json:"order_id" minLength:"1" maxLength:"128" jsonschema:"the order that is delivered"`
	Address Address `json:"address"`
	Parcels int     `json:"parcels,omitempty" minimum:"1" maximum:"100" default:"1"`
}

// An Address is where parcels go.
type Address struct {
	Name     string `json:"name" minLength:"1" maxLength:"200"`
	Street   string `json:"street" minLength:"1" maxLength:"200" jsonschema:"with the number of the house"`
	City     string `json:"city" minLength:"1" maxLength:"200"`
	Postcode string `json:"postcode" minLength:"1" maxLength:"20"`
	Country  string `json:"country" pattern:"^[A-Z]{2}$" jsonschema:"ISO 3166-1 alpha-2"`
}

// A Booking is a collection that the carrier has agreed to.
type Booking struct {
	BookingID string `json:"booking_id" jsonschema:"the id of the event that asked for the booking"`
	OrderID   string `json:"order_id"`
	Carrier   string `json:"carrier"`
	Tracking  string `json:"tracking" jsonschema:"the carrier's number, to follow the parcels by"`
}

// Rejected says that nothing is booked, and why.
type Rejected struct {
	OrderID string `json:"order_id"`
	Reason  string `json:"reason" jsonschema:"for the sender to read"`
}

// NewBook returns the service com.shipping.book on the carrier.
func NewBook(carrier Carrier) (*arvo.Service, error) {
	return arvo.NewService(BookContract, arvo.ExecutionUnits(1), arvo.Implement("1.0.0", book(carrier)))
}

func book(carrier Carrier) func(context.Context, arvo.Input[Book]) ([]arvo.Output, error) {
	return func(ctx context.Context, in arvo.Input[Book]) ([]arvo.Output, error) {
		order := in.Data
		order.Parcels = cmp.Or(order.Parcels, 1) // the contract's default, which not every producer fills in
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
