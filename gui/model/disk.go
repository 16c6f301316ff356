package model

import (
	"errors"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
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
	return disk, nil
}
