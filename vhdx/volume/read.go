package volume

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/scutum-project/scutum/vhdx"
)

// Read tells what is on the disk d, and as far as it can be read also what is
// on one that is not fit to be a template: Layout.Unfit has the reasons. A disk
// that cannot be read is an error, whatever stands on it is none. Of a
// differencing disk nothing is read, so that its parents are not either; see
// ReadWhole.
func Read(d *vhdx.Disk) (*Layout, error) {
	l := &Layout{Table: TableNone, SectorSize: d.SectorSize(), Size: d.Size(), Partitions: []Partition{}}
	if d.Info().Type == vhdx.Differencing {
		l.Table = TableUnread
		l.refuseDifferencing()
		return l, nil
	}
	givenUp, err := d.GivenUpBlocks()
	if err != nil {
		return nil, fmt.Errorf("read the block allocation table: %w", err)
	}
	if givenUp > 0 {
		l.refuseGivenUp(givenUp, d.Info().Type)
	}
	if err := l.read(d); err != nil {
		return nil, fmt.Errorf("read the partitions of the disk: %w", err)
	}
	return l, nil
}

// ReadWhole is Read for the disk of a virtual machine, which is no template and
// may be a differencing disk: it must have been opened with its parents, and is
// read as the machine sees it. What Unfit says is about partitions alone.
func ReadWhole(d *vhdx.Disk) (*Layout, error) {
	l := &Layout{Table: TableNone, SectorSize: d.SectorSize(), Size: d.Size(), Partitions: []Partition{}}
	if err := l.read(d); err != nil {
		return nil, fmt.Errorf("read the partitions of the disk: %w", err)
	}
	return l, nil
}

// read fills in the layout of a disk whose sector size and size are set.
func (l *Layout) read(r io.ReaderAt) error {
	sectors := uint64(l.Size / int64(l.SectorSize))
	if sectors < 2 {
		l.refuseTable(nil, Unknown)
		return nil
	}
	head, err := readFull(r, 0, int(min(headSize, l.Size)))
	if err != nil {
		return fmt.Errorf("read the MBR: %w", err)
	}
	mbr, whole := readMBR(head), detect(head)
	protective := slices.ContainsFunc(mbr, func(p mbrPartition) bool { return p.typ == mbrProtective })
	switch {
	case protective:
	case whole != Unknown: // of a boot sector no byte is a partition type
		mbr = nil
	case len(mbr) > 0: // what systems go by, even where a GPT is left over
		l.Table = TableMBR
		l.refuseTable(mbr, whole)
		return nil
	}

	last := sectors - 1
	g, err := l.readGPT(r, last, protective)
	if err != nil {
		return err
	}
	if l.Table == TableNone {
		l.refuseTable(nil, whole)
		return nil
	}
	l.checkProtectiveMBR(mbr)
	if g == nil {
		return nil
	}
	l.GUID = formatGUID(g.guid)
	if l.Partitions, err = g.partitions(l.SectorSize); err != nil {
		return err
	}
	slices.SortFunc(l.Partitions, func(a, b Partition) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Index, b.Index))
	})
	for i := range l.Partitions {
		p := &l.Partitions[i]
		p.FileSystem = Unknown
		if p.within(0, last) {
			head, err := readFull(r, p.Offset(), int(min(headSize, p.Length())))
			if err != nil {
				return fmt.Errorf("read partition %d: %w", p.Index, err)
			}
			p.FileSystem = detect(head)
			if p.FileSystem == BitLocker {
				p.unprepared = checkPrepared(io.NewSectionReader(r, p.Offset(), p.Length()))
				p.prepared = p.unprepared == nil
			}
		}
	}
	l.assignRoles()
	l.checkPartitions(g.firstUsable, min(g.lastUsable, last))
	l.checkNames(g)
	l.checkOrder()
	l.checkVolumes()
	return nil
}
