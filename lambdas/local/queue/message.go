package queue

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Message is what a producer sends.
type Message struct {
	Body        string               // at least one character; only characters that XML 1.0 allows
	Attributes  map[string]Attribute // at most 10
	TraceHeader string               // system attribute AWSTraceHeader, at most 500 bytes; empty means none; does not count towards the size
	GroupID     string               // MessageGroupId: the tenant of a fair queue; empty means none
	Delay       *time.Duration       // whole seconds, 0 to 15 min; nil means the queue's delay
}

// An Attribute is a user-defined message attribute.
type Attribute struct {
	DataType    string // "String", "Number" or "Binary", optionally with a custom label: "Number.float"
	StringValue string // of String and Number
	BinaryValue []byte // of Binary
}

func (a Attribute) binary() bool { return strings.HasPrefix(a.DataType, "Binary") }

func (a Attribute) size() int { return len(a.DataType) + len(a.StringValue) + len(a.BinaryValue) }

// A Received is one delivery of a message.
type Received struct {
	ID              string // the same on every delivery, and kept on the way to a dead-letter queue
	ReceiptHandle   string // of this delivery
	Body            string
	MD5OfBody       string // hexadecimal
	MD5OfAttributes string // hexadecimal; empty without message attributes

	SenderID         string
	Sent             time.Time // SentTimestamp: when the producer sent it first
	FirstReceived    time.Time // ApproximateFirstReceiveTimestamp
	ReceiveCount     int       // ApproximateReceiveCount, this delivery included
	TraceHeader      string    // AWSTraceHeader, or empty
	GroupID          string    // MessageGroupId, or empty
	DeadLetterSource string    // DeadLetterQueueSourceArn, or empty

	MessageAttributes map[string]Attribute // shared with the queue: read only
}

// SystemAttributes returns the delivery's system attributes by their names on the wire, all values as text and
// timestamps in milliseconds since 1970.
func (r *Received) SystemAttributes() map[string]string {
	attrs := make(map[string]string, 8)
	for name, value := range r.systemAttributes {
		attrs[name] = value
	}
	return attrs
}

// systemAttributes yields the names in the order in which SQS lists them.
func (r *Received) systemAttributes(yield func(name, value string) bool) {
	for _, a := range [...]struct{ name, value string }{
		{"SenderId", r.SenderID},
		{"ApproximateFirstReceiveTimestamp", strconv.FormatInt(r.FirstReceived.UnixMilli(), 10)},
		{"ApproximateReceiveCount", strconv.Itoa(r.ReceiveCount)},
		{"SentTimestamp", strconv.FormatInt(r.Sent.UnixMilli(), 10)},
		{"AWSTraceHeader", r.TraceHeader},
		{"MessageGroupId", r.GroupID},
		{"DeadLetterQueueSourceArn", r.DeadLetterSource},
	} {
		if a.value != "" && !yield(a.name, a.value) {
			return
		}
	}
}

// size is what counts towards the size limit: the body and the names, types and values of the message attributes.
func (m *Message) size() int {
	n := len(m.Body)
	for name, a := range m.Attributes {
		n += len(name) + a.size()
	}
	return n
}

const (
	maxAttributes    = 10
	maxAttributeName = 256
	maxGroupID       = 128
	maxTraceHeader   = 500 // of which an X-Ray header needs a fifth; AWS only says that it must be one
	maxDelay         = 15 * time.Minute
)

