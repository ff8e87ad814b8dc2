package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/telemetry"
	"example.com/arvo/telemetry/segment"
)

// A message that is refused before any handler sees it fails where it says that it belongs, with what is known of it; and
// nothing of it gets in that has no bound.
func TestAMessageThatIsRefusedIsSeen(t *testing.T) {
	const batchTrace = "6a0f1111aaaaaaaaaaaaaaaaaaaaaaaa"
	header := "Root=1-6a0f3333-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
	traceparent := "00-" + theTrace + "-53995c3f42cd8ad8-01"
	in := func(detail string) string {
		return `{"id":"7bf73129-1428-4cd3-a780-95db273d1602","time":"2026-01-01T00:00:00Z","source":"s","detail-type":"t","detail":` + detail + `}`
	}
	unlike, err := request(t, "e-1", `{}`, true).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, body, header string
		trace              string
		subject, event     string
		cause              string
	}{
		{"its envelope is unlike its event", in(string(unlike)), header, theTrace, "order-1", "e-1", `the source of envelope 7bf73129-1428-4cd3-a780-95db273d1602 is "s"`},
		{"it holds no event, but names a trace", in(`{"id":"e-2","subject":"order-2","traceparent":"` + traceparent + `"}`), header, theTrace, "order-2", "e-2", "is no Arvo event"},
		{"it holds no event, and its message names a trace", in(`[]`), header, "6a0f33330123456789abcdef01234567", "", "", "is no Arvo event"},
		{"it is no JSON, and its message names a trace", `{"id":`, header, "6a0f33330123456789abcdef01234567", "", "", "no EventBridge envelope"},
		{"it is no JSON", `{"id":`, "", batchTrace, "", "", "no EventBridge envelope"},
		{"it holds no event", in(`{"id":"e-3"}`), "", "", "", "e-3", "is no Arvo event"},
		{"what it says is rubbish", in(`{"id":["e"],"subject":{},"traceparent":"` + traceparent[:50] + `"}`), "", batchTrace, "", "", "is no Arvo event"},
		{"what it says has no end", in(`{"id":"e-4","subject":"` + strings.Repeat("s", 200_000) + `","traceparent":"` + traceparent + strings.Repeat("0", 200_000) + `"}`), "Root=" + strings.Repeat("1", 9000), "", "", "e-4", "is no Arvo event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{world: newWorld(t, nil)}
			h.service = h.Handler(newCharge(func(context.Context, charge) error { t.Error("it was handled"); return nil }))
			var log bytes.Buffer
			m := events.SQSMessage{MessageId: "m-1", ReceiptHandle: "r", Body: c.body, EventSourceARN: queueARN, Attributes: map[string]string{
				"SentTimestamp": fmt.Sprint(time.Now().UnixMilli()), "ApproximateReceiveCount": "1", "AWSTraceHeader": c.header,
			}}
			f := h.Lambda(h.consumer(slog.New(telemetry.Logs(slog.NewJSONHandler(&log, nil)))))
			out, err := f.Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, m))
			if err != nil || !strings.Contains(string(out), `"m-1"`) {
				t.Fatalf("%s, %v", out, err)
			}
			docs := h.sent()
			var failed []segment.Document
			for _, d := range flat(docs) {
				if d.Fault || d.Error {
					failed = append(failed, d)
				}
			}
			if len(failed) != 1 {
				t.Fatalf("%d failures in %s", len(failed), outline(docs))
			}
			d := failed[0]
			if trace := d.TraceID.W3C(); c.trace != "" && trace != c.trace {
				t.Errorf("the trace is %s", trace)
			}
			if d.Cause == nil || !strings.Contains(d.Cause.Exceptions[0].Message, c.cause) || len(d.Cause.Exceptions[0].Message) > 1000 {
				t.Errorf("the cause is %+v", d.Cause)
			}
			if said := metadata(d); said["cloudevents.event_id"] != c.event || said["messaging.message.id"] != "m-1" || annotations(d)["subject"] != c.subject || annotations(d)["outcome"] != "failed" {
				t.Errorf("it says %v, %v", said, annotations(d))
			}
			for _, d := range docs {
				if n := len(d.AppendJSON(nil)); n > 4000 {
					t.Errorf("a document of %d bytes", n)
				}
			}
			var line map[string]any
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatalf("%v in %.200s", err, log.String())
			}
			subject, _ := line["subject"].(string)
			event, _ := line["event_id"].(string)
			if line["trace_id"] != d.TraceID.W3C() || line["span_id"] != d.ID.String() || line["xray_trace_id"] != d.TraceID.String() || subject != c.subject || event != c.event || line["message_id"] != "m-1" || log.Len() > 4000 {
				t.Errorf("the log has %.500s", log.String())
			}
			for _, m := range h.lines() {
				if m["Outcome"] == "failed" && m["EventType"] != "other" && m["EventType"] != "com.payment.charge" {
					t.Errorf("a metric of type %v", m["EventType"])
				}
			}
		})
	}
}

