package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/arvo/telemetry/segment"
)

var update = flag.Bool("update", false, "write the golden files")

// shown is what a command shows of what X-Ray has, with its errors and its exit.
func shown(ctx context.Context, f *fakeXRay, s screen, argument string, c command) string {
	var stdout, stderr bytes.Buffer
	v := &viewer{xray: f, region: "us-east-1"}
	q, err := ask(argument)
	if err != nil {
		return err.Error()
	}
	c.question = q
	whole, err := v.show(ctx, &c, &stdout, &stderr, s)
	out := stdout.String() + stderr.String()
	if err != nil {
		out += "trace: " + err.Error() + "\n"
	}
	if err != nil || !whole {
		out += "exit 1\n"
	}
	return out
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", strings.ReplaceAll(name, " ", "_")+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func busOf(r *recorder, n int) segment.ID {
	for _, d := range r.docs {
		if d.Origin == segment.OriginEvents {
			if n--; n == 0 {
				return d.ID
			}
		}
	}
	panic("no such bus")
}

func TestGolden(t *testing.T) {
	plainly := screen{}
	for _, test := range []struct {
		name   string
		screen screen
		make   func() (*recorder, string)
		flags  command
	}{
		{"a plain request", plainly, func() (*recorder, string) { return charge(1) }, command{}},
		{"a plain request on a terminal", screen{80, true, true}, func() (*recorder, string) { return charge(1) }, command{}},
		{"a plain request is whole", plainly, func() (*recorder, string) {
			r, subject := charge(1)
			r.docs = append(r.docs, r.invocation(handler)...)
			return r, subject
		}, command{check: true}},
		{"a plain request as JSON", plainly, func() (*recorder, string) { return charge(1) }, command{json: true, check: true}},
		{"a fulfilment with compensation", plainly, func() (*recorder, string) { return compensation(2) }, command{}},
		{"a poison record", plainly, func() (*recorder, string) { return poison(3) }, command{}},
		{"several events are branches", plainly, func() (*recorder, string) { return fanout(4) }, command{}},
		{"a lost document", plainly, func() (*recorder, string) {
			r, subject := charge(5)
			bus := busOf(r, 1)
			return r.drop(func(d *segment.Document) bool { return d.ID == bus }), subject
		}, command{check: true}},
		{"a broken trace", plainly, func() (*recorder, string) {
			r, subject := charge(6)
			for i := range r.docs {
				if r.docs[i].Name == handler {
					r.docs[i].ParentID = segment.ID{0xbb}
				}
			}
			return r, subject
		}, command{check: true}},
		{"an event that nobody received", plainly, func() (*recorder, string) {
			r := newRecorder(7)
			subject := subjectOn("com.payment.charge", r.trace.String())
			r.request(subject, "com.payment.charge", false)
			return r, subject
		}, command{check: true}},
		{"a receiver that has told of the way only", plainly, func() (*recorder, string) {
			r := newRecorder(9)
			subject := subjectOn("com.payment.charge", r.trace.String())
			r.hops(r.request(subject, "com.payment.charge", false), "arvo-requests", 13.8, 41, 96.5, 1)
			return r, subject
		}, command{check: true}},
		{"in progress", plainly, func() (*recorder, string) {
			r := newRecorder(8)
			subject := subjectOn("com.payment.charge", r.trace.String())
			queue := r.hops(r.request(subject, "com.payment.charge", false), "arvo-requests", 13.8, 41, 96.5, 1)
			r.message(handler, queue, subject, "com.payment.charge", "ok", 97, -1, r.sub("com.payment.charge", segment.NamespaceRemote, 99, -1, r.table("PutItem", "arvo-effects", 104, 118)))
			return r, subject
		}, command{}},
		{"a killed first delivery", plainly, killed, command{check: true}},
		{"a delivery that has not reported yet", plainly, func() (*recorder, string) {
			r, subject := charge(12)
			return r.drop(func(d *segment.Document) bool {
				return d.Name == handler || d.ParentID == r.docs[0].ID || d.Start > r.at(97)
			}), subject
		}, command{}},
		{"duplicates", plainly, duplicates, command{}},
		{"a publisher that died", plainly, died, command{check: true}},
		{"a call that timed out", plainly, func() (*recorder, string) { return timeout(20, false) }, command{check: true, wait: time.Minute}},
		{"a call that timed out and was received late", plainly, func() (*recorder, string) { return timeout(21, true) }, command{}},
		{"a trace that began elsewhere", plainly, func() (*recorder, string) {
			r, subject := charge(16)
			r.docs[0].ParentID = segment.ID{0x53, 0x99, 7: 1}
			return r, subject
		}, command{check: true}},
		{"a bus of which nobody knows when it took the event", plainly, func() (*recorder, string) {
			r, subject := charge(17)
			for i := range r.docs {
				if d := &r.docs[i]; d.Origin == segment.OriginEvents {
					d.Start = d.End
					d.Metadata = append(d.Metadata, segment.Namespace{Name: "otel", Attributes: []segment.Attribute{{Key: "arvo.bus.begin_unknown", Value: segment.Bool(true)}}})
				}
			}
			return r, subject
		}, command{}},
		{"a narrow terminal", screen{40, true, false}, func() (*recorder, string) { return poison(18) }, command{check: true}},
		{"a function that had to start", plainly, func() (*recorder, string) {
			r, subject := charge(22)
			for i := range r.docs {
				if d := &r.docs[i]; len(d.Links) > 0 { // both functions; of the second, nobody knows when it was given the message
					tell(d, "m-1", 1)
					d.Metadata[0].Attributes = append(d.Metadata[0].Attributes, segment.Attribute{Key: "faas.coldstart", Value: segment.Bool(true)})
				} else if d.Name == "arvo-requests" {
					d.Metadata[0].Attributes = append(d.Metadata[0].Attributes,
						segment.Attribute{Key: "messaging.message.id", Value: segment.String("m-1")}, segment.Attribute{Key: "arvo.message.first_received_at", Value: segment.String("2000-01-01T00:00:00.082Z")})
				}
			}
			return r, subject
		}, command{}},
		{"a request that reads", plainly, func() (*recorder, string) {
			r, _ := charge(23)
			r.docs = r.docs[:3]
			return r, r.trace.String()
		}, command{check: true}},
		{"a wide terminal", screen{200, true, false}, func() (*recorder, string) { return poison(19) }, command{}},
		{"a subject that was not sampled", plainly, func() (*recorder, string) {
			r := newRecorder(9)
			return r, subjectOn("com.payment.charge", r.trace.String())
		}, command{}},
		{"two traces of one subject", plainly, func() (*recorder, string) {
			r, subject := charge(10)
			again := newRecorder(11)
			again.message(handler, segment.ID{}, subject, "com.payment.charge", "ok", 300, 310)
			r.docs = append(r.docs, again.docs...)
			return r, subject
		}, command{check: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, subject := test.make()
				time.Sleep(2 * time.Minute) // in the bubble: nothing arrives any more
				golden(t, test.name, shown(t.Context(), &fakeXRay{docs: r.docs}, test.screen, subject, test.flags))
			})
		})
	}
}

