package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"example.com/arvo/lambdas/local/bus"
	"example.com/arvo/lambdas/local/wire"
)

// The conformance suite: what EventBridge does, through the SDK. It runs against this package, or against the endpoint in
// ARVO_CONFORMANCE_EVENTS, which must have SQS too, and need not be this package at all.

// A world is an endpoint to test, with queues to send to.
type world struct {
	events *eventbridge.Client
	prefix string // of all names made here
	// queue makes a queue and returns its ARN and a function that waits for n messages and returns their bodies.
	queue func(t *testing.T, name string) (arn string, receive func(n int) []string)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{prefix: fmt.Sprintf("c%d-", time.Now().UnixNano()%1e9)}
	client := func(url string) aws.Config {
		return aws.Config{
			Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		}
	}
	if url := os.Getenv("ARVO_CONFORMANCE_EVENTS"); url != "" {
		w.events = eventbridge.NewFromConfig(client(url))
		queues := sqs.NewFromConfig(client(url))
		w.queue = func(t *testing.T, name string) (string, func(int) []string) { return w.sqsQueue(t, queues, name) }
		return w
	}

	var queues sync.Map
	s := newService(t, bus.Options{Target: func(arn string) (bus.Target, bool) {
		q, ok := queues.Load(arn)
		if !ok {
			return nil, false
		}
		return q.(*fakeQueue), true
	}})
	t.Cleanup(func() { closeService(t, s) })
	mux := &wire.Mux{}
	mux.Handle(s.Wire())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.events = eventbridge.NewFromConfig(client(server.URL), func(o *eventbridge.Options) { o.HTTPClient = server.Client() })
	w.queue = func(t *testing.T, name string) (string, func(int) []string) {
		arn := "arn:aws:sqs:us-east-1:000000000000:" + w.prefix + name
		q := &fakeQueue{}
		queues.Store(arn, q)
		return arn, func(n int) []string {
			var bodies []string
			for _, m := range q.received() {
				bodies = append(bodies, m.Body)
			}
			if len(bodies) != n {
				t.Errorf("queue %s has %d messages, want %d", name, len(bodies), n)
			}
			return bodies
		}
	}
	return w
}

func (w *world) sqsQueue(t *testing.T, client *sqs.Client, name string) (string, func(int) []string) {
	t.Helper()
	ctx := t.Context()
	made, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String(w.prefix + name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := client.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: made.QueueUrl}); err != nil {
			t.Error(err)
		}
	})
	attributes, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	return attributes.Attributes["QueueArn"], func(n int) []string {
		var bodies []string
		for deadline := time.Now().Add(10 * time.Second); len(bodies) < n && time.Now().Before(deadline); {
			out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range out.Messages {
				bodies = append(bodies, *m.Body)
			}
		}
		if len(bodies) != n {
			t.Errorf("queue %s has %d messages, want %d", name, len(bodies), n)
		}
		return bodies
	}
}

// wantError checks the code and a part of the message.
func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("the error is %v, want %s", err, code)
		return
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("got %s: %s\nwant %s: %s", api.ErrorCode(), api.ErrorMessage(), code, message)
	}
}

func must[T any](out T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func TestConformanceEventBuses(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	name := w.prefix + "bus"
	made := must(w.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &name}))(t)
	if !strings.HasSuffix(*made.EventBusArn, ":event-bus/"+name) {
		t.Errorf("ARN: %s", *made.EventBusArn)
	}
	_, err := w.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &name})
	wantError(t, err, "ResourceAlreadyExistsException", "Event bus "+name+" already exists.")
	_, err = w.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String("a/b")})
	wantError(t, err, "ValidationException", "Event bus name must not contain '/'.")

	described := must(w.events.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &name}))(t)
	if *described.Name != name || *described.Arn != *made.EventBusArn {
		t.Errorf("described: %+v", described)
	}
	if standard := must(w.events.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{}))(t); *standard.Name != "default" {
		t.Errorf("the bus without name is %s", *standard.Name)
	}
	listed := must(w.events.ListEventBuses(ctx, &eventbridge.ListEventBusesInput{NamePrefix: &w.prefix}))(t)
	if len(listed.EventBuses) != 1 || *listed.EventBuses[0].Name != name {
		t.Errorf("listed: %+v", listed.EventBuses)
	}

	must(w.events.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: &name}))(t)
	must(w.events.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: aws.String(w.prefix + "never")}))(t)
	_, err = w.events.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &name})
	wantError(t, err, "ResourceNotFoundException", "Event bus "+name+" does not exist.")
	_, err = w.events.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: aws.String("default")})
	wantError(t, err, "ValidationException", "Cannot delete event bus default.")
}

