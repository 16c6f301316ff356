package answerfile_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/excc14n"
	"github.com/scutum-project/scutum/pdk/fsk"
	"github.com/scutum-project/scutum/signing"
)

// fullWindows asks for everything.
func fullWindows(t testing.TB) answerfile.Windows {
	t.Helper()
	id, err := signing.NewLabIdentity("*.example.com", signing.P256, time.Hour)
	require.NoError(t, err)
	second := answerfile.Interface{
		Name: "Ethernet 2",
		IPv4: answerfile.Static{Addresses: []string{"192.0.2.10/24", "192.0.2.11/24"}, Gateway: "192.0.2.1"},
		IPv6: answerfile.Static{Addresses: []string{"2001:db8::10/64"}, Gateway: "fe80::1"},
		DNS:  []string{"192.0.2.53", "2001:db8::53"},
	}
	return answerfile.Windows{
		ProductKey:            "@ProductKey@",
		TimeZone:              "@TimeZone@",
		Locale:                "de-DE",
		AdministratorPassword: `p<&>"@ComputerName@ü`,
		Domain:                &answerfile.Domain{Name: "example.com", User: `EXAMPLE\joiner`, Password: "a@ComputerName@<b", OU: "OU=VMs,DC=example,DC=com"},
		Interfaces:            []answerfile.Interface{answerfile.StaticIPv4(1), second, {Name: "Ethernet 3", DNS: []string{"192.0.2.53"}}},
		RemoteDesktop:         true,
		RDPCertificate:        &answerfile.RDPCertificate{File: "rdp.pfx", Password: `it's <^&|> @ComputerName@`, Certificate: id.Certificate},
		WinRM:                 true,
		Scripts:               []string{"install.ps1", "More-2.CMD"},
		FirstLogon:            []string{`notepad.exe C:\read & me.txt`, "cmd.exe /c echo @Site@"},
		ShutDown:              true,
	}
}

