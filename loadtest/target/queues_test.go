package target_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/arvo/loadtest/experiment"
)

// messages makes what ReceiveMessage answers.
func messages(from, to int, body func(i int) string) string {
	list := []map[string]string{}
	for i := from; i < to; i++ {
		list = append(list, map[string]string{"MessageId": fmt.Sprint(i), "ReceiptHandle": fmt.Sprintf("receipt-%d", i), "Body": body(i)})
	}
	return marshal(map[string]any{"Messages": list})
}

func TestDepthsCountWhatIsDelayed(t *testing.T) {
	f := newFakeAWS(t)
	s := f.open()
	f.on("GetQueueAttributes", func(c call) (int, string) {
		n := map[string]int{"shop-requests": 1, "shop-responses": 2, "shop-requests-dlq": 3, "shop-responses-dlq": 4, "shop-rule-dlq": 5, "shop-unroutable": 6}
		url := c.member("QueueUrl").(string)
		return 200, fmt.Sprintf(`{"Attributes":{"ApproximateNumberOfMessages":"%d","ApproximateNumberOfMessagesNotVisible":"10","ApproximateNumberOfMessagesDelayed":"100"}}`, n[url[strings.LastIndexByte(url, '/')+1:]])
	})
	want := experiment.Depths{Requests: 101, RequestsInFlight: 10, Responses: 102, ResponsesInFlight: 10, RequestsDead: 113, ResponsesDead: 114, RuleDead: 115, Unroutable: 116}
	if d, err := s.Depths(t.Context()); err != nil || d != want {
		t.Errorf("%+v, %v", d, err)
	}
	f.says("GetQueueAttributes", 200, `{"Attributes":{}}`)
	if _, err := s.Depths(t.Context()); err == nil || !strings.Contains(err.Error(), "ApproximateNumberOfMessages is \"\", and no number") {
		t.Error(err)
	}
}

func TestPurge(t *testing.T) {
	t.Run("takes a minute on AWS", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeAWS(t)
			f.says("PurgeQueue", 200, "{}")
			s := f.open()
			began := time.Now()
			if err := s.Purge(t.Context()); err != nil || time.Since(began) != time.Minute {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			var purged []string
			for _, c := range f.called("PurgeQueue") {
				purged = append(purged, c.member("QueueUrl").(string))
			}
			slices.Sort(purged)
			const queues = "https://sqs.eu-central-1.amazonaws.com/123456789012/"
			if want := []string{queues + "shop-requests", queues + "shop-responses"}; !slices.Equal(purged, want) {
				t.Errorf("purged %v", purged)
			}
		})
	})
	t.Run("of a queue that was purged just now is done by hand", func(t *testing.T) {
		f := newFakeAWS(t)
		f.says("PurgeQueue", 400, `{"__type":"com.amazonaws.sqs#PurgeQueueInProgress","message":"Only one PurgeQueue operation on shop-requests is allowed every 60 seconds."}`)
		left := map[string]int{}
		f.on("ReceiveMessage", func(c call) (int, string) {
			url := c.member("QueueUrl").(string)
			f.mu.Lock()
			defer f.mu.Unlock()
			left[url]++
			switch left[url] {
			case 1:
				return 200, messages(0, 10, func(int) string { return "x" })
			case 2:
				return 200, messages(10, 13, func(int) string { return "x" })
			}
			return 200, `{}`
		})
		f.says("DeleteMessageBatch", 200, `{"Successful":[],"Failed":[]}`)
		s := f.open()
		if err := s.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(f.called("DeleteMessageBatch")); n != 4 {
			t.Errorf("%d deletes", n)
		}
		clear(left)
		f.says("DeleteMessageBatch", 200, `{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":"ReceiptHandleIsInvalid","Message":"no"}]}`)
		if err := s.Purge(t.Context()); err == nil || !strings.Contains(err.Error(), "1 messages stay: ReceiptHandleIsInvalid") {
			t.Error(err)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	newQueue := func(t *testing.T, n int) *fakeAWS {
		f := newFakeAWS(t)
		received := 0
		f.on("ReceiveMessage", func(c call) (int, string) {
			if !strings.HasSuffix(c.member("QueueUrl").(string), "/shop-requests-dlq") {
				return 200, `{}`
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			from := received
			received = min(from+10, n)
			return 200, messages(from, received, func(i int) string {
				if i%5 == 4 {
					return []string{"<html>", `{"detail":null}`, `{"detail":{"subject":7}}`, `{"detail":{}}`}[i/5%4]
				}
				return fmt.Sprintf(`{"version":"0","detail-type":"com.workload.simulate","detail":{"subject":"s%d"}}`, i)
			})
		})
		f.says("ChangeMessageVisibilityBatch", 200, `{"Successful":[],"Failed":[]}`)
		return f
	}
	shown := func(f *fakeAWS) (n int) {
		for _, c := range f.called("ChangeMessageVisibilityBatch") {
			entries := c.member("Entries").([]any)
			n += len(entries)
			ids := map[string]bool{}
			for _, e := range entries {
				entry := e.(map[string]any)
				ids[entry["Id"].(string)] = true
				if entry["VisibilityTimeout"].(float64) != 0 {
					f.t.Errorf("hidden still: %v", entry)
				}
			}
			if len(ids) != len(entries) || len(entries) > 10 {
				f.t.Errorf("an id twice, or too many, in %s", c.body)
			}
		}
		return n
	}
	t.Run("are told, and shown again", func(t *testing.T) {
		f := newQueue(t, 25)
		told := map[string]bool{}
		if err := f.open().DeadLetters(t.Context(), func(subject string) { told[subject] = true }); err != nil {
			t.Fatal(err)
		}
		if len(told) != 20 || !told["s23"] || shown(f) != 25 || len(f.called("DeleteMessageBatch")) != 0 {
			t.Errorf("told %v, shown %d", told, shown(f))
		}
	})
	t.Run("are shown again when the caller gives up", func(t *testing.T) {
		f := newQueue(t, 1000)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		err := f.open().DeadLetters(ctx, func(string) {
			if n++; n == 12 {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if receives := len(f.called("ReceiveMessage")); shown(f) < 12 || shown(f) > 10*receives {
			t.Errorf("%d shown of %d receives", shown(f), receives)
		}
	})
	t.Run("that are too many end it", func(t *testing.T) {
		f := newQueue(t, 12_000)
		if err := f.open().DeadLetters(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "10000 messages and more") {
			t.Error(err)
		}
		if n := shown(f); n != 10_000 {
			t.Errorf("%d shown", n)
		}
	})
	t.Run("that cannot be shown again are an error", func(t *testing.T) {
		f := newQueue(t, 5)
		f.says("ChangeMessageVisibilityBatch", 403, `{"__type":"com.amazonaws.sqs#AccessDenied","message":"no"}`)
		if err := f.open().DeadLetters(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "they are hidden for 60 s") {
			t.Error(err)
		}
	})
}
