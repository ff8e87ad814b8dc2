package vectors_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/arvo/arvotest/vectors"
)

// contracts are contracts as documents, contracts that are refused, and what belongs to versions.
var contracts = suite{
	open: func(f *vectors.File) (func(string, vectors.Case) error, error) {
		return func(_ string, c vectors.Case) error { return checkContract(f, c) }, nil
	},
	deviations: map[string]deviation{
		"domain empty": {why: "an empty domain is none", instead: func(*vectors.File, vectors.Case) error {
			c, err := contractSpecs["domain empty"]()
			if err == nil && c.Domain() != arvo.DomainLocal {
				err = fmt.Errorf("the domain is %q", c.Domain())
			}
			return err
		}},
	},
}

// A contractCase is a case of any of the operations of contracts.json.
type contractCase struct {
	Name, Op string

	// create: the name of the case says what
	OK    bool
	Error *recordedError

	// describe; Type is of create as well
	URI, Type       string
	Description     *string
	Domain          *string
	Metadata        map[string]any
	SystemErrorType string
	Any             string
	Versions        json.RawMessage // of create: the numbers
	JSONSchema      map[string]any

	// sort; Latest and Oldest are of describe as well
	Input          json.RawMessage
	Asc, Desc      []string
	Latest, Oldest string

	// dataschema, of Input
	Parsed  *struct{ URI, Version string }
	IsValid bool

	// compare
	A, B   string
	Result int

	// semver, of Input
	Valid, Wildcard bool
}

func checkContract(f *vectors.File, c vectors.Case) error {
	var k contractCase
	if err := c.Decode(&k); err != nil {
		return err
	}
	switch k.Op {
	case "describe":
		return k.describe(f.Flavor)
	case "create":
		return k.create()
	case "sort":
		return k.sort()
	case "dataschema":
		uri, version, ok := arvo.ParseDataSchema(textOf(k.Input))
		if ok != k.IsValid || ok != (k.Parsed != nil) || ok && (uri != k.Parsed.URI || version != k.Parsed.Version) {
			return fmt.Errorf("got %q, %q, %v", uri, version, ok)
		}
	case "compare":
		if got := arvo.CompareVersions(k.A, k.B); got != cmp.Compare(k.Result, 0) { // the original gives the difference
			return fmt.Errorf("got %d", got)
		}
	case "semver":
		input := textOf(k.Input)
		if arvo.IsVersion(input) != k.Valid || (input == arvo.WildcardVersion) != k.Wildcard {
			return fmt.Errorf("got %v, %v", arvo.IsVersion(input), input == arvo.WildcardVersion)
		}
	default:
		return fmt.Errorf("the op %q is not known", k.Op)
	}
	return nil
}

// describe compares a contract with what the original says of it.
func (k *contractCase) describe(flavor string) error {
	c, ok := recordedContracts(flavor)[k.Name]
	if !ok {
		return errors.New("the contract is not known")
	}
	recorded := map[string]any{
		"uri": k.URI, "type": k.Type, "metadata": anyMap(k.Metadata), "systemErrorType": k.SystemErrorType,
		"latest": k.Latest, "any": k.Any, "oldest": k.Oldest, "description": nullable(k.Description), "domain": nullable(k.Domain),
		"versions": inOrder(value(k.Versions)), "jsonSchema": inOrder(anyMap(k.JSONSchema)),
	}
	number := func(name string) string {
		v, err := c.Version(name)
		if err != nil {
			return err.Error()
		}
		return v.Number()
	}
	got := map[string]any{
		"uri": c.URI(), "type": c.Type(), "metadata": anyMap(c.Metadata()), "systemErrorType": c.SystemErrorType(),
		"latest": number("latest"), "any": number("any"), "oldest": number("oldest"), "description": c.Description(), "domain": c.Domain(),
		"jsonSchema": inOrder(value(c.JSONSchema())),
	}
	versions := []any{}
	for _, number := range c.Versions() {
		v, err := c.Version(number)
		if err != nil {
			return err
		}
		fault, err := v.SystemError(errors.New("x"), arvo.Draft{Source: c.Type(), Subject: "s"})
		if err != nil {
			return err
		}
		emits := []any{}
		for _, t := range v.EmitTypes() {
			emits = append(emits, t)
		}
		versions = append(versions, map[string]any{
			"version": number, "dataschema": v.DataSchema(), "systemErrorDataschema": fault.DataSchema,
			"acceptsType": v.Contract().Type(), "emits": emits,
		})
	}
	got["versions"] = inOrder(versions)
	if flavor == "v2" { // it knows no domains
		withoutDomains(got)
		withoutDomains(recorded)
	}
	return same("the contract", recorded, got)
}

func nullable(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// inOrder sorts the lists of a document that are sets, and drops the descriptions of its schemas, which are for people.
func inOrder(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = inOrder(member)
			if schema, ok := member.(map[string]any); ok && schema["type"] != nil {
				delete(schema, "description")
			}
			if list, ok := member.([]any); ok && (name == "emits" || name == "required") {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(sortKey(a), sortKey(b)) })
			}
			if union, ok := member.(map[string]any); ok && union["anyOf"] != nil {
				delete(union, "description")
			}
		}
	case []any:
		for i := range v {
			v[i] = inOrder(v[i])
		}
	}
	return v
}

func sortKey(v any) string {
	if object, ok := v.(map[string]any); ok {
		v = object["type"]
	}
	return fmt.Sprint(v)
}

func withoutDomains(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "domain")
		for _, member := range v {
			withoutDomains(member)
		}
	case []any:
		for _, member := range v {
			withoutDomains(member)
		}
	}
}

