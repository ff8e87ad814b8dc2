package traces_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/arvo/lambdas/local/watch/traces"
	"example.com/arvo/telemetry/segment"
)

// doc is a document of a trace, with more members.
func doc(trace, id int, more string) []byte {
	return fmt.Appendf(nil, `{"trace_id":"1-65000000-%024x","id":"%016x","name":"n","start_time":1700000000,"end_time":1700000001%s}`, trace, id, more)
}

func traceID(n int) segment.TraceID {
	id, err := segment.ParseTraceID(fmt.Sprintf("1-65000000-%024x", n))
	if err != nil {
		panic(err)
	}
	return id
}

func put(t testing.TB, s *traces.Store, docs ...[]byte) {
	t.Helper()
	for _, d := range docs {
		if err := s.Put(d); err != nil {
			t.Fatalf("%v: %s", err, d)
		}
	}
}

func texts(t testing.TB, s *traces.Store, trace int) string {
	t.Helper()
	got, ok := s.Trace(traceID(trace))
	if !ok {
		return "no trace"
	}
	return strings.Join(got.Texts, "\n")
}

func TestOverwriting(t *testing.T) {
	open := []byte(`{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000001","name":"n","start_time":1700000000,"in_progress":true}`)
	closed, again, other := doc(1, 1, ""), doc(1, 1, `,"fault":true`), doc(1, 2, "")
	for _, c := range []struct {
		name string
		puts [][]byte
		want [][]byte
	}{
		{"documents are kept in the order in which they came", [][]byte{other, closed}, [][]byte{other, closed}},
		{"a complete document takes the place of the one in progress", [][]byte{open, other, closed}, [][]byte{closed, other}},
		{"a later complete document takes the place of a complete one", [][]byte{closed, again}, [][]byte{again}},
		{"one in progress that was overtaken is not kept", [][]byte{closed, open}, [][]byte{closed}},
		{"one in progress takes the place of one in progress", [][]byte{open, open}, [][]byte{open}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := traces.New(traces.Options{})
			put(t, s, c.puts...)
			var want []string
			for _, w := range c.want {
				want = append(want, string(w))
			}
			if got := texts(t, s, 1); got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	s := traces.New(traces.Options{TraceSize: 1000})
	for _, c := range []struct{ name, text, code string }{
		{"no JSON", `T1Sabc`, segment.ParseError},
		{"no trace", `{"id":"0000000000000001","name":"n","start_time":1,"end_time":2}`, segment.MissingTraceID},
		{"no end", `{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000001","name":"n","start_time":1}`, segment.MissingEnd},
	} {
		var e *segment.Error
		if err := s.Put([]byte(c.text)); !errors.As(err, &e) || e.Code != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	if stats := s.Stats(); stats.Traces != 0 || stats.Documents != 0 {
		t.Errorf("what was refused is held: %+v", stats)
	}
	pad := fmt.Sprintf(`,"metadata":{"x":{"y":%q}}`, strings.Repeat("y", 600))
	put(t, s, doc(1, 1, pad))
	if err := s.Put(doc(1, 2, pad)); !errors.Is(err, traces.ErrTraceFull) {
		t.Errorf("a trace that is full takes another document: %v", err)
	}
	if got, _ := s.Trace(traceID(1)); !got.Full || len(got.Texts) != 1 {
		t.Errorf("the trace does not tell that it is full: %+v", got)
	}
	put(t, s, doc(1, 1, `,"fault":true`)) // smaller than what it takes the place of
}

func TestTimes(t *testing.T) {
	s := traces.New(traces.Options{})
	put(t, s,
		[]byte(`{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000001","name":"n","start_time":20,"end_time":30}`),
		[]byte(`{"trace_id":"1-65000000-000000000000000000000001","id":"0000000000000002","name":"n","start_time":10,"in_progress":true}`),
		doc(2, 1, ""))
	got, _ := s.Trace(traceID(1))
	if got.Start != 10e6 || got.End != 30e6 || got.Revision != 2 {
		t.Errorf("%+v", got.Ref)
	}
	refs := s.List(func(traces.Ref) bool { return true })
	if len(refs) != 2 || refs[0].ID != traceID(1) || !refs[0].Changed.Before(refs[1].Changed) {
		t.Errorf("the list is not in the order of the last documents: %+v", refs)
	}
	put(t, s, doc(1, 3, ""))
	if refs = s.List(func(traces.Ref) bool { return true }); refs[1].ID != traceID(1) {
		t.Errorf("the trace that was written last is not the last: %+v", refs)
	}
}

func TestAnnotated(t *testing.T) {
	s := traces.New(traces.Options{})
	put(t, s,
		doc(1, 1, `,"annotations":{"subject":"a"}`),
		doc(2, 1, `,"subsegments":[{"id":"0000000000000009","name":"n","start_time":1,"end_time":2,"annotations":{"subject":"a","other":"a"}}]`),
		doc(3, 1, `,"annotations":{"subject":"b"}`))
	refs, ok := s.Annotated("subject", "a")
	found := map[segment.TraceID]bool{}
	for _, r := range refs {
		found[r.ID] = true
	}
	if !ok || len(refs) != 2 || !found[traceID(1)] || !found[traceID(2)] {
		t.Errorf("%t, %+v", ok, refs)
	}
	if _, ok := s.Annotated("other", "a"); ok {
		t.Error("an annotation that is not indexed seems to be")
	}
}

// A full store evicts whole traces, those that are quiet for longest first, and keeps to its memory.
func TestEviction(t *testing.T) {
	const memory = 1 << 20
	s := traces.New(traces.Options{Memory: memory})
	random := rand.New(rand.NewPCG(1, 2))
	filler := func() string { // that does not compress
		b := make([]byte, 1000)
		for i := range b {
			b[i] = "0123456789abcdef"[random.IntN(16)]
		}
		return fmt.Sprintf(`,"annotations":{"subject":"s"},"metadata":{"x":{"y":%q}}`, b)
	}
	const n = 3000
	for i := 1; i <= n; i++ {
		put(t, s, doc(i, 1, filler()), doc(i, 2, ""))
		if i%100 == 0 {
			put(t, s, doc(1, i, "")) // this one is never quiet for long
		}
		if got := s.Stats().Bytes; got > memory {
			t.Fatalf("after %d traces %d bytes, more than %d", i, got, memory)
		}
	}
	stats := s.Stats()
	if stats.Evicted == 0 || stats.Packed == 0 || stats.Traces+int(stats.Evicted) != n {
		t.Errorf("%+v", stats)
	}
	if got := strings.Count(texts(t, s, 1), "\n") + 1; got != n/100+2 {
		t.Errorf("the trace that is always written to has %d documents, want %d", got, n/100+2)
	}
	if got := texts(t, s, 2); got != "no trace" {
		t.Error("the oldest trace is still there")
	}
	if got := strings.Count(texts(t, s, n), "\n") + 1; got != 2 {
		t.Errorf("the newest trace has %d documents", got)
	}
	if refs, _ := s.Annotated("subject", "s"); len(refs) != stats.Traces {
		t.Errorf("the index has %d traces, the store %d", len(refs), stats.Traces)
	}
}

// A document that is refused unpacks its trace, but takes no memory for it.
func TestRefusalsOfPackedTraces(t *testing.T) {
	const memory, n = 1 << 20, 100
	s := traces.New(traces.Options{Memory: memory, TraceSize: 30 << 10})
	pad := fmt.Sprintf(`,"metadata":{"x":{"y":%q}}`, strings.Repeat("compressible ", 2000))
	for i := 1; i <= n; i++ {
		put(t, s, doc(i, 1, pad))
	}
	if stats := s.Stats(); stats.Packed < n/2 || stats.Evicted > 0 {
		t.Fatalf("%+v", stats)
	}
	for i := 1; i <= n; i++ {
		if err := s.Put(doc(i, 2, pad)); !errors.Is(err, traces.ErrTraceFull) {
			t.Fatal(err)
		}
		if got := s.Stats().Bytes; got > memory {
			t.Fatalf("after %d documents were refused %d bytes, more than %d", i, got, memory)
		}
	}
}

// Packing is not seen: a store with little memory holds the same as one with much, as long as nothing is evicted.
func TestPacking(t *testing.T) {
	pad := fmt.Sprintf(`,"metadata":{"x":{"y":%q}}`, strings.Repeat("compressible ", 400))
	for seed := range uint64(5) {
		random := rand.New(rand.NewPCG(seed, 0))
		small, large := traces.New(traces.Options{Memory: 500 << 10}), traces.New(traces.Options{})
		const n = 30
		for range 100 {
			d := doc(1+random.IntN(n), 1+random.IntN(8), pad)
			put(t, small, d)
			put(t, large, d)
		}
		if stats := small.Stats(); stats.Packed == 0 || stats.Evicted > 0 {
			t.Errorf("seed %d: %+v", seed, stats)
		}
		for i := 1; i <= n; i++ {
			if a, b := texts(t, small, i), texts(t, large, i); a != b {
				t.Errorf("seed %d, trace %d: %d and %d bytes", seed, i, len(a), len(b))
			}
		}
	}
}

// A trace that goes on being written while all before it are packed; and what was packed is as it was.
func TestPackingBehindABusyTrace(t *testing.T) {
	s := traces.New(traces.Options{Memory: 800 << 10})
	pad := fmt.Sprintf(`,"metadata":{"x":{"y":%q}}`, strings.Repeat("compressible ", 1000))
	const n = 60
	for i := 1; i <= n; i++ {
		put(t, s, doc(i, 1, pad))
		if i%20 == 0 {
			for more := 2; more <= 30; more++ {
				put(t, s, doc(i, more, pad))
			}
		}
	}
	if stats := s.Stats(); stats.Packed < n/2 || stats.Evicted > 0 {
		t.Errorf("%+v", stats)
	}
	for i := 1; i <= n; i++ {
		want := 1
		if i%20 == 0 {
			want = 30
		}
		if got := strings.Count(texts(t, s, i), `"trace_id"`); got != want {
			t.Errorf("trace %d has %d documents, want %d", i, got, want)
		}
	}
}

func TestConcurrently(t *testing.T) {
	s := traces.New(traces.Options{Memory: 512 << 10}) // little enough to pack
	var packed atomic.Bool
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 500 {
				if err := s.Put(doc(1+(i*7+g)%300, 1+i, `,"annotations":{"subject":"s"}`)); err != nil && !errors.Is(err, traces.ErrTraceFull) {
					t.Error(err)
				}
				switch i % 50 {
				case 0:
					s.List(func(traces.Ref) bool { return true })
				case 1:
					s.Annotated("subject", "s")
				case 2:
					packed.CompareAndSwap(false, s.Stats().Packed > 0)
					if got, ok := s.Trace(traceID(1 + i%300)); ok && len(got.Documents()) != len(got.Texts) {
						t.Error("a document does not decode")
					}
				}
			}
		})
	}
	all.Wait()
	if !packed.Load() {
		t.Error("nothing was ever packed")
	}
}

