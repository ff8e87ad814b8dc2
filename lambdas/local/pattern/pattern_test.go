package pattern_test

import (
	"errors"
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/pattern"
)

func compile(t testing.TB, src string) *pattern.Pattern {
	t.Helper()
	p, err := pattern.Compile([]byte(src))
	if err != nil {
		t.Fatalf("pattern %s: %v", src, err)
	}
	return p
}

// Each group is one pattern with events that match it and events that do not.
var matching = []struct {
	rule    string // what the group shows
	pattern string
	yes     map[string]string // sentence -> event
	no      map[string]string
}{
	{
		rule:    "a literal string",
		pattern: `{"kind": ["ferry"]}`,
		yes: map[string]string{
			"matches the same string":                        `{"kind": "ferry"}`,
			"matches among other members":                    `{"a": 1, "kind": "ferry", "z": {"kind": 2}}`,
			"matches one element of an array":                `{"kind": ["tram", "ferry"]}`,
			"matches in an array in an array":                `{"kind": [["tram"], ["bus", "ferry"]]}`,
			"matches however the string is escaped":          `{"kind": "\u0066err\u0079"}`,
			"matches however the name is escaped":            `{"\u006bind": "ferry"}`,
			"matches the second of two members of one name":  `{"kind": "tram", "kind": "ferry"}`,
			"matches with any white space":                   "\t{ \"kind\"\n:\r \"ferry\" }",
			"matches after a member that is skipped":         `{"skip": {"a": [1, {"b": "}"}], "c": "\""}, "kind": "ferry"}`,
			"matches after a string that ends in backslash":  `{"skip": "C:\\", "kind": "ferry"}`,
			"matches after literals and numbers are skipped": `{"x": true, "y": -1.5e-3, "z": null, "kind": "ferry"}`,
		},
		no: map[string]string{
			"does not match another string":         `{"kind": "tram"}`,
			"does not match other case":             `{"kind": "Ferry"}`,
			"does not match a name of other case":   `{"Kind": "ferry"}`,
			"does not match a part":                 `{"kind": "ferryboat"}`,
			"does not match a missing field":        `{"mode": "ferry"}`,
			"does not match a field further inside": `{"in": {"kind": "ferry"}}`,
			"does not match null":                   `{"kind": null}`,
			"does not match an empty array":         `{"kind": []}`,
			"does not match an object":              `{"kind": {"ferry": "ferry"}}`,
			"does not match JSON in a string":       `{"kind": "\"ferry\""}`,
			"does not match an empty event":         `{}`,
			"does not match an event of no object":  `["kind", "ferry"]`,
			"does not match an event of no JSON":    `kind=ferry`,
			"does not match an event that breaks":   `{"kind": "ferry`,
		},
	},
	{
		rule:    "several literals",
		pattern: `{"kind": ["ferry", "tram", "", "naïve 🚋 "]}`,
		yes: map[string]string{
			"match the first":                      `{"kind": "ferry"}`,
			"match the last":                       `{"kind": "naïve 🚋 "}`,
			"match an escaped surrogate pair":      `{"kind": "na\u00efve \ud83d\ude8b "}`,
			"match the empty string":               `{"kind": ""}`,
			"match arrays that have one of them":   `{"kind": ["car", "tram"]}`,
			"match when all values are among them": `{"kind": ["tram", "ferry"]}`,
		},
		no: map[string]string{
			"do not match what is none of them":     `{"kind": "car"}`,
			"do not match without a trailing space": `{"kind": "naïve 🚋"}`,
			"do not match an array of others":       `{"kind": ["car", "bus"]}`,
		},
	},
	{
		rule:    "literals of other types",
		pattern: `{"v": [7, true, null]}`,
		yes: map[string]string{
			"match the number":                  `{"v": 7}`,
			"match the number as a decimal":     `{"v": 7.0}`,
			"match the number with an exponent": `{"v": 70e-1}`,
			"match the boolean":                 `{"v": true}`,
			"match null":                        `{"v": null}`,
		},
		no: map[string]string{
			"do not match the number as a string":  `{"v": "7"}`,
			"do not match the boolean as a string": `{"v": "true"}`,
			"do not match null as a string":        `{"v": "null"}`,
			"do not match another number":          `{"v": 7.000001}`,
			"do not match the other boolean":       `{"v": false}`,
			"do not match an empty array":          `{"v": []}`,
			"do not match a missing field":         `{}`,
		},
	},
	{
		rule:    "a number too long to compare",
		pattern: `{"v": [123456789012, 0.1234567]}`,
		yes: map[string]string{
			"matches spelled alike":            `{"v": 123456789012}`,
			"matches a fraction spelled alike": `{"v": 0.1234567}`,
		},
		no: map[string]string{
			"does not match spelled otherwise": `{"v": 123456789012.0}`,
			"does not match its neighbour":     `{"v": 123456789013}`,
		},
	},
	{
		rule:    "several fields",
		pattern: `{"kind": ["ferry"], "deck": {"cars": [1, 2], "open": [true]}}`,
		yes: map[string]string{
			"match when each does": `{"kind": "ferry", "deck": {"open": true, "cars": 2}}`,
		},
		no: map[string]string{
			"do not match when one is missing": `{"kind": "ferry", "deck": {"cars": 2}}`,
			"do not match when one differs":    `{"kind": "ferry", "deck": {"open": true, "cars": 3}}`,
			"do not match a leaf above them":   `{"kind": "ferry", "deck": true}`,
		},
	},
	{
		rule:    "a dotted name in the pattern",
		pattern: `{"deck.cars": [1], "deck": {"open.air": {"now": [true]}}}`,
		yes: map[string]string{
			"matches nested members":          `{"deck": {"cars": 1, "open": {"air": {"now": true}}}}`,
			"matches dotted members":          `{"deck.cars": 1, "deck.open.air.now": true}`,
			"matches members dotted half way": `{"deck": {"cars": 1, "open.air": {"now": true}}}`,
		},
		no: map[string]string{
			"does not match a name too many": `{"deck": {"cars": {"cars": 1}, "open": {"air": {"now": true}}}}`,
			"does not match a name too few":  `{"cars": 1, "deck": {"open": {"air": {"now": true}}}}`,
		},
	},
	{
		rule:    "empty names",
		pattern: `{"a": {"": [1]}, "": [2]}`,
		yes:     map[string]string{"are names": `{"a": {"": 1}, "": 2}`, "are dotted too": `{"a.": 1, "": 2}`},
		no:      map[string]string{"are not skipped": `{"a": 1, "": 2}`},
	},
	{
		rule:    "the same name twice in a pattern",
		pattern: `{"v": [1], "v": [2]}`,
		yes:     map[string]string{"the last counts": `{"v": 2}`},
		no:      map[string]string{"the first does not": `{"v": 1}`},
	},
	{
		rule:    "prefix",
		pattern: `{"v": [{"prefix": "ab"}]}`,
		yes: map[string]string{
			"matches a string that begins so": `{"v": "abc"}`,
			"matches the prefix itself":       `{"v": "ab"}`,
			"matches across an escape":        `{"v": "a\u0062c"}`,
		},
		no: map[string]string{
			"does not match in the middle":    `{"v": "cab"}`,
			"does not match other case":       `{"v": "ABC"}`,
			"does not match a shorter string": `{"v": "a"}`,
			"does not match a missing field":  `{}`,
		},
	},
	{
		rule:    "an empty prefix",
		pattern: `{"v": [{"prefix": ""}]}`,
		yes:     map[string]string{"matches any string": `{"v": "x"}`, "matches the empty string": `{"v": ""}`},
		no:      map[string]string{"does not match a number": `{"v": 1}`, "does not match null": `{"v": null}`, "does not match a missing field": `{}`},
	},
	{
		rule:    "a prefix of digits",
		pattern: `{"v": [{"prefix": "12"}]}`,
		yes:     map[string]string{"matches a string of digits": `{"v": "123"}`},
		no:      map[string]string{"does not match a number": `{"v": 123}`},
	},
	{
		rule:    "prefix that ignores case",
		pattern: `{"v": [{"prefix": {"equals-ignore-case": "äb"}}]}`,
		yes:     map[string]string{"matches any case": `{"v": "ÄBc"}`, "matches the same case": `{"v": "äb"}`},
		no:      map[string]string{"does not match another beginning": `{"v": "ab"}`, "does not match a shorter string": `{"v": "Ä"}`, "does not match a number": `{"v": 1}`},
	},
	{
		rule:    "suffix",
		pattern: `{"v": [{"suffix": ".png"}]}`,
		yes:     map[string]string{"matches a string that ends so": `{"v": "a.png"}`, "matches the suffix itself": `{"v": ".png"}`},
		no: map[string]string{
			"does not match in the middle":    `{"v": "a.png.bak"}`,
			"does not match other case":       `{"v": "a.PNG"}`,
			"does not match a shorter string": `{"v": "png"}`,
			"does not match a number":         `{"v": 1}`,
		},
	},
	{
		rule:    "an empty suffix",
		pattern: `{"v": [{"suffix": ""}]}`,
		yes:     map[string]string{"matches any string": `{"v": "x"}`},
		no:      map[string]string{"does not match true": `{"v": true}`},
	},
	{
		rule:    "suffix that ignores case",
		pattern: `{"v": [{"suffix": {"equals-ignore-case": "Äb"}}]}`,
		yes:     map[string]string{"matches any case": `{"v": "xäB"}`, "matches the whole string": `{"v": "ÄB"}`},
		no:      map[string]string{"does not match another end": `{"v": "xab"}`, "does not match a shorter string": `{"v": "b"}`, "does not match null": `{"v": null}`, "does not match the empty string": `{"v": ""}`},
	},
	{
		rule:    "equals-ignore-case",
		pattern: `{"v": [{"equals-ignore-case": "Größe Ⱥ"}]}`,
		yes: map[string]string{
			"matches the same string":                  `{"v": "Größe Ⱥ"}`,
			"matches any case":                         `{"v": "gRÖßE Ⱥ"}`,
			"matches where the cases differ in length": `{"v": "größe ⱥ"}`,
			"matches in an array":                      `{"v": ["x", "größe ⱥ"]}`,
		},
		no: map[string]string{
			"does not match a longer string":         `{"v": "Größe ȺȺ"}`,
			"does not match a shorter string":        `{"v": "Größe "}`,
			"does not match letters that look alike": `{"v": "Grosse Ⱥ"}`,
			"does not match a number":                `{"v": 1}`,
		},
	},
	{
		rule:    "equals-ignore-case of K",
		pattern: `{"v": [{"equals-ignore-case": "K"}]}`,
		yes:     map[string]string{"matches k": `{"v": "k"}`},
		no:      map[string]string{"does not match the sign for kelvin": `{"v": "\u212a"}`},
	},
	{
		rule:    "an empty equals-ignore-case",
		pattern: `{"v": [{"equals-ignore-case": ""}]}`,
		yes:     map[string]string{"matches the empty string": `{"v": ""}`},
		no:      map[string]string{"does not match another string": `{"v": "x"}`},
	},
	{
		rule:    "wildcard",
		pattern: `{"v": [{"wildcard": "a*b*c"}]}`,
		yes: map[string]string{
			"matches with text for each star": `{"v": "a-1-b-2-c"}`,
			"matches with no text for a star": `{"v": "abc"}`,
			"matches where parts repeat":      `{"v": "abbcbc"}`,
			"matches a star across line ends": `{"v": "a\nb\nc"}`,
		},
		no: map[string]string{
			"does not match when a part is missing":      `{"v": "a-c"}`,
			"does not match when parts are out of order": `{"v": "abcb"}`,
			"does not match another beginning":           `{"v": "xabc"}`,
			"does not match when parts would overlap":    `{"v": "ac"}`,
			"does not match a number":                    `{"v": 1}`,
		},
	},
	{
		rule:    "wildcard whose parts could share text",
		pattern: `{"v": [{"wildcard": "*ab*ba*"}]}`,
		yes:     map[string]string{"matches one after the other": `{"v": "abba"}`},
		no:      map[string]string{"does not match them overlapping": `{"v": "aba"}`},
	},
	{
		rule:    "wildcard whose ends are the same",
		pattern: `{"v": [{"wildcard": "ab*ab"}]}`,
		yes:     map[string]string{"matches twice the text": `{"v": "abab"}`},
		no:      map[string]string{"does not match it once": `{"v": "ab"}`, "does not match them overlapping": `{"v": "abb"}`},
	},
	{
		rule:    "a lone star",
		pattern: `{"v": [{"wildcard": "*"}]}`,
		yes:     map[string]string{"matches any string": `{"v": "x"}`, "matches the empty string": `{"v": ""}`},
		no:      map[string]string{"does not match a number": `{"v": 1}`, "does not match null": `{"v": null}`},
	},
	{
		rule:    "wildcard with escapes",
		pattern: `{"v": [{"wildcard": "\\**\\\\"}]}`,
		yes:     map[string]string{"matches the characters themselves": `{"v": "*x\\"}`},
		no:      map[string]string{"does not match other characters": `{"v": "xx\\"}`},
	},
	{
		rule:    "wildcard without a star",
		pattern: `{"v": [{"wildcard": "ab"}]}`,
		yes:     map[string]string{"matches the string": `{"v": "ab"}`},
		no:      map[string]string{"does not match another": `{"v": "abc"}`},
	},
	{
		rule:    "an empty wildcard",
		pattern: `{"v": [{"wildcard": ""}]}`,
		yes:     map[string]string{"matches the empty string": `{"v": ""}`},
		no:      map[string]string{"does not match another": `{"v": "a"}`},
	},
	{
		rule:    "wildcard with repeated parts",
		pattern: `{"v": [{"wildcard": "/home/*/x/x/x/x/x/end"}]}`,
		yes:     map[string]string{"is simple enough": `{"v": "/home/me/x/x/x/x/x/end"}`},
		no:      map[string]string{"needs all of them": `{"v": "/home/me/x/x/x/x/end"}`},
	},
	{
		rule:    "anything-but a string",
		pattern: `{"v": [{"anything-but": "x"}]}`,
		yes: map[string]string{
			"matches another string":                `{"v": "y"}`,
			"matches null":                          `{"v": null}`,
			"matches a number":                      `{"v": 1}`,
			"matches a boolean":                     `{"v": false}`,
			"matches an array with another element": `{"v": ["x", "y"]}`,
		},
		no: map[string]string{
			"does not match the string":          `{"v": "x"}`,
			"does not match a missing field":     `{}`,
			"does not match an empty array":      `{"v": []}`,
			"does not match an array of only it": `{"v": ["x", "x"]}`,
			"does not match an object":           `{"v": {"w": "y"}}`,
		},
	},
	{
		rule:    "anything-but strings",
		pattern: `{"v": [{"anything-but": ["x", "y"]}]}`,
		yes:     map[string]string{"matches another string": `{"v": "z"}`, "matches null": `{"v": null}`},
		no:      map[string]string{"does not match the first": `{"v": "x"}`, "does not match the last": `{"v": "y"}`, "does not match a missing field": `{"w": 1}`},
	},
	{
		rule:    "anything-but a number",
		pattern: `{"v": [{"anything-but": 0}]}`,
		yes:     map[string]string{"matches another number": `{"v": 1}`, "matches it as a string": `{"v": "0"}`, "matches a number beyond comparison": `{"v": 1e300}`},
		no:      map[string]string{"does not match the number": `{"v": 0}`, "does not match it spelled otherwise": `{"v": -0.0e5}`},
	},
	{
		rule:    "anything-but numbers",
		pattern: `{"v": [{"anything-but": [100, 2.5]}]}`,
		yes:     map[string]string{"matches another number": `{"v": 250}`},
		no:      map[string]string{"does not match the first": `{"v": 1e2}`, "does not match the last": `{"v": 2.50}`},
	},
	{
		rule:    "anything-but a prefix",
		pattern: `{"v": [{"anything-but": {"prefix": "ab"}}]}`,
		yes:     map[string]string{"matches another beginning": `{"v": "xab"}`, "matches a number": `{"v": 12}`, "matches null": `{"v": null}`},
		no:      map[string]string{"does not match the prefix": `{"v": "abc"}`, "does not match a missing field": `{}`},
	},
	{
		rule:    "anything-but prefixes",
		pattern: `{"v": [{"anything-but": {"prefix": ["ab", "cd"]}}]}`,
		yes:     map[string]string{"matches another beginning": `{"v": "ef"}`, "matches a number": `{"v": 12}`},
		no:      map[string]string{"does not match the first": `{"v": "ab"}`, "does not match the last": `{"v": "cdx"}`},
	},
	{
		rule:    "anything-but a suffix",
		pattern: `{"v": [{"anything-but": {"suffix": [".txt", ".jpg"]}}]}`,
		yes:     map[string]string{"matches another end": `{"v": "a.txt.bak"}`, "matches null": `{"v": null}`},
		no:      map[string]string{"does not match the first": `{"v": "a.txt"}`, "does not match the last": `{"v": "a.jpg"}`, "does not match a missing field": `{}`},
	},
	{
		rule:    "anything-but equals-ignore-case",
		pattern: `{"v": [{"anything-but": {"equals-ignore-case": ["on", "OFF"]}}]}`,
		yes:     map[string]string{"matches another string": `{"v": "open"}`, "matches null": `{"v": null}`},
		no:      map[string]string{"does not match the first": `{"v": "ON"}`, "does not match the last": `{"v": "Off"}`, "does not match a missing field": `{}`},
	},
	{
		rule:    "anything-but a wildcard",
		pattern: `{"v": [{"anything-but": {"wildcard": ["*/tmp/*", "*.o"]}}]}`,
		yes:     map[string]string{"matches another string": `{"v": "src/a.c"}`, "matches a number": `{"v": 1}`, "matches a part at the start": `{"v": "tmp/a.c"}`},
		no:      map[string]string{"does not match the first": `{"v": "/tmp/a.c"}`, "does not match the last": `{"v": "src/a.o"}`, "does not match a missing field": `{}`},
	},
	{
		rule:    "anything-but no prefixes",
		pattern: `{"v": [{"anything-but": {"prefix": []}}]}`,
		yes:     map[string]string{"matches any value": `{"v": "x"}`},
		no:      map[string]string{"does not match a missing field": `{}`},
	},
	{
		rule:    "numeric =",
		pattern: `{"v": [{"numeric": ["=", 3.018e2]}]}`,
		yes:     map[string]string{"matches the number": `{"v": 301.8}`, "matches it spelled otherwise": `{"v": 3018E-1}`},
		no:      map[string]string{"does not match another": `{"v": 301.800001}`, "does not match a string": `{"v": "301.8"}`, "does not match more than six decimals": `{"v": 301.8000001}`},
	},
	{
		rule:    "numeric <",
		pattern: `{"v": [{"numeric": ["<", 10]}]}`,
		yes:     map[string]string{"matches less": `{"v": 9.999999}`, "matches negative numbers": `{"v": -5e9}`},
		no:      map[string]string{"does not match the bound": `{"v": 10}`, "does not match null": `{"v": null}`, "does not match beyond the range of numbers": `{"v": -5000000001}`},
	},
	{
		rule:    "numeric <=",
		pattern: `{"v": [{"numeric": ["<=", -10.5]}]}`,
		yes:     map[string]string{"matches the bound": `{"v": -10.50}`, "matches less": `{"v": -11}`},
		no:      map[string]string{"does not match more": `{"v": -10.499999}`},
	},
	{
		rule:    "numeric >",
		pattern: `{"v": [{"numeric": [">", 100]}]}`,
		yes:     map[string]string{"matches more": `{"v": 100.000001}`, "matches a decimal": `{"v": 101.0}`, "matches one element": `{"v": [1, 101]}`},
		no:      map[string]string{"does not match the bound": `{"v": 100}`, "does not match a string": `{"v": "300"}`, "does not match a boolean": `{"v": true}`},
	},
	{
		rule:    "numeric > of many digits",
		pattern: `{"v": [{"numeric": [">", 4999999999.999998]}]}`,
		yes:     map[string]string{"matches more": `{"v": 4999999999.999999}`, "matches with zeros at the end": `{"v": 4999999999.99999900000}`, "matches with zeros in front of an exponent": `{"v": 50000000000000000000e-10}`},
		no:      map[string]string{"does not match the bound": `{"v": 4999999999.999998}`, "does not match less": `{"v": 4999999999.999997}`},
	},
	{
		rule:    "numeric >=",
		pattern: `{"v": [{"numeric": [">=", 5e9]}]}`,
		yes:     map[string]string{"matches the bound": `{"v": 5000000000}`},
		no:      map[string]string{"does not match less": `{"v": 4999999999.999999}`},
	},
	{
		rule:    "a numeric range",
		pattern: `{"v": [{"numeric": [">", 0, "<=", 5]}]}`,
		yes:     map[string]string{"matches inside": `{"v": 0.000001}`, "matches a closed end": `{"v": 5}`},
		no:      map[string]string{"does not match an open end": `{"v": 0}`, "does not match above": `{"v": 5.000001}`},
	},
	{
		rule:    "the other numeric range",
		pattern: `{"v": [{"numeric": [">=", 0, "<", 5]}]}`,
		yes:     map[string]string{"matches a closed end": `{"v": -0}`},
		no:      map[string]string{"does not match an open end": `{"v": 5}`},
	},
	{
		rule:    "cidr of IPv4",
		pattern: `{"ip": [{"cidr": "10.1.2.3/24"}]}`,
		yes: map[string]string{
			"matches the first address":       `{"ip": "10.1.2.0"}`,
			"matches the last address":        `{"ip": "10.1.2.255"}`,
			"matches an IPv4 address in IPv6": `{"ip": "::ffff:a01:203"}`,
		},
		no: map[string]string{
			"does not match another block":          `{"ip": "10.1.3.0"}`,
			"does not match a bad address":          `{"ip": "10.1.2.256"}`,
			"does not match text":                   `{"ip": "localhost"}`,
			"does not match a number":               `{"ip": 10}`,
			"does not match an IPv6 address":        `{"ip": "::1"}`,
			"does not match an address with a zone": `{"ip": "fe80::1%eth0"}`,
			"does not match a missing field":        `{}`,
		},
	},
	{
		rule:    "cidr of IPv6",
		pattern: `{"ip": [{"cidr": "2001:db8::/64"}]}`,
		yes:     map[string]string{"matches inside": `{"ip": "2001:0DB8:0000:0000:ffff::"}`},
		no:      map[string]string{"does not match outside": `{"ip": "2001:db8:0:1::"}`, "does not match IPv4": `{"ip": "10.0.0.1"}`},
	},
	{
		rule:    "an address as a literal",
		pattern: `{"ip": ["::1", "10.0.0.1"]}`,
		yes:     map[string]string{"matches itself": `{"ip": "10.0.0.1"}`, "matches it spelled otherwise": `{"ip": "0:0:0:0:0:0:0:1"}`},
		no:      map[string]string{"does not match another address": `{"ip": "::2"}`},
	},
	{
		rule:    "exists",
		pattern: `{"a": {"b": [{"exists": true}]}}`,
		yes: map[string]string{
			"matches a value":                    `{"a": {"b": 1}}`,
			"matches null":                       `{"a": {"b": null}}`,
			"matches the empty string":           `{"a": {"b": ""}}`,
			"matches in one element of an array": `{"a": [{"c": 1}, {"b": 1}]}`,
		},
		no: map[string]string{
			"does not match a missing field": `{"a": {"c": 1}}`,
			"does not match an object":       `{"a": {"b": {"c": 1}}}`,
			"does not match an empty array":  `{"a": {"b": []}}`,
			"does not match an empty object": `{"a": {"b": {}}}`,
		},
	},
	{
		rule:    "exists with other operators after it",
		pattern: `{"a": [{"exists": true}, {"prefix": "x"}, {"numeric": ["=", 1]}]}`,
		yes:     map[string]string{"is enough": `{"a": "y"}`},
		no:      map[string]string{"is not met by a missing field": `{}`},
	},
	{
		rule:    "exists false",
		pattern: `{"a": {"b": [{"exists": false}]}}`,
		yes: map[string]string{
			"matches a missing field":  `{"a": {"c": 1}}`,
			"matches a missing parent": `{"c": 1}`,
			"matches an empty event":   `{}`,
			"matches an object":        `{"a": {"b": {"c": 1}}}`,
			"matches an empty array":   `{"a": {"b": []}}`,
			"matches a leaf above":     `{"a": 1}`,
		},
		no: map[string]string{
			"does not match a value":             `{"a": {"b": 1}}`,
			"does not match null":                `{"a": {"b": null}}`,
			"does not match a value in an array": `{"a": [{"c": 1}, {"b": 1}]}`,
		},
	},
	{
		rule:    "exists false or a value",
		pattern: `{"a": [{"exists": false}, {"anything-but": "x"}]}`,
		yes:     map[string]string{"matches a missing field": `{}`, "matches the value": `{"a": "y"}`},
		no:      map[string]string{"does not match what is neither": `{"a": "x"}`},
	},
	{
		rule:    "exactly",
		pattern: `{"a": [{"exactly": "10.0.0.1"}]}`,
		yes:     map[string]string{"matches the string": `{"a": "10.0.0.1"}`},
		no:      map[string]string{"does not match another": `{"a": "10.0.0.2"}`},
	},
	{
		rule:    "operators of all kinds in one array",
		pattern: `{"v": [{"numeric": [">", 100]}, {"anything-but": "101"}, "101!"]}`,
		yes:     map[string]string{"match by one of them": `{"v": "42"}`, "match by another": `{"v": 101}`, "match by the literal": `{"v": "101!"}`},
		no:      map[string]string{"do not match by none": `{"v": "101"}`},
	},
	{
		rule:    "two fields below an array",
		pattern: `{"line": {"sku": ["A"], "n": [2]}}`,
		yes: map[string]string{
			"match in one element":                       `{"line": [{"sku": "B", "n": 1}, {"sku": "A", "n": 2}]}`,
			"match without an array":                     `{"line": {"sku": "A", "n": 2}}`,
			"match in an array in an array":              `{"line": [[{"sku": "A", "n": 1}], [{"sku": "A", "n": 2}]]}`,
			"match in values that are arrays":            `{"line": [{"sku": ["B", "A"], "n": [1, 2]}]}`,
			"match in two arrays of the same name":       `{"line": [{"sku": "A"}], "line": [{"n": 2}]}`,
			"match in an element and beside the array":   `{"line": [{"sku": "A"}], "line.n": 2}`,
			"match when the first fitting element fails": `{"line": [{"sku": "A", "n": 1}, {"sku": "A", "n": 3}, {"sku": "A", "n": 2}]}`,
		},
		no: map[string]string{
			"do not match in two elements":                 `{"line": [{"sku": "A", "n": 1}, {"sku": "B", "n": 2}]}`,
			"do not match in elements of inner arrays":     `{"line": [[{"sku": "A", "n": 1}, {"sku": "B", "n": 2}]]}`,
			"do not match in inner arrays of two elements": `{"line": [[{"sku": "A"}], [{"n": 2}]]}`,
		},
	},
	{
		rule:    "fields below arrays in arrays",
		pattern: `{"a": {"k": [1], "b": {"x": [2], "y": [3]}}}`,
		yes: map[string]string{
			"match down one path":               `{"a": [{"k": 0, "b": [{"x": 2, "y": 3}]}, {"k": 1, "b": [{"x": 0}, {"x": 2, "y": 3}]}]}`,
			"match in whatever order they come": `{"a": [{"b": [{"y": 3, "x": 2}], "k": 1}]}`,
		},
		no: map[string]string{
			"do not match when the outer element differs": `{"a": [{"k": 1, "b": [{"x": 2}]}, {"k": 0, "b": [{"x": 2, "y": 3}]}]}`,
			"do not match when the inner element differs": `{"a": [{"k": 1, "b": [{"x": 2}, {"y": 3}]}]}`,
		},
	},
	{
		rule:    "fields below two arrays",
		pattern: `{"a": {"x": [1]}, "b": {"y": [2]}}`,
		yes:     map[string]string{"match in any element of each": `{"a": [{"x": 0}, {"x": 1}], "b": [{"y": 2}, {"y": 0}]}`},
		no:      map[string]string{"do not match when one does not": `{"a": [{"x": 0}, {"x": 1}], "b": [{"y": 0}]}`},
	},
	{
		rule:    "exists false after a field of the same array",
		pattern: `{"line": {"a": [1], "b": [{"exists": false}]}}`,
		yes: map[string]string{
			"matches when the element lacks it":     `{"line": [{"a": 1}, {"b": 1}]}`,
			"matches when a later element lacks it": `{"line": [{"a": 1, "b": 1}, {"a": 1}]}`,
		},
		no: map[string]string{
			"does not match when the element has it":       `{"line": [{"a": 1, "b": 1}, {"c": 1}]}`,
			"does not match when it lies beside the array": `{"line": [{"a": 1}], "line.b": 1}`,
		},
	},
	{
		rule:    "exists false before a field of the same array",
		pattern: `{"line": {"a": [{"exists": false}], "b": [1]}}`,
		yes:     map[string]string{"matches when no element has it": `{"line": [{"c": 1}, {"b": 1}]}`},
		no:      map[string]string{"does not match when any element has it": `{"line": [{"a": 1}, {"b": 1}]}`},
	},
	{
		rule:    "$or",
		pattern: `{"$or": [{"a": [1]}, {"b": [2], "c": [3]}]}`,
		yes:     map[string]string{"matches by the first": `{"a": 1}`, "matches by the second": `{"b": 2, "c": 3}`, "matches by both": `{"a": 1, "b": 2, "c": 3}`},
		no:      map[string]string{"does not match by half of one": `{"b": 2}`, "does not match by none": `{}`, "does not match a member of that name": `{"$or": [{"a": 1}]}`},
	},
	{
		rule:    "$or beside fields",
		pattern: `{"k": ["x"], "$or": [{"a": [1]}, {"b": [2]}], "m": ["y"]}`,
		yes:     map[string]string{"needs them as well": `{"k": "x", "m": "y", "b": 2}`},
		no:      map[string]string{"does not match without the field before": `{"a": 1, "m": "y"}`, "does not match without the field after": `{"a": 1, "k": "x"}`, "does not match without a branch": `{"k": "x", "m": "y"}`},
	},
	{
		rule:    "$or within a member and within $or",
		pattern: `{"d": {"$or": [{"a": [1]}, {"e": {"$or": [{"b": [2]}, {"c": [{"numeric": ["<", 0]}]}]}}]}}`,
		yes:     map[string]string{"matches the outer branch": `{"d": {"a": 1}}`, "matches the first inner branch": `{"d": {"e": {"b": 2}}}`, "matches the second inner branch": `{"d": {"e.c": -1}}`},
		no:      map[string]string{"does not match at another place": `{"a": 1}`, "does not match no branch": `{"d": {"e": {"b": 1, "c": 0}}}`},
	},
	{
		rule:    "two $or",
		pattern: `{"$or": [{"a": [1]}, {"b": [1]}], "d": {"$or": [{"x": [1]}, {"y": [1]}]}}`,
		yes:     map[string]string{"match by a branch of each": `{"b": 1, "d": {"x": 1}}`},
		no:      map[string]string{"do not match by two branches of one": `{"a": 1, "b": 1}`},
	},
	{
		rule:    "$or that repeats a field outside it",
		pattern: `{"a": [1], "$or": [{"a": [2]}, {"b": [3]}]}`,
		yes:     map[string]string{"the branch counts": `{"a": 2}`, "the other branch has the outer field": `{"a": 1, "b": 3}`},
		no:      map[string]string{"the outer field is replaced": `{"a": 1}`},
	},
	{
		rule:    "$or that says no such field or not this",
		pattern: `{"$or": [{"d": {"to": [{"anything-but": ["x", "y"]}]}}, {"d": {"to": [{"exists": false}]}}]}`,
		yes: map[string]string{
			"matches another value":    `{"d": {"to": "z"}}`,
			"matches a missing field":  `{"d": {}}`,
			"matches null":             `{"d": {"to": null}}`,
			"matches a number":         `{"d": {"to": 5}}`,
			"matches an object":        `{"d": {"to": {"x": "x"}}}`,
			"matches an empty array":   `{"d": {"to": []}}`,
			"matches one value of two": `{"d": {"to": ["x", "z"]}}`,
		},
		no: map[string]string{"does not match such a value": `{"d": {"to": "x"}}`, "does not match two such values": `{"d": {"to": ["x", "y"]}}`},
	},
}

