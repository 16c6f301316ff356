//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

// TestChangedMeanwhile has a file changed by one command while another one, which
// has read it, still waits for the passphrase. What the first did must not be
// undone: it may be a revocation.
func TestChangedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SCUTUM_HOME", filepath.Join(dir, "home"))
	t.Setenv("PASSPHRASE", "open sesame")
	vm, kp := filepath.Join(dir, "vm.pdk"), filepath.Join(dir, "vm.kp")
	scutum := func(args ...string) {
		status, _, stderr := runHere(t, append(args, "--password-env", "PASSPHRASE")...)
		require.Equal(t, cli.ExitOK, status, stderr)
	}
	for _, name := range []string{"Contoso", "Fabric", "Branch"} {
		scutum("guardian", "new", name)
	}
	scutum("pdk", "new", vm, "--owner", "Contoso", "--guardian", "Fabric", "--policy", "shielded", "--existing-vm")
	scutum("kp", "new", kp, "--owner", "Contoso", "--guardian", "Fabric")
	passphrase := filepath.Join(dir, "passphrase")
	require.NoError(t, syscall.Mkfifo(passphrase, 0o600))

	for _, c := range []struct{ slow, first []string }{
		{[]string{"pdk", "edit", vm, "--policy", "encryption-supported"}, []string{"pdk", "edit", vm, "--grant", "Branch", "--revoke", "Fabric"}},
		{[]string{"kp", "grant", kp, "Branch"}, []string{"kp", "revoke", kp, "Fabric"}},
		{[]string{"kp", "revoke", kp, "Branch"}, []string{"kp", "grant", kp, "Fabric"}},
	} {
		path := c.slow[2]
		if c.slow[1] == "revoke" {
			scutum("kp", "grant", kp, "Branch")
		}
		ended := make(chan struct{})
		var status int
		var stdout, stderr string
		go func() {
			defer close(ended)
			status, stdout, stderr = runHere(t, append(c.slow, "--password-file", passphrase)...)
		}()
		asked, err := os.OpenFile(passphrase, os.O_WRONLY, 0) // waits until it is read from
		require.NoError(t, err)
		scutum(c.first...)
		changed, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = asked.WriteString("open sesame\n")
		require.NoError(t, err)
		require.NoError(t, asked.Close())
		<-ended
		require.Equal(t, cli.ExitBad, status, stdout)
		require.Empty(t, stdout)
		require.Contains(t, stderr, path+": somebody else changed it meanwhile")
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, changed, after)
	}
	hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, hidden)
}
