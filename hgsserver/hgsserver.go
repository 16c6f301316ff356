// Package hgsserver is a Host Guardian Service: it ties the attestation service and the key protection service to a store, serves
// both over HTTP, and lets administrators change what they work by.
//
// Every change is one transaction of the store, with its entry in the audit log, and takes effect when it is on the disk; one
// that the services would not take changes nothing. Administrators come over a Unix socket that only they may open, and
// reviewers, who may read, over another one; or both over TLS, at an address of their own, by certificates that are registered.
// The addresses that hosts use have no way to either.
//
// The package never decides who is healthy or who gets a key, and never gives a private key to anybody but in a backup, under a
// password.
package hgsserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scutum-project/scutum/hgsserver/attestation"
	"github.com/scutum-project/scutum/hgsserver/internal/owner"
	"github.com/scutum-project/scutum/hgsserver/keyprotection"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/signing"
)

// Errors of changes, for errors.Is.
var (
	ErrExists   = errors.New("there is one already")
	ErrNotFound = store.ErrNotFound
)

// StateFile and SocketFile stand in a service's folder.
const (
	StateFile  = "hgs.db"
	SocketFile = "admin.sock"
)

// renewEvery is how often the attestation signers are looked at.
const renewEvery = time.Hour

// A Server is a service with its state open.
type Server struct {
	dir   string
	store *store.Store
	log   *slog.Logger
	now   func() time.Time

	changes     sync.Mutex // held from the transaction of a change until it is in force
	reading     sync.Mutex // held by who may read the whole audit log
	current     atomic.Pointer[configuration]
	attestation *attestation.Service
	protection  *keyprotection.Service
	metrics     *metrics
	serving     atomic.Pointer[serving]   // nil where nothing is
	unwritten   atomic.Pointer[unwritten] // nil where the last entry is on the disk
}

// Init makes the state of a service in a folder, which is made where there is none. The identities are its first certificates.
// It fails with fs.ErrExist where there is a state.
func Init(dir string, s Settings, signer, encryption *signing.Identity, passphrase []byte) error {
	if err := initialize(dir, s, signer, encryption, passphrase); err != nil {
		return fmt.Errorf("making a service in %s: %w", dir, err)
	}
	return nil
}

func initialize(dir string, s Settings, signer, encryption *signing.Identity, passphrase []byte) error {
	if err := s.check(); err != nil {
		return err
	}
	now := time.Now()
	var certs []*serviceCertificate
	for use, id := range map[string]*signing.Identity{UseSigning: signer, UseEncryption: encryption} {
		c, err := newServiceCertificate(use, id, now)
		if err != nil {
			return err
		}
		c.Primary = true
		certs = append(certs, c)
	}
	create := func(path string) error { return store.Create(path, passphrase) }
	return place(dir, create, passphrase, func(tx *store.Tx) error {
		exchange := make([]byte, exchangeLength)
		_, _ = rand.Read(exchange)
		if err := errors.Join(tx.Put(store.Configuration, exchangeKey, exchange), putJSON(tx, store.Configuration, settingsKey, s)); err != nil {
			return err
		}
		for _, c := range certs {
			if err := putJSON(tx, store.Certificates, c.thumbprint(), c); err != nil {
				return err
			}
		}
		c, err := load(tx)
		if err != nil {
			return err
		}
		if _, err := renew(tx, c, now); err != nil {
			return err
		}
		if c, err = load(tx); err != nil {
			return err
		}
		return errors.Join(c.validate(), tx.Record("init", s))
	})
}

