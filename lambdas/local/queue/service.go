package queue

import (
	cryptorand "crypto/rand"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options configure a [Service]. The zero value is ready for use.
type Options struct {
	Region  string // default "us-east-1"
	Account string // default "000000000000"
	BaseURL string // without a trailing slash; a queue's URL is BaseURL/Account/Name; default "http://127.0.0.1:4566"

	// Rand draws ids and the moments of injected faults; the Service guards it. Nil means a random seed.
	Rand *rand.Rand

	// Latency is how long a message that was sent stays unseen by receivers. Nil means no time. It may be called by
	// several goroutines at once.
	Latency func() time.Duration

	// Duplicate decides, whenever a message is deleted, whether one more copy of it comes back later, which standard
	// queues are free to do. A copy is not copied again. Nil means never. It is called one call at a time and must not
	// call back into the Service.
	Duplicate func() bool

	// Shuffle lets messages overtake each other by a few places, which standard queues are free to do. Without it
	// messages come in the order in which they became visible.
	Shuffle bool
}

// A Service is SQS in one region of one account. Its methods and those of its queues may be called by several
// goroutines at once.
type Service struct {
	opts Options

	// One lock guards all queues: a move to a dead-letter queue is then atomic, and queues that are each other's
	// dead-letter queues cannot deadlock. Nothing slow happens under it: checks, checksums and JSON are outside.
	mu       sync.Mutex
	queues   map[string]*Queue    // by name
	deleted  map[string]time.Time // names of queues that were deleted less than a minute ago
	sequence uint64               // of the last message stored
	tasks    []*moveTask          // oldest first
	moving   sync.WaitGroup       // running move tasks
	closed   chan struct{}
	isClosed bool
}

// New returns a Service without queues.
func New(opts Options) *Service {
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.Account == "" {
		opts.Account = "000000000000"
	}
	if opts.BaseURL == "" {
		opts.BaseURL = "http://127.0.0.1:4566"
	}
	if opts.Rand == nil {
		var seed [32]byte
		cryptorand.Read(seed[:]) // never fails, by its documentation
		opts.Rand = rand.New(rand.NewChaCha8(seed))
	}
	return &Service{opts: opts, queues: map[string]*Queue{}, deleted: map[string]time.Time{}, closed: make(chan struct{})}
}

// Close ends waiting receives and running move tasks and waits for the latter. Calls after it fail with
// ServiceUnavailable.
func (s *Service) Close() {
	s.mu.Lock()
	if !s.isClosed {
		s.isClosed = true
		close(s.closed)
		for _, q := range s.queues {
			q.stopTimer()
		}
	}
	s.mu.Unlock()
	s.moving.Wait()
}

// recreateAfter is how long the name of a deleted queue cannot be used again.
const recreateAfter = time.Minute

// Create makes a queue. When a queue of that name and the same configuration exists, that one is returned; when it is
// configured otherwise, the error is QueueNameExists. Tags are not compared.
func (s *Service) Create(cfg Config) (*Queue, error) {
	cfg = cfg.clone()
	if err := cfg.normalize(); err != nil {
		return nil, err
	}
	return s.create(cfg, cfg.names())
}

// create makes a queue of a normalized configuration, or returns the one that agrees with it in the given attributes.
func (s *Service) create(cfg Config, compare []string) (*Queue, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return nil, errClosed()
	}
	if q, ok := s.queues[cfg.Name]; ok {
		is, want := q.cfg.attributes(), cfg.attributes()
		for _, name := range compare {
			if is[name] != want[name] {
				return nil, fail("QueueNameExists", "QueueAlreadyExists", "A queue already exists with the same name and a different value for attribute %s", name)
			}
		}
		return q, nil
	}
	now := time.Now()
	s.forgetDeleted(now)
	if _, ok := s.deleted[cfg.Name]; ok {
		return nil, fail("QueueDeletedRecently", legacy+"QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	if err := s.checkDeadLetter(&cfg); err != nil {
		return nil, err
	}
	q := newQueue(s, cfg, now)
	s.queues[cfg.Name] = q
	return q, nil
}

func (s *Service) forgetDeleted(now time.Time) {
	maps.DeleteFunc(s.deleted, func(_ string, at time.Time) bool { return now.Sub(at) >= recreateAfter })
}

// remove deletes a queue with its messages. Receives that wait on it fail with QueueDoesNotExist.
func (s *Service) remove(q *Queue) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := q.usable(); err != nil {
		return err
	}
	now := time.Now()
	s.forgetDeleted(now)
	s.deleted[q.name] = now
	delete(s.queues, q.name)
	q.clear() // mappings and move tasks may know the queue still; its messages need not stay for them
	q.gone = true
	q.stopTimer()
	for _, w := range q.waiting {
		w.signal <- struct{}{}
	}
	q.waiting = nil
	return nil
}

// checkDeadLetter checks what a redrive policy says of another queue.
func (s *Service) checkDeadLetter(cfg *Config) error {
	d := cfg.DeadLetter
	if d == nil {
		return nil
	}
	target := s.byARN(d.TargetARN)
	if target == nil {
		return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.", clip(d.text()))
	}
	if !target.cfg.RedriveAllow.permits(s.arn(cfg.Name)) {
		return invalidParameter("Value %s for parameter RedrivePolicy is invalid. Reason: The dead letter target's redrive allow policy does not permit this source queue.", clip(d.text()))
	}
	return nil
}

// Lookup finds a queue by its ARN, URL or name.
func (s *Service) Lookup(arnOrURLOrName string) (*Queue, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var q *Queue
	switch {
	case strings.HasPrefix(arnOrURLOrName, "arn:"):
		q = s.byARN(arnOrURLOrName)
	case strings.Contains(arnOrURLOrName, "/"):
		if u, err := url.Parse(arnOrURLOrName); err == nil {
			q = s.byPath(u.Path)
		}
	default:
		q = s.queues[arnOrURLOrName]
	}
	return q, q != nil
}

func (s *Service) arn(name string) string {
	return "arn:aws:sqs:" + s.opts.Region + ":" + s.opts.Account + ":" + name
}

func (s *Service) byARN(arn string) *Queue {
	if name, ok := strings.CutPrefix(arn, s.arn("")); ok {
		return s.queues[name]
	}
	return nil
}

// byPath finds a queue by the path of its URL; the host is not looked at, since one machine has many names.
func (s *Service) byPath(path string) *Queue {
	account, name, ok := strings.Cut(strings.Trim(path, "/"), "/")
	if !ok || account != s.opts.Account {
		return nil
	}
	return s.queues[name]
}

// newID draws a random (version 4) UUID. The Service is locked.
func (s *Service) newID() string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], s.opts.Rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], s.opts.Rand.Uint64())
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}
