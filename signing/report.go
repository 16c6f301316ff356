package signing

import (
	"fmt"

	"github.com/scutum-project/scutum/vhdx/volume"
)

// State is what became of a segment since it was signed.
type State uint8

// The states of a segment.
const (
	Match        State = iota // its bytes are those that were signed
	NeverWritten              // likewise, and the container holds nothing for it: all are zero
	Altered                   // its bytes are not those that were signed, or no longer on the disk
)

func (s State) String() string { return [...]string{"match", "never written", "altered"}[s] }

// A Report is how a disk differs from a catalog.
type Report struct {
	Catalog     *Catalog
	Differences []Difference // of the container and the partition table
	States      [][]State    // of each segment of each volume of the catalog
}

// Presence is the field of a Difference when a whole partition is missing, or there without having been signed, and Fitness
// when the disk is no longer fit to be a template, for the reason in Found.
const (
	Presence = "partition"
	Fitness  = "fitness"
)

// A Difference is one field of the container or the partition table that is not as it was signed.
type Difference struct {
	Partition string `json:"partition,omitempty"` // GUID; empty: the disk itself
	Field     string `json:"field"`
	Signed    string `json:"signed"`
	Found     string `json:"found"`
	Remedy    string `json:"remedy,omitempty"` // what makes the disk readable in one way only, if anything is known to
}

func (d Difference) String() string {
	text := d.change()
	if d.Remedy != "" {
		text += "; " + d.Remedy
	}
	return text
}

func (d Difference) change() string {
	switch {
	case d.Field == Fitness:
		return "disk: fit to be a template when it was signed, and now " + d.Found
	case d.Partition == "":
		return fmt.Sprintf("disk: the %s was %q when it was signed, and is %q", d.Field, d.Signed, d.Found)
	case d.Field != Presence:
		return fmt.Sprintf("partition %s: the %s was %q when it was signed, and is %q", d.Partition, d.Field, d.Signed, d.Found)
	case d.Found == "missing":
		return fmt.Sprintf("partition %s was removed", d.Partition)
	}
	return fmt.Sprintf("partition %s was added", d.Partition)
}

// An Alteration is one segment, or some that follow each other in a volume, whose bytes are not those that were signed.
type Alteration struct {
	Volume   int         `json:"volume"` // index in Catalog.Volumes
	GUID     string      `json:"guid"`   // of the partition
	Name     string      `json:"name"`
	Role     volume.Role `json:"role"`
	First    int         `json:"first"`    // segment
	Segments int         `json:"segments"` // how many
	OnDisk   Range       `json:"onDisk"`   // bytes
	InVolume Range       `json:"inVolume"` // bytes
}

func (a Alteration) String() string {
	return fmt.Sprintf("partition %d (%s, %q): bytes %d to %d, on the disk %d to %d, segment %d to %d",
		a.Volume+1, a.Role, a.Name, a.InVolume.Offset, a.InVolume.End()-1, a.OnDisk.Offset, a.OnDisk.End()-1,
		a.First, a.First+a.Segments-1)
}

// alteration describes n segments from the one with the index first on.
func (c *Catalog) alteration(volume, first, n int) Alteration {
	v := &c.Volumes[volume]
	whole := v.Range(c.Disk)
	start := int64(first) * c.Hash.Segment
	length := min(int64(n)*c.Hash.Segment, whole.Length-start)
	return Alteration{
		Volume: volume, GUID: v.GUID, Name: v.Name, Role: v.Role, First: first, Segments: n,
		OnDisk: Range{whole.Offset + start, length}, InVolume: Range{start, length},
	}
}

// Intact says whether the disk is what was signed.
func (r *Report) Intact() bool { return len(r.Differences) == 0 && len(r.Ranges()) == 0 }

// Ranges lists what was altered, in the order on the disk; neighbouring segments are one range.
func (r *Report) Ranges() []Alteration {
	return r.alterations(true)
}

// Segments lists each altered segment by itself, in the order on the disk.
func (r *Report) Segments() []Alteration {
	return r.alterations(false)
}

func (r *Report) alterations(merge bool) []Alteration {
	var all []Alteration
	for volume, states := range r.States {
		for first := 0; first < len(states); {
			n := 1
			for merge && first+n < len(states) && states[first+n] == states[first] {
				n++
			}
			if states[first] == Altered {
				all = append(all, r.Catalog.alteration(volume, first, n))
			}
			first += n
		}
	}
	return all
}
