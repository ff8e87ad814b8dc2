package attribute_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/table/attribute"
)

func ExampleParseMap() {
	item, err := attribute.ParseMap(`{"sk":{"N":"1.50e2"}, "pk":{"S":"a"}, "tags":{"SS":["b","a"]}}`)
	fmt.Println(string(item.AppendJSON(nil)), item.Size(), err)

	_, err = attribute.ParseMap(`{"pk":{"N":"abc"}}`)
	fmt.Println(err)
	// Output:
	// {"pk":{"S":"a"},"sk":{"N":"150"},"tags":{"SS":["a","b"]}} 13 <nil>
	// ValidationException: The parameter cannot be converted to a numeric value: abc
}

// numbers are texts of numbers within DynamoDB's limits.
func numbers() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		digits := rapid.StringMatching(`[0-9]{1,30}`).Draw(t, "digits")
		point := rapid.IntRange(0, len(digits)).Draw(t, "point")
		text := rapid.SampledFrom([]string{"", "-", "+"}).Draw(t, "sign") + digits[:point] + "." + digits[point:]
		if e := rapid.IntRange(-90, 90).Draw(t, "exponent"); e != 0 {
			text += fmt.Sprintf("e%d", e)
		}
		return text
	})
}

func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	return r
}

func number(t *rapid.T, text string) attribute.Value {
	v, err := attribute.Number(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestNumbersKeepTheirValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := numbers().Draw(t, "number")
		v := number(t, text)
		if rat(v.Text).Cmp(rat(text)) != 0 {
			t.Fatalf("%s became %s", text, v.Text)
		}
		again := number(t, v.Text)
		if again.Text != v.Text {
			t.Fatalf("%s is not canonical: %s", v.Text, again.Text)
		}
		if strings.ContainsAny(v.Text, "eE+") || strings.Contains(v.Text, ".") && strings.HasSuffix(v.Text, "0") || v.Text == "-0" {
			t.Fatalf("%s is not plain", v.Text)
		}
	})
}

func TestNumbersCompareAndEncodeInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := number(t, numbers().Draw(t, "a")), number(t, numbers().Draw(t, "b"))
		want := rat(a.Text).Cmp(rat(b.Text))
		if got, ok := attribute.Compare(a, b); !ok || got != want {
			t.Fatalf("%s and %s compare as %d, want %d", a.Text, b.Text, got, want)
		}
		x, y := string(attribute.AppendOrdered(nil, a)), string(attribute.AppendOrdered(nil, b))
		if got := strings.Compare(x, y); got != want {
			t.Fatalf("%s and %s encode as %q and %q", a.Text, b.Text, x, y)
		}
	})
}

func TestStringsEncodeInOrderAndEndThemselves(t *testing.T) {
	bytes := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xfe, 0xff}), 0, 5), func(b []byte) string { return string(b) })
	rapid.Check(t, func(t *rapid.T) {
		a, b := bytes.Draw(t, "a"), bytes.Draw(t, "b")
		x, y := attribute.AppendOrdered(nil, attribute.String(a)), attribute.AppendOrdered(nil, attribute.String(b))
		if strings.Compare(a, b) != strings.Compare(string(x), string(y)) {
			t.Fatalf("%q and %q encode as %q and %q", a, b, x, y)
		}
		if a != b && strings.HasPrefix(string(x), string(y)) {
			t.Fatalf("the encoding of %q begins with that of %q", a, b)
		}
		prefix := string(attribute.AppendOrderedPrefix(nil, attribute.String(a)))
		if strings.HasPrefix(b, a) != strings.HasPrefix(string(y), prefix) {
			t.Fatalf("prefix %q of %q: %q of %q", a, b, prefix, y)
		}
	})
}

