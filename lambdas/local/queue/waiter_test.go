package queue

import (
	"testing"
	"time"
)

// A receiver that was woken for a message that somebody else has taken comes first again.
func TestTheLongestWaitIsNotLostToAShortPoll(t *testing.T) {
	s := New(Options{})
	defer s.Close()
	q, err := s.Create(Config{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	send := func() {
		if _, err := q.Send(t.Context(), Message{Body: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	take := func(wait time.Duration, w *waiter) ([]Received, *waiter) {
		out, w, err := q.take(ReceiveRequest{Max: 1, Wait: wait}, w)
		if err != nil {
			t.Fatal(err)
		}
		return out, w
	}
	_, longest := take(time.Second, nil)
	_, other := take(time.Second, nil)
	send()
	<-longest.signal
	if out, _ := take(0, nil); len(out) != 1 {
		t.Fatal("the short poll has got nothing")
	}
	if _, again := take(time.Second, longest); again != longest {
		t.Fatal("the receiver does not wait on")
	}
	send()
	if len(longest.signal) != 1 || len(other.signal) != 0 {
		t.Error("a receiver that has waited for less time is woken first")
	}
}
