package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"example.com/arvo/lambdas/sdkhttp"
	"example.com/arvo/loadtest/experiment"
)

// Settle is how long a change on AWS is given to reach what obeys it, after the service shows it.
const Settle = 60 * time.Second

// LocalRegion is the region that the local stack is in.
const LocalRegion = "us-east-1"

// probe is the source of the service that load tests ask: it sleeps for as long as it is told to.
const probe = "com.workload.simulate"

// A Config says which stack, and where.
type Config struct {
	Stack    string // name; "" for arvo
	Region   string // "" for that of AWS, or LocalRegion with an Endpoint
	Endpoint string // where all AWS services are, such as http://127.0.0.1:4566; "" for that of AWS, or AWS itself
	API      string // where the REST API is, if not where the stack says: a proxy in between, for instance
	Child    *Child // the stack is this child's: Endpoint, Region and Stack are known

	AWS aws.Config // credentials, region and HTTP client; the latter two may be empty

	// Dir is where what a run has changed is written down; "" for a folder in the user's cache.
	Dir string
}

// A Stack is a stack that was found. It implements [experiment.System]; its methods may be used by many goroutines, but for
// Apply and Restore, which wait for each other.
type Stack struct {
	config  Config
	local   bool // at an endpoint, not on AWS
	id      string
	created time.Time
	apiURL  string
	signAPI bool
	console string // address of the X-Ray console, up to the trace id
	parts   parts
	notes   []string

	parameters map[string]string // of the template

	http   *http.Transport // nil if the caller brought a client
	client aws.HTTPClient
	aws    aws.Config
	lambda *lambda.Client
	sqs    *sqs.Client
	tables *dynamodb.Client
	events *eventbridge.Client

	direct *transport // of Request

	apply   sync.Mutex // held by Apply and Restore
	journal *journal
	changed *originals // nil: nothing

	mu       sync.Mutex
	modified time.Time // when we last changed the mapping, as Lambda tells it
}

var _ experiment.System = (*Stack)(nil)

// parts are the physical names of what a load test deals with.
type parts struct {
	handler, api      string // functions
	requestsMapping   string
	responsesMapping  string
	bus, rule         string
	requests          string // URLs of queues
	responses         string
	requestsDead      string
	responsesDead     string
	ruleDead          string
	unroutable        string
	responseTable     string
	requestsQueueName string
}

// Open finds a stack. If an earlier run of this user on this machine has died and left it changed, it is restored first.
func Open(ctx context.Context, c Config) (*Stack, error) {
	if c.Child != nil {
		c.Endpoint, c.Region, c.Stack = c.Child.Endpoint(), LocalRegion, c.Child.StackName()
	}
	if c.Stack == "" {
		c.Stack = "arvo"
	}
	if c.Endpoint == "" && c.AWS.BaseEndpoint != nil { // AWS_ENDPOINT_URL
		c.Endpoint = *c.AWS.BaseEndpoint
	}
	for _, address := range []struct{ what, url string }{{"endpoint", c.Endpoint}, {"API", c.API}} {
		if err := checkURL(address.url); err != nil {
			return nil, fmt.Errorf("target: %s: %w", address.what, err)
		}
	}
	s := &Stack{config: c, local: c.Endpoint != "", aws: c.AWS.Copy(), journal: &journal{}}
	if err := s.connect(); err != nil {
		return nil, err
	}
	if err := s.find(ctx); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.undoEarlier(ctx); err != nil {
		s.Close()
		return nil, err
	}
	m, err := s.mapping(ctx, s.parts.requestsMapping)
	if err != nil {
		s.Close()
		return nil, s.wrap("how it is set up", err)
	}
	s.modified = m.modified
	return s, nil
}

// checkURL refuses what is no address of a service. Its error does not repeat keys that somebody has put into one.
func checkURL(s string) error {
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("it is no address like http://127.0.0.1:4566")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%.200q is no address like http://127.0.0.1:4566", u.Redacted())
	}
	return nil
}

