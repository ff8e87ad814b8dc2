package xray

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/lambdas/local/watch/filter"
	"example.com/arvo/lambdas/local/watch/traces"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

const (
	pageTraces    = 4000 // looked at for a page
	pageSummaries = 500  // on a page
)

type getTraceSummariesIn struct {
	StartTime, EndTime *epoch
	TimeRangeType      string
	Sampling           bool
	SamplingStrategy   *struct {
		Name  string
		Value float64
	}
	FilterExpression string
	NextToken        string
}

type getTraceSummariesOut struct {
	TraceSummaries       []summary
	ApproximateTime      epoch
	TracesProcessedCount int
	NextToken            string `json:",omitempty"`
}

type summary struct {
	ID                     string `json:"Id"`
	StartTime              epoch
	Duration               float64
	ResponseTime           *float64 `json:",omitempty"`
	HasFault               bool
	HasError               bool
	HasThrottle            bool
	IsPartial              bool
	HTTP                   httpJSON `json:"Http"`
	Annotations            map[string][]annotationJSON
	Users                  []userJSON
	ServiceIDs             []serviceID `json:"ServiceIds"`
	ResourceARNs           []arnJSON
	InstanceIDs            []empty    `json:"InstanceIds"`
	AvailabilityZones      []empty    `json:"AvailabilityZones"`
	EntryPoint             *serviceID `json:",omitempty"`
	FaultRootCauses        []empty
	ErrorRootCauses        []empty
	ResponseTimeRootCauses []empty
	Revision               int
	MatchedEventTime       *epoch `json:",omitempty"`
}

type httpJSON struct {
	HTTPURL    string `json:"HttpURL,omitempty"`
	HTTPStatus int    `json:"HttpStatus,omitempty"`
	HTTPMethod string `json:"HttpMethod,omitempty"`
	UserAgent  string `json:",omitempty"`
	ClientIP   string `json:"ClientIp,omitempty"`
}

type serviceID struct {
	Name      string
	Names     []string
	AccountID string `json:"AccountId,omitempty"`
	Type      string `json:",omitempty"`
}

type annotationJSON struct {
	AnnotationValue annotationValue
	ServiceIDs      []serviceID `json:"ServiceIds"`
}

type annotationValue struct {
	NumberValue  *float64 `json:",omitempty"`
	BooleanValue *bool    `json:",omitempty"`
	StringValue  *string  `json:",omitempty"`
}

type userJSON struct {
	UserName   string
	ServiceIDs []serviceID `json:"ServiceIds"`
}

type arnJSON struct{ ARN string }

func (a *API) getTraceSummaries(ctx context.Context, in *getTraceSummariesIn) (*getTraceSummariesOut, error) {
	from, to, err := window(in.StartTime, in.EndTime)
	if err != nil {
		return nil, err
	}
	expression, err := filter.Parse(in.FilterExpression)
	if err != nil {
		return nil, invalid("%v", err)
	}
	within, err := timeRange(in.TimeRangeType, from, to)
	if err != nil {
		return nil, err
	}
	sampled, err := sampler(in)
	if err != nil {
		return nil, err
	}
	last, err := parseCursor(in.NextToken)
	if err != nil {
		return nil, err
	}
	candidates := a.candidates(expression, func(r traces.Ref) bool {
		return within(r) && sampled(r.ID) && (in.NextToken == "" || last.before(cursorOf(r)))
	})
	slices.SortFunc(candidates, func(x, y traces.Ref) int { return cursorOf(x).compare(cursorOf(y)) })

	out := &getTraceSummariesOut{TraceSummaries: []summary{}, ApproximateTime: at(to)}
	if in.NextToken == "" { // with the first page comes what an index has left out, and no page looks at
		all := 0
		a.options.Store.List(func(r traces.Ref) bool {
			if within(r) && sampled(r.ID) {
				all++
			}
			return false
		})
		out.TracesProcessedCount = max(all-len(candidates), 0) // traces come and go
	}
	for i, ref := range candidates {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i == pageTraces || len(out.TraceSummaries) == pageSummaries {
			out.NextToken = cursorOf(candidates[i-1]).token()
			break
		}
		out.TracesProcessedCount++
		out.ApproximateTime = at(ref.Start)
		t, ok := a.options.Store.Trace(ref.ID)
		if !ok {
			continue // evicted in the meantime
		}
		f := filter.FactsOf(t.Tree())
		f.Groups(a.find)
		if !expression.Match(f) || in.TimeRangeType == "Service" && !endsWithin(f.Tree, from, to) {
			continue
		}
		s := a.summarize(t, f)
		if in.TimeRangeType == "Event" {
			s.MatchedEventTime = new(atTime(ref.Changed))
		}
		out.TraceSummaries = append(out.TraceSummaries, s)
	}
	return out, nil
}

// candidates are the traces that want accepts, or, when an annotation leads there, those among them that may match.
func (a *API) candidates(e filter.Expression, want func(traces.Ref) bool) []traces.Ref {
	if key, value, ok := e.Annotation(); ok {
		if refs, indexed := a.options.Store.Annotated(key, value); indexed {
			return slices.DeleteFunc(refs, func(r traces.Ref) bool { return !want(r) })
		}
	}
	return a.options.Store.List(want)
}

// timeRange tells which traces a time range means. For Service, the ends of segments are looked at later.
func timeRange(typ string, from, to segment.Time) (func(traces.Ref) bool, error) {
	switch typ {
	case "", "TraceId":
		return func(r traces.Ref) bool { return r.Start >= from && r.Start <= to }, nil
	case "Event":
		return func(r traces.Ref) bool { at := segment.At(r.Changed); return at >= from && at <= to }, nil
	case "Service":
		return func(r traces.Ref) bool { return r.End >= from && r.Start <= to }, nil
	}
	return nil, invalid("TimeRangeType %.40q is none of TraceId, Event and Service", typ)
}

