package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/goleak"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/lambdas/services"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
	"example.com/arvo/telemetry"
)

var update = flag.Bool("update", false, "write the golden files anew")

// log holds what the function under test has logged.
var log logbook

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	goleak.VerifyTestMain(m)
}

type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A bus takes events like EventBridge, or refuses them.
type bus struct {
	mu       sync.Mutex
	accepted []arvo.Event
	details  []string
	refuse   bool
	fail     error
	during   func() // a call, before it is answered
}

func (b *bus) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	b.mu.Lock()
	during := b.during
	b.mu.Unlock()
	if during != nil {
		during()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return nil, b.fail
	}
	out := new(eventbridge.PutEventsOutput)
	for _, e := range in.Entries {
		if b.refuse {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, types.PutEventsResultEntry{ErrorCode: aws.String("AccessDeniedException"), ErrorMessage: aws.String("no")})
			continue
		}
		ev, err := arvo.Parse([]byte(*e.Detail))
		if err != nil {
			return nil, fmt.Errorf("what was put on the bus is no event: %w", err)
		}
		b.accepted, b.details = append(b.accepted, ev), append(b.details, *e.Detail)
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: aws.String("envelope")})
	}
	return out, nil
}

func (b *bus) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *bus) last(t testing.TB) arvo.Event {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.accepted) == 0 {
		t.Fatal("nothing is on the bus")
	}
	return b.accepted[len(b.accepted)-1]
}

// A spy sees the calls of the store; before may answer them with an error.
type spy struct {
	*dynamodb.Client
	mu     sync.Mutex
	before func(operation string, in any) error
}

func (s *spy) see(operation string, in any) error {
	s.mu.Lock()
	before := s.before
	s.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(operation, in)
}

func (s *spy) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if err := s.see("GetItem", in); err != nil {
		return nil, err
	}
	return s.Client.GetItem(ctx, in, o...)
}

func (s *spy) PutItem(ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if err := s.see("PutItem", in); err != nil {
		return nil, err
	}
	return s.Client.PutItem(ctx, in, o...)
}

// noQueue cannot say when failed messages come back; that they failed does not depend on it.
type noQueue struct{}

func (noQueue) GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	return nil, errors.New("no queue")
}

func (noQueue) ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	return nil, errors.New("no queue")
}

func (noQueue) SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	return nil, errors.New("no queue")
}

// A deployment is the function with its table and its bus.
type deployment struct {
	lambda.Handler // the function, as telemetry sees it
	bus            *bus
	spy            *spy
	responses      *store.Responses
}

func deploy(t testing.TB) deployment {
	t.Helper()
	b, s := new(bus), &spy{Client: storetest.Open(t, storetest.ResponseTable)}
	responses, quiet := store.NewResponses(s, storetest.ResponseTable, time.Now), silent(t)
	f, err := newFunction(services.Contracts(), responses, broker.NewPublisher(broker.PublisherConfig{Client: b, Bus: "arvo"}), noQueue{}, quiet, "eu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	return deployment{quiet.Lambda(f), b, s, responses}
}

// silent is telemetry that nobody hears: no daemon, no collector, no output.
func silent(t testing.TB) *telemetry.Telemetry {
	t.Helper()
	quiet, err := telemetry.Setup(t.Context(), telemetry.Config{Getenv: func(string) string { return "" }, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return quiet
}

// traceHeaderOfAPI is what Lambda hands over with a request whose trace the REST API began.
const traceHeaderOfAPI = "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1"

// traced is the context of an invocation.
func traced(t testing.TB) context.Context {
	//lint:ignore SA1029 it is aws-lambda-go's key
	return context.WithValue(t.Context(), "x-amzn-trace-id", traceHeaderOfAPI)
}

// A change makes the recorded request another one.
type change func(event map[string]any)

func header(name string, values ...string) change {
	return func(event map[string]any) {
		event["headers"].(map[string]any)[name] = values[len(values)-1]
		event["multiValueHeaders"].(map[string]any)[name] = values
	}
}

func member(name string, value any) change { return func(event map[string]any) { event[name] = value } }

// at changes what is asked: "GET /subjects?wait=1". The path stays as it is written, the query is decoded, as the REST
// API does it.
func at(t testing.TB, line string) change {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	path, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return func(event map[string]any) {
		event["httpMethod"], event["path"] = method, path
		event["requestContext"].(map[string]any)["path"] = "/live" + path
		if len(values) > 0 {
			event["multiValueQueryStringParameters"] = values
		}
		if method != http.MethodPost {
			event["body"] = nil
		}
	}
}

func requestJSON(t testing.TB, changes ...change) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/request.json")
	if err != nil {
		t.Fatal(err)
	}
	var event map[string]any
	if err := json.Unmarshal(raw, &event); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		c(event)
	}
	raw, err = json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// An answer is what the REST API gets.
type answer struct {
	StatusCode        int
	MultiValueHeaders http.Header
	Body              string
}

func (d deployment) do(t testing.TB, changes ...change) answer {
	t.Helper()
	return d.within(t, traced(t), changes...)
}

// within is do in an invocation with a context of its own.
func (d deployment) within(t testing.TB, ctx context.Context, changes ...change) answer {
	t.Helper()
	out, err := d.Invoke(ctx, requestJSON(t, changes...))
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	dec := json.NewDecoder(bytes.NewReader(out))
	if err := dec.Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}

func (d deployment) get(t testing.TB, target string) answer {
	t.Helper()
	return d.do(t, at(t, "GET "+target))
}

// post sends a body to POST /events.
func (d deployment) post(t testing.TB, body string, changes ...change) answer {
	t.Helper()
	return d.do(t, append([]change{member("body", body)}, changes...)...)
}

// into reads the body of an answer that has the status.
func (a answer) into(t testing.TB, status int, v any) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("status %d, want %d: %s", a.StatusCode, status, clip(a.Body))
	}
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		t.Fatal(err)
	}
}

