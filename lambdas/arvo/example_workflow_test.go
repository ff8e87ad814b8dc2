package arvo_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
)

// Trip is what the workflow arvo.orc.trip is asked for.
type Trip struct {
	Order  string  `json:"order"`
	Legs   int     `json:"legs" minimum:"1" maximum:"9"`
	Amount float64 `json:"amount"`
}

// Booked is its answer.
type Booked struct {
	OK       bool     `json:"ok"`
	Receipts []string `json:"receipts,omitempty"`
}

// booking is what it remembers: how far it has come.
type booking struct {
	Trip     Trip     `json:"trip"`
	Receipts []string `json:"receipts"`
	Failed   bool     `json:"failed"`
}

var tripContract = arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
	URI: "#/workflows/trip", Name: "trip",
	Versions: map[string]arvo.OrchestratorVersion{
		"1.0.0": {Init: arvo.SchemaFor[Trip](), Complete: arvo.SchemaFor[Booked]()},
	},
}))

// bookTrip pays for all legs at once and answers when it knows of each.
func bookTrip(_ context.Context, s *arvo.Step[booking, Trip]) error {
	switch s.Event.Type {
	case tripContract.Type(): // it begins
		s.State.Trip = *s.Init
		for leg := range s.Init.Legs {
			s.Call(arvo.Call{
				Type: payment.Type(), Timeout: time.Minute,
				Data: Charge{Order: fmt.Sprintf("%s-%d", s.Init.Order, leg+1), Amount: s.Init.Amount},
			})
		}
		return nil
	case "evt.payment.charge.success":
		var paid Charged
		if err := s.Data(&paid); err != nil {
			return err
		}
		s.State.Receipts = append(s.State.Receipts, paid.Receipt)
	case payment.SystemErrorType(): // declined, or no answer within a minute
		s.State.Failed = true
	}
	if s.Awaited() == 0 {
		s.Complete(arvo.Completion{Data: Booked{OK: !s.State.Failed, Receipts: s.State.Receipts}})
	}
	return nil
}

func newTrip(memory arvo.Memory) (*arvo.Resumable, error) {
	charging, err := payment.Version("1.0.0")
	if err != nil {
		return nil, err
	}
	return arvo.NewResumable(tripContract, memory, arvo.Calls(charging), arvo.Resume("1.0.0", bookTrip))
}

// begins is the event with which a client begins a trip.
func begins(trip Trip) (arvo.Event, error) {
	v, err := tripContract.Version("latest")
	if err != nil {
		return arvo.Event{}, err
	}
	return v.Init(arvo.Draft{Source: "api.thin.lambda", Data: struct {
		Parent *string `json:"parentSubject$$"` // null: nobody's
		Trip
	}{nil, trip}})
}

// A workflow calls services, remembers what they answer, and answers itself. The bus stands for the host.
func ExampleResumable() {
	trip, err := newTrip(arvotest.NewMemory())
	if err != nil {
		fmt.Println(err)
		return
	}
	service, err := arvo.NewService(payment, arvo.Implement("1.0.0", charge))
	if err != nil {
		fmt.Println(err)
		return
	}
	init, err := begins(Trip{Order: "order-7", Legs: 2, Amount: 12.5})
	if err != nil {
		fmt.Println(err)
		return
	}
	bus := &arvotest.Bus{Copies: 2} // each event comes twice, as a queue may deliver it
	bus.Host(trip, service)
	bus.Publish(init)
	if err := bus.Run(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range bus.Published() {
		fmt.Println(e.Type, "to", e.To)
	}
	fmt.Println(string(bus.At("api.thin.lambda")[0].Data))
	// Output:
	// arvo.orc.trip to arvo.orc.trip
	// com.payment.charge to com.payment.charge
	// com.payment.charge to com.payment.charge
	// evt.payment.charge.success to arvo.orc.trip
	// evt.payment.charge.success to arvo.orc.trip
	// arvo.orc.trip.done to api.thin.lambda
	// {"ok":true,"receipts":["receipt for order-7-1","receipt for order-7-2"]}
}

// When a service does not answer, the host does in its place: the workflow hears of a system error like any other. The
// real answer, if it comes after all, changes nothing.
func ExampleTimeouts() {
	ctx, memory := context.Background(), arvotest.NewMemory()
	trip, err := newTrip(memory)
	if err != nil {
		fmt.Println(err)
		return
	}
	init, err := begins(Trip{Order: "order-7", Legs: 1, Amount: 12.5})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := trip.Handle(ctx, init); err != nil { // the call that this gives is never answered
		fmt.Println(err)
		return
	}
	w, _, err := memory.Recall(ctx, init.Subject, init.Key())
	if err != nil {
		fmt.Println(err)
		return
	}
	missing, err := arvo.Timeouts(init.Subject, *w, time.Now().Add(2*time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range missing {
		told, _, _ := strings.Cut(string(e.Data), " by ")
		fmt.Println(e.Type, "of", e.Source, told)
		out, err := trip.Handle(ctx, e)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(out[0].Type, string(out[0].Data))
	}
	// Output:
	// sys.com.payment.charge.error of com.payment.charge {"errorName":"Timeout","errorMessage":"com.payment.charge has not answered com.payment.charge
	// arvo.orc.trip.done {"ok":false}
}
