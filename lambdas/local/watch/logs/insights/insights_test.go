package insights_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/watch/logs/insights"
)

// row makes an event, ms milliseconds after noon.
func row(ms int, fields map[string]insights.Value) *insights.Row {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
	return insights.NewRow(func(name string) insights.Value {
		switch name {
		case "@timestamp":
			return insights.Moment(at)
		case "@message":
			return insights.Text(fmt.Sprintf("message %d: took %d ms", ms, ms/100))
		case "@ptr":
			return insights.Text(fmt.Sprint(ms))
		}
		return fields[name]
	})
}

func events() []*insights.Row {
	n, s := insights.Number, insights.Text
	return []*insights.Row{ // the newest first
		row(130_000, map[string]insights.Value{"level": s("ERROR"), "ms": n(400), "hop": s("api")}),
		row(70_000, map[string]insights.Value{"level": s("INFO"), "ms": n(30), "hop": s("handler")}),
		row(65_500, map[string]insights.Value{"level": s("INFO"), "ms": s("20"), "hop": s("handler")}),
		row(1_000, map[string]insights.Value{"level": s("INFO"), "ms": n(10), "hop": s("api"), "a.b": s("deep")}),
		row(0, map[string]insights.Value{"level": s("DEBUG")}),
	}
}

// shown is a result as lines of name=value, without @ptr.
func shown(r insights.Result) string {
	var b strings.Builder
	for _, fields := range r.Rows {
		for i, f := range fields {
			if f.Name == "@ptr" {
				continue
			}
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(f.Name + "=" + f.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, query string
		want        []string
	}{
		{"fields come in the order asked for, those that are missing not at all", `fields ms, level | limit 5`, []string{"ms=400 level=ERROR", "ms=30 level=INFO", "ms=20 level=INFO", "ms=10 level=INFO", "level=DEBUG"}},
		{"without fields there are two", `filter level = "ERROR"`, []string{"@timestamp=2026-11-23 12:02:10.000 @message=message 130000: took 1300 ms"}},
		{"fields add up", `fields ms | filter ms = 30 | fields level`, []string{"ms=30 level=INFO"}},
		{"display has the last word", `fields ms | filter ms = 30 | display hop`, []string{"hop=handler"}},
		{"and, or, not", `fields ms | filter (level = "INFO" or level = "ERROR") and not hop = "api"`, []string{"ms=30", "ms=20"}},
		{"and binds closer than or", `fields ms | filter ms = 400 or ms = 30 and hop = "api"`, []string{"ms=400"}},
		{"numbers compare as numbers, written as texts too", `fields ms | filter ms >= 20 and ms < 100`, []string{"ms=30", "ms=20"}},
		{"in", `fields ms | filter ms in [10, 400]`, []string{"ms=400", "ms=10"}},
		{"not in", `fields level | filter level not in ["INFO", "ERROR"]`, []string{"level=DEBUG"}},
		{"like a text", `fields ms | filter @message like "message 70"`, []string{"ms=30"}},
		{"like a regular expression", `fields ms | filter @message like /MESSAGE/ or @message like /(?i)MESSAGE 1\d{5}:/`, []string{"ms=400"}},
		{"=~", `fields ms | filter hop =~ /^h/`, []string{"ms=30", "ms=20"}},
		{"not like", `fields ms | filter hop not like "h" and ispresent(hop)`, []string{"ms=400", "ms=10"}},
		{"a comparison with what is missing fails", `fields level | filter ms != 400 and ms != 10`, []string{"level=INFO", "level=INFO"}},
		{"not turns that around", `fields level | filter not ms > 0`, []string{"level=DEBUG"}},
		{"ispresent", `fields level | filter not ispresent(ms)`, []string{"level=DEBUG"}},
		{"a computed field", `fields ms / 10 + 1 as tenth | filter tenth = 2`, []string{"tenth=2"}},
		{"a computed field has the name that was written", `fields ms * 2 | filter ms = 30`, []string{"ms * 2=60"}},
		{"precedence of arithmetic", `fields 1 + 2 * 3 - -4 as x | limit 1`, []string{"x=11"}},
		{"functions", `fields concat(toupper(hop), "-", strlen(level)) as x, abs(0 - ms) as y, if(ms > 100, "slow", "fast") as z, coalesce(nope, "none") as w | limit 1`, []string{"x=API-5 y=400 z=slow w=none"}},
		{"names in backquotes", "fields `a.b` | filter ispresent(`a.b`)", []string{"a.b=deep"}},
		{"sort ascending", `fields ms | filter ispresent(ms) | sort ms asc`, []string{"ms=10", "ms=20", "ms=30", "ms=400"}},
		{"sort descending, what is missing last", `fields level, ms | sort ms desc`, []string{"level=ERROR ms=400", "level=INFO ms=30", "level=INFO ms=20", "level=INFO ms=10", "level=DEBUG"}},
		{"sort by two", `fields level, ms | sort level, ms desc | limit 3`, []string{"level=DEBUG", "level=ERROR ms=400", "level=INFO ms=30"}},
		{"limit before sort", `fields ms | limit 2 | sort ms`, []string{"ms=30", "ms=400"}},
		{"dedup", `fields level | dedup level`, []string{"level=ERROR", "level=INFO", "level=DEBUG"}},
		{"parse with stars", `parse @message "message *: took * ms" as m, took | filter took = 700 | display m`, []string{"m=70000"}},
		{"parse with groups", `parse @message /took (?<took>\d+)/ | filter took > 1000 | display took`, []string{"took=1300"}},
		{"count", `stats count(*)`, []string{"count(*)=5"}},
		{"count of what is present", `stats count(ms) as n, count_distinct(hop) as hops`, []string{"n=4 hops=2"}},
		{"count of nothing", `filter level = "nope" | stats count(*) as n, avg(ms) as a`, []string{"n=0"}},
		{"the sums", `stats sum(ms) as s, avg(ms) as a, min(ms) as lo, max(ms) as hi, pct(ms, 75) as p75, median(ms) as m`, []string{"s=460 a=115 lo=10 hi=400 p75=30 m=20"}},
		{"by a field", `filter ispresent(hop) | stats sum(ms) as s by hop | sort s desc`, []string{"hop=api s=410", "hop=handler s=50"}},
		{"by time", `stats count(*) as n by bin(1m)`, []string{"bin(1m)=2026-11-23 12:02:00.000 n=1", "bin(1m)=2026-11-23 12:01:00.000 n=2", "bin(1m)=2026-11-23 12:00:00.000 n=2"}},
		{"by time with a name, and a field", `filter level = "INFO" | stats avg(ms) as a by bin(30s) as t, hop | sort t asc`, []string{"t=2026-11-23 12:00:00.000 hop=api a=10", "t=2026-11-23 12:01:00.000 hop=handler a=25"}},
		{"stats of stats", `stats count(*) as n by hop | stats max(n) as most`, []string{"most=2"}},
		{"earliest and latest", `stats earliest(ms) as first, latest(ms) as last`, []string{"first=10 last=400"}},
		{"aggregates of expressions", `stats max(ms / 1000) as s`, []string{"s=0.4"}},
		{"comments", "fields ms # what it took\n| limit 1 # one", []string{"ms=400"}},
		{"head, order by, case", `FIELDS ms | ORDER BY ms DESC | HEAD 1`, []string{"ms=400"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			q, err := insights.Parse(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := q.Run(t.Context(), events(), 100)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Join(c.want, "\n")+"\n", shown(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name, query string
		start       int
		want        string
	}{
		{"nothing", ``, 0, "a command is due"},
		{"a command that is not here", `fields a | pattern @message`, 11, `the command "pattern" is not supported`},
		{"nothing behind the bar", `fields a |`, 10, "a command is due, not the end"},
		{"no bar", `fields a filter b = 1`, 9, `| is due, not "filter"`},
		{"a function that is not here", `fields urlencode(a)`, 7, `the function "urlencode" is not supported`},
		{"an aggregate that is not here", `stats skew(a)`, 6, `stats has no function "skew"`},
		{"too few arguments", `fields strcontains(a)`, 7, "strcontains has 1 arguments"},
		{"sum of everything", `stats sum(*)`, 6, "sum(*) counts nothing"},
		{"pct without a percentage", `stats pct(a, x)`, 13, `a percentage is due, not "x"`},
		{"bin of nothing", `stats count(*) by bin(x)`, 22, `a time such as 30s`},
		{"a limit of nothing", `limit 0`, 6, "a number from 1 to"},
		{"an open quotation", `filter a = "b`, 11, "the quotation does not end"},
		{"an open regular expression", `filter a like /b`, 14, "the regular expression does not end"},
		{"a broken regular expression", `filter a like /(/`, 14, "missing closing )"},
		{"like nothing", `filter a like b`, 14, `"text" or /regular expression/ is due`},
		{"an open list", `filter a in [1, 2`, 17, "] is due, not the end"},
		{"a parse with too few names", `parse @message "* *" as a`, 15, "1 names for 2 times *"},
		{"a character without meaning", `filter a & b`, 9, `"&" means nothing here`},
		{"characters are counted, not bytes", `filter a = "é" & b`, 15, `"&" means nothing here`},
		{"depth is bounded", "filter " + strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100), 71, "more than 64 levels"},
		{"depth of signs is bounded", "filter " + strings.Repeat("-", 100) + "1", 70, "more than 64 levels"},
		{"length is bounded", "filter " + strings.Repeat("a", 10_000), 0, "more than 10000 characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := insights.Parse(c.query)
			var e *insights.Error
			if !errors.As(err, &e) || e.Start != c.start || !strings.Contains(e.Message, c.want) {
				t.Errorf("%#v\nwant at %d: %s", err, c.start, c.want)
			}
		})
	}
}

func TestMatched(t *testing.T) {
	for query, want := range map[string]int{
		`fields ms | filter level = "INFO" | limit 1`:             3,
		`filter level = "INFO" | stats count(*) by hop | limit 1`: 3,
		`fields ms`: 5,
	} {
		q, err := insights.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := q.Run(t.Context(), events(), 100); err != nil || got.Matched != want {
			t.Errorf("%s: %d (%v), want %d", query, got.Matched, err, want)
		}
	}
}

// A query that says how many rows it wants gets them; StartQuery's limit is for the others.
func TestLimits(t *testing.T) {
	for query, want := range map[string]int{
		`fields ms`:                       2,
		`fields ms | limit 3`:             3,
		`fields ms | limit 4 | sort ms`:   4,
		`limit 4 | stats count(*) by hop`: 2,
		`limit 1`:                         1,
	} {
		q, err := insights.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := q.Run(t.Context(), events(), 2); err != nil || len(got.Rows) != want {
			t.Errorf("%s: %d rows (%v), want %d", query, len(got.Rows), err, want)
		}
	}
}

// Whatever a query does with its events, it looks at no other one once its context has ended.
func TestAQueryEndsWithItsContext(t *testing.T) {
	for _, query := range []string{
		`fields ms * 2 as twice`,
		`filter ms > 0`,
		`parse @message "took * ms" as took`,
		`sort ms`,
		`dedup ms`,
		`stats count(*) by ms`,
		`stats max(ms)`,
	} {
		t.Run(query, func(t *testing.T) {
			q, err := insights.Parse(query)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			seen, rows := 0, make([]*insights.Row, 10)
			for i := range rows {
				rows[i] = insights.NewRow(func(string) insights.Value {
					seen++
					cancel()
					return insights.Number(float64(i))
				})
			}
			if _, err := q.Run(ctx, rows, 10); !errors.Is(err, context.Canceled) || seen != 1 {
				t.Errorf("%v after %d events", err, seen)
			}
		})
	}
}

// A few words of a query can make much of little; what it keeps is bounded.
func TestAQueryThatComputesTooMuch(t *testing.T) {
	insights.SetMaxKept(t, 512<<10)
	sixteen := func(of string) string { return "concat(" + strings.TrimSuffix(strings.Repeat(of+", ", 16), ", ") + ")" }
	columns := make([]string, 700)
	for i := range columns {
		columns[i] = fmt.Sprintf("ms as c%d", i)
	}
	const events = 10 // of 22 bytes each, and of 90 KB when that is what they are 16³ times
	start := "fields " + sixteen("@message") + " as a | fields " + sixteen("a") + " as b | "
	large := sixteen("b")
	for name, command := range map[string]string{
		"fields":       "fields " + large + " as c",
		"many fields":  "fields " + strings.Join(columns, ","),
		"sort":         "sort " + large,
		"dedup":        "dedup " + large,
		"stats":        "stats count(*) by " + large,
		"an aggregate": "stats count_distinct(" + large + ")",
	} {
		q, err := insights.Parse(start + command)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows := make([]*insights.Row, events)
		for i := range rows {
			rows[i] = row(i, map[string]insights.Value{"ms": insights.Number(1)})
		}
		if _, err := q.Run(t.Context(), rows, 1); !errors.Is(err, insights.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`fields a, b/2 as c | filter a like /x\/y/ and b not in [1,"2"] | sort c desc | limit 3`, `stats pct(ms, 99) as p by bin(5m), hop`, "parse @message \"* took *\" as `a`, b | dedup a | display b # end"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := insights.Parse(text)
		var e *insights.Error
		switch {
		case err == nil:
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := q.Run(ctx, events(), 10); err != nil && ctx.Err() == nil && !errors.Is(err, insights.ErrTooLarge) {
				t.Errorf("%q: %v", text, err)
			}
		case !errors.As(err, &e) || e.Start < 0 || e.End < e.Start || e.End > len(text):
			t.Errorf("%q: %#v", text, err)
		}
	})
}
