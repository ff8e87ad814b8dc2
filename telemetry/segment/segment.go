// Package segment is the AWS X-Ray segment document: its shape as Go types, an encoder for a Lambda's hot path, a decoder
// for what strangers send, the rules that X-Ray holds a document to, and the datagram in which the X-Ray daemon takes it.
//
// A [Document] is a segment or a subsegment; the two differ in few members and nest in each other. Format and limits:
// https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html and the JSON schema that this page
// links, version 1.0.0. Members that AWS writes and does not document (aws.resource_names, aws.function_arn, links) are
// taken from documents that the service returned; the tests keep some of these.
//
// # Writing
//
// [Document.Clean] brings names, annotations and lengths within X-Ray's limits, [Document.AppendJSON] writes the document
// and [AppendDatagram] the document behind the daemon's header. The encoder uses no reflection and allocates nothing when
// dst is large enough. Members come in one fixed order, attributes in the order of their slices, so equal documents are
// equal bytes. Times are written in plain decimal notation with all of their microseconds (1699480919.909589), never in
// exponent form: a reader that keeps 32-bit floats or few digits is its own fault. A zero member is left out.
// [Document.Fit] is for the rare document that is too large for a datagram.
//
// # Reading
//
// [Decode] takes documents of unknown origin: at most [MaxSize] bytes, [MaxSubsegments] subsegments and
// jsontext.MaxDepth levels. [DecodeReturned] takes what X-Ray gives back, which may be larger. What they return holds no
// reference to their input. They are strict on syntax, ids, times and names, without which a document has no place in a
// trace, and lenient on the rest: members that they do not know, or whose type is not the documented one (SDKs write
// "annotations": [] and "cause": null), count as absent. They keep no unknown member.
// Who must return what was sent, as a store must, keeps the bytes; [Split] tells where each document of a text lies.
// [Document.Validate] then says what X-Ray would refuse, in the words of PutTraceSegments.
//
// The member sql and the aws members of EC2, ECS and Elastic Beanstalk are among the unknown: nothing here is made of
// them.
//
// # Identity
//
// Ids are arrays, not strings: a document with a malformed id cannot be, ids compare fast as map keys, and
// OpenTelemetry's convert without a copy. [CreationID] and [HopID] derive the ids of what two publishers of one event, or two
// deliveries of one message, must agree on.
package segment

// Namespaces of a subsegment. A subsegment with a namespace is a call to another service, and X-Ray draws a node for it;
// one without is work of the segment itself.
const (
	NamespaceAWS    = "aws"
	NamespaceRemote = "remote"
)

// TypeSubsegment is the type of a subsegment that is sent as a document of its own, with trace and parent id.
const TypeSubsegment = "subsegment"

// Origins: what kind of thing made a segment. With the name, the origin identifies a node of the trace map.
const (
	OriginLambda   = "AWS::Lambda"           // the Lambda service, as it received the invocation
	OriginFunction = "AWS::Lambda::Function" // the function's code
	OriginStage    = "AWS::ApiGateway::Stage"
	OriginEvents   = "AWS::Events" // an EventBridge bus
	OriginQueue    = "AWS::SQS::Queue"
	OriginTable    = "AWS::DynamoDB::Table"
)

// A Document is a segment or subsegment. The zero value of a member stands for its absence.
type Document struct {
	TraceID  TraceID // of segments and of subsegments that are sent by themselves
	ID       ID
	ParentID ID     // the segment or, mostly, subsegment that this one came from; embedded subsegments have none
	Type     string // [TypeSubsegment] or empty

	Name        string // see [Name]
	Namespace   string // subsegments: [NamespaceAWS], [NamespaceRemote] or empty
	Origin      string // segments
	ResourceARN string
	User        string // at most [MaxString] characters

	Start, End Time
	InProgress bool // instead of End
	Inferred   bool // made by X-Ray out of a subsegment

	Error    bool // 4xx: the caller's mistake
	Throttle bool // 429; comes with Error
	Fault    bool // 5xx: the callee's failure

	HTTP         *HTTP
	AWS          *AWS
	Service      *Service
	Cause        *Cause
	Annotations  []Attribute // scalars; indexed for search
	Metadata     []Namespace // any JSON; not indexed
	Links        []Link
	PrecursorIDs []ID
	Subsegments  []Document
}

