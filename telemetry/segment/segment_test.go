package segment

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

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

// documents are the shapes that the system sends.
func documents() map[string]Document {
	trace := mustTrace("1-5759e988-bd862e3fe1be46a994272793")
	start := Time(1699480919909589)
	return map[string]Document{
		"consumer": consumer(),
		"request": {
			TraceID: trace, ID: mustID("00000000000000a1"), ParentID: mustID("00000000000000f0"), Type: TypeSubsegment,
			Name: "POST /events", Start: start, End: start.Add(12 * time.Millisecond),
			HTTP:        &HTTP{Request: Request{Method: "POST", URL: "https://api.example.com/events", UserAgent: "curl/8.5.0", ClientIP: "203.0.113.7", XForwardedFor: true}, Response: Response{Status: 202, ContentLength: 231}},
			Annotations: []Attribute{{"subject", String("c3ViamVjdA")}, {"retried", Bool(false)}, {"attempts", Int(1)}, {"share", Float(0.05)}},
		},
		"bus": {
			TraceID: trace, ID: HopID(trace, mustID("53995c3f42cd8ad3"), OriginEvents, "arvo-bus"), ParentID: mustID("53995c3f42cd8ad3"),
			Name: "arvo-bus", Origin: OriginEvents, Start: start, End: start.Add(40 * time.Millisecond),
		},
		"queue": {
			TraceID: trace, ID: mustID("00000000000000c1"), ParentID: mustID("00000000000000b1"),
			Name: "arvo-requests", Origin: OriginQueue, Start: start.Add(40 * time.Millisecond), End: start.Add(90 * time.Millisecond),
			AWS:      &AWS{QueueURL: "https://sqs.us-east-1.amazonaws.com/000000000000/arvo-requests"},
			Metadata: []Namespace{{"default", []Attribute{{"ApproximateReceiveCount", Int(2)}, {"attributes", JSON([]byte("{ \"a\": [1, 2.5, null] }"))}}}},
		},
		"in progress": {TraceID: trace, ID: mustID("00000000000000d1"), Name: "arvo-federated_handler", Origin: OriginFunction, Start: start, InProgress: true},
		"stage": {
			TraceID: trace, ID: mustID("00000000000000e1"), Name: "arvo/Prod", Origin: OriginStage, Start: start, End: start.Add(time.Second),
			ResourceARN: "arn:aws:apigateway:us-east-1::/restapis/abc/stages/Prod", User: "someone", Error: true, Throttle: true,
			HTTP:    &HTTP{Response: Response{Status: 429, ContentLength: -1}},
			AWS:     &AWS{APIGateway: &APIGateway{AccountID: "000000000000", RestAPIID: "abc", Stage: "Prod", RequestID: "r"}, SDK: &SDK{Name: "arvo", Version: "1", AutoInstrumentation: true}},
			Service: &Service{Version: "1.0.0", Runtime: "go", RuntimeVersion: "1.26"},
			Subsegments: []Document{{
				ID: mustID("00000000000000e2"), Name: "Lambda", Namespace: NamespaceAWS, Start: start, End: start.Add(time.Second),
				HTTP: &HTTP{Request: Request{Traced: true}}, AWS: &AWS{FunctionName: "arvo-api_lambda", Operation: "Invoke", Retries: 1},
				Cause: &Cause{ExceptionID: mustID("00000000000000e3")}, PrecursorIDs: []ID{mustID("00000000000000e4")},
			}},
		},
		"failure": {
			TraceID: trace, ID: mustID("00000000000000f1"), Name: "arvo-federated_handler", Origin: OriginFunction, Start: start, End: start + 1, Fault: true,
			Cause: &Cause{WorkingDirectory: "/var/task", Paths: []string{"example.com/arvo"}, Exceptions: []Exception{
				{ID: mustID("00000000000000f2"), Type: "*errors.errorString", Message: "the \"gateway\" said:\nno \u2028", Skipped: 1, Truncated: 3, Cause: mustID("00000000000000f3"),
					Stack: []Frame{{Path: "lambdas/services/payment/payment.go", Line: 71, Label: "Service.Handle"}, {Label: "main"}}},
				{ID: mustID("00000000000000f3"), Message: "naïve façade, 東京", Remote: true},
			}},
		},
	}
}

