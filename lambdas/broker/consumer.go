package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"example.com/arvo/lambdas/arvo"
)

// A Delivery is one event as it came from a queue, or straight from a rule.
type Delivery struct {
	Envelope
	MessageID   string    // of the queue; "" when there was none
	TraceHeader string    // the queue's AWSTraceHeader, or the invocation's own when there was no queue
	SentAt      time.Time // into the queue, with milliseconds; zero when there was none
	ReceivedAt  time.Time // by this invocation
	Receives    int       // how often the queue has handed it out, this time included; 1 without a queue: Lambda does not count for us

	FirstReceivedAt time.Time // by anybody, as the queue knows; zero when there was none
}

// QueueAPI is the part of the SQS client that a [Consumer] uses.
type QueueAPI interface {
	GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// A Handle handles a delivery.
type Handle = func(context.Context, Delivery) error

// ConsumerConfig says how to consume. Queue and Handle are required.
type ConsumerConfig struct {
	Queue       QueueAPI
	Handle      Handle        // nil acknowledges the message
	Parallelism int           // subjects at a time; default 10
	Margin      time.Duration // before the deadline; default 1 s

	// Around decorates the handling of every delivery that is begun, also of one that is refused because it holds no event that may be
	// handled: then what it decorates returns the reason, and the Delivery has what could be read of the message. The context
	// that it passes on is that in which the delivery's failure is logged. nil: nothing is around.
	Around func(Handle) Handle

	// MaxReceives is the receive that a message which is not to blame never gets to: one that met contention or was never
	// started. A copy takes its place one receive before. The default, 4, is one less than the maxReceiveCount of template.yaml, because a receive that no handler saw, as when
	// the function is throttled or dies, counts as well.
	MaxReceives int

	Log    *slog.Logger   // default slog.Default()
	Jitter func() float64 // in [0,1); nil: math/rand/v2
}

// A Consumer handles batches of messages from event source mappings, and events that a rule sends to the function itself.
// It may be used by many goroutines.
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
	if c.MaxReceives <= 0 {
		c.MaxReceives = 4
	}
	if c.Around == nil {
		c.Around = func(h Handle) Handle { return h }
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	return &Consumer{ConsumerConfig: c}
}

// The failures of messages that the deadline has overtaken, shortly before it.
var (
	// ErrUnfinished: the handler had started and not returned. It may still be at work.
	ErrUnfinished = errors.New("not finished before the deadline")
	// ErrNotStarted: the handler was never called, and will not be in this invocation.
	ErrNotStarted = errors.New("not started before the deadline")
)

// Batch handles the messages of one invocation and lists those that failed. It never returns an error: that would fail the
// messages that went well.
func (c *Consumer) Batch(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	received := time.Now()
	work, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		work, cancel = context.WithDeadline(ctx, deadline.Add(-c.Margin))
		var stop context.CancelFunc // an answer that waits for the queue until the deadline is none
		ctx, stop = context.WithDeadline(ctx, deadline.Add(-c.Margin/4))
		defer stop()
	}
	defer cancel()

	failures := make([]error, len(batch.Records))
	bySubject := map[string][]int{}
	var subjects []string
	deliveries := make([]Delivery, len(batch.Records))
	contexts := make([]context.Context, len(batch.Records))
	open := 0
	for i, record := range batch.Records {
		d, err := delivery(record, received)
		deliveries[i] = d
		if err != nil {
			failures[i] = c.handle(work, d, func(ctx context.Context, _ Delivery) error {
				contexts[i] = ctx
				return err
			})
			continue
		}
		if _, ok := bySubject[d.Event.Subject]; !ok {
			subjects = append(subjects, d.Event.Subject)
		}
		bySubject[d.Event.Subject] = append(bySubject[d.Event.Subject], i)
		failures[i] = ErrNotStarted // until its handler is called
		open++
	}

	p := newProgress(failures, contexts, open)
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
					if !p.start(work, i) {
						return
					}
					p.end(i, c.handle(work, deliveries[i], func(ctx context.Context, d Delivery) error {
						p.begun(i, ctx)
						return c.Handle(ctx, d)
					}))
				}
			}()
		}
	}()
	select {
	case <-p.done:
	case <-work.Done():
	}
	failures, contexts = p.close()
	for i := range contexts {
		if contexts[i] == nil {
			contexts[i] = ctx
		}
	}
	return c.answer(ctx, batch.Records, deliveries, failures, contexts), nil
}

var _ lambda.Handler = (*Consumer)(nil)

