package telemetry_test

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/telemetry"
)

// A function that hosts one service, all of it. Each border has its decorator; the service knows of none.
func Example() {
	slog.SetDefault(slog.New(telemetry.Logs(slog.NewJSONHandler(os.Stdout, nil))))
	ctx := context.Background()
	t, err := telemetry.Setup(ctx, telemetry.Config{Contracts: []*arvo.Contract{chargeContract}})
	if err != nil {
		panic(err)
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		panic(err)
	}
	t.AWS(&cfg) // before any client is made
	publisher := broker.NewPublisher(broker.PublisherConfig{Client: eventbridge.NewFromConfig(cfg), Bus: os.Getenv("BUS_NAME"), Observer: t})
	service := t.Handler(newCharge(nil))
	consumer := broker.NewConsumer(broker.ConsumerConfig{
		Queue: sqs.NewFromConfig(cfg),
		Handle: func(ctx context.Context, d broker.Delivery) error {
			out, err := service.Handle(ctx, d.Event)
			if err != nil {
				return err
			}
			return publisher.Publish(ctx, out...)
		},
		Around: t.Delivery,
	})
	lambda.Start(t.Lambda(consumer))
}