// validate checks everything but the size, which belongs to the queue.
func (m *Message) validate() error {
	if m.Body == "" {
		return missingParameter("MessageBody")
	}
	if i, r := illegal(m.Body); i >= 0 {
		return invalidContents("body", i, r)
	}
	if len(m.Attributes) > maxAttributes {
		return invalidParameter("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(m.Attributes), maxAttributes)
	}
	for name, a := range m.Attributes {
		if err := validateAttribute(name, a); err != nil {
			return err
		}
	}
	if len(m.TraceHeader) > maxTraceHeader {
		return invalidParameter("Message system attribute 'AWSTraceHeader' can be at most %d characters long.", maxTraceHeader)
	}
	if i, r := illegal(m.TraceHeader); i >= 0 {
		return invalidContents("system attribute AWSTraceHeader", i, r)
	}
	if m.GroupID != "" && !validGroupID(m.GroupID) {
		return invalidParameter("Value %s for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.", clip(m.GroupID))
	}
	if d := m.Delay; d != nil && (*d < 0 || *d > maxDelay || *d%time.Second != 0) {
		return invalidParameter("Value %v for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", d.Seconds())
	}
	return nil
}

func validateAttribute(name string, a Attribute) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return invalidParameter("The message attribute name must not be empty.")
	case len(name) > maxAttributeName:
		return invalidParameter("Message (user) attribute name can be at most %d characters long.", maxAttributeName)
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalidParameter("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.")
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, "."):
		return invalidParameter("You can't use message attribute names beginning or ending with a period ('.').")
	case strings.Contains(name, ".."):
		return invalidParameter("You can't use message attribute names with successive periods ('..').")
	case strings.ContainsFunc(name, func(r rune) bool { return !attributeNameRune(r) }):
		return invalidParameter("Invalid characters found in message (user) attribute name. Only alphanumeric characters, underscores, hyphens, and periods are allowed.")
	}
	if a.DataType == "" {
		return invalidParameter("The message attribute '%s' must contain non-empty message attribute type.", name)
	}
	kind, _, _ := strings.Cut(a.DataType, ".")
	if len(a.DataType) > maxAttributeName {
		return invalidParameter("The type of message attribute '%s' can be at most %d characters long.", name, maxAttributeName)
	}
	switch kind {
	case "Binary":
		if len(a.BinaryValue) == 0 || a.StringValue != "" {
			return invalidParameter("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, kind)
		}
		return nil
	case "String", "Number":
	default:
		return invalidParameter("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
	}
	if a.StringValue == "" || len(a.BinaryValue) > 0 {
		return invalidParameter("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, kind)
	}
	if i, r := illegal(a.StringValue); i >= 0 {
		return invalidContents(fmt.Sprintf("message attribute '%s'", name), i, r)
	}
	if kind == "Number" && !isNumber(a.StringValue) {
		return invalidParameter("Could not cast message attribute '%s' value to number.", name)
	}
	return nil
}

// isNumber reports whether s is a decimal number. ParseFloat alone would also take hexadecimal, infinities and
// underscores; a number out of float64's range is still one, since SQS keeps it as text.
func isNumber(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) }) {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || errors.Is(err, strconv.ErrRange)
}

func attributeNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.'
}

func validGroupID(s string) bool {
	if len(s) > maxGroupID {
		return false
	}
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return true
}

// illegal returns the byte offset of the first character that SQS refuses, or -1. Legal are #x9, #xA, #xD,
// #x20 to #xD7FF, #xE000 to #xFFFD and #x10000 to #x10FFFF, which is XML 1.0's Char.
func illegal(s string) (int, rune) {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < utf8.RuneSelf || c == '\t' || c == '\n' || c == '\r' {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r < 0x20 || r == utf8.RuneError && n == 1 || r == 0xFFFE || r == 0xFFFF {
			return i, r
		}
		i += n
	}
	return -1, 0
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s)) //nolint:gosec // SQS's checksum is MD5
	return hex.EncodeToString(sum[:])
}

// md5OfAttributes is SQS's checksum of message attributes: over the attributes sorted by name, each as name, data type
// and value behind their lengths (32 bits, big endian), the value also behind one byte that is 1 for text and 2 for
// binary. See "Calculating the MD5 message digest for message attributes" in the SQS developer guide.
func md5OfAttributes(attrs map[string]Attribute) string {
	if len(attrs) == 0 {
		return ""
	}
	h := md5.New()
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		writeSized(h, name)
		writeSized(h, a.DataType)
		if a.binary() {
			h.Write([]byte{2}) // a hash never fails
			writeSized(h, string(a.BinaryValue))
		} else {
			h.Write([]byte{1})
			writeSized(h, a.StringValue)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func writeSized(h hash.Hash, s string) {
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(s)))
	h.Write(size[:])
	h.Write([]byte(s))
}

// md5OfSystemAttributes is the same checksum of the one system attribute that producers may send.
func md5OfSystemAttributes(traceHeader string) string {
	if traceHeader == "" {
		return ""
	}
	return md5OfAttributes(map[string]Attribute{"AWSTraceHeader": {DataType: "String", StringValue: traceHeader}})
}
