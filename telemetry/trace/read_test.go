package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	"github.com/aws/aws-sdk-go-v2/service/xray/types"

	"example.com/arvo/telemetry/segment"
)

// A busyXRay leaves ids unprocessed for a while, and gives a trace in pages of two documents.
type busyXRay struct {
	fakeXRay
	unprocessed int // calls that process nothing
	pages       int
}

func (f *busyXRay) BatchGetTraces(ctx context.Context, in *xray.BatchGetTracesInput, _ ...func(*xray.Options)) (*xray.BatchGetTracesOutput, error) {
	if f.unprocessed > 0 {
		f.unprocessed--
		return &xray.BatchGetTracesOutput{UnprocessedTraceIds: in.TraceIds}, nil
	}
	whole, err := f.fakeXRay.BatchGetTraces(ctx, in)
	if err != nil || len(whole.Traces) == 0 {
		return whole, err
	}
	f.pages++
	at := 0
	if in.NextToken != nil {
		if _, err := fmt.Sscan(*in.NextToken, &at); err != nil {
			return nil, err
		}
	}
	t := whole.Traces[0]
	end := min(at+2, len(t.Segments))
	out := &xray.BatchGetTracesOutput{Traces: []types.Trace{{Id: t.Id, Segments: t.Segments[at:end]}}}
	if end < len(t.Segments) {
		out.NextToken = aws.String(fmt.Sprint(end))
	}
	return out, nil
}

func TestATraceOfManyPagesIsReadWhole(t *testing.T) {
	r, _ := compensation(1)
	f := &busyXRay{fakeXRay: fakeXRay{docs: r.docs}}
	record, err := fetch(t.Context(), f, r.trace)
	if err != nil {
		t.Fatal(err)
	}
	if f.pages <= 5 || len(record.docs) < len(r.docs) {
		t.Errorf("%d documents on %d pages, want %d", len(record.docs), f.pages, len(r.docs))
	}
}

