package keyprotector

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
)

func TestNew(t *testing.T) {
	p, key := newProtector(t, fabric(t), branch(t))
	requireOpens(t, p, key, owner(t), fabric(t), branch(t))
	requireNotGranted(t, p, mallory(t))

	require.Equal(t, []WrappingInfo{
		{ID: 0, Parent: 0, Signing: owner(t).Signing, Encryption: owner(t).Encryption},
		{ID: 1, Parent: 0, Signing: fabric(t).Signing, Encryption: fabric(t).Encryption},
		{ID: 2, Parent: 0, Signing: branch(t).Signing, Encryption: branch(t).Encryption},
	}, p.Wrappings())
	require.Equal(t, p.Wrappings()[0], p.Owner())
	require.Equal(t, p.Owner(), p.Signer())
	require.Zero(t, p.MaxOfflineUnwraps())

	again, err := Parse(p.Bytes())
	require.NoError(t, err)
	require.NoError(t, again.Verify())
	require.Equal(t, p, again)
}

func TestEveryKindOfSigningKeyCanBeTheOwners(t *testing.T) {
	for _, o := range []*guardian.Owner{owner(t), fabric(t), branch(t), mallory(t)} {
		t.Run(o.Signing.PublicKeyAlgorithm.String(), func(t *testing.T) {
			other := mallory(t)
			if o == other {
				other = owner(t)
			}
			p, key, err := New(o, publics(t, other))
			require.NoError(t, err)
			requireOpens(t, p, key, o, other)
		})
	}
}

func TestOwnerAlone(t *testing.T) {
	p, key := newProtector(t)
	requireOpens(t, p, key, owner(t))
	other, otherKey := newProtector(t)
	require.False(t, key == otherKey, "every protector has a transport key of its own")
	requireOpens(t, other, otherKey, owner(t))
}

func TestNewRefuses(t *testing.T) {
	unsigned := *public(t, fabric(t))
	unsigned.EncryptionSignature = nil
	wrong := *public(t, fabric(t))
	wrong.EncryptionSignature = public(t, owner(t)).EncryptionSignature
	swapped := *public(t, fabric(t))
	swapped.Encryption = mallory(t).Encryption
	noRSA := *public(t, branch(t))
	noRSA.Encryption = branch(t).Signing
	otherKey := *owner(t)
	otherKey.SigningKey = fabric(t).SigningKey

	for name, test := range map[string]struct {
		owner     *guardian.Owner
		guardians []*guardian.Guardian
		says      string
	}{
		"a guardian twice":             {owner(t), publics(t, fabric(t), fabric(t)), `guardian "fabric": it has access already`},
		"the owner as guardian":        {owner(t), publics(t, owner(t)), `guardian "owner": it has access already`},
		"no encryption signature":      {owner(t), []*guardian.Guardian{&unsigned}, "import its metadata"},
		"another encryption signature": {owner(t), []*guardian.Guardian{&wrong}, "signature is wrong"},
		"another encryption key":       {owner(t), []*guardian.Guardian{&swapped}, "signature is wrong"},
		"an ECDSA encryption key":      {owner(t), []*guardian.Guardian{&noRSA}, "not RSA"},
		"another signing key":          {&otherKey, nil, "signature is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			p, key, err := New(test.owner, test.guardians)
			require.ErrorContains(t, err, test.says)
			require.Nil(t, p)
			require.True(t, key == TransportKey{})
		})
	}
}

func TestNumberOfGuardiansIsBounded(t *testing.T) {
	_, err := seal(make([]wrapping, MaxWrappings+1), &TransportKey{}, 0, owner(t).SigningKey)
	require.EqualError(t, err, "at most 63 guardians can have access beside the owner")
}

func TestGrant(t *testing.T) {
	p, key := newProtector(t, fabric(t))
	granted, err := p.Grant(owner(t), public(t, branch(t)))
	require.NoError(t, err)
	requireOpens(t, granted, key, owner(t), fabric(t), branch(t))
	requireOpens(t, p, key, owner(t), fabric(t))

	_, err = granted.Grant(owner(t), public(t, branch(t)))
	require.ErrorContains(t, err, `granting access to guardian "branch": it has access already`)
	for _, o := range []*guardian.Owner{fabric(t), mallory(t)} {
		_, err = p.Grant(o, public(t, mallory(t)))
		require.ErrorIs(t, err, ErrNotOwner)
	}
	withoutKey := *owner(t)
	withoutKey.EncryptionKey = mallory(t).EncryptionKey
	_, err = p.Grant(&withoutKey, public(t, branch(t)))
	require.ErrorIs(t, err, ErrNotGranted)
}

