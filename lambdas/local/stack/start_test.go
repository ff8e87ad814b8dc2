package stack_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/stack"
)

// project writes a project of this one's shape, whose two functions are one program, and returns its template's path.
func project(t *testing.T, templateText, program string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"template.yaml":                     templateText,
		"go.mod":                            "module example.com/none\n",
		"lambdas/api_lambda/main.go":        program,
		"lambdas/federated_handler/main.go": program,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "template.yaml")
}

// What is lost, whichever service loses it, is told in the log that the stack was given.
func TestWhatIsLostIsToldInTheStacksLog(t *testing.T) {
	source, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	path := project(t, string(source), "package main\n\nfunc main() {\n\tselect {}\n}\n")
	log := new(lockedBuffer)
	s, err := stack.Start(t.Context(), stack.Config{Template: path, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	call := func(path, target, body string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.AWSURL()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", target)
		r.Header.Set("X-Amz-Invocation-Type", "Event")
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode >= 300 {
			t.Errorf("%s: %d, %v", path+target, resp.StatusCode, err)
		}
	}
	call("/", "AWSEvents.PutEvents", `{"Entries":[{"EventBusName":"nowhere","Source":"shop","DetailType":"sold","Detail":"{}"}]}`)
	call("/2015-03-31/functions/arvo-api_lambda/invocations", "", `{}`)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(ctx); err == nil {
		t.Error("it says that nothing was left undone")
	}
	for _, want := range []string{"events put to an event bus that does not exist are dropped", "asynchronous events dropped"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, log.String())
		}
	}
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// A function that ends before it takes an event, for a variable that is misspelt say, is told of without asking for the
// logs of functions: its messages only come back, again and again.
func TestAFunctionThatDoesNotStartIsToldOfOnce(t *testing.T) {
	source, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	path := project(t, string(source), "package main\n\nimport \"os\"\n\nfunc main() {\n\tprintln(\"HOSTED names nobody\")\n\tos.Exit(1)\n}\n")
	log := new(lockedBuffer)
	s, err := stack.Start(t.Context(), stack.Config{Template: path, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 2 {
		resp, err := client.Get(s.APIURL() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusBadGateway {
			t.Errorf("%d, %v", resp.StatusCode, err)
		}
	}
	told := log.String()
	if n := strings.Count(told, "a function does not start"); n != 1 || !strings.Contains(told, "function=arvo-api_lambda") || !strings.Contains(told, "exit status 1; its last words: HOSTED names nobody") {
		t.Errorf("told %d times:\n%s", n, told)
	}
}
