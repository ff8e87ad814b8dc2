package attack_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"example.com/arvo/loadtest/attack"
	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/schedule"
)

// A server answers in process, so that it runs in fake time.
type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func answer(r *http.Request, code int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)), Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// plan returns a schedule and its ledger, which begins a moment later.
func plan(t testing.TB, stages ...schedule.Stage) (*schedule.Schedule, *ledger.Ledger) {
	t.Helper()
	s, err := schedule.New(stages...)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New("run", time.Now().Add(10*time.Millisecond), s)
	if err != nil {
		t.Fatal(err)
	}
	return s, l
}

func run(t testing.TB, ctx context.Context, c attack.Config) attack.Report {
	t.Helper()
	if c.Request.Method == "" {
		c.Request.Method, c.Request.URL = "POST", "http://in.process/events"
	}
	r, err := attack.Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEachSubjectIsSentOnceWithItsKeyAndBodyWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := plan(t, schedule.Constant("base", 20, time.Second), schedule.Pause("pause", time.Second), schedule.Ramp("ramp", 0, 100, time.Second))
		var mu sync.Mutex
		seen := map[string]string{}
		report := run(t, t.Context(), attack.Config{Schedule: s, Ledger: l, Request: attack.Request{
			Method: "POST", URL: "http://in.process/events", Header: http.Header{"X-Own": {"yes"}},
			Body: func(key string) ([]byte, error) { return []byte("body of " + key), nil },
			Transport: server(func(r *http.Request) (*http.Response, error) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				for name := range r.Header {
					if strings.HasPrefix(name, "X-Vegeta") {
						t.Errorf("header %s is sent", name)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				key := r.Header.Get("Idempotency-Key")
				if _, again := seen[key]; again || r.Header.Get("X-Own") != "yes" || r.ContentLength != int64(len(body)) {
					t.Errorf("%s: again %t, headers %v, length %d of %d", key, again, r.Header, r.ContentLength, len(body))
				}
				seen[key] = string(body)
				time.Sleep(7 * time.Millisecond)
				return answer(r, 202, "subject of "+key)
			}),
			Subject: func(code int, body []byte) (string, string) { return string(body), fmt.Sprint("trace ", code) },
		}})
		if report.Sent != s.Total() || len(seen) != int(s.Total()) || report.Faults != 0 || report.Busy {
			t.Fatalf("%+v, %d of %d seen", report, len(seen), s.Total())
		}
		for r := range l.All() {
			key := l.Key(r.Seq)
			if slip, ok := r.Slip(); !ok || slip.Abs() > time.Microsecond || r.Acked.Sub(r.Sent) != 7*time.Millisecond {
				t.Errorf("%s: slip %v, answered after %v", key, slip, r.Acked.Sub(r.Sent))
			}
			if seen[key] != "body of "+key || r.Subject != "subject of "+key || r.TraceID != "trace 202" || r.Code != 202 {
				t.Errorf("%s: %q, %+v", key, seen[key], r)
			}
		}
	})
}

