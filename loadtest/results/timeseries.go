package results

import (
	"encoding/csv"
	"fmt"
	"io"
)

// WriteTimeseries writes the series of all cells as CSV (RFC 4180): timeseries.csv.
//
//	cell,t_s,offered,accepted,completed,backlog
//
// A line is about the step that begins at t_s seconds since the beginning of the cell: how many subjects were offered,
// accepted and completed in it, and the backlog at its end. A forecast's levels are cells whose names begin with sim/ or
// fitted/.
func WriteTimeseries(w io.Writer, r Results) error {
	out := csv.NewWriter(w)
	// The writer keeps its first error for Error.
	_ = out.Write([]string{"cell", "t_s", "offered", "accepted", "completed", "backlog"})
	for _, c := range r.Cells {
		if err := writeSeries(out, c.ID, c.Series); err != nil {
			return err
		}
	}
	for _, pass := range passes(r.Forecast) {
		for _, l := range pass.levels {
			if err := writeSeries(out, pass.name+"/offered="+Short(l.Offered), l.Series); err != nil {
				return err
			}
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("timeseries: %w", err)
	}
	return nil
}

func writeSeries(out *csv.Writer, cell string, s Series) error {
	n := len(s.Offered)
	if len(s.Accepted) != n || len(s.Completed) != n || len(s.Backlog) != n {
		return fmt.Errorf("timeseries: %s has %d steps offered, %d accepted, %d completed and %d of backlog: they are of one length", cell, n, len(s.Accepted), len(s.Completed), len(s.Backlog))
	}
	for i := range n {
		_ = out.Write([]string{cell, number(float64(i) * s.StepS), number(s.Offered[i]), number(s.Accepted[i]), number(s.Completed[i]), number(s.Backlog[i])}) // Error has it
	}
	return nil
}

// A pass is a sweep of rates of a forecast.
type pass struct {
	name   string
	levels []Level
}

// passes returns the sweeps of a forecast, which may be nil.
func passes(f *Forecast) []pass {
	if f == nil {
		return nil
	}
	return []pass{{"sim", f.Levels}, {"fitted", f.Fitted}}
}
