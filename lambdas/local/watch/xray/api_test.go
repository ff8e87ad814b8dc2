package xray_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/watch/sampling"
	"example.com/arvo/lambdas/local/watch/traces"
	"example.com/arvo/lambdas/local/watch/xray"
)

var update = flag.Bool("update", false, "write the golden files")

func newAPI(t testing.TB, store *traces.Store) *xray.API {
	t.Helper()
	rule := sampling.Default("us-east-1", "000000000000")
	rule.Name, rule.ARN, rule.Priority, rule.FixedRate, rule.ServiceName = "arvo", "arn:aws:xray:us-east-1:000000000000:sampling-rule/arvo", 100, 1, "arvo/live"
	sampler, err := sampling.New("us-east-1", "000000000000", []sampling.Rule{rule}, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	api, err := xray.New(xray.Options{Store: store, Sampler: sampler, Account: "000000000000", Groups: []xray.Group{
		{Name: "failed", ARN: "arn:aws:xray:us-east-1:000000000000:group/failed/X", Expression: `service() { fault }`},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// call posts a body and returns the status and the answer.
func call(t testing.TB, api *xray.API, path, body string) (int, string) {
	t.Helper()
	rec := httptest.NewRecorder()
	api.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, strings.NewReader(body)))
	out, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Code, string(out)
}

// ask is a call that succeeds.
func ask(t testing.TB, api *xray.API, path, body string, into any) {
	t.Helper()
	status, out := call(t, api, path, body)
	if err := json.Unmarshal([]byte(out), into); err != nil || status != 200 {
		t.Fatalf("%s %s: %d %s (%v)", path, body, status, out, err)
	}
}

// put is PutTraceSegments with documents as they are.
func put(t testing.TB, api *xray.API, docs ...string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"TraceSegmentDocuments": docs})
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ UnprocessedTraceSegments []any }
	ask(t, api, "/TraceSegments", string(body), &out)
	if len(out.UnprocessedTraceSegments) > 0 {
		t.Fatalf("%v", out)
	}
}

// The trace of one request: stage, function with a subsegment that came by itself, a table, the bus, a consumer that failed.
var request = []string{
	`{"trace_id":"1-65000000-000000000000000000000001","id":"00000000000000a1","name":"arvo/live","origin":"AWS::ApiGateway::Stage","resource_arn":"arn:stage","start_time":1700000000,"end_time":1700000000.02,"http":{"request":{"method":"POST","url":"http://x/events","user_agent":"curl","client_ip":"127.0.0.1"},"response":{"status":202}},"subsegments":[{"id":"00000000000000a2","name":"Lambda","namespace":"aws","start_time":1700000000.001,"end_time":1700000000.02}]}`,
	`{"trace_id":"1-65000000-000000000000000000000001","id":"00000000000000b1","parent_id":"00000000000000a2","name":"api_lambda","origin":"AWS::Lambda","start_time":1700000000.002,"end_time":1700000000.019}`,
	`{"trace_id":"1-65000000-000000000000000000000001","id":"00000000000000c1","parent_id":"00000000000000b1","name":"api_lambda","origin":"AWS::Lambda::Function","start_time":1700000000.003,"end_time":1700000000.018,"unknown":{"kept":[1,2.50]},"subsegments":[{"id":"00000000000000c2","name":"Invocation","start_time":1700000000.003,"end_time":1700000000.018}]}`,
	`{"type":"subsegment","trace_id":"1-65000000-000000000000000000000001","parent_id":"00000000000000c2","id":"00000000000000d1","name":"accept","start_time":1700000000.004,"end_time":1700000000.017,"annotations":{"subject":"s-1","attempt":1,"first":true},"subsegments":[{"id":"00000000000000d2","name":"DynamoDB","namespace":"aws","start_time":1700000000.005,"end_time":1700000000.009,"aws":{"operation":"PutItem","table_name":"responses"}},{"id":"00000000000000d3","name":"Events","namespace":"aws","start_time":1700000000.01,"end_time":1700000000.015,"aws":{"operation":"PutEvents","resource_names":["bus"]}}]}`,
	`{"trace_id":"1-65000000-000000000000000000000001","id":"00000000000000e1","parent_id":"00000000000000d3","name":"bus","origin":"AWS::Events","start_time":1700000000.01,"end_time":1700000000.05}`,
	`{"trace_id":"1-65000000-000000000000000000000001","id":"00000000000000f1","parent_id":"00000000000000e1","name":"federated_handler","origin":"AWS::Lambda::Function","start_time":1700000000.05,"end_time":1700000001,"fault":true,"user":"ada","annotations":{"subject":"s-1"}}`,
}

