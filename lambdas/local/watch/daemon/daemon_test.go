package daemon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/arvo/lambdas/local/watch/daemon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const header = `{"format": "json", "version": 1}` + "\n"

// sink keeps documents.
type sink struct {
	mu   sync.Mutex
	docs []string
}

func (s *sink) put(doc []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.docs = append(s.docs, string(doc))
	if strings.Contains(string(doc), "secret") {
		return errors.New("no segment")
	}
	return nil
}

func listen(t testing.TB, o daemon.Options) *daemon.Daemon {
	t.Helper()
	o.Address = "127.0.0.1:0"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d, err := daemon.Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, d) })
	return d
}

func stop(t testing.TB, d *daemon.Daemon) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := d.Close(ctx); err != nil {
		t.Error(err)
	}
}

func send(t testing.TB, d *daemon.Daemon, datagrams ...string) {
	t.Helper()
	conn, err := net.Dial("udp", d.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, datagram := range datagrams {
		if _, err := conn.Write([]byte(datagram)); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to be that %s", what)
		}
	}
}

func TestDatagrams(t *testing.T) {
	for _, c := range []struct {
		name, datagram string
		taken          bool
	}{
		{"the header and a document", header + `{"id":"1"}`, true},
		{"a header without spaces", `{"format":"json","version":1}` + "\n{}", true},
		{"a header with its members turned around", `{"version":1,"format":"json"}` + "\n{}", true},
		{"a body that is no document is for the sink to refuse", header + "T1Sabc", true},
		{"no header", `{"id":"1"}`, false},
		{"a header for another format", `{"format":"text","version":1}` + "\n{}", false},
		{"a header of another version", `{"format":"json","version":2}` + "\n{}", false},
		{"a header and nothing else", header, false},
		{"nothing", "", false},
		{"a line of rubbish", "\x00\xff\n{}", false},
		{"the largest datagram there is", header + strings.Repeat(" ", 65_507-len(header)-2) + "{}", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s sink
			d := listen(t, daemon.Options{Sink: s.put})
			send(t, d, c.datagram, header+"last")
			eventually(t, "both are counted", func() bool { return d.Stats().Received == 2 })
			stop(t, d)
			want := []string{"last"}
			if c.taken {
				_, body, _ := strings.Cut(c.datagram, "\n")
				want = []string{body, "last"}
			}
			if fmt.Sprintf("%q", s.docs) != fmt.Sprintf("%q", want) {
				t.Errorf("%.200q, want %.200q", s.docs, want)
			}
			if got := d.Stats().Rejected; (got == 0) != c.taken {
				t.Errorf("%d rejected", got)
			}
		})
	}
}

func TestRejectionsAreLoggedOnceInAWhileAndWithoutTheirContent(t *testing.T) {
	var log bytes.Buffer
	var s sink
	d := listen(t, daemon.Options{Sink: s.put, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 50 {
		send(t, d, header+`{"x":"secret"}`, "secret")
	}
	eventually(t, "all are rejected", func() bool { return d.Stats().Rejected == 100 })
	stop(t, d)
	if n := strings.Count(log.String(), "\n"); n != 1 || strings.Contains(log.String(), "secret") {
		t.Errorf("%d lines: %s", n, &log)
	}
}

// A sink that is behind costs documents, not memory, and what it costs is counted.
func TestOverflow(t *testing.T) {
	release := make(chan struct{})
	var taken int
	d := listen(t, daemon.Options{Backlog: 64 << 10, Sink: func([]byte) error { <-release; taken++; return nil }})
	const n, size = 100, 8 << 10
	datagram := header + strings.Repeat("x", size-len(header))
	for range n {
		send(t, d, datagram)
	}
	eventually(t, "all have been read", func() bool { s := d.Stats(); return s.Received+s.Kernel == n })
	close(release)
	stop(t, d)
	s := d.Stats()
	if most := 64<<10/size + 1; taken == 0 || taken > most || uint64(taken)+s.Lost() != n {
		t.Errorf("%d taken, at most %d are due; %+v", taken, most, s)
	}
}

// What 1,000 requests a second send, eight documents each, arrives whole. A burst here is worth a quarter of a second of that.
func TestNothingIsLost(t *testing.T) {
	var count int
	d := listen(t, daemon.Options{Sink: func([]byte) error { count++; return nil }})
	datagram := header + strings.Repeat("x", 800)
	const bursts, burst = 10, 2000
	conn, err := net.Dial("udp", d.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if b := d.Stats().Buffer; b > 0 && b < daemon.ReadBuffer/2 {
		t.Skipf("the kernel gives a buffer of %d bytes only: raise net.core.rmem_max", b)
	}
	for i := range bursts {
		for range burst {
			if _, err := conn.Write([]byte(datagram)); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the burst has been read", func() bool { s := d.Stats(); return s.Received+s.Kernel >= uint64((i+1)*burst) })
	}
	stop(t, d)
	if s := d.Stats(); s.Lost() != 0 || count != bursts*burst {
		t.Errorf("%d of %d documents, %+v", count, bursts*burst, s)
	}
}

func TestTCPProxy(t *testing.T) {
	d := listen(t, daemon.Options{Sink: func([]byte) error { return nil }, Proxy: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.Path) // the recorder of this test is the client
	})})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Post("http://"+d.Addr()+"/GetSamplingRules", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "/GetSamplingRules" {
		t.Errorf("%s (%v)", body, err)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"0.0.0.0:0":       "not one of loopback",
		"127.0.0.1":       "missing port",
		"127.0.0.1:99999": "invalid port",
	} {
		_, err := daemon.Listen(t.Context(), daemon.Options{Address: address, Sink: func([]byte) error { return nil }})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
	taken := listen(t, daemon.Options{Sink: func([]byte) error { return nil }})
	if _, err := daemon.Listen(t.Context(), daemon.Options{Address: taken.Addr(), Sink: func([]byte) error { return nil }}); err == nil {
		t.Error("a port that is taken is taken twice")
	}
}

func BenchmarkReceive(b *testing.B) {
	d := listen(b, daemon.Options{Sink: func([]byte) error { return nil }})
	conn, err := net.Dial("udp", d.Addr())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	datagram := []byte(header + strings.Repeat("x", 800))
	b.SetBytes(int64(len(datagram)))
	for b.Loop() {
		if _, err := conn.Write(datagram); err != nil {
			b.Fatal(err)
		}
	}
	eventually(b, "all have arrived", func() bool { s := d.Stats(); return s.Received+s.Kernel >= uint64(b.N) })
	b.ReportMetric(float64(d.Stats().Lost()), "lost")
}
