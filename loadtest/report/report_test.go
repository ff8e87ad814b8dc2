package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"example.com/arvo/loadtest/report"
	"example.com/arvo/loadtest/results"
	"example.com/arvo/loadtest/sim"
)

var update = flag.Bool("update", false, "write the golden file anew")

func runs() map[string]results.Results {
	return map[string]results.Results{"plausible": plausible(), "interrupted": interrupted(), "simulated": simulated(), "hostile": hostile(), "empty": {}}
}

func page(t *testing.T, r results.Results) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// element is one of a page, with its text and what is in it.
type element struct {
	name       string
	attributes map[string]string
	text       string // of it and all in it
	children   []*element

	from int // where its text begins in that of the page
}

// parse reads a page strictly: what is written here is XML, too.
func parse(t *testing.T, page string) *element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	stack := []*element{{}}
	var text strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			e := &element{name: x.Name.Local, attributes: map[string]string{}}
			for _, a := range x.Attr {
				e.attributes[a.Name.Local] = a.Value
			}
			top := stack[len(stack)-1]
			top.children = append(top.children, e)
			e.from = text.Len()
			stack = append(stack, e)
		case xml.EndElement:
			e := stack[len(stack)-1]
			e.text = text.String()[e.from:]
			stack = stack[:len(stack)-1]
		case xml.CharData:
			text.Write(x)
		case xml.Comment, xml.ProcInst:
			t.Fatalf("a %T: %s", token, token)
		}
	}
	stack[0].text = text.String()
	return stack[0]
}

// all visits an element and all in it, in their order.
func (e *element) all(visit func(*element)) {
	visit(e)
	for _, c := range e.children {
		c.all(visit)
	}
}

func (e *element) find(name string) []*element {
	var found []*element
	e.all(func(e *element) {
		if e.name == name {
			found = append(found, e)
		}
	})
	return found
}

func TestGolden(t *testing.T) {
	golden(t, filepath.Join("testdata", "interrupted.html"), page(t, interrupted()))
}

// golden holds got against a committed file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was; look at it, then run the test with -update", path)
	}
}

func TestAPageIsWellFormedAndRefersToNothing(t *testing.T) {
	for name, r := range runs() {
		t.Run(name, func(t *testing.T) {
			root := parse(t, page(t, r))
			ids, refers, scripts, policies := map[string]bool{}, []string{}, 0, 0
			root.all(func(e *element) {
				switch e.name {
				case "img", "link", "iframe", "object", "embed", "base", "form", "audio", "video", "source", "image", "use", "foreignObject", "animate":
					t.Errorf("there is a <%s>", e.name)
				case "script":
					scripts++
					if e.attributes["type"] != "application/json" || e.attributes["src"] != "" {
						t.Errorf("a script %v", e.attributes)
					}
				case "meta":
					if e.attributes["http-equiv"] == "Content-Security-Policy" {
						policies++
						if !strings.HasPrefix(e.attributes["content"], "default-src 'none'; style-src 'sha256-") {
							t.Errorf("the policy is %s", e.attributes["content"])
						}
					} else if e.attributes["http-equiv"] != "" {
						t.Errorf("a meta element %v", e.attributes)
					}
				case "style":
					if strings.Contains(e.text, "url(") || strings.Contains(e.text, "@import") {
						t.Error("the style sheet loads something")
					}
				}
				for key, value := range e.attributes {
					switch {
					case strings.HasPrefix(key, "on"), key == "style", key == "src", key == "srcset", key == "srcdoc", key == "action":
						t.Errorf("<%s %s=%q>", e.name, key, value)
					case key == "href" && (e.name != "a" || !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://")):
						t.Errorf("<%s %s=%q>", e.name, key, value)
					case strings.Contains(value, "url(") && !strings.HasPrefix(value, "url(#"):
						t.Errorf("<%s %s=%q>", e.name, key, value)
					case key == "id":
						if ids[value] {
							t.Errorf("the id %s is there twice", value)
						}
						ids[value] = true
					case key == "aria-labelledby", key == "aria-describedby":
						refers = append(refers, value)
					case strings.HasPrefix(value, "url(#"):
						refers = append(refers, strings.TrimSuffix(value[len("url(#"):], ")"))
					}
				}
			})
			for _, id := range refers {
				if !ids[id] {
					t.Errorf("nothing has the id %s", id)
				}
			}
			if scripts != 1 || policies != 1 {
				t.Errorf("%d scripts and %d policies", scripts, policies)
			}
		})
	}
}

func TestEveryPictureIsThereTwiceAndHasATable(t *testing.T) {
	for name, want := range map[string][]string{
		"plausible":   {"knee", "accumulated", "backlog-E2", "backlog-E6", "accuracy", "latency", "waterfall", "queues", "batches", "visibility"},
		"interrupted": {"accumulated", "backlog-E2", "waterfall"},
		"simulated":   {"forecast-rates", "forecast-latency", "forecast-backlog"},
		"empty":       nil,
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range parse(t, page(t, runs()[name])).find("figure") {
				got = append(got, f.attributes["id"])
				if n := len(f.find("svg")); n != 2 {
					t.Errorf("%s is drawn %d times", f.attributes["id"], n)
				}
				details := f.find("details")
				if len(details) != 1 || len(details[0].find("tr")) < 2 {
					t.Errorf("%s has no table", f.attributes["id"])
				}
				for _, svg := range f.find("svg") {
					if svg.attributes["role"] != "img" || len(svg.find("desc")) != 1 {
						t.Errorf("%s says nothing to somebody who cannot see it", f.attributes["id"])
					}
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("pictures are %v, not %v", got, want)
			}
		})
	}
}

