package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/services/fulfilment"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/workload"
	"example.com/arvo/telemetry"
)

// thinAPI is the address of the clients.
const thinAPI = "api.thin.lambda"

// A workflow is the constructor of one: it is hosted in no other way, so that none misses what the host adds.
type workflow func(memory arvo.Memory, options ...arvo.ResumableOption) (*arvo.Resumable, error)

// on makes the workflow on a memory that warns, and with the host's stamps, which have to be kept with a step: a delivery
// that comes again would go on in another trace otherwise.
func (w workflow) on(memory arvo.Memory, create create) (*arvo.Resumable, error) {
	return w(watched{memory, slog.Default()}, arvo.Stamp(create.stamp))
}

// host makes the services that hosted names, by their source, each visible to telemetry.
func host(hosted string, world sandbox, memory arvo.Memory, t *telemetry.Telemetry) (map[string]arvo.Handler, error) {
	services := []func() (*arvo.Service, error){
		func() (*arvo.Service, error) { return inventory.NewRelease(world) },
		func() (*arvo.Service, error) { return inventory.NewReserve(world) },
		func() (*arvo.Service, error) { return payment.NewCharge(world) },
		func() (*arvo.Service, error) { return payment.NewRefund(world) },
		func() (*arvo.Service, error) { return shipping.NewBook(world) },
		func() (*arvo.Service, error) { return workload.NewSimulate(workload.Host{}) },
	}
	workflows := []workflow{
		fulfilment.NewFulfilment,
	}
	all := map[string]arvo.Handler{}
	for _, made := range services {
		service, err := made()
		if err != nil {
			return nil, err
		}
		all[service.Source()] = t.Handler(service)
	}
	for _, made := range workflows {
		workflow, err := made.on(memory, t.Create)
		if err != nil {
			return nil, err
		}
		all[workflow.Source()] = t.Handler(workflow)
	}
	if hosted == "" || hosted == "all" {
		return all, nil
	}
	chosen := map[string]arvo.Handler{}
	for source := range strings.SplitSeq(hosted, ",") {
		source = strings.TrimSpace(source)
		handler, ok := all[source]
		if !ok {
			return nil, fmt.Errorf("HOSTED names %q; there are %s", source, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		}
		chosen[source] = handler
	}
	return chosen, nil
}

// A watched memory warns of a workflow that a step leaves active and without a call to await: no answer and no timeout will
// wake it, so whoever began it waits for ever, and nothing else would say so.
type watched struct {
	arvo.Memory
	log *slog.Logger
}

// Commit implements [arvo.Memory].
func (m watched) Commit(ctx context.Context, subject string, w arvo.Workflow, r arvo.Record) error {
	err := m.Memory.Commit(ctx, subject, w, r)
	if err == nil && w.Idle() {
		m.log.WarnContext(ctx, "a workflow is active and awaits nothing: after this event it has neither made a call nor completed",
			"workflow", r.Input.To, "subject", subject, "type", r.Input.Type, "source", r.Input.Source, "id", r.Input.ID)
	}
	return err
}

// A router hands each event to the service that it is addressed to, and publishes what the service answers.
type router struct {
	handlers  map[string]arvo.Handler
	clock     clock
	publisher *broker.Publisher
	create    create
	log       *slog.Logger
}

func (r router) handle(ctx context.Context, d broker.Delivery) error {
	if d.Event.To == tick {
		return r.clock.tick(ctx)
	}
	handler, ok := r.handlers[d.Event.To]
	if !ok {
		return &arvo.Violation{Kind: arvo.KindConfig, Message: fmt.Sprintf("no service %q is hosted here", d.Event.To)}
	}
	ctx = context.WithValue(ctx, receivedAt{}, d.ReceivedAt)
	out, err := handler.Handle(ctx, d.Event)
	if err != nil {
		return err
	}
	for i, ev := range out {
		r.warn(ctx, d.Event, ev)
		out[i] = r.create.stamp(ctx, d.Event, ev)
	}
	return r.publisher.Publish(ctx, out...)
}

// warn says that a service has answered with a system error. To the queue that is a success, so nobody else would. The text is the
// service's own, which the answer has as well; of the input there is nothing but its type and who sent it. A delivery that comes again
// says it again.
func (r router) warn(ctx context.Context, cause, out arvo.Event) {
	if !strings.HasPrefix(out.Type, "sys.") || !strings.HasSuffix(out.Type, ".error") {
		return
	}
	var failure struct {
		Name    string `json:"errorName"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(out.Data, &failure); err != nil { // of no handler that is hosted here
		failure.Name, failure.Message = "", "the system error's data is none"
	}
	const most = 1000 // bytes of either: an event holds far more than a line should
	r.log.WarnContext(ctx, "a service failed and answered with a system error", "service", cause.To, "type", cause.Type,
		"source", cause.Source, "answer", out.Type, "error_name", clip(failure.Name, most), "error", clip(failure.Message, most))
}

// clip cuts a text to at most that many bytes, and no character in two.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// receivedAt is the key of the time.Time, in the context of a handler, at which its input was taken from the queue.
type receivedAt struct{}

// A create names the span that is to send an event, in the event: [telemetry.Telemetry.Create].
type create func(ctx context.Context, ev arvo.Event) arvo.Event

// stamp adds to an output what the host has to say of it: the trace goes on, and an answer to a client tells when its cause
// was received. A workflow stamps its outputs before it keeps them, so that a second delivery publishes the events of the
// first; what is there stays as it is.
func (c create) stamp(ctx context.Context, cause, out arvo.Event) arvo.Event {
	if out.Traceparent == "" {
		out = c(ctx, out)
	}
	if out.Traceparent == "" { // there is no span: nobody but the event knows its trace
		out = out.WithTrace(cause.Traceparent, cause.Tracestate)
	}
	at, ok := ctx.Value(receivedAt{}).(time.Time)
	if _, stamped := out.Extension("receivedat"); !ok || stamped || out.To != thinAPI {
		return out
	}
	stamped, err := out.WithExtension("receivedat", at.UnixMilli())
	if err != nil { // not of a number under this name
		return out
	}
	return stamped
}
