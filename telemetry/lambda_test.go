package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/telemetry"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// native is what AWS sends of an invocation: here, of the function behind the API, with the stage before it.
func native(t *testing.T) []segment.Document {
	t.Helper()
	trace, err := segment.ParseTraceID(theTrace)
	if err != nil {
		t.Fatal(err)
	}
	facade, err := segment.ParseID(facadeID)
	if err != nil {
		t.Fatal(err)
	}
	start := segment.At(time.Now().Add(-10 * time.Second))
	return []segment.Document{
		{TraceID: trace, ID: segment.ID{1}, Name: "arvo-api/live", Origin: segment.OriginStage, Start: start, End: start + 1e7},
		{TraceID: trace, ID: segment.ID{2}, ParentID: segment.ID{1}, Name: "arvo-api_lambda", Origin: segment.OriginLambda, Start: start, End: start + 1e7},
		{TraceID: trace, ID: facade, ParentID: segment.ID{2}, Name: "arvo-api_lambda", Origin: segment.OriginFunction, Start: start, End: start + 1e7},
	}
}

// One subject is one trace: from the request, over bus and queue, to the service and on. Two functions send it, neither
// knows of the other.
func TestOneSubjectIsOneTrace(t *testing.T) {
	api := newWorld(t, map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "arvo-api_lambda"})
	var sent arvo.Event
	intake := handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		sent = api.Create(ctx, request(t, "e-1", `{"amount":1}`, true).WithTrace(telemetry.Traceparent(ctx), ""))
		now := time.Now()
		api.tell(ctx, broker.Entry{Event: sent, Started: now, Ended: now.Add(time.Millisecond), Attempts: 1, EnvelopeID: "v"})
		return nil, nil
	})
	if _, err := api.Lambda(intake).Invoke(invocationContext(t, theHeader, time.Minute), []byte(`{"httpMethod":"POST"}`)); err != nil {
		t.Fatal(err)
	}
	fed := &host{world: newWorld(t, nil)}
	fed.service = fed.Handler(newCharge(nil))
	if out, err := fed.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", sent))); err != nil || strings.Contains(string(out), "m-1") {
		t.Fatal(string(out), err)
	}

	var docs []segment.Document
	for _, d := range append(append(native(t), api.sent()...), fed.sent()...) {
		if d.TraceID.W3C() == theTrace {
			docs = append(docs, d)
		}
	}
	whole := tree(docs)
	for _, p := range whole.Check() {
		if p.Kind == tracetree.MissingHop && strings.Contains(p.Detail, "published to arvo-bus") {
			continue // the answer is on its way: nobody has received it yet
		}
		t.Error(p)
	}
	var nodes []string
	for _, n := range whole.Graph().Nodes() {
		nodes = append(nodes, n.Name+" "+n.Type)
	}
	slices.Sort(nodes)
	want := []string{
		"arvo-api/live AWS::ApiGateway::Stage", "arvo-api_lambda AWS::Lambda", "arvo-api_lambda AWS::Lambda::Function", "arvo-bus AWS::Events",
		"arvo-federated_handler AWS::Lambda::Function", "arvo-requests AWS::SQS::Queue", "com.payment.charge remote",
	}
	for _, n := range want {
		if !slices.Contains(nodes, n) {
			t.Errorf("%s is missing on the map: %q", n, nodes)
		}
	}

	if diff := cmp.Diff(map[string]string{"subject": "order-1", "event_type": "com.payment.charge"}, annotations(docs[3])); diff != "" || docs[3].ParentID.String() != facadeID {
		t.Error(diff)
	}
	consumer := one(t, docs, "arvo-federated_handler")
	if diff := cmp.Diff(map[string]string{"subject": "order-1", "event_type": "com.payment.charge", "handler": "com.payment.charge", "outcome": "ok"}, annotations(consumer)); diff != "" {
		t.Error(diff)
	}
	if consumer.AWS == nil || consumer.AWS.FunctionARN != functionARN || consumer.AWS.CloudWatchLogs[0].Name != "/aws/lambda/arvo-federated_handler" || consumer.Service.Version != "7" {
		t.Errorf("the segment tells of the function %+v", consumer.AWS)
	}
	if len(consumer.Links) != 1 || consumer.Links[0].TraceID.String() != "1-6a0f1111-aaaaaaaaaaaaaaaaaaaaaaaa" {
		t.Errorf("the message is linked to %v", consumer.Links)
	}
	if got := outline(consumer.Subsegments); got != "com.payment.charge (remote) Events (aws)" {
		t.Errorf("within the message: %s", got)
	}
	queue := one(t, docs, "arvo-requests")
	if wait := queue.End.Sub(queue.Start); wait < 900*time.Millisecond || queue.ResourceARN != queueARN || consumer.ParentID != queue.ID {
		t.Errorf("it waited %v in %+v", wait, queue)
	}
}

