package report

import (
	"fmt"
	"html/template"
	"strings"

	"example.com/arvo/loadtest/results"
)

// A traced is where the time of one subject went, hop by hop.
type traced struct {
	ID    string // of its place in the page
	Title string
	Hops  *table
}

// tracesOf are the traces of the subjects that the table of the slowest shows, which then links to them.
func tracesOf(slow []results.Traced) (all []traced) {
	for _, s := range slow {
		if len(s.Hops) == 0 {
			continue
		}
		ends := s.E2Ems
		for _, h := range s.Hops {
			if h.TookMs != nil {
				ends = max(ends, h.StartMs+*h.TookMs)
			}
		}
		t := &table{Caption: "Trace " + orUnknown(s.TraceID), Columns: columns("hop", "is", "#start", "#took", "when")}
		for _, h := range s.Hops {
			name := entry{Text: strings.Repeat("\u2003", min(max(h.Depth, 0), maxIndent)) + h.Name, Bad: h.Failed}
			if h.Failed {
				name.Below = "failed"
			}
			took := "not ended"
			if h.TookMs != nil {
				took = milliseconds(*h.TookMs)
			}
			t.Rows = append(t.Rows, []entry{name, text(h.Kind), text(milliseconds(h.StartMs)), text(took), {Chart: span(h, ends)}})
		}
		all = append(all, traced{traceAnchor(len(all)), fmt.Sprintf("%s in %s", milliseconds(s.E2Ems), shortened(s.Subject, 28)), t})
	}
	return all
}

// maxIndent is how deep a hop is shown beneath the others; a chain of events is deeper than a page is wide.
const maxIndent = 8

func traceAnchor(i int) string { return fmt.Sprintf("trace-%d", i+1) }

// span draws when a hop was, of all the time until ends. Waiting is hatched by strokes, not by colour alone.
func span(h results.Hop, ends float64) template.HTML {
	const width, height = 240, 12
	took := 0.0
	if h.TookMs != nil {
		took = *h.TookMs
	}
	if !finite(h.StartMs) || !finite(took) || !finite(ends) || ends <= 0 {
		return ""
	}
	x := min(max(h.StartMs/ends, 0), 1) * width
	w := min(max(took/ends*width, 1), width-x+1)
	class := results.HopWork
	if h.Kind == results.HopQueue || h.Kind == results.HopBus {
		class = h.Kind
	}
	return template.HTML(fmt.Sprintf(`<svg class="span" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img" aria-label="from %[3]s for %[4]s"><path class="%[5]s" d="M%.2[6]f %[7]dh%.2[8]f"/></svg>`,
		width, height, milliseconds(h.StartMs), milliseconds(took), class, x, height/2, w))
}
