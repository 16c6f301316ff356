package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/vhdx"
)

func vhdxCompactCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compact DISK.vhdx",
		Short: "Give back the room of blocks that are all zero",
		Long: `Take the blocks that are all zero out of a dynamic or differencing disk, move
the others together, and shorten the file. What the disk reads as does not
change; an interruption at any moment leaves the same disk.`,
		Example: "  scutum vhdx compact disk.vhdx",
		Args:    cli.ExactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			update, finish := progress(cmd, "compacting")
			saved, size, err := compact(cmd.Context(), args[0], update)
			finish()
			if err != nil {
				return err
			}
			facts := struct {
				File     string `json:"file"`
				Saved    int64  `json:"saved"`
				FileSize int64  `json:"fileSize"`
			}{args[0], saved, size}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				s.Facts("file", facts.File, "saved", formatBytes(facts.Saved), "file size", formatBytes(facts.FileSize))
			})
		},
	}
	cli.JSONFlag(cmd)
	return cmd
}

// compact checks the disk first: moving the blocks of a broken one together
// would lose what can still be rescued.
func compact(ctx context.Context, path string, update func(done, total int64)) (saved, size int64, err error) {
	f, err := cli.OpenInput(path)
	if err != nil {
		return 0, 0, err
	}
	found, err := vhdx.CheckFile(f, path)
	_ = f.Close()
	if err != nil {
		return 0, 0, fmt.Errorf("compact %s: %w", path, err)
	}
	for i := range found.Violations {
		if v := &found.Violations[i]; v.Fatal {
			return 0, 0, fmt.Errorf("compact %s: %w", path, v)
		}
	}
	d, err := vhdx.OpenReadWrite(path)
	if err != nil {
		return 0, 0, err
	}
	block := int64(d.Info().BlockSize)
	saved, err = d.Compact(ctx, func(done, total int64) { update(done*block, total*block) })
	size = d.Info().FileSize
	if err = errors.Join(err, d.Close()); err != nil {
		return 0, 0, fmt.Errorf("compact %s: %w", path, err)
	}
	return saved, size, nil
}
