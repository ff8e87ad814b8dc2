package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/goleak"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
	"example.com/arvo/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openEffects returns the effects on an empty table.
func openEffects(t testing.TB) *store.Effects {
	t.Helper()
	return store.NewEffects(storetest.Open(t, storetest.EffectTable), storetest.EffectTable, time.Now)
}

// A bus takes events like EventBridge, or fails.
type bus struct {
	mu        sync.Mutex
	published []arvo.Event
	fail      error
}

func (b *bus) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return nil, b.fail
	}
	out := new(eventbridge.PutEventsOutput)
	for _, e := range in.Entries {
		ev, err := arvo.Parse([]byte(*e.Detail))
		if err != nil {
			return nil, fmt.Errorf("what was put on the bus is no event: %w", err)
		}
		b.published = append(b.published, ev)
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: aws.String("envelope")})
	}
	return out, nil
}

// take returns what was published since it was called last.
func (b *bus) take() []arvo.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	evs := b.published
	b.published = nil
	return evs
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

// A deployment is the function with its tables and its bus; log is what it has logged.
type deployment struct {
	*broker.Consumer
	bus       *bus
	workflows *store.Workflows
	log       *strings.Builder
	config    broker.ConsumerConfig
}

// around is the consumer with a decorator, as main has it.
func (d deployment) around(decorate func(broker.Handle) broker.Handle) *broker.Consumer {
	d.config.Around = decorate
	return broker.NewConsumer(d.config)
}

// deploy makes the function with empty tables. Without handlers it hosts all services.
func deploy(t testing.TB, handlers map[string]arvo.Handler) deployment {
	t.Helper()
	return deployOn(t, storetest.Open(t, storetest.WorkflowTable), handlers, time.Now)
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

// deployOn is deploy with a table for workflows that is there, and a clock.
func deployOn(t testing.TB, workflowTable store.API, handlers map[string]arvo.Handler, now func() time.Time) deployment {
	t.Helper()
	d := deployment{bus: new(bus), log: new(strings.Builder), workflows: store.NewWorkflows(workflowTable, storetest.WorkflowTable, now)}
	if handlers == nil {
		var err error
		if handlers, err = host("all", sandbox{openEffects(t)}, d.workflows, silent(t)); err != nil {
			t.Fatal(err)
		}
	}
	publisher := broker.NewPublisher(broker.PublisherConfig{Client: d.bus, Bus: "arvo"})
	clock := clock{workflows: d.workflows, publisher: publisher, create: silent(t).Create, now: now}
	log := slog.New(telemetry.Logs(slog.NewJSONHandler(d.log, nil)))
	d.config = broker.ConsumerConfig{
		Queue: noQueue{}, Handle: router{handlers: handlers, clock: clock, publisher: publisher, create: silent(t).Create, log: log}.handle,
		Log: log,
	}
	d.Consumer = broker.NewConsumer(d.config)
	return d
}

const traceparent = "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01"

// request is an event as api_lambda puts it on the bus.
func request(t testing.TB, typ, id, data string) arvo.Event {
	t.Helper()
	ev, err := arvo.Parse(fmt.Appendf(nil, `{"id":%q,"source":"api.thin.lambda","specversion":"1.0","type":%q,"subject":"order-1","datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo","dataschema":null,"data":%s,"time":"2026-11-23T07:00:00.123+00:00","to":%q,"accesscontrol":null,"redirectto":null,"executionunits":null,"traceparent":%q,"tracestate":"vendor=1","parentid":null,"domain":null}`, id, typ, data, typ, traceparent))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

func charge(t testing.TB, id string) arvo.Event {
	return request(t, "com.payment.charge", id, `{"order_id":"o-1","amount":1999,"currency":"EUR","method":"pm_ok"}`)
}

// message is an event as the requests queue hands it out.
func message(t testing.TB, id string, ev arvo.Event) events.SQSMessage {
	t.Helper()
	detail, err := ev.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return events.SQSMessage{
		MessageId: id, ReceiptHandle: "handle-" + id,
		Body: fmt.Sprintf(`{"version":"0","id":"7bf73129-1428-4cd3-a780-95db273d1602","detail-type":%q,"source":%q,"account":"123456789012","time":"2026-11-23T07:00:00Z","region":"eu-central-1","resources":[],"detail":%s}`,
			ev.Type, ev.Source, detail),
		Attributes:  map[string]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1795417200245", "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1795417200250"},
		EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:arvo-requests", AWSRegion: "eu-central-1",
	}
}

// deliver delivers one event; failed tells that the queue is to deliver it again.
func (d deployment) deliver(t testing.TB, ev arvo.Event) (published []arvo.Event, failed bool) {
	t.Helper()
	out, err := d.Batch(t.Context(), events.SQSEvent{Records: []events.SQSMessage{message(t, "m", ev)}})
	if err != nil {
		t.Fatalf("a batch must never fail as a whole: %v", err)
	}
	return d.bus.take(), len(out.BatchItemFailures) > 0
}

func TestSetup(t *testing.T) {
	good := map[string]string{"BUS_NAME": "arvo", "EFFECT_TABLE": "effects", "WORKFLOW_TABLE": "workflows"}
	for _, c := range []struct {
		name, variable, value string
		parallelism           int    // of the consumer
		want                  string // in the error; "" for none
	}{
		{"what must be there is enough", "", "", 10, ""},
		{"without a bus", "BUS_NAME", "", 0, "BUS_NAME is not set"},
		{"without a table for effects", "EFFECT_TABLE", "", 0, "EFFECT_TABLE is not set"},
		{"without a table for workflows", "WORKFLOW_TABLE", "", 0, "WORKFLOW_TABLE is not set"},
		{"with one subject at a time", "BATCH_PARALLELISM", "1", 1, ""},
		{"with more subjects at a time than by default", "BATCH_PARALLELISM", "32", 32, ""},
		{"with no subject at a time", "BATCH_PARALLELISM", "0", 0, `BATCH_PARALLELISM is "0"; a whole number from 1 is due`},
		{"with a parallelism that is no number", "BATCH_PARALLELISM", "ten", 0, `BATCH_PARALLELISM is "ten"; a whole number from 1 is due`},
		{"with a service that there is", "HOSTED", "com.payment.charge", 10, ""},
		{"with a service that there is not", "HOSTED", "com.payment.chagre", 0, `HOSTED names "com.payment.chagre"; there are ` + strings.Join(sources(), ", ")},
	} {
		t.Run(c.name, func(t *testing.T) {
			consumer, _, err := setup(t.Context(), func(name string) string {
				if name == c.variable {
					return c.value
				}
				return good[name]
			})
			switch {
			case c.want != "":
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
			case err != nil:
				t.Error(err)
			case consumer.Parallelism != c.parallelism:
				t.Errorf("%d subjects at a time, want %d", consumer.Parallelism, c.parallelism)
			}
		})
	}
}
