//go:build unix

package function

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A fakeRuntime speaks to the Runtime API of an environment whose process sleeps and ignores SIGTERM. Everything that
// aws-lambda-go never does can be tried with it.
type fakeRuntime struct {
	t           testing.TB
	service     *Service
	environment *environment
	conn        net.Conn
	r           *bufio.Reader
}

func newFakeRuntime(t testing.TB) *fakeRuntime {
	t.Helper()
	script := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntrap '' TERM\necho ready\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := New(Options{})
	if err := s.Create(Config{Name: "f", Binary: script, Timeout: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	f := s.functions["f"]
	e, err := s.start(f, f.settings, s.newStream())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.kill()
		<-e.gone
		if err := s.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !logged(s, "ready") { // until then SIGTERM would end the shell
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the script did not start")
		}
	}
	return &fakeRuntime{t: t, service: s, environment: e}
}

func logged(s *Service, message string) (found bool) {
	s.Logs("/aws/lambda/f", time.Time{}, func(l Line) bool {
		found = found || l.Message == message
		return !found
	})
	return found
}

// connect opens a connection of its own.
func (f *fakeRuntime) connect() *fakeRuntime {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.environment.listener.Addr().String())
	if err != nil {
		f.t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close() })
	return &fakeRuntime{t: f.t, service: f.service, environment: f.environment, conn: conn, r: bufio.NewReader(conn)}
}

func (f *fakeRuntime) send(request string) {
	f.t.Helper()
	if _, err := io.WriteString(f.conn, request); err != nil {
		f.t.Fatal(err)
	}
}

// answer reads one response; the body comes with it.
func (f *fakeRuntime) answer() (*http.Response, string) {
	f.t.Helper()
	res, err := http.ReadResponse(f.r, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		f.t.Fatal(err)
	}
	return res, string(b)
}

const nextRequest = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"

// invokeWith brings the environment to life and an invocation to the runtime, and returns its id.
func (f *fakeRuntime) invokeWith(payload string) (id string, result chan Response) {
	f.t.Helper()
	f.send(nextRequest)
	<-f.environment.initialised
	f.service.park(f.environment)
	inv, err := f.service.admit(Request{Function: "f", Payload: []byte(payload)})
	if err != nil {
		f.t.Fatal(err)
	}
	f.service.dispatch(inv)
	result = make(chan Response, 1)
	go func() {
		<-inv.done
		result <- inv.result
	}()
	res, body := f.answer()
	if res.StatusCode != 200 || body != payload {
		f.t.Fatalf("next: %d %s", res.StatusCode, body)
	}
	return res.Header.Get("Lambda-Runtime-Aws-Request-Id"), result
}

func post(path, headers, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", path, headers, len(body), body)
}

func responsePath(id string) string { return "/2018-06-01/runtime/invocation/" + id + "/response" }

func TestRuntimeAPIRefusals(t *testing.T) {
	tests := []struct {
		name    string
		request func(id string) string
		status  int
		typ     string
	}{
		{"a response to an unknown invocation", func(string) string { return post(responsePath("other"), "", "{}") }, 400, "InvalidRequestID"},
		{"asking for the next before answering", func(string) string { return nextRequest }, 403, "InvalidStateTransition"},
		{"an init error after INIT", func(string) string { return post("/2018-06-01/runtime/init/error", "", "{}") }, 403, "InvalidStateTransition"},
		{"a streamed response", func(id string) string {
			return post(responsePath(id), "Lambda-Runtime-Function-Response-Mode: streaming\r\n", "{}")
		}, 400, "InvalidResponseMode"},
		{"an unknown path", func(string) string { return post("/2022-07-01/telemetry", "", "{}") }, 404, "NotFound"},
		{"an unknown verb", func(id string) string { return post("/2018-06-01/runtime/invocation/"+id+"/maybe", "", "{}") }, 404, "NotFound"},
		{"an extension that wants events of invocations", func(string) string {
			return post("/2020-01-01/extension/register", "Lambda-Extension-Name: x\r\n", `{"events":["INVOKE"]}`)
		}, 403, "Extension.NotSupported"},
		{"a registration that is not JSON", func(string) string { return post("/2020-01-01/extension/register", "", `[`) }, 400, "InvalidRequestFormat"},
		{"an extension that did not register", func(string) string {
			return "GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\n\r\n"
		}, 403, "Extension.UnknownExtensionIdentifier"},
		{"something that is not HTTP", func(string) string { return "HELO\r\n\r\n" }, 400, "InvalidRequest"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFakeRuntime(t).connect()
			id, _ := f.invokeWith(`{}`)
			f.send(tt.request(id))
			res, body := f.answer()
			if res.StatusCode != tt.status || !strings.Contains(body, `"errorType":"`+tt.typ+`"`) {
				t.Errorf("%d %s, want %d and %s", res.StatusCode, body, tt.status, tt.typ)
			}
		})
	}
}

