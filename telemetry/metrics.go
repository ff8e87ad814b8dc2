package telemetry

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/telemetry/segment"
)

// Namespace is that of all metrics.
const Namespace = "Arvo"

// Metrics, by the names that dashboards query. Their dimensions are Service, Hop, EventType and Outcome, all four of each: one
// set costs least. Hop is the name of the queue for what is measured of messages.
const (
	MetricAccepted        = "SubjectsAccepted"  // Count; Hop api
	MetricCompleted       = "SubjectsCompleted" // Count; Hop sink
	MetricFailed          = "SubjectsFailed"    // Count; Hop sink
	MetricEndToEnd        = "EndToEndLatency"   // Milliseconds from acceptance to completion; Hop sink
	MetricDuplicates      = "Duplicates"        // Count
	MetricQueueWait       = "QueueWait"         // Milliseconds from SentTimestamp to receipt; Hop is the queue
	MetricHandlerDuration = "HandlerDuration"   // Milliseconds; Hop is the queue, or handler outside of a batch
	MetricBatchSize       = "BatchSize"         // Count; Hop is the queue, EventType and Outcome all
	MetricColdStarts      = "ColdStarts"        // Count; Hop invocation, EventType and Outcome all
	MetricPublishRetries  = "PublishRetries"    // Count; Hop bus
)

// Values of dimensions.
const (
	otherType = "other" // EventType of an event that no contract knows
	anyValue  = "all"   // where there is nothing to tell apart

	hopHandler = "handler" // Hop of what came by no queue
)

// metrics writes lines of CloudWatch's embedded metric format, from which CloudWatch makes metrics at no call. What happens
// within an invocation is written at its end, in one call of Write.
//
// Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type metrics struct {
	mu    sync.Mutex
	out   io.Writer
	room  []byte // of a line
	types map[string]bool
	svc   []byte // the dimension Service, as a member
}

// A measure is one metric of a line.
type measure struct {
	name, unit string
	value      float64
}

const (
	unitCount = "Count"
	unitMS    = "Milliseconds"
)

func newMetrics(out io.Writer, service string, contracts []*arvo.Contract) *metrics {
	m := &metrics{out: out, types: make(map[string]bool), svc: jsontext.AppendString([]byte(`"Service":`), clip(service, 1024))}
	for _, c := range contracts {
		m.types[c.Type()], m.types[c.SystemErrorType()] = true, true
		for _, number := range c.Versions() {
			if v, err := c.Version(number); err == nil { // it is listed
				for _, t := range v.EmitTypes() {
					m.types[t] = true
				}
			}
		}
	}
	return m
}

// A line is what one line tells besides its measures.
type line struct {
	hop, eventType, outcome string
	subject, eventID        string
	trace                   trace.TraceID
}

// write appends a line to the invocation's, or writes it at once where there is none.
func (m *metrics) write(inv *invocation, l line, measures ...measure) {
	if inv != nil {
		inv.mu.Lock()
		if !inv.over && len(inv.lines) < maxLines {
			inv.lines = m.append(inv.lines, l, measures)
			inv.mu.Unlock()
			return
		}
		inv.mu.Unlock()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.room = m.append(m.room[:0], l, measures)
	_, _ = m.out.Write(m.room) // see emit
}

// maxLines bounds what is held of an invocation's lines, in bytes.
const maxLines = 256 << 10

func (m *metrics) emit(lines []byte) {
	if len(lines) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _ = m.out.Write(lines) // the function's own log: there is nobody else to tell
}

func (m *metrics) flush(inv *invocation) {
	inv.mu.Lock()
	lines := inv.lines
	inv.lines = nil
	inv.mu.Unlock()
	m.emit(lines)
}

func (m *metrics) append(b []byte, l line, measures []measure) []byte {
	b = slices.Grow(b, 700+len(l.subject))
	b = append(b, `{"_aws":{"Timestamp":`...)
	b = strconv.AppendInt(b, time.Now().UnixMilli(), 10)
	b = append(b, `,"CloudWatchMetrics":[{"Namespace":"`+Namespace+`","Dimensions":[["Service","Hop","EventType","Outcome"]],"Metrics":[`...)
	for i, x := range measures {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(append(append(b, `{"Name":"`...), x.name...), `","Unit":"`...), x.unit...), `"}`...)
	}
	b = append(b, `]}]},`...)
	b = append(b, m.svc...)
	b = jsontext.AppendString(append(b, `,"Hop":`...), l.hop)
	b = jsontext.AppendString(append(b, `,"EventType":`...), m.typeOf(l.eventType))
	b = jsontext.AppendString(append(b, `,"Outcome":`...), l.outcome)
	for _, x := range measures {
		b = append(append(append(b, `,"`...), x.name...), `":`...)
		b = strconv.AppendFloat(b, x.value, 'f', -1, 64)
	}
	if l.subject != "" {
		b = jsontext.AppendString(append(b, `,"subject":`...), clip(l.subject, maxText))
	}
	if l.eventID != "" {
		b = jsontext.AppendString(append(b, `,"event_id":`...), clip(l.eventID, maxText))
	}
	if l.trace.IsValid() {
		b = append(segment.TraceID(l.trace).AppendText(append(b, `,"xray_trace_id":"`...)), '"')
	}
	return append(b, "}\n"...)
}

