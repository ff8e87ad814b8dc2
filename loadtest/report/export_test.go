package report

import "example.com/arvo/loadtest/results"

// Knee is the picture of completed against offered rates, by itself.
func Knee(r results.Results) string { return string(knee(r)[0].Wide) }
