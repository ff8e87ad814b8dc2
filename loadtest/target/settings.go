package target

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"example.com/arvo/loadtest/experiment"
)

// patience is how long a change may take to be shown.
const patience = 2 * time.Minute

// restoreTime is how long Restore may take, whatever its caller's deadline.
const restoreTime = patience + 30*time.Second

// Apply changes what is not nil in c and waits until it holds: until the mapping is Enabled or Disabled with these
// values, and on AWS for [Settle] besides. What was there before is remembered first, in the file too.
func (s *Stack) Apply(ctx context.Context, c experiment.Settings) error {
	s.apply.Lock()
	defer s.apply.Unlock()
	if err := s.check(c); err != nil {
		return err
	}
	if err := s.remember(ctx, c); err != nil {
		return s.wrap("what is to be changed", err)
	}
	changed, err := s.change(ctx, c)
	if err != nil {
		return s.wrap("to change it", err)
	}
	if changed && !s.local {
		return sleep(ctx, Settle)
	}
	return nil
}

// check refuses what no stack takes before anything is changed.
func (s *Stack) check(c experiment.Settings) error {
	switch {
	case c.Concurrency != nil && *c.Concurrency != 0 && (*c.Concurrency < 2 || *c.Concurrency > 1000):
		return fmt.Errorf("target: MaximumConcurrency %d: 2 to 1000, or 0 for none", *c.Concurrency)
	case c.Batch != nil && (*c.Batch < 1 || *c.Batch > 10_000):
		return fmt.Errorf("target: batch size %d: 1 to 10000", *c.Batch)
	case c.Visibility != nil && (*c.Visibility%time.Second != 0 || *c.Visibility < 0 || *c.Visibility > 12*time.Hour):
		return fmt.Errorf("target: visibility timeout %v: whole seconds up to 12 hours, SQS takes no others", *c.Visibility)
	case c.Reserved != nil && *c.Reserved < -1:
		return fmt.Errorf("target: reserved concurrency %d: 0 or more, or -1 for none", *c.Reserved)
	case c.Route != nil && *c.Route != experiment.RouteQueue && *c.Route != experiment.RouteHidden:
		return fmt.Errorf("target: route %.50q: sqs or hidden", *c.Route)
	case c.Route != nil && *c.Route == experiment.RouteHidden && !s.local:
		return errors.New("target: route hidden: on AWS the rule would need lambda:InvokeFunction on the handler, which template.yaml does not give")
	}
	return nil
}

// remember completes originals by what c is about to change, and writes them down.
func (s *Stack) remember(ctx context.Context, c experiment.Settings) error {
	o := originals{}
	if s.changed != nil {
		o = *s.changed
	}
	before := o
	if o.Mapping == nil && (c.Concurrency != nil || c.Batch != nil || c.Enabled != nil) {
		m, err := s.settledMapping(ctx)
		if err != nil {
			return err
		}
		o.Mapping = &mappingOriginal{ID: s.parts.requestsMapping, Concurrency: m.concurrency, Batch: m.batch, Enabled: m.enabled()}
	}
	if o.VisibilityS == nil && c.Visibility != nil {
		q, err := s.attributes(ctx, s.parts.requests, sqstypes.QueueAttributeNameVisibilityTimeout)
		if err != nil {
			return err
		}
		n, err := q.number("VisibilityTimeout")
		if err != nil {
			return err
		}
		o.VisibilityS = &n
	}
	if o.Reserved == nil && c.Reserved != nil {
		n, err := s.reserved(ctx)
		if err != nil {
			return err
		}
		if n == nil {
			n = new(-1)
		}
		o.Reserved = n
	}
	if o.Target == nil && c.Route != nil && *c.Route == experiment.RouteHidden {
		t, err := s.requestsTarget(ctx)
		if err != nil {
			return err
		}
		o.Target = &t
	}
	if o == before {
		return nil
	}
	if err := s.write(&o); err != nil {
		return err
	}
	s.changed = &o
	return nil
}

