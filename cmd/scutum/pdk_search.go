package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// maxFound bounds how many shielding data files of one identifier are kept.
const maxFound = 100

// A pdkFile is a shielding data file that was read, by an owner in the store.
type pdkFile struct {
	path, owner string
	*pdk.ShieldingData
}

// ownPDK says whose the shielding data file at path is, of the owners in the store.
func ownPDK(store *guardian.Store, path string, d *pdk.ShieldingData) (pdkFile, error) {
	owner, err := ownerWithKey(store, d.Signer)
	if err != nil {
		return pdkFile{}, fmt.Errorf("%s: %w", path, err)
	}
	return pdkFile{path, owner, d}, nil
}

// searchPDK looks for the shielding data files with an identifier in a folder and
// all below it, and gives those that were signed last first. Files and folders
// that cannot be read are told on standard error. Links to folders are not
// followed, but for the first. Files of others than the owners in the store are
// passed over: anybody can write any number of them with that identifier.
func searchPDK(cmd *cobra.Command, store *guardian.Store, folder string, id uuid.UUID) ([]pdkFile, error) {
	if _, err := os.ReadDir(folder); err != nil {
		return nil, err
	}
	var (
		found    []pdkFile
		stranger error
	)
	unread := 0
	skip := func(err error) {
		unread++
		cli.Warn(cmd, err.Error())
	}
	err := filepath.WalkDir(folder+string(filepath.Separator), func(path string, e fs.DirEntry, err error) error {
		switch {
		case cmd.Context().Err() != nil:
			return cmd.Context().Err()
		case err != nil:
			skip(err)
			return nil
		case e.IsDir() || !strings.EqualFold(filepath.Ext(path), ".pdk"):
			return nil
		}
		d, err := readFound(path)
		if err != nil {
			skip(err)
			return nil
		}
		if d.ID != id {
			return nil
		}
		f, err := ownPDK(store, path, d)
		switch {
		case err != nil:
			stranger = err
		case len(found) == maxFound:
			return fmt.Errorf("%s: it holds more than %d files with the shielding data %s: name one with --pdk", folder, maxFound, id)
		default:
			found = append(found, f)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && stranger != nil {
		return nil, stranger
	}
	if len(found) == 0 {
		also := ""
		if unread > 0 {
			also = fmt.Sprintf(", and %d of what is there cannot be read", unread)
		}
		return nil, fmt.Errorf("%s: the recovery key is under the shielding data %s, and no .pdk file there holds them%s", folder, id, also)
	}
	slices.SortStableFunc(found, func(a, b pdkFile) int { return b.SignedAt.Compare(a.SignedAt) })
	return found, nil
}

// readFound reads a file that a search came across, if it is one: it may be a
// pipe.
func readFound(path string) (*pdk.ShieldingData, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is not a file")}
	}
	return readShieldingData(path)
}
