package table

import (
	"context"
	"encoding/json"
	"math/bits"
	"strings"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/table/expression"
	"example.com/arvo/lambdas/local/wire"
)

const (
	maxPage     = 1 << 20 // bytes of items after which a Query or Scan ends its page
	maxSegments = 1_000_000
)

// searchInput is the shape of Query and Scan.
type searchInput struct {
	TableName              string
	IndexName              string
	KeyConditionExpression *string // Query only
	ScanIndexForward       *bool   // Query only
	Segment                *int    // Scan only
	TotalSegments          *int    // Scan only
	FilterExpression       *string
	ProjectionExpression   *string
	Select                 string
	ConsistentRead         bool
	Limit                  *int
	ExclusiveStartKey      json.RawMessage
	ReturnConsumedCapacity string
	substitutions
	legacy
}

// A search is a Query or Scan that has been checked.
type search struct {
	table    *table
	index    *index // nil: the table itself
	key      Key    // of the index or table
	tests    []expression.KeyTest
	filter   *expression.Test
	parts    expression.Selection
	count    bool // Select is COUNT
	fetch    bool // a local index is asked for more than it has: the table is read as well
	from, to string
	forward  bool
	limit    int    // 0: none
	consumed string // ReturnConsumedCapacity
}

func (s *Service) query(_ context.Context, in *searchInput) (wire.Raw, error) {
	if err := in.legacy.refuse(); err != nil {
		return nil, err
	}
	if in.TableName == "" {
		return nil, missing("tableName")
	}
	if in.KeyConditionExpression == nil {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	q, err := s.parseSearch(in, expression.KeyCondition, expression.Filter, expression.Projection)
	if err != nil {
		return nil, err
	}
	if q.filter != nil {
		for _, path := range q.filter.Paths() {
			if q.key.has(path[0].Name) {
				return nil, invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", path[0].Name)
			}
		}
	}
	if err := q.bounds(); err != nil {
		return nil, err
	}
	q.forward = in.ScanIndexForward == nil || *in.ScanIndexForward
	if err := q.start(in, "The provided starting key is outside query boundaries based on provided conditions"); err != nil {
		return nil, err
	}
	return q.run(in)
}

func (s *Service) scan(_ context.Context, in *searchInput) (wire.Raw, error) {
	if err := in.legacy.refuse(); err != nil {
		return nil, err
	}
	segment, segments, err := in.segments()
	if err != nil {
		return nil, err
	}
	in.KeyConditionExpression = nil
	q, err := s.parseSearch(in, expression.Filter, expression.Projection)
	if err != nil {
		return nil, err
	}
	q.forward = true
	if segment > 0 {
		q.from = segmentStart(segment, segments)
	}
	if segment+1 < segments {
		q.to = segmentStart(segment+1, segments)
	}
	if err := q.start(in, "The provided starting key is invalid: it lies outside of the segment"); err != nil {
		return nil, err
	}
	return q.run(in)
}

// segments reads Segment and TotalSegments; a scan without them is the one segment of one.
func (in *searchInput) segments() (segment, segments int, err error) {
	switch {
	case in.Segment == nil && in.TotalSegments == nil:
		return 0, 1, nil
	case in.TotalSegments == nil:
		return 0, 0, invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.Segment == nil:
		return 0, 0, invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case *in.TotalSegments < 1 || *in.TotalSegments > maxSegments:
		return 0, 0, invalid("1 validation error detected: Value '%d' at 'totalSegments' failed to satisfy constraint: Member must have value between 1 and %d", *in.TotalSegments, maxSegments)
	case *in.Segment < 0:
		return 0, 0, invalid("1 validation error detected: Value '%d' at 'segment' failed to satisfy constraint: Member must have value greater than or equal to 0", *in.Segment)
	case *in.Segment >= *in.TotalSegments:
		return 0, 0, invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", *in.Segment, *in.TotalSegments)
	}
	return *in.Segment, *in.TotalSegments, nil
}

// segmentStart is where a segment begins: keys begin with 64 bits of hash, of which each segment has an equal share.
func segmentStart(segment, segments int) string {
	share, _ := bits.Div64(uint64(segment), 0, uint64(segments)) // segment·2⁶⁴ / segments
	b := make([]byte, 8)
	for i := range b {
		b[i] = byte(share >> (56 - 8*i))
	}
	return string(b)
}

// parseSearch checks what Query and Scan have in common.
func (s *Service) parseSearch(in *searchInput, kinds ...expression.Kind) (*search, error) {
	q := &search{}
	var err error
	if q.consumed, err = checkConsumed(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	if in.Limit != nil {
		if q.limit = *in.Limit; q.limit < 1 {
			return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", q.limit)
		}
	}
	texts := map[expression.Kind]*string{
		expression.KeyCondition: in.KeyConditionExpression, expression.Filter: in.FilterExpression, expression.Projection: in.ProjectionExpression,
	}
	subs, err := in.substitutions.parse(kinds, func(kind expression.Kind) bool { return texts[kind] != nil })
	if err != nil {
		return nil, err
	}
	if text := in.KeyConditionExpression; text != nil {
		if q.tests, err = expression.ParseKeyCondition(*text, subs); err != nil {
			return nil, err
		}
	}
	if text := in.FilterExpression; text != nil {
		if q.filter, err = expression.ParseTest(expression.Filter, *text, subs); err != nil {
			return nil, err
		}
	}
	if text := in.ProjectionExpression; text != nil {
		if q.parts, err = expression.ParseProjection(*text, subs); err != nil {
			return nil, err
		}
	}
	if err := subs.Unused(); err != nil {
		return nil, err
	}
	if q.table, err = s.table(in.TableName); err != nil {
		return nil, err
	}
	q.key = q.table.schema.Key
	if in.IndexName != "" {
		if q.index = q.table.index(in.IndexName); q.index == nil {
			return nil, invalid("The table does not have the specified index: %s", in.IndexName)
		}
		if q.key = q.index.Key; in.ConsistentRead && !q.index.Local {
			return nil, invalid("Consistent reads are not supported on global secondary indexes")
		}
	}
	if err := q.choose(in); err != nil {
		return nil, err
	}
	if q.filter != nil {
		if err := q.table.checkPaths(q.filter.Paths()); err != nil {
			return nil, err
		}
	}
	return q, q.table.checkPaths(q.parts)
}

// choose reads Select.
func (q *search) choose(in *searchInput) error {
	if in.Select != "" {
		if _, err := oneOf("select", in.Select, "SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"); err != nil {
			return err
		}
	}
	switch {
	case in.Select == "SPECIFIC_ATTRIBUTES" && q.parts == nil:
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case in.Select != "SPECIFIC_ATTRIBUTES" && in.Select != "" && q.parts != nil:
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", in.Select)
	case in.Select == "ALL_PROJECTED_ATTRIBUTES" && q.index == nil:
		return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	}
	q.count = in.Select == "COUNT"
	if q.index == nil || q.index.Projection == "ALL" {
		return nil
	}
	var absent []string
	for _, path := range q.parts {
		if name := path[0].Name; !q.index.shows(name, q.table.schema.Key) {
			absent = append(absent, name)
		}
	}
	switch {
	case q.index.Local:
		q.fetch = in.Select == "ALL_ATTRIBUTES" || len(absent) > 0
	case in.Select == "ALL_ATTRIBUTES":
		return parameter("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", q.index.Name)
	case len(absent) > 0:
		return parameter("Global secondary index %s does not project [%s]", q.index.Name, strings.Join(absent, ", "))
	}
	return nil
}

// bounds turns the key condition into the range of keys that it means.
func (q *search) bounds() error {
	var hash, sort *expression.KeyTest
	for i, test := range q.tests {
		switch test.Attribute {
		case q.key.Hash:
			hash = &q.tests[i]
		case q.key.Range:
			sort = &q.tests[i]
		}
	}
	switch {
	case hash == nil:
		return invalid("Query condition missed key schema element: %s", q.key.Hash)
	case len(q.tests) > 1 && q.key.Range == "":
		return invalid("Query key condition not supported")
	case len(q.tests) > 1 && sort == nil:
		return invalid("Query condition missed key schema element: %s", q.key.Range)
	case len(q.tests) > 2:
		return invalid("Conditions can be of length 1 or 2 only")
	}
	for _, test := range []*expression.KeyTest{hash, sort} {
		if test == nil {
			continue
		}
		for _, v := range test.Values {
			if v.Type != q.table.schema.keyType(test.Attribute) {
				return parameter("Condition parameter type does not match schema type")
			}
			if v.Text == "" && test == hash {
				return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", emptyKind(v), test.Attribute)
			}
			if err := checkKeySize(v, test == hash); err != nil {
				return err
			}
		}
	}
	if hash.Operator != "=" {
		return invalid("Query key condition not supported")
	}
	partition := string(appendPartition(nil, hash.Values[0]))
	q.from, q.to = partition, after(partition)
	if sort == nil {
		return nil
	}
	at := func(v attribute.Value) string { return string(attribute.AppendOrdered([]byte(partition), v)) }
	first := at(sort.Values[0])
	switch sort.Operator {
	case "=":
		q.from, q.to = first, after(first)
	case "<":
		q.to = first
	case "<=":
		q.to = after(first)
	case ">":
		q.from = after(first)
	case ">=":
		q.from = first
	case "BETWEEN":
		q.from, q.to = first, after(at(sort.Values[1]))
	case "begins_with":
		q.from = string(attribute.AppendOrderedPrefix([]byte(partition), sort.Values[0]))
		q.to = after(q.from)
	}
	return nil
}

// after is the first string after all that begin with the prefix, "" if there is none.
func after(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}

// start moves the range to behind ExclusiveStartKey.
func (q *search) start(in *searchInput, outside string) error {
	if !given(in.ExclusiveStartKey) {
		return nil
	}
	key, err := attribute.ParseMap(string(in.ExclusiveStartKey))
	if err != nil {
		return err
	}
	names := q.keyNames()
	if len(key) != len(names) {
		return invalid("The provided starting key is invalid")
	}
	for _, name := range names {
		if v := key.Get(name); v.Type != q.table.schema.keyType(name) || v.Text == "" {
			return invalid("The provided starting key is invalid: The provided key element does not match the schema")
		}
	}
	at := q.table.primaryKey(key)
	if q.index != nil {
		at = q.index.key(key, at)
	}
	switch {
	case at < q.from || q.to != "" && at >= q.to:
		return invalid("%s", outside)
	case q.forward:
		q.from = at + "\x00"
	default:
		q.to = at
	}
	return nil
}

// keyNames are the attributes of a LastEvaluatedKey.
func (q *search) keyNames() []string {
	names := q.table.schema.Key.attributes()
	if q.index != nil {
		for _, name := range q.index.Key.attributes() {
			if !q.table.schema.Key.has(name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// run reads one page and answers it.
func (q *search) run(in *searchInput) (wire.Raw, error) {
	rows, more := q.page()
	m := newMeter(q.table, q.consumed)
	size := 0
	a := answer{}
	a.member("Items")
	a.b = append(a.b, '[')
	count := 0
	for _, r := range rows {
		size += r.size
		item, seen := q.see(r, m, in.ConsistentRead)
		if q.filter != nil && !q.filter.Holds(item) {
			continue
		}
		if count++; q.count {
			continue
		}
		if count > 1 {
			a.b = append(a.b, ',')
		}
		switch {
		case q.parts != nil:
			a.b = q.parts.Apply(item).AppendJSON(a.b)
		case seen == "":
			a.b = item.AppendJSON(a.b)
		default:
			a.b = append(a.b, seen...)
		}
	}
	a.b = append(a.b, ']')
	if q.count {
		a.b = nil
	}
	a.int("Count", count)
	a.int("ScannedCount", len(rows))
	if more {
		last := attribute.MustParse(rows[len(rows)-1].json)
		var key attribute.Map
		for _, name := range q.keyNames() {
			key.Set(name, last.Get(name))
		}
		a.item("LastEvaluatedKey", key)
	}
	m.read(q.index, readUnits(size, in.ConsistentRead))
	if err := m.answer(&a); err != nil {
		return nil, err
	}
	return a.done(), nil
}

// page collects rows up to the limit, or up to and with the one that makes the page 1 MB. More reports whether it ended by
// that; then, as on AWS, another page may follow that is empty.
func (q *search) page() (page []row, more bool) {
	q.table.mu.RLock()
	defer q.table.mu.RUnlock()
	rows := &q.table.rows
	if q.index != nil {
		rows = &q.index.rows
	}
	size := 0
	take := func(_ string, r row) bool {
		page = append(page, r)
		size += r.size
		more = size >= maxPage || len(page) == q.limit
		return !more
	}
	if q.forward {
		rows.Ascend(q.from, q.to, take)
	} else {
		rows.Descend(q.from, q.to, take)
	}
	return page, more
}

// see returns a row as the search sees it: decoded if the filter or the projection needs that, and as JSON unless it would
// have to be encoded anew.
func (q *search) see(r row, m *meter, consistent bool) (item attribute.Map, json string) {
	partial := q.index != nil && q.index.Projection != "ALL" && !q.fetch
	if q.fetch {
		whole := attribute.MustParse(r.json)
		m.read(nil, readUnits(whole.Size(), consistent))
		return whole, r.json
	}
	if q.filter == nil && q.parts == nil && !partial {
		return nil, r.json
	}
	item = attribute.MustParse(r.json)
	if partial {
		return q.index.project(item, q.table.schema.Key), ""
	}
	return item, r.json
}
