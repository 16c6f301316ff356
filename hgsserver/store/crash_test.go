package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// childVariable has the path of a store that this program, started by TestKill, is to write to until it is killed.
const childVariable = "SCUTUM_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(changingVariable); path != "" {
		fmt.Fprintln(os.Stderr, changeForever(path))
		os.Exit(1)
	}
	if path := os.Getenv(childVariable); path != "" {
		fmt.Fprintln(os.Stderr, writeForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForever makes changes and says of each that was acknowledged, and then only, on a line of its own.
func writeForever(path string) error {
	s, err := Open(path, passphrase)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	var stdout sync.Mutex
	say := func(what string) {
		stdout.Lock()
		defer stdout.Unlock()
		fmt.Println(what)
	}
	for writer := range 4 {
		all.Go(func() {
			for i := 0; err == nil; i++ {
				if err := s.Record("writer", fmt.Sprintf("r-%d-%d", writer, i)); err != nil {
					panic(err)
				}
				say(fmt.Sprintf("r-%d-%d", writer, i))
			}
		})
	}
	all.Go(func() {
		for i := 0; ; i++ {
			key := fmt.Sprintf("u-%d", i)
			err := s.Update(func(tx *Tx) error {
				if err := tx.Record("host", key); err != nil {
					return err
				}
				return tx.Put(Hosts, key, []byte(strings.Repeat(strconv.Itoa(i%10), 500)))
			})
			if err != nil {
				panic(err)
			}
			say(key)
		}
	})
	all.Wait()
	return nil
}

// TestKill kills a process that writes, at whatever point it is. Everything that it said it had written must be there.
func TestKill(t *testing.T) {
	s, path := newStore(t)
	require.NoError(t, s.Close())
	hosts, records := map[string]bool{}, map[string]bool{}
	for round := range 4 {
		acknowledged := killAfter(t, path, 7+13*round)
		require.NotEmpty(t, acknowledged)
		s := openStore(t, path)
		require.NoError(t, s.View(func(tx *Tx) error {
			if _, err := tx.VerifyAudit(); err != nil {
				return err
			}
			err := tx.Each(Hosts, func(key string, value []byte) error {
				require.Len(t, value, 500)
				hosts[key] = true
				return nil
			})
			require.NoError(t, err)
			return tx.Entries(0, func(e *Entry) error {
				records[e.Kind+string(e.Data)] = true
				return nil
			})
		}))
		require.NoError(t, s.Close())
		for _, what := range acknowledged {
			if strings.HasPrefix(what, "u-") {
				require.True(t, hosts[what] && records["host"+strconv.Quote(what)], what)
			} else {
				require.True(t, records["writer"+strconv.Quote(what)], what)
			}
		}
	}
}

// killAfter kills the child once it has acknowledged so many changes, and gives all that it has by then.
func killAfter(t *testing.T, path string, lines int) (acknowledged []string) {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	child := exec.Command(program)
	child.Env = append(os.Environ(), childVariable+"="+path)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	in := bufio.NewScanner(stdout)
	for in.Scan() {
		acknowledged = append(acknowledged, in.Text())
		if len(acknowledged) == lines {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait())
	require.GreaterOrEqual(t, len(acknowledged), lines)
	return acknowledged
}
