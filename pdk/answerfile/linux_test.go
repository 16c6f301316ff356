package answerfile_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/fsk"
)

const sshKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfzQ9Yf3dTqj7oE0vFoVx3bqk0H5m8C8o2v0nZ1y3xK alice@example.com"

// fullLinux asks for everything.
func fullLinux() answerfile.Linux {
	return answerfile.Linux{
		TimeZone: "Europe/Berlin",
		Locale:   "de_DE.UTF-8",
		Users: []answerfile.User{
			{Name: "alice", Password: "geheim: @ComputerName@ ü", SSHKeys: []string{sshKey}, Admin: true},
			{Name: "bob", SSHKeys: []string{"@BobsKey@", sshKey}, Admin: true},
			{Name: "carol", Password: "c"},
		},
		PasswordLogin: true,
		Interfaces: []answerfile.Interface{
			answerfile.StaticIPv4(1),
			{
				Name: "00-15-5D-AA-BB-CC",
				IPv4: answerfile.Static{Addresses: []string{"192.0.2.10/24", "192.0.2.11/24"}, Gateway: "192.0.2.1"},
				IPv6: answerfile.Static{Addresses: []string{"2001:db8::10/64"}, Gateway: "fe80::1"},
				DNS:  []string{"192.0.2.53", "2001:db8::53"},
			},
			{Name: "eth2", IPv6: answerfile.Static{Addresses: []string{"@IP6Addr-3@"}}},
		},
		Commands: []string{`echo "of @ComputerName@": 'x' # y > /etc/motd`, "yes"},
		ShutDown: true,
	}
}

// cloudInit runs cloud-init, which has to be installed and to succeed.
func cloudInit(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("cloud-init", args...).CombinedOutput()
	require.NoError(t, err, "cloud-init %v (package cloud-init): %s", args, out)
	return string(out)
}

func TestNewLinux(t *testing.T) {
	for name, l := range map[string]answerfile.Linux{
		"full":  fullLinux(),
		"small": {HostName: "vm-01.example.com", Users: []answerfile.User{{Name: "a", SSHKeys: []string{sshKey}}}},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := answerfile.NewLinux(l)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(files.UserData), "#cloud-config\n"))
			require.Equal(t, len(l.Interfaces) == 0, files.NetworkConfig == nil)
			file := filepath.Join(t.TempDir(), "user-data")
			require.NoError(t, os.WriteFile(file, files.UserData, 0o600))
			require.Contains(t, cloudInit(t, "schema", "--config-file", file), "Valid")
		})
	}
}

