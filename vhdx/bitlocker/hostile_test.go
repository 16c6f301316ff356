package bitlocker

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The newest copy is the one whose counter is the highest, however far apart the counters are.
func TestCountersFarApart(t *testing.T) {
	disk, _, key := convertRandom(t, Options{})
	v := unlocked(t, disk, key)
	counters := []uint32{0x7fffffff, 3, 0xc0000005}
	for i, counter := range counters {
		m := *v.meta
		area, err := m.seal(&keyRing{key[:], 1, counter})
		require.NoError(t, err)
		require.NoError(t, writeCopies(disk, [3]uint64{m.offsets[i], m.offsets[i], m.offsets[i]}, area))
	}
	v = unlocked(t, disk, key)
	require.Equal(t, counters[2]+1, v.meta.nextNonce)
	_, err := v.AddProtector(ExternalKey{Key: [32]byte{5}})
	require.ErrorContains(t, err, "too often", "the counter must not begin anew")
}

// A greedy disk says io.EOF together with its last bytes, as io.ReaderAt allows.
type greedy struct{ *memory }

func (g greedy) ReadAt(p []byte, off int64) (int, error) {
	n, err := g.memory.ReadAt(p, off)
	if off+int64(n) == int64(len(g.data)) {
		err = io.EOF
	}
	return n, err
}

func TestEndOfFileWithTheLastBytes(t *testing.T) {
	placement := testPlacement
	placement.Metadata[2] = testSize - blockAreaSize
	plain := make([]byte, testSize)
	disk := greedy{&memory{data: bytes.Clone(plain)}}
	key, err := Convert(context.Background(), disk, disk, testSize, Options{
		SectorSize: 512, Placement: placement, Protectors: []NewProtector{ClearKey{}},
	})
	require.NoError(t, err)
	v := unlocked(t, disk, key)
	require.Equal(t, [3]bool{true, true, true}, v.Info().MetadataGood)
	requirePlain(t, plain, v)
}

// TestTogether reads and writes from several goroutines, whose pieces share sectors.
func TestTogether(t *testing.T) {
	for _, o := range []Options{{}, {SectorSize: 4096, Method: AESCBC128Diffuser}} {
		disk, plain, key := convertRandom(t, o)
		v := unlocked(t, disk, key)
		const workers, piece, pieces = 8, 100, 60
		from := int64(100_003)
		var all sync.WaitGroup
		for w := range int64(workers) {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(w), 1))
				for i := range int64(pieces) {
					at := from + (i*workers+w)*piece
					data := bytes.Repeat([]byte{byte(w + 1)}, piece)
					if n, err := v.WriteAt(data, at); err != nil || n != piece {
						panic(err)
					}
					got := make([]byte, 3*piece)
					if _, err := v.ReadAt(got, at); err != nil || !bytes.Equal(data, got[:piece]) {
						panic("what was written is not there")
					}
					if _, err := v.ReadAt(got, random.Int64N(testSize-3*piece)); err != nil {
						panic(err)
					}
				}
			})
		}
		all.Wait()
		for i := range int64(workers * pieces) {
			copy(plain[from+i*piece:][:piece], bytes.Repeat([]byte{byte(i%workers + 1)}, piece))
		}
		requirePlain(t, plain, v)
		requirePlain(t, plain, unlocked(t, disk, key))
	}
}

// noncesOf gives the nonces of all that is wrapped in data.
func noncesOf(data []datum) (all [][]byte) {
	for _, d := range data {
		if d.kind == kindWrapped {
			all = append(all, d.value[:nonceSize])
		}
		all = append(all, noncesOf(d.nested)...)
	}
	return all
}