// structure is what the reference of unattend files allows of what we write: by pass, component and path, in the order in
// which the elements stand there, with the form of their texts. Elements with a * may be repeated, those with a ? may be
// missing. Source: https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/components-b-unattend
var structure = map[string]map[string][]string{
	"specialize": {
		"Microsoft-Windows-Shell-Setup": {
			`ComputerName .{1,15}|@\w+@`, `?ProductKey ([0-9A-Z]{5}-){4}[0-9A-Z]{5}|@\w+@`, `?TimeZone .{1,256}`,
		},
		"Microsoft-Windows-Deployment": {
			`RunSynchronous`,
			`*RunSynchronous/RunSynchronousCommand[action=add]`,
			`RunSynchronous/RunSynchronousCommand/Order [1-9]|[1-9]\d|[1-4]\d\d|500`,
			`RunSynchronous/RunSynchronousCommand/Path .{1,259}`,
		},
		"Microsoft-Windows-TCPIP": {
			`Interfaces`,
			`*Interfaces/Interface[action=add]`,
			`?Interfaces/Interface/Ipv4Settings`,
			`Interfaces/Interface/Ipv4Settings/DhcpEnabled true|false`,
			`Interfaces/Interface/Ipv4Settings/RouterDiscoveryEnabled true|false`,
			`?Interfaces/Interface/Ipv6Settings`,
			`Interfaces/Interface/Ipv6Settings/DhcpEnabled true|false`,
			`Interfaces/Interface/Ipv6Settings/RouterDiscoveryEnabled true|false`,
			`Interfaces/Interface/Identifier .{1,256}`,
			`Interfaces/Interface/UnicastIpAddresses`,
			`*Interfaces/Interface/UnicastIpAddresses/IpAddress[action=add,keyValue] [0-9a-f.:]+/\d+|@.+@`,
			`?Interfaces/Interface/Routes`,
			`*Interfaces/Interface/Routes/Route[action=add]`,
			`Interfaces/Interface/Routes/Route/Identifier \d+`,
			`Interfaces/Interface/Routes/Route/NextHopAddress .{1,45}`,
			`Interfaces/Interface/Routes/Route/Prefix 0\.0\.0\.0/0|::/0`,
		},
		"Microsoft-Windows-DNS-Client": {
			`Interfaces`,
			`*Interfaces/Interface[action=add]`,
			`Interfaces/Interface/Identifier .{1,256}`,
			`Interfaces/Interface/DNSServerSearchOrder`,
			`*Interfaces/Interface/DNSServerSearchOrder/IpAddress[action=add,keyValue] [0-9a-f.:]+|@.+@`,
		},
		"Microsoft-Windows-UnattendedJoin": {
			`Identification`,
			`Identification/Credentials`,
			`?Identification/Credentials/Domain .+`,
			`Identification/Credentials/Password .+`,
			`Identification/Credentials/Username .+`,
			`Identification/JoinDomain .+`,
			`?Identification/MachineObjectOU .+`,
		},
		"Microsoft-Windows-TerminalServices-LocalSessionManager":      {`fDenyTSConnections false`},
		"Microsoft-Windows-TerminalServices-RDP-WinStationExtensions": {`SecurityLayer [0-2]`, `UserAuthentication [01]`},
		"Networking-MPSSVC-Svc": {
			`FirewallGroups`,
			`*FirewallGroups/FirewallGroup[action=add,keyValue]`,
			`FirewallGroups/FirewallGroup/Active true`,
			`FirewallGroups/FirewallGroup/Group @FirewallAPI\.dll,-\d+`,
			`FirewallGroups/FirewallGroup/Profile all|domain|private|public`,
		},
	},
	"oobeSystem": {
		"Microsoft-Windows-International-Core": {
			`InputLocale [\w-]+`, `SystemLocale [\w-]+`, `UILanguage [\w-]+`, `UserLocale [\w-]+`,
		},
		"Microsoft-Windows-Shell-Setup": {
			`OOBE`,
			`OOBE/HideEULAPage true`, `OOBE/HideLocalAccountScreen true`, `OOBE/HideOEMRegistrationScreen true`,
			`OOBE/HideOnlineAccountScreens true`, `OOBE/HideWirelessSetupInOOBE true`, `OOBE/ProtectYourPC [1-3]`,
			`UserAccounts`,
			`UserAccounts/AdministratorPassword`,
			`UserAccounts/AdministratorPassword/Value [0-9A-Za-z+/]+=*`,
			`UserAccounts/AdministratorPassword/PlainText false`,
			`?FirstLogonCommands`,
			`*FirstLogonCommands/SynchronousCommand[action=add]`,
			`FirstLogonCommands/SynchronousCommand/CommandLine .{1,1000}`,
			`FirstLogonCommands/SynchronousCommand/Order [1-9]|[1-9]\d|[1-4]\d\d|500`,
		},
	},
}

const unattend = "urn:schemas-microsoft-com:unattend"

// requireStructure holds an answer file against the table.
func requireStructure(t *testing.T, file []byte, arch string) {
	t.Helper()
	root, err := excc14n.Parse(file)
	require.NoError(t, err)
	require.True(t, root.Is(unattend, "unattend"))
	var passes []string
	for _, settings := range root.Elements() {
		require.True(t, settings.Is(unattend, "settings"))
		pass, _ := settings.Attr("pass")
		passes = append(passes, pass)
		seen := map[string]bool{}
		for _, component := range settings.Elements() {
			require.True(t, component.Is(unattend, "component"))
			want := map[string]string{
				"processorArchitecture": arch, "publicKeyToken": "31bf3856ad364e35", "language": "neutral", "versionScope": "nonSxS",
			}
			for name, value := range want {
				got, _ := component.Attr(name)
				require.Equal(t, value, got)
			}
			name, _ := component.Attr("name")
			require.Len(t, component.Attrs, 5)
			require.False(t, seen[name], "%s twice", name)
			seen[name] = true
			require.Contains(t, structure[pass], name)
			requireElements(t, component.Elements(), structure[pass][name], "")
		}
	}
	require.Equal(t, []string{"specialize", "oobeSystem"}, passes)
}

