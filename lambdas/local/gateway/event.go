package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/arvo/lambdas/local/function/traceheader"
)

// event is the input of a Lambda proxy integration. The order of its members is that of the documentation.
type event struct {
	Resource                        string              `json:"resource"`
	Path                            string              `json:"path"`
	HTTPMethod                      string              `json:"httpMethod"`
	Headers                         map[string]string   `json:"headers"`
	MultiValueHeaders               map[string][]string `json:"multiValueHeaders"`
	QueryStringParameters           map[string]string   `json:"queryStringParameters"`
	MultiValueQueryStringParameters map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters                  map[string]string   `json:"pathParameters"`
	StageVariables                  map[string]string   `json:"stageVariables"`
	RequestContext                  requestContext      `json:"requestContext"`
	Body                            *string             `json:"body"`
	IsBase64Encoded                 bool                `json:"isBase64Encoded"`
}

type requestContext struct {
	ResourceID        string   `json:"resourceId"`
	ResourcePath      string   `json:"resourcePath"`
	HTTPMethod        string   `json:"httpMethod"`
	ExtendedRequestID string   `json:"extendedRequestId"`
	RequestTime       string   `json:"requestTime"`
	Path              string   `json:"path"`
	AccountID         string   `json:"accountId"`
	Protocol          string   `json:"protocol"`
	Stage             string   `json:"stage"`
	DomainPrefix      string   `json:"domainPrefix"`
	RequestTimeEpoch  int64    `json:"requestTimeEpoch"`
	RequestID         string   `json:"requestId"`
	Identity          identity `json:"identity"`
	DomainName        string   `json:"domainName"`
	DeploymentID      string   `json:"deploymentId"`
	APIID             string   `json:"apiId"`
}

// identity is who calls. All but the address and the agent are null without an authoriser.
type identity struct {
	CognitoIdentityPoolID         *string `json:"cognitoIdentityPoolId"`
	AccountID                     *string `json:"accountId"`
	CognitoIdentityID             *string `json:"cognitoIdentityId"`
	Caller                        *string `json:"caller"`
	SourceIP                      string  `json:"sourceIp"`
	PrincipalOrgID                *string `json:"principalOrgId"`
	AccessKey                     *string `json:"accessKey"`
	CognitoAuthenticationType     *string `json:"cognitoAuthenticationType"`
	CognitoAuthenticationProvider *string `json:"cognitoAuthenticationProvider"`
	UserArn                       *string `json:"userArn"`
	UserAgent                     *string `json:"userAgent"`
	User                          *string `json:"user"`
}

// notForwarded are the headers that belong to the connection with the client; REST APIs do not pass them on.
var notForwarded = []string{"Connection", "Content-Length", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

const requestTimeLayout = "02/Jan/2006:15:04:05 -0700"

// event translates the request. The body is text unless its type is among the binary ones; bytes that are no UTF-8
// become U+FFFD in text, as on AWS.
func (x *exchange) event(m match, body []byte) ([]byte, error) {
	o := &x.gateway.options
	e := event{
		Resource:          m.resource.path,
		Path:              m.path,
		HTTPMethod:        x.r.Method,
		Headers:           map[string]string{},
		MultiValueHeaders: map[string][]string{},
		PathParameters:    m.parameters,
		StageVariables:    o.StageVariables,
		RequestContext: requestContext{
			ResourceID: m.resource.id, ResourcePath: m.resource.path, HTTPMethod: x.r.Method,
			ExtendedRequestID: x.log.ExtendedRequestID, RequestID: x.log.RequestID,
			RequestTime: x.log.Time.Format(requestTimeLayout), RequestTimeEpoch: x.log.Time.UnixMilli(),
			Path: m.asked, AccountID: o.Account, Protocol: x.r.Proto, Stage: o.Stage,
			DomainName: x.r.Host, DeploymentID: "local", APIID: o.ID,
			Identity: identity{SourceIP: x.log.SourceIP},
		},
	}
	e.RequestContext.DomainPrefix, _, _ = strings.Cut(x.r.Host, ".")
	if agent := x.r.Header.Get("User-Agent"); agent != "" {
		e.RequestContext.Identity.UserAgent = &agent
	}

	for name, values := range x.r.Header {
		if len(values) > 0 && !slices.Contains(notForwarded, name) {
			e.MultiValueHeaders[name] = values
		}
	}
	e.MultiValueHeaders["Host"] = []string{x.r.Host}
	e.MultiValueHeaders[traceheader.Name] = []string{x.trace.String()}
	forwarded := x.log.SourceIP
	if before := x.r.Header.Values("X-Forwarded-For"); len(before) > 0 {
		forwarded = strings.Join(before, ", ") + ", " + forwarded
	}
	e.MultiValueHeaders["X-Forwarded-For"] = []string{forwarded}
	scheme, port := "http", "80"
	if x.r.TLS != nil {
		scheme, port = "https", "443"
	}
	if _, p, err := net.SplitHostPort(x.r.Host); err == nil {
		port = p
	}
	e.MultiValueHeaders["X-Forwarded-Proto"] = []string{scheme}
	e.MultiValueHeaders["X-Forwarded-Port"] = []string{port}
	for name, values := range e.MultiValueHeaders {
		e.Headers[name] = values[len(values)-1]
	}

	if query := parseQuery(x.r.URL.RawQuery); len(query) > 0 {
		e.MultiValueQueryStringParameters = query
		e.QueryStringParameters = make(map[string]string, len(query))
		for name, values := range query {
			e.QueryStringParameters[name] = values[len(values)-1]
		}
	}
	if len(body) > 0 {
		text := ""
		if x.gateway.isBinary(x.r.Header.Get("Content-Type")) {
			text, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
		} else {
			text = string(body)
		}
		e.Body = &text
	}
	var buf bytes.Buffer
	buf.Grow(2048 + len(body))
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// parseQuery splits a query at &; what is not validly encoded stays as it is.
func parseQuery(raw string) map[string][]string {
	query := map[string][]string{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = unescape(name), unescape(value)
		query[name] = append(query[name], value)
	}
	return query
}

func unescape(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return plain
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// isBinary tells whether a media type is among the API's binary ones.
func (g *Gateway) isBinary(contentType string) bool {
	if len(g.options.BinaryMediaTypes) == 0 {
		return false
	}
	typ, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		typ = ""
	}
	major, _, _ := strings.Cut(typ, "/")
	for _, b := range g.options.BinaryMediaTypes {
		if b == "*/*" || typ != "" && (strings.EqualFold(b, typ) || strings.EqualFold(b, major+"/*")) {
			return true
		}
	}
	return false
}

func validMediaType(s string) bool {
	major, minor, ok := strings.Cut(s, "/")
	return ok && major != "" && minor != "" && !strings.ContainsAny(s, " ;,")
}
