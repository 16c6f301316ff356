package answerfile

import (
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Windows is what an unattend.xml is to set up. Texts may hold substitution strings, but for passwords and names of files.
type Windows struct {
	Architecture string // of the processor: "amd64", which an empty one means, or "arm64"

	ComputerName string // empty: @ComputerName@; "*": a random one
	ProductKey   string // empty: the template needs none
	TimeZone     string // as Windows names it, "W. Europe Standard Time"; empty: the template's
	Locale       string // for language, formats and keyboard; empty: en-US

	AdministratorPassword string // of the account Administrator

	Domain     *Domain     // nil: none is joined
	Interfaces []Interface // those that are not listed use DHCP

	RemoteDesktop  bool            // let in through the firewall, with network level authentication
	RDPCertificate *RDPCertificate // nil: Windows makes one of its own
	WinRM          bool            // let in through the firewall

	// Scripts are files of the shielding data, by their names in there (.ps1, .cmd or .bat), that run with all rights
	// when Windows is set up.
	Scripts []string

	// FirstLogon are commands that run when an administrator logs on for the first time.
	FirstLogon []string

	// ShutDown has the machine turn itself off when all is done, by which a fabric sees that it is.
	ShutDown bool
}

// A Domain is an Active Directory domain to join.
type Domain struct {
	Name     string // "example.com"
	User     string // who may join: "name", "DOMAIN\name" or "name@example.com"
	Password string
	OU       string // distinguished name of the organizational unit for the computer; empty: the domain's default
}

// An RDPCertificate is the certificate by which the machine shows who it is to Remote Desktop clients. It and its key are
// a PFX file of the shielding data.
type RDPCertificate struct {
	File        string // the file's name in the shielding data
	Password    string // of the file: ASCII without " and %, no \ at its end, not *
	Certificate *x509.Certificate
}

var (
	computerName = regexp.MustCompile(`^(\*|[0-9A-Za-z-]*[A-Za-z-][0-9A-Za-z-]*)$`)
	productKey   = regexp.MustCompile(`^([0-9A-Z]{5}-){4}[0-9A-Z]{5}$`)
	locale       = regexp.MustCompile(`^[A-Za-z]{2,3}(-[0-9A-Za-z]{2,8})*$`)
)

const (
	maxComputerName = 15
	maxPassword     = 127
	maxCommandLine  = 1024 // of a command at the first logon
	maxCommands     = 500  // of them, one of ours included
)

// NewWindows makes an unattend.xml, in UTF-8. Its passwords are not encrypted, only encoded as Windows does: shielding
// data are the place for it.
func NewWindows(w Windows) ([]byte, error) {
	w.Architecture = cmp.Or(w.Architecture, "amd64")
	w.ComputerName = cmp.Or(w.ComputerName, "@ComputerName@")
	w.Locale = cmp.Or(w.Locale, "en-US")
	if err := w.check(); err != nil {
		return nil, fmt.Errorf("make an answer file: %w", err)
	}
	commands, err := w.setupCommands()
	if err != nil {
		return nil, fmt.Errorf("make an answer file: %w", err)
	}
	file := document("unattend", `xmlns="urn:schemas-microsoft-com:unattend"`,
		withAttrs("settings", `pass="specialize"`, w.specialize(commands)...),
		withAttrs("settings", `pass="oobeSystem"`, w.oobeSystem()...))
	if len(file) > MaxSize {
		return nil, tooLarge(len(file))
	}
	return file, nil
}

func (w *Windows) check() error {
	if w.Architecture != "amd64" && w.Architecture != "arm64" {
		return fmt.Errorf("architecture: %.32q is neither amd64 nor arm64", w.Architecture)
	}
	if !open(w.ComputerName) && len(w.ComputerName) > maxComputerName {
		return fmt.Errorf("computer name: %.64q is longer than %d characters", w.ComputerName, maxComputerName)
	}
	err := cmp.Or(
		checkForm("computer name", w.ComputerName, computerName, "a name of letters, digits and -, not of digits alone"),
		checkForm("locale", w.Locale, locale, "a locale, as in en-US"),
		checkLine("administrator password", w.AdministratorPassword, maxPassword),
		checkInterfaces(w.Interfaces),
		checkEach(w.FirstLogon, func(text string) error { return checkLine("command at the first logon", text, maxCommandLine) }),
	)
	if err == nil && w.ProductKey != "" {
		err = checkForm("product key", w.ProductKey, productKey, "a product key, five groups of five letters and digits")
	}
	if err == nil && w.TimeZone != "" {
		err = checkLine("time zone", w.TimeZone, 256)
	}
	if err == nil && w.Domain != nil {
		err = w.Domain.check()
	}
	if err == nil && len(w.FirstLogon) >= maxCommands {
		err = fmt.Errorf("%d commands at the first logon, at most %d are allowed", len(w.FirstLogon), maxCommands-1)
	}
	return err
}

func (d *Domain) check() error {
	err := cmp.Or(
		checkLine("domain", d.Name, 255),
		checkLine("user who joins the domain", d.User, 512),
		checkLine("password to join the domain", d.Password, maxPassword),
	)
	if err == nil && d.OU != "" {
		err = checkLine("organizational unit", d.OU, 1024)
	}
	return err
}

// specialize are the components of the pass that makes the machine its own.
func (w *Windows) specialize(commands []string) []node {
	shell := []node{field("ComputerName", w.ComputerName)}
	if w.ProductKey != "" {
		shell = append(shell, field("ProductKey", w.ProductKey))
	}
	if w.TimeZone != "" {
		shell = append(shell, field("TimeZone", w.TimeZone))
	}
	all := []node{
		w.component("Microsoft-Windows-Shell-Setup", shell...),
		w.component("Microsoft-Windows-Deployment", runSynchronous(commands)),
	}
	if interfaces := tcpip(w.Interfaces); len(interfaces.children) > 0 {
		all = append(all, w.component("Microsoft-Windows-TCPIP", interfaces))
	}
	if servers := dnsClient(w.Interfaces); len(servers.children) > 0 {
		all = append(all, w.component("Microsoft-Windows-DNS-Client", servers))
	}
	if w.Domain != nil {
		all = append(all, w.component("Microsoft-Windows-UnattendedJoin", w.Domain.identification()))
	}
	if w.RemoteDesktop {
		all = append(all,
			w.component("Microsoft-Windows-TerminalServices-LocalSessionManager", leaf("fDenyTSConnections", "false")),
			w.component("Microsoft-Windows-TerminalServices-RDP-WinStationExtensions",
				leaf("SecurityLayer", "2"),       // TLS
				leaf("UserAuthentication", "1"))) // before there is a session
	}
	if groups := w.firewallGroups(); len(groups.children) > 0 {
		all = append(all, w.component("Networking-MPSSVC-Svc", groups))
	}
	return all
}

// oobeSystem are the components of the pass before the first logon.
func (w *Windows) oobeSystem() []node {
	shell := []node{
		tree("OOBE",
			leaf("HideEULAPage", "true"),
			leaf("HideLocalAccountScreen", "true"),
			leaf("HideOEMRegistrationScreen", "true"),
			leaf("HideOnlineAccountScreens", "true"),
			leaf("HideWirelessSetupInOOBE", "true"),
			leaf("ProtectYourPC", "3")), // nothing is sent, nothing is asked
		tree("UserAccounts", password("AdministratorPassword", w.AdministratorPassword)),
	}
	if len(w.FirstLogon) > 0 {
		shell = append(shell, w.firstLogon())
	}
	return []node{
		w.component("Microsoft-Windows-International-Core",
			field("InputLocale", w.Locale),
			field("SystemLocale", w.Locale),
			field("UILanguage", w.Locale),
			field("UserLocale", w.Locale)),
		w.component("Microsoft-Windows-Shell-Setup", shell...),
	}
}

// component is a component of Windows with its settings.
func (w *Windows) component(name string, settings ...node) node {
	return withAttrs("component", fmt.Sprintf(`name="%s" processorArchitecture="%s" publicKeyToken="31bf3856ad364e35" language="neutral" `+
		`versionScope="nonSxS" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State"`, name, w.Architecture), settings...)
}

// password writes a password as Windows does, so that nobody reads it in passing: the Base64 of the UTF-16 of the
// password and the name of the element.
func password(element, text string) node {
	var encoded []byte
	for _, unit := range utf16.Encode([]rune(text + element)) {
		encoded = binary.LittleEndian.AppendUint16(encoded, unit)
	}
	return tree(element, leaf("Value", base64.StdEncoding.EncodeToString(encoded)), leaf("PlainText", "false"))
}

// tcpip has the addresses. Windows wants the settings of an interface, and those of a route, in this order.
func tcpip(interfaces []Interface) node {
	all := tree("Interfaces")
	for _, i := range interfaces {
		var settings, addresses, routes []node
		for _, family := range []struct {
			Static
			settings, everywhere string
			discover             bool // a router, where no gateway is given
		}{
			{i.IPv4, "Ipv4Settings", "0.0.0.0/0", false},
			{i.IPv6, "Ipv6Settings", "::/0", i.IPv6.Gateway == ""},
		} {
			if !family.given() {
				continue
			}
			settings = append(settings, tree(family.settings, leaf("DhcpEnabled", "false"),
				leaf("RouterDiscoveryEnabled", strconv.FormatBool(family.discover))))
			for _, address := range family.Addresses {
				addresses = append(addresses, field("IpAddress", address).key(strconv.Itoa(len(addresses)+1)))
			}
			if family.Gateway != "" {
				routes = append(routes, tree("Route", leaf("Identifier", strconv.Itoa(len(routes)+1)),
					field("NextHopAddress", family.Gateway), leaf("Prefix", family.everywhere)).added())
			}
		}
		if len(settings) == 0 {
			continue
		}
		settings = append(settings, field("Identifier", i.Name), tree("UnicastIpAddresses", addresses...))
		if len(routes) > 0 {
			settings = append(settings, tree("Routes", routes...))
		}
		all.children = append(all.children, tree("Interface", settings...).added())
	}
	return all
}

func dnsClient(interfaces []Interface) node {
	all := tree("Interfaces")
	for _, i := range interfaces {
		servers := tree("DNSServerSearchOrder")
		for n, server := range i.DNS {
			servers.children = append(servers.children, field("IpAddress", server).key(strconv.Itoa(n+1)))
		}
		if len(i.DNS) > 0 {
			all.children = append(all.children, tree("Interface", field("Identifier", i.Name), servers).added())
		}
	}
	return all
}

// identification joins the domain. A user without a domain is one of the domain that is joined.
func (d *Domain) identification() node {
	credentials := tree("Credentials")
	domain, user, ok := strings.Cut(d.User, `\`)
	if !ok {
		domain, user = d.Name, d.User
	}
	if ok || !strings.Contains(d.User, "@") || open(d.User) {
		credentials.children = append(credentials.children, field("Domain", domain))
	}
	credentials.children = append(credentials.children, leaf("Password", d.Password), field("Username", user))
	identification := tree("Identification", credentials, field("JoinDomain", d.Name))
	if d.OU != "" {
		identification.children = append(identification.children, field("MachineObjectOU", d.OU))
	}
	return identification
}

// firewallGroups lets in what is asked for, by the names that the groups have in every language.
func (w *Windows) firewallGroups() node {
	groups := tree("FirewallGroups")
	group := func(key, name string) {
		groups.children = append(groups.children,
			tree("FirewallGroup", leaf("Active", "true"), leaf("Group", name), leaf("Profile", "all")).key(key))
	}
	if w.RemoteDesktop {
		group("RemoteDesktop", "@FirewallAPI.dll,-28752")
	}
	if w.WinRM {
		group("WindowsRemoteManagement", "@FirewallAPI.dll,-30267")
	}
	return groups
}
