package main

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/aws/smithy-go"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// A recorder makes the documents of a trace as the system sends them. Times are milliseconds since the trace began, which
// is when a synctest bubble does.
type recorder struct {
	trace segment.TraceID
	epoch segment.Time
	next  byte
	boot  float64 // a cold start that what happens after 4 ms waits for
	docs  []segment.Document
}

var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func newRecorder(n byte) *recorder {
	r := &recorder{epoch: segment.At(bubble)}
	binary.BigEndian.PutUint32(r.trace[:], uint32(bubble.Unix()))
	r.trace[15] = n
	return r
}

func (r *recorder) id() segment.ID {
	r.next++
	return segment.ID{0xa0, r.trace[15], 6: 0, 7: r.next}
}

func (r *recorder) at(ms float64) segment.Time {
	if ms > 4 {
		ms += r.boot
	}
	return r.epoch.Add(time.Duration(ms * float64(time.Millisecond)))
}

// add keeps a segment. end < 0 is in progress.
func (r *recorder) add(d segment.Document, parent segment.ID, start, end float64, subs ...segment.Document) segment.ID {
	d.TraceID, d.ParentID, d.Start, d.Subsegments = r.trace, parent, r.at(start), append(d.Subsegments, subs...)
	if d.ID.IsZero() {
		d.ID = r.id()
	}
	if d.End = r.at(end); end < 0 {
		d.End, d.InProgress = 0, true
	}
	r.docs = append(r.docs, d)
	return d.ID
}

// sub is a subsegment.
func (r *recorder) sub(name, namespace string, start, end float64, subs ...segment.Document) segment.Document {
	d := segment.Document{ID: r.id(), Name: name, Namespace: namespace, Start: r.at(start), End: r.at(end), Subsegments: subs}
	if end < 0 {
		d.End, d.InProgress = 0, true
	}
	return d
}

func (r *recorder) table(operation, table string, start, end float64) segment.Document {
	d := r.sub("DynamoDB", segment.NamespaceAWS, start, end)
	d.AWS = &segment.AWS{Operation: operation, TableName: table, ResourceNames: []string{table}, Region: "us-east-1"}
	return d
}

func (r *recorder) publish(start, end float64) segment.Document {
	d := r.sub("Events", segment.NamespaceAWS, start, end)
	d.AWS = &segment.AWS{Operation: "PutEvents", ResourceNames: []string{"arvo-bus"}, Region: "us-east-1"}
	return d
}

func failure(d segment.Document, typ, message string) segment.Document {
	d.Fault = true
	d.Cause = &segment.Cause{Exceptions: []segment.Exception{{ID: d.ID, Type: typ, Message: message}}}
	return d
}

func mistake(d segment.Document, typ, message string) segment.Document {
	d = failure(d, typ, message)
	d.Fault, d.Error = false, true
	return d
}

func functionDocument(name string) segment.Document {
	return segment.Document{Name: name, Origin: segment.OriginFunction, AWS: &segment.AWS{
		FunctionARN:    "arn:aws:lambda:us-east-1:000000000000:function:" + name,
		CloudWatchLogs: []segment.LogGroup{{Name: "/aws/lambda/" + name}},
	}}
}

