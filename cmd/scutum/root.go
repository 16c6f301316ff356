package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

// run executes one command line, until ctx ends, and returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	return cli.Run(ctx, rootCommand(), args, in, out, errOut)
}

func rootCommand() *cobra.Command {
	root := cli.Program("scutum", "Sign template disks, and make shielding data that only named fabrics open", version,
		templateCommand(),
		vscCommand(),
		certCommand(),
		guardianCommand(),
		kpCommand(),
		pdkCommand(),
		answerfileCommand(),
		fskCommand(),
		recoveryCommand(),
		vhdxCommand(),
	)
	root.Long = `Scutum signs the template disks of shielded virtual machines: it hashes every
sector of every partition, signs the hashes, and stores them in the VHDX. Anyone
can then prove that not one byte has changed since.

It keeps guardians, owners with their keys and fabrics without, and makes
shielding data files: which signed templates may be used, and secrets that only
the owner and the named fabrics can open.

Exit status: 0 success, 1 the answer is "no" (a check failed), 2 bad usage or
bad input, 130 interrupted.`
	root.SetFlagErrorFunc(flagError)
	return root
}