// TestNothingHiddenReachesTheTerminal: names and messages may come from anybody.
func TestNothingHiddenReachesTheTerminal(t *testing.T) {
	r := newRecorder(1)
	evil := "a\x1b[2J\u202eb\nc\x9b"
	d := failure(functionDocument(evil), evil, evil)
	d.Annotations = []segment.Attribute{{Key: "subject", Value: segment.String(evil)}, {Key: "event_type", Value: segment.String(evil)}, {Key: "outcome", Value: segment.String(evil)}}
	queue := r.hops(segment.ID{9}, evil, 0, 1, 2, 1)
	r.add(d, queue, 2, 3, r.table(evil, evil, 2, 3), r.sub(evil, segment.NamespaceRemote, 2, 3))
	for _, check := range []bool{false, true} {
		for _, width := range []int{0, 20, 80} {
			out := shown(t.Context(), &fakeXRay{docs: r.docs}, screen{width: width}, r.trace.String(), command{check: check})
			for _, line := range strings.Split(out, "\n") {
				if i := strings.IndexFunc(line, hidden); i >= 0 {
					t.Fatalf("width %d: %q holds %q", width, line, line[i:i+1])
				}
			}
		}
	}
}

func TestCheckWaitsForWhatIsArriving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, subject := charge(1)
		last := r.docs[len(r.docs)-1]
		began := time.Now()
		f := &fakeXRay{docs: r.docs[:len(r.docs)-1], late: func() []segment.Document {
			if time.Since(began) < 3*time.Second {
				return nil
			}
			return []segment.Document{last}
		}}
		out := shown(t.Context(), f, screen{}, subject, command{check: true})
		if !strings.Contains(out, "verdict  whole") {
			t.Errorf("it did not wait:\n%s", out)
		}
		if took := time.Since(began); took < 3*time.Second || took > 5*time.Second {
			t.Errorf("it waited for %v", took)
		}
	})
}

