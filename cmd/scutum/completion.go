package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

func completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for bash, zsh, fish or powershell",
		Example: `  scutum completion bash > /etc/bash_completion.d/scutum
  scutum completion zsh > "${fpath[1]}/_scutum"
  scutum completion fish > ~/.config/fish/completions/scutum.fish
  scutum completion powershell | Out-String | Invoke-Expression`,
		Args:      cli.ExactArgs("SHELL"),
		ValidArgs: []string{"bash", "fish", "powershell", "zsh"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			shells := map[string]func(io.Writer) error{
				"bash":       func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
				"fish":       func(w io.Writer) error { return root.GenFishCompletion(w, true) },
				"powershell": root.GenPowerShellCompletionWithDesc,
				"zsh":        root.GenZshCompletion,
			}
			generate, ok := shells[args[0]]
			if !ok {
				names := strings.Join(slices.Sorted(maps.Keys(shells)), ", ")
				return cli.UsageError(cmd, fmt.Errorf("%q is not one of %s", args[0], names))
			}
			return generate(cmd.OutOrStdout())
		},
	}
}
