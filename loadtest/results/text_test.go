package results

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// golden compares with a file in testdata, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed; with -update it is written anew. Got:\n%s", file, got)
	}
}

func TestTimeseries(t *testing.T) {
	r := full()
	r.Cells[1].ID = `E1, "C=8"` // what has a meaning in CSV
	var b bytes.Buffer
	if err := WriteTimeseries(&b, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "timeseries.csv", b.Bytes())
	r.Cells[0].Series.Backlog = r.Cells[0].Series.Backlog[:1]
	if err := WriteTimeseries(io.Discard, r); err == nil || !strings.Contains(err.Error(), "E1/C=4/offered=1.2 has 2 steps offered, 2 accepted, 2 completed and 1 of backlog") {
		t.Errorf("series of different lengths: %v", err)
	}
	if err := WriteTimeseries(full_{}, full()); err == nil {
		t.Error("what cannot be written is no error")
	}
}

// full_ is a disk without room.
type full_ struct{}

func (full_) Write([]byte) (int, error) { return 0, os.ErrInvalid }

func TestBench(t *testing.T) {
	r := full()
	repeat := r.Cells[0]
	repeat.ID, repeat.Repeat, repeat.Params.Offered, repeat.OfferedRate = "E1/C=4/rate=96/2", 2, 0, 96.04
	repeat.Params.Queue, repeat.Params.Arrivals, repeat.Role, repeat.Experiment = "hidden", "poisson", "control", "my run/2-8"
	bad := r.Cells[1]
	bad.ID, bad.Validity = "E1/C=2/offered=1\nBenchmarkEvil 1 1 ns/op", GeneratorLimited
	r.Cells = append(r.Cells, repeat, bad)
	var b bytes.Buffer
	if err := WriteBench(&b, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "bench.txt", b.Bytes())
	for _, fault := range benchFaults(b.String()) {
		t.Error(fault)
	}
	if err := WriteBench(full_{}, r); err == nil {
		t.Error("what cannot be written is no error")
	}
}

// benchFaults holds a text against the Go benchmark data format (go.dev/design/14313-benchmark-format), strictly.
func benchFaults(src string) (faults []string) {
	units := map[string]bool{}
	config := regexp.MustCompile(`^[a-z][^\sA-Z]*: \S.*$`)
	unit := regexp.MustCompile(`^Unit (\S+)( \S+=\S+)+$`)
	bench := regexp.MustCompile(`^Benchmark[A-Z]\S* [1-9][0-9]*(( -?[0-9]+(\.[0-9]+)? \S+)+)$`)
	for _, line := range strings.Split(strings.TrimSuffix(src, "\n"), "\n") {
		m := bench.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(line, "# "), config.MatchString(line):
		case unit.MatchString(line):
			units[unit.FindStringSubmatch(line)[1]] = true
		case m != nil:
			fields := strings.Fields(m[1])
			for i := 1; i < len(fields); i += 2 {
				if !units[fields[i]] {
					faults = append(faults, "no Unit line for "+fields[i])
				}
			}
			if regexp.MustCompile(`-[0-9]+ 1 `).MatchString(line) {
				faults = append(faults, "the name ends like one with GOMAXPROCS: "+line)
			}
		default:
			faults = append(faults, "not of the format: "+line)
		}
	}
	return faults
}
