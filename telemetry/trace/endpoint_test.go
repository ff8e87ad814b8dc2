package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/watch"
	"example.com/arvo/lambdas/local/wire"
	"example.com/arvo/telemetry/segment"
)

// newcomer is an environment in which nothing of AWS is configured.
func newcomer(t *testing.T) {
	t.Helper()
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil { // put back when the test ends
				t.Fatal(err)
			}
		}
	}
	nothing := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", nothing)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nothing)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// runCommand runs the command and returns what it writes, errors last, and its exit code.
func runCommand(ctx context.Context, args ...string) (string, int) {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, &stdout, &stderr, screen{})
	return stdout.String() + stderr.String(), code
}

// answering is a server that answers like X-Ray: the bodies of operations by their paths, with a status.
func answering(t *testing.T, status int, bodies map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		var failure struct{ Type string }
		if json.Unmarshal([]byte(body), &failure) == nil && failure.Type != "" {
			w.Header().Set("X-Amzn-ErrorType", failure.Type)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestRecordedAnswer(t *testing.T) {
	newcomer(t)
	recorded, err := os.ReadFile(filepath.Join("testdata", "recorded", "batch-get-traces.json"))
	if err != nil {
		t.Fatal(err)
	}
	url := answering(t, http.StatusOK, map[string]string{"/Traces": string(recorded)})
	out, code := runCommand(t.Context(), "1-654c0557-0a1b2c3d4e5f60718293a4b5", "--endpoint-url", url)
	if code != exitOK {
		t.Errorf("exit %d", code)
	}
	golden(t, "a panic as AWS tells of it", out)
}

func TestRefusals(t *testing.T) {
	newcomer(t)
	const noSummaries = `{"TraceSummaries":[]}`
	const id = "1-386d4380-000000000000000000000001"
	for _, test := range []struct {
		name, failure, want string
		status              int
	}{
		{"unknown keys", `{"Type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`, "does not accept the credentials (UnrecognizedClientException: The security token included in the request is invalid.)", 403},
		{"a wrong secret", `{"Type":"InvalidSignatureException","message":"The request signature does not match."}`, "does not accept the credentials", 403},
		{"an old token", `{"Type":"ExpiredTokenException","message":"expired"}`, "sign in again", 403},
		{"a role without the right", `{"Type":"AccessDeniedException","message":"User is not authorized to perform: xray:BatchGetTraces"}`, "AWSXrayReadOnlyAccess", 403},
		{"anything else, by its name", `{"Type":"InvalidRequestException","message":"no"}`, "refused: InvalidRequestException: no", 400},
		{"no trace", `{"Traces":[],"UnprocessedTraceIds":["` + id + `"]}`, "no trace " + id, 200},
		{"not X-Ray at all", `<html>`, "is not X-Ray: give the address that `go run ./lambdas/local` prints after \"AWS services\"", 200},
		{"the API's port", `{"title":"There is nothing here","status":404,"detail":"see GET /openapi.json"}`, "is not X-Ray: give the address", 404},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, code := runCommand(t.Context(), "--endpoint-url", answering(t, test.status, map[string]string{"/Traces": test.failure, "/TraceSummaries": noSummaries}), id)
			if code != exitFailed || !strings.Contains(out, test.want) {
				t.Errorf("exit %d, no %q in %s", code, test.want, out)
			}
		})
	}
	t.Run("nobody answers", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		url := "http://" + l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		out, code := runCommand(t.Context(), id, "--endpoint-url", url)
		if want := "nothing answers at " + url + " (connect: connection refused): start the local stack with `go run ./lambdas/local`"; code != exitFailed || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in %s", code, want, out)
		}
	})
	t.Run("the address comes from the environment", func(t *testing.T) {
		t.Setenv("AWS_ENDPOINT_URL", answering(t, 200, map[string]string{"/Traces": `{"Traces":[]}`, "/TraceSummaries": noSummaries}))
		const clients = `'annotation.client_trace_id = "`
		if out, code := runCommand(t.Context(), id); code != exitFailed || !strings.Contains(out, "no trace "+id+" in http://127.0.0.1") || !strings.Contains(out, clients) {
			t.Errorf("exit %d: %s", code, out)
		}
	})
	t.Run("no region", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIA")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
		if out, code := runCommand(t.Context(), id); code != exitFailed || !strings.Contains(out, "no region: give --region") {
			t.Errorf("exit %d: %s", code, out)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		if out, code := runCommand(t.Context(), id, "--region", "eu-central-1"); code != exitFailed || !strings.Contains(out, "no AWS credentials") {
			t.Errorf("exit %d: %s", code, out)
		}
	})
	t.Run("Ctrl-C", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// The server learns that the client has gone only once the body is read.
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			cancel()
			<-r.Context().Done()
		}))
		defer server.Close()
		if out, code := runCommand(ctx, id, "--endpoint-url", server.URL); code != exitInterrupted || out != "trace: interrupted\n" {
			t.Errorf("exit %d: %s", code, out)
		}
	})
}

func TestCommandLine(t *testing.T) {
	newcomer(t)
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing at all", nil, exitUsage, "usage: go run ./telemetry/trace"},
		{"help", []string{"-h"}, exitOK, "-endpoint-url address"},
		{"two subjects", []string{"a", "b"}, exitUsage, "one subject at a time, got 2"},
		{"two subjects after --", []string{"--json", "--", "a", "-b"}, exitUsage, "one subject at a time, got 2"},
		{"an unknown flag behind the subject", []string{"a", "--jsn"}, exitUsage, "flag provided but not defined: -jsn"},
		{"an endpoint without a scheme", []string{"a", "--endpoint-url", "127.0.0.1:4566"}, exitUsage, "is no address like http://127.0.0.1:4566"},
		{"an empty subject", []string{"", "--endpoint-url", "http://127.0.0.1:1"}, exitUsage, "the subject is empty"},
		{"rubbish", []string{"--check", "***"}, exitUsage, `"***" is neither a subject nor a trace id`},
		{"a negative wait", []string{"a", "--wait", "-1s"}, exitUsage, "--wait -1s: a time from 0 to 1h0m0s is due"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if out, code := runCommand(t.Context(), test.args...); code != test.code || !strings.Contains(out, test.want) {
				t.Errorf("exit %d, want %d with %q: %s", code, test.code, test.want, out)
			}
		})
	}
}

