package function

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/lambdas/local/function/traceheader"
	"example.com/arvo/lambdas/local/wire"
)

// Paths are those that [Service.Handler] answers, for [wire.Mux.HandlePath]; one ending in a slash stands for all below.
var Paths = []string{
	"/2015-03-31/functions", "/2015-03-31/functions/",
	"/2016-08-19/account-settings", "/2016-08-19/account-settings/",
	"/2017-10-31/functions/", "/2019-09-30/functions/",
	"/2021-11-15/functions/",
}

// Handler serves Lambda's REST API, for as many operations as the package comment lists.
func (s *Service) Handler() http.Handler { return http.HandlerFunc(s.serveREST) }

func (s *Service) serveREST(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			wire.WriteRESTError(w, wire.Errorf("InvalidParameterValueException", "the path segment %.100q is not percent-encoded: %v", segment, err))
			return
		}
		segments[i] = plain
	}
	name := ""
	if len(segments) > 2 && segments[1] == "functions" {
		name = segments[2]
		segments[2] = "*"
	}
	var out any
	var err error
	switch r.Method + " " + strings.Join(segments, "/") {
	case "GET 2015-03-31/functions":
		out, err = s.listFunctions(r.URL.Query())
	case "GET 2015-03-31/functions/*":
		out, err = s.getFunction(name, r)
	case "GET 2015-03-31/functions/*/configuration":
		out, err = s.getConfiguration(name, r)
	case "PUT 2015-03-31/functions/*/configuration":
		out, err = s.updateConfiguration(name, w, r)
	case "POST 2015-03-31/functions/*/invocations":
		err = s.invokeREST(name, w, r)
		if err == nil {
			return
		}
	case "PUT 2017-10-31/functions/*/concurrency":
		out, err = s.putConcurrency(name, w, r)
	case "DELETE 2017-10-31/functions/*/concurrency":
		if name, err = s.resolve(name, r); err == nil {
			err = s.SetReservedConcurrency(name, nil)
		}
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
	case "GET 2019-09-30/functions/*/concurrency":
		out, err = s.getConcurrency(name, r)
	case "GET 2016-08-19/account-settings":
		out = s.accountSettings()
	default:
		err = &wire.Error{Code: "UnknownOperationException", Message: fmt.Sprintf("the local Lambda has no %s %.200s", r.Method, r.URL.Path), Status: http.StatusNotFound}
	}
	if err != nil {
		var e *wire.Error
		if !errors.As(err, &e) {
			e = &wire.Error{Code: "ServiceException", Message: err.Error(), Status: http.StatusInternalServerError}
		}
		wire.WriteRESTError(w, e)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(out) // an error means that the client has gone
}

// resolve finds a function by name, partial ARN or ARN, with or without the qualifier $LATEST.
func (s *Service) resolve(name string, r *http.Request) (string, error) {
	qualifier := r.URL.Query().Get("Qualifier")
	parts := strings.Split(name, ":")
	for i, part := range parts {
		if part == "function" {
			parts = parts[i+1:]
			break
		}
	}
	if len(parts) == 2 && qualifier == "" {
		qualifier = parts[1]
	}
	if len(parts) > 2 || !functionName.MatchString(parts[0]) {
		return "", wire.Errorf("InvalidParameterValueException", "%.200q is no function name or ARN", name)
	}
	if qualifier != "" && qualifier != "$LATEST" {
		return "", s.notFound(parts[0] + ":" + qualifier)
	}
	return parts[0], nil
}

func (s *Service) lookup(name string, r *http.Request) (*settings, *int, error) {
	name, err := s.resolve(name, r)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.functions[name]
	if !ok {
		return nil, nil, s.notFound(name)
	}
	return f.settings, copyInt(f.reserved), nil
}

