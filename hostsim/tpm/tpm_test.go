package tpm

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/hgsserver/attestation/endorsement"
	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
)

// made is the state of a TPM: to make one takes seconds.
var made string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		panic(err)
	}
	made = filepath.Join(dir, "tpm")
	if err := CreateSoftware(context.Background(), made, "host1"); err != nil {
		panic(fmt.Errorf("swtpm_setup is in the package swtpm-tools: %w", err))
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// create gives the state of a TPM that was not started before: the same one each time.
func create(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tpm")
	require.NoError(t, os.CopyFS(dir, os.DirFS(made)))
	return dir
}

func open(t testing.TB, dir string) *TPM {
	t.Helper()
	tpm, err := OpenSoftware(t.Context(), dir)
	require.NoError(t, err, "swtpm is in the package swtpm")
	return tpm
}

func readCertificate(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	block, rest := pem.Decode(data)
	require.Empty(t, rest)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

func TestEndorsement(t *testing.T) {
	dir := create(t)
	tpm := open(t, dir)
	key, err := tpm.EndorsementKey()
	require.NoError(t, err)
	der, err := tpm.EndorsementCertificate()
	require.NoError(t, err)
	require.NoError(t, tpm.Close())

	ek, err := rtpm.ParseEndorsementKey(key)
	require.NoError(t, err)
	c, err := endorsement.Parse(der)
	require.NoError(t, err)
	require.Equal(t, ek.Bytes(), c.Key.Bytes())
	root, intermediate := readCertificate(t, filepath.Join(dir, RootFile)), readCertificate(t, filepath.Join(dir, IntermediateFile))
	require.NoError(t, c.Check([]*x509.Certificate{root}, []*x509.Certificate{intermediate}, time.Now()))
	require.NoDirExists(t, filepath.Join(dir, "ca"))

	require.ErrorIs(t, CreateSoftware(t.Context(), t.TempDir(), "x"), os.ErrExist)
}

// TestSeal shows that a secret opens in the same TPM with the same PCRs, and otherwise not.
func TestSeal(t *testing.T) {
	dir, pcrs := create(t), []uint{7, 11}
	secret, digest := []byte("a key of thirty-two bytes exactly"), sha256.Sum256([]byte("measured"))
	tpm := open(t, dir)
	require.NoError(t, tpm.Fresh())
	require.NoError(t, tpm.Extend(7, digest[:]))
	require.ErrorIs(t, tpm.Fresh(), ErrUsed)
	sealed, err := tpm.Seal(secret, pcrs)
	require.NoError(t, err)
	got, err := tpm.Unseal(sealed, pcrs)
	require.NoError(t, err)
	require.Equal(t, secret, got)
	require.NoError(t, tpm.Extend(11, digest[:]))
	_, err = tpm.Unseal(sealed, pcrs)
	require.ErrorIs(t, err, ErrSealed, "another PCR 11")
	before, err := tpm.Resets()
	require.NoError(t, err)
	require.NoError(t, tpm.Close())

	tpm = open(t, dir)
	after, err := tpm.Resets()
	require.NoError(t, err)
	require.Equal(t, before+1, after)
	_, err = tpm.Unseal(sealed, pcrs)
	require.ErrorIs(t, err, ErrSealed, "another PCR 7")
	for range 20 { // neither do objects and sessions pile up, nor does the TPM lock itself
		_, err = tpm.Unseal(sealed, pcrs)
		require.ErrorIs(t, err, ErrSealed)
	}
	require.NoError(t, tpm.Extend(7, digest[:]))
	got, err = tpm.Unseal(sealed, pcrs)
	require.NoError(t, err)
	require.Equal(t, secret, got)
	require.NoError(t, tpm.Close())

	dir = filepath.Join(t.TempDir(), "other")
	require.NoError(t, CreateSoftware(t.Context(), dir, "host2"))
	other := open(t, dir)
	require.NoError(t, other.Extend(7, digest[:]))
	_, err = other.Unseal(sealed, pcrs)
	require.ErrorIs(t, err, ErrSealed, "another TPM")
	for _, bad := range []*Sealed{{}, {sealed.Public, nil}, {nil, sealed.Private}, {make([]byte, 4096), sealed.Private}} {
		_, err = other.Unseal(bad, pcrs)
		require.ErrorIs(t, err, ErrSealed)
	}
	require.NoError(t, other.Close())
}

func TestHostKey(t *testing.T) {
	dir := create(t)
	tpm := open(t, dir)
	key, err := tpm.HostKey()
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("message"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	require.True(t, ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature))
	_, err = key.Sign(rand.Reader, digest[:20], crypto.SHA1)
	require.Error(t, err)
	require.NoError(t, tpm.Close())

	tpm = open(t, dir)
	again, err := tpm.HostKey()
	require.NoError(t, err)
	require.Equal(t, key.Public(), again.Public())
	require.NoError(t, tpm.Close())
}

// TestProcess shows that a software TPM ends with who started it, one way or the other, and is started once at a time.
func TestProcess(t *testing.T) {
	dir := create(t)
	tpm := open(t, dir)
	process := tpm.channel.(*software).cmd.Process
	_, err := OpenSoftware(t.Context(), dir)
	require.ErrorContains(t, err, "one process at a time may use it; swtpm says: ")
	require.NoError(t, tpm.Close())
	require.Error(t, process.Signal(os.Interrupt), "it has ended")

	ctx, cancel := context.WithCancel(t.Context())
	tpm, err = OpenSoftware(ctx, dir)
	require.NoError(t, err)
	cancel()
	_, err = tpm.EndorsementKey()
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, tpm.Close())

	_, err = OpenSoftware(ctx, dir)
	require.ErrorIs(t, err, context.Canceled)
	_, err = OpenSoftware(t.Context(), filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestOpen uses a TPM that is there already.
func TestOpen(t *testing.T) {
	dir := create(t)
	short, err := os.MkdirTemp("", "tpm") // the path of a socket has to be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(short)) })
	socket := filepath.Join(short, "s")
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server", "type=unixio,path="+socket,
		"--ctrl", "type=unixio,path="+socket+".ctrl", "--flags", "not-need-init,startup-clear")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var tpm *TPM
	require.Eventually(t, func() bool { tpm, err = Open(socket); return err == nil }, 10*time.Second, time.Millisecond)
	require.NoError(t, tpm.Fresh())
	_, err = tpm.HostKey()
	require.NoError(t, err)
	require.NoError(t, tpm.Close())
	_, err = Open(filepath.Join(dir, RootFile))
	require.Error(t, err)
	_, err = Open(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
