package broker

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"example.com/arvo/lambdas/arvo"
)

// panicked makes a violation of a panic that was recovered, with the stack where [arvo.Service] puts it. Of the value only
// the type is told, unless the runtime has thrown it: what code of others panics with may be somebody's data.
func panicked(who string, value any) error {
	v := &arvo.Violation{
		Kind: arvo.KindExecution, Message: fmt.Sprintf("%s panicked with a %T", who, value),
		Metadata: map[string]any{"stack": string(debug.Stack())},
	}
	v.Cause, _ = value.(error)
	if fault, ok := value.(runtime.Error); ok {
		v.Message = fmt.Sprintf("%s panicked: %v", who, fault)
	}
	return v
}

// stackOf returns the stack of the panic that led to err, "" without one.
func stackOf(err error) string {
	for v := (*arvo.Violation)(nil); errors.As(err, &v); err = v.Cause {
		if stack, ok := v.Metadata["stack"].(string); ok {
			return stack
		}
	}
	return ""
}
