package ledger_test

import (
	"fmt"
	"time"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/schedule"
)

func ExampleLedger() {
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s, err := schedule.New(schedule.Constant("hold", 2, 2*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := ledger.New("demo", began, s)
	if err != nil {
		fmt.Println(err)
		return
	}
	for seq := range uint64(3) { // the fourth was never sent
		sent := began.Add(s.At(seq))
		err := l.Answer(seq, ledger.Answer{Sent: sent, Acked: sent.Add(8 * time.Millisecond), Code: 202, Subject: fmt.Sprint("subject ", seq)})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	err = l.Observe(0, ledger.Observation{Accepted: began.Add(5 * time.Millisecond), Stored: began.Add(1200 * time.Millisecond), Status: ledger.Completed, Deliveries: 1, Events: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	l.DeadLetter("subject 1")
	l.Close()
	for r := range l.All() {
		fmt.Println(l.Key(r.Seq), r.Fate())
	}
	peak, at := l.Timeline(l.Clock(), nil).Peak()
	fmt.Println("at most", peak, "behind, at", at.Sub(l.Began()))
	// Output:
	// demo-0 completed
	// demo-1 dead-lettered
	// demo-2 lost
	// demo-3 unsent
	// at most 3 behind, at 1.008s
}
