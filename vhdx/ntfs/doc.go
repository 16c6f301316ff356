// Package ntfs reads NTFS volumes, versions 3.0 and 3.1, and adds directories
// and small files to ones that were cleanly unmounted.
//
// [Open] gives a [Volume]: an [io/fs.FS] whose names are matched regardless of
// case, with the clusters that are free ([Volume.Free]), the files that own
// given clusters ([Volume.Owners]) and whether the volume is fit to be changed
// ([Volume.State]). [Edit] gives an [Editor], which works on anything that is
// an [io.ReaderAt] and an [io.WriterAt].
//
// The package never decompresses or decrypts a file, never follows a reparse
// point, never deletes or renames, never replays the log, and never repairs: a
// volume that is dirty, hibernated or damaged is not changed. It writes no
// records into the change journal ($UsnJrnl) and charges no quota.
//
// What is kept in memory is bounded whatever a volume claims: a volume by
// [MaxMemory], the index of cluster owners by [MaxOwners] entries, a listing by
// [MaxEntries] names, and an editor by twice [MaxFile] more, beside the index of
// owners that it needs while it opens.
package ntfs

const (
	// MaxMemory bounds, in bytes, what an open volume and one open file keep
	// together of the volume's structures. Run lists make up nearly all of it.
	MaxMemory = 128 << 20

	// MaxEntries bounds the names that one directory listing gives.
	MaxEntries = 1 << 20

	// MaxFile bounds, in bytes, the data that one call of [Editor.WriteFile] takes.
	MaxFile = 16 << 20
)

const (
	stride = 512 // of multi-sector fix-ups, whatever the sector size

	maxCluster = 2 << 20
	maxRecord  = 64 << 10
	maxRuns    = 1 << 19  // of one file: 24 bytes each
	maxRecords = 16 << 20 // bytes of one file's MFT records
	maxList    = 256 << 10
	maxDepth   = 24 // levels of an index: far more than a volume can fill
	maxName    = 255
	maxPath    = 32767 // UTF-16 units
)

// Records of the MFT with fixed numbers.
const (
	recordMFT = iota
	recordMFTMirr
	recordLogFile
	recordVolume
	recordAttrDef
	recordRoot
	recordBitmap
	recordBoot
	recordBadClus
	recordSecure
	recordUpCase
	recordExtend

	firstListed = 16 // those below are metadata files, which listings leave out
)

// Types of attributes.
const (
	typeStandardInformation = 0x10
	typeAttributeList       = 0x20
	typeFileName            = 0x30
	typeSecurityDescriptor  = 0x50
	typeVolumeName          = 0x60
	typeVolumeInformation   = 0x70
	typeData                = 0x80
	typeIndexRoot           = 0x90
	typeIndexAllocation     = 0xa0
	typeBitmap              = 0xb0
	typeReparsePoint        = 0xc0
	typeEnd                 = 0xffffffff
)

// File attributes, as $STANDARD_INFORMATION and $FILE_NAME hold them.
const (
	fileReadOnly   = 0x0001
	fileHidden     = 0x0002
	fileSystem     = 0x0004
	fileArchive    = 0x0020
	fileSparse     = 0x0200
	fileReparse    = 0x0400
	fileCompressed = 0x0800
	fileEncrypted  = 0x4000
	fileDirectory  = 0x10000000 // in $FILE_NAME: the file has a directory index
)
