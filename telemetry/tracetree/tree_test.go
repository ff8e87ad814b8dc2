package tracetree

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"example.com/arvo/telemetry/segment"
)

var update = flag.Bool("update", false, "write the golden files")

var trace = segment.TraceID{0x65, 0x4c, 0x05, 0x57, 15: 1}

// epoch is when the traces of these tests begin.
const epoch segment.Time = 1699480919_000000

func id(n int) segment.ID { return segment.ID{0xaa, 6: byte(n >> 8), 7: byte(n)} }

// doc is a segment from one millisecond of the trace to another. end < 0 is in progress.
func doc(n, parent int, name, origin string, start, end int, subs ...segment.Document) segment.Document {
	d := segment.Document{TraceID: trace, ID: id(n), Name: name, Origin: origin, Start: ms(start), Subsegments: subs}
	if parent != 0 {
		d.ParentID = id(parent)
	}
	if end < 0 {
		d.InProgress = true
	} else {
		d.End = ms(end)
	}
	return d
}

func ms(n int) segment.Time { return epoch.Add(time.Duration(n) * time.Millisecond) }

// sub is an embedded subsegment.
func sub(n int, name, namespace string, start, end int, subs ...segment.Document) segment.Document {
	d := doc(n, 0, name, "", start, end, subs...)
	d.TraceID, d.Namespace = segment.TraceID{}, namespace
	return d
}

func table(n int, name string, start, end int) segment.Document {
	d := sub(n, "DynamoDB", "aws", start, end)
	d.AWS = &segment.AWS{Operation: "PutItem", TableName: name}
	return d
}

func creation(n, start, end int) segment.Document {
	d := sub(n, "Events", "aws", start, end)
	d.AWS = &segment.AWS{Operation: "PutEvents", ResourceNames: []string{"bus"}}
	return d
}

func busID(creation int) segment.ID {
	return segment.HopID(trace, id(creation), segment.OriginEvents, "bus")
}

func queueID(creation int, queue string) segment.ID {
	return segment.HopID(trace, busID(creation), segment.OriginQueue, queue)
}

// hops are the bus and queue segments that the receiver of an event reports.
func hops(creation int, queue string, published, sent, received int) []segment.Document {
	bus := doc(0, creation, "bus", segment.OriginEvents, published, sent)
	bus.ID = busID(creation)
	q := doc(0, 0, queue, segment.OriginQueue, sent, received)
	q.ID, q.ParentID = queueID(creation, queue), bus.ID
	return []segment.Document{bus, q}
}

// received is the segment of the function that received the event from the queue.
func received(n, creation int, queue, function string, start, end int, subs ...segment.Document) segment.Document {
	d := doc(n, 0, function, segment.OriginFunction, start, end, subs...)
	d.ParentID = queueID(creation, queue)
	return d
}

// charge is the whole trace of a subject: a request is accepted, one service charges, the response is stored.
func charge() []segment.Document {
	stage := doc(1, 0, "arvo/Prod", segment.OriginStage, 0, 30, sub(2, "Lambda", "aws", 1, 29))
	stage.HTTP = &segment.HTTP{Response: segment.Response{Status: 202}}
	request := doc(5, 4, "POST /events", "", 6, 26, table(6, "responses", 7, 12), creation(7, 13, 25))
	request.Type = segment.TypeSubsegment
	handler := received(20, 7, "requests", "federated_handler", 100, 160,
		sub(21, "com.payment.charge", "remote", 101, 140, table(22, "effects", 110, 120)), creation(23, 145, 155))
	handler.Links = []segment.Link{{TraceID: segment.TraceID{15: 9}, ID: id(900)}}
	docs := []segment.Document{
		stage,
		doc(3, 2, "api_lambda", segment.OriginLambda, 2, 28),
		doc(4, 3, "api_lambda", segment.OriginFunction, 5, 27, sub(40, "Invocation", "", 5, 27)),
		request,
		handler,
		received(30, 23, "responses", "api_lambda", 200, 220, table(31, "responses", 202, 210), table(32, "responses", 211, 219)),
	}
	docs = append(docs, hops(7, "requests", 13, 50, 100)...)
	return append(docs, hops(23, "responses", 145, 180, 200)...)
}

