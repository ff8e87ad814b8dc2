package vectors_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// separator stands between the elements of a list of directories.
const separator = string(filepath.ListSeparator)

// recording writes a file of a recording into a new directory.
func recording(t *testing.T, name, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRecordingsAreFoundInADirectoryAndInThoseInIt(t *testing.T) {
	const text = `{"flavor":"v3","cases":[]}`
	flat, nested := recording(t, "events.json", text), recording(t, "any/subjects.json", text)
	if err := os.WriteFile(filepath.Join(flat, "README.md"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := vectors.Files(flat + separator + nested)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Path+" "+f.Name)
	}
	want := []string{filepath.Join(flat, "events.json") + " events.json", filepath.Join(nested, "any", "subjects.json") + " subjects.json"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheKeptRecordingsAreThoseOfBothLines(t *testing.T) {
	files, err := vectors.Files("")
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, f := range files {
		count[f.Flavor]++
	}
	if diff := cmp.Diff(map[string]int{"v2": 6, "v3": 9}, count); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoRecordingIsAnError(t *testing.T) {
	for _, c := range []struct{ name, dir, want string }{
		{"a directory that there is not", filepath.Join(t.TempDir(), "none"), "none: "},
		{"an empty directory", t.TempDir(), "there are no recordings"},
		{"a broken file", recording(t, "events.json", `{`), "events.json: unexpected end"},
		{"a file of no flavor", recording(t, "events.json", `{}`), `events.json: the member "flavor" is missing`},
		{"a list that begins with nothing", separator + recording(t, "events.json", `{"flavor":"v3"}`), "is empty: the current directory is written as a dot"},
		{"a list that ends with nothing", recording(t, "events.json", `{"flavor":"v3"}`) + separator, "is empty: the current directory is written as a dot"},
		{"a file of another flavor", recording(t, "v4/events.json", `{"flavor":"v4"}`), `flavor "v4"`},
	} {
		if _, err := vectors.Files(c.dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// Whatever a suite does not know fails, as a file or as a case.
func TestTheUnknownFails(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"a list of cases", "events.json", `{"flavor":"v3","cases":[],"more":[{"name":"x"}]}`, `the member "more" is not known`},
		{"no list of cases", "events.json", `{"flavor":"v3"}`, `"cases" is missing`},
		{"an empty list of cases", "events.json", `{"flavor":"v3","cases":[]}`, `the member "cases" has no cases`},
		{"null for a list of cases", "events.json", `{"flavor":"v3","cases":null}`, `the member "cases" has no cases`},
		{"a remark", "orchestration.json", `{"flavor":"v3","cases":[{"name":"x","handler":"orchestrator"}],"namedSubjects":{},"remark":"x"}`, ""},
		{"an api", "events.json", `{"flavor":"v3","cases":[{"name":"x","api":"y"}]}`, `x: the api "y" is not known`},
		{"a member of a case", "events.json", `{"flavor":"v3","cases":[{"name":"x","api":"otelAttributes","new":1}]}`, `x: the case has another shape: json: unknown field "new"`},
		{"a case that lacks what it should have", "events.json", `{"flavor":"v3","cases":[{"name":"x","api":"createArvoEvent","ok":false,"input":{}}]}`, "x: the case has another shape"},
		{"a kind of error", "events.json", `{"flavor":"v3","cases":[{"name":"x","api":"createArvoEvent","input":{},"error":{"kind":"Z"}}]}`, `the kind "Z" of an error is not known`},
		{"an operation on subjects", "subjects.json", `{"flavor":"v3","cases":[{"name":"x","op":"y"}]}`, `the op "y" is not known`},
		{"an operation on contracts", "contracts.json", `{"flavor":"v3","cases":[{"name":"x","op":"y"}]}`, `the op "y" is not known`},
		{"a contract", "contracts.json", `{"flavor":"v3","cases":[{"name":"x","op":"describe"}]}`, "the contract is not known"},
		{"a contract that is refused", "contracts.json", `{"flavor":"v3","cases":[{"name":"x","op":"create"}]}`, "the contract is not known"},
		{"a factory", "factories.json", `{"flavor":"v3","cases":[{"name":"x","ok":true,"factory":"y","param":{}}]}`, `the factory "y" is not known`},
		{"a service", "handlers.json", `{"flavor":"v3","cases":[],"contractName":"y","handlerExecutionUnits":3,"inputSubject":{}}`, `a service "y" that costs 3 is not known`},
		{"a case of a service without an event", "handlers.json", `{"flavor":"v3","cases":[{"name":"x"}],"contractName":"greet","handlerExecutionUnits":3,"inputSubject":{}}`, "x: the case is not known"},
		{"a symbol", "domains.json", `{"flavor":"v3","cases":[{"symbol":"y"}],"symbols":{}}`, `cases[0]: the symbol "y" is not listed`},
		{"a deduplication", "event_ids.json", `{"flavor":"v3","cases":[{"param":{"deduplication":"y"}}]}`, `the deduplication "y" is not known`},
		{"a kind of workflow", "orchestration.json", `{"flavor":"v3","cases":[{"name":"x","handler":"y"}],"namedSubjects":{}}`, `the handler "y" is not known`},
		{"a kind of workflow nobody has", "orchestration.json", `{"flavor":"v3","cases":[{"name":"x","handler":"orchestrator"}],"namedSubjects":{}}`, ""},
		{"an operation on workflows", "orchestration.json", `{"flavor":"v3","cases":[{"name":"x","op":"y"}],"namedSubjects":{}}`, `the op "y" is not known`},
		{"a configuration", "orchestration.json", `{"flavor":"v3","cases":[{"name":"x","op":"config"}],"namedSubjects":{}}`, "the configuration is not known"},
		{"a failure of memories", "orchestration.json", `{"flavor":"v3","cases":[{"name":"y throws","handler":"resumable"}],"namedSubjects":{}}`, `a memory that fails at "y" is not known`},
	} {
		files, err := vectors.Files(recording(t, c.file, c.text))
		if err != nil {
			t.Fatal(err)
		}
		s := suites[c.file]
		failure := ""
		count, err := s.run(&files[0])
		switch {
		case err != nil:
			failure = err.Error()
		case len(count.Failures) > 0:
			failure = count.Failures[0]
		}
		if c.want == "" && failure != "" || !strings.Contains(failure, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, failure, c.want)
		}
	}
}

// A run without a file to compare is no success.
func TestOnlyRecordingsForOthersFail(t *testing.T) {
	other, ours := vectors.File{Name: "otel.json", Path: "/tmp/otel.json"}, vectors.File{Name: "events.json"}
	if err := anyHere([]vectors.File{other}); err == nil || !strings.Contains(err.Error(), "only for another: /tmp/otel.json") {
		t.Errorf("got %v", err)
	}
	if err := anyHere([]vectors.File{other, ours}); err != nil {
		t.Error(err)
	}
}

func TestTheLineCountsEverything(t *testing.T) {
	count := vectors.Count{File: &vectors.File{Name: "events.json", Flavor: "v3"}}
	count.Add("a", nil)
	if got := count.String(); got != "events.json v3: 1 passed, 0 failed, 0 skipped" {
		t.Error(got)
	}
	count.Add("b", vectors.Skip("js"))
	count.Add("c", vectors.Deviation("on purpose"))
	if got := count.String(); got != "events.json v3: 1 passed, 0 failed, 1 skipped (js), 1 deviation" {
		t.Error(got)
	}
	count.Add("d", vectors.Skip("xstate"))
	count.Add("e", vectors.Skip("js"))
	count.Add("f", vectors.Deviation("on purpose"))
	count.Add("g", os.ErrNotExist)
	if got := count.String(); got != "events.json v3: 1 passed, 1 failed, 3 skipped (2 js, 1 xstate), 2 deviations" {
		t.Error(got)
	}
	if diff := cmp.Diff([]string{"g: file does not exist"}, count.Failures); diff != "" {
		t.Error(diff)
	}
}

func TestLabelsAreNumberedByFirstAppearance(t *testing.T) {
	subject, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: "arvo.orc.order", Initiator: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	const one, two = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-474b-8cce-b302099a8057"
	labels := vectors.NewLabels()
	labels.Name("<mine>", "a subject of mine")
	got, err := labels.JSON([]byte(`{"z":"` + two + `","a":["` + one + `","` + two + `"],"` + one + `":"a subject of mine",` +
		`"subject":"` + subject + `","note":"of ` + subject + ` at 2025-01-01T00:00:00.000+00:00","errorStack":"at x","then":"2025-01-01T00:00:00.000Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"z": "<uuid:0>", "a": []any{"<uuid:1>", "<uuid:0>"}, "<uuid:1>": "<mine>", "subject": "<subject:0>",
		"note": "of <subject:0> at <time>", "errorStack": "<stack>", "then": "2025-01-01T00:00:00.000Z",
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
	content := labels.Subjects["<subject:0>"].(map[string]any)["execution"].(map[string]any)
	if content["id"] != "<uuid:2>" {
		t.Errorf("the subject is %v", content)
	}
	for label, want := range map[string]string{"<uuid:0>": two, "<mine>": "a subject of mine", "<subject:0>": subject, "<uuid:9>": ""} {
		if value, _ := labels.Value(label); value != want {
			t.Errorf("%s is %q", label, value)
		}
	}
}
