package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/sync/semaphore"
)

// Bodies hold their room while they are in an integration, and no longer.
func TestBodiesShareRoom(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	g, err := New(Options{
		Routes: []Route{{Method: "POST", Path: "/{name}", Function: "f"}},
		Invoke: func(_ context.Context, _ string, payload []byte, _ string) ([]byte, string, error) {
			if strings.Contains(string(payload), `"path":"/slow"`) {
				entered <- struct{}{}
				<-leave
			}
			return []byte(`{}`), "", nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	g.buffered = semaphore.NewWeighted(10)
	post := func(path string, bytes int) *http.Response {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest("POST", path, strings.NewReader(strings.Repeat("x", bytes))))
		return w.Result()
	}
	want := func(path string, bytes, status int) {
		t.Helper()
		if res := post(path, bytes); res.StatusCode != status || (res.Header.Get("Connection") == "close") != (status == http.StatusServiceUnavailable) {
			t.Errorf("%d bytes: %d, Connection %q; want %d", bytes, res.StatusCode, res.Header.Get("Connection"), status)
		}
	}
	want("/a", 11, 503)
	want("/a", 10, 200)
	slow := make(chan int)
	go func() { slow <- post("/slow", 6).StatusCode }()
	<-entered
	want("/a", 5, 503)
	want("/a", 4, 200)
	close(leave)
	if status := <-slow; status != 200 {
		t.Errorf("the slow one: %d", status)
	}
	want("/a", 10, 200)
}
