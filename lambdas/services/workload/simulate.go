package workload

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"example.com/arvo/lambdas/arvo"
)

// What a simulation answers.
const (
	SimulateProgress = "evt.workload.simulate.progress" // data: [Progress]
	SimulateSuccess  = "evt.workload.simulate.success"  // data: [Result]
)

// SimulateContract is what com.workload.simulate accepts and emits.
var SimulateContract = arvo.MustContract(arvo.NewContract(arvo.ContractSpec{
	URI:         "#/services/workload/simulate",
	Type:        "com.workload.simulate",
	Description: "Sleeps, computes, fails and answers as much as it is told to: a probe for load tests.",
	Versions: map[string]arvo.VersionSpec{
		"1.0.0": {
			Accepts: arvo.SchemaFor[Simulate](),
			Emits: map[string]arvo.Schema{
				SimulateProgress: arvo.SchemaFor[Progress](),
				SimulateSuccess:  arvo.SchemaFor[Result](),
			},
			Progress: []string{SimulateProgress},
		},
	},
}))

// Simulate says what a request costs. A field that is absent costs nothing.
type Simulate struct {
	SleepMS int     `json:"sleep_ms" minimum:"0" maximum:"12000" default:"0" jsonschema:"milliseconds to wait"`
	CPUMS   int     `json:"cpu_ms" minimum:"0" maximum:"12000" default:"0" jsonschema:"milliseconds of CPU time to spend after that"`
	Fail    float64 `json:"fail" minimum:"0" maximum:"1" default:"0" jsonschema:"probability of a system error, drawn from the event's id"`
	Fanout  int     `json:"fanout" minimum:"0" maximum:"1000" default:"0" jsonschema:"number of progress events"`
	Pad     string  `json:"pad" maxLength:"204800" default:"" jsonschema:"comes back in the success"`
}

// Progress is one of the events that come before the last.
type Progress struct {
	Index int `json:"index" jsonschema:"counts from 1"`
	Of    int `json:"of" jsonschema:"the fanout that was asked for"`
}

// A Result says what has been done.
type Result struct {
	SleptMS int    `json:"slept_ms"`
	BurntMS int    `json:"burnt_ms" jsonschema:"CPU time"`
	Pad     string `json:"pad"`
}

// A Failure is the error of an event that was drawn to fail.
type Failure struct {
	Draw float64 // what was drawn from the event's id
	Fail float64 // the probability that was asked for
}

func (f *Failure) Error() string {
	return fmt.Sprintf("simulated: drew %.6f, below %g", f.Draw, f.Fail)
}

// ErrorName is the errorName of the system error event.
func (f *Failure) ErrorName() string { return "SimulatedFailure" }

// NewSimulate returns the service com.workload.simulate on the machine; in a Lambda that is a [Host].
func NewSimulate(machine Machine) (*arvo.Service, error) {
	return arvo.NewService(SimulateContract, arvo.ExecutionUnits(1), arvo.Implement("1.0.0", simulate(machine)))
}

func simulate(machine Machine) func(context.Context, arvo.Input[Simulate]) ([]arvo.Output, error) {
	return func(ctx context.Context, in arvo.Input[Simulate]) ([]arvo.Output, error) {
		ask := in.Data
		if err := machine.Sleep(ctx, time.Duration(ask.SleepMS)*time.Millisecond); err != nil {
			return nil, fmt.Errorf("sleep %d ms: %w", ask.SleepMS, err)
		}
		if err := machine.Burn(ctx, time.Duration(ask.CPUMS)*time.Millisecond); err != nil {
			return nil, fmt.Errorf("burn %d ms: %w", ask.CPUMS, err)
		}
		if draw := Draw(in.Event.ID); draw < ask.Fail {
			return nil, &Failure{Draw: draw, Fail: ask.Fail}
		}
		out := make([]arvo.Output, 0, ask.Fanout+1)
		for i := range ask.Fanout {
			out = append(out, arvo.Output{Type: SimulateProgress, Data: Progress{Index: i + 1, Of: ask.Fanout}, ExecutionUnits: new(0.0)})
		}
		return append(out, arvo.Output{Type: SimulateSuccess, Data: Result{SleptMS: ask.SleepMS, BurntMS: ask.CPUMS, Pad: ask.Pad}}), nil
	}
}

// Draw returns the number in [0,1) that decides whether the event with this id fails: it does if the number is below
// [Simulate].Fail. It is the first 53 bits of the SHA-256 of the id, as a fraction; over many ids it is uniform.
func Draw(eventID string) float64 {
	sum := sha256.Sum256([]byte(eventID))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}
