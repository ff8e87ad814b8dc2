// Command trace shows where the time of a subject went and where it failed: `go run ./telemetry/trace SUBJECT`.
package main
