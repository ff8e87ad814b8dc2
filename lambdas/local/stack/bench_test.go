package stack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"example.com/arvo/lambdas/local/function"
	"example.com/arvo/lambdas/local/stack"
)

// BenchmarkIdleRequest is one client on an idle system: from the request to its completed answer.
func BenchmarkIdleRequest(b *testing.B) {
	s := start(b, stack.Config{})
	s.get(s.post("com.payment.charge", charge), 10) // the environments are warm
	times := make([]time.Duration, 0, b.N)
	for b.Loop() {
		began := time.Now()
		if v, _ := s.get(s.post("com.payment.charge", charge), 10); v.Status != "completed" {
			b.Fatalf("%+v", v)
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	b.ReportMetric(milliseconds(times[len(times)/2]), "p50-ms")
	b.ReportMetric(milliseconds(times[len(times)*99/100]), "p99-ms")
}

// BenchmarkFlow is 64 clients, each of which sends its next request when its last one is completed. One reader asks for
// the HEADs of all open subjects, as the load test does: completion is not read through the API.
func BenchmarkFlow(b *testing.B) {
	for _, batch := range []int{1, 10} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			s := start(b, stack.Config{Parameters: map[string]string{
				"RequestsBatchSize": strconv.Itoa(batch), "ResponsesBatchSize": strconv.Itoa(batch),
				"TraceSampleRate": "0", "ThrottleRate": "100000", "ThrottleBurst": "100000",
			}})
			reader := newHeadReader(s)
			defer reader.stop()
			s.flow(b, reader, 20*clients) // environments start
			api, handler := s.Invocations("arvo-api_lambda"), s.Invocations("arvo-federated_handler")
			b.ResetTimer()
			s.flow(b, reader, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "subjects/s")
			// One invocation of api_lambda takes the request in; the others store responses.
			b.ReportMetric(float64(s.Invocations("arvo-federated_handler")-handler)/float64(b.N), "handler-invokes/subject")
			b.ReportMetric(float64(s.Invocations("arvo-api_lambda")-api-b.N)/float64(b.N), "sink-invokes/subject")
		})
	}
}

const clients = 64

// flow has n requests completed by clients, each of which sends its next one when its last one is completed.
func (s *system) flow(b *testing.B, reader *headReader, n int) {
	turns := make(chan struct{})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range turns {
				<-reader.completed(s.postQuick(b))
			}
		})
	}
	for range n {
		turns <- struct{}{}
	}
	close(turns)
	all.Wait()
}

// postQuick is post without the decoding of all that a test looks at.
func (s *system) postQuick(b *testing.B) (subject string) {
	res, err := s.http.Post(s.APIURL()+"/events", "application/json", strings.NewReader(`{"type":"com.workload.simulate","data":{}}`))
	if err != nil {
		b.Error(err)
		return ""
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusAccepted {
		b.Errorf("%d %s %v", res.StatusCode, body, err)
		return ""
	}
	_, rest, _ := bytes.Cut(body, []byte(`"subject":"`))
	value, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(value)
}

// A headReader waits for subjects to be completed, by reading their HEADs a hundred at a time.
type headReader struct {
	system *system
	mu     sync.Mutex
	open   map[string]chan struct{}
	done   chan struct{}
	ended  chan struct{}
}

func newHeadReader(s *system) *headReader {
	r := &headReader{system: s, open: map[string]chan struct{}{}, done: make(chan struct{}), ended: make(chan struct{})}
	go r.run()
	return r
}

func (r *headReader) stop() {
	close(r.done)
	<-r.ended
}

// completed returns a channel that is closed when the subject is completed.
func (r *headReader) completed(subject string) <-chan struct{} {
	c := make(chan struct{})
	if subject == "" { // the error is reported
		close(c)
		return c
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[subject] = c
	return c
}

func (r *headReader) run() {
	defer close(r.ended)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.done:
			return
		}
		r.mu.Lock()
		subjects := make([]string, 0, 100)
		for subject := range r.open {
			if len(subjects) < 100 {
				subjects = append(subjects, subject)
			}
		}
		r.mu.Unlock()
		if len(subjects) > 0 {
			r.read(subjects)
		}
	}
}

