package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/arvo/dashboards/draw"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/sim"
)

// Defaults and limits.
const (
	DefaultDuration = 10 * time.Minute
	MinDuration     = time.Second
	MaxDuration     = 24 * time.Hour
	MaxRate         = 10_000_000 // subjects per second
	MaxRates        = 100
	Patience        = time.Hour // how long, simulated, a system has after the load to end what it has; at most a thousand times as long as the load
)

// Headroom is how much more than a rate its settings are meant for: with 1.2 they are busy for five sixths of the time.
const Headroom = 1.2

// Decades are the rates of a forecast that asks for none; more are added around the first ceilings.
var Decades = []float64{10, 100, 1000, 10_000, 100_000, 1_000_000}

// Config says what to forecast.
type Config struct {
	System    sim.System     // such as [FromTemplate] returns it
	Region    string         // whose quotas hold, if Quotas is nil
	Quotas    *sim.Quotas    // of an account that has others
	Latencies *sim.Latencies // nil for sim.AWS2026
	Prices    *sim.Prices    // nil for sim.USEast1
	Work      time.Duration  // of the handler on a subject
	Rates     []float64      // subjects per second, in any order; none for [Decades] and more
	Duration  time.Duration  // of the load at each rate, simulated; 0 for DefaultDuration
	Fit       bool           // simulate each rate again, with its settings raised
	Seed      uint64

	Template string   // names it in the forecast
	Changed  []string // what differs from it, in words

	// Progress is told each level when it and those before it are done: rates from low to high, and with Fit then from low to
	// high again. Calls do not overlap.
	Progress func(results.Level)
}

// Run makes a forecast. Rates are simulated on all processors. When ctx ends it returns what was done by then, with ctx's
// error: a forecast with fewer levels. With any other error there is none.
func Run(ctx context.Context, c Config) (*results.Forecast, error) {
	base, err := c.base()
	if err != nil {
		return nil, fmt.Errorf("forecast: %w", err)
	}
	rates, err := c.rates(base)
	if err != nil {
		return nil, fmt.Errorf("forecast: %w", err)
	}
	f := &results.Forecast{
		Region: c.Region, Seconds: c.Duration.Seconds(), WorkMs: results.Milliseconds(c.Work), Template: c.Template,
		Prices: fmt.Sprintf("list prices of %s, %s", base.Prices.Region, base.Prices.Date), Changed: c.Changed, Levels: []results.Level{},
	}
	if c.Duration == 0 {
		f.Seconds = DefaultDuration.Seconds()
	}
	f.Levels, err = sweep(ctx, base, rates, c.Progress, asDeployed)
	if err == nil && c.Fit {
		f.Fitted, err = sweep(ctx, base, rates, c.Progress, fitted)
	}
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("forecast: %w", err)
	}
	return f, err
}

// base returns the simulation that all rates have in common. Its load is of one subject a second.
func (c Config) base() (sim.Config, error) {
	s := sim.Config{System: c.System, Latencies: sim.AWS2026(), Prices: sim.USEast1(), Seed: c.Seed}
	s.System.Requests.Work = c.Work
	switch {
	case c.Work < 0 || c.Work > 15*time.Minute:
		return s, fmt.Errorf("work of %v: 0 to 15m", c.Work)
	case c.Duration != 0 && (c.Duration < MinDuration || c.Duration > MaxDuration):
		return s, fmt.Errorf("a load of %v: %v to %v", c.Duration, MinDuration, MaxDuration)
	}
	if c.Duration == 0 {
		c.Duration = DefaultDuration
	}
	if c.Latencies != nil {
		s.Latencies = *c.Latencies
	}
	if c.Prices != nil {
		s.Prices = *c.Prices
	}
	if c.Quotas != nil {
		s.Quotas = *c.Quotas
	} else {
		var err error
		if s.Quotas, err = sim.QuotasOf(c.Region); err != nil {
			return s, err
		}
	}
	s.Step, s.Drain = c.Duration/(Steps*stepsInOne), min(Patience, 1000*c.Duration)
	var err error
	s.Load, err = schedule.New(schedule.Constant("hold", 1, c.Duration))
	return s, err
}

