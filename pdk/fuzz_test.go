package pdk

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse reads files as they come, and files whose content is the input, signed by the owner, so that the fuzzer gets past
// the signature.
func FuzzParse(f *testing.F) {
	data, d := newFile(f, options(f), fabric(f))
	content, err := d.encode()
	require.NoError(f, err)
	f.Add(data)
	f.Add(content)
	f.Add(data[:len(data)/2])
	f.Add([]byte(`{"format":"scutum-pdk-1","volumes":[]}`))
	_, existing := newFile(f, Options{Kind: ExistingVM, Policy: EncryptionSupported})
	content, err = existing.encode()
	require.NoError(f, err)
	f.Add(content)
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = Parse(data)
		d, err := decode(data)
		if err != nil {
			return
		}
		content, err := d.encode()
		require.NoError(t, err)
		again, err := decode(content)
		require.NoError(t, err)
		require.Equal(t, d, again)
	})
}

func FuzzPayload(f *testing.F) {
	p := options(f).Payload
	f.Add(p.encode())
	f.Add((&Payload{}).encode())
	f.Add([]byte(`{"files":[{"name":"a\"b","content":"AA=="}]}`))
	f.Add([]byte(` { "answerFile" : { "name" : "a" , "content" : "" } , "files" : [ ] } `))
	f.Fuzz(func(t *testing.T, plain []byte) {
		p, err := decodePayload(plain)
		if err != nil {
			require.ErrorIs(t, err, ErrPDK)
			return
		}
		require.NoError(t, p.Check())
		again, err := decodePayload(p.encode())
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