func TestRevoke(t *testing.T) {
	p, key := newProtector(t, fabric(t), branch(t))
	isFabric := func(w WrappingInfo) bool { return w.IsFor(public(t, fabric(t))) }
	rest, newKey, err := p.Revoke(owner(t), isFabric)
	require.NoError(t, err)
	require.False(t, key == newKey)
	requireOpens(t, rest, newKey, owner(t), branch(t))
	requireNotGranted(t, rest, fabric(t))
	requireOpens(t, p, key, owner(t), fabric(t), branch(t))

	// The Id that became free is used again.
	granted, err := rest.Grant(owner(t), public(t, mallory(t)))
	require.NoError(t, err)
	require.Equal(t, []uint32{0, 2, 1}, ids(granted))

	for name, test := range map[string]struct {
		owner   *guardian.Owner
		revoked func(WrappingInfo) bool
		is      error
		says    string
	}{
		"by a guardian":   {fabric(t), isFabric, ErrNotOwner, `the key protector has another owner than "fabric"`},
		"nobody":          {owner(t), func(w WrappingInfo) bool { return w.IsFor(public(t, mallory(t))) }, ErrNotGranted, "grants no access"},
		"the owner":       {owner(t), func(w WrappingInfo) bool { return w.ID == 0 }, nil, "owner's own access"},
		"the owner, with": {owner(t), func(WrappingInfo) bool { return true }, nil, "owner's own access"},
	} {
		t.Run(name, func(t *testing.T) {
			rest, key, err := p.Revoke(test.owner, test.revoked)
			require.ErrorContains(t, err, test.says)
			require.True(t, test.is == nil || errors.Is(err, test.is))
			require.Nil(t, rest)
			require.True(t, key == TransportKey{})
		})
	}
}

func ids(p *Protector) (ids []uint32) {
	for _, w := range p.Wrappings() {
		ids = append(ids, w.ID)
	}
	return ids
}

// branch has its access from fabric, as after a service took new keys into use. Who revokes fabric revokes both.
func TestRevokeIncludesWhomTheRevokedVouchedFor(t *testing.T) {
	key := newTransportKey()
	wrappings := append(wrapAll(t, &key, owner(t), fabric(t), mallory(t)), wrapFor(t, &key, 3, 1, branch(t), fabric(t)))
	p, err := seal(wrappings, &key, 0, owner(t).SigningKey)
	require.NoError(t, err)
	requireOpens(t, p, key, owner(t), fabric(t), mallory(t), branch(t))

	rest, key, err := p.Revoke(owner(t), func(w WrappingInfo) bool { return w.ID == 1 })
	require.NoError(t, err)
	requireOpens(t, rest, key, owner(t), mallory(t))
	requireNotGranted(t, rest, fabric(t), branch(t))
}

func TestRoll(t *testing.T) {
	p, key := newProtector(t, branch(t), fabric(t))
	egress, ingressKey, egressKey, err := p.Roll(fabric(t), nil)
	require.NoError(t, err)
	require.True(t, ingressKey == key)
	require.False(t, egressKey == key)
	requireOpens(t, egress, egressKey, owner(t), fabric(t))
	requireNotGranted(t, egress, branch(t), mallory(t))
	require.Equal(t, []uint32{0, 2}, ids(egress))
	require.Equal(t, uint32(2), egress.Signer().ID)
	require.Equal(t, p.Owner(), egress.Owner())
	require.Equal(t, p.wrapping(0).signingSignature, egress.wrapping(0).signingSignature, "the owner was not asked")

	// It is rolled at every start, and the owner can still change it.
	again, ingressKey, egressKey, err := egress.Roll(fabric(t), nil)
	require.NoError(t, err)
	requireOpens(t, egress, ingressKey, owner(t), fabric(t))
	requireOpens(t, again, egressKey, owner(t), fabric(t))
	granted, err := again.Grant(owner(t), public(t, branch(t)))
	require.NoError(t, err)
	requireOpens(t, granted, egressKey, owner(t), fabric(t), branch(t))
	require.Equal(t, granted.Owner(), granted.Signer())
	rest, newKey, err := granted.Revoke(owner(t), func(w WrappingInfo) bool { return w.IsFor(public(t, fabric(t))) })
	require.NoError(t, err)
	requireOpens(t, rest, newKey, owner(t), branch(t))
}

