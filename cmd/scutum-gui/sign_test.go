//go:build linux

package main

import (
	"crypto/sha256"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// TestSign signs a template in the window, by mouse and by typing, and has the
// command line and openssl judge it.
func TestSign(t *testing.T) {
	disk := volumetest.Windows(t, volumetest.Options{})
	s := openScreen(t)
	s.click("Sign a template")
	s.click("Make a lab certificate, to try things out")
	s.enter("Name of the signer", "Contoso templates")
	s.enter("Save as", s.path("signer.pfx"))
	s.enter("Password", "correct horse")
	s.enter("Password, once more", "correct horse")
	s.click("Make the certificate")
	s.appears("signer.pfx")
	s.next()

	s.describe(disk, "Windows Server 2025", "1.2.3.4")
	s.see("Windows Server 2025")
	s.next()
	s.see("Save the catalog as")
	s.enter("Save the catalog as", s.path("template.vsc"))
	s.click("Save")
	s.appears("template.vsc")
	s.next()
	s.see("Recent files")

	s.output("openssl", "pkcs12", "-in", s.path("signer.pfx"), "-passin", "pass:correct horse", "-nokeys", "-out", s.path("signer.pem"))
	facts := s.output(command, "template", "verify", disk, "--vsc", s.path("template.vsc"), "--trust", s.path("signer.pem"))
	require.Contains(t, facts, "Windows Server 2025, version 1.2.3.4")
	s.output("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", s.path("template.vsc"), "-noverify", "-out", s.path("catalog.json"))
}

// TestCancel stops a signing in the middle, and finds the disk as it was.
func TestCancel(t *testing.T) {
	s := openScreen(t)
	disk := s.largeDisk()
	before := s.state(disk)
	s.makeSigner()

	s.click("Sign a template")
	s.enter("Certificate file", s.path("signer.pfx"))
	s.enter("Password", "correct horse")
	s.key("Return")
	s.next()
	s.describe(disk, "Large", "1.0.0.0")
	s.see("Every byte of every partition is hashed")
	s.next()
	s.see("left")

	s.key("alt+F4")
	s.see("Cancel the work and close")
	s.key("Escape")
	s.gone("Cancel the work and close")
	s.click("Cancel")
	s.see("Every byte of every partition is hashed")
	require.Equal(t, before, s.state(disk))
	require.Contains(t, s.output(command, "template", "inspect", disk), "The disk is not signed.")
}

// describe goes from the choice of the disk to the review: what is signed, under
// which name and version.
func (s *screen) describe(disk, name, version string) {
	s.Helper()
	s.enter("Virtual disk", disk)
	s.key("Tab")
	s.see("Microsoft reserved")
	s.next()
	s.enter("Name of the template", name)
	s.enter("Version", version)
	s.key("Tab")
	s.next()
}

// largeDisk makes a disk that takes minutes to hash, and little space.
func (s *screen) largeDisk() string {
	s.Helper()
	raw := volumetest.WindowsRaw(s, volumetest.Options{OSSize: 200 << 30, BlockSize: 32 << 20})
	disk := s.path("large.vhdx")
	s.output(command, "vhdx", "convert", raw, disk, "--fixed")
	return disk
}

// state is a digest of all but the hidden depths of a large disk: its headers,
// log, tables and metadata, and its first partitions.
func (s *screen) state(disk string) [sha256.Size]byte {
	s.Helper()
	f, err := os.Open(disk)
	require.NoError(s, err)
	defer f.Close()
	head := make([]byte, 64<<20)
	_, err = io.ReadFull(f, head)
	require.NoError(s, err)
	return sha256.Sum256(head)
}

// makeSigner makes a certificate by the command line.
func (s *screen) makeSigner() {
	s.Helper()
	require.NoError(s, os.WriteFile(s.path("password"), []byte("correct horse\n"), 0o600))
	s.output(command, "cert", "new", "--subject", "Contoso", s.path("signer.pfx"), "--password-file", s.path("password"))
}
