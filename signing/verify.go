package signing

import (
	"context"
	"fmt"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// VerifyOptions varies Verify.
type VerifyOptions struct {
	Progress Progress // may be nil
}

// Verify compares a disk with a catalog: its partition table, and every segment of every volume at the place where the
// catalog has it. It says nothing about whether the signer is trusted: Trust does.
func Verify(ctx context.Context, d *vhdx.Disk, s *Signed, o VerifyOptions) (*Report, error) {
	c := s.Catalog
	l, err := volume.Read(d)
	if err != nil {
		return nil, err
	}
	report := &Report{Catalog: c, Differences: compareLayout(c, l)}

	// What lies behind the end of a disk that is too small is altered, unread, and so is all of a differencing disk: it is
	// only partly in its file.
	segments, whole := c.segments(), d.Info().Type != vhdx.Differencing
	inside := 0
	for whole && inside < len(segments) && segments[inside].End() <= d.Size() {
		inside++
	}
	found, err := hashRanges(ctx, d, segments[:inside], o.Progress)
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range c.Volumes {
		v := &c.Volumes[i]
		states := make([]State, v.segmentCount())
		for k := range states {
			switch {
			case n >= inside || found[n].sum != v.segmentDigest(k):
				states[k] = Altered
			case !found[n].stored:
				states[k] = NeverWritten
			}
			n++
		}
		report.States = append(report.States, states)
	}
	return report, nil
}

// compareLayout lists how the partition table differs from the catalog.
func compareLayout(c *Catalog, l *volume.Layout) []Difference {
	var all []Difference
	compare := func(partition, field string, signed, found any) {
		if signed != found {
			all = append(all, Difference{partition, field, fmt.Sprint(signed), fmt.Sprint(found)})
		}
	}
	compare("", "size", c.Disk.Size, l.Size)
	compare("", "sector size", c.Disk.SectorSize, l.SectorSize)
	compare("", "GUID", c.Disk.GUID, l.GUID)

	left := l.Partitions
	take := func(guid string) (p volume.Partition, ok bool) {
		for i := range left {
			if left[i].GUID == guid {
				p = left[i]
				left = append(left[:i:i], left[i+1:]...)
				return p, true
			}
		}
		return p, false
	}
	for i := range c.Volumes {
		v := &c.Volumes[i]
		p, ok := take(v.GUID)
		if !ok {
			all = append(all, Difference{v.GUID, Presence, "present", "missing"})
			continue
		}
		compare(v.GUID, "type", v.Type, p.Type)
		compare(v.GUID, "name", v.Name, p.Name)
		compare(v.GUID, "attributes", v.Attributes, p.Attributes)
		compare(v.GUID, "first LBA", v.First, p.First)
		compare(v.GUID, "sectors", v.Sectors, p.Sectors)
	}
	for _, p := range left {
		all = append(all, Difference{p.GUID, Presence, "missing", "present"})
	}
	return all
}
