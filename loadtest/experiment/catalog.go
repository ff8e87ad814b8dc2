package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/stats"
)

// An Entry is an experiment that can be asked for.
type Entry struct {
	ID       string // E1
	Title    string
	Question string
	Quick    bool   // part of a quick run that asks for none in particular
	AWS      bool   // possible on AWS
	WhyNot   string // if it is not
}

// CustomID is the experiment that a user puts together: see [Custom].
const CustomID = "run"

// Catalog returns what can be asked for.
func Catalog() []Entry {
	var entries []Entry
	for _, q := range catalog {
		entries = append(entries, q.Entry)
	}
	return entries
}

// A question is an experiment: its cells, and what they say.
type question struct {
	Entry
	method  func(Config) string
	cells   func(Config) [][]spec // in groups of the same settings
	control func(Config) spec     // one more cell in the end, unless the run is to be quick; nil for none
	fixed   bool                  // cells of a group keep their order
	leans   bool                  // find tells predictions
	late    bool                  // find also takes cells that are generator-limited, and tells of it
	find    func(Config, []results.Cell) (string, []results.Fit)
	search  func(*runner, context.Context, *results.Experiment) error // instead of cells and find
}

func lookup(id string) question {
	return catalog[slices.IndexFunc(catalog, func(q question) bool { return q.ID == id })]
}

func names() []string {
	var ids []string
	for _, q := range catalog {
		ids = append(ids, q.ID)
	}
	return ids
}

// catalog is in the order in which experiments are asked when none is named. It is filled by init: a search measures cells, and
// that looks things up here.
var catalog []question

func init() {
	catalog = []question{
		{
			Entry: Entry{ID: "E1", Title: "Knee by MaximumConcurrency", Question: "Does MaximumConcurrency set the throughput?", Quick: true, AWS: true},
			method: func(c Config) string {
				return fmt.Sprintf("Batch size 1. For each MaximumConcurrency the load goes from below to above the predicted capacity, a cell at a time; each is drained before the next. Capacity is C·B/(o + ⌈B/P⌉·s) with o from the calibration at C=%d, which is no proof of itself: those at other C are.", calibrationConcurrency)
			},
			cells: kneeCells, control: kneeControl, find: findKnee, leans: true,
		},
		{
			Entry: Entry{ID: "E2", Title: "One load against four limits", Question: "What does a limit of concurrency do to a load that does not change?", Quick: true, AWS: true},
			method: func(Config) string {
				return "Batch size 1. The same load is put on each MaximumConcurrency, and the backlog drained."
			},
			cells: limitsCells, find: findLimits, leans: true,
		},
		{
			Entry: Entry{
				ID: "E3", Title: "Queue, hidden queue, no queue", Question: "What does the queue buy?",
				WhyNot: "it takes the queue out of the way of all subjects, also of those of others",
			},
			method: func(c Config) string {
				return fmt.Sprintf("A burst of twice the capacity of %d at a time goes by SQS (MaximumConcurrency %[1]d), by asynchronous invocation (the rule invokes the function, whose reserved concurrency is %[1]d; Lambda keeps a queue of its own and tries again later and later), and by synchronous invocation (reserved concurrency %[1]d; who comes when all are busy is told 429).", c.Concurrency)
			},
			cells: queueCells, find: findQueue,
		},
		{
			Entry: Entry{ID: "E4", Title: "Batch size", Question: "How much does a larger batch buy?", AWS: true},
			method: func(c Config) string {
				return fmt.Sprintf("1.3 times the predicted capacity at MaximumConcurrency %d. The overhead o is that of the calibration, at batch size 1.", batchConcurrency)
			},
			cells: batchCells, find: findBatch, leans: true,
		},
		{
			Entry: Entry{
				ID: "E5", Title: "Visibility timeout too short", Question: "What happens when work takes longer than the visibility timeout?",
				WhyNot: "AWS refuses a mapping whose queue has a visibility timeout below the function's",
			},
			method: func(c Config) string {
				return fmt.Sprintf("Work of %v, at %v of the capacity of %d at a time, with a visibility timeout of %v and of %v. Only the local stack allows the first; on AWS a function that is throttled or restarted gets the same.", visibilityWork, visibilityLoad, visibilityConcurrency, visibilityShort, visibilityLong)
			},
			cells: visibilityCells, find: findVisibility,
		},
		{
			Entry: Entry{
				ID: "E6", Title: "Recovery after an outage", Question: "How long does it take to catch up after an outage?",
				WhyNot: "AWS takes a minute or so to disable and enable a mapping",
			},
			method: func(c Config) string {
				return fmt.Sprintf("The mapping is disabled for %v while the load goes on at a share ρ of the capacity. Recovery is from then on until no more are behind than before; predicted is outage·ρ/(1-ρ).", c.outage())
			},
			cells: outageCells, find: findRecovery, leans: true, fixed: true,
		},
		{
			Entry: Entry{ID: "E9", Title: "Sustainable rate under an SLO", Question: "Which rate can be kept up?", AWS: true},
			method: func(c Config) string {
				return fmt.Sprintf("Rates are tried, from the predicted capacity on, until the highest that keeps the SLO and the lowest that does not are within %v %% of each other. A rate keeps it when %v %% of the subjects end within %v, none is lost or rejected, and the backlog does not grow. The order of cells follows from what is found.", searchTolerance*100, c.SLO.Quantile*100, c.SLO.EndToEnd)
			},
			search: search,
		},
		{
			Entry:  Entry{ID: CustomID, Title: "A load", Question: "What does this load do to the system?", AWS: true},
			method: func(Config) string { return "One load, as it was asked for." },
			cells:  customCells, find: findCustom, leans: true, late: true,
		},
	}
}

