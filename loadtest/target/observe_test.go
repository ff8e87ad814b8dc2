package target_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/arvo/lambdas/arvo"
	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/schedule"
	"example.com/arvo/loadtest/target"
)

// A table is the responses table behind a fakeAWS: items in DynamoDB's JSON by partition and sort key.
type table map[[2]string]map[string]any

type attribute struct {
	S  string   `json:",omitempty"`
	N  string   `json:",omitempty"`
	SS []string `json:",omitempty"`
}

func (tab table) put(pk, sk string, attributes map[string]any) {
	attributes["pk"], attributes["sk"] = attribute{S: pk}, attribute{S: sk}
	tab[[2]string{pk, sk}] = attributes
}

var t0 = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func ms(after int) attribute {
	return attribute{N: fmt.Sprint(t0.Add(time.Duration(after) * time.Millisecond).UnixMilli())}
}

// accept puts what the API stores of a request. Subject s7 is that of the key run-7.
func (tab table) accept(subject string) {
	if seq, ok := strings.CutPrefix(subject, "s"); ok {
		tab.key("run-"+seq, subject)
	}
	tab.put(subject, "HEAD", map[string]any{
		"status": attribute{S: "pending"}, "acceptedAt": ms(1), "traceId": attribute{S: "1-65647c1a-2b3c4d5e6f708192a3b4c5d6"},
		"request": attribute{S: `{"id":"` + subject + `-request","source":"api.thin.lambda","specversion":"1.0","type":"com.workload.simulate","subject":"","datacontenttype":"application/cloudevents+json;charset=UTF-8;profile=arvo","dataschema":"#/services/workload/simulate/1.0.0","data":{"sleep_ms":10,"cpu_ms":0,"fail":0,"fanout":0,"pad":""},"time":"2026-11-23T07:00:00.001+00:00","to":"com.workload.simulate","accesscontrol":null,"redirectto":null,"executionunits":null,"traceparent":"00-65647c1a2b3c4d5e6f708192a3b4c5d6-53995c3f42cd8ad8-01","tracestate":null,"parentid":null,"domain":null}`},
	})
}

// key puts which subject the API has by a key.
func (tab table) key(key, subject string) {
	tab.put("KEY#"+hashOf(key), "KEY", map[string]any{"subject": attribute{S: subject}, "bodyHash": attribute{S: "x"}})
}

// end puts what the sink stores of an answer.
func (tab table) end(subject, status, source, id string) {
	head := tab[[2]string{subject, "HEAD"}]
	head["status"], head["completedAt"], head["deliveries"], head["seen"] = attribute{S: status}, ms(50), attribute{N: "2"}, attribute{SS: []string{"rhy127D9GX4"}}
	tab.put(subject, "EVENT#"+source+"#"+id, map[string]any{
		"receivedAt": ms(40), "storedAt": ms(50),
		"event": attribute{S: `{"id":"` + id + `","source":"` + source + `","specversion":"1.0","type":"evt.workload.simulate.success","subject":"","data":{"slept_ms":10,"burnt_ms":0,"pad":""},"time":"2026-11-23T07:00:00.030+00:00","receivedat":` + ms(20).N + `,"to":"api.thin.lambda","executionunits":1}`},
	})
}

// complete is accept and the answer of the probe.
func (tab table) complete(subject string) {
	tab.accept(subject)
	tab.end(subject, "completed", "com.workload.simulate", arvo.DeriveID(subject, "api.thin.lambda", subject+"-request", "com.workload.simulate", "0", ""))
}

