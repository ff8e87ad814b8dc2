package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
)

// envelope is what a rule sends to a function: the body of the message that it would send to a queue.
func envelope(eventID, subject string) []byte { return []byte(record("", eventID, subject).Body) }

func TestAnEnvelopeIsOneDelivery(t *testing.T) {
	payload, err := os.ReadFile("testdata/envelope.json")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const trace = "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1"
		var got []broker.Delivery
		c := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Handle: func(_ context.Context, d broker.Delivery) error {
			got = append(got, d)
			return nil
		}})
		//lint:ignore SA1029 aws-lambda-go's key is a string
		ctx := context.WithValue(t.Context(), "x-amzn-trace-id", trace)
		out, err := c.Invoke(ctx, payload)
		if err != nil || string(out) != "null" {
			t.Fatalf("%s, %v", out, err)
		}
		if len(got) != 1 {
			t.Fatalf("%d deliveries", len(got))
		}
		d := got[0]
		if d.ID != "7bf73129-1428-4cd3-a780-95db273d1602" || d.Time.IsZero() || d.Event.Type == "" {
			t.Errorf("the envelope is %+v", d.Envelope)
		}
		if d.MessageID != "" || !d.SentAt.IsZero() || d.Receives != 1 || d.TraceHeader != trace || !d.ReceivedAt.Equal(time.Now()) {
			t.Errorf("%+v", d)
		}
	})
}

func TestABatchIsToldByItsRecords(t *testing.T) {
	var handled []string
	c := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Handle: func(_ context.Context, d broker.Delivery) error {
		handled = append(handled, d.MessageID)
		return errors.New("no")
	}})
	payload, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{record("m1", "e1", "order-1")}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.Invoke(t.Context(), payload)
	if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"m1"}]}` || len(handled) != 1 {
		t.Errorf("%s, %v, %v", out, err, handled)
	}
	if out, err = c.Invoke(t.Context(), []byte(`{"Records":[]}`)); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Errorf("an empty batch: %s, %v", out, err)
	}
}

func TestTheFailureOfAnEnvelopeIsThatOfTheInvocation(t *testing.T) {
	violation := &arvo.Violation{Kind: arvo.KindContract, Message: "no amount"}
	for _, c := range []struct {
		name    string
		payload []byte
		handle  func(context.Context) error
		want    string // in the error
		is      error
		log     string
	}{
		{"a handler's error", envelope("e1", "order-1"), func(context.Context) error { return errors.New("no luck") }, "no luck", nil, `"subject":"order-1"`},
		{"a violation", envelope("e1", "order-1"), func(context.Context) error { return violation }, "no amount", violation, `"event_id":"e1"`},
		{"a panic, which does not end the process", envelope("e1", "order-1"), func(context.Context) error { panic("secret") }, "the handler of com.payment.charge panicked with a string", arvo.ErrExecution, `"stack":"goroutine `},
		{"an envelope whose detail is no event", []byte(`{"id":"1","source":"s","detail-type":"t","detail":{"pad":"secret"}}`), nil, "the detail of envelope 1 is no Arvo event", nil, `is no Arvo event`},
		{"an envelope that says another source than its event", []byte(strings.Replace(string(envelope("e1", "order-1")), `"source":"api.thin.lambda"`, `"source":"com.other"`, 1)), nil, `the source of envelope envelope-e1 is "com.other"`, nil, `com.other`},
		{"the event of a schedule", []byte(`{"version":"0","id":"1","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-23T07:00:00Z","detail":{}}`), nil, "the detail of envelope 1 is no Arvo event", nil, `is no Arvo event`},
		{"a detail of null", []byte(`{"id":"1","detail":null}`), nil, "the detail of envelope 1 is no Arvo event", nil, `is no Arvo event`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log strings.Builder
			consumer := broker.NewConsumer(broker.ConsumerConfig{
				Queue: new(queueClient), Log: slog.New(slog.NewJSONHandler(&log, nil)),
				Handle: func(ctx context.Context, _ broker.Delivery) error { return c.handle(ctx) },
			})
			out, err := consumer.Invoke(t.Context(), c.payload)
			if err == nil || !strings.Contains(err.Error(), c.want) || out != nil {
				t.Fatalf("%s, %v; want %q", out, err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
			if !strings.Contains(log.String(), c.log) || strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "secret") {
				t.Errorf("the log:\n%s", &log)
			}
		})
	}
}

func TestAPayloadThatIsNeitherIsRefused(t *testing.T) {
	c := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Handle: func(context.Context, broker.Delivery) error {
		t.Error("it was handled")
		return nil
	}})
	both := `{"Records":[],` + string(envelope("e1", "order-1")[1:])
	for _, c2 := range []struct{ name, payload string }{
		{"nothing", ``},
		{"null", `null`},
		{"an empty object", `{}`},
		{"a list", `[]`},
		{"a text", `"Records"`},
		{"half an object", `{"Records":[`},
		{"two objects", `{"Records":[]}{"detail":{}}`},
		{"records of null", `{"Records":null}`},
		{"records that are no list", `{"Records":{"0":{}}}`},
		{"records that are no messages", `{"Records":[1]}`},
		{"records and a detail", both},
		{"records that are taken back", `{"Records":[],"Records":null}`},
		{"a request of the REST API", `{"resource":"/","httpMethod":"POST","body":"{\"detail\":{}}"}`},
		{"an event without its envelope", string(eventJSON("e1", "order-1", "x"))},
		{"depth without end", strings.Repeat(`{"detail":`, 100_000)},
		{"a detail of depth without end", `{"detail":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000) + `}`},
		{"no UTF-8", "{\"detail\xff\":{}}"},
	} {
		t.Run(c2.name, func(t *testing.T) {
			out, err := c.Invoke(t.Context(), []byte(c2.payload))
			if err == nil || out != nil || !strings.Contains(err.Error(), "neither a batch of SQS messages nor an EventBridge envelope") {
				t.Errorf("%s, %v", out, err)
			}
		})
	}
}

func TestAnEnvelopeIsAnsweredBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Handle: func(context.Context, broker.Delivery) error {
			<-release // deaf to its context
			return nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := c.Invoke(ctx, envelope("e1", "order-1")); !errors.Is(err, broker.ErrUnfinished) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 29*time.Second {
			t.Errorf("it took %v", took)
		}
		close(release)
		late, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // less than the margin
		defer cancel()
		if _, err := c.Invoke(late, envelope("e1", "order-1")); !errors.Is(err, broker.ErrNotStarted) {
			t.Errorf("without time: %v", err)
		}
	})
}

func FuzzInvoke(f *testing.F) {
	f.Add(envelope("e1", "order-1"))
	f.Add([]byte(`{"Records":[{"messageId":"m1","body":"{}"}]}`))
	f.Add([]byte(`{"detail":{},"Records":null}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		handled := 0
		c := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Handle: func(context.Context, broker.Delivery) error {
			handled++
			return nil
		}})
		out, err := c.Invoke(t.Context(), payload)
		switch {
		case err != nil && (out != nil || handled > 0):
			t.Errorf("failed with %v after %d deliveries, and answered %s", err, handled, out)
		case err == nil && string(out) == "null" && handled != 1:
			t.Errorf("%d deliveries of one envelope", handled)
		case err == nil && !json.Valid(out):
			t.Errorf("answered %s", out)
		}
	})
}