// The exchanges that a person has with the aws CLI, as bodies on the wire. -update writes them anew; TestTheAWSCLI, in
// package watch, reads them with the CLI itself.
func TestExchanges(t *testing.T) {
	api := newAPI(t, traces.New(traces.Options{}))
	put(t, api, request...)
	put(t, api, `{"trace_id":"1-65000000-000000000000000000000002","id":"00000000000000a1","name":"arvo/live","origin":"AWS::ApiGateway::Stage","start_time":1700000100,"end_time":1700000100.5,"error":true,"throttle":true,"http":{"response":{"status":429}}}`)
	const window = `"StartTime":1700000000,"EndTime":1700003600`
	for _, c := range []struct{ name, path, body string }{
		{"summaries", "/TraceSummaries", `{` + window + `}`},
		{"summaries by annotation", "/TraceSummaries", `{` + window + `,"FilterExpression":"annotation.subject = \"s-1\""}`},
		{"summaries by event", "/TraceSummaries", `{"StartTime":1,"EndTime":1700003600,"TimeRangeType":"Event"}`},
		{"traces", "/Traces", `{"TraceIds":["1-65000000-000000000000000000000001","1-65000000-00000000000000000000ffff"]}`},
		{"service graph", "/ServiceGraph", `{` + window + `}`},
		{"service graph of a group", "/ServiceGraph", `{` + window + `,"GroupName":"failed"}`},
		{"trace graph", "/TraceGraph", `{"TraceIds":["1-65000000-000000000000000000000002"]}`},
		{"groups", "/Groups", ``},
		{"group", "/GetGroup", `{"GroupARN":"arn:aws:xray:us-east-1:000000000000:group/failed/X"}`},
		{"encryption", "/EncryptionConfig", `{}`},
		{"destination", "/GetTraceSegmentDestination", `{}`},
		{"telemetry", "/TelemetryRecords", `{"TelemetryRecords":[{"Timestamp":1700000000,"SegmentsReceivedCount":1}]}`},
		{"refused documents", "/TraceSegments", `{"TraceSegmentDocuments":["x","{\"id\":\"00000000000000a1\",\"name\":\"n\",\"start_time\":1,\"end_time\":2}","[]"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, out := call(t, api, c.path, c.body)
			var got bytes.Buffer
			if err := json.Indent(&got, []byte(out), "", "  "); err != nil || status != 200 {
				t.Fatalf("%d %s (%v)", status, out, err)
			}
			golden := filepath.Join("testdata", c.name+".json")
			if *update {
				if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", &got, want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	api := newAPI(t, traces.New(traces.Options{}))
	const id = `"1-65000000-000000000000000000000001"`
	for _, c := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"a filter expression that is none", "/TraceSummaries", `{"StartTime":1,"EndTime":2,"FilterExpression":"fualt"}`, 400, `InvalidRequestException filter expression: at character 1: there is no keyword \"fualt\"`},
		{"no time", "/TraceSummaries", `{"EndTime":2}`, 400, "InvalidRequestException StartTime is missing"},
		{"a time that is none", "/ServiceGraph", `{"StartTime":-1,"EndTime":2}`, 400, "InvalidRequestException StartTime"},
		{"times the wrong way round", "/ServiceGraph", `{"StartTime":3,"EndTime":2}`, 400, "EndTime is before StartTime"},
		{"a time range of an unknown type", "/TraceSummaries", `{"StartTime":1,"EndTime":2,"TimeRangeType":"Day"}`, 400, "none of TraceId, Event and Service"},
		{"a rate beyond 1", "/TraceSummaries", `{"StartTime":1,"EndTime":2,"Sampling":true,"SamplingStrategy":{"Name":"FixedRate","Value":2}}`, 400, "SamplingStrategy"},
		{"a token that is none", "/TraceSummaries", `{"StartTime":1,"EndTime":2,"NextToken":"x"}`, 400, "NextToken"},
		{"six traces", "/Traces", `{"TraceIds":[` + strings.Repeat(id+",", 5) + id + `]}`, 400, "TraceIds has 6 ids, from 1 to 5 are due"},
		{"no trace", "/Traces", `{}`, 400, "TraceIds has 0 ids"},
		{"an id that is none", "/Traces", `{"TraceIds":["1-2-3"]}`, 400, "is no trace id"},
		{"an unknown group", "/ServiceGraph", `{"StartTime":1,"EndTime":2,"GroupName":"x"}`, 400, `there is no group \"x\"`},
		{"no documents", "/TraceSegments", `{}`, 400, "TraceSegmentDocuments is missing"},
		{"a body that is no JSON", "/Traces", `{`, 400, "SerializationException"},
		{"a member of the wrong type", "/Traces", `{"TraceIds":"x"}`, 400, "SerializationException"},
		{"an operation that is not here", "/InsightSummaries", `{}`, 404, "UnknownOperationException the local X-Ray has no POST /InsightSummaries"},
		{"too much", "/TraceSegments", strings.Repeat(" ", 17<<20), 413, "RequestEntityTooLarge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			api.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, c.path, strings.NewReader(c.body)))
			code, message, _ := strings.Cut(c.want, " ")
			if got := rec.Header().Get("x-amzn-ErrorType") + " " + rec.Body.String(); rec.Code != c.status || !strings.Contains(got, code) || !strings.Contains(got, message) {
				t.Errorf("%d %s\nwant %d %s", rec.Code, got, c.status, c.want)
			}
		})
	}
}

