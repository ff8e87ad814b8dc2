// Package arvo: first cut of the exported names; the bodies follow.
package arvo

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

const (
	MaxEvent   = 256 << 10 // bytes of a serialised event
	MaxSubject = 1000      // bytes of a subject

	SpecVersion     = "1.0"
	DataContentType = "application/cloudevents+json;charset=UTF-8;profile=arvo"
	WildcardVersion = "0.0.0"

	DomainLocal                = ""
	DomainFromSelfContract     = "domain.contract.self.inherit"
	DomainFromEventContract    = "domain.contract.inherit"
	DomainFromTriggeringEvent  = "domain.event.inherit"
	DomainFromCurrentSubject   = "domain.event.current.subject"
	DomainFromParentSubject    = "domain.parent.subject"
	DomainOrchestrationContext = "domain.orchestration.context"
)

var errSkeleton = errors.New("arvo: not written yet")

type Extension struct {
	Name  string
	Value json.RawMessage
}

type Event struct {
	ID, Source, SpecVersion, Type, Subject, DataContentType, DataSchema string
	Data                                                                json.RawMessage
	Time                                                                string
	To, AccessControl, RedirectTo                                       string
	ExecutionUnits                                                      *float64
	Traceparent, Tracestate, ParentID, Domain                           string
	Extensions                                                          []Extension
}

// Draft: what New and the factories take; Data is marshalled (json.RawMessage is taken as it is).
type Draft struct {
	ID, Source, SpecVersion, Type, Subject, DataContentType, DataSchema string
	Data                                                                any
	Time                                                                string
	To, AccessControl, RedirectTo                                       string
	ExecutionUnits                                                      *float64
	Traceparent, Tracestate, ParentID, Domain                           string
	Extensions                                                          []Extension
}

type Issue struct {
	Path    []string `json:"path"`
	Code    string   `json:"code"`
	Message string   `json:"message"`
}

func (i Issue) Pointer() string { return "" }

type ValidationError struct {
	What   string
	Issues []Issue
}

func (e *ValidationError) Error() string { return e.What }

var ErrSyntax = errors.New("arvo: not a JSON text")

func Parse(src []byte) (Event, error)                                                    { return Event{}, errSkeleton }
func ParseStrict(src []byte) (Event, error)                                              { return Event{}, errSkeleton }
func New(d Draft) (Event, error)                                                         { return Event{}, errSkeleton }
func (e Event) Validate() error                                                          { return errSkeleton }
func (e Event) AppendJSON(dst []byte) ([]byte, error)                                    { return nil, errSkeleton }
func (e Event) MarshalJSON() ([]byte, error)                                             { return nil, errSkeleton }
func (e *Event) UnmarshalJSON(b []byte) error                                            { return errSkeleton }
func (e Event) WithTrace(traceparent, tracestate string) Event                           { return e }
func (e Event) Extension(name string) (json.RawMessage, bool)                            { return nil, false }
func (e Event) WithExtension(name string, v any) (Event, error)                          { return e, errSkeleton }
func DeriveID(subject, inputSource, inputID, handlerSource, index, domain string) string { return "" }
func ManagedID(value string) (string, error)                                             { return "", errSkeleton }
func ParseManagedID(id string) (uuid, value string, err error)                           { return "", "", errSkeleton }

type Orchestrator struct{ Name, Version string }
type Execution struct{ ID, Initiator, Domain string }
type Subject struct {
	Orchestrator Orchestrator
	Execution    Execution
	Meta         map[string]string
	Content      string // the JSON that travelled, unknown members included
}
type SubjectSpec struct {
	Orchestrator, Version string // Version "" is the wildcard
	Initiator, Domain     string
	ID                    string // "" is a fresh UUIDv4
	Meta                  map[string]string
}

func NewSubject(s SubjectSpec) (string, error)                 { return "", errSkeleton }
func SubjectFrom(parent string, s SubjectSpec) (string, error) { return "", errSkeleton }
func ParseSubject(s string) (Subject, error)                   { return Subject{}, errSkeleton }
func (s Subject) Encode() (string, error)                      { return "", errSkeleton }

type Schema struct{}

func SchemaFor[T any]() Schema                              { return Schema{} }
func SchemaJSON(doc []byte) Schema                          { return Schema{} }
func (s Schema) Err() error                                 { return nil }
func (s Schema) JSON() json.RawMessage                      { return nil }
func (s Schema) Validate(data []byte) error                 { return errSkeleton }
func (s Schema) Clean(data []byte) (json.RawMessage, error) { return nil, errSkeleton }

