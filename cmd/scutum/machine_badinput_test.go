package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// TestBadMachineInput gives every command on specialization files, answer files and
// recovery keys every kind of bad file: the exit status is 2, the error names the
// file, nothing is printed as if it were a result, and nothing is written.
func TestBadMachineInput(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	volume := vhdx.NewGUID()
	require.NoError(t, makeShielded(dir, recovery.NewExternalKey(volume, time.Now()), volume))
	t.Setenv("SCUTUM_HOME", at("home"))
	t.Setenv("PW", "geheim")
	raw := volumetest.WindowsRaw(t, volumetest.Options{})
	volumetest.Run(t, "mmd", "-i", raw+"@@1M", "::EFI/Scutum")
	volumetest.Run(t, "mcopy", "-i", raw+"@@1M", at("vm01.ebek"), "::EFI/Scutum/recovery.ebek")
	volumetest.Run(t, "qemu-img", "convert", "-f", "raw", "-O", "vhdx", raw, at("vm01.vhdx"))
	for _, args := range [][]string{
		{"cert", "new", "--subject", "Lab", at("rdp.pfx"), "--password-env", "PW"},
		{"fsk", "new", at("a.fsk"), "@ComputerName@=VM01"},
		{"answerfile", "new", at("a.xml"), "--password-env", "PW"},
		{"answerfile", "new", at("a.yaml"), "--user", "alice", "--user-password-env", "PW"},
	} {
		status, _, stderr := runHere(t, args...)
		require.Equal(t, cli.ExitOK, status, stderr)
	}

	for name, c := range map[string]struct {
		good string
		args func(bad, out string) []string
	}{
		"fsk show":               {at("a.fsk"), func(bad, _ string) []string { return []string{"fsk", "show", bad} }},
		"fsk show --answer-file": {at("a.xml"), func(bad, _ string) []string { return []string{"fsk", "show", at("a.fsk"), "--answer-file", bad} }},
		"answerfile check":       {at("a.xml"), func(bad, _ string) []string { return []string{"answerfile", "check", bad} }},
		"answerfile check --fsk": {at("a.fsk"), func(bad, _ string) []string { return []string{"answerfile", "check", at("a.yaml"), "--fsk", bad} }},
		"answerfile new --rdp-certificate": {at("rdp.pfx"), func(bad, out string) []string {
			return []string{"answerfile", "new", out + ".xml", "--rdp", "--rdp-certificate", bad, "--rdp-password-env", "PW", "--password-env", "PW"}
		}},
		"recovery save": {at("vm01.vhdx"), func(bad, out string) []string { return []string{"recovery", "save", bad, out} }},
		"recovery unprotect": {at("vm01.ebek"), func(bad, out string) []string {
			return []string{"recovery", "unprotect", bad, out, "--pdk", at("vm01.pdk"), "--password-env", "PW"}
		}},
		"recovery unprotect --pdk": {at("vm01.pdk"), func(bad, out string) []string {
			return []string{"recovery", "unprotect", at("vm01.ebek"), out, "--pdk", bad, "--password-env", "PW"}
		}},
	} {
		bad := badFiles(t, c.good)
		if c.good == at("vm01.vhdx") {
			delete(bad, "cut in half") // the EFI system partition is in the first half
		}
		for kind, path := range bad {
			t.Run(name+"/"+kind, func(t *testing.T) {
				out := t.TempDir()
				before := snapshot(t, dir, bad["directory"])
				status, stdout, stderr := runHere(t, c.args(path, filepath.Join(out, "out"))...)
				require.Equal(t, cli.ExitBad, status, stdout+stderr)
				require.Empty(t, stdout)
				require.True(t, strings.HasPrefix(stderr, "scutum: "), stderr)
				require.Contains(t, stderr, path)
				require.Equal(t, before, snapshot(t, dir, bad["directory"]))
				entries, err := os.ReadDir(out)
				require.NoError(t, err)
				require.Empty(t, entries)
			})
		}
	}
}
