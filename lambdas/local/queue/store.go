package queue

import "time"

// A state is where a message stands. Every message of a queue is in exactly one.
type state uint8

const (
	arriving state = iota // sent, not yet at the receivers (Options.Latency); counted as visible
	delayed               // sent with a delay that has not passed
	visible               // in the ready list
	inFlight              // received, its visibility timeout has not passed
	states
)

// A stored message. Links and indices belong to the queue's structures; the zero link means "not in this list".
type stored struct {
	Message
	id       string
	sequence uint64
	bodyMD5  string
	attrsMD5 string
	size     int

	state         state
	sent          time.Time // by the producer, first; retention counts from here
	arrived       time.Time // in this queue; the age counts from here
	due           time.Time // when arriving, delayed or in flight ends
	received      time.Time // last; visibility is capped at 12 h from here
	firstReceived time.Time
	receives      int    // in all, earlier queues included, as reported
	here          uint32 // receives in this queue: numbers the deliveries, decides on redrive and on what counts for the age
	source        string // ARN of the queue that dead-lettered it
	duplicate     bool   // a second copy, which is not copied again

	dueIndex, expiryIndex int // position in the heaps; -1 when absent
	ready, age            link
}

// A link is one message's membership in an intrusive list.
type link struct {
	prev, next *stored
	in         bool
}

// A list is a doubly linked list through the field of a message that at selects. Insertion and removal anywhere are
// O(1) and an empty list holds no memory.
type list struct {
	at          func(*stored) *link
	first, last *stored
	len         int
}

// insertBefore puts m before next; a nil next means at the end.
func (l *list) insertBefore(m, next *stored) {
	prev := l.last
	if next != nil {
		prev = l.at(next).prev
	}
	*l.at(m) = link{prev: prev, next: next, in: true}
	if prev == nil {
		l.first = m
	} else {
		l.at(prev).next = m
	}
	if next == nil {
		l.last = m
	} else {
		l.at(next).prev = m
	}
	l.len++
}

// remove takes m out; it does nothing when m is not in the list.
func (l *list) remove(m *stored) {
	k := l.at(m)
	if !k.in {
		return
	}
	if k.prev == nil {
		l.first = k.next
	} else {
		l.at(k.prev).next = k.next
	}
	if k.next == nil {
		l.last = k.prev
	} else {
		l.at(k.next).prev = k.prev
	}
	*k = link{}
	l.len--
}

// shrinkAbove is the capacity below which structures do not bother to give memory back.
const shrinkAbove = 1024

// A deadlines is a binary heap of messages, the earliest first. A message knows its position, so that any can be
// taken out in O(log n). Its memory follows its length down.
type deadlines struct {
	when  func(*stored) time.Time
	index func(*stored) *int
	heap  []*stored
}

func (d *deadlines) first() *stored {
	if len(d.heap) == 0 {
		return nil
	}
	return d.heap[0]
}

func (d *deadlines) add(m *stored) {
	d.heap = append(d.heap, m)
	*d.index(m) = len(d.heap) - 1
	d.up(len(d.heap) - 1)
}

// remove takes m out; it does nothing when m is not in the heap.
func (d *deadlines) remove(m *stored) {
	i := *d.index(m)
	if i < 0 {
		return
	}
	end := len(d.heap) - 1
	if i != end {
		d.set(i, d.heap[end])
	}
	d.heap[end] = nil
	d.heap = d.heap[:end]
	*d.index(m) = -1
	if i != end {
		d.down(i)
		d.up(i)
	}
	if c := cap(d.heap); c > shrinkAbove && len(d.heap) < c/4 {
		d.heap = append(make([]*stored, 0, c/2), d.heap...)
	}
}

func (d *deadlines) set(i int, m *stored) {
	d.heap[i] = m
	*d.index(m) = i
}

func (d *deadlines) less(a, b *stored) bool { return d.when(a).Before(d.when(b)) }

func (d *deadlines) up(i int) {
	m := d.heap[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !d.less(m, d.heap[parent]) {
			break
		}
		d.set(i, d.heap[parent])
		i = parent
	}
	d.set(i, m)
}

func (d *deadlines) down(i int) {
	m := d.heap[i]
	for {
		child := 2*i + 1
		if child >= len(d.heap) {
			break
		}
		if right := child + 1; right < len(d.heap) && d.less(d.heap[right], d.heap[child]) {
			child = right
		}
		if !d.less(d.heap[child], m) {
			break
		}
		d.set(i, d.heap[child])
		i = child
	}
	d.set(i, m)
}

// A receipts finds messages that have been received by their sequence number. Go's maps keep the memory of their
// largest size, so it starts a new one when it has become much smaller than it was.
type receipts struct {
	m    map[uint64]*stored
	peak int
}

func (r *receipts) get(sequence uint64) *stored { return r.m[sequence] }

func (r *receipts) add(m *stored) {
	if r.m == nil {
		r.m = map[uint64]*stored{}
	}
	r.m[m.sequence] = m
	r.peak = max(r.peak, len(r.m))
}

func (r *receipts) remove(m *stored) {
	delete(r.m, m.sequence)
	if r.peak > shrinkAbove && len(r.m) < r.peak/8 {
		smaller := make(map[uint64]*stored, len(r.m))
		for k, v := range r.m {
			smaller[k] = v
		}
		r.m, r.peak = smaller, len(smaller)
	}
}
