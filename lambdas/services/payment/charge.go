package payment

import (
	"context"
	"errors"
	"fmt"

	"example.com/arvo/lambdas/arvo"
)

// What a charge answers.
const (
	ChargeSuccess  = "evt.payment.charge.success"  // data: [Payment]
	ChargeDeclined = "evt.payment.charge.declined" // data: [Declined]
)

// ChargeContract is what com.payment.charge accepts and emits.
var ChargeContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI:         "#/services/payment/charge",
	Type:        "com.payment.charge",
	Description: "Takes an amount from a payment method, once for each event id.",
	Versions: map[string]arvo.VersionSpec{
		"1.0.0": {
			Accepts: arvo.SchemaFor[Charge](),
			Emits: map[string]arvo.Schema{
				ChargeSuccess:  arvo.SchemaFor[Payment](),
				ChargeDeclined: arvo.SchemaFor[Declined](),
			},
		},
	},
}))

// A Charge asks for an amount. Money is counted in the currency's minor unit (cents), never in fractions.
type Charge struct {
	OrderID  string `json:"order_id" minLength:"1" maxLength:"128" jsonschema:"the order that is paid for"`
	Amount   int64  `json:"amount" minimum:"1" maximum:"9007199254740991" jsonschema:"in the currency's minor unit; no more than every JSON reader keeps exactly"`
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" jsonschema:"ISO 4217"`
	Method   string `json:"method" minLength:"1" maxLength:"255" jsonschema:"the token of a payment method, never its number"`
}

// A Payment is an amount that has been taken.
type Payment struct {
	PaymentID string `json:"payment_id" jsonschema:"the id of the event that asked for the charge"`
	OrderID   string `json:"order_id"`
	Amount    int64  `json:"amount" jsonschema:"in the currency's minor unit"`
	Currency  string `json:"currency"`
}

// Declined says that nothing has been taken, and why.
type Declined struct {
	OrderID string `json:"order_id"`
	Reason  string `json:"reason" jsonschema:"for the payer to read"`
}

// NewCharge returns the service com.payment.charge on the gateway.
func NewCharge(gateway Gateway) (*arvo.Service, error) {
	return arvo.NewService(ChargeContract, arvo.ExecutionUnits(1), arvo.Implement("1.0.0", charge(gateway)))
}

func charge(gateway Gateway) func(context.Context, arvo.Input[Charge]) ([]arvo.Output, error) {
	return func(ctx context.Context, in arvo.Input[Charge]) ([]arvo.Output, error) {
		payment, err := gateway.Charge(ctx, in.Event.ID, in.Data)
		var declined *DeclinedError
		if errors.As(err, &declined) {
			return []arvo.Output{{Type: ChargeDeclined, Data: Declined{OrderID: in.Data.OrderID, Reason: declined.Reason}}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("charge order %q: %w", in.Data.OrderID, err)
		}
		// An id is unique to its producer only. Two producers that chose the same one must not share a payment.
		asked := Payment{PaymentID: in.Event.ID, OrderID: in.Data.OrderID, Amount: in.Data.Amount, Currency: in.Data.Currency}
		if payment != asked {
			return nil, fmt.Errorf("charge order %q: event id %q has paid for something else", in.Data.OrderID, in.Event.ID)
		}
		return []arvo.Output{{Type: ChargeSuccess, Data: payment}}, nil
	}
}
