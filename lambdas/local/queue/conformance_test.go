package queue_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/wire"
)

// The conformance suite uses a queue as any client of AWS does. It runs against this package by default, and against
// another implementation, or AWS itself, at the URL in ARVO_CONFORMANCE_SQS.

// newClient returns an SDK client. It checks the MD5 sums of all answers by itself.
func newClient(t testing.TB) *sqs.Client {
	t.Helper()
	endpoint := os.Getenv("ARVO_CONFORMANCE_SQS")
	if endpoint == "" {
		s := queue.New(queue.Options{})
		var mux wire.Mux
		mux.Handle(s.Wire())
		server := httptest.NewServer(&mux)
		t.Cleanup(func() {
			s.Close()
			server.Close()
		})
		endpoint = server.URL
	}
	return sqs.New(sqs.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer:     aws.NopRetryer{},
	})
}

// createQueue makes a queue of a new name and deletes it when the test ends.
func createQueue(t testing.TB, c *sqs.Client, attributes map[string]string) (url, arn string) {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("arvo-" + rand.Text()), Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := c.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl}); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	got := attributesOf(t, c, *out.QueueUrl, types.QueueAttributeNameQueueArn)
	return *out.QueueUrl, got["QueueArn"]
}

func attributesOf(t testing.TB, c *sqs.Client, url string, names ...types.QueueAttributeName) map[string]string {
	t.Helper()
	out, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: names})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes
}

func sendBody(t testing.TB, c *sqs.Client, url, body string) *sqs.SendMessageOutput {
	t.Helper()
	out, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// receiveSome long-polls until a message has come, for ten seconds at most.
func receiveSome(t testing.TB, c *sqs.Client, in sqs.ReceiveMessageInput) []types.Message {
	t.Helper()
	in.WaitTimeSeconds = 1
	if in.MaxNumberOfMessages == 0 {
		in.MaxNumberOfMessages = 10
	}
	for range 10 {
		out, err := c.ReceiveMessage(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) > 0 {
			return out.Messages
		}
	}
	t.Fatal("no message came")
	return nil
}

// wantAPIError wants an error by the code that SDKs show, which is the one of the query protocol.
func wantAPIError(t testing.TB, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		t.Fatalf("error %v, want %s", err, code)
	}
}

func TestConformanceMessageLifecycle(t *testing.T) {
	c := newClient(t)
	url, _ := createQueue(t, c, nil)
	const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	sent, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: aws.String("h\u00e9llo \"wörld\" \U0001f600 \\ \n <&>"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"Text":   {DataType: aws.String("String"), StringValue: aws.String("v\u00e4lue")},
			"Number": {DataType: aws.String("Number.int"), StringValue: aws.String("42")},
			"Bytes":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 0xff}},
		},
		MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
			"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String(trace)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := receiveSome(t, c, sqs.ReceiveMessageInput{
		QueueUrl: &url, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}, MessageAttributeNames: []string{"All"},
	})
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	m := got[0]
	if *m.MessageId != *sent.MessageId || *m.MD5OfBody != *sent.MD5OfMessageBody || *m.MD5OfMessageAttributes != *sent.MD5OfMessageAttributes {
		t.Fatalf("received %+v, sent %+v", m, sent)
	}
	if *m.Body != "h\u00e9llo \"wörld\" \U0001f600 \\ \n <&>" {
		t.Fatalf("body %q", *m.Body)
	}
	if string(m.MessageAttributes["Bytes"].BinaryValue) != "\x00\x01\xff" || *m.MessageAttributes["Number"].DataType != "Number.int" || *m.MessageAttributes["Text"].StringValue != "v\u00e4lue" {
		t.Fatalf("message attributes %+v", m.MessageAttributes)
	}
	if m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["AWSTraceHeader"] != trace || len(m.Attributes["SentTimestamp"]) != 13 || len(m.Attributes["ApproximateFirstReceiveTimestamp"]) != 13 || m.Attributes["SenderId"] == "" {
		t.Fatalf("system attributes %+v", m.Attributes)
	}
	if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
		t.Fatalf("deleting again: %v", err)
	}
}