func TestConformanceRules(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	busName, name := w.prefix+"bus", w.prefix+"rule"
	must(w.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &busName}))(t)
	for _, c := range []struct{ bus, arn string }{{"default", ":rule/" + name}, {busName, ":rule/" + busName + "/" + name}} {
		pattern := `{"source": ["shop"]}`
		made := must(w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventBusName: &c.bus, EventPattern: &pattern, Description: aws.String("a rule")}))(t)
		if !strings.HasSuffix(*made.RuleArn, c.arn) {
			t.Errorf("ARN: %s", *made.RuleArn)
		}
		state := func() types.RuleState {
			return must(w.events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: &c.bus}))(t).State
		}
		described := must(w.events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name, EventBusName: &c.bus}))(t)
		if *described.Arn != *made.RuleArn || *described.EventBusName != c.bus || *described.EventPattern != pattern ||
			described.State != types.RuleStateEnabled || *described.Description != "a rule" {
			t.Errorf("described: %+v", described)
		}
		must(w.events.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: &name, EventBusName: &c.bus}))(t)
		if got := state(); got != types.RuleStateDisabled {
			t.Errorf("after DisableRule: %s", got)
		}
		must(w.events.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: &name, EventBusName: &c.bus}))(t)
		if got := state(); got != types.RuleStateEnabled {
			t.Errorf("after EnableRule: %s", got)
		}
		must(w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventBusName: &c.bus, EventPattern: &pattern, State: types.RuleStateDisabled}))(t)
		if got := state(); got != types.RuleStateDisabled {
			t.Errorf("after PutRule: %s", got)
		}
		listed := must(w.events.ListRules(ctx, &eventbridge.ListRulesInput{NamePrefix: &name, EventBusName: &c.bus}))(t)
		if len(listed.Rules) != 1 || *listed.Rules[0].Name != name {
			t.Errorf("listed: %+v", listed.Rules)
		}
	}

	_, err := w.events.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: &busName})
	if os.Getenv("ARVO_CONFORMANCE_EVENTS") == "" { // a peer may let it go
		wantError(t, err, "ValidationException", "Event bus can't be deleted since it has rules.")
	}
	must(w.events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name}))(t)
	must(w.events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name}))(t)
	_, err = w.events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name})
	wantError(t, err, "ResourceNotFoundException", "Rule "+name+" does not exist")
	_, err = w.events.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: &name})
	wantError(t, err, "ResourceNotFoundException", "Rule "+name+" does not exist")
	_, err = w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(`{"int": 42}`)})
	wantError(t, err, "InvalidEventPatternException", "Event pattern is not valid.")
	_, err = w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(`{`)})
	wantError(t, err, "InvalidEventPatternException", "Event pattern is not valid.")
}

