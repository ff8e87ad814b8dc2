package arvo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/arvo"
)

type namedError struct{ name, message string }

func (e namedError) Error() string     { return e.message }
func (e namedError) ErrorName() string { return e.name }

func parsed(t testing.TB, subject string) arvo.Subject {
	t.Helper()
	s, err := arvo.ParseSubject(subject)
	if err != nil {
		t.Fatal(err)
	}
	s.Execution.ID, s.Content = "", ""
	return s
}

func TestAcceptsBeginsAProcess(t *testing.T) {
	v := version(t, greetContract, "1.0.0")
	e, err := v.Accepts(arvo.Draft{
		Source: "api.thin.lambda", RedirectTo: "a.b.c", Domain: "d.e", Type: "is.not.read", DataSchema: "neither",
		Data: map[string]any{"name": "A", "zzz": 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if e.Type != "com.user.greet" || e.To != "com.user.greet" || e.DataSchema != "#/test/user/greet/1.0.0" || string(e.Data) != `{"name":"A","age":7}` {
		t.Errorf("got %+v", e)
	}
	want := arvo.Subject{
		Orchestrator: arvo.Orchestrator{Name: "com.user.greet", Version: "1.0.0"},
		Execution:    arvo.Execution{Initiator: "api.thin.lambda", Domain: "d.e"},
		Meta:         map[string]string{"redirectto": "a.b.c"},
	}
	if diff := cmp.Diff(want, parsed(t, e.Subject)); diff != "" {
		t.Error(diff)
	}
	_, err = v.Accepts(arvo.Draft{Source: "test", Data: greet{Name: "A"}})
	if want := `the draft of com.user.greet has no Subject, so it begins a process with its Source "test" as initiator`; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "execution.initiator") {
		t.Errorf("a source that cannot initiate: %v", err)
	}
	if _, err = v.Accepts(arvo.Draft{Source: "api.thin.lambda", Domain: "A", Data: greet{Name: "A"}}); err == nil || strings.Contains(err.Error(), "Source") {
		t.Errorf("a domain that is none: %v", err)
	}
	if e, err = v.Accepts(arvo.Draft{Source: "test", Subject: "my subject", Data: greet{Name: "A"}}); err != nil || e.Subject != "my%20subject" {
		t.Errorf("a subject of one's own: %q, %v", e.Subject, err)
	}
}

func TestFactoriesHoldDataAgainstTheContract(t *testing.T) {
	v := version(t, greetContract, "1.0.0")
	o := version(t, orderContract, "1.0.0")
	d := func(data string) arvo.Draft {
		return arvo.Draft{Source: "a.b.c", Subject: "s", Data: json.RawMessage(data)}
	}
	made := func(e arvo.Event, err error) error { return err }
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"accepts", made(v.Accepts(d(`{"name":1}`))), "Accept Event data validation failed: name: Expected string, received number"},
		{"accepts nothing", made(v.Accepts(arvo.Draft{Source: "a.b.c", Subject: "s"})), "Accept Event data validation failed: Expected object, received null"},
		{"accepts what has no JSON form", made(v.Accepts(arvo.Draft{Source: "a.b.c", Subject: "s", Data: func() {}})), "Accept Event data validation failed: data has no JSON form"},
		{"emits", made(v.Emits("evt.user.greet.success", d(`{}`))), "Emit Event data validation failed: greeting: Required"},
		{"emits another type", made(v.Emits("evt.nope.nope.x", d(`{}`))), "Emit Event data validation failed: No contract available for evt.nope.nope.x"},
		{"init", made(o.Init(d(`{"order":"o","amount":1}`))), "Init Event data validation failed: parentSubject$$: Required"},
		{"init for nobody", made(o.Init(d(`{"parentSubject$$":"","order":"o","amount":1}`))), "Init Event data validation failed: parentSubject$$: must have at least 1 characters"},
		{"complete", made(o.Complete(d(`{"ok":true}`))), "Emit Event data validation failed: receipt: Required"},
		{"init of a service", made(v.Init(d(`{}`))), "is not of an orchestrator"},
		{"complete of a service", made(v.Complete(d(`{}`))), "is not of an orchestrator"},
		{"nobody's, without a subject", made(v.Accepts(arvo.Draft{Data: greet{Name: "A"}})), "invalid event: source: must not be empty"},
		{"nobody's", made(v.Accepts(arvo.Draft{Subject: "s", Data: greet{Name: "A"}})), "invalid event: source: must not be empty"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, c.err)
		}
		if arvo.IsViolation(c.err) {
			t.Errorf("%s: %v is a violation", c.name, c.err)
		}
	}
}

func TestEmits(t *testing.T) {
	v := version(t, greetContract, "1.0.0")
	e, err := v.Emits("evt.user.greet.audit", arvo.Draft{Source: "com.user.greet", Subject: "s", To: "a.b.c", Data: audit{Message: "m"}})
	if err != nil {
		t.Fatal(err)
	}
	if e.Type != "evt.user.greet.audit" || e.To != "a.b.c" || string(e.Data) != `{"message":"m","level":"info"}` || e.DataSchema != "#/test/user/greet/1.0.0" {
		t.Errorf("got %+v", e)
	}
	if e, err = v.Emits("evt.user.greet.success", arvo.Draft{Source: "com.user.greet", Data: greeting{"hi"}}); err != nil || e.To != e.Type {
		t.Errorf("to is %q, %v", e.To, err)
	}
	if s := parsed(t, e.Subject); s.Orchestrator.Name != "evt.user.greet.success" || s.Execution.Initiator != "com.user.greet" {
		t.Errorf("got %+v", s)
	}
}

