package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// pdkCheckFacts says whether a template may be used with shielding data.
type pdkCheckFacts struct {
	File       string         `json:"file"`
	Template   string         `json:"template"` // the file with the catalog
	Catalog    catalogFacts   `json:"catalog"`
	Accepted   bool           `json:"accepted"`
	Qualifiers []verdictFacts `json:"qualifiers"`
	Reason     string         `json:"reason,omitempty"` // why no template is accepted at all
}

// verdictFacts is what one qualifier says.
type verdictFacts struct {
	Number   int    `json:"number"` // from 1
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason,omitempty"` // why not
}

func pdkCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check FILE.pdk FILE.vsc|DISK.vhdx",
		Short: "Check whether a template may be used with a shielding data file",
		Long: `Check whether a shielding data file accepts the template of a catalog, which is a
.vsc file or carried by a disk. The command shows which qualifier does; or why
each does not, and then the exit status is 1.

Whether a disk is what its catalog says is for "scutum template verify".`,
		Example: "  scutum pdk check vm.pdk server.vsc\n  scutum pdk check vm.pdk server.vhdx --json",
		Args:    cli.ExactArgs("FILE.pdk", "FILE.vsc or DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := readShieldingData(args[0])
			if err != nil {
				return err
			}
			signed, err := readCatalog(args[1])
			if err != nil {
				return err
			}
			facts := checkShieldingData(args[0], args[1], d, signed)
			if err := cli.Report(cmd, facts, facts.text); err != nil {
				return err
			}
			if !facts.Accepted {
				return cli.ErrNo
			}
			return nil
		},
	}
	cli.JSONFlag(cmd)
	return cmd
}

func checkShieldingData(path, template string, d *pdk.ShieldingData, signed *signing.Signed) *pdkCheckFacts {
	f := &pdkCheckFacts{File: path, Template: template, Catalog: factsOfCatalog(signed), Qualifiers: []verdictFacts{}}
	reasons := d.Check(signed)
	if d.Kind == pdk.ExistingVM {
		f.Reason = reasons[0].Error()
		return f
	}
	for i, reason := range reasons {
		v := verdictFacts{Number: i + 1, Accepted: reason == nil}
		if reason != nil {
			v.Reason = reason.Error()
		}
		f.Accepted = f.Accepted || v.Accepted
		f.Qualifiers = append(f.Qualifiers, v)
	}
	return f
}

func (f *pdkCheckFacts) text(s *cli.Sheet) {
	s.Facts(append([]string{"shielding data", f.File, "catalog of", f.Template}, f.Catalog.pairs()...)...)
	for _, v := range f.Qualifiers {
		if v.Accepted {
			s.Line(fmt.Sprintf("Qualifier %d accepts the template.", v.Number))
		} else {
			s.Line(fmt.Sprintf("Qualifier %d does not: %s.", v.Number, v.Reason))
		}
	}
	switch {
	case f.Reason != "":
		s.Line("The template may not be used: " + f.Reason + ".")
	case f.Accepted:
		s.Line("The template may be used.")
	default:
		s.Line("The template may not be used.")
	}
}

func pdkKPCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "kp FILE.pdk OUT",
		Short: "Take the key protector out of a shielding data file",
		Long: `Write the key protector of a shielding data file to a file of its own, byte for
byte: what a virtual machine keeps of the shielding data.`,
		Example: "  scutum pdk kp vm.pdk vm.kp",
		Args:    cli.ExactArgs("FILE.pdk", "OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := claim(force, []file{{"OUT", args[1]}}, file{"FILE.pdk", args[0]}); err != nil {
				return err
			}
			d, err := readShieldingData(args[0])
			if err != nil {
				return err
			}
			facts := factsOfProtector(args[1], d.KeyProtector, namesIfKnown(cmd))
			if err := atomicfile.WriteFile(args[1], d.KeyProtector.Bytes(), 0o666, force); err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
	}
	forceFlag(cmd, &force)
	cli.JSONFlag(cmd)
	return cmd
}
