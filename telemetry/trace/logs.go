package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"

	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

const (
	maxLines  = 500             // of one log group
	logsAfter = 5 * time.Minute // past the trace's end: a function may log after its segment
)

// A logEntry is a line of a log group, as --json writes it.
type logEntry struct {
	Time     time.Time `json:"time"`
	LogGroup string    `json:"logGroup"`
	Message  string    `json:"message"`
}

// A logLine is an entry with what is in it.
type logLine struct {
	logEntry
	level, text string
	span        string // id of the span in which it was written; "" if it does not say
}

// logs are the lines of a trace.
type logs struct {
	lines  []logLine
	rest   []logLine // belong to no row
	groups []string  // that were read
	notes  []string  // what could not be read, and why
}

// readLogs reads the lines that carry the trace's id from the log groups that its segments name.
func readLogs(ctx context.Context, api cloudwatchlogs.FilterLogEventsAPIClient, t *tracetree.Tree) (*logs, error) {
	times := t.Times()
	from, to := times.Start.Time().Add(-5*time.Second).UnixMilli(), times.End.Time().Add(logsAfter).UnixMilli()
	l := &logs{}
	named, guessed := logGroups(t)
	for _, group := range slices.Concat(named, guessed) {
		for _, trace := range t.Traces {
			err := l.read(ctx, api, group, trace, from, to)
			var failure smithy.APIError
			switch {
			case err == nil:
			case errors.As(err, new(*types.ResourceNotFoundException)):
				if slices.Contains(named, group) {
					l.notes = append(l.notes, "there is no log group "+group)
				}
			case errors.As(err, &failure):
				l.notes = append(l.notes, fmt.Sprintf("log group %s: %s: %s", group, failure.ErrorCode(), failure.ErrorMessage()))
			default:
				return nil, err
			}
		}
	}
	slices.SortStableFunc(l.lines, func(a, b logLine) int { return a.Time.Compare(b.Time) })
	return l, nil
}

// logGroups are the groups that segments name, and for functions that name none, the one that Lambda uses by default.
func logGroups(t *tracetree.Tree) (named, guessed []string) {
	add := func(list *[]string, name string) {
		if name != "" && !slices.Contains(*list, name) && len(*list) < 20 {
			*list = append(*list, name)
		}
	}
	told := make(map[string]bool) // functions
	for s := range t.Segments() {
		if s.AWS == nil {
			continue
		}
		for _, g := range s.AWS.CloudWatchLogs {
			add(&named, g.Name)
			told[s.Name] = true
		}
	}
	for s := range t.Segments() {
		if s.Origin == segment.OriginFunction && !told[s.Name] {
			if name := "/aws/lambda/" + s.Name; !slices.Contains(named, name) {
				add(&guessed, name)
			}
		}
	}
	return named, guessed
}

func (l *logs) read(ctx context.Context, api cloudwatchlogs.FilterLogEventsAPIClient, group string, trace segment.TraceID, from, to int64) error {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(api, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: &group, FilterPattern: aws.String(`{ $.xray_trace_id = "` + trace.String() + `" }`), StartTime: &from, EndTime: &to,
	})
	lines := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, e := range page.Events {
			if lines == maxLines {
				l.notes = append(l.notes, fmt.Sprintf("log group %s has more than the %d lines that are shown", group, maxLines))
				return nil
			}
			if line, ok := parseLine(group, e); ok {
				l.lines = append(l.lines, line)
				lines++
			}
		}
	}
	if !slices.Contains(l.groups, group) {
		l.groups = append(l.groups, group)
	}
	return nil
}

// known are members of a line that the picture or the line's own columns tell.
var known = []string{"time", "timestamp", "level", "msg", "message", "trace_id", "xray_trace_id", "span_id", "subject", "event_id"}

