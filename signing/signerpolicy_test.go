package signing_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/signing"
)

func TestCheckSigner(t *testing.T) {
	p256 := []string{"ec", "-pkeyopt", "ec_paramgen_curve:P-256"}
	curve := func(name string) []string { return []string{"ec", "-pkeyopt", "ec_paramgen_curve:" + name} }
	usage := func(s string) []string { return []string{"-addext", "keyUsage=" + s} }
	now := time.Now().Add(time.Hour) // the certificates are made after this
	for name, c := range map[string]struct {
		newkey []string
		args   []string
		at     time.Time
		err    error
		reason string
	}{
		"RSA 2048":                  {newRSA, usage("digitalSignature"), now, nil, ""},
		"RSA 4096":                  {[]string{"rsa:4096"}, usage("digitalSignature"), now, nil, ""},
		"P-256":                     {p256, usage("critical,digitalSignature,keyEncipherment"), now, nil, ""},
		"P-384":                     {curve("P-384"), usage("digitalSignature"), now, nil, ""},
		"RSA-PSS":                   {newRSA, append(usage("digitalSignature"), "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"), now, nil, ""},
		"SHA-512":                   {p256, append(usage("digitalSignature"), "-sha512"), now, nil, ""},
		"CA that may sign":          {p256, append(usage("keyCertSign,digitalSignature"), "-addext", "basicConstraints=critical,CA:TRUE"), now, nil, ""},
		"CA":                        {p256, usage("keyCertSign,cRLSign"), now, signing.ErrKeyUsage, "does not include digitalSignature"},
		"encryption only":           {newRSA, usage("keyEncipherment"), now, signing.ErrKeyUsage, "does not include digitalSignature"},
		"non-repudiation only":      {newRSA, usage("nonRepudiation"), now, signing.ErrKeyUsage, "does not include digitalSignature"},
		"no key usage":              {p256, nil, now, signing.ErrKeyUsage, "has no key usage"},
		"RSA 1024":                  {[]string{"rsa:1024"}, usage("digitalSignature"), now, signing.ErrWeak, "1024 bits"},
		"RSA 2047":                  {[]string{"rsa:2047"}, usage("digitalSignature"), now, signing.ErrWeak, "2047 bits"},
		"RSA 5120":                  {[]string{"rsa:5120"}, usage("digitalSignature"), now, signing.ErrKeyType, "5120 bits"},
		"P-224":                     {curve("P-224"), usage("digitalSignature"), now, signing.ErrWeak, "P-224"},
		"P-521":                     {curve("P-521"), usage("digitalSignature"), now, signing.ErrKeyType, "P-521"},
		"Ed25519":                   {[]string{"ed25519"}, usage("digitalSignature"), now, signing.ErrKeyType, "neither RSA nor ECDSA"},
		"SHA-1":                     {newRSA, append(usage("digitalSignature"), "-sha1"), now, signing.ErrWeak, "SHA1-RSA"},
		"SHA-1 with ECDSA":          {p256, append(usage("digitalSignature"), "-sha1"), now, signing.ErrWeak, "ECDSA-SHA1"},
		"MD5":                       {newRSA, append(usage("digitalSignature"), "-md5"), now, signing.ErrWeak, "MD5-RSA"},
		"SHA3":                      {newRSA, append(usage("digitalSignature"), "-sha3-256"), now, signing.ErrWeak, "not known to be strong"},
		"the day before":            {p256, usage("digitalSignature"), now.AddDate(0, 0, -2), signing.ErrNotYetValid, "not valid before 2"},
		"the day after":             {p256, usage("digitalSignature"), now.AddDate(0, 0, 31), signing.ErrExpired, "expired on 2"},
		"at the time of the zero":   {p256, usage("digitalSignature"), time.Time{}, signing.ErrNotYetValid, "0001-01-01T00:00:00Z"},
		"weak and for nothing, too": {[]string{"rsa:1024"}, nil, time.Time{}, signing.ErrWeak, "RSA"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"req", "-x509", "-nodes", "-subj", "/CN=signer", "-days", "30", "-keyout", "key", "-out", "cert", "-newkey"}
			tool(t, dir, append(append(args, c.newkey...), c.args...)...)
			id, err := signing.LoadPEM(get(t, dir, "cert"), get(t, dir, "key"))
			require.NoError(t, err)
			err = signing.CheckSigner(id.Certificate, c.at)
			if c.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.err)
			var unfit *signing.UnfitSigner
			require.ErrorAs(t, err, &unfit)
			require.Contains(t, unfit.Reason, c.reason)
			require.NotEmpty(t, unfit.Remedy)
			require.ErrorContains(t, err, `certificate "CN=signer" may not sign: `)
		})
	}
}

func TestCheckSignerCountsBothEnds(t *testing.T) {
	c := newLab(t).Certificate
	require.NoError(t, signing.CheckSigner(c, c.NotBefore))
	require.NoError(t, signing.CheckSigner(c, c.NotAfter))
	require.ErrorIs(t, signing.CheckSigner(c, c.NotBefore.Add(-1)), signing.ErrNotYetValid)
	require.ErrorIs(t, signing.CheckSigner(c, c.NotAfter.Add(1)), signing.ErrExpired)
}
