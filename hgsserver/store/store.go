// Package store keeps the state of a Host Guardian Service in one file: configuration, hosts, host keys, policies, certificates
// with their keys, attestation signers, and an audit log. It also writes all of that into a backup, and restores it.
//
// Every value is encrypted and authenticated under a key of the file, which is there only under the owner's passphrase. Who has
// the file alone learns the names of entries, their sizes and how many there are. Who may write to it can take entries away, or
// put an older one, or the whole file as it was, in its place; only of the audit log is a missing entry noticed. It cannot make
// or alter an entry. A file that is damaged so that bbolt cannot find its way in it may end the program.
//
// A change that was acknowledged is on the disk. One process at a time has the file open. The package does not know what its
// values mean.
package store

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// A Bucket holds the entries of one kind.
type Bucket string

// The buckets. Audit is written by Record alone.
const (
	Configuration Bucket = "configuration"
	Hosts         Bucket = "hosts"
	HostKeys      Bucket = "host-keys"
	Policies      Bucket = "policies"
	Certificates  Bucket = "certificates"
	Signers       Bucket = "signers"
	Audit         Bucket = "audit"
)

// Buckets gives all of them.
func Buckets() []Bucket {
	return []Bucket{Configuration, Hosts, HostKeys, Policies, Certificates, Signers, Audit}
}

// Limits of an entry, in bytes.
const (
	MaxKey   = 256
	MaxValue = 1 << 20
)

// Errors of a store, for errors.Is.
var (
	ErrPassphrase = errors.New("the passphrase is wrong, or the file was altered")
	ErrLocked     = errors.New("another process has the file open")
	ErrFormat     = errors.New("not the state of a Host Guardian Service that this program can read")
	ErrNotFound   = errors.New("there is no such entry")
	ErrAltered    = errors.New("an entry was altered")
	ErrTooLarge   = errors.New("an entry is too large")
)

// The bucket meta is this package's own: the format, the file's key under the passphrase, and the end of the audit log.
const (
	meta       Bucket = "scutum"
	format            = "scutum-hgs-1"
	formatKey         = "format"
	wrappedKey        = "key"
	headKey           = "audit-head"
	lockWait          = time.Second
)

// A Store is an open file. Its methods may be called at the same time.
type Store struct {
	db    *bbolt.DB
	aead  cipher.AEAD
	group group
}

// Create makes an empty store. It never takes the place of a file: then it fails with fs.ErrExist.
func Create(path string, passphrase []byte) error {
	if err := create(path, passphrase, func(*Store) error { return nil }); err != nil {
		return fmt.Errorf("creating the state %s: %w", path, err)
	}
	return nil
}