// subject are the documents of one request through the system, of the sizes that they have there.
func subject(n int) [][]byte {
	docs := make([][]byte, 8)
	for i := range docs {
		docs[i] = fmt.Appendf(nil, `{"trace_id":"1-65000000-%024x","id":"%08x%08x","parent_id":"%08x%08x","name":"arvo-federated_handler","origin":"AWS::Lambda::Function","start_time":17000%05d.%06d,"end_time":17000%05d.%06d,`+
			`"aws":{"account_id":"000000000000","function_arn":"arn:aws:lambda:us-east-1:000000000000:function:arvo-federated_handler","cloudwatch_logs":[{"log_group":"/aws/lambda/arvo-federated_handler"}]},`+
			`"annotations":{"subject":"eJw%032x%08d","event_type":"com.payment.charge","outcome":"ok","handler":"com.payment.charge"},`+
			`"subsegments":[{"id":"%08x%07xa","name":"DynamoDB","namespace":"aws","start_time":17000%05d.%06d,"end_time":17000%05d.%06d,"http":{"response":{"status":200}},"aws":{"operation":"PutItem","region":"us-east-1","request_id":"%08x-%04x","table_name":"arvo-effects","resource_names":["arvo-effects"]}}]}`,
			n, n, i+1, n, i, n%100000, n*7919%1000000, n%100000, n*104729%1000000, n*2654435761, n, n, i, n%100000, n*31%1000000, n%100000, n*37%1000000, n*40503, i)
	}
	return docs
}

