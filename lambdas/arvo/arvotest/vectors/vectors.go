// Package vectors reads recordings of the original Arvo, the TypeScript packages arvo-core and arvo-event-handler, and
// keeps count of how an implementation compares with them. The tests of this package hold package arvo against all of
// them but otel.json, which is for the package that makes spans.
//
// # The recordings
//
// A recording is a JSON file that a generator wrote by running the original: testdata/v2 is of npm's 2.2.13, testdata/v3
// of 3.0.28 and 3.0.25. A file names its flavor and holds cases, each with what went in and what came out:
//
//	events.json         events made and read, as text and as attributes, and what is refused
//	subjects.json       orchestration subjects, also of foreign compressors and broken
//	contracts.json      contracts described and refused, dataschemas, versions
//	factories.json      events made with a contract
//	handlers.json       a service, one event at a time; in v2 a router before it
//	domains.json        the table of what domain symbols stand for
//	event_ids.json      ids of events
//	orchestration.json  workflows, step by step, with the calls of their memory and what it keeps
//	otel.json           spans
//
// What is random or of its time is written as a label, numbered by first appearance in the case: <uuid:0>, <time>,
// <stack>, <subject:0>; a [Labels] writes our events so. Compressors differ, so subjects are compared by content.
// Messages of the original's validator are not compared; kinds of errors, paths and codes are.
//
// The environment variable ARVO_VECTORS (see [Env]) names other directories of the same shape:
//
//	ARVO_VECTORS=/tmp/more:/tmp/still-more go test -v -run Vector ./lambdas/arvo/...
//
// TestInterop, in the same place, asks the original itself, if it is there: the environment variable ARVO_NPM names a
// directory with node_modules/arvo-core. What Go writes is read by it, and what it writes by Go.
//
// # The count
//
// Each file ends as one line on standard output, which go test shows with -v:
//
//	events.json v3: 113 passed, 0 failed, 6 skipped (js), 12 deviations
//
// The four numbers add up to the cases of the file. A case is skipped when there is nothing in Go to hold against it:
// "js" needs values that only JavaScript has, "xstate" is of the original's second kind of orchestrator, which Arvo in Go
// does not have. A deviation is a case that records what we do otherwise on purpose. Each is listed by name next to the
// test, with the reason and a check of what is done instead; with -v the reasons follow the line. A case, a member of a
// case or a list of cases that a test does not know fails it: nothing is passed over in silence.
package vectors

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Env names the environment variable that lists directories of recordings, separated like those of PATH. Recordings are
// read from a directory itself and from the directories in it. Without it the recordings that are kept with this package
// are read.
const Env = "ARVO_VECTORS"

//go:embed testdata
var kept embed.FS

// A File is one file of recorded cases.
type File struct {
	Name    string                     // e.g. events.json
	Path    string                     // where it is, for messages
	Flavor  string                     // "v2" or "v3": the line of the original that was recorded
	Members map[string]json.RawMessage // all members of the file
}

// A Case is one recorded case, as text.
type Case struct {
	Name string
	Text json.RawMessage
}

// Files reads what dirs lists, the value of Env; "" is the recordings of this package. The files are ordered by directory
// and name.
func Files(dirs string) ([]File, error) {
	if dirs == "" {
		return files(kept, "testdata")
	}
	var list []File
	for _, dir := range filepath.SplitList(dirs) {
		if dir == "" {
			return nil, fmt.Errorf("an element of the list %q is empty: the current directory is written as a dot", dirs)
		}
		found, err := files(os.DirFS(dir), ".")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		for i := range found {
			found[i].Path = filepath.Join(dir, found[i].Path)
		}
		list = append(list, found...)
	}
	return list, nil
}

// files reads the recordings in dir and in the directories in it.
func files(fsys fs.FS, dir string) ([]File, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	at := func(name string) string {
		if dir == "." {
			return name
		}
		return dir + "/" + name
	}
	var list []File
	for _, e := range entries {
		var names []string
		switch {
		case e.IsDir():
			if names, err = fs.Glob(fsys, at(e.Name())+"/*.json"); err != nil {
				return nil, err
			}
		case strings.HasSuffix(e.Name(), ".json"):
			names = []string{at(e.Name())}
		}
		for _, name := range names {
			f, err := read(fsys, name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("there are no recordings (*.json) in it or in its directories")
	}
	return list, nil
}

func read(fsys fs.FS, path string) (File, error) {
	text, err := fs.ReadFile(fsys, path)
	if err != nil {
		return File{}, err
	}
	f := File{Name: path[strings.LastIndexByte(path, '/')+1:], Path: path}
	if err := json.Unmarshal(text, &f.Members); err != nil {
		return File{}, err
	}
	if err := f.Member("flavor", &f.Flavor); err != nil {
		return File{}, err
	}
	if f.Flavor != "v2" && f.Flavor != "v3" {
		return File{}, fmt.Errorf("flavor %q is neither v2 nor v3", f.Flavor)
	}
	return f, nil
}

// Member reads one member of the file.
func (f *File) Member(name string, into any) error {
	text, ok := f.Members[name]
	if !ok {
		return fmt.Errorf("the member %q is missing", name)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("member %q: %w", name, err)
	}
	return nil
}

// Known fails when the file has an object or a list besides those that every file has and those that are named: it may
// hold cases, and nobody would run them.
func (f *File) Known(names ...string) error {
	names = append(names, "generator", "flavor", "versions", "note", "cases")
	for name, text := range f.Members {
		if !slices.Contains(names, name) && bytes.ContainsAny(text[:1], "[{") {
			return fmt.Errorf("the member %q is not known", name)
		}
	}
	return nil
}

// Cases lists the cases of a member, usually "cases", of which there has to be one: nothing would be compared otherwise, and
// that would look like success. A case without a name is called by its position.
func (f *File) Cases(member string) ([]Case, error) {
	var texts []json.RawMessage
	if err := f.Member(member, &texts); err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("the member %q has no cases", member)
	}
	cases := make([]Case, len(texts))
	for i, text := range texts {
		var named struct{ Name string }
		if err := json.Unmarshal(text, &named); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", member, i, err)
		}
		if named.Name == "" {
			named.Name = fmt.Sprintf("%s[%d]", member, i)
		}
		cases[i] = Case{named.Name, text}
	}
	return cases, nil
}

// Decode reads the case into a struct that has a field for each of its members. A member that it has no field for is an
// error: it may say what a test would have to look at.
func (c Case) Decode(into any) error {
	d := json.NewDecoder(bytes.NewReader(c.Text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("the case has another shape: %w", err)
	}
	return nil
}
