package fulfilment

import (
	"context"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/shipping"
)

// How long a fulfilment waits for an answer; see Time in the package comment.
const (
	// ReversibleTimeout is for what can be undone, whether it was done or not: reserve and charge.
	ReversibleTimeout = time.Minute
	// FinalTimeout is for what cannot: book, and the undoing itself.
	FinalTimeout = 4 * time.Minute
)

// step is one event's turn of a fulfilment.
type step = arvo.Step[state, Order]

// NewFulfilment returns the workflow arvo.orc.fulfilment, which remembers in memory.
func NewFulfilment(memory arvo.Memory, options ...arvo.ResumableOption) (*arvo.Resumable, error) {
	var calls []*arvo.Version
	for _, c := range []*arvo.Contract{
		inventory.ReserveContract, inventory.ReleaseContract, payment.ChargeContract, payment.RefundContract, shipping.BookContract,
	} {
		v, err := c.Version("1.0.0")
		if err != nil {
			return nil, err
		}
		calls = append(calls, v)
	}
	return arvo.NewResumable(Contract, memory, append([]arvo.ResumableOption{
		arvo.Calls(calls...), arvo.ExecutionUnits(1),
		arvo.Resume(sequential, inSequence),
		arvo.Resume(parallel, inParallel),
	}, options...)...)
}

// inSequence is version 1.0.0: nothing is asked for before all that comes before it is there.
func inSequence(_ context.Context, s *step) error {
	if err := take(s); err != nil {
		return err
	}
	switch st := s.State; {
	case st.Stopped != nil:
		undo(s)
	case st.Reserve.ID == "":
		reserve(s)
	case st.Reserve.Answer == yes && st.Charge.ID == "":
		charge(s)
	case st.Charge.Answer == yes && st.Book.ID == "":
		book(s)
	case st.Book.Answer == yes:
		complete(s)
	}
	return nil
}

// inParallel is version 2.0.0: goods and money are asked for at once, the delivery when both are there.
func inParallel(_ context.Context, s *step) error {
	if err := take(s); err != nil {
		return err
	}
	switch st := s.State; {
	case st.Stopped != nil:
		undo(s)
	case st.Reserve.ID == "":
		reserve(s)
		charge(s)
	case st.Reserve.Answer == yes && st.Charge.Answer == yes && st.Book.ID == "":
		book(s)
	case st.Book.Answer == yes:
		complete(s)
	}
	return nil
}

func reserve(s *step) {
	o := s.State.Order
	s.State.Reserve.ID = s.Call(arvo.Call{
		Type: inventory.ReserveContract.Type(), Timeout: ReversibleTimeout,
		Data: inventory.Reserve{OrderID: o.OrderID, Items: o.Items},
	})
}

func charge(s *step) {
	o := s.State.Order
	s.State.Charge.ID = s.Call(arvo.Call{
		Type: payment.ChargeContract.Type(), Timeout: ReversibleTimeout,
		Data: payment.Charge{OrderID: o.OrderID, Amount: o.Amount, Currency: o.Currency, Method: o.Method},
	})
}

func book(s *step) {
	o := s.State.Order
	s.State.Book.ID = s.Call(arvo.Call{
		Type: shipping.BookContract.Type(), Timeout: FinalTimeout,
		Data: shipping.Book{OrderID: o.OrderID, Address: o.Address},
	})
}

// undo takes back what was done or may yet be, and completes when no answer is missing that could tell what became of it.
// An answer of the call that is undone is not waited for: whichever of the two came first, the undoing knows.
func undo(s *step) {
	st := s.State
	if st.Reserve.stands() && st.Release.ID == "" {
		st.Release.ID = s.Call(arvo.Call{
			Type: inventory.ReleaseContract.Type(), Timeout: FinalTimeout,
			Data: inventory.Release{ReservationID: st.Reserve.ID},
		})
	}
	if st.Charge.stands() && st.Refund.ID == "" {
		st.Refund.ID = s.Call(arvo.Call{
			Type: payment.RefundContract.Type(), Timeout: FinalTimeout,
			Data: payment.Refund{PaymentID: st.Charge.ID, Reason: string(st.Stopped.Status)},
		})
	}
	if st.Reserve.stands() && st.Release.Answer == none || st.Charge.stands() && st.Refund.Answer == none {
		return
	}
	complete(s)
}

func complete(s *step) { s.Complete(arvo.Completion{Data: s.State.outcome()}) }
