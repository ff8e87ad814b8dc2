package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator returns the committed schema, ready for use.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("results.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("results.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, src []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(src))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func encoded(t *testing.T, r Results) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsWhatTheSchemaSays(t *testing.T) {
	s := validator(t)
	minimal := Results{Run: Run{Target: "sim"}, Cells: []Cell{{Role: "measured", Validity: Interrupted, Params: Params{Queue: "sqs"}, Backlog: Backlog{Verdict: "inconclusive"}}}, Forecast: &Forecast{Levels: []Level{{}}}, Experiments: []Experiment{{}}}
	for _, test := range []struct {
		name    string
		results Results
	}{
		{"results in which everything is known", full()},
		{"results in which nothing is", minimal},
		{"results of nothing", Results{Run: Run{Target: "local"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := validate(t, s, encoded(t, test.results)); err != nil {
				t.Error(err)
			}
		})
	}
	for _, test := range []struct{ name, old, new string }{
		{"a member that is missing", `"offered_rate": 96,`, ``},
		{"a number that is a text", `"offered_rate": 96`, `"offered_rate": "96"`},
		{"a validity that there is not", `"validity": "valid"`, `"validity": "fine"`},
		{"a time that is none", `"started": "2026-11-23T16:00:10Z"`, `"started": "yesterday"`},
		{"null where it has to be known", `"workers": 64`, `"workers": null`},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := encoded(t, full())
			if bytes.Count(src, []byte(test.old)) == 0 {
				t.Fatalf("there is no %s", test.old)
			}
			if validate(t, s, bytes.Replace(src, []byte(test.old), []byte(test.new), 1)) == nil {
				t.Error("the schema takes it")
			}
		})
	}
}

// The file is of the first version of the form, and is never written anew: what it says has to be read for ever, every member of
// it.
func TestFirstVersionIsStillRead(t *testing.T) {
	const file = "testdata/first.v1.json"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, validator(t), src); err != nil {
		t.Error(err)
	}
	r, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	var then, now any
	if err := json.Unmarshal(src, &then); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded(t, r), &now); err != nil {
		t.Fatal(err)
	}
	for _, fault := range lost(then, now, "") {
		t.Error(fault)
	}
}