func TestSystemErrors(t *testing.T) {
	v := version(t, greetContract, "1.0.0")
	for _, c := range []struct {
		err  error
		data string
	}{
		{errors.New("boom \"<&>\""), `{"errorName":"Error","errorMessage":"boom \"<&>\"","errorStack":null}`},
		{namedError{"TypeError", "boom"}, `{"errorName":"TypeError","errorMessage":"boom","errorStack":null}`},
		{fmt.Errorf("outer: %w", namedError{"TypeError", "boom"}), `{"errorName":"TypeError","errorMessage":"outer: boom","errorStack":null}`},
		{nil, `{"errorName":"Error","errorMessage":"<nil>","errorStack":null}`},
	} {
		e, err := v.SystemError(c.err, arvo.Draft{Source: "com.user.greet", Subject: "s", To: "a.b.c"})
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != "sys.com.user.greet.error" || e.DataSchema != "#/test/user/greet/0.0.0" || e.To != "a.b.c" || string(e.Data) != c.data {
			t.Errorf("%v: got %+v", c.err, e)
		}
		s, _ := v.Schema(e.Type)
		if err := s.Validate(e.Data); err != nil {
			t.Error(err)
		}
	}
}

func TestInit(t *testing.T) {
	v := version(t, orderContract, "1.0.0")
	parent, err := arvo.Subject{
		Orchestrator: arvo.Orchestrator{Name: "arvo.orc.batch", Version: "1.0.0"},
		Execution:    arvo.Execution{ID: "parent-1", Initiator: "api.thin.lambda", Domain: "d.e"},
		Meta:         map[string]string{"k": "v", "redirectto": "where.the.parent.answers"},
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		draft    arvo.Draft
		parent   any
		initator string
		domain   string
		meta     map[string]string
	}{
		{"for nobody", arvo.Draft{}, nil, "arvo.orc.batch", "", map[string]string{}},
		{"for nobody, with another receiver", arvo.Draft{RedirectTo: "x.y.z"}, nil, "arvo.orc.batch", "", map[string]string{"redirectto": "x.y.z"}},
		{"for a parent", arvo.Draft{}, parent, "arvo.orc.batch", "d.e", map[string]string{"k": "v", "redirectto": "arvo.orc.batch"}},
		{"for a parent, with another receiver", arvo.Draft{RedirectTo: "x.y.z"}, parent, "arvo.orc.batch", "d.e", map[string]string{"k": "v", "redirectto": "x.y.z"}},
		{"for a parent, in another domain", arvo.Draft{Domain: "f"}, parent, "arvo.orc.batch", "f", map[string]string{"k": "v", "redirectto": "arvo.orc.batch"}},
	} {
		c.draft.Source = "arvo.orc.batch"
		c.draft.Data = map[string]any{arvo.ParentSubject: c.parent, "order": "o", "amount": 1}
		e, err := v.Init(c.draft)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want := arvo.Subject{
			Orchestrator: arvo.Orchestrator{Name: "arvo.orc.order", Version: "1.0.0"},
			Execution:    arvo.Execution{Initiator: c.initator, Domain: c.domain}, Meta: c.meta,
		}
		if diff := cmp.Diff(want, parsed(t, e.Subject)); diff != "" || e.Type != "arvo.orc.order" {
			t.Errorf("%s: %s %s", c.name, e.Type, diff)
		}
	}
	if _, err := v.Init(arvo.Draft{Source: "a.b.c", Data: map[string]any{arvo.ParentSubject: "nope", "order": "o", "amount": 1}}); err == nil {
		t.Error("a parent that is no subject is accepted")
	}
	free := version(t, arvo.MustContract(arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
		URI: "#/test/orc/free", Name: "free", Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {
			Init:     arvo.SchemaJSON([]byte(`{"type":"object","properties":{"parentSubject$$":{"type":["string","null"]}}}`)), // not required
			Complete: arvo.SchemaJSON([]byte(`{"type":"object","properties":{}}`)),
		}},
	})), "1.0.0")
	if e, err := free.Init(arvo.Draft{Source: "api.thin.lambda", Data: json.RawMessage(`{}`)}); err != nil || parsed(t, e.Subject).Execution.Initiator != "api.thin.lambda" {
		t.Errorf("without a parent where none is required: %+v, %v", e, err)
	}
	mine, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: "arvo.orc.order", Version: "1.0.0", Initiator: "a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, subject, want string }{
		{"of one's own", mine, ""},
		{"that no workflow can have", "mine", "the Subject of the draft is none that begins a workflow; leave it empty for a new one: arvo: cannot parse subject: "},
		{"of another workflow", parent, "the Subject of the draft is of arvo.orc.batch; leave it empty for a new one"},
	} {
		e, err := v.Init(arvo.Draft{Source: "a.b.c", Subject: c.subject, Data: map[string]any{arvo.ParentSubject: "nope", "order": "o", "amount": 1}})
		if c.want == "" && (err != nil || e.Subject != c.subject) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("a subject %s: %q, %v", c.name, e.Subject, err)
		}
	}
}
