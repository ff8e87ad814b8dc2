package sim

import (
	"math"
	"time"
)

// A leg is a queue with its mapping and function, at work.
type leg struct {
	Leg
	index    uint8
	function int
	batch    int64 // subjects of an invocation, at most
	cap      int64 // pollers, at most
	first    int   // of the two phases that it has: waiting, and service
	calls    lognormal
	bucket   *bucket
	cause    int8 // of calls that are throttled
	ramp     int8 // limits
	full     int8
	inFlight int8

	to, in, off, at place

	head, tail  int32 // visible pieces
	queued      int64 // subjects that are visible
	received    int64 // subjects in flight
	pollers     int64 // with a batch
	stalled     int64 // of them: with a batch that was throttled
	small       int64 // batches at work whose group is less than half of a whole one
	stalledBy   int8
	grew        int64 // when the ramp began
	lastMessage int64
	growing     bool   // there is an event for the next poller
	gathering   bool   // there is an event for the end of the window
	gatheredAt  int64  // when it ends
	reservoir   bucket // of invocations that Lambda traces by itself

	retrying int64   // subjects in a batch that wait to make a throttled call again
	blamed   []int64 // visible subjects, by the limit under which they came to wait
	hidden   []int64 // subjects that come back later, by the limit that made them fail
}

func (s *simulation) newLeg(i int, l Leg, function int, cause int8, ramp, full, inFlight Limit) leg {
	g := leg{
		Leg: l, index: uint8(i), function: function, cause: cause, ramp: index(ramp), full: index(full), inFlight: index(inFlight),
		batch: s.Quotas.batch(l, s.System.EventBytes), cap: s.Quotas.pollers(l), first: 1 + 2*i,
		calls: s.Latencies.Table.lognormal().times(l.TableCalls), bucket: &s.table, reservoir: newBucket(1, 1),
		head: -1, tail: -1, lastMessage: math.MinInt64 / 2, blamed: make([]int64, len(Limits)), hidden: make([]int64, len(Limits)),
		to: toRequests, in: inRequests, off: requestsOff, at: handling,
	}
	if l.Publishes {
		g.calls, g.bucket = s.put, &s.puts
	}
	if i == 1 {
		g.to, g.in, g.off, g.at = toResponses, inResponses, responsesOff, storing
	}
	return g
}

// limit returns how many pollers the mapping may have now.
func (l *leg) limit(q *Quotas, now int64) int64 {
	return min(l.cap, int64(q.MappingInitial)+int64(q.MappingPerMinute*float64(now-l.grew)/60e9+1e-9))
}

// visible puts messages where pollers see them.
func (s *simulation) visible(i int32) {
	p := &s.pieces[i]
	l := &s.legs[p.leg]
	if p.off {
		p.off = false
		l.hidden[p.cause] -= p.n
		l.received -= p.n
		s.move(p.n, l.off, l.in)
	} else {
		s.move(p.n, l.to, l.in)
	}
	if s.now-l.lastMessage > int64(s.Quotas.MappingQuiet) && l.pollers == 0 {
		l.grew = s.now // the mapping had gone quiet
	}
	l.lastMessage = s.now
	if l.head < 0 {
		l.gatheredAt = s.now + int64(l.Window)
	}
	l.append(s, i)
	s.dispatch(l)
}

func (l *leg) append(s *simulation, i int32) {
	s.pieces[i].next = -1
	if l.tail < 0 {
		l.head = i
	} else {
		s.pieces[l.tail].next = i
	}
	l.tail = i
	l.queued += s.pieces[i].n
}

// take receives n subjects, as a list of pieces.
func (l *leg) take(s *simulation, n int64) (list int32) {
	list = -1
	var last int32 = -1
	l.queued -= n
	for n > 0 {
		i := l.head
		if s.pieces[i].n > n {
			i = s.split(i, n)
		} else if l.head = s.pieces[i].next; l.head < 0 {
			l.tail = -1
		}
		n -= s.pieces[i].n
		s.pieces[i].next = -1
		s.pieces[i].receives++
		if last < 0 {
			list = i
		} else {
			s.pieces[last].next = i
		}
		last = i
	}
	return list
}

