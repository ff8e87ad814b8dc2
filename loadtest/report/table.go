package report

import (
	"html/template"

	"example.com/arvo/dashboards/draw"
)

// maxRows is how many rows a table of a timeline has at most.
const maxRows = 120

// A table is numbers as they are shown.
type table struct {
	Caption string
	Said    string // in the caption, of which rows it has
	Columns []column
	Rows    [][]entry
}

type column struct {
	Text   string
	Number bool // aligned to the right
}

// An entry is what stands in one place of a table.
type entry struct {
	Text    string
	Below   string // in small letters
	Title   string // where the text is not all
	Code    bool
	Bad     bool // to be looked at; the text says so, too
	Link    string
	Heading bool // the only entry of a row that begins a group of others
	Across  bool // the only entry of a row that explains the one above it
	Chart   template.HTML
}

// Long reports whether the small letters need a wider column.
func (e entry) Long() bool { return len(e.Below) > 30 }

// Short reports whether code stays on one line.
func (e entry) Short() bool { return len(e.Text) <= 40 }

func text(s string) entry { return entry{Text: s} }

// columns makes columns of names; those that begin with "#" have numbers.
func columns(names ...string) []column {
	var c []column
	for _, n := range names {
		if n[0] == '#' {
			c = append(c, column{n[1:], true})
		} else {
			c = append(c, column{n, false})
		}
	}
	return c
}

// row makes a row of texts.
func row(texts ...string) []entry {
	r := make([]entry, len(texts))
	for i, t := range texts {
		r[i] = text(t)
	}
	return r
}

// A figure is a picture and its numbers.
type figure struct {
	ID      string
	Claim   string // its heading: what it shows
	How     string // how to read it
	Wide    template.HTML
	Narrow  template.HTML
	Numbers table
}

// A chart is one of package draw.
type chart interface{ SVG(draw.Size) string }