func TestWhatWentWrongIsToldInAWord(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, test := range []struct {
		name   string
		server server
		code   int
		err    string
	}{
		{"an answer that comes too late is a time-out", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, 0, "timeout"},
		{"a refused connection", func(*http.Request) (*http.Response, error) {
			return nil, errors.New("dial tcp 127.0.0.1:1: connect: connection refused")
		}, 0, "connection refused"},
		{"a connection that breaks off", func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, 0, "connection closed"},
		{"anything else, however long it talks", func(*http.Request) (*http.Response, error) { return nil, errors.New(long) }, 0, "other"},
		{"a status is no error", func(r *http.Request) (*http.Response, error) { return answer(r, 429, long) }, 429, ""},
		{"a status that HTTP does not have is no answer", func(r *http.Request) (*http.Response, error) { return answer(r, 99, "") }, 0, "no status"},
		{"a redirect is not followed", func(r *http.Request) (*http.Response, error) {
			a, err := answer(r, 307, "")
			a.Header = http.Header{"Location": {"http://else.where/"}}
			return a, err
		}, 307, ""},
		{"an answer whose body breaks off was an answer", func(r *http.Request) (*http.Response, error) {
			a, err := answer(r, 202, "")
			a.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), broken{}))
			return a, err
		}, 202, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := plan(t, schedule.Constant("one", 1, time.Second))
				if r := run(t, t.Context(), attack.Config{Schedule: s, Ledger: l, Timeout: 3 * time.Second, Request: attack.Request{Method: "POST", URL: "http://in.process/", Transport: test.server}}); r.Faults != 0 {
					t.Errorf("%+v", r)
				}
				for r := range l.All() {
					if r.Code != test.code || r.Error != test.err {
						t.Errorf("got %d %q, want %d %q", r.Code, r.Error, test.code, test.err)
					}
				}
			})
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Package http sends a request again by itself when a connection that it has used before breaks, if it believes that it may. Of one
// with an Idempotency-Key it does.
func TestARequestIsNotSentAgainWhenItsConnectionBreaks(t *testing.T) {
	for _, test := range []struct {
		name string
		body func(string) ([]byte, error)
	}{{"with a body", func(string) ([]byte, error) { return []byte("{}"), nil }}, {"without one", nil}} {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			sent := map[string]int{}
			system := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				key := r.Header.Get("Idempotency-Key")
				mu.Lock()
				sent[key]++
				mu.Unlock()
				if key != "run-1" {
					return
				}
				if conn, _, err := w.(http.Hijacker).Hijack(); err != nil || conn.Close() != nil {
					t.Error("the connection did not break", err)
				}
			}))
			defer system.Close()
			s, l := plan(t, schedule.Constant("hold", 100, 30*time.Millisecond))
			run(t, t.Context(), attack.Config{Schedule: s, Ledger: l, MaxWorkers: 1, Request: attack.Request{Method: "POST", URL: system.URL, Body: test.body}})
			if !maps.Equal(sent, map[string]int{"run-0": 1, "run-1": 1, "run-2": 1}) {
				t.Errorf("sent %v", sent)
			}
			if c := l.Count(nil); c.Errors["connection closed"] != 1 || c.Acknowledged != 2 {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestAnAnswerThatContradictsTheLedgerIsCountedAndDoesNotEndTheAttack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := plan(t, schedule.Constant("hold", 10, time.Second))
		report := run(t, t.Context(), attack.Config{Schedule: s, Ledger: l, Request: attack.Request{
			Method: "POST", URL: "http://in.process/",
			Transport: server(func(r *http.Request) (*http.Response, error) { return answer(r, 202, "") }),
			Subject:   func(int, []byte) (string, string) { return "always the same", "" },
		}})
		if c := l.Count(nil); report.Faults != 9 || !strings.Contains(report.Fault, "always the same") || c.Acknowledged != 10 {
			t.Errorf("%+v, %+v", report, c)
		}
	})
}

func TestTheEndOfItsContextEndsAnAttack(t *testing.T) {
	for _, test := range []struct {
		name   string
		takes  time.Duration // an answer
		stages []schedule.Stage
		after  time.Duration
		sent   int
		ends   time.Duration // at most, after that
	}{
		{"in a long pause it ends at once", time.Millisecond, []schedule.Stage{schedule.Constant("one", 1, time.Second), schedule.Pause("pause", time.Hour), schedule.Constant("two", 1, time.Second)}, 5 * time.Second, 1, 0},
		{"what is under way is waited for", 500 * time.Millisecond, []schedule.Stage{schedule.Constant("hold", 10, time.Minute)}, 5*time.Second + 15*time.Millisecond, 51, 500 * time.Millisecond},
		{"but not for ever", time.Hour, []schedule.Stage{schedule.Constant("hold", 10, time.Minute)}, 3*time.Second + 15*time.Millisecond, 31, attack.Grace},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := plan(t, test.stages...)
				ctx, cancel := context.WithTimeout(t.Context(), test.after)
				defer cancel()
				began := time.Now()
				report := run(t, ctx, attack.Config{Schedule: s, Ledger: l, Timeout: time.Minute, Request: attack.Request{Method: "POST", URL: "http://in.process/", Transport: server(func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(test.takes):
						return answer(r, 202, "")
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				})}})
				if took := time.Since(began) - test.after; int(report.Sent) != test.sent || took > test.ends {
					t.Errorf("%d sent, want %d; ended %v later, want %v at most", report.Sent, test.sent, took, test.ends)
				}
			})
		})
	}
}

// With one worker, the next subject is granted while the one before it is under way. It waits for the worker, and the attack may end
// meanwhile.
func TestNothingIsSentAfterTheEndOfItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := plan(t, schedule.Constant("hold", 50, 10*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 1050*time.Millisecond) // 10 ms of it before the first one
		defer cancel()
		var live attack.Live
		begun := 0
		report := run(t, ctx, attack.Config{Schedule: s, Ledger: l, MaxWorkers: 1, Live: &live, Request: attack.Request{
			Method: "POST", URL: "http://in.process/", Transport: server(func(r *http.Request) (*http.Response, error) {
				if ctx.Err() != nil {
					t.Errorf("a request begins after the end: %v", ctx.Err())
				}
				begun++
				time.Sleep(100 * time.Millisecond)
				return answer(r, 202, "")
			}),
		}})
		c := l.Count(nil)
		if begun != 11 || int(report.Sent) != begun || int(live.Sent.Load()) != begun || int(live.Answered.Load()) != begun || c.Unsent != c.Scheduled-begun || c.Acknowledged != begun {
			t.Errorf("%d begun; %+v; %d sent and %d answered live; %+v", begun, report, live.Sent.Load(), live.Answered.Load(), c)
		}
	})
}

