package target_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"example.com/arvo/loadtest/target"
)

func TestPreflight(t *testing.T) {
	plan := target.Plan{Subjects: 200_000, Rate: 200, Concurrency: 16, Batch: 1, Work: 50 * time.Millisecond}
	for _, test := range []struct {
		name    string
		plan    func(*target.Plan)
		region  string
		account string
		want    []string // quotas of which it would take too much
	}{
		{"a plan within everything", func(*target.Plan) {}, "us-east-1", "", nil},
		{"the same in a region with small quotas", func(*target.Plan) {}, "eu-south-1", "", []string{"EventBridge PutEvents calls a second in eu-south-1: 400 of 400 (100 %)", "EventBridge deliveries a second in eu-south-1: 400 of 750 (53 %)"}},
		{"a new account", func(*target.Plan) {}, "us-east-1", `{"AccountLimit":{"ConcurrentExecutions":10}}`, []string{"Lambda concurrency of the account: 41 of 10 (410 %)", "Lambda invocations a second: 600 of 100"}},
		{"too high a rate", func(p *target.Plan) { p.Rate = 6000 }, "us-east-1", "", []string{"API Gateway requests a second: 6000 of 10000 (60 %)", "EventBridge PutEvents", "Lambda concurrency", "Lambda invocations", "DynamoDB write units"}},
		{"too many in flight", func(p *target.Plan) { p.Concurrency, p.Batch = 400, 200 }, "us-east-1", "", []string{"SQS messages in flight of a queue: 80000 of 120000 (67 %)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeAWS(t)
			if test.account != "" {
				f.says("GET /account-settings", 200, test.account)
			}
			c := f.config()
			c.Region = test.region
			s, err := target.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			p := plan
			test.plan(&p)
			got, err := s.Preflight(t.Context(), p)
			if (err == nil) != (test.want == nil) || got == nil {
				t.Fatalf("%+v, %v", got, err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %v", want, err)
				}
			}
			if len(got.Uses) < 7 || got.Setup.HandlerFunction == "" {
				t.Errorf("%+v", got)
			}
			sum := 0.0
			for _, line := range got.Cost {
				sum += line.USD
			}
			// 200,000 subjects at 14 dollars a million and some for traces, of which there are three each.
			if math.Abs(sum-got.CostUSD) > 1e-9 || got.CostUSD < 3 || got.CostUSD > 8 || got.Prices != "us-east-1, 2026-11" {
				t.Errorf("%v, %+v", got.CostUSD, got.Cost)
			}
		})
	}
}

func TestPreflightKnowsTheStagesThrottle(t *testing.T) {
	f := newFakeAWS(t)
	f.says("DescribeStacks", 200, strings.Replace(recorded(t, "describe-stacks.xml"), ">10000<", ">100<", 1))
	_, err := f.open().Preflight(t.Context(), target.Plan{Subjects: 1, Rate: 90, Work: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "requests a second of the API's stage (ThrottleRate): 90 of 100 (90 %)") {
		t.Error(err)
	}
}

func TestPreflightOfNothing(t *testing.T) {
	s := newFakeAWS(t).open()
	for _, p := range []target.Plan{{}, {Subjects: 1}, {Subjects: 1, Rate: math.NaN()}, {Subjects: 1, Rate: math.Inf(1)}, {Subjects: 1, Rate: 1, Work: time.Hour}} {
		if got, err := s.Preflight(t.Context(), p); err == nil {
			t.Errorf("%+v: %+v", p, got)
		}
	}
}
