package traces

import (
	"slices"
	"time"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// A Trace is what the store held of a trace when it was asked.
type Trace struct {
	Ref
	Texts []string // the documents, as they were sent, in the order in which they came first
}

// A Ref is a trace without its documents.
type Ref struct {
	ID         segment.TraceID
	Start, End segment.Time // of the first and of the last moment that a document tells of
	Changed    time.Time    // when the last document came; of two traces, never the same
	Revision   int          // how many documents came
	Full       bool         // documents were refused because of the trace's size
}

// Documents are the documents decoded.
func (t *Trace) Documents() []segment.Document {
	docs := make([]segment.Document, 0, len(t.Texts))
	for _, text := range t.Texts {
		if d, err := segment.Decode([]byte(text)); err == nil { // it was decoded once before, when it was taken
			docs = append(docs, d)
		}
	}
	return docs
}

// Tree is the trace as a tree, inferred segments included.
func (t *Trace) Tree() *tracetree.Tree { return tracetree.Build(t.Documents()) }

// Duration is the time from the start to the end.
func (r Ref) Duration() time.Duration { return r.End.Sub(r.Start) }

func (t *trace) ref() Ref {
	return Ref{t.id, t.start, t.end, time.UnixMicro(t.changed), t.revision, t.full}
}

// Trace returns a trace.
func (s *Store) Trace(id segment.TraceID) (*Trace, bool) {
	s.mu.RLock()
	t := s.traces[id]
	if t == nil {
		s.mu.RUnlock()
		return nil, false
	}
	out := &Trace{Ref: t.ref()}
	docs, b, offset, text := t.documents, t.block, t.offset, t.text
	out.Texts = make([]string, 0, len(docs))
	for _, d := range docs { // under the lock: the next document may overwrite one in place
		out.Texts = append(out.Texts, d.text)
	}
	s.mu.RUnlock()
	if b != nil { // a block never changes
		for _, d := range documentsIn(s.recent.text(b)[offset:][:text]) {
			out.Texts = append(out.Texts, d.text)
		}
	}
	return out, true
}

// List returns the traces that want accepts, in the order of their last document. want must not call the store.
func (s *Store) List(want func(Ref) bool) []Ref {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var refs []Ref
	for e := s.order.Front(); e != nil; e = e.Next() {
		if r := e.Value.(*trace).ref(); want(r) {
			refs = append(refs, r)
		}
	}
	return refs
}

// Annotated returns traces among which are all that have the annotation, if its key is indexed; ok tells whether it is. Of a
// trace the first 50 are, as on AWS.
// A few may be among them that do not have it: they had it in a document that was overwritten, or their hash is the same.
func (s *Store) Annotated(key, value string) (refs []Ref, ok bool) {
	if !slices.Contains(s.options.Index, key) {
		return nil, false
	}
	hash := s.hash(key, value)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for p := s.index[hash]; p != nil; p = p.next {
		refs = append(refs, p.trace.ref())
	}
	return refs, true
}
