package gui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2/widget"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/gui/model"
)

const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6MDEyMzQ1 alice@example.com"

// preview is the text beside the form.
func (d *driver) preview() string {
	d.t.Helper()
	for _, g := range find(d, func(*widget.TextGrid) bool { return true }) {
		return g.Text()
	}
	require.Fail(d.t, "no preview")
	return ""
}

// labels are all texts in view.
func (d *driver) labels() string {
	var all []string
	for _, l := range find(d, func(*widget.Label) bool { return true }) {
		all = append(all, l.Text)
	}
	return strings.Join(all, "\n")
}

func requireSecret(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestAnswerFileForWindows(t *testing.T) {
	folder := t.TempDir()
	out := filepath.Join(folder, "unattend.xml")
	d := drive(t)
	d.resize(1600, 1000)
	d.w.show(placeAnswer)
	d.settle()
	require.Contains(t, d.preview(), "@ComputerName@")
	require.Contains(t, d.labels(), "the fabric supplies it")

	d.enter("Name of the computer", "a name that is too long")
	require.Contains(t, d.field("Name of the computer").Message(), "at most 15")
	require.Contains(t, d.notices(), "as soon as this is right")
	d.enter("Name of the computer", "WEB01")
	require.Contains(t, d.preview(), "<ComputerName>WEB01</ComputerName>")
	d.enter("Product key (optional)", "1234")
	require.Contains(t, d.field("Product key (optional)").Message(), "five groups")
	d.enter("Product key (optional)", "@ProductKey@")
	d.enter("Time zone (optional)", "W. Europe Standard Time")
	d.enter("Locale (optional)", "de-DE")
	d.enter("Password of the account Administrator", "P@ssw0rd-1")
	d.enter("Password, once more", "P@ssw0rd-1")
	d.enter("Active Directory domain (optional)", "example.com")
	d.tap("Save")
	require.Contains(t, d.field("User who may join computers").Message(), "DOMAIN")
	d.enter("User who may join computers", `EXAMPLE\joiner`)
	d.enter("Password of that user", "join secret")
	d.tick("Let in Remote Desktop")
	d.tick("Let in remote management (WinRM)")
	d.enter("Scripts among the shielding data that run at the end, one name a line (optional)", "install.ps1")
	d.tap("Add one with an address from the fabric")
	require.Contains(t, d.preview(), "@IP4Addr-1@")
	d.enter("IPv4 gateway", "nowhere")
	require.Contains(t, d.field("IPv4 gateway").Message(), "Enter the address of the gateway")
	d.enter("IPv4 gateway", "@NextHop-1-1@")
	d.enter("Commands, one a line (optional)", "cmd /c echo done")
	preview := d.preview()
	require.Contains(t, preview, model.Hidden)
	require.NotContains(t, preview, "join secret")
	require.NotContains(t, preview, "scutum-hidden")
	d.picture("answer-windows-wide")
	d.w.app.Preferences().SetString(prefTheme, "dark")
	d.w.applyTheme()
	d.picture("answer-windows-wide-dark")
	d.resize(900, 600)
	d.picture("answer-windows")
	d.tap("The file")
	d.picture("answer-windows-file")
	d.tap("Settings of the machine")
	d.tap("Save")
	require.Contains(t, d.field("Save as").Message(), "Say where")
	d.enter("Save as", out)
	d.tap("Save")
	require.Contains(t, d.notices(), "The answer file is saved.")
	require.Contains(t, d.notices(), "install.ps1")
	require.Empty(t, d.field("Password of the account Administrator").Text(), "the password stays in the field")
	requireSecret(t, out)
	tool(t, "xmllint", "--noout", out)
	require.Equal(t, "join secret", tool(t, "xmllint", "--xpath",
		"string(//*[local-name()='Credentials']/*[local-name()='Password'])", out)[:len("join secret")])
	require.Contains(t, scutum(t, "answerfile", "check", out), "@IP4Addr-1@")

	// The command line makes the same.
	same, password, join := filepath.Join(folder, "same.xml"), filepath.Join(folder, "p"), filepath.Join(folder, "j")
	require.NoError(t, os.WriteFile(password, []byte("P@ssw0rd-1\n"), 0o600))
	require.NoError(t, os.WriteFile(join, []byte("join secret\n"), 0o600))
	scutum(t, "answerfile", "new", same, "--computer-name", "WEB01", "--product-key", "@ProductKey@", "--time-zone", "W. Europe Standard Time",
		"--locale", "de-DE", "--password-file", password, "--domain", "example.com", "--domain-user", `EXAMPLE\joiner`, "--domain-password-file", join,
		"--rdp", "--winrm", "--script", "install.ps1", "--static-ip", "1", "--first-logon", "cmd /c echo done")
	want, err := os.ReadFile(same)
	require.NoError(t, err)
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))

	d.w.Open(out)
	d.settle()
	require.Contains(t, d.labels(), "@NextHop-1-1@: the fabric supplies it")
	d.picture("answer-opened")
	d.tap("The file")
	require.NotContains(t, d.preview(), "join secret")
	d.tap("Settings of the machine")
	d.tap("Make a new answer file")
	require.Equal(t, "WEB01", d.field("Name of the computer").Text())
}

