// Package native makes the segments that AWS itself adds to a trace: that of an API Gateway stage for each request, those of the
// Lambda service and of the function for each invocation. Their shapes are those of documents that the services wrote;
// the tests keep them.
//
//	stage                          AWS::ApiGateway::Stage, named API/stage
//	└─ Lambda                      subsegment of the call; its id is the Parent that Lambda gets
//	   └─ function                 AWS::Lambda: from the arrival of the invocation
//	      └─ function              AWS::Lambda::Function: from the hand-over to the process
//	         ├─ Initialization     cold starts: before the hand-over
//	         ├─ Invocation         until the answer; its id is the Parent that the function gets
//	         └─ Overhead           from there until the function was ready for the next
//
// An invocation of a batch of messages begins a trace of its own, as nobody hands Lambda one. Its Invocation is linked to the
// traces that the messages carry in AWSTraceHeader.
//
// What is inferred: that the Parent which a function gets names Invocation. What SDKs send with that parent shows
// beneath Invocation in recorded traces.
package native

import (
	"crypto/sha256"
	"time"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/function/traceheader"
	"example.com/arvo/lambdas/local/gateway"
	"example.com/arvo/telemetry/segment"
)

// An Environment is where the segments say that they are.
type Environment struct{ Region, Account string }

// An API is what an [gateway.AccessRecord] does not tell of its API.
type API struct {
	ID  string
	URL string // up to the path, such as http://127.0.0.1:3000
}

// Stage is the segment of a request; ok is false if its trace is not recorded.
func (e Environment) Stage(api API, r gateway.AccessRecord) (d segment.Document, ok bool) {
	trace, err := segment.ParseTraceID(r.TraceID)
	call, callErr := segment.ParseID(r.SegmentID)
	if !r.Sampled || err != nil || callErr != nil {
		return d, false
	}
	start := segment.At(r.Time)
	d = segment.Document{
		TraceID: trace, ID: derived(trace, call, "stage"), ParentID: parentID(r.ParentID),
		Name: segment.Name(r.API + "/" + r.Stage), Origin: segment.OriginStage,
		ResourceARN: "arn:aws:apigateway:" + e.Region + "::/restapis/" + api.ID + "/stages/" + r.Stage,
		Start:       start, End: start.Add(milliseconds(r.Latency)),
		HTTP: &segment.HTTP{
			Request:  segment.Request{Method: r.Method, URL: api.URL + r.Path, UserAgent: r.UserAgent, ClientIP: r.SourceIP, XForwardedFor: true},
			Response: segment.Response{Status: r.Status, ContentLength: int64(r.ResponseLength)},
		},
		AWS: &segment.AWS{
			AccountID:  e.Account,
			APIGateway: &segment.APIGateway{AccountID: e.Account, RestAPIID: api.ID, Stage: r.Stage, RequestID: r.RequestID},
		},
		Annotations: []segment.Attribute{{Key: "aws:api_id", Value: segment.String(api.ID)}, {Key: "aws:api_stage", Value: segment.String(r.Stage)}},
		Metadata: []segment.Namespace{{Name: "default", Attributes: []segment.Attribute{
			{Key: "extended_request_id", Value: segment.String(r.ExtendedRequestID)}, {Key: "request_id", Value: segment.String(r.RequestID)},
		}}},
	}
	annotations := d.Annotations
	d.Annotations = nil // their keys, with a colon, are AWS's own privilege
	d.Clean()
	d.Annotations = annotations
	outcome(&d, r.Status)
	if r.Function != "" && r.IntegrationLatency > 0 {
		d.Subsegments = []segment.Document{e.integration(call, d.End, r)}
	}
	return d, true
}

// integration is the call of the function. What the stage did after it took no time to speak of.
func (e Environment) integration(id segment.ID, end segment.Time, r gateway.AccessRecord) segment.Document {
	arn := "arn:aws:lambda:" + e.Region + ":" + e.Account + ":function:" + r.Function
	d := segment.Document{
		ID: id, Name: "Lambda", Namespace: segment.NamespaceAWS,
		Start: end.Add(-milliseconds(min(r.IntegrationLatency, r.Latency))), End: end,
		HTTP: &segment.HTTP{Request: segment.Request{Method: "POST", URL: "https://lambda." + e.Region + ".amazonaws.com/2015-03-31/functions/" + arn + "/invocations"}},
		AWS:  &segment.AWS{FunctionName: r.Function, Region: e.Region, Operation: "Invoke", ResourceNames: []string{r.Function}},
	}
	d.HTTP.Response.Status = 200 // Lambda's, also when the function failed
	if r.Error != "" && r.Status != 502 {
		d.HTTP.Response.Status = 500
		d.Fault = true
	}
	d.Clean()
	return d
}

