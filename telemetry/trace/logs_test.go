package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/watch/logs/pattern"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

// fakeLogs answers FilterLogEvents from lines by log group.
type fakeLogs map[string][]string

func (f fakeLogs) FilterLogEvents(_ context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	p, err := pattern.Parse(*in.FilterPattern)
	if err != nil {
		return nil, err
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{}
	for i, line := range f[*in.LogGroupName] {
		if p.Match(line) {
			out.Events = append(out.Events, types.FilteredLogEvent{Timestamp: aws.Int64(bubble.UnixMilli() + int64(i)), Message: aws.String(line)})
		}
	}
	return out, nil
}

// TestEachLineStandsBeneathItsHop: lines say in many ways what they belong to.
func TestEachLineStandsBeneathItsHop(t *testing.T) {
	const request = "6f1d2c3b-0000-4000-8000-0000000000aa"
	r, _ := killed()
	tree := func() *tracetree.Tree {
		for i := range r.docs {
			if r.docs[i].Origin == segment.OriginLambda {
				r.docs[i].AWS = &segment.AWS{RequestID: request}
			}
		}
		return tracetree.Build(r.docs)
	}()
	own := fmt.Sprintf(`"xray_trace_id":%q`, r.trace)
	linked := segment.TraceID{0x38, 0x6d, 0x43, 0x80, 4: 0xee, 15: r.trace[15]}
	source := fakeLogs{
		"/aws/lambda/" + handler: {
			`{"msg":"by message and count","message_id":"m-1","receives":2,"event_id":"event-m-1",` + own + `}`,
			`{"level":"WARN","msg":"of the delivery that nobody reported","message_id":"m-1","receives":1,"event_id":"event-m-1",` + own + `}`,
			`{"msg":"by event","event_id":"event-m-1",` + own + `}`,
			`{"msg":"by nothing",` + own + `}`,
			`{"_aws":{},"queue_wait":1,` + own + `}`,
			`{"time":"2000-01-01T00:00:04.044Z","type":"platform.start","record":{"requestId":"r-1","tracing":{"value":"Root=` + linked.String() + `;Parent=53995c3f42cd8ad8;Sampled=1"}}}`,
			`{"time":"2000-01-01T00:00:04.044Z","type":"platform.report","record":{"requestId":"r-1","status":"failure","errorType":"Runtime.ExitError","metrics":{"durationMs":8.22,"maxMemoryUsedMB":16},"tracing":{"value":"Root=` + linked.String() + `;Parent=53995c3f42cd8ad8;Sampled=1"}}}`,
			`{"msg":"of another trace in the same invocation","requestId":"` + request + `","xray_trace_id":"1-386d4380-0000000000000000000000ff"}`,
			`{"msg":"of our message, in the trace of its batch","message_id":"m-1","receives":2,"request":"` + request + `","xray_trace_id":"1-386d4380-0000000000000000000000ff"}`,
			"REPORT RequestId: 6f1d2c3b-0000-4000-8000-0000000000ab\tDuration: 3 ms\tXRAY TraceId: " + linked.String() + "\tSegmentId: 1\tSampled: true",
		},
		"/aws/lambda/" + api: {
			"START RequestId: " + request + " Version: $LATEST",
			`{"level":"ERROR","msg":"not by slog","requestId":"` + request + `"}`,
			`{"_aws":{},"accepted":1,"requestId":"` + request + `"}`,
		},
	}
	l, err := readLogs(t.Context(), source, tree)
	if err != nil {
		t.Fatal(err)
	}
	p := newPicture(tree, nil, nil)
	l.place(p)
	got := map[string][]string{}
	for _, row := range p.rows {
		name := strings.TrimSpace(row.name + " " + strings.Join(row.notes, " "))
		for _, line := range row.logs {
			got[name] = append(got[name], strings.TrimSpace(line.level+" "+line.text))
		}
	}
	for _, line := range l.rest {
		got["rest"] = append(got["rest"], line.text)
	}
	for _, lines := range got {
		slices.Sort(lines)
	}
	want := map[string][]string{
		handler + " delivery 2 of 2": {"ERROR REPORT failure Runtime.ExitError 8.22 ms in 16 MB",
			"REPORT RequestId: 6f1d2c3b-0000-4000-8000-0000000000ab\tDuration: 3 ms\tXRAY TraceId: " + linked.String() + "\tSegmentId: 1\tSampled: true",
			"START", "by event", "by message and count receives=2", "of our message, in the trace of its batch receives=2 request=" + request},
		handler + " delivery 1 of 2: not reported": {"WARN of the delivery that nobody reported receives=1"},
		api:    {"ERROR not by slog", "START RequestId: " + request + " Version: $LATEST"},
		"rest": {"by nothing"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l.others != 2 {
		t.Errorf("%d lines of metrics", l.others)
	}
}

func TestWhatIsSaidWithoutLines(t *testing.T) {
	r, _ := charge(1)
	tree := tracetree.Build(r.docs)
	for _, test := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"nothing at all", nil, "no line has the trace's id, in /aws/lambda/" + handler},
		{"nothing but metrics", []string{fmt.Sprintf(`{"_aws":{},"xray_trace_id":%q}`, r.trace)}, "no line but 1 line of metrics, in /aws/lambda/" + handler},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := readLogs(t.Context(), fakeLogs{"/aws/lambda/" + handler: test.lines}, tree)
			if err != nil {
				t.Fatal(err)
			}
			l.place(newPicture(tree, nil, nil))
			var b strings.Builder
			l.footer(&b, screen{})
			if !strings.Contains(b.String(), test.want) {
				t.Errorf("no %q in %s", test.want, b.String())
			}
		})
	}
}

