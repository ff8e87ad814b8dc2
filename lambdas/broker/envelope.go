package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

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

// ParseEnvelope reads the body of a message that a rule delivered. An error says whether the envelope or the event
// in it is at fault; the event's own faults are an [*arvo.ValidationError]. An envelope that names another source or
// another type than its event does is refused: what an account allows a publisher to say, it allows by the envelope.
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
	if raw.Detail == nil {
		return Envelope{}, errors.New("broker: the message is no EventBridge envelope: it has no detail")
	}
	ev, err := arvo.Parse(raw.Detail)
	if err != nil {
		return Envelope{}, fmt.Errorf("broker: the detail of envelope %s is no Arvo event: %w", raw.ID, err)
	}
	if raw.Source != ev.Source {
		return Envelope{}, fmt.Errorf("broker: the source of envelope %s is %.100q, and that of the event in it %.100q", raw.ID, raw.Source, ev.Source)
	}
	if raw.DetailType != ev.Type {
		return Envelope{}, fmt.Errorf("broker: the detail-type of envelope %s is %.100q, and the type of the event in it %.100q", raw.ID, raw.DetailType, ev.Type)
	}
	return Envelope{ID: raw.ID, Time: raw.Time, Event: ev}, nil
}
