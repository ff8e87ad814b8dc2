package inventory

import (
	"context"
	"fmt"

	"example.com/arvo/lambdas/arvo"
)

// ReleaseSuccess is what a release answers; its data is a [Released].
const ReleaseSuccess = "evt.inventory.release.success"

// ReleaseContract is what com.inventory.release accepts and emits. It has no event for a refusal: a release undoes, and
// undoing nothing is a success too.
var ReleaseContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI:         "#/services/inventory/release",
	Type:        "com.inventory.release",
	Description: "Puts reserved goods back, once for each reservation, and stops a reservation that has not happened yet.",
	Versions: map[string]arvo.VersionSpec{
		"1.0.0": {
			Accepts: arvo.SchemaFor[Release](),
			Emits:   map[string]arvo.Schema{ReleaseSuccess: arvo.SchemaFor[Released]()},
		},
	},
}))

// Release asks for reserved goods to be put back.
type Release struct {
	// An id has no greatest length: what could be reserved must be releasable.
	ReservationID string `json:"reservation_id" minLength:"1" jsonschema:"the id of the event that asked for the reservation"`
}

// Released says whether goods have been put back.
type Released struct {
	ReservationID string `json:"reservation_id"`
	Released      bool   `json:"released" jsonschema:"false if nothing was set aside: nothing will be"`
}

// NewRelease returns the service com.inventory.release on the stock.
func NewRelease(stock Stock) (*arvo.Service, error) {
	return arvo.NewService(ReleaseContract, arvo.ExecutionUnits(1), arvo.Implement("1.0.0", release(stock)))
}

func release(stock Stock) func(context.Context, arvo.Input[Release]) ([]arvo.Output, error) {
	return func(ctx context.Context, in arvo.Input[Release]) ([]arvo.Output, error) {
		released, err := stock.Release(ctx, in.Data.ReservationID)
		if err != nil {
			return nil, fmt.Errorf("release reservation %q: %w", in.Data.ReservationID, err)
		}
		return []arvo.Output{{Type: ReleaseSuccess, Data: released}}, nil
	}
}