// serve answers BatchGetItem, of at most so many items at a time, and Query.
func (tab table) serve(f *fakeAWS, most int) {
	f.on("BatchGetItem", func(c call) (int, string) {
		var in struct {
			RequestItems map[string]struct {
				Keys           []map[string]attribute
				ConsistentRead bool
			}
		}
		if err := json.Unmarshal([]byte(c.body), &in); err != nil {
			f.t.Error(err)
		}
		keys := in.RequestItems["shop-responses"].Keys
		if len(keys) == 0 || len(keys) > 100 || !in.RequestItems["shop-responses"].ConsistentRead {
			return 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"1 to 100 keys, and consistent reads, are due here"}`
		}
		seen := map[string]bool{}
		items, left := []map[string]any{}, []map[string]attribute{}
		for i, k := range keys {
			if name := k["pk"].S + "\n" + k["sk"].S; seen[name] {
				return 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"Provided list of item keys contains duplicates"}`
			} else {
				seen[name] = true
			}
			if i >= most {
				left = append(left, k)
			} else if item, ok := tab[[2]string{k["pk"].S, k["sk"].S}]; ok {
				items = append(items, item)
			}
		}
		unprocessed := map[string]any{}
		if len(left) > 0 {
			unprocessed["shop-responses"] = map[string]any{"Keys": left, "ConsistentRead": true}
		}
		return 200, marshal(map[string]any{"Responses": map[string]any{"shop-responses": items}, "UnprocessedKeys": unprocessed})
	})
	f.on("Query", func(c call) (int, string) {
		var in struct{ ExpressionAttributeValues map[string]attribute }
		if err := json.Unmarshal([]byte(c.body), &in); err != nil {
			f.t.Error(err)
		}
		items := []map[string]any{}
		for key, item := range tab {
			if key[0] == in.ExpressionAttributeValues[":pk"].S && strings.HasPrefix(key[1], in.ExpressionAttributeValues[":event"].S) {
				items = append(items, item)
			}
		}
		return 200, marshal(map[string]any{"Items": items, "Count": len(items), "ScannedCount": len(items)})
	})
}

