package arvo_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"example.com/arvo/lambdas/arvo"
)

const subjectText = `{"orchestrator":{"name":"arvo.orc.order","version":"1.0.0"},` +
	`"execution":{"id":"exec-1","initiator":"api.thin.lambda","domain":null},"meta":{"k":"v"}}`

// foreign is subjectText as zlib itself, the original's way, packs it.
const foreign = "eJwljEsOgzAMRO8yaxrBltu4xBJW86mMiZCi3B3TLmYzb+Z1VN12PkzJqmLtKJQZK0hbDc48kRUTGushtThawhxmjAl88Xbar+yQ6OhpXouvpYjJXwn6SrBdSkiU35GcxppJ/FXOlNyT2ehRfHzcMMYNufYxgw=="

// packed is text as another maker of subjects might pack it.
func packed(t testing.TB, text string, open func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var buf bytes.Buffer
	w := open(&buf)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes())
}

func zlibbed(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }

func subject() arvo.Subject {
	return arvo.Subject{
		Orchestrator: arvo.Orchestrator{Name: "arvo.orc.order", Version: "1.0.0"},
		Execution:    arvo.Execution{ID: "exec-1", Initiator: "api.thin.lambda"},
		Meta:         map[string]string{"k": "v"},
	}
}

func TestSubjectsAreTheJSONInAZlibStream(t *testing.T) {
	encoded, err := subject().Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(encoded, "eJ") {
		t.Errorf("%s does not begin like every other maker's", encoded)
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || string(text) != subjectText {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestParseSubject(t *testing.T) {
	want := subject()
	want.Content = subjectText
	std := packed(t, subjectText, zlibbed)
	level := func(n int) string {
		return packed(t, subjectText, func(w io.Writer) io.WriteCloser {
			z, err := zlib.NewWriterLevel(w, n)
			if err != nil {
				t.Fatal(err)
			}
			return z
		})
	}
	for name, s := range map[string]string{
		"zlib": foreign, "level 0": level(0), "level 1": level(1), "level 9": level(9),
		"gzip":                    packed(t, subjectText, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }),
		"no padding":              strings.TrimRight(std, "="),
		"percent-encoded padding": strings.ReplaceAll(std, "=", "%3D"),
		"the URL alphabet":        strings.NewReplacer("+", "-", "/", "_").Replace(std),
		"white space around":      " " + std + "\n",
		"bytes behind the stream": packed(t, subjectText, func(w io.Writer) io.WriteCloser { return trailed{zlib.NewWriter(w), w} }),
		"bytes behind gzip":       packed(t, subjectText, func(w io.Writer) io.WriteCloser { return trailed{gzip.NewWriter(w), w} }),
	} {
		got, err := arvo.ParseSubject(s)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// trailed is a compressor behind whose stream there is something else.
type trailed struct {
	io.WriteCloser
	to io.Writer
}

func (t trailed) Close() error {
	if err := t.WriteCloser.Close(); err != nil {
		return err
	}
	_, err := t.to.Write([]byte("garbage"))
	return err
}

func TestParseSubjectReadsOtherShapes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		domain     string
	}{
		{"no domain, from before there were any", strings.Replace(subjectText, `,"domain":null`, "", 1), ""},
		{"a domain", strings.Replace(subjectText, "null", `"d.e"`, 1), "d.e"},
		{"white space and another order", `{ "meta": {"k":"v"}, "execution": {"initiator":"api.thin.lambda","id":"exec-1"}, "orchestrator": {"version":"1.0.0","name":"arvo.orc.order"} }`, ""},
		{"unknown members", strings.Replace(subjectText, `{"orch`, `{"extra":{"name":1},"orch`, 1), ""},
	} {
		got, err := arvo.ParseSubject(packed(t, c.text, zlibbed))
		want := subject()
		want.Content, want.Execution.Domain = c.text, c.domain
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", c.name, err, diff)
		}
	}
}

func TestParseSubjectRefuses(t *testing.T) {
	std := packed(t, subjectText, zlibbed)
	raw, err := base64.StdEncoding.DecodeString(std)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	in := func(old, replacement string) string {
		return packed(t, strings.Replace(subjectText, old, replacement, 1), zlibbed)
	}
	for _, c := range []struct{ name, subject, want string }{
		{"nothing", "", "EOF"},
		{"plain text", "order/1", "zlib"},
		{"characters of no alphabet", "{}", "illegal base64"},
		{"JSON that is not compressed", base64.StdEncoding.EncodeToString([]byte(subjectText)), "zlib: invalid header"},
		{"raw deflate", packed(t, subjectText, func(w io.Writer) io.WriteCloser {
			f, err := flate.NewWriter(w, 6)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}), "zlib: invalid header"},
		{"a truncated stream", std[:len(std)-12], "unexpected EOF"},
		{"a wrong checksum", base64.StdEncoding.EncodeToString(raw), "zlib: invalid checksum"},
		{"a bomb", packed(t, strings.Repeat(" ", 1<<20), zlibbed), "over the limit of 65536"},
		{"endless text", strings.Repeat("A", 1<<20), "over the limit of 16384"},
		{"no JSON", packed(t, "hello", zlibbed), "'h' where an object is expected"},
		{"a list", packed(t, "[1]", zlibbed), "content: expected object, received array"},
		{"what follows", packed(t, subjectText+"x", zlibbed), "'x' where the end of the text is expected"},
		{"broken UTF-8", in("exec-1", "\xff"), "not UTF-8"},
		{"another shape", packed(t, `{"a":1}`, zlibbed), "meta: required"},
		{"no meta", in(`,"meta":{"k":"v"}`, ""), "meta: required"},
		{"a meta value that is no string", in(`"v"`, "1"), "meta.k: expected string, received number"},
		{"an orchestrator that is no object", in(`{"name":"arvo.orc.order","version":"1.0.0"}`, "null"), "orchestrator: expected object, received null"},
		{"an id that is no string", in(`"exec-1"`, "1"), "execution.id: expected string, received number"},
		{"an empty domain", in("null", `""`), "execution.domain: must not be empty"},
		{"no id", in(`"id":"exec-1",`, ""), "execution.id: must not be empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := arvo.ParseSubject(c.subject)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v, want %s", got, err, c.want)
			}
		})
	}
}

func TestSubjectsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*arvo.Subject)
		want string
	}{
		{"a name of two segments", func(s *arvo.Subject) { s.Orchestrator.Name = "arvo.orc" }, "orchestrator.name"},
		{"a version of two numbers", func(s *arvo.Subject) { s.Orchestrator.Version = "1.0" }, "orchestrator.version"},
		{"a pre-release", func(s *arvo.Subject) { s.Orchestrator.Version = "1.0.0-rc.1" }, "orchestrator.version"},
		{"no id", func(s *arvo.Subject) { s.Execution.ID = "" }, "execution.id"},
		{"an id with a semicolon", func(s *arvo.Subject) { s.Execution.ID = "a;b" }, "execution.id"},
		{"an initiator that is a URL", func(s *arvo.Subject) { s.Execution.Initiator = "https://a.b.c" }, "execution.initiator"},
		{"a domain with a dash", func(s *arvo.Subject) { s.Execution.Domain = "a-b" }, "execution.domain"},
		{"too much meta", func(s *arvo.Subject) {
			for range 40 {
				s.Meta[uuid.NewString()] = uuid.NewString()
			}
		}, "bytes are over the limit of 1000"},
	} {
		s := subject()
		c.edit(&s)
		if _, err := s.Encode(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.name == "too much meta" {
			continue // what others make is read
		}
		text := strings.NewReplacer("arvo.orc.order", s.Orchestrator.Name, "1.0.0", s.Orchestrator.Version, "exec-1", s.Execution.ID,
			"api.thin.lambda", s.Execution.Initiator).Replace(subjectText)
		if s.Execution.Domain != "" {
			text = strings.Replace(text, "null", `"`+s.Execution.Domain+`"`, 1)
		}
		if _, err := arvo.ParseSubject(packed(t, text, zlibbed)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, read: %v", c.name, err)
		}
	}
}

