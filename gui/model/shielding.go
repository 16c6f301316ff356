package model

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// ShieldingData is what "Create shielding data" asks for, and what changing such a
// file does.
type ShieldingData struct {
	Edited *Edited // the file that is changed; nil: a new one is made

	Path       string // of the file to write
	Kind       pdk.Kind
	Policy     pdk.Policy
	Owner      *guardian.Owner // opened
	Access     []Access
	Templates  []Trusted
	AnswerFile *Secret
	Files      []Secret

	Result *pdk.ShieldingData // once it is written
}

// NewShielding is where making a file begins.
func NewShielding() ShieldingData {
	return ShieldingData{Kind: pdk.Template, Policy: pdk.Shielded}
}

// Edit is where changing a file begins.
func Edit(e *Edited) ShieldingData {
	s := ShieldingData{Edited: e, Path: e.Path, Kind: e.Data.Kind, Policy: e.Data.Policy}
	for _, q := range e.Data.Volumes {
		s.Templates = append(s.Templates, Trusted{Qualifier: q, Pin: q.Digest != nil})
	}
	return s
}

// An Edited is a shielding data file that was read to be changed.
type Edited struct {
	Path  string
	Data  *pdk.ShieldingData
	Owner string // its name in the store; empty: it is not there with its keys

	bytes      []byte // the file
	listed     bool   // the secrets were opened, so that it is known
	answerFile *Secret
	files      int // how many others there are
}

// OpenShielding reads a shielding data file, and looks for its owner among those
// whose keys are in the store.
func OpenShielding(path string, store *guardian.Store) (*Edited, error) {
	data, err := ReadFile(path, pdk.MaxSize)
	if err != nil {
		return nil, err
	}
	d, err := pdk.Parse(data)
	if err != nil {
		return nil, err
	}
	entries, err := store.List()
	if err != nil {
		return nil, err
	}
	e := &Edited{Path: path, Data: d, bytes: data}
	for _, entry := range entries {
		if entry.Err == nil && entry.Owner && sameKey(entry.Guardian.Signing, d.Signer) {
			e.Owner = entry.Name
		}
	}
	return e, nil
}

// ForTemplates says whether there are templates and files: an existing virtual
// machine needs none.
func (s *ShieldingData) ForTemplates() bool { return s.Kind == pdk.Template }

// FileReady says whether the file can be written where it is to be.
func (s *ShieldingData) FileReady() bool { return CheckSave(s.Path) == nil && s.CheckPath() == nil }

// CheckPath says whether the file would take the place of one that goes into it.
func (s *ShieldingData) CheckPath() error {
	inputs := []string{}
	for _, f := range s.Files {
		inputs = append(inputs, f.Path)
	}
	for _, t := range s.Templates {
		inputs = append(inputs, t.Path)
	}
	if s.AnswerFile != nil {
		inputs = append(inputs, s.AnswerFile.Path)
	}
	if slices.ContainsFunc(inputs, func(path string) bool { return path != "" && SameFile(path, s.Path) }) {
		return problem("This is one of the files that go into the shielding data. Choose another name.")
	}
	return nil
}

// OwnerReady says whether there is an owner with its keys, and a guardian beside
// it. Its own file it may keep to itself.
func (s *ShieldingData) OwnerReady() bool {
	return s.Owner != nil && (s.Edited != nil || slices.ContainsFunc(s.Access, func(a Access) bool { return a.Granted }))
}

// Ready says whether all pages are right and there is something to do.
func (s *ShieldingData) Ready() bool {
	return s.FileReady() && s.OwnerReady() && s.TemplatesReady() && s.FilesReady() && s.Changed()
}

// Changed says whether the file would be another than it is.
func (s *ShieldingData) Changed() bool {
	e := s.Edited
	return e == nil || s.Policy != e.Data.Policy || s.templatesChanged() || s.filesChanged() ||
		len(s.Revoked()) > 0 || slices.ContainsFunc(s.Access, Access.added)
}

// InPlace says whether the file that is changed is written over.
func (s *ShieldingData) InPlace() bool { return s.Edited != nil && SameFile(s.Path, s.Edited.Path) }

func (s *ShieldingData) templatesChanged() bool {
	return !slices.EqualFunc(s.Templates, s.Edited.Data.Volumes, func(t Trusted, q pdk.Qualifier) bool {
		a := t.qualifier()
		return a.Name == q.Name && a.Version == q.Version && a.Rule == q.Rule &&
			bytes.Equal(a.Digest, q.Digest) && a.Signer.Equal(q.Signer)
	})
}

// sameKey says whether two certificates are for one key: they may have been
// renewed.
func sameKey(a, b *x509.Certificate) bool {
	key, ok := a.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b.PublicKey)
}

// Begun says whether anything would be lost by starting over.
func (s *ShieldingData) Begun() bool {
	if s.Edited != nil {
		return s.Changed()
	}
	return s.Path != "" || s.Owner != nil || len(s.Templates) > 0 || s.AnswerFile != nil || len(s.Files) > 0
}