func TestEncodedDecodesToTheSame(t *testing.T) {
	for name, want := range documents() {
		t.Run(name, func(t *testing.T) {
			text := want.AppendJSON(nil)
			got, err := Decode(text)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if diff := cmp.Diff(want, got, exportAll); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, text)
			}
			if err := got.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGolden holds the exact bytes of each document, indented for the reader.
func TestGolden(t *testing.T) {
	for name, doc := range documents() {
		t.Run(name, func(t *testing.T) {
			text := doc.AppendJSON(nil)
			var indented bytes.Buffer
			if err := json.Indent(&indented, text, "", "  "); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			indented.WriteByte('\n')
			file := filepath.Join("testdata", "golden", strings.ReplaceAll(name, " ", "_")+".json")
			if *update {
				if err := os.WriteFile(file, indented.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), indented.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, want); err != nil || compact.String() != string(text) {
				t.Errorf("not compact: %v\n%s", err, text)
			}
		})
	}
}

func TestAppendJSONAllocatesNothing(t *testing.T) {
	d := consumer()
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { dst = AppendDatagram(dst[:0], &d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, d.Clean); n != 0 {
		t.Errorf("Clean of a clean document: %v allocations", n)
	}
}

// TestAnyDocument draws documents with all members and checks that what is written reads the same, is valid JSON to others,
// and after Clean is valid to X-Ray.
func TestAnyDocument(t *testing.T) {
	schema := xraySchema(t)
	rapid.Check(t, func(t *rapid.T) {
		want := drawDocument(t, 3, true)
		text := want.AppendJSON(nil)
		got, err := Decode(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(want, got, exportAll); diff != "" {
			t.Fatalf("(-want +got):\n%s\n%s", diff, text)
		}
		want.Clean()
		if err := want.Validate(); err != nil {
			t.Fatal(err)
		}
		once := string(want.AppendJSON(nil))
		if err := schema.check([]byte(once)); err != nil {
			t.Fatalf("%v\n%s", err, once)
		}
		want.Clean()
		if twice := string(want.AppendJSON(nil)); once != twice {
			t.Fatalf("Clean changes a clean document:\n%s\n%s", once, twice)
		}
	})
}

func drawDocument(t *rapid.T, depth int, top bool) Document {
	text := rapid.StringN(0, 6, -1)
	long := rapid.OneOf(rapid.StringN(0, 6, -1), rapid.Just(strings.Repeat("é(", 200)))
	id := rapid.Custom(func(t *rapid.T) ID {
		return ID(rapid.SliceOfN(rapid.ByteRange(1, 255), 8, 8).Draw(t, "id"))
	})
	trace := rapid.Custom(func(t *rapid.T) TraceID {
		return TraceID(rapid.SliceOfN(rapid.ByteRange(1, 255), 16, 16).Draw(t, "trace"))
	})
	at := rapid.Custom(func(t *rapid.T) Time { return Time(rapid.Int64Range(1, maxSeconds*1e6-1).Draw(t, "time")) })
	yes := rapid.Bool()
	value := rapid.OneOf(
		rapid.Map(long, String), rapid.Map(rapid.Int64(), Int), rapid.Map(rapid.Float64(), Float), rapid.Map(yes, Bool),
		rapid.SampledFrom([]Value{{}, JSON([]byte("[1,{}]")), JSON([]byte("{\"a\":null}")), Float(math.Inf(1))}))
	attributes := func(t *rapid.T, label string) []Attribute {
		var list []Attribute
		for range rapid.IntRange(0, 3).Draw(t, label) {
			list = append(list, Attribute{long.Draw(t, "key"), value.Draw(t, "value")})
		}
		return list
	}
	d := Document{
		ID: id.Draw(t, "id"), Name: rapid.StringN(1, 6, -1).Draw(t, "name"), Origin: text.Draw(t, "origin"), User: long.Draw(t, "user"), ResourceARN: text.Draw(t, "arn"),
		Start: at.Draw(t, "start"), Inferred: yes.Draw(t, "inferred"), Error: yes.Draw(t, "error"), Throttle: yes.Draw(t, "throttle"), Fault: yes.Draw(t, "fault"),
		Annotations: attributes(t, "annotations"),
	}
	if top {
		d.TraceID = trace.Draw(t, "trace")
		if yes.Draw(t, "independent") {
			d.Type, d.ParentID, d.Namespace = TypeSubsegment, id.Draw(t, "parent"), NamespaceRemote
		}
	} else if yes.Draw(t, "call") {
		d.Namespace = NamespaceAWS
	}
	if yes.Draw(t, "ended") {
		d.End = at.Draw(t, "end")
	} else {
		d.InProgress = true
	}
	if yes.Draw(t, "http") {
		d.HTTP = &HTTP{Request{long.Draw(t, "method"), long.Draw(t, "url"), long.Draw(t, "agent"), text.Draw(t, "ip"), yes.Draw(t, "forwarded"), yes.Draw(t, "traced")},
			Response{int(rapid.Int32().Draw(t, "status")), rapid.Int64().Draw(t, "length")}}
	}
	if yes.Draw(t, "aws") {
		d.AWS = &AWS{Operation: text.Draw(t, "operation"), QueueURL: text.Draw(t, "queue"), Retries: int(rapid.Int32().Draw(t, "retries")), ResourceNames: rapid.SliceOfN(text, 1, 2).Draw(t, "names"), CloudWatchLogs: []LogGroup{{Name: "g", ARN: text.Draw(t, "log")}}}
	}
	if yes.Draw(t, "cause") {
		d.Cause = &Cause{Paths: rapid.SliceOfN(text, 1, 2).Draw(t, "paths"), Exceptions: []Exception{{ID: id.Draw(t, "exception"), Message: text.Draw(t, "message"), Stack: []Frame{{Path: text.Draw(t, "path"), Line: int(rapid.Int32().Draw(t, "line"))}}}}}
	}
	if yes.Draw(t, "metadata") {
		d.Metadata = []Namespace{{text.Draw(t, "namespace"), attributes(t, "metadata")}}
	}
	if yes.Draw(t, "links") {
		d.Links = []Link{{trace.Draw(t, "linked"), id.Draw(t, "link"), attributes(t, "attributes")}}
	}
	if depth > 0 {
		for range rapid.IntRange(0, 2).Draw(t, "subsegments") {
			d.Subsegments = append(d.Subsegments, drawDocument(t, depth-1, false))
		}
	}
	return d
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

func TestConsoleURL(t *testing.T) {
	id, err := ParseTraceID("1-65647c1a-2b3c4d5e6f708192a3b4c5d6")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, region string
		trace        TraceID
		want         string
	}{
		{"of a region", "eu-central-1", id, "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#xray:traces/1-65647c1a-2b3c4d5e6f708192a3b4c5d6"},
		{"of China", "cn-north-1", id, "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1#xray:traces/1-65647c1a-2b3c4d5e6f708192a3b4c5d6"},
		{"of GovCloud", "us-gov-west-1", id, "https://us-gov-west-1.console.amazonaws-us-gov.com/cloudwatch/home?region=us-gov-west-1#xray:traces/1-65647c1a-2b3c4d5e6f708192a3b4c5d6"},
		{"of no region", "", id, ""},
		{"of no trace", "eu-central-1", TraceID{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.trace.ConsoleURL(c.region); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
