package segment

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The codes of an [Error]: the ErrorCode of UnprocessedTraceSegments. AWS documents none of them. MissingId, MissingName,
// MissingParentId, MissingEndTime, InvalidName and InvalidTraceId are recorded from the service; the rest is named alike.
const (
	ParseError       = "ParseError" // not JSON, not an object, too large
	MissingID        = "MissingId"
	MissingName      = "MissingName"
	MissingTraceID   = "MissingTraceId"
	MissingParentID  = "MissingParentId"
	MissingStart     = "MissingStartTime"
	MissingEnd       = "MissingEndTime" // and no in_progress either
	InvalidID        = "InvalidId"
	InvalidParentID  = "InvalidParentId"
	InvalidTraceID   = "InvalidTraceId"
	InvalidName      = "InvalidName"
	InvalidStart     = "InvalidStartTime"
	InvalidEnd       = "InvalidEndTime"
	InvalidNamespace = "InvalidNamespace"
)

// An Error says why X-Ray would not take a document.
type Error struct {
	Code       string // see [ParseError] and the others
	ID         ID     // of the document, if it has one
	Field      string // the member at fault, e.g. subsegments[2].name; empty if it is the whole
	Reason     string
	Subsegment bool // the document is a subsegment
}

// Error is the Message of UnprocessedTraceSegments, with a cause that says more than X-Ray's.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("Invalid ")
	if e.Subsegment {
		b.WriteString("sub")
	}
	fmt.Fprintf(&b, "segment. ErrorCode: %s, Cause: ", e.Code)
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Reason)
	return b.String()
}

// invalid is the error of a member whose value cannot be.
func invalid(field, reason string) *Error {
	code := map[string]string{"id": InvalidID, "parent_id": InvalidParentID, "trace_id": InvalidTraceID, "name": InvalidName, "start_time": InvalidStart, "end_time": InvalidEnd}[field]
	return &Error{Code: code, Field: field, Reason: reason}
}

// asError makes an [*Error] of what the decoder met.
func asError(err error, id ID) *Error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: ParseError, Reason: err.Error()}
	}
	if e.ID.IsZero() {
		e.ID = id
	}
	return e
}

// Validate checks what X-Ray demands of a document: ids, names and times, in embedded subsegments too. The error is an
// [*Error]. It does not check lengths of texts nor annotations, which X-Ray cuts or leaves out of its index.
func (d *Document) Validate() error {
	independent := d.IsSubsegment()
	switch {
	case d.ID.IsZero():
		return &Error{Code: MissingID, Field: "id", Reason: "a document needs an id", Subsegment: independent}
	case d.TraceID.IsZero():
		return &Error{Code: MissingTraceID, ID: d.ID, Field: "trace_id", Reason: "a document needs the id of its trace", Subsegment: independent}
	case independent && d.ParentID.IsZero():
		return &Error{Code: MissingParentID, ID: d.ID, Field: "parent_id", Reason: "a subsegment that is sent by itself needs the id of its parent", Subsegment: true}
	}
	if e := d.validate(); e != nil {
		e.ID, e.Subsegment = d.ID, e.Subsegment || independent
		return e
	}
	return nil
}

func (d *Document) validate() *Error {
	switch {
	case d.ID.IsZero():
		return &Error{Code: MissingID, Field: "id", Reason: "a subsegment needs an id"}
	case d.Name == "":
		return &Error{Code: MissingName, Field: "name", Reason: "a segment needs a name"}
	case utf8.RuneCountInString(d.Name) > MaxName:
		return &Error{Code: InvalidName, Field: "name", Reason: fmt.Sprintf("%d characters, at most %d", utf8.RuneCountInString(d.Name), MaxName)}
	case d.Start == 0:
		return &Error{Code: MissingStart, Field: "start_time", Reason: "a segment needs a start time"}
	case d.End == 0 && !d.InProgress:
		return &Error{Code: MissingEnd, Field: "end_time", Reason: "neither end_time nor in_progress is given"}
	case d.Namespace != "" && d.Namespace != NamespaceAWS && d.Namespace != NamespaceRemote:
		return &Error{Code: InvalidNamespace, Field: "namespace", Reason: fmt.Sprintf("%.64q is neither aws nor remote", d.Namespace)}
	}
	for _, r := range d.Name {
		if !nameRune(r) && r != '\\' { // the guide lists the backslash, the schema does not
			return &Error{Code: InvalidName, Field: "name", Reason: fmt.Sprintf("%q may not be in a name", r)}
		}
	}
	for i := range d.Subsegments {
		if e := d.Subsegments[i].validate(); e != nil {
			e.Field = fmt.Sprintf("subsegments[%d].%s", i, e.Field)
			e.Subsegment = true
			return e
		}
	}
	return nil
}

// nameRune tells whether a name may hold r.
func nameRune(r rune) bool {
	if r < utf8.RuneSelf {
		return asciiName[r]
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.Is(unicode.N, r) || unicode.Is(unicode.Z, r))
}

var asciiName = func() (t [utf8.RuneSelf]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range " _.:/%&#=+-@" {
		t[c] = true
	}
	return t
}()
