package bitlocker

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A tpm is a TPM 2.0 in a program (swtpm), which tpm2-tools talk to.
type tpm struct {
	t   testing.TB
	dir string
}

const storageRootKey = "0x81000001"

// newTPM starts a TPM with a storage root key, as Windows leaves one.
func newTPM(t testing.TB) *tpm {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm") // the name of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--flags", "not-need-init,startup-clear",
		"--server", "type=unixio,path="+socket, "--ctrl", "type=unixio,path="+socket+".ctrl")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	require.Eventually(t, func() bool { _, err := os.Stat(socket + ".ctrl"); return err == nil }, 10*time.Second, time.Millisecond)
	p := &tpm{t, dir}
	p.run("createprimary", "-C", "o", "-g", "sha256", "-G", "rsa2048:aes128cfb", "-c", p.file("primary"))
	p.run("evictcontrol", "-C", "o", "-c", p.file("primary"), storageRootKey)
	p.run("flushcontext", "-t")
	p.extend(7, "what Secure Boot measured")
	p.extend(11, "what the loader measured")
	return p
}

func (p *tpm) file(name string) string { return filepath.Join(p.dir, name) }

func (p *tpm) try(name string, args ...string) ([]byte, error) {
	cmd := exec.Command("tpm2_"+name, args...)
	cmd.Env = append(os.Environ(), "TPM2TOOLS_TCTI=swtpm:path="+p.file("socket"), "TSS2_LOG=all+none")
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("tpm2_%s: %w: %s", name, err, messages.String())
	}
	return out.Bytes(), nil
}

func (p *tpm) run(name string, args ...string) []byte {
	p.t.Helper()
	out, err := p.try(name, args...)
	require.NoError(p.t, err)
	return out
}

// extend is a further measurement.
func (p *tpm) extend(pcr int, text string) {
	p.t.Helper()
	sum := sha256.Sum256([]byte(text))
	p.run("pcrextend", fmt.Sprintf("%d:sha256=%x", pcr, sum))
}

// policy begins a session, or the trial of one, and gives it the policy that Windows makes.
func (p *tpm) policy(session string, trial bool) error {
	options := []string{"-S", session}
	if !trial {
		options = append(options, "--policy-session")
	}
	p.run("startauthsession", options...)
	p.run("policyauthvalue", "-S", session)
	_, err := p.try("policypcr", "-S", session, "-l", "sha256:7,11", "-L", p.file("policy"))
	return err
}

// sized takes a structure of the TPM out of a file: its size, and as many bytes.
func (p *tpm) sized(name string) []byte {
	p.t.Helper()
	b, err := os.ReadFile(p.file(name))
	require.NoError(p.t, err)
	require.Len(p.t, b, 2+int(binary.BigEndian.Uint16(b)))
	return b[2:]
}

// seal is a SealTPM.
func (p *tpm) seal(key []byte) (TPMBlob, error) {
	session := p.file("trial")
	require.NoError(p.t, p.policy(session, true))
	p.run("flushcontext", session)
	require.NoError(p.t, os.WriteFile(p.file("key"), key, 0o600))
	p.run("create", "-C", storageRootKey, "-g", "sha256", "-i", p.file("key"), "-L", p.file("policy"),
		"-a", "fixedtpm|fixedparent|noda", "-u", p.file("public"), "-r", p.file("private"))
	require.NoError(p.t, os.Remove(p.file("key")))
	p.run("pcrread", "sha256:7,11", "-o", p.file("pcrs"))
	values, err := os.ReadFile(p.file("pcrs"))
	require.NoError(p.t, err)
	digest := sha256.Sum256(values)
	return TPMBlob{PCRs: []int{7, 11}, Private: p.sized("private"), Public: p.sized("public"), PCRDigest: digest[:]}, nil
}

// unseal is an UnsealTPM.
func (p *tpm) unseal(blob TPMBlob) ([]byte, error) {
	for name, b := range map[string][]byte{"public": blob.Public, "private": blob.Private} {
		sized := append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
		require.NoError(p.t, os.WriteFile(p.file(name), sized, 0o600))
	}
	if _, err := p.try("load", "-C", storageRootKey, "-u", p.file("public"), "-r", p.file("private"), "-c", p.file("object")); err != nil {
		return nil, err
	}
	defer p.run("flushcontext", "-t")
	session := p.file("session")
	defer func() { _, _ = p.try("flushcontext", session) }()
	if err := p.policy(session, false); err != nil {
		return nil, err
	}
	return p.try("unseal", "-c", p.file("object"), "-p", "session:"+session)
}

