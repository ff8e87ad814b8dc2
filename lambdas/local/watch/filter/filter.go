// Package filter is X-Ray's filter expressions: the questions that GetTraceSummaries and groups ask about traces.
//
//	annotation.subject = "a" AND service("federated_handler") { fault }
//	responsetime > 5 AND !partial
//	edge("api_lambda", id(name: "orders", type: "AWS::DynamoDB::Table")) { responsetime > 0.1 OR throttle }
//
// # The language
//
//	expression  any of these side by side or with AND between them, which binds closer than OR; in ( ); with ! before it
//	boolean     ok error throttle fault partial inferred root, alone or with = or != and true or false
//	number      responsetime duration http.status, with = != < <= > >=; seconds
//	string      http.url http.method http.useragent http.clientip user name type message resource.arn group.name group.arn,
//	            with = != CONTAINS BEGINSWITH ENDSWITH and a value in quotes
//	annotation  annotation.key or annotation[key]: alone (it exists), or compared with a string, a number or a boolean
//	complex     service(...) { } and edge(..., ...) { }: the parts of the trace for which what stands in braces holds
//
// service and edge take names in quotes, id(name: "", type: "", account.id: "") of which any part may be left out, or
// nothing for any service. The braces may be left out.
//
// Words are read in any case. Source: "Using filter expressions" in the X-Ray developer guide; where it is silent, what is done
// is said at the code. NOT is taken for !, which the guide does not list.
//
// # Meaning
//
// Outside of braces an expression speaks of the trace: error, fault, responsetime and http.* are those of the segment that
// the trace begins with, throttle and partial hold if any segment says so, user and annotations are those of all segments.
// Within the braces of service it speaks of one segment of it, within those of edge of one call: the caller's subsegment. A
// comparison holds if any value of that name satisfies it, != included.
//
// # What differs from AWS
//
// The keywords of root causes (rootcause.*, first, last, remote, index, coverage), json, instance.id and availabilityzone are
// refused by name. An annotation within braces is refused too, as the guide has it, and so are service and edge, of which
// the guide shows none there.
package filter

