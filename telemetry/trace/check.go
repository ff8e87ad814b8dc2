package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// How long --check waits for a trace that is still arriving, how often it looks, and how old a trace may be for that.
const (
	settleTime  = 10 * time.Second
	settlePause = 500 * time.Millisecond
	settledAge  = time.Minute
	youngAge    = 5 * time.Second // documents of a trace that ended so lately may be on their way without anybody missing them
)

// A verdict is what --check found.
type verdict struct {
	Whole     bool      `json:"whole"`
	Pending   string    `json:"pending,omitempty"` // what the subject waits for; of one that is whole so far, too
	Path      []node    `json:"path"`
	Problems  []problem `json:"problems"`
	Notes     []problem `json:"notes"` // what is strange and breaks nothing
	Questions []answer  `json:"questions"`

	full []segment.TraceID // of which X-Ray took no more, so that nobody can vouch for them
	cut  int               // problems that may come from nothing else
}

// A problem is one of [tracetree.Problem].
type problem struct {
	Kind string `json:"kind"`
	Lost bool   `json:"lost"`
	// Pending: it is what the subject waits for, and no fault of the trace. Unlike tracetree's Open, this looks at the clock.
	Pending bool   `json:"pending"`
	Span    string `json:"span,omitempty"` // its id
	Name    string `json:"name,omitempty"` // of the span
	Detail  string `json:"detail"`

	cut bool // it is lost, and there may be many like it: X-Ray took no more of the trace
}

// An answer settles a question that only a running X-Ray can answer.
type answer struct {
	Question string `json:"question"`
	Answer   string `json:"answer"` // one of the three below
	Evidence string `json:"evidence"`
}

const (
	yes        = "yes"
	no         = "no"
	cannotTell = "cannot tell"
)

// healing tells whether time may solve a problem of the trace: its last documents are on their way.
func healing(r *recording, t *tracetree.Tree, problems []tracetree.Problem) bool {
	if len(t.Spans) > 0 && time.Since(t.Times().End.Time()) > settledAge {
		return false
	}
	return slices.ContainsFunc(problems, func(p tracetree.Problem) bool {
		switch p.Kind {
		case tracetree.DanglingParent, tracetree.MissingHop, tracetree.InProgress:
			return !r.cut(p)
		}
		return false
	})
}

// newVerdict judges a trace of a recording. graph is the map that X-Ray draws of it, linked what is known of the traces that it links to.
func newVerdict(r *recording, t *tracetree.Tree, problems []tracetree.Problem, stands standing, graph []types.Service, linked *tracetree.Tree) *verdict {
	v := &verdict{Whole: len(problems) == 0 && len(r.full) == 0, Path: path(t), Problems: listed(problems), Notes: listed(t.Notes()), full: r.full}
	for i, p := range problems {
		v.Problems[i].Pending = stands.explains(p)
		if v.Problems[i].cut = r.cut(p); v.Problems[i].cut {
			v.cut++
		}
	}
	if stands.pending && !stands.stale {
		v.Pending = stands.text
	}
	v.Questions = []answer{
		foreignSegments(t, v.Pending != "" || len(r.full) > 0), hopsDraw(t, graph), eventsNode(t, graph), stageDecides(t), traceHeader(t, linked), linksStay(t),
	}
	return v
}

func listed(problems []tracetree.Problem) []problem {
	list := make([]problem, len(problems))
	for i, p := range problems {
		list[i] = problem{Kind: string(p.Kind), Lost: p.Lost, Detail: p.Detail}
		if p.Span != nil {
			list[i].Span, list[i].Name = p.Span.ID.String(), p.Span.Name
		}
	}
	return list
}

// path is the way to the end of the trace as nodes, those in a row once.
func path(t *tracetree.Tree) []node {
	list := []node{}
	spans := t.Path()
	if len(spans) > 0 && !spans[0].Dangling {
		list = append(list, node(tracetree.Client))
	}
	for _, s := range spans {
		n := node(s.Node())
		if n.Name == "" || s.Subsegment {
			continue
		}
		// The service and the function are nodes of their own; a reader of the way wants the name once.
		if len(list) > 0 && list[len(list)-1].Name == n.Name {
			list[len(list)-1] = n
			continue
		}
		list = append(list, n)
	}
	return list
}