// rates returns the rates from low to high, each once.
func (c Config) rates(base sim.Config) ([]float64, error) {
	rates := slices.Clone(c.Rates)
	if len(rates) == 0 {
		rates = slices.Clone(Decades)
		ceilings, err := base.Ceilings(0)
		if err != nil {
			return nil, err
		}
		for i, ceiling := range ceilings {
			if i == 3 || ceiling.Rate > Decades[len(Decades)-1] {
				break
			}
			for _, rate := range []float64{round(0.9 * ceiling.Rate), round(1.2 * ceiling.Rate)} {
				// A rate that is there already, or nearly, says nothing more.
				if rate > 0 && !slices.ContainsFunc(rates, func(have float64) bool { return math.Abs(have-rate) < 0.1*rate }) {
					rates = append(rates, rate)
				}
			}
		}
	}
	if len(rates) > MaxRates {
		return nil, fmt.Errorf("%d rates: at most %d", len(rates), MaxRates)
	}
	for _, rate := range rates {
		if !(rate > 0 && rate <= MaxRate) {
			return nil, fmt.Errorf("a rate of %v/s: more than 0, and at most %d", rate, MaxRate)
		}
		if n := rate * base.Load.Duration().Seconds(); n < 1 {
			return nil, fmt.Errorf("a rate of %v/s for %v is no subject", rate, base.Load.Duration())
		}
	}
	slices.Sort(rates)
	return slices.Compact(rates), nil
}

// round returns a number with two significant digits.
func round(f float64) float64 {
	if f <= 0 || math.IsInf(f, 1) {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(f))-1)
	return math.Round(f/unit) * unit
}

// Steps is how many steps of a level's series are in its load; each is made of several that are simulated, as limits are looked
// at after each.
const (
	Steps      = 60
	stepsInOne = 10
)

// A variant makes of what all rates have in common what a rate is simulated with, and says what it has changed.
type variant func(c sim.Config, rate float64) (changed sim.Config, raised []string, err error)

// sweep simulates rates side by side. With an error it returns the levels that were done, too.
func sweep(ctx context.Context, base sim.Config, rates []float64, progress func(results.Level), v variant) ([]results.Level, error) {
	levels := make([]*results.Level, len(rates))
	var mu sync.Mutex
	told := 0
	group, going := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, rate := range rates {
		group.Go(func() error {
			if going.Err() != nil { // those that were under way say how far they came
				return nil
			}
			l, err := level(going, base, rate, v)
			if err != nil {
				return fmt.Errorf("%s/s: %w", draw.Separate(strconv.FormatFloat(rate, 'f', -1, 64)), err)
			}
			mu.Lock()
			defer mu.Unlock()
			levels[i] = &l
			for ; told < len(levels) && levels[told] != nil; told++ {
				if progress != nil {
					progress(*levels[told])
				}
			}
			return nil
		})
	}
	err := group.Wait()
	if err == nil && slices.Contains(levels, nil) {
		err = ctx.Err()
	}
	done := []results.Level{}
	for _, l := range levels {
		if l != nil {
			done = append(done, *l)
		}
	}
	return done, err
}

