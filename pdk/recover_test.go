package pdk

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
)

func TestOpenRecovery(t *testing.T) {
	_, d := newFile(t, options(t), fabric(t))
	transportKey, err := d.KeyProtector.Unwrap(decrypterOf(t, owner(t)))
	require.NoError(t, err)
	volume := vhdx.NewGUID()
	key := recovery.NewExternalKey(volume, time.Now())
	e, err := recovery.Seal(key, transportKey, d.ID, volume, d.KeyProtector.Bytes())
	require.NoError(t, err)

	data, err := d.Edit(owner(t), Change{Revoke: func(w keyprotector.WrappingInfo) bool { return w.IsFor(&fabric(t).Guardian) }})
	require.NoError(t, err)
	revoked, err := Parse(data)
	require.NoError(t, err)
	for name, d := range map[string]*ShieldingData{"as it was": d, "revoked since": revoked} {
		got, err := d.OpenRecovery(e, decrypterOf(t, owner(t)))
		require.NoError(t, err, name)
		require.Equal(t, key, got, name)
		_, err = d.OpenRecovery(e, decrypterOf(t, branch(t)))
		require.Equal(t, recovery.ErrCannotOpen, err, name)
	}

	// A key protector of another owner does not count, though that one's key opens it.
	foreign, foreignKey, err := keyprotector.New(branch(t), nil)
	require.NoError(t, err)
	e, err = recovery.Seal(key, foreignKey, d.ID, volume, foreign.Bytes())
	require.NoError(t, err)
	_, err = d.OpenRecovery(e, decrypterOf(t, branch(t)))
	require.Equal(t, recovery.ErrCannotOpen, err)
	e, err = recovery.Seal(key, foreignKey, d.ID, volume, []byte("none"))
	require.NoError(t, err)
	_, err = d.OpenRecovery(e, decrypterOf(t, owner(t)))
	require.Equal(t, recovery.ErrCannotOpen, err)
}
