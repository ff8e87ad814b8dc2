package pattern

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	// MaxSize is the size in bytes that EventBridge and Lambda allow a pattern.
	MaxSize = 4096
	// MaxBranches is how many combinations of the branches of "$or" a pattern may have.
	MaxBranches = 1000
)

// ErrTooComplex is wrapped by errors about patterns that are well-formed but costly to match.
var ErrTooComplex = errors.New("pattern: too complex")

// An Error says why a pattern is not one.
type Error struct {
	Reason       string // in Ruler's words, such as `"a" must be an object or an array`
	Line, Column int    // where in the pattern reading stopped, from 1; in bytes; 0 if the reason lies in no one place
	cause        error
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("%s at line %d, column %d", e.Reason, e.Line, e.Column)
}

// Unwrap returns [ErrTooComplex] or nil.
func (e *Error) Unwrap() error { return e.cause }

// A Pattern decides which events match. [Compile] makes one.
type Pattern struct {
	fields   []field // every field of every branch
	branches [][]int // one of these sets of fields must match; each in the order of their names
	wildcard bool
	alone    *Set
}

// A field is a name with what its value may be.
type field struct {
	name string // joined by dots
	test test
}

// Compile reads a pattern. The error is an [*Error].
func Compile(src []byte) (*Pattern, error) {
	if len(src) > MaxSize {
		return nil, &Error{Reason: fmt.Sprintf("Pattern is %d bytes long, more than %d", len(src), MaxSize)}
	}
	c := &compiler{src: src, dec: json.NewDecoder(bytes.NewReader(src))}
	c.dec.UseNumber()
	p, err := c.pattern()
	if err != nil {
		return nil, err
	}
	p.alone = NewSet(p)
	return p, nil
}

// Match tells whether an event, a JSON object, matches.
func (p *Pattern) Match(event []byte) bool { return p.alone.matchFirst(event) }

// HasWildcard tells whether the pattern uses wildcards; EventBridge limits the number of rules that do.
func (p *Pattern) HasWildcard() bool { return p.wildcard }

// A compiler reads a pattern token by token, so that errors name the place.
type compiler struct {
	src      []byte
	dec      *json.Decoder
	fields   []field
	wildcard bool
}

// A branch maps names to fields, by index.
type branch map[string]int

func (c *compiler) pattern() (*Pattern, error) {
	tok, err := c.next()
	if err != nil {
		return nil, err
	}
	if tok != json.Delim('{') {
		return nil, c.errorf("Filter is not an object")
	}
	branches := []branch{{}}
	if err := c.object(&branches, "", false); err != nil {
		return nil, err
	}
	if _, err := c.dec.Token(); err != io.EOF {
		return nil, c.errorf("Unexpected text after the pattern")
	}

	p := &Pattern{fields: c.fields, wildcard: c.wildcard}
	for _, b := range branches {
		fields := make([]int, 0, len(b))
		for _, f := range b {
			fields = append(fields, f)
		}
		slices.SortFunc(fields, func(a, b int) int { return strings.Compare(c.fields[a].name, c.fields[b].name) })
		p.branches = append(p.branches, fields)
	}
	return p, nil
}

// object reads the members of an object, whose brace is read, into every branch.
func (c *compiler) object(branches *[]branch, prefix string, inOr bool) error {
	for empty := true; ; empty = false {
		tok, err := c.next()
		if err != nil {
			return err
		}
		if tok == json.Delim('}') {
			if empty {
				return c.errorf("Empty objects are not allowed")
			}
			return nil
		}
		name := tok.(string) // the decoder gives nothing else here
		if name == "$or" {
			if err := c.or(branches, prefix); err != nil {
				return err
			}
			continue
		}
		if inOr && slices.Contains(reserved, name) {
			return c.errorf("%s is Ruler reserved fieldName which cannot be used inside $or.", name)
		}
		if tok, err = c.next(); err != nil {
			return err
		}
		switch tok {
		case json.Delim('{'):
			if err := c.object(branches, prefix+name+".", inOr); err != nil {
				return err
			}
		case json.Delim('['):
			test, err := c.field()
			if err != nil {
				return err
			}
			for _, b := range *branches {
				b[prefix+name] = len(c.fields)
			}
			c.fields = append(c.fields, field{name: prefix + name, test: test})
		default:
			return c.errorf("%q must be an object or an array", name)
		}
	}
}

// reserved are the names that cannot be fields inside "$or".
var reserved = []string{
	"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr", "html",
	"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case", "date-after", "date-on-or-after",
	"date-before", "date-on-or-before", "in-date-range", "ip-address-in-range", "ip-address-not-in-range",
}

// or multiplies the branches by those of a "$or".
func (c *compiler) or(branches *[]branch, prefix string) error {
	tok, err := c.next()
	if err != nil {
		return err
	}
	if tok != json.Delim('[') {
		return c.errorf("It must be an Array followed with $or.")
	}
	before := *branches
	var after []branch
	for n := 0; ; n++ {
		if tok, err = c.next(); err != nil {
			return err
		}
		if tok == json.Delim(']') {
			if n < 2 {
				return c.errorf("There must have at least 2 Objects in $or relationship.")
			}
			*branches = after
			return nil
		}
		if tok != json.Delim('{') {
			return c.errorf("Only JSON object is allowed in array of $or relationship.")
		}
		alternative := make([]branch, len(before))
		for i, b := range before {
			alternative[i] = make(branch, len(b)+1)
			for name, f := range b {
				alternative[i][name] = f
			}
		}
		if err := c.object(&alternative, prefix, true); err != nil {
			return err
		}
		if after = append(after, alternative...); len(after) > MaxBranches {
			return &Error{
				Reason: fmt.Sprintf("Rule is too complex - the branches of $or make more than %d combinations", MaxBranches),
				cause:  ErrTooComplex,
			}
		}
	}
}

// next reads a token. An object or array that is not closed is an error here, so callers see whole patterns only.
func (c *compiler) next() (json.Token, error) {
	tok, err := c.dec.Token()
	if err == nil {
		return tok, nil
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, c.errorf("Unexpected end of the pattern")
	}
	return nil, c.errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
}

func (c *compiler) errorf(format string, args ...any) *Error {
	read := c.src[:min(int(c.dec.InputOffset()), len(c.src))]
	return &Error{
		Reason: fmt.Sprintf(format, args...),
		Line:   1 + bytes.Count(read, []byte("\n")),
		Column: len(read) - bytes.LastIndexByte(read, '\n'),
	}
}