// level simulates one rate.
func level(ctx context.Context, base sim.Config, rate float64, v variant) (results.Level, error) {
	c, raised, err := v(base, rate)
	if err != nil {
		return results.Level{}, err
	}
	duration := base.Load.Duration()
	if c.Load, err = schedule.New(schedule.Constant("hold", rate, duration)); err != nil {
		return results.Level{}, err
	}
	began := time.Now()
	r, err := sim.Run(ctx, c)
	if err != nil {
		return results.Level{}, err
	}
	advice, err := lacking(c, rate)
	if err != nil {
		return results.Level{}, err
	}
	series := seriesOf(r)
	l := results.Level{
		Offered: rate, Cohort: r.Cohort,
		Accepted: sum(series.Accepted, 0, Steps) / duration.Seconds(), Completed: sum(series.Completed, 0, Steps) / duration.Seconds(),
		Settled:  sum(series.Completed, Steps*4/5, Steps) / (duration.Seconds() / 5),
		Rejected: r.Counts.Rejected, Dead: r.Counts.Dead, PeakBack: r.Peak,
		EndToEnd: results.LatencyOf(r.EndToEnd), Ack: results.LatencyOf(r.Answered),
		Waits:      results.Waits{Accept: results.Milliseconds(r.Phases.Accept), Request: results.Milliseconds(r.Phases.Request), Service: results.Milliseconds(r.Phases.Service), Response: results.Milliseconds(r.Phases.Response), Store: results.Milliseconds(r.Phases.Store)},
		Raise:      advice,
		Raised:     raised,
		USDMillion: r.PerMillionCost, Cost: []results.Cost{},
		ComputeS: time.Since(began).Seconds(), Series: series,
	}
	if r.Drained {
		s := r.Drain.Seconds()
		l.DrainS = &s
	}
	if use, ok := r.Binding(); ok {
		l.Binding, l.BindingWhy = string(use.Limit), why(use, r.Counts)
	}
	for _, item := range r.PerMillion {
		l.Cost = append(l.Cost, results.Cost{Item: item.Name, USD: item.USD})
	}
	return l, nil
}

// why says in words what a limit did.
func why(use sim.LimitUse, n sim.Counts) string {
	var parts []string
	for _, part := range []struct {
		n    int64
		what string
	}{{use.Refused, "refused"}, {use.Dead, "dead-lettered"}, {use.Behind, "waiting when the load ends"}} {
		if part.n > 0 {
			parts = append(parts, draw.Count.Format(float64(part.n))+" "+part.what)
		}
	}
	return fmt.Sprintf("of %s subjects %s", draw.Count.Format(float64(n.Sent)), strings.Join(parts, ", "))
}

// seriesOf joins the steps of a simulation to longer ones. The last may have fewer, and is then left out: it is after the load.
func seriesOf(r *sim.Result) results.Series {
	s := results.Series{StepS: r.Step.Seconds() * stepsInOne, Offered: []float64{}, Accepted: []float64{}, Completed: []float64{}, Backlog: []float64{}}
	for steps := range slices.Chunk(r.Series, stepsInOne) {
		var one sim.Sample
		for _, step := range steps {
			one.Offered, one.Accepted, one.Completed = one.Offered+step.Offered, one.Accepted+step.Accepted, one.Completed+step.Completed
		}
		s.Offered = append(s.Offered, float64(one.Offered))
		s.Accepted = append(s.Accepted, float64(one.Accepted))
		s.Completed = append(s.Completed, float64(one.Completed))
		s.Backlog = append(s.Backlog, float64(steps[len(steps)-1].Backlog()))
	}
	return s
}

// sum adds up the elements from one to before another, as far as there are any.
func sum(series []float64, from, to int) float64 {
	var n float64
	for i := from; i < min(to, len(series)); i++ {
		n += series[i]
	}
	return n
}

// asDeployed is the variant that changes nothing.
func asDeployed(c sim.Config, _ float64) (sim.Config, []string, error) { return c, nil, nil }

// wanted returns the ceilings, the lowest first, with what a rate needs. Invocations of the API are refused when there is no
// environment, and do not wait: how many are busy varies as a Poisson number does, and there have to be enough for three
// standard deviations more than the mean ("square-root staffing").
func wanted(c sim.Config, rate float64) ([]sim.Ceiling, error) {
	ceilings, err := c.Ceilings(rate * Headroom)
	for i, ceiling := range ceilings {
		switch ceiling.Limit {
		case sim.AccountConcurrency, sim.APIReserved:
			ceilings[i].Need += 3 * math.Sqrt(ceiling.Need)
		}
	}
	return ceilings, err
}