// E1

func kneeCells(c Config) [][]spec {
	concurrencies, loads := []int{2, 4, 8, 16, 32}, []float64{0.5, 0.8, 0.95, 1.05, 1.2, 1.5}
	if c.Quick {
		concurrencies, loads = []int{2, 8}, []float64{0.6, 0.9, 1.3}
	}
	var groups [][]spec
	for _, concurrency := range concurrencies {
		var group []spec
		for _, x := range loads {
			group = append(group, kneeCell(c, concurrency, x))
		}
		groups = append(groups, group)
	}
	return groups
}

func kneeCell(c Config, concurrency int, x float64) spec {
	work := c.Work
	if concurrency > 16 { // or it is the machine that is measured
		work *= 2
	}
	return spec{name: fmt.Sprintf("C=%d/offered=%v", concurrency, x), settings: limited(concurrency, 1), work: work, offered: x, load: c.times(x, work)}
}

// kneeControl repeats a cell in the end: has the machine become slower meanwhile?
func kneeControl(c Config) spec { return kneeCell(c, 8, 1.2) }

func findKnee(c Config, cells []results.Cell) (string, []results.Fit) {
	var limits []string
	var only string // the limit, if it is the only one
	var ratios, x, y []float64
	var fits []results.Fit
	for _, group := range byConcurrency(cells) {
		var offered, completed []float64
		var ceilings []float64
		for _, cell := range group {
			if cell.CompletedRate.Mean > 0 {
				offered, completed = append(offered, cell.OfferedRate), append(completed, cell.CompletedRate.Mean)
			}
			if cell.Params.Offered > 1 && cell.Validity == results.Valid {
				ceilings = append(ceilings, cell.CompletedRate.Mean)
			}
		}
		concurrency := group[0].Params.Concurrency
		ceiling, predicted := stats.Mean(ceilings).Mean, *group[0].PredictedCapacity
		if k, err := stats.FitKnee(offered, completed); err == nil {
			fits = append(fits, fit("offered_rate", fmt.Sprintf("C=%d", concurrency), k))
		}
		if len(ceilings) == 0 {
			continue
		}
		limits = append(limits, fmt.Sprintf("%s with %d at a time (predicted %s)", number(ceiling), concurrency, number(predicted)))
		only = fmt.Sprintf("With %d at a time the system completes at most %s subjects/s (predicted %s)", concurrency, number(ceiling), number(predicted))
		ratios = append(ratios, ceiling/predicted)
		if group[0].Params.WorkMs == results.Milliseconds(c.Work) {
			x, y = append(x, float64(concurrency)), append(y, ceiling)
		}
	}
	if k, err := stats.FitKnee(x, y); err == nil {
		fits = append(fits, fit("concurrency", "saturated", k))
	}
	if len(limits) == 0 {
		return "No finding: no cell above the predicted capacity is valid.", fits
	}
	if len(limits) == 1 {
		return only + "; whether MaximumConcurrency sets it takes a second limit.", fits
	}
	lo, hi := slices.Min(ratios), slices.Max(ratios)
	said := "MaximumConcurrency sets the throughput"
	switch {
	// No limit lets more be done than it allows: what exceeds the prediction is the error of that.
	case c.doubt != "" || hi > 1.1:
		said = "Whether MaximumConcurrency sets the throughput cannot be told from these predictions"
	case lo < 0.95:
		said = "MaximumConcurrency does not explain the throughput alone"
	}
	return fmt.Sprintf("%s: whatever is offered, the system completes at most %s subjects/s; measured over predicted is %.2f to %.2f.", said, results.List(limits), lo, hi), fits
}

