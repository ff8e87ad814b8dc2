package jsontext

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestValidNamesTheByteAndWhatIsMissing(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an object", `{"a":[1,-2.5e+3,"x\u00e9",true,false,null,{}]}`, ""},
		{"white space everywhere", " { \"a\" : [ 1 , 2 ] } \n", ""},
		{"nothing", "", "the text ends where a value is expected at byte 0"},
		{"two values", "1 2", "'2' where the end of the text is expected at byte 2"},
		{"a trailing comma in an array", "[1,]", "']' where a value is expected at byte 3"},
		{"a trailing comma in an object", `{"a":1,}`, "'}' where a string is expected at byte 7"},
		{"no comma", `{"a":1"b":2}`, `'"' where a comma or a closing brace is expected at byte 6`},
		{"no colon", `{"a" 1}`, "'1' where a colon is expected at byte 5"},
		{"a key without quotes", `{a:1}`, "'a' where a string is expected at byte 1"},
		{"an open array", "[1", "the text ends where a comma or a closing bracket is expected at byte 2"},
		{"an open string", `"abc`, "the text ends where a closing quote is expected at byte 4"},
		{"a leading zero", "01", "'1' where the end of the text is expected at byte 1"},
		{"a bare fraction", ".5", "'.' where a value is expected at byte 0"},
		{"a fraction without digits", "1.", "the text ends where a digit is expected at byte 2"},
		{"an exponent without digits", "1e", "the text ends where a digit is expected at byte 2"},
		{"a lone minus", "-", "the text ends where a digit is expected at byte 1"},
		{"a misspelt literal", "nul", "'n' where null is expected at byte 0"},
		{"a control character", "\"a\x01\"", "a control character in a string at byte 2"},
		{"an unknown escape", `"\x"`, "'x' where an escape letter is expected at byte 2"},
		{"a short unicode escape", `"\u12"`, "'1' where an escape of four hexadecimal digits is expected at byte 3"},
		{"broken UTF-8", "\"a\xff\"", "broken UTF-8 at byte 2"},
		{"a character of several bytes", "[“a”]", "'“' where a value is expected at byte 1"},
		{"NaN", "NaN", "'N' where a value is expected at byte 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := Valid([]byte(c.text)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestNestingIsBounded(t *testing.T) {
	for _, open := range []string{"[", `{"a":`} {
		shut := strings.NewReplacer("[", "]", `{"a":`, "}").Replace(open)
		if err := Valid([]byte(strings.Repeat(open, MaxDepth) + "1" + strings.Repeat(shut, MaxDepth))); err != nil {
			t.Errorf("depth %d: %v", MaxDepth, err)
		}
		if err := Valid([]byte(strings.Repeat(open, MaxDepth+1) + "1" + strings.Repeat(shut, MaxDepth+1))); err == nil {
			t.Errorf("depth %d is accepted", MaxDepth+1)
		}
		if err := Valid([]byte(strings.Repeat(open, 1<<20))); err == nil {
			t.Error("a million open containers are accepted")
		}
	}
}

// StringEnd looks at eight bytes at a time: a byte that ends a string or must not be in it is found at every place.
func TestEveryByteEndsAStringWhereItShould(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			text := []byte(`"` + strings.Repeat("x", 20) + `"`)
			text[1+at] = byte(c)
			end, escaped, err := StringEnd(text, 0)
			switch {
			case c == '"':
				if end != at+2 || escaped || err != nil {
					t.Errorf("a quote at %d: %d %v %v", at, end, escaped, err)
				}
			case c < 0x20 || c == '\\':
				if err == nil {
					t.Errorf("byte %#x at %d is accepted", c, at)
				}
			case end != len(text) || escaped || err != nil:
				t.Errorf("byte %#x at %d: %d %v %v", c, at, end, escaped, err)
			}
		}
	}
}

