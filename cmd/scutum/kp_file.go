package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// readAnyProtector reads a key protector, or that of a shielding data file, and
// checks its signatures.
func readAnyProtector(path string) (*keyprotector.Protector, error) {
	data, err := readFile(path, pdk.MaxSize)
	if err != nil {
		return nil, err
	}
	if isPDK(data) {
		d, err := named(pdk.Parse(data))(path)
		if err != nil {
			return nil, err
		}
		return d.KeyProtector, nil
	}
	return parseProtector(path, data)
}

// readProtector reads a key protector that is to be changed. Of a shielding data
// file the edit command changes it, which must sign it again.
func readProtector(path, edit string) (*keyprotector.Protector, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("what is there is not a file that can be changed")}
	}
	data, err := readFile(path, pdk.MaxSize)
	if err != nil {
		return nil, err
	}
	if isPDK(data) {
		return nil, fmt.Errorf("%s is a shielding data file, and its key protector a signed part of it: use %q", path, edit)
	}
	return parseProtector(path, data)
}

func parseProtector(path string, data []byte) (*keyprotector.Protector, error) {
	p, err := named(keyprotector.Parse(data))(path)
	if err != nil {
		return nil, err
	}
	_, err = named(p, p.Verify())(path)
	return p, err
}

// isPDK tells a shielding data file from a key protector by how they begin: the
// one with a DER sequence, the other with its length, which has no such byte.
func isPDK(data []byte) bool { return data[0] == 0x30 }

// saveProtector writes a changed key protector: to out, or else in the place of
// the one at path, also where a link leads to it.
func saveProtector(path, out string, p *keyprotector.Protector, force bool) (string, error) {
	if out != "" {
		return out, atomicfile.WriteFile(out, p.Bytes(), 0o666, force)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(target)
	if err != nil {
		return "", err
	}
	return path, atomicfile.WriteFile(target, p.Bytes(), info.Mode().Perm(), true)
}
