package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
	"github.com/scutum-project/scutum/vhdx/volume"
)

type templateSign struct {
	name, version, osType, like, vsc string
	force, bitLocker                 bool
	cipher                           string
	signer                           signerSource
}

// ciphers are what --cipher takes.
var ciphers = map[string]bitlocker.Method{"xts-128": bitlocker.AESXTS128, "xts-256": bitlocker.AESXTS256}

func templateSignCommand() *cobra.Command {
	var o templateSign
	cmd := &cobra.Command{
		Use:   "sign DISK.vhdx --name NAME --version A.B.C.D --cert SIGNER.pfx",
		Short: "Sign a template disk",
		Long: `Hash every sector of every partition, sign the hashes, and store the signed
catalog in the metadata of the VHDX. No byte of the virtual disk changes. When it
fails or is interrupted, the file is as it was.

With --bitlocker the system volume of a Windows template is encrypted first, with a key
that lies on it in clear: whoever has the template reads it. --cipher says how. That
happens in a copy beside the file, which takes its place when it is signed: the folder
needs room for it. A volume that was prepared before stays as it is.

With --like, name and the next version come from another disk that the same key
has signed, as far as they are not given. A disk that is signed already needs --force.`,
		Example: `  scutum template sign template.vhdx --name "Windows Server 2025" --version 1.0.0.0 --cert signer.pfx
  scutum template sign template.vhdx --name Ubuntu --version 1.0.0.0 --type linux --cert signer.pem --key signer.key
  scutum template sign template.vhdx --name Windows --version 1.0.0.0 --cert signer.pfx --bitlocker
  scutum template sign template.vhdx --name Windows --version 1.0.0.0 --cert signer.pfx --bitlocker --cipher xts-256
  scutum template sign patched.vhdx --like template.vhdx --cert signer.pfx --password-file secret --vsc patched.vsc`,
		Args: cli.ExactArgs("DISK.vhdx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			signed, err := o.run(cmd, args[0])
			if err != nil {
				return err
			}
			facts := struct {
				Disk      string       `json:"disk"`
				VSC       string       `json:"vsc,omitempty"`
				BitLocker bool         `json:"bitLocker"` // prepared for it, now or before
				Catalog   catalogFacts `json:"catalog"`
			}{args[0], o.vsc, signed.Catalog.OSVolume().FileSystem == volume.BitLocker, factsOfCatalog(signed)}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				s.Facts(append([]string{"disk", facts.Disk}, append(facts.Catalog.pairs(), "saved as", facts.VSC)...)...)
				if facts.BitLocker {
					s.Line("The system volume is prepared for BitLocker.")
				}
				s.Line("The disk is signed.")
			})
		},
	}
	cmd.Flags().StringVar(&o.name, "name", "", "`NAME` of the template")
	cmd.Flags().StringVar(&o.version, "version", "", "its version, four numbers: `A.B.C.D`")
	cmd.Flags().StringVar(&o.osType, "type", "", "refuse the disk when it does not hold this `TYPE`: windows or linux")
	oneOf(cmd, "type", "windows", "linux")
	cmd.Flags().StringVar(&o.like, "like", "", "take name and next version from this `DISK` or .vsc file of the same signer")
	cmd.Flags().StringVar(&o.vsc, "vsc", "", "save the catalog also as `OUT.vsc`")
	o.signer.flags(cmd)
	cmd.Flags().BoolVar(&o.bitLocker, "bitlocker", false, "make the system volume a BitLocker volume with a clear key first")
	cmd.Flags().StringVar(&o.cipher, "cipher", "", "how --bitlocker encrypts, with AES: `METHOD` xts-128 (which Windows uses by default) or xts-256")
	oneOf(cmd, "cipher", "xts-128", "xts-256")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace the catalog that the disk has, and the file of --vsc")
	cli.JSONFlag(cmd)
	required(cmd, "cert")
	return cmd
}

func (o *templateSign) run(cmd *cobra.Command, path string) (*signing.Signed, error) {
	options, err := o.options()
	if err != nil {
		return nil, cli.UsageError(cmd, err)
	}
	inputs := append(o.signer.inputs(), file{"DISK.vhdx", path}, file{"--like", o.like})
	if err := claim(o.force, []file{{"--vsc", o.vsc}}, inputs...); err != nil {
		return nil, err
	}
	if !o.force {
		if err := notSigned(path); err != nil {
			return nil, err
		}
	}
	if o.like != "" {
		if options.Like, err = readCatalog(o.like); err != nil {
			return nil, err
		}
	}
	if options.Identity, err = o.signer.load(cmd.Context()); err != nil {
		return nil, err
	}
	what := "hashing"
	if o.bitLocker {
		what = "encrypting and hashing"
	}
	update, finish := progress(cmd, what)
	options.Progress = update
	defer finish()
	return o.sign(cmd.Context(), path, options)
}

