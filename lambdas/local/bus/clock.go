package bus

import (
	"time"

	"example.com/arvo/lambdas/local/schedule"
	"example.com/arvo/lambdas/local/wire"
)

// A clock fires a rule on its schedule. It has times of the wall clock only, which a computer that sleeps does not stop.
type clock struct {
	expression string
	began      time.Time // from which a rate counts
	due        time.Time // when it fires next
	timer      *time.Timer
}

// nap is the longest that a clock waits before it looks at the time: timers stand still while a computer sleeps, and know
// nothing of a clock that is set.
const nap = time.Minute

// parseSchedule reads a rule's schedule, if it has one.
func (s *Service) parseSchedule(r Rule) (schedule.Schedule, error) {
	switch {
	case r.Schedule == "":
		return schedule.Schedule{}, nil
	case s.busName(r.Bus) != defaultBus:
		return schedule.Schedule{}, wire.Errorf("ValidationException", "ScheduleExpression is supported only on the default event bus.")
	case len(r.Schedule) > 256:
		return schedule.Schedule{}, wire.Errorf("ValidationException", "1 validation error detected: Value at 'scheduleExpression' failed to satisfy constraint: Member must have length less than or equal to 256")
	}
	times, err := schedule.Parse(r.Schedule)
	if err != nil {
		return times, wire.Errorf("ValidationException", "Parameter ScheduleExpression is not valid. Reason: %v.", err)
	}
	return times, nil
}

// wind starts or stops the clock of a rule, as its schedule and state say; one that runs for the same schedule is left
// alone. The caller holds mu.
func (s *Service) wind(r *rule) {
	runs := r.enabled && r.expression != "" && !s.stopped
	if r.clock != nil && (!runs || r.clock.expression != r.expression) {
		r.clock.timer.Stop() // one that fires already finds that it is the rule's clock no more
		r.clock = nil
	}
	if !runs || r.clock != nil {
		return
	}
	now := time.Now().Round(0)
	due, ok := r.schedule.Next(now, now)
	if !ok {
		return // nothing is left of its years
	}
	c := &clock{expression: r.expression, began: now, due: due}
	r.clock = c
	c.timer = time.AfterFunc(min(due.Sub(now), nap), func() { s.tick(r, c) })
}

// stopClocks stops all clocks for good.
func (s *Service) stopClocks() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, r := range s.buses[defaultBus].rules {
		s.wind(r)
	}
}

// tick is what a clock does when its timer fires.
func (s *Service) tick(r *rule, c *clock) {
	s.mu.Lock()
	if r.clock != c {
		s.mu.Unlock()
		return
	}
	now, due := time.Now().Round(0), c.due
	fires := !now.Before(due)
	again := true
	if fires {
		c.due, again = r.schedule.Next(c.began, now)
	}
	if again {
		c.timer.Reset(min(c.due.Sub(now), nap))
	} else {
		r.clock = nil
	}
	to := s.route(defaultBus, r)
	if fires {
		s.deliveries.enter() // under the lock, so that Close waits for it
	}
	s.mu.Unlock()
	if fires {
		s.fire(to, due)
		s.deliveries.leave()
	}
}

// fire sends a schedule's event to the targets of its rule.
func (s *Service) fire(to *route, due time.Time) {
	to.stats.triggered.Add(1)
	if s.full() {
		to.stats.throttled.Add(1)
		s.opt.Log.Error("a scheduled event is left out: too many deliveries are under way", "rule", to.arn, "time", due)
		return
	}
	e := Entry{Time: due, Source: "aws.events", DetailType: "Scheduled Event", Resources: []string{to.arn}, Detail: []byte(`{}`)}
	var ids [1]id
	s.ids.fill(ids[:])
	p := putter{s: s}
	body, _ := p.envelope(&e, &ids[0]) // the detail is an object
	ev := &event{id: string(ids[0][:]), body: body, ingested: time.Now()}
	for _, t := range to.targets {
		s.deliver(to, t, ev)
	}
}