// foreignSegments: what a function sends for a message belongs to the message's trace and not to its invocation's.
func foreignSegments(t *tracetree.Tree, pending bool) answer {
	a := answer{Question: "a function's daemon takes segments of another trace than the invocation's", Answer: cannotTell}
	published, received, reported := 0, 0, false
	functions := map[string]bool{}
	for _, h := range t.Hops() {
		if h.Creation != nil && h.Creation.Complete() && !h.Creation.Error && !h.Creation.Fault {
			published++
		}
		for _, c := range h.Consumers {
			received++
			functions[c.Name] = true
		}
		reported = reported || h.Bus != nil || h.Queue != nil
	}
	switch {
	case received > 0:
		a.Answer, a.Evidence = yes, fmt.Sprintf("%s of %s came with a message", count(received, "segment", "segments"), count(len(functions), "function", "functions"))
	case reported: // nobody but a receiver tells of the way there, and this one was killed, or is at work
		a.Answer, a.Evidence = yes, "a bus or a queue came, which only receivers report, and no segment of a receiver itself yet"
	case published > 0 && pending:
		a.Evidence = fmt.Sprintf("%s published, and no receiver's segment is in the trace yet: --wait 30s; if the subject has its answer all the same, no", count(published, "event was", "events were"))
	case published > 0:
		a.Answer, a.Evidence = no, fmt.Sprintf("%s published, and no receiver's segment is in the trace", count(published, "event was", "events were"))
	default:
		a.Evidence = "the trace publishes no event"
	}
	return a
}

// hopsDraw: buses and queues, which receivers report, are nodes of the map and on its edges.
func hopsDraw(t *tracetree.Tree, graph []types.Service) answer {
	a := answer{Question: "segments of buses and queues draw as nodes and edges", Answer: cannotTell}
	byNumber := make(map[int32]node)
	drawn := make(map[node]bool)
	for _, s := range graph {
		n := node{aws.ToString(s.Name), aws.ToString(s.Type)}
		drawn[n] = true
		byNumber[aws.ToInt32(s.ReferenceId)] = n
	}
	leads := make(map[edge]bool)
	for _, s := range graph {
		for _, e := range s.Edges {
			leads[edge{byNumber[aws.ToInt32(s.ReferenceId)], byNumber[aws.ToInt32(e.ReferenceId)]}] = true
		}
	}
	var nodes []node
	var edges []edge
	for _, h := range t.Hops() {
		if h.Bus != nil {
			nodes = append(nodes, node(h.Bus.Node()))
		}
		if h.Queue == nil {
			continue
		}
		q := node(h.Queue.Node())
		nodes = append(nodes, q)
		if h.Bus != nil {
			edges = append(edges, edge{node(h.Bus.Node()), q})
		}
		for _, c := range h.Consumers {
			edges = append(edges, edge{q, node(c.Node())})
		}
	}
	if len(nodes) == 0 {
		a.Evidence = "no bus and no queue was reported: ARVO_TRACE_HOPS is off, or no event was received"
		return a
	}
	if len(graph) == 0 {
		a.Evidence = "GetTraceGraph returned no map"
		return a
	}
	for _, n := range nodes {
		if !drawn[n] {
			a.Answer, a.Evidence = no, fmt.Sprintf("GetTraceGraph has no node %s of type %s", n.Name, n.Type)
			return a
		}
	}
	for _, e := range edges {
		if !leads[e] {
			a.Answer, a.Evidence = no, fmt.Sprintf("GetTraceGraph has no edge from %s to %s", e.From.Name, e.To.Name)
			return a
		}
	}
	a.Answer, a.Evidence = yes, fmt.Sprintf("GetTraceGraph has %s and %s", names(nodes), count(len(distinct(edges)), "edge", "edges"))
	return a
}

func names(nodes []node) string {
	var list []string
	for _, n := range distinct(nodes) {
		list = append(list, n.Name)
	}
	return strings.Join(list, ", ")
}