// lost lists what one JSON value has and another does not. More members are no fault.
func lost(old, new any, path string) []string {
	switch old := old.(type) {
	case map[string]any:
		m, ok := new.(map[string]any)
		if !ok {
			return []string{path + " is no object any more"}
		}
		var faults []string
		for k, v := range old {
			if _, ok := m[k]; !ok {
				faults = append(faults, path+"."+k+" is gone")
				continue
			}
			faults = append(faults, lost(v, m[k], path+"."+k)...)
		}
		return faults
	case []any:
		list, ok := new.([]any)
		if !ok || len(list) != len(old) {
			return []string{path + " has other elements"}
		}
		var faults []string
		for i := range old {
			faults = append(faults, lost(old[i], list[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
		return faults
	}
	if !reflect.DeepEqual(old, new) {
		return []string{fmt.Sprintf("%s was %v and is %v", path, old, new)}
	}
	return nil
}

func TestReadReturnsWhatWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	want := full()
	for range 2 { // the second replaces the first
		if err := Write(path, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestNothingIsNullThatIsKnownToBeEmpty(t *testing.T) {
	r := Results{Cells: []Cell{{}}, Experiments: []Experiment{{}}}
	src := string(encoded(t, r))
	for _, want := range []string{`"assertions": []`, `"order": []`, `"codes": {}`, `"offered": []`, `"slowest": []`, `"little_ratio": null`, `"waits_ms": null`} {
		if !strings.Contains(src, want) {
			t.Errorf("there is no %s in %s", want, src)
		}
	}
	if r.Cells[0].Stages != nil || r.Assertions != nil {
		t.Error("the original was changed")
	}
	if strings.Contains(src, `"notes"`) {
		t.Error("what may be absent is there, and empty")
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	r := full()
	r.Cells[0].LittleRatio, r.Cells[0].Backlog.Growth.Lo = f(math.NaN()), f(math.Inf(-1))
	if src := string(encoded(t, r)); !strings.Contains(src, `"little_ratio": null`) || !strings.Contains(src, `"lo": null`) {
		t.Error("what is no number is not null")
	}
	if !math.IsNaN(*r.Cells[0].LittleRatio) {
		t.Error("the original was changed")
	}
	for _, test := range []struct {
		change func(*Results)
		want   string
	}{
		{func(r *Results) { r.Cells[1].Sender.CPUCores = math.NaN() }, "results: cells[1].sender.cpu_cores is NaN, and has to be a number"},
		{func(r *Results) { r.Forecast.Levels[1].Cost = []Cost{{"EventBridge", math.Inf(1)}} }, "results: forecast.levels[1].cost[0].usd is +Inf"},
		{func(r *Results) { r.Cells[0].Series.Backlog = []float64{1, math.Inf(-1)} }, "results: cells[0].series.backlog[1] is -Inf"},
	} {
		r := full()
		test.change(&r)
		if err := Encode(io.Discard, r); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, test := range []struct{ name, src, want string }{
		{"nothing", ``, "results: line 1: unexpected end of JSON input"},
		{"what is not JSON", "{\n\"schema\": 1,\n}", "results: line 3: invalid character"},
		{"half a file", `{"schema":"` + Schema + `","cells":[`, "unexpected end"},
		{"two files in one", `{"schema":"` + Schema + `"} {}`, "results: line 1: invalid character '{' after top-level value"},
		{"another form", `{"schema":"https://arvo.example.com/loadtest/results.v2.json"}`, `results: the form is "https://arvo.example.com/loadtest/results.v2.json", and this program reads "` + Schema + `"`},
		{"no form", `{}`, `the form is ""`},
		{"a member of another kind", "{\"schema\":\"" + Schema + "\",\n\n\"cells\":[{\"repeat\":\"one\"}]}", "results: line 3: json: cannot unmarshal string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Decode(strings.NewReader(test.src)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	if _, err := decode(strings.NewReader(`{"schema":"`+Schema+`"}`+strings.Repeat(" ", 1000)), 1000); err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") {
		t.Errorf("a long file: %v", err)
	}
	if err := encode(io.Discard, full(), 1000); err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") {
		t.Errorf("long results: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "results.json")
	if _, err := Read(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestMembersOfALaterFileAreLeftOut(t *testing.T) {
	src := bytes.Replace(encoded(t, full()), []byte(`"seed": 7,`), []byte(`"seed": 7, "colour": "blue",`), 1)
	if err := validate(t, validator(t), src); err != nil {
		t.Error(err)
	}
	if r, err := Decode(bytes.NewReader(src)); err != nil || r.Run.Seed != 7 {
		t.Errorf("%+v, %v", r.Run, err)
	}
}

func TestSaveLeavesTheOldFileAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "results.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		write func(io.Writer) error
		is    error
	}{
		{"when the disk is full", func(w io.Writer) error {
			_, err := io.WriteString(w, "half of it")
			return errors.Join(err, &fs.PathError{Op: "write", Path: "/tmp/.results.json.123", Err: syscall.ENOSPC})
		}, syscall.ENOSPC},
		{"when there is nothing to write", func(io.Writer) error { return io.ErrUnexpectedEOF }, io.ErrUnexpectedEOF},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Save(path, test.write)
			if !errors.Is(err, test.is) || !strings.HasPrefix(err.Error(), path+" was not written: ") || strings.Contains(err.Error(), "json.123") {
				t.Errorf("got %v", err)
			}
			if src, err := os.ReadFile(path); err != nil || string(src) != "old" {
				t.Errorf("the old file is %q (%v)", src, err)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
				t.Errorf("in the folder are %v (%v)", files, err)
			}
		})
	}
	if err := Save(filepath.Join(dir, "none", "results.json"), func(io.Writer) error { return nil }); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := Save(dir, func(io.Writer) error { return nil }); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder in its place: %v", err)
	}
}

func TestExit(t *testing.T) {
	measured := func(change func(*Results)) Results {
		r := full()
		r.Run.Interrupted = ""
		change(&r)
		return r
	}
	for _, test := range []struct {
		name    string
		results Results
		want    int
	}{
		{"a run that is valid", measured(func(*Results) {}), 0},
		{"a forecast", Results{Forecast: &Forecast{Levels: []Level{{}}}}, 0},
		{"a run that has measured nothing", Results{}, 2},
		{"a forecast without a rate", Results{Forecast: &Forecast{}}, 2},
		{"a cell that is not valid", measured(func(r *Results) { r.Cells[1].Validity = GeneratorLimited }), 2},
		{"a calibration that is not valid", measured(func(r *Results) { r.Cells[2].Validity = Contaminated }), 2},
		{"a run that was interrupted", measured(func(r *Results) { r.Run.Interrupted = "Ctrl-C" }), 2},
		{"an assertion that does not hold", measured(func(r *Results) { r.Assertions = append(r.Assertions, Assertion{}) }), 99},
		{"an assertion that does not hold, on a run that may not be believed", measured(func(r *Results) { r.Assertions[0].OK, r.Cells[1].Validity = false, GeneratorLimited }), 2},
		{"a cell that something else has limited", measured(func(r *Results) { r.Cells[1].Validity = TargetLimited }), 0},
	} {
		if got := Exit(test.results); got != test.want {
			t.Errorf("%s: exit code %d, want %d", test.name, got, test.want)
		}
	}
}

func TestALevelThatCaughtUpSaysWhen(t *testing.T) {
	of := func(offered int, backlog ...float64) Level {
		l := Level{Offered: 100, Series: Series{StepS: 10, Backlog: backlog}}
		for i := range backlog {
			l.Series.Offered = append(l.Series.Offered, 0)
			if i < offered {
				l.Series.Offered[i] = 1000
			}
		}
		return l
	}
	for _, test := range []struct {
		name string
		l    Level
		want time.Duration
	}{
		{"it was never behind", of(4, 20, 24, 22, 21), 0},
		{"it was behind by less than comes in a second", of(4, 120, 24, 22, 21), 0},
		{"it was behind for two steps", of(4, 400, 121, 120, 21), 20 * time.Second},
		{"it was behind again", of(4, 400, 21, 121, 21), 30 * time.Second},
		{"what is behind when the load ends is not caught up", of(4, 100, 200, 300, 400), 0},
		{"what is left after the load does not count", of(3, 115, 24, 21, 0, 0), 0},
		{"nothing was offered", of(0, 1, 2), 0},
		{"there is no series", Level{Offered: 100}, 0},
	} {
		if got := test.l.Behind(); got != test.want {
			t.Errorf("%s: behind for %v, want %v", test.name, got, test.want)
		}
	}
}

// TestFixtureHasEveryMember keeps full true to its name, as members are added.
func TestFixtureHasEveryMember(t *testing.T) {
	seen := map[string]bool{}
	walk(reflect.ValueOf(full()), seen)
	zero := []string{ // of what the fixture knows to be zero
		"Setup.WindowS", "Counts.Unsent", "Counts.Rejected", "Counts.Unanswered", "Counts.Open", "Counts.DeadLettered", "Counts.Failed", "Counts.Late", "Counts.Errors",
	}
	for name, known := range seen {
		if !known && !slices.Contains(zero, name) {
			t.Errorf("%s has no value", name)
		}
	}
}

// walk notes for each field whether it has a value anywhere.
func walk(v reflect.Value, seen map[string]bool) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			seen[name] = seen[name] || !v.Field(i).IsZero() && (v.Field(i).Kind() != reflect.Map || v.Field(i).Len() > 0)
			walk(v.Field(i), seen)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), seen)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), seen)
		}
	}
}
