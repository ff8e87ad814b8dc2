package table

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"example.com/arvo/lambdas/local/table/expression"
	"example.com/arvo/lambdas/local/wire"
)

const (
	maxBatchGets   = 100
	maxBatchWrites = 25
	maxBatchBytes  = 16 << 20 // of the items that BatchGetItem answers; the rest comes back in UnprocessedKeys
)

// batchGetTable is the part of a BatchGetItem for one table.
type batchGetTable struct {
	Keys                     []json.RawMessage
	ConsistentRead           bool              `json:",omitempty"`
	ProjectionExpression     *string           `json:",omitempty"`
	ExpressionAttributeNames map[string]string `json:",omitempty"`
	legacy
}

type batchGetInput struct {
	RequestItems           map[string]*batchGetTable
	ReturnConsumedCapacity string
}

// batchGets are the checked gets of one table.
type batchGets struct {
	name  string
	in    *batchGetTable
	table *table
	parts expression.Selection
	at    []string
}

func (s *Service) batchGetItem(_ context.Context, in *batchGetInput) (wire.Raw, error) {
	consumed, err := checkConsumed(in.ReturnConsumedCapacity)
	if err != nil {
		return nil, err
	}
	batches, err := s.parseBatchGets(in)
	if err != nil {
		return nil, err
	}
	var a answer
	var meters []capacity
	unprocessed := map[string]any{}
	size := 0
	a.member("Responses")
	a.b = append(a.b, '{')
	for n, b := range batches {
		if n > 0 {
			a.b = append(a.b, ',')
		}
		m := newMeter(b.table, consumed)
		if a.b, err = b.answer(a.b, m, &size, unprocessed); err != nil {
			return nil, err
		}
		if m != nil {
			meters = append(meters, m.consumed())
		}
	}
	a.b = append(a.b, '}')
	if err := a.value("UnprocessedKeys", unprocessed); err != nil {
		return nil, err
	}
	return finish(a, meters)
}

// finish adds ConsumedCapacity per table, if there is any.
func finish(a answer, consumed []capacity) (wire.Raw, error) {
	if consumed != nil {
		if err := a.value("ConsumedCapacity", consumed); err != nil {
			return nil, err
		}
	}
	return a.done(), nil
}

func (s *Service) parseBatchGets(in *batchGetInput) ([]batchGets, error) {
	if len(in.RequestItems) == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	var batches []batchGets
	total := 0
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		b := batchGets{name: name, in: in.RequestItems[name]}
		if b.in == nil || len(b.in.Keys) == 0 {
			return nil, invalid("1 validation error detected: Value '[]' at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1", name)
		}
		if total += len(b.in.Keys); total > maxBatchGets {
			return nil, invalid("Too many items requested for the BatchGetItem call")
		}
		if err := b.in.legacy.refuse(); err != nil {
			return nil, err
		}
		var err error
		if b.parts, err = parseProjection(b.in.ProjectionExpression, &substitutions{ExpressionAttributeNames: b.in.ExpressionAttributeNames}); err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		for _, key := range b.in.Keys {
			g, err := s.parseGet(&getInput{TableName: name, Key: key})
			if err != nil {
				return nil, err
			}
			if seen[g.at] {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			seen[g.at] = true
			b.table = g.table
			b.at = append(b.at, g.at)
		}
		if err := b.table.checkPaths(b.parts); err != nil {
			return nil, err
		}
		batches = append(batches, b)
	}
	return batches, nil
}

// answer appends the table's member of Responses. Size counts over all tables.
func (b *batchGets) answer(to []byte, m *meter, size *int, unprocessed map[string]any) ([]byte, error) {
	name, err := json.Marshal(b.name)
	if err != nil {
		return nil, err
	}
	to = append(append(to, name...), ':', '[')
	rows := make([]row, len(b.at))
	b.table.mu.RLock()
	for i, at := range b.at {
		rows[i], _ = b.table.rows.Get(at)
	}
	b.table.mu.RUnlock()
	first := true
	for i, r := range rows {
		if *size += r.size; *size > maxBatchBytes {
			rest := *b.in
			rest.Keys = b.in.Keys[i:]
			unprocessed[b.name] = rest
			break
		}
		m.read(nil, readUnits(r.size, b.in.ConsistentRead))
		if r.json == "" { // there is none
			continue
		}
		if !first {
			to = append(to, ',')
		}
		first = false
		to = show(to, r.json, b.parts)
	}
	return append(to, ']'), nil
}

type batchWriteRequest struct {
	PutRequest    *struct{ Item json.RawMessage }
	DeleteRequest *struct{ Key json.RawMessage }
}

type batchWriteInput struct {
	RequestItems                map[string][]batchWriteRequest
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

func (s *Service) batchWriteItem(_ context.Context, in *batchWriteInput) (wire.Raw, error) {
	consumed, err := checkConsumed(in.ReturnConsumedCapacity)
	if err != nil {
		return nil, err
	}
	if _, err := oneOf("returnItemCollectionMetrics", in.ReturnItemCollectionMetrics, "NONE", "SIZE"); err != nil {
		return nil, err
	}
	writes, err := s.parseBatchWrites(in)
	if err != nil {
		return nil, err
	}
	meters := map[string]*meter{}
	for _, w := range writes {
		m, ok := meters[w.table.schema.Name]
		if !ok {
			m = newMeter(w.table, consumed)
			meters[w.table.schema.Name] = m
		}
		if _, err := w.run(m); err != nil {
			return nil, err // cannot be: there are neither conditions nor updates
		}
	}
	var shown []capacity
	if consumed != "NONE" {
		for _, name := range slices.Sorted(maps.Keys(meters)) {
			shown = append(shown, meters[name].consumed())
		}
	}
	var a answer
	a.json("UnprocessedItems", "{}")
	return finish(a, shown)
}

// parseBatchWrites checks all requests before any is carried out.
func (s *Service) parseBatchWrites(in *batchWriteInput) ([]*write, error) {
	if len(in.RequestItems) == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	var writes []*write
	for _, name := range slices.Sorted(maps.Keys(in.RequestItems)) {
		requests := in.RequestItems[name]
		if len(requests) == 0 {
			return nil, invalid("The batch write request list for a table cannot be null or empty: %s", name)
		}
		if len(writes)+len(requests) > maxBatchWrites {
			return nil, invalid("Too many items requested for the BatchWriteItem call")
		}
		seen := map[string]bool{}
		for _, r := range requests {
			w, err := r.parse()
			if err != nil {
				return nil, err
			}
			t, err := s.table(name)
			if err != nil {
				return nil, err
			}
			if err := w.resolve(t); err != nil {
				return nil, err
			}
			if seen[w.at] {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			seen[w.at] = true
			writes = append(writes, w)
		}
	}
	return writes, nil
}

func (r batchWriteRequest) parse() (*write, error) {
	switch {
	case r.PutRequest != nil && r.DeleteRequest == nil:
		return (&writeInput{Item: r.PutRequest.Item}).parse(put)
	case r.DeleteRequest != nil && r.PutRequest == nil:
		return (&writeInput{Key: r.DeleteRequest.Key}).parse(deletion)
	}
	return nil, invalid("Supplied WriteRequest must contain exactly one of: [%s]", strings.Join([]string{"PutRequest", "DeleteRequest"}, ", "))
}