// anything is the schema of an object about which nothing is said.
var anything = arvo.SchemaJSON([]byte(`{"type":"object","properties":{},"additionalProperties":false}`))

// specWith makes the contract that the cases of "create" change in one place.
func specWith(change func(*arvo.ContractSpec)) func() (*arvo.Contract, error) {
	return func() (*arvo.Contract, error) {
		spec := arvo.ContractSpec{
			URI: "#/a/b", Type: "com.a.b", Versions: map[string]arvo.VersionSpec{"1.0.0": {Accepts: anything}},
		}
		change(&spec)
		return arvo.NewContract(spec)
	}
}

func withType(t string) func() (*arvo.Contract, error) {
	return specWith(func(s *arvo.ContractSpec) { s.Type = t })
}

func withURI(uri string) func() (*arvo.Contract, error) {
	return specWith(func(s *arvo.ContractSpec) { s.URI = uri })
}

func withDomain(domain string) func() (*arvo.Contract, error) {
	return specWith(func(s *arvo.ContractSpec) { s.Domain = domain })
}

func withVersion(number string, emits ...string) func() (*arvo.Contract, error) {
	return specWith(func(s *arvo.ContractSpec) {
		v := arvo.VersionSpec{Accepts: anything, Emits: make(map[string]arvo.Schema)}
		for _, t := range emits {
			v.Emits[t] = anything
		}
		s.Versions = map[string]arvo.VersionSpec{number: v}
	})
}

func simple(t string) func() (*arvo.Contract, error) {
	return func() (*arvo.Contract, error) {
		return arvo.NewSimpleContract(arvo.SimpleSpec{
			URI: "#/a", Type: t, Versions: map[string]arvo.SimpleVersion{"1.0.0": {Accepts: anything, Emits: anything}},
		})
	}
}

func orchestrator(name string) func() (*arvo.Contract, error) {
	return func() (*arvo.Contract, error) {
		return arvo.NewOrchestratorContract(arvo.OrchestratorSpec{
			URI: "#/a", Name: name, Versions: map[string]arvo.OrchestratorVersion{"1.0.0": {Init: anything, Complete: anything}},
		})
	}
}

// contractSpecs make the contracts of the cases of "create", which say by name what is tried.
var contractSpecs = map[string]func() (*arvo.Contract, error){
	"valid minimal, empty emits":                                  specWith(func(*arvo.ContractSpec) {}),
	"README quick-start type user.validate (two segments)":        withType("user.validate"),
	"type with orchestrator prefix":                               withType("arvo.orc.a"),
	"type starting with arvo.orchestra (prefix match is textual)": withType("arvo.orchestra.a"),
	"emit type with orchestrator prefix":                          withVersion("1.0.0", "arvo.orc.x"),
	"emit type invalid":                                           withVersion("1.0.0", "x.y"),
	"wildcard version":                                            withVersion("0.0.0"),
	"bad version":                                                 withVersion("1.0"),
	"no versions":                                                 specWith(func(s *arvo.ContractSpec) { s.Versions = nil }),
	"uri empty":                                                   withURI(""),
	"uri with space":                                              withURI("#/a b"),
	"simple contract one-segment type":                            simple("single"),
	"simple contract two-segment type":                            simple("a.b"),
	"orchestrator name with dash":                                 orchestrator("a-b"),
	"orchestrator name dotted":                                    orchestrator("agent.reflector"),
	"domain invalid":                                              withDomain("A B"),
	"domain empty":                                                withDomain(""),
	"domain ok":                                                   withDomain("a.b"),
	"version() of missing version": func() (*arvo.Contract, error) {
		c, err := specWith(func(*arvo.ContractSpec) {})()
		if err == nil {
			_, err = c.Version("9.9.9")
		}
		return c, err
	},
}

// create tries to make a contract. A contract is made by a program from constants: the original's codes for what is wrong
// with one have no counterpart, the message is for the author.
func (k *contractCase) create() error {
	spec, ok := contractSpecs[k.Name]
	if !ok {
		return errors.New("the contract is not known")
	}
	c, err := spec()
	if !k.OK {
		if err == nil {
			return fmt.Errorf("accepted; the original says %s%v", k.Error.Message, k.Error.Issues)
		}
		return nil
	}
	if err != nil {
		return err
	}
	versions := []any{}
	for _, number := range c.Versions() {
		versions = append(versions, number)
	}
	return same("the contract", map[string]any{"type": k.Type, "versions": value(k.Versions)}, map[string]any{"type": c.Type(), "versions": versions})
}

// sort compares the order of versions.
func (k *contractCase) sort() error {
	var numbers []string
	if err := json.Unmarshal(k.Input, &numbers); err != nil {
		return err
	}
	c, err := specWith(func(s *arvo.ContractSpec) {
		s.Versions = make(map[string]arvo.VersionSpec)
		for _, number := range numbers {
			s.Versions[number] = arvo.VersionSpec{Accepts: anything}
		}
	})()
	if err != nil {
		return err
	}
	latest, err := c.Version("latest")
	if err != nil {
		return err
	}
	oldest, err := c.Version("oldest")
	if err != nil {
		return err
	}
	descending := c.Versions()
	slices.Reverse(descending)
	if !slices.Equal(c.Versions(), k.Asc) || !slices.Equal(descending, k.Desc) || latest.Number() != k.Latest || oldest.Number() != k.Oldest {
		return fmt.Errorf("got %v, latest %s, oldest %s", c.Versions(), latest.Number(), oldest.Number())
	}
	return nil
}
