package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// A Delivery is one event as it came from a queue.
type Delivery struct {
	Envelope
	MessageID   string
	TraceHeader string    // the queue's AWSTraceHeader
	SentAt      time.Time // into the queue, with milliseconds
	ReceivedAt  time.Time // by this invocation
	Receives    int       // how often the queue has handed it out, this time included
}

// QueueAPI is the part of the SQS client that a [Consumer] uses.
type QueueAPI interface {
	GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

// ConsumerConfig says how to consume. Queue and Handle are required.
type ConsumerConfig struct {
	Queue       QueueAPI
	Handle      func(context.Context, Delivery) error // nil acknowledges the message
	Parallelism int                                   // subjects at a time; default 10
	Margin      time.Duration                         // before the deadline; default 1 s
	Log         *slog.Logger                          // default slog.Default()
	Jitter      func() float64                        // in [0,1); nil: math/rand/v2
}

// A Consumer handles batches of messages from event source mappings. It may be used by many goroutines.
type Consumer struct {
	ConsumerConfig
	urls sync.Map // queue ARN -> URL
}

// NewConsumer returns a Consumer.
func NewConsumer(c ConsumerConfig) *Consumer {
	if c.Parallelism <= 0 {
		c.Parallelism = 10
	}
	if c.Margin <= 0 {
		c.Margin = time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return &Consumer{ConsumerConfig: c}
}

// ErrUnfinished is the failure of a message whose handler had not returned shortly before the deadline.
var ErrUnfinished = errors.New("not finished before the deadline")

// Batch handles the messages of one invocation and lists those that failed. It never returns an error: that would fail the
// messages that went well.
func (c *Consumer) Batch(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	received := time.Now()
	work, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		work, cancel = context.WithDeadline(ctx, deadline.Add(-c.Margin))
	}
	defer cancel()

	type outcome struct {
		index int
		err   error
	}
	outcomes := make(chan outcome, len(batch.Records)) // never blocks a handler that ends late
	failures := make([]error, len(batch.Records))
	bySubject := map[string][]int{}
	var subjects []string
	deliveries := make([]Delivery, len(batch.Records))
	unknown := 0
	for i, record := range batch.Records {
		d, err := delivery(record, received)
		if err != nil {
			failures[i] = err
			continue
		}
		deliveries[i] = d
		if _, ok := bySubject[d.Event.Subject]; !ok {
			subjects = append(subjects, d.Event.Subject)
		}
		bySubject[d.Event.Subject] = append(bySubject[d.Event.Subject], i)
		failures[i] = ErrUnfinished // until its handler says otherwise
		unknown++
	}

	slots := make(chan struct{}, c.Parallelism)
	go func() {
		for _, subject := range subjects {
			select {
			case slots <- struct{}{}:
			case <-work.Done():
				return
			}
			go func() {
				defer func() { <-slots }()
				for _, i := range bySubject[subject] {
					if work.Err() != nil {
						return
					}
					outcomes <- outcome{i, c.handle(work, deliveries[i])}
				}
			}()
		}
	}()
	for ; unknown > 0; unknown-- {
		select {
		case o := <-outcomes:
			failures[o.index] = o.err
			continue
		case <-work.Done():
		}
		break
	}
	for range len(outcomes) { // those that ended in the same moment as the context
		o := <-outcomes
		failures[o.index] = o.err
	}
	return c.answer(ctx, batch.Records, deliveries, failures), nil
}

// handle calls the handler; a panic is a failure of this message alone.
func (c *Consumer) handle(ctx context.Context, d Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.Log.ErrorContext(ctx, "handler panicked", "event_type", d.Event.Type, "event_id", d.Event.ID, "stack", string(debug.Stack()))
			err = fmt.Errorf("broker: the handler of %s panicked", d.Event.Type)
		}
	}()
	return c.Handle(ctx, d)
}

