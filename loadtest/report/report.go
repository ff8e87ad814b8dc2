// Package report tells a run of the load test as a page: report.html, one file that needs nothing else.
//
//	err := report.HTML(w, results)
//
// The page is made of a [results.Results] and of nothing beside it, so whoever has results.json can make it again, and the
// page has that file in it: the element with the id "results" is the whole run as JSON.
//
// # What it says, in this order
//
//	what went wrong       in words, when the run was interrupted, a cell may not be believed, a subject is lost
//	the answers           the finding of each experiment: one sentence with numbers
//	what became of all    lost, done twice, dead-lettered, and what may be believed
//	pictures              1 completed over offered     2 accepted and completed     3 backlog and drain
//	                      4 measured over predicted    5 latency over utilisation   6 where the time went
//	                      7 with and without a queue   batch size                   visibility timeout
//	forecast              of a simulation: rates on logarithmic axes, limits, what to raise, cost
//	cells                 all of them, believed or not
//	slowest subjects      with links to their traces
//	method                the model, what words mean, coordinated omission in this run, simulated beside measured
//	configuration         how to do it again
//
// A picture is there when there are cells for it, and is followed by its numbers in a table. Valid and
// target-limited cells are true measurements; the others may not be believed, and are in no line and no fit: they are
// crosses in the first picture, and rows among the cells.
//
// # Promises
//
//   - The file is whole offline: no script that runs, no font, no image, no reference that is loaded. A content security policy
//     says the same to the browser, with the hash of the one style sheet, so nothing that a name or an error message contains
//     could load or run anything either. Traces are links, which are followed only when somebody clicks.
//   - Everything of a Results is hostile: it holds texts of the system under test. Text is escaped by html/template and package
//     draw; a link has to be http or https; in the JSON, <, > and & are written as \u003c, \u003e, \u0026, so no value ends its element.
//   - Nothing is told by colour alone. What is not known is "–", never zero. Quantiles have the number of subjects beside them.
//   - It is written whole or not at all, and its size is bounded by that of the results: charts and tables of timelines
//     are reduced to what can be read (package draw, [maxRows]).
//
// # Design
//
// Three steps, each plain: page.go and its neighbours turn results into texts, tables and charts; report.gohtml puts them in
// their places and decides nothing; report.css is for wide, narrow, dark and paper. Each chart is there twice, for wide
// and for narrow screens, and the style sheet shows one; see package draw for why.
//
// What was rejected: a page that draws itself from the JSON with a script. It would be smaller, and could be zoomed; but it shows
// nothing where scripts are not allowed (mail, most viewers of build artefacts), and no golden file could say what a
// reader sees.
package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"example.com/arvo/loadtest/results"
)

//go:embed report.gohtml
var source string

//go:embed report.css
var style string

var layout = template.Must(template.New("report").Parse(source))

// HTML writes the report of a run. It fails when w does, and then what was written is not whole.
func HTML(w io.Writer, r results.Results) error {
	p := pageOf(r)
	sum := sha256.Sum256([]byte(style))
	p.Style = template.CSS(style)
	p.Policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
	data, err := embedded(r)
	if err != nil {
		p.Alerts = append(p.Alerts, alert{Text: fmt.Sprintf("The data is not in this page, as it could not be written: %v.", err)})
	}
	p.Data = data

	var b bytes.Buffer
	if err := layout.Execute(&b, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if _, err := w.Write(bytes.Map(visible, b.Bytes())); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// embedded returns the results as JSON that may be in a script element.
func embedded(r results.Results) (template.JS, error) {
	var b, compact, escaped bytes.Buffer
	if err := results.Encode(&b, r); err != nil {
		return "", err
	}
	if err := json.Compact(&compact, b.Bytes()); err != nil {
		return "", err
	}
	json.HTMLEscape(&escaped, compact.Bytes())
	// What visible would replace is written as an escape, which means the same.
	var safe strings.Builder
	for _, c := range escaped.String() {
		if visible(c) == c {
			safe.WriteRune(c)
		} else {
			fmt.Fprintf(&safe, `\u%04x`, c)
		}
	}
	return template.JS(safe.String()), nil
}

// visible replaces control characters, and those that turn the direction of writing: with them a name could look like
// another, or turn the text around it.
func visible(c rune) rune {
	if unicode.IsControl(c) && c != '\n' && c != '\t' || unicode.Is(unicode.Bidi_Control, c) || c == '\uFFFE' || c == '\uFFFF' {
		return utf8.RuneError
	}
	return c
}
