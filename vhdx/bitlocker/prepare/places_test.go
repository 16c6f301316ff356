package prepare

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/ntfs"
)

const partition = 1 << 20 // where it begins

// A subject is a volume in a partition of a disk of its own, before it is prepared.
type subject struct {
	disk  *vhdx.Disk
	part  *part
	plain []byte
	files map[string]string
	free  []ntfs.Extent
	size  int64 // of a cluster
}

// mkntfs makes a volume. Free space is not empty, but full of a text.
func mkntfs(t testing.TB, size int64, sectorSize, clusterSize int) []byte {
	t.Helper()
	image := filepath.Join(t.TempDir(), "volume.img")
	old := bytes.Repeat([]byte("deleted long ago "), int(size)/17+1)[:size]
	require.NoError(t, os.WriteFile(image, old, 0o600))
	out, err := exec.Command("mkntfs", "-q", "-F", "-f", "-s", fmt.Sprint(sectorSize), "-c", fmt.Sprint(clusterSize), image).CombinedOutput()
	require.NoErrorf(t, err, "mkntfs: %s", out)
	data, err := os.ReadFile(image)
	require.NoError(t, err)
	return data
}

// newSubject puts a volume on a disk.
func newSubject(t testing.TB, data []byte, sectorSize int) *subject {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk.vhdx"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	s := &subject{plain: bytes.Clone(data)}
	s.disk, err = vhdx.Create(f, vhdx.CreateOptions{Size: partition + int64(len(data)) + 1<<20, LogicalSectorSize: sectorSize})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.disk.Close() })
	s.part = &part{s.disk, partition, int64(len(data))}
	_, err = s.part.WriteAt(data, 0)
	require.NoError(t, err)
	return s
}

// edit changes the volume before it is prepared.
func (s *subject) edit(t testing.TB, change func(e *ntfs.Editor)) {
	t.Helper()
	e, err := ntfs.Edit(s.part, s.part.size)
	require.NoError(t, err)
	change(e)
	require.NoError(t, e.Close())
	_, err = s.part.ReadAt(s.plain, 0)
	require.NoError(t, err)
}

// fill adds files until little room is left, and then takes what is left, but for some clusters in pieces.
func (s *subject) fill(t testing.TB, pieces ...int64) {
	t.Helper()
	s.edit(t, func(e *ntfs.Editor) {
		require.NoError(t, e.MkdirAll(folder))
		random := rand.New(rand.NewPCG(7, 7))
		for i := range 30 {
			data := make([]byte, random.IntN(9000))
			for j := range data {
				data[j] = byte(random.Uint32())
			}
			require.NoError(t, e.WriteFile(fmt.Sprintf("file %d", i), data))
		}
		size := int64(e.Volume().Info().ClusterSize)
		var taken []ntfs.Extent
		for x, err := range e.Volume().Free() {
			require.NoError(t, err)
			for _, bytes := range pieces {
				n := (bytes + size - 1) / size
				if x.Count < n+2 {
					break
				}
				taken = append(taken, ntfs.Extent{First: x.First, Count: 1})
				x.First, x.Count = x.First+1+n, x.Count-1-n
				pieces = pieces[1:]
			}
			taken = append(taken, x)
		}
		require.Empty(t, pieces, "no room for all pieces")
		slices.SortFunc(taken, func(a, b ntfs.Extent) int { return int(a.First - b.First) })
		for i := 0; len(taken) > 0; i++ { // many small files rather than one whose run list takes clusters
			n := min(len(taken), 20)
			require.NoError(t, e.Reserve(ntfs.Reservation{Path: fmt.Sprintf("filler %d", i), Clusters: taken[:n]}))
			taken = taken[n:]
		}
	})
}

// look reads all files, and what is free.
func (s *subject) look(t testing.TB) {
	t.Helper()
	v, err := ntfs.Open(bytes.NewReader(s.plain), int64(len(s.plain)))
	require.NoError(t, err)
	s.files = readable(v)
	s.size = int64(v.Info().ClusterSize)
	for x, err := range v.Free() {
		require.NoError(t, err)
		s.free = append(s.free, x)
	}
}

