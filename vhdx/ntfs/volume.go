package ntfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
)

// A Volume is an NTFS volume that is read. It is an [fs.FS], an [fs.StatFS], an
// [fs.ReadDirFS] and an [fs.ReadFileFS] with paths like "Windows/System32/config", matched
// regardless of case unless two names differ by nothing else. Listings leave
// out short DOS names and the metadata files ($MFT and the others), which can
// be opened by name. It may be used by several goroutines at once.
type Volume struct {
	geometry
	r       io.ReaderAt
	mft     *stream // nil before the first record of the MFT is read
	opening bool
	upcase  upcase
	info    Info
}

// Info is what a volume says of itself.
type Info struct {
	Label        string
	Major, Minor int    // version of NTFS
	Serial       uint64 // in the boot sector; Windows shows the low half
	SectorSize   int
	ClusterSize  int
	RecordSize   int   // of the MFT
	Clusters     int64 // of the volume
	Records      int64 // of the MFT, free ones included
}

// Open opens the volume of size bytes that r holds. It fails with
// [ErrNotNTFS] where there is none, and with a [DamageError] where the boot
// sector, the MFT, $Volume, $Bitmap or $UpCase are not what they should be.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	v, err := open(r, size)
	if err != nil {
		return nil, fmt.Errorf("open NTFS volume: %w", err)
	}
	return v, nil
}

func open(r io.ReaderAt, size int64) (*Volume, error) {
	v := &Volume{r: r}
	boot := make([]byte, stride)
	if err := v.readAt(boot, 0); err != nil {
		return nil, err
	}
	g, err := parseBoot(boot, size)
	if err != nil {
		return nil, err
	}
	v.geometry = g
	if err := v.openMFT(); err != nil {
		return nil, err
	}
	if err := v.loadUpcase(); err != nil {
		return nil, err
	}
	if _, err := v.bitmap(); err != nil {
		return nil, err
	}
	return v, v.loadInfo()
}

// openMFT reads the first record of the MFT, which leads to all others.
func (v *Volume) openMFT() error {
	v.opening, v.mft = true, nil
	defer func() { v.opening = false }()
	b := make([]byte, v.recordSize)
	at := v.geometry.mft * v.clusterSize
	if at+int64(len(b)) > v.bytes() {
		return damage("boot sector", 48, "the MFT begins behind the end of the volume")
	}
	if err := v.readAt(b, at); err != nil {
		return err
	}
	r, err := parseRecord(recordMFT, at, b)
	if err != nil {
		return err
	}
	if !r.inUse() || r.base() != 0 {
		return r.damage(22, "is not the first record of the MFT")
	}
	n, err := v.assemble(r)
	if err != nil {
		return err
	}
	a, err := n.need(typeData, "")
	if err != nil {
		return err
	}
	if a.resident || len(a.runs) == 0 || a.runs[0].lcn*v.clusterSize != at {
		return r.damage(0, "its $DATA does not begin with itself")
	}
	if err := a.readable(); err != nil {
		return r.damage(0, "its $DATA: %w", err)
	}
	if all, real := clustersOf(a.runs); all != real || real > v.clusters {
		return r.damage(0, "its $DATA has %d clusters, %d of them on the volume of %d", all, real, v.clusters)
	}
	v.mft = &stream{v: v, a: a, what: recordName(recordMFT)}
	return nil
}

func (v *Volume) loadInfo() error {
	n, err := v.inode(recordVolume)
	if err != nil {
		return err
	}
	b, err := n.resident(typeVolumeInformation, "", 12)
	if err != nil {
		return err
	}
	v.info = Info{
		Major: int(b[8]), Minor: int(b[9]), Serial: v.serial,
		SectorSize: v.sectorSize, ClusterSize: int(v.clusterSize), RecordSize: v.recordSize,
		Clusters: v.clusters, Records: int64(v.records()),
	}
	if a := n.find(typeVolumeName, ""); a != nil && a.resident {
		v.info.Label = decodeName(a.value)
	}
	return nil
}

