package arvotest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

// The shop is what the tests of this package run: a workflow that reserves, charges and completes, and releases what it
// has reserved if it cannot charge.
type (
	orderPlaced struct {
		Order  string `json:"order"`
		Amount int    `json:"amount"`
	}
	orderDone struct {
		Outcome string `json:"outcome"`
	}
	orderState struct{ Order, Reservation, Why string }

	reserve   struct{ Order string }
	reserved  struct{ Shelf string }
	charge    struct{ Amount int }
	charged   struct{ Receipt string }
	release   struct{ Reservation string }
	releasing struct{ Released bool }
)

func simple[In, Out any](kind string) *arvo.Contract {
	return arvo.MustContract(arvo.NewSimpleContract(arvo.SimpleSpec{
		URI: "#/services/" + kind, Type: kind,
		Versions: map[string]arvo.SimpleVersion{"1.0.0": {Accepts: arvo.SchemaFor[In](), Emits: arvo.SchemaFor[Out]()}},
	}))
}

var (
	reserveContract = simple[reserve, reserved]("inventory.reserve")
	releaseContract = simple[release, releasing]("inventory.release")
	chargeContract  = simple[charge, charged]("payment.charge")
	orderContract   = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
		URI: "#/workflows/order", Name: "order",
		Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {Init: arvo.SchemaFor[orderPlaced](), Complete: arvo.SchemaFor[orderDone]()}},
	}))
)

func version(c *arvo.Contract) *arvo.Version {
	v, err := c.Version("1.0.0")
	if err != nil {
		panic(err)
	}
	return v
}

// A ledger is the world that the services change: each effect once, under the id of the event that asked for it.
type ledger struct {
	effects map[string]string // results by operation and key
	closed  bool              // only what is recorded can be had
}

func (l *ledger) once(operation, key, result string) (string, error) {
	name := operation + " " + key
	if known, ok := l.effects[name]; ok {
		return known, nil
	}
	if l.closed {
		return "", fmt.Errorf("no effect %s is recorded", operation)
	}
	if l.effects == nil {
		l.effects = make(map[string]string)
	}
	l.effects[name] = result
	return result, nil
}

// count says how many effects an operation has had.
func (l *ledger) count(operation string) (n int) {
	for name := range l.effects {
		if len(name) > len(operation) && name[:len(operation)+1] == operation+" " {
			n++
		}
	}
	return n
}

// A shop's fields are what tests change in it.
type shop struct {
	ledger  ledger
	options []arvo.ResumableOption

	amount  func(int) int // what is charged
	call    arvo.Call     // laid over the call that charges
	before  []arvo.Call   // calls before the one that charges
	after   []arvo.Call   // calls after it
	forever bool          // the charge may take for ever
	free    bool          // nothing is charged
	receipt string        // begins the text of a receipt
}

var errDeclined = errors.New("declined")

func (s *shop) workflow(memory arvo.Memory) (arvo.Handler, error) {
	return arvo.NewResumable(orderContract, memory, append([]arvo.ResumableOption{
		arvo.Calls(version(reserveContract), version(releaseContract), version(chargeContract)),
		arvo.Resume("1.0.0", s.step),
	}, s.options...)...)
}

