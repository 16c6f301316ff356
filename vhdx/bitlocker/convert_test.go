package bitlocker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// keys are one of each kind.
type keys struct {
	recovery   RecoveryPassword
	passphrase Passphrase
	external   ExternalKey
	sealed     []byte // what the TPM would keep
}

func newKeys() *keys {
	k := &keys{recovery: NewRecoveryPassword(), passphrase: "correct horse battery staple", external: ExternalKey{ID: newGUID()}}
	copy(k.external.Key[:], random(32))
	return k
}

var testBlob = TPMBlob{
	PCRs: []int{7, 11}, Private: bytes.Repeat([]byte{1}, 0x8a), Public: bytes.Repeat([]byte{2}, 0x4e), PCRDigest: bytes.Repeat([]byte{3}, 32),
}

func (k *keys) seal(key []byte) (TPMBlob, error) {
	k.sealed = bytes.Clone(key)
	return testBlob, nil
}

func (k *keys) unseal(blob TPMBlob) ([]byte, error) {
	if fmt.Sprint(blob) != fmt.Sprint(testBlob) {
		return nil, fmt.Errorf("another blob: %v", blob)
	}
	return bytes.Clone(k.sealed), nil
}

func (k *keys) protectors() []NewProtector {
	return []NewProtector{k.recovery, k.passphrase, k.external, ClearKey{}, SealTPM(k.seal)}
}

func (k *keys) credentials() map[string]Credential {
	return map[string]Credential{
		"recovery password": k.recovery, "passphrase": k.passphrase, "external key": k.external, "clear key": ClearKey{},
		"external key without its identifier": ExternalKey{Key: k.external.Key}, "TPM": UnsealTPM(k.unseal),
	}
}

// bek makes the .bek file of the external key (libbde, "BitLocker External Key (BEK) file").
func (k *keys) bek(t testing.TB) string {
	t.Helper()
	value := binary.LittleEndian.AppendUint64(slices.Clone(k.external.ID[:]), 0x1d532365d428a70)
	d := datum{role: 6, kind: kindExternal, version: 1, value: value, nested: []datum{
		textDatum(roleProperty, "ExternalKey"), secret{keyExternal, k.external.Key[:]}.datum(1),
	}}
	head := make([]byte, 48)
	for i, n := range []uint32{156, 1, 48, 156} {
		binary.LittleEndian.PutUint32(head[4*i:], n)
	}
	copy(head[16:], k.external.ID[:])
	binary.LittleEndian.PutUint32(head[32:], 1)
	path := filepath.Join(t.TempDir(), "key.bek")
	require.NoError(t, os.WriteFile(path, d.append(head), 0o600))
	return path
}

func create(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "volume.img"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	require.NoError(t, f.Truncate(size))
	return f
}

// masked reads a volume with zeros where the metadata come, and, with free, where nothing is.
func (v *ntfsVolume) masked(t testing.TB, path string, p Placement, free []Extent) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, data, int(v.size))
	blank := append([]Extent{{p.Header, headerAreaSize}, {p.Spare, blockAreaSize}}, free...)
	for _, offset := range p.Metadata {
		blank = append(blank, Extent{offset, blockAreaSize})
	}
	for _, e := range blank {
		clear(data[e.Offset:][:e.Size])
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// TestConvert has dislocker, libbde and cryptsetup open what Convert makes, with everything that opens it.
func TestConvert(t *testing.T) {
	for _, c := range []struct {
		method                  Method
		sectorSize, clusterSize int
		everything              bool
	}{
		{AESXTS128, 512, 4096, false},
		{AESXTS128, 512, 4096, true},
		{AESXTS256, 512, 512, false},
		{AESXTS128, 4096, 4096, false},
		{AESXTS256, 4096, 65536, true},
		{AESCBC128, 512, 4096, false},
		{AESCBC256, 512, 4096, true},
		{AESCBC128Diffuser, 512, 65536, false},
		{AESCBC256Diffuser, 512, 4096, false},
	} {
		t.Run(fmt.Sprintf("%v/sector%d/cluster%d/everything=%v", c.method, c.sectorSize, c.clusterSize, c.everything), func(t *testing.T) {
			if testing.Short() && c.method != AESXTS128 {
				t.Skip("short: one method is enough")
			}
			ntfs := newNTFS(t, 32<<20, c.sectorSize, c.clusterSize)
			place, err := Place(ntfs.free(ntfs.bitmap(t)), ntfs.size, ntfs.clusterSize)
			require.NoError(t, err)
			ntfs.reserve(t, place.Reserved)
			ntfs.check(t, ntfs.path)

			o := Options{Method: c.method, SectorSize: c.sectorSize, Placement: place, Description: "JUDGED C: 11/22/2026"}
			var free []Extent
			if !c.everything {
				o.Free = ntfs.free(ntfs.bitmap(t))
				for e := range o.Free {
					free = append(free, e)
				}
			}
			k := newKeys()
			o.Protectors = k.protectors()
			src, err := os.Open(ntfs.path)
			require.NoError(t, err)
			defer src.Close()
			dst := create(t, ntfs.size)
			_, err = Convert(context.Background(), dst, src, ntfs.size, o)
			require.NoError(t, err)
			want := ntfs.masked(t, ntfs.path, place, free)

			v, err := Open(dst, ntfs.size)
			require.NoError(t, err)
			for name, credential := range k.credentials() {
				require.NoError(t, v.Unlock(credential), name)
				plain := filepath.Join(t.TempDir(), "plain")
				data := make([]byte, ntfs.size)
				_, err := v.ReadAt(data, 0)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(plain, data, 0o600))
				require.Equal(t, want, ntfs.masked(t, plain, place, free), name)
				v.Lock()
			}
			judge(t, dst.Name(), k, v.Info())
			for _, how := range k.dislocker(t) {
				plain := filepath.Join(t.TempDir(), "plain")
				run(t, "dislocker-file", append(how, "-V", dst.Name(), "--", plain)...)
				require.Equal(t, want, ntfs.masked(t, plain, place, free), how)
				ntfs.check(t, plain)
			}
		})
	}
}

