package model

import (
	"errors"
	"io"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// A Disk is what is known of a virtual disk without hashing it.
type Disk struct {
	Path   string
	Info   vhdx.Info
	Layout *volume.Layout
	Unfit  []volume.Unfit  // why it cannot be a template
	Signed *signing.Signed // its catalog, or nil
	Broken error           // why the catalog that it has cannot be used

	Prepared    *bitlocker.Info // of an operating-system volume that is prepared for BitLocker, or nil
	NoBitLocker error           // why the one of a disk that is fit cannot be prepared, or nil
}

// OpenDisk looks at the virtual disk at path.
func OpenDisk(path string) (*Disk, error) {
	file, err := Recognize(path)
	if err != nil {
		return nil, err
	}
	if file.Kind != VHDX {
		return nil, problem("This is not a VHDX file. Convert the disk with “scutum vhdx convert”, or choose another.")
	}
	d, err := vhdx.OpenAlone(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	disk := &Disk{Path: path, Info: d.Info()}
	if disk.Layout, err = volume.Read(d); err != nil {
		return nil, err
	}
	disk.Unfit = disk.Layout.Unfit()
	disk.Signed, err = signing.Embedded(d)
	if err != nil && !errors.Is(err, signing.ErrNotSigned) {
		disk.Broken = err
	}
	if len(disk.Unfit) > 0 {
		return disk, nil
	}
	return disk, disk.lookForBitLocker(d)
}

func (disk *Disk) lookForBitLocker(d *vhdx.Disk) error {
	disk.NoBitLocker = signing.CheckEncrypt(d, disk.Layout)
	p, ok := disk.Layout.OSVolume()
	if !ok || p.FileSystem != volume.BitLocker {
		return nil
	}
	v, err := bitlocker.Open(io.NewSectionReader(d, p.Offset(), p.Length()), p.Length())
	if err != nil {
		return err
	}
	info := v.Info()
	disk.Prepared = &info
	return nil
}