func TestAnswersGoOnInTheTrace(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(newCharge(nil))
	if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, true)))); err != nil {
		t.Fatal(err)
	}
	answer := h.published[0]
	trace, _ := segment.ParseTraceID(theTrace)
	creation := telemetry.CreationID([16]byte(trace), answer.ID)
	if answer.Traceparent != "00-"+theTrace+"-"+creation.String()+"-01" {
		t.Errorf("traceparent %s", answer.Traceparent)
	}
	cause := telemetry.CreationID([16]byte(trace), "e-1")
	if answer.Tracestate != "arvo="+cause.String()+",k=v" {
		t.Errorf("tracestate %s", answer.Tracestate)
	}
	consumer := one(t, h.sent(), "arvo-federated_handler")
	events := one(t, consumer.Subsegments, "Events")
	if events.ID != segment.ID(creation) || events.AWS.Operation != "PutEvents" || !slices.Equal(events.AWS.ResourceNames, []string{"arvo-bus"}) || events.AWS.Region != "us-east-1" {
		t.Errorf("the entry is %+v with %+v", events, events.AWS)
	}
}

// What is written must have left before the function returns: after that it is frozen.
func TestDocumentsLeaveBeforeTheHandlerReturns(t *testing.T) {
	for _, c := range []struct {
		name             string
		service          func(context.Context, charge) error
		outcome          string
		flags            string // error, throttle, fault of the message
		inService, cause string
	}{
		{"a call that went well", nil, "ok", "---", "---", ""},
		{"an answer that is a system error is the service's fault, not the message's", func(context.Context, charge) error { return errors.New("declined") }, "error", "---", "--f", "declined"},
		{"a violation fails the message", func(context.Context, charge) error {
			return &arvo.Violation{Kind: "RATE_LIMIT", Message: "slow down"}
		}, "failed", "--f", "--f", "ViolationError<RATE_LIMIT> slow down"},
		{"a broken contract is the sender's error", func(context.Context, charge) error {
			return &arvo.Violation{Kind: arvo.KindContract, Message: "no amount"}
		}, "failed", "e--", "e--", "ViolationError<Contract> no amount"},
		{"a lost race is nobody's fault", func(context.Context, charge) error {
			return &arvo.Violation{Kind: arvo.KindTransaction, Message: "again", Cause: contended{}}
		}, "contended", "et-", "et-", "ViolationError<OrchestratorTransaction> again"},
		{"a service that panics", func(context.Context, charge) error { panic("with a secret") }, "failed", "--f", "--f", "ViolationError<Execution> panic in com.payment.charge 1.0.0: string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{world: newWorld(t, nil)}
			h.service = h.Handler(newCharge(c.service))
			if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, true)))); err != nil {
				t.Fatal(err)
			}
			docs := h.sent()
			if len(docs) != 4 { // bus, queue, message, invocation
				t.Errorf("sent: %s", outline(docs))
			}
			var message segment.Document
			for _, d := range docs {
				if d.Origin == segment.OriginFunction {
					message = d
				}
			}
			service := one(t, message.Subsegments, "com.payment.charge")
			if flags(message) != c.flags || flags(service) != c.inService {
				t.Errorf("the message is %s, the service %s", flags(message), flags(service))
			}
			if got := annotations(message)["outcome"]; got != c.outcome {
				t.Errorf("outcome %s", got)
			}
			for _, m := range h.lines() {
				if _, ok := m[telemetry.MetricHandlerDuration]; ok && m["Outcome"] != c.outcome {
					t.Errorf("metrics have the outcome %v", m["Outcome"])
				}
			}
			if cause := causeOf(service); cause != c.cause {
				t.Errorf("cause %q", cause)
			}
		})
	}
}

type contended struct{}

func (contended) Error() string   { return "contended" }
func (contended) Contended() bool { return true }

func flags(d segment.Document) string {
	b := []byte("---")
	for i, on := range []bool{d.Error, d.Throttle, d.Fault} {
		if on {
			b[i] = "etf"[i]
		}
	}
	return string(b)
}

func causeOf(d segment.Document) string {
	if d.Cause == nil {
		return ""
	}
	return d.Cause.Exceptions[0].Message
}

func TestAFunctionThatPanicsIsSeenAndPanics(t *testing.T) {
	w := newWorld(t, nil)
	var said any
	func() {
		defer func() { said = recover() }()
		_, err := w.Lambda(handlerFunc(func(context.Context, []byte) ([]byte, error) { panic("with a secret") })).Invoke(invocationContext(t, theHeader, time.Minute), nil)
		t.Error("it returned", err)
	}()
	if said != "with a secret" {
		t.Errorf("it panicked with %v", said)
	}
	d := one(t, w.sent(), "arvo-federated_handler")
	if !d.Fault || causeOf(d) != "panic with a string" || len(d.Cause.Exceptions[0].Stack) == 0 || d.InProgress {
		t.Errorf("sent: %+v", d.Cause)
	}
	if len(w.lines()) == 0 {
		t.Error("the metrics are lost")
	}
}

