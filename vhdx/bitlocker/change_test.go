package bitlocker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A memory is a disk. It fails on the writes from failAt on.
type memory struct {
	mu     sync.RWMutex
	data   []byte
	failAt int
	writes int
}

var errDisk = errors.New("disk failed")

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return bytes.NewReader(m.data).ReadAt(p, off)
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	if m.failAt > 0 && m.writes >= m.failAt {
		n := copy(m.data[off:], p[:min(len(p), 300)]) // torn
		return n, errDisk
	}
	if off+int64(len(p)) > int64(len(m.data)) {
		return 0, errors.New("behind the end")
	}
	return copy(m.data[off:], p), nil
}

const testSize = 4 << 20

var testPlacement = Placement{
	Metadata: [3]int64{1 << 20, 2 << 20, 3 << 20}, Header: 1<<20 + blockAreaSize, Spare: 1<<20 + blockAreaSize + headerAreaSize,
}

// convertRandom makes a small volume of random sectors, all of which are encrypted. Where the metadata come there are
// zeros.
func convertRandom(t testing.TB, o Options) (disk *memory, plain []byte, key MasterKey) {
	t.Helper()
	plain = make([]byte, testSize)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(plain)
	for _, offset := range testPlacement.Metadata {
		clear(plain[offset:][:blockAreaSize])
	}
	clear(plain[testPlacement.Header:][:headerAreaSize])
	if o.SectorSize == 0 {
		o.SectorSize = 512
	}
	o.Placement = testPlacement
	if len(o.Protectors) == 0 {
		o.Protectors = []NewProtector{ExternalKey{Key: [32]byte{1}}}
	}
	disk = &memory{data: make([]byte, testSize)}
	key, err := Convert(context.Background(), disk, bytes.NewReader(plain), testSize, o)
	require.NoError(t, err)
	return disk, plain, key
}

func unlocked(t testing.TB, disk io.ReaderAt, c Credential) *Volume {
	t.Helper()
	v, err := Open(disk, testSize)
	require.NoError(t, err)
	require.NoError(t, v.Unlock(c))
	return v
}

func requirePlain(t testing.TB, want []byte, v *Volume) {
	t.Helper()
	got := make([]byte, len(want))
	_, err := v.ReadAt(got, 0)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

func kindsOf(v *Volume) []ProtectorKind {
	var kinds []ProtectorKind
	for _, p := range v.Info().Protectors {
		kinds = append(kinds, p.Kind)
	}
	return kinds
}

// TestProtectors changes the protectors of a volume one by one. Other programs open it after each change.
func TestProtectors(t *testing.T) {
	ntfs := newNTFS(t, 16<<20, 512, 4096)
	place, err := Place(ntfs.free(ntfs.bitmap(t)), ntfs.size, ntfs.clusterSize)
	require.NoError(t, err)
	src, err := os.Open(ntfs.path)
	require.NoError(t, err)
	defer src.Close()
	dst := create(t, ntfs.size)
	_, err = Convert(context.Background(), dst, src, ntfs.size,
		Options{SectorSize: 512, Placement: place, Protectors: []NewProtector{ClearKey{}}, Description: "as prepared"})
	require.NoError(t, err)

	k := newKeys()
	plain := filepath.Join(t.TempDir(), "plain")
	opens := func(how ...string) {
		t.Helper()
		_ = os.Remove(plain)
		run(t, "dislocker-file", append(how, "-V", dst.Name(), "--", plain)...)
		require.Equal(t, ntfs.masked(t, ntfs.path, place, nil), ntfs.masked(t, plain, place, nil))
	}
	v, err := Open(dst, ntfs.size)
	require.NoError(t, err)
	require.Equal(t, []ProtectorKind{ClearKeyProtector}, kindsOf(v))
	require.ErrorIs(t, v.Suspend(), nil, "it is suspended")
	_, err = v.AddProtector(k.recovery)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, v.Unlock(ClearKey{}))
	require.ErrorContains(t, v.Resume(), "last one")
	opens("-c")

	_, err = v.AddProtector(k.recovery)
	require.NoError(t, err)
	opens("-p" + k.recovery.Text())
	passphrase, err := v.AddProtector(k.passphrase)
	require.NoError(t, err)
	id, err := v.AddProtector(k.external)
	require.NoError(t, err)
	require.Equal(t, k.external.ID, id)
	_, err = v.AddProtector(k.external)
	require.ErrorContains(t, err, "already")
	_, err = v.AddProtector(SealTPM(k.seal))
	require.NoError(t, err)
	judge(t, dst.Name(), k, v.Info())
	opens("-u" + string(k.passphrase))
	opens("-f", k.bek(t))
	opens("-c")

	require.NoError(t, v.Resume())
	require.Equal(t, []ProtectorKind{RecoveryPasswordProtector, PassphraseProtector, ExternalKeyProtector, TPMProtector}, kindsOf(v))
	require.NoError(t, v.Resume(), "once more")
	require.NotContains(t, run(t, "cryptsetup", "bitlkDump", dst.Name()), "clear key")
	require.NoError(t, v.RemoveProtector(passphrase))
	require.ErrorIs(t, v.RemoveProtector(passphrase), ErrNoProtector)
	judge(t, dst.Name(), k, v.Info())
	opens("-p" + k.recovery.Text())

	require.NoError(t, v.Suspend())
	judge(t, dst.Name(), k, v.Info())
	opens("-c")

	again, err := Open(dst, ntfs.size)
	require.NoError(t, err)
	require.Equal(t, v.Info(), again.Info())
	require.Equal(t, [3]bool{true, true, true}, again.Info().MetadataGood)
	require.ErrorIs(t, again.Unlock(k.passphrase), ErrNoProtector)
	require.ErrorIs(t, again.Unlock(NewRecoveryPassword()), ErrWrongKey)
	require.ErrorIs(t, again.Unlock(ExternalKey{ID: k.external.ID}), ErrWrongKey)
	require.ErrorIs(t, again.Unlock(ExternalKey{ID: newGUID()}), ErrNoProtector)
	require.ErrorIs(t, again.Unlock(MasterKey{}), ErrWrongKey)
	require.NoError(t, again.Unlock(UnsealTPM(k.unseal)))
}

