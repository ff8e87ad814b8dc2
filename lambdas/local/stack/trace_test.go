package stack_test

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/xray"

	"example.com/arvo/lambdas/local/fault"
	"example.com/arvo/lambdas/local/stack"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// Names of nodes that the template gives.
const (
	stageNode     = "arvo-api/live"
	busNode       = "arvo-bus"
	requestsNode  = "arvo-requests"
	responsesNode = "arvo-responses"
	apiNode       = "arvo-api_lambda"
	handlerNode   = "arvo-federated_handler"
)

// A person asks X-Ray as the CLI does: through the API, with nothing but a subject.
func (s *system) xray() *xray.Client { return xray.NewFromConfig(s.config) }

// traceOf is the trace that a subject names, in its member meta.trace.
func (s *system) traceOf(subject string) string {
	s.t.Helper()
	raw, err := base64.StdEncoding.DecodeString(subject)
	if err != nil {
		s.t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	var content struct{ Meta struct{ Trace string } }
	if err := json.NewDecoder(z).Decode(&content); err != nil {
		s.t.Fatal(err)
	}
	return content.Meta.Trace
}

// documents are what X-Ray has of traces, by trace.
func (s *system) documents(traces ...string) map[string][]segment.Document {
	s.t.Helper()
	docs := make(map[string][]segment.Document)
	client := s.xray()
	for some := range slices.Chunk(traces, 5) { // BatchGetTraces takes no more
		pages := xray.NewBatchGetTracesPaginator(client, &xray.BatchGetTracesInput{TraceIds: some})
		for pages.HasMorePages() {
			page, err := pages.NextPage(s.t.Context())
			if err != nil {
				s.t.Fatal(err)
			}
			for _, t := range page.Traces {
				if aws.ToBool(t.LimitExceeded) {
					s.t.Errorf("trace %s is too large for X-Ray", *t.Id)
				}
				for _, d := range t.Segments {
					doc, err := segment.Decode([]byte(*d.Document))
					if err != nil {
						s.t.Fatalf("%v in %s", err, *d.Document)
					}
					docs[*t.Id] = append(docs[*t.Id], doc)
				}
			}
		}
	}
	return docs
}

// annotated are the traces of a subject, found by its annotation.
func (s *system) annotated(subject string) (traces []string) {
	s.t.Helper()
	now := time.Now()
	pages := xray.NewGetTraceSummariesPaginator(s.xray(), &xray.GetTraceSummariesInput{
		StartTime: aws.Time(now.Add(-5 * time.Hour)), EndTime: aws.Time(now.Add(time.Minute)), FilterExpression: aws.String(fmt.Sprintf(`annotation.subject = %q`, subject)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, summary := range page.TraceSummaries {
			traces = append(traces, *summary.Id)
		}
	}
	return traces
}

// tree waits until a trace is whole and returns it. One that does not become whole is an error, told as it is.
func (s *system) tree(trace string) *tracetree.Tree {
	s.t.Helper()
	trees := s.trees(trace)
	return trees[trace]
}

// trees is tree for many traces.
func (s *system) trees(traces ...string) map[string]*tracetree.Tree {
	s.t.Helper()
	trees, problems := s.settle(traces)
	for trace, list := range problems {
		s.t.Errorf("%s: %v\n%s", trace, list, trees[trace])
	}
	if len(problems) > 0 {
		s.t.Fatalf("%d of %d traces are not whole; the daemon says %+v", len(problems), len(traces), s.Watch().Daemon)
	}
	return trees
}

// settle waits until all traces are whole, for as long as their last documents may take. It returns the trees, and the
// problems of those that are not.
func (s *system) settle(traces []string) (map[string]*tracetree.Tree, map[string][]tracetree.Problem) {
	s.t.Helper()
	s.arrived()
	trees := make(map[string]*tracetree.Tree)
	problems := make(map[string][]tracetree.Problem)
	open := traces
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		docs := s.documents(open...)
		var next []string
		for _, trace := range open {
			trees[trace] = tracetree.Build(docs[trace])
			if problems[trace] = trees[trace].Check(requestsNode, responsesNode); len(problems[trace]) > 0 {
				next = append(next, trace)
			} else {
				delete(problems, trace)
			}
		}
		if open = next; len(open) == 0 {
			return trees, problems
		}
		select {
		case <-tick.C:
		case <-deadline:
			return trees, problems
		}
	}
}

// arrived waits until the daemon has taken all documents that were sent before. Those in progress that are not overwritten by then are of
// processes that work or have died.
func (s *system) arrived() {
	s.t.Helper()
	f := foreign{segment.TraceID{0x6a, 1}, segment.ID{1}}
	binary.BigEndian.PutUint64(f.trace[4:], markers.Add(1))
	conn, err := net.Dial("udp", s.XRayAddress())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	now := segment.At(time.Now())
	d := segment.Document{TraceID: f.trace, ID: f.span, Name: "marker", Origin: "Test::Marker", Start: now, End: now}
	if _, err := conn.Write(segment.AppendDatagram(nil, &d)); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the daemon has taken what was sent", func() bool { return len(s.documents(f.trace.String())) == 1 })
}

var markers atomic.Uint64

// consumers are the segments of functions that handled an event from a queue.
func consumers(t *tracetree.Tree) (list []*tracetree.Span) {
	for _, h := range t.Hops() {
		list = append(list, h.Consumers...)
	}
	return list
}

func annotation(s *tracetree.Span, key string) string {
	v, ok := s.Annotation(key)
	if !ok {
		return ""
	}
	return v.String()
}

// handled are the outcomes of the deliveries of an event type, in time order.
func handled(t *tracetree.Tree, eventType string) (outcomes []string) {
	list := consumers(t)
	slices.SortFunc(list, func(a, b *tracetree.Span) int { return cmp.Compare(a.Start, b.Start) })
	for _, c := range list {
		if annotation(c, "event_type") == eventType {
			outcomes = append(outcomes, annotation(c, "outcome"))
		}
	}
	return outcomes
}

// A mixture is what 1,000 subjects consist of: each kind of request, one after the other.
var mixture = func() (kinds []struct{ typ, data string }) {
	add := func(typ, data string) { kinds = append(kinds, struct{ typ, data string }{typ, data}) }
	add("com.payment.charge", charge)
	add("com.payment.charge", `{"order_id":"o-1","amount":1999,"currency":"EUR","method":"pm_declined"}`)
	add("com.inventory.reserve", `{"order_id":"o","items":[{"sku":"a","quantity":1}]}`)
	add("com.workload.simulate", `{"fanout":3}`)
	add("com.workload.simulate", `{"fail":1}`)
	add("com.workload.simulate", `{"sleep_ms":5}`)
	for _, version := range versions {
		for _, o := range orders {
			add("arvo.orc.fulfilment", o.order.data("o-1")+in(version))
		}
	}
	return kinds
}()

// mix has n requests of the mixture accepted and answered, and returns their subjects. Faults are met with insistence.
func (s *system) mix(n, clients int) []string {
	s.t.Helper()
	reader := newHeadReader(s)
	defer reader.stop()
	subjects := make([]string, n)
	turns := make(chan int)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for i := range turns {
				kind := mixture[i%len(mixture)]
				subjects[i] = s.insist(kind.typ, kind.data, fmt.Sprint("mix-", i)).subject
				select {
				case <-reader.completed(subjects[i]):
				case <-s.t.Context().Done():
				}
			}
		})
	}
	for i := range n {
		turns <- i
	}
	close(turns)
	answered := make(chan struct{})
	go func() { defer close(answered); all.Wait() }()
	select {
	case <-answered:
	case <-time.After(2 * time.Minute):
		s.t.Fatalf("not within two minutes: all subjects are answered; %d dead letters", s.dead())
	}
	eventually(s.t, "nothing is on its way", func() bool { return s.Backlog() == 0 })
	return subjects
}