// connect makes the clients.
func (s *Stack) connect() error {
	if s.config.Region != "" {
		s.aws.Region = s.config.Region
	}
	if s.local {
		s.aws.BaseEndpoint = aws.String(s.config.Endpoint)
		s.aws.ConfigSources = nil // an AWS_ENDPOINT_URL_SQS of the environment is about something else
		if s.aws.Region == "" {
			s.aws.Region = LocalRegion
		}
		if s.aws.Credentials == nil || loopback(s.config.Endpoint) { // keys of an account have no business there
			s.aws.Credentials = credentials.NewStaticCredentialsProvider("local", "local", "")
		}
	}
	switch {
	case s.aws.Region == "":
		return errors.New("target: no region: give --region, or set AWS_REGION")
	case s.aws.Credentials == nil:
		return errors.New("target: no AWS credentials")
	}
	s.config.Region = s.aws.Region
	if s.aws.HTTPClient == nil {
		s.http = &http.Transport{
			Proxy:        http.ProxyFromEnvironment, // never for loopback addresses
			DialContext:  (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			MaxIdleConns: 512, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
			ForceAttemptHTTP2: true,
		}
		s.aws.HTTPClient = &http.Client{Transport: s.http}
	}
	s.aws.HTTPClient = bounded{sdkhttp.Client(s.aws.HTTPClient)}
	s.client = s.aws.HTTPClient
	s.aws.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 6, 5*time.Second
			if s.local { // it does not throttle for long; a dead one should be known soon
				o.MaxBackoff = 300 * time.Millisecond
			}
			o.RateLimiter = ratelimit.None // throttles are expected under load, and not a reason to give up
		})
	}
	s.lambda = lambda.NewFromConfig(s.aws)
	s.sqs = sqs.NewFromConfig(s.aws)
	s.tables = dynamodb.NewFromConfig(s.aws)
	s.events = eventbridge.NewFromConfig(s.aws)
	return nil
}

// MaxAnswer is the longest answer of a service that is read: twice the 16 MB that DynamoDB gives at a time.
const MaxAnswer = 32 << 20

// bounded is a client whose answers end with an error where they are longer than MaxAnswer.
type bounded struct{ aws.HTTPClient }

// Do implements [aws.HTTPClient].
func (b bounded) Do(r *http.Request) (*http.Response, error) {
	resp, err := b.HTTPClient.Do(r)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, MaxAnswer}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", MaxAnswer)
	}
	return n, err
}

func loopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return strings.EqualFold(u.Hostname(), "localhost") || ip != nil && ip.IsLoopback()
}

// where says where the stack is, in messages.
func (s *Stack) where() string {
	if s.local {
		return "at " + s.config.Endpoint
	}
	return "in " + s.config.Region
}

