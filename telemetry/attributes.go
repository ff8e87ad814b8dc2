package telemetry

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"example.com/arvo/telemetry/segment"
)

// Attributes of Arvo; the names are those that other Arvo implementations write. All others are of the semantic conventions.
const (
	keySpanKind       = attribute.Key("arvo.span.kind")
	keyOpenInference  = attribute.Key("openinference.span.kind")
	keyHandlerSource  = attribute.Key("arvo.handler.source")
	keyContractURI    = attribute.Key("arvo.contract.uri")
	keyExecutionType  = attribute.Key("arvo.handler.execution.type")
	keyExecutionState = attribute.Key("arvo.handler.execution.status")
	keyWorkflowStatus = attribute.Key("arvo.orchestration.status")
	keySubjectName    = attribute.Key("arvo.parsed.subject.orchestrator.name")
	keySubjectVersion = attribute.Key("arvo.parsed.subject.orchestrator.version")
)

// Attributes that are this package's own.
const (
	keyOutcome        = attribute.Key("arvo.outcome")
	keyFailure        = attribute.Key("arvo.failure") // who is to blame; see failure
	keyClientTrace    = attribute.Key("arvo.client.trace_id")
	keyMessageHandler = attribute.Key("arvo.message.handler") // the source of the service that took a message
	keyReceives       = attribute.Key("arvo.message.receives")
	keyFirstReceived  = attribute.Key("arvo.message.first_received_at")
	keyBeginUnknown   = attribute.Key("arvo.bus.begin_unknown") // the bus took the event at its start, or before
	keyEnvelopeID     = attribute.Key("arvo.envelope.id")
	keyAWSService     = attribute.Key("arvo.aws.service")
	keyExpectedError  = attribute.Key("arvo.aws.expected_error")
	keyQueueARN       = attribute.Key("arvo.queue.arn")
)

// messagingEventBridge is the messaging.system of a bus; the conventions register none.
var messagingEventBridge = semconv.MessagingSystemKey.String("aws_eventbridge")

// A failure says who is to blame, in X-Ray's terms; it is the value of keyFailure. A span with an error and without the
// attribute is a fault.
const (
	failureError    = "error"    // whoever asked
	failureThrottle = "throttle" // nobody: too many at a time
	failureFault    = "fault"    // whoever was asked
)

// Prefixes of the attributes of a handler's events, consumed and produced. They are for OTLP: a segment of X-Ray has the
// few of them that it is found by as annotations.
const (
	prefixConsumed = "consumable."
	prefixProduced = "emittables."
)

// toXRay says what becomes of an attribute in a segment document: a member of its own; nil: nothing. All others are
// metadata, in the namespace "otel". Annotations are in [annotationOf].
var toXRay = map[attribute.Key]func(*segment.Document, attribute.Value){
	semconv.RPCMethodKey: func(d *segment.Document, v attribute.Value) {
		_, operation, _ := strings.Cut(v.AsString(), "/")
		awsOf(d).Operation = operation
	},
	semconv.CloudRegionKey:  func(d *segment.Document, v attribute.Value) { awsOf(d).Region = v.AsString() },
	semconv.AWSRequestIDKey: func(d *segment.Document, v attribute.Value) { awsOf(d).RequestID = v.AsString() },
	semconv.AWSDynamoDBTableNamesKey: func(d *segment.Document, v attribute.Value) {
		a := awsOf(d)
		if a.ResourceNames = v.AsStringSlice(); len(a.ResourceNames) == 1 {
			a.TableName = a.ResourceNames[0]
		}
	},
	semconv.AWSSQSQueueURLKey: func(d *segment.Document, v attribute.Value) {
		a := awsOf(d)
		a.QueueURL = v.AsString()
		a.ResourceNames = []string{a.QueueURL[strings.LastIndexByte(a.QueueURL, '/')+1:]}
	},
	semconv.HTTPRequestResendCountKey: func(d *segment.Document, v attribute.Value) { awsOf(d).Retries = int(v.AsInt64()) },
	semconv.HTTPRequestMethodKey:      func(d *segment.Document, v attribute.Value) { httpOf(d).Request.Method = v.AsString() },
	semconv.HTTPRouteKey:              func(d *segment.Document, v attribute.Value) { httpOf(d).Request.URL = v.AsString() },
	semconv.HTTPResponseStatusCodeKey: func(d *segment.Document, v attribute.Value) { httpOf(d).Response.Status = int(v.AsInt64()) },
	keyQueueARN:                       func(d *segment.Document, v attribute.Value) { d.ResourceARN = v.AsString() },

	// What the document says already, by its kind, name, flags or cause.
	semconv.RPCSystemNameKey: nil, keyAWSService: nil, keyHandlerSource: nil, keyMessageHandler: nil, keyFailure: nil, keyOpenInference: nil, keySpanKind: nil,
	semconv.ExceptionTypeKey: nil, semconv.ExceptionMessageKey: nil, semconv.ExceptionStacktraceKey: nil, semconv.ErrorTypeKey: nil,
	semconv.MessagingSystemKey: nil, semconv.MessagingOperationNameKey: nil, semconv.MessagingOperationTypeKey: nil,
	semconv.MessagingDestinationNameKey: nil, semconv.DBSystemNameKey: nil, semconv.AWSLambdaInvokedARNKey: nil,
	semconv.CloudEventsEventSubjectKey: nil, keyOutcome: nil, keyClientTrace: nil, keyExecutionType: nil, keyExecutionState: nil,
	keySubjectName: nil, keySubjectVersion: nil,
}

// annotationOf are the annotations of a local root or a message, by which traces are found. There are no others: X-Ray indexes fifty in a
// trace. Payloads, access control and idempotency keys are never attributes of a span, and so none of an annotation.
var annotationOf = map[attribute.Key]string{
	semconv.CloudEventsEventSubjectKey: "subject",
	semconv.CloudEventsEventTypeKey:    "event_type",
	keyMessageHandler:                  "handler",
	keyOutcome:                         "outcome",
	keyClientTrace:                     "client_trace_id",
}

func awsOf(d *segment.Document) *segment.AWS {
	if d.AWS == nil {
		d.AWS = new(segment.AWS)
	}
	return d.AWS
}

func httpOf(d *segment.Document) *segment.HTTP {
	if d.HTTP == nil {
		d.HTTP = new(segment.HTTP)
	}
	return d.HTTP
}
