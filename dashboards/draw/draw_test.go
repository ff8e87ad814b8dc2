package draw

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

type chart interface{ SVG(Size) string }

func line(n int, y func(float64) float64) (xs, ys []float64) {
	for i := range n {
		x := float64(i) * 80 / float64(n-1)
		xs, ys = append(xs, x), append(ys, y(x))
	}
	return xs, ys
}

// backlog is that of a queue that is given 150/s for 20 s.
func backlog(capacity float64) func(float64) float64 {
	return func(s float64) float64 {
		return max(0, min(s, 20)*(150-capacity)-max(0, s-20)*capacity)
	}
}

// charts are those that the golden files show: one of each kind, with all that it can have.
func charts() map[string]chart {
	offered := []float64{20, 40, 80, 120, 160, 200, 240, 320, 400}
	flat := func(ceiling float64) []float64 {
		var y []float64
		for _, x := range offered {
			y = append(y, min(x, ceiling))
		}
		return y
	}
	var lo, hi []float64
	for _, y := range flat(79.2) {
		lo, hi = append(lo, y*.95), append(hi, y*1.05)
	}
	t, accepted := line(801, func(s float64) float64 { return min(s, 20) * 150 })
	_, completed := line(801, func(s float64) float64 { return min(s*79, 3000) })
	_, slow := line(801, backlog(40))
	_, fast := line(801, backlog(79))
	_, none := line(801, backlog(150))
	rho := []float64{.5, .8, .95, 1.05, 1.2, 1.5}
	return map[string]chart{
		"knee": Plot{Frame: Frame{ID: "knee", Title: "Completed over offered", Desc: "Each line goes flat at its limit.", Headed: true},
			X: Axis{Label: "offered (subjects/s)"}, Y: Axis{Label: "completed (subjects/s)"}, Diagonal: "all that is offered",
			Series: []Series{{Name: "C=2", X: offered, Y: flat(39.6)}, {Name: "C=4", X: offered, Y: flat(79.2), Lo: lo, Hi: hi}, {Name: "C=8", X: offered, Y: flat(158)},
				{Name: "not valid", X: []float64{240, 320}, Y: []float64{110, 90}, Kind: Points, Color: 7}}},
		"area": Plot{Frame: Frame{ID: "area", Title: "Accepted and completed"}, X: Axis{Label: "time", Unit: Seconds}, Y: Axis{Label: "subjects, counted up", Unit: Count},
			Series: []Series{{Name: "accepted", X: t, Y: accepted}, {Name: "completed", X: t, Y: completed}},
			Areas:  []Area{{Name: "backlog, at most 1420", X: t, Lo: completed, Hi: accepted, Color: 1}}, Marks: []Mark{{20, "load ends"}, {38, "drained"}}},
		"peaks": Plot{Frame: Frame{ID: "peaks", Title: "Backlog"}, X: Axis{Label: "time", Unit: Seconds}, Y: Axis{Label: "backlog", Unit: Count},
			Series: []Series{{Name: "C=2: drained in 55.6 s", X: t, Y: slow, Color: 1, Label: AtPeak}, {Name: "predicted", X: []float64{20, 75}, Y: []float64{2200, 0}, Color: 1, Dashed: true, Label: None},
				{Name: "C=4: drained in 17.9 s", X: t, Y: fast, Color: 2, Label: AtPeak}, {Name: "C=8: none", X: t, Y: none, Color: 3}}},
		"log": Plot{Frame: Frame{ID: "log", Title: "Latency over utilisation"}, X: Axis{Label: "utilisation", Unit: Percent}, Y: Axis{Label: "end to end", Unit: Seconds, Log: true},
			Series: []Series{{Name: "p50", X: rho, Y: []float64{.056, .057, .07, .9, 3, 9}}, {Name: "p99", X: rho, Y: []float64{.06, .08, .2, 1.9, math.NaN(), 19}}},
			Marks:  []Mark{{1, "capacity"}}, Notes: []Note{{1.05, 1.9, "falls behind"}}},
		"scatter": Plot{Frame: Frame{ID: "scatter", Title: "Measured over predicted"}, X: Axis{Label: "predicted"}, Y: Axis{Label: "measured"}, Diagonal: "as predicted",
			Series: []Series{{Name: "E1", Kind: Points, X: []float64{40, 79, 158}, Y: []float64{39.6, 79.2, 157}}, {Name: "E2", Kind: Points, X: []float64{40, 80}, Y: []float64{39.5, 82}}}},
		"stacked": Bars{Frame: Frame{ID: "stacked", Title: "Where the time went", Headed: true}, Axis: Axis{Label: "mean time of a subject", Unit: Seconds}, Groups: []string{"C=2", "C=4", "C=8"}, Stacked: true,
			Parts: []Part{{"accept", []float64{.004, .004, .004}}, {"request queue", []float64{14, 4.5, .001}}, {"service", []float64{.5, .5, .5}}, {"response queue", []float64{.2, .1, .1}}, {"store", []float64{.2, .1, math.NaN()}}}},
		"grouped": Bars{Frame: Frame{ID: "grouped", Title: "Batch size"}, Axis: Axis{Label: "subjects/s"}, Groups: []string{"one at a time", "ten at a time, of which all are handled side by side"},
			Parts: []Part{{"predicted", []float64{79.2, 787}}, {"completed", []float64{79, 780}}, {"unknown", nil}}},
		"empty plot": Plot{Frame: Frame{ID: "empty", Title: "Nothing"}, X: Axis{Label: "time"}, Series: []Series{{Name: "a", X: []float64{1, math.Inf(1)}, Y: []float64{math.NaN(), 2}}}},
		"empty bars": Bars{Frame: Frame{Title: "Nothing"}},
	}
}

