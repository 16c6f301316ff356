package volume

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx/bitlocker"
)

// A template's volume is wholly encrypted, and opens with its clear key and with nothing else.
func TestPrepared(t *testing.T) {
	const size = 2 << 20
	place := bitlocker.Placement{Metadata: [3]int64{1 << 19, 1 << 20, 3 << 19}, Header: 1 << 18, Spare: 1<<18 + 1<<16}
	encrypted := func(protectors ...bitlocker.NewProtector) []byte {
		disk := &sectors{b: make([]byte, size)}
		_, err := bitlocker.Convert(context.Background(), disk, disk, size,
			bitlocker.Options{SectorSize: 512, Placement: place, Protectors: protectors})
		require.NoError(t, err)
		return disk.b
	}
	open := func(b []byte) error { return checkPrepared(io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b)))) }
	changed := func(b []byte, at int, with ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], with)
		return b
	}
	good := encrypted(bitlocker.ClearKey{})
	require.NoError(t, open(good))

	var key bitlocker.ExternalKey
	for kind, p := range map[string]bitlocker.NewProtector{
		"external key": key, "recovery password": bitlocker.NewRecoveryPassword(), "passphrase": bitlocker.Passphrase("secret"),
		"TPM": bitlocker.SealTPM(func(key []byte) (bitlocker.TPMBlob, error) {
			return bitlocker.TPMBlob{PCRs: []int{7, 11}, Private: []byte{1}, Public: []byte{1}, PCRDigest: []byte{1}}, nil
		}),
	} {
		for _, b := range [][]byte{encrypted(p), encrypted(bitlocker.ClearKey{}, p), encrypted(p, bitlocker.ClearKey{})} {
			require.ErrorContains(t, open(b), "("+kind+"), which would open every machine made from the template")
		}
	}
	converting := changed(good, 160, 0x3b, 0x4d, 0xa8, 0x92, 0x80, 0xdd, 0x0e, 0x4d, 0x9e, 0x4e, 0xb1, 0xe3, 0x28, 0x4e, 0xae, 0xd8)
	require.ErrorIs(t, open(converting), bitlocker.ErrConverting)
	require.ErrorIs(t, open(changed(good, 160, 1)), bitlocker.ErrMetadata)
	require.ErrorIs(t, open(good[:1<<19]), bitlocker.ErrMetadata)
	require.ErrorContains(t, open(changed(good, 1<<19, 0)), "not the same")

	// A change that was interrupted leaves a protector in one of the copies.
	disk := &sectors{b: bytes.Clone(good)}
	v, err := bitlocker.Open(disk, size)
	require.NoError(t, err)
	require.NoError(t, v.Unlock(bitlocker.ClearKey{}))
	_, err = v.AddProtector(key)
	require.NoError(t, err)
	for _, offset := range place.Metadata {
		differ := bytes.Clone(good)
		copy(differ[offset:], disk.b[offset:][:1<<16])
		require.ErrorContains(t, open(differ), "not the same")
		older := bytes.Clone(disk.b)
		copy(older[offset:], good[offset:][:1<<16])
		require.ErrorContains(t, open(older), "not the same")
	}
	torn := good
	for _, offset := range place.Metadata {
		torn = changed(torn, int(offset)+100, 1, 2, 3)
	}
	require.ErrorIs(t, open(torn), bitlocker.ErrMetadata)
	require.ErrorIs(t, open([]byte("NTFS    "+string(good[8:]))), bitlocker.ErrNotBitLocker)
}

// sectors are a disk in memory.
type sectors struct{ b []byte }

func (s *sectors) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.b).ReadAt(p, off)
}
func (s *sectors) WriteAt(p []byte, off int64) (int, error) { return copy(s.b[off:], p), nil }
