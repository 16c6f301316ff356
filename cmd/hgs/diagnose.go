package main

import (
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
)

// unitFolders are where systemd looks for units, first one first.
var unitFolders = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"}

// diagnoseCommand also works where no service answers.
func diagnoseCommand() *cobra.Command {
	var listen string
	cmd := cli.Leaf("diagnose", "Say what keeps the service from working, and what to do", "hgs diagnose", func(cmd *cobra.Command, _ []string) error {
		problems := diagnose(cmd, listen)
		facts := struct {
			Time     time.Time           `json:"time"`
			Problems []hgsserver.Problem `json:"problems"`
		}{time.Now().UTC(), cli.OrEmpty(problems)}
		err := cli.Report(cmd, facts, func(s *cli.Sheet) {
			if len(problems) == 0 {
				s.Line("No problem was found.")
			}
			showProblems(s, problems)
		})
		if err == nil {
			err = verdict(problems)
		}
		return err
	})
	cmd.Flags().StringVar(&listen, "listen", ":80", "where nothing is served: try to listen at `ADDRESS`, as hgs serve would")
	return cmd
}

// diagnose asks the service, and where it does not answer looks for the reason on this machine.
func diagnose(cmd *cobra.Command, listen string) []hgsserver.Problem {
	remote := serverOf(cmd) != ""
	var problems []hgsserver.Problem
	if !remote {
		problems = hgsserver.DiagnoseFolder(dirOf(cmd))
	}
	var st hgsserver.Status
	err := ask(cmd, "GET", "/v1/status", nil, &st)
	switch {
	case err == nil && remote:
		problems = append(problems, st.Problems...)
	case err == nil:
		problems = append(append(problems, st.Problems...), hgsserver.DiagnoseHosts(cmd.Context(), &st, time.Now())...)
	case remote:
		problems = append(problems, hgsserver.Problem{What: err.Error(), Remedy: "run hgs diagnose on the machine of the service", Fatal: true})
	default:
		problems = append(problems, hgsserver.Problem{What: err.Error(), Remedy: "systemctl start hgs, or hgs serve --dir " + filepath.Clean(dirOf(cmd)), Fatal: true})
		problems = append(append(problems, hgsserver.DiagnoseUnits(unitFolders...)...), hgsserver.DiagnoseAddress(listen)...)
	}
	return problems
}