// dispatch gives messages to pollers that wait. Messages spread over them: a batch is full only when there are more messages
// than pollers. With a batching window they wait for it to end, if there are not enough messages to fill all batches: the
// window belongs to a poller, and each of those that wait gathers a batch. Pollers go in groups, so that cohorts are not split more than they need be: of one with cohorts of one, and at
// most a 32nd of all, else all batches would begin and end together. As pollers come one by one, groups that are less than half
// as large join when they have a backlog before them: one waits for another to end, for a part of an invocation. Where
// calls are made again an invocation takes seconds, and nobody waits.
func (s *simulation) dispatch(l *leg) {
	for l.queued > 0 {
		allowed := l.limit(&s.Quotas, s.now)
		idle := allowed - l.pollers
		room := s.Quotas.InFlight - l.received
		if idle <= 0 || room <= 0 {
			break
		}
		each := min(l.batch, (l.queued+idle-1)/idle)
		if s.now < l.gatheredAt && each < l.batch {
			if !l.gathering {
				l.gathering = true
				s.events.push(l.gatheredAt, gathered, int32(l.index))
			}
			return
		}
		whole := max(1, min(s.Cohort, (allowed+31)/32))
		if 2*idle < whole && l.small > 0 && l.retrying == 0 && l.queued >= whole*l.batch {
			break // another small group is about to end, and then they go together
		}
		group := min(idle, whole)
		n := min(l.queued, group*each, room)
		pollers := (n + each - 1) / each
		l.pollers += pollers
		l.received += n
		s.move(n, l.in, l.at)
		s.result.Batches[l.index] += pollers
		s.result.Received[l.index] += n
		calls := math.Ceil(float64(each) / 10)
		s.result.Usage.QueueRequests += 2 * calls * float64(pollers) // receive and delete
		b := batch{leg: l.index, n: n, pollers: pollers, each: each, received: s.now, list: l.take(s, n), failed: -1, cause: -1, small: 2*pollers < whole}
		if b.small {
			l.small++
		}
		s.launch(s.newBatch(b))
	}
	// Another poller may come when there are more messages.
	if l.queued > 0 && !l.growing {
		if allowed := l.limit(&s.Quotas, s.now); allowed < l.cap {
			l.growing = true
			next := l.grew + int64(math.Ceil(float64(allowed+1-int64(s.Quotas.MappingInitial))*60e9/s.Quotas.MappingPerMinute))
			s.events.push(max(next, s.now+1), grow, int32(l.index))
		}
	}
}

func (s *simulation) newBatch(b batch) int32 {
	if n := len(s.freeBatch); n > 0 {
		i := s.freeBatch[n-1]
		s.freeBatch = s.freeBatch[:n-1]
		s.batches[i] = b
		return i
	}
	s.batches = append(s.batches, b)
	return int32(len(s.batches) - 1)
}

// launch invokes the function with a batch: with what gets a warm environment, with what gets a new one, and what gets none
// is tried again.
func (s *simulation) launch(i int32) {
	warm, cold, cause := s.acquire(s.legs[s.batches[i].leg].function, s.batches[i].pollers)
	if warm > 0 {
		if warm == s.batches[i].pollers {
			s.start(i, 0)
			return
		}
		s.start(s.part(i, warm), 0)
	}
	if cold > 0 {
		if cold == s.batches[i].pollers {
			s.start(i, s.draw(s.cold))
			return
		}
		s.start(s.part(i, cold), s.draw(s.cold))
	}
	s.throttle(i, cause)
}

// part takes some pollers of a batch, with their messages, into a batch of their own.
func (s *simulation) part(i int32, pollers int64) int32 {
	b := s.batches[i]
	n := min(b.n, pollers*b.each)
	if left := b.pollers - pollers; b.n-n < left { // each has at least one
		n = b.n - left
	}
	p := b
	if p.n, p.pollers = n, pollers; p.small {
		s.legs[b.leg].small++
	}
	s.batches[i].n -= n
	s.batches[i].pollers -= pollers
	// The list is taken from its front.
	p.list = b.list
	last, rest := int32(-1), b.list
	for n > 0 {
		if s.pieces[rest].n > n {
			front := s.split(rest, n)
			if last < 0 {
				p.list = front
			} else {
				s.pieces[last].next = front
			}
			last, n = front, 0
			break
		}
		n -= s.pieces[rest].n
		last, rest = rest, s.pieces[rest].next
	}
	s.pieces[last].next = -1
	s.batches[i].list = rest
	return s.newBatch(p)
}

