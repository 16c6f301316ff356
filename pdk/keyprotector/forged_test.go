package keyprotector

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// wrapFor makes a wrapping for a guardian that another one vouches for, with good signatures and whatever Ids.
func wrapFor(t testing.TB, key *TransportKey, id, parent uint32, o, by *guardian.Owner) wrapping {
	t.Helper()
	w := wrapping{id: id, parent: parent, signing: o.Signing, encryption: o.Encryption}
	w.signingSignature = signed(t, by, o.Signing.Raw)
	w.encryptionSignature = signed(t, o, o.Encryption.Raw)
	require.NoError(t, w.wrap(key))
	return w
}

func signed(t testing.TB, by *guardian.Owner, message []byte) signature {
	t.Helper()
	algorithm, value, err := guardian.Sign(by.SigningKey, message)
	require.NoError(t, err)
	return signature{algorithm, value}
}

// wrapAll makes the wrappings of a usual protector: the first is the owner, with the Id 0, and vouches for the others.
func wrapAll(t testing.TB, key *TransportKey, people ...*guardian.Owner) (wrappings []wrapping) {
	t.Helper()
	for i, o := range people {
		wrappings = append(wrappings, wrapFor(t, key, uint32(i), 0, o, people[0]))
	}
	return wrappings
}

// framed puts the length before a document.
func framed(document string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(4+len(document))), document...)
}

// check is what every operation does before anything else.
func check(data []byte) error {
	verified := func(parse func([]byte) (*Protector, error)) error {
		p, err := parse(data)
		if err != nil {
			return err
		}
		return p.Verify()
	}
	err := verified(Parse)
	for range 2 { // the second time, the cache knows what there is to know
		if cached := verified(cacheOfTests.Parse); fmt.Sprint(cached) != fmt.Sprint(err) {
			return fmt.Errorf("with a cache it is %v, and without %v", cached, err)
		}
	}
	return err
}

// cacheOfTests has seen all that check has.
var cacheOfTests Cache

