package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// TestNothingWrapsByItself draws on terminals of all widths: no line but those that are to be copied is wider than the terminal, and
// times, bars and names stay in their columns.
func TestNothingWrapsByItself(t *testing.T) {
	r, _ := compensation(1)
	odd := functionDocument("漢字-" + strings.Repeat("x", 80) + "e\u0301")
	odd = failure(odd, "*odd.Error", "words of every "+strings.Repeat("long", 60)+" length 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字")
	r.add(odd, r.docs[len(r.docs)-1].ID, 600, 86_400_000)
	synctest.Test(t, func(t *testing.T) { // pauses take no time
		everyWidth(t, r)
	})
}

func everyWidth(t *testing.T, r *recorder) {
	for _, coloured := range []bool{false, true} {
		for width := 20; width <= 220; width++ {
			out := shown(t.Context(), &fakeXRay{docs: r.docs}, screen{width, true, coloured}, r.trace.String(), command{check: width%40 == 0})
			if !coloured && strings.Contains(out, "\x1b") {
				t.Fatalf("width %d: there are escape codes", width)
			}
			for line := range strings.Lines(uncoloured(out)) {
				line = strings.TrimRight(line, "\n")
				if n := columnsOf(line); n > width && !strings.HasPrefix(line, "console ") && !strings.HasPrefix(line, "subject ") && !strings.HasPrefix(line, "1-") &&
					!strings.HasPrefix(line, "linked ") && !strings.HasPrefix(line, "began ") && width >= 28 {
					t.Fatalf("width %d: %d columns in %q", width, n, line)
				}
			}
		}
	}
}

func TestWhatIsNoTerminal(t *testing.T) {
	r, subject := compensation(1)
	r.docs[len(r.docs)-1].Name = strings.Repeat("long", 60)
	out := shown(t.Context(), &fakeXRay{docs: r.docs}, screen{}, subject, command{})
	rows, _, _ := strings.Cut(out, "\nsubject ")
	for line := range strings.Lines(rows) {
		if columnsOf(strings.TrimRight(line, "\n")) > plainWidth && !strings.HasPrefix(line, "! ") && !strings.HasPrefix(line, "✗ ") && !strings.HasPrefix(line, "… ") && !strings.Contains(line, "╰ ") {
			t.Errorf("%d columns in %q", columnsOf(line), line)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("there are escape codes")
	}
}

func TestColumns(t *testing.T) {
	for _, test := range []struct {
		text string
		want int
	}{{"", 0}, {"abc", 3}, {"über", 4}, {"e\u0301", 1}, {"漢字", 4}, {"🚀x", 3}, {"한국", 4}, {"─░┄█", 4}, {"a\u200bb", 2}} {
		if got := columnsOf(test.text); got != test.want {
			t.Errorf("%q has %d columns, want %d", test.text, got, test.want)
		}
	}
}

func TestWrapKeepsTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := visible(rapid.String().Draw(t, "text"))
		columns := rapid.IntRange(1, 80).Draw(t, "columns")
		lines := screen{terminal: true}.wrap(text, columns)
		if got := strings.ReplaceAll(strings.Join(lines, ""), " ", ""); got != strings.ReplaceAll(text, " ", "") {
			t.Fatalf("%q became %q", text, lines)
		}
		for _, line := range lines {
			if columnsOf(line) > max(columns, minNames) {
				t.Fatalf("%q has more than %d columns", line, columns)
			}
		}
		if got := columnsOf(cut(text, columns)); got > columns {
			t.Fatalf("%q cut to %d has %d", text, columns, got)
		}
	})
}

func TestUncolouredIsWhatIsSeen(t *testing.T) {
	s := screen{colour: true}
	if got := uncoloured(s.in(red, "a") + s.in(dim, " (1 %)") + "b"); got != "a (1 %)b" {
		t.Errorf("got %q", got)
	}
}

func Example_hang() {
	s := screen{width: 40, terminal: true}
	for _, line := range s.hang("… no answer yet: an event was sent, and nobody has received it", 2, 0) {
		fmt.Println(line)
	}
	// Output:
	// … no answer yet: an event was sent,
	//   and nobody has received it
}
