package stats_test

import (
	"fmt"
	"time"

	"example.com/arvo/loadtest/stats"
)

func ExampleCapacity() {
	requests := stats.Capacity{Concurrency: 4, Batch: 1, Parallelism: 10, Service: 50 * time.Millisecond}
	rate, err := requests.Rate()
	if err != nil {
		fmt.Println(err)
		return
	}
	const offered, seconds = 150, 20
	backlog := (offered - rate) * seconds
	drain, _ := stats.Drain(backlog, rate, 0)
	fmt.Printf("%.0f subjects/s; %v behind after %d s at %d/s, and %v later it has caught up\n", rate, backlog, seconds, offered, drain)
	// Output: 80 subjects/s; 1400 behind after 20 s at 150/s, and 17.5s later it has caught up
}

func ExampleJudge() {
	backlog := []float64{0, 72, 141, 210, 283, 354, 425, 494, 567, 638, 708} // each second
	growth := stats.Growth(backlog, time.Second, stats.Blocks)
	fmt.Printf("%v subjects/s: %s\n", growth, stats.Judge(growth, 150))
	fmt.Println("limited by", stats.Diagnose(stats.Little(79.2, 50*time.Millisecond, 4), stats.Judge(growth, 150)))
	// Output:
	// 70.8 [69.69, 71.91] subjects/s: unstable
	// limited by concurrency
}

func ExampleLatencies() {
	l := stats.NewLatencies()
	for i := range 999 {
		l.Record(time.Duration(i+1)*time.Millisecond, 1)
	}
	fmt.Println("p99 known of 999:", l.Quantile(0.99).Known)
	l.Record(time.Second, 1)
	p99 := l.Quantile(0.99)
	fmt.Println("p99 of 1000:", p99.Value.Round(time.Millisecond), "in", p99.Lo.Round(time.Millisecond), "to", p99.Hi.Round(time.Millisecond))
	// Output:
	// p99 known of 999: false
	// p99 of 1000: 990ms in 983ms to 998ms
}
