package keyprotector

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// TestRollWritesWhatParseReads compares a protector that Roll made, without reading it again, with what reading makes of it.
func TestRollWritesWhatParseReads(t *testing.T) {
	var c Cache
	p, _, err := New(owner(t), []*guardian.Guardian{public(t, fabric(t)), public(t, branch(t))})
	require.NoError(t, err)
	data := p.Bytes()
	for range 3 {
		cached, err := c.Parse(data)
		require.NoError(t, err)
		egress, _, key, err := cached.Roll(fabric(t), nil)
		require.NoError(t, err)
		require.NoError(t, egress.Verify())
		data = egress.Bytes()
		again, err := Parse(data)
		require.NoError(t, err)
		require.NoError(t, again.Check(key))
		egress.cache = nil
		require.Equal(t, again, egress)
	}
	require.NotEmpty(t, c.young)
}

func TestCacheIsBounded(t *testing.T) {
	var c Cache
	first := nameOf(knownSignature, []byte("first"))
	c.add(first, 1, 0)
	most := 0
	for i := range 10 * maxCached / 256 {
		require.Equal(t, 1, c.get(first), "what is asked for stays")
		c.add(nameOf(knownSignature, []byte{byte(i), byte(i >> 8), byte(i >> 16)}), 2, i%(20<<10))
		most = max(most, len(c.young)+len(c.old))
	}
	require.LessOrEqual(t, most, 2*maxCached/256)
	for range 2 * maxCached / 256 {
		c.add(nameOf(knownSignature, []byte("other")), 2, 0)
	}
	require.Nil(t, c.get(first))
	require.NotEqual(t, nameOf("a", []byte("b"), []byte("c")), nameOf("a", []byte("bc")))
}

// TestCacheIsBoundedByWhatStays asks again for everything that is large, so that all of it is kept when others are forgotten.
func TestCacheIsBoundedByWhatStays(t *testing.T) {
	const large = 16 << 10
	var c Cache
	for i := range 20 * maxCached / large {
		c.add(nameOf(knownCertificate, []byte{byte(i), byte(i >> 8)}), true, large)
		for j := range i {
			c.get(nameOf(knownCertificate, []byte{byte(j), byte(j >> 8)}))
		}
		require.LessOrEqual(t, len(c.young), maxCached/large)
	}
}
