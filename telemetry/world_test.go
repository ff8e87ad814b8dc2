package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.uber.org/goleak"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/telemetry"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is what is around a function: the daemon's port, the log, the environment.
type world struct {
	t      testing.TB
	env    map[string]string
	daemon *net.UDPConn
	out    output
	*telemetry.Telemetry
}

// output is a log that can be written to and read from at once.
type output struct {
	mu      sync.Mutex
	b       bytes.Buffer
	writes  int
	discard bool
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writes++
	if o.discard {
		return len(p), nil
	}
	return o.b.Write(p)
}

const functionARN = "arn:aws:lambda:us-east-1:000000000000:function:arvo-federated_handler"

// handlerFunc is a function that is a lambda.Handler.
type handlerFunc func(context.Context, []byte) ([]byte, error)

func (f handlerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// newWorld sets telemetry up in an environment like Lambda's; env changes it.
func newWorld(t testing.TB, env map[string]string) *world {
	t.Helper()
	daemon, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = daemon.Close() })
	if err := daemon.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, daemon: daemon, env: map[string]string{
		"AWS_XRAY_DAEMON_ADDRESS": daemon.LocalAddr().String(), "AWS_LAMBDA_FUNCTION_NAME": "arvo-federated_handler",
		"AWS_LAMBDA_FUNCTION_VERSION": "7", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/arvo-federated_handler",
		"AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0", "AWS_REGION": "us-east-1", "BUS_NAME": "arvo-bus",
	}}
	maps.Copy(w.env, env)
	w.Telemetry, err = telemetry.Setup(t.Context(), telemetry.Config{Getenv: w.getenv, Out: &w.out, Contracts: []*arvo.Contract{chargeContract}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) getenv(name string) string { return w.env[name] }

// sent are the documents that have arrived by now, without those in progress that others of them overwrite.
func (w *world) sent() []segment.Document {
	w.t.Helper()
	docs := w.datagrams()
	ended := make(map[segment.ID]bool)
	for _, d := range docs {
		ended[d.ID] = ended[d.ID] || !d.InProgress
	}
	return slices.DeleteFunc(docs, func(d segment.Document) bool { return d.InProgress && ended[d.ID] })
}

// datagrams are all documents that have arrived by now. On the loopback a datagram is there when its write returns, so nothing is
// waited for: what is missing was not sent before.
func (w *world) datagrams() []segment.Document {
	w.t.Helper()
	var docs []segment.Document
	b := make([]byte, 1<<16)
	raw, err := w.daemon.SyscallConn()
	if err != nil {
		w.t.Fatal(err)
	}
	for {
		n := -1
		// Not Read with a deadline: that may pass before the read begins.
		if err := raw.Control(func(fd uintptr) { n, _, _ = syscall.Recvfrom(int(fd), b, syscall.MSG_DONTWAIT) }); err != nil {
			w.t.Fatal(err)
		}
		if n < 0 {
			return docs
		}
		body, err := segment.ParseDatagram(b[:n])
		if err != nil {
			w.t.Fatal(err)
		}
		d, err := segment.Decode(body)
		if err != nil {
			w.t.Fatalf("%v in %s", err, body)
		}
		if err := d.Validate(); err != nil {
			w.t.Errorf("%v in %s", err, body)
		}
		if len(body) > segment.SafeSize {
			w.t.Errorf("a document of %d bytes", len(body))
		}
		docs = append(docs, d)
	}
}

// lines are the metric lines that were written since the last call.
func (w *world) lines() []map[string]any {
	w.t.Helper()
	w.out.mu.Lock()
	text := w.out.b.String()
	w.out.b.Reset()
	w.out.mu.Unlock()
	var list []map[string]any
	for line := range strings.Lines(text) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			w.t.Fatalf("%v in %s", err, line)
		}
		list = append(list, m)
	}
	return list
}

