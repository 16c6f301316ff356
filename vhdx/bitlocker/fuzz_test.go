package bitlocker

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// fixCRC makes the CRC of a metadata block right again, as somebody would who changes it on purpose.
func fixCRC(area []byte) {
	size := int(binary.LittleEndian.Uint16(area[8:])) * blockUnit
	if size+validationSize <= len(area) {
		binary.LittleEndian.PutUint32(area[size+4:], crc32.ChecksumIEEE(area[:size]))
	}
}

// seedBlock is a metadata block with protectors of the kinds that are quickly made.
func seedBlock(t testing.TB) (area []byte, key MasterKey, disk *memory) {
	disk, _, key = convertRandom(t, Options{
		Protectors:  []NewProtector{ClearKey{}, ExternalKey{Key: [32]byte{1}}, SealTPM((&keys{}).seal)},
		Description: "seed",
	})
	return disk.data[testPlacement.Metadata[0]:][:blockAreaSize], key, disk
}

func FuzzParseMetadata(f *testing.F) {
	area, key, _ := seedBlock(f)
	f.Add(area[:2048], true)
	f.Add(area[:300], true)
	f.Add([]byte("-FVE-FS-"), false)
	f.Fuzz(func(t *testing.T, b []byte, fix bool) {
		if fix && len(b) > 16 {
			fixCRC(b)
		}
		m, err := parseMetadata(b)
		if err != nil {
			require.NotErrorIs(t, err, ErrWrongKey)
			return
		}
		_, _ = layOut(m, testSize, 512)
		_, _ = layOut(m, 1<<62, 4096)
		_ = m.authenticate(key[:])
		for _, c := range []Credential{ClearKey{}, ExternalKey{}, UnsealTPM(func(TPMBlob) ([]byte, error) { return b, nil })} {
			_, _ = c.masterKey(m.protectors())
		}
		for _, p := range m.protectors() {
			_ = p.public()
		}
		if area, err := m.area(); err == nil {
			again, err := parseMetadata(area)
			require.NoError(t, err)
			require.Equal(t, m.data, again.data)
		}
	})
}

func FuzzParseDatums(f *testing.F) {
	area, _, _ := seedBlock(f)
	f.Add(area[blockHeaderSize+dataSetHeaderSize:][:1024])
	f.Add(bytes.Repeat([]byte{36, 0, 0, 0, 8, 0, 0, 0}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		data, err := parseDatums(b, 0, 0)
		if err != nil {
			require.ErrorIs(t, err, ErrMetadata)
			return
		}
		for _, d := range data {
			_ = d.text()
			if d.size() < 1<<16 {
				again, err := parseDatums(d.append(nil), 0, 0)
				require.NoError(t, err)
				require.Len(t, again, 1)
			}
		}
	})
}

func FuzzTPMBlob(f *testing.F) {
	seed, err := testBlob.append(nil)
	require.NoError(f, err)
	require.Len(f, seed, 4+258, "as long as that of Windows")
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		blob, err := parseTPMBlob(b)
		if err != nil {
			require.ErrorIs(t, err, ErrMetadata)
			return
		}
		again, err := blob.append(nil)
		if err != nil {
			return // it has PCRs that we do not select
		}
		blob2, err := parseTPMBlob(again)
		require.NoError(t, err)
		require.Equal(t, blob, blob2)
	})
}

func FuzzRecoveryPassword(f *testing.F) {
	f.Add("235818-357951-253979-013365-241120-245575-342914-591910")
	f.Add("720896-000000-000000-000000-000000-000000-000000-000000")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseRecoveryPassword(text)
		if err != nil {
			require.ErrorIs(t, err, ErrRecoveryPassword)
			return
		}
		again, err := ParseRecoveryPassword(p.Text())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}

// A patched reader is another one with some bytes of it changed.
type patched struct {
	io.ReaderAt
	patches map[int64][]byte
}

func (p *patched) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.ReaderAt.ReadAt(b, off)
	for at, patch := range p.patches {
		if from := at - off; from < int64(n) && from+int64(len(patch)) > 0 {
			copy(b[max(from, 0):n], patch[max(-from, 0):])
		}
	}
	return n, err
}

