package ntfs

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const windowsVolumes = "/work/shared/testdata/bitlocker/bitlk-images.tar.xz"

// sections reads images.conf: names and values by section.
func sections(t *testing.T, path string) map[string]map[string]string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	all := map[string]map[string]string{}
	var section map[string]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, ok := strings.CutPrefix(s.Text(), "["); ok {
			section = map[string]string{}
			all[strings.TrimSuffix(name, "]")] = section
		} else if key, value, ok := strings.Cut(s.Text(), "="); ok {
			section[key] = value
		}
	}
	return all
}

// TestWindows reads volumes that Windows made, as far as they are there: of
// each the boot sector and the MFT's own record. The rest was cut out of the
// images, so that it decrypts to noise, which must be named as damage.
func TestWindows(t *testing.T) {
	if _, err := os.Stat(windowsVolumes); err != nil {
		t.Skipf("no volumes made by Windows here: %v", err)
	}
	dir := t.TempDir()
	tool(t, "tar", "-xJSf", windowsVolumes, "-C", dir)
	dir = filepath.Join(dir, "bitlk-images")
	count := 0
	for name, c := range sections(t, filepath.Join(dir, "images.conf")) {
		serial, err := strconv.ParseUint(c["UUID"], 16, 64)
		if err != nil || testing.Short() && count == 3 {
			continue // FAT, or in the middle of being encrypted
		}
		plain := filepath.Join(dir, name+".plain")
		key := "-p" + c["RP"]
		if c["RP"] == "" {
			key = "-c"
		}
		if err := exec.Command("dislocker-file", "-q", "-V", filepath.Join(dir, name+".img"), key, "--", plain).Run(); err != nil {
			require.Containsf(t, name, "partially", "dislocker-file %s", name)
			continue
		}
		count++
		t.Run(name, func(t *testing.T) { testWindows(t, plain, serial, strings.HasSuffix(name, "-4k")) })
		require.NoError(t, os.Remove(plain))
	}
	require.GreaterOrEqual(t, count, 3)
}

func testWindows(t *testing.T, plain string, serial uint64, large bool) {
	f, err := os.Open(plain)
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	v := &Volume{r: f}
	boot := make([]byte, stride)
	require.NoError(t, v.readAt(boot, 0))
	v.geometry, err = parseBoot(boot, info.Size())
	require.NoError(t, err)
	require.Equal(t, serial, v.serial)
	sector := 512
	if large {
		sector = 4096
	}
	require.Equal(t, []int{sector, 4096, 1024, 4096}, []int{v.sectorSize, int(v.clusterSize), v.recordSize, v.indexSize})
	require.NoError(t, v.openMFT())
	n, err := v.inode(recordMFT)
	require.NoError(t, err)
	name, err := n.bestName()
	require.NoError(t, err)
	require.Equal(t, "$MFT", name.name)
	require.Equal(t, byte(nameWin32AndDOS), name.space)
	require.EqualValues(t, recordRoot, recordOf(name.parent))
	require.GreaterOrEqual(t, v.records(), uint64(64))
	_, err = n.resident(typeStandardInformation, "", 72)
	require.NoError(t, err)
	bits, err := n.need(typeBitmap, "")
	require.NoError(t, err)
	require.False(t, bits.resident)
	require.GreaterOrEqual(t, bits.size*8, int64(v.records()))

	// What is written again is what Windows wrote.
	e := &Editor{v: v}
	extents, err := n.base.extents()
	require.NoError(t, err)
	for i, a := range n.attributes {
		x := extents[i]
		own := (&piece{a: a, runs: a.runs, instance: a.instance}).encode()
		if !a.resident {
			own = own[:64+len(encodeRuns(a.runs))] // Windows does not clear what follows
		}
		require.Equal(t, n.base.b[x.offset:x.offset+len(own)], own, a)
	}
	require.True(t, e.fits(n))

	// The mirror begins with the same record.
	b := make([]byte, v.recordSize)
	require.NoError(t, v.readAt(b, v.mftMirr*v.clusterSize))
	r, err := parseRecord(recordMFT, v.mftMirr*v.clusterSize, b)
	require.NoError(t, err)
	require.Equal(t, n.base.b[recordHeader+6:le.Uint32(b[24:])], r.b[recordHeader+6:le.Uint32(b[24:])])

	_, err = Open(f, info.Size())
	var damaged *DamageError
	require.True(t, errors.As(err, &damaged), err)
	require.Positive(t, damaged.Offset)
	require.Contains(t, damaged.Structure, "MFT record")
}