func TestNewLinuxContent(t *testing.T) {
	files, err := answerfile.NewLinux(fullLinux())
	require.NoError(t, err)
	given := fsk.Values{
		"@ComputerName@": "vm01", "@BobsKey@": "ssh-ed25519 AAAA bob's: key", "@MACAddr-1@": "00:15:5d:01:02:03", "@IP4Addr-1@": "198.51.100.7/24",
		"@NextHop-1-1@": "198.51.100.1", "@DnsAddr-1-1@": "198.51.100.53", "@IP6Addr-3@": "2001:db8:3::1/64",
	}
	userData, left, err := answerfile.Substitute(files.UserData, given)
	require.NoError(t, err)
	require.Empty(t, left)

	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(pythonYAML(t, string(userData))), &got))
	users := got["users"].([]any)
	hash := func(i int) string {
		hash := users[i].(map[string]any)["hashed_passwd"].(string)
		delete(users[i].(map[string]any), "hashed_passwd")
		return hash
	}
	requireHash(t, hash(0), "geheim: @ComputerName@ ü")
	requireHash(t, hash(2), "c")
	require.Equal(t, map[string]any{
		"hostname": "vm01", "timezone": "Europe/Berlin", "locale": "de_DE.UTF-8", "ssh_pwauth": true, "disable_root": true,
		"users": []any{
			map[string]any{"name": "alice", "shell": "/bin/bash", "lock_passwd": false, "sudo": "ALL=(ALL:ALL) ALL", "ssh_authorized_keys": []any{sshKey}},
			map[string]any{"name": "bob", "shell": "/bin/bash", "lock_passwd": true, "sudo": "ALL=(ALL:ALL) NOPASSWD:ALL",
				"ssh_authorized_keys": []any{"ssh-ed25519 AAAA bob's: key", sshKey}},
			map[string]any{"name": "carol", "shell": "/bin/bash", "lock_passwd": false},
		},
		"runcmd":      []any{`echo "of vm01": 'x' # y > /etc/motd`, "yes"},
		"power_state": map[string]any{"mode": "poweroff", "timeout": 120.0, "condition": true},
	}, got)

	config, left, err := answerfile.Substitute(files.NetworkConfig, given)
	require.NoError(t, err)
	require.Empty(t, left)
	require.JSONEq(t, `{"version": 2, "ethernets": {
		"nic1": {"match": {"macaddress": "00:15:5d:01:02:03"}, "set-name": "nic1", "dhcp4": false, "addresses": ["198.51.100.7/24"],
			"gateway4": "198.51.100.1", "nameservers": {"addresses": ["198.51.100.53"]}},
		"nic2": {"match": {"macaddress": "00:15:5d:aa:bb:cc"}, "set-name": "nic2", "dhcp4": false,
			"addresses": ["192.0.2.10/24", "192.0.2.11/24", "2001:db8::10/64"], "gateway4": "192.0.2.1", "gateway6": "fe80::1",
			"nameservers": {"addresses": ["192.0.2.53", "2001:db8::53"]}},
		"eth2": {"dhcp4": true, "addresses": ["2001:db8:3::1/64"]}}}`, pythonYAML(t, string(config)))
}

