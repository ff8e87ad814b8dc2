//go:build unix

package function_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/wire"
)

// probe is the path of the compiled testdata/probe.
var probe string

func TestMain(m *testing.M) {
	if os.Getenv("ORPHAN_TEST") != "" {
		orphanParent()
		return
	}
	dir, err := os.MkdirTemp("", "function-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	probe = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-trimpath", "-tags=lambda.norpc", "-o", probe, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the probe: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	_ = os.RemoveAll(dir) // a leftover in TMPDIR hurts nobody
	os.Exit(code)
}

// start makes a service with one function "probe" and closes it with the test.
func start(t testing.TB, o function.Options, change func(*function.Config)) *function.Service {
	t.Helper()
	s := function.New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	c := function.Config{Name: "probe", Binary: probe}
	if change != nil {
		change(&c)
	}
	if err := s.Create(c); err != nil {
		t.Fatal(err)
	}
	return s
}

func invoke(t testing.TB, s *function.Service, payload string) function.Response {
	t.Helper()
	res, err := s.Invoke(t.Context(), function.Request{Function: "probe", Payload: []byte(payload)})
	if err != nil {
		t.Fatalf("Invoke: %v", err)
	}
	return res
}

type description struct {
	PID       int
	Calls     int
	Trace     string
	RequestID string `json:"requestId"`
	ARN       string
	Client    map[string]string
	MsLeft    int
	Env       []string
}

func describe(t testing.TB, s *function.Service) description {
	t.Helper()
	res := invoke(t, s, `{"Do":"describe"}`)
	var d description
	if err := json.Unmarshal(res.Payload, &d); err != nil {
		t.Fatalf("%s: %v", res.Payload, err)
	}
	return d
}

// eventually polls until the condition holds or ten seconds are over.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within ten seconds: %s", what)
		}
		<-tick.C
	}
}

func lines(s *function.Service) []string {
	var out []string
	s.Logs("/aws/lambda/probe", time.Time{}, func(l function.Line) bool {
		out = append(out, l.Message)
		return true
	})
	return out
}

func TestInvocationsReuseOneWarmEnvironment(t *testing.T) {
	s := start(t, function.Options{}, nil)
	first, second := describe(t, s), describe(t, s)
	if first.PID != second.PID || second.Calls != 2 {
		t.Errorf("second invocation ran in process %d as call %d, want process %d and call 2", second.PID, second.Calls, first.PID)
	}
	if st := s.Stats("probe"); st.ColdStarts != 1 || st.Invocations != 2 || st.Environments != 1 || st.Idle != 1 || st.Concurrent != 0 || st.MaxConcurrent != 1 {
		t.Errorf("stats: %+v", st)
	}
}

func TestFunctionSeesLambdasContext(t *testing.T) {
	s := start(t, function.Options{Region: "eu-west-1", Account: "123456789012", Environment: map[string]string{"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:4566", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000"}}, func(c *function.Config) {
		c.Environment = map[string]string{"TABLE": "t"}
		c.MemoryMB = 256
		c.Timeout = 7 * time.Second
		c.Handler = "main"
	})
	t.Setenv("SECRET_OF_THE_RUNNER", "leak")
	res, err := s.Invoke(t.Context(), function.Request{
		Function: "probe", Payload: []byte(`{"Do":"describe"}`), ClientContext: `{"custom":{"k":"v"}}`,
		TraceHeader: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a:0",
	})
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := json.Unmarshal(res.Payload, &d); err != nil {
		t.Fatal(err)
	}
	if want := "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"; d.Trace != want {
		t.Errorf("trace %q, want %q", d.Trace, want)
	}
	if d.RequestID != res.RequestID || d.ARN != "arn:aws:lambda:eu-west-1:123456789012:function:probe" || d.Client["k"] != "v" {
		t.Errorf("context: %+v", d)
	}
	if d.MsLeft <= 0 || d.MsLeft > 7000 {
		t.Errorf("%d ms to the deadline, want at most 7000", d.MsLeft)
	}
	env := map[string]string{}
	for _, e := range d.Env {
		k, v, _ := strings.Cut(e, "=")
		env[k] = v
	}
	for k, want := range map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME": "probe", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/probe", "AWS_REGION": "eu-west-1",
		"AWS_DEFAULT_REGION": "eu-west-1", "_HANDLER": "main", "TABLE": "t", "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:4566",
		"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000", "_AWS_XRAY_DAEMON_PORT": "2000", "TZ": ":UTC", "LAMBDA_TASK_ROOT": filepath.Dir(probe),
	} {
		if env[k] != want {
			t.Errorf("%s=%q, want %q", k, env[k], want)
		}
	}
	known := regexp.MustCompile(`^(_?AWS_|LAMBDA_|_HANDLER$|_X_AMZN|TABLE$|PATH$|HOME$|TMPDIR$|TZ$|LANG$|PWD$)`)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if !known.MatchString(k) {
			t.Errorf("variable %s came in from the runner", k)
		}
	}
}