// readable are the files of a volume that can be read.
func readable(v *ntfs.Volume) map[string]string {
	files := map[string]string{}
	_ = fs.WalkDir(v, ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if data, err := v.ReadFile(name); err == nil {
				files[name] = string(data)
			}
		}
		return nil
	})
	return files
}

// judge finds every file as it was, in a volume that is sound; of what is on the disk, no sector in use in plain, and none
// that was free and still is changed.
func (s *subject) judge(t testing.TB, tools bool) {
	t.Helper()
	v, err := bitlocker.Open(s.part, s.part.size)
	require.NoError(t, err)
	require.NoError(t, v.Unlock(bitlocker.ClearKey{}))
	plain, err := ntfs.Open(v, v.Size())
	require.NoError(t, err)
	require.NoError(t, plain.Check())
	state, err := plain.State()
	require.NoError(t, err)
	require.NoError(t, state.Err())
	files := readable(plain)
	for name, data := range s.files {
		got, ok := files[name]
		require.True(t, ok && got == data, name)
	}

	raw := make([]byte, s.part.size)
	_, err = s.part.ReadAt(raw, 0)
	require.NoError(t, err)
	sector := s.disk.SectorSize()
	free := make([]bool, len(raw)/sector)
	for x, err := range plain.Free() {
		require.NoError(t, err)
		for at := (x.First*s.size + int64(sector) - 1) / int64(sector); at < (x.First+x.Count)*s.size/int64(sector); at++ {
			free[at] = true
		}
	}
	zero := make([]byte, sector)
	for i := range free {
		old, now := s.plain[i*sector:][:sector], raw[i*sector:][:sector]
		if free[i] {
			require.Truef(t, bytes.Equal(old, now), "sector %d is free, and is as it was", i)
		} else if !bytes.Equal(old, zero) {
			require.Falsef(t, bytes.Equal(old, now), "sector %d is in use, and in plain", i)
		}
	}
	if !tools {
		return
	}
	image, out := filepath.Join(t.TempDir(), "volume.img"), filepath.Join(t.TempDir(), "plain.img")
	require.NoError(t, os.WriteFile(image, raw, 0o600))
	for _, command := range [][]string{
		{"cryptsetup", "--disable-locks", "bitlkDump", image}, {"bdeinfo", image},
		{"dislocker-file", "-c", "-V", image, "--", out}, {"truncate", "-s", fmt.Sprint(s.part.size), out},
		{"ntfsfix", "-n", out}, {"ntfsinfo", "-m", out}, {"ntfsls", "-R", out},
	} {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
		text, err := cmd.CombinedOutput()
		require.NoErrorf(t, err, "%s: %s", command, text)
		require.NotContains(t, string(text), "is locked")
	}
	for name, data := range s.files {
		got, err := exec.Command("ntfscat", out, "/"+name).Output()
		require.NoError(t, err)
		require.True(t, string(got) == data, name)
	}
}

func (s *subject) encrypt() error {
	return encrypt(context.Background(), s.disk, s.part, Options{})
}

const kib = 1 << 10

