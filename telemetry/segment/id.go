package segment

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// A TraceID names a trace. X-Ray writes it 1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx, W3C as 32 hexadecimal digits; the bytes
// are the same. The first four tell the second in which the trace began, in ids that X-Ray's own tools make; X-Ray does
// not ask for it. The zero id is none.
type TraceID [16]byte

// An ID names a segment or subsegment within a trace, and an exception: 16 hexadecimal digits. The zero id is none.
type ID [8]byte

// IsZero tells whether there is no id.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// IsZero tells whether there is no id.
func (id ID) IsZero() bool { return id == ID{} }

// String is X-Ray's form of the id.
func (t TraceID) String() string { return string(t.AppendText(make([]byte, 0, 35))) }

// AppendText appends X-Ray's form of the id.
func (t TraceID) AppendText(dst []byte) []byte {
	dst = append(dst, '1', '-')
	dst = hex.AppendEncode(dst, t[:4])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, t[4:])
}

// W3C is the id in the form of traceparent and of OpenTelemetry.
func (t TraceID) W3C() string { return hex.EncodeToString(t[:]) }

// ConsoleURL is the address of the trace in the CloudWatch console of a region; "" for the zero id and for no region. The console of each
// partition has a domain of its own.
func (t TraceID) ConsoleURL(region string) string {
	if t.IsZero() || region == "" {
		return ""
	}
	domain := "console.aws.amazon.com"
	switch {
	case strings.HasPrefix(region, "cn-"):
		domain = "console.amazonaws.cn"
	case strings.HasPrefix(region, "us-gov-"):
		domain = "console.amazonaws-us-gov.com"
	}
	return "https://" + region + "." + domain + "/cloudwatch/home?region=" + region + "#xray:traces/" + t.String()
}

// Epoch is the second since 1970 that the id names, if it names one at all.
func (t TraceID) Epoch() int64 { return int64(binary.BigEndian.Uint32(t[:4])) }

// String is the id in hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseTraceID reads a trace id in X-Ray's form or in W3C's.
func ParseTraceID(s string) (TraceID, error) {
	var t TraceID
	var ok bool
	switch {
	case len(s) == 35 && s[0] == '1' && s[1] == '-' && s[10] == '-':
		ok = decodeHex(t[:4], s[2:10]) && decodeHex(t[4:], s[11:])
	case len(s) == 32:
		ok = decodeHex(t[:], s)
	}
	if !ok || t.IsZero() {
		return TraceID{}, fmt.Errorf("%.64q is no trace id: want 1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx or 32 digits, hexadecimal and not all zero", s)
	}
	return t, nil
}

// ParseID reads an id of 16 hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 16 || !decodeHex(id[:], s) || id.IsZero() {
		return ID{}, fmt.Errorf("%.64q is no id: want 16 digits, hexadecimal and not all zero", s)
	}
	return id, nil
}

// decodeHex fills dst, half as long as s, and tells whether s is hexadecimal. encoding/hex would ask for a copy of s.
func decodeHex(dst []byte, s string) bool {
	for i := range dst {
		high, low := hexDigits[s[2*i]], hexDigits[s[2*i+1]]
		if high|low > 15 {
			return false
		}
		dst[i] = high<<4 | low
	}
	return true
}

// hexDigits is the value of a digit; 255 of any other byte.
var hexDigits = func() (t [256]byte) {
	for i := range t {
		t[i] = 255
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['a'+i], t['A'+i] = 10+i, 10+i
	}
	return t
}()

// HopID is the id of the segment of a hop, a bus or a queue, that an event crosses between two functions. No such hop
// reports itself: the function that receives the event does it, on each delivery. As the id depends on nothing but the
// trace, the hop's parent, its origin and its name, a redelivery reports the same segments again and overwrites them.
// The parent of a bus is the span that created the event, whose id the event carries in its traceparent; the parent of a
// queue is the bus before it.
//
// The derivation tells a lost document from a mistake, too: an unknown parent id that comes out of HopID belongs to a hop
// whose document did not arrive.
//
// The id is the first 8 bytes of sha256 over "hop", the trace id, the parent's id, origin and name, the last two each
// after its length as 4 bytes, big-endian.
func HopID(trace TraceID, parent ID, origin, name string) ID {
	var buf [256]byte
	b := append(buf[:0], "hop"...)
	b = append(b, trace[:]...)
	b = append(b, parent[:]...)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(origin))), origin...)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(name))), name...)
	return firstOf(b)
}

// CreationID is the id of the span that creates an event and sends it, the subsegment of its PutEvents entry: whoever publishes the event, and
// however often, names the same span.
//
// The id is the first 8 bytes of sha256 over "send", the trace id and the event's id.
func CreationID(trace TraceID, eventID string) ID {
	var buf [128]byte
	b := append(buf[:0], "send"...)
	b = append(b, trace[:]...)
	return firstOf(append(b, eventID...))
}

// InferredID is the id of the segment that is inferred from a subsegment: the first 8 bytes of sha256 over "inferred",
// the trace id and the subsegment's id. X-Ray draws a random one.
func InferredID(trace TraceID, subsegment ID) ID {
	var buf [64]byte
	b := append(buf[:0], "inferred"...)
	b = append(b, trace[:]...)
	return firstOf(append(b, subsegment[:]...))
}

func firstOf(b []byte) ID {
	sum := sha256.Sum256(b)
	id := ID(sum[:8])
	if id.IsZero() { // which would be none
		id[7] = 1
	}
	return id
}
