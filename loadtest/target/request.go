package target

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/google/uuid"

	"example.com/arvo/loadtest/attack"
	"example.com/arvo/loadtest/experiment"
)

// sender is the source of requests and the address of their answers.
const sender = "api.thin.lambda"

// maxWork is what the probe takes at most.
const maxWork = 12 * time.Second

// Request returns how to ask the probe for a subject that sleeps for work.
//
// By "api" it is POST /events, signed if the stack's API asks for it. The answer tells subject and trace.
//
// By "none" it is a synchronous invocation of the handler, which is given what a rule would give it: an event in an
// EventBridge envelope, with the key as its id and as its subject. The answer tells no subject; [Stack.Observe] finds it. 429 says
// that the function has no slot free. An invocation that fails in the function, which Lambda answers with 200, is turned into
// 502.
func (s *Stack) Request(via string, work time.Duration) (experiment.Request, error) {
	if work < 0 || work > maxWork || work%time.Millisecond != 0 {
		return experiment.Request{}, fmt.Errorf("target: work of %v: whole milliseconds up to %v", work, maxWork)
	}
	switch via {
	case experiment.ViaAPI:
		body := fmt.Appendf(nil, `{"type":%q,"data":{"sleep_ms":%d}}`, probe, work.Milliseconds())
		t := *s.direct
		if s.signAPI {
			t.service = "execute-api"
		}
		return experiment.Request{
			Method: http.MethodPost, URL: s.apiURL + "/events", Header: http.Header{"Content-Type": {"application/json"}},
			Body: func(string) ([]byte, error) { return body, nil }, Transport: &t, Subject: accepted,
		}, nil
	case experiment.ViaFunction:
		url, err := s.invokeURL()
		if err != nil {
			return experiment.Request{}, s.wrap("where to invoke the handler", err)
		}
		t := *s.direct
		t.service, t.functionErrors = "lambda", true
		return experiment.Request{
			Method: http.MethodPost, URL: url, Header: http.Header{"Content-Type": {"application/json"}, "X-Amz-Invocation-Type": {"RequestResponse"}},
			Body:      func(key string) ([]byte, error) { return envelope(key, s.config.Region, work, time.Now()) },
			Transport: &t, Subject: func(int, []byte) (subject, traceID string) { return "", "" },
		}, nil
	}
	return experiment.Request{}, fmt.Errorf("target: a request via %.50q: api or none", via)
}

// accepted reads the API's 202.
func accepted(code int, body []byte) (subject, traceID string) {
	if code != http.StatusAccepted {
		return "", ""
	}
	var answer struct{ Subject, TraceID string }
	if json.Unmarshal(body, &answer) != nil {
		return "", "" // cut off, or from somebody else; the subject is found by its key
	}
	return answer.Subject, answer.TraceID
}

// invokeURL is where the handler is invoked.
func (s *Stack) invokeURL() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // it computes only
	defer cancel()
	endpoint, err := lambda.NewDefaultEndpointResolverV2().ResolveEndpoint(ctx, lambda.EndpointParameters{Region: &s.config.Region, Endpoint: s.aws.BaseEndpoint})
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(endpoint.URI.String(), "/") + "/2015-03-31/functions/" + url.PathEscape(s.parts.handler) + "/invocations", nil
}