// flat are the documents and all that are embedded in them.
func flat(docs []segment.Document) (list []segment.Document) {
	for _, d := range docs {
		list = append(list, d)
		within := flat(d.Subsegments)
		for i := range within {
			within[i].TraceID = d.TraceID
		}
		list = append(list, within...)
	}
	return list
}

// What the log says of a failed message stands in the message's trace, at its span.
func TestTheLogOfAFailureNamesItsMessage(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(newCharge(func(context.Context, charge) error { return &arvo.Violation{Kind: arvo.KindExecution, Message: "no"} }))
	var log bytes.Buffer
	f := h.Lambda(h.consumer(slog.New(telemetry.Logs(slog.NewJSONHandler(&log, nil)))))
	if _, err := f.Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, true)))); err != nil {
		t.Fatal(err)
	}
	d := one(t, h.sent(), "arvo-federated_handler")
	var got map[string]any
	if err := json.Unmarshal(log.Bytes(), &got); err != nil {
		t.Fatal(err, log.String())
	}
	for _, of := range []string{"time", "error"} {
		delete(got, of)
	}
	want := map[string]any{
		"level": "WARN", "msg": "message failed: the queue will deliver it again", "message_id": "m-1", "receives": 1.0, "retry_seconds": 2.0, "event_type": "com.payment.charge",
		"event_id": "e-1", "subject": "order-1", "trace_id": theTrace, "xray_trace_id": d.TraceID.String(), "span_id": d.ID.String(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(log.String(), `"subject"`); n != 1 {
		t.Errorf("the subject stands %d times in %s", n, log.String())
	}
}

// Of a delivery that died nothing may be known; that there was one, the next one tells. And a message that had to wait for the function to
// start was not in the queue for so long.
func TestTheQueueTellsWhenItGaveTheMessageOut(t *testing.T) {
	first := time.Now().Add(-30 * time.Second).Truncate(time.Millisecond)
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(newCharge(nil))
	f := h.function()
	for _, c := range []struct {
		name     string
		receives int
		queue    map[string]string
		cold     string // what the message says
	}{
		{"with the first invocation", 1, map[string]string{"arvo.message.receives": "1", "messaging.message.id": "m-1", "arvo.message.first_received_at": first.UTC().Format(time.RFC3339Nano)}, "true"},
		{"with another", 1, map[string]string{}, ""},
		{"once more", 3, map[string]string{"arvo.message.receives": "3", "messaging.message.id": "m-1", "arvo.message.first_received_at": first.UTC().Format(time.RFC3339Nano)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := record(t, "m-1", request(t, "e-1", `{"amount":1}`, true))
			m.Attributes["ApproximateReceiveCount"], m.Attributes["ApproximateFirstReceiveTimestamp"] = fmt.Sprint(c.receives), fmt.Sprint(first.UnixMilli())
			if _, err := f.Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, m)); err != nil {
				t.Fatal(err)
			}
			docs := h.sent()
			if diff := cmp.Diff(c.queue, metadata(one(t, docs, "arvo-requests"))); diff != "" {
				t.Error(diff)
			}
			if cold := metadata(one(t, docs, "arvo-federated_handler"))["faas.coldstart"]; cold != c.cold {
				t.Errorf("the message says %q of a cold start", cold)
			}
		})
	}
}

