// Package telemetry makes a function visible.
package telemetry
