package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/hgsserver"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
)

// generatedBits and generatedFor are what the certificates of --generate have.
const (
	generatedBits = 2048
	generatedFor  = 10 * 365 * 24 * time.Hour
)

func initCommand() *cobra.Command {
	var settings hgsserver.Settings
	var signingPFX, encryptionPFX string
	var generate bool
	var passphrase, pfx cli.Password
	cmd := cli.Leaf("init", "Make the state of a service", "hgs init --dir /var/lib/hgs --name hgs.example.com --mode tpm --generate",
		func(cmd *cobra.Command, _ []string) error {
			switch given := signingPFX != "" && encryptionPFX != ""; {
			case settings.Name == "" || settings.Mode == "":
				return cli.UsageError(cmd, errors.New("--name and --mode are needed"))
			case generate == given || !given && signingPFX+encryptionPFX != "":
				return cli.UsageError(cmd, errors.New("give --signing and --encryption, or else --generate"))
			}
			if err := hgsserver.Absent(dirOf(cmd)); err != nil {
				return withRemedy(err)
			}
			signer, encryption, err := firstCertificates(cmd.Context(), settings.Name, generate, signingPFX, encryptionPFX, &pfx)
			if err != nil {
				return err
			}
			secret, err := passphrase.Read(cmd.Context(), "the passphrase of the service", true)
			if err != nil {
				return err
			}
			if err := hgsserver.Init(dirOf(cmd), settings, signer, encryption, secret); err != nil {
				return withRemedy(err)
			}
			facts := struct {
				Dir        string `json:"dir"`
				Name       string `json:"name"`
				Mode       string `json:"mode"`
				Signing    string `json:"signing"`
				Encryption string `json:"encryption"`
			}{dirOf(cmd), settings.Name, settings.Mode, signing.Thumbprint(signer.Certificate), signing.Thumbprint(encryption.Certificate)}
			return cli.Report(cmd, facts, func(s *cli.Sheet) {
				s.Facts("service", facts.Name, "folder", facts.Dir, "mode", facts.Mode, "signing certificate", facts.Signing,
					"encryption certificate", facts.Encryption)
			})
		})
	cmd.Flags().StringVar(&settings.Name, "name", "", "the `NAME` of the service, as hosts know it")
	cmd.Flags().StringVar(&settings.Mode, "mode", "", "how hosts attest: tpm or hostkey")
	completeValues(cmd, "mode", modes...)
	cmd.Flags().StringVar(&signingPFX, "signing", "", "the signing certificate with its key, in the PFX `FILE`")
	cmd.Flags().StringVar(&encryptionPFX, "encryption", "", "the encryption certificate with its key, in the PFX `FILE`")
	cmd.Flags().BoolVar(&generate, "generate", false, "make self-signed certificates")
	passwordFlags(cmd, &passphrase, "passphrase", "the passphrase of the service")
	passwordFlags(cmd, &pfx, "password", "the password of the PFX files")
	return cmd
}

func firstCertificates(ctx context.Context, name string, generate bool, signingPFX, encryptionPFX string, password *cli.Password) (signer, encryption *signing.Identity, err error) {
	if generate {
		o, err := guardian.NewOwner(name, generatedBits, generatedFor)
		if err != nil {
			return nil, nil, err
		}
		return &signing.Identity{Certificate: o.Signing, Key: o.SigningKey}, &signing.Identity{Certificate: o.Encryption, Key: o.EncryptionKey}, nil
	}
	secret, err := password.Read(ctx, "the password of the PFX files", false)
	if err != nil {
		return nil, nil, err
	}
	if signer, err = loadPFX(signingPFX, secret); err == nil {
		encryption, err = loadPFX(encryptionPFX, secret)
	}
	return signer, encryption, err
}