var rule = regexp.MustCompile(`^([*?]?)([\w/]+)(?:\[([^\]]*)\])?(?: (.*))?$`)

// requireElements holds the elements below one path against the rules for it.
func requireElements(t *testing.T, elements []*excc14n.Node, rules []string, path string) {
	t.Helper()
	for _, text := range rules {
		r := rule.FindStringSubmatch(text)
		require.NotNil(t, r, text)
		name, ok := strings.CutPrefix(r[2], path)
		if !ok || strings.Contains(name, "/") {
			continue
		}
		count := 0
		for len(elements) > 0 && elements[0].Is(unattend, name) && (count == 0 || r[1] == "*") {
			requireElement(t, elements[0], r[3], r[4], text)
			requireElements(t, elements[0].Elements(), rules, r[2]+"/")
			elements, count = elements[1:], count+1
		}
		require.True(t, count > 0 || r[1] == "?", "%s is missing", r[2])
	}
	for _, e := range elements {
		t.Fatalf("%s%s is not where it may be", path, e.Local)
	}
}

func requireElement(t *testing.T, e *excc14n.Node, attrs, form, rule string) {
	t.Helper()
	var got []string
	for _, a := range e.Attrs {
		require.Equal(t, "http://schemas.microsoft.com/WMIConfig/2002/State", a.Space)
		if a.Local == "action" {
			got = append(got, a.Local+"="+a.Value)
		} else {
			got = append(got, a.Local)
		}
	}
	require.Equal(t, attrs, strings.Join(got, ","), rule)
	if form != "" {
		require.Empty(t, e.Elements(), rule)
		require.Regexp(t, `^(?:`+form+`)$`, e.Text, rule)
	} else {
		require.Empty(t, strings.TrimSpace(e.Text), rule)
	}
}

// find gives the texts of all elements with a name.
func find(n *excc14n.Node, local string) []string {
	var all []string
	if n.Local == local {
		all = append(all, n.Text)
	}
	for _, child := range n.Elements() {
		all = append(all, find(child, local)...)
	}
	return all
}

func TestNewWindows(t *testing.T) {
	full := fullWindows(t)
	for name, w := range map[string]answerfile.Windows{
		"full":  full,
		"small": {AdministratorPassword: "p"},
		"arm64": {AdministratorPassword: "p", Architecture: "arm64", ComputerName: "*", ProductKey: "AAAAA-BBBBB-CCCCC-DDDDD-12345", WinRM: true},
		"IPv6": {AdministratorPassword: "p", ComputerName: "vm-01", Interfaces: []answerfile.Interface{
			{Name: "Ethernet", IPv6: answerfile.Static{Addresses: []string{"@IP6Addr-1@"}}}}},
		"UPN": {AdministratorPassword: "p", Domain: &answerfile.Domain{Name: "example.com", User: "joiner@example.com", Password: "p"}},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := answerfile.NewWindows(w)
			require.NoError(t, err)
			arch := w.Architecture
			if arch == "" {
				arch = "amd64"
			}
			requireStructure(t, file, arch)

			path := filepath.Join(t.TempDir(), "unattend.xml")
			require.NoError(t, os.WriteFile(path, file, 0o600))
			out, err := exec.Command("xmllint", "--noout", path).CombinedOutput()
			require.NoError(t, err, "xmllint (package libxml2-utils): %s", out)
		})
	}
}

