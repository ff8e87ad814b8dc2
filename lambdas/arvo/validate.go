package arvo

import (
	"bytes"
	"math"
	"strings"
	"unicode/utf8"

	"example.com/arvo/lambdas/jsontext"
)

// A ValidationError says everything that is wrong with one thing: an event, or data held against a schema.
type ValidationError struct {
	What   string  // what was checked, the beginning of the message
	Issues []Issue // at least one, in the order of the attributes or of the data
}

// An Issue is one broken rule. It marshals to JSON for an API's answer.
type Issue struct {
	Path    []string `json:"path"`    // attribute or member names and array indexes from the root; empty is the whole
	Code    string   `json:"code"`    // one of the Code constants
	Message string   `json:"message"` // for people; what it quotes is the schema's, and nothing of the data
}

// The codes of issues. They are those of the original implementation (zod's), so answers compare across languages.
const (
	CodeInvalidType   = "invalid_type"       // another JSON type, or missing ("Required")
	CodeInvalidString = "invalid_string"     // a string of the wrong form
	CodeTooSmall      = "too_small"          // too short, too few, below the minimum
	CodeTooBig        = "too_big"            // too long, too many, above the maximum
	CodeInvalidEnum   = "invalid_enum_value" // none of the listed values
	CodeInvalidUnion  = "invalid_union"      // none of the alternatives
	CodeNotMultiple   = "not_multiple_of"
	CodeCustom        = "custom" // anything else
)

