// Package sampling decides about traces as X-Ray's sampling rules do.
//
// A rule takes the first ReservoirSize requests of each second and FixedRate of the others. Of the rules that a request
// matches, the one with the smallest priority decides, of equal ones the one with the smaller name. [Default] stands behind all: one a second and 5 %.
// Patterns may hold * for any characters and ? for one. Source: "Configuring sampling rules" in the X-Ray developer guide.
//
// What differs from AWS: the reservoir is this process's alone, so there are no quotas to agree on, and attributes of requests
// and boosts of rates are not looked at.
package sampling

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A Rule is a sampling rule. The JSON names are X-Ray's.
type Rule struct {
	Name          string  `json:"RuleName"`
	ARN           string  `json:"RuleARN"`
	ResourceARN   string  `json:"ResourceARN"`
	Priority      int     `json:"Priority"`
	FixedRate     float64 `json:"FixedRate"`
	ReservoirSize int     `json:"ReservoirSize"`
	ServiceName   string  `json:"ServiceName"`
	ServiceType   string  `json:"ServiceType"`
	Host          string  `json:"Host"`
	HTTPMethod    string  `json:"HTTPMethod"`
	URLPath       string  `json:"URLPath"`
	Version       int     `json:"Version"`
}

// DefaultName is the name of the rule that decides when no other does. A rule by that name replaces it.
const DefaultName = "Default"

// Default is that rule.
func Default(region, account string) Rule {
	return Rule{
		Name: DefaultName, ARN: "arn:aws:xray:" + region + ":" + account + ":sampling-rule/" + DefaultName, ResourceARN: "*",
		Priority: 10000, FixedRate: 0.05, ReservoirSize: 1, ServiceName: "*", ServiceType: "*", Host: "*", HTTPMethod: "*", URLPath: "*", Version: 1,
	}
}

// A Request is what rules match. What is empty matches every rule: it is not known.
type Request struct {
	ServiceName string // of a stage: name of the API, slash, stage
	ServiceType string // AWS::ApiGateway::Stage
	ResourceARN string
	Host        string
	Method      string
	Path        string
}

// Counts are the decisions of a rule since its sampler was made.
type Counts struct{ Requests, Sampled int }

// A Sampler decides. Make one with [New]; it is safe for concurrent use.
type Sampler struct {
	mu     sync.Mutex
	random *rand.Rand
	rules  []*state // in the order in which they are asked
}

type state struct {
	Rule
	second int64
	taken  int // from the reservoir, in this second
	counts Counts
}

// New makes a sampler of rules and the default rule. random draws for the fixed rates; the sampler guards it. Errors
// name the rule.
func New(region, account string, rules []Rule, random *rand.Rand) (*Sampler, error) {
	s := &Sampler{random: random}
	named := map[string]bool{}
	for _, r := range rules {
		if named[r.Name] {
			return nil, fmt.Errorf("sampling: there are two rules %s", r.Name)
		}
		named[r.Name] = true
		if !(r.FixedRate >= 0 && r.FixedRate <= 1) || r.ReservoirSize < 0 {
			return nil, fmt.Errorf("sampling: rule %s: a rate of %v and a reservoir of %d: want 0 to 1, and no less than 0", r.Name, r.FixedRate, r.ReservoirSize)
		}
		s.rules = append(s.rules, &state{Rule: r})
	}
	if !named[DefaultName] {
		s.rules = append(s.rules, &state{Rule: Default(region, account)})
	}
	slices.SortStableFunc(s.rules, func(a, b *state) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name))
	})
	return s, nil
}

// Decide tells whether the trace of a request is recorded.
func (s *Sampler) Decide(r Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rule := range s.rules {
		if rule.matches(r) {
			return rule.decide(time.Now().Unix(), s.random)
		}
	}
	return false // a rule in place of the default one matches less than everything
}

func (s *state) decide(second int64, random *rand.Rand) bool {
	s.counts.Requests++
	if second != s.second {
		s.second, s.taken = second, 0
	}
	switch {
	case s.taken < s.ReservoirSize:
		s.taken++
	case random.Float64() >= s.FixedRate:
		return false
	}
	s.counts.Sampled++
	return true
}

func (r Rule) matches(q Request) bool {
	for _, pair := range [...][2]string{
		{r.ServiceName, q.ServiceName}, {r.ServiceType, q.ServiceType}, {r.ResourceARN, q.ResourceARN},
		{r.Host, q.Host}, {r.HTTPMethod, q.Method}, {r.URLPath, q.Path},
	} {
		if pair[1] != "" && !wild(pair[0], pair[1]) {
			return false
		}
	}
	return true
}

// wild matches a text with a pattern of * and ?, byte by byte, in time proportional to the product of their lengths.
func wild(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// Rules are the rules in the order in which they are asked.
func (s *Sampler) Rules() []Rule {
	rules := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		rules[i] = r.Rule
	}
	return rules
}

// Counts are the decisions of a rule.
func (s *Sampler) Counts(rule string) Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.Name == rule {
			return r.counts
		}
	}
	return Counts{}
}
