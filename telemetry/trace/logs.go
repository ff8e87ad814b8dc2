package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
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

// Bounds of what is read, whatever the groups hold: a busy group may have more about a trace than anybody wants, and most of it in lines of metrics.
const (
	maxLines  = 500      // of one log group that are shown
	maxRead   = 10_000   // of one log group that are looked at
	maxBytes  = 16 << 20 // of the lines of all groups that are shown
	maxGroups = 20       // that segments name, and as many that they do not

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

	// To what it belongs, as far as it says so.
	trace      segment.TraceID
	span       string // id of the span in which it was written
	event      string // id
	message    string // id in the queue
	receives   int    // which delivery of the message
	request    string // id of the invocation
	invocation segment.TraceID
}

// logs are the lines of a trace.
type logs struct {
	lines  []logLine
	rest   []logLine // belong to no row
	others int       // lines for programs: metrics
	groups []string  // that were read
	notes  []string  // what could not be read, and why
}

// readLogs reads the lines that carry the trace's id from the log groups that its segments name, and then those that do not and tell of an
// invocation that took part: START, REPORT, what the runtime says of a process that ended.
func readLogs(ctx context.Context, api cloudwatchlogs.FilterLogEventsAPIClient, t *tracetree.Tree) (*logs, error) {
	times := t.Times()
	r := &logReader{
		logs: new(logs), api: api, traces: t.Traces, messages: make(map[string]bool), seen: make(map[logEntry]bool), room: maxBytes,
		from: times.Start.Time().Add(-5 * time.Second).UnixMilli(), to: times.End.Time().Add(logsAfter).UnixMilli(),
	}
	for s := range t.Segments() {
		if id := s.MessageID(); id != "" {
			r.messages[id] = true
		}
	}
	var patterns []logPattern
	for _, trace := range t.Traces {
		patterns = append(patterns, logPattern{text: `{ $.xray_trace_id = "` + trace.String() + `" }`})
	}
	for _, text := range invocationPatterns(t) {
		patterns = append(patterns, logPattern{text, true})
	}
	named, guessed := logGroups(t)
	for _, group := range slices.Concat(named, guessed) {
		err := r.group(ctx, group, patterns)
		var failure smithy.APIError
		switch {
		case err == nil:
			r.groups = append(r.groups, group)
		case errors.Is(err, errEnough):
			r.groups = append(r.groups, group)
			r.notes = append(r.notes, err.Error())
		case errors.As(err, new(*types.ResourceNotFoundException)):
			if slices.Contains(named, group) {
				r.notes = append(r.notes, "there is no log group "+group)
			}
		case errors.As(err, &failure):
			r.notes = append(r.notes, fmt.Sprintf("log group %s: %s: %s", group, failure.ErrorCode(), failure.ErrorMessage()))
		default:
			return nil, err
		}
	}
	slices.SortStableFunc(r.lines, func(a, b logLine) int { return a.Time.Compare(b.Time) })
	return r.logs, nil
}

// A logPattern finds lines of a log group.
type logPattern struct {
	text string
	// The lines tell of invocations, in which messages of other traces may have been handled: what names one of those is not wanted.
	invocations bool
}

// A logReader reads log groups.
type logReader struct {
	*logs
	api      cloudwatchlogs.FilterLogEventsAPIClient
	traces   []segment.TraceID // whose lines are wanted
	messages map[string]bool   // of which receivers of the traces tell, by their ids in the queue
	seen     map[logEntry]bool // is in lines
	room     int               // for lines, in bytes
	from, to int64             // milliseconds since 1970
}

// errEnough says that a log group has more than is read of it.
var errEnough = errors.New("what is left is not shown")

// group reads the lines of a group that the patterns match.
func (r *logReader) group(ctx context.Context, name string, patterns []logPattern) error {
	shown, read := 0, 0
	for _, p := range patterns {
		pages := cloudwatchlogs.NewFilterLogEventsPaginator(r.api, &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: &name, FilterPattern: &p.text, StartTime: &r.from, EndTime: &r.to,
		}, func(o *cloudwatchlogs.FilterLogEventsPaginatorOptions) { o.StopOnDuplicateToken = true })
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			for _, e := range page.Events {
				if read++; read > maxRead {
					return fmt.Errorf("log group %s has more than %d lines about the trace and its invocations: %w", name, maxRead, errEnough)
				}
				line, forReaders := parseLine(name, e)
				switch {
				case p.invocations && r.seen[line.logEntry]: // by another pattern
				case p.invocations && slices.Contains(r.traces, line.trace): // found by its trace already, if it is for readers
				case p.invocations && !line.trace.IsZero() && !r.messages[line.message]: // of another trace
				case !forReaders:
					r.others++
				case shown == maxLines:
					return fmt.Errorf("log group %s has more than %d lines: %w", name, maxLines, errEnough)
				case len(line.Message) > r.room:
					return fmt.Errorf("log group %s: there are more than %d MB of lines: %w", name, maxBytes>>20, errEnough)
				default:
					r.seen[line.logEntry] = true
					r.lines = append(r.lines, line)
					r.room -= len(line.Message)
					shown++
				}
			}
		}
	}
	return nil
}

