package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/schedule"
)

const layout = "2006-01-02 15:04:05"

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(layout, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWhenSchedulesFire(t *testing.T) {
	for _, c := range []struct {
		name, expression, now string
		next                  []string
	}{
		{"a rate counts from the beginning", "rate(1 minute)", "2026-11-23 10:00:30", []string{"2026-11-23 10:01:30", "2026-11-23 10:02:30"}},
		{"a rate of many minutes", "rate(90 minutes)", "2026-11-23 10:00:00", []string{"2026-11-23 11:30:00", "2026-11-23 13:00:00"}},
		{"a rate of an hour", "rate(1 hour)", "2026-11-23 23:30:00", []string{"2026-11-24 00:30:00"}},
		{"a rate of days", "rate(2 days)", "2026-11-23 23:30:00", []string{"2026-11-25 23:30:00"}},
		{"every minute, on the minute", "cron(* * * * ? *)", "2026-11-23 10:00:30", []string{"2026-11-23 10:01:00", "2026-11-23 10:02:00"}},
		{"the time that fits now is past", "cron(0 10 * * ? *)", "2026-11-23 10:00:00", []string{"2026-11-24 10:00:00"}},
		{"steps from a value go to the last", "cron(5/20 * * * ? *)", "2026-11-23 10:00:00", []string{"2026-11-23 10:05:00", "2026-11-23 10:25:00", "2026-11-23 10:45:00", "2026-11-23 11:05:00"}},
		{"steps from a star begin with the first", "cron(*/45 * * * ? *)", "2026-11-23 10:00:00", []string{"2026-11-23 10:45:00", "2026-11-23 11:00:00"}},
		{"steps in a range end with it", "cron(10-30/15 3 * * ? *)", "2026-11-23 10:00:00", []string{"2026-11-24 03:10:00", "2026-11-24 03:25:00", "2026-11-25 03:10:00"}},
		{"lists of values, ranges and steps", "cron(1,10-11,50/5 0 * * ? *)", "2026-11-23 00:00:00", []string{"2026-11-23 00:01:00", "2026-11-23 00:10:00", "2026-11-23 00:11:00", "2026-11-23 00:50:00", "2026-11-23 00:55:00"}},
		{"weekdays by name", "cron(0 18 ? * MON-FRI *)", "2026-11-20 18:00:00", []string{"2026-11-23 18:00:00"}}, // a Friday
		{"weekdays by number begin with Sunday", "cron(0 18 ? * 1 *)", "2026-11-23 18:00:00", []string{"2026-11-29 18:00:00"}},
		{"months by name", "cron(0 0 1 JAN,JUL ? *)", "2026-11-23 00:00:00", []string{"2027-01-01 00:00:00", "2027-07-01 00:00:00"}},
		{"a day that months do not have is left out", "cron(0 0 31 * ? *)", "2026-08-31 00:00:00", []string{"2026-10-31 00:00:00", "2026-12-31 00:00:00"}},
		{"the 29th of February", "cron(0 0 29 2 ? *)", "2096-02-29 00:00:00", []string{"2104-02-29 00:00:00"}},
		{"the last day of the month", "cron(0 0 L * ? *)", "2028-01-31 00:00:00", []string{"2028-02-29 00:00:00", "2028-03-31 00:00:00"}},
		{"the last day of the week is Saturday", "cron(0 0 ? * L *)", "2026-11-23 00:00:00", []string{"2026-11-28 00:00:00"}},
		{"the last Friday of the month", "cron(15 10 ? * 6L *)", "2026-10-30 10:15:00", []string{"2026-11-27 10:15:00", "2026-12-25 10:15:00"}},
		{"the last Friday by name", "cron(15 10 ? * FRIL *)", "2026-10-30 10:15:00", []string{"2026-11-27 10:15:00"}},
		{"the weekday nearest to a Saturday is Friday", "cron(0 0 15W 8 ? *)", "2026-01-01 00:00:00", []string{"2026-08-14 00:00:00"}},
		{"the weekday nearest to a Sunday is Monday", "cron(0 0 15W 11 ? *)", "2026-01-01 00:00:00", []string{"2026-11-16 00:00:00"}},
		{"a weekday is its own nearest", "cron(0 0 16W 11 ? *)", "2026-01-01 00:00:00", []string{"2026-11-16 00:00:00"}},
		{"the weekday nearest to a first that is a Saturday", "cron(0 0 1W 8 ? *)", "2026-01-01 00:00:00", []string{"2026-08-03 00:00:00"}},
		{"the weekday nearest to a last that is a Sunday", "cron(0 0 31W 5 ? *)", "2026-01-01 00:00:00", []string{"2026-05-29 00:00:00"}},
		{"no 31st, no weekday nearest to it", "cron(0 0 31W 4,7 ? *)", "2026-01-01 00:00:00", []string{"2026-07-31 00:00:00"}},
		{"the second Tuesday", "cron(0 2 ? * 3#2 *)", "2026-11-01 00:00:00", []string{"2026-11-10 02:00:00", "2026-12-08 02:00:00"}},
		{"the third Saturday by name", "cron(0 2 ? * SAT#3 *)", "2026-11-01 00:00:00", []string{"2026-11-21 02:00:00"}},
		{"a fifth Monday is not in every month", "cron(0 0 ? * 2#5 *)", "2026-09-01 00:00:00", []string{"2026-11-30 00:00:00", "2027-03-29 00:00:00"}},
		{"years", "cron(0 0 1 1 ? 2028-2199/100)", "2026-11-01 00:00:00", []string{"2028-01-01 00:00:00", "2128-01-01 00:00:00"}},
		{"years that are over", "cron(15 10 ? * 6L 2002-2005)", "2026-11-01 00:00:00", nil},
		{"a day that never comes", "cron(0 0 30 2 ? *)", "2026-11-01 00:00:00", nil},
		{"a day that this year does not have", "cron(0 12 31 2 ? 2026)", "2026-01-01 00:00:00", nil},
		{"the last minute that a cron expression can name", "cron(59 23 31 12 ? 2199)", "2026-11-01 00:00:00", []string{"2199-12-31 23:59:00"}},
		{"before the first year", "cron(0 0 1 1 ? *)", "1960-06-01 00:00:00", []string{"1970-01-01 00:00:00"}},
	} {
		s, err := schedule.Parse(c.expression)
		if err != nil {
			t.Errorf("%s: %s: %v", c.name, c.expression, err)
			continue
		}
		began := at(t, c.now)
		var got []string
		now := began
		for range max(len(c.next), 1) {
			next, ok := s.Next(began, now)
			if !ok {
				break
			}
			got, now = append(got, next.Format(layout)), next
		}
		if !slices.Equal(got, c.next) {
			t.Errorf("%s: %s fires at %v, want %v", c.name, c.expression, got, c.next)
		}
	}
}

func TestARateKeepsItsPhase(t *testing.T) {
	s, err := schedule.Parse("rate(1 hour)")
	if err != nil {
		t.Fatal(err)
	}
	began := at(t, "2026-11-23 10:10:10")
	for now, want := range map[string]string{
		"2026-11-23 10:00:00": "2026-11-23 11:10:10", // the clock was set back
		"2026-11-23 11:10:10": "2026-11-23 12:10:10",
		"2026-11-23 18:30:00": "2026-11-23 19:10:10", // what was missed is not made up for
	} {
		if next, _ := s.Next(began, at(t, now)); !next.Equal(at(t, want)) {
			t.Errorf("at %s the next is %s, want %s", now, next.Format(layout), want)
		}
	}
}

func TestTheZeroScheduleNeverFires(t *testing.T) {
	if next, ok := (schedule.Schedule{}).Next(time.Now(), time.Now()); ok {
		t.Error("fires at", next)
	}
}

func TestWhatIsNoSchedule(t *testing.T) {
	for expression, reason := range map[string]string{
		"":                      "rate(...) or cron(...)",
		"5 minutes":             "rate(...) or cron(...)",
		" rate(10 minutes)":     "rate(...) or cron(...)",
		"at(2026-11-23T10:00)":  "rate(...) or cron(...)",
		"rate(10 minutes":       "rate(...) or cron(...)",
		"rate()":                "a value and a unit",
		"rate(10)":              "a value and a unit",
		"rate( 10 minutes )":    "a value and a unit",
		"rate(0 minutes)":       "positive",
		"rate(-10 minutes)":     "positive",
		"rate(+10 minutes)":     "positive",
		"rate(1.5 minutes)":     "positive",
		"rate(many minutes)":    "positive",
		"rate(10 seconds)":      `not "seconds"`,
		"rate(10 years)":        `not "years"`,
		"rate(10 MINUTES)":      `not "MINUTES"`,
		"rate(10 minutess)":     `not "minutess"`,
		"rate(1 minutes)":       "singular after 1",
		"rate(10 hour)":         "singular after 1",
		"rate(36501 days)":      "100 years",
		"rate(2147483647 days)": "100 years",

		"cron()":                               "six fields",
		"cron(0 10 * * ?)":                     "six fields",
		"cron(0 0 10 * * ? *)":                 "six fields",
		"cron(0 1 * * * *)":                    "must be ?",
		"cron(0 1 ? * ? *)":                    "must be ?",
		"cron(7 20 * * 1-7 *)":                 "must be ?",
		"cron(60 8 1 * ? *)":                   "minutes: ",
		"cron(? 8 1 * ? *)":                    "minutes: ",
		"cron(-1 8 1 * ? *)":                   "minutes: ",
		"cron(*/60 8 1 * ? *)":                 "minutes: \"60\" is not a step",
		"cron(0/0 8 1 * ? *)":                  "minutes: \"0\" is not a step",
		"cron(0/ 8 1 * ? *)":                   "minutes: \"\" is not a step",
		"cron(0/5/5 8 1 * ? *)":                "minutes: \"5/5\" is not a step",
		"cron(5, 8 1 * ? *)":                   "minutes: \"\" is not a number",
		"cron(30-10 8 1 * ? *)":                "minutes: the range 30-10 runs backwards",
		"cron(1-2-3 8 1 * ? *)":                "minutes: \"2-3\"",
		"cron(*-5 8 1 * ? *)":                  "minutes: \"*\"",
		"cron(0 24 1 * ? *)":                   "hours: ",
		"cron(0 noon ? * MON-FRI *)":           "hours: ",
		"cron(0 8 0 * ? *)":                    "day of month: ",
		"cron(0 8 32 * ? *)":                   "day of month: ",
		"cron(0 8 LW * ? *)":                   "day of month: ",
		"cron(0 8 L-3 * ? *)":                  "day of month: ",
		"cron(0 8 1,L * ? *)":                  "day of month: ",
		"cron(0 8 W * ? *)":                    "day of month: ",
		"cron(0 8 1W,15W * ? *)":               "day of month: ",
		"cron(0 8 1 0 ? *)":                    "month: ",
		"cron(0 8 1 13 ? *)":                   "month: ",
		"cron(0 8 1 JANUARY ? *)":              "month: ",
		"cron(0 8 1 jan ? *)":                  "month: ",
		"cron(0 8 1 ANF ? *)":                  "month: ",
		"cron(0 8 ? * 0 *)":                    "day of week: ",
		"cron(0 8 ? * 8 *)":                    "day of week: ",
		"cron(0 8 ? * FRI-MON *)":              "day of week: the range FRI-MON runs backwards",
		"cron(0 8 ? * 3#6 *)":                  "day of week: ",
		"cron(0 8 ? * 3#0 *)":                  "day of week: ",
		"cron(0 8 ? * #2 *)":                   "day of week: ",
		"cron(0 8 ? * 3#1,6#3 *)":              "day of week: ",
		"cron(0 8 ? * 8L *)":                   "day of week: ",
		"cron(0 8 1 * ? 1969)":                 "year: ",
		"cron(0 8 1 * ? 2200)":                 "year: ",
		"cron(0 8 1 * ? 20000000000000000000)": "year: ",
	} {
		_, err := schedule.Parse(expression)
		if err == nil {
			t.Errorf("%s is accepted", expression)
		} else if !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v; want %q in it", expression, err, reason)
		}
	}
}

