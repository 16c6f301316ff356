package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/fsk"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// maxKeysFile bounds a file of SSH keys, in bytes.
const maxKeysFile = 64 << 10

// cloudInit is what an answer file for Linux has that one for Windows has not.
type cloudInit struct {
	hostName, networkConfig string
	users                   []cloudInitUser
	passwordLogin           bool
	commands                []string
}

// cloudInitUser is a --user, with what the flags after it say.
type cloudInitUser struct {
	name     string
	keys     []string // files, or substitution strings
	sudo     bool
	ask      bool // for the password
	password cli.Password
}

var cloudInitFlags = []string{
	"host-name", "user", "ssh-key", "sudo", "user-password-file", "user-password-env", "user-password-ask", "ssh-password-login",
	"command", "network-config",
}

func (c *cloudInit) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	// of lets a flag say something of the user before it.
	of := func(set func(u *cloudInitUser, value string)) func(string) error {
		return func(value string) error {
			if len(c.users) == 0 {
				return errNoUser
			}
			set(&c.users[len(c.users)-1], value)
			return nil
		}
	}
	f.StringVar(&c.hostName, "host-name", "@ComputerName@", "Linux: `NAME` of the host")
	f.Func("user", "Linux: make the account `NAME`; may be repeated", func(name string) error {
		c.users = append(c.users, cloudInitUser{name: name, password: cli.Password{Flag: "user-password", Where: " after --user " + name}})
		return nil
	})
	f.Func("ssh-key", "Linux: let the user log on with the public keys in `FILE`, or with a substitution string; may be repeated",
		of(func(u *cloudInitUser, path string) { u.keys = append(u.keys, path) }))
	f.BoolFunc("sudo", "Linux: let the user do everything with sudo",
		of(func(u *cloudInitUser, yes string) { u.sudo, _ = strconv.ParseBool(yes) }))
	f.Func("user-password-file", "Linux: read the user's password from the first line of `FILE`",
		of(func(u *cloudInitUser, path string) { u.password.File = path }))
	f.Func("user-password-env", "Linux: read the user's password from the environment variable `VAR`",
		of(func(u *cloudInitUser, name string) { u.password.Env = name }))
	f.BoolFunc("user-password-ask", "Linux: ask for the user's password, also where there is an SSH key",
		of(func(u *cloudInitUser, yes string) { u.ask, _ = strconv.ParseBool(yes) }))
	f.BoolVar(&c.passwordLogin, "ssh-password-login", false, "Linux: let users log on over SSH with their passwords, not with keys alone")
	f.StringArrayVar(&c.commands, "command", nil, "Linux: run `COMMAND` with all rights at the end of the first start; may be repeated")
	f.StringVar(&c.networkConfig, "network-config", "", "Linux: write the network configuration to `OUT`")
}

func (c *cloudInit) check(s setup) error {
	switch {
	case len(c.users) == 0:
		return errors.New("--user is missing")
	case len(s.interfaces) > 0 && c.networkConfig == "":
		return errors.New("--network-config is missing: cloud-init reads the set-up of network adapters from a file of its own")
	case len(s.interfaces) == 0 && c.networkConfig != "":
		return errors.New("--network-config: there is nothing to write; --interface or --static-ip is missing")
	}
	for _, u := range c.users {
		if u.ask && u.password.Given() {
			return fmt.Errorf("user %s: --user-password-ask excludes --user-password-file and --user-password-env", u.name)
		}
	}
	return nil
}

func (c *cloudInit) run(ctx context.Context, out string, s setup, force bool) (*answerfileFacts, error) {
	var inputs []file
	for _, u := range c.users {
		inputs = append(inputs, passwordFile(&u.password))
		for _, path := range u.keys {
			inputs = append(inputs, file{"--ssh-key", path})
		}
	}
	if err := claim(force, []file{{"OUT", out}, {"--network-config", c.networkConfig}}, inputs...); err != nil {
		return nil, err
	}
	l := answerfile.Linux{
		HostName: c.hostName, TimeZone: s.timeZone, Locale: s.locale, PasswordLogin: c.passwordLogin,
		Interfaces: s.interfaces, Commands: c.commands, ShutDown: s.shutDown,
	}
	for _, u := range c.users {
		user, err := u.read(ctx)
		if err != nil {
			return nil, err
		}
		l.Users = append(l.Users, user)
	}
	made, err := answerfile.NewLinux(l)
	if err != nil {
		return nil, err
	}
	facts := &answerfileFacts{File: out, OS: "linux", NetworkConfig: c.networkConfig}
	if err := facts.describe(made.UserData, made.NetworkConfig); err != nil {
		return nil, err
	}
	return facts, c.save(out, made, force)
}

// save writes the files, the second one only together with the first.
func (c *cloudInit) save(out string, made *answerfile.CloudInit, force bool) error {
	if c.networkConfig == "" {
		return writeSecret(out, made.UserData, force)
	}
	f, err := atomicfile.Create(c.networkConfig, force)
	if err != nil {
		return err
	}
	defer f.Discard()
	if _, err := f.Write(made.NetworkConfig); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := writeSecret(out, made.UserData, force); err != nil {
		return err
	}
	if err := f.Commit(); err != nil {
		return fmt.Errorf("%s is written, but %s is not; make both again with --force: %v", out, c.networkConfig, err)
	}
	return nil
}

// read gets the user's keys and password.
func (u *cloudInitUser) read(ctx context.Context) (answerfile.User, error) {
	user := answerfile.User{Name: u.name, Admin: u.sudo}
	for _, path := range u.keys {
		keys, err := readSSHKeys(path)
		if err != nil {
			return answerfile.User{}, err
		}
		user.SSHKeys = append(user.SSHKeys, keys...)
	}
	if len(u.keys) > 0 && !u.password.Given() && !u.ask {
		return user, nil
	}
	var err error
	user.Password, err = newSecret(ctx, &u.password, "password of "+u.name)
	return user, err
}

// readSSHKeys reads public keys, one a line. A substitution string stands for a
// key that the fabric supplies.
func readSSHKeys(path string) ([]string, error) {
	if fsk.CheckKey(path) == nil {
		return []string{path}, nil
	}
	data, err := readFile(path, maxKeysFile)
	if err != nil {
		return nil, err
	}
	if signing.IsPEM(data) { // a private key, of which no error may show a line
		clear(data)
		return nil, fmt.Errorf("read %s: it holds no public SSH keys but PEM; the public key is in the file that ends in .pub", path)
	}
	var keys []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("read %s: there is no SSH key in it", path)
	}
	return keys, nil
}
