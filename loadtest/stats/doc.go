// Package stats turns what a load test saw into what may be said about it.
package stats
