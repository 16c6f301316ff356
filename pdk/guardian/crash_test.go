package guardian_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// This test binary is also the program that other processes run: with an order in the environment it does as told.
func TestMain(m *testing.M) {
	if text := os.Getenv("GUARDIAN_TEST_ORDER"); text != "" {
		var o order
		err := json.Unmarshal([]byte(text), &o)
		if err == nil {
			err = o.carryOut()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// order is what another process is to do.
type order struct {
	Store  string // its folder
	Keys   string // a folder with PEM files of an owner's keys
	Name   string
	Action string // "add", "add owner", "remove", "rush"
	Pass   string

	DieAt int // the file at which to die, with half of it written, 1 for the first; 0: live
}

func (o order) command(t testing.TB) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(o)
	require.NoError(t, err)
	executable, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(executable)
	cmd.Env = append(os.Environ(), "GUARDIAN_TEST_ORDER="+string(text))
	return cmd
}

func (o order) carryOut() error {
	s, err := guardian.OpenStore(o.Store)
	if err != nil {
		return err
	}
	s.Quick()
	file := 0
	s.Intercept(func(path string, data []byte) error {
		if file++; file == o.DieAt {
			die(path, data)
		}
		return nil
	})
	switch o.Action {
	case "remove":
		return s.Remove(o.Name)
	case "rush":
		return o.rush(s)
	}
	owner, err := loadOwner(o.Keys, o.Name)
	if err != nil {
		return err
	}
	if o.Action == "add owner" {
		return s.AddOwner(owner, o.Pass, true)
	}
	data, err := owner.Metadata()
	if err != nil {
		return err
	}
	_, err = s.Add(o.Name, data, true)
	return err
}

// die ends the process as a power cut would, with no chance to clean up.
func die(path string, data []byte) {
	if data != nil {
		if f, err := atomicfile.Create(path, true); err == nil {
			_, _ = f.Write(data[:len(data)/2])
		}
	}
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
	select {} // until the signal is there
}

// saveOwner writes the owner's keys for loadOwner in another process, which saves making new ones.
func saveOwner(t testing.TB, o *guardian.Owner) (dir string) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir, "signing.pem", append(certPEM(o.Signing), keyPEM(t, o.SigningKey)...))
	put(t, dir, "encryption.pem", append(certPEM(o.Encryption), keyPEM(t, o.EncryptionKey)...))
	return dir
}

func loadOwner(dir, name string) (*guardian.Owner, error) {
	var identities []*signing.Identity
	for _, file := range []string{"signing.pem", "encryption.pem"} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		id, err := signing.LoadPEM(data, data)
		if err != nil {
			return nil, err
		}
		identities = append(identities, id)
	}
	return guardian.ImportOwner(name, identities[0], identities[1])
}

// A change of the store, and how to see whether the store is as before it, or as after it.
type change struct {
	before func(*testing.T, *guardian.Store)
	order  order
	isOld  func(*guardian.Store) error
	isNew  func(*guardian.Store) error
}

func changes(t *testing.T) map[string]change {
	old, new := imported(t, "Contoso", signing.P256), imported(t, "Contoso", signing.P384)
	oldKeys, newKeys := saveOwner(t, old), saveOwner(t, new)
	opens := func(o *guardian.Owner, pass string) func(*guardian.Store) error {
		return func(s *guardian.Store) error {
			got, err := s.Owner("Contoso", pass)
			if err == nil && !got.Signing.Equal(o.Signing) {
				err = errors.New("it is another owner")
			}
			return err
		}
	}
	isFabric := func(o *guardian.Owner) func(*guardian.Store) error {
		return func(s *guardian.Store) error {
			list, err := s.List()
			if err == nil && (len(list) != 1 || list[0].Owner || list[0].Err != nil || !list[0].Guardian.Signing.Equal(o.Signing)) {
				err = fmt.Errorf("the store has %+v", list)
			}
			return err
		}
	}
	isEmpty := func(s *guardian.Store) error {
		list, err := s.List()
		if len(list) > 0 {
			err = fmt.Errorf("the store has %+v", list)
		}
		return err
	}
	empty := func(*testing.T, *guardian.Store) {}
	hasOld := func(t *testing.T, s *guardian.Store) { require.NoError(t, s.AddOwner(old, "old", false)) }
	hasFabric := func(t *testing.T, s *guardian.Store) {
		_, err := s.Add("Contoso", metadata(t, old), false)
		require.NoError(t, err)
	}
	return map[string]change{
		"new owner":                 {empty, order{Action: "add owner", Keys: newKeys, Pass: "new"}, isEmpty, opens(new, "new")},
		"owner for owner":           {hasOld, order{Action: "add owner", Keys: newKeys, Pass: "new"}, opens(old, "old"), opens(new, "new")},
		"other passphrase":          {hasOld, order{Action: "add owner", Keys: oldKeys, Pass: "new"}, opens(old, "old"), opens(old, "new")},
		"owner for fabric guardian": {hasFabric, order{Action: "add owner", Keys: newKeys, Pass: "new"}, isFabric(old), opens(new, "new")},
		"new fabric guardian":       {empty, order{Action: "add", Keys: newKeys}, isEmpty, isFabric(new)},
		"fabric for fabric":         {hasFabric, order{Action: "add", Keys: newKeys}, isFabric(old), isFabric(new)},
		"owner removed":             {hasOld, order{Action: "remove"}, opens(old, "old"), isEmpty},
		"fabric guardian removed":   {hasFabric, order{Action: "remove"}, isFabric(old), isEmpty},
	}
}

