package arvo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/lambdas/jsontext"
)

// An attempt is a step on its way: what it begins with and what the implementation has asked for. The methods of Step
// work on it. If it is kept, the workflow has moved on; if it is not, nothing has happened.
type attempt struct {
	r       *Resumable
	in      *Event
	subject *Subject
	self    *Version
	init    bool

	// The workflow as it was, but without the call that the event answers.
	revision int64
	state    json.RawMessage
	parent   string
	initID   string
	access   string // control, of the event that began it
	awaited  []Awaited
	timedOut []string
	open     int // how many are awaited

	// What the implementation has asked for.
	calls      int
	events     []Event
	awaits     []await // of the events, as far as they are calls
	completion *Completion
	err        error // the first thing that was wrong with it
}

// An await says whether an event that is sent is a call to wait for.
type await struct {
	uri string // of the contract that the answer keeps; "": not awaited
	due time.Time
}

// run calls the implementation and makes of what it has asked for the next state of the workflow, and the record of the
// step. The error is for the host.
func (a *attempt) run(ctx context.Context) (*Workflow, *Record, error) {
	state, err := a.r.implementations[a.self.number](ctx, a)
	if err == nil {
		err = a.err
	}
	status := StatusActive
	if err == nil && a.completion != nil {
		status = StatusDone
		err = a.complete()
	}
	if err != nil {
		if violation := forHost(ctx, err); violation != nil {
			return nil, nil, violation
		}
		return a.fail(ctx, err)
	}
	next, record := a.conclude(ctx, status, state)
	return next, record, nil
}

// fail makes of err the end of the workflow: its state stays, and its system error is sent in place of all that was asked
// for. The error is for the host.
func (a *attempt) fail(ctx context.Context, err error) (*Workflow, *Record, error) {
	a.events, a.awaits = nil, nil
	d := a.r.systemError()
	if err := a.answer(&d, systemErrorData(err), "error", a.r.errorDomains); err != nil {
		return nil, nil, broken(err)
	}
	next, record := a.conclude(ctx, StatusFailed, a.state)
	failure := failureOf(err)
	next.Failure = &Failure{clip(failure.Name, 1<<7), clip(failure.Message, 1<<9)} // the room for it: see Memory
	return next, record, nil
}

// conclude stamps the events and puts together what is kept.
func (a *attempt) conclude(ctx context.Context, status Status, state json.RawMessage) (*Workflow, *Record) {
	for i := range a.events {
		a.events[i] = a.r.stamp(ctx, *a.in, a.events[i])
	}
	next := &Workflow{
		Revision: a.revision + 1, Status: status, ParentSubject: a.parent, InitID: a.initID, AccessControl: a.access,
		State: state, TimedOut: a.timedOut,
	}
	if status == StatusActive {
		next.Awaited = a.awaiting()
	}
	record := &Record{Revision: next.Revision, Input: *a.in, Produced: a.events, At: a.r.now().UTC()}
	return next, record
}

// where is what the domains of an event are looked up in. c is its contract, nil for none.
func (a *attempt) where(c *Contract) *DomainContext {
	return &DomainContext{SelfContract: a.r.contract, EventContract: c, TriggeringEvent: *a.in, ParentSubject: a.parent}
}

// call makes the events of a call and returns the id of the first.
func (a *attempt) call(c *Call) string {
	if a.err != nil {
		return ""
	}
	first := len(a.events)
	if err := a.tryCall(c); err != nil {
		a.err = err
		return ""
	}
	return a.events[first].ID
}