// TestPlaces prepares volumes that are full but for what the metadata need, in as many pieces, or that are tiny.
func TestPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		size            int64
		sector, cluster int
		pieces          []int64
		notFull         bool
		wants           error
	}{
		"just enough, in order":      {size: 8 << 20, sector: 512, cluster: 4096, pieces: []int64{4 * kib, 136 * kib, 64 * kib, 64 * kib}},
		"just enough, other order":   {size: 8 << 20, sector: 512, cluster: 4096, pieces: []int64{64 * kib, 136 * kib, 64 * kib, 64 * kib}},
		"in a single piece":          {size: 8 << 20, sector: 512, cluster: 512, pieces: []int64{268 * kib}},
		"among small pieces":         {size: 8 << 20, sector: 512, cluster: 4096, pieces: slices.Concat(slices.Repeat([]int64{60 * kib}, 20), []int64{136 * kib, 4 * kib, 64 * kib, 8 * kib, 64 * kib, 12 * kib})},
		"a cluster is 64 KiB":        {size: 32 << 20, sector: 512, cluster: 65536, pieces: []int64{64 * kib, 192 * kib, 64 * kib, 64 * kib}},
		"sectors of 4096":            {size: 16 << 20, sector: 4096, cluster: 4096, pieces: []int64{4 * kib, 136 * kib, 64 * kib, 64 * kib}},
		"too fragmented":             {size: 8 << 20, sector: 512, cluster: 4096, pieces: slices.Repeat([]int64{60 * kib}, 40), wants: bitlocker.ErrNoSpace},
		"one place too few":          {size: 8 << 20, sector: 512, cluster: 4096, pieces: []int64{4 * kib, 136 * kib, 64 * kib, 60 * kib}, wants: bitlocker.ErrNoSpace},
		"full":                       {size: 8 << 20, sector: 512, cluster: 4096, wants: bitlocker.ErrNoSpace},
		"tiny":                       {size: 2 << 20, sector: 512, cluster: 512, notFull: true},
		"ends within a cluster":      {size: 9<<20 + 7*512, sector: 512, cluster: 4096, notFull: true},
		"ends within a long cluster": {size: 40<<20 + 13*4096, sector: 4096, cluster: 65536, notFull: true},
		"clusters of 2 MiB":          {size: 96 << 20, sector: 512, cluster: 2 << 20, notFull: true},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && c.size > 8<<20 {
				t.Skip("short: small volumes are enough")
			}
			s := newSubject(t, mkntfs(t, c.size, c.sector, c.cluster), c.sector)
			if !c.notFull {
				s.fill(t, c.pieces...)
			}
			s.look(t)
			err := s.encrypt()
			if c.wants != nil {
				require.ErrorIs(t, err, c.wants)
				_, err = bitlocker.Open(s.part, s.part.size)
				require.ErrorIs(t, err, bitlocker.ErrNotBitLocker)
				v, err := ntfs.Open(s.part, s.part.size)
				require.NoError(t, err)
				require.Equal(t, s.files, readable(v))
				return
			}
			require.NoError(t, err)
			s.judge(t, true)
			if c.notFull { // without the folder before
				v, err := bitlocker.Open(s.part, s.part.size)
				require.NoError(t, err)
				require.NoError(t, v.Unlock(bitlocker.ClearKey{}))
				plain, err := ntfs.Open(v, v.Size())
				require.NoError(t, err)
				for name, attributes := range map[string]uint32{folder: 6, folder + "/" + placed(t, plain): 6 | 0x20} {
					info, err := plain.Stat(name)
					require.NoError(t, err)
					require.Equal(t, attributes, info.Sys().(*ntfs.Details).Attributes, "hidden and system: %s", name)
				}
			}
		})
	}
}

// placed is one of the files that own the places of the metadata, of which there are five.
func placed(t testing.TB, v *ntfs.Volume) string {
	t.Helper()
	entries, err := v.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, entries, 5)
	require.Regexp(t, `^FVE2\.\{[0-9a-f-]{36}\}(\.[123])?$`, entries[0].Name())
	return entries[0].Name()
}

// TestRefuses has volumes whose clusters cannot be trusted. Nothing is written to them.
func TestRefuses(t *testing.T) {
	base := mkntfs(t, 8<<20, 512, 4096)
	for name, c := range map[string]struct {
		change func(b []byte)
		wants  error
	}{
		"no file system": {func(b []byte) { clear(b[:512]) }, ntfs.ErrNotNTFS},
		"dirty": {func(b []byte) {
			// $Volume is the fourth record of the MFT; its flags lie in $VOLUME_INFORMATION.
			at := int(binary.LittleEndian.Uint64(b[48:]))*4096 + 3*1024
			for i := at + 56; ; i += int(binary.LittleEndian.Uint32(b[i+4:])) {
				if binary.LittleEndian.Uint32(b[i:]) == 0x70 {
					b[i+24+10] |= 1
					// and in the copy of the record
					copy(b[int(binary.LittleEndian.Uint64(b[56:]))*4096+3*1024:], b[at:at+1024])
					return
				}
			}
		}, ntfs.ErrDirty},
		"everything is free":        {func(b []byte) { clear(clusterBitmap(b)) }, ntfs.ErrDamaged},
		"the first cluster is free": {func(b []byte) { clusterBitmap(b)[0] &^= 1 }, ntfs.ErrDamaged},
		"the mirror is another":     {func(b []byte) { b[int(binary.LittleEndian.Uint64(b[56:]))*4096+1024+60] ^= 1 }, ntfs.ErrDamaged},
		"longer than the partition": {func(b []byte) { binary.LittleEndian.PutUint64(b[40:], uint64(len(b)/512+1)) }, ntfs.ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			data := bytes.Clone(base)
			c.change(data)
			s := newSubject(t, data, 512)
			require.ErrorIs(t, s.encrypt(), c.wants)
			got := make([]byte, len(data))
			_, err := s.part.ReadAt(got, 0)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
		})
	}
}

