package function

import (
	"bytes"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// output reads what a process writes to stdout and stderr, which are one pipe as on Lambda, and turns it into log
// lines. Lines must be in the log before the REPORT line of the invocation that wrote them, so besides the goroutine
// that waits for data, [output.drain] reads on the spot what lies in the pipe.
type output struct {
	pipe *os.File
	conn syscall.RawConn
	emit func(requestID string, line []byte) // called with mu held

	mu      sync.Mutex
	current *invocation // whose output it is, if one is under way
	buf     []byte
	partial []byte // a line whose newline has not come
	ended   bool
}

func newOutput(pipe *os.File, emit func(string, []byte)) (*output, error) {
	conn, err := pipe.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &output{pipe: pipe, conn: conn, emit: emit, buf: make([]byte, 32<<10)}, nil
}

// follow reads until the end of the pipe. It returns when every process that holds the other end is gone, or after
// [output.stop].
func (o *output) follow() {
	if runtime.GOOS == "windows" {
		o.followBlocking()
		return
	}
	for {
		end := false
		err := o.conn.Read(func(fd uintptr) bool {
			o.mu.Lock()
			defer o.mu.Unlock()
			_, wait, ended := o.readOnce(fd)
			end = ended
			return !wait
		})
		if err != nil || end {
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
}

func (o *output) followBlocking() {
	buf := make([]byte, 32<<10)
	for {
		n, err := o.pipe.Read(buf)
		o.mu.Lock()
		o.take(buf[:n])
		if err != nil {
			o.flush()
		}
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// readOnce reads what is there; o.mu is held.
func (o *output) readOnce(fd uintptr) (n int, wait, end bool) {
	n, wait, err := readNow(fd, o.buf)
	if wait {
		return 0, true, false
	}
	if err != nil || n == 0 {
		o.ended = true
		return 0, false, true
	}
	o.take(o.buf[:n])
	return n, false, false
}

// pipeSize is the most that a process makes its pipe hold: Linux's default for fs.pipe-max-size. What is read beyond it
// was written after drain had begun.
const pipeSize = 1 << 20

// drain reads all that has been written so far and emits it, an unfinished line included; on Windows it only emits what
// has been read. A process that never stops writing does not hold it up.
func (o *output) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended && runtime.GOOS != "windows" {
		err := o.conn.Control(func(fd uintptr) {
			for read := 0; read < pipeSize; {
				n, wait, end := o.readOnce(fd)
				if wait || end {
					return
				}
				read += n
			}
		})
		if err != nil {
			o.ended = true // closed
		}
	}
	o.flush()
}

// stop has follow return soon even when a process that outlived its parent keeps the pipe open.
func (o *output) stop() {
	if err := o.pipe.SetReadDeadline(time.Now()); err != nil {
		_ = o.pipe.Close() // no deadlines here: closing ends the read; a second Close is harmless
	}
}

func (o *output) take(data []byte) {
	for len(data) > 0 {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		if !found {
			o.partial = append(o.partial, line...)
			for len(o.partial) >= maxLine {
				o.line(o.partial[:maxLine])
				o.partial = o.partial[:copy(o.partial, o.partial[maxLine:])]
			}
			return
		}
		data = rest
		if len(o.partial) > 0 {
			line = append(o.partial, line...)
			o.partial = line[:0]
		}
		for len(line) > maxLine {
			o.line(line[:maxLine])
			line = line[maxLine:]
		}
		o.line(bytes.TrimSuffix(line, []byte("\r")))
	}
}

// attribute has the lines from now on belong to an invocation, or to none.
func (o *output) attribute(inv *invocation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.current = inv
}

func (o *output) line(line []byte) {
	id := ""
	if o.current != nil {
		id = o.current.id
		o.current.tail.add(line)
	}
	o.emit(id, line)
}

func (o *output) flush() {
	if len(o.partial) > 0 {
		o.line(o.partial)
		o.partial = o.partial[:0]
	}
}
