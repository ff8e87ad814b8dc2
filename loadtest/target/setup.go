package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"example.com/arvo/loadtest/results"
)

// defaultParallelism is how many subjects of a batch the handler works on at a time when BATCH_PARALLELISM is empty.
const defaultParallelism = 10

// Setup returns how the stack is set up at this moment.
func (s *Stack) Setup(ctx context.Context) (results.Setup, error) {
	setup := results.Setup{HandlerFunction: s.parts.handler, RequestsMappingID: s.parts.requestsMapping}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		m, err := s.mapping(ctx, s.parts.requestsMapping)
		setup.Concurrency, setup.Batch, setup.WindowS = m.concurrency, m.batch, m.window.Seconds()
		return err
	})
	group.Go(func() error {
		m, err := s.mapping(ctx, s.parts.responsesMapping)
		setup.ResponsesConc, setup.ResponsesBatch = m.concurrency, m.batch
		return err
	})
	group.Go(func() error {
		f, err := s.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &s.parts.handler})
		if err != nil {
			return fmt.Errorf("function %s: %w", s.parts.handler, err)
		}
		setup.FunctionTimeoutS = float64(aws.ToInt32(f.Timeout))
		setup.Parallelism = defaultParallelism
		if f.Environment != nil && f.Environment.Variables["BATCH_PARALLELISM"] != "" {
			value := f.Environment.Variables["BATCH_PARALLELISM"]
			if setup.Parallelism, err = strconv.Atoi(value); err != nil || setup.Parallelism < 1 {
				return fmt.Errorf("function %s: BATCH_PARALLELISM is %.50q: a whole number from 1 is due", s.parts.handler, value)
			}
		}
		return nil
	})
	group.Go(func() (err error) {
		setup.ReservedConc, err = s.reserved(ctx)
		return err
	})
	group.Go(func() error {
		account, err := s.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
		if err != nil {
			return fmt.Errorf("the account's concurrency: %w", err)
		}
		if account.AccountLimit == nil {
			return errors.New("the account's concurrency: the answer does not tell it")
		}
		setup.AccountConc = int(account.AccountLimit.ConcurrentExecutions)
		return nil
	})
	group.Go(func() error {
		q, err := s.attributes(ctx, s.parts.requests, sqstypes.QueueAttributeNameVisibilityTimeout, sqstypes.QueueAttributeNameRedrivePolicy)
		if err != nil {
			return err
		}
		visibility, err := q.number("VisibilityTimeout")
		if err != nil {
			return err
		}
		setup.VisibilityS = float64(visibility)
		setup.MaxReceiveCount, err = q.maxReceiveCount()
		return err
	})
	if err := group.Wait(); err != nil {
		return results.Setup{}, s.wrap("how it is set up", err)
	}
	return setup, nil
}

// wrap says of an error which stack it is about, and what was to be done.
func (s *Stack) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	if s.local && errors.Is(err, syscall.ECONNREFUSED) { // of all that the SDK says of it, this is the news
		return fmt.Errorf("target: stack %q %s: %s: nobody answers there any more: %w", s.config.Stack, s.where(), what, syscall.ECONNREFUSED)
	}
	return fmt.Errorf("target: stack %q %s: %s: %w", s.config.Stack, s.where(), what, err)
}

// A mapping is an event source mapping as it is.
type mapping struct {
	concurrency int // 0 for no maximum of its own
	batch       int
	window      time.Duration
	state       string
	modified    time.Time
}

func (m mapping) enabled() bool { return m.state == "Enabled" }

// settled reports whether no change of it is under way.
func (m mapping) settled() bool { return m.state == "Enabled" || m.state == "Disabled" }