// whole checks that each subject has exactly the one trace that it names, that this is whole, and that no document was
// lost on the way. It returns the traces.
func (s *system) whole(subjects []string) map[string]*tracetree.Tree {
	s.t.Helper()
	var traces []string
	for _, subject := range subjects {
		traces = append(traces, s.traceOf(subject))
	}
	trees := s.trees(traces...)
	for i, subject := range subjects {
		if found := s.annotated(subject); !slices.Equal(found, traces[i:i+1]) {
			s.t.Errorf("the subject of trace %s has the traces %v", traces[i], found)
		}
		if t := trees[traces[i]]; len(t.Roots) != 1 || t.Roots[0].Name != stageNode {
			s.t.Errorf("the trace does not begin at the API:\n%s", t)
		}
	}
	if d := s.Watch().Daemon; d.Lost() != 0 || d.Rejected != 0 {
		s.t.Errorf("%+v", d)
	}
	return trees
}

// limits let a load through.
var limits = map[string]string{"ThrottleRate": "10000", "ThrottleBurst": "10000", "RequestsBatchSize": "10", "ResponsesBatchSize": "10"}

// Promise 6: each subject has one trace, and what the trace map counts is what happened.
func TestTheTraceMapCountsWhatHappened(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: limits})
	subjects := s.mix(4*len(mixture), 8)
	trees := s.whole(subjects)

	var graph tracetree.Graph
	events, executions := map[string]int{}, map[string]int{} // deliveries by type; by service
	reads := 0                                               // of effects
	for _, tree := range trees {
		graph.Add(tree)
		for _, span := range tree.Spans {
			if span.Namespace == segment.NamespaceAWS && span.AWS.Operation == "GetItem" && span.AWS.TableName == s.Output("EffectTable") {
				reads++
			}
		}
		for _, c := range consumers(tree) {
			eventType := annotation(c, "event_type")
			events[eventType]++
			if c.Name != handlerNode {
				continue
			}
			service := eventType
			if !strings.HasPrefix(service, "com.") { // the workflow takes the others
				service = "arvo.orc.fulfilment"
			}
			executions[service]++
		}
	}
	nodes := map[tracetree.Node]int{}
	for _, n := range graph.Nodes() {
		nodes[n.Node] = n.Total
	}
	n := len(subjects)
	requests, responses := s.Received("RequestsQueueUrl"), s.Received("ResponsesQueueUrl")
	want := map[tracetree.Node]int{
		tracetree.Client: n,
		{Name: stageNode, Type: segment.OriginStage}:      n,
		{Name: apiNode, Type: segment.OriginLambda}:       n,
		{Name: apiNode, Type: segment.OriginFunction}:     n + responses, // AWS's of the request, and ours of each answer
		{Name: handlerNode, Type: segment.OriginFunction}: requests,
		{Name: busNode, Type: segment.OriginEvents}:       requests + responses,
		{Name: requestsNode, Type: segment.OriginQueue}:   requests,
		{Name: responsesNode, Type: segment.OriginQueue}:  responses,
	}
	for service, n := range executions {
		want[tracetree.Node{Name: service, Type: tracetree.TypeRemote}] = n
	}
	// A request with its key: a transaction, and the key's landing. An answer: itself, and the head.
	want[tracetree.Node{Name: s.Output("ResponseTable"), Type: segment.OriginTable}] = 2*n + 2*responses
	// An effect is one write. An undoing reads before what it undoes, and does both once more where that happens in between: the
	// workflow that asks for several things at a time undoes what may still be under way.
	undoings := executions["com.payment.refund"] + executions["com.inventory.release"]
	if reads < undoings || reads > 2*undoings {
		t.Errorf("%d undoings have read %d times", undoings, reads)
	}
	want[tracetree.Node{Name: s.Output("EffectTable"), Type: segment.OriginTable}] = requests - executions["arvo.orc.fulfilment"] - executions["com.workload.simulate"] - undoings + 2*reads
	// A step of a workflow reads and writes, and does both again when two answers race.
	workflows := tracetree.Node{Name: s.Output("WorkflowTable"), Type: segment.OriginTable}
	if steps := executions["arvo.orc.fulfilment"]; nodes[workflows] < 2*steps {
		t.Errorf("%d calls of %s in %d steps", nodes[workflows], workflows.Name, steps)
	}
	want[workflows] = nodes[workflows]
	if !maps.Equal(nodes, want) {
		for node := range nodes {
			if _, ok := want[node]; !ok {
				t.Errorf("%v: %d requests, and nobody expected it", node, nodes[node])
			}
		}
		for node, n := range want {
			if nodes[node] != n {
				t.Errorf("%v: %d requests, want %d", node, nodes[node], n)
			}
		}
	}
	for _, tree := range trees {
		for _, span := range tree.Spans {
			// A condition that does not hold is no failure. A busy machine makes calls that run out of time; no others fail.
			if span.Namespace == segment.NamespaceAWS && (span.Error || span.Fault) && !strings.Contains(fmt.Sprint(span.Cause), "deadline exceeded") {
				t.Errorf("%s %s: %+v", span.Name, span.AWS.Operation, span.Cause)
			}
		}
	}

	// The API counts the same. Traces of invocations, which are none of the subjects', have no such nodes.
	out, err := s.xray().GetServiceGraph(t.Context(), &xray.GetServiceGraphInput{StartTime: aws.Time(time.Now().Add(-time.Hour)), EndTime: aws.Time(time.Now())})
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range out.Services {
		node := tracetree.Node{Name: *service.Name, Type: *service.Type}
		switch node.Type {
		case segment.OriginEvents, segment.OriginQueue, segment.OriginTable, tracetree.TypeRemote, segment.OriginStage:
			if got := int(*service.SummaryStatistics.TotalCount); got != want[node] {
				t.Errorf("GetServiceGraph: %v has %d requests, want %d", node, got, want[node])
			}
		}
	}
}