// find asks CloudFormation for the parts.
func (s *Stack) find(ctx context.Context) error {
	name := s.config.Stack
	cf := &cloudFormation{endpoint: s.config.Endpoint, region: s.config.Region, credentials: s.aws.Credentials, http: s.client}
	if !s.local {
		cf.endpoint = "https://cloudformation." + s.config.Region + "." + dnsSuffix(s.config.Region)
	}
	d, err := cf.describe(ctx, name)
	if err != nil {
		return s.explain(err)
	}
	ids, err := cf.resources(ctx, d.ID)
	if err != nil {
		return s.explain(err)
	}
	s.id, s.created = d.ID, d.Created
	s.parameters = map[string]string{}
	for _, p := range d.Parameters {
		s.parameters[p.Key] = p.Value
	}

	var missing []string
	output := func(key string) string {
		value := d.output(key)
		if value == "" {
			missing = append(missing, "output "+key)
		}
		return value
	}
	resource := func(logical string) string {
		id := ids[logical]
		if id == "" {
			missing = append(missing, "resource "+logical)
		}
		return id
	}
	s.parts = parts{
		bus: output("BusName"), responses: output("ResponsesQueueUrl"), responsesDead: output("ResponsesDlqUrl"), ruleDead: output("RuleDlqUrl"),
		unroutable: output("UnroutableQueueUrl"), responseTable: output("ResponseTable"), responsesMapping: output("ResponsesMappingId"), api: resource("ApiLambda"),
	}
	p := &s.parts
	if s.parameters["OwnLambda"] == probe { // it has left federated_handler for a Lambda of its own
		p.handler, p.requestsMapping, p.rule = resource("OwnHandler"), resource("OwnHandlerRequests"), resource("OwnRule")
		p.requests, p.requestsDead = resource("OwnQueue"), resource("OwnDlq")
	} else {
		p.handler, p.requestsMapping, p.rule = resource("FederatedHandler"), output("RequestsMappingId"), resource("HostedRule")
		p.requests, p.requestsDead = output("RequestsQueueUrl"), output("RequestsDlqUrl")
	}
	p.rule = p.rule[strings.LastIndexByte(p.rule, '|')+1:] // of a rule on a bus of one's own, CloudFormation says bus|rule
	p.requestsQueueName = p.requests[strings.LastIndexByte(p.requests, '/')+1:]
	s.apiURL = strings.TrimSuffix(output("ApiUrl"), "/")
	if s.config.API != "" {
		s.apiURL = strings.TrimSuffix(s.config.API, "/")
	}
	s.signAPI = !s.local && s.parameters["ApiAuth"] != "NONE"
	if before, _, ok := strings.Cut(d.output("TraceMapUrl"), "#"); ok && !s.local {
		s.console = before + "#xray:traces/"
	}
	if len(missing) > 0 {
		return fmt.Errorf("target: stack %q %s has no %s: is it one of this template.yaml?", name, s.where(), strings.Join(missing, ", no "))
	}
	s.direct = s.newTransport()
	return nil
}

// dnsSuffix is the domain of AWS services in a region.
func dnsSuffix(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// explain says what to do about a stack that was not found.
func (s *Stack) explain(err error) error {
	name := s.config.Stack
	var refused *queryError
	missing := errors.As(err, &refused) && refused.Code == "ValidationError" && strings.Contains(refused.Message, "does not exist")
	switch {
	case missing && s.local:
		return fmt.Errorf("target: no stack %q %s: `go run ./lambdas/local` has one of the name that its -stack-name says, arvo by default", name, s.where())
	case missing:
		return fmt.Errorf("target: no stack %q %s of this account: give --stack and --region as it was deployed", name, s.where())
	case s.local && (errors.Is(err, syscall.ECONNREFUSED) || refused != nil && refused.Status != http.StatusBadRequest):
		return fmt.Errorf("target: no stack %q %s: is `go run ./lambdas/local` running? It prints this address as \"AWS services\" when it is ready: %w", name, s.where(), err)
	}
	return fmt.Errorf("target: stack %q %s: %w", name, s.where(), err)
}

// Close gives up the connections, and the stack to other runs. It restores nothing.
func (s *Stack) Close() {
	s.journal.unlock()
	if s.direct != nil {
		s.direct.CloseIdleConnections()
	}
	if s.http != nil {
		s.http.CloseIdleConnections()
	}
}

// Notes returns what a reader of the results should know of how the stack was found.
func (s *Stack) Notes() []string { return s.notes }

// Name returns the name of the stack.
func (s *Stack) Name() string { return s.config.Stack }

// Region returns where it is.
func (s *Stack) Region() string { return s.config.Region }

// Endpoint returns where its AWS services are, "" for AWS.
func (s *Stack) Endpoint() string { return s.config.Endpoint }

// API returns the address of its REST API.
func (s *Stack) API() string { return s.apiURL }

// TraceLink returns the address of the trace in the CloudWatch console; "" for one of a local stack.
func (s *Stack) TraceLink(traceID, _ string) string {
	if s.console == "" || traceID == "" {
		return ""
	}
	return s.console + url.PathEscape(traceID)
}
