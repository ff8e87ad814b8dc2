package target_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"example.com/arvo/telemetry/segment"
)

// TestATraceWithALargeSegmentIsRead: X-Ray puts subsegments that were sent by themselves into their segment, which may then be larger
// than what may be sent.
func TestATraceWithALargeSegmentIsRead(t *testing.T) {
	const id = "1-5759e988-bd862e3fe1be46a994272793"
	var calls []string
	for i := range 1001 {
		calls = append(calls, fmt.Sprintf(`{"id":"%016x","name":"DynamoDB","namespace":"aws","start_time":1.0,"end_time":1.5}`, i+2))
	}
	document := fmt.Sprintf(`{"id":"53995c3f42cd8ad8","trace_id":%q,"name":"shop-federated_handler","origin":%q,"start_time":1.0,"end_time":2.0,"subsegments":[%s]}`,
		id, segment.OriginFunction, strings.Join(calls, ","))
	if len(document) <= segment.MaxSize {
		t.Fatalf("%d bytes are no more than may be sent", len(document))
	}
	answer, err := json.Marshal(map[string]any{"Traces": []any{map[string]any{"Id": id, "Segments": []any{map[string]any{"Id": "53995c3f42cd8ad8", "Document": document}}}}})
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeAWS(t)
	f.says("POST /", 200, string(answer)) // BatchGetTraces, whose path has no version
	hops, err := f.open().Hops(t.Context(), []string{id})
	if err != nil || len(hops[id]) != 1 || hops[id][0].Name != "shop-federated_handler" {
		t.Errorf("%+v, %v", hops, err)
	}
}
