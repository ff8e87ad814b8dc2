// Package traces keeps segment documents, by trace, in bounded memory.
//
// # Promises
//
//   - A document that [Store.Put] took is read by whoever asks next. Documents come back as the bytes that were sent.
//   - A document overwrites the one with its id in its trace, as X-Ray has it, with one exception: one in progress that
//     was overtaken by the complete one does not undo it.
//   - Memory is bounded: [Options].Memory is never exceeded by more than one document, and by what was unpacked last. When it
//     is reached, whole traces go, that one first to which nothing has come for longest. Nothing but that makes a trace go.
//   - A trace holds at most [Options].TraceSize bytes. What is beyond is refused with [ErrTraceFull], and the trace says so.
//
// # Design
//
// A document is kept as it came and decoded when somebody asks, so that taking one costs a single decoding, for its check
// and for the index, and keeping one costs its bytes. When half of the memory is used, the traces that have been quiet for
// longest are packed: some hundred KiB of documents at a time, compressed together, as documents of one system repeat each
// other and one trace alone is too little text for that. A packed trace is unpacked by whatever is added to it. So a store that is
// small pays nothing, and one that is full holds about five times as much. As neighbours are read and written to one after
// another, by a search and by a queue that is worked off, the few texts that were unpacked last are kept.
//
// The traces stand in one list in the order of their last document, which serves eviction and packing. Questions for a
// time go through all of them: their times are at hand. An annotation of which the key is in [Options].Index leads to its traces
// without that.
//
// Rejected: a file (state that outlives the stack, and slower than the socket), decoded documents in memory (four times
// the size), an index of all annotations (as large as the documents).
package traces

import (
	"container/list"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"example.com/arvo/telemetry/segment"
)

// Defaults of [Options].
const (
	DefaultMemory    = 80 << 20
	DefaultTraceSize = 500 << 10
)

// ErrTraceFull is the failure of [Store.Put] for a trace that has its full size.
var ErrTraceFull = errors.New("the trace has reached its largest size")

// Options configure a [Store]. The zero value works.
type Options struct {
	// Memory is how many bytes the traces may take. The process takes up to twice as many, by the nature of a garbage
	// collector. Default 80 MiB: after a million documents of 800 bytes, a process that does nothing else stays below 256 MB.
	Memory int64

	// TraceSize is how many bytes of documents a trace may have; default 500 KiB, the quota of X-Ray.
	TraceSize int

	// Index names annotations whose strings lead to traces at once; see [Store.Annotated]. Default: subject.
	Index []string
}

// Stats are the counters and the state of a [Store].
type Stats struct {
	Documents uint64 // taken, overwritten ones and evicted ones included
	Refused   uint64 // for [ErrTraceFull]
	Evicted   uint64 // traces

	Traces int   // held now
	Packed int   // of these
	Bytes  int64 // held now, by the store's own count
}

// What things cost beside their bytes, measured.
const (
	documentCost = 56
	traceCost    = 320
	postingCost  = 112
)

// A Store holds traces. Make one with [New]; it is safe for concurrent use.
type Store struct {
	options Options
	seed    maphash.Seed

	mu      sync.RWMutex
	traces  map[segment.TraceID]*trace
	order   list.List     // of *trace, that with the oldest last document first
	quiet   *list.Element // before it, all traces are packed; from it on, none. Nil before the first packing
	index   map[uint64]*posting
	packer  packer
	recent  recentTexts
	plain   int64 // bytes of traces that are not packed
	packed  int64 // bytes of blocks
	fixed   int64 // bytes of everything else
	stats   Stats
	changed int64 // of the last trace: strictly increasing, in microseconds
}

// trace is the state of one, guarded by Store.mu.
type trace struct {
	id         segment.TraceID
	element    *list.Element
	documents  []document
	size       int // bytes of documents
	start, end segment.Time
	changed    int64 // microseconds
	revision   int
	full       bool
	postings   *posting

	block        *block // if packed: documents is empty
	offset, text int    // its part of the block
}

type document struct {
	id         segment.ID
	inProgress bool
	text       string
}

// posting says that a trace has an annotation. It is in two lists: that of its hash and that of its trace.
type posting struct {
	hash           uint64
	trace          *trace
	previous, next *posting // with the same hash
	nextOwned      *posting // of the same trace
}

// maxIndexed is how many annotations of a trace are in the index: X-Ray's own limit. Beyond it, their traces are found by a
// search that names something else, such as a time.
const maxIndexed = 50

// New returns an empty store.
func New(o Options) *Store {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	if o.TraceSize <= 0 {
		o.TraceSize = DefaultTraceSize
	}
	if o.Index == nil {
		o.Index = []string{"subject"}
	}
	s := &Store{options: o, seed: maphash.MakeSeed(), traces: map[segment.TraceID]*trace{}, index: map[uint64]*posting{}}
	s.order.Init()
	return s
}

// Put takes a document and keeps a copy of it. The error is a [*segment.Error] for a
// document that X-Ray would not take, or [ErrTraceFull].
func (s *Store) Put(text []byte) error {
	d, err := segment.Decode(text)
	if err != nil {
		return err
	}
	if err := d.Validate(); err != nil {
		return err
	}
	return s.put(&d, string(text))
}