type VersionSpec struct {
	Accepts  Schema
	Emits    map[string]Schema
	Progress []string
}
type ContractSpec struct {
	URI, Type, Description string
	Metadata               map[string]any
	Domain                 string
	Versions               map[string]VersionSpec
}
type SimpleVersion struct{ Accepts, Emits Schema }
type SimpleSpec struct {
	URI, Type, Description string // Type T accepts com.T and emits evt.T.success
	Metadata               map[string]any
	Domain                 string
	Versions               map[string]SimpleVersion
}
type OrchestratorVersion struct{ Init, Complete Schema }
type OrchestratorSpec struct {
	URI, Name, Description string // Name N accepts arvo.orc.N and emits arvo.orc.N.done
	Metadata               map[string]any
	Domain                 string
	Versions               map[string]OrchestratorVersion
}
type Contract struct{}

func NewContract(s ContractSpec) (*Contract, error)                 { return nil, errSkeleton }
func NewSimpleContract(s SimpleSpec) (*Contract, error)             { return nil, errSkeleton }
func NewOrchestratorContract(s OrchestratorSpec) (*Contract, error) { return nil, errSkeleton }
func MustContract(c *Contract, err error) *Contract                 { return c }
func (c *Contract) URI() string                                     { return "" }
func (c *Contract) Type() string                                    { return "" }
func (c *Contract) Description() string                             { return "" }
func (c *Contract) Domain() string                                  { return "" }
func (c *Contract) Metadata() map[string]any                        { return nil }
func (c *Contract) SystemErrorType() string                         { return "" }
func (c *Contract) Versions() []string                              { return nil }
func (c *Contract) Version(v string) (*Version, error)              { return nil, errSkeleton }
func (c *Contract) IsProgress(eventType string) bool                { return false }
func (c *Contract) JSONSchema() json.RawMessage                     { return nil }

type Version struct{}

func (v *Version) Contract() *Contract                            { return nil }
func (v *Version) Number() string                                 { return "" }
func (v *Version) DataSchema() string                             { return "" }
func (v *Version) EmitTypes() []string                            { return nil }
func (v *Version) Schema(eventType string) (Schema, bool)         { return Schema{}, false }
func (v *Version) Accepts(d Draft) (Event, error)                 { return Event{}, errSkeleton }
func (v *Version) Emits(eventType string, d Draft) (Event, error) { return Event{}, errSkeleton }
func (v *Version) SystemError(err error, d Draft) (Event, error)  { return Event{}, errSkeleton }
func (v *Version) Init(d Draft) (Event, error)                    { return Event{}, errSkeleton }
func (v *Version) Complete(d Draft) (Event, error)                { return Event{}, errSkeleton }

func ParseDataSchema(s string) (uri, version string, ok bool) { return "", "", false }
func CompareVersions(a, b string) int                         { return 0 }
func IsVersion(s string) bool                                 { return false }

var (
	ErrViolation   = errors.New("violation")
	ErrContract    = errors.New("contract violation")
	ErrConfig      = errors.New("config violation")
	ErrExecution   = errors.New("execution violation")
	ErrTransaction = errors.New("transaction violation")
)

type Violation struct {
	Kind     string
	Message  string
	Cause    error
	Metadata map[string]any
}

func (v *Violation) Error() string { return v.Message }
func (v *Violation) Unwrap() error { return v.Cause }
func IsViolation(err error) bool   { return errors.Is(err, ErrViolation) }

type Input[T any] struct {
	Event   Event
	Data    T
	Version *Version
}
type Output struct {
	Type                          string
	Data                          any
	To, RedirectTo, AccessControl string
	ExecutionUnits                *float64
	ID, Time                      string
	Extensions                    []Extension
	Domains                       []string
}

// An Option of NewService: Implement, ExecutionUnits, EmitDomains, ErrorDomains, Clock.
type Option func(*Service) error
type Service struct{}

func NewService(c *Contract, opts ...Option) (*Service, error)           { return nil, errSkeleton }
func MustService(s *Service, err error) *Service                         { return s }
func (s *Service) Handle(ctx context.Context, in Event) ([]Event, error) { return nil, errSkeleton }
func (s *Service) Contract() *Contract                                   { return nil }
func (s *Service) Source() string                                        { return "" }
func Implement[T any](version string, f func(ctx context.Context, in Input[T]) ([]Output, error)) Option {
	return nil
}
func ExecutionUnits(n float64) Option       { return nil }
func EmitDomains(domains ...string) Option  { return nil }
func ErrorDomains(domains ...string) Option { return nil }
func Clock(now func() time.Time) Option     { return nil }
func Units(n float64) *float64              { return &n }
