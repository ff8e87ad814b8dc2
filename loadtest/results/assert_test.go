package results

import (
	"strings"
	"testing"
)

func TestConditions(t *testing.T) {
	for _, test := range []struct {
		expr  string
		ok    bool
		value string
	}{
		{"completed_rate(C=4)>=76", true, "E1/C=4/offered=1.2: 79.2/s"},
		{"completed_rate(C=4)>=80", false, "E1/C=4/offered=1.2: 79.2/s"},
		{"completed_rate (C = 4, exp=E1) >= 79.2 /s", true, "79.2/s"},
		{"completed_rate(C=4)/predicted in 0.97..1.03", true, "E1/C=4/offered=1.2: 0.99"},
		{"completed_rate/predicted(offered>1) in 0.97..1.03", true, "0.99"},
		{"completed_rate/predicted(offered>1)<0.5", false, "0.99"},
		{"completed_rate(C=4)>=0.95*predicted", true, "E1/C=4/offered=1.2: 79.2/s, predicted 80/s"},
		{"completed_rate(C=4)>=predicted", false, "79.2/s, predicted 80/s"},
		{"completed_rate(C=4) in 0.9*predicted..predicted", true, "79.2/s, predicted 80/s"},
		{"e2e_p99(exp=E1)<500ms@unstable", true, "E1/C=4/offered=1.2: 320ms"},
		{"e2e_p99(exp=E1)<0.3s@unstable", false, "E1/C=4/offered=1.2: 320ms"},
		{"e2e_p50(exp=E1)<500ms@stable", true, "E1/C=8/offered=0.7: 61ms"},
		{"e2e_p99(exp=E1)<500ms@stable", false, "E1/C=8/offered=0.7: not known"}, // of 300 subjects
		{"e2e_p99(exp=E1)<500ms@inconclusive", false, "no cell is meant"},
		{"lost==0", true, "E1/C=4/offered=1.2: 0; E1/C=8/offered=0.7: 0"},
		{"lost(role=calibration)==0", false, "E1/calibration: 10"},
		{"lost(C=5)==0", false, "no cell is meant"},
		{"dup_ratio<0.001", false, "not in 1 of 2: E1/C=4/offered=1.2: 0.0010417; E1/C=8/offered=0.7: 0"},
		{"dup_ratio<0.2%", true, "0.0010417"},
		{"dup_ratio(C=4)<0.05%", false, "0.0010417"},
		{"completed_rate(C=4) in 70..79", false, "79.2/s"},
		{"drain(C=4)<2100ms", true, "2.05s"},
		{"drain(C=4)<2000ms", false, "2.05s"},
		{"dup_ratio(role=calibration)<1", false, "E1/calibration: not known"},
		{"little(C=4) in 0.95..1.05", true, "1.001"},
		{"little in 0.95..1.05", false, "not in 1 of 2: E1/C=8/offered=0.7: 0.7; E1/C=4/offered=1.2: 1.001"},
		{"drain(exp=E1)<=1.1*predicted@unstable", true, "2.05s, predicted 2s"},
		{"drain(exp=E1)<=1.1*predicted", false, "E1/C=8/offered=0.7: 0.06s, no prediction"},
		{"drain(C=4)/predicted in 0.95..1.05", true, "1.025"},
		{"drain(C=4)>2.1s", false, "2.05s"},
		{"valid", true, "E1/C=4/offered=1.2: true"},
		{"stable(C=8)", true, "E1/C=8/offered=0.7: true"},
		{"stable(C=4)", false, "E1/C=4/offered=1.2: false"},
		{"drained(exp=fitted)", true, "fitted/offered=100: true"},
		{"growth(C!=4)<1", true, "E1/C=8/offered=0.7: 0/s"},
		{"growth(C=4)>-1", true, "16.8/s"},
		{"wait_request(C=4)<=12.5ms", true, "12.5ms"},
		{"wait_request(C=8)<=12.5ms", false, "not known"},
		{"ack_mean(C=4)<1m", true, "71.5ms"},
		{"scheduled(queue=sqs, arrivals=poisson)==1120", true, "E1/C=8/offered=0.7: 1120"},
		{"scheduled(cell=E1/C=8/offered=0.7)!=1120", false, "1120"},
		{"completed_rate(rate=96.3)>1", true, "E1/C=4/offered=1.2"}, // within half a percent
		{"completed_rate(exp=sim)>=99@stable", true, "sim/offered=100: 100/s"},
		{"settled_rate(exp=sim, rate=1000)>=900", false, "sim/offered=1000: 795/s"},
		{"settled_rate(exp=E1)>=900", false, "only a forecast has settled_rate"},
		{"little(exp=sim)>0", false, "a forecast has no little"},
		{"usd_per_million(exp=fitted)<3e1", true, "26.69"},
	} {
		t.Run(test.expr, func(t *testing.T) {
			got := Check(test.expr, full())
			if got.OK != test.ok || !strings.Contains(got.Value, test.value) || got.Expr != test.expr {
				t.Errorf("got %t, %q; want %t, %q", got.OK, got.Value, test.ok, test.value)
			}
		})
	}
}

