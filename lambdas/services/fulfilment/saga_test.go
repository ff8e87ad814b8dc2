package fulfilment_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/services/fulfilment"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/inventory/inventorytest"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/payment/paymenttest"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/shipping/shippingtest"
)

// Messages come once, twice and three times, in any order, and the host dies between keeping a step and sending what it
// has led to: one charge, one booking, one outcome.
func TestAtLeastOnceInAnyOrder(t *testing.T) {
	for _, version := range fulfilment.Contract.Versions() {
		for seed := range uint64(100) {
			bus := &arvotest.Bus{Seed: seed, Shuffle: true, Copies: 1 + int(seed%3), Duplicate: 0.2, Kill: 0.3}
			bus.Explain(t)
			w := new(world)
			bus.Host(arvo.MustResumable(fulfilment.NewFulfilment(arvotest.NewMemory())))
			bus.Host(w.services()...)
			bus.Publish(request(t, version, order))
			if err := bus.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			answers := bus.At("api.thin.lambda")
			if len(answers) != 1 || !strings.Contains(string(answers[0].Data), `"status":"fulfilled"`) {
				t.Fatalf("%s: the answers are %v", version, answers)
			}
			if moved := w.gateway.Moved(); len(moved) != 1 || w.carrier.Parcels() != 1 || w.stock.Aside("lamp") != 2 {
				t.Fatalf("%s: money moved %+v, %d parcels are booked, %d lamps set aside", version, moved, w.carrier.Parcels(), w.stock.Aside("lamp"))
			}
			if dead := bus.DeadLetters(); len(dead) > 0 {
				t.Fatalf("%s: dead letters %v", version, dead)
			}
		}
	}
}

// Whatever goes wrong with the services and on the way, an order ends in one outcome, which is the truth.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		bus := &arvotest.Bus{
			Seed: rapid.Uint64().Draw(t, "seed"), Shuffle: true,
			Copies: rapid.IntRange(1, 3).Draw(t, "copies"), Kill: rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "kill"),
		}
		withheld := rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(w.types()))), 0, 3, rapid.ID).Draw(t, "withheld")
		bus.Withhold = func(e arvo.Event) bool {
			timeout := strings.Contains(string(e.Data), arvo.ErrorTimeout) // nobody's event, so nobody holds it up
			return slices.Contains(withheld, e.Type) && !timeout
		}
		memory := arvotest.NewMemory()
		handler := arvo.MustResumable(fulfilment.NewFulfilment(memory))
		bus.Host(handler)
		bus.Host(w.services()...)
		init := request(t, rapid.SampledFrom(fulfilment.Contract.Versions()).Draw(t, "version"), order)
		bus.Publish(init)
		run(t, bus)

		// Time passes, until nothing is left that could time out.
		recall := func() arvo.Workflow {
			kept, _, err := memory.Recall(t.Context(), init.Subject, arvo.Key{})
			if err != nil || kept == nil {
				t.Fatalf("%v, %v", kept, err)
			}
			return *kept
		}
		for range 3 {
			missing, err := arvo.Timeouts(init.Subject, recall(), time.Now().Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			bus.Publish(missing...)
			run(t, bus)
		}
		kept := recall()
		if kept.Status != arvo.StatusDone {
			t.Fatalf("the workflow is %s, with the state %s\n%v", kept.Status, kept.State, bus)
		}

		// What comes now comes too late.
		bus.Release()
		run(t, bus)
		if late := recall(); late.Revision != kept.Revision {
			t.Errorf("late replies have led to %d more steps\n%v", late.Revision-kept.Revision, bus)
		}

		if dead := bus.DeadLetters(); len(dead) > 0 {
			t.Errorf("dead letters: %v\n%v", dead, bus)
		}
		answers := bus.At("api.thin.lambda")
		if len(answers) != 1 || answers[0].Type != fulfilment.Done {
			t.Fatalf("the answers are %v\n%v", answers, bus)
		}
		var got fulfilment.Outcome
		if err := json.Unmarshal(answers[0].Data, &got); err != nil {
			t.Fatal(err)
		}
		w.check(t, got)
		calls := map[string]int{}
		for _, e := range bus.Published() {
			if e.Source == handler.Source() {
				calls[e.Type]++
			}
		}
		for eventType, n := range calls {
			if n > 1 {
				t.Errorf("%s was sent %d times", eventType, n)
			}
		}
		if t.Failed() {
			t.Logf("%s\n%v", answers[0].Data, bus)
		}

		// The history tells it all: the same workflow and the same world come to the same steps again.
		history, err := memory.History(t.Context(), init.Subject)
		if err != nil {
			t.Fatal(err)
		}
		replay := arvotest.Replay{Services: w.services(), Workflow: func(m arvo.Memory) (arvo.Handler, error) { return fulfilment.NewFulfilment(m) }}
		if _, err := replay.Run(t.Context(), history); err != nil {
			t.Errorf("%v\n%v", err, bus)
		}
	})
}