func (a *attempt) tryCall(c *Call) error {
	self := a.r.Source()
	callee := a.r.callees[c.Type]
	d := Draft{
		ID: strings.TrimSpace(c.ID), Type: c.Type, Subject: a.in.Subject, ParentID: a.in.ID, Time: c.Time,
		ExecutionUnits: c.ExecutionUnits, AccessControl: c.AccessControl, Extensions: c.Extensions,
	}
	var err error
	if d.To, err = encodeAddress(acceptFailed, "to", c.To); err != nil {
		return broken(err)
	}
	if d.RedirectTo, err = encodeAddress(acceptFailed, "redirectto", c.RedirectTo); err != nil {
		return broken(err)
	}
	if d.RedirectTo == "" {
		d.RedirectTo = self
	}
	answered := callee != nil && d.RedirectTo == self // here

	var contract *Contract
	var data json.RawMessage
	child, parent := false, ""
	switch {
	case c.Type == self:
		return &Violation{Kind: KindConfig, Message: fmt.Sprintf("the workflow %s calls itself", self)}
	case callee == nil:
		if data, err = marshalled(acceptFailed, c.Data); err != nil {
			return broken(err)
		}
	default:
		contract, d.DataSchema = callee.contract, callee.dataSchema
		var given any = c.Data
		if child = contract.IsOrchestrator(); child {
			if given, parent, err = a.onBehalf(c); err != nil {
				return err
			}
			answered = answered && parent == a.in.Subject
		}
		if data, err = cleaned(acceptFailed, callee.accepts, given); err != nil {
			return broken(err)
		}
	}

	var due time.Time
	switch {
	case c.Timeout < 0:
		return broken(fmt.Errorf("the call %s has a negative timeout, %v", c.Type, c.Timeout))
	case c.Timeout > 0 && callee == nil:
		return broken(fmt.Errorf("the call %s has a timeout, but nobody answers: it is the type of no contract in Calls (%s)",
			c.Type, strings.Join(slices.Sorted(maps.Keys(a.r.callees)), ", ")))
	case c.Timeout > 0 && d.RedirectTo != self:
		return broken(fmt.Errorf("the call %s has a timeout, but its answer does not come to this workflow: RedirectTo sends it to %s", c.Type, d.RedirectTo))
	case c.Timeout > 0 && !answered:
		return broken(fmt.Errorf("the call %s has a timeout, but its answer does not come to this workflow: the %s in its data names another or null", c.Type, ParentSubject))
	case c.Timeout > 0:
		due = a.r.now().Add(c.Timeout).UTC().Truncate(time.Millisecond)
	}
	if d.ID != "" && a.taken(d.ID) {
		return broken(fmt.Errorf("the call %s has the id of another, %s", c.Type, d.ID))
	}

	index := strconv.Itoa(a.calls)
	a.calls++
	given, room := d.ID, [4]string{}
	domains := c.Domains
	if len(domains) == 0 {
		domains = []string{DomainLocal}
	}
	for n, domain := range a.where(contract).resolve(room[:0], domains) {
		d.ID, d.Domain = given, domain
		if child {
			if d.Subject, err = a.child(callee, c, parent, index, domain); err != nil {
				return err
			}
		}
		events, err := a.r.make(a.events, a.in, &d, data, index)
		if err != nil {
			var large *tooLarge
			if errors.As(err, &large) {
				return err
			}
			return broken(err)
		}
		a.events = events
		one := await{}
		if answered && (n == 0 || given == "") {
			one = await{contract.URI(), due}
		}
		a.awaits = append(a.awaits, one)
	}
	return nil
}

// taken reports whether a call of this id is awaited, or was until its time was up, or is made by this step.
func (a *attempt) taken(id string) bool {
	return slices.Contains(a.timedOut, id) ||
		slices.ContainsFunc(a.awaited, func(w Awaited) bool { return w.ID == id }) ||
		slices.ContainsFunc(a.events, func(e Event) bool { return e.ID == id })
}

