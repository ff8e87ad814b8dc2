package filter

import (
	"time"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// Facts are what expressions and summaries say of a trace. Make them with [FactsOf].
type Facts struct {
	Tree       *tracetree.Tree
	Entry      *tracetree.Span // the segment that the trace begins with; nil if no segment has arrived
	Start, End segment.Time    // of everything in the trace

	// Of the entry, as GetTraceSummaries defines them.
	Fault, Error bool
	ResponseTime time.Duration // between the entry's start and end; 0 while it is open
	HTTP         *segment.HTTP // of the request that the trace serves; nil if nothing tells

	// Of any segment.
	Throttle, Partial bool

	groups func(nameOrARN string) (Expression, bool)
}

// FactsOf finds the facts of one trace.
func FactsOf(t *tracetree.Tree) *Facts {
	f := &Facts{Tree: t}
	for _, s := range t.Spans {
		if f.Start == 0 || s.Start < f.Start {
			f.Start = s.Start
		}
		f.End = max(f.End, s.Start, s.End)
		f.Throttle = f.Throttle || s.Throttle
		f.Partial = f.Partial || !s.Complete()
	}
	for s := range t.Segments() {
		// A segment without a parent begins a trace. Of those whose parent never came, the first does.
		if f.Entry == nil || f.Entry.Dangling && !s.Dangling && s.Parent == nil {
			f.Entry = s
		}
	}
	if f.Entry == nil {
		return f
	}
	f.Fault, f.Error, f.HTTP = f.Entry.Fault, f.Entry.Error, f.Entry.HTTP
	if f.Entry.Complete() {
		f.ResponseTime = max(0, f.Entry.End.Sub(f.Entry.Start))
	}
	return f
}

// Groups lets expressions name groups: find returns the expression of a group by its name or ARN.
func (f *Facts) Groups(find func(nameOrARN string) (Expression, bool)) { f.groups = find }

// annotations calls yield with each value that the trace has for the annotation.
func (f *Facts) annotations(key string, yield func(segment.Value) bool) {
	for _, s := range f.Tree.Spans {
		if v, ok := s.Annotation(key); ok && !yield(v) {
			return
		}
	}
}

// documents calls yield with the documents that a scope speaks of when it speaks of all.
func (s *scope) documents(yield func(*segment.Document) bool) {
	if s.doc != nil {
		yield(s.doc)
		return
	}
	for _, span := range s.facts.Tree.Spans {
		if !yield(&span.Document) {
			return
		}
	}
}

var booleans = map[string]func(*scope) bool{
	"ok": func(s *scope) bool { return !s.failed() },
	"error": func(s *scope) bool {
		if s.doc != nil {
			return s.doc.Error
		}
		return s.facts.Error
	},
	"throttle": func(s *scope) bool {
		if s.doc != nil {
			return s.doc.Throttle
		}
		return s.facts.Throttle
	},
	"fault": func(s *scope) bool {
		if s.doc != nil {
			return s.doc.Fault
		}
		return s.facts.Fault
	},
	"partial": (*scope).partial,
	"inferred": func(s *scope) (found bool) {
		s.documents(func(d *segment.Document) bool { found = d.Inferred; return !found })
		return found
	},
	"root": func(s *scope) bool { return s.doc == nil || s.root },
}

// failed tells whether the answer was none of the 2XX.
func (s *scope) failed() bool {
	if s.doc != nil {
		return s.doc.Error || s.doc.Throttle || s.doc.Fault
	}
	e := s.facts.Entry
	return e == nil || e.Error || e.Throttle || e.Fault
}

// partial tells whether something has not ended.
func (s *scope) partial() bool {
	if s.doc != nil {
		return s.doc.End == 0
	}
	return s.facts.Partial
}

var numbers = map[string]func(*scope) (float64, bool){
	"responsetime": func(s *scope) (float64, bool) {
		if s.doc != nil {
			return s.doc.End.Sub(s.doc.Start).Seconds(), s.doc.End != 0
		}
		return s.facts.ResponseTime.Seconds(), s.facts.Entry != nil && s.facts.Entry.Complete()
	},
	// Within braces the guide gives no meaning to duration: it is what the segment took.
	"duration": func(s *scope) (float64, bool) {
		if s.doc != nil {
			return s.doc.End.Sub(s.doc.Start).Seconds(), s.doc.End != 0
		}
		return s.facts.End.Sub(s.facts.Start).Seconds(), true
	},
	"http.status": func(s *scope) (float64, bool) {
		h := s.http()
		return float64(h.Response.Status), h.Response.Status != 0
	},
}

func (s *scope) http() segment.HTTP {
	h := s.facts.HTTP
	if s.doc != nil {
		h = s.doc.HTTP
	}
	if h == nil {
		return segment.HTTP{}
	}
	return *h
}

var textual = map[string]func(*scope, func(string) bool){
	"http.url":       func(s *scope, yield func(string) bool) { present(s.http().Request.URL, yield) },
	"http.method":    func(s *scope, yield func(string) bool) { present(s.http().Request.Method, yield) },
	"http.useragent": func(s *scope, yield func(string) bool) { present(s.http().Request.UserAgent, yield) },
	"http.clientip":  func(s *scope, yield func(string) bool) { present(s.http().Request.ClientIP, yield) },
	"user": func(s *scope, yield func(string) bool) {
		s.documents(func(d *segment.Document) bool { return present(d.User, yield) })
	},
	"resource.arn": func(s *scope, yield func(string) bool) {
		s.documents(func(d *segment.Document) bool {
			return present(d.ResourceARN, yield) && (d.AWS == nil || present(d.AWS.FunctionARN, yield))
		})
	},
	// The name of a service; outside of braces, of any.
	"name": func(s *scope, yield func(string) bool) {
		s.nodes(func(n tracetree.Node) bool { return present(n.Name, yield) })
	},
	"type": func(s *scope, yield func(string) bool) {
		s.nodes(func(n tracetree.Node) bool { return present(n.Type, yield) })
	},
	// The message of an exception.
	"message": func(s *scope, yield func(string) bool) {
		s.documents(func(d *segment.Document) bool {
			if d.Cause != nil {
				for _, e := range d.Cause.Exceptions {
					if !present(e.Message, yield) {
						return false
					}
				}
			}
			return true
		})
	},
}

func (s *scope) nodes(yield func(tracetree.Node) bool) {
	if s.doc != nil {
		yield(s.node)
		return
	}
	for span := range s.facts.Tree.Segments() {
		if !yield(span.Node()) {
			return
		}
	}
}

// present yields a text unless there is none.
func present(text string, yield func(string) bool) bool { return text == "" || yield(text) }

// group holds for traces that the group's expression matches.
type group struct {
	operator string
	operand  string
}

func (n group) match(s *scope) bool {
	if s.facts.groups == nil {
		return n.operator == "!="
	}
	e, ok := s.facts.groups(n.operand)
	// A group whose expression names groups, itself perhaps, does not get to see any.
	inner := *s.facts
	inner.groups = nil
	return (ok && e.Match(&inner)) == (n.operator == "=")
}
