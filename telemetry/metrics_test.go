package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"example.com/arvo/lambdas/broker"
	"example.com/arvo/telemetry"
)

// summary is what CloudWatch makes of a line: metrics with unit and value, under dimensions. It fails on a line that the
// format's specification refuses.
func summary(t *testing.T, m map[string]any) (dimensions string, metrics map[string]any) {
	t.Helper()
	aws, ok := m["_aws"].(map[string]any)
	if !ok {
		t.Fatalf("no metric line: %v", m)
	}
	if at, ok := aws["Timestamp"].(float64); !ok || time.Since(time.UnixMilli(int64(at))).Abs() > time.Minute {
		t.Errorf("timestamp %v", aws["Timestamp"])
	}
	directive := aws["CloudWatchMetrics"].([]any)[0].(map[string]any)
	if directive["Namespace"] != "Arvo" {
		t.Errorf("namespace %v", directive["Namespace"])
	}
	var values []string
	for _, name := range directive["Dimensions"].([]any)[0].([]any) {
		value, ok := m[name.(string)].(string)
		if !ok || value == "" {
			t.Errorf("the dimension %v is %v", name, m[name.(string)])
		}
		values = append(values, value)
	}
	metrics = make(map[string]any)
	for _, x := range directive["Metrics"].([]any) {
		metric := x.(map[string]any)
		name := metric["Name"].(string)
		value, ok := m[name].(float64)
		if !ok {
			t.Errorf("the metric %s is %v", name, m[name])
		}
		if metric["Unit"] == "Milliseconds" {
			value = -1 // it differs
		}
		metrics[name] = value
	}
	return strings.Join(values, " "), metrics
}

func TestMetrics(t *testing.T) {
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(newCharge(nil))
	ev := request(t, "e-1", `{"amount":1}`, true)
	unknown := request(t, "e-2", `{"amount":1}`, true)
	unknown.Type = "com.never.heard.of"
	for range 2 {
		if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", ev), record(t, "m-2", unknown))); err != nil {
			t.Fatal(err)
		}
	}
	f := h.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
		h.Accepted(ctx, ev)
		h.Duplicate(ctx, ev)
		answer := ev
		answer.Type = "evt.payment.charge.success"
		h.Ended(ctx, answer, "com.payment.charge", false, time.Now().Add(-time.Second))
		h.Ended(ctx, answer, "com.payment.charge", true, time.Time{})
		h.tell(ctx, broker.Entry{Event: ev, Started: time.Now(), Ended: time.Now(), Attempts: 2, Err: context.Canceled})
		return nil, nil
	}))
	if _, err := f.Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
		t.Fatal(err)
	}
	type row struct {
		Dimensions string
		Metrics    map[string]any
	}
	var got []row
	for _, m := range h.lines() {
		dimensions, metrics := summary(t, m)
		got = append(got, row{dimensions, metrics})
		if _, wait := m[telemetry.MetricQueueWait]; wait && (m["subject"] != "order-1" || m["event_id"] == nil || m["xray_trace_id"] != "1-6a0f0f0f-0123456789abcdef01234567") {
			t.Errorf("properties of %v", m)
		}
	}
	const service = "arvo-federated_handler "
	ms := -1.0
	want := []row{
		{service + "arvo-requests all all", map[string]any{"BatchSize": 2.0}},
		{service + "invocation all all", map[string]any{"ColdStarts": 1.0}},
		{service + "arvo-requests com.payment.charge ok", map[string]any{"HandlerDuration": ms, "QueueWait": ms}},
		{service + "arvo-requests other failed", map[string]any{"HandlerDuration": ms, "QueueWait": ms}},
		{service + "arvo-requests all all", map[string]any{"BatchSize": 2.0}},
		{service + "arvo-requests com.payment.charge ok", map[string]any{"HandlerDuration": ms, "QueueWait": ms}},
		{service + "arvo-requests other failed", map[string]any{"HandlerDuration": ms, "QueueWait": ms}},
		{service + "api com.payment.charge ok", map[string]any{"SubjectsAccepted": 1.0}},
		{service + "sink com.payment.charge ok", map[string]any{"Duplicates": 1.0}},
		{service + "sink com.payment.charge ok", map[string]any{"SubjectsCompleted": 1.0, "EndToEndLatency": ms}},
		{service + "sink com.payment.charge failed", map[string]any{"SubjectsFailed": 1.0}},
		{service + "bus com.payment.charge failed", map[string]any{"PublishRetries": 1.0}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if h.out.writes != 3 {
		t.Errorf("%d writes of three invocations", h.out.writes)
	}
}

func TestALogLineTellsItsTrace(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(telemetry.Logs(slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	h := &host{world: newWorld(t, nil)}
	h.service = h.Handler(newCharge(func(ctx context.Context, _ charge) error {
		log.InfoContext(ctx, "plain", "a", 1)
		log.With("b", 2).WithGroup("g").With("c", 3).InfoContext(ctx, "grouped", "d", 4)
		log.Info("without a context")
		log.InfoContext(ctx, "of another message", "xray_trace_id", "1-6a0f2222-0123456789abcdef01234567")
		return nil
	}))
	if _, err := h.function().Invoke(invocationContext(t, batchHeader, time.Minute), batch(t, record(t, "m-1", request(t, "e-1", `{"amount":1}`, true)))); err != nil {
		t.Fatal(err)
	}
	var service string
	for _, d := range h.sent() {
		for _, s := range d.Subsegments {
			if s.Name == "com.payment.charge" {
				service = s.ID.String()
			}
		}
	}
	var got []map[string]any
	for line := range strings.Lines(b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	trace := map[string]any{
		"level": "INFO", "trace_id": theTrace, "xray_trace_id": "1-6a0f0f0f-0123456789abcdef01234567", "span_id": service, "subject": "order-1", "event_id": "e-1",
	}
	with := func(more map[string]any) map[string]any {
		m := make(map[string]any)
		for _, from := range []map[string]any{trace, more} {
			for k, v := range from {
				m[k] = v
			}
		}
		return m
	}
	want := []map[string]any{
		with(map[string]any{"msg": "plain", "a": 1.0}),
		with(map[string]any{"msg": "grouped", "b": 2.0, "g": map[string]any{"c": 3.0, "d": 4.0}}),
		{"level": "INFO", "msg": "without a context"},
		{"level": "INFO", "msg": "of another message", "trace_id": "6a0f22220123456789abcdef01234567", "xray_trace_id": "1-6a0f2222-0123456789abcdef01234567"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A record may go to more than one handler: what one adds to it must not get into the other's.
func TestARecordIsLeftAsItIs(t *testing.T) {
	var b bytes.Buffer
	handler := telemetry.Logs(slog.NewJSONHandler(&b, nil))
	record := slog.NewRecord(time.Now(), slog.LevelInfo, "m", 0)
	for i := range 10 { // more than a record holds itself: the rest is in a list that copies of it share
		record.Add(fmt.Sprint("k", i), i)
	}
	for _, id := range []string{"1111111111111111", "2222222222222222"} {
		span, err := trace.SpanIDFromHex(id)
		if err != nil {
			t.Fatal(err)
		}
		b.Reset()
		ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: span}))
		if err := handler.Handle(ctx, record); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "!BUG") || !strings.Contains(b.String(), id) {
			t.Errorf("span %s: %s", id, b.String())
		}
	}
}
