package report

import "example.com/arvo/loadtest/results"

// Knee is the picture of completed against offered rates, by itself.
func Knee(r results.Results) string { return string(knee(r)[0].Wide) }

// Latencies, Waterfall and Backlogs are pictures by themselves.
func Latencies(r results.Results) string { return string(hockeyStick(r)[0].Wide) }
func Waterfall(r results.Results) string { return string(waterfall(r)[0].Wide) }
func Backlogs(r results.Results) string  { return string(backlogs(r)[0].Wide) }
