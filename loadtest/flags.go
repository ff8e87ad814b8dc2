package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/results"
)

// What a load may be put on.
const (
	onLocal    = "local"
	onEndpoint = "endpoint" // local, and attached to
	onAWS      = "aws"
	onSim      = "sim"
)

// options are what the command line asks for.
type options struct {
	target, stack, region, endpoint, api string
	yes                                  bool

	full        bool
	experiments []string
	custom      experiment.Custom
	stages      string
	work        time.Duration
	concurrency int
	arrivals    string
	slo         time.Duration
	repeats     int
	seed        uint64

	template    string
	parameters  parameters
	latency     string
	faults      string
	account     int
	rates       []float64
	simDuration time.Duration
	fit         bool

	conditions []*results.Condition
	out        string
}

// parameters are template parameters, Name=Value.
type parameters map[string]string

func (p parameters) String() string { return "" }

func (p parameters) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return errors.New("want Name=Value")
	}
	p[name] = value
	return nil
}

const helpEnd = `
Conditions: QUANTITY[(FILTER,...)] OP NUMBER, such as 'completed_rate(C=4)>=76', 'completed_rate/predicted(offered>1) in 0.97..1.03',
'e2e_p99<500ms@stable', 'lost==0', 'drain<=1.1*predicted'. One that cannot be read lists what there is.

Exit status: 0 measured, and every --assert holds; 1 it could not be done; 2 it may not be believed: a cell is not valid, or the run
was interrupted; 99 an --assert does not hold, of a run that may be believed. (go run makes 1 of all but 0: go build ./loadtest.)
`

// A wanted value says what it wants when it is given something else.
type wanted struct {
	flag.Value
	what string
}

func (v wanted) Set(s string) error {
	if v.Value.Set(s) != nil {
		return errors.New("want " + v.what)
	}
	return nil
}

