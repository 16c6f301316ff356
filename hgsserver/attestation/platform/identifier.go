// Package platform reads and writes platform identifier files: XML by which a host tells its fabric's operator who it is, so
// that it can be registered without a hand at its TPM. What such files of other makers look like is not public: these are
// Scutum's own, with the schema PlatformIdentifier.xsd in assets.
//
// The package makes no decision of trust: anybody can write a file that it reads. See attestation.NewHost.
package platform

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/hgsserver/attestation/endorsement"
	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hgsserver/attestation/rtpm"
	"github.com/scutum-project/scutum/pdk/excc14n"
)

// Limits of a file.
const (
	MaxIdentifier  = excc14n.MaxSize // bytes
	maxIssuers     = 16
	maxCertificate = 16 << 10 // bytes of one certificate
)

const namespace = "urn:scutum:platform-identifier:1"

// ErrIdentifier says that a file is no platform identifier, or contradicts itself. For errors.Is.
var ErrIdentifier = errors.New("not a platform identifier")

// An Identifier is what a host says of itself.
type Identifier struct {
	Host        string               // its name, 1 to health.MaxHost bytes of what prints
	Key         *rtpm.EndorsementKey // of its TPM
	Certificate *x509.Certificate    // of that key, or nil
	Issuers     []*x509.Certificate  // of the certificate, from its own on, as far as the host knows them; none without a certificate
}

// check says what is wrong with an identifier.
func (id *Identifier) check() error {
	if id.Host == "" || len(id.Host) > health.MaxHost || !utf8.ValidString(id.Host) ||
		strings.ContainsFunc(id.Host, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("the name of the host has 1 to %d bytes, all of which print, not %.64q", health.MaxHost, id.Host)
	}
	if id.Key == nil {
		return errors.New("it has no endorsement key")
	}
	if id.Certificate == nil {
		if len(id.Issuers) > 0 {
			return errors.New("it has issuers of no certificate")
		}
		return nil
	}
	c, err := endorsement.Parse(id.Certificate.Raw)
	if err != nil {
		return err
	}
	if !c.Key.Equal(id.Key) {
		return errors.New("the endorsement certificate is that of another key")
	}
	if len(id.Issuers) > maxIssuers {
		return fmt.Errorf("it has %d issuers, at most %d are accepted", len(id.Issuers), maxIssuers)
	}
	for _, issuer := range id.Issuers {
		if len(issuer.Raw) > maxCertificate {
			return fmt.Errorf("the issuer %.64q has %d bytes, at most %d are accepted", issuer.Subject, len(issuer.Raw), maxCertificate)
		}
	}
	return nil
}

// XML is the file of an identifier. It fails with ErrIdentifier where Parse would not read it.
func (id *Identifier) XML() ([]byte, error) {
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("writing a platform identifier: %w: %w", ErrIdentifier, err)
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<PlatformIdentifier xmlns="` + namespace + `">` + "\n  <HostName>")
	if err := xml.EscapeText(&b, []byte(id.Host)); err != nil {
		return nil, fmt.Errorf("writing a platform identifier: %w", err)
	}
	b.WriteString("</HostName>\n")
	element := func(name string, value []byte) {
		fmt.Fprintf(&b, "  <%s>%s</%s>\n", name, base64.StdEncoding.EncodeToString(value), name)
	}
	element("EndorsementKey", id.Key.Bytes())
	if id.Certificate != nil {
		element("EndorsementCertificate", id.Certificate.Raw)
	}
	for _, issuer := range id.Issuers {
		element("IssuerCertificate", issuer.Raw)
	}
	b.WriteString("</PlatformIdentifier>\n")
	return b.Bytes(), nil
}

// Parse reads a file. It fails with ErrIdentifier. The certificate it gives is one of the endorsement key in the file, of a form
// that endorsement.Parse accepts; who issued it, nobody has asked.
func Parse(file []byte) (*Identifier, error) {
	id, err := parse(file)
	if err == nil {
		err = id.check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading a platform identifier: %w: %w", ErrIdentifier, err)
	}
	return id, nil
}

func parse(file []byte) (*Identifier, error) {
	root, err := excc14n.Parse(file)
	if err != nil {
		return nil, err
	}
	if !root.Is(namespace, "PlatformIdentifier") {
		return nil, fmt.Errorf("the document element is %.64q of %.64q, not PlatformIdentifier of %q", root.Local, root.Space, namespace)
	}
	if len(root.Attrs) > 0 || strings.Trim(root.Text, whiteSpace) != "" {
		return nil, errors.New("PlatformIdentifier has text or attributes, and must have elements alone")
	}
	elements := root.Elements()
	next := func(name string) *excc14n.Node {
		if len(elements) == 0 || !elements[0].Is(namespace, name) {
			return nil
		}
		n := elements[0]
		elements = elements[1:]
		return n
	}
	host, key := next("HostName"), next("EndorsementKey")
	if host == nil || key == nil {
		return nil, errors.New("PlatformIdentifier does not begin with HostName and EndorsementKey")
	}
	id := &Identifier{}
	if id.Host, err = host.TextAlone(); err != nil {
		return nil, err
	}
	public, err := binary(key)
	if err != nil {
		return nil, err
	}
	if id.Key, err = rtpm.ParseEndorsementKey(public); err != nil {
		return nil, err
	}
	if n := next("EndorsementCertificate"); n != nil {
		if id.Certificate, err = certificate(n); err != nil {
			return nil, err
		}
	}
	for n := next("IssuerCertificate"); n != nil; n = next("IssuerCertificate") {
		if len(id.Issuers) == maxIssuers {
			return nil, fmt.Errorf("it has more than %d issuers", maxIssuers)
		}
		issuer, err := certificate(n)
		if err != nil {
			return nil, err
		}
		id.Issuers = append(id.Issuers, issuer)
	}
	if len(elements) > 0 {
		return nil, fmt.Errorf("the element %.64q does not belong where it is", elements[0].Local)
	}
	return id, nil
}

const whiteSpace = " \t\r\n"

// binary gives the bytes that stand in an element as base64. It may be broken into lines.
func binary(n *excc14n.Node) ([]byte, error) {
	s, err := n.TextAlone()
	if err != nil {
		return nil, err
	}
	data, err := excc14n.Base64(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Local, err)
	}
	return data, nil
}

func certificate(n *excc14n.Node) (*x509.Certificate, error) {
	der, err := binary(n)
	if err != nil {
		return nil, err
	}
	if len(der) > maxCertificate {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are accepted", n.Local, len(der), maxCertificate)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Local, err)
	}
	return c, nil
}