func TestFunctionErrors(t *testing.T) {
	tests := []struct {
		name     string
		event    string
		kill     func() (time.Duration, bool)
		typ      string
		payload  string // a regular expression
		survives bool
	}{
		{
			name: "a returned error is the function's own and keeps the environment", event: `{"Do":"error","Text":"no stock"}`,
			typ: "errorString", payload: `^\{"errorMessage":"no stock","errorType":"errorString"\}$`, survives: true,
		}, {
			name: "a panic reports the panic and ends the process", event: `{"Do":"panic","Text":"impossible"}`,
			typ: "string", payload: `"errorMessage":"impossible","errorType":"string","stackTrace":`,
		}, {
			name: "an exit is a crash", event: `{"Do":"exit","N":3}`,
			typ: "Runtime.ExitError", payload: `^\{"errorType":"Runtime.ExitError","errorMessage":"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3"\}$`,
		}, {
			name: "an exit with status 0 has no reason", event: `{"Do":"exit"}`,
			typ: "Runtime.ExitError", payload: `Error: Runtime exited without providing a reason"`,
		}, {
			name: "a function that does not answer times out and is killed", event: `{"Do":"hang"}`,
			typ: "Sandbox.Timedout", payload: `^\{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: [0-9a-f-]{36} Error: Task timed out after 1.00 seconds"\}$`,
		}, {
			name: "an injected kill before the handler can answer is a crash", event: `{"Do":"hang"}`, kill: func() (time.Duration, bool) { return 0, true },
			typ: "Runtime.ExitError", payload: `Runtime exited with error: signal: killed`,
		}, {
			name: "an injected kill that is late drops the response", event: `{}`, kill: func() (time.Duration, bool) { return time.Hour, true },
			typ: "Runtime.ExitError", payload: `Runtime exited with error: signal: killed`,
		}, {
			name: "a response that is too large is refused", event: fmt.Sprintf(`{"Do":"size","N":%d}`, function.MaxResponse+1),
			typ: "Function.ResponseSizeTooLarge", payload: `^\{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size \(6291556 bytes\)."\}$`,
		}, {
			name: "a response stream that breaks is an error", event: `{"Do":"break"}`,
			typ: "errorString", payload: `"errorMessage":"the reader broke"`, survives: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, function.Options{Kill: tt.kill}, func(c *function.Config) {
				c.Timeout = time.Minute
				if tt.typ == "Sandbox.Timedout" {
					c.Timeout = time.Second
				}
			})
			res := invoke(t, s, tt.event)
			if res.FunctionError != "Unhandled" || res.ErrorType != tt.typ {
				t.Errorf("FunctionError %q, ErrorType %q, want Unhandled, %q", res.FunctionError, res.ErrorType, tt.typ)
			}
			if !regexp.MustCompile(tt.payload).Match(res.Payload) {
				t.Errorf("payload %s does not match %s", res.Payload, tt.payload)
			}
			if tt.kill != nil {
				return
			}
			next := describe(t, s)
			if want := 2; tt.survives && next.Calls != want || !tt.survives && next.Calls != 1 {
				t.Errorf("the next invocation is call %d of its process", next.Calls)
			}
			if st := s.Stats("probe"); st.Errors != 1 || st.Invocations != 2 {
				t.Errorf("stats: %+v", st)
			}
		})
	}
}

