package function

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

// Limits of Lambda that hold here too. Source: "Lambda quotas" in the AWS Lambda developer guide.
const (
	MaxPayload      = 6 << 20                // bytes of a synchronous request
	MaxResponse     = 6<<20 + 100            // bytes of a response: Lambda's own messages give this odd number
	MaxAsyncPayload = 1 << 20                // bytes of an asynchronous request
	maxEnvironment  = 4 << 10                // bytes of a function's variables, names and values
	shutdownGrace   = 500 * time.Millisecond // between SIGTERM and SIGKILL, as with an internal extension
	unreservedFloor = 100                    // concurrency that reservations may not use up
)

// initLimit is how long an INIT phase may take. A variable, so that a test need not wait for it.
var initLimit = 10 * time.Second

// Options configure a [Service]. The zero value works: one account with a concurrency of 1000, no simulated latency, no
// faults.
type Options struct {
	Region             string            // default us-east-1
	Account            string            // twelve digits; default 000000000000
	AccountConcurrency int               // invocations at one time over all functions; default 1000
	IdleAfter          time.Duration     // an environment unused for so long is reclaimed; default 10 minutes
	Environment        map[string]string // variables of every function, such as AWS_ENDPOINT_URL_SQS; they win over a function's own

	// Simulated latency and injected faults; nil means none. They are called concurrently.
	ColdStart func() time.Duration                    // added to each INIT phase
	Kill      func() (after time.Duration, kill bool) // asked once an invocation: kill its process that long after the hand-over, and in any case before its response is accepted
	Throttle  func() bool                             // asked once an invocation: refuse it with 429
	Sample    func() bool                             // asked about each trace that begins at a function with active tracing: record it? nil: record all
	Random    func() uint64                           // source of request, trace and stream ids; default math/rand/v2

	// Log sees every line that goes into a log group, in the group's order. It must return quickly and not call the
	// Service. LogBytes bounds what [Service.Logs] can look back on, for each group; default 4 MiB.
	Log      func(group string, line Line)
	LogBytes int

	// Logger is told of asynchronous events that are lost; default slog.Default(). It must not call the Service.
	Logger *slog.Logger

	// InitFailed is told of each INIT phase that failed: the errorType, what happened, and the last line that the process
	// wrote. It must return quickly; it is called concurrently.
	InitFailed func(function string, err error)

	// Observe sees every invocation that ended or was throttled. It must return quickly; it is called concurrently.
	Observe func(Invocation)
}

// A Config describes one function.
type Config struct {
	Name                string            // 1 to 64 letters, digits, - and _
	Binary              string            // path of the executable that speaks the Runtime API, such as one built with aws-lambda-go
	Handler             string            // _HANDLER; default bootstrap
	Timeout             time.Duration     // of an invocation, whole seconds from 1 s to 15 min; default 3 s
	MemoryMB            int               // 128 to 10240; default 128. Told to the function, not enforced
	Environment         map[string]string // at most 4 KB, no name that Lambda reserves
	ReservedConcurrency *int              // nil: none; 0 stops the function
	LogGroup            string            // default /aws/lambda/<Name>
	LogFormat           string            // Text or JSON: the form of the platform's own lines; default Text
	Tracing             string            // Active or PassThrough; default PassThrough
}

// Stats are a function's counters since it was created, and its state now.
type Stats struct {
	Invocations   int // that began, throttled ones not counted
	Errors        int // invocations with a function error: reported, crashed, timed out
	Throttles     int
	ColdStarts    int // invocations that had to wait for a new environment
	AsyncEvents   int // asynchronous events accepted
	AsyncDropped  int // of which given up after their retries, or because the Service was closed
	AsyncQueued   int // of which neither succeeded nor given up yet; those that run included
	AsyncWaiting  int // of which wait for another try
	Concurrent    int // invocations running now
	MaxConcurrent int
	Environments  int // processes alive now, starting ones included
	Idle          int // of these, waiting for an invocation
}

