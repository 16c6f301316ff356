package main

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scutum-project/scutum/cmd/internal/cli"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/guardian"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// A pdkSource is what goes into a shielding data file, as flags name it.
type pdkSource struct {
	policy     string
	vsc        []string
	answerFile string
	files      []string
	fit        fitGuardians

	systems map[string]string // of the templates, by the files with their catalogs
}

func (o *pdkSource) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.policy, "policy", "", "`POLICY`: shielded, or encryption-supported, which leaves the operator the console")
	cmd.Flags().StringArrayVar(&o.vsc, "vsc", nil,
		"`FILE[,RULE][,pin]`: accept templates like that of FILE, a .vsc file or a signed disk; RULE is equals, greater or greater-or-equal; may be repeated")
	cmd.Flags().StringVar(&o.answerFile, "answer-file", "", "the answer file, from `FILE`")
	cmd.Flags().StringArrayVar(&o.files, "file", nil, "another file for the virtual machine, from `FILE`; may be repeated")
	o.fit.flags(cmd)
	oneOf(cmd, "policy", string(pdk.Shielded), string(pdk.EncryptionSupported))
}

// inputs are the files that the source is read from.
func (o *pdkSource) inputs() []file {
	inputs := []file{{"--answer-file", o.answerFile}}
	for _, path := range o.files {
		inputs = append(inputs, file{"--file", path})
	}
	for _, text := range o.vsc {
		if spec, err := parseVSC(text); err == nil {
			inputs = append(inputs, file{"--vsc", spec.path})
		}
	}
	return inputs
}

// A vscSpec is the value of a --vsc.
type vscSpec struct {
	path string
	rule pdk.Rule
	pin  bool
}

func (s vscSpec) String() string {
	text := s.path + "," + string(s.rule)
	if s.pin {
		text += ",pin"
	}
	return text
}

// parseVSC reads FILE[,RULE][,pin]. What is neither a rule nor pin belongs to the
// name of the file, unless there is no such file.
func parseVSC(text string) (spec vscSpec, err error) {
	spec.path, spec.pin = strings.CutSuffix(text, ",pin")
	spec.rule = pdk.Equals
	at := strings.LastIndexByte(spec.path, ',')
	if at >= 0 {
		rule, err := pdk.ParseRule(spec.path[at+1:])
		if err == nil {
			spec.path, spec.rule = spec.path[:at], rule
		} else if _, missing := os.Stat(spec.path); errors.Is(missing, fs.ErrNotExist) {
			return spec, fmt.Errorf("--vsc %s: %w", text, err)
		}
	}
	if path, swapped := strings.CutSuffix(spec.path, ",pin"); swapped {
		if _, missing := os.Stat(spec.path); errors.Is(missing, fs.ErrNotExist) {
			return spec, fmt.Errorf("--vsc %s: pin stands last: %s", text, vscSpec{path, spec.rule, true})
		}
	}
	if spec.pin && spec.rule == pdk.Greater {
		return spec, fmt.Errorf("--vsc %s: pin accepts this one catalog, and the rule %s another version: nothing would fit", text, pdk.Greater)
	}
	return spec, nil
}

// check refuses values that are wrong whatever the files hold.
func (o *pdkSource) check() error {
	if o.policy != "" {
		if _, err := pdk.ParsePolicy(o.policy); err != nil {
			return fmt.Errorf("--policy: %w", err)
		}
	}
	for _, text := range o.vsc {
		if _, err := parseVSC(text); err != nil {
			return err
		}
	}
	return nil
}

