package arvo

import (
	"strings"
	"time"
)

// The lexical rules of the attributes, written as loops because they run for every event. Each is the regular
// expression in its comment, anchored at both ends of the text.

// isEventType is [a-z0-9]+(\.[a-z0-9]+){2,}: a reverse-DNS name of at least three segments.
func isEventType(s string) bool {
	segments, length := 1, 0
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			length++
		case c == '.' && length > 0:
			segments, length = segments+1, 0
		default:
			return false
		}
	}
	return segments >= 3 && length > 0
}

// isDomain is [a-z0-9.]+.
func isDomain(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.') {
			return false
		}
	}
	return s != ""
}

// isExtensionName is [a-z0-9]+, the CloudEvents rule for attribute names.
func isExtensionName(s string) bool {
	return isDomain(s) && strings.IndexByte(s, '.') < 0
}

// IsVersion reports whether s is a contract version: three numbers with dots between them and nothing else. Leading zeros
// pass, pre-release and build suffixes do not.
func IsVersion(s string) bool {
	numbers, length := 1, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			length++
		case c == '.' && length > 0:
			numbers, length = numbers+1, 0
		default:
			return false
		}
	}
	return numbers == 3 && length > 0
}

// CompareVersions orders two versions number by number (2.9.0 < 2.10.0): -1, 0 or +1. Both must satisfy IsVersion.
func CompareVersions(a, b string) int {
	for range 3 {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		// Of two numbers without leading zeros the longer is the larger: no digit count can overflow this.
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if len(x) != len(y) {
			if len(x) < len(y) {
				return -1
			}
			return 1
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// timeLayout is how Arvo writes a time: milliseconds and a numeric zone, which is always UTC.
const timeLayout = "2006-01-02T15:04:05.000-07:00"

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// isTime is the profile of RFC 3339 that Arvo reads: YYYY-MM-DDThh:mm[:ss[.f+]] and Z or ±hh[:]mm, with a real calendar
// day. Seconds may be missing and fractions as long as they like, which time.Parse would not take.
func isTime(s string) bool {
	year, ok := 0, true
	number := func(width int) (n int) {
		if len(s) < width {
			ok = false
			return 0
		}
		for i := range width {
			c := s[i]
			if c < '0' || c > '9' {
				ok = false
				return 0
			}
			n = n*10 + int(c-'0')
		}
		s = s[width:]
		return n
	}
	accept := func(c byte) bool {
		if s == "" || s[0] != c {
			return false
		}
		s = s[1:]
		return true
	}
	year = number(4)
	ok = ok && accept('-')
	month := number(2)
	ok = ok && accept('-')
	day := number(2)
	ok = ok && accept('T')
	hour := number(2)
	ok = ok && accept(':')
	minute := number(2)
	if !ok || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 {
		return false
	}
	if accept(':') {
		if second := number(2); !ok || second > 59 {
			return false
		}
		if accept('.') {
			digits := len(s)
			s = strings.TrimLeft(s, "0123456789")
			if digits == len(s) {
				return false
			}
		}
	}
	if accept('Z') {
		return s == ""
	}
	if !accept('+') && !accept('-') {
		return false
	}
	number(2)
	accept(':')
	number(2)
	return ok && s == ""
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
