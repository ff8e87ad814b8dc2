package experiment

import (
	"context"
	"time"

	"example.com/arvo/loadtest/attack"
	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/results"
)

// A System is what experiments are done on: a deployed stack, the local one, or a pretended one in tests.
// All methods may fail for a while and are called with deadlines.
type System interface {
	// Setup returns how it is set up now.
	Setup(ctx context.Context) (results.Setup, error)

	// Apply changes what is not nil in Settings, waits until it holds, and remembers what was there before.
	Apply(ctx context.Context, s Settings) error

	// Restore undoes all that Apply did. It may be called any number of times.
	Restore(ctx context.Context) error

	// Depths returns how many messages the queues hold. On AWS the numbers are approximate, and late.
	Depths(ctx context.Context) (Depths, error)

	// Items returns how many items the tables have of all subjects: at most two of each, and one for each different answer.
	// It reports false where that is told hours late, as on AWS.
	Items(ctx context.Context) (n int, now bool, err error)

	// Purge empties the queues that hold requests and responses, not the dead-letter queues.
	Purge(ctx context.Context) error

	// Request returns the request that asks for one subject that takes work; the sender adds the key.
	// Via says on which way: by the API and the queue, or straight to the function.
	Request(via string, work time.Duration) (Request, error)

	// Observe asks the tables for subjects and tells what they have, from any goroutine, and returns when all is told. Records
	// of which nothing is known are left out.
	Observe(ctx context.Context, l *ledger.Ledger, records []ledger.Record, tell func(seq uint64, o ledger.Observation) error) error

	// DeadLetters tells the subjects of messages in the dead-letter queues since began, and leaves them there.
	DeadLetters(ctx context.Context, tell func(subject string)) error

	// TraceLink returns the address of a page that shows a trace, or "".
	TraceLink(traceID, subject string) string

	// Incarnation changes when the system is not the same any more: restarted, deployed anew, changed by somebody else.
	Incarnation(ctx context.Context) (string, error)
}

// A Request is how to ask for a subject.
type Request = attack.Request

// Settings are what an experiment varies. Nil leaves as it is.
type Settings struct {
	Concurrency *int // MaximumConcurrency of the requests mapping; 0 for none
	Batch       *int
	Visibility  *time.Duration
	Enabled     *bool   // the requests mapping
	Reserved    *int    // reserved concurrency of the handler; -1 for none
	Route       *string // "sqs": the rule fills the queue; "hidden": the rule invokes the function
}

// Ways of a subject, as [System.Request] and [Settings.Route] name them.
const (
	ViaAPI      = "api"    // POST to the API, and on by the bus
	ViaFunction = "none"   // invoked by the sender, which waits: there is no queue
	RouteQueue  = "sqs"    // the rule puts the event into the requests queue
	RouteHidden = "hidden" // the rule invokes the function, by the queue that Lambda keeps for asynchronous invocations
)

// Depths are the messages of the queues.
type Depths struct {
	Requests, RequestsInFlight, Responses, ResponsesInFlight, RequestsDead, ResponsesDead, RuleDead, Unroutable int
}

// Waiting returns how many messages are on their way, those in dead-letter queues left out.
func (d Depths) Waiting() int {
	return d.Requests + d.RequestsInFlight + d.Responses + d.ResponsesInFlight
}
