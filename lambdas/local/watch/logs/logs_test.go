package logs_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/watch/logs"
	"example.com/arvo/lambdas/local/wire"
)

// source are log groups.
type source map[string][]function.Line

func (s source) LogGroups() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	return names
}

func (s source) Logs(group string, since time.Time, yield func(function.Line) bool) {
	for _, l := range s[group] {
		if !l.Time.Before(since) && !yield(l) {
			return
		}
	}
}

const group = "/aws/lambda/handler"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func line(ms int, stream, message string) function.Line {
	return function.Line{Time: noon.Add(time.Duration(ms) * time.Millisecond), Stream: stream, Message: message, RequestID: "req-" + stream}
}

func platform(ms int, stream, message string) function.Line {
	l := line(ms, stream, message)
	l.Platform = true
	return l
}

// system has a group with two streams, whose lines did not come quite in order, and two groups without.
func system() source {
	return source{
		group: {
			platform(0, "a", "START RequestId: req-a Version: $LATEST"),
			line(5, "a", `{"level":"INFO","msg":"received","subject":"s-1","http":{"status":200},"tags":["x","y"]}`),
			line(7, "b", `{"level":"ERROR","msg":"declined","subject":"s-2","ms":40,"retry":true}`),
			line(6, "a", `{"level":"INFO","msg":"sent","subject":"s-1","ms":10}`),
			platform(9, "a", "REPORT RequestId: req-a\tDuration: 8.20 ms\tBilled Duration: 9 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tInit Duration: 70.00 ms\tXRAY TraceId: 1-6-7\tSegmentId: 89\tSampled: true\t"),
			platform(9, "b", `{"time":"x","type":"platform.report","record":{"requestId":"req-b","metrics":{"durationMs":12.5,"memorySizeMB":256}}}`),
		},
		"/aws/lambda/api": {line(1, "c", "plain text")},
		"/other":          nil,
	}
}

func call(t testing.TB, mux *wire.Mux, operation string, in, into any) string {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
	r.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
	rec := httptest.NewRecorder()
	mux.ServeHTTP(rec, r)
	if rec.Code != 200 {
		return rec.Header().Get("x-amzn-ErrorType") + ": " + rec.Body.String()
	}
	if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
		t.Fatalf("%s: %v: %s", operation, err, rec.Body)
	}
	return ""
}

func newMux(s logs.Source) *wire.Mux {
	mux := new(wire.Mux)
	mux.Handle(logs.New(logs.Options{Source: s, Region: "us-east-1", Account: "000000000000"}).Wire())
	return mux
}

type object = map[string]any

type events struct {
	Events []struct {
		Timestamp     int64
		Message       string
		LogStreamName string
		EventID       string `json:"eventId"`
	}
	NextToken, NextForwardToken, NextBackwardToken string
}

// times are the times of the events, in milliseconds after noon.
func (e events) times() string {
	var b strings.Builder
	for _, event := range e.Events {
		fmt.Fprintf(&b, "%d ", event.Timestamp-noon.UnixMilli())
	}
	return strings.TrimSpace(b.String())
}

func TestFilterLogEvents(t *testing.T) {
	at := func(ms int64) int64 { return noon.UnixMilli() + ms }
	for _, c := range []struct {
		name string
		in   object
		want string
	}{
		{"everything, in the order of time", object{"logGroupName": group}, "0 5 6 7 9 9"},
		{"a group by its ARN", object{"logGroupIdentifier": "arn:aws:logs:us-east-1:000000000000:log-group:" + group + ":*"}, "0 5 6 7 9 9"},
		{"from a time, to a time, both included", object{"logGroupName": group, "startTime": at(5), "endTime": at(7)}, "5 6 7"},
		{"by a pattern", object{"logGroupName": group, "filterPattern": `{ $.subject = "s-1" }`}, "5 6"},
		{"by a term", object{"logGroupName": group, "filterPattern": `REPORT`}, "9"},
		{"by a stream", object{"logGroupName": group, "logStreamNames": []string{"b"}}, "7 9"},
		{"by the beginning of a stream's name", object{"logGroupName": group, "logStreamNamePrefix": "a", "limit": 2}, "0 5"},
		{"an empty group", object{"logGroupName": "/other"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out events
			if fault := call(t, newMux(system()), "FilterLogEvents", c.in, &out); fault != "" || out.times() != c.want {
				t.Errorf("%s, want %s %s", out.times(), c.want, fault)
			}
			ids := map[string]bool{}
			for _, e := range out.Events {
				ids[e.EventID] = true
			}
			if len(ids) != len(out.Events) {
				t.Errorf("event ids repeat: %v", ids)
			}
		})
	}
}

