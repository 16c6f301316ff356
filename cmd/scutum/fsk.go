package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/fsk"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

func fskCommand() *cobra.Command {
	return cli.Group("fsk", "Make and look at the values that tell one virtual machine from another", fskNewCommand(), fskShowCommand())
}

func fskNewCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "new OUT.fsk @KEY@=VALUE...",
		Short: "Make a specialization file",
		Long: `Make a specialization file: the values that the substitution strings of an answer
file get for one virtual machine. A key is written with its @ signs; capital and
small letters are the same.

Every fabric supplies these when an answer file asks for them, N being the number
of a network adapter and M one of its entries, both from 1:
  @ComputerName@ @TimeZone@ @ProductKey@ @MACAddr-N@ @IP4Addr-N@ @IP6Addr-N@
  @Prefix-N-M@ @NextHop-N-M@ @DnsAddr-N-M@
All others are for the tenant and the fabric to agree on.

The file is neither encrypted nor signed: no password may stand in it.`,
		Example: `  scutum fsk new vm01.fsk @ComputerName@=VM01
  scutum fsk new vm01.fsk @ComputerName@=VM01 @IP4Addr-1@=192.0.2.10/24 @NextHop-1-1@=192.0.2.1 @DnsAddr-1-1@=192.0.2.53
  scutum fsk new vm01.fsk @ComputerName@=VM01 "@TimeZone@=W. Europe Standard Time" --force`,
		Args: func(cmd *cobra.Command, args []string) error {
			names := []string{"OUT.fsk", "@KEY@=VALUE"}
			return cli.ExactArgs(names...)(cmd, args[:min(len(args), len(names))])
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := parseValues(args[1:])
			if err != nil {
				return cli.UsageError(cmd, err)
			}
			if err := claim(force, []file{{"OUT.fsk", args[0]}}); err != nil {
				return err
			}
			data, err := values.Encode()
			if err != nil {
				return err
			}
			if err := atomicfile.WriteFile(args[0], data, 0o666, force); err != nil {
				return err
			}
			return reportValues(cmd, args[0], values)
		},
	}
	forceFlag(cmd, &force)
	cli.JSONFlag(cmd)
	return cmd
}

// parseValues reads arguments of the form @KEY@=VALUE.
func parseValues(args []string) (fsk.Values, error) {
	values := fsk.Values{}
	for _, arg := range args {
		key, value, found := strings.Cut(arg, "=")
		if !found {
			return nil, fmt.Errorf("%q is not of the form @KEY@=VALUE", arg)
		}
		if _, again := values[key]; again {
			return nil, fmt.Errorf("%s is given twice", key)
		}
		values[key] = value
	}
	return values, nil
}

func fskShowCommand() *cobra.Command {
	var answerFile string
	cmd := &cobra.Command{
		Use:   "show FILE.fsk",
		Short: "Show the values of a specialization file, and whether they fill an answer file",
		Long: `Show the values of a specialization file. With --answer-file, put them into the
substitution strings of that file, and show what would be left over. The exit
status is 1 when one that every fabric supplies has no value, or when a value is
not fit for its place.`,
		Example: `  scutum fsk show vm01.fsk
  scutum fsk show vm01.fsk --answer-file unattend.xml`,
		Args: cli.ExactArgs("FILE.fsk"),
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := readValues(args[0])
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("answer-file") {
				return reportValues(cmd, args[0], values)
			}
			return reportFit(cmd, answerFile, args[0], values)
		},
	}
	cmd.Flags().StringVar(&answerFile, "answer-file", "", "put the values into the answer file `FILE`")
	cli.JSONFlag(cmd)
	return cmd
}

func readValues(path string) (fsk.Values, error) {
	data, err := readFile(path, fsk.MaxSize)
	if err != nil {
		return nil, err
	}
	return named(fsk.Parse(data))(path)
}

func reportValues(cmd *cobra.Command, path string, values fsk.Values) error {
	facts := struct {
		File   string     `json:"file"`
		Values fsk.Values `json:"values"`
	}{path, values}
	return cli.Report(cmd, facts, func(s *cli.Sheet) {
		s.Facts("specialization file", facts.File)
		s.Line("")
		rows := [][]string{{"KEY", "VALUE"}}
		for _, key := range slices.Sorted(maps.Keys(values)) {
			rows = append(rows, []string{key, values[key]})
		}
		s.Table(rows...)
	})
}

// reportFit shows what becomes of the substitution strings of an answer file with
// the values of a specialization file. The answer is no when they do not do.
func reportFit(cmd *cobra.Command, answerFile, from string, values fsk.Values) error {
	fit, err := readFit(answerFile, values)
	if err != nil {
		return err
	}
	fit.Values = from
	if err := cli.Report(cmd, fit, fit.text); err != nil {
		return err
	}
	if !fit.Fit {
		return cli.ErrNo
	}
	return nil
}
