package telemetry

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// AWS decorates all clients that are made from the configuration: each call within a sampled span is a span, its attempts
// together. It knows DynamoDB's tables and SQS's queues. PutEvents is left out: each of its entries is a span of its own, see
// [Telemetry.Published].
func (t *Telemetry) AWS(cfg *aws.Config) {
	cfg.APIOptions = append(cfg.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(&tracedCall{t}, middleware.After)
	})
}

type tracedCall struct{ t *Telemetry }

// ID implements middleware.InitializeMiddleware.
func (*tracedCall) ID() string { return "ArvoTelemetry" }

// HandleInitialize implements middleware.InitializeMiddleware.
func (c *tracedCall) HandleInitialize(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (out middleware.InitializeOutput, metadata middleware.Metadata, err error) {
	service, operation := awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx)
	if !trace.SpanFromContext(ctx).IsRecording() || operation == "PutEvents" {
		return next.HandleInitialize(ctx, in)
	}
	ctx, span := c.t.tracer.Start(ctx, service+"."+operation, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	var room [12]attribute.KeyValue
	attributes := append(room[:0],
		keyAWSService.String(service), semconv.RPCSystemNameKey.String("aws-api"), semconv.RPCMethod(service+"/"+operation), semconv.CloudRegion(awsmiddleware.GetRegion(ctx)))
	attributes = appendTarget(attributes, in.Parameters)
	out, metadata, err = next.HandleInitialize(ctx, in)
	id, _ := awsmiddleware.GetRequestIDMetadata(metadata)
	status := 0
	if response, ok := awsmiddleware.GetRawResponse(metadata).(*smithyhttp.Response); ok && response != nil && response.Response != nil {
		status = response.StatusCode
	}
	if err != nil {
		var failed interface {
			error
			HTTPStatusCode() int
			ServiceRequestID() string
		}
		if errors.As(err, &failed) {
			id, status = failed.ServiceRequestID(), failed.HTTPStatusCode()
		}
	}
	if id != "" {
		attributes = append(attributes, semconv.AWSRequestID(clip(id, maxText)))
	}
	if status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(status))
	}
	if attempts, ok := retry.GetAttemptResults(metadata); ok && len(attempts.Results) > 1 {
		attributes = append(attributes, semconv.HTTPRequestResendCount(len(attempts.Results)-1))
	}
	if err != nil {
		if code, ok := expected(err); ok {
			attributes = append(attributes, keyExpectedError.String(code))
		} else {
			code, failure := blameCall(err, status)
			failWith(span, failure, code, err.Error())
		}
	}
	span.SetAttributes(attributes...)
	return out, metadata, err
}

// appendTarget names what a call is for.
func appendTarget(list []attribute.KeyValue, parameters any) []attribute.KeyValue {
	table := func(name *string) []attribute.KeyValue {
		return append(list, semconv.DBSystemNameAWSDynamoDB, semconv.AWSDynamoDBTableNames(lastPart(aws.ToString(name), '/')))
	}
	queue := func(url *string) []attribute.KeyValue {
		return append(list, semconv.AWSSQSQueueURL(clip(aws.ToString(url), maxText)))
	}
	switch in := parameters.(type) {
	case *dynamodb.GetItemInput:
		return table(in.TableName)
	case *dynamodb.PutItemInput:
		return table(in.TableName)
	case *dynamodb.UpdateItemInput:
		return table(in.TableName)
	case *dynamodb.DeleteItemInput:
		return table(in.TableName)
	case *dynamodb.QueryInput:
		return table(in.TableName)
	case *dynamodb.ScanInput:
		return table(in.TableName)
	case *dynamodb.TransactWriteItemsInput:
		return append(list, semconv.DBSystemNameAWSDynamoDB, semconv.AWSDynamoDBTableNames(tablesOf(in.TransactItems)...))
	case *sqs.SendMessageInput:
		return queue(in.QueueUrl)
	case *sqs.SendMessageBatchInput:
		return queue(in.QueueUrl)
	case *sqs.DeleteMessageInput:
		return queue(in.QueueUrl)
	case *sqs.ChangeMessageVisibilityInput:
		return queue(in.QueueUrl)
	case *sqs.ChangeMessageVisibilityBatchInput:
		return queue(in.QueueUrl)
	case *sqs.GetQueueUrlInput:
		return append(list, semconv.MessagingDestinationName(aws.ToString(in.QueueName)))
	}
	return list
}

// tablesOf lists the distinct tables of a transaction.
func tablesOf(items []types.TransactWriteItem) []string {
	var tables []string
	for _, i := range items {
		var name *string
		switch {
		case i.Put != nil:
			name = i.Put.TableName
		case i.Update != nil:
			name = i.Update.TableName
		case i.Delete != nil:
			name = i.Delete.TableName
		case i.ConditionCheck != nil:
			name = i.ConditionCheck.TableName
		}
		if table := lastPart(aws.ToString(name), '/'); table != "" && !slices.Contains(tables, table) {
			tables = append(tables, table)
		}
	}
	return tables
}

// expected tells of an error that it is the answer to a condition: what was to be written once is there already, or has
// changed. That is how duplicates are recognised and races decided, and no failure of anybody.
func expected(err error) (code string, ok bool) {
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		ok = len(cancelled.CancellationReasons) > 0
		for _, r := range cancelled.CancellationReasons {
			switch aws.ToString(r.Code) {
			case "None", "ConditionalCheckFailed", "":
			default:
				ok = false
			}
		}
		return cancelled.ErrorCode(), ok
	}
	var failed *types.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return failed.ErrorCode(), true
	}
	return "", false
}

// blameCall is the error's code, and whose failure it is: 4xx the caller's, 5xx and no answer the service's.
func blameCall(err error, status int) (code, failure string) {
	code, failure = errorType(err), failureFault
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	switch {
	case status == 429 || throttling(code) || code == "TransactionCanceledException":
		failure = failureThrottle
	case 400 <= status && status < 500, errors.Is(err, context.Canceled):
		failure = failureError
	}
	return code, failure
}

// throttling tells whether a code means that there were too many calls at a time. The SDK's list is
// retry.DefaultThrottleErrorCodes; those of races belong to it as well.
func throttling(code string) bool {
	_, listed := retry.DefaultThrottleErrorCodes[code]
	return listed || code == "TransactionConflictException" || strings.HasPrefix(code, "Throttl")
}
