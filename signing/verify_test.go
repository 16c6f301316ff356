package signing_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// The volumes of the disks of volumetest.Windows, by their index.
const (
	esp = iota
	msr
	windows
	recovery
)

func verify(t testing.TB, path string, s *signing.Signed) *signing.Report {
	t.Helper()
	r, err := signing.Verify(t.Context(), open(t, path), s, signing.VerifyOptions{})
	require.NoError(t, err)
	return r
}

// write has qemu-io write n bytes of a pattern to the disk.
func write(t testing.TB, path string, off, n int64) {
	t.Helper()
	volumetest.Run(t, "qemu-io", "-f", "vhdx", "-c", fmt.Sprintf("write -P 0x5c %d %d", off, n), path)
}

// place is where byte off of a volume lies on the disk.
func place(c *signing.Catalog, volume int, off int64) int64 {
	return c.Volumes[volume].Range(c.Disk).Offset + off
}

func TestVerifyFindsAlteredBytes(t *testing.T) {
	signed := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, signed)
	c := s.Catalog
	size := func(v int) int64 { return c.Volumes[v].Range(c.Disk).Length }
	type found struct {
		volume, first, segments int
		inVolume                signing.Range
	}
	for name, alter := range map[string]struct {
		volume      int
		off, length int64
		want        []found
	}{
		"first byte of the ESP":     {esp, 0, 1, []found{{esp, 0, 1, signing.Range{Offset: 0, Length: mib}}}},
		"never written":             {msr, 5*mib + 7, 1, []found{{msr, 5, 1, signing.Range{Offset: 5 * mib, Length: mib}}}},
		"OS, end of a segment":      {windows, 3*mib - 1, 1, []found{{windows, 2, 1, signing.Range{Offset: 2 * mib, Length: mib}}}},
		"OS, across two":            {windows, 3*mib - 1, 2, []found{{windows, 2, 2, signing.Range{Offset: 2 * mib, Length: 2 * mib}}}},
		"OS, many":                  {windows, 10 * mib, 5 * mib, []found{{windows, 10, 5, signing.Range{Offset: 10 * mib, Length: 5 * mib}}}},
		"last byte of all":          {recovery, size(recovery) - 1, 1, []found{{recovery, 15, 1, signing.Range{Offset: 15 * mib, Length: mib}}}},
		"from one into the next":    {msr, size(msr) - 1, 2, []found{{msr, 15, 1, signing.Range{Offset: 15 * mib, Length: mib}}, {windows, 0, 1, signing.Range{Offset: 0, Length: mib}}}},
		"behind the last partition": {recovery, size(recovery), 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk.vhdx")
			content, err := os.ReadFile(signed)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, content, 0o600))
			write(t, path, place(c, alter.volume, alter.off), alter.length)

			r := verify(t, path, s)
			require.Empty(t, r.Differences)
			require.Equal(t, alter.want == nil, r.Intact())
			ranges := r.Ranges()
			require.Len(t, ranges, len(alter.want))
			segments := 0
			for i, want := range alter.want {
				v := c.Volumes[want.volume]
				require.Equal(t, signing.Alteration{
					Volume: want.volume, GUID: v.GUID, Name: v.Name, Role: v.Role,
					First: want.first, Segments: want.segments, InVolume: want.inVolume,
					OnDisk: signing.Range{Offset: place(c, want.volume, want.inVolume.Offset), Length: want.inVolume.Length},
				}, ranges[i])
				require.Contains(t, ranges[i].String(), fmt.Sprintf("partition %d (%s", want.volume+1, v.Role))
				for k := range want.segments {
					require.Equal(t, signing.Altered, r.States[want.volume][want.first+k])
				}
				segments += want.segments
			}
			require.Len(t, r.Segments(), segments)
			for _, a := range r.Segments() {
				require.Equal(t, 1, a.Segments)
			}
		})
	}
}

func TestVerifyStates(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, path)
	r := verify(t, path, s)
	require.Len(t, r.States, len(s.Catalog.Volumes))
	require.Equal(t, signing.Match, r.States[windows][0])
	require.NotContains(t, r.States[msr], signing.Match)
	require.Contains(t, r.States[windows], signing.NeverWritten)

	// Written with zeros is as good as never written.
	volumetest.Run(t, "qemu-io", "-f", "vhdx", "-c", fmt.Sprintf("write -P 0 %d 1M", place(s.Catalog, msr, 0)), path)
	r = verify(t, path, s)
	require.True(t, r.Intact())
	require.Equal(t, signing.Match, r.States[msr][0])
}

