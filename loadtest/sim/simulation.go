package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"example.com/arvo/loadtest/stats"
)

// A place is where subjects are. Each subject is in one.
type place uint8

const (
	accepting   place = iota
	toRequests        // on the bus, or on its way into the queue
	inRequests        // in the queue, visible
	requestsOff       // in the queue, hidden: it failed, or its invocation was throttled
	handling
	toResponses
	inResponses
	responsesOff
	storing
	done
	rejected
	dead
	places
)

// attempts is how often the SDK makes a call that is throttled, by default.
const attempts = 3

// A piece is some subjects that go the same way. It begins as a cohort, and is split wherever a limit lets only a part of it on.
type piece struct {
	n        int64
	born     int64 // when they were due
	since    int64 // when they came into the current phase
	latency  int64 // of their calls, in this batch
	next     int32 // in a list; -1 ends it
	batch    int32
	attempts uint8 // of the current call
	leg      uint8
	off      bool  // hidden in the queue
	cause    int8  // of that: index in Limits, -1 for none
	receives int16 // from the current queue
	sums     phases
}

// phases are the times that a piece has spent, in nanoseconds.
type phases [5]int64

// A batch is what a group of pollers has in invocations at the same time.
type batch struct {
	leg       uint8
	attempts  uint8
	n         int64
	succeeded int64 // of n
	pollers   int64
	each      int64 // subjects of an invocation, at most
	received  int64
	began     int64
	list      int32 // pieces, while it is throttled
	failed    int32 // pieces
	pending   int32 // pieces whose calls are not answered, and one for the batch itself
	function  uint8
	cause     int8
	small     bool // its group is less than half of a whole one
}

// A simulation is the state of a run. Everything happens in handle, one event after the other.
type simulation struct {
	Config
	rng    *rand.Rand
	events events
	now    int64
	result Result

	pieces     []piece
	freePieces []int32
	batches    []batch
	freeBatch  []int32

	at      [places]int64
	sent    uint64
	loadEnd int64
	lastEnd int64 // when the last subject ended
	phases  [5]float64

	api       bucket
	reservoir bucket // of requests to trace
	invokes   bucket
	table     bucket
	puts      bucket
	busFree   float64 // when the bus has delivered what it has taken, in nanoseconds
	functions [2]function
	legs      [2]leg
	limits    []limit
	retrying  []int64 // requests to the API that wait to make a call again, by the limit that throttled it
	peakWrite float64 // units in the second with the most
	wrote     float64 // units in this second
	doubled   int64   // when the table was split last

	gateway, put, bus, hop, cold, write, landing lognormal

	before Sample // sums up to the last sample, where Sample has differences
	total  Sample
}

// Functions.
const (
	apiLambda = iota
	handler
)

// A function has execution environments.
type function struct {
	warm, busy int64
	reserved   int64 // environments at most, that no other function takes; 0 for none
	full       int8  // the limit that this is
	new        bucket
}

// A limit is what became of subjects because of it.
type limit struct{ refused, dead, waiting, peak, behind int64 }

// index returns the place of a limit in Limits.
func index(l Limit) int8 { return int8(slices.Index(Limits, l)) }

var (
	iAPI          = index(APIThrottle)
	iConcurrency  = index(AccountConcurrency)
	iEnvironments = index(NewEnvironments)
	iInvokes      = index(InvokeRate)
	iPuts         = index(PutEventsQuota)
	iBus          = index(BusQuota)
	iTable        = index(TableThroughput)
)

// A bucket is a rate with some room: tokens come at the rate, and at most burst of them are kept.
type bucket struct {
	rate, burst, tokens float64
	last                int64
	demand              float64 // tokens asked for a second, lately
	asked               int64   // when that was
}

func newBucket(rate, burst float64) bucket { return bucket{rate: rate, burst: burst, tokens: burst} }

func (b *bucket) fill(now int64) {
	if now > b.last {
		b.tokens = min(b.burst, b.tokens+b.rate*float64(now-b.last)/1e9)
		b.last = now
	}
}

// take takes up to n tokens, and returns how many.
func (b *bucket) take(now int64, n int64) int64 {
	b.fill(now)
	granted := min(n, int64(b.tokens+1e-6))
	b.tokens -= float64(granted)
	return granted
}

// memory is for how long a bucket remembers what was asked of it, in seconds.
const memory = 0.25

