package bitlocker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRecoveryPassword(t *testing.T) {
	p, err := ParseRecoveryPassword(" 235818-357951-253979-013365-241120-245575-342914-591910\n")
	require.NoError(t, err)
	require.Equal(t, "235818-357951-253979-013365-241120-245575-342914-591910", p.Text())
	for range 100 {
		p := NewRecoveryPassword()
		again, err := ParseRecoveryPassword(p.Text())
		require.NoError(t, err)
		require.Equal(t, p, again)
	}
	for text, wrong := range map[string]string{
		"": "1 groups",
		"235818-357951-253979-013365-241120-245575-342914":        "7 groups",
		"235818-357951-253979-013365-241120-245575-342914-591911": "group 8",
		"235818-357951-253979-13365-241120-245575-342914-591910":  "group 4",
		"235818-357951-253979-013365-241120-245575-342914-720896": "group 8",
		"235818-357951-253979-+13365-241120-245575-342914-591910": "group 4",
		"x35818-357951-253979-013365-241120-245575-342914-591910": "group 1",
	} {
		_, err := ParseRecoveryPassword(text)
		require.ErrorIs(t, err, ErrRecoveryPassword)
		require.ErrorContains(t, err, wrong)
	}
}

func TestGUID(t *testing.T) {
	require.Equal(t, "4967d63b-2e29-4ad8-8399-f6a339e3d001", guidNormal.String())
	require.Equal(t, "92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8", guidEncryptOnWrite.String())
	at := time.Date(2026, 11, 22, 10, 30, 0, 123456700, time.UTC)
	require.Equal(t, at, fileTimeOf(at).time())
}

func TestHeaderRefuses(t *testing.T) {
	disk, _, _ := convertRandom(t, Options{})
	good := disk.data[:headerSize]
	h, err := parseHeader(good)
	require.NoError(t, err)
	require.Equal(t, header{sectorSize: 512, offsets: [3]uint64{1 << 20, 2 << 20, 3 << 20}}, h)
	for name, c := range map[string]struct {
		at    int
		value string
		err   error
		text  string
	}{
		"NTFS":              {3, "NTFS    ", ErrNotBitLocker, ""},
		"FAT32":             {3, "MSWIN4.1", ErrNotBitLocker, ""},
		"Vista":             {0, "\xeb\x52\x90", ErrVista, "Vista"},
		"other identifier":  {guidOffset, "\x00", ErrMetadata, "unknown identifier"},
		"sectors of 1024":   {11, "\x00\x04", ErrMetadata, "1024"},
		"blocks at the end": {guidOffset + 16, "\x00\x00\x40\x00\x00\x00\x00\x00\x01\x00\x3f\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff", ErrMetadata, "no good copy of three"},
		"blocks exchanged":  {guidOffset + 16, "\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x30\x00\x00\x00\x00\x00\x00\x00\x10", ErrMetadata, "says that it is at"},
	} {
		b := bytes.Clone(good)
		copy(b[c.at:], c.value)
		p := &patched{bytes.NewReader(disk.data), map[int64][]byte{0: b}}
		_, err := Open(p, testSize)
		require.ErrorIs(t, err, c.err, name)
		require.ErrorContains(t, err, c.text, name)
	}
	_, err = Open(bytes.NewReader(good[:100]), 100)
	require.Error(t, err)
	_, err = Open(bytes.NewReader(disk.data), headerSize)
	require.ErrorIs(t, err, ErrMetadata)
}

// One good copy is enough, whatever the header says of the others.
func TestOneCopy(t *testing.T) {
	disk, plain, key := convertRandom(t, Options{})
	for i := range 3 {
		p := &patched{bytes.NewReader(disk.data), map[int64][]byte{}}
		for j := range 3 {
			if j != i {
				p.patches[int64(guidOffset+16+8*j)] = bytes.Repeat([]byte{byte(0x10 * j)}, 8)
			}
		}
		v := unlocked(t, p, key)
		var good [3]bool
		good[i] = true
		require.Equal(t, good, v.Info().MetadataGood)
		requirePlain(t, plain, v)
	}
}

