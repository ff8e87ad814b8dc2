package telemetry

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/telemetry/segment"
)

// document makes one document of a local root and the spans beneath it.
func (f *function) document(r *root, spans []sdktrace.ReadOnlySpan) segment.Document {
	s := r.span
	d := convert(s, true)
	d.TraceID = segment.TraceID(s.SpanContext().TraceID())
	d.ParentID = segment.ID(s.Parent().SpanID())
	switch r.shape {
	case shapeSegment:
		d.Name, d.Origin, d.Service, d.AWS = f.name, segment.OriginFunction, f.version, f.resource()
		if r.invocation != nil && r.invocation.resource != nil {
			d.AWS = r.invocation.resource
		}
	case shapeInvocation:
		d.Type = segment.TypeSubsegment
	case shapeDetached:
		d.Type = segment.TypeSubsegment
		namespace(&d, s)
	}
	if len(spans) > 0 {
		d.Subsegments = embed(s.SpanContext().SpanID(), spans)
	}
	if r.dropped > 0 {
		addMetadata(&d, "dropped_spans", segment.Int(int64(r.dropped)))
	}
	return d
}

// embed makes subsegments of the spans beneath a root, each within its parent. One whose parent is not among them, because
// somebody has not ended it or it was one too many, is put beneath the root.
func embed(root trace.SpanID, spans []sdktrace.ReadOnlySpan) []segment.Document {
	beneath := make(map[trace.SpanID][]sdktrace.ReadOnlySpan, len(spans))
	for _, s := range spans {
		beneath[s.SpanContext().SpanID()] = nil
	}
	for _, s := range spans {
		parent := s.Parent().SpanID()
		if _, here := beneath[parent]; !here {
			parent = root
		}
		beneath[parent] = append(beneath[parent], s)
	}
	var within func(parent trace.SpanID) []segment.Document
	within = func(parent trace.SpanID) []segment.Document {
		children := beneath[parent]
		if len(children) == 0 {
			return nil
		}
		docs := make([]segment.Document, len(children))
		for i, s := range children {
			docs[i] = convert(s, false)
			namespace(&docs[i], s)
			docs[i].Subsegments = within(s.SpanContext().SpanID())
		}
		slices.SortStableFunc(docs, func(a, b segment.Document) int { return cmp.Compare(a.Start, b.Start) })
		return docs
	}
	return within(root)
}

// namespace says whom a subsegment calls. One without a namespace is the function's own work.
func namespace(d *segment.Document, s sdktrace.ReadOnlySpan) {
	var service, handler, peer, destination string
	for _, a := range s.Attributes() {
		switch a.Key {
		case keyAWSService:
			service = a.Value.AsString()
		case keyHandlerSource:
			handler = a.Value.AsString()
		case semconv.ServicePeerNameKey, semconv.ServerAddressKey:
			peer = a.Value.AsString()
		case semconv.MessagingDestinationNameKey:
			destination = a.Value.AsString()
		}
	}
	kind := s.SpanKind()
	switch {
	case service != "":
		d.Name, d.Namespace = service, segment.NamespaceAWS
		if destination != "" { // a bus, a queue
			awsOf(d).ResourceNames = []string{destination}
		}
	case handler != "":
		d.Name, d.Namespace = handler, segment.NamespaceRemote
	case kind == trace.SpanKindClient || kind == trace.SpanKindProducer:
		d.Namespace = segment.NamespaceRemote
		if peer != "" {
			d.Name = peer
		}
	}
}

