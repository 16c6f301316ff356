package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

var passphrase = []byte("correct horse battery staple")

func newStore(t testing.TB) (*Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hgs.db")
	require.NoError(t, Create(path, passphrase))
	return openStore(t, path), path
}

func openStore(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, passphrase)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t testing.TB, s *Store, b Bucket, key, value string) {
	t.Helper()
	require.NoError(t, s.Update(func(tx *Tx) error { return tx.Put(b, key, []byte(value)) }))
}

// contents gives all entries but those of the audit log.
func contents(t testing.TB, s *Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, s.View(func(tx *Tx) error {
		for _, b := range Buckets() {
			if b == Audit {
				continue
			}
			err := tx.Each(b, func(key string, value []byte) error {
				all[string(b)+"/"+key] = string(value)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return all
}

func TestStore(t *testing.T) {
	s, path := newStore(t)
	put(t, s, Hosts, "b", "2")
	put(t, s, Hosts, "a", "1")
	put(t, s, Configuration, "a", "")
	put(t, s, Hosts, "a", "3")
	require.NoError(t, s.Update(func(tx *Tx) error {
		require.NoError(t, tx.Put(Signers, "x", []byte("y")))
		return tx.Delete(Signers, "x")
	}))
	failure := errors.New("no")
	require.ErrorIs(t, s.Update(func(tx *Tx) error {
		require.NoError(t, tx.Put(Hosts, "a", []byte("never")))
		return failure
	}), failure)
	want := map[string]string{"hosts/a": "3", "hosts/b": "2", "configuration/a": ""}
	require.Equal(t, want, contents(t, s))

	require.NoError(t, s.View(func(tx *Tx) error {
		value, err := tx.Get(Hosts, "b")
		require.NoError(t, err)
		require.Equal(t, "2", string(value))
		_, err = tx.Get(Hosts, "c")
		require.ErrorIs(t, err, ErrNotFound)
		require.Error(t, tx.Put(Hosts, "c", nil), "the transaction only reads")
		return nil
	}))
	require.NoError(t, s.Update(func(tx *Tx) error {
		require.ErrorIs(t, tx.Delete(Hosts, "c"), ErrNotFound)
		require.Error(t, tx.Put(Hosts, "", nil))
		require.Error(t, tx.Put(Hosts, strings.Repeat("x", MaxKey+1), nil))
		require.Error(t, tx.Put(Hosts, "x", make([]byte, MaxValue+1)))
		require.Error(t, tx.Put(Audit, "x", nil))
		require.Error(t, tx.Put(meta, "x", nil))
		require.Error(t, tx.Put("other", "x", nil))
		return nil
	}))

	_, err := Open(path, passphrase)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, s.Close())
	require.Equal(t, want, contents(t, openStore(t, path)))
}

func TestOpenRefused(t *testing.T) {
	s, path := newStore(t)
	require.NoError(t, s.Close())
	require.ErrorIs(t, Create(path, passphrase), fs.ErrExist)
	require.Error(t, Create(filepath.Join(t.TempDir(), "x"), nil))
	_, err := Open(path, []byte("wrong"))
	require.ErrorIs(t, err, ErrPassphrase)
	_, err = Open(path+"x", passphrase)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoFileExists(t, path+"x")
	require.NoError(t, os.WriteFile(path+"x", bytes.Repeat([]byte("x"), 1<<16), 0o600))
	_, err = Open(path+"x", passphrase)
	require.ErrorIs(t, err, ErrFormat)

	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.new"))
	require.NoError(t, err)
	require.Empty(t, left)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

// TestAtRest looks at the file itself: nothing of a value is in it, and none can be moved, altered or made.
func TestAtRest(t *testing.T) {
	s, path := newStore(t)
	put(t, s, Certificates, "one", "a private key, worth much")
	put(t, s, Certificates, "two", "another one")
	require.NoError(t, s.Record("kind", "an event that somebody caused"))
	require.NoError(t, s.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(data), "a private key")
	require.NotContains(t, string(data), "somebody caused")
	require.NotContains(t, string(data), string(passphrase))

	for name, change := range map[string]func(b *bbolt.Bucket) error{
		"moved": func(b *bbolt.Bucket) error { return b.Put([]byte("two"), b.Get([]byte("one"))) },
		"altered": func(b *bbolt.Bucket) error {
			v := bytes.Clone(b.Get([]byte("two")))
			v[20] ^= 1
			return b.Put([]byte("two"), v)
		},
		"made": func(b *bbolt.Bucket) error { return b.Put([]byte("two"), []byte("made")) },
	} {
		t.Run(name, func(t *testing.T) {
			other := filepath.Join(t.TempDir(), "hgs.db")
			require.NoError(t, os.WriteFile(other, data, 0o600))
			raw(t, other, func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte(Certificates))) })
			require.NoError(t, openStore(t, other).View(func(tx *Tx) error {
				_, err := tx.Get(Certificates, "two")
				require.ErrorIs(t, err, ErrAltered)
				_, err = tx.Get(Certificates, "one")
				return err
			}))
		})
	}
}

// raw changes a file behind the package's back.
func raw(t testing.TB, path string, change func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(change))
	require.NoError(t, db.Close())
}

func TestAudit(t *testing.T) {
	s, path := newStore(t)
	for i := range 5 {
		require.NoError(t, s.Record("kind", map[string]any{"number": i, "text": "<&>\u2028 and ü"}))
	}
	require.Error(t, s.Record("kind", func() {}), "not JSON")
	var head Head
	require.NoError(t, s.View(func(tx *Tx) (err error) {
		head, err = tx.VerifyAudit()
		require.NoError(t, err)
		require.Equal(t, uint64(5), head.Sequence)
		var seen []string
		require.NoError(t, tx.Entries(4, func(e *Entry) error {
			seen = append(seen, fmt.Sprintf("%d %s %.12s", e.Sequence, e.Kind, e.Data))
			return nil
		}))
		require.Equal(t, []string{`4 kind {"number":3,`, `5 kind {"number":4,`}, seen)
		return nil
	}))
	require.NoError(t, s.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)

	for name, change := range map[string]func(b *bbolt.Bucket) error{
		"first gone":  func(b *bbolt.Bucket) error { return b.Delete(sequenceKey(1)) },
		"middle gone": func(b *bbolt.Bucket) error { return b.Delete(sequenceKey(3)) },
		"last gone":   func(b *bbolt.Bucket) error { return b.Delete(sequenceKey(5)) },
		"moved":       func(b *bbolt.Bucket) error { return b.Put(sequenceKey(2), b.Get(sequenceKey(3))) },
		"one more":    func(b *bbolt.Bucket) error { return b.Put(sequenceKey(6), b.Get(sequenceKey(3))) },
	} {
		t.Run(name, func(t *testing.T) {
			other := filepath.Join(t.TempDir(), "hgs.db")
			require.NoError(t, os.WriteFile(other, data, 0o600))
			raw(t, other, func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte(Audit))) })
			require.NoError(t, openStore(t, other).View(func(tx *Tx) error {
				_, err := tx.VerifyAudit()
				require.Error(t, err)
				require.True(t, errors.Is(err, ErrAudit) || errors.Is(err, ErrAltered), "%v", err)
				return nil
			}))
		})
	}

	// Who has the key can write entries, but not so that the chain holds.
	other := filepath.Join(t.TempDir(), "hgs.db")
	require.NoError(t, os.WriteFile(other, data, 0o600))
	forged := openStore(t, other)
	require.NoError(t, forged.Update(func(tx *Tx) error {
		return tx.put(Audit, sequenceKey(2), []byte(`{"sequence":2,"time":"2026-11-22T00:00:00Z","kind":"kind","data":1,"hash":"AAAA"}`))
	}))
	require.NoError(t, forged.View(func(tx *Tx) error {
		_, err := tx.VerifyAudit()
		require.ErrorIs(t, err, ErrAudit)
		return nil
	}))
}
