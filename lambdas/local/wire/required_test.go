package wire_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/bus"
	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/table"
	"example.com/arvo/lambdas/local/wire"
)

// requests are whole requests of all operations, except of those that need nothing.
var requests = map[string]string{
	"AWSEvents.PutEvents":             `{"Entries":[{"Source":"s","DetailType":"t","Detail":"{}"}]}`,
	"AWSEvents.TestEventPattern":      `{"EventPattern":"{\"source\":[\"s\"]}","Event":"{\"id\":\"1\",\"account\":\"0\",\"source\":\"s\",\"time\":\"2026-11-23T00:00:00Z\",\"region\":\"r\",\"detail-type\":\"t\"}"}`,
	"AWSEvents.CreateEventBus":        `{"Name":"another"}`,
	"AWSEvents.DeleteEventBus":        `{"Name":"another"}`,
	"AWSEvents.PutRule":               `{"Name":"rule","EventPattern":"{\"source\":[\"s\"]}"}`,
	"AWSEvents.DeleteRule":            `{"Name":"none"}`,
	"AWSEvents.DescribeRule":          `{"Name":"rule"}`,
	"AWSEvents.EnableRule":            `{"Name":"rule"}`,
	"AWSEvents.DisableRule":           `{"Name":"rule"}`,
	"AWSEvents.ListRuleNamesByTarget": `{"TargetArn":"arn:aws:sqs:us-east-1:000000000000:q"}`,
	"AWSEvents.PutTargets":            `{"Rule":"rule","Targets":[{"Id":"t","Arn":"arn:aws:sqs:us-east-1:000000000000:q"}]}`,
	"AWSEvents.RemoveTargets":         `{"Rule":"rule","Ids":["t"]}`,
	"AWSEvents.ListTargetsByRule":     `{"Rule":"rule"}`,

	"AmazonSQS.CancelMessageMoveTask":        `{"TaskHandle":"h"}`,
	"AmazonSQS.ChangeMessageVisibility":      `{"QueueUrl":"http://q/000000000000/q","ReceiptHandle":"h","VisibilityTimeout":1}`,
	"AmazonSQS.ChangeMessageVisibilityBatch": `{"QueueUrl":"http://q/000000000000/q","Entries":[{"Id":"1","ReceiptHandle":"h","VisibilityTimeout":1}]}`,
	"AmazonSQS.CreateQueue":                  `{"QueueName":"q"}`,
	"AmazonSQS.DeleteMessage":                `{"QueueUrl":"http://q/000000000000/q","ReceiptHandle":"h"}`,
	"AmazonSQS.DeleteMessageBatch":           `{"QueueUrl":"http://q/000000000000/q","Entries":[{"Id":"1","ReceiptHandle":"h"}]}`,
	"AmazonSQS.DeleteQueue":                  `{"QueueUrl":"http://q/000000000000/other"}`,
	"AmazonSQS.GetQueueAttributes":           `{"QueueUrl":"http://q/000000000000/q"}`,
	"AmazonSQS.GetQueueUrl":                  `{"QueueName":"q"}`,
	"AmazonSQS.ListDeadLetterSourceQueues":   `{"QueueUrl":"http://q/000000000000/q"}`,
	"AmazonSQS.ListMessageMoveTasks":         `{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:q"}`,
	"AmazonSQS.ListQueueTags":                `{"QueueUrl":"http://q/000000000000/q"}`,
	"AmazonSQS.PurgeQueue":                   `{"QueueUrl":"http://q/000000000000/q"}`,
	"AmazonSQS.ReceiveMessage":               `{"QueueUrl":"http://q/000000000000/q"}`,
	"AmazonSQS.SendMessage":                  `{"QueueUrl":"http://q/000000000000/q","MessageBody":"b"}`,
	"AmazonSQS.SendMessageBatch":             `{"QueueUrl":"http://q/000000000000/q","Entries":[{"Id":"1","MessageBody":"b"}]}`,
	"AmazonSQS.SetQueueAttributes":           `{"QueueUrl":"http://q/000000000000/q","Attributes":{"DelaySeconds":"1"}}`,
	"AmazonSQS.StartMessageMoveTask":         `{"SourceArn":"arn:aws:sqs:us-east-1:000000000000:q"}`,
	"AmazonSQS.TagQueue":                     `{"QueueUrl":"http://q/000000000000/q","Tags":{"k":"v"}}`,
	"AmazonSQS.UntagQueue":                   `{"QueueUrl":"http://q/000000000000/q","TagKeys":["k"]}`,

	"DynamoDB_20120810.CreateTable":        `{"TableName":"another","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"BillingMode":"PAY_PER_REQUEST"}`,
	"DynamoDB_20120810.DeleteTable":        `{"TableName":"none"}`,
	"DynamoDB_20120810.DescribeTable":      `{"TableName":"table"}`,
	"DynamoDB_20120810.UpdateTimeToLive":   `{"TableName":"table","TimeToLiveSpecification":{"AttributeName":"t","Enabled":true}}`,
	"DynamoDB_20120810.DescribeTimeToLive": `{"TableName":"table"}`,
	"DynamoDB_20120810.PutItem":            `{"TableName":"table","Item":{"pk":{"S":"1"}}}`,
	"DynamoDB_20120810.UpdateItem":         `{"TableName":"table","Key":{"pk":{"S":"1"}}}`,
	"DynamoDB_20120810.DeleteItem":         `{"TableName":"table","Key":{"pk":{"S":"1"}}}`,
	"DynamoDB_20120810.GetItem":            `{"TableName":"table","Key":{"pk":{"S":"1"}}}`,
	"DynamoDB_20120810.Query":              `{"TableName":"table","KeyConditionExpression":"pk = :pk","ExpressionAttributeValues":{":pk":{"S":"1"}}}`,
	"DynamoDB_20120810.Scan":               `{"TableName":"table"}`,
	"DynamoDB_20120810.BatchGetItem":       `{"RequestItems":{"table":{"Keys":[{"pk":{"S":"1"}}]}}}`,
	"DynamoDB_20120810.BatchWriteItem":     `{"RequestItems":{"table":[{"DeleteRequest":{"Key":{"pk":{"S":"1"}}}}]}}`,
	"DynamoDB_20120810.TransactGetItems":   `{"TransactItems":[{"Get":{"TableName":"table","Key":{"pk":{"S":"1"}}}}]}`,
	"DynamoDB_20120810.TransactWriteItems": `{"TransactItems":[{"Delete":{"TableName":"table","Key":{"pk":{"S":"1"}}}}]}`,
}

