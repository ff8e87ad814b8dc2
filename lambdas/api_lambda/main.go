// Command api_lambda is the thin API in front of the bus, and the sink behind it.
//
// It takes two kinds of input. A request of the REST API (payload format 1.0) is served by an [http.Handler]: POST
// /events accepts a request, puts it on the bus and answers 202; GET /subjects reads what was answered; GET /contracts
// and GET /openapi.json tell what may be asked. A batch of the responses queue holds events that services addressed to
// api.thin.lambda; each is kept under its subject.
//
// Both share one function so that there is one thin API to deploy, and they do not share concurrency: the queue's
// mapping has its own maximum, so clients that wait cannot keep responses from being stored for long.
//
// # Promises
//
// What is answered with 202 is stored and on the bus: state first, then publish, then the answer. A request that the
// bus refuses is answered 503. With an Idempotency-Key a retry finds the first request's subject; while that is
// pending its event is published once more, under the same id. Bad input is answered with problem+json that names the
// field, and leaves nothing behind.
//
// A request to a workflow (arvo.orc.fulfilment) is one like any other, and begins a process of its own: a client cannot
// have its answer sent to a subject of its choice by naming a parent.
//
// Every hosted contract is public: who may call this API may ask every service directly, also for the refund of any
// payment and the release of any reservation whose id is known, and ids are no secrets. That is on purpose, in a system to
// look into. Authorization is of two kinds, and neither is made here: the stage's (ApiAuth in template.yaml) decides who
// comes in at all; what somebody may do is for each service to decide, from the accesscontrol that a request carries to it,
// which a client writes and nobody here vouches for. Who needs services that only other services can ask leaves their
// contracts out of the list that this function is made with.
//
// A trace id that a client sends in traceparent is not adopted: it would let strangers write into traces. The trace is
// the one that the REST API began; its id is in the subject (meta.trace) and in every answer.
//
// # Environment
//
// BUS_NAME, RESPONSE_TABLE, and what every Lambda has.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/sdkhttp"
	"example.com/arvo/lambdas/services"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/telemetry"
)

// thinAPI is the source of accepted requests, and so the address of their answers.
const thinAPI = "api.thin.lambda"

// timeout is the function's, as template.yaml has it: how long a request with a key may be in flight.
const timeout = 15 * time.Second

func main() {
	slog.SetDefault(slog.New(telemetry.Logs(slog.NewJSONHandler(os.Stdout, nil))))
	h, err := setup(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("api_lambda cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(h)
}

// setup makes the function from its environment.
func setup(ctx context.Context, getenv func(string) string) (lambda.Handler, error) {
	bus, table := getenv("BUS_NAME"), getenv("RESPONSE_TABLE")
	for _, v := range []struct{ name, value string }{{"BUS_NAME", bus}, {"RESPONSE_TABLE", table}} {
		if v.value == "" {
			return nil, fmt.Errorf("%s is not set", v.name)
		}
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("AWS configuration: %w", err)
	}
	t, err := telemetry.Setup(ctx, telemetry.Config{Getenv: getenv, Contracts: services.Contracts()})
	if err != nil {
		return nil, err
	}
	cfg.HTTPClient = sdkhttp.Client(cfg.HTTPClient)
	t.AWS(&cfg)
	responses := store.NewResponses(dynamodb.NewFromConfig(cfg), table, time.Now)
	publisher := broker.NewPublisher(broker.PublisherConfig{Client: eventbridge.NewFromConfig(cfg), Bus: bus, Observer: t})
	f, err := newFunction(services.Contracts(), responses, publisher, sqs.NewFromConfig(cfg), t, consoleRegion(cfg))
	if err != nil {
		return nil, err
	}
	return t.Lambda(f), nil
}

// consoleRegion is the region whose console shows the traces: none does where AWS is stood in for (AWS_ENDPOINT_URL).
func consoleRegion(cfg aws.Config) string {
	if cfg.BaseEndpoint != nil {
		return ""
	}
	return cfg.Region
}

func newFunction(list []*arvo.Contract, responses *store.Responses, publisher *broker.Publisher, queue broker.QueueAPI, t *telemetry.Telemetry, region string) (*function, error) {
	contracts := map[string]*arvo.Contract{}
	for _, c := range list {
		contracts[c.Type()] = c
	}
	a := newAPI(api{contracts: contracts, responses: responses, publisher: publisher, telemetry: t, region: region, flight: timeout + time.Second})
	emitters, err := emittersOf(contracts)
	if err != nil {
		return nil, err
	}
	s := sink{responses: responses, telemetry: t, emitters: emitters}
	return &function{
		api:  t.HTTP(a),
		sink: broker.NewConsumer(broker.ConsumerConfig{Queue: queue, Handle: s.record, Around: t.Delivery}),
	}, nil
}

// function tells the two kinds of input apart.
type function struct {
	api  http.Handler
	sink *broker.Consumer
}

var _ lambda.Handler = (*function)(nil)

// Invoke implements [lambda.Handler].
func (f *function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	var in struct {
		proxyRequest
		events.SQSEvent
	}
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fmt.Errorf("api_lambda: the invocation is neither a REST API request nor an SQS batch: %w", err)
	}
	switch {
	case in.Records != nil:
		out, err := f.sink.Batch(ctx, in.SQSEvent)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	case in.HTTPMethod != "":
		return serveProxy(ctx, f.api, in.proxyRequest)
	}
	return nil, errors.New("api_lambda: the invocation is neither a REST API request nor an SQS batch")
}
