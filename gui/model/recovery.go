package model

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// A Recovery is an encrypted recovery key, and where it was found.
type Recovery struct {
	Path      string
	OnDisk    bool // else the file is the key itself
	Encrypted *recovery.Encrypted
	data      []byte
}

// OpenRecovery reads the encrypted recovery key of an .ebek file, or of the disk
// of a shielded virtual machine. Of a checkpoint, the disks below are read too.
func OpenRecovery(path string) (*Recovery, error) {
	file, err := Recognize(path)
	if err != nil {
		return nil, err
	}
	r := &Recovery{Path: path, OnDisk: file.Kind == VHDX}
	if r.OnDisk {
		d, err := vhdx.Open(path)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		r.Encrypted, r.data, err = recovery.FromDisk(d)
		if errors.Is(err, recovery.ErrNotOnDisk) {
			return nil, problem("There is no recovery key on this disk: it is not that of a shielded virtual machine, or the key was deleted. Choose another disk, or an .ebek file that was saved from it.")
		}
		return r, err
	}
	if file.Kind != RecoveryKey {
		return nil, problem("This is neither a VHDX file nor an encrypted recovery key. Choose another file.")
	}
	if r.data, err = ReadFile(path, recovery.MaxSize); err != nil {
		return nil, err
	}
	r.Encrypted, err = recovery.ParseEBEK(r.data)
	return r, err
}

// Save saves the encrypted recovery key as an .ebek file.
func (r *Recovery) Save(path string, overwrite bool) error {
	return atomicfile.WriteFile(path, r.data, 0o666, overwrite)
}

// A Match is a shielding data file that a recovery key may be under.
type Match struct {
	Path  string
	Owner string // its owner, of those in the store
	data  *pdk.ShieldingData
}

// Matches are the files of one owner that a recovery key may be under, those that
// were signed last first.
type Matches []Match

// Use takes one shielding data file.
func (r *Recovery) Use(store *guardian.Store, path string) (Matches, error) {
	if err := CheckOpen(path); err != nil {
		return nil, err
	}
	d, err := readShieldingData(path)
	if err != nil {
		return nil, err
	}
	if d.ID != r.Encrypted.PDK {
		return nil, problem("These are the shielding data {{.Other}}. The recovery key is under {{.Wanted}}.", "Other", d.ID.String(), "Wanted", r.Encrypted.PDK.String())
	}
	return owned(store, []Match{{Path: path, data: d}})
}

// most bounds how many files of one identifier a search gives.
const most = 100

// Search looks for the shielding data in a folder and all below it. Files that
// cannot be read are passed over, links to folders are not followed.
func (r *Recovery) Search(ctx context.Context, store *guardian.Store, folder string) (Matches, error) {
	if _, err := os.ReadDir(folder); err != nil {
		return nil, err
	}
	var found []Match
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil || e.IsDir() || !strings.EqualFold(filepath.Ext(path), ".pdk"):
			return nil
		}
		if d, err := readShieldingData(path); err == nil && d.ID == r.Encrypted.PDK && len(found) < most {
			found = append(found, Match{Path: path, data: d})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, problem("No .pdk file in this folder holds the shielding data {{.Wanted}}. Choose another folder.", "Wanted", r.Encrypted.PDK.String())
	}
	slices.SortStableFunc(found, func(a, b Match) int { return b.data.SignedAt.Compare(a.data.SignedAt) })
	return owned(store, found)
}

// readShieldingData reads a regular file: what a search comes across may be a
// pipe.
func readShieldingData(path string) (*pdk.ShieldingData, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, problem("This is not a plain file. Choose another.")
	}
	data, err := ReadFile(path, pdk.MaxSize)
	if err != nil {
		return nil, err
	}
	return pdk.Parse(data)
}

// owned keeps the files of the first owner who is in the store: anybody can make
// a file with that identifier.
func owned(store *guardian.Store, found []Match) (Matches, error) {
	entries, err := store.List()
	if err != nil {
		return nil, err
	}
	var kept Matches
	for _, m := range found {
		for _, e := range entries {
			if e.Err == nil && e.Owner && holds(e.Guardian, m.data.Signer) {
				m.Owner = e.Name
				break
			}
		}
		if m.Owner != "" && (len(kept) == 0 || kept[0].Owner == m.Owner) {
			kept = append(kept, m)
		}
	}
	if len(kept) == 0 {
		return nil, problem("The shielding data {{.Path}} have another owner than those among your guardians, and only the owner can recover the disk. Import the owner first, under Guardians.", "Path", found[0].Path)
	}
	return kept, nil
}

// holds says whether one of a guardian's keys is that of the certificate, which
// may have been renewed since.
func holds(g *guardian.Guardian, c *x509.Certificate) bool {
	key, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && (key.Equal(g.Signing.PublicKey) || key.Equal(g.Encryption.PublicKey))
}

// ID is the identifier of the shielding data that the key is under.
func (r *Recovery) ID() uuid.UUID { return r.Encrypted.PDK }

// Open decrypts the recovery key. Whoever has it has the disk: the caller clears
// it.
func (r *Recovery) Open(store *guardian.Store, from Matches, passphrase string) (*recovery.ExternalKey, error) {
	owner, err := store.Owner(from[0].Owner, passphrase)
	switch {
	case errors.Is(err, signing.ErrPassword):
		return nil, problem("The passphrase is wrong. Try it again.")
	case err != nil:
		return nil, err
	}
	key, ok := owner.EncryptionKey.(crypto.Decrypter)
	if !ok {
		return nil, problem("The owner's encryption key cannot decrypt.")
	}
	for _, m := range from {
		if k, err := m.data.OpenRecovery(r.Encrypted, key); err == nil {
			return k, nil
		}
	}
	return nil, problem("The recovery key does not open with these shielding data: it was made for others, or it was damaged or forged.")
}

// CheckFolder says whether a path is that of a folder.
func CheckFolder(path string) error {
	if info, err := os.Stat(path); path == "" || err != nil || !info.IsDir() {
		return problem("Choose a folder.")
	}
	return nil
}

// SaveBEK saves a recovery key for the user's eyes alone, under the name that
// BitLocker looks for.
func SaveBEK(k *recovery.ExternalKey, path string, overwrite bool) error {
	bek := k.BEK()
	defer clear(bek)
	return atomicfile.WriteFile(path, bek, 0o600, overwrite)
}