// one is the one document that has the name.
func one(t testing.TB, docs []segment.Document, name string) segment.Document {
	t.Helper()
	var found []segment.Document
	for _, d := range docs {
		if d.Name == name {
			found = append(found, d)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d documents are called %s; there are %s", len(found), name, outline(docs))
	}
	return found[0]
}

func outline(docs []segment.Document) string {
	var b strings.Builder
	for _, d := range docs {
		fmt.Fprintf(&b, "%s (%s)", d.Name, d.Origin+d.Namespace)
		if len(d.Subsegments) > 0 {
			fmt.Fprintf(&b, "[%s]", outline(d.Subsegments))
		}
		b.WriteByte(' ')
	}
	return strings.TrimSpace(b.String())
}

func annotations(d segment.Document) map[string]string {
	m := make(map[string]string)
	for _, a := range d.Annotations {
		m[a.Key] = a.Value.String()
	}
	return m
}

func metadata(d segment.Document) map[string]string {
	m := make(map[string]string)
	for _, ns := range d.Metadata {
		for _, a := range ns.Attributes {
			m[a.Key] = a.Value.String()
		}
	}
	return m
}

func tree(docs []segment.Document) *tracetree.Tree { return tracetree.Build(docs) }

var chargeContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI: "#/payment/charge", Type: "com.payment.charge", Versions: map[string]arvo.VersionSpec{"1.0.0": {
		Accepts: arvo.SchemaJSON([]byte(`{"type":"object","properties":{"amount":{"type":"number"},"mode":{"type":"string"}}}`)),
		Emits:   map[string]arvo.Schema{"evt.payment.charge.success": arvo.SchemaJSON([]byte(`{"type":"object","properties":{"id":{"type":"string"}}}`))},
	}},
}))

type charge struct {
	Amount float64 `json:"amount"`
	Mode   string  `json:"mode"`
}

// newCharge is a service that does what do says.
func newCharge(do func(context.Context, charge) error) *arvo.Service {
	return arvo.MustService(arvo.NewService(chargeContract, arvo.Implement("1.0.0", func(ctx context.Context, in arvo.Input[charge]) ([]arvo.Output, error) {
		if do != nil {
			if err := do(ctx, in.Data); err != nil {
				return nil, err
			}
		}
		return []arvo.Output{{Type: "evt.payment.charge.success", Data: map[string]string{"id": "ch_1"}}}, nil
	})))
}

// The trace of a client's request, and the span that created its event.
const (
	theTrace  = "6a0f0f0f0123456789abcdef01234567"
	facadeID  = "00f067aa0ba902b7"
	theHeader = "Root=1-6a0f0f0f-0123456789abcdef01234567;Parent=" + facadeID + ";Sampled=1"
)

// The trace that Lambda has made of a batch.
const batchHeader = "Root=1-6a0f1111-aaaaaaaaaaaaaaaaaaaaaaaa;Parent=1111111111111111;Sampled=1"

// invocationContext is that of an invocation.
func invocationContext(t testing.TB, header string, timeout time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	t.Cleanup(cancel)
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "req-1", InvokedFunctionArn: functionARN})
	//lint:ignore SA1029 the key is aws-lambda-go's
	return context.WithValue(ctx, "x-amzn-trace-id", header)
}

// request is an event as api_lambda has created it in theTrace.
func request(t testing.TB, id, data string, sampled bool) arvo.Event {
	t.Helper()
	ev, err := arvo.New(arvo.Draft{
		ID: id, Source: "api.thin.lambda", Type: "com.payment.charge", Subject: "order-1", DataSchema: "#/payment/charge/1.0.0", Data: json.RawMessage(data), AccessControl: "secret",
	})
	if err != nil {
		t.Fatal(err)
	}
	trace, err := segment.ParseTraceID(theTrace)
	if err != nil {
		t.Fatal(err)
	}
	flags := "00"
	if sampled {
		flags = "01"
	}
	creation := telemetry.CreationID([16]byte(trace), id)
	return ev.WithTrace("00-"+theTrace+"-"+creation.String()+"-"+flags, "arvo="+facadeID+",k=v")
}

