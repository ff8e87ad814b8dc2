package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"example.com/arvo/lambdas/local/wire"
)

// answer is the output of a Lambda proxy integration. Any other member makes it malformed.
type answer struct {
	StatusCode        *int                `json:"statusCode"`
	Headers           map[string]scalar   `json:"headers"`
	MultiValueHeaders map[string][]scalar `json:"multiValueHeaders"`
	Body              *string             `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

// A scalar is a header's value; numbers and booleans stand for their text.
type scalar string

// UnmarshalJSON takes strings, numbers and booleans.
func (s *scalar) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) > 0 && b[0] == '"':
		var text string
		if err := json.Unmarshal(b, &text); err != nil {
			return err
		}
		*s = scalar(text)
		return nil
	case len(b) > 0 && (b[0] == '{' || b[0] == '[' || b[0] == 'n'):
		return fmt.Errorf("a header's value is %s", b[:1])
	}
	*s = scalar(b)
	return nil
}

// remapped are the headers that a function cannot set; they arrive as x-amzn-Remapped-<name>.
// Source: "Amazon API Gateway important notes", REST APIs.
var remapped = []string{"Connection", "Content-Length", "Content-Md5", "Date", "Server", "Www-Authenticate"}

// dropped are headers of the connection that do not arrive at all.
var dropped = []string{"Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// parseAnswer reads a proxy response; what is malformed is named.
func parseAnswer(payload []byte) (answer, error) {
	var a answer
	if trimmed := bytes.TrimSpace(payload); len(trimmed) == 0 || trimmed[0] != '{' {
		return a, errors.New("malformed Lambda proxy response: not a JSON object")
	}
	if err := wire.UnmarshalStrict(payload, &a); err != nil {
		return a, fmt.Errorf("malformed Lambda proxy response: %w", err)
	}
	if a.StatusCode == nil {
		ok := http.StatusOK // as AWS does
		a.StatusCode = &ok
	}
	if *a.StatusCode < 200 || *a.StatusCode > 599 {
		return a, fmt.Errorf("malformed Lambda proxy response: statusCode %d is not from 200 to 599", *a.StatusCode)
	}
	return a, nil
}

// merged joins the two kinds of headers: all values of multiValueHeaders, then those of headers that are not among them.
func (a answer) merged() (http.Header, error) {
	h := http.Header{}
	add := func(name string, values ...scalar) error {
		if !validName(name) {
			return fmt.Errorf("malformed Lambda proxy response: header name %.100q", name)
		}
		key := http.CanonicalHeaderKey(name)
		for _, v := range values {
			if strings.ContainsAny(string(v), "\r\n\x00") {
				return fmt.Errorf("malformed Lambda proxy response: a value of header %s has a line break", key)
			}
			if !slices.Contains(h[key], string(v)) {
				h[key] = append(h[key], string(v))
			}
		}
		return nil
	}
	for name, values := range a.MultiValueHeaders {
		if err := add(name, values...); err != nil {
			return nil, err
		}
	}
	for name, value := range a.Headers {
		if err := add(name, value); err != nil {
			return nil, err
		}
	}
	for _, name := range dropped {
		delete(h, name)
	}
	for _, name := range remapped {
		if values, ok := h[name]; ok {
			delete(h, name)
			h["X-Amzn-Remapped-"+name] = values
		}
	}
	return h, nil
}

// respond translates the function's answer.
func (x *exchange) respond(payload []byte) {
	a, err := parseAnswer(payload)
	var header http.Header
	if err == nil {
		header, err = a.merged()
	}
	var body []byte
	if err == nil && a.Body != nil {
		body = []byte(*a.Body)
		// Like requests, responses are text unless the API knows the type that the client accepts as binary.
		accept, _, _ := strings.Cut(x.r.Header.Get("Accept"), ",")
		if a.IsBase64Encoded && x.gateway.isBinary(accept) {
			if body, err = base64.StdEncoding.DecodeString(*a.Body); err != nil {
				err = errors.New("malformed Lambda proxy response: body is not base64")
			}
		}
	}
	if err != nil {
		x.log.Error = err.Error()
		x.refuse(http.StatusBadGateway, "InternalServerErrorException", "Internal server error")
		return
	}
	to := x.w.Header()
	for name, values := range header {
		to[name] = values
	}
	if _, ok := to["Content-Type"]; !ok {
		to.Set("Content-Type", "application/json")
	}
	x.write(*a.StatusCode, body)
}

// validName tells whether s is a header name: a token of RFC 9110.
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