// parse reads the command line. Errors are told on w, and so is the usage where it is asked for.
func parse(args []string, w io.Writer) (options, error) {
	o := options{parameters: parameters{}}
	f := flag.NewFlagSet("loadtest", flag.ContinueOnError)
	f.SetOutput(io.Discard) // it tells the usage with each error
	f.Usage = func() {}
	usage := func() {
		f.SetOutput(w)
		fmt.Fprintln(w, "usage: go run ./loadtest [flags]\n\nWith no flags: builds and starts the stack of template.yaml, and a minute later tells what limits it.")
		fmt.Fprintln(w, "\nExperiments:")
		for _, e := range experiment.Catalog() {
			fmt.Fprintf(w, "  %-4s %s\n", e.ID, e.Title)
		}
		fmt.Fprintln(w, "\nFlags:")
		f.PrintDefaults()
		fmt.Fprint(w, helpEnd)
	}
	f.StringVar(&o.target, "target", onLocal, "what to put the load on: `local`, a stack that is built and started; aws, a deployed one; sim, a simulation")
	f.StringVar(&o.endpoint, "endpoint-url", "", "a local stack that runs already: the `URL` of its AWS services")
	f.StringVar(&o.api, "api", "", "`URL` to send requests to, if not the stack's own: a proxy in between, for instance")
	f.StringVar(&o.stack, "stack", "arvo", "`name` of the stack")
	f.StringVar(&o.region, "region", "", "AWS `region`; of the simulation us-east-1 by default")
	f.BoolVar(&o.yes, "yes", false, "put the load on a deployed stack, at the cost that was printed")

	quick := f.Bool("quick", false, "short loads, about a minute: the default")
	f.BoolVar(&o.full, "full", false, "whole loads and all experiments, or all of --experiment")
	chosen := f.String("experiment", "", "`E1,...`: only these")
	f.Float64Var(&o.custom.Rate, "rate", 0, "a load of your own: `N` subjects a second ...")
	f.DurationVar(&o.custom.Duration, "duration", 0, "... for this `long`; of the simulation, the load at each rate (10m)")
	f.StringVar(&o.stages, "stages", "", "or as a `profile`: 20@10s,20..160@10s,160@30s")
	f.IntVar(&o.concurrency, "concurrency", 0, "MaximumConcurrency of the requests mapping, where an experiment does not vary it (4; of a load of your own, as the stack has it)")
	f.IntVar(&o.custom.Batch, "batch", 0, "batch `size` of a load of your own (as the stack has it)")
	f.DurationVar(&o.custom.Visibility, "visibility", 0, "visibility `timeout` of a load of your own (as the stack has it)")
	f.DurationVar(&o.work, "work", 0, "how `long` each subject takes, where an experiment does not vary it (50ms)")
	f.StringVar(&o.arrivals, "arrivals", experiment.Constant, "`constant` intervals, or poisson: random ones")
	f.DurationVar(&o.slo, "slo", 0, "E9: the p99 of the end-to-end `time` that a sustainable rate keeps (1s)")
	f.IntVar(&o.repeats, "repeats", 1, "`times` that each cell is measured; benchstat wants 6")
	f.Uint64Var(&o.seed, "seed", 0, "of the order of cells and of random arrivals; 0 for a new one each time")

	f.StringVar(&o.template, "template", "", "template of the local stack or the simulation (template.yaml)")
	f.Var(o.parameters, "parameter", "`Name=Value` of a template parameter, repeatable")
	f.StringVar(&o.latency, "latency", "", "of the local stack: none, aws2026 or a `file`")
	f.StringVar(&o.faults, "faults", "", "of the local stack, such as `duplicate=0.05,kill=0.01`")
	f.IntVar(&o.account, "account-concurrency", 0, "of the local stack and the simulation: invocations at a time (1000)")
	rates := f.String("rates", "", "of the simulation: subjects a second, `10,1000,...` (10 to 1,000,000)")

	f.BoolVar(&o.fit, "raised", false, "of the simulation: simulate each rate again, with the settings raised that it says to raise")

	f.Func("assert", "a `condition` such as 'lost==0' or 'completed_rate(C=4)>=76', repeatable", func(s string) error {
		c, err := results.ParseCondition(s)
		if err == nil {
			o.conditions = append(o.conditions, c)
		}
		return err
	})
	f.StringVar(&o.out, "out", "", "`folder` for the results; a new one beneath the folder for temporary files by default")
	fail := func(format string, a ...any) (options, error) {
		err := fmt.Errorf(format, a...)
		fmt.Fprintf(w, "loadtest: %v; see --help\n", err)
		return o, err
	}
	values := map[string]flag.Value{}
	f.VisitAll(func(f *flag.Flag) {
		values[f.Name] = f.Value
		if of, ok := f.Value.(flag.Getter); ok {
			switch of.Get().(type) {
			case time.Duration:
				f.Value = wanted{of, "a time such as 50ms or 2m"}
			case float64:
				f.Value = wanted{of, "a number"}
			case int, uint64:
				f.Value = wanted{of, "a whole number"}
			}
		}
	})
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		f.VisitAll(func(f *flag.Flag) { f.Value = values[f.Name] }) // their defaults are told by what they are
		usage()
		return o, err
	} else if err != nil {
		return fail("%v", err)
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, name := range []string{"experiment", "stages", "rates", "endpoint-url"} {
		if given[name] && strings.TrimSpace(f.Lookup(name).Value.String()) == "" {
			return fail("--%s is empty: leave it out, or say what is meant", name)
		}
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1<<32) + 1
	}
	for _, name := range []string{"rate", "duration", "concurrency", "batch", "visibility", "work", "slo", "repeats", "account-concurrency"} {
		if v := f.Lookup(name).Value.String(); given[name] && (v == "0" || v == "0s" || strings.HasPrefix(v, "-") || v == "NaN") {
			return fail("--%s %s: it is above 0", name, v)
		}
	}
	switch {
	case f.NArg() > 0:
		return fail("%q is not a flag", f.Arg(0))
	case !slices.Contains([]string{onLocal, onAWS, onSim}, o.target):
		return fail("--target %s: there are local, aws and sim", o.target)
	case o.endpoint != "" && given["target"] && o.target != onLocal:
		return fail("--endpoint-url is where a local stack runs: it does not go with --target %s", o.target)
	case *quick && o.full:
		return fail("--quick or --full, not both")
	case o.custom.Rate != 0 && o.stages != "":
		return fail("--rate or --stages, not both")
	}
	if o.endpoint != "" {
		o.target = onEndpoint
	}
	for _, c := range o.conditions {
		if err := c.Asks(o.target == onSim); err != nil {
			return fail("--assert: %v", err)
		}
	}
	for _, only := range []struct {
		flags   []string
		targets []string
	}{
		{[]string{"latency", "faults"}, []string{onLocal}},
		{[]string{"template", "parameter", "account-concurrency"}, []string{onLocal, onSim}},
		{[]string{"rates", "raised"}, []string{onSim}},
		{[]string{"yes"}, []string{onAWS}},
		{[]string{"stack"}, []string{onLocal, onEndpoint, onAWS}},
		{[]string{"api"}, []string{onLocal, onEndpoint, onAWS}},
		{[]string{"region"}, []string{onAWS, onSim}},
		{[]string{"experiment", "rate", "stages", "concurrency", "batch", "visibility", "arrivals", "slo", "repeats", "full", "quick"}, []string{onLocal, onEndpoint, onAWS}},
	} {
		for _, name := range only.flags {
			if given[name] && !slices.Contains(only.targets, o.target) {
				return fail("--%s does nothing for target %s: it is for %s", name, o.target, strings.Join(only.targets, ", "))
			}
		}
	}

	if o.target == onSim {
		o.simDuration = o.custom.Duration
		var err error
		if o.rates, err = numbers(*rates); err != nil {
			return fail("--rates: %v", err)
		}
		return o, nil
	}
	own := o.custom.Rate != 0 || o.stages != ""
	if *chosen != "" {
		o.experiments = strings.Split(strings.ReplaceAll(*chosen, " ", ""), ",")
	}
	if own && len(o.experiments) > 0 && !slices.Contains(o.experiments, experiment.CustomID) {
		return fail("--experiment %s has loads of its own: --rate and --stages are another experiment, %q", *chosen, experiment.CustomID)
	}
	searches := o.full && len(o.experiments) == 0 || slices.ContainsFunc(o.experiments, func(id string) bool { return strings.EqualFold(id, "E9") })
	if given["slo"] && !searches {
		return fail("--slo belongs to E9: ask for it by --experiment E9 or --full")
	}
	for _, name := range []string{"duration", "batch", "visibility"} {
		if given[name] && !own {
			return fail("--%s belongs to a load of your own: give --rate or --stages, too", name)
		}
	}
	if own {
		if o.stages != "" {
			var err error
			if o.custom.Stages, err = experiment.ParseStages(o.stages); err != nil {
				return fail("--stages: %v", err)
			}
		} else if o.custom.Duration == 0 {
			o.custom.Duration = 10 * time.Second
		}
		o.custom.Concurrency = o.concurrency
		if len(o.experiments) == 0 {
			o.experiments = []string{experiment.CustomID}
		}
	}
	if err := o.experiment("run").Check(); err != nil { // before anything is built or opened
		return fail("%v", err)
	}
	return o, nil
}

// numbers reads positive numbers that commas separate.
func numbers(text string) ([]float64, error) {
	if text == "" {
		return nil, nil
	}
	var all []float64
	for _, part := range strings.Split(text, ",") {
		x, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || !(x > 0) || math.IsInf(x, 1) {
			return nil, fmt.Errorf("%q is no number above 0", part)
		}
		all = append(all, x)
	}
	return all, nil
}