// groups are log groups.
type groups map[string][]function.Line

func (g groups) LogGroups() []string {
	var names []string
	for name := range g {
		names = append(names, name)
	}
	return names
}

func (g groups) Logs(name string, since time.Time, yield func(function.Line) bool) {
	for _, line := range g[name] {
		if !line.Time.Before(since) && !yield(line) {
			return
		}
	}
}

// arrived waits until X-Ray has taken so many documents: datagrams are on their way for a moment.
func arrived(t *testing.T, s *watch.Service, documents int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); s.Stats().Traces.Documents < uint64(documents); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("of %d documents, %d have arrived", documents, s.Stats().Traces.Documents)
		}
	}
}

// TestAgainstTheLocalXRay asks the X-Ray and the CloudWatch Logs that the local stack serves, over their real protocols.
func TestAgainstTheLocalXRay(t *testing.T) {
	newcomer(t)
	r, subject := compensation(1)
	began := time.Now().Add(-time.Minute).Truncate(time.Second)
	shift := began.Sub(bubble)
	var moved func(docs []segment.Document)
	moved = func(docs []segment.Document) {
		for i := range docs {
			d := &docs[i]
			d.Start = d.Start.Add(shift)
			if d.End != 0 {
				d.End = d.End.Add(shift)
			}
			moved(d.Subsegments)
		}
	}
	moved(r.docs)
	line := func(ms int, level, msg string, span segment.ID) function.Line {
		at := began.Add(time.Duration(ms) * time.Millisecond)
		return function.Line{Time: at, Message: fmt.Sprintf(`{"time":%q,"level":%q,"msg":%q,"amount":12,"xray_trace_id":%q,"span_id":%q,"subject":"s"}`,
			at.UTC().Format(time.RFC3339Nano), level, msg, r.trace, span)}
	}
	declined := segment.ID{}
	for _, d := range r.docs {
		for _, s := range d.Subsegments {
			if s.Fault {
				declined = s.ID
			}
		}
	}
	source := groups{
		"/aws/lambda/" + handler: {line(285, "WARN", "the card was declined", declined), line(500, "INFO", "by its time", segment.ID{0xff}),
			{Time: began, Message: `{"msg":"of somebody else","xray_trace_id":"1-386d4380-0000000000000000000000ff"}`}, line(1, "INFO", "of no span", segment.ID{0xff})},
		"/aws/lambda/" + api: {},
	}
	s, err := watch.Start(t.Context(), watch.Options{Daemon: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := new(wire.Mux)
	s.Register(mux, source)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	conn, err := net.Dial("udp", s.DaemonAddress())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	for i := range r.docs {
		if _, err := conn.Write(segment.AppendDatagram(nil, &r.docs[i])); err != nil {
			t.Fatal(err)
		}
	}
	arrived(t, s, len(r.docs))
	for _, argument := range []string{subject, r.trace.String(), r.trace.W3C(), "/subjects/" + strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(subject), "=")} {
		out, code := runCommand(t.Context(), "--endpoint-url", server.URL, "--check", "--logs", argument)
		if code != exitOK {
			t.Fatalf("exit %d\n%s", code, out)
		}
		for _, want := range []string{
			"584 ms, 1 fault", "*payment.Declined: card declined: insufficient funds",
			"WARN  the card was declined amount=12\n", "log lines of no span\n", "of no span amount=12\n", "verdict  whole",
			"yes: segments of buses and queues draw as nodes and edges",
			"this is what " + server.URL + " does; for AWS, ask AWS",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%.30s: no %q in\n%s", argument, want, out)
			}
		}
		if strings.Contains(out, "of somebody else") || strings.Contains(out, "console  http") {
			t.Errorf("%.30s: it shows too much\n%s", argument, out)
		}
	}

	out, code := runCommand(t.Context(), "--endpoint-url", server.URL, "--json", "--logs", subject)
	var got report
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOK {
		t.Fatalf("exit %d: %v: %s", code, err, out)
	}
	if got.TraceID != r.trace.String() || got.Subject != subject || got.DurationMs != 584 || got.WaitMs+got.WorkMs > got.DurationMs || got.WaitMs == 0 ||
		len(got.Segments) < len(r.docs)-1 || len(got.Logs) != 3 || len(got.Nodes) == 0 || len(got.Edges) < len(got.Nodes)-1 {
		t.Errorf("it reports %+v", got)
	}

	// The subject of somebody who knows nothing of Arvo is found by its annotation.
	d := functionDocument("foreign")
	d.TraceID, d.ID, d.Start, d.End = segment.TraceID{1}, segment.ID{1}, segment.At(began), segment.At(began)+10
	d.Annotations = []segment.Attribute{{Key: "subject", Value: segment.String(`order "7" \ 1`)}}
	if _, err := conn.Write(segment.AppendDatagram(nil, &d)); err != nil {
		t.Fatal(err)
	}
	arrived(t, s, len(r.docs)+1)
	if out, code := runCommand(t.Context(), "--endpoint-url", server.URL, "--check", `order "7" \ 1`); code != exitOK || !strings.Contains(out, "foreign") {
		t.Errorf("exit %d: %s", code, out)
	}
}
