package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/google/uuid"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
	"example.com/arvo/telemetry"
)

const (
	maxBody          = 200 << 10 // of POST /events
	maxDepth         = 64        // of its JSON
	maxAccessControl = 4 << 10   // of its accesscontrol: a workflow keeps it and repeats it in every event that it sends
	maxKey           = 255       // of an Idempotency-Key
)

// envelope is the body of POST /events.
type envelope struct {
	Type          string          `json:"type"`
	Data          json.RawMessage `json:"data"`
	Version       string          `json:"version"`
	AccessControl string          `json:"accesscontrol"`
}

// accepted is the answer to POST /events.
type accepted struct {
	Subject string       `json:"subject"`
	ID      string       `json:"id"`
	Status  store.Status `json:"status"`
	TraceID string       `json:"traceId,omitempty"`
	Links   links        `json:"links"`
}

type links struct {
	Subject string `json:"subject"`
	Trace   string `json:"trace,omitempty"`
}

// postEvents takes a request in: state first, then publish, then 202. What is answered with 202 is on the bus.
func (a *api) postEvents(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		a.fail(w, r, newProblem(http.StatusBadRequest, "not-json", "The body cannot be read", err.Error()))
		return
	}
	if len(body) > maxBody {
		a.fail(w, r, newProblem(http.StatusRequestEntityTooLarge, "too-large", "The body is too large", fmt.Sprintf("a body may have %d bytes", maxBody)))
		return
	}
	event, err := a.event(ctx, body)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	key, err := idempotencyKey(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	hash := sha256.Sum256(body)
	head, err := a.responses.Accept(ctx, store.Request{
		Event: event, TraceID: broker.TraceID(event.Traceparent), Key: key, BodyHash: hex.EncodeToString(hash[:]), Flight: a.flight,
	})
	switch {
	case errors.Is(err, store.ErrKeyReused):
		a.fail(w, r, newProblem(http.StatusUnprocessableEntity, "key-reused", "The Idempotency-Key was used before", err.Error()))
		return
	case errors.Is(err, store.ErrInFlight):
		p := newProblem(http.StatusConflict, "in-flight", "The first request of this Idempotency-Key is not finished", err.Error())
		p.retryAfter = "1"
		a.fail(w, r, p)
		return
	case err != nil:
		a.fail(w, r, err)
		return
	}
	switch {
	case head.Request != nil && head.Status == store.Pending:
		err = a.publisher.Publish(ctx, *head.Request)
	case head.Request != nil: // it is answered by now
		a.telemetry.Repeated(ctx, *head.Request)
	}
	if key != "" {
		// Whatever became of it, a retry need not wait. If this fails, it waits for the flight to end.
		landing, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerMargin/2)
		if err := a.responses.Landed(landing, key); err != nil {
			slog.WarnContext(ctx, "an idempotency key stays in flight", "error", err)
		}
		cancel()
	}
	if err != nil {
		a.fail(w, r, unavailable(ctx, err))
		return
	}
	if head.Subject == event.Subject { // and not that of an earlier request with this key
		a.telemetry.Accepted(ctx, event)
	}
	at := "/subjects/" + pathOf(head.Subject)
	out := accepted{
		Subject: head.Subject, Status: head.Status, TraceID: head.TraceID,
		Links: links{Subject: stageOf(ctx) + at, Trace: a.traceURL(head.TraceID)},
	}
	if head.Request != nil {
		out.ID = head.Request.ID
	}
	w.Header().Set("Location", out.Links.Subject)
	a.write(w, r, http.StatusAccepted, out)
}

// event makes the event that a body asks for. Its errors are problems.
func (a *api) event(ctx context.Context, body []byte) (arvo.Event, error) {
	in, err := readEnvelope(body)
	if err != nil {
		return arvo.Event{}, err
	}
	contract, ok := a.contracts[in.Type]
	if !ok {
		return arvo.Event{}, newProblem(http.StatusNotFound, "unknown-type", "No service accepts this type",
			fmt.Sprintf("type %q is not in GET /contracts", clip(in.Type)))
	}
	if in.Data == nil || in.Data[0] != '{' {
		return arvo.Event{}, wrongField("/data", "it is required and must be an object")
	}
	version, err := contract.Version(orLatest(in.Version))
	if err != nil {
		return arvo.Event{}, wrongField("/version", fmt.Sprintf("%s has no version %q", in.Type, clip(in.Version)))
	}
	if contract.IsOrchestrator() {
		if in.Data, err = asRoot(in.Data); err != nil {
			return arvo.Event{}, err
		}
	}
	traceparent := telemetry.Traceparent(ctx) // also where nobody sent a trace header
	meta := map[string]string{}
	if id := broker.TraceID(traceparent); id != "" {
		meta["trace"] = id
	}
	subject, err := arvo.NewSubject(arvo.SubjectSpec{
		Orchestrator: contract.Type(), Version: version.Number(), Initiator: thinAPI, Domain: contract.Domain(), Meta: meta,
	})
	if err != nil {
		return arvo.Event{}, fmt.Errorf("api_lambda: %w", err)
	}
	event, err := version.Accepts(arvo.Draft{
		ID: uuid.NewString(), Source: thinAPI, Subject: subject, To: contract.Type(), Data: in.Data,
		AccessControl: in.AccessControl, Traceparent: traceparent,
	})
	var invalid *arvo.ValidationError
	if errors.As(err, &invalid) {
		return arvo.Event{}, breaksContract("The data breaks the contract of "+in.Type, "/data", invalid.Issues)
	}
	if err != nil {
		return arvo.Event{}, fmt.Errorf("api_lambda: %w", err)
	}
	return a.telemetry.Create(ctx, event), nil
}