func TestNewWindowsContent(t *testing.T) {
	w := fullWindows(t)
	file, err := answerfile.NewWindows(w)
	require.NoError(t, err)
	text := string(file)

	all, err := answerfile.Substitutions(file)
	require.NoError(t, err)
	var keys []string
	for _, p := range all {
		keys = append(keys, p.Key)
	}
	require.Equal(t, []string{"@ComputerName@", "@ProductKey@", "@TimeZone@", "@MACAddr-1@", "@IP4Addr-1@", "@NextHop-1-1@",
		"@MACAddr-1@", "@DnsAddr-1-1@", "@Site@"}, keys, "and none from a password")

	require.NotContains(t, text, w.AdministratorPassword)
	file, left, err := answerfile.Substitute(file, fsk.Values{
		"@ComputerName@": "VM01", "@ProductKey@": "AAAAA-BBBBB-CCCCC-DDDDD-12345", "@TimeZone@": "W. Europe Standard Time", "@Site@": "Bonn",
		"@MACAddr-1@": "00-15-5D-01-02-03", "@IP4Addr-1@": "198.51.100.7/24", "@NextHop-1-1@": "198.51.100.1", "@DnsAddr-1-1@": "198.51.100.53",
	})
	require.NoError(t, err)
	require.Empty(t, left)
	requireStructure(t, file, "amd64")

	root, err := excc14n.Parse(file)
	require.NoError(t, err)
	require.Equal(t, []string{"VM01"}, find(root, "ComputerName"))
	require.Equal(t, []string{"a@ComputerName@<b"}, find(root, "Password"))
	require.Equal(t, []string{"EXAMPLE"}, find(root, "Domain"))
	require.Equal(t, []string{"joiner"}, find(root, "Username"))
	require.Equal(t, []string{"198.51.100.7/24", "192.0.2.10/24", "192.0.2.11/24", "2001:db8::10/64", "198.51.100.53", "192.0.2.53", "2001:db8::53",
		"192.0.2.53"}, find(root, "IpAddress"))
	require.Equal(t, []string{"198.51.100.1", "192.0.2.1", "fe80::1"}, find(root, "NextHopAddress"))
	require.Equal(t, []string{"@FirewallAPI.dll,-28752", "@FirewallAPI.dll,-30267"}, find(root, "Group"))

	commands := find(root, "CommandLine")
	require.Equal(t, []string{`notepad.exe C:\read & me.txt`, "cmd.exe /c echo Bonn"}, commands[:2])
	require.Contains(t, commands[2], `del /f /q %WINDIR%\Panther\unattend.xml`)
	require.Equal(t, []string{
		`@echo off`,
		`powershell.exe -NoProfile -Command Enable-PSRemoting -SkipNetworkProfileCheck -Force`,
		`certutil.exe -f -p "it's <^&|> @ComputerName@" -importpfx my %SystemDrive%\temp\rdp.pfx NoExport,NoRoot`,
		fmt.Sprintf(`powershell.exe -NoProfile -Command "gcim Win32_TSGeneralSetting -Namespace root/cimv2/TerminalServices | `+
			`scim -Property @{SSLCertificateSHA1Hash='%X'}"`, sha1.Sum(w.RDPCertificate.Certificate.Raw)),
		`del /f /q %SystemDrive%\temp\rdp.pfx`,
		`powershell.exe -NoProfile -ExecutionPolicy Bypass -File %SystemDrive%\temp\install.ps1`,
		`call %SystemDrive%\temp\More-2.CMD`,
		`shutdown.exe /s /f /t 0`,
	}, setupComplete(t, root))

	file, err = answerfile.NewWindows(answerfile.Windows{AdministratorPassword: "p"})
	require.NoError(t, err)
	root, err = excc14n.Parse(file)
	require.NoError(t, err)
	lines := setupComplete(t, root)
	require.Len(t, lines, 2)
	require.Contains(t, lines[1], `del /f /q %WINDIR%\Panther\unattend.xml`)
}