// envelope is the event of a key as EventBridge hands it to a target.
func envelope(key, region string, work time.Duration, now time.Time) ([]byte, error) {
	type event struct {
		ID              string         `json:"id"`
		Source          string         `json:"source"`
		SpecVersion     string         `json:"specversion"`
		Type            string         `json:"type"`
		Subject         string         `json:"subject"`
		DataContentType string         `json:"datacontenttype"`
		DataSchema      string         `json:"dataschema"`
		Data            map[string]any `json:"data"`
		Time            string         `json:"time"`
		To              string         `json:"to"`
		AccessControl   *string        `json:"accesscontrol"`
		RedirectTo      *string        `json:"redirectto"`
		ExecutionUnits  *float64       `json:"executionunits"`
		TraceParent     *string        `json:"traceparent"`
		TraceState      *string        `json:"tracestate"`
		ParentID        *string        `json:"parentid"`
		Domain          *string        `json:"domain"`
	}
	if key == "" {
		return nil, errors.New("target: an event without a key")
	}
	return json.Marshal(struct {
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     event    `json:"detail"`
	}{
		Version: "0", ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(key)).String(), DetailType: probe, Source: sender, Account: "000000000000",
		Time: now.UTC().Format(time.RFC3339), Region: region, Resources: []string{},
		Detail: event{
			ID: key, Source: sender, SpecVersion: "1.0", Type: probe, Subject: key,
			DataContentType: "application/cloudevents+json;charset=UTF-8;profile=arvo", DataSchema: "#/services/workload/simulate/1.0.0",
			Data: map[string]any{"sleep_ms": work.Milliseconds()}, Time: now.UTC().Format("2006-01-02T15:04:05.000-07:00"), To: probe,
		},
	})
}

// answerID is the id of the first answer to an event: Arvo derives ids of answers, so that one that is given again is known. It
// is a UUID of version 8 of the sha256 of "arvo.id.v1" and subject, source and id of the event, source and index of the
// answer and its domain, each after its length in eight bytes.
func answerID(subject, source, id, handler string) string {
	b := append(make([]byte, 0, 512), "arvo.id.v1"...)
	for _, field := range [...]string{subject, source, id, handler, "0", ""} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(field)))
		b = append(b, field...)
	}
	sum := sha256.Sum256(b)
	answer := uuid.UUID(sum[:16])
	answer[6] = answer[6]&0x0f | 0x80
	answer[8] = answer[8]&0x3f | 0x80
	return answer.String()
}

// A transport sends requests over connections that all of a stack share, signed for a service if it is named.
type transport struct {
	http           *http.Transport
	credentials    aws.CredentialsProvider
	region         string
	service        string // "" for no signature
	functionErrors bool   // Lambda's 200 of an invocation that failed becomes 502
}

// connections is how many are kept: as many as requests are under way at a time, and more.
const connections = 1024

func (s *Stack) newTransport() *transport {
	return &transport{http: attack.Transport(connections), credentials: s.aws.Credentials, region: s.config.Region}
}

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.service != "" {
		signed, err := t.sign(r)
		if err != nil {
			return nil, err
		}
		r = signed
	}
	resp, err := t.http.RoundTrip(r)
	if err == nil && t.functionErrors && resp.StatusCode == http.StatusOK && resp.Header.Get("X-Amz-Function-Error") != "" {
		resp.StatusCode, resp.Status = http.StatusBadGateway, "502 the function failed"
	}
	return resp, err
}

// maxSigned is the longest body that is signed.
const maxSigned = 1 << 20

// sign returns a copy of r with a signature: a RoundTripper may not change what it is given.
func (t *transport) sign(r *http.Request) (*http.Request, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(io.LimitReader(r.Body, maxSigned+1))
		err = errors.Join(err, r.Body.Close())
		if err == nil && len(body) > maxSigned {
			err = fmt.Errorf("a body of more than %d bytes", maxSigned)
		}
		if err != nil {
			return nil, fmt.Errorf("target: signing: %w", err)
		}
	}
	credentials, err := t.credentials.Retrieve(r.Context())
	if err != nil {
		return nil, fmt.Errorf("target: signing: %w", err)
	}
	signed := r.Clone(r.Context())
	signed.Body, signed.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	signed.GetBody = nil // nobody sends it again, see package attack
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(r.Context(), credentials, signed, hex.EncodeToString(hash[:]), t.service, t.region, time.Now()); err != nil {
		return nil, fmt.Errorf("target: signing: %w", err)
	}
	return signed, nil
}

// CloseIdleConnections closes those that nobody uses.
func (t *transport) CloseIdleConnections() { t.http.CloseIdleConnections() }
