package bus_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/bus"
)

const tickARN = "arn:aws:events:us-east-1:000000000000:rule/tick"

// every is a rule that sends to the queue on a schedule.
func every(expression string, change func(*bus.TargetConfig)) bus.Rule {
	target := bus.TargetConfig{ID: "queue", ARN: queueARN, DeadLetterARN: deadARN}
	if change != nil {
		change(&target)
	}
	return bus.Rule{Name: "tick", Schedule: expression, Enabled: true, Targets: []bus.TargetConfig{target}}
}

// times are those of the events that a queue got.
func (q *fakeQueue) times(t *testing.T) []string {
	t.Helper()
	var times []string
	for _, m := range q.received() {
		var envelope struct{ Time string }
		if err := json.Unmarshal([]byte(m.Body), &envelope); err != nil {
			t.Fatal(err)
		}
		times = append(times, envelope.Time)
	}
	return times
}

// call is an operation over the wire.
func call(t *testing.T, s *bus.Service, operation, body string) {
	t.Helper()
	if _, err := s.Wire().Operations[operation](t.Context(), []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func TestAScheduleSendsAnEventOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins at 2000-01-01T00:00:00Z
		q := &fakeQueue{}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})})
		defer closeService(t, s)
		time.Sleep(1500 * time.Millisecond)
		if err := s.CreateRule(every("rate(1 minute)", nil)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute - time.Millisecond)
		synctest.Wait()
		if n := len(q.received()); n != 0 {
			t.Fatalf("there are %d events before the first period is over", n)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if len(q.received()) != 1 {
			t.Fatalf("there are %d events after the first period", len(q.received()))
		}
		got := q.received()[0]
		var envelope struct{ ID string }
		if err := json.Unmarshal([]byte(got.Body), &envelope); err != nil || len(envelope.ID) != 36 {
			t.Errorf("id %q, %v", envelope.ID, err)
		}
		want := message{Body: `{"version":"0","id":"` + envelope.ID + `","detail-type":"Scheduled Event","source":"aws.events","account":"000000000000",` +
			`"time":"2000-01-01T00:01:01Z","region":"us-east-1","resources":["` + tickARN + `"],"detail":{}}`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}

		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := len(q.received()); n != 6 {
			t.Errorf("after 6 minutes there are %d events", n)
		}
		if st := s.Stats().Rules[0]; st.TriggeredRules != 6 || st.Invocations != 6 {
			t.Errorf("stats: %+v", st)
		}
	})
}

func TestACronScheduleFiresOnTheMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{}
		time.Sleep(90 * time.Second)
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, every("cron(0/20 6 ? * SUN *)", nil)) // 2000-01-01 is a Saturday
		defer closeService(t, s)
		time.Sleep(9 * 24 * time.Hour)
		synctest.Wait()
		want := []string{
			"2000-01-02T06:00:00Z", "2000-01-02T06:20:00Z", "2000-01-02T06:40:00Z",
			"2000-01-09T06:00:00Z", "2000-01-09T06:20:00Z", "2000-01-09T06:40:00Z",
		}
		if diff := cmp.Diff(want, q.times(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAScheduleThatIsOverIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, every("cron(0 0 ? * 6L 1990-1999)", nil))
		defer closeService(t, s)
		if err := s.CreateRule(bus.Rule{Name: "once", Schedule: "cron(0 12 1 1 ? 2000)", Enabled: true, Targets: []bus.TargetConfig{{ID: "queue", ARN: queueARN}}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * 24 * time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"2000-01-01T12:00:00Z"}, q.times(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatATargetMakesOfASchedulesEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			change func(*bus.TargetConfig)
			want   string
		}{
			"a constant": {func(t *bus.TargetConfig) { t.Input = `{"type": "tick"}` }, `{"type": "tick"}`},
			"a part":     {func(t *bus.TargetConfig) { t.InputPath = "$.resources[0]" }, `"` + tickARN + `"`},
			"a transformer": {func(t *bus.TargetConfig) {
				t.InputTransformer = &bus.InputTransformer{PathsMap: map[string]string{"at": "$.time"}, Template: `{"at":<at>,"rule":<aws.events.rule-name>}`}
			}, `"rule":"tick"}`},
		} {
			q := &fakeQueue{}
			s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, every("rate(1 minute)", c.change))
			time.Sleep(time.Minute)
			synctest.Wait()
			closeService(t, s)
			if got := q.received(); len(got) != 1 || !strings.HasSuffix(got[0].Body, c.want) {
				t.Errorf("%s: %+v, want %s", name, got, c.want)
			}
		}
	})
}

