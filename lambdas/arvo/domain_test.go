package arvo_test

import (
	"testing"

	"example.com/arvo/lambdas/arvo"
)

func TestDomainsAreResolved(t *testing.T) {
	in := func(domain string) string {
		s, err := arvo.Subject{
			Orchestrator: arvo.Orchestrator{Name: "a.b.c", Version: "1.0.0"},
			Execution:    arvo.Execution{ID: "x", Initiator: "a.b.c", Domain: domain},
		}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const orc = arvo.DomainOrchestrationContext
	for _, c := range []struct {
		name, domain               string
		parent, current, triggered string // subject, subject, domain
		want                       string
	}{
		{"none", arvo.DomainLocal, in("p"), in("c"), "t", ""},
		{"a literal", "some.where", in("p"), in("c"), "t", "some.where"},
		{"the handler's contract", arvo.DomainFromSelfContract, "", "plain", "", "greet.domain"},
		{"the event's contract, without one", arvo.DomainFromEventContract, "", "plain", "", ""},
		{"the event", arvo.DomainFromTriggeringEvent, in("p"), in("c"), "t", "t"},
		{"the subject", arvo.DomainFromCurrentSubject, in("p"), in("c"), "t", "c"},
		{"a plain subject", arvo.DomainFromCurrentSubject, "", "plain", "t", ""},
		{"the parent", arvo.DomainFromParentSubject, in("p"), in("c"), "t", "p"},
		{"no parent", arvo.DomainFromParentSubject, "", in("c"), "t", ""},
		{"back to the parent's domain", orc, in("p"), in("c"), "t", "p"},
		{"back to the parent's domain from none", orc, in("p"), in(""), "", "p"},
		{"in the parent's domain already", orc, in("c"), in("c"), "t", ""},
		{"back to a parent without a domain", orc, in(""), in("c"), "t", ""},
		{"without a parent, local", orc, "", in("c"), "", ""},
		{"without a parent, from the subject's domain", orc, "", in("c"), "c", ""},
		{"without a parent, back to the subject's domain", orc, "", in("c"), "t", "c"},
		{"without a parent, back to no domain", orc, "", in(""), "t", ""},
		{"without a parent, of a plain subject", orc, "", "plain", "t", ""},
	} {
		context := arvo.DomainContext{
			SelfContract: greetContract, ParentSubject: c.parent,
			TriggeringEvent: arvo.Event{Subject: c.current, Domain: c.triggered},
		}
		if got := context.Resolve(c.domain); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
