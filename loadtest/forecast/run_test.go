package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is that of a short forecast of template.yaml on a table that is warm.
func config(t testing.TB, params map[string]string) Config {
	t.Helper()
	s, err := FromTemplate(deployed, params)
	if err != nil {
		t.Fatal(err)
	}
	q, err := sim.QuotasOf("us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	q.TableWarm, q.MappingInitial = 40_000, 1000
	return Config{System: s, Quotas: &q, Region: "us-east-1", Work: 50 * time.Millisecond, Duration: 20 * time.Second}
}

func forecast(t testing.TB, c Config) *results.Forecast {
	t.Helper()
	f, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func near(got, want, share float64) bool { return math.Abs(got-want) <= share*math.Abs(want) }

// The requests mapping takes 1,251/s: 10 invocations at a time of 10 subjects each, in 2 ms, 50 ms and the slowest of ten PutEvents calls.
func TestForecastOfTheTemplate(t *testing.T) {
	c := config(t, nil)
	c.Rates, c.Fit = []float64{2000, 100, 2000}, true
	f := forecast(t, c)
	if len(f.Levels) != 2 || len(f.Fitted) != 2 || f.Seconds != 20 || f.WorkMs != 50 || !strings.Contains(f.Prices, "us-east-1") {
		t.Fatalf("%+v", f)
	}
	low, high, fit := f.Levels[0], f.Levels[1], f.Fitted[1]
	if low.Offered != 100 || !near(low.Settled, 100, 0.02) || low.Binding != "" || len(low.Raise) != 0 || low.DrainS == nil || *low.DrainS > 1 {
		t.Errorf("a rate that is kept: %+v", low)
	}
	if high.Offered != 2000 || !near(high.Settled, 1251, 0.02) || high.Binding != string(sim.RequestsConcurrency) || !strings.Contains(high.BindingWhy, "of 40\u202f000 subjects ") || !strings.HasSuffix(high.BindingWhy, " waiting when the load ends") {
		t.Errorf("a rate that is not: %+v", high)
	}
	if len(high.Raise) != 1 || high.Raise[0] != "requests MaximumConcurrency at 1251/s: MaximumConcurrency of the mapping, 10 -> 20" || len(high.Raised) != 0 {
		t.Errorf("raise %q", high.Raise)
	}
	// What is behind at the end of the load is drained by the same capacity.
	if want := float64(high.PeakBack) / 1251; high.DrainS == nil || !near(*high.DrainS, want, 0.03) {
		t.Errorf("drained in %v, want %v", high.DrainS, want)
	}
	if !near(fit.Settled, 2000, 0.02) || fit.Binding != "" || len(fit.Raise) != 0 || !slices.Equal(fit.Raised, []string{"MaximumConcurrency of the mapping of requests, 10 -> 20"}) {
		t.Errorf("as advised: %+v", fit)
	}
	var usd float64
	for _, item := range high.Cost {
		usd += item.USD
	}
	if !near(usd, high.USDMillion, 1e-9) || usd < 10 || usd > 100 {
		t.Errorf("%v of %v dollars for a million", usd, high.USDMillion)
	}
	w := low.Waits
	if sum := w.Accept + w.Request + w.Service + w.Response + w.Store; !near(sum, low.EndToEnd.Mean, 1e-3) || low.EndToEnd.P50 == nil || low.EndToEnd.P999 != nil {
		t.Errorf("waits of %v ms in all, %+v end to end", sum, low.EndToEnd)
	}
}

func TestWhatTheTemplateSaysIsForecast(t *testing.T) {
	for _, test := range []struct {
		name   string
		params map[string]string
		work   time.Duration
		want   float64 // completed a second
		limit  sim.Limit
	}{
		{"half the concurrency is half the rate", map[string]string{"RequestsConcurrency": "5"}, 50 * time.Millisecond, 1251. / 2, sim.RequestsConcurrency},
		{"batches of one", map[string]string{"RequestsBatchSize": "1", "RequestsConcurrency": "4"}, 500 * time.Millisecond, 4 / 0.516, sim.RequestsConcurrency},
		{"one subject of a batch after the other", map[string]string{"BatchParallelism": "1", "RequestsConcurrency": "4"}, 500 * time.Millisecond, 4 * 10 / (0.002 + 10*0.514), sim.RequestsConcurrency},
		{"fewer sinks", map[string]string{"RequestsConcurrency": "40", "ResponsesConcurrency": "2", "ResponsesBatchSize": "1"}, 50 * time.Millisecond, 2 / 0.011, sim.ResponsesConcurrency},
		{"a throttle", map[string]string{"ThrottleRate": "30", "ThrottleBurst": "1"}, 50 * time.Millisecond, 30, sim.APIThrottle},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config(t, test.params)
			c.Rates, c.Work = []float64{max(2*test.want, 50)}, test.work
			if test.want < 100 {
				c.Duration = 60 * time.Second
			}
			l := forecast(t, c).Levels[0]
			if !near(l.Settled, test.want, 0.04) || l.Binding != string(test.limit) {
				t.Errorf("%.2f/s, held by %s; want %.2f/s, by %s", l.Settled, l.Binding, test.want, test.limit)
			}
		})
	}
}

