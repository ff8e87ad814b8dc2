package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"example.com/arvo/lambdas/arvo"
)

// What a reservation answers.
const (
	ReserveSuccess  = "evt.inventory.reserve.success"  // data: [Reservation]
	ReserveRejected = "evt.inventory.reserve.rejected" // data: [Rejected]
)

// ReserveContract is what com.inventory.reserve accepts and emits.
var ReserveContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI:         "#/services/inventory/reserve",
	Type:        "com.inventory.reserve",
	Description: "Sets all items of an order aside, or none of them, once for each event id.",
	Versions: map[string]arvo.VersionSpec{
		"1.0.0": {
			Accepts: arvo.SchemaFor[Reserve](),
			Emits: map[string]arvo.Schema{
				ReserveSuccess:  arvo.SchemaFor[Reservation](),
				ReserveRejected: arvo.SchemaFor[Rejected](),
			},
		},
	},
}))

// Reserve asks for goods to be set aside.
type Reserve struct {
	OrderID string `json:"order_id" minLength:"1" maxLength:"128" jsonschema:"the order that the goods are for"`
	Items   []Item `json:"items" minItems:"1" maxItems:"100" jsonschema:"each article once"`
}

// An Item is a number of pieces of one article.
type Item struct {
	SKU      string `json:"sku" minLength:"1" maxLength:"128" jsonschema:"the article"`
	Quantity int    `json:"quantity" minimum:"1" maximum:"1000" jsonschema:"in pieces"`
}

// A Reservation is goods that are set aside.
type Reservation struct {
	ReservationID string `json:"reservation_id" jsonschema:"the id of the event that asked for the reservation"`
	OrderID       string `json:"order_id"`
	Items         []Item `json:"items"`
}

// Rejected says that nothing is set aside, and why.
type Rejected struct {
	OrderID string `json:"order_id"`
	Reason  string `json:"reason" jsonschema:"for the buyer to read"`
	SKU     string `json:"sku,omitempty" jsonschema:"the first article that falls short; absent if the reason is not about one"`
}

// NewReserve returns the service com.inventory.reserve on the stock.
func NewReserve(stock Stock) (*arvo.Service, error) {
	return arvo.NewService(ReserveContract, arvo.ExecutionUnits(1), arvo.Implement("1.0.0", reserve(stock)))
}

func reserve(stock Stock) func(context.Context, arvo.Input[Reserve]) ([]arvo.Output, error) {
	return func(ctx context.Context, in arvo.Input[Reserve]) ([]arvo.Output, error) {
		order := in.Data
		if sku, ok := listedTwice(order.Items); ok {
			return rejected(order, &RejectedError{Reason: ReasonListedTwice, SKU: sku}), nil
		}
		reservation, err := stock.Reserve(ctx, in.Event.ID, order)
		var no *RejectedError
		if errors.As(err, &no) {
			return rejected(order, no), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reserve order %q: %w", order.OrderID, err)
		}
		// An id is unique to its producer only. Two producers that chose the same one must not share a reservation.
		if reservation.OrderID != order.OrderID || !slices.Equal(reservation.Items, order.Items) {
			return nil, fmt.Errorf("reserve order %q: event id %q has reserved something else", order.OrderID, in.Event.ID)
		}
		return []arvo.Output{{Type: ReserveSuccess, Data: reservation}}, nil
	}
}

func rejected(order Reserve, no *RejectedError) []arvo.Output {
	return []arvo.Output{{Type: ReserveRejected, Data: Rejected{OrderID: order.OrderID, Reason: no.Reason, SKU: no.SKU}}}
}

// listedTwice returns the first SKU that a second item names again: a rule that a JSON Schema cannot state.
func listedTwice(items []Item) (string, bool) {
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		if seen[item.SKU] {
			return item.SKU, true
		}
		seen[item.SKU] = true
	}
	return "", false
}