func orLatest(version string) string {
	if version == "" {
		return "latest"
	}
	return version
}

// clip bounds what of a client's text comes back in a message.
func clip(s string) string {
	most := 100
	if len(s) <= most {
		return s
	}
	for !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// readEnvelope reads the body strictly: a key that comes twice would mean one thing here and another elsewhere, and a
// member that nobody reads is a misspelt one.
func readEnvelope(body []byte) (envelope, error) {
	notJSON := func(detail string) *problem {
		return newProblem(http.StatusBadRequest, "not-json", "The body is not JSON", detail)
	}
	if !utf8.Valid(body) {
		return envelope{}, notJSON("it is not valid UTF-8")
	}
	if err := checkJSON(body); err != nil {
		return envelope{}, notJSON(err.Error())
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return envelope{}, notJSON(`it must be an object, {"type": ..., "data": {...}}`)
	}
	var in envelope
	for _, name := range slices.Sorted(maps.Keys(members)) { // of several faults, always the same is told
		raw := members[name]
		var err error
		switch name {
		case "type":
			err = json.Unmarshal(raw, &in.Type)
		case "data":
			in.Data = raw
		case "version":
			err = nullable(raw, &in.Version)
		case "accesscontrol":
			err = nullable(raw, &in.AccessControl)
		default:
			return envelope{}, wrongField(pointer([]string{clip(name)}), "no such member; there are type, data, version and accesscontrol")
		}
		if err != nil {
			return envelope{}, wrongField("/"+name, "it must be a string")
		}
	}
	switch {
	case in.Type == "":
		return envelope{}, wrongField("/type", "it is required: the type of a service's event, such as com.payment.charge")
	case members["accesscontrol"] != nil && in.AccessControl == "" && string(members["accesscontrol"]) != "null":
		return envelope{}, wrongField("/accesscontrol", "it must not be empty")
	case len(in.AccessControl) > maxAccessControl:
		return envelope{}, wrongField("/accesscontrol", fmt.Sprintf("it has %d bytes and may have %d", len(in.AccessControl), maxAccessControl))
	}
	return in, nil
}

func nullable(raw json.RawMessage, into *string) error {
	if string(raw) == "null" {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// checkJSON refuses what encoding/json lets pass: keys that come twice, and nesting beyond maxDepth.
func checkJSON(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // one too large for a float64 is the contract's business
	type level struct {
		keys map[string]bool // nil in an array
		key  bool            // the next token is a key
	}
	var levels []level
	for {
		token, err := dec.Token()
		if err == io.EOF {
			if dec.InputOffset() == 0 || len(levels) > 0 {
				return errors.New("it ends too early")
			}
			return nil
		}
		if err != nil {
			var syntax *json.SyntaxError
			if errors.As(err, &syntax) {
				return fmt.Errorf("at byte %d: %v", syntax.Offset, err)
			}
			return err
		}
		if len(levels) > 0 {
			top := &levels[len(levels)-1]
			if key, ok := token.(string); ok && top.key {
				if top.keys[key] {
					return fmt.Errorf("at byte %d: the key %q comes twice", dec.InputOffset(), clip(key))
				}
				top.keys[key], top.key = true, false
				continue
			}
			top.key = top.keys != nil // after a value comes a key, or the object ends
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{keys: map[string]bool{}, key: true})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
		if len(levels) > maxDepth {
			return fmt.Errorf("at byte %d: it is nested deeper than %d levels", dec.InputOffset(), maxDepth)
		}
		if len(levels) == 0 {
			end := dec.InputOffset()
			if _, err := dec.Token(); err != io.EOF {
				return fmt.Errorf("at byte %d: something follows the value", end)
			}
			return nil
		}
	}
}

func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	bad := func(detail string) error {
		return newProblem(http.StatusBadRequest, "bad-key", "The Idempotency-Key cannot be used", detail)
	}
	switch {
	case len(values) > 1:
		return "", bad("the header comes " + strconv.Itoa(len(values)) + " times")
	case key == "" || len(key) > maxKey:
		return "", bad(fmt.Sprintf("it must have 1 to %d characters", maxKey))
	}
	for _, c := range []byte(key) {
		if c < ' ' || c > '~' {
			return "", bad("it must be printable ASCII")
		}
	}
	return key, nil
}

// unavailable is the answer when the bus did not take an event: it is not accepted, and the client may try again.
func unavailable(ctx context.Context, err error) error {
	slog.ErrorContext(ctx, "event not accepted", "error", err)
	p := newProblem(http.StatusServiceUnavailable, "unavailable", "The event was not accepted", "the bus refused it; try again")
	p.retryAfter = "1"
	return p
}