// convert makes a document of what a span itself says. Annotations are for local roots, and for messages whose event has no
// trace of its own: they are part of their batch.
func convert(s sdktrace.ReadOnlySpan, isRoot bool) segment.Document {
	d := segment.Document{
		ID: segment.ID(s.SpanContext().SpanID()), Name: s.Name(),
		Start: segment.At(s.StartTime()),
	}
	if end := s.EndTime(); end.IsZero() {
		d.InProgress = true
	} else {
		d.End = max(segment.At(end), d.Start)
	}
	annotated := isRoot || slices.ContainsFunc(s.Attributes(), func(a attribute.KeyValue) bool { return a.Key == semconv.CloudEventsEventSubjectKey })
	if annotated {
		d.Annotations = make([]segment.Attribute, 0, len(annotationOf))
	}
	var failure, exceptionType, message, stack string
	for _, a := range s.Attributes() {
		switch a.Key {
		case keyFailure:
			failure = a.Value.AsString()
		case semconv.ExceptionTypeKey:
			exceptionType = a.Value.AsString()
		case semconv.ExceptionMessageKey:
			message = a.Value.AsString()
		case semconv.ExceptionStacktraceKey:
			stack = a.Value.AsString()
		case semconv.ErrorTypeKey:
			if exceptionType == "" {
				exceptionType = a.Value.AsString()
			}
		}
		if annotated {
			if name, ok := annotationOf[a.Key]; ok {
				d.Annotations = append(d.Annotations, segment.Attribute{Key: name, Value: segment.String(segment.AnnotationText(a.Value.AsString()))})
				continue
			}
		}
		member, known := toXRay[a.Key]
		switch {
		case member != nil:
			member(&d, a.Value)
		case !known && !strings.HasPrefix(string(a.Key), prefixConsumed) && !strings.HasPrefix(string(a.Key), prefixProduced):
			addMetadata(&d, string(a.Key), valueOf(a.Value))
		}
	}
	if status := s.Status(); status.Code == codes.Error {
		d.Error, d.Throttle, d.Fault = failure == failureError || failure == failureThrottle, failure == failureThrottle, failure == "" || failure == failureFault
		if message == "" {
			message = status.Description
		}
		d.Cause = &segment.Cause{}
		for _, e := range s.Events() { // those of libraries that record errors in the usual way
			if e.Name == semconv.ExceptionEventName {
				d.Cause.Exceptions = append(d.Cause.Exceptions, exceptionOf(d.ID, len(d.Cause.Exceptions), e.Attributes))
			}
		}
		if len(d.Cause.Exceptions) == 0 {
			d.Cause.Exceptions = []segment.Exception{{
				ID: exceptionID(d.ID, 0), Type: exceptionType, Message: message, Stack: frames(stack), Remote: s.SpanKind() == trace.SpanKindClient,
			}}
		}
	}
	for _, l := range s.Links() {
		d.Links = append(d.Links, segment.Link{TraceID: segment.TraceID(l.SpanContext.TraceID()), ID: segment.ID(l.SpanContext.SpanID())})
	}
	return d
}

func addMetadata(d *segment.Document, key string, v segment.Value) {
	if d.Metadata == nil {
		d.Metadata = []segment.Namespace{{Name: "otel", Attributes: make([]segment.Attribute, 0, 6)}}
	}
	d.Metadata[0].Attributes = append(d.Metadata[0].Attributes, segment.Attribute{Key: key, Value: v})
}

// maxText bounds a text in metadata, in bytes.
const maxText = 1000

func valueOf(v attribute.Value) segment.Value {
	switch v.Type() {
	case attribute.BOOL:
		return segment.Bool(v.AsBool())
	case attribute.INT64:
		return segment.Int(v.AsInt64())
	case attribute.FLOAT64:
		return segment.Float(v.AsFloat64())
	case attribute.STRING:
		return segment.String(clip(v.AsString(), maxText))
	}
	return segment.String(clip(v.String(), maxText))
}

func exceptionOf(id segment.ID, n int, attributes []attribute.KeyValue) segment.Exception {
	e := segment.Exception{ID: exceptionID(id, n)}
	for _, a := range attributes {
		switch a.Key {
		case semconv.ExceptionTypeKey:
			e.Type = a.Value.AsString()
		case semconv.ExceptionMessageKey:
			e.Message = a.Value.AsString()
		case semconv.ExceptionStacktraceKey:
			e.Stack = frames(a.Value.AsString())
		}
	}
	return e
}

// exceptionID is the id of a span's nth exception. It need only be unique among exceptions.
func exceptionID(id segment.ID, n int) segment.ID {
	id[0] ^= byte(n)
	return id
}

// maxFrames bounds a stack.
const maxFrames = 32

// frames reads the text of a stack as runtime/debug writes it: for each call a line with the function, then one with
// "\tfile:line +0x0".
func frames(stack string) []segment.Frame {
	var list []segment.Frame
	label := ""
	for line := range strings.Lines(stack) {
		line = strings.TrimRight(line, "\n")
		at, isPlace := strings.CutPrefix(line, "\t")
		if !isPlace {
			label = line
			if i := strings.LastIndexByte(label, '('); i > 0 { // the arguments are addresses
				label = label[:i]
			}
			continue
		}
		at, _, _ = strings.Cut(at, " +0x")
		i := strings.LastIndexByte(at, ':')
		if i < 0 || label == "" {
			continue
		}
		n, err := strconv.Atoi(at[i+1:])
		if err != nil {
			continue
		}
		if list = append(list, segment.Frame{Path: clip(at[:i], 250), Line: n, Label: clip(label, 250)}); len(list) == maxFrames {
			break
		}
		label = ""
	}
	return list
}

// clip is s with at most n bytes, cut between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n]
}
