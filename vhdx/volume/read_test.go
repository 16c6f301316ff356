package volume

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

type maker = func(testing.TB, volumetest.Options) string

func TestReadTemplates(t *testing.T) {
	const attributesOfRecovery = 1<<63 | 1
	esp := Partition{Index: 1, Role: RoleESP, FileSystem: FAT32, GUID: volumetest.ESPGUID, Type: espType, Name: "EFI system partition", Attributes: 1 << 63}
	windows := []Partition{
		esp,
		{Index: 2, Role: RoleMSR, FileSystem: None, GUID: volumetest.MSRGUID, Type: "e3c9e316-0b5c-4db8-817d-f92df00215ae", Name: "Microsoft reserved partition"},
		{Index: 3, Role: RoleOS, FileSystem: NTFS, GUID: volumetest.OSGUID, Type: basicType, Name: "Basic data partition"},
		{Index: 4, Role: RoleRecovery, FileSystem: NTFS, GUID: volumetest.RecoveryGUID, Type: "de94bba4-06d1-4d40-a16a-bfd50179d6ac", Attributes: attributesOfRecovery},
	}
	linux := []Partition{
		esp,
		{Index: 2, Role: RoleBoot, FileSystem: Ext, GUID: volumetest.BootGUID, Type: "0fc63daf-8483-4772-8e79-3d69d8477de4", Name: "boot"},
		{Index: 3, Role: RoleOS, FileSystem: LUKS, GUID: volumetest.OSGUID, Type: "ca7d7ccb-63ed-4c53-861c-1742536059cc", Name: "root"},
	}
	tests := []struct {
		name       string
		make, raw  maker
		sectorSize int
		os         string
		want       []Partition
		sizes      []int64 // MiB
	}{
		{"windows, sectors of 512", volumetest.Windows, volumetest.WindowsRaw, 512, Windows, windows, []int64{40, 16, 48, 16}},
		{"windows, sectors of 4096", volumetest.Windows, volumetest.WindowsRaw, 4096, Windows, windows, []int64{264, 16, 48, 16}},
		{"linux, sectors of 512", volumetest.Linux, volumetest.LinuxRaw, 512, Linux, linux, []int64{40, 32, 48}},
		{"linux, sectors of 4096", volumetest.Linux, volumetest.LinuxRaw, 4096, Linux, linux, []int64{264, 32, 48}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := volumetest.Options{SectorSize: tt.sectorSize}
			d, err := vhdx.Open(tt.make(t, o))
			require.NoError(t, err)
			defer d.Close()
			l, err := Read(d)
			require.NoError(t, err)

			require.Empty(t, l.Unfit())
			require.Equal(t, TableGPT, l.Table)
			require.Equal(t, tt.os, l.OS)
			require.Equal(t, volumetest.DiskGUID, l.GUID)
			require.Equal(t, tt.sectorSize, l.SectorSize)

			want := append([]Partition(nil), tt.want...)
			offset := int64(mib)
			for i := range want {
				want[i].sectorSize = tt.sectorSize
				want[i].First = uint64(offset) / uint64(tt.sectorSize)
				want[i].Sectors = uint64(tt.sizes[i]) * mib / uint64(tt.sectorSize)
				offset += tt.sizes[i] * mib
			}
			require.Equal(t, want, l.Partitions)
			require.Equal(t, offset+mib, l.Size)

			raw := tt.raw(t, o)
			requireAsFdisk(t, raw, l)
			for _, p := range l.Partitions {
				judged := map[string]FileSystem{"vfat": FAT32, "ntfs": NTFS, "ext4": Ext, "crypto_LUKS": LUKS}
				if p.Role != RoleMSR {
					require.Equal(t, judged[blkid(t, raw, strconv.FormatInt(p.Offset(), 10))], p.FileSystem)
				}
			}
			osVolume, ok := l.OSVolume()
			require.True(t, ok)
			require.Equal(t, volumetest.OSGUID, osVolume.GUID)
		})
	}
}

// requireAsFdisk compares the partitions with those that fdisk lists.
func requireAsFdisk(t testing.TB, raw string, l *Layout) {
	t.Helper()
	said := volumetest.Run(t, "fdisk", "--sector-size", strconv.Itoa(l.SectorSize), "--list", "--output", "Start,End,Type-UUID,UUID,Name", raw)
	_, table, _ := strings.Cut(said, "Name\n")
	var rows []string
	for row := range strings.Lines(table) {
		rows = append(rows, strings.Join(strings.Fields(row), " "))
	}
	var want []string
	for _, p := range l.Partitions {
		row := fmt.Sprintf("%d %d %s %s %s", p.First, p.First+p.Sectors-1, strings.ToUpper(p.Type), strings.ToUpper(p.GUID), p.Name)
		want = append(want, strings.TrimSpace(row))
	}
	require.Equal(t, want, rows)
}

