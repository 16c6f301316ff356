package answerfile

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// Linux is what cloud-init is to set up. Texts may hold substitution strings, but for passwords.
type Linux struct {
	HostName      string // empty: @ComputerName@
	TimeZone      string // as in "Europe/Berlin"; empty: the template's
	Locale        string // as in "de_DE.UTF-8"; empty: the template's
	Users         []User // one at least
	PasswordLogin bool   // over SSH too, not with keys alone
	Interfaces    []Interface
	Commands      []string // for the shell, with all rights, at the end of the first start
	ShutDown      bool     // at the end, by which a fabric sees that all is done
}

// A User is an account. It has a password or a key, or both.
type User struct {
	Name     string
	Password string   // at most 72 bytes; empty: none
	SSHKeys  []string // public keys, as a line of authorized_keys without options
	Admin    bool     // may do everything with sudo, and is asked for a password if there is one
}

// CloudInit are the files that cloud-init's NoCloud data source reads on a Linux machine.
type CloudInit struct {
	UserData      []byte // user-data, the answer file
	NetworkConfig []byte // network-config, version 2; nil when all is left to DHCP
}

var (
	hostName = regexp.MustCompile(`^` + label + `(\.` + label + `)*$`)
	userName = regexp.MustCompile(`^[a-z_][0-9a-z_-]{0,31}$`)
)

const label = `[0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?` // of a host name

const maxCommand = 4096 // characters of a command

// passwordCost of bcrypt makes a guess take a quarter of a second or so.
const passwordCost = 12

// NewLinux makes the files. Passwords are in them as bcrypt hashes, which the C libraries of current distributions know.
func NewLinux(l Linux) (*CloudInit, error) {
	l.HostName = cmp.Or(l.HostName, "@ComputerName@")
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("make an answer file: %w", err)
	}
	data := userData{
		HostName: l.HostName, TimeZone: l.TimeZone, Locale: l.Locale,
		PasswordLogin: l.PasswordLogin, DisableRoot: true, Commands: l.Commands,
	}
	for _, u := range l.Users {
		a, err := u.account()
		if err != nil {
			return nil, fmt.Errorf("make an answer file: user %.64q: %w", u.Name, err)
		}
		data.Users = append(data.Users, a)
	}
	if l.ShutDown {
		data.PowerState = &powerState{Mode: "poweroff", Timeout: 120, Condition: true}
	}
	files := &CloudInit{}
	var err error
	if files.UserData, err = encodeYAML("#cloud-config\n", data); err != nil {
		return nil, err
	}
	if len(l.Interfaces) > 0 {
		files.NetworkConfig, err = encodeYAML("", networkConfig(l.Interfaces))
	}
	return files, err
}

func (l *Linux) check() error {
	err := cmp.Or(
		checkForm("host name", l.HostName, hostName, "a host name"),
		checkInterfaces(l.Interfaces),
		checkEach(l.Commands, func(text string) error { return checkLine("command", text, maxCommand) }),
	)
	if err == nil && l.TimeZone != "" {
		err = checkLine("time zone", l.TimeZone, 256)
	}
	if err == nil && l.Locale != "" {
		err = checkLine("locale", l.Locale, 256)
	}
	if err == nil && len(l.Users) == 0 {
		err = errors.New("there is no user: nobody could log on")
	}
	seen := map[string]bool{}
	for _, u := range l.Users {
		if err == nil {
			err = u.check()
		}
		if err == nil && seen[u.Name] {
			err = fmt.Errorf("user %.64q: it is given twice", u.Name)
		}
		seen[u.Name] = true
	}
	return err
}

func (u *User) check() error {
	if err := checkForm("user", u.Name, userName, "a name of small letters, digits, _ and -, at most 32"); err != nil {
		return err
	}
	err := checkEach(u.SSHKeys, checkSSHKey)
	switch {
	case err != nil:
	case u.Password == "" && len(u.SSHKeys) == 0:
		err = errors.New("it has neither a password nor an SSH key: nobody could log on")
	case u.Password != "":
		err = checkLine("password", u.Password, 72)
	}
	if err != nil {
		return fmt.Errorf("user %.64q: %w", u.Name, err)
	}
	return nil
}

