package results

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// units are the units of bench.txt, and which direction is better.
var units = []struct{ name, better string }{
	{"completed/s", "higher"},
	{"accepted/s", "higher"},
	{"e2e-p50-ms", "lower"},
	{"e2e-p99-ms", "lower"},
	{"ack-p99-ms", "lower"},
	{"peak-backlog", "lower"},
	{"drain-s", "lower"},
	{"lost", "lower"},
	{"duplicates", "lower"},
	{"USD/million", "lower"},
}

// WriteBench writes what was measured in the format of Go benchmarks, for benchstat: bench.txt.
//
//	Unit completed/s better=higher
//	BenchmarkPipeline/exp=E1/C=4/B=1/work=50ms/offered=1.2x 1 79.8 completed/s 1210 e2e-p99-ms ...
//
// There is a line for each cell and repeat. A name says what was asked for, not what came of it, so that lines of two runs
// have equal names: a load that is a multiple of a predicted capacity is named by the multiple. Calibrations are left out,
// and so are cells that are not valid: comments say which. A forecast's levels are benchmarks called Forecast and Fitted.
func WriteBench(w io.Writer, r Results) error {
	out := bufio.NewWriter(w) // keeps its first error for Flush
	// Only what two runs that are compared have in common may be configuration: benchstat compares nothing across it.
	fmt.Fprintf(out, "# run %s, %s\n", line(r.Run.ID), r.Run.Started.UTC().Format("2006-01-02T15:04:05Z"))
	if r.Run.Git != "" {
		fmt.Fprintf(out, "# git %s\n", line(r.Run.Git))
	}
	fmt.Fprintf(out, "target: %s\n", line(r.Run.Target))
	for _, u := range units {
		fmt.Fprintf(out, "Unit %s better=%s\n", u.name, u.better)
	}
	for _, c := range r.Cells {
		switch {
		case c.Role == "calibration":
		case c.Validity != Valid:
			fmt.Fprintf(out, "# %s is left out: %s\n", line(c.ID), line(string(c.Validity)))
		default:
			writeBenchmark(out, "Pipeline"+c.benchmark(), map[string]*float64{
				"completed/s": &c.CompletedRate.Mean, "accepted/s": &c.AcceptedRate,
				"e2e-p50-ms": c.EndToEnd.P50, "e2e-p99-ms": c.EndToEnd.P99, "ack-p99-ms": c.Acknowledged.P99,
				"peak-backlog": count(c.Backlog.Peak), "drain-s": c.Backlog.DrainS,
				"lost": count(c.Counts.Lost), "duplicates": count(c.Counts.Duplicates),
			})
		}
	}
	for _, pass := range passes(r.Forecast) {
		name := map[string]string{"sim": "Forecast", "fitted": "Fitted"}[pass.name]
		for _, l := range pass.levels {
			writeBenchmark(out, name+"/rate="+Short(l.Offered), map[string]*float64{
				"completed/s": &l.Completed, "accepted/s": &l.Accepted,
				"e2e-p50-ms": l.EndToEnd.P50, "e2e-p99-ms": l.EndToEnd.P99, "ack-p99-ms": l.Ack.P99,
				"peak-backlog": count(l.PeakBack), "drain-s": l.DrainS, "USD/million": &l.USDMillion,
			})
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

func writeBenchmark(out *bufio.Writer, name string, values map[string]*float64) {
	fmt.Fprintf(out, "Benchmark%s 1", name)
	for _, u := range units {
		if v := values[u.name]; v != nil && finite(*v) {
			fmt.Fprintf(out, " %s %s", number(*v), u.name)
		}
	}
	fmt.Fprintln(out)
}

// benchmark returns the cell's name, from what it was asked to be.
func (c *Cell) benchmark() string {
	var b strings.Builder
	add := func(key, value string) { fmt.Fprintf(&b, "/%s=%s", key, value) }
	p := c.Params
	add("exp", word(c.Experiment))
	if c.Role != "measured" {
		add("role", word(c.Role))
	}
	if p.Concurrency != 0 {
		add("C", strconv.Itoa(p.Concurrency))
	}
	if p.Batch != 0 {
		add("B", strconv.Itoa(p.Batch))
	}
	if p.Parallelism != 0 {
		add("P", strconv.Itoa(p.Parallelism))
	}
	add("work", number(p.WorkMs)+"ms")
	if p.VisibilityS != 0 {
		add("visibility", number(p.VisibilityS)+"s")
	}
	if p.Queue != "sqs" {
		add("queue", word(p.Queue))
	}
	if p.Arrivals != "constant" {
		add("arrivals", word(p.Arrivals))
	}
	if p.OutageS != 0 {
		add("outage", strconv.FormatFloat(p.OutageS, 'f', 0, 64)+"s") // which is measured: seconds are what was asked for
	}
	if p.Offered != 0 {
		add("offered", Short(p.Offered)+"x")
	} else {
		add("rate", Short(c.OfferedRate))
	}
	return b.String()
}

// word makes a text part of a benchmark's name: no blanks, and none of the characters that have a meaning there.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune("/=-", r) {
			return '_'
		}
		return r
	}, s)
}

// line makes a text part of a line.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

func count[N int | int64](n N) *float64 {
	f := float64(n)
	return &f
}
