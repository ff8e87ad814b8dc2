package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"golang.org/x/term"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/forecast"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/sim"
	"example.com/arvo/loadtest/target"
)

func main() {
	ctx, stop := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go heed(signals, stop, func() {
		fmt.Fprintln(os.Stderr, "loadtest: left at once; a stack that was changed still is: the next run on it puts it back")
		os.Exit(130)
	})
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// echo is how soon a signal after the first is the same one: timeout(1) sends each to the process and to its group.
const echo = 500 * time.Millisecond

// heed has the run end at the first signal, and leaves at once when asked for it again.
func heed(signals <-chan os.Signal, stop context.CancelCauseFunc, leave func()) {
	s := <-signals
	first := time.Now()
	stop(fmt.Errorf("interrupted (%v)", s))
	for range signals {
		if time.Since(first) >= echo {
			leave()
			return
		}
	}
}

// run is the command: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return results.ExitOK
	} else if err != nil {
		return results.ExitError
	}
	fail := func(err error) int {
		fmt.Fprintln(stderr, "loadtest:", err)
		return results.ExitError
	}
	started := time.Now()
	id := "lt-" + started.UTC().Format("20060102T150405.000")
	id = strings.ReplaceAll(id, ".", "")
	folder, err := newFolder(o.out, id) // before anything costs time or money
	if err != nil {
		return fail(err)
	}
	t := newTerminal(stdout)
	r := &results.Results{Schema: results.Schema, Run: results.Run{
		ID: id, Started: started.UTC(), Command: args, Seed: o.seed, Target: o.target, Stack: o.stack, Region: o.region,
		Git: commit(ctx), Go: runtime.Version(), Host: results.Host{CPU: processor(), Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH},
	}}
	if o.target == onSim {
		err = simulate(ctx, o, t, r)
	} else {
		err = measure(ctx, o, t, r, folder)
	}
	if err != nil && len(r.Cells) == 0 && r.Forecast == nil {
		folder.removeEmpty()
		return fail(err)
	} else if err != nil {
		r.Run.Interrupted = err.Error()
	}
	r.Run.Ended = time.Now().UTC()
	for _, c := range o.conditions {
		r.Assertions = append(r.Assertions, c.Check(*r))
	}
	err = folder.write(*r) // before the verdict: a run that fails is the one that is looked at
	t.conclude(*r, folder.page())
	if err != nil {
		return fail(err)
	}
	return results.Exit(*r)
}

// experiment is what the options ask of a stack.
func (o options) experiment(run string) experiment.Config {
	ask := experiment.Config{
		RunID: run, Experiments: o.experiments, Quick: !o.full, AWS: o.target == onAWS, Seed: o.seed, Repeats: o.repeats, Work: o.work,
		Concurrency: o.concurrency, Arrivals: o.arrivals, Custom: o.custom,
	}
	if o.target != onAWS {
		ask.MaxWorkers = localWorkers
	}
	if o.slo > 0 {
		ask.SLO = experiment.SLO{Quantile: experiment.DefaultSLO.Quantile, EndToEnd: o.slo}
	}
	return ask
}

// localWorkers is how many requests are under way at a time on this machine. Each that waits holds an environment of the API's
// function, which is a process here: with more, a moment's delay starts dozens of them, and these are the next delay.
const localWorkers = 12

