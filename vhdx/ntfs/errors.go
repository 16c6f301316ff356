package ntfs

import (
	"errors"
	"fmt"
)

var (
	// ErrNotNTFS is for a volume that holds another file system, or none.
	ErrNotNTFS = errors.New("not an NTFS volume")

	// ErrDamaged is what every [DamageError] is.
	ErrDamaged = errors.New("damaged NTFS volume")

	// ErrTooLarge is for what is beyond this package's stated limits.
	ErrTooLarge = errors.New("too large")

	// ErrCompressed, ErrEncrypted and ErrReparse are for files whose data
	// cannot be read or replaced as they lie on the volume.
	ErrCompressed = errors.New("the file is compressed by NTFS")
	ErrEncrypted  = errors.New("the file is encrypted by EFS")
	ErrReparse    = errors.New("the file is a reparse point")

	// ErrDirty, ErrHibernated and ErrLog are for volumes that must not be
	// changed before Windows has seen to them.
	ErrDirty      = errors.New("the volume is marked dirty: run chkdsk on it")
	ErrHibernated = errors.New("a Windows is hibernated on the volume: start it and shut it down fully")
	ErrLog        = errors.New("the log ($LogFile) holds changes that are not on the volume: let Windows mount it and shut down cleanly")

	// ErrVersion is for volumes of an NTFS version that is read but not written.
	ErrVersion = errors.New("only NTFS 3.0 and 3.1 can be changed")

	// ErrFull is for a volume without room for what is to be added.
	ErrFull = errors.New("no room on the volume")

	// ErrTaken is for clusters that are to be reserved, but are not free.
	ErrTaken = errors.New("in use")

	// ErrName is for names that Windows would not accept.
	ErrName = errors.New("not a name that Windows accepts")

	// ErrBroken is for an editor whose earlier write failed.
	ErrBroken = errors.New("an earlier write to the volume failed: it is left marked dirty")
)

// A DamageError says which structure of the volume is not what it should be.
// It is an [ErrDamaged].
type DamageError struct {
	Structure string // such as "MFT record 5" or "index block 3 of MFT record 5"
	Offset    int64  // of the fault, in bytes from the start of the volume; -1: not at one place
	Reason    string
	cause     error
}

func (e *DamageError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%s: %s", e.Structure, e.Reason)
	}
	return fmt.Sprintf("%s, byte %d of the volume: %s", e.Structure, e.Offset, e.Reason)
}

// Is reports whether target is [ErrDamaged].
func (e *DamageError) Is(target error) bool { return target == ErrDamaged }

// Unwrap gives what found the damage, if it was an error itself.
func (e *DamageError) Unwrap() error { return e.cause }

func damage(structure string, offset int64, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &DamageError{Structure: structure, Offset: offset, Reason: err.Error(), cause: errors.Unwrap(err)}
}
