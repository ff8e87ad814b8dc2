// Package schedule is the schedule expressions of EventBridge's scheduled rules: when they fire.
//
//	s, err := schedule.Parse("cron(0/15 8-17 ? * MON-FRI *)")
//	at, ok := s.Next(began, now)
//
// # The language
//
// Times are UTC, and whole minutes are the finest there is.
//
//	rate(1 minute)       one period after the beginning, and every period from there; minute(s), hour(s), day(s)
//	rate(5 minutes)      a value of 1 takes the singular, any other the plural
//	cron(m h d M w y)    whenever all six fields fit the time
//
//	field          values                           besides , - * /
//	minutes        0 to 59
//	hours          0 to 23
//	day of month   1 to 31                          ? L W
//	month          1 to 12, JAN to DEC
//	day of week    1 to 7, SUN to SAT               ? L #
//	year           1970 to 2199
//
//	a,b            either, each of which may be a value, a range or steps
//	a-b            a to b
//	*              all values
//	a/n  a-b/n     every nth value from a on, to b or else to the last; */n from the first
//	?              any day: it stands in exactly one of the two fields of days
//	L              the last day of the month; in the day of the week, Saturday
//	6L  FRIL       the last Friday of the month
//	15W            the day from Monday to Friday that is nearest to the 15th, in the same month
//	3#2  TUE#2     the second Tuesday of the month, if it has one
//
// The last four, and ?, stand alone in their field.
//
// # What differs from AWS
//
// What EventBridge does with an expression that its documentation does not describe is not known, and so refused: ranges
// that run backwards (write 22-23,0-2 for 22-2), LW and L-3, names in lower case, and commas at the end of a field, though
// EventBridge was seen to let those pass (github.com/aws/aws-sdk/issues/161).
//
// An expression whose fields are right and that fits no time, at all or any more, is accepted and never fires:
// cron(0 12 31 2 ? *). The documentation asks no more of an expression than that its fields are, and one of its examples has
// long been over (2002-2005).
//
// Source: "Cron expressions reference" and "Rate expressions reference" of the EventBridge user guide.
package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Schedule says when a rule fires. The zero value never does.
type Schedule struct {
	every time.Duration // of a rate; else 0
	cron  *cron
}

// longest is the longest period of a rate, so that no time is out of bounds. EventBridge names none.
const longest = 100 * 365 * 24 * time.Hour

// Parse reads a schedule expression. The error says what is wrong with it.
func Parse(expression string) (Schedule, error) {
	if fields, ok := inside(expression, "rate("); ok {
		every, err := parseRate(fields)
		return Schedule{every: every}, err
	}
	if fields, ok := inside(expression, "cron("); ok {
		c, err := parseCron(fields)
		return Schedule{cron: c}, err
	}
	return Schedule{}, errors.New("it must be rate(...) or cron(...)")
}

// inside returns the fields between the parentheses. White space separates them, and stands nowhere else.
func inside(expression, head string) (fields []string, ok bool) {
	text, ok := strings.CutPrefix(expression, head)
	if !ok {
		return nil, false
	}
	text, ok = strings.CutSuffix(text, ")")
	if !ok {
		return nil, false
	}
	if strings.TrimSpace(text) != text {
		return nil, true
	}
	return strings.Fields(text), true
}

func parseRate(fields []string) (time.Duration, error) {
	if len(fields) != 2 {
		return 0, errors.New("a rate is a value and a unit, such as rate(5 minutes)")
	}
	n, err := number(fields[0])
	if err != nil || n < 1 {
		return 0, fmt.Errorf("the value of a rate is a positive whole number, not %q", fields[0])
	}
	unit, plural := strings.CutSuffix(fields[1], "s")
	length, ok := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[unit]
	switch {
	case !ok:
		return 0, fmt.Errorf("the unit of a rate is minute, minutes, hour, hours, day or days, not %q", fields[1])
	case plural != (n > 1):
		return 0, errors.New("the unit of a rate is singular after 1 and plural after other values")
	case n > int(longest/length):
		return 0, errors.New("the rate is slower than once in 100 years")
	}
	return time.Duration(n) * length, nil
}

// number reads digits alone: no sign, no point.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
}

// Next returns the first time after now at which a rule fires that has its schedule since began. It is not ok if there is
// none.
func (s Schedule) Next(began, now time.Time) (next time.Time, ok bool) {
	switch {
	case s.cron != nil:
		return s.cron.next(now)
	case s.every > 0:
		if now.Before(began) {
			now = began
		}
		return began.Add((now.Sub(began)/s.every + 1) * s.every), true
	}
	return time.Time{}, false
}