func TestCharts(t *testing.T) {
	for name, c := range charts() {
		for size, s := range map[string]Size{"wide": Wide, "narrow": Narrow} {
			t.Run(name+", "+size, func(t *testing.T) {
				svg := c.SVG(s)
				check(t, svg)
				apart(t, svg)
				golden(t, strings.ReplaceAll(name, " ", "-")+"-"+size+".svg", svg)
			})
		}
	}
	_, fast := line(801, backlog(79))
	spark := Spark{Title: "backlog", Unit: Count, Values: fast}.SVG()
	check(t, spark)
	golden(t, "spark.svg", spark)
}

func golden(t *testing.T, name, svg string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(svg+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if svg+"\n" != string(want) {
		t.Errorf("%s is not what it was; look at it, then run the test with -update", path)
	}
}

// check holds an svg against what the package promises of each.
func check(t interface {
	Helper()
	Fatalf(string, ...any)
}, svg string) {
	t.Helper()
	elements := map[string]string{ // and the attributes that each may have
		"svg": "xmlns viewBox role aria-labelledby aria-describedby font-family font-size fill width height", "title": "id", "desc": "id", "defs": "",
		"g": "transform fill fill-opacity", "path": "d fill fill-opacity stroke stroke-width stroke-opacity stroke-dasharray stroke-linejoin stroke-linecap",
		"rect": "x y width height fill stroke stroke-width stroke-opacity", "circle": "cx cy r fill stroke stroke-width",
		"pattern": "id width height patternUnits",
		"text":    "x y text-anchor opacity font-size font-weight font-style stroke stroke-width stroke-linejoin paint-order",
	}
	roots := 0
	d := xml.NewDecoder(strings.NewReader(svg))
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
			allowed, ok := elements[e.Name.Local]
			if !ok {
				t.Fatalf("an element <%s>", e.Name.Local)
			}
			for _, a := range e.Attr {
				if !slices.Contains(strings.Fields(allowed), a.Name.Local) {
					t.Fatalf("<%s> has an attribute %s", e.Name.Local, a.Name.Local)
				}
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || strings.Contains(a.Value, "e+") {
					t.Fatalf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
				}
				if strings.Contains(a.Value, "url(") && !strings.HasPrefix(a.Value, "url(#") {
					t.Fatalf("<%s %s=%q> refers to something else", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		case xml.EndElement:
			depth--
		case xml.Comment, xml.ProcInst, xml.Directive:
			t.Fatalf("a %T", token)
		}
	}
	if roots != 1 || !strings.HasPrefix(svg, "<svg ") {
		t.Fatalf("%d roots", roots)
	}
}

// texts returns where the texts of a chart are, but for those that are turned.
func texts(t *testing.T, svg string) (boxes [][4]float64, said []string, width, height float64) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	turned := 0
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for {
		token, err := d.Token()
		if err != nil {
			return boxes, said, width, height
		}
		switch e := token.(type) {
		case xml.EndElement:
			if e.Name.Local == "g" {
				turned = max(0, turned-1)
			}
		case xml.StartElement:
			a := map[string]string{}
			for _, x := range e.Attr {
				a[x.Name.Local] = x.Value
			}
			if e.Name.Local == "svg" {
				view := strings.Fields(a["viewBox"])
				width, height = number(view[2]), number(view[3])
			}
			if e.Name.Local == "g" && a["transform"] != "" {
				turned++
			}
			if e.Name.Local != "text" || turned > 0 {
				continue
			}
			next, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			s := string(next.(xml.CharData))
			w, size := widthOf(s), fontSize
			if a["font-size"] != "" {
				size = number(a["font-size"])
				w *= size / fontSize * .93 // the estimate is on the safe side
			}
			x, y := number(a["x"]), number(a["y"])
			switch a["text-anchor"] {
			case middle:
				x -= w / 2
			case right:
				x -= w
			}
			boxes = append(boxes, [4]float64{x, y - size*.75, x + w, y + size*.2})
			said = append(said, s)
		}
	}
}

// apart reports texts that touch each other, or leave the chart.
func apart(t *testing.T, svg string) {
	t.Helper()
	boxes, said, width, height := texts(t, svg)
	for i, a := range boxes {
		if a[0] < -1 || a[1] < -1 || a[2] > width+1 || a[3] > height+1 {
			t.Errorf("%q leaves the chart: %.1f", said[i], a)
		}
		for j, b := range boxes[:i] {
			if a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3] {
				t.Errorf("%q at %.0f and %q at %.0f overlap", said[i], a, said[j], b)
			}
		}
	}
}

