package mapping

import (
	"testing"
	"time"

	"example.com/arvo/lambdas/local/queue"
)

// The forms of records, as they were recorded on AWS: without attributes, and with everything that there can be.
func TestRecord(t *testing.T) {
	tests := []struct {
		name    string
		message queue.Received
		want    string
	}{
		{
			"a plain message",
			queue.Received{ID: "i", ReceiptHandle: "h", Body: `{"a":"<&>"}`, MD5OfBody: "m", SenderID: "AIDA", Sent: time.UnixMilli(1545082649183), FirstReceived: time.UnixMilli(1545082649185), ReceiveCount: 1},
			`{"messageId":"i","receiptHandle":"h","body":"{\"a\":\"<&>\"}","attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1545082649183","SenderId":"AIDA","ApproximateFirstReceiveTimestamp":"1545082649185"},"messageAttributes":{},"md5OfBody":"m","eventSource":"aws:sqs","eventSourceARN":"arn","awsRegion":"us-east-1"}`,
		},
		{
			"a message with everything",
			queue.Received{
				ID: "i", ReceiptHandle: "h", Body: "b", MD5OfBody: "m", MD5OfAttributes: "n", SenderID: "AIDA", Sent: time.UnixMilli(1), FirstReceived: time.UnixMilli(2), ReceiveCount: 3,
				TraceHeader: "Root=1-0-0", GroupID: "g", DeadLetterSource: "source",
				MessageAttributes: map[string]queue.Attribute{"B": {DataType: "Binary", BinaryValue: []byte{0, 255}}, "A": {DataType: "Number", StringValue: "1"}},
			},
			`{"messageId":"i","receiptHandle":"h","body":"b","attributes":{"ApproximateReceiveCount":"3","AWSTraceHeader":"Root=1-0-0","SentTimestamp":"1","SenderId":"AIDA","ApproximateFirstReceiveTimestamp":"2","MessageGroupId":"g","DeadLetterQueueSourceArn":"source"},"messageAttributes":{"A":{"stringValue":"1","stringListValues":[],"binaryListValues":[],"dataType":"Number"},"B":{"binaryValue":"AP8=","stringListValues":[],"binaryListValues":[],"dataType":"Binary"}},"md5OfMessageAttributes":"n","md5OfBody":"m","eventSource":"aws:sqs","eventSourceARN":"arn","awsRegion":"us-east-1"}`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := string(newRecord(test.message, time.Time{}, "arn", "us-east-1").json); got != test.want {
				t.Fatalf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestAnEventIsFullToTheByte(t *testing.T) {
	half := (maxPayload - len(payloadHead) - len(payloadTail) - len(",")) / 2
	for _, test := range []struct {
		name  string
		over  int
		fit   int
		bytes int
	}{
		{"two records that make 6 MB", 0, 2, maxPayload},
		{"two that make a byte more", 1, 1, maxPayload - half - len(",")},
	} {
		t.Run(test.name, func(t *testing.T) {
			first, second := maxPayload-len(payloadHead)-len(payloadTail)-len(",")-half, half+test.over
			payload, fit, rest := event([]record{{json: make([]byte, first)}, {json: make([]byte, second)}})
			if len(fit) != test.fit || len(fit)+len(rest) != 2 || len(payload) != test.bytes {
				t.Errorf("%d fit into %d bytes, %d are left", len(fit), len(payload), len(rest))
			}
		})
	}
}
