package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/vhdx"
)

type checkFacts struct {
	File    string `json:"file"`
	Healthy bool   `json:"healthy"`
	*vhdx.Report
	Repaired    []string `json:"repaired,omitempty"`
	RepairError string   `json:"repairError,omitempty"`
}

func vhdxCheckCommand() *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "check DISK.vhdx",
		Short: "Check a VHDX file against the specification",
		Long: `Check a VHDX file and name every violation of MS-VHDX with its offset in the
file and the section that it breaks. The exit status is 1 when there is one, or
when the log holds changes that are not in their place yet.

With --repair the log is replayed into the file, and a damaged header or region
table is restored from its other copy. Everything else is left alone.`,
		Example: "  scutum vhdx check disk.vhdx\n  scutum vhdx check disk.vhdx --repair\n  scutum vhdx check disk.vhdx --json",
		Args:    cli.ExactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := check(args[0], repair)
			if err != nil {
				return err
			}
			if err := cli.Report(cmd, facts, facts.text); err != nil {
				return err
			}
			if !facts.Healthy {
				return cli.ErrNo
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "repair what the file itself holds the means for")
	cli.JSONFlag(cmd)
	return cmd
}

// check looks at the file, after repairing what can be repaired. A repair that
// failed is part of the answer when the check tells why.
func check(path string, repair bool) (*checkFacts, error) {
	f := &checkFacts{File: path}
	var repairErr error
	if repair {
		f.Repaired, repairErr = vhdx.Repair(path)
	}
	report, err := vhdx.Check(path)
	switch {
	case err != nil:
		return nil, err
	case repairErr != nil && report.Healthy():
		return nil, repairErr
	case repairErr != nil:
		f.RepairError = repairErr.Error()
	}
	report.Violations = cli.OrEmpty(report.Violations)
	f.Report, f.Healthy = report, report.Healthy()
	return f, nil
}

func (f *checkFacts) text(s *cli.Sheet) {
	for _, what := range f.Repaired {
		s.Line("repaired: " + what)
	}
	if f.RepairError != "" {
		s.Line("not repaired: " + f.RepairError)
	}
	for _, v := range f.Violations {
		severity := "fault"
		if v.Fatal {
			severity = "fatal"
		}
		s.Line(fmt.Sprintf("%s: at file offset %#x: %s (MS-VHDX %s)", severity, v.Offset, v.Text, v.Section))
	}
	if f.Omitted > 0 {
		s.Line(fmt.Sprintf("and %d more violations", f.Omitted))
	}
	if f.LogHoldsUnwritten {
		s.Line("The log holds changes that are not in their place yet; --repair brings them there.")
	}
	b := f.Blocks
	if b.Total > 0 {
		s.Line(fmt.Sprintf("blocks: %d, of which %d present, %d partly, %d zero, %d unmapped, %d undefined, %d never written",
			b.Total, b.Present, b.Partial, b.Zero, b.Unmapped, b.Undefined, b.NotPresent))
	}
	if f.Healthy {
		s.Line("No violation was found.")
	}
}
