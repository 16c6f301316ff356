package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestPassword(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("PW", " from env ")
	t.Setenv("NOTHING", "")
	file("program-secret", "from systemd\n")
	for name, c := range map[string]struct {
		from      Password
		want, err string
	}{
		"first line":             {from: Password{File: file("lines", "first\nsecond\n")}, want: "first"},
		"without a line feed":    {from: Password{File: file("bare", "bare")}, want: "bare"},
		"made on Windows":        {from: Password{File: file("crlf", "word\r\n")}, want: "word"},
		"a long line after":      {from: Password{File: file("after", "word\n"+strings.Repeat("x", 2*maxLine))}, want: "word"},
		"as long as may be":      {from: Password{File: file("longest", strings.Repeat("x", maxLine)+"\n")}, want: strings.Repeat("x", maxLine)},
		"too long":               {from: Password{File: file("long", strings.Repeat("x", maxLine+1))}, err: "the first line of " + filepath.Join(dir, "long") + " is longer than 4096 bytes"},
		"no such file":           {from: Password{File: filepath.Join(dir, "none")}, err: "open " + filepath.Join(dir, "none")},
		"environment":            {from: Password{Env: "PW"}, want: " from env "},
		"not set":                {from: Password{Env: "SCUTUM_NOT_SET"}, err: "the environment variable SCUTUM_NOT_SET is not set"},
		"both":                   {from: Password{Flag: "user-password", File: "a", Env: "PW"}, err: "--user-password-file and --user-password-env exclude each other"},
		"credential":             {from: Password{Credential: "program-secret"}, want: "from systemd"},
		"a flag goes before it":  {from: Password{Credential: "program-secret", Env: "PW"}, want: " from env "},
		"empty":                  {from: Password{Env: "NOTHING"}},
		"empty where it may not": {from: Password{Env: "NOTHING", NotEmpty: true}, err: "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.from.Read(t.Context(), "the password", false)
			if c.err != "" {
				require.ErrorContains(t, err, "the password: "+c.err)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, string(got))
		})
	}
}

func TestPasswordFlags(t *testing.T) {
	var p Password
	cmd := &cobra.Command{RunE: func(*cobra.Command, []string) error { return nil }}
	p.Flags(cmd, "pfx-password", "the password of the file")
	require.False(t, p.Given())
	cmd.SetArgs([]string{p.FileFlag(), "a"})
	require.NoError(t, cmd.Execute())
	require.True(t, p.Given())
	require.Equal(t, Password{Flag: "pfx-password", File: "a"}, p)
	require.Equal(t, "--pfx-password-env", p.EnvFlag())
}

// Whoever waits for what nobody writes may give up.
func TestAwaitIsInterrupted(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := await(ctx, func() ([]byte, error) { return readLine(r) })
	require.Equal(t, context.Canceled, err)
}

func TestReadLineTakesNoMore(t *testing.T) {
	typed := strings.NewReader("one\ntwo\n" + strings.Repeat("x", maxLine+1))
	for _, want := range []string{"one", "two"} {
		line, err := readLine(typed)
		require.NoError(t, err)
		require.Equal(t, want, string(line))
	}
	_, err := readLine(typed)
	require.EqualError(t, err, "the line is too long")
	_, err = readLine(strings.NewReader("no end"))
	require.ErrorIs(t, err, io.EOF)
}