// answer reports the failed messages, after it has told the queue when to hand them out again.
func (c *Consumer) answer(ctx context.Context, records []events.SQSMessage, deliveries []Delivery, failures []error) events.SQSEventResponse {
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var changes []types.ChangeMessageVisibilityBatchRequestEntry
	for i, err := range failures {
		if err == nil {
			continue
		}
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: records[i].MessageId})
		receives := receiveCount(records[i])
		attrs := []any{"message_id", records[i].MessageId, "receives", receives, "error", err}
		if ev := deliveries[i].Event; ev.ID != "" {
			attrs = append(attrs, "event_type", ev.Type, "event_id", ev.ID, "subject", ev.Subject)
		} else if h := records[i].Attributes["AWSTraceHeader"]; h != "" {
			attrs = append(attrs, "trace_header", h)
		}
		if errors.Is(err, ErrUnfinished) {
			c.Log.WarnContext(ctx, "message not finished in time: it comes back after the queue's visibility timeout", attrs...)
			continue
		}
		retry := c.retryAfter(err, receives)
		c.Log.WarnContext(ctx, "message failed: the queue will deliver it again", append(attrs, "retry_seconds", retry)...)
		changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{
			Id:                aws.String(strconv.Itoa(i)),
			ReceiptHandle:     aws.String(records[i].ReceiptHandle),
			VisibilityTimeout: retry,
		})
	}
	if len(changes) > 0 {
		if err := c.changeVisibility(ctx, records[0].EventSourceARN, changes); err != nil {
			// Not lost: the messages come back after the queue's own visibility timeout.
			c.Log.WarnContext(ctx, "could not set when failed messages come back", "error", err)
		}
	}
	return response
}

// retryAfter returns the seconds until a failed message is handed out again.
func (c *Consumer) retryAfter(err error, receives int) int32 {
	var contention interface{ Contended() bool }
	if errors.As(err, &contention) && contention.Contended() {
		return 1 + int32(c.Jitter()*5)
	}
	if receives > 5 {
		return 60
	}
	return min(int32(1)<<max(receives, 1), 60)
}

func (c *Consumer) changeVisibility(ctx context.Context, queueARN string, changes []types.ChangeMessageVisibilityBatchRequestEntry) error {
	url, err := c.queueURL(ctx, queueARN)
	if err != nil {
		return err
	}
	for len(changes) > 0 {
		n := min(len(changes), 10)
		out, err := c.Queue.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(url), Entries: changes[:n]})
		if err != nil {
			return err
		}
		for _, f := range out.Failed {
			return fmt.Errorf("%s: %s", aws.ToString(f.Code), aws.ToString(f.Message))
		}
		changes = changes[n:]
	}
	return nil
}

// queueURL asks for the URL of a queue once: the ARN alone does not tell its host.
func (c *Consumer) queueURL(ctx context.Context, arn string) (string, error) {
	if url, ok := c.urls.Load(arn); ok {
		return url.(string), nil
	}
	part := strings.Split(arn, ":")
	if len(part) != 6 {
		return "", fmt.Errorf("broker: %q is no queue's ARN", arn)
	}
	out, err := c.Queue.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(part[5]), QueueOwnerAWSAccountId: aws.String(part[4])})
	if err != nil {
		return "", err
	}
	url := aws.ToString(out.QueueUrl)
	c.urls.Store(arn, url)
	return url, nil
}

func delivery(record events.SQSMessage, received time.Time) (Delivery, error) {
	envelope, err := ParseEnvelope([]byte(record.Body))
	if err != nil {
		return Delivery{}, err
	}
	d := Delivery{
		Envelope:    envelope,
		MessageID:   record.MessageId,
		TraceHeader: record.Attributes["AWSTraceHeader"],
		ReceivedAt:  received,
		Receives:    receiveCount(record),
	}
	if ms, err := strconv.ParseInt(record.Attributes["SentTimestamp"], 10, 64); err == nil {
		d.SentAt = time.UnixMilli(ms)
	}
	return d, nil
}

func receiveCount(record events.SQSMessage) int {
	n, err := strconv.Atoi(record.Attributes["ApproximateReceiveCount"])
	if err != nil || n < 1 {
		return 1 // SQS always sends it; without it, this is the first time as far as anyone knows
	}
	return n
}
