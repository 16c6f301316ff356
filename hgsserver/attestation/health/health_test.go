package health

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
)

var now = time.Now().UTC().Truncate(time.Second)

var hostKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newTestSigner(t testing.TB, at time.Time) *Signer {
	t.Helper()
	s, err := NewSigner("hgs.example.com", at)
	require.NoError(t, err)
	return s
}

func statement() *Statement {
	return &Statement{
		Host: "host 1", Type: hgsa.EncryptionKeyCertificate, Mode: hgsa.ModeTPM, Key: &hostKey().PublicKey,
		Policies: []uuid.UUID{uuid.MustParse("6a460ee1-62ea-416f-ae6c-04e29634506d"), uuid.MustParse("00000000-0000-0000-0000-000000000001")},
	}
}

func TestIssue(t *testing.T) {
	s := newTestSigner(t, now.Add(-time.Hour))
	for _, mode := range []hgsa.OperationMode{hgsa.ModeTPM, hgsa.ModeAD, hgsa.ModeHostKey} {
		for _, kind := range []hgsa.ResultType{hgsa.EncryptionKeyCertificate, hgsa.SigningKeyCertificate} {
			st := statement()
			st.Mode, st.Type = mode, kind
			c, err := s.Issue(st, now.Add(500*time.Millisecond))
			require.NoError(t, err)
			require.Equal(t, now, c.NotBefore)
			require.Equal(t, now.Add(8*time.Hour), c.NotAfter)
			require.NoError(t, c.CheckSignatureFrom(s.Certificate))
			got, err := Read(c)
			require.NoError(t, err)
			require.Equal(t, st, got)
		}
	}
	late := s.Certificate.NotAfter.Add(-time.Hour)
	c, err := s.Issue(statement(), late)
	require.NoError(t, err)
	require.Equal(t, s.Certificate.NotAfter, c.NotAfter, "no longer than the signer")

	for name, change := range map[string]func(*Statement) time.Time{
		"an authority": func(st *Statement) time.Time { st.Type = hgsa.CAIntermediateCertificate; return now },
		"no mode":      func(st *Statement) time.Time { st.Mode = hgsa.ModeUnknown; return now },
		"no name":      func(st *Statement) time.Time { st.Host = ""; return now },
		"long name":    func(st *Statement) time.Time { st.Host = string(make([]byte, MaxHost+1)); return now },
		"weak key":     func(st *Statement) time.Time { st.Key = &rsa.PublicKey{N: big.NewInt(1), E: 65537}; return now },
		"even key": func(st *Statement) time.Time {
			st.Key = &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}
			return now
		},
		"before signer": func(*Statement) time.Time { return now.Add(-2 * time.Hour) },
		"after signer":  func(*Statement) time.Time { return s.Certificate.NotAfter },
	} {
		st := statement()
		at := change(st)
		_, err := s.Issue(st, at)
		require.Error(t, err, name)
	}
}

func TestIssueFor(t *testing.T) {
	s := newTestSigner(t, now)
	for lifetime, ok := range map[time.Duration]bool{
		MinLifetime: true, time.Hour: true, Lifetime: true, 0: false, -time.Hour: false, MinLifetime - 1: false, Lifetime + 1: false,
	} {
		c, err := s.IssueFor(statement(), now, lifetime)
		require.Equal(t, ok, err == nil, "%v: %v", lifetime, err)
		if ok {
			require.Equal(t, now.Add(lifetime), c.NotAfter)
		}
	}
}

