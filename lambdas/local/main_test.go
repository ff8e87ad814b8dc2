package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/fault"
	"example.com/arvo/lambdas/local/latency"
	"example.com/arvo/lambdas/local/stack"
)

func TestWrongUsage(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(profile, []byte("table: {median: 2h}"), 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	busyUDP, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busyUDP.Close()
	free := func(args ...string) []string { // with ports that are free, unless args say another
		return append([]string{"-api", "127.0.0.1:0", "-aws", "127.0.0.1:0", "-xray", "127.0.0.1:0"}, args...)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // on stderr
	}{
		{"help is no failure", []string{"-help"}, 0, "-parameter"},
		{"an unknown flag", []string{"-nope"}, 2, "flag provided but not defined: -nope"},
		{"an argument that is no flag", []string{"start"}, 2, `"start" is no flag`},
		{"a parameter without a value", []string{"-parameter", "OwnLambda"}, 2, "Name=Value is due"},
		{"a parameter given twice", []string{"-parameter", "A=1", "-parameter", "A=2"}, 2, "A is given twice"},
		{"a parameter that the template has not", []string{"-parameter", "A=1", "-template", "../../template.yaml", "-api", "127.0.0.1:0", "-aws", "127.0.0.1:0", "-xray", "127.0.0.1:0"}, 1, "A"},
		{"an unknown fault", []string{"-faults", "fire=1"}, 2, `there is no "fire"`},
		{"a latency that is neither a name nor a file", []string{"-latency", "slow"}, 2, "-latency slow: it is none, aws2026 or a file"},
		{"a profile that makes no sense", []string{"-latency", profile}, 2, "table: longer than a minute"},
		{"a parameter without a name", []string{"-parameter", "=1"}, 2, "Name=Value is due"},
		{"a profile that is a folder", []string{"-latency", filepath.Dir(profile)}, 2, "it is none, aws2026 or a file"},
		{"no concurrency", []string{"-account-concurrency", "0"}, 2, "-account-concurrency: a whole number from 1 is due"},
		{"no name", []string{"-stack-name", ""}, 2, "-stack-name: a name is due"},
		{"a template that is not there", []string{"-template", "nowhere.yaml"}, 1, "the template cannot be read: stat nowhere.yaml"},
		{"a concurrency that is no number", []string{"-account-concurrency", "many"}, 2, "a whole number from 1 is due"},
		{"a seed that is no number", []string{"-seed", "-1"}, 2, "a whole number from 0 is due"},
		{"an address that others can reach", []string{"-api", "0.0.0.0:0"}, 2, "-api 0.0.0.0:0: only loopback addresses are served"},
		{"an address without a host", []string{"-api", "3001"}, 2, "-api 3001: a loopback address and a port are due, such as 127.0.0.1:3001"},
		{"a port that there is not", []string{"-xray", "127.0.0.1:99999"}, 2, "-xray 127.0.0.1:99999: a loopback address and a port are due"},
		{"one address for two", []string{"-api", "localhost:4566"}, 2, "-aws 127.0.0.1:4566: it is that of API, too"},
		{"an address of the API that is taken", free("-api", busy.Addr().String()), 1, "-api " + busy.Addr().String() + ": something else listens there: end it, or choose another address"},
		{"an address of the AWS services that is taken", free("-aws", busy.Addr().String()), 1, "-aws " + busy.Addr().String() + ": something else listens there"},
		{"a TCP address of the X-Ray daemon that is taken", free("-xray", busy.Addr().String()), 1, "-xray " + busy.Addr().String() + ": something else listens there"},
		{"a UDP address of the X-Ray daemon that is taken", free("-xray", busyUDP.LocalAddr().String()), 1, "-xray " + busyUDP.LocalAddr().String() + ": something else listens there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(c.args, io.Discard, &stderr, nil); code != c.code || !strings.Contains(stderr.String(), c.want) || strings.Contains(stderr.String(), "building") {
				t.Errorf("exit %d, %s\nwant %d, %s", code, stderr.String(), c.code, c.want)
			}
		})
	}
}