// E2

// limitsSlots is how many slots the load of E2 needs: half of the limits are below, half above.
const limitsSlots = 7.5

func limitsCells(c Config) [][]spec {
	slots := limitsSlots
	if c.Quick {
		slots = 4.5 // with 2 at a time the backlog is then drained in five seconds
	}
	rate := math.Round(slots / c.Work.Seconds())
	load := c.at(rate, c.Work)
	if !c.Quick && !c.AWS {
		load = func(float64) []stage {
			stages := c.steady(rate, c.Work)
			stages[1].Duration *= 2
			return stages
		}
	}
	var groups [][]spec
	for _, concurrency := range []int{2, 4, 8, 16} {
		groups = append(groups, []spec{{name: fmt.Sprintf("C=%d", concurrency), settings: limited(concurrency, 1), work: c.Work, load: load}})
	}
	return groups
}

func findLimits(c Config, cells []results.Cell) (string, []results.Fit) {
	var said []string
	var x, y []float64
	for _, group := range byConcurrency(cells) {
		var completed, growth, little, drain, predicted, capacity []float64
		for _, cell := range group {
			completed, growth = append(completed, cell.CompletedRate.Mean), append(growth, cell.Backlog.Growth.Mean)
			capacity = append(capacity, *cell.PredictedCapacity)
			if cell.LittleRatio != nil {
				little = append(little, *cell.LittleRatio)
			}
			if cell.Backlog.DrainS != nil && cell.PredictedDrainS != nil {
				drain, predicted = append(drain, *cell.Backlog.DrainS), append(predicted, *cell.PredictedDrainS)
			}
		}
		mean := stats.Mean(completed).Mean
		concurrency := group[0].Params.Concurrency
		if mean > 0 {
			x, y = append(x, float64(concurrency)), append(y, mean)
		}
		text := fmt.Sprintf("%d at a time completed %s/s", concurrency, number(mean))
		stable, unstable := ofRepeats(group, isVerdict(stats.Stable)), ofRepeats(group, isVerdict(stats.Unstable))
		switch {
		case unstable.all():
			text += fmt.Sprintf(" (predicted %s; the backlog grew by %s/s", number(stats.Mean(capacity).Mean), number(stats.Mean(growth).Mean))
			if len(drain) > 0 {
				text += fmt.Sprintf(" and took %s s to drain, predicted %s", number(stats.Mean(drain).Mean), number(stats.Mean(predicted).Mean))
			}
			diagnosis := stats.Undecided
			if d := stats.Diagnosis(group[0].Diagnosis); ofRepeats(group, func(c results.Cell) bool { return c.Diagnosis == string(d) }).all() {
				diagnosis = d
			}
			text += c.limitedBy(string(diagnosis), little) + ")"
		case stable.all():
			text += " and kept up"
		case stable.n+unstable.n > 0:
			text += fmt.Sprintf(" (it kept up in %v and fell behind in %v)", stable, unstable)
		default:
			text += " (whether it kept up, this load is too short to say)"
		}
		said = append(said, text)
	}
	var fits []results.Fit
	if k, err := stats.FitKnee(x, y); err == nil {
		fits = append(fits, fit("concurrency", results.Short(cells[0].OfferedRate)+"/s", k))
	}
	return fmt.Sprintf("At %s/s offered, %s.", number(cells[0].OfferedRate), results.List(said)), fits
}

