// Package stack runs template.yaml on one machine: it builds the functions from their sources and wires REST API, event
// bus, queues, event source mappings, execution environments and tables to one system, on loopback.
//
//	          gateway ──────────▶ function ◀────────── mapping
//	REST API, :3000               (processes)             ▲
//	                                  │ AWS_ENDPOINT_URL  │ receive, delete
//	                                  ▼                   │
//	aws CLI, SDKs ──────▶ wire.Mux, :4566 ──▶ bus ──▶ queue, table, watch ◀── UDP :2000
//
// The functions are the binaries that would be deployed, and they reach their neighbours through the AWS SDK: nothing
// in them knows where it runs. Everything is in memory and gone with the stack.
//
// # Promises
//
// [Start] returns when the whole system takes requests, or an error and nothing left running. [Stack.Close] refuses new
// requests, lets what was accepted run to its end as long as its context allows, and then stops every process, listener
// and goroutine. Messages and asynchronous events that wait for another try, because they have failed or found no
// concurrency, are waited for while others are handled and five seconds more; then the log says how many they were. Every
// address is on loopback, whatever the configuration says.
// A function that does not start is named in the log, once, with what it said last: nobody else would tell, for its
// messages only come back to their queue.
//
// # What differs from AWS
//
//   - Nothing is authenticated or authorized: ApiAuth, IAM roles and queue policies are read, checked for shape and
//     not enforced. Any credentials will do.
//   - Nothing is encrypted, and there is no TLS. Retention of log groups, point-in-time recovery, alarms and access log
//     formats are read and have no effect.
//   - Counts of messages are exact, and reads after writes consistent, where AWS promises less. Secondary indexes are
//     up to date at once.
//   - Order: the bus delivers in the order of arrival unless a fault or a latency says otherwise; AWS promises none.
//   - Without a latency profile nothing waits and mappings have their full concurrency at once; with aws2026 hops take
//     the published times and mappings grow by the documented ramp.
//   - Scheduled rules fire on the second, and a stack that ends does not wait for one. A rate's finest unit is the minute
//     here as there; who wants a tick sooner sends what the rule's target would get (its Input) to the queue by hand.
//   - Memory sizes are reported and not enforced; CPU is what the machine gives.
//   - Throttling quotas of PutEvents and of DynamoDB are not simulated; see package fault for injected throttling.
//   - CloudFormation answers DescribeStacks, DescribeStackResources and ListStackResources only. To change a stack, change the template and
//     start again; a mapping, a function and a queue can be changed through their own services.
//
// Each service's package comment lists what differs within it.
package stack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"example.com/arvo/lambdas/local/bus"
	"example.com/arvo/lambdas/local/fault"
	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/latency"
	"example.com/arvo/lambdas/local/mapping"
	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/table"
	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/lambdas/local/watch"
)

// Account and Region are where the stack believes to be.
const (
	Account = "000000000000"
	Region  = "us-east-1"
)

// Config says what to run and how. The zero value runs template.yaml of the current folder on free ports, as fast as
// the machine allows.
type Config struct {
	Template           string            // path; default template.yaml
	Parameters         map[string]string // of the template
	Name               string            // of the stack; default arvo
	API, AWS           string            // addresses to listen on; default 127.0.0.1:0
	XRay               string            // of the X-Ray daemon, UDP and TCP; default 127.0.0.1:0
	Latency            latency.Profile
	Faults             fault.Rates
	Seed               uint64 // of latencies, faults and sampling
	AccountConcurrency int    // default 1000
	Log                *slog.Logger
	// Building, if set, is called before the functions are built: all that can be refused without that has been.
	Building func()
	// LogLine, if set, sees every line of the log groups: what functions write, and the API's access log. It must return
	// quickly.
	LogLine func(group, line string)
}

// A Stack is a running system.
type Stack struct {
	template  string // its file
	graph     *template.Stack
	log       *slog.Logger
	api, aws  *server
	tables    *table.Service
	queues    *queue.Service
	bus       *bus.Service
	functions *function.Service
	mappings  *mapping.Service
	watch     *watch.Service

	closing sync.Once
	closed  error
}

// Start runs a stack. The context bounds the start only; [Stack.Close] ends what was started.
func Start(ctx context.Context, c Config) (_ *Stack, err error) {
	if c.Template == "" {
		c.Template = "template.yaml"
	}
	if c.Name == "" {
		c.Name = "arvo"
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.XRay == "" {
		c.XRay = "127.0.0.1:0"
	}
	if err := checkAddresses(c); err != nil {
		return nil, err
	}
	parsed, err := template.ParseFile(c.Template)
	if err != nil {
		return nil, err
	}

	s := &Stack{template: c.Template, log: c.Log}
	defer func() {
		if err != nil {
			stopped, cancel := context.WithCancel(context.Background())
			cancel()             // nothing was accepted yet, so there is nothing to wait for
			_ = s.Close(stopped) // all it could say is that it has not waited
		}
	}()
	if s.aws, err = listen("AWS", c.AWS); err != nil {
		return nil, err
	}
	if s.api, err = listen("API", c.API); err != nil {
		return nil, err
	}
	s.graph, err = parsed.Resolve(template.Inputs{
		StackName: c.Name, Region: Region, Account: Account, Partition: "aws", URLSuffix: "amazonaws.com",
		Parameters: c.Parameters, QueueURLBase: s.aws.url(), APIURL: s.api.url(),
	})
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(filepath.Dir(c.Template))
	if err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	prune(cache, time.Now())
	if err := s.addWatch(ctx, c); err != nil {
		return nil, err
	}
	if c.Building != nil {
		c.Building()
	}
	binaries, err := s.build(ctx, root, cache)
	if err != nil {
		return nil, err
	}
	if err := s.wire(c, binaries); err != nil {
		return nil, err
	}
	return s, nil
}

// APIURL is the address of the REST API, without a trailing slash.
func (s *Stack) APIURL() string { return s.api.url() }

// AWSURL is the address of the AWS services, for AWS_ENDPOINT_URL.
func (s *Stack) AWSURL() string { return s.aws.url() }

// XRayAddress is where the X-Ray daemon listens, for AWS_XRAY_DAEMON_ADDRESS.
func (s *Stack) XRayAddress() string { return s.watch.DaemonAddress() }

// Watch tells of the documents that came to the X-Ray daemon, and of those that it lost.
func (s *Stack) Watch() watch.Stats { return s.watch.Stats() }

// Output returns an output of the template; "" when there is none of that name.
func (s *Stack) Output(name string) string {
	for _, o := range s.graph.Outputs {
		if o.Name == name {
			return o.Value
		}
	}
	return ""
}

// Close ends the stack: no new requests; what was accepted runs to its end or until ctx ends; then everything stops. The
// error says what was left undone, if anything was. Only the first call does something; the others have its result.
func (s *Stack) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closed = s.close(ctx) })
	return s.closed
}