// TestRequiredMembersAreAskedFor leaves out of each operation's request what AWS's own model of the service says is
// required: testdata/required.json has the lists "required" of the input shapes in the service-2.json of botocore 1.43.11.
func TestRequiredMembersAreAskedFor(t *testing.T) {
	raw, err := os.ReadFile("testdata/required.json")
	if err != nil {
		t.Fatal(err)
	}
	var required map[string]map[string][]string
	if err := json.Unmarshal(raw, &required); err != nil {
		t.Fatal(err)
	}

	events := bus.New(bus.Options{Region: "us-east-1", Account: "000000000000"})
	defer func() {
		if err := events.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	queues := queue.New(queue.Options{Region: "us-east-1", Account: "000000000000", BaseURL: "http://q"})
	defer queues.Close()
	for _, name := range []string{"q", "other"} {
		if _, err := queues.Create(queue.Config{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	tables := table.New(table.Options{Region: "us-east-1", Account: "000000000000"})
	defer tables.Close()
	if err := tables.Create(table.Schema{Name: "table", Key: table.Key{Hash: "pk"}, Attributes: map[string]string{"pk": "S"}}); err != nil {
		t.Fatal(err)
	}
	if err := events.CreateRule(bus.Rule{Name: "rule", Schedule: "rate(1 day)", Enabled: true}); err != nil {
		t.Fatal(err)
	}

	for _, service := range []struct {
		wire.Service
		code string // of the error
		says func(member string) string
	}{
		{events.Wire(), "ValidationException", atMember},
		{queues.Wire(), "MissingRequiredParameterException", func(member string) string { return "must contain the parameter " + member + "." }},
		{tables.Wire(), "ValidationException", atMember},
	} {
		known := required[service.Prefix]
		if got := slices.Sorted(maps.Keys(service.Operations)); !slices.Equal(got, slices.Sorted(maps.Keys(known))) {
			t.Errorf("%s has the operations %q; those in testdata/required.json are %q", service.Prefix, got, slices.Sorted(maps.Keys(known)))
		}
		for name, operation := range service.Operations {
			whole := map[string]json.RawMessage{}
			if len(known[name]) > 0 {
				if err := json.Unmarshal([]byte(requests[service.Prefix+"."+name]), &whole); err != nil {
					t.Errorf("%s: its whole request: %v", name, err)
					continue
				}
			}
			call := func(members map[string]json.RawMessage) error {
				body, err := json.Marshal(members)
				if err != nil {
					t.Fatal(err)
				}
				_, err = operation(t.Context(), body)
				return err
			}
			missing := func(err error, members ...string) bool {
				e, ok := errors.AsType[*wire.Error](err)
				return ok && slices.ContainsFunc(members, func(member string) bool {
					if e.Code == "EmptyBatchRequest" { // SQS has a code of its own for no Entries
						return member == "Entries" && strings.HasSuffix(name, "Batch")
					}
					return e.Code == service.code && strings.Contains(e.Message, service.says(member))
				})
			}
			if err := call(map[string]json.RawMessage{}); len(known[name]) == 0 && err != nil || len(known[name]) > 0 && !missing(err, known[name]...) {
				t.Errorf("%s without any member: %v; required are %q", name, err, known[name])
			}
			for _, member := range known[name] {
				less := maps.Clone(whole)
				delete(less, member)
				if err := call(less); !missing(err, member) {
					t.Errorf("%s without %s: %v", name, member, err)
				}
			}
			if err := call(whole); missing(err, known[name]...) {
				t.Errorf("%s with all that is required: %v", name, err)
			}
		}
	}
}

// atMember is how most services speak of a member.
func atMember(member string) string {
	return " at '" + strings.ToLower(member[:1]) + member[1:] + "' failed"
}
