package guardian

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/scutum-project/scutum/signing"
)

// Add puts a guardian into the store, by its metadata. Whether to trust it is for the caller to ask before. With overwrite
// it takes the place of one of the same name, else the error is ErrExists. It never takes the place of an owner: that
// would throw private keys away.
func (s *Store) Add(name string, metadata []byte, overwrite bool) (*Guardian, error) {
	g, err := ParseMetadata(metadata)
	if err == nil {
		name, err = s.add(name, overwrite, func(current record, name string) error {
			if current.isOwner {
				return errors.New("it is an owner guardian with private keys in the store: use another name, or remove it first")
			}
			if err := s.sweep(name, ""); err != nil {
				return err
			}
			return s.write(s.path(name), metadata, 0o600, true)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("adding guardian %q: %w", name, err)
	}
	g.Name = name
	return g, nil
}

// AddOwner puts an owner guardian into the store, with its private keys under the passphrase, which must not be empty. With
// overwrite it takes the place of a guardian of the same name, whose keys are lost, else the error is ErrExists.
func (s *Store) AddOwner(o *Owner, passphrase string, overwrite bool) error {
	if err := s.addOwner(o, passphrase, overwrite); err != nil {
		return fmt.Errorf("adding owner guardian %q: %w", o.Name, err)
	}
	return nil
}

func (s *Store) addOwner(o *Owner, passphrase string, overwrite bool) error {
	if passphrase == "" {
		return errors.New("the passphrase is empty: choose one, it protects the private keys")
	}
	id := newID()
	metadata, err := o.metadata(id)
	if err != nil {
		return err
	}
	var keys [2][]byte
	for i, id := range []*signing.Identity{
		{Certificate: o.Signing, Key: o.SigningKey},
		{Certificate: o.Encryption, Key: o.EncryptionKey},
	} {
		if keys[i], err = s.encode(id, passphrase); err != nil {
			return err
		}
	}
	_, err = s.add(o.Name, overwrite, func(current record, name string) error {
		if err := s.sweep(name, current.id); err != nil {
			return err
		}
		err := s.writeOwner(name, id, metadata, keys)
		if err != nil {
			id = current.id
		}
		return errors.Join(err, s.sweep(name, id))
	})
	return err
}

// writeOwner writes the metadata last: with it, and not before, the owner is in the store.
func (s *Store) writeOwner(name, id string, metadata []byte, keys [2][]byte) error {
	for i, path := range s.keyPaths(name, id) {
		if err := s.write(path, keys[i], 0o600, false); err != nil {
			return err
		}
	}
	return s.write(s.path(name), metadata, 0o600, true)
}

// add locks the store, finds what it holds under the name, and calls put with that and with the spelling to use.
func (s *Store) add(name string, overwrite bool, put func(current record, name string) error) (string, error) {
	if err := CheckName(name); err != nil {
		return name, err
	}
	unlock, err := s.lockForWriting()
	if err != nil {
		return name, err
	}
	defer unlock()
	var current record
	stored, err := s.find(name)
	switch {
	case errors.Is(err, ErrNotFound):
		return name, put(current, name)
	case err != nil:
		return name, err
	case !overwrite:
		return name, fmt.Errorf("%w: use another name, or ask to overwrite it", ErrExists)
	}
	if current, err = s.load(stored); err != nil { // it may be an owner
		return name, fmt.Errorf("%w: remove it first, if it cannot be put back from a backup", err)
	}
	return stored, put(current, stored)
}

// Remove takes a guardian out of the store, with the private keys of an owner. It also takes away what an interrupted
// AddOwner or Remove of that name left behind.
func (s *Store) Remove(name string) error {
	if err := s.removeAll(name); err != nil {
		return fmt.Errorf("removing guardian %q: %w", name, err)
	}
	return nil
}

func (s *Store) removeAll(name string) error {
	unlock, err := s.lockForWriting()
	if err != nil {
		return err
	}
	defer unlock()
	stored, err := s.find(name)
	if errors.Is(err, ErrNotFound) {
		if keys, _, _ := s.leftBehind(name, ""); len(keys) > 0 {
			return s.sweep(name, "")
		}
	}
	if err != nil {
		return err
	}
	if err := s.remove(s.path(stored)); err != nil {
		return err
	}
	return s.sweep(stored, "")
}

// sweep removes the key files of a name, but for those with the ID to keep, and what interrupted writes of any name left.
// The store must be locked for writing.
func (s *Store) sweep(name, keep string) error {
	keys, temporaries, err := s.leftBehind(name, keep)
	if err != nil {
		return err
	}
	for _, f := range append(keys, temporaries...) {
		if err := s.remove(filepath.Join(s.dir, f)); err != nil {
			return err
		}
	}
	return nil
}

// temporary is how package atomicfile names the files that it has not finished.
var temporary = regexp.MustCompile(`^\..+\.(xml|pfx)\.[A-Z2-7]{10}\.tmp$`)

func (s *Store) leftBehind(name, keep string) (keys, temporaries []string, err error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range files {
		if temporary.MatchString(f.Name()) {
			temporaries = append(temporaries, f.Name())
		} else if owner, id, ok := keyFile(f.Name()); ok && id != keep && strings.EqualFold(owner, name) {
			keys = append(keys, f.Name())
		}
	}
	return keys, temporaries, nil
}
