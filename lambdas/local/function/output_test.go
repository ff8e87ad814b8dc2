//go:build unix

package function

import (
	"os"
	"testing"
)

// A process that writes as fast as its lines are read would otherwise keep its invocation from ending, for good.
func TestDrainEndsWhileTheProcessGoesOnWriting(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	line := []byte("another line of a goroutine that never stops\n")
	lines := 0
	o, err := newOutput(read, func(string, []byte) {
		if lines++; lines*len(line) < 4*pipeSize { // each line that is read is followed by another one
			if _, err := write.Write(line); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write.Write(line); err != nil {
		t.Fatal(err)
	}
	o.drain()
	if got := lines * len(line); got > pipeSize+len(line) {
		t.Errorf("drain read %d bytes, a pipe holds %d", got, pipeSize)
	}
}
