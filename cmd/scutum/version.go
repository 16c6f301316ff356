package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  scutum version\n  scutum version --json",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			facts := struct {
				Version  string `json:"version"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{buildVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			return report(cmd, facts, func(s *sheet) {
				s.line("scutum " + facts.Version + " (" + facts.Go + ", " + facts.Platform + ")")
			})
		},
	}
	jsonFlag(cmd)
	return cmd
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