// lacking lists what is too low for a rate, the lowest ceiling first.
func lacking(c sim.Config, rate float64) ([]string, error) {
	ceilings, err := wanted(c, rate)
	if err != nil {
		return nil, err
	}
	list := []string{}
	for _, ceiling := range ceilings {
		if !ceiling.Enough() {
			list = append(list, advice(ceiling))
		}
	}
	return list, nil
}

// advice says what to do about a ceiling.
func advice(c sim.Ceiling) string {
	switch c.Limit {
	case sim.RequestsConcurrency, sim.ResponsesConcurrency:
		if !c.Possible() {
			return fmt.Sprintf("%v: it takes %.0f queues with a mapping each", c, math.Ceil(c.Need/c.Most))
		}
	}
	return c.String()
}

// fitted is the variant with all settings raised that are too low for a rate, as far as they can be.
func fitted(c sim.Config, rate float64) (sim.Config, []string, error) {
	// Several limits may be those of one setting, and what is raised may need more of another, such as mappings of the account's
	// concurrency: what counts is what a setting was first and is last.
	type change struct {
		ceiling sim.Ceiling
		to      float64
	}
	var changes []change
	for range 4 {
		ceilings, err := wanted(c, rate)
		if err != nil {
			return c, nil, err
		}
		some := false
		for _, ceiling := range ceilings {
			to := math.Ceil(min(ceiling.Need, ceiling.Most))
			if to > ceiling.Have*(1+1e-9) {
				some = true
				if err := raise(&c, ceiling.Limit, to); err != nil {
					return c, nil, err
				}
				same := func(o change) bool {
					return setting(o.ceiling) == setting(ceiling)
				}
				if i := slices.IndexFunc(changes, same); i >= 0 {
					changes[i].to = max(changes[i].to, to)
				} else {
					changes = append(changes, change{ceiling, to})
				}
			}
		}
		if !some {
			break
		}
	}
	var raised []string
	for _, one := range changes {
		raised = append(raised, fmt.Sprintf("%s, %.0f -> %.0f", setting(one.ceiling), one.ceiling.Have, one.to))
	}
	return c, raised, nil
}

// setting names what to raise. The two mappings have a setting each.
func setting(c sim.Ceiling) string {
	switch c.Limit {
	case sim.RequestsConcurrency:
		return c.Setting + " of requests"
	case sim.ResponsesConcurrency:
		return c.Setting + " of responses"
	}
	return c.Setting
}

// raise raises the setting of a limit.
func raise(c *sim.Config, l sim.Limit, to float64) error {
	q, s := &c.Quotas, &c.System
	switch l {
	case sim.APIThrottle:
		// AWS gives half of what it lets through in a second at once.
		q.APIRate, q.APIBurst = max(q.APIRate, to), max(q.APIBurst, to/2)
		s.ThrottleRate, s.ThrottleBurst = max(s.ThrottleRate, to), max(s.ThrottleBurst, to/2)
	case sim.AccountConcurrency, sim.InvokeRate:
		q.Concurrency = max(q.Concurrency, int(to))
	case sim.PutEventsQuota:
		q.PutEventsRate = to
	case sim.BusQuota:
		q.BusInvocations = to
	case sim.TableThroughput:
		q.TableWarm, q.TableQuota = max(q.TableWarm, to), max(q.TableQuota, to)
	case sim.RequestsConcurrency:
		s.Requests.Concurrency = int(to)
	case sim.ResponsesConcurrency:
		s.Responses.Concurrency = int(to)
	case sim.APIReserved:
		s.Accept.Reserved = int(to)
	case sim.HandlerReserved:
		s.Requests.Reserved = int(to)
	default:
		return errors.New("there is nothing to raise for " + string(l))
	}
	if reserved := s.Accept.Reserved + s.Requests.Reserved; reserved > 0 {
		q.Concurrency = max(q.Concurrency, reserved+q.Unreserved)
	}
	return nil
}
