package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

type pdkShow struct {
	open, force bool
	save        string
	passphrase  cli.Password
}

func pdkShowCommand() *cobra.Command {
	var o pdkShow
	cmd := &cobra.Command{
		Use:   "show FILE.pdk",
		Short: "Show what the fabric may see of a shielding data file, or with a key all of it",
		Long: `Show what a shielding data file says to anybody: its signature and its key
protector are checked. Whether the owner is the one you expect is for you to
compare, by the thumbprint.

With --open, open the secrets as well, with keys from the guardian store, and show
the names and sizes of the files. With --save, write the files to a folder, for
your eyes alone.`,
		Example: `  scutum pdk show vm.pdk
  scutum pdk show vm.pdk --json
  scutum pdk show vm.pdk --open --password-file secret
  scutum pdk show vm.pdk --open --save secrets`,
		Args: cli.ExactArgs("FILE.pdk"),
		RunE: func(cmd *cobra.Command, args []string) error {
			facts, err := o.run(cmd, args[0])
			if err != nil {
				return err
			}
			return cli.Report(cmd, facts, facts.text)
		},
	}
	cmd.Flags().BoolVar(&o.open, "open", false, "open the secrets with keys from the guardian store")
	cmd.Flags().StringVar(&o.save, "save", "", "with --open, write the files to the folder `DIR`")
	o.passphrase.Flags(cmd, "password", "the passphrase of the keys that open the secrets")
	forceFlag(cmd, &o.force)
	cli.JSONFlag(cmd)
	return cmd
}

// secretFacts are the secrets, without their contents.
type secretFacts struct {
	AnswerFile *secretFile  `json:"answerFile"` // null for a virtual machine that exists
	Files      []secretFile `json:"files"`
	SavedIn    string       `json:"savedIn,omitempty"`
}

type secretFile struct {
	Name string `json:"name"`
	Size int    `json:"size"` // bytes
}

func factsOfSecrets(p *pdk.Payload) *secretFacts {
	f := &secretFacts{Files: []secretFile{}}
	if a := p.AnswerFile; a != nil {
		f.AnswerFile = &secretFile{a.Name, len(a.Content)}
	}
	for _, file := range p.Files {
		f.Files = append(f.Files, secretFile{file.Name, len(file.Content)})
	}
	return f
}

func (f *secretFacts) text(s *cli.Sheet) {
	if f.AnswerFile == nil {
		s.Line("The secrets open; there are no files in them.")
		return
	}
	rows := [][]string{{"SECRET", "NAME", "BYTES"}, {"answer file", f.AnswerFile.Name, strconv.Itoa(f.AnswerFile.Size)}}
	for _, file := range f.Files {
		rows = append(rows, []string{"file", file.Name, strconv.Itoa(file.Size)})
	}
	s.Table(rows...)
	if f.SavedIn != "" {
		s.Line("The files are in " + f.SavedIn + ": remove them when they have served.")
	}
}

func (o *pdkShow) run(cmd *cobra.Command, path string) (*shieldingFacts, error) {
	if !o.open && (o.save != "" || o.passphrase.Given()) {
		return nil, cli.UsageError(cmd, fmt.Errorf("--save and a passphrase go with --open"))
	}
	d, err := readShieldingData(path)
	if err != nil {
		return nil, err
	}
	if !o.open {
		return factsOfShieldingData(path, d, namesIfKnown(cmd)), nil
	}
	store, err := openStore()
	if err != nil {
		return nil, err
	}
	known, err := readNames(store)
	if err != nil {
		return nil, err
	}
	facts := factsOfShieldingData(path, d, known)
	payload, err := o.openWith(cmd.Context(), store, path, d)
	if err != nil {
		return nil, err
	}
	defer payload.Clear()
	facts.Secrets = factsOfSecrets(payload)
	if o.save != "" {
		facts.Secrets.SavedIn = o.save
		err = o.saveFiles(payload, file{"FILE.pdk", path}, passwordFile(&o.passphrase))
	}
	return facts, err
}

// openWith opens the secrets with the first keys in the store that have access.
func (o *pdkShow) openWith(ctx context.Context, store *guardian.Store, path string, d *pdk.ShieldingData) (*pdk.Payload, error) {
	for _, w := range d.KeyProtector.Wrappings() {
		name, err := ownerWithKey(store, w.Encryption)
		if err != nil {
			continue
		}
		owner, err := readOwner(ctx, store, name, &o.passphrase)
		if err != nil {
			return nil, err
		}
		key, err := decrypter(owner)
		if err != nil {
			return nil, err
		}
		return named(d.Open(key))(path)
	}
	return nil, fmt.Errorf("%s: none of the private keys in the guardian store has access to the secrets: "+
		`"scutum guardian import --signing --encryption" takes in keys that you have, and the owner gives access with "scutum pdk edit --grant"`, path)
}

// saveFiles writes the files into the folder, which it makes if need be. None is
// written when one is in the way, and none stays when one cannot be written.
func (o *pdkShow) saveFiles(p *pdk.Payload, inputs ...file) error {
	var files []pdk.File
	if p.AnswerFile != nil {
		files = append(files, *p.AnswerFile)
	}
	files = append(files, p.Files...)
	var outputs []file
	for _, f := range files {
		outputs = append(outputs, file{"the file to be saved", filepath.Join(o.save, f.Name)})
	}
	if err := claim(o.force, outputs, inputs...); err != nil {
		return err
	}
	if err := os.MkdirAll(o.save, 0o700); err != nil {
		return err
	}
	for i, f := range files {
		if err := atomicfile.WriteFile(outputs[i].path, f.Content, 0o600, o.force); err != nil {
			for _, written := range outputs[:i] {
				_ = os.Remove(written.path)
			}
			return err
		}
	}
	return nil
}
