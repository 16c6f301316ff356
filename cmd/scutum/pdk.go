package main

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
)

func pdkCommand() *cobra.Command {
	g := cli.Group("pdk", "Make shielding data files, look into them, change and check them",
		pdkNewCommand(),
		pdkShowCommand(),
		pdkEditCommand(),
		pdkCheckCommand(),
		pdkKPCommand(),
	)
	g.Long = `A shielding data file is what a tenant gives to a fabric: which signed templates
may be used, how closed the virtual machine is to those who run it, and secrets
such as the answer file. Its owner signs it. The secrets open for the owner and
for the guardians that the owner names, and for nobody else.`
	return g
}

// shieldingFacts is a shielding data file in the output of every command.
type shieldingFacts struct {
	File       string           `json:"file"`
	ID         string           `json:"id"`
	Kind       string           `json:"kind"`
	Policy     string           `json:"policy"`
	Created    string           `json:"created"`
	SignedAt   string           `json:"signedAt"`
	Owner      string           `json:"owner"`   // its name in the store, if it is there
	OwnerID    uint32           `json:"ownerId"` // in access
	Signer     certificateFacts `json:"signer"`
	Encrypted  int              `json:"encrypted"` // bytes of the encrypted secrets
	Qualifiers []qualifierFacts `json:"qualifiers"`
	Access     []wrappingFacts  `json:"access"`
	Secrets    *secretFacts     `json:"secrets,omitempty"` // only of a file that was opened
}

// qualifierFacts says which templates may be used.
type qualifierFacts struct {
	Number  int              `json:"number"` // from 1
	Name    string           `json:"name"`
	Version string           `json:"version"`
	Rule    string           `json:"rule"`
	Signer  certificateFacts `json:"signer"`
	Digest  string           `json:"digest,omitempty"` // of the one catalog that is accepted, in hexadecimal

	versions string
}

func factsOfShieldingData(path string, d *pdk.ShieldingData, known names) *shieldingFacts {
	protector := factsOfProtector(path, d.KeyProtector, known)
	f := &shieldingFacts{
		File: path, ID: d.ID.String(), Kind: string(d.Kind), Policy: string(d.Policy), Created: cli.Moment(d.Created), SignedAt: cli.Moment(d.SignedAt),
		Owner: protector.Owner, OwnerID: protector.OwnerID,
		Signer: factsOfCertificate(d.Signer), Encrypted: d.Encrypted(), Qualifiers: []qualifierFacts{}, Access: protector.Access,
	}
	for i, q := range d.Volumes {
		f.Qualifiers = append(f.Qualifiers, qualifierFacts{
			i + 1, q.Name, q.Version.String(), string(q.Rule), factsOfCertificate(q.Signer), hex.EncodeToString(q.Digest), q.Versions(),
		})
	}
	return f
}

func (f *shieldingFacts) text(s *cli.Sheet) {
	purpose := "new virtual machines, made from signed templates"
	if f.Kind == string(pdk.ExistingVM) {
		purpose = "a virtual machine that exists"
	}
	s.Facts(
		"shielding data", f.File,
		"identifier", f.ID,
		"for", purpose,
		"policy", f.Policy,
		"created", f.Created,
		"signed", f.SignedAt,
		"owner", f.Owner,
		"signer", f.Signer.Subject+" ("+f.Signer.Key+")",
		"thumbprint", "SHA-256 "+f.Signer.SHA256,
		"secrets", fmt.Sprintf("encrypted, %d bytes", f.Encrypted),
	)
	if len(f.Qualifiers) > 0 {
		rows := [][]string{{"NUMBER", "TEMPLATE", "VERSION", "SIGNED BY", "SHA-256 THUMBPRINT", "PINNED CATALOG"}}
		for _, q := range f.Qualifiers {
			rows = append(rows, []string{strconv.Itoa(q.Number), q.Name, q.versions, q.Signer.Subject, q.Signer.SHA256, q.Digest})
		}
		s.Line("")
		s.Table(rows...)
	}
	rows := [][]string{{"WITH ACCESS", "SIGNING CERTIFICATE", "SHA-256 THUMBPRINT"}}
	for _, w := range f.Access {
		who := w.who()
		if w.ID == f.OwnerID {
			who += ", owner"
		}
		rows = append(rows, []string{who, w.Signing.Subject, w.Signing.SHA256})
	}
	s.Line("")
	s.Table(rows...)
	for _, w := range f.Access {
		if w.Expired {
			s.Line("Attention: certificates of " + w.Signing.Subject + " have expired.")
		}
	}
	if f.Secrets != nil {
		s.Line("")
		f.Secrets.text(s)
	}
}

// readShieldingData reads a file and checks all that needs no key.
func readShieldingData(path string) (*pdk.ShieldingData, error) {
	data, err := readFile(path, pdk.MaxSize)
	if err != nil {
		return nil, err
	}
	return understood(pdk.Parse(data))(path, data)
}