func endsWithin(t *tracetree.Tree, from, to segment.Time) bool {
	for s := range t.Segments() {
		if s.Complete() && s.End >= from && s.End <= to {
			return true
		}
	}
	return false
}

// sampler tells which traces a sampling strategy takes.
func sampler(in *getTraceSummariesIn) (func(segment.TraceID) bool, error) {
	everything := func(segment.TraceID) bool { return true }
	strategy := in.SamplingStrategy
	if !in.Sampling || strategy == nil || strategy.Name == "PartialScan" {
		return everything, nil
	}
	if strategy.Name != "FixedRate" || !(strategy.Value >= 0 && strategy.Value <= 1) {
		return nil, invalid("SamplingStrategy %.40q with the value %v is neither PartialScan nor FixedRate with a value from 0 to 1", strategy.Name, strategy.Value)
	}
	return func(id segment.TraceID) bool {
		return float64(binary.BigEndian.Uint64(id[8:]))/math.MaxUint64 < strategy.Value
	}, nil
}

// A cursor is a place in the list of traces, the newest first.
type cursor struct {
	start segment.Time
	id    segment.TraceID
}

func cursorOf(r traces.Ref) cursor { return cursor{r.Start, r.ID} }

func (c cursor) compare(other cursor) int {
	return cmp.Or(cmp.Compare(other.start, c.start), bytes.Compare(c.id[:], other.id[:]))
}

func (c cursor) before(other cursor) bool { return c.compare(other) < 0 }

func (c cursor) token() string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(c.start)), c.id[:]...))
}

func parseCursor(token string) (cursor, error) {
	var c cursor
	if token == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 24 {
		return c, invalid("NextToken %.64q is not one of this X-Ray", token)
	}
	c.start = segment.Time(binary.BigEndian.Uint64(b))
	copy(c.id[:], b[8:])
	return c, nil
}

func (a *API) service(n tracetree.Node) serviceID {
	return serviceID{Name: n.Name, Names: []string{n.Name}, AccountID: a.options.Account, Type: n.Type}
}

func (a *API) summarize(t *traces.Trace, f *filter.Facts) summary {
	s := summary{
		ID: t.ID.String(), StartTime: at(f.Start), Duration: seconds(f.End.Sub(f.Start)),
		HasFault: f.Fault, HasError: f.Error, HasThrottle: f.Throttle, IsPartial: f.Partial,
		Annotations: map[string][]annotationJSON{}, Users: []userJSON{}, ServiceIDs: []serviceID{}, ResourceARNs: []arnJSON{},
		InstanceIDs: []empty{}, AvailabilityZones: []empty{}, FaultRootCauses: []empty{}, ErrorRootCauses: []empty{}, ResponseTimeRootCauses: []empty{},
		Revision: t.Revision,
	}
	if f.Entry != nil {
		s.EntryPoint = new(a.service(f.Entry.Node()))
		if f.Entry.Complete() {
			s.ResponseTime = new(seconds(f.ResponseTime))
		}
	}
	if h := f.HTTP; h != nil {
		s.HTTP = httpJSON{h.Request.URL, h.Response.Status, h.Request.Method, h.Request.UserAgent, h.Request.ClientIP}
	}
	nodes, arns := map[tracetree.Node]bool{}, map[string]bool{}
	for _, span := range f.Tree.Spans {
		node := span.Node()
		if !span.Subsegment && !nodes[node] {
			nodes[node] = true
			s.ServiceIDs = append(s.ServiceIDs, a.service(node))
		}
		if arn := span.ResourceARN; arn != "" && !arns[arn] {
			arns[arn] = true
			s.ResourceARNs = append(s.ResourceARNs, arnJSON{arn})
		}
		for _, annotation := range span.Annotations {
			a.annotate(&s, annotation, node)
		}
		if span.User != "" && !slices.ContainsFunc(s.Users, func(u userJSON) bool { return u.UserName == span.User }) {
			s.Users = append(s.Users, userJSON{span.User, []serviceID{a.service(node)}})
		}
	}
	return s
}

// annotate adds an annotation to a summary, at most as many keys as X-Ray indexes for a trace.
func (a *API) annotate(s *summary, annotation segment.Attribute, node tracetree.Node) {
	list, known := s.Annotations[annotation.Key]
	v, ok := valueOf(annotation.Value)
	if !ok || !known && len(s.Annotations) == segment.MaxAnnotations {
		return
	}
	service := a.service(node)
	for i := range list {
		if list[i].AnnotationValue.equal(v) {
			if !slices.ContainsFunc(list[i].ServiceIDs, func(id serviceID) bool { return id.Name == service.Name && id.Type == service.Type }) {
				list[i].ServiceIDs = append(list[i].ServiceIDs, service)
			}
			return
		}
	}
	s.Annotations[annotation.Key] = append(list, annotationJSON{v, []serviceID{service}})
}

func valueOf(v segment.Value) (annotationValue, bool) {
	switch v.Kind() {
	case jsontext.String:
		return annotationValue{StringValue: new(v.String())}, true
	case jsontext.Number:
		return annotationValue{NumberValue: new(v.Number())}, true
	case jsontext.Bool:
		return annotationValue{BooleanValue: new(v.Bool())}, true
	}
	return annotationValue{}, false
}

func (v annotationValue) equal(w annotationValue) bool {
	return same(v.NumberValue, w.NumberValue) && same(v.BooleanValue, w.BooleanValue) && same(v.StringValue, w.StringValue)
}

func same[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}
