package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/wire"
)

// A request has a member of each kind.
type request struct {
	QueueUrl string
	Tags     map[string]string `json:"tags,omitempty"`
	Max      *int
	Item     json.RawMessage
	Entries  []entry
	ByTable  map[string]*entry
	Any      any
	Skipped  string `json:"-"`
	options
}

type options struct{ Select string }

type entry struct {
	ID   string `json:"Id"`
	Body string
}

func TestNamesHaveACase(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want request
	}{
		"exact names are read":                     {`{"QueueUrl":"u","tags":{"k":"v"},"Select":"ALL"}`, request{QueueUrl: "u", Tags: map[string]string{"k": "v"}, options: options{"ALL"}}},
		"others are not":                           {`{"queueUrl":"u","QUEUEURL":"v","Tags":{"k":"v"},"select":"ALL","queueurl":1}`, request{}},
		"nor after or before the exact one":        {`{"queueurl":"a","QueueUrl":"u","QueueURL":"b"}`, request{QueueUrl: "u"}},
		"a name may be escaped":                    {`{"Queue\u0055rl":"u"}`, request{QueueUrl: "u"}},
		"another name may be, too":                 {`{"queue\u0055rl":"u"}`, request{}},
		"letters that fold to others are none":     {`{"\u017felect":"ALL","Entrie\u017f":[]}`, request{}},
		"in lists":                                 {`{"Entries":[{"Id":"1","body":"b"},{"ID":"2","Body":"b"}]}`, request{Entries: []entry{{ID: "1"}, {Body: "b"}}}},
		"in maps, whose own names are anyone's":    {`{"ByTable":{"orders":{"Id":"1","body":"b"},"Orders":null}}`, request{ByTable: map[string]*entry{"orders": {ID: "1"}, "Orders": nil}}},
		"what is kept as JSON keeps its names":     {`{"Item":{"queueurl":[{"ID":1}]}}`, request{Item: json.RawMessage(`{"queueurl":[{"ID":1}]}`)}},
		"and so does what may be anything":         {`{"Any":{"id":[true,null,-1.5e3,"x"]},"Max":3}`, request{Any: map[string]any{"id": []any{true, nil, -1.5e3, "x"}}, Max: new(3)}},
		"null is no value":                         {`{"QueueUrl":null,"Entries":null,"Max":null}`, request{}},
		"unknown members are passed over":          {`{"x":{"QueueUrl":"u"},"y":[[{}],"]}"],"z":1e3,"QueueUrl":"v","w":true}`, request{QueueUrl: "v"}},
		"white space is":                           {" {\n\"QueueUrl\" :\t\"u\" , \"Entries\" : [ { \"Id\" : \"1\" } , { } ] }\r\n", request{QueueUrl: "u", Entries: []entry{{ID: "1"}, {}}}},
		"a field that is none has no name":         {`{"Skipped":"s","-":"s","options":{"Select":"ALL"}}`, request{}},
		"nothing":                                  {`{}`, request{}},
		"a request that is null":                   {`null`, request{}},
		"a name that is struck out stays in place": {`{"queueurl":"` + strings.Repeat("x", 100) + `","QueueUrl":"u"}`, request{QueueUrl: "u"}},
	} {
		body := []byte(c.body)
		var got request
		if err := wire.Unmarshal(body, &got); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(request{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if string(body) != c.body {
			t.Errorf("%s: the body has become %s", name, body)
		}
	}
}

func TestStrictlyUnknownMembersAreNamed(t *testing.T) {
	for body, unknown := range map[string]string{
		`{"QueueUrl":"u","Entries":[{"Id":"1"}],"tags":{"a":"b"}}`: "",
		`{"queueUrl":"u"}`:                    "queueUrl",
		`{"Entries":[{"Id":"1"},{"id":"2"}]}`: "id",
		`{"ByTable":{"any":{"Size":1}}}`:      "Size",
		`{"Item":{"any":1},"Any":{"any":1}}`:  "",
		`{"\u0061":1}`:                        "a",
	} {
		var in request
		err := wire.UnmarshalStrict([]byte(body), &in)
		got, is := errors.AsType[*wire.UnknownMemberError](err)
		if is != (unknown != "") || is && got.Name != unknown || !is && err != nil {
			t.Errorf("%s: %v, want %q", body, err, unknown)
		}
	}
}

func TestWhatIsNoRequest(t *testing.T) {
	for _, body := range []string{
		"", " ", "{", "{}{}", `{"QueueUrl"}`, `{"QueueUrl":}`, `{"QueueUrl":"u",}`, `{"QueueUrl":"u" "Max":1}`, `{"Entries":[}`, `{"Entries":[{]}`, `{"Entries":[1 2]}`,
		`{"Entries":[{}{}]}`, `{"a":1x}`, `{"Item":{"a":]}}`, `{"Item":[{]}`, `{"Item":{"a" "b"}}`, `{,}`, `{"a":tru}`, `{1:2}`, "{\"a\n\":1}", `{"a":"\x"}`, "\x00", "{\x00}",
		`[]`, `"text"`, `{"QueueUrl":{}}`, `{"QueueUrl":[]}`, `{"Entries":{}}`, `{"Entries":[[]]}`, `{"Max":"3"}`, `{"tags":{"a":1}}`,
		strings.Repeat(`{"Entries":[`, 1000), strings.Repeat("[", 1_000_000), `{"Item":` + strings.Repeat("[", 1_000_000),
	} {
		for _, unmarshal := range []func([]byte, any) error{wire.Unmarshal, wire.UnmarshalStrict} {
			var in request
			if unmarshal([]byte(body), &in) == nil {
				t.Errorf("%.100q is read as %+v", body, in)
			}
		}
	}
}

// exactly drops, the slow way, the members of an object that are not among the names. Anything else stays as it is.
func exactly(raw json.RawMessage, names ...string) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if begin, err := dec.Token(); err != nil || begin != json.Delim('{') {
		return raw
	}
	kept := []byte{'{'}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			return raw
		}
		if slices.Contains(names, name.(string)) {
			if len(kept) > 1 {
				kept = append(kept, ',')
			}
			kept = fmt.Appendf(kept, "%q:%s", name, value)
		}
	}
	return append(kept, '}')
}