// A Service is Lambda on this machine. Make one with [New]; it is safe for concurrent use.
type Service struct {
	options Options
	logs    logs
	spawner *spawner

	mu         sync.Mutex
	functions  map[string]*function
	unreserved int  // running invocations of functions without a reservation
	running    int  // running invocations
	closed     bool // no new invocation
	drained    chan struct{}

	work    sync.WaitGroup // every goroutine of the Service
	stop    context.Context
	stopNow context.CancelFunc
	async   asyncQueue
}

// function is a function's state, guarded by Service.mu.
type function struct {
	settings *settings
	idle     []*environment // a stack: the most recently used last
	live     map[*environment]struct{}
	reserved *int
	running  int
	stats    Stats
	asyncCut int // asynchronous events dropped because of Close
}

// settings are the part of a function that its environments are made from. They never change: an update makes new ones.
type settings struct {
	Config
	arn      string
	modified time.Time
	revision string
	codeSize int64
	codeHash string
}

// New returns a service without functions. [Service.Close] ends it.
func New(o Options) *Service {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	if o.AccountConcurrency <= 0 {
		o.AccountConcurrency = 1000
	}
	if o.IdleAfter <= 0 {
		o.IdleAfter = 10 * time.Minute
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.LogBytes <= 0 {
		o.LogBytes = 4 << 20
	}
	s := &Service{options: o, functions: map[string]*function{}, drained: make(chan struct{})}
	s.options.Environment = maps.Clone(o.Environment)
	s.logs = logs{limit: o.LogBytes, hook: o.Log, groups: map[string]*group{}}
	s.stop, s.stopNow = context.WithCancel(context.Background())
	s.spawner = startSpawner()
	return s
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// Create adds a function. Errors are [*wire.Error] with the codes of CreateFunction and name the member at fault.
func (s *Service) Create(c Config) error {
	set, err := s.newSettings(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.functions[c.Name]; ok {
		return &wire.Error{Code: "ResourceConflictException", Message: "Function already exist: " + c.Name, Status: http.StatusConflict}
	}
	if err := s.mayReserve(c.Name, c.ReservedConcurrency); err != nil {
		return err
	}
	s.functions[c.Name] = &function{settings: set, live: map[*environment]struct{}{}, reserved: copyInt(c.ReservedConcurrency)}
	s.logs.create(set.LogGroup)
	return nil
}

// newSettings checks a configuration and fills in its defaults.
func (s *Service) newSettings(c Config) (*settings, error) {
	if !functionName.MatchString(c.Name) {
		return nil, invalid("function name %q: 1 to 64 letters, digits, hyphens and underscores", c.Name)
	}
	if c.Handler == "" {
		c.Handler = "bootstrap"
	}
	if c.Timeout == 0 {
		c.Timeout = 3 * time.Second
	}
	if c.Timeout < time.Second || c.Timeout > 15*time.Minute || c.Timeout%time.Second != 0 {
		return nil, invalid("function %s: Timeout %v is not a whole number of seconds from 1 to 900", c.Name, c.Timeout)
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = 128
	}
	if c.MemoryMB < 128 || c.MemoryMB > 10240 {
		return nil, invalid("function %s: MemorySize %d is not from 128 to 10240", c.Name, c.MemoryMB)
	}
	if c.LogGroup == "" {
		c.LogGroup = "/aws/lambda/" + c.Name
	}
	switch c.LogFormat {
	case "":
		c.LogFormat = "Text"
	case "Text", "JSON":
	default:
		return nil, invalid("function %s: LogFormat %q is neither Text nor JSON", c.Name, c.LogFormat)
	}
	switch c.Tracing {
	case "":
		c.Tracing = "PassThrough"
	case "Active", "PassThrough":
	default:
		return nil, invalid("function %s: Tracing %q is neither Active nor PassThrough", c.Name, c.Tracing)
	}
	if err := checkEnvironment(c); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(c.Binary)
	if err != nil {
		return nil, invalid("function %s: Binary %q: %v", c.Name, c.Binary, err)
	}
	c.Binary = path
	size, hash, err := fingerprint(path)
	if err != nil {
		return nil, invalid("function %s: Binary: %v", c.Name, err)
	}
	c.Environment = maps.Clone(c.Environment)
	return &settings{
		Config:   c,
		arn:      "arn:aws:lambda:" + s.options.Region + ":" + s.options.Account + ":function:" + c.Name,
		modified: time.Now(),
		revision: newUUID(s.options.Random),
		codeSize: size,
		codeHash: hash,
	}, nil
}

// fingerprint gives a file's size and its SHA-256 in base64, as CodeSha256 has it.
func fingerprint(path string) (size int64, hash string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close() // read only: nothing to lose
	info, err := f.Stat()
	if err != nil {
		return 0, "", err
	}
	if !info.Mode().IsRegular() {
		return 0, "", fmt.Errorf("%s is not a regular file", path)
	}
	sum := sha256.New()
	if size, err = io.Copy(sum, f); err != nil {
		return 0, "", fmt.Errorf("%s: %w", path, err)
	}
	return size, base64.StdEncoding.EncodeToString(sum.Sum(nil)), nil
}

// reservedVariables are the names that Lambda keeps for itself.
// Source: "Defined runtime environment variables" in the AWS Lambda developer guide.
var reservedVariables = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
	"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
	"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
	"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
	"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

var variableName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)

func checkEnvironment(c Config) error {
	var reserved []string
	size := 0
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		value := c.Environment[name]
		if slices.Contains(reservedVariables, name) {
			reserved = append(reserved, name)
		} else if !variableName.MatchString(name) {
			return invalid("function %s: variable %q: a name begins with a letter and has at least two letters, digits or underscores", c.Name, name)
		}
		if strings.ContainsRune(value, 0) {
			return invalid("function %s: variable %s holds a NUL byte", c.Name, name)
		}
		size += len(name) + len(value)
	}
	if len(reserved) > 0 {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(reserved, ", "))
	}
	if size > maxEnvironment {
		return invalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit: function %s has %d bytes", c.Name, size)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidParameterValueException", format, args...)
}