func TestTrees(t *testing.T) {
	with := func(docs []segment.Document, change func([]segment.Document) []segment.Document) []segment.Document {
		return change(docs)
	}
	other := segment.TraceID{15: 2}
	for _, test := range []struct {
		name string
		docs []segment.Document
	}{
		{"no documents make no tree", nil},
		{"the trace of a subject is one tree from the request to the response", charge()},
		{"hops switched off hang consumers on the event", []segment.Document{
			doc(1, 0, "api_lambda", segment.OriginFunction, 0, 10, creation(2, 1, 5)), doc(3, 2, "federated_handler", segment.OriginFunction, 60, 70)}},
		{"two deliveries hang beneath one queue", append(charge(), received(50, 7, "requests", "federated_handler", 300, 310))},
		{"a fault in one branch leaves the other alone", with(charge(), func(docs []segment.Document) []segment.Document {
			docs[4].Fault = true
			docs[4].Subsegments[0].Fault = true
			return docs
		})},
		{"a lost document leaves a root that dangles", slices.DeleteFunc(charge(), func(d segment.Document) bool { return d.ID == busID(7) })},
		{"subsegments without their segment keep their children", charge()[3:4]},
		{"documents of two traces share ids and nothing else", []segment.Document{
			doc(1, 0, "a", "", 0, 5), func() segment.Document { d := doc(1, 0, "b", "", 1, 5); d.TraceID = other; return d }(),
			doc(2, 1, "c", "", 2, 5), func() segment.Document { d := doc(2, 1, "d", "", 3, 5); d.TraceID = other; return d }()}},
		{"its own parent is a root", []segment.Document{doc(1, 1, "a", "", 0, 5), doc(2, 1, "b", "", 1, 5)}},
		{"a cycle is cut before its first span", []segment.Document{doc(1, 3, "a", "", 0, 5), doc(2, 1, "b", "", 1, 5), doc(3, 2, "c", "", 2, 5), doc(4, 3, "d", "", 3, 5)}},
		{"a segment beneath its own subsegment is a cycle", []segment.Document{doc(1, 2, "a", "", 0, 5, sub(2, "s", "", 1, 4))}},
		{"a complete document overwrites one in progress with all that is in it", []segment.Document{
			doc(1, 0, "a", "", 0, 9, sub(3, "done", "", 1, 8)), doc(1, 0, "a", "", 0, -1, sub(2, "open", "", 1, -1))}},
		{"of two complete documents the one that ends later stays", []segment.Document{doc(1, 0, "late", "", 0, 9), doc(1, 0, "early", "", 0, 5)}},
		{"calls are inferred from by what they call", []segment.Document{doc(1, 0, "f", segment.OriginFunction, 0, 90,
			table(2, "orders", 1, 2), sub(3, "DynamoDB", "aws", 3, 4), sub(4, "Events", "aws", 5, 6), sub(5, "www.example.com", "remote", 7, 8),
			func() segment.Document {
				d := sub(6, "SQS", "aws", 9, 10)
				d.AWS = &segment.AWS{QueueURL: "https://sqs.us-east-1.amazonaws.com/000000000000/requests"}
				return d
			}(),
			sub(7, "SQS", "aws", 11, 12), sub(8, "own work", "", 13, 14), sub(9, "Lambda", "aws", 15, -1),
			func() segment.Document {
				d := sub(10, "traced.example.com", "remote", 16, 17)
				d.HTTP = &segment.HTTP{Request: segment.Request{Traced: true}}
				return d
			}())}},
		{"a real segment replaces an inferred one", []segment.Document{
			doc(1, 0, "f", segment.OriginFunction, 0, 90, creation(2, 1, 5)),
			func() segment.Document {
				d := doc(3, 2, "Events", segment.OriginEvents, 1, 5)
				d.Inferred = true
				return d
			}(),
			doc(4, 2, "bus", segment.OriginEvents, 2, 9)}},
		{"an inferred segment that came is not made again", []segment.Document{
			doc(1, 0, "f", segment.OriginFunction, 0, 90, creation(2, 1, 5)),
			func() segment.Document {
				d := doc(3, 2, "Events", segment.OriginEvents, 1, 5)
				d.Inferred = true
				return d
			}()}},
		{"documents without ids have no place", []segment.Document{{Name: "x"}, {TraceID: trace, Name: "y"}, {ID: id(1), Name: "z"}, doc(1, 0, "a", "", 0, 1, segment.Document{Name: "w"})}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			tree := Build(test.docs)
			fmt.Fprintf(&b, "%s\n\n%s", test.name, tree)
			writeFindings(&b, tree)
			file := filepath.Join("testdata", strings.ReplaceAll(test.name, " ", "_")+".txt")
			golden(t, file, b.String())
			checkTree(t, tree)
		})
	}
}

