package segment

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// required are the members without which no document is valid.
const required = `"id":"53995c3f42cd8ad8","trace_id":"1-5759e988-bd862e3fe1be46a994272793","name":"n","start_time":1,"end_time":2`

// TestRecorded reads documents that X-Ray returned or its documentation shows.
func TestRecorded(t *testing.T) {
	for _, test := range []struct {
		file string
		see  func(Document) any
		want any
	}{
		{"lambda_function_with_links.json", func(d Document) any { return d.Start }, Time(1699480919909590)}, // ...9095895: the half is rounded up
		{"lambda_function_with_links.json", func(d Document) any { return d.AWS.CloudWatchLogs[0].Name }, "/aws/lambda/xray-stuff-ProducerA-LbbjYUkcchrB"},
		{"lambda_function_with_links.json", func(d Document) any {
			v, _ := find(d.Subsegments[1].Links[0].Attributes, "aws.xray.reserved.names")
			return v.String()
		}, `["xray-stuff-ConsumerA-kWsiXtT2gOdW"]`},
		{"lambda_function_with_links.json", func(d Document) any { return d.Subsegments[1].Links[0].TraceID.String() }, "1-654c0558-630340be09e985eb352a72e6"},
		{"apigateway_stage.json", func(d Document) any { return *d.AWS.APIGateway }, APIGateway{"123456789012", "xxx", "Prod", "a8722fe5-a391-4c9f-bd89-024d8a6f595e"}},
		{"apigateway_stage.json", func(d Document) any { v, _ := d.Annotation("aws:api_stage"); return v }, String("Prod")},
		{"apigateway_stage.json", func(d Document) any { return d.Subsegments[0].AWS.FunctionName }, "my-function"},
		{"inferred_events.json", func(d Document) any { return []any{d.Inferred, d.Origin, d.AWS.Retries} }, []any{true, OriginEvents, 1}},
		{"inferred_table.json", func(d Document) any { return []any{d.Origin, d.AWS.TableName, d.Start} }, []any{OriginTable, "scorekeep-user", Time(1499473414690000)}},
		{"lambda_async.json", func(d Document) any { return d.Subsegments[0].Name }, "Dwell Time"},
		{"scorekeep.json", func(d Document) any { return d.Subsegments[1].Subsegments[0].AWS.TableName }, "scorekeep-user"},
		{"scorekeep.json", func(d Document) any { return *d.AWS.SDK }, SDK{Name: "X-Ray for Java", Version: "1.1.2"}},
		{"in_progress.json", func(d Document) any { return []any{d.InProgress, d.End} }, []any{true, Time(0)}},
		{"independent_subsegment.json", func(d Document) any { return []any{d.IsSubsegment(), d.HTTP.Request.Traced} }, []any{true, true}},
		{"step_functions.json", func(d Document) any { return *d.Subsegments[0].Cause }, Cause{}},
	} {
		t.Run(test.file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", "recorded", test.file))
			if err != nil {
				t.Fatal(err)
			}
			d, err := Decode(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Validate(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, test.see(d), exportAll); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again, err := Decode(d.AppendJSON(nil))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(d, again, exportAll); diff != "" {
				t.Errorf("written and read again (-first +again):\n%s", diff)
			}
		})
	}
}