// mayReserve checks a reservation against the account; s.mu is held.
func (s *Service) mayReserve(name string, n *int) error {
	if n == nil {
		return nil
	}
	if *n < 0 {
		return invalid("function %s: ReservedConcurrentExecutions %d is negative", name, *n)
	}
	left := s.options.AccountConcurrency - *n
	for other, f := range s.functions {
		if other != name && f.reserved != nil {
			left -= *f.reserved
		}
	}
	if floor := min(unreservedFloor, s.options.AccountConcurrency); *n > 0 && left < floor {
		return invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", floor)
	}
	return nil
}

// unreservedLimit is the concurrency that functions without a reservation share; s.mu is held.
func (s *Service) unreservedLimit() int {
	left := s.options.AccountConcurrency
	for _, f := range s.functions {
		if f.reserved != nil {
			left -= *f.reserved
		}
	}
	return left
}

// update replaces a function's settings. Idle environments end now, busy ones after their invocation.
func (s *Service) update(name string, change func(*Config)) (*settings, error) {
	s.mu.Lock()
	f, ok := s.functions[name]
	if !ok {
		s.mu.Unlock()
		return nil, s.notFound(name)
	}
	for {
		base := f.settings
		s.mu.Unlock()
		c := base.Config
		change(&c)
		set, err := s.newSettings(c) // reads the binary: not under the lock
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		if f.settings != base {
			continue // another update was faster: this one goes on top of it
		}
		idle := f.idle
		f.idle, f.settings = nil, set
		s.mu.Unlock()
		for _, e := range idle {
			e.shutdown("configuration")
		}
		return set, nil
	}
}

func (s *Service) notFound(name string) error {
	return &wire.Error{
		Code:    "ResourceNotFoundException",
		Message: "Function not found: arn:aws:lambda:" + s.options.Region + ":" + s.options.Account + ":function:" + name,
		Status:  http.StatusNotFound,
	}
}

// Timeout returns how long an invocation of a function may take; 0 when there is none of that name.
func (s *Service) Timeout(name string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.functions[name]
	if !ok {
		return 0
	}
	return f.settings.Timeout
}

