package ledger

// Counts sums up what became of the subjects.
//
//	Scheduled = Unsent + Rejected + Unanswered + Open + Lost + DeadLettered + Failed + Completed
type Counts struct {
	Scheduled int

	Unsent, Rejected, Unanswered, Open, Lost, DeadLettered, Failed, Completed int

	Acknowledged int // of all: the client was told that it is accepted
	Late         int // of the ended: without the client knowing
	Duplicated   int // of all: with an answer that was delivered again
	Duplicates   int // such deliveries
	Deliveries   int // of answers, duplicates included

	Codes  map[int]int    // requests by HTTP status, 0 for none
	Errors map[string]int // requests without an answer, by why
}

// Count sums up what became of the subjects for which keep returns true; nil keeps all. Of a stage:
//
//	l.Count(func(r Record) bool { return r.Stage == "hold" })
func (l *Ledger) Count(keep func(Record) bool) Counts {
	c := Counts{Codes: map[int]int{}, Errors: map[string]int{}}
	fates := map[Fate]*int{Unsent: &c.Unsent, Rejected: &c.Rejected, Unanswered: &c.Unanswered, Open: &c.Open, Lost: &c.Lost, Dead: &c.DeadLettered, Errored: &c.Failed, Done: &c.Completed}
	for r := range l.All() {
		if keep != nil && !keep(r) {
			continue
		}
		c.Scheduled++
		*fates[r.Fate()]++
		if r.Acknowledged() {
			c.Acknowledged++
		}
		if r.Late() {
			c.Late++
		}
		if n := r.Duplicates(); n > 0 {
			c.Duplicated++
			c.Duplicates += n
		}
		c.Deliveries += r.Deliveries
		if r.Sent != 0 {
			c.Codes[r.Code]++
			if r.Code == 0 {
				c.Errors[r.Error]++
			}
		}
	}
	return c
}
