package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"example.com/arvo/dashboards/draw"
	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/results"
)

// A terminal tells what happens while it happens: a line for each thing that stays true, and below them, where somebody
// watches, one line that is overwritten. It is told by one goroutine at a time.
type terminal struct {
	out   io.Writer
	width func() int // of a line of a terminal; nil when out is none, and then the status is a line every two seconds
	color bool

	status    string // what the overwritten line shows
	told      time.Time
	cell      string
	completed history
	backlog   history
}

var _ experiment.Watcher = (*terminal)(nil)

// statusEvery is how often the status is a line of its own where it cannot be overwritten.
const statusEvery = 2 * time.Second

// Planned implements [experiment.Watcher].
func (t *terminal) Planned(p experiment.Plan) {
	for _, e := range p.Experiments {
		t.line("%s  %s", t.bold(e.ID+" "+e.Title), e.Question)
		if len(e.Order) > 0 {
			t.line("    %s", strings.Join(e.Order, "  "))
		}
	}
	t.line("seed %d; %d cells, about %s subjects, about %v", p.Seed, p.Cells, count(p.Subjects), p.Duration.Round(time.Second))
}

// Predicted implements [experiment.Watcher].
func (t *terminal) Predicted(c results.Cell) {
	t.line("")
	t.line("%s%s  offered %s/s%s", t.bold(c.ID), repeat(c), rate(c.OfferedRate), role(c))
	var said []string
	if c.PredictedCapacity != nil {
		said = append(said, fmt.Sprintf("capacity %s/s", rate(*c.PredictedCapacity)))
	}
	if c.PredictedDrainS != nil && *c.PredictedDrainS > 0 {
		said = append(said, fmt.Sprintf("drain %s", seconds(*c.PredictedDrainS)))
	}
	if c.PredictedNote != "" {
		said = append(said, c.PredictedNote)
	}
	if len(said) > 0 {
		t.line("  predicted  %s", strings.Join(said, ", "))
	}
}

// Progress implements [experiment.Watcher].
func (t *terminal) Progress(p experiment.Progress) {
	if p.Cell != t.cell {
		t.cell, t.completed, t.backlog = p.Cell, nil, nil
	}
	t.completed, t.backlog = t.completed.with(p.Completed), t.backlog.with(float64(p.Backlog))
	if t.width == nil && time.Since(t.told) < statusEvery {
		return
	}
	t.told = time.Now()
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %2.0f/%.0fs  backlog %d %s  off %.0f acc %.0f done %.0f %s", p.Phase, p.Elapsed.Seconds(), p.Of.Seconds(),
		p.Backlog, t.backlog, p.Offered, p.Accepted, p.Completed, t.completed)
	if p.P99 > 0 {
		fmt.Fprintf(&b, "  p99 %s", duration(p.P99))
	}
	fmt.Fprintf(&b, "  slip %s", duration(p.Slip))
	if t.width == nil {
		t.line("%s", b.String())
		return
	}
	t.overwrite(b.String())
}

// Measured implements [experiment.Watcher].
func (t *terminal) Measured(c results.Cell) {
	of := ""
	if c.PredictedCapacity != nil && *c.PredictedCapacity > 0 && *c.PredictedCapacity < c.OfferedRate {
		of = fmt.Sprintf(", %.3f of the prediction", c.CompletedRate.Mean / *c.PredictedCapacity)
	}
	t.line("  measured   completed %s/s%s%s", rate(c.CompletedRate.Mean), interval(c.CompletedRate), of)
	drain := "not drained"
	if c.Backlog.DrainS != nil {
		drain = "drained in " + seconds(*c.Backlog.DrainS)
	}
	line := fmt.Sprintf("             backlog %+.1f/s, %s; peak %s, %s", c.Backlog.Growth.Mean, c.Backlog.Verdict, count(c.Backlog.Peak), drain)
	if c.LittleRatio != nil {
		line += fmt.Sprintf("; Little %.2f", *c.LittleRatio)
	}
	t.line("%s", line)
	late := fmt.Sprintf("%s late at most", seconds(c.Slip.Max/1e3))
	if c.Slip.P99 != nil {
		late = fmt.Sprintf("%s late at p99", milliseconds(c.Slip.P99))
	}
	t.line("             end to end %s; sent %s", latencies(c.EndToEnd), late)
	if n := c.Uncorrected.Negative; n > 0 {
		t.line("             %s", t.bad(count(n)+" ended before they were sent, as the clocks say: in quantiles they took no time"))
	}
	if n := c.EndToEnd.Clipped; n > 0 {
		t.line("             %s", t.bad(count(n)+" took more than a day: in quantiles a day"))
	}
	if n := c.Counts; n.Lost+n.DeadLettered+n.Failed+n.Rejected+n.Unanswered+n.Duplicated+n.Unsent+n.Late+n.Open > 0 {
		var said []string
		for _, k := range []struct {
			n    int
			what string
		}{
			{n.Lost, "lost"}, {n.DeadLettered, "dead-lettered"}, {n.Failed, "failed"}, {n.Rejected, "rejected"}, {n.Unanswered, "unanswered"},
			{n.Unsent, "not sent"}, {n.Open, "accepted and not known to have ended"}, {n.Duplicated, "answered more than once"}, {n.Late, "done though the client was not told"},
		} {
			if k.n > 0 {
				said = append(said, fmt.Sprintf("%s %s", count(k.n), k.what))
			}
		}
		t.line("             of %s subjects: %s", count(n.Scheduled), t.bad(strings.Join(said, ", ")))
	}
	if c.Validity != results.Valid {
		t.line("             %s: %s", t.bad(string(c.Validity)), strings.Join(c.Why, "; "))
	}
}