func TestEveryRowHasAnEntryForEachColumn(t *testing.T) {
	for name, r := range runs() {
		for _, table := range parse(t, page(t, r)).find("table") {
			rows := table.find("tr")
			columns := len(rows[0].children)
			for _, row := range rows[1:] {
				if row.children[0].attributes["colspan"] != "" {
					continue
				}
				if len(row.children) != columns {
					t.Errorf("%s: a row of %q has %d entries of %d", name, table.find("caption")[0].text, len(row.children), columns)
				}
			}
		}
	}
}

func TestTheWholeRunIsInThePage(t *testing.T) {
	for name, r := range runs() {
		t.Run(name, func(t *testing.T) {
			r.Schema = results.Schema
			var file bytes.Buffer
			if err := results.Encode(&file, r); err != nil {
				t.Fatal(err)
			}
			want, err := results.Decode(&file)
			if err != nil {
				t.Fatal(err)
			}
			data := parse(t, page(t, r)).find("script")[0].text
			got, err := results.Decode(strings.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Error("it is not what is in results.json")
			}
		})
	}
}

func TestWhatWentWrongIsSaidInWordsBeforeAllElse(t *testing.T) {
	lost := plausible()
	lost.Cells[3].Counts.Lost, lost.Cells[3].Examples.Lost = 3, []string{"the-lost-subject"}
	lost.Assertions[0].OK = false
	slow := plausible()
	slow.Cells[4].Validity, slow.Cells[4].Why = results.TargetLimited, []string{"the work took 90 ms"}
	clocks := plausible()
	clocks.Cells[3].Uncorrected.Negative, clocks.Cells[4].Uncorrected.Negative, clocks.Cells[4].EndToEnd.Clipped = 3, 1, 1
	broken := plausible()
	broken.Cells[0].OfferedRate = math.NaN()
	for _, test := range []struct {
		name string
		run  results.Results
		want []string
	}{
		{"a run that was interrupted says so, and why", interrupted(), []string{"This run was interrupted: the stack ended by itself 7 s into E2/C=2 (signal: killed). What follows is what was measured until then."}},
		{"a cell that was interrupted is named with its reasons", interrupted(), []string{"1 of 2 cells may not be believed", "E2/C=2: interrupted, because no acknowledgement and no completion from 7.1 s on; the stack is gone"}},
		{"an invalid cell is named with its reason", plausible(), []string{"E1/C=16/offered=1.5: generator-limited, because the sender was 212 ms late at p99, more than 50 ms"}},
		{"another limit than the one that was varied is said", slow, []string{"1 of 41 cells is target-limited: a true measurement, but something else than what was varied was the limit.", "the work took 90 ms"}},
		{"lost subjects are counted", lost, []string{"3 subjects were lost"}},
		{"a condition that is not met is named", lost, []string{"1 condition is not met: lost==0"}},
		{"latencies that cannot be are counted", clocks, []string{"4 subjects ended before they were sent, as the clocks say: in quantiles they took no time.", "3 in " + clocks.Cells[3].ID, "1 subject took more than a day: in quantiles a day."}},
		{"an empty run says that nothing was measured", results.Results{}, []string{"Nothing was measured."}},
		{"data that cannot be written is said to be missing", broken, []string{"The data is not in this page"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sections := parse(t, page(t, test.run)).find("section")
			for _, want := range test.want {
				if !strings.Contains(sections[0].text, want) {
					t.Errorf("%q is not in %q", want, sections[0].text)
				}
			}
		})
	}
	if text := parse(t, page(t, lost)).text; !strings.Contains(text, "3 in "+lost.Cells[3].ID+": the-lost-subject") {
		t.Error("the lost subject is not named")
	}
}