// TestRollToAnotherCertificate moves a protector to a new encryption certificate, for which the service's signing key vouches:
// neither the owner nor the old key is needed any more.
func TestRollToAnotherCertificate(t *testing.T) {
	p, key := newProtector(t, branch(t), fabric(t))
	moved := *fabric(t)
	moved.Encryption, moved.EncryptionKey = mallory(t).Encryption, mallory(t).EncryptionKey
	var err error
	_, moved.EncryptionSignature, err = guardian.Sign(moved.SigningKey, moved.Encryption.Raw)
	require.NoError(t, err)
	egress, ingressKey, egressKey, err := p.Roll(fabric(t), &moved.Guardian)
	require.NoError(t, err)
	require.True(t, ingressKey == key)
	requireOpens(t, egress, egressKey, owner(t), &moved)
	requireNotGranted(t, egress, branch(t), fabric(t))
	require.True(t, egress.Signer().Encryption.Equal(moved.Encryption))
	parsed, err := Parse(egress.Bytes())
	require.NoError(t, err)
	require.NoError(t, parsed.Verify())
	again, _, egressKey, err := parsed.Roll(&moved, nil)
	require.NoError(t, err)
	requireOpens(t, again, egressKey, owner(t), &moved)

	unsigned, stolen := moved.Guardian, moved.Guardian
	unsigned.EncryptionSignature = nil
	stolen.EncryptionSignature = public(t, mallory(t)).EncryptionSignature
	for _, next := range []*guardian.Guardian{public(t, mallory(t)), &unsigned, &stolen} {
		egress, ingressKey, egressKey, err := p.Roll(fabric(t), next)
		require.Error(t, err)
		require.Nil(t, egress)
		require.True(t, ingressKey == TransportKey{} && egressKey == TransportKey{})
	}
}

func TestRollByTheOwner(t *testing.T) {
	p, _ := newProtector(t, fabric(t))
	egress, _, egressKey, err := p.Roll(owner(t), nil)
	require.NoError(t, err)
	requireOpens(t, egress, egressKey, owner(t))
}

func TestRollKeepsTheWayToTheOwner(t *testing.T) {
	key := newTransportKey()
	wrappings := append(wrapAll(t, &key, owner(t), fabric(t), mallory(t)), wrapFor(t, &key, 3, 1, branch(t), fabric(t)))
	p, err := seal(wrappings, &key, 0, owner(t).SigningKey)
	require.NoError(t, err)
	egress, _, egressKey, err := p.Roll(branch(t), nil)
	require.NoError(t, err)
	requireOpens(t, egress, egressKey, owner(t), fabric(t), branch(t))
	require.Equal(t, uint32(3), egress.Signer().ID)
}

func TestRollRefuses(t *testing.T) {
	p, _ := newProtector(t, fabric(t))
	otherSigner := *fabric(t)
	otherSigner.SigningKey = mallory(t).SigningKey
	for name, service := range map[string]*guardian.Owner{
		"a service without access":         mallory(t),
		"a service with other signing key": &otherSigner,
	} {
		t.Run(name, func(t *testing.T) {
			egress, ingressKey, egressKey, err := p.Roll(service, nil)
			require.ErrorIs(t, err, ErrNotGranted)
			require.Nil(t, egress)
			require.True(t, ingressKey == TransportKey{} && egressKey == TransportKey{})
		})
	}
}

// Nothing that a guardian can learn but the transport key: there is one secret, in equal form for everybody.
func TestWrappingsHoldNothingElse(t *testing.T) {
	p, key := newProtector(t, fabric(t), branch(t))
	for _, o := range []*guardian.Owner{owner(t), fabric(t), branch(t)} {
		payload, err := decrypter(o).Decrypt(nil, p.wrappingFor(o.Encryption.PublicKey).transportKey, oaep)
		require.NoError(t, err)
		require.Equal(t, encodePayload(&key), payload)
	}
	require.NotContains(t, string(p.Bytes()), toBase64(key[:]))
	require.NotContains(t, string(p.Bytes()), string(key[:]))
	require.Equal(t, 3, strings.Count(string(p.Bytes()), "<CipherValue>"))
}

func TestCheck(t *testing.T) {
	p, key := newProtector(t, fabric(t))
	require.NoError(t, p.Check(key))
	rolled, ingress, egress, err := p.Roll(fabric(t), nil)
	require.NoError(t, err)
	require.NoError(t, p.Check(ingress))
	require.NoError(t, rolled.Check(egress))
	require.ErrorIs(t, rolled.Check(ingress), ErrInvalidProtector)
	require.ErrorIs(t, p.Check(TransportKey{}), ErrInvalidProtector)
}
