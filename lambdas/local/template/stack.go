package template

import (
	"encoding/json"
	"time"
)

// A Stack is a template with all its parameters, conditions and references put in: what is to run, as plain values.
// Resources whose condition is false are not in it. Each slice is in the order of the template.
type Stack struct {
	Name       string
	ID         string // an ARN, as AWS::StackId
	Region     string
	Account    string
	Parameters []Parameter // every declared one, in the order of the template
	Resources  []Resource  // every resource, those included that only AWS makes something of
	Outputs    []Output

	Functions     []Function
	Mappings      []Mapping
	APIs          []API
	Buses         []Bus
	Rules         []Rule
	Queues        []Queue
	QueuePolicies []QueuePolicy
	Tables        []Table
	LogGroups     []LogGroup
	SamplingRules []SamplingRule
	TraceGroups   []TraceGroup
	Alarms        []Alarm
	Dashboards    []Dashboard
}

// A Parameter is a declared parameter and its value.
type Parameter struct {
	Name        string
	Type        string
	Description string
	Value       string // "****" when NoEcho is set
	NoEcho      bool
}

// A Resource is one line of ListStackResources.
type Resource struct {
	LogicalID  string
	PhysicalID string
	Type       string // after SAM's expansion: "AWS::Lambda::Function", never "AWS::Serverless::Function"
	Line       int    // where the template declares it, or what it was generated from
}

// An Output is one line of the Outputs of DescribeStacks.
type Output struct {
	Name        string
	Value       string
	Description string
}

// A Function is an AWS::Serverless::Function.
type Function struct {
	LogicalID           string
	Name                string
	ARN                 string
	Description         string
	CodeURI             string // as written: relative to the template's folder
	BuildMethod         string // Metadata.BuildMethod, such as "go1.x"; may be empty
	Runtime             string // "provided.al2023"
	Handler             string
	Architecture        string // "x86_64" or "arm64"
	Timeout             time.Duration
	MemoryMB            int
	Environment         map[string]string
	Tracing             string // "Active" or "PassThrough"
	LogFormat           string // "Text" or "JSON"
	ApplicationLogLevel string // "" with Text
	SystemLogLevel      string // "" with Text
	LogGroup            string // its name; /aws/lambda/<Name> unless the template says otherwise
	ReservedConcurrency *int   // nil: none
	RoleARN             string
}

// A Mapping is an AWS::Lambda::EventSourceMapping, from an event of type SQS.
type Mapping struct {
	LogicalID               string // <function><event>, as SAM makes it
	ID                      string // the UUID
	ARN                     string
	FunctionARN             string
	QueueARN                string
	BatchSize               int
	Window                  time.Duration // MaximumBatchingWindowInSeconds
	MaximumConcurrency      int           // 0: no limit of its own
	ReportBatchItemFailures bool
	Enabled                 bool
	Filters                 []json.RawMessage // event patterns; a record passes if one of them matches, or if there are none
}

// An API is an AWS::Serverless::Api: a REST API with one stage.
type API struct {
	LogicalID      string
	ID             string
	Name           string
	Stage          string
	InvokeURL      string // on AWS: https://<ID>.execute-api.<region>.<suffix>/<Stage>
	Tracing        bool
	Routes         []Route
	ThrottleRate   float64 // requests per second; 0: no limit of its own
	ThrottleBurst  int
	AccessLogGroup string // the log group's name; "" means no access log
	AccessLog      string // the format, with $context variables
}

// A Route is a function's event of type Api.
type Route struct {
	Method      string // upper case; "ANY" for all
	Path        string // "/{proxy+}"
	FunctionARN string
}

// A Bus is an AWS::Events::EventBus.
type Bus struct {
	LogicalID string
	Name      string
	ARN       string
}

// A Rule is an AWS::Events::Rule. It has a Pattern or a Schedule, or both.
type Rule struct {
	LogicalID   string
	Name        string
	ARN         string
	Description string
	Bus         string          // the bus's name; "default" is the account's own
	Pattern     json.RawMessage // compact, keys in the template's order; nil when there is none
	Schedule    string          // ScheduleExpression; "" when there is none
	Enabled     bool
	Targets     []Target
}

// A Target is where a rule sends events.
type Target struct {
	ID             string
	ARN            string
	DeadLetterARN  string        // "" means that undeliverable events are dropped
	MaximumRetries int           // 0 to 185
	MaximumAge     time.Duration // 1 minute to 24 hours
	Input          string        // constant JSON sent in place of the event; ""
	InputPath      string        // the part of the event that is sent; ""
	Transformer    *Transformer  // nil: the event is sent as it is
}

// A Transformer is the InputTransformer of a target.
type Transformer struct {
	Paths    map[string]string // variable to JSONPath
	Template string
}

// A Queue is an AWS::SQS::Queue, a standard one.
type Queue struct {
	LogicalID          string
	Name               string
	ARN                string
	URL                string
	VisibilityTimeout  time.Duration
	Retention          time.Duration
	Delay              time.Duration
	ReceiveWait        time.Duration
	MaximumMessageSize int    // bytes
	SSE                bool   // encrypted by SQS itself
	DeadLetterARN      string // "" means no redrive
	MaxReceiveCount    int    // 0 means no redrive
	RedrivePermission  string // "allowAll", "denyAll" or "byQueue"
	RedriveSources     []string
}

// A QueuePolicy is an AWS::SQS::QueuePolicy.
type QueuePolicy struct {
	LogicalID string
	QueueURLs []string
	Policy    json.RawMessage
}

// A Table is an AWS::DynamoDB::Table, on demand.
type Table struct {
	LogicalID    string
	Name         string
	ARN          string
	Attributes   map[string]string // of keys: name to "S", "N" or "B"
	Key          Key
	Indexes      []Index
	TTLAttribute string // "" means that items do not expire
}

// A Key names the key attributes of a table or an index.
type Key struct {
	Hash  string
	Range string // "" when there is none
}

// An Index is a secondary index.
type Index struct {
	Name       string
	Global     bool
	Key        Key
	Projection string   // "ALL", "KEYS_ONLY" or "INCLUDE"
	Include    []string // attributes besides the keys, with INCLUDE
}

// A LogGroup is an AWS::Logs::LogGroup.
type LogGroup struct {
	LogicalID     string
	Name          string
	ARN           string
	RetentionDays int // 0: for ever
}

// A SamplingRule is an AWS::XRay::SamplingRule.
type SamplingRule struct {
	LogicalID                                                        string
	Name                                                             string
	ARN                                                              string
	Priority                                                         int
	FixedRate                                                        float64 // 0 to 1
	ReservoirSize                                                    int     // requests per second that are traced before the rate counts
	ServiceName, ServiceType, ResourceARN, Host, HTTPMethod, URLPath string  // globs
}

// A TraceGroup is an AWS::XRay::Group.
type TraceGroup struct {
	LogicalID        string
	Name             string
	ARN              string
	FilterExpression string
}

// An Alarm is an AWS::CloudWatch::Alarm on one metric.
type Alarm struct {
	LogicalID         string
	Name              string
	ARN               string
	Description       string
	Namespace         string
	Metric            string
	Dimensions        map[string]string
	Statistic         string // Statistic or ExtendedStatistic, such as "Maximum" or "p99"
	Period            time.Duration
	EvaluationPeriods int
	DatapointsToAlarm int
	Threshold         float64
	Comparison        string // ComparisonOperator
	TreatMissingData  string
}

// A Dashboard is an AWS::CloudWatch::Dashboard.
type Dashboard struct {
	LogicalID string
	Name      string
	Body      string // JSON
}