func (s *shop) step(_ context.Context, step *arvo.Step[orderState, orderPlaced]) error {
	state := step.State
	switch step.Event.Type {
	case orderContract.Type():
		state.Order = step.Init.Order
		state.Reservation = step.Call(arvo.Call{Type: reserveContract.Type(), Data: reserve{state.Order}, Timeout: time.Minute})
		return nil
	case "evt.inventory.reserve.success":
		records, err := step.Replies(context.Background())
		if err != nil || len(records) != 1 {
			return errors.Join(err, fmt.Errorf("%d replies", len(records)))
		}
		if s.free {
			step.Complete(arvo.Completion{Data: orderDone{"free"}})
			return nil
		}
		amount := 1999
		if s.amount != nil {
			amount = s.amount(amount)
		}
		for _, c := range s.before {
			step.Call(c)
		}
		c := s.call
		c.Type, c.Data, c.Timeout = chargeContract.Type(), charge{amount}, time.Minute
		if s.forever {
			c.Timeout = 0
		}
		step.Call(c)
		for _, c := range s.after {
			step.Call(c)
		}
	case "evt.payment.charge.success":
		step.Complete(arvo.Completion{Data: orderDone{"paid"}})
	case chargeContract.SystemErrorType(), reserveContract.SystemErrorType():
		var why struct {
			ErrorName string `json:"errorName"`
		}
		if err := step.Data(&why); err != nil {
			return err
		}
		state.Why = why.ErrorName
		step.Call(arvo.Call{Type: releaseContract.Type(), Data: release{state.Reservation}})
	case "evt.inventory.release.success":
		step.Complete(arvo.Completion{Data: orderDone{"refused: " + state.Why}})
	}
	return nil
}

func (s *shop) services() []arvo.Hosted {
	return []arvo.Hosted{
		arvo.MustService(arvo.NewService(reserveContract, arvo.Implement("1.0.0",
			func(_ context.Context, in arvo.Input[reserve]) ([]arvo.Output, error) {
				shelf, err := s.ledger.once("reserve", in.Event.ID, "shelf 1")
				return []arvo.Output{{Type: "evt.inventory.reserve.success", Data: reserved{shelf}}}, err
			}))),
		arvo.MustService(arvo.NewService(releaseContract, arvo.Implement("1.0.0",
			func(_ context.Context, in arvo.Input[release]) ([]arvo.Output, error) {
				_, err := s.ledger.once("release", in.Data.Reservation, "")
				return []arvo.Output{{Type: "evt.inventory.release.success", Data: releasing{true}}}, err
			}))),
		arvo.MustService(arvo.NewService(chargeContract, arvo.Implement("1.0.0",
			func(_ context.Context, in arvo.Input[charge]) ([]arvo.Output, error) {
				if in.Data.Amount > 5000 {
					return nil, errDeclined
				}
				number, err := s.ledger.once("charge", in.Event.ID, "number 1")
				return []arvo.Output{{Type: "evt.payment.charge.success", Data: charged{s.receipt + number}}}, err
			}))),
	}
}

// orderSubject is the subject of a workflow arvo.orc.order 1.0.0 that api.thin.lambda has begun. It is written out for the ids
// that derive from it: encoding it again may make another.
const orderSubject = "eJwljEEOgzAMBP+yZxrBld8YYglLiVMZg5Ci/L1ue9jLzu50NNsPPt3Im2HtUKqMFWR3S8EimQ0TbrZTmgZa0pxmjAn88H75r+yQHOjbvJZYi4rLXwl6S/JDNBWqW6aguVWSeOlVSngqO4VijA9n4S/g"

func placed(t testing.TB) arvo.Event {
	t.Helper()
	e, err := version(orderContract).Init(arvo.Draft{
		ID: "init-1", Source: "api.thin.lambda", Subject: orderSubject,
		Data: map[string]any{arvo.ParentSubject: nil, "order": "order-7", "amount": 1999},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// open puts the shop on a bus.
func (s *shop) open(t testing.TB, b *arvotest.Bus) *arvotest.Memory {
	t.Helper()
	memory := arvotest.NewMemory()
	workflow, err := s.workflow(memory)
	if err != nil {
		t.Fatal(err)
	}
	b.Handle(orderContract.Type(), workflow)
	b.Host(s.services()...)
	return memory
}

// outcomes are what the client has been told.
func outcomes(b *arvotest.Bus) []string {
	var list []string
	for _, e := range b.At("api.thin.lambda") {
		list = append(list, e.Type+" "+string(e.Data))
	}
	slices.Sort(list)
	return list
}
