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
		switch info, err := os.Stat(out.path); {
		case err != nil: // there is none, or what is wrong shows when it is written
		case !force:
			return &fs.PathError{Op: "create", Path: out.path, Err: fs.ErrExist}
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

// changeable says whether a command may put a changed file in the place of the one
// at path: it must be a file.
func changeable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "read", Path: path, Err: errors.New("what is there is not a file that can be changed")}
	}
	return nil
}

// saveChange writes a changed file: to out, or else in the place of the one at
// path, also where a link leads to it.
func saveChange(path, out string, data []byte, force bool) error {
	if out != "" {
		return atomicfile.WriteFile(out, data, 0o666, force)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(target, data, info.Mode().Perm(), true)
}