// A process dies in the middle of each file that it would write, and before each that it would remove. What it left is
// either all of the old or all of the new; the same change made again succeeds, and leaves nothing behind.
func TestCrashes(t *testing.T) {
	for name, c := range changes(t) {
		t.Run(name, func(t *testing.T) {
			for dieAt := 1; ; dieAt++ {
				dir := filepath.Join(t.TempDir(), "guardians")
				s := openStore(t, dir)
				c.before(t, s)
				o := c.order
				o.Store, o.Name, o.DieAt = dir, "Contoso", dieAt
				out, err := o.command(t).CombinedOutput()
				if err == nil { // it came to the end
					require.Greater(t, dieAt, 1)
					return
				}
				require.Empty(t, string(out))
				requireEither(t, s, c)

				o.DieAt = 0
				out, err = o.command(t).CombinedOutput()
				if err != nil { // all that there was to remove is gone
					require.Contains(t, string(out), guardian.ErrNotFound.Error())
				}
				require.NoError(t, c.isNew(s))
				requireClean(t, dir, s)
			}
		})
	}
}

// The disk is full, or something else is wrong, at each file. The error is told, and cleaned up after.
func TestFailedWrites(t *testing.T) {
	failure := errors.New("no space left")
	for name, c := range changes(t) {
		t.Run(name, func(t *testing.T) {
			for failAt := 1; ; failAt++ {
				dir := filepath.Join(t.TempDir(), "guardians")
				s := openStore(t, dir)
				c.before(t, s)
				file := 0
				s.Intercept(func(string, []byte) error {
					if file++; file == failAt {
						return failure
					}
					return nil
				})
				var err error
				o := c.order
				if o.Store, o.Name = dir, "Contoso"; o.Action == "remove" {
					err = s.Remove("Contoso")
				} else {
					owner, loadErr := loadOwner(o.Keys, "Contoso")
					require.NoError(t, loadErr)
					if o.Action == "add owner" {
						err = s.AddOwner(owner, o.Pass, true)
					} else {
						_, err = s.Add("Contoso", metadata(t, owner), true)
					}
				}
				if file < failAt {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, failure)
				requireEither(t, s, c)
				if c.isOld(s) == nil {
					requireClean(t, dir, s)
				}
			}
		})
	}
}

// requireEither demands that the store is as before the change or as after it.
func requireEither(t *testing.T, s *guardian.Store, c change) {
	t.Helper()
	oldErr, newErr := c.isOld(s), c.isNew(s)
	require.True(t, (oldErr == nil) != (newErr == nil), "old: %v, new: %v", oldErr, newErr)
}

// requireClean demands that there is no file in the folder that belongs to nothing.
func requireClean(t *testing.T, dir string, s *guardian.Store) {
	t.Helper()
	list, err := s.List()
	require.NoError(t, err)
	var guardians, owners []string
	for _, e := range list {
		require.NoError(t, e.Err)
		if e.Owner {
			owners = append(owners, e.Name)
		} else {
			guardians = append(guardians, e.Name)
		}
	}
	requireOnly(t, dir, guardians, owners)
}
