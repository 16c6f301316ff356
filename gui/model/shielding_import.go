package model

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// An Arrival is a guardian that was read and is not trusted yet.
type Arrival struct {
	Guardian  *guardian.Guardian
	Metadata  []byte
	Untrusted bool // no root that the system trusts vouches for it
	source    string
}

// CheckSource says what is wrong with the file or address of metadata.
func CheckSource(source string) error {
	if source == "" || isAddress(source) {
		return nil
	}
	return CheckOpen(source)
}

func isAddress(source string) bool {
	lower := strings.ToLower(source)
	return strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://")
}

// ReadArrival reads metadata from a file or address, and refuses a guardian that
// nobody can be advised to trust.
func ReadArrival(ctx context.Context, source string) (*Arrival, error) {
	data, err := guardian.Load(ctx, source)
	if err != nil {
		return nil, err
	}
	g, err := guardian.ParseMetadata(data)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if err := CheckAccess(g, now); err != nil {
		return nil, err
	}
	unknown := g.Check(now, guardian.CheckOptions{})
	return &Arrival{Guardian: g, Metadata: data, Untrusted: errors.Is(unknown, guardian.ErrUntrustedRoot), source: source}, nil
}

// Proposal is a name to begin with.
func (a *Arrival) Proposal() string {
	if !isAddress(a.source) {
		return strings.TrimSuffix(filepath.Base(a.source), filepath.Ext(a.source))
	}
	return a.Guardian.Signing.Subject.CommonName
}

// Grant gives access to a guardian that just came into the store.
func (s *ShieldingData) Grant(g *guardian.Guardian) {
	for i, a := range s.Access {
		if sameKey(a.Encryption, g.Encryption) {
			s.Access[i].Granted = true
			return
		}
	}
	s.Access = append(s.Access, Access{Name: g.Name, Signing: g.Signing, Encryption: g.Encryption, Guardian: g, Granted: true})
}
