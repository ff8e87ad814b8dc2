package segment

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"example.com/arvo/lambdas/jsontext"
)

// Header is the line before the document in each datagram for the X-Ray daemon.
const Header = `{"format": "json", "version": 1}` + "\n"

// SafeSize is the largest document to send by datagram, in bytes. UDP on IPv4 carries 65,507 and X-Ray takes [MaxSize];
// the rest is left to the header and to whoever adds to a document on its way.
const SafeSize = 60_000

// ErrTooLarge is the failure of [Document.Fit].
var ErrTooLarge = errors.New("segment document too large")

// AppendDatagram appends the header and the document.
func AppendDatagram(dst []byte, d *Document) []byte {
	return d.AppendJSON(append(dst, Header...))
}

// ParseDatagram returns the document of a datagram, a part of it and unchecked. Like the daemon it wants a first line
// that is a JSON object with the format json and the version 1, and a body that is not empty.
func ParseDatagram(datagram []byte) ([]byte, error) {
	line, body, found := bytes.Cut(datagram, []byte("\n"))
	if !found {
		return nil, errors.New("X-Ray datagram: no header line")
	}
	if !bytes.Equal(line, []byte(Header[:len(Header)-1])) {
		if err := checkHeader(line); err != nil {
			return nil, fmt.Errorf("X-Ray datagram: header: %w", err)
		}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errors.New("X-Ray datagram: no document")
	}
	return body, nil
}

func checkHeader(line []byte) error {
	if err := jsontext.Valid(line); err != nil {
		return err
	}
	var format string
	var version int
	d := decoder{b: line, s: string(line)}
	i := jsontext.Space(line, 0)
	if d.kind(i) != jsontext.Object {
		return errors.New("no JSON object")
	}
	_, err := d.object(i, 0, func(key string, i, depth int) (int, error) {
		switch key {
		case "format":
			return d.string(i, depth, &format)
		case "version":
			return d.smallInt(i, depth, &version)
		}
		return d.skip(i, depth)
	})
	if err == nil && (format != "json" || version != 1) {
		err = fmt.Errorf("format %.32q, version %d: want \"json\", 1", format, version)
	}
	return err
}

// Fit returns documents that carry d and have at most limit bytes each. A document that fits is returned as it is. One
// that does not loses, until it fits: its metadata, in place of which the namespace "segment" tells how many bytes were
// dropped; the stacks of its exceptions, which count as truncated frames; then its subsegments leave it, the last first,
// and follow as documents of their own, which X-Ray puts back where they were. A document that still does not fit, which
// takes dozens of long annotations or exceptions once it is clean, is an [ErrTooLarge]. d itself is not changed.
func (d *Document) Fit(limit int) ([]Document, error) {
	var size sizer
	if size.of(d) <= limit {
		return []Document{*d}, nil
	}
	fitted := *d
	withMetadata := size.of(&fitted)
	fitted = without(fitted, func(doc *Document) { doc.Metadata = nil })
	if dropped := withMetadata - size.of(&fitted); dropped > 0 {
		fitted.Metadata = []Namespace{{Name: "segment", Attributes: []Attribute{{"dropped_metadata_bytes", Int(int64(dropped))}}}}
	}
	if size.of(&fitted) > limit {
		fitted = without(fitted, dropStacks)
	}
	return size.shed(fitted, limit)
}

// shed makes subsegments documents of their own until each has at most limit bytes.
func (s *sizer) shed(d Document, limit int) ([]Document, error) {
	total := s.of(&d)
	if total <= limit {
		return []Document{d}, nil
	}
	children := d.Subsegments
	kept := len(children)
	for kept > 0 && total > limit {
		kept--
		total -= s.of(&children[kept]) + len(",")
	}
	// Without its list, the document may be a few bytes smaller than counted, never larger.
	d.Subsegments = slices.Clip(children[:kept])
	if n := s.of(&d); n > limit {
		return nil, fmt.Errorf("%w: %s %s has %d bytes without its subsegments, at most %d", ErrTooLarge, d.ID, cut(d.Name, 64), n, limit)
	}
	docs := []Document{d}
	for _, child := range children[kept:] {
		child.TraceID, child.ParentID, child.Type = d.TraceID, d.ID, TypeSubsegment
		rest, err := s.shed(child, limit)
		if err != nil {
			return nil, err
		}
		docs = append(docs, rest...)
	}
	return docs, nil
}

// A sizer measures documents in one buffer.
type sizer struct{ buf []byte }

func (s *sizer) of(d *Document) int {
	s.buf = d.AppendJSON(s.buf[:0])
	return len(s.buf)
}

// without is d with change made to copies of it and of all its subsegments.
func without(d Document, change func(*Document)) Document {
	change(&d)
	d.Subsegments = slices.Clone(d.Subsegments)
	for i := range d.Subsegments {
		d.Subsegments[i] = without(d.Subsegments[i], change)
	}
	return d
}

func dropStacks(d *Document) {
	if d.Cause == nil {
		return
	}
	cause := *d.Cause
	cause.Exceptions = slices.Clone(cause.Exceptions)
	for i := range cause.Exceptions {
		e := &cause.Exceptions[i]
		e.Truncated += len(e.Stack)
		e.Stack = nil
	}
	d.Cause = &cause
}
