//go:build linux

package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

// TestShielding makes shielding data in the window for guardians of the command
// line, which then judges the file, as openssl does.
func TestShielding(t *testing.T) {
	disk := volumetest.Windows(t, volumetest.Options{})
	s := openScreen(t)
	s.makeSigner()
	s.output(command, "template", "sign", disk, "--name", "Windows Server 2025", "--version", "1.0.0.0",
		"--cert", s.path("signer.pfx"), "--password-file", s.path("password"), "--vsc", s.path("template.vsc"))
	s.output(command, "guardian", "new", "Contoso", "--password-file", s.path("password"))
	fabric := append(os.Environ(), "SCUTUM_HOME="+s.path("fabric"))
	s.outputIn(fabric, command, "guardian", "new", "Adatum", "--password-file", s.path("password"))
	s.outputIn(fabric, command, "guardian", "export", "Adatum", s.path("fabric.xml"))
	s.output(command, "guardian", "import", "Adatum", s.path("fabric.xml"), "--allow-untrusted-root")
	s.output(command, "answerfile", "new", s.path("unattend.xml"), "--password-file", s.path("password"), "--static-ip", "1")

	s.click("Create shielding data")
	s.enter("Save as", s.path("web.pdk"))
	s.key("Tab")
	s.next()
	s.enter("Passphrase", "correct horse")
	s.key("Return")
	s.see("The keys of Contoso are open")
	s.wheel("Adatum")
	s.click("Adatum")
	s.next()
	s.enter("Add a template", s.path("template.vsc"))
	s.key("Tab")
	s.see("Windows Server 2025 1.0.0.0")
	s.next()
	s.enter("Answer file", s.path("unattend.xml"))
	s.key("Tab")
	s.see("KiB of 384 KiB")
	s.next()
	s.see("Step 5 of 6")
	s.next()
	s.see("The shielding data are made")
	s.next()
	s.see("Recent files")

	s.output(command, "pdk", "check", s.path("web.pdk"), s.path("template.vsc"))
	require.Contains(t, s.output(command, "pdk", "show", s.path("web.pdk"), "--open", "--password-file", s.path("password")), "unattend.xml")
	s.output("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", s.path("web.pdk"), "-noverify", "-out", s.path("web.json"))
}
