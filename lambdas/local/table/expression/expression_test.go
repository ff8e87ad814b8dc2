package expression_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/arvo/lambdas/local/table/attribute"
	"example.com/arvo/lambdas/local/table/expression"
	"example.com/arvo/lambdas/local/wire"
)

func parse(text string) attribute.Map {
	m, err := attribute.ParseMap(text)
	if err != nil {
		panic(err)
	}
	return m
}

func substitutions(names map[string]string, values string) *expression.Substitutions {
	var m attribute.Map
	if values != "" {
		m = parse(values)
	}
	subs, err := expression.NewSubstitutions(names, m)
	if err != nil {
		panic(err)
	}
	return subs
}

func ExampleParseTest() {
	subs := substitutions(map[string]string{"#s": "status"}, `{":done":{"S":"done"}}`)
	test, err := expression.ParseTest(expression.Condition, "attribute_not_exists(pk) OR #s <> :done", subs)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(test.Holds(nil), test.Holds(parse(`{"pk":{"S":"a"},"status":{"S":"done"}}`)))
	// Output: true false
}

func ExampleParseUpdate() {
	change, err := expression.ParseUpdate("SET n = if_not_exists(n, :zero) + :one REMOVE l[0]", substitutions(nil, `{":zero":{"N":"0"},":one":{"N":"1"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	item, err := change.Apply(parse(`{"l":{"L":[{"S":"a"},{"S":"b"}]}}`))
	fmt.Println(string(item.AppendJSON(nil)), err)
	// Output: {"l":{"L":[{"S":"b"}]},"n":{"N":"1"}} <nil>
}

func ExampleParseKeyCondition() {
	tests, err := expression.ParseKeyCondition("pk = :pk AND begins_with(sk, :event)", substitutions(nil, `{":pk":{"S":"a"},":event":{"S":"EVENT#"}}`))
	for _, test := range tests {
		fmt.Println(test.Attribute, test.Operator, test.Values[0].Text)
	}
	fmt.Println(err)
	// Output:
	// pk = a
	// sk begins_with EVENT#
	// <nil>
}

func ExampleParseProjection() {
	parts, err := expression.ParseProjection("m.x, l[1]", substitutions(nil, ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	item := parts.Apply(parse(`{"pk":{"S":"a"},"m":{"M":{"x":{"N":"1"},"y":{"N":"2"}}},"l":{"L":[{"S":"a"},{"S":"b"}]}}`))
	fmt.Println(string(item.AppendJSON(nil)))
	// Output: {"l":{"L":[{"S":"b"}]},"m":{"M":{"x":{"N":"1"}}}}
}

func TestReservedWords(t *testing.T) {
	for _, word := range []string{"data", "DATA", "Status", "ttl", "name", "LOCALTIMESTAMP", "a", "ABORT", "zone"} {
		_, err := expression.ParseProjection(word, substitutions(nil, ""))
		if word == "a" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		fail(t, word, err, "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: "+word)
	}
	for _, word := range []string{"subject", "rev", "pk", "sk", "expiresAt", "deliveries", "dueAt", "dueShard"} {
		if expression.Reserved(word) {
			t.Errorf("%s is reserved", word)
		}
	}
}

// fail checks an error's words.
func fail(t *testing.T, what string, err error, want string) {
	t.Helper()
	var e *wire.Error
	if !errors.As(err, &e) || e.Code != "ValidationException" || e.Message != want {
		t.Errorf("%s:\n got %v\nwant %s", what, err, want)
	}
}

func TestSyntaxErrorsShowTheTokenAndItsNeighbours(t *testing.T) {
	values := `{":a":{"N":"1"},":b":{"N":"2"},":l":{"L":[]}}`
	for text, want := range map[string]string{
		"a = ":               `token: "<EOF>", near: "="`,
		"a":                  `token: "<EOF>", near: "a"`,
		"a = :a AND":         `token: "<EOF>", near: "AND"`,
		"a = :a b":           `token: "b", near: ":a b"`,
		"a = :a  )  c":       `token: ")", near: ":a  )  c"`,
		"(a = :a":            `token: "<EOF>", near: ":a"`,
		"a = 5":              `token: "5", near: "= 5"`,
		"= :a":               `token: "=", near: "= :a"`,
		"a = # AND b":        `token: "#", near: "= # AND"`,
		"a.5 = :a":           `token: "5", near: ".5 ="`,
		"a[b] = :a":          `token: "b", near: "[b]"`,
		"a[ = :a":            `token: "=", near: "[ = :a"`,
		"a IN :a":            `token: ":a", near: "IN :a"`,
		"a IN ()":            `token: ")", near: "()"`,
		"a BETWEEN :a OR :b": `token: "OR", near: ":a OR :b"`,
		"a + :a = :b":        `token: "+", near: "a + :a"`,
		"a = \"x\"":          `token: """, near: "= "x"`,
		"ä = :a":             `token: "ä", near: "ä ="`,
		"a = :a = :b":        `token: "=", near: ":a = :b"`,
		"begins_with(a, )":   `token: ")", near: ", )"`,
		"(a = :a) = :b":      `token: "=", near: ") = :b"`,
		"NOT a":              `token: "<EOF>", near: "a"`,
	} {
		_, err := expression.ParseTest(expression.Filter, text, substitutions(nil, values))
		fail(t, text, err, "Invalid FilterExpression: Syntax error; "+want)
	}
	for text, want := range map[string]string{
		"SET":                      `token: "<EOF>", near: "SET"`,
		"SET a":                    `token: "<EOF>", near: "a"`,
		"SET a = :a,":              `token: "<EOF>", near: ","`,
		"SET a = :a, SET b = :b":   `token: "b", near: "SET b ="`,
		"SET a = :a + :b + :a":     `token: "+", near: ":b + :a"`,
		"SET :a = a":               `token: ":a", near: "SET :a ="`,
		"a = :a":                   `token: "a", near: "a ="`,
		"ADD a b":                  `token: "b", near: "a b"`,
		"REMOVE a = :a":            `token: "=", near: "a = :a"`,
		"DELETE a, b":              `token: ",", near: "a, b"`,
		"SET a = list_append(:l":   `token: "<EOF>", near: ":l"`,
		"SET a = if_not_exists(a)": ``, // no syntax error
	} {
		_, err := expression.ParseUpdate(text, substitutions(nil, values))
		if want == "" {
			fail(t, text, err, "Invalid UpdateExpression: Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1")
			continue
		}
		fail(t, text, err, "Invalid UpdateExpression: Syntax error; "+want)
	}
}

func TestOfSeveralMistakesTheGravestIsReported(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"data = :none AND a", `Syntax error; token: "<EOF>", near: "a"`},
		{"((data = :none))", "The expression has redundant parentheses;"},
		{"f(data) = :none", "Invalid function name; function: f"},
		{"data = :none", "Attribute name is a reserved keyword; reserved keyword: data"},
		{"a = :none AND a = a", "An expression attribute value used in expression is not defined; attribute value: :none"},
		{":none = #none", "An expression attribute value used in expression is not defined; attribute value: :none"},
		{"#none = :none", "An expression attribute name used in the document path is not defined; attribute name: #none"},
	} {
		_, err := expression.ParseTest(expression.Condition, c.text, substitutions(nil, ""))
		fail(t, c.text, err, "Invalid ConditionExpression: "+c.want)
	}
}

func TestLimits(t *testing.T) {
	values := []string{}
	for i := range 101 {
		values = append(values, fmt.Sprintf(`":v%d":{"N":"%d"}`, i, i))
	}
	subs := func() *expression.Substitutions { return substitutions(nil, "{"+strings.Join(values, ",")+"}") }
	in := func(n int) string {
		var operands []string
		for i := range n {
			operands = append(operands, fmt.Sprintf(":v%d", i))
		}
		return "a IN (" + strings.Join(operands, ", ") + ")"
	}
	if _, err := expression.ParseTest(expression.Filter, in(100), subs()); err != nil {
		t.Errorf("100 operands: %v", err)
	}
	_, err := expression.ParseTest(expression.Filter, in(101), subs())
	fail(t, "101 operands", err, "Invalid FilterExpression: The IN operator is provided with too many operands; number of operands: 101")
	_, err = expression.ParseProjection("a"+strings.Repeat(".b", 32), substitutions(nil, ""))
	fail(t, "33 steps", err, "Invalid ProjectionExpression: The document path has too many nesting levels; nesting levels: 33")
	_, err = expression.ParseProjection("a["+strings.Repeat("9", 30)+"]", substitutions(nil, ""))
	fail(t, "a huge index", err, "Invalid ProjectionExpression: List index is not within the allowable range; index: ["+strings.Repeat("9", 30)+"]")
	_, err = expression.ParseTest(expression.Filter, strings.Repeat("a=:v0 AND ", 200)+"a=:v0", subs())
	fail(t, "401 operators", err, "Invalid FilterExpression: The expression contains too many operators or functions; operator or function count: 401")
}

// Fuzz parses any text as every kind of expression and evaluates what parses on an item: nothing panics, and what an
// update leaves is a valid item.
func Fuzz(f *testing.F) {
	for _, seed := range []string{
		"attribute_not_exists(pk) OR #s <> :s", "n BETWEEN :n AND :n AND (l[0] = :n OR NOT size(m.x) IN (:n, :s))", "contains(ss, :s) AND begins_with(s, :s)",
		"SET n = n + :n, m.x = if_not_exists(m.y, :l), l[5] = list_append(l, :l) REMOVE l[0], s ADD ns :ns DELETE ss :ss", "SET a = (b)", "pk = :s AND :n <= sk",
		"m.x, l[1].#s, n", "attribute_type(s, :s)", "((a))", "a.b[0][1].c", "SET m = :n ADD m :n", "REMOVE l[0], l[1], l[2]", "SET m.x = m, l = m.x", "ä # : [ ]",
	} {
		f.Add(seed)
	}
	const item = `{"n":{"N":"1.5"},"s":{"S":"text"},"m":{"M":{"x":{"L":[{"N":"1"}]}}},"l":{"L":[{"N":"1"},{"M":{"status":{"S":"x"}}},{"L":[]}]},"ss":{"SS":["a","b"]},"ns":{"NS":["1"]}}`
	f.Fuzz(func(t *testing.T, text string) {
		subs := substitutions(map[string]string{"#s": "status"}, `{":n":{"N":"2"},":s":{"S":"S"},":l":{"L":[{"NULL":true}]},":ns":{"NS":["1","2"]},":ss":{"SS":["a"]}}`)
		if test, err := expression.ParseTest(expression.Condition, text, subs); err == nil {
			first, before := parse(item), parse(item)
			test.Holds(first)
			test.Holds(nil)
			if !attribute.Equal(attribute.Value{Type: attribute.M, Map: first}, attribute.Value{Type: attribute.M, Map: before}) {
				t.Fatalf("%q changes the item", text)
			}
			for _, path := range test.Paths() {
				_ = path.String()
			}
		}
		if _, err := expression.ParseKeyCondition(text, subs); err == nil {
			if _, err := expression.ParseTest(expression.KeyCondition, text, subs); err != nil {
				t.Fatalf("%q is a key condition but no condition: %v", text, err)
			}
		}
		if parts, err := expression.ParseProjection(text, subs); err == nil {
			chosen := parts.Apply(parse(item))
			if chosen.Size() > parse(item).Size() {
				t.Fatalf("%q makes more of the item: %s", text, chosen.AppendJSON(nil))
			}
		}
		if change, err := expression.ParseUpdate(text, subs); err == nil {
			for _, before := range []attribute.Map{parse(item), nil} {
				after, err := change.Apply(before)
				if err != nil {
					continue
				}
				encoded := string(after.AppendJSON(nil))
				again, err := attribute.ParseMap(encoded)
				if after.Depth() <= attribute.MaxDepth && (err != nil || string(again.AppendJSON(nil)) != encoded) {
					t.Fatalf("%q leaves an invalid item: %s: %v", text, encoded, err)
				}
			}
		}
	})
}
