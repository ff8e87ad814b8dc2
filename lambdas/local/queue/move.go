package queue

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
)

const (
	maxMoveRate   = 500 // messages per second that a client may ask for
	moveChunk     = 500 // messages moved under one hold of the lock, without a rate
	moveInterval  = 10 * time.Millisecond
	tasksPerQueue = 10 // that are remembered
)

// The states of a move task.
const (
	taskRunning   = "RUNNING"
	taskCompleted = "COMPLETED"
	taskCancelled = "CANCELLED"
	taskFailed    = "FAILED"
)

// A moveTask moves messages out of a dead-letter queue. Its fields behind cancel are guarded by Service.mu.
type moveTask struct {
	id          string
	source      *Queue
	destination *Queue // nil: each message goes back to where it came from
	rate        int    // messages per second; 0: as fast as possible
	started     time.Time
	toMove      int // visible messages at the start
	cancel      chan struct{}

	status  string
	failure string
	moved   int
}

// taskHandle is what a task's handle says, as JSON in base64.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

func (t *moveTask) handle() string {
	raw, err := json.Marshal(taskHandle{t.id, t.source.arn})
	if err != nil {
		panic(err) // two strings
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// startMove starts a task. An empty destination means the messages' own sources, rate 0 means no limit.
func (s *Service) startMove(sourceARN, destinationARN string, rate int) (*moveTask, error) {
	if rate < 0 || rate > maxMoveRate {
		return nil, invalidParameter("Value %d for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and %d, if provided.", rate, maxMoveRate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed {
		return nil, errClosed()
	}
	t := &moveTask{source: s.byARN(sourceARN), rate: rate, started: time.Now(), status: taskRunning, cancel: make(chan struct{})}
	if t.source == nil {
		return nil, errNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	if len(s.sourcesOf(t.source)) == 0 {
		return nil, invalidParameter("Source queue must be configured as a Dead Letter Queue.")
	}
	if destinationARN != "" {
		if t.destination = s.byARN(destinationARN); t.destination == nil {
			return nil, errNotFound("The resource that you specified for the DestinationArn parameter doesn't exist.")
		}
		if t.destination == t.source {
			return nil, invalidParameter("Value for parameter DestinationArn is invalid. Reason: Source and destination must be different queues.")
		}
	}
	for _, other := range s.tasksOf(t.source) {
		if other.status == taskRunning {
			return nil, invalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		}
	}
	t.id = s.newID()
	t.source.settle(t.started)
	t.toMove = t.source.ready.len
	s.remember(t)
	s.moving.Go(func() { s.move(t) })
	return t, nil
}

// sourcesOf returns the queues whose dead-letter queue is q, by name.
func (s *Service) sourcesOf(q *Queue) []*Queue {
	var out []*Queue
	for _, other := range s.queues {
		if d := other.cfg.DeadLetter; d != nil && d.TargetARN == q.arn {
			out = append(out, other)
		}
	}
	slices.SortFunc(out, byName)
	return out
}

// tasksOf returns a queue's tasks, the latest first.
func (s *Service) tasksOf(q *Queue) []*moveTask {
	var out []*moveTask
	for _, t := range slices.Backward(s.tasks) {
		if t.source == q {
			out = append(out, t)
		}
	}
	return out
}

// remember adds a task and forgets what is too old to be listed, or of queues that are gone.
func (s *Service) remember(t *moveTask) {
	s.tasks = append(s.tasks, t)
	seen := map[*Queue]int{}
	kept := make([]*moveTask, 0, len(s.tasks))
	for _, t := range slices.Backward(s.tasks) {
		if seen[t.source]++; seen[t.source] <= tasksPerQueue && !t.source.gone {
			kept = append(kept, t)
		}
	}
	slices.Reverse(kept)
	s.tasks = kept
}

// cancelMove stops a running task and returns how many messages it has moved.
func (s *Service) cancelMove(handle string) (moved int, err error) {
	var h taskHandle
	raw, err := base64.StdEncoding.DecodeString(handle)
	if err == nil {
		err = json.Unmarshal(raw, &h)
	}
	if err != nil || h.TaskID == "" || h.SourceARN == "" {
		return 0, invalidParameter("Value for parameter TaskHandle is invalid.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	source := s.byARN(h.SourceARN)
	if source == nil {
		return 0, errNotFound("The resource that you specified for the SourceArn parameter doesn't exist.")
	}
	for _, t := range s.tasksOf(source) {
		if t.id != h.TaskID {
			continue
		}
		if t.status != taskRunning {
			return 0, invalidParameter("Value for parameter TaskHandle is invalid. Reason: The task is %s; only running tasks can be cancelled.", t.status)
		}
		t.status = taskCancelled
		close(t.cancel)
		return t.moved, nil
	}
	return 0, errNotFound("Task does not exist.")
}

// move runs a task to its end.
func (s *Service) move(t *moveTask) {
	var pace <-chan time.Time
	if t.rate > 0 {
		ticker := time.NewTicker(max(moveInterval, time.Second/time.Duration(t.rate)))
		defer ticker.Stop()
		pace = ticker.C
	}
	for {
		most := moveChunk
		if pace != nil {
			select {
			case <-pace:
			case <-t.cancel:
				return
			case <-s.closed:
				return
			}
			most = int(time.Since(t.started) * time.Duration(t.rate) / time.Second)
		}
		if s.moveSome(t, most) {
			return
		}
	}
}

// moveSome moves messages, with a rate until it has moved most in all, without one at most so many. It reports whether
// the task has ended.
func (s *Service) moveSome(t *moveTask, most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if t.rate == 0 {
		most += t.moved
	}
	t.source.settle(now)
	for t.status == taskRunning {
		switch m := t.source.ready.first; {
		case s.isClosed:
			return true
		case t.moved >= t.toMove || m == nil:
			t.status = taskCompleted
		case t.moved >= most:
			return false
		default:
			s.moveOne(t, m, now)
		}
	}
	return true
}

// moveOne moves a message, which begins a new life: with a new id, sent now, never received.
func (s *Service) moveOne(t *moveTask, m *stored, now time.Time) {
	to := t.destination
	if to == nil {
		if m.source == "" {
			t.status, t.failure = taskFailed, "CouldNotDetermineMessageSource"
			return
		}
		to = s.byARN(m.source)
	}
	if to == nil || to.gone {
		t.status, t.failure = taskFailed, legacy+"NonExistentQueue"
		return
	}
	t.source.drop(m)
	t.source.total.MovedOut++
	m.id, m.sent, m.source, m.receives, m.firstReceived, m.duplicate = s.newID(), now, "", 0, time.Time{}, false
	to.adopt(m, now)
	t.moved++
}
