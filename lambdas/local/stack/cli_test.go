package stack_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/stack"
)

// The aws CLI is a client that we did not write: what it can read is AWS's wire protocol.
func TestTheAWSCLI(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the aws CLI is not installed")
	}
	s := start(t, stack.Config{Name: "arvo-cli"})
	aws := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		// Version 1 of the CLI does not look at AWS_ENDPOINT_URL for SQS.
		cmd := exec.CommandContext(ctx, "aws", append(args, "--output", "text", "--endpoint-url", s.AWSURL())...)
		cmd.Env = append(cmd.Environ(), "AWS_DEFAULT_REGION="+stack.Region, "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_PAGER=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	payload := filepath.Join(t.TempDir(), "payload.json") // a file means the same to both versions
	if err := os.WriteFile(payload, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	detail := strings.ReplaceAll(event("1", "by-hand", "com.workload.simulate", "com.workload.simulate", `{}`), `"`, `\"`)
	t.Run("a client", func(t *testing.T) { // it is done when all cases are, which run side by side
		for _, c := range []struct {
			name string
			args []string
			want string // in the output
			fail bool
		}{
			{"puts an event on the bus", []string{"events", "put-events", "--entries", `[{"EventBusName":"arvo-cli-bus","Source":"api.thin.lambda","DetailType":"com.workload.simulate","Detail":"` + detail + `"}]`, "--query", "FailedEntryCount"}, "0", false},
			{"asks whether a pattern matches", []string{"events", "test-event-pattern", "--event-pattern", `{"detail":{"to":[{"prefix":"com."}]}}`, "--event", `{"id":"1","account":"0","source":"s","time":"2026-11-23T00:00:00Z","region":"r","resources":[],"detail-type":"t","detail":{"to":"com.x"}}`}, "True", false},
			{"is told what is wrong with a pattern", []string{"events", "test-event-pattern", "--event-pattern", `{"detail":{"to":"x"}}`, "--event", `{"id":"1","account":"0","source":"s","time":"2026-11-23T00:00:00Z","region":"r","resources":[],"detail-type":"t","detail":{}}`}, "InvalidEventPatternException", true},
			{"describes the rule that ticks", []string{"events", "describe-rule", "--name", "arvo-cli-tick", "--query", "[ScheduleExpression,State]"}, "rate(1 minute)\tENABLED", false},
			{"is told what is wrong with a schedule", []string{"events", "put-rule", "--name", "often", "--schedule-expression", "rate(1 second)"}, "Parameter ScheduleExpression is not valid", true},
			{"reads the stack's outputs", []string{"cloudformation", "describe-stacks", "--stack-name", "arvo-cli", "--query", "Stacks[0].Outputs[?OutputKey=='ApiUrl'].OutputValue"}, s.APIURL(), false},
			{"lists the stack's resources", []string{"cloudformation", "list-stack-resources", "--stack-name", "arvo-cli", "--query", "StackResourceSummaries[?LogicalResourceId=='Bus'].PhysicalResourceId"}, "arvo-cli-bus", false},
			{"describes one of the stack's resources", []string{"cloudformation", "describe-stack-resources", "--stack-name", "arvo-cli", "--logical-resource-id", "Bus", "--query", "StackResources[].[PhysicalResourceId,StackName,ResourceStatus]"}, "arvo-cli-bus\tarvo-cli\tCREATE_COMPLETE", false},
			{"finds the stack of a resource", []string{"cloudformation", "describe-stack-resources", "--physical-resource-id", "arvo-cli-bus", "--query", "length(StackResources)"}, "4", false},
			{"is told that the stack has no such resource", []string{"cloudformation", "describe-stack-resources", "--stack-name", "arvo-cli", "--logical-resource-id", "Nobody"}, "Resource Nobody does not exist for stack arvo-cli", true},
			{"is told that there is no such stack", []string{"cloudformation", "describe-stacks", "--stack-name", "other"}, "ValidationError", true},
			{"counts a queue's messages", []string{"sqs", "get-queue-attributes", "--queue-url", s.Output("RequestsQueueUrl"), "--attribute-names", "ApproximateNumberOfMessages"}, "ATTRIBUTES", false},
			{"is told that there is no such queue", []string{"sqs", "get-queue-url", "--queue-name", "other"}, "AWS.SimpleQueueService.NonExistentQueue", true},
			{"describes a table", []string{"dynamodb", "describe-table", "--table-name", s.Output("WorkflowTable"), "--query", "Table.GlobalSecondaryIndexes[0].IndexName"}, "deadlines", false},
			{"is told of a reserved word", []string{"dynamodb", "scan", "--table-name", s.Output("EffectTable"), "--filter-expression", "data = :x", "--expression-attribute-values", `{":x":{"S":"1"}}`}, "reserved keyword: data", true},
			{"lists the mappings", []string{"lambda", "list-event-source-mappings", "--query", "length(EventSourceMappings)"}, "2", false},
			{"invokes a function", []string{"lambda", "invoke", "--function-name", "arvo-cli-api_lambda", "--payload", "fileb://" + payload, "/dev/null"}, "Unhandled", false},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				out, err := aws(c.args...)
				if (err != nil) != c.fail || !strings.Contains(out, c.want) {
					t.Errorf("%s%v\nwant %q", out, err, c.want)
				}
			})
		}
	})
	eventually(t, "the event that was put is answered", func() bool { v, _ := s.read("by-hand"); return v.Status == "completed" })
}
