package forecast

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/template"
	"example.com/arvo/loadtest/sim"
)

const deployed = "../../template.yaml"

// What package sim takes for granted of template.yaml is what stands there.
func TestTemplateIsWhatSimSays(t *testing.T) {
	s, err := FromTemplate(deployed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sim.Template(0), s); diff != "" {
		t.Error(diff)
	}
}

// edited writes template.yaml with some text replaced, and returns the file.
func edited(t *testing.T, pairs ...string) string {
	t.Helper()
	raw, err := os.ReadFile(deployed)
	if err != nil {
		t.Fatal(err)
	}
	src := string(raw)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(src, pairs[i]) {
			t.Fatalf("template.yaml has no %q", pairs[i])
		}
		src = strings.Replace(src, pairs[i], pairs[i+1], 1)
	}
	file := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	requestsMapping = `            BatchSize: !Ref RequestsBatchSize
            FunctionResponseTypes: [ReportBatchItemFailures]
`
	responsesMapping = `            BatchSize: !Ref ResponsesBatchSize
            FunctionResponseTypes: [ReportBatchItemFailures]
`
	requestsQueue = `      QueueName: !Sub "${AWS::StackName}-requests"
      VisibilityTimeout: 180
`
)

func TestAnotherTemplateIsAnotherSystem(t *testing.T) {
	for _, test := range []struct {
		name   string
		file   string
		params map[string]string
		want   func(*sim.System)
	}{
		{"parameters", deployed, map[string]string{
			"RequestsConcurrency": "4", "RequestsBatchSize": "3", "ResponsesConcurrency": "7", "ResponsesBatchSize": "2", "BatchParallelism": "1",
			"TraceSampleRate": "0.05", "QueueFunctionTracing": "PassThrough", "ThrottleRate": "123", "ThrottleBurst": "45",
		}, func(s *sim.System) {
			s.Requests.Concurrency, s.Requests.BatchSize, s.Responses.Concurrency, s.Responses.BatchSize, s.Requests.Parallelism = 4, 3, 7, 2, 1
			s.TraceSampleRate, s.Requests.Traced, s.ThrottleRate, s.ThrottleBurst = 0.05, false, 123, 45
		}},
		{"a Lambda of its own for the service", deployed, map[string]string{"OwnLambda": Probe, "RequestsBatchSize": "1"}, func(s *sim.System) { s.Requests.BatchSize = 1 }},
		{"a queue's visibility, delay and receives", edited(t, requestsQueue, strings.Replace(requestsQueue, "180", "240", 1)+"      DelaySeconds: 3\n", "maxReceiveCount: 5", "maxReceiveCount: 9"), nil,
			func(s *sim.System) {
				s.Requests.Visibility, s.Requests.Delay, s.Requests.MaxReceives = 240*time.Second, 3*time.Second, 9
			}},
		{"a batching window, and batches of more than ten", edited(t, requestsMapping, "            BatchSize: 100\n            MaximumBatchingWindowInSeconds: 2\n            FunctionResponseTypes: [ReportBatchItemFailures]\n"), nil,
			func(s *sim.System) { s.Requests.BatchSize, s.Requests.Window = 100, 2*time.Second }},
		{"no MaximumConcurrency", edited(t, "            ScalingConfig: {MaximumConcurrency: !Ref ResponsesConcurrency}\n", ""), nil, func(s *sim.System) { s.Responses.Concurrency = 0 }},
		{"memory and a timeout", edited(t, "MemorySize: 256", "MemorySize: 512", "Timeout: 15 #", "Timeout: 11 #"), nil, func(s *sim.System) {
			s.Accept.MemoryMB, s.Requests.MemoryMB, s.Responses.MemoryMB, s.Responses.Timeout = 512, 512, 512, 11*time.Second
		}},
		{"reserved concurrency", edited(t, "      Timeout: 15 #", "      ReservedConcurrentExecutions: 20\n      Timeout: 15 #"), nil, func(s *sim.System) { s.Accept.Reserved = 20 }},
		{"no throttle of its own", edited(t, "          ThrottlingRateLimit: !Ref ThrottleRate\n          ThrottlingBurstLimit: !Ref ThrottleBurst\n", ""), nil,
			func(s *sim.System) { s.ThrottleRate, s.ThrottleBurst = math.Inf(1), math.Inf(1) }},
		{"a reservoir", edited(t, "ReservoirSize: 0", "ReservoirSize: 5"), nil, func(s *sim.System) { s.TraceReservoir = 5 }},
		{"a sampling rule for something else", edited(t, "HTTPMethod: \"*\"\n        URLPath", "HTTPMethod: GET\n        URLPath"), nil, func(s *sim.System) { s.TraceSampleRate, s.TraceReservoir = 0.05, 1 }},
		{"an API that is not traced", edited(t, "TracingEnabled: true", "TracingEnabled: false"), nil, func(s *sim.System) { s.TraceSampleRate = 0 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := FromTemplate(test.file, test.params)
			if err != nil {
				t.Fatal(err)
			}
			want := sim.Template(0)
			test.want(&want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTemplatesThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		file   string
		params map[string]string
		want   string // after the file's name
	}{
		{"a parameter out of range", deployed, map[string]string{"RequestsConcurrency": "1"}, "RequestsConcurrency"},
		{"a parameter that there is not", deployed, map[string]string{"Concurrency": "4"}, "Concurrency"},
		{"a misspelt property", edited(t, "BatchSize: !Ref RequestsBatchSize", "BatchSise: 3"), nil, "Resources.FederatedHandler.Properties.Events.Requests.Properties.BatchSise: unknown property BatchSise"},
		{"a mapping that is disabled", edited(t, requestsMapping, requestsMapping+"            Enabled: false\n"), nil, "Resources.FederatedHandlerRequests: the mapping is disabled: nothing is taken from RequestsQueue"},
		{"batches that fail as a whole", edited(t, responsesMapping, "            BatchSize: 10\n"), nil, "Resources.ApiLambdaResponses: without ReportBatchItemFailures"},
		{"a filter", edited(t, requestsMapping, requestsMapping+"            FilterCriteria: {Filters: [{Pattern: '{\"body\":{\"detail\":{\"to\":[\"x\"]}}}'}]}\n"), nil, "Resources.FederatedHandlerRequests: it filters messages"},
		{"a parallelism that is none", edited(t, "BATCH_PARALLELISM: !Ref BatchParallelism", "BATCH_PARALLELISM: many"), nil, `Resources.FederatedHandler: BATCH_PARALLELISM is "many"`},
		{"a function that never runs", edited(t, "      Timeout: 15 #", "      ReservedConcurrentExecutions: 0\n      Timeout: 15 #"), nil, "Resources.ApiLambda: ReservedConcurrentExecutions is 0: the function never runs"},
		{"nobody for the service", edited(t, "            - !If [OwnWorkloadSimulate, !Ref AWS::NoValue, com.workload.simulate]\n      Targets", "      Targets"), nil, "events for com.workload.simulate go into 0 queues"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := FromTemplate(test.file, test.params)
			var at *template.Error
			if !errors.As(err, &at) || !strings.HasPrefix(err.Error(), test.file) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %s", err, test.want)
			}
			if strings.HasPrefix(test.want, "Resources.") && at.Line == 0 {
				t.Errorf("no line: %v", err)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := FromTemplate(missing, nil); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := FromTemplate(edited(t, "AWSTemplateFormatVersion", "# "+strings.Repeat("x", 1<<20)+"\nAWSTemplateFormatVersion"), nil); err == nil || !strings.Contains(err.Error(), "has more than 1048576 bytes") {
		t.Errorf("a long file: %v", err)
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		glob, text string
		want       bool
	}{
		{"*", "", true}, {"*", "arvo-api/live", true}, {"", "", true}, {"", "x", false},
		{"arvo-api/live", "arvo-api/live", true}, {"arvo-api/live", "arvo-api/liv", false}, {"arvo-api/liv", "arvo-api/live", false},
		{"arvo*live", "arvo-api/live", true}, {"arvo*/?ive", "arvo-api/live", true}, {"*i*i*", "arvo-api/live", true}, {"*i*i*i", "arvo-api/live", false},
		{"a[a-z]c", "abc", false}, {"**", "x", true}, {"?", "", false},
		{strings.Repeat("*a", 1000) + "b", strings.Repeat("a", 2000), false}, // and in no time
	} {
		if got := matches(test.glob, test.text); got != test.want {
			t.Errorf("%.40q matches %.40q: %t", test.glob, test.text, got)
		}
	}
}
