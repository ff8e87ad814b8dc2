package ledger_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/arvo/loadtest/ledger"
)

func write(t interface{ Fatal(...any) }, clock ledger.Clock, cells ...ledger.Cell) []byte {
	var file bytes.Buffer
	w, err := ledger.NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		if err := w.Write(c.Name, c.Ledger, clock); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cells []ledger.Cell
		for i := range rapid.IntRange(0, 3).Draw(t, "cells") {
			l := newLedger(t, rapid.IntRange(1, 6).Draw(t, "subjects"))
			history(t, l)
			cells = append(cells, ledger.Cell{Name: fmt.Sprintf("E1/C=%d, \"quick\"", i), Ledger: l})
		}
		file := write(t, ledger.Clock{}, cells...)
		read, err := ledger.Read(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		if len(read) != len(cells) {
			t.Fatalf("%d cells of %d", len(read), len(cells))
		}
		for i, c := range read {
			want := cells[i]
			if c.Name != want.Name || c.Ledger.Run() != want.Ledger.Run() || c.Ledger.Began() != want.Ledger.Began() {
				t.Fatalf("cell %q of %q at %v", c.Name, c.Ledger.Run(), c.Ledger.Began())
			}
			// Whether a subject that has ended was once lost is not in the file: it makes no difference any more.
			forget := func(r ledger.Record) ledger.Record { r.Expired = r.Expired && r.Fate() == ledger.Lost; return r }
			var got, had []ledger.Record
			for r := range c.Ledger.All() {
				got = append(got, forget(r))
			}
			for r := range want.Ledger.All() {
				had = append(had, forget(r))
			}
			if !slices.Equal(got, had) {
				t.Fatalf("got  %+v\nwant %+v", got, had)
			}
		}
		if again := write(t, ledger.Clock{}, read...); !bytes.Equal(again, file) {
			t.Fatal("what was read writes another file")
		}
	})
}

func unzip(t *testing.T, file []byte) string {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func zip(text string) []byte {
	var file bytes.Buffer
	gz := gzip.NewWriter(&file)
	_, _ = gz.Write([]byte(text)) // a bytes.Buffer takes everything
	_ = gz.Close()
	return file.Bytes()
}

func TestFileIsAsDocumented(t *testing.T) {
	l := newLedger(t, 3)
	if err := l.Answer(0, ledger.Answer{Sent: after(1), Acked: after(9), Code: 202, Subject: "a,b", TraceID: "1-2-3"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Observe(0, ledger.Observation{Accepted: after(45), Received: after(50), Answered: after(90), Delivered: after(95), Stored: after(99), Status: ledger.Completed, Deliveries: 2, Events: 1}); err != nil {
		t.Fatal(err)
	}
	if err := l.Answer(1, ledger.Answer{Sent: after(100), Acked: after(5100), Error: "timeout"}); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"cell,run,seq,stage,subject,trace_id,intended_us,sent_us,acked_us,code,error,accepted_us,received_us,answered_us,delivered_us,stored_us,deliveries,events,dead_lettered,fate,e2e_us",
		`E1,run,0,hold,"a,b",1-2-3,1795435200000000,1795435200001000,1795435200009000,202,,1795435200045000,1795435200050000,1795435200090000,1795435200095000,1795435200099000,2,1,,completed,59000`,
		"E1,run,1,hold,,,1795435200100000,1795435200100000,1795435205100000,0,timeout,,,,,,0,0,,unanswered,",
		"E1,run,2,hold,,,1795435200200000,,,,,,,,,,0,0,,unsent,",
		"",
	}, "\n")
	if got := unzip(t, write(t, ledger.Clock{Offset: 40 * time.Millisecond, Error: time.Millisecond}, ledger.Cell{Name: "E1", Ledger: l})); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReadRefuses(t *testing.T) {
	l := newLedger(t, 2)
	good := unzip(t, write(t, ledger.Clock{}, ledger.Cell{Name: "E1", Ledger: l}))
	lines := strings.SplitAfter(good, "\n")
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"what is not compressed", []byte(good), "gzip: invalid header"},
		{"a file that ends early", zip(good)[:len(zip(good))-6], "unexpected EOF"},
		{"an empty file", zip(""), "the file is empty"},
		{"another file", zip("a,b\n"), "line 1"},
		{"other columns", zip(strings.Replace(good, "cell", "sell", 1)), `line 1: columns ["sell"`},
		{"a line without some fields", zip(lines[0] + "E1,run,0\n"), "line 2: record on line 1: wrong number of fields"},
		{"a number that is none", zip(strings.Replace(good, "run,1,", "run,one,", 1)), `line 3: seq is "one"`},
		{"a place that is left out", zip(lines[0] + lines[2]), "line 2: seq is 1: 0 is next"},
		{"a negative time", zip(strings.Replace(good, "1795435200000000", "-5", 1)), `line 2: intended_us is "-5"`},
		{"no intended time", zip(strings.Replace(good, "1795435200000000", "", 1)), "line 2: intended_us is empty"},
		{"a fate that does not follow", zip(strings.Replace(good, "unsent", "completed", 1)), "line 2: fate is completed, and stored_us is empty"},
		{"another that does not follow", zip(strings.Replace(good, "unsent", "lost", 1)), `line 2: fate is "lost": the other columns make it "unsent"`},
		{"a code without a request", zip(strings.Replace(good, ",,,,,,,,,,0,0", ",,,202,,,,,,,0,0", 1)), "line 2: code is there without sent_us"},
		{"a cell without a name", zip(strings.Replace(good, "E1", "", 1)), `line 2: cell ""`},
		{"a cell that goes on after another", zip(good + strings.ReplaceAll(lines[1], "E1", "E2") + lines[1]), `line 5: cell "E1", run "run" goes on`},
		{"a line that never ends", zip(lines[0] + strings.Repeat("x", 1<<20)), "token too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := ledger.Read(bytes.NewReader(test.file)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	var file bytes.Buffer
	w, err := ledger.NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write("a\nb", l, ledger.Clock{}); err == nil {
		t.Error("a cell's name of two lines was written")
	}
}

func FuzzRead(f *testing.F) {
	l := newLedger(f, 2)
	if err := l.Observe(1, ledger.Observation{Subject: "s", Status: ledger.Failed, Stored: after(5)}); err != nil {
		f.Fatal(err)
	}
	var file bytes.Buffer
	w, err := ledger.NewWriter(&file)
	if err != nil {
		f.Fatal(err)
	}
	if err := w.Write("E1", l, ledger.Clock{}); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	gz, err := gzip.NewReader(&file)
	if err != nil {
		f.Fatal(err)
	}
	text, err := io.ReadAll(gz)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		cells, err := ledger.Read(bytes.NewReader(zip(text)))
		if err != nil {
			return
		}
		again, err := ledger.Read(bytes.NewReader(write(t, ledger.Clock{}, cells...)))
		if err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		if len(again) != len(cells) {
			t.Fatalf("%d cells became %d", len(cells), len(again))
		}
	})
}
