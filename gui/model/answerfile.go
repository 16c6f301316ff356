package model

import (
	"crypto/x509"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/fsk"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// Answer is what an answer file is to set up, as it stands in the form, but for
// the passwords.
type Answer struct {
	Linux    bool
	Name     string // of the computer
	TimeZone string
	Locale   string
	Adapters []Adapter
	Commands []string // at the first logon, on Linux at the end of the first start
	ShutDown bool

	// Windows alone.
	ARM                          bool
	ProductKey                   string
	Domain, DomainUser, DomainOU string
	RemoteDesktop, WinRM         bool
	RDPFile                      string            // path of a PFX file
	RDPCertificate               *x509.Certificate // what is in it, once it was opened
	Scripts                      []string          // names of files of the shielding data

	// Linux alone.
	Users         []Account
	PasswordLogin bool
}

// An Adapter is a network adapter. Addresses are separated by commas or spaces.
type Adapter struct {
	Name           string
	IPv4, Gateway4 string
	IPv6, Gateway6 string
	DNS            string
}

// An Account is a user of a Linux machine.
type Account struct {
	Name     string
	Keys     []string
	Password bool // it has one
	Admin    bool
}

// Passwords are those of an answer file. They are handed over and never kept.
type Passwords struct {
	Administrator, Domain, RDP string
	Users                      []string // of each account
}

// A MadeAnswer is an answer file, and what goes with it.
type MadeAnswer struct {
	File          []byte
	NetworkConfig []byte   // for Linux, or nil
	Files         []string // names of files that have to be in the shielding data as well
	Places        []answerfile.Substitution
}

// Make makes the answer file.
func (a Answer) Make(p Passwords) (*MadeAnswer, error) {
	m := &MadeAnswer{}
	if a.Linux {
		made, err := answerfile.NewLinux(a.linux(p))
		if err != nil {
			return nil, err
		}
		m.File, m.NetworkConfig = made.UserData, made.NetworkConfig
	} else {
		data, err := answerfile.NewWindows(a.windows(p))
		if err != nil {
			return nil, err
		}
		m.File = data
		if a.RDPCertificate != nil {
			m.Files = append(m.Files, filepath.Base(a.RDPFile))
		}
		m.Files = append(m.Files, a.Scripts...)
	}
	var err error
	m.Places, err = answerfile.Substitutions(m.File)
	return m, err
}

func (a Answer) windows(p Passwords) answerfile.Windows {
	w := answerfile.Windows{
		ComputerName: a.Name, ProductKey: a.ProductKey, TimeZone: a.TimeZone, Locale: a.Locale,
		AdministratorPassword: p.Administrator, Interfaces: interfaces(a.Adapters),
		RemoteDesktop: a.RemoteDesktop, WinRM: a.WinRM, Scripts: a.Scripts, FirstLogon: a.Commands, ShutDown: a.ShutDown,
	}
	if a.ARM {
		w.Architecture = "arm64"
	}
	if a.Domain != "" {
		w.Domain = &answerfile.Domain{Name: a.Domain, User: a.DomainUser, Password: p.Domain, OU: a.DomainOU}
	}
	if a.RemoteDesktop && a.RDPCertificate != nil {
		w.RDPCertificate = &answerfile.RDPCertificate{File: filepath.Base(a.RDPFile), Password: p.RDP, Certificate: a.RDPCertificate}
	}
	return w
}

func (a Answer) linux(p Passwords) answerfile.Linux {
	l := answerfile.Linux{
		HostName: a.Name, TimeZone: a.TimeZone, Locale: a.Locale, PasswordLogin: a.PasswordLogin,
		Interfaces: interfaces(a.Adapters), Commands: a.Commands, ShutDown: a.ShutDown,
	}
	for i, u := range a.Users {
		user := answerfile.User{Name: u.Name, SSHKeys: u.Keys, Admin: u.Admin}
		if u.Password && i < len(p.Users) {
			user.Password = p.Users[i]
		}
		l.Users = append(l.Users, user)
	}
	return l
}

func interfaces(adapters []Adapter) []answerfile.Interface {
	var all []answerfile.Interface
	for _, a := range adapters {
		all = append(all, a.adapter())
	}
	return all
}

func (a Adapter) adapter() answerfile.Interface {
	return answerfile.Interface{
		Name: a.Name,
		IPv4: answerfile.Static{Addresses: Words(a.IPv4), Gateway: a.Gateway4},
		IPv6: answerfile.Static{Addresses: Words(a.IPv6), Gateway: a.Gateway6},
		DNS:  Words(a.DNS),
	}
}

// FabricAdapter is the adapter of that number, from 1, that gets everything from
// the fabric.
func FabricAdapter(number int) Adapter {
	i := answerfile.StaticIPv4(number)
	return Adapter{Name: i.Name, IPv4: strings.Join(i.IPv4.Addresses, ", "), Gateway4: i.IPv4.Gateway, DNS: strings.Join(i.DNS, ", ")}
}

// Words splits a text at commas and spaces.
func Words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' || r == '\n' })
}

