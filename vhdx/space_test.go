package vhdx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The map of what is taken agrees with one that has a byte for each MiB.
func TestSpace(t *testing.T) {
	random := newRandom(1)
	s, taken := &space{}, make([]bool, 2000)
	type piece struct{ offset, length int64 }
	var pieces []piece
	for range 3000 {
		switch random.IntN(4) {
		case 0: // take here
			p := piece{random.Int64N(1000), 1 + random.Int64N(200)}
			free := true
			for i := p.offset; i < p.offset+p.length; i++ {
				free = free && !taken[i]
				taken[i] = true
			}
			require.Equal(t, free, s.mark(p.offset*mib, p.length*mib))
		case 1: // take anywhere
			p := piece{length: 1 + random.Int64N(9)}
			p.offset = s.take(p.length*mib) / mib
			pieces = append(pieces, p)
			for i := p.offset; i < p.offset+p.length; i++ {
				require.False(t, taken[i])
				taken[i] = true
			}
		default:
			if len(pieces) == 0 {
				continue
			}
			n := random.IntN(len(pieces))
			p := pieces[n]
			pieces = append(pieces[:n], pieces[n+1:]...)
			s.unmark(p.offset*mib, p.length*mib)
			for i := p.offset; i < p.offset+p.length; i++ {
				taken[i] = false
			}
		}
		count, end := int64(0), int64(0)
		for i, is := range taken {
			if is != s.taken(int64(i)) {
				require.Failf(t, "differs", "MiB %d", i)
			}
			if is {
				count, end = count+1, int64(i)+1
			}
		}
		require.Equal(t, count, s.count())
		require.Equal(t, end, s.end)
	}
}
