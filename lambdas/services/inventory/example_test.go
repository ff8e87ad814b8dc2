package inventory_test

import (
	"context"
	"fmt"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/inventory/inventorytest"
)

// A release may overtake the reservation that it undoes: the reservation is then rejected.
func Example() {
	var stock inventorytest.Stock
	services := map[string]*arvo.Service{
		"com.inventory.reserve": arvo.MustService(inventory.NewReserve(&stock)),
		"com.inventory.release": arvo.MustService(inventory.NewRelease(&stock)),
	}
	tell := func(id, eventType string, data any) {
		service := services[eventType]
		version, err := service.Contract().Version("latest")
		if err != nil {
			fmt.Println(err)
			return
		}
		e, err := version.Accepts(arvo.Draft{ID: id, Source: "api.thin.lambda", Subject: "order/1", Data: data})
		if err != nil {
			fmt.Println(err)
			return
		}
		answers, err := service.Handle(context.Background(), e)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, answer := range answers {
			fmt.Printf("%s\n  %s\n", answer.Type, answer.Data)
		}
	}

	lamps := inventory.Reserve{OrderID: "order-1", Items: []inventory.Item{{SKU: "lamp", Quantity: 2}}}
	tell("evt-1", "com.inventory.reserve", lamps)
	tell("evt-2", "com.inventory.release", inventory.Release{ReservationID: "evt-3"})
	tell("evt-3", "com.inventory.reserve", lamps)
	fmt.Println("lamps set aside:", stock.Aside("lamp"))
	// Output:
	// evt.inventory.reserve.success
	//   {"reservation_id":"evt-1","order_id":"order-1","items":[{"sku":"lamp","quantity":2}]}
	// evt.inventory.release.success
	//   {"reservation_id":"evt-3","released":false}
	// evt.inventory.reserve.rejected
	//   {"order_id":"order-1","reason":"released"}
	// lamps set aside: 2
}
