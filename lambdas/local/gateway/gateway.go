// Package gateway is an API Gateway REST API with Lambda proxy integrations (payload format 1.0) on one machine.
//
// # What it provides
//
// A [Gateway] is an http.Handler: it finds the resource, throttles, decides about the trace, turns the request into the
// proxy event, invokes the function and turns its answer into the response. [Gateway.Server] wraps it in an http.Server
// with the limits that API Gateway has. Requests come at /path and at /stage/path alike: the second is what the URL on
// AWS looks like, the first what it looks like behind a custom domain name. requestContext.path tells which, on AWS and
// here, so that a function can answer with links that lead back the same way.
//
// # Promises
//
// The event has the shape that REST APIs send, pinned by testdata/events, which follow events recorded on AWS. In
// particular path and pathParameters keep their percent-encoding, queryStringParameters are decoded (so + is a space);
// of repeated headers and parameters the last value stands in the single-valued maps; a trailing slash stays in path
// and is not part of {proxy+}.
//
// What goes wrong is answered as API Gateway answers it:
//
//	403 {"message":"Missing Authentication Token"}  no such resource or method
//	413 {"message":"Request Too Long"}              body over 10 MB, or event over Lambda's 6 MB
//	429 {"message":"Too Many Requests"}             over the stage's rate and burst
//	500 {"message":"Internal server error"}         Lambda refused the invocation, throttling included
//	502 {"message":"Internal server error"}         function error, or an answer that is no proxy response
//	504 {"message":"Endpoint request timed out"}    no answer within 29 s
//
// That a throttled function is a 500 is documented by users rather than in the reference: AWS re:Post, "API Gateway proxy
// integration does not forward Lambda throttling (HTTP 429) to client", and the knowledge centre's page on the internal
// server error with status code 500.
//
// Two answers are of our own making: 408 for a body that is not there after 30 s, and 503 when the bodies of all clients
// together are over 256 MB.
//
// Every answer carries x-amzn-RequestId, x-amz-apigw-id and X-Amzn-Trace-Id. A client that hangs up does not stop its
// invocation. A slow client holds a connection for a bounded time and memory for no more than it has sent; all bodies
// together are bounded too.
//
// # Trace
//
// The root of an incoming X-Amzn-Trace-Id is adopted, and so is its decision; without one [Options].Sample decides, which
// stands for the stage's sampling rule. The function gets the root, the id of the stage's segment as Parent, and the
// decision; the access log has what is needed to draw that segment.
//
// # What differs from AWS
//
//   - Header names reach the function in canonical form (Content-Type); REST APIs keep the client's spelling.
//   - No edge: no CloudFront-*, Via and X-Amz-Cf-Id headers. X-Forwarded-Proto and -Port are those of this machine.
//   - domainName is the Host that the client used, as on AWS, and so is no execute-api name.
//   - No authorisers, API keys, models, mapping templates, caching, CORS or custom gateway responses.
//   - Nothing is asked for: any process of this machine may call.
package gateway

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"example.com/arvo/lambdas/local/function/traceheader"
	"example.com/arvo/lambdas/local/wire"
)

// Limits of a REST API. Source: "Quotas for configuring and running a REST API" in the API Gateway developer guide.
const (
	MaxBody            = 10 << 20 // bytes of a request
	maxHeaders         = 10240    // bytes of the request line and headers
	integrationTimeout = 29 * time.Second

	// Limits of our own, against clients that are slow on purpose.
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxBuffered   = 256 << 20 // bytes of all bodies being read or in an integration
)

// A Route connects a method of a resource to a function.
type Route struct {
	Method   string // GET, POST, ... or ANY
	Path     string // such as /subjects/{subject} or /files/{path+}
	Function string
}

// Options describe an API and its stage.
type Options struct {
	Name    string // of the API, for the access log; default "local"
	ID      string // of the API; default "local"
	Stage   string // default "live"
	Region  string // default us-east-1
	Account string // twelve digits; default 000000000000
	Routes  []Route

	// Invoke runs a function. It returns an error of type [*wire.Error] when Lambda refuses, and ctx's error when ctx ends,
	// upon which the invocation itself must go on.
	Invoke func(ctx context.Context, function string, payload []byte, traceHeader string) (answer []byte, functionError string, err error)

	// RatePerSecond and Burst are the stage's throttling, a token bucket; a rate of 0 means none.
	RatePerSecond float64
	Burst         int

	BinaryMediaTypes []string           // such as image/png, image/* or */*: bodies of these pass as base64
	StageVariables   map[string]string  // null in the event when there are none
	Sample           func() bool        // decides about a trace that comes without a decision; nil: record all
	Random           func() uint64      // source of ids, called concurrently; default math/rand/v2
	AccessLog        func(AccessRecord) // sees every request; must return quickly; called concurrently
}

