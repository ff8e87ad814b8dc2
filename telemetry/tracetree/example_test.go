package tracetree_test

import (
	"fmt"
	"time"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// An event on its way from one function to another, in three documents.
func Example() {
	trace := segment.TraceID{15: 1}
	ms := func(n int) segment.Time {
		return segment.At(time.Unix(1699480919, 0)).Add(time.Duration(n) * time.Millisecond)
	}
	sent := segment.ID{2}
	queue := segment.HopID(trace, sent, segment.OriginQueue, "requests")
	tree := tracetree.Build([]segment.Document{
		{TraceID: trace, ID: segment.ID{3}, ParentID: queue, Name: "handler", Origin: segment.OriginFunction, Start: ms(60), End: ms(90)},
		{TraceID: trace, ID: queue, ParentID: sent, Name: "requests", Origin: segment.OriginQueue, Start: ms(8), End: ms(60)},
		{TraceID: trace, ID: segment.ID{1}, Name: "sender", Origin: segment.OriginFunction, Start: ms(0), End: ms(10), Subsegments: []segment.Document{
			{ID: sent, Name: "SQS", Namespace: segment.NamespaceAWS, Start: ms(2), End: ms(9)},
		}},
	})
	fmt.Print(tree)
	times := tree.Times()
	fmt.Println("worked", times.Work, "waited", times.Wait())
	fmt.Println("problems:", tree.Check())

	// Output:
	//        0s      10ms  sender  [AWS::Lambda::Function]
	//       2ms       7ms    SQS  [aws]
	//       8ms      52ms      requests  [AWS::SQS::Queue]
	//      60ms      30ms        handler  [AWS::Lambda::Function]
	// worked 38ms waited 52ms
	// problems: []
}