// writeFindings adds to a golden file what else the package says of a tree.
func writeFindings(b *strings.Builder, tree *Tree) {
	g := tree.Graph()
	b.WriteString("\nnodes\n")
	for _, n := range g.Nodes() {
		fmt.Fprintf(b, "  %s  %s\n", nodeText(n.Node), statsText(n.Stats))
	}
	b.WriteString("edges\n")
	for _, e := range g.Edges() {
		fmt.Fprintf(b, "  %s -> %s  %s\n", nodeText(e.From), nodeText(e.To), statsText(e.Stats))
	}
	times := tree.Times()
	fmt.Fprintf(b, "times\n  duration %v = work %v + queue %v + bus %v + untraced %v\n", times.Duration, times.Work, times.Queue, times.Bus, times.Untraced)
	b.WriteString("hops\n")
	for _, h := range tree.Hops() {
		fmt.Fprintf(b, "  %s > %s > %s > %d consumers, transit %v, wait %v\n", spanText(h.Creation), spanText(h.Bus), spanText(h.Queue), len(h.Consumers), h.Transit(), h.Wait())
	}
	b.WriteString("path\n ")
	for _, s := range tree.Path() {
		b.WriteString(" > " + s.Name)
	}
	b.WriteString("\nproblems\n")
	for _, p := range tree.Check() {
		fmt.Fprintf(b, "  %s\n", p)
	}
}

func nodeText(n Node) string { return fmt.Sprintf("%s [%s]", n.Name, n.Type) }

