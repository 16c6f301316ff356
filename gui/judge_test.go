package gui

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var buildCommand = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "scutum-judge-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "scutum")
	out, err := exec.Command("go", "build", "-o", path, "../cmd/scutum").CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return path, nil
})

// TestMain removes the command line that tests had built.
func TestMain(m *testing.M) {
	code := m.Run()
	if judged {
		if path, err := buildCommand(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	os.Exit(code)
}

var judged bool

// scutum has the command line judge what the desktop made. It looks at the same
// guardians.
func scutum(t *testing.T, args ...string) string {
	t.Helper()
	judged = true
	path, err := buildCommand()
	require.NoError(t, err, path)
	return tool(t, path, args...)
}

// tool runs another program, which has to succeed.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}