// Stats returns a function's counters; those of an unknown function are zero.
func (s *Service) Stats(name string) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.functions[name]
	if !ok {
		return Stats{}
	}
	st := f.stats
	st.Concurrent, st.Environments, st.Idle = f.running, len(f.live), len(f.idle)
	return st
}

// Close refuses new invocations, waits for the running ones until ctx ends, and then ends every process: with SIGTERM
// first where the function asked for it and ctx has time left. When Close returns, no process, goroutine or listener of
// the Service is left. The error is ctx's when invocations were cut off. Only the first call does anything.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.work.Wait()
		return nil
	}
	s.closed = true
	if s.running == 0 {
		close(s.drained)
	}
	s.mu.Unlock()

	var err error
	select {
	case <-s.drained:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	s.stopNow() // cold starts and asynchronous retries give up

	s.mu.Lock()
	var live []*environment
	for _, f := range s.functions {
		live = slices.AppendSeq(live, maps.Keys(f.live))
	}
	s.mu.Unlock()
	for _, e := range live {
		if err != nil {
			e.kill()
		} else {
			e.shutdown("spindown")
		}
	}
	release := context.AfterFunc(ctx, func() {
		for _, e := range live {
			e.kill()
		}
	})
	s.work.Wait()
	release()
	for name, f := range s.functions { // nobody else is left to hold the lock
		if f.asyncCut > 0 {
			s.options.Logger.Warn("asynchronous events dropped: they had not succeeded when the local Lambda shut down", "function", name, "events", f.asyncCut)
		}
	}
	s.spawner.close()
	return err
}

func copyInt(n *int) *int {
	if n == nil {
		return nil
	}
	c := *n
	return &c
}

// newUUID makes a version 4 UUID.
func newUUID(random func() uint64) string {
	a, b := random(), random()
	a = a&^0xf000 | 0x4000
	b = b&^(3<<62) | 2<<62
	buf := make([]byte, 0, 36)
	buf = appendHex(buf, a>>32, 8)
	buf = append(buf, '-')
	buf = appendHex(buf, a>>16, 4)
	buf = append(buf, '-')
	buf = appendHex(buf, a, 4)
	buf = append(buf, '-')
	buf = appendHex(buf, b>>48, 4)
	buf = append(buf, '-')
	return string(appendHex(buf, b, 12))
}

func appendHex(b []byte, n uint64, digits int) []byte {
	for i := digits - 1; i >= 0; i-- {
		b = append(b, "0123456789abcdef"[n>>(4*i)&15])
	}
	return b
}

// variables is the environment of a function's process. Of the parent's own only PATH, HOME and TMPDIR go in (and what
// Windows cannot start a process without).
func (s *Service) variables(set *settings, stream, address string) []string {
	root := filepath.Dir(set.Binary)
	env := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          address,
		"AWS_LAMBDA_FUNCTION_NAME":        set.Name,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(set.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       set.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME":      stream,
		"AWS_LAMBDA_LOG_FORMAT":           set.LogFormat,
		"AWS_REGION":                      s.options.Region,
		"AWS_DEFAULT_REGION":              s.options.Region,
		"AWS_ACCESS_KEY_ID":               "local",
		"AWS_SECRET_ACCESS_KEY":           "local",
		"AWS_SESSION_TOKEN":               "local",
		"AWS_XRAY_CONTEXT_MISSING":        "LOG_ERROR",
		"_HANDLER":                        set.Handler,
		"LAMBDA_TASK_ROOT":                root,
		"LAMBDA_RUNTIME_DIR":              root,
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "SystemRoot", "TEMP"} {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	maps.Copy(env, set.Environment)
	maps.Copy(env, s.options.Environment)
	if host, port, ok := strings.Cut(env["AWS_XRAY_DAEMON_ADDRESS"], ":"); ok {
		env["_AWS_XRAY_DAEMON_ADDRESS"], env["_AWS_XRAY_DAEMON_PORT"] = host, port
	}
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}
