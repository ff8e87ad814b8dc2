package arvo

import "errors"

// The kinds of violations, for errors.Is. Every violation is an ErrViolation as well as one of its kind.
var (
	// ErrViolation is any violation.
	ErrViolation = errors.New("violation")
	// ErrContract: an event and a contract do not fit, at the input or at an output.
	ErrContract = errors.New("contract violation")
	// ErrConfig: the event reached a handler that does not serve it.
	ErrConfig = errors.New("config violation")
	// ErrExecution: the handler could not run to its end.
	ErrExecution = errors.New("execution violation")
	// ErrTransaction: the state of a workflow could not be read, locked or written.
	ErrTransaction = errors.New("transaction violation")
)

// The names of the built-in kinds, as other Arvo implementations spell them.
const (
	KindContract    = "Contract"
	KindConfig      = "Config"
	KindExecution   = "Execution"
	KindTransaction = "OrchestratorTransaction"
)

var kindErrors = map[string]error{
	KindContract: ErrContract, KindConfig: ErrConfig, KindExecution: ErrExecution, KindTransaction: ErrTransaction,
}

// A Violation is a failure that is not an answer: it is about the system and not about the request, so it goes to the
// host, which retries and in the end dead-letters the event. Any other error of an implementation becomes a system error
// event for the requester. An implementation may return a Violation of a kind of its own, e.g. "RATE_LIMIT".
type Violation struct {
	Kind     string         // one of the Kind constants or the author's own
	Message  string         // without the prefix that Error puts before it
	Cause    error          // may be nil; see errors.Unwrap
	Metadata map[string]any // may be nil; for the host's diagnosis. A panic has its stack, a string, under "stack"
}

// Error is "ViolationError<kind> message", as every Arvo implementation words it.
func (v *Violation) Error() string { return "ViolationError<" + v.Kind + "> " + v.Message }

// Unwrap returns the cause.
func (v *Violation) Unwrap() error { return v.Cause }

// Is makes every violation an ErrViolation, and one of a built-in kind that kind's error.
func (v *Violation) Is(target error) bool {
	return target == ErrViolation || target == kindErrors[v.Kind]
}

// IsViolation reports whether err is or wraps a violation.
func IsViolation(err error) bool { return errors.Is(err, ErrViolation) }