// Promise 6 under faults: duplicates, refused entries, throttled and killed invocations break no trace.
func TestTracesAreWholeUnderFaults(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: limits, Faults: faults, Seed: 5})
	s.set("RequestsQueueUrl", "VisibilityTimeout", "3")
	s.set("ResponsesQueueUrl", "VisibilityTimeout", "3")
	n := 100
	if testing.Short() {
		n = len(mixture)
	}
	trees := s.whole(s.mix(n, 16))
	deliveries := 0
	for _, tree := range trees {
		deliveries += len(consumers(tree))
	}
	// A killed process takes the segments of what it was about along; the redelivery tells of the same hops again.
	if received := s.Received("RequestsQueueUrl") + s.Received("ResponsesQueueUrl"); deliveries > received {
		t.Errorf("%d deliveries are traced, and the queues have made %d", deliveries, received)
	}
}

// Promise 6 where a fifth of the processes die, and no client repeats a request of which it has heard nothing: each event that was
// received hangs on what sent it.
func TestTracesAreWholeAlsoWhereNobodyRepeats(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: limits, Faults: fault.Rates{Kill: 0.2}, Seed: 9})
	for _, queue := range []string{"RequestsQueueUrl", "ResponsesQueueUrl"} {
		s.set(queue, "VisibilityTimeout", "3") // what is still at work need not be done again: traces have a size
		s.redrive(queue, strings.Replace(queue, "Queue", "Dlq", 1), 100)
	}
	n := 60
	if testing.Short() {
		n = len(mixture)
	}
	refused := 0
	for i := range n {
		kind := mixture[i%len(mixture)]
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.APIURL()+"/events", strings.NewReader(`{"type":"`+kind.typ+`","data":`+kind.data+`}`))
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no request's process has died")
	}
	eventually(t, "nothing is on its way", func() bool { return s.Backlog() == 0 })
	s.arrived()
	var traces []string
	pages := xray.NewGetTraceSummariesPaginator(s.xray(), &xray.GetTraceSummariesInput{
		StartTime: aws.Time(time.Now().Add(-5 * time.Hour)), EndTime: aws.Time(time.Now().Add(time.Minute)), FilterExpression: aws.String(fmt.Sprintf("service(%q)", stageNode)),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, summary := range page.TraceSummaries {
			traces = append(traces, *summary.Id)
		}
	}
	if len(traces) != n {
		t.Errorf("%d requests have made %d traces", n, len(traces))
	}
	s.trees(traces...)
}