// start begins the invocations of a batch, after so much of a cold start.
//
// Calls of a turn are made side by side, and the slowest of m decides: its latency is drawn as the greatest of m. Of the
// subjects of the turn one in m has it, and the others have less.
func (s *simulation) start(i int32, cold int64) {
	b := &s.batches[i]
	l := &s.legs[b.leg]
	b.began, b.function, b.pending = s.now, uint8(l.function), 1
	if l.Traced {
		first := l.reservoir.take(s.now, b.pollers)
		s.result.Usage.Traces += float64(first) + float64(b.pollers-first)/20
	}
	at := s.now + cold + int64(l.Overhead)
	rest := b.list
	b.list = -1
	each := float64(b.n) / float64(b.pollers)
	for turn := 0.0; rest >= 0; turn++ {
		m := min(float64(l.Parallelism), max(1, each-turn*float64(l.Parallelism)))
		slowest := math.Pow(s.rng.Float64(), 1/m)
		at += int64(l.Work)
		took := l.latency(slowest)
		for room := int64(math.Ceil(m*float64(b.pollers) - 1e-6)); room > 0 && rest >= 0; {
			p := rest
			if s.pieces[p].n > room {
				p = s.split(p, room)
			} else {
				rest = s.pieces[p].next
			}
			room -= s.pieces[p].n
			q := &s.pieces[p]
			q.next, q.batch, q.attempts = -1, i, 0
			q.phase(l.first, s.now)
			q.latency = took
			if s.rng.Float64()*m >= 1 {
				q.latency = l.latency(slowest * s.rng.Float64())
			}
			b.pending++
			s.events.push(at, call, p)
		}
		at += took
	}
	s.events.push(at, finish, i)
}

// latency returns the u-quantile of what the calls of a subject take.
func (l *leg) latency(u float64) int64 {
	if !l.calls.some {
		return int64(l.calls.floor)
	}
	return l.calls.at(normal(u))
}

// call makes the calls of subjects, if their quota lets it.
func (s *simulation) call(i int32) {
	p := &s.pieces[i]
	b := &s.batches[p.batch]
	l := &s.legs[b.leg]
	cost := l.WriteUnits
	if l.Publishes {
		// Those of a turn end together, and are published by calls of up to ten.
		turn := min(float64(l.Parallelism), float64(b.n)/float64(b.pollers))
		cost = 1 / min(10, max(1, turn))
	}
	n := p.n
	if p.attempts > 0 {
		l.retrying -= n
	}
	granted := l.bucket.share(s.now, n, cost, s.rng.Float64())
	if granted > 0 {
		part := i
		if granted < n {
			part = s.split(i, granted)
			s.batches[p.batch].pending++
		}
		if !l.Publishes {
			s.written(granted, cost)
		}
		s.events.push(s.now+s.pieces[part].latency, settle, part)
	}
	if granted == n {
		return
	}
	if s.retry(i, call) {
		l.retrying += n - granted
		return
	}
	// They failed, and stay in the queue.
	q := &s.pieces[i]
	b = &s.batches[q.batch]
	q.next, q.cause = b.failed, l.cause
	b.failed = i
	s.settled(q.batch)
}

// settle ends the work on subjects.
func (s *simulation) settle(i int32) {
	p := &s.pieces[i]
	batch := p.batch
	l := &s.legs[s.batches[batch].leg]
	p.phase(l.first+1, s.now)
	s.batches[batch].succeeded += p.n
	if l.Publishes {
		s.transit(i, 1, l.at, s.now)
	} else {
		s.move(p.n, l.at, done)
		s.total.Completed += p.n
		s.result.EndToEnd.Record(time.Duration(s.now-p.born), p.n)
		for k, d := range p.sums {
			s.phases[k] += float64(d) * float64(p.n)
		}
		s.lastEnd = s.now
		s.free(i)
	}
	s.settled(batch)
}

