package ledger

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Columns are those of the file, in order; its first line names them.
//
//	cell                 what was measured, such as "E1/C=4"
//	run, seq             the key of the request is run-seq; seq counts from 0 in each run
//	stage                of the schedule
//	subject, trace_id    as the API told; empty when it did not
//	intended_us ...      microseconds since 1970: intended, sent, acked by the client's clock, the others by the servers';
//	                     empty for never
//	code, error          HTTP status of the answer; 0 and why there was none; both empty when nothing was sent
//	deliveries, events   of answers to the sink, and how many of them were different
//	dead_lettered        1, or empty
//	fate                 one of Fates
//	e2e_us               from intended to stored, by the client's clock; empty when it has not ended
var Columns = []string{
	"cell", "run", "seq", "stage", "subject", "trace_id",
	"intended_us", "sent_us", "acked_us", "code", "error",
	"accepted_us", "received_us", "answered_us", "delivered_us", "stored_us",
	"deliveries", "events", "dead_lettered", "fate", "e2e_us",
}

// A Writer writes ledgers as one CSV file (RFC 4180, UTF-8), compressed by gzip: subjects.csv.gz. Equal ledgers make
// equal files.
type Writer struct {
	gz  *gzip.Writer
	csv *csv.Writer
}

// NewWriter returns a Writer whose file goes to w. Close completes it.
func NewWriter(w io.Writer) (*Writer, error) {
	gz := gzip.NewWriter(w)
	c := csv.NewWriter(gz)
	if err := c.Write(Columns); err != nil {
		return nil, fmt.Errorf("ledger: write: %w", err)
	}
	return &Writer{gz: gz, csv: c}, nil
}

// Write writes all records of a ledger as those of a cell, by the clock that was estimated for it. The cell has 1 to 200
// printable bytes.
func (w *Writer) Write(cell string, l *Ledger, c Clock) error {
	if len(cell) == 0 || len(cell) > 200 || !printable(cell) {
		return fmt.Errorf("ledger: write: cell %q: 1 to 200 printable bytes", cell)
	}
	for r := range l.All() {
		e2e := ""
		if d, ok := r.EndToEnd(c); ok {
			e2e = strconv.FormatInt(d.Microseconds(), 10)
		}
		code := ""
		if r.Sent != 0 {
			code = strconv.Itoa(r.Code)
		}
		dead := ""
		if r.DeadLettered {
			dead = "1"
		}
		err := w.csv.Write([]string{
			cell, l.run, strconv.FormatUint(r.Seq, 10), r.Stage, r.Subject, r.TraceID,
			r.Intended.text(), r.Sent.text(), r.Acked.text(), code, r.Error,
			r.Accepted.text(), r.Received.text(), r.Answered.text(), r.Delivered.text(), r.Stored.text(),
			strconv.Itoa(r.Deliveries), strconv.Itoa(r.Events), dead, string(r.Fate()), e2e,
		})
		if err != nil {
			return fmt.Errorf("ledger: write: %w", err)
		}
	}
	return nil
}

func (i Instant) text() string {
	if i == 0 {
		return ""
	}
	return strconv.FormatInt(int64(i), 10)
}

// Close completes the file. It does not close the writer beneath.
func (w *Writer) Close() error {
	w.csv.Flush()
	if err := errors.Join(w.csv.Error(), w.gz.Close()); err != nil {
		return fmt.Errorf("ledger: write: %w", err)
	}
	return nil
}

// A Cell is the part of a file that belongs to one ledger.
type Cell struct {
	Name   string
	Ledger *Ledger
}

// maxLine is longer than any line that a Writer writes: two ids, quoted, are most of it.
const maxLine = 16 << 10

// MaxFile is the longest file that Read takes, uncompressed.
const MaxFile = 1 << 30

// Read reads what a Writer has written. It holds the file for hostile: lines, records and ids are limited as in a ledger,
// and a record has to be one that a ledger can hold. An error names the line.
//
// What a file does not tell is when the schedule began: a ledger that is read begins with its first subject.
func Read(r io.Reader) ([]Cell, error) {
	gz, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("ledger: read: %w", err)
	}
	lines := bufio.NewScanner(gz)
	size := 0
	lines.Buffer(nil, maxLine)
	var cells []Cell
	records := 0
	for n := 1; lines.Scan(); n++ {
		size += len(lines.Bytes()) + 1
		fields, err := split(lines.Bytes())
		switch {
		case err != nil:
		case size > MaxFile:
			err = fmt.Errorf("more than %d bytes", MaxFile)
		case n == 1:
			if !slices.Equal(fields, Columns) {
				err = fmt.Errorf("columns %q: they are %q", fields, Columns)
			}
		case records == MaxRecords:
			err = fmt.Errorf("more than %d records", MaxRecords)
		default:
			records++
			cells, err = add(cells, fields)
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: read: line %d: %w", n, err)
		}
		if n == 1 {
			cells = []Cell{}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("ledger: read: %w", err)
	}
	if cells == nil {
		return nil, errors.New("ledger: read: the file is empty")
	}
	return cells, gz.Close()
}

