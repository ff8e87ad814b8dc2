package stack_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"

	"example.com/arvo/lambdas/local/fault"
	"example.com/arvo/lambdas/local/stack"
	"example.com/arvo/lambdas/sdkhttp"
)

// TestMain runs four tests at a time, on however few cores: they mostly wait, for messages to come again and leases to end.
// The flag -parallel says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// A system is a running stack with clients of its services.
type system struct {
	*stack.Stack
	t      testing.TB
	http   *http.Client
	config aws.Config
	events *eventbridge.Client
	queues *sqs.Client
	tables *dynamodb.Client
}

const templateFile = "../../../template.yaml"

// start runs the project's own template; the stack ends with the test.
func start(t testing.TB, c stack.Config) *system {
	t.Helper()
	c.Template = templateFile
	c.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := stack.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 200}
	client := &http.Client{Transport: transport}
	config := aws.Config{
		Region: stack.Region, BaseEndpoint: aws.String(s.AWSURL()), HTTPClient: sdkhttp.Client(client),
		Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""),
	}
	sys := &system{Stack: s, t: t, http: client, config: config, events: eventbridge.NewFromConfig(config), queues: sqs.NewFromConfig(config), tables: dynamodb.NewFromConfig(config)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil && !t.Failed() {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	return sys
}

// call makes one request of the REST API and returns the status and the body, decoded.
func (s *system) call(method, path, body string, headers ...string) (int, map[string]any, http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.APIURL()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		s.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, b)
	}
	return res.StatusCode, out, res.Header
}

// post has a request accepted and returns its subject.
func (s *system) post(typ, data string, headers ...string) (subject string) {
	s.t.Helper()
	status, out, _ := s.call("POST", "/events", `{"type":"`+typ+`","data":`+data+`}`, headers...)
	if status != http.StatusAccepted {
		s.t.Fatalf("%d %v", status, out)
	}
	return out["subject"].(string)
}

// A view is the answer to GET /subjects.
type view struct {
	Subject, Status, TraceID string
	Deliveries               int
	Events                   []struct {
		ID, Type, Source, Subject string
		Data                      map[string]any
		ReceivedAt                int64 `json:"receivedat"`
	}
}

// get reads a subject, waiting for it to be completed; ok is false when there is none.
func (s *system) get(subject string, wait int) (v view, ok bool) {
	s.t.Helper()
	path := strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(subject), "=")
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", fmt.Sprintf("%s/subjects/%s?wait=%d", s.APIURL(), path, wait), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode == http.StatusNotFound {
		return v, false
	}
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("%d %s", res.StatusCode, b)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		s.t.Fatal(err)
	}
	return v, true
}

// eventually polls until ok says yes, for at most a time that only a fault takes.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(60 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// put publishes details of events on the bus, from outside, in the trace of a publisher that reports none of its spans.
func (s *system) put(details ...string) {
	s.t.Helper()
	s.publish("Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1", details...)
}

// publish is put with a trace header, which may be empty.
func (s *system) publish(traceHeader string, details ...string) {
	s.t.Helper()
	var header *string
	if traceHeader != "" {
		header = &traceHeader
	}
	var entries []ebtypes.PutEventsRequestEntry
	for _, d := range details {
		var named struct{ Source, Type string }
		if err := json.Unmarshal([]byte(d), &named); err != nil {
			s.t.Fatal(err)
		}
		entries = append(entries, ebtypes.PutEventsRequestEntry{
			EventBusName: aws.String(s.Output("BusName")), Source: aws.String(cmp.Or(named.Source, "test")), DetailType: aws.String(cmp.Or(named.Type, "test")), Detail: aws.String(d),
			TraceHeader: header,
		})
	}
	out, err := s.events.PutEvents(s.t.Context(), &eventbridge.PutEventsInput{Entries: entries})
	if err != nil || out.FailedEntryCount > 0 {
		s.t.Fatal(out, err)
	}
}

// event is an Arvo event as a foreign publisher would write it.
func event(id, subject, typ, to, data string) string {
	return fmt.Sprintf(`{"id":%q,"source":"api.thin.lambda","specversion":"1.0","type":%q,"subject":%q,"datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo","data":%s,"time":"2026-11-23T07:00:00.123+00:00","to":%q}`, id, typ, subject, data, to)
}

// depth is the number of messages in a queue, named by the output that has its URL.
func (s *system) depth(output string) int {
	s.t.Helper()
	out, err := s.queues.GetQueueAttributes(s.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(s.Output(output)), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		var m int
		if _, err := fmt.Sscan(out.Attributes[name], &m); err != nil {
			s.t.Fatal(err)
		}
		n += m
	}
	return n
}

