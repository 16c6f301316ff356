package model

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnswerPreviewHidesPasswords(t *testing.T) {
	for name, a := range map[string]Answer{
		"windows": {Domain: "example.com", DomainUser: "joiner", Adapters: []Adapter{FabricAdapter(1)}},
		"linux":   {Linux: true, Users: []Account{{Name: "bob", Password: true}}},
	} {
		m, err := a.Preview()
		require.NoError(t, err, name)
		require.Contains(t, string(m.File), Hidden, name)
		require.NotContains(t, string(m.File), sample, name)
		require.NotContains(t, string(m.File), "$2", name) // a hash
		require.NotEmpty(t, m.Places, name)
	}
}

func TestAnswerChecks(t *testing.T) {
	require.NoError(t, CheckComputerName("WEB01", false))
	require.NoError(t, CheckComputerName("@ComputerName@", true))
	require.Error(t, CheckComputerName("123", false))
	require.Error(t, CheckComputerName("-x", true))
	require.NoError(t, CheckProductKey(""))
	require.Error(t, CheckProductKey("1"))
	require.NoError(t, CheckDomain("", ""))
	require.Error(t, CheckDomain("example.com", ""))
	require.Error(t, CheckScripts("a\nb.ps1"))
	require.NoError(t, CheckScripts("a.cmd\nb.ps1"))
	require.Error(t, CheckUser("Root"))
	require.Error(t, CheckUserPassword("", false))
	require.NoError(t, CheckUserPassword("", true))
	require.NoError(t, CheckAddresses("192.0.2.1/24, @IP4Addr-1@", false))
	require.Error(t, CheckAddresses("192.0.2.1", false))
	require.Error(t, CheckAddresses("192.0.2.1/24", true))
	require.Error(t, CheckGateway("192.0.2.1", "", false))
	require.NoError(t, CheckGateway("192.0.2.1", "192.0.2.2/24", false))
	require.Error(t, CheckNameServers("", ""))
}

func TestAnswerSave(t *testing.T) {
	folder := t.TempDir()
	user, network := filepath.Join(folder, "user-data"), filepath.Join(folder, "network-config")
	a := Answer{Linux: true, Users: []Account{{Name: "alice", Keys: []string{"@SSHKey@"}}}, Adapters: []Adapter{FabricAdapter(1)}}
	m, err := a.Make(Passwords{Users: []string{""}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(user, nil, 0o600))
	require.Error(t, m.Save(user, network, false))
	require.NoFileExists(t, network, "the second file without the first")
	require.NoError(t, m.Save(user, network, true))
	require.FileExists(t, network)
}