// Pointer is the path as a JSON Pointer (RFC 6901), e.g. /items/0/sku.
func (i Issue) Pointer() string {
	var b strings.Builder
	for _, p := range i.Path {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(p, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

func (e *ValidationError) Error() string {
	var b strings.Builder
	b.WriteString(e.What)
	for n, i := range e.Issues {
		if n == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		if len(i.Path) > 0 {
			b.WriteString(strings.Join(i.Path, "."))
			b.WriteString(": ")
		}
		b.WriteString(i.Message)
	}
	return b.String()
}

// An attribute of the envelope, in the order in which issues are reported.
type attribute uint8

const (
	attrID attribute = iota
	attrTime
	attrSource
	attrSpecVersion
	attrType
	attrSubject
	attrDataContentType
	attrDataSchema
	attrData
	attrTo
	attrAccessControl
	attrRedirectTo
	attrExecutionUnits
	attrParentID
	attrDomain
	attrTraceparent
	attrTracestate
	attributes // how many there are
)

var attributeNames = [attributes]string{
	"id", "time", "source", "specversion", "type", "subject", "datacontenttype", "dataschema", "data", "to",
	"accesscontrol", "redirectto", "executionunits", "parentid", "domain", "traceparent", "tracestate",
}

// attributeNamed finds the attribute called name; ok is false for a custom extension.
func attributeNamed(name []byte) (a attribute, ok bool) {
	switch string(name) {
	case "id":
		a = attrID
	case "time":
		a = attrTime
	case "source":
		a = attrSource
	case "specversion":
		a = attrSpecVersion
	case "type":
		a = attrType
	case "subject":
		a = attrSubject
	case "datacontenttype":
		a = attrDataContentType
	case "dataschema":
		a = attrDataSchema
	case "data":
		a = attrData
	case "to":
		a = attrTo
	case "accesscontrol":
		a = attrAccessControl
	case "redirectto":
		a = attrRedirectTo
	case "executionunits":
		a = attrExecutionUnits
	case "parentid":
		a = attrParentID
	case "domain":
		a = attrDomain
	case "traceparent":
		a = attrTraceparent
	case "tracestate":
		a = attrTracestate
	default:
		return 0, false
	}
	return a, true
}

// maxExtensions bounds the custom extensions of one event: they are kept in a list that is searched from the front.
const maxExtensions = 64

// Validate checks every attribute and returns a *ValidationError or nil. Attributes are checked in groups, CloudEvents
// core, data, Arvo extensions, OpenTelemetry extensions, custom extensions, the rule about "to", and the first group
// with an issue is the last one checked; within it every issue is listed. New and Parse have validated what they return.
func (e Event) Validate() error {
	kinds := e.kinds()
	c := checker{event: &e, kinds: &kinds}
	if kinds[attrData] == jsontext.Object {
		err := jsontext.Valid(e.Data)
		if err == nil {
			err = tooDeep(e.Data)
		}
		c.noData = reason(err)
	}
	return c.check()
}

// tooDeep is what is wrong with data, a JSON text, that nests so deep that Parse would not read an event with it: there it
// lies one level deeper.
func tooDeep(data []byte) error {
	// A level takes two brackets: most data need not be walked through.
	if len(data) < 2*jsontext.MaxDepth || bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) < jsontext.MaxDepth {
		return nil
	}
	_, err := jsontext.Value(data, jsontext.Space(data, 0), 1)
	return err
}

// reason is what err says, "" for nil.
func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// kinds is how the event would be written: "" is null where null may be.
func (e *Event) kinds() (kinds [attributes]jsontext.Kind) {
	for a := range attributes {
		kinds[a] = jsontext.String
	}
	null := func(a attribute, s string) {
		if s == "" {
			kinds[a] = jsontext.Null
		}
	}
	null(attrDataSchema, e.DataSchema)
	null(attrTo, e.To)
	null(attrAccessControl, e.AccessControl)
	null(attrRedirectTo, e.RedirectTo)
	null(attrParentID, e.ParentID)
	null(attrDomain, e.Domain)
	null(attrTraceparent, e.Traceparent)
	null(attrTracestate, e.Tracestate)
	kinds[attrExecutionUnits] = jsontext.Null
	if e.ExecutionUnits != nil {
		kinds[attrExecutionUnits] = jsontext.Number
	}
	kinds[attrData] = jsontext.KindAt(e.Data, 0)
	return kinds
}

// A checker holds an event against the rules. kinds tells how each attribute was written, Invalid if it was not: the
// struct alone cannot tell a missing attribute from null or from "".
type checker struct {
	event  *Event
	kinds  *[attributes]jsontext.Kind
	strict bool   // nullable attributes must be present
	noData string // why data cannot be serialised, "" if it can

	// issues is nil for none. It points to the list and is not the list itself, and noData is no error: what escapes from
	// here would take what the other fields point to along, two allocations for every event that is right.
	issues *[]Issue
}

func (c *checker) check() error {
	for group := range 6 {
		switch group { // calls through a table of functions would cost another allocation
		case 0:
			c.core()
		case 1:
			c.data()
		case 2:
			c.arvo()
		case 3:
			c.otel()
		case 4:
			c.extensions()
		case 5:
			c.destination()
		}
		if c.issues != nil {
			return &ValidationError{What: "invalid event", Issues: *c.issues}
		}
	}
	return nil
}

func (c *checker) add(a attribute, code, message string) {
	c.report(Issue{Path: []string{attributeNames[a]}, Code: code, Message: message})
}

func (c *checker) report(i Issue) {
	if c.issues == nil {
		c.issues = new([]Issue)
	}
	*c.issues = append(*c.issues, i)
}

// is checks presence and type. It is true when there is a value of the type to hold against further rules.
func (c *checker) is(a attribute, want jsontext.Kind, nullable bool) bool {
	switch got := c.kinds[a]; {
	case got == want:
		return true
	case nullable && (got == jsontext.Null || got == jsontext.Invalid && !c.strict):
	case got == jsontext.Invalid:
		c.add(a, CodeInvalidType, "Required")
	default:
		c.add(a, CodeInvalidType, "Expected "+want.String()+", received "+got.String())
	}
	return false
}

// text checks an attribute that must be a non-empty string, or null when nullable.
func (c *checker) text(a attribute, s string, nullable bool) bool {
	if !c.is(a, jsontext.String, nullable) {
		return false
	}
	if s == "" {
		c.add(a, CodeTooSmall, "must not be empty")
	}
	return true
}

// free checks an attribute that may be any text. (What keeps to a grammar or is URI-encoded is ASCII.)
func (c *checker) free(a attribute, s string, nullable bool) bool {
	if !c.text(a, s, nullable) {
		return false
	}
	if !utf8.ValidString(s) {
		c.add(a, CodeInvalidString, "must be UTF-8")
	}
	return true
}

func (c *checker) uri(a attribute, s string, nullable bool) {
	if c.text(a, s, nullable) && !uriEncoded(s) {
		c.add(a, CodeCustom, "must be URI-encoded, the way encodeURI writes it")
	}
}

func (c *checker) core() {
	e := c.event
	c.free(attrID, e.ID, false)
	if c.is(attrTime, jsontext.String, false) && !isTime(e.Time) {
		c.add(attrTime, CodeInvalidString, "must be an RFC 3339 time with a zone")
	}
	c.uri(attrSource, e.Source, false)
	if c.is(attrSpecVersion, jsontext.String, false) && e.SpecVersion != SpecVersion {
		c.add(attrSpecVersion, CodeCustom, "must be "+SpecVersion)
	}
	if c.text(attrType, e.Type, false) && !isEventType(e.Type) {
		c.add(attrType, CodeInvalidString, "must be a reverse-DNS name of at least three lower-case segments")
	}
	c.uri(attrSubject, e.Subject, false)
	if c.free(attrDataContentType, e.DataContentType, false) && e.DataContentType != DataContentType &&
		!strings.Contains(e.DataContentType, "application/cloudevents+json") &&
		!strings.Contains(e.DataContentType, "application/json") {
		c.add(attrDataContentType, CodeCustom, "must contain application/cloudevents+json or application/json")
	}
	c.uri(attrDataSchema, e.DataSchema, true)
}

func (c *checker) data() {
	issue := Issue{Path: []string{}, Code: CodeInvalidType}
	switch got := c.kinds[attrData]; {
	case c.noData != "":
		issue.Code, issue.Message = CodeCustom, "data must be a JSON object: "+c.noData
	case got == jsontext.Object:
		return
	case got == jsontext.Invalid:
		issue.Message = "Required"
	default:
		issue.Message = "Expected object, received " + got.String()
	}
	c.report(issue)
}

func (c *checker) arvo() {
	e := c.event
	c.uri(attrTo, e.To, true)
	c.free(attrAccessControl, e.AccessControl, true)
	c.uri(attrRedirectTo, e.RedirectTo, true)
	if c.is(attrExecutionUnits, jsontext.Number, true) {
		if u := *e.ExecutionUnits; math.IsNaN(u) || math.IsInf(u, 0) {
			c.add(attrExecutionUnits, CodeInvalidType, "Expected a finite number")
		}
	}
	c.free(attrParentID, e.ParentID, true)
	if c.text(attrDomain, e.Domain, true) && !isDomain(e.Domain) {
		c.add(attrDomain, CodeInvalidString, "must contain only lower-case letters, digits and dots")
	}
}

func (c *checker) otel() {
	c.free(attrTraceparent, c.event.Traceparent, true)
	c.free(attrTracestate, c.event.Tracestate, true)
}

func (c *checker) extensions() {
	xs := c.event.Extensions
	if len(xs) > maxExtensions {
		c.report(Issue{Path: []string{}, Code: CodeTooBig, Message: "more than 64 custom extensions"})
		return
	}
	for n, x := range xs {
		if code, message := extensionIssue(x); code != "" {
			c.report(Issue{Path: []string{x.Name}, Code: code, Message: message})
		}
		for _, y := range xs[:n] {
			if x.Name == y.Name {
				c.report(Issue{Path: []string{x.Name}, Code: CodeCustom, Message: "appears twice"})
				break
			}
		}
	}
}

// extensionIssue is the rule that x breaks; code "" when it breaks none.
func extensionIssue(x Extension) (code, message string) {
	if !isExtensionName(x.Name) {
		return CodeInvalidString, "an extension name must contain only lower-case letters and digits"
	}
	if _, reserved := attributeNamed([]byte(x.Name)); reserved {
		return CodeCustom, "an extension must not be called like an attribute"
	}
	switch jsontext.KindAt(x.Value, jsontext.Space(x.Value, 0)) {
	case jsontext.Array, jsontext.Object:
		return CodeInvalidUnion, "an extension must be a string, a number, a boolean or null"
	}
	if err := jsontext.Valid(x.Value); err != nil {
		return CodeInvalidUnion, "an extension must be a string, a number, a boolean or null: " + err.Error()
	}
	return "", ""
}

// destination is the profile's own rule: an event with Arvo's content type says where it goes.
func (c *checker) destination() {
	if c.event.To == "" && c.event.DataContentType == DataContentType {
		c.add(attrTo, CodeCustom, "The ArvoEvent must have a non-empty 'to' field")
	}
}
