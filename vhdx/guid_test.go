package vhdx

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGUID(t *testing.T) {
	const text = "2dc27766-f623-4200-9d64-115e9bfd4a08"
	// As it stands in the region table of any VHDX file.
	onDisk := GUID{0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08}
	for _, s := range []string{text, "{" + text + "}", "2DC27766-F623-4200-9D64-115E9BFD4A08"} {
		g, err := ParseGUID(s)
		require.NoError(t, err)
		require.Equal(t, onDisk, g)
	}
	require.Equal(t, text, onDisk.String())
	b, err := json.Marshal(onDisk)
	require.NoError(t, err)
	require.Equal(t, `"`+text+`"`, string(b))
	require.True(t, GUID{}.IsZero())
	require.False(t, onDisk.IsZero())
	for _, s := range []string{"", "{}", "{", text[1:], text + "0", "{" + text, text + "}", "g" + text[1:],
		"2dc27766f-623-4200-9d64-115e9bfd4a08", "2dc27766-f623-4200-9d64-115e9bfd4a0-", "{{" + text[1:35] + "}}"} {
		_, err := ParseGUID(s)
		require.ErrorContains(t, err, "is not a GUID", s)
	}
	a, b2 := NewGUID(), NewGUID()
	require.NotEqual(t, a, b2)
	require.Equal(t, byte('4'), a.String()[14], "version 4")
	require.Contains(t, "89ab", a.String()[19:20], "variant of RFC 9562")
}
