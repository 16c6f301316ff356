package pdk

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

func revoke(o *guardian.Owner) func(keyprotector.WrappingInfo) bool {
	return func(w keyprotector.WrappingInfo) bool { return w.IsFor(&o.Guardian) }
}

func TestEdit(t *testing.T) {
	policy := EncryptionSupported
	volumes := options(t).Volumes[1:]
	payload := Payload{AnswerFile: &File{"unattend.xml", []byte("another")}}
	_, before := newFile(t, options(t), fabric(t))
	for name, c := range map[string]struct {
		change     Change
		policy     Policy
		volumes    int
		payload    Payload
		who        []*guardian.Owner
		sameSecret bool // the ciphertext stays
	}{
		"nothing":     {Change{}, Shielded, 2, options(t).Payload, []*guardian.Owner{owner(t), fabric(t)}, true},
		"policy":      {Change{Policy: &policy}, EncryptionSupported, 2, options(t).Payload, []*guardian.Owner{owner(t), fabric(t)}, true},
		"volumes":     {Change{Volumes: &volumes}, Shielded, 1, options(t).Payload, []*guardian.Owner{owner(t), fabric(t)}, true},
		"payload":     {Change{Payload: &payload}, Shielded, 2, payload, []*guardian.Owner{owner(t), fabric(t)}, false},
		"grant":       {Change{Grant: publics(t, branch(t))}, Shielded, 2, options(t).Payload, []*guardian.Owner{owner(t), fabric(t), branch(t)}, true},
		"revoke":      {Change{Revoke: revoke(fabric(t))}, Shielded, 2, options(t).Payload, []*guardian.Owner{owner(t)}, false},
		"again":       {Change{Revoke: revoke(fabric(t)), Grant: publics(t, fabric(t))}, Shielded, 2, options(t).Payload, []*guardian.Owner{owner(t), fabric(t)}, false},
		"all of them": {Change{&policy, &volumes, &payload, revoke(fabric(t)), publics(t, branch(t))}, EncryptionSupported, 1, payload, []*guardian.Owner{owner(t), branch(t)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := before.Edit(owner(t), c.change)
			require.NoError(t, err)
			after := parse(t, data)
			require.Equal(t, before.ID, after.ID)
			require.Equal(t, before.Created, after.Created)
			require.Equal(t, c.policy, after.Policy)
			require.Len(t, after.Volumes, c.volumes)
			requireOpens(t, after, c.payload, c.who...)
			require.Equal(t, c.sameSecret, string(before.sealed.Ciphertext) == string(after.sealed.Ciphertext))
			requireOpens(t, before, options(t).Payload, owner(t), fabric(t))
		})
	}
	require.Equal(t, "another", string(payload.AnswerFile.Content))
}

// A revoked guardian that kept the old file opens that, and nothing that comes after: not with its key, and not with the
// transport key that it knows.
func TestRevoked(t *testing.T) {
	_, old := newFile(t, options(t), fabric(t), branch(t))
	known, err := old.KeyProtector.Unwrap(decrypterOf(t, fabric(t)))
	require.NoError(t, err)

	data, err := old.Edit(owner(t), Change{Revoke: revoke(fabric(t))})
	require.NoError(t, err)
	next := parse(t, data)
	requireOpens(t, old, options(t).Payload, owner(t), fabric(t), branch(t))
	requireOpens(t, next, options(t).Payload, owner(t), branch(t))
	_, err = next.OpenWith(known)
	require.Equal(t, ErrCannotOpen, err)

	secret := Payload{AnswerFile: &File{"unattend.xml", []byte("changed since")}}
	data, err = next.Edit(owner(t), Change{Payload: &secret})
	require.NoError(t, err)
	later := parse(t, data)
	requireOpens(t, later, secret, owner(t), branch(t))
	_, err = later.OpenWith(known)
	require.Equal(t, ErrCannotOpen, err)
}

func TestEditRefuses(t *testing.T) {
	_, d := newFile(t, options(t), fabric(t))
	_, existing := newFile(t, Options{Kind: ExistingVM, Policy: Shielded}, fabric(t))
	none, some, policy := []Qualifier{}, options(t).Volumes, Policy("open")
	noAnswer := Payload{Files: []File{{"a", nil}}}
	for name, c := range map[string]struct {
		d      *ShieldingData
		by     *guardian.Owner
		change Change
		err    error
		say    string
	}{
		"a guardian":               {d, fabric(t), Change{}, ErrNotOwner, ""},
		"a stranger":               {d, mallory(t), Change{Grant: publics(t, mallory(t))}, ErrNotOwner, ""},
		"policy":                   {d, owner(t), Change{Policy: &policy}, ErrPDK, `unknown policy "open"`},
		"no qualifiers":            {d, owner(t), Change{Volumes: &none}, ErrPDK, "there is no qualifier"},
		"no answer file":           {d, owner(t), Change{Payload: &noAnswer}, ErrPDK, "there is no answer file"},
		"nobody to revoke":         {d, owner(t), Change{Revoke: revoke(branch(t))}, keyprotector.ErrNotGranted, ""},
		"qualifiers of no kind":    {existing, owner(t), Change{Volumes: &some}, ErrPDK, "there are no qualifiers, but 2 are given"},
		"files of no kind":         {existing, owner(t), Change{Payload: &noAnswer}, ErrPDK, "there are no files"},
		"access that there is":     {d, owner(t), Change{Grant: publics(t, fabric(t))}, nil, `guardian "fabric": it has access already`},
		"the same guardian, twice": {d, owner(t), Change{Grant: publics(t, branch(t), branch(t))}, nil, `guardian "branch": it has access already`},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := c.d.Edit(c.by, c.change)
			require.Error(t, err)
			require.Nil(t, data)
			require.ErrorContains(t, err, c.say)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
			}
		})
	}

	// Keys of which only one is the owner's.
	half := *owner(t)
	half.EncryptionKey = mallory(t).EncryptionKey
	_, err := d.Edit(&half, Change{Revoke: revoke(fabric(t))})
	require.ErrorIs(t, err, keyprotector.ErrNotGranted)
}
