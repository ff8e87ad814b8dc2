package ledger

import (
	"slices"
	"time"
)

// A Clock says by how much the servers' clocks are ahead of the client's.
type Clock struct {
	Offset  time.Duration
	Error   time.Duration // the truth is within Offset ± Error; zero when nothing is known
	N       int           // of how many requests that agree
	Dropped int           // requests that do not: their servers' times are not those of the others' clock
}

// resolution is that of the servers' times: milliseconds, rounded down.
const resolution = time.Millisecond

// Clock estimates the offset by Cristian's method (Distributed Computing 3, 1989): a server's time is taken to be in the middle of
// its request. The request that took the least is the best one, and its half length the error: no delay can hide more.
//
// A request whose server's time is of something else, such as an older request, has no such error, and must not be the best.
// So each is first asked for the offsets that it allows, from where the time was taken at the end of the request to where at its
// beginning. Those count that allow the offset which most of them allow (Marzullo, Maintaining the Time in a Distributed System, Stanford 1984); the others are dropped. As
// long as those that are wrong are fewer than the others, the offset is one that a right one allows.
//
// What all of them allow is a narrower answer, and was rejected: clocks that drift apart during a run leave nothing of it.
// It looks at all records.
func (l *Ledger) Clock() Clock {
	var from, to []time.Duration // offsets that records allow
	for r := range l.All() {
		if least, most, ok := r.offsets(); ok {
			from, to = append(from, least), append(to, most)
		}
	}
	agreed := agreed(from, to) // which sorts them
	var c Clock
	for r := range l.All() {
		least, most, ok := r.offsets()
		switch {
		case !ok:
		case agreed < least || agreed > most:
			c.Dropped++
		default:
			if half := (most - least) / 2; c.N == 0 || half < c.Error {
				c.Offset, c.Error = least+half, half
			}
			c.N++
		}
	}
	return c
}

// offsets returns between what the servers' clock is ahead, if Accepted is a time of the record's request.
func (r *Record) offsets() (least, most time.Duration, ok bool) {
	if !r.Acknowledged() || r.Accepted == 0 || r.Sent == 0 || r.Acked < r.Sent {
		return 0, 0, false
	}
	return r.Accepted.Sub(r.Acked), r.Accepted.Sub(r.Sent) + resolution, true
}

// agreed returns the offset that most intervals contain, in the middle of where it may be. It sorts their ends.
func agreed(from, to []time.Duration) (offset time.Duration) {
	slices.Sort(from)
	slices.Sort(to)
	most, over := 0, 0 // intervals at a time; those that are over where another begins
	for begun, at := range from {
		for to[over] < at {
			over++
		}
		if n := begun + 1 - over; n > most {
			most, offset = n, at+(to[over]-at)/2
		}
	}
	return offset
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