// receiveOnce makes a queue give its messages up after one receive, so that a test need not wait for five.
func (s *system) receiveOnce(queue, dlq string) {
	s.t.Helper()
	s.redrive(queue, dlq, 1)
}

// redrive has messages of a queue received so many times before they are dead letters.
func (s *system) redrive(queue, dlq string, receives int) {
	s.t.Helper()
	out, err := s.queues.GetQueueAttributes(s.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(s.Output(dlq)), AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.set(queue, "RedrivePolicy", fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, out.Attributes["QueueArn"], receives))
}

// set changes an attribute of a queue.
func (s *system) set(queue, name, value string) {
	s.t.Helper()
	_, err := s.queues.SetQueueAttributes(s.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: aws.String(s.Output(queue)), Attributes: map[string]string{name: value}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// effects are the primary keys of EffectTable.
func (s *system) effects() map[string]bool {
	s.t.Helper()
	keys := map[string]bool{}
	pages := dynamodb.NewScanPaginator(s.tables, &dynamodb.ScanInput{TableName: aws.String(s.Output("EffectTable"))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, item := range page.Items {
			keys[item["pk"].(*types.AttributeValueMemberS).Value] = true
		}
	}
	return keys
}

const charge = `{"order_id":"o-1","amount":1999,"currency":"EUR","method":"pm_ok"}`

func TestARequestIsAnsweredOnItsSubject(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	status, accepted, header := s.call("POST", "/events", `{"type":"com.payment.charge","data":`+charge+`}`)
	if status != http.StatusAccepted || accepted["status"] != "pending" {
		t.Fatalf("%d %v", status, accepted)
	}
	subject := accepted["subject"].(string)
	if raw, err := base64.StdEncoding.DecodeString(subject); err != nil || len(raw) == 0 || len(subject) > 1000 {
		t.Errorf("subject %q: %v", subject, err)
	}
	v, ok := s.get(subject, 10)
	if !ok || v.Status != "completed" || v.Deliveries != 1 || len(v.Events) != 1 || v.TraceID != accepted["traceId"] {
		t.Fatalf("%+v", v)
	}
	ev := v.Events[0]
	if ev.Type != "evt.payment.charge.success" || ev.Source != "com.payment.charge" || ev.Subject != subject || ev.Data["payment_id"] != accepted["id"] || ev.ReceivedAt == 0 {
		t.Errorf("%+v", ev)
	}
	// The address that the answer gives leads there too.
	if status, out, _ := s.call("GET", header.Get("Location"), ""); status != 200 || out["status"] != "completed" {
		t.Errorf("Location: %d %v", status, out)
	}
}

func TestAnEventThatIsPutByHandIsAnsweredOnItsSubject(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.put(event("1", "by-hand", "com.workload.simulate", "com.workload.simulate", `{"sleep_ms":300}`))
	// Nobody has accepted it: the subject comes to be with its answer, while the client waits.
	if v, ok := s.get("by-hand", 10); !ok || v.Status != "completed" || len(v.Events) != 1 {
		t.Errorf("%v %+v", ok, v)
	}
}

// accepted is a request that was answered with 202.
type accepted struct{ subject, id, typ string }

// faults are as bad as a bad day, times a hundred.
var faults = fault.Rates{Duplicate: 0.1, Kill: 0.03, PutEvents: 0.05, Throttle: 0.03, Delay: 50 * time.Millisecond}

// insist sends a request until it is accepted, as a client with an idempotency key does.
func (s *system) insist(typ, data, key string) accepted {
	for s.t.Context().Err() == nil {
		req, err := http.NewRequestWithContext(s.t.Context(), "POST", s.APIURL()+"/events", strings.NewReader(`{"type":"`+typ+`","data":`+data+`}`))
		if err != nil {
			s.t.Error(err)
			return accepted{}
		}
		req.Header.Set("Idempotency-Key", key)
		res, err := s.http.Do(req)
		if err != nil {
			s.t.Error(err)
			return accepted{}
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		var out struct{ Subject, ID string }
		switch {
		case err != nil:
			s.t.Error(err)
			return accepted{}
		case res.StatusCode == http.StatusAccepted:
			if err := json.Unmarshal(b, &out); err != nil {
				s.t.Error(err)
			}
			return accepted{out.Subject, out.ID, typ}
		case res.StatusCode != http.StatusConflict && res.StatusCode != http.StatusTooManyRequests && res.StatusCode < 500:
			s.t.Errorf("%d %s", res.StatusCode, b)
			return accepted{}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-s.t.Context().Done():
		}
	}
	return accepted{}
}

// read is get for a system with faults: an answer other than 200 says nothing.
func (s *system) read(subject string) (v view, ok bool) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "GET", s.APIURL()+"/subjects?subject="+url.QueryEscape(subject), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return v, false
	}
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		s.t.Fatal(err)
	}
	return v, true
}

// Promise 1, under faults: what was answered with 202 ends on its subject, once. Of promise 2 it shows that each effect
// is recorded under the key of its one request; that a record is never made twice is the store's test.
func TestNothingAcceptedIsLostUnderFaults(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Faults: faults})
	// What a killed invocation had received comes back after the visibility timeout: three minutes are too long here.
	s.set("RequestsQueueUrl", "VisibilityTimeout", "3")
	s.set("ResponsesQueueUrl", "VisibilityTimeout", "3")
	const n = 60
	var all []accepted
	work := make(chan int)
	results := make(chan accepted)
	for range 16 {
		go func() {
			for i := range work {
				typ, data := "com.payment.charge", charge
				switch i % 3 {
				case 1:
					typ, data = "com.workload.simulate", `{"fail":0.5,"fanout":2}`
				case 2:
					typ, data = "com.inventory.reserve", `{"order_id":"o","items":[{"sku":"a","quantity":1}]}`
				}
				results <- s.insist(typ, data, fmt.Sprint("key-", i))
			}
		}()
	}
	go func() {
		defer close(work)
		for i := range n {
			work <- i
		}
	}()
	for range n {
		all = append(all, <-results)
	}
	dead := 0
	for _, a := range all {
		var v view
		eventually(t, "the subject is answered: "+a.subject, func() bool {
			v, _ = s.read(a.subject)
			if v.Status == "completed" || v.Status == "failed" {
				return true
			}
			dead = s.depth("RequestsDlqUrl") + s.depth("ResponsesDlqUrl")
			return dead > 0
		})
		if dead > 0 {
			t.Fatalf("%d messages in the dead-letter queues: faults of this rate should heal", dead)
		}
		terminal := 0
		seen := map[string]bool{}
		for _, ev := range v.Events {
			if seen[ev.ID] {
				t.Errorf("event %s is stored twice", ev.ID)
			}
			seen[ev.ID] = true
			if ev.Type != "evt.workload.simulate.progress" {
				terminal++
			}
		}
		if terminal != 1 {
			t.Errorf("%s has %d answers: %+v", a.typ, terminal, v.Events)
		}
	}
	effects := s.effects()
	for _, a := range all {
		switch a.typ {
		case "com.payment.charge":
			if !effects["payment.charge#"+a.id] {
				t.Errorf("charge %s was not recorded", a.id)
			}
			delete(effects, "payment.charge#"+a.id)
		case "com.inventory.reserve":
			if !effects["inventory.reserve#"+a.id] {
				t.Errorf("reservation %s was not recorded", a.id)
			}
			delete(effects, "inventory.reserve#"+a.id)
		}
	}
	if len(effects) > 0 {
		t.Errorf("effects that nobody asked for: %v", effects)
	}
}

