package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand(program, version string) *cobra.Command {
	return Leaf("version", "Print the version", program+" version\n  "+program+" version --json",
		func(cmd *cobra.Command, _ []string) error { return printVersion(cmd, version) })
}

// versionFlag has a command print the version, as most programs do.
func versionFlag(cmd *cobra.Command, version string) {
	asked := cmd.Flags().Bool("version", false, "print the version")
	otherwise := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *asked && len(args) == 0 {
			return printVersion(cmd, version)
		}
		return otherwise(cmd, args)
	}
}

func printVersion(cmd *cobra.Command, version string) error {
	facts := struct {
		Version  string `json:"version"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{buildVersion(version), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	return Report(cmd, facts, func(s *Sheet) {
		s.Line(cmd.Root().Name() + " " + facts.Version + " (" + facts.Go + ", " + facts.Platform + ")")
	})
}

// buildVersion is what the linker set, else what go install recorded.
func buildVersion(version string) string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
