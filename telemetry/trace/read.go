package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// What X-Ray allows and keeps.
const (
	batchSize = 5             // trace ids of BatchGetTraces
	window    = 6 * time.Hour // of one search; longer ones are refused or sampled
	day       = 24 * time.Hour
	retention = 30 * day // of traces
	maxTraces = 50       // of a subject that are read; it should have one
)

// Ids that BatchGetTraces leaves unprocessed are asked for again, so many times and each time after twice as long. X-Ray has no way to say
// that it does not know a trace but to leave it out, and does not say when it calls one unprocessed.
const (
	unprocessedTries = 4
	unprocessedPause = 100 * time.Millisecond
)

// xrayAPI is what the command needs of X-Ray; an *xray.Client has it.
type xrayAPI interface {
	xray.BatchGetTracesAPIClient
	xray.GetTraceSummariesAPIClient
	xray.GetTraceGraphAPIClient
	xray.GetServiceGraphAPIClient
}

// A recording is what X-Ray has of some traces.
type recording struct {
	docs []segment.Document
	raw  []json.RawMessage // the documents as they were stored, inferred ones included

	unreadable int               // documents that are none
	reason     error             // of the first of them
	full       []segment.TraceID // traces to which X-Ray took no more documents

	unprocessed int // traces that X-Ray did not process, however often it was asked

	others int // subjects that share the traces, and whose documents are left out, see keep
}

// fetch reads traces. Those that X-Ray does not know are left out.
func fetch(ctx context.Context, api xrayAPI, ids ...segment.TraceID) (*recording, error) {
	var r recording
	for some := range slices.Chunk(ids, batchSize) {
		names := make([]string, len(some))
		for i, id := range some {
			names[i] = id.String()
		}
		for try := 1; len(names) > 0; try++ {
			left, err := r.batch(ctx, api, names)
			if err != nil {
				return nil, err
			}
			if len(left) == 0 {
				break
			}
			if try == unprocessedTries {
				r.unprocessed += len(left)
				break
			}
			if err := pause(ctx, unprocessedPause<<(try-1)); err != nil {
				return nil, err
			}
			names = left
		}
	}
	return &r, nil
}

// batch reads traces with one call and its pages, and returns the ids that it was given and X-Ray did not process.
func (r *recording) batch(ctx context.Context, api xrayAPI, names []string) (left []string, err error) {
	pages := xray.NewBatchGetTracesPaginator(api, &xray.BatchGetTracesInput{TraceIds: names}, func(o *xray.BatchGetTracesPaginatorOptions) { o.StopOnDuplicateToken = true })
	got := make(map[string]bool)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Traces {
			got[aws.ToString(t.Id)] = true
			r.add(&t)
		}
		left = append(left, page.UnprocessedTraceIds...)
	}
	// What a later page brought was processed after all, and what was not asked for is nobody's business.
	return slices.DeleteFunc(left, func(id string) bool { return got[id] || !slices.Contains(names, id) }), nil
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *recording) add(t *types.Trace) {
	if aws.ToBool(t.LimitExceeded) {
		if id, err := segment.ParseTraceID(aws.ToString(t.Id)); err == nil && !slices.Contains(r.full, id) {
			r.full = append(r.full, id)
		}
	}
	for _, s := range t.Segments {
		text := []byte(aws.ToString(s.Document))
		d, err := segment.DecodeReturned(text)
		if err != nil {
			if r.unreadable++; r.reason == nil {
				r.reason = fmt.Errorf("segment %.40q: %w", aws.ToString(s.Id), err)
			}
			continue
		}
		if d.TraceID.IsZero() { // told by the trace that it is in
			if id, err := segment.ParseTraceID(aws.ToString(t.Id)); err == nil {
				d.TraceID = id
			}
		}
		r.docs = append(r.docs, d)
		r.raw = append(r.raw, text)
	}
}

// keep leaves of the recording what belongs to the subject that was asked for, and returns the tree of that: within one trace, a client may
// send requests for several. What a request has led to is left out if it names subjects and that one is not among them. If it is nowhere,
// everything stays.
func (r *recording) keep(q *question, t *tracetree.Tree) *tracetree.Tree {
	asked := make(map[string]bool)
	for _, s := range q.subjects {
		asked[segment.AnnotationText(s)] = true
	}
	request := make(map[*tracetree.Span]*tracetree.Span) // the root, or the stage beneath spans of a client, that a span is beneath
	theirs := make(map[*tracetree.Span][]string)         // subjects of requests
	mine, found := make(map[*tracetree.Span]bool), false
	for _, s := range t.Spans { // parents come first
		top := request[s.Parent]
		if s.Parent == nil || s.Origin == segment.OriginStage && top.Origin != segment.OriginStage && len(theirs[top]) == 0 && !mine[top] {
			top = s
		}
		request[s] = top
		if subject, ok := s.Annotation("subject"); ok && asked[subject.String()] {
			mine[top], found = true, true
		} else if ok && !slices.Contains(theirs[top], subject.String()) {
			theirs[top] = append(theirs[top], subject.String())
		}
	}
	if !found {
		return t
	}
	type key struct {
		trace segment.TraceID
		id    segment.ID
	}
	drop, others := make(map[key]bool), make(map[string]bool)
	for s, top := range request {
		if !mine[top] && len(theirs[top]) > 0 {
			drop[key{s.TraceID, s.ID}] = true
			for _, subject := range theirs[top] {
				others[subject] = true
			}
		}
	}
	if len(drop) == 0 {
		return t
	}
	r.others = len(others)
	docs, raw := r.docs, r.raw
	r.docs, r.raw = nil, nil
	for i, d := range docs {
		if !drop[key{d.TraceID, d.ID}] {
			r.docs, r.raw = append(r.docs, d), append(r.raw, raw[i])
		}
	}
	return tracetree.Build(r.docs)
}