// A share is how many of the repeats of a cell have something.
type share struct{ n, of int }

func ofRepeats(group []results.Cell, has func(results.Cell) bool) share {
	s := share{of: len(group)}
	for _, cell := range group {
		if has(cell) {
			s.n++
		}
	}
	return s
}

func isVerdict(v stats.Verdict) func(results.Cell) bool {
	return func(c results.Cell) bool { return c.Backlog.Verdict == string(v) }
}

func (s share) all() bool      { return s.n == s.of }
func (s share) String() string { return fmt.Sprintf("%d of %d repeats", s.n, s.of) }

// limitedBy says what a cell that falls behind is limited by. Little's ratio is made of the calibration, too.
func (c Config) limitedBy(diagnosis string, little []float64) string {
	if len(little) == 0 {
		return ""
	}
	ratio := stats.Mean(little).Mean
	switch {
	case c.doubt != "":
	case diagnosis == string(stats.LimitedByConcurrency):
		return fmt.Sprintf("; the concurrency limit is the bottleneck, Little %.2f", ratio)
	case diagnosis == string(stats.LimitedElsewhere):
		return fmt.Sprintf("; the concurrency limit is not the bottleneck, Little %.2f", ratio)
	}
	return fmt.Sprintf("; Little %.2f", ratio)
}

// E3

func queueCells(c Config) [][]spec {
	base, burst, rest := 5*time.Second, 10*time.Second, 30*time.Second
	if c.Quick {
		base, burst, rest = 2*time.Second, 2*time.Second, 4*time.Second
	}
	load := func(capacity float64) []stage {
		high := min(2*capacity, c.MaxRate)
		return []stage{
			{schedule.Constant("base", high/4, base), false},
			{schedule.Constant("burst", high, burst), true},
			{schedule.Constant("rest", high/4, rest), true},
		}
	}
	reserved, none := c.Concurrency, -1
	arm := func(name string, s Settings, via string, predict func(prediction) string) []spec {
		return []spec{{name: name, settings: s, via: via, work: c.Work, load: load, predict: predict}}
	}
	queue, hidden, direct := RouteQueue, RouteHidden, RouteQueue
	atOnce := limited(c.Concurrency, 1)
	withQueue := Settings{Concurrency: atOnce.Concurrency, Batch: atOnce.Batch, Reserved: &none, Route: &queue}
	excess := func(p prediction) float64 { return p.rate * burst.Seconds() }
	arms := [][]spec{
		arm(RouteQueue, withQueue, ViaAPI, func(p prediction) string {
			return fmt.Sprintf("none is rejected, about %s wait at the end of the burst", subjects(excess(p)))
		}),
		arm(RouteHidden, Settings{Reserved: &reserved, Route: &hidden}, ViaAPI, func(p prediction) string {
			return fmt.Sprintf("none is rejected, about %s wait at the end of the burst, out of sight; what Lambda tries again waits longer and longer, so the drain takes at least as long as with SQS", subjects(excess(p)))
		}),
		arm(ViaFunction, Settings{Reserved: &reserved, Route: &direct}, ViaFunction, func(p prediction) string {
			return fmt.Sprintf("nothing waits, about %s are rejected", subjects(excess(p)))
		}),
	}
	arms[1][0].extra = 3 * time.Minute // Lambda's queue tries again after a second, then two, four, ... minutes
	return arms
}

