package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/signing/cms"
	"github.com/scutum-project/scutum/vhdx"
)

type templateVerify struct {
	vsc   string
	trust []string
}

func templateVerifyCommand() *cobra.Command {
	var o templateVerify
	cmd := &cobra.Command{
		Use:   "verify DISK.vhdx",
		Short: "Prove that a disk is what was signed, and by somebody you trust",
		Long: `Check the signature of the catalog, whether the signer is one that you trust,
and every segment of every partition. What was altered is listed with its
partition, its bytes, and the files of an NTFS volume that they belong to, also
of a volume that is prepared for BitLocker. The exit status is 1 when anything is
not as it was signed, or the signer is not trusted.

Without --trust the signer's certificate must lead to a root certificate of this
system. With --trust it must be one of those in the files, or have a certificate
for code signing, or for any use, that was issued under one.`,
		Example: `  scutum template verify template.vhdx --trust signer.pem
  scutum template verify template.vhdx --vsc template.vsc --trust signer.pem
  scutum template verify template.vhdx --trust signer.pem --json`,
		Args: cli.ExactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			update, finish := progress(cmd, "hashing")
			facts, err := o.run(cmd.Context(), args[0], update)
			finish()
			if err != nil {
				return err
			}
			if err := cli.Report(cmd, facts, facts.text); err != nil {
				return err
			}
			if !facts.OK {
				return cli.ErrNo
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.vsc, "vsc", "", "verify against the catalog in `FILE`, not against the disk's own")
	cmd.Flags().StringArrayVar(&o.trust, "trust", nil, "trust the certificates in `CERT.pem`; may be given more than once")
	cli.JSONFlag(cmd)
	return cmd
}

type verifyFacts struct {
	Disk           string               `json:"disk"`
	OK             bool                 `json:"ok"`
	Signature      string               `json:"signature"`                // good, bad or missing
	SignatureError string               `json:"signatureError,omitempty"` // why it is not good
	Trusted        bool                 `json:"trusted"`
	TrustError     string               `json:"trustError,omitempty"`
	Catalog        *catalogFacts        `json:"catalog"`
	Intact         bool                 `json:"intact"`
	Differences    []signing.Difference `json:"differences"`
	Altered        []alteredFacts       `json:"altered"`

	catalog *signing.Catalog
	report  *signing.Report
}

// alteredFacts is a range that was altered, and the files in it.
type alteredFacts struct {
	signing.Alteration
	Files     []string `json:"files"`
	MoreFiles bool     `json:"moreFiles"` // than are listed
}

func (o *templateVerify) run(ctx context.Context, path string, update signing.Progress) (*verifyFacts, error) {
	var trust signing.TrustOptions
	for _, file := range o.trust {
		certificates, err := readCertificates(file)
		if err != nil {
			return nil, err
		}
		trust.Certificates = append(trust.Certificates, certificates...)
	}
	d, err := vhdx.OpenAlone(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()

	f := &verifyFacts{Disk: path, Differences: []signing.Difference{}, Altered: []alteredFacts{}}
	signed, err := o.catalog(d, path)
	switch {
	case errors.Is(err, signing.ErrNotSigned):
		f.Signature, f.SignatureError = "missing", err.Error()
		return f, nil
	case errors.Is(err, cms.ErrSignature):
		f.Signature, f.SignatureError = "bad", err.Error()
		return f, nil
	case err != nil:
		return nil, err
	}
	catalog := factsOfCatalog(signed)
	f.Signature, f.Catalog, f.catalog = "good", &catalog, signed.Catalog
	if err := signing.Trust(signed, trust); err != nil {
		f.TrustError = err.Error()
	} else {
		f.Trusted = true
	}
	if f.report, err = signing.Verify(ctx, d, signed, signing.VerifyOptions{Progress: update}); err != nil {
		return nil, fmt.Errorf("verify %s: %w", path, err)
	}
	f.Differences = cli.OrEmpty(f.report.Differences)
	ranges := f.report.Ranges()
	touched, err := signing.Files(ctx, d, f.catalog, ranges)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", path, err)
	}
	for i, a := range ranges {
		f.Altered = append(f.Altered, alteredFacts{a, cli.OrEmpty(touched[i].Files), touched[i].More})
	}
	f.Intact = f.report.Intact()
	f.OK = f.Trusted && f.Intact
	return f, nil
}

// maxShownFiles is how many files of an altered range are shown; JSON has more.
const maxShownFiles = 20

func (o *templateVerify) catalog(d *vhdx.Disk, path string) (*signing.Signed, error) {
	if o.vsc != "" {
		return readCatalog(o.vsc)
	}
	return named(signing.Embedded(d))(path)
}

func (f *verifyFacts) text(s *cli.Sheet) {
	if f.Catalog == nil {
		s.Facts("disk", f.Disk, "signature", f.Signature)
		s.Line("The disk is not proven: " + f.SignatureError)
		return
	}
	pairs := append([]string{"disk", f.Disk}, f.Catalog.pairs()...)
	s.Facts(append(pairs, "signature", f.Signature, "signer trusted", cli.YesNo(f.Trusted))...)

	rows := [][]string{{"PARTITION", "NAME", "SIZE", "SEGMENTS", "ALTERED"}}
	for i, states := range f.report.States {
		v, altered := &f.catalog.Volumes[i], 0
		for _, state := range states {
			if state == signing.Altered {
				altered++
			}
		}
		rows = append(rows, []string{
			string(v.Role), v.Name, formatSize(v.Range(f.catalog.Disk).Length), strconv.Itoa(len(states)), strconv.Itoa(altered),
		})
	}
	s.Line("")
	s.Table(rows...)
	s.Line("")
	for _, d := range f.Differences {
		s.Line("changed: " + d.String())
	}
	for _, a := range f.Altered {
		s.Line(fmt.Sprintf("altered: bytes %d to %d of the %s partition %q, bytes %d to %d of the disk",
			a.InVolume.Offset, a.InVolume.End()-1, a.Role, a.Name, a.OnDisk.Offset, a.OnDisk.End()-1))
		shown := a.Files[:min(len(a.Files), maxShownFiles)]
		for _, name := range shown {
			s.Line("  " + name)
		}
		if more := len(a.Files) - len(shown); a.MoreFiles {
			s.Line(fmt.Sprintf("  and more than %d other files", more))
		} else if more > 0 {
			s.Line(fmt.Sprintf("  and %d other files", more))
		}
	}
	if f.Intact {
		s.Line("Every byte of every partition is what was signed.")
	} else {
		s.Line("The disk is not what was signed.")
	}
	if !f.Trusted {
		s.Line(f.TrustError)
		s.Line("To trust this signer, get its certificate from the owner, compare its SHA-256 thumbprint, and give it with --trust.")
	}
}
