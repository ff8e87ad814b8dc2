package workload_test

import (
	"context"
	"fmt"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/workload"
)

func ExampleNewSimulate() {
	service, err := workload.NewSimulate(workload.Host{})
	if err != nil {
		fmt.Println(err)
		return
	}
	version, err := service.Contract().Version("1.0.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	request, err := version.Accepts(arvo.Draft{
		ID:      "evt-1",
		Source:  "api.thin.lambda",
		Subject: "probe/1",
		Data:    workload.Simulate{SleepMS: 5, CPUMS: 1, Fanout: 2, Pad: "x"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	answers, err := service.Handle(context.Background(), request)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, answer := range answers {
		fmt.Println(answer.Type, string(answer.Data))
	}
	// Output:
	// evt.workload.simulate.progress {"index":1,"of":2}
	// evt.workload.simulate.progress {"index":2,"of":2}
	// evt.workload.simulate.success {"slept_ms":5,"burnt_ms":1,"pad":"x"}
}
