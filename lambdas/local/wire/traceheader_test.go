package wire_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/wire"
)

func TestAnOperationSeesTheTraceHeaderOfItsRequest(t *testing.T) {
	var got string
	mux := &wire.Mux{}
	mux.Handle(wire.Service{Prefix: "Svc", Version: "1.1", Operations: map[string]wire.Operation{
		"Op": func(ctx context.Context, _ []byte) (any, error) {
			got = wire.TraceHeader(ctx)
			return struct{}{}, nil
		},
	}})
	for name, header := range map[string]string{"with a header": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", "without one": ""} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("X-Amz-Target", "Svc.Op")
		if header != "" {
			r.Header.Set("X-Amzn-Trace-Id", header)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != http.StatusOK || got != header {
			t.Errorf("%s: status %d, trace header %q, want %q", name, w.Code, got, header)
		}
	}
}