// The sums were recorded on AWS: see "test_receive_message_message_attribute_names_filters" of LocalStack.
func TestConformanceSelectionOfAttributes(t *testing.T) {
	c := newClient(t)
	url, _ := createQueue(t, c, map[string]string{"VisibilityTimeout": "0"})
	text := func(s string) types.MessageAttributeValue {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &s}
	}
	if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: aws.String("msg"),
		MessageAttributes: map[string]types.MessageAttributeValue{"Help.Me": text("Me"), "Hello": text("There"), "General": text("Kenobi")},
	}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		ask  []string
		want []string
		md5  string
	}{
		{"nothing", nil, nil, ""},
		{"All", []string{"All"}, []string{"General", "Hello", "Help.Me"}, "4c360f3fdafd970e05fae2f149d997f5"},
		{"a dot and an asterisk", []string{".*"}, []string{"General", "Hello", "Help.Me"}, "4c360f3fdafd970e05fae2f149d997f5"},
		{"two names", []string{"General", "Hello"}, []string{"General", "Hello"}, "fca026605781cb4126a1e9044df24232"},
		{"one that there is and one that there is not", []string{"Hello", "Foo"}, []string{"Hello"}, "a311262e065454b75da111d535b8dacd"},
		{"a prefix", []string{"Hel.*"}, []string{"Hello", "Help.Me"}, "83fee93c1bcd8b9a5a923ffacdc636c7"},
		{"only what there is not", []string{"Foo"}, nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := receiveSome(t, c, sqs.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: test.ask})[0]
			var names []string
			for name := range m.MessageAttributes {
				names = append(names, name)
			}
			slices.Sort(names)
			if diff := cmp.Diff(test.want, names); diff != "" {
				t.Fatal(diff)
			}
			if got := aws.ToString(m.MD5OfMessageAttributes); got != test.md5 {
				t.Fatalf("MD5 %q, want %q", got, test.md5)
			}
		})
	}
	t.Run("system attributes one by one", func(t *testing.T) {
		m := receiveSome(t, c, sqs.ReceiveMessageInput{QueueUrl: &url, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"SenderId", "SequenceNumber"}})[0]
		if len(m.Attributes) != 1 || m.Attributes["SenderId"] == "" {
			t.Fatalf("system attributes %+v", m.Attributes)
		}
	})
}

// The sum was recorded on AWS: see "test_send_message_with_binary_attributes" of LocalStack.
func TestConformanceBinaryAttribute(t *testing.T) {
	c := newClient(t)
	url, _ := createQueue(t, c, nil)
	value := []byte("traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")
	out, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("test"), MessageAttributes: map[string]types.MessageAttributeValue{
		"attr1": {DataType: aws.String("Binary"), BinaryValue: value},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(out.MD5OfMessageAttributes); got != "8cbe4db156db8a94db8b801b7addb984" {
		t.Fatalf("MD5 %s", got)
	}
}

func TestConformanceBatches(t *testing.T) {
	c := newClient(t)
	url, _ := createQueue(t, c, nil)
	entry := func(id, body string) types.SendMessageBatchRequestEntry {
		return types.SendMessageBatchRequestEntry{Id: &id, MessageBody: &body}
	}
	sent, err := c.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{
		entry("a", "1"), entry("b", "2"),
		{Id: aws.String("c"), MessageBody: aws.String("3"), DelaySeconds: 901},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "c" || !sent.Failed[0].SenderFault || *sent.Failed[0].Code != "InvalidParameterValue" {
		t.Fatalf("sent %+v, failed %+v", sent.Successful, sent.Failed)
	}
	var handles []types.DeleteMessageBatchRequestEntry
	var changes []types.ChangeMessageVisibilityBatchRequestEntry
	for len(handles) < 2 {
		for _, m := range receiveSome(t, c, sqs.ReceiveMessageInput{QueueUrl: &url}) {
			id := fmt.Sprint("id-", len(handles))
			handles = append(handles, types.DeleteMessageBatchRequestEntry{Id: &id, ReceiptHandle: m.ReceiptHandle})
			changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{Id: &id, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 60})
		}
	}
	changes = append(changes, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String("bad"), ReceiptHandle: aws.String("nonsense")})
	changed, err := c.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: changes})
	if err != nil {
		t.Fatal(err)
	}
	if len(changed.Successful) != 2 || len(changed.Failed) != 1 || *changed.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Fatalf("changed %+v, failed %+v", changed.Successful, changed.Failed)
	}
	deleted, err := c.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: handles})
	if err != nil {
		t.Fatal(err)
	}
	if len(deleted.Successful) != 2 || len(deleted.Failed) != 0 {
		t.Fatalf("deleted %+v, failed %+v", deleted.Successful, deleted.Failed)
	}
}

