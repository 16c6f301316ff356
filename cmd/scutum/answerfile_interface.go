package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/scutum-project/scutum/pdk/answerfile"
)

// maxAdapters bounds the number of a network adapter; no hypervisor has as many.
const maxAdapters = 64

// addStatic is the flag --static-ip.
func (s *setup) addStatic(text string) error {
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > maxAdapters {
		return fmt.Errorf("the number of a network adapter is one from 1 to %d", maxAdapters)
	}
	s.interfaces = append(s.interfaces, answerfile.StaticIPv4(number))
	return nil
}

// addInterface is the flag --interface. Whether the addresses are any is for
// package answerfile to say.
func (s *setup) addInterface(text string) error {
	name, parts, found := strings.Cut(text, "=")
	if !found || name == "" || parts == "" {
		return errors.New("it is not of the form NAME=ADDRESS/PREFIX,gateway=ADDRESS,dns=ADDRESS")
	}
	adapter := answerfile.Interface{Name: name}
	for part := range strings.SplitSeq(parts, ",") {
		if err := addPart(&adapter, part); err != nil {
			return err
		}
	}
	s.interfaces = append(s.interfaces, adapter)
	return nil
}

func addPart(adapter *answerfile.Interface, part string) error {
	kind, value, found := strings.Cut(part, "=")
	if !found {
		kind, value = "", part
	}
	if value == "" {
		return fmt.Errorf("%q is without an address", part)
	}
	family := &adapter.IPv4
	if strings.Contains(value, ":") || strings.HasPrefix(strings.ToLower(value), "@ip6") || kind == "gateway6" {
		family = &adapter.IPv6
	}
	switch kind {
	case "":
		family.Addresses = append(family.Addresses, value)
	case "gateway", "gateway6":
		if family.Gateway != "" {
			return fmt.Errorf("%s: there is a gateway already, %s", part, family.Gateway)
		}
		family.Gateway = value
	case "dns":
		adapter.DNS = append(adapter.DNS, value)
	default:
		return fmt.Errorf("%q is none of gateway, gateway6 and dns", kind)
	}
	return nil
}
