package guardian_test

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

const (
	rushProcesses = 5
	rushRounds    = 6
)

// Several processes add, overwrite, remove, list and open the same guardians at once. None ever sees a half one.
func TestProcessesRush(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "guardians")
	type process struct {
		*exec.Cmd
		out *bytes.Buffer
	}
	var processes []process
	for i := range rushProcesses {
		kind := []signing.KeyKind{signing.P256, signing.P384}[i%2]
		o := order{Action: "rush", Store: dir, Keys: saveOwner(t, imported(t, "own", kind)), Name: fmt.Sprintf("own %d", i)}
		p := process{o.command(t), &bytes.Buffer{}}
		p.Stdout, p.Stderr = p.out, p.out
		require.NoError(t, p.Start())
		processes = append(processes, p)
	}
	for _, p := range processes {
		require.NoError(t, p.Wait(), "%s", p.out)
	}

	s := openStore(t, dir)
	for i := range rushProcesses {
		g, err := s.Get(fmt.Sprintf("own %d", i))
		require.NoError(t, err)
		require.Equal(t, "own", g.Signing.Subject.CommonName)
	}
	requireClean(t, dir, s)
}

// rush is what each process does.
func (o order) rush(s *guardian.Store) error {
	owner, err := loadOwner(o.Keys, "shared")
	if err != nil {
		return err
	}
	data, err := owner.Metadata()
	if err != nil {
		return err
	}
	for round := range rushRounds {
		if err := s.AddOwner(owner, passphrase, true); err != nil {
			return err
		}
		if _, err := s.Add(o.Name, data, round > 0); err != nil {
			return err
		}
		if _, err := s.Add("contested", data, false); err != nil && !errors.Is(err, guardian.ErrExists) {
			return err
		}
		list, err := s.List()
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Err != nil || e.Owner != (e.Name == "shared") {
				return fmt.Errorf("round %d: found %+v", round, e)
			}
		}
		if _, err := s.Owner("shared", passphrase); err != nil && !errors.Is(err, guardian.ErrNotFound) {
			return err
		}
		for _, name := range []string{"contested", "shared"} {
			if err := s.Remove(name); err != nil && !errors.Is(err, guardian.ErrNotFound) {
				return err
			}
		}
	}
	return nil
}
