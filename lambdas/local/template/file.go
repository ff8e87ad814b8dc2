package template

import (
	"fmt"
	"io"
	"os"
)

// MaxSize is the longest template in bytes: AWS takes no longer one from S3.
const MaxSize = 1 << 20

// ParseFile reads a template from a file, which has to be a regular one, and parses it.
func ParseFile(file string) (*Template, error) {
	src, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("the template cannot be read: %w", err)
	}
	return Parse(file, src)
}

func read(file string) ([]byte, error) {
	if info, err := os.Stat(file); err != nil { // before it is opened: that of a pipe waits for a writer
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only: there is nothing to be lost
	src, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err == nil && len(src) > MaxSize {
		err = fmt.Errorf("%s has more than %d bytes", file, MaxSize)
	}
	return src, err
}