// create makes a store and fills it before it appears under its name.
func create(path string, passphrase []byte, fill func(*Store) error) error {
	if err := checkAbsent(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	name := f.Name()
	defer os.Remove(name)
	if err := f.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(name, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	err = initialize(db, passphrase, fill)
	if err == nil {
		err = db.Sync()
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := checkAbsent(path); err != nil {
		return err
	}
	if err := os.Rename(name, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func initialize(db *bbolt.DB, passphrase []byte, fill func(*Store) error) error {
	key := make([]byte, keySize)
	defer clear(key)
	_, _ = rand.Read(key)
	wrapped, err := wrap(key, passphrase)
	if err != nil {
		return err
	}
	s := &Store{db: db, aead: newGCM(key)}
	err = s.Update(func(tx *Tx) error {
		for _, b := range append(Buckets(), meta) {
			if _, err := tx.tx.CreateBucket([]byte(b)); err != nil {
				return err
			}
		}
		m := tx.bucket(meta)
		if err := errors.Join(m.Put([]byte(formatKey), []byte(format)), m.Put([]byte(wrappedKey), wrapped)); err != nil {
			return err
		}
		return tx.setHead(Head{Hash: make([]byte, hashSize)})
	})
	if err != nil {
		return err
	}
	return fill(s)
}

func checkAbsent(path string) error {
	_, err := os.Lstat(path)
	if err == nil {
		return fs.ErrExist
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes a renaming last. Windows has no way to ask for it.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open opens a store. It fails with ErrPassphrase, ErrLocked, ErrFormat or fs.ErrNotExist.
func Open(path string, passphrase []byte) (*Store, error) {
	s, err := open(path, passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening the state %s: %w", path, err)
	}
	return s, nil
}

func open(path string, passphrase []byte) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err // bbolt would make the file
	}
	var file *os.File
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrVersionMismatch), errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	case err != nil:
		return nil, err
	}
	if !isAt(file, path) { // who had the lock has put another file in its place
		_ = db.Close()
		return nil, ErrLocked
	}
	var wrapped []byte
	err = db.View(func(tx *bbolt.Tx) error {
		for _, b := range append(Buckets(), meta) {
			if tx.Bucket([]byte(b)) == nil {
				return fmt.Errorf("%w: it has no bucket %s", ErrFormat, b)
			}
		}
		m := tx.Bucket([]byte(meta))
		if f := m.Get([]byte(formatKey)); string(f) != format {
			return fmt.Errorf("%w: its format is %.32q, not %q", ErrFormat, f, format)
		}
		wrapped = bytes.Clone(m.Get([]byte(wrappedKey)))
		return nil
	})
	var key []byte
	if err == nil {
		key, err = unwrap(wrapped, passphrase)
	}
	if err != nil {
		_ = db.Close() // the other error says more
		return nil, err
	}
	defer clear(key)
	return &Store{db: db, aead: newGCM(key)}, nil
}

func isAt(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}

// Close closes the file, after all transactions have ended.
func (s *Store) Close() error { return s.db.Close() }

// View runs a transaction that only reads. All that it reads is of one moment.
func (s *Store) View(read func(*Tx) error) error {
	return s.db.View(func(tx *bbolt.Tx) error { return read(&Tx{s, tx}) })
}

// Update runs a transaction that may change the store. When it returns without an error, all changes are on the disk; else
// there are none. There is one such transaction at a time.
func (s *Store) Update(change func(*Tx) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return change(&Tx{s, tx}) })
}

// A Tx is a transaction. It ends when the function that it was given to returns.
type Tx struct {
	s  *Store
	tx *bbolt.Tx
}

func (tx *Tx) bucket(b Bucket) *bbolt.Bucket { return tx.tx.Bucket([]byte(b)) }

// Get gives the value of an entry. It fails with ErrNotFound or ErrAltered.
func (tx *Tx) Get(b Bucket, key string) ([]byte, error) {
	sealed := tx.bucket(b).Get([]byte(key))
	if sealed == nil {
		return nil, fmt.Errorf("%w: %s %.64q", ErrNotFound, b, key)
	}
	return tx.s.open(b, []byte(key), sealed)
}

// Put makes an entry, or gives it another value.
func (tx *Tx) Put(b Bucket, key string, value []byte) error {
	if b == Audit || !slices.Contains(Buckets(), b) {
		return fmt.Errorf("there are no entries to put into %s", b)
	}
	return tx.put(b, []byte(key), value)
}

func (tx *Tx) put(b Bucket, key, value []byte) error {
	if len(key) == 0 || len(key) > MaxKey || len(value) > MaxValue {
		return fmt.Errorf("%w: one of %s has a name of %d bytes and a value of %d: at most %d and %d are kept", ErrTooLarge, b, len(key), len(value), MaxKey, MaxValue)
	}
	return tx.bucket(b).Put(key, tx.s.seal(b, key, value))
}

// Delete takes an entry away. It fails with ErrNotFound.
func (tx *Tx) Delete(b Bucket, key string) error {
	if b == Audit || tx.bucket(b).Get([]byte(key)) == nil {
		return fmt.Errorf("%w: %s %.64q", ErrNotFound, b, key)
	}
	return tx.bucket(b).Delete([]byte(key))
}

// Each calls a function with every entry of a bucket, in the order of their names, until it fails. The bucket must not be
// changed meanwhile.
func (tx *Tx) Each(b Bucket, entry func(key string, value []byte) error) error {
	return tx.bucket(b).ForEach(func(key, sealed []byte) error {
		value, err := tx.s.open(b, key, sealed)
		if err != nil {
			return err
		}
		return entry(string(key), value)
	})
}
