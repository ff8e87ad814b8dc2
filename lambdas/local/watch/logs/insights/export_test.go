package insights

import "testing"

// SetMaxKept bounds what queries keep for one test, which must not run in parallel with others.
func SetMaxKept(t *testing.T, bytes int) {
	old := maxKept
	maxKept = bytes
	t.Cleanup(func() { maxKept = old })
}