// A want is what a field allows, by its construction.
type want struct {
	text string
	fits func(int) bool
}

// anyField draws a field with values from first to last.
func anyField(first, last, step int) *rapid.Generator[want] {
	return rapid.Custom(func(t *rapid.T) want {
		var parts []string
		allowed := map[int]bool{}
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			from := rapid.IntRange(first, last).Draw(t, "from")
			to := rapid.IntRange(from, last).Draw(t, "to")
			every := rapid.IntRange(1, step).Draw(t, "step")
			kind := rapid.SampledFrom([]string{"*", "value", "range", "steps", "steps in a range", "steps of all"}).Draw(t, "kind")
			text := ""
			switch kind {
			case "*":
				text, from, to, every = "*", first, last, 1
			case "value":
				text, to, every = fmt.Sprint(from), from, 1
			case "range":
				text, every = fmt.Sprintf("%d-%d", from, to), 1
			case "steps":
				text, to = fmt.Sprintf("%d/%d", from, every), last
			case "steps in a range":
				text = fmt.Sprintf("%d-%d/%d", from, to, every)
			case "steps of all":
				text, from, to = fmt.Sprintf("*/%d", every), first, last
			}
			parts = append(parts, text)
			for n := from; n <= to; n += every {
				allowed[n] = true
			}
		}
		return want{strings.Join(parts, ","), func(n int) bool { return allowed[n] }}
	})
}

