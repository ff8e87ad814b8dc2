package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"example.com/arvo/lambdas/arvo"
)

// Limits of one PutEvents call, from EventBridge's quotas (January 2026).
const (
	MaxEntries = 10
	MaxRequest = 1_000_000 // bytes, summed over the entries
)

// ErrRefused is what errors.Is finds in the error of a publication that the bus refused at least in part.
var ErrRefused = errors.New("the bus refused events")

// A RefusedError lists the events that the bus did not accept; all others of the same Publish call were accepted.
type RefusedError struct{ Refusals []Refusal }

// A Refusal is one event that the bus did not accept, with the code and message that it gave.
type Refusal struct{ EventID, EventType, Code, Message string }

func (e *RefusedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v:", ErrRefused)
	for i, r := range e.Refusals {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %s %s (%s: %s)", r.EventType, r.EventID, r.Code, r.Message)
	}
	return b.String()
}

// Is reports that every RefusedError is an [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// An Entry is what became of one event that was given to a [Publisher].
type Entry struct {
	Event          arvo.Event
	Started, Ended time.Time // of all attempts together
	Attempts       int
	EnvelopeID     string // the id that the bus gave it; empty when Err is set
	Err            error
}

// An Observer is told of all events of a Publish call, once, before the first of them is on its way, and of the outcome of
// every entry, once, before Publish returns. Calls may come from several goroutines at a time and must be quick: the
// publication waits for them.
type Observer interface {
	Publishing(ctx context.Context, events []arvo.Event)
	Published(ctx context.Context, entry Entry)
}

// PutEventsAPI is the part of the EventBridge client that a [Publisher] uses.
type PutEventsAPI interface {
	PutEvents(context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error)
}

// PublisherConfig says how to publish. Client and Bus are required.
type PublisherConfig struct {
	Client   PutEventsAPI
	Bus      string         // name or ARN
	Observer Observer       // nil: nobody watches
	Jitter   func() float64 // in [0,1); nil: math/rand/v2
}

// A Publisher puts events on a bus. It may be used by many goroutines.
type Publisher struct {
	PublisherConfig

	mu       sync.Mutex
	pending  []*pendingEntry
	flushing bool
}

// NewPublisher returns a Publisher.
func NewPublisher(c PublisherConfig) *Publisher {
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return &Publisher{PublisherConfig: c}
}

type pendingEntry struct {
	ctx     context.Context // of the Publish call
	event   arvo.Event
	request types.PutEventsRequestEntry
	size    int
	started time.Time

	attempts   int
	envelopeID string
	err        error           // nil when accepted
	done       *sync.WaitGroup // of the Publish call
}

// Publish returns nil when the bus has accepted all events. On a [*RefusedError] the events that it does not list
// were accepted; on any other error each of them may or may not have been. A panic of the client or the Observer is such
// an error, an [*arvo.Violation] with the stack in its Metadata. Publishing an event again is harmless:
// whoever receives it knows its id.
func (p *Publisher) Publish(ctx context.Context, evs ...arvo.Event) error {
	if len(evs) == 0 {
		return nil
	}
	var done sync.WaitGroup
	entries := make([]*pendingEntry, len(evs))
	for i, ev := range evs {
		e, err := p.entry(ctx, ev, &done)
		if err != nil {
			return err
		}
		entries[i] = e
	}
	if err := p.announce(ctx, evs); err != nil {
		return err
	}
	done.Add(len(entries))
	p.mu.Lock()
	p.pending = append(p.pending, entries...)
	first := !p.flushing
	p.flushing = true
	p.mu.Unlock()
	if first { // then nothing else was pending
		p.flush(len(entries))
	}
	done.Wait() // ends: every call that flush makes is under a Publish call's context

	var refused RefusedError
	for _, e := range entries {
		var r *refusal
		switch {
		case e.err == nil:
		case errors.As(e.err, &r):
			refused.Refusals = append(refused.Refusals, Refusal{e.event.ID, e.event.Type, r.code, r.message})
		default:
			return fmt.Errorf("broker: put events on %s: %w", p.Bus, e.err)
		}
	}
	if len(refused.Refusals) > 0 {
		return &refused
	}
	return nil
}

func (p *Publisher) entry(ctx context.Context, ev arvo.Event, done *sync.WaitGroup) (*pendingEntry, error) {
	detail, err := ev.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("broker: event %s: %w", ev.ID, err)
	}
	e := &pendingEntry{ctx: ctx, event: ev, done: done, started: time.Now()}
	e.request = types.PutEventsRequestEntry{
		EventBusName: aws.String(p.Bus),
		Source:       aws.String(ev.Source),
		DetailType:   aws.String(ev.Type),
		Detail:       aws.String(string(detail)),
	}
	if h := TraceHeader(ev.Traceparent); h != "" {
		e.request.TraceHeader = aws.String(h)
	}
	// EventBridge's own rule for the size of an entry, without Time and Resources, which are not set.
	e.size = len(ev.Source) + len(ev.Type) + len(detail)
	return e, nil
}

