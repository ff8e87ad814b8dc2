package forecast_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/forecast"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/target"
)

// BenchmarkAgainstStack puts the loads of E2, one load against four limits, on the local stack, simulates the same, and reports by how
// much the two differ where they differ most: rate-off and drain-off are shares of what was simulated. A backlog that is gone
// in less than a second says more of the machine than of queues, and its drain time is left out.
//
// It builds the stack and takes half a minute: go test ./loadtest/forecast -run '^$' -bench AgainstStack -benchtime 1x
func BenchmarkAgainstStack(b *testing.B) {
	for b.Loop() {
		r := measure(b)
		if err := forecast.CompareAll(b.Context(), &r); err != nil {
			b.Fatal(err)
		}
		var compared, drained int
		var rate, drain float64
		for _, c := range r.Cells {
			if c.Role != "measured" {
				continue
			}
			if c.Simulated == nil {
				b.Logf("%s was not compared: %s %v", c.ID, c.Validity, c.Why)
				continue
			}
			compared++
			rate = max(rate, math.Abs(c.CompletedRate.Mean/c.Simulated.CompletedRate-1))
			have, want := c.Backlog.DrainS, c.Simulated.DrainS
			if have == nil || want == nil || *want < 1 {
				b.Logf("%s: %.2f/s, simulated %.2f/s", c.ID, c.CompletedRate.Mean, c.Simulated.CompletedRate)
				continue
			}
			drained++
			drain = max(drain, math.Abs(*have / *want - 1))
			b.Logf("%s: %.2f/s, simulated %.2f/s; drained in %.2f s, simulated %.2f s", c.ID, c.CompletedRate.Mean, c.Simulated.CompletedRate, *have, *want)
		}
		if compared == 0 {
			b.Fatal("no cell could be compared")
		}
		b.ReportMetric(float64(compared), "cells")
		b.ReportMetric(rate, "rate-off")
		if drained > 0 {
			b.ReportMetric(drain, "drain-off")
		}
	}
}

// measure starts a stack and runs E2 on it.
func measure(b *testing.B) results.Results {
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	child, err := target.Local(ctx, target.LocalConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if err := child.Stop(late); err != nil {
			b.Error(err)
		}
	}()
	stack, err := target.Open(ctx, target.Config{Child: child, Dir: b.TempDir(), AWS: aws.Config{Credentials: credentials.NewStaticCredentialsProvider("any", "any", "")}})
	if err != nil {
		b.Fatal(err)
	}
	defer stack.Close()
	out, err := experiment.Run(ctx, stack, experiment.Config{RunID: "bench", Experiments: []string{"E2"}, Quick: true, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	return results.Results{Run: results.Run{Setup: out.Setup, Seed: 1}, Experiments: out.Experiments, Cells: out.Cells}
}
