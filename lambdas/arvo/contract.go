package arvo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/arvo/lambdas/jsontext"
)

// A Contract is what a handler promises: the type of event it accepts, the types it emits, and what their data looks
// like, in one or more versions. It is immutable and safe for concurrent use.
type Contract struct {
	spec         ContractSpec
	orchestrator bool
	versions     map[string]*Version
	sorted       []string // ascending
	progress     map[string]bool
}

// A ContractSpec is what NewContract is told.
type ContractSpec struct {
	URI         string         // names the contract, e.g. #/services/payment/charge; URI-encoded
	Type        string         // what is accepted, e.g. com.payment.charge; also the source and address of the handler
	Description string         // optional
	Metadata    map[string]any // optional; free, exported with the contract
	Domain      string         // optional; see the Domain constants
	Versions    map[string]VersionSpec
}

// A VersionSpec is one version of a contract. Its key in ContractSpec.Versions is three numbers like 1.0.0.
type VersionSpec struct {
	Accepts  Schema
	Emits    map[string]Schema // by event type; may be empty
	Progress []string          // the types of Emits that leave a request unfinished
}

// orchestratorPrefix begins the types of orchestrators, and no other's.
const orchestratorPrefix = "arvo.orc"

// NewContract checks a contract. Types under arvo.orc are refused: see NewOrchestratorContract.
func NewContract(spec ContractSpec) (*Contract, error) {
	for _, v := range slices.Sorted(maps.Keys(spec.Versions)) {
		for _, t := range append([]string{spec.Type}, slices.Sorted(maps.Keys(spec.Versions[v].Emits))...) {
			if strings.HasPrefix(t, orchestratorPrefix) {
				return nil, fmt.Errorf("arvo: contract %s: type %q: %s is reserved for orchestrators", spec.URI, t, orchestratorPrefix)
			}
		}
	}
	return newContract(spec)
}

func newContract(spec ContractSpec) (*Contract, error) {
	fail := func(format string, args ...any) (*Contract, error) {
		return nil, fmt.Errorf("arvo: contract %s: "+format, append([]any{spec.URI}, args...)...)
	}
	switch {
	case spec.URI == "":
		return nil, fmt.Errorf("arvo: contract of type %q: the URI is empty", spec.Type)
	case !uriEncoded(spec.URI):
		return fail("the URI is not URI-encoded")
	case !isEventType(spec.Type):
		return fail("type %q is not a reverse-DNS name of at least three lower-case segments", spec.Type)
	case spec.Domain != "" && !isDomain(spec.Domain):
		return fail("domain %q has characters besides lower-case letters, digits and dots", spec.Domain)
	case len(spec.Versions) == 0:
		return fail("there is no version")
	}
	if _, err := json.Marshal(spec.Metadata); err != nil {
		return fail("metadata: %w", err)
	}
	c := &Contract{spec: spec, versions: make(map[string]*Version), progress: make(map[string]bool)}
	c.spec.Metadata, c.spec.Versions = maps.Clone(spec.Metadata), nil // each has become a Version
	for _, number := range slices.Sorted(maps.Keys(spec.Versions)) {
		v := spec.Versions[number]
		switch {
		case !IsVersion(number):
			return fail("version %q is not three numbers like 1.0.0", number)
		case CompareVersions(number, WildcardVersion) == 0:
			return fail("version %s is reserved", number)
		}
		if err := v.Accepts.object(); err != nil {
			return fail("version %s: accepts: %w", number, err)
		}
		emits := slices.Sorted(maps.Keys(v.Emits))
		for _, t := range emits {
			if !isEventType(t) {
				return fail("version %s: emitted type %q is not a reverse-DNS name of at least three lower-case segments", number, t)
			}
			if err := v.Emits[t].object(); err != nil {
				return fail("version %s: emits %s: %w", number, t, err)
			}
		}
		for _, t := range v.Progress {
			if _, ok := v.Emits[t]; !ok {
				return fail("version %s: progress %q is not emitted", number, t)
			}
			c.progress[t] = true
		}
		c.versions[number] = &Version{
			contract: c, number: number, dataSchema: spec.URI + "/" + number,
			accepts: v.Accepts, emits: maps.Clone(v.Emits), emitTypes: emits, progress: slices.Clone(v.Progress),
		}
		c.sorted = append(c.sorted, number)
	}
	slices.SortFunc(c.sorted, CompareVersions)
	return c, nil
}

