package experiment_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
)

func ExampleParseStages() {
	stages, err := experiment.ParseStages("20@10s, 20..160@10s, 0@5s")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range stages {
		fmt.Printf("%s: %v/s to %v/s in %v\n", s.Name, s.From, s.To, s.Duration)
	}
	// Output:
	// 1: 20@10s: 20/s to 20/s in 10s
	// 2: 20..160@10s: 20/s to 160/s in 10s
	// 3: 0@5s: 0/s to 0/s in 5s
}

func ExampleCatalog() {
	for _, e := range experiment.Catalog() {
		fmt.Println(e.ID, e.Title)
	}
	// Output:
	// E1 Knee by MaximumConcurrency
	// E2 One load against four limits
	// E3 Queue, hidden queue, no queue
	// E4 Batch size
	// E5 Visibility timeout too short
	// E6 Recovery after an outage
	// E9 Sustainable rate under an SLO
	// run A load
}

func ExamplePreview() {
	setup := results.Setup{Concurrency: 10, Batch: 10, Parallelism: 10, VisibilityS: 180, FunctionTimeoutS: 30, AccountConc: 1000}
	plan, err := experiment.Preview(experiment.Config{RunID: "demo", Quick: true, Seed: 1, Experiments: []string{"E2"}}, setup)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(plan.Experiments[0].Question)
	fmt.Println(strings.Join(plan.Experiments[0].Order, ", "))
	// Output:
	// What does a limit of concurrency do to a load that does not change?
	// E2/C=4, E2/C=8, E2/C=16, E2/C=2
}

func TestStagesThatCannotBeReadAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":               `stage 1, "": RATE@TIME`,
		"20":             `stage 1, "20": RATE@TIME or FROM..TO@TIME`,
		"20@10s,x@1s":    `stage 2, "x@1s": "x" is no rate`,
		"20..@1s":        `"" is no rate`,
		"-1@1s":          `"-1" is no rate`,
		"NaN@1s":         `"NaN" is no rate`,
		"1e300@1s":       `is no rate`,
		"20@ten":         `"ten" is no time above 0`,
		"20@0s":          `"0s" is no time above 0`,
		"20@-1s":         `"-1s" is no time above 0`,
		"20@1s@2s":       `"1s@2s" is no time`,
		"1@800h":         `at most 720h`,
		"1000000000@10m": `arrivals by the end of stage`,
	} {
		if _, err := experiment.ParseStages(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want ... %s", text, err, want)
		}
	}
}

func FuzzParseStages(f *testing.F) {
	for _, text := range []string{"20@10s,20..160@10s", "0@1s", "..@", "1..2..3@1s", "1@1h,,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		stages, err := experiment.ParseStages(text)
		if err != nil {
			return
		}
		if _, err := schedule.New(stages...); err != nil {
			t.Errorf("%q is read, and is no schedule: %v", text, err)
		}
	})
}