func (m *metrics) typeOf(t string) string {
	if m.types[t] || t == anyValue {
		return t
	}
	return otherType
}

func ms(d time.Duration) float64 { return float64(max(d, 0).Microseconds()) / 1000 }

// invocation tells of a cold start and of the size of a batch.
func (m *metrics) invocation(inv *invocation, messages int, cold bool) {
	if messages > 0 {
		m.write(inv, line{hop: cmp.Or(inv.queue, anyValue), eventType: anyValue, outcome: anyValue}, measure{MetricBatchSize, unitCount, float64(messages)})
	}
	if cold {
		m.write(inv, line{hop: "invocation", eventType: anyValue, outcome: anyValue}, measure{MetricColdStarts, unitCount, 1})
	}
}

// message tells how long a message waited and was handled.
func (m *metrics) message(s *scope, d broker.Delivery, queue, outcome string, begun time.Time) {
	if !s.message.handler {
		s.message.handled = time.Since(begun)
	}
	l := line{hop: cmp.Or(queue, hopHandler), eventType: d.Event.Type, outcome: outcome, subject: d.Event.Subject, eventID: d.Event.ID}
	if sc, ok := parseTraceparent(d.Event.Traceparent); ok {
		l.trace = sc.TraceID()
	}
	measures := [2]measure{{MetricHandlerDuration, unitMS, ms(s.message.handled)}, {MetricQueueWait, unitMS, ms(d.ReceivedAt.Sub(d.SentAt))}}
	n := 2
	if d.SentAt.IsZero() {
		n = 1
	}
	m.write(s.invocation, l, measures[:n]...)
}

// handled tells how long a handler took, outside of a batch.
func (m *metrics) handled(s *scope, in arvo.Event, outcome string, took time.Duration) {
	var inv *invocation
	if s != nil {
		inv = s.invocation
	}
	m.write(inv, line{hop: hopHandler, eventType: in.Type, outcome: outcome, subject: in.Subject, eventID: in.ID}, measure{MetricHandlerDuration, unitMS, ms(took)})
}

// retried tells that the bus did not take an event at once.
func (m *metrics) retried(s *scope, e broker.Entry) {
	outcome := outcomeOK
	if e.Err != nil {
		outcome = outcomeFailed
	}
	m.event(s, e.Event, "bus", outcome, measure{MetricPublishRetries, unitCount, float64(e.Attempts - 1)})
}

func (m *metrics) event(s *scope, ev arvo.Event, hop, outcome string, measures ...measure) {
	l := line{hop: hop, eventType: ev.Type, outcome: outcome, subject: ev.Subject, eventID: ev.ID}
	if sc, ok := parseTraceparent(ev.Traceparent); ok {
		l.trace = sc.TraceID()
	}
	var inv *invocation
	if s != nil {
		inv = s.invocation
	}
	m.write(inv, l, measures...)
}

// Accepted counts a subject that was promised to its client: once, not for a repeated request.
func (t *Telemetry) Accepted(ctx context.Context, request arvo.Event) {
	t.metrics.event(scopeOf(ctx), request, "api", outcomeOK, measure{MetricAccepted, unitCount, 1})
}

// Duplicate counts an event that was delivered before.
func (t *Telemetry) Duplicate(ctx context.Context, ev arvo.Event) {
	t.metrics.event(scopeOf(ctx), ev, "sink", outcomeOK, measure{MetricDuplicates, unitCount, 1})
}

// Ended counts a subject that has been answered, under the type of its request: completed, or failed. With the time at
// which it was accepted it tells how long that took; a zero one is not known.
func (t *Telemetry) Ended(ctx context.Context, answer arvo.Event, requestType string, failed bool, accepted time.Time) {
	counted := measure{MetricCompleted, unitCount, 1}
	outcome := outcomeOK
	if failed {
		counted.name, outcome = MetricFailed, outcomeFailed
	}
	measures := []measure{counted}
	if !accepted.IsZero() {
		measures = append(measures, measure{MetricEndToEnd, unitMS, ms(time.Since(accepted))})
	}
	answer.Type = requestType
	t.metrics.event(scopeOf(ctx), answer, "sink", outcome, measures...)
}
