//go:build unix

package function_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/function"
)

// cpu is the processor time that this process, the runner, has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkInvoke measures warm invocations of a real function, and the runner's share of the processor time.
func BenchmarkInvoke(b *testing.B) {
	for _, environments := range []int{1, 10, 100} {
		for _, size := range []int{100, 10_000} {
			b.Run(fmt.Sprintf("environments=%d/bytes=%d", environments, size), func(b *testing.B) {
				s := start(b, function.Options{}, nil)
				if err := s.Prewarm(b.Context(), "probe", environments); err != nil {
					b.Fatal(err)
				}
				payload := fmt.Appendf(nil, `{"Text":%q}`, strings.Repeat("x", size))
				work := make(chan struct{}, environments)
				done := make(chan error, environments)
				for range environments {
					go func() {
						for range work {
							if _, err := s.Invoke(context.Background(), function.Request{Function: "probe", Payload: payload}); err != nil {
								done <- err
								return
							}
						}
						done <- nil
					}()
				}
				before := cpu(b)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					work <- struct{}{}
				}
				close(work)
				for range environments {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "runner-µs/op")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invokes/s")
			})
		}
	}
}

// BenchmarkColdStart measures from the start of a process to the answer of its first invocation, and its end.
func BenchmarkColdStart(b *testing.B) {
	var init atomic.Int64
	s := start(b, function.Options{
		Kill:    func() (time.Duration, bool) { return time.Hour, true }, // every process serves one invocation
		Observe: func(i function.Invocation) { init.Add(int64(i.InitDuration)) },
	}, nil)
	for b.Loop() {
		invoke(b, s, `{}`)
	}
	b.ReportMetric(float64(init.Load())/float64(b.N)/1e6, "init-ms/op")
}

// BenchmarkRuntimeAPI is the bare protocol on net/http's server with real functions, as the measure for the package's
// own loop: compare its runner-µs/op with those of BenchmarkInvoke, which does all the rest too.
func BenchmarkRuntimeAPI(b *testing.B) {
	for _, environments := range []int{1, 10} {
		b.Run(fmt.Sprintf("environments=%d", environments), func(b *testing.B) { benchmarkNetHTTP(b, environments) })
	}
}

func benchmarkNetHTTP(b *testing.B, environments int) {
	payload := fmt.Appendf(nil, `{"Text":%q}`, strings.Repeat("x", 100))
	next, answered := make(chan struct{}), make(chan struct{}, environments)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-next:
		case <-r.Context().Done():
			return
		}
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", "1")
		h.Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Second).UnixMilli()))
		_, _ = w.Write(payload) // the client is our own child
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			b.Error(err)
		}
		w.WriteHeader(http.StatusAccepted)
		answered <- struct{}{}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }() // ends with Close
	for range environments {
		cmd := exec.Command(probe)
		cmd.Env = append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+l.Addr().String())
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		defer func() {
			_ = cmd.Process.Kill() // at worst it has ended by itself
			_ = cmd.Wait()         // "signal: killed"
		}()
	}
	run := func(n int) {
		begun, ended := 0, 0
		for ended < n {
			hand := next
			if begun == n {
				hand = nil
			}
			select {
			case hand <- struct{}{}:
				begun++
			case <-answered:
				ended++
			}
		}
	}
	run(10 * environments)
	before := cpu(b)
	b.ReportAllocs()
	b.ResetTimer()
	run(b.N)
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "runner-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "invokes/s")
	if err := server.Close(); err != nil {
		b.Fatal(err)
	}
}
