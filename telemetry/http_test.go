package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestARequestNamesTheInvocation(t *testing.T) {
	const client = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, c := range []struct {
		name, method, path, traceparent string
		status                          int
		want, flags                     string
		link                            bool
	}{
		{"accepted", "POST", "/events", "", 202, "POST /events", "---", false},
		{"a subject is no part of a route", "GET", "/subjects/abc/def", "", 200, "GET /subjects/{}", "---", false},
		{"a path that there is not has no route", "GET", "/wp-login.php", "", 404, "GET", "e--", false},
		{"the client's mistake", "POST", "/events", "", 422, "POST /events", "e--", false},
		{"too many", "POST", "/events", "", 429, "POST /events", "et-", false},
		{"unavailable", "POST", "/events", "", 503, "POST /events", "--f", false},
		{"a method that there is not", "BREW", "/events", "", 405, "_OTHER /events", "e--", false},
		{"a client with a trace of its own", "POST", "/events", client, 202, "POST /events", "---", true},
		{"a client with rubbish in it", "POST", "/events", strings.Repeat("00-4bf92f", 10_000), 202, "POST /events", "---", false},
		{"a client with capitals in it", "POST", "/events", strings.ToUpper(client), 202, "POST /events", "---", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			api := w.HTTP(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(c.status) }))
			f := w.Lambda(handlerFunc(func(ctx context.Context, _ []byte) ([]byte, error) {
				r := httptest.NewRequestWithContext(ctx, c.method, c.path, nil)
				if c.traceparent != "" {
					r.Header.Set("traceparent", c.traceparent)
				}
				rec := httptest.NewRecorder()
				api.ServeHTTP(rec, r)
				if rec.Code != c.status {
					t.Errorf("status %d", rec.Code)
				}
				return nil, nil
			}))
			if _, err := f.Invoke(invocationContext(t, theHeader, time.Minute), nil); err != nil {
				t.Fatal(err)
			}
			d := one(t, w.sent(), strings.NewReplacer("{", "", "}", "").Replace(c.want)) // X-Ray allows no braces in a name
			if d.TraceID.W3C() != theTrace || flags(d) != c.flags || d.HTTP.Response.Status != c.status {
				t.Errorf("%s in %s: %+v", flags(d), d.TraceID, d.HTTP)
			}
			if linked := len(d.Links) == 1; linked != c.link || linked != (annotations(d)["client_trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736") || len(annotations(d)) > 0 != linked {
				t.Errorf("links %v, annotations %v", d.Links, annotations(d))
			}
		})
	}
}