func TestMatch(t *testing.T) {
	for _, group := range matching {
		t.Run(group.rule, func(t *testing.T) {
			p := compile(t, group.pattern)
			for sentence, event := range group.yes {
				if !p.Match([]byte(event)) {
					t.Errorf("%s: %s should match %s", sentence, group.pattern, event)
				}
			}
			for sentence, event := range group.no {
				if p.Match([]byte(event)) {
					t.Errorf("%s: %s should not match %s", sentence, group.pattern, event)
				}
			}
		})
	}
}

func TestCompileRejects(t *testing.T) {
	for name, c := range map[string]struct{ pattern, reason string }{
		"text that is no JSON":                     {`ferry`, "invalid character"},
		"single quotes":                            {`{'a': [1]}`, "invalid character"},
		"nothing":                                  {``, "Unexpected end of the pattern"},
		"a pattern that is not closed":             {`{"a": [1]`, "Unexpected end of the pattern"},
		"text after the pattern":                   {`{"a": [1]} {}`, "Unexpected text after the pattern"},
		"an array":                                 {`["a"]`, "Filter is not an object"},
		"a string":                                 {`"a"`, "Filter is not an object"},
		"an empty pattern":                         {`{}`, "Empty objects are not allowed"},
		"an empty object inside":                   {`{"a": {}}`, "Empty objects are not allowed"},
		"an empty array":                           {`{"a": []}`, "Empty arrays are not allowed"},
		"a string outside an array":                {`{"a": "x"}`, `"a" must be an object or an array`},
		"a number outside an array":                {`{"a": 1}`, `"a" must be an object or an array`},
		"null outside an array":                    {`{"a": null}`, `"a" must be an object or an array`},
		"an array in an array":                     {`{"a": [[1]]}`, "Match value must be String, number, true, false, or null"},
		"an unknown operator":                      {`{"a": [{"like": "x"}]}`, "Unrecognized match type like"},
		"an operator in upper case":                {`{"a": [{"Prefix": "x"}]}`, "Unrecognized match type Prefix"},
		"an object without operator":               {`{"a": [{}]}`, "Match expression name not found"},
		"two operators in an object":               {`{"a": [{"prefix": "x", "suffix": "y"}]}`, "Only one key allowed in match expression"},
		"two operators after exists":               {`{"a": [{"exists": true, "prefix": "y"}]}`, "Only one key allowed in match expression"},
		"exactly of a number":                      {`{"a": [{"exactly": 1}]}`, "exact match pattern must be a string"},
		"prefix of a number":                       {`{"a": [{"prefix": 1}]}`, "prefix match pattern must be a string"},
		"prefix of an array":                       {`{"a": [{"prefix": ["x"]}]}`, "prefix match pattern must be a string"},
		"prefix of another operator":               {`{"a": [{"prefix": {"suffix": "x"}}]}`, "Unsupported prefix pattern: suffix"},
		"prefix of an empty object":                {`{"a": [{"prefix": {}}]}`, "Prefix expression name not found"},
		"prefix that ignores the case of 1":        {`{"a": [{"prefix": {"equals-ignore-case": 1}}]}`, "equals-ignore-case match pattern must be a string"},
		"prefix with two operators":                {`{"a": [{"prefix": {"equals-ignore-case": "x", "x": 1}}]}`, "Only one key allowed in match expression"},
		"suffix of null":                           {`{"a": [{"suffix": null}]}`, "suffix match pattern must be a string"},
		"suffix of an array":                       {`{"a": [{"suffix": ["x"]}]}`, "suffix match pattern must be a string"},
		"suffix of another operator":               {`{"a": [{"suffix": {"prefix": "x"}}]}`, "Unsupported suffix pattern: prefix"},
		"equals-ignore-case of an array":           {`{"a": [{"equals-ignore-case": ["x"]}]}`, "equals-ignore-case match pattern must be a string"},
		"equals-ignore-case of a prefix":           {`{"a": [{"equals-ignore-case": {"prefix": "x"}}]}`, "equals-ignore-case match pattern must be a string"},
		"wildcard of a number":                     {`{"a": [{"wildcard": 1}]}`, "wildcard match pattern must be a string"},
		"wildcard of an array":                     {`{"a": [{"wildcard": ["*"]}]}`, "wildcard match pattern must be a string"},
		"wildcard with two stars in a row":         {`{"a": [{"wildcard": "ab**"}]}`, "Consecutive wildcard characters at pos 3"},
		"wildcard with another escape":             {`{"a": [{"wildcard": "\\n"}]}`, "Invalid escape character at pos 1"},
		"wildcard with half an escape":             {`{"a": [{"wildcard": "a\\"}]}`, "Invalid escape character at pos 2"},
		"wildcard with too many stars":             {`{"a": [{"wildcard": "*.*.*.*.*.log"}]}`, "Rule is too complex - try using fewer wildcard characters"},
		"wildcard with too many repeats":           {`{"a": [{"wildcard": "*ababababababababababab"}]}`, "Rule is too complex - try using fewer wildcard characters"},
		"anything-but null":                        {`{"a": [{"anything-but": null}]}`, "Value of anything-but must be an array or single string/number value."},
		"anything-but true":                        {`{"a": [{"anything-but": true}]}`, "Value of anything-but must be an array or single string/number value."},
		"anything-but an empty array":              {`{"a": [{"anything-but": []}]}`, "Inside anything but list, either all values are number or string, mixed type is not supported"},
		"anything-but a string and a number":       {`{"a": [{"anything-but": ["x", 1]}]}`, "Inside anything but list, either all values are number or string, mixed type is not supported"},
		"anything-but a string and null":           {`{"a": [{"anything-but": ["x", null]}]}`, "Inside anything but list, start|null|boolean is not supported."},
		"anything-but an array in an array":        {`{"a": [{"anything-but": [["x"]]}]}`, "Inside anything but list, start|null|boolean is not supported."},
		"anything-but a number out of range":       {`{"a": [{"anything-but": 6e9}]}`, "Value must be between -5.0E9 and 5.0E9"},
		"anything-but numeric":                     {`{"a": [{"anything-but": {"numeric": ["=", 1]}}]}`, "Unsupported anything-but pattern: numeric"},
		"anything-but an empty object":             {`{"a": [{"anything-but": {}}]}`, "Anything-But expression name not found"},
		"anything-but two operators":               {`{"a": [{"anything-but": {"prefix": "x", "suffix": "y"}}]}`, "Only one key allowed in match expression"},
		"anything-but an empty prefix":             {`{"a": [{"anything-but": {"prefix": ""}}]}`, "Null prefix/suffix not allowed"},
		"anything-but an empty suffix in a list":   {`{"a": [{"anything-but": {"suffix": ["x", ""]}}]}`, "Null prefix/suffix not allowed"},
		"anything-but a prefix of a number":        {`{"a": [{"anything-but": {"prefix": 1}}]}`, "prefix/suffix match pattern must be a string"},
		"anything-but a suffix of null in a list":  {`{"a": [{"anything-but": {"suffix": [null]}}]}`, "prefix/suffix match pattern must be a string"},
		"anything-but prefix ignoring case":        {`{"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]}`, "Value of anything-but must be an array or single string/number value."},
		"anything-but case of a number":            {`{"a": [{"anything-but": {"equals-ignore-case": 1}}]}`, "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."},
		"anything-but case of null in a list":      {`{"a": [{"anything-but": {"equals-ignore-case": ["x", null]}}]}`, "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."},
		"anything-but a wildcard of a number":      {`{"a": [{"anything-but": {"wildcard": 1}}]}`, "wildcard match pattern must be a string"},
		"anything-but a bad wildcard":              {`{"a": [{"anything-but": {"wildcard": ["**"]}}]}`, "Consecutive wildcard characters at pos 1"},
		"numeric of a number":                      {`{"a": [{"numeric": 1}]}`, "Value of numeric must be an array."},
		"numeric without operator":                 {`{"a": [{"numeric": [1]}]}`, "Invalid member in numeric match: 1"},
		"numeric with an unknown operator":         {`{"a": [{"numeric": ["!=", 1]}]}`, "Unrecognized numeric range operator: !="},
		"numeric without number":                   {`{"a": [{"numeric": ["="]}]}`, "Value of equals must be numeric"},
		"numeric with a string":                    {`{"a": [{"numeric": [">", "1"]}]}`, "Value of > must be numeric"},
		"numeric = with a second bound":            {`{"a": [{"numeric": ["=", 1, "<", 2]}]}`, "Too many elements in numeric expression"},
		"numeric range from above":                 {`{"a": [{"numeric": ["<", 1, ">", 0]}]}`, "Too many elements in numeric expression"},
		"numeric range with two lower bounds":      {`{"a": [{"numeric": [">", 0, ">", 1]}]}`, "Bad numeric range operator: >"},
		"numeric range with a number for operator": {`{"a": [{"numeric": [">", 0, 1]}]}`, "Bad value in numeric range: 1"},
		"numeric range without upper bound":        {`{"a": [{"numeric": [">", 0, "<"]}]}`, "Value of < must be numeric"},
		"numeric range with nothing in it":         {`{"a": [{"numeric": [">", 1, "<", 1]}]}`, "Bottom must be less than top"},
		"numeric range with three bounds":          {`{"a": [{"numeric": [">", 0, "<", 1, "<"]}]}`, "Too many terms in numeric range expression"},
		"numeric out of range":                     {`{"a": [{"numeric": ["=", 5000000000.000001]}]}`, "Value must be between -5.0E9 and 5.0E9"},
		"numeric with seven decimals":              {`{"a": [{"numeric": ["<", 0.1234567]}]}`, "Value must be between -5.0E9 and 5.0E9"},
		"numeric with two keys":                    {`{"a": [{"numeric": ["<", 1], "x": 1}]}`, "Only one key allowed in match expression"},
		"cidr of a number":                         {`{"a": [{"cidr": 1}]}`, "cidr match pattern must be a string"},
		"cidr without mask":                        {`{"a": [{"cidr": "10.0.0.0"}]}`, "Malformed CIDR, one '/' required"},
		"cidr with two masks":                      {`{"a": [{"cidr": "10.0.0.0/8/8"}]}`, "Malformed CIDR, one '/' required"},
		"cidr with text for mask":                  {`{"a": [{"cidr": "10.0.0.0/x"}]}`, "Malformed CIDR, mask bits must be an integer"},
		"cidr with a negative mask":                {`{"a": [{"cidr": "10.0.0.0/-1"}]}`, "Malformed CIDR, mask bits must not be negative"},
		"cidr of a bad address":                    {`{"a": [{"cidr": "10.0.0/8"}]}`, "Nonstandard IP address: 10.0.0"},
		"cidr of one IPv4 address":                 {`{"a": [{"cidr": "10.0.0.0/32"}]}`, "IPv4 mask bits must be < 32"},
		"cidr of one IPv6 address":                 {`{"a": [{"cidr": "::/128"}]}`, "IPv6 mask bits must be < 128"},
		"exists of a string":                       {`{"a": [{"exists": "true"}]}`, "exists match pattern must be either true or false."},
		"exists of null":                           {`{"a": [{"exists": null}]}`, "exists match pattern must be either true or false."},
		"$or of an object":                         {`{"$or": {"a": [1], "b": [1]}}`, "It must be an Array followed with $or."},
		"$or of one branch":                        {`{"$or": [{"a": [1]}]}`, "There must have at least 2 Objects in $or relationship."},
		"$or of strings":                           {`{"$or": ["a", "b"]}`, "Only JSON object is allowed in array of $or relationship."},
		"$or with an empty branch":                 {`{"$or": [{"a": [1]}, {}]}`, "Empty objects are not allowed"},
		"$or of operators":                         {`{"a": {"$or": [{"prefix": ["x"]}, {"suffix": ["y"]}]}}`, "prefix is Ruler reserved fieldName which cannot be used inside $or."},
		"$or with a bad field":                     {`{"$or": [{"a": [1]}, {"b": 1}]}`, `"b" must be an object or an array`},
		"a pattern that is too long":               {`{"a": ["` + strings.Repeat("x", pattern.MaxSize) + `"]}`, "more than 4096"},
		"$or with too many combinations":           {`{` + strings.Repeat(`"$or": [{"a": [1]}, {"b": [1]}],`, 10) + `"c": [1]}`, "Rule is too complex - the branches of $or make more than 1000 combinations"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pattern.Compile([]byte(c.pattern))
			if err == nil {
				t.Fatalf("%s is accepted", c.pattern)
			}
			if !strings.HasPrefix(err.Error(), c.reason) && !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%s is rejected with %q, want %q", c.pattern, err, c.reason)
			}
			if got, want := errors.Is(err, pattern.ErrTooComplex), strings.HasPrefix(c.reason, "Rule is too complex"); got != want {
				t.Errorf("errors.Is(%q, ErrTooComplex) is %t", err, got)
			}
		})
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	_, err := pattern.Compile([]byte("{\n \"a\": [{\"EXISTS\": true}]\n}"))
	var e *pattern.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *pattern.Error", err)
	}
	// Ruler, too, stops behind the value.
	if want := (pattern.Error{Reason: "Unrecognized match type EXISTS", Line: 2, Column: 23}); e.Reason != want.Reason || e.Line != want.Line || e.Column != want.Column {
		t.Errorf("got %+v, want %+v", *e, want)
	}
	if got, want := err.Error(), "Unrecognized match type EXISTS at line 2, column 23"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestBranchesUpToTheLimitAreAccepted(t *testing.T) {
	p := compile(t, `{`+strings.Repeat(`"$or": [{"a": [1]}, {"b": [2]}],`, 9)+`"c": [3]}`) // 512
	if !p.Match([]byte(`{"b": 2, "c": 3}`)) || p.Match([]byte(`{"c": 3}`)) {
		t.Error("branches do not match as they should")
	}
}