// Shortly before the deadline all that is open leaves: what comes after may be nothing.
func TestWhatIsOpenLeavesBeforeTheDeadline(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	leave, release := make(chan struct{}), make(chan struct{})
	h.service = h.Handler(newCharge(func(context.Context, charge) error { <-release; return nil }))
	deliver := h.Delivery(h.handle)
	ev := request(t, "e-1", `{"amount":1}`, true)
	handled, returned := make(chan error), make(chan error)
	function := h.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		go func() {
			now := time.Now()
			handled <- deliver(ctx, broker.Delivery{Envelope: broker.Envelope{Time: now, Event: ev}, SentAt: now, ReceivedAt: now})
		}()
		<-leave
		return nil, nil
	}))
	payload := batch(t, record(t, "m-1", ev))
	ctx := invocationContext(t, batchHeader, 1200*time.Millisecond)
	go func() {
		_, err := function.Invoke(ctx, payload)
		returned <- err
	}()
	var docs []segment.Document
	for len(docs) < 4 && ctx.Err() == nil {
		docs = append(docs, h.sent()...)
	}
	open := 0
	for _, d := range docs {
		if d.InProgress {
			open++
		}
		if d.Origin == segment.OriginFunction && (!d.InProgress || len(d.Subsegments) != 1 || !d.Subsegments[0].InProgress) {
			t.Errorf("the message left as %+v", d)
		}
	}
	if open != 2 { // the message and the invocation
		t.Errorf("in progress: %d of %s", open, outline(docs))
	}
	close(leave)
	if err := <-returned; err != nil {
		t.Error(err)
	}
	if docs := h.sent(); len(docs) != 1 || docs[0].InProgress || docs[0].Name != "batch arvo-requests" { // the message is known to be in progress
		t.Errorf("and then %s", outline(docs))
	}
	if len(h.lines()) == 0 {
		t.Error("the metrics are lost")
	}
	close(release)
	if err := <-handled; err != nil {
		t.Error(err)
	}
	// What it published after it had left by itself; X-Ray takes one in progress of a kind.
	if docs := h.sent(); outline(docs) != "Events (aws) arvo-federated_handler (AWS::Lambda::Function)[com.payment.charge (remote)]" || docs[0].InProgress || docs[1].InProgress || docs[0].ParentID != docs[1].ID {
		t.Errorf("and at last %s", outline(docs))
	}
}

// A batch is ten traces; what fails in one is not seen in another.
func TestAPoisonRecordIsSeenInItsOwnTraceOnly(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(newCharge(func(_ context.Context, in charge) error {
		if in.Mode == "poison" {
			return &arvo.Violation{Kind: arvo.KindExecution, Message: "poison"}
		}
		return nil
	}))
	records := make([]string, 0)
	var payload []byte
	{
		var list = batchOfTen(t)
		payload = batch(t, list...)
		for _, r := range list {
			records = append(records, r.MessageId)
		}
	}
	out, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), payload)
	if err != nil || strings.Count(string(out), "itemIdentifier") != 1 {
		t.Fatal(string(out), err)
	}
	docs := h.sent()
	faults, messages := 0, 0
	for _, d := range docs {
		if d.Origin == segment.OriginFunction {
			messages++
			if d.Fault {
				faults++
			}
		}
	}
	if messages != len(records) || faults != 1 || len(docs) != 31 {
		t.Errorf("%d messages, %d faults in %d documents", messages, faults, len(docs))
	}
	invocation := docs[len(docs)-1]
	if invocation.Type != segment.TypeSubsegment || invocation.Fault || len(invocation.Links) != 10 {
		t.Errorf("the invocation is %+v", invocation)
	}
	size, waits := 0.0, 0
	for _, m := range h.lines() {
		if n, ok := m[telemetry.MetricBatchSize].(float64); ok {
			size += n
		}
		if _, ok := m[telemetry.MetricQueueWait]; ok {
			waits++
		}
	}
	if size != 10 || waits != 10 || h.out.writes != 1 {
		t.Errorf("a batch of %v, %d waits in %d writes", size, waits, h.out.writes)
	}
}

func TestWhatIsNotSampledLeavesNoDocumentAndAllMetrics(t *testing.T) {
	var lines [2]int
	for i, sampled := range []bool{true, false} {
		h := &host{world: newWorld(t, nil)}
		h.service = h.Handler(newCharge(nil))
		header := batchHeader
		if !sampled {
			header = strings.Replace(header, "Sampled=1", "Sampled=0", 1)
		}
		if _, err := h.function().Invoke(invocationContext(t, header, time.Minute), batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, sampled)))); err != nil {
			t.Fatal(err)
		}
		if docs := h.sent(); len(docs) > 0 != sampled {
			t.Errorf("sampled %v: %s", sampled, outline(docs))
		}
		lines[i] = len(h.lines())
		if flag := h.published[0].Traceparent[54:]; flag != map[bool]string{true: "1", false: "0"}[sampled] || h.published[0].Traceparent[3:35] != theTrace {
			t.Errorf("the answer goes on as %s", h.published[0].Traceparent)
		}
	}
	if lines[0] != lines[1] || lines[0] == 0 {
		t.Errorf("metric lines: %v", lines)
	}
}

// The decision is the subject's, whatever Lambda has decided of the batch.
func TestTheFlagOfTheEventDecides(t *testing.T) {
	for _, c := range []struct {
		invocation, event bool
		want              string
	}{
		{true, true, "arvo-bus (AWS::Events) arvo-requests (AWS::SQS::Queue) arvo-federated_handler (AWS::Lambda::Function)[Events (aws)] batch arvo-requests ()"},
		{true, false, "batch arvo-requests ()"},
		{false, true, "arvo-bus (AWS::Events) arvo-requests (AWS::SQS::Queue) arvo-federated_handler (AWS::Lambda::Function)[Events (aws)]"},
		{false, false, ""},
	} {
		h := &host{world: newWorld(t, nil), service: newCharge(nil)}
		header := strings.Replace(batchHeader, "Sampled=1", fmt.Sprintf("Sampled=%d", map[bool]int{true: 1}[c.invocation]), 1)
		if _, err := h.function().Invoke(invocationContext(t, header, time.Minute), batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, c.event)))); err != nil {
			t.Fatal(err)
		}
		docs := h.sent()
		if got := outline(docs); got != c.want {
			t.Errorf("invocation %v, event %v: %s", c.invocation, c.event, got)
		}
		for _, d := range docs { // by which the lines that Lambda writes are found, link or none
			if d.Origin == segment.OriginFunction && (d.AWS.RequestID != "req-1" || d.AWS.FunctionARN != functionARN || d.AWS.CloudWatchLogs == nil) {
				t.Errorf("invocation %v, event %v: a message of the resource %+v", c.invocation, c.event, d.AWS)
			}
		}
	}
}