func TestConformanceListsInPages(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	var want, got []string
	for i := range 5 {
		name := fmt.Sprintf("%srule-%d", w.prefix, i)
		must(w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(`{"a": [1]}`)}))(t)
		t.Cleanup(func() {
			must(w.events.DeleteRule(context.Background(), &eventbridge.DeleteRuleInput{Name: &name}))(t)
		})
		want = append(want, name)
	}
	in := &eventbridge.ListRulesInput{NamePrefix: &w.prefix, Limit: aws.Int32(2)}
	for page := 0; page == 0 || in.NextToken != nil; page++ {
		out := must(w.events.ListRules(ctx, in))(t)
		if len(out.Rules) > 2 || page > 2 {
			t.Fatalf("page %d has %d rules", page, len(out.Rules))
		}
		for _, r := range out.Rules {
			got = append(got, *r.Name)
		}
		in.NextToken = out.NextToken
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestConformanceTargets(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	name := w.prefix + "rule"
	arn, _ := w.queue(t, "queue")
	dead, _ := w.queue(t, "dead")
	must(w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(`{"source": ["shop"]}`)}))(t)
	put := must(w.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, Targets: []types.Target{
		{Id: aws.String("one"), Arn: &arn, InputPath: aws.String("$.detail"), DeadLetterConfig: &types.DeadLetterConfig{Arn: &dead},
			RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(3), MaximumEventAgeInSeconds: aws.Int32(60)}},
		{Id: aws.String("two"), Arn: &dead, InputTransformer: &types.InputTransformer{InputTemplate: aws.String(`"<x>"`), InputPathsMap: map[string]string{"x": "$.id"}}},
	}}))(t)
	if put.FailedEntryCount != 0 || len(put.FailedEntries) != 0 {
		t.Errorf("failed: %+v", put.FailedEntries)
	}
	listed := must(w.events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &name}))(t).Targets
	if len(listed) != 2 {
		t.Fatalf("listed: %+v", listed)
	}
	one, two := listed[0], listed[1]
	if *one.Id != "one" || *one.Arn != arn || *one.InputPath != "$.detail" || *one.DeadLetterConfig.Arn != dead ||
		*one.RetryPolicy.MaximumRetryAttempts != 3 || *one.RetryPolicy.MaximumEventAgeInSeconds != 60 ||
		*two.InputTransformer.InputTemplate != `"<x>"` || two.InputTransformer.InputPathsMap["x"] != "$.id" {
		t.Errorf("listed: %+v", listed)
	}
	names := must(w.events.ListRuleNamesByTarget(ctx, &eventbridge.ListRuleNamesByTargetInput{TargetArn: &arn}))(t).RuleNames
	if !slices.Equal(names, []string{name}) {
		t.Errorf("rules of the target: %v", names)
	}

	_, err := w.events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name})
	wantError(t, err, "ValidationException", "Rule can't be deleted since it has targets.")
	_, err = w.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, Targets: []types.Target{{Id: aws.String("three"), Arn: aws.String("queue")}}})
	wantError(t, err, "ValidationException", "Parameter queue is not valid. Reason: Provided Arn is not in correct format.")
	_, err = w.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String(w.prefix + "never"), Targets: []types.Target{{Id: aws.String("one"), Arn: &arn}}})
	wantError(t, err, "ResourceNotFoundException", "Rule "+w.prefix+"never does not exist on EventBus default.")

	must(w.events.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: &name, Ids: []string{"one", "two"}}))(t)
	if left := must(w.events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &name}))(t).Targets; len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
	must(w.events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name}))(t)
}

