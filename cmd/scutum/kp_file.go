package main

import (
	"fmt"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// readAnyProtector reads a key protector, or that of a shielding data file, and
// checks its signatures.
func readAnyProtector(path string) (*keyprotector.Protector, error) {
	data, err := readFile(path, pdk.MaxSize)
	if err != nil {
		return nil, err
	}
	if isPDK(data) {
		d, err := understood(pdk.Parse(data))(path, data)
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
	p, err := understood(keyprotector.Parse(data))(path, data)
	if err != nil {
		return nil, err
	}
	_, err = named(p, p.Verify())(path)
	return p, err
}

// isPDK tells a shielding data file from a key protector by how they begin: the
// one with a DER sequence, the other with its length, which has no such byte.
func isPDK(data []byte) bool { return data[0] == 0x30 }
