package guardian

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// What the store refuses, for errors.Is.
var (
	ErrNotFound = errors.New("there is no such guardian in the store")
	ErrExists   = errors.New("a guardian of that name is in the store already")
	ErrNotOwner = errors.New("its private keys are not in the store")
)

// Store is a folder of guardians. Of each it holds NAME.xml, the metadata as it came. An owner also has its private keys in
// NAME.ID.signing.pfx and NAME.ID.encryption.pfx, both under one passphrase, where ID is that of the metadata.
//
// So NAME.xml alone says what is in the store: it is written last and removed first, in one step each. Key files that no
// metadata points at are what an interrupted write left behind. They are never read, and removed by the next write or
// removal of that name.
//
// Names that differ only in case are the same. Any number of processes and goroutines may use a store at once.
type Store struct {
	dir string

	// What tests have fail, or done quickly.
	write  func(path string, data []byte, perm fs.FileMode, overwrite bool) error
	remove func(path string) error
	encode func(id *signing.Identity, passphrase string) ([]byte, error)
}

// Entry is what List says of a guardian.
type Entry struct {
	Name     string
	Guardian *Guardian // nil when it cannot be read
	Owner    bool      // its private keys are in the store
	Err      error     // why it cannot be read
}

// DefaultDir is the store's folder: guardians in $SCUTUM_HOME, or else in scutum in the user's configuration folder.
func DefaultDir() (string, error) {
	if home := os.Getenv("SCUTUM_HOME"); home != "" {
		return filepath.Join(home, "guardians"), nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder of the guardians: %w: set SCUTUM_HOME to a folder", err)
	}
	return filepath.Join(config, "scutum", "guardians"), nil
}

// OpenStore opens the store in a folder. The folder need not exist: the first write makes it, for the user alone. One that
// others may write to is refused, except on Windows, where permissions are the folder's above.
func OpenStore(dir string) (*Store, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("opening the guardian store: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("opening the guardian store: %s is not a folder", dir)
	case info.Mode().Perm()&0o022 != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("opening the guardian store: others may write to %s, and so say whom you trust: run chmod go-w on it", dir)
	}
	return &Store{dir: dir, write: atomicfile.WriteFile, remove: os.Remove, encode: (*signing.Identity).EncodePFX}, nil
}

// Get reads the guardian of that name, and verifies its metadata again.
func (s *Store) Get(name string) (*Guardian, error) {
	_, g, err := s.read(name)
	return g, err
}

// Metadata gives the guardian's metadata XML, which holds nothing secret.
func (s *Store) Metadata(name string) ([]byte, error) {
	data, _, err := s.read(name)
	return data, err
}

func (s *Store) read(name string) ([]byte, *Guardian, error) {
	fail := func(err error) ([]byte, *Guardian, error) {
		return nil, nil, fmt.Errorf("reading guardian %q: %w", name, err)
	}
	unlock, err := s.lockForReading()
	if err != nil {
		return fail(err)
	}
	defer unlock()
	stored, err := s.find(name)
	if err != nil {
		return fail(err)
	}
	r, err := s.load(stored)
	if err != nil {
		return fail(err)
	}
	return r.metadata, r.guardian, nil
}

// Owner reads the owner guardian of that name with its private keys. The error is ErrNotOwner for one without keys, and
// signing.ErrPassword when the passphrase does not open them.
func (s *Store) Owner(name, passphrase string) (*Owner, error) {
	o, err := s.owner(name, passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening owner guardian %q: %w", name, err)
	}
	return o, nil
}

func (s *Store) owner(name, passphrase string) (*Owner, error) {
	r, signingPFX, encryptionPFX, err := s.readOwner(name)
	if err != nil {
		return nil, err
	}
	signer, err := signing.LoadPFX(signingPFX, passphrase)
	if err != nil {
		return nil, err
	}
	encryption, err := signing.LoadPFX(encryptionPFX, passphrase)
	if err != nil {
		return nil, err
	}
	if !signer.Certificate.Equal(r.guardian.Signing) || !encryption.Certificate.Equal(r.guardian.Encryption) {
		return nil, errors.New("the key files are not those of its certificates: put them back from a backup")
	}
	return &Owner{Guardian: *r.guardian, SigningKey: signer.Key, EncryptionKey: encryption.Key}, nil
}

