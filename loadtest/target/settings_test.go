package target_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/target"
)

// A stage is a fake whose settings change when they are told to, as slowly as AWS.
type stage struct {
	*fakeAWS
	state              string
	concurrency, batch float64
	updating           int // how often the mapping is seen to be Updating after a change
	busy               int // how often a change is refused because another is under way
	visibility         string
	reserved           string // as GetFunctionConcurrency answers
	target             string // ARN
}

const (
	queueARN    = "arn:aws:sqs:eu-central-1:123456789012:shop-requests"
	functionARN = "arn:aws:lambda:eu-central-1:123456789012:function:shop-federated_handler"
)

func newStage(t *testing.T) *stage {
	st := &stage{fakeAWS: newFakeAWS(t), state: "Enabled", concurrency: 10, batch: 10, visibility: "180", reserved: "{}", target: queueARN}
	left := 0
	st.on(requestsMapping, func(call) (int, string) {
		if left--; left >= 0 {
			return 200, mappingJSON("Updating", int(st.concurrency), int(st.batch))
		}
		return 200, mappingJSON(st.state, int(st.concurrency), int(st.batch))
	})
	st.on(updateMapping, func(c call) (int, string) {
		if st.busy--; st.busy >= 0 {
			return 400, `{"__type":"ResourceInUseException","Type":"User","message":"Cannot update the event source mapping because it is in use."}`
		}
		if n, ok := c.member("BatchSize").(float64); ok {
			st.batch = n
		}
		if scaling, ok := c.member("ScalingConfig").(map[string]any); ok {
			st.concurrency, _ = scaling["MaximumConcurrency"].(float64)
		}
		if enabled, ok := c.member("Enabled").(bool); ok {
			st.state = map[bool]string{true: "Enabled", false: "Disabled"}[enabled]
		}
		left = st.updating
		return 202, mappingJSON("Updating", int(st.concurrency), int(st.batch))
	})
	st.on("GetQueueAttributes", func(call) (int, string) {
		return 200, `{"Attributes":{"VisibilityTimeout":"` + st.visibility + `"}}`
	})
	st.on("SetQueueAttributes", func(c call) (int, string) {
		st.visibility = c.member("Attributes").(map[string]any)["VisibilityTimeout"].(string)
		return 200, `{}`
	})
	const concurrency = "/functions/shop-federated_handler/concurrency"
	st.on("GET "+concurrency, func(call) (int, string) { return 200, st.reserved })
	st.on("PUT "+concurrency, func(c call) (int, string) {
		st.reserved = c.body
		return 200, c.body
	})
	st.on("DELETE "+concurrency, func(call) (int, string) {
		st.reserved = "{}"
		return 204, ""
	})
	st.on("ListTargetsByRule", func(call) (int, string) {
		return 200, `{"Targets":[{"Id":"requests","Arn":"` + st.target + `","RetryPolicy":{"MaximumRetryAttempts":185,"MaximumEventAgeInSeconds":86400},"DeadLetterConfig":{"Arn":"arn:aws:sqs:eu-central-1:123456789012:shop-rule-dlq"}}]}`
	})
	st.on("PutTargets", func(c call) (int, string) {
		if !strings.Contains(c.body, `"MaximumRetryAttempts":185`) || !strings.Contains(c.body, "shop-rule-dlq") || !strings.Contains(c.body, `"Rule":"shop-hosted"`) {
			t.Errorf("a target without what it had: %s", c.body)
		}
		st.target = functionARN
		if strings.Contains(c.body, queueARN) {
			st.target = queueARN
		}
		return 200, `{"FailedEntryCount":0,"FailedEntries":[]}`
	})
	return st
}

// is says how it is set up.
func (st *stage) is() string {
	return strings.Join([]string{mappingJSON(st.state, int(st.concurrency), int(st.batch)), st.visibility, st.reserved, st.target}, "\n")
}

// atEndpoint is the stack at an address: what AWS refuses or waits for, a local stack does at once.
func (st *stage) atEndpoint() target.Config {
	c := st.config()
	c.Endpoint = "http://127.0.0.1:4566"
	return c
}

var everything = experiment.Settings{Concurrency: new(2), Batch: new(1), Visibility: new(40 * time.Second), Enabled: new(false), Reserved: new(4)}

func TestApplyOnAWSWaitsUntilItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		st.updating, st.busy = 20, 3
		before := st.is()
		s := st.open()
		began := time.Now()
		if err := s.Apply(t.Context(), experiment.Settings{Concurrency: new(2)}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < target.Settle+20*time.Second || took > target.Settle+2*time.Minute {
			t.Errorf("it took %v: 20 looks at a mapping that is Updating, and a minute to settle", took)
		}
		if st.concurrency != 2 || st.batch != 10 {
			t.Errorf("it is %s", st.is())
		}
		began = time.Now()
		if err := s.Apply(t.Context(), experiment.Settings{Concurrency: new(2)}); err != nil || time.Since(began) != 0 {
			t.Errorf("what holds already took %v: %v", time.Since(began), err)
		}
		st.updating = 0
		if err := s.Restore(t.Context()); err != nil || st.is() != before {
			t.Errorf("restored to %s: %v", st.is(), err)
		}
	})
}

func TestApplyRefusesBeforeItChanges(t *testing.T) {
	for _, test := range []struct {
		name string
		c    experiment.Settings
		want string
	}{
		{"a concurrency of one", experiment.Settings{Concurrency: new(1)}, "MaximumConcurrency 1: 2 to 1000"},
		{"a batch of none", experiment.Settings{Batch: new(0)}, "batch size 0"},
		{"half a second", experiment.Settings{Visibility: new(500 * time.Millisecond)}, "whole seconds"},
		{"fewer than none", experiment.Settings{Reserved: new(-2)}, "reserved concurrency -2"},
		{"a route to nowhere", experiment.Settings{Route: new("direct")}, `route "direct"`},
		{"a rule that may not invoke", experiment.Settings{Concurrency: new(2), Route: new("hidden")}, "lambda:InvokeFunction"},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := newStage(t)
			s := st.open()
			if err := s.Apply(t.Context(), test.c); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			if len(st.called(updateMapping)) != 0 {
				t.Error("it has changed something")
			}
		})
	}
}

func TestAMappingThatStaysUpdatingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t)
		s := st.open()
		st.updating = 1000
		err := s.Apply(t.Context(), experiment.Settings{Batch: new(1)})
		if err == nil || !strings.Contains(err.Error(), "waiting for the requests mapping to be Enabled with MaximumConcurrency 10 and batches of 1") {
			t.Error(err)
		}
	})
}

