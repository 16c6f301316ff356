package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

type vhdxConvert struct {
	from, to string
	force    bool
	geometry
}

func vhdxConvertCommand() *cobra.Command {
	var o vhdxConvert
	cmd := &cobra.Command{
		Use:   "convert IN OUT",
		Short: "Convert between raw images and VHDX files, or between kinds of VHDX",
		Long: `Copy a disk into a new file of another format, type, block or sector size. The
formats are those of the file names (.vhdx, .avhdx; .raw, .img, .bin), or of
--from and --to. A differencing disk is copied together with its parents, and
user metadata, such as a catalog, goes along from VHDX to VHDX. What is zero
takes no room in the new file, unless it is a fixed disk.`,
		Example: `  scutum vhdx convert disk.raw disk.vhdx
  scutum vhdx convert disk.vhdx disk.raw
  scutum vhdx convert /dev/sdb disk.vhdx --from raw
  scutum vhdx convert disk.vhdx fixed.vhdx --fixed`,
		Args: cli.ExactArgs("IN", "OUT"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0], args[1]) },
	}
	cmd.Flags().StringVar(&o.from, "from", "", "`FORMAT` of IN: raw or vhdx")
	cmd.Flags().StringVar(&o.to, "to", "", "`FORMAT` of OUT: raw or vhdx")
	oneOf(cmd, "from", "raw", "vhdx")
	oneOf(cmd, "to", "raw", "vhdx")
	o.geometry.flags(cmd)
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	return cmd
}

func (o *vhdxConvert) run(cmd *cobra.Command, in, out string) error {
	from, err := formatOf(in, o.from, "--from")
	if err != nil {
		return cli.UsageError(cmd, err)
	}
	to, err := formatOf(out, o.to, "--to")
	if err != nil {
		return cli.UsageError(cmd, err)
	}
	if to == "raw" && o.geometry != (geometry{}) {
		return cli.UsageError(cmd, errors.New("a raw image has no type, block size or sector size"))
	}
	inputs := []file{{"IN", in}}
	if from == "vhdx" {
		inputs = chain("IN", in)
	}
	if err := claim(o.force, []file{{"OUT", out}}, inputs...); err != nil {
		return err
	}
	src, err := openSource(in, from)
	if err != nil {
		return err
	}
	defer src.Close()
	f, err := atomicfile.Create(out, o.force)
	if err != nil {
		return err
	}
	defer f.Discard()

	update, finish := progress(cmd, "converting")
	defer finish()
	done := func(n int64) { update(n, src.Size()) }
	if to == "raw" {
		err = convertToRaw(cmd.Context(), f, src, done)
	} else {
		err = o.convertToVHDX(cmd.Context(), f, out, src, done)
	}
	if err == nil {
		err = f.Commit()
	}
	finish()
	if err != nil {
		return fmt.Errorf("convert %s to %s: %w", in, out, err)
	}
	if to == "vhdx" {
		return reopenAndShow(cmd, out)
	}
	facts := struct {
		File string `json:"file"`
		Type string `json:"type"`
		Size int64  `json:"size"`
	}{out, "raw", src.Size()}
	return cli.Report(cmd, facts, func(s *cli.Sheet) {
		s.Facts("file", facts.File, "type", facts.Type, "size", formatBytes(facts.Size))
	})
}

func convertToRaw(ctx context.Context, f *atomicfile.File, src source, done func(int64)) error {
	if err := f.Truncate(src.Size()); err != nil {
		return err
	}
	return vhdx.Copy(ctx, f, src, done)
}

func (o *vhdxConvert) convertToVHDX(ctx context.Context, f *atomicfile.File, path string, src source, done func(int64)) error {
	options := o.options()
	options.Size, options.Path = src.Size(), path
	old, isDisk := src.(*vhdx.Disk)
	if isDisk {
		keep(&options.LogicalSectorSize, old.Info().LogicalSectorSize)
		keep(&options.PhysicalSectorSize, old.Info().PhysicalSectorSize)
	}
	d, err := vhdx.Create(f, options)
	if err != nil {
		return err
	}
	err = vhdx.Copy(ctx, d, src, done)
	if err == nil && isDisk {
		err = copyItems(d, old)
	}
	return errors.Join(err, d.Close())
}

// keep sets what no flag has set.
func keep(value *int, to int) {
	if *value == 0 {
		*value = to
	}
}

// copyItems copies the user metadata, such as a catalog.
func copyItems(to, from *vhdx.Disk) error {
	for _, item := range from.Items() {
		data, err := from.Item(item.ID)
		if err != nil {
			return err
		}
		if err := to.SetItem(item.ID, data); err != nil {
			return err
		}
	}
	return nil
}

// A source is what can be converted.
type source interface {
	vhdx.Source
	Close() error
}

func openSource(path, format string) (source, error) {
	if format == "vhdx" {
		return vhdx.Open(path)
	}
	return vhdx.OpenRaw(path)
}

// formatOf is the format that was given for a file, or that of its name. The
// content is never asked: a guest could make a raw image look like a VHDX.
func formatOf(path, given, flag string) (string, error) {
	switch given {
	case "raw", "vhdx":
		return given, nil
	case "":
	default:
		return "", fmt.Errorf("%s: %q is neither raw nor vhdx", flag, given)
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".vhdx", ".avhdx":
		return "vhdx", nil
	case ".raw", ".img", ".bin":
		return "raw", nil
	}
	return "", fmt.Errorf("the name of %s does not tell its format; give it with %s", path, flag)
}
