package ledger

import "time"

// A Clock says by how much the servers' clocks are ahead of the client's.
type Clock struct {
	Offset time.Duration
	Error  time.Duration // the truth is within Offset ± Error; zero when nothing is known
	N      int           // of how many requests
}

// resolution is that of the servers' times: milliseconds, rounded down.
const resolution = time.Millisecond

// Clock estimates the offset by Cristian's method (Distributed Computing 3, 1989): a server's time is taken to be in the middle of
// its request. The request that took the least is the best one, and its half length the error: no delay can hide more.
// It looks at all records.
func (l *Ledger) Clock() Clock {
	var c Clock
	var best time.Duration
	for r := range l.All() {
		if !r.Acknowledged() || r.Accepted == 0 {
			continue
		}
		took := r.Acked.Sub(r.Sent)
		if c.N == 0 || took < best {
			best = took
			middle := r.Sent.Add(took / 2)
			c.Offset = r.Accepted.Sub(middle) + resolution/2
			c.Error = took/2 + resolution/2
		}
		c.N++
	}
	return c
}

// Correction returns what to take from a server's time to have it by the client's clock. It is zero as long as the
// offset may be zero: a correction within its own error would only add it.
func (c Clock) Correction() time.Duration {
	if c.Offset.Abs() <= c.Error {
		return 0
	}
	return c.Offset
}

// EndToEnd returns how long after it was due a subject had ended. It reports false when it has not.
func (r *Record) EndToEnd(c Clock) (time.Duration, bool) {
	if !r.Ended() || r.Stored == 0 {
		return 0, false
	}
	return r.Stored.Sub(r.Intended) - c.Correction(), true
}

// Uncorrected returns how long after it was sent a subject had ended. What it lacks of EndToEnd is the coordinated
// omission of a sender that measures from there.
func (r *Record) Uncorrected(c Clock) (time.Duration, bool) {
	if !r.Ended() || r.Stored == 0 || r.Sent == 0 {
		return 0, false
	}
	return r.Stored.Sub(r.Sent) - c.Correction(), true
}

// Slip returns how long after it was due a subject was sent. It is the sender's doing, not the system's; a run with
// much of it says more about the sender.
func (r *Record) Slip() (time.Duration, bool) {
	return r.Sent.Sub(r.Intended), r.Sent != 0
}

// Waits is where the time of a subject went; the parts sum up to EndToEnd.
type Waits struct {
	Accept   time.Duration // due ... stored by the API, the sender's slip included
	Request  time.Duration // ... in the handler: bus and requests queue
	Service  time.Duration // ... answered
	Response time.Duration // ... in the sink: bus and responses queue
	Store    time.Duration // ... stored
}

// Waits returns where the time of the subject went. It reports false when a time is missing.
func (r *Record) Waits(c Clock) (Waits, bool) {
	if !r.Ended() || r.Accepted == 0 || r.Received == 0 || r.Answered == 0 || r.Delivered == 0 || r.Stored == 0 {
		return Waits{}, false
	}
	return Waits{
		Accept:   r.Accepted.Sub(r.Intended) - c.Correction(),
		Request:  r.Received.Sub(r.Accepted),
		Service:  r.Answered.Sub(r.Received),
		Response: r.Delivered.Sub(r.Answered),
		Store:    r.Stored.Sub(r.Delivered),
	}, true
}
