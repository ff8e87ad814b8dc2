package arvotest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/lambdas/arvo"
)

// A Replay takes the steps of a recorded workflow again, with the code as it is now, in process: does it still do what it
// did? Its history is all that is needed, [arvo.Memory.History], and of the world what it answered to the services.
//
// The recorded inputs go through the workflow in the order of the records. What each produces has to be what is recorded,
// to the ids and the data. What the workflow sends to services goes through them, and has to come to the answers that are
// recorded as later inputs. The first difference ends the replay.
//
// An event's time and trace context are not compared: the one is when it was made, the other says which delivery it was
// made in, and the host adds it; both are of a run and not of the code. Data is compared as JSON: the order of the members
// of an object and the way a number is written are no difference.
type Replay struct {
	// Workflow builds the workflow on a memory, as its main function does: [arvo.NewResumable] with the same options.
	Workflow func(arvo.Memory) (arvo.Handler, error)

	// Services are those who answer the workflow, on ports that answer from what is recorded of their effects. The answers
	// of others are taken as they are recorded: those of nested workflows too, which have histories of their own.
	Services []arvo.Hosted

	// Ignore names attributes of events that are not compared besides: extensions that the host adds to what is sent, such
	// as "receivedat".
	Ignore []string
}

// A Report counts what a replay has seen up to its end or to the first difference.
type Report struct {
	Steps    int // records whose input has been taken again and has produced the same
	Answers  int // inputs that a service has answered again, and the same
	Timeouts int // inputs that stand for an answer that did not come, see [arvo.Timeouts]
	Outside  int // inputs that came from elsewhere: the first, and those of whom Services does not have
	Unheard  int // answers of services that the history does not have: lost or still on their way at the time, or too late
}

// String is the report in a line.
func (r Report) String() string {
	return fmt.Sprintf("steps %d, answers %d, timeouts %d, outside %d, unheard %d",
		r.Steps, r.Answers, r.Timeouts, r.Outside, r.Unheard)
}

// A Difference is where a replay leaves the record. It is an error.
type Difference struct {
	Record   int64      // the revision of the record
	Produced int        // which of the events that the record has produced, from 1; 0 is its input
	Event    arvo.Event // as recorded; as replayed if there is none in the record
	Field    string     // JSON pointer into the event: /data/items/0; "" is the event as a whole
	Recorded string     // JSON of the field; of the type, with the data; or in words what became of the event. No access control
	Replayed string     // likewise
}

// Error says where the difference is, and both sides in a line each.
func (d *Difference) Error() string {
	which := "its input"
	if d.Produced > 0 {
		which = "produced event " + strconv.Itoa(d.Produced)
	}
	field := ""
	if d.Field != "" {
		field = ": " + d.Field
	}
	return fmt.Sprintf("arvotest: record %d, %s, %s%s\n  recorded: %s\n  replayed: %s",
		d.Record, which, describe(d.Event), field, d.Recorded, d.Replayed)
}

// Run takes the steps of a history again. The error is a *[Difference], or says why there can be no replay: records are
// missing or of another subject, the workflow cannot be built, ctx has ended.
func (r *Replay) Run(ctx context.Context, history []arvo.Record) (Report, error) {
	p, err := r.begin(history)
	if err != nil {
		return Report{}, err
	}
	for i := range history {
		if err := p.take(ctx, &history[i]); err != nil {
			return p.report, err
		}
	}
	p.report.Unheard = len(p.unheard())
	return p.report, nil
}

// A playback is one run of a replay.
type playback struct {
	ignore   map[string]bool
	subject  string
	source   string // of the workflow
	memory   *LockingMemory
	workflow arvo.Handler
	services map[string]bool
	bus      *Bus // between the services
	inputs   map[arvo.Key]bool
	report   Report
}

