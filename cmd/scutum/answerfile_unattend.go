package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/signing"
)

// unattend is what an answer file for Windows has that one for Linux has not.
type unattend struct {
	architecture, computerName, productKey   string
	domain, domainUser, domainOU             string
	rdpCertificate                           string
	rdp, winRM                               bool
	scripts, firstLogon                      []string
	password, domainPassword, rdpKeyPassword cli.Password
}

var unattendFlags = []string{
	"architecture", "computer-name", "product-key", "password-file", "password-env", "domain", "domain-user", "domain-ou",
	"domain-password-file", "domain-password-env", "rdp", "rdp-certificate", "rdp-password-file", "rdp-password-env", "winrm",
	"script", "first-logon",
}

func (u *unattend) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&u.architecture, "architecture", "amd64", "Windows: `NAME` of the processor's, amd64 or arm64")
	f.StringVar(&u.computerName, "computer-name", "@ComputerName@", "Windows: `NAME` of the computer; * for a random one")
	f.StringVar(&u.productKey, "product-key", "", "Windows: product `KEY`, or @ProductKey@; none for a template that needs none")
	u.password.Flags(cmd, "password", "the password of Windows' account Administrator")
	f.StringVar(&u.domain, "domain", "", "Windows: join the Active Directory `DOMAIN`")
	f.StringVar(&u.domainUser, "domain-user", "", "Windows: `USER` who may join computers: name, DOMAIN\\name or name@domain")
	f.StringVar(&u.domainOU, "domain-ou", "", "Windows: distinguished `NAME` of the organizational unit for the computer")
	u.domainPassword.Flags(cmd, "domain-password", "the password of --domain-user")
	f.BoolVar(&u.rdp, "rdp", false, "Windows: let in Remote Desktop")
	f.StringVar(&u.rdpCertificate, "rdp-certificate", "", "Windows: certificate and key for Remote Desktop, `FILE.pfx`, which has to be in the shielding data")
	u.rdpKeyPassword.Flags(cmd, "rdp-password", "the password of --rdp-certificate")
	f.BoolVar(&u.winRM, "winrm", false, "Windows: let in remote management")
	f.StringArrayVar(&u.scripts, "script", nil, "Windows: run `FILE` (.ps1, .cmd, .bat) at the end, which has to be in the shielding data; may be repeated")
	f.StringArrayVar(&u.firstLogon, "first-logon", nil, "Windows: run `COMMAND` when an administrator first logs on; may be repeated")
}

func (u *unattend) check(setup) error {
	switch {
	case u.domain == "" && (u.domainUser != "" || u.domainOU != "" || u.domainPassword.Given()):
		return errors.New("--domain is missing")
	case u.domain != "" && u.domainUser == "":
		return errors.New("--domain-user is missing")
	case u.rdpCertificate == "" && u.rdpKeyPassword.Given():
		return errors.New("--rdp-certificate is missing")
	case u.rdpCertificate != "" && !u.rdp:
		return errors.New("--rdp is missing, without which --rdp-certificate is of no use")
	}
	return nil
}

func (u *unattend) run(ctx context.Context, out string, s setup, force bool) (*answerfileFacts, error) {
	inputs := []file{{"--rdp-certificate", u.rdpCertificate}, passwordFile(&u.password), passwordFile(&u.domainPassword), passwordFile(&u.rdpKeyPassword)}
	for _, script := range u.scripts {
		inputs = append(inputs, file{"--script", script})
	}
	if err := claim(force, []file{{"OUT", out}}, inputs...); err != nil {
		return nil, err
	}
	w := answerfile.Windows{
		Architecture: u.architecture, ComputerName: u.computerName, ProductKey: u.productKey,
		TimeZone: s.timeZone, Locale: s.locale, Interfaces: s.interfaces,
		RemoteDesktop: u.rdp, WinRM: u.winRM, FirstLogon: u.firstLogon, ShutDown: s.shutDown,
	}
	facts := &answerfileFacts{File: out, OS: "windows"}
	for _, script := range u.scripts {
		w.Scripts = append(w.Scripts, filepath.Base(script))
	}
	if err := u.secrets(ctx, &w); err != nil {
		return nil, err
	}
	if w.RDPCertificate != nil {
		facts.Files = append(facts.Files, w.RDPCertificate.File)
	}
	facts.Files = append(facts.Files, w.Scripts...)
	data, err := answerfile.NewWindows(w)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	if err := facts.describe(data); err != nil {
		return nil, err
	}
	return facts, writeSecret(out, data, force)
}

// secrets gets the passwords and the certificate, files before questions.
func (u *unattend) secrets(ctx context.Context, w *answerfile.Windows) (err error) {
	if u.rdpCertificate != "" {
		if w.RDPCertificate, err = u.readRDPCertificate(ctx); err != nil {
			return err
		}
	}
	w.AdministratorPassword, err = newSecret(ctx, &u.password, "password of the account Administrator")
	if err != nil || u.domain == "" {
		return err
	}
	w.Domain = &answerfile.Domain{Name: u.domain, User: u.domainUser, OU: u.domainOU}
	w.Domain.Password, err = newSecret(ctx, &u.domainPassword, "password of "+u.domainUser)
	return err
}

func (u *unattend) readRDPCertificate(ctx context.Context) (*answerfile.RDPCertificate, error) {
	pfx, err := readFile(u.rdpCertificate, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	id, password, err := loadPFX(ctx, u.rdpCertificate, pfx, &u.rdpKeyPassword)
	if err != nil {
		return nil, err
	}
	return &answerfile.RDPCertificate{File: filepath.Base(u.rdpCertificate), Password: password, Certificate: id.Certificate}, nil
}
