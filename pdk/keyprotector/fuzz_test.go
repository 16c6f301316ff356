package keyprotector

import (
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// A protector of another day, for its owner and the guardians "stored fabric" and "stored branch", and what it takes to
// open it. The certificates have expired.
var (
	//go:embed testdata/protector.kp
	storedProtector []byte
	//go:embed testdata/fabric-encryption.pem
	storedKey []byte
)

func TestStoredProtector(t *testing.T) {
	p, err := Parse(storedProtector)
	require.NoError(t, err)
	require.NoError(t, p.Verify())
	var names []string
	for _, w := range p.Wrappings() {
		names = append(names, w.Signing.Subject.CommonName, w.Encryption.Subject.CommonName)
	}
	require.Equal(t, []string{"stored owner signing", "stored owner encryption", "stored fabric signing", "stored fabric encryption",
		"stored branch signing", "stored branch encryption"}, names)

	block, _ := pem.Decode(storedKey)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	transportKey, err := p.Unwrap(key.(*rsa.PrivateKey))
	require.NoError(t, err)
	require.Equal(t, "broVoHiNL/ATeDP+xcgOX/GaoGcUnKMyhglaqFp7u9U=", toBase64(transportKey[:]))
}

// FuzzParse puts some bytes in the place of others in the stored protector. What is accepted must keep its bytes, lead from
// each wrapping to the owner, and verify as the stored owner's alone.
func FuzzParse(f *testing.F) {
	document := storedProtector[4:]
	f.Add(uint16(0), uint16(len(document)), []byte{})
	f.Add(uint16(0), uint16(0), []byte{})
	for _, e := range append(protectorEdits, wrappingEdits...) {
		at, cut, with := difference(document, []byte(e.of(f, string(document))))
		f.Add(at, cut, with)
	}
	f.Fuzz(func(t *testing.T, at, cut uint16, with []byte) {
		start := min(int(at), len(document))
		end := min(start+int(cut), len(document))
		changed := slices.Concat(document[:start], with, document[end:])
		Parse(with)
		p, err := Parse(framed(string(changed)))
		if err != nil {
			return
		}
		require.Equal(t, framed(string(changed)), p.Bytes())
		for i := range p.wrappings {
			chain := p.chain(&p.wrappings[i])
			require.Equal(t, p.Owner(), chain[len(chain)-1].info())
		}
		if p.Verify() == nil {
			require.Equal(t, "stored owner signing", p.Owner().Signing.Subject.CommonName)
		}
	})
}

// difference gives what has to be done to one document to make it the other.
func difference(from, to []byte) (at, cut uint16, with []byte) {
	start := 0
	for start < min(len(from), len(to)) && from[start] == to[start] {
		start++
	}
	same := 0
	for same < min(len(from), len(to))-start && from[len(from)-1-same] == to[len(to)-1-same] {
		same++
	}
	return uint16(start), uint16(len(from) - same - start), to[start : len(to)-same]
}

func BenchmarkNew(b *testing.B) {
	o, guardians := owner(b), publics(b, fabric(b))
	for b.Loop() {
		_, _, err := New(o, guardians)
		require.NoError(b, err)
	}
}

func BenchmarkRoll(b *testing.B) {
	p, _ := newProtector(b, fabric(b))
	for b.Loop() {
		_, _, _, err := p.Roll(fabric(b), nil)
		require.NoError(b, err)
	}
}
