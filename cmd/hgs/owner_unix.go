//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"

	"github.com/scutum-project/scutum/hgsserver"
)

// giveToOwner gives the state that root has written to whom its folder belongs: the user of the service has to open it.
func giveToOwner(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Lchown(filepath.Join(dir, hgsserver.StateFile), int(owner.Uid), int(owner.Gid))
}