func TestSumsAreExact(t *testing.T) {
	short := rapid.StringMatching(`-?[0-9]{1,17}(\.[0-9]{1,15})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := number(t, short.Draw(t, "a")), number(t, short.Draw(t, "b"))
		sum, err := attribute.Add(a, b)
		if err != nil || rat(sum.Text).Cmp(new(big.Rat).Add(rat(a.Text), rat(b.Text))) != 0 || number(t, sum.Text).Text != sum.Text {
			t.Fatalf("%s + %s = %s, %v", a.Text, b.Text, sum.Text, err)
		}
		diff, err := attribute.Subtract(a, b)
		if err != nil || rat(diff.Text).Cmp(new(big.Rat).Sub(rat(a.Text), rat(b.Text))) != 0 {
			t.Fatalf("%s - %s = %s, %v", a.Text, b.Text, diff.Text, err)
		}
	})
	one, tiny := attribute.Value{Type: attribute.N, Text: "1"}, attribute.Value{Type: attribute.N, Text: "0." + strings.Repeat("0", 40) + "1"}
	if got, err := attribute.Add(one, tiny); err == nil {
		t.Errorf("a sum of 42 digits: %s", got.Text)
	}
}

// values are any values, as DynamoDB takes them.
func values(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := []string{"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"}
		if depth > 0 {
			kinds = append(kinds, "L", "M")
		}
		var v any
		kind := rapid.SampledFrom(kinds).Draw(t, "type")
		switch kind {
		case "S":
			v = rapid.String().Draw(t, "S")
		case "N":
			v = numbers().Draw(t, "N")
		case "B":
			v = rapid.SliceOf(rapid.Byte()).Draw(t, "B")
		case "BOOL":
			v = rapid.Bool().Draw(t, "BOOL")
		case "NULL":
			v = true
		case "SS":
			v = rapid.SliceOfNDistinct(rapid.String(), 1, 4, rapid.ID).Draw(t, "SS")
		case "NS":
			v = rapid.SliceOfNDistinct(rapid.StringMatching(`[1-9][0-9]{0,5}`), 1, 4, rapid.ID).Draw(t, "NS")
		case "BS":
			v = rapid.SliceOfNDistinct(rapid.SliceOf(rapid.Byte()), 1, 4, func(b []byte) string { return string(b) }).Draw(t, "BS")
		case "L":
			v = rapid.SliceOfN(values(depth-1), 0, 4).Draw(t, "L")
		case "M":
			v = rapid.MapOfN(rapid.String(), values(depth-1), 0, 4).Draw(t, "M")
		}
		return map[string]any{kind: v}
	})
}

func TestWhatIsEncodedReadsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given, err := json.Marshal(rapid.MapOfN(rapid.String(), values(3), 0, 12).Draw(t, "item"))
		if err != nil {
			t.Fatal(err)
		}
		item, err := attribute.ParseMap(string(given))
		if err != nil {
			t.Fatalf("%s: %v", given, err)
		}
		text := string(item.AppendJSON(nil))
		for name, parse := range map[string]func(string) (attribute.Map, error){
			"checked": attribute.ParseMap, "trusted": func(s string) (attribute.Map, error) { return attribute.MustParse(s), nil },
		} {
			again, err := parse(text)
			if err != nil || string(again.AppendJSON(nil)) != text || again.Size() != item.Size() {
				t.Fatalf("%s %s reads as %s, %v", name, text, again.AppendJSON(nil), err)
			}
		}
		clone := item.Clone()
		if !attribute.Equal(attribute.Value{Type: attribute.M, Map: clone}, attribute.Value{Type: attribute.M, Map: item}) {
			t.Fatalf("the clone of %s differs", text)
		}
	})
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{
		`{}`: 0, `{"a":{"S":""}}`: 1, `{"a":{"S":"häß"}}`: 6, `{"a":{"B":"AAEC"}}`: 4, `{"a":{"BOOL":true}}`: 2, `{"a":{"NULL":true}}`: 2,
		`{"a":{"N":"0"}}`: 2, `{"a":{"N":"1"}}`: 3, `{"a":{"N":"12"}}`: 3, `{"a":{"N":"123"}}`: 4, `{"a":{"N":"-123"}}`: 5, `{"a":{"N":"1000"}}`: 3,
		`{"a":{"SS":["a","bc"]}}`: 4, `{"a":{"L":[]}}`: 4, `{"a":{"L":[{"S":"ab"}]}}`: 7, `{"a":{"M":{"k":{"S":"ab"}}}}`: 8,
	} {
		item, err := attribute.ParseMap(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := item.Size(); got != want {
			t.Errorf("%s has %d bytes, want %d", text, got, want)
		}
	}
}

func TestDepthIsCounted(t *testing.T) {
	nested := func(n int) string {
		return `{"a":` + strings.Repeat(`{"L":[`, n) + `{"S":"x"}` + strings.Repeat(`]}`, n) + `}`
	}
	item, err := attribute.ParseMap(nested(32))
	if err != nil || item.Depth() != 32 {
		t.Errorf("32 levels: %d, %v", item.Depth(), err)
	}
	if _, err := attribute.ParseMap(nested(33)); err == nil {
		t.Error("33 levels are accepted")
	}
	if _, err := attribute.ParseMap(nested(1_000_000)); err == nil {
		t.Error("a million levels are accepted")
	}
}

// FuzzParseMap holds the decoder against encoding/json: what that refuses, is refused; strings read the same; what is
// accepted reads the same once encoded.
func FuzzParseMap(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":{"S":"x"}}`, ` { "a" : { "N" : "-1.5e3" } , "b":{"BOOL":false}}`, `{"a":{"S":"\u00e4\ud83c\udf88\ud800\n\\\"/"}}`,
		`{"a":{"L":[{"M":{"x":{"NULL":true}}},{"SS":["b","a"]}]}}`, `{"a":{"B":"AAE="}}`, `{"a":{"S":null}}`, `{"a":{"X":[1,{"y":-1.5e3}],"S":"z"}}`, `{"a":{"X":01,"S":"z"}}`,
		`{"a":{"S":"x"},"a":{"S":"y"}}`, "{\"a\":{\"S\":\"\xff\"}}", `{"a":{"S":"x"}`, `{"a":{"S":"x"}}}`, `{"a":1}`, `[]`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		item, err := attribute.ParseMap(text)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is accepted, but no JSON", text)
		}
		var plain map[string]map[string]any
		if err := json.Unmarshal([]byte(text), &plain); err == nil {
			for name, value := range plain {
				got := item.Get(name)
				s, ok := value[got.Type.String()].(string)
				switch {
				case got.Type == attribute.S && (!ok || s != got.Text):
					t.Fatalf("%q: %q reads as %q, want %q", text, name, got.Text, s)
				case got.Type == attribute.B && base64.StdEncoding.EncodeToString([]byte(got.Text)) != s:
					t.Fatalf("%q: %q reads as %q, want %q", text, name, got.Text, s)
				}
			}
		}
		encoded := string(item.AppendJSON(nil))
		if !json.Valid([]byte(encoded)) || !utf8.ValidString(encoded) {
			t.Fatalf("%q is encoded as %q", text, encoded)
		}
		if again := string(attribute.MustParse(encoded).AppendJSON(nil)); again != encoded {
			t.Fatalf("%q reads as %q", encoded, again)
		}
	})
}

const sample = `{"acceptedAt":{"N":"1795428000000"},"deliveries":{"N":"1"},"event":{"S":"{\"specversion\":\"1.0\",\"id\":\"0199f3a2\",\"source\":\"com.payment.charge\",\"data\":{\"amount\":1250}}"},` +
	`"expiresAt":{"N":"1795999999"},"pk":{"S":"subject"},"seen":{"SS":["a","b"]},"sk":{"S":"HEAD"},"status":{"S":"pending"}}`

func BenchmarkParseMap(b *testing.B) {
	b.SetBytes(int64(len(sample)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := attribute.ParseMap(sample); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingJSON is what [BenchmarkParseMap] is compared with: the same item by encoding/json, without any checks.
func BenchmarkEncodingJSON(b *testing.B) {
	type value struct {
		S, N *string
		SS   []string
	}
	b.SetBytes(int64(len(sample)))
	b.ReportAllocs()
	for b.Loop() {
		var item map[string]value
		if err := json.Unmarshal([]byte(sample), &item); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	item, err := attribute.ParseMap(sample)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(sample)))
	var buf []byte
	for b.Loop() {
		buf = item.AppendJSON(buf[:0])
	}
}
