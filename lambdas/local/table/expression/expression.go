// Package expression is DynamoDB's expression language: conditions and filters, updates, key conditions, projections and
// the document paths in all of them.
//
// # Promises
//
// What the Parse functions accept and how they refuse the rest follows
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html, including the 573 reserved words,
// and is worded as DynamoDB words it. Of several mistakes the one is reported that DynamoDB reports: a syntax error before
// all others, then by the kind of mistake. A parsed expression is immutable and may be evaluated by many goroutines.
// Evaluation never panics and has no errors, except for updates whose operands the item cannot satisfy.
//
// # Design
//
// One lexer and one recursive-descent parser serve all kinds; [Substitutions] belong to a request, because a name or value
// is unused only if no expression of the request uses it. An expression is at most 4 KB long, which bounds the depth of the
// parser and the size of the tree. The text is parsed on each call: it takes about as long as a cache lookup with its lock
// is worth.
package expression

import (
	"strings"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/wire"
)

// A Kind names the request's parameter that an expression comes from; messages quote it.
type Kind string

// The kinds of expressions.
const (
	Condition    Kind = "ConditionExpression"
	Filter       Kind = "FilterExpression"
	KeyCondition Kind = "KeyConditionExpression"
	Update       Kind = "UpdateExpression"
	Projection   Kind = "ProjectionExpression"
)

// Limits of expressions:
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxSize      = 4096 // bytes of the text
	maxIn        = 100  // operands in the list of IN
	maxOperators = 300  // operators and functions of an expression
	maxSteps     = 32   // names and indexes of a document path
)

func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("ValidationException", format, args...)
}

// Substitutions are a request's ExpressionAttributeNames and ExpressionAttributeValues. They note which of them the
// expressions parsed with them have used.
type Substitutions struct {
	names      map[string]string
	values     attribute.Map
	usedNames  map[string]bool
	usedValues []bool // by the index in values
}

// NewSubstitutions checks the keys, such as "#name" and ":value". Nil stands for a parameter that is absent; one that is
// empty is refused.
func NewSubstitutions(names map[string]string, values attribute.Map) (*Substitutions, error) {
	if names != nil && len(names) == 0 {
		return nil, invalid("ExpressionAttributeNames must not be empty")
	}
	if values != nil && len(values) == 0 {
		return nil, invalid("ExpressionAttributeValues must not be empty")
	}
	for _, key := range sortedKeys(names) {
		if !placeholder(key, '#') {
			return nil, invalid("ExpressionAttributeNames contains invalid key: Syntax error; key: %q", key)
		}
		if name := names[key]; name == "" || len(name) > 65535 {
			return nil, invalid("ExpressionAttributeNames contains invalid value for key %s: an attribute name has 1 to 65535 bytes, this one %d", key, len(name))
		}
	}
	for _, f := range values {
		if !placeholder(f.Name, ':') {
			return nil, invalid("ExpressionAttributeValues contains invalid key: Syntax error; key: %q", f.Name)
		}
	}
	s := &Substitutions{names: names, values: values, usedValues: make([]bool, len(values))}
	if len(names) > 0 {
		s.usedNames = make(map[string]bool, len(names))
	}
	return s, nil
}

func placeholder(key string, mark byte) bool {
	if len(key) < 2 || key[0] != mark {
		return false
	}
	for i := 1; i < len(key); i++ {
		if !wordByte(key[i]) {
			return false
		}
	}
	return true
}

func (s *Substitutions) name(key string) (string, bool) {
	name, ok := s.names[key]
	if ok {
		s.usedNames[key] = true
	}
	return name, ok
}

func (s *Substitutions) value(key string) (attribute.Value, bool) {
	for i := range s.values {
		if s.values[i].Name == key {
			s.usedValues[i] = true
			return s.values[i].Value, true
		}
	}
	return attribute.Value{}, false
}

// Unused refuses names and values that no expression has used. Call it when all are parsed.
func (s *Substitutions) Unused() error {
	var unused []string
	for _, key := range sortedKeys(s.names) {
		if !s.usedNames[key] {
			unused = append(unused, key)
		}
	}
	if unused != nil {
		return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", strings.Join(unused, ", "))
	}
	for i, used := range s.usedValues {
		if !used {
			unused = append(unused, s.values[i].Name)
		}
	}
	if unused != nil {
		return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", strings.Join(unused, ", "))
	}
	return nil
}