// TestNextIsTheFirstMinuteThatFits looks at every minute of the days that follow.
func TestNextIsTheFirstMinuteThatFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minute, hour := anyField(0, 59, 59).Draw(t, "minutes"), anyField(0, 23, 23).Draw(t, "hours")
		month, year := anyField(1, 12, 12).Draw(t, "months"), anyField(1970, 2199, 229).Draw(t, "years")
		var ofMonth, ofWeek want
		if rapid.Bool().Draw(t, "by day of month") {
			ofMonth, ofWeek = anyField(1, 31, 31).Draw(t, "day"), want{"?", func(int) bool { return true }}
		} else {
			ofMonth, ofWeek = want{"?", func(int) bool { return true }}, anyField(1, 7, 7).Draw(t, "day")
		}
		fits := func(at time.Time) bool {
			return minute.fits(at.Minute()) && hour.fits(at.Hour()) && ofMonth.fits(at.Day()) &&
				month.fits(int(at.Month())) && ofWeek.fits(int(at.Weekday())+1) && year.fits(at.Year())
		}
		expression := fmt.Sprintf("cron(%s %s %s %s %s %s)", minute.text, hour.text, ofMonth.text, month.text, ofWeek.text, year.text)
		s, err := schedule.Parse(expression)
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		now := time.Unix(rapid.Int64Range(0, 7258118400).Draw(t, "now"), 0).UTC() // until the year 2200
		next, ok := s.Next(now, now)
		if ok && !fits(next) {
			t.Fatalf("%s: after %s fires at %s, which does not fit", expression, now, next)
		}
		end := now.Add(3 * 24 * time.Hour)
		for at := now.Truncate(time.Minute).Add(time.Minute); at.Before(end) && at.Year() < 2200 && (!ok || at.Before(next)); at = at.Add(time.Minute) {
			if fits(at) {
				t.Fatalf("%s: after %s fires at %s (%t), and not at %s", expression, now, next, ok, at)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"rate(5 minutes)", "cron(0/15 8-17 ? * MON-FRI *)", "cron(0 0 15W 2,JUL ? 2028/4)", "cron(1 2 ? * 6L *)", "cron(1 2 ? * TUE#5 2199)"} {
		f.Add(seed, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, expression string, seconds int64) {
		s, err := schedule.Parse(expression)
		if err != nil {
			return
		}
		now := time.Unix(seconds%7258118400, 0)
		if next, ok := s.Next(now, now); ok && !next.After(now) {
			t.Errorf("%q: after %s fires at %s", expression, now, next)
		}
	})
}

func Example() {
	s, err := schedule.Parse("cron(0/15 8-17 ? * MON-FRI *)")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 11, 20, 17, 40, 0, 0, time.UTC) // a Friday
	for range 2 {
		now, _ = s.Next(now, now)
		fmt.Println(now.Format(time.RFC1123))
	}
	_, err = schedule.Parse("cron(0/15 8-17 * * MON-FRI *)")
	fmt.Println(err)
	// Output:
	// Fri, 20 Nov 2026 17:45:00 UTC
	// Mon, 23 Nov 2026 08:00:00 UTC
	// one of day of month and day of week must be ?, and only one
}