// For each limit a system that it holds back at a rate, and what is raised then holds the rate.
func TestAdviceWorks(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		rate   float64
		raised string
	}{
		{"a new table", func(c *Config) { c.Quotas.TableWarm = 4000 }, 1000, "warm write units of the table, 4000 -> 8400"},
		{"a quota of PutEvents", func(c *Config) { c.Quotas.PutEventsRate = 400 }, 600, "PutEvents calls a second, 400 -> 792"},
		{"a quota of the bus", func(c *Config) { c.Quotas.BusInvocations = 750 }, 600, "bus deliveries a second, 750 -> 1440"},
		{"an account of few environments", func(c *Config) { c.Quotas.Concurrency, c.Quotas.Unreserved = 20, 0 }, 500, "concurrent executions of the account, 20 -> "},
		{"a reservation", func(c *Config) { c.System.Requests.Reserved = 3 }, 600, "reserved concurrency of the handler, 3 -> "},
		{"another reservation", func(c *Config) { c.System.Accept.Reserved = 6 }, 600, "reserved concurrency of api_lambda, 6 -> "},
		{"a throttle", func(c *Config) { c.System.ThrottleRate, c.System.ThrottleBurst = 200, 100 }, 600, "requests a second of stage and account, 200 -> 720"},
		{"the account's throttle", func(c *Config) { c.Quotas.APIRate, c.Quotas.APIBurst = 200, 100 }, 600, "requests a second of stage and account, 200 -> 720"},
		{"sinks", func(c *Config) { c.System.Responses.Concurrency, c.System.Responses.BatchSize = 2, 1 }, 600, "MaximumConcurrency of the mapping of responses, 2 -> "},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config(t, nil)
			test.change(&c)
			c.Rates, c.Fit, c.Duration = []float64{test.rate}, true, 10*time.Second
			f := forecast(t, c)
			before, after := f.Levels[0], f.Fitted[0]
			if before.Binding == "" || len(before.Raise) == 0 {
				t.Errorf("nothing holds it back: %+v", before)
			}
			if !near(after.Settled, test.rate, 0.03) || after.Binding != "" || !slices.ContainsFunc(after.Raised, func(s string) bool { return strings.HasPrefix(s, test.raised) }) {
				t.Errorf("%v/s of %v/s, %s binds (%s), raised %q", after.Settled, test.rate, after.Binding, after.BindingWhy, after.Raised)
			}
			if len(after.Raise) != 0 {
				t.Errorf("and then %q", after.Raise)
			}
		})
	}
}

func TestWhatCannotBeRaisedTakesMoreQueues(t *testing.T) {
	c := config(t, nil)
	c.Rates, c.Fit, c.Duration = []float64{500_000}, true, 2*time.Second
	l := forecast(t, c).Fitted[0]
	if l.Binding == "" || !slices.ContainsFunc(l.Raise, func(s string) bool {
		return strings.HasSuffix(s, "10 -> 4796, and 1000 is the most: it takes 5 queues with a mapping each") || strings.HasSuffix(s, "1000 -> 4796, and 1000 is the most: it takes 5 queues with a mapping each")
	}) {
		t.Errorf("%s binds; raise %q", l.Binding, l.Raise)
	}
}

func TestDefaultRates(t *testing.T) {
	c := config(t, nil)
	base, err := c.base()
	if err != nil {
		t.Fatal(err)
	}
	rates, err := c.rates(base)
	if err != nil {
		t.Fatal(err)
	}
	// Around 1,251 of the handler, 3,013 of the sink and 5,714 of the table; 1,130 says little more than 1,000.
	want := []float64{10, 100, 1000, 1500, 2700, 3600, 5100, 6900, 10_000, 100_000, 1_000_000}
	if diff := cmp.Diff(want, rates, cmpopts.EquateApprox(1e-9, 0)); diff != "" && !slices.Contains(rates, 1100) {
		t.Error(diff)
	}
	if !slices.IsSorted(rates) || len(rates) < 9 {
		t.Errorf("%v", rates)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"a region without a name", func(c *Config) { c.Quotas, c.Region = nil, "" }, `forecast: sim: region ""`},
		{"a rate of nothing", func(c *Config) { c.Rates = []float64{0} }, "a rate of 0/s"},
		{"a rate that is none", func(c *Config) { c.Rates = []float64{math.NaN()} }, "a rate of NaN/s"},
		{"a rate beyond all", func(c *Config) { c.Rates = []float64{1e8} }, "a rate of 1e+08/s"},
		{"many rates", func(c *Config) { c.Rates = make([]float64, 101) }, "101 rates: at most 100"},
		{"a short load", func(c *Config) { c.Duration = 1 }, "a load of 1ns"},
		{"a long load", func(c *Config) { c.Duration = 48 * time.Hour }, "a load of 48h"},
		{"negative work", func(c *Config) { c.Work = -1 }, "work of -1ns"},
		{"work that takes longer than the function may", func(c *Config) { c.Work = time.Minute; c.Rates = []float64{10} }, "forecast: 10/s: sim: system: requests: a full batch takes 1m0.002s without its calls: the function is stopped after 30s"},
		{"a system of nothing", func(c *Config) { c.System = sim.System{} }, "throttle of 0/s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := config(t, nil)
			test.change(&c)
			if f, err := Run(context.Background(), c); err == nil || f != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v; want %s", f, err, test.want)
			}
		})
	}
}

