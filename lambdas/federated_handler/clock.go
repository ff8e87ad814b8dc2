package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/lambdas/broker"
	"example.com/arvo/lambdas/store"
)

// tick is the address of the event that a rule of template.yaml sends every minute. It is always the same one: that it
// comes is all that it says.
const tick = "arvo.clock.tick"

// A clock tells workflows of the calls whose time is up.
type clock struct {
	workflows *store.Workflows
	publisher *broker.Publisher
	create    create
	now       func() time.Time
}

// tick publishes the answers that are missing by now. They take the way of all events, to whichever Lambda hosts the
// workflow. Any number of ticks may come at once or late: the workflows tell the answers that they have had by their ids.
func (c clock) tick(ctx context.Context) error {
	now := c.now()
	err := c.workflows.Overdue(ctx, now, func(ctx context.Context, subject string, w arvo.Workflow) error {
		missing, err := arvo.Timeouts(subject, w, now)
		if err != nil { // it is wrong as it is kept: another try would not heal it, and must not keep the tick from ending well
			slog.ErrorContext(ctx, "a workflow cannot be told that its calls have timed out", "subject", subject, "error", err)
			return nil
		}
		for i, ev := range missing { // in the trace of the call
			missing[i] = c.create(ctx, ev)
		}
		return c.publisher.Publish(ctx, missing...)
	})
	if err != nil {
		return fmt.Errorf("not all workflows were told that their calls have timed out: %w", err)
	}
	return nil
}