// The layout of a block with a right CRC can still be impossible.
func TestLayoutRefuses(t *testing.T) {
	disk, _, _ := convertRandom(t, Options{})
	area := disk.data[testPlacement.Metadata[0]:][:blockAreaSize]
	for name, c := range map[string]struct {
		at    int
		value uint64
		text  string
	}{
		"first sectors over a block":   {56, 2 << 20, "over"},
		"first sectors over the start": {56, 0, "over the first sectors"},
		"first sectors at the end":     {56, testSize - 512, "within the volume"},
		"first sectors far outside":    {56, 1 << 63, "within the volume"},
		"between sectors":              {56, 2<<20 - 100_001, "whole sectors"},
		"encrypted to between sectors": {16, 1000, "whole sectors"},
		"no first sectors":             {24, 0, "0 first sectors"},
		"too many first sectors":       {24, 0xffffffff << 32, "first sectors"},
	} {
		b := bytes.Clone(area)
		binary.LittleEndian.PutUint64(b[c.at:], c.value)
		fixCRC(b)
		p := &patched{bytes.NewReader(disk.data), map[int64][]byte{}}
		for _, offset := range testPlacement.Metadata {
			p.patches[offset] = b
		}
		_, err := Open(p, testSize)
		require.ErrorIs(t, err, ErrMetadata, name)
		require.ErrorContains(t, err, c.text, name)
	}
}

// The newest copy serves, but not one that is impossible, nor one that somebody made without the key.
func TestNewestGoodCopy(t *testing.T) {
	disk, plain, key := convertRandom(t, Options{})
	area := disk.data[testPlacement.Metadata[0]:][:blockAreaSize]
	for _, at := range []int{56, 120} { // where the first sectors are; a datum
		bad := bytes.Clone(area)
		bad[at] ^= 1
		binary.LittleEndian.PutUint32(bad[blockHeaderSize+32:], 1000) // much newer
		fixCRC(bad)
		v := unlocked(t, &patched{bytes.NewReader(disk.data), map[int64][]byte{testPlacement.Metadata[2]: bad}}, key)
		require.Equal(t, sha256.Sum256(v.meta.block()), v.meta.sum)
		require.Less(t, v.meta.nextNonce, uint32(1000))
		requirePlain(t, plain, v)
	}
}

// TestPartlyEncrypted reads a volume of which Windows 7 has encrypted the first half.
func TestPartlyEncrypted(t *testing.T) {
	const half = testSize/2 + 512*333
	disk, plain, key := convertRandom(t, Options{})
	v := unlocked(t, disk, key)
	m := *v.meta
	m.state, m.nextState, m.encryptedSize = 5, stateEncrypted, half
	area, err := m.seal(&keyRing{key[:], 1, m.nextNonce})
	require.NoError(t, err)
	copy(disk.data[half:], plain[half:])
	require.NoError(t, writeCopies(disk, m.offsets, area))

	v = unlocked(t, disk, key)
	require.False(t, v.Info().Encrypted)
	require.Equal(t, int64(half), v.Info().EncryptedSize)
	requirePlain(t, plain, v)
	_, err = v.WriteAt([]byte{1}, 0)
	require.ErrorIs(t, err, ErrConverting)
	require.ErrorIs(t, v.Suspend(), ErrConverting)
}

