package pattern_test

import (
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/watch/logs/pattern"
)

const event = `{"level":"ERROR","msg":"charge \"failed\"","attempt":3,"ratio":0.5,"ok":false,"done":true,"cause":null,"http":{"status":503},"tags":["a","b"],"items":[{"id":1},{"id":2}],"odd name":"x","subject":"order-17"}`

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, pattern, message string
		want                   bool
	}{
		{"nothing matches everything", "", "anything", true},
		{"a term anywhere", "ERROR", "[ERROR] 400", true},
		{"case matters", "error", "[ERROR] 400", false},
		{"all terms", "ERROR timeout", "ERROR: connection timeout", true},
		{"not all terms", "ERROR timeout", "ERROR: refused", false},
		{"a phrase", `"Task timed out"`, "2026 Task timed out after 3 s", true},
		{"a phrase is no set of words", `"timed Task"`, "Task timed out", false},
		{"a quoted quote", `"\"failed\""`, `it "failed"`, true},
		{"one of two", "?ERROR ?WARN", "WARN: low", true},
		{"neither of two", "?ERROR ?WARN", "INFO", false},
		{"terms with ? beside others are ignored", "?ERROR -DEBUG", "INFO", true},
		{"an excluded term", "ERROR -expected", "ERROR: expected", false},
		{"a regular expression", "%us-(east|west)-[12]%", "in us-west-2", true},
		{"a regular expression that does not match", "%^us%", "in us-west-2", false},

		{"a member that is a text", `{ $.level = "ERROR" }`, event, true},
		{"a text without quotes", `{ $.level = ERROR }`, event, true},
		{"a member in depth", `{ $.http.status = 503 }`, event, true},
		{"an element", `{ $.tags[1] = "b" }`, event, true},
		{"any element", `{ $.items[*].id = 2 }`, event, true},
		{"an element that is not there", `{ $.tags[7] = "b" }`, event, false},
		{"a name in brackets", `{ $.["odd name"] = "x" }`, event, true},
		{"a name in brackets without a dot", `{ $['odd name'] = "x" }`, event, true},
		{"a wildcard", `{ $.subject = "order-*" }`, event, true},
		{"a wildcard in the middle", `{ $.subject = "o*-*7" }`, event, true},
		{"a wildcard that does not match", `{ $.subject = "*-18" }`, event, false},
		{"a regular expression", `{ $.subject = %^order-\d+$% }`, event, true},
		{"another value", `{ $.level != "INFO" }`, event, true},
		{"a field that is not there differs from nothing", `{ $.nope != "INFO" }`, event, false},
		{"a number is greater", `{ $.attempt > 2 }`, event, true},
		{"a number is not less", `{ $.attempt < 3 }`, event, false},
		{"a number with an exponent", `{ $.ratio <= 5e-1 }`, event, true},
		{"a text is no number", `{ $.level > 1 }`, event, false},
		{"both", `{ $.level = "ERROR" && $.attempt >= 3 }`, event, true},
		{"either", `{ $.level = "INFO" || $.attempt >= 3 }`, event, true},
		{"and binds closer", `{ $.attempt = 3 || $.attempt = 3 && $.level = "INFO" }`, event, true},
		{"parentheses bind closest", `{ ($.attempt = 3 || $.attempt = 3) && $.level = "INFO" }`, event, false},
		{"is true", `{ $.done IS TRUE }`, event, true},
		{"is false", `{ $.ok is false }`, event, true},
		{"is null", `{ $.cause IS NULL }`, event, true},
		{"is not null", `{ $.cause IS NOT NULL }`, event, false},
		{"exists", `{ $.cause EXISTS }`, event, true},
		{"does not exist", `{ $.nope NOT EXISTS }`, event, true},
		{"a text that is no JSON", `{ $.level = "ERROR" }`, `level=ERROR`, false},
		{"JSON that is cut off", `{ $.level = "ERROR" }`, `{"level":"ERROR"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := pattern.Parse(c.pattern)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Match(c.message); got != c.want {
				t.Errorf("%s: %t, want %t", c.pattern, got, c.want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, pattern, want string }{
		{"space-delimited events", `[ip, user, ...]`, "at character 1: patterns of space-delimited events are not supported"},
		{"a term with a character that needs quotes", `order-17`, `at character 6: '-' may stand in double quotes only`},
		{"an open quotation", `"abc`, "at character 1: the quotation does not end"},
		{"an open regular expression", `%abc`, "does not end with %"},
		{"a broken regular expression", `%(%`, "missing closing )"},
		{"three regular expressions", `%a% %b% %c%`, "more than 2 regular expressions"},
		{"an open brace", `{ $.a = 1`, "at character 10: } is due"},
		{"something behind the brace", `{ $.a = 1 } x`, "at character 13: nothing may follow }"},
		{"no selector", `{ a = 1 }`, "at character 3: a selector is due"},
		{"a selector of nothing", `{ $ = 1 }`, "a name is due after $"},
		{"an open bracket", `{ $.a[1 = 1 }`, "the bracket does not close"},
		{"a bracket with rubbish", `{ $.a[x] = 1 }`, "[x] is neither an index"},
		{"no operator", `{ $.a 1 }`, "an operator is due"},
		{"no value", `{ $.a = }`, "a value is due after ="},
		{"an order of texts", `{ $.a < "b" }`, "< compares numbers"},
		{"is what", `{ $.a IS 1 }`, "TRUE, FALSE, NULL or NOT NULL is due"},
		{"length is bounded", strings.Repeat("a", 1025), "more than 1024 characters"},
		{"depth is bounded", "{" + strings.Repeat("(", 40) + "$.a = 1" + strings.Repeat(")", 40) + "}", "more than 32 levels"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := pattern.Parse(c.pattern); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`ERROR -"b c" ?d`, `%a[bc]%`, `{ $.a.b[0] = "x*" && ($.c > 1 || $.d NOT EXISTS) }`, `{ $['a b'] IS NOT NULL }`} {
		f.Add(seed, event)
	}
	f.Fuzz(func(t *testing.T, text, message string) {
		if p, err := pattern.Parse(text); err == nil {
			p.Match(message)
		}
	})
}
