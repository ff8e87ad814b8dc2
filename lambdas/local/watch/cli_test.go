package watch_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/watch"
)

// The aws CLI is a client that we did not write: what it can read is AWS's wire protocol. Its model of each answer checks
// names and types, and its paginators the tokens.
func TestTheAWSCLI(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the aws CLI is not installed")
	}
	if testing.Short() {
		t.Skip("the aws CLI takes a second for each call")
	}
	now := time.Now()
	source := groups{"/aws/lambda/x": {
		{Time: now.Add(-2 * time.Second), Stream: "s1", Message: `{"level":"INFO","subject":"s-1","ms":10}`},
		{Time: now.Add(-time.Second), Stream: "s1", Message: `{"level":"ERROR","subject":"s-1","ms":30}`},
	}}
	s, url := start(t, watch.Options{}, source)
	for i := range 3 {
		send(t, s, doc(fmt.Sprintf("1-65000000-%024x", i+1), "0000000000000001", "", "api_lambda", `,"origin":"AWS::Lambda::Function","annotations":{"subject":"s-1"},"subsegments":[{"id":"0000000000000002","name":"DynamoDB","namespace":"aws","start_time":1700000000.6,"end_time":1700000000.7,"aws":{"table_name":"orders"}}]`))
	}
	eventually(t, "the documents are kept", func() bool { return s.Stats().Traces.Documents == 3 })

	aws := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "aws", append(args, "--output", "text", "--endpoint-url", url)...)
		cmd.Env = append(cmd.Environ(), "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=any", "AWS_SECRET_ACCESS_KEY=any", "AWS_PAGER=")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	query := ""
	for _, c := range []struct {
		name string
		args []string
		want string // in the output
		fail bool
	}{
		{"finds traces by their subject", []string{"xray", "get-trace-summaries", "--start-time", "1699999999", "--end-time", "1700000060", "--filter-expression", `annotation.subject = "s-1" AND service(id(name: "orders", type: "AWS::DynamoDB::Table"))`, "--query", "length(TraceSummaries)"}, "3", false},
		{"is told what is wrong with an expression", []string{"xray", "get-trace-summaries", "--start-time", "1699999999", "--end-time", "1700000060", "--filter-expression", `servise("x")`}, `(InvalidRequestException) when calling the GetTraceSummaries operation: filter expression: at character 1: there is no keyword "servise"`, true},
		{"reads documents", []string{"xray", "batch-get-traces", "--trace-ids", trace, "--query", "Traces[0].Segments[1].Document"}, `"inferred":true`, false},
		{"reads the service graph", []string{"xray", "get-service-graph", "--start-time", "1699999999", "--end-time", "1700000060", "--query", "Services[?Type=='AWS::Lambda::Function'].SummaryStatistics.TotalCount"}, "3", false},
		{"puts a document", []string{"xray", "put-trace-segments", "--trace-segment-documents", doc("1-65000000-00000000000000000000000f", "0000000000000001", "", "x", "")}, "", false},
		{"lists log groups", []string{"logs", "describe-log-groups", "--query", "logGroups[0].logGroupName"}, "/aws/lambda/x", false},
		{"searches a log group", []string{"logs", "filter-log-events", "--log-group-name", "/aws/lambda/x", "--filter-pattern", `{ $.level = "ERROR" && $.subject = "s-1" }`, "--query", "events[].message"}, `"ms":30`, false},
		{"is told what is wrong with a pattern", []string{"logs", "filter-log-events", "--log-group-name", "/aws/lambda/x", "--filter-pattern", `{ level }`}, "InvalidParameterException", true},
		{"is told that there is no such group", []string{"logs", "filter-log-events", "--log-group-name", "/nope"}, "ResourceNotFoundException", true},
		{"starts a query", []string{"logs", "start-query", "--log-group-name", "/aws/lambda/x", "--start-time", fmt.Sprint(now.Unix() - 60), "--end-time", fmt.Sprint(now.Unix()), "--query-string", "stats sum(ms) as total by subject", "--query", "queryId"}, "", false},
		{"reads its results", []string{"logs", "get-query-results", "--query-id", "QUERY", "--query", "results[0][].value"}, "s-1\t40", false},
		{"is told what is wrong with a query", []string{"logs", "start-query", "--log-group-name", "/aws/lambda/x", "--start-time", "1", "--end-time", "2", "--query-string", "stats skew(ms)"}, "MalformedQueryException", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.args {
				if c.args[i] == "QUERY" {
					c.args[i] = query
				}
			}
			out, err := aws(c.args...)
			if (err != nil) != c.fail || !strings.Contains(out, c.want) {
				t.Errorf("%s%v\nwant %q", out, err, c.want)
			}
			if c.args[1] == "start-query" && !c.fail {
				query = strings.TrimSpace(out)
			}
		})
	}
}
