package volume

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// batEntry finds the BAT entry of payload block n, of a disk with one chunk, by
// the region table of MS-VHDX section 2.2.3.
func batEntry(t *testing.T, f *os.File, n int64) int64 {
	table := make([]byte, 64<<10)
	_, err := f.ReadAt(table, 192<<10)
	require.NoError(t, err)
	bat, err := vhdx.ParseGUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
	require.NoError(t, err)
	for e := table[16:]; ; e = e[32:] {
		if vhdx.GUID(e[:16]) == bat {
			return int64(binary.LittleEndian.Uint64(e[16:])) + 8*n
		}
	}
}

func TestGivenUpBlocks(t *testing.T) {
	const undefined, unmapped, zero = 1, 3, 2
	dynamic := volumetest.Windows(t, volumetest.Options{})
	fixed := filepath.Join(t.TempDir(), "fixed.vhdx")
	volumetest.Run(t, "qemu-img", "convert", "-f", "vhdx", "-O", "vhdx", "-o", "subformat=fixed,block_size=1M", dynamic, fixed)
	copyOf := func(t *testing.T, path string) string {
		out := filepath.Join(t.TempDir(), "disk.vhdx")
		volumetest.Run(t, "cp", "--sparse=always", path, out)
		return out
	}
	for _, tt := range []struct {
		name   string
		disk   string
		state  uint64 // of a block with data in the OS volume
		offset bool   // it keeps its place
		remedy string // empty: fit
	}{
		{"unmapped", dynamic, unmapped, true, "scutum vhdx compact"},
		{"undefined", dynamic, undefined, true, "scutum vhdx compact"},
		{"unmapped, of a fixed disk", fixed, unmapped, true, "scutum vhdx convert"},
		{"unmapped without a place", dynamic, unmapped, false, ""},
		{"undefined without a place", dynamic, undefined, false, ""},
		{"zero", dynamic, zero, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := copyOf(t, tt.disk)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			const block = 80 // in the OS volume, from 57 to 105 MiB
			at := batEntry(t, f, block)
			entry := make([]byte, 8)
			_, err = f.ReadAt(entry, at)
			require.NoError(t, err)
			value := binary.LittleEndian.Uint64(entry)&^7 | tt.state
			if value>>20 == 0 {
				value |= 4 << 20 // the block was never there
			}
			if !tt.offset {
				value = tt.state
			}
			_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, value), at)
			require.NoError(t, err)

			unfit := func() []Unfit {
				d, err := vhdx.OpenAlone(path)
				require.NoError(t, err)
				defer d.Close()
				l, err := Read(d)
				require.NoError(t, err)
				require.Len(t, l.Partitions, 4, "the rest is described")
				return l.Unfit()
			}
			if tt.remedy == "" {
				require.Empty(t, unfit())
				return
			}
			found := unfit()
			require.Len(t, found, 1)
			require.ErrorIs(t, found[0], ErrGivenUpBlocks)
			require.Contains(t, found[0].Reason, "blocks of the file (1)")
			require.Contains(t, found[0].Remedy, tt.remedy)

			// The remedy helps.
			d, err := vhdx.OpenReadWrite(path)
			require.NoError(t, err)
			defer d.Close()
			if tt.disk == dynamic {
				_, err = d.Compact(t.Context(), nil)
				require.NoError(t, err)
			} else {
				path = filepath.Join(t.TempDir(), "new.vhdx")
				to, err := os.Create(path)
				require.NoError(t, err)
				defer to.Close()
				n, err := vhdx.Create(to, vhdx.CreateOptions{Type: vhdx.Fixed, Size: d.Size(), Path: path})
				require.NoError(t, err)
				require.NoError(t, vhdx.Copy(t.Context(), n, d, nil))
				require.NoError(t, n.Close())
			}
			require.NoError(t, d.Close())
			require.Empty(t, unfit())
		})
	}
}