func (r *headReader) read(subjects []string) {
	var body bytes.Buffer
	fmt.Fprintf(&body, `{"RequestItems":{%q:{"ConsistentRead":true,"ProjectionExpression":"pk,completedAt","Keys":[`, r.system.Output("ResponseTable"))
	for i, subject := range subjects {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"pk":{"S":%q},"sk":{"S":"HEAD"}}`, subject)
	}
	body.WriteString(`]}}}`)
	req, err := http.NewRequest("POST", r.system.AWSURL(), &body)
	if err != nil {
		r.system.t.Error(err)
		return
	}
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810.BatchGetItem")
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	res, err := r.system.http.Do(req)
	if err != nil {
		r.system.t.Error(err)
		return
	}
	defer res.Body.Close()
	var out struct {
		Responses map[string][]struct {
			PK          struct{ S string } `json:"pk"`
			CompletedAt struct{ N string } `json:"completedAt"`
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		r.system.t.Error(err)
		return
	}
	for _, heads := range out.Responses {
		for _, head := range heads {
			if head.CompletedAt.N == "" {
				continue
			}
			r.mu.Lock()
			if c := r.open[head.PK.S]; c != nil {
				close(c)
				delete(r.open, head.PK.S)
			}
			r.mu.Unlock()
		}
	}
}

// BenchmarkQueueToLambda empties a queue that was filled while its mapping was off: batch 1, 50 ms of work, C invocations
// at a time. ratio is the measured rate over C / 0.05 s.
func BenchmarkQueueToLambda(b *testing.B) {
	for _, concurrency := range []int{2, 10, 40} {
		b.Run(fmt.Sprintf("C=%d", concurrency), func(b *testing.B) {
			s := start(b, stack.Config{Parameters: map[string]string{
				"RequestsBatchSize": "1", "RequestsConcurrency": strconv.Itoa(concurrency), "TraceSampleRate": "0",
			}})
			mappings := s.lambda()
			enable := func(on bool) {
				_, err := mappings.UpdateEventSourceMapping(b.Context(), &lambda.UpdateEventSourceMappingInput{UUID: aws.String(s.Output("RequestsMappingId")), Enabled: aws.Bool(on)})
				if err != nil {
					b.Fatal(err)
				}
			}
			seconds := 4
			n := concurrency * 20 * seconds
			fill := func(prefix string, n int) {
				for first := 0; first < n; first += 10 {
					in := &sqs.SendMessageBatchInput{QueueUrl: aws.String(s.Output("RequestsQueueUrl"))}
					for i := first; i < min(first+10, n); i++ {
						id := fmt.Sprint(prefix, i)
						in.Entries = append(in.Entries, sqstypes.SendMessageBatchRequestEntry{
							Id:          aws.String(fmt.Sprint(i - first)),
							MessageBody: aws.String(`{"id":"` + id + `","source":"api.thin.lambda","detail-type":"com.workload.simulate","time":"2026-11-23T07:00:00Z","detail":` + event(id, id, "com.workload.simulate", "com.workload.simulate", `{"sleep_ms":50}`) + `}`),
						})
					}
					if out, err := s.queues.SendMessageBatch(b.Context(), in); err != nil || len(out.Failed) > 0 {
						b.Fatal(out, err)
					}
				}
			}
			fill("warm", 2*concurrency)
			eventually(b, "the environments are warm", func() bool { return s.depth("RequestsQueueUrl") == 0 })
			var measured time.Duration
			for i := range b.N {
				enable(false)
				fill(fmt.Sprint("m", i, "-"), n)
				began := time.Now()
				enable(true)
				eventually(b, "the queue is empty", func() bool { return s.depth("RequestsQueueUrl") == 0 })
				measured += time.Since(began)
			}
			rate := float64(n*b.N) / measured.Seconds()
			b.ReportMetric(rate, "msg/s")
			b.ReportMetric(rate/(float64(concurrency)/0.05), "ratio")
		})
	}
}

// BenchmarkLambdaStart is an execution environment from the start of its process to its first request for an event.
func BenchmarkLambdaStart(b *testing.B) {
	for _, name := range []string{"api_lambda", "federated_handler"} {
		b.Run(name, func(b *testing.B) {
			binary := compile(b, name)
			times := make([]time.Duration, 0, b.N)
			for b.Loop() {
				times = append(times, startOf(b, binary))
			}
			b.ReportMetric(median(times), "p50-ms")
		})
	}
}

// BenchmarkTracing is what tracing adds to a function: the size of its binary as it is deployed, and the time from the
// start of its process to its first request for an event. The other binary is of the same sources, but that the package
// telemetry is empty. The two start in turns.
func BenchmarkTracing(b *testing.B) {
	overlay := emptyTelemetry(b)
	for _, name := range []string{"api_lambda", "federated_handler"} {
		b.Run(name, func(b *testing.B) {
			traced, bare := compile(b, name), compile(b, name, "-overlay="+overlay)
			var with, without []time.Duration
			for b.Loop() {
				without = append(without, startOf(b, bare))
				with = append(with, startOf(b, traced))
			}
			b.ReportMetric(median(without), "bare-p50-ms")
			b.ReportMetric(median(with)-median(without), "added-ms")
			// Neighbours make starts slow, and none faster than it is: the fastest tenth tells most where there are some.
			b.ReportMetric(milliseconds(with[len(with)/10]-without[len(without)/10]), "added-p10-ms")
			deployed, deployedBare := compile(b, name, "GOARCH=arm64"), compile(b, name, "GOARCH=arm64", "-overlay="+overlay)
			b.ReportMetric(size(b, deployedBare), "bare-MB")
			b.ReportMetric(size(b, deployed)-size(b, deployedBare), "added-MB")
		})
	}
}

// compile builds a function with the flags of a deployment, and returns the path of its binary. Options are flags, or
// variables of the environment.
func compile(b *testing.B, name string, options ...string) (binary string) {
	b.Helper()
	binary = filepath.Join(b.TempDir(), "bootstrap")
	args := []string{"build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s -w", "-o", binary}
	env := []string{"CGO_ENABLED=0"}
	for _, o := range options {
		if strings.HasPrefix(o, "-") {
			args = append(args, o)
		} else {
			env = append(env, o)
		}
	}
	cmd := exec.Command("go", append(args, "../../"+name)...)
	cmd.Env = append(cmd.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func size(b *testing.B, file string) (megabytes float64) {
	b.Helper()
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size()) / 1e6
}

// emptyTelemetry is an overlay for go build that puts testdata/untraced in the place of package telemetry.
func emptyTelemetry(b *testing.B) (file string) {
	b.Helper()
	sources, err := filepath.Glob("../../../telemetry/*.go")
	if err != nil || len(sources) == 0 {
		b.Fatal(sources, err)
	}
	replace := map[string]string{}
	for i, source := range sources {
		path, err := filepath.Abs(source)
		if err != nil {
			b.Fatal(err)
		}
		replace[path] = "" // there is no such file
		if i == 0 {
			if replace[path], err = filepath.Abs("testdata/untraced/telemetry.go"); err != nil {
				b.Fatal(err)
			}
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		b.Fatal(err)
	}
	file = filepath.Join(b.TempDir(), "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// startOf is how long an execution environment takes from the start of its process to its first request for an event.
func startOf(b *testing.B, binary string) time.Duration {
	b.Helper()
	s := function.New(function.Options{})
	err := s.Create(function.Config{Name: "f", Binary: binary, Environment: map[string]string{
		"BUS_NAME": "b", "RESPONSE_TABLE": "r", "EFFECT_TABLE": "e", "WORKFLOW_TABLE": "w",
		"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",                           // nobody needs to listen
		"GOMAXPROCS":              "1", "GOGC": "200", "GOMEMLIMIT": "200MiB", // as in template.yaml
	}})
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := s.Prewarm(b.Context(), "f", 1); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	if err := s.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	return took
}

// median is in milliseconds; it leaves the times sorted.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return milliseconds(times[len(times)/2])
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkMemory sends events through bus and queue, and reports what the stack holds after 10,000 and after 1,000,000
// of them. They are for nobody, so that no table grows.
func BenchmarkMemory(b *testing.B) {
	s := start(b, stack.Config{})
	detail := strconv.Quote(`{"to":"nobody","pad":"` + strings.Repeat("x", 700) + `"}`)
	entry := fmt.Sprintf(`{"EventBusName":%q,"Source":"s","DetailType":"t","Detail":%s}`, s.Output("BusName"), detail)
	put := `{"Entries":[` + strings.TrimSuffix(strings.Repeat(entry+",", 10), ",") + `]}`
	receive := fmt.Sprintf(`{"QueueUrl":%q,"MaxNumberOfMessages":10}`, s.Output("UnroutableQueueUrl"))
	call := func(target, body string) []byte {
		req, err := http.NewRequest("POST", s.AWSURL(), strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return nil
		}
		req.Header.Set("X-Amz-Target", target)
		res, err := s.http.Do(req)
		if err != nil {
			b.Error(err)
			return nil
		}
		defer res.Body.Close()
		out, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			b.Errorf("%d %s %v", res.StatusCode, out, err)
		}
		return out
	}
	send := func(n int) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range n / 40 {
					call("AWSEvents.PutEvents", put)
					var got struct {
						Messages []struct{ ReceiptHandle string }
					}
					if err := json.Unmarshal(call("AmazonSQS.ReceiveMessage", receive), &got); err != nil {
						b.Error(err)
						return
					}
					var entries []string
					for i, m := range got.Messages {
						entries = append(entries, fmt.Sprintf(`{"Id":"%d","ReceiptHandle":%q}`, i, m.ReceiptHandle))
					}
					call("AmazonSQS.DeleteMessageBatch", fmt.Sprintf(`{"QueueUrl":%q,"Entries":[%s]}`, s.Output("UnroutableQueueUrl"), strings.Join(entries, ",")))
				}
			})
		}
		wg.Wait()
	}
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what the first one finalized
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / 1e6
	}
	for range b.N {
		send(10_000)
		b.ReportMetric(heap(), "MB-after-10k")
		send(990_000)
		b.ReportMetric(heap(), "MB-after-1M")
		if n := s.depth("UnroutableQueueUrl"); n != 0 {
			b.Errorf("%d messages are left", n)
		}
	}
}