func (r *Replay) begin(history []arvo.Record) (*playback, error) {
	switch {
	case r.Workflow == nil:
		return nil, errors.New("arvotest: Replay.Workflow is nil")
	case len(history) == 0:
		return nil, errors.New("arvotest: there is no history to replay")
	}
	p := &playback{
		ignore:  map[string]bool{"time": true, "traceparent": true, "tracestate": true},
		subject: history[0].Input.Subject, memory: NewLockingMemory(), services: make(map[string]bool),
		bus: &Bus{MaxReceives: 1}, inputs: make(map[arvo.Key]bool),
	}
	subject, err := arvo.ParseSubject(p.subject)
	if err != nil {
		return nil, fmt.Errorf("arvotest: record 1: %w", err)
	}
	p.source = subject.Orchestrator.Name
	for i, record := range history {
		switch {
		case record.Revision != int64(i+1):
			return nil, fmt.Errorf("arvotest: record %d of the history is of revision %d: it is not whole", i+1, record.Revision)
		case record.Input.Subject != p.subject:
			return nil, fmt.Errorf("arvotest: record %d is of another subject than record 1: %s", i+1, record.Input.Subject)
		}
		p.inputs[record.Input.Key()] = true
	}
	if p.workflow, err = r.Workflow(p.memory); err != nil {
		return nil, fmt.Errorf("arvotest: no workflow %s to replay with: %w", p.source, err)
	}
	for _, service := range r.Services {
		if service.Source() == p.source {
			return nil, fmt.Errorf("arvotest: %s is the workflow that is replayed and cannot be one of its services", p.source)
		}
		p.services[service.Source()] = true
	}
	p.bus.Host(r.Services...)
	for _, name := range r.Ignore {
		p.ignore[name] = true
	}
	return p, nil
}

// take takes one step again, and lets the services answer what it has sent.
func (p *playback) take(ctx context.Context, record *arvo.Record) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("arvotest: at record %d: %w", record.Revision, err)
	}
	if err := p.origin(ctx, record); err != nil {
		return err
	}
	produced, err := p.workflow.Handle(ctx, record.Input)
	if ctx.Err() != nil {
		return fmt.Errorf("arvotest: at record %d: %w", record.Revision, ctx.Err())
	}
	if err != nil {
		return p.fate(record, "the step was taken", err.Error())
	}
	_, taken, err := p.memory.Recall(ctx, p.subject, record.Input.Key())
	if err != nil {
		return fmt.Errorf("arvotest: at record %d: %w", record.Revision, err)
	}
	switch {
	case taken == nil && len(produced) > 0:
		return fmt.Errorf("arvotest: the workflow %s has not kept record %d in the memory that it was built on", p.source, record.Revision)
	case taken == nil:
		return p.fate(record, "the step was taken", "the input is ignored")
	}
	for i := range max(len(record.Produced), len(produced)) {
		d := &Difference{Record: record.Revision, Produced: i + 1}
		switch {
		case i >= len(produced):
			d.Event, d.Recorded, d.Replayed = record.Produced[i], "this event", "nothing"
			return d
		case i >= len(record.Produced):
			d.Event, d.Recorded, d.Replayed = produced[i], "nothing", "this event"
			return d
		}
		if p.differ(d, record.Produced[i], produced[i]) {
			return d
		}
	}
	p.report.Steps++
	for _, e := range record.Produced {
		if e.Domain == "" { // an event with a domain goes to somebody else
			p.bus.Publish(e)
		}
	}
	if err := p.bus.Run(ctx); err != nil {
		return fmt.Errorf("arvotest: the services called by record %d: %w", record.Revision, err)
	}
	return nil
}

// fate is the difference of what becomes of a record's input.
func (p *playback) fate(record *arvo.Record, recorded, replayed string) *Difference {
	return &Difference{Record: record.Revision, Event: record.Input, Recorded: recorded, Replayed: replayed}
}