// TestEncryptOnWrite reads a volume with bitmaps, as Windows 8 and later keep them while they convert.
func TestEncryptOnWrite(t *testing.T) {
	const chunk, info1, info2, map1, map2 = 64 << 10, 0x350000, 0x351000, 0x352000, 0x353000
	le := binary.LittleEndian
	disk, plain, key := convertRandom(t, Options{})
	record := func(sequence uint64, chunks uint32, bits ...byte) []byte {
		b := append(le.AppendUint16([]byte(recordSignature), eowRecordHeader), make([]byte, eowRecordHeader-12)...)
		b = append(b, bits...)
		le.PutUint32(b[12:], uint32(len(b)))
		le.PutUint32(b[16:], chunks)
		le.PutUint64(b[20:], sequence)
		le.PutUint32(b[32:], crc32.ChecksumIEEE(b))
		return b
	}
	bitmapAt := func(at, start, length, log int64, records ...[]byte) {
		b := make([]byte, 1536)
		copy(b, bitmapSignature)
		le.PutUint16(b[10:], eowBitmapHeader)
		le.PutUint32(b[12:], 1536)
		le.PutUint64(b[20:], uint64(start))
		le.PutUint64(b[28:], uint64(length))
		le.PutUint64(b[36:], uint64(log))
		le.PutUint32(b[44:], 512)
		le.PutUint32(b[48:], 1024)
		le.PutUint32(b[0x38:], crc32.ChecksumIEEE(b[:512]))
		copy(b[512:], records[0])
		copy(b[1024:], records[1])
		copy(disk.data[at:], b)
	}
	// Chunks 1, 8 and 9 of the first 2 MiB are plain, and the last of the volume.
	bitmapAt(map1, 0, 2<<20, 0x354000, record(4, 32, 0, 0, 0, 0), record(5, 32, 0xfd, 0xfc, 0xff, 0xff))
	bitmapAt(map2, 2<<20, 2<<20, 0x355000, record(9, 32, 0xff, 0xff, 0xff, 0x7f), record(8, 32, 0, 0, 0, 0))
	info := make([]byte, eowHeaderSize+16)
	copy(info, eowSignature)
	le.PutUint16(info[8:], eowHeaderSize)
	le.PutUint16(info[10:], uint16(len(info)))
	le.PutUint32(info[20:], chunk)
	le.PutUint32(info[24:], 4096)
	le.PutUint64(info[eowHeaderSize:], map2)
	le.PutUint64(info[eowHeaderSize+8:], map1)
	le.PutUint32(info[0x24:], crc32.ChecksumIEEE(info))
	copy(disk.data[info1:], make([]byte, 512))
	copy(disk.data[info2:], info)
	copy(disk.data[guidOffset:], guidEncryptOnWrite[:])
	le.PutUint64(disk.data[guidOffset+40:], info1)
	le.PutUint64(disk.data[guidOffset+48:], info2)
	for _, i := range []int{1, 8, 9, 63} {
		copy(disk.data[i*chunk:][:chunk], plain[i*chunk:])
	}
	for _, e := range []Extent{{info1, 512}, {info2, 512}, {map1, 1536}, {map2, 1536}, {0x354000, 4096}, {0x355000, 4096}} {
		clear(plain[e.Offset:][:e.Size])
	}

	v := unlocked(t, disk, key)
	require.True(t, v.Info().EncryptOnWrite)
	require.False(t, v.Info().Encrypted)
	requirePlain(t, plain, v)
	_, err := v.WriteAt([]byte{1}, 0)
	require.ErrorIs(t, err, ErrConverting)

	for _, at := range []int{info2 + 5, info2 + 20, map1 + 30, map2, map1 + 1024 + 36, map2 + 520} {
		p := &patched{bytes.NewReader(disk.data), map[int64][]byte{int64(at): {disk.data[at] ^ 1}}}
		v := unlocked(t, p, key)
		_, err := v.ReadAt(make([]byte, 512), 0)
		if at == map1+1024+36 || at == map2+520 {
			require.NoError(t, err, "the other record serves")
			continue
		}
		require.ErrorIs(t, err, ErrMetadata, "offset %#x", at)
	}
}

func FuzzConversion(f *testing.F) {
	f.Add([]byte(eowSignature), []byte(bitmapSignature), []byte(recordSignature))
	le := binary.LittleEndian
	f.Fuzz(func(t *testing.T, info, head, record []byte) {
		disk := make([]byte, 1<<20)
		b := disk[4096:][:512]
		copy(b, eowSignature)
		copy(b[8:], info)
		le.PutUint16(b[8:], eowHeaderSize)
		le.PutUint64(b[eowHeaderSize:], 8192)
		if n := int(le.Uint16(b[10:])); n >= eowHeaderSize && n <= len(b) {
			le.PutUint32(b[0x24:], 0)
			le.PutUint32(b[0x24:], crc32.ChecksumIEEE(b[:n]))
		}
		b = disk[8192:][:4096]
		copy(b, bitmapSignature)
		copy(b[10:], head)
		le.PutUint16(b[10:], eowBitmapHeader)
		le.PutUint32(b[44:], 512)
		le.PutUint32(b[0x38:], 0)
		le.PutUint32(b[0x38:], crc32.ChecksumIEEE(b[:512]))
		r := b[512:]
		copy(r, recordSignature)
		copy(r[10:], record)
		le.PutUint16(r[10:], eowRecordHeader)
		if n := int(le.Uint32(r[12:])); n >= eowRecordHeader && n <= len(r) {
			le.PutUint32(r[32:], 0)
			le.PutUint32(r[32:], crc32.ChecksumIEEE(r[:n]))
		}
		h := header{sectorSize: 512, eow: true, eowOffsets: [2]uint64{4096, 4608}}
		whole := regionMap{{0, 1 << 20, regionEncrypted, 0}}
		l := layout{8192, whole, whole}
		_ = l.layOutConversion(bytes.NewReader(disk), 1<<20, h)
		for _, m := range []regionMap{l.logical, l.physical} {
			at := int64(0)
			for _, r := range m {
				require.Equal(t, at, r.start)
				require.Less(t, r.start, r.end)
				at = r.end
			}
			require.Equal(t, int64(1<<20), at)
		}
	})
}