func TestAnswerFileForLinux(t *testing.T) {
	folder := t.TempDir()
	out, network := filepath.Join(folder, "user-data"), filepath.Join(folder, "network-config")
	key := filepath.Join(folder, "alice.pub")
	require.NoError(t, os.WriteFile(key, []byte(sshKey+"\n"), 0o600))
	private := filepath.Join(folder, "alice")
	require.NoError(t, os.WriteFile(private, []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"), 0o600))
	d := drive(t)
	d.w.show(placeAnswer)
	d.settle()
	d.option("Linux (cloud-init)")
	d.enter("Name of the user", "Alice")
	require.Contains(t, d.field("Name of the user").Message(), "small letters")
	d.enter("Name of the user", "alice")
	d.enter("Save as", out)
	d.tap("Save")
	require.Contains(t, d.field("Password of the user").Message(), "nobody could log on")
	require.Contains(t, d.notices(), "Not everything is right yet")
	d.answers = []string{private}
	d.tap("Keys from a file…")
	require.Contains(t, d.field("Public SSH keys, one a line").Message(), "private key")
	d.answers = []string{key}
	d.tap("Keys from a file…")
	require.Equal(t, sshKey, d.field("Public SSH keys, one a line").Text())
	d.tick("May do everything with sudo")
	d.tap("Add a user")
	d.enter("Name of the user", "bob")
	d.enter("Password of the user", "bob's secret")
	d.enter("Password of the user, once more", "bob's secret")
	d.tap("Add an adapter")
	d.enter("Name or MAC address of the adapter", "eth0")
	d.enter("IPv4 addresses", "192.0.2.10")
	require.Contains(t, d.field("IPv4 addresses").Message(), "length of their prefix")
	d.enter("IPv4 addresses", "192.0.2.10/24")
	d.enter("IPv6 addresses", "2001:db8::10/64")
	d.enter("Name servers", "192.0.2.53, 2001:db8::53")
	d.enter("Commands, one a line (optional)", "touch /done")
	d.tick("Shut the machine down when all is done, by which the fabric sees that it is")
	d.enter("Save the set-up of the network as", network)
	d.picture("answer-linux")
	d.tap("The file")
	require.Contains(t, d.preview(), "hashed_passwd: "+model.Hidden)
	d.picture("answer-linux-file")
	d.tap("Settings of the machine")
	d.tap("Save")
	require.Contains(t, d.notices(), "The answer file is saved.")
	requireSecret(t, out)
	tool(t, "cloud-init", "schema", "--config-file", out)
	tool(t, "cloud-init", "devel", "net-convert", "--network-data", network, "--kind", "yaml", "--output-kind", "networkd",
		"--distro", "debian", "--directory", folder)
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NotContains(t, string(data), "bob's secret")
	require.NotContains(t, string(data), model.Hidden)
	require.Contains(t, scutum(t, "answerfile", "check", out), "@ComputerName@")
	d.tap("Create shielding data with it")
	require.Equal(t, placeShielding, d.w.current)
}
