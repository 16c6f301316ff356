package model

import (
	"context"
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// Standing is how things stand with a guardian.
type Standing int

// The standings, from good to bad.
const (
	Valid Standing = iota
	ExpiresSoon
	Expired
	Damaged // it cannot be read
)

// soon is how long before its end a certificate is said to expire soon.
const soon = 30 * 24 * time.Hour

// StandingOf says how things stand with a guardian of the store at that time.
func StandingOf(e guardian.Entry, at time.Time) Standing {
	switch {
	case e.Err != nil:
		return Damaged
	case at.After(e.Guardian.Expires()):
		return Expired
	case at.Add(soon).After(e.Guardian.Expires()):
		return ExpiresSoon
	}
	return Valid
}

// Against gives what speaks against using a guardian at that time, trust apart.
func Against(g *guardian.Guardian, at time.Time) []string {
	return reasons(g.Check(at, guardian.CheckOptions{AllowUntrustedRoot: true}))
}

// reasons gives what an error joins, one by one.
func reasons(err error) []string {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return []string{err.Error()}
	}
	var all []string
	for _, e := range joined.Unwrap() {
		all = append(all, reasons(e)...)
	}
	return all
}

// CheckGuardianName says what is wrong with the name of a guardian.
func CheckGuardianName(name string) error {
	switch {
	case name == "":
		return problem("Enter a name, such as Contoso.")
	case guardian.CheckName(name) != nil:
		return problem("Use at most 64 characters, none of < > : \" / \\ | ? * among them, no dot, dash or space at the beginning, and no name of a device.")
	}
	return nil
}

// A Taken name is that of a guardian in the store already. Replace says whether
// another one may take its place.
type Taken struct {
	Name    string
	Replace bool
}

// FindTaken says whether a name is taken; nil: it is free.
func FindTaken(list []guardian.Entry, name string) *Taken {
	for _, e := range list {
		if strings.EqualFold(e.Name, name) {
			return &Taken{e.Name, e.Err == nil && !e.Owner}
		}
	}
	return nil
}

// CheckNotTaken says whether the name would have to take the place of a guardian
// that must stay.
func CheckNotTaken(list []guardian.Entry, name string) error {
	if t := FindTaken(list, name); t != nil && !t.Replace {
		return problem("{{.Name}} is in the store already, with its private keys or damaged. Use another name, or remove that one first.", "Name", t.Name)
	}
	return nil
}

// OwnerBits are the sizes of keys that an owner can have.
var OwnerBits = []int{2048, 3072, 4096}

// An Owner says what owner guardian to make.
type Owner struct {
	Name string
	Bits int
	Days int
}

// Make makes the owner and puts it into the store, under the passphrase.
func (o Owner) Make(store *guardian.Store, passphrase string, replace bool) (*guardian.Guardian, error) {
	owner, err := guardian.NewOwner(o.Name, o.Bits, time.Duration(o.Days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	return &owner.Guardian, store.AddOwner(owner, passphrase, replace)
}

// Days reads a number of days that CheckDays found right.
func Days(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}

// OwnerFiles are the files of an owner that exists elsewhere.
type OwnerFiles struct {
	Name                string
	Signing, Encryption string // paths of PFX files
}

// A KeyFileError says which of the files cannot be used.
type KeyFileError struct {
	Encryption bool
	Err        error
}

// Error says why.
func (e *KeyFileError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *KeyFileError) Unwrap() error { return e.Err }

// Load reads an owner from its files. What speaks against the certificates is an
// error; that no trusted root vouches for them is none, since they are the
// user's own.
func (f OwnerFiles) Load(password string) (*guardian.Owner, error) {
	signer, err := openKeys(f.Signing, password)
	if err != nil {
		return nil, &KeyFileError{false, err}
	}
	encryption, err := openKeys(f.Encryption, password)
	if err != nil {
		return nil, &KeyFileError{true, err}
	}
	owner, err := guardian.ImportOwner(f.Name, signer, encryption)
	if err != nil {
		return nil, err
	}
	return owner, owner.Check(time.Now(), guardian.CheckOptions{AllowUntrustedRoot: true})
}

// openKeys reads a PFX file, whatever its certificate is for.
func openKeys(path, password string) (*signing.Identity, error) {
	id, err := OpenSigner(path, "", password)
	var unfit *signing.UnfitSigner
	if errors.As(err, &unfit) {
		return id, nil
	}
	return id, err
}

// A Fabric is the metadata of a fabric that was read and not yet trusted.
type Fabric struct {
	Guardian *guardian.Guardian
	Metadata []byte

	Broken    []string // why it cannot be imported at all
	Expired   bool     // a certificate has expired
	Untrusted bool     // no trusted root vouches for its certificates
}

// IsAddress says whether a source is an address rather than a path.
func IsAddress(source string) bool { return strings.Contains(source, "://") }

// CheckFabricSource says what is wrong with the source of metadata: the path of a file,
// or the address of a service.
func CheckFabricSource(source string) error {
	if !IsAddress(source) {
		return CheckOpen(source)
	}
	if u, err := url.Parse(source); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return problem("Enter the address as in http://hgs.example.com.")
	}
	return nil
}

// LoadFabric reads the metadata of a fabric from a file or an address, and says
// what speaks against trusting it.
func LoadFabric(ctx context.Context, source string) (*Fabric, error) {
	metadata, err := guardian.Load(ctx, source)
	if err != nil {
		return nil, err
	}
	g, err := guardian.ParseMetadata(metadata)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	f := &Fabric{Guardian: g, Metadata: metadata}
	f.Broken = reasons(g.Check(now, guardian.CheckOptions{AllowUntrustedRoot: true, AllowExpired: true}))
	f.Untrusted = errors.Is(g.Check(now, guardian.CheckOptions{AllowExpired: true}), guardian.ErrUntrustedRoot)
	f.Expired = errors.Is(g.Check(now, guardian.CheckOptions{AllowUntrustedRoot: true}), guardian.ErrExpired)
	return f, nil
}

// CheckThumbprint says whether text is the thumbprint of the signing
// certificate, however it is written. Without a text there is nothing wrong.
func (f *Fabric) CheckThumbprint(text string) error {
	plain := strings.ToLower(strings.NewReplacer(":", "", "-", "", " ", "").Replace(text))
	raw, err := hex.DecodeString(plain)
	switch {
	case plain == "":
		return nil
	case err != nil || len(raw) != 32:
		return problem("A SHA-256 thumbprint has 64 digits from 0 to 9 and a to f. Ask the fabric's people for that of the signing certificate.")
	case f != nil && plain != signing.Thumbprint(f.Guardian.Signing):
		return problem("The signing certificate has another thumbprint. This is not the fabric that you expect: do not import it.")
	}
	return nil
}

// ExportGuardian writes the public metadata of a guardian to a file.
func ExportGuardian(store *guardian.Store, name, path string, overwrite bool) error {
	metadata, err := store.Metadata(name)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(path, metadata, 0o666, overwrite)
}