func TestConformancePutEvents(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	busName, name := w.prefix+"bus", w.prefix+"rule"
	arn, receive := w.queue(t, "queue")
	must(w.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &busName}))(t)
	must(w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventBusName: &busName, EventPattern: aws.String(`{"detail": {"n": [{"numeric": [">", 1]}]}}`)}))(t)
	must(w.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, EventBusName: &busName, Targets: []types.Target{{Id: aws.String("one"), Arn: &arn}}}))(t)

	entry := func(detail string) types.PutEventsRequestEntry {
		return types.PutEventsRequestEntry{
			EventBusName: &busName, Source: aws.String("shop"), DetailType: aws.String("sold"), Detail: &detail,
			Time: aws.Time(time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)), Resources: []string{"arn:x"},
		}
	}
	noSource := entry(`{"n": 3}`)
	noSource.Source = nil
	out := must(w.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		entry(`{"n": 1}`), entry(`{"n": 2, "s": "é \"q\""}`), entry(`{"n": `), noSource,
	}}))(t)
	if out.FailedEntryCount != 2 || len(out.Entries) != 4 {
		t.Fatalf("%d of %d entries failed", out.FailedEntryCount, len(out.Entries))
	}
	if out.Entries[0].EventId == nil || out.Entries[1].EventId == nil || *out.Entries[2].ErrorCode != "MalformedDetail" || *out.Entries[3].ErrorCode != "InvalidArgument" ||
		*out.Entries[3].ErrorMessage != "Parameter Source is not valid. Reason: Source is a required argument." {
		t.Errorf("entries: %+v", out.Entries)
	}
	bodies := receive(1)
	if len(bodies) != 1 {
		return
	}
	var envelope struct {
		Version, ID, Source, Account, Time, Region string
		DetailType                                 string `json:"detail-type"`
		Resources                                  []string
		Detail                                     struct {
			N int
			S string
		}
	}
	if err := json.Unmarshal([]byte(bodies[0]), &envelope); err != nil {
		t.Fatal(err)
	}
	if envelope.Version != "0" || envelope.ID != *out.Entries[1].EventId || envelope.Source != "shop" || envelope.DetailType != "sold" ||
		envelope.Time != "2026-11-23T07:00:00Z" || envelope.Region != "us-east-1" || len(envelope.Account) != 12 ||
		!slices.Equal(envelope.Resources, []string{"arn:x"}) || envelope.Detail.N != 2 || envelope.Detail.S != `é "q"` {
		t.Errorf("envelope: %s", bodies[0])
	}

	_, err := w.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: slices.Repeat([]types.PutEventsRequestEntry{entry(`{}`)}, 11)})
	wantError(t, err, "ValidationException", "at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10")
	_, err = w.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{}})
	if os.Getenv("ARVO_CONFORMANCE_EVENTS") == "" { // moto answers 200
		wantError(t, err, "ValidationException", "Member must have length greater than or equal to 1")
	}
}

func TestConformanceEntriesUpTo1MiB(t *testing.T) {
	if os.Getenv("ARVO_CONFORMANCE_EVENTS") != "" {
		t.Skip("peers have the limit of 2025")
	}
	w, ctx := newWorld(t), t.Context()
	put := func(size int, at *time.Time) error {
		detail := `{"pad": "` + strings.Repeat("x", size-len("shop")-len("sold")-11) + `"}`
		_, err := w.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
			{Source: aws.String("shop"), DetailType: aws.String("sold"), Detail: &detail, Time: at},
		}})
		return err
	}
	for size, at := range map[int]*time.Time{1 << 20: nil, 1<<20 - 14: aws.Time(time.Now())} { // a time counts 14 bytes
		if err := put(size, at); err != nil {
			t.Error(err)
		}
		wantError(t, put(size+1, at), "ValidationException", "Total size of the entries in the request is over the limit.")
	}
}

func TestConformanceTestEventPattern(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	event := `{"id": "1", "source": "shop", "detail-type": "sold", "account": "000000000000", "region": "us-east-1", "time": "2026-11-23T07:00:00Z", "resources": [], "detail": {"n": 1}}`
	for pattern, want := range map[string]bool{`{"source": ["shop"], "detail": {"n": [1]}}`: true, `{"source": ["bank"]}`: false} {
		out := must(w.events.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{Event: &event, EventPattern: &pattern}))(t)
		if out.Result != want {
			t.Errorf("%s is %t", pattern, out.Result)
		}
	}
	_, err := w.events.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{Event: &event, EventPattern: aws.String(`["a"]`)})
	wantError(t, err, "InvalidEventPatternException", "Event pattern is not valid. Reason: Filter is not an object")
	for _, bad := range []string{`"text"`, `{`, `{"id": "1"}`, `null`} {
		_, err := w.events.TestEventPattern(ctx, &eventbridge.TestEventPatternInput{Event: &bad, EventPattern: aws.String(`{"source": ["shop"]}`)})
		wantError(t, err, "ValidationException", "Parameter Event is not valid.")
	}
}