// foreign is a process outside of the system that reports the span of an event, and sends the event with its traceparent.
type foreign struct {
	trace segment.TraceID
	span  segment.ID
}

func (s *system) foreign(n byte) (f foreign) {
	s.t.Helper()
	f = foreign{segment.TraceID{0x6a, 0, 0, 0, 15: n}, segment.ID{0xf0, 7: n}}
	now := segment.At(time.Now())
	d := segment.Document{TraceID: f.trace, ID: f.span, Name: "somebody", Start: now, End: now}
	out, err := s.xray().PutTraceSegments(s.t.Context(), &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{string(d.AppendJSON(nil))}})
	if err != nil || len(out.UnprocessedTraceSegments) > 0 {
		s.t.Fatal(out, err)
	}
	return f
}

func (f foreign) stamp(event string, sampled bool) string {
	flags := "00"
	if sampled {
		flags = "01"
	}
	return strings.TrimSuffix(event, "}") + fmt.Sprintf(`,"traceparent":"00-%s-%s-%s"}`, f.trace.W3C(), f.span, flags)
}

func (s *system) lambda() *lambda.Client { return lambda.NewFromConfig(s.config) }

// timeout changes the timeout of a function.
func (s *system) timeout(function string, seconds int32) {
	s.t.Helper()
	if _, err := s.lambda().UpdateFunctionConfiguration(s.t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: &function, Timeout: &seconds}); err != nil {
		s.t.Fatal(err)
	}
}

// A client's own trace is recorded, so that it can be found, and never adopted: it would let strangers write into traces.
func TestAClientsTraceIsRecordedAndNotAdopted(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	for _, c := range []struct {
		name     string
		headers  []string
		recorded string
	}{
		{"one of its own", []string{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate", "vendor=1"}, "0af7651916cd43dd8448eb211c80319c"},
		{"one that is not sampled", []string{"traceparent", "00-0bf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}, "0bf7651916cd43dd8448eb211c80319c"},
		{"rubbish", []string{"traceparent", `";drop table <script>`, "tracestate", strings.Repeat("x=y,", 1000)}, ""},
		{"all zeros", []string{"traceparent", "00-00000000000000000000000000000000-0000000000000000-01"}, ""},
		{"rubbish in the header of X-Ray", []string{"X-Amzn-Trace-Id", "Root=1-zzz;Parent=;Sampled=maybe;;=;" + strings.Repeat("a", 2000)}, ""},
		{"none", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			subject := s.post("com.payment.charge", charge, c.headers...)
			v, _ := s.get(subject, 10)
			if v.Status != "completed" || v.TraceID != s.traceOf(subject) || c.recorded != "" && strings.ReplaceAll(v.TraceID[2:], "-", "") == c.recorded {
				t.Fatalf("%+v", v)
			}
			tree := s.tree(v.TraceID)
			var request *tracetree.Span
			for _, span := range tree.Spans {
				if span.Name == "POST /events" {
					request = span
				}
			}
			if request == nil {
				t.Fatalf("the request is not there:\n%s", tree)
			}
			if got := annotation(request, "client_trace_id"); got != c.recorded {
				t.Errorf("client_trace_id is %q, want %q", got, c.recorded)
			}
			if linked := len(request.Links) == 1 && request.Links[0].TraceID.W3C() == c.recorded; linked != (c.recorded != "") {
				t.Errorf("the links are %v", request.Links)
			}
			if c.recorded != "" {
				if docs := s.documents("1-" + c.recorded[:8] + "-" + c.recorded[8:]); len(docs) != 0 {
					t.Errorf("there are documents in the client's trace: %v", docs)
				}
			}
		})
	}
}

// Who sends the decision along has it obeyed, as API Gateway does it; without one, the template's rate decides.
func TestTheTemplatesRateDecidesAboutSampling(t *testing.T) {
	t.Parallel()
	t.Run("none", func(t *testing.T) {
		var mu sync.Mutex
		var lines []string
		s := start(t, stack.Config{Parameters: map[string]string{"TraceSampleRate": "0", "QueueFunctionTracing": "PassThrough"}, LogLine: func(_, line string) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, line)
		}})
		subjects := []string{s.post("com.payment.charge", charge), s.begin("2.0.0", good), s.post("com.workload.simulate", `{"fail":1}`)}
		poison := s.foreign(1)
		s.put(poison.stamp(event("poison", "p", "com.workload.simulate", "com.workload.simulate", `{"sleep_ms":"soon"}`), false))
		for _, subject := range subjects {
			if v, _ := s.get(subject, 10); v.Status == "pending" || v.TraceID != s.traceOf(subject) {
				t.Errorf("%+v", v)
			}
		}
		eventually(t, "the poison is told of", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "message failed") })
		})
		var traces []string
		for _, subject := range subjects {
			traces = append(traces, s.traceOf(subject))
		}
		if docs := s.documents(traces...); len(docs) != 0 {
			t.Errorf("documents although nothing is sampled: %v", docs)
		}
		traces = append(traces, poison.trace.String())
		if docs := s.documents(poison.trace.String())[poison.trace.String()]; len(docs) != 1 { // the stranger's
			t.Errorf("documents in a trace that is not sampled: %v", docs)
		}
		// The log tells the trace all the same.
		mu.Lock()
		written := slices.Clone(lines)
		mu.Unlock()
		for i, trace := range traces {
			if !slices.ContainsFunc(written, func(l string) bool { return strings.Contains(l, `"xray_trace_id":"`+trace+`"`) }) {
				t.Errorf("no line tells of trace %d, %s", i, trace)
			}
		}
		forced := s.post("com.payment.charge", charge, "X-Amzn-Trace-Id", "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Sampled=1")
		s.tree(s.traceOf(forced))
	})
	t.Run("a part", func(t *testing.T) {
		s := start(t, stack.Config{Parameters: map[string]string{"TraceSampleRate": "0.3", "ThrottleRate": "10000", "ThrottleBurst": "10000"}})
		const n = 300
		for range n {
			if status, _, _ := s.call("GET", "/contracts", ""); status != http.StatusOK {
				t.Fatal(status)
			}
		}
		if got := s.Watch().Traces.Traces; got < n*2/10 || got > n*4/10 { // four deviations
			t.Errorf("%d of %d requests are traced, 30 %% are due", got, n)
		}
	})
}

