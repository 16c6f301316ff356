package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// guardianBench is a store with the owner Contoso and the fabric Fabric, both
// keys under pw, and good files of theirs.
type guardianBench struct{ store, metadata, signer, encryption, protector, shieldingData string }

func newGuardianBench(t *testing.T) guardianBench {
	store := newStore(t)
	t.Setenv("PW", "pw")
	dir := t.TempDir()
	b := guardianBench{store: store, protector: filepath.Join(dir, "vm.kp"), shieldingData: filepath.Join(dir, "vm.pdk")}
	b.metadata, b.signer, b.encryption = ownerFiles(t, "Fabric", time.Now().Add(time.Hour))
	for _, args := range [][]string{
		{"guardian", "new", "Contoso", "--password-env", "PW"},
		{"guardian", "import", "Fabric", b.metadata, "--allow-untrusted-root"},
		{"kp", "new", b.protector, "--owner", "Contoso", "--guardian", "Fabric", "--password-env", "PW"},
	} {
		status, _, stderr := runHere(t, args...)
		require.Equal(t, cli.ExitOK, status, stderr)
	}
	s, err := guardian.OpenStore(store)
	require.NoError(t, err)
	owner, err := s.Owner("Contoso", "pw")
	require.NoError(t, err)
	fabric, err := s.Get("Fabric")
	require.NoError(t, err)
	data, err := pdk.New(owner, []*guardian.Guardian{fabric}, pdk.Options{Kind: pdk.ExistingVM, Policy: pdk.Shielded})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(b.shieldingData, data, 0o600))
	return b
}

// TestBadGuardianInput gives every command on guardians and key protectors every
// kind of bad file: the exit status is 2, the error names the file, nothing is
// printed as if it were a result, and nothing is written.
func TestBadGuardianInput(t *testing.T) {
	b := newGuardianBench(t)
	for name, c := range map[string]struct {
		good string
		args func(bad string) []string
	}{
		"import": {b.metadata, func(bad string) []string {
			return []string{"guardian", "import", "New", bad, "--allow-untrusted-root"}
		}},
		"import --signing": {b.signer, func(bad string) []string {
			return []string{"guardian", "import", "New", "--signing", bad, "--encryption", b.encryption, "--pfx-password-env", "PW", "--password-env", "PW"}
		}},
		"import --encryption": {b.encryption, func(bad string) []string {
			return []string{"guardian", "import", "New", "--signing", b.signer, "--encryption", bad, "--pfx-password-env", "PW", "--password-env", "PW"}
		}},
		"show":     {b.protector, func(bad string) []string { return []string{"kp", "show", bad} }},
		"show pdk": {b.shieldingData, func(bad string) []string { return []string{"kp", "show", bad} }},
		"grant":    {b.protector, func(bad string) []string { return []string{"kp", "grant", bad, "Fabric", "--password-env", "PW"} }},
		"revoke":   {b.protector, func(bad string) []string { return []string{"kp", "revoke", bad, "Fabric", "--password-env", "PW"} }},
	} {
		bad := badFiles(t, c.good)
		maps.Copy(bad, changedFiles(t, c.good))
		for kind, path := range bad {
			t.Run(name+"/"+kind, func(t *testing.T) {
				before := snapshot(t, b.store, filepath.Dir(b.protector), bad["directory"])
				status, stdout, stderr := runHere(t, c.args(path)...)
				require.Equal(t, cli.ExitBad, status, stdout+stderr)
				require.Empty(t, stdout)
				require.True(t, strings.HasPrefix(stderr, "scutum: "), stderr)
				require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
				require.Contains(t, stderr, path)
				require.Equal(t, before, snapshot(t, b.store, filepath.Dir(b.protector), bad["directory"]))
			})
		}
	}
}

// changedFiles are a good file with a flipped bit, in many places, and other
// files than what is wanted.
func changedFiles(t *testing.T, good string) map[string]string {
	data, err := os.ReadFile(good)
	require.NoError(t, err)
	data = bytes.TrimSuffix(data, []byte("\n")) // which XML does without
	dir := t.TempDir()
	files := map[string]string{}
	add := func(name string, data []byte) {
		files[name] = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(files[name], data, 0o600))
	}
	for i, name := range []string{"flipped in the first byte", "flipped at a third", "flipped at two thirds", "flipped in the last byte"} {
		flipped := append([]byte(nil), data...)
		flipped[(len(data)-1)*i/3] ^= 4
		add(name, flipped)
	}
	add("last byte missing", data[:len(data)-1])
	add("one byte more", append(append([]byte(nil), data...), 'x'))
	add("text", []byte("What is this?\n"))
	add("page", []byte("<html><body>It works!</body></html>"))
	add("entities", []byte(`<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`))
	add("100 MB", nil)
	require.NoError(t, os.Truncate(files["100 MB"], 100<<20))
	return files
}

// Of shielding data, the key protector is shown like one in a file of its own;
// to change it is for the command that signs the whole again.
func TestKeyProtectorOfShieldingData(t *testing.T) {
	b := newGuardianBench(t)
	status, stdout, stderr := runHere(t, "kp", "show", b.shieldingData)
	require.Equal(t, cli.ExitOK, status, stderr)
	require.Contains(t, stdout, "\nowner          0, Contoso\n")
	require.Contains(t, stdout, "\n1   Fabric ")
	for _, verb := range []string{"grant", "revoke"} {
		before := snapshot(t, filepath.Dir(b.shieldingData))
		status, stdout, stderr := runHere(t, "kp", verb, b.shieldingData, "Fabric", "--password-env", "PW")
		require.Equal(t, cli.ExitBad, status)
		require.Empty(t, stdout)
		require.Equal(t, "scutum: "+b.shieldingData+" is a shielding data file, and its key protector a signed part of it: use \"scutum pdk edit --"+verb+"\"\n", stderr)
		require.Equal(t, before, snapshot(t, filepath.Dir(b.shieldingData)))
	}
}