// IsSubsegment tells whether the document is a subsegment that was sent by itself. It cannot tell for an embedded one.
func (d *Document) IsSubsegment() bool { return d.Type == TypeSubsegment }

// HTTP is the request that a segment served or a subsegment made.
type HTTP struct {
	Request  Request
	Response Response
}

// Request is an HTTP request. Strings have at most [MaxString] characters.
type Request struct {
	Method, URL, UserAgent, ClientIP string

	XForwardedFor bool // segments: ClientIP comes from that header
	Traced        bool // subsegments: the callee sends a segment of its own; without it, the trace is incomplete
}

// Response is an HTTP response. ContentLength is -1 if unknown and, like Status, absent if 0.
type Response struct {
	Status        int
	ContentLength int64
}

// AWS describes, in a segment, the resource that did the work and, in a subsegment, the API call that it made.
type AWS struct {
	// A call.
	Operation     string // PutItem
	Region        string
	AccountID     string // also of segments
	RequestID     string // also of segments
	QueueURL      string // SQS
	TableName     string // DynamoDB
	ResourceNames []string
	Retries       int

	// A resource.
	FunctionARN    string
	FunctionName   string
	CloudWatchLogs []LogGroup
	APIGateway     *APIGateway
	SDK            *SDK // member "xray"
}

// A LogGroup is where the resource logs; the console opens it.
type LogGroup struct{ Name, ARN string }

// APIGateway is the member api_gateway of a stage's segment.
type APIGateway struct{ AccountID, RestAPIID, Stage, RequestID string }

// SDK is what recorded the document.
type SDK struct {
	Name, Version       string
	AutoInstrumentation bool
}

// Service is the version of the service that made a segment.
type Service struct{ Version, Runtime, RuntimeVersion string }

// Cause says why a segment failed: either the id of an exception that another segment describes, or exceptions.
type Cause struct {
	ExceptionID      ID
	WorkingDirectory string
	Paths            []string
	Exceptions       []Exception
}

// An Exception is an error with its stack.
type Exception struct {
	ID            ID
	Message, Type string
	Remote        bool // the callee returned it
	Truncated     int  // frames left out of Stack
	Skipped       int  // exceptions left out between this one and the one that it caused
	Cause         ID   // the exception that caused this one
	Stack         []Frame
}

// A Frame is one call of a stack, the innermost first.
type Frame struct {
	Path  string
	Line  int
	Label string // the function
}

// A Namespace is a named group of metadata. Names that begin with AWS. are reserved.
type Namespace struct {
	Name       string
	Attributes []Attribute
}

// A Link points at a segment of another trace. X-Ray makes links itself from SQS to Lambda and merely stores those of
// others, so nothing may depend on them.
type Link struct {
	TraceID    TraceID
	ID         ID
	Attributes []Attribute
}

// Annotation returns the value of an annotation; of several by that name, the last.
func (d *Document) Annotation(key string) (Value, bool) { return find(d.Annotations, key) }

// Annotate sets an annotation.
func (d *Document) Annotate(key string, v Value) {
	for i := range d.Annotations {
		if d.Annotations[i].Key == key {
			d.Annotations[i].Value = v
			return
		}
	}
	d.Annotations = append(d.Annotations, Attribute{key, v})
}

func find(attributes []Attribute, key string) (Value, bool) {
	for i := len(attributes) - 1; i >= 0; i-- {
		if attributes[i].Key == key {
			return attributes[i].Value, true
		}
	}
	return Value{}, false
}
