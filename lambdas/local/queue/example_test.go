package queue_test

import (
	"context"
	"fmt"
	"time"

	"example.com/arvo/lambdas/local/queue"
)

func Example() {
	ctx := context.Background()
	s := queue.New(queue.Options{})
	defer s.Close()
	q, err := s.Create(queue.Config{Name: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := q.Send(ctx, queue.Message{Body: "hello"}); err != nil {
		fmt.Println(err)
		return
	}
	messages, err := q.Receive(ctx, queue.ReceiveRequest{Max: 10, Wait: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range messages {
		fmt.Println(m.Body, m.ReceiveCount, q.Counts().InFlight)
		if err := q.Delete(m.ReceiptHandle); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(q.Counts().InFlight)
	// Output:
	// hello 1 1
	// 0
}

// A message that is received too often goes to the dead-letter queue, where it can be told where it came from.
func ExampleConfig_deadLetter() {
	ctx := context.Background()
	s := queue.New(queue.Options{})
	defer s.Close()
	dead, err := s.Create(queue.Config{Name: "orders-dlq"})
	if err != nil {
		fmt.Println(err)
		return
	}
	q, err := s.Create(queue.Config{
		Name:              "orders",
		VisibilityTimeout: new(time.Duration), // at once visible again
		DeadLetter:        &queue.DeadLetter{TargetARN: dead.ARN(), MaxReceiveCount: 2},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := q.Send(ctx, queue.Message{Body: "poison"}); err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		messages, err := q.Receive(ctx, queue.ReceiveRequest{})
		fmt.Println(len(messages), err)
	}
	messages, err := dead.Receive(ctx, queue.ReceiveRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(messages[0].Body, messages[0].DeadLetterSource)
	// Output:
	// 1 <nil>
	// 1 <nil>
	// 0 <nil>
	// poison arn:aws:sqs:us-east-1:000000000000:orders
}
