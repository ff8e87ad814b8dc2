package queue

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"example.com/arvo/lambdas/local/wire"
)

// Errors carry two codes: the modelled one of AWS JSON, and the older one of the query protocol, which SDKs prefer
// when the header x-amzn-query-error is present. Shapes that the model knows have the prefix
// "AWS.SimpleQueueService." there; a few historic ones do not.

func fail(code, queryCode, format string, args ...any) *wire.Error {
	return &wire.Error{Code: code, QueryCode: queryCode, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func invalidParameter(format string, args ...any) *wire.Error {
	return fail("InvalidParameterValue", "InvalidParameterValue", format, args...)
}

func missingParameter(name string) *wire.Error {
	return fail("MissingParameter", "MissingParameter", "The request must contain the parameter %s.", name)
}

func errNoQueue() *wire.Error {
	return fail("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

func errBadHandle(handle string) *wire.Error {
	return fail("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle \"%s\" is not a valid receipt handle.", clip(handle))
}

func errClosed() *wire.Error {
	return &wire.Error{Code: "ServiceUnavailable", Message: "SQS is shutting down.", Status: http.StatusServiceUnavailable}
}

// clip bounds what an error message repeats of a request.
func clip(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

func seconds(d time.Duration) float64 { return d.Seconds() }
