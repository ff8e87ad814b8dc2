//go:build !race

// The race detector makes sync.Pool forget.

package pattern_test

import (
	"testing"

	"example.com/arvo/lambdas/local/pattern"
)

func TestMatchingAllocatesNothing(t *testing.T) {
	set := pattern.NewSet(
		compile(t, `{"detail": {"to": ["x", "y"]}}`),
		compile(t, `{"detail": {"n": [{"numeric": [">", 5]}], "kind": [{"prefix": "fer"}]}}`),
	)
	event := []byte(`{"id": "1", "detail": {"to": "y", "n": 6.5, "kind": "ferry", "list": [1, 2, {"a": "b"}]}}`)
	matched := make([]int, 0, 2)
	if n := testing.AllocsPerRun(100, func() { matched = set.Match(event, matched[:0]) }); n > 0 {
		t.Errorf("%g allocations for an ordinary event", n)
	}
	if len(matched) != 2 {
		t.Errorf("matched %v", matched)
	}
}
