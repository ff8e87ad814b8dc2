package stack_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"example.com/arvo/lambdas/local/stack"
)

// usage is the processor time of this process, which runs the stack and its clients, and of the functions.
type usage struct{ stack, functions time.Duration }

func (u usage) all() time.Duration { return u.stack + u.functions }

// cpu reads the processor time so far: of the functions, of those processes that have ended and of those that run.
func cpu(b *testing.B) (u usage) {
	b.Helper()
	rusage := func(who int) time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	u.stack, u.functions = rusage(syscall.RUSAGE_SELF), rusage(syscall.RUSAGE_CHILDREN)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Go runs on Linux
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name, which may hold anything) state ppid ... utime stime, the 14th and the 15th
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) < 13 || string(fields[1]) != strconv.Itoa(os.Getpid()) {
			continue
		}
		for _, f := range fields[11:13] {
			ticks, err := strconv.Atoi(string(f))
			if err != nil {
				b.Fatal(err)
			}
			u.functions += time.Duration(ticks) * tick
		}
	}
	return u
}

// BenchmarkTracingCPU is the processor time of a subject, of the whole flow and of the functions alone, with no subject
// sampled and with each. The two take turns, five times, with 4,000 subjects each; the medians are told.
func BenchmarkTracingCPU(b *testing.B) {
	const n = 4000
	perSubject := func(rate string) (all, functions float64) {
		s := start(b, stack.Config{Parameters: map[string]string{
			"TraceSampleRate": rate, "ThrottleRate": "100000", "ThrottleBurst": "100000", "RequestsBatchSize": "10", "ResponsesBatchSize": "10",
		}})
		reader := newHeadReader(s)
		s.flow(b, reader, 20*clients) // environments start
		before := cpu(b)
		s.flow(b, reader, n)
		after := cpu(b)
		reader.stop()
		if err := s.Close(b.Context()); err != nil {
			b.Error(err)
		}
		const each = n * float64(time.Microsecond)
		return float64(after.all()-before.all()) / each, float64(after.functions-before.functions) / each
	}
	var all, functions [2][]float64
	for range 5 * b.N {
		for i, rate := range []string{"0", "1"} {
			a, f := perSubject(rate)
			all[i], functions[i] = append(all[i], a), append(functions[i], f)
		}
	}
	for name, rounds := range map[string][2][]float64{"all": all, "functions": functions} {
		var medians [2]float64
		for i, list := range rounds {
			slices.Sort(list)
			medians[i] = list[len(list)/2]
			b.ReportMetric(medians[i], fmt.Sprintf("%s-at-%d%%-cpu-µs", name, i*100))
		}
		b.ReportMetric(medians[1]/medians[0], name+"-ratio")
	}
}