func TestWithoutHopsTheMessageHangsOnTheCreation(t *testing.T) {
	h := &host{world: newWorld(t, map[string]string{"ARVO_TRACE_HOPS": "off"}), service: newCharge(nil)}
	ev := request(t, "e-1", `{"amount":1}`, true)
	if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", ev))); err != nil {
		t.Fatal(err)
	}
	docs := h.sent()
	if len(docs) != 2 || docs[0].ParentID.String() != ev.Traceparent[36:52] {
		t.Errorf("%s beneath %s", outline(docs), docs[0].ParentID)
	}
}

// A second delivery reports the same bus and queue, and a segment of its own.
func TestASecondDeliveryOverwritesTheHops(t *testing.T) {
	h := &host{world: newWorld(t, nil), service: newCharge(nil)}
	ev := request(t, "e-1", `{"amount":1}`, true)
	ids := make(map[segment.ID]int)
	for range 2 {
		if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", ev))); err != nil {
			t.Fatal(err)
		}
		for _, d := range h.sent() {
			if d.TraceID.W3C() == theTrace {
				ids[d.ID]++
			}
		}
	}
	if len(ids) != 4 { // bus and queue, twice the same, and two messages
		t.Errorf("ids: %v", ids)
	}
	if h.published[0].Traceparent != h.published[1].Traceparent || h.published[0].Tracestate != h.published[1].Tracestate {
		t.Error("the answers differ")
	}
}

// A request that comes again is published by another invocation, in the trace of the first.
func TestWhatAnotherInvocationHasCreatedIsReportedInItsTrace(t *testing.T) {
	w := newWorld(t, nil)
	ev := request(t, "e-1", `{"amount":1}`, true)
	retry := handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		now := time.Now()
		if again := w.Create(ctx, ev); again.Traceparent != ev.Traceparent || again.Tracestate != ev.Tracestate {
			t.Errorf("it was stamped again: %s %s", again.Traceparent, again.Tracestate)
		}
		w.tell(ctx, broker.Entry{Event: ev, Started: now, Ended: now, Attempts: 3, EnvelopeID: "v"})
		return nil, nil
	})
	if _, err := w.Lambda(retry).Invoke(invocationContext(t, batchHeader, time.Minute), []byte(`{"httpMethod":"POST"}`)); err != nil {
		t.Fatal(err)
	}
	docs := w.sent()
	d := one(t, docs, "Events")
	if d.TraceID.W3C() != theTrace || d.ParentID.String() != facadeID || d.ID.String() != ev.Traceparent[36:52] || !d.IsSubsegment() || d.AWS.Retries != 2 {
		t.Errorf("the entry is %+v", d)
	}
	// A search for the subject finds its trace alone; from this one, a link leads there.
	again := one(t, docs, "arvo-federated_handler")
	if diff := cmp.Diff(map[string]string{"event_type": "com.payment.charge"}, annotations(again)); diff != "" {
		t.Error(diff)
	}
	if len(again.Links) != 1 || again.Links[0].TraceID != d.TraceID || again.Links[0].ID != d.ID {
		t.Errorf("the repeated request is linked to %v", again.Links)
	}
	retries := 0.0
	for _, m := range w.lines() {
		if n, ok := m[telemetry.MetricPublishRetries].(float64); ok {
			retries += n
		}
	}
	if retries != 2 {
		t.Errorf("%v retries", retries)
	}
}

