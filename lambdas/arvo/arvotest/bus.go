package arvotest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"example.com/arvo/lambdas/arvo"
)

// A Bus carries events between handlers in process: each event goes to the handler that its To names, what comes out
// goes the same way, until nothing is left. The zero value delivers each event once, first in, first out. Its fields are
// the faults that a bus, a queue and a host may have; what may happen is drawn from Seed, so the same Bus with the same
// handlers delivers the same events in the same order again, and a test that fails can say how:
//
//	for seed := range uint64(100) {
//		bus := &arvotest.Bus{Seed: seed, Shuffle: true, Copies: 2, Kill: 0.2}
//		bus.Explain(t) // prints the seed and all deliveries if the test fails
//		…
//	}
//
// For that the events that are published need ids of their own; those of handlers are derived. One delivery is made at a
// time: a Bus is not safe for concurrent use, but a handler may publish on it.
type Bus struct {
	Seed    uint64
	Shuffle bool // in any order

	// Copies is how often an event is delivered when it is published for the first time; 0 is 1. An event that is
	// published again, as a handler does that takes its input again, is delivered once more for that.
	Copies int
	// Duplicate is how likely there is one more copy of an event.
	Duplicate float64
	// Kill is how likely the host dies after a handler has returned and before what it returned is published: that is
	// lost, and the event comes again. It is less than 1, or nothing is ever done.
	Kill float64
	// Withhold tells which events do not arrive, for now or for ever; see Release. It is asked when an event's turn comes. For
	// a service that never answers it goes by the types of the answers: a timeout has the service's source as well.
	Withhold func(arvo.Event) bool

	// MaxReceives is how often an event is delivered that the handler answers with an error, before it is a dead letter;
	// 0 is 5.
	MaxReceives int
	// MaxDeliveries is after how many deliveries Run gives up; 0 is 10,000.
	MaxDeliveries int

	handlers   map[string]arvo.Handler
	fault      error // of Handle; said by Step
	random     *rand.Rand
	queue      []message
	withheld   []message
	known      map[identity]bool
	published  []arvo.Event
	arrived    map[string][]arvo.Event
	dead       []DeadLetter
	deliveries []Delivery
}

// A message is an event on its way.
type message struct {
	event    arvo.Event
	failures int  // how often the handler answered with an error
	released bool // Withhold has had its say
}

// identity is what all copies of an event have in common: copies for several domains may share the rest.
type identity struct {
	subject string
	key     arvo.Key
	domain  string
}

func identify(e arvo.Event) identity { return identity{e.Subject, e.Key(), e.Domain} }

// A DeadLetter is an event that no handler took.
type DeadLetter struct {
	Event arvo.Event
	Err   error // what the handler said the last time
}

// A Delivery is one that has been made.
type Delivery struct {
	Event    arvo.Event
	Handled  bool         // false: nobody has this address, see [Bus.At]
	Produced []arvo.Event // what the handler returned
	Killed   bool         // Produced was lost and the event comes again
	Err      error        // of the handler
}

// Host puts handlers on the bus, each under its source.
func (b *Bus) Host(hosted ...arvo.Hosted) {
	for _, h := range hosted {
		b.Handle(h.Source(), h)
	}
}

// Handle puts a handler on the bus under an address. That the address is taken is an error of the next Step.
func (b *Bus) Handle(address string, h arvo.Handler) {
	if b.handlers == nil {
		b.handlers = make(map[string]arvo.Handler)
	}
	if b.handlers[address] != nil {
		b.fault = errors.Join(b.fault, fmt.Errorf("arvotest: two handlers have the address %q", address))
	}
	b.handlers[address] = h
}

// Publish puts events on their way.
func (b *Bus) Publish(events ...arvo.Event) {
	if b.known == nil {
		b.known = make(map[identity]bool)
	}
	for _, e := range events {
		copies := 1
		if who := identify(e); !b.known[who] {
			b.known[who] = true
			b.published = append(b.published, e)
			copies = max(copies, b.Copies)
			if b.drawn(b.Duplicate) {
				copies++
			}
		}
		for range copies {
			b.queue = append(b.queue, message{event: e})
		}
	}
}

// Timeouts publishes what [arvo.Timeouts] says of each workflow of a memory at the given time, and how many events that
// is. It is what a clock would do; whether the calls have been answered is seen when it is called, not when the events
// arrive.
func (b *Bus) Timeouts(ctx context.Context, memory *Memory, now time.Time) (int, error) {
	count := 0
	for _, subject := range memory.Subjects() {
		w, _, err := memory.Recall(ctx, subject, arvo.Key{})
		if err != nil {
			return count, fmt.Errorf("arvotest: timeouts of %s: %w", subject, err)
		}
		events, err := arvo.Timeouts(subject, *w, now)
		if err != nil {
			return count, fmt.Errorf("arvotest: timeouts of %s: %w", subject, err)
		}
		b.Publish(events...)
		count += len(events)
	}
	return count, nil
}

// Release puts the events on their way again that were withheld, and says how many they are. They are not withheld again.
func (b *Bus) Release() int {
	released := b.withheld
	b.withheld = nil
	for i := range released {
		released[i].released = true
	}
	b.queue = append(b.queue, released...)
	return len(released)
}

// Run delivers until nothing is left. The error is that of a Step.
func (b *Bus) Run(ctx context.Context) error {
	for {
		if more, err := b.Step(ctx); err != nil || !more {
			return err
		}
	}
}