// place makes a state and changes it before it appears under its name in a folder: whole, whose the folder is, or not at all, and
// never in the place of another one. Folders that it made for nothing it takes away.
func place(dir string, create func(path string) error, passphrase []byte, change func(*store.Tx) error) (err error) {
	made, err := makeFolders(dir)
	defer func() {
		for _, folder := range made {
			if err != nil {
				_ = os.Remove(folder) // only where it is empty
			}
		}
	}()
	if err != nil {
		return err
	}
	final := filepath.Join(dir, StateFile)
	if err := Absent(dir); err != nil {
		return err
	}
	work, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	path := filepath.Join(work, StateFile)
	if err := create(path); err != nil {
		return err
	}
	if err := fill(path, passphrase, change); err != nil {
		return err
	}
	if err := owner.Give(path, dir); err != nil {
		return err
	}
	if err := os.Link(path, final); err != nil { // unlike a renaming, it fails where there is one by now
		return err
	}
	return syncDir(dir)
}

// Absent fails with fs.ErrExist where a folder has a state.
func Absent(dir string) error {
	path := filepath.Join(dir, StateFile)
	if _, err := os.Lstat(path); err == nil {
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	}
	return nil
}

// makeFolders makes a folder and those above it. It gives those that were not there, the innermost first.
func makeFolders(dir string) (made []string, err error) {
	for folder := filepath.Clean(dir); ; folder = filepath.Dir(folder) {
		if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
			break
		}
		made = append(made, folder)
	}
	return made, os.MkdirAll(dir, 0o700)
}

// syncDir makes a new name in a folder last. Windows has no way to ask for it.
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

func fill(path string, passphrase []byte, change func(*store.Tx) error) error {
	s, err := store.Open(path, passphrase)
	if err != nil {
		return err
	}
	return errors.Join(s.Update(change), s.Close())
}

// Open opens the state in a folder. It fails as store.Open does.
func Open(dir string, passphrase []byte, log *slog.Logger) (*Server, error) {
	st, err := store.Open(filepath.Join(dir, StateFile), passphrase)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, store: st, log: log, now: time.Now}
	if err := s.start(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the service in %s: %w", dir, err), st.Close())
	}
	return s, nil
}

func (s *Server) start() error {
	var c *configuration
	err := s.store.View(func(tx *store.Tx) (err error) {
		c, err = load(tx)
		return err
	})
	if err != nil {
		return err
	}
	s.metrics = newMetrics(s)
	s.attestation = attestation.New(c.exchange, s.recordAttestation, s.log)
	s.protection = keyprotection.New(s.recordRelease, s.log)
	s.protection.Refused, s.protection.RecordRefusal = s.metrics.refused, s.recordRefusal
	if err := s.configure(c); err != nil {
		return err
	}
	return s.Renew()
}

// configure puts a configuration into force.
func (s *Server) configure(c *configuration) error {
	if err := errors.Join(s.attestation.Configure(c.attestation), s.protection.Configure(c.protection)); err != nil {
		return err
	}
	s.current.Store(c)
	return nil
}

func (s *Server) recordAttestation(r attestation.Report) error {
	err := s.store.Record("attestation", r)
	if s.wrote(err); err == nil {
		s.metrics.attestation(r)
	}
	return err
}

func (s *Server) recordRelease(r keyprotection.Release) error {
	err := s.store.Record("release", r)
	if s.wrote(err); err == nil {
		s.metrics.releases.Inc()
	}
	return err
}

func (s *Server) recordRefusal(r keyprotection.Refusal) error {
	err := s.store.Record("refusal", r)
	s.wrote(err)
	return err
}

// A change says in the audit log who changed what.
type change struct {
	By   string `json:"by"`
	What any    `json:"what,omitempty"`
}

// change makes a change, records it, and puts it into force; or nothing of all that.
func (s *Server) change(by, kind string, what any, do func(tx *store.Tx, c *configuration) error) error {
	s.changes.Lock()
	defer s.changes.Unlock()
	var c *configuration
	err := s.store.Update(func(tx *store.Tx) (err error) {
		if err := do(tx, s.current.Load()); err != nil {
			return err
		}
		if c, err = load(tx); err != nil {
			return err
		}
		if err := c.validate(); err != nil {
			return err
		}
		return tx.Record(kind, change{by, what})
	})
	if err != nil {
		return err
	}
	return s.configure(c)
}

