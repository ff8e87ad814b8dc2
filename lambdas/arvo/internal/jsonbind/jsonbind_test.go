package jsonbind

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

type Base struct {
	ID string `json:"id"`
}

type Deep struct{ Level int }

type octet byte

type everything struct {
	Base
	*Deep
	Text    string           `json:"text"`
	Flag    bool             `json:"flag"`
	Int     int              `json:"int"`
	Small   int8             `json:"small"`
	Uint    uint16           `json:"uint"`
	Float   float64          `json:"float"`
	Single  float32          `json:"single"`
	Pointer *string          `json:"pointer"`
	List    []Base           `json:"list"`
	Pair    [2]int           `json:"pair"`
	Map     map[string][]int `json:"map"`
	Any     any              `json:"any"`
	Raw     json.RawMessage  `json:"raw"`
	Bytes   []byte           `json:"bytes"`
	Octets  []octet          `json:"octets"`
	Time    time.Time        `json:"time"`
	Number  json.Number      `json:"number"`
	Self    *everything      `json:"self"`
	Ignored chan int         `json:"-"`
	//lint:ignore SA5008 the odd name that encoding/json gives to this tag is what is tested
	Dash     string            `json:"-,"`
	Untagged map[string]string // "Untagged"
}

func decode[T any](t *testing.T, text string) (T, error) {
	t.Helper()
	var v T
	d, err := NewDecoder(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return v, d.Decode([]byte(text), &v)
}

func TestValuesAreThoseOfEncodingJSON(t *testing.T) {
	for _, text := range []string{
		`{}`, ` {"text" : "a\u00e9\n😀" } `,
		`{"id":"1","Level":3,"flag":true,"int":-7,"small":-128,"uint":65535,"float":1e3,"single":0.5,"pointer":"p"}`,
		`{"list":[{"id":"a"},{"id":"b"}],"pair":[1,2],"map":{"a":[1],"b":null},"any":{"x":[1,"y"]},"raw":{"z": 1}}`,
		`{"bytes":"aGk=","octets":"aGk=","time":"2025-01-02T03:04:05Z","number":12.50,"self":{"self":{"text":"in"}},"-":"dash","Untagged":{"k":"v"}}`,
		`{"text":null,"flag":null,"int":null,"float":null,"pointer":null,"list":null,"map":null,"any":null,"raw":null,"bytes":null,"self":null}`,
		`{"unknown":{"text":"not me"},"list":[]}`,
	} {
		var want everything
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		got, err := decode[everything](t, text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestNamesMustBeExact(t *testing.T) {
	got, err := decode[everything](t, `{"TEXT":"smuggled","Text":"smuggled","\u0074ext":"escaped"}`)
	if err != nil || got.Text != "escaped" {
		t.Errorf("got %q, %v", got.Text, err)
	}
	got, err = decode[everything](t, `{"text":"a","TEXT":"smuggled"}`)
	if err != nil || got.Text != "a" {
		t.Errorf("got %q, %v", got.Text, err)
	}
}

func TestWholeNumbersFillIntegersHoweverWritten(t *testing.T) {
	got, err := decode[everything](t, `{"int":1e2,"small":-1.0,"uint":6.5e1}`)
	if err != nil || got.Int != 100 || got.Small != -1 || got.Uint != 65 {
		t.Errorf("got %d %d %d, %v", got.Int, got.Small, got.Uint, err)
	}
}

func TestWhatATypeSaysIsTheCause(t *testing.T) {
	_, err := decode[everything](t, `{"time":"4111"}`)
	if cause, ok := errors.AsType[*time.ParseError](err); !ok || cause.Value != "4111" {
		t.Errorf("the cause of %v is %v", err, cause)
	}
}

func TestFailuresSayWhere(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"another type", `{"text":1}`, "text: expected string, received number"},
		{"in a list", `{"list":[{"id":"a"},{"id":[]}]}`, "list.1.id: expected string, received array"},
		{"in a map", `{"map":{"k":[1,"x"]}}`, "map.k.1: expected number, received string"},
		{"a fraction", `{"int":1.5}`, "int: the number is no int"},
		{"too large", `{"small":128}`, "small: the number is no int8"},
		{"far too large", `{"int":1e300}`, "int: the number is no int"},
		{"negative", `{"uint":-1}`, "uint: the number is no uint16"},
		{"no float32", `{"single":1e300}`, "single: the number is no float32"},
		{"no base64", `{"bytes":"?"}`, "bytes: illegal base64 data at input byte 0"},
		{"too many for an array", `{"pair":[1,2,3]}`, "pair: expected at most 2 items"},
		{"what a type reads itself", `{"time":"4111 1111 1111 1111"}`, "time: is no time.Time"},
		{"what encoding/json reads", `{"number":"4111x"}`, "number: is no json.Number"},
		{"a number in an interface", `{"any":[4111e4111]}`, "any: is no interface {}"},
		{"twice", `{"text":"a","text":"b"}`, "text: appears twice"},
		{"a lone surrogate", `{"text":"\ud800"}`, "text: a lone surrogate"},
		{"not an object", `[]`, "expected object, received array"},
		{"what follows", `{} x`, "'x' where the end of the text is expected at byte 3"},
		{"no JSON", `{"text":}`, "text: '}' where a value is expected at byte 8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := decode[everything](t, c.text); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestTypesThatCannotBeReadAreRefused(t *testing.T) {
	type twice struct {
		A string `json:"name"`
		B string `json:"NAME"`
	}
	type option struct {
		N int `json:"n,string"`
	}
	for want, v := range map[string]any{
		"chan int cannot be read":                struct{ C chan int }{},
		"func() cannot be read":                  struct{ List []func() }{},
		"io.Reader cannot be read":               struct{ R io.Reader }{},
		"the keys of map[int]string":             struct{ M map[int]string }{},
		`another field is called "NAME" in JSON`: twice{},
		"option string is not supported":         option{},
	} {
		if _, err := NewDecoder(reflect.TypeOf(v)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%T: got %v, want %s", v, err, want)
		}
	}
}

func TestManyFields(t *testing.T) {
	var fields []reflect.StructField
	var text []string
	for i := range 150 {
		fields = append(fields, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: reflect.TypeFor[int]()})
		text = append(text, fmt.Sprintf(`"F%d":%d`, i, i))
	}
	typ := reflect.StructOf(fields)
	d, err := NewDecoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.New(typ)
	if err := d.Decode([]byte("{"+strings.Join(text, ",")+"}"), v.Interface()); err != nil || v.Elem().Field(149).Int() != 149 {
		t.Errorf("got %v, %v", v, err)
	}
	if err := d.Decode([]byte(`{"F149":1,"F149":2}`), reflect.New(typ).Interface()); err == nil {
		t.Error("a late field may appear twice")
	}
}

func TestWhatEncodingJSONWritesIsReadBack(t *testing.T) {
	type inner struct {
		S string
		F float64
		L []int64
	}
	type outer struct {
		A map[string]inner
		B []*inner
		C *uint32
		D bool
	}
	d, err := NewDecoder(reflect.TypeFor[outer]())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Make[outer]().Draw(t, "value")
		text, err := json.Marshal(want)
		if err != nil {
			return // an infinite float
		}
		var got, std outer
		if err := json.Unmarshal(text, &std); err != nil {
			t.Fatal(err)
		}
		if err := d.Decode(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(std, got); diff != "" {
			t.Fatalf("%s\n%s", text, diff)
		}
	})
}