func TestAGroupThatIsNoExpressionIsNamed(t *testing.T) {
	_, err := xray.New(xray.Options{Groups: []xray.Group{{Name: "bad", Expression: "("}}})
	if err == nil || !strings.Contains(err.Error(), "group bad: filter expression") {
		t.Error(err)
	}
}

// Pages are disjoint, in order and together everything, whatever comes between them.
func TestPages(t *testing.T) {
	store := traces.New(traces.Options{})
	api := newAPI(t, store)
	const n = 1200
	for i := range n {
		if err := store.Put(fmt.Appendf(nil, `{"trace_id":"1-65000000-%024x","id":"00000000000000a1","name":"n","start_time":%d,"end_time":1700009999}`, i+1, 1700000000+i/3)); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	token, pages := "", 0
	for {
		var out struct {
			TraceSummaries []struct {
				ID        string `json:"Id"`
				StartTime float64
			}
			NextToken string
		}
		ask(t, api, "/TraceSummaries", fmt.Sprintf(`{"StartTime":1700000000,"EndTime":1700009999,"NextToken":%q}`, token), &out)
		for _, s := range out.TraceSummaries {
			seen = append(seen, fmt.Sprintf("%.0f %s", 1e10-s.StartTime, s.ID))
		}
		if pages++; out.NextToken == "" {
			break
		}
		token = out.NextToken
		put(t, api, fmt.Sprintf(`{"trace_id":"1-65000000-1%023x","id":"00000000000000a1","name":"n","start_time":1700009000,"end_time":1700009999}`, pages))
	}
	if pages < 3 || len(seen) != n || !slices.IsSorted(seen) || len(slices.Compact(seen)) != n {
		t.Errorf("%d pages, %d traces, sorted %t", pages, len(seen), slices.IsSorted(seen))
	}
}

// Those that the filter leaves out are counted as well, whether they were looked at or an index knew better.
func TestTracesProcessedAreAllOfTheWindow(t *testing.T) {
	store := traces.New(traces.Options{Index: []string{"subject"}})
	api := newAPI(t, store)
	const n, rare = 700, 250
	for i := range n {
		subject, start := "frequent", 1700000000
		if i < rare {
			subject = "rare"
		}
		if i == n-1 {
			start = 1600000000 // before the window
		}
		if err := store.Put(fmt.Appendf(nil, `{"trace_id":"1-65000000-%024x","id":"00000000000000a1","name":"n","start_time":%d,"end_time":1700009999,"annotations":{"subject":%q}}`, i+1, start, subject)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		filter  string
		matched int
	}{
		{`annotation.subject = \"rare\"`, rare},
		{`annotation.subject = \"none\"`, 0},
		{`service(\"other\")`, 0},
		{``, n - 1},
	} {
		processed, matched := 0, 0
		for token := ""; ; {
			var out struct {
				TraceSummaries       []struct{}
				TracesProcessedCount int
				NextToken            string
			}
			ask(t, api, "/TraceSummaries", fmt.Sprintf(`{"StartTime":1700000000,"EndTime":1700009999,"FilterExpression":"%s","NextToken":%q}`, c.filter, token), &out)
			processed, matched = processed+out.TracesProcessedCount, matched+len(out.TraceSummaries)
			if token = out.NextToken; token == "" {
				break
			}
		}
		if processed != n-1 || matched != c.matched {
			t.Errorf("%s: %d processed, %d matched; want %d and %d", c.filter, processed, matched, n-1, c.matched)
		}
	}
}

func TestTimeRangesAndSampling(t *testing.T) {
	api := newAPI(t, traces.New(traces.Options{}))
	for i := range 100 {
		put(t, api, fmt.Sprintf(`{"trace_id":"1-65000000-%016x00000001","id":"00000000000000a1","name":"n","start_time":1700000000,"end_time":1700000100}`, (uint64(i)+1)*0x9e3779b97f4a7c15))
	}
	for _, c := range []struct {
		name, body string
		low, high  int
	}{
		{"the start is in the range", `"StartTime":1699999999,"EndTime":1700000001`, 100, 100},
		{"the start is before the range", `"StartTime":1700000050,"EndTime":1700000200`, 0, 0},
		{"the end of a segment is in the range", `"StartTime":1700000050,"EndTime":1700000200,"TimeRangeType":"Service"`, 100, 100},
		{"the end of no segment is", `"StartTime":1700000050,"EndTime":1700000060,"TimeRangeType":"Service"`, 0, 0},
		{"the documents came today", `"StartTime":1,"EndTime":1700000200,"TimeRangeType":"Event"`, 0, 0},
		{"half of them", `"StartTime":1699999999,"EndTime":1700000001,"Sampling":true,"SamplingStrategy":{"Name":"FixedRate","Value":0.5}`, 30, 70},
		{"none of them", `"StartTime":1699999999,"EndTime":1700000001,"Sampling":true,"SamplingStrategy":{"Name":"FixedRate","Value":0}`, 0, 0},
	} {
		var out struct{ TraceSummaries []struct{} }
		ask(t, api, "/TraceSummaries", "{"+c.body+"}", &out)
		if n := len(out.TraceSummaries); n < c.low || n > c.high {
			t.Errorf("%s: %d, want %d to %d", c.name, n, c.low, c.high)
		}
	}
}

func TestSamplingTargets(t *testing.T) {
	api := newAPI(t, traces.New(traces.Options{}))
	var out struct {
		SamplingTargetDocuments []struct {
			RuleName       string
			FixedRate      float64
			ReservoirQuota int
			Interval       int
		}
		UnprocessedStatistics []struct{ RuleName, ErrorCode string }
	}
	ask(t, api, "/SamplingTargets", `{"SamplingStatisticsDocuments":[{"RuleName":"arvo","ClientID":"0123456789abcdef01234567","Timestamp":1,"RequestCount":1,"SampledCount":1},{"RuleName":"nope"}]}`, &out)
	if got, want := fmt.Sprint(out), "{[{arvo 1 1 10}] [{nope 400}]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var rules struct {
		SamplingRuleRecords []struct{ SamplingRule struct{ RuleName string } }
	}
	ask(t, api, "/GetSamplingRules", ``, &rules)
	if got, want := fmt.Sprint(rules), "{[{{arvo}} {{Default}}]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A chain of subsegments that each came by themselves, deeper than may be nested, and a cycle: all of them are returned.
func TestHostileNesting(t *testing.T) {
	api := newAPI(t, traces.New(traces.Options{}))
	const depth = 500
	docs := []string{`{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000001","name":"root","start_time":1,"end_time":2}`}
	for i := 2; i <= depth; i++ {
		docs = append(docs, fmt.Sprintf(`{"type":"subsegment","trace_id":"1-65000000-000000000000000000000001","id":"%016x","parent_id":"%016x","name":"n","start_time":1,"end_time":2}`, i, i-1))
	}
	docs = append(docs,
		`{"type":"subsegment","trace_id":"1-65000000-000000000000000000000001","id":"00000000000000f1","parent_id":"00000000000000f2","name":"n","start_time":1,"end_time":2}`,
		`{"type":"subsegment","trace_id":"1-65000000-000000000000000000000001","id":"00000000000000f2","parent_id":"00000000000000f1","name":"n","start_time":1,"end_time":2}`)
	put(t, api, docs...)
	var out struct {
		Traces []struct{ Segments []struct{ Document string } }
	}
	ask(t, api, "/Traces", `{"TraceIds":["1-65000000-000000000000000000000001"]}`, &out)
	ids := map[string]bool{}
	var walk func(m map[string]any, depth int)
	walk = func(m map[string]any, depth int) {
		if depth > 100 {
			t.Fatalf("a subsegment stands %d deep", depth)
		}
		ids[fmt.Sprint(m["id"])] = true
		subsegments, _ := m["subsegments"].([]any)
		for _, s := range subsegments {
			walk(s.(map[string]any), depth+1)
		}
	}
	for _, s := range out.Traces[0].Segments {
		var m map[string]any
		if err := json.Unmarshal([]byte(s.Document), &m); err != nil {
			t.Fatal(err)
		}
		walk(m, 0)
	}
	if len(ids) != depth {
		t.Errorf("%d ids, want %d", len(ids), depth)
	}
}

// A subsegment that holds another one with the id of its parent is returned once, and within its parent, not within itself.
func TestASubsegmentWithItsParentsIDWithin(t *testing.T) {
	api := newAPI(t, traces.New(traces.Options{}))
	put(t, api,
		`{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000001","name":"root","start_time":1,"end_time":9,"subsegments":[{"id":"0000000000000002","name":"parent","start_time":1,"end_time":9}]}`,
		`{"type":"subsegment","trace_id":"1-65000000-000000000000000000000001","id":"0000000000000003","parent_id":"0000000000000002","name":"child","start_time":1,"end_time":9,"subsegments":[{"id":"0000000000000002","name":"impostor","start_time":1,"end_time":2}]}`)
	status, out := call(t, api, "/Traces", `{"TraceIds":["1-65000000-000000000000000000000001"]}`)
	parent, child, impostor := strings.Index(out, "parent\\"), strings.Index(out, "child"), strings.Index(out, "impostor")
	if status != 200 || strings.Count(out, "child") != 1 || parent < 0 || child < parent || impostor < child {
		t.Errorf("%d %s", status, out)
	}
}

// Whatever ids documents have and hold, and whichever parents they name: each comes back once.
func TestEachDocumentComesBackOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		store := traces.New(traces.Options{})
		api := newAPI(t, store)
		id := rapid.IntRange(1, 6)
		n := rapid.IntRange(1, 5).Draw(r, "documents")
		for i := 1; i <= n; i++ {
			head := ""
			if parent := rapid.IntRange(0, 6).Draw(r, "parent"); parent > 0 {
				head = fmt.Sprintf(`"parent_id":"%016x",`, parent)
				if rapid.Bool().Draw(r, "subsegment") {
					head += `"type":"subsegment",`
				}
			}
			var within []string
			for range rapid.IntRange(0, 2).Draw(r, "within") {
				within = append(within, fmt.Sprintf(`{"id":"%016x","name":"within","start_time":1,"end_time":%d}`, id.Draw(r, "id"), rapid.IntRange(1, 9).Draw(r, "end")))
			}
			doc := fmt.Sprintf(`{"trace_id":"1-65000000-000000000000000000000001","id":"%016x","name":"document-%d",%s"start_time":1,"end_time":%d,"subsegments":[%s]}`,
				i, i, head, rapid.IntRange(1, 9).Draw(r, "end"), strings.Join(within, ","))
			if err := store.Put([]byte(doc)); err != nil {
				r.Fatal(err, doc)
			}
		}
		var out struct {
			Traces []struct {
				Segments []struct{ Document json.RawMessage }
			}
		}
		ask(t, api, "/Traces", `{"TraceIds":["1-65000000-000000000000000000000001"]}`, &out)
		all := ""
		for _, s := range out.Traces[0].Segments {
			var text string
			if err := json.Unmarshal(s.Document, &text); err != nil || !json.Valid([]byte(text)) {
				r.Fatalf("%s is no document: %v", s.Document, err)
			}
			all += text
		}
		for i := 1; i <= n; i++ {
			if got := strings.Count(all, fmt.Sprintf("document-%d", i)); got != 1 {
				r.Fatalf("document %d comes back %d times: %s", i, got, all)
			}
		}
	})
}

func BenchmarkServiceGraph(b *testing.B) {
	store := traces.New(traces.Options{})
	api := newAPI(b, store)
	for i := range 1000 {
		for _, text := range request {
			if err := store.Put([]byte(strings.ReplaceAll(text, "-000000000000000000000001", fmt.Sprintf("-%024x", i+1)))); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		if status, out := call(b, api, "/ServiceGraph", `{"StartTime":1700000000,"EndTime":1700003600}`); status != 200 {
			b.Fatal(out)
		}
	}
}
