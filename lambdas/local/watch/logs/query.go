package logs

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/watch/logs/insights"
	"example.com/arvo/lambdas/local/wire"
)

const (
	maxQueries  = 64       // of which the results are kept
	maxResults  = 32 << 20 // bytes of results that are kept
	maxGroups   = 50       // of a query, CloudWatch's limit
	queryTime   = 10 * time.Second
	megabyte    = 1e6             // CloudWatch shows the memory of REPORT lines in bytes
	largestTime = 100_000_000_000 // seconds; what is larger are milliseconds
)

// A query is one that was started, with its results.
type query struct {
	id      string
	results [][]resultField
	stats   queryStatistics
	bytes   int
}

type startQueryIn struct {
	QueryLanguage       string   `json:"queryLanguage"`
	LogGroupName        string   `json:"logGroupName"`
	LogGroupNames       []string `json:"logGroupNames"`
	LogGroupIdentifiers []string `json:"logGroupIdentifiers"`
	StartTime           *int64   `json:"startTime"`
	EndTime             *int64   `json:"endTime"`
	QueryString         string   `json:"queryString"`
	Limit               *int     `json:"limit"`
}

type startQueryOut struct {
	QueryID string `json:"queryId"`
}

type resultField struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

type queryStatistics struct {
	RecordsMatched          float64 `json:"recordsMatched"`
	RecordsScanned          float64 `json:"recordsScanned"`
	EstimatedRecordsSkipped float64 `json:"estimatedRecordsSkipped"`
	BytesScanned            float64 `json:"bytesScanned"`
	EstimatedBytesSkipped   float64 `json:"estimatedBytesSkipped"`
	LogGroupsScanned        float64 `json:"logGroupsScanned"`
}

func (a *API) startQuery(ctx context.Context, in *startQueryIn) (*startQueryOut, error) {
	if in.QueryLanguage != "" && in.QueryLanguage != "CWLI" {
		return nil, invalid("queryLanguage %.20q is not supported: CWLI is", in.QueryLanguage)
	}
	limit := insights.DefaultLimit
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > 100_000 {
			return nil, invalid("limit %d is not between 1 and 100000", limit)
		}
	}
	if in.StartTime == nil || in.EndTime == nil {
		return nil, invalid("startTime and endTime are due")
	}
	from, to, err := times(new(queryMillis(*in.StartTime)), new(queryMillis(*in.EndTime)))
	if err != nil {
		return nil, err
	}
	groups, err := a.queried(in)
	if err != nil {
		return nil, err
	}
	parsed, err := insights.Parse(in.QueryString)
	if err != nil {
		return nil, malformed(err)
	}
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	q := &query{id: uuid.NewString(), results: [][]resultField{}, stats: queryStatistics{LogGroupsScanned: float64(len(groups))}}
	var events []*reader
	if to < math.MaxInt64 {
		to++ // a query includes its end
	}
	for _, group := range groups {
		here := place{at: math.MinInt64}
		for _, l := range a.lines(group, from, to) {
			here = here.next(l)
			events = append(events, &reader{api: a, group: group, place: here, line: l})
			q.stats.RecordsScanned++
			q.stats.BytesScanned += float64(len(l.Message))
		}
	}
	// The newest first, as CloudWatch shows what it is not asked to sort.
	slices.SortStableFunc(events, func(x, y *reader) int { return y.line.Time.Compare(x.line.Time) })
	rows := make([]*insights.Row, len(events))
	for i, e := range events {
		rows[i] = insights.NewRow(e.get)
	}
	result, err := parsed.Run(ctx, rows, limit)
	switch {
	case errors.Is(err, insights.ErrTooLarge):
		return nil, wire.Errorf("LimitExceededException", "%v", err)
	case err != nil:
		return nil, wire.Errorf("LimitExceededException", "the query did not end within %v", queryTime)
	}
	q.stats.RecordsMatched = float64(result.Matched)
	for _, row := range result.Rows {
		fields := []resultField{}
		for _, f := range row {
			fields = append(fields, resultField{f.Name, f.Value})
			q.bytes += len(f.Name) + len(f.Value) + 64
		}
		q.results = append(q.results, fields)
	}
	a.keep(q)
	return &startQueryOut{q.id}, nil
}

