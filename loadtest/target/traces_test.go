package target

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/loadtest/results"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// A trace in short: segments and services in the order of time, each beneath the one before it that led to it; neither the
// Lambda service nor calls of tables.
func TestATraceIsShownByItsHops(t *testing.T) {
	trace := segment.TraceID{1}
	const ms = 1000
	at := func(id, parent byte, name, origin string, start, end segment.Time) segment.Document {
		d := segment.Document{TraceID: trace, ID: segment.ID{id}, Name: name, Origin: origin, Start: 1e12 + start*ms, End: 1e12 + end*ms}
		if parent != 0 {
			d.ParentID = segment.ID{parent}
		}
		return d
	}
	handler := at(5, 4, "handler", segment.OriginFunction, 12, 0)
	handler.InProgress, handler.End = true, 0
	service := at(6, 0, "com.workload.simulate", "", 13, 20)
	service.Namespace, service.Fault = segment.NamespaceRemote, true
	call := at(7, 0, "DynamoDB", "", 14, 15)
	call.Namespace = segment.NamespaceAWS
	handler.Subsegments = []segment.Document{service, call}
	hops := hopsOf(tracetree.Build([]segment.Document{
		handler,
		at(4, 3, "requests", segment.OriginQueue, 6, 12),
		at(3, 1, "bus", segment.OriginEvents, 4, 6),
		at(1, 0, "api/live", segment.OriginStage, 0, 5),
		at(2, 1, "api", segment.OriginLambda, 1, 5),
	}))
	took := func(ms float64) *float64 { return &ms }
	want := []results.Hop{
		{Name: "api/live", Kind: results.HopWork, TookMs: took(5)},
		{Name: "bus", Kind: results.HopBus, Depth: 1, StartMs: 4, TookMs: took(2)},
		{Name: "requests", Kind: results.HopQueue, Depth: 2, StartMs: 6, TookMs: took(6)},
		{Name: "handler", Kind: results.HopWork, Depth: 3, StartMs: 12},
		{Name: "com.workload.simulate", Kind: results.HopWork, Depth: 4, StartMs: 13, TookMs: took(7), Failed: true},
	}
	if diff := cmp.Diff(want, hops); diff != "" {
		t.Error(diff)
	}
}
