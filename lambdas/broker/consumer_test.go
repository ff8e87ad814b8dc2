package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
)

// A queueClient remembers which messages come back when, and what was sent.
type queueClient struct {
	mu         sync.Mutex
	urls       int
	visibility map[string]int32 // by receipt handle
	sent       []*sqs.SendMessageInput
	refuse     string // the receipt handle of a change that fails alone
	full       error  // the failure of SendMessage
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
	out := new(sqs.ChangeMessageVisibilityBatchOutput)
	for _, e := range in.Entries {
		if *e.ReceiptHandle == q.refuse {
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("ReceiptHandleIsInvalid"), Message: aws.String("too late")})
			continue
		}
		if q.visibility == nil {
			q.visibility = map[string]int32{}
		}
		q.visibility[*e.ReceiptHandle] = e.VisibilityTimeout
	}
	return out, nil
}

func (q *queueClient) SendMessage(_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.full != nil {
		return nil, q.full
	}
	q.sent = append(q.sent, in)
	return &sqs.SendMessageOutput{MessageId: aws.String("copy")}, nil
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

func TestNoMoreSubjectsRunThanParallelismSays(t *testing.T) {
	for _, c := range []struct{ parallelism, want int }{{1, 1}, {3, 3}, {0, 10}} {
		t.Run(fmt.Sprintf("Parallelism=%d", c.parallelism), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				running, most := 0, 0
				consumer := broker.NewConsumer(broker.ConsumerConfig{Queue: new(queueClient), Log: quiet, Parallelism: c.parallelism, Handle: func(context.Context, broker.Delivery) error {
					mu.Lock()
					running++
					most = max(most, running)
					mu.Unlock()
					<-time.After(time.Second) // fake time
					mu.Lock()
					running--
					mu.Unlock()
					return nil
				}})
				var records []events.SQSMessage
				for i := range 25 {
					records = append(records, record(fmt.Sprint("m", i), fmt.Sprint("e", i), fmt.Sprint("s", i)))
				}
				if ids := failed(t, consumer, t.Context(), records...); len(ids) > 0 {
					t.Error(ids)
				}
				if most != c.want {
					t.Errorf("%d handlers ran at a time, want %d", most, c.want)
				}
			})
		})
	}
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
		{"contention comes back soon", contended{errors.New("lost")}, "1", 3},
		{"contention comes back soon the second time too", contended{errors.New("lost")}, "2", 3},
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

func TestContentionDoesNotLeadToTheDeadLetterQueue(t *testing.T) {
	const trace = "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1"
	lost := contended{errors.New("lost")}
	for _, c := range []struct {
		name        string
		err         error
		receives    string
		maxReceives int
		full        error
		copied      bool
		comesBack   int32 // the original; 0: it is acknowledged
	}{
		{"the second receive comes back itself", lost, "2", 0, nil, false, 3},
		{"the third receive is copied", lost, "3", 0, nil, true, 0},
		{"so is a later one", lost, "99", 0, nil, true, 0},
		{"the queue may allow more", lost, "8", 10, nil, false, 3},
		{"of which the last but one is copied", lost, "9", 10, nil, true, 0},
		{"contention within a violation counts", &arvo.Violation{Kind: arvo.KindExecution, Cause: lost}, "3", 0, nil, true, 0},
		{"a copy that cannot be sent is a failure as before", lost, "3", 0, errors.New("queue full"), false, 3},
		{"another failure is never copied", errors.New("no"), "3", 0, nil, false, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log strings.Builder
			q := &queueClient{full: c.full}
			consumer := broker.NewConsumer(broker.ConsumerConfig{
				Queue: q, Log: slog.New(slog.NewJSONHandler(&log, nil)), MaxReceives: c.maxReceives,
				Jitter: func() float64 { return 0.5 }, Handle: func(context.Context, broker.Delivery) error { return c.err },
			})
			r := record("m1", "e1", "s")
			r.Attributes["ApproximateReceiveCount"], r.Attributes["AWSTraceHeader"] = c.receives, trace
			ids := failed(t, consumer, t.Context(), r)
			if acknowledged := len(ids) == 0; acknowledged != c.copied || acknowledged != (len(q.sent) == 1) {
				t.Fatalf("failed %v, %d copies", ids, len(q.sent))
			}
			if got := q.visibility["handle-m1"]; got != c.comesBack {
				t.Errorf("the original comes back after %d s, want %d", got, c.comesBack)
			}
			if c.full != nil && !strings.Contains(log.String(), `"copy_error":"queue full"`) {
				t.Errorf("the log does not say why there is no copy:\n%s", &log)
			}
			if !c.copied {
				return
			}
			got := q.sent[0]
			if *got.QueueUrl != "https://sqs/123456789012/arvo-requests" || *got.MessageBody != r.Body || got.DelaySeconds != 3 ||
				len(got.MessageSystemAttributes) != 1 || *got.MessageSystemAttributes["AWSTraceHeader"].StringValue != trace || *got.MessageSystemAttributes["AWSTraceHeader"].DataType != "String" {
				t.Errorf("the copy is %+v", got)
			}
			if !strings.Contains(log.String(), `"copy_message_id":"copy"`) {
				t.Errorf("the log does not name the copy:\n%s", &log)
			}
		})
	}
	t.Run("a message without a trace is copied without one", func(t *testing.T) {
		q := new(queueClient)
		consumer := broker.NewConsumer(broker.ConsumerConfig{Queue: q, Log: quiet, Handle: func(context.Context, broker.Delivery) error { return lost }})
		r := record("m1", "e1", "s")
		r.Attributes["ApproximateReceiveCount"] = "3"
		if ids := failed(t, consumer, t.Context(), r); len(ids) > 0 || len(q.sent) != 1 || q.sent[0].MessageSystemAttributes != nil {
			t.Errorf("failed %v, sent %+v", ids, q.sent)
		}
	})
}

