package arvo

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"example.com/arvo/lambdas/jsontext"
)

// ErrorTimeout is the errorName of the answer in place of one that did not come in time.
const ErrorTimeout = "Timeout"

// Timeouts are the answers that are missing from the workflow w of a subject at the time now: for each awaited call whose
// time is up, the system error that its callee might have sent, with the errorName Timeout, on the workflow's subject. Their
// host sends them as any other events, and need not know whether it has done so before: their ids are derived from the
// call's, and the workflow takes one of an event and its timeout, whichever comes first. The workflow hears of them by its
// ordinary path, where it hears of other system errors.
//
// The error is that of a subject that is none of an orchestration, or of what the memory has kept wrong.
func Timeouts(subject string, w Workflow, now time.Time) ([]Event, error) {
	if w.Status != StatusActive {
		return nil, nil
	}
	if due, ok := w.Due(); !ok || due.After(now) {
		return nil, nil
	}
	s, err := ParseSubject(subject)
	if err != nil {
		return nil, err
	}
	workflow := s.Orchestrator.Name
	var events []Event
	for i := range w.Awaited {
		a := &w.Awaited[i]
		if a.Due.IsZero() || a.Due.After(now) {
			continue
		}
		// Where the callee's own system error would go by default.
		domain := DomainContext{TriggeringEvent: Event{Subject: subject, Domain: a.Domain}}.Resolve(DomainOrchestrationContext)
		d := Draft{
			ID: timeoutID(subject, workflow, a.ID, a.To, domain), Source: a.To, Type: "sys." + a.Type + ".error", Subject: subject,
			DataSchema: a.URI + "/" + WildcardVersion, Time: formatTime(now), To: workflow, ParentID: a.ID, Domain: domain,
			AccessControl: cmp.Or(a.AccessControl, w.AccessControl), Traceparent: a.Traceparent, Tracestate: a.Tracestate,
		}
		data := jsontext.AppendString([]byte(`{"errorName":"`+ErrorTimeout+`","errorMessage":`),
			fmt.Sprintf("%s has not answered %s by %s", a.To, a.Type, formatTime(a.Due)))
		var e Event
		err := e.complete(&d, append(data, `,"errorStack":null}`...), nil)
		if err != nil {
			return nil, fmt.Errorf("arvo: timeout of the call %s: %w", a.ID, err)
		}
		events = append(events, e)
	}
	return events, nil
}

// timeoutID is the id of a callee's system error, but that the index is "timeout" and the subject always the workflow's.
func timeoutID(subject, workflow, callID, callee, domain string) string {
	return DeriveID(subject, workflow, callID, callee, "timeout", domain)
}

// isTimeout reports whether an event is one that Timeouts has made, and not a system error of the callee's.
func (r *Resumable) isTimeout(in *Event) bool {
	return in.ParentID != "" && strings.HasPrefix(in.Type, "sys.") &&
		in.ID == timeoutID(in.Subject, r.Source(), in.ParentID, in.Source, in.Domain)
}
