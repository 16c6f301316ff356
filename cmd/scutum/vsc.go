package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/signing"
)

func vscCommand() *cobra.Command {
	return group("vsc", "Look at volume signature catalogs", vscShowCommand())
}

// volumeFacts is a volume of a catalog. Offset and length are bytes of the disk.
type volumeFacts struct {
	Role       string `json:"role"`
	FileSystem string `json:"fileSystem"`
	Name       string `json:"name"`
	GUID       string `json:"guid"`
	Type       string `json:"type"`
	Attributes uint64 `json:"attributes"`
	Offset     int64  `json:"offset"`
	Length     int64  `json:"length"`
	Segments   int    `json:"segments"`
}

func vscShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show a catalog, from a .vsc file or from the disk that carries it",
		Long: `Show what a volume signature catalog says, and who signed it. The signature is
checked; whether the signer is to be trusted, and whether a disk is what the
catalog says, is for "scutum template verify".`,
		Example: "  scutum vsc show template.vsc\n  scutum vsc show template.vhdx --json",
		Args:    exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			signed, err := readCatalog(args[0])
			if err != nil {
				return err
			}
			return showCatalog(cmd, args[0], signed)
		},
	}
	jsonFlag(cmd)
	return cmd
}

func showCatalog(cmd *cobra.Command, path string, signed *signing.Signed) error {
	facts := struct {
		File       string        `json:"file"`
		Catalog    catalogFacts  `json:"catalog"`
		DiskSize   int64         `json:"diskSize"`
		SectorSize int           `json:"sectorSize"`
		DiskGUID   string        `json:"diskGuid"`
		Volumes    []volumeFacts `json:"volumes"`
	}{
		File: path, Catalog: factsOfCatalog(signed),
		DiskSize: signed.Catalog.Disk.Size, SectorSize: signed.Catalog.Disk.SectorSize, DiskGUID: signed.Catalog.Disk.GUID,
	}
	rows := [][]string{{"VOLUME", "FILE SYSTEM", "NAME", "OFFSET", "SIZE", "SEGMENTS"}}
	for i := range signed.Catalog.Volumes {
		v := &signed.Catalog.Volumes[i]
		r := v.Range(signed.Catalog.Disk)
		f := volumeFacts{
			Role: string(v.Role), FileSystem: string(v.FileSystem), Name: v.Name, GUID: v.GUID, Type: v.Type,
			Attributes: v.Attributes, Offset: r.Offset, Length: r.Length, Segments: len(v.Segments) / hashSize,
		}
		facts.Volumes = append(facts.Volumes, f)
		rows = append(rows, []string{f.Role, f.FileSystem, f.Name, strconv.FormatInt(f.Offset, 10), formatSize(f.Length), strconv.Itoa(f.Segments)})
	}
	return report(cmd, facts, func(s *sheet) {
		s.facts(append(facts.Catalog.pairs(), "disk", formatBytes(facts.DiskSize)+", sectors of "+strconv.Itoa(facts.SectorSize)+" bytes")...)
		s.line("")
		s.table(rows...)
	})
}
