// Command federated_handler hosts services and routes each event to the one that its "to" names.
//
// It takes batches of a queue that a rule of the bus fills, or one event as the bus wraps it, from a rule that has the
// function itself as its target or from a synchronous Invoke. Which services it hosts is a matter of deployment, not of
// code: HOSTED lists their sources. The same binary hosts all of them, or one alone.
//
// # Promises
//
// An event ends in the events that its service answers, in a system error event, or, after the queue's retries, in
// the dead-letter queue. What a service did is recorded before it is published ([store.Effects]), and ids of outputs are
// derived from the input, so a second delivery repeats no effect and publishes the same events.
//
// An event that comes without the queue (see [broker.Consumer.Invoke]) ends in the events that its service answers, in a
// system error event, or in the failure of the invocation: a synchronous caller is told of it, and after an asynchronous
// invocation Lambda tries twice more and then drops the event, or gives it to a destination that the function would need
// for that. Its outputs have the ids that they have after a delivery by the queue. A payload that is neither a batch nor an
// envelope fails, and nothing is done.
//
// An answer to a client (to = api.thin.lambda) gets the extension receivedat: epoch milliseconds at which this host took
// the input from its queue, or at which it was invoked with it. A client can then tell waiting from working without the trace.
//
// A workflow's step, the events that it sends included, is kept ([store.Workflows]) before anything is published. A
// delivery that comes again, after a crash in between or without one, publishes exactly the same events. A step that leaves
// a workflow with nothing to wake it is a warning in the log: nobody else would say that its client waits for ever.
//
// A system error is an answer, and a warning in the log: the type of the event that failed, and the error, in the trace of the subject.
//
// # Clock
//
// Every minute a rule sends the constant event arvo.clock.tick to the queue. Whoever takes it publishes, for each call of a
// workflow whose time is up, the system error with the name Timeout that its service might have answered
// ([arvo.Timeouts]). A call so times out between 0 and some 60 s after its deadline. A tick does as much as fits four fifths of
// its invocation, and the next one goes on.
//
// # Sandbox
//
// No payment provider, warehouse or carrier is behind the ports: the adapters of sandbox.go record on EffectTable what
// those would have done. Some inputs make them refuse; they are listed there.
//
// # Environment
//
// BUS_NAME, EFFECT_TABLE, WORKFLOW_TABLE, HOSTED (sources, separated by commas; empty or "all" for all), BATCH_PARALLELISM (subjects of
// a batch that are handled at a time; 10 when empty), and what every Lambda has.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/sdkhttp"
	"example.com/arvo/lambdas/services"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/telemetry"
)

func main() {
	slog.SetDefault(slog.New(telemetry.Logs(slog.NewJSONHandler(os.Stdout, nil))))
	consumer, t, err := setup(context.Background(), os.Getenv)
	if err != nil {
		slog.Error("federated_handler cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(t.Lambda(consumer))
}

// setup makes the function from its environment, and what makes it visible.
func setup(ctx context.Context, getenv func(string) string) (*broker.Consumer, *telemetry.Telemetry, error) {
	bus, effectTable, workflowTable := getenv("BUS_NAME"), getenv("EFFECT_TABLE"), getenv("WORKFLOW_TABLE")
	for _, v := range []struct{ name, value string }{{"BUS_NAME", bus}, {"EFFECT_TABLE", effectTable}, {"WORKFLOW_TABLE", workflowTable}} {
		if v.value == "" {
			return nil, nil, fmt.Errorf("%s is not set", v.name)
		}
	}
	parallelism, err := parallelismOf(getenv("BATCH_PARALLELISM"))
	if err != nil {
		return nil, nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("AWS configuration: %w", err)
	}
	t, err := telemetry.Setup(ctx, telemetry.Config{Getenv: getenv, Contracts: services.Contracts()})
	if err != nil {
		return nil, nil, err
	}
	cfg.HTTPClient = sdkhttp.Client(cfg.HTTPClient)
	t.AWS(&cfg)
	tables := dynamodb.NewFromConfig(cfg)
	workflows := store.NewWorkflows(tables, workflowTable, time.Now)
	handlers, err := host(getenv("HOSTED"), sandbox{store.NewEffects(tables, effectTable, time.Now)}, workflows, t)
	if err != nil {
		return nil, nil, err
	}
	publisher := broker.NewPublisher(broker.PublisherConfig{Client: eventbridge.NewFromConfig(cfg), Bus: bus, Observer: t})
	clock := clock{workflows: workflows, publisher: publisher, create: t.Create, now: time.Now}
	return broker.NewConsumer(broker.ConsumerConfig{
		Queue: sqs.NewFromConfig(cfg), Parallelism: parallelism,
		Handle: router{handlers: handlers, clock: clock, publisher: publisher, create: t.Create, log: slog.Default()}.handle,
		Around: t.Delivery,
	}), t, nil
}

func parallelismOf(s string) (int, error) {
	if s == "" {
		return 10, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("BATCH_PARALLELISM is %q; a whole number from 1 is due", s)
	}
	return n, nil
}