// FuzzUnmarshal reads lists of entries in two ways.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`[{"Id":"1","body":"b"}]`, `[{"\u0049d":"1","iD":2}, null, {"Body":"\ud800","Id":null}]`, `[{"Id":{}}]`, `null`, `[{"a":[1,-2.5E+3,{"Id":true}]}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want []entry
		err := wire.Unmarshal(body, &got)
		var elements []json.RawMessage
		wanted := json.Unmarshal(body, &elements)
		for i := range elements {
			elements[i] = exactly(elements[i], "Id", "Body")
		}
		if wanted == nil {
			b, marshalled := json.Marshal(elements)
			if marshalled != nil {
				t.Fatal(marshalled)
			}
			wanted = json.Unmarshal(b, &want)
		}
		if (err == nil) != (wanted == nil) {
			t.Fatalf("%q: %v, want %v", body, err, wanted)
		}
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			t.Errorf("%q: %s", body, diff)
		}
	})
}

// BenchmarkUnmarshal reads a batch of messages as SDKs send it, with encoding/json alone and with names told apart.
func BenchmarkUnmarshal(b *testing.B) {
	var in request
	in.QueueUrl = "http://127.0.0.1:4566/000000000000/requests"
	for i := range 10 {
		in.Entries = append(in.Entries, entry{fmt.Sprint(i), strings.Repeat(`{"type":"com.payment.charge","amount":1999} `, 17)})
	}
	body, err := json.Marshal(in)
	if err != nil {
		b.Fatal(err)
	}
	for name, unmarshal := range map[string]func([]byte, any) error{"json": json.Unmarshal, "wire": wire.Unmarshal} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var out request
				if err := unmarshal(body, &out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
