package mapping_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/mapping"
	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/wire"
)

// call makes a call to the REST API; path is what follows mapping.Path.
func (b *bench) call(method, path, body string) (status int, answer string) {
	b.t.Helper()
	r := httptest.NewRequest(method, mapping.Path+path, strings.NewReader(body))
	w := httptest.NewRecorder()
	b.mappings.Handler().ServeHTTP(w, r)
	out, err := io.ReadAll(w.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return w.Code, strings.TrimSpace(string(out))
}

func TestRESTShapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) {
			c.Filters, c.MaxConcurrency, c.ReportBatchItemFailures = []string{`{"body":{"a":[1]}}`}, 5, true
		})
		const one = `{"UUID":"` + id + `","BatchSize":10,"MaximumBatchingWindowInSeconds":0,"EventSourceArn":"arn:aws:sqs:us-east-1:000000000000:orders","FilterCriteria":{"Filters":[{"Pattern":"{\"body\":{\"a\":[1]}}"}]},"FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:handler","LastModified":946684800,"State":"Disabled","StateTransitionReason":"USER_INITIATED","FunctionResponseTypes":["ReportBatchItemFailures"],"ScalingConfig":{"MaximumConcurrency":5},"EventSourceMappingArn":"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:` + id + `"}`
		want := func(method, path, body string, code int, answer string) {
			t.Helper()
			gotCode, got := b.call(method, path, body)
			if gotCode != code || got != answer {
				t.Errorf("%s %s %s answers %d %s\nwant %d %s", method, path, body, gotCode, got, code, answer)
			}
		}
		fail := func(method, path, body string, code int, message string) {
			t.Helper()
			raw, err := json.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			want(method, path, body, code, fmt.Sprintf(`{"Message":%s,"Type":"User","message":%s}`, raw, raw))
		}
		want("GET", "/"+id, "", 200, one)
		want("GET", "/"+strings.ToUpper(id), "", 200, one)
		want("GET", "/", "", 200, `{"EventSourceMappings":[`+one+`]}`)
		want("GET", "", "", 200, `{"EventSourceMappings":[`+one+`]}`)
		want("GET", "/?FunctionName=handler&EventSourceArn=arn:aws:sqs:us-east-1:000000000000:orders", "", 200, `{"EventSourceMappings":[`+one+`]}`)
		want("GET", "/?FunctionName=arn:aws:lambda:us-east-1:000000000000:function:handler:prod", "", 200, `{"EventSourceMappings":[`+one+`]}`)
		want("GET", "/?FunctionName=other", "", 200, `{"EventSourceMappings":[]}`)
		want("GET", "/?EventSourceArn=arn:aws:sqs:us-east-1:000000000000:other", "", 200, `{"EventSourceMappings":[]}`)
		fail("GET", "/?MaxItems=0", "", 400, `MaxItems "0" is not a number between 1 and 10000`)
		fail("GET", "/?Marker=*", "", 400, `Marker "*" is none that a list has returned`)
		fail("GET", "/other", "", 404, "The resource you requested does not exist.")
		fail("PUT", "/other", "{}", 404, "The resource you requested does not exist.")
		fail("PUT", "/"+id, "{", 400, "Could not parse request body into json: unexpected end of JSON input")
		fail("PUT", "/"+id, `{} {}`, 400, "Could not parse request body into json: invalid character '{' after top-level value")
		fail("PUT", "/"+id, `{"KMSKeyArn":""}`, 400, `"KMSKeyArn" cannot be updated here; Enabled, BatchSize, MaximumBatchingWindowInSeconds, ScalingConfig, FilterCriteria and FunctionResponseTypes can`)
		fail("PUT", "/"+id, `{"BatchSize":0}`, 400, "BatchSize 0 is not between 1 and 10000")
		fail("PUT", "/"+id, `{"BatchSize":11}`, 400, "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
		fail("PUT", "/"+id, `{"MaximumBatchingWindowInSeconds":301}`, 400, "MaximumBatchingWindowInSeconds 301 is not between 0 and 300")
		fail("PUT", "/"+id, `{"ScalingConfig":{"MaximumConcurrency":0}}`, 400, "ScalingConfig.MaximumConcurrency 0 is not between 2 and 1000")
		fail("PUT", "/"+id, `{"ScalingConfig":{"MaximumConcurrency":1}}`, 400, "ScalingConfig.MaximumConcurrency 1 is not between 2 and 1000")
		fail("PUT", "/"+id, `{"FunctionResponseTypes":["Other"]}`, 400, `FunctionResponseTypes ["Other"]: it can hold "ReportBatchItemFailures" at most`)
		fail("POST", "/", "{}", 405, "POST /2015-03-31/event-source-mappings/: event source mappings come from the template; they can be listed, read and updated here")
		want("GET", "/"+id, "", 200, one) // nothing has changed

		time.Sleep(1500 * time.Millisecond)
		code, got := b.call("PUT", "/"+id, `{"BatchSize":100,"MaximumBatchingWindowInSeconds":2,"ScalingConfig":{},"FilterCriteria":{},"FunctionResponseTypes":[]}`)
		const changed = `{"UUID":"` + id + `","BatchSize":100,"MaximumBatchingWindowInSeconds":2,"EventSourceArn":"arn:aws:sqs:us-east-1:000000000000:orders","FunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:handler","LastModified":946684801.5,"State":"Updating","StateTransitionReason":"USER_INITIATED","FunctionResponseTypes":[],"EventSourceMappingArn":"arn:aws:lambda:us-east-1:000000000000:event-source-mapping:` + id + `"}`
		if code != 202 || got != changed {
			t.Errorf("update answers %d %s, want %s", code, got, changed)
		}
	})
}

func TestRESTStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, nil)
		b.function.handle = takes(10 * time.Second)
		state := func(method, body string) string {
			t.Helper()
			code, answer := b.call(method, "/"+id, body)
			var c struct{ State string }
			if err := json.Unmarshal([]byte(answer), &c); err != nil || code >= 300 {
				t.Fatalf("%d %s", code, answer)
			}
			return c.State
		}
		var got []string
		say := func(s string) { got = append(got, s) }
		b.send("a")
		say(state("GET", ""))
		say(state("PUT", `{"Enabled":true}`))
		say(state("GET", ""))
		say(state("PUT", `{"BatchSize":1}`))
		pass(time.Second)
		say(state("PUT", `{"Enabled":false}`))
		say(state("GET", ""))
		if code, answer := b.call("PUT", "/"+id, `{"Enabled":true}`); code != 400 || !strings.Contains(answer, "being disabled") {
			t.Fatalf("%d %s", code, answer)
		}
		b.send("b")
		pass(time.Minute)
		say(state("GET", ""))
		b.wantLevels(1, 0, 0) // "a" was finished, "b" not received
		say(state("PUT", `{"Enabled":true}`))
		pass(time.Minute)
		b.wantLevels(0, 0, 0)
		want := []string{"Disabled", "Enabling", "Enabled", "Updating", "Disabling", "Disabling", "Disabled", "Enabling"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestUpdateChangesTheConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t, mapping.Ramp{}, func(c *mapping.Config) { c.BatchSize, c.MaxConcurrency = 1, 2 })
		b.function.handle = takes(time.Second)
		b.send(numbers(1000)...)
		b.start()
		for _, n := range []int{2, 20, 3} {
			b.put(fmt.Sprintf(`{"ScalingConfig":{"MaximumConcurrency":%d}}`, n))
			pass(2500 * time.Millisecond)
			if b.function.now() != n {
				t.Fatalf("%d running, want %d", b.function.now(), n)
			}
		}
	})
}

func TestListPages(t *testing.T) {
	queues := queue.New(queue.Options{})
	defer queues.Close()
	s := mapping.New(mapping.Options{Invoker: &function{}})
	var want []string
	for i := range 105 {
		q, err := queues.Create(queue.Config{Name: fmt.Sprint("q", i)})
		if err != nil {
			t.Fatal(err)
		}
		uuid := fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
		if _, err := s.Create(mapping.Config{ID: uuid, Queue: q, Function: "handler", Disabled: true}); err != nil {
			t.Fatal(err)
		}
		want = append(want, uuid)
	}
	var mux wire.Mux
	mux.HandlePath(mapping.Path, s.Handler())
	mux.HandlePath(mapping.Path+"/", s.Handler())
	server := httptest.NewServer(&mux)
	defer server.Close()
	client := lambda.New(lambda.Options{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	for _, size := range []int32{7, 100, 10_000} {
		var got []string
		pages := lambda.NewListEventSourceMappingsPaginator(client, &lambda.ListEventSourceMappingsInput{MaxItems: &size})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.EventSourceMappings {
				got = append(got, *m.UUID)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%d a page: %s", size, diff)
		}
	}
	out, err := client.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: &want[0], BatchSize: aws.Int32(3)})
	if err != nil {
		t.Fatal(err)
	}
	if *out.BatchSize != 3 || *out.State != "Updating" || out.LastModified.IsZero() {
		t.Fatalf("%+v", out)
	}
}
