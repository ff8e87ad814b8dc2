package segment_test

import (
	"fmt"
	"time"

	"example.com/arvo/telemetry/segment"
)

// A segment of a function with a call to DynamoDB in it, as the daemon takes it.
func Example() {
	trace, err := segment.ParseTraceID("5759e988bd862e3fe1be46a994272793") // of a traceparent
	if err != nil {
		fmt.Println(err)
		return
	}
	start := segment.At(time.Unix(1465510280, 0))
	doc := segment.Document{
		TraceID: trace, ID: segment.ID{1}, Name: "federated_handler", Origin: segment.OriginFunction,
		Start: start, End: start.Add(25 * time.Millisecond),
		Subsegments: []segment.Document{{
			ID: segment.ID{2}, Name: "DynamoDB", Namespace: segment.NamespaceAWS,
			Start: start.Add(time.Millisecond), End: start.Add(5 * time.Millisecond),
			AWS: &segment.AWS{Operation: "PutItem", TableName: "effects"},
		}},
	}
	doc.Annotate("subject", segment.String("c3ViamVjdA"))
	doc.Clean()
	fmt.Printf("%s\n", segment.AppendDatagram(nil, &doc))

	// Output:
	// {"format": "json", "version": 1}
	// {"trace_id":"1-5759e988-bd862e3fe1be46a994272793","id":"0100000000000000","name":"federated_handler","origin":"AWS::Lambda::Function","start_time":1465510280,"end_time":1465510280.025,"annotations":{"subject":"c3ViamVjdA"},"subsegments":[{"id":"0200000000000000","name":"DynamoDB","namespace":"aws","start_time":1465510280.001,"end_time":1465510280.005,"aws":{"operation":"PutItem","table_name":"effects"}}]}
}

func ExampleDocument_Validate() {
	doc, err := segment.Decode([]byte(`{"id":"53995c3f42cd8ad8","trace_id":"1-5759e988-bd862e3fe1be46a994272793","name":"who?","start_time":1,"end_time":2}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Validate())
	// Output: Invalid segment. ErrorCode: InvalidName, Cause: name: '?' may not be in a name
}