// Who follows a group asks again from the last time that it saw, and knows by their ids which events it has seen.
func TestEventIDsStayTheSame(t *testing.T) {
	mux := newMux(system())
	var all, last events
	if fault := call(t, mux, "FilterLogEvents", object{"logGroupName": group}, &all); fault != "" {
		t.Fatal(fault)
	}
	if fault := call(t, mux, "FilterLogEvents", object{"logGroupName": group, "startTime": noon.UnixMilli() + 9}, &last); fault != "" {
		t.Fatal(fault)
	}
	if want := all.Events[len(all.Events)-2:]; !slices.Equal(last.Events, want) {
		t.Errorf("from the last time on: %+v\nwant %+v", last.Events, want)
	}
	rows := query(t, mux, object{"logGroupName": group, "startTime": noon.UnixMilli() + 7, "endTime": noon.UnixMilli() + 7, "queryString": "fields @ptr"})
	if got, want := rows.Results[0][0].Value, all.Events[3].EventID; got != want {
		t.Errorf("@ptr is %s, want the event's id %s", got, want)
	}
}

// Pages of every size, together, are everything, once, also where many events have one time.
func TestPages(t *testing.T) {
	s := source{group: nil}
	for i := range 40 {
		s[group] = append(s[group], line(i/15, "a", fmt.Sprint(i)))
	}
	mux := newMux(s)
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprint(i))
	}
	for limit := 1; limit <= 41; limit += 5 {
		for name, next := range map[string]func(in object, out *events) bool{
			"FilterLogEvents": func(in object, out *events) bool {
				in["nextToken"] = out.NextToken
				return out.NextToken != ""
			},
			"GetLogEvents": func(in object, out *events) bool {
				more := in["nextToken"] != out.NextForwardToken
				in["nextToken"] = out.NextForwardToken
				return more
			},
		} {
			in := object{"logGroupName": group, "limit": limit}
			if name == "GetLogEvents" {
				in["startFromHead"], in["logStreamName"] = true, "a"
			}
			var got []string
			for range 100 {
				var out events
				if fault := call(t, mux, name, in, &out); fault != "" {
					t.Fatal(fault)
				}
				for _, e := range out.Events {
					got = append(got, e.Message)
				}
				if !next(in, &out) {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s by %d: %q", name, limit, got)
			}
		}
	}
	// Backwards, from the end.
	in, got := object{"logGroupName": group, "logStreamName": "a", "limit": 7}, []string(nil)
	for range 100 {
		var out events
		if fault := call(t, mux, "GetLogEvents", in, &out); fault != "" {
			t.Fatal(fault)
		}
		var page []string
		for _, e := range out.Events {
			page = append(page, e.Message)
		}
		got = append(page, got...)
		if in["nextToken"] == out.NextBackwardToken {
			break
		}
		in["nextToken"] = out.NextBackwardToken
	}
	if !slices.Equal(got, want) {
		t.Errorf("backwards: %q", got)
	}
}

func TestDescribe(t *testing.T) {
	mux := newMux(system())
	var groups struct {
		LogGroups []struct {
			LogGroupName string
			ARN          string `json:"arn"`
			StoredBytes  int
		}
		NextToken string
	}
	for _, c := range []struct {
		in   object
		want string
	}{
		{object{}, "[/aws/lambda/api /aws/lambda/handler /other] "},
		{object{"limit": 1}, "[/aws/lambda/api] /aws/lambda/api"},
		{object{"limit": 1, "nextToken": "/aws/lambda/api"}, "[/aws/lambda/handler] /aws/lambda/handler"},
		{object{"logGroupNamePrefix": "/aws/lambda/h"}, "[/aws/lambda/handler] "},
		{object{"logGroupNamePattern": "lambda/a"}, "[/aws/lambda/api] "},
		{object{"logGroupNamePattern": "LAMBDA/A"}, "[] "}, // upper and lower case apart, as on AWS
	} {
		groups.LogGroups, groups.NextToken = nil, ""
		fault := call(t, mux, "DescribeLogGroups", c.in, &groups)
		var names []string
		for _, g := range groups.LogGroups {
			names = append(names, g.LogGroupName)
		}
		if got := fmt.Sprintf("%v %s", names, groups.NextToken); fault != "" || got != c.want {
			t.Errorf("%v: %q, want %q %s", c.in, got, c.want, fault)
		}
	}
	var streams struct {
		LogStreams []struct {
			LogStreamName                           string
			FirstEventTimestamp, LastEventTimestamp int64
		}
		NextToken string
	}
	if fault := call(t, mux, "DescribeLogStreams", object{"logGroupName": group, "orderBy": "LastEventTime", "descending": true, "limit": 1}, &streams); fault != "" {
		t.Fatal(fault)
	}
	if s := streams.LogStreams[0]; s.LogStreamName != "b" || s.FirstEventTimestamp != noon.UnixMilli()+7 || s.LastEventTimestamp != noon.UnixMilli()+9 || streams.NextToken != "b" {
		t.Errorf("%+v", streams)
	}
	streams.LogStreams = nil
	if fault := call(t, mux, "DescribeLogStreams", object{"logGroupName": group, "orderBy": "LastEventTime", "descending": true, "nextToken": "b"}, &streams); fault != "" || len(streams.LogStreams) != 1 || streams.LogStreams[0].LogStreamName != "a" {
		t.Errorf("%+v %s", streams, fault)
	}
}