// requireHash has the C library check a password.
func requireHash(t *testing.T, hash, password string) {
	t.Helper()
	out, err := exec.Command("perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, hash).Output()
	require.NoError(t, err, "package perl-base")
	require.Equal(t, hash, string(out))
}

// cloud-init makes of the network configuration what each kind of system reads.
func TestNetworkConfig(t *testing.T) {
	files, err := answerfile.NewLinux(fullLinux())
	require.NoError(t, err)
	config, _, err := answerfile.Substitute(files.NetworkConfig, fsk.Values{
		"@MACAddr-1@": "00:15:5d:01:02:03", "@IP4Addr-1@": "198.51.100.7/24", "@NextHop-1-1@": "198.51.100.1", "@DnsAddr-1-1@": "198.51.100.53",
		"@IP6Addr-3@": "2001:db8:3::1/64",
	})
	require.NoError(t, err)
	dir := t.TempDir()
	in := filepath.Join(dir, "network-config")
	require.NoError(t, os.WriteFile(in, config, 0o600))

	for kind, c := range map[string]struct {
		distro, file string
		want         []string
	}{
		"networkd": {"debian", "etc/systemd/network/10-cloud-init-nic2.network", []string{
			"MACAddress=00:15:5d:aa:bb:cc", "Address=192.0.2.11/24", "Gateway=192.0.2.1", "Gateway=fe80::1", "DNS=192.0.2.53 2001:db8::53",
		}},
		"eni": {"debian", "etc/network/interfaces.d/50-cloud-init", []string{
			"iface nic1 inet static\n    address 198.51.100.7/24", "gateway 198.51.100.1", "address 2001:db8::10/64", "gateway fe80::1",
			"iface eth2 inet dhcp", "iface eth2 inet6 static\n    address 2001:db8:3::1/64",
		}},
		"sysconfig": {"centos", "etc/sysconfig/network-scripts/ifcfg-nic2", []string{
			"HWADDR=00:15:5d:aa:bb:cc", "IPADDR=192.0.2.10", "GATEWAY=192.0.2.1", "IPV6ADDR=2001:db8::10/64", "IPV6_DEFAULTGW=fe80::1",
		}},
		"netplan": {"ubuntu", "etc/netplan/50-cloud-init.yaml", []string{"macaddress: 00:15:5d:aa:bb:cc", "gateway6: fe80::1", "set-name: nic1"}},
	} {
		t.Run(kind, func(t *testing.T) {
			out := filepath.Join(dir, kind)
			cloudInit(t, "devel", "net-convert", "--network-data", in, "--kind", "yaml", "--directory", out, "--distro", c.distro,
				"--mac", "nic1,00:15:5d:01:02:03", "--mac", "nic2,00:15:5d:aa:bb:cc", "--output-kind", kind)
			text, err := os.ReadFile(filepath.Join(out, c.file))
			require.NoError(t, err)
			for _, want := range c.want {
				require.Contains(t, string(text), want)
			}
		})
	}
}

// What cloud-init writes for Red Hat's systems is read by a shell, and it writes name servers as they are.
func TestNetworkConfigTakesNothingButAddresses(t *testing.T) {
	files, err := answerfile.NewLinux(fullLinux())
	require.NoError(t, err)
	for _, key := range []string{"@MACAddr-1@", "@IP4Addr-1@", "@NextHop-1-1@", "@DnsAddr-1-1@"} {
		_, _, err := answerfile.Substitute(files.NetworkConfig, fsk.Values{key: "$(touch${IFS}/x)"})
		require.ErrorIs(t, err, fsk.ErrFSK)
		require.ErrorContains(t, err, "the value of "+key)
	}
}

func TestNewLinuxRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*answerfile.Linux)
		say    string
	}{
		"host name":       {func(l *answerfile.Linux) { l.HostName = "a_b" }, "host name"},
		"time zone":       {func(l *answerfile.Linux) { l.TimeZone = "a\nb" }, "time zone"},
		"locale":          {func(l *answerfile.Linux) { l.Locale = "\x00" }, "locale"},
		"no user":         {func(l *answerfile.Linux) { l.Users = nil }, "no user"},
		"user's name":     {func(l *answerfile.Linux) { l.Users[0].Name = "Alice" }, `user: "Alice"`},
		"user, twice":     {func(l *answerfile.Linux) { l.Users[1].Name = "alice" }, "given twice"},
		"locked out":      {func(l *answerfile.Linux) { l.Users[1].SSHKeys = nil }, "neither a password nor an SSH key"},
		"long password":   {func(l *answerfile.Linux) { l.Users[0].Password = strings.Repeat("p", 73) }, "at most 72"},
		"wide password":   {func(l *answerfile.Linux) { l.Users[0].Password = strings.Repeat("ü", 37) }, "72 bytes"},
		"private key":     {func(l *answerfile.Linux) { l.Users[0].SSHKeys = []string{"-----BEGIN OPENSSH PRIVATE KEY-----"} }, "not a public key"},
		"key of another":  {func(l *answerfile.Linux) { l.Users[0].SSHKeys = []string{"ssh-rsa" + sshKey[11:]} }, "not a public key"},
		"key, two lines":  {func(l *answerfile.Linux) { l.Users[0].SSHKeys = []string{sshKey + "\n" + sshKey} }, "U+000A"},
		"key, no Base64":  {func(l *answerfile.Linux) { l.Users[0].SSHKeys = []string{"ssh-rsa AAA"} }, "not a public key"},
		"command":         {func(l *answerfile.Linux) { l.Commands = []string{""} }, "command: there is none"},
		"network adapter": {func(l *answerfile.Linux) { l.Interfaces[1].DNS = []string{"x"} }, "name server"},
		"any name server": {func(l *answerfile.Linux) { l.Interfaces[1].DNS = []string{"@Site@"} }, "the value of @Site@ could be anything"},
		"any address":     {func(l *answerfile.Linux) { l.Interfaces[1].IPv4.Addresses[0] = "@IP4Addr-2@@Site@" }, "the value of @Site@ could be anything"},
		"any adapter":     {func(l *answerfile.Linux) { l.Interfaces[1].Name = "eth@Site@" }, "the value of @Site@ could be anything"},
		"too large": {func(l *answerfile.Linux) {
			for range 100 {
				l.Commands = append(l.Commands, strings.Repeat("x", 4096))
			}
		}, "at most 393216"},
	} {
		t.Run(name, func(t *testing.T) {
			l := fullLinux()
			c.change(&l)
			_, err := answerfile.NewLinux(l)
			require.ErrorContains(t, err, c.say)
		})
	}
}
