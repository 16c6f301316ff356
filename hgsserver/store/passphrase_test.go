package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// changingVariable has the path of a store whose passphrase this program is to change until it is killed.
const changingVariable = "SCUTUM_STORE_TEST_PASSPHRASE"

var other = []byte("another passphrase")

func TestSetPassphrase(t *testing.T) {
	s, path := newStore(t)
	put(t, s, Hosts, "a", "1")
	put(t, s, Certificates, "large", string(bytes.Repeat([]byte{1}, MaxValue)))
	require.NoError(t, s.Record("before", 1))
	require.ErrorIs(t, SetPassphrase(path, passphrase, other, "passphrase", nil), ErrLocked)
	require.NoError(t, s.Close())
	var wrapped []byte
	inside := func(read func(m *bbolt.Bucket)) {
		db, err := bbolt.Open(path, 0o600, nil)
		require.NoError(t, err)
		require.NoError(t, db.View(func(tx *bbolt.Tx) error {
			read(tx.Bucket([]byte(meta)))
			return nil
		}))
		require.NoError(t, db.Close())
	}
	inside(func(m *bbolt.Bucket) { wrapped = bytes.Clone(m.Get([]byte(wrappedKey))) })

	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.ErrorIs(t, SetPassphrase(path, []byte("wrong"), other, "passphrase", nil), ErrPassphrase)
	require.Error(t, SetPassphrase(path, passphrase, nil, "passphrase", nil))
	require.Error(t, SetPassphrase(path, passphrase, other, "passphrase", func() {})) // cannot be recorded
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after))
	onlyFile(t, path)

	require.NoError(t, os.Mkdir(path+".passphrase", 0o700)) // what a killed one left behind
	require.NoError(t, os.WriteFile(path+".passphrase/x.new", before, 0o600))
	require.NoError(t, SetPassphrase(path, passphrase, other, "passphrase", map[string]string{"by": "me"}))
	onlyFile(t, path)
	after, err = os.ReadFile(path)
	require.NoError(t, err)
	require.False(t, bytes.Contains(after, wrapped), "the key under the old passphrase is left")
	oldKey, err := unwrap(wrapped, passphrase)
	require.NoError(t, err)
	inside(func(m *bbolt.Bucket) {
		newKey, err := unwrap(m.Get([]byte(wrappedKey)), other)
		require.NoError(t, err)
		require.NotEqual(t, oldKey, newKey)
	})
	_, err = Open(path, passphrase)
	require.ErrorIs(t, err, ErrPassphrase)
	s, err = Open(path, other)
	require.NoError(t, err)
	defer s.Close()
	all := contents(t, s)
	require.Len(t, all, 2)
	require.Equal(t, "1", all["hosts/a"])
	require.NoError(t, s.View(func(tx *Tx) error {
		head, err := tx.VerifyAudit()
		require.EqualValues(t, 2, head.Sequence)
		return err
	}))
	require.Equal(t, []string{"before 1", `passphrase {"by":"me"}`}, entries(t, s))
}

func entries(t *testing.T, s *Store) (all []string) {
	t.Helper()
	require.NoError(t, s.View(func(tx *Tx) error {
		return tx.Entries(1, func(e *Entry) error {
			all = append(all, e.Kind+" "+string(e.Data))
			return nil
		})
	}))
	return all
}

func onlyFile(t *testing.T, path string) {
	t.Helper()
	_, err := os.Stat(path + ".passphrase")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// changeForever changes the passphrase to and fro, and says before each change which one it is.
func changeForever(path string) error {
	from, to := passphrase, other
	if s, err := Open(path, from); err != nil {
		from, to = to, from
	} else if err := s.Close(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		fmt.Println(i)
		if err := SetPassphrase(path, from, to, "passphrase", i); err != nil {
			return err
		}
		from, to = to, from
	}
}

// TestKillSetPassphrase kills a process that changes the passphrase, at whatever point it is. The file must open with one of the
// two, and have everything.
func TestKillSetPassphrase(t *testing.T) {
	s, path := newStore(t)
	for i := range 200 {
		put(t, s, Hosts, fmt.Sprint(i), "host")
		require.NoError(t, s.Record("host", i))
	}
	require.NoError(t, s.Close())
	program, err := os.Executable()
	require.NoError(t, err)
	opened := map[string]int{}
	for round := range 12 {
		child := exec.Command(program)
		child.Env = append(os.Environ(), changingVariable+"="+path)
		child.Stderr = os.Stderr
		stdout, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		in := bufio.NewScanner(stdout)
		require.True(t, in.Scan())
		kill := time.AfterFunc(time.Duration(50+round*70)*time.Millisecond, func() { _ = child.Process.Kill() })
		for in.Scan() { // to its end
		}
		require.EqualError(t, child.Wait(), "signal: killed")
		kill.Stop()

		with, without := passphrase, other
		s, err := Open(path, with)
		if err != nil {
			require.ErrorIs(t, err, ErrPassphrase)
			with, without = without, with
			s, err = Open(path, with)
		}
		require.NoError(t, err)
		opened[string(with)]++
		require.Len(t, contents(t, s), 200)
		require.NoError(t, s.View(func(tx *Tx) error {
			_, err := tx.VerifyAudit()
			return err
		}))
		require.NoError(t, s.Close())
		_, err = Open(path, without)
		require.ErrorIs(t, err, ErrPassphrase)
	}
	t.Log("opened with", opened)
}
