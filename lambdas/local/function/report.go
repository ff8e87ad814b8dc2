package function

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"example.com/arvo/lambdas/local/function/traceheader"
)

// The platform's own log lines. JSON records have the shapes of the Telemetry API; which of them appear is what Lambda's
// system log level INFO lets through. Source: "Lambda Telemetry API Event schema reference" in the developer guide.

type record struct {
	Time   string `json:"time"`
	Type   string `json:"type"`
	Record any    `json:"record"`
}

type tracing struct {
	SpanID string `json:"spanId"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

func (inv *invocation) tracing() *tracing {
	if inv.segmentID == "" {
		return nil
	}
	return &tracing{SpanID: inv.trace.Parent, Type: "X-Amzn-Trace-Id", Value: inv.trace.String()}
}

type startRecord struct {
	RequestID string   `json:"requestId"`
	Version   string   `json:"version"`
	Tracing   *tracing `json:"tracing,omitempty"`
}

type reportRecord struct {
	RequestID string   `json:"requestId"`
	Metrics   metrics  `json:"metrics"`
	Tracing   *tracing `json:"tracing,omitempty"`
	Status    string   `json:"status"`
	ErrorType string   `json:"errorType,omitempty"`
}

type metrics struct {
	Duration     float64 `json:"durationMs"`
	Billed       int64   `json:"billedDurationMs"`
	MemorySize   int     `json:"memorySizeMB"`
	MaxMemory    int     `json:"maxMemoryUsedMB"`
	InitDuration float64 `json:"initDurationMs,omitempty"`
}

type initReportRecord struct {
	InitializationType string `json:"initializationType"`
	Phase              string `json:"phase"`
	Status             string `json:"status"`
	ErrorType          string `json:"errorType,omitempty"`
	Metrics            struct {
		Duration float64 `json:"durationMs"`
	} `json:"metrics"`
}

const isoMillis = "2006-01-02T15:04:05.000Z"

// platform adds one of the platform's lines.
func (s *Service) platform(g *group, stream, requestID string, now time.Time, message string) {
	s.logs.append(g, Line{Time: now, Stream: stream, RequestID: requestID, Message: message, Platform: true})
}

func (s *Service) platformJSON(g *group, stream, requestID string, now time.Time, typ string, rec any) []byte {
	b, err := json.Marshal(record{now.UTC().Format(isoMillis), typ, rec})
	if err != nil {
		b = fmt.Appendf(nil, `{"type":%q}`, typ) // no NaN can get here, and everything else encodes
	}
	s.platform(g, stream, requestID, now, string(b))
	return b
}

func (s *Service) logStart(g *group, inv *invocation) {
	inv.group = g
	if inv.settings.LogFormat == "JSON" {
		inv.tail.add(s.platformJSON(g, inv.stream, inv.id, inv.started, "platform.start", startRecord{inv.id, "$LATEST", inv.tracing()}))
		return
	}
	line := "START RequestId: " + inv.id + " Version: $LATEST"
	inv.tail.add([]byte(line))
	s.platform(g, inv.stream, inv.id, inv.started, line)
}

func (s *Service) logEnd(inv *invocation, duration time.Duration, memory int) {
	now := inv.started.Add(duration)
	status := "success"
	switch {
	case inv.result.ErrorType == "Sandbox.Timedout":
		status = "timeout"
	case strings.HasPrefix(inv.result.ErrorType, "Runtime.") && !inv.responded:
		status = "failure" // the runtime's, against the function's own error
	case inv.result.FunctionError != "":
		status = "error"
	}
	m := metrics{
		Duration:     milliseconds(duration),
		Billed:       billed(inv, duration).Milliseconds(),
		MemorySize:   inv.settings.MemoryMB,
		MaxMemory:    memory,
		InitDuration: milliseconds(inv.initDuration),
	}
	if inv.settings.LogFormat == "JSON" {
		rec := reportRecord{RequestID: inv.id, Metrics: m, Tracing: inv.tracing(), Status: status}
		if status != "success" {
			rec.ErrorType = inv.result.ErrorType
		}
		inv.tail.add(s.platformJSON(inv.group, inv.stream, inv.id, now, "platform.report", rec))
		return
	}
	add := func(line string) {
		inv.tail.add([]byte(line))
		s.platform(inv.group, inv.stream, inv.id, now, line)
	}
	switch status {
	case "timeout":
		add(fmt.Sprintf("%s %s Task timed out after %.2f seconds", now.UTC().Format(isoMillis), inv.id, inv.settings.Timeout.Seconds()))
	case "failure":
		var e struct{ ErrorMessage string }
		if json.Unmarshal(inv.result.Payload, &e) == nil && e.ErrorMessage != "" {
			add(e.ErrorMessage)
		}
		add(inv.result.ErrorType)
	}
	add("END RequestId: " + inv.id)
	b := fmt.Appendf(make([]byte, 0, 256), "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t", inv.id, m.Duration, m.Billed, m.MemorySize, m.MaxMemory)
	if m.InitDuration > 0 {
		b = fmt.Appendf(b, "Init Duration: %.2f ms\t", m.InitDuration)
	}
	if status != "success" && status != "error" {
		b = fmt.Appendf(b, "Status: %s\t", status)
	}
	if status == "failure" {
		b = fmt.Appendf(b, "Error Type: %s\t", inv.result.ErrorType)
	}
	if inv.segmentID != "" {
		b = fmt.Appendf(b, "XRAY TraceId: %s\tSegmentId: %s\tSampled: %t\t", inv.trace.Root, inv.segmentID, inv.trace.Decision == traceheader.Sampled)
	}
	add(string(b))
}

// reportInit says that an INIT phase failed; one that went well shows in its invocation's report.
func (s *Service) reportInit(g *group, set *settings, stream string, duration time.Duration, phase string, failed initFailure) {
	if s.options.InitFailed != nil {
		s.options.InitFailed(set.Name, s.initError(set, stream, failed))
	}
	status := "error"
	if failed.timedOut {
		status = "timeout"
	}
	if set.LogFormat == "JSON" {
		rec := initReportRecord{InitializationType: "on-demand", Phase: phase, Status: status, ErrorType: failed.errorType}
		rec.Metrics.Duration = milliseconds(duration)
		s.platformJSON(g, stream, "", time.Now(), "platform.initReport", rec)
		return
	}
	line := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: %s\tStatus: %s", milliseconds(duration), phase, status)
	if !failed.timedOut {
		line += "\tError Type: " + failed.errorType
	}
	s.platform(g, stream, "", time.Now(), line)
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}

// newStream names the log stream of a new environment.
func (s *Service) newStream() string {
	b := append([]byte(time.Now().UTC().Format("2006/01/02/")), "[$LATEST]"...)
	b = appendHex(b, s.options.Random(), 16)
	return string(appendHex(b, s.options.Random(), 16))
}

// tailSize is how much of its log an invocation returns on request.
const tailSize = 4 << 10

// A tail keeps the last lines of an invocation's log. A nil tail keeps nothing. Its environment's lock order guards it:
// lines come from one invocation only, one after the other.
type tail struct{ buf []byte }

func (t *tail) add(line []byte) {
	if t == nil {
		return
	}
	t.buf = append(append(t.buf, line...), '\n')
	if extra := len(t.buf) - 2*tailSize; extra > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[len(t.buf)-tailSize:])]
	}
}

func (t *tail) bytes() []byte { return t.buf[max(0, len(t.buf)-tailSize):] }