// onBehalf is the data of a call to another orchestrator, with ours as ParentSubject if it names none, and what it names.
func (a *attempt) onBehalf(c *Call) (data json.RawMessage, parent string, err error) {
	if data, err = marshalled(acceptFailed, c.Data); err != nil {
		return nil, "", broken(err)
	}
	if jsontext.KindAt(data, 0) != jsontext.Object {
		return data, "", nil // the schema says what is wrong with that
	}
	parent, named, err := parentSubject(data)
	if err != nil || named {
		return data, parent, err
	}
	with := jsontext.AppendString([]byte(`{"`+ParentSubject+`":`), a.in.Subject)
	if end := jsontext.Space(data, 1); data[end] != '}' {
		with = append(with, ',')
	}
	return append(with, data[1:]...), a.in.Subject, nil
}

// child is the subject of a workflow that a call begins. It is the same whenever the step is taken again.
func (a *attempt) child(callee *Version, c *Call, parent, index, domain string) (subject string, err error) {
	redirect := c.RedirectTo
	if redirect == "" {
		redirect = a.r.Source()
	}
	spec := SubjectSpec{
		Orchestrator: callee.contract.Type(), Version: callee.number, Initiator: a.r.Source(), Domain: domain,
		ID:   DeriveID(a.in.Subject, a.in.Source, a.in.ID, a.r.Source(), "execution "+index, domain),
		Meta: map[string]string{"redirectto": redirect},
	}
	if parent == "" {
		subject, err = NewSubject(spec)
	} else {
		subject, err = SubjectFrom(parent, spec)
	}
	var large *subjectTooLarge
	switch {
	case errors.As(err, &large):
		return "", err
	case err != nil:
		return "", &Violation{
			Kind: KindExecution, Cause: err,
			Message: fmt.Sprintf("no subject for the call %s: %s: %v", c.Type, ParentSubject, err),
		}
	}
	return subject, nil
}

// setCompletion is what Step.Complete does.
func (a *attempt) setCompletion(c *Completion) {
	if a.completion != nil && a.err == nil {
		a.err = &Violation{Kind: KindExecution, Message: "the workflow is completed twice in one step"}
	}
	a.completion = c
}

// complete makes the events of the completion.
func (a *attempt) complete() error {
	c := a.completion
	d := Draft{
		ID: c.ID, Type: a.self.emitTypes[0], DataSchema: a.self.dataSchema, RedirectTo: a.r.Source(),
		ExecutionUnits: c.ExecutionUnits, AccessControl: c.AccessControl,
	}
	data, err := cleaned(emitFailed, a.self.emits[d.Type], c.Data)
	if err != nil {
		return broken(err)
	}
	if d.To, err = encodeAddress(emitFailed, "to", a.subject.Meta["redirectto"]); err != nil {
		return broken(err)
	}
	domains := c.Domains
	if len(domains) == 0 {
		domains = a.r.emitDomains
	}
	err = a.answer(&d, data, strconv.Itoa(a.calls), domains)
	var large *tooLarge
	if err == nil || errors.As(err, &large) {
		return err
	}
	return broken(err)
}

// answer makes the events that go to whoever began the workflow.
func (a *attempt) answer(d *Draft, data json.RawMessage, index string, domains []string) (err error) {
	d.Subject, d.ParentID = a.in.Subject, a.initID
	if a.parent != "" {
		d.Subject = a.parent
	}
	if d.To == "" {
		d.To = a.subject.Execution.Initiator
	}
	a.events, err = a.r.emit(a.events, a.in, a.where(a.r.contract), d, data, index, domains)
	return err
}

// awaiting is what the workflow awaits after the step.
func (a *attempt) awaiting() []Awaited {
	awaited := a.awaited
	for i, w := range a.awaits {
		if w.uri == "" {
			continue
		}
		e := &a.events[i]
		one := Awaited{
			ID: e.ID, Type: e.Type, To: e.To, URI: w.uri, Due: w.due,
			Domain: e.Domain, Traceparent: e.Traceparent, Tracestate: e.Tracestate,
		}
		if e.AccessControl != a.access {
			one.AccessControl = e.AccessControl
		}
		awaited = append(awaited, one)
	}
	return awaited
}