// An event that a rule hands to the function itself has crossed the bus and no queue; what becomes of it is in its trace.
func TestAnEventStraightFromTheBus(t *testing.T) {
	const id = "7bf73129-1428-4cd3-a780-95db273d1602"
	envelope := func(ev arvo.Event) []byte {
		detail, err := ev.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Appendf(nil, `{"version":"0","id":%q,"detail-type":%q,"source":%q,"time":%q,"detail":%s}`, id, ev.Type, ev.Source, time.Now().UTC().Format(time.RFC3339), detail)
	}
	untraced := func() arvo.Event { return request(t, "e-1", `{"amount":1}`, true).WithTrace("", "") }
	sent := request(t, "e-1", `{"amount":1}`, true)
	for _, c := range []struct {
		name   string
		ev     arvo.Event
		header string
		want   string
		trace  string // of the message
	}{
		{"in its own trace, as Lambda's invocation is", sent, "Root=1-6a0f0f0f-0123456789abcdef01234567;Parent=1111111111111111;Sampled=1",
			"arvo-bus (AWS::Events) arvo-federated_handler (AWS::Lambda::Function)[com.payment.charge (remote) Events (aws)] arvo-federated_handler ()", theTrace},
		{"in its own trace, as somebody invoked the function with it", sent, batchHeader,
			"arvo-bus (AWS::Events) arvo-federated_handler (AWS::Lambda::Function)[com.payment.charge (remote) Events (aws)] arvo-federated_handler ()", theTrace},
		{"without a trace, in the invocation's", untraced(), theHeader,
			"arvo-federated_handler ()[process ()[com.payment.charge (remote)] Events (aws)]", theTrace},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{world: newWorld(t, nil)}
			h.service = h.Handler(newCharge(nil))
			out, err := h.function().Invoke(invocationContext(t, c.header, time.Minute), envelope(c.ev))
			if err != nil || string(out) != "null" {
				t.Fatalf("%s, %v", out, err)
			}
			docs := h.sent()
			if got := outline(docs); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, m := range h.lines() {
				if m[telemetry.MetricHandlerDuration] != nil && m["Hop"] != "handler" {
					t.Errorf("a metric of the queue %v, of which there is none", m["Hop"])
				}
			}
			invocation := docs[len(docs)-1]
			if metadata(invocation)["faas.trigger"] != "pubsub" || !strings.Contains(c.header, "Parent="+invocation.ParentID.String()) {
				t.Errorf("the invocation is %+v", invocation)
			}
			if len(docs) < 3 {
				return
			}
			bus, own := docs[0], docs[1]
			if bus.ParentID.String() != c.ev.Traceparent[36:52] || own.ParentID != bus.ID || bus.TraceID.W3C() != c.trace || own.TraceID != bus.TraceID || annotations(own)["subject"] != "order-1" || own.Start < bus.Start {
				t.Errorf("%+v\n%+v", bus, own)
			}
		})
	}
	t.Run("outside of an invocation", func(t *testing.T) {
		w := newWorld(t, nil)
		err := w.Delivery(func(context.Context, broker.Delivery) error { return nil })(context.Background(), broker.Delivery{Envelope: broker.Envelope{ID: id, Event: sent}, ReceivedAt: time.Now()})
		if got := outline(w.sent()); err != nil || got != "arvo-bus (AWS::Events) arvo-federated_handler (AWS::Lambda::Function)" {
			t.Errorf("%s, %v", got, err)
		}
	})
}

// A slowWriter lets a write through when it is released.
type slowWriter struct {
	begun, release chan struct{}
	io.Writer
}

func (w *slowWriter) Write(p []byte) (int, error) {
	close(w.begun)
	<-w.release
	return w.Writer.Write(p)
}

// What leaves shortly before the deadline has left before the function returns: it would be frozen with it otherwise.
func TestTheFunctionWaitsForWhatIsLeaving(t *testing.T) {
	var out bytes.Buffer
	slow := &slowWriter{begun: make(chan struct{}), release: make(chan struct{}), Writer: &out}
	tel, err := telemetry.Setup(t.Context(), telemetry.Config{Getenv: func(string) string { return "" }, Out: slow})
	if err != nil {
		t.Fatal(err)
	}
	f := tel.Lambda(handlerFunc(func(context.Context, []byte) ([]byte, error) {
		<-slow.begun // at the deadline's approach
		return nil, errors.New("late")
	}))
	returned := make(chan error, 1)
	ctx := invocationContext(t, "", 250*time.Millisecond)
	go func() {
		_, err := f.Invoke(ctx, nil)
		returned <- err
	}()
	<-slow.begun
	select {
	case <-returned:
		t.Error("the function has returned while its metrics were being written")
	case <-ctx.Done(): // long enough for it to return
	}
	close(slow.release)
	if err := <-returned; err == nil || out.Len() == 0 {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
}
