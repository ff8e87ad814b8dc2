// Package sdkhttp mends how the AWS SDK uses net/http: with [Client], a request's body is in memory until the connection
// has sent it.
//
// The SDK closes a request's body as soon as it has the head of the answer, and a body of the SDK's that is closed and
// then asked for more answers with io.EOF as an error (smithy-go v1.28.8, safeWriteToReadCloser.WriteTo). But net/http
// still asks: once it has sent Content-Length bytes, it looks whether the body has more. Where the answer comes before
// that look, as it does now and then on a loopback, net/http takes the request for failed and closes the
// connection. What is then left unread of the answer is lost, "use of closed network connection", and the SDK repeats the
// call after up to two seconds; a PutEvents that is repeated publishes twice. An answer that had come whole only costs its
// connection. Reports of it without a cause are aws-sdk-go-v2's issues 1825 and 2737.
//
// A body that net/http knows to be in memory also leaves together with the head of its request, in one write and not in
// two, and is sent again, unseen by the SDK, when a kept connection turns out to be closed before anything was written.
//
// The alternatives were the SDK's own retries with a shorter pause, which keep the lost connection and the repeated call,
// and a transport other than net/http's.
package sdkhttp

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Client sends requests by next, or by a client like the SDK's own where next is nil. A body of known length is copied;
// the SDK has it in memory too. A body of unknown length is left to next as it is.
//
// It takes its place in an [aws.Config] after everything that wants to see the SDK's own type there, such as
// config.LoadDefaultConfig with AWS_CA_BUNDLE.
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
		return nil, fmt.Errorf("the body of the request: %w", err)
	}
	sent := r.WithContext(r.Context()) // the SDK closes the body of the one that it gave
	sent.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	sent.Body, _ = sent.GetBody()
	return c.next.Do(sent)
}
