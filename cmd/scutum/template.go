package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
)

func templateCommand() *cobra.Command {
	return cli.Group("template", "Inspect, sign and verify template disks",
		templateInspectCommand(),
		templateSignCommand(),
		templateVerifyCommand(),
		templateExtractCommand(),
	)
}

type inspectFacts struct {
	Disk string `json:"disk"`
	*volume.Layout
	Fit          bool           `json:"fit"`
	Unfit        []volume.Unfit `json:"unfit"`
	Catalog      *catalogFacts  `json:"catalog"`
	CatalogError string         `json:"catalogError,omitempty"`
}

func templateInspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect DISK.vhdx",
		Short: "Show what is on a disk, and whether it is fit to be a template",
		Long: `Show the partitions of a disk, whether it is fit to be a template, and the
catalog that it carries. A disk that is not fit is refused with every reason and
its remedy, and the exit status is 1.`,
		Example: "  scutum template inspect template.vhdx\n  scutum template inspect template.vhdx --json",
		Args:    cli.ExactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := inspect(args[0])
			if err != nil {
				return err
			}
			if err := cli.Report(cmd, facts, facts.text); err != nil {
				return err
			}
			if !facts.Fit {
				return cli.ErrNo
			}
			return nil
		},
	}
	cli.JSONFlag(cmd)
	return cmd
}

func inspect(path string) (*inspectFacts, error) {
	d, err := vhdx.OpenAlone(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	layout, err := named(volume.Read(d))(path)
	if err != nil {
		return nil, err
	}
	layout.Partitions = cli.OrEmpty(layout.Partitions)
	f := &inspectFacts{Disk: path, Layout: layout, Unfit: cli.OrEmpty(layout.Unfit())}
	f.Fit = len(f.Unfit) == 0
	switch signed, err := signing.Embedded(d); {
	case err == nil:
		catalog := factsOfCatalog(signed)
		f.Catalog = &catalog
	case !errors.Is(err, signing.ErrNotSigned):
		f.CatalogError = err.Error()
	}
	return f, nil
}

func (f *inspectFacts) text(s *cli.Sheet) {
	s.Facts(
		"disk", f.Disk,
		"size", formatBytes(f.Size)+", sectors of "+strconv.Itoa(f.SectorSize)+" bytes",
		"partition table", f.Table,
		"disk GUID", f.GUID,
		"system", f.OS,
	)
	if len(f.Partitions) > 0 {
		rows := [][]string{{"PARTITION", "ROLE", "FILE SYSTEM", "NAME", "OFFSET", "SIZE"}}
		for _, p := range f.Partitions {
			rows = append(rows, []string{
				strconv.Itoa(p.Index), string(p.Role), string(p.FileSystem), p.Name,
				strconv.FormatInt(p.Offset(), 10), formatSize(p.Length()),
			})
		}
		s.Line("")
		s.Table(rows...)
	}
	s.Line("")
	switch {
	case f.Catalog != nil:
		s.Facts(f.Catalog.unjudged()...)
	case f.CatalogError != "":
		s.Line("The disk carries a catalog that cannot be used: " + f.CatalogError)
	default:
		s.Line("The disk is not signed.")
	}
	s.Line("")
	if f.Fit {
		s.Line("The disk is fit to be a template.")
		return
	}
	s.Line("The disk is not fit to be a template:")
	for _, u := range f.Unfit {
		s.Line(fmt.Sprintf("- %s: %s", u.Reason, u.Remedy))
	}
}