func distinct[T comparable](list []T) []T {
	var out []T
	for _, x := range list {
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// eventsNode: a call that nobody answers with a segment is drawn as an inferred node.
func eventsNode(t *tracetree.Tree, graph []types.Service) answer {
	a := answer{Question: "a PutEvents subsegment that no segment follows draws as the node Events", Answer: cannotTell}
	creations, open := 0, 0
	for _, s := range t.Spans {
		if !s.IsCreation() {
			continue
		}
		creations++
		if !slices.ContainsFunc(s.Children, func(c *tracetree.Span) bool { return !c.Subsegment && !c.Inferred }) {
			open++
		}
	}
	switch {
	case creations == 0:
		a.Evidence = "the trace publishes no event"
	case open == 0:
		a.Evidence = fmt.Sprintf("a bus or a receiver follows each of %s, so this map does not need it; the trace of an event that nobody receives shows it", count(creations, "subsegment", "subsegments"))
	case slices.ContainsFunc(graph, func(s types.Service) bool {
		return aws.ToString(s.Name) == "Events" && strings.HasPrefix(aws.ToString(s.Type), segment.OriginEvents)
	}):
		a.Answer, a.Evidence = yes, fmt.Sprintf("GetTraceGraph has it, for %s", count(open, "subsegment", "subsegments"))
	case len(graph) == 0:
		a.Evidence = "GetTraceGraph returned no map"
	default:
		a.Answer, a.Evidence = no, fmt.Sprintf("GetTraceGraph lacks it, for %s", count(open, "subsegment", "subsegments"))
	}
	return a
}

// stageDecides: the REST stage begins the trace, and the function obeys.
func stageDecides(t *tracetree.Tree) answer {
	a := answer{Question: "the REST stage's decision to sample reaches the function", Answer: cannotTell}
	for _, s := range t.Spans {
		if s.Subsegment || s.Origin != segment.OriginStage {
			continue
		}
		for _, f := range t.Spans {
			if f.Subsegment || f.Inferred || f.Origin != segment.OriginLambda && f.Origin != segment.OriginFunction {
				continue
			}
			for up := f.Parent; up != nil && !up.IsBus() && !up.IsQueue() && !up.IsCreation(); up = up.Parent {
				if up == s {
					a.Answer, a.Evidence = yes, fmt.Sprintf("%s hangs beneath %s", f.Name, s.Name)
					return a
				}
			}
		}
		a.Answer, a.Evidence = no, fmt.Sprintf("%s has a segment, and no function hangs beneath it", s.Name)
		return a
	}
	a.Evidence = "no segment of a stage is in the trace: it began elsewhere, or the stage does not trace"
	return a
}

// reserved begins the names of the attributes of links that AWS makes itself.
const reserved = "aws.xray.reserved."

// traceHeader: Lambda links the invocation of a batch to the traces that the messages carry in AWSTraceHeader. So a link of
// its making shows that EventBridge has passed the entry's TraceHeader on. Of an event of a foreign producer nobody knows whether the
// entry had one.
func traceHeader(t, linked *tracetree.Tree) answer {
	a := answer{Question: "messages that a rule puts in a queue carry AWSTraceHeader", Answer: cannotTell}
	ours := make(map[segment.TraceID]bool) // invocations that took events which this system has sent
	for _, h := range t.Hops() {
		for _, c := range h.Consumers {
			for _, l := range c.Links {
				ours[l.TraceID] = ours[l.TraceID] || h.Creation != nil
			}
		}
	}
	invocations := 0
	for _, s := range linked.Spans {
		if !s.Subsegment && s.Origin == segment.OriginFunction && ours[s.TraceID] {
			invocations++
		}
		for _, l := range s.Links {
			made := slices.ContainsFunc(l.Attributes, func(at segment.Attribute) bool { return strings.HasPrefix(at.Key, reserved) })
			if made && slices.Contains(t.Traces, l.TraceID) {
				a.Answer, a.Evidence = yes, fmt.Sprintf("Lambda has linked the invocation %s to this trace", s.TraceID)
				return a
			}
		}
	}
	switch {
	case len(ours) == 0:
		a.Evidence = "no segment says which invocation it came from: invocations are not traced (QueueFunctionTracing) or were not sampled, which is luck: try other subjects"
	case invocations == 0:
		a.Evidence = "the traces of the invocations are not there, or they took events of others: try other subjects"
	default:
		a.Answer, a.Evidence = no, fmt.Sprintf("Lambda has linked none of %s to this trace", count(invocations, "invocation", "invocations"))
	}
	return a
}

// linksStay: X-Ray stores links that are not its own.
func linksStay(t *tracetree.Tree) answer {
	a := answer{Question: "links that functions send are kept", Answer: cannotTell}
	n := 0
	for _, s := range t.Spans {
		for _, l := range s.Links {
			if !slices.ContainsFunc(l.Attributes, func(at segment.Attribute) bool { return strings.HasPrefix(at.Key, reserved) }) {
				n++
			}
		}
	}
	if n == 0 {
		a.Evidence = "no document has one: X-Ray dropped them, or no invocation was sampled; if no subject has any, it dropped them"
		return a
	}
	a.Answer, a.Evidence = yes, fmt.Sprintf("BatchGetTraces returns %s; whether the console draws them, only a look there tells", count(n, "link", "links"))
	return a
}

const label = 9 // columns of the labels and the space after them

// write tells a person.
func (v *verdict) write(w io.Writer, s screen, endpoint string) error {
	var b strings.Builder
	line := func(name string, p paint, text string) {
		for i, part := range s.hang(text, 0, label+2) {
			if i == 0 {
				fmt.Fprintf(&b, "%s %s\n", s.in(dim, fmt.Sprintf("%-*s", label-1, name)), s.in(p, part))
			} else {
				fmt.Fprintln(&b, strings.Repeat(" ", label+2)+s.in(p, part))
			}
		}
	}
	b.WriteString("\n" + s.in(bold, "check") + "\n")
	way := make([]string, len(v.Path))
	for i, n := range v.Path {
		way[i] = visible(n.Name)
	}
	line("path", plain, strings.Join(way, " → "))
	lost, broken, open, pending := 0, 0, 0, 0
	for _, id := range v.full {
		line("cut", yellow, id.String()+": X-Ray took no more of it, by its limit of size")
	}
	for _, p := range v.Problems {
		if p.cut {
			continue // its row tells
		}
		name, what, where := "broken", p.Kind+": "+p.Detail, ""
		switch {
		case p.Pending:
			name, what = "pending", p.Detail+" yet"
			pending++
		case p.Lost:
			name = "lost"
			lost++
		case p.Kind == string(tracetree.InProgress):
			name = "open"
			open++
		default:
			broken++
		}
		if p.Span != "" {
			where = visible(p.Name) + " " + p.Span + ": "
		}
		line(name, yellow, where+visible(what))
	}
	for _, n := range v.Notes {
		where := ""
		if n.Span != "" {
			where = visible(n.Name) + " " + n.Span + ": "
		}
		line("note", cyan, where+n.Kind+": "+visible(n.Detail))
	}
	for i, a := range v.Questions {
		p := yellow
		switch a.Answer {
		case yes:
			p = green
		case no:
			p = red
		}
		name := ""
		if i == 0 {
			name = "live"
		}
		line(name, p, a.Answer+": "+a.Question)
		line("", dim, hookedUnder+visible(a.Evidence))
	}
	if endpoint != "" {
		line("", dim, "this is what "+visible(endpoint)+" does; for AWS, ask AWS")
	}
	switch {
	case v.Whole:
		text := "whole"
		if v.Pending != "" {
			text += " so far"
		}
		text += ": one trace, no parent missing, every hop there"
		if n := len(v.Notes); n > 0 {
			text += "; " + count(n, "note", "notes")
		}
		if v.Pending != "" {
			text += "; pending: " + visible(v.Pending)
		}
		line("verdict", green, text)
	case v.cut == len(v.Problems):
		text := "cannot tell: X-Ray took no more of this trace than its limit of size allows"
		if v.cut > 0 {
			text += "; what follows " + count(v.cut, "part", "parts") + " of it is missing"
		}
		line("verdict", yellow, text)
	case pending == len(v.Problems):
		line("verdict", yellow, "pending, and sound so far: "+visible(v.Pending))
	default:
		var parts []string
		for _, part := range []struct {
			n         int
			one, many string
		}{
			{broken, "break", "breaks"}, {lost, "document lost on its way, by a sound trace", "documents lost on their way, by a sound trace"}, {open, "part still in progress", "parts still in progress"},
			{pending, "part still awaited", "parts still awaited"},
			{v.cut, "part that X-Ray's limit of size cut off", "parts that X-Ray's limit of size cut off"},
		} {
			if part.n > 0 {
				parts = append(parts, count(part.n, part.one, part.many))
			}
		}
		line("verdict", red, "not whole: "+strings.Join(parts, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// problemsOf is the tree's check, with the names of queues that only other traces tell of, if it needs them.
func problemsOf(ctx context.Context, api xrayAPI, t *tracetree.Tree) ([]tracetree.Problem, error) {
	problems := t.Check()
	unexplained := slices.ContainsFunc(problems, func(p tracetree.Problem) bool { return p.Kind == tracetree.DanglingParent && !p.Lost })
	if !unexplained {
		return problems, nil
	}
	queues, err := queuesNear(ctx, api, t.Times().Start.Time())
	if err != nil || len(queues) == 0 {
		return problems, err
	}
	return t.Check(queues...), nil
}
