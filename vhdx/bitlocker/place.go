package bitlocker

import (
	"errors"
	"fmt"
	"iter"
	"strconv"
)

// ErrNoSpace says that a volume has no free space in large enough pieces.
var ErrNoSpace = errors.New("not enough free space in the volume for BitLocker's metadata")

// An Extent is a run of bytes of a volume.
type Extent struct{ Offset, Size int64 }

// A Placement says where in a volume BitLocker's own parts are.
type Placement struct {
	Metadata [3]int64 // of 64 KiB each
	Header   int64    // of the first 8 KiB of the volume
	Spare    int64    // of 64 KiB that Windows keeps for later

	// Reserved is all of that in whole clusters. No file may lie there or come there: the file system marks it as in use.
	Reserved []Reserved
}

// A Reserved is a run of clusters, and the name of the hidden system file that owns it where Windows encrypted a volume. The
// file is in the folder "System Volume Information".
type Reserved struct {
	Name string
	Extent
}

// The names by which Windows knows the files.
const (
	metadataFile = "FVE2.{e40ad34d-dae9-4bc7-95bd-b16218c10f72}." // and 1, 2 or 3
	headerFile   = "FVE2.{24e6f0ae-6a00-4f73-984b-75ce9942852d}"
	spareFile    = "FVE2.{da392a22-cae0-4f0f-9a30-b8830385d046}"
)

// headerAreaSize is how much of the beginning of a volume is moved.
const headerAreaSize = 8 << 10

// Place chooses the places from the free runs of a volume, which come in order and in whole clusters: as Windows does, one
// copy of the metadata with the header and the spare space, and the other two far from it. Its error is ErrNoSpace when
// there is none, or one of free's.
func Place(free iter.Seq2[Extent, error], size, clusterSize int64) (Placement, error) {
	if clusterSize < 512 || clusterSize > 2<<20 || clusterSize&(clusterSize-1) != 0 {
		return Placement{}, fmt.Errorf("place metadata in clusters of %d bytes, want a power of two from 512 to 2 MiB", clusterSize)
	}
	block, moved := roundTo(blockAreaSize, clusterSize), roundTo(headerAreaSize, clusterSize)
	needs := [3]int64{block + moved + block, block, block}
	spread := [3]int64{size / 3, size / 2, size / 4 * 3}
	for _, from := range [][3]int64{spread, {}} {
		found, err := firstFits(free, clusterSize, from, needs)
		if errors.Is(err, ErrNoSpace) {
			continue
		}
		if err != nil {
			return Placement{}, err
		}
		p := Placement{Metadata: found, Header: found[0] + block, Spare: found[0] + block + moved}
		for i, offset := range found {
			p.Reserved = append(p.Reserved, Reserved{metadataFile + strconv.Itoa(i+1), Extent{offset, block}})
		}
		p.Reserved = append(p.Reserved, Reserved{headerFile, Extent{p.Header, moved}}, Reserved{spareFile, Extent{p.Spare, block}})
		return p, nil
	}
	return Placement{}, ErrNoSpace
}

func roundTo(n, unit int64) int64 { return (n + unit - 1) / unit * unit }

// firstFits finds free places of the needed sizes, each behind the one before and at its from or later.
func firstFits(free iter.Seq2[Extent, error], clusterSize int64, from, needs [3]int64) (found [3]int64, err error) {
	i, end := 0, roundTo(headerAreaSize, clusterSize)
	for run, err := range free {
		if err != nil {
			return found, fmt.Errorf("find free space: %w", err)
		}
		at := max(run.Offset, end)
		for i < len(needs) {
			if behind := from[i] - at; behind > 0 {
				at += roundTo(behind, clusterSize)
			}
			if at+needs[i] > run.Offset+run.Size {
				break
			}
			found[i], at = at, at+needs[i]
			end = at
			i++
		}
		if i == len(needs) {
			return found, nil
		}
	}
	return found, ErrNoSpace
}
