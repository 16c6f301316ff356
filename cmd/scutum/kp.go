package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

func kpCommand() *cobra.Command {
	g := cli.Group("kp", "Make key protectors, show and change who has access",
		kpNewCommand(),
		kpShowCommand(),
		kpGrantCommand(),
		kpRevokeCommand(),
	)
	g.Long = `A key protector holds a transport key, wrapped for its owner and for each of the
guardians that the owner grants access to. Shielding data is encrypted under the
transport key.`
	return g
}

// protectorFacts is a key protector in the output of every command.
type protectorFacts struct {
	File              string           `json:"file"`
	Owner             string           `json:"owner"`   // its name in the store, if it is there
	OwnerID           uint32           `json:"ownerId"` // in access
	Signer            certificateFacts `json:"signer"`
	SignerID          uint32           `json:"signerId"` // in access
	MaxOfflineUnwraps uint32           `json:"maxOfflineUnwraps"`
	Access            []wrappingFacts  `json:"access"`
}

// wrappingFacts is one who has access.
type wrappingFacts struct {
	ID         uint32           `json:"id"`
	Guardian   string           `json:"guardian"` // its name in the store, if it is there
	Parent     uint32           `json:"parent"`   // the wrapping that vouches for it
	Signing    certificateFacts `json:"signing"`
	Encryption certificateFacts `json:"encryption"`
	Expired    bool             `json:"expired"`

	unnamed string // what is said of it in place of a name
}

// who names it, for people.
func (w *wrappingFacts) who() string {
	if w.Guardian == "" {
		return w.unnamed
	}
	return w.Guardian
}

// factsOfProtector is about a key protector that verifies.
func factsOfProtector(path string, p *keyprotector.Protector, known names) *protectorFacts {
	f := &protectorFacts{
		File: path, Owner: nameOfWrapping(known.entries, p.Owner()), OwnerID: p.Owner().ID,
		Signer: factsOfCertificate(p.Signer().Signing), SignerID: p.Signer().ID, MaxOfflineUnwraps: p.MaxOfflineUnwraps(),
	}
	now := time.Now()
	for _, w := range p.Wrappings() {
		f.Access = append(f.Access, wrappingFacts{
			ID: w.ID, Guardian: nameOfWrapping(known.entries, w), Parent: w.Parent,
			Signing: factsOfCertificate(w.Signing), Encryption: factsOfCertificate(w.Encryption),
			Expired: now.After(w.Signing.NotAfter) || now.After(w.Encryption.NotAfter),
			unnamed: known.none,
		})
	}
	return f
}

// nameOfWrapping names a guardian only when both keys are its own: anybody can
// put another's certificate beside one of his.
func nameOfWrapping(entries []guardian.Entry, w keyprotector.WrappingInfo) string {
	signing, encryption := nameOf(entries, w.Signing), nameOf(entries, w.Encryption)
	switch {
	case signing == encryption:
		return signing
	case signing == "":
		return encryption + " (encryption key only)"
	case encryption == "":
		return signing + " (signing key only)"
	}
	return signing + " (signing key) and " + encryption + " (encryption key)"
}

func (f *protectorFacts) who(id uint32) string {
	who := strconv.FormatUint(uint64(id), 10)
	for _, w := range f.Access {
		if w.ID == id {
			who += ", " + w.who()
		}
	}
	return who
}

func (f *protectorFacts) text(s *cli.Sheet) {
	s.Facts("key protector", f.File, "owner", f.who(f.OwnerID), "signed by", f.who(f.SignerID))
	rows := [][]string{{"ID", "WHO", "VOUCHED FOR BY", "KEY", "SUBJECT", "SHA-256 THUMBPRINT"}}
	for _, w := range f.Access {
		who, parent := w.who(), strconv.FormatUint(uint64(w.Parent), 10)
		if w.ID == f.OwnerID {
			who, parent = who+", owner", "itself"
		}
		rows = append(rows,
			[]string{strconv.FormatUint(uint64(w.ID), 10), who, parent, "signing", w.Signing.Subject, w.Signing.SHA256},
			[]string{"", "", "", "encryption", w.Encryption.Subject, w.Encryption.SHA256})
	}
	s.Line("")
	s.Table(rows...)
	s.Line("")
	for _, w := range f.Access {
		if w.Expired {
			s.Line("Attention: certificates of " + f.who(w.ID) + " have expired.")
		}
	}
	if f.MaxOfflineUnwraps > 0 {
		s.Line(fmt.Sprintf("Attention: MaxOfflineUnwraps is %d. No signature covers it: anybody may have set it, and Scutum grants nothing for it.",
			f.MaxOfflineUnwraps))
	}
	s.Line(fmt.Sprintf("With access, beside the owner: %d.", len(f.Access)-1))
}

// proof is what the signatures of a key protector prove.
const proof = `The signatures hold. They prove that the owner's key, or a key that it vouches
for, made this key protector with these wrappings. They do not prove that this
is the owner you expect, or when it was made: compare the owner's thumbprint, and
know where the file comes from. Who was revoked can still make one like it, with
another transport key.`

func showProof(s *cli.Sheet) {
	for line := range strings.Lines(proof) {
		s.Line(strings.TrimSuffix(line, "\n"))
	}
}

func kpShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show whom a key protector, or a shielding data file, grants access to",
		Long: `Show the owner of a key protector, who signed it, and everybody with access, by
the names in the guardian store where they are known. All signatures that need no
key are checked. FILE is a key protector or a shielding data file.`,
		Example: "  scutum kp show vm.kp\n  scutum kp show vm.pdk --json",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readAnyProtector(args[0])
			if err != nil {
				return err
			}
			facts := factsOfProtector(args[0], p, namesIfKnown(cmd))
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				facts.text(s)
				showProof(s)
			})
		},
	}
	cli.JSONFlag(cmd)
	return cmd
}