// Renew makes the next attestation signer where it is time to.
func (s *Server) Renew() error {
	s.changes.Lock()
	defer s.changes.Unlock()
	c := s.current.Load()
	changed := false
	err := s.store.Update(func(tx *store.Tx) (err error) {
		if changed, err = renew(tx, c, s.now()); err != nil || !changed {
			return err
		}
		if c, err = load(tx); err != nil {
			return err
		}
		return c.validate()
	})
	if err != nil {
		return fmt.Errorf("renewing the attestation signers: %w", err)
	}
	if !changed {
		return nil
	}
	s.log.Info("the attestation signers were renewed")
	return s.configure(c)
}

// renewing renews the attestation signers until ctx ends.
func (s *Server) renewing(ctx context.Context) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.Renew(); err != nil {
				s.log.Error("renewing failed", "error", err)
			}
		}
	}
}

// Backup writes the state, or that of one mode alone, encrypted under a password.
func (s *Server) Backup(w io.Writer, password []byte, mode, by string) error {
	buckets, err := modeBuckets(mode)
	if err != nil {
		return err
	}
	if err := s.store.Record("backup", change{by, map[string]string{"mode": mode}}); err != nil {
		return err
	}
	if err := s.store.Backup(w, password, buckets...); err != nil || mode != "" {
		return err
	}
	return s.backedUp()
}

// Restore makes the state of a service in a folder of a whole backup.
func Restore(dir string, backup io.Reader, password, passphrase []byte) error {
	create := func(path string) error { return store.Restore(path, backup, password, passphrase) }
	err := place(dir, create, passphrase, func(tx *store.Tx) error {
		c, err := load(tx)
		if err != nil {
			return fmt.Errorf("%w: a backup of one mode alone goes into a service that there is", err)
		}
		return errors.Join(c.validate(), tx.Record("restore", nil))
	})
	if err != nil {
		return fmt.Errorf("restoring a service in %s: %w", dir, err)
	}
	return nil
}

// SetPassphrase puts the state in a folder, from which nothing may serve meanwhile, under another passphrase; by says who does. It
// fails as store.Open does.
func SetPassphrase(dir string, old, passphrase []byte, by string) error {
	return store.SetPassphrase(filepath.Join(dir, StateFile), old, passphrase, "passphrase", change{By: by})
}

// Import puts what a backup holds, such as the state of one mode, in the place of what the service in a folder has: all of it, or
// nothing where the service could not work by it. Nothing may serve from the folder meanwhile.
func Import(dir string, backup io.Reader, password, passphrase []byte) error {
	path := filepath.Join(dir, StateFile)
	st, err := store.Open(path, passphrase) // holds the lock until the new state is in its place
	if err != nil {
		return err
	}
	defer st.Close()
	next := path + ".import"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was broken off
		return fmt.Errorf("importing a backup: %w", err)
	}
	defer os.Remove(next)
	if err := copyFile(next, path); err != nil {
		return fmt.Errorf("importing a backup: %w", err)
	}
	if err := importInto(next, backup, password, passphrase); err != nil {
		return err
	}
	if err := owner.Give(next, dir); err != nil {
		return fmt.Errorf("importing a backup: %w", err)
	}
	return errors.Join(os.Rename(next, path), syncDir(dir))
}

func importInto(path string, backup io.Reader, password, passphrase []byte) error {
	st, err := store.Open(path, passphrase)
	if err != nil {
		return err
	}
	err = st.Import(backup, password)
	if err == nil {
		err = st.Update(func(tx *store.Tx) error {
			c, err := load(tx)
			if err != nil {
				return err
			}
			return errors.Join(c.validate(), tx.Record("import", nil))
		})
	}
	return errors.Join(err, st.Close())
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