func TestConditionsThatCannotBeRead(t *testing.T) {
	for _, test := range []struct{ expr, want string }{
		{"", `condition "": column 1: expected a quantity (valid, stable, `},
		{">5", `column 1: expected a quantity (valid, stable, drained, offered_rate,`},
		{"e2e_p98<5ms", `condition "e2e_p98<5ms": column 1: no quantity is called e2e_p98: valid, `},
		{"lost", `column 5: expected a comparison of lost (==, !=, <, <=, >, >=, or in LOW..HIGH), found the end`},
		{"lost=0", `column 5: "=" chooses cells, "==" compares`},
		{"lost==", `column 7: expected a number, found the end`},
		{"lost==x", `column 7: expected a number, found "x"`},
		{"lost==0 0", `column 9: expected the end, found "0"`},
		{"lost==0ms", `column 8: lost has no unit ms: none, or %`},
		{"lost==1e999", `column 7: 1e999 is beyond all numbers`},
		{"e2e_p99<500", `column 12: expected the unit of a time (us, ms, s, m), found the end`},
		{"e2e_p99<500h", `expected the unit of a time (us, ms, s, m), found "h"`},
		{"drain<5/s", `expected the unit of a time (us, ms, s, m), found "/s"`},
		{"completed_rate>5ms", `column 17: completed_rate is subjects per second: no unit, or /s`},
		{"little in 0.95", `expected ".." and the higher end, found the end`},
		{"little in 1.05..0.95", `the lower end comes first`},
		{"little<predicted", `little is not predicted: completed_rate, drain`},
		{"lost/predicted<1", `lost is not predicted: completed_rate, drain`},
		{"drain/2<1", `expected predicted, once, found "2<1"`},
		{"drain/predicted/predicted<1", `expected predicted, once`},
		{"drain/predicted<predicted", `it is compared with the prediction already`},
		{"drain<2*3s", `expected predicted, found "3s"`},
		{"valid==1", `valid is true or false: write valid alone`},
		{"lost(X=4)==0", `column 6: expected what to choose cells by (cell, exp, role, `},
		{"lost(C)==0", `expected a comparison (=, !=, <, <=, >, >=), found ")==0"`},
		{"lost(C=)==0", `expected a number, found ")==0"`},
		{"lost(exp>E1)==0", `expected = or != after exp, which is a text`},
		{"lost(exp=)==0", `expected a text`},
		{"lost(C=4==0", `expected "," or ")", found "==0"`},
		{"lost(C=4)(B=1)==0", `expected a comparison of lost`},
		{"lost==0@calm", `column 9: expected a verdict (stable, unstable, inconclusive), found "calm"`},
		{"lost(exp=größe)==", `column 18: expected a number`},
		{strings.Repeat("x", 1001), `a condition of 1001 bytes: at most 1000`},
	} {
		t.Run(test.expr, func(t *testing.T) {
			_, err := ParseCondition(test.expr)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if a := Check(test.expr, full()); a.OK || err != nil && a.Value != err.Error() {
				t.Errorf("it is checked as %+v", a)
			}
		})
	}
}

func TestEveryQuantityIsOfSomething(t *testing.T) {
	for _, q := range quantities {
		expr := q.name
		switch q.unit {
		case truth:
		case seconds, milliseconds:
			expr += ">=0s"
		default:
			expr += ">=0"
		}
		if _, err := ParseCondition(expr); err != nil {
			t.Error(err)
		}
		if got := Check(expr, full()); got.Value == "" || strings.Contains(got.Value, "no cell is meant") {
			t.Errorf("%s is %q", expr, got.Value)
		}
		if q.cell == nil && q.level == nil {
			t.Errorf("%s is of nothing", q.name)
		}
	}
}

func TestOfManyCellsTheBadOnesAreNamed(t *testing.T) {
	r := full()
	r.Forecast = nil
	for range 30 {
		r.Cells = append(r.Cells, r.Cells[0])
	}
	r.Cells[17].ID, r.Cells[17].Counts.Lost, r.Cells[17].Validity = "E1/lossy", 3, Interrupted
	got := Check("lost==0", r)
	if got.OK || !strings.HasPrefix(got.Value, "not in 1 of 32: E1/lossy: 3 (interrupted); E1/C=4") || !strings.HasSuffix(got.Value, "; and 12 more") {
		t.Errorf("%+v", got)
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, seed := range []string{"completed_rate(C=4)>=76", "e2e_p99<500ms@stable", "drain<=1.1*predicted", "little(exp=E1, offered>1) in 0.95..1.05", "dup_ratio<0.1%", "valid", "lost==-1e-3", "completed_rate/predicted in 0.9..1.1"} {
		f.Add(seed)
	}
	r := full()
	f.Fuzz(func(t *testing.T, expr string) {
		c, err := ParseCondition(expr)
		if err != nil {
			if err.Error() == "" || c != nil {
				t.Fatal("an error that says nothing")
			}
			return
		}
		if c.String() != expr {
			t.Fatalf("%q is %q", expr, c)
		}
		if a := c.Check(r); a.Value == "" {
			t.Fatalf("%q has no value", expr)
		}
	})
}

func TestWhatCannotBeAskedIsKnownBefore(t *testing.T) {
	for _, test := range []struct {
		expr     string
		forecast bool
		want     string // "" for nothing
	}{
		{"lost==0", false, ""},
		{"lost==0", true, "a forecast has no lost, it has: stable, drained, offered_rate, "},
		{"settled_rate>5", true, ""},
		{"settled_rate>5", false, "only a forecast has settled_rate, a measured cell has: valid, stable, "},
		{"completed_rate(C=4)>=76", false, ""},
		{"completed_rate(C=4)>=76", true, "a forecast has no C"},
		{"completed_rate(rate>100,exp=fitted)>=76@stable", true, ""},
		{"completed_rate/predicted in 0.9..1.1", true, "a forecast is a prediction"},
		{"drain<=1.1*predicted", true, "a forecast is a prediction"},
		{"drain<=1.1*predicted", false, ""},
		{"stable", true, ""},
	} {
		c, err := ParseCondition(test.expr)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Asks(test.forecast)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s of a forecast (%t): %v, want %q", test.expr, test.forecast, err, test.want)
		}
	}
}
