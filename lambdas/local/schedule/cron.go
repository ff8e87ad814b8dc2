package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// A cron is a cron expression taken apart.
type cron struct {
	minutes, hours, months, years set
	day                           day
}

// A day tells whether a rule fires on the day of a time.
type day func(time.Time) bool

// Years of cron expressions.
const firstYear, lastYear = 1970, 2199

// A set of small numbers: minutes or, counted from firstYear, years.
type set [4]uint64

func (s *set) add(n int)      { s[n/64] |= 1 << (n % 64) }
func (s *set) has(n int) bool { return s[n/64]>>(n%64)&1 == 1 }

// A field is what one of the six allows.
type field struct {
	name        string
	first, last int
	names       string // of values from the first on, three letters each
	step        int    // the largest
}

var (
	minutes    = field{name: "minutes", first: 0, last: 59, step: 59}
	hours      = field{name: "hours", first: 0, last: 23, step: 23}
	dayOfMonth = field{name: "day of month", first: 1, last: 31, step: 31}
	months     = field{name: "month", first: 1, last: 12, step: 12, names: "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"}
	dayOfWeek  = field{name: "day of week", first: 1, last: 7, step: 7, names: "SUNMONTUEWEDTHUFRISAT"}
	years      = field{name: "year", first: firstYear, last: lastYear, step: lastYear - firstYear}
)

func parseCron(fields []string) (*cron, error) {
	if len(fields) != 6 {
		return nil, fmt.Errorf("a cron expression has six fields (minutes, hours, day of month, month, day of week, year), separated by white space")
	}
	c := new(cron)
	for _, f := range []struct {
		field
		text string
		into *set
	}{
		{minutes, fields[0], &c.minutes}, {hours, fields[1], &c.hours}, {months, fields[3], &c.months}, {years, fields[5], &c.years},
	} {
		s, err := f.set(f.text)
		if err != nil {
			return nil, err
		}
		*f.into = s
	}
	ofMonth, ofWeek := fields[2], fields[4]
	var err error
	switch {
	case ofMonth == "?" && ofWeek != "?":
		c.day, err = parseDayOfWeek(ofWeek)
	case ofMonth != "?" && ofWeek == "?":
		c.day, err = parseDayOfMonth(ofMonth)
	default:
		err = errors.New("one of day of month and day of week must be ?, and only one")
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (f field) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %s", f.name, fmt.Sprintf(format, args...))
}

// value reads one value, a number or a name.
func (f field) value(text string) (int, error) {
	if i := strings.Index(f.names, text); len(text) == 3 && i >= 0 && i%3 == 0 {
		return f.first + i/3, nil
	}
	n, err := number(text)
	if err != nil || n < f.first || n > f.last {
		if f.names == "" {
			return 0, f.errorf("%q is not a number from %d to %d", text, f.first, f.last)
		}
		return 0, f.errorf("%q is neither a number from %d to %d nor a name from %s to %s", text, f.first, f.last, f.names[:3], f.names[len(f.names)-3:])
	}
	return n, nil
}

// set reads what may stand in every field: lists of values, ranges and steps.
func (f field) set(text string) (set, error) {
	var s set
	for part := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(part, "/")
		from, to, ranged := strings.Cut(span, "-")
		first, last, every := f.first, f.last, 1
		var err error
		if span != "*" {
			if first, err = f.value(from); err != nil {
				return s, err
			}
			switch {
			case ranged:
				if last, err = f.value(to); err != nil {
					return s, err
				}
				if last < first {
					return s, f.errorf("the range %s runs backwards", span)
				}
			case !stepped:
				last = first
			}
		}
		if stepped {
			if every, err = number(step); err != nil || every < 1 || every > f.step {
				return s, f.errorf("%q is not a step from 1 to %d", step, f.step)
			}
		}
		for n := first; n <= last; n += every {
			if f.first == firstYear {
				s.add(n - firstYear)
			} else {
				s.add(n)
			}
		}
	}
	return s, nil
}

func parseDayOfMonth(text string) (day, error) {
	if text == "L" {
		return func(t time.Time) bool { return t.AddDate(0, 0, 1).Day() == 1 }, nil
	}
	if before, ok := strings.CutSuffix(text, "W"); ok {
		n, err := dayOfMonth.value(before)
		if err != nil {
			return nil, err
		}
		return func(t time.Time) bool { return t.Day() == weekday(t.Year(), t.Month(), n) }, nil
	}
	s, err := dayOfMonth.set(text)
	return func(t time.Time) bool { return s.has(t.Day()) }, err
}

// weekday returns the day from Monday to Friday that is nearest to the nth, without leaving the month; 0 if the month has
// no nth day.
func weekday(year int, month time.Month, n int) int {
	t := time.Date(year, month, n, 0, 0, 0, 0, time.UTC)
	if t.Month() != month {
		return 0
	}
	last := t.AddDate(0, 0, 1).Day() == 1
	switch {
	case t.Weekday() == time.Saturday && n == 1:
		return 3
	case t.Weekday() == time.Saturday:
		return n - 1
	case t.Weekday() == time.Sunday && last:
		return n - 2
	case t.Weekday() == time.Sunday:
		return n + 1
	}
	return n
}

func parseDayOfWeek(text string) (day, error) {
	if text == "L" {
		text = "SAT"
	}
	if before, ok := strings.CutSuffix(text, "L"); ok {
		n, err := dayOfWeek.value(before)
		return func(t time.Time) bool { return on(t, n) && t.AddDate(0, 0, 7).Month() != t.Month() }, err
	}
	if before, after, ok := strings.Cut(text, "#"); ok {
		n, err := dayOfWeek.value(before)
		if err != nil {
			return nil, err
		}
		nth, err := number(after)
		if err != nil || nth < 1 || nth > 5 {
			return nil, dayOfWeek.errorf("%q is not a number from 1 to 5: which of the days of a month is meant", after)
		}
		return func(t time.Time) bool { return on(t, n) && (t.Day()+6)/7 == nth }, nil
	}
	s, err := dayOfWeek.set(text)
	return func(t time.Time) bool { return s.has(int(t.Weekday()) + 1) }, err
}

// on tells whether t is on the nth day of the week, of which Sunday is the first.
func on(t time.Time, n int) bool { return int(t.Weekday())+1 == n }

// next returns the first minute after t that fits. It goes over what does not fit in the largest steps that are possible.
func (c *cron) next(t time.Time) (time.Time, bool) {
	t = t.UTC().Truncate(time.Minute).Add(time.Minute)
	if t.Year() < firstYear {
		t = time.Date(firstYear, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	for t.Year() <= lastYear {
		year, month, day := t.Date()
		switch {
		case !c.years.has(year - firstYear):
			t = time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC)
		case !c.months.has(int(month)):
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
		case !c.day(t):
			t = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
		case !c.hours.has(t.Hour()):
			t = t.Truncate(time.Hour).Add(time.Hour)
		case !c.minutes.has(t.Minute()):
			t = t.Add(time.Minute)
		default:
			return t, true
		}
	}
	return time.Time{}, false
}
