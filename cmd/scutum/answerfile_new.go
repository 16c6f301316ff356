package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// A setup is what an answer file for either system is to set up.
type setup struct {
	timeZone, locale string
	interfaces       []answerfile.Interface
	shutDown         bool
}

type answerfileNew struct {
	os        string
	force     bool
	setup     setup
	unattend  unattend
	cloudInit cloudInit
}

func answerfileNewCommand() *cobra.Command {
	var o answerfileNew
	cmd := &cobra.Command{
		Use:   "new OUT",
		Short: "Make an answer file for Windows or Linux",
		Long: `Make the answer file that sets up a virtual machine at its first start: an
unattend.xml for Windows, or the user data of cloud-init for Linux. It holds
passwords, readable for whoever has the file, so it is made for the user's eyes
alone; the place for it is a shielding data file.

Texts may hold substitution strings such as @ComputerName@, which get a value for
each virtual machine ("scutum fsk new --help" lists those that every fabric
supplies). Passwords may not.

--interface describes a network adapter that does not get everything from DHCP,
by its name or MAC address: NAME=PART,PART... Each part is an address with the
length of its prefix, gateway=ADDRESS, gateway6=ADDRESS or dns=ADDRESS.
--static-ip N takes it all from the fabric, for the adapter of that number.

For Linux, --ssh-key, --sudo and the --user-password flags are for the --user
before them. A user without an SSH key has a password, one with a key only where a
flag says so.

A password that no flag leads to is asked for on the terminal.`,
		Example: `  scutum answerfile new unattend.xml --rdp --static-ip 1 --shut-down
  scutum answerfile new unattend.xml --computer-name WEB01 --time-zone "W. Europe Standard Time" --password-file admin.txt \
    --interface "Ethernet=192.0.2.10/24,2001:db8::10/64,gateway=192.0.2.1,dns=192.0.2.53,dns=2001:db8::53"
  scutum answerfile new unattend.xml --domain example.com --domain-user 'EXAMPLE\joiner' --domain-password-file joiner.txt \
    --rdp --rdp-certificate rdp.pfx --winrm --script install.ps1
  scutum answerfile new user-data.yaml --user alice --ssh-key alice.pub --sudo --user bob --user-password-file bob.txt
  scutum answerfile new user-data --os linux --user alice --ssh-key alice.pub --static-ip 1 --network-config network-config`,
		Args: cli.ExactArgs("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args[0]); err != nil {
				return cli.UsageError(cmd, err)
			}
			run := o.unattend.run
			if o.os == "linux" {
				run = o.cloudInit.run
			}
			facts, err := run(cmd.Context(), args[0], o.setup, o.force)
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.os, "os", "", "`SYSTEM` to set up: windows or linux; when it is not given, OUT.xml is for windows and OUT.yaml for linux")
	f.StringVar(&o.setup.timeZone, "time-zone", "", "`NAME` as the system has it: \"W. Europe Standard Time\", Europe/Berlin")
	f.StringVar(&o.setup.locale, "locale", "", "`NAME` as the system has it: de-DE, de_DE.UTF-8; for Windows en-US when it is not given")
	f.Func("interface", "set up a network `ADAPTER`: NAME=ADDRESS/PREFIX,gateway=ADDRESS,dns=ADDRESS; may be repeated", o.setup.addInterface)
	f.Func("static-ip", "take address, gateway and name server of adapter `N`, from 1, from the fabric; may be repeated", o.setup.addStatic)
	f.BoolVar(&o.setup.shutDown, "shut-down", false, "shut the machine down at the end, by which the fabric sees that all is done")
	o.unattend.flags(cmd)
	o.cloudInit.flags(cmd)
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	oneOf(cmd, "os", "windows", "linux")
	oneOf(cmd, "architecture", "amd64", "arm64")
	return cmd
}

// check finds out the system, and refuses the flags of the other one.
func (o *answerfileNew) check(cmd *cobra.Command, out string) error {
	if !cmd.Flags().Changed("os") {
		o.os = map[string]string{".xml": "windows", ".yaml": "linux", ".yml": "linux"}[strings.ToLower(filepath.Ext(out))]
	}
	others, other, check := cloudInitFlags, "Linux", o.unattend.check
	switch o.os {
	case "windows":
	case "linux":
		others, other, check = unattendFlags, "Windows", o.cloudInit.check
	case "":
		return errors.New("--os is missing")
	default:
		return fmt.Errorf("--os: %q is neither windows nor linux", o.os)
	}
	for _, name := range others {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for %s", name, other)
		}
	}
	return check(o.setup)
}

// answerfileFacts is an answer file that was made.
type answerfileFacts struct {
	File          string   `json:"file"`
	OS            string   `json:"os"`
	NetworkConfig string   `json:"networkConfig,omitempty"`
	Files         []string `json:"files"` // that have to be in the shielding data as well
	Keys          []string `json:"keys"`  // of substitution strings, each once
}

func (f *answerfileFacts) text(s *cli.Sheet) {
	s.Facts("answer file", f.File, "for", f.OS, "network configuration", f.NetworkConfig,
		"wants the files", strings.Join(f.Files, ", "), "substitution strings", strings.Join(f.Keys, ", "))
	s.Line("It holds secrets: the place for it is a shielding data file.")
	if len(f.Files) > 0 {
		s.Line(`Add the files that it wants with "scutum pdk new --file".`)
	}
}

// describe tells of the substitution strings in files that were made.
func (f *answerfileFacts) describe(files ...[]byte) error {
	seen := map[string]bool{}
	f.Keys, f.Files = []string{}, cli.OrEmpty(f.Files)
	for _, data := range files {
		found, err := answerfile.Substitutions(data)
		if err != nil {
			return err
		}
		for _, s := range found {
			if key := strings.ToLower(s.Key); !seen[key] {
				seen[key] = true
				f.Keys = append(f.Keys, s.Key)
			}
		}
	}
	return nil
}

// newSecret gets a password that an answer file is to set.
func newSecret(ctx context.Context, source *cli.Password, what string) (string, error) {
	secret, err := source.Read(ctx, what, true)
	if err == nil && len(secret) == 0 {
		err = fmt.Errorf("%s: it is empty", what)
	}
	return string(secret), err
}

// writeSecret writes a file for the user's eyes alone.
func writeSecret(path string, data []byte, force bool) error {
	return atomicfile.WriteFile(path, data, 0o600, force)
}
