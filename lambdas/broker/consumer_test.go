package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
)

// A queueClient remembers which messages come back when.
type queueClient struct {
	mu         sync.Mutex
	urls       int
	visibility map[string]int32 // by receipt handle
}

func (q *queueClient) GetQueueUrl(_ context.Context, in *sqs.GetQueueUrlInput, _ ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	q.urls++
	return &sqs.GetQueueUrlOutput{QueueUrl: aws.String("https://sqs/" + *in.QueueOwnerAWSAccountId + "/" + *in.QueueName)}, nil
}

func (q *queueClient) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(in.Entries) > 10 {
		return nil, errors.New("too many entries")
	}
	for _, e := range in.Entries {
		if q.visibility == nil {
			q.visibility = map[string]int32{}
		}
		q.visibility[*e.ReceiptHandle] = e.VisibilityTimeout
	}
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

var quiet = slog.New(slog.DiscardHandler)

func failed(t *testing.T, c *broker.Consumer, ctx context.Context, records ...events.SQSMessage) []string {
	t.Helper()
	out, err := c.Batch(ctx, events.SQSEvent{Records: records})
	if err != nil {
		t.Fatalf("a batch must never fail as a whole: %v", err)
	}
	ids := []string{}
	for _, f := range out.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

func TestADeliveryTellsWhereItComesFrom(t *testing.T) {
	raw, err := os.ReadFile("testdata/batch.json")
	if err != nil {
		t.Fatal(err)
	}
	var batch events.SQSEvent
	if err := json.Unmarshal(raw, &batch); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var got broker.Delivery
		c := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Handle: func(_ context.Context, d broker.Delivery) error {
			got = d
			return nil
		}})
		if ids := failed(t, c, t.Context(), batch.Records...); len(ids) > 0 {
			t.Fatal(ids)
		}
		if got.Event.ID != "0d4f7c2e-3b4d-4f39-9c1b-2f9f0a7d5a11" || got.Receives != 2 || got.MessageID != "059f36b4-87a3-44ab-83d2-661975830a7d" ||
			got.SentAt.UnixMilli() != 1795417200245 || !got.ReceivedAt.Equal(time.Now()) || !strings.HasPrefix(got.TraceHeader, "Root=1-65647c1a") {
			t.Errorf("%+v", got)
		}
	})
}

func TestOneMessageNeverFailsAnother(t *testing.T) {
	c := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Handle: func(_ context.Context, d broker.Delivery) error {
		switch d.Event.ID {
		case "error":
			return errors.New("no")
		case "panic":
			panic("oh")
		}
		return nil
	}})
	poison := record("m4", "x", "s4")
	poison.Body = "not an envelope"
	ids := failed(t, c, t.Context(), record("m1", "good", "s1"), record("m2", "error", "s2"), record("m3", "panic", "s3"), poison, record("m5", "good", "s2"))
	if diff := cmp.Diff([]string{"m2", "m3", "m4"}, ids); diff != "" {
		t.Error(diff)
	}
}

func TestSubjectsKeepTheirOrderAndRunInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		order := map[string][]string{}
		c := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Parallelism: 3, Handle: func(_ context.Context, d broker.Delivery) error {
			<-time.After(time.Second) // fake time
			mu.Lock()
			defer mu.Unlock()
			order[d.Event.Subject] = append(order[d.Event.Subject], d.Event.ID)
			return nil
		}})
		began := time.Now()
		ids := failed(t, c, t.Context(), record("1", "a1", "a"), record("2", "b1", "b"), record("3", "a2", "a"), record("4", "c1", "c"), record("5", "a3", "a"), record("6", "d1", "d"))
		if len(ids) > 0 {
			t.Error(ids)
		}
		if diff := cmp.Diff(map[string][]string{"a": {"a1", "a2", "a3"}, "b": {"b1"}, "c": {"c1"}, "d": {"d1"}}, order); diff != "" {
			t.Error(diff)
		}
		// a takes 3 s; b, c and d share what is left of three slots.
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
}

type contended struct{ error }

func (contended) Contended() bool { return true }

