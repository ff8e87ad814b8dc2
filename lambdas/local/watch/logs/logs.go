// Package logs is CloudWatch Logs over the log groups of this machine, in the protocol that AWS SDKs and the aws CLI speak:
// FilterLogEvents, GetLogEvents, DescribeLogGroups, DescribeLogStreams, StartQuery, GetQueryResults, StopQuery. So
// aws logs tail works as well.
//
// # Promises
//
// What a function has written is read by the next call. Events come in the order of their times, of equal times in the order
// in which they were written. Filter patterns and queries that are not understood are refused with what is wrong and where; none
// is understood in part. See packages pattern and insights for their languages. Every call is bounded by the memory of the log groups, which
// is bounded; the results of the last queries are kept, at most [maxQueries] and [maxResults] bytes.
//
// # Design
//
// Nothing is stored twice: each call reads the log groups where functions write them. Tokens hold a time and a number of
// events at that time, no state. A query runs while StartQuery waits, for milliseconds, so GetQueryResults has it at once.
//
// # What differs from AWS
//
//   - A group keeps its newest lines, some MiB of them, and no retention applies.
//   - Groups are neither made nor written to by clients, and only functions have one: the access log of an API is not among
//     them. ingestionTime is timestamp.
//   - FilterLogEvents answers searchedLogStreams with an empty list, as AWS does since 2019.
//   - A query's times are seconds since 1970; larger numbers are taken for milliseconds.
package logs

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/watch/logs/pattern"
	"example.com/arvo/lambdas/local/wire"
)

// A Source is where log groups come from; [function.Service] is one. Lines come with the oldest first.
type Source interface {
	LogGroups() []string
	Logs(group string, since time.Time, yield func(function.Line) bool)
}

// Options configure an [API].
type Options struct {
	Source          Source
	Region, Account string
}

// An API answers the operations of CloudWatch Logs. Make one with [New]; it is safe for concurrent use.
type API struct {
	options Options

	mu      sync.Mutex
	queries []*query // the newest last
	results int      // bytes of their results
}

// New makes an API.
func New(o Options) *API { return &API{options: o} }

// Wire is the API for an endpoint.
func (a *API) Wire() wire.Service {
	return wire.Service{Prefix: "Logs_20140328", Version: "1.1", Operations: map[string]wire.Operation{
		"FilterLogEvents":    wire.JSON(a.filterLogEvents),
		"GetLogEvents":       wire.JSON(a.getLogEvents),
		"DescribeLogGroups":  wire.JSON(a.describeLogGroups),
		"DescribeLogStreams": wire.JSON(a.describeLogStreams),
		"StartQuery":         wire.JSON(a.startQuery),
		"GetQueryResults":    wire.JSON(a.getQueryResults),
		"StopQuery":          wire.JSON(a.stopQuery),
	}}
}

const (
	maxEvents = 10_000  // of a page, CloudWatch's limit
	maxPage   = 1 << 20 // bytes of a page, CloudWatch's limit
	maxList   = 50      // groups or streams of a page, CloudWatch's limit
)

func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidParameterException", format, args...)
}

func (a *API) arn(group string) string {
	return "arn:aws:logs:" + a.options.Region + ":" + a.options.Account + ":log-group:" + group
}