func queryMillis(t int64) int64 {
	if t < largestTime && t > -largestTime {
		return t * 1000
	}
	return t
}

// queried are the groups that a query asks.
func (a *API) queried(in *startQueryIn) ([]string, error) {
	names := slices.Concat(in.LogGroupNames, in.LogGroupIdentifiers)
	if in.LogGroupName != "" {
		names = append(names, in.LogGroupName)
	}
	if len(names) == 0 || len(names) > maxGroups {
		return nil, invalid("%d log groups are named, from 1 to %d are due", len(names), maxGroups)
	}
	var groups []string
	for _, name := range names {
		group, err := a.group(name, "")
		if err != nil {
			return nil, err
		}
		if !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	return groups, nil
}

func malformed(err error) error {
	e := &wire.Error{Code: "MalformedQueryException", Message: err.Error()}
	var at *insights.Error
	if errors.As(err, &at) {
		e.Members = map[string]any{"queryCompileError": map[string]any{
			"location": map[string]int{"startCharOffset": at.Start, "endCharOffset": at.End}, "message": at.Message,
		}}
	}
	return e
}

// keep remembers a query and forgets old ones.
func (a *API) keep(q *query) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queries = append(a.queries, q)
	a.results += q.bytes
	for len(a.queries) > 1 && (len(a.queries) > maxQueries || a.results > maxResults) {
		a.results -= a.queries[0].bytes
		a.queries = slices.Delete(a.queries, 0, 1)
	}
}

func (a *API) query(id string) (*query, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.queries {
		if q.id == id {
			return q, nil
		}
	}
	return nil, wire.Errorf("ResourceNotFoundException", "Query %.64q does not exist.", id)
}

type queryID struct {
	QueryID   string `json:"queryId"`
	NextToken string `json:"nextToken"`
	MaxItems  *int   `json:"maxItems"`
}

type getQueryResultsOut struct {
	QueryLanguage string          `json:"queryLanguage"`
	Results       [][]resultField `json:"results"`
	Statistics    queryStatistics `json:"statistics"`
	Status        string          `json:"status"`
	NextToken     string          `json:"nextToken,omitempty"`
}

// getQueryResults answers with all rows, or with pages of them to who asks for pages.
func (a *API) getQueryResults(_ context.Context, in *queryID) (*getQueryResultsOut, error) {
	q, err := a.query(in.QueryID)
	if err != nil {
		return nil, err
	}
	first, last := 0, len(q.results)
	if in.NextToken != "" {
		if first, err = strconv.Atoi(in.NextToken); err != nil || first < 0 || first > last {
			return nil, invalid("The specified nextToken %.64q is invalid.", in.NextToken)
		}
	}
	out := &getQueryResultsOut{QueryLanguage: "CWLI", Statistics: q.stats, Status: "Complete"}
	if in.MaxItems != nil && *in.MaxItems > 0 && first+*in.MaxItems < last {
		last = first + *in.MaxItems
		out.NextToken = strconv.Itoa(last)
	}
	out.Results = q.results[first:last]
	return out, nil
}

// stopQuery finds queries that have ended already.
func (a *API) stopQuery(_ context.Context, in *queryID) (*struct{}, error) {
	if _, err := a.query(in.QueryID); err != nil {
		return nil, err
	}
	return nil, invalid("Query %s is not running.", in.QueryID)
}

// A reader reads the fields of an event, which it decodes when a field asks for it, once.
type reader struct {
	api     *API
	group   string
	place   place
	line    function.Line
	decoded bool
	event   map[string]any
}

