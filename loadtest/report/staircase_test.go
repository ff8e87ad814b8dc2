package report_test

import (
	"os"
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
	const path = "../testdata/knee/staircase.svg"
	if *update {
		if err := os.WriteFile(path, []byte(svg), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if svg != string(golden) {
		t.Errorf("%s is not of the run beside it; look at it, then run the test with -update", path)
	}
	if !strings.Contains(svg, "flat at") {
		t.Error("no line goes flat")
	}
}