func TestAnIncompleteConfigurationIsRefused(t *testing.T) {
	s, l := plan(t, schedule.Constant("hold", 1, time.Second))
	other, _ := plan(t, schedule.Constant("hold", 2, time.Second))
	good := attack.Request{Method: "POST", URL: "http://127.0.0.1/"}
	for want, c := range map[string]attack.Config{
		"a schedule and its ledger are needed":      {Request: good},
		"the ledger has 1 subjects, the schedule 2": {Schedule: other, Ledger: l, Request: good},
		"a request has a method and a URL":          {Schedule: s, Ledger: l},
		"-1 workers of at most 0":                   {Schedule: s, Ledger: l, Request: good, Workers: -1},
	} {
		if _, err := attack.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want ... %s", err, want)
		}
	}
}

// frozen answers after a millisecond, but for a second from the first second on.
func frozen(began time.Time) server {
	return func(r *http.Request) (*http.Response, error) {
		time.Sleep(time.Millisecond)
		if since := time.Since(began); since >= time.Second && since < 2*time.Second {
			time.Sleep(2*time.Second - since)
		}
		return answer(r, 202, "")
	}
}

// A distribution is what one and the same run looks like, counted in two ways.
type distribution struct{ fromSent, fromDue []time.Duration }

// omission sends 500 a second for four seconds to a server that stands still for one of them.
func omission(t testing.TB, workers int) (distribution, attack.Report) {
	s, l := plan(t, schedule.Constant("hold", 500, 4*time.Second))
	report := run(t, t.Context(), attack.Config{Schedule: s, Ledger: l, MaxWorkers: workers, Request: attack.Request{
		Method: "POST", URL: "http://in.process/", Transport: frozen(l.Began().Time()),
	}})
	var d distribution
	for r := range l.All() {
		d.fromSent = append(d.fromSent, r.Acked.Sub(r.Sent))
		d.fromDue = append(d.fromDue, r.Acked.Sub(r.Intended))
	}
	slices.Sort(d.fromSent)
	slices.Sort(d.fromDue)
	return d, report
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(math.Ceil(q*float64(len(sorted))))-1]
}

// The server stands still for one of four seconds: a quarter of all subjects is late, by half a second on the average. What a
// sender counts from when it sends shows nothing of it at p90, if its workers are capped.
func TestCoordinatedOmission(t *testing.T) {
	const ms = time.Millisecond
	within := func(t *testing.T, name string, got, lo, hi time.Duration) {
		t.Helper()
		if got < lo || got > hi {
			t.Errorf("%s is %v, want %v to %v", name, got, lo, hi)
		}
	}
	t.Run("vegeta by itself, with 20 workers, does not see it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			attacker := vegeta.NewAttacker(vegeta.Client(&http.Client{Transport: frozen(time.Now())}), vegeta.MaxWorkers(20))
			target := vegeta.NewStaticTargeter(vegeta.Target{Method: "POST", URL: "http://in.process/"})
			var m vegeta.Metrics
			for r := range attacker.Attack(target, vegeta.ConstantPacer{Freq: 500, Per: time.Second}, 4*time.Second, "") {
				m.Add(r)
			}
			m.Close()
			within(t, "vegeta's p90", m.Latencies.P90, 1*ms, 5*ms)
		})
	})
	t.Run("from when subjects were due it is seen, with 20 workers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, report := omission(t, 20)
			within(t, "p90 from sending", quantile(d.fromSent, 0.9), 1*ms, 5*ms)
			within(t, "p90 from when it was due", quantile(d.fromDue, 0.9), 550*ms, 650*ms)
			if !report.Busy {
				t.Error("nobody saw that all workers were waiting")
			}
		})
	})
	t.Run("and is the same with as many workers as it takes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, report := omission(t, 5000)
			within(t, "p90 from sending", quantile(d.fromSent, 0.9), 550*ms, 650*ms)
			within(t, "p90 from when it was due", quantile(d.fromDue, 0.9), 550*ms, 650*ms)
			if report.Busy {
				t.Error("all workers were waiting, it is said")
			}
		})
	})
}