// cut tells whether a problem may come from X-Ray's limit of size alone: of a trace that has reached it, nobody knows what followed.
func (r *recording) cut(p tracetree.Problem) bool {
	switch p.Kind {
	case tracetree.MissingHop, tracetree.DanglingParent, tracetree.InProgress:
		return slices.Contains(r.full, p.Span.TraceID)
	}
	return false
}

// search finds traces by an annotation, the newest first; an empty expression finds none. It looks back in windows until it has found
// some and a window beyond has none, or there is nothing left to look at. far is called when the last day has nothing, before more is looked at.
func search(ctx context.Context, api xrayAPI, expression string, back time.Duration, far func()) ([]segment.TraceID, error) {
	if expression == "" {
		return nil, nil
	}
	var found []segment.TraceID
	now := time.Now()
	// Clocks differ: a trace may have begun in what is the future here.
	for to := now.Add(time.Minute); now.Sub(to) < back && len(found) < maxTraces; to = to.Add(-window) {
		if len(found) == 0 && to.Before(now.Add(-day)) && far != nil {
			far()
			far = nil
		}
		ids, err := between(ctx, api, expression, to.Add(-window), to)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 && len(found) > 0 {
			break
		}
		for _, id := range ids {
			if !slices.Contains(found, id) {
				found = append(found, id)
			}
		}
	}
	return found[:min(len(found), maxTraces)], nil
}

// between are the traces that began in one window and that the expression matches.
func between(ctx context.Context, api xrayAPI, expression string, from, to time.Time) ([]segment.TraceID, error) {
	var found []segment.TraceID
	pages := xray.NewGetTraceSummariesPaginator(api, &xray.GetTraceSummariesInput{
		StartTime: &from, EndTime: &to, FilterExpression: &expression, TimeRangeType: types.TimeRangeTypeTraceId, Sampling: aws.Bool(false),
	}, func(o *xray.GetTraceSummariesPaginatorOptions) { o.StopOnDuplicateToken = true })
	for pages.HasMorePages() && len(found) < maxTraces {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range page.TraceSummaries {
			if id, err := segment.ParseTraceID(aws.ToString(s.Id)); err == nil {
				found = append(found, id)
			}
		}
	}
	return found, nil
}

// siblings are the traces that carry the subject and began while the known one ran, or soon after.
func siblings(ctx context.Context, api xrayAPI, q *question, known *tracetree.Tree) ([]segment.TraceID, error) {
	times := known.Times()
	expression := q.expression()
	if expression == "" || times.Start == 0 {
		return nil, nil
	}
	var found []segment.TraceID
	from, end := times.Start.Time().Add(-time.Minute), times.End.Time().Add(window/2)
	if now := time.Now().Add(time.Minute); now.Before(end) {
		end = now
	}
	for ; from.Before(end) && len(found) < maxTraces; from = from.Add(window) {
		to := from.Add(window)
		if to.After(end) {
			to = end
		}
		ids, err := between(ctx, api, expression, from, to)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if !slices.Contains(found, id) && !slices.Contains(known.Traces, id) {
				found = append(found, id)
			}
		}
	}
	return found, nil
}

// traceGraph is the map that X-Ray draws of the traces.
func traceGraph(ctx context.Context, api xrayAPI, ids []segment.TraceID) ([]types.Service, error) {
	var services []types.Service
	for some := range slices.Chunk(ids, batchSize) {
		names := make([]string, len(some))
		for i, id := range some {
			names[i] = id.String()
		}
		pages := xray.NewGetTraceGraphPaginator(api, &xray.GetTraceGraphInput{TraceIds: names}, func(o *xray.GetTraceGraphPaginatorOptions) { o.StopOnDuplicateToken = true })
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			services = append(services, page.Services...)
		}
	}
	return services, nil
}

// queuesNear are the names of the queues on the service map of the hour around a time: those of other traces, by which a
// queue is recognised of which this trace has lost every document.
func queuesNear(ctx context.Context, api xrayAPI, at time.Time) ([]string, error) {
	from, to := at.Add(-30*time.Minute), at.Add(30*time.Minute)
	pages := xray.NewGetServiceGraphPaginator(api, &xray.GetServiceGraphInput{StartTime: &from, EndTime: &to}, func(o *xray.GetServiceGraphPaginatorOptions) { o.StopOnDuplicateToken = true })
	var names []string
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Services {
			name := aws.ToString(s.Name)
			if aws.ToString(s.Type) == segment.OriginQueue && name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}