func TestFailedMessagesComeBack(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      error
		receives string
		want     int32
	}{
		{"a violation comes back after 2 s the first time", &arvo.Violation{Kind: arvo.KindContract}, "1", 2},
		{"after 4 s the second time", &arvo.Violation{Kind: arvo.KindContract}, "2", 4},
		{"after 32 s the fifth time", &arvo.Violation{Kind: arvo.KindExecution}, "5", 32},
		{"never after more than a minute", &arvo.Violation{Kind: arvo.KindContract}, "99", 60},
		{"contention comes back soon, however often it has", contended{errors.New("lost")}, "99", 3},
		{"what the bus refused comes back as a violation does", &broker.RefusedError{}, "1", 2},
		{"a count that is missing counts as the first", errors.New("no"), "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := new(queueClient)
			consumer := broker.NewConsumer(broker.ConsumerConfig{Queue: q, Log: quiet, Jitter: func() float64 { return 0.5 }, Handle: func(context.Context, broker.Delivery) error { return c.err }})
			r := record("m1", "e1", "s")
			r.Attributes["ApproximateReceiveCount"] = c.receives
			failed(t, consumer, t.Context(), r)
			if got := q.visibility["handle-m1"]; got != c.want {
				t.Errorf("after %d s, want %d", got, c.want)
			}
		})
	}
}

func TestContentionComesBackWithinOneToFiveSeconds(t *testing.T) {
	for _, jitter := range []float64{0, 0.999999} {
		q := new(queueClient)
		consumer := broker.NewConsumer(broker.ConsumerConfig{Queue: q, Log: quiet, Jitter: func() float64 { return jitter }, Handle: func(context.Context, broker.Delivery) error { return contended{errors.New("lost")} }})
		failed(t, consumer, t.Context(), record("m1", "e1", "s"))
		if got := q.visibility["handle-m1"]; got < 1 || got > 5 {
			t.Errorf("jitter %v: after %d s", jitter, got)
		}
	}
}

func TestTheQueueIsAskedForItsURLOnce(t *testing.T) {
	q := new(queueClient)
	c := broker.NewConsumer(broker.ConsumerConfig{Queue: q, Log: quiet, Handle: func(context.Context, broker.Delivery) error { return errors.New("no") }})
	for range 3 {
		failed(t, c, t.Context(), record("m1", "e1", "s"))
	}
	if q.urls != 1 {
		t.Errorf("%d times", q.urls)
	}
}

func TestAMessageThatTakesTooLongFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(queueClient)
		c := broker.NewConsumer(broker.ConsumerConfig{Queue: q, Log: quiet, Handle: func(_ context.Context, d broker.Delivery) error {
			if d.Event.ID == "slow" {
				<-time.After(time.Minute) // fake time; it does not look at its context
			}
			return nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		began := time.Now()
		ids := failed(t, c, ctx, record("m1", "slow", "s1"), record("m2", "quick", "s2"), record("m3", "behind", "s1"))
		if diff := cmp.Diff([]string{"m1", "m3"}, ids); diff != "" {
			t.Error(diff)
		}
		if took := time.Since(began); took != 29*time.Second {
			t.Errorf("answered after %v, want a second before the deadline", took)
		}
		if len(q.visibility) > 0 {
			t.Errorf("%v: a message that may still be handled must keep its visibility timeout", q.visibility)
		}
		<-time.After(time.Minute) // fake time: the slow handler ends
	})
}

func TestFailuresAreLoggedWithoutTheirPayload(t *testing.T) {
	var log strings.Builder
	c := broker.NewConsumer(broker.ConsumerConfig{
		Queue: new(queueClient), Log: slog.New(slog.NewJSONHandler(&log, nil)),
		Handle: func(context.Context, broker.Delivery) error { return errors.New("no luck") },
	})
	r := record("m1", "e1", "order-1")
	r.Body = strings.Replace(r.Body, `"pad":"x"`, `"pad":"secret"`, 1)
	failed(t, c, t.Context(), r)
	for _, want := range []string{`"subject":"order-1"`, `"event_id":"e1"`, `"receives":1`, `"error":"no luck"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the payload is in the log:\n%s", log.String())
	}
}
