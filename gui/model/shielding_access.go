package model

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// An Access is somebody who can be given access to shielding data, or has it.
type Access struct {
	Name                string
	Signing, Encryption *x509.Certificate
	Guardian            *guardian.Guardian // of the store; nil: only the file knows it
	Wrapping            *keyprotector.WrappingInfo
	Granted             bool  // it shall have access
	Unfit               error // why it cannot be given access
}

// Expires is when the first of its two certificates does.
func (a Access) Expires() time.Time {
	return (&guardian.Guardian{Signing: a.Signing, Encryption: a.Encryption}).Expires()
}

// added says whether it had no access before.
func (a Access) added() bool { return a.Granted && a.Wrapping == nil }

// is says whether two stand for the same keys.
func (a Access) is(b Access) bool { return sameKey(a.Encryption, b.Encryption) }

// Candidates is what the store holds, for whom to choose from.
type Candidates struct {
	Owners []string // names of those whose keys are there
	Access []Access // all, but for the owner of a file that is changed
}

// ReadCandidates reads the store. Those with access to the file that is changed
// come first, whether they are in the store or not.
func ReadCandidates(store *guardian.Store, e *Edited) (Candidates, error) {
	var g Candidates
	entries, err := store.List()
	if err != nil {
		return g, err
	}
	var rest []Access
	for _, entry := range entries {
		if entry.Err != nil {
			continue
		}
		if entry.Owner {
			g.Owners = append(g.Owners, entry.Name)
		}
		a := Access{Name: entry.Name, Signing: entry.Guardian.Signing, Encryption: entry.Guardian.Encryption, Guardian: entry.Guardian}
		a.Unfit = CheckAccess(entry.Guardian, time.Now())
		rest = append(rest, a)
	}
	if e == nil {
		g.Access = rest
		return g, nil
	}
	for _, w := range e.Data.KeyProtector.Wrappings() {
		a := Access{Name: w.Signing.Subject.CommonName, Signing: w.Signing, Encryption: w.Encryption, Wrapping: &w, Granted: true}
		var names []string
		rest = slices.DeleteFunc(rest, func(known Access) bool {
			if !a.is(known) {
				return false
			}
			names = append(names, known.Name)
			a.Guardian, a.Unfit = known.Guardian, known.Unfit
			return true
		})
		if len(names) > 0 {
			a.Name = strings.Join(names, ", ")
		}
		if w.ID != 0 {
			g.Access = append(g.Access, a)
		}
	}
	g.Access = append(g.Access, rest...)
	return g, nil
}

// Offer takes what the store holds now, and keeps what was chosen. The owner is
// not among them: it has access anyway.
func (s *ShieldingData) Offer(g Candidates) {
	offered := slices.Clone(g.Access)
	if s.Owner != nil {
		offered = slices.DeleteFunc(offered, func(a Access) bool { return sameKey(a.Encryption, s.Owner.Encryption) })
	}
	for i := range offered {
		a := &offered[i]
		at := slices.IndexFunc(s.Access, func(old Access) bool { return old.is(*a) })
		if at >= 0 {
			a.Granted = s.Access[at].Granted
		}
		if a.Wrapping == nil && a.Unfit != nil {
			a.Granted = false
		}
	}
	s.Access = offered
}

// CheckAccess says why a guardian cannot be given access. Whether to trust it was
// asked when it came into the store.
func CheckAccess(g *guardian.Guardian, at time.Time) error {
	err := g.Check(at, guardian.CheckOptions{AllowUntrustedRoot: true})
	if errors.Is(err, guardian.ErrExpired) {
		return problem("Its certificates have expired. Have the fabric send metadata with new ones, and import that on the Guardians page.")
	}
	return err
}

// OpenOwner reads the owner of that name with its private keys. To make
// something new, its certificates must be good; to change what it made, they may
// have expired.
func OpenOwner(store *guardian.Store, name, passphrase string, change bool) (*guardian.Owner, error) {
	o, err := store.Owner(name, passphrase)
	switch {
	case errors.Is(err, signing.ErrPassword) && passphrase == "":
		return nil, errors.Join(problem("The keys are protected. Enter the passphrase of this owner."), signing.ErrPassword)
	case errors.Is(err, signing.ErrPassword):
		return nil, errors.Join(problem("The passphrase is wrong. Try it again."), signing.ErrPassword)
	case err != nil:
		return nil, err
	}
	err = o.Check(time.Now(), guardian.CheckOptions{AllowUntrustedRoot: true, AllowExpired: change})
	if errors.Is(err, guardian.ErrExpired) {
		return nil, problem("The certificates of this owner have expired. Take another owner, make a new one, or import renewed certificates on the Guardians page.")
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// Revoked are those whose access ends: those who were taken off the list, and
// whom they alone vouch for.
func (s *ShieldingData) Revoked() []Access {
	gone := map[uint32]bool{}
	for more := true; more; {
		more = false
		for _, a := range s.Access {
			if w := a.Wrapping; w != nil && !gone[w.ID] && (!a.Granted || gone[w.Parent]) {
				gone[w.ID], more = true, true
			}
		}
	}
	var all []Access
	for _, a := range s.Access {
		if a.Wrapping != nil && gone[a.Wrapping.ID] {
			all = append(all, a)
		}
	}
	return all
}

// Remaining are those who will have access beside the owner.
func (s *ShieldingData) Remaining() []Access {
	revoked := s.Revoked()
	var all []Access
	for _, a := range s.Access {
		if a.Granted && !slices.ContainsFunc(revoked, a.is) {
			all = append(all, a)
		}
	}
	return all
}

// WhoOpens are the names of those with access to a file, its owner first.
func WhoOpens(d *pdk.ShieldingData, known []Access, owner string) []string {
	names := []string{owner}
	for _, w := range d.KeyProtector.Wrappings() {
		if w.ID == 0 {
			continue
		}
		name := w.Signing.Subject.CommonName
		if at := slices.IndexFunc(known, func(a Access) bool { return sameKey(a.Encryption, w.Encryption) }); at >= 0 {
			name = known[at].Name
		}
		names = append(names, name)
	}
	return names
}

// WrongPassphrase says whether another passphrase may open the owner's keys.
func WrongPassphrase(err error) bool { return errors.Is(err, signing.ErrPassword) }

// MakeOwner makes an owner with new keys, and puts it into the store.
func MakeOwner(store *guardian.Store, name, passphrase string) (*guardian.Owner, error) {
	_, err := store.Get(name)
	if err == nil {
		return nil, problem("A guardian of the name {{.Name}} is in the store already. Choose another name.", "Name", name)
	}
	if !errors.Is(err, guardian.ErrNotFound) {
		return nil, err
	}
	o, err := guardian.NewOwner(name, 2048, 3650*24*time.Hour)
	if err != nil {
		return nil, err
	}
	return o, store.AddOwner(o, passphrase, false)
}
