package arvotest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

const (
	paid    = `arvo.orc.order.done {"outcome":"paid"}`
	refused = `arvo.orc.order.done {"outcome":"refused: Error"}`
	late    = `arvo.orc.order.done {"outcome":"refused: Timeout"}`
)

func TestAWorkflowSurvivesTheFaultsOfABus(t *testing.T) {
	for seed := range uint64(50) {
		for _, copies := range []int{1, 2, 3} {
			b := &arvotest.Bus{Seed: seed, Shuffle: true, Copies: copies, Duplicate: 0.2, Kill: 0.3}
			s := &shop{}
			memory := s.open(t, b)
			b.Publish(placed(t))
			run(t, b)
			if got := outcomes(b); !slices.Equal(got, []string{paid}) || s.ledger.count("charge") != 1 || s.ledger.count("reserve") != 1 || len(b.DeadLetters()) > 0 {
				t.Fatalf("the client was told %q, effects %v, dead letters %v\n%v", got, s.ledger.effects, b.DeadLetters(), b)
			}
			history, err := memory.History(t.Context(), orderSubject)
			if err != nil || len(history) != 3 {
				t.Fatalf("the workflow took %d steps, want 3 (%v)\n%v", len(history), err, b)
			}
		}
	}
}

func TestAWorkflowUndoesWhatItCannotFinish(t *testing.T) {
	for seed := range uint64(50) {
		b := &arvotest.Bus{Seed: seed, Shuffle: true, Copies: 2, Kill: 0.3}
		s := &shop{amount: func(n int) int { return 5 * n }}
		s.open(t, b)
		b.Publish(placed(t))
		run(t, b)
		if got := outcomes(b); !slices.Equal(got, []string{refused}) || s.ledger.count("charge") != 0 || s.ledger.count("release") != 1 {
			t.Fatalf("the client was told %q, effects %v\n%v", got, s.ledger.effects, b)
		}
	}
}

func TestAServiceThatNeverAnswersTimesOut(t *testing.T) {
	for seed := range uint64(50) {
		b := &arvotest.Bus{
			Seed: seed, Shuffle: true, Copies: 2, Kill: 0.2,
			Withhold: func(e arvo.Event) bool { return e.Type == "evt.payment.charge.success" },
		}
		s := &shop{}
		memory := s.open(t, b)
		b.Publish(placed(t))
		run(t, b)
		if n, err := b.Timeouts(t.Context(), memory, time.Now()); n != 0 || err != nil {
			t.Fatalf("%d calls have timed out already (%v)\n%v", n, err, b)
		}
		if n, err := b.Timeouts(t.Context(), memory, time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Fatalf("%d calls have timed out, want 1 (%v)\n%v", n, err, b)
		}
		// The timeout is on its way while the answers come after all. Either may be first, and then it stays at that.
		if seed%2 == 0 {
			run(t, b)
		}
		if b.Release() == 0 {
			t.Fatalf("no answer of %s was withheld\n%v", chargeContract.Type(), b)
		}
		b.Withhold = nil
		run(t, b)
		got := outcomes(b)
		if len(got) != 1 || got[0] != late && (got[0] != paid || seed%2 == 0) || (s.ledger.count("release") == 1) != (got[0] == late) {
			t.Fatalf("the client was told %q, effects %v\n%v", got, s.ledger.effects, b)
		}
	}
}

func TestTimeoutsNeedTheMemory(t *testing.T) {
	b := &arvotest.Bus{}
	s := &shop{}
	memory := s.open(t, b)
	b.Publish(placed(t))
	run(t, b)
	memory.Before = func(context.Context, arvotest.Call) error { return errors.New("out of order") }
	if n, err := b.Timeouts(t.Context(), memory, time.Now()); err == nil || n != 0 {
		t.Errorf("got %d timeouts and error %v from a memory that is out of order", n, err)
	}
}
