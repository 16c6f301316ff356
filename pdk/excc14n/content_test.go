package excc14n

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBase64(t *testing.T) {
	for text, want := range map[string]string{"U2N1dHVt": "Scutum", "U2N1\r\n\t dHVt\n": "Scutum", "U2N1dA==": "Scut", "/+8=": "\xff\xef"} {
		data, err := Base64(text)
		require.NoError(t, err, text)
		require.Equal(t, want, string(data), text)
	}
	for _, text := range []string{"", " \n", "U2N1dA", "U2N1dB==", "U2N1_-8=", "U2N1dHVt=", "U2N1\u00a0dHVt"} {
		_, err := Base64(text)
		require.Error(t, err, text)
	}
}

func TestTextAlone(t *testing.T) {
	root, err := Parse([]byte(`<a><b>x &amp; y</b><c d="1">x</c><e>x<f/></e><g/></a>`))
	require.NoError(t, err)
	for local, want := range map[string]string{"b": "x & y", "g": ""} {
		text, err := root.Child("", local).TextAlone()
		require.NoError(t, err)
		require.Equal(t, want, text)
	}
	for _, local := range []string{"c", "e"} {
		_, err := root.Child("", local).TextAlone()
		require.ErrorContains(t, err, local+" has attributes or elements")
	}
}