func freeRuns(runs ...Extent) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		for _, run := range runs {
			if !yield(run, nil) {
				return
			}
		}
	}
}

func TestPlace(t *testing.T) {
	const mib = 1 << 20
	p, err := Place(freeRuns(Extent{0, 100 * mib}), 100*mib, 4096)
	require.NoError(t, err)
	require.Equal(t, Placement{
		Metadata: [3]int64{0x2156000, 50 * mib, 75 * mib}, Header: 0x2166000, Spare: 0x2168000,
		Reserved: []Reserved{
			{"FVE2.{e40ad34d-dae9-4bc7-95bd-b16218c10f72}.1", Extent{0x2156000, 0x10000}},
			{"FVE2.{e40ad34d-dae9-4bc7-95bd-b16218c10f72}.2", Extent{50 * mib, 0x10000}},
			{"FVE2.{e40ad34d-dae9-4bc7-95bd-b16218c10f72}.3", Extent{75 * mib, 0x10000}},
			{"FVE2.{24e6f0ae-6a00-4f73-984b-75ce9942852d}", Extent{0x2166000, 0x2000}},
			{"FVE2.{da392a22-cae0-4f0f-9a30-b8830385d046}", Extent{0x2168000, 0x10000}},
		},
	}, p)

	p, err = Place(freeRuns(Extent{64 << 10, mib}), 100*mib, 64<<10)
	require.NoError(t, err, "only near the beginning")
	require.Equal(t, [3]int64{64 << 10, 256 << 10, 320 << 10}, p.Metadata)
	require.Equal(t, []int64{128 << 10, 192 << 10}, []int64{p.Header, p.Spare}, "in clusters of their own")
	require.Equal(t, Extent{128 << 10, 64 << 10}, p.Reserved[3].Extent)

	p, err = Place(freeRuns(Extent{10 * mib, 4096}, Extent{20 * mib, 136 << 10}, Extent{30 * mib, 64 << 10}, Extent{40 * mib, 64 << 10}), 100*mib, 512)
	require.NoError(t, err, "just enough")
	require.Equal(t, [3]int64{20 * mib, 30 * mib, 40 * mib}, p.Metadata)

	_, err = Place(freeRuns(Extent{20 * mib, 135 << 10}, Extent{30 * mib, 64 << 10}, Extent{40 * mib, 64 << 10}), 100*mib, 512)
	require.ErrorIs(t, err, ErrNoSpace)
	_, err = Place(freeRuns(), 100*mib, 4096)
	require.ErrorIs(t, err, ErrNoSpace)
	for _, clusterSize := range []int64{0, -4096, 256, 3000, 4 << 20} {
		_, err = Place(freeRuns(Extent{0, 100 * mib}), 100*mib, clusterSize)
		require.ErrorContains(t, err, "power of two")
	}
	broken := errors.New("broken bitmap")
	_, err = Place(func(yield func(Extent, error) bool) { yield(Extent{}, broken) }, 100*mib, 4096)
	require.ErrorIs(t, err, broken)
}