// measure puts the load on a stack.
func measure(ctx context.Context, o options, t *terminal, r *results.Results, folder *folder) (err error) {
	ask := o.experiment(r.Run.ID)
	ask.Watch = t
	c := target.Config{Stack: o.stack, Region: o.region, Endpoint: o.endpoint, API: o.api}
	switch o.target {
	case onLocal:
		t.line("building and starting the stack")
		child, err := target.Local(ctx, target.LocalConfig{Template: o.template, Parameters: o.parameters, Stack: o.stack,
			AccountConcurrency: o.account, Latency: o.latency, Faults: o.faults, Seed: o.seed})
		if err != nil {
			return err
		}
		defer func() {
			if peak := float64(child.PeakMemory()) / (1 << 20); peak > 0 {
				r.Run.MemoryMB = &peak
			}
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			if stopped := child.Stop(late); stopped != nil && ctx.Err() == nil {
				r.Run.Notes = append(r.Run.Notes, fmt.Sprintf("the local stack did not end well: %v", stopped))
			}
		}()
		c.Child = child
		fallthrough
	case onEndpoint:
		c.AWS = aws.Config{Region: target.LocalRegion, Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}
	case onAWS:
		if c.AWS, err = config.LoadDefaultConfig(ctx, config.WithRegion(o.region)); err != nil {
			return err
		}
	}
	stack, err := target.Open(ctx, c)
	if err != nil {
		return err
	}
	defer stack.Close()
	r.Run.Stack, r.Run.Region, r.Run.Endpoint = stack.Name(), stack.Region(), stack.Endpoint()
	r.Run.Notes = append(r.Run.Notes, stack.Notes()...)
	for _, n := range stack.Notes() {
		t.Note(n)
	}

	if r.Run.Setup, err = stack.Setup(ctx); err != nil {
		return err
	}
	t.header(r.Run)
	if o.target == onAWS {
		if err := preflight(ctx, o, stack, ask, t, r); err != nil {
			return err
		}
	}
	if ask.Subjects, err = folder.subjects(); err != nil {
		return err
	}
	out, err := experiment.Run(ctx, stack, ask)
	t.overwrite("")
	if err != nil {
		return err
	}
	r.Run.Setup, r.Run.Clock, r.Run.Interrupted = out.Setup, out.Clock, out.Interrupted
	r.Run.Notes = append(r.Run.Notes, out.Notes...)
	r.Experiments, r.Cells = out.Experiments, out.Cells
	trace(ctx, stack, r)
	if o.target != onAWS { // what is simulated of AWS has AWS's published latencies, not this account's
		if err := forecast.CompareAll(ctx, r); err != nil && ctx.Err() == nil {
			r.Run.Notes = append(r.Run.Notes, fmt.Sprintf("the run was not simulated: %v", err))
		}
	}
	return nil
}

// tracedSubjects is how many of the slowest subjects of a cell are shown with their traces.
const tracedSubjects = 3

// trace adds to the slowest subjects of each cell where their time went: a local stack takes its traces with it when it ends.
func trace(ctx context.Context, stack *target.Stack, r *results.Results) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second) // an interrupted run has slow subjects, too
	defer cancel()
	var slow []*results.Traced
	var ids []string
	for i := range r.Cells {
		for j := range r.Cells[i].Slowest {
			if s := &r.Cells[i].Slowest[j]; j < tracedSubjects && s.TraceID != "" {
				slow, ids = append(slow, s), append(ids, s.TraceID)
			}
		}
	}
	hops, err := stack.Hops(ctx, ids)
	if err != nil {
		r.Run.Notes = append(r.Run.Notes, fmt.Sprintf("the traces of the slowest subjects could not all be read: %v", err))
	}
	for _, s := range slow {
		s.Hops = hops[s.TraceID]
	}
}

// preflight tells what a run on AWS costs and would come up against, and goes on if that was agreed to.
func preflight(ctx context.Context, o options, stack *target.Stack, ask experiment.Config, t *terminal, r *results.Results) error {
	plan, err := experiment.Preview(ask, r.Run.Setup)
	if err != nil {
		return err
	}
	found, err := stack.Preflight(ctx, target.Plan{Subjects: plan.Subjects, Rate: plan.Rate, Concurrency: plan.Concurrency, Work: ask.Work})
	if found != nil {
		r.Run.CostUSD = &found.CostUSD
		for _, use := range found.Uses {
			t.line("  %v", use)
		}
		t.line("  about %s subjects in %v, about $%.2f at list prices of %s", count(plan.Subjects), plan.Duration.Round(time.Second), found.CostUSD, found.Prices)
	}
	if err != nil {
		return err
	}
	if !o.yes {
		return errors.New("give --yes to do it")
	}
	return nil
}

