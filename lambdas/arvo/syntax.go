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

// formatTime is t in timeLayout. It is written out because every event has a time, and reading the layout takes longer
// than following it.
func formatTime(t time.Time) string {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.Format(timeLayout)
	}
	hour, minute, second := t.Clock()
	var text [len(timeLayout)]byte
	copy(text[:], "0000-00-00T00:00:00.000+00:00")
	put := func(at, n int) { text[at], text[at+1] = '0'+byte(n/10), '0'+byte(n%10) }
	put(0, year/100)
	put(2, year%100)
	put(5, int(month))
	put(8, day)
	put(11, hour)
	put(14, minute)
	put(17, second)
	milliseconds := t.Nanosecond() / 1e6
	put(20, milliseconds/10)
	text[22] = '0' + byte(milliseconds%10)
	return string(text[:])
}

// twoDigits is the number at s[i:i+2], negative if it is none.
func twoDigits(s string, i int) int {
	tens, ones := s[i]-'0', s[i+1]-'0'
	if tens > 9 || ones > 9 {
		return -1 << 16
	}
	return int(tens)*10 + int(ones)
}

// isTime is the profile of RFC 3339 that Arvo reads: YYYY-MM-DDThh:mm[:ss[.f+]] and Z or ±hh[:]mm, with a real calendar
// day. Seconds may be missing and fractions as long as they like, which time.Parse would not take.
func isTime(s string) bool {
	if len(s) < len("YYYY-MM-DDThh:mmZ") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' {
		return false
	}
	year, month, day := twoDigits(s, 0)*100+twoDigits(s, 2), twoDigits(s, 5), twoDigits(s, 8)
	hour, minute := twoDigits(s, 11), twoDigits(s, 14)
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return false
	}
	i := 16
	if s[i] == ':' {
		if len(s) < i+4 { // the seconds and one more character, for the zone
			return false
		}
		if second := twoDigits(s, i+1); second < 0 || second > 59 {
			return false
		}
		if i += 3; s[i] == '.' {
			i++
			from := i
			for i < len(s) && s[i]-'0' <= 9 {
				i++
			}
			if i == from || i == len(s) {
				return false
			}
		}
	}
	zone := s[i:] // not empty
	switch {
	case zone[0] == 'Z':
		return len(zone) == 1
	case zone[0] != '+' && zone[0] != '-':
		return false
	case len(zone) == len("+hhmm"):
		return twoDigits(zone, 1) >= 0 && twoDigits(zone, 3) >= 0
	case len(zone) == len("+hh:mm"):
		return zone[3] == ':' && twoDigits(zone, 1) >= 0 && twoDigits(zone, 4) >= 0
	}
	return false
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
