package pdk

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// person gives a guardian with its keys, the same one for a name.
func person(t testing.TB, name string, kind signing.KeyKind) *guardian.Owner {
	t.Helper()
	peopleLock.Lock()
	defer peopleLock.Unlock()
	if people[name] == nil {
		signer, err := signing.NewLabIdentity(name+" signing", kind, time.Hour)
		require.NoError(t, err)
		encryption, err := signing.NewLabIdentity(name+" encryption", signing.RSA2048, time.Hour)
		require.NoError(t, err)
		people[name], err = guardian.ImportOwner(name, signer, encryption)
		require.NoError(t, err)
	}
	return people[name]
}

var (
	people     = map[string]*guardian.Owner{}
	peopleLock sync.Mutex
)

// The people of the tests. Mallory was granted nothing, but where a test says so.
func owner(t testing.TB) *guardian.Owner   { return person(t, "owner", signing.RSA2048) }
func fabric(t testing.TB) *guardian.Owner  { return person(t, "fabric", signing.P256) }
func branch(t testing.TB) *guardian.Owner  { return person(t, "branch", signing.RSA2048) }
func mallory(t testing.TB) *guardian.Owner { return person(t, "mallory", signing.P384) }

// publics is what others know of guardians: their metadata.
func publics(t testing.TB, people ...*guardian.Owner) (guardians []*guardian.Guardian) {
	t.Helper()
	for _, o := range people {
		metadata, err := o.Metadata()
		require.NoError(t, err)
		g, err := guardian.ParseMetadata(metadata)
		require.NoError(t, err)
		g.Name = o.Name
		guardians = append(guardians, g)
	}
	return guardians
}

// catalog is a signed catalog, as far as qualifiers look at it.
func catalog(t testing.TB, signer *guardian.Owner, name, version string) *signing.Signed {
	t.Helper()
	v, err := signing.ParseVersion(version)
	require.NoError(t, err)
	s := &signing.Signed{Catalog: &signing.Catalog{Template: signing.Template{Name: name, Version: v}}, Signer: signer.Signing}
	copy(s.Digest[:], name+version)
	return s
}

func options(t testing.TB) Options {
	return Options{
		Kind: Template, Policy: Shielded,
		Volumes: []Qualifier{
			QualifierOf(catalog(t, branch(t), "Server", "1.0.0.0"), GreaterOrEqual, false),
			QualifierOf(catalog(t, mallory(t), "Ubuntu", "2.1.0.0"), Equals, true),
		},
		Payload: Payload{
			AnswerFile: &File{"unattend.xml", []byte("<unattend>secret</unattend>")},
			Files:      []File{{"rdp.pfx", []byte{0, 1, 2, 0xff}}, {`a (b) ü.txt`, nil}},
		},
	}
}

// newFile makes and reads a file of the owner.
func newFile(t testing.TB, o Options, guardians ...*guardian.Owner) ([]byte, *ShieldingData) {
	t.Helper()
	data, err := New(owner(t), publics(t, guardians...), o)
	require.NoError(t, err)
	return data, parse(t, data)
}

func parse(t testing.TB, data []byte) *ShieldingData {
	t.Helper()
	d, err := Parse(data)
	require.NoError(t, err)
	return d
}

func decrypterOf(t testing.TB, o *guardian.Owner) crypto.Decrypter {
	t.Helper()
	key, err := decrypter(o)
	require.NoError(t, err)
	return key
}

// requireOpens requires that each of them, and none of the others, gets that payload.
func requireOpens(t testing.TB, d *ShieldingData, want Payload, who ...*guardian.Owner) {
	t.Helper()
	for _, o := range []*guardian.Owner{owner(t), fabric(t), branch(t), mallory(t)} {
		got, err := d.Open(decrypterOf(t, o))
		granted := false
		for _, w := range who {
			granted = granted || w == o
		}
		if !granted {
			require.ErrorIs(t, err, keyprotector.ErrNotGranted, o.Name)
			require.Nil(t, got)
			continue
		}
		require.NoError(t, err, o.Name)
		requirePayload(t, want, *got)
	}
}

func requirePayload(t testing.TB, want, got Payload) {
	t.Helper()
	require.Equal(t, want.AnswerFile == nil, got.AnswerFile == nil)
	wanted, gotten := want.all(), got.all()
	require.Len(t, gotten, len(wanted))
	for i := range wanted {
		require.Equal(t, wanted[i].Name, gotten[i].Name)
		require.Equal(t, string(wanted[i].Content), string(gotten[i].Content))
	}
}

// renewed gives another certificate for the guardian's signing key.
func renewed(t testing.TB, o *guardian.Owner) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "renewed"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, o.SigningKey.Public(), o.SigningKey)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}
