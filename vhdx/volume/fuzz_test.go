package volume

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRead lays the bytes of the fuzzer on a disk of 256 KiB that is otherwise
// empty: MBR, header and first entries at its begin, volume where the seeds have
// their second partition, and entries and header of the backup at its end. With
// sealed set, the checksums of both copies are made right, so that what they
// hold is looked at.
func FuzzRead(f *testing.F) {
	const (
		size     = 256 << 10
		last     = size/512 - 1
		volumeAt = 128 * 512
		entries  = 4 * 128
	)
	seed := func(image []byte, sealed bool) {
		f.Add(image[:2*512+entries], image[volumeAt:][:2048], image[(last-32)*512:][:entries], image[last*512:], sealed)
	}
	fit := sgdisk(f, make([]byte, size), "-a", "1", "-n", "1:64:127", "-t", "1:"+espType, "-n", "2:128:400", "-t", "2:"+basicType)
	copy(fit[volumeAt:], formatted(f, 2*mib, "mkntfs", ntfsArgs...))
	seed(fit, true)
	seed(fit, false)
	mbr := bytes.Clone(fit)
	mbr[446+4] = 7
	seed(mbr, false)
	copy(mbr[446+16:], fit[446:][:16])
	seed(mbr, true)
	enlarged := append(bytes.Clone(fit[:last*512]), make([]byte, 512)...)
	seed(enlarged, true)
	linux := bytes.Clone(fit)
	copy(linux[volumeAt:], formatted(f, mib, "mke2fs", "-q", "-F", "-t", "ext2"))
	seed(linux, true)

	f.Fuzz(func(t *testing.T, head, volume, backupEntries, backup []byte, sealed bool) {
		image := make([]byte, size)
		copy(image[volumeAt:], volume)
		copy(image, head)
		copy(image[(last-32)*512:], backupEntries)
		copy(image[last*512:], backup)
		for _, sectorSize := range []int{512, 4096} {
			if sealed {
				seal(image, 1, sectorSize)
				seal(image, size/sectorSize-1, sectorSize)
			}
			l, err := readRaw(image, sectorSize)
			require.NoError(t, err) // the disk does not fail
			requireSound(t, l)
		}
	})
}

// requireSound checks what everybody relies on when a disk is fit.
func requireSound(t *testing.T, l *Layout) {
	for _, u := range l.Unfit() {
		require.NotEmpty(t, u.Reason)
		require.NotEmpty(t, u.Remedy)
		require.Error(t, u.Err)
	}
	if len(l.Unfit()) > 0 {
		return
	}
	require.GreaterOrEqual(t, len(l.Partitions), 2)
	require.Equal(t, TableGPT, l.Table)
	_, ok := l.OSVolume()
	require.True(t, ok)
	end := int64(l.SectorSize)
	guids := map[string]bool{}
	for _, p := range l.Partitions {
		require.Positive(t, p.Length())
		require.Greater(t, p.Offset(), end)
		end = p.Offset() + p.Length() - 1
		require.NotContains(t, guids, p.GUID)
		guids[p.GUID] = true
	}
	require.Less(t, end, l.Size-int64(l.SectorSize))
}
