package telemetry

import "go.opentelemetry.io/otel/codes"

const (
	statusError = codes.Error
	statusOK    = codes.Ok
)

// statusNumber is OTLP's number of a status; the API counts otherwise.
var statusNumber = map[codes.Code]int64{codes.Unset: 0, codes.Ok: 1, codes.Error: 2}