// MustContract panics on err; it is for contracts in package variables.
func MustContract(c *Contract, err error) *Contract {
	if err != nil {
		panic(err)
	}
	return c
}

// A SimpleSpec describes a contract of one kind of answer: type T accepts com.T and emits evt.T.success.
type SimpleSpec struct {
	URI         string
	Type        string // T, of at least two segments, e.g. payment.charge; not com.payment.charge
	Description string
	Metadata    map[string]any
	Domain      string
	Versions    map[string]SimpleVersion
}

// A SimpleVersion is one version of a simple contract.
type SimpleVersion struct{ Accepts, Emits Schema }

// NewSimpleContract makes the contract of a service with one kind of answer. A Type that begins with com. or evt. already is
// refused: it would be there twice. (NewContract takes it, for whoever does want com.com.)
func NewSimpleContract(spec SimpleSpec) (*Contract, error) {
	for _, prefix := range []string{"com.", "evt."} {
		if rest, ok := strings.CutPrefix(spec.Type, prefix); ok {
			return nil, fmt.Errorf("arvo: contract %s: type %q: %s is put before it here; the type is %q", spec.URI, spec.Type, prefix, rest)
		}
	}
	c := ContractSpec{
		URI: spec.URI, Type: "com." + spec.Type, Description: spec.Description, Domain: spec.Domain,
		Metadata: withMetadata(spec.Metadata, map[string]any{"contractType": "SimpleArvoContract", "rootType": spec.Type}),
		Versions: make(map[string]VersionSpec),
	}
	for number, v := range spec.Versions {
		c.Versions[number] = VersionSpec{Accepts: v.Accepts, Emits: map[string]Schema{"evt." + spec.Type + ".success": v.Emits}}
	}
	return NewContract(c)
}

// An OrchestratorSpec describes a contract of an orchestrator: name N accepts arvo.orc.N and emits arvo.orc.N.done.
type OrchestratorSpec struct {
	URI         string
	Name        string // N, lower-case letters, digits and dots, e.g. fulfilment
	Description string
	Metadata    map[string]any
	Domain      string
	Versions    map[string]OrchestratorVersion
}

// An OrchestratorVersion is one version of an orchestrator's contract. Init, an object schema, gets a further required
// property, ParentSubject.
type OrchestratorVersion struct{ Init, Complete Schema }

// ParentSubject is the property of an orchestrator's input that tells on whose behalf it runs: the subject of the parent
// process, or null.
const ParentSubject = "parentSubject$$"

const parentSubjectSchema = `{"anyOf":[{"type":"string","minLength":1},{"type":"null"}],` +
	`"description":"The subject of the process on whose behalf this one runs; null for a process that nobody waits for under another subject."}`

// NewOrchestratorContract makes the contract of an orchestrator.
func NewOrchestratorContract(spec OrchestratorSpec) (*Contract, error) {
	if !isDomain(spec.Name) {
		return nil, fmt.Errorf("arvo: contract %s: orchestrator name %q has characters besides lower-case letters, digits and dots", spec.URI, spec.Name)
	}
	typ := orchestratorPrefix + "." + spec.Name
	c := ContractSpec{
		URI: spec.URI, Type: typ, Description: spec.Description, Domain: spec.Domain,
		Metadata: withMetadata(spec.Metadata, map[string]any{
			"contractType": "ArvoOrchestratorContract", "rootType": spec.Name, "initEventType": typ, "completeEventType": typ + ".done",
		}),
		Versions: make(map[string]VersionSpec),
	}
	for number, v := range spec.Versions {
		if err := v.Init.object(); err != nil {
			return nil, fmt.Errorf("arvo: contract %s: version %s: init: %w", spec.URI, number, err)
		}
		doc, err := withParentSubject(v.Init.JSON())
		if err != nil {
			return nil, fmt.Errorf("arvo: contract %s: version %s: init: %w", spec.URI, number, err)
		}
		c.Versions[number] = VersionSpec{Accepts: SchemaJSON(doc), Emits: map[string]Schema{typ + ".done": v.Complete}}
	}
	made, err := newContract(c)
	if err != nil {
		return nil, err
	}
	made.orchestrator = true
	return made, nil
}