// A request that was kept and not published is published by its repetition, in another invocation: into the first's trace.
func TestARepeatedRequestGoesOnInTheTraceOfTheFirst(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Faults: fault.Rates{PutEvents: 0.9}, Seed: 2})
	s.timeout(apiNode, 2) // it gives up soon
	key, refused := "", false
	for i := 0; !refused; i++ {
		key = fmt.Sprint("again-", i)
		status, _, _ := s.call("POST", "/events", `{"type":"com.payment.charge","data":`+charge+`}`, "Idempotency-Key", key)
		if refused = status == http.StatusServiceUnavailable; i == 20 {
			t.Fatal("the bus took every request")
		}
	}
	s.timeout(apiNode, 15)
	for _, then := range []string{"when it is repeated", "when it is repeated after its answer"} {
		a := s.insist("com.payment.charge", charge, key)
		eventually(t, "it is answered", func() bool { v, _ := s.read(a.subject); return v.Status == "completed" })
		tree := s.whole([]string{a.subject})[s.traceOf(a.subject)]
		requests := 0
		for _, span := range tree.Spans {
			if span.IsCreation() && span.Parent.Name == "Invocation" { // not in the subsegment of the first request
				requests++
			}
		}
		if stage := tree.Roots[0]; stage.HTTP.Response.Status != http.StatusServiceUnavailable || requests != 1 {
			t.Errorf("%s: the first request's trace has %d events published by others:\n%s", then, requests, tree)
		}
	}
}

// A request that has been answered publishes nothing when it is repeated, and its trace is linked to the subject's all the same.
func TestARepeatedRequestIsLinkedToTheFirst(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	subject := s.post("com.payment.charge", charge, "Idempotency-Key", "k")
	if v, _ := s.get(subject, 10); v.Status != "completed" {
		t.Fatal(v)
	}
	status, again, header := s.call("POST", "/events", `{"type":"com.payment.charge","data":`+charge+`}`, "Idempotency-Key", "k")
	if status != http.StatusAccepted || again["subject"] != subject {
		t.Fatal(status, again)
	}
	trace := strings.TrimPrefix(strings.Split(header.Get("X-Amzn-Trace-Id"), ";")[0], "Root=")
	eventually(t, "the trace of the repeated request leads to the subject's", func() bool {
		return slices.ContainsFunc(tracetree.Build(s.documents(trace)[trace]).Spans, func(span *tracetree.Span) bool {
			return slices.ContainsFunc(span.Links, func(l segment.Link) bool { return l.TraceID.String() == s.traceOf(subject) })
		})
	})
}

