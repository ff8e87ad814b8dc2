package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/store"
)

const maxWait = 10 * time.Second

// subjectView is the answer to GET /subjects.
type subjectView struct {
	Subject        string            `json:"subject"`
	Status         store.Status      `json:"status"`
	TraceID        string            `json:"traceId,omitempty"`
	AcceptedAt     *string           `json:"acceptedAt"`
	CompletedAt    *string           `json:"completedAt"`
	ExecutionUnits float64           `json:"executionUnits"`
	Deliveries     int               `json:"deliveries"`
	Events         []json.RawMessage `json:"events"`
	Next           string            `json:"next,omitempty"` // the next page's ?after=
}

// getSubjectByPath answers GET /subjects/{subject}. A literal subject wins over an encoded one: whoever addresses events by
// hand chooses subjects that need no encoding.
func (a *api) getSubjectByPath(w http.ResponseWriter, r *http.Request) {
	value := r.PathValue("subject")
	candidates := []string{value}
	if s, ok := subjectOf(value); ok && s != value {
		candidates = append(candidates, s)
	}
	a.getSubject(w, r, candidates)
}

// getSubjectByQuery answers GET /subjects?subject=.
func (a *api) getSubjectByQuery(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()["subject"]
	if len(values) != 1 || values[0] == "" {
		a.fail(w, r, newProblem(http.StatusBadRequest, "bad-query", "Which subject?", "give ?subject= once, percent-encoded, or GET /subjects/{subject}"))
		return
	}
	candidates := values
	// An unescaped + arrives as a space, which no subject contains.
	if s := strings.ReplaceAll(values[0], " ", "+"); s != values[0] {
		candidates = []string{s}
	}
	a.getSubject(w, r, candidates)
}

func (a *api) getSubject(w http.ResponseWriter, r *http.Request, candidates []string) {
	ctx := r.Context()
	query := r.URL.Query()
	for _, name := range []string{"wait", "after"} {
		if len(query[name]) > 1 {
			a.fail(w, r, newProblem(http.StatusBadRequest, "bad-query", "The query cannot be used", name+": it is given more than once"))
			return
		}
	}
	wait, err := waitOf(query.Get("wait"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	head, err := a.await(ctx, candidates, wait)
	if errors.Is(err, store.ErrNotFound) {
		err = newProblem(http.StatusNotFound, "unknown-subject", "There is no such subject", "nothing was accepted or answered on it, or it was longer ago than it is kept")
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	events, next, err := a.responses.Events(ctx, head.Subject, query.Get("after"))
	if errors.Is(err, store.ErrCursor) {
		err = newProblem(http.StatusBadRequest, "bad-query", "The query cannot be used", "after: "+err.Error())
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	view := subjectView{
		Subject: head.Subject, Status: head.Status, TraceID: head.TraceID,
		AcceptedAt: timestamp(head.AcceptedAt), CompletedAt: timestamp(head.CompletedAt),
		ExecutionUnits: head.ExecutionUnits, Deliveries: head.Deliveries, Events: make([]json.RawMessage, len(events)), Next: next,
	}
	for i, ev := range events {
		if view.Events[i], err = publicJSON(ev); err != nil {
			a.fail(w, r, err)
			return
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	a.write(w, r, http.StatusOK, view)
}

// await reads the head of the first subject that there is until it is no longer pending, at most for the given time,
// with pauses of 5, 10, 20 ... 500 ms. A subject that is not there may come: an event that was put on the bus by hand
// makes its subject only when it is answered. It waits by reading, because a Lambda has nobody who could call it. The
// first pause is as short as a warm flow without work takes; beginning with 10 ms doubled the time of an idle system's
// answer.
func (a *api) await(ctx context.Context, subjects []string, wait time.Duration) (store.Head, error) {
	until := time.Now().Add(wait)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		head, err := a.head(ctx, subjects)
		left := time.Until(until)
		open := errors.Is(err, store.ErrNotFound) || err == nil && head.Status == store.Pending
		if !open || left <= 0 {
			return head, err
		}
		timer := time.NewTimer(min(pause, left))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return head, ctx.Err()
		}
	}
}

// head reads the head of the first subject that there is.
func (a *api) head(ctx context.Context, subjects []string) (store.Head, error) {
	for _, subject := range subjects {
		if len(subject) > arvo.MaxSubject {
			continue
		}
		if head, err := a.responses.Head(ctx, subject); !errors.Is(err, store.ErrNotFound) {
			return head, err
		}
	}
	return store.Head{}, store.ErrNotFound
}

func waitOf(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(s, 64)
	wait := time.Duration(seconds * float64(time.Second))
	if err != nil || !(seconds >= 0) || seconds > maxWait.Seconds() {
		return 0, newProblem(http.StatusBadRequest, "bad-query", "The query cannot be used", "wait: it must be 0 to 10 (seconds)")
	}
	return wait, nil
}

func timestamp(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	return &s
}

// publicJSON is the event without its access control, which is nobody's business but the services'.
func publicJSON(ev arvo.Event) (json.RawMessage, error) {
	ev.AccessControl = ""
	b, err := ev.MarshalJSON()
	if err != nil {
		return nil, err
	}
	// The attribute is the last place where this text can stand: what follows it are attributes, in whose strings a
	// quote is escaped.
	s := string(b)
	const absent = `"accesscontrol":null,`
	if i := strings.LastIndex(s, absent); i >= 0 {
		s = s[:i] + s[i+len(absent):]
	}
	return json.RawMessage(s), nil
}

// pathOf writes a subject as it stands in a path: base64url without padding instead of base64.
func pathOf(subject string) string {
	return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(subject), "=")
}

// subjectOf reverses pathOf; ok is false when the value is not a subject of Arvo's form.
func subjectOf(value string) (subject string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return "", false
	}
	subject = base64.StdEncoding.EncodeToString(b)
	_, err = arvo.ParseSubject(subject)
	return subject, err == nil
}
