package logs

import (
	"time"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/wire"
)

// A Source is where log groups come from; [function.Service] is one.
type Source interface {
	LogGroups() []string
	Logs(group string, since time.Time, yield func(function.Line) bool)
}

// Options configure an [API].
type Options struct {
	Source          Source
	Region, Account string
}

// An API answers the operations of CloudWatch Logs.
type API struct{ options Options }

// New makes an API.
func New(o Options) *API { return &API{options: o} }

// Wire is the API for an endpoint.
func (a *API) Wire() wire.Service {
	return wire.Service{Prefix: "Logs_20140328", Version: "1.1", Operations: map[string]wire.Operation{}}
}
