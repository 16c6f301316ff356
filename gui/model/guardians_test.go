package model

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

func TestGuardianNames(t *testing.T) {
	require.NoError(t, CheckGuardianName("Contoso"))
	for _, bad := range []string{"", "a/b", ".hidden", "-flag", "NUL", strings.Repeat("x", 65)} {
		require.Error(t, CheckGuardianName(bad), bad)
	}
	list := []guardian.Entry{{Name: "Contoso", Owner: true}, {Name: "North"}, {Name: "Torn", Err: errors.New("torn")}}
	require.Nil(t, FindTaken(list, "South"))
	require.NoError(t, CheckNotTaken(list, "north"))
	require.Error(t, CheckNotTaken(list, "CONTOSO"))
	require.Error(t, CheckNotTaken(list, "torn"))
}

func TestFabric(t *testing.T) {
	owner, err := guardian.NewOwner("North", 2048, 10*24*time.Hour)
	require.NoError(t, err)
	metadata, err := owner.Metadata()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "north.xml")
	require.NoError(t, os.WriteFile(path, metadata, 0o600))
	require.NoError(t, CheckFabricSource(path))
	require.NoError(t, CheckFabricSource("https://hgs.example.com"))
	for _, bad := range []string{"", path + "x", "ftp://hgs", "http://", "http://user@hgs"} {
		require.Error(t, CheckFabricSource(bad), bad)
	}
	f, err := LoadFabric(context.Background(), path)
	require.NoError(t, err)
	require.True(t, f.Untrusted)
	require.False(t, f.Expired)
	require.Empty(t, f.Broken)
	require.NoError(t, f.CheckThumbprint(""))
	require.NoError(t, f.CheckThumbprint(strings.ToUpper(signing.Thumbprint(owner.Signing))))
	require.Error(t, f.CheckThumbprint(signing.Thumbprint(owner.Encryption)))
	e := guardian.Entry{Name: "North", Guardian: f.Guardian}
	now := time.Now()
	require.Equal(t, ExpiresSoon, StandingOf(e, now))
	require.Equal(t, Expired, StandingOf(e, now.AddDate(0, 1, 0)))
	require.Equal(t, Damaged, StandingOf(guardian.Entry{Err: errors.New("torn")}, now))
	require.NotEmpty(t, Against(f.Guardian, now.AddDate(0, 1, 0)))
}