func TestEveryFailedMessageOfALargeBatchComesBackInItsTime(t *testing.T) {
	var log strings.Builder
	q := &queueClient{refuse: "handle-m3"}
	consumer := broker.NewConsumer(broker.ConsumerConfig{Queue: q, Log: slog.New(slog.NewJSONHandler(&log, nil)), Handle: func(context.Context, broker.Delivery) error { return errors.New("no") }})
	var records []events.SQSMessage
	for i := range 23 {
		records = append(records, record(fmt.Sprint("m", i), fmt.Sprint("e", i), fmt.Sprint("s", i)))
	}
	if ids := failed(t, consumer, t.Context(), records...); len(ids) != 23 {
		t.Errorf("%d failed", len(ids))
	}
	for _, r := range records {
		if got, ok := q.visibility[r.ReceiptHandle]; r.MessageId != "m3" && (!ok || got != 2) {
			t.Errorf("%s: after %d s, set %v", r.MessageId, got, ok)
		}
	}
	if !strings.Contains(log.String(), "ReceiptHandleIsInvalid: too late") {
		t.Errorf("the change that the queue refused is not in the log:\n%s", &log)
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
	for _, c := range []struct {
		name        string
		parallelism int
		records     []events.SQSMessage
		failed      []string
		started     []string
		visibility  map[string]int32
	}{
		{
			"the next of its subject is not started", 2,
			[]events.SQSMessage{record("m1", "slow", "s1"), record("m2", "quick", "s2"), record("m3", "behind", "s1")},
			[]string{"m1", "m3"}, []string{"quick", "slow"}, map[string]int32{"handle-m3": 0},
		},
		{
			"a subject that waits for a slot is not started", 1,
			[]events.SQSMessage{record("m1", "quick", "s1"), record("m2", "slow", "s2"), record("m3", "behind", "s3"), record("m4", "behind", "s4")},
			[]string{"m2", "m3", "m4"}, []string{"quick", "slow"}, map[string]int32{"handle-m3": 0, "handle-m4": 0},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				var mu sync.Mutex
				var started []string
				q := new(queueClient)
				consumer := broker.NewConsumer(broker.ConsumerConfig{Queue: q, Log: slog.New(slog.NewJSONHandler(&log, nil)), Parallelism: c.parallelism, Handle: func(_ context.Context, d broker.Delivery) error {
					mu.Lock()
					started = append(started, d.Event.ID)
					mu.Unlock()
					if d.Event.ID == "slow" {
						<-time.After(time.Minute) // fake time; it does not look at its context
					}
					return nil
				}})
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				began := time.Now()
				if diff := cmp.Diff(c.failed, failed(t, consumer, ctx, c.records...)); diff != "" {
					t.Error(diff)
				}
				if took := time.Since(began); took != 29*time.Second {
					t.Errorf("answered after %v, want a second before the deadline", took)
				}
				// A message that may still be handled keeps the queue's visibility timeout.
				if diff := cmp.Diff(c.visibility, q.visibility); diff != "" {
					t.Error(diff)
				}
				for _, want := range []string{`"error":"not finished before the deadline"`, `"error":"not started before the deadline"`} {
					if !strings.Contains(log.String(), want) {
						t.Errorf("%s is not in the log:\n%s", want, &log)
					}
				}
				<-time.After(time.Minute) // fake time: the slow handler ends
				synctest.Wait()
				slices.Sort(started)
				if diff := cmp.Diff(c.started, started); diff != "" {
					t.Errorf("what the queue hands out again was started here:\n%s", diff)
				}
			})
		})
	}
}

