package guardian

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	lockFile    = ".lock" // stays in the folder: to remove it would let two processes lock two files of that name
	lockTimeout = 10 * time.Second
	lockRetry   = 10 * time.Millisecond
)

var errLocked = errors.New("another process has it locked: try again when that one is done")

// lockForWriting makes the folder where it is missing, and keeps all others out.
func (s *Store) lockForWriting() (unlock func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	return s.lock(os.O_RDWR|os.O_CREATE, true)
}

// lockForReading keeps writers out. Where nobody ever wrote there is nothing to lock.
func (s *Store) lockForReading() (unlock func(), err error) {
	unlock, err = s.lock(os.O_RDONLY, false)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	return unlock, err
}

func (s *Store) lock(flag int, exclusive bool) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.dir, lockFile), flag, 0o600)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(lockTimeout)
	for {
		if err = tryLock(f, exclusive); err == nil {
			return func() { f.Close() }, nil // gives the lock back
		}
		if !errors.Is(err, errLocked) || time.Now().After(deadline) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
		}
		time.Sleep(lockRetry)
	}
}
