// Package telemetry is what the functions import when BenchmarkTracingStart builds them without tracing: the same names, and
// nothing behind them.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
)

type Config struct {
	Getenv    func(string) string
	Out       io.Writer
	Random    io.Reader
	Contracts []*arvo.Contract
}

type Telemetry struct{}

func Setup(context.Context, Config) (*Telemetry, error) { return new(Telemetry), nil }

func Logs(next slog.Handler) slog.Handler { return next }

func (*Telemetry) Lambda(h lambda.Handler) lambda.Handler   { return h }
func (*Telemetry) HTTP(next http.Handler) http.Handler      { return next }
func (*Telemetry) Handler(next arvo.Handler) arvo.Handler   { return next }
func (*Telemetry) AWS(*aws.Config)                          {}
func (*Telemetry) Publishing(context.Context, []arvo.Event) {}
func (*Telemetry) Published(context.Context, broker.Entry)  {}
func (*Telemetry) Repeated(context.Context, arvo.Event)     {}
func (*Telemetry) Accepted(context.Context, arvo.Event)     {}
func (*Telemetry) Duplicate(context.Context, arvo.Event)    {}

func (*Telemetry) Create(_ context.Context, ev arvo.Event) arvo.Event { return ev }

func (*Telemetry) Ended(context.Context, arvo.Event, string, bool, time.Time) {}

func (*Telemetry) Delivery(next broker.Handle) broker.Handle { return next }

func Traceparent(context.Context) string { return "" }
