package signing

import (
	"context"
	"fmt"
	"slices"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// VerifyOptions varies Verify.
type VerifyOptions struct {
	Progress Progress // may be nil
}

// Verify compares a disk with a catalog: its partition table, and every segment of every volume at the place where the
// catalog has it. It says nothing about whether the signer is trusted: Trust does.
//
// Only what every program reads in the same way counts as unchanged. So it is a Difference as well when the log of the file
// held unwritten changes as the disk was opened, when the copies of the region table differ, and for each reason why the
// disk is not fit to be a template, as none applied when it was signed.
func Verify(ctx context.Context, d *vhdx.Disk, s *Signed, o VerifyOptions) (*Report, error) {
	c := s.Catalog
	l, err := volume.Read(d)
	if err != nil {
		return nil, err
	}
	report := &Report{Catalog: c, Differences: slices.Concat(compareContainer(d.Info()), compareLayout(c, l), unfitness(l))}

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

// compareContainer lists what is not as in a file that was signed. Programs differ in which of the changes in a log they
// apply, and in which copy of the region table they go by.
func compareContainer(info vhdx.Info) []Difference {
	var all []Difference
	if info.LogReplayed {
		all = append(all, Difference{Field: "log", Signed: "empty", Found: "not empty", Remedy: remedyRepair})
	}
	if info.RegionTablesDiffer {
		all = append(all, Difference{Field: "second region table", Signed: "a copy of the first", Found: "not one", Remedy: remedyRepair})
	}
	return all
}

// unfitness lists why the disk is not fit to be a template.
func unfitness(l *volume.Layout) []Difference {
	var all []Difference
	for _, u := range l.Unfit() {
		all = append(all, Difference{Field: Fitness, Signed: "fit to be a template", Found: u.Reason, Remedy: u.Remedy})
	}
	return all
}

// compareLayout lists how the partition table differs from the catalog.
func compareLayout(c *Catalog, l *volume.Layout) []Difference {
	var all []Difference
	compare := func(partition, field string, signed, found any) {
		if signed != found {
			all = append(all, Difference{Partition: partition, Field: field, Signed: fmt.Sprint(signed), Found: fmt.Sprint(found)})
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
			all = append(all, Difference{Partition: v.GUID, Field: Presence, Signed: "present", Found: "missing"})
			continue
		}
		compare(v.GUID, "type", v.Type, p.Type)
		compare(v.GUID, "name", v.Name, p.Name)
		compare(v.GUID, "attributes", v.Attributes, p.Attributes)
		compare(v.GUID, "first LBA", v.First, p.First)
		compare(v.GUID, "sectors", v.Sectors, p.Sectors)
	}
	for _, p := range left {
		all = append(all, Difference{Partition: p.GUID, Field: Presence, Signed: "missing", Found: "present"})
	}
	return all
}
