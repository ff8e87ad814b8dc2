// Package wire speaks the protocols in which AWS SDKs and the aws CLI talk to services, so that each service of the
// local stack only states its operations.
//
// # Protocols
//
//   - AWS JSON 1.0 and 1.1 (SQS, DynamoDB, EventBridge, CloudWatch Logs): POST / with the header
//     X-Amz-Target: <prefix>.<operation>; see [Service].
//   - Query (CloudFormation): a form with Action=<operation>, answered in XML; see [Query].
//   - REST (Lambda): a path prefix, handled by the service's own http.Handler; see [Mux.HandlePath].
//
// Any signature is accepted and none is asked for: the endpoint listens on loopback only. Credentials in a request
// are never logged.
//
// # Promises
//
// A request body is read whole and at most [MaxBody] bytes long. Names of members are told apart by their case, as on AWS
// and not by encoding/json (see [Unmarshal]). JSON deeper than encoding/json allows, unknown
// operations and bodies that are no JSON get the error codes that AWS gives. A panic in an operation becomes
// InternalFailure, with its stack in the log, and the process goes on. Every answer carries x-amzn-RequestId.
//
// # Design
//
// An operation is a function from a body to a value; [JSON] makes one from a typed function. Operations on hot paths
// may take the body as bytes and answer with [Raw]. Errors are values of [*Error]: the code is what SDKs switch on,
// so it is the first argument everywhere. smithy's generated servers were not an option: AWS publishes none for Go.
package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// MaxBody is the largest request body that is read: DynamoDB's own limit of 16 MiB, the largest of the services here.
const MaxBody = 16 << 20

// An Operation handles one call: the request's body in, the value to answer out. The body belongs to the operation.
// An error that is not an [*Error] answers 500 InternalFailure.
type Operation func(ctx context.Context, body []byte) (any, error)

// Raw is an answer that is JSON already.
type Raw []byte

type traceHeaderKey struct{}

// TraceHeader returns the X-Ray trace header, X-Amzn-Trace-Id, of the request that an operation handles, or "".
func TraceHeader(ctx context.Context) string {
	header, _ := ctx.Value(traceHeaderKey{}).(string)
	return header
}

// JSON makes an [Operation] of a typed function. The request is read by [Unmarshal]: members that In does not have are
// ignored, as AWS does. A member of the wrong type is a SerializationException. Out may be [Raw], or a pointer.
func JSON[In, Out any](f func(context.Context, *In) (Out, error)) Operation {
	return func(ctx context.Context, body []byte) (any, error) {
		in := new(In)
		if err := Unmarshal(body, in); err != nil {
			return nil, SerializationError(err)
		}
		out, err := f(ctx, in)
		if err != nil {
			return nil, err // not a typed nil
		}
		return out, nil
	}
}

// SerializationError is what AWS JSON services answer to a request that [Unmarshal] cannot read.
func SerializationError(err error) *Error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		what := typ.Field
		if what == "" {
			what = "the request body"
		}
		return Errorf("SerializationException", "%s: expected %s, found %s", what, typ.Type.Kind(), typ.Value)
	}
	return Errorf("SerializationException", "the request body is not valid JSON: %v", err)
}

// An Error is an AWS error as clients see it. The zero Status means 400.
type Error struct {
	Code      string // what clients switch on, such as "ResourceNotFoundException"
	Message   string
	Status    int            // HTTP status
	QueryCode string         // SQS only: the code of the older query protocol, sent as x-amzn-query-error
	Members   map[string]any // further members of the error body, such as CancellationReasons
}

// Errorf returns an [*Error] with status 400.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// A Service is a set of operations in AWS JSON.
type Service struct {
	Prefix         string // of X-Amz-Target, before the dot: "AmazonSQS"
	Version        string // of AWS JSON: "1.0" or "1.1"
	ErrorNamespace string // before the # of an error's __type: "com.amazonaws.sqs"; may be empty
	Checksum       bool   // answers carry X-Amz-Crc32, as DynamoDB's do: its clients complain about answers without
	Operations     map[string]Operation
}

// A Query is a set of operations in the query protocol. An operation takes the form's values and returns what stands
// inside <ActionResult>, to be encoded by encoding/xml.
type Query struct {
	Version    string // of the API, such as "2010-05-15"
	Namespace  string // XML namespace of the answers
	Operations map[string]func(context.Context, url.Values) (any, error)
}

// A Mux routes requests to services by their protocol. The zero value is ready; register before serving.
type Mux struct {
	Log *slog.Logger // of failures that are no [*Error]; default slog.Default()

	services map[string]Service
	queries  []Query
	paths    http.ServeMux
}

// Handle registers a service in AWS JSON.
func (m *Mux) Handle(s Service) {
	if m.services == nil {
		m.services = map[string]Service{}
	}
	m.services[s.Prefix] = s
}

// HandleQuery registers a service in the query protocol.
func (m *Mux) HandleQuery(q Query) { m.queries = append(m.queries, q) }

// HandlePath registers a REST service for a pattern of [http.ServeMux]: one that ends in a slash stands for all below.
func (m *Mux) HandlePath(pattern string, h http.Handler) { m.paths.Handle(pattern, h) }

