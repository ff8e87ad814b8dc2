package attack_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/arvo/loadtest/attack"
	"example.com/arvo/loadtest/schedule"
)

// stubVariable is set where this test binary is the stub of BenchmarkSender, in a process of its own: what it uses is not the
// sender's.
const stubVariable = "ARVO_ATTACK_STUB"

func TestMain(m *testing.M) {
	if os.Getenv(stubVariable) != "" {
		if err := stub(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// stub answers 202 until its standard input ends, and prints its address first.
func stub() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the benchmark is over, however it ends
		os.Exit(0)
	}()
	fmt.Println(listener.Addr())
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, `{"subject":"%s"}`, r.Header.Get("Idempotency-Key"))
	}))
}

// startStub starts a stub and returns its URL.
func startStub(b *testing.B) string {
	b.Helper()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), stubVariable+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := stdin.Close(); err != nil {
			b.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(address) + "/events"
}

// BenchmarkSender sends 2,000 subjects a second for five seconds to a stub in another process.
//
//	go test -run - -bench Sender -benchtime 1x ./loadtest/attack
func BenchmarkSender(b *testing.B) {
	const rate = 2000
	url := startStub(b)
	body := []byte(`{"type":"com.workload.simulate","data":{"sleep_ms":50}}`)
	var cpu, slip float64
	for range b.N {
		s, l := plan(b, schedule.Constant("hold", rate, 5*time.Second))
		report := run(b, b.Context(), attack.Config{Schedule: s, Ledger: l, Request: attack.Request{
			Method: "POST", URL: url, Header: http.Header{"Content-Type": {"application/json"}},
			Body: func(string) ([]byte, error) { return body, nil },
			Subject: func(_ int, body []byte) (string, string) {
				_, rest, _ := strings.Cut(string(body), `":"`)
				return strings.TrimSuffix(rest, `"}`), ""
			},
		}})
		if c := l.Count(nil); c.Acknowledged != c.Scheduled || report.Faults != 0 {
			b.Fatalf("%+v, %+v", report, c)
		}
		var slips []time.Duration
		for r := range l.All() {
			d, _ := r.Slip() // it was sent
			slips = append(slips, d)
		}
		slices.Sort(slips)
		cpu = max(cpu, report.CPUCores)
		slip = max(slip, quantile(slips, 0.99).Seconds()*1e3)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate, "requests/s")
	b.ReportMetric(cpu, "sender-cores")
	b.ReportMetric(slip, "slip-p99-ms")
}

// BenchmarkCoordinatedOmission shows what latency is made of when a server stands still for one of four seconds: counted from when
// requests were sent, and from when they were due.
//
//	go test -run - -bench CoordinatedOmission -benchtime 1x ./loadtest/attack
func BenchmarkCoordinatedOmission(b *testing.B) {
	for _, workers := range []int{20, 5000} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			var d distribution
			for range b.N {
				d, _ = omission(b, workers)
			}
			b.ReportMetric(0, "ns/op")
			for _, q := range []int{90, 99} {
				b.ReportMetric(quantile(d.fromSent, float64(q)/100).Seconds()*1e3, fmt.Sprintf("sent-p%d-ms", q))
				b.ReportMetric(quantile(d.fromDue, float64(q)/100).Seconds()*1e3, fmt.Sprintf("due-p%d-ms", q))
			}
		})
	}
}
