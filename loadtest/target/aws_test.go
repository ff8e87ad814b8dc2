package target_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"example.com/arvo/loadtest/target"
)

// fakeAWS answers calls by the names of operations, without a socket: with what AWS has answered, and with the little state that
// a test needs. A name is that of X-Amz-Target or Action, or for Lambda the method and the path without its version.
type fakeAWS struct {
	t testing.TB

	mu      sync.Mutex
	answers map[string]func(call call) (status int, body string)
	calls   []call
}

type call struct {
	name    string
	request *http.Request
	body    string
}

// member returns a member of a JSON body.
func (c call) member(name string) any {
	var members map[string]any
	if json.Unmarshal([]byte(c.body), &members) != nil {
		return nil
	}
	return members[name]
}

const (
	requestsMapping = "GET /event-source-mappings/14e0db71-5d35-4eb5-b481-8945cf9d10c2"
	updateMapping   = "PUT /event-source-mappings/14e0db71-5d35-4eb5-b481-8945cf9d10c2"
)

// newFakeAWS is an account with the stack shop.
func newFakeAWS(t testing.TB) *fakeAWS {
	f := &fakeAWS{t: t, answers: map[string]func(call) (int, string){}}
	f.says("DescribeStacks", 200, recorded(t, "describe-stacks.xml"))
	first, second := recorded(t, "list-stack-resources.xml"), recorded(t, "list-stack-resources-2.xml")
	f.on("ListStackResources", func(c call) (int, string) {
		if strings.Contains(c.body, "NextToken=dXMtZWFzdC0x") {
			return 200, second
		}
		return 200, first
	})
	f.says(requestsMapping, 200, mappingJSON("Enabled", 10, 10))
	f.says("GET /event-source-mappings/2b733gdc-8ac3-cdf5-af3a-1827b3b11284", 200, mappingJSON("Enabled", 5, 10))
	for _, name := range []string{"shop-federated_handler", "shop-own_handler", "shop-api_lambda"} {
		f.says("GET /functions/"+name+"/configuration", 200, recorded(t, "function.json"))
		f.says("GET /functions/"+name+"/concurrency", 200, "{}")
	}
	f.says("GET /event-source-mappings/91e7ef9c-6c1c-4c1c-9d8c-0f6f5a7a3f10", 200, mappingJSON("Enabled", 7, 10))
	f.says("GET /account-settings", 200, recorded(t, "account.json"))
	f.says("GetQueueAttributes", 200, recorded(t, "redrive.json"))
	return f
}

func mappingJSON(state string, concurrency, batch int) string {
	return fmt.Sprintf(`{"UUID":"14e0db71-5d35-4eb5-b481-8945cf9d10c2","BatchSize":%d,"MaximumBatchingWindowInSeconds":0,"EventSourceArn":"arn:aws:sqs:eu-central-1:123456789012:shop-requests","FunctionArn":"arn:aws:lambda:eu-central-1:123456789012:function:shop-federated_handler","LastModified":1795276931.0,"State":%q,"StateTransitionReason":"USER_INITIATED","FunctionResponseTypes":["ReportBatchItemFailures"],"ScalingConfig":{"MaximumConcurrency":%d}}`, batch, state, concurrency)
}

func recorded(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (f *fakeAWS) on(name string, answer func(call) (int, string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[name] = answer
}

func (f *fakeAWS) says(name string, status int, body string) {
	f.on(name, func(call) (int, string) { return status, body })
}

// called returns the calls of an operation.
func (f *fakeAWS) called(name string) (calls []call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.name == name {
			calls = append(calls, c)
		}
	}
	return calls
}

func (f *fakeAWS) RoundTrip(r *http.Request) (*http.Response, error) {
	c := call{request: r}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		c.body = string(body)
	}
	if _, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		c.name = operation
	} else if form, err := url.ParseQuery(c.body); err == nil && form.Get("Action") != "" {
		c.name = form.Get("Action")
	} else {
		_, path, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/") // after the version
		c.name = r.Method + " /" + strings.Trim(path, "/")
	}
	f.mu.Lock()
	f.calls = append(f.calls, c)
	answer, ok := f.answers[c.name]
	f.mu.Unlock()
	if !ok {
		f.t.Errorf("unexpected call %s: %s", c.name, c.body)
		return nil, fmt.Errorf("no answer to %s", c.name)
	}
	status, body := answer(c)
	header := http.Header{}
	if status >= 400 {
		var failure struct {
			Type string `json:"__type"`
		}
		if json.Unmarshal([]byte(body), &failure) == nil && failure.Type != "" {
			header.Set("X-Amzn-Errortype", failure.Type)
		}
	}
	return &http.Response{StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), Header: header, Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// config is how to get to the stack shop.
func (f *fakeAWS) config() target.Config {
	return target.Config{Stack: "shop", Region: "eu-central-1", Dir: f.t.TempDir(), AWS: aws.Config{
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""), HTTPClient: &http.Client{Transport: f},
	}}
}

// open opens the stack shop.
func (f *fakeAWS) open() *target.Stack {
	f.t.Helper()
	s, err := target.Open(f.t.Context(), f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(s.Close)
	return s
}