// share takes tokens for up to n calls that cost so many each, of a bucket that is asked by several, and returns for how many.
//
// When more is asked for than there is, each call has the same chance, whatever it costs and however large the piece is
// that it comes in. Without that, a large piece would empty the bucket as often as it came, and the share of an asker would
// depend on the size of cohorts.
func (b *bucket) share(now int64, n int64, cost float64, chance float64) int64 {
	if cost == 0 {
		return n
	}
	b.fill(now)
	asked := float64(n) * cost
	b.demand = b.demand*math.Exp(-float64(now-b.asked)/1e9/memory) + asked/memory
	b.asked = now
	fair := float64(n) * min(1, (b.rate*memory+b.tokens)/(b.demand*memory))
	granted := int64(fair)
	if fair-float64(granted) > chance {
		granted++
	}
	// The last call may take more than is left; the bucket is then in debt.
	granted = min(granted, int64(math.Ceil(b.tokens/cost-1e-9)))
	if granted <= 0 {
		return 0
	}
	b.tokens -= float64(granted) * cost
	return granted
}

func newSimulation(c Config) *simulation {
	q := c.Quotas
	s := &simulation{
		Config: c, rng: rand.New(rand.NewPCG(c.Seed, 0xda3e39cb94b95bdb)), // any constant will do
		api:       newBucket(min(q.APIRate, c.System.ThrottleRate), min(q.APIBurst, c.System.ThrottleBurst)),
		reservoir: newBucket(c.System.TraceReservoir, c.System.TraceReservoir),
		invokes:   newBucket(q.InvokeRate*float64(q.Concurrency), q.InvokeRate*float64(q.Concurrency)),
		table:     newBucket(min(q.TableWarm, q.TableQuota), min(q.TableWarm, q.TableQuota)),
		puts:      newBucket(q.PutEventsRate, q.PutEventsRate),
		limits:    make([]limit, len(Limits)), retrying: make([]int64, len(Limits)),
		loadEnd: int64(c.Load.Duration()),
		gateway: c.Latencies.Gateway.lognormal(), put: c.Latencies.PutEvents.lognormal(), bus: c.Latencies.BusToTarget.lognormal(),
		hop: c.Latencies.QueueToFunction.lognormal(), cold: c.Latencies.ColdStart.lognormal(),
		write: c.Latencies.Table.lognormal().times(min(1, c.System.Accept.TableCalls)), landing: c.Latencies.Table.lognormal().times(max(0, c.System.Accept.TableCalls-1)),
	}
	s.result = Result{Cohort: c.Cohort, Step: c.Step, EndToEnd: stats.NewLatencies(), Answered: stats.NewLatencies()}
	for i := range s.functions {
		count := float64(q.NewEnvironments.Count)
		s.functions[i].new = newBucket(count/q.NewEnvironments.Per.Seconds(), count)
	}
	s.functions[apiLambda].reserved, s.functions[apiLambda].full = int64(c.System.Accept.Reserved), index(APIReserved)
	s.functions[handler].reserved, s.functions[handler].full = int64(c.System.Requests.Reserved), index(HandlerReserved)
	s.legs[0] = s.newLeg(0, c.System.Requests, handler, iPuts, RequestsRamp, RequestsConcurrency, RequestsInFlight)
	s.legs[1] = s.newLeg(1, c.System.Responses, apiLambda, iTable, ResponsesRamp, ResponsesConcurrency, ResponsesInFlight)
	s.nextArrival()
	s.events.push(int64(c.Step), sample, 0)
	return s
}

func (s *simulation) handle(e event) {
	switch e.kind {
	case arrive:
		s.arrive(e.ref)
	case invoke:
		s.invoke(e.ref)
	case write:
		s.writeHead(e.ref)
	case publish:
		s.publish(e.ref)
	case accept:
		s.accept(e.ref)
	case visible:
		s.visible(e.ref)
	case call:
		s.call(e.ref)
	case settle:
		s.settle(e.ref)
	case finish:
		s.settled(e.ref)
	case again:
		s.again(e.ref)
	case grow:
		l := &s.legs[e.ref]
		l.growing = false
		s.dispatch(l)
	case gathered:
		l := &s.legs[e.ref]
		l.gathering = false
		s.dispatch(l)
	case sample:
		s.sample()
	}
}

// over reports whether nothing more can happen, or nobody waits for it.
func (s *simulation) over() bool {
	if s.now < s.loadEnd || s.sent < s.Load.Total() {
		return false
	}
	ended := s.at[done]+s.at[rejected]+s.at[dead] == int64(s.sent)
	return ended || s.now >= s.loadEnd+int64(s.Drain)
}

