// Package traceheader reads and writes X-Amzn-Trace-Id, the header in which AWS services hand a trace to one another:
//
//	Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1
//
// Keys may come in any order. Keys that are not ours to act on (Self, Lineage and whatever AWS adds) are tolerated and
// left out of what is passed on, as Lambda and API Gateway do with those of a client.
// Source: "Tracing header" in the AWS X-Ray developer guide.
package traceheader

import (
	"encoding/hex"
	"strings"
	"time"
)

// Name is the header's name in HTTP.
const Name = "X-Amzn-Trace-Id"

// maxLength bounds what Parse looks at; AWS's own headers stay below 256 bytes.
const maxLength = 1024

// A Decision says whether a trace is recorded.
type Decision byte

// The decisions that a header can carry. Undecided is the absence of Sampled, and Sampled=?, which asks the receiver to
// decide.
const (
	Undecided Decision = iota
	NotSampled
	Sampled
)

// A Header is one trace header. Root is 1-<8 hex>-<24 hex>, Parent 16 hex digits or empty.
type Header struct {
	Root     string
	Parent   string
	Decision Decision
}

// Parse reads a header; ok is false when it has no well-formed Root. A malformed Parent or Sampled counts as absent.
func Parse(s string) (h Header, ok bool) {
	if len(s) > maxLength {
		return Header{}, false
	}
	for s != "" {
		var part string
		part, s, _ = strings.Cut(s, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch key {
		case "Root":
			if IsRoot(value) {
				h.Root = value
			}
		case "Parent":
			if isHex(value, 16) {
				h.Parent = value
			}
		case "Sampled":
			switch value {
			case "0":
				h.Decision = NotSampled
			case "1":
				h.Decision = Sampled
			}
		}
	}
	return h, h.Root != ""
}

// String writes the header; parts that are empty or undecided are left out.
func (h Header) String() string {
	b := make([]byte, 0, 80)
	b = append(b, "Root="...)
	b = append(b, h.Root...)
	if h.Parent != "" {
		b = append(b, ";Parent="...)
		b = append(b, h.Parent...)
	}
	switch h.Decision {
	case Sampled:
		b = append(b, ";Sampled=1"...)
	case NotSampled:
		b = append(b, ";Sampled=0"...)
	}
	return string(b)
}

// NewRoot makes the id of a new trace that starts at t, from 96 bits of random.
func NewRoot(t time.Time, random func() uint64) string {
	var raw [16]byte
	put(raw[:4], uint64(t.Unix()))
	put(raw[4:12], random())
	put(raw[12:], random())
	b := make([]byte, 0, 35)
	b = append(b, "1-"...)
	b = hex.AppendEncode(b, raw[:4])
	b = append(b, '-')
	return string(hex.AppendEncode(b, raw[4:]))
}

// NewID makes the id of a segment from 64 bits of random. It is never all zeros, which X-Ray reads as "none".
func NewID(random func() uint64) string {
	var raw [8]byte
	n := random()
	if n == 0 {
		n = 1
	}
	put(raw[:], n)
	return hex.EncodeToString(raw[:])
}

// IsRoot tells whether s is a trace id, 1-<8 hex>-<24 hex>.
func IsRoot(s string) bool {
	return len(s) == 35 && s[0] == '1' && s[1] == '-' && s[10] == '-' && isHex(s[2:10], 8) && isHex(s[11:], 24)
}

// put fills b with the low bytes of n, big-endian.
func put(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte(n)
		n >>= 8
	}
}

func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