// Here both signatures over the wrappings are right, and the wrappings are not.
func TestForgedWrappings(t *testing.T) {
	key := newTransportKey()
	o, f, b, m := owner(t), fabric(t), branch(t), mallory(t)
	wrap := func(id, parent uint32, g, by *guardian.Owner) wrapping { return wrapFor(t, &key, id, parent, g, by) }
	change := func(w wrapping, change func(*wrapping)) wrapping { change(&w); return w }

	for name, test := range map[string]struct {
		wrappings []wrapping
		is        error
		says      string
	}{
		"two owners":                          {[]wrapping{wrap(0, 0, o, o), wrap(1, 1, m, m)}, ErrInvalidWrapping, "wrapping 1 does not lead to the owner"},
		"an owner by another Id":              {[]wrapping{wrap(1, 1, o, o), wrap(2, 1, f, o)}, ErrInvalidWrapping, "no owner"},
		"a guardian as owner":                 {[]wrapping{wrap(0, 1, o, m), wrap(1, 1, m, m)}, ErrInvalidWrapping, "no owner"},
		"a cycle":                             {[]wrapping{wrap(0, 0, o, o), wrap(1, 2, f, m), wrap(2, 1, m, f)}, ErrInvalidWrapping, "wrapping 1 does not lead to the owner"},
		"a way into a cycle":                  {[]wrapping{wrap(0, 0, o, o), wrap(3, 1, b, f), wrap(1, 2, f, m), wrap(2, 1, m, f)}, ErrInvalidWrapping, "wrapping 3 does not lead to the owner"},
		"no such parent":                      {[]wrapping{wrap(0, 0, o, o), wrap(1, 2, f, m)}, ErrInvalidWrapping, "which there is not"},
		"two with the Id 0":                   {[]wrapping{wrap(0, 0, o, o), wrap(0, 0, m, m)}, ErrInvalidWrapping, "two wrappings have the Id 0"},
		"two with the Id 1":                   {[]wrapping{wrap(0, 0, o, o), wrap(1, 0, f, o), wrap(1, 0, b, o)}, ErrInvalidWrapping, "two wrappings have the Id 1"},
		"one key, two Ids":                    {[]wrapping{wrap(0, 0, o, o), wrap(1, 0, f, o), wrap(2, 0, f, o)}, ErrInvalidWrapping, "wrappings 1 and 2 are for the same encryption key"},
		"one key, two roles":                  {[]wrapping{wrap(0, 0, o, o), change(wrap(1, 0, f, o), func(w *wrapping) { w.encryption = f.Signing })}, ErrInvalidWrapping, "wrapping 1 is for an encryption key that is the signing key of wrapping 1"},
		"an owner with the key of a guardian": {[]wrapping{change(wrap(0, 0, o, o), func(w *wrapping) { w.encryption = f.Signing }), wrap(1, 0, f, o)}, ErrInvalidWrapping, "wrapping 0 is for an encryption key that is the signing key of wrapping 1"},
		"too many":                            {slices.Repeat([]wrapping{wrap(0, 0, o, o)}, MaxWrappings+1), ErrInvalidProtector, "65 wrappings"},

		"granted by itself":            {[]wrapping{wrap(0, 0, o, o), wrap(1, 0, m, m)}, ErrInvalidWrapping, "wrapping 1: its signing certificate, signed by wrapping 0"},
		"granted by another guardian":  {[]wrapping{wrap(0, 0, o, o), wrap(1, 0, f, o), wrap(2, 0, m, f)}, ErrInvalidWrapping, "wrapping 2: its signing certificate"},
		"granted by an ungranted one":  {[]wrapping{wrap(0, 0, o, o), wrap(1, 0, b, b), wrap(2, 1, m, b)}, ErrInvalidWrapping, "wrapping 1: its signing certificate"},
		"another owner put in place":   {[]wrapping{wrap(0, 0, m, m), wrap(1, 0, f, o)}, ErrInvalidWrapping, "wrapping 1: its signing certificate"},
		"an owner that another signed": {[]wrapping{wrap(0, 0, o, m)}, ErrInvalidWrapping, "wrapping 0: its signing certificate"},
		"another encryption certificate": {[]wrapping{wrap(0, 0, o, o), change(wrap(1, 0, f, o), func(w *wrapping) {
			w.encryption = m.Encryption
		})}, ErrInvalidWrapping, "wrapping 1: its encryption certificate"},
		"another encryption certificate, signed by its own": {[]wrapping{wrap(0, 0, o, o), change(wrap(1, 0, f, o), func(w *wrapping) {
			w.encryption, w.encryptionSignature = m.Encryption, signed(t, m, m.Encryption.Raw)
		})}, ErrInvalidWrapping, "wrapping 1: its encryption certificate"},
		"an encryption certificate that the owner signed": {[]wrapping{wrap(0, 0, o, o), change(wrap(1, 0, f, o), func(w *wrapping) {
			w.encryption, w.encryptionSignature = m.Encryption, signed(t, o, m.Encryption.Raw)
		})}, ErrInvalidWrapping, "wrapping 1: its encryption certificate"},
		"certificates swapped": {[]wrapping{wrap(0, 0, o, o), change(wrap(1, 0, f, o), func(w *wrapping) {
			w.signing, w.encryption = w.encryption, w.signing
		})}, ErrInvalidWrapping, ""},
		"the algorithm of another key": {[]wrapping{wrap(0, 0, o, o), change(wrap(1, 0, b, o), func(w *wrapping) {
			w.encryptionSignature.algorithm = guardian.RSASHA256
		})}, ErrInvalidWrapping, "algorithm"},
		"RSA with SHA-1": {[]wrapping{change(wrap(0, 0, o, o), func(w *wrapping) {
			w.signingSignature.algorithm = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
		})}, ErrInvalidWrapping, "algorithm"},
		"the public key as a secret": {[]wrapping{change(wrap(0, 0, o, o), func(w *wrapping) {
			w.signingSignature = signature{algHMAC, hmacSHA256(o.Signing.RawSubjectPublicKeyInfo, o.Signing.Raw)}
		})}, ErrInvalidWrapping, "algorithm"},
	} {
		t.Run(name, func(t *testing.T) {
			wrappings := slices.Clone(test.wrappings)
			for i := range wrappings { // the length is what its key wants, so that no other check speaks first
				if key, ok := wrappings[i].encryption.PublicKey.(interface{ Size() int }); ok {
					wrappings[i].transportKey = make([]byte, key.Size())
				}
			}
			err := check(mustSign(t, wrappings, &key, 0, o.SigningKey))
			require.ErrorIs(t, err, test.is)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func hmacSHA256(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}

// Here the wrappings are right, and a signature over them is not.
func TestForgedSignatures(t *testing.T) {
	key := newTransportKey()
	o, f, m := owner(t), fabric(t), mallory(t)
	wrapped := wrapAll(t, &key, o, f)
	by := func(id uint32, signingKey crypto.Signer) []byte { return mustSign(t, wrapped, &key, id, signingKey) }
	p, err := Parse(by(0, o.SigningKey))
	require.NoError(t, err)
	require.NoError(t, p.Verify())
	replaced := func(old, with string) []byte {
		document := string(p.Bytes()[4:])
		require.Contains(t, document, old)
		return framed(strings.Replace(document, old, with, 1))
	}
	other, err := Parse(mustSign(t, wrapAll(t, &key, o, m), &key, 0, o.SigningKey))
	require.NoError(t, err)
	split := func(p *Protector) []string { // the wrappings' elements
		return strings.SplitAfter(strings.TrimSuffix(strings.TrimPrefix(string(p.signed), `<Wrappings xmlns="`+namespace+`">`), "</Wrappings>"), "</Wrapping>")
	}
	wrappings := split(p)

	for name, data := range map[string][]byte{
		"by somebody else":                  by(0, m.SigningKey),
		"by another guardian than it names": by(0, f.SigningKey),
		"by the owner, naming a guardian":   by(1, o.SigningKey),
		"another wrapping named":            replaced(`<GuardianSignature WrappingId="0">`, `<GuardianSignature WrappingId="1">`),
		"the signature of another":          replaced(toBase64(p.guardianSignature.value), toBase64(other.guardianSignature.value)),
		"another algorithm":                 replaced(p.guardianSignature.xml(), signature{guardian.ECDSASHA256, p.guardianSignature.value}.xml()),
		"HMAC with the public key":          replaced(p.guardianSignature.xml(), signature{algHMAC, hmacSHA256(o.Signing.RawSubjectPublicKeyInfo, p.signed)}.xml()),
		"no algorithm":                      replaced(p.guardianSignature.xml(), signature{"", p.guardianSignature.value}.xml()),
		"a wrapping left out":               replaced(wrappings[1], ""),
		"a wrapping of another protector":   replaced(wrappings[1], split(other)[1]),
		"wrappings in another order":        replaced(wrappings[0]+wrappings[1], wrappings[1]+wrappings[0]),
		"another Id":                        replaced("<Id>1</Id>", "<Id>2</Id>"),
		"the ciphertext of another":         replaced(toBase64(p.wrappings[0].transportKey), toBase64(other.wrappings[0].transportKey)),
		"white space between wrappings":     replaced("</Wrapping>", "</Wrapping>\n"),
	} {
		t.Run(name, func(t *testing.T) {
			err := check(data)
			require.ErrorIs(t, err, ErrInvalidProtector)
			require.ErrorContains(t, err, "the guardian signature, by wrapping")
		})
	}

	// Without the transport key its signature can only be believed; with it, each fault gives the one error.
	for name, data := range map[string][]byte{
		"another MAC":         replaced(toBase64(p.mac), toBase64(other.mac)),
		"no bit of it":        replaced(toBase64(p.mac), toBase64(make([]byte, 32))),
		"another salt":        replaced(toBase64(p.salt), toBase64(other.salt)),
		"by another key":      mustSign(t, wrapped, &TransportKey{}, 0, o.SigningKey),
		"the MAC of a signed": replaced(toBase64(p.mac), toBase64(hmacSHA256(key[:], p.signed))),
	} {
		t.Run("transport key signature: "+name, func(t *testing.T) {
			require.NoError(t, check(data))
			p, err := Parse(data)
			require.NoError(t, err)
			got, err := p.Unwrap(decrypter(f))
			require.ErrorIs(t, err, ErrCannotUnwrap)
			require.True(t, got == TransportKey{})
		})
	}
}

func mustSign(t testing.TB, wrappings []wrapping, key *TransportKey, signer uint32, signingKey crypto.Signer) []byte {
	t.Helper()
	p, err := sign(wrappings, key, signer, signingKey)
	require.NoError(t, err)
	return p.data
}

// A protector that does not verify is neither opened nor changed.
func TestEveryOperationVerifiesFirst(t *testing.T) {
	key := newTransportKey()
	granted := wrapAll(t, &key, owner(t), fabric(t))
	byItself := append(slices.Clone(granted), wrapFor(t, &key, 2, 0, mallory(t), mallory(t)))
	for _, test := range []struct {
		data []byte
		is   error
	}{
		{mustSign(t, granted, &key, 1, owner(t).SigningKey), ErrInvalidProtector},
		{mustSign(t, byItself, &key, 0, owner(t).SigningKey), ErrInvalidWrapping},
	} {
		p, err := Parse(test.data)
		require.NoError(t, err)
		_, err = p.Unwrap(decrypter(fabric(t)))
		require.ErrorIs(t, err, test.is)
		_, err = p.Grant(owner(t), public(t, branch(t)))
		require.ErrorIs(t, err, test.is)
		_, _, err = p.Revoke(owner(t), func(w WrappingInfo) bool { return w.ID == 1 })
		require.ErrorIs(t, err, test.is)
		_, _, _, err = p.Roll(fabric(t), nil)
		require.ErrorIs(t, err, test.is)
	}
}

// Whatever bit of a protector is turned, it is refused.
func TestEveryBitCounts(t *testing.T) {
	p, _ := newProtector(t, branch(t))
	good := p.Bytes()
	for i := 0; i < len(good); i += 13 {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		p, err := Parse(bad)
		if err == nil {
			_, err = p.Unwrap(decrypter(owner(t)))
		}
		require.Error(t, err, "byte %d, near %q", i, good[max(0, i-40):min(len(good), i+40)])
	}
}

// The package says so: the owner's signature over a guardian's certificate names no protector. Who was granted access once
// can make other protectors in the owner's name, but learns nothing of what lies under the owner's own.
func TestWhatAFormerGuardianCanDo(t *testing.T) {
	granted, _ := newProtector(t, fabric(t))
	current, _, err := granted.Revoke(owner(t), func(w WrappingInfo) bool { return w.ID == 1 })
	require.NoError(t, err)
	requireNotGranted(t, current, fabric(t))

	own := newTransportKey()
	former := granted.wrappings
	for i := range former {
		require.NoError(t, former[i].wrap(&own))
	}
	wrappings := append(former, wrapFor(t, &own, 2, 1, mallory(t), fabric(t)))
	data := mustSign(t, wrappings, &own, 1, fabric(t).SigningKey)
	require.NoError(t, check(data))
	p, err := Parse(data)
	require.NoError(t, err)
	require.Equal(t, current.Owner(), p.Owner())
	require.Equal(t, uint32(1), p.Signer().ID, "it shows who made it")

	// What others wrapped cannot be taken into it: that takes their transport key.
	wrappings = append(slices.Clone(current.wrappings), former[1])
	data = mustSign(t, wrappings, &own, 1, fabric(t).SigningKey)
	require.NoError(t, check(data))
	p, err = Parse(data)
	require.NoError(t, err)
	_, err = p.Unwrap(decrypter(owner(t)))
	require.ErrorIs(t, err, ErrCannotUnwrap)
}

// A guardian has the owner's signature over its signing certificate. In a protector that another guardian makes, that can
// stand for the owner's over an encryption certificate. So Revoke and Grant do not take the owner's wrapping from there.
func TestOwnersEncryptionKeyIsNotTakenFromTheProtector(t *testing.T) {
	granted, _ := newProtector(t, fabric(t), branch(t))
	own := newTransportKey()
	wrappings := []wrapping{granted.wrappings[0], granted.wrappings[2]}
	wrappings[0].encryption, wrappings[0].encryptionSignature = fabric(t).Signing, granted.wrappings[1].signingSignature
	for i := range wrappings {
		require.NoError(t, wrappings[i].wrap(&own))
	}
	p, err := Parse(mustSign(t, wrappings, &own, 2, branch(t).SigningKey))
	require.NoError(t, err)
	require.NoError(t, p.Verify())
	require.Equal(t, fabric(t).Signing, p.Owner().Encryption)

	rest, key, err := p.Revoke(owner(t), func(w WrappingInfo) bool { return w.IsFor(public(t, branch(t))) })
	require.NoError(t, err)
	requireOpens(t, rest, key, owner(t))
	_, err = rest.Unwrap(fabric(t).SigningKey.(*rsa.PrivateKey))
	require.ErrorIs(t, err, ErrNotGranted)

	wrappings = append(wrappings, wrapFor(t, &own, 3, 2, owner(t), branch(t)))
	p, err = Parse(mustSign(t, wrappings, &own, 2, branch(t).SigningKey))
	require.NoError(t, err)
	require.NoError(t, p.Verify())
	_, err = p.Grant(owner(t), public(t, mallory(t)))
	require.ErrorIs(t, err, ErrNotOwner)
}