// The figure of the project: a million documents, in less than 256 MB. The rate includes the making of the documents.
func BenchmarkAMillionDocuments(b *testing.B) {
	for b.Loop() {
		s := traces.New(traces.Options{})
		for n := range 125_000 {
			put(b, s, subject(n+1)...)
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		stats := s.Stats()
		b.ReportMetric(float64(m.Sys)/1e6, "MB-of-process")
		b.ReportMetric(float64(stats.Bytes)/1e6, "MB-of-store")
		b.ReportMetric(float64(stats.Traces), "traces-held")
	}
}

func BenchmarkPut(b *testing.B) {
	s := traces.New(traces.Options{})
	var docs [][]byte
	for n := range 20_000 {
		docs = append(docs, subject(n+1)...)
	}
	b.SetBytes(int64(len(docs[0])))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if err := s.Put(docs[i%len(docs)]); err != nil {
			b.Fatal(err)
		}
	}
}

// Traces of a store that is packed, read one after another, as searches and graphs do.
func BenchmarkReadPacked(b *testing.B) {
	s := traces.New(traces.Options{Memory: 16 << 20})
	for n := range 10_000 {
		put(b, s, subject(n+1)...)
	}
	refs := s.List(func(traces.Ref) bool { return true })
	refs = refs[:s.Stats().Packed]
	b.ResetTimer()
	for i := range b.N {
		if t, ok := s.Trace(refs[i%len(refs)].ID); !ok || len(t.Texts) != 8 {
			b.Fatal("not all is there")
		}
	}
}
