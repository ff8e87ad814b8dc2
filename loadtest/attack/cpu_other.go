//go:build !unix

package attack

import "time"

// cpuTime returns -1: how long this process has used processors is not known.
func cpuTime() time.Duration { return -1 }
