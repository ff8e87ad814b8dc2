package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/lambdas/local/queue"
)

// deadLetters returns a queue and its dead-letter queue with n messages in it that came from there.
func deadLetters(t *testing.T, s *queue.Service, n int) (q, dlq *queue.Queue) {
	t.Helper()
	dlq = newQueue(t, s, queue.Config{Name: "dlq"})
	q = newQueue(t, s, queue.Config{Name: "q", VisibilityTimeout: new(time.Duration), DeadLetter: &queue.DeadLetter{TargetARN: dlq.ARN(), MaxReceiveCount: 1}})
	for i := range n {
		send(t, q, fmt.Sprint(i))
	}
	if n > 0 {
		receive(t, q, queue.ReceiveRequest{Max: n})
		wantEmpty(t, q)
	}
	wantLevels(t, dlq, levels{visible: n})
	return q, dlq
}

// task is what ListMessageMoveTasks says of one.
type task struct {
	Status                            string
	ApproximateNumberOfMessagesMoved  int
	ApproximateNumberOfMessagesToMove int
	FailureReason                     string
	TaskHandle                        string
	DestinationArn                    string
}

func startMove(t *testing.T, s *queue.Service, body string) (handle string) {
	t.Helper()
	var out struct{ TaskHandle string }
	recode(t, call(t, s, "StartMessageMoveTask", body), &out)
	return out.TaskHandle
}

func tasks(t *testing.T, s *queue.Service, source *queue.Queue) []task {
	t.Helper()
	var out struct{ Results []task }
	recode(t, call(t, s, "ListMessageMoveTasks", fmt.Sprintf(`{"SourceArn":%q,"MaxResults":10}`, source.ARN())), &out)
	for i := range out.Results {
		if (out.Results[i].TaskHandle != "") != (out.Results[i].Status == "RUNNING") {
			t.Fatalf("a task has a handle while it runs: %+v", out.Results[i])
		}
		out.Results[i].TaskHandle = ""
	}
	return out.Results
}

func recode(t *testing.T, from, to any) {
	t.Helper()
	raw, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, to); err != nil {
		t.Fatal(err)
	}
}