// Invoke implements [lambda.Handler]: it takes a batch of SQS messages, as [Consumer.Batch] does, or one EventBridge
// envelope. What became of the envelope's event is the invocation's own result: "null", or the error.
func (c *Consumer) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var in struct {
		Records []events.SQSMessage
		Detail  json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", errPayload, err)
	}
	switch {
	case in.Records != nil && in.Detail == nil:
		out, err := c.Batch(ctx, events.SQSEvent{Records: in.Records})
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	case in.Records == nil && in.Detail != nil:
		if err := c.direct(ctx, payload); err != nil {
			return nil, err
		}
		return []byte("null"), nil
	}
	return nil, errPayload
}

var errPayload = errors.New("broker: the invocation is neither a batch of SQS messages nor an EventBridge envelope")

// direct handles the event of an envelope that is the whole invocation.
func (c *Consumer) direct(ctx context.Context, payload []byte) error {
	d := Delivery{ReceivedAt: time.Now(), Receives: 1}
	d.TraceHeader, _ = ctx.Value("x-amzn-trace-id").(string) // where aws-lambda-go keeps it
	work, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		work, cancel = context.WithDeadline(ctx, deadline.Add(-c.Margin))
	}
	defer cancel()
	var refusal error
	d.Envelope, refusal = ParseEnvelope(payload)
	err := ErrNotStarted
	if work.Err() == nil {
		begun, handled := make(chan context.Context, 1), make(chan error, 1)
		go func() {
			handled <- c.handle(work, d, func(ctx context.Context, d Delivery) error {
				begun <- ctx
				if refusal != nil {
					return refusal
				}
				return c.Handle(ctx, d)
			})
		}()
		select {
		case err = <-handled:
		case <-work.Done():
			select {
			case err = <-handled: // it may have ended at the same time
			default:
				err = ErrUnfinished
			}
		}
		select {
		case ctx = <-begun:
		default: // it did not get that far
		}
	}
	if err != nil {
		attrs := append(reason(err), naming(d.Event, d.TraceHeader)...)
		c.Log.WarnContext(ctx, "event failed: whoever invoked the function with it is told", attrs...)
	}
	return err
}

// reason is what a log line says of a failure: the beginning of its text, and where it was if it was a panic.
func reason(err error) []any {
	attrs := []any{"error", clip(err.Error(), maxReason)}
	if stack := stackOf(err); stack != "" {
		attrs = append(attrs, "stack", stack)
	}
	return attrs
}

// naming is what a log line says of an event, as far as it is known, or of the message that should have been one. The line
// belongs to the trace of the message, which its context need not know.
func naming(ev arvo.Event, header string) (attrs []any) {
	for _, known := range []struct{ name, value string }{{"event_type", ev.Type}, {"event_id", ev.ID}, {"subject", ev.Subject}} {
		if known.value != "" {
			attrs = append(attrs, known.name, clip(known.value, maxName))
		}
	}
	if ev.ID == "" && header != "" {
		attrs = append(attrs, "trace_header", clip(header, maxName))
	}
	if trace := cmp.Or(TraceID(ev.Traceparent), TraceID(Traceparent(header))); trace != "" {
		attrs = append(attrs, "xray_trace_id", trace)
	}
	return attrs
}

// progress is how far the messages of a batch have come. Once it is closed, nothing starts and nothing changes: what the
// queue is told stays true.
type progress struct {
	mu       sync.Mutex
	failures []error           // one for each message; nil: it is handled
	contexts []context.Context // one for each message that was begun, in which to log what became of it
	open     int               // messages whose handlers have not returned
	closed   bool
	done     chan struct{} // closed when none is open
}

func newProgress(failures []error, contexts []context.Context, open int) *progress {
	p := &progress{failures: failures, contexts: contexts, open: open, done: make(chan struct{})}
	if open == 0 {
		close(p.done)
	}
	return p
}

// start reports whether the handler of message i may be called.
func (p *progress) start(ctx context.Context, i int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || ctx.Err() != nil {
		return false
	}
	p.failures[i] = ErrUnfinished // until its handler says otherwise
	return true
}

// begun notes the context of message i.
func (p *progress) begun(i int, ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.contexts[i] = ctx
	}
}

func (p *progress) end(i int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.failures[i] = err
	if p.open--; p.open == 0 {
		close(p.done)
	}
}

func (p *progress) close() ([]error, []context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return p.failures, p.contexts
}

// handle calls h with what is around it; a panic is a failure of this message alone.
func (c *Consumer) handle(ctx context.Context, d Delivery, h Handle) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked("the handler of "+d.Event.Type, p)
		}
	}()
	return c.Around(h)(ctx, d)
}

