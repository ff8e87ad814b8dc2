package fulfilment

import (
	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/shipping"
)

// Done is how a fulfilment ends, well or not; its data is an [Outcome].
const Done = "arvo.orc.fulfilment.done"

// The versions of the workflow; the package comment says how they differ.
const (
	sequential = "1.0.0"
	parallel   = "2.0.0"
)

// Both versions take and give the same.
var order, outcome = arvo.SchemaFor[Order](), arvo.SchemaFor[Outcome]()

// Contract is what arvo.orc.fulfilment accepts and emits.
var Contract = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
	URI:  "#/orchestrators/fulfilment",
	Name: "fulfilment",
	Description: "Sets an order's goods aside, takes its money and books its delivery, or undoes what it did and says why. " +
		"1.0.0 charges once the goods are there, 2.0.0 reserves and charges at the same time.",
	Versions: map[string]arvo.OrchestratorVersion{
		sequential: {Init: order, Complete: outcome},
		parallel:   {Init: order, Complete: outcome},
	},
}))

// An Order is what is to be fulfilled. Its parts are what the three services take: what this contract lets pass, theirs do.
type Order struct {
	OrderID  string           `json:"order_id" minLength:"1" maxLength:"128"`
	Items    []inventory.Item `json:"items" minItems:"1" maxItems:"100" jsonschema:"each article once"`
	Amount   int64            `json:"amount" minimum:"1" maximum:"9007199254740991" jsonschema:"in the currency's minor unit"`
	Currency string           `json:"currency" pattern:"^[A-Z]{3}$" jsonschema:"ISO 4217"`
	Method   string           `json:"method" minLength:"1" maxLength:"255" jsonschema:"the token of a payment method, never its number"`
	Address  shipping.Address `json:"address" jsonschema:"where the goods go"`
}

// An Outcome says what became of an order, as a whole and in each part.
type Outcome struct {
	OrderID     string      `json:"order_id"`
	Status      Status      `json:"status" enum:"fulfilled,declined,rejected,failed" jsonschema:"declined by the payment's provider, rejected by the stock or the carrier; failed if one of them could not tell"`
	Reason      string      `json:"reason,omitempty" jsonschema:"for the payer to read: the first thing that stood in the way; absent if nothing did"`
	Reservation Reservation `json:"reservation"`
	Payment     Payment     `json:"payment"`
	Shipment    Shipment    `json:"shipment"`
}

// Status is what became of an order.
type Status string

// What becomes of an order.
const (
	Fulfilled Status = "fulfilled" // the goods are set aside and paid for, and the carrier comes for them
	Declined  Status = "declined"  // the charge was declined
	Rejected  Status = "rejected"  // the stock or the carrier said no
	Failed    Status = "failed"    // one of the services failed, or never answered
)

// A Reservation is what became of the goods.
type Reservation struct {
	Status        string `json:"status" enum:"none,reserved,rejected,released,unknown" jsonschema:"none: nothing is set aside, nor will be; unknown: nobody has confirmed that the goods are put back"`
	ReservationID string `json:"reservation_id,omitempty" jsonschema:"absent if no goods were asked for"`
	Reason        string `json:"reason,omitempty"`
	SKU           string `json:"sku,omitempty" jsonschema:"the article that the reason is about, if it is about one"`
}

// A Payment is what became of the money.
type Payment struct {
	Status    string `json:"status" enum:"none,charged,declined,refunded,unknown" jsonschema:"none: nothing was taken, nor will be; unknown: nobody has confirmed that the money is given back"`
	PaymentID string `json:"payment_id,omitempty" jsonschema:"absent if no money was asked for"`
	Reason    string `json:"reason,omitempty"`
}

// A Shipment is what became of the delivery.
type Shipment struct {
	Status    string `json:"status" enum:"none,booked,rejected,unknown" jsonschema:"unknown: the carrier may come"`
	BookingID string `json:"booking_id,omitempty" jsonschema:"absent if no delivery was asked for"`
	Carrier   string `json:"carrier,omitempty"`
	Tracking  string `json:"tracking,omitempty" jsonschema:"the carrier's number, to follow the parcels by"`
	Reason    string `json:"reason,omitempty"`
}