// newPiece returns a piece, which has to be filled.
func (s *simulation) newPiece(p piece) int32 {
	if n := len(s.freePieces); n > 0 {
		i := s.freePieces[n-1]
		s.freePieces = s.freePieces[:n-1]
		s.pieces[i] = p
		return i
	}
	s.pieces = append(s.pieces, p)
	return int32(len(s.pieces) - 1)
}

func (s *simulation) free(i int32) { s.freePieces = append(s.freePieces, i) }

// split takes n of the subjects of a piece into one of their own.
func (s *simulation) split(i int32, n int64) int32 {
	part := s.pieces[i]
	part.n, part.next = n, -1
	s.pieces[i].n -= n
	return s.newPiece(part)
}

func (s *simulation) move(n int64, from, to place) {
	s.at[from] -= n
	s.at[to] += n
}

func (s *simulation) draw(l lognormal) int64 {
	if !l.some {
		return int64(l.floor)
	}
	return l.at(s.rng.NormFloat64())
}

// phase ends a phase of a piece, and begins the next.
func (p *piece) phase(i int, now int64) {
	p.sums[i] += now - p.since
	p.since = now
}

// retry has a piece make a throttled call again after the SDK's back-off, unless it was the last attempt.
func (s *simulation) retry(i int32, k kind) bool {
	p := &s.pieces[i]
	p.attempts++
	if p.attempts >= attempts {
		return false
	}
	backoff := s.rng.Float64() * float64(int64(1)<<(p.attempts-1)) // full jitter, of 1 s and 2 s
	s.events.push(s.now+int64(backoff*1e9), k, i)
	return true
}

// nextArrival makes an event of the next cohort. It comes in at the time at which the one in the middle of it is due.
func (s *simulation) nextArrival() {
	left := s.Load.Total() - s.sent
	if left == 0 {
		return
	}
	n := min(uint64(s.Cohort), left)
	at := int64(s.Load.At(s.sent + n/2))
	s.events.push(at, arrive, int32(n))
}

// arrive is API Gateway: what its throttle lets through goes to the function.
func (s *simulation) arrive(size int32) {
	n := int64(size)
	s.sent += uint64(n)
	s.at[accepting] += n
	s.total.Offered += n
	s.nextArrival()
	granted := s.api.take(s.now, n)
	s.refuse(n-granted, iAPI)
	if granted == 0 {
		return
	}
	s.result.Usage.APIRequests += float64(granted)
	first := s.reservoir.take(s.now, granted)
	s.result.Usage.Traces += float64(first) + float64(granted-first)*s.System.TraceSampleRate
	i := s.newPiece(piece{n: granted, born: s.now, since: s.now, next: -1, cause: -1})
	s.events.push(s.now+s.draw(s.gateway), invoke, i)
}

// refuse answers subjects with an error, for good.
func (s *simulation) refuse(n int64, cause int8) {
	if n == 0 {
		return
	}
	s.move(n, accepting, rejected)
	s.total.Rejected += n
	s.limits[cause].refused += n
}

// acquire takes up to n environments of a function, warm ones first. What it cannot have is for a cause.
func (s *simulation) acquire(f int, n int64) (warm, cold int64, cause int8) {
	fn := &s.functions[f]
	cause = -1
	got := n
	if free, full := s.environments(f); got > free {
		got, cause = max(0, free), s.occupied(full)
	}
	warm = min(got, fn.warm-fn.busy)
	if cold = got - warm; cold > 0 {
		if granted := fn.new.take(s.now, cold); granted < cold {
			cold, cause = granted, iEnvironments
		}
	}
	if granted := s.invokes.take(s.now, warm+cold); granted < warm+cold {
		cause = iInvokes
		cold = min(cold, granted)
		warm = granted - cold
	}
	fn.warm += cold
	fn.busy += warm + cold
	s.result.Usage.Invocations += float64(warm + cold)
	s.result.Usage.LogBytes += float64(warm+cold) * s.System.LogBytes
	return warm, cold, cause
}

// environments returns how many more environments a function may have busy, and the limit of that.
func (s *simulation) environments(f int) (free int64, full int8) {
	if fn := &s.functions[f]; fn.reserved > 0 {
		return fn.reserved - fn.busy, fn.full
	}
	free = int64(s.Quotas.Concurrency)
	for _, fn := range s.functions {
		free -= max(fn.reserved, fn.busy) // nobody else takes what is reserved
	}
	return free, iConcurrency
}