func TestASchedulesEventThatCannotBeDeliveredIsADeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, dead := &fakeQueue{errs: []error{errBusy, errors.New("broken")}}, &fakeQueue{}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q, deadARN: dead})},
			every("rate(1 minute)", func(t *bus.TargetConfig) { t.Input = `{"type":"tick"}` }))
		defer closeService(t, s)
		time.Sleep(time.Minute + 30*time.Second)
		synctest.Wait()
		got := dead.received()
		if len(got) != 1 {
			t.Fatalf("dead letters: %+v", got)
		}
		if a := got[0].Attributes; a["RULE_ARN"] != tickARN || a["RETRY_ATTEMPTS"] != "1" || a["ERROR_CODE"] != "INTERNAL_ERROR" {
			t.Errorf("attributes: %v", a)
		}
		if !strings.Contains(got[0].Body, `"detail-type":"Scheduled Event"`) {
			t.Errorf("the dead letter is %s, not the event", got[0].Body)
		}
	})
}

func TestAScheduleRunsWhileItsRuleSaysSo(t *testing.T) {
	const put = `{"Name":"tick","ScheduleExpression":"rate(10 minutes)"`
	for name, c := range map[string]struct {
		operation, body string // 4 minutes after the rule was made; another 8 minutes follow, and 16
		want, later     int    // events
	}{
		"left alone":                 {"DescribeRule", `{"Name":"tick"}`, 1, 2},
		"disabled":                   {"DisableRule", `{"Name":"tick"}`, 0, 0},
		"enabled when it is enabled": {"EnableRule", `{"Name":"tick"}`, 1, 2},
		"put again as it is":         {"PutRule", put + `}`, 1, 2},
		"put with another rate, which begins anew": {"PutRule", `{"Name":"tick","ScheduleExpression":"rate(9 minutes)"}`, 0, 2},
		"put disabled":                        {"PutRule", put + `,"State":"DISABLED"}`, 0, 0},
		"put with a pattern for its schedule": {"PutRule", `{"Name":"tick","EventPattern":"{\"a\":[1]}"}`, 0, 0},
		"without targets":                     {"RemoveTargets", `{"Rule":"tick","Ids":["queue"]}`, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &fakeQueue{}
				s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, every("rate(10 minutes)", nil))
				defer closeService(t, s)
				time.Sleep(4 * time.Minute)
				call(t, s, c.operation, c.body)
				time.Sleep(8 * time.Minute)
				synctest.Wait()
				if n := len(q.received()); n != c.want {
					t.Errorf("%d events, want %d", n, c.want)
				}
				time.Sleep(16 * time.Minute)
				synctest.Wait()
				if n := len(q.received()); n != c.later {
					t.Errorf("%d events at last, want %d", n, c.later)
				}
			})
		})
	}
}

func TestARateBeginsAnewWhenItsRuleIsEnabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{}
		rule := every("rate(10 minutes)", nil)
		rule.Enabled = false
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, rule)
		defer closeService(t, s)
		time.Sleep(time.Hour + 4*time.Minute)
		call(t, s, "EnableRule", `{"Name":"tick"}`)
		time.Sleep(25 * time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"2000-01-01T01:14:00Z", "2000-01-01T01:24:00Z"}, q.times(t)); diff != "" {
			t.Error(diff)
		}
		call(t, s, "RemoveTargets", `{"Rule":"tick","Ids":["queue"]}`)
		call(t, s, "DeleteRule", `{"Name":"tick"}`)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(q.received()); n != 2 {
			t.Errorf("a rule that is no more has sent %d events", n-2)
		}
	})
}

func TestARuleMayHaveBothAPatternAndASchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, other := &fakeQueue{}, &fakeQueue{}
		both := every("rate(1 hour)", nil)
		both.Pattern = []byte(`{"source": ["shop"]}`)
		everything := bus.Rule{Name: "z", Pattern: []byte(`{"version": ["0"]}`), Enabled: true, Targets: []bus.TargetConfig{{ID: "other", ARN: deadARN}}}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q, deadARN: other})}, both, everything)
		defer closeService(t, s)
		put(t, s, sold(1))
		time.Sleep(time.Hour)
		synctest.Wait()
		got := q.received()
		if len(got) != 2 || !strings.Contains(got[0].Body, `"sold"`) || !strings.Contains(got[1].Body, `"Scheduled Event"`) {
			t.Errorf("got %+v", got)
		}
		if n := len(other.received()); n != 1 {
			t.Errorf("a rule whose pattern fits got %d events, want only the one that was put", n)
		}
	})
}

func TestATickIsLeftOutWhileTooManyDeliveriesAreUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{always: errBusy}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q}), MaxBacklog: 2}, every("rate(1 minute)", nil))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if s.Backlog() != 2 {
			t.Errorf("%d deliveries are under way", s.Backlog())
		}
		if st := s.Stats().Rules[0]; st.TriggeredRules != 5 || st.ThrottledRules != 3 {
			t.Errorf("stats: %+v", st)
		}
		q.mu.Lock()
		q.always = nil
		q.mu.Unlock()
		closeService(t, s)
	})
}

func TestCloseWaitsForATickAndNotForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &fakeQueue{block: make(chan struct{})}
		s := newService(t, bus.Options{Target: find(map[string]*fakeQueue{queueARN: q})}, every("rate(1 hour)", nil))
		time.Sleep(time.Hour)
		synctest.Wait() // a delivery is under way
		closed := make(chan error)
		go func() { closed <- s.Close(t.Context()) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Fatal("Close does not wait for a delivery that is under way")
		default:
		}
		q.block <- struct{}{}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		began := time.Now()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		call(t, s, "PutRule", `{"Name":"late","ScheduleExpression":"rate(1 minute)"}`)
		call(t, s, "PutTargets", `{"Rule":"late","Targets":[{"Id":"queue","Arn":"`+queueARN+`"}]}`)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("Close waits %v for the next tick", waited)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if n := len(q.received()); n != 1 {
			t.Errorf("a bus that is closed has sent %d events", n-1)
		}
	})
}

func TestSchedulesAreRefusedWithAReason(t *testing.T) {
	s := newService(t, bus.Options{})
	defer closeService(t, s)
	if err := s.CreateBus("own"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rule bus.Rule
		want string
	}{
		"neither pattern nor schedule": {bus.Rule{Name: "r"}, "ValidationException: Parameter(s) EventPattern or ScheduleExpression must be specified."},
		"on a bus of one's own":        {bus.Rule{Name: "r", Bus: "own", Schedule: "rate(1 minute)"}, "ValidationException: ScheduleExpression is supported only on the default event bus."},
		"no schedule": {bus.Rule{Name: "r", Schedule: "rate(1 minutes)"},
			"ValidationException: Parameter ScheduleExpression is not valid. Reason: the unit of a rate is singular after 1 and plural after other values."},
		"too long":                    {bus.Rule{Name: "r", Schedule: "rate(1 " + strings.Repeat(" ", 250) + "minute)"}, "ValidationException: 1 validation error detected: Value at 'scheduleExpression'"},
		"with a pattern that is none": {bus.Rule{Name: "r", Schedule: "rate(1 minute)", Pattern: []byte(`[]`)}, "InvalidEventPatternException"},
	} {
		c.rule.Enabled = true
		if err := s.CreateRule(c.rule); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if n := len(s.Stats().Rules); n != 0 {
		t.Errorf("%d rules were made", n)
	}
}
