// Package forecast says what the system of template.yaml would do at rates that nobody wants to pay for: it reads the template,
// simulates it (package sim) at one rate after the other, and tells for each which limit binds, how long subjects take, how
// far it falls behind, what to raise and what a million subjects cost.
//
//	system, err := forecast.FromTemplate("template.yaml", nil)
//	f, err := forecast.Run(ctx, forecast.Config{System: system, Region: "us-east-1", Work: 50 * time.Millisecond, Fit: true})
//
// And it says how far that may be believed: [Compare] simulates the load of a cell that was measured, so that both stand side
// by side.
//
// # Promises
//
//   - What the template says is not assumed: another template, or other parameters, make another forecast. What cannot be
//     simulated is refused, with file and line.
//   - Rates are simulated independently of each other, from an empty system; equal configurations have equal forecasts, but for
//     the time that they took.
//   - A forecast that is interrupted has the rates that were done by then.
//
// # What is raised
//
// For each rate the forecast lists the settings that are too low for it and what they have to be, with a fifth to spare
// ([Headroom]): a queue whose consumers are just fast enough never becomes short again. With Fit the same rates are then
// simulated with these settings, so that the advice is tried and not only given. Settings that AWS decides on by request are
// raised as if it had agreed. Those that have a highest value are raised to it: then the advice is to have several queues. Ramps
// of mappings and functions cannot be raised, and show in the first minutes.
//
// # How it is checked
//
// On the local stack hops take next to nothing, and no quota but the account's concurrency is enforced. [Calibrated] takes the
// overhead of an invocation and the latencies of the hops from a cell whose role is calibration, and Compare predicts other
// cells with them: what is checked is the simulation of queues, mappings, batches and limits of concurrency, not AWS's
// latencies, which nobody here has measured.
//
// # What was rejected
//
//   - Arithmetic alone ([sim.Config.Ceilings]): it knows where a ceiling is, and neither latency nor what happens above it.
//   - One long ramp through all rates: what happens at a rate would depend on the backlog that the one before has left.
//   - Extrapolation of measured runs: the limits of AWS are not on the way from a laptop to there.
package forecast
