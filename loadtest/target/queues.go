package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"example.com/arvo/loadtest/experiment"
)

// Depths returns how many messages the queues have, delayed ones included. On AWS the numbers are approximate.
func (s *Stack) Depths(ctx context.Context) (experiment.Depths, error) {
	var d experiment.Depths
	group, ctx := errgroup.WithContext(ctx)
	for _, q := range []struct {
		url             string
		visible, flight *int
	}{
		{s.parts.requests, &d.Requests, &d.RequestsInFlight}, {s.parts.responses, &d.Responses, &d.ResponsesInFlight},
		{s.parts.requestsDead, &d.RequestsDead, nil}, {s.parts.responsesDead, &d.ResponsesDead, nil}, {s.parts.ruleDead, &d.RuleDead, nil}, {s.parts.unroutable, &d.Unroutable, nil},
	} {
		group.Go(func() error {
			visible, flight, err := s.depth(ctx, q.url)
			if q.flight == nil { // somebody may be reading dead letters: they are there all the same
				*q.visible = visible + flight
				return err
			}
			*q.visible, *q.flight = visible, flight
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return experiment.Depths{}, s.wrap("how many messages there are", err)
	}
	return d, nil
}

func (s *Stack) depth(ctx context.Context, url string) (visible, flight int, err error) {
	q, err := s.attributes(ctx, url,
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, types.QueueAttributeNameApproximateNumberOfMessagesDelayed)
	if err != nil {
		return 0, 0, err
	}
	var n [3]int
	for i, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		if n[i], err = q.number(name); err != nil {
			return 0, 0, err
		}
	}
	return n[0] + n[2], n[1], nil
}

// purgeTime is how long AWS takes to purge a queue, and how long it then refuses to do it again.
const purgeTime = 60 * time.Second

// Purge empties the queues for requests and responses. On AWS it takes a minute. A queue that was purged less than a minute ago,
// which SQS does not do again so soon, is emptied message by message.
func (s *Stack) Purge(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, url := range []string{s.parts.requests, s.parts.responses} {
		group.Go(func() error {
			_, err := s.sqs.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: &url})
			var again *types.PurgeQueueInProgress
			if errors.As(err, &again) {
				return s.empty(ctx, url)
			}
			if err == nil && !s.local {
				return sleep(ctx, purgeTime)
			}
			return err
		})
	}
	return s.wrap("to purge its queues", group.Wait())
}

// empty takes all messages of a queue that are visible.
func (s *Stack) empty(ctx context.Context, url string) error {
	for {
		messages, err := s.receive(ctx, url, 60)
		if err != nil || len(messages) == 0 {
			return err
		}
		var entries []types.DeleteMessageBatchRequestEntry
		for i, m := range messages {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
		out, err := s.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
		if err == nil && len(out.Failed) > 0 {
			err = fmt.Errorf("%d messages stay: %s: %s", len(out.Failed), aws.ToString(out.Failed[0].Code), aws.ToString(out.Failed[0].Message))
		}
		if err != nil {
			return err
		}
	}
}

// receive returns up to ten messages, none if the queue has none that is visible. On AWS it waits for a second, since only a
// receive that waits asks all servers of a queue.
func (s *Stack) receive(ctx context.Context, url string, visibility int32) ([]types.Message, error) {
	in := &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: visibility}
	if !s.local {
		in.WaitTimeSeconds = 1
	}
	out, err := s.sqs.ReceiveMessage(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

const (
	maxDeadLetters = 10_000 // that are read of one queue
	hidden         = 60     // seconds for which those that were read are hidden, should nobody show them again
)

// DeadLetters tells the subjects of all messages in the four queues for what was given up. The messages stay there.
func (s *Stack) DeadLetters(ctx context.Context, tell func(subject string)) error {
	subjects := make(chan string)
	group, ctx := errgroup.WithContext(ctx)
	for _, url := range []string{s.parts.requestsDead, s.parts.responsesDead, s.parts.ruleDead, s.parts.unroutable} {
		group.Go(func() error { return s.deadLetters(ctx, url, subjects) })
	}
	failed := make(chan error, 1)
	go func() {
		failed <- group.Wait()
		close(subjects)
	}()
	for subject := range subjects {
		tell(subject)
	}
	return s.wrap("its dead letters", <-failed)
}

func (s *Stack) deadLetters(ctx context.Context, url string, subjects chan<- string) (err error) {
	var read []types.ChangeMessageVisibilityBatchRequestEntry
	defer func() {
		// As they were, also when ctx is done.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		for len(read) > 0 {
			part := read[:min(10, len(read))]
			read = read[len(part):]
			if _, again := s.sqs.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url, Entries: part}); again != nil {
				err = errors.Join(err, fmt.Errorf("they are hidden for %d s: %w", hidden, again))
				return
			}
		}
	}()
	for {
		messages, err := s.receive(ctx, url, hidden)
		if err != nil || len(messages) == 0 {
			return err
		}
		for _, m := range messages {
			read = append(read, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(len(read) % 10)), ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0})
			subject, ok := subjectOf(aws.ToString(m.Body))
			if !ok {
				continue
			}
			select {
			case subjects <- subject:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if len(read) >= maxDeadLetters {
			return fmt.Errorf("%s has %d messages and more: redrive or remove old ones", url, len(read))
		}
	}
}

// subjectOf is the subject of the event in an EventBridge envelope. What is none has none.
func subjectOf(body string) (string, bool) {
	var envelope struct {
		Detail struct {
			Subject string `json:"subject"`
		} `json:"detail"`
	}
	if json.Unmarshal([]byte(body), &envelope) != nil {
		return "", false
	}
	return envelope.Detail.Subject, envelope.Detail.Subject != ""
}