func withMetadata(given, added map[string]any) map[string]any {
	m := make(map[string]any, len(given)+len(added))
	maps.Copy(m, given)
	maps.Copy(m, added)
	return m
}

// withParentSubject adds the property ParentSubject, first and required, to an object schema that does not have it.
func withParentSubject(doc json.RawMessage) (json.RawMessage, error) {
	var object struct {
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
	}
	if err := json.Unmarshal(doc, &object); err != nil || object.Properties == nil {
		return nil, errors.New("must be an object schema with properties")
	}
	if _, ok := object.Properties[ParentSubject]; ok {
		return doc, nil
	}
	required, err := jsontext.Marshal(append([]string{ParentSubject}, object.Required...))
	if err != nil {
		return nil, err
	}
	out := []byte{'{'}
	m, err := jsontext.OpenObject(doc, jsontext.Space(doc, 0), 0)
	for err == nil && m.Next() {
		if m.End, err = jsontext.Value(doc, m.Value, 0); err != nil {
			break
		}
		switch string(m.RawKey()) {
		case "required":
			continue
		case "properties":
			out = append(out, `"properties":{"`+ParentSubject+`":`+parentSubjectSchema...)
			if len(object.Properties) > 0 {
				out = append(out, ',')
			}
			out = append(out, bytes.TrimSpace(doc[m.Value:m.End])[1:]...)
		default:
			out = append(out, doc[m.Start:m.End]...)
		}
		out = append(out, ',')
	}
	if _, err := m.Close(err); err != nil {
		return nil, err
	}
	out = append(append(out, `"required":`...), required...)
	return append(out, '}'), nil
}

// URI names the contract.
func (c *Contract) URI() string { return c.spec.URI }

// Type is the event type that is accepted, and the source of the handler that accepts it.
func (c *Contract) Type() string { return c.spec.Type }

// Description is for people; it may be empty.
func (c *Contract) Description() string { return c.spec.Description }

// Domain is the contract's domain, "" for none.
func (c *Contract) Domain() string { return c.spec.Domain }

// Metadata is a copy of what the author attached.
func (c *Contract) Metadata() map[string]any { return withMetadata(c.spec.Metadata, nil) }

// SystemErrorType is the type of the event that says that the handler failed.
func (c *Contract) SystemErrorType() string { return "sys." + c.spec.Type + ".error" }

// IsOrchestrator reports whether NewOrchestratorContract made the contract.
func (c *Contract) IsOrchestrator() bool { return c.orchestrator }

// Versions lists the version numbers in ascending order.
func (c *Contract) Versions() []string { return slices.Clone(c.sorted) }

// IsProgress reports whether an event of this type leaves the request that it answers unfinished.
func (c *Contract) IsProgress(eventType string) bool { return c.progress[eventType] }

// Version finds a version: by its number, by "latest" or "any" (the highest), or by "oldest".
func (c *Contract) Version(number string) (*Version, error) {
	switch number {
	case "latest", "any":
		number = c.sorted[len(c.sorted)-1]
	case "oldest":
		number = c.sorted[0]
	}
	v, ok := c.versions[number]
	if !ok {
		return nil, fmt.Errorf("arvo: the contract (uri=%s) does not have version=%s", c.spec.URI, number)
	}
	return v, nil
}

// A Version is one version of a contract. Its methods make the events that the contract speaks of.
type Version struct {
	contract   *Contract
	number     string
	dataSchema string
	accepts    Schema
	emits      map[string]Schema
	emitTypes  []string
	progress   []string // those that leave a request unfinished
}

// Contract is the contract that v is a version of.
func (v *Version) Contract() *Contract { return v.contract }

// Number is the version's number, e.g. 1.0.0.
func (v *Version) Number() string { return v.number }