const queueARN = "arn:aws:sqs:us-east-1:000000000000:arvo-requests"

// record is a message as the rule has put it into the queue, a second ago.
func record(t testing.TB, id string, ev arvo.Event) events.SQSMessage {
	t.Helper()
	detail, err := ev.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"version":"0","id":"envelope-%s","detail-type":%q,"source":%q,"time":%q,"detail":%s}`, id, ev.Type, ev.Source, time.Now().Add(-2*time.Second).UTC().Format(time.RFC3339), detail)
	return events.SQSMessage{
		MessageId: id, ReceiptHandle: "r-" + id, Body: body, EventSourceARN: queueARN, EventSource: "aws:sqs",
		Attributes: map[string]string{"SentTimestamp": fmt.Sprint(time.Now().Add(-time.Second).UnixMilli()), "ApproximateReceiveCount": "1"},
	}
}

func batch(t testing.TB, records ...events.SQSMessage) []byte {
	t.Helper()
	b, err := json.Marshal(events.SQSEvent{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// host is a function that hosts a service as federated_handler does: what it is sent to publish is in published.
type host struct {
	*world
	service   arvo.Handler
	mu        sync.Mutex
	published []arvo.Event
	seen      []segment.Document
	refuse    error // what the bus says
}

func (h *host) handle(ctx context.Context, d broker.Delivery) error {
	out, err := h.service.Handle(ctx, d.Event)
	if err != nil {
		return err
	}
	for i := range out {
		out[i] = h.Create(ctx, out[i])
	}
	return h.publish(ctx, out...)
}

// publish is a broker.Publisher without a bus.
func (h *host) publish(ctx context.Context, events ...arvo.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Publishing(ctx, events)
	for _, ev := range events {
		e := broker.Entry{Event: ev, Started: time.Now(), Ended: time.Now(), Attempts: 1, EnvelopeID: "envelope-of-" + ev.ID, Err: h.refuse}
		if h.refuse != nil {
			e.EnvelopeID = ""
		}
		h.Published(ctx, e)
		h.published = append(h.published, ev)
	}
	return h.refuse
}

// function is the host as Lambda sees it.
func (h *host) function() lambda.Handler {
	return h.Lambda(h.consumer(discard))
}

// consumer is what takes the host's messages.
func (h *host) consumer(log *slog.Logger) *broker.Consumer {
	return broker.NewConsumer(broker.ConsumerConfig{Queue: noQueue{}, Handle: h.handle, Around: h.Delivery, Jitter: func() float64 { return 0 }, Log: log})
}

// tell is a publication, to its observer.
func (w *world) tell(ctx context.Context, e broker.Entry) {
	w.Publishing(ctx, []arvo.Event{e.Event})
	w.Published(ctx, e)
}

// delivered is an event as it comes from the queue.
func delivered(ev arvo.Event) broker.Delivery {
	now := time.Now()
	return broker.Delivery{
		Envelope: broker.Envelope{ID: "envelope", Time: now.Truncate(time.Second), Event: ev}, MessageID: "m", SentAt: now, ReceivedAt: now, Receives: 1,
	}
}

type noQueue struct{}

func (noQueue) GetQueueUrl(context.Context, *sqs.GetQueueUrlInput, ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	return &sqs.GetQueueUrlOutput{}, nil
}

func (noQueue) ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

func (noQueue) SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	return nil, io.ErrUnexpectedEOF
}

var discard = slog.New(slog.DiscardHandler)

// batchOfTen are ten messages of ten subjects, one of which is poison.
func batchOfTen(t testing.TB) []events.SQSMessage {
	var list []events.SQSMessage
	for i := range 10 {
		mode := ""
		if i == 3 {
			mode = "poison"
		}
		ev := request(t, fmt.Sprint("e-", i), fmt.Sprintf(`{"amount":1,"mode":%q}`, mode), true)
		ev.Subject = fmt.Sprint("order-", i)
		list = append(list, record(t, fmt.Sprint("m-", i), ev))
	}
	return list
}