// setupComplete gives the lines of the script that the commands of the pass specialize write, as cmd.exe does: it takes
// off the outer quotes, and within the inner ones no character is special.
func setupComplete(t *testing.T, root *excc14n.Node) []string {
	t.Helper()
	commands := find(root, "Path")
	require.Equal(t, `cmd.exe /c "if not exist %WINDIR%\Setup\Scripts md %WINDIR%\Setup\Scripts"`, commands[0])
	var lines []string
	for i, command := range commands[1:] {
		into := `>>`
		if i == 0 {
			into = `>`
		}
		line, ok := strings.CutPrefix(command, `cmd.exe /c "`+into+`%WINDIR%\Setup\Scripts\SetupComplete.cmd echo `)
		require.True(t, ok, command)
		line, ok = strings.CutSuffix(line, `"`)
		require.True(t, ok, command)
		for n, part := range strings.Split(line, `"`) {
			if n%2 == 0 {
				require.NotRegexp(t, `[<>&|^()!]`, part)
			}
			require.NotContains(t, regexp.MustCompile(`%(WINDIR|SystemDrive)%`).ReplaceAllString(part, ""), "%")
		}
		lines = append(lines, line)
	}
	return lines
}

// The reference of unattend files and others have examples of encoded passwords.
func TestPasswordEncoding(t *testing.T) {
	file, err := answerfile.NewWindows(answerfile.Windows{AdministratorPassword: "pw"})
	require.NoError(t, err)
	require.Contains(t, string(file), "<Value>cAB3AEEAZABtAGkAbgBpAHMAdAByAGEAdABvAHIAUABhAHMAcwB3AG8AcgBkAA==</Value>")
	require.Contains(t, string(file), "<PlainText>false</PlainText>")

	file, err = answerfile.NewWindows(answerfile.Windows{AdministratorPassword: "pä\U0001f512"})
	require.NoError(t, err)
	value := regexp.MustCompile(`<Value>(.*)</Value>`).FindStringSubmatch(string(file))[1]
	raw, err := base64.StdEncoding.DecodeString(value)
	require.NoError(t, err)
	cmd := exec.Command("iconv", "-f", "UTF-16LE", "-t", "UTF-8")
	cmd.Stdin = strings.NewReader(string(raw))
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "pä\U0001f512AdministratorPassword", string(out))
}