func TestUnprocessedIdsAreAskedForAgain(t *testing.T) {
	for _, test := range []struct {
		name        string
		unprocessed int
		documents   bool
	}{
		{"once", 1, true},
		{"as often as it is worth while", unprocessedTries - 1, true},
		{"but not for ever", unprocessedTries, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := charge(1)
				began := time.Now()
				record, err := fetch(t.Context(), &busyXRay{fakeXRay: fakeXRay{docs: r.docs}, unprocessed: test.unprocessed}, r.trace)
				if err != nil {
					t.Fatal(err)
				}
				if got := len(record.docs) > 0; got != test.documents || (record.unprocessed == 0) != test.documents {
					t.Errorf("%d documents, %d traces unprocessed", len(record.docs), record.unprocessed)
				}
				if took := time.Since(began); took < unprocessedPause || took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// lateXRay has on the second page what the first one left unprocessed, and names ids that nobody asked for.
type lateXRay struct{ fakeXRay }

func (f *lateXRay) BatchGetTraces(ctx context.Context, in *xray.BatchGetTracesInput, _ ...func(*xray.Options)) (*xray.BatchGetTracesOutput, error) {
	if in.NextToken == nil {
		return &xray.BatchGetTracesOutput{UnprocessedTraceIds: append([]string{"1-386d4380-0000000000000000000000ff"}, in.TraceIds...), NextToken: aws.String("2")}, nil
	}
	return f.fakeXRay.BatchGetTraces(ctx, in)
}

func TestWhatALaterPageHasWasProcessed(t *testing.T) {
	r, _ := charge(1)
	f := &lateXRay{fakeXRay{docs: r.docs}}
	record, err := fetch(t.Context(), f, r.trace)
	if err != nil || len(f.asked) != 1 || record.unprocessed != 0 {
		t.Errorf("%v; asked %d times, %d unprocessed", err, len(f.asked), record.unprocessed)
	}
}

// TestThrottlesAreWaitedOut asks as the command does, by the SDK.
func TestThrottlesAreWaitedOut(t *testing.T) {
	newcomer(t)
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if calls.Add(1) <= 2 {
			w.Header().Set("X-Amzn-ErrorType", "ThrottledException")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"message":"Rate exceeded"}`)
			return
		}
		fmt.Fprint(w, `{"Traces":[{"Id":"1-386d4380-000000000000000000000001","Segments":[{"Id":"53995c3f42cd8ad8","Document":"{\"id\":\"53995c3f42cd8ad8\",\"name\":\"x\",\"start_time\":1,\"end_time\":2}"}]}]}`)
	}))
	defer server.Close()
	out, code := runCommand(t.Context(), "1-386d4380-000000000000000000000001", "--endpoint-url", server.URL)
	if code != exitOK || calls.Load() != 3 {
		t.Errorf("exit %d after %d calls: %s", code, calls.Load(), out)
	}
}

func TestWaitIsForTheAnswer(t *testing.T) {
	for _, test := range []struct {
		name string
		wait time.Duration
		took time.Duration
		want string
		code string
	}{
		{"it comes", 30 * time.Second, 3 * time.Second, "arvo-api_lambda evt.payment.charge.success", ""},
		{"it does not come in time", 2 * time.Second, 2 * time.Second, "… no answer yet: ", "exit 1\n"},
		{"nobody waits", 0, 0, "(--wait 30s waits for it)", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, subject := charge(1)
				early := slices.Clone(r.docs)
				early = slices.DeleteFunc(early, func(d segment.Document) bool { return d.Start > r.at(97) })
				began := time.Now()
				f := &fakeXRay{docs: early, late: func() []segment.Document {
					if time.Since(began) < 3*time.Second {
						return nil
					}
					return r.docs[len(early):]
				}}
				out := shown(t.Context(), f, screen{}, subject, command{wait: test.wait})
				if took := time.Since(began); took < test.took || took > test.took+time.Second {
					t.Errorf("it took %v", took)
				}
				if !strings.Contains(out, test.want) || !strings.HasSuffix(out, test.code) || test.code == "" && strings.Contains(out, "exit 1") {
					t.Errorf("no %q, or not %q, in\n%s", test.want, test.code, out)
				}
			})
		})
	}
}

func TestStanding(t *testing.T) {
	for _, test := range []struct {
		name string
		make func() (*recorder, string)
		age  time.Duration
		want string
	}{
		{"an answer has come", func() (*recorder, string) { return charge(1) }, 0, ""},
		{"all events of a branching answer have come", func() (*recorder, string) { return fanout(1) }, 0, ""},
		{"every delivery has failed", func() (*recorder, string) { return poison(1) }, 0, "no answer yet: arvo-federated_handler has failed at com.payment.charge 3 times; "},
		{"and long ago", func() (*recorder, string) { return poison(1) }, 3 * time.Hour, "no answer, and nothing new for 3h0m0s: "},
		{"the bus has it", func() (*recorder, string) {
			r := newRecorder(1)
			s := subjectOn("com.payment.charge", r.trace.String())
			r.request(s, "com.payment.charge", false)
			return r, s
		}, 0, "no answer yet: an event was sent to arvo-bus, and nobody has received it"},
		{"a function has run out of time", func() (*recorder, string) {
			r := newRecorder(1)
			s := subjectOn("com.payment.charge", r.trace.String())
			q := r.hops(r.request(s, "com.payment.charge", false), "arvo-requests", 13.8, 41, 96.5, 1)
			r.message(handler, q, s, "com.payment.charge", "ok", 97, -1)
			return r, s
		}, 0, "no answer yet: arvo-federated_handler has begun with com.payment.charge and not ended: "},
		{"a service has sent nothing", func() (*recorder, string) {
			r := newRecorder(1)
			s := subjectOn("com.payment.charge", r.trace.String())
			q := r.hops(r.request(s, "com.payment.charge", false), "arvo-requests", 13.8, 41, 96.5, 1)
			r.message(handler, q, s, "com.payment.charge", "ok", 97, 99)
			return r, s
		}, 0, "no answer yet: every event was received, and none came back to arvo-api_lambda"},
		{"a document in the midst is lost, and the answer is there", func() (*recorder, string) {
			r, s := charge(1)
			bus := busOf(r, 1)
			return r.drop(func(d *segment.Document) bool { return d.ID == bus }), s
		}, 0, ""},
		{"there is no event at all", func() (*recorder, string) {
			r := newRecorder(1)
			r.add(segment.Document{Name: "arvo-api/live", Origin: segment.OriginStage}, segment.ID{}, 0, 5)
			return r, r.trace.String()
		}, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, subject := test.make()
				time.Sleep(10*time.Second + test.age) // in the bubble
				out := shown(t.Context(), &fakeXRay{docs: r.docs}, screen{}, subject, command{})
				line := ""
				for l := range strings.Lines(out) {
					if rest, ok := strings.CutPrefix(l, "… "); ok {
						line = rest
					}
				}
				if test.want == "" && line != "" || !strings.HasPrefix(line, test.want) || strings.Contains(line, "--wait") != (test.want != "" && test.age == 0) {
					t.Errorf("got %q, want %q", line, test.want)
				}
				if strings.Contains(out, "pending") != (test.want != "") {
					t.Errorf("pending or not:\n%s", out)
				}
			})
		})
	}
}

// TestALargeSegmentIsReadBack: X-Ray puts subsegments that were sent by themselves into their segment, which may then be larger than
// what may be sent.
func TestALargeSegmentIsReadBack(t *testing.T) {
	r := newRecorder(1)
	calls := make([]segment.Document, 1000)
	for i := range calls {
		calls[i] = r.table("PutItem", "arvo-effects", 1, 2)
		calls[i].ID = segment.ID{1, byte(i >> 8), 7: byte(i)}
	}
	r.add(functionDocument(handler), segment.ID{}, 0, 3, calls...)
	record, err := fetch(t.Context(), &fakeXRay{docs: r.docs}, r.trace)
	if err != nil || record.unreadable != 0 || len(record.raw[0]) <= segment.MaxSize {
		t.Errorf("%v; unreadable: %d, %v", err, record.unreadable, record.reason)
	}
}
