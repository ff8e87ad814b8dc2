package xray

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/lambdas/local/watch/traces"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

const maxTraceIDs = 5 // of BatchGetTraces

type batchGetTracesIn struct {
	TraceIDs  []string `json:"TraceIds"`
	NextToken string
}

type batchGetTracesOut struct {
	Traces              []traceJSON
	UnprocessedTraceIDs []string `json:"UnprocessedTraceIds"`
}

type traceJSON struct {
	ID            string `json:"Id"`
	Duration      float64
	LimitExceeded bool
	Segments      []segmentJSON
}

type segmentJSON struct {
	ID       string `json:"Id"`
	Document string
}

func (a *API) batchGetTraces(_ context.Context, in *batchGetTracesIn) (*batchGetTracesOut, error) {
	if len(in.TraceIDs) == 0 || len(in.TraceIDs) > maxTraceIDs {
		return nil, invalid("TraceIds has %d ids, from 1 to %d are due", len(in.TraceIDs), maxTraceIDs)
	}
	if err := (&page{in.NextToken}).single(); err != nil {
		return nil, err
	}
	out := &batchGetTracesOut{Traces: []traceJSON{}, UnprocessedTraceIDs: []string{}}
	seen := map[segment.TraceID]bool{}
	for _, text := range in.TraceIDs {
		id, err := segment.ParseTraceID(text)
		if err != nil {
			return nil, invalid("TraceIds: %v", err)
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		t, ok := a.options.Store.Trace(id)
		if !ok {
			out.UnprocessedTraceIDs = append(out.UnprocessedTraceIDs, text)
			continue
		}
		out.Traces = append(out.Traces, traceJSON{id.String(), seconds(t.Duration()), t.Full, segments(t)})
	}
	return out, nil
}

// maxNesting is how deep a subsegment that was sent by itself may come to stand. Deeper ones stand alone.
const maxNesting = 64

// segments are the documents of a trace as BatchGetTraces shows them.
func segments(t *traces.Trace) []segmentJSON {
	tree := t.Tree()
	placed := make(map[segment.ID]*tracetree.Span, len(tree.Spans))
	for _, s := range tree.Spans {
		placed[s.ID] = s
	}
	w := weaver{children: map[segment.ID][]string{}}
	var alone []segmentJSON
	for _, text := range t.Texts {
		d, err := segment.Decode([]byte(text))
		if err != nil {
			continue // it was decoded when it was taken
		}
		if s := placed[d.ID]; s != nil && d.IsSubsegment() && s.Parent != nil && s.Depth() <= maxNesting {
			w.children[d.ParentID] = append(w.children[d.ParentID], text)
			continue
		}
		alone = append(alone, segmentJSON{d.ID.String(), text})
	}
	if len(w.children) > 0 {
		for i := range alone {
			alone[i].Document = w.weave(alone[i].Document)
		}
		alone = append(alone, w.rest()...)
	}
	for _, d := range tree.Inferred() {
		alone = append(alone, segmentJSON{d.ID.String(), string(d.AppendJSON(nil))})
	}
	return alone
}

// A weaver puts subsegments into the documents of their parents and leaves everything else as it is.
type weaver struct {
	children map[segment.ID][]string // by parent
	out      []byte
}

// rest are the subsegments that have not been woven into anything: another one with their id has its place in the tree.
func (w *weaver) rest() []segmentJSON {
	var rest []segmentJSON
	for _, parent := range slices.SortedFunc(maps.Keys(w.children), func(a, b segment.ID) int { return bytes.Compare(a[:], b[:]) }) {
		texts := w.children[parent] // none if they came with those of another parent
		delete(w.children, parent)
		for _, text := range texts {
			id := idOf([]byte(text), jsontext.Space(text, 0))
			rest = append(rest, segmentJSON{id.String(), w.weave(text)})
		}
	}
	return rest
}

func (w *weaver) weave(text string) string {
	w.out = make([]byte, 0, 2*len(text))
	w.object([]byte(text), jsontext.Space(text, 0), false)
	return string(w.out)
}

// object writes the segment or subsegment at i and returns where it ends. Its syntax has been checked long ago, so there
// are no errors to expect: what meets one ends there.
func (w *weaver) object(b []byte, i int, independent bool) int {
	end, err := jsontext.Value(b, i, 0)
	if err != nil || jsontext.KindAt(b, i) != jsontext.Object {
		w.out = append(w.out, b[i:end]...)
		return end
	}
	id := idOf(b, i)
	children := w.children[id]
	delete(w.children, id) // each stands once, also where an id stands twice, perhaps within itself
	w.out = append(w.out, '{')
	first, woven := true, false
	m, err := jsontext.OpenObject(b, i, 0)
	for err == nil && m.Next() {
		key, _ := m.Key() // one that is no text is none of those below
		m.End, err = jsontext.Value(b, m.Value, 1)
		if err != nil || independent && slices.Contains([]string{"trace_id", "parent_id", "type"}, key) {
			continue
		}
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		w.out = append(append(w.out, b[m.Start:m.KeyEnd]...), ':')
		if key == "subsegments" && jsontext.KindAt(b, m.Value) == jsontext.Array && !woven {
			woven = true
			w.array(b, m.Value, children)
			continue
		}
		w.out = append(w.out, b[m.Value:m.End]...)
	}
	if len(children) > 0 && !woven {
		if !first {
			w.out = append(w.out, ',')
		}
		w.out = append(w.out, `"subsegments":[`...)
		w.independents(children, true)
		w.out = append(w.out, ']')
	}
	w.out = append(w.out, '}')
	return end
}

// array writes the subsegments at i and behind them the children.
func (w *weaver) array(b []byte, i int, children []string) {
	w.out = append(w.out, '[')
	first := true
	e, err := jsontext.OpenArray(b, i, 0)
	for err == nil && e.Next() {
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		e.End = w.object(b, e.Value, false)
	}
	w.independents(children, first)
	w.out = append(w.out, ']')
}

func (w *weaver) independents(children []string, first bool) {
	for _, text := range children {
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		w.object([]byte(text), jsontext.Space(text, 0), true)
	}
}

// idOf is the id of the segment at i.
func idOf(b []byte, i int) segment.ID {
	var id segment.ID
	m, err := jsontext.OpenObject(b, i, 0)
	for err == nil && m.Next() {
		key, _ := m.Key() // see object
		if m.End, err = jsontext.Value(b, m.Value, 1); err == nil && key == "id" {
			if text, _, err := jsontext.Text(string(b[m.Value:m.End]), 0); err == nil {
				if parsed, err := segment.ParseID(text); err == nil {
					id = parsed
				}
			}
		}
	}
	return id
}
