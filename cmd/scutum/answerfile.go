package main

import (
	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
)

func answerfileCommand() *cobra.Command {
	return cli.Group("answerfile", "Make and check the answer files that set up virtual machines",
		answerfileNewCommand(), answerfileCheckCommand())
}

func answerfileCheckCommand() *cobra.Command {
	var values string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Show the substitution strings of an answer file, and whether values do for them",
		Long: `Show the substitution strings of an answer file: the places, written @KEY@, that
get a value for each virtual machine. The file is XML, cloud-init YAML or a script
that begins with #!. With --fsk, put the values of a specialization file in: the
exit status is 1 when they do not do.`,
		Example: `  scutum answerfile check unattend.xml
  scutum answerfile check unattend.xml --fsk vm01.fsk`,
		Args: cli.ExactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("fsk") {
				given, err := readValues(values)
				if err != nil {
					return err
				}
				return reportFit(cmd, args[0], values, given)
			}
			all, data, err := readSubstitutions(args[0], nil)
			clear(data)
			if err != nil {
				return err
			}
			facts := struct {
				AnswerFile    string              `json:"answerFile"`
				Substitutions []substitutionFacts `json:"substitutions"`
			}{args[0], all}
			return cli.Report(cmd, facts, func(s *cli.Sheet) { tableOfSubstitutions(s, all, false) })
		},
	}
	cmd.Flags().StringVar(&values, "fsk", "", "put in the values of the specialization file `FILE.fsk`")
	cli.JSONFlag(cmd)
	return cmd
}
