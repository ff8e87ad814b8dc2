package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"example.com/arvo/telemetry/segment"
)

// errInterrupted is the failure of a run that was asked to end.
var errInterrupted = errors.New("interrupted")

// explain says in a person's words what stopped a call, and what to do about it. where is the endpoint, or the region.
func explain(err error, where string) error {
	var (
		failure smithy.APIError
		dns     *net.DNSError
		op      *net.OpError
		missing *aws.MissingRegionError
		strange *smithy.DeserializationError
		several *severalRequests
	)
	switch {
	case errors.As(err, &several):
		return err
	case errors.Is(err, context.Canceled):
		return errInterrupted
	case errors.As(err, &missing), strings.Contains(err.Error(), "Missing Region"):
		return errors.New("no region: give --region, or set AWS_REGION; for the local stack, --endpoint-url http://127.0.0.1:4566")
	case errors.As(err, &failure) && (failure.ErrorCode() == "UnknownError" || failure.ErrorCode() == ""):
		return notXRay(where) // what answers does not speak AWS's protocol
	case errors.As(err, &failure):
		return explainRefusal(failure, where)
	case errors.As(err, &dns):
		return fmt.Errorf("there is no host %s: is the region or --endpoint-url misspelt, or the network down?", dns.Name)
	case errors.As(err, &op):
		if isLoopback(where) {
			return fmt.Errorf("nothing answers at %s (%v): start the local stack with `go run ./lambdas/local`, and give the address that it prints after \"AWS services\"", where, op.Err)
		}
		return fmt.Errorf("cannot reach X-Ray at %s: %v", where, op.Err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("X-Ray at %s did not answer in time", where)
	case errors.As(err, &strange):
		return notXRay(where)
	case strings.Contains(err.Error(), "get identity") || strings.Contains(err.Error(), "credentials"):
		return fmt.Errorf("no AWS credentials: set AWS_PROFILE, or sign in (aws sso login, aws login); for the local stack, --endpoint-url http://127.0.0.1:4566 needs none (%v)", last(err))
	}
	return fmt.Errorf("X-Ray at %s: %w", where, last(err))
}

func explainRefusal(failure smithy.APIError, where string) error {
	code, message := failure.ErrorCode(), visible(failure.ErrorMessage())
	switch code {
	case "UnrecognizedClientException", "InvalidSignatureException", "InvalidClientTokenId", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature":
		return fmt.Errorf("%s does not accept the credentials (%s: %s): are they of this account and partition?", where, code, message)
	case "ExpiredTokenException", "ExpiredToken", "RequestExpired":
		return fmt.Errorf("the credentials have expired (%s): sign in again", code)
	case "AccessDeniedException", "AccessDenied":
		return fmt.Errorf("the credentials may not read X-Ray in %s (%s): the managed policy AWSXrayReadOnlyAccess allows it", where, message)
	case "ThrottledException", "ThrottlingException":
		return fmt.Errorf("X-Ray in %s throttles: try again in a moment", where)
	}
	return fmt.Errorf("X-Ray at %s refused: %s: %s", where, code, message)
}

// notXRay says that somebody else answers at an address.
func notXRay(where string) error {
	if isLoopback(where) {
		return fmt.Errorf("what answers at %s is not X-Ray: give the address that `go run ./lambdas/local` prints after \"AWS services\" (by default http://127.0.0.1:4566), not that of the REST API", where)
	}
	return fmt.Errorf("what answers at %s is not X-Ray: for AWS, leave --endpoint-url and AWS_ENDPOINT_URL out", where)
}

// last is the innermost error: the SDK's own layers tell what operation failed how, which the message says already.
func last(err error) error {
	for err != nil {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
	return nil
}

// notFound says that there is no trace, and what that may mean.
func notFound(q *question, r *recording, where string) error {
	var b strings.Builder
	switch {
	case r.unprocessed > 0 && !isLoopback(where):
		fmt.Fprintf(&b, "no trace %s in %s\n  X-Ray left it unprocessed, which may mean that it has no document of it, or is busy: try again in a moment.", q.trace, where)
	case q.trace.IsZero() && q.arvo != nil:
		fmt.Fprintf(&b, "no trace of this subject in %s\n", where)
		b.WriteString("  The subject names no trace in meta.trace, and no trace of the last 30 days has it as its annotation.")
	case q.trace.IsZero():
		fmt.Fprintf(&b, "no trace of the subject %s in %s\n", quoted(q.subject()), where)
		b.WriteString("  It is not a subject of Arvo's form, which would name its trace, and no trace of the last 30 days has it as its annotation.")
	case q.arvo != nil:
		fmt.Fprintf(&b, "no trace %s in %s\n  The subject names it in meta.trace, and X-Ray has no document of it.", q.trace, where)
	default:
		fmt.Fprintf(&b, "no trace %s in %s\n  X-Ray has no document of it.", q.trace, where)
	}
	if began := time.Unix(q.trace.Epoch(), 0).UTC(); !q.trace.IsZero() && time.Since(began) > retention && began.Year() > 2014 {
		fmt.Fprintf(&b, " By its id it began on %s, and X-Ray keeps traces for 30 days.", began.Format("2006-01-02"))
		return errors.New(b.String())
	}
	b.WriteString("\n  Was it sampled? Of a request that was not (Sampled=0, see the parameter TraceSampleRate) nothing is recorded, and nothing can be seen afterwards.")
	b.WriteString("\n  Is it young? Documents take a few seconds to arrive: ")
	if q.trace.IsZero() {
		b.WriteString("ask again in a moment, a subject is searched for once.")
	} else {
		b.WriteString("--wait 30s waits for them.")
	}
	b.WriteString(" Is this the right region and account?")
	if !q.trace.IsZero() && len(q.subjects) == 0 {
		fmt.Fprintf(&b, "\n  Is it a client's own trace, of its traceparent? No request of the last day names it; `aws xray get-trace-summaries` finds older ones\n  by --filter-expression '%s'.", q.ofClient())
	}
	return errors.New(b.String())
}

// severalRequests is the failure of a question about a client's own trace that does not say which of its requests is meant.
type severalRequests struct {
	client   segment.TraceID
	requests []segment.TraceID
}

func (e *severalRequests) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is a client's own trace, and %d requests of the last day name it, each with a trace of its own; ask for one of", e.client, len(e.requests))
	for i, id := range e.requests {
		if i == 10 {
			fmt.Fprintf(&b, "\n  and %d more", len(e.requests)-i)
			break
		}
		b.WriteString("\n  " + id.String())
	}
	return b.String()
}

func quoted(s string) string { return fmt.Sprintf("%q", cut(visible(s), 60)) }

// isLoopback tells whether an endpoint is this machine.
func isLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
