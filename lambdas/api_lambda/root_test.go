package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/services/fulfilment"
	"example.com/arvo/lambdas/store"
)

const order = `{"order_id":"o-1","items":[{"sku":"lamp","quantity":2}],"amount":1999,"currency":"EUR","method":"pm_ok",` +
	`"address":{"name":"A. Lindgren","street":"Dalagatan 46","city":"Stockholm","postcode":"113 24","country":"SE"}}`

// begin is a body that begins a workflow with the data.
func begin(data string) string { return `{"type":"arvo.orc.fulfilment","data":` + data + `}` }

func TestAClientBeginsAWorkflowOfItsOwn(t *testing.T) {
	d := deploy(t)
	for _, c := range []struct {
		name, body  string
		wantVersion string
	}{
		{"without a version it is the newest", begin(order), "2.0.0"},
		{"in an older version", strings.TrimSuffix(begin(order), "}") + `,"version":"1.0.0"}`, "1.0.0"},
		{"in the newest version", strings.TrimSuffix(begin(order), "}") + `,"version":"2.0.0"}`, "2.0.0"},
		{"with white space before its data", begin(" \n " + order), "2.0.0"},
		{"naming its parent as it is: none", begin(`{"parentSubject$$":null,` + order[1:]), "2.0.0"},
		{"naming its parent somewhere inside, where nobody reads it", begin(`{"note":{"parentSubject$$":"order/1"},` + order[1:]), "2.0.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got accepted
			d.post(t, c.body).into(t, http.StatusAccepted, &got)
			ev := d.bus.last(t)
			if ev.Type != "arvo.orc.fulfilment" || ev.To != ev.Type || ev.Source != thinAPI || ev.DataSchema != "#/orchestrators/fulfilment/"+c.wantVersion {
				t.Errorf("%+v", ev)
			}
			if want := `{"parentSubject$$":null,` + order[1:]; string(ev.Data) != want {
				t.Errorf("its data is\n%s, want\n%s", ev.Data, want)
			}
			s, err := arvo.ParseSubject(ev.Subject)
			if err != nil {
				t.Fatal(err)
			}
			if s.Orchestrator != (arvo.Orchestrator{Name: "arvo.orc.fulfilment", Version: c.wantVersion}) || s.Execution.Initiator != thinAPI || s.Meta["redirectto"] != "" {
				t.Errorf("the subject is %+v", s)
			}
		})
	}
}

func TestAClientHasNoParent(t *testing.T) {
	d := deploy(t)
	parent, err := arvo.NewSubject(arvo.SubjectSpec{Orchestrator: "arvo.orc.fulfilment", Version: "1.0.0", Initiator: thinAPI})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, member string }{
		{"another's subject", `"parentSubject$$":"` + parent + `"`},
		{"a subject, its name escaped", `"parentSubject\u0024$":"` + parent + `"`},
		{"an empty subject", `"parentSubject$$":""`},
		{"a number", `"parentSubject$$":7`},
		{"an object", `"parentSubject$$":{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := d.post(t, begin("{"+c.member+","+order[1:])).problem(t, http.StatusUnprocessableEntity, "contract")
			if len(p.Issues) != 1 || p.Issues[0] != (issue{"/data/parentSubject$$", "", "a client begins a process of its own: leave it out, or null"}) {
				t.Errorf("issues %+v", p.Issues)
			}
		})
	}
	t.Run("and none is asked of it when there is nothing", func(t *testing.T) {
		p := d.post(t, begin(`{}`)).problem(t, http.StatusUnprocessableEntity, "contract")
		if len(p.Issues) != 6 { // its six members
			t.Errorf("issues %+v", p.Issues)
		}
		for _, i := range p.Issues {
			if strings.Contains(i.Path, "parent") {
				t.Errorf("%+v", i)
			}
		}
	})
	if len(d.bus.accepted) > 0 {
		t.Errorf("%d events are on the bus", len(d.bus.accepted))
	}
}

func TestClientsAreNotToldOfParents(t *testing.T) {
	d := deploy(t)
	for _, path := range []string{"/contracts", "/openapi.json"} {
		a := d.get(t, path)
		if strings.Contains(a.Body, "parentSubject") || !strings.Contains(a.Body, "arvo.orc.fulfilment") {
			t.Errorf("%s: %s", path, a.Body)
		}
		if !strings.Contains(a.Body, "9007199254740991") {
			t.Errorf("%s has lost a digit of the largest amount", path)
		}
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties struct {
					Version struct{ Const string }
					Data    json.RawMessage
				}
			}
		}
	}
	d.get(t, "/openapi.json").into(t, http.StatusOK, &doc)
	for _, version := range fulfilment.Contract.Versions() {
		request := doc.Components.Schemas["arvo.orc.fulfilment."+version].Properties
		if request.Version.Const != version {
			t.Errorf("there is no request for %s", version)
		}
		if err := arvo.SchemaJSON(request.Data).Validate([]byte(order)); err != nil {
			t.Errorf("what a client sends breaks the schema of %s: %v", version, err)
		}
		if err := arvo.SchemaJSON(request.Data).Validate([]byte(`{"order_id":"o"}`)); err == nil {
			t.Errorf("the schema of %s requires nothing", version)
		}
	}
}

func TestTheOutcomeCompletesTheRequest(t *testing.T) {
	for _, c := range []struct {
		name, eventType string
		want            store.Status
	}{
		{"an outcome, whatever it says", fulfilment.Done, store.Completed},
		{"the failure of the workflow", fulfilment.Contract.SystemErrorType(), store.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			var got accepted
			d.post(t, begin(order)).into(t, http.StatusAccepted, &got)
			d.sink(t, answerTo(t, d.bus.last(t), c.eventType, "a1", nil))
			var view subjectView
			d.get(t, "/subjects/"+pathOf(got.Subject)).into(t, http.StatusOK, &view)
			if view.Status != c.want || len(view.Events) != 1 {
				t.Errorf("%+v", view)
			}
		})
	}
}

func FuzzAsRoot(f *testing.F) {
	f.Add([]byte(order))
	f.Add([]byte(`{}`))
	f.Add([]byte(` { "parentSubject$$" : null } `))
	f.Fuzz(func(t *testing.T, data []byte) {
		if checkJSON(data) != nil || len(data) == 0 || data[0] != '{' { // readEnvelope has seen to it
			return
		}
		got, err := asRoot(data)
		if err != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(got, &members); err != nil || string(members[arvo.ParentSubject]) != "null" || checkJSON(got) != nil {
			t.Errorf("%q gave %q", data, got)
		}
	})
}
