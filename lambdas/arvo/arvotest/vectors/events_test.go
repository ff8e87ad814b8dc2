package vectors_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// events are events made from what an author says, read as they stand on the wire, and taken through both.
var events = suite{
	open: func(f *vectors.File) (func(string, vectors.Case) error, error) {
		return func(_ string, c vectors.Case) error { return checkEvent(f, c) }, nil
	},
	deviations: map[string]deviation{
		"extension named like arvo attribute is overridden": reservedExtension,
		"extension named like core attribute wins in json":  reservedExtension,
		"empty accesscontrol":                               emptyIsNotGiven,
		"traceparent empty":                                 emptyIsNotGiven,
		"domain empty":                                      emptyDomain,
		"datacontenttype empty":                             emptyIsNotGiven,
		"time empty":                                        emptyIsNotGiven,
	},
}

var (
	reservedExtension = deviation{why: "the name of an attribute is refused as the name of an extension", instead: func(f *vectors.File, c vectors.Case) error {
		e, err := readEventCase(c)
		if err != nil {
			return err
		}
		_, err = e.create(f.Flavor)
		if issues := issuesOf(err); len(issues) == 0 || !strings.HasSuffix(issues[0], " custom") {
			return fmt.Errorf("got %v", err)
		}
		return nil
	}}
	emptyIsNotGiven = deviation{why: emptyWhy, instead: checkEmpty}
	emptyDomain     = deviation{flavor: "v3", why: emptyWhy, instead: checkEmpty} // v2 does not look at it
)

const emptyWhy = "in a Draft empty is not given; on the wire it is refused as recorded"

func checkEmpty(f *vectors.File, c vectors.Case) error {
	e, err := readEventCase(c)
	if err != nil {
		return err
	}
	if _, err := e.create(f.Flavor); err != nil {
		return fmt.Errorf("a Draft: %w", err)
	}
	return e.refused(e.read(f.Flavor))
}

// An eventCase is a case of any of the APIs of events.json.
type eventCase struct {
	Name, API, Note string
	OK              bool
	Error           *recordedError

	// createArvoEvent and otelAttributes: what an author says; extensions are custom ones.
	Input, Extensions json.RawMessage
	JSON              *string         // the event's text, when id and time were given
	Event             json.RawMessage // the event with labels
	CustomExtensions  json.RawMessage
	Attributes        map[string]any // what a span says of it

	// ArvoEvent constructor: all attributes, and data.
	Context, Data json.RawMessage

	// createArvoEvent(JSON.parse(toString())): an event's text before and after.
	First    string
	Second   json.RawMessage
	Lossless bool
}

func readEventCase(c vectors.Case) (e eventCase, err error) { return e, c.Decode(&e) }

func checkEvent(f *vectors.File, c vectors.Case) error {
	e, err := readEventCase(c)
	if err != nil {
		return err
	}
	if strings.HasPrefix(e.Note, "js:") {
		return vectors.Skip("js")
	}
	switch e.API {
	case "createArvoEvent":
		return e.checkCreate(f.Flavor)
	case "ArvoEvent constructor":
		return e.checkConstructor(f.Flavor)
	case "createArvoEvent(JSON.parse(toString()))":
		if err := readBack(e.First); err != nil || e.Lossless {
			return err
		}
		return vectors.Deviation("what is read is written as it was: not encoded again, extensions and id kept")
	case "otelAttributes":
		return e.checkAttributes(f.Flavor)
	}
	return fmt.Errorf("the api %q is not known", e.API)
}

// create makes the event the way a Go author does. What Go's types cannot say is written on the wire instead.
func (e *eventCase) create(flavor string) (arvo.Event, error) {
	d, unsayable, err := draftOf(flavor, e.Input, e.Extensions)
	if err != nil {
		return arvo.Event{}, err
	}
	if len(unsayable) > 0 {
		return e.read(flavor)
	}
	return arvo.New(d)
}

// read reads the event from the text that it would be had the original not refused it.
func (e *eventCase) read(flavor string) (arvo.Event, error) {
	d, _, err := draftOf(flavor, e.Input, e.Extensions)
	if err != nil {
		return arvo.Event{}, err
	}
	made, err := arvo.New(d)
	if err != nil {
		return arvo.Event{}, err
	}
	text, err := made.AppendJSON(nil)
	if err != nil {
		return arvo.Event{}, err
	}
	var whole, input map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &whole), json.Unmarshal(e.Input, &input)); err != nil {
		return arvo.Event{}, err
	}
	maps.Copy(whole, input)
	if text, err = json.Marshal(whole); err != nil {
		return arvo.Event{}, err
	}
	return arvo.Parse(text)
}

