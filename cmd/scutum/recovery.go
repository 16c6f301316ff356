package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/recovery"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

func recoveryCommand() *cobra.Command {
	return cli.Group("recovery", "Get at the disk of a shielded virtual machine that does not start any more",
		recoverySaveCommand(), recoveryUnprotectCommand())
}

// recoveryFacts is an encrypted recovery key in the output of commands.
type recoveryFacts struct {
	PDK    string `json:"pdk"`    // identifier of the shielding data that it is under
	Volume string `json:"volume"` // BitLocker's identifier
}

func recoverySaveCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "save DISK.vhdx OUT.ebek",
		Short: "Save the encrypted recovery key that lies on the disk of a shielded virtual machine",
		Long: `Save the encrypted recovery key, \EFI\Scutum\recovery.ebek on the EFI system
partition of a shielded virtual machine's disk. Of a machine with checkpoints, name
the disk that it runs from: the disks below that one are read as well. The disk is
not changed.

Only the owner of the shielding data can use the recovery key, with
"scutum recovery unprotect".`,
		Example: "  scutum recovery save vm01.vhdx vm01.ebek\n  scutum recovery save vm01_checkpoint.avhdx vm01.ebek --json",
		Args:    cli.ExactArgs("DISK.vhdx", "OUT.ebek"),
		RunE: func(cmd *cobra.Command, args []string) error {
			disk, out := args[0], args[1]
			if err := claim(force, []file{{"OUT.ebek", out}}, chain("DISK.vhdx", disk)...); err != nil {
				return err
			}
			d, err := vhdx.Open(disk)
			if err != nil {
				return err
			}
			defer d.Close()
			e, data, err := recovery.FromDisk(d)
			if _, err = named(e, err)(disk); err != nil {
				return err
			}
			if err := atomicfile.WriteFile(out, data, 0o666, force); err != nil {
				return err
			}
			facts := struct {
				Disk string `json:"disk"`
				File string `json:"file"`
				recoveryFacts
			}{disk, out, recoveryFacts{e.PDK.String(), e.Volume.String()}}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				s.Facts("disk", facts.Disk, "recovery key", facts.File, "shielding data", facts.PDK, "volume", facts.Volume)
			})
		},
	}
	forceFlag(cmd, &force)
	cli.JSONFlag(cmd)
	return cmd
}

func recoveryUnprotectCommand() *cobra.Command {
	var o unprotect
	cmd := &cobra.Command{
		Use:   "unprotect IN.ebek [OUT.bek] (--pdk FILE.pdk | --search DIR)",
		Short: "Decrypt a recovery key, as the owner of the shielding data",
		Long: `Decrypt a recovery key with the key of the owner guardian, which is in the store
under a passphrase. It is under the shielding data that the machine was made with:
name the file with --pdk, or have it looked for in a folder and all below it with
--search.

OUT.bek opens the disk for whoever has it, and is for the user's eyes alone. Without
OUT.bek, or when that is a folder, it gets the name under which BitLocker looks for
it on a USB drive. Windows opens the disk with "manage-bde -unlock X: -RecoveryKey
OUT.bek".`,
		Example: `  scutum recovery unprotect vm01.ebek vm01.bek --pdk vm01.pdk
  scutum recovery unprotect vm01.ebek --search pdks --password-file passphrase
  scutum recovery unprotect vm01.ebek /media/usb --search .`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.ExactArgs([]string{"IN.ebek", "OUT.bek"}[:max(1, min(len(args), 2))]...)(cmd, args); err != nil {
				return err
			}
			if cmd.Flags().Changed("pdk") == cmd.Flags().Changed("search") {
				return cli.UsageError(cmd, errors.New("give --pdk or --search, one of the two"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := o.run(cmd, append(args, "")[0], append(args, "")[1])
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
	}
	cmd.Flags().StringVar(&o.pdk, "pdk", "", "the shielding data are in `FILE.pdk`")
	cmd.Flags().StringVar(&o.search, "search", "", "look for the shielding data, *.pdk, in the folder `DIR` and all below it")
	o.passphrase.Flags(cmd, "password", "the owner's passphrase")
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	return cmd
}
