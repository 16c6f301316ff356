package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// A bench is a folder with good files, for commands in which one is replaced by
// a bad one.
type bench struct{ disk, vsc, pfx, cert, key, password string }

func newBench(t *testing.T) bench {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	b := bench{at("disk.vhdx"), at("disk.vsc"), at("signer.pfx"), at("cert.pem"), at("cert.key"), at("password")}
	require.NoError(t, os.Rename(volumetest.Windows(t, volumetest.Options{}), b.disk))
	require.NoError(t, os.WriteFile(b.password, []byte("pw\n"), 0o600))
	volumetest.Run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=Test", "-addext", "keyUsage=digitalSignature",
		"-keyout", b.key, "-out", b.cert)
	for _, args := range [][]string{
		{"cert", "new", "--subject", "Lab", b.pfx, "--password-file", b.password},
		{"template", "sign", b.disk, "--name", "T", "--version", "1.0.0.0", "--cert", b.cert, "--key", b.key, "--vsc", b.vsc},
	} {
		status, _, stderr := runHere(t, args...)
		require.Equal(t, cli.ExitOK, status, stderr)
	}
	return b
}

func runHere(t *testing.T, args ...string) (status int, stdout, stderr string) {
	var out, errOut bytes.Buffer
	status = run(context.Background(), args, strings.NewReader(""), &out, &errOut)
	return status, out.String(), errOut.String()
}

// TestBadInput gives every command every kind of bad file in the place of every
// file that it reads: the exit status is 2, the error names the file, nothing is
// printed as if it were a result, and nothing is written.
func TestBadInput(t *testing.T) {
	b := newBench(t)
	out := func(dir, name string) string { return filepath.Join(dir, name) }
	sign := []string{"--name", "T", "--version", "1.0.0.0", "--force"}
	commands := map[string]struct {
		good         string // what stands there when all is well
		metadataOnly bool   // of a disk, no more than its metadata is read
		args         func(bad, dir string) []string
	}{
		"inspect": {b.disk, false, func(bad, dir string) []string { return []string{"template", "inspect", bad} }},
		"sign": {b.disk, false, func(bad, dir string) []string {
			return append([]string{"template", "sign", bad, "--cert", b.cert, "--key", b.key, "--vsc", out(dir, "o.vsc")}, sign...)
		}},
		"sign --like": {b.disk, true, func(bad, dir string) []string {
			return append([]string{"template", "sign", b.disk, "--like", bad, "--cert", b.cert, "--key", b.key}, sign...)
		}},
		"sign --like vsc": {b.vsc, false, func(bad, dir string) []string {
			return append([]string{"template", "sign", b.disk, "--like", bad, "--cert", b.cert, "--key", b.key}, sign...)
		}},
		"sign --cert pfx": {b.pfx, false, func(bad, dir string) []string {
			return append([]string{"template", "sign", b.disk, "--cert", bad, "--password-file", b.password}, sign...)
		}},
		"sign --cert pem": {b.cert, false, func(bad, dir string) []string {
			return append([]string{"template", "sign", b.disk, "--cert", bad, "--key", b.key}, sign...)
		}},
		"sign --key": {b.key, false, func(bad, dir string) []string {
			return append([]string{"template", "sign", b.disk, "--cert", b.cert, "--key", bad}, sign...)
		}},
		"verify":         {b.disk, false, func(bad, dir string) []string { return []string{"template", "verify", bad, "--trust", b.cert} }},
		"verify --vsc":   {b.vsc, false, func(bad, dir string) []string { return []string{"template", "verify", b.disk, "--vsc", bad} }},
		"verify --trust": {b.cert, false, func(bad, dir string) []string { return []string{"template", "verify", b.disk, "--trust", bad} }},
		"extract":        {b.disk, true, func(bad, dir string) []string { return []string{"template", "extract", bad, out(dir, "o.vsc")} }},
		"vsc show":       {b.vsc, false, func(bad, dir string) []string { return []string{"vsc", "show", bad} }},
		"vsc show disk":  {b.disk, true, func(bad, dir string) []string { return []string{"vsc", "show", bad} }},
		"vhdx info":      {b.disk, true, func(bad, dir string) []string { return []string{"vhdx", "info", bad} }},
		"vhdx compact":   {b.disk, false, func(bad, dir string) []string { return []string{"vhdx", "compact", bad} }},
		"vhdx create --parent": {b.disk, true, func(bad, dir string) []string {
			return []string{"vhdx", "create", out(dir, "o.vhdx"), "--parent", bad}
		}},
		"vhdx convert": {b.disk, false, func(bad, dir string) []string {
			return []string{"vhdx", "convert", bad, out(dir, "o.raw"), "--from", "vhdx"}
		}},
	}
	bad := map[string]map[string]string{}
	for _, good := range []string{b.disk, b.vsc, b.pfx, b.cert, b.key} {
		bad[good] = badFiles(t, good)
	}
	for name, c := range commands {
		for kind, path := range bad[c.good] {
			if c.metadataOnly && kind == "cut in half" {
				continue // what the command wants is in the first half
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				dir := t.TempDir()
				before := snapshot(t, filepath.Dir(b.disk), bad[c.good]["directory"])
				status, stdout, stderr := runHere(t, c.args(path, dir)...)
				require.Equal(t, cli.ExitBad, status, stdout+stderr)
				require.Empty(t, stdout)
				require.True(t, strings.HasPrefix(stderr, "scutum: "), stderr)
				require.Contains(t, stderr, path)
				require.Equal(t, before, snapshot(t, filepath.Dir(b.disk), bad[c.good]["directory"]))
				entries, err := os.ReadDir(dir)
				require.NoError(t, err)
				require.Empty(t, entries)
			})
		}
	}
}

