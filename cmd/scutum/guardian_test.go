package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

// newStore gives the commands an empty store.
func newStore(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("SCUTUM_HOME", home)
	return filepath.Join(home, "guardians")
}

// TestImportFromAddress takes in a fabric from servers that do, and from those
// that do not what they should.
func TestImportFromAddress(t *testing.T) {
	owner, err := guardian.NewOwner("Fabric", 2048, time.Hour)
	require.NoError(t, err)
	metadata, err := owner.Metadata()
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+guardian.MetadataPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(metadata) })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, guardian.MetadataPath, http.StatusFound)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/garbage", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 0, 1, 2}) })
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html><body>It works!</body></html>"))
	})
	mux.HandleFunc("/nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/changed", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Replace(metadata, []byte("MII"), []byte("MIJ"), 1))
	})
	mux.HandleFunc("/flood", func(w http.ResponseWriter, _ *http.Request) {
		for piece := make([]byte, 1<<16); ; {
			if _, err := w.Write(piece); err != nil {
				return // when who reads has had enough
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	for name, c := range map[string]struct{ path, err string }{
		"service":        {"", ""},
		"whole address":  {guardian.MetadataPath, ""},
		"redirect":       {"/elsewhere", ""},
		"redirect away":  {"/away", "redirects from http to file, which is not followed"},
		"redirects":      {"/round", "more than 3 redirects"},
		"too much":       {"/flood", "more than the 1048576 bytes that are accepted"},
		"not there":      {"/other", `the server answered "404 Not Found"`},
		"garbage":        {"/garbage", server.URL + "/garbage: "},
		"another page":   {"/page", server.URL + "/page: "},
		"empty":          {"/nothing", server.URL + "/nothing: "},
		"changed on way": {"/changed", server.URL + "/changed: "},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			status, stdout, stderr := runHere(t, "guardian", "import", "Fabric", server.URL+c.path, "--allow-untrusted-root")
			if c.err != "" {
				require.Equal(t, cli.ExitBad, status)
				require.Contains(t, stderr, c.err)
				require.Empty(t, stdout)
				require.NoDirExists(t, store)
				return
			}
			require.Equal(t, cli.ExitOK, status, stderr)
			require.Contains(t, stdout, "SHA-256 "+signing.Thumbprint(owner.Signing))
			require.Contains(t, stdout, "SHA-256 "+signing.Thumbprint(owner.Encryption))
			stored, err := os.ReadFile(filepath.Join(store, "Fabric.xml"))
			require.NoError(t, err)
			require.Equal(t, metadata, stored)
		})
	}
	t.Run("not trusted", func(t *testing.T) {
		store := newStore(t)
		status, stdout, stderr := runHere(t, "guardian", "import", "Fabric", server.URL)
		require.Equal(t, cli.ExitBad, status)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "\n  signing certificate: CN=Fabric,OU=Guardian signing, SHA-256 thumbprint "+signing.Thumbprint(owner.Signing)+"\n")
		require.Contains(t, stderr, "\n  encryption certificate: CN=Fabric,OU=Guardian encryption, SHA-256 thumbprint "+signing.Thumbprint(owner.Encryption)+"\n")
		require.NoDirExists(t, store)
	})
}

// A server that keeps others waiting, before or in the middle of its answer, does
// so only until Ctrl-C.
func TestImportIsInterrupted(t *testing.T) {
	for name, begin := range map[string]bool{"no answer": false, "half an answer": true} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			ctx, cancel := context.WithCancel(t.Context())
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if begin {
					_, _ = w.Write([]byte("<Metadata"))
					w.(http.Flusher).Flush()
				}
				cancel()
				<-r.Context().Done()
			}))
			defer server.Close()
			var out, errOut bytes.Buffer
			status := run(ctx, []string{"guardian", "import", "Fabric", server.URL, "--allow-untrusted-root"}, strings.NewReader(""), &out, &errOut)
			require.Equal(t, cli.ExitInterrupted, status, errOut.String())
			require.Equal(t, "scutum: interrupted\n", errOut.String())
			require.Empty(t, out.String())
			require.NoDirExists(t, store)
		})
	}
}

