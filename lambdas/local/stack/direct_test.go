package stack_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"example.com/arvo/lambdas/local/stack"
)

const handler = "arvo-federated_handler"

// unqueue has the rule of the requests invoke the function, with a qualifier or without, instead of filling its queue.
func (s *system) unqueue(qualifier string) {
	s.t.Helper()
	ctx := s.t.Context()
	bus, rule := aws.String(s.Output("BusName")), aws.String("arvo-hosted")
	f, err := s.lambda().GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(handler)})
	if err != nil {
		s.t.Fatal(err)
	}
	targets, err := s.events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{EventBusName: bus, Rule: rule})
	if err != nil || len(targets.Targets) != 1 {
		s.t.Fatal(targets, err)
	}
	target := targets.Targets[0] // PutTargets replaces the target of an id
	target.Arn = aws.String(*f.FunctionArn + qualifier)
	out, err := s.events.PutTargets(ctx, &eventbridge.PutTargetsInput{EventBusName: bus, Rule: rule, Targets: []ebtypes.Target{target}})
	if err != nil || out.FailedEntryCount > 0 {
		s.t.Fatal(out, err)
	}
}

// reserve limits the function to n invocations at a time.
func (s *system) reserve(n int32) {
	s.t.Helper()
	_, err := s.lambda().PutFunctionConcurrency(s.t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String(handler), ReservedConcurrentExecutions: &n})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestARuleInvokesAFunction(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.unqueue(":$LATEST")
	subject := s.post("com.payment.charge", charge)
	v, ok := s.get(subject, 10)
	if !ok || v.Status != "completed" || len(v.Events) != 1 || v.Events[0].ReceivedAt == 0 {
		t.Fatalf("%+v", v)
	}
	if n := s.Received("RequestsQueueUrl"); n != 0 {
		t.Errorf("%d messages were received from the requests queue", n)
	}
	if n := s.Invocations(handler); n != 1 {
		t.Errorf("the function was invoked %d times", n)
	}
}

func TestAFunctionWithoutConcurrencyHasAHiddenQueue(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.unqueue("")
	s.reserve(0)
	subjects := []string{s.post("com.payment.charge", charge), s.post("com.payment.charge", charge)}
	eventually(t, "both are throttled and wait", func() bool { return s.Waiting(handler) == 2 })
	if n := s.Backlog(); n != 2 {
		t.Errorf("a backlog of %d", n)
	}
	// The rule's own retries and dead-letter queue see a success.
	if n := s.depth("RuleDlqUrl") + s.depth("RequestsQueueUrl"); n != 0 {
		t.Errorf("%d messages in queues that are not hidden", n)
	}
	// Whoever waits for an answer is told instead.
	_, err := s.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(handler), Payload: []byte(`{}`)})
	var refused *lambdatypes.TooManyRequestsException
	if !errors.As(err, &refused) || refused.Reason != lambdatypes.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		t.Errorf("a synchronous invocation: %v", err)
	}
	s.reserve(1)
	for _, subject := range subjects {
		if v, ok := s.get(subject, 10); !ok || v.Status != "completed" {
			t.Errorf("%+v", v)
		}
	}
}

func TestAStackEndsWhenItsHiddenQueueIsEmpty(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	s.unqueue("")
	s.reserve(1)
	const n = 3
	for i := range n {
		s.put(event(fmt.Sprint("e-", i), fmt.Sprint("s-", i), "com.workload.simulate", "com.workload.simulate", `{"sleep_ms":200}`))
	}
	eventually(t, "one runs and the others are throttled", func() bool { return s.Waiting(handler) == n-1 })
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if got := s.Invocations(handler); got != n {
		t.Errorf("%d of %d events were handled before the stack ended", got, n)
	}
}

func TestASynchronousInvocationIsToldOfAFailure(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Config{})
	invoke := func(payload string) (string, string) {
		t.Helper()
		out, err := s.lambda().Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(handler), Payload: []byte(payload)})
		if err != nil || out.StatusCode != http.StatusOK {
			t.Fatal(out, err)
		}
		return aws.ToString(out.FunctionError), string(out.Payload)
	}
	envelope := func(detail string) string {
		return `{"version":"0","id":"1","detail-type":"com.workload.simulate","source":"api.thin.lambda","time":"2026-11-23T07:00:00Z","detail":` + detail + `}`
	}
	for _, c := range []struct{ name, payload, failure, want string }{
		{"an event that is handled", envelope(event("1", "s-1", "com.workload.simulate", "com.workload.simulate", `{"pad":"x"}`)), "", "null"},
		{"an event against its contract", envelope(event("2", "s-2", "com.workload.simulate", "com.workload.simulate", `{"sleep_ms":"long"}`)), "Unhandled", "sleep_ms"},
		{"an event for nobody here", envelope(event("3", "s-3", "com.workload.simulate", "com.nobody", `{}`)), "Unhandled", "com.nobody"},
		{"an event for another type than its envelope's", strings.Replace(envelope(event("4", "s-4", "com.workload.simulate", "com.workload.simulate", `{}`)), `"detail-type":"com.workload.simulate"`, `"detail-type":"com.other"`, 1), "Unhandled", "com.other"},
		{"something else", `{}`, "Unhandled", "neither a batch of SQS messages nor an EventBridge envelope"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if failure, payload := invoke(c.payload); failure != c.failure || !strings.Contains(payload, c.want) {
				t.Errorf("%q, %s", failure, payload)
			}
		})
	}
}
