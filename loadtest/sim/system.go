package sim

import (
	"errors"
	"fmt"
	"time"
)

// A System is the graph that is simulated: what template.yaml says of it, and what its code does.
type System struct {
	// ThrottleRate and ThrottleBurst are those of the API's stage: requests per second, and at once; +Inf for none.
	ThrottleRate, ThrottleBurst float64

	Accept    Accept // api_lambda, in front
	Requests  Leg    // the requests queue, its mapping, and the handler
	Responses Leg    // the responses queue, its mapping, and the sink

	EventBytes      int     // of an event on the bus
	StatusReads     float64 // of each subject by its client, when it has ended; they are part of the cost only
	TraceSampleRate float64 // 0 to 1: of the requests that the reservoir does not take
	TraceReservoir  float64 // requests a second that are traced before the rate counts
	LogBytes        float64 // of an invocation
}

// An Accept is what happens to a request before it is answered with 202: one write to the table, one PutEvents call of
// one entry, then the other writes.
type Accept struct {
	Work       time.Duration // of the function itself, for each request
	TableCalls int           // one of them before the event is published
	WriteUnits float64       // of all table calls together
	MemoryMB   int
	Reserved   int // reserved concurrency of api_lambda, which is the sink, too; 0 for none
}

// A Leg is a queue, the mapping that empties it, and the function that it invokes. An invocation takes
//
//	Overhead + for each turn of up to Parallelism subjects: Work + the slowest of their calls
//
// where the calls of a subject are its writes to the table, one after the other, or, of a leg that publishes, its PutEvents.
type Leg struct {
	Concurrency int // MaximumConcurrency of the mapping; 0 for none
	BatchSize   int
	Window      time.Duration // for which a poller gathers messages while its batch is not full
	Parallelism int           // subjects of a batch at a time

	Overhead   time.Duration
	Work       time.Duration // of a subject, besides its calls
	Publishes  bool          // a subject sends one event on; those of a turn go in calls of up to ten
	TableCalls int           // of a subject; none if it publishes
	WriteUnits float64       // of them together

	Delay       time.Duration // of the queue
	Visibility  time.Duration // of the queue
	Timeout     time.Duration // of the function
	MaxReceives int           // then a message goes to the dead-letter queue; 0 for never
	MemoryMB    int
	Reserved    int  // reserved concurrency of the handler; 0 for none. The sink has that of Accept
	Traced      bool // Lambda traces invocations, too: one a second, and one in twenty of the others
}

// Template returns the system as template.yaml deploys it without parameters, where handlers take work for each subject,
// such as the sleep_ms of the service com.workload.simulate, and requests come with an Idempotency-Key: a transaction of
// two items that counts double, and an update when the request is no longer in flight. The sink writes the answer and
// updates the head.
//
// The 2 ms of the functions themselves are measured; the size of an event and of logs are those of such a request.
func Template(work time.Duration) System {
	return System{
		ThrottleRate: 10_000, ThrottleBurst: 5000,
		Accept: Accept{Work: 2 * time.Millisecond, TableCalls: 2, WriteUnits: 5, MemoryMB: 256},
		Requests: Leg{
			Concurrency: 10, BatchSize: 10, Parallelism: 10,
			Overhead: 2 * time.Millisecond, Work: work, Publishes: true,
			Visibility: 180 * time.Second, Timeout: 30 * time.Second, MaxReceives: 5, MemoryMB: 256, Traced: true,
		},
		Responses: Leg{
			Concurrency: 5, BatchSize: 10, Parallelism: 10,
			Overhead: 2 * time.Millisecond, TableCalls: 2, WriteUnits: 2,
			Visibility: 90 * time.Second, Timeout: 15 * time.Second, MaxReceives: 5, MemoryMB: 256, Traced: true,
		},
		EventBytes: 1200, StatusReads: 1, TraceSampleRate: 1, LogBytes: 1200,
	}
}

