package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/vhdx"
)

func vhdxCommand() *cobra.Command {
	return cli.Group("vhdx", "Inspect, check, create, convert, compact and decrypt VHDX files",
		vhdxInfoCommand(),
		vhdxCheckCommand(),
		vhdxCreateCommand(),
		vhdxConvertCommand(),
		vhdxCompactCommand(),
		vhdxBitLockerCommand(),
	)
}

func vhdxInfoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "info DISK.vhdx",
		Short:   "Show what a VHDX file says of its disk",
		Example: "  scutum vhdx info disk.vhdx\n  scutum vhdx info disk.vhdx --json",
		Args:    cli.ExactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := vhdx.Open(args[0])
			if err != nil {
				return err
			}
			defer d.Close()
			return showInfo(cmd, args[0], d)
		},
	}
	cli.JSONFlag(cmd)
	return cmd
}

// showInfo reports on a disk; every command that makes one ends with it.
func showInfo(cmd *cobra.Command, path string, d *vhdx.Disk) error {
	facts := struct {
		File string `json:"file"`
		vhdx.Info
		Items []vhdx.Item `json:"items"`
	}{path, d.Info(), cli.OrEmpty(d.Items())}
	return cli.Report(cmd, facts, func(s *cli.Sheet) {
		unwritten := ""
		if facts.LogReplayed {
			unwritten = `holds changes that are not in their place yet; "scutum vhdx check --repair" brings them there`
		}
		differ := ""
		if facts.RegionTablesDiffer {
			differ = `differ; "scutum vhdx check --repair" makes them the same`
		}
		s.Facts(
			"file", facts.File,
			"type", facts.Type.String(),
			"size", formatBytes(facts.Size),
			"file size", formatBytes(facts.FileSize),
			"block size", formatSize(int64(facts.BlockSize)),
			"sector size", fmt.Sprintf("%d logical, %d physical", facts.LogicalSectorSize, facts.PhysicalSectorSize),
			"disk id", facts.VirtualDiskID.String(),
			"data write GUID", facts.DataWriteGUID.String(),
			"file write GUID", facts.FileWriteGUID.String(),
			"creator", facts.Creator,
			"parent", facts.Parent,
			"log", unwritten,
			"region tables", differ,
		)
		for _, item := range facts.Items {
			s.Line("metadata item " + item.ID.String() + ", " + strconv.Itoa(item.Length) + " bytes")
		}
	})
}