func (s *Stack) close(ctx context.Context) error {
	var errs []error
	// The API refuses new requests from now on, and has until the work is done for those that are running. What is
	// left then is connections without a request.
	serving, stop := context.WithCancel(ctx)
	defer stop()
	refused := make(chan error, 1)
	go func() { refused <- s.api.shutdown(serving) }()
	errs = append(errs, s.drain(ctx))
	stop()
	errs = append(errs, <-refused)
	if s.mappings != nil {
		errs = append(errs, s.mappings.Stop(ctx))
	}
	if s.bus != nil {
		errs = append(errs, s.bus.Close(ctx))
	}
	if s.functions != nil {
		errs = append(errs, s.functions.Close(ctx))
	}
	if s.queues != nil {
		s.queues.Close() // ends long polls
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	errs = append(errs, s.aws.shutdown(last))
	if s.tables != nil {
		s.tables.Close()
	}
	if s.watch != nil {
		errs = append(errs, s.watch.Close(last))
	}
	return errors.Join(errs...)
}

// patience is how long a stack that ends waits for messages that only wait for another try: longer than the first
// two of a failed message's waits.
const patience = 5 * time.Second

// drain waits until what was accepted is handled. Messages that keep failing are not waited for.
func (s *Stack) drain(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for quiet, worked := 0, time.Now(); quiet < 3; { // an event on its way from a handler to the bus is nowhere for a moment
		working, waiting := s.backlog()
		switch {
		case working > 0:
			quiet, worked = 0, time.Now()
		case waiting == 0:
			quiet++
		case time.Since(worked) > patience:
			s.log.Warn("events that had failed, or found no concurrency, were waiting for another try", "events", waiting)
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if working+waiting > 0 {
				return fmt.Errorf("stack: accepted events were not handled: %d", working+waiting)
			}
			return nil
		}
	}
	return nil
}

// Backlog is how much accepted work there is: events on the bus, messages in the queues that feed functions, asynchronous
// events, running invocations. An event that is being handled is both message and invocation: the larger number counts.
func (s *Stack) Backlog() int {
	working, waiting := s.backlog()
	return working + waiting
}

// backlog tells events that are on their way from those that wait, in flight or in Lambda's asynchronous queue, for another
// try. Queues whose mapping is off do not count: nobody handles them.
func (s *Stack) backlog() (working, waiting int) {
	if s.mappings == nil {
		return 0, 0
	}
	working = s.bus.Backlog()
	running := 0
	for _, f := range s.graph.Functions {
		st := s.functions.Stats(f.Name)
		running += st.Concurrent
		working += st.AsyncQueued - st.AsyncWaiting
		waiting += st.AsyncWaiting
	}
	for _, m := range s.mappings.Mappings() {
		if m.State() != mapping.Enabled {
			continue
		}
		c := m.Config().Queue.Counts()
		working += c.Visible + c.Delayed
		waiting += c.InFlight
	}
	if running > 0 {
		return max(working+waiting, running), 0
	}
	return working, waiting
}

// Invocations is how often a function was invoked.
func (s *Stack) Invocations(function string) int { return s.functions.Stats(function).Invocations }

// Waiting is how many asynchronous events of a function wait in Lambda's own queue for another try.
func (s *Stack) Waiting(function string) int { return s.functions.Stats(function).AsyncWaiting }

// Received is how many messages a queue has handed out, by the output that has its URL.
func (s *Stack) Received(output string) int {
	q, ok := s.queues.Lookup(s.Output(output))
	if !ok {
		return 0
	}
	return int(q.Counts().Received)
}

// A server is an HTTP server on loopback.
type server struct {
	listener net.Listener
	http     *http.Server // nil until it serves
	done     chan error
}

func listen(setting, address string) (*server, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &AddressError{setting, address, errTaken}
	}
	if err != nil {
		return nil, &AddressError{setting, address, err}
	}
	return &server{listener: listener, done: make(chan error, 1)}, nil
}

// serve begins to answer as h says.
func (s *server) serve(h *http.Server, log *slog.Logger) {
	h.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	s.http = h
	go func() { s.done <- h.Serve(s.listener) }()
}

func (s *server) url() string { return "http://" + s.listener.Addr().String() }

// shutdown stops listening and waits for running requests until ctx ends; then it closes every connection.
func (s *server) shutdown(ctx context.Context) error {
	if s == nil {
		return nil
	}
	if s.http == nil {
		return s.listener.Close()
	}
	var err error
	if s.http.Shutdown(ctx) != nil {
		err = s.http.Close()
	}
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