func findQueue(_ Config, cells []results.Cell) (string, []results.Fit) {
	called := map[string]string{RouteQueue: "with SQS", RouteHidden: "with Lambda's own queue", ViaFunction: "without a queue"}
	var said []string
	for _, way := range []string{RouteQueue, RouteHidden, ViaFunction} {
		var n results.Counts
		var slowest float64
		for _, cell := range cells {
			if cell.Params.Queue == way {
				n.Scheduled, n.Completed, n.Rejected, n.Lost = n.Scheduled+cell.Counts.Scheduled, n.Completed+cell.Counts.Completed, n.Rejected+cell.Counts.Rejected, n.Lost+cell.Counts.Lost
				slowest = max(slowest, cell.EndToEnd.Max)
			}
		}
		if n.Scheduled == 0 {
			continue
		}
		said = append(said, fmt.Sprintf("%s %d of %d subjects were completed, %d rejected and %d lost, the slowest in %s", called[way], n.Completed, n.Scheduled, n.Rejected, n.Lost, short(milliseconds(slowest))))
	}
	return "In a burst of twice the capacity, " + results.List(said) + ".", nil
}

// E4

const batchConcurrency = 2

func batchCells(c Config) [][]spec {
	sizes := []int{1, 2, 5, 10}
	if c.Quick {
		sizes = []int{1, 2, 10}
	}
	work := 2 * c.Work // ten at a time are many a second, and it is not the machine that is asked
	var groups [][]spec
	for _, size := range sizes {
		groups = append(groups, []spec{{name: fmt.Sprintf("B=%d", size), settings: limited(batchConcurrency, size), work: work, offered: 1.3, load: c.times(1.3, work)}})
	}
	return groups
}

func findBatch(_ Config, cells []results.Cell) (string, []results.Fit) {
	var said []string
	slices.SortStableFunc(cells, func(a, b results.Cell) int { return a.Params.Batch - b.Params.Batch })
	for _, group := range groupBy(cells, func(c results.Cell) int { return c.Params.Batch }) {
		completed, predicted := means(group)
		said = append(said, fmt.Sprintf("%s/s in batches of %d (predicted %s)", number(completed), group[0].Params.Batch, number(predicted)))
	}
	return fmt.Sprintf("With %d at a time the system completes %s, %d subjects of a batch being done side by side.", batchConcurrency, results.List(said), cells[0].Params.Parallelism), nil
}

// E5

const (
	visibilityWork        = 2 * time.Second
	visibilityShort       = 1 * time.Second // SQS counts in whole seconds
	visibilityLong        = 10 * time.Second
	visibilityConcurrency = 8
	visibilityLoad        = 0.75
)

func visibilityCells(c Config) [][]spec {
	hold := 30 * time.Second
	if c.Quick {
		hold = 12 * time.Second
	}
	var groups [][]spec
	for _, visibility := range []time.Duration{visibilityShort, visibilityLong} {
		s := limited(visibilityConcurrency, 1)
		s.Visibility = &visibility
		cell := spec{
			name: fmt.Sprintf("visibility=%v", visibility), settings: s, work: visibilityWork, offered: visibilityLoad,
			load: func(capacity float64) []stage {
				rate := visibilityLoad * capacity
				return []stage{{schedule.Constant(stageWarmUp, rate, 2*visibilityWork), false}, {schedule.Constant(stageHold, rate, hold), true}}
			},
		}
		if visibility < visibilityWork {
			times := math.Ceil(visibilityWork.Seconds() / visibility.Seconds())
			cell.predict = func(p prediction) string {
				return fmt.Sprintf("a message is visible again after %v of %v of work, and done again if a slot is free then: %v of the capacity become up to %v", visibility, visibilityWork, visibilityLoad, visibilityLoad*times)
			}
		}
		groups = append(groups, []spec{cell})
	}
	return groups
}

