package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/services"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/lambdas/store/storetest"
)

// An instant transport is AWS without a network: what is left is this process's own work, the SDK's included.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	body := `{}`
	if r.Header.Get("X-Amz-Target") == "AWSEvents.PutEvents" {
		body = `{"FailedEntryCount":0,"Entries":[{"EventId":"7bf73129-1428-4cd3-a780-95db273d1602"}]}`
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Request: r,
		Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)),
	}, nil
}

func instantFunction(b *testing.B) *function {
	who, client := credentials.NewStaticCredentialsProvider("any", "any", ""), &http.Client{Transport: instant{}}
	table := dynamodb.New(dynamodb.Options{Region: "us-east-1", HTTPClient: client, Credentials: who})
	bus := eventbridge.New(eventbridge.Options{Region: "us-east-1", HTTPClient: client, Credentials: who})
	f, err := newFunction(services.Contracts(), store.NewResponses(table, storetest.ResponseTable, time.Now),
		broker.NewPublisher(broker.PublisherConfig{Client: bus, Bus: "arvo"}), noQueue{}, silent(b), "us-east-1")
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkPost is one accepted request: a put on DynamoDB and one on EventBridge, without their time.
func BenchmarkPost(b *testing.B) {
	f, payload := instantFunction(b), requestJSON(b)
	ctx, cancel := context.WithTimeout(traced(b), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if out, err := f.Invoke(ctx, payload); err != nil || !bytes.Contains(out, []byte(`"statusCode":202`)) {
			b.Fatal(string(out), err)
		}
	}
}

// BenchmarkEvent is the part of [BenchmarkPost] that is this folder's and package arvo's own: from the body to the event.
func BenchmarkEvent(b *testing.B) {
	a, ctx := instantFunction(b).api.(*api), traced(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.event(ctx, []byte(charge)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSink is one response of a batch of ten: two writes on DynamoDB, without their time.
func BenchmarkSink(b *testing.B) {
	f := instantFunction(b)
	var batch events.SQSEvent
	for i := range 10 {
		request := arvo.Event{To: "com.payment.charge", Subject: fmt.Sprint("order-", i)}
		batch.Records = append(batch.Records, message(b, fmt.Sprint(i), answerTo(b, request, "evt.payment.charge.success", "e", nil)))
	}
	payload, err := json.Marshal(batch)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%10 > 0 { // an operation is one response
			continue
		}
		if out, err := f.Invoke(ctx, payload); err != nil || bytes.Contains(out, []byte("itemIdentifier")) {
			b.Fatal(string(out), err)
		}
	}
}