func TestSecondResponseIsRefusedAndTheFirstStands(t *testing.T) {
	f := newFakeRuntime(t).connect()
	id, result := f.invokeWith(`{}`)
	f.send(post(responsePath(id), "", `"first"`))
	if res, _ := f.answer(); res.StatusCode != 202 {
		t.Fatalf("%d", res.StatusCode)
	}
	f.send(post(responsePath(id), "", `"second"`))
	if res, _ := f.answer(); res.StatusCode != 403 {
		t.Errorf("%d", res.StatusCode)
	}
	f.send(nextRequest)
	if got := <-result; string(got.Payload) != `"first"` {
		t.Errorf("%s", got.Payload)
	}
}

func TestResponseStandsWhenTheProcessDiesAfterIt(t *testing.T) {
	f := newFakeRuntime(t).connect()
	id, result := f.invokeWith(`{}`)
	f.send(post(responsePath(id), "", `"done"`))
	if res, _ := f.answer(); res.StatusCode != 202 {
		t.Fatalf("%d", res.StatusCode)
	}
	f.environment.kill()
	if got := <-result; string(got.Payload) != `"done"` || got.FunctionError != "" {
		t.Errorf("%+v", got)
	}
}

func TestChunkedBodyAndTrailers(t *testing.T) {
	f := newFakeRuntime(t).connect()
	id, result := f.invokeWith(`{}`)
	f.send("POST " + responsePath(id) + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type\r\n\r\n" +
		"3\r\nabc\r\n0\r\nLambda-Runtime-Function-Error-Type: Broken\r\n\r\n")
	if res, _ := f.answer(); res.StatusCode != 202 {
		t.Fatalf("%d", res.StatusCode)
	}
	f.send(nextRequest)
	if got := <-result; got.ErrorType != "Broken" || got.FunctionError != "Unhandled" {
		t.Errorf("%+v", got)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	t.Run("a head without an end", func(t *testing.T) {
		f := newFakeRuntime(t).connect()
		line := "X: " + strings.Repeat("x", 1<<16) + "\r\n"
		if _, err := io.WriteString(f.conn, "GET /x HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
		written := 0
		for written < 8<<20 {
			n, err := io.WriteString(f.conn, line)
			written += n
			if err != nil {
				break
			}
		}
		if written >= 8<<20 {
			t.Error("the server read more than 8 MiB of headers")
		}
	})
	t.Run("too many connections", func(t *testing.T) {
		f := newFakeRuntime(t)
		for range maxConnections {
			c := f.connect()
			c.send(post("/x", "", ""))
			c.answer()
		}
		extra := f.connect()
		_, _ = io.WriteString(extra.conn, post("/x", "", "")) // may fail: the connection is being closed
		if _, err := extra.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("one more connection: %v, want it closed", err)
		}
	})
}

func TestExtensionGetsShutdownAndThenTheProcessIsKilled(t *testing.T) {
	f := newFakeRuntime(t).connect()
	f.send(post("/2020-01-01/extension/register", "Lambda-Extension-Name: own\r\n", `{"events":["SHUTDOWN"]}`))
	res, body := f.answer()
	id := res.Header.Get("Lambda-Extension-Identifier")
	if res.StatusCode != 200 || id == "" || !strings.Contains(body, `"functionName":"f"`) {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	f.send("GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: " + id + "\r\n\r\n")
	runtime := f.connect()
	runtime.send(nextRequest)
	<-f.environment.initialised
	f.environment.shutdown("spindown")
	if res, body := f.answer(); res.StatusCode != 200 || !strings.Contains(body, `"eventType":"SHUTDOWN"`) || !strings.Contains(body, `"shutdownReason":"spindown"`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	<-f.environment.gone // killed after the grace period, since it ignores SIGTERM
	if exit := f.environment.exit; exit != "signal: killed" {
		t.Errorf("the process ended with %q", exit)
	}
}

// FuzzRuntimeAPI throws bytes at the Runtime API during an invocation: the server must neither panic nor hang, and the
// invocation must still end when its process does.
func FuzzRuntimeAPI(f *testing.F) {
	f.Add([]byte(post(responsePath("x"), "", "{}")))
	f.Add([]byte("POST /2018-06-01/runtime/invocation/x/error HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"))
	f.Add([]byte("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"))
	f.Add([]byte(post("/2020-01-01/extension/register", "", `{"events":[1]}`)))
	f.Fuzz(func(t *testing.T, request []byte) {
		s := New(Options{})
		e := &environment{
			service: s, settings: &settings{Config: Config{Name: "f"}}, extensionID: "1",
			initialised: make(chan struct{}), initFailed: make(chan struct{}), handover: make(chan *invocation, 1),
			gone: make(chan struct{}), conns: map[net.Conn]struct{}{}, shutdownEvent: make(chan string, 1),
		}
		server, client := net.Pipe()
		ended := make(chan struct{})
		go func() {
			e.serve(server)
			_ = server.Close() // as accept does
			close(ended)
		}()
		go func() { _, _ = io.Copy(io.Discard, client) }() // ends with the connection
		_, _ = io.Copy(client, bytes.NewReader(request))   // the server may hang up midway
		_ = client.Close()
		close(e.gone)
		<-ended
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
