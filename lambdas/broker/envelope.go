package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"example.com/arvo/lambdas/arvo"
)

// An Envelope is what EventBridge wraps around an event on its way to a target. Its time has whole seconds and is
// when the bus took the event in.
//
// Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
type Envelope struct {
	ID         string
	Time       time.Time
	Source     string
	DetailType string
	Event      arvo.Event
}

// ParseEnvelope reads the body of a message that a rule delivered. An error says whether the envelope or the event
// in it is at fault; the event's own faults are an [*arvo.ValidationError].
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
	return Envelope{ID: raw.ID, Time: raw.Time, Source: raw.Source, DetailType: raw.DetailType, Event: ev}, nil
}