// occupied returns why all environments are busy: when most of them only wait to make a throttled call again, more of them
// would wait likewise.
func (s *simulation) occupied(cause int8) int8 {
	most := int64(s.Quotas.Concurrency) / 2
	for _, fn := range s.functions {
		if fn.reserved > 0 && fn.full == cause {
			most = fn.reserved / 2
		}
	}
	for i, n := range s.retrying {
		if n > most {
			cause, most = int8(i), n
		}
	}
	return cause
}

// release gives environments back, and bills them.
func (s *simulation) release(f int, n, began int64, memoryMB int) {
	s.functions[f].busy -= n
	s.result.Usage.GBSeconds += float64(n) * float64(s.now-began) / 1e9 * float64(memoryMB) / 1024
}

// invoke is Lambda, called by API Gateway: who gets no environment gets an error.
func (s *simulation) invoke(i int32) {
	n := s.pieces[i].n
	warm, cold, cause := s.acquire(apiLambda, n)
	if refused := n - warm - cold; refused > 0 {
		s.refuse(refused, cause)
		s.pieces[i].n -= refused
	}
	work := int64(s.System.Accept.Work)
	switch {
	case warm+cold == 0:
		s.free(i)
		return
	case cold > 0 && warm > 0:
		s.begin(s.split(i, cold), work+s.draw(s.cold))
	case cold > 0:
		work += s.draw(s.cold)
	}
	s.begin(i, work)
}

// begin begins the work of an invocation. The piece's latency is when that was.
func (s *simulation) begin(i int32, work int64) {
	s.pieces[i].latency = s.now
	s.pieces[i].attempts = 0
	if s.System.Accept.TableCalls == 0 {
		s.events.push(s.now+work, publish, i)
		return
	}
	s.events.push(s.now+work, write, i)
}

// writeHead stores the requests, with all units that they will write.
func (s *simulation) writeHead(i int32) {
	s.step(i, write, &s.table, s.System.Accept.WriteUnits, iTable, func(i int32) {
		s.written(s.pieces[i].n, s.System.Accept.WriteUnits)
		s.events.push(s.now+s.draw(s.write), publish, i)
	})
}

// publish puts the events on the bus. The answer comes after the writes that are left.
func (s *simulation) publish(i int32) {
	s.step(i, publish, &s.puts, 1, iPuts, func(i int32) {
		put := s.draw(s.put)
		answer := s.pieces[i]
		s.events.push(s.now+put+s.draw(s.landing), accept, s.newPiece(answer))
		s.pieces[i].phase(0, s.now+put)
		s.transit(i, 0, accepting, s.now+put)
	})
}

// step makes a throttled call of an API request: what is granted goes on by then, the rest is tried again, or refused.
func (s *simulation) step(i int32, k kind, b *bucket, cost float64, cause int8, then func(int32)) {
	n := s.pieces[i].n
	if s.pieces[i].attempts > 0 {
		s.retrying[cause] -= n
	}
	granted := b.share(s.now, n, cost, s.rng.Float64())
	if granted > 0 {
		part := i
		if granted < n {
			part = s.split(i, granted)
		}
		s.pieces[part].attempts = 0
		then(part)
	}
	if granted == n {
		return
	}
	if s.retry(i, k) {
		s.retrying[cause] += n - granted
		return
	}
	p := s.pieces[i]
	s.refuse(p.n, cause)
	s.release(apiLambda, p.n, p.latency, s.System.Accept.MemoryMB)
	s.free(i)
}

// written counts write units, which the table grows by.
func (s *simulation) written(n int64, units float64) {
	s.wrote += float64(n) * units
	s.result.Usage.WriteUnits += float64(n) * units
}

// accept answers requests with 202.
func (s *simulation) accept(i int32) {
	p := s.pieces[i]
	s.total.Accepted += p.n
	s.result.Counts.Accepted += p.n
	s.result.Answered.Record(time.Duration(s.now-p.born), p.n)
	s.release(apiLambda, p.n, p.latency, s.System.Accept.MemoryMB)
	s.free(i)
}

