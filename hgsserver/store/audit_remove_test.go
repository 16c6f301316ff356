package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// recorded is a store with so many entries in its log.
func recorded(t testing.TB, n int) (*Store, string) {
	t.Helper()
	s, path := newStore(t)
	require.NoError(t, s.Update(func(tx *Tx) error {
		for i := range n {
			if err := tx.Record("kind", i); err != nil {
				return err
			}
		}
		return nil
	}))
	return s, path
}

// verified gives where a log begins and ends, which must be whole.
func verified(t testing.TB, s *Store) (anchor, head Head) {
	t.Helper()
	require.NoError(t, s.View(func(tx *Tx) (err error) {
		if anchor, err = tx.AuditAnchor(); err == nil {
			head, err = tx.VerifyAudit()
		}
		return err
	}))
	return anchor, head
}

func TestRemoveAudit(t *testing.T) {
	s, path := recorded(t, 10)
	none, head := verified(t, s)
	require.Equal(t, Head{0, make([]byte, sha256.Size)}, none)
	n, err := s.RemoveAudit(time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, n)

	later := time.Now().Add(time.Hour)
	n, err = s.RemoveAudit(later)
	require.NoError(t, err)
	require.Equal(t, uint64(10), n)
	anchor, end := verified(t, s)
	require.Equal(t, head, anchor, "the last entry that was removed")
	require.Equal(t, uint64(11), end.Sequence)
	var kinds []string
	require.NoError(t, s.View(func(tx *Tx) error {
		return tx.Entries(0, func(e *Entry) error { kinds = append(kinds, e.Kind); return nil })
	}))
	require.Equal(t, []string{AuditRemoved}, kinds)

	// What was removed stays so after more entries, another removal, a backup and a start.
	require.NoError(t, s.Record("kind", nil))
	_, err = s.RemoveAudit(later)
	require.NoError(t, err)
	require.NoError(t, s.Record("kind", nil))
	anchor, end = verified(t, s)
	require.Equal(t, uint64(12), anchor.Sequence)
	require.Equal(t, uint64(14), end.Sequence)
	restored := filepath.Join(t.TempDir(), "restored.db")
	require.NoError(t, Restore(restored, bytes.NewReader(backup(t, s)), password, passphrase))
	again, endAgain := verified(t, openStore(t, restored))
	require.Equal(t, anchor, again)
	require.Equal(t, end, endAgain)
	require.NoError(t, s.Close())
	again, _ = verified(t, openStore(t, path))
	require.Equal(t, anchor, again)
}

func TestRemoveAuditInSteps(t *testing.T) {
	s, _ := recorded(t, removeStep+10)
	n, err := s.RemoveAudit(time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, uint64(removeStep+10+1), n, "with the entry of the first step")
	anchor, head := verified(t, s)
	require.Equal(t, head.Sequence, anchor.Sequence+1)
}

// TestRemovedByOthers takes entries out of the file, or puts old ones back.
func TestRemovedByOthers(t *testing.T) {
	s, path := recorded(t, 10)
	require.NoError(t, s.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	var old []byte
	raw(t, path, func(tx *bbolt.Tx) error { old = bytes.Clone(tx.Bucket([]byte(Audit)).Get(sequenceKey(10))); return nil })
	s = openStore(t, path)
	_, err = s.RemoveAudit(time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.NoError(t, s.Record("kind", nil))
	require.NoError(t, s.Close())
	after, err := os.ReadFile(path)
	require.NoError(t, err)

	for name, change := range map[string]func(b *bbolt.Bucket) error{
		"the anchor gone":       func(b *bbolt.Bucket) error { return b.Delete(sequenceKey(11)) },
		"an old entry is back":  func(b *bbolt.Bucket) error { return b.Put(sequenceKey(10), old) },
		"it has another number": func(b *bbolt.Bucket) error { return b.Put(sequenceKey(9), old) },
	} {
		require.NoError(t, os.WriteFile(path, after, 0o600))
		raw(t, path, func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte(Audit))) })
		s := openStore(t, path)
		err := s.View(func(tx *Tx) error { _, err := tx.VerifyAudit(); return err })
		require.True(t, errors.Is(err, ErrAudit) || errors.Is(err, ErrAltered), "%s: %v", name, err)
		require.NoError(t, s.Close())
	}

	// A log that is not whole is not made so by removing its beginning.
	for gone := uint64(1); gone <= 5; gone++ {
		require.NoError(t, os.WriteFile(path, before, 0o600))
		raw(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(Audit)).Delete(sequenceKey(gone)) })
		s := openStore(t, path)
		n, err := s.RemoveAudit(time.Now().Add(time.Hour))
		require.ErrorIs(t, err, ErrAudit)
		require.Zero(t, n)
		require.NoError(t, s.Close())
	}
}