func TestUnquote(t *testing.T) {
	for _, c := range []struct{ name, literal, want string }{
		{"plain", `"abc"`, "abc"},
		{"every escape", `"\"\\\/\b\f\n\r\t\u0041"`, "\"\\/\b\f\n\r\tA"},
		{"a surrogate pair", `"\ud83d\ude00!"`, "😀!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Unquote([]byte(c.literal)); err != nil || got != c.want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	for _, lone := range []string{`"\ud83d"`, `"\ude00"`, `"\ud83dx"`, `"\ud83d\n"`, `"\ud83d\u0041"`, `"\ud83d\ud83d"`} {
		if got, err := Unquote([]byte(lone)); !errors.Is(err, ErrSurrogate) {
			t.Errorf("%s: got %q, %v", lone, got, err)
		}
	}
}

func TestStringsAreWrittenLikeStringify(t *testing.T) {
	for s, want := range map[string]string{
		"":               `""`,
		"<a href='x'>&":  `"<a href='x'>&"`,
		"\u2028\u2029é😀": "\"\u2028\u2029é😀\"",
		"\"\\/":          `"\"\\/"`,
		"\b\f\n\r\t":     `"\b\f\n\r\t"`,
		"\x00\x1f\x7f":   "\"\\u0000\\u001f\x7f\"",
		"a\xffb":         "\"a\uFFFDb\"",
	} {
		if got := string(AppendString(nil, s)); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

func TestTheServicesSpellTwoEscapesOut(t *testing.T) {
	for s, want := range map[string]string{
		"\b\f\n\r\t":        `"\u0008\u000c\n\r\t"`,
		"\x00\x1f\x7f\"\\/": "\"\\u0000\\u001f\x7f\\\"\\\\/\"",
		"<\u2028é😀a\xffb":   "\"<\u2028é😀a\uFFFDb\"",
	} {
		if got := string(AppendAWSString(nil, s)); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

// AppendString looks at eight bytes at a time: a byte that needs an escape is found at every place.
func TestEveryByteIsEscapedWhereItShould(t *testing.T) {
	for c := range rune(utf8.RuneSelf) {
		for at := range 20 {
			text := []byte(strings.Repeat("x", 20))
			text[at] = byte(c)
			literal := AppendString(nil, string(text))
			if got, _, err := Text(literal, 0); err != nil || !bytes.Equal(got, text) {
				t.Errorf("byte %#x at %d: %s reads %q, %v", c, at, literal, got, err)
			}
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ name, literal, want string }{
		{"plain", `"abc"`, "abc"},
		{"every escape", `"\"\\\/\b\f\n\r\t\u0041"`, "\"\\/\b\f\n\r\tA"},
		{"a surrogate pair", `"\ud83d\ude00!"`, "😀!"},
		{"a high surrogate at the end", `"\ud83d"`, "\uFFFD"},
		{"a low surrogate alone", `"\ude00!"`, "\uFFFD!"},
		{"what follows a lone surrogate stands for itself", `"\ud83d\u0041\ud83d\n"`, "\uFFFDA\uFFFD\n"},
		{"two high surrogates, the second with its partner", `"\ud83d\ud83d\ude00"`, "\uFFFD😀"},
		{"an escape after nine plain bytes", `"123456789\n123456789"`, "123456789\n123456789"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, end, err := Text("["+c.literal+"]", 1); err != nil || got != c.want || end != 1+len(c.literal) {
				t.Errorf("got %q to %d, %v, want %q", got, end, err, c.want)
			}
		})
	}
	literal := []byte(`"abc"`)
	if text, _, err := Text(literal, 0); err != nil || &text[0] != &literal[1] {
		t.Errorf("a literal without escapes is copied, %v", err)
	}
}

func TestNumbersAreWrittenLikeStringify(t *testing.T) {
	for want, f := range map[string]float64{
		"0": math.Copysign(0, -1), "1": 1, "-5": -5, "0.1": 0.1, "1e+21": 1e21, "100000000000000000000": 1e20,
		"0.000001": 1e-6, "1e-7": 1e-7, "-1.5e-9": -1.5e-9, "1.2345e-15": 1.2345e-15, "5e-324": 5e-324,
		"1.7976931348623157e+308": math.MaxFloat64, "9007199254740993000": 9007199254740993000,
	} {
		if got := string(AppendNumber(nil, f)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMarshalEscapesNothingThatStringifyDoesNot(t *testing.T) {
	got, err := Marshal(map[string]string{"k": "<&>\u2028 \\u2028 \u2029"})
	if want := "{\"k\":\"<&>\u2028 \\\\u2028 \u2029\"}"; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if _, err := Marshal(math.NaN()); err == nil {
		t.Error("NaN is accepted")
	}
	if _, err := Marshal(json.RawMessage(`{"a":}`)); err == nil {
		t.Error("a raw message that is not JSON is accepted")
	}
	broken := json.RawMessage("\"\xff\"")
	for _, v := range []any{broken, map[string]any{"within": broken}} { // encoding/json passes it on
		if got, err := Marshal(v); err == nil {
			t.Errorf("a raw message that is not UTF-8 became %q", got)
		}
	}
}

func TestCompactDropsWhiteSpaceOutsideOfStringsOnly(t *testing.T) {
	for in, want := range map[string]string{
		" {\n \"a b\" : [ 1, \"\\\" \" ] }\t": `{"a b":[1,"\" "]}`,
		`{"a":"b c"}`:                         `{"a":"b c"}`,
	} {
		if got, err := Compact([]byte(in)); err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v", in, got, err)
		}
	}
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		literal := AppendString(nil, s)
		if end, _, err := StringEnd(literal, 0); err != nil || end != len(literal) {
			t.Fatalf("%s ends at %d, %v", literal, end, err)
		}
		if got, err := Unquote(literal); err != nil || got != s {
			t.Fatalf("got %q, %v", got, err)
		}
		f := rapid.Float64().Draw(t, "f")
		if math.IsInf(f, 0) {
			return
		}
		var back float64
		if err := json.Unmarshal(AppendNumber(nil, f), &back); err != nil || back != f {
			t.Fatalf("%g comes back as %g, %v", f, back, err)
		}
	})
}

// Both writers differ from encoding/json in the escapes they choose, not in what is read back; what is no UTF-8 becomes
// U+FFFD.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{
		"", "plain", "\"\\\b\f\n\r\t\x00\x1f\x7f", "h\u00e9\u2028\U0001f600", "<&>", "\xff\xc3", "a\xe2\x80", "\"\\\n\r\t\x00é\u2028\xff🚋",
		"eight by\"te", "12345678\xff2345678\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, literal := range [][]byte{AppendString(nil, s), AppendAWSString(nil, s)} {
			if !utf8.Valid(literal) {
				t.Fatalf("%q becomes %q, which is no UTF-8", s, literal)
			}
			var back string
			if err := json.Unmarshal(literal, &back); err != nil {
				t.Fatalf("%q becomes %s: %v", s, literal, err)
			}
			if want := string([]rune(s)); back != want {
				t.Fatalf("%q becomes %s and back %q", s, literal, back)
			}
		}
	})
}

// FuzzText holds the reader of literals against encoding/json, for bytes and for strings.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		`""`, `"plain text"`, `"\"\\\/\b\f\n\r\t\u0041"`, `"\ud83d\ude00!"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83d\ud83d\ude00"`,
		`"\ud83d\u0041"`, `"\ud83d\n"`, `"\uD83"`, `"\x"`, "\"\x01\"", "\"\xff\\n\"", `"1234567\n1234567890\t"`, `"open`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end, escaped, err := StringEnd(text, 0)
		bytesEnd, bytesEscaped, bytesErr := StringEnd([]byte(text), 0)
		if end != bytesEnd || escaped != bytesEscaped || (err == nil) != (bytesErr == nil) {
			t.Fatalf("%q ends at %d %t %v, as bytes at %d %t %v", text, end, escaped, err, bytesEnd, bytesEscaped, bytesErr)
		}
		var want string
		if err != nil {
			if strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &want) == nil {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		literal := text[:end]
		if err := json.Unmarshal([]byte(literal), &want); err != nil {
			t.Fatalf("%q is accepted: %v", literal, err)
		}
		if escaped != strings.Contains(literal, `\`) {
			t.Fatalf("%q: escaped is %t", literal, escaped)
		}
		got, end, err := Text(text, 0)
		if err != nil || end != len(literal) {
			t.Fatalf("%q is read to %d, %v", text, end, err)
		}
		if asBytes, end, err := Text([]byte(text), 0); string(asBytes) != got || end != len(literal) || err != nil {
			t.Fatalf("%q is %q, as bytes %q to %d, %v", literal, got, asBytes, end, err)
		}
		if string([]rune(got)) != want { // broken UTF-8 stays as it is
			t.Fatalf("%q is %q, want %q", literal, got, want)
		}
		strict, err := Unquote([]byte(literal))
		if err != nil && !strings.Contains(got, "\uFFFD") {
			t.Fatalf("%q is %q, strictly %v", literal, got, err)
		}
		if err == nil && strict != got {
			t.Fatalf("%q is %q, Text has %q", literal, strict, got)
		}
	})
}

// FuzzValid holds the reader against encoding/json, which accepts deeper nesting and broken UTF-8.
func FuzzValid(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"\u00e9\ud83d",true,null]}`, `[[[]]]`, ` 1 `, `{"a":1,"a":2}`, `"\q"`, `01`, "\"\xff\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Valid(text)
		switch {
		case err == nil && !json.Valid(text):
			t.Fatalf("%q is accepted", text)
		case err != nil && json.Valid(text) && utf8.Valid(text) && !strings.Contains(err.Error(), "nesting"):
			t.Fatalf("%q: %v", text, err)
		case err != nil:
			return
		}
		got, err := Compact(text)
		var want bytes.Buffer
		if cerr := json.Compact(&want, text); err != nil || cerr != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q compacts to %q, %v; want %q", text, got, err, want.Bytes())
		}
	})
}
