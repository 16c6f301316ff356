package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	_, err := ReadFile(path, 4)
	require.ErrorIs(t, err, os.ErrNotExist)
	for content, problem := range map[string]string{
		"":      "read " + path + ": the file is empty",
		"a":     "",
		"abcd":  "",
		"abcde": "read " + path + ": the file is longer than 4 bytes",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		data, err := ReadFile(path, 4)
		if problem != "" {
			require.EqualError(t, err, problem)
			require.Nil(t, data)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, content, string(data))
	}
	require.NoError(t, os.WriteFile(path, []byte("abcdef"), 0o600))
	_, err = ReadFile(path, 4)
	var long *TooLongError
	require.ErrorAs(t, err, &long)
	require.Equal(t, TooLongError{path, 4, []byte("abcde")}, *long)
}