func TestRestore(t *testing.T) {
	t.Run("undoes all of several changes, and then nothing", func(t *testing.T) {
		st := newStage(t)
		before := st.is()
		s, err := target.Open(t.Context(), st.atEndpoint())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, c := range []experiment.Settings{{Concurrency: new(2)}, everything, {Concurrency: new(0), Enabled: new(true)}, {Route: new("hidden")}, {Route: new("sqs")}, {Route: new("hidden"), Reserved: new(-1)}} {
			if err := s.Apply(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			if c.Route != nil && (st.target == queueARN) != (*c.Route == experiment.RouteQueue) {
				t.Errorf("%s: the rule's target is %s", *c.Route, st.target)
			}
		}
		if st.target != functionARN || st.concurrency != 0 || st.visibility != "40" {
			t.Errorf("it is %s", st.is())
		}
		for range 2 {
			if err := s.Restore(t.Context()); err != nil || st.is() != before {
				t.Errorf("restored to %s: %v", st.is(), err)
			}
		}
	})
	t.Run("what fails does not keep the rest from being restored, and is tried again by the next run", func(t *testing.T) {
		st := newStage(t)
		before := st.is()
		c := st.atEndpoint()
		s, err := target.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), everything); err != nil {
			t.Fatal(err)
		}
		set := st.answers["SetQueueAttributes"]
		st.says("SetQueueAttributes", 403, `{"__type":"com.amazonaws.sqs#AccessDenied","message":"no"}`)
		if err := s.Restore(t.Context()); err == nil || !strings.Contains(err.Error(), "to restore it: queue shop-requests") {
			t.Error(err)
		}
		if st.reserved != "{}" || st.state != "Enabled" || st.visibility != "40" {
			t.Errorf("it is %s", st.is())
		}
		if text := journalOf(t, c); !strings.Contains(text, `"visibility_s": 180`) || strings.Contains(text, `"mapping"`) || strings.Contains(text, `"reserved_concurrency"`) {
			t.Errorf("left to restore: %s", text)
		}
		s.Close()
		if _, err := target.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "has died and left it so") {
			t.Errorf("%v", err)
		}
		st.on("SetQueueAttributes", set)
		s, err = target.Open(t.Context(), c)
		if err != nil || st.is() != before || len(s.Notes()) != 1 {
			t.Fatalf("%v, restored to %s", err, st.is())
		}
		s.Close()
	})
	t.Run("a queue is restored before the mapping behind it", func(t *testing.T) {
		st := newStage(t)
		s, err := target.Open(t.Context(), st.atEndpoint())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		update := st.answers[updateMapping]
		st.on(updateMapping, func(c call) (int, string) { // as Lambda does it
			if st.visibility != "180" {
				return 400, `{"__type":"InvalidParameterValueException","message":"Queue visibility timeout: 2 seconds is less than Function timeout: 30 seconds"}`
			}
			return update(c)
		})
		if err := s.Apply(t.Context(), experiment.Settings{Batch: new(1), Visibility: new(2 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("originals are written down before anything is changed", func(t *testing.T) {
		st := newStage(t)
		c := st.atEndpoint()
		s, err := target.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		update := st.answers[updateMapping]
		st.on(updateMapping, func(call call) (int, string) {
			if text := journalOf(t, c); !strings.Contains(text, `"concurrency": 10`) || strings.Contains(text, "secret") {
				t.Errorf("written down: %s", text)
			}
			return update(call)
		})
		if err := s.Apply(t.Context(), experiment.Settings{Concurrency: new(2)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text := journalOf(t, c); text != "" {
			t.Errorf("left behind: %s", text)
		}
	})
	t.Run("what cannot be written down is not done", func(t *testing.T) {
		st := newStage(t)
		c := st.atEndpoint()
		s, err := target.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := os.RemoveAll(c.Dir); err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), experiment.Settings{Concurrency: new(2)}); err == nil || !strings.Contains(err.Error(), "writing down what is changed") {
			t.Error(err)
		}
		if len(st.called(updateMapping)) != 0 {
			t.Error("it was done")
		}
	})
	t.Run("another stack of the same name is not restored to what this one was", func(t *testing.T) {
		st := newStage(t)
		c := st.atEndpoint()
		s, err := target.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(t.Context(), experiment.Settings{Concurrency: new(2)}); err != nil {
			t.Fatal(err)
		}
		s.Close()
		st.says("DescribeStacks", 200, strings.Replace(recorded(t, "describe-stacks.xml"), "2026-11-20T09:41:07.231Z", "2026-11-23T09:00:00.000Z", 1))
		if s, err = target.Open(t.Context(), c); err != nil || len(s.Notes()) != 0 || st.concurrency != 2 || journalOf(t, c) != "" {
			t.Fatalf("%v, restored to %s", err, st.is())
		}
		s.Close()
	})
	t.Run("a file that is none is named", func(t *testing.T) {
		st := newStage(t)
		c := st.atEndpoint()
		s, err := target.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		locks, err := filepath.Glob(filepath.Join(c.Dir, "*.lock"))
		if err != nil || len(locks) != 1 {
			t.Fatal(locks, err)
		}
		s.Close()
		path := strings.TrimSuffix(locks[0], ".lock")
		for text, want := range map[string]string{"": "unexpected end of JSON input", "{": "unexpected end of JSON input", strings.Repeat(" ", 70_000): "it has 70000 bytes"} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := target.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	})
	t.Run("when the caller has given up", func(t *testing.T) {
		st := newStage(t)
		before := st.is()
		s, err := target.Open(t.Context(), st.atEndpoint())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Apply(t.Context(), everything); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Restore(ctx); err != nil || st.is() != before {
			t.Errorf("restored to %s: %v", st.is(), err)
		}
	})
}

// journalOf is what is written down, "" for nothing.
func journalOf(t *testing.T, c target.Config) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.Dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		return ""
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