func (s *Stack) mapping(ctx context.Context, id string) (mapping, error) {
	out, err := s.lambda.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &id})
	if err != nil {
		return mapping{}, fmt.Errorf("event source mapping %s: %w", id, err)
	}
	m := mapping{
		batch: int(aws.ToInt32(out.BatchSize)), window: time.Duration(aws.ToInt32(out.MaximumBatchingWindowInSeconds)) * time.Second,
		state: aws.ToString(out.State), modified: aws.ToTime(out.LastModified),
	}
	if out.ScalingConfig != nil {
		m.concurrency = int(aws.ToInt32(out.ScalingConfig.MaximumConcurrency))
	}
	return m, nil
}

// reserved returns the handler's reserved concurrency, nil for none.
func (s *Stack) reserved(ctx context.Context) (*int, error) {
	out, err := s.lambda.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: &s.parts.handler})
	if err != nil {
		return nil, fmt.Errorf("reserved concurrency of %s: %w", s.parts.handler, err)
	}
	if out.ReservedConcurrentExecutions == nil {
		return nil, nil
	}
	n := int(*out.ReservedConcurrentExecutions)
	return &n, nil
}

// attributes are those of a queue.
type attributes struct {
	queue  string // its name
	values map[string]string
}

func (s *Stack) attributes(ctx context.Context, queueURL string, names ...sqstypes.QueueAttributeName) (attributes, error) {
	name := queueURL[strings.LastIndexByte(queueURL, '/')+1:]
	out, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queueURL, AttributeNames: names})
	if err != nil {
		return attributes{}, fmt.Errorf("queue %s: %w", name, err)
	}
	return attributes{name, out.Attributes}, nil
}

func (a attributes) number(name string) (int, error) {
	n, err := strconv.Atoi(a.values[name])
	if err != nil || n < 0 {
		return 0, fmt.Errorf("queue %s: %s is %.50q, and no number", a.queue, name, a.values[name])
	}
	return n, nil
}

// maxReceiveCount is 0 for a queue without a dead-letter queue. SQS tells it as a number or as a text, as it was set.
func (a attributes) maxReceiveCount() (int, error) {
	text := a.values["RedrivePolicy"]
	if text == "" {
		return 0, nil
	}
	var policy struct {
		MaxReceiveCount json.RawMessage `json:"maxReceiveCount"`
	}
	err := json.Unmarshal([]byte(text), &policy)
	n := 0
	if err == nil {
		n, err = strconv.Atoi(strings.Trim(string(policy.MaxReceiveCount), `"`))
	}
	if err != nil {
		return 0, fmt.Errorf("queue %s: its RedrivePolicy %.200q does not tell maxReceiveCount", a.queue, text)
	}
	return n, nil
}

// Incarnation changes when the stack is deployed anew, when the local one is restarted, and when somebody else changes the
// mapping or a function. Changes by Apply and Restore are ours, and change nothing in it.
func (s *Stack) Incarnation(ctx context.Context) (string, error) {
	var m mapping
	var handler, api string
	group, ctx2 := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		m, err = s.mapping(ctx2, s.parts.requestsMapping)
		return err
	})
	function := func(name string, into *string) func() error {
		return func() error {
			f, err := s.lambda.GetFunctionConfiguration(ctx2, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
			if err != nil {
				return fmt.Errorf("function %s: %w", name, err)
			}
			*into = fmt.Sprintf("%s of %s with code %.12s", name, aws.ToString(f.LastModified), aws.ToString(f.CodeSha256))
			return nil
		}
	}
	group.Go(function(s.parts.handler, &handler))
	group.Go(function(s.parts.api, &api))
	if err := group.Wait(); err != nil {
		return "", s.wrap("whether it is the same", err)
	}
	changed := "as it was set up"
	s.mu.Lock()
	if !m.modified.Equal(s.modified) {
		changed = "changed at " + m.modified.UTC().Format(time.RFC3339Nano)
	}
	s.mu.Unlock()
	text := fmt.Sprintf("mapping %s %s; %s; %s", s.parts.requestsMapping, changed, handler, api)
	if s.config.Child != nil {
		text += fmt.Sprintf("; process %d", s.config.Child.PID())
	}
	return text, nil
}
