package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return leaf("version", "Print the version", "hgs version", func(cmd *cobra.Command, _ []string) error { return printVersion(cmd) })
}

// versionFlag has a command print the version, as most programs do.
func versionFlag(cmd *cobra.Command) {
	asked := cmd.Flags().Bool("version", false, "print the version")
	otherwise := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *asked && len(args) == 0 {
			return printVersion(cmd)
		}
		return otherwise(cmd, args)
	}
}

func printVersion(cmd *cobra.Command) error {
	facts := struct {
		Version  string `json:"version"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{buildVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	return report(cmd, facts, func(s *sheet) {
		s.line("hgs " + facts.Version + " (" + facts.Go + ", " + facts.Platform + ")")
	})
}

// buildVersion is what the Makefile set, else what go install recorded.
func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