// ServeHTTP answers one call.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-amzn-RequestId", uuid.NewString())
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			m.log().ErrorContext(r.Context(), "operation panicked", "panic", p, "stack", string(debug.Stack()))
			Service{Version: "1.0"}.writeError(w, m.asError(r.Context(), fmt.Errorf("panic: %v", p)))
		}
	}()
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		m.serveJSON(w, r, target)
		return
	}
	if r.URL.Path == "/" && r.Method == http.MethodPost {
		m.serveQuery(w, r)
		return
	}
	m.paths.ServeHTTP(w, r)
}

func (m *Mux) log() *slog.Logger {
	if m.Log == nil {
		return slog.Default()
	}
	return m.Log
}

// asError turns any error into one that clients understand; a foreign one is logged, not shown.
func (m *Mux) asError(ctx context.Context, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if !errors.Is(err, context.Canceled) {
		m.log().ErrorContext(ctx, "operation failed", "error", err)
	}
	return &Error{Code: "InternalFailure", Message: "The request processing has failed because of an unknown error, exception or failure.", Status: http.StatusInternalServerError}
}

func (m *Mux) serveJSON(w http.ResponseWriter, r *http.Request, target string) {
	prefix, name, _ := strings.Cut(target, ".")
	s, ok := m.services[prefix]
	if !ok {
		Service{Version: "1.0"}.writeError(w, Errorf("UnknownOperationException", "no service here answers to %q", target))
		return
	}
	op, ok := s.Operations[name]
	if !ok {
		s.writeError(w, Errorf("UnknownOperationException", "this %s does not know the operation %q", s.Prefix, name))
		return
	}
	body, err := ReadBody(w, r)
	if err != nil {
		s.writeError(w, m.asError(r.Context(), err))
		return
	}
	ctx := r.Context()
	if header := r.Header.Get("X-Amzn-Trace-Id"); header != "" {
		ctx = context.WithValue(ctx, traceHeaderKey{}, header)
	}
	out, err := op(ctx, body)
	if err != nil {
		s.writeError(w, m.asError(r.Context(), err))
		return
	}
	raw, ok := out.(Raw)
	if !ok {
		if raw, err = marshal(out); err != nil {
			s.writeError(w, m.asError(r.Context(), err))
			return
		}
	}
	s.write(w, http.StatusOK, raw)
}

func (s Service) write(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/x-amz-json-"+s.Version)
	if s.Checksum {
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	}
	w.WriteHeader(status)
	w.Write(body) // an error means that the client has gone; nobody is left to tell
}

// ReadBody reads a request's body within [MaxBody].
func ReadBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limited := http.MaxBytesReader(w, r.Body, MaxBody)
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 {
		buf.Grow(int(min(n, 64<<10)) + bytes.MinRead) // what is announced need not come
	}
	if _, err := buf.ReadFrom(limited); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, &Error{Code: "RequestEntityTooLarge", Message: fmt.Sprintf("the request is larger than %d bytes", MaxBody), Status: http.StatusRequestEntityTooLarge}
		}
		return nil, Errorf("SerializationException", "reading the request: %v", err)
	}
	return buf.Bytes(), nil
}

// marshal encodes without HTML escaping, as AWS does.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

func (s Service) writeError(w http.ResponseWriter, e *Error) {
	typ := e.Code
	if s.ErrorNamespace != "" {
		typ = s.ErrorNamespace + "#" + e.Code
	}
	body := map[string]any{"__type": typ, "message": e.Message}
	for k, v := range e.Members {
		body[k] = v
	}
	if e.QueryCode != "" {
		w.Header().Set("x-amzn-query-error", e.QueryCode+";Sender")
	}
	w.Header().Set("x-amzn-ErrorType", e.Code)
	b, err := marshal(body)
	if err != nil {
		b = []byte(`{"__type":"InternalFailure"}`)
	}
	s.write(w, e.status(), b)
}

func (e *Error) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// WriteRESTError answers an error as AWS's REST JSON services (Lambda) do.
func WriteRESTError(w http.ResponseWriter, e *Error) {
	body := map[string]any{"Type": "User", "Message": e.Message, "message": e.Message}
	if e.status() >= 500 {
		body["Type"] = "Service"
	}
	for k, v := range e.Members {
		body[k] = v
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("x-amzn-ErrorType", e.Code)
	w.WriteHeader(e.status())
	json.NewEncoder(w).Encode(body) // see Service.write
}

func (m *Mux) serveQuery(w http.ResponseWriter, r *http.Request) {
	body, err := ReadBody(w, r)
	if err != nil {
		writeQueryError(w, "", m.asError(r.Context(), err))
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		writeQueryError(w, "", Errorf("MalformedQueryString", "the request is no form: %v", err))
		return
	}
	action, version := form.Get("Action"), form.Get("Version")
	for _, q := range m.queries {
		if q.Version != version {
			continue
		}
		op, ok := q.Operations[action]
		if !ok {
			writeQueryError(w, q.Namespace, Errorf("InvalidAction", "the operation %q is not known here", action))
			return
		}
		out, err := op(r.Context(), form)
		if err != nil {
			writeQueryError(w, q.Namespace, m.asError(r.Context(), err))
			return
		}
		writeXML(w, http.StatusOK, queryAnswer{action: action, namespace: q.Namespace, result: out, requestID: w.Header().Get("x-amzn-RequestId")})
		return
	}
	writeQueryError(w, "", Errorf("InvalidAction", "no service here answers to Action=%q, Version=%q", action, version))
}