// TestProtectorsOfWindows changes volumes that Windows made.
func TestProtectorsOfWindows(t *testing.T) {
	for _, name := range []string{"bitlk-aes-xts-128", "bitlk-aes-cbc-elephant-128", "bitlk-aes-xts-128-4k", "bitlk-togo-aes-xts-128", "bitlk-aes-xts-128-crc"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conf := imagesConf(t)[name]
			path := filepath.Join(t.TempDir(), "copy.img")
			run(t, "cp", "--sparse=always", filepath.Join(images(t), name+".img"), path)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			v, err := Open(f, openImage(t, name).Size())
			require.NoError(t, err)
			require.NoError(t, v.Unlock(Passphrase(conf["PW"])))

			k := newKeys()
			k.passphrase = Passphrase(conf["PW"])
			_, err = v.AddProtector(k.external)
			require.NoError(t, err)
			_, err = v.AddProtector(SealTPM(k.seal))
			require.NoError(t, err)
			require.Equal(t, [3]bool{true, true, true}, v.Info().MetadataGood)
			require.Equal(t, conf["SHA256SUM"], plainSum(t, v))
			for _, p := range v.Info().Protectors {
				if p.Kind == RecoveryPasswordProtector {
					require.NoError(t, v.RemoveProtector(p.ID))
				}
			}
			judge(t, path, k, v.Info())
			plain := filepath.Join(t.TempDir(), "plain")
			run(t, "dislocker-file", "-f", k.bek(t), "-V", path, "--", plain)
			require.Equal(t, conf["SHA256SUM"], run(t, "sha256sum", plain)[:64])
		})
	}
}

// Whatever write fails, the volume opens with the old protectors or the new ones.
func TestTornChanges(t *testing.T) {
	original, plain, key := convertRandom(t, Options{})
	for failAt := 1; failAt <= 4; failAt++ {
		disk := &memory{data: bytes.Clone(original.data), failAt: failAt}
		v := unlocked(t, disk, key)
		_, err := v.AddProtector(ExternalKey{Key: [32]byte{2}})
		if failAt > 3 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errDisk)
		}
		v = unlocked(t, disk, key)
		require.Len(t, v.Info().Protectors, map[bool]int{true: 1, false: 2}[failAt == 1], "the newest good copy serves")
		requirePlain(t, plain, v)
		disk.failAt = 0
		_, err = v.AddProtector(ExternalKey{Key: [32]byte{3}})
		require.NoError(t, err)
		require.Equal(t, [3]bool{true, true, true}, unlocked(t, disk, ExternalKey{Key: [32]byte{3}}).Info().MetadataGood)
	}
}

