package bus

import (
	"context"
	"strings"
	"time"

	"example.com/arvo/lambdas/jsontext"
	"example.com/arvo/lambdas/local/wire"
)

// MaxEntry is the size of an entry that PutEvents accepts, counted as AWS does: 14 bytes for the time if there is one,
// and the bytes of source, detail type, detail and resources.
const MaxEntry = 1 << 20

const maxEntries = 10

// An Entry is one event that is put.
type Entry struct {
	Time        time.Time // zero means now
	Source      string
	DetailType  string
	Detail      []byte // a JSON object
	Resources   []string
	Bus         string // name or ARN; "" means "default"
	TraceHeader string // of X-Ray, handed to the targets
}

func (e *Entry) size() int {
	n := len(e.Source) + len(e.DetailType) + len(e.Detail)
	if !e.Time.IsZero() {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// A Result says what became of an entry: it has an EventID or an ErrorCode.
type Result struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:"ErrorCode,omitempty"`
	ErrorMessage string `json:"ErrorMessage,omitempty"`
}

// An event is an accepted entry.
type event struct {
	id          string
	body        []byte // the envelope, as targets get it
	traceHeader string
	ingested    time.Time
}

// Put accepts events, as PutEvents does, without the limit on their number. Results are in the order of the entries.
// When it returns, events of results with an EventID are delivered or sure to be, unless the process ends.
func (s *Service) Put(ctx context.Context, entries []Entry) []Result {
	s.deliveries.enter() // so that Close waits for what this call begins
	defer s.deliveries.leave()
	if s.deliveries.closing() {
		return failAll(entries, "InternalFailure", "the event bus is being closed")
	}
	if s.opt.PutLatency != nil {
		if err := sleep(ctx, s.opt.PutLatency()); err != nil {
			return failAll(entries, "InternalFailure", "the request was given up: "+err.Error())
		}
	}
	ids := make([]id, len(entries))
	s.ids.fill(ids)
	results := make([]Result, len(entries))
	now := time.Now()
	var stamp [len(timeLayout)]byte
	p := putter{s: s, routes: *s.routes.Load(), now: now, stamp: now.UTC().AppendFormat(stamp[:0], timeLayout)}
	failed := 0
	for i := range entries {
		results[i] = p.put(&entries[i], &ids[i])
		if results[i].ErrorCode != "" {
			failed++
		}
	}
	s.stats.entries.Add(int64(len(entries)))
	s.stats.failed.Add(int64(failed))
	return results
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func failAll(entries []Entry, code, message string) []Result {
	results := make([]Result, len(entries))
	for i := range results {
		results[i] = Result{ErrorCode: code, ErrorMessage: message}
	}
	return results
}

// A putter puts the entries of one call.
type putter struct {
	s       *Service
	routes  map[string]*routes
	now     time.Time
	stamp   []byte // now, as in an envelope
	matched []int
}

const timeLayout = "2006-01-02T15:04:05Z"

func (p *putter) put(e *Entry, id *id) Result {
	s := p.s
	if r := invalid(e); r.ErrorCode != "" {
		return r
	}
	ev := &event{traceHeader: e.TraceHeader, ingested: p.now}
	body, ok := p.envelope(e, id)
	if !ok {
		return Result{ErrorCode: "MalformedDetail", ErrorMessage: "Detail is malformed."}
	}
	ev.body = body
	if s.opt.FailEntry != nil {
		if code, fail := s.opt.FailEntry(); fail {
			return Result{ErrorCode: code, ErrorMessage: "injected fault"}
		}
	}
	ev.id = string(id[:])

	r, ok := p.routes[s.busName(e.Bus)]
	if !ok {
		s.stats.unknownBus.Add(1)
		s.warnUnknown(e.Bus)
		return Result{EventID: ev.id}
	}
	p.matched = r.set.Match(body, p.matched[:0])
	if len(p.matched) > 0 && s.full() {
		return Result{ErrorCode: "ThrottlingException", ErrorMessage: "Too many deliveries are under way."}
	}
	for _, i := range p.matched {
		rule := r.rules[i]
		rule.stats.triggered.Add(1)
		for _, t := range rule.targets {
			s.deliver(rule, t, ev)
		}
	}
	return Result{EventID: ev.id}
}

// invalid checks all of an entry but its detail's syntax.
func invalid(e *Entry) Result {
	missing := ""
	switch {
	case e.Source == "":
		missing = "Source"
	case e.DetailType == "":
		missing = "DetailType"
	case len(e.Detail) == 0:
		missing = "Detail"
	case strings.HasPrefix(e.Source, "aws."):
		return Result{ErrorCode: "NotAuthorizedForSource", ErrorMessage: "Not authorized for the source."}
	case !deliverableTrace(e.TraceHeader):
		return Result{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter TraceHeader is not valid. Reason: it must be at most 500 printable characters of ASCII."}
	default:
		return Result{}
	}
	return Result{ErrorCode: "InvalidArgument", ErrorMessage: "Parameter " + missing + " is not valid. Reason: " + missing + " is a required argument."}
}

// maxTraceHeader is the length of a TraceHeader that PutEvents takes.
const maxTraceHeader = 500

// deliverableTrace tells whether targets take a trace header: an event is not accepted with one that would keep it from them.
func deliverableTrace(header string) bool {
	return len(header) <= maxTraceHeader && !strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' })
}

// envelope is the event as targets see it, in the order of members that AWS uses. It is not ok if the detail is not a
// JSON object.
func (p *putter) envelope(e *Entry, id *id) (body []byte, ok bool) {
	n := 200 + len(p.s.opt.Account) + len(p.s.opt.Region) + e.size()
	for _, r := range e.Resources {
		n += len(r) / 8
	}
	b := make([]byte, 0, n)
	b = append(b, `{"version":"0","id":"`...)
	b = append(b, id[:]...)
	b = append(b, `","detail-type":`...)
	b = jsontext.AppendAWSString(b, e.DetailType)
	b = append(b, `,"source":`...)
	b = jsontext.AppendAWSString(b, e.Source)
	b = append(b, `,"account":`...)
	b = jsontext.AppendAWSString(b, p.s.opt.Account)
	b = append(b, `,"time":"`...)
	if e.Time.IsZero() {
		b = append(b, p.stamp...)
	} else {
		b = e.Time.UTC().AppendFormat(b, timeLayout)
	}
	b = append(b, `","region":`...)
	b = jsontext.AppendAWSString(b, p.s.opt.Region)
	b = append(b, `,"resources":[`...)
	for i, r := range e.Resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendAWSString(b, r)
	}
	b = append(b, `],"detail":`...)
	if b, ok = appendObject(b, e.Detail); !ok {
		return nil, false
	}
	return append(b, '}'), true
}

var errOverLimit = wire.Errorf("ValidationException", "Total size of the entries in the request is over the limit.")