func TestHasWildcard(t *testing.T) {
	for src, want := range map[string]bool{
		`{"a": ["*"]}`:                                 false,
		`{"a": [{"wildcard": "*"}]}`:                   true,
		`{"a": [{"anything-but": {"wildcard": "*"}}]}`: true,
	} {
		if got := compile(t, src).HasWildcard(); got != want {
			t.Errorf("HasWildcard of %s is %t", src, got)
		}
	}
}

func TestDeepEventsDoNotMatch(t *testing.T) {
	p := compile(t, `{"a": [1], "b": {"c": [1]}}`)
	nested := func(n int) string { return strings.Repeat("[", n) + "1" + strings.Repeat("]", n) }
	if !p.Match([]byte(`{"a": ` + nested(900) + `, "b": {"c": 1}}`)) {
		t.Error("900 arrays in one another should be fine")
	}
	if p.Match([]byte(`{"a": ` + nested(100_000) + `, "b": {"c": 1}}`)) {
		t.Error("100,000 arrays in one another should be too many")
	}
	if !p.Match([]byte(`{"x": ` + nested(100_000) + `, "a": 1, "b": {"c": 1}}`)) {
		t.Error("what no pattern looks at may be as deep as it likes")
	}
}

// An event made so that the search for elements has to try everything: many match each field, none match all.
func TestSearchIsBounded(t *testing.T) {
	p := compile(t, `{"a": {"b": [1], "c": [1], "d": {"x": [1], "y": [1]}, "e": {"x": [1], "y": [1]}, "f": {"x": [1], "y": [1]}}}`)
	pairs := "[" + strings.Repeat(`{"x":1},`, 60) + strings.Repeat(`{"y":1},`, 60) + `{"z":1}]`
	element := `{"b":1,"c":1,"d":` + pairs + `,"e":` + pairs + `,"f":` + pairs + `}`
	event := `{"a":[` + strings.Repeat(element+",", 100) + `{"b":0}]}`
	if p.Match([]byte(event)) {
		t.Error("matches across elements")
	}
}

