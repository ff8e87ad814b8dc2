package telemetry

import (
	"context"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/broker"
)

// Limits of what strangers send, in bytes.
const (
	maxTraceHeader = 1024 // X-Amzn-Trace-Id; one has about a hundred
	maxTracestate  = 512  // W3C asks for as much to be passed on
)

// parseTraceparent reads a W3C traceparent; ok is false when it is none. Its context is remote.
//
// Source: https://www.w3.org/TR/trace-context/#traceparent-header
func parseTraceparent(s string) (sc trace.SpanContext, ok bool) {
	// 2 version - 32 trace id - 16 parent id - 2 flags [- more, in versions after 00]
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || len(s) > 55 && (s[:2] == "00" || s[55] != '-') {
		return sc, false
	}
	var b [26]byte
	if !lowerHex(b[:1], s[:2]) || b[0] == 0xff || !lowerHex(b[1:17], s[3:35]) || !lowerHex(b[17:25], s[36:52]) || !lowerHex(b[25:], s[53:55]) {
		return sc, false
	}
	sc = trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(b[1:17]), SpanID: trace.SpanID(b[17:25]), TraceFlags: trace.TraceFlags(b[25]) & trace.FlagsSampled, Remote: true,
	})
	return sc, sc.IsValid()
}

// lowerHex fills dst, half as long as s, and tells whether s is hexadecimal in lower case, as W3C demands.
func lowerHex(dst []byte, s string) bool {
	for i := range dst {
		var n byte
		for _, c := range []byte(s[2*i : 2*i+2]) {
			switch {
			case '0' <= c && c <= '9':
				c -= '0'
			case 'a' <= c && c <= 'f':
				c -= 'a' - 10
			default:
				return false
			}
			n = n<<4 | c
		}
		dst[i] = n
	}
	return true
}

// traceparent writes the W3C traceparent of a span, with the sampling decision of sc.
func traceparent(sc trace.SpanContext, id trace.SpanID) string {
	var b [55]byte
	traceID := sc.TraceID()
	copy(b[:], "00-")
	hex.Encode(b[3:35], traceID[:])
	b[35] = '-'
	hex.Encode(b[36:52], id[:])
	copy(b[52:], "-00")
	if sc.IsSampled() {
		b[54] = '1'
	}
	return string(b[:])
}

// Traceparent is the W3C traceparent of the span in ctx, "" without one. It is valid also where nothing is sampled.
func Traceparent(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return ""
	}
	return traceparent(sc, sc.SpanID())
}

// facade is the span that Lambda has made for the invocation, from the trace header in ctx or, without one, in the
// environment: aws-lambda-go sets that only while invocations come one at a time.
func (t *Telemetry) facade(ctx context.Context) (trace.SpanContext, bool) {
	h, _ := ctx.Value("x-amzn-trace-id").(string)
	if h == "" {
		h = t.getenv("_X_AMZN_TRACE_ID")
	}
	return parseTraceHeader(h)
}

func parseTraceHeader(h string) (trace.SpanContext, bool) {
	if h == "" || len(h) > maxTraceHeader {
		return trace.SpanContext{}, false
	}
	return parseTraceparent(broker.Traceparent(h))
}

// The tracestate of an event names, as the member "arvo", the parent of the event's creation span. Who publishes an event
// that another invocation has created so reports the span with the parent that it was created with.
const stateKey = "arvo="

// withAnchor puts the member in front of a tracestate, as W3C demands of whoever changes one, and in the place of an older
// one. What does not fit is dropped from the end, whole members at a time.
func withAnchor(id trace.SpanID, tracestate string) string {
	b := make([]byte, 0, maxTracestate)
	b = hex.AppendEncode(append(b, stateKey...), id[:])
	for member := range strings.SplitSeq(tracestate, ",") {
		member = strings.Trim(member, " \t")
		if member == "" || strings.HasPrefix(member, stateKey) {
			continue
		}
		if len(b)+1+len(member) > maxTracestate {
			break
		}
		b = append(append(b, ','), member...)
	}
	return string(b)
}

// anchorOf is the parent of the creation span that a tracestate names.
func anchorOf(tracestate string) (id trace.SpanID, ok bool) {
	if len(tracestate) > 4*maxTracestate {
		return id, false
	}
	for member := range strings.SplitSeq(tracestate, ",") {
		if value, found := strings.CutPrefix(strings.Trim(member, " \t"), stateKey); found {
			ok = len(value) == 16 && lowerHex(id[:], value) && id.IsValid()
			return id, ok
		}
	}
	return id, false
}
