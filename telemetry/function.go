package telemetry

import (
	"strconv"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"example.com/arvo/telemetry/segment"
)

// A function is who sends: the Lambda function, as its environment names it.
type function struct {
	name     string // of the node on the trace map
	service  string // service.name, and the dimension Service
	region   string
	logGroup string
	version  *segment.Service
	otel     *resource.Resource

	aws atomic.Pointer[segment.AWS] // of the segments; with the ARN from the first invocation on
}

// newFunction reads the variables that Lambda sets, and OTEL_SERVICE_NAME.
//
// Sources: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html and
// https://opentelemetry.io/docs/specs/semconv/resource/faas/
func newFunction(getenv func(string) string) *function {
	f := &function{
		name: getenv("AWS_LAMBDA_FUNCTION_NAME"), service: getenv("OTEL_SERVICE_NAME"),
		region: getenv("AWS_REGION"), logGroup: getenv("AWS_LAMBDA_LOG_GROUP_NAME"),
	}
	if f.name == "" {
		f.name = "unknown_service" // the default of the conventions
	}
	if f.service == "" {
		f.service = f.name
	}
	attributes := []attribute.KeyValue{
		semconv.ServiceName(f.service), semconv.FaaSName(f.name), semconv.CloudProviderAWS, semconv.CloudPlatformAWSLambda,
	}
	for _, v := range []struct {
		key   attribute.Key
		value string
	}{
		{semconv.CloudRegionKey, f.region},
		{semconv.FaaSVersionKey, getenv("AWS_LAMBDA_FUNCTION_VERSION")},
		{semconv.FaaSInstanceKey, getenv("AWS_LAMBDA_LOG_STREAM_NAME")},
	} {
		if v.value != "" {
			attributes = append(attributes, v.key.String(v.value))
		}
	}
	if f.logGroup != "" {
		attributes = append(attributes, semconv.AWSLogGroupNames(f.logGroup))
	}
	if mb, err := strconv.Atoi(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")); err == nil {
		attributes = append(attributes, semconv.FaaSMaxMemory(mb<<20))
	}
	if v := getenv("AWS_LAMBDA_FUNCTION_VERSION"); v != "" {
		f.version = &segment.Service{Version: v}
	}
	f.otel = resource.NewWithAttributes(semconv.SchemaURL, attributes...)
	f.aws.Store(&segment.AWS{CloudWatchLogs: f.logGroups(""), SDK: recorder})
	return f
}

// recorder is what segments name as their maker.
var recorder = &segment.SDK{Name: "OpenTelemetry for Go, Arvo", Version: scopeVersion}

// invoked tells the function its ARN, which only an invocation knows.
func (f *function) invoked(arn string) {
	part := strings.SplitN(arn, ":", 8) // arn:aws:lambda:region:account:function:name[:alias]
	if f.aws.Load().FunctionARN != "" || len(part) < 7 {
		return
	}
	f.aws.Store(&segment.AWS{
		FunctionARN: clip(arn, maxText), AccountID: clip(part[4], 32), Region: clip(part[3], 32),
		CloudWatchLogs: f.logGroups("arn:" + part[1] + ":logs:" + part[3] + ":" + part[4] + ":log-group:"), SDK: recorder,
	})
}

func (f *function) logGroups(arn string) []segment.LogGroup {
	if f.logGroup == "" {
		return nil
	}
	if arn != "" {
		arn += f.logGroup
	}
	return []segment.LogGroup{{Name: f.logGroup, ARN: arn}}
}

func (f *function) resource() *segment.AWS { return f.aws.Load() }

// resourceOf is the resource as one invocation's segments have it. By the id of the request, the lines that Lambda writes of the invocation are
// found from a message, also when the invocation itself is not sampled, and so no link leads there.
func (f *function) resourceOf(requestID string) *segment.AWS {
	r := *f.resource()
	r.RequestID = clip(requestID, maxText)
	return &r
}

// lastPart is what follows the last separator.
func lastPart(s string, separator byte) string { return s[strings.LastIndexByte(s, separator)+1:] }