// answer reports the failed messages, after it has told the queue when to hand them out again.
func (c *Consumer) answer(ctx context.Context, records []events.SQSMessage, deliveries []Delivery, failures []error, contexts []context.Context) events.SQSEventResponse {
	response := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var changes []types.ChangeMessageVisibilityBatchRequestEntry
	for i, err := range failures {
		if err == nil {
			continue
		}
		receives := receiveCount(records[i])
		attrs := append([]any{"message_id", records[i].MessageId, "receives", receives}, reason(err)...)
		attrs = append(attrs, naming(deliveries[i].Event, records[i].Attributes[traceHeader])...)
		about := contexts[i] // the message
		retry := c.retryAfter(err, receives)
		if blameless(err) && receives+1 >= c.MaxReceives {
			copied, sendErr := c.sendCopy(ctx, records[i], retry)
			if sendErr == nil {
				c.Log.WarnContext(about, "message was not to blame too often: a copy, which counts its receives anew, takes its place", append(attrs, "retry_seconds", retry, "copy_message_id", copied)...)
				continue
			}
			attrs = append(attrs, "copy_error", sendErr)
		}
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: records[i].MessageId})
		if errors.Is(err, ErrUnfinished) {
			c.Log.WarnContext(about, "message not finished in time: it comes back after the queue's visibility timeout", attrs...)
			continue
		}
		c.Log.WarnContext(about, "message failed: the queue will deliver it again", append(attrs, "retry_seconds", retry)...)
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
	switch {
	case errors.Is(err, ErrNotStarted):
		return 0
	case contended(err):
		return 1 + int32(c.Jitter()*5)
	case receives > 5:
		return 60
	}
	return min(int32(1)<<max(receives, 1), 60)
}

// blameless reports whether a message failed for what others do: it lost a race, or those before it took all the time.
func blameless(err error) bool { return contended(err) || errors.Is(err, ErrNotStarted) }

func contended(err error) bool {
	var contention interface{ Contended() bool }
	return errors.As(err, &contention) && contention.Contended()
}

// changeVisibility goes through all changes, whatever becomes of some.
func (c *Consumer) changeVisibility(ctx context.Context, queueARN string, changes []types.ChangeMessageVisibilityBatchRequestEntry) error {
	url, err := c.queueURL(ctx, queueARN)
	if err != nil {
		return err
	}
	var faults []error
	for chunk := range slices.Chunk(changes, 10) {
		out, err := c.Queue.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: aws.String(url), Entries: chunk})
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, f := range out.Failed {
			faults = append(faults, fmt.Errorf("%s: %s", aws.ToString(f.Code), aws.ToString(f.Message)))
		}
	}
	return errors.Join(faults...)
}

// sendCopy puts a message on its queue once more, to be handed out after delay seconds, and returns the copy's id.
func (c *Consumer) sendCopy(ctx context.Context, record events.SQSMessage, delay int32) (string, error) {
	url, err := c.queueURL(ctx, record.EventSourceARN)
	if err != nil {
		return "", err
	}
	in := &sqs.SendMessageInput{QueueUrl: aws.String(url), MessageBody: aws.String(record.Body), DelaySeconds: delay}
	if h := record.Attributes[traceHeader]; h != "" {
		in.MessageSystemAttributes = map[string]types.MessageSystemAttributeValue{
			traceHeader: {DataType: aws.String("String"), StringValue: aws.String(h)},
		}
	}
	out, err := c.Queue.SendMessage(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.MessageId), nil
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

// traceHeader is the system attribute in which SQS carries X-Ray's trace header.
const traceHeader = string(types.MessageSystemAttributeNameAWSTraceHeader)

// delivery reads a message. With an error, the delivery holds what could be read.
func delivery(record events.SQSMessage, received time.Time) (Delivery, error) {
	envelope, err := ParseEnvelope([]byte(record.Body))
	d := Delivery{
		Envelope:    envelope,
		MessageID:   record.MessageId,
		TraceHeader: record.Attributes[traceHeader],
		ReceivedAt:  received,
		Receives:    receiveCount(record),
	}
	d.SentAt, d.FirstReceivedAt = timeOf(record, "SentTimestamp"), timeOf(record, "ApproximateFirstReceiveTimestamp")
	return d, err
}

// timeOf is a time among the attributes of a message; zero without it.
func timeOf(record events.SQSMessage, attribute string) time.Time {
	ms, err := strconv.ParseInt(record.Attributes[attribute], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func receiveCount(record events.SQSMessage) int {
	n, err := strconv.Atoi(record.Attributes["ApproximateReceiveCount"])
	if err != nil || n < 1 {
		return 1 // SQS always sends it; without it, this is the first time as far as anyone knows
	}
	return n
}