// qualifiers makes a qualifier of each --vsc.
func (o *pdkSource) qualifiers() ([]pdk.Qualifier, error) {
	var all []pdk.Qualifier
	o.systems = map[string]string{}
	for _, text := range o.vsc {
		spec, err := parseVSC(text)
		if err != nil {
			return nil, err
		}
		signed, err := readCatalog(spec.path)
		if err != nil {
			return nil, err
		}
		if err := signing.CheckSigner(signed.Signer, signed.SigningTime); err != nil {
			return nil, fmt.Errorf("%s: %w", spec.path, err)
		}
		q := pdk.QualifierOf(signed, spec.rule, spec.pin)
		if slices.ContainsFunc(all, func(other pdk.Qualifier) bool { return sameQualifier(q, other) }) {
			return nil, fmt.Errorf("--vsc %s: another --vsc says the same", text)
		}
		all = append(all, q)
		o.systems[spec.path] = signed.Catalog.Type
	}
	return all, nil
}

func sameQualifier(a, b pdk.Qualifier) bool {
	return a.Name == b.Name && a.Version == b.Version && a.Rule == b.Rule && a.Signer.Equal(b.Signer) && bytes.Equal(a.Digest, b.Digest)
}

// payload reads the secrets. What cannot become the answer file of any virtual
// machine is refused here already.
func (o *pdkSource) payload() (*pdk.Payload, error) {
	var p pdk.Payload
	if err := o.readPayload(&p); err != nil {
		p.Clear()
		return nil, err
	}
	return &p, nil
}

func (o *pdkSource) readPayload(p *pdk.Payload) error {
	if o.answerFile != "" {
		f, err := readSecret(o.answerFile)
		if err != nil {
			return err
		}
		p.AnswerFile = &f
		if _, err := named(answerfile.Substitutions(f.Content))(o.answerFile); err != nil {
			return err
		}
	}
	for _, path := range o.files {
		f, err := readSecret(path)
		if err != nil {
			return err
		}
		p.Files = append(p.Files, f)
	}
	return nil
}

// doubts are what looks like a mistake about the answer file: it is for another
// system than a template, or wants a file that is not there.
func (o *pdkSource) doubts(p *pdk.Payload) (all []string) {
	if p.AnswerFile == nil {
		return nil
	}
	system := volume.Linux
	if bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(p.AnswerFile.Content, []byte("\ufeff"))), []byte("<")) {
		system = volume.Windows
	}
	for _, path := range slices.Sorted(maps.Keys(o.systems)) {
		if o.systems[path] != system {
			all = append(all, fmt.Sprintf("%s is an answer file for %s, and the template of %s is for %s", o.answerFile, system, path, o.systems[path]))
		}
	}
	for _, name := range answerfile.Files(p.AnswerFile.Content) {
		if sameName(p.Files, name) < 0 {
			all = append(all, fmt.Sprintf("%s wants the file %s, which is not in the shielding data: add it with --file", o.answerFile, name))
		}
	}
	return all
}

// readSecret reads a file for the payload, under the last part of its name. It
// leaves no other copy in memory.
func readSecret(path string) (pdk.File, error) {
	f, err := cli.OpenInput(path)
	if err != nil {
		return pdk.File{}, err
	}
	defer f.Close()
	buffer := make([]byte, pdk.MaxFiles+1)
	defer clear(buffer)
	n, err := io.ReadFull(f, buffer)
	switch {
	case err == nil:
		return pdk.File{}, fmt.Errorf("read %s: the file is longer than %s, the most that shielding data hold", path, formatSize(pdk.MaxFiles))
	case n == 0 && errors.Is(err, io.EOF):
		return pdk.File{}, fmt.Errorf("read %s: the file is empty", path)
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return pdk.File{}, err
	}
	return pdk.File{Name: filepath.Base(path), Content: bytes.Clone(buffer[:n])}, nil
}

// sameName finds the file of a name in a payload, whatever the case.
func sameName(files []pdk.File, name string) int {
	return slices.IndexFunc(files, func(f pdk.File) bool { return strings.EqualFold(f.Name, name) })
}

// decrypter gives the encryption key of an owner guardian.
func decrypter(o *guardian.Owner) (crypto.Decrypter, error) {
	key, ok := o.EncryptionKey.(crypto.Decrypter)
	if !ok {
		return nil, fmt.Errorf("the encryption key of guardian %q cannot decrypt", o.Name)
	}
	return key, nil
}