// Found implements [experiment.Watcher].
func (t *terminal) Found(e results.Experiment) {
	t.line("")
	t.line("%s  %s", t.bold(e.ID), e.Finding)
}

// Note implements [experiment.Watcher].
func (t *terminal) Note(text string) { t.line("  note: %s", text) }

// forecast tells a level of a forecast.
func (t *terminal) forecast(l results.Level) {
	held, raise := "keeps up", "next limit:"
	if behind := l.Behind(); l.Binding != "" {
		held, raise = t.bad(l.Binding), "raise"
	} else if behind > 0 {
		held = fmt.Sprintf("falls behind at first, has caught up after %s, and keeps up then", duration(behind))
	}
	t.line("%10s/s  completed %s/s, p99 %s, backlog up to %s, $%.2f a million; %s  [simulated in %s, %s subjects a token]", rate(l.Offered), rate(l.Completed), milliseconds(l.EndToEnd.P99),
		count(l.PeakBack), l.USDMillion, held, seconds(l.ComputeS), count(l.Cohort))
	for i, what := range l.Raise {
		if i == 3 {
			t.line("              and %d more", len(l.Raise)-i)
			break
		}
		t.line("              %s %s", raise, what)
	}
}

// line writes a line that stays.
func (t *terminal) line(format string, args ...any) {
	t.overwrite("")
	fmt.Fprintf(t.out, format+"\n", args...) // the terminal is for watching: a run does not end because nobody reads it
}

// overwrite shows a line that is overwritten by the next one.
func (t *terminal) overwrite(status string) {
	if t.width == nil {
		return
	}
	if room := t.width() - 1; utf8.RuneCountInString(status) > room {
		status = string([]rune(status)[:max(room, 0)])
	}
	if status == "" && t.status == "" {
		return
	}
	fmt.Fprint(t.out, "\r\x1b[K"+status)
	t.status = status
}

func (t *terminal) bold(s string) string { return t.styled("1", s) }
func (t *terminal) bad(s string) string  { return t.styled("31", s) }

func (t *terminal) styled(code, s string) string {
	if !t.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// A history is the latest values of something, shown as a line of blocks that reach up to the greatest.
type history []float64

const historyLength = 12

func (h history) with(x float64) history {
	h = append(h, x)
	return h[max(0, len(h)-historyLength):]
}

func (h history) String() string {
	const blocks = "▁▂▃▄▅▆▇█"
	levels := []rune(blocks)
	var top float64
	for _, x := range h {
		top = max(top, x)
	}
	out := make([]rune, len(h))
	for i, x := range h {
		out[i] = levels[0]
		if top > 0 && x > 0 {
			out[i] = levels[min(len(levels)-1, int(x/top*float64(len(levels))))]
		}
	}
	return string(out)
}

func repeat(c results.Cell) string {
	if c.Repeat <= 1 {
		return ""
	}
	return fmt.Sprintf(" (repeat %d)", c.Repeat)
}

func role(c results.Cell) string {
	if c.Role == "" || c.Role == "measured" {
		return ""
	}
	return " (" + c.Role + ")"
}

func interval(i results.Interval) string {
	if i.Lo == nil || i.Hi == nil {
		return ""
	}
	return fmt.Sprintf(" (95 %% CI %s–%s)", rate(*i.Lo), rate(*i.Hi))
}

func latencies(l results.Latency) string {
	return fmt.Sprintf("p50 %s, p99 %s, max %s (n=%s)", milliseconds(l.P50), milliseconds(l.P99), seconds(l.Max/1e3), count(l.N))
}

func milliseconds(ms *float64) string {
	if ms == nil {
		return "–"
	}
	return seconds(*ms / 1e3)
}

func seconds(s float64) string        { return draw.Seconds.Format(s) }
func duration(d time.Duration) string { return draw.Seconds.Format(d.Seconds()) }
func rate(perSecond float64) string   { return draw.Number.Format(perSecond) }
func count[N int | int64](n N) string { return draw.Count.Format(float64(n)) }
