package target_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"go.uber.org/goleak"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/target"
)

func TestMain(m *testing.M) {
	if os.Getenv(victim) != "" {
		runVictim()
		return
	}
	goleak.VerifyTestMain(m)
}

// TestLocal starts the real local stack, once, and does with it what experiments do.
func TestLocal(t *testing.T) {
	child, err := target.Local(t.Context(), target.LocalConfig{Stack: "arvo-load", Parameters: map[string]string{"RequestsConcurrency": "4", "RequestsBatchSize": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Stop(context.Background()) }) // it was killed in the end
	s, err := target.Open(t.Context(), target.Config{Child: child})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)

	setup, err := s.Setup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if setup.Concurrency != 4 || setup.Batch != 1 || setup.Parallelism != 10 || setup.VisibilityS != 180 || setup.FunctionTimeoutS != 30 || setup.ReservedConc != nil ||
		setup.ResponsesConc != 5 || setup.ResponsesBatch != 10 || setup.AccountConc != 1000 || setup.MaxReceiveCount != 5 || setup.HandlerFunction != "arvo-load-federated_handler" {
		t.Errorf("%+v", setup)
	}

	t.Run("subjects through the API end, and are found without the 202", func(t *testing.T) {
		before := items(t, s)
		l := load(t, s, "api", "by-api", 20, func(seq uint64) bool { return seq%4 == 3 })
		if made := items(t, s) - before; made != 20*3 { // what experiments take for granted
			t.Errorf("20 subjects have %d items", made)
		}
		for r := range l.All() {
			if r.Status != ledger.Completed || r.Deliveries != 1 || r.Events != 1 || r.TraceID == "" {
				t.Fatalf("%+v", r)
			}
			if !slices.IsSorted([]ledger.Instant{r.Accepted, r.Received, r.Answered, r.Delivered, r.Stored}) || r.Accepted == 0 {
				t.Errorf("not in order: %+v", r)
			}
			if service := r.Answered.Sub(r.Received); service < 9*time.Millisecond { // both are told in whole milliseconds
				t.Errorf("worked for %v, asked for 10 ms", service)
			}
		}
	})
	t.Run("the traces of subjects are read", func(t *testing.T) {
		l := load(t, s, "api", "traced", 7, func(uint64) bool { return false })
		var ids []string
		for r := range l.All() {
			ids = append(ids, r.TraceID)
		}
		eventually(t, func() (bool, error) {
			hops, err := s.Hops(t.Context(), ids)
			for _, id := range ids {
				if trace := hops[id]; len(trace) < 6 || trace[0].StartMs != 0 {
					return false, err
				}
			}
			return true, err
		})
	})
	t.Run("straight to the function they end, too", func(t *testing.T) {
		before := items(t, s)
		l := load(t, s, "none", "by-none", 5, func(uint64) bool { return false })
		if made := items(t, s) - before; made > 5*3 {
			t.Errorf("5 subjects have %d items", made)
		}
		for r := range l.All() {
			if r.Status != ledger.Completed || r.Subject != l.Key(r.Seq) || r.Received == 0 || r.Accepted != 0 {
				t.Errorf("%+v", r)
			}
		}
	})
	t.Run("by the hidden queue they end, too, and the rule is restored", func(t *testing.T) {
		if err := s.Apply(t.Context(), experiment.Settings{Route: new("hidden"), Reserved: new(2)}); err != nil {
			t.Fatal(err)
		}
		load(t, s, "api", "hidden", 5, func(uint64) bool { return false })
		if err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		load(t, s, "api", "restored", 5, func(uint64) bool { return false })
	})
	t.Run("without a reserved slot an invocation is refused", func(t *testing.T) {
		if err := s.Apply(t.Context(), experiment.Settings{Reserved: new(0)}); err != nil {
			t.Fatal(err)
		}
		request, err := s.Request("none", 0)
		if err != nil {
			t.Fatal(err)
		}
		if code, _ := send(t, request, "refused-0"); code != http.StatusTooManyRequests {
			t.Errorf("answered with %d", code)
		}
		if err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again, err := s.Setup(t.Context()); err != nil || again != setup {
			t.Errorf("%+v, %v", again, err)
		}
	})
	t.Run("settings hold when Apply returns, are no change by others, and are restored", func(t *testing.T) {
		before := incarnation(t, s)
		err := s.Apply(t.Context(), experiment.Settings{Concurrency: new(2), Batch: new(5), Visibility: new(40 * time.Second), Reserved: new(3), Enabled: new(false)})
		if err != nil {
			t.Fatal(err)
		}
		is, err := s.Setup(t.Context())
		if err != nil || is.Concurrency != 2 || is.Batch != 5 || is.VisibilityS != 40 || is.ReservedConc == nil || *is.ReservedConc != 3 {
			t.Errorf("%+v, %v", is, err)
		}
		if err := s.Apply(t.Context(), experiment.Settings{Concurrency: new(0), Enabled: new(true), Reserved: new(-1)}); err != nil {
			t.Fatal(err)
		}
		if is, err := s.Setup(t.Context()); err != nil || is.Concurrency != 0 || is.Batch != 5 || is.ReservedConc != nil {
			t.Errorf("%+v, %v", is, err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Restore(ended); err != nil { // an interrupted run restores, too
			t.Fatal(err)
		}
		if is, err := s.Setup(t.Context()); err != nil || is != setup {
			t.Errorf("%+v, %v", is, err)
		}
		if after := incarnation(t, s); after != before {
			t.Errorf("was %s\nis  %s", before, after)
		}
		other := lambda.NewFromConfig(clientOf(child))
		if _, err := other.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: &setup.RequestsMappingID, BatchSize: aws.Int32(1)}); err != nil {
			t.Fatal(err)
		}
		if after := incarnation(t, s); after == before {
			t.Errorf("somebody else has changed the mapping, and it is still %s", after)
		}
	})
	t.Run("queues are counted, and purged twice within a minute", func(t *testing.T) {
		if err := s.Apply(t.Context(), experiment.Settings{Enabled: new(false)}); err != nil {
			t.Fatal(err)
		}
		request, err := s.Request("api", 0)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			for i := range 12 {
				if code, body := send(t, request, fmt.Sprintf("purged-%d-%d", round, i)); code != http.StatusAccepted {
					t.Fatalf("%d: %s", code, body)
				}
			}
			eventually(t, func() (bool, error) {
				d, err := s.Depths(t.Context())
				return d.Requests == 12, err
			})
			if err := s.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d, err := s.Depths(t.Context()); err != nil || d != (experiment.Depths{}) {
				t.Errorf("%+v, %v", d, err)
			}
		}
		if err := s.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("dead letters are told and stay", func(t *testing.T) {
		want := map[string]bool{}
		var entries []eventtypes.PutEventsRequestEntry
		for i := range 23 {
			subject := fmt.Sprintf("nobody's-%d", i)
			want[subject] = true
			entries = append(entries, eventtypes.PutEventsRequestEntry{
				EventBusName: new("arvo-load-bus"), Source: new("test"), DetailType: new("test"), Detail: new(fmt.Sprintf(`{"to":"nobody","subject":%q}`, subject)),
			})
		}
		bus := eventbridge.NewFromConfig(clientOf(child))
		for part := range slices.Chunk(entries, 10) {
			if _, err := bus.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: part}); err != nil {
				t.Fatal(err)
			}
		}
		unroutable := func() bool {
			d, err := s.Depths(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return d.Unroutable == len(want)
		}
		eventually(t, func() (bool, error) { return unroutable(), nil })
		for range 2 { // what was read once can be read again at once
			told := map[string]bool{}
			if err := s.DeadLetters(t.Context(), func(subject string) { told[subject] = true }); err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(told) != fmt.Sprint(want) {
				t.Errorf("told %v", told)
			}
		}
		if !unroutable() {
			t.Error("some are gone")
		}
	})
	t.Run("what a run leaves that dies is restored by the next", func(t *testing.T) {
		c := target.Config{Stack: "arvo-load", Endpoint: child.Endpoint(), Dir: t.TempDir()}
		dies, err := target.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := dies.Apply(t.Context(), experiment.Settings{Batch: new(7), Visibility: new(time.Minute), Route: new("hidden"), Reserved: new(5)}); err != nil {
			t.Fatal(err)
		}
		if _, err := target.Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "another load test is running on it") {
			t.Errorf("a second run at the same time: %v", err)
		}
		dies.Close() // the kernel does no more for a process that is killed
		next, err := target.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(next.Notes(), "\n"); !strings.Contains(notes, "restored what a run had changed that died") {
			t.Errorf("it says %q", notes)
		}
		if is, err := next.Setup(t.Context()); err != nil || is != setup {
			t.Errorf("%+v, %v", is, err)
		}
		next.Close()
		last, err := target.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		last.Close()
		if len(last.Notes()) != 0 {
			t.Errorf("it says %q again", last.Notes())
		}
		load(t, s, "api", "after-death", 3, func(uint64) bool { return false })
	})
	t.Run("an endpoint without this stack says what there is to do", func(t *testing.T) {
		_, err := target.Open(t.Context(), target.Config{Stack: "other", Endpoint: child.Endpoint(), Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), `no stack "other" at `+child.Endpoint()) {
			t.Error(err)
		}
	})
	t.Run("its memory is known", func(t *testing.T) {
		if n := child.Memory(); n < 20<<20 && runtime.GOOS == "linux" || n > 2<<30 || child.PeakMemory() < n {
			t.Errorf("the stack and its Lambdas take %d bytes, %d at the most", n, child.PeakMemory())
		}
	})
	t.Run("being killed is noticed, and leaves nothing", func(t *testing.T) { killed(t, child, s) })
}