// change applies settings one after the other and reports whether there was anything to change.
func (s *Stack) change(ctx context.Context, c experiment.Settings) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if c.Concurrency != nil || c.Batch != nil || c.Enabled != nil {
		did, err := s.changeMapping(ctx, c)
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	if c.Reserved != nil {
		did, err := s.changeReserved(ctx, *c.Reserved)
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	if c.Route != nil {
		did, err := s.changeRoute(ctx, *c.Route)
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	if c.Visibility != nil { // last: Lambda refuses to change a mapping whose queue has less than the function's timeout
		did, err := s.changeVisibility(ctx, int(*c.Visibility/time.Second))
		if err != nil {
			return changed, err
		}
		changed = changed || did
	}
	return changed, nil
}

// until polls until done, an error, or the end of ctx; then the error says what was waited for.
func until(ctx context.Context, what string, done func() (bool, error)) error {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
	}
}

// settledMapping waits until no change of the requests mapping is under way.
func (s *Stack) settledMapping(ctx context.Context) (m mapping, err error) {
	err = until(ctx, "the requests mapping to be Enabled or Disabled", func() (bool, error) {
		var err error
		m, err = s.mapping(ctx, s.parts.requestsMapping)
		return m.settled(), err
	})
	return m, err
}

func (s *Stack) changeMapping(ctx context.Context, c experiment.Settings) (bool, error) {
	m, err := s.settledMapping(ctx)
	if err != nil {
		return false, err
	}
	want := m
	in := &lambda.UpdateEventSourceMappingInput{UUID: &s.parts.requestsMapping}
	if c.Concurrency != nil && *c.Concurrency != m.concurrency {
		want.concurrency = *c.Concurrency
		in.ScalingConfig = &lambdatypes.ScalingConfig{} // none
		if *c.Concurrency != 0 {
			in.ScalingConfig.MaximumConcurrency = aws.Int32(int32(*c.Concurrency))
		}
	}
	if c.Batch != nil && *c.Batch != m.batch {
		want.batch = *c.Batch
		in.BatchSize = aws.Int32(int32(*c.Batch))
	}
	if c.Enabled != nil && *c.Enabled != m.enabled() {
		want.state = map[bool]string{true: "Enabled", false: "Disabled"}[*c.Enabled]
		in.Enabled = c.Enabled
	}
	if want == m {
		return false, nil
	}
	err = until(ctx, "the requests mapping to take a change", func() (bool, error) {
		_, err := s.lambda.UpdateEventSourceMapping(ctx, in)
		var busy *lambdatypes.ResourceInUseException
		if errors.As(err, &busy) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return false, fmt.Errorf("event source mapping %s: %w", s.parts.requestsMapping, err)
	}
	err = until(ctx, fmt.Sprintf("the requests mapping to be %s with MaximumConcurrency %d and batches of %d", want.state, want.concurrency, want.batch), func() (bool, error) {
		is, err := s.mapping(ctx, s.parts.requestsMapping)
		if err != nil {
			return false, err
		}
		want.modified, want.window = is.modified, is.window
		return is == want, nil
	})
	s.mu.Lock()
	s.modified = want.modified
	s.mu.Unlock()
	return true, err
}

func (s *Stack) changeReserved(ctx context.Context, n int) (bool, error) {
	is, err := s.reserved(ctx)
	if err != nil {
		return false, err
	}
	same := func(is *int) bool { return is == nil && n == -1 || is != nil && *is == n }
	if same(is) {
		return false, nil
	}
	if n == -1 {
		_, err = s.lambda.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: &s.parts.handler})
	} else {
		_, err = s.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &s.parts.handler, ReservedConcurrentExecutions: aws.Int32(int32(n))})
	}
	if err != nil {
		return false, fmt.Errorf("reserved concurrency of %s: %w", s.parts.handler, err)
	}
	return true, until(ctx, "the reserved concurrency to change", func() (bool, error) {
		is, err := s.reserved(ctx)
		return same(is), err
	})
}

func (s *Stack) changeVisibility(ctx context.Context, seconds int) (bool, error) {
	read := func() (bool, error) {
		q, err := s.attributes(ctx, s.parts.requests, sqstypes.QueueAttributeNameVisibilityTimeout)
		if err != nil {
			return false, err
		}
		is, err := q.number("VisibilityTimeout")
		return is == seconds, err
	}
	if same, err := read(); err != nil || same {
		return false, err
	}
	_, err := s.sqs.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &s.parts.requests, Attributes: map[string]string{"VisibilityTimeout": strconv.Itoa(seconds)}})
	if err != nil {
		return false, fmt.Errorf("queue %s: %w", s.parts.requestsQueueName, err)
	}
	return true, until(ctx, "the visibility timeout to change", read)
}

