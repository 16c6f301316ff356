package model

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// tenant makes a store with an owner and two fabrics.
func tenant(t *testing.T) (*guardian.Store, *guardian.Owner) {
	t.Helper()
	store, err := guardian.OpenStore(filepath.Join(t.TempDir(), "store"))
	require.NoError(t, err)
	o, err := MakeOwner(store, "Contoso", "open sesame")
	require.NoError(t, err)
	for _, name := range []string{"North", "South"} {
		fabric, err := guardian.NewOwner(name, 2048, time.Hour)
		require.NoError(t, err)
		data, err := fabric.Metadata()
		require.NoError(t, err)
		_, err = store.Add(name, data, false)
		require.NoError(t, err)
	}
	return store, o
}

func grant(s *ShieldingData, names ...string) {
	for i := range s.Access {
		s.Access[i].Granted = false
		for _, n := range names {
			if s.Access[i].Name == n {
				s.Access[i].Granted = true
			}
		}
	}
}

func run(t *testing.T, s *ShieldingData, overwrite bool) error {
	t.Helper()
	return s.Job(overwrite, func(d *pdk.ShieldingData) { s.Result = d })(context.Background(), func(int64, int64) {})
}

// existing makes shielding data for an existing virtual machine, that North can
// open.
func existing(t *testing.T, store *guardian.Store, o *guardian.Owner, path string) {
	t.Helper()
	s := NewShielding()
	s.Kind, s.Path = pdk.ExistingVM, path
	require.False(t, s.Ready())
	s.Unlock(o, nil, nil)
	c, err := ReadCandidates(store, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"Contoso"}, c.Owners)
	s.Offer(c)
	require.Len(t, s.Access, 2, "the owner has access anyway")
	require.False(t, s.OwnerReady())
	grant(&s, "North")
	require.True(t, s.Ready())
	require.NoError(t, run(t, &s, false))
	require.Equal(t, []string{"Contoso", "North"}, WhoOpens(s.Result, s.Access, "Contoso"))
	require.ErrorIs(t, run(t, &s, false), os.ErrExist, "never replaced without being told")
}

func open(t *testing.T, store *guardian.Store, path string) ShieldingData {
	t.Helper()
	e, err := OpenShielding(path, store)
	require.NoError(t, err)
	require.Equal(t, "Contoso", e.Owner)
	s := Edit(e)
	o, err := OpenOwner(store, e.Owner, "open sesame", true)
	require.NoError(t, err)
	a, files, err := e.Secrets(o)
	require.NoError(t, err)
	s.Unlock(o, a, files)
	c, err := ReadCandidates(store, e)
	require.NoError(t, err)
	s.Offer(c)
	return s
}

func TestEditShielding(t *testing.T) {
	store, o := tenant(t)
	path := filepath.Join(t.TempDir(), "vm.pdk")
	existing(t, store, o, path)

	s := open(t, store, path)
	require.False(t, s.Changed())
	require.False(t, s.Ready())
	require.True(t, s.InPlace())
	grant(&s, "South")
	require.Len(t, s.Revoked(), 1)
	require.Equal(t, "North", s.Revoked()[0].Name)
	require.Equal(t, "South", s.Remaining()[0].Name)
	stale := open(t, store, path)
	require.NoError(t, os.Chmod(path, 0o640))
	require.NoError(t, run(t, &s, true))
	require.Equal(t, []string{"Contoso", "South"}, WhoOpens(s.Result, s.Access, "Contoso"))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm(), "permissions stay")

	stale.Policy = pdk.EncryptionSupported
	require.ErrorContains(t, run(t, &stale, true), "Somebody changed the file")

	require.NoError(t, store.Remove("Contoso"))
	e, err := OpenShielding(path, store)
	require.NoError(t, err)
	require.Empty(t, e.Owner)
}

func TestOpenOwner(t *testing.T) {
	store, _ := tenant(t)
	for _, secret := range []string{"", "wrong"} {
		_, err := OpenOwner(store, "Contoso", secret, false)
		require.True(t, WrongPassphrase(err), secret)
	}
	_, err := OpenOwner(store, "North", "open sesame", false)
	require.ErrorIs(t, err, guardian.ErrNotOwner)
	_, err = MakeOwner(store, "contoso", "x")
	require.ErrorContains(t, err, "already")
}

func TestShieldingFiles(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	answer, err := OpenAnswerFile(write("unattend.xml", "<a>@ComputerName@</a>"))
	require.NoError(t, err)
	_, err = OpenAnswerFile(write("bad.xml", "<a>"))
	require.Error(t, err)
	_, err = OpenSecret(write("empty", ""))
	require.ErrorContains(t, err, "empty")
	_, err = OpenSecret(write("much", string(make([]byte, pdk.MaxFiles+1))))
	require.ErrorContains(t, err, "384 KiB")
	most, err := OpenSecret(write("most", string(make([]byte, pdk.MaxFiles))))
	require.NoError(t, err)

	s := NewShielding()
	require.False(t, s.FilesReady())
	require.NoError(t, s.SetAnswerFile(answer))
	require.True(t, s.FilesReady())
	require.NoError(t, s.AddFile(most))
	require.NoError(t, s.AddFile(most), "takes its own place")
	require.Len(t, s.Files, 1)
	require.Equal(t, pdk.MaxFiles+answer.Size, s.Total())
	require.False(t, s.FilesReady())
	s.RemoveFile(0)
	require.True(t, s.FilesReady())
	require.Error(t, s.AddFile(Secret{Name: "UNATTEND.XML", Path: "x", Size: 1}))
	s.Path = answer.Path
	require.Error(t, s.CheckPath())
	s.DropAnswerFile()
	require.Nil(t, s.AnswerFile)
}

func TestSpecialization(t *testing.T) {
	folder := t.TempDir()
	answer, out := filepath.Join(folder, "unattend.xml"), filepath.Join(folder, "vm.fsk")
	require.NoError(t, os.WriteFile(answer, []byte("<a><b>@ComputerName@</b><c>@computername@ @Site@ @TimeZone@</c></a>"), 0o600))
	places, err := ReadPlaces(answer)
	require.NoError(t, err)
	require.Equal(t, []Place{{"@ComputerName@", true}, {"@Site@", false}, {"@TimeZone@", true}}, places)
	require.NoError(t, CheckPlace("@ComputerName@", ""))
	require.NoError(t, CheckPlace("@ComputerName@", "VM01"))
	require.Error(t, CheckPlace("@ComputerName@", "VM 01;"))

	_, err = SaveValues(answer, out, map[string]string{"@ComputerName@": ""}, false)
	require.Error(t, err)
	_, err = SaveValues(answer, answer, map[string]string{"@ComputerName@": "VM01"}, true)
	require.Error(t, err)
	missing, err := SaveValues(answer, out, map[string]string{"@ComputerName@": "VM01", "@Site@": ""}, false)
	require.NoError(t, err)
	require.Equal(t, []string{"@TimeZone@"}, missing)
	v, err := ReadValues(out)
	require.NoError(t, err)
	require.Len(t, v, 1)
}