func TestLargestResponseAndRequestPass(t *testing.T) {
	s := start(t, function.Options{}, nil)
	res := invoke(t, s, fmt.Sprintf(`{"Do":"size","N":%d}`, function.MaxResponse))
	if res.FunctionError != "" || len(res.Payload) != function.MaxResponse {
		t.Errorf("%s: %d bytes, want %d", res.ErrorType, len(res.Payload), function.MaxResponse)
	}
	echo := `{"pad":"` + strings.Repeat("a", function.MaxPayload-10) + `"}`
	if res := invoke(t, s, echo); string(res.Payload) != echo {
		t.Errorf("echo of %d bytes came back with %d: %s", len(echo), len(res.Payload), res.ErrorType)
	}
	_, err := s.Invoke(t.Context(), function.Request{Function: "probe", Payload: []byte(echo + " ")})
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != "RequestTooLargeException" || e.Status != 413 || e.Message != "6291457 byte payload is too large for the RequestResponse invocation type (limit 6291456 bytes)" {
		t.Errorf("one byte more: %v", err)
	}
}

func TestInit(t *testing.T) {
	tests := []struct {
		name    string
		mode    string
		typ     string
		payload string
		logs    []string
		told    []string // to InitFailed
	}{
		{
			name: "an exit is tried once more and then reported", mode: "exit", typ: "Runtime.ExitError",
			payload: `^\{"errorType":"Runtime.ExitError","errorMessage":"RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 7"\}$`,
			logs:    []string{"no configuration found", "INIT_REPORT .*Phase: init\tStatus: error\tError Type: Runtime.ExitError", "START", "no configuration found", "INIT_REPORT .*Phase: invoke", "RequestId: .* exit status 7", "Runtime.ExitError", "END", "REPORT .*Status: failure\tError Type: Runtime.ExitError"},
			told: []string{
				"probe: Runtime.ExitError: Runtime exited with error: exit status 7; its last words: no configuration found",
				"probe: Runtime.ExitError: Runtime exited with error: exit status 7; its last words: no configuration found",
			},
		}, {
			name: "an init error is the runtime's own", mode: "error", typ: "Config.Missing",
			payload: `^\{"errorType":"Config.Missing","errorMessage":"TABLE is not set"\}$`,
			logs:    []string{"INIT_REPORT .*Phase: init\tStatus: error\tError Type: Config.Missing", "START", "INIT_REPORT .*Phase: invoke", "END", "REPORT"},
			told: []string{
				`probe: Config.Missing: {"errorType":"Config.Missing","errorMessage":"TABLE is not set"}`,
				`probe: Config.Missing: {"errorType":"Config.Missing","errorMessage":"TABLE is not set"}`,
			},
		}, {
			name: "the second attempt may work", mode: "second", payload: `^\{\}$`,
			logs: []string{"INIT_REPORT .*Phase: init", "START", "END", "REPORT"},
			told: []string{"probe: Runtime.ExitError: Runtime exited with error: exit status 1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			failed := make(chan string, 3)
			s := start(t, function.Options{InitFailed: func(name string, err error) { failed <- name + ": " + err.Error() }}, func(c *function.Config) {
				c.Environment = map[string]string{"INIT": tt.mode, "MARK": filepath.Join(t.TempDir(), "mark")}
			})
			res := invoke(t, s, `{}`)
			close(failed)
			var told []string
			for text := range failed {
				told = append(told, text)
			}
			if !slices.Equal(told, tt.told) {
				t.Errorf("told of failures of INIT: %q, want %q", told, tt.told)
			}
			if res.ErrorType != tt.typ || !regexp.MustCompile(tt.payload).Match(res.Payload) {
				t.Errorf("ErrorType %q, payload %s", res.ErrorType, res.Payload)
			}
			got := lines(s)
			if len(got) != len(tt.logs) {
				t.Fatalf("log:\n%s", strings.Join(got, "\n"))
			}
			for i, want := range tt.logs {
				if !regexp.MustCompile("^" + want).MatchString(got[i]) {
					t.Errorf("log line %d: %q does not match %q", i, got[i], want)
				}
			}
		})
	}
}