func TestNamesOfManyLinesThatEndTogetherDoNotOverlap(t *testing.T) {
	for count := range MaxSeries + 3 {
		p := Plot{Frame: Frame{Title: "many"}, X: Axis{Label: "x"}, Y: Axis{Label: "y"}, Marks: []Mark{{10, "a mark"}, {10.5, "another mark"}, {10.6, "a third one"}}}
		for i := range count {
			p.Series = append(p.Series, Series{Name: fmt.Sprintf("line %d", i), X: []float64{0, 5, 10}, Y: []float64{0, 5, 5 + float64(i)/1000}})
		}
		for _, size := range []Size{Wide, Narrow} {
			svg := p.SVG(size)
			check(t, svg)
			apart(t, svg)
		}
	}
}

// hostile could end an element or an attribute, run, or turn the text.
const hostile = "\"'><script>alert(1)</script>&lt;&#0;]]>--><!--\x00\x1b\u202e\ufffe\xff{{.}}"

func TestWhateverIsInAChartItIsOneSafeElement(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	odd := []float64{nan, inf, -inf, 0, math.Copysign(0, -1), 1e308, -1e308, 5e-324, 1e100, -1e100, 1, -1, 1e-300, nan, 2}
	for _, size := range []Size{{}, {1, 1}, {-5, 7}, {1 << 40, 1 << 40}, Narrow} {
		for _, logX := range []bool{false, true} {
			for _, logY := range []bool{false, true} {
				p := Plot{Frame: Frame{ID: hostile, Title: hostile, Desc: hostile, Headed: true}, X: Axis{Label: hostile, Log: logX, Unit: Unit(99)}, Y: Axis{Label: hostile, Log: logY, Unit: Seconds, Min: nan, Max: inf}, Diagonal: hostile,
					Series: []Series{{Name: hostile, X: odd, Y: odd, Lo: odd, Hi: odd}, {Name: hostile, X: odd[3:], Y: odd, Kind: Points, Color: 12345, Lo: odd[:1]}, {}, {Name: strings.Repeat("w", 100_000), X: []float64{1}, Y: []float64{1}, Dashed: true, Label: AtPeak}},
					Areas:  []Area{{Name: hostile, X: odd, Lo: odd, Hi: odd[2:]}, {}}, Marks: []Mark{{nan, hostile}, {1, hostile}, {inf, ""}}, Notes: []Note{{1, 1, hostile}, {nan, 1, hostile}}}
				check(t, p.SVG(size))
			}
		}
		for _, stacked := range []bool{false, true} {
			check(t, Bars{Frame: Frame{ID: hostile, Title: hostile, Desc: hostile, Headed: true}, Axis: Axis{Label: hostile, Max: inf}, Groups: []string{hostile, "", hostile}, Parts: []Part{{hostile, odd}, {hostile, odd[5:]}, {}}, Stacked: stacked}.SVG(size))
		}
	}
	check(t, Spark{Title: hostile, Values: odd}.SVG())
	check(t, Spark{}.SVG())
}