// TestPatternsFit: CloudWatch takes 1,024 characters, and hostile documents name many invocations.
func TestPatternsFit(t *testing.T) {
	r := newRecorder(1)
	for i := range 300 {
		d := functionDocument("f")
		d.AWS.RequestID = fmt.Sprintf("6f1d2c3b-0000-4000-8000-%012x", i)
		r.add(d, segment.ID{}, float64(i), float64(i)+1)
	}
	evil := functionDocument("f")
	evil.AWS.RequestID = `" ?"everything`
	r.add(evil, segment.ID{}, 1, 2)
	patterns := invocationPatterns(tracetree.Build(r.docs))
	for _, p := range patterns {
		if _, err := pattern.Parse(p); err != nil || len(p) > 1024 || strings.Contains(p, "everything") {
			t.Errorf("%v: %d characters: %s", err, len(p), p)
		}
	}
	if len(patterns) != maxInvocations/maxTerms {
		t.Errorf("%d patterns", len(patterns))
	}
}

// TestLinesOfAnInvocationThatWasNotSampled: no link leads there, and the lines that Lambda writes name no trace of ours. The receiver's
// segment has the request id.
func TestLinesOfAnInvocationThatWasNotSampled(t *testing.T) {
	const request = "6f1d2c3b-0000-4000-8000-0000000000aa"
	r, _ := charge(1)
	for i := range r.docs {
		if d := &r.docs[i]; d.Name == handler {
			d.Links, d.AWS.RequestID = nil, request
		}
	}
	tree := tracetree.Build(r.docs)
	source := fakeLogs{"/aws/lambda/" + handler: {
		"START RequestId: " + request + " Version: $LATEST",
		"REPORT RequestId: " + request + "\tDuration: 3 ms",
		"REPORT RequestId: 6f1d2c3b-0000-4000-8000-0000000000ff\tDuration: 3 ms",
	}}
	l, err := readLogs(t.Context(), source, tree)
	if err != nil {
		t.Fatal(err)
	}
	p := newPicture(tree, nil, nil)
	l.place(p)
	if len(l.lines) != 2 || len(l.rest) != 0 {
		t.Errorf("%d lines, %d of them of no span", len(l.lines), len(l.rest))
	}
	for _, row := range p.rows {
		if n := len(row.logs); n > 0 != (row.name == handler) {
			t.Errorf("%d lines beneath %s", n, row.name)
		}
	}
}

// endless is a log group that never comes to its end.
type endless struct {
	line  string
	calls int
}

func (e *endless) FilterLogEvents(context.Context, *cloudwatchlogs.FilterLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	if e.calls++; e.calls > 1000 {
		return nil, errors.New("it reads for ever")
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{NextToken: aws.String(fmt.Sprint(e.calls))}
	for i := range 100 {
		out.Events = append(out.Events, types.FilteredLogEvent{Timestamp: aws.Int64(int64(100*e.calls + i)), Message: aws.String(e.line)})
	}
	return out, nil
}

// TestLogsAreBounded: nobody wants all that a busy group may have, and nobody should wait for it.
func TestLogsAreBounded(t *testing.T) {
	r, _ := charge(1)
	for i := range r.docs { // one group, and more patterns than one
		if d := &r.docs[i]; d.AWS != nil && d.Origin == segment.OriginFunction {
			d.AWS.CloudWatchLogs, d.AWS.RequestID = []segment.LogGroup{{Name: "busy"}}, fmt.Sprintf("6f1d2c3b-0000-4000-8000-%012x", i)
		}
	}
	tree := tracetree.Build(r.docs)
	for _, test := range []struct {
		name, line    string
		lines, others int
		note          string
	}{
		{"of lines for readers, the first ones are shown", "REPORT", maxLines, 0, "log group busy has more than 500 lines"},
		{"lines of metrics are not read for ever", `{"_aws":{}}`, 0, maxRead, "log group busy has more than 10000 lines about"},
		{"a few lines may be too much", strings.Repeat("x", 200<<10), maxBytes / (200 << 10), 0, "log group busy: there are more than 16 MB of lines"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := readLogs(t.Context(), &endless{line: test.line}, tree)
			if err != nil {
				t.Fatal(err)
			}
			if len(l.lines) != test.lines || l.others != test.others || len(l.notes) != 1 || !strings.HasPrefix(l.notes[0], test.note) {
				t.Errorf("%d lines, %d of metrics, notes %q", len(l.lines), l.others, l.notes)
			}
		})
	}
}

// TestTheBoundIsOfAllPatternsTogether has lines that different patterns find.
func TestTheBoundIsOfAllPatternsTogether(t *testing.T) {
	const request = "6f1d2c3b-0000-4000-8000-0000000000aa"
	r, _ := charge(1)
	r.docs[len(r.docs)-1].AWS.RequestID = request
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf(`{"msg":"%d","xray_trace_id":%q}`, i, r.trace), fmt.Sprintf("RequestId: %s %d", request, i))
	}
	l, err := readLogs(t.Context(), fakeLogs{"/aws/lambda/" + api: lines}, tracetree.Build(r.docs))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.lines) != maxLines || len(l.notes) != 1 {
		t.Errorf("%d lines, notes %q", len(l.lines), l.notes)
	}
}