func TestNewSubject(t *testing.T) {
	s, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: "arvo.orc.order", Initiator: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := arvo.ParseSubject(s)
	if err != nil {
		t.Fatal(err)
	}
	if uuid.Validate(got.Execution.ID) != nil {
		t.Errorf("id %q is no UUID", got.Execution.ID)
	}
	want := arvo.Subject{
		Orchestrator: arvo.Orchestrator{Name: "arvo.orc.order", Version: arvo.WildcardVersion},
		Execution:    arvo.Execution{ID: got.Execution.ID, Initiator: "a.b.c"},
		Meta:         map[string]string{}, Content: got.Content,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSubjectFrom(t *testing.T) {
	parent := subject()
	parent.Meta["redirectto"] = "x.y.z"
	parent.Execution.Domain = "dom.a"
	p, err := parent.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		spec arvo.SubjectSpec
		want arvo.Subject
	}{
		{"inherits", arvo.SubjectSpec{Orchestrator: "arvo.orc.child", Initiator: "not.looked.at"}, arvo.Subject{
			Orchestrator: arvo.Orchestrator{Name: "arvo.orc.child", Version: "0.0.0"},
			Execution:    arvo.Execution{Initiator: "arvo.orc.order", Domain: "dom.a"},
			Meta:         map[string]string{"k": "v", "redirectto": "x.y.z"},
		}},
		{"overrides", arvo.SubjectSpec{Orchestrator: "arvo.orc.child", Version: "2.0.0", Domain: "dom.b", Meta: map[string]string{"k": "c", "j": "1"}}, arvo.Subject{
			Orchestrator: arvo.Orchestrator{Name: "arvo.orc.child", Version: "2.0.0"},
			Execution:    arvo.Execution{Initiator: "arvo.orc.order", Domain: "dom.b"},
			Meta:         map[string]string{"k": "c", "j": "1", "redirectto": "x.y.z"},
		}},
	} {
		s, err := arvo.SubjectFrom(p, c.spec)
		if err != nil {
			t.Fatal(err)
		}
		got, err := arvo.ParseSubject(s)
		if err != nil {
			t.Fatal(err)
		}
		c.want.Execution.ID, c.want.Content = got.Execution.ID, got.Content
		if diff := cmp.Diff(c.want, got); diff != "" || got.Execution.ID == "exec-1" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if _, err := arvo.SubjectFrom("order/1", arvo.SubjectSpec{Orchestrator: "arvo.orc.child"}); err == nil {
		t.Error("a parent that is no subject is accepted")
	}
}

func TestSubjectsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){2,3}`)
		want := arvo.Subject{
			Orchestrator: arvo.Orchestrator{Name: name.Draw(t, "name"), Version: rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){2}`).Draw(t, "version")},
			Execution: arvo.Execution{
				ID: rapid.StringMatching(`[^;]{1,20}`).Draw(t, "id"), Initiator: name.Draw(t, "initiator"),
				Domain: rapid.StringMatching(`[a-z0-9.]{0,5}`).Draw(t, "domain"),
			},
			Meta: rapid.MapOfN(rapid.StringN(0, 5, -1), rapid.StringN(0, 20, -1), 0, 4).Draw(t, "meta"),
		}
		s, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := arvo.ParseSubject(s)
		if err != nil {
			t.Fatal(err)
		}
		want.Content = got.Content
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzParseSubject: what is accepted is a subject that this package can make, too, if it is not too large.
func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{packed(f, subjectText, zlibbed), "order/1", "", "eJzLSM3JyQcABiwCFQ==", "H4sIAAAAAAAA"} {
		f.Add(s, subjectText)
	}
	f.Fuzz(func(t *testing.T, s, text string) {
		for _, s := range []string{s, packed(t, text, zlibbed)} {
			parsed, err := arvo.ParseSubject(s)
			if err != nil {
				continue
			}
			again, err := parsed.Encode()
			if err != nil {
				if strings.Contains(err.Error(), "over the limit") {
					continue
				}
				t.Fatalf("%q cannot be written: %v", parsed.Content, err)
			}
			back, err := arvo.ParseSubject(again)
			parsed.Content, back.Content = "", ""
			if diff := cmp.Diff(parsed, back); err != nil || diff != "" {
				t.Fatalf("%q: %v\n%s", s, err, diff)
			}
		}
	})
}
