//go:build unix

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

// A named pipe that nobody writes to is refused by every command that would wait
// for it, and changes nothing.
func TestNamedPipe(t *testing.T) {
	newStore(t)
	t.Setenv("PW", "pw")
	dir := t.TempDir()
	pipe, out := filepath.Join(dir, "pipe"), filepath.Join(dir, "out")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	status, _, stderr := runHere(t, "guardian", "new", "Contoso", "--password-env", "PW")
	require.Equal(t, cli.ExitOK, status, stderr)
	toNew := []string{"pdk", "new", out, "--owner", "Contoso", "--guardian", "Contoso", "--policy", "shielded", "--password-env", "PW"}
	for _, args := range [][]string{
		{"guardian", "import", "Fabric", pipe},
		{"guardian", "import", "Fabric", "--signing", pipe, "--encryption", pipe, "--password-env", "PW"},
		{"kp", "show", pipe},
		{"kp", "grant", pipe, "Contoso", "--password-env", "PW"},
		{"pdk", "show", pipe},
		{"pdk", "check", pipe, pipe},
		{"pdk", "kp", pipe, out},
		append(toNew, "--vsc", pipe, "--answer-file", pipe),
		{"fsk", "show", pipe},
		{"answerfile", "check", pipe},
		{"recovery", "save", pipe, out},
		{"recovery", "unprotect", pipe, out, "--pdk", pipe, "--password-env", "PW"},
		{"vsc", "show", pipe},
		{"template", "inspect", pipe},
		{"vhdx", "check", pipe},
		{"vhdx", "compact", pipe},
		{"vhdx", "convert", "--from", "raw", "--to", "vhdx", pipe, out},
	} {
		status, stdout, stderr := runHere(t, args...)
		require.Equal(t, cli.ExitBad, status, args)
		require.Empty(t, stdout, args)
		require.Contains(t, stderr, pipe, args)
		require.NoFileExists(t, out, args)
	}
}

// A password may come through a pipe, named or not. Ctrl-C ends the wait for it.
func TestPasswordThroughPipe(t *testing.T) {
	store := newStore(t)
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errOut bytes.Buffer
	args := []string{"guardian", "new", "Contoso", "--password-file", pipe}
	require.Equal(t, cli.ExitInterrupted, run(ctx, args, strings.NewReader(""), &out, &errOut))
	require.Equal(t, "scutum: interrupted\n", errOut.String())
	require.NoDirExists(t, store)

	other, written := filepath.Join(dir, "other"), make(chan error, 1)
	require.NoError(t, syscall.Mkfifo(other, 0o600))
	go func() { written <- os.WriteFile(other, []byte("pw\n"), 0o600) }()
	args[len(args)-1] = other
	status, _, stderr := runHere(t, args...)
	require.Equal(t, cli.ExitOK, status, stderr)
	require.NoError(t, <-written)

	r, w, err := os.Pipe() // as the shell does for <(...)
	require.NoError(t, err)
	defer r.Close()
	_, err = io.WriteString(w, "pw\n")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	status, _, stderr = runHere(t, "kp", "new", filepath.Join(dir, "a.kp"), "--owner", "Contoso", "--password-file", "/dev/fd/"+strconv.Itoa(int(r.Fd())))
	require.Equal(t, cli.ExitOK, status, stderr)
}
