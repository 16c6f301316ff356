package store

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOneThatCannotBeRecordedKeepsNoOther records at the same time what fits and what does not.
func TestOneThatCannotBeRecordedKeepsNoOther(t *testing.T) {
	s, _ := newStore(t)
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			if i%20 == 0 {
				if s.Record("large", strings.Repeat("x", MaxValue)) == nil {
					t.Error("an entry that is too large was recorded")
				}
			} else if err := s.Record("kind", i); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.NoError(t, s.View(func(tx *Tx) error {
		head, err := tx.VerifyAudit()
		require.Equal(t, uint64(57), head.Sequence)
		return err
	}))
}

func BenchmarkRecord(b *testing.B) {
	s, _ := newStore(b)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Record("kind", "what happened"); err != nil {
				b.Error(err)
			}
		}
	})
}
