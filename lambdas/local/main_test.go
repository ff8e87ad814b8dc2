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
		{"no concurrency", []string{"-account-concurrency", "0"}, 2, "-account-concurrency 0"},
		{"no name", []string{"-stack-name", ""}, 2, "-stack-name: a name is due"},
		{"a template that is not there", []string{"-template", "nowhere.yaml"}, 1, "the template cannot be read: stat nowhere.yaml"},
		{"an address that others can reach", []string{"-template", "../../template.yaml", "-aws", "127.0.0.1:0", "-api", "0.0.0.0:0"}, 1, "only loopback addresses are served"},
		{"an address that is taken", []string{"-template", "../../template.yaml", "-aws", busy.Addr().String()}, 1, "something else listens on " + busy.Addr().String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if code := run(c.args, io.Discard, &stderr, nil); code != c.code || !strings.Contains(stderr.String(), c.want) {
				t.Errorf("exit %d, %s\nwant %d, %s", code, stderr.String(), c.code, c.want)
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

func TestCtrlCEndsARunningSystem(t *testing.T) {
	signals := make(chan os.Signal, 2)
	var stdout, stderr safeBuffer
	ended := make(chan int)
	go func() {
		ended <- run([]string{"-template", "../../template.yaml", "-api", "127.0.0.1:0", "-aws", "127.0.0.1:0", "-xray", "127.0.0.1:0"}, &stdout, &stderr, signals)
	}()
	api := regexp.MustCompile(`REST API\s+(\S+)`)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Minute) // the SDK may have to be compiled
	for !strings.Contains(stdout.String(), "ready") {
		select {
		case <-tick.C:
		case code := <-ended:
			t.Fatalf("it ended with %d\n%s", code, stderr.String())
		case <-deadline:
			t.Fatalf("it is not ready\n%s", stderr.String())
		}
	}
	res, err := http.Get(api.FindStringSubmatch(stdout.String())[1] + "/healthz")
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
