package vectors_test

import (
	"errors"
	"fmt"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// domains is the table of what a domain symbol stands for.
var domains = suite{
	known: []string{"symbols"},
	open: func(f *vectors.File) (func(string, vectors.Case) error, error) {
		var symbols map[string]*string // null: local
		if err := f.Member("symbols", &symbols); err != nil {
			return nil, err
		}
		return func(_ string, c vectors.Case) error { return checkDomain(f.Flavor, symbols, c) }, nil
	},
}

func checkDomain(flavor string, symbols map[string]*string, c vectors.Case) error {
	var k struct {
		Symbol                                    string
		ParentSubjectDomain, CurrentSubjectDomain *string // null: none
		TriggeringEventDomain                     *string
		SelfContractDomain, EventContractDomain   *string
		Result                                    *string
	}
	if err := c.Decode(&k); err != nil {
		return err
	}
	symbol, ok := symbols[k.Symbol]
	if !ok {
		return fmt.Errorf("the symbol %q is not listed", k.Symbol)
	}
	contracts := recordedContracts(flavor)
	where := arvo.DomainContext{SelfContract: contracts["order"], EventContract: contracts["greet"]}
	if nullable(k.SelfContractDomain) != where.SelfContract.Domain() || nullable(k.EventContractDomain) != where.EventContract.Domain() {
		return errors.New("the contracts of the table are others")
	}
	var err error
	if nullable(k.ParentSubjectDomain) != "<no parent>" {
		if where.ParentSubject, err = subjectIn(nullable(k.ParentSubjectDomain)); err != nil {
			return err
		}
	}
	where.TriggeringEvent.Subject = "plain"
	if nullable(k.CurrentSubjectDomain) != "<not an orchestration subject>" {
		if where.TriggeringEvent.Subject, err = subjectIn(nullable(k.CurrentSubjectDomain)); err != nil {
			return err
		}
	}
	where.TriggeringEvent.Domain = nullable(k.TriggeringEventDomain)
	if got := where.Resolve(nullable(symbol)); got != nullable(k.Result) {
		return fmt.Errorf("%s: got %q, recorded %q", c.Text, got, nullable(k.Result))
	}
	return nil
}

// subjectIn is a subject in a domain.
func subjectIn(domain string) (string, error) {
	return arvo.NewSubject(arvo.SubjectSpec{Orchestrator: "a.b.c", Version: "1.0.0", Initiator: "a.b.c", ID: "x", Domain: domain})
}