// Step delivers one event, and reports false if there is none left that is not withheld. Whatever a handler answers is no
// error of Step; that ctx has ended is, or that there have been MaxDeliveries, or that Handle was called wrongly.
func (b *Bus) Step(ctx context.Context) (bool, error) {
	if b.fault != nil {
		return false, b.fault
	}
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("arvotest: after %d deliveries: %w", len(b.deliveries), err)
	}
	m, ok := b.next()
	if !ok {
		return false, nil
	}
	if most := orDefault(b.MaxDeliveries, 10_000); len(b.deliveries) >= most {
		b.queue = append(b.queue, m)
		return false, fmt.Errorf("arvotest: not quiet after %d deliveries (seed %d); the next would be of %s", most, b.Seed, describe(m.event))
	}
	b.deliver(ctx, m)
	return true, nil
}

// next takes the next message that is not withheld from the queue.
func (b *Bus) next() (message, bool) {
	for len(b.queue) > 0 {
		i := 0
		if b.Shuffle {
			i = b.rand().IntN(len(b.queue))
		}
		m := b.queue[i]
		b.queue = slices.Delete(b.queue, i, i+1)
		if m.released || b.Withhold == nil || !b.Withhold(m.event) {
			return m, true
		}
		b.withheld = append(b.withheld, m)
	}
	return message{}, false
}

// deliver hands a message to its handler, or lays it where it has arrived.
func (b *Bus) deliver(ctx context.Context, m message) {
	e := m.event
	h := b.handlers[e.To]
	if e.Domain != "" || h == nil {
		address := e.To
		if e.Domain != "" {
			address = e.Domain
		}
		if b.arrived == nil {
			b.arrived = make(map[string][]arvo.Event)
		}
		if !slices.ContainsFunc(b.arrived[address], func(x arvo.Event) bool { return identify(x) == identify(e) }) {
			b.arrived[address] = append(b.arrived[address], e)
		}
		b.deliveries = append(b.deliveries, Delivery{Event: e})
		return
	}
	d := Delivery{Event: e, Handled: true}
	d.Produced, d.Err = h.Handle(ctx, e)
	switch {
	case d.Err != nil:
		if m.failures++; m.failures < orDefault(b.MaxReceives, 5) {
			b.queue = append(b.queue, m)
		} else {
			b.dead = append(b.dead, DeadLetter{Event: e, Err: d.Err})
		}
	case b.drawn(b.Kill):
		d.Killed = true
		b.queue = append(b.queue, m)
	default:
		b.Publish(d.Produced...)
	}
	b.deliveries = append(b.deliveries, d)
}

// drawn is whether something of that likelihood happens.
func (b *Bus) drawn(likelihood float64) bool {
	return likelihood > 0 && b.rand().Float64() < likelihood
}

func (b *Bus) rand() *rand.Rand {
	if b.random == nil {
		b.random = rand.New(rand.NewPCG(b.Seed, 0))
	}
	return b.random
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// At lists what has arrived at an address that no handler has, each event once, in the order of their first arrivals. An
// event with a domain leaves the ordinary way, whatever its To is: it arrives at the address that is the domain.
func (b *Bus) At(address string) []arvo.Event { return slices.Clone(b.arrived[address]) }

// Published lists all events that were published, each once, in that order.
func (b *Bus) Published() []arvo.Event { return slices.Clone(b.published) }

// DeadLetters lists the events that their handlers answered with an error to the last.
func (b *Bus) DeadLetters() []DeadLetter { return slices.Clone(b.dead) }

// Withheld lists the events that wait for Release.
func (b *Bus) Withheld() []arvo.Event {
	var events []arvo.Event
	for _, m := range b.withheld {
		events = append(events, m.event)
	}
	return events
}

// Deliveries lists all deliveries in the order they were made.
func (b *Bus) Deliveries() []Delivery { return slices.Clone(b.deliveries) }

// String is the seed and a line for each delivery, as a failing test prints it, and where the handler of a dead letter
// panicked.
func (b *Bus) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d, %d deliveries:\n", b.Seed, len(b.deliveries))
	for i, d := range b.deliveries {
		fmt.Fprintf(&text, "%4d %s: %s\n", i+1, describe(d.Event), d.outcome())
	}
	for _, m := range b.withheld {
		fmt.Fprintf(&text, "     %s: withheld\n", describe(m.event))
	}
	for _, d := range b.dead {
		var v *arvo.Violation
		if errors.As(d.Err, &v) && v.Metadata["stack"] != nil {
			fmt.Fprintf(&text, "dead letter %s: %v\n%v\n", describe(d.Event), d.Err, v.Metadata["stack"])
		}
	}
	return text.String()
}

func describe(e arvo.Event) string {
	return fmt.Sprintf("%s %s from %s to %s", e.Type, e.ID, e.Source, e.To)
}

func (d Delivery) outcome() string {
	var types []string
	for _, e := range d.Produced {
		types = append(types, e.Type)
	}
	produced := strings.Join(types, ", ")
	if produced == "" {
		produced = "nothing"
	}
	switch {
	case !d.Handled && d.Event.Domain != "":
		return "arrived in the domain " + d.Event.Domain
	case !d.Handled:
		return "arrived"
	case d.Err != nil:
		return d.Err.Error()
	case d.Killed:
		return "killed before it published " + produced
	}
	return "published " + produced
}

// Explain prints the bus at the end of a test that has failed, and of the memories given the workflows that are idle: see
// [Memory.Idle]. t is a *testing.T, or another with these methods.
func (b *Bus) Explain(t interface {
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
}, memories ...*Memory) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		text := b.String()
		for _, m := range memories {
			text += m.describeIdle()
		}
		t.Logf("%s", text)
	})
}
