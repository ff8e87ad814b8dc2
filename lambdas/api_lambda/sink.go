package main

import (
	"context"
	"fmt"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
)

// sink keeps what services address to api.thin.lambda.
type sink struct {
	responses *store.Responses
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
	for _, c := range contracts {
		emitters[c.SystemErrorType()] = emitter{c.Type(), store.Failed}
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
				emitters[t] = emitter{c.Type(), outcome}
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
	_, err := s.responses.Record(ctx, store.Response{
		Event: ev, ReceivedAt: d.ReceivedAt, TraceID: traceOf(ev), Outcome: e.outcome, RequestType: e.contract,
	})
	return err
}

// traceOf is the trace that an event belongs to: the subject's, or, for a subject that names none, its own.
func traceOf(ev arvo.Event) string {
	if s, err := arvo.ParseSubject(ev.Subject); err == nil && s.Meta["trace"] != "" {
		return s.Meta["trace"]
	}
	return broker.TraceID(ev.Traceparent)
}
