package model

import (
	"bytes"
	"slices"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/signing"
)

// A Trusted is a template that may be used, and which versions of it.
type Trusted struct {
	Path string // that it was read from; empty: the file that is changed names it
	pdk.Qualifier
	Pin bool // this one catalog alone, whose digest the qualifier has
}

// OpenTemplate reads the catalog of a template that shall be trusted.
func OpenTemplate(path string) (Trusted, error) {
	signed, err := ReadCatalog(path)
	if err != nil {
		return Trusted{}, err
	}
	if err := signing.CheckSigner(signed.Signer, signed.SigningTime); err != nil {
		return Trusted{}, err
	}
	return Trusted{Path: path, Qualifier: pdk.QualifierOf(signed, pdk.Equals, true)}, nil
}

// CanPin says whether this one catalog alone may be accepted: its digest has to
// be known, and later versions are other catalogs.
func (t Trusted) CanPin() bool { return len(t.Digest) > 0 && t.Rule != pdk.Greater }

// qualifier is what goes into the file.
func (t Trusted) qualifier() pdk.Qualifier {
	q := t.Qualifier
	if !t.Pin || !t.CanPin() {
		q.Digest = nil
	}
	return q
}

// AddTemplate trusts one more.
func (s *ShieldingData) AddTemplate(t Trusted) error {
	again := slices.ContainsFunc(s.Templates, func(o Trusted) bool {
		return o.Name == t.Name && o.Version == t.Version && sameKey(o.Signer, t.Signer) && bytes.Equal(o.Digest, t.Digest)
	})
	switch {
	case again:
		return problem("This template is in the list already.")
	case len(s.Templates) == pdk.MaxVolumes:
		return problem("There are 64 templates in the list, and more do not fit. Remove one first.")
	}
	s.Templates = append(s.Templates, t)
	return nil
}

// RemoveTemplate takes the template at a place of the list away.
func (s *ShieldingData) RemoveTemplate(i int) { s.Templates = slices.Delete(s.Templates, i, i+1) }

// TemplatesReady says whether a template is trusted, where there has to be one.
func (s *ShieldingData) TemplatesReady() bool { return !s.ForTemplates() || len(s.Templates) > 0 }

func (s *ShieldingData) qualifiers() []pdk.Qualifier {
	var all []pdk.Qualifier
	for _, t := range s.Templates {
		all = append(all, t.qualifier())
	}
	return all
}
