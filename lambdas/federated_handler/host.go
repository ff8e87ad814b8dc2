package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/services/inventory"
	"example.com/arvo/lambdas/services/payment"
	"example.com/arvo/lambdas/services/shipping"
	"example.com/arvo/lambdas/services/workload"
)

// thinAPI is the address of the clients.
const thinAPI = "api.thin.lambda"

// host makes the services that hosted names, by their source.
func host(hosted string, world sandbox) (map[string]arvo.Handler, error) {
	all := map[string]arvo.Handler{}
	for _, made := range []func() (*arvo.Service, error){
		func() (*arvo.Service, error) { return payment.NewCharge(world) },
		func() (*arvo.Service, error) { return payment.NewRefund(world) },
		func() (*arvo.Service, error) { return inventory.NewReserve(world) },
		func() (*arvo.Service, error) { return inventory.NewRelease(world) },
		func() (*arvo.Service, error) { return shipping.NewBook(world) },
		func() (*arvo.Service, error) { return workload.NewSimulate(workload.Host{}) },
	} {
		service, err := made()
		if err != nil {
			return nil, err
		}
		all[service.Source()] = service
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

// A router hands each event to the service that it is addressed to, and publishes what the service answers.
type router struct {
	handlers  map[string]arvo.Handler
	publisher *broker.Publisher
}

func (r router) handle(ctx context.Context, d broker.Delivery) error {
	handler, ok := r.handlers[d.Event.To]
	if !ok {
		return &arvo.Violation{Kind: arvo.KindConfig, Message: fmt.Sprintf("no service %q is hosted here", d.Event.To)}
	}
	out, err := handler.Handle(ctx, d.Event)
	if err != nil {
		return err
	}
	for i, ev := range out {
		if ev.Traceparent == "" { // the trace goes on, also where nobody makes spans
			ev = ev.WithTrace(d.Event.Traceparent, d.Event.Tracestate)
		}
		if ev.To == thinAPI {
			if ev, err = ev.WithExtension("receivedat", d.ReceivedAt.UnixMilli()); err != nil {
				return err
			}
		}
		out[i] = ev
	}
	return r.publisher.Publish(ctx, out...)
}