func TestCheckWaitsForATraceThatIsNotThereYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, subject := charge(1)
		began := time.Now()
		f := &fakeXRay{late: func() []segment.Document {
			if time.Since(began) < time.Second {
				return nil
			}
			return r.docs
		}}
		if out := shown(t.Context(), f, screen{}, subject, command{check: true}); !strings.Contains(out, "verdict  whole") {
			t.Errorf("it did not wait:\n%s", out)
		}
	})
}

func TestCheckDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, subject := charge(1)
		began := time.Now()
		out := shown(t.Context(), &fakeXRay{docs: r.docs[:len(r.docs)-1]}, screen{}, subject, command{check: true})
		if !strings.Contains(out, "verdict  pending, and sound so far: no answer yet") || time.Since(began) > settleTime+settlePause+2*time.Second {
			t.Errorf("after %v:\n%s", time.Since(began), out)
		}
	})
}

func TestForeignSubjectsAreSearchedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name, subject string
			ago           time.Duration // that the trace began
			searches      int
			want          string
		}{
			{"of the last hours", "order-1", 2 * time.Hour, 2, "subject  order-1"},
			{"with quotes and backslashes", `a "b" \ c`, time.Hour, 2, `subject  a "b" \ c`},
			{"of three days ago", "order-3", 72 * time.Hour, 14, "looking back 30 days"},
			{"with control characters, which no annotation has", "a\x01b", time.Hour, 2, "subject  a\uFFFDb"},
			{"longer than annotations are", strings.Repeat("ü", 900), time.Hour, 2, "subject  üü"},
			{"of which nobody knows", "nobody", -1, 121, "no trace of the subject \"nobody\""},
			{"of which nobody knows, and for which waiting does not help", "nobody", -1, 121, "a subject is searched for once"},
		} {
			time.Sleep(time.Until(bubble.Add(45 * 24 * time.Hour)))
			r := newRecorder(1)
			r.epoch = segment.At(time.Now().Add(-test.ago))
			if test.ago > 0 {
				r.message(handler, segment.ID{}, segment.AnnotationText(test.subject), "com.payment.charge", "ok", 0, 10)
			}
			f := &fakeXRay{docs: r.docs}
			out := shown(t.Context(), f, screen{}, test.subject, command{})
			if !strings.Contains(out, test.want) {
				t.Errorf("%s: no %q in\n%s", test.name, test.want, out)
			}
			searches := 0
			for _, name := range f.asked {
				if name == "GetTraceSummaries" {
					searches++
				}
			}
			if searches != test.searches {
				t.Errorf("%s: %d searches, want %d", test.name, searches, test.searches)
			}
		}
	})
}

// TestASubjectIsSearchedForOnce: whoever waits for its answer asks for the trace again, and not for the subject.
func TestASubjectIsSearchedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(1)
		r.request("order-1", "com.payment.charge", false)
		f := &fakeXRay{docs: r.docs}
		time.Sleep(time.Minute)
		out := shown(t.Context(), f, screen{}, "order-1", command{wait: 10 * time.Second})
		calls := make(map[string]int)
		for _, name := range f.asked {
			calls[name]++
		}
		if calls["GetTraceSummaries"] != 2 || calls["BatchGetTraces"] < 10 || !strings.Contains(out, "no answer yet") { // the second search finds no more
			t.Errorf("%v\n%s", calls, out)
		}
	})
}

