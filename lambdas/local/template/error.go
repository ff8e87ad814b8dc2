package template

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An Error is one fault of a template, at the place that is to be mended.
type Error struct {
	File   string // as given to [Parse]
	Line   int    // from 1; 0 when the fault is not in the file, such as an unknown parameter's
	Column int    // from 1, in characters
	Path   string // such as "Resources.RequestsQueue.Properties.VisibilityTimeout"; may be empty
	Msg    string
}

// Error renders the fault as compilers do: "template.yaml:12:7: Resources.X.Properties.Y: message".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// maxErrors bounds what one call reports: enough to mend a template by, and no more than a terminal shows.
const maxErrors = 50

// problems collects the faults of one call.
type problems struct {
	file  string
	found []*Error
}

// add notes a fault at a node's value.
func (p *problems) add(n *node, format string, args ...any) { p.note(fault(n, format, args...)) }

// addKey notes a fault at the key under which a node stands.
func (p *problems) addKey(n *node, format string, args ...any) {
	e := fault(n, format, args...)
	if n.keyLine > 0 {
		e.Line, e.Column = n.keyLine, n.keyColumn
	}
	p.note(e)
}

// note takes a fault over. One that is there already, such as a fault in Globals that every function inherits, is
// taken once.
func (p *problems) note(e *Error) {
	e.File = p.file
	if !slices.ContainsFunc(p.found, func(f *Error) bool { return *f == *e }) && len(p.found) <= maxErrors {
		p.found = append(p.found, e)
	}
}

// err joins what was found, in the order of the file.
func (p *problems) err() error {
	slices.SortStableFunc(p.found, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var all []error
	for i, e := range p.found {
		if i == maxErrors {
			all = append(all, &Error{File: p.file, Msg: fmt.Sprintf("more than %d errors; the others are not shown", maxErrors)})
			break
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}

// fault makes an error of a place; its file is filled in by note.
func fault(n *node, format string, args ...any) *Error {
	return &Error{Line: n.line, Column: n.column, Path: n.path(), Msg: fmt.Sprintf(format, args...)}
}

// maxShown bounds how much of a template's own text a message repeats.
const maxShown = 80

// shown makes text fit for a message.
func shown(s string) string {
	if r := []rune(s); len(r) > maxShown {
		return fmt.Sprintf("%q...", string(r[:maxShown]))
	}
	return fmt.Sprintf("%q", s)
}

// name makes a name fit for a message: as it is when it is plain, quoted when it is not.
func name(s string) string {
	if s != "" && len(s) <= maxShown && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0 {
		return s
	}
	return shown(s)
}

// hint is like the function, but does not search for what would not be shown.
func (p *problems) hint(word string, known []string) string {
	if len(p.found) > maxErrors {
		return ""
	}
	return hint(word, known)
}

// hint ends a message with the known word that was probably meant, or with nothing.
func hint(word string, known []string) string {
	best, distance := "", 1+len(word)/4
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := editDistance(strings.ToLower(word), strings.ToLower(k), distance); d <= distance {
			if best == "" || d < distance {
				best, distance = k, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal
// string alignment), or gives more than limit when it is clear that they are more.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > maxShown {
		return limit + 1
	}
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			replace := last[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, replace)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