// DataSchema is the dataschema of the events of this version but for system errors: <uri>/<number>.
func (v *Version) DataSchema() string { return v.dataSchema }

// EmitTypes lists the types that are emitted, sorted; system errors are not among them.
func (v *Version) EmitTypes() []string { return slices.Clone(v.emitTypes) }

// Schema is the schema of the data of an event type: the accepted one, one of the emitted ones, or the system error's.
func (v *Version) Schema(eventType string) (Schema, bool) {
	switch eventType {
	case v.contract.spec.Type:
		return v.accepts, true
	case v.contract.SystemErrorType():
		return systemErrorSchema, true
	}
	s, ok := v.emits[eventType]
	return s, ok
}

var systemErrorSchema = SchemaJSON([]byte(`{"type":"object","properties":{` +
	`"errorName":{"type":"string","description":"The name of the error."},` +
	`"errorMessage":{"type":"string","description":"What happened, for people."},` +
	`"errorStack":{"type":["string","null"],"description":"Where it happened; null unless the author wants it told."}},` +
	`"required":["errorName","errorMessage","errorStack"],"additionalProperties":false}`))

// JSONSchema is the contract as a document for other languages: {uri, domain, description, metadata, versions: [{domain,
// version, accepts {type, schema}, systemError {type, schema}, emits [{type, schema}], metadata}]}, versions ascending,
// emits by type. A version with progress types has them as a list, progress.
func (c *Contract) JSONSchema() json.RawMessage {
	type event struct {
		Type   string          `json:"type"`
		Schema json.RawMessage `json:"schema"`
	}
	type version struct {
		Domain      *string        `json:"domain"`
		Version     string         `json:"version"`
		Accepts     event          `json:"accepts"`
		SystemError event          `json:"systemError"`
		Emits       []event        `json:"emits"`
		Progress    []string       `json:"progress,omitempty"`
		Metadata    map[string]any `json:"metadata"`
	}
	nullable := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	doc := struct {
		URI         string         `json:"uri"`
		Domain      *string        `json:"domain"`
		Description *string        `json:"description"`
		Metadata    map[string]any `json:"metadata"`
		Versions    []version      `json:"versions"`
	}{c.spec.URI, nullable(c.spec.Domain), nullable(c.spec.Description), c.Metadata(), nil}
	for _, number := range c.sorted {
		v := c.versions[number]
		out := version{
			Domain: doc.Domain, Version: number, Metadata: doc.Metadata, Progress: v.progress,
			Accepts:     event{c.spec.Type, withDraft(v.accepts.JSON())},
			SystemError: event{c.SystemErrorType(), withDraft(systemErrorSchema.JSON())},
			Emits:       []event{},
		}
		for _, t := range v.emitTypes {
			out.Emits = append(out.Emits, event{t, withDraft(v.emits[t].JSON())})
		}
		doc.Versions = append(doc.Versions, out)
	}
	text, err := jsontext.Marshal(doc)
	if err != nil { // newContract has marshalled the metadata, all else is text and JSON
		panic(err)
	}
	return text
}

// withDraft names the dialect of a schema that does not: the keywords mean the same in draft-07 and later.
func withDraft(doc json.RawMessage) json.RawMessage {
	const member = `"$schema":"http://json-schema.org/draft-07/schema#"}`
	var has struct {
		Schema *string `json:"$schema"`
	}
	text := bytes.TrimSpace(doc)
	if err := json.Unmarshal(text, &has); err != nil || has.Schema != nil { // true and false are schemas, too
		return doc
	}
	out := bytes.TrimSpace(text[:len(text)-1])
	if len(out) > 1 {
		out = append(slices.Clip(out), ',')
	}
	return append(slices.Clip(out), member...)
}

// ParseDataSchema takes apart <uri>/<version>. The URI may be empty; ok is false when the end is no version.
func ParseDataSchema(s string) (uri, version string, ok bool) {
	version = s
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		uri, version = s[:i], s[i+1:]
	}
	if !IsVersion(version) {
		return "", "", false
	}
	return uri, version, true
}
