package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/scutum-project/scutum/hgsserver/internal/owner"
)

// SetPassphrase writes a store again, under another passphrase and a new key, and puts it in the place of the one before once it
// is whole: at every moment the file opens with the one or the other, and in the new one nothing is left that the old one opens.
// Record is what the audit log says of it. It fails as Open does, and with ErrAudit where the audit log is not whole.
func SetPassphrase(path string, old, passphrase []byte, kind string, record any) error {
	if len(passphrase) == 0 {
		return errNoPassphrase
	}
	s, err := Open(path, old) // holds the lock until the new file is in its place
	if err != nil {
		return err
	}
	err = s.rewrite(path, passphrase, kind, record)
	if err := errors.Join(err, s.Close()); err != nil {
		return fmt.Errorf("changing the passphrase of %s: %w", path, err)
	}
	return nil
}

func (s *Store) rewrite(path string, passphrase []byte, kind string, record any) error {
	work := path + ".passphrase"
	if err := os.RemoveAll(work); err != nil { // of one that was broken off
		return err
	}
	if err := os.Mkdir(work, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := owner.Give(work, filepath.Dir(path)); err != nil { // who could not take it away could not do this again
		return err
	}
	next := filepath.Join(work, filepath.Base(path))
	r, w := io.Pipe()
	go func() { w.CloseWithError(s.writeRecords(w, Buckets())) }()
	err := create(next, passphrase, func(s *Store) error {
		if err := s.fill(r); err != nil {
			return err
		}
		return s.Update(func(tx *Tx) error { return tx.Record(kind, record) })
	})
	r.CloseWithError(io.ErrClosedPipe) // ends the writer, where it has not
	if err != nil {
		return err
	}
	if err := owner.Give(next, filepath.Dir(path)); err != nil {
		return err
	}
	if runtime.GOOS == "windows" { // where what is open cannot be replaced
		if err := s.db.Close(); err != nil {
			return err
		}
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