func TestReadDifferencing(t *testing.T) {
	base := volumetest.Windows(t, volumetest.Options{})
	path := filepath.Join(filepath.Dir(base), "child.vhdx")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	d, err := vhdx.Create(f, vhdx.CreateOptions{Type: vhdx.Differencing, Parent: base, Path: path})
	require.NoError(t, err)
	require.NoError(t, d.Close())

	for name, open := range map[string]func(string) (*vhdx.Disk, error){"with its parent": vhdx.Open, "alone": vhdx.OpenAlone} {
		d, err := open(path)
		require.NoError(t, err, name)
		l, err := Read(d)
		require.NoError(t, err, name)
		require.Equal(t, TableUnread, l.Table, "nothing is read, whatever the parent holds")
		require.Empty(t, l.Partitions)
		require.Len(t, l.Unfit(), 1)
		require.ErrorIs(t, l.Unfit()[0], ErrDifferencing)

		l, err = ReadWhole(d)
		if name == "alone" {
			require.ErrorIs(t, err, vhdx.ErrWithoutParent)
		} else {
			require.NoError(t, err)
			require.Len(t, l.Partitions, 4)
			require.Equal(t, Windows, l.OS)
		}
		require.NoError(t, d.Close())
	}
}

// TestReadUnpartitioned reads a disk by Windows that is swap space as a whole,
// of a kind that is not told apart.
func TestReadUnpartitioned(t *testing.T) {
	const packed = "/work/shared/testdata/vhdx/swap.vhdx.gz"
	if _, err := os.Stat(packed); err != nil {
		t.Skipf("no disks made by Windows here: %v", err)
	}
	unpacked, err := exec.Command("gzip", "-dc", packed).Output()
	require.NoError(t, err)
	d, err := vhdx.Open(tempFile(t, unpacked))
	require.NoError(t, err)
	defer d.Close()
	l, err := Read(d)
	require.NoError(t, err)
	require.Equal(t, TableNone, l.Table)
	require.NotNil(t, l.Partitions) // a list also in JSON
	require.Len(t, l.Unfit(), 1)
	require.ErrorIs(t, l.Unfit()[0], ErrNoPartitionTable)
}

func TestRoles(t *testing.T) {
	const linuxFS = "0fc63daf-8483-4772-8e79-3d69d8477de4"
	const extendedBoot = "bc13c2ff-59e6-4262-a352-b275fd6f7172"
	type part struct {
		typ     string
		fs      FileSystem
		sectors uint64
		want    Role
	}
	tests := []struct {
		name  string
		parts []part
		os    string
	}{
		{"the largest NTFS is the OS", []part{
			{basicType, NTFS, 5, RoleData}, {basicType, NTFS, 9, RoleOS}, {basicType, NTFS, 9, RoleData}, {basicType, Unknown, 99, RoleData},
		}, Windows},
		{"NTFS before BitLocker", []part{{basicType, BitLocker, 9, RoleData}, {basicType, NTFS, 5, RoleOS}}, Windows},
		{"BitLocker alone", []part{{espType, FAT32, 9, RoleESP}, {basicType, BitLocker, 5, RoleOS}}, Windows},
		{"NTFS in a Linux partition", []part{{linuxFS, NTFS, 9, RoleData}}, ""},
		{"Linux", []part{{linuxFS, Ext, 9, RoleBoot}, {linuxFS, LUKS, 99, RoleOS}, {linuxFS, Ext, 5, RoleData}}, Linux},
		{"Linux with NTFS data", []part{{linuxFS, Ext, 9, RoleBoot}, {linuxFS, LUKS, 99, RoleOS}, {basicType, NTFS, 999, RoleData}}, Linux},
		{"Linux with a typed boot partition", []part{{linuxFS, Ext, 9, RoleData}, {extendedBoot, Ext, 1, RoleBoot}, {linuxFS, LUKS, 9, RoleOS}}, Linux},
		{"Linux with boot as FAT", []part{{extendedBoot, FAT32, 1, RoleBoot}, {linuxFS, LUKS, 9, RoleOS}}, Linux},
		{"Linux without encryption", []part{{linuxFS, Ext, 9, RoleData}, {linuxFS, Ext, 99, RoleData}}, ""},
		{"Windows with LUKS", []part{{basicType, NTFS, 9, RoleOS}, {linuxFS, LUKS, 99, RoleData}}, Windows},
		{"nothing", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := &Layout{}
			for _, p := range tt.parts {
				l.Partitions = append(l.Partitions, Partition{Type: p.typ, FileSystem: p.fs, Sectors: p.sectors})
			}
			l.assignRoles()
			for i, p := range tt.parts {
				require.Equal(t, p.want, l.Partitions[i].Role, "partition %d", i)
			}
			require.Equal(t, tt.os, l.OS)
			_, ok := l.OSVolume()
			require.Equal(t, tt.os != "", ok)
		})
	}
}

