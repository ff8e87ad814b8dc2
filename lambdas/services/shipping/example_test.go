package shipping_test

import (
	"context"
	"fmt"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/shipping/shippingtest"
)

func ExampleNewBook() {
	service, err := shipping.NewBook(new(shippingtest.Carrier))
	if err != nil {
		fmt.Println(err)
		return
	}
	version, err := service.Contract().Version("1.0.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	book, err := version.Accepts(arvo.Draft{
		ID:      "evt-1",
		Source:  "api.thin.lambda",
		Subject: "order/1",
		Data: shipping.Book{
			OrderID: "order-1",
			Address: shipping.Address{Name: "A. Lindgren", Street: "Dalagatan 46", City: "Stockholm", Postcode: "113 24", Country: "SE"},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answers, err := service.Handle(context.Background(), book)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, answer := range answers {
		fmt.Printf("%s\n  %s\n", answer.Type, answer.Data)
	}
	// Output:
	// evt.shipping.book.success
	//   {"booking_id":"evt-1","order_id":"order-1","carrier":"test","tracking":"TEST-1"}
}