// One slow message after another keeps those behind them from starting: they wait, and are not given up. The slow ones are.
func TestWhatWasNeverStartedDoesNotGetToTheDeadLetterQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := new(queueClient)
		consumer := broker.NewConsumer(broker.ConsumerConfig{Queue: q, Log: quiet, Parallelism: 1, Handle: func(ctx context.Context, _ broker.Delivery) error {
			<-ctx.Done()
			<-time.After(time.Second) // fake time: it ends when the answer is given
			return nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		var records []events.SQSMessage
		for i, receives := range []string{"3", "1", "2", "3", "4"} { // the first is slow
			r := record(fmt.Sprint("m", i), fmt.Sprint("e", i), fmt.Sprint("s", i))
			r.Attributes["ApproximateReceiveCount"] = receives
			records = append(records, r)
		}
		if diff := cmp.Diff([]string{"m0", "m1", "m2"}, failed(t, consumer, ctx, records...)); diff != "" {
			t.Errorf("failed: %s", diff)
		}
		if len(q.sent) != 2 || *q.sent[0].MessageBody != records[3].Body || *q.sent[1].MessageBody != records[4].Body || q.sent[0].DelaySeconds != 0 {
			t.Errorf("copied: %+v", q.sent)
		}
		if diff := cmp.Diff(map[string]int32{"handle-m1": 0, "handle-m2": 0}, q.visibility); diff != "" {
			t.Error(diff)
		}
		<-time.After(time.Minute)
		synctest.Wait()
	})
}

func TestAnAnswerDoesNotWaitForTheQueueUntilTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := broker.NewConsumer(broker.ConsumerConfig{Queue: silentQueue{}, Log: quiet, Handle: func(context.Context, broker.Delivery) error { return errors.New("no") }})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if diff := cmp.Diff([]string{"m1"}, failed(t, c, ctx, record("m1", "e1", "s"))); diff != "" {
			t.Error(diff)
		}
		if ctx.Err() != nil {
			t.Error("the answer came after the deadline")
		}
	})
}

// A silentQueue never answers.
type silentQueue struct{ broker.QueueAPI }

func (silentQueue) GetQueueUrl(ctx context.Context, _ *sqs.GetQueueUrlInput, _ ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestFailuresAreLoggedWithoutTheirPayload(t *testing.T) {
	const trace = "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1"
	for _, c := range []struct {
		name   string
		body   string // in place of an event; "" for an event
		handle func(broker.Delivery) error
		want   []string
		not    string
	}{
		{"an error", "", func(broker.Delivery) error { return errors.New("no luck") }, []string{`"subject":"order-1"`, `"event_id":"e1"`, `"receives":1`, `"error":"no luck"`, `"xray_trace_id":"1-65647c1a-2b3c4d5e6f708192a3b4c5d6"`}, "trace_header"},
		{"a body that is no event", `{"id":"1","detail":{"pad":"secret"}}`, nil, []string{`"trace_header":"` + trace + `"`, `"xray_trace_id":"1-65647c1a-2b3c4d5e6f708192a3b4c5d6"`, `"message_id":"m1"`, "is no Arvo event"}, "subject"},
		{
			"a handler that panics with what it was given", "", func(d broker.Delivery) error { panic(string(d.Event.Data)) },
			[]string{`"error":"ViolationError<Execution> the handler of com.payment.charge panicked with a string"`, `"stack":"goroutine `, "consumer_test.go"}, "trace_header",
		},
		{
			"a handler at which the runtime panics", "", func(d broker.Delivery) error { return []error{}[d.Receives] },
			[]string{"the handler of com.payment.charge panicked: runtime error: index out of range [1]", `"stack":"goroutine `}, "trace_header",
		},
		{
			"a service that has panicked below a handler", "", func(broker.Delivery) error {
				inner := &arvo.Violation{Kind: arvo.KindExecution, Message: "panic", Metadata: map[string]any{"stack": "the service's stack"}}
				return &arvo.Violation{Kind: arvo.KindExecution, Message: "not done", Cause: fmt.Errorf("wrapped: %w", inner)}
			}, []string{"not done", `"stack":"the service's stack"`}, "trace_header",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log strings.Builder
			consumer := broker.NewConsumer(broker.ConsumerConfig{
				Queue: new(queueClient), Log: slog.New(slog.NewJSONHandler(&log, nil)),
				Handle: func(_ context.Context, d broker.Delivery) error { return c.handle(d) },
			})
			r := record("m1", "e1", "order-1")
			r.Body = strings.Replace(r.Body, `"pad":"x"`, `"pad":"secret"`, 1)
			r.Attributes["AWSTraceHeader"] = trace
			if c.body != "" {
				r.Body = c.body
			}
			failed(t, consumer, t.Context(), r)
			for _, want := range c.want {
				if !strings.Contains(log.String(), want) {
					t.Errorf("%s is not in the log:\n%s", want, &log)
				}
			}
			for _, not := range []string{"secret", `"` + c.not + `"`} {
				if strings.Contains(log.String(), not) {
					t.Errorf("%s is in the log:\n%s", not, &log)
				}
			}
			if n := strings.Count(log.String(), "\n"); n != 1 {
				t.Errorf("%d lines for one failure:\n%s", n, &log)
			}
		})
	}
}
