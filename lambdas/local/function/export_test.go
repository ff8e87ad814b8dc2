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
