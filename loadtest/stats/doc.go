// Package stats turns what a load test saw into what may be said about it: numbers with intervals, and verdicts that may
// be "inconclusive".
//
//	percentiles   [Latencies], [Quantile]            refused when there are too few subjects for them
//	rates         [Mean], [BatchMeans]               with 95 % intervals that know of autocorrelation
//	backlog       [Growth], [Judge]                  stable, unstable or inconclusive
//	prediction    [Capacity], [Drain], [Recovery]    what a queue and its consumers can do
//	explanation   [Little], [Diagnose]               is it the concurrency that limits, or something else
//	knee          [FitKnee]                          where a curve of throughput becomes flat
//
// # Promises
//
// Functions are pure and have no state; Latencies is the one thing that collects. Series are not changed. Too little data is
// never an error and never a number: an [Interval] is then infinite, a Quantile not Known, a verdict Inconclusive.
//
// # Why intervals from batches
//
// Completions of one second and the next are not independent: a queue carries what one leaves undone into the other. The
// standard error of per-second counts, and much more that of a line fitted through a backlog, is therefore far too
// small, and a system that keeps up would be called unstable. So a series is cut into a few long blocks that are nearly
// independent of each other, and Student's t is applied to those (Law, Simulation Modeling and Analysis, §9.5.3, "batch
// means"). Ten blocks are customary: fewer widen the interval, more make them depend on each other.
//
// # What was rejected
//
//   - Averages of percentiles, and percentiles of averages: neither is a percentile of anything.
//   - Filling in the latencies that a stalled sender did not measure (RecordCorrectedValue): they are invented. A
//     schedule knows when each subject was due, so nothing has to be filled in.
//   - The Universal Scalability Law: fitted to a throughput with a hard ceiling, as a limit of concurrency gives it, it
//     reports a good fit and a coherency penalty that does not exist.
//   - A test of one run against another: benchstat does it, and reads what a run writes.
package stats