// origin holds the input of a record against whom it came from.
func (p *playback) origin(ctx context.Context, record *arvo.Record) error {
	in := record.Input
	if in.Type != p.source && in.ID == arvo.DeriveID(p.subject, p.source, in.ParentID, in.Source, "timeout", in.Domain) {
		return p.timeout(ctx, record)
	}
	called := slices.ContainsFunc(p.bus.published, func(e arvo.Event) bool { return e.Source == p.source && e.ID == in.ParentID })
	if !p.services[in.Source] || !called {
		p.report.Outside++
		return nil
	}
	answer, ok := p.answer(in)
	if !ok {
		for _, letter := range p.bus.dead {
			if letter.Event.ID == in.ParentID {
				return p.fate(record, "this answer", letter.Err.Error())
			}
		}
		return p.fate(record, "this answer", "nothing")
	}
	d := &Difference{Record: record.Revision}
	if p.differ(d, in, answer) {
		return d
	}
	p.report.Answers++
	return nil
}

// answer is what the services have sent in place of a recorded input: the event of this id in its domain, in another, or
// else what was answered to the same call and is recorded nowhere, if it can be of the same type.
func (p *playback) answer(in arvo.Event) (arvo.Event, bool) {
	var candidates []arvo.Event
	for _, e := range p.bus.published {
		switch {
		case identify(e) == identify(in):
			return e, true
		case e.Key() == in.Key(), e.Source == in.Source && e.ParentID == in.ParentID && !p.inputs[e.Key()]:
			candidates = append(candidates, e)
		}
	}
	for _, alike := range []func(arvo.Event) bool{
		func(e arvo.Event) bool { return e.ID == in.ID },
		func(e arvo.Event) bool { return e.Type == in.Type },
		func(arvo.Event) bool { return true },
	} {
		if i := slices.IndexFunc(candidates, alike); i >= 0 {
			return candidates[i], true
		}
	}
	return arvo.Event{}, false
}

// timeout holds a recorded timeout against those that the workflow might have now. What it says in words is not compared:
// that names a time.
func (p *playback) timeout(ctx context.Context, record *arvo.Record) error {
	w, _, err := p.memory.Recall(ctx, p.subject, arvo.Key{})
	if err != nil {
		return fmt.Errorf("arvotest: at record %d: %w", record.Revision, err)
	}
	if w != nil {
		atTheEnd := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		events, err := arvo.Timeouts(p.subject, *w, atTheEnd)
		if err != nil {
			return fmt.Errorf("arvotest: at record %d: %w", record.Revision, err)
		}
		for _, e := range events {
			if e.ID != record.Input.ID {
				continue
			}
			e.Data = record.Input.Data
			d := &Difference{Record: record.Revision}
			if p.differ(d, record.Input, e) {
				return d
			}
			p.report.Timeouts++
			return nil
		}
	}
	return p.fate(record, "this timeout", "the call "+record.Input.ParentID+" is not awaited, or for ever")
}

// unheard lists the answers to the workflow that are recorded nowhere.
func (p *playback) unheard() []arvo.Event {
	return slices.DeleteFunc(p.bus.Published(), func(e arvo.Event) bool {
		return e.To != p.source || p.inputs[e.Key()]
	})
}

// compared are the attributes of an event in the order they are compared: first what tells most.
var compared = []struct {
	name string
	of   func(*arvo.Event) any
}{
	{"type", func(e *arvo.Event) any { return e.Type }},
	{"to", func(e *arvo.Event) any { return nullable(e.To) }},
	{"subject", func(e *arvo.Event) any { return e.Subject }},
	{"dataschema", func(e *arvo.Event) any { return nullable(e.DataSchema) }},
	{"data", func(e *arvo.Event) any { return e.Data }},
	{"id", func(e *arvo.Event) any { return e.ID }},
	{"source", func(e *arvo.Event) any { return e.Source }},
	{"parentid", func(e *arvo.Event) any { return nullable(e.ParentID) }},
	{"redirectto", func(e *arvo.Event) any { return nullable(e.RedirectTo) }},
	{"domain", func(e *arvo.Event) any { return nullable(e.Domain) }},
	{"executionunits", func(e *arvo.Event) any { return e.ExecutionUnits }},
	{"accesscontrol", func(e *arvo.Event) any { return nullable(e.AccessControl) }},
	{"datacontenttype", func(e *arvo.Event) any { return e.DataContentType }},
	{"specversion", func(e *arvo.Event) any { return e.SpecVersion }},
	{"time", func(e *arvo.Event) any { return e.Time }},
	{"traceparent", func(e *arvo.Event) any { return nullable(e.Traceparent) }},
	{"tracestate", func(e *arvo.Event) any { return nullable(e.Tracestate) }},
}

