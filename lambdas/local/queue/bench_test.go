package queue_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/queue"
	"example.com/arvo/lambdas/local/wire"
)

// body is about as long as an Arvo event.
var body = strings.Repeat(`{"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","type":"com.payment.charge"}`, 10)

// BenchmarkInProcess is one message's whole life, in batches of ten.
func BenchmarkInProcess(b *testing.B) {
	for _, backlog := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("backlog=%d", backlog), func(b *testing.B) {
			q := newQueue(b, newService(b, queue.Options{}), queue.Config{})
			for range backlog {
				send(b, q, body)
			}
			var handles [10]string
			b.ReportAllocs()
			for n := 0; n < b.N; n += 10 {
				for range 10 {
					if _, err := q.Send(b.Context(), queue.Message{Body: body}); err != nil {
						b.Fatal(err)
					}
				}
				got, err := q.Receive(b.Context(), queue.ReceiveRequest{Max: 10})
				if err != nil || len(got) != 10 {
					b.Fatal(len(got), err)
				}
				for i := range got {
					handles[i] = got[i].ReceiptHandle
				}
				if err := q.Delete(handles[:]...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkWire receives and deletes over HTTP, ten messages a call, from several clients at once. The clients are plain
// ones: the SDK takes twice the server's time for signing, checksums and decoding.
func BenchmarkWire(b *testing.B) {
	s := newService(b, queue.Options{})
	q := newQueue(b, s, queue.Config{})
	for range b.N + 100*runtime.GOMAXPROCS(0) {
		send(b, q, body)
	}
	var mux wire.Mux
	mux.Handle(s.Wire())
	server := httptest.NewServer(&mux)
	defer server.Close()
	post := func(operation string, body []byte) ([]byte, error) {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		answer, err := server.Client().Do(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close() // read to its end below
		return io.ReadAll(answer.Body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) { receiveAndDelete(b, pb, q.URL(), post) })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkOperations is BenchmarkWire without HTTP.
func BenchmarkOperations(b *testing.B) {
	s := newService(b, queue.Options{})
	q := newQueue(b, s, queue.Config{})
	for range b.N + 100*runtime.GOMAXPROCS(0) {
		send(b, q, body)
	}
	ops := s.Wire().Operations
	post := func(operation string, body []byte) ([]byte, error) {
		out, err := ops[operation](b.Context(), body)
		raw, _ := out.(wire.Raw) // only ReceiveMessage's answer is looked at
		return raw, err
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) { receiveAndDelete(b, pb, q.URL(), post) })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// receiveAndDelete handles messages until pb says that it is enough, ten at a time.
func receiveAndDelete(b *testing.B, pb *testing.PB, url string, post func(operation string, body []byte) ([]byte, error)) {
	receive := fmt.Appendf(nil, `{"QueueUrl":%q,"MaxNumberOfMessages":10,"MessageSystemAttributeNames":["All"]}`, url)
	key := []byte(`"ReceiptHandle":"`)
	for more := true; more; {
		answer, err := post("ReceiveMessage", receive)
		if err != nil {
			b.Error(err)
			return
		}
		del := fmt.Appendf(nil, `{"QueueUrl":%q,"Entries":[`, url)
		n := 0
		for {
			i := bytes.Index(answer, key)
			if i < 0 {
				break
			}
			answer = answer[i+len(key):]
			handle := answer[:bytes.IndexByte(answer, '"')]
			if n > 0 {
				del = append(del, ',')
			}
			del = fmt.Appendf(del, `{"Id":"%d","ReceiptHandle":"%s"}`, n, handle)
			n++
			more = pb.Next() && more
		}
		if n == 0 {
			b.Error("nothing was received")
			return
		}
		if _, err := post("DeleteMessageBatch", append(del, "]}"...)); err != nil {
			b.Error(err)
			return
		}
	}
}

// TestAnEmptyQueueHoldsNoMemory compares queues that have carried few and many messages.
func TestAnEmptyQueueHoldsNoMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	held := func(messages int) uint64 {
		q := newQueue(t, newService(t, queue.Options{}), queue.Config{VisibilityTimeout: new(time.Hour)})
		before := heap()
		for range messages {
			send(t, q, "x")
		}
		for left := messages; left > 0; { // as many in flight at once as can be
			var handles []string
			for len(handles) < min(left, queue.MaxInFlight) {
				for _, m := range receive(t, q, queue.ReceiveRequest{Max: 10_000}) {
					handles = append(handles, m.ReceiptHandle)
				}
			}
			del(t, q, handles...)
			left -= len(handles)
		}
		wantLevels(t, q, levels{})
		after := heap()
		runtime.KeepAlive(q)
		return max(after, before) - before
	}
	few, many := held(2_000), held(50_000)
	t.Logf("held after 2,000 messages: %d KiB, after 50,000: %d KiB", few>>10, many>>10)
	if many > few+256<<10 {
		t.Fatalf("an empty queue holds %d KiB after 50,000 messages, %d KiB after 2,000", many>>10, few>>10)
	}
}