// load sends n subjects that work for 10 ms and returns their ledger when all have ended. The 202 of those that forget names is
// not told.
func load(t *testing.T, s *target.Stack, via, run string, n int, forget func(seq uint64) bool) *ledger.Ledger {
	t.Helper()
	plan, err := schedule.New(schedule.Constant("all", float64(n), time.Second))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New(run, time.Now(), plan)
	if err != nil {
		t.Fatal(err)
	}
	request, err := s.Request(via, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for seq := range uint64(n) {
		wg.Go(func() {
			sent := time.Now()
			code, body := send(t, request, l.Key(seq))
			a := ledger.Answer{Sent: sent, Acked: time.Now(), Code: code}
			if code/100 != 2 {
				t.Errorf("subject %d: %d: %s", seq, code, body)
			}
			if a.Subject, a.TraceID = request.Subject(code, body); forget(seq) {
				a = ledger.Answer{Sent: a.Sent, Acked: a.Acked, Error: "timeout"}
			}
			if err := l.Answer(seq, a); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	eventually(t, func() (bool, error) {
		return l.Count(nil).Completed == n, s.Observe(t.Context(), l, l.Open(0, n), l.Observe)
	})
	return l
}

// send asks for one subject.
func send(t *testing.T, request experiment.Request, key string) (int, []byte) {
	t.Helper()
	body, err := request.Body(key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), request.Method, request.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = request.Header.Clone()
	r.Header.Set("Idempotency-Key", key)
	resp, err := (&http.Client{Transport: request.Transport}).Do(r)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	return resp.StatusCode, answer
}

// eventually polls until done, for ten seconds.
func eventually(t *testing.T, done func() (bool, error)) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		ok, err := done()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not after ten seconds")
		}
		select {
		case <-t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func items(t *testing.T, s *target.Stack) int {
	t.Helper()
	n, now, err := s.Items(t.Context())
	if err != nil || !now {
		t.Fatalf("%t, %v", now, err)
	}
	return n
}
func incarnation(t *testing.T, s *target.Stack) string {
	t.Helper()
	text, err := s.Incarnation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// clientOf is how somebody else gets to the services of a child.
func clientOf(c *target.Child) aws.Config {
	return aws.Config{Region: target.LocalRegion, BaseEndpoint: aws.String(c.Endpoint()), Credentials: credentials.NewStaticCredentialsProvider("any", "any", ""), HTTPClient: unpooled}
}

// unpooled keeps no connection open, and so no goroutine.
var unpooled = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