func TestMissingEntrypoint(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "bootstrap")
	if err := os.WriteFile(binary, []byte("not a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, function.Options{}, func(c *function.Config) { c.Binary = binary })
	if res := invoke(t, s, `{}`); res.ErrorType != "Runtime.InvalidEntrypoint" || !strings.Contains(string(res.Payload), "exec format error") {
		t.Errorf("%s", res.Payload)
	}
}

func TestInitTimeoutIsRetriedWithinTheInvocation(t *testing.T) {
	s := start(t, function.Options{}, func(c *function.Config) {
		c.Timeout = time.Second
		c.Environment = map[string]string{"INIT": "hang"}
	})
	function.SetInitLimit(t, 100*time.Millisecond)
	res := invoke(t, s, `{}`)
	if res.ErrorType != "Sandbox.Timedout" || !strings.Contains(string(res.Payload), "Task timed out after 1.00 seconds") {
		t.Errorf("%s", res.Payload)
	}
	if got := strings.Join(lines(s), "\n"); !regexp.MustCompile(`(?s)INIT_REPORT [^\n]*Phase: init\tStatus: timeout\nSTART.*Phase: invoke\tStatus: timeout.*Status: timeout`).MatchString(got) {
		t.Errorf("log:\n%s", got)
	}
}

func TestConcurrencyLimits(t *testing.T) {
	one := 1
	zero := 0
	tests := []struct {
		name     string
		options  function.Options
		reserved *int
		admitted int
		reason   string
	}{
		{"the account's concurrency bounds all", function.Options{AccountConcurrency: 2}, nil, 2, "ConcurrentInvocationLimitExceeded"},
		{"a reservation bounds its function", function.Options{AccountConcurrency: 200}, &one, 1, "ReservedFunctionConcurrentInvocationLimitExceeded"},
		{"a reservation of zero stops the function", function.Options{}, &zero, 0, "ReservedFunctionConcurrentInvocationLimitExceeded"},
		{"an injected throttle looks like the account's", function.Options{Throttle: func() bool { return true }}, nil, 0, "ConcurrentInvocationLimitExceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var seen []function.Invocation
			tt.options.Observe = func(i function.Invocation) { mu.Lock(); defer mu.Unlock(); seen = append(seen, i) }
			s := start(t, tt.options, func(c *function.Config) { c.ReservedConcurrency = tt.reserved })
			file := filepath.Join(t.TempDir(), "wait")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range tt.admitted {
				wg.Go(func() { invoke(t, s, fmt.Sprintf(`{"Do":"wait","Text":%q}`, file)) })
			}
			eventually(t, "the admitted ones run", func() bool { return s.Stats("probe").Concurrent == tt.admitted })
			_, err := s.Invoke(t.Context(), function.Request{Function: "probe"})
			var e *wire.Error
			if !function.Throttled(err) || !errors.As(err, &e) || e.Status != 429 || e.Members["Reason"] != tt.reason || e.Message != "Rate Exceeded." {
				t.Errorf("one more: %v, want a throttle for %s", err, tt.reason)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if st := s.Stats("probe"); st.Throttles != 1 || st.Invocations != tt.admitted || st.MaxConcurrent != tt.admitted || st.Concurrent != 0 {
				t.Errorf("stats: %+v", st)
			}
			mu.Lock()
			defer mu.Unlock()
			if i := slices.IndexFunc(seen, func(i function.Invocation) bool { return i.ThrottleCause == tt.reason }); i < 0 || len(seen) != tt.admitted+1 {
				t.Errorf("observed %+v", seen)
			}
		})
	}
}

func TestReservationIsKeptFreeForItsFunction(t *testing.T) {
	s := function.New(function.Options{AccountConcurrency: 101})
	defer func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	one, two := 1, 2
	if err := s.Create(function.Config{Name: "probe", Binary: probe, ReservedConcurrency: &two}); err == nil || !strings.Contains(err.Error(), "below its minimum value of [100]") {
		t.Errorf("a reservation of 2 of 101: %v", err)
	}
	if err := s.Create(function.Config{Name: "probe", Binary: probe, ReservedConcurrency: &one}); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(function.Config{Name: "probe", Binary: probe}); err == nil || !strings.Contains(err.Error(), "ResourceConflictException") {
		t.Errorf("the same name again: %v", err)
	}
}

func TestMostRecentlyUsedEnvironmentComesFirst(t *testing.T) {
	s := start(t, function.Options{}, nil)
	if err := s.Prewarm(t.Context(), "probe", 3); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats("probe"); st.Idle != 3 || st.Environments != 3 || st.ColdStarts != 0 {
		t.Fatalf("after Prewarm: %+v", st)
	}
	first := describe(t, s)
	for call := 2; call < 8; call++ {
		if d := describe(t, s); d.PID != first.PID || d.Calls != call {
			t.Fatalf("process %d, its call %d; want process %d, call %d", d.PID, d.Calls, first.PID, call)
		}
	}
}

func TestIdleEnvironmentsAreReclaimed(t *testing.T) {
	s := start(t, function.Options{IdleAfter: 50 * time.Millisecond}, nil)
	if err := s.Prewarm(t.Context(), "probe", 3); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are gone", func() bool { st := s.Stats("probe"); return st.Environments == 0 && st.Idle == 0 })
	if d := describe(t, s); d.Calls != 1 {
		t.Errorf("call %d, want a cold start", d.Calls)
	}
}

func TestPrewarmReportsWhatTheFunctionSaid(t *testing.T) {
	s := start(t, function.Options{}, func(c *function.Config) { c.Environment = map[string]string{"INIT": "exit"} })
	err := s.Prewarm(t.Context(), "probe", 2)
	if err == nil || !strings.Contains(err.Error(), "prewarm probe: Runtime.ExitError: Runtime exited with error: exit status 7; its last words: no configuration found") {
		t.Errorf("%v", err)
	}
}

func TestSigtermReachesAFunctionThatAskedForIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mark")
	s := start(t, function.Options{}, func(c *function.Config) { c.Environment = map[string]string{"ON_SIGTERM": file} })
	invoke(t, s, `{}`)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "terminated" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCloseWaitsForRunningInvocationsAndThenKills(t *testing.T) {
	t.Run("one that ends in time answers", func(t *testing.T) {
		s := start(t, function.Options{}, nil)
		file := filepath.Join(t.TempDir(), "wait")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		answer := make(chan function.Response, 1)
		go func() { answer <- invoke(t, s, fmt.Sprintf(`{"Do":"wait","Text":%q}`, file)) }()
		eventually(t, "it runs", func() bool { return s.Stats("probe").Idle == 0 && s.Stats("probe").Concurrent == 1 })
		closed := make(chan error, 1)
		go func() { closed <- s.Close(context.Background()) }()
		eventually(t, "no new ones are taken", func() bool {
			_, err := s.Invoke(t.Context(), function.Request{Function: "probe"})
			return err != nil
		})
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if res := <-answer; res.FunctionError != "" {
			t.Errorf("%s", res.Payload)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
	t.Run("one that does not is killed when the context ends", func(t *testing.T) {
		s := start(t, function.Options{}, nil)
		pid := describe(t, s).PID
		answer := make(chan function.Response, 1)
		go func() { answer <- invoke(t, s, `{"Do":"hang"}`) }()
		eventually(t, "it runs", func() bool { return s.Stats("probe").Concurrent == 1 })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v, want the context's error", err)
		}
		if res := <-answer; res.ErrorType != "Runtime.ExitError" {
			t.Errorf("%s", res.Payload)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v, want it gone", pid, err)
		}
	})
}

func TestCallerThatGivesUpDoesNotStopTheInvocation(t *testing.T) {
	s := start(t, function.Options{}, nil)
	file := filepath.Join(t.TempDir(), "wait")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := s.Invoke(ctx, function.Request{Function: "probe", Payload: fmt.Appendf(nil, `{"Do":"wait","Text":%q}`, file)})
		result <- err
	}()
	eventually(t, "it runs", func() bool { return s.Stats("probe").Concurrent == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if st := s.Stats("probe"); st.Concurrent != 1 {
		t.Errorf("the invocation was stopped: %+v", st)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it ends by itself", func() bool { st := s.Stats("probe"); return st.Concurrent == 0 && st.Idle == 1 })
}

func TestStragglersDieWithTheirEnvironment(t *testing.T) {
	s := start(t, function.Options{}, nil)
	res := invoke(t, s, `{"Do":"child"}`)
	var out struct{ Child int }
	if err := json.Unmarshal(res.Payload, &out); err != nil || out.Child == 0 {
		t.Fatalf("%s: %v", res.Payload, err)
	}
	if err := s.Close(t.Context()); err != nil { // would hang on the pipe that the child holds
		t.Fatal(err)
	}
	eventually(t, "the child is gone", func() bool { return !running(out.Child) })
}

// running tells whether a process exists and is no zombie.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !bytes.Contains(stat, []byte(") Z "))
}

// orphanParent is this test binary started again as a runner that will be killed.
func orphanParent() {
	s := function.New(function.Options{})
	if err := s.Create(function.Config{Name: "probe", Binary: os.Getenv("ORPHAN_TEST"), Timeout: 15 * time.Minute}); err != nil {
		fmt.Println(err)
		return
	}
	res, err := s.Invoke(context.Background(), function.Request{Function: "probe", Payload: []byte(`{"Do":"describe"}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		// Busy, it makes no call to the Runtime API whose failure would end it.
		_, _ = s.Invoke(context.Background(), function.Request{Function: "probe", Payload: []byte(`{"Do":"hang"}`)}) // never returns
	}()
	for s.Stats("probe").Concurrent == 0 {
		runtime.Gosched()
	}
	fmt.Println(string(res.Payload))
	select {}
}

func TestKilledRunnerLeavesNoOrphan(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a child's life to its parent's")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ORPHAN_TEST="+probe)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var d description
	if err := json.NewDecoder(out).Decode(&d); err != nil {
		t.Fatal(err)
	}
	if !running(d.PID) {
		t.Fatalf("process %d is not running", d.PID)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	eventually(t, "the function's process is gone", func() bool { return !running(d.PID) })
}

func TestLogs(t *testing.T) {
	t.Run("text lines come between START and END, with their invocation", func(t *testing.T) {
		s := start(t, function.Options{}, func(c *function.Config) { c.Tracing = "Active" })
		res, err := s.Invoke(t.Context(), function.Request{Function: "probe", Payload: []byte(`{"Do":"print","Text":"one\ntwo\r\nunfinished"}`), Tail: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		s.Logs("/aws/lambda/probe", time.Time{}, func(l function.Line) bool {
			if l.RequestID != res.RequestID || !regexp.MustCompile(`^\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}$`).MatchString(l.Stream) {
				t.Errorf("line %+v", l)
			}
			got = append(got, l.Message)
			return true
		})
		want := []string{
			"START RequestId: " + res.RequestID + ` Version: \$LATEST`, "one", "two", "unfinished", "END RequestId: " + res.RequestID,
			"REPORT RequestId: " + res.RequestID + "\tDuration: [0-9.]+ ms\tBilled Duration: [0-9]+ ms\tMemory Size: 128 MB\tMax Memory Used: [1-9][0-9]* MB\tInit Duration: [0-9.]+ ms\tXRAY TraceId: 1-[0-9a-f]{8}-[0-9a-f]{24}\tSegmentId: [0-9a-f]{16}\tSampled: true\t",
		}
		if runtime.GOOS != "linux" {
			want[5] = "REPORT"
		}
		if len(got) != len(want) {
			t.Fatalf("log: %q", got)
		}
		for i := range want {
			if !regexp.MustCompile("^" + want[i] + "$").MatchString(got[i]) {
				t.Errorf("line %d: %q does not match %q", i, got[i], want[i])
			}
		}
		if tail := strings.Join(got, "\n") + "\n"; string(res.LogTail) != tail {
			t.Errorf("tail %q, want %q", res.LogTail, tail)
		}
	})
	t.Run("JSON records have the Telemetry API's shape", func(t *testing.T) {
		s := start(t, function.Options{}, func(c *function.Config) { c.LogFormat, c.LogGroup, c.Timeout = "JSON", "/own", time.Second })
		invoke(t, s, `{"Do":"hang"}`)
		var types []string
		s.Logs("/own", time.Time{}, func(l function.Line) bool {
			var rec struct {
				Time   time.Time
				Type   string
				Record map[string]any
			}
			if err := json.Unmarshal([]byte(l.Message), &rec); err != nil {
				t.Errorf("%q: %v", l.Message, err)
			}
			types = append(types, rec.Type)
			if rec.Record["requestId"] != l.RequestID {
				t.Errorf("%s", l.Message)
			}
			if rec.Type == "platform.report" {
				m, ok := rec.Record["metrics"].(map[string]any)
				if !ok || rec.Record["status"] != "timeout" || rec.Record["errorType"] != "Sandbox.Timedout" || m["durationMs"].(float64) < 1000 || m["billedDurationMs"].(float64) < 1001 || m["memorySizeMB"] != 128.0 || m["initDurationMs"].(float64) <= 0 {
					t.Errorf("%s", l.Message)
				}
			}
			return true
		})
		if want := []string{"platform.start", "platform.report"}; !slices.Equal(types, want) {
			t.Errorf("records %q, want %q", types, want)
		}
	})
	t.Run("the oldest lines go when the group is full", func(t *testing.T) {
		var mu sync.Mutex
		hooked := 0
		s := start(t, function.Options{LogBytes: 1000, Log: func(string, function.Line) { mu.Lock(); hooked++; mu.Unlock() }}, nil)
		for i := range 20 {
			invoke(t, s, fmt.Sprintf(`{"Do":"print","Text":"line %d\n"}`, i))
		}
		got := strings.Join(lines(s), "\n")
		if len(got) > 1000 || strings.Contains(got, "line 1\n") || !strings.Contains(got, "line 19\n") {
			t.Errorf("%d bytes: %s", len(got), got)
		}
		mu.Lock()
		defer mu.Unlock()
		if hooked != 80 {
			t.Errorf("the hook saw %d lines, want all 80", hooked)
		}
	})
	t.Run("a long line becomes several events, wherever the pipe cuts it", func(t *testing.T) {
		for _, before := range []string{"", "short\n"} {
			s := start(t, function.Options{}, nil)
			invoke(t, s, fmt.Sprintf(`{"Do":"print","Text":%q}`, before+strings.Repeat("x", 256<<10+5)+"\n"))
			got := lines(s)
			got = got[len(got)-4:]
			if len(got[0]) != 256<<10 || got[1] != "xxxxx" {
				t.Errorf("after %q: lines of %d and %d bytes", before, len(got[0]), len(got[1]))
			}
		}
	})
	t.Run("since leaves out what is older", func(t *testing.T) {
		s := start(t, function.Options{}, nil)
		invoke(t, s, `{}`)
		since := time.Now()
		invoke(t, s, `{}`)
		n := 0
		s.Logs("/aws/lambda/probe", since, func(function.Line) bool { n++; return true })
		if n != 3 {
			t.Errorf("%d lines, want the second invocation's 3", n)
		}
	})
}

func TestTracing(t *testing.T) {
	tests := []struct {
		name, mode, header, want string
		sampled                  bool
	}{
		{"pass-through gives the header on as it came", "PassThrough", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", `^Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1$`, true},
		{"pass-through without a header begins an unsampled trace", "PassThrough", "", `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`, false},
		{"active tracing puts the function's segment between", "Active", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1", `^Root=1-5759e988-bd862e3fe1be46a994272793;Parent=FUNCTION;Sampled=1$`, true},
		{"active tracing obeys a decision against the trace", "Active", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0", `^Root=1-5759e988-bd862e3fe1be46a994272793;Parent=FUNCTION;Sampled=0$`, false},
		{"active tracing begins a sampled trace", "Active", "nonsense", `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=FUNCTION;Sampled=1$`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			seen := make(chan function.Invocation, 1)
			s := start(t, function.Options{Observe: func(i function.Invocation) { seen <- i }}, func(c *function.Config) { c.Tracing = tt.mode })
			res, err := s.Invoke(t.Context(), function.Request{Function: "probe", Payload: []byte(`{"Do":"describe"}`), TraceHeader: tt.header})
			if err != nil {
				t.Fatal(err)
			}
			var d description
			if err := json.Unmarshal(res.Payload, &d); err != nil {
				t.Fatal(err)
			}
			o := <-seen
			want := strings.ReplaceAll(tt.want, "FUNCTION", o.FunctionSegmentID)
			if !regexp.MustCompile(want).MatchString(d.Trace) || o.Sampled != tt.sampled || !strings.Contains(d.Trace, o.Root) {
				t.Errorf("trace %q, want %s; observed %+v", d.Trace, want, o)
			}
			if (o.SegmentID != "") != (tt.mode == "Active") || o.SegmentID == o.FunctionSegmentID && o.SegmentID != "" {
				t.Errorf("segments %q, %q", o.SegmentID, o.FunctionSegmentID)
			}
			if !o.Cold || o.InitDuration <= 0 || o.Started.Before(o.InitStarted) || o.Billed < o.Duration+o.InitDuration || o.RequestID != res.RequestID || o.Concurrent != 1 {
				t.Errorf("observed %+v", o)
			}
		})
	}
}

func TestColdStartLatencyIsAddedToInit(t *testing.T) {
	seen := make(chan function.Invocation, 1)
	s := start(t, function.Options{ColdStart: func() time.Duration { return 50 * time.Millisecond }, Observe: func(i function.Invocation) { seen <- i }}, nil)
	invoke(t, s, `{}`)
	if o := <-seen; o.InitDuration < 50*time.Millisecond {
		t.Errorf("INIT took %v", o.InitDuration)
	}
}

func TestConcurrentInvocationsNeverShareAnEnvironment(t *testing.T) {
	s := start(t, function.Options{AccountConcurrency: 8}, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				want := fmt.Sprintf(`{"Text":"%d/%d"}`, i, j)
				if res := invoke(t, s, want); string(res.Payload) != want {
					t.Errorf("%s came back as %s", want, res.Payload)
				}
			}
		})
	}
	wg.Wait()
	if st := s.Stats("probe"); st.Invocations != 400 || st.MaxConcurrent > 8 || st.Environments > 8 || st.Errors != 0 {
		t.Errorf("stats: %+v", st)
	}
}

func TestCreateNamesTheFaultyMember(t *testing.T) {
	tests := []struct {
		name   string
		change func(*function.Config)
		want   string
	}{
		{"a bad name", func(c *function.Config) { c.Name = "a b" }, `function name "a b"`},
		{"a missing binary", func(c *function.Config) { c.Binary = "/nowhere/bootstrap" }, "function probe: Binary: open /nowhere/bootstrap"},
		{"a folder as binary", func(c *function.Config) { c.Binary = "/" }, "function probe: Binary: / is not a regular file"},
		{"a fraction of a second", func(c *function.Config) { c.Timeout = 1500 * time.Millisecond }, "Timeout 1.5s"},
		{"too little memory", func(c *function.Config) { c.MemoryMB = 64 }, "MemorySize 64"},
		{"a reserved variable", func(c *function.Config) { c.Environment = map[string]string{"AWS_REGION": "x"} }, "Reserved keys used in this request: AWS_REGION"},
		{"a variable without a name", func(c *function.Config) { c.Environment = map[string]string{"": "x"} }, `variable ""`},
		{"too many variables", func(c *function.Config) { c.Environment = map[string]string{"BIG": strings.Repeat("x", 4096)} }, "exceeded the 4KB limit"},
		{"an unknown log format", func(c *function.Config) { c.LogFormat = "json" }, `LogFormat "json"`},
		{"an unknown tracing mode", func(c *function.Config) { c.Tracing = "On" }, `Tracing "On"`},
	}
	s := function.New(function.Options{})
	defer func() {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := function.Config{Name: "probe", Binary: probe}
			tt.change(&c)
			var e *wire.Error
			if err := s.Create(c); !errors.As(err, &e) || e.Code != "InvalidParameterValueException" || !strings.Contains(e.Message, tt.want) {
				t.Errorf("%v, want InvalidParameterValueException with %q", err, tt.want)
			}
		})
	}
}
