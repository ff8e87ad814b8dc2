package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"example.com/arvo/lambdas/arvo"
)

// An Envelope is what EventBridge wraps around an event on its way to a target. Its time has whole seconds and is
// when the bus took the event in. Its source and detail-type are those of the event.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
type Envelope struct {
	ID    string
	Time  time.Time
	Event arvo.Event
}

// Bounds, in bytes, of what is told of a message: a name or an id of it, and why it failed, which may quote it.
const (
	maxName   = 1000
	maxReason = 2000
)

// ParseEnvelope reads the body of a message that a rule delivered. An error says whether the envelope or the event
// in it is at fault; the event's own faults are an [*arvo.ValidationError]. An envelope that names another source or
// another type than its event does is refused: what an account allows a publisher to say, it allows by the envelope.
//
// With an error the Envelope is for whoever tells of it, and for nobody to act on: it has the id and the time if these could
// be read, and of the event the id, source, type, subject and trace, each if it is a string of at most 1,000 bytes.
func ParseEnvelope(body []byte) (Envelope, error) {
	var raw struct {
		ID         string          `json:"id"`
		Time       time.Time       `json:"time"`
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return Envelope{}, fmt.Errorf("broker: the message is no EventBridge envelope: %w", err)
	}
	refused := Envelope{ID: clip(raw.ID, maxName), Time: raw.Time}
	if raw.Detail == nil {
		return refused, errors.New("broker: the message is no EventBridge envelope: it has no detail")
	}
	refused.Event = glimpse(raw.Detail)
	ev, err := arvo.Parse(raw.Detail)
	if err != nil {
		return refused, fmt.Errorf("broker: the detail of envelope %s is no Arvo event: %w", refused.ID, err)
	}
	if raw.Source != ev.Source {
		return refused, fmt.Errorf("broker: the source of envelope %s is %.100q, and that of the event in it %.100q", refused.ID, raw.Source, ev.Source)
	}
	if raw.DetailType != ev.Type {
		return refused, fmt.Errorf("broker: the detail-type of envelope %s is %.100q, and the type of the event in it %.100q", refused.ID, raw.DetailType, ev.Type)
	}
	return Envelope{ID: raw.ID, Time: raw.Time, Event: ev}, nil
}

// glimpse is what can be told of something that should have been an event.
func glimpse(detail []byte) (ev arvo.Event) {
	var members map[string]json.RawMessage
	if json.Unmarshal(detail, &members) != nil {
		return ev // it is no object
	}
	for name, into := range map[string]*string{
		"id": &ev.ID, "source": &ev.Source, "type": &ev.Type, "subject": &ev.Subject, "traceparent": &ev.Traceparent, "tracestate": &ev.Tracestate, "time": &ev.Time,
	} {
		var value string
		if raw := members[name]; len(raw) <= maxName && json.Unmarshal(raw, &value) == nil {
			*into = value
		}
	}
	return ev
}

// clip is s with at most so many bytes, cut between characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
