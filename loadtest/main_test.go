package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/results"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestACommandLineThatMeansNothingIsRefused(t *testing.T) {
	for _, test := range []struct {
		name string
		args string
		want string
	}{
		{"an unknown target", "--target moon", "--target moon: there are local, aws and sim"},
		{"an argument that is no flag", "E1", `"E1" is not a flag`},
		{"quick and full", "--quick --full", "not both"},
		{"two loads", "--rate 5 --stages 5@5s", "not both"},
		{"a stage without a time", "--stages 5", `stage 1, "5"`},
		{"a rate that is none", "--target sim --rates 10,x", `--rates: "x"`},
		{"a rate that is no number", "--target sim --rates 10,NaN", `--rates: "NaN" is no number above 0`},
		{"a rate without an end", "--target sim --rates Inf", `--rates: "Inf" is no number above 0`},
		{"a batch size for no load of one's own", "--batch 5", "--batch belongs to a load of your own"},
		{"an experiment for a simulation", "--target sim --experiment E1", "--experiment does nothing for target sim"},
		{"rates for a stack", "--rates 10", "--rates does nothing for target local"},
		{"a latency for a stack that runs already", "--endpoint-url http://127.0.0.1:1 --latency none", "--latency does nothing for target endpoint"},
		{"an endpoint on AWS", "--target aws --endpoint-url http://127.0.0.1:1", "--endpoint-url is where a local stack runs"},
		{"a parameter without a value", "--parameter x", "Name=Value"},
		{"a condition that is none", "--assert lost", "assert"},
		{"a rate of nothing", "--rate 0", "--rate 0: it is above 0"},
		{"a negative time", "--work -5ms", "--work -5ms: it is above 0"},
		{"no repeats", "--repeats 0", "--repeats 0: it is above 0"},
		{"a load of one's own and another experiment", "--rate 5 --experiment E1", "--experiment E1 has loads of its own"},
		{"a time that nobody searches for", "--slo 500ms", "--slo belongs to E9"},
		{"a time that the experiments do not search for", "--full --slo 500ms --experiment E1,E2", "--slo belongs to E9"},
		{"a stack for a simulation", "--target sim --stack other", "--stack does nothing for target sim"},
		{"an experiment that is none", "--experiment E99", "E99"},
		{"arrivals that are none", "--arrivals foo", "foo"},
		{"an unknown flag", "--nonsense", "nonsense"},
		{"a time without a unit", "--work 5", `invalid value "5" for flag -work: want a time such as 50ms`},
		{"a rate that is a word", "--rate x", `invalid value "x" for flag -rate: want a number`},
		{"half a batch", "--batch 1.5", `invalid value "1.5" for flag -batch: want a whole number`},
		{"experiments that are none", "--experiment=", "--experiment is empty"},
		{"rates that are none", "--target sim --rates=", "--rates is empty"},
		{"a condition that a forecast has nothing for", "--target sim --assert lost==0", "a forecast has no lost, it has: stable, drained, offered_rate"},
		{"a condition that only a forecast has something for", "--assert settled_rate>5", "only a forecast has settled_rate, a measured cell has: valid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, told bytes.Buffer
			if code := run(t.Context(), strings.Fields(test.args), &out, &told); code != results.ExitError {
				t.Errorf("exit code %d", code)
			}
			if line := told.String(); strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "loadtest: ") || !strings.HasSuffix(line, "; see --help\n") {
				t.Errorf("not one line that says where help is:\n%s", line)
			}
			if !strings.Contains(told.String(), test.want) {
				t.Errorf("%q is not in:\n%s", test.want, told.String())
			}
		})
	}
}

func TestANumberIsReadAsAWhole(t *testing.T) {
	if all, err := numbers(" 10, 2.5e3 "); err != nil || !slices.Equal(all, []float64{10, 2500}) {
		t.Errorf("%v, %v", all, err)
	}
	for _, text := range []string{"10 20", "10x", "10,", "-1", "0"} {
		if all, err := numbers(text); err == nil {
			t.Errorf("%q is read as %v", text, all)
		}
	}
}

func TestASignalThatComesTwiceAtOnceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 2)
		ctx, stop := context.WithCancelCause(t.Context())
		left := make(chan time.Time, 1)
		go heed(signals, stop, func() { left <- time.Now() })
		signals <- syscall.SIGTERM
		signals <- syscall.SIGTERM
		synctest.Wait()
		if err := context.Cause(ctx); err == nil || err.Error() != "interrupted (terminated)" {
			t.Errorf("the run ends because of %v", err)
		}
		time.Sleep(time.Second)
		asked := time.Now()
		signals <- os.Interrupt
		if at := <-left; !at.Equal(asked) {
			t.Errorf("left %v before it was asked for again", asked.Sub(at))
		}
	})
}

