package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
)

// api serves the clients.
type api struct {
	contracts map[string]*arvo.Contract // by type
	responses *store.Responses
	publisher *broker.Publisher
	region    string
	flight    time.Duration
}

func (a *api) routes() http.Handler {
	mux := http.NewServeMux()
	for path, methods := range map[string]map[string]http.HandlerFunc{
		"/events":             {http.MethodPost: a.postEvents},
		"/subjects":           {http.MethodGet: a.getSubjectByQuery},
		"/subjects/{subject}": {http.MethodGet: a.getSubjectByPath},
		"/contracts":          {http.MethodGet: a.getContracts},
		"/openapi.json":       {http.MethodGet: a.getOpenAPI},
		"/healthz":            {http.MethodGet: a.getHealth},
	} {
		for method, handler := range methods {
			mux.HandleFunc(method+" "+path, handler)
			mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Allow", method)
				a.fail(w, r, newProblem(http.StatusMethodNotAllowed, "method", "The method is not allowed", path+" takes "+method))
			})
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, newProblem(http.StatusNotFound, "unknown-path", "There is nothing here", "see GET /openapi.json"))
	})
	return mux
}

func (a *api) getHealth(w http.ResponseWriter, r *http.Request) {
	a.write(w, r, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// traceURL is the trace in the console.
func (a *api) traceURL(traceID string) string {
	if traceID == "" {
		return ""
	}
	return "https://" + a.region + ".console.aws.amazon.com/cloudwatch/home?region=" + a.region + "#xray:traces/" + traceID
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