// No nonce serves twice, however often the metadata are changed, also where changes are torn and the copies disagree.
func TestNoncesAreUnique(t *testing.T) {
	k := newKeys()
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	disk, _, key := convertRandom(t, Options{At: at, Protectors: k.protectors()})
	seen := map[string]datum{}
	collect := func() {
		for _, offset := range testPlacement.Metadata {
			m, err := parseMetadata(disk.data[offset:][:blockAreaSize])
			if err != nil {
				continue // torn
			}
			var wrapped func(data []datum)
			wrapped = func(data []datum) {
				for _, d := range data {
					if d.kind == kindWrapped {
						old, ok := seen[string(d.value[:nonceSize])]
						require.True(t, !ok || bytes.Equal(old.value, d.value), "one nonce for two secrets")
						seen[string(d.value[:nonceSize])] = d
					}
					wrapped(d.nested)
				}
			}
			wrapped(append(slices.Clone(m.data), m.wrapped))
			require.Len(t, noncesOf(m.data), len(slices.CompactFunc(slices.SortedFunc(slices.Values(noncesOf(m.data)), bytes.Compare), bytes.Equal)))
		}
	}
	collect()
	require.Len(t, seen, 3+2+2+1+1+1, "of the five protectors, the volume key and the hash")
	for i := range 12 {
		disk.failAt, disk.writes = i%4, 0 // 1 to 3: the change is torn there
		v := unlocked(t, disk, key)
		_, _ = v.AddProtector(ExternalKey{Key: [32]byte{byte(i)}})
		collect()
	}
	require.Greater(t, len(seen), 30)

	// One external key for two volumes that are made at the same moment.
	external := ExternalKey{ID: GUID{1}, Key: [32]byte{1}}
	nonces := map[string]bool{}
	for range 20 {
		d, err := external.protect(&keyRing{random(32), fileTimeOf(at), firstNonce})
		require.NoError(t, err)
		sealed, ok := d.find(kindWrapped)
		require.True(t, ok)
		require.False(t, nonces[string(sealed.value[:nonceSize])])
		nonces[string(sealed.value[:nonceSize])] = true
	}
}

// Keys and passwords differ from one to the next, and so do the halves of a key for XTS.
func TestKeysAreRandom(t *testing.T) {
	seen := map[string]bool{}
	once := func(b []byte) {
		require.NotEqual(t, make([]byte, len(b)), b)
		require.False(t, seen[string(b)])
		seen[string(b)] = true
	}
	for range 8 {
		p := NewRecoveryPassword()
		once(p[:])
		disk, _, key := convertRandom(t, Options{Method: AESXTS256, Protectors: []NewProtector{ClearKey{}}})
		once(key[:])
		v := unlocked(t, disk, ClearKey{})
		id := v.Info().ID
		once(id[:])
		clearKey, ok := v.meta.protectors()[0].find(kindKey)
		require.True(t, ok)
		once(clearKey.value[4:])
		for _, d := range v.meta.data {
			if d.role == roleVolumeKey {
				s, err := unwrap(d, key[:])
				require.NoError(t, err)
				require.Len(t, s.key, 64)
				once(s.key[:32])
				once(s.key[32:])
			}
		}
		own := v.key
		v.Lock()
		require.Equal(t, make([]byte, masterKeySize), own, "cleared")
	}
}

// TestSizes has volumes whose sizes are odd multiples of a sector, to the last of which dislocker agrees, and one on a
// device that ends within a sector.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		sectorSize, size int64
		method           Method
	}{
		{512, testSize + 512, AESXTS128}, {512, testSize + 4096 - 512, AESXTS256}, {4096, testSize + 5*4096, AESXTS128},
		{512, testSize + 512, AESCBC256Diffuser},
	} {
		plain := make([]byte, c.size)
		_, _ = rand.NewChaCha8([32]byte{byte(c.size)}).Read(plain)
		copy(plain[3:], "NTFS    ")
		k := newKeys()
		f := create(t, c.size)
		key, err := Convert(context.Background(), f, bytes.NewReader(plain), c.size, Options{
			Method: c.method, SectorSize: int(c.sectorSize), Placement: testPlacement, Protectors: []NewProtector{k.external},
		})
		require.NoError(t, err)
		for _, offset := range testPlacement.Metadata {
			clear(plain[offset:][:blockAreaSize])
		}
		clear(plain[testPlacement.Header:][:headerAreaSize])

		v, err := Open(f, c.size+c.sectorSize/2)
		require.NoError(t, err)
		require.NoError(t, v.Unlock(key))
		require.Equal(t, c.size, v.Size())
		requirePlain(t, plain, v)
		last := make([]byte, c.sectorSize)
		n, err := v.ReadAt(last, c.size-7)
		require.Equal(t, 7, n)
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, plain[c.size-7:], last[:7])
		raw := make([]byte, c.sectorSize)
		_, err = f.ReadAt(raw, c.size-c.sectorSize)
		require.NoError(t, err)
		require.NotEqual(t, plain[c.size-c.sectorSize:], raw, "the last sector is encrypted")

		out := filepath.Join(t.TempDir(), "plain")
		run(t, "dislocker-file", "-f", k.bek(t), "-V", f.Name(), "--", out)
		got, err := os.ReadFile(out)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(got), len(plain)) // dislocker goes on to a whole piece of its own
		require.True(t, bytes.Equal(plain, got[:len(plain)]))
	}
}