// problem reads the body of an answer that must be a problem of a kind.
func (a answer) problem(t testing.TB, status int, kind string) problem {
	t.Helper()
	var p problem
	a.into(t, status, &p)
	if got := a.MultiValueHeaders.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
	if p.Type != "urn:arvo:problem:"+kind || p.Status != status || p.Title == "" || p.Detail == "" {
		t.Errorf("got %s, want a problem %s of status %d", a.Body, kind, status)
	}
	return p
}

func TestSetupNamesWhatIsMissing(t *testing.T) {
	whole := map[string]string{"BUS_NAME": "arvo", "RESPONSE_TABLE": "responses"}
	for missing := range whole {
		t.Run(missing, func(t *testing.T) {
			_, err := setup(t.Context(), func(name string) string {
				if name == missing {
					return ""
				}
				return whole[name]
			})
			if err == nil || !strings.Contains(err.Error(), missing) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		if _, err := setup(t.Context(), func(name string) string { return whole[name] }); err != nil {
			t.Error(err)
		}
	})
}

// A trace of a stack on one's own machine is in no region's console.
func TestTheConsoleIsThatOfAWS(t *testing.T) {
	standIn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := "{}" // PutItem, UpdateItem
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutEvents") {
			body = `{"FailedEntryCount":0,"Entries":[{"EventId":"11710aed-b79e-4468-a20b-bb3c0c3b4860"}]}`
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(body))))
		_, _ = io.WriteString(w, body) // a client that has gone is told by the test
	}))
	defer standIn.Close()
	for _, c := range []struct{ name, of, want string }{
		{"on AWS, be it that some service is elsewhere", "_EVENTBRIDGE", "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#xray:traces/1-65647c1a-2b3c4d5e6f708192a3b4c5d6"},
		{"behind another endpoint", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range map[string]string{
				"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any",
				"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_EVENTBRIDGE": "", "AWS_ENDPOINT_URL_DYNAMODB": standIn.URL,
				"BUS_NAME": "arvo", "RESPONSE_TABLE": "responses",
			} {
				t.Setenv(name, value)
			}
			t.Setenv("AWS_ENDPOINT_URL"+c.of, standIn.URL)
			h, err := setup(t.Context(), os.Getenv)
			if err != nil {
				t.Fatal(err)
			}
			var a accepted
			deployment{Handler: h}.post(t, charge).into(t, http.StatusAccepted, &a)
			if a.Links.Trace != c.want {
				t.Errorf("the answer links %q, want %q", a.Links.Trace, c.want)
			}
		})
	}
}

