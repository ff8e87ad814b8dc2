package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A screen is where a picture is drawn.
type screen struct {
	width    int  // in columns; 0: plainWidth
	terminal bool // long texts are wrapped at the width: whoever reads a file or a pipe wants to search in whole lines
	colour   bool
}

// plainWidth is the width of what is no terminal.
const plainWidth = 100

func (s screen) columns() int {
	if s.width <= 0 {
		return plainWidth
	}
	return s.width
}

// A paint is an ANSI colour.
type paint string

const (
	plain  paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	cyan   paint = "36"
)

func (s screen) in(p paint, text string) string {
	if !s.colour || p == plain || text == "" {
		return text
	}
	return "\x1b[" + string(p) + "m" + text + "\x1b[0m"
}

// A layout says which columns a row has. Narrow screens give up the start times, then the bars; names are what remains.
type layout struct {
	start bool
	bar   int // columns of the bars; 0: none
	names int // columns of name, detail and notes, with their indent
	step  int // columns of one level of indent
}

const (
	timeColumns = 9
	gaps        = 2    // before the bars
	marks       = 3    // a space, and a mark with one
	minNames    = 12   // columns that an indent leaves
	maxBar      = 60   // more tell no more
	minBar      = 8    // the scale's text fits
	barShare    = 5    // of what the times leave: a bar is that part of it
	narrow      = 60   // columns from which on there are start times
	tiny        = 40   // columns from which on there are bars
	wideStep    = 2    // of indent
	ellipsis    = "…"  // of what is cut
	hookedUnder = "╰ " // begins what stands beneath a row
)

// layout shares out the width. The bars get what names of so many columns do not want, and at least their share.
func (s screen) layout(wanted int) layout {
	w := s.columns()
	l := layout{start: w >= narrow, step: 1}
	times := timeColumns + gaps
	if l.start {
		l.step = wideStep
		times += timeColumns + 1
	}
	if w >= tiny {
		l.bar = min(max(w-times-marks-wanted, (w-times)/barShare, minBar), maxBar)
	}
	l.names = max(w-times-l.bar-marks, minNames)
	return l
}

// before is how many columns precede the names.
func (l layout) before() int {
	n := timeColumns + gaps + l.bar + marks
	if l.start {
		n += timeColumns + 1
	}
	return n
}

// indent is that of a depth, as far as it leaves room for names.
func (l layout) indent(depth int) int { return max(0, min(depth*l.step, l.names-minNames-4)) }

// wrap breaks a text at its spaces to lines of at most so many columns. On what is no terminal it is one line.
func (s screen) wrap(text string, columns int) []string {
	if !s.terminal || columnsOf(text) <= columns {
		return []string{text}
	}
	columns = max(columns, minNames)
	var lines []string
	line, used := "", 0
	for word := range strings.SplitSeq(text, " ") {
		n := columnsOf(word)
		if used > 0 && used+1+n > columns {
			lines = append(lines, line)
			line, used = "", 0
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		for n > columns { // a word that is longer than a line, which has room for any character
			head := head(word, columns)
			lines = append(lines, line+head)
			line, used = "", 0
			word = word[len(head):]
			n = columnsOf(word)
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}

// hang wraps a text, with all lines but the first behind so many spaces.
func (s screen) hang(text string, indent, first int) []string {
	lines := s.wrap(text, s.columns()-max(indent, first))
	for i := range lines[1:] {
		lines[i+1] = strings.Repeat(" ", indent) + lines[i+1]
	}
	return lines
}

// visible is a text that may come from anybody as one line without control characters, which a terminal would obey.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case hidden(r):
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// hidden tells of a character that is not drawn, or that changes the direction of what follows.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// columnsOf is how many columns a terminal needs for a text: none for what combines with the character before it, two for the wide
// characters of East Asia and for pictures.
func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		n += columnsOfRune(r)
	}
	return n
}

func columnsOfRune(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf && r != 0x303f, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1f64f,
		r >= 0x1f680 && r <= 0x1f6ff, r >= 0x1f900 && r <= 0x1f9ff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// head is as much of a text as fits in so many columns.
func head(s string, columns int) string {
	n := 0
	for i, r := range s {
		if n += columnsOfRune(r); n > columns {
			return s[:i]
		}
	}
	return s
}

// cut is s in at most so many columns, the last an ellipsis if anything is missing.
func cut(s string, columns int) string {
	if columnsOf(s) <= columns {
		return s
	}
	if columns <= 1 {
		return ""
	}
	return head(s, columns-1) + ellipsis
}