func TestSizeIsBounded(t *testing.T) {
	n := 20_000
	p := Plot{Frame: Frame{ID: "large", Title: "large"}}
	var b Bars
	b.Title = "large"
	for s := range 2 * MaxSeries {
		var xs, ys []float64
		for i := range n {
			xs, ys = append(xs, float64(i)), append(ys, math.Mod(float64(i)*float64(7919+s)*math.Phi, 1))
		}
		kind := Line
		if s == 0 {
			kind = Points
		}
		p.Series = append(p.Series, Series{Name: fmt.Sprint(s), X: xs, Y: ys, Kind: kind})
		p.Areas = append(p.Areas, Area{X: xs, Lo: ys, Hi: ys})
		p.Marks = append(p.Marks, Mark{float64(s), "mark"})
		p.Notes = append(p.Notes, Note{float64(s), .5, "note"})
		b.Groups = append(b.Groups, fmt.Sprint(s))
		b.Parts = append(b.Parts, Part{fmt.Sprint(s), ys})
	}
	for i := range n {
		b.Groups = append(b.Groups, fmt.Sprint(i))
	}
	svg := p.SVG(Wide)
	check(t, svg)
	for _, want := range []string{"24 more series", "24 more areas", "24 more marks", "24 more notes"} {
		if !strings.Contains(svg, want) {
			t.Errorf("it does not say that %s are left out", want)
		}
	}
	// 24 lines and 24 areas, four points in each of 720 columns, and twice that for an area, of 12 bytes each.
	if most := (24 + 2*24) * 4 * 720 * 12; len(svg) > most {
		t.Errorf("a plot has %d bytes, of at most %d", len(svg), most)
	}
	svg = b.SVG(Wide)
	check(t, svg)
	if len(svg) > 1<<20 {
		t.Errorf("bars have %d bytes", len(svg))
	}
}

func TestAGapInterruptsALine(t *testing.T) {
	path := func(y []float64) string {
		svg := Plot{Series: []Series{{X: []float64{0, 1, 2, 3, 4}, Y: y}}}.SVG(Wide)
		before, _, _ := strings.Cut(svg, `" fill="none" stroke="#0072B2"`)
		return before[strings.LastIndexByte(before, '"')+1:]
	}
	if whole := path([]float64{1, 2, 3, 2, 1}); strings.Count(whole, "M") != 1 {
		t.Errorf("a line without gaps is %s", whole)
	}
	if cut := path([]float64{1, 2, math.NaN(), 2, 1}); strings.Count(cut, "M") != 2 {
		t.Errorf("a line with a gap is %s", cut)
	}
}

func TestReduceKeepsWhatIsSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "points")
		columns := rapid.IntRange(1, 300).Draw(t, "columns")
		seed := rapid.Uint64().Draw(t, "seed")
		var all [][]point
		var run []point
		for i := range n {
			seed = seed*6364136223846793005 + 1442695040888963407
			if seed>>60 == 0 && len(run) > 0 {
				all, run = append(all, run), nil
			}
			run = append(run, point{x: float64(i) * float64(columns) / float64(n), y: float64(seed >> 40), i: i})
		}
		if len(run) > 0 {
			all = append(all, run)
		}
		got := reduce(all, float64(columns))

		// Least and greatest of each column, before and after.
		extremes := func(all [][]point) map[int][2]float64 {
			m := map[int][2]float64{}
			for _, r := range all {
				for _, p := range r {
					c := int(p.x)
					e, ok := m[c]
					if !ok {
						e = [2]float64{p.y, p.y}
					}
					m[c] = [2]float64{min(e[0], p.y), max(e[1], p.y)}
				}
			}
			return m
		}
		want, have := extremes(all), extremes(got)
		for c := range want {
			if want[c] != have[c] {
				t.Fatalf("column %d reached from %v, and does from %v", c, want[c], have[c])
			}
		}
		total, last := 0, -1
		for _, r := range got {
			for _, p := range r {
				total++
				if p.i <= last {
					t.Fatalf("point %d comes after %d", p.i, last)
				}
				last = p.i
			}
		}
		if most := max(4*(columns+1), 2*columns); total > most {
			t.Fatalf("%d points are left for %d columns", total, columns)
		}
		if n > 0 && (got[0][0].i != 0 || last != n-1) {
			t.Fatal("the first or last point is lost")
		}
	})
}

func TestSpreadMovesApartWhatOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wanted := rapid.SliceOfN(rapid.Float64Range(-50, 350), 0, 30).Draw(t, "wanted")
		const height, from, to = 15, 0, 300
		got, ok := spread(wanted, height, from, to)
		if ok != (len(wanted)*height <= to-from) {
			t.Fatalf("%d labels of %d in %d: %v", len(wanted), height, to-from, ok)
		}
		if !ok {
			return
		}
		o := order(wanted)
		for k, i := range o {
			if got[i] < from+height/2.-1e-6 || got[i] > to-height/2.+1e-6 {
				t.Fatalf("%v leaves its place", got[i])
			}
			if k > 0 && got[i]-got[o[k-1]] < height-1e-6 {
				t.Fatalf("%v and %v overlap", got[o[k-1]], got[i])
			}
		}
		// What is apart by itself stays where it is.
		alone := true
		for k, i := range o {
			alone = alone && wanted[i] >= from+height/2. && wanted[i] <= to-height/2. && (k == 0 || wanted[i]-wanted[o[k-1]] >= height)
		}
		for i := range wanted {
			if alone && math.Abs(got[i]-wanted[i]) > 1e-6 {
				t.Fatalf("%v was moved to %v for nothing", wanted[i], got[i])
			}
		}
	})
}

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		name   string
		axis   Axis
		lo, hi float64
		want   int
		tight  bool
		labels string
	}{
		{"zero belongs to a linear axis", Axis{}, 300, 320, 5, false, "0 100 200 300 400"},
		{"steps are 1, 2 or 5 times a power of ten", Axis{}, 0, 90, 5, false, "0 20 40 60 80 100"},
		{"a tight axis ends with its values", Axis{}, 0, 90, 5, true, "0 20 40 60 80"},
		{"values below zero have ticks, too", Axis{}, -30, 90, 5, false, "−50 0 50 100"},
		{"fractions are as exact as the step", Axis{}, 0, .3, 3, false, "0 0.1 0.2 0.3"},
		{"thousands have prefixes from ten thousand on", Axis{}, 0, 40_000, 4, false, "0 10k 20k 30k 40k"},
		{"below they are written out", Axis{}, 0, 4000, 4, false, "0 1000 2000 3000 4000"},
		{"millions", Axis{}, 0, 1.9e6, 4, false, "0 0.5M 1.0M 1.5M 2.0M"},
		{"counts have no fractions", Axis{Unit: Count}, 0, 2, 8, false, "0 1 2"},
		{"nothing at all", Axis{}, 0, 0, 4, false, "0 0.5 1.0"},
		{"seconds go by what a clock has", Axis{Unit: Seconds}, 0, 75, 6, true, "0 15_s 30_s 45_s 60_s 75_s"},
		{"minutes", Axis{Unit: Seconds}, 0, 600, 6, true, "0 2_min 4_min 6_min 8_min 10_min"},
		{"half minutes", Axis{Unit: Seconds}, 0, 600, 20, true, "0 0.5_min 1.0_min 1.5_min 2.0_min 2.5_min 3.0_min 3.5_min 4.0_min 4.5_min 5.0_min 5.5_min 6.0_min 6.5_min 7.0_min 7.5_min 8.0_min 8.5_min 9.0_min 9.5_min 10.0_min"},
		{"hours", Axis{Unit: Seconds}, 0, 6 * 3600, 6, true, "0 1_h 2_h 3_h 4_h 5_h 6_h"},
		{"days", Axis{Unit: Seconds}, 0, 5 * 86400, 5, true, "0 1_d 2_d 3_d 4_d 5_d"},
		{"milliseconds", Axis{Unit: Seconds}, 0, .08, 4, false, "0 20_ms 40_ms 60_ms 80_ms"},
		{"microseconds", Axis{Unit: Seconds}, 0, 80e-6, 4, false, "0 20_µs 40_µs 60_µs 80_µs"},
		{"percent", Axis{Unit: Percent}, 0, 1.5, 3, false, "0 50_% 100_% 150_%"},
		{"decades", Axis{Log: true}, 10, 1e6, 6, false, "10 100 1000 10k 100k 1M"},
		{"every other decade when there are many", Axis{Log: true}, 10, 1e6, 3, false, "10 1000 100k"},
		{"1, 2 and 5 when there are few", Axis{Log: true}, 20, 300, 9, false, "10 20 50 100 200 500 1000"},
		{"a tight logarithmic axis ends at 1, 2 or 5", Axis{Log: true}, 20, 300, 9, true, "20 50 100 200 500"},
		{"decades of time", Axis{Log: true, Unit: Seconds}, .05, 15, 5, false, "10_ms 100_ms 1_s 10_s 100_s"},
		{"one value on a logarithmic axis", Axis{Log: true}, 100, 100, 2, false, "100 1000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := extent{log: test.axis.Log}
			e.add(test.lo, test.hi)
			s, ticks := axis(test.axis, e, test.want, test.tight)
			var labels []string
			for _, tick := range ticks {
				if tick.label != "" {
					labels = append(labels, strings.ReplaceAll(tick.label, thin, "_"))
				}
			}
			if got := strings.Join(labels, " "); got != test.labels {
				t.Errorf("ticks are %s, not %s", got, test.labels)
			}
			s.from, s.to = 0, 1
			for _, v := range []float64{test.lo, test.hi} {
				if at, ok := s.at(v); !ok || at < -1e-9 || at > 1+1e-9 {
					t.Errorf("%v is not on the axis: %v", v, at)
				}
			}
		})
	}
}

