package table

import (
	"context"
	"encoding/json"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/table/expression"
	"example.com/arvo/lambdas/local/wire"
)

// getInput is the shape of GetItem and of the parts of TransactGetItems.
type getInput struct {
	TableName              string
	Key                    json.RawMessage
	ConsistentRead         bool // every read here is consistent; it counts for capacity
	ProjectionExpression   *string
	ReturnConsumedCapacity string
	substitutions
	legacy
}

// A get is a GetItem that has been checked.
type get struct {
	table *table
	at    string
	parts expression.Selection // nil: all
}

func (s *Service) parseGet(in *getInput) (get, error) {
	var g get
	if err := in.legacy.refuse(); err != nil {
		return g, err
	}
	if !given(in.Key) {
		return g, missing("key")
	}
	key, err := attribute.ParseMap(string(in.Key))
	if err != nil {
		return g, err
	}
	if g.parts, err = parseProjection(in.ProjectionExpression, &in.substitutions); err != nil {
		return g, err
	}
	if g.table, err = s.table(in.TableName); err != nil {
		return g, err
	}
	if err := g.table.checkKey(key); err != nil {
		return g, err
	}
	g.at = g.table.primaryKey(key)
	return g, g.table.checkPaths(g.parts)
}

// parseProjection reads a ProjectionExpression where it is the only expression.
func parseProjection(text *string, in *substitutions) (expression.Selection, error) {
	subs, err := in.parse([]expression.Kind{expression.Projection}, func(expression.Kind) bool { return text != nil })
	if err != nil || text == nil {
		return nil, err
	}
	parts, err := expression.ParseProjection(*text, subs)
	if err != nil {
		return nil, err
	}
	return parts, subs.Unused()
}

// show appends the part of an item that is asked for.
func show(to []byte, item string, parts expression.Selection) []byte {
	if parts == nil {
		return append(to, item...)
	}
	return parts.Apply(attribute.MustParse(item)).AppendJSON(to)
}

func (s *Service) getItem(_ context.Context, in *getInput) (wire.Raw, error) {
	consumed, err := checkConsumed(in.ReturnConsumedCapacity)
	if err != nil {
		return nil, err
	}
	g, err := s.parseGet(in)
	if err != nil {
		return nil, err
	}
	g.table.mu.RLock()
	r, found := g.table.rows.Get(g.at)
	g.table.mu.RUnlock()
	a := answer{make([]byte, 0, len(r.json)+16)}
	if found {
		a.member("Item")
		a.b = show(a.b, r.json, g.parts)
	}
	m := newMeter(g.table, consumed)
	m.read(nil, readUnits(r.size, in.ConsistentRead))
	if err := m.answer(&a); err != nil {
		return nil, err
	}
	return a.done(), nil
}
