package report_test

import (
	"strings"
	"testing"

	"example.com/arvo/loadtest/report"
	"example.com/arvo/loadtest/results"
)

// The picture in README.md is of the run that is committed beside it. It has a ground of its own, as a page that shows
// pictures tells them nothing of its colours.
func TestTheStaircaseOfTheREADMEIsOfTheCommittedRun(t *testing.T) {
	r, err := results.Read("../testdata/knee/results.json")
	if err != nil {
		t.Fatal(err)
	}
	svg := strings.Replace(report.Knee(r), "><title", ` style="background:#fff;color:#1f2328"><title`, 1) + "\n"
	golden(t, "../testdata/knee/staircase.svg", svg)
	if !strings.Contains(svg, "flat at") {
		t.Error("no line goes flat")
	}
}
