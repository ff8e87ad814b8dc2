package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/telemetry"
	"example.com/arvo/telemetry/segment"
)

// api serves the clients.
type api struct {
	contracts map[string]*arvo.Contract // by type
	responses *store.Responses
	publisher *broker.Publisher
	telemetry *telemetry.Telemetry
	region    string        // whose console shows the traces; "" where none does
	flight    time.Duration // how long a request may be in flight: a little longer than an invocation may last
	routes    map[string]route
}

// A route is what is at a path, and the one method that it takes.
type route struct {
	method string
	serve  http.HandlerFunc
}

// newAPI completes an api with its routes.
func newAPI(a api) *api {
	a.routes = map[string]route{
		"/events":             {http.MethodPost, a.postEvents},
		"/subjects":           {http.MethodGet, a.getSubjectByQuery},
		"/subjects/{subject}": {http.MethodGet, a.getSubjectByPath},
		"/contracts":          {http.MethodGet, a.getContracts},
		"/openapi.json":       {http.MethodGet, a.getOpenAPI},
		"/healthz":            {http.MethodGet, a.getHealth},
	}
	return &a
}

// ServeHTTP routes a request by its path, taken literally: an [http.ServeMux] would redirect "//x", past the stage. A
// handler that panics fails its request alone.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(r.Context(), "request panicked", "method", r.Method, "stack", string(debug.Stack()))
			a.fail(w, r, newProblem(http.StatusInternalServerError, "defect", "The request met a defect", "it is in the log"))
		}
	}()
	at := r.URL.EscapedPath()
	if value, ok := strings.CutPrefix(at, "/subjects/"); ok && value != "" { // slashes are part of some subjects
		subject, err := url.PathUnescape(value)
		if err != nil { // EscapedPath is valid
			subject = value
		}
		r.SetPathValue("subject", subject)
		at = "/subjects/{subject}"
	}
	to, ok := a.routes[at]
	if !ok {
		a.fail(w, r, newProblem(http.StatusNotFound, "unknown-path", "There is nothing here", "see GET /openapi.json"))
		return
	}
	allow := to.method + ", " + http.MethodOptions
	if to.method == http.MethodGet {
		allow = http.MethodGet + ", " + http.MethodHead + ", " + http.MethodOptions
	}
	switch {
	case r.Method == to.method || r.Method == http.MethodHead && to.method == http.MethodGet: // the gateway drops a HEAD's body
		to.serve(w, r)
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", allow)
		a.fail(w, r, newProblem(http.StatusMethodNotAllowed, "method", "The method is not allowed", at+" takes "+to.method))
	}
}

func (a *api) getHealth(w http.ResponseWriter, r *http.Request) {
	a.write(w, r, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// traceURL is the trace in the console, "" where there is none.
func (a *api) traceURL(traceID string) string {
	id, err := segment.ParseTraceID(traceID)
	if err != nil { // the subject has no trace
		return ""
	}
	return id.ConsoleURL(a.region)
}

func (a *api) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(body.Bytes()); err != nil {
		slog.ErrorContext(r.Context(), "could not write an answer", "error", err)
	}
}

// fail answers a problem as it is; any other error is logged and shown as 503: what is left by then is
// time that ran out and faults of AWS, which pass.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		slog.ErrorContext(r.Context(), "request failed", "method", r.Method, "error", err)
		p = newProblem(http.StatusServiceUnavailable, "unavailable", "The request was not carried out", "try again")
		p.retryAfter = "1"
	}
	p.write(w, r)
}