func TestSetTellsWhichPatternsMatch(t *testing.T) {
	set := pattern.NewSet(
		compile(t, `{"a": [1]}`),
		compile(t, `{"a": [2], "b": {"c": [3]}}`),
		compile(t, `{"b": {"c": [{"exists": true}]}}`),
		compile(t, `{"z": [{"exists": false}]}`),
	)
	for event, want := range map[string][]int{
		`{"a": 1}`:                     {0, 3},
		`{"a": 2, "b": {"c": 3}}`:      {1, 2, 3},
		`{"a": [1, 2], "b": {"c": 3}}`: {0, 1, 2, 3},
		`{"z": 0}`:                     nil,
		`[]`:                           nil,
	} {
		got := set.Match([]byte(event), nil)
		if len(got) != len(want) {
			t.Errorf("%s matches %v, want %v", event, got, want)
			continue
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("%s matches %v, want %v", event, got, want)
			}
		}
	}
	if got := pattern.NewSet().Match([]byte(`{"a": 1}`), nil); len(got) != 0 {
		t.Errorf("an empty set matches %v", got)
	}
	if got := set.Match([]byte(`{"z": 1, "a": 1}`), []int{7}); len(got) != 2 || got[0] != 7 || got[1] != 0 {
		t.Errorf("Match does not append: %v", got)
	}
}
