package main

import (
	"testing"

	"pgregory.net/rapid"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// TestEverySpanIsInThePicture: whatever a trace looks like, nothing of it is left out, and nothing is drawn twice.
func TestEverySpanIsInThePicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var docs []segment.Document
		for n := range rapid.IntRange(1, 14).Draw(t, "documents") {
			d := segment.Document{TraceID: segment.TraceID{15: 1}, ID: segment.ID{7: byte(n + 1)}, Start: segment.Time(1e12 + n), End: segment.Time(1e12 + n + 5)}
			if parent := rapid.IntRange(0, n).Draw(t, "parent"); parent > 0 {
				d.ParentID = segment.ID{7: byte(parent)}
			}
			d.Name = rapid.SampledFrom([]string{"a", "Events", "Invocation"}).Draw(t, "name")
			d.Fault, d.Inferred = rapid.Bool().Draw(t, "fault"), rapid.IntRange(0, 9).Draw(t, "inferred") == 0
			if rapid.Bool().Draw(t, "subsegment") {
				d.Type = segment.TypeSubsegment
				d.Namespace = rapid.SampledFrom([]string{"", segment.NamespaceAWS, segment.NamespaceRemote}).Draw(t, "namespace")
			} else {
				d.Origin = rapid.SampledFrom([]string{segment.OriginEvents, segment.OriginQueue, segment.OriginFunction, segment.OriginLambda}).Draw(t, "origin")
			}
			if d.Name == "Events" {
				d.AWS = &segment.AWS{Operation: "PutEvents", ResourceNames: []string{"arvo-bus"}}
			}
			docs = append(docs, d)
		}
		tree := tracetree.Build(docs)
		p := newPicture(tree, tree.Check(), tree.Notes())
		drawn := make(map[*tracetree.Span]int)
		for _, r := range p.rows {
			drawn[r.span]++
			for _, s := range r.folded {
				drawn[s]++
			}
		}
		for _, s := range tree.Spans {
			if drawn[s] != 1 || p.of[s] == nil {
				t.Fatalf("%s %s is drawn %d times in\n%s", s.ID, s.Name, drawn[s], tree)
			}
		}
	})
}
