package payment_test

import (
	"context"
	"fmt"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/payment/paymenttest"
)

// A service is called with an event, in a test as in a Lambda, and says what came of it.
func ExampleNewCharge() {
	gateway := &paymenttest.Gateway{Decide: func(_ string, c payment.Charge) error {
		if c.Amount > 100_00 {
			return &payment.DeclinedError{Reason: "over the card's limit"}
		}
		return nil
	}}
	service, err := payment.NewCharge(gateway)
	if err != nil {
		fmt.Println(err)
		return
	}
	version, err := service.Contract().Version("1.0.0")
	if err != nil {
		fmt.Println(err)
		return
	}

	for id, amount := range []int64{19_99, 250_00} {
		charge, err := version.Accepts(arvo.Draft{
			ID:      fmt.Sprintf("evt-%d", id+1),
			Source:  "api.thin.lambda",
			Subject: "order/1",
			Data:    payment.Charge{OrderID: "order-1", Amount: amount, Currency: "EUR", Method: "pm_4f1c"},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		answers, err := service.Handle(context.Background(), charge)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, answer := range answers {
			fmt.Println(answer.Type, "to", answer.To)
			fmt.Printf("  %s\n", answer.Data)
		}
	}
	// Output:
	// evt.payment.charge.success to api.thin.lambda
	//   {"payment_id":"evt-1","order_id":"order-1","amount":1999,"currency":"EUR"}
	// evt.payment.charge.declined to api.thin.lambda
	//   {"order_id":"order-1","reason":"over the card's limit"}
}