func (s *Service) invokeREST(name string, w http.ResponseWriter, r *http.Request) error {
	name, err := s.resolve(name, r)
	if err != nil {
		return err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return err
	}
	if len(body) > 0 && !json.Valid(body) {
		return wire.Errorf("InvalidRequestContentException", "Could not parse request body into json: the payload is not valid JSON")
	}
	req := Request{Function: name, Payload: body, TraceHeader: r.Header.Get(traceheader.Name)}
	if c := r.Header.Get("X-Amz-Client-Context"); c != "" {
		raw, err := base64.StdEncoding.DecodeString(c)
		var compact bytes.Buffer
		if err == nil {
			err = json.Compact(&compact, raw)
		}
		if err != nil {
			return wire.Errorf("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object: %v", err)
		}
		req.ClientContext = compact.String()
	}
	switch log := r.Header.Get("X-Amz-Log-Type"); log {
	case "", "None":
	case "Tail":
		req.Tail = true
	default:
		return wire.Errorf("InvalidParameterValueException", "X-Amz-Log-Type %.50q is neither None nor Tail", log)
	}
	switch kind := r.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
	case "Event":
		req.id = newUUID(s.options.Random)
		if err := s.InvokeAsync(req); err != nil {
			return err
		}
		w.Header().Set("x-amzn-RequestId", req.id)
		w.WriteHeader(http.StatusAccepted)
		return nil
	case "DryRun":
		if _, _, err := s.lookup(name, r); err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	default:
		return wire.Errorf("InvalidParameterValueException", "X-Amz-Invocation-Type %.50q is neither RequestResponse, Event nor DryRun", kind)
	}
	res, err := s.Invoke(r.Context(), req)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("x-amzn-RequestId", res.RequestID)
	h.Set("X-Amz-Executed-Version", "$LATEST")
	if res.FunctionError != "" {
		h.Set("X-Amz-Function-Error", res.FunctionError)
	}
	if req.Tail {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(res.LogTail))
	}
	h.Set("Content-Length", strconv.Itoa(len(res.Payload)))
	_, _ = w.Write(res.Payload) // an error means that the client has gone
	return nil
}

// configuration is FunctionConfiguration of the API, with those members that mean something here.
type configuration struct {
	FunctionName     string
	FunctionArn      string
	Runtime          string
	Handler          string
	CodeSize         int64
	Description      string
	Timeout          int
	MemorySize       int
	LastModified     string
	CodeSha256       string
	Version          string
	Environment      *variables `json:",omitempty"`
	TracingConfig    struct{ Mode string }
	RevisionId       string
	State            string
	LastUpdateStatus string
	PackageType      string
	Architectures    []string
	LoggingConfig    struct{ LogFormat, LogGroup string }
}

type variables struct{ Variables map[string]string }

func describe(set *settings) configuration {
	c := configuration{
		FunctionName: set.Name, FunctionArn: set.arn, Runtime: "provided.al2023", Handler: set.Handler,
		CodeSize: set.codeSize, CodeSha256: set.codeHash, Timeout: int(set.Timeout / time.Second), MemorySize: set.MemoryMB,
		LastModified: set.modified.UTC().Format("2006-01-02T15:04:05.000+0000"), Version: "$LATEST", RevisionId: set.revision,
		State: "Active", LastUpdateStatus: "Successful", PackageType: "Zip", Architectures: []string{architecture()},
	}
	if len(set.Environment) > 0 {
		c.Environment = &variables{set.Environment}
	}
	c.TracingConfig.Mode = set.Tracing
	c.LoggingConfig.LogFormat, c.LoggingConfig.LogGroup = set.LogFormat, set.LogGroup
	return c
}

func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

func (s *Service) listFunctions(q url.Values) (any, error) {
	limit := 50
	if m := q.Get("MaxItems"); m != "" {
		n, err := strconv.Atoi(m)
		if err != nil || n < 1 || n > 10000 {
			return nil, invalid("MaxItems %.50q is not from 1 to 10000", m)
		}
		limit = min(n, 50) // as AWS, which never returns more
	}
	out := struct {
		Functions  []configuration
		NextMarker *string
	}{Functions: []configuration{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.functions)) {
		if name <= q.Get("Marker") {
			continue
		}
		if len(out.Functions) == limit {
			out.NextMarker = &out.Functions[limit-1].FunctionName
			break
		}
		out.Functions = append(out.Functions, describe(s.functions[name].settings))
	}
	return out, nil
}

