package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

var password = []byte("of the backup")

func fullStore(t testing.TB) *Store {
	t.Helper()
	s, _ := newStore(t)
	require.NoError(t, s.Update(func(tx *Tx) error {
		for i := range 300 {
			if err := tx.Put(Hosts, fmt.Sprint("host ", i), bytes.Repeat([]byte{byte(i)}, 1000)); err != nil {
				return err
			}
		}
		for i := range 20 {
			if err := tx.Record("kind", i); err != nil {
				return err
			}
		}
		return errors.Join(tx.Put(Certificates, "one", []byte("private key")), tx.Put(HostKeys, "k", []byte("1")))
	}))
	return s
}

func backup(t testing.TB, s *Store, only ...Bucket) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.Backup(&b, password, only...))
	return b.Bytes()
}

func TestBackup(t *testing.T) {
	s := fullStore(t)
	data := backup(t, s)
	require.NotContains(t, string(data), "private key")
	path := filepath.Join(t.TempDir(), "restored.db")
	require.NoError(t, Restore(path, iotest.OneByteReader(bytes.NewReader(data)), password, []byte("another")))
	require.ErrorIs(t, Restore(path, bytes.NewReader(data), password, passphrase), fs.ErrExist)
	restored, err := Open(path, []byte("another"))
	require.NoError(t, err)
	defer restored.Close()
	require.Equal(t, contents(t, s), contents(t, restored))
	heads := make([]Head, 2)
	for i, s := range []*Store{s, restored} {
		require.NoError(t, s.View(func(tx *Tx) (err error) {
			heads[i], err = tx.VerifyAudit()
			return err
		}))
	}
	require.Equal(t, heads[0], heads[1])
	require.Equal(t, uint64(20), heads[0].Sequence)
	require.NoError(t, restored.Record("kind", "goes on"))

	failure := errors.New("the disk is full")
	require.ErrorIs(t, s.Backup(failingWriter{failure}, password), failure)
	require.Error(t, s.Backup(io.Discard, nil))
	require.Error(t, s.Backup(io.Discard, password, "other"))
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestBackupRefused(t *testing.T) {
	data := backup(t, fullStore(t))
	second := headerSize + chunkSize + tagSize
	require.Greater(t, len(data), second+chunkSize+tagSize, "three chunks")
	for name, c := range map[string]struct {
		data     []byte
		password string
	}{
		"nothing":           {nil, string(password)},
		"another file":      {bytes.Repeat([]byte("x"), 1000), string(password)},
		"another version":   {bytes.Replace(data, []byte("backup-1"), []byte("backup-2"), 1), string(password)},
		"wrong password":    {data, "wrong"},
		"header alone":      {data[:headerSize], string(password)},
		"cut in a chunk":    {data[:len(data)-1], string(password)},
		"cut after a chunk": {data[:second], string(password)},
		"more":              {append(bytes.Clone(data), 0), string(password)},
		"chunks swapped":    {append(append(bytes.Clone(data[:headerSize]), data[second:second+chunkSize+tagSize]...), data[headerSize:second]...), string(password)},
		"chunk missing":     {append(bytes.Clone(data[:headerSize]), data[second:]...), string(password)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := Restore(filepath.Join(dir, "hgs.db"), bytes.NewReader(c.data), []byte(c.password), passphrase)
			require.ErrorIs(t, err, ErrBackup)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
	failure := errors.New("the network is gone")
	err := Restore(filepath.Join(t.TempDir(), "x"), io.MultiReader(bytes.NewReader(data[:second]), iotest.ErrReader(failure)), password, passphrase)
	require.ErrorIs(t, err, failure)
}

func TestImport(t *testing.T) {
	from, to := fullStore(t), fullStore(t)
	put(t, from, HostKeys, "k", "2")
	require.NoError(t, from.Update(func(tx *Tx) error { return tx.Delete(Certificates, "one") }))
	put(t, to, HostKeys, "gone", "3")
	put(t, to, Policies, "stays", "4")
	require.NoError(t, to.Import(bytes.NewReader(backup(t, from, HostKeys, Certificates, Audit)), password))
	got := contents(t, to)
	require.Equal(t, "2", got["host-keys/k"])
	require.Equal(t, "4", got["policies/stays"])
	require.NotContains(t, got, "host-keys/gone")
	require.NotContains(t, got, "certificates/one")
	require.NoError(t, to.View(func(tx *Tx) error { _, err := tx.VerifyAudit(); return err }))

	before := contents(t, to)
	whole := backup(t, from)
	require.ErrorIs(t, to.Import(bytes.NewReader(whole[:len(whole)-1]), password), ErrBackup)
	require.Equal(t, before, contents(t, to), "all or nothing")
}

// TestBackupAgainstPython opens a backup with nothing but what stream.go says of its form, and the key of its password.
func TestBackupAgainstPython(t *testing.T) {
	s, _ := newStore(t)
	put(t, s, Hosts, "name", strings.Repeat("value", 20_000))
	const script = `import sys
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
data = sys.stdin.buffer.read()
header, rest, out, i = data[:36], data[36:], b"", 0
assert header[:20] == b"scutum-hgs-backup-1\n"
aead = AESGCM(bytes.fromhex(sys.argv[1]))
while rest:
    chunk, rest = rest[:65552], rest[65552:]
    out += aead.decrypt(i.to_bytes(11, "big") + (b"\0" if rest else b"\1"), chunk, header)
    i += 1
sys.stdout.buffer.write(out)`
	data := backup(t, s, Hosts)
	cmd := exec.Command("python3", "-c", script, hex.EncodeToString(derive(password, data[len(magic):headerSize])))
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "\x01\x00\x00\x00\x05hosts\x02\x00\x00\x00\x04name\x00\x01\x86\xa0"+strings.Repeat("value", 20_000)+"\x00", string(out))
}

// TestAuditLogCutOff takes the last entry away, as who may write to the file can. No copy of the store must look whole.
func TestAuditLogCutOff(t *testing.T) {
	s, path := newStore(t)
	for i := range 3 {
		require.NoError(t, s.Record("x", i))
	}
	require.NoError(t, s.Close())
	raw(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(Audit)).Delete(sequenceKey(3)) })
	require.ErrorIs(t, SetPassphrase(path, passphrase, other, "passphrase", nil), ErrAudit)
	s = openStore(t, path)
	require.ErrorIs(t, s.Backup(io.Discard, passphrase), ErrAudit)
	require.NoError(t, s.Backup(io.Discard, passphrase, Hosts), "it has no audit log")
}

