package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// When the disk is signed and only the name of the .vsc file is refused, the
// error says what is where, and the command that it names does the rest.
func TestSignedButNotSaved(t *testing.T) {
	b := newBench(t)
	cert, err := os.ReadFile(b.cert)
	require.NoError(t, err)
	key, err := os.ReadFile(b.key)
	require.NoError(t, err)
	id, err := signing.LoadPEM(cert, key)
	require.NoError(t, err)

	o := templateSign{vsc: filepath.Join(t.TempDir(), "o.vsc")}
	latecomer := func(done, total int64) { require.NoError(t, os.WriteFile(o.vsc, []byte("other"), 0o600)) }
	_, err = o.sign(t.Context(), b.disk, signing.SignOptions{
		Identity: id, Name: "Second", Version: signing.Version{2, 0, 0, 0}, Progress: latecomer,
	})
	require.EqualError(t, err, b.disk+" is signed and carries its catalog, but "+o.vsc+` is not written ("scutum template extract `+
		b.disk+" "+o.vsc+`" does that): create `+o.vsc+": file already exists")

	other, err := os.ReadFile(o.vsc)
	require.NoError(t, err)
	require.Equal(t, "other", string(other))
	entries, err := os.ReadDir(filepath.Dir(o.vsc))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	status, stdout, stderr := runHere(t, "template", "extract", b.disk, o.vsc, "--force")
	require.Equal(t, cli.ExitOK, status, stderr)
	require.Contains(t, stdout, "Second, version 2.0.0.0")
}

// A new key is not thrown away because the certificate alone could not be saved:
// with --force it has replaced one already.
func TestKeyIsKeptWithoutItsPEM(t *testing.T) {
	dir := t.TempDir()
	out, path := filepath.Join(dir, "k.pfx"), filepath.Join(dir, "k.pem")
	require.NoError(t, os.WriteFile(out, []byte("old"), 0o600))
	pem, err := atomicfile.Create(path, true)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(path, 0o700)) // what no file can replace
	o := certNew{pem: path, force: true}
	require.ErrorContains(t, o.save(out, []byte("new"), pem), out+" is written, with the key and the certificate, but "+path+" is not (")
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, "new", string(data))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 2)
}