// The template is that of the module, wherever in it one stands.
func TestTheTemplateIsFoundFromASubFolder(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	template := func(folder string) string {
		t.Helper()
		t.Chdir(folder)
		config, _, err := parse(nil, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return config.Template
	}
	touch := func(path ...string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(path...), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	touch(root, "template.yaml")
	if got := template(deep); got != "template.yaml" {
		t.Errorf("one that is in no module was taken: %s", got)
	}
	touch(root, "go.mod")
	if got, want := template(deep), filepath.Join(root, "template.yaml"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	touch(deep, "template.yaml")
	if got := template(deep); got != "template.yaml" {
		t.Errorf("that of the folder itself is not taken: %s", got)
	}
}

func TestEveryFlagReachesTheStack(t *testing.T) {
	found, err := filepath.Abs("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	profile := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(profile, []byte("table: {median: 4ms}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want stack.Config
		logs bool
	}{
		{"nothing is said", nil, stack.Config{
			API: "127.0.0.1:3000", AWS: "127.0.0.1:4566", XRay: "127.0.0.1:2000", Template: found, Name: "arvo",
			Seed: 1, AccountConcurrency: 1000, Parameters: map[string]string{},
		}, false},
		{"everything is said", []string{
			"-api", "localhost:1", "-aws", "localhost:2", "-xray", "localhost:3", "-template", "other.yaml", "-stack-name", "other", "-seed", "0",
			"-account-concurrency", "10", "-logs", "-latency", profile, "-faults", "kill=0.5,delay=1s", "-parameter", "A=1", "-parameter", "B=x=y",
			"-parameter", "C=",
		}, stack.Config{
			API: "localhost:1", AWS: "localhost:2", XRay: "localhost:3", Template: "other.yaml", Name: "other",
			AccountConcurrency: 10, Parameters: map[string]string{"A": "1", "B": "x=y", "C": ""},
			Latency: latency.Profile{Table: latency.Distribution{Median: 4 * time.Millisecond}}, Faults: fault.Rates{Kill: 0.5, Delay: time.Second},
		}, true},
		{"latencies have a name", []string{"-latency", "aws2026"}, stack.Config{
			API: "127.0.0.1:3000", AWS: "127.0.0.1:4566", XRay: "127.0.0.1:2000", Template: found, Name: "arvo",
			Seed: 1, AccountConcurrency: 1000, Parameters: map[string]string{}, Latency: latency.AWS2026(),
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, logs, err := parse(c.args, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || logs != c.logs {
				t.Errorf("logs: %t\n%s", logs, diff)
			}
		})
	}
}

// safeBuffer is written by the program while the test reads it.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs the program until it is ready. It returns the address of the REST API, and where the exit code will be.
func start(t *testing.T, stdout, stderr *safeBuffer, signals <-chan os.Signal) (api string, ended <-chan int) {
	t.Helper()
	code := make(chan int, 1)
	go func() {
		code <- run([]string{"-template", "../../template.yaml", "-api", "127.0.0.1:0", "-aws", "127.0.0.1:0", "-xray", "127.0.0.1:0"}, stdout, stderr, signals)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Minute) // the SDK may have to be compiled
	for !strings.Contains(stdout.String(), "ready") {
		select {
		case <-tick.C:
		case code := <-code:
			t.Fatalf("it ended with %d\n%s", code, stderr.String())
		case <-deadline:
			t.Fatalf("it is not ready\n%s", stderr.String())
		}
	}
	return regexp.MustCompile(`REST API\s+(\S+)`).FindStringSubmatch(stdout.String())[1], code
}

func TestCtrlCEndsARunningSystem(t *testing.T) {
	signals := make(chan os.Signal, 2)
	var stdout, stderr safeBuffer
	api, ended := start(t, &stdout, &stderr, signals)
	res, err := http.Get(api + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("healthz: %d", res.StatusCode)
	}
	signals <- os.Interrupt
	if code := <-ended; code != 0 {
		t.Errorf("exit %d\n%s", code, stderr.String())
	}
}

func TestCtrlCEndsAStart(t *testing.T) {
	signals := make(chan os.Signal, 2)
	signals <- os.Interrupt
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-template", "../../template.yaml", "-api", "127.0.0.1:0", "-aws", "127.0.0.1:0", "-xray", "127.0.0.1:0"}, &stdout, &stderr, signals); code != 0 || stdout.Len() > 0 {
		t.Errorf("exit %d\n%s%s", code, stdout.String(), stderr.String())
	}
}

func TestASecondCtrlCLeavesWorkUndone(t *testing.T) {
	signals := make(chan os.Signal, 2)
	var stdout, stderr safeBuffer
	api, ended := start(t, &stdout, &stderr, signals)
	res, err := http.Post(api+"/events", "application/json", strings.NewReader(`{"type":"com.workload.simulate","data":{"sleep_ms":12000}}`))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("events: %d", res.StatusCode)
	}
	signals <- os.Interrupt
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			select {
			case signals <- os.Interrupt: // the first ones are one with the Ctrl-C before
			default:
			}
			continue
		case code := <-ended:
			if code != 1 || !strings.Contains(stdout.String(), "Ctrl-C again leaves it") || !strings.Contains(stderr.String(), "stack: accepted events were not handled: 1") {
				t.Errorf("exit %d\n%s%s", code, stdout.String(), stderr.String())
			}
		}
		return
	}
}
