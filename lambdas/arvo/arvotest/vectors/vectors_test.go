package vectors_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// A suite runs the cases of one file.
type suite struct {
	known []string // members of the file, besides the common ones, that the suite looks into
	lists []string // the members that hold cases; nil: "cases"

	// open prepares for a file: check holds one case of the member list against package arvo.
	open func(f *vectors.File) (check func(list string, c vectors.Case) error, err error)

	// deviations are the cases, by name, that record what is done otherwise on purpose.
	deviations map[string]deviation
}

// A deviation is what we do in place of what the original did.
type deviation struct {
	flavor  string // the one in which the case shows the other way; "" for both
	why     string
	instead func(f *vectors.File, c vectors.Case) error // fails when that is not what is done
}

var suites = map[string]suite{
	"events.json":        events,
	"subjects.json":      subjects,
	"contracts.json":     contracts,
	"factories.json":     factories,
	"handlers.json":      handlers,
	"domains.json":       domains,
	"event_ids.json":     eventIDs,
	"orchestration.json": orchestration,
}

// elsewhere are the files that are another package's.
var elsewhere = map[string]string{"otel.json": "package telemetry makes the spans and compares them"}

func TestVectors(t *testing.T) {
	files, err := vectors.Files(os.Getenv(vectors.Env))
	if err != nil {
		t.Fatalf("%s: %v", vectors.Env, err)
	}
	if err := anyHere(files); err != nil {
		t.Error(err)
	}
	for _, f := range files {
		t.Run(f.Path, func(t *testing.T) {
			if why, ok := elsewhere[f.Name]; ok {
				t.Skip(why)
			}
			s, ok := suites[f.Name]
			if !ok {
				t.Fatalf("%s is a file that nobody runs", f.Path)
			}
			count, err := s.run(&f)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(count)
			for _, d := range count.Deviations {
				t.Log("deviation: ", d)
			}
			for _, failure := range count.Failures {
				t.Error(failure)
			}
		})
	}
}

// anyHere fails when no file is for this package: a test that compares nothing must not pass.
func anyHere(files []vectors.File) error {
	var names []string
	for _, f := range files {
		if _, ok := elsewhere[f.Name]; !ok {
			return nil // it is run, or fails for being one that nobody runs
		}
		names = append(names, f.Path)
	}
	return fmt.Errorf("nothing to compare: of the recordings none is for this package, only for another: %s", strings.Join(names, ", "))
}

func (s *suite) run(f *vectors.File) (*vectors.Count, error) {
	if err := f.Known(append(s.known, s.lists...)...); err != nil {
		return nil, err
	}
	check, err := s.open(f)
	if err != nil {
		return nil, err
	}
	count := &vectors.Count{File: f}
	for _, list := range append([]string{"cases"}, s.lists...) {
		if _, ok := f.Members[list]; !ok && list != "cases" {
			continue
		}
		cases, err := f.Cases(list)
		if err != nil {
			return nil, err
		}
		for _, c := range cases {
			count.Add(c.Name, whole(func() error { return s.judge(f, c, check(list, c)) }))
		}
	}
	return count, nil
}

// whole makes a case that lacks what its kind has a failure and no panic of the test.
func whole(check func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the case has another shape: %v\n%s", p, debug.Stack())
		}
	}()
	return check()
}

// judge is what came of a case whose check returned err. A case that is listed as a deviation has to deviate: what we do
// on purpose must not be undone unnoticed.
func (s *suite) judge(f *vectors.File, c vectors.Case, err error) error {
	var skip vectors.Skip
	d, listed := s.deviations[c.Name]
	switch {
	case !listed, d.flavor != "" && d.flavor != f.Flavor, errors.As(err, &skip):
		return err
	case err == nil:
		return fmt.Errorf("done as recorded, but it should not be: %s", d.why)
	}
	if other := d.instead(f, c); other != nil {
		return fmt.Errorf("neither as recorded: %w\nnor as it deviates (%s): %w", err, d.why, other)
	}
	return vectors.Deviation(d.why)
}

// A recordedError is an error as the recorder wrote it down.
type recordedError struct {
	Kind          string
	Message       string
	FirstLine     string
	Issues        []issue
	ViolationType string
	IsViolation   bool
	Cause         string
}

// An issue is what is compared of a validator's complaint.
type issue struct {
	Path, Code, Message string
}

var (
	codePattern = regexp.MustCompile(`"code": ?"(\w+)"`)
	pathPattern = regexp.MustCompile(`"path": ?\[([^\]]*)\]`)
)

// issues are the validator's complaints: listed, or inside the message in its JSON, which the recorder may have cut off.
func (e *recordedError) issues() []string {
	var list []string
	for _, i := range e.Issues {
		list = append(list, i.Path+" "+i.Code)
	}
	codes := codePattern.FindAllStringSubmatch(e.Message, -1)
	for n, path := range pathPattern.FindAllStringSubmatch(e.Message, -1) {
		names := strings.FieldsFunc(path[1], func(r rune) bool { return strings.ContainsRune("\" ,\n", r) })
		if n < len(codes) {
			list = append(list, strings.Join(names, ".")+" "+codes[n][1])
		}
	}
	return list
}

// issuesOf are the complaints that err carries.
func issuesOf(err error) []string {
	var invalid *arvo.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	var list []string
	for _, i := range invalid.Issues {
		list = append(list, strings.Join(i.Path, ".")+" "+i.Code)
	}
	return list
}

// refused holds an error against the recorded one: the kind of violation, paths and codes.
func refused(err error, recorded *recordedError) error {
	if err == nil {
		return fmt.Errorf("accepted; the original says %s: %s%v", recorded.Kind, recorded.Message, recorded.Issues)
	}
	var violation *arvo.Violation
	if errors.As(err, &violation) != recorded.IsViolation {
		return fmt.Errorf("is a violation: %v, recorded: %v (%w)", !recorded.IsViolation, recorded.IsViolation, err)
	}
	if violation != nil && violation.Kind != recorded.ViolationType {
		return fmt.Errorf("is a violation %q, recorded: %q (%w)", violation.Kind, recorded.ViolationType, err)
	}
	if len(recorded.issues()) == 0 { // the original has a message only
		return nil
	}
	if diff := cmp.Diff(recorded.issues(), issuesOf(err)); diff != "" {
		return fmt.Errorf("paths and codes differ (-recorded +got): %s(%w)", diff, err)
	}
	return nil
}

// same fails when two JSON values differ. Stacks count as null: a Go error has none (see package arvo).
func same(what string, recorded, got any) error {
	if diff := cmp.Diff(withoutStacks(recorded), withoutStacks(got)); diff != "" {
		return fmt.Errorf("%s differs (-recorded +got):\n%s", what, diff)
	}
	return nil
}

func withoutStacks(v any) any {
	switch v := v.(type) {
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, member := range v {
			if object[name] = withoutStacks(member); member == "<stack>" {
				object[name] = nil
			}
		}
		return object
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = withoutStacks(v[i])
		}
		return list
	}
	return v
}

// sameEvents holds events against the recorded ones.
func sameEvents(labels *vectors.Labels, flavor string, recorded []any, got []arvo.Event) error {
	list := []any{}
	for _, e := range got {
		value, err := labels.Event(e, flavor)
		if err != nil {
			return err
		}
		list = append(list, value)
	}
	return same("the list of events", recorded, list)
}

// value is the value of a JSON text.
func value(text json.RawMessage) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		panic(err) // it was cut out of a JSON file that has been read
	}
	return v
}
