package broker

import (
	"strings"

	"github.com/aws/aws-xray-sdk-go/header"
)

// TraceHeader translates a W3C traceparent into X-Ray's trace header, "Root=1-8hex-24hex;Parent=16hex;Sampled=0|1".
// It returns "" when traceparent is none: a trace that cannot be named is not passed on.
//
// Source: https://www.w3.org/TR/trace-context/#traceparent-header and the X-Ray guide, "Tracing header".
func TraceHeader(traceparent string) string {
	// 2 version - 32 trace id - 16 parent id - 2 flags [- more, in versions after 00]
	if len(traceparent) < 55 || traceparent[2] != '-' || traceparent[35] != '-' || traceparent[52] != '-' || traceparent[:2] == "ff" {
		return ""
	}
	if len(traceparent) > 55 && (traceparent[:2] == "00" || traceparent[55] != '-') {
		return ""
	}
	version, trace, parent, flags := traceparent[:2], traceparent[3:35], traceparent[36:52], traceparent[53:55]
	if !lowerHex(version) || !lowerHex(trace) || !lowerHex(parent) || !lowerHex(flags) || zero(trace) || zero(parent) {
		return ""
	}
	decision := header.NotSampled
	if strings.IndexByte("13579bdf", flags[1]) >= 0 {
		decision = header.Sampled
	}
	h := header.Header{TraceID: "1-" + trace[:8] + "-" + trace[8:], ParentID: parent, SamplingDecision: decision}
	return h.String()
}

// Traceparent translates X-Ray's trace header into a W3C traceparent; "" when Root or Parent is missing or wrong.
// A decision that is still open ("Sampled=?") or absent counts as not sampled.
func Traceparent(traceHeader string) string {
	h := header.FromString(traceHeader)
	root := h.TraceID // 1-8hex-24hex
	if len(root) != 35 || root[:2] != "1-" || root[10] != '-' || len(h.ParentID) != 16 {
		return ""
	}
	trace := root[2:10] + root[11:]
	if !lowerHex(trace) || !lowerHex(h.ParentID) || zero(trace) || zero(h.ParentID) {
		return ""
	}
	flags := "00"
	if h.SamplingDecision == header.Sampled {
		flags = "01"
	}
	return "00-" + trace + "-" + h.ParentID + "-" + flags
}

// TraceID returns the trace id in X-Ray's form, 1-8hex-24hex, of a traceparent; "" when it is none.
func TraceID(traceparent string) string {
	if TraceHeader(traceparent) == "" {
		return ""
	}
	return "1-" + traceparent[3:11] + "-" + traceparent[11:35]
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func zero(hex string) bool { return strings.Trim(hex, "0") == "" }