// checkSSHKey wants a public key as in RFC 4253 section 6.6: its kind, its Base64, in which the kind stands again, and a
// comment.
func checkSSHKey(text string) error {
	if err := checkLine("SSH key", text, 16<<10); err != nil || open(text) {
		return err
	}
	kind, rest, _ := strings.Cut(text, " ")
	encoded, _, _ := strings.Cut(rest, " ")
	blob, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !bytes.HasPrefix(blob, append(binary.BigEndian.AppendUint32(nil, uint32(len(kind))), kind...)) {
		return errors.New("the SSH key is not a public key, as in a .pub file") // not quoted: it may be a private one
	}
	return nil
}

// userData is cloud-init's cloud-config, as far as it is used here.
type userData struct {
	HostName      string      `yaml:"hostname"`
	TimeZone      string      `yaml:"timezone,omitempty"`
	Locale        string      `yaml:"locale,omitempty"`
	Users         []account   `yaml:"users"`
	PasswordLogin bool        `yaml:"ssh_pwauth"`
	DisableRoot   bool        `yaml:"disable_root"`
	Commands      []string    `yaml:"runcmd,omitempty"`
	PowerState    *powerState `yaml:"power_state,omitempty"`
}

type account struct {
	Name         string   `yaml:"name"`
	Shell        string   `yaml:"shell"`
	Sudo         string   `yaml:"sudo,omitempty"`
	LockPassword bool     `yaml:"lock_passwd"`
	Hash         string   `yaml:"hashed_passwd,omitempty"`
	SSHKeys      []string `yaml:"ssh_authorized_keys,omitempty"`
}

type powerState struct {
	Mode      string `yaml:"mode"`
	Timeout   int    `yaml:"timeout"` // seconds for what still runs
	Condition bool   `yaml:"condition"`
}

func (u *User) account() (account, error) {
	a := account{Name: u.Name, Shell: "/bin/bash", LockPassword: u.Password == "", SSHKeys: u.SSHKeys}
	if u.Admin {
		a.Sudo = "ALL=(ALL:ALL) ALL"
		if u.Password == "" {
			a.Sudo = "ALL=(ALL:ALL) NOPASSWD:ALL"
		}
	}
	if u.Password != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(u.Password), passwordCost)
		if err != nil {
			return account{}, err
		}
		a.Hash = string(hash)
	}
	return a, nil
}

// network is a network configuration, version 2, as far as every system that cloud-init writes it for takes it as it is
// meant.
type network struct {
	Version   int                 `yaml:"version"`
	Ethernets map[string]ethernet `yaml:"ethernets"` // by the name of the adapter
}

type ethernet struct {
	Match       *match       `yaml:"match,omitempty"`
	SetName     string       `yaml:"set-name,omitempty"`
	DHCP4       bool         `yaml:"dhcp4"`
	Addresses   []string     `yaml:"addresses,omitempty"`
	Gateway4    string       `yaml:"gateway4,omitempty"`
	Gateway6    string       `yaml:"gateway6,omitempty"`
	NameServers *nameServers `yaml:"nameservers,omitempty"`
}

type match struct {
	MACAddress string `yaml:"macaddress"`
}

type nameServers struct {
	Addresses []string `yaml:"addresses"`
}

func networkConfig(interfaces []Interface) network {
	config := network{Version: 2, Ethernets: map[string]ethernet{}}
	for n, i := range interfaces {
		name := i.Name
		e := ethernet{
			DHCP4:     !i.IPv4.given(),
			Addresses: slices.Concat(i.IPv4.Addresses, i.IPv6.Addresses),
			Gateway4:  i.IPv4.Gateway,
			Gateway6:  i.IPv6.Gateway,
		}
		if mac, ok := i.mac(); ok {
			name = fmt.Sprintf("nic%d", n+1)
			e.Match, e.SetName = &match{mac}, name
		}
		if len(i.DNS) > 0 {
			e.NameServers = &nameServers{i.DNS}
		}
		config.Ethernets[name] = e
	}
	return config
}

func encodeYAML(header string, value any) ([]byte, error) {
	out := bytes.NewBufferString(header)
	e := yaml.NewEncoder(out)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(value), e.Close()); err != nil {
		return nil, fmt.Errorf("make an answer file: %w", err)
	}
	if out.Len() > MaxSize {
		return nil, tooLarge(out.Len())
	}
	return out.Bytes(), nil
}
