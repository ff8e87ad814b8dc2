package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// serveProxy answers one request of a REST API (payload format 1.0) with an http.Handler, so that the API is written and
// tested as any other web server. stage is what the API's URL has before the path that the handler sees, such as
// "/live"; the handler finds it in its context ([stageOf]).
func serveProxy(ctx context.Context, h http.Handler, in events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	r, err := request(ctx, in)
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	res := rec.Result()
	out := events.APIGatewayProxyResponse{StatusCode: res.StatusCode, MultiValueHeaders: res.Header}
	if body := rec.Body.Bytes(); utf8.Valid(body) {
		out.Body = string(body)
	} else {
		out.Body, out.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return out, nil
}

func request(ctx context.Context, in events.APIGatewayProxyRequest) (*http.Request, error) {
	query := url.Values(in.MultiValueQueryStringParameters)
	target := url.URL{RawQuery: query.Encode()}
	var err error
	// The path comes as the client wrote it; one that is no valid escape is taken literally.
	if target.Path, err = url.PathUnescape(in.Path); err != nil {
		target.Path = in.Path
	} else {
		target.RawPath = in.Path
	}
	body := in.Body
	if in.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(in.Body)
		if err != nil {
			return nil, fmt.Errorf("api_lambda: the body is not the base64 it claims to be: %w", err)
		}
		body = string(b)
	}
	stage := strings.TrimSuffix(in.RequestContext.Path, in.Path)
	if stage == in.RequestContext.Path {
		stage = ""
	}
	ctx = context.WithValue(ctx, stageKey{}, stage)
	r, err := http.NewRequestWithContext(ctx, in.HTTPMethod, target.String(), strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("api_lambda: %w", err)
	}
	for name, values := range in.MultiValueHeaders {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Host = r.Header.Get("Host")
	return r, nil
}

type stageKey struct{}

// stageOf returns the part of the API's URL before the handler's paths: "" or "/live".
func stageOf(ctx context.Context) string {
	stage, _ := ctx.Value(stageKey{}).(string)
	return stage
}