func (s System) check(q Quotas) error {
	switch {
	case !(s.ThrottleRate > 0) || !(s.ThrottleBurst >= 1):
		return fmt.Errorf("throttle of %v/s and %v at once: more than 0, and at least 1", s.ThrottleRate, s.ThrottleBurst)
	case s.Accept.Work < 0 || s.Accept.TableCalls < 0 || s.Accept.TableCalls > 100 || !(s.Accept.WriteUnits >= 0 && s.Accept.WriteUnits <= 1e6) || s.Accept.MemoryMB < 128 || s.Accept.MemoryMB > 10_240:
		return fmt.Errorf("accept: work %v, %d table calls of %v units, %d MB: none is negative, memory is 128 to 10240", s.Accept.Work, s.Accept.TableCalls, s.Accept.WriteUnits, s.Accept.MemoryMB)
	case s.EventBytes < 1 || s.EventBytes > q.EntryBytes:
		return fmt.Errorf("an event of %d bytes: 1 to %d, which is what PutEvents takes", s.EventBytes, q.EntryBytes)
	case !(s.StatusReads >= 0 && s.StatusReads <= 1e6) || !(s.TraceSampleRate >= 0 && s.TraceSampleRate <= 1) || !(s.TraceReservoir >= 0 && s.TraceReservoir <= 1e9) || !(s.LogBytes >= 0 && s.LogBytes <= 1e9):
		return fmt.Errorf("%v status reads, sample rate %v, reservoir %v/s, %v bytes of logs: not negative, and the sample rate at most 1", s.StatusReads, s.TraceSampleRate, s.TraceReservoir, s.LogBytes)
	case s.Responses.Reserved != 0:
		return errors.New("responses: the sink has the reserved concurrency of accept")
	case s.Accept.Reserved < 0 || s.Requests.Reserved < 0 || s.Accept.Reserved+s.Requests.Reserved > max(0, q.Concurrency-q.Unreserved):
		return fmt.Errorf("reserved concurrency of %d and %d: of the account's %d, %d stay unreserved", s.Accept.Reserved, s.Requests.Reserved, q.Concurrency, q.Unreserved)
	}
	if err := s.Requests.check(q); err != nil {
		return fmt.Errorf("requests: %w", err)
	}
	if !s.Requests.Publishes || s.Responses.Publishes {
		return errors.New("the handler of requests publishes, the sink of responses does not")
	}
	if err := s.Responses.check(q); err != nil {
		return fmt.Errorf("responses: %w", err)
	}
	return nil
}

func (l Leg) check(q Quotas) error {
	switch {
	case l.Concurrency != 0 && (l.Concurrency < 2 || l.Concurrency > q.MaximumConcurrency):
		return fmt.Errorf("MaximumConcurrency %d: 2 to %d, or 0 for none", l.Concurrency, q.MaximumConcurrency)
	case l.BatchSize < 1 || l.BatchSize > 10_000:
		return fmt.Errorf("batch size %d: 1 to 10000", l.BatchSize)
	case l.Parallelism < 1:
		return fmt.Errorf("parallelism %d: at least 1", l.Parallelism)
	case l.Overhead < 0 || l.Work < 0 || l.TableCalls < 0 || l.TableCalls > 100 || !(l.WriteUnits >= 0 && l.WriteUnits <= 1e6):
		return fmt.Errorf("overhead %v, work %v, %d table calls of %v units: none is negative", l.Overhead, l.Work, l.TableCalls, l.WriteUnits)
	case l.Publishes && (l.TableCalls != 0 || l.WriteUnits != 0):
		return fmt.Errorf("%d table calls of %v units in a leg that publishes: only the sink writes to the table", l.TableCalls, l.WriteUnits)
	case l.Window < 0 || l.Window > 5*time.Minute || l.Delay < 0 || l.Delay > 15*time.Minute:
		return fmt.Errorf("batching window %v, delay %v: at most 5 and 15 minutes", l.Window, l.Delay)
	case l.BatchSize > 10 && l.Window < time.Second:
		// Lambda refuses such a mapping, too.
		return fmt.Errorf("batch size %d with a batching window of %v: more than 10 take at least a second", l.BatchSize, l.Window)
	case l.MaxReceives < 0 || l.MaxReceives > 1000:
		return fmt.Errorf("maxReceiveCount %d: 1 to 1000, or 0 for no dead-letter queue", l.MaxReceives)
	case l.MemoryMB < 128 || l.MemoryMB > 10_240:
		return fmt.Errorf("memory of %d MB: 128 to 10240", l.MemoryMB)
	case l.Timeout <= 0 || l.Timeout > 15*time.Minute || l.Visibility > 12*time.Hour:
		return fmt.Errorf("timeout %v, visibility %v: at most 15 minutes and 12 hours", l.Timeout, l.Visibility)
	case l.Visibility < l.Timeout:
		// Lambda refuses such a mapping, too.
		return fmt.Errorf("visibility %v is shorter than the timeout of the function, %v", l.Visibility, l.Timeout)
	}
	turns := (l.BatchSize + l.Parallelism - 1) / l.Parallelism
	if busy := l.Overhead + time.Duration(turns)*l.Work; busy >= l.Timeout {
		return fmt.Errorf("a full batch takes %v without its calls: the function is stopped after %v", busy, l.Timeout)
	}
	return nil
}