func (e *eventCase) checkCreate(flavor string) error {
	made, err := e.create(flavor)
	if !e.OK {
		return e.refused(made, err)
	}
	if err != nil {
		return err
	}
	text, err := made.AppendJSON(nil)
	if err != nil {
		return err
	}
	if e.JSON != nil {
		written := string(text)
		if flavor == "v2" {
			written = asV2Writes(written)
		}
		if written != *e.JSON {
			return fmt.Errorf("the text differs:\n%s recorded\n%s got", *e.JSON, written)
		}
		read, err := arvo.Parse([]byte(*e.JSON))
		if err != nil {
			return fmt.Errorf("the text cannot be read: %w", err)
		}
		if diff := cmp.Diff(made, read); diff != "" {
			return fmt.Errorf("the event is not what is read of it (-made +read):\n%s", diff)
		}
	}
	extensions, err := extensionsOf(e.CustomExtensions)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(extensions, made.Extensions); diff != "" {
		return fmt.Errorf("the extensions differ (-recorded +got):\n%s", diff)
	}
	got, err := vectors.NewLabels().Event(made, flavor)
	if err != nil {
		return err
	}
	return same("the event", value(e.Event), got)
}

// checkConstructor reads a text that has every attribute, as the original's constructor wants it.
func (e *eventCase) checkConstructor(flavor string) error {
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(e.Context, &attributes); err != nil {
		return err
	}
	attributes["data"] = e.Data
	if flavor == "v2" { // it drops what it does not know; a strict reader of v3 asks for it
		attributes["parentid"], attributes["domain"] = json.RawMessage("null"), json.RawMessage("null")
	}
	text, err := json.Marshal(attributes)
	if err != nil {
		return err
	}
	read, err := arvo.ParseStrict(text)
	if !e.OK {
		return e.refused(read, err)
	}
	if err != nil {
		return err
	}
	out, err := read.AppendJSON(nil)
	if err != nil {
		return err
	}
	written := string(out)
	if flavor == "v2" {
		written = asV2Writes(written)
	}
	if written != *e.JSON {
		return fmt.Errorf("the text differs:\n%s recorded\n%s got", *e.JSON, written)
	}
	return nil
}

// refused compares a failure. The two errors of the original that are not its validator's are issues here.
func (e *eventCase) refused(_ arvo.Event, err error) error {
	recorded := *e.Error
	switch {
	case recorded.Kind == "URIError":
		recorded.Issues = []issue{{Path: "source", Code: arvo.CodeCustom}}
	case recorded.Kind == "Error" && strings.Contains(recorded.Message, "non-empty 'to'"):
		recorded.Issues = []issue{{Path: "to", Code: arvo.CodeCustom}}
	case recorded.Kind != "ZodError":
		return fmt.Errorf("the kind %q of an error is not known", recorded.Kind)
	}
	recorded.Message = ""
	return refused(err, &recorded)
}

// readBack fails when a text that is read is not written as it was.
func readBack(text string) error {
	read, err := arvo.Parse([]byte(text))
	if err != nil {
		return err
	}
	out, err := read.AppendJSON(nil)
	if err != nil {
		return err
	}
	if written := string(out); written != text && asV2Writes(written) != text {
		return fmt.Errorf("the text differs:\n%s read\n%s written", text, written)
	}
	return nil
}

// checkAttributes compares what the original tells a span about an event. Package arvo knows no spans: it is the
// attributes of the event, with N/A for null.
func (e *eventCase) checkAttributes(flavor string) error {
	made, err := e.create(flavor)
	if err != nil {
		return err
	}
	or := func(s string) any {
		if s == "" {
			return "N/A"
		}
		return s
	}
	got := map[string]any{
		"cloudevents.event_id": made.ID, "cloudevents.event_source": made.Source, "cloudevents.event_type": made.Type,
		"cloudevents.event_spec_version": made.SpecVersion, "cloudevents.event_subject": made.Subject,
		"cloudevents.event_time": made.Time, "cloudevents.event_datacontenttype": made.DataContentType,
		"cloudevents.event_dataschema": or(made.DataSchema), "cloudevents.arvo.event_to": or(made.To),
		"cloudevents.arvo.event_redirectto": or(made.RedirectTo), "cloudevents.arvo.event_executionunits": "N/A",
	}
	if made.ExecutionUnits != nil {
		got["cloudevents.arvo.event_executionunits"] = *made.ExecutionUnits
	}
	if flavor == "v3" {
		got["cloudevents.arvo.event_parentid"], got["cloudevents.arvo.event_domain"] = or(made.ParentID), or(made.Domain)
	}
	return same("the list of attributes", anyMap(e.Attributes), got)
}

func anyMap(m map[string]any) any { return m }
