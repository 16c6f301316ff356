package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// A geometry is the part of a disk's making that create and convert share.
type geometry struct {
	fixed                                     bool
	blockSize, sectorSize, physicalSectorSize size
}

func (g *geometry) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&g.fixed, "fixed", false, "allocate all blocks; else the disk is dynamic")
	cmd.Flags().Var(&g.blockSize, "block-size", "1MiB to 256MiB, a power of two; 32MiB when it is not given")
	cmd.Flags().Var(&g.sectorSize, "sector-size", "logical sector size, 512 or 4096")
	cmd.Flags().Var(&g.physicalSectorSize, "physical-sector-size", "512 or 4096")
}

// options are those of a new disk; what is not given is the package's default.
func (g *geometry) options() vhdx.CreateOptions {
	o := vhdx.CreateOptions{
		Type: vhdx.Dynamic, BlockSize: clampInt(g.blockSize),
		LogicalSectorSize: clampInt(g.sectorSize), PhysicalSectorSize: clampInt(g.physicalSectorSize),
	}
	if g.fixed {
		o.Type = vhdx.Fixed
	}
	return o
}

// clampInt keeps a size that is far too large far too large on 32-bit systems.
func clampInt(s size) int { return int(min(s, 1<<31-1)) }

type vhdxCreate struct {
	size   size
	parent string
	force  bool
	geometry
}

func vhdxCreateCommand() *cobra.Command {
	var o vhdxCreate
	cmd := &cobra.Command{
		Use:   "create DISK.vhdx --size SIZE",
		Short: "Create a dynamic, fixed or differencing disk",
		Long: `Create a disk that reads as zeros, or with --parent one that reads as its parent
does and holds what is changed from then on.`,
		Example: `  scutum vhdx create disk.vhdx --size 60GiB
  scutum vhdx create disk.vhdx --size 1TiB --sector-size 4096 --block-size 64MiB
  scutum vhdx create disk.vhdx --size 10GiB --fixed
  scutum vhdx create child.vhdx --parent disk.vhdx`,
		Args: cli.ExactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			options := o.options()
			options.Size, options.Path = int64(o.size), args[0]
			switch {
			case o.parent != "" && o.fixed:
				return cli.UsageError(cmd, errors.New("--fixed and --parent exclude each other"))
			case o.parent != "":
				options.Type, options.Parent = vhdx.Differencing, o.parent
			case !cmd.Flags().Changed("size"):
				return cli.UsageError(cmd, errors.New("--size or --parent is missing"))
			}
			if err := claim(o.force, []file{{"DISK.vhdx", args[0]}}, chain("--parent", o.parent)...); err != nil {
				return err
			}
			if err := createDisk(args[0], o.force, options); err != nil {
				return err
			}
			return reopenAndShow(cmd, args[0])
		},
	}
	cmd.Flags().Var(&o.size, "size", "of the virtual disk, like 60GiB")
	cmd.Flags().StringVar(&o.parent, "parent", "", "make a differencing disk of `PARENT.vhdx`")
	o.geometry.flags(cmd)
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	return cmd
}

func createDisk(path string, force bool, options vhdx.CreateOptions) error {
	f, err := atomicfile.Create(path, force)
	if err != nil {
		return err
	}
	defer f.Discard()
	d, err := named(vhdx.Create(f, options))(path)
	if err != nil {
		return err
	}
	if err := d.Close(); err != nil {
		return err
	}
	return f.Commit()
}

func reopenAndShow(cmd *cobra.Command, path string) error {
	d, err := vhdx.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return showInfo(cmd, path, d)
}