// TestWriteAt writes pieces of every kind, and compares with the same done to the plaintext.
func TestWriteAt(t *testing.T) {
	for _, o := range []Options{{SectorSize: 512}, {SectorSize: 4096, Method: AESXTS256}, {Method: AESCBC256Diffuser}} {
		disk, plain, key := convertRandom(t, o)
		v := unlocked(t, disk, key)
		requirePlain(t, plain, v)
		random := rand.New(rand.NewChaCha8([32]byte{3}))
		for range 400 {
			data := make([]byte, random.IntN(20_000))
			if random.IntN(10) == 0 {
				data = make([]byte, random.IntN(300_000))
			}
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			off := random.Int64N(testSize - int64(len(data)))
			if random.IntN(4) == 0 {
				off = random.Int64N(20_000)
			}
			before := disk.writes
			n, err := v.WriteAt(data, off)
			if touches(off, int64(len(data))) {
				require.ErrorIs(t, err, ErrReserved)
				require.Zero(t, n)
				require.Equal(t, before, disk.writes, "nothing is written")
				continue
			}
			require.NoError(t, err)
			require.Equal(t, len(data), n)
			copy(plain[off:], data)
		}
		requirePlain(t, plain, v)
		requirePlain(t, plain, unlocked(t, disk, key))

		_, err := v.WriteAt(make([]byte, blockAreaSize), testPlacement.Metadata[1])
		require.NoError(t, err, "zeros are what is there")
		_, err = v.WriteAt(make([]byte, 2), testSize-1)
		require.ErrorContains(t, err, "not within")
		_, err = v.WriteAt(make([]byte, 2), -1)
		require.ErrorContains(t, err, "not within")
		v.Lock()
		_, err = v.WriteAt(make([]byte, 2), 0)
		require.ErrorIs(t, err, ErrLocked)

		readOnly := unlocked(t, bytes.NewReader(disk.data), key)
		_, err = readOnly.WriteAt(make([]byte, 2), 0)
		require.ErrorContains(t, err, "reading only")
		require.ErrorContains(t, readOnly.Suspend(), "reading only")
	}
}

func touches(off, size int64) bool {
	for _, e := range []Extent{
		{testPlacement.Metadata[0], blockAreaSize}, {testPlacement.Metadata[1], blockAreaSize},
		{testPlacement.Metadata[2], blockAreaSize}, {testPlacement.Header, headerAreaSize},
	} {
		if off < e.Offset+e.Size && e.Offset < off+size {
			return true
		}
	}
	return false
}

// Reading in pieces of any size at any place is reading the whole.
func TestReadAt(t *testing.T) {
	disk, plain, key := convertRandom(t, Options{})
	v := unlocked(t, disk, key)
	random := rand.New(rand.NewChaCha8([32]byte{4}))
	for range 500 {
		b := make([]byte, random.IntN(200_000))
		off := random.Int64N(testSize)
		n, err := v.ReadAt(b, off)
		want := min(int64(len(b)), testSize-off)
		require.Equal(t, int(want), n)
		if int64(len(b)) > want {
			require.ErrorIs(t, err, io.EOF)
		} else {
			require.NoError(t, err)
		}
		require.True(t, bytes.Equal(plain[off:][:n], b[:n]))
	}
	_, err := v.ReadAt(make([]byte, 1), -1)
	require.Error(t, err)
	_, err = v.ReadAt(make([]byte, 1), testSize)
	require.ErrorIs(t, err, io.EOF)
}

// A volume with hundreds of protectors does not have a password tried with each.
func TestManyProtectors(t *testing.T) {
	disk, _, key := convertRandom(t, Options{})
	v := unlocked(t, disk, key)
	m := *v.meta
	for range maxProtectors + 1 {
		d, err := ExternalKey{Key: [32]byte{9}}.protect(&keyRing{masterKey: key[:]})
		require.NoError(t, err)
		m.add(d)
	}
	_, err := ExternalKey{Key: [32]byte{7}}.masterKey(m.protectors())
	require.ErrorIs(t, err, ErrMetadata)
	require.ErrorContains(t, err, "more than 64")
}
