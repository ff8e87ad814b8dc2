package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// MaxSize is how long results.json may be, when it is written and when it is read: a hundred cells of ten minutes in steps of
// 100 ms take a tenth of it.
const MaxSize = 256 << 20

// Write writes results as a file: results.json. Whoever looks sees the old file or the whole new one. Lists that are nil are
// written as empty ones, so that readers need not tell the two apart. A number that is none (NaN, ±Inf) is an error that
// names it, but where null is allowed it is null.
func Write(path string, r Results) error {
	return Save(path, func(w io.Writer) error { return Encode(w, r) })
}

// Encode writes results as [Write] does, to a writer: indented JSON, with a newline at its end.
func Encode(w io.Writer, r Results) error {
	if r.Schema == "" {
		r.Schema = Schema
	}
	whole, err := complete(r)
	if err != nil {
		return err
	}
	return encode(w, whole, MaxSize)
}

func encode(w io.Writer, whole Results, most int64) error {
	out := &bounded{w: w, most: most, left: most}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(whole); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// Read reads results from a file that [Write] has written, of this version of the form or of one that has more members.
func Read(path string) (Results, error) {
	f, err := os.Open(path)
	if err != nil {
		return Results{}, fmt.Errorf("results: %w", err)
	}
	defer f.Close() // it was only read
	r, err := Decode(f)
	if err != nil {
		return Results{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Decode reads results as [Read] does, from a reader.
func Decode(from io.Reader) (Results, error) { return decode(from, MaxSize) }

func decode(from io.Reader, most int64) (Results, error) {
	var src bytes.Buffer
	n, err := src.ReadFrom(io.LimitReader(from, most+1))
	switch {
	case err != nil:
		return Results{}, fmt.Errorf("results: %w", err)
	case n > most:
		return Results{}, fmt.Errorf("results: more than %d bytes", most)
	}
	var form struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(src.Bytes(), &form); err != nil {
		return Results{}, fmt.Errorf("results: %w", at(src.Bytes(), err))
	}
	if form.Schema != Schema {
		return Results{}, fmt.Errorf("results: the form is %.100q, and this program reads %q", form.Schema, Schema)
	}
	var r Results
	if err := json.Unmarshal(src.Bytes(), &r); err != nil {
		return Results{}, fmt.Errorf("results: %w", at(src.Bytes(), err))
	}
	return r, nil
}

// at adds the line to an error of package json.
func at(src []byte, err error) error {
	var offset int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(src[:min(offset, int64(len(src)))], []byte("\n")), err)
}

// Save writes a file of a run: into a new file beside it, which takes its place when it is whole and on the disk. An error
// names the file; the old one is then as it was, and the new one is gone.
func Save(path string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s was not written: %w", path, bare(err))
		}
	}()
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, discard(f))
		}
	}()
	w := bufio.NewWriterSize(f, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil { // CreateTemp lets only its owner read it
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// discard takes a temporary file away. It may be closed already.
func discard(f *os.File) error {
	closed := f.Close()
	if errors.Is(closed, os.ErrClosed) {
		closed = nil
	}
	return errors.Join(closed, os.Remove(f.Name()))
}

// bare takes the name of the temporary file out of an error: nobody knows it.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Op, path.Err)
	}
	return err
}

// bounded is a writer that refuses to write more than so many bytes.
type bounded struct {
	w          io.Writer
	most, left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, fmt.Errorf("more than %d bytes", b.most)
	}
	b.left -= int64(len(p))
	return b.w.Write(p)
}
