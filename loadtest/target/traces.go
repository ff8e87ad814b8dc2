package target

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"

	"example.com/arvo/loadtest/results"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// Limits of what is read of traces.
const (
	tracesAtOnce = 5   // of BatchGetTraces
	maxTracePart = 20  // calls for them, pages included
	maxHops      = 100 // of a trace
)

// Hops reads traces and returns, by their ids, what they crossed in the order of time: segments and hosted services, but not
// each call that these made. A trace that X-Ray does not have, or not yet, is left out. With an error it returns those that were
// read before.
func (s *Stack) Hops(ctx context.Context, ids []string) (map[string][]results.Hop, error) {
	client := xray.NewFromConfig(s.aws)
	all := map[string][]results.Hop{}
	for some := range slices.Chunk(ids, tracesAtOnce) {
		pages := xray.NewBatchGetTracesPaginator(client, &xray.BatchGetTracesInput{TraceIds: some}, func(o *xray.BatchGetTracesPaginatorOptions) { o.StopOnDuplicateToken = true })
		docs := map[string][]segment.Document{} // a trace may continue on the next page
		for n := 0; pages.HasMorePages() && n < maxTracePart; n++ {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return all, s.wrap("the traces of subjects", err)
			}
			for _, t := range page.Traces {
				for _, part := range t.Segments {
					if d, err := segment.DecodeReturned([]byte(aws.ToString(part.Document))); err == nil { // one that is none has no place in a picture
						docs[aws.ToString(t.Id)] = append(docs[aws.ToString(t.Id)], d)
					}
				}
			}
		}
		for id, d := range docs {
			if slices.Contains(some, id) {
				all[id] = hopsOf(tracetree.Build(d))
			}
		}
	}
	return all, nil
}

// hopsOf flattens a tree. Times count from its first root.
func hopsOf(t *tracetree.Tree) []results.Hop {
	began := t.Times().Start
	var hops []results.Hop
	depth := map[*tracetree.Span]int{} // of hops: how many hops are above them
	for _, span := range t.Spans {
		service := span.Subsegment && span.Namespace == segment.NamespaceRemote
		if !service && (span.Subsegment || span.Inferred || span.Origin == segment.OriginLambda) || len(hops) == maxHops {
			continue
		}
		for above := span.Parent; above != nil; above = above.Parent {
			if d, is := depth[above]; is {
				depth[span] = d + 1
				break
			}
		}
		if _, is := depth[span]; !is {
			depth[span] = 0
		}
		hop := results.Hop{Name: span.Name, Kind: results.HopWork, Depth: depth[span], Failed: span.Fault || span.Error,
			StartMs: float64(span.Began()-began) / 1e3}
		switch {
		case span.IsBus():
			hop.Kind = results.HopBus
		case span.IsQueue():
			hop.Kind = results.HopQueue
		}
		if span.Complete() {
			took := float64(span.End-span.Began()) / 1e3
			hop.TookMs = &took
		}
		hops = append(hops, hop)
	}
	slices.SortStableFunc(hops, func(a, b results.Hop) int {
		switch {
		case a.StartMs < b.StartMs:
			return -1
		case a.StartMs > b.StartMs:
			return 1
		}
		return 0
	})
	return hops
}