// FuzzRecords reads what stands in a backup, as if it had been authenticated.
func FuzzRecords(f *testing.F) {
	bucket, entry := "\x01\x00\x00\x00\x05hosts", "\x02\x00\x00\x00\x04name\x00\x00\x00\x05value"
	f.Add([]byte(bucket + entry + "\x00"))
	f.Add([]byte(bucket + bucket + "\x00"))
	f.Add([]byte(entry + "\x00"))
	f.Add([]byte(bucket + "\x02\xff\xff\xff\xff"))
	f.Add([]byte(bucket + "\x00rest"))
	f.Fuzz(func(t *testing.T, data []byte) {
		seen := map[Bucket]bool{}
		err := readRecords(bytes.NewReader(data), func(b Bucket) error {
			require.False(t, seen[b])
			seen[b] = true
			return nil
		}, func(b Bucket, key, value []byte) error {
			require.True(t, seen[b])
			require.LessOrEqual(t, len(key)+len(value), len(data))
			return nil
		})
		if err != nil {
			require.ErrorIs(t, err, ErrBackup)
		}
	})
}

// FuzzChunks puts bytes in the place of others in a backup: what is read is as it was written, or an error.
func FuzzChunks(f *testing.F) {
	var sealed bytes.Buffer
	plain := bytes.Repeat([]byte("plain"), chunkSize/3)
	header := append([]byte(magic), make([]byte, saltSize)...)
	w := &chunkWriter{newChunks(header, password), &sealed, make([]byte, 0, chunkSize+tagSize)}
	_, err := w.Write(plain)
	require.NoError(f, err)
	require.NoError(f, w.Close())
	aead := w.aead
	f.Add(uint32(0), uint32(0), []byte{})
	f.Add(uint32(chunkSize+tagSize), uint32(1<<20), []byte{})
	f.Add(uint32(0), uint32(chunkSize+tagSize), []byte{})
	f.Fuzz(func(t *testing.T, at, cut uint32, with []byte) {
		data := sealed.Bytes()
		start := min(uint64(at), uint64(len(data)))
		end := min(start+uint64(cut), uint64(len(data)))
		changed := append(append(bytes.Clone(data[:start]), with...), data[end:]...)
		got, err := io.ReadAll(readChunks(bytes.NewReader(changed), &chunks{aead: aead, header: header}))
		if err != nil {
			require.ErrorIs(t, err, ErrBackup)
			require.True(t, bytes.HasPrefix(plain, got))
			return
		}
		require.True(t, bytes.Equal(plain, got))
	})
}
