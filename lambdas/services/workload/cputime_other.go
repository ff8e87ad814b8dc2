//go:build !linux

package workload

import "time"

func cpuTime() time.Duration { return wallTime() }
