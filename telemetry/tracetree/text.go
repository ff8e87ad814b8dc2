package tracetree

import (
	"fmt"
	"strings"
	"time"
)

// String draws the tree, one line for each span: when it began after the first, how long it took, what it is. It is
// meant for tests and logs.
func (t *Tree) String() string {
	var b strings.Builder
	start := t.Times().Start
	for _, s := range t.Spans {
		took := "..."
		if s.Complete() {
			took = s.End.Sub(s.Start).Round(time.Microsecond).String()
		}
		fmt.Fprintf(&b, "%9s %9s  %s%s%s\n", s.Start.Sub(start).Round(time.Microsecond), took, strings.Repeat("  ", min(s.depth, 40)), s.Name, s.notes())
	}
	return b.String()
}

func (s *Span) notes() string {
	var notes []string
	note := func(ok bool, text string) {
		if ok {
			notes = append(notes, text)
		}
	}
	note(s.Subsegment && s.Namespace == "", "-")
	note(s.Subsegment && s.Namespace != "", s.Namespace)
	note(s.Origin != "", s.Origin)
	note(s.Inferred, "inferred")
	note(s.Error, "error")
	note(s.Throttle, "throttle")
	note(s.Fault, "fault")
	note(s.InProgress, "in progress")
	note(s.Dangling, "parent "+s.ParentID.String()+" unknown")
	note(s.Cyclic, "cyclic")
	if len(notes) == 0 {
		return ""
	}
	return "  [" + strings.Join(notes, ", ") + "]"
}