// TestAClientsOwnTraceLeadsToItsRequests, which have traces of their own.
func TestAClientsOwnTraceLeadsToItsRequests(t *testing.T) {
	const client = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, test := range []struct {
		name     string
		requests int
		argument string
		want     []string
		absent   string
	}{
		{"one is shown", 1, client, []string{"1-386d4380-000000000000000000000001  258 ms", "linked   1-4bf92f35-77b34da6a3ce929d0e0e4736  the client's own trace"}, "exit 1"},
		{"of a header", 1, "00-" + client + "-00f067aa0ba902b7-01", []string{"1-386d4380-000000000000000000000001  258 ms"}, "exit 1"},
		{"of several, one is to be chosen", 2, client, []string{"1-4bf92f35-77b34da6a3ce929d0e0e4736 is a client's own trace, and 2 requests of the last day name it", "\n  1-386d4380-000000000000000000000002", "exit 1"}, "X-Ray at"},
		{"very many are counted", 13, client, []string{"13 requests", "\n  and 3 more\n"}, "X-Ray at"},
		{"none", 0, client, []string{"no trace 1-4bf92f35-77b34da6a3ce929d0e0e4736", `annotation.client_trace_id = "` + client + `"`, "exit 1"}, "is a client's"},
		{"a subject names its own trace", 1, subjectOn("com.payment.charge", "1-4bf92f35-77b34da6a3ce929d0e0e4736"), []string{"no trace 1-4bf92f35-77b34da6a3ce929d0e0e4736", "exit 1"}, "258 ms"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeXRay{}
				for n := range test.requests {
					r, _ := charge(byte(n + 1))
					for i := range r.docs {
						if d := &r.docs[i]; d.Name == "POST /events" {
							d.Annotations = append(d.Annotations, segment.Attribute{Key: "client_trace_id", Value: segment.String(client)})
							own, err := segment.ParseTraceID(client)
							if err != nil {
								t.Fatal(err)
							}
							d.Links = append(d.Links, segment.Link{TraceID: own, ID: segment.ID{1}})
						}
					}
					f.docs = append(f.docs, r.docs...)
				}
				time.Sleep(2 * time.Minute)
				out := shown(t.Context(), f, screen{}, test.argument, command{})
				for _, want := range test.want {
					if !strings.Contains(out, want) {
						t.Errorf("no %q in\n%s", want, out)
					}
				}
				if strings.Contains(out, test.absent) {
					t.Errorf("%q in\n%s", test.absent, out)
				}
			})
		})
	}
}

// TestALinkSaysWhatItLeadsTo, from each of its ends.
func TestALinkSaysWhatItLeadsTo(t *testing.T) {
	other := segment.TraceID{1, 15: 1}
	link := func(d *segment.Document) { d.Links = []segment.Link{{TraceID: other, ID: segment.ID{1}}} }
	for _, test := range []struct {
		name string
		make func(r *recorder)
		want string
	}{
		{"a message's to its invocation", func(r *recorder) {
			tell(r.message(handler, r.hops(r.request("order-1", "com.payment.charge", false), "arvo-requests", 13.8, 41, 96.5, 1), "order-1", "com.payment.charge", "ok", 97, 99), "m-1", 1)
			link(&r.docs[len(r.docs)-1])
		}, "an invocation of " + handler},
		{"an invocation's to a message", func(r *recorder) {
			d := functionDocument(handler)
			link(&d)
			r.add(d, segment.ID{}, 0, 10)
		}, "an event that " + handler + " took"},
		{"a repeated request's to its subject", func(r *recorder) {
			r.request("order-1", "com.payment.charge", false)
			link(&r.docs[len(r.docs)-1])
		}, "the subject's: its request was made before, and this one repeats it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRecorder(1)
				test.make(r)
				time.Sleep(2 * time.Minute)
				if out := shown(t.Context(), &fakeXRay{docs: r.docs}, screen{}, r.trace.String(), command{}); !strings.Contains(out, "linked   "+other.String()+"  "+test.want+"\n") {
					t.Errorf("no %q in\n%s", test.want, out)
				}
			})
		})
	}
}