// FuzzVolume changes bytes of a volume's metadata, with and without a right CRC. Whoever does that without the key makes
// no volume that opens.
func FuzzVolume(f *testing.F) {
	_, key, disk := seedBlock(f)
	f.Add(uint16(200), byte(1), uint16(90), byte(7), true)
	f.Add(uint16(28), byte(0xff), uint16(56), byte(1), true)
	f.Add(uint16(32), byte(1), uint16(8), byte(1), false)
	f.Fuzz(func(t *testing.T, at1 uint16, xor1 byte, at2 uint16, xor2 byte, fix bool) {
		area := bytes.Clone(disk.data[testPlacement.Metadata[0]:][:blockAreaSize])
		size := int(binary.LittleEndian.Uint16(area[8:])) * blockUnit
		used := size + validationSize + wrappedHashSize
		area[int(at1)%used] ^= xor1
		area[int(at2)%used] ^= xor2
		if fix {
			fixCRC(area)
		}
		changed := !bytes.Equal(area, disk.data[testPlacement.Metadata[0]:][:blockAreaSize])
		p := &patched{bytes.NewReader(disk.data), map[int64][]byte{}}
		for _, offset := range testPlacement.Metadata {
			p.patches[offset] = area
		}
		v, err := Open(p, testSize)
		if err != nil {
			require.True(t, changed)
			return
		}
		_ = v.Info()
		for _, c := range []Credential{key, ClearKey{}, ExternalKey{Key: [32]byte{1}}} {
			if v.Unlock(c) != nil {
				continue
			}
			// What follows the CRC of the validation is not hashed; all the rest is.
			require.Equal(t, disk.data[testPlacement.Metadata[0]:][:size], v.meta.block())
			_, err := v.ReadAt(make([]byte, testSize), 0)
			require.NoError(t, err)
		}
	})
}

// FuzzHeader changes the volume header, which nothing authenticates.
func FuzzHeader(f *testing.F) {
	_, key, disk := seedBlock(f)
	f.Add(uint16(11), uint64(4096), false)
	f.Add(uint16(176), uint64(1<<63), false)
	f.Add(uint16(184), uint64(testSize-1), true)
	f.Fuzz(func(t *testing.T, at uint16, value uint64, eow bool) {
		b := bytes.Clone(disk.data[:headerSize])
		if eow {
			copy(b[guidOffset:], guidEncryptOnWrite[:])
		}
		binary.LittleEndian.PutUint64(b[int(at)%(headerSize-8):], value)
		v, err := Open(&patched{bytes.NewReader(disk.data), map[int64][]byte{0: b}}, testSize)
		if err != nil {
			return
		}
		if v.Unlock(key) == nil {
			_, _ = v.ReadAt(make([]byte, 100_000), 0)
			_, _ = v.ReadAt(make([]byte, 5000), testSize-4000)
		}
	})
}

// TestMutatedWindowsVolumes changes the metadata of the volumes that Windows made: they open as they were, or not at all.
func TestMutatedWindowsVolumes(t *testing.T) {
	for name, conf := range imagesConf(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := openImage(t, name)
			for _, c := range credentialsOf(t, conf) {
				require.NoError(t, v.Unlock(c))
				break
			}
			key, err := v.MasterKey()
			require.NoError(t, err)
			original := v.meta.block()
			area, err := v.meta.area()
			require.NoError(t, err)
			random := rand.New(rand.NewChaCha8([32]byte{5}))
			refused := 0
			for range 300 {
				bad := bytes.Clone(area)
				for range 1 + random.IntN(4) {
					bad[random.IntN(len(original))] ^= byte(1 + random.IntN(255))
				}
				if bytes.Equal(bad[:len(original)], original) {
					continue
				}
				if random.IntN(4) > 0 {
					fixCRC(bad)
				}
				p := &patched{v.disk, map[int64][]byte{}}
				for _, offset := range v.meta.offsets {
					p.patches[int64(offset)] = bad
				}
				w, err := Open(p, v.Size())
				if err == nil {
					_ = w.Info()
					err = w.Unlock(key)
				}
				require.Error(t, err)
				refused++
			}
			require.Greater(t, refused, 280)
		})
	}
}