func TestWhatBecameOfAllSubjects(t *testing.T) {
	good := plausible()
	good.Cells = good.Cells[:5]
	for _, test := range []struct {
		name       string
		run        results.Results
		want, none string
	}{
		{"nothing lost is said with the number of subjects", good, "Nothing was lost: each of", "not known"},
		{"work that was done again is counted, and in which cell", plausible(), "96 in E5/visibility=1s", "Nothing was done twice"},
		{"what is still on the way may yet be lost", interrupted(), "Whether anything was lost: of 3970 subjects accepted some were still on the way at the end (700).", "Nothing was lost"},
		{"a forecast has lost nothing, because it has measured nothing", simulated(), "Nothing was measured: all figures are those of a simulation.", "Nothing was lost"},
		{"nor has an empty run", results.Results{}, "No cell was measured, so nothing is known", "Nothing was lost"},
	} {
		t.Run(test.name, func(t *testing.T) {
			text := parse(t, page(t, test.run)).text
			if !strings.Contains(text, test.want) {
				t.Errorf("it does not say %q", test.want)
			}
			if strings.Contains(text, test.none) {
				t.Errorf("it says %q", test.none)
			}
		})
	}
}

func TestCellsThatMayNotBeBelievedAreInNoLine(t *testing.T) {
	r := plausible()
	said := page(t, r)
	if !strings.Contains(said, "not valid: 252 at 472") { // the tooltip of its cross
		t.Error("the cell that is not valid is not in the first picture")
	}
	if strings.Contains(said, "C=16: 252 at 472") || strings.Contains(said, "C=16, flat at 314/s: 252 at 472") {
		t.Error("the cell that is not valid is in a line")
	}
	for i := range r.Cells {
		r.Cells[i].Validity = results.Contaminated
	}
	if n := len(parse(t, page(t, r)).find("figure")); n != 0 {
		t.Errorf("%d pictures of cells that are not valid", n)
	}
}

func TestOnlyLinksToPagesAreLinks(t *testing.T) {
	r := interrupted()
	r.Cells = r.Cells[:1]
	r.Cells[0].Slowest = r.Cells[0].Slowest[:4]
	for i, link := range []string{"javascript:alert(1)", "https://console.example/trace?a=1&b=2", "//evil.example", "data:text/html,x"} {
		r.Cells[0].Slowest[i].Link = link
	}
	var links []string
	for _, a := range parse(t, page(t, r)).find("a") {
		links = append(links, a.attributes["href"])
	}
	if !slices.Equal(links, []string{"https://console.example/trace?a=1&b=2"}) {
		t.Errorf("links are %q", links)
	}
}

func TestASlowSubjectLinksToItsTraceInThePage(t *testing.T) {
	r := interrupted()
	r.Cells = r.Cells[:1]
	r.Cells[0].Slowest = r.Cells[0].Slowest[:2]
	r.Cells[0].Slowest[0].Link = ""
	r.Cells[0].Slowest[1].Link = ""
	ends := 40.0
	r.Cells[0].Slowest[0].Hops = []results.Hop{
		{Name: "arvo-api/live", Kind: results.HopWork, TookMs: &ends},
		{Name: "arvo-requests", Kind: results.HopQueue, Depth: 2, StartMs: 12.5, TookMs: &ends},
		{Name: "<b>handler</b>", Kind: results.HopWork, Depth: 1_000_000, StartMs: math.NaN(), Failed: true},
	}
	all := parse(t, page(t, r))
	if links := all.find("a"); len(links) != 1 || links[0].attributes["href"] != "#trace-1" {
		t.Errorf("links are %v", links)
	}
	var spans int
	for _, svg := range all.find("svg") {
		if svg.attributes["class"] == "span" {
			spans++
		}
	}
	if spans != 2 {
		t.Errorf("%d spans are drawn of the two that have times", spans)
	}
	if text := page(t, r); !strings.Contains(text, `id="trace-1"`) || strings.Contains(text, "%!") || !strings.Contains(text, `class="queue" d="M`) || !strings.Contains(text, "not ended") || strings.Contains(text, "<b>") {
		t.Error("the trace is not there, or what did not end is not said, or a name is not text")
	}
}