// TestCheckOfBadInput is for the command that has an answer to what is only
// partly a VHDX file: it is never yes, and nothing is written.
func TestCheckOfBadInput(t *testing.T) {
	disk := volumetest.Windows(t, volumetest.Options{})
	bad := badFiles(t, disk)
	for kind, path := range bad {
		t.Run(kind, func(t *testing.T) {
			before := snapshot(t, bad["directory"])
			status, stdout, stderr := runHere(t, "vhdx", "check", path)
			require.Equal(t, before, snapshot(t, bad["directory"]))
			if status == cli.ExitNo {
				require.Contains(t, stdout, "fatal: at file offset ")
				return
			}
			require.Equal(t, cli.ExitBad, status)
			require.Contains(t, stderr, path)
		})
	}
	status, stdout, _ := runHere(t, "vhdx", "check", bad["cut in half"])
	require.Equal(t, cli.ExitNo, status)
	require.Contains(t, stdout, "MS-VHDX 2.5")
}

// TestInterrupted ends every long command before its first byte.
func TestInterrupted(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{
		{"template", "sign", b.disk, "--like", b.vsc, "--cert", b.cert, "--key", b.key, "--force", "--vsc", filepath.Join(dir, "o.vsc")},
		{"template", "verify", b.disk, "--trust", b.cert},
		{"template", "extract", b.disk, filepath.Join(dir, "o.vsc")},
		{"vhdx", "convert", b.disk, filepath.Join(dir, "o.raw")},
		{"vhdx", "convert", b.disk, filepath.Join(dir, "o.vhdx")},
	} {
		before := snapshot(t, filepath.Dir(b.disk))
		var out, errOut bytes.Buffer
		require.Equal(t, cli.ExitInterrupted, run(ctx, args, strings.NewReader(""), &out, &errOut), "%v %s", args, errOut.String())
		require.Equal(t, "scutum: interrupted\n", errOut.String())
		require.Empty(t, out.String())
		require.Equal(t, before, snapshot(t, filepath.Dir(b.disk)))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

// badFiles makes each kind of bad file out of a good one.
func badFiles(t *testing.T, good string) map[string]string {
	data, err := os.ReadFile(good)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	random := make([]byte, 100_000)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(random)
	bad := map[string]string{
		"missing":     filepath.Join(dir, "missing"),
		"directory":   dir,
		"not a place": filepath.Join(write("file", data), "below"),
		"empty":       write("empty", nil),
		"one byte":    write("one", data[:1]),
		"random":      write("random", random),
		"zeros":       write("zeros", make([]byte, 2<<20)),
		"cut short":   write("short", data[:min(len(data)/2, 300_000)]),
		"cut in half": write("half", data[:len(data)/2]),
	}
	if os.Geteuid() != 0 { // root may read everything
		bad["unreadable"] = write("unreadable", data)
		require.NoError(t, os.Chmod(bad["unreadable"], 0))
	}
	return bad
}

// snapshot notes size and time of last change of every file in the folders.
func snapshot(t *testing.T, folders ...string) map[string]string {
	files := map[string]string{}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		for _, entry := range entries {
			info, err := entry.Info()
			require.NoError(t, err)
			files[filepath.Join(folder, entry.Name())] = fmt.Sprint(info.Size(), info.ModTime())
		}
	}
	return files
}
