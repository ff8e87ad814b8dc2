package queue

import (
	"fmt"
	"net/http"
	"strings"

	"example.com/arvo/lambdas/local/wire"
)

// SQS's errors carry two codes: that of AWS JSON, and the older one of the query protocol in the header
// x-amzn-query-error, which SDKs that know both prefer. Most modelled errors have the prefix
// "AWS.SimpleQueueService." in the older form, a few historic ones another name, some only a shorter one.

const legacy = "AWS.SimpleQueueService."

func fail(code, queryCode, format string, args ...any) *wire.Error {
	return &wire.Error{Code: code, QueryCode: queryCode, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func invalidParameter(format string, args ...any) *wire.Error {
	return fail("InvalidParameterValueException", "InvalidParameterValue", format, args...)
}

func missingParameter(name string) *wire.Error {
	return fail("MissingRequiredParameterException", "MissingParameter", "The request must contain the parameter %s.", name)
}

func invalidAttribute(name string) *wire.Error {
	return fail("InvalidAttributeValue", "InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

func unknownAttribute(name string) *wire.Error {
	return fail("InvalidAttributeName", "InvalidAttributeName", "Unknown Attribute %s.", clip(name))
}

func unsupported(format string, args ...any) *wire.Error {
	return fail("UnsupportedOperation", legacy+"UnsupportedOperation", format, args...)
}

func errNoQueue() *wire.Error {
	return fail("QueueDoesNotExist", legacy+"NonExistentQueue", "The specified queue does not exist.")
}

func errNotFound(format string, args ...any) *wire.Error {
	err := fail("ResourceNotFoundException", "ResourceNotFoundException", format, args...)
	err.Status = http.StatusNotFound
	return err
}

func errBadAddress(address string) *wire.Error {
	err := fail("InvalidAddress", "InvalidAddress", "The address %s is not valid for this endpoint.", clip(address))
	err.Status = http.StatusNotFound
	return err
}

func errBadHandle(handle string) *wire.Error {
	err := fail("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle \"%s\" is not a valid receipt handle.", clip(handle))
	err.Status = http.StatusNotFound
	return err
}

func errOverLimit() *wire.Error {
	err := fail("OverLimit", "OverLimit", "Too many messages in flight: a queue may have at most %d.", MaxInFlight)
	err.Status = http.StatusForbidden
	return err
}

func errPurging(queue string) *wire.Error {
	err := fail("PurgeQueueInProgress", legacy+"PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", queue)
	err.Status = http.StatusForbidden
	return err
}

func errTooLong(limit int) *wire.Error {
	return invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
}

func invalidContents(where string, offset int, r rune) *wire.Error {
	return fail("InvalidMessageContents", "InvalidMessageContents", "Invalid binary character '#x%X' at byte %d of the %s, the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF", r, offset, where)
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