// Add takes a document that was made here.
func (s *Store) Add(d *segment.Document) error {
	if err := d.Validate(); err != nil {
		return err
	}
	return s.put(d, string(d.AppendJSON(nil)))
}

func (s *Store) put(d *segment.Document, text string) error {
	var annotated [8]uint64
	hashes := s.annotations(annotated[:0], d)
	start, end := d.Start, max(d.Start, d.End)

	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.traces[d.TraceID]
	if t == nil {
		t = &trace{id: d.TraceID, start: start, end: end}
		t.element = s.order.PushBack(t)
		s.traces[d.TraceID] = t
		s.fixed += traceCost
	} else {
		s.unpack(t)
		s.moveToBack(t)
	}
	if err := s.keep(t, d, text); err != nil {
		t.full = true
		s.stats.Refused++
		s.makeRoom(t) // it may have been packed
		return err
	}
	s.stats.Documents++
	t.start, t.end = min(t.start, start), max(t.end, end)
	t.revision++
	s.changed = max(s.changed+1, time.Now().UnixMicro())
	t.changed = s.changed
	for _, hash := range hashes {
		s.post(t, hash)
	}
	s.makeRoom(t)
	return nil
}

// keep puts a document into its trace, in place of the one with its id.
func (s *Store) keep(t *trace, d *segment.Document, text string) error {
	at := slices.IndexFunc(t.documents, func(other document) bool { return other.id == d.ID })
	grows := len(text)
	if at >= 0 {
		if d.InProgress && !t.documents[at].inProgress {
			return nil
		}
		grows -= len(t.documents[at].text)
	}
	if t.size+grows > s.options.TraceSize {
		return fmt.Errorf("%w: %d bytes", ErrTraceFull, s.options.TraceSize)
	}
	t.size += grows
	s.plain += int64(grows)
	if at >= 0 {
		t.documents[at] = document{d.ID, d.InProgress, text}
		return nil
	}
	t.documents = append(t.documents, document{d.ID, d.InProgress, text})
	s.plain += documentCost
	return nil
}

func (s *Store) moveToBack(t *trace) {
	if t.element == s.order.Back() {
		return
	}
	if s.quiet == t.element {
		s.quiet = t.element.Next()
	}
	s.order.MoveToBack(t.element)
}

// annotations appends the hashes of the document's annotations that are indexed, those of its subsegments included.
func (s *Store) annotations(hashes []uint64, d *segment.Document) []uint64 {
	for _, a := range d.Annotations {
		if len(hashes) < maxIndexed && slices.Contains(s.options.Index, a.Key) {
			if hash := s.hash(a.Key, a.Value.String()); !slices.Contains(hashes, hash) {
				hashes = append(hashes, hash)
			}
		}
	}
	for i := range d.Subsegments {
		hashes = s.annotations(hashes, &d.Subsegments[i])
	}
	return hashes
}

func (s *Store) hash(key, value string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.WriteString(key)
	h.WriteByte(0)
	h.WriteString(value)
	return h.Sum64()
}

func (s *Store) post(t *trace, hash uint64) {
	owned := 0
	for p := t.postings; p != nil; p = p.nextOwned {
		if owned++; p.hash == hash || owned == maxIndexed {
			return
		}
	}
	p := &posting{hash: hash, trace: t, next: s.index[hash], nextOwned: t.postings}
	if p.next != nil {
		p.next.previous = p
	}
	t.postings, s.index[hash] = p, p
	s.fixed += postingCost
}

func (s *Store) unpost(t *trace) {
	for p := t.postings; p != nil; p = p.nextOwned {
		s.fixed -= postingCost
		if p.next != nil {
			p.next.previous = p.previous
		}
		switch {
		case p.previous != nil:
			p.previous.next = p.next
		case p.next != nil:
			s.index[p.hash] = p.next
		default:
			delete(s.index, p.hash)
		}
	}
}

func (s *Store) bytes() int64 { return s.plain + s.packed + s.fixed }

// makeRoom packs and evicts until the memory suffices. The trace that was written last stays.
func (s *Store) makeRoom(last *trace) {
	if s.bytes() > s.options.Memory/2 {
		s.pack(last)
	}
	for s.bytes() > s.options.Memory {
		front := s.order.Front()
		if front.Value == last {
			return
		}
		s.evict(front.Value.(*trace))
	}
}

func (s *Store) evict(t *trace) {
	if s.quiet == t.element {
		s.quiet = t.element.Next()
	}
	s.order.Remove(t.element)
	delete(s.traces, t.id)
	s.unpost(t)
	if t.block != nil {
		s.leave(t)
	} else {
		s.plain -= int64(t.size + documentCost*len(t.documents))
	}
	s.fixed -= traceCost
	s.stats.Evicted++
}

// Stats are the counters now.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	stats := s.stats
	stats.Traces, stats.Bytes = len(s.traces), s.bytes()
	return stats
}