func TestDecodeIsLenient(t *testing.T) {
	plain := Document{ID: mustID("53995c3f42cd8ad8"), TraceID: mustTrace("1-5759e988-bd862e3fe1be46a994272793"), Name: "n", Start: 1e6, End: 2e6}
	for _, test := range []struct {
		name, members string
		want          func(*Document)
	}{
		{"unknown members are passed over", `"sql":{"url":"x"},"zzz":[1,{"id":"no"}]`, func(*Document) {}},
		{"null is absence", `"parent_id":null,"user":null,"http":null,"aws":null,"cause":null,"annotations":null,"metadata":null,"links":null,"subsegments":null,"fault":null`, func(*Document) {}},
		{"an empty text is no parent", `"parent_id":""`, func(*Document) {}},
		{"PHP writes empty objects as arrays", `"annotations":[],"metadata":[],"http":[],"aws":[],"cause":[]`, func(*Document) {}},
		{"a text of another type is absent", `"user":5,"origin":{},"http":{"request":{"url":7},"response":{"status":"200"}}`, func(d *Document) { d.HTTP = &HTTP{} }},
		{"metadata that is flat is no namespace", `"metadata":{"flat":1,"ns":{"a":1}}`, func(d *Document) { d.Metadata = []Namespace{{"ns", []Attribute{{"a", Int(1)}}}} }},
		{"a status may be written as a float", `"http":{"response":{"status":2.04e2}}`, func(d *Document) { d.HTTP = &HTTP{Response: Response{Status: 204}} }},
		{"a status beyond reason is absent", `"http":{"response":{"status":1e300,"content_length":99999999999999999999}}`, func(d *Document) { d.HTTP = &HTTP{} }},
		{"links without a trace are dropped", `"links":[{"id":"53995c3f42cd8ad8"},5,{"trace_id":"no"}]`, func(*Document) {}},
		{"malformed exception ids are absent", `"cause":{"exceptions":[{"id":"1","message":"m"},"x"]}`, func(d *Document) { d.Cause = &Cause{Exceptions: []Exception{{Message: "m"}}} }},
		{"keys may be escaped", `"us\u0065r":"u"`, func(d *Document) { d.User = "u" }},
		{"the last of two equal members holds", `"user":"a","user":"b","subsegments":[{"name":"x"}],"subsegments":[]`, func(d *Document) { d.User = "b" }},
		{"annotations of all types are kept", `"annotations":{"a":"x","b":-1.5,"c":true,"d":[1],"e":9223372036854775807}`, func(d *Document) {
			d.Annotations = []Attribute{{"a", String("x")}, {"b", Float(-1.5)}, {"c", Bool(true)}, {"d", JSON([]byte("[1]"))}, {"e", Int(1<<63 - 1)}}
		}},
		{"lone surrogates become U+FFFD", `"user":"\ud800"`, func(d *Document) { d.User = "\uFFFD" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := plain
			test.want(&want)
			got, err := Decode([]byte(" {" + required + "," + test.members + "} \n"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, exportAll); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	sub := func(members string) string { return "{" + required + `,"subsegments":[` + members + "]}" }
	for _, test := range []struct {
		name, text, want string
	}{
		{"no JSON", `not json at all`, `Invalid segment. ErrorCode: ParseError, Cause: 'n' where null is expected at byte 0`},
		{"nothing", ``, `Invalid segment. ErrorCode: ParseError, Cause: the text ends where a value is expected at byte 0`},
		{"an array", `[]`, `Invalid segment. ErrorCode: ParseError, Cause: array where a segment is expected`},
		{"two documents", `{} {}`, `Invalid segment. ErrorCode: ParseError, Cause: '{' where the end of the text is expected at byte 3`},
		{"broken UTF-8", "{\"name\":\"\xff\"}", `Invalid segment. ErrorCode: ParseError, Cause: broken UTF-8`},
		{"OTLP by datagram", `T1SAAAA`, `Invalid segment. ErrorCode: ParseError, Cause: 'T' where a value is expected at byte 0`},
		{"an id that is short", `{"id":"1"}`, `Invalid segment. ErrorCode: InvalidId, Cause: id: "1" is not 16 hexadecimal digits, not all zero`},
		{"an id that is a number", `{"id":1}`, `Invalid segment. ErrorCode: InvalidId, Cause: id: 1 is not 16 hexadecimal digits, not all zero`},
		{"an id of zeros", `{"id":"0000000000000000"}`, `Invalid segment. ErrorCode: InvalidId, Cause: id: "0000000000000000" is not 16 hexadecimal digits, not all zero`},
		{"a parent that is no id", `{"parent_id":"zzzzzzzzzzzzzzzz"}`, `Invalid segment. ErrorCode: InvalidParentId, Cause: parent_id: "zzzzzzzzzzzzzzzz" is not 16 hexadecimal digits, not all zero`},
		{"a W3C trace id", `{"trace_id":"5759e988bd862e3fe1be46a994272793"}`, `Invalid segment. ErrorCode: InvalidTraceId, Cause: trace_id: "5759e988bd862e3fe1be46a994272793" is not 1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx, hexadecimal and not all zero`},
		{"a name that is a number", `{"name":5}`, `Invalid segment. ErrorCode: InvalidName, Cause: name: 5 is not a string`},
		{"a time that is a text", `{"start_time":"1699480919"}`, `Invalid segment. ErrorCode: InvalidStartTime, Cause: start_time: "1699480919" is not a number of seconds`},
		{"a time in milliseconds", `{"end_time":1699480919909}`, `Invalid segment. ErrorCode: InvalidEndTime, Cause: end_time: 1699480919909 is not between 0 and 2^32 seconds`},
		{"no id", `{"name":"n"}`, `Invalid segment. ErrorCode: MissingId, Cause: id: a document needs an id`},
		{"no trace", `{"id":"53995c3f42cd8ad8","name":"n","start_time":1,"end_time":2}`, `Invalid segment. ErrorCode: MissingTraceId, Cause: trace_id: a document needs the id of its trace`},
		{"no name", strings.Replace("{"+required+"}", `"n"`, `""`, 1), `Invalid segment. ErrorCode: MissingName, Cause: name: a segment needs a name`},
		{"a name with a question mark", strings.Replace("{"+required+"}", `"n"`, `"mysql at RouteBinding:?"`, 1), `Invalid segment. ErrorCode: InvalidName, Cause: name: '?' may not be in a name`},
		{"a name that is too long", strings.Replace("{"+required+"}", `"n"`, `"`+strings.Repeat("é", 201)+`"`, 1), `Invalid segment. ErrorCode: InvalidName, Cause: name: 201 characters, at most 200`},
		{"no start", strings.Replace("{"+required+"}", `"start_time":1,`, ``, 1), `Invalid segment. ErrorCode: MissingStartTime, Cause: start_time: a segment needs a start time`},
		{"neither end nor in progress", strings.Replace("{"+required+"}", `,"end_time":2`, `,"in_progress":false`, 1), `Invalid segment. ErrorCode: MissingEndTime, Cause: end_time: neither end_time nor in_progress is given`},
		{"a subsegment without a parent", "{" + required + `,"type":"subsegment"}`, `Invalid subsegment. ErrorCode: MissingParentId, Cause: parent_id: a subsegment that is sent by itself needs the id of its parent`},
		{"a namespace of one's own", "{" + required + `,"namespace":"local"}`, `Invalid segment. ErrorCode: InvalidNamespace, Cause: namespace: "local" is neither aws nor remote`},
		{"an embedded subsegment without a name", sub(`{"id":"53995c3f42cd8ad8","start_time":1,"end_time":1}`), `Invalid subsegment. ErrorCode: MissingName, Cause: subsegments[0].name: a segment needs a name`},
		{"an embedded subsegment that did not end", sub(`{"id":"53995c3f42cd8ad8","name":"n","start_time":1}`), `Invalid subsegment. ErrorCode: MissingEndTime, Cause: subsegments[0].end_time: neither end_time nor in_progress is given`},
		{"a subsegment that is a text", sub(`"x"`), `Invalid segment. ErrorCode: ParseError, Cause: string where a segment is expected`},
		{"too many subsegments", sub(strings.TrimSuffix(strings.Repeat(`{},`, MaxSubsegments+1), ",")), `Invalid segment. ErrorCode: ParseError, Cause: subsegments: more than 1000`},
		{"too deep", strings.Repeat(`{"subsegments":[`, 100), `Invalid segment. ErrorCode: ParseError, Cause: nesting deeper than 128 at byte 1024`},
		{"too deep in what is not looked at", `{"x":` + strings.Repeat(`[`, 200), `Invalid segment. ErrorCode: ParseError, Cause: nesting deeper than 128 at byte 132`},
		{"too large", `{"x":"` + strings.Repeat("a", MaxSize) + `"}`, `Invalid segment. ErrorCode: ParseError, Cause: 65544 bytes, at most 65536`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := Decode([]byte(test.text))
			if err == nil {
				err = d.Validate()
			}
			var e *Error
			if !errors.As(err, &e) || e.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestErrorNamesTheDocument(t *testing.T) {
	for _, text := range []string{
		strings.Replace("{"+required+"}", `"n"`, `"?"`, 1),
		`{"id":"53995c3f42cd8ad8","start_time":[]}`,
		`{"id":"53995c3f42cd8ad8","name`,
		"{" + required + `,"subsegments":[{"id":"aaaaaaaaaaaaaaaa"}]}`, // X-Ray names the document that was sent
	} {
		d, err := Decode([]byte(text))
		if err == nil {
			err = d.Validate()
		}
		var e *Error
		if !errors.As(err, &e) || e.ID.String() != "53995c3f42cd8ad8" {
			t.Errorf("%s: %+v", text, err)
		}
	}
}

// TestHostileDocumentsCostLittle gives the decoder the texts that make the most of 64 kB.
func TestHostileDocumentsCostLittle(t *testing.T) {
	fill := func(open, element, end string) string {
		n := (MaxSize - len(open) - len(end)) / len(element)
		return open + strings.TrimSuffix(strings.Repeat(element, n), ",") + end
	}
	for name, text := range map[string]string{
		"links":       fill(`{"links":[`, `{"trace_id":"1-5759e988-bd862e3fe1be46a994272793"},`, `]}`),
		"exceptions":  fill(`{"cause":{"exceptions":[`, `{},`, `]}}`),
		"frames":      fill(`{"cause":{"exceptions":[{"stack":[`, `{},`, `]}]}}`),
		"annotations": fill(`{"annotations":{`, `"":1,`, `}}`),
		"namespaces":  fill(`{"metadata":{`, `"":{},`, `}}`),
		"logs":        fill(`{"aws":{"cloudwatch_logs":[`, `{"arn":"a"},`, `]}}`),
		"names":       fill(`{"aws":{"resource_names":[`, `"",`, `]}}`),
		"members":     fill(`{`, `"aws":{},`, `}`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode([]byte(text))
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("%s: %d bytes for a document of %d", name, used, len(text))
		}
	}
}

// TestAReturnedDocumentMayBeLargerThanOneThatIsSent: X-Ray puts subsegments that were sent by themselves into their segment.
func TestAReturnedDocumentMayBeLargerThanOneThatIsSent(t *testing.T) {
	woven := func(n int, pad string) []byte {
		sub := `{"id":"53995c3f42cd8ad8","name":"` + pad + `","start_time":1,"end_time":2},`
		return []byte(`{"trace_id":"1-5759e988-bd862e3fe1be46a994272793","subsegments":[` + strings.TrimSuffix(strings.Repeat(sub, n), ",") + `]}`)
	}
	const many = MaxReturned / MaxSize * MaxSubsegments
	for _, test := range []struct {
		name string
		text []byte
		want int // subsegments; -1: refused
	}{
		{"more bytes", woven(1000, strings.Repeat("x", 200)), 1000},
		{"more subsegments", woven(MaxSubsegments+1, ""), MaxSubsegments + 1},
		{"too many bytes", woven(1, strings.Repeat("x", MaxReturned)), -1},
		{"too many subsegments", []byte(`{"subsegments":[` + strings.Repeat(`{},`, many) + `{}]}`), -1},
	} {
		if _, err := Decode(test.text); err == nil {
			t.Errorf("%s: it may be sent", test.name)
		}
		d, err := DecodeReturned(test.text)
		if got := len(d.Subsegments); (err != nil) != (test.want < 0) || got != max(test.want, 0) {
			t.Errorf("%s: %d subsegments, %v", test.name, got, err)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"one document is itself", ` {"a":1} `, []string{` {"a":1} `}},
		{"an array has one for each element", "[ {\"a\":[]}\n,{} ]", []string{`{"a":[]}`, `{}`}},
		{"an empty array has none", `[]`, nil},
		{"what is in the array is not looked at", `[1,"x"]`, []string{`1`, `"x"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			parts, err := Split([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range parts {
				got = append(got, string(p))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	for _, text := range []string{``, `[`, `[{]`, `[{}] x`, `{"a"}`, "[" + strings.Repeat("0,", MaxSubsegments) + "0]"} {
		if parts, err := Split([]byte(text)); err == nil {
			t.Errorf("%.20s: %q", text, parts)
		}
	}
}

// FuzzDecode looks for texts on which the decoder panics, or whose document changes when it is written and read again.
func FuzzDecode(f *testing.F) {
	for _, d := range documents() {
		f.Add(d.AppendJSON(nil))
	}
	files, err := filepath.Glob(filepath.Join("testdata", "recorded", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("[{},{}]"))
	f.Add([]byte(Header + "{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if body, err := ParseDatagram(text); err == nil && len(body) >= len(text) {
			t.Fatal("the body is as large as the datagram")
		}
		if parts, err := Split(text); err == nil {
			for _, p := range parts {
				_, _ = Decode(p) // for panics only
			}
		}
		d, err := Decode(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Code == "" {
				t.Fatalf("no code: %v", err)
			}
			return
		}
		_ = d.Validate() // for panics only
		written := d.AppendJSON(nil)
		again, err := Decode(written)
		if err != nil {
			if len(written) > MaxSize { // escapes and digits may lengthen it
				return
			}
			t.Fatalf("%v\n%s", err, written)
		}
		if twice := again.AppendJSON(nil); string(twice) != string(written) {
			t.Fatalf("%s\n%s", written, twice)
		}
		d.Clean()
	})
}
