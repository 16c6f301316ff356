package fsk

import (
	"errors"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// knownForm has the keys that users of shielded virtual machines know. N counts network adapters from 1, M counts what one
// of them has.
var knownForm = regexp.MustCompile(`(?i)^@(ComputerName|TimeZone|ProductKey` +
	`|(IP4Addr|IP6Addr|MACAddr)-[1-9][0-9]{0,2}|(Prefix|NextHop|DnsAddr)-[1-9][0-9]{0,2}-[1-9][0-9]{0,2})@$`)

// Known reports whether a key is one of those that every fabric is to supply when an answer file asks for it:
//
//	@ComputerName@  @TimeZone@  @ProductKey@
//	@IP4Addr-N@  @IP6Addr-N@  @MACAddr-N@  @Prefix-N-M@  @NextHop-N-M@  @DnsAddr-N-M@
func Known(key string) bool { return knownForm.MatchString(key) }

var (
	computerName = regexp.MustCompile(`^[0-9A-Za-z](?:[0-9A-Za-z._-]{0,251}[0-9A-Za-z])?$`)
	timeZone     = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z ._+()-]*(?:/[0-9A-Za-z][0-9A-Za-z._+-]*)*$`)
	productKey   = regexp.MustCompile(`^(?:[0-9A-Za-z]{5}-){4}[0-9A-Za-z]{5}$`)
)

// checkKnown wants the value of a known key to be what the key says. Any value of another key is right.
func checkKnown(key, value string) error {
	kind, _, _ := strings.Cut(strings.ToLower(strings.Trim(key, "@")), "-")
	var right bool
	var want string
	switch {
	case !Known(key):
		return nil
	case kind == "computername":
		right, want = computerName.MatchString(value), "a computer name: letters, digits, dashes and dots"
	case kind == "timezone":
		right, want = timeZone.MatchString(value), `a time zone, as in "W. Europe Standard Time" or Europe/Berlin`
	case kind == "productkey":
		right, want = productKey.MatchString(value), "a product key, five groups of five letters and digits"
	case kind == "macaddr":
		mac, err := net.ParseMAC(value)
		right, want = err == nil && len(mac) == 6, "a MAC address, as in 00-15-5D-01-02-03 or 00:15:5d:01:02:03"
	case kind == "ip4addr":
		right, want = isAddress(value, netip.Addr.Is4, true), "an IPv4 address, as in 192.0.2.10/24"
	case kind == "ip6addr":
		right, want = isAddress(value, netip.Addr.Is6, true), "an IPv6 address, as in 2001:db8::10/64"
	case kind == "prefix":
		length, err := strconv.ParseUint(value, 10, 8)
		right = err == nil && length <= 128 || isAddress(value, netip.Addr.IsValid, true)
		want = "a prefix, as in 192.0.2.0/24, or its length"
	default: // the next hop, a name server
		right, want = isAddress(value, netip.Addr.IsValid, false), "an IP address, as in 192.0.2.1"
	}
	if !right {
		return errors.New("it is not " + want)
	}
	return nil
}

// isAddress reports whether text is an address, which with prefix may be followed by the length of its prefix. Zones are
// not accepted: they name an adapter, in any characters.
func isAddress(text string, family func(netip.Addr) bool, prefix bool) bool {
	if p, err := netip.ParsePrefix(text); err == nil {
		return prefix && family(p.Addr())
	}
	addr, err := netip.ParseAddr(text)
	return err == nil && addr.Zone() == "" && family(addr)
}