func nullable(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// differ finds the first difference of two events and completes d with it.
func (p *playback) differ(d *Difference, recorded, replayed arvo.Event) bool {
	d.Event = recorded
	for _, attribute := range compared {
		if p.ignore[attribute.name] || !d.at("/"+attribute.name, valueOf(attribute.of(&recorded)), valueOf(attribute.of(&replayed))) {
			continue
		}
		switch attribute.name {
		case "type": // another event altogether
			d.Recorded, d.Replayed = excerpts(recorded.Type+" "+string(recorded.Data), replayed.Type+" "+string(replayed.Data))
		case "accesscontrol":
			d.Recorded, d.Replayed = "not shown", "not shown, another"
		}
		return true
	}
	before, after := extensions(recorded), extensions(replayed)
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !p.ignore[name] && d.at("/"+name, member(before, name), member(after, name)) {
			return true
		}
	}
	return false
}

func extensions(e arvo.Event) map[string]any {
	values := make(map[string]any)
	for _, x := range e.Extensions {
		values[x.Name] = valueOf(x.Value)
	}
	return values
}

// absent is the value of a member that is not there.
type absent struct{}

func member(object map[string]any, name string) any {
	if v, ok := object[name]; ok {
		return v
	}
	return absent{}
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// valueOf is the JSON value of a Go value: of text that is none, the text.
func valueOf(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return string(text)
	}
	return value
}

// at completes d with the first difference of two JSON values, if there is one.
func (d *Difference) at(path string, recorded, replayed any) bool {
	switch recorded := recorded.(type) {
	case map[string]any:
		replayed, ok := replayed.(map[string]any)
		if !ok {
			break
		}
		all := maps.Clone(recorded)
		maps.Copy(all, replayed)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if d.at(path+"/"+pointerEscapes.Replace(name), member(recorded, name), member(replayed, name)) {
				return true
			}
		}
		return false
	case []any:
		replayed, ok := replayed.([]any)
		if !ok {
			break
		}
		for i := range max(len(recorded), len(replayed)) {
			before, after := any(absent{}), any(absent{})
			if i < len(recorded) {
				before = recorded[i]
			}
			if i < len(replayed) {
				after = replayed[i]
			}
			if d.at(path+"/"+strconv.Itoa(i), before, after) {
				return true
			}
		}
		return false
	case json.Number:
		if replayed, ok := replayed.(json.Number); ok && sameNumber(recorded, replayed) {
			return false
		}
	default: // a string, a boolean, nil or absent
		if recorded == replayed {
			return false
		}
	}
	d.Field = path
	d.Recorded, d.Replayed = excerpts(written(recorded), written(replayed))
	return true
}

// sameNumber compares the values of numbers that are written as they are: integers of any size, fractions as float64 has
// them.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(string(a)+string(b), ".eE") {
		return false
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
}

func written(v any) string {
	if v == (absent{}) {
		return "nothing"
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// excerpts shortens two long texts to where they begin to differ.
func excerpts(a, b string) (string, string) {
	const lead, most = 40, 200
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	cut := func(s string) string {
		if len(s) <= most {
			return s
		}
		from := max(0, min(same-lead, len(s)-most))
		to := min(from+most, len(s))
		out := strings.ToValidUTF8(s[from:to], "")
		if from > 0 {
			out = "…" + out
		}
		if to < len(s) {
			out += "…"
		}
		return out
	}
	return cut(a), cut(b)
}