// An AccessRecord is one line of the access log. The JSON names are those of API Gateway's $context variables where it
// has one.
type AccessRecord struct {
	Time               time.Time `json:"requestTime"`
	API                string    `json:"apiName"`
	Stage              string    `json:"stage"`
	RequestID          string    `json:"requestId"`
	ExtendedRequestID  string    `json:"extendedRequestId"`
	Method             string    `json:"httpMethod"`
	Path               string    `json:"path"` // percent-encoded, without the query
	ResourcePath       string    `json:"resourcePath,omitempty"`
	Protocol           string    `json:"protocol"`
	SourceIP           string    `json:"sourceIp"`
	UserAgent          string    `json:"userAgent"`
	Status             int       `json:"status"` // 0: the client hung up first
	ResponseLength     int       `json:"responseLength"`
	Latency            float64   `json:"responseLatency"`    // ms
	IntegrationLatency float64   `json:"integrationLatency"` // ms; 0 without an invocation
	Function           string    `json:"function,omitempty"`
	Error              string    `json:"error,omitempty"` // why the gateway answered for itself
	TraceID            string    `json:"xrayTraceId"`
	ParentID           string    `json:"parentId,omitempty"` // of the client's header
	SegmentID          string    `json:"segmentId"`          // the stage's
	Sampled            bool      `json:"sampled"`
}

// A Gateway serves one stage of one API. Make one with [New]; it is safe for concurrent use.
type Gateway struct {
	options  Options
	root     *resource
	limiter  *rate.Limiter // nil: none
	buffered *semaphore.Weighted
}

// New checks the routes and makes a gateway. Errors name the route.
func New(o Options) (*Gateway, error) {
	if o.Invoke == nil {
		return nil, errors.New("gateway: Options.Invoke is missing")
	}
	for option, value := range map[*string]string{&o.Name: "local", &o.ID: "local", &o.Stage: "live", &o.Region: "us-east-1", &o.Account: "000000000000"} {
		if *option == "" {
			*option = value
		}
	}
	if o.Random == nil {
		o.Random = rand.Uint64
	}
	g := &Gateway{options: o, buffered: semaphore.NewWeighted(maxBuffered)}
	if o.RatePerSecond < 0 || o.Burst < 0 || o.RatePerSecond > 0 && o.Burst == 0 {
		return nil, fmt.Errorf("gateway: a rate of %v with a burst of %d would let nothing through", o.RatePerSecond, o.Burst)
	}
	if o.RatePerSecond > 0 {
		g.limiter = rate.NewLimiter(rate.Limit(o.RatePerSecond), o.Burst)
	}
	for _, t := range o.BinaryMediaTypes {
		if !validMediaType(t) {
			return nil, fmt.Errorf("gateway: binary media type %q is not type/subtype", t)
		}
	}
	var err error
	if g.root, err = newResources(o.Routes); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	return g, nil
}

// Server returns a server for the gateway with API Gateway's limits, and with timeouts against slow clients. The caller
// listens, on loopback, and shuts it down.
func (g *Gateway) Server() *http.Server {
	return &http.Server{
		Handler:           g,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaders,
	}
}

// exchange is one request on its way through.
type exchange struct {
	gateway *Gateway
	w       http.ResponseWriter
	r       *http.Request
	arrived time.Time
	trace   traceheader.Header
	log     AccessRecord
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{gateway: g, w: w, r: r, arrived: time.Now()}
	x.identify()
	x.serve()
	if g.options.AccessLog != nil {
		x.log.Latency = milliseconds(time.Since(x.arrived))
		g.options.AccessLog(x.log)
	}
}

// identify gives the request its ids and its trace.
func (x *exchange) identify() {
	o := &x.gateway.options
	h, ok := traceheader.Parse(x.r.Header.Get(traceheader.Name))
	if !ok {
		h = traceheader.Header{Root: traceheader.NewRoot(x.arrived, o.Random)}
	}
	if h.Decision == traceheader.Undecided {
		h.Decision = traceheader.NotSampled
		if o.Sample == nil || o.Sample() {
			h.Decision = traceheader.Sampled
		}
	}
	x.trace = traceheader.Header{Root: h.Root, Parent: traceheader.NewID(o.Random), Decision: h.Decision}
	x.log = AccessRecord{
		Time: x.arrived.UTC(), API: o.Name, Stage: o.Stage,
		RequestID: newUUID(o.Random), ExtendedRequestID: newExtendedID(o.Random),
		Method: x.r.Method, Path: x.r.URL.EscapedPath(), Protocol: x.r.Proto,
		SourceIP: sourceIP(x.r), UserAgent: x.r.UserAgent(),
		TraceID: h.Root, ParentID: h.Parent, SegmentID: x.trace.Parent, Sampled: h.Decision == traceheader.Sampled,
	}
	header := x.w.Header()
	header.Set("X-Amzn-Requestid", x.log.RequestID)
	header.Set("X-Amz-Apigw-Id", x.log.ExtendedRequestID)
	header.Set(traceheader.Name, traceheader.Header{Root: h.Root, Decision: h.Decision}.String())
}

