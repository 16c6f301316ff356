package model

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// LoadUsable reads the metadata of a fabric, and refuses one that could not be
// given access.
func LoadUsable(ctx context.Context, source string) (*Fabric, error) {
	f, err := LoadFabric(ctx, source)
	switch {
	case err != nil:
		return nil, err
	case len(f.Broken) > 0:
		return nil, errors.New(strings.Join(f.Broken, "\n"))
	case f.Expired:
		return nil, problem("Its certificates have expired. Have the fabric send metadata with new ones, and import that on the Guardians page.")
	}
	return f, nil
}

// ProposeName gives a name to begin with for a fabric from that source.
func ProposeName(f *Fabric, source string) string {
	if IsAddress(source) {
		return f.Guardian.Signing.Subject.CommonName
	}
	return strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
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