// A process may die at any time after the bus has taken an event. Whoever receives the event hangs on the span that sent it,
// which must be known by then.
func TestWhatSendsAnEventIsToldBeforeItIsSent(t *testing.T) {
	for _, c := range []struct {
		name    string
		payload []byte // of the invocation; nil: a batch with the event
		publish func(ctx context.Context, w *world, ev arvo.Event) arvo.Event
		parent  string // the parent's name, or its id if no document tells of it
		subject bool   // the trace is found by it
	}{
		{"a request", []byte(`{"httpMethod":"POST"}`), func(ctx context.Context, w *world, ev arvo.Event) arvo.Event {
			return w.Create(ctx, ev.WithTrace("", ""))
		}, "arvo-federated_handler", true},
		{"a request that is repeated", []byte(`{"httpMethod":"POST"}`), func(_ context.Context, _ *world, ev arvo.Event) arvo.Event { return ev }, facadeID, false},
		{"an answer to a message", nil, func(ctx context.Context, w *world, ev arvo.Event) arvo.Event {
			ev.ID = "answer-1"
			return w.Create(ctx, ev.WithTrace("", ""))
		}, "arvo-federated_handler", true},
		{"a timeout", nil, func(ctx context.Context, w *world, ev arvo.Event) arvo.Event {
			ev.ID = "timeout-1"
			return w.Create(ctx, ev.WithTrace("00-"+strings.Repeat("ab", 16)+"-00f067aa0ba902b7-01", ""))
		}, "00f067aa0ba902b7", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			ev := request(t, "e-1", `{"amount":1}`, true)
			var before []segment.Document
			publish := func(ctx context.Context) {
				out := c.publish(ctx, w, ev)
				w.Publishing(ctx, []arvo.Event{out})
				before = w.datagrams() // and here the process dies
				creation, ok := find(before, out.Traceparent[36:52])
				if !ok || !creation.InProgress || creation.Name != "Events" || creation.Namespace != segment.NamespaceAWS || !slices.Equal(creation.AWS.ResourceNames, []string{"arvo-bus"}) {
					t.Fatalf("%+v in %s", creation, outline(before))
				}
				parent := tree(before).Find(creation.TraceID, creation.ID)
				switch {
				case parent.Parent != nil && parent.Parent.Name != c.parent, parent.Parent == nil && parent.ParentID.String() != c.parent:
					t.Errorf("its parent is %v, %s; want %s", parent.Parent, parent.ParentID, c.parent)
				}
				found := slices.ContainsFunc(before, func(d segment.Document) bool { return annotations(d)["subject"] == ev.Subject })
				if found != c.subject {
					t.Errorf("found by its subject: %v", found)
				}
				w.Published(ctx, broker.Entry{Event: out, Started: time.Now(), Ended: time.Now(), Attempts: 1, EnvelopeID: "v"})
			}
			f := handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
				if c.payload != nil {
					publish(ctx)
					return nil, nil
				}
				return nil, w.Delivery(func(ctx context.Context, _ broker.Delivery) error {
					publish(ctx)
					return nil
				})(ctx, delivered(ev))
			})
			payload := c.payload
			if payload == nil {
				payload = batch(t, record(t, "m-1", ev))
			}
			if _, err := w.Lambda(f).Invoke(invocationContext(t, batchHeader, time.Minute), payload); err != nil {
				t.Fatal(err)
			}
			// What is whole takes the places of what was in progress, each once.
			all := append(before, w.datagrams()...)
			type state struct {
				id segment.ID
				ip bool
			}
			count := map[state]int{}
			for _, d := range all {
				count[state{d.ID, d.InProgress}]++
				if d.InProgress && !slices.ContainsFunc(all, func(e segment.Document) bool { return e.ID == d.ID && !e.InProgress && e.ParentID == d.ParentID }) {
					t.Errorf("%s is in progress for ever", d.Name)
				}
			}
			for s, n := range count {
				if n != 1 {
					t.Errorf("%d documents with the id %s, in progress: %v", n, s.id, s.ip)
				}
			}
			for _, s := range tree(all).Spans {
				if s.InProgress {
					t.Errorf("%s is still in progress:\n%s", s.Name, tree(all))
				}
			}
		})
	}
}

// X-Ray takes one document in progress of each id: a root that publishes more than once announces what follows by itself.
func TestARootIsInProgressOnce(t *testing.T) {
	w := newWorld(t, nil)
	f := handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		for i := range 3 {
			w.tell(ctx, broker.Entry{Event: w.Create(ctx, request(t, fmt.Sprint("e-", i), `{"amount":1}`, true).WithTrace("", "")), Started: time.Now(), Ended: time.Now(), Attempts: 1})
		}
		return nil, nil
	})
	if _, err := w.Lambda(f).Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	docs := w.datagrams()
	if got, want := outline(docs), "arvo-federated_handler ()[Events (aws)] Events (aws) Events (aws) Events (aws) Events (aws) arvo-federated_handler ()[Events (aws)]"; got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	for i, d := range docs {
		if want := i == 0 || i == 1 || i == 3; d.InProgress != want {
			t.Errorf("document %d in progress: %v, want %v", i, d.InProgress, want)
		}
	}
	root := docs[0]
	for _, d := range docs[1:5] {
		if d.ParentID != root.ID || d.TraceID != root.TraceID || !d.IsSubsegment() {
			t.Errorf("%+v", d)
		}
	}
}

// find is the document with the id, be it embedded.
func find(docs []segment.Document, id string) (segment.Document, bool) {
	for _, d := range docs {
		if d.ID.String() == id {
			return d, true
		}
		if e, ok := find(d.Subsegments, id); ok {
			e.TraceID = d.TraceID
			return e, true
		}
	}
	return segment.Document{}, false
}