func TestMoveTask(t *testing.T) {
	tests := map[string]func(t *testing.T, s *queue.Service){
		"messages go back to where they came from, as new ones": func(t *testing.T, s *queue.Service) {
			q, dlq := deadLetters(t, s, 1)
			old := receive(t, dlq, queue.ReceiveRequest{Visibility: new(time.Second)})[0]
			time.Sleep(time.Hour)
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q}`, dlq.ARN()))
			synctest.Wait()
			if diff := cmp.Diff([]task{{Status: "COMPLETED", ApproximateNumberOfMessagesMoved: 1, ApproximateNumberOfMessagesToMove: 1}}, tasks(t, s, dlq)); diff != "" {
				t.Fatal(diff)
			}
			m := receiveOne(t, q)
			if m.ID == old.ID || m.ReceiveCount != 1 || m.DeadLetterSource != "" || !m.Sent.Equal(time.Now()) || m.Body != old.Body {
				t.Fatalf("moved message %+v, before %+v", m, old)
			}
			if c, d := q.Counts(), dlq.Counts(); c.MovedIn != 1 || c.Sent != 1 || d.MovedOut != 1 {
				t.Fatalf("counters %+v and %+v", c, d)
			}
		},
		"messages go to a queue of the caller's choice": func(t *testing.T, s *queue.Service) {
			_, dlq := deadLetters(t, s, 3)
			other := newQueue(t, s, queue.Config{Name: "other"})
			send(t, dlq, "sent straight to the dead-letter queue")
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q,"DestinationArn":%q}`, dlq.ARN(), other.ARN()))
			synctest.Wait()
			wantLevels(t, other, levels{visible: 4})
			if got := tasks(t, s, dlq)[0].DestinationArn; got != other.ARN() {
				t.Fatalf("destination %q", got)
			}
		},
		"a rate spreads them evenly": func(t *testing.T, s *queue.Service) {
			q, dlq := deadLetters(t, s, 10)
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q,"MaxNumberOfMessagesPerSecond":2}`, dlq.ARN()))
			for moved := range 10 {
				if got := q.Counts().Visible; got != moved {
					t.Fatalf("%d messages moved after %v, want %d", got, time.Duration(moved)*time.Second/2, moved)
				}
				time.Sleep(time.Second / 2)
				synctest.Wait()
			}
			wantLevels(t, q, levels{visible: 10})
		},
		"what comes during a task stays, so that a task ends": func(t *testing.T, s *queue.Service) {
			q, dlq := deadLetters(t, s, 1)
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q,"MaxNumberOfMessagesPerSecond":1}`, dlq.ARN()))
			send(t, dlq, "late")
			time.Sleep(5 * time.Second)
			synctest.Wait()
			wantLevels(t, q, levels{visible: 1})
			wantLevels(t, dlq, levels{visible: 1})
			if got := tasks(t, s, dlq)[0]; got.Status != "COMPLETED" || got.ApproximateNumberOfMessagesMoved != 1 {
				t.Errorf("%+v", got)
			}
		},
		"a high rate is kept to the message": func(t *testing.T, s *queue.Service) {
			q, dlq := deadLetters(t, s, 1000)
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q,"MaxNumberOfMessagesPerSecond":500}`, dlq.ARN()))
			time.Sleep(time.Second)
			synctest.Wait()
			wantLevels(t, q, levels{visible: 500})
			time.Sleep(time.Second)
			synctest.Wait()
			wantLevels(t, q, levels{visible: 1000})
		},
		"a cancelled task stops and says how far it came": func(t *testing.T, s *queue.Service) {
			q, dlq := deadLetters(t, s, 10)
			handle := startMove(t, s, fmt.Sprintf(`{"SourceArn":%q,"MaxNumberOfMessagesPerSecond":1}`, dlq.ARN()))
			time.Sleep(3 * time.Second)
			synctest.Wait()
			var out struct{ ApproximateNumberOfMessagesMoved int }
			recode(t, call(t, s, "CancelMessageMoveTask", fmt.Sprintf(`{"TaskHandle":%q}`, handle)), &out)
			if out.ApproximateNumberOfMessagesMoved != 3 {
				t.Fatalf("%d moved, want 3", out.ApproximateNumberOfMessagesMoved)
			}
			time.Sleep(time.Minute)
			wantLevels(t, q, levels{visible: 3})
			if diff := cmp.Diff([]task{{Status: "CANCELLED", ApproximateNumberOfMessagesMoved: 3, ApproximateNumberOfMessagesToMove: 10}}, tasks(t, s, dlq)); diff != "" {
				t.Fatal(diff)
			}
			wantCode(t, callErr(s, "CancelMessageMoveTask", fmt.Sprintf(`{"TaskHandle":%q}`, handle)), "InvalidParameterValueException")
		},
		"a message that came from nowhere stops the task": func(t *testing.T, s *queue.Service) {
			_, dlq := deadLetters(t, s, 1)
			send(t, dlq, "sent straight to the dead-letter queue")
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q}`, dlq.ARN()))
			synctest.Wait()
			if diff := cmp.Diff([]task{{Status: "FAILED", FailureReason: "CouldNotDetermineMessageSource", ApproximateNumberOfMessagesMoved: 1, ApproximateNumberOfMessagesToMove: 2}}, tasks(t, s, dlq)); diff != "" {
				t.Fatal(diff)
			}
		},
		"a destination that is deleted stops the task": func(t *testing.T, s *queue.Service) {
			_, dlq := deadLetters(t, s, 10)
			other := newQueue(t, s, queue.Config{Name: "other"})
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q,"DestinationArn":%q,"MaxNumberOfMessagesPerSecond":1}`, dlq.ARN(), other.ARN()))
			time.Sleep(3 * time.Second)
			synctest.Wait()
			call(t, s, "DeleteQueue", fmt.Sprintf(`{"QueueUrl":%q}`, other.URL()))
			time.Sleep(time.Second)
			synctest.Wait()
			got := tasks(t, s, dlq)[0]
			if got.Status != "FAILED" || got.FailureReason != "AWS.SimpleQueueService.NonExistentQueue" || got.ApproximateNumberOfMessagesMoved != 3 {
				t.Fatalf("task %+v", got)
			}
			wantLevels(t, dlq, levels{visible: 7})
		},
		"closing the service ends a task": func(t *testing.T, s *queue.Service) {
			_, dlq := deadLetters(t, s, 10)
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q,"MaxNumberOfMessagesPerSecond":1}`, dlq.ARN()))
			s.Close() // waits for the task's goroutine; the bubble would not end with it
		},
		"ten tasks are remembered, the latest first": func(t *testing.T, s *queue.Service) {
			_, dlq := deadLetters(t, s, 0)
			for i := range 12 {
				send(t, dlq, strings.Repeat("x", i+1))
				startMove(t, s, fmt.Sprintf(`{"SourceArn":%q}`, dlq.ARN()))
				synctest.Wait()
			}
			got := tasks(t, s, dlq)
			if len(got) != 10 || got[0].ApproximateNumberOfMessagesToMove != 12 {
				t.Fatalf("%d tasks, the first %+v", len(got), got[0])
			}
		},
		"what cannot be moved is refused": func(t *testing.T, s *queue.Service) {
			q, dlq := deadLetters(t, s, 1)
			for body, want := range map[string]string{
				`{}`:                                     "MissingRequiredParameterException",
				fmt.Sprintf(`{"SourceArn":%q}`, q.ARN()): "InvalidParameterValueException",
				fmt.Sprintf(`{"SourceArn":"%s-missing"}`, dlq.ARN()):                              "ResourceNotFoundException",
				fmt.Sprintf(`{"SourceArn":%q,"DestinationArn":"%s-missing"}`, dlq.ARN(), q.ARN()): "ResourceNotFoundException",
				fmt.Sprintf(`{"SourceArn":%q,"DestinationArn":%q}`, dlq.ARN(), dlq.ARN()):         "InvalidParameterValueException",
				fmt.Sprintf(`{"SourceArn":%q,"MaxNumberOfMessagesPerSecond":0}`, dlq.ARN()):       "InvalidParameterValueException",
				fmt.Sprintf(`{"SourceArn":%q,"MaxNumberOfMessagesPerSecond":501}`, dlq.ARN()):     "InvalidParameterValueException",
			} {
				wantCode(t, callErr(s, "StartMessageMoveTask", body), want)
			}
			startMove(t, s, fmt.Sprintf(`{"SourceArn":%q,"MaxNumberOfMessagesPerSecond":1}`, dlq.ARN()))
			wantCode(t, callErr(s, "StartMessageMoveTask", fmt.Sprintf(`{"SourceArn":%q}`, dlq.ARN())), "InvalidParameterValueException")
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, newService(t, queue.Options{})) })
		})
	}
}

// callErr makes a call over the wire's operations that fails.
func callErr(s *queue.Service, operation, body string) error {
	_, err := s.Wire().Operations[operation](context.Background(), []byte(body))
	return err
}
