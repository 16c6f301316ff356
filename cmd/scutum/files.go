package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// forceFlag adds --force to a command that writes a file.
func forceFlag(cmd *cobra.Command, force *bool) {
	cmd.Flags().BoolVar(force, "force", false, "replace files that exist")
}

// A file is one that a command reads or writes, and what the command calls it.
// Without a path it was not given.
type file struct{ name, path string }

// claim says whether a command may write its outputs, before any work is put
// into them: none is one of the inputs or another output, by whatever name or
// link, and none exists. With force they may be files that exist, but not each
// other and not the inputs.
func claim(force bool, outputs []file, inputs ...file) error {
	for i, out := range outputs {
		if out.path == "" {
			continue
		}
		for _, other := range slices.Concat(inputs, outputs[:i]) {
			if other.path != "" && same(other.path, out.path) {
				return fmt.Errorf("%s and %s are the same file, %s: give the new file another name", other.name, out.name, out.path)
			}
		}
		if _, err := os.Lstat(out.path); err == nil && !force { // be it a link that leads nowhere
			return &fs.PathError{Op: "create", Path: out.path, Err: fs.ErrExist}
		}
		switch info, err := os.Stat(out.path); {
		case err != nil: // there is none, or what is wrong shows when it is written
		case !info.Mode().IsRegular():
			return &fs.PathError{Op: "create", Path: out.path, Err: errors.New("what is there is not a file that can be replaced")}
		}
	}
	return nil
}

// same says whether both paths lead to one file, or would if it existed. File
// systems that take capital and small letters for the same are common enough.
func same(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA != nil && errB != nil {
		folderA, nameA := filepath.Split(a)
		folderB, nameB := filepath.Split(b)
		if !strings.EqualFold(nameA, nameB) {
			return false
		}
		infoA, _ = os.Stat(folderA + ".")
		infoB, _ = os.Stat(folderB + ".")
	}
	return os.SameFile(infoA, infoB) // not of what is not there
}

// chain lists a disk, as the file with that name, and its parents. It ends where
// a disk does not open: who opens it next is told why.
func chain(name, path string) []file {
	var all []file
	for path != "" {
		all = append(all, file{name, path})
		if cli.RefusePipe(path) != nil {
			break
		}
		d, err := vhdx.Open(path)
		if err != nil {
			break
		}
		path = d.Info().Parent
		_ = d.Close()
		name = "a parent of " + all[0].name
	}
	return all
}

// changeable gives the file at path as it is before a command reads it, to change
// it in its place: it must be a file.
func changeable(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: failed.Err}
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("what is there is not a file that can be changed")}
	}
	return info, nil
}

// saveChange writes a changed file: to out, or else in the place of the one at
// path, also where a link leads to it. That one must still be as it was before it
// was read, or what somebody else changed since would be undone: a revocation, say.
func saveChange(path, out string, before fs.FileInfo, data []byte, force bool) error {
	if out != "" {
		return atomicfile.WriteFile(out, data, 0o666, force)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	f, err := atomicfile.Create(target, true)
	if err != nil {
		return err
	}
	defer f.Discard()
	if err := f.Chmod(before.Mode().Perm()); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	now, err := os.Stat(target) // as late as can be
	if err != nil {
		return err
	}
	if !os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime()) || now.Size() != before.Size() {
		return fmt.Errorf("write %s: somebody else changed it meanwhile, and it stays as they left it: run the command again", path)
	}
	return f.Commit()
}

// passwordFile is the file that a password is in.
func passwordFile(p *cli.Password) file { return file{p.FileFlag(), p.File} }