type results struct {
	Results    [][]struct{ Field, Value string }
	Status     string
	NextToken  string
	Statistics struct{ RecordsMatched, RecordsScanned float64 }
}

func (r results) String() string {
	var b strings.Builder
	for _, row := range r.Results {
		for _, f := range row {
			if f.Field != "@ptr" {
				b.WriteString(f.Field + "=" + f.Value + " ")
			}
		}
		b.WriteString("| ")
	}
	return strings.TrimSpace(b.String())
}

func query(t testing.TB, mux *wire.Mux, in object) (out results) {
	t.Helper()
	var id struct {
		ID string `json:"queryId"`
	}
	if fault := call(t, mux, "StartQuery", in, &id); fault != "" {
		t.Fatal(fault)
	}
	if fault := call(t, mux, "GetQueryResults", object{"queryId": id.ID}, &out); fault != "" || out.Status != "Complete" {
		t.Fatalf("%s %s", out.Status, fault)
	}
	return out
}

func TestQueries(t *testing.T) {
	for _, c := range []struct{ name, query, want string }{
		{"the newest first", `fields msg | filter ispresent(msg)`, "msg=declined | msg=sent | msg=received |"},
		{"members in depth", `fields http.status, tags.1 | filter http.status = 200`, "http.status=200 tags.1=y |"},
		{"booleans are 1 and 0", `filter retry = true | fields retry, msg`, "retry=1 msg=declined |"},
		{"what a line comes with", `filter level = "ERROR" | fields @timestamp, @logStream, @log, @requestId`, "@timestamp=2026-11-23 12:00:00.007 @logStream=b @log=000000000000:/aws/lambda/handler @requestId=req-b |"},
		{"a report line", `filter @type = "REPORT" | fields @duration, @billedDuration, @initDuration, @memorySize, @maxMemoryUsed, @xrayTraceId, @xraySegmentId`, "@duration=8.2 @billedDuration=9 @initDuration=70 @memorySize=128000000 @maxMemoryUsed=30000000 @xrayTraceId=1-6-7 @xraySegmentId=89 |"},
		{"a report in JSON", `filter @type = "platform.report" | fields @duration, @memorySize, record.metrics.durationMs`, "@duration=12.5 @memorySize=256000000 record.metrics.durationMs=12.5 |"},
		{"reports of both kinds", `stats max(@duration) as slowest`, "slowest=12.5 |"},
		{"by subject", `filter ispresent(ms) | stats sum(ms) as total by subject | sort total desc`, "subject=s-2 total=40 | subject=s-1 total=10 |"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := query(t, newMux(system()), object{"logGroupName": group, "startTime": noon.Unix(), "endTime": noon.Unix() + 1, "queryString": c.query})
			if out.String() != c.want {
				t.Errorf("%s\nwant %s", out, c.want)
			}
		})
	}
	t.Run("until the end of time", func(t *testing.T) {
		out := query(t, newMux(system()), object{"logGroupName": group, "startTime": 0, "endTime": int64(math.MaxInt64), "queryString": "stats count(*) as n"})
		if out.String() != "n=6 |" {
			t.Errorf("%s, want all 6", out)
		}
	})
	t.Run("several groups", func(t *testing.T) {
		out := query(t, newMux(system()), object{"logGroupNames": []string{group, "/aws/lambda/api"}, "startTime": noon.UnixMilli(), "endTime": noon.UnixMilli() + 5, "queryString": "stats count(*) as n by @log | sort @log"})
		if got, want := out.String(), "@log=000000000000:/aws/lambda/api n=1 | @log=000000000000:/aws/lambda/handler n=2 |"; got != want || out.Statistics.RecordsScanned != 3 {
			t.Errorf("%s, want %s; %+v", got, want, out.Statistics)
		}
	})
}