// readOwner reads the files of an owner as they are at one moment.
func (s *Store) readOwner(name string) (r record, signingPFX, encryptionPFX []byte, err error) {
	unlock, err := s.lockForReading()
	if err != nil {
		return r, nil, nil, err
	}
	defer unlock()
	stored, err := s.find(name)
	if err != nil {
		return r, nil, nil, err
	}
	if r, err = s.load(stored); err != nil {
		return r, nil, nil, err
	}
	if !r.isOwner {
		return r, nil, nil, ErrNotOwner
	}
	paths := s.keyPaths(stored, r.id)
	if signingPFX, err = readFile(paths[0]); err != nil {
		return r, nil, nil, err
	}
	encryptionPFX, err = readFile(paths[1])
	return r, signingPFX, encryptionPFX, err
}

// List gives all guardians, in the order of their file names. One that cannot be read is listed with its error.
func (s *Store) List() ([]Entry, error) {
	unlock, err := s.lockForReading()
	if err != nil {
		return nil, fmt.Errorf("listing guardians: %w", err)
	}
	defer unlock()
	names, err := s.names()
	if err != nil {
		return nil, fmt.Errorf("listing guardians: %w", err)
	}
	var entries []Entry
	for _, name := range names {
		r, err := s.load(name)
		entries = append(entries, Entry{Name: name, Guardian: r.guardian, Owner: r.isOwner, Err: err})
	}
	return entries, nil
}

// record is what the store holds of a guardian.
type record struct {
	metadata []byte
	guardian *Guardian
	id       string // of the metadata, when it is one that we gave
	isOwner  bool   // both of the key files that belong to id are there
}

// load reads the guardian whose name is spelled so in the store.
func (s *Store) load(name string) (record, error) {
	data, err := readFile(s.path(name))
	if err != nil {
		return record{}, err
	}
	g, id, err := readMetadata(data)
	if err != nil {
		return record{}, fmt.Errorf("the file %s is damaged: %w", s.path(name), err)
	}
	g.Name = name
	r := record{metadata: data, guardian: g}
	if ownID.MatchString(id) {
		r.id, r.isOwner = id, true
		for _, path := range s.keyPaths(name, id) {
			if _, err := os.Stat(path); err != nil {
				r.isOwner = false
			}
		}
	}
	return r, nil
}

var ownID = regexp.MustCompile(`^_[0-9a-f]{16}$`) // what newID gives

const metadataSuffix = ".xml"

func (s *Store) path(name string) string { return filepath.Join(s.dir, name+metadataSuffix) }

var keySuffixes = [2]string{".signing.pfx", ".encryption.pfx"}

func (s *Store) keyPaths(name, id string) (paths [2]string) {
	for i, suffix := range keySuffixes {
		paths[i] = filepath.Join(s.dir, name+"."+id+suffix)
	}
	return paths
}

// keyFile says whose key file it is, by its name.
func keyFile(file string) (name, id string, ok bool) {
	for _, suffix := range keySuffixes {
		if rest, is := strings.CutSuffix(file, suffix); is {
			dot := strings.LastIndexByte(rest, '.')
			if dot > 0 && ownID.MatchString(rest[dot+1:]) {
				return rest[:dot], rest[dot+1:], true
			}
		}
	}
	return "", "", false
}

// names gives the names of all guardians.
func (s *Store) names() ([]string, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), metadataSuffix); ok && !f.IsDir() && CheckName(name) == nil {
			names = append(names, name)
		}
	}
	return names, nil
}

// find gives the spelling that a name has in the store. The error is ErrNotFound when it has none.
func (s *Store) find(name string) (string, error) {
	names, err := s.names()
	if err != nil {
		return "", err
	}
	if slices.Contains(names, name) {
		return name, nil
	}
	for _, stored := range names {
		if strings.EqualFold(stored, name) {
			return stored, nil
		}
	}
	return "", ErrNotFound
}