func findVisibility(_ Config, cells []results.Cell) (string, []results.Fit) {
	var said []string
	slices.SortStableFunc(cells, func(a, b results.Cell) int { return int(a.Params.VisibilityS - b.Params.VisibilityS) })
	for _, group := range groupBy(cells, func(c results.Cell) int { return int(c.Params.VisibilityS) }) {
		var n results.Counts
		for _, cell := range group {
			n.Scheduled, n.Completed, n.Duplicated = n.Scheduled+cell.Counts.Scheduled, n.Completed+cell.Counts.Completed, n.Duplicated+cell.Counts.Duplicated
			n.Deliveries, n.DeadLettered = n.Deliveries+cell.Counts.Deliveries, n.DeadLettered+cell.Counts.DeadLettered
		}
		completed, _ := means(group)
		text := fmt.Sprintf("with a visibility timeout of %v, %d of %d subjects were done more than once", seconds(group[0].Params.VisibilityS), n.Duplicated, n.Scheduled)
		if n.Completed > 0 {
			text += fmt.Sprintf(" (%.2f times on the average)", float64(n.Deliveries)/float64(n.Completed))
		}
		text += fmt.Sprintf(" and %s/s of %s/s offered completed", number(completed), number(group[0].OfferedRate))
		said = append(said, text)
	}
	return fmt.Sprintf("Of work that takes %v, at %v of the capacity: %s.", visibilityWork, visibilityLoad, results.List(said)), nil
}

// E6

func (c Config) outage() time.Duration {
	if c.Quick {
		return 3 * time.Second
	}
	return 10 * time.Second
}

func outageCells(c Config) [][]spec {
	shares := []float64{0.5, 0.8, 0.9}
	if c.Quick {
		shares = []float64{0.5, 0.75}
	}
	var group []spec
	for _, share := range shares {
		recovery, _ := stats.Recovery(c.outage(), share) // always, below 1
		group = append(group, spec{
			name: fmt.Sprintf("load=%v", share), settings: limited(c.Concurrency, 1), work: c.Work, offered: share, outage: c.outage(),
			load: func(capacity float64) []stage {
				rate := min(share*capacity, c.MaxRate)
				before := 3 * time.Second
				return []stage{
					{schedule.Constant("before", rate, before), true},
					{schedule.Constant(stageOutage, rate, c.outage()), true},
					{schedule.Constant("after", rate, recovery*6/5+before), true},
				}
			},
			predict: func(p prediction) string {
				return fmt.Sprintf("%v without the mapping leave %s behind, which are caught up with %s later", c.outage(), subjects(share*p.rate*c.outage().Seconds()), short(recovery))
			},
		})
	}
	return [][]spec{group}
}

func findRecovery(_ Config, cells []results.Cell) (string, []results.Fit) {
	var said []string
	slices.SortStableFunc(cells, func(a, b results.Cell) int { return int(1000*a.Params.Offered) - int(1000*b.Params.Offered) })
	for _, cell := range cells {
		text := fmt.Sprintf("at %v of the capacity, an outage of %s s was followed by ", cell.Params.Offered, number(cell.Params.OutageS))
		if cell.RecoveryS == nil {
			text += "no recovery until the load ended"
		} else {
			text += fmt.Sprintf("%s s of recovery", number(*cell.RecoveryS))
		}
		if cell.PredictedRecoveryS != nil {
			text += fmt.Sprintf(" (predicted %s)", number(*cell.PredictedRecoveryS))
		}
		said = append(said, text)
	}
	return fmt.Sprintf("Headroom is what recovers: %s.", results.List(said)), nil
}

// run

