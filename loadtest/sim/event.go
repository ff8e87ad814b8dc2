package sim

// A kind says what happens.
type kind uint8

const (
	arrive   kind = iota // the next subjects come in
	invoke               // a request has reached its function
	write                // a request writes to the table
	publish              // a request publishes its event
	accept               // a request is answered
	visible              // messages can be received
	call                 // subjects of a batch make their calls
	settle               // the calls of subjects are answered
	finish               // a batch has taken its time
	again                // a batch is invoked again after a throttle
	grow                 // a mapping may have one poller more
	gathered             // the batching window of a mapping ends
	sample               // a step of the series ends
)

// An event is something that happens at a time to a piece, a batch or a leg.
type event struct {
	at   int64  // nanoseconds since the beginning
	seq  uint64 // of its making: equal times are taken in this order
	ref  int32
	kind kind
}

func (e event) before(other event) bool {
	return e.at < other.at || e.at == other.at && e.seq < other.seq
}

// A queue of events gives the earliest one first. It is a heap of four children each: half as deep as one of two.
type events struct {
	heap []event
	seq  uint64
}

func (q *events) push(at int64, k kind, ref int32) {
	e := event{at: at, seq: q.seq, ref: ref, kind: k}
	q.seq++
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

func (q *events) pop() (event, bool) {
	if len(q.heap) == 0 {
		return event{}, false
	}
	first := q.heap[0]
	last := q.heap[len(q.heap)-1]
	q.heap = q.heap[:len(q.heap)-1]
	n := len(q.heap)
	if n == 0 {
		return first, true
	}
	i := 0
	for {
		child := 4*i + 1
		if child >= n {
			break
		}
		least := child
		for c := child + 1; c < min(child+4, n); c++ {
			if q.heap[c].before(q.heap[least]) {
				least = c
			}
		}
		if !q.heap[least].before(last) {
			break
		}
		q.heap[i] = q.heap[least]
		i = least
	}
	q.heap[i] = last
	return first, true
}