func TestNothingTurnsTheTextOrIsInvisible(t *testing.T) {
	for _, bad := range []string{"\u202e", "\x00", "\x1b", "\u2066"} {
		r := interrupted()
		r.Run.Interrupted, r.Experiments[0].Finding, r.Cells[0].ID = "a"+bad+"b", bad, "E2/"+bad
		if strings.Contains(page(t, r), bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
}

func TestUnknownIsADashAndNotZero(t *testing.T) {
	r := interrupted()
	c := &r.Cells[1]
	c.PredictedCapacity, c.PredictedDrainS, c.EndToEnd.P50 = nil, nil, nil
	tables := cellsTables(t, r)
	for i, unknown := range [][]int{{5, 6, 10, 11}, {2, 4, 5}} {
		rows := slices.DeleteFunc(tables[i].find("tr"), func(e *element) bool { return !strings.HasPrefix(e.children[0].text, c.ID) })
		if len(rows) != 1 {
			t.Fatalf("%d rows of table %d are of the cell", len(rows), i)
		}
		for _, column := range unknown {
			if text := rows[0].children[column].text; text != "–" {
				t.Errorf("column %d of table %d says %q", column, i, text)
			}
		}
	}
}

func TestAQuantileHasItsIntervalUnlessItRises(t *testing.T) {
	lo, p99, hi := 0.301, 0.305, 0.309
	c := results.Cell{ID: "run", Validity: results.Valid, EndToEnd: results.Latency{N: 2000, P50: &p99, P50Lo: &lo, P50Hi: &hi, P99: &p99, P99Lo: &lo, P99Hi: &hi}}
	const value, bounds = "305\u202fµs", "[301\u202fµs, 309\u202fµs]"
	for verdict, want := range map[string][2]string{"stable": {value + bounds, value + bounds}, "unstable": {value, value + "rising"}} {
		c.Backlog.Verdict = verdict
		rows := cellsTables(t, results.Results{Cells: []results.Cell{c}})[1].find("tr")
		for i, want := range want {
			if text := rows[len(rows)-1].children[4+i].text; text != want {
				t.Errorf("%s: %q, want %q", verdict, text, want)
			}
		}
	}
}

// cellsTables finds the tables of all cells.
func cellsTables(t *testing.T, r results.Results) []*element {
	t.Helper()
	for _, s := range parse(t, page(t, r)).find("section") {
		if s.attributes["aria-labelledby"] == "cells" {
			return s.find("table")
		}
	}
	t.Fatal("there is no table of cells")
	return nil
}

func TestEachCellIsCountedOnceWhereverItIsCounted(t *testing.T) {
	r := plausible()
	r.Cells = r.Cells[:11]
	for i, v := range []results.Validity{results.TargetLimited, results.TargetLimited, results.GeneratorLimited, results.Contaminated, results.GeneratorLimited, results.Interrupted} {
		r.Cells[i].Validity, r.Cells[i].Why = v, []string{fmt.Sprintf("the reason of %d", i)}
	}
	root := parse(t, page(t, r))
	first := root.find("section")[0]
	for _, want := range []string{
		"4 of 11 cells may not be believed (1 contaminated, 2 generator-limited, 1 interrupted)",
		"2 of 11 cells are target-limited: true measurements",
	} {
		if !strings.Contains(first.text, want) {
			t.Errorf("%q is not in %q", want, first.text)
		}
	}
	lines := 0
	for _, li := range first.find("li") {
		if len(li.children) == 0 && strings.Contains(li.text, "the reason of") {
			lines++
			if strings.Count(li.text, "the reason of") != 1 {
				t.Errorf("a line is of more than one cell: %q", li.text)
			}
		}
	}
	if lines != 6 {
		t.Errorf("%d lines for 6 cells", lines)
	}
	if want := "Of 11 cells 5 are valid, 2 are target-limited (true measurements, of another limit than what was varied), 4 may not be believed (1 contaminated, 2 generator-limited, 1 interrupted)."; !strings.Contains(root.text, want) {
		t.Errorf("the verdict is not %q", want)
	}
	counted := map[string]int{}
	for _, row := range cellsTables(t, r)[0].find("tr")[1:] {
		if len(row.children) > 1 {
			counted[row.children[1].text]++
		} else if strings.HasPrefix(row.text, "Why") {
			counted["why"]++
		}
	}
	want := map[string]int{"valid": 5, "target-limitedbelieved": 2, "generator-limitednot believed": 2, "contaminatednot believed": 1, "interruptednot believed": 1, "why": 6}
	if !reflect.DeepEqual(counted, want) {
		t.Errorf("the table has %v, not %v", counted, want)
	}
}

func TestWhatIsTargetLimitedOnlyIsNoFault(t *testing.T) {
	r := plausible()
	r.Cells = r.Cells[:3]
	r.Cells[1].Validity = results.TargetLimited
	for _, li := range parse(t, page(t, r)).find("li") {
		if strings.Contains(li.text, "Of 3 cells 2 are valid, 1 is target-limited") {
			if li.attributes["class"] != "open" || strings.Contains(li.text, "may not be believed") {
				t.Errorf("it is %q: %q", li.attributes["class"], li.text)
			}
			return
		}
	}
	t.Error("it is not told")
}

func TestGroupsOfCellsHaveNames(t *testing.T) {
	r := plausible()
	r.Cells = r.Cells[:3]
	r.Cells[0].ID, r.Cells[0].Experiment = "calibration", ""
	var groups []string
	for _, row := range cellsTables(t, r)[0].find("tr") {
		if row.attributes["class"] == "group" {
			groups = append(groups, row.text)
		}
	}
	want := []string{"Calibration: C=2, B=1, P=10, visibility 30\u202Fs, work 50\u202Fms", "E1: C=2, B=1, P=10, visibility 30\u202Fs, work 50\u202Fms"}
	if !slices.Equal(groups, want) {
		t.Errorf("they are %q, not %q", groups, want)
	}
}

func TestTheForecastSaysWhatTheTerminalSays(t *testing.T) {
	r := simulated()
	for i := range r.Forecast.Levels {
		l := &r.Forecast.Levels[i]
		l.Completed, l.Settled = 321+float64(i), 765 // told apart
	}
	root := parse(t, page(t, r))
	var tables int
	for _, table := range root.find("table") {
		rows := table.find("tr")
		var completed, end int
		for i, c := range rows[0].children {
			switch c.text {
			case "completed":
				completed = i
			case "completed at the end of the load":
				end = i
			}
		}
		if end == 0 || strings.Contains(table.find("caption")[0].text, "raised") {
			continue
		}
		tables++
		for i, row := range rows[1:] {
			if got, want := row.children[completed].text, fmt.Sprintf("%d/s", 321+i); got != want {
				t.Errorf("completed is %s, not %s", got, want)
			}
			if got := row.children[end].text; got != "765/s" {
				t.Errorf("completed at the end of the load is %s", got)
			}
		}
	}
	if tables != 2 {
		t.Errorf("%d tables have both rates", tables)
	}
	if !strings.Contains(root.text, "At 2000/s it completes 325/s") {
		t.Error("the finding has another rate than that of the whole load")
	}
}

func TestTheForecastSaysWhenMoreLoadDoesLess(t *testing.T) {
	level := func(offered, accepted, completed float64, binding string) results.Level {
		return results.Level{Offered: offered, Accepted: accepted, Completed: completed, Binding: binding, Waits: results.Waits{Accept: 500, Response: 400_000}}
	}
	table := "table write throughput"
	starved := level(2700, 795, 15, table)
	elsewhere := starved
	elsewhere.Waits.Accept = 500_000
	for _, test := range []struct {
		name   string
		levels []results.Level
		want   string
		none   string
	}{
		{"the API starves the sink", []results.Level{level(510, 510, 510, ""), level(690, 690, 278, table), starved, level(3600, 795, 15.2, table)},
			"It keeps up with 510/s; beyond that table write throughput binds: what the API writes starves the sink, and completed falls to 15.0/s at 2700/s, of 795/s accepted. At 690/s it completes 278/s", ""},
		{"why is not told where subjects wait elsewhere", []results.Level{level(510, 510, 510, ""), elsewhere}, "binds: the more is accepted, the less is completed, and completed falls to 15.0/s", "starves"},
		{"nor of another limit", []results.Level{level(510, 510, 510, ""), level(2700, 795, 15, "API throttle")}, "beyond that API throttle binds: the more is accepted, the less is completed", "starves"},
		{"no rate is kept up with", []results.Level{level(600, 600, 500, table), starved}, "At every rate table write throughput binds: what the API writes starves the sink, and completed falls to 15.0/s", "keeps up"},
		{"a flat line does not fall", []results.Level{level(510, 510, 510, ""), level(690, 690, 500, table), level(2700, 795, 470, table)}, "It keeps up with 510/s. At 690/s it completes 500/s", "falls"},
		{"nor does what is refused", []results.Level{level(510, 510, 510, ""), level(2700, 15, 15, table)}, "It keeps up with 510/s. At 2700/s it completes 15.0/s", "falls"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := simulated()
			r.Forecast.Levels, r.Forecast.Fitted = test.levels, nil
			root := parse(t, page(t, r))
			if !strings.Contains(root.text, test.want) {
				t.Errorf("it does not say %q", test.want)
			}
			if test.none != "" && strings.Contains(root.find("main")[0].find("section")[0].text, test.none) {
				t.Errorf("it says %q", test.none)
			}
		})
	}
	if sim.TableThroughput != sim.Limit(table) {
		t.Errorf("the simulation calls it %q", sim.TableThroughput)
	}
}

func TestRaisedSettingsAreInEveryPicture(t *testing.T) {
	r := simulated()
	caught := &r.Forecast.Fitted[3]
	caught.Series = results.Series{StepS: 10, Offered: []float64{15_000, 15_000, 15_000}, Backlog: []float64{9000, 9000, 300}}
	root := parse(t, page(t, r))
	for _, f := range root.find("figure") {
		if drawn := strings.Contains(f.find("svg")[0].text, "settings raised"); !drawn {
			t.Errorf("%s shows nothing raised", f.attributes["id"])
		}
		if id := f.attributes["id"]; id != "forecast-rates" && strings.Count(f.find("table")[0].text, "/s, settings raised") != len(r.Forecast.Fitted) {
			t.Errorf("the table of %s has not all levels with settings raised: %q", id, f.find("table")[0].text)
		}
	}
	if want := "none, after 20.0\u202fs in which it fell behind and caught up"; strings.Count(root.text, want) != 1 {
		t.Errorf("it does not say once %q", want)
	}
}

func TestNumbersAreRounded(t *testing.T) {
	r := plausible()
	r.Experiments[0].Fits[0].Residual = 1.4332917616497527e-16
	r.Cells[1].EndToEnd.Max, r.Cells[1].CompletedRate.Mean = 79.10300000000001, 140.66666666666669
	r.Forecast = simulated().Forecast
	r.Forecast.Levels[0].EndToEnd.P99, r.Forecast.Levels[0].USDMillion = known(65.21499999999999), 22.956158225592777
	for _, table := range parse(t, page(t, r)).find("table") {
		for _, row := range table.find("tr") {
			for _, e := range row.children {
				if noisy.MatchString(e.text) {
					t.Errorf("%q in %q", e.text, table.find("caption")[0].text)
				}
			}
		}
	}
}

// noisy is a number with more digits than anybody needs, or what rounding has left of zero.
var noisy = regexp.MustCompile(`[0-9]\.[0-9]{6,}|e-[0-9]{2}`)

func TestEachOfTheSlowestHasATraceOrSaysWhyNot(t *testing.T) {
	r := interrupted()
	for i := range r.Cells {
		for j := range r.Cells[i].Slowest {
			s := &r.Cells[i].Slowest[j]
			s.Link = ""
			if j < 3 {
				s.Hops = []results.Hop{{Name: "arvo-api", Kind: results.HopWork, TookMs: known(3)}}
			}
		}
	}
	r.Cells[1].Slowest[1].TraceID, r.Cells[1].Slowest[1].Hops = "", nil
	r.Cells[1].Slowest[2].Hops = nil
	said := page(t, r)
	root := parse(t, said)
	for _, s := range root.find("section") {
		if s.attributes["aria-labelledby"] != "slowest" {
			continue
		}
		table := s.find("table")[0]
		if want := "The slowest subjects, at most 3 of a cell, and where they spent their time; the traces of 4 of these 6 follow"; table.find("caption")[0].text != want {
			t.Errorf("it is headed %q", table.find("caption")[0].text)
		}
		var linked, why int
		for _, row := range table.find("tr")[1:] {
			for _, a := range row.find("a") {
				linked++
				if !strings.Contains(said, `id="`+strings.TrimPrefix(a.attributes["href"], "#")+`"`) {
					t.Errorf("nothing is at %s", a.attributes["href"])
				}
			}
			if strings.Contains(row.text, "it was not traced") || strings.Contains(row.text, "its trace was not read") {
				why++
			}
		}
		if linked != 4 || why != 2 {
			t.Errorf("%d rows have a trace, and %d say why not", linked, why)
		}
		return
	}
	t.Error("there is no such table")
}

func TestAPageIsWrittenWholeOrTheErrorTold(t *testing.T) {
	if err := report.HTML(full{}, plausible()); !errors.Is(err, errFull) {
		t.Errorf("the error is %v", err)
	}
}

var errFull = errors.New("no space left on device")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func BenchmarkHTML(b *testing.B) {
	r := plausible()
	var page bytes.Buffer
	for b.Loop() {
		page.Reset()
		if err := report.HTML(&page, r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(page.Len()), "B/page")
}

func ExampleHTML() {
	var page bytes.Buffer
	err := report.HTML(&page, results.Results{Schema: results.Schema, Run: results.Run{Stack: "arvo", Target: "local"}})
	fmt.Println(err, strings.Contains(page.String(), "<title>Load test of arvo</title>"))
	// Output: <nil> true
}

// TestPicturesAreInOrder: cells are measured in an order that is drawn, and a reader looks for them by what was varied.
func TestPicturesAreInOrder(t *testing.T) {
	known := func(v float64) *float64 { return &v }
	var r results.Results
	for _, concurrency := range []int{16, 4, 2, 8} {
		r.Cells = append(r.Cells, results.Cell{
			ID: fmt.Sprintf("E2/C=%d", concurrency), Experiment: "E2", Role: "measured", Validity: results.Valid, Params: results.Params{Concurrency: concurrency, Queue: "sqs"},
			Waits: &results.Waits{Service: 50}, OfferedRate: 1.299 * 40, PredictedCapacity: known(20 * float64(concurrency)), EndToEnd: results.Latency{P50: known(60), Max: 70, N: 10},
			Counts: results.Counts{Completed: 100},
		})
	}
	at := 0
	picture := report.Waterfall(r)
	for _, name := range []string{">C=2<", ">C=4<", ">C=8<", ">C=16<"} {
		next := strings.Index(picture, name)
		if next < at {
			t.Errorf("%s is not in its place", name)
		}
		at = next
	}
	// The last cell is a little below 130 % of its capacity, and the axis ends at a number.
	if picture := report.Latencies(r); !regexp.MustCompile(`>130.%<`).MatchString(picture) {
		t.Errorf("the axis of latencies ends without a number: %v", regexp.MustCompile(`>[0-9]+.%<`).FindAllString(picture, -1))
	}
}

// TestABacklogIsNamedWhereItCanBeSeen: at its peak, or beside the end of a line that lies on the axis.
func TestABacklogIsNamedWhereItCanBeSeen(t *testing.T) {
	var r results.Results
	drained := 0.5
	for _, c := range []struct{ concurrency, peak int }{{2, 200}, {4, 10}, {8, 9}} {
		r.Cells = append(r.Cells, results.Cell{
			ID: fmt.Sprintf("E2/C=%d", c.concurrency), Experiment: "E2", Role: "measured", Validity: results.Valid, Params: results.Params{Concurrency: c.concurrency, Queue: "sqs"},
			Backlog: results.Backlog{Peak: c.peak, DrainS: &drained}, Series: results.Series{StepS: 1, Backlog: []float64{0, float64(c.peak), 0}},
		})
	}
	picture := report.Backlogs(r)
	for _, name := range []string{"C=2: drained in", "C=4: drained in", "C=8: next to none"} {
		if !strings.Contains(picture, name) {
			t.Errorf("%q is not in %s", name, picture)
		}
	}
}
