package vectors

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Skip is the error of a case that there is nothing to hold against; its text is the reason, in a word.
type Skip string

func (s Skip) Error() string { return "skipped: " + string(s) }

// Deviation is the error of a case that records what is done otherwise on purpose, and is done as it should be; its text
// is the reason.
type Deviation string

func (d Deviation) Error() string { return "deviates: " + string(d) }

// A Count is how the cases of a file came out.
type Count struct {
	File       *File
	Passed     int
	Skipped    map[Skip]int
	Deviations []string // "name: reason"
	Failures   []string // "name: what is wrong"
}

// Add counts a case: a nil error has passed, a Skip or a Deviation is one, and any other has failed.
func (c *Count) Add(name string, err error) {
	var skip Skip
	var deviation Deviation
	switch {
	case err == nil:
		c.Passed++
	case errors.As(err, &skip):
		if c.Skipped == nil {
			c.Skipped = make(map[Skip]int)
		}
		c.Skipped[skip]++
	case errors.As(err, &deviation):
		c.Deviations = append(c.Deviations, name+": "+string(deviation))
	default:
		c.Failures = append(c.Failures, fmt.Sprintf("%s: %v", name, err))
	}
}

// String is the line of the file: "events.json v3: 113 passed, 0 failed, 6 skipped (js), 12 deviations". Several reasons
// for skipping are counted each: "26 skipped (2 js, 24 xstate)".
func (c *Count) String() string {
	skipped, reasons := 0, []string(nil)
	for reason, n := range c.Skipped {
		skipped += n
		reasons = append(reasons, string(reason))
	}
	slices.Sort(reasons)
	if len(reasons) > 1 {
		for i, reason := range reasons {
			reasons[i] = fmt.Sprintf("%d %s", c.Skipped[Skip(reason)], reason)
		}
	}
	line := fmt.Sprintf("%s %s: %d passed, %d failed, %d skipped", c.File.Name, c.File.Flavor, c.Passed, len(c.Failures), skipped)
	if skipped > 0 {
		line += " (" + strings.Join(reasons, ", ") + ")"
	}
	switch n := len(c.Deviations); n {
	case 0:
	case 1:
		line += ", 1 deviation"
	default:
		line += fmt.Sprintf(", %d deviations", n)
	}
	return line
}