func TestResultsAreKeptForAWhile(t *testing.T) {
	mux := newMux(system())
	var ids []string
	for range 70 {
		var id struct {
			ID string `json:"queryId"`
		}
		if fault := call(t, mux, "StartQuery", object{"logGroupName": group, "startTime": 0, "endTime": noon.Unix() + 1, "queryString": "fields msg | filter ispresent(msg)"}, &id); fault != "" {
			t.Fatal(fault)
		}
		ids = append(ids, id.ID)
	}
	var out results
	if fault := call(t, mux, "GetQueryResults", object{"queryId": ids[0]}, &out); !strings.HasPrefix(fault, "ResourceNotFoundException") {
		t.Errorf("the first of many queries is still there: %s", fault)
	}
	if fault := call(t, mux, "GetQueryResults", object{"queryId": ids[69], "maxItems": 2}, &out); fault != "" || out.String() != "msg=declined | msg=sent |" {
		t.Errorf("%s %s", out, fault)
	}
	if fault := call(t, mux, "GetQueryResults", object{"queryId": ids[69], "nextToken": out.NextToken}, &out); fault != "" || out.String() != "msg=received |" {
		t.Errorf("%s %s", out, fault)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, operation string
		in              object
		want            string
	}{
		{"a group that is not there", "FilterLogEvents", object{"logGroupName": "/nope"}, "ResourceNotFoundException: The specified log group does not exist"},
		{"no group", "FilterLogEvents", object{}, "InvalidParameterException: logGroupName or logGroupIdentifier is missing"},
		{"two groups", "FilterLogEvents", object{"logGroupName": group, "logGroupIdentifier": group}, "InvalidParameterException: logGroupName and logGroupIdentifier exclude each other"},
		{"a broken pattern", "FilterLogEvents", object{"logGroupName": group, "filterPattern": "{ $.a }"}, "InvalidParameterException: filter pattern: at character 7: an operator is due"},
		{"a broken token", "FilterLogEvents", object{"logGroupName": group, "nextToken": "x"}, "InvalidParameterException: The specified nextToken"},
		{"a time before 1970", "FilterLogEvents", object{"logGroupName": group, "startTime": -1}, "InvalidParameterException: startTime"},
		{"a limit that is too large", "FilterLogEvents", object{"logGroupName": group, "limit": 10001}, "InvalidParameterException: limit 10001 is not between 1 and 10000"},
		{"a stream that is not there", "GetLogEvents", object{"logGroupName": group, "logStreamName": "z"}, "ResourceNotFoundException: The specified log stream does not exist"},
		{"a token of the other operation", "GetLogEvents", object{"logGroupName": group, "logStreamName": "a", "nextToken": "1.2"}, "InvalidParameterException: The specified nextToken"},
		{"an order of nothing", "DescribeLogStreams", object{"logGroupName": group, "orderBy": "Size"}, "InvalidParameterException: orderBy"},
		{"a query that is none", "StartQuery", object{"logGroupName": group, "startTime": 1, "endTime": 2, "queryString": "fields a | stats skew(b)"}, `MalformedQueryException: {"__type":"MalformedQueryException","message":"at character 18: stats has no function`},
		{"a query says where", "StartQuery", object{"logGroupName": group, "startTime": 1, "endTime": 2, "queryString": "fields a | stats skew(b)"}, `MalformedQueryException: "queryCompileError":{"location":{"endCharOffset":21,"startCharOffset":17}`},
		{"a query in SQL", "StartQuery", object{"logGroupName": group, "startTime": 1, "endTime": 2, "queryString": "SELECT 1", "queryLanguage": "SQL"}, "InvalidParameterException: queryLanguage"},
		{"a query of no group", "StartQuery", object{"startTime": 1, "endTime": 2, "queryString": "fields a"}, "InvalidParameterException: 0 log groups"},
		{"a query without a time", "StartQuery", object{"logGroupName": group, "queryString": "fields a"}, "InvalidParameterException: startTime and endTime are due"},
		{"a time that overflows", "StartQuery", object{"logGroupName": group, "startTime": int64(math.MinInt64), "endTime": int64(math.MaxInt64), "queryString": "fields a"}, "InvalidParameterException: startTime"},
		{"an unknown query", "GetQueryResults", object{"queryId": "x"}, "ResourceNotFoundException: Query"},
		{"an operation that is not here", "PutLogEvents", object{}, "UnknownOperationException: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			fault := call(t, newMux(system()), c.operation, c.in, &object{})
			code, message, _ := strings.Cut(c.want, ": ")
			if !strings.HasPrefix(fault, code) || !strings.Contains(fault, message) {
				t.Errorf("%s\nwant %s", fault, c.want)
			}
		})
	}
}

func BenchmarkFilterLogEvents(b *testing.B) {
	s := source{group: nil}
	for i := range 20_000 {
		s[group] = append(s[group], line(i, "a", fmt.Sprintf(`{"level":"INFO","subject":"s-%d","msg":"handled","ms":%d}`, i, i%100)))
	}
	mux := newMux(s)
	for b.Loop() {
		var out events
		if fault := call(b, mux, "FilterLogEvents", object{"logGroupName": group, "filterPattern": `{ $.subject = "s-19999" }`}, &out); fault != "" || len(out.Events) != 1 {
			b.Fatal(fault, len(out.Events))
		}
	}
}