// request is POST /events for the subject as API Gateway, Lambda and api_lambda tell of it. It returns the creation of the event.
func (r *recorder) request(subject, eventType string, cold bool) segment.ID {
	if cold {
		r.boot = 38
	}
	call := r.sub("Lambda", segment.NamespaceAWS, 1, 29)
	call.AWS = &segment.AWS{Operation: "Invoke", FunctionName: "arvo-api_lambda"}
	r.add(segment.Document{Name: "arvo-api/live", Origin: segment.OriginStage, HTTP: &segment.HTTP{
		Request: segment.Request{Method: "POST", URL: "https://abc.execute-api.us-east-1.amazonaws.com/live/events"}, Response: segment.Response{Status: 202},
	}}, segment.ID{}, 0, 30, call)
	service := r.add(segment.Document{Name: "arvo-api_lambda", Origin: segment.OriginLambda, HTTP: &segment.HTTP{Response: segment.Response{Status: 200}}}, call.ID, 2, 28)
	invocation := r.sub("Invocation", "", 5, 27)
	parts := []segment.Document{invocation, r.sub("Overhead", "", 27, 27.4)}
	if cold {
		parts = append([]segment.Document{r.sub("Initialization", "", 3, 4.5)}, parts...)
	}
	r.add(segment.Document{Name: "arvo-api_lambda", Origin: segment.OriginFunction, AWS: &segment.AWS{FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:arvo-api_lambda"}}, service, 5, 27.4, parts...)
	event := r.publish(14, 25)
	r.add(segment.Document{
		Type: segment.TypeSubsegment, Name: "POST /events",
		HTTP:        &segment.HTTP{Request: segment.Request{Method: "POST", URL: "/events"}, Response: segment.Response{Status: 202}},
		Annotations: []segment.Attribute{{Key: "subject", Value: segment.String(subject)}, {Key: "event_type", Value: segment.String(eventType)}},
	}, invocation.ID, 6, 26, r.table("PutItem", "arvo-responses", 7, 13.5), event)
	return event.ID
}

// hops are the bus and the queue that an event crossed; it returns the queue.
func (r *recorder) hops(creation segment.ID, queue string, created, sent, received float64, receives int64) segment.ID {
	bus := segment.HopID(r.trace, creation, segment.OriginEvents, "arvo-bus")
	r.add(segment.Document{ID: bus, Name: "arvo-bus", Origin: segment.OriginEvents}, creation, created, sent)
	id := segment.HopID(r.trace, bus, segment.OriginQueue, queue)
	return r.add(segment.Document{ID: id, Name: queue, Origin: segment.OriginQueue, Metadata: []segment.Namespace{{
		Name: "otel", Attributes: []segment.Attribute{{Key: "arvo.message.receives", Value: segment.Int(receives)}},
	}}}, bus, sent, received)
}

// message is what a function says of a message that it received.
func (r *recorder) message(fn string, queue segment.ID, subject, eventType, outcome string, start, end float64, subs ...segment.Document) *segment.Document {
	d := functionDocument(fn)
	d.Annotations = []segment.Attribute{
		{Key: "subject", Value: segment.String(subject)}, {Key: "event_type", Value: segment.String(eventType)}, {Key: "outcome", Value: segment.String(outcome)},
	}
	d.Links = []segment.Link{{TraceID: segment.TraceID{0x38, 0x6d, 0x43, 0x80, 4: 0xee, 15: r.trace[15]}, ID: segment.ID{0xee}}}
	r.add(d, queue, start, end, subs...)
	return &r.docs[len(r.docs)-1]
}

// subjectOn is a subject as api_lambda makes one.
func subjectOn(orchestrator, trace string) string {
	meta := map[string]string{}
	if trace != "" {
		meta["trace"] = trace
	}
	s, err := arvo.NewSubject(arvo.SubjectSpec{
		Orchestrator: orchestrator, Version: "1.0.0", Initiator: "api.thin.lambda", ID: "6f1d2c3b-0000-4000-8000-000000000001", Meta: meta,
	})
	if err != nil {
		panic(err)
	}
	return s
}

const handler, api = "arvo-federated_handler", "arvo-api_lambda"

// charge is the trace of a plain request.
func charge(n byte) (*recorder, string) {
	r := newRecorder(n)
	subject := subjectOn("com.payment.charge", r.trace.String())
	creation := r.request(subject, "com.payment.charge", true)
	queue := r.hops(creation, "arvo-requests", 13.8, 41, 96.5, 1)
	answer := r.publish(131, 142)
	r.message(handler, queue, subject, "com.payment.charge", "ok", 97, 143,
		r.sub("com.payment.charge", segment.NamespaceRemote, 99, 130, r.table("PutItem", "arvo-effects", 104, 118)), answer)
	queue = r.hops(answer.ID, "arvo-responses", 130.5, 160, 201, 1)
	r.message(api, queue, subject, "evt.payment.charge.success", "ok", 202, 220, r.table("PutItem", "arvo-responses", 204, 211), r.table("UpdateItem", "arvo-responses", 211, 218))
	return r, subject
}

// invocation is what Lambda says of the invocation that took the messages, in a trace of its own.
func (r *recorder) invocation(name string) []segment.Document {
	own := r.trace
	own[4] = 0xee
	run := r.sub("Invocation", "", 97, 143)
	run.Links = []segment.Link{{TraceID: r.trace, ID: segment.ID{1}, Attributes: []segment.Attribute{{Key: "aws.xray.reserved.reference_type", Value: segment.String("parent")}}}}
	return []segment.Document{{TraceID: own, ID: segment.ID{0xee}, Name: name, Origin: segment.OriginFunction, Start: r.at(97), End: r.at(143), Subsegments: []segment.Document{run}}}
}

// compensation is the trace of a fulfilment whose charge is declined: the stock is released.
func compensation(n byte) (*recorder, string) {
	r := newRecorder(n)
	subject := subjectOn("arvo.orc.fulfilment", r.trace.String())
	event := r.request(subject, "arvo.orc.fulfilment", false)
	at := 14.0
	step := func(input string, work func(start float64) []segment.Document) {
		queue := r.hops(event, "arvo-requests", at, at+20, at+48, 1)
		start := at + 50
		subs := work(start)
		published := r.publish(start+22, start+30)
		event = published.ID
		r.message(handler, queue, subject, input, "ok", start, start+32, append(subs, published)...)
		at = start + 22
	}
	orchestrate := func(start float64) []segment.Document {
		return []segment.Document{r.sub("arvo.orc.fulfilment", segment.NamespaceRemote, start+1, start+21,
			r.table("GetItem", "arvo-workflows", start+2, start+6), r.table("TransactWriteItems", "arvo-workflows", start+9, start+20))}
	}
	serve := func(name string) func(float64) []segment.Document {
		return func(start float64) []segment.Document {
			return []segment.Document{r.sub(name, segment.NamespaceRemote, start+1, start+21, r.table("PutItem", "arvo-effects", start+4, start+14))}
		}
	}
	step("arvo.orc.fulfilment", orchestrate)
	step("com.inventory.reserve", serve("com.inventory.reserve"))
	step("evt.inventory.reserve.success", orchestrate)
	step("com.payment.charge", func(start float64) []segment.Document {
		return []segment.Document{failure(r.sub("com.payment.charge", segment.NamespaceRemote, start+1, start+21), "*payment.Declined", "card declined: insufficient funds")}
	})
	step("sys.com.payment.charge.error", orchestrate)
	step("com.inventory.release", serve("com.inventory.release"))
	step("evt.inventory.release.success", orchestrate)
	queue := r.hops(event, "arvo-responses", at, at+20, at+48, 1)
	r.message(api, queue, subject, "arvo.orc.fulfilment.done", "ok", at+50, at+66, r.table("PutItem", "arvo-responses", at+51, at+58), r.table("UpdateItem", "arvo-responses", at+58, at+65))
	return r, subject
}

// poison is the trace of a record that its handler never takes.
func poison(n byte) (*recorder, string) {
	r := newRecorder(n)
	subject := subjectOn("com.payment.charge", r.trace.String())
	creation := r.request(subject, "com.payment.charge", false)
	queue := r.hops(creation, "arvo-requests", 13.8, 41, 6100, 3)
	for _, start := range []float64{97, 2099, 6101} {
		d := r.message(handler, queue, subject, "com.payment.charge", "failed", start, start+12,
			mistake(r.sub("com.payment.charge", segment.NamespaceRemote, start+1, start+10), "ViolationError<Contract>", "ViolationError<Contract> data/amount: must be > 0"))
		*d = mistake(*d, "ViolationError<Contract>", "ViolationError<Contract> data/amount: must be > 0")
	}
	return r, subject
}

// fanout is the trace of a request that is answered with several events at a time.
func fanout(n byte) (*recorder, string) {
	r := newRecorder(n)
	subject := subjectOn("com.workload.simulate", r.trace.String())
	creation := r.request(subject, "com.workload.simulate", false)
	queue := r.hops(creation, "arvo-requests", 13.8, 41, 60, 1)
	first, second := r.publish(91, 99), r.publish(91, 99)
	r.message(handler, queue, subject, "com.workload.simulate", "ok", 61, 100, r.sub("com.workload.simulate", segment.NamespaceRemote, 62, 90), first, second)
	queue = r.hops(first.ID, "arvo-responses", 90.5, 110, 120, 1)
	r.message(api, queue, subject, "evt.workload.simulate.progress", "ok", 121, 130, r.table("PutItem", "arvo-responses", 122, 129))
	queue = r.hops(second.ID, "arvo-responses", 90.5, 112, 140, 1)
	r.message(api, queue, subject, "evt.workload.simulate.success", "ok", 141, 150, r.table("PutItem", "arvo-responses", 142, 149))
	return r, subject
}

// tell adds to the metadata of a message what the receiver knows of its delivery.
func tell(d *segment.Document, message string, receives int64) {
	d.Metadata = append(d.Metadata, segment.Namespace{Name: "otel", Attributes: []segment.Attribute{
		{Key: "messaging.message.id", Value: segment.String(message)}, {Key: "arvo.message.receives", Value: segment.Int(receives)},
		{Key: "cloudevents.event_id", Value: segment.String("event-" + message)},
	}})
}

// killed is the trace of a request whose first delivery was killed.
func killed() (*recorder, string) {
	r := newRecorder(13)
	subject := subjectOn("com.payment.charge", r.trace.String())
	queue := r.hops(r.request(subject, "com.payment.charge", false), "arvo-requests", 13.8, 41, 4043, 2)
	r.docs[len(r.docs)-1].Metadata[0].Attributes = append(r.docs[len(r.docs)-1].Metadata[0].Attributes,
		segment.Attribute{Key: "messaging.message.id", Value: segment.String("m-1")}, segment.Attribute{Key: "arvo.message.first_received_at", Value: segment.String("2000-01-01T00:00:00.043Z")})
	answer := r.publish(4070, 4075)
	tell(r.message(handler, queue, subject, "com.payment.charge", "ok", 4044, 4076, r.sub("com.payment.charge", segment.NamespaceRemote, 4045, 4069), answer), "m-1", 2)
	queue = r.hops(answer.ID, "arvo-responses", 4070, 4080, 4090, 1)
	tell(r.message(api, queue, subject, "evt.payment.charge.success", "ok", 4091, 4099), "m-2", 1)
	return r, subject
}

// duplicates is the trace of a request that a queue gave out twice without counting, so that its answer was published twice.
func duplicates() (*recorder, string) {
	r := newRecorder(14)
	subject := subjectOn("com.payment.charge", r.trace.String())
	queue := r.hops(r.request(subject, "com.payment.charge", false), "arvo-requests", 13.8, 41, 140, 1)
	answer := r.publish(70, 75)
	tell(r.message(handler, queue, subject, "com.payment.charge", "ok", 44, 76, r.sub("com.payment.charge", segment.NamespaceRemote, 45, 69), answer), "m-1", 1)
	tell(r.message(handler, queue, subject, "com.payment.charge", "ok", 144, 176), "m-1", 1)
	queue = r.hops(answer.ID, "arvo-responses", 70, 80, 300, 2)
	tell(r.message(api, queue, subject, "evt.payment.charge.success", "ok", 91, 99), "m-2", 1)
	tell(r.message(api, queue, subject, "evt.payment.charge.success", "ok", 301, 309), "m-3", 2)
	return r, subject
}

// died is the trace of a request whose function was killed when it had put the event on the bus: what it had announced stays in progress.
func died() (*recorder, string) {
	r, subject := charge(15)
	for i := range r.docs {
		if d := &r.docs[i]; d.Type == segment.TypeSubsegment {
			d.End, d.InProgress, d.HTTP = 0, true, nil
			d.Subsegments[1].End, d.Subsegments[1].InProgress = 0, true
		}
	}
	return r, subject
}

// timeout is the trace of a workflow that calls a service which does not answer: the clock sends its answer, beneath the creation of the
// call, and the workflow completes. late: the call is received in the end.
func timeout(n byte, late bool) (*recorder, string) {
	r := newRecorder(n)
	subject := subjectOn("arvo.orc.fulfilment", r.trace.String())
	queue := r.hops(r.request(subject, "arvo.orc.fulfilment", false), "arvo-requests", 13.8, 41, 60, 1)
	call := r.publish(91, 99)
	r.message(handler, queue, subject, "arvo.orc.fulfilment", "ok", 61, 100, r.sub("arvo.orc.fulfilment", segment.NamespaceRemote, 62, 90), call)
	const over = 60_000
	instead := r.publish(over, over+5)
	instead.Type, instead.Annotations = segment.TypeSubsegment, []segment.Attribute{{Key: "subject", Value: segment.String(subject)}, {Key: "event_type", Value: segment.String("sys.com.payment.charge.error")}}
	r.add(instead, call.ID, over, over+5)
	queue = r.hops(instead.ID, "arvo-requests", over, over+10, over+20, 1)
	done := r.publish(over+31, over+39)
	r.message(handler, queue, subject, "sys.com.payment.charge.error", "ok", over+21, over+40, r.sub("arvo.orc.fulfilment", segment.NamespaceRemote, over+22, over+30), done)
	queue = r.hops(done.ID, "arvo-responses", over+31, over+45, over+50, 1)
	r.message(api, queue, subject, "arvo.orc.fulfilment.done", "ok", over+51, over+60, r.table("PutItem", "arvo-responses", over+52, over+59))
	if late {
		queue = r.hops(call.ID, "arvo-own", 91, 105, over+200, 1)
		r.message("arvo-own_handler", queue, subject, "com.payment.charge", "ok", over+201, over+210, r.sub("com.payment.charge", segment.NamespaceRemote, over+202, over+209))
	}
	return r, subject
}

// drop removes the documents that a condition names.
func (r *recorder) drop(which func(d *segment.Document) bool) *recorder {
	r.docs = slices.DeleteFunc(r.docs, func(d segment.Document) bool { return which(&d) })
	return r
}

// A fakeXRay answers X-Ray's API from documents. Of filter expressions it knows those that search for annotations.
type fakeXRay struct {
	docs  []segment.Document
	full  bool                      // traces have reached their limit
	fail  error                     // of every call
	asked []string                  // names of the calls
	late  func() []segment.Document // more documents, by now
}

var _ xrayAPI = (*fakeXRay)(nil)

func (f *fakeXRay) call(ctx context.Context, name string) error {
	f.asked = append(f.asked, name)
	if f.fail != nil {
		return f.fail
	}
	return ctx.Err()
}

func (f *fakeXRay) known() map[segment.TraceID][]segment.Document {
	byTrace := make(map[segment.TraceID][]segment.Document)
	docs := f.docs
	if f.late != nil {
		docs = slices.Concat(docs, f.late())
	}
	for _, d := range docs {
		byTrace[d.TraceID] = append(byTrace[d.TraceID], d)
	}
	return byTrace
}

func (f *fakeXRay) BatchGetTraces(ctx context.Context, in *xray.BatchGetTracesInput, _ ...func(*xray.Options)) (*xray.BatchGetTracesOutput, error) {
	if err := f.call(ctx, "BatchGetTraces"); err != nil {
		return nil, err
	}
	if len(in.TraceIds) == 0 || len(in.TraceIds) > 5 {
		return nil, &smithy.GenericAPIError{Code: "InvalidRequestException", Message: "1 to 5 trace ids are due"}
	}
	out := &xray.BatchGetTracesOutput{}
	for _, name := range in.TraceIds {
		id, err := segment.ParseTraceID(name)
		if err != nil {
			return nil, err
		}
		docs := f.known()[id]
		if docs == nil {
			out.UnprocessedTraceIds = append(out.UnprocessedTraceIds, name)
			continue
		}
		t := types.Trace{Id: aws.String(name), LimitExceeded: aws.Bool(f.full)}
		for _, d := range slices.Concat(docs, tracetree.Build(docs).Inferred()) {
			t.Segments = append(t.Segments, types.Segment{Id: aws.String(d.ID.String()), Document: aws.String(string(d.AppendJSON(nil)))})
		}
		out.Traces = append(out.Traces, t)
	}
	return out, nil
}

func (f *fakeXRay) GetTraceSummaries(ctx context.Context, in *xray.GetTraceSummariesInput, _ ...func(*xray.Options)) (*xray.GetTraceSummariesOutput, error) {
	if err := f.call(ctx, "GetTraceSummaries"); err != nil {
		return nil, err
	}
	if in.EndTime.Sub(*in.StartTime) > 6*time.Hour {
		return nil, &smithy.GenericAPIError{Code: "InvalidRequestException", Message: "the time range is too long"}
	}
	key := ""
	var wanted []string
	for _, part := range strings.Split(*in.FilterExpression, " OR ") {
		name, value, _ := strings.Cut(part, ` = "`)
		key = strings.TrimPrefix(name, "annotation.")
		wanted = append(wanted, strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.TrimSuffix(value, `"`)))
	}
	out := &xray.GetTraceSummariesOutput{}
	for id, docs := range f.known() {
		tree := tracetree.Build(docs)
		start := tree.Times().Start.Time()
		if start.Before(*in.StartTime) || !start.Before(*in.EndTime) {
			continue
		}
		for _, s := range tree.Spans {
			if v, ok := s.Annotation(key); ok && slices.Contains(wanted, v.String()) {
				out.TraceSummaries = append(out.TraceSummaries, types.TraceSummary{Id: aws.String(id.String())})
				break
			}
		}
	}
	slices.SortFunc(out.TraceSummaries, func(a, b types.TraceSummary) int { return strings.Compare(*b.Id, *a.Id) })
	return out, nil
}

func (f *fakeXRay) GetTraceGraph(ctx context.Context, in *xray.GetTraceGraphInput, _ ...func(*xray.Options)) (*xray.GetTraceGraphOutput, error) {
	if err := f.call(ctx, "GetTraceGraph"); err != nil {
		return nil, err
	}
	var g tracetree.Graph
	for _, name := range in.TraceIds {
		if id, err := segment.ParseTraceID(name); err == nil {
			g.Add(tracetree.Build(f.known()[id]))
		}
	}
	return &xray.GetTraceGraphOutput{Services: services(&g)}, nil
}

func (f *fakeXRay) GetServiceGraph(ctx context.Context, in *xray.GetServiceGraphInput, _ ...func(*xray.Options)) (*xray.GetServiceGraphOutput, error) {
	if err := f.call(ctx, "GetServiceGraph"); err != nil {
		return nil, err
	}
	var g tracetree.Graph
	for _, docs := range f.known() {
		g.Add(tracetree.Build(docs))
	}
	return &xray.GetServiceGraphOutput{Services: services(&g)}, nil
}

func services(g *tracetree.Graph) []types.Service {
	var list []types.Service
	number := make(map[tracetree.Node]int32)
	for i, n := range g.Nodes() {
		number[n.Node] = int32(i)
		list = append(list, types.Service{ReferenceId: aws.Int32(int32(i)), Name: aws.String(n.Name), Type: aws.String(n.Type)})
	}
	for _, e := range g.Edges() {
		from := &list[number[e.From]]
		from.Edges = append(from.Edges, types.Edge{ReferenceId: aws.Int32(number[e.To])})
	}
	return list
}