// Info tells what the volume says of itself.
func (v *Volume) Info() Info { return v.info }

// readAt reads all of p from the volume.
func (v *Volume) readAt(p []byte, off int64) error {
	n, err := v.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at byte %d of the volume: %w", len(p), off, err)
}

// Open opens a file or directory; it is a *[File].
func (v *Volume) Open(name string) (fs.File, error) {
	n, c, err := v.lookup(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return v.newFile(n, c.name)
}

// ReadFile reads a whole file of at most [MaxFile] bytes; longer ones are
// [ErrTooLarge] and are read through [Volume.Open].
func (v *Volume) ReadFile(name string) ([]byte, error) {
	n, c, err := v.lookup(name)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	f, err := v.newFile(n, c.name)
	if err == nil && n.isDirectory() {
		err = errDirectory
	}
	if err == nil {
		err = f.refused
	}
	var data []byte
	if err == nil && f.data != nil {
		data, err = f.data.readAll(MaxFile)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

// Stat tells what is at a path.
func (v *Volume) Stat(name string) (fs.FileInfo, error) {
	n, c, err := v.lookup(name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return v.stat(n, c.name)
}

// ReadDir lists a directory, sorted by name.
func (v *Volume) ReadDir(name string) ([]fs.DirEntry, error) {
	n, _, err := v.lookup(name)
	if err == nil && !n.isDirectory() {
		err = errNotDirectory
	}
	if err == nil && n.find(typeReparsePoint, "") != nil {
		err = ErrReparse
	}
	var list []fs.DirEntry
	if err == nil {
		list, err = v.entries(n)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name() < list[j].Name() })
	return list, nil
}

var (
	errNotDirectory = errors.New("not a directory")
	errDirectory    = errors.New("is a directory")
)

// mirrored compares the first records of the MFT with their copy in $MFTMirr.
func (v *Volume) mirrored() error {
	n, a, err := v.mirror()
	if err != nil {
		return err
	}
	mirror := &stream{v: v, a: a, what: n.name()}
	for number := range uint64(a.size) / uint64(v.recordSize) {
		r, err := v.record(number)
		if err != nil {
			return err
		}
		b := make([]byte, v.recordSize)
		offset := int64(number) * int64(v.recordSize)
		if err := mirror.read(b, offset); err != nil {
			return err
		}
		at, _, err := mirror.place(offset)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("copy of MFT record %d in $MFTMirr", number)
		if err := unprotect(b, "FILE"); err != nil {
			return damage(what, at, "%w", err)
		}
		used := le.Uint32(r.b[24:])
		first := le.Uint16(r.b[20:]) // behind the update sequence, which may differ
		if le.Uint32(b[24:]) != used || !bytes.Equal(b[8:recordHeader-6], r.b[8:recordHeader-6]) || !bytes.Equal(b[first:used], r.b[first:used]) {
			return damage(what, at, "differs from the record")
		}
	}
	return nil
}

// mirror gives $MFTMirr.
func (v *Volume) mirror() (*inode, *attribute, error) {
	n, err := v.inode(recordMFTMirr)
	if err != nil {
		return nil, nil, err
	}
	a, err := n.need(typeData, "")
	if err != nil {
		return nil, nil, err
	}
	if a.resident || len(a.runs) == 0 || a.runs[0].lcn != v.mftMirr {
		return nil, nil, n.base.damage(0, "$MFTMirr does not begin where the boot sector says, at cluster %d", v.mftMirr)
	}
	if a.size < 4*int64(v.recordSize) || a.size > max(4*int64(v.recordSize), v.clusterSize) || a.size > v.mft.a.size {
		return nil, nil, n.base.damage(0, "$MFTMirr is %d bytes long", a.size)
	}
	return n, a, nil
}