func statsText(s Stats) string {
	text := fmt.Sprintf("%d ok", s.OK)
	for _, c := range []struct {
		n    int
		what string
	}{{s.Error, "error"}, {s.Throttle, "throttle"}, {s.Fault, "fault"}} {
		if c.n > 0 {
			text += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	return fmt.Sprintf("%s of %d in %v", text, s.Total, s.Time)
}

func spanText(s *Span) string {
	if s == nil {
		return "-"
	}
	return s.Name
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// checkTree holds what every tree promises.
func checkTree(t interface{ Errorf(string, ...any) }, tree *Tree) {
	seen := make(map[*Span]bool)
	for i, s := range tree.Spans {
		if seen[s] {
			t.Errorf("%s comes twice", s.Name)
		}
		seen[s] = true
		if s.Parent == nil {
			if s.Depth() != 0 || !slices.Contains(tree.Roots, s) {
				t.Errorf("%s has no parent and is no root", s.Name)
			}
		} else if !seen[s.Parent] || s.Depth() != s.Parent.Depth()+1 || !slices.Contains(s.Parent.Children, s) || s.ParentID != s.Parent.ID {
			t.Errorf("%s is not beneath its parent", s.Name)
		}
		if !slices.IsSortedFunc(s.Children, byTime) {
			t.Errorf("the children of %s are out of order", s.Name)
		}
		if i > 0 && s.Depth() > tree.Spans[i-1].Depth()+1 {
			t.Errorf("%s is out of order", s.Name)
		}
		if len(s.Subsegments) > 0 || s.TraceID.IsZero() {
			t.Errorf("%s: %d subsegments, trace %v", s.Name, len(s.Subsegments), s.TraceID)
		}
	}
	times := tree.Times()
	if times.Work < 0 || times.Queue < 0 || times.Bus < 0 || times.Untraced < 0 || times.Work+times.Queue+times.Bus+times.Untraced != times.Duration {
		t.Errorf("times do not add up: %+v", times)
	}
}

// TestOrderIsNothing draws documents that share few ids, with cycles and duplicates, and gives them in two orders.
func TestOrderIsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ids = 12
		var draw func(label string, depth int) segment.Document
		draw = func(label string, depth int) segment.Document {
			n := rapid.IntRange(1, ids).Draw(t, label)
			start := rapid.IntRange(0, 5).Draw(t, "start")
			d := doc(n, rapid.IntRange(0, ids).Draw(t, "parent"), rapid.SampledFrom([]string{"a", "Events", "DynamoDB"}).Draw(t, "name"),
				rapid.SampledFrom([]string{"", segment.OriginEvents, segment.OriginQueue, segment.OriginFunction}).Draw(t, "origin"),
				start, rapid.SampledFrom([]int{-1, start, start + 1, start + 4, 0}).Draw(t, "end"))
			d.Namespace = rapid.SampledFrom([]string{"", "aws", "remote"}).Draw(t, "namespace")
			d.Inferred = rapid.IntRange(0, 4).Draw(t, "inferred") == 0
			d.Fault = rapid.Bool().Draw(t, "fault")
			if rapid.Bool().Draw(t, "independent") {
				d.Type = segment.TypeSubsegment
			}
			if d.Name == "Events" {
				d.AWS = &segment.AWS{Operation: "PutEvents", ResourceNames: []string{"bus"}}
			}
			if depth > 0 {
				for range rapid.IntRange(0, 2).Draw(t, "subsegments") {
					d.Subsegments = append(d.Subsegments, draw("sub", depth-1))
				}
			}
			return d
		}
		var docs []segment.Document
		for range rapid.IntRange(0, 15).Draw(t, "documents") {
			docs = append(docs, draw("id", 2))
		}
		tell := func(docs []segment.Document) string {
			var b strings.Builder
			tree := Build(docs)
			checkTree(t, tree)
			for _, s := range tree.Spans {
				fmt.Fprintf(&b, "%d %s %v %v\n", s.Depth(), s.AppendJSON(nil), s.Dangling, s.Cyclic)
			}
			writeFindings(&b, tree)
			// The inferred documents are part of what X-Ray's API returns: with them, the tree is the same.
			again := Build(append(slices.Clone(docs), tree.Inferred()...))
			if again.String() != tree.String() {
				t.Errorf("with its inferred segments, the tree is another:\n%s\n%s", tree, again)
			}
			return b.String()
		}
		shuffled := rapid.Permutation(docs).Draw(t, "shuffled")
		if diff := cmp.Diff(tell(docs), tell(shuffled)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestHostile builds trees that would take a recursion or a careless loop down.
func TestHostile(t *testing.T) {
	const n = 10_000
	chain := func(parent func(i int) int) []segment.Document {
		docs := make([]segment.Document, n)
		for i := range docs {
			docs[i] = doc(i+1, parent(i), "s", segment.OriginFunction, i%50, i%50+10)
		}
		return docs
	}
	working := chain(func(int) int { return n + 1 })
	for i := range working {
		working[i].End, working[i].InProgress = 0, true
	}
	working = append(working, doc(n+1, 0, "q", segment.OriginQueue, 0, 5))
	deep := sub(1, "s", "aws", 0, 1)
	for i := range 5000 {
		deep = sub(i+2, "s", "aws", 0, 1, deep)
	}
	deep.TraceID = trace
	consumers := []segment.Document{doc(1, 0, "f", segment.OriginFunction, 0, 1)}
	for i := range n {
		c := creation(i+2, 0, 1)
		c.AWS.ResourceNames = []string{fmt.Sprint("bus", i)}
		consumers[0].Subsegments = append(consumers[0].Subsegments, c)
	}
	consumers = append(consumers, doc(60000, 60001, "g", segment.OriginFunction, 5, 6))
	for name, docs := range map[string][]segment.Document{
		"a chain":                    chain(func(i int) int { return i }),
		"a chain upside down":        chain(func(i int) int { return (i + 2) % (n + 1) }),
		"one cycle":                  chain(func(i int) int { return (i+1)%n + 1 }),
		"pairs that cycle":           chain(func(i int) int { return i ^ 1 + 1 }),
		"all their own parent":       chain(func(i int) int { return i + 1 }),
		"all beneath one":            chain(func(i int) int { return min(i, 1) }),
		"all roots":                  chain(func(int) int { return 0 }),
		"deliveries without an end":  working,
		"all with one id":            slices.Repeat([]segment.Document{doc(1, 0, "s", "", 0, 1)}, n),
		"deep subsegments":           {deep},
		"events and one lost parent": consumers,
	} {
		t.Run(name, func(t *testing.T) {
			tree := Build(docs)
			if len(tree.Spans) == 0 {
				t.Error("nothing came of it")
			}
			tree.Graph()
			tree.Path()
			tree.Hops()
			tree.Check()
			tree.Notes()
			for _, h := range tree.Hops() {
				h.Deliveries()
			}
			_ = tree.String()
		})
	}
}

func TestPathEndsWhereTheTraceEnds(t *testing.T) {
	var names []string
	for _, s := range Build(charge()).Path() {
		names = append(names, s.Name)
	}
	want := []string{"arvo/Prod", "Lambda", "api_lambda", "api_lambda", "POST /events", "Events", "bus", "requests", "federated_handler", "Events", "bus", "responses", "api_lambda"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPathGoesOnToWhatAnAnswerWaitedFor, and not to what became of an event that was sent meanwhile.
func TestPathGoesOnToWhatAnAnswerWaitedFor(t *testing.T) {
	receiver := doc(20, 12, "federated_handler", segment.OriginFunction, 12, 20)
	docs := []segment.Document{
		doc(1, 0, "arvo/Prod", segment.OriginStage, 0, 30, sub(2, "Lambda", segment.NamespaceAWS, 1, 29)),
		doc(10, 2, "api_lambda", segment.OriginFunction, 2, 28, sub(11, "DynamoDB", segment.NamespaceAWS, 3, 9), creation(12, 10, 27)),
		receiver,
	}
	var names []string
	for _, s := range Build(docs).Path() {
		names = append(names, s.Name)
	}
	if diff := cmp.Diff([]string{"arvo/Prod", "Lambda", "api_lambda"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	tree := Build(charge())
	if s := tree.Find(trace, id(22)); s == nil || s.Name != "DynamoDB" || s.Segment() == nil || s.Segment().Name != "federated_handler" {
		t.Errorf("%+v", s)
	}
	if s := tree.Find(segment.TraceID{15: 7}, id(22)); s != nil {
		t.Errorf("found in another trace: %+v", s)
	}
	if len(tree.Linked) != 1 || tree.Linked[0] != (segment.TraceID{15: 9}) {
		t.Errorf("linked traces: %v", tree.Linked)
	}
}

func BenchmarkBuild(b *testing.B) {
	docs := charge()
	for b.Loop() {
		Build(docs)
	}
}

func BenchmarkBuild10000(b *testing.B) {
	docs := make([]segment.Document, 10_000)
	for i := range docs {
		docs[i] = doc(i+1, i/2, "s", segment.OriginFunction, i, i+10)
	}
	for b.Loop() {
		Build(docs)
	}
}
