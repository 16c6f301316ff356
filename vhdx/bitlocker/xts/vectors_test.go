package xts

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestVectors reads published vectors. Those that are shorter than a sector are the beginning of one.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.rsp")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		vectors := readVectors(t, file)
		require.NotEmpty(t, vectors)
		for _, v := range vectors {
			for _, kind := range engines() {
				checkVector(t, kind, v["Key"], v["DataUnitSeqNumber"], v["PT"], v["CT"])
			}
		}
	}
}

func checkVector(t *testing.T, kind engineKind, key, number, plain, cipher string) {
	t.Helper()
	first, err := strconv.ParseUint(number, 10, 64)
	require.NoError(t, err)
	c := &Cipher{MinSectorSize, kind.make(unhex(t, key))}
	n := len(plain) / 2

	sector := make([]byte, MinSectorSize)
	copy(sector, unhex(t, plain))
	c.Encrypt(sector, sector, first)
	require.Equal(t, cipher, hex.EncodeToString(sector[:n]), "%s: encrypt under %s", kind.name, key)

	copy(sector, unhex(t, cipher))
	c.Decrypt(sector, sector, first)
	require.Equal(t, plain, hex.EncodeToString(sector[:n]), "%s: decrypt under %s", kind.name, key)
}

// readVectors reads blocks of lines "name = value", with empty lines between them.
func readVectors(t *testing.T, path string) []map[string]string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var vectors []map[string]string
	vector := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, found := strings.Cut(lines.Text(), " = ")
		if found && !strings.HasPrefix(name, "#") {
			vector[name] = value
		}
		if name == "CT" {
			vectors = append(vectors, vector)
			vector = map[string]string{}
		}
	}
	return vectors
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	require.NoError(t, err)
	return data
}
