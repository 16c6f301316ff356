package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/recovery"
)

type unprotect struct {
	pdk, search string
	passphrase  cli.Password
	force       bool
}

// unprotectFacts is a recovery key that was decrypted.
type unprotectFacts struct {
	File string `json:"file"`
	Name string `json:"name"` // under which BitLocker looks for it
	recoveryFacts
	PDKFile string `json:"pdkFile"`
	Owner   string `json:"owner"`
	Created string `json:"created"`
}

func (f *unprotectFacts) text(s *cli.Sheet) {
	s.Facts("recovery key", f.File, "shielding data", f.PDKFile+", "+f.PDK, "owner", f.Owner, "volume", f.Volume, "made", f.Created)
	s.Line("It opens the disk for whoever has it.")
	if filepath.Base(f.File) != f.Name {
		s.Line("BitLocker looks for it on a USB drive under the name " + f.Name + ".")
	}
}

func (o *unprotect) run(cmd *cobra.Command, in, out string) (*unprotectFacts, error) {
	ctx := cmd.Context()
	inputs := []file{{"IN.ebek", in}, {"--pdk", o.pdk}, passwordFile(&o.passphrase)}
	folder := out == "" || isFolder(out)
	if !folder { // else its name is not known yet
		if err := claim(o.force, []file{{"OUT.bek", out}}, inputs...); err != nil {
			return nil, err
		}
	}
	data, err := readFile(in, recovery.MaxSize)
	if err != nil {
		return nil, err
	}
	encrypted, err := named(recovery.ParseEBEK(data))(in)
	if err != nil {
		return nil, err
	}
	store, err := openStore()
	if err != nil {
		return nil, err
	}
	found, err := o.find(cmd, store, encrypted)
	if err != nil {
		return nil, err
	}
	key, by, err := o.open(ctx, store, in, encrypted, found)
	if err != nil {
		return nil, err
	}
	defer key.Clear()
	if folder {
		out = filepath.Join(out, key.FileName())
	}
	if err := claim(o.force, []file{{"OUT.bek", out}}, append(inputs, file{"the shielding data", by.path})...); err != nil {
		return nil, err
	}
	bek := key.BEK()
	defer clear(bek)
	if err := writeSecret(out, bek, o.force); err != nil {
		return nil, err
	}
	return &unprotectFacts{
		File: out, Name: key.FileName(), Owner: by.owner, PDKFile: by.path, Created: cli.Moment(key.Created),
		recoveryFacts: recoveryFacts{encrypted.PDK.String(), encrypted.Volume.String()},
	}, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// find gives the shielding data that the recovery key is under: one file, or all
// of the folder that say so.
func (o *unprotect) find(cmd *cobra.Command, store *guardian.Store, encrypted *recovery.Encrypted) ([]pdkFile, error) {
	if o.search != "" || o.pdk == "" {
		return searchPDK(cmd, store, o.search, encrypted.PDK)
	}
	d, err := readShieldingData(o.pdk)
	if err != nil {
		return nil, err
	}
	if d.ID != encrypted.PDK {
		return nil, fmt.Errorf("%s: these are the shielding data %s, and the recovery key is under %s; --search looks for them", o.pdk, d.ID, encrypted.PDK)
	}
	f, err := ownPDK(store, o.pdk, d)
	return []pdkFile{f}, err
}

// open decrypts the recovery key, with the first of the files that does it.
func (o *unprotect) open(ctx context.Context, store *guardian.Store, in string, encrypted *recovery.Encrypted, found []pdkFile) (*recovery.ExternalKey, *pdkFile, error) {
	owners := map[string]*guardian.Owner{}
	for i := range found {
		f := &found[i]
		owner := owners[f.owner]
		if owner == nil {
			var err error
			if owner, err = readOwner(ctx, store, f.owner, &o.passphrase); err != nil {
				return nil, nil, err
			}
			owners[f.owner] = owner
		}
		encryptionKey, err := decrypter(owner)
		if err != nil {
			return nil, nil, err
		}
		if key, err := f.OpenRecovery(encrypted, encryptionKey); err == nil {
			return key, f, nil
		}
	}
	return nil, nil, fmt.Errorf("%s: it does not open with the shielding data %s: it was made for others, or it was damaged or forged", in, encrypted.PDK)
}