func TestConformanceSchedules(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	busName, name := w.prefix+"bus", w.prefix+"tick"
	must(w.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &busName}))(t)
	put := func(bus, expression string) error {
		_, err := w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventBusName: &bus, ScheduleExpression: &expression})
		return err
	}
	wantError(t, put(busName, "rate(1 minute)"), "ValidationException", "ScheduleExpression is supported only on the default event bus.")
	for _, bad := range []string{
		"rate(10 seconds)", "rate(1 minutes)", "rate(10 day)", "rate()", "rate(-10 minutes)", "rate(10 MINUTES)", " rate(10 minutes)",
		"cron(INVALID)", "cron(0 1 * * * *)", "cron(7 20 * * NOT *)", "cron(0 dummy ? * MON-FRI *)", "cron(71 8 1 * ? *)",
	} {
		wantError(t, put("default", bad), "ValidationException", "Parameter ScheduleExpression is not valid.")
	}
	_, err := w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name})
	wantError(t, err, "ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.")
	for _, good := range []string{"rate(1 minute)", "rate(5 hours)", "cron(0 2 ? * SAT#3 *)", "cron(15 10 ? * 6L 2002-2005)", "cron(0/5 8-17 ? * MON-FRI *)", "cron(0 12 L * ? *)"} {
		if err := put("default", good); err != nil {
			t.Errorf("%s: %v", good, err)
			continue
		}
		described := must(w.events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name}))(t)
		if aws.ToString(described.ScheduleExpression) != good || described.EventPattern != nil || described.State != types.RuleStateEnabled {
			t.Errorf("described: %+v", described)
		}
	}
	listed := must(w.events.ListRules(ctx, &eventbridge.ListRulesInput{NamePrefix: &name}))(t)
	if len(listed.Rules) != 1 || aws.ToString(listed.Rules[0].ScheduleExpression) != "cron(0 12 L * ? *)" || listed.Rules[0].EventPattern != nil {
		t.Errorf("listed: %+v", listed.Rules)
	}
	must(w.events.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: &name}))(t)
	if described := must(w.events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &name}))(t); described.State != types.RuleStateDisabled {
		t.Errorf("after DisableRule: %+v", described)
	}
	must(w.events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name}))(t)
	must(w.events.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: &busName}))(t)
}

func TestConformanceWhatIsNotSupportedIsRefused(t *testing.T) {
	if os.Getenv("ARVO_CONFORMANCE_EVENTS") != "" {
		t.Skip("of this package only")
	}
	w, ctx := newWorld(t), t.Context()
	name, pattern := w.prefix+"rule", aws.String(`{"a": [1]}`)
	_, err := w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: pattern, State: "PAUSED"})
	wantError(t, err, "ValidationException", "[ENABLED, DISABLED]")
	_, err = w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: pattern, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	wantError(t, err, "ValidationException", "Tags are not supported by this event bus")
	_, err = w.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: &name, KmsKeyIdentifier: aws.String("key")})
	wantError(t, err, "ValidationException", `"KmsKeyIdentifier" is not supported by this event bus`)
	must(w.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: pattern}))(t)
	_, err = w.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, Targets: []types.Target{{
		Id: aws.String("one"), Arn: aws.String(queueARN), SqsParameters: &types.SqsParameters{MessageGroupId: aws.String("g")},
	}}})
	wantError(t, err, "ValidationException", `"SqsParameters" is not supported by this event bus`)
	_, err = w.events.ListRules(ctx, &eventbridge.ListRulesInput{Limit: aws.Int32(101)})
	wantError(t, err, "ValidationException", "Member must have value between 1 and 100")
	_, err = w.events.PutPermission(ctx, &eventbridge.PutPermissionInput{})
	wantError(t, err, "UnknownOperationException", "PutPermission")
}