// An event that somebody puts on the bus belongs to the trace that it or its entry names, and else to one that begins with
// the bus.
func TestEventsFromOutside(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	t.Run("with a traceparent", func(t *testing.T) {
		f := s.foreign(1)
		s.publish("", f.stamp(event("1", "outside-1", "com.payment.charge", "com.payment.charge", charge), true))
		if v, _ := s.get("outside-1", 10); v.Status != "completed" || v.TraceID != f.trace.String() {
			t.Errorf("%+v", v)
		}
		tree := s.tree(f.trace.String())
		if got := handled(tree, "com.payment.charge"); len(tree.Roots) != 1 || tree.Roots[0].Name != "somebody" || !slices.Equal(got, []string{"ok"}) {
			t.Errorf("%v\n%s", got, tree)
		}
	})
	t.Run("with a trace header", func(t *testing.T) {
		s.put(event("2", "outside-2", "com.payment.charge", "com.payment.charge", charge)) // its span is nobody's
		s.get("outside-2", 10)
		var tree *tracetree.Tree
		eventually(t, "both messages are traced", func() bool {
			tree = tracetree.Build(s.documents("1-65647c1a-2b3c4d5e6f708192a3b4c5d6")["1-65647c1a-2b3c4d5e6f708192a3b4c5d6"])
			return len(handled(tree, "evt.payment.charge.success")) == 1
		})
		// It hangs on what was put from outside, by somebody who reports elsewhere: the trace is whole all the same.
		notes := slices.DeleteFunc(tree.Notes(), func(p tracetree.Problem) bool { return p.Kind != tracetree.BeganElsewhere })
		if p := tree.Check(); len(p) != 0 || len(notes) != 1 || notes[0].Span.ParentID.String() != "53995c3f42cd8ad8" {
			t.Errorf("%v, %v\n%s", p, notes, tree)
		}
	})
	t.Run("without a trace, or with rubbish", func(t *testing.T) {
		for i, traceparent := range []string{"", "rubbish", "00-00000000000000000000000000000000-0000000000000000-01", strings.Repeat("0", 5000)} {
			var subject string
			var found []string
			// Lambda samples the first invocation of each second, and some of the others.
			eventually(t, "an invocation is sampled", func() bool {
				subject = fmt.Sprint("rubbish-", i, "-", time.Now().UnixNano())
				ev := event(subject, subject, "com.payment.charge", "com.payment.charge", charge)
				if traceparent != "" {
					ev = strings.TrimSuffix(ev, "}") + fmt.Sprintf(`,"traceparent":%q}`, traceparent)
				}
				s.publish("", ev)
				if v, _ := s.get(subject, 10); v.Status != "completed" {
					t.Fatalf("%q: %+v", traceparent, v)
				}
				found = s.annotated(subject)
				return len(found) > 0
			})
			tree := s.tree(found[0])
			if len(found) != 1 || tree.Roots[0].Name != busNode || tree.Roots[0].Origin != segment.OriginEvents || len(handled(tree, "evt.payment.charge.success")) != 1 {
				t.Errorf("%q: %v\n%s", traceparent, found, tree)
			}
		}
	})
}

// One poisonous message of ten fails in its own trace, and nowhere else.
func TestAPoisonousMessageIsSeenInItsOwnTraceOnly(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: map[string]string{"RequestsBatchSize": "10"}})
	s.receiveOnce("RequestsQueueUrl", "RequestsDlqUrl")
	s.enable("arvo-federated_handler", false)
	var senders []foreign
	for i := range 10 {
		f := s.foreign(byte(i + 1))
		senders = append(senders, f)
		data := "{}"
		if i == 4 {
			data = `{"sleep_ms":"soon"}`
		}
		s.publish("", f.stamp(event(fmt.Sprint("e-", i), fmt.Sprint("ten-", i), "com.workload.simulate", "com.workload.simulate", data), true))
	}
	eventually(t, "ten wait", func() bool { return s.depth("RequestsQueueUrl") == 10 })
	before := s.Invocations(handlerNode)
	s.enable("arvo-federated_handler", true)
	invocations := map[segment.TraceID]bool{}
	for i, f := range senders {
		tree := s.tree(f.trace.String())
		want, fault := "ok", false
		if i == 4 {
			want, fault = "failed", true
		} else {
			eventually(t, "the answer is traced", func() bool {
				tree = s.tree(f.trace.String())
				return len(handled(tree, "evt.workload.simulate.success")) == 1
			})
		}
		if got := handled(tree, "com.workload.simulate"); !slices.Equal(got, []string{want}) {
			t.Errorf("message %d: %v", i, got)
		}
		for _, span := range tree.Spans {
			if (span.Fault || span.Error) != fault && (fault == false || span.Name == handlerNode) {
				t.Errorf("message %d: %s says error %v, fault %v:\n%s", i, span.Name, span.Error, span.Fault, tree)
			}
			if span.Name == handlerNode {
				for _, l := range span.Links {
					invocations[l.TraceID] = true
				}
			}
		}
	}
	if n := s.Invocations(handlerNode) - before; n != 1 || len(invocations) > 1 {
		t.Errorf("%d invocations, %d traces of them: one batch was to be", n, len(invocations))
	}
}

// A message that no handler sees, because it holds no event that may be handled, fails in the trace that it names.
func TestAMessageThatIsRefusedFailsInItsTrace(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.receiveOnce("RequestsQueueUrl", "RequestsDlqUrl")
	f := s.foreign(1)
	detail := f.stamp(event("e-1", "refused", "com.payment.charge", "com.payment.charge", charge), true)
	for i, body := range []string{
		fmt.Sprintf(`{"id":"7bf73129-1428-4cd3-a780-95db273d1602","time":"2026-01-01T00:00:00Z","source":"somebody.else","detail-type":"com.payment.charge","detail":%s}`, detail),
		`{"id":"7bf73129-1428-4cd3-a780-95db273d1603","detail":{"subject":"refused"}}`,
		`{`,
	} {
		var header map[string]sqstypes.MessageSystemAttributeValue
		if i > 0 {
			header = map[string]sqstypes.MessageSystemAttributeValue{"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=" + f.trace.String() + ";Parent=" + f.span.String() + ";Sampled=1")}}
		}
		if _, err := s.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(s.Output("RequestsQueueUrl")), MessageBody: &body, MessageSystemAttributes: header}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "they are dead letters", func() bool { return s.depth("RequestsDlqUrl") == 3 })
	tree := s.tree(f.trace.String())
	list := consumers(tree)
	if len(list) != 3 || len(tree.Roots) != 1 {
		t.Fatalf("%d deliveries\n%s", len(list), tree)
	}
	causes, named := 0, 0
	for _, c := range list {
		if annotation(c, "subject") == "refused" {
			named++
		}
		for _, want := range []string{`is "somebody.else"`, "is no Arvo event", "is no EventBridge envelope"} {
			if c.Fault && c.Cause != nil && strings.Contains(c.Cause.Exceptions[0].Message, want) {
				causes++
			}
		}
	}
	if causes != 3 || named != 2 { // in the third nothing can be read
		t.Errorf("%d causes, %d subjects\n%s", causes, named, tree)
	}
}