func TestPartitionAt(t *testing.T) {
	l := mustReadRaw(t, smallDisk(t))
	for _, tt := range []struct {
		off  int64
		want int // 0: none
	}{
		{-1, 0}, {0, 0}, {mib - 1, 0}, {mib, 1}, {2*mib - 1, 1}, {2 * mib, 2}, {4*mib - 1, 2}, {4 * mib, 0}, {diskSize, 0}, {1<<63 - 1, 0},
	} {
		p, ok := l.PartitionAt(tt.off)
		require.Equal(t, tt.want != 0, ok, "offset %d", tt.off)
		require.Equal(t, tt.want, p.Index, "offset %d", tt.off)
	}
}

// TestBackupAlone compares what is read when the primary is damaged.
func TestBackupAlone(t *testing.T) {
	image := smallDisk(t)
	whole := mustReadRaw(t, image)
	image[primaryEntry]++
	damaged := mustReadRaw(t, image)
	require.NotEmpty(t, damaged.Unfit())
	require.Equal(t, whole.Partitions, damaged.Partitions)
	require.Equal(t, whole.GUID, damaged.GUID)
	require.Equal(t, whole.OS, damaged.OS)
}

// TestBoundedReads gives both headers the most entries, all of them used.
func TestBoundedReads(t *testing.T) {
	const count = 1024
	image := smallDisk(t)
	entry := bytes.Clone(image[primaryEntry:][:128])
	for i := range count {
		entry[16], entry[17] = byte(i), byte(i>>8)
		copy(image[primaryEntry+128*i:], entry)
		copy(image[backup-128*(count-i):], entry)
	}
	header(image, 1, headerCount, 0x80<<32|count)
	header(image, 1, headerFirst, 2+count/4)
	header(image, lastLBA, headerCount, 0x80<<32|count)
	header(image, lastLBA, headerFirst, 2+count/4)
	header(image, lastLBA, headerEntries, lastLBA-count/4)
	header(image, 1, headerLast, lastLBA-count/4-1)
	header(image, lastLBA, headerLast, lastLBA-count/4-1)

	counter := &countingDisk{Reader: bytes.NewReader(image)}
	l := &Layout{SectorSize: 512, Size: diskSize}
	require.NoError(t, l.read(counter))
	require.Len(t, l.Partitions, count)
	require.Len(t, l.Unfit(), count) // each overlaps the one before, and there is no OS volume
	require.ErrorIs(t, l.Unfit()[0], ErrOverlap)
	require.Less(t, counter.read, 5*mib)
	require.Equal(t, gpt.PartitionEntrySize, gptEntrySize)
}

type countingDisk struct {
	*bytes.Reader
	read int
}

func (d *countingDisk) ReadAt(p []byte, off int64) (int, error) {
	d.read += len(p)
	return d.Reader.ReadAt(p, off)
}

// TestDiskChangesMeanwhile has both headers and all entries of a GPT read as
// something else from the second time on: only what was verified counts, and
// nothing is allocated by what was not.
func TestDiskChangesMeanwhile(t *testing.T) {
	image := smallDisk(t)
	whole := mustReadRaw(t, image)
	damaged := bytes.Clone(image)
	damaged[primaryEntry]++
	for name, image := range map[string][]byte{"primary": image, "backup alone": damaged} {
		for changed, change := range map[string]func(b []byte){
			"many entries": func(b []byte) {
				for _, lba := range []int{1, lastLBA} {
					header(b, lba, headerCount, 0x80<<32|1<<18) // 32 MiB
				}
			},
			"names":        func(b []byte) { both(b, 56, 'x') },
			"no signature": func(b []byte) { clear(b[:2*512]); clear(b[backup:]) },
		} {
			t.Run(name+", "+changed, func(t *testing.T) {
				later := bytes.Clone(image)
				change(later)
				disk := &changingDisk{Reader: bytes.NewReader(image), later: bytes.NewReader(later), seen: map[int64]bool{}}
				l := &Layout{SectorSize: 512, Size: diskSize}
				require.NoError(t, l.read(disk))
				require.Equal(t, whole.Partitions, l.Partitions)
			})
		}
	}
}

// A changingDisk reads as it is the first time that a read begins at a place.
type changingDisk struct {
	*bytes.Reader
	later *bytes.Reader
	seen  map[int64]bool
}

func (d *changingDisk) ReadAt(p []byte, off int64) (int, error) {
	if d.seen[off] {
		return d.later.ReadAt(p, off)
	}
	d.seen[off] = true
	return d.Reader.ReadAt(p, off)
}
