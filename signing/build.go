package signing

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// BuildOptions is what a catalog says beside what is on the disk.
type BuildOptions struct {
	Template Template
	Type     string    // volume.Windows or volume.Linux
	Created  time.Time // kept in UTC and in whole seconds
	Progress Progress  // may be nil
}

// Build hashes every partition of the disk, whose layout is l, and makes the catalog of it. It does not ask whether the
// disk is fit to be a template: SignTemplate does.
func Build(ctx context.Context, d *vhdx.Disk, l *volume.Layout, o BuildOptions) (*Catalog, error) {
	c := &Catalog{
		Format:   Format,
		Template: o.Template,
		Type:     o.Type,
		Created:  o.Created.UTC().Truncate(time.Second),
		Disk:     Disk{Size: l.Size, SectorSize: l.SectorSize, GUID: l.GUID},
		Hash:     Hash{Algorithm: "SHA-256"},
	}
	for _, p := range l.Partitions {
		c.Volumes = append(c.Volumes, Volume{
			Role: p.Role, GUID: p.GUID, Type: p.Type, Name: p.Name, Attributes: p.Attributes,
			First: p.First, Sectors: p.Sectors, FileSystem: p.FileSystem,
		})
	}
	if err := c.checkDescription(); err != nil {
		return nil, fmt.Errorf("describe the template: %w", err)
	}
	sizes := c.sizes()
	c.Hash.Segment = segmentSize(sizes)

	sums, err := hashRanges(ctx, d, c.segments(), o.Progress)
	if err != nil {
		return nil, err
	}
	for i, size := range sizes {
		v := &c.Volumes[i]
		n := pieces(size, c.Hash.Segment)
		v.Segments = make([]byte, 0, n*sha256.Size)
		for _, segment := range sums[:n] {
			v.Segments = append(v.Segments, segment.sum[:]...)
		}
		sums = sums[n:]
	}
	return c, c.check()
}
