package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"example.com/arvo/lambdas/arvo/arvotest"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

// An instant transport is AWS without a network: what is left is this process's own work, the SDK's included.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	var in struct{ Entries []json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	body := []byte(`{}`)
	if n := len(in.Entries); n > 0 {
		entry := []byte(`{"EventId":"7bf73129-1428-4cd3-a780-95db273d1602"}`)
		body = fmt.Appendf(nil, `{"FailedEntryCount":0,"Entries":[%s]}`, bytes.Join(bytes.SplitAfterN(bytes.Repeat(entry, n), []byte("}"), n), []byte(",")))
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// BenchmarkBatch is one request of a batch of ten, from the invocation's JSON to its answer's: for a charge an effect
// on DynamoDB and an event on EventBridge, for a simulation the event alone, both without AWS's time.
func BenchmarkBatch(b *testing.B) {
	for _, c := range []struct{ typ, data string }{
		{"com.workload.simulate", `{}`},
		{"com.payment.charge", `{"order_id":"o-1","amount":1999,"currency":"EUR","method":"pm_ok"}`},
	} {
		b.Run(c.typ, func(b *testing.B) {
			who, client := credentials.NewStaticCredentialsProvider("any", "any", ""), &http.Client{Transport: instant{}}
			table := dynamodb.New(dynamodb.Options{Region: "us-east-1", HTTPClient: client, Credentials: who})
			bus := eventbridge.New(eventbridge.Options{Region: "us-east-1", HTTPClient: client, Credentials: who})
			handlers, err := host("all", sandbox{store.NewEffects(table, storetest.EffectTable, time.Now)}, arvotest.NewMemory(), silent(b))
			if err != nil {
				b.Fatal(err)
			}
			publisher := broker.NewPublisher(broker.PublisherConfig{Client: bus, Bus: "arvo"})
			consumer := broker.NewConsumer(broker.ConsumerConfig{Queue: noQueue{}, Handle: router{handlers: handlers, publisher: publisher, create: silent(b).Create, log: slog.New(slog.DiscardHandler)}.handle})
			var batch events.SQSEvent
			for i := range 10 {
				ev := request(b, c.typ, fmt.Sprint("e", i), c.data)
				ev.Subject = fmt.Sprint("order-", i)
				batch.Records = append(batch.Records, message(b, fmt.Sprint(i), ev))
			}
			payload, err := json.Marshal(batch)
			if err != nil {
				b.Fatal(err)
			}
			function := lambda.NewHandler(consumer.Batch)
			ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
			defer cancel()
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%10 > 0 { // an operation is one request
					continue
				}
				if out, err := function.Invoke(ctx, payload); err != nil || bytes.Contains(out, []byte("itemIdentifier")) {
					b.Fatal(string(out), err)
				}
			}
		})
	}
}
