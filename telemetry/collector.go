package telemetry

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/jsontext"
)

// A collector takes OTLP over HTTP in JSON. Spans are posted at the end of their invocation, in one request. JSON, because
// protobuf and grpc would be as large as all the rest of a Lambda.
//
// Sources: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (ids in hexadecimal, enumerations as numbers,
// 64-bit integers as strings) and https://opentelemetry.io/docs/specs/otel/protocol/exporter/
type collector struct {
	endpoint string
	header   http.Header
	timeout  time.Duration
	client   *http.Client
	resource []byte // JSON
	failed   sync.Once

	mu      sync.Mutex
	spans   []byte // JSON, separated by commas
	dropped int
}

// maxPending bounds what waits to be posted, in bytes: the span that goes beyond it is the last that is taken.
const maxPending = 4 << 20

// newCollector reads OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS and _TIMEOUT, and those with TRACES_ after OTLP_, which win. It is
// nil without an endpoint.
func newCollector(getenv func(string) string, f *function) (*collector, error) {
	env := func(name string) (value, from string) {
		for _, from := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
			if value := strings.TrimSpace(getenv(from)); value != "" {
				return value, from
			}
		}
		return "", ""
	}
	endpoint, from := env("ENDPOINT")
	if endpoint == "" {
		return nil, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s is %q; a URL such as http://127.0.0.1:4318 is due", from, endpoint)
	}
	if from == "OTEL_EXPORTER_OTLP_ENDPOINT" {
		u = u.JoinPath("v1/traces")
	}
	c := &collector{endpoint: u.String(), header: http.Header{"Content-Type": {"application/json"}}, timeout: 10 * time.Second}
	if protocol, from := env("PROTOCOL"); protocol != "" && protocol != "http/json" {
		return nil, fmt.Errorf("%s is %q; only http/json is spoken", from, protocol)
	}
	if headers, from := env("HEADERS"); headers != "" {
		for i, pair := range strings.Split(headers, ",") {
			name, value, ok := strings.Cut(pair, "=")
			name = strings.TrimSpace(name)
			value, err := url.PathUnescape(strings.TrimSpace(value))
			if !ok || name == "" || err != nil { // without its text, which may be a secret
				return nil, fmt.Errorf("%s: header %d of the list is not written name=value", from, i+1)
			}
			c.header.Set(name, value)
		}
	}
	if timeout, from := env("TIMEOUT"); timeout != "" {
		n, err := strconv.Atoi(timeout)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("%s is %q; milliseconds are due", from, timeout)
		}
		c.timeout = time.Duration(n) * time.Millisecond
	}
	// A redirect would take the headers, which may hold a key, to whom nobody has named, or make a GET without spans of the request.
	c.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	c.resource = append(appendAttributes([]byte(`{"attributes":`), f.otel.Attributes()), '}')
	return c, nil
}

// add takes a local root that has ended. What is still in progress is none of OTLP's.
func (c *collector) add(r *root, spans []sdktrace.ReadOnlySpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range append(spans[:len(spans):len(spans)], r.span) {
		if s.EndTime().IsZero() || !r.ended {
			continue
		}
		if len(c.spans) > maxPending {
			c.dropped++
			continue
		}
		if len(c.spans) > 0 {
			c.spans = append(c.spans, ',')
		}
		c.spans = appendSpan(c.spans, s)
	}
}

// flush posts what there is. Like a document, spans that are lost are lost; the first loss is logged.
func (c *collector) flush(ctx context.Context) {
	c.mu.Lock()
	spans, dropped := c.spans, c.dropped
	c.spans, c.dropped = nil, 0
	c.mu.Unlock()
	if len(spans) == 0 {
		return
	}
	body := append([]byte(`{"resourceSpans":[{"resource":`), c.resource...)
	body = append(body, `,"scopeSpans":[{"scope":{"name":"`+scopeName+`","version":"`+scopeVersion+`"},"spans":[`...)
	body = append(append(body, spans...), `]}]}]}`...)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeoutWithin(ctx))
	defer cancel()
	err := c.post(ctx, body)
	if err == nil && dropped > 0 {
		err = fmt.Errorf("%d spans were too many to keep", dropped)
	}
	if err != nil {
		c.failed.Do(func() { slog.Warn("spans did not reach the collector; further ones are not told", "error", err) })
	}
}