// dislocker are the options with which dislocker opens the volume.
func (k *keys) dislocker(t testing.TB) [][]string {
	return [][]string{{"-p" + k.recovery.Text()}, {"-u" + string(k.passphrase)}, {"-f", k.bek(t)}, {"-c"}}
}

// judge has other programs read the metadata and open the volume.
func judge(t testing.TB, path string, k *keys, info Info) {
	t.Helper()
	dump := run(t, "cryptsetup", "bitlkDump", path)
	require.Contains(t, dump, info.ID.String())
	metadata := strings.ToLower(run(t, "dislocker-metadata", "-V", path))
	for _, p := range info.Protectors {
		require.Contains(t, dump, p.ID.String())
		require.Contains(t, metadata, p.ID.String())
	}
	kinds := map[ProtectorKind]bool{}
	for _, p := range info.Protectors {
		kinds[p.Kind] = true
	}
	methods := map[Method]string{
		AESXTS128: "AES-XTS 128", AESCBC128: "AES-CBC 128", AESCBC256: "AES-CBC 256",
		AESCBC128Diffuser: "AES-CBC 128", AESCBC256Diffuser: "AES-CBC 256",
	}
	open := func(kind ProtectorKind, file string, text string, option ...string) {
		if !kinds[kind] {
			return
		}
		require.Contains(t, runWith(t, []byte(text), "cryptsetup", "bitlkDump", "-q", "--dump-volume-key", "--key-file", file, path), "MK dump:", kind)
		if info.Method == AESXTS256 {
			return // libbde 20190102 does not know it, neither ours nor that of Windows
		}
		out := run(t, "bdeinfo", append(option, path)...)
		require.Contains(t, out, info.ID.String())
		require.NotContains(t, out, "Volume is locked", kind)
		require.Contains(t, out, methods[info.Method])
	}
	bek := k.bek(t)
	open(RecoveryPasswordProtector, "-", k.recovery.Text(), "-r", k.recovery.Text())
	open(PassphraseProtector, "-", string(k.passphrase), "-p", string(k.passphrase))
	open(ExternalKeyProtector, bek, "", "-s", bek)
}

// TestConvertAsksForFreeRunsFirst: the bitmap that tells them is a file of the volume, and soon encrypted with it.
func TestConvertAsksForFreeRunsFirst(t *testing.T) {
	const size = 16 << 20
	f := create(t, size)
	want := random(size)
	_, err := f.WriteAt(want, 0)
	require.NoError(t, err)
	free := []Extent{{1 << 20, 4 << 20}, {6 << 20, 3 << 20}, {10 << 20, 1 << 20}, {12 << 20, 4<<20 - 1}}
	told := 0
	runs := func(yield func(Extent, error) bool) {
		for _, e := range free {
			now := make([]byte, size)
			_, err := f.ReadAt(now, 0)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, now), "run %d is asked for after something was written", told)
			told++
			if !yield(e, nil) {
				return
			}
		}
	}
	place := Placement{Metadata: [3]int64{1 << 20, 6 << 20, 10 << 20}, Header: 2 << 20, Spare: 3 << 20}
	_, err = Convert(t.Context(), f, f, size, Options{SectorSize: 512, Placement: place, Protectors: []NewProtector{ClearKey{}}, Free: runs})
	require.NoError(t, err)
	require.Equal(t, len(free), told)

	now := make([]byte, size)
	_, err = f.ReadAt(now, 0)
	require.NoError(t, err)
	v, err := Open(f, size)
	require.NoError(t, err)
	require.NoError(t, v.Unlock(ClearKey{}))
	plain := make([]byte, size)
	_, err = v.ReadAt(plain, 0)
	require.NoError(t, err)
	for at := int64(0); at < size; at += 512 {
		sector := func(b []byte) []byte { return b[at : at+512] }
		within := func(offset, length int64) bool { return offset <= at && at < offset+length }
		if slices.ContainsFunc(free, func(e Extent) bool { return within(e.Offset, e.Size-511) }) {
			own := within(place.Header, headerAreaSize)
			for _, offset := range place.Metadata {
				own = own || within(offset, blockAreaSize)
			}
			require.True(t, own || bytes.Equal(sector(want), sector(now)), "free at %#x", at)
		} else {
			require.True(t, bytes.Equal(sector(want), sector(plain)), "in use at %#x", at)
		}
	}
}
