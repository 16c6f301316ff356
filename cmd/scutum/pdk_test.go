package main

import (
	"crypto/x509"
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

// expiredOwner puts an owner guardian whose certificates ended yesterday into the
// store of $SCUTUM_HOME.
func expiredOwner(t *testing.T, name, passphrase string) {
	yesterday := time.Now().AddDate(0, 0, -1)
	o, err := guardian.ImportOwner(name, certificate(t, name, x509.KeyUsageDigitalSignature, yesterday),
		certificate(t, name, x509.KeyUsageKeyEncipherment, yesterday))
	require.NoError(t, err)
	store, err := openStore()
	require.NoError(t, err)
	require.NoError(t, store.AddOwner(o, passphrase, false))
}

// Who has expired gets access only when the owner says so; and can still be
// revoked.
func TestExpiredGuardian(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SCUTUM_HOME", filepath.Join(dir, "home"))
	t.Setenv("PASSPHRASE", "open sesame")
	expiredOwner(t, "Old", "open sesame")
	good, fresh := filepath.Join(dir, "good.pdk"), filepath.Join(dir, "fresh.pdk")
	kp := filepath.Join(dir, "good.kp")
	scutum := func(args ...string) (int, string, string) {
		return runHere(t, append(args, "--password-env", "PASSPHRASE")...)
	}
	status, _, stderr := scutum("guardian", "new", "Contoso")
	require.Equal(t, cli.ExitOK, status, stderr)
	status, _, stderr = scutum("guardian", "new", "Fabric")
	require.Equal(t, cli.ExitOK, status, stderr)

	existing := []string{"--policy", "shielded", "--existing-vm"}
	status, _, stderr = scutum(append([]string{"pdk", "new", good, "--owner", "Contoso", "--guardian", "Fabric"}, existing...)...)
	require.Equal(t, cli.ExitOK, status, stderr)
	status, _, stderr = scutum("kp", "new", kp, "--owner", "Contoso")
	require.Equal(t, cli.ExitOK, status, stderr)
	for name, args := range map[string][]string{
		"kp new":          {"kp", "new", fresh, "--owner", "Contoso", "--guardian", "Old"},
		"kp new as owner": {"kp", "new", fresh, "--owner", "Old"},
		"kp grant":        {"kp", "grant", kp, "Old"},
		"new":             append([]string{"pdk", "new", fresh, "--owner", "Contoso", "--guardian", "Old"}, existing...),
		"new as owner":    append([]string{"pdk", "new", fresh, "--owner", "Old", "--guardian", "Fabric"}, existing...),
		"edit":            {"pdk", "edit", good, "--grant", "Old"},
	} {
		t.Run(name, func(t *testing.T) {
			before := snapshot(t, dir)
			status, stdout, stderr := scutum(args...)
			require.Equal(t, cli.ExitBad, status, stdout)
			require.Contains(t, stderr, `scutum: guardian "Old": `)
			require.Contains(t, stderr, "it has expired, its certificates were valid until ")
			require.Contains(t, stderr, "--allow-expired accepts it\n")
			require.Equal(t, 1, strings.Count(stderr, "\n"))
			require.Equal(t, before, snapshot(t, dir))

			status, _, stderr = scutum(append(args, "--allow-expired")...)
			require.Equal(t, cli.ExitOK, status, stderr)
			require.NoError(t, os.RemoveAll(fresh))
		})
	}
	status, stdout, stderr := runHere(t, "pdk", "show", good)
	require.Equal(t, cli.ExitOK, status, stderr)
	require.Contains(t, stdout, "Attention: certificates of CN=Old have expired.")
	status, stdout, stderr = scutum("pdk", "edit", good, "--revoke", "Old")
	require.Equal(t, cli.ExitOK, status, stderr)
	require.Contains(t, stdout, "No more access: Old.")
}

func TestParseVSC(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("a,b.vsc", nil, 0o600))
	for text, want := range map[string]vscSpec{
		"a.vsc":                      {"a.vsc", pdk.Equals, false},
		"a.vsc,equals":               {"a.vsc", pdk.Equals, false},
		"a.vsc,greater":              {"a.vsc", pdk.Greater, false},
		"a.vsc,greater-or-equal":     {"a.vsc", pdk.GreaterOrEqual, false},
		"a.vsc,pin":                  {"a.vsc", pdk.Equals, true},
		"a.vsc,greater-or-equal,pin": {"a.vsc", pdk.GreaterOrEqual, true},
		"a,b.vsc":                    {"a,b.vsc", pdk.Equals, false},
		"a,b.vsc,greater":            {"a,b.vsc", pdk.Greater, false},
	} {
		got, err := parseVSC(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"a.vsc,gt", "a.vsc,", "a.vsc,pin,equal", "a.vsc,greater,pin", "a.vsc,Equals", "a.vsc,pin,greater-or-equal"} {
		_, err := parseVSC(text)
		require.ErrorContains(t, err, "--vsc "+text+": ")
	}
	_, err := parseVSC("a.vsc,pin,greater-or-equal")
	require.EqualError(t, err, "--vsc a.vsc,pin,greater-or-equal: pin stands last: a.vsc,greater-or-equal,pin")
}

// TestBadShieldingData gives every command that reads a shielding data file every
// kind of bad one: the exit status is 2, the error names the file, and nothing is
// written or printed as if it were a result.
func TestBadShieldingData(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SCUTUM_HOME", filepath.Join(dir, "home"))
	t.Setenv("PASSPHRASE", "open sesame")
	good := filepath.Join(dir, "good.pdk")
	for _, args := range [][]string{
		{"guardian", "new", "Contoso"},
		{"guardian", "new", "Fabric"},
		{"pdk", "new", good, "--owner", "Contoso", "--guardian", "Fabric", "--policy", "shielded", "--existing-vm"},
	} {
		status, _, stderr := runHere(t, append(args, "--password-env", "PASSPHRASE")...)
		require.Equal(t, cli.ExitOK, status, stderr)
	}
	bad := badFiles(t, good)
	out := filepath.Join(dir, "out")
	for name, args := range map[string]func(path string) []string{
		"show": func(path string) []string { return []string{"pdk", "show", path} },
		"open": func(path string) []string {
			return []string{"pdk", "show", path, "--open", "--save", out, "--password-env", "PASSPHRASE"}
		},
		"edit": func(path string) []string {
			return []string{"pdk", "edit", path, "--policy", "shielded", "--password-env", "PASSPHRASE"}
		},
		"edit to another": func(path string) []string {
			return []string{"pdk", "edit", path, "--policy", "shielded", "--out", out, "--password-env", "PASSPHRASE"}
		},
		"check": func(path string) []string { return []string{"pdk", "check", path, good} },
		"kp":    func(path string) []string { return []string{"pdk", "kp", path, out} },
	} {
		for kind, path := range bad {
			t.Run(name+"/"+kind, func(t *testing.T) {
				before := snapshot(t, bad["directory"])
				status, stdout, stderr := runHere(t, args(path)...)
				require.Equal(t, cli.ExitBad, status, stdout+stderr)
				require.Empty(t, stdout)
				require.Contains(t, stderr, path)
				require.NoFileExists(t, out)
				require.Equal(t, before, snapshot(t, bad["directory"]))
			})
		}
	}
}
