package pdk

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/signing/cms"
)

// A Rule says which versions of a template a qualifier accepts, as text.
type Rule string

// The rules: a catalog's version must be that of the qualifier, or a later one, or either.
const (
	Equals         Rule = "equals"
	Greater        Rule = "greater"
	GreaterOrEqual Rule = "greater-or-equal"
)

// ParseRule reads the text of a rule.
func ParseRule(s string) (Rule, error) {
	if rules := []Rule{Equals, Greater, GreaterOrEqual}; !slices.Contains(rules, Rule(s)) {
		return "", fmt.Errorf("unknown rule %.32q: use %s, %s or %s", s, Equals, Greater, GreaterOrEqual)
	}
	return Rule(s), nil
}

func (r Rule) holds(catalog, qualifier signing.Version) bool {
	order := catalog.Compare(qualifier)
	return order == 0 && r != Greater || order > 0 && r != Equals
}

// maxName bounds the name of a template, in characters, as catalogs do.
const maxName = 255

// A Qualifier (volume ID qualifier) says which signed templates may be used.
type Qualifier struct {
	Name    string // of the template
	Version signing.Version
	Rule    Rule
	Signer  *x509.Certificate // who signs the template; its public key counts
	Digest  []byte            // SHA-256 of the content of the one catalog that is accepted, or nil
}

// QualifierOf makes the qualifier for a catalog and those after it that the rule allows. With pin it is for that one catalog
// alone; under the rule Greater it would then accept none.
func QualifierOf(s *signing.Signed, rule Rule, pin bool) Qualifier {
	q := Qualifier{Name: s.Catalog.Template.Name, Version: s.Catalog.Template.Version, Rule: rule, Signer: s.Signer}
	if pin {
		q.Digest = bytes.Clone(s.Digest[:])
	}
	return q
}

// Accepts says whether a template with that catalog may be used: nil, or all that speaks against it.
func (q Qualifier) Accepts(s *signing.Signed) error {
	var against []string
	if name := s.Catalog.Template.Name; name != q.Name {
		against = append(against, fmt.Sprintf("the template is named %q, not %q", name, q.Name))
	}
	if !sameKey(q.Signer.PublicKey, s.Signer.PublicKey) {
		against = append(against, fmt.Sprintf("it is signed by %q (SHA-256 thumbprint %s), not with the key of %q (%s)",
			s.Signer.Subject, signing.Thumbprint(s.Signer), q.Signer.Subject, signing.Thumbprint(q.Signer)))
	}
	if version := s.Catalog.Template.Version; !q.Rule.holds(version, q.Version) {
		against = append(against, fmt.Sprintf("its version %s is not %s", version, q.Versions()))
	}
	if q.Digest != nil && !bytes.Equal(q.Digest, s.Digest[:]) {
		against = append(against, fmt.Sprintf("its catalog is %x, not the one that is pinned, %x", s.Digest, q.Digest))
	}
	if len(against) == 0 {
		return nil
	}
	return errors.New(strings.Join(against, "; "))
}

// Versions says in words which versions are accepted: "greater than 1.0.0.0".
func (q Qualifier) Versions() string {
	switch q.Rule {
	case Greater:
		return "greater than " + q.Version.String()
	case GreaterOrEqual:
		return q.Version.String() + " or greater"
	}
	return q.Version.String()
}

func (q Qualifier) check() error {
	switch {
	case q.Name == "" || !utf8.ValidString(q.Name) || utf8.RuneCountInString(q.Name) > maxName || strings.TrimSpace(q.Name) != q.Name ||
		strings.ContainsFunc(q.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("the name %.64q is none that a template can have", q.Name)
	case q.Signer == nil:
		return errors.New("there is no signer")
	case len(q.Signer.Raw) > cms.MaxCertificateSize:
		return fmt.Errorf("the signer's certificate has %d bytes, at most %d are allowed", len(q.Signer.Raw), cms.MaxCertificateSize)
	case q.Digest != nil && len(q.Digest) != sha256.Size:
		return fmt.Errorf("the digest has %d bytes, want %d", len(q.Digest), sha256.Size)
	}
	switch q.Signer.PublicKey.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
	default:
		return errors.New("the signer's key is of a kind that signs no template: want RSA or ECDSA")
	}
	_, err := ParseRule(string(q.Rule))
	return err
}

// Check holds a catalog against each qualifier: an error is why that one does not accept it, nil says that it does. A template
// with the catalog may be used when there is a nil. Data for an existing virtual machine accept no template, for which there is
// one error.
func (d *ShieldingData) Check(s *signing.Signed) []error {
	if d.Kind == ExistingVM {
		return []error{errors.New("the shielding data are for a virtual machine that exists, and accept no template")}
	}
	reasons := make([]error, len(d.Volumes))
	for i, q := range d.Volumes {
		reasons[i] = q.Accepts(s)
	}
	return reasons
}
