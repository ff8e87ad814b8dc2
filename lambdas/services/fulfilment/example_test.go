package fulfilment_test

import (
	"context"
	"encoding/json"
	"fmt"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/services/fulfilment"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/inventory/inventorytest"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/payment/paymenttest"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/shipping/shippingtest"
)

// A workflow and the services that it calls, on a bus in process. The card is declined, so the goods go back.
func ExampleNewFulfilment() {
	gateway := &paymenttest.Gateway{Decide: func(string, payment.Charge) error {
		return &payment.DeclinedError{Reason: "card declined"}
	}}
	stock := new(inventorytest.Stock)
	bus := new(arvotest.Bus)
	bus.Host(
		arvo.MustResumable(fulfilment.NewFulfilment(arvotest.NewMemory())),
		arvo.MustService(inventory.NewReserve(stock)), arvo.MustService(inventory.NewRelease(stock)),
		arvo.MustService(payment.NewCharge(gateway)), arvo.MustService(payment.NewRefund(gateway)),
		arvo.MustService(shipping.NewBook(new(shippingtest.Carrier))),
	)

	version, err := fulfilment.Contract.Version("1.0.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	begin, err := version.Init(arvo.Draft{
		Source: "api.thin.lambda",
		Data: struct {
			Parent *string `json:"parentSubject$$"` // null: nobody's child
			fulfilment.Order
		}{Order: fulfilment.Order{
			OrderID: "order-1", Items: []inventory.Item{{SKU: "lamp", Quantity: 2}},
			Amount: 1999, Currency: "EUR", Method: "pm_4f1c",
			Address: shipping.Address{Name: "A. Lindgren", Street: "Dalagatan 46", City: "Stockholm", Postcode: "113 24", Country: "SE"},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	bus.Publish(begin)
	if err := bus.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}

	for _, e := range bus.Published() {
		fmt.Println(e.Source, "sends", e.Type)
	}
	var outcome fulfilment.Outcome
	if err := json.Unmarshal(bus.At("api.thin.lambda")[0].Data, &outcome); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: %s; the goods are %s\n", outcome.Status, outcome.Reason, outcome.Reservation.Status)
	// Output:
	// api.thin.lambda sends arvo.orc.fulfilment
	// arvo.orc.fulfilment sends com.inventory.reserve
	// com.inventory.reserve sends evt.inventory.reserve.success
	// arvo.orc.fulfilment sends com.payment.charge
	// com.payment.charge sends evt.payment.charge.declined
	// arvo.orc.fulfilment sends com.inventory.release
	// com.inventory.release sends evt.inventory.release.success
	// arvo.orc.fulfilment sends arvo.orc.fulfilment.done
	// declined: card declined; the goods are released
}
