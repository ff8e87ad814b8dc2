//go:build unix

package function

import (
	"testing"
	"time"
)

// SetInitLimit shortens the INIT phase for one test, which must not run in parallel with others.
func SetInitLimit(t *testing.T, d time.Duration) {
	old := initLimit
	initLimit = d
	t.Cleanup(func() { initLimit = old })
}

// SetAsyncRetries replaces the delays between the attempts of asynchronous invocations for one test.
func SetAsyncRetries(t *testing.T, delays ...time.Duration) {
	old := asyncRetries
	asyncRetries = delays
	t.Cleanup(func() { asyncRetries = old })
}
