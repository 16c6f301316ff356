//go:build unix

// Package owner says whose files are, and gives what root writes to whom its folder belongs: the user of the service has to open
// the state. It never changes the rights of a file.
package owner

import (
	"os"
	"syscall"
)

// Of says whose a file is: the numbers of its user and group. It fails where the system has no such thing.
func Of(path string) (user, group int, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, syscall.ENOTSUP
	}
	return int(owner.Uid), int(owner.Gid), nil
}

// Give gives what root has made to whom a folder belongs. For others it does nothing: what they make is theirs.
func Give(path, folder string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	user, group, err := Of(folder)
	if err != nil {
		return err
	}
	return os.Lchown(path, user, group)
}