// TestAClientsTraceIsSearchedForOnce: whoever waits for a trace asks for it again, and not for a client's.
func TestAClientsTraceIsSearchedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeXRay{}
		if out := shown(t.Context(), f, screen{}, "4bf92f3577b34da6a3ce929d0e0e4736", command{wait: 10 * time.Second}); !strings.Contains(out, "no trace 1-4bf92f35") {
			t.Error(out)
		}
		calls := make(map[string]int)
		for _, name := range f.asked {
			calls[name]++
		}
		if calls["GetTraceSummaries"] != 5 || calls["BatchGetTraces"] < 5 { // windows of six hours, from a minute in the future
			t.Error(calls)
		}
	})
}

func TestAnInterruptedSearchSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := shown(ctx, &fakeXRay{}, screen{}, "order-1", command{}); !strings.Contains(out, "trace: interrupted") {
		t.Errorf("got %s", out)
	}
}

// TestWhatIsPendingIsNotBroken: as long as a queue may give an event out, for the first time or again, nothing is wrong with a trace that ends
// there. After a while nobody expects that any more.
func TestWhatIsPendingIsNotBroken(t *testing.T) {
	request := func() (*recorder, string, segment.ID) {
		r := newRecorder(1)
		subject := subjectOn("com.payment.charge", r.trace.String())
		return r, subject, r.request(subject, "com.payment.charge", false)
	}
	sent := func() (*recorder, string) {
		r, subject, _ := request()
		return r, subject
	}
	killed := func() (*recorder, string) {
		r, subject, event := request()
		r.hops(event, "arvo-requests", 13.8, 41, 96.5, 1)
		return r, subject
	}
	atWork := func() (*recorder, string) {
		r, subject, event := request()
		r.message(handler, r.hops(event, "arvo-requests", 13.8, 41, 96.5, 1), subject, "com.payment.charge", "ok", 97, -1)
		return r, subject
	}
	for _, test := range []struct {
		name    string
		make    func() (*recorder, string)
		after   time.Duration
		verdict string
		exit    bool // with 1
		lists   string
	}{
		{"nobody has received the event", sent, 3 * time.Minute, "pending, and sound so far: no answer yet: an event was sent to arvo-bus, and nobody has received it", true,
			"pending  Events a001000000000007: the event was published to arvo-bus, and no receiver has reported it yet\n"},
		{"the receiver was killed", killed, 3 * time.Minute, "pending, and sound so far: no answer yet: arvo-requests has given the event out 1 time, and the receiver was killed", true, "\npending  arvo-requests "},
		{"the receiver has begun", atWork, 3 * time.Minute, "pending, and sound so far: no answer yet: arvo-federated_handler has begun", true, "it began and has not ended yet\n"},
		{"all deliveries have failed", func() (*recorder, string) { return poison(1) }, 3 * time.Minute, "whole so far: one trace, no parent missing, every hop there; pending: no answer yet: arvo-federated_handler has failed", false, ""},
		{"nobody ever received the event", sent, 16 * time.Minute, "not whole: 1 break\n", true, "broken   Events a001000000000007: missing hop: "},
		{"nothing came after the receiver was killed", killed, 16 * time.Minute, "not whole: 1 break\n", true, "broken   arvo-requests "},
		{"the receiver never ended", atWork, 16 * time.Minute, "not whole: 1 part still in progress\n", true, "open     arvo-federated_handler "},
		{"what began a second time may be what became of it", func() (*recorder, string) {
			r, subject := sent()
			r.message(handler, segment.ID{}, subject, "com.payment.charge", "ok", 97, 99)
			return r, subject
		}, 3 * time.Minute, "not whole: 2 breaks\n", true, "missing hop: the event was published to arvo-bus"},
		{"a part of the trace is lost as well", func() (*recorder, string) {
			r, subject, event := request()
			queue := r.hops(event, "arvo-requests", 13.8, 41, 96.5, 1)
			first, second := r.publish(131, 142), r.publish(131, 142)
			r.message(handler, queue, subject, "com.payment.charge", "ok", 97, 143, first, second)
			r.hops(first.ID, "arvo-responses", 131, 150, 160, 1)
			r.hops(second.ID, "arvo-audit", 131, 150, 160, 1)
			return r.drop(func(d *segment.Document) bool { return d.Name == "arvo-audit" }), subject
		}, 3 * time.Minute, "not whole: 1 document lost on its way, by a sound trace, 1 part still awaited\n", true, "\npending  arvo-responses "},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, subject := test.make()
				time.Sleep(test.after)
				out := shown(t.Context(), &fakeXRay{docs: r.docs}, screen{}, subject, command{check: true})
				if !strings.Contains(out, "verdict  "+test.verdict) || strings.HasSuffix(out, "exit 1\n") != test.exit || !strings.Contains(out, test.lists) {
					t.Errorf("want %q, %q, exit 1: %v, in\n%s", test.verdict, test.lists, test.exit, out)
				}
				pending := strings.Contains(test.verdict, "pending")
				if pending && (strings.Contains(out, "broken ") || strings.Contains(out, "incomplete") || strings.Contains(out, "missing hop") || strings.Contains(out, "\nlive     no:")) {
					t.Errorf("it calls broken what is pending:\n%s", out)
				}
				var report report
				if err := json.Unmarshal([]byte(strings.TrimSuffix(shown(t.Context(), &fakeXRay{docs: r.docs}, screen{}, subject, command{check: true, json: true}), "exit 1\n")), &report); err != nil {
					t.Fatal(err)
				}
				if v := report.Check; (v.Pending != "") != (pending || strings.Contains(test.verdict, "awaited") || strings.Contains(test.verdict, "2 breaks")) || v.Whole == test.exit {
					t.Errorf("as JSON: whole %v, pending %q", v.Whole, v.Pending)
				}
			})
		})
	}
}