// parseLine reads a line of slog's JSON. ok is false for lines of metrics, which are not for readers.
func parseLine(group string, e types.FilteredLogEvent) (l logLine, ok bool) {
	l.logEntry = logEntry{time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(), group, strings.TrimRight(aws.ToString(e.Message), "\r\n")}
	l.text = l.Message
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(l.Message), &members) != nil || members == nil {
		return l, true
	}
	if members["_aws"] != nil {
		return l, false
	}
	text := func(names ...string) string {
		for _, name := range names {
			var s string
			if json.Unmarshal(members[name], &s) == nil && s != "" {
				return s
			}
		}
		return ""
	}
	if at, err := time.Parse(time.RFC3339Nano, text("time", "timestamp")); err == nil {
		l.Time = at.UTC()
	}
	l.level, l.span = text("level"), text("span_id")
	l.text = text("msg", "message")
	var rest []string
	for name, value := range members {
		if slices.Contains(known, name) {
			continue
		}
		shown := string(value)
		var s string
		if json.Unmarshal(value, &s) == nil && !strings.ContainsAny(s, " \"") {
			shown = s
		}
		rest = append(rest, name+"="+shown)
	}
	slices.Sort(rest)
	l.text = strings.TrimSpace(l.text + " " + strings.Join(rest, " "))
	if l.text == "" {
		l.text = l.Message
	}
	return l, true
}

// place gives each line to the row of its span or else to the row of the function that was at work then; what belongs
// nowhere is kept apart.
func (l *logs) place(p *picture) {
	spans := make(map[string]*row, len(p.of))
	for s, r := range p.of {
		if !s.Inferred {
			spans[s.ID.String()] = r
		}
	}
	for _, line := range l.lines {
		r := spans[line.span]
		if r == nil {
			r = p.atWork(line)
		}
		if r == nil {
			l.rest = append(l.rest, line)
			continue
		}
		r.logs = append(r.logs, line)
	}
}

// atWork is the row of the function with the line's log group that was at work at its time, the one that began last.
func (p *picture) atWork(l logLine) *row {
	var best *row
	at := segment.At(l.Time)
	for _, r := range p.rows {
		if r.span.AWS == nil || r.span.Origin != segment.OriginFunction || r.start > at || r.end != 0 && r.end < at {
			continue
		}
		if slices.ContainsFunc(r.span.AWS.CloudWatchLogs, func(g segment.LogGroup) bool { return g.Name == l.LogGroup }) &&
			(best == nil || cmp.Compare(best.start, r.start) < 0) {
			best = r
		}
	}
	return best
}

func (d *drawing) logLine(under string, l logLine) string {
	p := dim
	switch strings.ToUpper(l.level) {
	case "ERROR":
		p = red
	case "WARN", "WARNING":
		p = yellow
	}
	text := "│ " + l.Time.Format("15:04:05.000") + " "
	if l.level != "" {
		text += fmt.Sprintf("%-5s ", visible(l.level))
	}
	text += visible(l.text)
	return under + d.in(p, text)
}

// footer tells what the rows do not.
func (l *logs) footer(b *strings.Builder, s screen) {
	if len(l.rest) > 0 {
		fmt.Fprintf(b, "\n%s\n", s.in(dim, "log lines of no span"))
		d := &drawing{screen: s}
		for _, line := range l.rest {
			fmt.Fprintln(b, d.logLine("  ", line))
		}
	}
	if len(l.lines) == 0 {
		groups := strings.Join(l.groups, ", ")
		if groups == "" {
			groups = "no log group that could be read"
		}
		fmt.Fprintf(b, "%s no line has the trace's id, in %s\n", s.in(dim, fmt.Sprintf("%-8s", "logs")), visible(groups))
	}
	for _, note := range l.notes {
		fmt.Fprintf(b, "%s %s\n", s.in(dim, fmt.Sprintf("%-8s", "logs")), s.in(yellow, visible(note)))
	}
}

func (l *logs) entries() []logEntry {
	list := make([]logEntry, len(l.lines))
	for i, line := range l.lines {
		list[i] = line.logEntry
	}
	return list
}
