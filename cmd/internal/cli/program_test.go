package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// sample is a program whose commands end in every way.
func sample() *cobra.Command {
	ends := func(name string, err error) *cobra.Command {
		cmd := Leaf(name, "End", "sample "+name, func(*cobra.Command, []string) error { return err })
		cmd.Flags().Int("count", 0, "a number")
		cmd.Flags().String("out", "", "a file")
		return cmd
	}
	exists := &fs.PathError{Op: "create", Path: "f", Err: fs.ErrExist}
	replaces := ends("replaces", fmt.Errorf("writing: %w", exists))
	replaces.Flags().Bool("force", false, "replace it")
	return Program("sample", "Do things", "1.2.3", Group("things", "Do them",
		ends("well", nil), ends("no", ErrNo), ends("evil", errors.New("a\x1b[31m\nsample: b")), ends("make NAME", exists), replaces))
}

func TestRun(t *testing.T) {
	for line, want := range map[string]struct {
		status int
		errOut string
	}{
		"things well":           {status: ExitOK},
		"things no":             {status: ExitNo},
		"things evil":           {ExitBad, "sample: a\\x1b[31m\n  sample: b\n"},
		"things make f":         {ExitBad, "sample: create f: file already exists\n"},
		"things replaces":       {ExitBad, "sample: writing: create f: file already exists; --force replaces it\n"},
		"things make":           {ExitBad, "sample: things make: NAME is missing; see \"sample things make --help\"\n"},
		"things well f":         {ExitBad, "sample: things well: unexpected argument \"f\"; see \"sample things well --help\"\n"},
		"things wel":            {ExitBad, "sample: things: there is no command \"wel\"; did you mean well?; see \"sample things --help\"\n"},
		"other":                 {ExitBad, "sample: usage: there is no command \"other\"; see \"sample --help\"\n"},
		"help things other":     {ExitBad, "sample: help: there is no command \"things other\"; see \"sample help --help\"\n"},
		"things well --out=":    {ExitBad, "sample: things well: --out is empty; see \"sample things well --help\"\n"},
		"things well --count=x": {ExitBad, "sample: things well: invalid argument \"x\" for \"--count\" flag: it is not a whole number; see \"sample things well --help\"\n"},
		"things well -f":        {ExitBad, "sample: things well: unknown shorthand flag: 'f' in -f; where a file is meant, write ./ before its name; see \"sample things well --help\"\n"},
	} {
		var out, errOut bytes.Buffer
		status := Run(t.Context(), sample(), strings.Fields(line), strings.NewReader(""), &out, &errOut)
		require.Equal(t, want.status, status, line)
		require.Equal(t, want.errOut, errOut.String(), line)
		require.Empty(t, out.String(), line)
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"version"}} {
		var out bytes.Buffer
		require.Equal(t, ExitOK, Run(t.Context(), sample(), args, nil, &out, &out))
		require.True(t, strings.HasPrefix(out.String(), "sample 1.2.3 (go"), out.String())
	}
}

func TestGroupAloneShowsHelp(t *testing.T) {
	var out, errOut bytes.Buffer
	require.Equal(t, ExitBad, Run(t.Context(), sample(), []string{"things"}, nil, &out, &errOut))
	require.Empty(t, out.String())
	require.Contains(t, errOut.String(), "Available Commands:")
	require.Contains(t, errOut.String(), "sample: things: a command is missing")
}
