package target_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/target"
)

// The local stack is started with this process and ends with it.
func Example() {
	ctx := context.Background()
	child, err := target.Local(ctx, target.LocalConfig{Parameters: map[string]string{"RequestsBatchSize": "1"}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := child.Stop(ctx); err != nil {
			log.Print(err)
		}
	}()
	stack, err := target.Open(ctx, target.Config{Child: child})
	if err != nil {
		log.Fatal(err)
	}
	defer stack.Close()

	four := 4
	if err := stack.Apply(ctx, experiment.Settings{Concurrency: &four}); err != nil {
		log.Fatal(err)
	}
	setup, err := stack.Setup(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("MaximumConcurrency", setup.Concurrency, "with batches of", setup.Batch)

	request, err := stack.Request(experiment.ViaAPI, 50*time.Millisecond)
	if err != nil {
		log.Fatal(err)
	}
	body, err := request.Body("run-0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(request.Method, string(body))

	if err := stack.Restore(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// MaximumConcurrency 4 with batches of 1
	// POST {"type":"com.workload.simulate","data":{"sleep_ms":50}}
}
