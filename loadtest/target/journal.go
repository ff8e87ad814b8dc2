package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// originals are the settings that a stack had before a run changed them; nil is not changed.
type originals struct {
	Mapping     *mappingOriginal   `json:"mapping,omitempty"`
	VisibilityS *int               `json:"visibility_s,omitempty"`
	Reserved    *int               `json:"reserved_concurrency,omitempty"` // -1 for none
	Target      *eventtypes.Target `json:"target,omitempty"`               // of the rule for requests
}

type mappingOriginal struct {
	ID          string `json:"id"`
	Concurrency int    `json:"concurrency"`
	Batch       int    `json:"batch"`
	Enabled     bool   `json:"enabled"`
}

// A journal is the file in which a run writes down what it is about to change, and the lock by which others know that the
// run is alive: the kernel lets go of it when the process ends, however that happens. Both are named by the stack as it names
// itself, its id and when it was created, and not by its address: a stack answers at many, and one address is spelled in many ways.
type journal struct {
	path string // "" for none
	lock *os.File
}

// An entry is what the file holds.
type entry struct {
	Stack    string    `json:"stack"`
	ID       string    `json:"stack_id"`
	Created  time.Time `json:"stack_created"` // a local stack of the same name is another one after a restart
	Endpoint string    `json:"endpoint,omitempty"`
	Written  time.Time `json:"written"`
	PID      int       `json:"pid"`
	originals
}

// maxJournal is the longest file that is believed.
const maxJournal = 64 << 10

// errInUse says that another run has the stack.
var errInUse = errors.New("another load test is running on it; two would measure each other")

// undoEarlier takes the stack for this run and restores what one that died has left.
func (s *Stack) undoEarlier(ctx context.Context) error {
	if s.config.Child != nil { // nobody else knows it, and it does not outlive us
		return nil
	}
	dir, err := s.config.Dir, error(nil)
	if dir == "" {
		dir, err = cacheDir()
	} else {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return s.wrap("where to write down what is changed", err)
	}
	s.journal.path = filepath.Join(dir, shortHash(s.id+"\n"+s.created.UTC().Format(time.RFC3339Nano))+".json")
	if err := s.journal.acquire(); err != nil {
		return s.wrap("to begin", err)
	}
	if err := s.forget(dir); err != nil {
		return s.wrap("to forget a stack that is no more", err)
	}
	left, err := s.journal.read()
	if err != nil {
		return s.wrap(fmt.Sprintf("what an earlier run has left, by %s (if nothing is to be undone, remove it)", s.journal.path), err)
	}
	if left == nil {
		return nil
	}
	if left.ID != s.id || !left.Created.Equal(s.created) {
		err := fmt.Errorf("%s is of stack %.200q, created at %s", s.journal.path, left.ID, left.Created.Format(time.RFC3339Nano))
		return s.wrap("what an earlier run has left", err)
	}
	s.changed = &left.originals
	if err := s.restore(ctx); err != nil {
		return fmt.Errorf("a run that began to change it at %s, as process %d, has died and left it so: %w", left.Written.Format(time.RFC3339), left.PID, err)
	}
	s.notes = append(s.notes, fmt.Sprintf("restored what a run had changed that died (%s, process %d)", left.Written.Format(time.RFC3339), left.PID))
	return nil
}

// forget removes what runs have left of stacks that are no more: those that were at this very address before, under the same
// id. Only a local stack has successors like that.
func (s *Stack) forget(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	for _, path := range files {
		j := journal{path: path}
		left, err := j.read()
		if err != nil || left == nil || left.Endpoint != s.config.Endpoint || left.ID != s.id || left.Created.Equal(s.created) {
			continue // it is another stack's; who opens that one is told of the error
		}
		if err := j.acquire(); err != nil {
			continue // the run lives, and is told of its stack's end by the stack
		}
		err = os.Remove(path)
		j.unlock()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// write keeps originals for the next run, before they are changed.
func (s *Stack) write(o *originals) error {
	if s.journal.path == "" {
		return nil
	}
	if err := s.replace(o); err != nil {
		return fmt.Errorf("writing down what is changed: %w", err)
	}
	return nil
}

// replace puts a new file in the place of the old one: it is there as a whole or not at all.
func (s *Stack) replace(o *originals) error {
	text, err := json.MarshalIndent(entry{
		Stack: s.config.Stack, ID: s.id, Created: s.created, Endpoint: s.config.Endpoint, Written: time.Now().UTC(), PID: os.Getpid(), originals: *o,
	}, "", "\t")
	if err != nil {
		return err
	}
	temporary := s.journal.path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary, s.journal.path)
}

func (s *Stack) erase() error {
	if s.journal.path == "" {
		return nil
	}
	if err := os.Remove(s.journal.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// read returns what a run has left, nil for nothing.
func (j *journal) read() (*entry, error) {
	info, err := os.Stat(j.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxJournal {
		err = fmt.Errorf("it has %d bytes, more than a run writes", info.Size())
	}
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(j.path)
	if err != nil {
		return nil, err
	}
	var e entry
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	return &e, nil
}

// acquire takes the lock, or fails when another run has it.
func (j *journal) acquire() error {
	const tries = 100 // each is lost to a run that has just ended
	for range tries {
		f, err := os.OpenFile(j.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := lockFile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		locked, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		if there, err := os.Stat(j.path + ".lock"); err == nil && os.SameFile(locked, there) {
			j.lock = f
			return nil
		}
		_ = f.Close() // it was removed between open and lock: a lock of nothing
	}
	return errInUse
}

// unlock lets others have the stack. The lock's file goes, too: each start of a local stack has one of its own.
func (j *journal) unlock() {
	if j.lock != nil {
		_ = os.Remove(j.lock.Name()) // while it is ours; one that stays does no harm
		_ = j.lock.Close()           // it was only ever locked
		j.lock = nil
	}
}

// cacheDir is where journals and the binary of the local stack are kept.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir() // no HOME, as in some containers
	}
	dir := filepath.Join(base, "arvo-loadtest")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("target: %w", err)
	}
	return dir, nil
}

// shortHash makes a file name of a name.
func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}