func (x *exchange) serve() {
	g := x.gateway
	m, ok := g.root.match(x.r.Method, x.log.Path, g.options.Stage)
	if !ok {
		x.refuse(http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
		return
	}
	x.log.ResourcePath, x.log.Function = m.resource.path, m.function
	if g.limiter != nil && !g.limiter.Allow() {
		x.refuse(http.StatusTooManyRequests, "TooManyRequestsException", "Too Many Requests")
		return
	}

	in := &counted{from: http.MaxBytesReader(x.w, x.r.Body, MaxBody), room: g.buffered}
	defer func() { g.buffered.Release(in.held) }()
	body, err := x.readBody(in)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		x.refuse(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request Too Long")
		return
	case errors.Is(err, errFull):
		x.w.Header().Set("Connection", "close")
		x.refuse(http.StatusServiceUnavailable, "ServiceUnavailableException", "Service Unavailable")
		return
	case err != nil:
		x.log.Error = "reading the body: " + err.Error()
		x.w.Header().Set("Connection", "close")
		x.refuse(http.StatusRequestTimeout, "BadRequestException", "Request Timeout")
		return
	}
	payload, err := x.event(m, body)
	if err != nil {
		x.log.Error = err.Error()
		x.refuse(http.StatusInternalServerError, "InternalServerErrorException", "Internal server error")
		return
	}

	// The invocation does not end with ctx; only the waiting for it does.
	ctx, cancel := context.WithTimeout(x.r.Context(), integrationTimeout)
	defer cancel()
	begun := time.Now()
	answer, functionError, err := g.options.Invoke(ctx, m.function, payload, x.trace.String())
	x.log.IntegrationLatency = milliseconds(time.Since(begun))
	var refused *wire.Error
	switch {
	case err != nil && x.r.Context().Err() != nil:
		x.log.Error = "the client hung up"
	case err != nil && ctx.Err() != nil:
		x.refuse(http.StatusGatewayTimeout, "InternalServerErrorException", "Endpoint request timed out")
	case errors.As(err, &refused) && refused.Status == http.StatusRequestEntityTooLarge:
		x.refuse(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request Too Long")
	case err != nil:
		x.log.Error = err.Error()
		x.refuse(http.StatusInternalServerError, "InternalServerErrorException", "Internal server error")
	case functionError != "":
		x.log.Error = "function error: " + functionError
		x.refuse(http.StatusBadGateway, "InternalServerErrorException", "Internal server error")
	default:
		x.respond(answer)
	}
}

// readBody reads the body whole, within the limits of size and time.
func (x *exchange) readBody(in io.Reader) ([]byte, error) {
	control := http.NewResponseController(x.w)
	if x.r.ContentLength != 0 {
		if err := control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return nil, err
		}
		defer func() {
			_ = control.SetReadDeadline(time.Time{}) // a connection that is gone will show soon enough
		}()
	}
	return io.ReadAll(in)
}

var errFull = errors.New("all bodies together are too large")

// counted takes room for what a client has sent, not for what it may send: a slow one keeps nobody waiting.
type counted struct {
	from io.Reader
	room *semaphore.Weighted
	held int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	if !c.room.TryAcquire(int64(n)) {
		return 0, errFull
	}
	c.held += int64(n)
	return n, err
}

// refuse answers for the gateway itself.
func (x *exchange) refuse(status int, typ, message string) {
	if x.log.Error == "" {
		x.log.Error = message
	}
	x.w.Header().Set("X-Amzn-Errortype", typ)
	x.w.Header().Set("Content-Type", "application/json")
	body, err := json.Marshal(map[string]string{"message": message})
	if err != nil {
		body = []byte("{}") // a string always encodes
	}
	x.write(status, body)
}

func (x *exchange) write(status int, body []byte) {
	x.log.Status, x.log.ResponseLength = status, len(body)
	control := http.NewResponseController(x.w)
	if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return // the connection is gone
	}
	if status != http.StatusNoContent && status != http.StatusNotModified { // these have none
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // an error means that the client has gone
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// newExtendedID makes an id in the form of x-amz-apigw-id: 11 bytes in base64.
func newExtendedID(random func() uint64) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], random())
	binary.BigEndian.PutUint64(raw[8:], random())
	return base64.URLEncoding.EncodeToString(raw[:11])
}

// newUUID makes a version 4 UUID.
func newUUID(random func() uint64) string {
	a, b := random()&^0xf000|0x4000, random()&^(3<<62)|2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&(1<<48-1))
}