func TestNewWindowsRefuses(t *testing.T) {
	static := func(i answerfile.Interface) func(*answerfile.Windows) {
		return func(w *answerfile.Windows) { w.Interfaces = []answerfile.Interface{i} }
	}
	v4 := func(addresses ...string) answerfile.Static { return answerfile.Static{Addresses: addresses} }
	for name, c := range map[string]struct {
		change func(*answerfile.Windows)
		say    string
	}{
		"architecture":       {func(w *answerfile.Windows) { w.Architecture = "x86" }, `"x86" is neither`},
		"long name":          {func(w *answerfile.Windows) { w.ComputerName = "sixteen-letters-" }, "longer than 15"},
		"name":               {func(w *answerfile.Windows) { w.ComputerName = "a_b" }, `computer name: "a_b" is not`},
		"name of digits":     {func(w *answerfile.Windows) { w.ComputerName = "123" }, "not of digits alone"},
		"locale":             {func(w *answerfile.Windows) { w.Locale = "english" }, "locale"},
		"no password":        {func(w *answerfile.Windows) { w.AdministratorPassword = "" }, "administrator password: there is none"},
		"long password":      {func(w *answerfile.Windows) { w.AdministratorPassword = strings.Repeat("p", 128) }, "at most 127"},
		"password":           {func(w *answerfile.Windows) { w.AdministratorPassword = "a\nb" }, "U+000A"},
		"password, no UTF-8": {func(w *answerfile.Windows) { w.AdministratorPassword = "\xff" }, "UTF-8"},
		"product key":        {func(w *answerfile.Windows) { w.ProductKey = "AAAAA" }, "product key"},
		"time zone":          {func(w *answerfile.Windows) { w.TimeZone = "\x00" }, "time zone"},
		"domain":             {func(w *answerfile.Windows) { w.Domain = &answerfile.Domain{User: "u", Password: "p"} }, "domain: there is none"},
		"domain password":    {func(w *answerfile.Windows) { w.Domain = &answerfile.Domain{Name: "d", User: "u"} }, "password to join"},
		"unit":               {func(w *answerfile.Windows) { w.Domain.OU = "\n" }, "organizational unit"},
		"adapter, no name":   {static(answerfile.Interface{IPv4: v4("192.0.2.1/24")}), "the name of a network adapter"},
		"adapter, DHCP":      {static(answerfile.Interface{Name: "a"}), "leave it out"},
		"no prefix":          {static(answerfile.Interface{Name: "a", IPv4: v4("192.0.2.1")}), `"192.0.2.1" is not an IPv4 address with`},
		"other family":       {static(answerfile.Interface{Name: "a", IPv4: v4("2001:db8::1/64")}), "IPv4"},
		"gateway":            {static(answerfile.Interface{Name: "a", IPv4: answerfile.Static{Addresses: []string{"192.0.2.1/24"}, Gateway: "fe80::1"}}), "gateway"},
		"gateway alone":      {static(answerfile.Interface{Name: "a", IPv4: answerfile.Static{Gateway: "192.0.2.1"}}), "of no use"},
		"gateway, zone":      {static(answerfile.Interface{Name: "a", IPv6: answerfile.Static{Addresses: []string{"2001:db8::1/64"}, Gateway: "fe80::1%eth0"}}), "gateway"},
		"name server":        {static(answerfile.Interface{Name: "a", DNS: []string{"dns.example"}}), "name server"},
		"adapter, twice": {func(w *answerfile.Windows) {
			w.Interfaces = []answerfile.Interface{answerfile.StaticIPv4(1), answerfile.StaticIPv4(1)}
		}, "given twice"},
		"first logon":        {func(w *answerfile.Windows) { w.FirstLogon = []string{strings.Repeat("x", 1025)} }, "at most 1024"},
		"many first logons":  {func(w *answerfile.Windows) { w.FirstLogon = make500() }, "at most 499"},
		"script":             {func(w *answerfile.Windows) { w.Scripts = []string{"a.exe"} }, ".ps1"},
		"script's name":      {func(w *answerfile.Windows) { w.Scripts = []string{`..\a&b.ps1`} }, "its name"},
		"certificate alone":  {func(w *answerfile.Windows) { w.RemoteDesktop = false }, "without Remote Desktop"},
		"certificate's name": {func(w *answerfile.Windows) { w.RDPCertificate.File = "my rdp.pfx" }, "its name"},
		"its password, %":    {func(w *answerfile.Windows) { w.RDPCertificate.Password = "%PATH%" }, "the password of rdp.pfx"},
		`its password, "`:    {func(w *answerfile.Windows) { w.RDPCertificate.Password = `"` }, "the password of rdp.pfx"},
		`its password, \`:    {func(w *answerfile.Windows) { w.RDPCertificate.Password = `a\` }, "the password of rdp.pfx"},
		"its password, ü":    {func(w *answerfile.Windows) { w.RDPCertificate.Password = "ü" }, "the password of rdp.pfx"},
		"its password, long": {func(w *answerfile.Windows) { w.RDPCertificate.Password = strings.Repeat("p", 200) }, "at most 259"},
		"no certificate":     {func(w *answerfile.Windows) { w.RDPCertificate.Certificate = nil }, "the certificate in rdp.pfx"},
	} {
		t.Run(name, func(t *testing.T) {
			w := fullWindows(t)
			c.change(&w)
			_, err := answerfile.NewWindows(w)
			require.ErrorContains(t, err, c.say)
			require.ErrorContains(t, err, "make an answer file: ")
		})
	}
}

func make500() []string {
	commands := make([]string, 500)
	for i := range commands {
		commands[i] = "x"
	}
	return commands
}
