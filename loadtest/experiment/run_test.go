package experiment_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/results"
)

func TestTry(t *testing.T) {
	for _, id := range []string{"E1", "E2", "E3", "E4", "E5", "E6", "E9"} {
		t.Run(id, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				p := newPretended()
				out, err := experiment.Run(context.Background(), p, experiment.Config{RunID: "r", Quick: true, Experiments: []string{id}, Seed: 1, Watch: printer{t}})
				if err != nil {
					t.Fatal(err)
				}
				p.inJourney.Wait()
				t.Log(time.Since(began), out.Interrupted, out.Notes)
			})
		})
	}
}

type printer struct{ t *testing.T }

func (p printer) Planned(plan experiment.Plan) {
	p.t.Logf("%d cells, %d subjects, %v", plan.Cells, plan.Subjects, plan.Duration)
}
func (p printer) Predicted(results.Cell)       {}
func (p printer) Progress(experiment.Progress) {}
func (p printer) Measured(c results.Cell) {
	f := func(x *float64) float64 {
		if x == nil {
			return -1
		}
		return *x
	}
	p.t.Logf("%s %s off %.1f acc %.1f done %.1f [%.1f %.1f] of %.1f little %.3f %s %s growth %.1f peak %d drain %.2f/%.2f rec %.2f/%.2f p50 %.1f o %.2f slip %.2f %s | %+v", c.ID, c.Validity, c.OfferedRate, c.AcceptedRate, c.CompletedRate.Mean, f(c.CompletedRate.Lo), f(c.CompletedRate.Hi), f(c.PredictedCapacity), f(c.LittleRatio), c.Diagnosis, c.Backlog.Verdict, c.Backlog.Growth.Mean, c.Backlog.Peak, f(c.Backlog.DrainS), f(c.PredictedDrainS), f(c.RecoveryS), f(c.PredictedRecoveryS), f(c.EndToEnd.P50), c.CapacityModel.Oms, c.Slip.Max, strings.Join(c.Why, "; "), c.Counts)
}
func (p printer) Found(e results.Experiment) { p.t.Log(e.Finding) }
func (p printer) Note(s string)              { p.t.Log("note: " + s) }
