package segment

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

var exportAll = cmp.AllowUnexported(Value{})

func mustTrace(s string) TraceID {
	id, err := ParseTraceID(s)
	if err != nil {
		panic(err)
	}
	return id
}

func mustID(s string) ID {
	id, err := ParseID(s)
	if err != nil {
		panic(err)
	}
	return id
}

// consumer is the document that federated_handler sends for one message: the segment of the function with four
// subsegments. It has every part that the system makes use of.
func consumer() Document {
	return Document{
		TraceID:  mustTrace("1-5759e988-bd862e3fe1be46a994272793"),
		ID:       mustID("53995c3f42cd8ad8"),
		ParentID: mustID("defdfd9912dc5a56"),
		Name:     "arvo-federated_handler",
		Origin:   OriginFunction,
		Start:    1699480919909589,
		End:      1699480920166836,
		AWS: &AWS{
			FunctionARN:    "arn:aws:lambda:us-east-1:000000000000:function:arvo-federated_handler",
			AccountID:      "000000000000",
			ResourceNames:  []string{"arvo-federated_handler"},
			CloudWatchLogs: []LogGroup{{Name: "/aws/lambda/arvo-federated_handler"}},
		},
		Annotations: []Attribute{{"subject", String("eyJtZXRhIjp7InRyYWNlIjoiMS01NzU5ZTk4OCJ9fQ")}, {"event_type", String("com.payment.charge")}, {"outcome", String("ok")}},
		Metadata:    []Namespace{{"default", []Attribute{{"messaging.message.id", String("6ba7b810-9dad-11d1-80b4-00c04fd430c8")}, {"messaging.sqs.receive_count", Int(1)}}}},
		Links:       []Link{{TraceID: mustTrace("1-654c0558-630340be09e985eb352a72e6"), ID: mustID("2acd99f6ce4d0822")}},
		Subsegments: []Document{
			{ID: mustID("53995c3f42cd8ad1"), Name: "com.payment.charge", Namespace: NamespaceRemote, Start: 1699480919910000, End: 1699480920000000},
			{ID: mustID("53995c3f42cd8ad2"), Name: "DynamoDB", Namespace: NamespaceAWS, Start: 1699480919920000, End: 1699480919930001,
				HTTP: &HTTP{Response: Response{Status: 200, ContentLength: 57}},
				AWS:  &AWS{Operation: "PutItem", Region: "us-east-1", RequestID: "MFQ8CGJ3JTDDVVVASUAAJGQ6NJ82F738BOB4KQNSO5AEMVJF66Q9", TableName: "arvo-effects", ResourceNames: []string{"arvo-effects"}}},
			{ID: mustID("53995c3f42cd8ad3"), Name: "Events", Namespace: NamespaceAWS, Start: 1699480920100000, End: 1699480920150000,
				AWS: &AWS{Operation: "PutEvents", Region: "us-east-1", ResourceNames: []string{"arvo-bus"}}},
			{ID: mustID("53995c3f42cd8ad4"), Name: "Events", Namespace: NamespaceAWS, Start: 1699480920100000, End: 1699480920150000, Fault: true,
				AWS: &AWS{Operation: "PutEvents", Region: "us-east-1", ResourceNames: []string{"arvo-bus"}},
				Cause: &Cause{Exceptions: []Exception{{ID: mustID("aaaaaaaaaaaaaaaa"), Type: "ThrottlingException", Message: "Rate exceeded", Remote: true,
					Stack: []Frame{{Path: "broker/publisher.go", Line: 120, Label: "Publish"}}}}}},
		},
	}
}

func TestEncodedDecodesToTheSame(t *testing.T) {
	want := consumer()
	text := want.AppendJSON(nil)
	got, err := Decode(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(want, got, exportAll); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, text)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	d := consumer()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = d.AppendJSON(dst[:0])
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkClean(b *testing.B) {
	d := consumer()
	b.ReportAllocs()
	for b.Loop() {
		d.Clean()
	}
}

func BenchmarkDecode(b *testing.B) {
	d := consumer()
	text := d.AppendJSON(nil)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
