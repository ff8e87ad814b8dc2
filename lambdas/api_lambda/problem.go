package main

import (
	"encoding/json"
	"log/slog"
	"net/http"

	"example.com/arvo/lambdas/arvo"
)

// A problem is an error as clients see it: application/problem+json of RFC 9457, with the issues of a body that
// breaks its contract as an extension member.
type problem struct {
	Type   string  `json:"type"` // urn:arvo:problem:<kind>
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Detail string  `json:"detail,omitempty"`
	Issues []issue `json:"issues,omitempty"`

	retryAfter string // seconds
}

// An issue says where the body is wrong, as a JSON Pointer (RFC 6901), and why.
type issue struct {
	Path   string `json:"path"`
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason"`
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

func (p *problem) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	if p.retryAfter != "" {
		w.Header().Set("Retry-After", p.retryAfter)
	}
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		slog.ErrorContext(r.Context(), "could not write a problem", "error", err)
	}
}

// newProblem makes a problem of a kind, such as "not-json".
func newProblem(status int, kind, title, detail string) *problem {
	return &problem{Type: "urn:arvo:problem:" + kind, Title: title, Status: status, Detail: detail}
}

// breaksContract lists what is wrong with a body; paths begin at prefix, such as "/data".
func breaksContract(title, prefix string, issues []arvo.Issue) *problem {
	p := newProblem(http.StatusUnprocessableEntity, "contract", title, "see issues")
	for _, i := range issues {
		p.Issues = append(p.Issues, issue{Path: prefix + pointer(i.Path), Code: i.Code, Reason: i.Message})
	}
	return p
}

// pointer writes a path as a JSON Pointer.
func pointer(path []string) string { return arvo.Issue{Path: path}.Pointer() }

// wrongField is a body of which one member is wrong.
func wrongField(path, reason string) *problem {
	p := newProblem(http.StatusUnprocessableEntity, "contract", "The request breaks its contract", "see issues")
	p.Issues = []issue{{Path: path, Reason: reason}}
	return p
}