// requestsTarget is the target of the rule for requests.
func (s *Stack) requestsTarget(ctx context.Context) (eventtypes.Target, error) {
	out, err := s.events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &s.parts.rule, EventBusName: &s.parts.bus})
	if err != nil {
		return eventtypes.Target{}, fmt.Errorf("rule %s: %w", s.parts.rule, err)
	}
	if len(out.Targets) != 1 {
		return eventtypes.Target{}, fmt.Errorf("rule %s has %d targets, where one queue is due", s.parts.rule, len(out.Targets))
	}
	return out.Targets[0], nil
}

func (s *Stack) changeRoute(ctx context.Context, route string) (bool, error) {
	is, err := s.requestsTarget(ctx)
	if err != nil {
		return false, err
	}
	want := is
	if route == experiment.RouteHidden {
		f, err := s.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &s.parts.handler})
		if err != nil {
			return false, fmt.Errorf("function %s: %w", s.parts.handler, err)
		}
		want.Arn = f.FunctionArn
	} else if s.changed != nil && s.changed.Target != nil {
		want = *s.changed.Target
	} else if !strings.Contains(aws.ToString(is.Arn), ":sqs:") {
		return false, fmt.Errorf("rule %s does not fill a queue, and not by our doing: its target is %s", s.parts.rule, aws.ToString(is.Arn))
	}
	return s.putTarget(ctx, is, want)
}

func (s *Stack) putTarget(ctx context.Context, is, want eventtypes.Target) (bool, error) {
	if aws.ToString(is.Arn) == aws.ToString(want.Arn) {
		return false, nil
	}
	out, err := s.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &s.parts.rule, EventBusName: &s.parts.bus, Targets: []eventtypes.Target{want}})
	if err == nil && out.FailedEntryCount > 0 && len(out.FailedEntries) > 0 {
		err = fmt.Errorf("%s: %s", aws.ToString(out.FailedEntries[0].ErrorCode), aws.ToString(out.FailedEntries[0].ErrorMessage))
	}
	if err != nil {
		return false, fmt.Errorf("rule %s: %w", s.parts.rule, err)
	}
	return true, until(ctx, "the rule's target to change", func() (bool, error) {
		t, err := s.requestsTarget(ctx)
		return aws.ToString(t.Arn) == aws.ToString(want.Arn), err
	})
}

// Restore puts back what Apply has changed, also when ctx is done, for up to some minutes. If something cannot be put back it
// tries the rest, and the next Restore or Open tries again.
func (s *Stack) Restore(ctx context.Context) error {
	s.apply.Lock()
	defer s.apply.Unlock()
	return s.restore(ctx)
}

func (s *Stack) restore(ctx context.Context) error {
	if s.changed == nil {
		return nil
	}
	if s.config.Child != nil && s.config.Child.dead() {
		s.changed = nil // with all that was changed
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime)
	defer cancel()
	left := *s.changed
	var failures []error
	put := func(err error, done func()) {
		if err != nil {
			failures = append(failures, err)
			return
		}
		done()
	}
	// The way in first, then the queue, which has to have its visibility before Lambda lets the mapping be changed.
	if t := left.Target; t != nil {
		is, err := s.requestsTarget(ctx)
		if err == nil {
			_, err = s.putTarget(ctx, is, *t)
		}
		put(err, func() { left.Target = nil })
	}
	if n := left.VisibilityS; n != nil {
		_, err := s.changeVisibility(ctx, *n)
		put(err, func() { left.VisibilityS = nil })
	}
	if n := left.Reserved; n != nil {
		_, err := s.changeReserved(ctx, *n)
		put(err, func() { left.Reserved = nil })
	}
	if m := left.Mapping; m != nil {
		_, err := s.changeMapping(ctx, experiment.Settings{Concurrency: &m.Concurrency, Batch: &m.Batch, Enabled: &m.Enabled})
		put(err, func() { left.Mapping = nil })
	}
	if len(failures) == 0 {
		if err := s.erase(); err != nil {
			return s.wrap("to forget what it was restored from", err)
		}
		s.changed = nil
		return nil
	}
	if err := s.write(&left); err != nil {
		failures = append(failures, err)
	}
	s.changed = &left
	return s.wrap("to restore it", errors.Join(failures...))
}
