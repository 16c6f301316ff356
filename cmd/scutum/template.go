package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/volume"
)

func templateCommand() *cobra.Command {
	return group("template", "Inspect, sign and verify template disks",
		templateInspectCommand(),
		templateSignCommand(),
		templateVerifyCommand(),
		templateExtractCommand(),
	)
}

// partitionFacts is a partition of a disk. Offset and length are bytes of it.
type partitionFacts struct {
	Index      int    `json:"index"`
	Role       string `json:"role"`
	FileSystem string `json:"fileSystem"`
	Name       string `json:"name"`
	GUID       string `json:"guid"`
	Type       string `json:"type"`
	Attributes uint64 `json:"attributes"`
	Offset     int64  `json:"offset"`
	Length     int64  `json:"length"`
}

type unfitFacts struct {
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
}

type inspectFacts struct {
	Disk         string           `json:"disk"`
	Size         int64            `json:"size"`
	SectorSize   int              `json:"sectorSize"`
	Table        string           `json:"table"`
	GUID         string           `json:"guid"`
	OS           string           `json:"os"`
	Partitions   []partitionFacts `json:"partitions"`
	Fit          bool             `json:"fit"`
	Unfit        []unfitFacts     `json:"unfit"`
	Catalog      *catalogFacts    `json:"catalog"`
	CatalogError string           `json:"catalogError,omitempty"`
}

func templateInspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect DISK.vhdx",
		Short: "Show what is on a disk, and whether it is fit to be a template",
		Long: `Show the partitions of a disk, whether it is fit to be a template, and the
catalog that it carries. A disk that is not fit is refused with every reason and
its remedy, and the exit status is 1.`,
		Example: "  scutum template inspect template.vhdx\n  scutum template inspect template.vhdx --json",
		Args:    exactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := inspect(args[0])
			if err != nil {
				return err
			}
			if err := report(cmd, facts, facts.text); err != nil {
				return err
			}
			if !facts.Fit {
				return errNo
			}
			return nil
		},
	}
	jsonFlag(cmd)
	return cmd
}

func inspect(path string) (*inspectFacts, error) {
	d, err := vhdx.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	layout, err := named(volume.Read(d))(path)
	if err != nil {
		return nil, err
	}
	f := &inspectFacts{
		Disk: path, Size: layout.Size, SectorSize: layout.SectorSize, Table: layout.Table, GUID: layout.GUID, OS: layout.OS,
		Partitions: []partitionFacts{}, Unfit: []unfitFacts{},
	}
	for _, p := range layout.Partitions {
		f.Partitions = append(f.Partitions, partitionFacts{
			Index: p.Index, Role: string(p.Role), FileSystem: string(p.FileSystem), Name: p.Name, GUID: p.GUID, Type: p.Type,
			Attributes: p.Attributes, Offset: p.Offset(), Length: p.Length(),
		})
	}
	for _, u := range layout.Unfit() {
		f.Unfit = append(f.Unfit, unfitFacts{u.Reason, u.Remedy})
	}
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

func (f *inspectFacts) text(s *sheet) {
	s.facts(
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
				strconv.Itoa(p.Index), p.Role, p.FileSystem, p.Name, strconv.FormatInt(p.Offset, 10), formatSize(p.Length),
			})
		}
		s.line("")
		s.table(rows...)
	}
	s.line("")
	switch {
	case f.Catalog != nil:
		s.facts(f.Catalog.pairs()...)
	case f.CatalogError != "":
		s.line("The disk carries a catalog that cannot be used: " + f.CatalogError)
	default:
		s.line("The disk is not signed.")
	}
	s.line("")
	if f.Fit {
		s.line("The disk is fit to be a template.")
		return
	}
	s.line("The disk is not fit to be a template:")
	for _, u := range f.Unfit {
		s.line(fmt.Sprintf("- %s: %s", u.Reason, u.Remedy))
	}
}