// A rule may hand events to the function itself: the trace has the bus, and no queue.
func TestTheTraceOfAnEventStraightFromTheBus(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.unqueue("")
	subject := s.post("com.payment.charge", charge)
	if v, _ := s.get(subject, 10); v.Status != "completed" {
		t.Fatalf("%+v", v)
	}
	eventually(t, "nothing is on its way", func() bool { return s.Backlog() == 0 })
	tree := s.whole([]string{subject})[s.traceOf(subject)]
	direct := 0
	for _, span := range tree.Spans {
		if span.Name == handlerNode && span.Parent.IsBus() && annotation(span, "subject") == subject {
			direct++
		}
		if span.IsQueue() && span.Name != responsesNode {
			t.Errorf("there is a queue, %s", span.Name)
		}
	}
	if direct != 1 {
		t.Errorf("%d deliveries beneath the bus:\n%s", direct, tree)
	}
}

// A handler that runs out of time is told of as failed, with its service, and its trace is whole. Who does not heed the
// end of its context is told of as in progress: see the tests of package telemetry.
func TestAnInvocationThatRunsOutOfTime(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.receiveOnce("RequestsQueueUrl", "RequestsDlqUrl")
	s.set("RequestsQueueUrl", "VisibilityTimeout", "3")
	s.timeout(handlerNode, 2) // of which the last second is for the answer
	trace := s.traceOf(s.post("com.workload.simulate", `{"sleep_ms":12000}`))
	eventually(t, "the message is given up", func() bool { return s.depth("RequestsDlqUrl") == 1 })
	tree := s.tree(trace)
	list := consumers(tree)
	if len(list) != 1 || !list[0].Fault || annotation(list[0], "outcome") != "failed" || list[0].Cause == nil || list[0].End.Sub(list[0].Start) < time.Second/2 {
		t.Fatalf("%+v\n%s", list, tree)
	}
	if !slices.ContainsFunc(list[0].Children, func(s *tracetree.Span) bool { return s.Name == "com.workload.simulate" && s.Fault }) {
		t.Errorf("it is not told where the time went:\n%s", tree)
	}
}

// A service that never answers is answered for, in the trace of the call: the timeout follows the call's creation.
func TestATimeoutGoesOnInTheTraceOfTheCall(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: map[string]string{"OwnLambda": "com.payment.charge"}})
	s.enable("arvo-own_handler", false)
	subject := s.begin("1.0.0", good)
	s.awaits(subject, "com.payment.charge")
	s.anHourLater(subject)
	if v, _ := s.get(subject, 10); v.Status != "completed" {
		t.Fatalf("%+v", v)
	}
	s.enable("arvo-own_handler", true) // and the call is received in the end
	eventually(t, "nothing is on its way", func() bool { return s.Backlog() == 0 })
	tree := s.whole([]string{subject})[s.traceOf(subject)]
	if got := handled(tree, "sys.com.payment.charge.error"); !slices.Equal(got, []string{"ok"}) {
		t.Errorf("the timeout was handled %v:\n%s", got, tree)
	}
	followed := false
	for _, h := range tree.Hops() {
		if len(h.Consumers) == 1 && annotation(h.Consumers[0], "event_type") == "sys.com.payment.charge.error" {
			followed = h.Creation.Parent.IsCreation() && slices.ContainsFunc(h.Creation.Parent.Children, (*tracetree.Span).IsBus)
		}
	}
	if !followed {
		t.Errorf("the timeout does not hang on the call:\n%s", tree)
	}

	// The tick itself is nobody's: it belongs to the invocation that takes it.
	targets, err := s.events.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: aws.String("arvo-tick")})
	if err != nil {
		t.Fatal(err)
	}
	var trace string
	eventually(t, "a tick is sampled", func() bool {
		_, err := s.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(s.Output("RequestsQueueUrl")), MessageBody: targets.Targets[0].Input})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is taken", func() bool { return s.Backlog() == 0 })
		now := time.Now()
		out, err := s.xray().GetTraceSummaries(t.Context(), &xray.GetTraceSummariesInput{
			StartTime: aws.Time(now.Add(-time.Hour)), EndTime: aws.Time(now.Add(time.Minute)), FilterExpression: aws.String(`annotation.event_type = "arvo.clock.tick"`),
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.TraceSummaries) > 0 {
			trace = *out.TraceSummaries[0].Id
		}
		return trace != ""
	})
	if tree := s.tree(trace); tree.Roots[0].Name != handlerNode {
		t.Errorf("%s", tree)
	}
}