// TestVerifyPartitionTable signs a disk, has sgdisk change the partitions of its image, and verifies that.
func TestVerifyPartitionTable(t *testing.T) {
	for name, c := range map[string]struct {
		sgdisk []string
		want   []signing.Difference
	}{
		"removed":    {[]string{"--delete=4"}, []signing.Difference{{Partition: volumetest.RecoveryGUID, Field: signing.Presence, Signed: "present", Found: "missing"}}},
		"renamed":    {[]string{"--change-name=3:Other"}, []signing.Difference{{Partition: volumetest.OSGUID, Field: "name", Signed: "Basic data partition", Found: "Other"}}},
		"attributes": {[]string{"--attributes=3:set:63"}, []signing.Difference{{Partition: volumetest.OSGUID, Field: "attributes", Signed: "0", Found: "9223372036854775808"}}},
		"retyped":    {[]string{"--typecode=4:0700"}, []signing.Difference{{Partition: volumetest.RecoveryGUID, Field: "type", Signed: "de94bba4-06d1-4d40-a16a-bfd50179d6ac", Found: osType}}},
		"disk GUID":  {[]string{"--disk-guid=" + diskGUID}, []signing.Difference{{Field: "GUID", Signed: volumetest.DiskGUID, Found: diskGUID}}},
		"another GUID": {[]string{"--partition-guid=2:" + osGUID}, []signing.Difference{
			{Partition: volumetest.MSRGUID, Field: signing.Presence, Signed: "present", Found: "missing"},
			{Partition: osGUID, Field: signing.Presence, Signed: "missing", Found: "present"},
		}},
		"no table": {[]string{"--zap-all"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := sign(t, volumetest.Windows(t, volumetest.Options{}))
			raw := volumetest.WindowsRaw(t, volumetest.Options{})
			volumetest.Run(t, "sgdisk", append(c.sgdisk, raw)...)
			changed := filepath.Join(t.TempDir(), "changed.vhdx")
			volumetest.Run(t, "qemu-img", "convert", "-O", "vhdx", raw, changed)

			r := verify(t, changed, s)
			require.False(t, r.Intact())
			require.Empty(t, r.Ranges(), "no partition was written to")
			if c.want == nil {
				require.Len(t, r.Differences, 6) // the disk's GUID, four partitions, and that there is no table
				return
			}
			require.Equal(t, c.want, r.Differences)
			for _, d := range r.Differences {
				require.NotEmpty(t, d.String())
			}
		})
	}
}

func TestVerifyMovedAndResized(t *testing.T) {
	s := sign(t, volumetest.Windows(t, volumetest.Options{}))
	raw := volumetest.WindowsRaw(t, volumetest.Options{})
	v := s.Catalog.Volumes[recovery]
	volumetest.Run(t, "sgdisk", "--set-alignment=1", "--delete=4", fmt.Sprintf("--new=4:%d:%d", v.First+8, v.First+v.Sectors-1),
		"--typecode=4:"+v.Type, "--partition-guid=4:"+v.GUID, "--attributes=4:set:0", "--attributes=4:set:63", raw)
	changed := filepath.Join(t.TempDir(), "changed.vhdx")
	volumetest.Run(t, "qemu-img", "convert", "-O", "vhdx", raw, changed)
	r := verify(t, changed, s)
	require.Equal(t, []signing.Difference{
		{Partition: v.GUID, Field: "first LBA", Signed: fmt.Sprint(v.First), Found: fmt.Sprint(v.First + 8)},
		{Partition: v.GUID, Field: "sectors", Signed: fmt.Sprint(v.Sectors), Found: fmt.Sprint(v.Sectors - 8)},
	}, r.Differences)
}

// TestVerifySmallerDisk compares with a disk that ends within the last partition.
func TestVerifySmallerDisk(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, path)
	raw := volumetest.WindowsRaw(t, volumetest.Options{})
	require.NoError(t, os.Truncate(raw, place(s.Catalog, recovery, 3*mib+4096)))
	smaller := filepath.Join(t.TempDir(), "smaller.vhdx")
	volumetest.Run(t, "qemu-img", "convert", "-O", "vhdx", raw, smaller)

	r := verify(t, smaller, s)
	require.Equal(t, "size", r.Differences[0].Field)
	ranges := r.Ranges()
	require.Len(t, ranges, 1)
	require.Equal(t, signing.Range{Offset: 3 * mib, Length: 13 * mib}, ranges[0].InVolume)

	reader, err := signing.NewVolumeReader(open(t, smaller), s, recovery)
	require.NoError(t, err)
	_, err = reader.ReadAt(make([]byte, 1), 3*mib)
	var altered *signing.AlteredError
	require.ErrorAs(t, err, &altered)
}

func TestVerifyCancelled(t *testing.T) {
	path := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := signing.Verify(ctx, open(t, path), s, signing.VerifyOptions{Progress: func(int64, int64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}

// TestVerifyAnother compares a disk with the catalog of another one.
func TestVerifyAnother(t *testing.T) {
	s := sign(t, volumetest.Linux(t, volumetest.Options{}))
	r := verify(t, volumetest.Windows(t, volumetest.Options{SectorSize: 4096}), s)
	require.False(t, r.Intact())
	require.NotEmpty(t, r.Ranges())
}

func TestParseRefuses(t *testing.T) {
	_, err := signing.Parse(nil)
	require.Error(t, err)
	_, err = signing.Parse(make([]byte, signing.MaxSize+1))
	require.ErrorIs(t, err, signing.ErrCatalog)

	path := volumetest.Windows(t, volumetest.Options{})
	s := sign(t, path)
	for _, at := range []int{1, len(s.DER) / 4, len(s.DER) / 2, len(s.DER) - 1} {
		spoiled := append([]byte(nil), s.DER...)
		spoiled[at] ^= 1
		_, err := signing.Parse(spoiled)
		require.Error(t, err, at)
	}

	// A disk whose item is damaged says so.
	d, err := vhdx.OpenReadWrite(path)
	require.NoError(t, err)
	defer d.Close()
	item := d.Items()[0]
	require.Equal(t, "5c0f7a5e-7b0a-4d2c-9f0b-3a6d1c8e2b41", item.ID.String())
	require.False(t, item.VirtualDisk)
	require.NoError(t, d.SetItem(item.ID, []byte("garbage")))
	_, err = signing.Embedded(d)
	require.ErrorContains(t, err, "the disk's catalog")
}