func marshal(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// newLedger is a ledger of n subjects whose names the client was told, but those that are unknown.
func newLedger(t testing.TB, n int, unknown func(seq uint64) bool) *ledger.Ledger {
	t.Helper()
	plan, err := schedule.New(schedule.Constant("all", float64(n), time.Second))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.New("run", t0, plan)
	if err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(n) {
		a := ledger.Answer{Sent: t0, Acked: t0.Add(5 * time.Millisecond), Code: 202, Subject: fmt.Sprintf("s%d", seq)}
		if unknown != nil && unknown(seq) {
			a = ledger.Answer{Sent: a.Sent, Acked: a.Acked, Error: "timeout"}
		}
		if err := l.Answer(seq, a); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestObserveTellsAllTimes(t *testing.T) {
	f := newFakeAWS(t)
	tab := table{}
	tab.complete("s0")
	tab.serve(f, 100)
	l := newLedger(t, 1, nil)
	var got ledger.Observation
	err := f.open().Observe(t.Context(), l, l.Open(0, 1), func(seq uint64, o ledger.Observation) error {
		got = o
		return l.Observe(seq, o)
	})
	if err != nil {
		t.Fatal(err)
	}
	at := func(after int) time.Time { return t0.Add(time.Duration(after) * time.Millisecond) }
	for _, is := range []struct {
		what      string
		got, want time.Time
	}{{"accepted", got.Accepted, at(1)}, {"received", got.Received, at(20)}, {"answered", got.Answered, at(30)}, {"delivered", got.Delivered, at(40)}, {"stored", got.Stored, at(50)}} {
		if !is.got.Equal(is.want) {
			t.Errorf("%s at %v, want %v", is.what, is.got, is.want)
		}
	}
	if got.Subject != "s0" || got.TraceID != "1-65647c1a-2b3c4d5e6f708192a3b4c5d6" || got.Status != ledger.Completed || got.Deliveries != 2 || got.Events != 1 {
		t.Errorf("%+v", got)
	}
	if r, ok := l.Subject("s0"); !ok || r.Duplicates() != 1 {
		t.Errorf("%+v", r)
	}
}

func TestObserve(t *testing.T) {
	t.Run("in calls of a hundred keys, and none for each subject", func(t *testing.T) {
		f := newFakeAWS(t)
		tab := table{}
		for i := range 250 {
			tab.complete(fmt.Sprintf("s%d", i))
		}
		tab.serve(f, 100)
		l := newLedger(t, 250, nil)
		if err := f.open().Observe(t.Context(), l, l.Open(0, 250), l.Observe); err != nil {
			t.Fatal(err)
		}
		if c := l.Count(nil); c.Completed != 250 {
			t.Errorf("%+v", c)
		}
		if n := len(f.called("BatchGetItem")); n != 9 || len(f.called("Query")) != 0 { // of keys, heads and answers
			t.Errorf("%d batches and %d queries", n, len(f.called("Query")))
		}
	})
	t.Run("keys that were not processed are asked for again, and a throttled call is repeated", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeAWS(t)
			tab := table{}
			for i := range 100 {
				tab.complete(fmt.Sprintf("s%d", i))
			}
			tab.serve(f, 7)
			s := f.open()
			serve, throttled := f.answers["BatchGetItem"], 0
			f.on("BatchGetItem", func(c call) (int, string) {
				if throttled++; throttled%3 == 0 {
					return 400, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of configured provisioned throughput for the table was exceeded."}`
				}
				return serve(c)
			})
			l := newLedger(t, 100, nil)
			if err := s.Observe(t.Context(), l, l.Open(0, 100), l.Observe); err != nil {
				t.Fatal(err)
			}
			if c := l.Count(nil); c.Completed != 100 {
				t.Errorf("%+v", c)
			}
		})
	})
	t.Run("a table that processes nothing is given up at the deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFakeAWS(t)
			table{}.serve(f, 0)
			s := f.open()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			l := newLedger(t, 10, nil)
			if err := s.Observe(ctx, l, l.Open(0, 10), l.Observe); err == nil || !strings.Contains(err.Error(), "table shop-responses: 10 of 10 items are not read") {
				t.Error(err)
			}
			if n := len(f.called("BatchGetItem")); n > 40 {
				t.Errorf("asked %d times in 30 s", n)
			}
		})
	})
	t.Run("a subject is found by its key when the 202 was lost, or when it has its key as its name", func(t *testing.T) {
		f := newFakeAWS(t)
		tab := table{}
		tab.complete("s0")
		tab.complete("found")
		tab.key("run-1", "found")
		tab.put("run-2", "HEAD", map[string]any{})
		tab.end("run-2", "completed", "com.workload.simulate", arvo.DeriveID("run-2", "api.thin.lambda", "run-2", "com.workload.simulate", "0", ""))
		tab.serve(f, 100)
		l := newLedger(t, 4, func(seq uint64) bool { return seq > 0 })
		told := map[uint64]ledger.Observation{}
		err := f.open().Observe(t.Context(), l, l.Open(0, 4), func(seq uint64, o ledger.Observation) error {
			told[seq] = o
			return l.Observe(seq, o)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(told) != 3 || told[1].Subject != "found" || told[2].Subject != "run-2" || told[2].Received.IsZero() || !told[2].Accepted.IsZero() {
			t.Errorf("%+v", told)
		}
		if c := l.Count(nil); c.Completed != 3 || c.Unanswered != 1 || c.Late != 2 {
			t.Errorf("%+v", c)
		}
		if n := len(f.called("Query")); n != 0 {
			t.Errorf("%d queries", n)
		}
	})
	t.Run("a system error is asked for by a query", func(t *testing.T) {
		f := newFakeAWS(t)
		tab := table{}
		tab.accept("s0")
		tab.end("s0", "failed", "com.workload.simulate", "another-id")
		tab.serve(f, 100)
		l := newLedger(t, 1, nil)
		if err := f.open().Observe(t.Context(), l, l.Open(0, 1), l.Observe); err != nil {
			t.Fatal(err)
		}
		if r, _ := l.Subject("s0"); r.Fate() != ledger.Errored || r.Received == 0 || len(f.called("Query")) != 1 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("of several answers the one counts with which the subject ended", func(t *testing.T) {
		f := newFakeAWS(t)
		tab := table{}
		tab.accept("s0")
		tab.end("s0", "completed", "com.workload.simulate", "progress-1")
		early := tab[[2]string{"s0", "EVENT#com.workload.simulate#progress-1"}]
		early["storedAt"], early["receivedAt"] = ms(15), ms(14)
		tab.end("s0", "completed", "com.workload.simulate", "success")
		tab.serve(f, 100)
		l := newLedger(t, 1, nil)
		if err := f.open().Observe(t.Context(), l, l.Open(0, 1), l.Observe); err != nil {
			t.Fatal(err)
		}
		if r, _ := l.Subject("s0"); r.Stored != ledger.At(t0.Add(50*time.Millisecond)) || r.Delivered != ledger.At(t0.Add(40*time.Millisecond)) {
			t.Errorf("%+v", r)
		}
	})
	t.Run("items that make no sense end nothing", func(t *testing.T) {
		for name, head := range map[string]map[string]any{
			"nothing in it":           {},
			"completed, never":        {"status": attribute{S: "completed"}},
			"completed before 1970":   {"status": attribute{S: "completed"}, "completedAt": attribute{N: "-5"}},
			"a status that is none":   {"status": attribute{S: "won"}, "completedAt": ms(5)},
			"numbers that are texts":  {"status": attribute{S: "completed"}, "completedAt": attribute{S: "soon"}},
			"a number beyond numbers": {"status": attribute{S: "completed"}, "completedAt": attribute{N: "1e400"}},
		} {
			f := newFakeAWS(t)
			tab := table{}
			tab.key("run-0", "s0")
			tab.put("s0", "HEAD", head)
			tab.serve(f, 100)
			l := newLedger(t, 1, nil)
			err := f.open().Observe(t.Context(), l, l.Open(0, 1), func(seq uint64, o ledger.Observation) error {
				if o.Status != ledger.Pending {
					t.Errorf("%s: %+v", name, o)
				}
				return l.Observe(seq, o)
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("two keys of one subject are one question", func(t *testing.T) {
		f := newFakeAWS(t)
		tab := table{}
		tab.complete("s0")
		for _, key := range []string{"run-1", "run-2"} {
			tab.key(key, "s0")
		}
		tab.serve(f, 100)
		l := newLedger(t, 3, func(seq uint64) bool { return seq > 0 })
		if err := f.open().Observe(t.Context(), l, l.Open(0, 3), l.Observe); err != nil {
			t.Fatal(err)
		}
		if c := l.Count(nil); c.Completed != 1 || c.Unanswered != 2 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("keys are asked for once, whether or not their subjects have ended", func(t *testing.T) {
		f := newFakeAWS(t)
		tab := table{}
		for i := range 100 {
			tab.accept(fmt.Sprintf("s%d", i))
		}
		tab.serve(f, 100)
		s, l := f.open(), newLedger(t, 100, nil)
		for range 3 {
			if err := s.Observe(t.Context(), l, l.Open(0, 100), l.Observe); err != nil {
				t.Fatal(err)
			}
		}
		keys := 0
		for _, c := range f.called("BatchGetItem") {
			if strings.Contains(c.body, "KEY#") {
				keys++
			}
		}
		if n := len(f.called("BatchGetItem")); keys != 1 || n != 4 {
			t.Errorf("%d batches, %d of them of keys", n, keys)
		}
	})
	t.Run("a 202 that names the subject of another request is found out", func(t *testing.T) {
		f := newFakeAWS(t)
		tab := table{}
		for i := range 4 { // of which 1 was not forwarded, 2 was answered with another's, and 3 is on its way
			tab.complete(fmt.Sprintf("s%d", i))
		}
		tab.key("run-2", "right")
		tab.complete("right")
		tab.accept("s3")
		delete(tab, [2]string{"KEY#" + hashOf("run-1"), "KEY"})
		tab.serve(f, 100)
		s, l := f.open(), newLedger(t, 4, nil)
		var faults []string
		tell := func(seq uint64, o ledger.Observation) error {
			if err := l.Observe(seq, o); err != nil {
				faults = append(faults, err.Error())
			}
			return nil
		}
		for range 3 { // it is told once
			if err := s.Observe(t.Context(), l, slices.Collect(l.All()), tell); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{`ledger: subject 1: the client was told "s1", and the servers do not know its key`, `ledger: subject 2: the client was told "s2", and the servers have "right" by its key`}
		if !slices.Equal(faults, want) {
			t.Errorf("refused: %q", faults)
		}
		if r, ok := l.Subject("right"); !ok || r.Seq != 2 || r.Fate() != ledger.Done {
			t.Errorf("%+v", r)
		}
		l.Close()
		if c := l.Count(nil); c.Completed != 2 || c.Lost != 2 || c.Acknowledged != 4 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("what tell objects to ends it", func(t *testing.T) {
		f := newFakeAWS(t)
		tab := table{}
		for i := range 300 {
			tab.complete(fmt.Sprintf("s%d", i))
		}
		tab.serve(f, 100)
		l := newLedger(t, 300, nil)
		no := errors.New("no more")
		if err := f.open().Observe(t.Context(), l, l.Open(0, 300), func(uint64, ledger.Observation) error { return no }); !errors.Is(err, no) {
			t.Error(err)
		}
	})
}

// BenchmarkObserve tells what it costs this process to read how subjects have ended. The answers come from memory, so the
// time is CPU; cores is at 500 subjects a second.
func BenchmarkObserve(b *testing.B) {
	const subjects = 500
	f := newFakeAWS(b)
	tab := table{}
	l := newLedger(b, subjects, nil)
	for i := range subjects {
		tab.complete(fmt.Sprintf("s%d", i))
	}
	tab.serve(f, 100)
	serve := f.answers["BatchGetItem"]
	answers := map[string]string{} // by the last key of the question
	var mu sync.Mutex
	f.on("BatchGetItem", func(c call) (int, string) {
		_, last, _ := strings.Cut(c.body[strings.LastIndex(c.body, `"pk":`):], ":")
		last, _, _ = strings.Cut(last, "}")
		last += fmt.Sprint(strings.Contains(c.body, "EVENT#"))
		mu.Lock()
		answer, ok := answers[last]
		mu.Unlock()
		if !ok {
			_, answer = serve(c)
			mu.Lock()
			answers[last] = answer
			mu.Unlock()
		}
		return 200, answer
	})
	s := f.open()
	records := l.Open(0, subjects)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		err := s.Observe(b.Context(), l, records, func(_ uint64, o ledger.Observation) error {
			if o.Status == ledger.Completed && !o.Received.IsZero() {
				n++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		f.calls = f.calls[:0]
	}
	if n != b.N*subjects {
		b.Fatalf("%d of %d subjects", n, b.N*subjects)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "cores-at-500/s")
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

func TestItemsAreCountedWhereTheyAreTold(t *testing.T) {
	f := newFakeAWS(t)
	c := f.config()
	c.Endpoint = "http://127.0.0.1:4566"
	local, err := target.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(local.Close)
	f.says("DescribeTable", 200, `{"Table":{"TableName":"shop-responses","ItemCount":1234}}`)
	if n, now, err := local.Items(t.Context()); n != 1234 || !now || err != nil {
		t.Errorf("%d, %t, %v", n, now, err)
	}
	if asked := f.called("DescribeTable")[0].member("TableName"); asked != "shop-responses" {
		t.Errorf("asked for %v", asked)
	}
	f.says("DescribeTable", 200, `{"Table":{}}`)
	if _, _, err := local.Items(t.Context()); err == nil || !strings.Contains(err.Error(), "how many items table shop-responses has: the answer does not tell") {
		t.Error(err)
	}
	if n, now, err := f.open().Items(t.Context()); n != 0 || now || err != nil || len(f.called("DescribeTable")) != 2 {
		t.Errorf("on AWS %d, %t, %v, after %d calls", n, now, err, len(f.called("DescribeTable")))
	}
}
