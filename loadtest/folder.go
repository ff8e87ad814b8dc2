package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/arvo/loadtest/ledger"
	"example.com/arvo/loadtest/report"
	"example.com/arvo/loadtest/results"
)

// A folder is where the results of a run go.
type folder struct {
	path string
	made bool // by us

	records *ledger.Writer // nil as long as no subject was asked for
	file    *os.File
}

const (
	subjectsFile = "subjects.csv.gz"
	reportFile   = "report.html"
)

// newFolder returns the folder at path, which is made if it is not there, or a new one. One that has results in it already is
// refused: they are never overwritten.
func newFolder(path, id string) (*folder, error) {
	if path == "" {
		made, err := os.MkdirTemp("", "arvo-"+id+"-")
		if err != nil {
			return nil, fmt.Errorf("a folder for the results: %w", err)
		}
		return &folder{path: made, made: true}, nil
	}
	err := os.Mkdir(path, 0o755)
	if made := err == nil; made || errors.Is(err, fs.ErrExist) {
		for _, name := range []string{"results.json", reportFile, "timeseries.csv", "bench.txt", subjectsFile} {
			if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
				return nil, fmt.Errorf("--out %s: there is a %s already; results are not overwritten", path, name)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("--out: %w", err)
			}
		}
		return &folder{path: path, made: made}, nil
	}
	return nil, fmt.Errorf("--out: %w", err)
}

// removeEmpty takes away the folder of a run that came to nothing, if it was made for it.
func (f *folder) removeEmpty() {
	if f.file != nil {
		f.file.Close()
		os.Remove(f.file.Name()) // it has no subject in it
	}
	if f.made {
		os.Remove(f.path) // if it is not empty, it stays
	}
}

// subjects returns the writer of the file of all subjects. It has another name until write has completed it.
func (f *folder) subjects() (*ledger.Writer, error) {
	file, err := os.Create(filepath.Join(f.path, subjectsFile+".partial"))
	if err != nil {
		return nil, err
	}
	f.file = file
	f.records, err = ledger.NewWriter(file)
	return f.records, err
}

// write writes all files. One that cannot be written does not keep the others from being written.
func (f *folder) write(r results.Results) error {
	faults := []error{results.Write(filepath.Join(f.path, "results.json"), r)}
	for _, part := range []struct {
		name  string
		write func(io.Writer, results.Results) error
	}{
		{reportFile, report.HTML}, {"timeseries.csv", results.WriteTimeseries}, {"bench.txt", results.WriteBench},
	} {
		faults = append(faults, results.Save(filepath.Join(f.path, part.name), func(w io.Writer) error { return part.write(w, r) }))
	}
	if f.file != nil {
		err := errors.Join(f.records.Close(), f.file.Sync(), f.file.Close())
		if err == nil {
			err = os.Rename(f.file.Name(), filepath.Join(f.path, subjectsFile))
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", f.file.Name(), err))
		}
	}
	return errors.Join(faults...)
}

// page returns where the report is, and "" if it could not be written.
func (f *folder) page() string {
	path := filepath.Join(f.path, reportFile)
	if _, err := os.Lstat(path); err != nil {
		return ""
	}
	return path
}
