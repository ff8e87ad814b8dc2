package vectors_test

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// eventIDs are the ids that an author's wish leads to.
var eventIDs = suite{
	open: func(*vectors.File) (func(string, vectors.Case) error, error) {
		return func(_ string, c vectors.Case) error { return checkEventID(c) }, nil
	},
}

// An eventIDCase is a case of event_ids.json, which have no names.
type eventIDCase struct {
	Param       json.RawMessage // null, a text, or deduplication and value
	IsUUID      bool
	Parsed      any // of a managed id its parts, else the id
	ParseFailed bool
}

func checkEventID(c vectors.Case) error {
	var k eventIDCase
	if err := c.Decode(&k); err != nil {
		return err
	}
	id, err := k.make()
	if err != nil {
		return err
	}
	_, notUUID := uuid.Parse(id)
	unique, value, err := arvo.ParseManagedID(id)
	got := eventIDCase{Param: k.Param, IsUUID: notUUID == nil, ParseFailed: err != nil}
	switch {
	case err == nil && uuid.Validate(unique) == nil:
		got.Parsed = map[string]any{"uuid": "<uuid>", "value": value}
	case got.IsUUID:
		got.Parsed = "<uuid>"
	default:
		got.Parsed = id
	}
	if k.Param[0] == '"' {
		// The original takes an id that is a plain text for none at all.
		if want := textOf(k.Param); id != want {
			return fmt.Errorf("the id is %q and not %q", id, want)
		}
		return vectors.Deviation("an id that is given as a text is the id")
	}
	return same("the id", k, got)
}

// make makes the id.
func (k *eventIDCase) make() (string, error) {
	var param struct{ Deduplication, Value string }
	switch k.Param[0] {
	case '"':
		param.Deduplication, param.Value = "DEVELOPER_MANAGED", textOf(k.Param)
	case '{':
		if err := (vectors.Case{Text: k.Param}).Decode(&param); err != nil {
			return "", err
		}
	}
	switch param.Deduplication {
	case "ARVO_MANAGED":
		return arvo.ManagedID(param.Value)
	case "DEVELOPER_MANAGED", "":
		e, err := arvo.New(arvo.Draft{ID: param.Value, Source: "a.b.c", Type: "a.b.c", Subject: "s", Data: struct{}{}})
		return e.ID, err
	}
	return "", fmt.Errorf("the deduplication %q is not known", param.Deduplication)
}