func customCells(c Config) [][]spec {
	s := spec{work: c.Work, load: func(float64) []stage {
		if len(c.Custom.Stages) == 0 {
			warm := min(c.Custom.Duration/5, 2*time.Second)
			return []stage{
				{schedule.Constant(stageWarmUp, c.Custom.Rate, warm), false},
				{schedule.Constant(stageHold, c.Custom.Rate, c.Custom.Duration-warm), true},
			}
		}
		var stages []stage
		for _, s := range c.Custom.Stages {
			stages = append(stages, stage{s, true})
		}
		return stages
	}}
	if n := c.Custom.Concurrency; n != 0 {
		s.settings.Concurrency = &n
	}
	if n := c.Custom.Batch; n != 0 {
		s.settings.Batch = &n
	}
	if d := c.Custom.Visibility; d != 0 {
		s.settings.Visibility = &d
	}
	return [][]spec{{s}}
}

func findCustom(c Config, cells []results.Cell) (string, []results.Fit) {
	var said []string
	for _, cell := range cells {
		text := fmt.Sprintf("at %s/s offered, %d at a time completed %s/s (95 %% interval %s)", number(cell.OfferedRate), cell.Params.Concurrency, number(cell.CompletedRate.Mean), interval(cell.CompletedRate))
		text += fmt.Sprintf("; predicted %s. ", number(min(cell.OfferedRate, *cell.PredictedCapacity)))
		switch stats.Verdict(cell.Backlog.Verdict) {
		case stats.Unstable:
			var little []float64
			if cell.LittleRatio != nil {
				little = []float64{*cell.LittleRatio}
			}
			text += fmt.Sprintf("The backlog grew by %s/s to %d%s.", number(cell.Backlog.Growth.Mean), cell.Backlog.Peak, c.limitedBy(cell.Diagnosis, little))
		case stats.Stable:
			text += "It kept up."
		default:
			text += fmt.Sprintf("Whether it kept up, this load is too short to say; the backlog was %d at most.", cell.Backlog.Peak)
		}
		if cell.Counts.Lost > 0 {
			text += fmt.Sprintf(" %d of %d subjects were lost.", cell.Counts.Lost, cell.Counts.Scheduled)
		}
		if cell.Validity == results.GeneratorLimited {
			text += fmt.Sprintf(" With a reservation, since this is not quite the load that was asked for: %s.", strings.Join(cell.Why, "; "))
		}
		said = append(said, strings.ToUpper(text[:1])+text[1:])
	}
	return strings.Join(said, " "), nil
}

// What findings are made of.

func byConcurrency(cells []results.Cell) [][]results.Cell {
	slices.SortStableFunc(cells, func(a, b results.Cell) int { return a.Params.Concurrency - b.Params.Concurrency })
	return groupBy(cells, func(c results.Cell) int { return c.Params.Concurrency })
}

// groupBy cuts sorted cells where their key changes.
func groupBy(cells []results.Cell, key func(results.Cell) int) [][]results.Cell {
	var groups [][]results.Cell
	for i, cell := range cells {
		if i == 0 || key(cell) != key(cells[i-1]) {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], cell)
	}
	return groups
}

// means returns the means of completed rates and predicted capacities.
func means(cells []results.Cell) (completed, predicted float64) {
	for _, cell := range cells {
		completed += cell.CompletedRate.Mean / float64(len(cells))
		predicted += *cell.PredictedCapacity / float64(len(cells))
	}
	return completed, predicted
}

func fit(x, series string, k stats.Knee) results.Fit {
	return results.Fit{X: x, Series: series, Slope: k.Slope, Ceiling: finite(k.Ceiling), At: finite(k.At), Residual: k.Residual}
}

func interval(i results.Interval) string {
	if i.Lo == nil || i.Hi == nil {
		return "not known"
	}
	return fmt.Sprintf("%s to %s", number(*i.Lo), number(*i.Hi))
}

func milliseconds(ms float64) time.Duration { return seconds(ms / 1e3) }