// flush sends what is pending until nothing is. It runs in the goroutine of the first publisher, which is usually the
// only one and whose stack has room for the SDK's many calls; when that one's own entries are out, another goroutine takes over.
func (p *Publisher) flush(own int) {
	for {
		p.mu.Lock()
		n, size := 0, 0
		for n < len(p.pending) && n < MaxEntries && (n == 0 || size+p.pending[n].size <= MaxRequest && sameDeadline(p.pending[0].ctx, p.pending[n].ctx)) {
			size += p.pending[n].size
			n++
		}
		if n == 0 {
			p.pending, p.flushing = nil, false
			p.mu.Unlock()
			return
		}
		if own <= 0 {
			p.mu.Unlock()
			go p.flush(math.MaxInt)
			return
		}
		own -= n
		chunk := p.pending[:n:n]
		p.pending = p.pending[n:]
		p.mu.Unlock()
		p.send(chunk)
		for _, e := range chunk {
			p.observe(e)
			e.done.Done()
		}
	}
}

// announce tells the Observer what is about to be sent. Its panic is the failure of all that.
func (p *Publisher) announce(ctx context.Context, evs []arvo.Event) (err error) {
	if p.Observer == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = panicked("the observer of publications", v)
		}
	}()
	p.Observer.Publishing(ctx, evs)
	return nil
}

// observe tells the Observer what became of e. Its panic is e's failure.
func (p *Publisher) observe(e *pendingEntry) {
	if p.Observer == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			e.err = panicked("the observer of publications", v)
		}
	}()
	p.Observer.Published(e.ctx, Entry{Event: e.event, Started: e.started, Ended: time.Now(), Attempts: e.attempts, EnvelopeID: e.envelopeID, Err: e.err})
}

func sameDeadline(a, b context.Context) bool {
	x, hasX := a.Deadline()
	y, hasY := b.Deadline()
	return hasX == hasY && x.Equal(y)
}

// send makes one call for the chunk, and further ones for what was refused for a passing reason. All its entries have one
// deadline, and each call is made under the context of its first one; an entry whose own context has ended is in none.
// A panic of the client is the failure of all that it has not accepted before.
func (p *Publisher) send(chunk []*pendingEntry) {
	all := chunk
	defer func() {
		if v := recover(); v != nil {
			err := panicked("the client of the bus", v)
			for _, e := range all {
				if e.envelopeID == "" {
					e.err = err
				}
			}
		}
	}()
	giveUp := time.Now().Add(2 * time.Second)
	if deadline, ok := chunk[0].ctx.Deadline(); ok {
		giveUp = time.Now().Add(time.Until(deadline) * 4 / 5)
	}
	for wait := 25 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		if chunk = live(chunk); len(chunk) == 0 {
			return
		}
		ctx := chunk[0].ctx
		chunk = p.attempt(ctx, chunk)
		if len(chunk) == 0 || time.Now().After(giveUp) {
			return
		}
		timer := time.NewTimer(time.Duration(p.Jitter() * float64(wait)))
		select {
		case <-timer.C:
		case <-ctx.Done(): // the others of the chunk need not wait
			timer.Stop()
		}
	}
}

// live drops the entries whose contexts have ended. What the bus has said of one before stays its error.
func live(chunk []*pendingEntry) []*pendingEntry {
	alive := make([]*pendingEntry, 0, len(chunk))
	for _, e := range chunk {
		switch err := e.ctx.Err(); {
		case err == nil:
			alive = append(alive, e)
		case e.err == nil:
			e.err = err
		}
	}
	return alive
}

// attempt makes one call, or several if the bus does not look at the entries of one, and returns the entries worth another.
func (p *Publisher) attempt(ctx context.Context, chunk []*pendingEntry) (again []*pendingEntry) {
	in := &eventbridge.PutEventsInput{Entries: make([]types.PutEventsRequestEntry, len(chunk))}
	for i, e := range chunk {
		in.Entries[i] = e.request
		e.attempts++
	}
	out, err := p.Client.PutEvents(ctx, in)
	if err == nil && len(out.Entries) != len(chunk) {
		err = fmt.Errorf("%d entries were sent, %d answered", len(chunk), len(out.Entries))
	}
	if len(chunk) > 1 && isInvalid(err) { // one entry alone may be, or all together
		first := p.attempt(ctx, chunk[:len(chunk)/2])
		return append(first, p.attempt(ctx, chunk[len(chunk)/2:])...)
	}
	if err != nil { // the SDK has retried what can be retried
		for _, e := range chunk {
			e.err = err
			if ctx.Err() != nil && e.ctx.Err() == nil { // the context that ended is not this one's
				again = append(again, e)
			}
		}
		return again
	}
	for i, e := range chunk {
		result := out.Entries[i]
		if code := aws.ToString(result.ErrorCode); code != "" || result.EventId == nil {
			e.err = &refusal{code: code, message: aws.ToString(result.ErrorMessage)}
			if passing(code) {
				again = append(again, e)
			}
			continue
		}
		e.err, e.envelopeID = nil, *result.EventId
	}
	return again
}

// isInvalid reports whether the bus has refused a call for what is in it.
func isInvalid(err error) bool {
	var coded interface{ ErrorCode() string }
	return errors.As(err, &coded) && coded.ErrorCode() == "ValidationException"
}

// A refusal is the bus's answer to one entry.
type refusal struct{ code, message string }

func (r *refusal) Error() string { return r.code + ": " + r.message }

// passing reports whether an entry refused with code may be accepted later. EventBridge does not list its codes;
// those that speak of the entry itself or of rights are known, so all others count as passing.
func passing(code string) bool {
	switch code {
	case "MalformedDetail", "InvalidArgument", "InvalidAccountIdException", "NotAuthorizedForSource",
		"NotAuthorizedForSourceException", "AccessDeniedException", "ValidationException", "ResourceNotFoundException":
		return false
	}
	return true
}
