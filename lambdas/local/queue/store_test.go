package queue

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestDeadlinesGivesTheEarliestFirst holds the heap to a sorted slice under random additions and removals.
func TestDeadlinesGivesTheEarliestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := deadlines{when: func(m *stored) time.Time { return m.due }, index: func(m *stored) *int { return &m.dueIndex }}
		var model []*stored
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "messages") {
					m := &stored{due: time.Unix(int64(rapid.IntRange(0, 50).Draw(t, "due")), 0), dueIndex: -1}
					d.add(m)
					model = append(model, m)
				}
			},
			"remove": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("empty")
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				d.remove(model[i])
				d.remove(model[i]) // no effect
				model = slices.Delete(model, i, i+1)
			},
			"": func(t *rapid.T) {
				if len(d.heap) != len(model) {
					t.Fatalf("%d messages, want %d", len(d.heap), len(model))
				}
				if len(model) == 0 {
					return
				}
				for i, m := range d.heap {
					if parent := d.heap[(i-1)/2]; i > 0 && m.due.Before(parent.due) || m.dueIndex != i {
						t.Fatalf("%d is out of place", i)
					}
				}
				want := slices.MinFunc(model, func(a, b *stored) int { return a.due.Compare(b.due) })
				if got := d.first(); !got.due.Equal(want.due) {
					t.Fatalf("first is due at %v, want %v", got.due, want.due)
				}
			},
		})
	})
}