// Promise 5: a violation ends in the dead-letter queue with its trace, and its batch goes on without it.
func TestAPoisonousEventEndsInTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.receiveOnce("RequestsQueueUrl", "RequestsDlqUrl")
	s.put(
		event("good-1", "order-1", "com.workload.simulate", "com.workload.simulate", `{}`),
		event("poison", "order-2", "com.workload.simulate", "com.workload.simulate", `{"sleep_ms":"soon"}`),
		event("good-2", "order-3", "com.workload.simulate", "com.workload.simulate", `{}`),
	)
	for _, subject := range []string{"order-1", "order-3"} {
		eventually(t, subject+" is answered", func() bool { v, _ := s.read(subject); return v.Status == "completed" })
	}
	eventually(t, "the poison is in the dead-letter queue", func() bool { return s.depth("RequestsDlqUrl") == 1 })
	out, err := s.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(s.Output("RequestsDlqUrl")), MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
	})
	if err != nil || len(out.Messages) != 1 {
		t.Fatal(out, err)
	}
	if m := out.Messages[0]; !strings.Contains(*m.Body, `"id":"poison"`) || !strings.HasPrefix(m.Attributes["AWSTraceHeader"], "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6") {
		t.Errorf("%s %v", *m.Body, m.Attributes)
	}
	if _, ok := s.read("order-2"); ok {
		t.Error("a violation is no answer")
	}
}

