package table

import (
	"time"

	"example.com/arvo/lambdas/local/table/attribute"
)

const (
	// sweepInterval is the time between two searches for expired items. DynamoDB promises a few days.
	sweepInterval = time.Minute
	// sweepRows is how many rows one search looks at before it lets others in.
	sweepRows = 10_000
	// maxExpired is how long an item may have been expired and still be deleted; one that is older stays:
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html
	maxExpired = 5 * 365 * 24 * time.Hour
)

// expire deletes expired items, and tokens of transactions, until the service is closed.
func (s *Service) expire() {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case now := <-tick.C:
			s.tokens.sweep(now)
			for _, name := range s.names() {
				if t, err := s.table(name); err == nil { // else it was deleted meanwhile
					t.sweep(now)
				}
			}
		}
	}
}

// sweep deletes the items that have expired, a part of the table at a time.
func (t *table) sweep(now time.Time) {
	last, first := now.Unix(), now.Add(-maxExpired).Unix()
	for from := ""; ; {
		seen, next := 0, ""
		var expired []string
		t.mu.Lock()
		if t.ttl != "" {
			t.rows.Ascend(from, "", func(key string, r row) bool {
				if seen++; seen > sweepRows {
					next = key
					return false
				}
				if r.expires != 0 && r.expires < last && r.expires >= first {
					expired = append(expired, key)
				}
				return true
			})
			for _, key := range expired {
				r, _ := t.rows.Get(key)
				t.replace(key, attribute.MustParse(r.json), nil, row{})
			}
		}
		t.mu.Unlock()
		if next == "" {
			return
		}
		from = next
	}
}
