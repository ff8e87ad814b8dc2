package workload_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/workload"
)

// A ledger is a machine that only writes down what it is asked for.
type ledger struct{ entries []string }

func (l *ledger) Sleep(_ context.Context, d time.Duration) error { return l.enter("sleep", d) }
func (l *ledger) Burn(_ context.Context, d time.Duration) error  { return l.enter("burn", d) }

func (l *ledger) enter(what string, d time.Duration) error {
	l.entries = append(l.entries, fmt.Sprint(what, " ", d))
	return nil
}

func TestSimulate(t *testing.T) {
	// The ids decide about failure: "evt-1" draws 0.48 and "evt-5" 0.56, see TestDraw.
	for _, test := range []struct {
		name string
		id   string
		data string
		want []string // type and data of each event
		used []string // of the machine
	}{
		{
			name: "an empty request costs nothing and succeeds",
			id:   "evt-1", data: `{}`,
			want: []string{`evt.workload.simulate.success {"slept_ms":0,"burnt_ms":0,"pad":""}`},
			used: []string{"sleep 0s", "burn 0s"},
		},
		{
			name: "a request sleeps, then burns, and says so",
			id:   "evt-1", data: `{"sleep_ms":250,"cpu_ms":20}`,
			want: []string{`evt.workload.simulate.success {"slept_ms":250,"burnt_ms":20,"pad":""}`},
			used: []string{"sleep 250ms", "burn 20ms"},
		},
		{
			name: "the pad comes back as it was",
			id:   "evt-1", data: `{"pad":"<é & \u2028 \n>"}`,
			want: []string{"evt.workload.simulate.success {\"slept_ms\":0,\"burnt_ms\":0,\"pad\":\"<é & \u2028 \\n>\"}"},
			used: []string{"sleep 0s", "burn 0s"},
		},
		{
			name: "progress comes in order and before the success",
			id:   "evt-1", data: `{"fanout":3}`,
			want: []string{
				`evt.workload.simulate.progress {"index":1,"of":3}`,
				`evt.workload.simulate.progress {"index":2,"of":3}`,
				`evt.workload.simulate.progress {"index":3,"of":3}`,
				`evt.workload.simulate.success {"slept_ms":0,"burnt_ms":0,"pad":""}`,
			},
			used: []string{"sleep 0s", "burn 0s"},
		},
		{
			name: "an event that draws the probability or more succeeds",
			id:   "evt-5", data: `{"fail":0.5}`,
			want: []string{`evt.workload.simulate.success {"slept_ms":0,"burnt_ms":0,"pad":""}`},
			used: []string{"sleep 0s", "burn 0s"},
		},
		{
			name: "an event that draws less fails after its work and without its progress",
			id:   "evt-1", data: `{"fail":0.5,"sleep_ms":7,"cpu_ms":8,"fanout":3}`,
			want: []string{`sys.com.workload.simulate.error SimulatedFailure`},
			used: []string{"sleep 7ms", "burn 8ms"},
		},
		{
			name: "with probability 1 each event fails",
			id:   "evt-1", data: `{"fail":1}`,
			want: []string{`sys.com.workload.simulate.error SimulatedFailure`},
			used: []string{"sleep 0s", "burn 0s"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var machine ledger
			service := arvo.MustService(workload.NewSimulate(&machine))
			out, err := service.Handle(t.Context(), unchecked(t, test.id, test.data))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range out {
				text := string(e.Data)
				if strings.HasPrefix(e.Type, "sys.") {
					var failure struct{ ErrorName string }
					if err := json.Unmarshal(e.Data, &failure); err != nil {
						t.Fatal(err)
					}
					text = failure.ErrorName
				}
				got = append(got, e.Type+" "+text)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if !slices.Equal(machine.entries, test.used) {
				t.Errorf("used %q, want %q", machine.entries, test.used)
			}
		})
	}
}

func TestARedeliveryAnswersWithTheSameEvents(t *testing.T) {
	service := arvo.MustService(workload.NewSimulate(new(ledger)))
	in := unchecked(t, "evt-1", `{"fanout":1000}`)
	first, err := service.Handle(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	again, err := service.Handle(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	ids, units := make(map[string]bool), 0.0
	for i, e := range first {
		units += *e.ExecutionUnits
		ids[e.ID] = true
		if again[i].ID != e.ID || string(again[i].Data) != string(e.Data) {
			t.Errorf("event %d: got %s %s, the first time %s %s", i, again[i].ID, again[i].Data, e.ID, e.Data)
		}
	}
	if len(ids) != 1001 || len(again) != 1001 {
		t.Errorf("got %d ids and %d events, want 1001 of each", len(ids), len(again))
	}
	if units != 1 {
		t.Errorf("the request costs %v execution units, want 1: progress is not charged for", units)
	}
}

func TestRunningOutOfTimeIsNoOutcome(t *testing.T) {
	for _, test := range []struct{ name, data string }{
		{"while it sleeps", `{"sleep_ms":12000,"fail":1}`},
		{"while it burns", `{"cpu_ms":12000,"fail":1}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			service := arvo.MustService(workload.NewSimulate(workload.Host{}))
			out, err := service.Handle(ctx, unchecked(t, "evt-1", test.data))
			if !errors.Is(err, arvo.ErrExecution) || len(out) != 0 {
				t.Errorf("got %v, %v; want no event and an execution violation", out, err)
			}
		})
	}
}

func TestContract(t *testing.T) {
	if !workload.SimulateContract.IsProgress(workload.SimulateProgress) {
		t.Error("the progress event completes a request")
	}
	if workload.SimulateContract.IsProgress(workload.SimulateSuccess) {
		t.Error("the success does not complete a request")
	}
	for _, test := range []struct {
		name     string
		data     string
		wantPath string // empty: accepted
	}{
		{"a sleep of twelve seconds is accepted", `{"sleep_ms":12000}`, ""},
		{"a longer sleep is not", `{"sleep_ms":12001}`, "sleep_ms"},
		{"a sleep is not negative", `{"sleep_ms":-1}`, "sleep_ms"},
		{"twelve seconds of CPU are accepted", `{"cpu_ms":12000}`, ""},
		{"more CPU is not", `{"cpu_ms":12001}`, "cpu_ms"},
		{"CPU time is not negative", `{"cpu_ms":-1}`, "cpu_ms"},
		{"a fraction of a millisecond is not counted", `{"cpu_ms":0.5}`, "cpu_ms"},
		{"a probability of one is accepted", `{"fail":1}`, ""},
		{"a greater probability is not", `{"fail":1.01}`, "fail"},
		{"a probability is not negative", `{"fail":-0.01}`, "fail"},
		{"a thousand progress events are accepted", `{"fanout":1000}`, ""},
		{"more progress events are not", `{"fanout":1001}`, "fanout"},
		{"a fanout is not negative", `{"fanout":-1}`, "fanout"},
		{"a pad of 200 KB is accepted", `{"pad":"` + strings.Repeat("x", 200<<10) + `"}`, ""},
		{"a longer pad is not", `{"pad":"` + strings.Repeat("x", 200<<10+1) + `"}`, "pad"},
		{"null is no number", `{"sleep_ms":null}`, "sleep_ms"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var machine ledger
			service := arvo.MustService(workload.NewSimulate(&machine))
			_, err := service.Handle(t.Context(), unchecked(t, "evt-1", test.data))
			switch {
			case test.wantPath == "":
				if err != nil {
					t.Error(err)
				}
			case !errors.Is(err, arvo.ErrContract) || !strings.Contains(err.Error(), test.wantPath):
				t.Errorf("got error %v, want a contract violation that names %s", err, test.wantPath)
			case len(machine.entries) != 0:
				t.Errorf("used %q", machine.entries)
			}
		})
	}
}

// The values are fixed for good: a load test that knows the draw knows the outcome.
func TestDraw(t *testing.T) {
	for id, want := range map[string]float64{"": 0.8894159948913373, "evt-1": 0.4814548239057094, "evt-5": 0.556373186065927} {
		if got := workload.Draw(id); got != want {
			t.Errorf("Draw(%q) = %v, want %v", id, got, want)
		}
	}
	const ids = 10_000
	below := map[float64]int{0.01: 0, 0.1: 0, 0.5: 0, 0.9: 0}
	for i := range ids {
		draw := workload.Draw(fmt.Sprint("id-", i))
		if draw < 0 || draw >= 1 {
			t.Fatalf("Draw(id-%d) = %v, want a number in [0,1)", i, draw)
		}
		for p := range below {
			if draw < p {
				below[p]++
			}
		}
	}
	for p, n := range below {
		if share := float64(n) / ids; share < p-0.01 || share > p+0.01 {
			t.Errorf("%.3f of the ids draw less than %v", share, p)
		}
	}
}

// unchecked returns an event that says it accords with the contract, as anyone may put one on the bus.
func unchecked(t testing.TB, id, data string) arvo.Event {
	t.Helper()
	e, err := arvo.New(arvo.Draft{
		ID: id, Source: "api.thin.lambda", Subject: "probe/1",
		Type: workload.SimulateContract.Type(), DataSchema: workload.SimulateContract.URI() + "/1.0.0", Data: json.RawMessage(data),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}