// Lines splits a text into its lines, without the empty ones.
func Lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// sample stands for passwords in a preview.
const sample = "scutum-hidden"

// Hidden is what stands in place of a password where the answer file is shown.
const Hidden = "••••••••"

// Preview makes the answer file to be looked at, with Hidden in place of all
// passwords.
func (a Answer) Preview() (*MadeAnswer, error) {
	p := Passwords{Administrator: sample, Domain: sample, RDP: sample}
	for range a.Users {
		p.Users = append(p.Users, sample)
	}
	m, err := a.Make(p)
	if err == nil {
		m.File = Hide(m.File)
	}
	return m, err
}

// secretForms are where passwords stand in answer files: between what the two
// groups are.
var secretForms = []*regexp.Regexp{
	regexp.MustCompile(`(?is)(<\w*Password>\s*<Value>)[^<]*(</Value>)`),
	regexp.MustCompile(`(?is)(<\w*Password>)[^<\s][^<]*(</\w*Password>)`),
	regexp.MustCompile(`(?is)(<Password>\s*<Value>)[^<]*(</Value>)`),
	regexp.MustCompile(`(?i)(certutil\.exe -f -p (?:"|&quot;|&#34;))[^\n]*?((?:"|&quot;|&#34;) -importpfx)`),
	regexp.MustCompile(`(?im)(^[\s-]*(?:hashed_passwd|plain_text_passwd|passwd|password):[ \t]*)\S.*()$`),
}

// Hide puts Hidden in place of the passwords of an answer file.
func Hide(file []byte) []byte {
	for _, form := range secretForms {
		file = form.ReplaceAll(file, []byte("${1}"+Hidden+"${2}"))
	}
	return file
}

// Save saves the answer file for the user's eyes alone, for Linux with the set-up
// of the network, the second file only together with the first.
func (m *MadeAnswer) Save(path, network string, overwrite bool) error {
	if m.NetworkConfig == nil {
		return atomicfile.WriteFile(path, m.File, 0o600, overwrite)
	}
	f, err := atomicfile.Create(network, overwrite)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(m.NetworkConfig); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := atomicfile.WriteFile(path, m.File, 0o600, overwrite); err != nil {
		return err
	}
	return f.Commit()
}

// ReadAnswer reads an answer file to be looked at: its passwords are hidden.
func ReadAnswer(path string) (*MadeAnswer, error) {
	data, err := ReadFile(path, answerfile.MaxSize)
	if err != nil {
		return nil, err
	}
	places, err := answerfile.Substitutions(data)
	if err != nil {
		return nil, err
	}
	return &MadeAnswer{File: Hide(data), Places: places}, nil
}

// Supplied says whether every fabric supplies the value of a substitution string.
func Supplied(key string) bool { return fsk.Known(key) }

