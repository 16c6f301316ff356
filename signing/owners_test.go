package signing

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// To name files ends, whatever a volume says of who owns its clusters.
func TestNamingEnds(t *testing.T) {
	d, err := vhdx.Open(volumetest.Windows(t, volumetest.Options{}))
	require.NoError(t, err)
	defer d.Close()
	l, err := volume.Read(d)
	require.NoError(t, err)
	p, ok := l.OSVolume()
	require.True(t, ok)
	n := newFileNames(d, Range{p.Offset(), p.Length()})
	require.NotNil(t, n)
	all := n.in(Range{0, p.Length()})
	require.NotEmpty(t, all.Files)
	require.False(t, all.More)
	used := maxOwners - n.left
	require.Positive(t, used)

	n.left = used / 10
	some := n.in(Range{0, p.Length()})
	require.True(t, some.More)
	require.Less(t, len(some.Files), len(all.Files))
	require.Empty(t, n.in(Range{0, p.Length()}).Files)
}