// Terms in a pattern, which may have 1,024 characters, and invocations that are asked for.
const (
	maxTerms       = 20
	maxInvocations = 100
)

// invocationPatterns find the lines in which the id of a message is, an invocation's request id, or its trace: that of the request itself, and
// those that receivers link to. The lines are JSON or text, as the function is set up: the terms match in both.
func invocationPatterns(t *tracetree.Tree) []string {
	var terms []string
	add := func(id string) {
		if term := `?"` + id + `"`; !slices.Contains(terms, term) && len(terms) < maxInvocations {
			terms = append(terms, term)
		}
	}
	for s := range t.Segments() {
		if s.Inferred || s.AWS == nil || s.Origin != segment.OriginLambda && s.Origin != segment.OriginFunction {
			continue
		}
		// A message of an event without a trace is logged before anybody knows its trace.
		for _, id := range []string{s.AWS.RequestID, s.MessageID()} {
			if uuidForm.MatchString(id) {
				add(id)
			}
		}
	}
	for _, id := range slices.Concat(t.Traces, t.Linked) {
		add(id.String())
	}
	var patterns []string
	for some := range slices.Chunk(terms, maxTerms) {
		patterns = append(patterns, strings.Join(some, " "))
	}
	return patterns
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// logGroups are the groups that segments name, and for functions that name none, the one that Lambda uses by default.
func logGroups(t *tracetree.Tree) (named, guessed []string) {
	add := func(list *[]string, name string) {
		if name != "" && !slices.Contains(*list, name) && len(*list) < maxGroups {
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

// known are members of a line that the picture or the line's own columns tell.
var known = []string{"time", "timestamp", "level", "msg", "message", "trace_id", "xray_trace_id", "span_id", "subject", "event_id", "message_id", "event_type", "requestId"}

// parseLine reads a line of slog's JSON, or one that Lambda writes. ok is false for lines of metrics, which are not for readers.
func parseLine(group string, e types.FilteredLogEvent) (l logLine, ok bool) {
	l.logEntry = logEntry{time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(), group, strings.TrimRight(aws.ToString(e.Message), "\r\n")}
	l.text = l.Message
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(l.Message), &members) != nil || members == nil {
		l.plain()
		return l, true
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
	// One that cannot be parsed is none.
	l.trace, _ = segment.ParseTraceID(text("xray_trace_id"))
	if members["_aws"] != nil {
		return l, false
	}
	if at, err := time.Parse(time.RFC3339Nano, text("time", "timestamp")); err == nil {
		l.Time = at.UTC()
	}
	l.level, l.span = text("level"), text("span_id")
	l.event, l.message, l.request = text("event_id"), text("message_id"), text("requestId", "AWSRequestId")
	if json.Unmarshal(members["receives"], &l.receives) != nil {
		l.receives = 0
	}
	if strings.HasPrefix(text("type"), "platform.") && l.platform(text("type"), members["record"]) {
		return l, true
	}
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

// platform reads what Lambda writes of an invocation to a log group of JSON.
func (l *logLine) platform(typ string, record json.RawMessage) bool {
	var r struct {
		RequestID string
		Status    string
		ErrorType string
		Phase     string
		Metrics   struct {
			DurationMs, InitDurationMs  float64
			MaxMemoryUsedMB, MemorySize float64
		}
		Tracing struct{ SpanID, Value string }
	}
	if json.Unmarshal(record, &r) != nil {
		return false
	}
	l.request = r.RequestID
	if id, what := traceOfHeader(r.Tracing.Value); what != "" {
		l.invocation, _ = segment.ParseTraceID(id) // one that cannot be parsed is none
	}
	words := []string{strings.ToUpper(strings.TrimPrefix(typ, "platform."))}
	if r.Phase != "" {
		words = append(words, r.Phase)
	}
	if r.Status != "" {
		words = append(words, r.Status)
	}
	if r.ErrorType != "" {
		words = append(words, r.ErrorType)
	}
	if m := r.Metrics; m.DurationMs > 0 {
		words = append(words, duration(time.Duration(m.DurationMs*1e6)))
		if m.InitDurationMs > 0 {
			words = append(words, "after a start of "+duration(time.Duration(m.InitDurationMs*1e6)))
		}
		if m.MaxMemoryUsedMB > 0 {
			words = append(words, fmt.Sprintf("in %.0f MB", m.MaxMemoryUsedMB))
		}
	}
	if r.Status != "" && r.Status != "success" {
		l.level = "ERROR"
	}
	l.text = strings.Join(words, " ")
	return true
}

var (
	requestInText = regexp.MustCompile(`RequestId: ([0-9a-f-]{36})`)
	traceInText   = regexp.MustCompile(`XRAY TraceId: (1-[0-9a-f]{8}-[0-9a-f]{24})`)
)

// plain reads what Lambda writes of an invocation to a log group of text.
func (l *logLine) plain() {
	if m := requestInText.FindStringSubmatch(l.text); m != nil {
		l.request = m[1]
	}
	if m := traceInText.FindStringSubmatch(l.text); m != nil {
		l.invocation, _ = segment.ParseTraceID(m[1]) // one that cannot be parsed is none
	}
}

// place gives each line to its row: that of its span; of the delivery of its message or event, also where the receiver reported nothing; of
// its invocation; or of the function that was at work then. What belongs nowhere is kept apart.
func (l *logs) place(p *picture) {
	ix := newIndex(p)
	for _, line := range l.lines {
		if r := ix.rowOf(line); r != nil {
			r.logs = append(r.logs, line)
		} else {
			l.rest = append(l.rest, line)
		}
	}
}

// A delivered names one delivery, or with receives 0 any of a message.
type delivered struct {
	id       string // of the message or the event
	receives int
}

// An index finds rows by what log lines say.
type index struct {
	picture     *picture
	spans       map[string]*row
	deliveries  map[delivered]*row // the last that was reported, where any will do
	requests    map[string]*row
	invocations map[segment.TraceID]*row
}

// maxSilent bounds of how many deliveries in a row that nobody reported lines are looked for: a document may claim a million.
const maxSilent = 1000

func newIndex(p *picture) *index {
	ix := &index{p, make(map[string]*row), make(map[delivered]*row), make(map[string]*row), make(map[segment.TraceID]*row)}
	for s, r := range p.of {
		if s.Inferred {
			continue
		}
		ix.spans[s.ID.String()] = r
	}
	for _, r := range p.rows { // in the order of drawing: of several, the first one keeps a request
		if d := r.delivery; d != nil {
			for n := d.First; n <= min(d.Last, d.First+maxSilent) && d.Message != ""; n++ {
				ix.deliveries[delivered{d.Message, n}] = r
			}
			continue
		}
		for _, s := range slices.Concat([]*tracetree.Span{r.span}, r.folded) {
			if s.Inferred || s.Subsegment || s.Origin != segment.OriginFunction && s.Origin != segment.OriginLambda {
				continue
			}
			for _, id := range []string{s.MessageID(), s.EventID()} {
				if id != "" {
					ix.deliveries[delivered{id, 0}] = r
					ix.deliveries[delivered{id, s.Receives()}] = r
				}
			}
			if s.AWS != nil && s.AWS.RequestID != "" && ix.requests[s.AWS.RequestID] == nil {
				ix.requests[s.AWS.RequestID] = r
			}
			for _, link := range s.Links {
				if ix.invocations[link.TraceID] == nil {
					ix.invocations[link.TraceID] = r
				}
			}
		}
	}
	return ix
}

func (ix *index) rowOf(l logLine) *row {
	if r := ix.spans[l.span]; r != nil {
		return r
	}
	for _, id := range []string{l.message, l.event} {
		if id == "" {
			continue
		}
		if r := ix.deliveries[delivered{id, l.receives}]; r != nil {
			return r
		}
	}
	if r := ix.requests[l.request]; r != nil && l.request != "" {
		return r
	}
	if r := ix.invocations[l.invocation]; r != nil && !l.invocation.IsZero() {
		return r
	}
	if r := ix.picture.atWork(l); r != nil {
		return r
	}
	for _, id := range []string{l.message, l.event} { // of a delivery that is not known; better than nowhere
		if r := ix.deliveries[delivered{id, 0}]; r != nil && id != "" {
			return r
		}
	}
	return nil
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

func (l logLine) paint() paint {
	switch strings.ToUpper(l.level) {
	case "ERROR", "FATAL":
		return red
	case "WARN", "WARNING":
		return yellow
	}
	return dim
}

// shown is the line as a person reads it.
func (l logLine) shown() string {
	text := l.Time.Format("15:04:05.000") + " "
	if l.level != "" {
		text += fmt.Sprintf("%-5s ", visible(l.level))
	}
	return text + visible(l.text)
}

// footer tells what the rows do not.
func (l *logs) footer(b *strings.Builder, s screen) {
	if len(l.rest) > 0 {
		fmt.Fprintf(b, "\n%s\n", s.in(dim, "log lines of no span"))
		for _, line := range l.rest {
			for _, part := range s.hang("│ "+line.shown(), 4, 2) {
				fmt.Fprintln(b, "  "+s.in(line.paint(), part))
			}
		}
	}
	if len(l.lines) == 0 {
		groups := strings.Join(l.groups, ", ")
		if groups == "" {
			groups = "no log group that could be read"
		}
		text := "no line has the trace's id, in " + groups
		if l.others > 0 {
			text = fmt.Sprintf("no line but %s, in %s", count(l.others, "line of metrics", "lines of metrics"), groups)
		}
		fmt.Fprintf(b, "%s %s\n", s.in(dim, fmt.Sprintf("%-8s", "logs")), visible(text))
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