// ReadSSHKeys reads public SSH keys from a file, one a line.
func ReadSSHKeys(path string) ([]string, error) {
	data, err := ReadFile(path, 64<<10)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	if strings.Contains(string(data), "-----BEGIN") { // a private key, of which nothing may be shown
		return nil, problem("This file holds a private key. Choose the public one, whose name ends in .pub.")
	}
	var keys []string
	for _, line := range Lines(string(data)) {
		if !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 || CheckSSHKeys(strings.Join(keys, "\n")) != nil {
		return nil, problem("There is no public SSH key in this file. Choose one whose name ends in .pub.")
	}
	return keys, nil
}

// The checks of single fields have an answer file made that is right but for the
// field.

func windowsWith(change func(*answerfile.Windows)) error {
	w := answerfile.Windows{AdministratorPassword: sample}
	change(&w)
	_, err := answerfile.NewWindows(w)
	return err
}

func linuxWith(change func(*answerfile.Linux)) error {
	l := answerfile.Linux{Users: []answerfile.User{{Name: "user", SSHKeys: []string{"@SSHKey@"}}}}
	change(&l)
	_, err := answerfile.NewLinux(l)
	return err
}

// CheckComputerName says what is wrong with the name of a computer.
func CheckComputerName(name string, linux bool) error {
	switch {
	case linux && linuxWith(func(l *answerfile.Linux) { l.HostName = name }) != nil:
		return problem("Use letters, digits, dashes and dots, as in web01.example.com.")
	case !linux && windowsWith(func(w *answerfile.Windows) { w.ComputerName = name }) != nil:
		return problem("Use at most 15 letters, digits and dashes, not digits alone. * gives a random name.")
	}
	return nil
}

// CheckProductKey says what is wrong with a product key; none is right.
func CheckProductKey(key string) error {
	if windowsWith(func(w *answerfile.Windows) { w.ProductKey = key }) != nil {
		return problem("Enter five groups of five capital letters and digits with dashes between them, or @ProductKey@.")
	}
	return nil
}

// CheckLocale says what is wrong with a locale; none is right.
func CheckLocale(locale string, linux bool) error {
	switch {
	case linux && linuxWith(func(l *answerfile.Linux) { l.Locale = locale }) != nil:
		return problem("Enter a locale, as in de_DE.UTF-8.")
	case !linux && windowsWith(func(w *answerfile.Windows) { w.Locale = locale }) != nil:
		return problem("Enter a locale, as in de-DE.")
	}
	return nil
}

// CheckDomain says what is wrong with what joins a domain; without a domain,
// there is nothing to say.
func CheckDomain(domain, user string) error {
	switch {
	case domain == "":
		return nil
	case user == "":
		return problem("Enter who may join computers to the domain: a name, DOMAIN\\name or name@domain.")
	}
	return windowsWith(func(w *answerfile.Windows) {
		w.Domain = &answerfile.Domain{Name: domain, User: user, Password: sample}
	})
}

// CheckAdministrator says what is wrong with the password of an account of
// Windows.
func CheckAdministrator(password string) error {
	switch {
	case password == "":
		return problem("Enter a password.")
	case windowsWith(func(w *answerfile.Windows) { w.AdministratorPassword = password }) != nil:
		return problem("Use at most 127 characters that can be printed.")
	}
	return nil
}

// CheckScripts says what is wrong with names of scripts, one a line.
func CheckScripts(text string) error {
	if windowsWith(func(w *answerfile.Windows) { w.Scripts = Lines(text) }) != nil {
		return problem("Enter names of files without folders, of at most 64 letters, digits, . _ and -, that end in .ps1, .cmd or .bat.")
	}
	return nil
}

// CheckCommands says what is wrong with commands, one a line.
func CheckCommands(text string, linux bool) error {
	if linux {
		return linuxWith(func(l *answerfile.Linux) { l.Commands = Lines(text) })
	}
	return windowsWith(func(w *answerfile.Windows) { w.FirstLogon = Lines(text) })
}

// CheckUser says what is wrong with the name of an account of Linux.
func CheckUser(name string) error {
	if linuxWith(func(l *answerfile.Linux) { l.Users[0].Name = name }) != nil {
		return problem("Use at most 32 small letters, digits, _ and -, with a letter or _ at the beginning.")
	}
	return nil
}

// CheckSSHKeys says what is wrong with public SSH keys, one a line.
func CheckSSHKeys(text string) error {
	keys := Lines(text)
	if len(keys) > 0 && linuxWith(func(l *answerfile.Linux) { l.Users[0].SSHKeys = keys }) != nil {
		return problem("Enter public SSH keys, one a line, as they stand in files that end in .pub.")
	}
	return nil
}

// CheckUserPassword says what is wrong with the password of an account of Linux,
// which needs one unless it has a key.
func CheckUserPassword(password string, keys bool) error {
	switch {
	case password == "" && !keys:
		return problem("Enter a password or an SSH key: else nobody could log on.")
	case len(password) > 72:
		return problem("The password is too long. Use at most 72 bytes.")
	}
	return nil
}

// CheckAdapterName says what is wrong with the name of a network adapter.
func CheckAdapterName(name string) error {
	if checkAdapter(Adapter{Name: name, DNS: "192.0.2.1"}) != nil {
		return problem("Enter the MAC address of the adapter, its name in the guest, or @MACAddr-1@.")
	}
	return nil
}

// CheckAddresses says what is wrong with addresses of one family, with the length
// of their prefixes.
func CheckAddresses(text string, six bool) error {
	switch {
	case !six && checkAdapter(Adapter{Name: "x", IPv4: text, DNS: "192.0.2.1"}) != nil:
		return problem("Enter addresses with the length of their prefix, as in 192.0.2.10/24, or @IP4Addr-1@.")
	case six && checkAdapter(Adapter{Name: "x", IPv6: text, DNS: "192.0.2.1"}) != nil:
		return problem("Enter addresses with the length of their prefix, as in 2001:db8::10/64, or @IP6Addr-1@.")
	}
	return nil
}

// CheckGateway says what is wrong with a gateway for such addresses; none is
// right.
func CheckGateway(text, addresses string, six bool) error {
	if text == "" {
		return nil
	}
	a := Adapter{Name: "x", IPv4: "192.0.2.10/24", Gateway4: text}
	if six {
		a = Adapter{Name: "x", IPv6: "2001:db8::10/64", Gateway6: text}
	}
	switch {
	case addresses == "":
		return problem("A gateway is of no use without an address. Enter one, or take the gateway away.")
	case checkAdapter(a) != nil:
		return problem("Enter the address of the gateway, or @NextHop-1-1@.")
	}
	return nil
}

// CheckNameServers says what is wrong with name servers; none is right unless
// there are no addresses either.
func CheckNameServers(text, addresses string) error {
	switch {
	case text == "" && addresses == "":
		return problem("Enter an address or a name server, or remove the adapter: then all comes from DHCP.")
	case text != "" && checkAdapter(Adapter{Name: "x", DNS: text}) != nil:
		return problem("Enter addresses of name servers, or @DnsAddr-1-1@.")
	}
	return nil
}

func checkAdapter(a Adapter) error {
	return windowsWith(func(w *answerfile.Windows) { w.Interfaces = []answerfile.Interface{a.adapter()} })
}