// clusterBitmap finds $Bitmap of a new volume: clusters from the first on are taken, those at its end are not.
func clusterBitmap(b []byte) []byte {
	at := int(binary.LittleEndian.Uint64(b[48:]))*4096 + 6*1024
	for i := at + 56; ; i += int(binary.LittleEndian.Uint32(b[i+4:])) {
		if binary.LittleEndian.Uint32(b[i:]) != 0x80 {
			continue
		}
		pairs := b[i+int(binary.LittleEndian.Uint16(b[i+32:])):]
		lcn := 0
		for j := range int(pairs[0] >> 4) {
			lcn |= int(pairs[1+int(pairs[0]&15)+j]) << (8 * j)
		}
		return b[lcn*4096:][:int(binary.LittleEndian.Uint64(b[i+48:]))]
	}
}

// TestMutated prepares volumes of which bytes were changed: they are refused, or every file that could be read still can.
func TestMutated(t *testing.T) {
	whole := newSubject(t, mkntfs(t, 3<<20, 512, 512), 512)
	whole.edit(t, func(e *ntfs.Editor) {
		for i := range 80 {
			require.NoError(t, e.WriteFile(fmt.Sprintf("a file with some name %d", i), bytes.Repeat([]byte{byte(i)}, i*53)))
		}
	})
	random := rand.New(rand.NewPCG(8, 8))
	rounds, done := 200, 0
	if testing.Short() {
		rounds = 40
	}
	mft := int64(binary.LittleEndian.Uint64(whole.plain[48:])) * 512
	for range rounds {
		data := bytes.Clone(whole.plain)
		for range 1 + random.IntN(3) {
			at := mft + random.Int64N(110)*1024 + random.Int64N(400)
			switch random.IntN(8) {
			case 0:
				at = random.Int64N(512)
			case 1:
				at = random.Int64N(int64(len(data)))
			}
			data[at] ^= byte(1 << random.IntN(8))
		}
		s := newSubject(t, data, 512)
		v, err := ntfs.Open(s.part, s.part.size)
		if err == nil {
			s.files, s.size = readable(v), int64(v.Info().ClusterSize)
		}
		if s.encrypt() != nil {
			_, err := bitlocker.Open(s.part, s.part.size)
			require.ErrorIs(t, err, bitlocker.ErrNotBitLocker)
			continue
		}
		done++
		s.judge(t, false)
	}
	t.Logf("%d of %d were prepared", done, rounds)
	require.Greater(t, done, rounds/10)
}

// A cancelled preparation makes nothing that opens, and what another one reserved is not reserved again.
func TestCancelled(t *testing.T) {
	s := newSubject(t, mkntfs(t, 8<<20, 512, 4096), 512)
	ctx, cancel := context.WithCancel(t.Context())
	err := encrypt(ctx, s.disk, s.part, Options{Progress: func(int64, int64) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	_, err = bitlocker.Open(s.part, s.part.size)
	require.ErrorIs(t, err, bitlocker.ErrNotBitLocker)

	s = newSubject(t, s.plain, 512)
	_, err = reserve(s.part)
	require.NoError(t, err)
	require.ErrorIs(t, s.encrypt(), fs.ErrExist, "the names of another try")
}