func TestTicksAreFewAndLieOnTheAxis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Axis{Unit: Unit(rapid.IntRange(0, 3).Draw(t, "unit")), Log: rapid.Bool().Draw(t, "log")}
		e := extent{log: a.Log}
		e.add(rapid.SliceOfN(rapid.Float64(), 0, 4).Draw(t, "values")...)
		want := rapid.IntRange(2, 20).Draw(t, "want")
		s, ticks := axis(a, e, want, rapid.Bool().Draw(t, "tight"))
		s.from, s.to = 0, 1
		labels := 0
		for i, tick := range ticks {
			at, ok := s.at(tick.at)
			if !ok || at < -1e-6 || at > 1+1e-6 {
				t.Fatalf("the tick %v is at %v", tick, at)
			}
			if i > 0 && tick.at <= ticks[i-1].at {
				t.Fatalf("%v comes after %v", tick, ticks[i-1])
			}
			if tick.label != "" {
				labels++
			}
		}
		if labels > 2*want+6 {
			t.Fatalf("%d labels where %d were wanted", labels, want)
		}
	})
}

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		unit Unit
		v    float64
		want string
	}{
		{Number, 0, "0"}, {Number, 79.23, "79.2"}, {Number, 99.96, "100"}, {Number, 9.996, "10.0"}, {Number, 1234, "1230"}, {Number, 12_345, "12_300"}, {Number, 1_234_567, "1_230_000"}, {Number, -0.8, "−0.800"},
		{Number, .01234, "0.0123"}, {Number, 1e-7, "1.00e-07"}, {Number, 1e20, "1.00e+20"}, {Number, math.NaN(), "–"}, {Number, math.Inf(-1), "–"}, {Number, 1e300, "–"},
		{Count, 1234, "1234"}, {Count, 123_456, "123_456"}, {Count, 90, "90"}, {Count, math.NaN(), "–"},
		{Seconds, 0, "0_s"}, {Seconds, .056, "56.0_ms"}, {Seconds, .99951, "1.00_s"}, {Seconds, .0000123, "12.3_µs"}, {Seconds, 53.04, "53.0_s"}, {Seconds, 599, "599_s"}, {Seconds, 600, "10.0_min"}, {Seconds, 7199, "2.00_h"}, {Seconds, -2, "−2.00_s"},
		{Percent, .125, "12.5_%"}, {Percent, 1, "100_%"},
	} {
		if got := strings.ReplaceAll(test.unit.Format(test.v), thin, "_"); got != test.want {
			t.Errorf("%v of unit %d is written %q, not %q", test.v, test.unit, got, test.want)
		}
	}
}

func TestEqualChartsHaveEqualBytes(t *testing.T) {
	again := charts()
	for name, c := range charts() {
		if c.SVG(Wide) != again[name].SVG(Wide) {
			t.Errorf("%s differs from itself", name)
		}
	}
}

