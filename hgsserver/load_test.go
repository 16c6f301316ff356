package hgsserver

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/store"
)

// FuzzLoad puts a value in the place of one in a state, as a backup that is imported may: the configuration is refused, or both
// services work by it.
func FuzzLoad(f *testing.F) {
	s := open(f, newService(f))
	h := newHost(f)
	mustChange(f, s, "POST", "/v1/hostkeys", NewHostKey{Name: "host1", Key: der(f, h.key.Public())})
	mustChange(f, s, "POST", "/v1/policies", NewPolicy{Name: "ci", Kind: "ci", File: []byte("x")})
	mustChange(f, s, "PATCH", "/v1/policies", PolicyState{Name: "Hgs_NoDumps"})
	type place struct {
		bucket store.Bucket
		key    string
	}
	places := []place{{store.Hosts, hostPrefix + "x"}, {store.Hosts, rootPrefix + "x"}, {store.Signers, trustedPrefix + "x"}, {store.Policies, stateOfPrefix + "x"}}
	var values [][]byte
	require.NoError(f, s.store.View(func(tx *store.Tx) error {
		for _, b := range store.Buckets() {
			if b == store.Audit {
				continue
			}
			err := tx.Each(b, func(key string, value []byte) error {
				places, values = append(places, place{b, key}), append(values, append([]byte{}, value...))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	for i := range places {
		for _, value := range append(values, []byte("null"), []byte("{}"), []byte("true")) {
			f.Add(i, value)
		}
	}
	enough := errors.New("nothing is to stay")
	f.Fuzz(func(t *testing.T, i int, value []byte) {
		at := places[uint(i)%uint(len(places))]
		err := s.store.Update(func(tx *store.Tx) error {
			if err := tx.Put(at.bucket, at.key, value); err != nil {
				return err
			}
			c, err := load(tx)
			if err != nil {
				return err
			}
			if err := c.validate(); err != nil {
				return err
			}
			_ = c.problems(s.now())
			_ = c.firstEnd(s.now())
			return enough
		})
		require.Error(t, err)
	})
}
