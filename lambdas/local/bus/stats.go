package bus

import "sync/atomic"

// Stats are counts since the start, named after the metrics of AWS/Events.
type Stats struct {
	PutEventsEntries       int64 // entries asked for
	PutEventsFailedEntries int64 // of which refused
	UnknownBus             int64 // accepted for a bus that does not exist, and dropped
	Rules                  []RuleStats
}

// RuleStats are counts of one rule. A delivery counts once for each target.
type RuleStats struct {
	Bus, Rule         string
	TriggeredRules    int64 // events that matched, and times that came
	ThrottledRules    int64 // times that came while too many deliveries were under way, and were left out
	Invocations       int64 // deliveries that succeeded or failed for good
	RetryInvocations  int64 // attempts after the first
	FailedInvocations int64 // deliveries that failed for good
	SentToDLQ         int64 // of which are in the dead-letter queue
	FailedToBeSentDLQ int64 // of which are lost, because the dead-letter queue refused them
	DroppedWithoutDLQ int64 // of which are lost, because there is no dead-letter queue
}

type counters struct {
	entries, failed, unknownBus atomic.Int64
}

type ruleCounters struct {
	triggered, throttled, invocations, retries, failed, dead, deadFailed, dropped atomic.Int64
}

// Stats returns the counts. Those of a rule go with it.
func (s *Service) Stats() Stats {
	st := Stats{
		PutEventsEntries:       s.stats.entries.Load(),
		PutEventsFailedEntries: s.stats.failed.Load(),
		UnknownBus:             s.stats.unknownBus.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range sorted(s.buses) {
		for _, r := range sorted(b.rules) {
			c := &r.stats
			st.Rules = append(st.Rules, RuleStats{
				Bus: b.name, Rule: r.name,
				TriggeredRules:    c.triggered.Load(),
				ThrottledRules:    c.throttled.Load(),
				Invocations:       c.invocations.Load(),
				RetryInvocations:  c.retries.Load(),
				FailedInvocations: c.failed.Load(),
				SentToDLQ:         c.dead.Load(),
				FailedToBeSentDLQ: c.deadFailed.Load(),
				DroppedWithoutDLQ: c.dropped.Load(),
			})
		}
	}
	return st
}
