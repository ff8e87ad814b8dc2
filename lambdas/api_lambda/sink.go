package main

import (
	"context"
	"fmt"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/telemetry"
)

// sink keeps what services address to api.thin.lambda.
type sink struct {
	responses *store.Responses
	telemetry *telemetry.Telemetry
	emitters  map[string]emitter // by emitted type
}

// An emitter is the contract that emits a type, and what the type means to it.
type emitter struct {
	contract string // its type
	outcome  store.Status
}

// emittersOf indexes contracts by what they emit, their system errors included.
func emittersOf(contracts map[string]*arvo.Contract) (map[string]emitter, error) {
	emitters := map[string]emitter{}
	add := func(emitted string, e emitter) error {
		if other, ok := emitters[emitted]; ok && other != e {
			return fmt.Errorf("api_lambda: %s and %s both emit %s: whose request it completes is in doubt", other.contract, e.contract, emitted)
		}
		emitters[emitted] = e
		return nil
	}
	for _, c := range contracts {
		if err := add(c.SystemErrorType(), emitter{c.Type(), store.Failed}); err != nil {
			return nil, err
		}
		for _, number := range c.Versions() {
			version, err := c.Version(number)
			if err != nil {
				return nil, fmt.Errorf("api_lambda: %w", err)
			}
			for _, t := range version.EmitTypes() {
				outcome := store.Completed
				if c.IsProgress(t) {
					outcome = store.Pending
				}
				if err := add(t, emitter{c.Type(), outcome}); err != nil {
					return nil, err
				}
			}
		}
	}
	return emitters, nil
}

// record keeps one delivery. A duplicate is success.
func (s sink) record(ctx context.Context, d broker.Delivery) error {
	ev := d.Event
	if ev.To != thinAPI {
		return &arvo.Violation{Kind: arvo.KindConfig, Message: "an event that is not addressed to " + thinAPI + " came to its queue"}
	}
	e, known := s.emitters[ev.Type]
	if !known { // from a service that is not hosted here
		e.outcome = store.Completed
		if strings.HasPrefix(ev.Type, "sys.") && strings.HasSuffix(ev.Type, ".error") {
			e.outcome = store.Failed
		}
	}
	recording, err := s.responses.Record(ctx, store.Response{
		Event: ev, ReceivedAt: d.ReceivedAt, TraceID: traceOf(ev), Outcome: e.outcome, RequestType: e.contract,
	})
	switch {
	case err != nil:
		return err
	case recording.Duplicate:
		s.telemetry.Duplicate(ctx, ev)
	case recording.Ended:
		s.telemetry.Ended(ctx, ev, e.contract, e.outcome == store.Failed, recording.AcceptedAt)
	}
	return nil
}

// traceOf is the trace that an event belongs to: the subject's, or, for a subject that names none, its own.
func traceOf(ev arvo.Event) string {
	if s, err := arvo.ParseSubject(ev.Subject); err == nil && s.Meta["trace"] != "" {
		return s.Meta["trace"]
	}
	return broker.TraceID(ev.Traceparent)
}
