package mapping

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/wire"
)

// A Config describes a mapping. The zero value of every field but ID, Queue and Function means AWS's default.
type Config struct {
	ID       string       // a UUID
	Queue    *queue.Queue // event source
	Function string       // name or ARN, passed to the Invoker as it is

	BatchSize               int           // records of one invocation at most, 1 to 10,000; 0 means 10
	Window                  time.Duration // how long a batch waits to become full: whole seconds, 0 to 5 min; at least 1 s for a BatchSize over 10
	MaxConcurrency          int           // concurrent invocations at most, 2 to 1000; 0 means no limit of this mapping's own
	Filters                 []string      // event patterns over the key "body", at most 5; a message is passed on if one matches. None means all
	ReportBatchItemFailures bool          // the function names the records that failed
	Disabled                bool
}

const (
	defaultTimeout   = 3 * time.Second
	defaultBatchSize = 10
	maxBatchSize     = 10_000
	maxUnwindowed    = 10 // batch size without a window
	maxWindow        = 5 * time.Minute
	minConcurrency   = 2
	maxConcurrency   = 1000
)

// normalize fills in the defaults and checks the ranges. timeout is the function's.
func (c *Config) normalize(timeout time.Duration) error {
	if _, err := uuid.Parse(c.ID); err != nil {
		return invalid("The event source mapping's ID %q is no UUID: %v", c.ID, err)
	}
	if c.Queue == nil {
		return invalid("The event source mapping %s has no queue", c.ID)
	}
	if c.Function == "" {
		return invalid("The event source mapping %s has no function", c.ID)
	}
	if c.BatchSize == 0 {
		c.BatchSize = defaultBatchSize
	}
	if c.BatchSize < 1 || c.BatchSize > maxBatchSize {
		return badBatchSize(c.BatchSize)
	}
	if c.Window < 0 || c.Window > maxWindow || c.Window%time.Second != 0 {
		return invalid("MaximumBatchingWindowInSeconds %v is not a whole number between 0 and %v", c.Window.Seconds(), maxWindow.Seconds())
	}
	if c.BatchSize > maxUnwindowed && c.Window == 0 {
		return invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than %d", maxUnwindowed)
	}
	if c.MaxConcurrency != 0 && (c.MaxConcurrency < minConcurrency || c.MaxConcurrency > maxConcurrency) {
		return badConcurrency(c.MaxConcurrency)
	}
	if visibility := *c.Queue.Config().VisibilityTimeout; timeout > visibility {
		return invalid("Queue visibility timeout: %v seconds is less than Function timeout: %v seconds", visibility.Seconds(), timeout.Seconds())
	}
	return nil
}

func badBatchSize(n int) error {
	return invalid("BatchSize %d is not between 1 and %d", n, maxBatchSize)
}

func badConcurrency(n int) error {
	return invalid("ScalingConfig.MaximumConcurrency %d is not between %d and %d", n, minConcurrency, maxConcurrency)
}

// region and account come from the queue's ARN: arn:aws:sqs:<region>:<account>:<name>.
func (c *Config) region() string  { return strings.Split(c.Queue.ARN(), ":")[3] }
func (c *Config) account() string { return strings.Split(c.Queue.ARN(), ":")[4] }

func (c *Config) functionARN() string {
	if strings.HasPrefix(c.Function, "arn:") {
		return c.Function
	}
	return "arn:aws:lambda:" + c.region() + ":" + c.account() + ":function:" + c.Function
}

// functionName takes the name out of the forms of a function's address: a name, <account>:function:<name>, or an ARN,
// each with or without a qualifier.
func functionName(address string) string {
	if _, rest, ok := strings.Cut(address, "function:"); ok {
		address = rest
	}
	name, _, _ := strings.Cut(address, ":")
	return name
}

func invalid(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidParameterValueException", format, args...)
}

func conflict(format string, args ...any) *wire.Error {
	return &wire.Error{Code: "ResourceConflictException", Message: fmt.Sprintf(format, args...), Status: http.StatusConflict}
}
