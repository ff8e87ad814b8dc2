package xray

import (
	"context"
	"time"

	"example.com/arvo/lambdas/local/watch/sampling"
)

// What is configured: rules, groups, and settings of the account that clients look at before they ask anything else.

type page struct{ NextToken string }

// single refuses a token: the lists here have one page.
func (p *page) single() error {
	if p.NextToken != "" {
		return invalid("NextToken %.40q is not one of this X-Ray", p.NextToken)
	}
	return nil
}

type samplingRuleRecord struct {
	SamplingRule samplingRule
	CreatedAt    epoch
	ModifiedAt   epoch
}

type samplingRule struct {
	sampling.Rule
	Attributes map[string]string
}

type samplingRules struct{ SamplingRuleRecords []samplingRuleRecord }

func (a *API) getSamplingRules(_ context.Context, in *page) (*samplingRules, error) {
	out := &samplingRules{SamplingRuleRecords: []samplingRuleRecord{}}
	for _, r := range a.options.Sampler.Rules() {
		out.SamplingRuleRecords = append(out.SamplingRuleRecords, samplingRuleRecord{samplingRule{r, map[string]string{}}, atTime(a.started), atTime(a.started)})
	}
	return out, in.single()
}

type samplingTargetsIn struct {
	SamplingStatisticsDocuments []struct {
		RuleName, ClientID                      string
		RequestCount, SampledCount, BorrowCount int
	}
}

type samplingTargets struct {
	SamplingTargetDocuments    []samplingTarget
	LastRuleModification       epoch
	UnprocessedStatistics      []unprocessedStatistics
	UnprocessedBoostStatistics []unprocessedStatistics
}

type samplingTarget struct {
	RuleName          string
	FixedRate         float64
	ReservoirQuota    int
	ReservoirQuotaTTL epoch
	Interval          int
}

type unprocessedStatistics struct{ RuleName, ErrorCode, Message string }

const (
	maxStatistics = 25 // of X-Ray
	quotaTime     = 10 * time.Second
)

// getSamplingTargets grants each client the whole reservoir of the rules that it uses: there is one at a time.
func (a *API) getSamplingTargets(_ context.Context, in *samplingTargetsIn) (*samplingTargets, error) {
	if n := len(in.SamplingStatisticsDocuments); n > maxStatistics {
		return nil, invalid("SamplingStatisticsDocuments has %d documents, at most %d", n, maxStatistics)
	}
	out := &samplingTargets{
		SamplingTargetDocuments: []samplingTarget{}, LastRuleModification: atTime(a.started),
		UnprocessedStatistics: []unprocessedStatistics{}, UnprocessedBoostStatistics: []unprocessedStatistics{},
	}
	rules := a.options.Sampler.Rules()
	for _, doc := range in.SamplingStatisticsDocuments {
		known := false
		for _, r := range rules {
			if r.Name == doc.RuleName {
				known = true
				out.SamplingTargetDocuments = append(out.SamplingTargetDocuments, samplingTarget{
					r.Name, r.FixedRate, r.ReservoirSize, atTime(time.Now().Add(quotaTime)), int(quotaTime / time.Second),
				})
			}
		}
		if !known {
			out.UnprocessedStatistics = append(out.UnprocessedStatistics, unprocessedStatistics{doc.RuleName, "400", "there is no sampling rule of this name"})
		}
	}
	return out, nil
}

type samplingStatistics struct{ SamplingStatisticSummaries []samplingStatistic }

type samplingStatistic struct {
	RuleName                                string
	Timestamp                               epoch
	RequestCount, BorrowCount, SampledCount int
}

func (a *API) getSamplingStatisticSummaries(_ context.Context, in *page) (*samplingStatistics, error) {
	out := &samplingStatistics{SamplingStatisticSummaries: []samplingStatistic{}}
	for _, r := range a.options.Sampler.Rules() {
		c := a.options.Sampler.Counts(r.Name)
		out.SamplingStatisticSummaries = append(out.SamplingStatisticSummaries, samplingStatistic{r.Name, atTime(time.Now()), c.Requests, 0, c.Sampled})
	}
	return out, in.single()
}

type groupJSON struct {
	GroupName, GroupARN   string
	FilterExpression      string `json:",omitempty"`
	InsightsConfiguration struct{ InsightsEnabled, NotificationsEnabled bool }
}

func (g group) json() groupJSON {
	return groupJSON{GroupName: g.Name, GroupARN: g.ARN, FilterExpression: g.Expression}
}

type groupsOut struct{ Groups []groupJSON }

func (a *API) getGroups(_ context.Context, in *page) (*groupsOut, error) {
	out := &groupsOut{Groups: []groupJSON{}}
	for _, g := range a.groups {
		out.Groups = append(out.Groups, g.json())
	}
	return out, in.single()
}

type groupName struct{ GroupName, GroupARN string }

func (n *groupName) String() string {
	if n.GroupName != "" {
		return n.GroupName
	}
	return n.GroupARN
}

type groupOut struct{ Group groupJSON }

func (a *API) getGroup(_ context.Context, in *groupName) (*groupOut, error) {
	for _, g := range a.groups {
		if name := in.String(); g.Name == name || g.ARN == name {
			return &groupOut{g.json()}, nil
		}
	}
	return nil, invalid("there is no group %.100q", in)
}

type encryptionConfig struct {
	EncryptionConfig struct{ Status, Type string }
}

func (a *API) getEncryptionConfig(context.Context, *empty) (*encryptionConfig, error) {
	out := &encryptionConfig{}
	out.EncryptionConfig.Status, out.EncryptionConfig.Type = "ACTIVE", "NONE"
	return out, nil
}

type destination struct{ Destination, Status string }

// getTraceSegmentDestination says that traces are found by the operations of this API and not in a log group.
func (a *API) getTraceSegmentDestination(context.Context, *empty) (*destination, error) {
	return &destination{"XRay", "ACTIVE"}, nil
}