// Nothing of what a volume held is left in plain where Convert writes: not at its beginning nor in what the metadata take.
func TestNothingStaysPlain(t *testing.T) {
	for _, sectorSize := range []int{512, 4096} {
		marker := []byte("plain as day! ")
		plain := bytes.Repeat(marker, testSize/len(marker)+1)[:testSize]
		disk := &memory{data: bytes.Clone(plain)}
		_, err := Convert(context.Background(), disk, disk, testSize, Options{
			SectorSize: sectorSize, Placement: testPlacement, Protectors: []NewProtector{ClearKey{}},
		})
		require.NoError(t, err)
		require.Equal(t, -1, bytes.Index(disk.data, marker))
	}
}

// TestManyBitmaps has as many bitmaps as conversion information can name: each is small, and none is of use.
func TestManyBitmaps(t *testing.T) {
	const count, stride = (0xffff - eowHeaderSize) / 8, 512
	le := binary.LittleEndian
	size := int64(1<<20 + 4*count*stride)
	data := make([]byte, size)
	info := data[:eowHeaderSize+8*count]
	copy(info, eowSignature)
	le.PutUint16(info[8:], eowHeaderSize)
	le.PutUint16(info[10:], uint16(len(info)))
	le.PutUint32(info[20:], minChunk)
	le.PutUint32(info[24:], stride) // the log
	for i := range int64(count) {
		at := 1<<20 + 4*i*stride
		le.PutUint64(info[eowHeaderSize+8*i:], uint64(at))
		b := data[at:][:eowBitmapHeader+eowRecordHeader]
		copy(b, bitmapSignature)
		le.PutUint16(b[10:], eowBitmapHeader)
		le.PutUint32(b[12:], uint32(len(b)))
		le.PutUint64(b[36:], uint64(at+stride))
		le.PutUint32(b[44:], eowBitmapHeader)
		r := b[eowBitmapHeader:]
		copy(r, recordSignature)
		le.PutUint16(r[10:], eowRecordHeader)
		le.PutUint32(r[12:], eowRecordHeader)
		le.PutUint32(r[32:], crc32.ChecksumIEEE(r))
		le.PutUint32(b[0x38:], crc32.ChecksumIEEE(b[:eowBitmapHeader]))
	}
	le.PutUint32(info[0x24:], crc32.ChecksumIEEE(info))
	copy(data[1<<18:], info) // and its copy
	copy(data[1<<19:], info)
	h := header{sectorSize: 512, eow: true, eowOffsets: [2]uint64{1 << 18, 1 << 19}}

	whole := regionMap{{0, size, regionEncrypted, 0}}
	l := layout{8192, whole, whole}
	require.NoError(t, l.layOutConversion(bytes.NewReader(data), size, h))
	require.Greater(t, len(l.logical), count)

	// All of them are one, as large as a bitmap may be.
	le.PutUint32(data[1<<20+12:], maxBitmapSize)
	for i := range count {
		le.PutUint64(info[eowHeaderSize+8*i:], 1<<20)
	}
	le.PutUint32(info[0x24:], 0)
	le.PutUint32(info[0x24:], crc32.ChecksumIEEE(info))
	le.PutUint32(data[1<<20+0x38:], 0)
	le.PutUint32(data[1<<20+0x38:], crc32.ChecksumIEEE(data[1<<20:][:eowBitmapHeader]))
	copy(data[1<<18:], info)
	copy(data[1<<19:], info)
	require.ErrorContains(t, l.layOutConversion(bytes.NewReader(data), size, h), "bytes of bitmaps")
}

// A log of no size leaves no hole in the map of the volume.
func TestCoverNothing(t *testing.T) {
	whole := regionMap{{0, 1000, regionEncrypted, 0}}
	require.Equal(t, whole, whole.cover(region{500, 500, regionZero, 0}))
	require.Equal(t, regionMap{{0, 500, regionEncrypted, 0}, {500, 600, regionZero, 0}, {600, 1000, regionEncrypted, 0}},
		whole.cover(region{500, 500, regionZero, 0}, region{500, 600, regionZero, 0}, region{600, 600, regionZero, 0}))
}
