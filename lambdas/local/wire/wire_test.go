package wire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/wire"
)

type echo struct {
	Text string `json:"Text"`
	Max  int    `json:"Max,omitempty"`
}

func newMux() *wire.Mux {
	mux := new(wire.Mux)
	mux.Handle(wire.Service{
		Prefix: "AmazonEcho", Version: "1.0", ErrorNamespace: "com.amazonaws.echo",
		Operations: map[string]wire.Operation{
			"Echo": wire.JSON(func(_ context.Context, in *echo) (*echo, error) { return in, nil }),
			"Raw":  func(_ context.Context, body []byte) (any, error) { return wire.Raw(body), nil },
			"Refuse": func(context.Context, []byte) (any, error) {
				return nil, &wire.Error{Code: "QueueDoesNotExist", Message: "no such queue", QueryCode: "AWS.Echo.NonExistentQueue", Members: map[string]any{"Item": "x"}}
			},
			"Break": func(context.Context, []byte) (any, error) { return nil, errors.New("disk on fire at /secret") },
			"Panic": func(context.Context, []byte) (any, error) { panic("oh") },
		},
	})
	mux.HandleQuery(wire.Query{
		Version: "2010-05-15", Namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/",
		Operations: map[string]func(context.Context, url.Values) (any, error){
			"DescribeStacks": func(_ context.Context, form url.Values) (any, error) {
				if form.Get("StackName") == "none" {
					return nil, wire.Errorf("ValidationError", "Stack with id none does not exist")
				}
				return struct{ Name string }{form.Get("StackName")}, nil
			},
		},
	})
	mux.HandlePath("/2015-03-31/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		wire.WriteRESTError(w, &wire.Error{Code: "ResourceNotFoundException", Message: "Function not found", Status: 404})
	}))
	return mux
}

