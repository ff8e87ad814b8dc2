package sdkhttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
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

func TestABodyThatCannotBeReadIsNotSent(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, test := range []struct {
		name string
		body io.Reader
		want error
	}{
		{"a body that fails", io.MultiReader(strings.NewReader("fo"), failing{broken}), broken},
		{"a body that is shorter than it says", strings.NewReader("fo"), io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://127.0.0.1", io.NopCloser(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = 4
			_, err = sdkhttp.Client(doFunc(func(*http.Request) (*http.Response, error) {
				t.Error("it was sent")
				return nil, nil
			})).Do(r)
			if !errors.Is(err, test.want) {
				t.Errorf("the error is %v, want %v", err, test.want)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTheSDKsOwnClientIsTheDefault(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
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
	if resp.StatusCode != http.StatusTeapot {
		t.Errorf("the answer is %s", resp.Status)
	}
}
