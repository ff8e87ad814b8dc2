package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// answerMargin is what a request leaves of its invocation's time: one that runs out of time is still answered.
const answerMargin = 500 * time.Millisecond

// A proxyRequest is what this API reads of a REST API's request.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html (payload format 1.0); [events.APIGatewayProxyRequest]
// has all of it, most of which would be decoded for nobody.
type proxyRequest struct {
	HTTPMethod     string              `json:"httpMethod"`
	Path           string              `json:"path"` // without the stage, escaped as the client sent it
	Query          map[string][]string `json:"multiValueQueryStringParameters"`
	Headers        map[string][]string `json:"multiValueHeaders"`
	RequestContext struct {
		Path string `json:"path"` // with the stage
	} `json:"requestContext"`
	Body            string `json:"body"`
	IsBase64Encoded bool   `json:"isBase64Encoded"`
}

// A proxyResponse is the answer to a proxyRequest.
type proxyResponse struct {
	StatusCode int         `json:"statusCode"`
	Headers    http.Header `json:"multiValueHeaders"`
	Body       string      `json:"body"`
}

// serveProxy answers one request of a REST API (payload format 1.0) with an http.Handler, so that the API is written and
// tested as any other web server. stage is what the API's URL has before the path that the handler sees, such as
// "/live"; the handler finds it in its context ([stageOf]).
func serveProxy(ctx context.Context, h http.Handler, in proxyRequest) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		within, cancel := context.WithDeadline(ctx, deadline.Add(-answerMargin))
		defer cancel()
		ctx = within
	}
	r, err := in.request(ctx)
	if err != nil {
		return nil, err
	}
	rec := recorder{header: http.Header{}}
	h.ServeHTTP(&rec, r)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // each < would be six bytes, and a Lambda may answer 6 MB
	if err := enc.Encode(proxyResponse{StatusCode: rec.statusCode(), Headers: rec.header, Body: rec.body.String()}); err != nil {
		return nil, fmt.Errorf("api_lambda: the answer: %w", err)
	}
	return out.Bytes(), nil
}

func (in proxyRequest) request(ctx context.Context) (*http.Request, error) {
	target := &url.URL{Path: in.Path, RawQuery: url.Values(in.Query).Encode()}
	// The path comes as the client wrote it; one that is no valid escape is taken literally.
	if path, err := url.PathUnescape(in.Path); err == nil {
		target.Path, target.RawPath = path, in.Path
	}
	body := in.Body
	if in.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(in.Body)
		if err != nil {
			return nil, fmt.Errorf("api_lambda: the body is not the base64 it claims to be: %w", err)
		}
		body = string(b)
	}
	stage, ok := strings.CutSuffix(in.RequestContext.Path, in.Path)
	if !ok {
		stage = ""
	}
	header := make(http.Header, len(in.Headers))
	for name, values := range in.Headers {
		name = http.CanonicalHeaderKey(name)
		header[name] = append(header[name], values...)
	}
	// Not http.NewRequest: it would parse the target again, and "//x" would become a host.
	r := &http.Request{
		Method: in.HTTPMethod, URL: target, Header: header, Host: header.Get("Host"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: readCloser{strings.NewReader(body)}, ContentLength: int64(len(body)),
	}
	return r.WithContext(context.WithValue(ctx, stageKey{}, stage)), nil
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// A recorder is the http.ResponseWriter of one request.
type recorder struct {
	header http.Header
	status int // 0 until the handler says
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func (r *recorder) statusCode() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

type stageKey struct{}

// stageOf returns the part of the API's URL before the handler's paths: "" or "/live".
func stageOf(ctx context.Context) string {
	stage, _ := ctx.Value(stageKey{}).(string)
	return stage
}
