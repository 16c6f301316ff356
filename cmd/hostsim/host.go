package main

import (
	"encoding/pem"
	"errors"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hostsim"
)

// A hostFacts is what commands print about a host.
type hostFacts struct {
	Dir      string `json:"dir"`
	Name     string `json:"name"`
	HGS      string `json:"hgs"`
	Fallback string `json:"fallback,omitempty"`
	TPM      string `json:"tpm"`
	TPMRoot  string `json:"tpmRoot,omitempty"`
	CIPolicy string `json:"ciPolicy"`
}

func showHost(cmd *cobra.Command, host *hostsim.Host) error {
	c := host.Config()
	f := hostFacts{dirOf(cmd), c.Name, c.HGS, c.Fallback, c.TPM, host.TPMRoot(), filepath.Join(dirOf(cmd), hostsim.CIPolicyFile)}
	return cli.Report(cmd, f, func(s *cli.Sheet) {
		s.Facts("host", f.Name, "folder", f.Dir, "service", f.HGS, "fallback", f.Fallback, "TPM", f.TPM, "maker of the TPM", f.TPMRoot,
			"code integrity policy", f.CIPolicy)
	})
}

func initCommand() *cobra.Command {
	var c hostsim.Config
	cmd := cli.Leaf("init", "Make a host", "hostsim init --dir host1 --name host1 --hgs http://hgs.example.com", func(cmd *cobra.Command, _ []string) error {
		if c.Name == "" || c.HGS == "" {
			return cli.UsageError(cmd, errors.New("--name and --hgs are needed"))
		}
		host, err := hostsim.Init(cmd.Context(), dirOf(cmd), c)
		if err != nil {
			return err
		}
		return showHost(cmd, host)
	})
	cmd.Flags().StringVar(&c.Name, "name", "", "the `NAME` of the host")
	cmd.Flags().StringVar(&c.HGS, "hgs", "", "the `URL` of its Host Guardian Service")
	cmd.Flags().StringVar(&c.Fallback, "fallback", "", "the `URL` of another one, which is asked while the first does not answer")
	cmd.Flags().StringVar(&c.TPM, "tpm", hostsim.Software, "its TPM: swtpm, one of its own in its folder; or the `PATH` of one that was reset just now")
	return cmd
}

func configCommand() *cobra.Command {
	show := cli.Leaf("show", "Show the configuration of the host", "hostsim config show --dir host1", func(cmd *cobra.Command, _ []string) error {
		host, err := hostsim.Open(dirOf(cmd))
		if err != nil {
			return err
		}
		return showHost(cmd, host)
	})
	var hgs, fallback string
	var none bool
	set := cli.Leaf("set", "Change where the services of the host are", "hostsim config set --dir host1 --hgs http://hgs2.example.com", func(cmd *cobra.Command, _ []string) error {
		changed := cmd.Flags().Changed
		if !changed("hgs") && !changed("fallback") && !none || changed("fallback") && none {
			return cli.UsageError(cmd, errors.New("give --hgs, or one of --fallback and --no-fallback"))
		}
		host, err := hostsim.Open(dirOf(cmd))
		if err != nil {
			return err
		}
		c := host.Config()
		if changed("hgs") {
			c.HGS = hgs
		}
		if changed("fallback") || none {
			c.Fallback = fallback
		}
		if err := host.Configure(c.HGS, c.Fallback); err != nil {
			return err
		}
		return showHost(cmd, host)
	})
	set.Flags().StringVar(&hgs, "hgs", "", "the `URL` of its Host Guardian Service")
	set.Flags().StringVar(&fallback, "fallback", "", "the `URL` of another one, which is asked while the first does not answer")
	set.Flags().BoolVar(&none, "no-fallback", false, "there is no other one")
	return cli.Group("config", "Show and change the configuration of the host", show, set)
}

func identifierCommand() *cobra.Command {
	return writer("identifier OUT.xml", "Write the platform identifier, by which the host is registered in TPM mode",
		"hostsim identifier --dir host1 host1.xml", func(_ *cobra.Command, host *hostsim.Running) ([]byte, error) {
			id, err := host.Identifier()
			if err != nil {
				return nil, err
			}
			return id.XML()
		})
}

func hostKeyCommand() *cobra.Command {
	return writer("hostkey OUT.pem", "Write the public key by which the host is registered in host key mode",
		"hostsim hostkey --dir host1 host1.pem", func(_ *cobra.Command, host *hostsim.Running) ([]byte, error) {
			der, err := host.HostKey()
			if err != nil {
				return nil, err
			}
			return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
		})
}

func baselineCommand() *cobra.Command {
	var skip bool
	cmd := writer("baseline OUT.tcglog", "Write the boot log, a baseline for hosts of this kind",
		"hostsim baseline --dir host1 host1.tcglog", func(cmd *cobra.Command, host *hostsim.Running) ([]byte, error) {
			if skip {
				return host.Log, nil
			}
			failed, err := host.Validate()
			if err != nil {
				return nil, err
			}
			var names []string
			for _, f := range failed {
				names = append(names, f.Policy.Name)
				cli.Warn(cmd, f.Policy.Name+": measured was "+f.Measured+"; expected is "+f.Expected)
			}
			if len(failed) > 0 {
				cli.Warn(cmd, "no baseline is written: a host that is started like this one does not meet "+strings.Join(names, ", ")+
					"; --skip-validation writes it all the same")
				return nil, cli.ErrNo
			}
			return host.Log, nil
		})
	cmd.Flags().BoolVar(&skip, "skip-validation", false, "also of a boot that does not meet the built-in policies")
	return cmd
}
