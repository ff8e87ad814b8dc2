package broker_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.uber.org/goleak"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const traceparent = "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01"

// newEvent is an event of the given id and subject.
func newEvent(t testing.TB, id, subject string) arvo.Event {
	t.Helper()
	ev, err := arvo.Parse(eventJSON(id, subject, "x"))
	if err != nil {
		t.Fatal(err)
	}
	return ev
}

func eventJSON(id, subject, pad string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"source":"api.thin.lambda","specversion":"1.0","type":"com.payment.charge","subject":%q,"datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo","dataschema":null,"data":{"pad":%q},"time":"2026-11-23T07:00:00.123+00:00","to":"com.payment.charge","accesscontrol":null,"redirectto":null,"executionunits":null,"traceparent":%q,"tracestate":null,"parentid":null,"domain":null}`, id, subject, pad, traceparent)
}

// record is a message of a batch that carries an event.
func record(messageID, eventID, subject string) events.SQSMessage {
	return events.SQSMessage{
		MessageId: messageID, ReceiptHandle: "handle-" + messageID,
		Body:           `{"id":"envelope-` + eventID + `","source":"api.thin.lambda","detail-type":"com.payment.charge","time":"2026-11-23T07:00:00Z","detail":` + string(eventJSON(eventID, subject, "x")) + `}`,
		Attributes:     map[string]string{"ApproximateReceiveCount": "1", "SentTimestamp": "1795417200245"},
		EventSourceARN: "arn:aws:sqs:us-east-1:123456789012:arvo-requests",
	}
}

func TestParseEnvelopeReadsWhatEventBridgeSends(t *testing.T) {
	body, err := os.ReadFile("testdata/envelope.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := broker.ParseEnvelope(body)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != "7bf73129-1428-4cd3-a780-95db273d1602" || !got.Time.Equal(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)) {
		t.Errorf("envelope %+v", got)
	}
	// What was published comes back byte for byte.
	var detail struct{ Detail json.RawMessage }
	if err := json.Unmarshal(body, &detail); err != nil {
		t.Fatal(err)
	}
	if b, err := got.Event.MarshalJSON(); err != nil || string(b) != string(detail.Detail) {
		t.Errorf("the event became\n%s (%v)\nand was\n%s", b, err, detail.Detail)
	}
}

func TestParseEnvelopeRefuses(t *testing.T) {
	event := string(eventJSON("2", "order-1", "x"))
	for _, c := range []struct{ name, body, want string }{
		{"text", "hello", "is no EventBridge envelope"},
		{"an object without detail", `{"id":"1"}`, "it has no detail"},
		{"a detail that is no Arvo event", `{"id":"1","detail":{"id":"2"}}`, "the detail of envelope 1 is no Arvo event"},
		{"a detail that is no object", `{"id":"1","detail":[]}`, "the detail of envelope 1 is no Arvo event"},
		{"an event of another source", `{"id":"1","source":"com.payment.charge","detail-type":"com.payment.charge","detail":` + event + `}`,
			`the source of envelope 1 is "com.payment.charge", and that of the event in it "api.thin.lambda"`},
		{"an event of another type", `{"id":"1","source":"api.thin.lambda","detail-type":"com.payment.refund","detail":` + event + `}`,
			`the detail-type of envelope 1 is "com.payment.refund", and the type of the event in it "com.payment.charge"`},
		{"an envelope that names no source", `{"id":"1","detail-type":"com.payment.charge","detail":` + event + `}`, `the source of envelope 1 is ""`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := broker.ParseEnvelope([]byte(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestTraceHeader(t *testing.T) {
	for _, c := range []struct{ name, traceparent, want string }{
		{"a sampled trace", traceparent, "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1"},
		{"a trace that is not sampled", "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-00", "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=0"},
		{"only the lowest flag says sampled", "00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-02", "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=0"},
		{"a later version may be longer", "01-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01-more", "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1"},
		{"version 00 may not be longer", traceparent + "-more", ""},
		{"version ff is forbidden", "ff" + traceparent[2:], ""},
		{"nothing", "", ""},
		{"rubbish", "rubbish", ""},
		{"upper case", strings.ToUpper(traceparent), ""},
		{"a trace id of zeros", "00-00000000000000000000000000000000-53995c3f42cd8ad8-01", ""},
		{"a parent id of zeros", "00-65647c1a2b3c4d5e6f708192a3b4c5d6-0000000000000000-01", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := broker.TraceHeader(c.traceparent); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTraceparent(t *testing.T) {
	for _, c := range []struct{ name, header, want string }{
		{"a sampled trace", "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=1", traceparent},
		{"keys that nobody knows are passed over", "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=a:b", strings.TrimSuffix(traceparent, "01") + "00"},
		{"an open decision is not sampled", "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8;Sampled=?", strings.TrimSuffix(traceparent, "01") + "00"},
		{"without a parent there is none", "Root=1-65647c1a-2b3c4d5e6f708192a3b4c5d6;Sampled=1", ""},
		{"a root of another form is none", "Root=65647c1a2b3c4d5e6f708192a3b4c5d6;Parent=53995c3f42cd8ad8", ""},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := broker.Traceparent(c.header); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzTraceHeader(f *testing.F) {
	f.Add(traceparent)
	f.Add("01-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01-")
	f.Fuzz(func(t *testing.T, s string) {
		h := broker.TraceHeader(s)
		if h == "" {
			return
		}
		if back := broker.Traceparent(h); broker.TraceHeader(back) != h {
			t.Errorf("%q became %q and then %q", s, h, back)
		}
	})
}

func ExampleParseEnvelope() {
	envelope, err := broker.ParseEnvelope([]byte(`{"version":"0","id":"7bf73129","detail-type":"com.payment.charge","source":"api.thin.lambda",
		"time":"2026-11-23T07:00:00Z","detail":` + string(eventJSON("1", "order-1", "x")) + `}`))
	fmt.Println(envelope.Event.Type, envelope.Event.Subject, err)
	// Output: com.payment.charge order-1 <nil>
}