func TestDataIsNotChanged(t *testing.T) {
	x, y, hi := []float64{3, 1, 2}, []float64{1, math.NaN(), 5}, []float64{2, 4, 6}
	p := Plot{Series: []Series{{X: x, Y: y}}, Areas: []Area{{X: x, Lo: y, Hi: hi}}, Marks: []Mark{{3, "b"}, {1, "a"}}}
	p.SVG(Wide)
	if !slices.Equal(x, []float64{3, 1, 2}) || y[0] != 1 || y[2] != 5 || !slices.Equal(hi, []float64{2, 4, 6}) || p.Marks[0].Text != "b" {
		t.Errorf("x %v, y %v, hi %v, marks %v", x, y, hi, p.Marks)
	}
}

func FuzzCharts(f *testing.F) {
	f.Add("C=4", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, uint8(0), 720, 340)
	f.Add(hostile, []byte("\x7f\xf8\x00\x00\x00\x00\x00\x01\x7f\xf0\x00\x00\x00\x00\x00\x00"), uint8(255), 1, -1)
	f.Fuzz(func(t *testing.T, text string, data []byte, how uint8, w, h int) {
		var v []float64
		for i := 0; i+8 <= len(data); i += 8 {
			bits := uint64(0)
			for _, b := range data[i : i+8] {
				bits = bits<<8 | uint64(b)
			}
			v = append(v, math.Float64frombits(bits))
		}
		half := len(v) / 2
		p := Plot{Frame: Frame{ID: text, Title: text, Desc: text, Headed: how&1 > 0}, X: Axis{Label: text, Log: how&2 > 0, Unit: Unit(how & 3)}, Y: Axis{Label: text, Log: how&4 > 0, Unit: Unit(how >> 2 & 3)},
			Series: []Series{{Name: text, X: v[:half], Y: v[half:], Lo: v, Hi: v, Kind: Kind(how >> 3 & 1), Label: Label(how >> 4 & 3)}, {Name: text, X: v, Y: v, Dashed: how&64 > 0}},
			Areas:  []Area{{Name: text, X: v, Lo: v[half:], Hi: v}}}
		if how&128 > 0 {
			p.Diagonal = text
		}
		for _, x := range v {
			p.Marks = append(p.Marks, Mark{x, text})
			p.Notes = append(p.Notes, Note{x, x, text})
		}
		check(t, p.SVG(Size{w, h}))
		check(t, Bars{Frame: p.Frame, Axis: p.X, Groups: []string{text, "b"}, Parts: []Part{{text, v}, {"c", v[half:]}}, Stacked: how&32 > 0}.SVG(Size{w, h}))
		check(t, Spark{Title: text, Values: v, Unit: Unit(how & 3)}.SVG())
	})
}

func BenchmarkPlot(b *testing.B) {
	for _, n := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("points=%d", n), func(b *testing.B) {
			x, y := line(n, func(x float64) float64 { return math.Sin(x) * x })
			p := Plot{Frame: Frame{ID: "bench", Title: "bench"}, Series: []Series{{Name: "a", X: x, Y: y}}}
			var svg string
			for b.Loop() {
				svg = p.SVG(Wide)
			}
			b.ReportMetric(float64(len(svg)), "B/svg")
		})
	}
}

// On a logarithmic axis zero is a gap. Where one edge of an area has it, the other must not go on alone: the pieces would be joined
// to those beside them.
func TestAnAreaHasTheGapsOfBothItsEdges(t *testing.T) {
	p := Plot{Y: Axis{Log: true}, Areas: []Area{{X: []float64{0, 1, 2, 3, 4, 5}, Lo: []float64{1, 1, 0, 0, 1, 1}, Hi: []float64{10, 10, 10, 10, 10, 10}}}}
	svg := p.SVG(Wide)
	var pieces []string
	for _, part := range strings.Split(svg, `<path d="`)[1:] {
		if d, rest, _ := strings.Cut(part, `"`); strings.Contains(strings.SplitN(rest, ">", 2)[0], "fill-opacity") {
			pieces = append(pieces, d)
		}
	}
	if len(pieces) != 2 {
		t.Fatalf("%d pieces: %q", len(pieces), pieces)
	}
	for _, d := range pieces {
		if n := strings.Count(d, "L"); n != 3 { // two places above and two below
			t.Errorf("a piece with %d corners: %s", n+1, d)
		}
	}
}