// Promise 2 and 4: an event that is delivered again is handled again, and nothing more comes of it.
func TestADuplicateIsSuccess(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	ev := event("dup", "order-1", "com.payment.charge", "com.payment.charge", charge)
	s.put(ev, ev, ev)
	var v view
	eventually(t, "all three deliveries are counted", func() bool { v, _ = s.read("order-1"); return v.Deliveries == 3 })
	if len(v.Events) != 1 || v.Status != "completed" {
		t.Errorf("%+v", v)
	}
	if got := s.effects(); len(got) != 1 || !got["payment.charge#dup"] {
		t.Errorf("effects %v", got)
	}
	eventually(t, "the queues are empty", func() bool { return s.Backlog() == 0 })
	if n := s.depth("RequestsDlqUrl") + s.depth("ResponsesDlqUrl"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// Nothing is dropped in silence: what no service is named for goes to the unroutable queue, and nowhere else.
func TestEventsForNobodyAreKept(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.receiveOnce("RequestsQueueUrl", "RequestsDlqUrl")
	s.receiveOnce("ResponsesQueueUrl", "ResponsesDlqUrl")
	service, api := `"com.payment.charge"`, `"api.thin.lambda"`
	for _, c := range []struct {
		name, detail      string
		unroutable, other int
	}{
		{"to is missing", `{"x":1}`, 1, 0},
		{"to is null", `{"to":null}`, 1, 0},
		{"to is a number", `{"to":7}`, 1, 0},
		{"to is an empty list", `{"to":[]}`, 1, 0},
		{"to is an object", `{"to":{"a":1}}`, 1, 0},
		{"to is nobody", `{"to":"com.nobody.here"}`, 1, 0},
		{"to is a service and nobody: the bus knows lists, Arvo does not", `{"to":["com.nobody.here",` + service + `]}`, 1, 1},
		{"to is two services", `{"to":[` + service + `,"com.shipping.book"]}`, 0, 1},
		{"to is the API and no Arvo event", `{"to":` + api + `}`, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			nobody, others := s.depth("UnroutableQueueUrl"), func() int {
				return s.depth("RequestsQueueUrl") + s.depth("RequestsDlqUrl") + s.depth("ResponsesQueueUrl") + s.depth("ResponsesDlqUrl")
			}
			before := others()
			s.put(c.detail)
			if got := s.depth("UnroutableQueueUrl") - nobody; got != c.unroutable {
				t.Errorf("%d in the unroutable queue, want %d", got, c.unroutable)
			}
			// What is on its way from a queue to its dead-letter queue may be counted in both or in none.
			eventually(t, fmt.Sprint(c.other, " in other queues"), func() bool { return others()-before == c.other })
		})
	}
}

func TestARuleMaySendToAFunction(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	rule, function := aws.String("by-hand"), "arvo-federated_handler"
	if _, err := s.events.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: rule, EventPattern: aws.String(`{"source":["hand"]}`)}); err != nil {
		t.Fatal(err)
	}
	_, err := s.events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: rule, Targets: []ebtypes.Target{
		{Id: aws.String("f"), Arn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:" + function), Input: aws.String(`{"Records":[]}`)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	before := s.Invocations(function)
	_, err = s.events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{
		{Source: aws.String("hand"), DetailType: aws.String("x"), Detail: aws.String("{}")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function is invoked", func() bool { return s.Invocations(function) == before+1 })
}

func TestAnOwnLambdaTakesItsService(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: map[string]string{"OwnLambda": "com.payment.charge"}})
	charged, reserved := s.post("com.payment.charge", charge), s.post("com.inventory.reserve", `{"order_id":"o","items":[{"sku":"a","quantity":1}]}`)
	for _, subject := range []string{charged, reserved} {
		if v, _ := s.get(subject, 10); v.Status != "completed" {
			t.Errorf("%+v", v)
		}
	}
	for name, want := range map[string]int{"arvo-own_handler": 1, "arvo-federated_handler": 1} {
		if got := s.Invocations(name); got != want {
			t.Errorf("%s ran %d times, want %d", name, got, want)
		}
	}
	if n := s.depth("UnroutableQueueUrl"); n != 0 {
		t.Errorf("%d unroutable", n)
	}
}

// Clients that wait hold environments of api_lambda; accepted work still gets its own.
func TestWaitingClientsDoNotStopTheWork(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{AccountConcurrency: 50})
	subject := s.post("com.workload.simulate", `{"sleep_ms":500}`)
	never := "nobody-answers"
	s.put(event("p", never, "evt.workload.simulate.progress", "api.thin.lambda", `{"index":1,"of":2}`))
	eventually(t, "the subject exists", func() bool { _, ok := s.read(never); return ok })

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 100)
	for range 100 {
		go func() {
			req, err := http.NewRequestWithContext(ctx, "GET", s.APIURL()+"/subjects/"+never+"?wait=10", nil)
			if err != nil {
				ended <- 0
				return
			}
			res, err := s.http.Do(req)
			if err != nil {
				ended <- 0
				return
			}
			res.Body.Close()
			ended <- res.StatusCode
		}()
	}
	// Half of the clients are turned away: the account's concurrency is used up.
	for range 40 {
		if status := <-ended; status < 429 {
			t.Fatalf("a client got %d; it should have been turned away or be waiting", status)
		}
	}
	eventually(t, "the work is done", func() bool {
		out, err := s.tables.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(s.Output("ResponseTable")), Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: subject}, "sk": &types.AttributeValueMemberS{Value: "HEAD"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		status, _ := out.Item["status"].(*types.AttributeValueMemberS)
		return status != nil && status.Value == "completed"
	})
	if n := s.depth("RequestsDlqUrl") + s.depth("ResponsesDlqUrl"); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	cancel()
	for range 60 {
		<-ended
	}
}

func TestCloseLetsAcceptedWorkEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config stack.Config
	}{
		{"in the queues and in the handlers", stack.Config{}},
		{"on the bus", stack.Config{Faults: fault.Rates{Delay: 2 * time.Second}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, c.config)
			const n = 20
			for range n {
				s.post("com.workload.simulate", `{"sleep_ms":200}`)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := s.Close(ctx); err != nil {
				t.Fatal(err)
			}
			if left := s.Backlog(); left != 0 {
				t.Errorf("%d events were left", left)
			}
			if got := s.Received("ResponsesQueueUrl"); got != n {
				t.Errorf("%d answers were stored, want %d", got, n)
			}
		})
	}
}

func TestCloseDoesNotWaitForWhatKeepsFailing(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.set("RequestsQueueUrl", "VisibilityTimeout", "600")
	s.put(event("poison", "order-1", "com.workload.simulate", "com.workload.simulate", `{"sleep_ms":"soon"}`))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if ctx.Err() != nil {
		t.Error("it waited to the end of its context")
	}
}

func TestCloseDoesNotWaitForClientsWithoutARequest(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	half, err := net.Dial("tcp", strings.TrimPrefix(s.APIURL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := io.WriteString(half, "POST /events HTTP/1.1\r\nHost: x\r\nContent-Le"); err != nil {
		t.Fatal(err)
	}
	polled := make(chan error, 1)
	go func() {
		_, err := s.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(s.Output("UnroutableQueueUrl")), WaitTimeSeconds: 20},
			func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		polled <- err
	}()
	s.post("com.workload.simulate", `{}`) // by now both are there
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil || ctx.Err() != nil {
		t.Error(err, ctx.Err())
	}
	if err := <-polled; err == nil {
		t.Error("the poll should have been refused")
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "moved.yaml")
	if err := os.WriteFile(elsewhere, source, 0o600); err != nil {
		t.Fatal(err)
	}
	seldom := project(t, strings.Replace(string(source), "\nResources:\n",
		"\nResources:\n  Seldom: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 minutes)}}\n", 1), "package main\n\nfunc main() {}\n")
	for _, c := range []struct {
		name   string
		config stack.Config
		want   string
	}{
		{"an address that others can reach", stack.Config{API: "0.0.0.0:0"}, "only loopback addresses are served"},
		{"an address without a port", stack.Config{AWS: "127.0.0.1"}, "a loopback address and a port are due"},
		{"a template that is not there", stack.Config{Template: "nowhere.yaml"}, "nowhere.yaml"},
		{"a template without its sources, and says where they are named", stack.Config{Template: elsewhere}, ": ApiLambda: CodeUri lambdas/api_lambda is no folder beside the template"},
		{"a schedule that is none, and says where", stack.Config{Template: seldom},
			": Seldom: ValidationException: Parameter ScheduleExpression is not valid. Reason: the unit of a rate is singular"},
		{"a parameter that the template has not", stack.Config{Template: templateFile, Parameters: map[string]string{"Nope": "1"}}, "Nope"},
		{"a parameter out of its range", stack.Config{Template: templateFile, Parameters: map[string]string{"RequestsConcurrency": "1"}}, "RequestsConcurrency"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.config.Template == "" {
				c.config.Template = templateFile
			}
			for range 8 { // whether what was begun had to be cut off is chance
				s, err := stack.Start(t.Context(), c.config)
				if err == nil {
					t.Error(s.Close(t.Context()))
				}
				if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("got %v, want %q and nothing else", err, c.want)
				}
			}
		})
	}
}