// timeoutWithin is the timeout, or less when the invocation has less.
func (c *collector) timeoutWithin(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(c.timeout, max(time.Until(deadline), 50*time.Millisecond))
	}
	return c.timeout
}

func (c *collector) post(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = c.header.Clone()
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it is read to its end
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)); err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s", c.endpoint, response.Status)
	}
	return nil
}

func appendSpan(b []byte, s sdktrace.ReadOnlySpan) []byte {
	b = appendContext(append(b, '{'), s.SpanContext())
	if parent := s.Parent().SpanID(); parent.IsValid() {
		b = append(hex.AppendEncode(append(b, `,"parentSpanId":"`...), parent[:]), '"')
	}
	b = jsontext.AppendString(append(b, `,"name":`...), s.Name())
	b = strconv.AppendInt(append(b, `,"kind":`...), int64(s.SpanKind()), 10) // the API's numbers are the protocol's
	b = strconv.AppendInt(append(b, `,"startTimeUnixNano":"`...), s.StartTime().UnixNano(), 10)
	b = strconv.AppendInt(append(b, `","endTimeUnixNano":"`...), s.EndTime().UnixNano(), 10)
	b = append(b, `","flags":`...)
	flags := int64(s.SpanContext().TraceFlags()) | 0x100 // whether the parent is remote is known
	if s.Parent().IsRemote() {
		flags |= 0x200
	}
	b = strconv.AppendInt(b, flags, 10)
	b = appendAttributes(append(b, `,"attributes":`...), s.Attributes())
	if n := s.DroppedAttributes(); n > 0 {
		b = strconv.AppendInt(append(b, `,"droppedAttributesCount":`...), int64(n), 10)
	}
	if events := s.Events(); len(events) > 0 {
		b = append(b, `,"events":[`...)
		for i, e := range events {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(append(b, `{"timeUnixNano":"`...), e.Time.UnixNano(), 10)
			b = jsontext.AppendString(append(b, `","name":`...), e.Name)
			b = append(appendAttributes(append(b, `,"attributes":`...), e.Attributes), '}')
		}
		b = append(b, ']')
	}
	if links := s.Links(); len(links) > 0 {
		b = append(b, `,"links":[`...)
		for i, l := range links {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendAttributes(append(appendContext(append(b, '{'), l.SpanContext), `,"attributes":`...), l.Attributes), '}')
		}
		b = append(b, ']')
	}
	status := s.Status()
	b = strconv.AppendInt(append(b, `,"status":{"code":`...), statusNumber[status.Code], 10)
	if status.Description != "" {
		b = jsontext.AppendString(append(b, `,"message":`...), status.Description)
	}
	return append(b, `}}`...)
}

func appendContext(b []byte, sc trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	b = hex.AppendEncode(append(b, `"traceId":"`...), traceID[:])
	b = append(hex.AppendEncode(append(b, `","spanId":"`...), spanID[:]), '"')
	if state := sc.TraceState().String(); state != "" {
		b = jsontext.AppendString(append(b, `,"traceState":`...), state)
	}
	return b
}

func appendAttributes(b []byte, attributes []attribute.KeyValue) []byte {
	b = append(b, '[')
	for i, a := range attributes {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(append(b, `{"key":`...), string(a.Key))
		b = append(appendValue(append(b, `,"value":`...), a.Value), '}')
	}
	return append(b, ']')
}

func appendValue(b []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.BOOL:
		b = strconv.AppendBool(append(b, `{"boolValue":`...), v.AsBool())
	case attribute.INT64:
		b = append(strconv.AppendInt(append(b, `{"intValue":"`...), v.AsInt64(), 10), '"')
	case attribute.FLOAT64:
		b = jsontext.AppendNumber(append(b, `{"doubleValue":`...), v.AsFloat64())
	case attribute.STRINGSLICE:
		b = append(b, `{"arrayValue":{"values":[`...)
		for i, s := range v.AsStringSlice() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(jsontext.AppendString(append(b, `{"stringValue":`...), s), '}')
		}
		b = append(b, `]}`...)
	default: // of libraries; ours have no others
		b = jsontext.AppendString(append(b, `{"stringValue":`...), v.String())
	}
	return append(b, '}')
}

// statusNumber is OTLP's number of a status; the API counts otherwise.
var statusNumber = map[codes.Code]int64{codes.Unset: 0, codes.Ok: 1, codes.Error: 2}