func TestConformanceRedrive(t *testing.T) {
	c := newClient(t)
	dlq, dlqARN := createQueue(t, c, nil)
	url, arn := createQueue(t, c, map[string]string{
		"VisibilityTimeout": "0",
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"1"}`, dlqARN),
	})
	sent := sendBody(t, c, url, "poison")
	receiveSome(t, c, sqs.ReceiveMessageInput{QueueUrl: &url})
	if out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 1}); err != nil || len(out.Messages) > 0 {
		t.Fatalf("received %d messages, %v", len(out.Messages), err)
	}
	m := receiveSome(t, c, sqs.ReceiveMessageInput{QueueUrl: &dlq, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})[0]
	if *m.MessageId != *sent.MessageId || m.Attributes["DeadLetterQueueSourceArn"] != arn {
		t.Fatalf("dead letter %s with %+v, want %s", *m.MessageId, m.Attributes, *sent.MessageId)
	}
	sources, err := c.ListDeadLetterSourceQueues(t.Context(), &sqs.ListDeadLetterSourceQueuesInput{QueueUrl: &dlq})
	if err != nil {
		t.Fatal(err)
	}
	if len(sources.QueueUrls) != 1 || !strings.HasSuffix(sources.QueueUrls[0], url[strings.LastIndex(url, "/"):]) {
		t.Fatalf("sources %v", sources.QueueUrls)
	}
}

func TestConformanceMoveTask(t *testing.T) {
	c := newClient(t)
	dlq, dlqARN := createQueue(t, c, nil)
	url, _ := createQueue(t, c, map[string]string{
		"VisibilityTimeout": "0",
		"RedrivePolicy":     fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":1}`, dlqARN),
	})
	for _, body := range []string{"a", "b", "c"} {
		sendBody(t, c, url, body)
	}
	for attributesOf(t, c, dlq, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"] != "3" {
		if _, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10}); err != nil {
			t.Fatal(err)
		}
	}
	task, err := c.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &dlqARN})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(task.TaskHandle) == "" {
		t.Fatal("no task handle")
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		list, err := c.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &dlqARN})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Results) == 1 && aws.ToString(list.Results[0].Status) == "COMPLETED" {
			if r := list.Results[0]; r.ApproximateNumberOfMessagesMoved != 3 || *r.SourceArn != dlqARN || r.DestinationArn != nil || r.TaskHandle != nil {
				t.Fatalf("task %+v", r)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("tasks %+v", list.Results)
		}
	}
	if n := attributesOf(t, c, url, "ApproximateNumberOfMessages")["ApproximateNumberOfMessages"]; n != "3" {
		t.Fatalf("%s messages are back, want 3", n)
	}
}

func TestConformanceQueues(t *testing.T) {
	c := newClient(t)
	url, _ := createQueue(t, c, map[string]string{"DelaySeconds": "5"})
	name := url[strings.LastIndex(url, "/")+1:]
	again, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"DelaySeconds": "5"}})
	if err != nil || *again.QueueUrl != url {
		t.Fatalf("%v, %v", again, err)
	}
	_, err = c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{"DelaySeconds": "6"}})
	wantAPIError(t, err, "QueueAlreadyExists")
	got, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil || *got.QueueUrl != url {
		t.Fatalf("%v, %v", got, err)
	}
	list, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: &name})
	if err != nil || len(list.QueueUrls) != 1 || list.QueueUrls[0] != url {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := c.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"VisibilityTimeout": "7", "MaximumMessageSize": "2048"}}); err != nil {
		t.Fatal(err)
	}
	attrs := attributesOf(t, c, url, types.QueueAttributeNameAll)
	for name, want := range map[string]string{
		"DelaySeconds": "5", "VisibilityTimeout": "7", "MaximumMessageSize": "2048", "MessageRetentionPeriod": "345600",
		"ReceiveMessageWaitTimeSeconds": "0", "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0",
		"ApproximateNumberOfMessagesDelayed": "0", "SqsManagedSseEnabled": "true",
	} {
		if attrs[name] != want {
			t.Errorf("%s is %q, want %q", name, attrs[name], want)
		}
	}
	for _, name := range []string{"QueueArn", "CreatedTimestamp", "LastModifiedTimestamp"} {
		if attrs[name] == "" {
			t.Errorf("no %s", name)
		}
	}
	if _, err := c.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"a": "1", "b": ""}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagQueue(t.Context(), &sqs.UntagQueueInput{QueueUrl: &url, TagKeys: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	tags, err := c.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: &url})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"b": ""}, tags.Tags); diff != "" {
		t.Fatal(diff)
	}
	sendBody(t, c, url, "delayed")
	if _, err := c.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
}

func TestConformanceErrorsHaveTypes(t *testing.T) {
	c := newClient(t)
	_, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("arvo-missing")})
	var missing *types.QueueDoesNotExist
	if !errors.As(err, &missing) || missing.ErrorMessage() != "The specified queue does not exist." {
		t.Fatalf("%#v", err)
	}
}