import (
	"cmp"
	"strconv"
	"strings"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// An Expression is a parsed filter expression. The zero value matches every trace.
type Expression struct{ root node }

// Match tells whether the expression holds for a trace.
func (e Expression) Match(f *Facts) bool {
	return e.root == nil || e.root.match(&scope{facts: f})
}

// Annotation returns an annotation that every trace which matches must have, and its value: one that the expression compares
// with = and that stands beneath nothing but AND.
func (e Expression) Annotation() (key, value string, ok bool) {
	var find func(n node) bool
	find = func(n node) bool {
		switch n := n.(type) {
		case all:
			for _, part := range n {
				if find(part) {
					return true
				}
			}
		case *annotation:
			if n.operator == "=" && n.operand.kind == jsontext.String {
				key, value, ok = n.key, n.operand.text, true
			}
		}
		return ok
	}
	find(e.root)
	return key, value, ok
}

// A scope is what an expression speaks of.
type scope struct {
	facts *Facts
	doc   *segment.Document // nil outside of braces
	node  tracetree.Node    // of doc
	root  bool              // doc begins the trace
}

type node interface{ match(*scope) bool }

type (
	all     []node
	either  []node
	not     struct{ of node }
	boolean struct{ is func(*scope) bool }
	number  struct {
		of       func(*scope) (float64, bool)
		operator string
		operand  float64
	}
	texts struct {
		of       func(*scope, func(string) bool)
		operator string
		operand  string
	}
	exists   struct{ key string }
	services struct {
		which selector
		where node
	}
	edges struct {
		from, to selector
		where    node
	}
)

// annotation compares an annotation with a value.
type annotation struct {
	key      string
	operator string
	operand  value
}

func (n all) match(s *scope) bool {
	for _, part := range n {
		if !part.match(s) {
			return false
		}
	}
	return true
}

func (n either) match(s *scope) bool {
	for _, part := range n {
		if part.match(s) {
			return true
		}
	}
	return false
}

func (n not) match(s *scope) bool     { return !n.of.match(s) }
func (n boolean) match(s *scope) bool { return n.is(s) }

func (n number) match(s *scope) bool {
	v, ok := n.of(s)
	return ok && ordered(cmp.Compare(v, n.operand), n.operator)
}

func (n texts) match(s *scope) (found bool) {
	n.of(s, func(text string) bool {
		found = found || compareText(text, n.operator, n.operand)
		return !found
	})
	return found
}

func (n exists) match(s *scope) (found bool) {
	s.facts.annotations(n.key, func(segment.Value) bool { found = true; return false })
	return found
}

func (n *annotation) match(s *scope) (found bool) {
	s.facts.annotations(n.key, func(v segment.Value) bool {
		if v.Kind() == n.operand.kind {
			switch v.Kind() {
			case jsontext.String:
				found = compareText(v.String(), n.operator, n.operand.text)
			case jsontext.Number:
				found = ordered(cmp.Compare(v.Number(), n.operand.number), n.operator)
			case jsontext.Bool:
				found = (v.Bool() == n.operand.yes) == (n.operator == "=")
			}
		} else {
			found = n.operator == "!="
		}
		return !found
	})
	return found
}

func (n services) match(s *scope) bool {
	for span := range s.facts.Tree.Segments() {
		if !n.which.selects(span.Node()) {
			continue
		}
		if n.where == nil || n.where.match(&scope{s.facts, &span.Document, span.Node(), span == s.facts.Entry}) {
			return true
		}
	}
	return false
}

func (n edges) match(s *scope) bool {
	for span := range s.facts.Tree.Segments() {
		from, call, ok := caller(span)
		if !ok || !n.from.selects(from) || !n.to.selects(span.Node()) {
			continue
		}
		if n.where == nil || n.where.match(&scope{s.facts, call, span.Node(), span == s.facts.Entry}) {
			return true
		}
	}
	return false
}

// caller is the node from which the edge to a segment comes, and the document that tells of the call: as
// [tracetree.Graph.Add] has it.
func caller(s *tracetree.Span) (tracetree.Node, *segment.Document, bool) {
	switch {
	case s.Parent == nil && (s.Dangling || s.Cyclic):
		return tracetree.Node{}, nil, false
	case s.Parent == nil:
		return tracetree.Client, &s.Document, true
	case s.Parent.Segment() == nil:
		return tracetree.Node{}, nil, false
	case s.Parent.Subsegment:
		return s.Parent.Node(), &s.Parent.Document, true
	}
	return s.Parent.Node(), &s.Document, true
}

// A selector chooses nodes. What is empty chooses any.
type selector struct{ name, typ string }

func (s selector) selects(n tracetree.Node) bool {
	return (s.name == "" || s.name == n.Name) && (s.typ == "" || s.typ == n.Type)
}

// ordered tells whether a comparison that came out as c satisfies the operator.
func ordered(c int, operator string) bool {
	switch operator {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	return false
}

func compareText(text, operator, operand string) bool {
	switch operator {
	case "=":
		return text == operand
	case "!=":
		return text != operand
	case "CONTAINS":
		return strings.Contains(text, operand)
	case "BEGINSWITH":
		return strings.HasPrefix(text, operand)
	case "ENDSWITH":
		return strings.HasSuffix(text, operand)
	}
	return false
}

// A value is what stands on the right of an operator.
type value struct {
	kind   jsontext.Kind // String, Number or Bool
	text   string
	number float64
	yes    bool
}

func (v value) String() string {
	switch v.kind {
	case jsontext.String:
		return strconv.Quote(v.text)
	case jsontext.Bool:
		return strconv.FormatBool(v.yes)
	}
	return strconv.FormatFloat(v.number, 'g', -1, 64)
}