func TestRunThatIsInterruptedHasWhatWasDone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := config(t, nil)
	c.Rates, c.Fit, c.Duration = []float64{10, 1000, 1_000_000, 2_000_000}, true, time.Hour
	c.System.Requests.Concurrency = 1000
	var told []float64
	c.Progress = func(l results.Level) {
		told = append(told, l.Offered)
		cancel()
	}
	f, err := Run(ctx, c)
	if !errors.Is(err, context.Canceled) || f == nil || len(f.Levels) == 0 || len(f.Levels) == 4 || f.Levels[0].Offered != 10 || f.Fitted != nil {
		t.Fatalf("%+v, %v", f, err)
	}
	if !regexp.MustCompile(`: (1000|1\x{202f}000\x{202f}000|2\x{202f}000\x{202f}000)/s: sim: interrupted after [0-9hms]+ of simulated time: `).MatchString("forecast: " + err.Error()) {
		t.Errorf("got %q", err)
	}
	if len(told) == 0 || told[0] != 10 {
		t.Errorf("told %v", told)
	}
}

func TestProgressIsToldInOrder(t *testing.T) {
	c := config(t, nil)
	c.Rates, c.Fit, c.Duration = []float64{3000, 10, 300, 20, 1}, true, 5*time.Second
	var told []float64
	c.Progress = func(l results.Level) { told = append(told, l.Offered) }
	forecast(t, c)
	if want := []float64{1, 10, 20, 300, 3000, 1, 10, 20, 300, 3000}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestEqualConfigurationsHaveEqualForecasts(t *testing.T) {
	c := config(t, nil)
	c.Rates, c.Duration = []float64{100, 2000}, 5*time.Second
	if diff := cmp.Diff(forecast(t, c), forecast(t, c), cmpopts.IgnoreFields(results.Level{}, "ComputeS")); diff != "" {
		t.Error(diff)
	}
}

func TestSeriesHasTheWholeLoad(t *testing.T) {
	c := config(t, nil)
	c.Rates = []float64{1000}
	l := forecast(t, c).Levels[0]
	if sum(l.Series.Offered, 0, Steps) != 20_000 || !near(l.Series.StepS*Steps, 20, 1e-6) {
		t.Errorf("%v in %d steps of %v s", sum(l.Series.Offered, 0, Steps), len(l.Series.Offered), l.Series.StepS)
	}
	if got := sum(l.Series.Completed, 0, Steps) / 20; got != l.Completed {
		t.Errorf("%v/s completed, and %v/s in the series", l.Completed, got)
	}
}

func ExampleRun() {
	system, err := FromTemplate("../../template.yaml", map[string]string{"RequestsConcurrency": "4"})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := Run(context.Background(), Config{System: system, Region: "eu-central-1", Work: 100 * time.Millisecond, Rates: []float64{400}, Duration: time.Minute, Fit: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	deployed, fitted := f.Levels[0], f.Fitted[0]
	fmt.Printf("%.0f/s: %s holds it to %.0f/s\n", deployed.Offered, deployed.Binding, deployed.Settled)
	fmt.Println(fitted.Raised[0])
	fmt.Printf("then %.0f/s\n", fitted.Settled)
	// Output:
	// 400/s: requests MaximumConcurrency holds it to 306/s
	// MaximumConcurrency of the mapping of requests, 4 -> 7
	// then 400/s
}

// The whole sweep of the template, as deployed and as advised; at a million a second alone.
func BenchmarkForecast(b *testing.B) {
	for _, test := range []struct {
		name  string
		rates []float64
	}{{"all", nil}, {"rate=1000000", []float64{1_000_000}}} {
		b.Run(test.name, func(b *testing.B) {
			for b.Loop() {
				c := config(b, nil)
				c.Quotas, c.Duration, c.Rates, c.Fit = nil, DefaultDuration, test.rates, true
				f := forecast(b, c)
				b.ReportMetric(float64(len(f.Levels)+len(f.Fitted)), "levels")
				b.ReportMetric(f.Fitted[len(f.Fitted)-1].ComputeS, "s/last")
			}
		})
	}
}