func TestAConfigurationThatMakesNoSenseIsRefused(t *testing.T) {
	run := []string{experiment.CustomID}
	for want, c := range map[string]experiment.Config{
		`run id ""`:                               {},
		`there is no "E7": there are E1, E2, E3`:  {RunID: "r", Experiments: []string{"E7"}},
		"E1 is asked for twice":                   {RunID: "r", Experiments: []string{"E1", "E1"}},
		"E5 is not possible on AWS: AWS refuses":  {RunID: "r", AWS: true, Experiments: []string{"E5"}},
		"-1 repeats":                              {RunID: "r", Repeats: -1},
		"work of -5ms":                            {RunID: "r", Work: -5 * time.Millisecond},
		`run id "a b"`:                            {RunID: "a b"},
		"a rate of at most NaN per second":        {RunID: "r", MaxRate: math.NaN()},
		"-1 requests at a time":                   {RunID: "r", MaxWorkers: -1},
		"a rate of NaN per second":                {RunID: "r", Experiments: run, Custom: experiment.Custom{Rate: math.NaN(), Duration: time.Minute}},
		"a rate of NaN per second: at most 2000":  {RunID: "r", Experiments: run, Custom: experiment.Custom{Stages: []schedule.Stage{schedule.Constant("a", math.NaN(), time.Second)}}},
		"concurrency 1: a mapping's MaximumC":     {RunID: "r", Experiments: run, Custom: experiment.Custom{Rate: 1, Duration: time.Minute, Concurrency: 1}},
		"a load of 172800000 subjects: at most":   {RunID: "r", Experiments: run, Custom: experiment.Custom{Rate: 2000, Duration: 24 * time.Hour}},
		"101 repeats":                             {RunID: "r", Repeats: 101},
		"work of 1.5ms: whole milliseconds":       {RunID: "r", Work: 1500 * time.Microsecond},
		`arrivals "often": constant or poisson`:   {RunID: "r", Arrivals: "often"},
		"concurrency 1: a mapping's":              {RunID: "r", Concurrency: 1},
		"an SLO of 2 within 1s":                   {RunID: "r", SLO: experiment.SLO{Quantile: 2, EndToEnd: time.Second}},
		"a rate of 0 per second":                  {RunID: "r", Experiments: run},
		"a rate of 9000 per second":               {RunID: "r", Experiments: run, Custom: experiment.Custom{Rate: 9000, Duration: time.Minute}},
		"a duration of 1ms":                       {RunID: "r", Experiments: run, Custom: experiment.Custom{Rate: 1, Duration: time.Millisecond}},
		"batch size 11":                           {RunID: "r", Experiments: run, Custom: experiment.Custom{Rate: 1, Duration: time.Minute, Batch: 11}},
		"visibility timeout 500ms":                {RunID: "r", Experiments: run, Custom: experiment.Custom{Rate: 1, Duration: time.Minute, Visibility: 500 * time.Millisecond}},
		"stages, or a rate and a duration":        {RunID: "r", Experiments: run, Custom: experiment.Custom{Rate: 1, Stages: []schedule.Stage{schedule.Constant("a", 1, time.Second)}}},
		"a rate of 3000 per second: at most 2000": {RunID: "r", Experiments: run, Custom: experiment.Custom{Stages: []schedule.Stage{schedule.Constant("a", 3000, time.Second)}}},
	} {
		err := c.Check()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "experiment: ") {
			t.Errorf("got %v, want ... %s, and no name of a package before it", err, want)
			continue
		}
		if _, planned := experiment.Preview(c, results.Setup{}); planned == nil || planned.Error() != err.Error() {
			t.Errorf("it is planned, or refused with %v instead of %v", planned, err)
		}
	}
}

func TestExperimentsAreNamedInAnyCase(t *testing.T) {
	asked := []string{"e2", "RUN"}
	c := experiment.Config{RunID: "r", Experiments: asked, Custom: experiment.Custom{Rate: 1, Duration: time.Minute}}
	if err := c.Check(); err != nil {
		t.Error(err)
	}
	plan, err := experiment.Preview(c, newPretended().setup)
	if err != nil || plan.Experiments[0].ID != "E2" || plan.Experiments[1].ID != experiment.CustomID || asked[0] != "e2" {
		t.Errorf("%v, %+v; asked for %q", err, plan.Experiments, asked)
	}
	c.Experiments = []string{"e2", "E2"}
	if err := c.Check(); err == nil || err.Error() != "E2 is asked for twice" {
		t.Errorf("got %v", err)
	}
}

func TestOnAWSOnlyWhatIsPossibleThereIsAsked(t *testing.T) {
	plan, err := experiment.Preview(experiment.Config{RunID: "r", AWS: true}, newPretended().setup)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range plan.Experiments {
		ids = append(ids, e.ID)
	}
	if got := strings.Join(ids, " "); got != "E1 E2 E4 E9" {
		t.Errorf("asked: %s", got)
	}
}