// A timeout is published by a tick, in the trace of the workflow whose call it ends.
func TestATimeoutIsCreatedInTheTraceOfTheCall(t *testing.T) {
	w := newWorld(t, nil)
	call := request(t, "call-1", `{"amount":1}`, true)
	timeout := request(t, "timeout-1", `{"amount":1}`, true).WithTrace(call.Traceparent, call.Tracestate)
	var sent arvo.Event
	tick := handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		sent = w.Create(ctx, timeout)
		w.tell(ctx, broker.Entry{Event: sent, Started: time.Now(), Ended: time.Now(), Attempts: 1})
		return nil, nil
	})
	if _, err := w.Lambda(tick).Invoke(invocationContext(t, batchHeader, time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	d := one(t, w.sent(), "Events")
	if d.TraceID.W3C() != theTrace || d.ParentID.String() != call.Traceparent[36:52] || sent.Traceparent[36:52] != d.ID.String() || sent.Traceparent == call.Traceparent {
		t.Errorf("%s became %s: %+v", call.Traceparent, sent.Traceparent, d)
	}
}

// A tracestate says something of one trace: it goes on in that one only.
func TestATracestateStaysInItsTrace(t *testing.T) {
	const other = "00-6a0f22220123456789abcdef01234567-2222222222222222-01"
	for _, c := range []struct{ name, incoming, own, want string }{ // want: the other members of the event's
		{"of the message's trace", request(t, "e-1", `{}`, true).Traceparent, "", ",k=v"},
		{"of another trace", request(t, "e-1", `{}`, true).Traceparent, other, ""},
		{"of a message without a valid traceparent", "00-rubbish", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			var got arvo.Event
			deliver := w.Delivery(func(ctx context.Context, _ broker.Delivery) error {
				got = w.Create(ctx, request(t, "e-2", `{}`, true).WithTrace(c.own, ""))
				return nil
			})
			f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
				return nil, deliver(ctx, delivered(request(t, "e-1", `{}`, true).WithTrace(c.incoming, "arvo="+facadeID+",k=v")))
			}))
			if _, err := f.Invoke(invocationContext(t, batchHeader, time.Minute), nil); err != nil {
				t.Fatal(err)
			}
			if _, rest, _ := strings.Cut(got.Tracestate, "arvo="); len(rest) < 16 || rest[16:] != c.want {
				t.Errorf("tracestate %q of %s, want %q after arvo", got.Tracestate, got.Traceparent, c.want)
			}
		})
	}
}

func TestAnEventOfNoTraceBelongsToTheInvocation(t *testing.T) {
	for _, c := range []struct{ name, traceparent, tracestate string }{
		{"none", "", ""},
		{"rubbish", strings.Repeat("00-", 5000), strings.Repeat("arvo=zz,", 5000)},
		{"zeros", "00-00000000000000000000000000000000-0000000000000000-01", "arvo=0000000000000000"},
		{"control characters", "00-" + theTrace[:31] + "\n-" + facadeID + "-01", "\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{world: newWorld(t, nil)}
			h.service = h.Handler(newCharge(nil))
			ev := request(t, "e-1", `{"amount":1}`, true).WithTrace(c.traceparent, c.tracestate)
			if out, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", ev))); err != nil || strings.Contains(string(out), "m-1") {
				t.Fatal(string(out), err)
			}
			docs := h.sent()
			if len(docs) != 1 || outline(docs) != "batch arvo-requests ()[process arvo-requests ()[com.payment.charge (remote)] Events (aws)]" && outline(docs) != "batch arvo-requests ()[process arvo-requests ()[com.payment.charge (remote) Events (aws)]]" {
				t.Errorf("sent: %s", outline(docs))
			}
			// It is found by its subject nevertheless.
			want := map[string]string{"subject": "order-1", "event_type": "com.payment.charge", "handler": "com.payment.charge", "outcome": "ok"}
			if diff := cmp.Diff(want, annotations(one(t, docs[0].Subsegments, "process arvo-requests"))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever the header says, the function runs.
func TestRubbishInTheTraceHeaderIsHarmless(t *testing.T) {
	for _, header := range []string{"", "=", ";;;", "Root=", "Root=1-6a0f0f0f-0123456789abcdef01234567", "Root=x;Parent=y;Sampled=1", strings.Repeat("Root=1;", 10_000), theHeader + strings.Repeat(";x=y", 1000)} {
		w := newWorld(t, nil)
		ran := false
		f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
			ran = true
			if telemetry.Traceparent(ctx) == "" {
				t.Errorf("%.50q: there is no trace", header)
			}
			return nil, nil
		}))
		if _, err := f.Invoke(invocationContext(t, header, time.Minute), nil); err != nil || !ran {
			t.Errorf("%.50q: %v", header, err)
		}
		if docs := w.sent(); len(docs) != 1 || docs[0].Origin != segment.OriginFunction { // a trace of its own
			t.Errorf("%.50q: sent %s", header, outline(docs))
		}
	}
}

