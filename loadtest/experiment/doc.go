// Package experiment asks questions of a system by putting loads on it.
package experiment