func (r *reader) get(name string) insights.Value {
	switch name {
	case "@timestamp", "@ingestionTime":
		return insights.Moment(r.line.Time)
	case "@message":
		return insights.Text(r.line.Message)
	case "@logStream":
		return insights.Text(r.line.Stream)
	case "@log":
		return insights.Text(r.api.options.Account + ":" + r.group)
	case "@ptr":
		return insights.Text(eventID(r.line, r.place))
	}
	if !r.decoded {
		r.event, _ = decodeEvent(r.line.Message)
		r.decoded = true
	}
	if strings.HasPrefix(name, "@") {
		if v, ok := r.lambda(name); ok {
			return v
		}
	}
	return member(r.event, name)
}

// member finds a.b and a.0 in an event. A name with dots in it is found too.
func member(v any, name string) insights.Value {
	for depth := 0; depth < 32; depth++ {
		switch in := v.(type) {
		case map[string]any:
			if found, ok := in[name]; ok {
				return scalar(found)
			}
			first, rest, dotted := strings.Cut(name, ".")
			if !dotted {
				return insights.Value{}
			}
			v, name = in[first], rest
		case []any:
			first, rest, dotted := strings.Cut(name, ".")
			i, err := strconv.Atoi(first)
			if err != nil || i < 0 || i >= len(in) {
				return insights.Value{}
			}
			if !dotted {
				return scalar(in[i])
			}
			v, name = in[i], rest
		default:
			return insights.Value{}
		}
	}
	return insights.Value{}
}

func scalar(v any) insights.Value {
	switch v := v.(type) {
	case string:
		return insights.Text(v)
	case json.Number:
		if f, err := v.Float64(); err == nil && !math.IsInf(f, 0) {
			return insights.Number(f)
		}
		return insights.Text(v.String())
	case bool:
		if v {
			return insights.Number(1)
		}
		return insights.Number(0)
	case nil:
		return insights.Value{}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return insights.Value{} // what was decoded encodes
	}
	return insights.Text(string(text))
}

// lambda reads what CloudWatch discovers in lines that Lambda itself writes, in either form.
func (r *reader) lambda(name string) (insights.Value, bool) {
	if name == "@requestId" {
		return insights.Text(r.line.RequestID), r.line.RequestID != ""
	}
	if !r.line.Platform {
		return insights.Value{}, false
	}
	if r.event != nil {
		path, ok := map[string]string{
			"@duration": "record.metrics.durationMs", "@billedDuration": "record.metrics.billedDurationMs", "@initDuration": "record.metrics.initDurationMs",
			"@memorySize": "record.metrics.memorySizeMB", "@maxMemoryUsed": "record.metrics.maxMemoryUsedMB", "@type": "type",
		}[name]
		v := member(r.event, path)
		if name == "@memorySize" || name == "@maxMemoryUsed" {
			v = v.Times(megabyte)
		}
		return v, ok
	}
	kind, _, _ := strings.Cut(r.line.Message, " ")
	if name == "@type" {
		return insights.Text(kind), kind == "START" || kind == "END" || kind == "REPORT"
	}
	label, ok := map[string]string{
		"@duration": "Duration: ", "@billedDuration": "Billed Duration: ", "@initDuration": "Init Duration: ", "@memorySize": "Memory Size: ",
		"@maxMemoryUsed": "Max Memory Used: ", "@xrayTraceId": "XRAY TraceId: ", "@xraySegmentId": "SegmentId: ",
	}[name]
	if !ok || kind != "REPORT" {
		return insights.Value{}, false
	}
	for part := range strings.SplitSeq(r.line.Message, "\t") {
		if value, found := strings.CutPrefix(part, label); found {
			number, _, _ := strings.Cut(value, " ")
			if f, err := strconv.ParseFloat(number, 64); err == nil && !strings.HasPrefix(name, "@xray") {
				if name == "@memorySize" || name == "@maxMemoryUsed" {
					f *= megabyte
				}
				return insights.Number(f), true
			}
			return insights.Text(value), true
		}
	}
	return insights.Value{}, false
}
