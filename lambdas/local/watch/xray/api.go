// Package xray serves X-Ray's API over a store of traces, in the REST-JSON protocol that AWS SDKs and the aws CLI speak:
//
//	PutTraceSegments, PutTelemetryRecords                        what daemons send
//	GetTraceSummaries, BatchGetTraces                            search, and documents
//	GetServiceGraph, GetTraceGraph                               the trace map
//	GetSamplingRules, GetSamplingTargets, GetSamplingStatisticSummaries
//	GetGroups, GetGroup, GetEncryptionConfig, GetTraceSegmentDestination
//
// Any other operation is answered with UnknownOperationException and its name.
//
// # Promises
//
// A document is in every answer that is asked for after it was put. Every call is bounded: a page of summaries looks at no
// more than [pageTraces] traces, BatchGetTraces takes five, graphs stop with their client. Tokens hold no state: a page continues
// behind the trace that the last one ended with, whatever came or went since.
//
// # Documents
//
// BatchGetTraces returns segments as they were sent, byte for byte but for one thing: subsegments that were sent by
// themselves stand within their parents, as X-Ray has it. Those whose parent is unknown stand alone, so that nobody takes
// an incomplete trace for a complete one. Inferred segments follow.
//
// # What differs from AWS
//
//   - Root causes are not computed: FaultRootCauses, ErrorRootCauses and ResponseTimeRootCauses are empty.
//   - A service graph counts every trace that overlaps the time asked for, whole.
//   - TraceId as TimeRangeType means the trace's start and not the time in its id, which clients may choose.
//   - Sampling with PartialScan returns everything; FixedRate takes traces by their ids, so the same ones each time.
//   - Aliases and histograms of event ages are empty. There is one account: GroupARN and account ids are not checked for it.
//   - No insights, no resource policies, no tags, nothing is created or changed: rules and groups come from the template.
package xray

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"example.com/arvo/lambdas/local/watch/filter"
	"example.com/arvo/lambdas/local/watch/sampling"
	"example.com/arvo/lambdas/local/watch/traces"
	"example.com/arvo/lambdas/local/wire"
	"example.com/arvo/telemetry/segment"
)

// A Group is a named filter expression.
type Group struct {
	Name, ARN, Expression string
}

// Options configure an [API].
type Options struct {
	Store   *traces.Store
	Sampler *sampling.Sampler
	Groups  []Group
	Account string
}

// An API answers X-Ray's operations. Make one with [New].
type API struct {
	options Options
	groups  []group
	started time.Time
	paths   map[string]func(context.Context, []byte) (any, error)
}

type group struct {
	Group
	parsed filter.Expression
}

// New checks the groups' expressions. Errors name the group.
func New(o Options) (*API, error) {
	a := &API{options: o, started: time.Now()}
	for _, g := range o.Groups {
		parsed, err := filter.Parse(g.Expression)
		if err != nil {
			return nil, fmt.Errorf("xray: group %s: %w", g.Name, err)
		}
		a.groups = append(a.groups, group{g, parsed})
	}
	a.paths = map[string]func(context.Context, []byte) (any, error){
		"/TraceSegments":              wire.JSON(a.putTraceSegments),
		"/TelemetryRecords":           wire.JSON(a.putTelemetryRecords),
		"/TraceSummaries":             wire.JSON(a.getTraceSummaries),
		"/Traces":                     wire.JSON(a.batchGetTraces),
		"/ServiceGraph":               wire.JSON(a.getServiceGraph),
		"/TraceGraph":                 wire.JSON(a.getTraceGraph),
		"/GetSamplingRules":           wire.JSON(a.getSamplingRules),
		"/SamplingTargets":            wire.JSON(a.getSamplingTargets),
		"/SamplingStatisticSummaries": wire.JSON(a.getSamplingStatisticSummaries),
		"/Groups":                     wire.JSON(a.getGroups),
		"/GetGroup":                   wire.JSON(a.getGroup),
		"/EncryptionConfig":           wire.JSON(a.getEncryptionConfig),
		"/GetTraceSegmentDestination": wire.JSON(a.getTraceSegmentDestination),
	}
	return a, nil
}

// Paths are those that the API answers, for [wire.Mux.HandlePath]. Those of operations that are not here are among them.
var Paths = []string{
	"/TraceSegments", "/TelemetryRecords", "/TraceSummaries", "/Traces", "/ServiceGraph", "/TraceGraph", "/GetSamplingRules",
	"/SamplingTargets", "/SamplingStatisticSummaries", "/Groups", "/GetGroup", "/EncryptionConfig", "/GetTraceSegmentDestination",
	"/CreateGroup", "/UpdateGroup", "/DeleteGroup", "/CreateSamplingRule", "/UpdateSamplingRule", "/DeleteSamplingRule",
	"/StartTraceRetrieval", "/ListRetrievedTraces", "/CancelTraceRetrieval", "/GetRetrievedTracesGraph", "/TimeSeriesServiceStatistics",
	"/Insight", "/InsightEvents", "/InsightImpactGraph", "/InsightSummaries", "/PutEncryptionConfig", "/UpdateTraceSegmentDestination",
	"/GetIndexingRules", "/UpdateIndexingRule", "/ListResourcePolicies", "/PutResourcePolicy", "/DeleteResourcePolicy",
	"/ListTagsForResource", "/TagResource", "/UntagResource",
}

