package sdkhttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"example.com/arvo/lambdas/sdkhttp"
)

type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// TestABodyOutlivesTheCall does what net/http does when an answer comes early: it answers, and looks into the body
// afterwards.
func TestABodyOutlivesTheCall(t *testing.T) {
	var sent *http.Request
	early := doFunc(func(r *http.Request) (*http.Response, error) {
		sent = r
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}`))}, nil
	})
	events := eventbridge.New(eventbridge.Options{
		Region: "eu-north-1", Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""), HTTPClient: sdkhttp.Client(early),
	})
	if _, err := events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Detail: aws.String(`{"a":1}`)}}}); err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(sent.Body); err != nil || !strings.Contains(body.String(), `{\"a\":1}`) {
		t.Errorf("after the call the body is %q, %v", body.String(), err)
	}
	if _, err := io.Copy(io.Discard, sent.Body); err != nil {
		t.Errorf("a look whether there is more says %v", err)
	}
	if err := sent.Body.Close(); err != nil {
		t.Error(err)
	}
}

// A request without a body, with one of unknown length, and with one of known length are all sent as they are.
func TestARequestIsSentAsItIs(t *testing.T) {
	type received struct {
		body   string
		length int64
	}
	got := make(chan received, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- received{string(body), r.ContentLength}
	}))
	defer server.Close()
	for _, test := range []struct {
		name string
		body io.Reader
		want received
	}{
		{"without a body", nil, received{"", 0}},
		{"with a body of known length", strings.NewReader("four"), received{"four", 4}},
		{"with a body of unknown length", io.MultiReader(strings.NewReader("fo"), strings.NewReader("ur")), received{"four", -1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, test.body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := sdkhttp.Client(server.Client()).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if have := <-got; have != test.want {
				t.Errorf("the server received %+v, want %+v", have, test.want)
			}
		})
	}
}

func TestABodyOfAnotherLengthIsNotSent(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, test := range []struct {
		name string
		body io.Reader
		want string
	}{
		{"a body that fails", io.MultiReader(strings.NewReader("fo"), failing{broken}), "of 4 bytes: the disk is gone"},
		{"a body that is shorter than it says", strings.NewReader("fo"), "of 4 bytes: unexpected EOF"},
		{"a body that is longer than it says", strings.NewReader("fourteen"), "has more than its 4 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := &closeable{Reader: test.body}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1", body)
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = 4
			_, err = sdkhttp.Client(doFunc(func(*http.Request) (*http.Response, error) {
				t.Error("it was sent")
				return nil, nil
			})).Do(r)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %s", err, test.want)
			}
			if !body.closed {
				t.Error("the body is left open")
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type closeable struct {
	io.Reader
	closed bool
}

func (c *closeable) Close() error {
	c.closed = true
	return nil
}

// The caller's request can be sent again, and ends with its context.
func TestTheCallersRequestStaysAsItIs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1", strings.NewReader("four"))
	if err != nil {
		t.Fatal(err)
	}
	body := r.Body
	_, err = sdkhttp.Client(doFunc(func(sent *http.Request) (*http.Response, error) {
		return nil, sent.Context().Err()
	})).Do(r)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v, want the context's", err)
	}
	if r.Body != body {
		t.Error("the request has another body")
	}
}

// A connection that counts its writes.
type connection struct {
	net.Conn
	writes *atomic.Int32
}

func (c connection) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

func TestASmallRequestLeavesInOneWrite(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	var writes atomic.Int32
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return connection{conn, &writes}, err
	}}
	defer transport.CloseIdleConnections()
	events := eventbridge.New(eventbridge.Options{
		Region: "eu-north-1", Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""), BaseEndpoint: &server.URL,
		HTTPClient: sdkhttp.Client(&http.Client{Transport: transport}),
		Retryer:    aws.NopRetryer{},
	})
	_, _ = events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Detail: aws.String(`{"a":1}`)}}}) // the answer is none
	if n := writes.Load(); n != 1 {
		t.Errorf("%d writes", n)
	}
}

func TestTheSDKsOwnClientIsTheDefault(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound) // the SDK's own follows no redirect
	}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("four"))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true // no connection is kept
	resp, err := sdkhttp.Client(nil).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound {
		t.Errorf("the answer is %s", resp.Status)
	}
}
