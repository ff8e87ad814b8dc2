package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"example.com/arvo/telemetry/segment"
)

// answers is AWS that says the same to everybody, status by status.
type answers struct {
	status []int
	body   string
	err    error
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	status := a.status[0]
	if len(a.status) > 1 {
		a.status = a.status[1:]
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: r, Body: io.NopCloser(bytes.NewReader([]byte(a.body))), ContentLength: int64(len(a.body)),
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}, "X-Amzn-Requestid": {"REQ-1"}},
	}, nil
}

func TestACallOfAWSIsASubsegment(t *testing.T) {
	table, queue := aws.String("arvo-responses"), aws.String("https://sqs.us-east-1.amazonaws.com/000000000000/arvo-requests")
	key := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "the-payload"}}
	get := func(ctx context.Context, cfg aws.Config) error {
		_, err := dynamodb.NewFromConfig(cfg).GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key})
		return err
	}
	put := func(ctx context.Context, cfg aws.Config) error {
		_, err := dynamodb.NewFromConfig(cfg).PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("arn:aws:dynamodb:us-east-1:000000000000:table/arvo-responses"), Item: key})
		return err
	}
	transact := func(ctx context.Context, cfg aws.Config) error {
		_, err := dynamodb.NewFromConfig(cfg).TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: table, Item: key}}, {Put: &types.Put{TableName: table, Item: key}}, {Put: &types.Put{TableName: aws.String("other"), Item: key}},
		}})
		return err
	}
	const conditional = `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed"}`
	cancelled := func(codes ...string) string {
		return `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled","CancellationReasons":[{"Code":"` + strings.Join(codes, `"},{"Code":"`) + `"}]}`
	}
	for _, c := range []struct {
		name    string
		answers answers
		call    func(context.Context, aws.Config) error
		want    string // name, operation, tables or queue, status, request id
		flags   string
		retries int
	}{
		{"one that went well", answers{status: []int{200}, body: `{}`}, get, "DynamoDB GetItem arvo-responses 200 REQ-1", "---", 0},
		{"a table that is named by its ARN", answers{status: []int{200}, body: `{}`}, put, "DynamoDB PutItem arvo-responses 200 REQ-1", "---", 0},
		{"attempts are one call", answers{status: []int{500, 200}, body: `{}`}, get, "DynamoDB GetItem arvo-responses 200 REQ-1", "---", 1},
		{"a condition that does not hold is an answer", answers{status: []int{400}, body: conditional}, put, "DynamoDB PutItem arvo-responses 400 REQ-1", "---", 0},
		{"in a transaction as well", answers{status: []int{400}, body: cancelled("None", "ConditionalCheckFailed", "None")}, transact, "DynamoDB TransactWriteItems arvo-responses,other 400 REQ-1", "---", 0},
		{"a race of transactions is nobody's fault", answers{status: []int{400}, body: cancelled("TransactionConflict", "None", "None")}, transact, "DynamoDB TransactWriteItems arvo-responses,other 400 REQ-1", "et-", 0},
		{"throttling", answers{status: []int{400}, body: `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}`}, get, "DynamoDB GetItem arvo-responses 400 REQ-1", "et-", 1},
		{"the caller's mistake", answers{status: []int{400}, body: `{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}`}, get, "DynamoDB GetItem arvo-responses 400 REQ-1", "e--", 0},
		{"the service's failure", answers{status: []int{500}, body: `{"__type":"InternalServerError","message":"oops"}`}, get, "DynamoDB GetItem arvo-responses 500 REQ-1", "--f", 1},
		{"no answer", answers{err: errors.New("connection reset")}, get, "DynamoDB GetItem arvo-responses 0 ", "--f", 1},
		{"a queue", answers{status: []int{200}, body: `{}`}, func(ctx context.Context, cfg aws.Config) error {
			_, err := sqs.NewFromConfig(cfg).ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: queue, ReceiptHandle: aws.String("r"), VisibilityTimeout: 1})
			return err
		}, "SQS ChangeMessageVisibility arvo-requests 200 REQ-1", "---", 0},
		{"entries of PutEvents are the publisher's", answers{status: []int{200}, body: `{}`}, func(ctx context.Context, cfg aws.Config) error {
			_, err := eventbridge.NewFromConfig(cfg).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{Source: aws.String("s")}}})
			return err
		}, "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, sampled := range []bool{true, false} {
				w := newWorld(t, nil)
				answers := c.answers
				cfg := aws.Config{
					Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""), HTTPClient: &http.Client{Transport: &answers},
					Retryer: func() aws.Retryer {
						return retry.NewStandard(func(o *retry.StandardOptions) {
							o.MaxAttempts, o.MaxBackoff, o.RateLimiter = c.retries+1, time.Nanosecond, ratelimit.None
						})
					},
				}
				w.AWS(&cfg)
				header := theHeader
				if !sampled {
					header = strings.Replace(header, "Sampled=1", "Sampled=0", 1)
				}
				f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
					_ = c.call(ctx, cfg) // what becomes of it is the case
					return nil, nil
				}))
				if _, err := f.Invoke(invocationContext(t, header, time.Minute), nil); err != nil {
					t.Fatal(err)
				}
				docs := w.sent()
				if !sampled {
					if len(docs) > 0 {
						t.Errorf("not sampled, and sent: %s", outline(docs))
					}
					continue
				}
				calls := one(t, docs, "arvo-federated_handler").Subsegments
				if c.want == "" {
					if len(calls) > 0 {
						t.Errorf("sent: %s", outline(calls))
					}
					continue
				}
				d := calls[0]
				status := 0
				if d.HTTP != nil {
					status = d.HTTP.Response.Status
				}
				got := strings.Join([]string{d.Name, d.AWS.Operation, strings.Join(d.AWS.ResourceNames, ","), string(segment.Int(int64(status)).AppendJSON(nil)), d.AWS.RequestID}, " ")
				if got != c.want || flags(d) != c.flags || d.AWS.Retries != c.retries || d.Namespace != segment.NamespaceAWS || d.AWS.Region != "us-east-1" || len(calls) != 1 {
					t.Errorf("%s %s, %d retries: %+v", got, flags(d), d.AWS.Retries, d)
				}
				if (d.Cause != nil) != strings.ContainsAny(c.flags, "ef") {
					t.Errorf("cause %+v", d.Cause)
				}
				if strings.Contains(string(d.AppendJSON(nil)), "the-payload") {
					t.Error("an item has left")
				}
			}
		})
	}
}
