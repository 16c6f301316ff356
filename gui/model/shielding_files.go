package model

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/answerfile"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// A Secret is a file for the virtual machine. What is in it is read when the
// shielding data are made, and never kept.
type Secret struct {
	Name string
	Path string // empty: it is in the file that is changed, and stays
	Size int    // bytes
}

// OpenSecret looks at a file that is to go into shielding data.
func OpenSecret(path string) (Secret, error) {
	f, err := readSecret(path)
	if err != nil {
		return Secret{}, err
	}
	defer clear(f.Content)
	if err := (&pdk.Payload{Files: []pdk.File{f}}).Check(); err != nil {
		return Secret{}, err
	}
	return Secret{Name: f.Name, Path: path, Size: len(f.Content)}, nil
}

// OpenAnswerFile looks at a file that is to be the answer file. What cannot be
// the answer file of any virtual machine is refused.
func OpenAnswerFile(path string) (Secret, error) {
	f, err := readSecret(path)
	if err != nil {
		return Secret{}, err
	}
	defer clear(f.Content)
	if _, err := answerfile.Substitutions(f.Content); err != nil {
		return Secret{}, err
	}
	return Secret{Name: f.Name, Path: path, Size: len(f.Content)}, nil
}

// readSecret reads a file, under the last part of its name. It leaves no other
// copy in memory.
func readSecret(path string) (pdk.File, error) {
	if err := CheckOpen(path); err != nil {
		return pdk.File{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return pdk.File{}, err
	}
	defer f.Close()
	buffer := make([]byte, pdk.MaxFiles+1)
	defer clear(buffer)
	n, err := io.ReadFull(f, buffer)
	switch {
	case err == nil:
		return pdk.File{}, problem("The file is longer than 384 KiB, the most that shielding data hold. Leave it out, or make it smaller.")
	case n == 0 && errors.Is(err, io.EOF):
		return pdk.File{}, problem("The file is empty. Have it sent again, or choose another.")
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return pdk.File{}, err
	}
	return pdk.File{Name: filepath.Base(path), Content: bytes.Clone(buffer[:n])}, nil
}

// AddFile puts one more file into the virtual machine. It takes the place of
// one of the same name.
func (s *ShieldingData) AddFile(f Secret) error {
	if a := s.AnswerFile; a != nil && strings.EqualFold(a.Name, f.Name) {
		return problem("The answer file has the same name. Rename one of the two.")
	}
	if at := slices.IndexFunc(s.Files, func(o Secret) bool { return strings.EqualFold(o.Name, f.Name) }); at >= 0 {
		s.Files[at] = f
		return nil
	}
	if len(s.Files) == pdk.MaxNumber {
		return problem("There are 256 files in the list, and more do not fit. Remove one first.")
	}
	s.Files = append(s.Files, f)
	return nil
}

// SetAnswerFile takes another answer file.
func (s *ShieldingData) SetAnswerFile(f Secret) error {
	if slices.ContainsFunc(s.Files, func(o Secret) bool { return strings.EqualFold(o.Name, f.Name) }) {
		return problem("Another file has the same name. Rename one of the two.")
	}
	s.AnswerFile = &f
	return nil
}

// DropAnswerFile forgets the answer file that was taken. That of the file that is
// changed stays.
func (s *ShieldingData) DropAnswerFile() {
	s.AnswerFile = nil
	if s.Edited != nil {
		s.AnswerFile = s.Edited.answerFile
	}
}

// RemoveFile takes the file at a place of the list away.
func (s *ShieldingData) RemoveFile(i int) { s.Files = slices.Delete(slices.Clone(s.Files), i, i+1) }

// Total is the size of the answer file and all files, in bytes.
func (s *ShieldingData) Total() int {
	total := 0
	for _, f := range s.Files {
		total += f.Size
	}
	if s.AnswerFile != nil {
		total += s.AnswerFile.Size
	}
	return total
}

// FilesReady says whether there is an answer file, and all files fit.
func (s *ShieldingData) FilesReady() bool {
	return !s.ForTemplates() || s.AnswerFile != nil && s.Total() <= pdk.MaxFiles
}

// Secrets opens the secrets of the file that is changed with the owner's keys
// and lists them. It keeps no content.
func (e *Edited) Secrets(o *guardian.Owner) (answerFile *Secret, files []Secret, err error) {
	p, err := e.open(o)
	if err != nil {
		return nil, nil, err
	}
	defer p.Clear()
	if p.AnswerFile != nil {
		answerFile = &Secret{Name: p.AnswerFile.Name, Size: len(p.AnswerFile.Content)}
	}
	for _, f := range p.Files {
		files = append(files, Secret{Name: f.Name, Size: len(f.Content)})
	}
	return answerFile, files, nil
}

func (e *Edited) open(o *guardian.Owner) (*pdk.Payload, error) {
	key, ok := o.EncryptionKey.(crypto.Decrypter)
	if !ok {
		return nil, pdk.ErrCannotOpen
	}
	return e.Data.Open(key)
}

// Unlock takes the owner whose keys were opened, with the list of the secrets of
// the file that is changed.
func (s *ShieldingData) Unlock(o *guardian.Owner, answerFile *Secret, files []Secret) {
	s.Owner = o
	if s.Edited != nil && !s.Edited.listed {
		s.Edited.listed, s.Edited.files, s.Edited.answerFile = true, len(files), answerFile
		s.AnswerFile, s.Files = answerFile, files
	}
}

// filesChanged says whether the secrets would be others.
func (s *ShieldingData) filesChanged() bool {
	e := s.Edited
	if !e.listed {
		return false
	}
	return len(s.Files) != e.files || slices.ContainsFunc(s.Files, func(f Secret) bool { return f.Path != "" }) ||
		s.AnswerFile != nil && s.AnswerFile.Path != ""
}

// payload reads all secrets: those that stay from the file that is changed, the
// others from where they are. The caller clears it.
func (s *ShieldingData) payload() (p *pdk.Payload, err error) {
	p = &pdk.Payload{}
	defer func() {
		if err != nil {
			p.Clear()
			p = nil
		}
	}()
	var old *pdk.Payload
	if s.Edited != nil {
		if old, err = s.Edited.open(s.Owner); err != nil {
			return p, err
		}
		defer old.Clear()
	}
	read := func(f Secret, kept []pdk.File) (pdk.File, error) {
		if f.Path != "" {
			return readSecret(f.Path)
		}
		for _, k := range kept {
			if k.Name == f.Name {
				return pdk.File{Name: k.Name, Content: bytes.Clone(k.Content)}, nil
			}
		}
		return pdk.File{}, problem("The file {{.Name}} is not in the shielding data any more. Open them again.", "Name", f.Name)
	}
	if s.AnswerFile != nil {
		var kept []pdk.File
		if old != nil && old.AnswerFile != nil {
			kept = append(kept, *old.AnswerFile)
		}
		f, err := read(*s.AnswerFile, kept)
		if err != nil {
			return p, err
		}
		p.AnswerFile = &f
		if _, err := answerfile.Substitutions(f.Content); err != nil {
			return p, err
		}
	}
	for _, secret := range s.Files {
		var kept []pdk.File
		if old != nil {
			kept = old.Files
		}
		f, err := read(secret, kept)
		if err != nil {
			return p, err
		}
		p.Files = append(p.Files, f)
	}
	return p, p.Check()
}