// settled ends a batch when all of it has: messages that succeeded are deleted, the others come back later.
func (s *simulation) settled(i int32) {
	b := &s.batches[i]
	if b.pending--; b.pending > 0 {
		return
	}
	l := &s.legs[b.leg]
	s.release(int(b.function), b.pollers, b.began, l.MemoryMB)
	l.pollers -= b.pollers
	s.forget(i)
	for p := b.failed; p >= 0; {
		next := s.pieces[p].next
		s.hide(l, p, s.now+int64(min(int64(1)<<min(s.pieces[p].receives, 6), 60))*1e9)
		p = next
	}
	l.received -= b.succeeded
	s.freeBatch = append(s.freeBatch, i)
	s.dispatch(l)
}

// forget takes a batch from those at work whose group is small.
func (s *simulation) forget(i int32) {
	if b := &s.batches[i]; b.small {
		b.small = false
		s.legs[b.leg].small--
	}
}

// hide keeps messages from pollers until a time, or for good when they were received too often.
func (s *simulation) hide(l *leg, i int32, until int64) {
	p := &s.pieces[i]
	if l.MaxReceives > 0 && int(p.receives) >= l.MaxReceives {
		l.received -= p.n
		s.move(p.n, l.at, dead)
		s.limits[p.cause].dead += p.n
		s.lastEnd = s.now
		s.free(i)
		return
	}
	p.off = true
	l.hidden[p.cause] += p.n
	s.move(p.n, l.at, l.off)
	s.events.push(until, visible, i)
}

// throttle has a batch wait that got no environment.
func (s *simulation) throttle(i int32, cause int8) {
	b := &s.batches[i]
	l := &s.legs[b.leg]
	b.cause = cause
	s.forget(i) // nobody waits for it: that may take long
	l.stalled += b.pollers
	l.stalledBy = cause
	backoff := min(10.0, 0.1*float64(int64(1)<<min(b.attempts, 10))) * (0.5 + s.rng.Float64()/2)
	b.attempts++
	s.events.push(s.now+int64(backoff*1e9), again, i)
}

// again invokes the function with a batch that was throttled, or gives it up when its messages are about to be visible again.
func (s *simulation) again(i int32) {
	b := &s.batches[i]
	l := &s.legs[b.leg]
	l.stalled -= b.pollers
	if until := b.received + int64(l.Visibility); s.now+int64(10*time.Second) >= until && s.now-b.received > int64(l.Visibility)/2 {
		l.pollers -= b.pollers
		for p := b.list; p >= 0; {
			next := s.pieces[p].next
			s.pieces[p].cause = b.cause
			s.hide(l, p, max(until, s.now))
			p = next
		}
		s.freeBatch = append(s.freeBatch, i)
		s.dispatch(l)
		return
	}
	s.launch(i)
}

// blame says for which limits subjects wait now. What the queue grows by is because of the limit at work; what it shrinks
// by is taken from all that is left: a backlog that a slow ramp has left behind stays the ramp's.
func (l *leg) blame(s *simulation) {
	var known int64
	for _, n := range l.blamed {
		known += n
	}
	switch grown := l.queued - known; {
	case grown > 0:
		l.blamed[l.reason(s)] += grown
	case grown < 0:
		for i, n := range l.blamed {
			l.blamed[i] = n - int64(math.Round(float64(n)*float64(-grown)/float64(known)))
		}
	}
	for i, n := range l.blamed { // what is hidden waits for what made it fail
		s.limits[i].waiting += n + l.hidden[i]
	}
}

// reason returns what the visible messages wait for.
func (l *leg) reason(s *simulation) int8 {
	switch allowed := l.limit(&s.Quotas, s.now); {
	case l.received >= s.Quotas.InFlight:
		return l.inFlight
	case 2*l.stalled > allowed:
		return l.stalledBy
	case 10*l.retrying > s.at[l.at]: // they take a second each, and keep others from their pollers
		return l.cause
	case allowed < l.cap:
		return l.ramp
	}
	return l.full
}
