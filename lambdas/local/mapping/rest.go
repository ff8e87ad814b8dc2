package mapping

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

// Path is where Lambda's REST API has its event source mappings. Requests come with and without a slash behind it.
const Path = "/2015-03-31/event-source-mappings"

const (
	maxPage     = 100 // mappings of one list, whatever MaxItems says
	maxMaxItems = 10_000
)

// Handler serves the part of Lambda's REST API that is about event source mappings: list, get and update. Mappings
// come from the template, so that they can neither be created nor deleted.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+Path, s.rest(s.list))
	mux.Handle("GET "+Path+"/{$}", s.rest(s.list))
	mux.Handle("GET "+Path+"/{uuid}", s.rest(s.get))
	mux.Handle("PUT "+Path+"/{uuid}", s.rest(s.update))
	mux.Handle("/", s.rest(func(_ http.ResponseWriter, r *http.Request) (int, any, error) {
		return 0, nil, &wire.Error{
			Code: "UnsupportedOperationException", Status: http.StatusMethodNotAllowed,
			Message: fmt.Sprintf("%s %s: event source mappings come from the template; they can be listed, read and updated here", r.Method, r.URL.Path),
		}
	}))
	return mux
}

// rest makes a handler of a function that returns a status and a value, or an error.
func (s *Service) rest(f func(http.ResponseWriter, *http.Request) (int, any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, v, err := f(w, r)
		if err != nil {
			wire.WriteRESTError(w, s.asError(r.Context(), err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(appendJSON(nil, v)) // an error means that the client has gone; nobody is left to tell
	})
}

func (s *Service) asError(ctx context.Context, err error) *wire.Error {
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	s.log.ErrorContext(ctx, "event source mapping call failed", "error", err)
	return &wire.Error{Code: "ServiceException", Message: "The event source mapping service failed.", Status: http.StatusInternalServerError}
}

// configuration is a mapping on the wire.
type configuration struct {
	UUID                           string
	BatchSize                      int
	MaximumBatchingWindowInSeconds int
	EventSourceARN                 string          `json:"EventSourceArn"`
	FilterCriteria                 *filterCriteria `json:",omitempty"`
	FunctionARN                    string          `json:"FunctionArn"`
	LastModified                   float64         // seconds since 1970
	State                          string
	StateTransitionReason          string
	FunctionResponseTypes          []string
	ScalingConfig                  *scalingConfig `json:",omitempty"`
	EventSourceMappingARN          string         `json:"EventSourceMappingArn"`
}

type filterCriteria struct {
	Filters []filterJSON `json:",omitempty"`
}

type filterJSON struct {
	Pattern string
}

type scalingConfig struct {
	MaximumConcurrency *int `json:",omitempty"`
}

const reportFailures = "ReportBatchItemFailures"

// configuration returns the mapping with a state, which in answers to updates is not the one it has. m is locked.
func (m *Mapping) configuration(state string) configuration {
	c := configuration{
		UUID: m.cfg.ID, BatchSize: m.cfg.BatchSize, MaximumBatchingWindowInSeconds: int(m.cfg.Window / time.Second),
		EventSourceARN: m.cfg.Queue.ARN(), FunctionARN: m.cfg.functionARN(),
		LastModified: float64(m.modified.UnixMilli()) / 1000,
		State:        state, StateTransitionReason: "USER_INITIATED", FunctionResponseTypes: []string{},
		EventSourceMappingARN: "arn:aws:lambda:" + m.cfg.region() + ":" + m.cfg.account() + ":event-source-mapping:" + m.cfg.ID,
	}
	if len(m.cfg.Filters) > 0 {
		c.FilterCriteria = &filterCriteria{}
		for _, text := range m.cfg.Filters {
			c.FilterCriteria.Filters = append(c.FilterCriteria.Filters, filterJSON{text})
		}
	}
	if m.cfg.ReportBatchItemFailures {
		c.FunctionResponseTypes = append(c.FunctionResponseTypes, reportFailures)
	}
	if n := m.cfg.MaxConcurrency; n > 0 {
		c.ScalingConfig = &scalingConfig{&n}
	}
	return c
}

type listAnswer struct {
	NextMarker          string `json:",omitempty"`
	EventSourceMappings []configuration
}

func (s *Service) list(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	query := r.URL.Query()
	most := maxPage
	if text := query.Get("MaxItems"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxMaxItems {
			return 0, nil, invalid("MaxItems %q is not a number between 1 and %d", text, maxMaxItems)
		}
		most = min(n, maxPage)
	}
	after, err := base64.RawURLEncoding.DecodeString(query.Get("Marker"))
	if err != nil {
		return 0, nil, invalid("Marker %q is none that a list has returned", query.Get("Marker"))
	}
	source, function := query.Get("EventSourceArn"), query.Get("FunctionName")
	answer := listAnswer{EventSourceMappings: []configuration{}}
	for _, m := range s.Mappings() {
		m.mu.Lock()
		c := m.configuration(string(m.state))
		m.mu.Unlock()
		switch {
		case c.UUID <= string(after):
		case source != "" && source != c.EventSourceARN:
		case function != "" && functionName(function) != functionName(c.FunctionARN):
		case len(answer.EventSourceMappings) == most:
			last := answer.EventSourceMappings[most-1].UUID
			answer.NextMarker = base64.RawURLEncoding.EncodeToString([]byte(last))
			return http.StatusOK, answer, nil
		default:
			answer.EventSourceMappings = append(answer.EventSourceMappings, c)
		}
	}
	return http.StatusOK, answer, nil
}

func (s *Service) find(r *http.Request) (*Mapping, error) {
	m, ok := s.Lookup(r.PathValue("uuid"))
	if !ok {
		return nil, &wire.Error{Code: "ResourceNotFoundException", Message: "The resource you requested does not exist.", Status: http.StatusNotFound}
	}
	return m, nil
}

func (s *Service) get(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	m, err := s.find(r)
	if err != nil {
		return 0, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return http.StatusOK, m.configuration(string(m.state)), nil
}

// A change is the body of UpdateEventSourceMapping; nil leaves a setting as it is.
type change struct {
	Enabled                        *bool
	BatchSize                      *int
	MaximumBatchingWindowInSeconds *int
	ScalingConfig                  *scalingConfig  // empty means no limit of its own
	FilterCriteria                 *filterCriteria // empty means no filter
	FunctionResponseTypes          *[]string
}

func (s *Service) update(w http.ResponseWriter, r *http.Request) (int, any, error) {
	m, err := s.find(r)
	if err != nil {
		return 0, nil, err
	}
	body, err := wire.ReadBody(w, r)
	if err != nil {
		return 0, nil, err
	}
	var u change
	if err := wire.UnmarshalStrict(body, &u); err != nil {
		return 0, nil, updateError(err)
	}
	c, err := s.apply(m, u)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, c, nil
}

// updateError tells settings that exist on AWS but not here from those that exist nowhere.
func updateError(err error) error {
	if unknown, ok := errors.AsType[*wire.UnknownMemberError](err); ok {
		return invalid("%.256q cannot be updated here; Enabled, BatchSize, MaximumBatchingWindowInSeconds, ScalingConfig, FilterCriteria and FunctionResponseTypes can", unknown.Name)
	}
	return &wire.Error{Code: "InvalidRequestContentException", Message: "Could not parse request body into json: " + err.Error(), Status: http.StatusBadRequest}
}

// apply changes a mapping, all of it or, on an error, nothing. Batches that are being collected or invoked end as they
// began; all that are received from now on are as the update says.
func (s *Service) apply(m *Mapping, u change) (configuration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.stopped || m.state == Disabling {
		return configuration{}, &wire.Error{Code: "ResourceInUseException", Message: "Cannot update the event source mapping because it is being disabled.", Status: http.StatusBadRequest}
	}
	cfg := m.cfg
	if n := u.BatchSize; n != nil {
		if *n == 0 {
			return configuration{}, badBatchSize(0) // said outright it does not mean the default
		}
		cfg.BatchSize = *n
	}
	if u.MaximumBatchingWindowInSeconds != nil {
		if n := *u.MaximumBatchingWindowInSeconds; n < 0 || n > int(maxWindow/time.Second) {
			return configuration{}, invalid("MaximumBatchingWindowInSeconds %d is not between 0 and %v", n, maxWindow.Seconds())
		}
		cfg.Window = time.Duration(*u.MaximumBatchingWindowInSeconds) * time.Second
	}
	if u.ScalingConfig != nil {
		cfg.MaxConcurrency = 0
		if n := u.ScalingConfig.MaximumConcurrency; n != nil {
			if *n == 0 {
				return configuration{}, badConcurrency(0) // as above
			}
			cfg.MaxConcurrency = *n
		}
	}
	if u.FilterCriteria != nil {
		cfg.Filters = nil
		for _, f := range u.FilterCriteria.Filters {
			cfg.Filters = append(cfg.Filters, f.Pattern)
		}
	}
	if types := u.FunctionResponseTypes; types != nil {
		cfg.ReportBatchItemFailures = len(*types) > 0
		if i := slices.IndexFunc(*types, func(t string) bool { return t != reportFailures }); i >= 0 || len(*types) > 1 {
			return configuration{}, invalid("FunctionResponseTypes %q: it can hold %q at most", *types, reportFailures)
		}
	}
	if u.Enabled != nil {
		cfg.Disabled = !*u.Enabled
	}
	if err := cfg.normalize(s.timeout(cfg.Function)); err != nil {
		return configuration{}, err
	}
	filter, err := compileFilter(cfg.Filters)
	if err != nil {
		return configuration{}, err
	}
	m.cfg, m.filter, m.modified = cfg, filter, time.Now()
	switch {
	case cfg.Disabled && m.state == Enabled:
		m.disable()
		return m.configuration(string(Disabling)), nil
	case !cfg.Disabled && m.state == Disabled:
		m.enable()
		return m.configuration("Enabling"), nil
	case m.state == Enabled:
		m.change()
	}
	return m.configuration("Updating"), nil
}