func TestConformanceErrors(t *testing.T) {
	c := newClient(t)
	url, _ := createQueue(t, c, nil)
	missing := url + "-missing"
	ctx := t.Context()
	ids := func(ids ...string) (out []types.SendMessageBatchRequestEntry) {
		for _, id := range ids {
			out = append(out, types.SendMessageBatchRequestEntry{Id: aws.String(id), MessageBody: aws.String("x")})
		}
		return out
	}
	batch := func(entries []types.SendMessageBatchRequestEntry) func() error {
		return func() error {
			_, err := c.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
			return err
		}
	}
	set := func(name, value string) func() error {
		return func() error {
			_, err := c.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{name: value}})
			return err
		}
	}
	const legacy = "AWS.SimpleQueueService."
	long := strings.Repeat("x", 600_000)
	tests := []struct {
		name string
		call func() error
		want string // as the SDK shows it
	}{
		{"send to a queue that is none", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &missing, MessageBody: aws.String("x")})
			return err
		}, legacy + "NonExistentQueue"},
		{"the URL of a queue that is none", func() error {
			_, err := c.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String("arvo-missing")})
			return err
		}, legacy + "NonExistentQueue"},
		{"an empty message", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("")})
			return err
		}, "MissingParameter"},
		{"a character that XML does not allow", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("\x01")})
			return err
		}, "InvalidMessageContents"},
		{"a message over 1 MiB", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(long + long)})
			return err
		}, "InvalidParameterValue"},
		{"a delay over 15 minutes", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), DelaySeconds: 901})
			return err
		}, "InvalidParameterValue"},
		{"a deduplication id on a standard queue", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageDeduplicationId: aws.String("d")})
			return err
		}, "InvalidParameterValue"},
		{"an attribute with an empty value", func() error {
			_, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String"), StringValue: aws.String("")}}})
			return err
		}, "InvalidParameterValue"},
		{"an empty batch", batch([]types.SendMessageBatchRequestEntry{}), legacy + "EmptyBatchRequest"},
		{"a batch of eleven", batch(ids("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11")), legacy + "TooManyEntriesInBatchRequest"},
		{"a batch with an id twice", batch(ids("1", "1")), legacy + "BatchEntryIdsNotDistinct"},
		{"a batch with an id that is none", batch(ids("a:b")), legacy + "InvalidBatchEntryId"},
		{"a batch over 1 MiB", batch([]types.SendMessageBatchRequestEntry{{Id: aws.String("a"), MessageBody: &long}, {Id: aws.String("b"), MessageBody: &long}}), legacy + "BatchRequestTooLong"},
		{"eleven messages", func() error {
			_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 11})
			return err
		}, "InvalidParameterValue"},
		{"a wait over 20 seconds", func() error {
			_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 21})
			return err
		}, "InvalidParameterValue"},
		{"delete by a handle that is none", func() error {
			_, err := c.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: aws.String("x")})
			return err
		}, "ReceiptHandleIsInvalid"},
		{"change the visibility of a handle that is none", func() error {
			_, err := c.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &url, ReceiptHandle: aws.String("x")})
			return err
		}, "ReceiptHandleIsInvalid"},
		{"an attribute that is none", set("Foo", "1"), "InvalidAttributeName"},
		{"a visibility timeout that is none", set("VisibilityTimeout", "x"), "InvalidAttributeValue"},
		{"a redrive policy that is no JSON", set("RedrivePolicy", "x"), "InvalidParameterValue"},
		{"a redrive policy without a target", set("RedrivePolicy", `{"maxReceiveCount":1}`), "InvalidParameterValue"},
		{"a redrive policy without a count", set("RedrivePolicy", `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:x"}`), "InvalidParameterValue"},
		{"move out of a queue that is none", func() error {
			_, err := c.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: aws.String("arn:aws:sqs:us-east-1:000000000000:arvo-missing")})
			return err
		}, "ResourceNotFoundException"},
		{"move out of a queue that is no dead-letter queue", func() error {
			arn := attributesOf(t, c, url, "QueueArn")["QueueArn"]
			_, err := c.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
			return err
		}, "InvalidParameterValue"},
		{"cancel by a handle that is none", func() error {
			_, err := c.CancelMessageMoveTask(ctx, &sqs.CancelMessageMoveTaskInput{TaskHandle: aws.String("x")})
			return err
		}, "InvalidParameterValue"},
		{"a queue name with a dot", func() error {
			_, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("a.b")})
			return err
		}, "InvalidParameterValue"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantAPIError(t, test.call(), test.want) })
	}
}
