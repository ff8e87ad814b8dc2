package sim_test

import (
	"context"
	"fmt"
	"time"

	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/sim"
)

// What does the template do with 2,000 subjects a second in an account of its own, on a table that has been warmed?
func ExampleRun() {
	load, err := schedule.New(schedule.Constant("hold", 2000, time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	quotas, err := sim.QuotasOf("us-east-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	quotas.TableWarm = 40_000
	c := sim.Config{System: sim.Template(50 * time.Millisecond), Quotas: quotas, Latencies: sim.AWS2026(), Prices: sim.USEast1(), Load: load}
	result, err := sim.Run(context.Background(), c)
	if err != nil {
		fmt.Println(err)
		return
	}
	binding, _ := result.Binding()
	fmt.Println("limited by", binding.Limit)
	ceilings, err := c.Ceilings(2000)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, ceiling := range ceilings[:3] {
		fmt.Println(ceiling)
	}
	// Output:
	// limited by requests MaximumConcurrency
	// requests MaximumConcurrency at 1251/s: MaximumConcurrency of the mapping, 10 -> 16
	// responses MaximumConcurrency at 3013/s: MaximumConcurrency of the mapping, 5 is enough
	// table write throughput at 5714/s: warm write units of the table, 40000 is enough
}