// simulate asks the model instead of a stack.
func simulate(ctx context.Context, o options, t *terminal, r *results.Results) error {
	file := o.template
	if file == "" {
		root, err := target.ModuleRoot(ctx)
		if err != nil {
			return err
		}
		file = filepath.Join(root, "template.yaml")
	}
	system, err := forecast.FromTemplate(file, o.parameters)
	if err != nil {
		return err
	}
	c := forecast.Config{System: system, Region: o.region, Work: o.work, Rates: o.rates, Duration: o.simDuration, Fit: o.fit, Seed: o.seed, Template: filepath.Base(file), Progress: t.forecast}
	if c.Region == "" {
		c.Region = target.LocalRegion
	}
	if c.Work == 0 {
		c.Work = experiment.DefaultWork
	}
	for _, name := range slices.Sorted(maps.Keys(o.parameters)) {
		c.Changed = append(c.Changed, name+"="+o.parameters[name])
	}
	if o.account > 0 {
		quotas, err := sim.QuotasOf(c.Region)
		if err != nil {
			return err
		}
		quotas.Concurrency = o.account
		c.Quotas, c.Changed = &quotas, append(c.Changed, fmt.Sprintf("account concurrency %d", o.account))
	}
	r.Run.Region = c.Region
	t.header(r.Run)
	f, err := forecast.Run(ctx, c)
	if f != nil && len(f.Levels) > 0 {
		r.Forecast = f
	}
	return err
}

// newTerminal tells on w, as a terminal if it is one.
func newTerminal(w io.Writer) *terminal {
	t := &terminal{out: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if os.Getenv("TERM") != "dumb" {
			t.width = func() int {
				if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
					return width
				}
				return 80
			}
		}
	}
	return t
}

// header tells what is measured, and with what.
func (t *terminal) header(run results.Run) {
	where := run.Target
	switch run.Target {
	case onAWS:
		where = "AWS " + run.Region
	case onEndpoint:
		where = run.Endpoint
	}
	t.line("run %s on %s, stack %s; %s, %d cores%s", run.ID, where, run.Stack, run.Go, run.Host.Cores, prefixed("; commit ", run.Git))
	if s := run.Setup; s.HandlerFunction != "" {
		t.line("requests mapping: MaximumConcurrency %s, batch size %d, %d subjects of a batch at a time; visibility timeout %s", orNone(s.Concurrency), s.Batch, s.Parallelism, seconds(s.VisibilityS))
	}
}

// conclude tells the findings once more, what may not be believed, and where the page is, if there is one.
func (t *terminal) conclude(r results.Results, page string) {
	t.line("")
	if len(r.Experiments) > 1 { // of one it has just been said
		for _, e := range r.Experiments {
			t.line("%s  %s", t.bold(e.ID), e.Finding)
		}
	}
	var lost, duplicated, subjects, open, dropped int
	var invalid, elsewhere []string
	for _, c := range r.Cells {
		dropped += c.Clock.Dropped
		subjects, lost, duplicated = subjects+c.Counts.Scheduled, lost+c.Counts.Lost, duplicated+c.Counts.Duplicated
		open += c.Counts.Open
		switch c.Validity {
		case results.Valid:
		case results.TargetLimited:
			elsewhere = append(elsewhere, c.ID)
		default:
			invalid = append(invalid, fmt.Sprintf("%s (%s)", c.ID, c.Validity))
		}
	}
	if subjects > 0 {
		line := fmt.Sprintf("%s subjects: %s lost, %s answered more than once", count(subjects), count(lost), count(duplicated))
		if open > 0 {
			line += fmt.Sprintf(", %s accepted and not known to have ended", count(open))
		}
		if lost > 0 {
			line = t.bad(line)
		}
		t.line("%s", line)
	}
	if len(elsewhere) > 0 {
		t.line("limited by something else than was varied: %s", strings.Join(elsewhere, ", "))
	}
	if len(invalid) > 0 {
		t.line("not to be believed: %s", t.bad(strings.Join(invalid, ", ")))
	}
	if r.Run.Clock.N > 0 {
		t.line("clock offset %+.2f ms ± %.2f ms", r.Run.Clock.OffsetMs, r.Run.Clock.ErrorMs)
	}
	if dropped > 0 {
		t.line("%s", t.bad(count(dropped)+" requests have times of the servers that contradict those of most others"))
	}
	for _, n := range r.Run.Notes {
		t.line("note: %s", n)
	}
	for _, a := range r.Assertions {
		verdict := "holds"
		if !a.OK {
			verdict = t.bad("does not hold")
		}
		t.line("assert %s %s: %s", a.Expr, verdict, a.Value)
	}
	if r.Run.Interrupted != "" {
		t.line("%s", t.bad("not complete: "+r.Run.Interrupted))
	}
	if page != "" {
		t.line("%s", page)
	}
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

func orNone(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}