// transit takes events over the bus, in order and at the rate of its quota, into the queue of a leg, from a time on.
func (s *simulation) transit(i int32, leg uint8, from place, at int64) {
	p := &s.pieces[i]
	s.move(p.n, from, s.legs[leg].to)
	p.leg, p.receives, p.off, p.cause = leg, 0, false, -1
	// A second's worth of deliveries may be made at once.
	each := 1e9 / s.Quotas.BusInvocations
	s.busFree = max(s.busFree, float64(at)-1e9)
	leaves := max(float64(at), s.busFree+float64(p.n)*each/2) // those in the middle
	s.busFree += float64(p.n) * each
	chunks := math.Ceil(float64(s.System.EventBytes) / float64(s.Prices.chunk()))
	s.result.Usage.EventChunks += float64(p.n) * chunks
	s.result.Usage.QueueRequests += float64(p.n) * chunks
	s.events.push(int64(leaves)+s.draw(s.bus)+s.draw(s.hop)+int64(s.legs[leg].Delay), visible, i)
}

func (p Prices) chunk() int { return max(p.ChunkBytes, 1) }

// sample ends a step of the series.
func (s *simulation) sample() {
	t, b := s.total, s.before
	one := Sample{
		Offered: t.Offered - b.Offered, Accepted: t.Accepted - b.Accepted, Rejected: t.Rejected - b.Rejected, Completed: t.Completed - b.Completed,
		Bus:      s.at[toRequests] + s.at[toResponses],
		Requests: s.at[inRequests] + s.at[requestsOff], Responses: s.at[inResponses] + s.at[responsesOff],
		Service: s.at[handling] + s.at[storing],
	}
	s.before = t
	s.result.Series = append(s.result.Series, one)
	s.result.Peak = max(s.result.Peak, one.Backlog())
	for i := range s.limits {
		s.limits[i].waiting = 0
	}
	// What is on the bus beyond the second that it may deliver at once waits for its quota.
	if late := s.busFree - float64(s.now); late > 0 {
		s.limits[iBus].waiting = int64(late / 1e9 * s.Quotas.BusInvocations)
	}
	for i := range s.legs {
		s.legs[i].blame(s)
	}
	for i := range s.limits {
		s.limits[i].peak = max(s.limits[i].peak, s.limits[i].waiting)
		if s.now <= s.loadEnd {
			s.limits[i].behind = s.limits[i].waiting
		}
	}
	s.growTable()
	if s.now < s.loadEnd+int64(s.Drain) {
		s.events.push(s.now+int64(s.Step), sample, 0)
	}
}

// growTable gives an on-demand table twice its peak when the time has come.
func (s *simulation) growTable() {
	s.peakWrite = max(s.peakWrite, s.wrote/s.Step.Seconds())
	s.wrote = 0
	if s.now-s.doubled >= int64(s.Quotas.TableDouble) {
		s.doubled = s.now
		rate := min(s.Quotas.TableQuota, max(s.table.rate, 2*s.peakWrite))
		s.table.rate, s.table.burst = rate, rate
	}
}

// report sums up.
func (s *simulation) report() *Result {
	r := &s.result
	r.Ended, r.Last = time.Duration(s.now), time.Duration(s.lastEnd)
	r.Counts.Sent, r.Counts.Rejected, r.Counts.Dead, r.Counts.Done = int64(s.sent), s.at[rejected], s.at[dead], s.at[done]
	for p := range places {
		switch p {
		case done, rejected, dead:
		default:
			r.Counts.InSystem += s.at[p]
		}
	}
	if r.Counts.InSystem == 0 {
		r.Drained = true
		r.Drain = time.Duration(max(0, s.lastEnd-s.loadEnd))
	}
	if n := float64(s.at[done]); n > 0 {
		for i, to := range []*time.Duration{&r.Phases.Accept, &r.Phases.Request, &r.Phases.Service, &r.Phases.Response, &r.Phases.Store} {
			*to = time.Duration(s.phases[i] / n)
		}
	}
	for i, l := range s.limits {
		if use := (LimitUse{Limit: Limits[i], Refused: l.refused, Dead: l.dead, Peak: l.peak, Behind: l.behind}); use.Held()+use.Peak > 0 {
			r.Limits = append(r.Limits, use)
		}
	}
	slices.SortStableFunc(r.Limits, func(a, b LimitUse) int { return int(min(1, max(-1, b.Held()-a.Held()))) })
	reads := float64(s.at[done]) * s.System.StatusReads
	r.Usage.APIRequests += reads
	r.Usage.Invocations += reads
	r.Usage.ReadUnits += reads
	r.Usage.LogBytes += reads * s.System.LogBytes
	r.Usage.GBSeconds += reads * (s.System.Accept.Work + s.Latencies.Table.Median).Seconds() * float64(s.System.Accept.MemoryMB) / 1024
	r.PerMillion, r.PerMillionCost = s.Prices.Cost(r.Usage.per(s.at[done]))
	return r
}