func TestReadRefused(t *testing.T) {
	s := newTestSigner(t, now)
	_, err := Read(s.Certificate)
	require.ErrorIs(t, err, ErrCertificate)
	oids := func(ids ...uuid.UUID) (all []x509.OID) {
		for _, id := range ids {
			oid, err := oidOf(id)
			require.NoError(t, err)
			all = append(all, oid)
		}
		return all
	}
	for name, template := range map[string]*x509.Certificate{
		"no usage":     {Policies: oids(modes[hgsa.ModeTPM])},
		"both usages":  {Policies: oids(modes[hgsa.ModeTPM]), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment},
		"no mode":      {KeyUsage: x509.KeyUsageKeyEncipherment},
		"another mode": {KeyUsage: x509.KeyUsageKeyEncipherment, Policies: oids(uuid.New())},
		"two modes":    {KeyUsage: x509.KeyUsageKeyEncipherment, Policies: oids(modes[hgsa.ModeTPM], modes[hgsa.ModeAD])},
	} {
		template.Subject = pkix.Name{CommonName: "host"}
		der, err := x509.CreateCertificate(rand.Reader, template, s.Certificate, &hostKey().PublicKey, s.Key)
		require.NoError(t, err)
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		_, err = Read(c)
		require.ErrorIs(t, err, ErrCertificate, name)
	}
}

func TestAgainstOpenSSL(t *testing.T) {
	s := newTestSigner(t, now.Add(-time.Minute))
	c, err := s.Issue(statement(), now.Add(-time.Second))
	require.NoError(t, err)
	dir := t.TempDir()
	for name, c := range map[string]*x509.Certificate{"signer": s.Certificate, "health": c} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600))
	}
	out, err := exec.Command("openssl", "verify", "-x509_strict", "-CAfile", filepath.Join(dir, "signer"), filepath.Join(dir, "health")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	out, err = exec.Command("openssl", "x509", "-in", filepath.Join(dir, "health"), "-noout", "-text").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "Policy: 2.25."+new(big.Int).SetBytes(statement().Policies[0][:]).String())
	require.Contains(t, string(out), "Policy: 2.25.1\n")
	require.Contains(t, string(out), "Key Encipherment")
	require.Contains(t, string(out), "CN = host 1")
}

// TestRenew lets three years pass, a day at a time.
func TestRenew(t *testing.T) {
	var signers []*Signer
	made := 0
	known := map[*Signer]time.Time{}
	for day := range 3 * 365 {
		at := now.Add(time.Duration(day) * 24 * time.Hour)
		renewed, changed, err := Renew(signers, "hgs", at)
		require.NoError(t, err)
		require.Equal(t, changed, len(renewed) != len(signers) || renewed[len(renewed)-1] != signers[len(signers)-1])
		if len(signers) == 0 || renewed[len(renewed)-1] != signers[len(signers)-1] {
			made++
			known[renewed[len(renewed)-1]] = at
		}
		signers = renewed
		current := Current(signers, at)
		require.NotNil(t, current)
		require.LessOrEqual(t, len(signers), 2)
		require.False(t, current.Certificate.NotAfter.Before(at.Add(Lifetime)))
		if made > 1 && current == signers[len(signers)-1] {
			require.GreaterOrEqual(t, at.Sub(known[current]), RenewBefore-24*time.Hour, "it was known before it was used")
		}
	}
	require.Equal(t, 4, made)
	require.Nil(t, Current(nil, now))

	// In a signer's last hours the next one issues, whose certificates hold for all of their time.
	first := newTestSigner(t, now)
	second := newTestSigner(t, now.Add(SignerLifetime-RenewBefore))
	both := []*Signer{second, first}
	end := first.Certificate.NotAfter
	require.Same(t, first, Current(both, end.Add(-Lifetime)))
	require.Same(t, second, Current(both, end.Add(-Lifetime+time.Second)))
	require.Nil(t, Current([]*Signer{first}, end.Add(-Lifetime+time.Second)))
	require.Nil(t, Current([]*Signer{second}, now))
	require.Nil(t, Current(signers, now))
}

// FuzzRead reads certificates of others.
func FuzzRead(f *testing.F) {
	s := newTestSigner(f, now)
	c, err := s.Issue(statement(), now)
	require.NoError(f, err)
	f.Add(c.Raw)
	f.Add(s.Certificate.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		st, err := Read(c)
		if err != nil {
			require.ErrorIs(t, err, ErrCertificate)
			return
		}
		require.NotEqual(t, hgsa.ModeUnknown, st.Mode)
		require.NotZero(t, st.Type)
	})
}