// TestWhatXRayCutOffIsNotBroken: of a trace that has reached the limit of size, nobody knows what followed, and time mends nothing.
func TestWhatXRayCutOffIsNotBroken(t *testing.T) {
	for _, test := range []struct {
		name          string
		make          func() (*recorder, string)
		lists, absent string
	}{
		{"an event of several was not received", func() (*recorder, string) {
			r, subject := fanout(1)
			n := len(r.docs)
			return r.drop(func(d *segment.Document) bool { return d.ID == r.docs[n-1].ID }), subject
		}, "verdict  cannot tell: X-Ray took no more of this trace than its limit of size allows; what follows 1 part of it is missing\n", "pending"},
		{"a parent is not there", func() (*recorder, string) {
			r, subject := charge(1)
			return r.drop(func(d *segment.Document) bool { return d.Name == handler }), subject
		}, "what follows 2 parts of it is missing\n", "pending"},
		{"nothing seems to be missing", func() (*recorder, string) { return charge(1) }, "verdict  cannot tell: X-Ray took no more of this trace than its limit of size allows\n", "pending"},
		{"no answer is in it", func() (*recorder, string) {
			r, subject := charge(1)
			return r.drop(func(d *segment.Document) bool { return d.Start > r.at(97) }), subject
		}, "or X-Ray took no more of the trace by then", "pending, and sound"},
		{"it has begun twice as well", func() (*recorder, string) {
			r, subject := charge(1)
			n := len(r.docs)
			r.drop(func(d *segment.Document) bool { return d.ID == r.docs[n-1].ID })
			r.message(handler, segment.ID{}, subject, "com.payment.charge", "ok", 300, 310)
			return r, subject
		}, "verdict  not whole: 1 break, 1 part that X-Ray's limit of size cut off\n", "missing hop: the event was taken from the queue, and no function has reported what became of it yet"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, subject := test.make()
				time.Sleep(20 * time.Second)
				began := time.Now()
				f := &fakeXRay{docs: r.docs, full: true}
				out := shown(t.Context(), f, screen{}, subject, command{check: true})
				if !strings.Contains(out, test.lists) || strings.Contains(out, test.absent) || !strings.HasSuffix(out, "exit 1\n") || !strings.Contains(out, "\ncut      1-") {
					t.Errorf("want %q, not %q, in\n%s", test.lists, test.absent, out)
				}
				if took := time.Since(began); took >= settleTime { // asking for linked traces, which are not there, takes a moment
					t.Errorf("it waited %v for what cannot come", took)
				}
				if n := strings.Count(out, "\nbroken "); n > strings.Count(test.lists, "break") {
					t.Errorf("it calls broken what was cut off:\n%s", out)
				}
			})
		})
	}
}