// Where X-Ray should not like segments that a stranger sends of a bus, they are left out, and the trace is whole without.
func TestWithoutSegmentsOfHops(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{Parameters: map[string]string{"QueueFunctionTracing": "PassThrough", "TraceHops": "off"}})
	subject := s.begin("1.0.0", good)
	if v, _ := s.get(subject, 10); v.Status != "completed" {
		t.Fatalf("%+v", v)
	}
	tree := s.whole([]string{subject})[s.traceOf(subject)]
	for _, span := range tree.Spans {
		if span.IsBus() || span.IsQueue() {
			t.Errorf("there is a hop, %s", span.Name)
		}
	}
	for _, c := range consumers(tree) {
		if c.Name == handlerNode && len(c.Links) != 0 {
			t.Errorf("a link to an invocation that is not traced: %v", c.Links)
		}
	}
	if n := len(handled(tree, "arvo.orc.fulfilment.done")); n != 1 {
		t.Errorf("the answer is handled %d times:\n%s", n, tree)
	}
}

// A collector gets the spans of the whole flow, under the ids that X-Ray has them by.
func TestACollectorGetsTheSpansToo(t *testing.T) {
	t.Parallel()
	type span struct{ TraceID, SpanID, ParentSpanID string }
	var mu sync.Mutex
	var spans []span
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var posted struct {
			ResourceSpans []struct {
				ScopeSpans []struct{ Spans []span }
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&posted); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.URL, r.Header, err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, resource := range posted.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				spans = append(spans, scope.Spans...)
			}
		}
	}))
	defer collector.Close()
	s := start(t, stack.Config{Parameters: map[string]string{"OtlpEndpoint": collector.URL}})
	subject := s.begin("1.0.0", good)
	if v, _ := s.get(subject, 10); v.Status != "completed" {
		t.Fatalf("%+v", v)
	}
	tree := s.whole([]string{subject})[s.traceOf(subject)]
	hops := tree.Hops()
	if len(hops) != 8 { // there and back of three services, and of the request
		t.Fatalf("%d hops in\n%s", len(hops), tree)
	}
	eventually(t, "the collector has every event, bus, queue and message", func() bool {
		mu.Lock()
		defer mu.Unlock()
		parents := make(map[string]string)
		for _, span := range spans {
			if span.TraceID == tree.Traces[0].W3C() {
				parents[span.SpanID] = span.ParentSpanID
			}
		}
		return !slices.ContainsFunc(hops, func(h tracetree.Hop) bool {
			return parents[h.Bus.ID.String()] != h.Creation.ID.String() || parents[h.Queue.ID.String()] != h.Bus.ID.String() || parents[h.Consumers[0].ID.String()] != h.Queue.ID.String()
		})
	})
}

// BenchmarkTraces has 1,000 subjects of the mixture handled under faults, and counts the traces that are not whole: broken
// ones, and those of which a document was lost.
func BenchmarkTraces(b *testing.B) {
	for _, c := range []struct {
		name   string
		faults fault.Rates
	}{
		{"load", fault.Rates{}},
		{"duplicates and errors", fault.Rates{Duplicate: 0.1, PutEvents: 0.05, Throttle: 0.03, Delay: 50 * time.Millisecond}},
		{"killed, too", faults},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				s := start(b, stack.Config{Parameters: limits, Faults: c.faults, Seed: 7})
				s.set("RequestsQueueUrl", "VisibilityTimeout", "3")
				s.set("ResponsesQueueUrl", "VisibilityTimeout", "3")
				subjects := s.mix(1000, 64)
				var traces []string
				for _, subject := range subjects {
					traces = append(traces, s.traceOf(subject))
				}
				_, problems := s.settle(traces)
				broken, lost, several := 0, 0, 0
				for i, trace := range traces {
					if found := s.annotated(subjects[i]); len(found) != 1 || found[0] != trace {
						several++
					}
					unexplained := slices.ContainsFunc(problems[trace], func(p tracetree.Problem) bool { return !p.Lost })
					switch {
					case len(problems[trace]) == 0:
						continue
					case unexplained:
						broken++
					default:
						lost++
					}
					if broken+lost <= 3 {
						b.Logf("subject %d, trace %s: %v", i, trace, problems[trace])
					}
				}
				b.ReportMetric(float64(len(subjects)-len(problems))/float64(len(subjects))*100, "whole-%")
				b.ReportMetric(float64(broken), "broken")
				b.ReportMetric(float64(lost), "lost")
				b.ReportMetric(float64(several), "not-one-trace")
				b.ReportMetric(float64(s.Watch().Daemon.Lost()), "documents-lost")
			}
		})
	}
}

// BenchmarkTraceReadable is how long after its completion the trace of a subject can be read, whole, through the API.
func BenchmarkTraceReadable(b *testing.B) {
	s := start(b, stack.Config{Parameters: limits})
	reader := newHeadReader(s)
	defer reader.stop()
	times := make([]time.Duration, 0, b.N)
	for range b.N {
		kind := mixture[len(times)%len(mixture)]
		subject := s.post(kind.typ, kind.data)
		<-reader.completed(subject)
		completed := time.Now()
		s.tree(s.traceOf(subject))
		times = append(times, time.Since(completed))
	}
	b.ReportMetric(median(times), "p50-ms")
	b.ReportMetric(milliseconds(times[len(times)-1]), "max-ms")
}
