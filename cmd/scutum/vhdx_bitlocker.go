package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/volume"
)

func vhdxBitLockerCommand() *cobra.Command {
	return cli.Group("bitlocker", "Inspect and decrypt the BitLocker volumes of a disk",
		vhdxBitLockerInfoCommand(),
		vhdxBitLockerUnlockCommand(),
	)
}

// bitLockerFacts is a BitLocker volume in the output of commands.
type bitLockerFacts struct {
	Partition      int               `json:"partition"`
	Volume         string            `json:"volume"` // BitLocker's identifier
	Description    string            `json:"description"`
	Created        string            `json:"created"`
	Method         string            `json:"method"`
	Size           int64             `json:"size"`
	SectorSize     int               `json:"sectorSize"`
	ToGo           bool              `json:"toGo"`
	State          string            `json:"state"` // encrypted, suspended or converting
	EncryptOnWrite bool              `json:"encryptOnWrite"`
	EncryptedSize  int64             `json:"encryptedSize"`
	MetadataGood   [3]bool           `json:"metadataGood"`
	Protectors     []volumeProtector `json:"protectors"`
}

type volumeProtector struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Label   string `json:"label,omitempty"`
	Changed string `json:"changed"`
}

func factsOfBitLocker(partition int, info bitlocker.Info) bitLockerFacts {
	f := bitLockerFacts{
		Partition: partition, Volume: info.ID.String(), Description: info.Description, Created: cli.Moment(info.Created),
		Method: info.Method.String(), Size: info.Size, SectorSize: info.SectorSize, ToGo: info.ToGo,
		State: "encrypted", EncryptOnWrite: info.EncryptOnWrite, EncryptedSize: info.EncryptedSize, MetadataGood: info.MetadataGood, Protectors: []volumeProtector{},
	}
	for _, p := range info.Protectors {
		f.Protectors = append(f.Protectors, volumeProtector{p.ID.String(), p.Kind.String(), p.Label, cli.Moment(p.Changed)})
		if p.Kind == bitlocker.ClearKeyProtector {
			f.State = "suspended"
		}
	}
	if !info.Encrypted {
		f.State = "converting"
	}
	return f
}

func (f *bitLockerFacts) pairs() []string {
	state := f.State
	switch state {
	case "suspended":
		state += ": its key lies on it in clear"
	case "converting":
		state += ": Windows is not done with encrypting or decrypting it"
	}
	kind := ""
	if f.ToGo {
		kind = "BitLocker To Go"
	}
	good := 0
	for _, g := range f.MetadataGood {
		if g {
			good++
		}
	}
	metadata := fmt.Sprintf("%d of 3 copies are whole", good)
	if good == 1 {
		metadata = "1 of 3 copies is whole"
	}
	pairs := []string{
		"partition", fmt.Sprint(f.Partition), "volume", f.Volume, "description", f.Description, "kind", kind, "encrypted on", f.Created,
		"method", fmt.Sprintf("%s, sectors of %d bytes", f.Method, f.SectorSize), "size", formatBytes(f.Size), "state", state,
		"metadata", metadata,
	}
	for _, p := range f.Protectors {
		pairs = append(pairs, "protector", strings.TrimSpace(p.ID+"  "+p.Kind+"  "+p.Label))
	}
	return pairs
}

func vhdxBitLockerInfoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info DISK.vhdx",
		Short: "Show the BitLocker volumes of a disk: method, state and key protectors",
		Long: `Show what the BitLocker volumes of a disk say of themselves without a key: how they
are encrypted, in what state they are, and with what they can be opened. A
differencing disk is read together with its parents. Without such a volume the exit
status is 1.`,
		Example: "  scutum vhdx bitlocker info disk.vhdx\n  scutum vhdx bitlocker info disk.vhdx --json",
		Args:    cli.ExactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := bitLockerVolumes(args[0])
			if err != nil {
				return err
			}
			all := struct {
				Disk    string           `json:"disk"`
				Volumes []bitLockerFacts `json:"volumes"`
			}{args[0], facts}
			err = cli.Report(cmd, all, func(s *cli.Sheet) {
				s.Facts("disk", all.Disk)
				for _, f := range facts {
					s.Line("")
					s.Facts(f.pairs()...)
				}
				if len(facts) == 0 {
					s.Line("The disk has no BitLocker volume.")
				}
			})
			if err == nil && len(facts) == 0 {
				err = cli.ErrNo
			}
			return err
		},
	}
	cli.JSONFlag(cmd)
	return cmd
}

func bitLockerVolumes(path string) ([]bitLockerFacts, error) {
	d, err := vhdx.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	partitions, err := bitLockerPartitions(d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	facts := []bitLockerFacts{}
	for _, p := range partitions {
		v, err := openBitLocker(d, p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		facts = append(facts, factsOfBitLocker(p.Index, v.Info()))
	}
	return facts, nil
}

// bitLockerPartitions are those that lie on the disk.
func bitLockerPartitions(d *vhdx.Disk) ([]volume.Partition, error) {
	l, err := volume.ReadWhole(d)
	if err != nil {
		return nil, err
	}
	var all []volume.Partition
	for _, p := range l.Partitions {
		if p.FileSystem == volume.BitLocker && p.Offset() < d.Size() && p.Length() <= d.Size()-p.Offset() {
			all = append(all, p)
		}
	}
	return all, nil
}

func openBitLocker(d *vhdx.Disk, p volume.Partition) (*bitlocker.Volume, error) {
	v, err := bitlocker.Open(io.NewSectionReader(d, p.Offset(), p.Length()), p.Length())
	if err != nil {
		return nil, fmt.Errorf("partition %d: %w", p.Index, err)
	}
	return v, nil
}

// bitLockerPartition is the one with that number, or the only one.
func bitLockerPartition(d *vhdx.Disk, number int) (p volume.Partition, err error) {
	all, err := bitLockerPartitions(d)
	if err != nil {
		return p, err
	}
	var numbers []string
	for _, p := range all {
		if p.Index == number || number == 0 && len(all) == 1 {
			return p, nil
		}
		numbers = append(numbers, fmt.Sprint(p.Index))
	}
	switch {
	case len(all) == 0:
		return p, errors.New("the disk has no BitLocker volume")
	case number == 0:
		return p, fmt.Errorf("the disk has several BitLocker volumes: say which with --partition (%s)", strings.Join(numbers, ", "))
	}
	return p, fmt.Errorf("partition %d is no BitLocker volume; there are: %s", number, strings.Join(numbers, ", "))
}
