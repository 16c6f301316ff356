package excc14n_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/excc14n"
)

// FuzzParse requires of each document that is accepted that its canonical form is accepted as well and is its own
// canonical form, as is that of each part.
func FuzzParse(f *testing.F) {
	for _, test := range refused {
		if len(test.document) < 1000 {
			f.Add([]byte(test.document))
		}
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		f.Add([]byte(randomDocument(r, 10)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := excc14n.Parse(data)
		if err != nil || len(data) > 10_000 { // a canonical form may exceed a limit that its document kept
			return
		}
		walk(root, func(n *excc14n.Node) {
			canonical := excc14n.Canonicalize(n)
			again, err := excc14n.Parse(canonical)
			require.NoError(t, err, "%q", canonical)
			require.Equal(t, string(canonical), string(excc14n.Canonicalize(again)))
		})
	})
}

func BenchmarkParse(b *testing.B) {
	document := []byte(randomDocument(rand.New(rand.NewPCG(1, 3)), 400))
	b.SetBytes(int64(len(document)))
	for b.Loop() {
		n, err := excc14n.Parse(document)
		require.NoError(b, err)
		excc14n.Canonicalize(n)
	}
}