func TestTheHeaderOfTheEnvironmentServesWhereTheContextHasNone(t *testing.T) {
	t.Setenv("_X_AMZN_TRACE_ID", batchHeader) // of another environment than the function's
	w := newWorld(t, map[string]string{"_X_AMZN_TRACE_ID": theHeader})
	f := w.Lambda(handlerFunc(func(context.Context, []byte) ([]byte, error) { return nil, nil }))
	if _, err := f.Invoke(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if d := one(t, w.sent(), "arvo-federated_handler"); d.TraceID.W3C() != theTrace || d.ParentID.String() != facadeID {
		t.Errorf("sent: %+v", d)
	}
}

// Clocks differ, and an event may claim any time. Where it is not known when the bus took an event, no time is made up.
func TestNoHopEndsBeforeItBegins(t *testing.T) {
	received := time.Now()
	second := received.Truncate(time.Second)
	for _, c := range []struct {
		name           string
		event          string
		envelope, sent time.Time
		start, between time.Time
		unknown        bool
	}{
		{"as it should be", received.Add(-3 * time.Second).Format(time.RFC3339Nano), second.Add(-4 * time.Second), received.Add(-time.Second), received.Add(-3 * time.Second), received.Add(-time.Second), false},
		{"an event that was kept before it was published", "2020-01-01T00:00:00Z", second.Add(-time.Second), received.Add(-time.Second), received.Add(-time.Second), received.Add(-time.Second), true},
		{"one that the bus kept after that, too", "2020-01-01T00:00:00Z", second.Add(-4 * time.Second), received.Add(-time.Second), second.Add(-3 * time.Second), received.Add(-time.Second), true},
		{"an event from the future", "2999-01-01T00:00:00Z", second.Add(-4 * time.Second), received.Add(-time.Second), second.Add(-3 * time.Second), received.Add(-time.Second), true},
		{"an event of no time", "yesterday", second.Add(-4 * time.Second), received.Add(-time.Second), second.Add(-3 * time.Second), received.Add(-time.Second), true},
		{"a queue whose clock is fast", received.Add(-3 * time.Second).Format(time.RFC3339Nano), second.Add(-4 * time.Second), received.Add(time.Hour), received.Add(-3 * time.Second), received, false},
		{"a queue that does not tell", received.Add(-3 * time.Second).Format(time.RFC3339Nano), second.Add(-4 * time.Second), time.Time{}, received.Add(-3 * time.Second), received, false},
		{"an envelope of no time", "yesterday", time.Time{}, received.Add(-time.Second), received.Add(-time.Second), received.Add(-time.Second), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			ev := request(t, "e-1", `{"amount":1}`, true)
			ev.Time = c.event
			deliver := w.Delivery(func(context.Context, broker.Delivery) error { return nil })
			f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
				return nil, deliver(ctx, broker.Delivery{Envelope: broker.Envelope{Time: c.envelope, Event: ev}, SentAt: c.sent, ReceivedAt: received})
			}))
			if _, err := f.Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m", ev))); err != nil {
				t.Fatal(err)
			}
			docs := w.sent()
			bus, queue := one(t, docs, "arvo-bus"), one(t, docs, "arvo-requests")
			if bus.Start != segment.At(c.start) || bus.End != segment.At(c.between) || queue.Start != bus.End || queue.End != segment.At(received) {
				t.Errorf("bus %v to %v, queue to %v", bus.Start.Time(), bus.End.Time(), queue.End.Time())
			}
			if unknown := metadata(bus)["arvo.bus.begin_unknown"] == "true"; unknown != c.unknown {
				t.Errorf("its begin is unknown: %v", unknown)
			}
		})
	}
}

// Nothing of an event's data or of its access control is in what leaves, and what strangers write is bounded.
func TestWhatLeavesHasNoPayloadAndIsBounded(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(arvo.HandlerFunc(func(context.Context, arvo.Event) ([]arvo.Event, error) {
		return nil, errors.New(strings.Repeat("long ", 1e5))
	}))
	ev := request(t, "e-1", `{"amount":1,"mode":"the-payload"}`, true)
	ev.Subject, ev.ID, ev.Type = strings.Repeat("\x01s", 50_000), strings.Repeat("i", 50_000), strings.Repeat("t", 50_000)
	deliver := h.Delivery(h.handle)
	f := h.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		_ = deliver(ctx, broker.Delivery{Envelope: broker.Envelope{ID: ev.ID, Event: ev}, MessageID: ev.ID, ReceivedAt: time.Now()})
		return nil, nil
	}))
	if _, err := f.Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m", ev))); err != nil {
		t.Fatal(err)
	}
	for _, d := range h.sent() {
		b := string(d.AppendJSON(nil))
		if len(b) > 20_000 || strings.Contains(b, "the-payload") || strings.Contains(b, "secret") {
			t.Errorf("%d bytes: %.2000s", len(b), b)
		}
	}
	for _, m := range h.lines() {
		b, err := json.Marshal(m)
		if err != nil || len(b) > 5000 || strings.Contains(string(b), "the-payload") || strings.Contains(string(b), "secret") {
			t.Errorf("%d bytes: %.2000s", len(b), b)
		}
	}
}

// A step of a workflow was kept, events included, and then its process died. The next delivery publishes what was kept; the spans of
// the first are lost, and nothing hangs on them. A third delivery does it all again.
func TestADeathBetweenStateAndPublishBreaksNoTrace(t *testing.T) {
	api := newWorld(t, map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "arvo-api_lambda"})
	var input arvo.Event
	intake := handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		input = api.Create(ctx, request(t, "e-1", `{"amount":1}`, true).WithTrace("", ""))
		api.tell(ctx, broker.Entry{Event: input, Started: time.Now(), Ended: time.Now(), Attempts: 1})
		return nil, nil
	})
	if _, err := api.Lambda(intake).Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	docs := append(native(t), api.sent()...)
	var kept *arvo.Event
	step := func(h *host) arvo.Handler {
		return h.Handler(arvo.HandlerFunc(func(ctx context.Context, in arvo.Event) ([]arvo.Event, error) {
			if kept == nil {
				out := h.Create(ctx, request(t, "call-1", `{"amount":1}`, true).WithTrace("", ""))
				kept = &out
			}
			return []arvo.Event{*kept}, nil
		}))
	}
	for delivery := range 3 {
		h := &host{world: newWorld(t, nil)}
		h.service = step(h)
		if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", input))); err != nil {
			t.Fatal(err)
		}
		if delivery == 0 { // it died: whatever it had to say is lost, and it published nothing
			continue
		}
		for _, d := range h.sent() {
			if d.TraceID.W3C() == theTrace {
				docs = append(docs, d)
			}
		}
		if h.published[0].Traceparent != kept.Traceparent {
			t.Errorf("delivery %d published %s, kept was %s", delivery, h.published[0].Traceparent, kept.Traceparent)
		}
	}
	for _, p := range tree(docs).Check() {
		if p.Kind != tracetree.MissingHop { // nobody has received the call yet
			t.Error(p)
		}
	}
}