func loadPFX(path string, password []byte) (*signing.Identity, error) {
	data, err := cli.ReadFile(path, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	id, err := signing.LoadPFX(data, string(password))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return id, nil
}

func serveCommand() *cobra.Command {
	var listening listeningFlags
	var reviewers, group string
	var logJSON bool
	var passphrase cli.Password
	cmd := cli.Leaf("serve", "Serve hosts until interrupted", "hgs serve --dir /var/lib/hgs --listen :80", func(cmd *cobra.Command, _ []string) error {
		if err := listening.pairs(); err != nil {
			return cli.UsageError(cmd, err)
		}
		number := -1
		if group != "" {
			g, err := user.LookupGroup(group)
			if err != nil {
				return err
			}
			if number, err = strconv.Atoi(g.Gid); err != nil {
				return fmt.Errorf("the group %s has no number", group)
			}
		}
		secret, err := passphrase.Read(cmd.Context(), "the passphrase of the service", false)
		if err != nil {
			return err
		}
		log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
		if logJSON {
			log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
		}
		s, err := hgsserver.Open(dirOf(cmd), secret, log)
		clear(secret)
		if err != nil {
			return withRemedy(err)
		}
		o, err := listening.over(s.Listening()).Options()
		if err != nil {
			return errors.Join(err, s.Close())
		}
		o.Socket, o.Reviewers, o.Group, o.Version = given(cmd, "socket", ""), reviewers, number, version
		return errors.Join(s.Serve(cmd.Context(), o), s.Close())
	})
	listening.add(cmd)
	cmd.Flags().StringVar(&reviewers, "reviewers", "", "open the socket `PATH` for reviewers, who read and change nothing")
	cmd.Flags().StringVar(&group, "reviewers-group", "", "whose `GROUP` the reviewers' socket is")
	cmd.Flags().BoolVar(&logJSON, "log-json", false, "log in JSON")
	passwordFlags(cmd, &passphrase, "passphrase", "the passphrase of the service")
	return cmd
}

func backupCommand() *cobra.Command {
	var request hgsserver.BackupRequest
	var password cli.Password
	cmd := cli.Leaf("backup FILE", "Write all of the service, or one mode's state, into a file under a password", "hgs backup hgs.backup --password-file secret",
		func(cmd *cobra.Command, args []string) error {
			secret, err := password.Read(cmd.Context(), "the password of the backup", true)
			if err != nil {
				return err
			}
			request.Password = string(secret)
			if err := writeBackup(cmd, args[0], request); err != nil {
				return err
			}
			return cli.Report(cmd, map[string]string{"file": args[0]}, func(s *cli.Sheet) { s.Facts("backup", args[0]) })
		})
	cmd.Flags().StringVar(&request.Mode, "only", "", "the state of the mode tpm or hostkey alone")
	completeValues(cmd, "only", modes...)
	passwordFlags(cmd, &password, "password", "the password of the backup")
	return cmd
}

func restoreCommand() *cobra.Command {
	var into bool
	var passphrase, password cli.Password
	cmd := cli.Leaf("restore FILE", "Make the service of a backup", "hgs restore hgs.backup --dir /var/lib/hgs", func(cmd *cobra.Command, args []string) error {
		if err := hgsserver.Absent(dirOf(cmd)); err != nil && !into {
			return withRemedy(err)
		}
		f, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		secret, err := password.Read(cmd.Context(), "the password of the backup", false)
		if err != nil {
			return err
		}
		pass, err := passphrase.Read(cmd.Context(), "the passphrase of the service", !into)
		if err != nil {
			return err
		}
		if into {
			err = hgsserver.Import(dirOf(cmd), f, secret, pass)
		} else {
			err = hgsserver.Restore(dirOf(cmd), f, secret, pass)
		}
		if err != nil {
			return withRemedy(err)
		}
		return cli.Report(cmd, map[string]string{"dir": dirOf(cmd)}, func(s *cli.Sheet) { s.Facts("restored in", dirOf(cmd)) })
	})
	cmd.Flags().BoolVar(&into, "into", false, "put what the backup has in the place of what the service has, which is stopped")
	passwordFlags(cmd, &passphrase, "passphrase", "the passphrase of the service")
	passwordFlags(cmd, &password, "password", "the password of the backup")
	return cmd
}

func clearCommand() *cobra.Command {
	var force bool
	cmd := cli.Leaf("clear", "Remove the service with all of its keys", "hgs clear --dir /var/lib/hgs --force", func(cmd *cobra.Command, _ []string) error {
		path := filepath.Join(dirOf(cmd), hgsserver.StateFile)
		if _, err := os.Stat(path); err != nil {
			return withRemedy(err)
		}
		lost := "its certificates with their keys, hosts, policies and the audit log: without a backup, no virtual machine that it guards starts again"
		if !force {
			return fmt.Errorf("%s is not removed; with it would go %s; --force removes it", path, lost)
		}
		if _, err := store.Open(path, nil); errors.Is(err, store.ErrLocked) { // no passphrase is empty: it opens for nobody
			return fmt.Errorf("%s is not removed: a service is serving from it; stop it first", path)
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		return cli.Report(cmd, map[string]string{"removed": path}, func(s *cli.Sheet) { s.Line("Removed is " + path + ", and with it " + lost + ".") })
	})
	cmd.Flags().BoolVar(&force, "force", false, "remove it")
	return cmd
}
