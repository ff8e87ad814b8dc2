package sampling_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/arvo/lambdas/local/watch/sampling"
)

func newSampler(t *testing.T, rules ...sampling.Rule) *sampling.Sampler {
	t.Helper()
	s, err := sampling.New("us-east-1", "000000000000", rules, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rule(name string, priority int, change func(*sampling.Rule)) sampling.Rule {
	r := sampling.Default("us-east-1", "000000000000")
	r.Name, r.Priority, r.FixedRate, r.ReservoirSize = name, priority, 0, 0
	if change != nil {
		change(&r)
	}
	return r
}

func TestTheDefaultRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSampler(t)
		for second := range 3 {
			sampled := 0
			for i := range 10_000 {
				if s.Decide(sampling.Request{}) {
					sampled++
				} else if i == 0 {
					t.Error("the first request of a second is not recorded")
				}
			}
			if sampled < 400 || sampled > 600 {
				t.Errorf("second %d: %d of 10000 recorded, about 500 are due", second, sampled)
			}
			time.Sleep(time.Second)
		}
		if c := s.Counts(sampling.DefaultName); c.Requests != 30_000 || c.Sampled < 1200 {
			t.Errorf("%+v", c)
		}
	})
}

func TestTheReservoirIsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSampler(t, rule("ten", 1, func(r *sampling.Rule) { r.ReservoirSize = 10 }))
		for range 2 {
			for i := range 20 {
				if got := s.Decide(sampling.Request{}); got != (i < 10) {
					t.Errorf("request %d: %t", i, got)
				}
			}
			time.Sleep(time.Second)
		}
	})
}

// Which rule decided shows in its counts.
func TestWhichRuleDecides(t *testing.T) {
	stage := sampling.Request{ServiceName: "shop/live", ServiceType: "AWS::ApiGateway::Stage", Host: "localhost:3000", Method: "POST", Path: "/events"}
	for _, c := range []struct {
		name    string
		change  func(*sampling.Rule)
		decides bool
	}{
		{"a rule for everything", nil, true},
		{"a rule for the service", func(r *sampling.Rule) { r.ServiceName = "shop/live" }, true},
		{"a rule for another service", func(r *sampling.Rule) { r.ServiceName = "other/live" }, false},
		{"a rule for services of a pattern", func(r *sampling.Rule) { r.ServiceName = "sh?p/*e" }, true},
		{"a rule for another type", func(r *sampling.Rule) { r.ServiceType = "AWS::EC2::Instance" }, false},
		{"a rule for the method", func(r *sampling.Rule) { r.HTTPMethod = "POST" }, true},
		{"a rule for another method", func(r *sampling.Rule) { r.HTTPMethod = "GET" }, false},
		{"a rule for paths", func(r *sampling.Rule) { r.URLPath = "/ev*" }, true},
		{"a rule for other paths", func(r *sampling.Rule) { r.URLPath = "/subjects/*" }, false},
		{"a rule for hosts", func(r *sampling.Rule) { r.Host = "local*:3000" }, true},
		{"what is not known matches", func(r *sampling.Rule) { r.ResourceARN = "arn:x" }, true},
		{"a rule behind another", func(r *sampling.Rule) { r.Priority = 600 }, false},
		{"a rule with an equal priority and a later name", func(r *sampling.Rule) { r.Priority = 500; r.Name = "zzz" }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			tried := rule("tried", 100, c.change)
			s := newSampler(t, tried, rule("other", 500, nil))
			s.Decide(stage)
			if got := s.Counts(tried.Name).Requests == 1; got != c.decides {
				t.Errorf("the rule decided: %t", got)
			}
		})
	}
}

func TestRules(t *testing.T) {
	s := newSampler(t, rule("b", 2, nil), rule("a", 1, nil))
	var names []string
	for _, r := range s.Rules() {
		names = append(names, r.Name)
	}
	if got := strings.Join(names, " "); got != "a b Default" {
		t.Error(got)
	}
	if got := newSampler(t, rule("Default", 10000, nil)).Rules(); len(got) != 1 || got[0].FixedRate != 0 {
		t.Errorf("a rule named Default does not replace it: %+v", got)
	}
	for name, rules := range map[string][]sampling.Rule{
		"two rules a":           {rule("a", 1, nil), rule("a", 2, nil)},
		"rule a: a rate of 1.5": {rule("a", 1, func(r *sampling.Rule) { r.FixedRate = 1.5 })},
		"a reservoir of -1":     {rule("a", 1, func(r *sampling.Rule) { r.ReservoirSize = -1 })},
	} {
		if _, err := sampling.New("r", "a", rules, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %s", err, name)
		}
	}
}