// outcome sets the flags that belong to a status.
func outcome(d *segment.Document, status int) {
	d.Error = status >= 400 && status < 500
	d.Throttle = status == 429
	d.Fault = status >= 500
}

// Invocation is the segments of the Lambda service and of the function, for an invocation that ended or was throttled; none if
// tracing is not active or the trace is not recorded. An invocation that was throttled has no segment of the function.
func (e Environment) Invocation(i function.Invocation) []segment.Document {
	trace, err := segment.ParseTraceID(i.Root)
	id, idErr := segment.ParseID(i.SegmentID)
	if !i.Sampled || err != nil || idErr != nil {
		return nil
	}
	service := segment.Document{
		TraceID: trace, ID: id, ParentID: parentID(i.Parent),
		Name: i.Function, Origin: segment.OriginLambda, ResourceARN: i.ARN,
		Start: segment.At(i.Arrived), End: max(segment.At(i.Arrived), segment.At(i.Started.Add(i.Duration))),
		HTTP: &segment.HTTP{Response: segment.Response{Status: 200}},
		AWS:  &segment.AWS{RequestID: i.RequestID},
	}
	if i.ThrottleCause != "" {
		service.End = service.Start
		service.HTTP.Response.Status = 429
		outcome(&service, 429)
		return []segment.Document{service}
	}
	service.Fault = i.FunctionError != ""
	invocation, invocationErr := segment.ParseID(i.FunctionSegmentID)
	if invocationErr != nil || i.Started.IsZero() {
		return []segment.Document{service}
	}
	return []segment.Document{service, e.function(i, &service, invocation)}
}

func (e Environment) function(i function.Invocation, service *segment.Document, invocation segment.ID) segment.Document {
	part := func(name string, id segment.ID, start, end time.Time) segment.Document {
		return segment.Document{ID: id, Name: name, Start: segment.At(start), End: max(segment.At(start), segment.At(end)), AWS: &segment.AWS{FunctionARN: i.ARN}}
	}
	end := i.Started.Add(i.Duration)
	responded := i.Responded
	if responded.IsZero() || responded.After(end) {
		responded = end
	}
	d := segment.Document{
		TraceID: service.TraceID, ID: derived(service.TraceID, invocation, "function"), ParentID: service.ID,
		Name: i.Function, Origin: segment.OriginFunction,
		Start: segment.At(i.Started), End: service.End, Fault: service.Fault,
		AWS: &segment.AWS{
			AccountID: e.Account, FunctionARN: i.ARN, RequestID: i.RequestID, ResourceNames: []string{i.Function},
		},
	}
	if i.Cold && !i.InitStarted.IsZero() {
		init := part("Initialization", derived(service.TraceID, invocation, "initialization"), i.InitStarted, i.InitStarted.Add(i.InitDuration))
		d.Subsegments = append(d.Subsegments, init)
	}
	run := part("Invocation", invocation, i.Started, responded)
	run.Fault = service.Fault
	if i.ErrorType != "" {
		// The message of the error is the function's own and may hold anything: its type must do.
		exception := derived(service.TraceID, invocation, "exception")
		run.Cause = &segment.Cause{Exceptions: []segment.Exception{{ID: exception, Type: i.ErrorType, Message: i.ErrorType}}}
		d.Cause = &segment.Cause{ExceptionID: exception}
	}
	run.Links = links(service.TraceID, i.Messages)
	overhead := part("Overhead", derived(service.TraceID, invocation, "overhead"), responded, end)
	d.Subsegments = append(d.Subsegments, run, overhead)
	return d
}

// links are to the traces that messages belong to, each once.
func links(own segment.TraceID, headers []string) []segment.Link {
	var list []segment.Link
	seen := map[segment.TraceID]bool{own: true}
	for _, text := range headers {
		h, ok := traceheader.Parse(text)
		trace, err := segment.ParseTraceID(h.Root)
		if !ok || err != nil || seen[trace] || len(list) == segment.MaxLinks {
			continue
		}
		parent := parentID(h.Parent)
		if parent.IsZero() {
			continue // a link leads to a segment
		}
		seen[trace] = true
		list = append(list, segment.Link{TraceID: trace, ID: parent, Attributes: []segment.Attribute{
			{Key: "aws.xray.reserved.reference_type", Value: segment.String("parent")},
		}})
	}
	return list
}

func parentID(s string) segment.ID {
	id, err := segment.ParseID(s)
	if err != nil {
		return segment.ID{} // there is none
	}
	return id
}

// derived is the id of a part of what id names, the same in each report of it.
func derived(trace segment.TraceID, id segment.ID, part string) segment.ID {
	b := append([]byte("native"), trace[:]...)
	b = append(b, id[:]...)
	sum := sha256.Sum256(append(b, part...))
	return segment.ID(sum[:8])
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