// group finds a log group by its name or its ARN.
func (a *API) group(name, identifier string) (string, error) {
	switch {
	case name != "" && identifier != "":
		return "", invalid("logGroupName and logGroupIdentifier exclude each other")
	case name == "" && identifier == "":
		return "", invalid("logGroupName or logGroupIdentifier is missing")
	}
	name += identifier
	if strings.HasPrefix(name, "arn:") {
		name = strings.TrimSuffix(strings.TrimPrefix(name, a.arn("")), ":*")
	}
	if !slices.Contains(a.options.Source.LogGroups(), name) {
		return "", wire.Errorf("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return name, nil
}

// lines are those of a group from one time to another, in milliseconds, in their order. to is not among them.
func (a *API) lines(group string, from, to int64) []function.Line {
	var lines []function.Line
	a.options.Source.Logs(group, time.UnixMilli(from), func(l function.Line) bool {
		if l.Time.UnixMilli() < to {
			lines = append(lines, l)
		}
		return true
	})
	slices.SortStableFunc(lines, func(x, y function.Line) int { return int(x.Time.UnixMilli() - y.Time.UnixMilli()) })
	return lines
}

// times reads what an operation asks for; end is not included.
func times(start, end *int64) (from, to int64, err error) {
	from, to = 0, math.MaxInt64
	if start != nil {
		from = *start
	}
	if end != nil {
		to = *end
	}
	if from < 0 || to < from {
		return 0, 0, invalid("startTime %d and endTime %d are no span of time", from, to)
	}
	return from, to, nil
}

// A place is before an event in a list: after the first n of those with its time.
type place struct {
	at int64
	n  int
}

// placeOf is the place before lines[i].
func placeOf(lines []function.Line, i int) place {
	if len(lines) == 0 {
		return place{}
	}
	p := place{at: math.MinInt64}
	if i < len(lines) {
		p.at = lines[i].Time.UnixMilli()
	} else {
		p.at = lines[len(lines)-1].Time.UnixMilli()
	}
	for j := i - 1; j >= 0 && lines[j].Time.UnixMilli() == p.at; j-- {
		p.n++
	}
	return p
}

// next is the place of the event l, which follows the one at p.
func (p place) next(l function.Line) place {
	if at := l.Time.UnixMilli(); at != p.at {
		return place{at: at}
	}
	p.n++
	return p
}

// in is the index of the event behind the place.
func (p place) in(lines []function.Line) int {
	i, _ := slices.BinarySearchFunc(lines, p.at, func(l function.Line, at int64) int {
		if l.Time.UnixMilli() < at {
			return -1
		}
		return 1
	})
	for n := p.n; n > 0 && i < len(lines) && lines[i].Time.UnixMilli() == p.at; n-- {
		i++
	}
	return i
}

func (p place) String() string { return strconv.FormatInt(p.at, 10) + "." + strconv.Itoa(p.n) }

func parsePlace(token string) (place, error) {
	at, n, _ := strings.Cut(token, ".")
	var p place
	var err, nErr error
	p.at, err = strconv.ParseInt(at, 10, 64)
	p.n, nErr = strconv.Atoi(n)
	if err != nil || nErr != nil || p.n < 0 {
		return p, invalid("The specified nextToken %.64q is invalid.", token)
	}
	return p, nil
}

type filterLogEventsIn struct {
	LogGroupName        string   `json:"logGroupName"`
	LogGroupIdentifier  string   `json:"logGroupIdentifier"`
	LogStreamNames      []string `json:"logStreamNames"`
	LogStreamNamePrefix string   `json:"logStreamNamePrefix"`
	StartTime           *int64   `json:"startTime"`
	EndTime             *int64   `json:"endTime"`
	FilterPattern       string   `json:"filterPattern"`
	NextToken           string   `json:"nextToken"`
	Limit               *int     `json:"limit"`
}

type filterLogEventsOut struct {
	Events             []filteredLogEvent `json:"events"`
	SearchedLogStreams []struct{}         `json:"searchedLogStreams"`
	NextToken          string             `json:"nextToken,omitempty"`
}

type filteredLogEvent struct {
	LogStreamName string `json:"logStreamName"`
	outputLogEvent
	EventID string `json:"eventId"`
}

type outputLogEvent struct {
	Timestamp     int64  `json:"timestamp"`
	Message       string `json:"message"`
	IngestionTime int64  `json:"ingestionTime"`
}

func eventOf(l function.Line) outputLogEvent {
	at := l.Time.UnixMilli()
	return outputLogEvent{at, l.Message, at}
}

func limitOf(limit *int, largest int) (int, error) {
	if limit == nil {
		return largest, nil
	}
	if *limit < 1 || *limit > largest {
		return 0, invalid("limit %d is not between 1 and %d", *limit, largest)
	}
	return *limit, nil
}

func (a *API) filterLogEvents(_ context.Context, in *filterLogEventsIn) (*filterLogEventsOut, error) {
	group, err := a.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	from, to, err := times(in.StartTime, in.EndTime)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(in.Limit, maxEvents)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != "" {
		return nil, invalid("logStreamNames and logStreamNamePrefix exclude each other")
	}
	p, err := pattern.Parse(in.FilterPattern)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if to < math.MaxInt64 {
		to++ // FilterLogEvents, unlike GetLogEvents, includes its end
	}
	lines := a.lines(group, from, to)
	first := 0
	if in.NextToken != "" {
		after, err := parsePlace(in.NextToken)
		if err != nil {
			return nil, err
		}
		first = after.in(lines)
	}
	out := &filterLogEventsOut{Events: []filteredLogEvent{}, SearchedLogStreams: []struct{}{}}
	size, here := 0, place{at: math.MinInt64}
	for i, l := range lines {
		here = here.next(l)
		if i < first || len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, l.Stream) || !strings.HasPrefix(l.Stream, in.LogStreamNamePrefix) || !p.Match(l.Message) {
			continue
		}
		if size += len(l.Message); len(out.Events) == limit || size > maxPage && len(out.Events) > 0 {
			out.NextToken = here.String()
			break
		}
		out.Events = append(out.Events, filteredLogEvent{l.Stream, eventOf(l), eventID(l, here)})
	}
	return out, nil
}

// eventID is an id as long as those of AWS, of digits, in the order of the events' times. It is the same in every answer,
// whatever part of the group was asked for: by it aws logs tail --follow knows what it has shown.
func eventID(l function.Line, p place) string {
	h := fnv.New64a()
	h.Write([]byte(l.Stream))
	h.Write([]byte(l.Message))
	return fmt.Sprintf("3%013d%020d%022d", p.at, h.Sum64(), p.n)
}

type getLogEventsIn struct {
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	LogStreamName      string `json:"logStreamName"`
	StartTime          *int64 `json:"startTime"`
	EndTime            *int64 `json:"endTime"`
	NextToken          string `json:"nextToken"`
	Limit              *int   `json:"limit"`
	StartFromHead      bool   `json:"startFromHead"`
}

type getLogEventsOut struct {
	Events            []outputLogEvent `json:"events"`
	NextForwardToken  string           `json:"nextForwardToken"`
	NextBackwardToken string           `json:"nextBackwardToken"`
}

func (a *API) getLogEvents(_ context.Context, in *getLogEventsIn) (*getLogEventsOut, error) {
	group, err := a.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	from, to, err := times(in.StartTime, in.EndTime)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(in.Limit, maxEvents)
	if err != nil {
		return nil, err
	}
	lines := a.lines(group, 0, math.MaxInt64)
	lines = slices.DeleteFunc(lines, func(l function.Line) bool { return l.Stream != in.LogStreamName })
	if len(lines) == 0 {
		return nil, wire.Errorf("ResourceNotFoundException", "The specified log stream does not exist.")
	}
	lines = slices.DeleteFunc(lines, func(l function.Line) bool { at := l.Time.UnixMilli(); return at < from || at >= to })

	first, last, forward := 0, len(lines), in.StartFromHead
	if in.NextToken != "" {
		way, token, _ := strings.Cut(in.NextToken, "/")
		if way != "f" && way != "b" {
			return nil, invalid("The specified nextToken %.64q is invalid.", in.NextToken)
		}
		p, err := parsePlace(token)
		if err != nil {
			return nil, err
		}
		if forward = way == "f"; forward {
			first = p.in(lines)
		} else {
			last = p.in(lines)
		}
	}
	if forward {
		last = page(len(lines)-first, limit, func(i int) int { return len(lines[first+i].Message) }) + first
	} else {
		end := last
		first = last - page(last, limit, func(i int) int { return len(lines[end-1-i].Message) })
	}
	out := &getLogEventsOut{
		Events:            []outputLogEvent{},
		NextForwardToken:  "f/" + placeOf(lines, last).String(),
		NextBackwardToken: "b/" + placeOf(lines, first).String(),
	}
	for _, l := range lines[first:last] {
		out.Events = append(out.Events, eventOf(l))
	}
	return out, nil
}

// page is how many of n events fit on a page.
func page(n, limit int, size func(i int) int) int {
	bytes, i := 0, 0
	for ; i < min(n, limit); i++ {
		if bytes += size(i); bytes > maxPage && i > 0 {
			break
		}
	}
	return i
}

type describeLogGroupsIn struct {
	LogGroupNamePrefix  string   `json:"logGroupNamePrefix"`
	LogGroupNamePattern string   `json:"logGroupNamePattern"`
	LogGroupIdentifiers []string `json:"logGroupIdentifiers"`
	LogGroupClass       string   `json:"logGroupClass"`
	NextToken           string   `json:"nextToken"`
	Limit               *int     `json:"limit"`
}

type describeLogGroupsOut struct {
	LogGroups []logGroup `json:"logGroups"`
	NextToken string     `json:"nextToken,omitempty"`
}

type logGroup struct {
	Name              string `json:"logGroupName"`
	CreationTime      int64  `json:"creationTime"`
	MetricFilterCount int    `json:"metricFilterCount"`
	ARN               string `json:"arn"`
	StoredBytes       int64  `json:"storedBytes"`
	Class             string `json:"logGroupClass"`
	LogGroupARN       string `json:"logGroupArn"`
}

const classStandard = "STANDARD"

func (a *API) describeLogGroups(_ context.Context, in *describeLogGroupsIn) (*describeLogGroupsOut, error) {
	limit, err := limitOf(in.Limit, maxList)
	if err != nil {
		return nil, err
	}
	if in.LogGroupNamePrefix != "" && in.LogGroupNamePattern != "" {
		return nil, invalid("logGroupNamePrefix and logGroupNamePattern exclude each other")
	}
	names := slices.Sorted(slices.Values(a.options.Source.LogGroups()))
	out := &describeLogGroupsOut{LogGroups: []logGroup{}}
	for _, name := range names {
		switch {
		case name <= in.NextToken,
			!strings.HasPrefix(name, in.LogGroupNamePrefix),
			!strings.Contains(name, in.LogGroupNamePattern),
			len(in.LogGroupIdentifiers) > 0 && !slices.Contains(in.LogGroupIdentifiers, name) && !slices.Contains(in.LogGroupIdentifiers, a.arn(name)),
			in.LogGroupClass != "" && in.LogGroupClass != classStandard:
			continue
		}
		if len(out.LogGroups) == limit {
			out.NextToken = out.LogGroups[limit-1].Name
			break
		}
		g := logGroup{Name: name, ARN: a.arn(name) + ":*", LogGroupARN: a.arn(name), Class: classStandard}
		a.options.Source.Logs(name, time.Time{}, func(l function.Line) bool {
			if at := l.Time.UnixMilli(); g.CreationTime == 0 || at < g.CreationTime {
				g.CreationTime = at
			}
			g.StoredBytes += int64(len(l.Message))
			return true
		})
		out.LogGroups = append(out.LogGroups, g)
	}
	return out, nil
}

type describeLogStreamsIn struct {
	LogGroupName        string `json:"logGroupName"`
	LogGroupIdentifier  string `json:"logGroupIdentifier"`
	LogStreamNamePrefix string `json:"logStreamNamePrefix"`
	OrderBy             string `json:"orderBy"`
	Descending          bool   `json:"descending"`
	NextToken           string `json:"nextToken"`
	Limit               *int   `json:"limit"`
}

type describeLogStreamsOut struct {
	LogStreams []logStream `json:"logStreams"`
	NextToken  string      `json:"nextToken,omitempty"`
}

type logStream struct {
	Name          string `json:"logStreamName"`
	CreationTime  int64  `json:"creationTime"`
	FirstEvent    int64  `json:"firstEventTimestamp"`
	LastEvent     int64  `json:"lastEventTimestamp"`
	LastIngestion int64  `json:"lastIngestionTime"`
	ARN           string `json:"arn"`
	StoredBytes   int64  `json:"storedBytes"` // 0 of every stream, as on AWS
}

func (a *API) describeLogStreams(_ context.Context, in *describeLogStreamsIn) (*describeLogStreamsOut, error) {
	group, err := a.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(in.Limit, maxList)
	if err != nil {
		return nil, err
	}
	byTime := in.OrderBy == "LastEventTime"
	switch {
	case in.OrderBy != "" && in.OrderBy != "LogStreamName" && !byTime:
		return nil, invalid("orderBy %.40q is neither LogStreamName nor LastEventTime", in.OrderBy)
	case byTime && in.LogStreamNamePrefix != "":
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	streams := map[string]*logStream{}
	for _, l := range a.lines(group, 0, math.MaxInt64) {
		at := l.Time.UnixMilli()
		s := streams[l.Stream]
		if s == nil {
			s = &logStream{Name: l.Stream, CreationTime: at, FirstEvent: at, ARN: a.arn(group) + ":log-stream:" + l.Stream}
			streams[l.Stream] = s
		}
		s.LastEvent, s.LastIngestion = at, at
	}
	list := make([]*logStream, 0, len(streams))
	for _, s := range streams {
		if strings.HasPrefix(s.Name, in.LogStreamNamePrefix) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(x, y *logStream) int {
		c := strings.Compare(x.Name, y.Name)
		if byTime && x.LastEvent != y.LastEvent {
			c = int(x.LastEvent - y.LastEvent)
		}
		if in.Descending {
			return -c
		}
		return c
	})
	out := &describeLogStreamsOut{LogStreams: []logStream{}}
	if in.NextToken != "" {
		i := slices.IndexFunc(list, func(s *logStream) bool { return s.Name == in.NextToken })
		if i < 0 {
			return nil, invalid("The specified nextToken %.64q is invalid.", in.NextToken)
		}
		list = list[i+1:]
	}
	for _, s := range list {
		if len(out.LogStreams) == limit {
			out.NextToken = out.LogStreams[limit-1].Name
			break
		}
		out.LogStreams = append(out.LogStreams, *s)
	}
	return out, nil
}

// decodeEvent reads an event that is a JSON object.
func decodeEvent(message string) (map[string]any, bool) {
	if !strings.HasPrefix(strings.TrimLeft(message, " \t"), "{") {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(message))
	d.UseNumber()
	var event map[string]any
	return event, d.Decode(&event) == nil
}
