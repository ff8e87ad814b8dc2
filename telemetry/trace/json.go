package main

import (
	"encoding/json"
	"io"
	"time"

	"example.com/arvo/telemetry/tracetree"
)

// report is what --json writes. See the package comment.
type report struct {
	TraceID    string            `json:"traceId"`
	Subject    string            `json:"subject"`
	Start      time.Time         `json:"start"`
	DurationMs float64           `json:"durationMs"`
	WaitMs     float64           `json:"waitMs"`
	WorkMs     float64           `json:"workMs"`
	Nodes      []node            `json:"nodes"`
	Edges      []edge            `json:"edges"`
	Segments   []json.RawMessage `json:"segments"`
	Pending    bool              `json:"pending,omitempty"`
	Logs       []logEntry        `json:"logs,omitempty"`
	Check      *verdict          `json:"check,omitempty"`
}

type node struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type edge struct {
	From node `json:"from"`
	To   node `json:"to"`
}

func newReport(q *question, t *tracetree.Tree, r *recording) *report {
	times, graph := t.Times(), t.Graph()
	out := &report{
		Subject: subjectOf(q, t), Start: times.Start.Time(),
		DurationMs: milliseconds(times.Duration), WaitMs: milliseconds(times.Wait()), WorkMs: milliseconds(times.Work),
		Nodes: []node{}, Edges: []edge{}, Segments: r.raw,
	}
	if len(t.Traces) > 0 {
		out.TraceID = t.Traces[0].String()
	} else if !q.trace.IsZero() {
		out.TraceID = q.trace.String()
	}
	if out.Segments == nil {
		out.Segments = []json.RawMessage{}
	}
	for _, n := range graph.Nodes() {
		out.Nodes = append(out.Nodes, node(n.Node))
	}
	for _, e := range graph.Edges() {
		out.Edges = append(out.Edges, edge{node(e.From), node(e.To)})
	}
	return out
}

func (r *report) write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
