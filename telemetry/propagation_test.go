package telemetry

import (
	"strings"
	"testing"

	"example.com/arvo/lambdas/broker"
)

// FuzzTraceparent: what is read here is what package broker passes on, and is written as it was read.
func FuzzTraceparent(f *testing.F) {
	for _, s := range []string{
		"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
		"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sc, ok := parseTraceparent(s)
		if header := broker.TraceHeader(s); ok != (header != "") {
			t.Fatalf("%q: read %v, passed on as %q", s, ok, header)
		}
		if !ok {
			return
		}
		if got := traceparent(sc, sc.SpanID()); got[2:54] != s[2:54] || sc.IsSampled() != strings.HasSuffix(got, "1") {
			t.Errorf("%q became %q", s, got)
		}
		if again, ok := parseTraceparent(traceparent(sc, sc.SpanID())); !ok || again.TraceID() != sc.TraceID() || again.IsSampled() != sc.IsSampled() {
			t.Errorf("%q does not read back", s)
		}
	})
}

// FuzzTracestate: an anchor that is put in front is found again, nothing is longer than W3C asks to be passed on, and the
// members of others keep their order.
func FuzzTracestate(f *testing.F) {
	for _, s := range []string{"", "k=v", "arvo=0011223344556677,k=v", "a=1, b=2 ,arvo=zz,,c=3", strings.Repeat("x=y,", 1000), "arvo=", "\x00"} {
		f.Add(s)
	}
	id := [8]byte{1, 2, 3}
	f.Fuzz(func(t *testing.T, s string) {
		if _, ok := anchorOf(s); ok && !strings.Contains(s, stateKey) {
			t.Errorf("an anchor in %q", s)
		}
		got := withAnchor(id, s)
		if back, ok := anchorOf(got); !ok || back != id || len(got) > maxTracestate || strings.Count(","+got, ","+stateKey) != 1 {
			t.Fatalf("%q became %q", s, got)
		}
		at := 0
		for member := range strings.SplitSeq(got[len(stateKey)+16:], ",") {
			i := strings.Index(s[at:], member)
			if i < 0 {
				t.Fatalf("%q is not in %q, or not in its order", member, s)
			}
			at += i + len(member)
		}
	})
}

func TestStacksAreRead(t *testing.T) {
	const stack = "goroutine 1 [running]:\nruntime/debug.Stack()\n\t/go/src/runtime/debug/stack.go:26 +0x5e\nmain.(*T).f(0x1, {0x2, 0x3})\n\t/src/my dir/main.go:7 +0x1d\nrubbish\n\t:\n\t\ncreated by main.main in goroutine 1\n\t/src/main.go:9 +0x1\n"
	got := frames(stack)
	if len(got) != 3 || got[1].Label != "main.(*T).f" || got[1].Path != "/src/my dir/main.go" || got[1].Line != 7 || got[2].Line != 9 {
		t.Errorf("frames %+v", got)
	}
	if got := frames(strings.Repeat("f()\n\tx.go:1\n", 1000)); len(got) != maxFrames {
		t.Errorf("%d frames", len(got))
	}
}

func TestBatchesAreTold(t *testing.T) {
	for _, c := range []struct {
		name, payload, queue string
		messages             int
	}{
		{"nothing", "", "", 0},
		{"a request", `{"httpMethod":"POST","body":"{\"receiptHandle\":\"x\",\"eventSourceARN\":\"arn:a\"}"}`, "", 0},
		{"two messages", `{"Records":[{"receiptHandle":"a","body":"{\"eventSourceARN\":\"b\"}","eventSourceARN": "arn:aws:sqs:r:1:q"},{"receiptHandle":"b"}]}`, "arn:aws:sqs:r:1:q", 2},
		{"one that has attributes with such names", `{"Records":[{"receiptHandle":"a","messageAttributes":{"receiptHandle":{"stringValue":"x"},"eventSourceARN":{"stringValue":"y"}},"eventSourceARN":"arn:aws:sqs:r:1:q"}]}`, "arn:aws:sqs:r:1:q", 1},
		{"one without a source", `{"Records":[{"receiptHandle":"a"}]}`, "", 1},
		{"one whose source does not end", `{"Records":[{"receiptHandle":"a","eventSourceARN":"` + strings.Repeat("x", 1000), "", 1},
		{"one whose source is none", `{"Records":[{"receiptHandle":"a","eventSourceARN":`, "", 1},
	} {
		if queue, messages := batchOf([]byte(c.payload)); queue != c.queue || messages != c.messages {
			t.Errorf("%s: %q, %d", c.name, queue, messages)
		}
	}
}