func run(t *rapid.T, bus *arvotest.Bus) {
	t.Helper()
	if err := bus.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A whim is what a service does with whatever it is asked.
type whim string

const (
	does        whim = "does it"
	refuses     whim = "refuses"
	fails       whim = "fails before it does it"
	failsBehind whim = "does it and fails"
)

var errBroken = errors.New("broken")

// with does what the whim says; do does it.
func with[T any](w whim, do func() (T, error)) (T, error) {
	if w == fails {
		return *new(T), errBroken
	}
	got, err := do()
	if w == failsBehind && err == nil {
		return got, errBroken
	}
	return got, err
}

// A world is what is behind the services, with its whims.
type world struct {
	reserve, release, charge, refund, book whim
	stock                                  inventorytest.Stock
	gateway                                paymenttest.Gateway
	carrier                                shippingtest.Carrier
}

func drawWorld(t *rapid.T) *world {
	// Most services do what they are asked, or no order would come as far as its booking.
	asked := rapid.SampledFrom([]whim{does, does, does, does, refuses, fails, failsBehind})
	undoing := rapid.SampledFrom([]whim{does, does, does, does, does, fails, failsBehind})
	w := &world{
		reserve: asked.Draw(t, "reserve"), charge: asked.Draw(t, "charge"), book: asked.Draw(t, "book"),
		release: undoing.Draw(t, "release"), refund: undoing.Draw(t, "refund"),
	}
	w.stock.Decide = func(string, inventory.Reserve) error {
		if w.reserve == refuses {
			return &inventory.RejectedError{Reason: "out of stock", SKU: "lamp"}
		}
		return nil
	}
	w.gateway.Decide = func(string, payment.Charge) error {
		if w.charge == refuses {
			return &payment.DeclinedError{Reason: "card declined"}
		}
		return nil
	}
	w.carrier.Decide = func(string, shipping.Book) error {
		if w.book == refuses {
			return &shipping.RejectedError{Reason: "country not served"}
		}
		return nil
	}
	return w
}

func (w *world) services() []arvo.Hosted {
	return []arvo.Hosted{
		arvo.MustService(inventory.NewReserve(stock{w})), arvo.MustService(inventory.NewRelease(stock{w})),
		arvo.MustService(payment.NewCharge(gateway{w})), arvo.MustService(payment.NewRefund(gateway{w})),
		arvo.MustService(shipping.NewBook(carrier{w})),
	}
}

// types are all that a fulfilment sends and hears, but for its outcome.
func (w *world) types() map[string]bool {
	types := map[string]bool{}
	for _, c := range callees {
		types[c.Type()], types[c.SystemErrorType()] = true, true
		v, err := c.Version("latest")
		if err != nil {
			panic(err)
		}
		for _, emitted := range v.EmitTypes() {
			types[emitted] = true
		}
	}
	return types
}

// check holds an outcome against the world, in which all has happened that ever will.
func (w *world) check(t *rapid.T, got fulfilment.Outcome) {
	t.Helper()
	moved := w.gateway.Moved()
	taken, balance := 0, int64(0)
	for _, m := range moved {
		balance += m.Amount
		if m.Amount > 0 {
			taken++
		}
	}
	lamps, parcels := w.stock.Aside("lamp"), w.carrier.Parcels()
	if taken > 1 || len(moved) > 2 || parcels > 1 || lamps != 0 && lamps != 2 {
		t.Errorf("money moved %+v, %d lamps are aside, %d parcels booked", moved, lamps, parcels)
	}
	if fulfilled := got.Status == fulfilment.Fulfilled; fulfilled != (got.Reason == "") ||
		fulfilled != (got.Reservation.Status == "reserved") || fulfilled != (got.Payment.Status == "charged") || fulfilled != (got.Shipment.Status == "booked") {
		t.Errorf("the parts do not make the whole: %+v", got)
	}
	type fact struct{ goods, money, delivery bool }
	want := fact{goods: got.Reservation.Status == "reserved", money: got.Payment.Status == "charged", delivery: got.Shipment.Status == "booked"}
	have := fact{goods: lamps != 0, money: balance != 0, delivery: parcels != 0}
	// What nobody knows may be either way, but not because the workflow has not tried.
	if got.Reservation.Status == "unknown" && w.release == fails {
		want.goods = have.goods
	}
	if got.Payment.Status == "unknown" && w.refund == fails {
		want.money = have.money
	}
	if got.Shipment.Status == "unknown" {
		want.delivery = have.delivery
	}
	if have != want {
		t.Errorf("goods, money and delivery are %v, and the outcome is %+v", have, got)
	}
	if got.Payment.Status == "refunded" && taken != 1 || got.Payment.Status == "declined" && taken != 0 {
		t.Errorf("money was taken %d times, and the payment is %+v", taken, got.Payment)
	}
}

type stock struct{ *world }

func (s stock) Reserve(ctx context.Context, key string, r inventory.Reserve) (inventory.Reservation, error) {
	return with(s.reserve, func() (inventory.Reservation, error) { return s.stock.Reserve(ctx, key, r) })
}

func (s stock) Release(ctx context.Context, id string) (inventory.Released, error) {
	return with(s.release, func() (inventory.Released, error) { return s.stock.Release(ctx, id) })
}

type gateway struct{ *world }

func (g gateway) Charge(ctx context.Context, key string, c payment.Charge) (payment.Payment, error) {
	return with(g.charge, func() (payment.Payment, error) { return g.gateway.Charge(ctx, key, c) })
}

func (g gateway) Refund(ctx context.Context, id string, r payment.Refund) (payment.Refunded, error) {
	return with(g.refund, func() (payment.Refunded, error) { return g.gateway.Refund(ctx, id, r) })
}

type carrier struct{ *world }

func (c carrier) Book(ctx context.Context, key string, b shipping.Book) (shipping.Booking, error) {
	return with(c.book, func() (shipping.Booking, error) { return c.carrier.Book(ctx, key, b) })
}
