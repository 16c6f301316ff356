package answerfile

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/scutum-project/scutum/pdk/fsk"
)

// An Interface is a network adapter that does not get everything from DHCP. Every field may hold substitution strings that
// are known ones (fsk.Known), as their values have a form: some guests write what they are given, as it is, into scripts.
type Interface struct {
	// Name is the adapter's MAC address, or its name in the guest: "00-15-5D-01-02-03" or "Ethernet" for Windows,
	// "00:15:5d:01:02:03" or "eth0" for Linux, where the first is called nic1 from then on, the second nic2.
	Name       string
	IPv4, IPv6 Static
	DNS        []string // addresses of servers; none: from DHCP
}

// Static are the addresses of one family. Without an address they come from DHCP or from routers.
type Static struct {
	Addresses []string // with the length of their prefix: "192.0.2.10/24"
	Gateway   string   // of the default route; empty: none
}

// Substitutions of an adapter, as every fabric fills them: N is its number, from 1.
const (
	keyMAC     = "@MACAddr-%d@"
	keyIPv4    = "@IP4Addr-%d@"
	keyGateway = "@NextHop-%d-1@"
	keyDNS     = "@DnsAddr-%d-1@"
)

// StaticIPv4 is the adapter of that number, from 1, with an address, a gateway and a name server that the fabric supplies.
func StaticIPv4(number int) Interface {
	key := func(form string) string { return fmt.Sprintf(form, number) }
	return Interface{
		Name: key(keyMAC),
		IPv4: Static{Addresses: []string{key(keyIPv4)}, Gateway: key(keyGateway)},
		DNS:  []string{key(keyDNS)},
	}
}

// given reports whether the addresses do not come from DHCP.
func (s Static) given() bool { return len(s.Addresses) > 0 }

func (i *Interface) check() error {
	err := cmp.Or(
		checkEach(slices.Concat([]string{i.Name, i.IPv4.Gateway, i.IPv6.Gateway}, i.IPv4.Addresses, i.IPv6.Addresses, i.DNS), checkKnown),
		checkLine("the name of a network adapter", i.Name, 256),
		i.IPv4.check(netip.Addr.Is4, "IPv4"),
		i.IPv6.check(netip.Addr.Is6, "IPv6"),
		checkEach(i.DNS, func(text string) error {
			return checkAddress("name server", text, netip.Addr.IsValid, "IP")
		}),
	)
	if err == nil && !i.IPv4.given() && !i.IPv6.given() && len(i.DNS) == 0 {
		err = errors.New("it has neither an address nor a name server: leave it out for DHCP")
	}
	if err != nil {
		return fmt.Errorf("network adapter %.64q: %w", i.Name, err)
	}
	return nil
}

// checkKnown wants text to hold no substitution strings but known ones.
func checkKnown(text string) error {
	for pos := 0; ; {
		start, end, ok := next(text, pos)
		if !ok {
			return nil
		}
		if !fsk.Known(text[start:end]) {
			return fmt.Errorf("the value of %s could be anything: use a known key, such as %s", text[start:end], fmt.Sprintf(keyIPv4, 1))
		}
		pos = end
	}
}

func (s Static) check(family func(netip.Addr) bool, name string) error {
	if !s.given() && s.Gateway != "" {
		return fmt.Errorf("the gateway %.64q is of no use without an %s address", s.Gateway, name)
	}
	err := checkEach(s.Addresses, func(text string) error {
		if open(text) {
			return nil
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil || !family(prefix.Addr()) {
			return fmt.Errorf("%.64q is not an %s address with the length of its prefix, as in 192.0.2.10/24 or 2001:db8::10/64", text, name)
		}
		return nil
	})
	if err == nil && s.Gateway != "" {
		err = checkAddress("gateway", s.Gateway, family, name)
	}
	return err
}

func checkAddress(what, text string, family func(netip.Addr) bool, name string) error {
	if open(text) {
		return nil
	}
	// A zone names an adapter of another machine.
	if addr, err := netip.ParseAddr(text); err != nil || addr.Zone() != "" || !family(addr) {
		return fmt.Errorf("%s: %.64q is not an %s address", what, text, name)
	}
	return nil
}

func checkInterfaces(interfaces []Interface) error {
	seen := map[string]bool{}
	for _, i := range interfaces {
		if err := i.check(); err != nil {
			return err
		}
		name := strings.ToLower(i.Name)
		if seen[name] {
			return fmt.Errorf("network adapter %.64q: it is given twice", i.Name)
		}
		seen[name] = true
	}
	return nil
}

// mac gives the MAC address, as Linux writes it or as a substitution string, of an adapter that is named by it.
func (i *Interface) mac() (string, bool) {
	if strings.HasPrefix(strings.ToLower(i.Name), "@macaddr-") {
		return i.Name, true
	}
	mac, err := net.ParseMAC(i.Name)
	return mac.String(), err == nil
}
