package main

import (
	"crypto/sha256"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
)

func vscCommand() *cobra.Command {
	return cli.Group("vsc", "Look at volume signature catalogs", vscShowCommand())
}

// volumeFacts is a volume of a catalog, with the number of its hashes in place
// of the hashes.
type volumeFacts struct {
	signing.Volume
	Segments int `json:"segments"`
}

func vscShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show FILE",
		Short: "Show a catalog, from a .vsc file or from the disk that carries it",
		Long: `Show what a volume signature catalog says, and who signed it. The signature is
checked; whether the signer is to be trusted, and whether a disk is what the
catalog says, is for "scutum template verify".`,
		Example: "  scutum vsc show template.vsc\n  scutum vsc show template.vhdx --json",
		Args:    cli.ExactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			signed, err := readCatalog(args[0])
			if err != nil {
				return err
			}
			return showCatalog(cmd, args[0], signed)
		},
	}
	cli.JSONFlag(cmd)
	return cmd
}

func showCatalog(cmd *cobra.Command, path string, signed *signing.Signed) error {
	facts := struct {
		File    string        `json:"file"`
		Catalog catalogFacts  `json:"catalog"`
		Disk    signing.Disk  `json:"disk"`
		Volumes []volumeFacts `json:"volumes"`
	}{File: path, Catalog: factsOfCatalog(signed), Disk: signed.Catalog.Disk}
	rows := [][]string{{"VOLUME", "FILE SYSTEM", "NAME", "OFFSET", "SIZE", "SEGMENTS"}}
	for _, v := range signed.Catalog.Volumes {
		place, segments := v.Range(facts.Disk), len(v.Segments)/sha256.Size
		facts.Volumes = append(facts.Volumes, volumeFacts{v, segments})
		rows = append(rows, []string{
			string(v.Role), string(v.FileSystem), v.Name, strconv.FormatInt(place.Offset, 10), formatSize(place.Length), strconv.Itoa(segments),
		})
	}
	return cli.Report(cmd, facts, func(s *cli.Sheet) {
		pairs := append([]string{"file", facts.File}, facts.Catalog.unjudged()...)
		s.Facts(append(pairs, "disk", formatBytes(facts.Disk.Size)+", sectors of "+strconv.Itoa(facts.Disk.SectorSize)+" bytes")...)
		s.Line("")
		s.Table(rows...)
	})
}