// A trace of ten hops stays far below X-Ray's bounds.
func TestDocumentsAreSmall(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(newCharge(nil))
	ev := request(t, "0198a3c5-1111-8222-8333-444444444444", `{"amount":1}`, true)
	ev.Subject = strings.Repeat("s", 400)
	if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", ev))); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, d := range h.sent() {
		if d.TraceID.W3C() == theTrace {
			size += len(d.AppendJSON(nil))
		}
	}
	if size > 3500 {
		t.Errorf("a hop takes %d bytes", size)
	}
	t.Logf("a hop takes %d bytes", size)
}

// A stranger's events have no trace. Each gets one of its own, the same at every delivery: it shares none with its batch.
func TestAnEventWithoutATraceBeginsOne(t *testing.T) {
	w := newWorld(t, nil)
	h := &host{world: w, service: w.Handler(newCharge(func(_ context.Context, in charge) error {
		if in.Mode == "fail" {
			return errors.New("no money")
		}
		return nil
	}))}
	strange := func(message, id, data string) events.SQSMessage {
		r := record(t, message, request(t, id, data, true).WithTrace("", ""))
		r.Body = strings.Replace(r.Body, `"envelope-`+message+`"`, `"6f1b2c3d-0000-4000-8000-0000000000`+message+`"`, 1)
		r.Attributes["SentTimestamp"] = "1795417200250"
		return r
	}
	traces := map[string]map[segment.TraceID]bool{}
	for delivery := range 2 {
		payload := batch(t, strange("01", "e1", `{}`), strange("02", "e2", `{"mode":"fail"}`))
		if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), payload); err != nil {
			t.Fatal(err)
		}
		byTrace := map[segment.TraceID][]segment.Document{}
		for _, d := range w.sent() {
			byTrace[d.TraceID] = append(byTrace[d.TraceID], d)
		}
		if len(byTrace) != 3 { // and that of the batch
			t.Fatalf("delivery %d: %d traces", delivery, len(byTrace))
		}
		for id, docs := range byTrace {
			if id.String() == "1-6a0f1111-aaaaaaaaaaaaaaaaaaaaaaaa" {
				continue
			}
			for _, p := range tree(docs).Check("arvo-requests") {
				if p.Kind != tracetree.MissingHop || !p.Open { // of what it sends: there is nobody here
					t.Errorf("%+v", p)
				}
			}
			bus, queue, own := one(t, docs, "arvo-bus"), one(t, docs, "arvo-requests"), one(t, docs, "arvo-federated_handler")
			if bus.ParentID != (segment.ID{}) || queue.ParentID != bus.ID || own.ParentID != queue.ID {
				t.Errorf("bus under %s, queue under %s, message under %s", bus.ParentID, queue.ParentID, own.ParentID)
			}
			failed := slices.ContainsFunc(own.Subsegments, func(d segment.Document) bool { return d.Fault })
			key := fmt.Sprint("failed ", failed)
			if traces[key] == nil {
				traces[key] = map[segment.TraceID]bool{}
			}
			traces[key][id] = true
		}
	}
	if len(traces) != 2 || len(traces["failed true"]) != 1 || len(traces["failed false"]) != 1 {
		t.Errorf("each event has one trace, at every delivery: %v", traces)
	}
}

// A request may have any names in it. None of them makes it a batch, and a metric of its sender's choice.
func TestARequestIsNoBatch(t *testing.T) {
	w := newWorld(t, nil)
	f := w.Lambda(handlerFunc(func(context.Context, []byte) ([]byte, error) { return []byte(`{}`), nil }))
	for _, payload := range []string{
		`{"resource":"/healthz","httpMethod":"GET","queryStringParameters":{"eventSourceARN":"arn:aws:sqs:evil","receiptHandle":"1"}}`,
		`{"resource":"/","multiValueQueryStringParameters":{"receiptHandle":["1"],"eventSourceARN":["arn:aws:sqs:evil"]}}`,
		`{"resource":"/","headers":{"receiptHandle":"1","eventSourceARN":"arn:aws:sqs:evil"}}`,
		`[{"receiptHandle":"1","eventSourceARN":"arn:aws:sqs:evil"}]`,
	} {
		if _, err := f.Invoke(invocationContext(t, theHeader, time.Minute), []byte(payload)); err != nil {
			t.Fatal(err)
		}
		for _, line := range w.lines() {
			if s := fmt.Sprint(line); strings.Contains(s, "evil") || strings.Contains(s, "BatchSize") {
				t.Errorf("%s: %s", payload, s)
			}
		}
		for _, d := range w.sent() {
			if strings.Contains(outline([]segment.Document{d}), "evil") {
				t.Errorf("%s: %s", payload, outline([]segment.Document{d}))
			}
		}
	}
}
