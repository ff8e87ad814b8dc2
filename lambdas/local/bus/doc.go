// Package bus is EventBridge: event buses, rules and targets in one process.
package bus