func TestHelpIsToldWhenAskedFor(t *testing.T) {
	var told bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, io.Discard, &told); code != results.ExitOK {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"usage: go run ./loadtest", "E9 ", "-work long", "99 an --assert does not hold, of a run that may be believed", "(default 1)"} {
		if !strings.Contains(told.String(), want) {
			t.Errorf("%q is not in:\n%s", want, told.String())
		}
	}
	if strings.Contains(told.String(), "default 0") || strings.Contains(told.String(), "panic") {
		t.Errorf("defaults of nothing:\n%s", told.String())
	}
}

// A remover takes a folder away when something is written to it.
type remover struct {
	bytes.Buffer
	folder string
}

func (r *remover) Write(p []byte) (int, error) {
	if err := os.RemoveAll(r.folder); err != nil {
		return 0, err
	}
	return r.Buffer.Write(p)
}

func TestAReportThatIsNotThereIsNotNamed(t *testing.T) {
	said := &remover{folder: filepath.Join(t.TempDir(), "results")}
	var told bytes.Buffer
	if code := run(t.Context(), []string{"--target", "sim", "--rates", "10", "--duration", "2s", "--out", said.folder}, said, &told); code != results.ExitError {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(told.String(), reportFile) || strings.Contains(said.String(), reportFile) {
		t.Errorf("said %q, told %q", said.String(), told.String())
	}
}

func TestWithoutAStackNothingIsLeftBehind(t *testing.T) {
	out := filepath.Join(t.TempDir(), "results")
	var told bytes.Buffer
	if code := run(t.Context(), []string{"--endpoint-url", "http://127.0.0.1:1", "--out", out}, io.Discard, &told); code != results.ExitError {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(told.String(), "http://127.0.0.1:1") {
		t.Errorf("the address is not in %q", told.String())
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("the folder for results is still there: %v", err)
	}
}

func TestResultsAreNotOverwritten(t *testing.T) {
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "results.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var told bytes.Buffer
	if code := run(t.Context(), []string{"--target", "sim", "--rates", "10", "--out", out}, io.Discard, &told); code != results.ExitError || !strings.Contains(told.String(), "results.json already") {
		t.Errorf("exit code %d: %s", code, told.String())
	}
}

func TestASimulationIsToldAndKept(t *testing.T) {
	out := filepath.Join(t.TempDir(), "results")
	var said, told bytes.Buffer
	if code := run(t.Context(), []string{"--target", "sim", "--rates", "10,100000", "--duration", "20s", "--out", out}, &said, &told); code != results.ExitOK {
		t.Fatalf("exit code %d: %s", code, told.String())
	}
	r, err := results.Read(filepath.Join(out, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Forecast == nil || len(r.Forecast.Levels) != 2 || r.Forecast.Levels[0].Binding != "" || r.Forecast.Levels[1].Binding == "" {
		t.Errorf("at 10/s nothing binds, at 100,000/s something does: %+v", r.Forecast)
	}
	if !strings.Contains(said.String(), "raise ") || !strings.Contains(said.String(), "report.html") {
		t.Errorf("neither what to raise nor where the report is in:\n%s", said.String())
	}
}

// A real load on the real stack, short: every subject is accounted for, in every file.
func TestARealLoad(t *testing.T) {
	out := filepath.Join(t.TempDir(), "results")
	var said, told bytes.Buffer
	code := run(t.Context(), []string{"--rate", "20", "--duration", "3s", "--work", "20ms", "--seed", "7", "--out", out, "--assert", "lost==0", "--assert", "unsent==0"}, &said, &told)
	if code != results.ExitOK && code != results.ExitInvalid { // a busy machine may make it one that is not to be believed
		t.Fatalf("exit code %d: %s\n%s", code, told.String(), said.String())
	}
	r, err := results.Read(filepath.Join(out, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	var scheduled int
	for _, c := range r.Cells {
		scheduled += c.Counts.Scheduled
		if c.Counts.Completed != c.Counts.Scheduled || c.Counts.Lost != 0 {
			t.Errorf("%s: %+v", c.ID, c.Counts)
		}
	}
	for _, a := range r.Assertions {
		if !a.OK {
			t.Errorf("%s: %s", a.Expr, a.Value)
		}
	}
	f, err := os.Open(filepath.Join(out, subjectsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows)-1 != scheduled || scheduled < 60 {
		t.Errorf("%d subjects in the file, %d scheduled", len(rows)-1, scheduled)
	}
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	last := r.Cells[len(r.Cells)-1]
	if len(last.Slowest) == 0 || len(last.Slowest[0].Hops) < 5 {
		t.Errorf("the slowest subject has no trace: %+v", last.Slowest)
	} else if !bytes.Contains(page, []byte(last.Slowest[0].TraceID)) {
		t.Error("the page does not name the trace of the slowest subject")
	}
	if t.Failed() {
		data, _ := json.Marshal(r.Run)
		t.Logf("%s\n%s", data, said.String())
	}
}

func TestTheTerminalTellsACell(t *testing.T) {
	capacity, drain, p, lo, hi := 40.0, 2.5, 12.5, 39.0, 41.0
	cell := results.Cell{ID: "E1/C=2/offered=1.3", Repeat: 2, Role: "measured", OfferedRate: 52, PredictedCapacity: &capacity, PredictedDrainS: &drain,
		CompletedRate: results.Interval{Mean: 40, Lo: &lo, Hi: &hi, Blocks: 10}, Backlog: results.Backlog{Peak: 1200, Verdict: "unstable", DrainS: &drain},
		EndToEnd: results.Latency{N: 20, P50: &p, Max: 80, Clipped: 1}, Uncorrected: results.Latency{Negative: 3}, Validity: results.Contaminated, Why: []string{"the stack was restarted"},
		Counts: results.Counts{Scheduled: 1300, Lost: 2, Completed: 1298}}
	var out bytes.Buffer
	plain := &terminal{out: &out}
	plain.Predicted(cell)
	plain.Measured(cell)
	for _, want := range []string{"E1/C=2/offered=1.3 (repeat 2)", "capacity 40.0/s, drain 2.50\u202fs", "completed 40.0/s (95 % CI 39.0–41.0), 1.000 of the prediction",
		"peak 1200, drained in 2.50\u202fs", "p50 12.5\u202fms, p99 –, max 80.0\u202fms (n=20)", "of 1300 subjects: 2 lost", "3 ended before they were sent", "1 took more than a day", "contaminated: the stack was restarted"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	if strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("codes of terminals where there is none: %q", out.String())
	}
}

func TestTheTerminalTellsALevel(t *testing.T) {
	level := results.Level{Offered: 510, Completed: 510, USDMillion: 22.999, Cohort: 1, Raise: []string{"table write throughput at 571/s: warm write units of the table, 4000 -> 4284"}}
	ramp := level
	ramp.Series = results.Series{StepS: 10, Offered: []float64{5100, 5100, 5100}, Backlog: []float64{4000, 4000, 100}}
	bound := level
	bound.Binding = "table write throughput"
	for _, test := range []struct {
		name  string
		level results.Level
		want  []string
	}{
		{"one that keeps up has a next limit", level, []string{"$23.00 a million; keeps up  [", "\n              next limit: table write throughput at 571/s"}},
		{"one that fell behind at first", ramp, []string{"falls behind at first, has caught up after 20.0\u202fs, and keeps up then  ["}},
		{"one that is held", bound, []string{"; table write throughput  [", "\n              raise table write throughput at 571/s"}},
	} {
		var out bytes.Buffer
		(&terminal{out: &out}).forecast(test.level)
		for _, want := range test.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in:\n%s", test.name, want, out.String())
			}
		}
	}
}

func TestTheStatusIsOneLineOfATerminal(t *testing.T) {
	var out bytes.Buffer
	watched := &terminal{out: &out, width: func() int { return 40 }}
	for i := range 20 {
		watched.Progress(experiment.Progress{Cell: "E1", Phase: "hold", Elapsed: time.Second, Of: 4 * time.Second, Completed: float64(i), Backlog: i})
	}
	watched.line("done")
	lines := strings.Split(out.String(), "\r\x1b[K")
	for _, l := range lines[:len(lines)-1] {
		if n := len([]rune(l)); n > 39 {
			t.Errorf("%d columns: %q", n, l)
		}
	}
	if lines[len(lines)-1] != "done\n" {
		t.Errorf("%q is the last line", lines[len(lines)-1])
	}
}
