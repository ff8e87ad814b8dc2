package queue

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzAppendReceived holds the hand-written answer of ReceiveMessage to encoding/json.
func FuzzAppendReceived(f *testing.F) {
	f.Add("body", "name", "String", "value", "Root=1-0-0", int64(1700000000000), 1)
	f.Add("\"", "Name.x", "Binary.gif", "\x00", "", int64(0), 12)
	f.Fuzz(func(t *testing.T, body, name, dataType, value, trace string, sent int64, receives int) {
		for _, s := range []string{body, name, dataType, value, trace} {
			if !utf8.ValidString(s) {
				t.Skip("a queue has no such text")
			}
		}
		a := Attribute{DataType: dataType, StringValue: value}
		if a.binary() {
			a = Attribute{DataType: dataType, BinaryValue: []byte(value)}
		}
		attrs := map[string]Attribute{name: a, "zzz-unwanted": {DataType: "String", StringValue: "x"}}
		r := Received{
			ID: "id", ReceiptHandle: "handle", Body: body, MD5OfBody: md5Hex(body), MD5OfAttributes: md5OfAttributes(attrs),
			SenderID: senderID, Sent: time.UnixMilli(sent), FirstReceived: time.UnixMilli(sent), ReceiveCount: receives, TraceHeader: trace,
			MessageAttributes: attrs,
		}
		type attributeOut struct {
			StringValue *string
			BinaryValue []byte
			DataType    string
		}
		var got struct {
			Messages []struct {
				MessageID              string `json:"MessageId"`
				ReceiptHandle          string
				MD5OfBody              string
				Body                   string
				Attributes             map[string]string
				MD5OfMessageAttributes string
				MessageAttributes      map[string]attributeOut
			}
		}
		raw := appendReceived(nil, []Received{r}, selection{system: []string{"All"}, user: []string{name}})
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		m := got.Messages[0]
		if m.MessageID != "id" || m.ReceiptHandle != "handle" || m.Body != body || m.MD5OfBody != r.MD5OfBody {
			t.Fatalf("%s", raw)
		}
		if want := r.SystemAttributes(); !reflect.DeepEqual(m.Attributes, want) {
			t.Fatalf("system attributes %v, want %v", m.Attributes, want)
		}
		wanted := selection{user: []string{name}}
		for n, a := range attrs {
			out, ok := m.MessageAttributes[n]
			if ok != wanted.wantsUser(n) {
				t.Fatalf("attribute %q: %v in %s", n, ok, raw)
			}
			if !ok {
				continue
			}
			if out.DataType != a.DataType || string(out.BinaryValue) != string(a.BinaryValue) || !a.binary() && *out.StringValue != a.StringValue {
				t.Fatalf("attribute %q: %+v, want %+v", n, out, a)
			}
		}
	})
}

func FuzzParseReceipt(f *testing.F) {
	f.Add(receipt{1, 2, 3}.handle())
	f.Add(receipt{^uint64(0), ^uint64(0), ^uint32(0)}.handle() + "A")
	f.Add(strings.Repeat("A", 32))
	f.Add("")
	f.Fuzz(func(t *testing.T, handle string) {
		if r, ok := parseReceipt(handle); ok && r.handle() != handle {
			t.Fatalf("%q is read as %+v, whose handle is %q", handle, r, r.handle())
		}
	})
}

// FuzzPolicies reads hostile policies: an answer or an error, and what is read can be written and read again.
func FuzzPolicies(f *testing.F) {
	for _, s := range []string{
		`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dlq","maxReceiveCount":"5"}`, `{"deadLetterTargetArn":"x","maxReceiveCount":1e300}`,
		`{"redrivePermission":"byQueue","sourceQueueArns":["a","b"]}`, `{}`, ``, `null`, `[]`, `{"maxReceiveCount":{}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDeadLetter(text); err == nil && d != nil {
			again, err := parseDeadLetter(d.text())
			if err != nil || *again != *d {
				t.Fatalf("%q is read as %+v and then %+v, %v", text, d, again, err)
			}
		}
		if r, err := parseRedriveAllow(text); err == nil && r != nil && r.validate() == nil {
			again, err := parseRedriveAllow(r.text())
			if err != nil || !reflect.DeepEqual(again.SourceARNs, r.SourceARNs) || again.Permission != r.Permission {
				t.Fatalf("%q is read as %+v and then %+v, %v", text, r, again, err)
			}
		}
	})
}
