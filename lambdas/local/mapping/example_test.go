package mapping_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"example.com/arvo/lambdas/local/mapping"
	"example.com/arvo/lambdas/local/queue"
)

// printer is a function that prints what it gets.
type printer chan string

func (p printer) Invoke(_ context.Context, name string, payload []byte, _ []string) (mapping.Result, error) {
	p <- fmt.Sprintf("%s gets %d record", name, strings.Count(string(payload), `"messageId"`))
	return mapping.Result{Payload: []byte("null")}, nil
}

func Example() {
	queues := queue.New(queue.Options{})
	defer queues.Close()
	orders, err := queues.Create(queue.Config{Name: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	function := make(printer)
	mappings := mapping.New(mapping.Options{Invoker: function})
	if _, err := mappings.Create(mapping.Config{ID: "14e0db71-5d35-4eb5-b481-8945cf9d10c2", Queue: orders, Function: "handler", MaxConcurrency: 2}); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := orders.Send(context.Background(), queue.Message{Body: "hello"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-function)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println("stopped:", mappings.Stop(ctx), "left:", orders.Counts().Visible+orders.Counts().InFlight)
	// Output:
	// handler gets 1 record
	// stopped: <nil> left: 0
}
