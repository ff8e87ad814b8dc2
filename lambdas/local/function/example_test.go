//go:build unix

package function_test

import (
	"context"
	"fmt"
	"time"

	"example.com/arvo/lambdas/local/function"
)

// A function is a binary that speaks the Runtime API; probe is one made with aws-lambda-go that returns its event.
func Example() {
	ctx := context.Background()
	s := function.New(function.Options{})
	if err := s.Create(function.Config{Name: "echo", Binary: probe, Timeout: 5 * time.Second}); err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		res, err := s.Invoke(ctx, function.Request{Function: "echo", Payload: []byte(`{"text":"hello"}`)})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(res.Payload))
	}
	stats := s.Stats("echo")
	fmt.Println(stats.Invocations, "invocations,", stats.ColdStarts, "cold start")
	if err := s.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"text":"hello"}
	// {"text":"hello"}
	// 2 invocations, 1 cold start
}
