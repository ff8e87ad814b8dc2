package mapping

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"example.com/arvo/lambdas/local/queue"
)

// maxPayload is Lambda's limit for the event of a synchronous invocation: 6 MB, in bytes.
const maxPayload = 6 << 20

const (
	payloadHead = `{"Records":[`
	payloadTail = `]}`
)

// A record is a received message on its way to the function.
type record struct {
	message queue.Received
	at      time.Time // received
	json    []byte
}

// The members stand in the order in which AWS writes them, recorded on the real service.
type recordJSON struct {
	MessageID              string                   `json:"messageId"`
	ReceiptHandle          string                   `json:"receiptHandle"`
	Body                   string                   `json:"body"`
	Attributes             recordAttributes         `json:"attributes"`
	MessageAttributes      map[string]attributeJSON `json:"messageAttributes"`
	MD5OfMessageAttributes string                   `json:"md5OfMessageAttributes,omitempty"`
	MD5OfBody              string                   `json:"md5OfBody"`
	EventSource            string                   `json:"eventSource"`
	EventSourceARN         string                   `json:"eventSourceARN"`
	AWSRegion              string                   `json:"awsRegion"`
}

type recordAttributes struct {
	ApproximateReceiveCount          string
	AWSTraceHeader                   string `json:",omitempty"`
	SentTimestamp                    string
	SenderID                         string `json:"SenderId"`
	ApproximateFirstReceiveTimestamp string
	MessageGroupID                   string `json:"MessageGroupId,omitempty"`
	DeadLetterQueueSourceARN         string `json:"DeadLetterQueueSourceArn,omitempty"`
}

type attributeJSON struct {
	StringValue      *string  `json:"stringValue,omitempty"`
	BinaryValue      *string  `json:"binaryValue,omitempty"` // base64
	StringListValues []string `json:"stringListValues"`
	BinaryListValues []string `json:"binaryListValues"`
	DataType         string   `json:"dataType"`
}

func newRecord(m queue.Received, at time.Time, queueARN, region string) record {
	r := recordJSON{
		MessageID: m.ID, ReceiptHandle: m.ReceiptHandle, Body: m.Body,
		Attributes: recordAttributes{
			ApproximateReceiveCount:          strconv.Itoa(m.ReceiveCount),
			AWSTraceHeader:                   m.TraceHeader,
			SentTimestamp:                    strconv.FormatInt(m.Sent.UnixMilli(), 10),
			SenderID:                         m.SenderID,
			ApproximateFirstReceiveTimestamp: strconv.FormatInt(m.FirstReceived.UnixMilli(), 10),
			MessageGroupID:                   m.GroupID,
			DeadLetterQueueSourceARN:         m.DeadLetterSource,
		},
		MessageAttributes:      make(map[string]attributeJSON, len(m.MessageAttributes)),
		MD5OfMessageAttributes: m.MD5OfAttributes, MD5OfBody: m.MD5OfBody,
		EventSource: "aws:sqs", EventSourceARN: queueARN, AWSRegion: region,
	}
	for name, a := range m.MessageAttributes {
		j := attributeJSON{StringListValues: []string{}, BinaryListValues: []string{}, DataType: a.DataType}
		if len(a.BinaryValue) > 0 {
			j.BinaryValue = new(base64.StdEncoding.EncodeToString(a.BinaryValue))
		} else {
			j.StringValue = &a.StringValue
		}
		r.MessageAttributes[name] = j
	}
	return record{message: m, at: at, json: appendJSON(nil, r)}
}

// appendJSON appends v as JSON that does not escape <, > and &, as AWS writes it.
func appendJSON(b []byte, v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("mapping: %T cannot be JSON: %v", v, err)) // strings, and structs and maps of them
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// event joins records to the event of an invocation, as many from the front as fit, and returns the others.
func event(records []record) (payload []byte, fit, rest []record) {
	size, n := len(payloadHead)+len(payloadTail)-1, 0 // there is one comma less than records
	for n < len(records) {
		size += len(records[n].json) + 1
		if n > 0 && size > maxPayload {
			break // a single record always fits: a message is at most 1 MiB long
		}
		n++
	}
	payload = append(make([]byte, 0, min(size, maxPayload)), payloadHead...)
	for i, r := range records[:n] {
		if i > 0 {
			payload = append(payload, ',')
		}
		payload = append(payload, r.json...)
	}
	return append(payload, payloadTail...), records[:n], records[n:]
}