// ServeHTTP answers one call.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := a.paths[r.URL.Path]
	if op == nil || r.Method != http.MethodPost {
		wire.WriteRESTError(w, &wire.Error{Code: "UnknownOperationException", Message: fmt.Sprintf("the local X-Ray has no %.10s %.100s", r.Method, r.URL.Path), Status: http.StatusNotFound})
		return
	}
	body, err := wire.ReadBody(w, r)
	if err == nil {
		if len(body) == 0 {
			body = []byte("{}")
		}
		var out any
		if out, err = op(r.Context(), body); err == nil {
			answer(w, out)
			return
		}
	}
	var e *wire.Error
	if !errors.As(err, &e) {
		e = &wire.Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError}
	}
	wire.WriteRESTError(w, e)
}

func answer(w http.ResponseWriter, out any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(out) // what is encoded here encodes, so an error means that the client has gone
}

func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidRequestException", format, args...)
}

// An epoch is a time on the wire: seconds since 1970.
type epoch float64

func at(t segment.Time) epoch         { return epoch(float64(t) / 1e6) }
func atTime(t time.Time) epoch        { return epoch(float64(t.UnixMicro()) / 1e6) }
func seconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e6 }

// time is the moment; ok is false for what is no time at all.
func (e *epoch) time() (segment.Time, bool) {
	if e == nil || math.IsNaN(float64(*e)) || *e < 0 || *e >= 1<<33 {
		return 0, false
	}
	return segment.Time(math.Round(float64(*e) * 1e6)), true
}

// window reads the times that an operation asks about.
func window(start, end *epoch) (from, to segment.Time, err error) {
	from, ok := start.time()
	if !ok {
		return 0, 0, invalid("StartTime is missing or is no time in seconds since 1970")
	}
	if to, ok = end.time(); !ok {
		return 0, 0, invalid("EndTime is missing or is no time in seconds since 1970")
	}
	if to < from {
		return 0, 0, invalid("EndTime is before StartTime")
	}
	return from, to, nil
}

func (a *API) find(nameOrARN string) (filter.Expression, bool) {
	for _, g := range a.groups {
		if g.Name == nameOrARN || g.ARN == nameOrARN {
			return g.parsed, true
		}
	}
	return filter.Expression{}, false
}

type putTraceSegmentsIn struct{ TraceSegmentDocuments []string }

type putTraceSegmentsOut struct{ UnprocessedTraceSegments []unprocessedSegment }

type unprocessedSegment struct {
	ID        string `json:"Id,omitempty"`
	ErrorCode string
	Message   string
}

// maxDocuments bounds PutTraceSegments; X-Ray's daemon sends 50, and its guide names no limit.
const maxDocuments = 1000

func (a *API) putTraceSegments(_ context.Context, in *putTraceSegmentsIn) (*putTraceSegmentsOut, error) {
	if in.TraceSegmentDocuments == nil {
		return nil, invalid("TraceSegmentDocuments is missing")
	}
	if n := len(in.TraceSegmentDocuments); n > maxDocuments {
		return nil, invalid("TraceSegmentDocuments has %d documents, at most %d", n, maxDocuments)
	}
	out := &putTraceSegmentsOut{UnprocessedTraceSegments: []unprocessedSegment{}}
	for _, text := range in.TraceSegmentDocuments {
		docs, err := segment.Split([]byte(text))
		if err != nil {
			out.refuse(err)
			continue
		}
		for _, doc := range docs {
			if err := a.options.Store.Put(doc); err != nil {
				out.refuse(err)
			}
		}
	}
	return out, nil
}

func (out *putTraceSegmentsOut) refuse(err error) {
	u := unprocessedSegment{ErrorCode: "TraceSizeLimitExceeded", Message: err.Error()}
	var e *segment.Error
	if errors.As(err, &e) {
		u.ErrorCode = e.Code
		if !e.ID.IsZero() {
			u.ID = e.ID.String()
		}
	}
	out.UnprocessedTraceSegments = append(out.UnprocessedTraceSegments, u)
}

type empty struct{}

// putTelemetryRecords takes what a daemon says of itself, which nobody here asks for.
func (a *API) putTelemetryRecords(_ context.Context, in *struct{ TelemetryRecords []any }) (*empty, error) {
	if in.TelemetryRecords == nil {
		return nil, invalid("TelemetryRecords is missing")
	}
	return &empty{}, nil
}
