package payment

import (
	"context"
	"fmt"

	"example.com/arvo/lambdas/arvo"
)

// RefundSuccess is what a refund answers; its data is a [Refunded].
const RefundSuccess = "evt.payment.refund.success"

// RefundContract is what com.payment.refund accepts and emits. It has no event for a refusal: a refund undoes, and
// undoing nothing is a success too.
var RefundContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI:         "#/services/payment/refund",
	Type:        "com.payment.refund",
	Description: "Gives back what a charge has taken, once for each payment, and stops a charge that has not happened yet.",
	Versions: map[string]arvo.VersionSpec{
		"1.0.0": {
			Accepts: arvo.SchemaFor[Refund](),
			Emits:   map[string]arvo.Schema{RefundSuccess: arvo.SchemaFor[Refunded]()},
		},
	},
}))

// A Refund asks for a payment's money back.
type Refund struct {
	// An id has no greatest length: what could be charged must be refundable.
	PaymentID string `json:"payment_id" minLength:"1" jsonschema:"the id of the event that asked for the charge"`
	Reason    string `json:"reason,omitempty" maxLength:"500" jsonschema:"for the books"`
}

// Refunded says what has been given back.
type Refunded struct {
	PaymentID string `json:"payment_id"`
	Amount    int64  `json:"amount" jsonschema:"in the currency's minor unit; 0 if nothing had been taken"`
	Currency  string `json:"currency,omitempty" jsonschema:"absent if nothing had been taken"`
	Refunded  bool   `json:"refunded" jsonschema:"false if nothing had been taken: nothing will be"`
}

// NewRefund returns the service com.payment.refund on the gateway.
func NewRefund(gateway Gateway) (*arvo.Service, error) {
	return arvo.NewService(RefundContract, arvo.ExecutionUnits(1), arvo.Implement("1.0.0", refund(gateway)))
}

func refund(gateway Gateway) func(context.Context, arvo.Input[Refund]) ([]arvo.Output, error) {
	return func(ctx context.Context, in arvo.Input[Refund]) ([]arvo.Output, error) {
		refunded, err := gateway.Refund(ctx, in.Data.PaymentID, in.Data)
		if err != nil {
			return nil, fmt.Errorf("refund payment %q: %w", in.Data.PaymentID, err)
		}
		return []arvo.Output{{Type: RefundSuccess, Data: refunded}}, nil
	}
}