// TestTPM seals the master key to the PCRs 7 and 11 of a TPM, in the structures that Windows uses, and has it unsealed: by
// the same TPM while it has measured the same, and by no other.
func TestTPM(t *testing.T) {
	p := newTPM(t)
	disk, plain, key := convertRandom(t, Options{Protectors: []NewProtector{SealTPM(p.seal), ExternalKey{Key: [32]byte{1}}}})
	v := unlocked(t, disk, UnsealTPM(p.unseal))
	requirePlain(t, plain, v)
	got, err := v.MasterKey()
	require.NoError(t, err)
	require.Equal(t, key, got)

	// The shape is that of what Windows seals.
	d, ok := v.meta.protectors()[0].find(kindTPM)
	require.True(t, ok)
	require.Equal(t, TPMProtector, v.meta.protectors()[0].kind())
	require.Equal(t, []byte{0x80, 8, 0, 0}, d.value[:4], "PCR 7 and 11")
	private := 2 + int(binary.BigEndian.Uint16(d.value[4:])) // 0x8a or more: how long it is is up to the TPM
	require.GreaterOrEqual(t, private, 2+0x8a)
	require.Len(t, d.value, 4+private+2+0x4e+2+0x20+4)
	public := d.value[4+private:]
	require.Equal(t, []byte{0, 0x4e, 0, 8, 0, 0x0b, 0, 0, 4, 0x12, 0, 0x20}, public[:12], "KEYEDHASH, SHA-256, fixedTPM, fixedParent and noDA, policy")
	require.Equal(t, []byte{0, 0x10, 0, 0x20}, public[12+32:][:4], "scheme NULL, unique")
	digest := public[2+0x4e:]
	require.Equal(t, []byte{0, 0x20}, digest[:2])
	require.Equal(t, []byte{3, 0x80, 8, 0}, digest[2+32:], "PCR 7 and 11 once more")

	// The policy is PolicyAuthValue and then PolicyPCR (TPM library, part 3, 23.17 and 23.7).
	policy := sha256.Sum256(append(make([]byte, 32), 0, 0, 1, 0x6b))
	step := append(policy[:], 0, 0, 1, 0x7f, 0, 0, 0, 1, 0, 0x0b)
	step = append(append(step, digest[2+32:]...), digest[2:2+32]...)
	policy = sha256.Sum256(step)
	require.Equal(t, policy[:], public[12:12+32])

	// Whoever changes the blob gets nothing.
	blob, err := parseTPMBlob(d.value)
	require.NoError(t, err)
	blob.Private[40] ^= 1
	_, err = p.unseal(blob)
	require.ErrorContains(t, err, "tpm2_load")

	other := newTPM(t) // with the same measurements
	locked, err := Open(disk, testSize)
	require.NoError(t, err)
	err = locked.Unlock(UnsealTPM(other.unseal))
	require.ErrorContains(t, err, "tpm2_load")
	require.NotErrorIs(t, err, ErrWrongKey)

	for _, pcr := range []int{11, 7} {
		p := newTPM(t)
		disk, plain, _ := convertRandom(t, Options{Protectors: []NewProtector{SealTPM(p.seal), ExternalKey{Key: [32]byte{1}}}})
		p.extend(5, "of no account")
		requirePlain(t, plain, unlocked(t, disk, UnsealTPM(p.unseal)))
		p.extend(pcr, "something else")
		locked, err := Open(disk, testSize)
		require.NoError(t, err)
		err = locked.Unlock(UnsealTPM(p.unseal))
		require.ErrorContains(t, err, "tpm2_unseal")
		require.ErrorContains(t, err, "policy", "PCR %d", pcr)
		require.ErrorContains(t, err, "TPM protector "+locked.Info().Protectors[0].ID.String())
		_, err = locked.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, ErrLocked)
		requirePlain(t, plain, unlocked(t, disk, ExternalKey{Key: [32]byte{1}})) // and so the owner gets in
	}
}
