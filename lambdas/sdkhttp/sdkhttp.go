// Package sdkhttp mends how the AWS SDK uses net/http: with [Client], a request's body is in memory until the connection
// has sent it.
//
// The SDK closes a request's body as soon as it has the head of the answer, and a body of the SDK's that is closed and
// then asked for more answers with io.EOF as an error (smithy-go v1.28.8, safeWriteToReadCloser.WriteTo). But net/http
// still asks: once it has sent Content-Length bytes, it looks whether the body has more. Where the answer comes before
// that look, as it does now and then on a loopback, net/http takes the request for failed and closes the connection. What
// is then left unread of the answer is lost, "use of closed network connection", and the SDK repeats the call after up to
// two seconds; a PutEvents that is repeated publishes twice. An answer that had come whole only costs its connection.
// aws-sdk-go-v2's issues 1825 and 2737 report it.
//
// A body that net/http knows to be in memory also leaves in one write with the head of its request, if both fit into four
// kilobytes, and not in two.
//
// What it costs: the SDK adapts only a client of its own type to AWS_DEFAULTS_MODE and to its switches for timeouts, and
// makes one for each service where it is given none. With this package they do not apply, and the clients of a
// configuration share their connections. Every call that matters here has a deadline of its own.
//
// The alternatives were the SDK's own retries with a shorter pause, which keep the lost connection and the repeated call;
// a transport other than net/http's; and a Request.GetBody, with which net/http would repeat requests and follow
// redirects on its own, unseen by the SDK's count of attempts.
package sdkhttp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Client sends requests by next, or by the SDK's default client where next is nil. A body of known length is copied; the
// SDK has it in memory too. A body of unknown length is left to next as it is.
//
// In an [aws.Config] it takes its place after config.LoadDefaultConfig, which wants to see the SDK's own type when
// AWS_CA_BUNDLE is set.
func Client(next aws.HTTPClient) aws.HTTPClient {
	if next == nil {
		next = awshttp.NewBuildableClient()
	}
	return client{next}
}

type client struct{ next aws.HTTPClient }

// Do implements [aws.HTTPClient].
func (c client) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.ContentLength <= 0 {
		return c.next.Do(r)
	}
	defer r.Body.Close()
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, fmt.Errorf("sdkhttp: the body of the request, of %d bytes: %w", len(body), err)
	}
	if n, _ := r.Body.Read(make([]byte, 1)); n > 0 {
		return nil, fmt.Errorf("sdkhttp: the body of the request has more than its %d bytes", len(body))
	}
	sent := r.WithContext(r.Context()) // the caller's request stays as it is
	sent.Body = io.NopCloser(bytes.NewReader(body))
	return c.next.Do(sent)
}
