package schedule_test

import (
	"fmt"
	"time"

	"example.com/arvo/loadtest/schedule"
)

func ExampleNew() {
	s, err := schedule.New(
		schedule.Constant("base", 40, 10*time.Second),
		schedule.Constant("burst", 160, 10*time.Second),
		schedule.Ramp("fade", 160, 0, 5*time.Second),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, stage := range s.Stages() {
		from, to := s.Span(i)
		first, end := s.Range(i)
		fmt.Printf("%-5s %3v to %3v: subjects %4d to %4d\n", stage.Name, from, to, first, end-1)
	}
	fmt.Println("subject 2200 is due at", s.At(2200))
	// Output:
	// base   0s to 10s: subjects    0 to  399
	// burst 10s to 20s: subjects  400 to 1999
	// fade  20s to 25s: subjects 2000 to 2399
	// subject 2200 is due at 21.464466094s
}