// split takes a line into its fields.
func split(line []byte) ([]string, error) {
	c := csv.NewReader(bytes.NewReader(line))
	c.FieldsPerRecord = len(Columns)
	return c.Read()
}

// add adds the record of a line to the cell that it belongs to, the last one or a new one.
func add(cells []Cell, fields []string) ([]Cell, error) {
	line := fieldReader{fields: fields}
	cell, run, seq := line.text("cell"), line.text("run"), line.number("seq", 1<<62)
	r := Record{
		Seq: uint64(seq), Stage: line.text("stage"),
		Intended: line.instant("intended_us"), Sent: line.instant("sent_us"), Acked: line.instant("acked_us"),
		Code: int(line.number("code", 999)), Error: line.text("error"),
		Accepted: line.instant("accepted_us"), Received: line.instant("received_us"), Answered: line.instant("answered_us"),
		Delivered: line.instant("delivered_us"), Stored: line.instant("stored_us"),
		Deliveries: int(line.number("deliveries", 1<<30)), Events: int(line.number("events", 1<<30)),
		DeadLettered: line.text("dead_lettered") == "1",
	}
	fate := Fate(line.text("fate"))
	switch fate {
	case Done:
		r.Status = Completed
	case Errored:
		r.Status = Failed
	case Lost:
		r.Expired = true
	}
	subject, trace := line.text("subject"), line.text("trace_id")
	switch {
	case line.err != nil:
		return nil, line.err
	case len(cell) == 0 || len(cell) > 200 || !validRun(run) || len(r.Stage) == 0 || len(r.Stage) > 200 || len(r.Error) > 100:
		return nil, fmt.Errorf("cell %.300q, run %.300q, stage %.300q, error %.300q: one is missing, too long or of other letters", cell, run, r.Stage, r.Error)
	case r.Intended == 0:
		return nil, errors.New("intended_us is empty")
	case r.Sent == 0 != (fields[slices.Index(Columns, "code")] == ""):
		return nil, errors.New("code is there without sent_us, or sent_us without code")
	case r.Ended() && r.Stored == 0:
		return nil, fmt.Errorf("fate is %s, and stored_us is empty", fate)
	case r.Fate() != fate:
		return nil, fmt.Errorf("fate is %q: the other columns make it %q", fate, r.Fate())
	}
	if len(cells) == 0 || cells[len(cells)-1].Name != cell || cells[len(cells)-1].Ledger.run != run {
		for _, c := range cells {
			if c.Name == cell && c.Ledger.run == run {
				return nil, fmt.Errorf("cell %q, run %q goes on after another one", cell, run)
			}
		}
		cells = append(cells, Cell{Name: strings.Clone(cell), Ledger: &Ledger{run: strings.Clone(run), began: r.Intended, bySubject: map[string]uint64{}}})
	}
	l := cells[len(cells)-1].Ledger
	if r.Seq != uint64(len(l.records)) {
		return nil, fmt.Errorf("seq is %d: %d is next", r.Seq, len(l.records))
	}
	if err := l.name(&r, subject, trace); err != nil {
		return nil, err
	}
	if n := len(l.records); n > 0 && l.records[n-1].Stage == r.Stage {
		r.Stage = l.records[n-1].Stage // one string for all of them
	}
	l.records = append(l.records, r)
	return cells, nil
}

// A fieldReader reads the fields of a line by their columns' names, until the first error.
type fieldReader struct {
	fields []string
	err    error
}

func (f *fieldReader) text(column string) string { return f.fields[slices.Index(Columns, column)] }

// number returns a field as a number from 0 to limit, and 0 for an empty one.
func (f *fieldReader) number(column string, limit int64) int64 {
	s := f.text(column)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if (err != nil || n < 0 || n > limit) && f.err == nil {
		f.err = fmt.Errorf("%s is %.100q: a number from 0 to %d", column, s, limit)
	}
	return n
}

func (f *fieldReader) instant(column string) Instant {
	return Instant(f.number(column, 1<<53)) // some 285 years
}
