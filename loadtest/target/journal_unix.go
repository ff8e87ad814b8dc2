//go:build unix

package target

import (
	"errors"
	"os"
	"syscall"
)

// lockFile locks a file for this process, or returns errInUse.
func lockFile(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errInUse
	}
	return err
}