// certificate makes one of a guardian's, with its key, valid until a time.
func certificate(t *testing.T, subject string, usage x509.KeyUsage, until time.Time) *signing.Identity {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: subject}, KeyUsage: usage,
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &signing.Identity{Certificate: c, Key: crypto.Signer(key)}
}

// ownerFiles makes an owner of two certificates, and gives its metadata and keys
// as files; the password is pw.
func ownerFiles(t *testing.T, subject string, until time.Time) (metadata, signer, encryption string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, data []byte, err error) string {
		require.NoError(t, err)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	s := certificate(t, subject, x509.KeyUsageDigitalSignature, until)
	e := certificate(t, subject, x509.KeyUsageKeyEncipherment, until)
	owner, err := guardian.ImportOwner("Owner", s, e)
	require.NoError(t, err)
	data, err := owner.Metadata()
	metadata = write("metadata.xml", data, err)
	data, err = s.EncodePFX("pw")
	signer = write("s.pfx", data, err)
	data, err = e.EncodePFX("pw")
	return metadata, signer, write("e.pfx", data, err)
}

// Expired certificates are refused, also where their root does not count, until
// the user says otherwise. Whoever has them is told so from then on.
func TestImportExpired(t *testing.T) {
	newStore(t)
	t.Setenv("PW", "pw")
	metadata, signer, encryption := ownerFiles(t, "Old", time.Now().Add(-time.Hour))
	ofOwner := []string{"guardian", "import", "Owner", "--signing", signer, "--encryption", encryption, "--pfx-password-env", "PW", "--password-env", "PW"}
	for remedy, args := range map[string][]string{
		"ask the fabric's people for metadata with new certificates, or import it with --allow-expired": {
			"guardian", "import", "Fabric", metadata, "--allow-untrusted-root",
		},
		"have certificates issued that are valid, or import these with --allow-expired": ofOwner,
	} {
		status, stdout, stderr := runHere(t, args...)
		require.Equal(t, cli.ExitBad, status)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "expired: it was valid until ")
		require.Equal(t, 2, strings.Count(stderr, "certificate: CN=Old, SHA-256 thumbprint "), stderr)
		require.Contains(t, stderr, "\n  "+remedy+"\n")

		status, stdout, stderr = runHere(t, append(args, "--allow-expired")...)
		require.Equal(t, cli.ExitOK, status, stderr)
		require.Equal(t, 2, strings.Count(stdout, "\n  thumbprint "))
		require.Equal(t, 2, strings.Count(stdout, "\nAttention: "), stdout)
		require.Contains(t, stdout, "expired: it was valid until ")
	}
	_, stdout, _ := runHere(t, "guardian", "list")
	require.Contains(t, stdout, "\nAttention: Fabric: the signing certificate has expired: it was valid until ")
	out := filepath.Join(t.TempDir(), "a.kp")
	status, stdout, stderr := runHere(t, "kp", "new", out, "--owner", "Owner", "--password-env", "PW", "--allow-expired")
	require.Equal(t, cli.ExitOK, status, stderr)
	require.Contains(t, stdout, "\nAttention: certificates of 0, ")
}

// Who makes a certificate writes its subject, and gets no line of his own in what
// is shown of it.
func TestSubjectIsOneLine(t *testing.T) {
	newStore(t)
	metadata, _, _ := ownerFiles(t, "Evil\nsigning certificate: CN=Good, SHA-256 thumbprint 00", time.Now().Add(time.Hour))
	status, _, stderr := runHere(t, "guardian", "import", "Fabric", metadata)
	require.Equal(t, cli.ExitBad, status)
	require.Equal(t, 1, strings.Count(stderr, "\n  signing certificate: "), stderr)
	require.NotContains(t, stderr, "\n  signing certificate: CN=Good")
	status, stdout, stderr := runHere(t, "guardian", "import", "Fabric", metadata, "--allow-untrusted-root")
	require.Equal(t, cli.ExitOK, status, stderr)
	require.Contains(t, stdout, `CN=Evil\nsigning certificate`)
}
