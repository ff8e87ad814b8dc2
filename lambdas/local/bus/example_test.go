package bus_test

import (
	"cmp"
	"context"
	"fmt"

	"example.com/arvo/lambdas/local/bus"
)

// A printer is a target.
type printer struct{}

func (printer) Deliver(_ context.Context, body []byte, _ string, _ map[string]string) error {
	fmt.Printf("%s\n", body)
	return nil
}

func Example() {
	s := bus.New(bus.Options{
		Region: "us-east-1", Account: "000000000000",
		Target: func(arn string) (bus.Target, bool) {
			return printer{}, arn == "arn:aws:sqs:us-east-1:000000000000:orders"
		},
	})
	err := s.CreateRule(bus.Rule{
		Name:    "orders",
		Pattern: []byte(`{"source": ["com.example.shop"], "detail": {"total": [{"numeric": [">", 100]}]}}`),
		Enabled: true,
		Targets: []bus.TargetConfig{{ID: "queue", ARN: "arn:aws:sqs:us-east-1:000000000000:orders", InputPath: "$.detail"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	results := s.Put(context.Background(), []bus.Entry{
		{Source: "com.example.shop", DetailType: "sold", Detail: []byte(`{"total": 12}`)},
		{Source: "com.example.shop", DetailType: "sold", Detail: []byte(`{"total": 120}`)},
		{Source: "com.example.shop", DetailType: "sold", Detail: []byte(`sold!`)},
	})
	for _, r := range results {
		fmt.Println(r.EventID != "", cmp.Or(r.ErrorCode, "accepted"))
	}
	if err := s.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"total":120}
	// true accepted
	// true accepted
	// false MalformedDetail
}
