// Package sim simulates the system.
package sim
