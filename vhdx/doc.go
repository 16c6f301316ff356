// Package vhdx reads and writes VHDX virtual hard disks, version 2 of the
// format, as [MS-VHDX] publishes it: fixed, dynamic and differencing disks,
// their log, their metadata, and the tools to create, convert, compact, check
// and repair them.
//
// [Open] is the way in. It gives a [Disk], which is an [io.ReaderAt] over what
// the guest sees; [Disk.Extents] tells which parts of it were ever written.
// [OpenReadWrite] gives one that is also an [io.WriterAt]: data written and
// synced with [Disk.Sync] survive a crash at any later moment, because every
// change to the block allocation table (BAT), the sector bitmaps, the metadata
// and the region table goes through the log. [Check] names every violation of
// the specification in a file that may not open at all.
//
// A read-only open never changes the file: a log that holds unwritten changes
// is replayed in memory. The package never looks inside the virtual disk, never
// follows a parent whose identity differs from the one recorded, and never
// allocates memory by the say-so of a file: what it keeps of a disk, whatever
// its size, is bounded by [MaxMemory].
//
// [MS-VHDX]: https://learn.microsoft.com/openspecs/windows_protocols/ms-vhdx
package vhdx

// MaxMemory bounds, in bytes, what an open disk and its parents together keep
// of their files' structures: cached and unwritten sectors of metadata, the
// descriptors of logs that are replayed in memory, the tables of regions and
// metadata items, and one bit for each MiB of a file that is being written.
const MaxMemory = 64 << 20

const (
	kib = 1 << 10
	mib = 1 << 20

	maxDiskSize  = 64 << 40  // section 2.6.2.2
	maxFileSize  = 128 << 40 // twice the largest disk: more is not a VHDX file of any use
	maxBlockSize = 256 * mib // section 2.6.2.1
	minBlockSize = mib
	maxChain     = 64 // disks in a differencing chain

	sectorBitmapSize = mib // section 2.4
	logSectorSize    = 4 * kib
)
