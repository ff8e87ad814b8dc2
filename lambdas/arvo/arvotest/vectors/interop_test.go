package vectors_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
)

// npmEnv names a directory with node_modules/arvo-core in it, of npm's 2.x or of 3.x.
const npmEnv = "ARVO_NPM"

// spoken is what the two sides say to each other, see interop.mjs.
type spoken struct {
	Version string
	Events  []struct{ Text, Error string }

	Subjects []struct {
		Content any
		Error   string
	}
	Written struct {
		Events   []string
		Subjects []struct {
			Text    string
			Content any
		}
	}
}

// TestInterop has the original itself read what Go writes, and Go what the original writes: events to the byte, subjects
// by content.
func TestInterop(t *testing.T) {
	dir := os.Getenv(npmEnv)
	if dir == "" {
		t.Skipf("%s names no directory with node_modules/arvo-core", npmEnv)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "arvo-core")); err != nil {
		t.Skipf("%s: %v", npmEnv, err)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip(err)
	}
	ours := struct {
		Events   []string `json:"events"`
		Subjects []string `json:"subjects"`
	}{writtenEvents(t), writtenSubjects(t)}
	theirs := speak(t, node, dir, ours)
	t.Logf("arvo-core %s: %d events and %d subjects read, %d and %d written", theirs.Version,
		len(theirs.Events), len(theirs.Subjects), len(theirs.Written.Events), len(theirs.Written.Subjects))
	if len(theirs.Events) != len(ours.Events) || len(theirs.Subjects) != len(ours.Subjects) || len(theirs.Written.Events) == 0 || len(theirs.Written.Subjects) == 0 {
		t.Fatal("the other side has lost something")
	}
	older := strings.HasPrefix(theirs.Version, "2.")
	for i, read := range theirs.Events {
		want := ours.Events[i]
		if older { // it drops what it does not know
			want = withoutParentAndDomain(t, want)
		}
		if read.Text != want {
			t.Errorf("arvo-core reads\n%s as\n%s (%s)", ours.Events[i], read.Text, read.Error)
		}
	}
	for i, read := range theirs.Subjects {
		s, err := arvo.ParseSubject(ours.Subjects[i])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(value(json.RawMessage(s.Content)), read.Content); diff != "" {
			t.Errorf("arvo-core reads the subject %s otherwise (%s):\n%s", s.Content, read.Error, diff)
		}
	}
	for _, text := range theirs.Written.Events {
		if err := readBack(text); err != nil {
			t.Errorf("an event of arvo-core: %v", err)
		}
	}
	for _, written := range theirs.Written.Subjects {
		s, err := arvo.ParseSubject(written.Text)
		if err != nil {
			t.Errorf("a subject of arvo-core, %v: %v", written.Content, err)
			continue
		}
		if diff := cmp.Diff(written.Content, value(json.RawMessage(s.Content))); diff != "" {
			t.Errorf("a subject of arvo-core is read otherwise:\n%s", diff)
		}
	}
}

func speak(t *testing.T, node, dir string, ours any) (theirs spoken) {
	t.Helper()
	text, err := json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, node, "interop.mjs", dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &complaints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, complaints.Bytes())
	}
	if err := json.Unmarshal(out.Bytes(), &theirs); err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	return theirs
}

// withoutParentAndDomain is the text of an event without the last two attributes.
func withoutParentAndDomain(t *testing.T, text string) string {
	t.Helper()
	e, err := arvo.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	e.ParentID, e.Domain = "", ""
	short, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return asV2Writes(string(short))
}

// awkward are texts that are often read or written wrong.
var awkward = []string{
	"plain", "with space", "ü/日本/😀", "https://x.y/z?a=b&c=d#frag;,:@+$!*'()~-_.", "a%20b", "[::1]", "<&>\u2028\u2029\"\\\a", "\x7f\u0080",
}

// writtenEvents are events as Go writes them. Data is not to hold what JavaScript itself changes: integers beyond 2^53,
// numbers written in another way than its own, keys that look like integers.
func writtenEvents(t *testing.T) (texts []string) {
	t.Helper()
	units := []*float64{nil}
	for _, u := range []float64{0, 1, -1.5, 1e21, 1e-7, 0.1, 123456789012345680000, 9007199254740991, 5e-324} {
		units = append(units, &u)
	}
	for n, text := range awkward {
		for m, u := range units {
			d := arvo.Draft{
				ID: fmt.Sprintf("evt-%d-%d %s", n, m, text), Source: text, Subject: text, Type: "com.test.event", ExecutionUnits: u,
				ParentID: text, AccessControl: text, RedirectTo: text,
				Data: map[string]any{text: text, "list": []any{u, nil, true, map[string]string{"deep": text}}, "empty": struct{}{}},
			}
			if m%2 == 1 {
				d.To, d.DataSchema, d.Domain, d.Traceparent, d.Tracestate = text, "#/"+text+"/1.0.0", "a.b", text, text
				d.AccessControl, d.RedirectTo, d.ParentID = "", "", ""
				d.Extensions = []arvo.Extension{
					{Name: "zeta", Value: json.RawMessage(`"x"`)}, {Name: "alpha", Value: json.RawMessage(`-1.5`)},
					{Name: "yes", Value: json.RawMessage(`true`)}, {Name: "10", Value: json.RawMessage(`null`)}, {Name: "9", Value: json.RawMessage(`"n"`)},
				}
			}
			texts = append(texts, written(t, d))
		}
	}
	subject, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: "arvo.orc.order", Initiator: "api.thin.lambda", Domain: "a.b"})
	if err != nil {
		t.Fatal(err)
	}
	return append(texts, written(t, arvo.Draft{Source: "api.thin.lambda", Subject: subject, Type: "arvo.orc.order", Data: struct{}{}}))
}

func written(t *testing.T, d arvo.Draft) string {
	t.Helper()
	e, err := arvo.New(d)
	if err != nil {
		t.Fatal(err)
	}
	text, err := e.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// writtenSubjects are subjects as Go makes them, each with a child.
func writtenSubjects(t *testing.T) (list []string) {
	t.Helper()
	for _, text := range append(awkward, strings.Repeat("x", 500)) {
		first, err := arvo.NewSubject(arvo.SubjectSpec{
			Orchestrator: "arvo.orc.order", Version: "1.0.0", Initiator: "api.thin.lambda", Meta: map[string]string{"k": text, text: ""},
		})
		if err != nil {
			t.Fatal(err)
		}
		child, err := arvo.SubjectFrom(first, arvo.SubjectSpec{Orchestrator: "arvo.orc.child", Domain: "a.b", Meta: map[string]string{"k": "other"}})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, first, child)
	}
	return list
}