func (s *Service) getFunction(name string, r *http.Request) (any, error) {
	set, reserved, err := s.lookup(name, r)
	if err != nil {
		return nil, err
	}
	type code struct{ RepositoryType, Location string }
	type concurrency struct{ ReservedConcurrentExecutions int }
	out := struct {
		Configuration configuration
		Code          code
		Concurrency   *concurrency `json:",omitempty"`
	}{Configuration: describe(set), Code: code{"file", (&url.URL{Scheme: "file", Path: set.Binary}).String()}}
	if reserved != nil {
		out.Concurrency = &concurrency{*reserved}
	}
	return out, nil
}

func (s *Service) getConfiguration(name string, r *http.Request) (any, error) {
	set, _, err := s.lookup(name, r)
	if err != nil {
		return nil, err
	}
	return describe(set), nil
}

// updateConfiguration changes Timeout, MemorySize and Environment; any other member is refused by name.
func (s *Service) updateConfiguration(name string, w http.ResponseWriter, r *http.Request) (any, error) {
	name, err := s.resolve(name, r)
	if err != nil {
		return nil, err
	}
	var in struct {
		FunctionName string // in the path, too
		Timeout      *int
		MemorySize   *int
		Environment  *struct{ Variables map[string]string }
	}
	if err := readJSON(w, r, &in); err != nil {
		return nil, err
	}
	if in.Timeout != nil && (*in.Timeout < 1 || *in.Timeout > 900) {
		return nil, invalid("Timeout %d is not from 1 to 900", *in.Timeout)
	}
	if in.MemorySize != nil && *in.MemorySize == 0 {
		return nil, invalid("MemorySize 0 is not from 128 to 10240")
	}
	set, err := s.update(name, func(c *Config) {
		if in.Timeout != nil {
			c.Timeout = time.Duration(*in.Timeout) * time.Second
		}
		if in.MemorySize != nil {
			c.MemoryMB = *in.MemorySize
		}
		if in.Environment != nil {
			c.Environment = in.Environment.Variables
		}
	})
	if err != nil {
		return nil, err
	}
	return describe(set), nil
}

func (s *Service) putConcurrency(name string, w http.ResponseWriter, r *http.Request) (any, error) {
	name, err := s.resolve(name, r)
	if err != nil {
		return nil, err
	}
	var in struct{ ReservedConcurrentExecutions *int }
	if err := readJSON(w, r, &in); err != nil {
		return nil, err
	}
	if in.ReservedConcurrentExecutions == nil {
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value null at 'reservedConcurrentExecutions' failed to satisfy constraint: Member must not be null")
	}
	if err := s.SetReservedConcurrency(name, in.ReservedConcurrentExecutions); err != nil {
		return nil, err
	}
	return in, nil
}

// SetReservedConcurrency reserves n of the account's concurrency for a function and limits it to n; 0 stops it, nil
// takes the reservation away. Running invocations are not touched.
func (s *Service) SetReservedConcurrency(name string, n *int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.functions[name]
	if !ok {
		return s.notFound(name)
	}
	if err := s.mayReserve(name, n); err != nil {
		return err
	}
	f.reserved = copyInt(n)
	return nil
}

func (s *Service) getConcurrency(name string, r *http.Request) (any, error) {
	_, reserved, err := s.lookup(name, r)
	if err != nil {
		return nil, err
	}
	return struct {
		ReservedConcurrentExecutions *int `json:",omitempty"`
	}{reserved}, nil
}

func (s *Service) accountSettings() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	type limit struct {
		TotalCodeSize, CodeSizeUnzipped, CodeSizeZipped      int64
		ConcurrentExecutions, UnreservedConcurrentExecutions int
	}
	type usage struct {
		TotalCodeSize int64
		FunctionCount int
	}
	u := usage{FunctionCount: len(s.functions)}
	for _, f := range s.functions {
		u.TotalCodeSize += f.settings.codeSize
	}
	return struct {
		AccountLimit limit
		AccountUsage usage
	}{limit{75 << 30, 250 << 20, 50 << 20, s.options.AccountConcurrency, s.unreservedLimit()}, u}
}

// readJSON decodes a body strictly: an unknown member is an error that names it, because ignoring a setting is worse.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return err
	}
	if err := wire.UnmarshalStrict(body, v); err != nil {
		return wire.Errorf("InvalidParameterValueException", "the local Lambda cannot take this request: %v", err)
	}
	return nil
}