func call(t *testing.T, method, path, target, body string) (*http.Response, string) {
	t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
	}
	rec := httptest.NewRecorder()
	newMux().ServeHTTP(rec, req)
	res := rec.Result()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("x-amzn-RequestId") == "" {
		t.Error("the answer carries no x-amzn-RequestId")
	}
	return res, string(b)
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		name, target, body string
		status             int
		want               string
	}{
		{"a typed operation answers what it returns, without HTML escaping", "AmazonEcho.Echo", `{"Text":"<a&b>","Extra":1}`, 200, `{"Text":"<a&b>"}`},
		{"a raw answer passes as it is", "AmazonEcho.Raw", `{"b":1,"a":2}`, 200, `{"b":1,"a":2}`},
		{"an AWS error shows its code in the service's namespace", "AmazonEcho.Refuse", `{}`, 400, `{"Item":"x","__type":"com.amazonaws.echo#QueueDoesNotExist","message":"no such queue"}`},
		{"a foreign error is not shown to the client", "AmazonEcho.Break", `{}`, 500, `{"__type":"com.amazonaws.echo#InternalFailure","message":"The request processing has failed because of an unknown error, exception or failure."}`},
		{"a panic is an internal failure", "AmazonEcho.Panic", `{}`, 500, `{"__type":"InternalFailure","message":"The request processing has failed because of an unknown error, exception or failure."}`},
		{"an operation that the service has not is unknown", "AmazonEcho.Nope", `{}`, 400, `{"__type":"com.amazonaws.echo#UnknownOperationException","message":"this AmazonEcho does not know the operation \"Nope\""}`},
		{"a service that is not here is unknown", "Amazon.Nope", `{}`, 400, `{"__type":"UnknownOperationException","message":"no service here answers to \"Amazon.Nope\""}`},
		{"a member of the wrong type is named", "AmazonEcho.Echo", `{"Max":"x"}`, 400, `{"__type":"com.amazonaws.echo#SerializationException","message":"Max: expected int, found string"}`},
		{"a body of the wrong type is named, too", "AmazonEcho.Echo", `[]`, 400, `{"__type":"com.amazonaws.echo#SerializationException","message":"the request body: expected struct, found array"}`},
		{"a body that is no JSON is a serialization error", "AmazonEcho.Echo", `{`, 400, `{"__type":"com.amazonaws.echo#SerializationException","message":"the request body is not valid JSON: unexpected end of JSON input"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, body := call(t, "POST", "/", c.target, c.body)
			if res.StatusCode != c.status {
				t.Errorf("status %d, want %d", res.StatusCode, c.status)
			}
			if diff := cmp.Diff(c.want, body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChecksum(t *testing.T) {
	mux := new(wire.Mux)
	mux.Handle(wire.Service{Prefix: "DynamoDB", Version: "1.0", Checksum: true, Operations: map[string]wire.Operation{
		"Echo":   func(_ context.Context, body []byte) (any, error) { return wire.Raw(body), nil },
		"Refuse": func(context.Context, []byte) (any, error) { return nil, wire.Errorf("No", "no") },
	}})
	for target, want := range map[string]string{"DynamoDB.Echo": "2745614147", "DynamoDB.Refuse": "1080127493"} {
		req := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
		req.Header.Set("X-Amz-Target", target)
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, req)
		if got := rec.Header().Get("X-Amz-Crc32"); got != want {
			t.Errorf("%s: %q, want %q for %s", target, got, want, rec.Body)
		}
	}
}

func TestQueryErrorHeader(t *testing.T) {
	res, _ := call(t, "POST", "/", "AmazonEcho.Refuse", `{}`)
	if got, want := res.Header.Get("x-amzn-query-error"), "AWS.Echo.NonExistentQueue;Sender"; got != want {
		t.Errorf("x-amzn-query-error %q, want %q", got, want)
	}
}

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"an answer is wrapped in the action's names", "Action=DescribeStacks&Version=2010-05-15&StackName=arvo", 200, "<DescribeStacksResult><Name>arvo</Name></DescribeStacksResult>"},
		{"an error shows its code", "Action=DescribeStacks&Version=2010-05-15&StackName=none", 400, "<Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id none does not exist</Message>"},
		{"an unknown action is refused", "Action=Nope&Version=2010-05-15", 400, "<Code>InvalidAction</Code>"},
		{"an unknown version is refused", "Action=DescribeStacks&Version=1999", 400, "<Code>InvalidAction</Code>"},
		{"a body that is no form is refused", "%zz", 400, "<Code>MalformedQueryString</Code>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, body := call(t, "POST", "/", "", c.body)
			if res.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%d %s\nwant %d and %s", res.StatusCode, body, c.status, c.want)
			}
		})
	}
}

func TestREST(t *testing.T) {
	res, body := call(t, "GET", "/2015-03-31/functions/x", "", "")
	if res.StatusCode != 404 || res.Header.Get("x-amzn-ErrorType") != "ResourceNotFoundException" {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil || got["Type"] != "User" || got["Message"] != "Function not found" {
		t.Errorf("%s (%v)", body, err)
	}
}

func TestBodyLargerThanTheLimitIsRefused(t *testing.T) {
	res, body := call(t, "POST", "/", "AmazonEcho.Raw", strings.Repeat("x", wire.MaxBody+1))
	if res.StatusCode != 413 || !strings.Contains(body, "RequestEntityTooLarge") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestFailuresAreToldInTheLogOnly(t *testing.T) {
	for _, c := range []struct{ operation, want string }{
		{"Break", `msg="operation failed" error="disk on fire at /secret"`},
		{"Panic", `msg="operation panicked" panic=oh`},
	} {
		var log bytes.Buffer
		mux := newMux()
		mux.Log = slog.New(slog.NewTextHandler(&log, nil))
		req := httptest.NewRequest("POST", "/", strings.NewReader(`{}`))
		req.Header.Set("X-Amz-Target", "AmazonEcho."+c.operation)
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, req)
		if !strings.Contains(log.String(), c.want) || !strings.Contains(rec.Body.String(), "InternalFailure") {
			t.Errorf("%s: %s\n%s", c.operation, rec.Body, &log)
		}
	}
}

func ExampleMux() {
	mux := new(wire.Mux)
	mux.Handle(wire.Service{
		Prefix: "AmazonSQS", Version: "1.0", ErrorNamespace: "com.amazonaws.sqs",
		Operations: map[string]wire.Operation{
			"GetQueueUrl": wire.JSON(func(_ context.Context, in *struct{ QueueName string }) (*struct{ QueueUrl string }, error) {
				return nil, wire.Errorf("QueueDoesNotExist", "there is no queue %s", in.QueueName)
			}),
		},
	})
	req := httptest.NewRequest("POST", "/", strings.NewReader(`{"QueueName":"requests"}`))
	req.Header.Set("X-Amz-Target", "AmazonSQS.GetQueueUrl")
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, req)
	fmt.Println(rec.Code, rec.Body)
	// Output: 400 {"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"there is no queue requests"}
}
