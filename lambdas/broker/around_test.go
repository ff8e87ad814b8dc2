package broker_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/broker"
)

type messageKey struct{}

// told is a handler of log records that adds what the context says of the message.
type told struct{ slog.Handler }

func (h told) Handle(ctx context.Context, r slog.Record) error {
	m, _ := ctx.Value(messageKey{}).(string)
	r.AddAttrs(slog.String("context", m))
	return h.Handler.Handle(ctx, r)
}

// What is around the handling sees every message that is begun, those included that no handler sees, and its context is that of the log.
func TestWhatIsAroundTheHandlingSeesEveryMessage(t *testing.T) {
	const traceparent = "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01"
	const header = "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1"
	good, bad := record("good", "e-1", "order-1"), record("bad", "e-2", "order-2")
	noEvent := events.SQSMessage{MessageId: "no event", Body: `{"id":"v","time":"2026-01-01T00:00:00Z","source":"s","detail-type":"t","detail":{"id":"e-3","type":"t","subject":"order-3","traceparent":"` + traceparent + `"}}`, EventSourceARN: good.EventSourceARN,
		Attributes: map[string]string{"SentTimestamp": "1795417200245", "ApproximateFirstReceiveTimestamp": "1795417200250", "ApproximateReceiveCount": "3", "AWSTraceHeader": header}}
	unlike := record("unlike", "e-4", "order-4")
	unlike.Body = strings.Replace(unlike.Body, `"source":"`, `"source":"not.`, 1)
	rubbish := events.SQSMessage{MessageId: "rubbish", Body: `{"id":`}
	huge := events.SQSMessage{MessageId: "huge", Body: `{"id":"v","detail":{"id":"e-5","subject":"` + strings.Repeat("s", 200_000) + `","type":["t"]}}`}

	spoken := record("spoken", "e-6", "order-6")
	spoken.Body = strings.Replace(spoken.Body, `"detail":{`, `"detail":{"`+strings.Repeat("N", 200_000)+`":1,`, 1) // the name is in the error

	type sight struct {
		Message, Event, Subject, Traceparent, Header string
		Receives                                     int
		First                                        int64
		Err                                          string
	}
	var sights []sight
	var log bytes.Buffer
	c := broker.NewConsumer(broker.ConsumerConfig{
		Queue: new(queueClient), Parallelism: 1, Log: slog.New(told{slog.NewTextHandler(&log, nil)}),
		Around: func(next broker.Handle) broker.Handle {
			return func(ctx context.Context, d broker.Delivery) error {
				err := next(context.WithValue(ctx, messageKey{}, d.MessageID), d)
				s := sight{d.MessageID, d.Event.ID, d.Event.Subject, d.Event.Traceparent, d.TraceHeader, d.Receives, 0, ""}
				if !d.FirstReceivedAt.IsZero() {
					s.First = d.FirstReceivedAt.UnixMilli()
				}
				if err != nil {
					s.Err, _, _ = strings.Cut(err.Error(), ":")
				}
				sights = append(sights, s)
				return err
			}
		},
		Handle: func(_ context.Context, d broker.Delivery) error {
			if d.MessageID == "bad" {
				return errors.New("no")
			}
			return nil
		},
	})
	got := failed(t, c, t.Context(), noEvent, good, unlike, bad, rubbish, huge, spoken)
	if diff := cmp.Diff([]string{"no event", "unlike", "bad", "rubbish", "huge", "spoken"}, got); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
	want := []sight{
		{"no event", "e-3", "order-3", traceparent, header, 3, 1795417200250, "broker"},
		{"unlike", "e-4", "order-4", traceparent, "", 1, 0, "broker"},
		{"rubbish", "", "", "", "", 1, 0, "broker"},
		{"huge", "e-5", "", "", "", 1, 0, "broker"},
		{"spoken", "e-6", "order-6", traceparent, "", 1, 0, "broker"},
		{"good", "e-1", "order-1", traceparent, "", 1, 0, ""},
		{"bad", "e-2", "order-2", traceparent, "", 1, 0, "no"},
	}
	if diff := cmp.Diff(want, sights); diff != "" {
		t.Errorf("around (-want +got):\n%s", diff)
	}
	for line := range strings.Lines(log.String()) {
		_, message, ok := strings.Cut(line, " message_id=")
		if !ok { // of the batch
			continue
		}
		_, context, _ := strings.Cut(strings.TrimSpace(line), " context=")
		if !strings.HasPrefix(message, context+" ") || context == "" {
			t.Errorf("the line is not written in the message's context: %s", line)
		}
		if len(line) > 3000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if !strings.Contains(log.String(), "event_type=t event_id=e-3 subject=order-3 xray_trace_id=1-65647c1a-2b3c4d5e6f708192a3b4c5d6") {
		t.Errorf("what is known of a refused message is not told:\n%s", log.String())
	}
}

func TestAnEnvelopeThatIsRefusedIsSeenToo(t *testing.T) {
	var saw []error
	var log bytes.Buffer
	c := broker.NewConsumer(broker.ConsumerConfig{
		Queue: new(queueClient), Log: slog.New(told{slog.NewTextHandler(&log, nil)}),
		Around: func(next broker.Handle) broker.Handle {
			return func(ctx context.Context, d broker.Delivery) error {
				err := next(context.WithValue(ctx, messageKey{}, "event "+d.Event.ID), d)
				saw = append(saw, err)
				return err
			}
		},
		Handle: func(context.Context, broker.Delivery) error { t.Error("it was handled"); return nil },
	})
	_, err := c.Invoke(t.Context(), bytes.Replace(envelope("e-1", "order-1"), []byte(`"source":"`), []byte(`"source":"not.`), 1))
	if err == nil || len(saw) != 1 || !errors.Is(err, saw[0]) || !strings.Contains(log.String(), `context="event e-1"`) {
		t.Errorf("%v, seen %v:\n%s", err, saw, log.String())
	}
}

func TestALateMessageIsLoggedInItsContext(t *testing.T) {
	var log bytes.Buffer
	release := make(chan struct{})
	defer close(release)
	c := broker.NewConsumer(broker.ConsumerConfig{
		Queue: new(queueClient), Parallelism: 1, Margin: 900 * time.Millisecond, Log: slog.New(told{slog.NewTextHandler(&log, nil)}),
		Around: func(next broker.Handle) broker.Handle {
			return func(ctx context.Context, d broker.Delivery) error {
				return next(context.WithValue(ctx, messageKey{}, d.MessageID), d)
			}
		},
		Handle: func(context.Context, broker.Delivery) error { <-release; return nil },
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	failed(t, c, ctx, record("slow", "e-1", "order-1"), record("waiting", "e-2", "order-2"))
	for _, want := range []string{"message_id=slow receives=1 error=\"not finished before the deadline\"", " context=slow", " context=\"\""} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
}
