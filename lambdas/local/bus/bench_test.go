package bus_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/arvo/lambdas/local/bus"
	"example.com/arvo/lambdas/local/wire"
)

// drain is a target that is always ready.
type drain struct{ bytes, messages atomic.Int64 }

func (d *drain) Deliver(_ context.Context, body []byte, _ string, _ map[string]string) error {
	d.bytes.Add(int64(len(body)))
	d.messages.Add(1)
	return nil
}

// putRequest is the body of a PutEvents of 10 entries with details of about 750 bytes, such as the system sends.
func putRequest(tb testing.TB) []byte {
	tb.Helper()
	detail := fmt.Sprintf(`{"id":"6f1f3c52-6e4b-4d0a-9c0e-0d7a8a1f2b3c","source":"com.example.shop","type":"com.payment.charge","subject":"%s",`+
		`"to":"com.payment.charge","specversion":"1.0","datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo",`+
		`"time":"2026-11-23T10:00:00.000Z","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","tracestate":null,`+
		`"executionunits":4,"data":{"customer":"c-1042","amount":{"value":129.9,"currency":"EUR"},"lines":[{"sku":"A-1","n":2},{"sku":"B-7","n":1}],"note":"leave at the \"back\" door"}}`,
		strings.Repeat("c3ViamVjdA", 16))
	type entry struct{ Source, DetailType, Detail, EventBusName string }
	var in struct{ Entries []entry }
	for range 10 {
		in.Entries = append(in.Entries, entry{"com.example.shop", "com.payment.charge", detail, "bus"})
	}
	body, err := json.Marshal(in)
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// busWithRules has three rules such as those of the system: hosted services, responses, anything else.
func busWithRules(tb testing.TB, target bus.Target) *bus.Service {
	tb.Helper()
	s := bus.New(bus.Options{
		Region: "us-east-1", Account: "000000000000",
		Target: func(string) (bus.Target, bool) { return target, true },
	})
	if err := s.CreateBus("bus"); err != nil {
		tb.Fatal(err)
	}
	for name, pattern := range map[string]string{
		"hosted":     `{"detail":{"to":["com.payment.charge","com.payment.refund","com.inventory.reserve","com.shipping.book"]}}`,
		"responses":  `{"detail":{"to":["api.thin.lambda"]}}`,
		"unroutable": `{"$or":[{"detail":{"to":[{"anything-but":["com.payment.charge","com.payment.refund","com.inventory.reserve","com.shipping.book","api.thin.lambda"]}]}},{"detail":{"to":[{"exists":false}]}}]}`,
	} {
		err := s.CreateRule(bus.Rule{Name: name, Bus: "bus", Pattern: []byte(pattern), Enabled: true, Targets: []bus.TargetConfig{
			{ID: "queue", ARN: "arn:aws:sqs:us-east-1:000000000000:" + name},
		}})
		if err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// BenchmarkPutEventsHTTP is the whole way of events from 8 clients over HTTP into a queue that is always empty.
func BenchmarkPutEventsHTTP(b *testing.B) {
	target := &drain{}
	s := busWithRules(b, target)
	mux := &wire.Mux{}
	mux.Handle(s.Wire())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()

	body := putRequest(b)
	request := fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSEvents.PutEvents\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n", len(body))
	request = append(request, body...)

	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	var left atomic.Int64
	left.Store(int64(b.N))
	var clients sync.WaitGroup
	b.ResetTimer()
	for range 8 {
		clients.Go(func() {
			if err := client(listener.Addr().String(), request, &left); err != nil {
				b.Error(err)
			}
		})
	}
	clients.Wait()
	b.StopTimer()
	b.ReportMetric(float64(10*b.N)/b.Elapsed().Seconds(), "events/s")
	if got := target.messages.Load(); got != int64(10*b.N) {
		b.Errorf("%d of %d events were delivered", got, 10*b.N)
	}
	if err := server.Close(); err != nil {
		b.Error(err)
	}
	if err := <-done; err != http.ErrServerClosed {
		b.Error(err)
	}
}

// client sends a request again and again over one connection, as cheaply as can be: the client shares the machine.
func client(addr string, request []byte, left *atomic.Int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for left.Add(-1) >= 0 {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return err
			}
			if len(line) == 2 {
				break
			}
			if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				if _, err := fmt.Sscanf(string(value), "%d", &length); err != nil {
					return err
				}
			}
		}
		if length == 0 {
			return fmt.Errorf("an answer without Content-Length")
		}
		answer, err := r.Peek(min(length, 80))
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(answer, []byte(`{"Entries":[{"EventId"`)) {
			return fmt.Errorf("answer: %s", answer)
		}
		if _, err := io.CopyN(io.Discard, r, int64(length)); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkPutEvents is the same without HTTP and clients.
func BenchmarkPutEvents(b *testing.B) {
	s := busWithRules(b, &drain{})
	put := s.Wire().Operations["PutEvents"]
	body := putRequest(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := put(context.Background(), body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(10*b.N)/b.Elapsed().Seconds(), "events/s")
}