// TestASubjectIsShownWithoutThoseThatShareItsTrace: a client may send its requests within one trace of its own.
func TestASubjectIsShownWithoutThoseThatShareItsTrace(t *testing.T) {
	both := func(parent segment.ID) (r *recorder, first, second string) {
		r = newRecorder(1)
		add := func(subject string, begin float64) {
			from, at := len(r.docs), r.epoch
			r.epoch = r.epoch.Add(time.Duration(begin * float64(time.Millisecond)))
			creation := r.request(subject, "com.payment.charge", false)
			r.docs[from].ParentID = parent
			r.message(api, r.hops(creation, "arvo-responses", 14, 41, 96, 1), subject, "evt.payment.charge.success", "ok", 97, 105, r.table("PutItem", "arvo-responses", 98, 104))
			r.epoch = at
		}
		first, second = "order-1", strings.Repeat("ü", 900)
		add(first, 0)
		add(segment.AnnotationText(second), 500)
		return r, first, second
	}
	client := segment.ID{0xcc}
	for _, test := range []struct {
		name   string
		parent segment.ID
		sent   bool // the client reports its own segment
	}{
		{"each begins it", segment.ID{}, false},
		{"a client that reports elsewhere is the parent of both", client, false},
		{"a client that reports here is the parent of both", client, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, first, second := both(test.parent)
				if test.sent {
					r.add(segment.Document{ID: client, Name: "shop"}, segment.ID{}, 0, 700)
				}
				time.Sleep(2 * time.Minute)
				f := &fakeXRay{docs: r.docs}
				for _, subject := range []string{first, second} {
					out := shown(t.Context(), f, screen{}, subject, command{check: true})
					if !strings.Contains(out, "\n· 1 other subject shares this trace and is left out") || strings.Count(out, "POST /live/events") != 1 || !strings.Contains(out, "verdict  whole: ") {
						t.Errorf("%.9s:\n%s", subject, out)
					}
					if took := "  105 ms\n"; !test.sent && !strings.Contains(out, took) {
						t.Errorf("%.9s did not take%s:\n%s", subject, took, out)
					}
				}
				out := shown(t.Context(), f, screen{}, r.trace.String(), command{check: true})
				if strings.Contains(out, "left out") || strings.Count(out, "POST /live/events") != 2 || !strings.Contains(out, "verdict  whole: ") {
					t.Errorf("by the id:\n%s", out)
				}
			})
		})
	}
}

// TestQueuesOfOtherTracesTellALostQueue: the trace itself names the queue nowhere.
func TestQueuesOfOtherTracesTellALostQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, subject := charge(1)
		r.drop(func(d *segment.Document) bool { return d.Name == "arvo-requests" })
		time.Sleep(time.Hour)
		other, _ := charge(2)
		alone := shown(t.Context(), &fakeXRay{docs: r.docs}, screen{}, subject, command{check: true})
		if !strings.Contains(alone, "1 break") {
			t.Errorf("without other traces, nothing tells what is lost:\n%s", alone)
		}
		both := shown(t.Context(), &fakeXRay{docs: append(r.docs, other.docs...)}, screen{}, subject, command{check: true})
		if !strings.Contains(both, "verdict  not whole: 1 document lost") {
			t.Errorf("with other traces:\n%s", both)
		}
	})
}

// TestTheManualShowsWhatIsShown holds the sample of the package comment to the golden file.
func TestTheManualShowsWhatIsShown(t *testing.T) {
	manual, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	shown, err := os.ReadFile(filepath.Join("testdata", "golden", "a_plain_request.txt"))
	if err != nil {
		t.Fatal(err)
	}
	picture, _, _ := strings.Cut(string(shown), "\n\nsubject")
	for line := range strings.Lines(picture) {
		if line = strings.TrimRight(line, "\n"); line != "" && !strings.Contains(string(manual), "//\t"+line+"\n") {
			t.Errorf("the manual lacks %q", line)
		}
	}
}
