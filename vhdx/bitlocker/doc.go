// Package bitlocker reads, makes and changes BitLocker volumes (FVE, "full volume encryption"), as Windows 7 to 11 have
// them: what Windows encrypted is read, and what this package encrypted is opened by Windows.
//
//	v, err := bitlocker.Open(disk, size)
//	err = v.Unlock(bitlocker.Passphrase("..."))
//	v.ReadAt(...) // the plaintext
//
// The package knows volumes, not disks: it takes the place of a volume as an io.ReaderAt and its size, and never looks
// for partitions. It knows nothing of the file system inside, but that whoever encrypts one says which clusters are in
// use and reserves those that the metadata take. It never talks to a TPM: the caller seals and unseals. It never stores a
// key or a password anywhere but in the volume.
//
// Microsoft has not published the format. What is here is from libbde, "BitLocker Drive Encryption (BDE) format", from
// dislocker, cryptsetup and dissect.fve, and from volumes that Windows made.
package bitlocker

import "errors"

// Errors by which a caller decides what to do.
var (
	// ErrNotBitLocker says that what was opened is no BitLocker volume.
	ErrNotBitLocker = errors.New("not a BitLocker volume")
	// ErrVista says that a volume is one that Windows Vista made, whose format is another one.
	ErrVista = errors.New("encrypted by Windows Vista: upgrade it in Windows 7 or later (manage-bde -upgrade)")
	// ErrMetadata says that metadata are damaged.
	ErrMetadata = errors.New("damaged BitLocker metadata")
	// ErrNoProtector says that a volume has no key protector of the kind that was to be used.
	ErrNoProtector = errors.New("the volume has no such key protector")
	// ErrWrongKey says that a key or password opens none of the protectors of its kind.
	ErrWrongKey = errors.New("wrong key or password")
	// ErrLocked says that Unlock comes first.
	ErrLocked = errors.New("the volume is locked")
	// ErrConverting says that what was asked for has to wait until Windows has encrypted or decrypted the whole volume.
	ErrConverting = errors.New("the volume is being encrypted or decrypted: let Windows finish that first")
	// ErrReserved says that a write goes to where the volume keeps its metadata.
	ErrReserved = errors.New("reserved for BitLocker's metadata")
)