func TestAnInvocationOfNeitherKindIsAnError(t *testing.T) {
	d := deploy(t)
	for name, payload := range map[string]string{
		"no JSON":                        "{",
		"no object":                      "[]",
		"an object of another kind":      `{"source":"aws.events"}`,
		"a body that is not base64":      `{"httpMethod":"POST","path":"/events","body":"%","isBase64Encoded":true}`,
		"records that are not of a list": `{"Records":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := d.Invoke(t.Context(), []byte(payload)); err == nil || !strings.HasPrefix(err.Error(), "api_lambda: ") {
				t.Errorf("got %s, %v", out, err)
			}
		})
	}
}

func TestAPanicFailsItsRequestAlone(t *testing.T) {
	d := deploy(t)
	d.spy.before = func(string, any) error { panic("a defect, secret=1") }
	d.get(t, "/subjects/order-1").problem(t, http.StatusInternalServerError, "defect")
	d.spy.before = nil
	d.get(t, "/subjects/order-1").problem(t, http.StatusNotFound, "unknown-subject")
	if !strings.Contains(log.String(), "request panicked") || strings.Contains(log.String(), "secret=1") {
		t.Errorf("the log:\n%s", log.String())
	}
}

func TestARequestThatRunsOutOfTimeIsAnswered(t *testing.T) {
	d := deploy(t)
	ctx, cancel := context.WithTimeout(traced(t), answerMargin) // nothing is left to work in
	defer cancel()
	out, err := d.Invoke(ctx, requestJSON(t))
	var a answer
	if err != nil || json.Unmarshal(out, &a) != nil {
		t.Fatal(err, string(out))
	}
	a.problem(t, http.StatusServiceUnavailable, "unavailable")
	if a.MultiValueHeaders.Get("Retry-After") != "1" {
		t.Errorf("headers %v", a.MultiValueHeaders)
	}
}

func TestRoutes(t *testing.T) {
	d := deploy(t)
	for _, c := range []struct {
		name, line string
		status     int
		allow      string
	}{
		{"the health is GET", "GET /healthz", 200, ""},
		{"HEAD is answered as GET is", "HEAD /healthz", 200, ""},
		{"OPTIONS tells what a path takes", "OPTIONS /events", 204, "POST, OPTIONS"},
		{"OPTIONS of what is read", "OPTIONS /subjects/x", 204, "GET, HEAD, OPTIONS"},
		{"events are not read", "GET /events", 405, "POST, OPTIONS"},
		{"events have no HEAD", "HEAD /events", 405, "POST, OPTIONS"},
		{"subjects are not deleted", "DELETE /subjects/x", 405, "GET, HEAD, OPTIONS"},
		{"nothing is posted to a subject", "POST /subjects", 405, "GET, HEAD, OPTIONS"},
		{"an unknown method", "BREW /contracts", 405, "GET, HEAD, OPTIONS"},
		{"the root", "GET /", 404, ""},
		{"an unknown path", "GET /event", 404, ""},
		{"a path below another", "POST /events/x", 404, ""},
		{"a path is case sensitive", "POST /Events", 404, ""},
		{"a path that could be a host", "GET //healthz", 404, ""},
		{"a subject without a name", "GET /subjects/", 404, ""},
		{"an escape that is none", "GET /%zz", 404, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := d.do(t, at(t, c.line))
			if a.StatusCode != c.status {
				t.Errorf("%s: %d, want %d: %s", c.line, a.StatusCode, c.status, a.Body)
			}
			if got := a.MultiValueHeaders.Get("Allow"); got != c.allow {
				t.Errorf("Allow is %q, want %q", got, c.allow)
			}
			if c.status >= 400 {
				a.problem(t, c.status, map[int]string{404: "unknown-path", 405: "method"}[c.status])
			}
		})
	}
	for _, line := range []string{"GET /subjects/a/b", "GET /subjects/a//b", "GET /subjects/../healthz"} {
		t.Run(line+" asks for a subject: slashes are part of some", func(t *testing.T) {
			d.do(t, at(t, line)).problem(t, 404, "unknown-subject")
		})
	}
}

func TestTheTimeoutIsTheTemplates(t *testing.T) {
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := template.Parse("template.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	stack, err := parsed.Resolve(template.Inputs{StackName: "arvo", APIURL: "http://127.0.0.1:3000"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range stack.Functions {
		if f.Name == "arvo-api_lambda" {
			if f.Timeout != timeout || timeout < maxWait+answerMargin {
				t.Errorf("the template says %v, the code %v, and a client may wait for %v", f.Timeout, timeout, maxWait)
			}
			return
		}
	}
	t.Error("template.yaml has no function arvo-api_lambda")
}