// sign signs the disk and saves the catalog. It is written out before the disk
// is touched, so that afterwards it needs no more than its name.
func (o *templateSign) sign(ctx context.Context, path string, options signing.SignOptions) (*signing.Signed, error) {
	sign := signing.SignTemplate
	if o.bitLocker {
		sign = func(ctx context.Context, path string, options signing.SignOptions) (*signing.Signed, error) {
			return signing.EncryptTemplate(ctx, path, ciphers[o.cipher], options)
		}
	}
	if o.vsc == "" {
		return sign(ctx, path, options)
	}
	out, err := atomicfile.Create(o.vsc, o.force)
	if err != nil {
		return nil, err
	}
	defer out.Discard()
	options.Ready = func(s *signing.Signed) error {
		_, err := out.Write(s.DER)
		if err == nil {
			err = out.Sync()
		}
		if err != nil {
			return fmt.Errorf("save the catalog as %s: %w", o.vsc, withoutPath(err))
		}
		return nil
	}
	signed, err := sign(ctx, path, options)
	if err != nil {
		return nil, err
	}
	if err := out.Commit(); err != nil {
		return nil, fmt.Errorf("%s is signed and carries its catalog, but %s is not written (%q does that): %w",
			path, o.vsc, "scutum template extract "+path+" "+o.vsc, err)
	}
	return signed, nil
}

// withoutPath drops the name of a temporary file from an error.
func withoutPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// options checks what the flags say before any file is opened.
func (o *templateSign) options() (options signing.SignOptions, err error) {
	if o.like == "" && (o.name == "" || o.version == "") {
		return options, errors.New("--name and --version are needed, or --like")
	}
	if o.osType != "" && o.osType != volume.Windows && o.osType != volume.Linux {
		return options, fmt.Errorf("--type: %q is neither windows nor linux", o.osType)
	}
	switch _, known := ciphers[o.cipher]; {
	case o.cipher == "":
	case !known:
		return options, fmt.Errorf("--cipher: %q is neither xts-128 nor xts-256", o.cipher)
	case !o.bitLocker:
		return options, errors.New("--cipher is for --bitlocker")
	}
	options.Name, options.Type = o.name, o.osType
	if o.version != "" {
		options.Version, err = signing.ParseVersion(o.version)
	}
	return options, err
}

// notSigned refuses a disk that carries a catalog, even one that is broken.
func notSigned(path string) error {
	d, err := vhdx.OpenAlone(path)
	if err != nil {
		return err
	}
	defer d.Close()
	switch signed, err := signing.Embedded(d); {
	case errors.Is(err, signing.ErrNotSigned):
		return nil
	case err != nil:
		return fmt.Errorf("sign %s: it carries a catalog that cannot be used; --force replaces it", path)
	default:
		t := signed.Catalog.Template
		return fmt.Errorf("sign %s: it is signed already, as %q version %s; --force replaces the catalog", path, t.Name, t.Version)
	}
}

func templateExtractCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "extract DISK.vhdx OUT.vsc",
		Short:   "Save the catalog of a signed disk as a file",
		Long:    `Save the catalog that a signed disk carries as a .vsc file, byte for byte.`,
		Example: "  scutum template extract template.vhdx template.vsc",
		Args:    cli.ExactArgs("DISK.vhdx", "OUT.vsc"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := claim(force, []file{{"OUT.vsc", args[1]}}, file{"DISK.vhdx", args[0]}); err != nil {
				return err
			}
			signed, err := extract(cmd.Context(), args[0], args[1], force)
			if err != nil {
				return err
			}
			facts := struct {
				Disk    string       `json:"disk"`
				VSC     string       `json:"vsc"`
				Catalog catalogFacts `json:"catalog"`
			}{args[0], args[1], factsOfCatalog(signed)}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				s.Facts(append(facts.Catalog.unjudged(), "saved as", facts.VSC)...)
			})
		},
	}
	forceFlag(cmd, &force)
	cli.JSONFlag(cmd)
	return cmd
}

func extract(ctx context.Context, path, out string, force bool) (*signing.Signed, error) {
	d, err := vhdx.OpenAlone(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	signed, err := named(signing.Embedded(d))(path)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return signed, atomicfile.WriteFile(out, signed.DER, 0o666, force)
}
