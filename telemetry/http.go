package telemetry

import (
	"net/http"
	"strings"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// HTTP decorates the API behind [Telemetry.Lambda]: the invocation's span learns the method, the route and the status. A
// traceparent that the client sends is recorded, as a link and an annotation, and not adopted: it would let strangers write into traces.
//
// The route is the pattern that an http.ServeMux has matched, or else the first part of the path with what follows as
// {}; of a path that is not found there is none, since anybody can make those up.
func (t *Telemetry) HTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		span := trace.SpanFromContext(r.Context())
		if !span.IsRecording() {
			next.ServeHTTP(w, r)
			return
		}
		method := methodOf(r.Method)
		span.SetAttributes(semconv.HTTPRequestMethodKey.String(method))
		span.SetName(method + " " + routeOf(r)) // until the route is known
		if client, ok := parseTraceparent(r.Header.Get("Traceparent")); ok {
			span.AddLink(trace.Link{SpanContext: client})
			span.SetAttributes(keyClientTrace.String(client.TraceID().String()))
		}
		status := statusWriter{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(&status, r)
		span.SetAttributes(semconv.HTTPResponseStatusCode(status.code))
		if status.code != http.StatusNotFound || r.Pattern != "" {
			route := routeOf(r)
			span.SetAttributes(semconv.HTTPRoute(route))
			span.SetName(method + " " + route)
		} else {
			span.SetName(method)
		}
		switch {
		case status.code == http.StatusTooManyRequests:
			failWith(span, failureThrottle, "429", http.StatusText(status.code))
		case status.code >= 500:
			failWith(span, failureFault, httpCode(status.code), http.StatusText(status.code))
		case status.code >= 400: // the client's mistake: no failure of ours, but to be found
			failWith(span, failureError, httpCode(status.code), http.StatusText(status.code))
		}
	})
}

func routeOf(r *http.Request) string {
	if r.Pattern != "" {
		_, route, ok := strings.Cut(r.Pattern, " ")
		if !ok {
			route = r.Pattern
		}
		return clip(route, 200)
	}
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if rest != "" {
		return "/" + clip(first, 100) + "/{}"
	}
	return "/" + clip(first, 100)
}

// methodOf is the method if it is one of HTTP's, and else what the conventions say for any other.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

func httpCode(code int) string {
	return string([]byte{byte('0' + code/100%10), byte('0' + code/10%10), byte('0' + code%10)})
}

// A statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	code    int
	written bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(code int) {
	if !w.written && code >= 200 {
		w.code, w.written = code, true
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements [http.ResponseWriter].
func (w *statusWriter) Write(p []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
