package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

func kpCommand() *cobra.Command {
	g := group("kp", "Make key protectors, show and change who has access",
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
	File              string          `json:"file"`
	Owner             uint32          `json:"owner"`  // the wrapping that is the owner's
	Signer            uint32          `json:"signer"` // the wrapping whose guardian signed it
	MaxOfflineUnwraps uint32          `json:"maxOfflineUnwraps"`
	Wrappings         []wrappingFacts `json:"wrappings"`
}

// wrappingFacts is one who has access.
type wrappingFacts struct {
	ID         uint32           `json:"id"`
	Guardian   string           `json:"guardian"` // its name in the store, if it is there
	Parent     uint32           `json:"parent"`   // the wrapping that vouches for it
	Signing    certificateFacts `json:"signing"`
	Encryption certificateFacts `json:"encryption"`
	Expired    bool             `json:"expired"`
}

// factsOfProtector is about a key protector that verifies.
func factsOfProtector(path string, p *keyprotector.Protector, store *guardian.Store) (*protectorFacts, error) {
	entries, err := store.List()
	if err != nil {
		return nil, err
	}
	f := &protectorFacts{File: path, Owner: p.Owner().ID, Signer: p.Signer().ID, MaxOfflineUnwraps: p.MaxOfflineUnwraps()}
	now := time.Now()
	for _, w := range p.Wrappings() {
		f.Wrappings = append(f.Wrappings, wrappingFacts{
			ID: w.ID, Guardian: nameOfWrapping(entries, w), Parent: w.Parent,
			Signing: factsOfCertificate(w.Signing), Encryption: factsOfCertificate(w.Encryption),
			Expired: now.After(w.Signing.NotAfter) || now.After(w.Encryption.NotAfter),
		})
	}
	return f, nil
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
	for _, w := range f.Wrappings {
		if w.ID == id && w.Guardian != "" {
			return strconv.FormatUint(uint64(id), 10) + ", " + w.Guardian
		}
	}
	return strconv.FormatUint(uint64(id), 10) + ", not in the store"
}

func (f *protectorFacts) text(s *sheet) {
	s.facts("key protector", f.File, "owner", f.who(f.Owner), "signed by", f.who(f.Signer))
	rows := [][]string{{"ID", "WHO", "VOUCHED FOR BY", "KEY", "SUBJECT", "SHA-256 THUMBPRINT"}}
	for _, w := range f.Wrappings {
		who, parent := w.Guardian, strconv.FormatUint(uint64(w.Parent), 10)
		if who == "" {
			who = "not in the store"
		}
		if w.ID == f.Owner {
			who, parent = who+", owner", "itself"
		}
		rows = append(rows,
			[]string{strconv.FormatUint(uint64(w.ID), 10), who, parent, "signing", w.Signing.Subject, w.Signing.SHA256},
			[]string{"", "", "", "encryption", w.Encryption.Subject, w.Encryption.SHA256})
	}
	s.line("")
	s.table(rows...)
	s.line("")
	for _, w := range f.Wrappings {
		if w.Expired {
			s.line("Attention: certificates of " + f.who(w.ID) + " have expired.")
		}
	}
	if f.MaxOfflineUnwraps > 0 {
		s.line(fmt.Sprintf("Attention: MaxOfflineUnwraps is %d. No signature covers it: anybody may have set it, and Scutum grants nothing for it.",
			f.MaxOfflineUnwraps))
	}
	s.line(fmt.Sprintf("With access, beside the owner: %d.", len(f.Wrappings)-1))
}

// proof is what the signatures of a key protector prove.
const proof = `The signatures hold. They prove that the owner's key, or a key that it vouches
for, made this key protector with these wrappings. They do not prove that this
is the owner you expect, or when it was made: compare the owner's thumbprint, and
know where the file comes from. Who was revoked can still make one like it, with
another transport key.`

func (s *sheet) proof() {
	for line := range strings.Lines(proof) {
		s.line(strings.TrimSuffix(line, "\n"))
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
		Args:    exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := openStore()
			if err != nil {
				return err
			}
			p, err := readAnyProtector(args[0])
			if err != nil {
				return err
			}
			facts, err := factsOfProtector(args[0], p, store)
			if err != nil {
				return err
			}
			return report(cmd, facts, func(s *sheet) {
				facts.text(s)
				s.proof()
			})
		},
	}
	jsonFlag(cmd)
	return cmd
}