func TestConvertRefuses(t *testing.T) {
	source := make([]byte, testSize)
	for name, c := range map[string]struct {
		change func(*Options)
		text   string
	}{
		"sector size":         {func(o *Options) { o.SectorSize = 520 }, "sectors of 520"},
		"method":              {func(o *Options) { o.Method = 7 }, "unknown method"},
		"no protectors":       {func(o *Options) { o.Protectors = nil }, "0 key protectors"},
		"too many protectors": {func(o *Options) { o.Protectors = make([]NewProtector, 65) }, "65 key protectors"},
		"long description":    {func(o *Options) { o.Description = string(make([]byte, 513)) }, "513 bytes"},
		"placement":           {func(o *Options) { o.Placement.Header = 2 << 20 }, "over"},
		"placement at 0":      {func(o *Options) { o.Placement.Metadata[2] = 0 }, "over the first sectors"},
		"placement outside":   {func(o *Options) { o.Placement.Metadata[2] = testSize }, "not within"},
		"negative placement":  {func(o *Options) { o.Placement.Metadata[2] = -512 }, "not within"},
		"spare outside":       {func(o *Options) { o.Placement.Spare = testSize - 512 }, "spare"},
		"same identifier":     {func(o *Options) { o.Protectors = []NewProtector{ExternalKey{ID: GUID{1}}, ExternalKey{ID: GUID{1}}} }, "two key protectors"},
		"empty passphrase":    {func(o *Options) { o.Protectors = []NewProtector{Passphrase("")} }, "0 characters"},
		"TPM says no": {func(o *Options) {
			o.Protectors = []NewProtector{SealTPM(func([]byte) (TPMBlob, error) { return TPMBlob{}, errDisk })}
		}, "disk failed"},
		"PCR 24": {func(o *Options) {
			o.Protectors = []NewProtector{SealTPM(func([]byte) (TPMBlob, error) { return TPMBlob{PCRs: []int{24}}, nil })}
		}, "PCR 24"},
		"free out of order":     {func(o *Options) { o.Free = freeRuns(Extent{8192, 4096}, Extent{4096, 512}) }, "out of order"},
		"free outside":          {func(o *Options) { o.Free = freeRuns(Extent{testSize - 512, 1024}) }, "out of order or not within"},
		"free of negative size": {func(o *Options) { o.Free = freeRuns(Extent{8192, -1}) }, "out of order"},
	} {
		o := Options{SectorSize: 512, Placement: testPlacement, Protectors: []NewProtector{ClearKey{}}}
		c.change(&o)
		disk := &memory{data: make([]byte, testSize)}
		_, err := Convert(context.Background(), disk, bytes.NewReader(source), testSize, o)
		require.ErrorContains(t, err, c.text, name)
		require.ErrorContains(t, err, "encrypt the volume: ", name)
		_, err = Open(disk, testSize)
		require.ErrorIs(t, err, ErrNotBitLocker, "%s: nothing that looks like a volume", name)
	}

	o := Options{SectorSize: 512, Placement: testPlacement, Protectors: []NewProtector{ClearKey{}}}
	disk := &memory{data: make([]byte, testSize)}
	_, err := Convert(context.Background(), disk, bytes.NewReader(source), testSize-100, o)
	require.ErrorContains(t, err, "not whole sectors")
	_, err = Convert(context.Background(), disk, bytes.NewReader(source[:3<<20]), testSize, o)
	require.ErrorContains(t, err, "unexpected EOF")
	stopped, stop := context.WithCancel(context.Background())
	stop()
	_, err = Convert(stopped, disk, bytes.NewReader(source), testSize, o)
	require.ErrorIs(t, err, context.Canceled)
	for failAt := 1; failAt <= 8; failAt++ { // the ninth is the volume header's
		disk := &memory{data: make([]byte, testSize), failAt: failAt}
		_, err = Convert(context.Background(), disk, bytes.NewReader(source), testSize, o)
		require.ErrorIs(t, err, errDisk)
		_, err = Open(disk, testSize)
		require.Error(t, err)
	}
	converted, _, _ := convertRandom(t, Options{})
	_, err = Convert(context.Background(), disk, converted, testSize, o)
	require.ErrorContains(t, err, "already")
}

// Free runs are neither read nor written, and a volume can be encrypted where it is.
func TestConvertInPlace(t *testing.T) {
	_, plain, _ := convertRandom(t, Options{})
	disk := &memory{data: bytes.Clone(plain)}
	free := []Extent{{100_000, 1000}, {101_000, 500_000}, {1 << 20, 1 << 20}, {3<<20 + 300_000, 700_000}}
	done := make(chan int64, 1000)
	key, err := Convert(context.Background(), disk, disk, testSize, Options{
		SectorSize: 4096, Placement: testPlacement, Protectors: []NewProtector{ClearKey{}}, Free: freeRuns(free...),
		Progress: func(n int64) { done <- n },
	})
	require.NoError(t, err)
	v := unlocked(t, disk, key)
	got := make([]byte, testSize)
	_, err = v.ReadAt(got, 0)
	require.NoError(t, err)
	for _, e := range free {
		from, to := roundTo(e.Offset, 4096), (e.Offset+e.Size)/4096*4096
		for at := from; at < to; at += 4096 {
			if !touches(at, 4096) {
				require.True(t, bytes.Equal(plain[at:][:4096], disk.data[at:][:4096]), "offset %#x is as it was", at)
			}
		}
		copy(got[from:max(from, to)], plain[from:])
	}
	require.True(t, bytes.Equal(plain, got))
	close(done)
	sum := int64(0)
	for n := range done {
		sum += n
	}
	require.Greater(t, sum, int64(testSize/4))
	require.Less(t, sum, int64(testSize-(1<<20)))
}
