package queue_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestWireTranscript is a conversation with the service to the byte: requests and answers, with the ids and receipt
// handles that the seed gives, in fake time. It is in testdata/transcript.golden.
func TestWireTranscript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, queue.Options{})
		dlq := newQueue(t, s, queue.Config{Name: "dlq"})
		q := newQueue(t, s, queue.Config{Name: "orders", DeadLetter: &queue.DeadLetter{TargetARN: dlq.ARN(), MaxReceiveCount: 1}})
		var mux wire.Mux
		mux.Handle(s.Wire())
		var transcript strings.Builder
		var handle, task string
		say := func(operation, request string, args ...any) {
			request = fmt.Sprintf(request, args...)
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(request))
			r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			fmt.Fprintf(&transcript, "> %s %s\n< %d", operation, request, w.Code)
			if code := w.Header().Get("x-amzn-query-error"); code != "" {
				fmt.Fprintf(&transcript, " (%s)", code)
			}
			fmt.Fprintf(&transcript, " %s\n\n", w.Body)
			if _, rest, ok := strings.Cut(w.Body.String(), `"ReceiptHandle":"`); ok {
				handle, _, _ = strings.Cut(rest, `"`)
			}
			if _, rest, ok := strings.Cut(w.Body.String(), `"TaskHandle":"`); ok {
				task, _, _ = strings.Cut(rest, `"`)
			}
		}
		say("ReceiveMessage", `{"QueueUrl":%q}`, q.URL())
		say("SendMessage", `{"QueueUrl":%q,"MessageBody":"{\"a\":\"<&>\"}","MessageGroupId":"tenant","MessageAttributes":{"B":{"DataType":"Binary","BinaryValue":"AAH/"},"A":{"DataType":"String","StringValue":"x"}},"MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String","StringValue":"Root=1-5759e988-bd862e3fe1be46a994272793"}}}`, q.URL())
		say("ReceiveMessage", `{"QueueUrl":%q,"MessageSystemAttributeNames":["All"],"MessageAttributeNames":["All"]}`, q.URL())
		say("ChangeMessageVisibility", `{"QueueUrl":%q,"ReceiptHandle":%q,"VisibilityTimeout":10}`, q.URL(), handle)
		say("GetQueueAttributes", `{"QueueUrl":%q,"AttributeNames":["All"]}`, q.URL())
		time.Sleep(10 * time.Second)
		say("ReceiveMessage", `{"QueueUrl":%q}`, q.URL())
		say("ReceiveMessage", `{"QueueUrl":%q,"AttributeNames":["All"],"VisibilityTimeout":0}`, dlq.URL())
		say("ListDeadLetterSourceQueues", `{"QueueUrl":%q}`, dlq.URL())
		say("StartMessageMoveTask", `{"SourceArn":%q}`, dlq.ARN())
		synctest.Wait()
		say("ListMessageMoveTasks", `{"SourceArn":%q}`, dlq.ARN())
		say("CancelMessageMoveTask", `{"TaskHandle":%q}`, task)
		say("ReceiveMessage", `{"QueueUrl":%q,"MessageSystemAttributeNames":["All"]}`, q.URL())
		say("DeleteMessageBatch", `{"QueueUrl":%q,"Entries":[{"Id":"a","ReceiptHandle":%q},{"Id":"b","ReceiptHandle":"x"}]}`, q.URL(), handle)
		say("DeleteMessage", `{"QueueUrl":%q,"ReceiptHandle":%q}`, q.URL(), handle)
		say("ChangeMessageVisibility", `{"QueueUrl":%q,"ReceiptHandle":%q,"VisibilityTimeout":10}`, q.URL(), handle)
		say("SendMessageBatch", `{"QueueUrl":%q,"Entries":[{"Id":"a","MessageBody":"x","DelaySeconds":1},{"Id":"b","MessageBody":"\u0000"}]}`, q.URL())
		say("SendMessageBatch", `{"QueueUrl":%q,"Entries":[]}`, q.URL())
		say("SendMessageBatch", `{"QueueUrl":%q,"Entries":[{"Id":"a","MessageBody":"x"},{"Id":"a","MessageBody":"y"}]}`, q.URL())
		say("SendMessage", `{"QueueUrl":%q,"MessageBody":"x","MessageSystemAttributes":{"Other":{"DataType":"String","StringValue":"x"}}}`, q.URL())
		say("SendMessage", `{"QueueUrl":%q,"MessageBody":"x","MessageAttributes":{"A":{"DataType":"String","StringListValues":["x"]}}}`, q.URL())
		say("SendMessage", `{"QueueUrl":%q,"MessageBody":1}`, q.URL())
		say("SendMessage", `{"QueueUrl":%q`, q.URL())
		say("SendMessage", `{"MessageBody":"x"}`)
		say("SendMessage", `{"QueueUrl":"orders","MessageBody":"x"}`)
		say("SendMessage", `{"QueueUrl":"http://127.0.0.1:4566/000000000000/missing","MessageBody":"x"}`)
		say("ReceiveMessage", `{"QueueUrl":%q,"MaxNumberOfMessages":0}`, q.URL())
		say("ReceiveMessage", `{"QueueUrl":%q,"AttributeNames":["Foo"]}`, q.URL())
		say("SetQueueAttributes", `{"QueueUrl":%q,"Attributes":{"RedriveAllowPolicy":"{\"redrivePermission\":\"denyAll\"}","VisibilityTimeout":"60"}}`, dlq.URL())
		say("GetQueueAttributes", `{"QueueUrl":%q,"AttributeNames":["RedriveAllowPolicy","VisibilityTimeout","FifoQueue"]}`, dlq.URL())
		say("SetQueueAttributes", `{"QueueUrl":%q,"Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:dlq\",\"maxReceiveCount\":2}"}}`, q.URL())
		say("SetQueueAttributes", `{"QueueUrl":%q,"Attributes":{"RedrivePolicy":""}}`, q.URL())
		say("SetQueueAttributes", `{"QueueUrl":%q,"Attributes":{"KmsMasterKeyId":"alias/aws/sqs"}}`, q.URL())
		say("SetQueueAttributes", `{"QueueUrl":%q,"Attributes":{"FifoQueue":"true"}}`, q.URL())
		say("CreateQueue", `{"QueueName":"orders"}`)
		say("CreateQueue", `{"QueueName":"orders","Attributes":{"DelaySeconds":"1"}}`)
		say("CreateQueue", `{"QueueName":"orders.fifo","Attributes":{"FifoQueue":"true"}}`)
		say("CreateQueue", `{"QueueName":"billing","tags":{"team":"a"}}`)
		say("ListQueueTags", `{"QueueUrl":"http://127.0.0.1:4566/000000000000/billing"}`)
		say("ListQueues", `{"MaxResults":2}`)
		say("ListQueues", `{"MaxResults":2,"NextToken":"ZGxx"}`)
		say("PurgeQueue", `{"QueueUrl":%q}`, q.URL())
		say("PurgeQueue", `{"QueueUrl":%q}`, q.URL())
		say("DeleteQueue", `{"QueueUrl":%q}`, q.URL())
		say("DeleteQueue", `{"QueueUrl":%q}`, q.URL())
		say("CreateQueue", `{"QueueName":"orders"}`)
		time.Sleep(time.Minute)
		say("CreateQueue", `{"QueueName":"orders"}`)
		say("AddPermission", `{}`)
		golden(t, "transcript.golden", transcript.String())
	})
}

// golden compares with a file in testdata, which -update writes.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Fatalf("%s differs (-want +got), -update writes it anew:\n%s", name, diff)
	}
}
